"""Slices and categories: the same comparison in subgroups that the predictions make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gitexp.comparison.designs import Chosen, crossed, predictions, repeats
from gitexp.comparison.designs.prediction_pairs import Guesses, Pair, read
from gitexp.comparison.measure import Answer, CountedSides, Question, Values, values_of
from gitexp.errors import DesignError
from gitexp.model import dataclass
from gitexp.model.comparison import (
    Category,
    CategoryComparison,
    MetricComparison,
    PlannedTest,
    Role,
    SignificanceResult,
    Slice,
    SliceComparison,
)
from gitexp.model.plan import ALPHA, Claim
from gitexp.stats import contingency, sums, tests
from gitexp.stats.design import beside as beside_planned
from gitexp.stats.hypotheses import family
from gitexp.stats.tests import SWAP_DRAWS, SignificanceTest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.comparison.designs.predictions import Computed
    from gitexp.model.config import Predictions
    from gitexp.stats.contingency import ChiSquared

MOST = 100  # subgroups: a column of ids makes none


def visible(sizes: Mapping[str, int], least: int) -> list[str]:
    """Return the subgroups whose numbers are shown: none small, none that gives a small one away.

    The numbers of one small subgroup follow from those of the whole and of all others. So the next
    larger ones are left out too, until at least two are, with `least` examples together [1]_.

    References
    ----------
    .. [1] Hundepool, A. et al. (2012). Statistical Disclosure Control: secondary cell
       suppression. doi:10.1002/9781118348239
    """
    by_size = sorted(sizes, key=lambda name: (sizes[name], name))
    hidden = sum(size < least for size in sizes.values())
    while 0 < hidden < len(by_size):
        if hidden > 1 and sum(sizes[name] for name in by_size[:hidden]) >= least:
            break
        hidden += 1
    return sorted(by_size[hidden:])


def _computable(
    situation: CountedSides, questions: Sequence[Question], pairs: Sequence[Pair]
) -> list[tuple[Question, Computed]]:
    found: list[tuple[Question, Computed]] = []
    why = "none of them is computed from predictions"
    for question in questions:
        if not predictions.is_known(question.metric):
            continue
        values = (
            values_of(situation.count, question.metric, paired=True)
            if len(pairs) > 1
            else predictions.of_pair(situation.count, question.metric, pairs[0])
        )
        if len(values.baseline) != len(pairs) or len(values.candidate) != len(pairs):
            continue
        reported = list(zip(values.left, values.right, strict=True))
        try:
            definition = predictions.identify(question.metric, pairs, reported)
        except DesignError as error:
            why = error.brief
            continue
        found.append((question, definition))
    if not found:
        asked = ", ".join(question.metric for question in questions)
        raise DesignError("no metric can be compared by subgroups", found=f"{asked}; {why}")
    return found


def _groups(column: Sequence[str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for row, name in enumerate(column):
        groups.setdefault(name, []).append(row)
    return groups


def _one(
    question: Question, definition: Computed, parts: Sequence[Pair], *, crossing: bool
) -> Answer:
    """Compare one metric in one subgroup."""
    try:
        numbers = [predictions.both(definition, part) for part in parts]
    except DesignError as error:
        return Answer(None, error.summary)
    values = Values(
        tuple((part.seed_baseline, a) for part, (a, _) in zip(parts, numbers, strict=True)),
        tuple((part.seed_candidate, b) for part, (_, b) in zip(parts, numbers, strict=True)),
    )
    if len(parts) == 1:
        return predictions.compare(question, values, numbers[0], parts[0], definition)
    if crossing:
        return crossed.compare(question, values, parts, definition)
    return repeats.compare(question, values, paired=True)


def _adjusted(
    cells: Sequence[tuple[str, str, MetricComparison | None, str]],
    sizes: dict[str, int],
    method: str,
) -> tuple[Slice, ...]:
    """Hold alpha over all that is shown, in either direction."""
    tested = [item.result for *_, item, _ in cells if item is not None and item.result is not None]
    toward = [one.p_value if one.p_support is None else one.p_support for one in tested]
    against = [1.0 if one.p_refute is None else one.p_refute for one in tested]
    both = zip(family(toward, method), family(against, method), strict=True)
    slices: list[Slice] = []
    for name, metric, item, why in cells:
        result = None if item is None else item.result
        first, second = (None, None) if result is None else next(both)
        promised = result is not None and result.p_support is not None
        slices.append(
            Slice(
                value=name,
                examples=sizes[name],
                metric=metric,
                comparison=item,
                p_adjusted=first,
                p_refute_adjusted=second if promised else None,
                note=why,
            )
        )
    return tuple(slices)


@dataclass(frozen=True, slots=True)
class Subgroups:
    """What was asked for; None where it was not."""

    slices: SliceComparison | None = None
    categories: CategoryComparison | None = None


def cluster_of(spec: Predictions | None, asked: str) -> str:
    """Return the column of clusters: the one that is asked for, else that of the settings."""
    return asked or ("" if spec is None else spec.cluster or "")


def compare_subgroups(
    chosen: Chosen, questions: Sequence[Question], *, by: str, column: str
) -> Subgroups:
    """Compare subgroups and categories, as far as they were asked for.

    With a plan only its metric and guard-rails are looked at in subgroups: every further one would
    make the family larger, and each of its members harder to show.
    """
    if not by and not column:
        return Subgroups()
    situation = chosen.situation
    planned = [item for item in questions if item.role is not Role.WATCHED] or questions
    return Subgroups(
        _slices(situation, planned, by) if by and planned else None,
        _categories(situation, column, by) if column else None,
    )


def told_of_cluster(chosen: Chosen, asked: str) -> tuple[str, ...]:
    """Say where ``--cluster`` is not what the settings record, or compares nothing."""
    recorded = cluster_of(chosen.situation.candidate.config.predictions, "")
    if not asked or (asked == recorded and (chosen.pair or chosen.crossed)):
        return ()
    if chosen.pair is None and not chosen.crossed:
        return (f"--cluster has no effect on whole repeats: {asked} is a property of examples",)
    told = f"not by {recorded} as recorded" if recorded else "which no setting records"
    return (f"examples are joined by {asked}, {told}: it was chosen at the comparison",)


def _slices(situation: CountedSides, questions: Sequence[Question], column: str) -> SliceComparison:
    """Compare metrics in every subgroup that is large enough; without those not of predictions."""
    pairs = _pairs(situation, column)
    asked = _computable(situation, questions, pairs)
    groups = [_groups(pair.attribute(column)) for pair in pairs]
    names = sorted({name for rows in groups for name in rows})
    if len(names) > MOST:
        raise DesignError(
            f"{column} makes too many subgroups",
            found=f"{len(names)} different values",
            expected=f"at most {MOST}, such as a contract or a region",
        )
    least = situation.candidate.config.min_slice
    sizes = {name: min(len(rows.get(name, ())) for rows in groups) for name in names}
    shown = visible(sizes, least)
    crossing = len(pairs) > 1 and crossed.is_crossed(situation)
    cells: list[tuple[str, str, MetricComparison | None, str]] = []
    for name in shown:
        parts = [pair.take(rows[name]) for pair, rows in zip(pairs, groups, strict=True)]
        for question, definition in asked:
            answer = _one(question, definition, parts, crossing=crossing)
            cells.append((name, question.metric, answer.comparison, answer.refused))
    return SliceComparison(
        column=column,
        metrics=tuple(question.metric for question, _ in asked),
        slices=_adjusted(cells, sizes, situation.adjust),
        family=sum(1 for *_, item, _ in cells if item is not None and item.result is not None),
        hidden=len(names) - len(shown),
        least=least,
    )


def _pairs(situation: CountedSides, column: str) -> Sequence[Pair]:
    """Read the pair that a claim about two models rests on, or all, with a column."""
    if situation.claim is Claim.MODEL:
        return (predictions.load(situation, (column,)),)
    why = "no common seeds, or other evaluation data"
    if situation.paired and not (why := crossed.lacking(situation)):
        return crossed.load(situation, (column,))
    raise DesignError(
        "there are no predictions of all repeats to make subgroups of",
        found=why,
        expected="predictions: in .gitexp/config.yaml, recorded by every repeat of both sides",
    )


ERRORS, PREDICTED = "errors", "y_pred"
RIGHT = "right"
OTHERS = "(others)"
_AS_IF = ", as if of different examples"  # a test of independent samples, beside


def _categories(situation: CountedSides, column: str, by: str) -> CategoryComparison:
    """Compare the categories of one repeat a side: several would pretend more examples."""
    own = column not in {PREDICTED, ERRORS}
    wanted = (*((column,) if own else ()), *((by,) if by else ()))
    chosen = predictions.chosen(situation.count)
    pair = predictions.load(situation, wanted) if situation.evaluation.same else None
    if chosen is None:
        raise DesignError("there is no repeat on both sides")
    if pair is not None:
        sides = [(pair.y_true, pair.baseline), (pair.y_true, pair.candidate)]
    else:
        both = zip(chosen, (situation.baseline, situation.candidate), strict=True)
        tables = [read(situation.top, item, source, wanted) for item, source in both]
        sides = [(table.y_true, Guesses.of(table)) for table in tables]
    groups = pair.attribute(by) if pair is not None and by else None
    least = situation.candidate.config.min_slice
    left, right = (_labels(*side, column) for side in sides)
    names, first, second = _joined(left, right, least)
    k = len(names)
    if k > MOST:
        raise DesignError(
            f"{column} has too many categories", found=str(k), expected=f"at most {MOST}"
        )
    counts = [[int(x) for x in np.bincount(side, minlength=k)] for side in (first, second)]
    shown = tuple(map(Category, names, *counts))
    seeds = chosen[0].repeat.seed, chosen[1].repeat.seed
    note = f"categories below {least} examples are joined" if OTHERS in names else ""
    if k < 2:  # noqa: PLR2004 - nothing to compare
        return CategoryComparison(column, seeds, shown, None, (), None, note or "one category only")
    alpha = ALPHA if situation.plan is None else situation.plan.alpha
    plain = contingency.chi_square_independence(counts)
    if pair is None:
        results = [_of_different_examples(counts, plain, alpha)]
    else:
        results = _of_same_examples(first, second, plain, alpha, groups)
    v = plain.cramers_v
    return CategoryComparison(column, seeds, shown, results[0], tuple(results[1:]), v, note)


def _of_same_examples(
    first: np.ndarray,
    second: np.ndarray,
    plain: ChiSquared,
    alpha: float,
    groups: Sequence[str] | None,
) -> list[SignificanceResult]:
    """Return the planned test of categories of the same examples, then those that stand beside."""
    n, k = len(first), int(max(first.max(), second.max())) + 1
    joint = np.zeros((k, k))
    np.add.at(joint, (first, second), 1)
    drawn = contingency.swapped_categories(joint, draws=SWAP_DRAWS, seed=0)
    why = f"{n} examples put into {k} categories by both sides"
    result = _result(tests.CATEGORY_SWAPS, why, (n, n), alpha, drawn)
    beside: list[tuple[SignificanceTest, ChiSquared, str]] = [
        (tests.STUART_MAXWELL, contingency.stuart_maxwell(joint), ""),
        (tests.CHI_SQUARED, plain, _AS_IF),
    ]
    if groups is not None:
        found = contingency.mantel_haenszel_categories(_strata(first, second, groups, k))
        beside.append((tests.MANTEL_HAENSZEL, found, _AS_IF))
    return [
        result,
        *(
            SignificanceResult(
                beside_planned(result.plan, test, f"{test.title}{caveat}"),
                found.p_value,
                None,
                None,
                found.statistic,
            )
            for test, found, caveat in beside
        ),
    ]


def _of_different_examples(
    counts: Sequence[Sequence[int]], plain: ChiSquared, alpha: float
) -> SignificanceResult:
    """Return chi-squared; where an expected count is small, tables dealt anew."""
    why, sizes = "different examples on both sides", (sum(counts[0]), sum(counts[1]))
    if contingency.smallest_expected(*counts) >= contingency.SMALL:
        return _result(tests.CHI_SQUARED, why, sizes, alpha, plain)
    why = f"{why}, an expected count below {contingency.SMALL:g}"
    drawn = contingency.dealt_categories(*counts, draws=SWAP_DRAWS, seed=0)
    return _result(tests.CHI_SQUARED_DRAWN, why, sizes, alpha, drawn)


def _result(
    test: SignificanceTest,
    why: str,
    sizes: tuple[int, int],
    alpha: float,
    found: ChiSquared,
) -> SignificanceResult:
    resamples = SWAP_DRAWS if found.df is None else 0
    plan = PlannedTest(
        test=test.name,
        title=test.titled(draws=resamples),
        why=why,
        n_baseline=sizes[0],
        n_candidate=sizes[1],
        paired=test is tests.CATEGORY_SWAPS,
        alpha=alpha,
        resamples=resamples,
        exact=False,
        smallest_p=1 / (resamples + 1) if resamples else 0.0,
    )
    return SignificanceResult(plan, found.p_value, None, None, found.statistic)


def _labels(y_true: Sequence[str], side: Guesses, column: str) -> tuple[str, ...]:
    if column == PREDICTED:
        return side.y_pred
    if column == ERRORS:
        pairs = zip(y_true, side.y_pred, strict=True)
        return tuple(RIGHT if truth == guess else f"wrong, was {truth}" for truth, guess in pairs)
    if column not in side.columns:
        raise DesignError(
            f"the predictions have no column {column}",
            found=", ".join(side.header)[:120],
            expected=f"{PREDICTED}, {ERRORS} or a column of the predictions file on both sides",
        )
    return side.columns[column]


def _joined(
    left: Sequence[str], right: Sequence[str], least: int
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the categories and their numbers, the rare ones of either side as one."""
    names = sorted({*left, *right})
    places = sums.places([*left, *right])[0]
    n = len(left)
    first, second = places[:n], places[n:]
    k = len(names)
    rarest = np.minimum(np.bincount(first, minlength=k), np.bincount(second, minlength=k))
    kept = np.flatnonzero(rarest >= least)
    if len(kept) == k:
        return names, first, second
    place = np.full(k, len(kept))
    place[kept] = np.arange(len(kept))
    return [*(names[i] for i in kept), OTHERS], place[first], place[second]


def _strata(
    first: np.ndarray, second: np.ndarray, by: Sequence[str], k: int
) -> list[list[list[int]]]:
    groups = sums.places(by)[0]
    return [
        [
            [int(number) for number in np.bincount(side[groups == group], minlength=k)]
            for side in (first, second)
        ]
        for group in range(int(groups.max()) + 1)
    ]
