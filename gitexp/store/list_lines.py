"""Lines of a list: what it says of a run and of an experiment, and the latter as rows of the index.

Pure values; nothing is read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from gitexp.model.listing import RunSummary
from gitexp.model.metrics import MetricSummary, summarise
from gitexp.model.run import Origin, RepeatState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitexp.model.ids import ParamValue, RunId
    from gitexp.model.run import Run, Sample

_COMPACT: Final = json.JSONEncoder(separators=(",", ":")).encode
FINISHED = str(RepeatState.FINISHED.value)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class RunLine:
    """What a list needs to know of a run. With `bad` set nothing but `id` is known."""

    id: str
    inputs: str
    plan_name: str  # "" where the run is exploratory
    plan_digest: str
    reported: bool
    commit: str  # of its source
    branch: str  # from which it was started
    environment: str  # of its first repeat that has one
    state: str  # "finished" | "partial" | "failed" | "cancelled" | "lost"
    seeds: tuple[int, ...]  # of finished repeats
    repeats: int
    author: str
    group: str  # of a sweep, "" where alone
    started_at: datetime
    params: tuple[tuple[str, ParamValue], ...]
    metrics: tuple[MetricSummary, ...]  # over seeds: folds of one seed are averaged first
    plain: bool = False  # of a commit as it is, one environment and seed, without linked data
    bad: str = ""
    lasting: bool = True  # with `bad`: no fetch and no newer gitexp changes that


def line_of(run: Run, samples: Sequence[Sample]) -> RunLine:
    """Work out the line of a run."""
    done = tuple(item.seed for item in run.repeats if item.state is RepeatState.FINISHED)
    environments = [item.environment for item in run.repeats if item.environment is not None]
    return RunLine(
        id=run.id,
        inputs=run.inputs,
        plan_name=run.plan.name if run.plan is not None else "",
        plan_digest=run.plan.digest if run.plan is not None else "",
        reported=run.origin is Origin.REPORTED,
        commit=run.source.commit,
        branch=run.source.branch,
        environment=environments[0] if environments else "",
        state=state_word([str(item.state.value) for item in run.repeats]),
        seeds=done,
        repeats=len(run.repeats),
        author=run.author.name,
        group=run.group,
        started_at=run.started_at,
        params=tuple(sorted(run.params.items())),
        metrics=summarise(samples),
        plain=not (run.source.overrides or run.source.swaps or run.fixed_seeds)
        and not any(item.seeds for item in run.repeats)
        and is_plain(
            (item.environment, item.links)
            for item in run.repeats
            if item.state is RepeatState.FINISHED
        ),
    )


def is_plain(ran: Iterable[tuple[object, object]]) -> bool:
    """Return whether repeats ran in one environment (environment, links), without linked data."""
    kinds = set(ran)
    return len(kinds) <= 1 and not any(links for _, links in kinds)


def shown(line: RunLine, branch: str) -> RunSummary:
    """Return what `gitexp list --runs` says of a run, as found on a branch."""
    return RunSummary(
        id=line.id,
        branch=branch,
        experiment=line.plan_name,
        inputs=line.inputs,
        environment=line.environment,
        state=f"{line.state} {len(line.seeds)}/{line.repeats}",
        finished=len(line.seeds),
        repeats=line.repeats,
        author=line.author,
        started_at=line.started_at,
        params=line.params,
        metrics=line.metrics,
        exploratory=line.reported or not line.plan_digest,
        seeds=line.seeds,
    )


def state_word(states: Sequence[str]) -> str:
    """Return one word for the states of all repeats: the worst, or "partial" beside a finished."""
    kinds = set(states)
    if kinds == {FINISHED}:
        return FINISHED
    if FINISHED in kinds:
        return "partial"
    worst = (str(RepeatState.FAILED.value), str(RepeatState.CANCELLED.value))
    return next((state for state in worst if state in kinds), str(RepeatState.LOST.value))


def unreadable(run: RunId, why: str, *, lasting: bool) -> RunLine:
    """Return the line of a record that cannot be read."""
    return RunLine(
        id=run,
        inputs="",
        plan_name="",
        plan_digest="",
        reported=False,
        commit="",
        branch="",
        environment="",
        state="unreadable",
        seeds=(),
        repeats=0,
        author="",
        group="",
        started_at=_EPOCH,
        params=(),
        metrics=(),
        bad=why,
        lasting=lasting,
    )


@dataclass(frozen=True, slots=True)
class ExperimentLine:
    """What `gitexp list` shows of a branch, beside its name and commit."""

    name: str  # of the plan; "" where the branch has none
    hypothesis: str
    metric: str
    planned: int
    runs: int  # in the tip's tree, under the plan; without a plan: started on this branch
    finished: int  # candidate's seeds with a finished repeat, of the newest inputs
    primary: MetricSummary | None  # over these
    concluded: str  # "concluded"; "amended" where the plan was, since; "" where it is neither
    verdict: str  # "" where there is no conclusion of this plan, or it gives none
    author: str
    created_at: datetime | None  # without a plan: of the tip's commit
    baseline: str = ""  # as the plan's author typed it
    formerly: tuple[str, ...] = ()  # names it had before
    digest: str = ""  # of the plan
    inputs: tuple[str, str] = ("", "")  # of baseline and candidate, where a run tells them
    plain: bool = True  # all of these repeats count, unless others had seen them
    seen: str = ""  # inputs and plan (see `sight`) of what was run beyond the baseline's tree
    bad: str = ""  # the plan, or the conclusion, cannot be read
    unread: tuple[tuple[str, str], ...] = ()  # runs in the tip's tree that cannot be read, and why
    lasting: bool = True  # no fetch, and no newer gitexp, changes what is bad or unread


def encode_experiment(line: ExperimentLine) -> bytes:
    """Return a row of the index."""
    primary = line.primary
    row = [
        line.name,
        line.hypothesis,
        line.metric,
        line.planned,
        line.runs,
        line.finished,
        None if primary is None else [primary.metric, primary.n, primary.mean, primary.sd],
        line.concluded,
        line.verdict,
        line.author,
        None if line.created_at is None else line.created_at.isoformat(),
        line.baseline,
        line.formerly,
        line.digest,
        line.inputs,
        line.plain,
        line.seen,
        line.bad,
        line.unread,
    ]
    return _COMPACT(row).encode("ascii")


def decoded_experiments(rows: Mapping[str, bytes]) -> dict[str, ExperimentLine]:
    """Read rows of the index; none of them where one is broken."""
    try:
        values: list[_ExperimentRow] = json.loads(b"[" + b",".join(rows.values()) + b"]")
        return {key: _decode_experiment(row) for key, row in zip(rows, values, strict=True)}
    except (ValueError, TypeError):
        return {}


_ExperimentRow = tuple[
    str, str, str, int, int, int, tuple[str, int, float, float | None] | None, str, str, str,
    str | None, str, list[str], str, tuple[str, str], bool, str, str, list[tuple[str, str]],
]  # fmt: skip


def _decode_experiment(row: _ExperimentRow) -> ExperimentLine:
    name, hypothesis, metric, planned, runs, finished, primary = row[:7]
    concluded, verdict, author, at, baseline, formerly, digest, (old, new), plain, seen = row[7:17]
    bad, unread = row[17:]
    return ExperimentLine(
        name,
        hypothesis,
        metric,
        planned,
        runs,
        finished,
        None if primary is None else MetricSummary(*primary),
        concluded,
        verdict,
        author,
        None if at is None else datetime.fromisoformat(at),
        baseline,
        tuple(formerly),
        digest,
        (old, new),
        plain,
        seen,
        bad,
        tuple((run, why) for run, why in unread),
    )
