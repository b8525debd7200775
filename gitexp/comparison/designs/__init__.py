"""The designs of a comparison, one file each, and the choice between them.

A design is chosen from the recorded claim and from what was recorded - predictions, folds, data
sets, numbers - and never from a value; how often folds are counted is the one exception (`folds`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.comparison.designs import (
    crossed,
    datasets,
    folds,
    predictions,
    repeats,
    resplits,
    still,
)
from gitexp.comparison.eligible import predicted_others
from gitexp.comparison.environments import on_equal_hardware
from gitexp.errors import DesignError, GitexpError
from gitexp.model import dataclass, replace
from gitexp.model.clocked import is_clocked
from gitexp.model.comparison import Role
from gitexp.model.metrics import NO_RULE, in_folds
from gitexp.model.plan import Claim, Plan
from gitexp.stats.design import Unit
from gitexp.stats.tests import MIN_REPEATS, named

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from gitexp.comparison.designs.prediction_pairs import Pair
    from gitexp.comparison.eligible import Counted
    from gitexp.comparison.measure import Answer, CountedSides, Question
    from gitexp.comparison.sides import ResolvedSide
    from gitexp.model.result import MetricComparison
    from gitexp.model.run import Repeat
    from gitexp.stats.design import Splits

SEEDS_ALONE = (
    "a stopping rule tests over repeats alone, the noise of the one test set left out: another "
    "test set may give another answer (measured without a rule: up to 30 % of true nulls rejected)"
)

REPEATS_ALONE = "a test over repeats alone leaves out the noise of the test set"
ONE_TEST_SET = (
    f"{REPEATS_ALONE}: of true nulls for other test sets 11 % to 37 % are called shown (measured, "
    "10 and 20 seeds); predictions: in .gitexp/config.yaml, with an id for each row, let it in"
)

_MODELS = "these two trained models, on examples like these"
_CROSSED = "other seeds, on examples like these"
_RESPLITS = "data like these: each seed divides one table anew"
_FOLDS = "other divisions of this one data set"
_DATASETS = "data sets like these"
_CLOCKED = "other runs on this hardware"
_ONE_SET = "other seeds, on this test set alone"
_VARIED = "other seeds, each with a test set of its own"
_UNKNOWN = "other seeds; whether on one test set, no record says"
_NAMED = frozenset(("predictions", "evaluation"))  # what tells the test set itself


@dataclass(frozen=True, slots=True)
class Chosen:
    """A situation with what its designs need read once."""

    situation: CountedSides
    pair: Pair | None = None
    crossed: tuple[Pair, ...] = ()  # one for each seed, all of the same examples
    # how each seed divides one table anew, or why nobody knows that; None where none does
    overlap: Splits | str | None = None
    problem: str = ""  # why nothing can be tested; "" if something can
    warnings: tuple[str, ...] = ()

    def measure(self, question: Question) -> Answer:
        """Compare one metric by the design that it gets; what does not vary is not tested.

        Nor is a cost of which no two repeats ran on the same hardware; else it leaves out pairs.
        """
        pairs, lacks = on_equal_hardware(self.situation, question.metric)
        if not lacks:
            return still.checked(self.situation, question, self._by_design(question))
        if not pairs:
            answer = self._by_design(question)
            one = None if answer.comparison is None else answer.comparison.noted(lacks)
            answer = replace(answer, comparison=one, warnings=(), lacks=lacks)
            return still.untested(answer, lacks)
        # what designs have read of all pairs says nothing of these
        situation = replace(self.situation, count=replace(self.situation.count, pairs=pairs))
        answer = replace(self, situation=situation, crossed=(), overlap=None).measure(question)
        return replace(answer, lacks=lacks, warnings=(*answer.warnings, lacks))

    def scope(self, metrics: Iterable[MetricComparison]) -> str:
        """Return of what a decision on the planned metric speaks: what varied, what did not."""
        main = next((each for each in metrics if each.role is Role.PRIMARY), None)
        if main is None or main.result is None:
            return ""
        unit = named(main.result.plan.test).unit
        sets = {each.measured_on for each in self._repeats}
        told = len(sets) == 1 and {basis for _, basis in sets} <= _NAMED
        cases = (
            (unit is Unit.DATASET, _DATASETS),
            (self.pair is not None, _MODELS),
            (unit is Unit.FOLD, _FOLDS if self.overlap is None else _RESPLITS),
            (is_clocked(main.metric), _CLOCKED),
            (bool(self.crossed), _CROSSED),
            (predicted_others(self._repeats), _VARIED),
            (True, _ONE_SET if told else _UNKNOWN),
        )
        return next(text for holds, text in cases if holds)

    @property
    def _repeats(self) -> list[Repeat]:
        count = self.situation.count
        sides = (count.baseline.repeats, count.candidate.repeats)
        return [item.repeat for side in sides for item in side.values()]

    def _by_design(self, question: Question) -> Answer:
        if self.pair is not None:
            return predictions.measure(self.situation.count, question, self.pair)
        plan = self.situation.plan
        if plan is None or plan.stopping is None:
            return self._at_once(question)
        by_folds = folds.is_by_folds(self.situation, question.metric)
        resplit = self.overlap is not None and not is_clocked(question.metric)
        if (by_folds and plan.drawn) or resplit:
            return folds.without_test(question, self._at_once(question), NO_RULE)
        answer = self._scoped(question, repeats.at_looks(self.situation, question, plan))
        if by_folds:  # older plans keep the verdict that they had
            answer = replace(answer, warnings=(*answer.warnings, folds.IGNORED))
        return answer

    def _at_once(self, question: Question) -> Answer:
        count = self.situation.count
        for measure in (datasets.measure, folds.measure):
            answer = measure(self.situation, question)
            if answer is not None:
                return answer
        if self.crossed:
            answer = crossed.measure(self.situation, question, self.crossed)
            if answer is not None:
                return answer
        if self.overlap is not None and not is_clocked(question.metric):
            return resplits.measure(self.situation, question, self.overlap)
        answer = repeats.measure(count, question, paired=self.situation.paired)
        answer = self._scoped(question, answer)
        return folds.cautioned(self.situation, question, answer)

    def _scoped(self, question: Question, answer: Answer) -> Answer:
        """Return an answer over repeats with what it leaves out, by plans that say so.

        Nothing is left out where seeds have examples of their own, or of what a clock measures.
        """
        plan = self.situation.plan
        if plan is None or plan.rules == 1 or question.role is not Role.PRIMARY or self.warnings:
            return answer
        if is_clocked(question.metric) or predicted_others(self._repeats):
            return answer
        return replace(answer, warnings=(*answer.warnings, ONE_TEST_SET))


def choose(situation: CountedSides) -> Chosen:
    """Choose designs, and read the predictions where one needs them."""
    stopping = situation.plan is not None and situation.plan.stopping is not None
    crossing = crossed.is_crossed(situation)
    if crossing and stopping:
        return Chosen(situation, warnings=(SEEDS_ALONE,))
    if situation.claim is not Claim.MODEL and not crossing:
        return _of_repeats(situation)
    plan = situation.plan
    try:
        if crossing:
            return Chosen(situation, crossed=crossed.load(situation))
        pair = predictions.load(situation)
    except GitexpError as error:
        why = error.brief
        if plan is None or (crossing and not predictions.is_known(plan.metric)):
            # nothing hangs on it: the recorded numbers are shown instead
            return Chosen(situation, warnings=(f"predictions are not compared: {why}",))
        if isinstance(error, DesignError):
            return Chosen(situation, problem=why)
        raise
    return Chosen(situation, pair)


def lacks_rule(
    top: Path | None, plan: Plan, shown: Iterable[tuple[ResolvedSide, Sequence[Counted]]]
) -> bool:
    """Whether a plan's stopping rule has no test for what repeats of either side recorded."""
    for source, used in shown:
        samples = (sample for item in used for sample in item.samples.values())
        if plan.drawn and plan.metric in in_folds(samples):
            return True
        resplit = plan.rules > 1 and not is_clocked(plan.metric)
        if resplit and resplits.of_side(top, source, used) is not None:
            return True
    return False


def fewest_of_predictions(plan: Plan, recorded: Sequence[Repeat]) -> int:
    """Return the pairs that a test of repeats with predictions needs; 0 where it flips signs.

    What no record shows yet is taken for the design that needs fewest.
    """
    sets = {each.measured_on for each in recorded}
    bases = {basis for _, basis in sets} or {"predictions"}
    if plan.stopping is not None or is_clocked(plan.metric) or bases != {"predictions"}:
        return 0
    if len(sets) == 1 and len({each.seed for each in recorded}) > 1:
        return MIN_REPEATS if predictions.is_known(plan.metric) else 0
    return resplits.FEWEST if plan.rules > 1 else 0


def _of_repeats(situation: CountedSides) -> Chosen:
    """Return designs whose units are repeats, as no example was predicted by all of them."""
    if resplits.is_resplit(situation):
        overlap = resplits.read(situation)
        apart = (resplits.APART,) if overlap is None else ()
        return Chosen(situation, overlap=overlap, warnings=apart)
    declared = situation.candidate.config.predictions or situation.baseline.config.predictions
    why = crossed.lacking(situation) if declared and situation.paired else ""
    said = f"predictions are not compared: {why}; {REPEATS_ALONE}"
    return Chosen(situation, warnings=(said,) if why else ())
