"""What the type hints of an answer do not say about its JSON: the shapes of what verbs print.

Answers are written and never read. Those of a class without an entry are what its hints say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from gitexp.records.shapes import Shape
from gitexp.text.fields import param_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitexp.errors import GitexpError
    from gitexp.model.ids import ParamValue
    from gitexp.model.report import AmendReport, Diagnosis, NewReport, RecordedRun
    from gitexp.model.rules import Hook
    from gitexp.model.run import LoggedValue, RepeatState
    from gitexp.model.views import DiffView, InputsView, StatusView, ValueChange
    from gitexp.text.jsontext import Json

    Named = Iterable[tuple[str, ParamValue]]

_NEXT: Final = {"next_step": "next"}


def _digest(value: object) -> Json:
    plan = cast("NewReport", value).plan  # or whatever else has one
    return plan.digest


def _word(value: object) -> Json:
    """Return the state of a run without its counts: "finished 10/10" is "finished"."""
    return cast("str", value).partition(" ")[0]


def _values(value: object) -> Json:
    return {name: param_json(item) for name, item in cast("Named", value)}


def _pairs(value: object) -> Json:
    return [{"name": name, "value": param_json(item)} for name, item in cast("Named", value)]


def _texts(value: object) -> Json:
    return dict(cast("Iterable[tuple[str, str]]", value))


def _logged(value: object) -> Json:
    """Write what repeats logged by seed; nothing of one that logged nothing."""
    found: list[Json] = []
    for seed, values in cast("Iterable[tuple[int, tuple[LoggedValue, ...]]]", value):
        items = [{"name": item.name, "value": item.value, "step": item.step} for item in values]
        found.append({"seed": seed, **({"logged": items} if items else {})})
    return found


def _changes(value: object) -> Json:
    """Write changed values; a side that has none has no key."""
    found: list[Json] = []
    for item in cast("Iterable[ValueChange]", value):
        sides = (("a", item.a, item.in_a), ("b", item.b, item.in_b))
        found.append(
            {"name": item.name} | {key: param_json(side) for key, side, there in sides if there}
        )
    return found


def _state(value: object) -> Json:
    return value if isinstance(value, str) else cast("RepeatState", value).value


def _error(value: object) -> Json:
    error = cast("GitexpError", value)
    return {"id": error.id, "summary": error.summary, **dict(error.lines())}


ANSWERS: Final[Mapping[str, Shape]] = {
    "MetricSummary": Shape(as_is="mean sd"),
    # --- list
    "ExperimentList": Shape(kind="list"),
    "ExperimentSummary": Shape(
        sparse="collapsed rewritten", omitted="qualifier partners merged remote"
    ),
    "RunList": Shape(kind="run-list"),
    "RunSummary": Shape(
        sparse="fetched",
        blank="environment",
        omitted="counted",
        writes={"state": _word, "params": _values},
    ),
    "RunGroup": Shape(sparse="fetched", writes={"key": _pairs}),
    # --- show, status, diff, inputs, logs
    "ShownExperiment": Shape(
        kind="shown-experiment",
        sparse="failed changed",
        omitted="next_step",
        wholes={"plan.digest": _digest},
    ),
    "ShownRun": Shape(kind="shown-run"),
    "StatusView": Shape(
        kind="status",
        keys=_NEXT,
        sparse="changed",
        omitted="qualifier",
        blank="verdict",
        wholes={
            "plan.digest": _digest,
            "concluded": lambda view: cast("StatusView", view).verdict is not None,
        },
    ),
    "LiveRun": Shape(
        omitted="commit plan asked interrupted left", sparse="logged", writes={"logged": _logged}
    ),
    "LoggedValue": Shape(as_is="value"),
    "DiffView": Shape(
        kind="diff",
        sparse="config committed",
        writes={"params": _changes, "environment": _changes},
        wholes={"same": lambda view: cast("DiffView", view).same},
    ),
    "MetricChange": Shape(as_is="difference", sparse="better"),
    "InputsView": Shape(
        kind="inputs-view", wholes={"shared": lambda view: cast("InputsView", view).shared}
    ),
    "LogView": Shape(kind="logs"),
    "RepeatLog": Shape(
        omitted="run", blank="path", sparse="logged seeds left_out", writes={"state": _state}
    ),
    # --- init, new, amend-plan, power, witness
    "InitReport": Shape(kind="init-report", keys=_NEXT, omitted="config", writes={"found": _texts}),
    "NewReport": Shape(
        kind="new-report", keys=_NEXT, sparse="evaluator", wholes={"digest": _digest}
    ),
    "Price": Shape(as_is="seconds", sparse="reusing money"),
    "AmendReport": Shape(
        kind="amend-report",
        sparse="enough",
        wholes={"digest": _digest, "next": lambda report: cast("AmendReport", report).next_step},
    ),
    "PowerReport": Shape(
        kind="power-report",
        keys=_NEXT,
        as_is="distance spread alpha power reached detectable",
        sparse="again",
    ),
    "Support": Shape(
        as_is="chance up_to least least_share",
        sparse="truth chance up_to needed needed_from least least_share",
    ),
    "Witnessed": Shape(kind="witness-report"),
    # --- run, conclude, archive and what else ends an experiment
    "RunReport": Shape(
        kind="run-report",
        keys={**_NEXT, "recorded": "runs"},
        sparse="stopped",
        omitted="waiting exit_code sides",
        writes={"stopped": _error},
    ),
    "RecordedRun": Shape(
        omitted="samples",
        wholes={
            "metrics": lambda each: {m.metric: m.mean for m in cast("RecordedRun", each).metrics}
        },
    ),
    "ConcludeReport": Shape(
        kind="conclude-report", omitted="branch replaced dry_run not_updated moved abandon"
    ),
    "EndReport": Shape(kind="end-report", keys=_NEXT),
    # --- push, pull, sync
    "TogetherReport": Shape(kind="together-report", keys=_NEXT),
    "DataMoved": Shape(keys={"size": "bytes"}, sparse="imported damaged", omitted="step"),
    # --- check, hooks, doctor, maintenance
    "CheckReport": Shape(kind="check", blank="branch"),
    "HooksReport": Shape(kind="hooks-report", keys=_NEXT),
    "Hook": Shape(wholes={"runs": lambda hook: cast("Hook", hook).runs}),
    "Diagnosis": Shape(
        kind="doctor-report", wholes={"left": lambda found: cast("Diagnosis", found).left}
    ),
    "Trouble": Shape(omitted="step"),
    "MaintenanceReport": Shape(kind="maintenance-report"),
}
