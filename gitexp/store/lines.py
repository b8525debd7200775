"""What a list says of a run, and how samples are put together; pure values, nothing is read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from gitexp.model.comparison import MetricSummary, RunSummary
from gitexp.model.run import Origin, RepeatState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitexp.errors import GitexpError
    from gitexp.model.ids import ParamValue, RunId
    from gitexp.model.run import Run, Sample

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
    started_at: datetime
    params: tuple[tuple[str, ParamValue], ...]
    metrics: tuple[MetricSummary, ...]  # over seeds: folds of one seed are averaged first
    bad: str = ""


def summarise(samples: Iterable[Sample]) -> tuple[MetricSummary, ...]:
    """Return n, mean and standard deviation of each metric over seeds, sorted by metric.

    Folds and repetitions of one seed are averaged first: they share their training data, so they
    are no samples of their own. Where a metric has both, the value of the whole counts, not the
    folds. A metric measured on a named data set is called ``metric[dataset]``.
    """
    return summarise_rows(
        (
            f"{sample.metric}[{sample.dataset}]" if sample.dataset else sample.metric,
            sample.seed,
            sample.fold is None and sample.rep is None,
            sample.value,
        )
        for sample in samples
    )


def summarise_rows(rows: Iterable[tuple[str, int, bool, float]]) -> tuple[MetricSummary, ...]:
    """Do the work of `summarise` on rows of name, seed, whether of the whole, and value."""
    whole: dict[str, dict[int, list[float]]] = {}
    folds: dict[str, dict[int, list[float]]] = {}
    for name, seed, is_whole, value in rows:
        of_metric = (whole if is_whole else folds).setdefault(name, {})
        of_metric.setdefault(seed, []).append(value)
    return tuple(
        describe(name, [_mean(values) for values in (whole.get(name) or folds[name]).values()])
        for name in sorted({*whole, *folds})
    )


def describe(metric: str, values: Sequence[float]) -> MetricSummary:
    """Return n, mean and sample standard deviation (None below two values)."""
    n = len(values)
    mean = _mean(values)
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
        state=state_word([str(item.state.value) for item in run.repeats]),
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


def state_word(states: Sequence[str]) -> str:
    """Return one word for the states of all repeats: the worst, or "partial" beside a finished."""
    kinds = set(states)
    if kinds == {FINISHED}:
        return FINISHED
    if FINISHED in kinds:
        return "partial"
    worst = (str(RepeatState.FAILED.value), str(RepeatState.CANCELLED.value))
    return next((state for state in worst if state in kinds), str(RepeatState.LOST.value))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if len(values) > 1 else values[0]


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
