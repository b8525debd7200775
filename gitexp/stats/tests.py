"""Every significance test that there is: one value each, in one table.

A plan, a record and a report hold the name of a test; whatever else is to be known of it stands in
its entry. To add a test, add an entry, and the function that its `tails` names. Measured values
are not arguments of anything here, so looking at the data cannot change the question.
"""

from __future__ import annotations

import importlib
import math
from functools import partial
from typing import TYPE_CHECKING

from gitexp.errors import DesignError
from gitexp.model import dataclass
from gitexp.model.design import FEWEST_SKEWED, SKEW_FLIPS, Design, Unit
from gitexp.model.plan import StoppingRule

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.model.comparison import PlannedTest
    from gitexp.stats.permutation import Tails

MAX_SIGN_FLIPS = 2**20  # enumerated; above this they are drawn at random
MAX_FLIPS_OF_T = 2**15  # likewise; t is computed for each, at every change that an interval tries
FLIPS_OF_T_DRAWS = 19_999
MAX_ASSIGNMENTS = 20_000  # of labels, enumerated
FLIP_DRAWS = 99_999
LABEL_DRAWS = 99_999
SWAP_DRAWS = 19_999
BOOTSTRAP_DRAWS = 9_999
MAX_RANKED = 200  # data sets whose signed ranks are counted exactly
MIN_BOOTSTRAP_EXAMPLES = (
    200  # below, the measured error is up to four times alpha: docs/statistics.md
)
# Examples of either class. DeLong: with 10 of 100 z rejects 6.3 %. A bootstrap of recall against a
# margin: with 5 to 8 positive ones of 400 it rejects 20 % to 49 %, with 20 of them 5 % to 9 %.
MIN_CLASS = 20
# For the same: with 10 clusters it rejects 6.9 %, with 5 9.4 %; where 5 of 100 clusters hold all
# positive examples 9 %, where 3 do 14 %. So classes are counted by the clusters that hold them.
MIN_CLUSTERS = 20
MIN_REPEATS = 3  # of a crossed design: with two the measured error is up to 6.5 %
FEWEST_PAIRS = 5  # of a plan, whose own spread is taken instead of the baseline's

NOUNS = {Unit.REPEAT: "pair", Unit.EXAMPLE: "example", Unit.FOLD: "fold", Unit.DATASET: "data set"}


@dataclass(frozen=True, slots=True)
class SignificanceTest:
    """What a significance test is."""

    name: str  # as records have it
    title: str  # for a reader; ``{metric}``, ``{draws}`` and ``{looks}`` are filled in
    unit: Unit = Unit.REPEAT  # what it counts
    inexact: str = ""  # the title where p is not exact; "": the same
    # Whether a design gets this test; the first of the table that does is planned.
    suits: Callable[[Design], bool] = lambda _: False
    because: str = ""  # what of the design decided for it, beside unit and numbers
    # For a design, the relabellings that are visited, and whether p is exact.
    visits: Callable[[Design], tuple[int, bool]] = lambda _: (0, False)
    # function of `stats.intervals` by which its own interval is found; "": it has none
    interval: str = ""
    tails: str = ""  # module and function that give its p-values, imported when it is run
    continuous: bool = False  # if planned, p can be as small as one likes: nothing is relabelled
    fewest: int = 0  # units below which it is not to be trusted and decides nothing
    # For a plan that decides nothing, what it lacks beside units; "": nothing more.
    needs: Callable[[PlannedTest], str] = lambda _: ""
    over: str = ""  # what it lets vary; "": the seeds
    imputable: bool = False  # repeats that failed can be given the best or the worst value
    by_rank: bool = False  # its differences are of mean ranks
    by_discordance: bool = False  # it counts the examples that one side alone has right

    @property
    def noun(self) -> str:
        """What a reader calls one of what it counts."""
        return NOUNS[self.unit]

    @property
    def part(self) -> str:
        """The noun of units that are parts of a repeat; "" for all others."""
        return self.noun if self.unit in {Unit.FOLD, Unit.DATASET} else ""

    @property
    def subject(self) -> str:
        """What is permuted, without how."""
        return self.title.removeprefix("exact ")

    def titled(self, *, exact: bool = True, **facts: object) -> str:
        """Return the title with the facts of a plan filled in."""
        return (self.title if exact or not self.inexact else self.inexact).format(**facts)


def _is_paired(design: Design) -> bool:
    return design.unit is Unit.REPEAT and design.paired


def _is_unequal(design: Design) -> bool:
    """Whether spreads may mislead: with equal numbers t rises with the difference of means."""
    sides = design.n_baseline, design.n_candidate
    apart = design.unit is Unit.REPEAT and not design.paired
    return apart and sides[0] != sides[1] and min(sides) > 1  # a single value has no spread


def _is_against_margin(design: Design) -> bool:
    is_margin = design.effect is not None and design.effect.margin != 0
    return design.unit is Unit.EXAMPLE and is_margin


def _flips(design: Design, most: int = MAX_SIGN_FLIPS, draws: int = FLIP_DRAWS) -> tuple[int, bool]:
    ways: int = 2**design.n_baseline
    return (ways, True) if ways <= most else (draws, False)


def _labels(design: Design) -> tuple[int, bool]:
    ways = math.comb(design.n_baseline + design.n_candidate, design.n_baseline)
    return (ways, True) if ways <= MAX_ASSIGNMENTS else (LABEL_DRAWS, False)


def _area_needs(plan: PlannedTest) -> str:
    clusters = f", in {MIN_CLUSTERS} clusters" if "clustered" in plan.title else ""
    return f"an area needs {MIN_CLASS} examples of either class{clusters}"


def _crossed_needs(plan: PlannedTest) -> str:
    there = f"{plan.n_baseline} are there"
    return f"repeats crossed with examples need {MIN_REPEATS} pairs, {there}"


def _swaps_need(plan: PlannedTest) -> str:
    if "clusters" not in plan.title:
        return ""
    least = math.ceil(-math.log2(plan.alpha))
    return f"whole clusters are swapped: it needs {least}, {plan.n_baseline} are there"


def _bootstrap_needs(plan: PlannedTest) -> str:
    clustered = "clusters" in plan.title
    if plan.n_baseline >= MIN_BOOTSTRAP_EXAMPLES:
        apart = f", in {MIN_CLUSTERS} clusters" if clustered else ""
        positive = f"{MIN_CLASS} examples of the positive class{apart}"
        return f"a bootstrap against a margin needs {positive}"
    there = f"{MIN_BOOTSTRAP_EXAMPLES} clusters, {plan.n_baseline} are there"
    return f"a bootstrap against a margin needs {there}" if clustered else ""


FLIPS_OF_T = SignificanceTest(
    name="halls-t-flips",
    title="exact paired sign flips of Hall's t",
    inexact="paired sign flips of Hall's t, {draws:,} random ones",
    suits=lambda design: (
        _is_paired(design) and design.test == SKEW_FLIPS and design.n_baseline >= FEWEST_SKEWED
    ),
    because="; t without its skewness",
    visits=partial(_flips, most=MAX_FLIPS_OF_T, draws=FLIPS_OF_T_DRAWS),
    interval="flips_of_t_interval",
    tails="permutation.flips_of_t_tails",
    imputable=True,
)
PAIRED_PERMUTATION = SignificanceTest(
    name="paired-permutation",
    title="exact paired permutation of the mean",
    inexact="paired permutation of the mean, {draws:,} random sign flips",
    suits=_is_paired,
    visits=_flips,
    interval="permutation_interval",
    tails="permutation.sign_flip_tails",
    imputable=True,
)
STUDENTIZED_PERMUTATION = SignificanceTest(
    name="studentized-permutation",
    title="exact permutation of the labels by Welch's t",
    inexact="permutation of the labels by Welch's t, {draws:,} random assignments",
    suits=_is_unequal,
    because="; unequal numbers, so that spreads may differ",
    visits=_labels,
    tails="permutation.studentized_label_tails",
    imputable=True,
)
PERMUTATION = SignificanceTest(
    name="permutation",
    title="exact permutation of the labels",
    inexact="permutation of the labels, {draws:,} random assignments",
    suits=lambda design: design.unit is Unit.REPEAT,
    visits=_labels,
    tails="permutation.label_tails",
    imputable=True,
)
BOOTSTRAP_MARGIN = SignificanceTest(
    name="bootstrap-margin",
    title="paired bootstrap of {metric} against the margin, {draws:,} resamples",
    unit=Unit.EXAMPLE,
    suits=_is_against_margin,
    because="; a margin other than zero",
    visits=lambda _: (BOOTSTRAP_DRAWS, False),
    fewest=MIN_BOOTSTRAP_EXAMPLES,
    needs=_bootstrap_needs,
)
MCNEMAR = SignificanceTest(
    name="mcnemar",
    title="McNemar, exact conditional binomial",
    unit=Unit.EXAMPLE,
    suits=lambda design: design.metric in {"accuracy", "error_rate"},
    because="; each of them right or wrong",
    visits=lambda _: (0, True),
    by_discordance=True,
)
PAIRED_RANDOMIZATION = SignificanceTest(
    name="paired-randomization",
    title="paired randomization of {metric}, {draws:,} random swaps",
    unit=Unit.EXAMPLE,
    suits=lambda design: design.unit is Unit.EXAMPLE,
    because="; {metric} is no mean over examples",
    visits=lambda _: (SWAP_DRAWS, False),
    needs=_swaps_need,
)
COMBINED_F = SignificanceTest(
    name="combined-5x2cv-f",
    title="combined 5 x 2 cv F (Alpaydin)",
    unit=Unit.FOLD,
    suits=lambda design: design.splits is not None and design.splits.five_by_two,
    tails="planned.datasets.combined_f",
    continuous=True,
    over="over splits of these data",
)
CORRECTED_T = SignificanceTest(
    name="corrected-resampled-t",
    title="corrected resampled t (Nadeau-Bengio)",
    unit=Unit.FOLD,
    suits=lambda design: design.unit is Unit.FOLD,
    tails="planned.datasets.corrected_t",
    continuous=True,
    over="over splits of these data",
)
SIGNED_RANK = SignificanceTest(
    name="signed-rank",
    title="Wilcoxon signed-rank, exact",
    inexact="Wilcoxon signed-rank, normal approximation",
    unit=Unit.DATASET,
    suits=lambda design: design.unit is Unit.DATASET,
    visits=lambda design: (0, design.n_baseline <= MAX_RANKED),
    over="over data sets like these",
)
DELONG = SignificanceTest(
    name="delong",
    title="DeLong, normal approximation",
    unit=Unit.EXAMPLE,
    continuous=True,
    needs=_area_needs,
)
CROSSED_T = SignificanceTest(
    name="crossed-t",
    title="t over repeats and examples, crossed random factors",
    continuous=True,
    fewest=MIN_REPEATS,
    needs=_crossed_needs,
    over="over its seeds and over examples like these",
)
ALWAYS_VALID_SIGNS = SignificanceTest(
    "always-valid-signs", "always-valid p-value by bets on the sign of each difference"
)
AT_LOOKS = {
    (rule, test.name): SignificanceTest(
        f"{rule.value}-{test.name}",
        f"{words} boundary over {{looks}} looks, {test.subject} at each",
    )
    for rule, words in (
        (StoppingRule.OBRIEN_FLEMING, "O'Brien-Fleming"),
        (StoppingRule.POCOCK, "Pocock"),
    )
    for test in (PAIRED_PERMUTATION, PERMUTATION)
}

# What stands beside a planned test and decides nothing.
PAIRED_T = SignificanceTest("paired-t", "paired t")
WELCH_T = SignificanceTest("welch-t", "Welch's t")
MANN_WHITNEY = SignificanceTest(
    "mann-whitney", "Mann-Whitney, exact", inexact="Mann-Whitney, normal approximation"
)
BRUNNER_MUNZEL = SignificanceTest("brunner-munzel", "Brunner-Munzel")
MCNEMAR_MID_P = SignificanceTest("mcnemar-mid-p", "McNemar, mid-p", Unit.EXAMPLE)
FIVE_BY_TWO_T = SignificanceTest("5x2cv-t", "5 x 2 cv t (Dietterich)", Unit.FOLD)

# Categories of a column of the predictions.
CATEGORY_SWAPS = SignificanceTest(
    "category-swaps", "marginal homogeneity, {draws:,} random swaps of examples"
)
CHI_SQUARED_DRAWN = SignificanceTest(
    "chi-squared-monte-carlo", "chi-squared, {draws:,} random tables with the same margins"
)
CHI_SQUARED = SignificanceTest("chi-squared", "chi-squared")
STUART_MAXWELL = SignificanceTest("stuart-maxwell", "Stuart-Maxwell")
MANTEL_HAENSZEL = SignificanceTest(
    "cochran-mantel-haenszel", "Cochran-Mantel-Haenszel over the slices"
)

# More than two commits: whether they differ at all, and which.
WELCH_ANOVA = SignificanceTest("welch-anova", "Welch's analysis of variance")
PERMUTATION_F = SignificanceTest(
    "permutation-f", "permutation F, exact",
    inexact="permutation F, {draws:,} random relabellings",
)  # fmt: skip
KRUSKAL_WALLIS = SignificanceTest("kruskal-wallis", "Kruskal-Wallis")
REPEATED_ANOVA = SignificanceTest(
    "repeated-measures-anova", "repeated-measures analysis of variance, Greenhouse-Geisser"
)
FRIEDMAN = SignificanceTest("friedman", "Friedman")
IMAN_DAVENPORT = SignificanceTest("iman-davenport", "Friedman, by Iman and Davenport's F")
COCHRAN_Q = SignificanceTest("cochran-q", "Cochran's Q", Unit.EXAMPLE)
DUNNETT = SignificanceTest("dunnett", "Dunnett")
GAMES_HOWELL = SignificanceTest("games-howell", "Games-Howell")
DUNN = SignificanceTest("dunn", "Dunn, by ranks (1 is the smallest), Holm", by_rank=True)
NEMENYI = SignificanceTest("nemenyi", "Nemenyi, mean ranks", Unit.DATASET, by_rank=True)
FRIEDMAN_CONTROL = SignificanceTest(
    "friedman-control", "mean ranks, Holm", Unit.DATASET, by_rank=True
)

_EACH = (value for value in tuple(globals().values()) if isinstance(value, SignificanceTest))
# in the order of this file, in which they are asked whether they suit a design
TESTS = {test.name: test for test in (*_EACH, *AT_LOOKS.values())}


def named(name: str) -> SignificanceTest:
    """Return the test of a record; one that this version does not know has its name alone."""
    return TESTS.get(name, SignificanceTest(name, name))


def expect(plan: PlannedTest, unit: Unit) -> SignificanceTest:
    """Return a plan's test, which has to count such units; else raise `DesignError`."""
    test = named(plan.test)
    if test.unit is not unit:
        raise DesignError(f"the plan is not for {unit.value}s", found=plan.test)
    return test


def function_of(plan: PlannedTest, unit: Unit) -> Callable[..., Tails]:
    """Return the function behind `tails` of a plan's test; its module alone is imported.

    An error of the design if the test counts other units, or is not run on values alone.
    """
    module, dot, name = expect(plan, unit).tails.rpartition(".")
    if not dot:
        raise DesignError(f"{plan.test} is not run on values alone")
    found: Callable[..., Tails] = getattr(importlib.import_module(f"gitexp.stats.{module}"), name)
    return found
