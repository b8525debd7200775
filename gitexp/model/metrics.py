"""Metrics: their names, and the summary of their values over repeats.

A plan may call one ``file:name`` where several files give it; where one file alone does, it
records the name so. Runs of earlier versions call that of the first file by its plain name, and
only the others ``file:name``; whose the plain one is follows where all other files are named, else
nobody knows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gitexp.model import dataclass

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from gitexp.model.run import Sample


_ENDINGS = (".json", ".yaml", ".yml", ".toml", ".csv", ".tsv")


def by_file(name: str, file: str) -> str:
    """Return the name of a metric that several files give."""
    return f"{file}:{name}"


def plain(name: str, files: Sequence[str]) -> str:
    """Return a metric's name without its file.

    >>> plain("eval/m.json:acc", ["eval/m.json"]), plain("curve:acc", ["eval/m.json"])
    ('acc', 'curve:acc')
    """
    return next((name[len(file) + 1 :] for file in files if name.startswith(f"{file}:")), name)


def bare(name: str) -> str:
    """Return a metric's name without its file, where the files of its state are not known.

    >>> bare("eval/m.json:acc"), bare("curve:acc")
    ('acc', 'curve:acc')
    """
    file, _, rest = name.rpartition(":")
    return rest if file.lower().endswith(_ENDINGS) else name


def several(name: str, names: Collection[str], files: Sequence[str]) -> tuple[str, ...]:
    """Return the names under which more than one file gives a plain name; empty if only one does.

    >>> several("acc", {"a.json:acc", "b.json:acc"}, ["a.json", "b.json"])
    ('a.json:acc', 'b.json:acc')
    >>> several("acc", {"acc", "b.json:acc"}, ["a.json", "b.json"])  # an older record
    ('a.json:acc', 'b.json:acc')
    >>> several("acc", {"acc"}, ["a.json", "b.json"])
    ()
    """
    named = [by_file(name, file) for file in files if by_file(name, file) in names]
    if name not in names:
        return tuple(named) if len(named) > 1 else ()
    if not named:
        return ()
    owner = _owner(name, names, files)
    return tuple(sorted({*named, by_file(name, owner) if owner else name}))


def recorded(asked: str, names: Collection[str], files: Sequence[str]) -> str | None:
    """Return the name under which a record has what is asked for; None where that is not sure.

    `files`: the metrics files of the state that was measured.

    >>> recorded("a.json:acc", {"acc", "b.json:acc"}, ["a.json", "b.json"])
    'acc'
    >>> recorded("a.json:acc", {"acc"}, ["a.json"]), recorded("a.json:acc", {"acc"}, ["b.json"])
    ('acc', None)
    >>> recorded("acc", {"a.json:acc", "b.json:acc"}, ["a.json", "b.json"])
    >>> recorded("acc", {"b.json:acc"}, ["a.json", "b.json"])  # a plan called it so
    'b.json:acc'
    """
    if asked in names:
        return asked
    bare = plain(asked, files)
    if bare == asked:
        named = [name for name in names if name.endswith(f":{asked}")]
        return named[0] if len(named) == 1 and plain(named[0], files) == asked else None
    owned = bare != asked and bare in names and by_file(bare, _owner(bare, names, files)) == asked
    return bare if owned else None


def _owner(name: str, names: Collection[str], files: Sequence[str]) -> str:
    """Return the one file that a plain name can be of; "" where it may be of several."""
    left = [file for file in files if by_file(name, file) not in names]
    return left[0] if len(left) == 1 else ""


SCORED = "holdout:"  # begins the name of what a hidden holdout scored, which no project reports
NO_RULE = "a stopping rule has no test for splits of one data set"
IN_FOLDS = "{} is reported in folds"
ONE_TABLE = "each seed divides one table anew"
OWN_METRIC = "a metric of its own for each repeat, as a held-out test set has"
ROUNDING = 1e-12  # of the values' size: what differs by less differs in how it was rounded


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """Mean and spread of one metric over the samples of a run or experiment."""

    metric: str
    n: int
    mean: float
    sd: float | None


def summarise(samples: Iterable[Sample]) -> tuple[MetricSummary, ...]:
    """Return n, mean and sd of each metric over seeds, sorted; folds are averaged first.

    Where a metric has both, the value of the whole counts, not the folds. A metric measured on a
    named data set is called ``metric[dataset]``.
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
        describe(
            name,
            [v[0] if len(v) == 1 else mean(v) for v in (whole.get(name) or folds[name]).values()],
        )
        for name in sorted({*whole, *folds})
    )


def in_folds(samples: Iterable[Sample]) -> dict[str, bool]:
    """Return the metrics reported in folds of one data set alone, and whether all have sizes."""
    whole, sized, datasets = set[str](), dict[str, bool](), dict[str, set[str]]()
    for each in samples:
        datasets.setdefault(each.metric, set()).add(each.dataset)
        if each.fold is None and each.rep is None:
            whole.add(each.metric)
        else:
            known = bool(each.n_train and each.n_test)
            sized[each.metric] = sized.get(each.metric, True) and known
    return {
        metric: every
        for metric, every in sized.items()
        if metric not in whole and len(datasets[metric]) == 1
    }


def describe(metric: str, values: Sequence[float]) -> MetricSummary:
    """Return n, mean and sample standard deviation (None below two values)."""
    n = len(values)
    low, high = min(values), max(values)
    if low == high:
        return MetricSummary(metric, n, values[0], 0.0 if n > 1 else None)
    middle = _mean(values)
    alike = high - low <= ROUNDING * max(-low, high)
    return MetricSummary(metric, n, middle, 0.0 if alike else _spread(values, middle))


def pooled(parts: Sequence[MetricSummary]) -> MetricSummary:
    """Return the summary of all values together, from summaries of disjoint groups of them."""
    if len(parts) == 1:
        return parts[0]
    n = sum(part.n for part in parts)
    same = all(part.mean == parts[0].mean for part in parts)
    try:
        middle = parts[0].mean if same else math.fsum(part.n * part.mean for part in parts) / n
        squares = math.fsum(
            (part.n - 1) * (part.sd or 0.0) ** 2 + part.n * (part.mean - middle) ** 2
            for part in parts
        )
    except (OverflowError, ValueError):  # the latter: +inf and -inf
        middle = squares = math.inf
    if not math.isfinite(middle):
        middle = math.fsum(part.n / n * part.mean for part in parts)
    known = math.isfinite(squares) and all(part.sd is not None or part.n == 1 for part in parts)
    sd = math.sqrt(squares / (n - 1)) if known else None
    if sd is not None and is_rounding(sd, [part.mean for part in parts]):
        sd = 0.0
    return MetricSummary(parts[0].metric, n, middle, sd)


def mean(values: Sequence[float]) -> float:
    """Return the mean, summed exactly; values whose sum is not a float are divided first.

    >>> mean([0.84] * 10) == 0.84  # where the rounded quotient of the sum is another float
    True
    """
    return values[0] if min(values) == max(values) else _mean(values)


def _mean(values: Sequence[float]) -> float:
    n = len(values)
    try:
        return math.fsum(values) / n
    except OverflowError:
        return math.fsum(value / n for value in values)


def spread(values: Sequence[float]) -> float | None:
    """Return the standard deviation (n - 1); None below two values, and where no float holds it.

    Values that differ in how they were rounded alone do not vary.

    >>> spread([0.1 + 0.2, 0.3, 0.3])
    0.0
    """
    return describe("", values).sd if values else None


def _spread(values: Sequence[float], middle: float) -> float | None:
    try:
        squares = math.fsum([(value - middle) ** 2 for value in values])
        found = math.sqrt(squares / (len(values) - 1))
    except OverflowError:
        found = math.inf
    if math.isfinite(found):
        return found
    largest = max(map(abs, values))  # a loss that ran away: 1e200 is finite, its square is not
    scaled = (spread([value / largest for value in values]) or 0.0) * largest
    return scaled if math.isfinite(scaled) else None


def is_rounding(distance: float, values: Iterable[float]) -> bool:
    """Return whether a distance is no more than what rounding does to such values."""
    return abs(distance) <= ROUNDING * max(map(abs, values))
