"""One line about a recorded run, worked out once and remembered by the id of its folder's tree.

A line carries what `gitexp list` shows, filters and groups by, so that a thousand runs are read in
one query instead of three thousand Git objects.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.model.comparison import MetricSummary, RunSummary
from gitexp.model.ids import TreeId
from gitexp.model.run import Origin, RepeatState
from gitexp.store.index import Kind
from gitexp.store.records import read_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitexp.formats.text import Json
    from gitexp.git.repository import Repo
    from gitexp.model.ids import ParamValue, RunId
    from gitexp.model.run import Run, Sample
    from gitexp.store.index import Index

    # A JSON array; its checksum was right, so it is what `_encode` wrote.
    _Row = tuple[
        str, str, str, str, bool, str, str, str, str, Sequence[int], int, str, str,
        Sequence[tuple[str, Json]], Sequence[tuple[str, int, float, float | None]],
    ]  # fmt: skip

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
    started_at: datetime
    params: tuple[tuple[str, ParamValue], ...]
    metrics: tuple[MetricSummary, ...]  # over seeds: folds of one seed are averaged first
    bad: str = ""


def run_lines(repo: Repo, index: Index, runs: Mapping[TreeId, RunId]) -> dict[TreeId, RunLine]:
    """Return the line of each run.

    Parameters
    ----------
    repo : Repo
    index : Index
    runs : mapping of TreeId to RunId
        By the tree of the run's folder.
    """
    found = _remembered(index, runs)
    fresh: dict[str, bytes] = {}
    for tree, run in runs.items():
        if tree not in found:
            line, row = _read(repo, tree, run)
            found[tree] = line
            if row is not None:
                fresh[tree] = row
    if fresh:
        index.put(Kind.RUN, fresh)
    return found


def summarise(samples: Iterable[Sample]) -> tuple[MetricSummary, ...]:
    """Return n, mean and standard deviation of each metric over seeds, sorted by metric.

    Folds and repetitions of one seed are averaged first: they share their training data, so they
    are no samples of their own. Where a metric has both, the value of the whole counts, not the
    folds. A metric measured on a named data set is called ``metric[dataset]``.
    """
    whole: defaultdict[str, defaultdict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    folds: defaultdict[str, defaultdict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        name = f"{sample.metric}[{sample.dataset}]" if sample.dataset else sample.metric
        kind = whole if sample.fold is None and sample.rep is None else folds
        kind[name][sample.seed].append(sample.value)
    return tuple(
        describe(name, [_mean(values) for values in (whole.get(name) or folds[name]).values()])
        for name in sorted({*whole, *folds})
    )


def describe(metric: str, values: Sequence[float]) -> MetricSummary:
    """Return n, mean and sample standard deviation (None below two values)."""
    mean = _mean(values)
    n = len(values)
    sd = None if n < 2 else math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))  # noqa: PLR2004  Bessel
    return MetricSummary(metric, n, mean, sd)


def pooled(parts: Sequence[MetricSummary]) -> MetricSummary:
    """Return the summary of all values together, from summaries of disjoint groups of them."""
    if len(parts) == 1:
        return parts[0]
    n = sum(part.n for part in parts)
    mean = math.fsum(part.n * part.mean for part in parts) / n
    squares = math.fsum(
        (part.n - 1) * (part.sd or 0.0) ** 2 + part.n * (part.mean - mean) ** 2 for part in parts
    )
    return MetricSummary(parts[0].metric, n, mean, math.sqrt(squares / (n - 1)))


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
        state=_state(run, done),
        seeds=done,
        repeats=len(run.repeats),
        author=run.author.name,
        started_at=run.started_at,
        params=tuple(sorted(run.params.items())),
        metrics=summarise(samples),
    )


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


def _state(run: Run, done: Sequence[int]) -> str:
    if len(done) == len(run.repeats):
        return "finished" if done else "lost"
    if done:
        return "partial"
    states = {item.state for item in run.repeats}
    for state in (RepeatState.FAILED, RepeatState.CANCELLED):
        if state in states:
            return str(state.value)
    return str(RepeatState.LOST.value)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _read(repo: Repo, tree: TreeId, run: RunId) -> tuple[RunLine, bytes | None]:
    try:
        line = line_of(*read_run(repo, tree, run))
    except GitexpError as error:
        # Not remembered: a newer gitexp, or a fetch, may be able to read it.
        return unreadable(run, reason(error)), None
    return line, _encode(line)


def unreadable(run: RunId, why: str) -> RunLine:
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
        started_at=_EPOCH,
        params=(),
        metrics=(),
        bad=why,
    )


def reason(error: GitexpError) -> str:
    """Return why a record cannot be read, in one line."""
    return ": ".join(part for part in (error.summary, error.found) if part)


def _encode(line: RunLine) -> bytes:
    row: Json = [
        line.id,
        line.inputs,
        line.plan_name,
        line.plan_digest,
        line.reported,
        line.commit,
        line.branch,
        line.environment,
        line.state,
        line.seeds,
        line.repeats,
        line.author,
        line.started_at.isoformat(),
        line.params,
        [(item.metric, item.n, item.mean, item.sd) for item in line.metrics],
    ]
    return json.dumps(row, separators=(",", ":")).encode("ascii")


def _remembered(index: Index, runs: Mapping[TreeId, RunId]) -> dict[TreeId, RunLine]:
    rows = index.get(Kind.RUN, runs)
    try:  # one call of the decoder for all rows is several times as fast as one for each
        values: list[_Row] = json.loads(b"[" + b",".join(rows.values()) + b"]")
        return {TreeId(tree): _decode(row) for tree, row in zip(rows, values, strict=True)}
    except (ValueError, TypeError):
        return {}


def _decode(row: _Row) -> RunLine:
    (
        run, inputs, plan, digest, reported, commit, branch, environment,
        state, seeds, repeats, author, started_at, params, metrics,
    ) = row  # fmt: skip
    return RunLine(
        run,
        inputs,
        plan,
        digest,
        reported,
        commit,
        branch,
        environment,
        state,
        tuple(seeds),
        repeats,
        author,
        datetime.fromisoformat(started_at),
        tuple([(key, _param(value)) for key, value in params]),
        tuple([MetricSummary(*item) for item in metrics]),
    )


def _param(value: Json) -> ParamValue:
    if isinstance(value, list):
        return tuple(_param(item) for item in value)
    return value if isinstance(value, (str, int, float)) else None
