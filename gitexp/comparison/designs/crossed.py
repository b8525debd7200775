"""Repeats times examples: every repeat of both sides predicted one and the same evaluation set.

Seeds and test examples are then both random, and the planned test has the noise of both. Where
each seed has its own split there is no common example, and repeats are compared as they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gitexp.comparison.designs import predictions, repeats
from gitexp.comparison.designs.prediction_pairs import Pair, read_alone, read_pair, recorded_by
from gitexp.comparison.measure import Answer, CountedSides, Question, Values, share_of, values_of
from gitexp.errors import DesignError, GitexpError
from gitexp.model.clocked import is_clocked
from gitexp.model.plan import Claim
from gitexp.report import numbers
from gitexp.stats import crossed
from gitexp.stats.design import Unit, plan_crossed
from gitexp.system.curves import is_curve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gitexp.comparison.designs.predictions import Computed
    from gitexp.comparison.eligible import Counted
    from gitexp.comparison.sides import ResolvedSide
    from gitexp.model.result import VarianceShare
    from gitexp.stats.crossed import Squares

LARGEST_BYTES = 512 << 20  # of all predictions files that are read at once
FEWEST = 2  # pairs
SHOWING = 3  # repeats of one side that tell the noise of its examples


def is_crossed(situation: CountedSides) -> bool:
    """Whether repeats and examples are crossed, by the records alone."""
    if situation.claim is not Claim.METHOD or len(situation.count.pairs) < FEWEST:
        return False
    if not situation.paired or lacking(situation):
        return False
    repeated = [item.repeat for pair in counted(situation) for item in pair]
    identities = {item.evaluation for item in repeated}
    bases = {item.evaluation_basis for item in repeated}
    return len(identities) == 1 and None not in identities and bases == {"predictions"}


def lacking(situation: CountedSides) -> str:
    """Return why the predictions of all pairs are not read; "" where they can be."""
    left, right = zip(*counted(situation), strict=True)
    size = 0
    for name, source, side in (
        ("baseline", situation.baseline, left),
        ("candidate", situation.candidate, right),
    ):
        if source.config.predictions is None:
            return f"the settings of the {name} declare none"
        recorded = {item.repeat.seed: recorded_by(item, source) for item in side}
        if without := [seed for seed, out in recorded.items() if out is None]:
            return f"{numbers.seeds(without)} of the {name} recorded none"
        size += sum(out.size for out in recorded.values() if out is not None)
    return f"they have more than {LARGEST_BYTES >> 20} MiB" if size > LARGEST_BYTES else ""


def counted(situation: CountedSides) -> list[tuple[Counted, Counted]]:
    """Return the repeats of both sides, joined by seed."""
    count = situation.count
    return [(count.baseline.repeats[seed], count.candidate.repeats[seed]) for seed in count.pairs]


def load(situation: CountedSides, columns: Sequence[str] = ()) -> tuple[Pair, ...]:
    """Read the predictions of all pairs of repeats; see `pairs.read_pair` for what is raised."""
    return tuple(read_pair(situation, *pair, columns) for pair in counted(situation))


def of_side(
    top: Path | None, side: ResolvedSide, known: Sequence[tuple[Counted, float]], metric: str
) -> Squares | None:
    """Return the mean squares of one side's repeats by examples, before there is a candidate.

    `known`: repeats with the metric's value, all of one evaluation set. None where their
    predictions are not here, or do not give the metric.
    """
    shown = known[:SHOWING]
    sizes = [out.size for item, _ in shown if (out := recorded_by(item, side)) is not None]
    if len(sizes) < SHOWING or sum(sizes) > LARGEST_BYTES:
        return None
    try:
        alone = [read_alone(top, item, side) for item, _ in shown]
        reported = [(value, value) for _, value in shown]
        definition = predictions.identify(metric, alone, reported)
        return crossed.squares(np.stack([predictions.added(definition, one)[0] for one in alone]))
    except (GitexpError, ValueError):  # examples that differ in number
        return None


def of_gains(
    top: Path | None,
    sides: tuple[ResolvedSide, ResolvedSide],
    pairs: Sequence[tuple[tuple[Counted, float], tuple[Counted, float]]],
    metric: str,
    share: float,
) -> VarianceShare | None:
    """Return where the noise of what pairs gain beyond the promise comes from.

    `pairs`: baseline and candidate, each with the metric's value; `share` of the baseline's is
    what the candidate has to have. None as for `of_side`.
    """
    every = [(item, side) for pair in pairs for (item, _), side in zip(pair, sides, strict=True)]
    outs = [recorded_by(item, side) for item, side in every]
    sizes = [out.size for out in outs if out is not None]
    if len(sizes) < len(every) or len(pairs) < FEWEST or sum(sizes) > LARGEST_BYTES:
        return None
    try:
        alone = [read_alone(top, item, side) for item, side in every]
        reported = [(value, value) for pair in pairs for _, value in pair]
        definition = predictions.identify(metric, alone, reported)
        table = np.stack([predictions.added(definition, one)[0] for one in alone])
        if any(each.ids != alone[0].ids for each in alone):
            return None
        return crossed.variance_share(share * table[::2], table[1::2])
    except (GitexpError, ValueError):  # as above
        return None


def measure(situation: CountedSides, question: Question, pairs: Sequence[Pair]) -> Answer | None:
    """Compare one metric over repeats and examples, where it was measured on examples."""
    if is_clocked(question.metric) or is_curve(question.metric):
        return None
    values = values_of(situation.count, question.metric, paired=True)
    plain = repeats.compare(question, values, paired=True)
    seeds = [pair.seed_candidate for pair in pairs]
    if plain.comparison is None or [seed for seed, _ in values.baseline] != seeds:
        return plain
    reported = list(zip(values.left, values.right, strict=True))
    try:
        definition = predictions.identify(question.metric, pairs, reported)
    except DesignError as error:
        why = error.summary.replace(question.metric, "it", 1)  # one note for all of which it is so
        note = f"over repeats alone, the noise of the test set left out: {why}"
        return replace(plain, comparison=plain.comparison.noted(note))
    return compare(question, values, pairs, definition)


def compare(
    question: Question, values: Values, pairs: Sequence[Pair], definition: Computed
) -> Answer:
    """Compare one metric whose definition is known over repeats and examples.

    The permutation of the repeats, which knows nothing of the examples, stands beside.
    """
    plain = repeats.compare(question, values, paired=True, decides=False)
    if plain.comparison is None:
        return plain
    design = question.design(Unit.REPEAT, len(pairs))
    planned = plan_crossed(design, len(pairs[0].ids))
    try:
        parts = [predictions.added(definition, pair) for pair in pairs]
        left, right = np.stack([one for one, _ in parts]), np.stack([two for _, two in parts])
        result = crossed.run_on_crossed(planned, design, left, right)
        between, relative = crossed.intervals(left, right, confidence=question.confidence)
        variance = crossed.variance_share(left, right)
    except DesignError as error:
        why = error.brief
        return Answer(replace(plain.comparison, result=None, beside=()).noted(why), why)
    first = plain.comparison.result
    full = replace(
        plain.comparison,
        result=result,
        beside=(*((first,) if first is not None else ()), *plain.comparison.beside),
        interval=between,
        relative_interval=relative,
        variance=variance,
    ).noted(f"computed as {definition} from {len(pairs[0].ids)} predictions of each repeat")
    effect, gains = question.effect, variance
    if effect is not None and effect.relative:
        gains = crossed.variance_share(share_of(effect, question.direction) * left, right)
    return Answer(question.judged(full), added=(left, right), gains=gains)
