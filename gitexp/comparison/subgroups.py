"""What `compare` is asked beside its metrics: subgroups, clusters and categories of predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.comparison.designs import categories, crossed, predictions, slices
from gitexp.comparison.designs.pairs import read_side
from gitexp.errors import DesignError
from gitexp.model.comparison import Role
from gitexp.model.plan import ALPHA, Claim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.comparison.designs import Chosen
    from gitexp.comparison.designs.pairs import Pair
    from gitexp.comparison.designs.situation import Situation
    from gitexp.comparison.measure import Question
    from gitexp.model.comparison import CategoryComparison, SliceComparison
    from gitexp.model.config import Predictions


@dataclass(frozen=True, slots=True)
class Subgroups:
    """What was asked for; None where it was not."""

    slices: SliceComparison | None = None
    categories: CategoryComparison | None = None


def cluster_of(spec: Predictions | None, asked: str) -> tuple[str, tuple[str, ...]]:
    """Return the column of clusters, and what to say where it is not the recorded one."""
    recorded = "" if spec is None else spec.cluster or ""
    if not asked or asked == recorded:
        return recorded, ()
    told = f"not by {recorded} as recorded" if recorded else "which no setting records"
    return asked, (f"examples are joined by {asked}, {told}: it was chosen at the comparison",)


def compare(chosen: Chosen, questions: Sequence[Question], *, by: str, column: str) -> Subgroups:
    """Compare subgroups and categories, as far as they were asked for.

    With a plan only its metric and guard-rails are looked at in subgroups: every further one
    would make the family larger, and each of its members harder to show.

    Raises `DesignError` if predictions were not recorded, the column is missing, or nothing can be
    computed; `DataMissingError, DamagedDataError, UnsafeInputError, BadFormatError` if predictions
    cannot be read.
    """
    if not by and not column:
        return Subgroups()
    situation = chosen.situation
    planned = [item for item in questions if item.role is not Role.WATCHED] or questions
    return Subgroups(
        _slices(situation, planned, by) if by and planned else None,
        _categories(situation, column, by) if column else None,
    )


def idle_cluster(chosen: Chosen, asked: str) -> tuple[str, ...]:
    """Say that ``--cluster`` was asked for where no examples are compared."""
    if not asked or chosen.pair is not None or chosen.crossed:
        return ()
    return (f"--cluster has no effect on whole repeats: {asked} is a property of examples",)


def _slices(situation: Situation, questions: Sequence[Question], by: str) -> SliceComparison:
    if situation.claim is Claim.MODEL:
        pairs: tuple[Pair, ...] = (_one(situation, (by,)),)
    elif situation.paired and crossed.has_pairs(situation):
        pairs = crossed.load(situation, (by,))
    else:
        raise DesignError(
            "there are no predictions to make subgroups of",
            found="repeats without recorded predictions, or without common seeds",
            expected="predictions: in .gitexp/config.yaml, recorded by every repeat of both sides",
        )
    return slices.compare(situation, questions, pairs, by)


def _categories(situation: Situation, column: str, by: str) -> CategoryComparison:
    own = column not in {categories.PREDICTED, categories.ERRORS}
    wanted = (*((column,) if own else ()), *((by,) if by else ()))
    alpha = ALPHA if situation.plan is None else situation.plan.alpha
    least = situation.candidate.config.min_slice
    if situation.evaluation.same:
        pair = _one(situation, wanted)
        groups = pair.attribute(by) if by else None
        return categories.compare(pair, column, alpha=alpha, least=least, by=groups)
    repeats = predictions.chosen(situation.count)
    if repeats is None:
        raise DesignError("there is no repeat on both sides")
    sides = zip(repeats, (situation.baseline, situation.candidate), strict=True)
    one, two = (
        categories.Apart(item.repeat.seed, *read_side(situation.top, item, source, wanted))
        for item, source in sides
    )
    return categories.compare_apart(one, two, column, alpha=alpha, least=least)


def _one(situation: Situation, columns: tuple[str, ...]) -> Pair:
    return predictions.load(
        situation.top,
        situation.count,
        situation.baseline,
        situation.candidate,
        columns,
        situation.cluster,
    )
