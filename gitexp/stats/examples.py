"""Tests of two sets of predictions of the same examples, for claims about two trained models.

Every test works on cells: how often each (truth, baseline's label, candidate's label) occurs.
Ten thousand relabellings of a million examples then cost as much as of a hundred.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc

from gitexp.model import dataclass, replace
from gitexp.stats.metrics import Counts, Definition, classes, evaluate
from gitexp.stats.permutation import Tails, chunks, drawn_tails

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitexp.stats.values import Places, Values

Numbers = NDArray[np.int64]

CHUNK = 500_000  # counts held at a time, 4 MB; a step has several such tables
TIE = 1e-12  # metrics are ratios of integers; their rounding errors are far below


@dataclass(frozen=True, slots=True)
class Cells:
    """How often each combination of truth and the two predictions occurs."""

    labels: tuple[str, ...]  # all classes, sorted
    truth: Places  # places in `labels`, shape (n_cells,)
    baseline: Places
    candidate: Places
    number: Numbers  # examples in the cell


def tabulate(y_true: Sequence[str], baseline: Sequence[str], candidate: Sequence[str]) -> Cells:
    """Count the cells of two sets of predictions, all of the same examples in one order."""
    labels = classes(y_true, baseline, candidate)
    place = {label: index for index, label in enumerate(labels)}
    cells = Counter(zip(y_true, baseline, candidate, strict=True))
    index = np.array([[place[label] for label in cell] for cell in cells], dtype=np.intp)
    number = np.fromiter(cells.values(), dtype=np.int64, count=len(cells))
    return _sorted(Cells(labels, index[:, 0], index[:, 1], index[:, 2], number))


def _sorted(cells: Cells) -> Cells:
    """Return the cells in an order that does not depend on that of the examples."""
    order = np.lexsort((cells.candidate, cells.baseline, cells.truth))
    columns = (cells.truth, cells.baseline, cells.candidate, cells.number)
    return Cells(cells.labels, *(column[order] for column in columns))


def relevant(cells: Cells, definition: Definition) -> Cells:
    """Return the cells with the labels that a metric does not tell apart made one.

    A thousand classes are two to the accuracy (right, wrong) and to the F1 of one class (it, the
    rest); resampling then costs as little as for two.
    """
    if definition.kind in {"accuracy", "error_rate"}:
        labels = ("right", "wrong")
        columns = np.stack(
            [
                np.zeros_like(cells.truth),
                (cells.baseline != cells.truth).astype(np.intp),
                (cells.candidate != cells.truth).astype(np.intp),
            ]
        )
    elif definition.average == "binary" and definition.positive in cells.labels:
        place = cells.labels.index(definition.positive)
        # any other name than the class's own will do for the rest
        labels = (definition.positive, f"not {definition.positive}")
        sides = (cells.truth, cells.baseline, cells.candidate)
        columns = np.stack([(side != place).astype(np.intp) for side in sides])
    else:
        return cells
    codes = np.array([4, 2, 1]) @ columns
    number = np.bincount(codes, weights=cells.number, minlength=8).astype(np.int64)
    kept = np.flatnonzero(number)
    return Cells(labels, kept >> 2, (kept >> 1) & 1, kept & 1, number[kept])


def discordant(cells: Cells) -> tuple[int, int]:
    """Return how many examples only the baseline, and only the candidate, has right."""
    base_right, cand_right = cells.baseline == cells.truth, cells.candidate == cells.truth
    return (
        int(cells.number[base_right & ~cand_right].sum()),
        int(cells.number[~base_right & cand_right].sum()),
    )


def lost_and_won(cells: Cells, kind: str, sign: float) -> tuple[int, int]:
    """Return the discordant examples that speak against, and for, a gain of the candidate.

    `sign`: 1 if larger is better, -1 if smaller is.
    """
    only_baseline, only_candidate = discordant(cells)
    if (kind == "accuracy") == (sign > 0):
        return only_baseline, only_candidate
    return only_candidate, only_baseline


def mcnemar_tails(only_baseline: int, only_candidate: int) -> Tails:
    """Test whether the candidate is right as often as the baseline, exactly (McNemar 1947).

    Given the number of discordant examples, each is a fair coin. The mid-p variant is closer to
    alpha on average, but one-sided exceeds it where most examples are discordant (0.060 for alpha
    0.05 at n = 50), so a verdict rests on the exact test and mid-p stands beside it.

    >>> mcnemar_tails(1, 7).two_sided
    0.0703125
    """
    n = only_baseline + only_candidate
    greater = _binomial_at_least(only_candidate, n)
    less = _binomial_at_least(only_baseline, n)
    return Tails(greater, less, min(1.0, 2 * min(greater, less)))


def mid_p_tails(only_baseline: int, only_candidate: int) -> Tails:
    """Return McNemar's mid-p-values: the observed outcome counts half (Fagerland et al. 2013)."""
    n = only_baseline + only_candidate
    observed = _binomial_at_least(only_candidate, n) - _binomial_at_least(only_candidate + 1, n)
    exact = mcnemar_tails(only_baseline, only_candidate)
    greater, less = exact.greater - observed / 2, exact.less - observed / 2
    if only_baseline == only_candidate:
        # one outcome is this far from the middle, not two: the doubled tail would give 1
        return Tails(greater, less, 1 - observed / 2)
    return Tails(greater, less, 2 * min(exact.greater, exact.less) - observed)


def swap_tails(
    cells: Cells, definition: Definition, *, sign: float, draws: int, seed: int
) -> Tails:
    """Test a difference of metrics by swapping the two predictions of random examples.

    `sign`: 1 if larger is better, -1 if smaller is: the tails belong to the gain. If both models
    are exchangeable on every example, each example's two predictions may be swapped with
    probability 1/2 (Noreen 1989, Yeh 2000). Examples of one cell are alike, so the number of swaps
    in it is binomial; examples on which both agree do not matter.
    """
    cells = relevant(cells, definition)
    differ = cells.baseline != cells.candidate
    truth, number = cells.truth[differ], cells.number[differ]
    base, cand = cells.baseline[differ], cells.candidate[differ]
    sides = _side(cells, cells.baseline), _side(cells, cells.candidate)
    observed = float(_gain(cells, definition, sides, sign))
    if not len(number):
        return Tails(1.0, 1.0, 1.0)
    if sign * observed < 0:  # swapped sides get the same swaps, whichever is better
        other = _sorted(replace(cells, baseline=cells.candidate, candidate=cells.baseline))
        found = swap_tails(other, definition, sign=sign, draws=draws, seed=seed)
        return Tails(found.less, found.greater, found.two_sided)
    k = len(cells.labels)
    lost, gained = _indicator(base, k), _indicator(cand, k)
    right = (
        _indicator(truth, k) * (truth == cand)[:, None]
        - _indicator(truth, k) * ((truth == base)[:, None])
    )
    rng = np.random.default_rng(seed)

    def gains() -> Iterator[Values]:
        for rows in chunks(draws, len(number) + 6 * k, CHUNK):
            # `moved` examples of a cell go over to the candidate's label, and back on the other
            moved = rng.binomial(number, 0.5, size=(rows, len(number))).astype(np.float64)
            predicted, hits = moved @ (gained - lost), moved @ right
            first = Counts(sides[0].right + hits, sides[0].predicted + predicted, sides[0].actual)
            second = Counts(sides[1].right - hits, sides[1].predicted - predicted, sides[1].actual)
            yield _gain(cells, definition, (first, second), sign)

    return drawn_tails(gains(), observed, TIE)


def resampled_scores(
    cells: Cells, definition: Definition, *, draws: int, seed: int, stratified: bool = False
) -> tuple[Values, Values]:
    """Return the metric of both sides on bootstrap samples of the examples, drawn jointly.

    `stratified`: every sample has as many examples of each true class as the evaluation set
    (Efron and Tibshirani 1993, chapter 16).
    """
    cells = relevant(cells, definition)
    n = int(cells.number.sum())
    k = len(cells.labels)
    truth, base = _indicator(cells.truth, k), _indicator(cells.baseline, k)
    cand = _indicator(cells.candidate, k)
    base_hits = truth * (cells.truth == cells.baseline)[:, None]
    cand_hits = truth * (cells.truth == cells.candidate)[:, None]
    rng = np.random.default_rng(seed)
    share = cells.number / n
    strata = [np.flatnonzero(cells.truth == one) for one in np.unique(cells.truth)]
    scores: list[tuple[Values, Values]] = []
    for rows in chunks(draws, len(share) + 8 * k, CHUNK):
        if stratified:
            drawn = np.empty((rows, len(share)))
            for rows_of in strata:
                size = int(cells.number[rows_of].sum())
                drawn[:, rows_of] = rng.multinomial(size, cells.number[rows_of] / size, size=rows)
        else:
            drawn = rng.multinomial(n, share, size=rows).astype(np.float64)
        actual = drawn @ truth
        scores.append(
            (
                evaluate(definition, Counts(drawn @ base_hits, drawn @ base, actual), cells.labels),
                evaluate(definition, Counts(drawn @ cand_hits, drawn @ cand, actual), cells.labels),
            )
        )
    return np.concatenate([one for one, _ in scores]), np.concatenate([two for _, two in scores])


def bootstrap_tails(gains: Values, gain: float) -> Tails:
    """Test a gain against zero from bootstrap samples of it.

    `gains`: the gain beyond the margin, from both sides resampled jointly; `gain`: the same on the
    evaluation set itself. Each tail is the larger of the percentile p-value (how often is the
    resampled gain on the wrong side of zero) and the basic one (how often does it exceed its mean
    by the observed gain; Davison and Hinkley 1997, sections 4.4 and 5.2). The two differ where the
    gain's distribution is skewed; neither is always the safe one, the larger one is, at the
    measured price in ``docs/statistics.md``.
    """
    total = len(gains) + 1

    def share(extreme: NDArray[np.bool_]) -> float:
        return (int(extreme.sum()) + 1) / total

    greater = max(share(gains <= TIE), share(gains >= 2 * gain - TIE))
    less = max(share(gains >= -TIE), share(gains <= 2 * gain + TIE))
    return Tails(greater, less, min(1.0, 2 * min(greater, less)))


def scores(cells: Cells, definition: Definition) -> tuple[float, float]:
    """Return the metric of the baseline and of the candidate."""
    sides = (_side(cells, side) for side in (cells.baseline, cells.candidate))
    first, second = (float(evaluate(definition, side, cells.labels)) for side in sides)
    return first, second


def _binomial_at_least(k: int, n: int) -> float:
    """Return P(X >= k) for n fair coins."""
    if k <= 0:
        return 1.0
    return 0.0 if k > n else float(bdtrc(k - 1, n, 0.5))


def _indicator(places: Places, k: int) -> Values:
    return np.eye(k)[places]


def _side(cells: Cells, predicted: Places) -> Counts:
    k, number = len(cells.labels), cells.number
    hit = predicted == cells.truth
    return Counts(
        right=np.bincount(cells.truth[hit], weights=number[hit], minlength=k).astype(np.float64),
        predicted=np.bincount(predicted, weights=number, minlength=k).astype(np.float64),
        actual=np.bincount(cells.truth, weights=number, minlength=k).astype(np.float64),
    )


def _gain(
    cells: Cells, definition: Definition, sides: tuple[Counts, Counts], sign: float
) -> Values:
    baseline, candidate = (evaluate(definition, side, cells.labels) for side in sides)
    return sign * (candidate - baseline)
