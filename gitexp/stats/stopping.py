"""P-values that may be looked at while repeats arrive, by a rule that the plan fixed beforehand.

Group-sequential rules (O'Brien-Fleming, Pocock) test by permutation at planned looks and turn each
p-value into that of all looks together. The always-valid rule bets on the sign of each paired
difference, so it may be looked at after every repeat. Both rest on what the planned test of a
single look rests on: symmetric differences, or exchangeable labels.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache, partial
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from gitexp.errors import DesignError
from gitexp.model import dataclass, replace
from gitexp.model.comparison import Interval, PlannedTest, SignificanceResult
from gitexp.model.plan import Stopping, StoppingRule
from gitexp.stats import hypotheses, tests
from gitexp.stats.design import Design, plan_as, smallest_p, units_of
from gitexp.stats.distributions import crossing_probability
from gitexp.stats.effects import crossing
from gitexp.stats.intervals import difference_interval
from gitexp.stats.permutation import Tails, label_tails, sign_flip_tails
from gitexp.stats.tests import FLIP_DRAWS, LABEL_DRAWS, MAX_ASSIGNMENTS, MAX_SIGN_FLIPS
from gitexp.stats.values import Floats, Values, finite

if TYPE_CHECKING:
    from collections.abc import Sequence


BETS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # on a difference of one root mean square
HALF = 0.5
FAR = 1e6  # standard deviations: a few pairs refute no difference at all, and the interval is open
FEWEST = 2  # units at the first look


@dataclass(frozen=True, slots=True)
class Course:
    """What a plan with a stopping rule has come to."""

    result: SignificanceResult  # p-values of all looks so far: they are compared with alpha itself
    # Units at each look that was made, up to the one that decided; none before the first, when
    # every p-value is 1.
    looks: tuple[int, ...]
    planned: tuple[int, ...]  # units at each planned look; empty for the always-valid rule
    decided: bool = False  # one look reached alpha: what comes after it changes nothing


def plan_sequential(design: Design, stopping: Stopping, repeats: int) -> PlannedTest:
    """Return the test of a plan with a stopping rule.

    `repeats`: planned, the units of the last look. `smallest_p` is what the plan could still reach
    with all of them.
    """
    paired = design.paired
    why = units_of(design)
    if stopping.rule is StoppingRule.ALWAYS_VALID:
        why = f"{why}{'' if paired else ' but in order'}; looked at after every one"
        return replace(
            plan_as(tests.ALWAYS_VALID_SIGNS, design, why),
            exact=True,
            smallest_p=least_p(
                stopping, repeats, max(repeats, design.n_baseline), one_sided=design.one_sided
            ),
        )
    base = tests.PAIRED_PERMUTATION if paired else tests.PERMUTATION
    test = tests.AT_LOOKS[stopping.rule, base.name]
    looks = stopping.at(repeats)
    why = f"{why}; looks planned at {', '.join(map(str, looks))}"
    return replace(
        plan_as(test, design, why),
        title=test.titled(looks=len(looks)),
        exact=repeats <= math.log2(MAX_SIGN_FLIPS) if paired else False,
        smallest_p=least_p(stopping, repeats, repeats, paired=paired, one_sided=design.one_sided),
    )


def least_p(
    stopping: Stopping, repeats: int, n: int, *, paired: bool = True, one_sided: bool = True
) -> float:
    """Return the smallest p-value that n repeats of either side can reach, over all looks so far.

    `repeats`: planned, those of the last look. Fewer than those of the first look reach nothing.

    >>> from gitexp.model.plan import Stopping
    >>> rule = Stopping(StoppingRule.OBRIEN_FLEMING, 2)
    >>> [round(least_p(rule, 6, n), 3) for n in (2, 3, 6)]
    [1.0, 0.249, 0.016]
    """
    sides = 1 if one_sided else 2
    if stopping.rule is StoppingRule.ALWAYS_VALID:
        return min(1.0, sides * 2.0 ** -min(n, 1_000))
    looks = stopping.at(repeats)
    found = [1.0]
    for look, there in enumerate(looks, 1):
        if there <= n:
            size = min(there, 1_000)
            least = smallest_p(size, size, paired=paired, one_sided=True)
            found.append(sides * repeated_p(least, stopping, looks, look))
    return min(found)


def run_sequential(  # noqa: PLR0913  two samples, and what the plan says of them
    design: Design,
    stopping: Stopping,
    repeats: int,
    baseline: Floats,
    candidate: Floats,
    *,
    sizes: tuple[int, ...] = (),
) -> Course:
    """Test a hypothesis, which has an effect, at every look reached until one decides.

    `baseline`, `candidate`: one value a repeat *in the order of arrival*; by pairs if paired.
    `sizes`: units at each planned look, where repeats that failed are left out; by default all
    planned.

    The repeated p-value is that of Jennison and Turnbull (1989), the bets on signs those of Vovk
    and Wang (2024), section 4, here on the sign given the sizes so far. Wealth of 1 / alpha is
    reached with probability alpha at most, whenever one looks (Ville 1939).
    """
    old, new = finite(baseline, "baseline values"), finite(candidate, "candidate values")
    effect = design.effect
    if effect is None:
        raise DesignError("a stopping rule is for a recorded hypothesis")
    hypotheses.check_share(old, effect)
    have = min(len(old), len(new))
    always = stopping.rule is StoppingRule.ALWAYS_VALID
    planned = () if always else stopping.at(repeats)
    looks = range(FEWEST, have + 1) if always else sizes or planned
    reached = tuple(n for n in looks if n <= have)
    plan = plan_sequential(design, stopping, repeats)
    statistic = float(new.mean() - old.mean())
    if not reached:
        return Course(SignificanceResult(plan, 1.0, 1.0, 1.0, statistic), (), planned)
    shifted = hypotheses.with_margin(old, new, effect, design.direction)

    @cache
    def path(margin: float) -> tuple[Tails, ...]:
        below, above = shifted(margin)
        if always:
            return _betting(above[:have] - below[:have], reached)
        alone = [_permuted(below[:n], above[:n], paired=design.paired) for n in reached]
        return _of_all_looks(alone, planned, stopping)

    def at(look: int, margin: float) -> Tails:
        return path(margin)[look]

    made, decided = 0, False
    while made < len(reached) and not decided:  # what comes after one that decides is not looked at
        found = hypotheses.p_values(effect, partial(at, made))
        ends = (found.p_support, found.p_refute)
        decided = any(p is not None and p <= design.alpha for p in ends)
        made += 1
    return Course(found.of(plan, statistic), reached[:made], planned, decided)


def repeated_interval(
    course: Course, stopping: Stopping, baseline: Floats, candidate: Floats, confidence: float
) -> Interval | None:
    """Return an interval of the difference that holds at all looks together.

    Student's t at the level of the last look, or for the always-valid rule the differences that the
    bets have not refuted (a confidence sequence). None before the first look, and where nothing
    varies. Values in the order of arrival.
    """
    plan = course.result.plan
    if not course.looks:
        return None
    alpha = 1 - confidence
    if course.planned:
        level = 2 * nominal_level(stopping, course.planned, len(course.looks), alpha / 2)
        plain = difference_interval(
            list(baseline), list(candidate), paired=plan.paired, confidence=1 - level
        )
        if plain is None:
            return None
        method = f"{plain.method}, repeated over {len(course.planned)} looks"
        return replace(plain, confidence=confidence, method=method)
    have = min(len(baseline), len(candidate))
    old, new = finite(baseline[:have]), finite(candidate[:have])
    differences: Values = new - old
    spread = float(differences.std())
    if spread == 0:
        return None

    def excess(margin: float) -> float:
        # today's wealth, not the most that there ever was: early luck could empty the interval
        apart = differences - margin
        return math.log(2 / alpha) - math.log(max(wealth(apart)[-1], wealth(-apart)[-1]))

    middle = float(differences.mean())
    if excess(middle) <= 0:
        return None
    limits: list[float | None] = []
    for sign in (-1.0, 1.0):
        reach = spread / math.sqrt(have)
        while excess(middle + sign * reach) > 0 and reach < FAR * spread:
            reach *= 2
        edge = middle + sign * reach
        limits.append(None if excess(edge) > 0 else crossing(excess, *sorted((middle, edge))))
    return Interval(limits[0], limits[1], confidence, "confidence sequence, valid at every look")


@lru_cache(maxsize=4_096)
def repeated_p(p: float, stopping: Stopping, planned: tuple[int, ...], look: int) -> float:
    """Return the smallest overall alpha at which a look with this one-sided p would have decided.

    The boundary of the rule's shape that the look just touches is followed over all planned looks;
    its crossing probability is the answer (Jennison and Turnbull 1989). At 0.5 and above nothing is
    gained by being exact, and 1 is returned.

    >>> from gitexp.model.plan import Stopping
    >>> rule = Stopping(StoppingRule.POCOCK, 2)
    >>> round(repeated_p(0.0304, rule, (5, 10), 1), 3)  # Pocock's one-sided level for two looks
    0.05
    """
    if p >= HALF:
        return 1.0
    shapes = _shapes(stopping, planned)
    constant = float(-ndtri(p)) / shapes[look - 1]
    return max(p, crossing_probability([constant * each for each in shapes], times=planned))


@lru_cache(maxsize=256)
def nominal_level(stopping: Stopping, planned: tuple[int, ...], look: int, alpha: float) -> float:
    """Return the one-sided level at which a look decides, so that all looks together hold alpha."""
    shapes = _shapes(stopping, planned)

    def excess(constant: float) -> float:
        return crossing_probability([constant * each for each in shapes], times=planned) - alpha

    constant = crossing(excess, float(-ndtri(alpha)) * 0.5, 8.0)
    return float(ndtr(-constant * shapes[look - 1]))


def inflated_alpha(alpha: float, sizes: Sequence[int]) -> float:
    """Return the chance of at least one false yes when a test at alpha is run at all these sizes.

    >>> round(inflated_alpha(0.05, (10, 20)), 3)
    0.08
    """
    return crossing_probability([float(-ndtri(alpha))] * len(sizes), times=sizes)


def _of_all_looks(
    alone: Sequence[Tails], planned: tuple[int, ...], stopping: Stopping
) -> tuple[Tails, ...]:
    """Return the p-values of all looks so far, after each look, from those of each look alone."""
    looks = list(enumerate(alone, 1))
    return _so_far(
        [repeated_p(one.greater, stopping, planned, look) for look, one in looks],
        [repeated_p(one.less, stopping, planned, look) for look, one in looks],
    )


def _permuted(below: Values, above: Values, *, paired: bool) -> Tails:
    n = len(below)
    if n == 0:
        return Tails(1.0, 1.0, 1.0)
    if paired:
        return sign_flip_tails(below, above, draws=None if 2**n <= MAX_SIGN_FLIPS else FLIP_DRAWS)
    few = math.comb(2 * n, n) <= MAX_ASSIGNMENTS
    return label_tails(below, above, draws=None if few else LABEL_DRAWS)


def _betting(differences: Values, reached: Sequence[int]) -> tuple[Tails, ...]:
    """Return the always-valid p-values after each number of pairs.

    Under symmetry the sign of a difference is a fair coin given its size, so wealth that was put
    on the sign stays one on average, whatever the sizes tell about how much to put.
    """
    sides = ([min(1.0, 1 / w) for w in wealth(side)] for side in (differences, -differences))
    found = _so_far(*sides)
    return tuple(found[n - 1] for n in reached)


def wealth(differences: Values) -> Values:
    """Return what bets on the signs have come to after each difference, along the last axis.

    They are spread over `BETS`, in units of the root mean square of the differences so far.
    """
    squares = np.cumsum(differences**2, axis=-1)
    scale = np.sqrt(squares / np.arange(1, differences.shape[-1] + 1))
    sizes = np.divide(differences, scale, out=np.zeros_like(differences), where=scale > 0)
    stakes = sizes[..., None] * np.array(BETS)
    # log(1 + tanh x), which is fair for a coin's sign of x
    logs: Values = math.log(2) - np.logaddexp(0.0, -2 * stakes)
    found: Values = np.exp(np.cumsum(logs, axis=-2)).mean(axis=-1)
    return np.maximum(found, 1e-300)


def _so_far(greater: Sequence[float], less: Sequence[float]) -> tuple[Tails, ...]:
    """Return the smallest p-values after each look; two-sided is twice the smaller tail."""
    sides = zip(accumulate(greater, min), accumulate(less, min), strict=True)
    return tuple(Tails(one, two, min(1.0, 2 * min(one, two))) for one, two in sides)


def _shapes(stopping: Stopping, planned: Sequence[int]) -> list[float]:
    if stopping.rule is StoppingRule.OBRIEN_FLEMING:
        return [math.sqrt(planned[-1] / n) for n in planned]
    return [1.0] * len(planned)
