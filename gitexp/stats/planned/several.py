"""What a design of more than two commits gets: an omnibus test first, then families of pairs.

The design alone decides which; where a test cannot be computed from the values (a group that does
not vary), it is left out and a note says so.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from gitexp.errors import DesignError
from gitexp.model import dataclass, field, replace
from gitexp.model.comparison import EffectSize, Interval, SignificanceResult
from gitexp.model.design import Design, Unit
from gitexp.model.result import Family, Omnibus, Pairwise
from gitexp.stats import contingency, crossed, examples, groups, permutation, tests
from gitexp.stats.design import lacking, plan_crossed
from gitexp.stats.hypotheses import family
from gitexp.stats.intervals import difference_interval
from gitexp.stats.tests import FLIP_DRAWS, MAX_SIGN_FLIPS, SignificanceTest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gitexp.stats.contingency import ChiSquared
    from gitexp.stats.ttests import FTest
    from gitexp.stats.values import Values

    Groups = Mapping[str, Sequence[float]]
    _Pair = tuple[float, Interval | None, float]  # difference, its interval, plain p

BASELINE, ALL = "each against the baseline", "all pairs"


@dataclass(slots=True)
class OmnibusFindings:
    """What is found so far; `AcrossMetric` says what the fields mean."""

    omnibus: list[Omnibus] = field(default_factory=list)
    families: list[Family] = field(default_factory=list)
    sizes: list[EffectSize] = field(default_factory=list)
    ranks: tuple[float, ...] = ()
    critical_difference: float | None = None
    notes: list[str] = field(default_factory=list)

    def limit(self, words: str) -> None:
        """Say of every test over what it was made alone."""
        self.omnibus = [replace(one, title=f"{one.title}, {words}") for one in self.omnibus]
        self.families = [replace(one, title=f"{one.title}, {words}") for one in self.families]

    def attempt(self, *steps: Callable[[OmnibusFindings], None]) -> OmnibusFindings:
        """Take each step; what its test refuses becomes a note."""
        for step in steps:
            try:
                step(self)
            except DesignError as error:
                self.say(error.brief)
        return self

    def say(self, words: str) -> None:
        """Add a note, unless it is there already or says nothing."""
        if words and words not in self.notes:
            self.notes.append(words)


def independent_groups(values: Groups, *, alpha: float) -> OmnibusFindings:
    """Compare repeats that no seed joins; the first group is the baseline.

    All intervals of a family together have confidence 1 - alpha. Welch's analysis of variance and
    Games-Howell need no equal variances; Dunnett's, the permutation of labels and the rank tests
    take the groups for alike but for their place.
    """
    names = list(values)

    def welch(found: OmnibusFindings) -> None:
        test = groups.welch_anova(values)
        found.omnibus.append(_whole(tests.WELCH_ANOVA, test, test.df1, test.df2, planned=True))

    def shuffled(found: OmnibusFindings) -> None:
        test = groups.permutation_f_test(values)
        whole = tests.PERMUTATION_F
        title = whole.titled(exact=test.exact, draws=test.relabellings - 1)
        found.omnibus.append(Omnibus(whole.name, title, test.statistic, test.p_value))

    def kruskal(found: OmnibusFindings) -> None:
        test = groups.kruskal_wallis(values)
        found.omnibus.append(_whole(tests.KRUSKAL_WALLIS, test, test.df))

    def dunnett(found: OmnibusFindings) -> None:
        control, *others = names
        test = groups.dunnett_test(values[control], {name: values[name] for name in others})
        pairs = [
            Pairwise(name, control, one.difference, None, one.p_value) for name, one in test.items()
        ]
        found.families.append(_family(tests.DUNNETT, BASELINE, pairs))

    def howell(found: OmnibusFindings) -> None:
        test = groups.games_howell(values, alpha=alpha)
        pairs = [
            Pairwise(
                second, first, -one.difference,
                Interval(-one.ci_high, -one.ci_low, 1 - alpha, "Games-Howell, simultaneous"),
                one.p_value,
            )
            for (first, second), one in test.items()
        ]  # fmt: skip
        found.families.append(_family(tests.GAMES_HOWELL, ALL, pairs))

    def dunn(found: OmnibusFindings) -> None:
        pairs = [
            Pairwise(second, first, -difference, None, p)
            for (first, second), (difference, p) in groups.dunn_test(values).items()
        ]
        found.families.append(_family(tests.DUNN, ALL, pairs))

    def size(found: OmnibusFindings) -> None:
        eta = groups.eta_squared(values, alpha=alpha)
        interval = Interval(eta.ci_low, eta.ci_high, 1 - alpha, "noncentral F")
        found.sizes.append(EffectSize("eta squared", eta.estimate, interval))
        found.sizes.append(EffectSize("omega squared", groups.omega_squared(values), None))

    return OmnibusFindings().attempt(welch, shuffled, kruskal, dunnett, howell, dunn, size)


def blocked_by_seed(
    table: Values, names: Sequence[str], *, alpha: float, higher_is_better: bool
) -> OmnibusFindings:
    """Compare repeats that all commits made with the same seeds.

    `table`: shape (n_seeds, n_commits), the baseline's column first. Pairs are compared by sign
    flips of their own differences, which need no sphericity, and held together by Holm's procedure;
    each interval is a paired t at 1 - alpha / (number of pairs).
    """

    def anova(found: OmnibusFindings) -> None:
        test = groups.repeated_measures_anova(table.tolist(), names)
        found.omnibus.append(
            Omnibus(
                tests.REPEATED_ANOVA.name,
                tests.REPEATED_ANOVA.title,
                test.statistic,
                test.p_value_gg,
                test.df1 * test.epsilon_gg,
                test.df2 * test.epsilon_gg,
                planned=True,
            )
        )

    def ranked(found: OmnibusFindings) -> None:
        _friedman(found, table, names, higher_is_better=higher_is_better, planned=False)

    def flips(i: int, j: int, number: int) -> _Pair:
        new, old = table[:, i], table[:, j]
        return (
            float((new - old).mean()),
            difference_interval(old, new, paired=True, confidence=1 - alpha / number),
            _sign_flips(new, old),
        )

    def pairs(found: OmnibusFindings) -> None:
        title = "sign flips of the pairs, Holm"
        found.families += _by_holm(tests.PAIRED_PERMUTATION, title, names, flips)

    return OmnibusFindings().attempt(anova, ranked, pairs)


def crossed_with_examples(tables: Mapping[str, Values], *, alpha: float) -> OmnibusFindings:
    """Compare repeats of common seeds that all predicted the same examples.

    `tables`: by name, shape (n_seeds, n_examples), what each example adds to the metric of each
    repeat; the baseline's first. Seeds and examples are both random, as in
    `crossed.run_on_crossed`. Blocks by seed know nothing of the examples, and reject nearly every
    true null where the noise is the test set's. So there is not a test of all beside the pairs:
    some commits differ if Holm's smallest p says so.
    """
    names = list(tables)

    def both(i: int, j: int, number: int) -> _Pair:
        new, old = tables[names[i]], tables[names[j]]
        return (
            float(new.mean() - old.mean()),
            crossed.intervals(old, new, confidence=1 - alpha / number)[0],
            _over_examples_too(old, new, alpha).p_value,
        )

    def pairs(found: OmnibusFindings) -> None:
        test, over = tests.CROSSED_T, "t over repeats and examples"
        found.families += _by_holm(test, f"{over}, Holm", names, both)
        least = min(pair.p_value for pair in found.families[-1].pairs)
        squares = [crossed.squares(b - a) for a, b in itertools.combinations(tables.values(), 2)]
        largest = max(abs(one.mean) / one.error if one.error else 0.0 for one in squares)
        title = f"{over} of every pair, Holm's smallest"
        found.omnibus.append(Omnibus(test.name, title, largest, least, planned=True))

    return OmnibusFindings().attempt(pairs)


def over_datasets(
    table: Values, names: Sequence[str], *, alpha: float, higher_is_better: bool
) -> OmnibusFindings:
    """Compare commits by one value each on many data sets.

    `table`: shape (n_datasets, n_commits), the baseline's column first.
    """

    def ranked(found: OmnibusFindings) -> None:
        _friedman(found, table, names, higher_is_better=higher_is_better, planned=True)

    def nemenyi(found: OmnibusFindings) -> None:
        ranks, every = found.ranks, itertools.combinations(range(len(names)), 2)
        pairs = [
            Pairwise(names[j], names[i], ranks[j] - ranks[i], None, p)
            for (i, j), p in zip(every, groups.nemenyi_test(ranks, len(table)), strict=True)
        ]
        found.families.append(_family(tests.NEMENYI, ALL, pairs))
        found.critical_difference = groups.nemenyi_critical_difference(
            len(names), len(table), alpha=alpha
        )

    def control(found: OmnibusFindings) -> None:
        z = groups.z_against_control(found.ranks, len(table))
        adjusted = family([float(2 * ndtr(-abs(each))) for each in z], "holm")
        pairs = [
            Pairwise(name, names[0], rank - found.ranks[0], None, p)
            for name, rank, p in zip(names[1:], found.ranks[1:], adjusted, strict=True)
        ]
        found.families.append(_family(tests.FRIEDMAN_CONTROL, BASELINE, pairs))

    made = OmnibusFindings().attempt(ranked)
    return made.attempt(*((control, nemenyi) if made.ranks else ()))


def over_examples(names: Sequence[str], sides: Sequence[Sequence[float]]) -> OmnibusFindings:
    """Compare several models by which examples of one evaluation set they have right.

    `sides`: 1 where right, the baseline's first.
    """
    right = np.array(sides)

    def cochran(found: OmnibusFindings) -> None:
        test = contingency.cochran_q(right)
        found.omnibus.append(_whole(tests.COCHRAN_Q, test, test.df, planned=True))

    def mcnemar(i: int, j: int, _: int) -> _Pair:
        won, lost = (int((right[a] > right[b]).sum()) for a, b in ((i, j), (j, i)))
        return (won - lost) / len(sides[0]), None, examples.mcnemar_tails(won, lost).two_sided

    def pairs(found: OmnibusFindings) -> None:
        found.families += _by_holm(tests.MCNEMAR, "McNemar, exact, Holm", names, mcnemar)

    return OmnibusFindings().attempt(cochran, pairs)


def _friedman(
    found: OmnibusFindings,
    table: Values,
    names: Sequence[str],
    *,
    higher_is_better: bool,
    planned: bool,
) -> None:
    """Add Friedman's test by Iman and Davenport's F, by its chi-squared where F is infinite."""
    test = groups.friedman_test(table.tolist(), names, higher_is_better=higher_is_better)
    found.ranks = test.mean_ranks
    try:
        f = groups.davenport(test.statistic, *table.shape)
    except DesignError:
        found.omnibus.append(_whole(tests.FRIEDMAN, test, test.df, planned=planned))
        return
    found.omnibus.append(_whole(tests.IMAN_DAVENPORT, f, f.df1, f.df2, planned=planned))


def _whole(
    test: SignificanceTest,
    found: groups.Friedman | ChiSquared | FTest,
    df1: float | None = None,
    df2: float | None = None,
    *,
    planned: bool = False,
) -> Omnibus:
    return Omnibus(test.name, test.title, found.statistic, found.p_value, df1, df2, planned=planned)


def _family(test: SignificanceTest, among: str, pairs: Sequence[Pairwise]) -> Family:
    return Family(test.name, test.title, among, tuple(pairs))


def _by_holm(
    test: SignificanceTest,
    title: str,
    names: Sequence[str],
    compared: Callable[[int, int, int], _Pair],
) -> Iterator[Family]:
    """Yield the two families of pairs: which one against which, of how many."""
    every = range(len(names))
    for among, indices in (
        (BASELINE, [(index, 0) for index in every[1:]]),
        (ALL, [(later, earlier) for earlier, later in itertools.combinations(every, 2)]),
    ):
        found = [compared(i, j, len(indices)) for i, j in indices]
        adjusted = family([p for *_, p in found], "holm")
        yield Family(
            test.name,
            title,
            among,
            tuple(
                Pairwise(names[i], names[j], difference, interval, p)
                for (i, j), (difference, interval, _), p in zip(
                    indices, found, adjusted, strict=True
                )
            ),
        )


def _over_examples_too(baseline: Values, candidate: Values, alpha: float) -> SignificanceResult:
    n = len(baseline)
    design = Design(Unit.REPEAT, True, n, n, alpha=alpha)  # noqa: FBT003  as `paired`
    plan = plan_crossed(design, baseline.shape[1])
    if why := lacking(plan):
        raise DesignError(why)
    return crossed.run_on_crossed(plan, design, baseline, candidate)


def _sign_flips(first: Values, second: Values) -> float:
    exact = len(first) <= math.log2(MAX_SIGN_FLIPS)
    return permutation.sign_flip_tails(second, first, draws=None if exact else FLIP_DRAWS).two_sided
