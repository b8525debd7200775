"""The designs of a comparison, one file each, and the choice between them.

A design is chosen from the recorded claim and from what was recorded - predictions, folds, data
sets, numbers - and never from a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.errors import DesignError, GitexpError
from gitexp.model.plan import Claim
from gitexp.ops.designs import datasets, folds, predictions, repeats

if TYPE_CHECKING:
    from gitexp.ops.designs.predictions import Pair
    from gitexp.ops.designs.situation import Situation
    from gitexp.ops.measure import Answer, Question


@dataclass(frozen=True, slots=True)
class Chosen:
    """A situation with what its designs need read once.

    Attributes
    ----------
    problem : str
        Why nothing can be tested; "" if something can.
    """

    situation: Situation
    pair: Pair | None = None
    problem: str = ""
    warnings: tuple[str, ...] = ()

    def measure(self, question: Question) -> Answer:
        """Compare one metric by the design that it gets."""
        count = self.situation.count
        if self.pair is not None:
            return predictions.measure(count, question, self.pair)
        for measure in (datasets.measure, folds.measure):
            answer = measure(self.situation, question)
            if answer is not None:
                return answer
        return repeats.measure(count, question, paired=self.situation.paired)


def choose(situation: Situation) -> Chosen:
    """Choose designs, and read the predictions where one needs them.

    Raises
    ------
    DataMissingError, DamagedDataError, UnsafeInputError, BadFormatError
        If a recorded claim needs predictions that cannot be read.
    """
    if situation.claim is not Claim.MODEL:
        return Chosen(situation)
    try:
        pair = predictions.load(
            situation.top, situation.count, situation.baseline, situation.candidate
        )
    except GitexpError as error:
        why = ": ".join(part for part in (error.summary, error.found) if part)
        if situation.plan is None:  # nothing hangs on it: the recorded numbers are shown instead
            return Chosen(situation, warnings=(f"predictions are not compared: {why}",))
        if isinstance(error, DesignError):
            return Chosen(situation, problem=why)
        raise
    return Chosen(situation, pair)
