"""More than two commits in one call: whether they differ at all, and which of them.

The verdicts stay those of each candidate against the baseline, held together by `compare`; what
is said here stands before the pairs and decides none of them.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from gitexp.comparison.advice import seed_ranges
from gitexp.comparison.designs import repeats
from gitexp.comparison.designs.crossed import is_crossed
from gitexp.comparison.designs.datasets import MOST, by_dataset
from gitexp.comparison.measure import LARGEST, means_of, samples_of
from gitexp.model.clocked import is_resource
from gitexp.model.comparison import Role
from gitexp.model.metrics import mean
from gitexp.model.plan import ALPHA, Claim, Direction
from gitexp.model.result import AcrossMetric, Group, OmnibusComparison
from gitexp.stats.planned import several

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from gitexp.comparison.eligible import Counted
    from gitexp.comparison.judged import Draft
    from gitexp.comparison.measure import Cell
    from gitexp.model.run import Sample
    from gitexp.stats.planned.several import OmnibusFindings

    Side = Mapping[int, Mapping[Cell, Sample]]

MOST_METRICS = 20  # without a plan; a table of hundreds tells nobody anything
MOST_LABELS = 1_000  # numbers that were predicted are right by accident only
GROUPS, BLOCKED, CROSSED, DATASETS = (
    "repeats as independent groups",
    "repeats blocked by seed",
    "repeats crossed with examples",
    "data sets",
)
_FEWEST = 2
_FOLDS = (
    "folds share their training data, however often they are drawn, and no test here of several "
    "commits allows for that; each is compared alone, and Holm holds alpha over them"
)
_SEEDS_ALONE = (
    "over repeats alone, the noise of the one test set left out: another test set may give another "
    "answer"
)


def across(drafts: Sequence[Draft]) -> OmnibusComparison | None:
    """Compare the baseline and all candidates of one call together; None for a single candidate."""
    if len(drafts) < _FEWEST:
        return None
    names = (drafts[0].sides.baseline.name, *(item.sides.candidate.name for item in drafts))
    reason = _obstacle(drafts) if len(set(names)) == len(names) else "a commit is named twice"
    if reason:
        return OmnibusComparison(names, (), reason)
    if drafts[0].sides.claim is Claim.MODEL:
        return _models(drafts, names)
    metrics = tuple(
        found
        for metric, direction in _asked(drafts).items()
        if (found := _metric(drafts, names, metric, direction)) is not None
    )
    return OmnibusComparison(
        names, metrics, "" if metrics else "no metric was measured on all commits"
    )


def _obstacle(drafts: Sequence[Draft]) -> str:
    for item in drafts:
        if why := item.measured.problem or item.sides.count.unjudged:
            return f"{item.sides.candidate.name}: {why}"
        if item.sides.count.confounded or not item.sides.evaluation.same:
            what = item.sides.count.confounded or "evaluation data"
            return f"{item.sides.candidate.name} differs from the baseline in its {what}"
    bases = [(item.sides.baseline.inputs, item.sides.count.baseline) for item in drafts]
    if len({(inputs, base.environment, base.links) for inputs, base in bases}) > 1:
        return "no inputs of the baseline, environment and linked data are those of all commits"
    measured = (
        frozenset(each.repeat.evaluation for each in item.sides.count.candidate.repeats.values())
        for item in drafts
    )
    if not all(item.sides.paired for item in drafts) and len(set(measured)) > 1:
        return "the candidates were measured on different evaluation data"
    models = [item.sides.claim is Claim.MODEL for item in drafts]
    if any(models) and not all(models):
        return "some claims are about single models, others about a method"
    return ""


def _alpha(drafts: Sequence[Draft]) -> float:
    """Return that of the first plan: of intervals and critical differences."""
    return next((item.sides.plan.alpha for item in drafts if item.sides.plan is not None), ALPHA)


def _asked(drafts: Sequence[Draft]) -> dict[str, Direction | None]:
    """Return the metrics of the plans, or else all that every candidate was compared by."""
    planned: dict[str, Direction | None] = {
        item.sides.plan.metric: item.sides.plan.direction
        for item in drafts
        if item.sides.plan is not None
    }
    if planned:
        return planned
    directions = drafts[0].sides.candidate.config.directions
    common = [
        item.metric
        for item in drafts[0].measured.metrics
        if item.role is Role.WATCHED
        and all(any(m.metric == item.metric for m in other.measured.metrics) for other in drafts)
    ]
    return {metric: directions.get(metric) for metric in common[:MOST_METRICS]}


def _metric(
    drafts: Sequence[Draft], names: tuple[str, ...], metric: str, direction: Direction | None
) -> AcrossMetric | None:
    repeats = [_baseline(drafts), *(d.sides.count.candidate.repeats for d in drafts)]
    sides: list[Side] = [samples_of(side, metric) for side in repeats]
    if not all(sides):
        return None
    one = AcrossMetric(metric, direction, GROUPS, _alpha(drafts), (), (), ())
    apart = {
        item.sides.candidate.name: item.measured.still[metric]
        for item in drafts
        if metric in item.measured.still
    }
    said = "; ".join(f"without {name}: {why}" for name, why in apart.items())
    drafts = [item for item in drafts if item.sides.candidate.name not in apart]
    sides = [side for name, side in zip(names, sides, strict=True) if name not in apart]
    names = tuple(name for name in names if name not in apart)
    paired = all(item.sides.paired for item in drafts)
    few = "fewer than two of all commits"
    lost = ""
    if paired and len(drafts) >= _FEWEST:
        sides, lost = _common(drafts, sides)
        few += f": {lost}" if lost else ""
    datasets = [frozenset(name for cells in s.values() for *_, name in cells) for s in sides]
    if any(len(found) > 1 for found in datasets):
        if len(set(datasets)) > 1:
            return _untested(replace(one, design=DATASETS), "they are not the same")
        if max(map(len, datasets)) > MOST:
            return _untested(replace(one, design=DATASETS), f"more than {MOST} data sets")
        values = [tuple(by_dataset(side).values()) for side in sides]
        design = DATASETS
    else:
        values = [tuple(value for _, value in means_of(side)) for side in sides]
        design = BLOCKED if paired else GROUPS
    one = replace(one, design=design)
    if design != DATASETS and any(_is_split(side) for side in sides):
        few, values = _FOLDS, []
    if problem := said if len(drafts) < _FEWEST else _problem(values, few):
        return _untested(one, problem)
    tables = _tables(drafts, sides, metric) if design == BLOCKED else None
    if tables is not None:
        one = replace(one, design=CROSSED)
        values = [tuple(map(float, table.mean(axis=1))) for table in tables]
        tabled = dict(zip(names, tables, strict=True))
        found = several.crossed_with_examples(tabled, alpha=one.alpha)
    else:
        higher = direction is not Direction.MIN
        found = _over_values(design, names, values, one.alpha, higher=higher)
        if design == BLOCKED and any(is_crossed(item.sides) for item in drafts):
            found.limit("over repeats alone")
            found.say(_SEEDS_ALONE)
    found.say(lost)
    found.say(_unstable(drafts, metric, sides[0]))
    found.say(said)
    return _built(one, names, values, found)


def _over_values(
    design: str,
    names: tuple[str, ...],
    values: Sequence[tuple[float, ...]],
    alpha: float,
    *,
    higher: bool,
) -> OmnibusFindings:
    """Test one value a unit and commit: seeds as blocks, groups without any, or data sets."""
    if design == GROUPS:
        found = several.independent_groups(dict(zip(names, values, strict=True)), alpha=alpha)
    else:
        table = np.array(values, dtype=np.float64).T
        test = several.over_datasets if design == DATASETS else several.blocked_by_seed
        found = test(table, names, alpha=alpha, higher_is_better=higher)
    if design != DATASETS:
        found.say(repeats.outliers_of_many(names, values, blocked=design == BLOCKED))
    return found


def _models(drafts: Sequence[Draft], names: tuple[str, ...]) -> OmnibusComparison:
    """Compare single models by which examples of the one evaluation set they have right."""
    pairs = [item.measured.pair for item in drafts if item.measured.pair is not None]
    if len(pairs) < len(drafts):
        return OmnibusComparison(names, (), "some models have no predictions to be compared by")
    first = pairs[0]
    if any((one.ids, one.y_true) != (first.ids, first.y_true) for one in pairs):
        return OmnibusComparison(names, (), "the models were not asked about the same examples")
    if any(one.baseline.y_pred != first.baseline.y_pred for one in pairs):
        return OmnibusComparison(
            names, (), "not every candidate is compared with the same baseline model"
        )
    guesses = [first.baseline.y_pred, *(one.candidate.y_pred for one in pairs)]
    labels = set(first.y_true).union(*guesses)
    if len(labels) > MOST_LABELS:
        return OmnibusComparison(names, (), f"{len(labels)} different predictions are no classes")
    right = [
        tuple(float(a == b) for a, b in zip(first.y_true, side, strict=True)) for side in guesses
    ]
    found = several.over_examples(names, right)
    if first.cluster:
        found.notes.append(f"examples are taken one by one, not by {first.cluster}")
    metric = AcrossMetric("share right", Direction.MAX, "examples", _alpha(drafts), (), (), ())
    metric = _built(metric, names, right, found)
    return OmnibusComparison(names, (metric,))


def _baseline(drafts: Sequence[Draft]) -> dict[int, Counted]:
    """Return the baseline's repeats of all drafts: of equal samples that of the smallest run id.

    Each branch may have run the baseline itself; what else sets samples apart is an obstacle.
    """
    every = (item.sides.count.baseline.repeats.items() for item in drafts)
    found: dict[int, Counted] = {}
    for seed, item in sorted(chain(*every), key=lambda each: each[1].found.run.id):
        found.setdefault(seed, item)
    return found


def _common(drafts: Sequence[Draft], sides: Sequence[Side]) -> tuple[list[Side], str]:
    """Return the seeds that all have, and why those of a single comparison are not among them."""
    baselines = [item.sides.count.baseline.repeats for item in drafts]
    pairs = [item.sides.count.pairs for item in drafts]
    kept: list[int] = []
    lost: dict[str, list[int]] = {}
    for seed in sorted(set(chain(*pairs))):
        if not all(seed in each for each in (*sides, *pairs)):
            lost.setdefault("not every commit has", []).append(seed)
        elif len({(one[seed].repeat.key, one[seed].repeat.evaluation) for one in baselines}) > 1:
            lost.setdefault("the baseline has no equal samples of", []).append(seed)
        elif len({frozenset(side[seed]) for side in sides}) > 1:
            lost.setdefault("folds or data sets are not the same of", []).append(seed)
        else:
            kept.append(seed)
    why = "; ".join(f"{text} {_seeds(seeds)}" for text, seeds in lost.items())
    return [{seed: side[seed] for seed in kept} for side in sides], why


def _unstable(drafts: Sequence[Draft], metric: str, taken: Side) -> str:
    """Say which values of the baseline differ between runs that should give the same."""
    if is_resource(metric):
        return ""
    every = [samples_of(item.sides.count.baseline.repeats, metric) for item in drafts]
    values = {
        seed: {cell: one.value for cell, one in cells.items()} for seed, cells in taken.items()
    }
    seeds = [
        seed
        for seed in values
        if any(
            {cell: one.value for cell, one in side[seed].items()} != values[seed]
            for side in every
            if seed in side
        )
    ]
    said = f"not deterministic: {metric} of the baseline differs between runs of {_seeds(seeds)}"
    return f"{said}; that of the smallest id counts" if seeds else ""


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {seed_ranges(seeds)}"


def _tables(
    drafts: Sequence[Draft], sides: Sequence[Side], metric: str
) -> list[NDArray[np.float64]] | None:
    """Return what each example adds to the metric of the sides' repeats, the baseline first.

    None where not all of them have one evaluation set that gives this metric by one definition.
    """
    found: list[NDArray[np.float64]] = []
    for item in drafts:
        if metric not in item.measured.added:
            return None
        rows = [row for row, seed in enumerate(item.sides.count.pairs) if seed in sides[0]]
        baseline, candidate = (part[rows] for part in item.measured.added[metric])
        found = found or [baseline]
        if not np.array_equal(baseline, found[0]):
            return None
        found.append(candidate)
    return found


def _problem(values: Sequence[tuple[float, ...]], few: str) -> str:
    """Return why these values cannot be tested; "" if they can."""
    if min(map(len, values), default=0) < _FEWEST:
        return few
    largest = max(abs(value) for side in values for value in side)
    return f"values beyond {LARGEST:g}" if largest > LARGEST else ""


def _is_split(side: Side) -> bool:
    """Whether the values are of folds whose sizes are known, as the corrected t takes them."""
    every = (sample for cells in side.values() for sample in cells.values())
    return any(item.fold is not None and item.n_train is not None for item in every)


def _built(
    metric: AcrossMetric,
    names: tuple[str, ...],
    values: Sequence[tuple[float, ...]],
    found: OmnibusFindings,
) -> AcrossMetric:
    ranks: Sequence[float | None] = found.ranks or [None] * len(names)
    return replace(
        metric,
        groups=tuple(
            Group(name, len(side), mean(side), rank)
            for name, side, rank in zip(names, values, ranks, strict=True)
        ),
        omnibus=tuple(found.omnibus),
        families=tuple(found.families),
        sizes=tuple(found.sizes),
        critical_difference=found.critical_difference,
        notes=tuple(found.notes),
    )


def _untested(metric: AcrossMetric, why: str) -> AcrossMetric:
    return replace(metric, notes=(f"not tested together: {why}",))
