"""What a plan's repeats will find, before there are any: by the test that will decide."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from gitexp.comparison.designs import predictions, resplits
from gitexp.comparison.measure import share_of
from gitexp.errors import UsageError
from gitexp.model import dataclass, replace
from gitexp.model.design import KnownFolds, PowerDesign, PowerRequest, Splits
from gitexp.model.metrics import NO_RULE
from gitexp.model.plan import Effect, HypothesisKind, Plan, Stopping
from gitexp.stats import metrics
from gitexp.stats.design import pairs_needed, smallest_p
from gitexp.stats.planned.detectable import Floor
from gitexp.stats.planned.foreseen import Outlook
from gitexp.stats.tests import FEWEST_PAIRS, MIN_REPEATS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.plan import Direction
    from gitexp.model.result import VarianceShare
    from gitexp.model.run import Run
    from gitexp.stats.crossed import Squares

FEWEST_KNOWN: Final = 3  # repeats of a baseline whose spread says something
_OF_LABELS = ("accuracy", "error_rate")  # of which --discordant speaks
_LEFT_OUT = (
    "over repeats alone: the noise of the one test set that all of them predicted is left out, "
    "which compare adds and more repeats do not lessen"
)
_DATA_SETS = (
    "over {} data sets, however many repeats each value is the mean of: how gains differ between "
    "them no baseline foretells"
)
_FOLDS = (
    "over the folds of all repeats by the corrected t: they share data, which more do not lessen"
)
_SAME = "the folds are the same for every seed: more repeats are not more folds"
_FIVE_BY_TWO = "of 5 x 2 folds compare takes the combined F, which finds no less than the t"
_CROSSED = (
    "over repeats and the {} examples that all of them predict, whose noise more repeats do not "
    "lessen: "
)
_OWN = "as the pairs' own predictions have it"
_BETWEEN = "from errors of both sides that have nothing in common to none of that noise"


@dataclass(frozen=True, slots=True)
class PowerTerms:
    """What is asked, with every default filled in."""

    metric: str
    direction: Direction
    effect: Effect
    expect: Effect | None
    alpha: float
    power: float
    design: PowerDesign
    units: int
    stopping: Stopping | None = None
    plan: Plan | None = None  # of this metric
    shared: tuple[str, ...] = ()  # experiments with results on the same data
    price: int = 1  # what p is multiplied by for the tries before

    @property
    def factor(self) -> int:
        """What p is multiplied by at worst: by Holm's place, and the price of a try."""
        return (len(self.shared) + 1) * self.price

    @property
    def own(self) -> bool:
        """Whether it is the plan that is asked about, as it stands."""
        plan = self.plan
        return plan is not None and (plan.effect, plan.alpha, plan.repeats, plan.direction) == (
            *(self.effect, self.alpha, self.units, self.direction),
        )

    @property
    def level(self) -> float:
        """Of each one-sided test."""
        return self.effect.level(self.alpha / self.factor)


@dataclass(frozen=True, slots=True)
class Spread:
    """What a side's repeats say about noise."""

    n: int  # repeats that count, with the metric
    mean: float | None
    sd: float | None
    runs: tuple[Run, ...] = ()  # observed ones of these inputs, wherever they are recorded
    splits: Splits | str | None = None  # how seeds divide one table anew, or why nobody knows
    price: int = 1  # what p is multiplied by for the tries before the plan's candidate
    again: int = 0  # of its next try, by another plan or an amendment; 0: it has no result yet
    step: str = ""  # what runs what the plan lacks, or compares; "" without a plan
    datasets: int = 0  # by which repeats report the metric, and which are tested
    folds: KnownFolds | None = None  # likewise by folds whose sizes are known
    crossed: bool = False  # whether all recorded predictions of one set, by which pairs are tested
    noise: Squares | None = None  # repeats by the examples of the one set that they predicted
    # of the plan asked about, and the spread of their gains; of one side's values where `apart`
    pairs: tuple[int, float] = (0, 0.0)
    apart: bool = False  # whether both sides of the plan have repeats, which do not pair
    gains: VarianceShare | None = None  # where the noise of those gains comes from, over one set


def is_of_one_set(found: Spread) -> bool:
    """Whether all repeats recorded predictions of the same examples."""
    repeats = [each for run in found.runs for each in run.repeats if each.evaluation is not None]
    sets = {(each.evaluation, each.evaluation_basis) for each in repeats}
    return len(sets) == 1 and {basis for _, basis in sets} == {"predictions"}


@dataclass(frozen=True, slots=True)
class Foretold:
    """A question about repeats, and what is known of their noise.

    Notes
    -----
    On one test set nobody knows beforehand how many errors both sides have in common. So there are
    two outlooks: `cautious` takes them for independent, as strangers' would be, `best` leaves the
    noise of the test set out. Elsewhere both are the same; `cautious` is None where no recorded
    prediction tells the noise.
    """

    terms: PowerTerms
    request: PowerRequest
    found: Spread

    @property
    def paired(self) -> bool:
        """Whether seeds join the repeats of both sides."""
        return self.terms.design is PowerDesign.PAIRED

    @property
    def splits(self) -> Splits | str | None:
        """How seeds divide one table; plans of the first rules keep their test."""
        plan = self.terms.plan
        return self.found.splits if self.paired and (plan is None or plan.rules > 1) else None

    @property
    def band(self) -> bool:
        """Whether equivalence is promised."""
        return self.terms.effect.kind is HypothesisKind.EQUIVALENCE

    @property
    def by_pairs(self) -> bool:
        """Whether pairs of the plan, or repeats that do not pair, tell the spread."""
        n, sd = self.found.pairs
        # predictions tell more of the noise than so few values do
        fewest = FEWEST_PAIRS if self.found.gains is None else MIN_REPEATS
        return (
            self.paired is not self.found.apart
            and self.folds is None
            and self.request.effect is None
            and self.request.sd is None
            and n >= fewest
            and sd > 0
        )

    @property
    def folds(self) -> KnownFolds | None:
        """The folds that compare will test, in pairs alone."""
        return self.found.folds if self.paired else None

    @property
    def one_side(self) -> float | None:
        """The standard deviation of one side, of its folds if any; None or zero: nobody knows."""
        own = self.found.sd if self.folds is None else self.folds.sd
        return own if self.request.sd is None else self.request.sd

    @property
    def spread(self) -> float:
        """The standard deviation of a pair, or of a side's repeats."""
        if self.by_pairs:
            return self.found.pairs[1]
        both = math.hypot(1, share_of(self.terms.effect, self.terms.direction))
        return (self.one_side or 0.0) * both / (1 if self.paired else math.sqrt(2))

    @property
    def of_pair(self) -> float:
        """The standard error of one pair's mean, in its spread: of folds that share data."""
        folds = self.folds
        return 1.0 if folds is None else math.sqrt(1 / folds.number + folds.splits.ratio)

    @property
    def is_crossed(self) -> bool:
        """Whether compare will test over repeats and examples."""
        plain = self.paired and self.terms.stopping is None and not isinstance(self.splits, Splits)
        return plain and self.found.crossed

    def can_decide(self) -> int:
        """Return the fewest repeats of which an outcome of the test that decides reaches alpha."""
        folds = self.folds
        if self.found.datasets:  # however many repeats
            return 1
        if folds is not None:
            return 1 if folds.number > 1 else 2
        if self.is_crossed:
            return MIN_REPEATS
        if isinstance(self.splits, Splits):
            return resplits.FEWEST
        alpha = self.terms.alpha / self.terms.factor
        return pairs_needed(alpha, paired=self.paired, one_sided=self.terms.effect.one_sided)

    def outlooks(self, truth: float) -> tuple[Outlook | None, Outlook]:
        """Return what will be found, cautiously and at best, if `truth` is the true gain."""
        floor = Floor(self.splits.ratio) if isinstance(self.splits, Splits) else None
        if (folds := self.folds) is not None:
            floor = Floor(folds.splits.ratio, folds=folds.number, same=folds.same)
        rule = None if floor else self.terms.stopping
        best = Outlook(rule, self.terms.units, self.terms.level, self.paired, self.band, floor)
        if self.band:
            best = replace(best, truth=truth / self.spread)
        if folds is not None and floor is not None:
            return best, replace(best, floor=replace(floor, common=True))
        if sets := self.found.datasets:
            can = smallest_p(sets, sets, paired=True, one_sided=True) <= self.terms.level
            return None, replace(
                best, floor=Floor(0.0, folds=sets if can else 1, same=True, common=can)
            )
        if isinstance(self.splits, str):  # not known, nor to compare
            return None, best
        if not self.is_crossed:
            return best, best
        size, noise = self._examples, self.found.noise
        best = replace(best, floor=Floor(0.0, size))
        cautious = replace(best, floor=Floor(self._floor(truth), size))
        if self._of_gains:
            return cautious, cautious
        return None if noise is None else cautious, cautious if self._said else best

    def unchanged(self) -> Outlook:
        """Return what is found where in truth nothing changes."""
        cautious, best = self.outlooks(0.0)
        return cautious or best

    def needed(self, distance: float, later: int = 0) -> int | None:
        """Return the fewest repeats that tell a promise so far away from no change.

        None where no number does. `later`: what p of a next plan is multiplied by, of which those
        beyond the planned ones are; 0 where the plan may grow.
        """
        needed = self.unchanged().needed(distance / self.spread, self.terms.power)
        if not later or (needed is not None and needed <= self.terms.units):
            return needed
        return replace(self, terms=replace(self.terms, price=later)).needed(distance)

    def refuse_idle(self) -> None:
        """Refuse what changes no number of this design: whoever typed it takes it for heeded."""
        request, design = self.request, self.terms.design
        area, accuracy = design is PowerDesign.AREA, design is PowerDesign.ACCURACY
        repeats = "paired or independent"
        acting = {
            "--sd": (request.sd, repeats, not (area or accuracy)),
            "--positives": (request.share, "auc", area),
            "--correlation": (request.correlation, "auc", area),
            "--discordant": (request.discordant, "accuracy", accuracy or self._discords),
        }
        for option, (value, where, acts) in acting.items():
            if value is not None and not acts:
                raise UsageError(
                    f"{option} has no effect here",
                    found=f"--design {design.value}",
                    expected=f"--design {where}",
                    next_step=f"the same without {option}, or with --design {where.split()[0]}",
                )

    @property
    def _discords(self) -> bool:
        """Whether the share of examples that one side alone has right is asked for, and acts."""
        return self._said and self.is_crossed and self.found.noise is not None

    @property
    def _of_gains(self) -> bool:
        """Whether the plan's own pairs tell the noise of the test set, as they do to compare."""
        return self.by_pairs and self.found.gains is not None and not self._said

    @property
    def _said(self) -> bool:
        return (
            self.request.discordant is not None and metrics.kind_of(self.terms.metric) in _OF_LABELS
        )

    @property
    def _examples(self) -> int:
        """How many examples all repeats predicted; the fewest that have a spread, if unknown."""
        noise, gains = self.found.noise, self.found.gains
        if gains is not None and self._of_gains:
            return gains.examples
        return 2 if noise is None else noise.n_examples

    def _floor(self, truth: float) -> float:
        """Return the variance that the test set gives the mean, in variances of a pair."""
        noise, gains = self.found.noise, self.found.gains
        if gains is not None and self._of_gains:
            return gains.examples_share * (gains.standard_error / self.spread) ** 2
        if noise is None:
            return 0.0
        if self.request.discordant is not None and self._said:
            each = self.request.discordant - truth**2 - 2 * noise.rest
        else:
            each = (noise.examples - noise.rest) / noise.n_repeats
            each *= 1 + share_of(self.terms.effect, self.terms.direction) ** 2
        return max(each, 0.0) / noise.n_examples / self.spread**2

    def assumed(self) -> Iterator[str]:
        """Say what the numbers rest on."""
        n, sd = self.found.pairs
        if self.by_pairs:
            both = f"{n} repeats a side" if self.found.apart else f"{n} pairs"
            yield f"normal values; the spread of the plan's {both}, {sd:.3g}"
        else:
            of = f"the spread of {self.found.n} baseline repeats"
            of = of if self.folds is None else f"{of} from fold to fold"
            basis = of if self.request.sd is None else "the spread as given"
            yield f"normal values; {basis}, {self.one_side or 0:.3g}, also for the candidate"
            if self.paired and self.folds is None:
                yield "as if common seeds had nothing in common; where they do, fewer will do"
        if self.terms.plan is not None and self.terms.plan.guards_shown:
            yield "that each guard-rail is shown to be kept, without which there is no yes"
        if self.found.datasets:
            yield _DATA_SETS.format(self.found.datasets)
        yield from self._of_folds()
        resplit = isinstance(self.splits, Splits) or not is_of_one_set(self.found)
        if self.folds is None and resplit:
            yield resplits.foretold(self.splits)
        if self.paired and is_of_one_set(self.found) and predictions.is_known(self.terms.metric):
            said = _OWN if self._of_gains else _BETWEEN
            if self._said:
                said = f"{self.request.discordant:.1%} of them right on one side only"
            known = self.is_crossed and (self.found.noise is not None or self._of_gains)
            yield _CROSSED.format(self._examples) + said if known else _LEFT_OUT
        single = self.folds is not None or isinstance(self.splits, Splits)
        if single and self.terms.stopping is not None:
            yield f"a single look: {NO_RULE}"
        elif self.terms.stopping is not None:
            yield f"the price of looking early, by the rule {self.terms.stopping.rule.value}"

    def _of_folds(self) -> Iterator[str]:
        """Say what is taken for granted of folds."""
        folds = self.folds
        if folds is None:
            return
        yield _FOLDS
        if folds.same:
            yield _SAME
        whole = folds.splits.repetitions * (1 if folds.same else self.terms.units)
        if replace(folds.splits, repetitions=whole).five_by_two:
            yield _FIVE_BY_TWO
