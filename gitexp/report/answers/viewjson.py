"""What `show`, `status`, `diff`, `inputs` and `logs` answer, as JSON under a schema's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.run import RepeatState
from gitexp.model.views import ShownExperiment
from gitexp.records import codec
from gitexp.report.answers.listjson import metric, run_summary, text, unreadable
from gitexp.text.fields import param_json, time_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.model.plan import Plan
    from gitexp.model.views import (
        DataState,
        DiffView,
        InputsView,
        LiveRun,
        LoggedValue,
        LogView,
        ShownRun,
        StateName,
        StatusView,
        ValueChange,
    )
    from gitexp.text.jsontext import Json


def show(value: ShownExperiment | ShownRun) -> str:
    """Return ``gitexp show --json``: gitexp/shown-experiment@1 or gitexp/shown-run@1."""
    return _experiment(value) if isinstance(value, ShownExperiment) else _run(value)


def status(value: StatusView) -> str:
    """Return ``gitexp status --json``: gitexp/status@1."""
    return text(
        "status",
        {
            "branch": value.branch,
            "commit": value.commit,
            "initialised": value.initialised,
            "plan": _plan(value.plan),
            "inputs": value.inputs,
            "planned": value.planned,
            "counted": list(value.counted),
            "baseline_counted": list(value.baseline_counted),
            "exploratory": value.exploratory,
            "not_counted": list(value.not_counted),
            "failed": list(value.failed),
            "concluded": value.verdict is not None,
            "verdict": value.verdict or None,
            "dirty": list(value.dirty),
            "running": [_live(item) for item in value.running],
            "unpublished": [_live(item) for item in value.unpublished],
            "unreadable": unreadable(value.unreadable),
            "shallow": value.shallow,
            "notes": list(value.notes),
            "next": value.next_step,
        },
    )


def diff(value: DiffView) -> str:
    """Return ``gitexp diff --json``: gitexp/diff@1."""
    return text(
        "diff",
        {
            "a": _state(value.a),
            "b": _state(value.b),
            "same": value.same,
            "code": [
                {
                    "path": item.path,
                    "kind": item.kind,
                    "added": item.added,
                    "removed": item.removed,
                }
                for item in value.code
            ],
            "params": _changes(value.params),
            "data": [
                {
                    "path": item.path,
                    "declared_by": item.declared_by,
                    "a": _data(item.a),
                    "b": _data(item.b),
                }
                for item in value.data
            ],
            "environment": _changes(value.environment),
            "metrics": [
                {
                    "metric": item.metric,
                    "a": metric(item.a),
                    "b": metric(item.b),
                    "difference": item.difference,
                }
                for item in value.metrics
            ],
            "notes": list(value.notes),
        },
    )


def inputs(value: InputsView) -> str:
    """Return ``gitexp inputs --json``: gitexp/inputs-view@1."""
    return text(
        "inputs-view",
        {
            "a": _state(value.a),
            "b": _state(value.b),
            "shared": value.shared,
            "reasons": [
                {"kind": item.kind, "what": item.what, "a": item.a, "b": item.b}
                for item in value.reasons
            ],
            "ignored": list(value.ignored),
            "runs_a": list(value.runs_a),
            "runs_b": list(value.runs_b),
            "notes": list(value.notes),
        },
    )


def logs(value: LogView) -> str:
    """Return ``gitexp logs --json``: gitexp/logs@1."""
    return text(
        "logs",
        {
            "run": value.run,
            "live": value.live,
            "repeats": [
                {
                    "seed": item.seed,
                    "attempt": item.attempt,
                    "state": item.state.value
                    if isinstance(item.state, RepeatState)
                    else item.state,
                    "reason": item.reason,
                    "source": item.source.value,
                    "path": item.path or None,
                    "truncated": item.truncated,
                    "text": item.text,
                    **_logged(item.logged),
                    **({"seeds": item.seeds} if item.seeds else {}),
                }
                for item in value.repeats
            ],
            "notes": list(value.notes),
        },
    )


def _experiment(value: ShownExperiment) -> str:
    conclusion = value.conclusion
    return text(
        "shown-experiment",
        {
            "branch": value.branch,
            "commit": value.commit,
            "plan": _plan(value.plan),
            "plan_commit": value.plan_commit,
            "inputs": value.inputs,
            "runs": [run_summary(item) for item in value.runs],
            "conclusion": None if conclusion is None else codec.to_json(conclusion),
            "unreadable": unreadable(value.unreadable),
            "shallow": value.shallow,
            "source_lost": value.source_lost,
            "notes": list(value.notes),
        },
    )


def _run(value: ShownRun) -> str:
    environment = value.environment
    return text(
        "shown-run",
        {
            "run": codec.to_json(value.run),
            "samples": [codec.to_json(item) for item in value.samples],
            "metrics": [metric(item) for item in value.metrics],
            "commit": value.commit,
            "refs": list(value.refs),
            "environment": None if environment is None else codec.to_json(environment),
            "deleted": value.deleted,
            "altered": value.altered,
            "notes": list(value.notes),
        },
    )


def _plan(plan: Plan | None) -> Json:
    return None if plan is None else {**codec.to_json(plan), "digest": plan.digest}


def _live(item: LiveRun) -> Json:
    return {
        "id": item.id,
        "branch": item.branch,
        "side": item.side,
        "seeds": list(item.seeds),
        "finished": list(item.finished),
        "ended": list(item.ended),
        "alive": item.alive,
        "started_at": time_text(item.started_at),
        "host": item.host,
        **(
            {"logged": [{"seed": seed, **_logged(values)} for seed, values in item.logged]}
            if item.logged
            else {}
        ),
    }


def _logged(values: Iterable[LoggedValue]) -> dict[str, Json]:
    found: list[Json] = [
        {"name": item.name, "value": item.value, "step": item.step} for item in values
    ]
    return {"logged": found} if found else {}


def _state(item: StateName) -> Json:
    return {
        "name": item.name,
        "commit": item.commit,
        "inputs": item.inputs,
        "environments": list(item.environments),
    }


def _changes(items: Iterable[ValueChange]) -> Json:
    """Turn changed values into JSON; a side that has none has no key."""
    found = []
    for item in items:
        change: dict[str, Json] = {"name": item.name}
        if item.in_a:
            change["a"] = param_json(item.a)
        if item.in_b:
            change["b"] = param_json(item.b)
        found.append(change)
    return found


def _data(item: DataState | None) -> Json:
    return None if item is None else {"md5": item.md5, "size": item.size, "nfiles": item.nfiles}
