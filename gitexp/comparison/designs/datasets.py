"""Data sets: one value each, however many repeats and folds it is the mean of.

What varies is the data set, so more repeats do not make more units. A design of data sets needs
the same ones on both sides.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.comparison.measure import (
    LARGEST,
    Answer,
    Values,
    lacking_note,
    means_of,
    over_parts,
    parts_of,
    samples_of,
    with_posterior,
)
from gitexp.errors import DesignError
from gitexp.model.comparison import Role
from gitexp.model.metrics import mean
from gitexp.model.result import Part
from gitexp.stats import effects
from gitexp.stats.design import Unit, plan_test
from gitexp.stats.planned import datasets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.comparison.measure import Cell, CountedSides, Question
    from gitexp.model.run import Sample
    from gitexp.stats.ttests import Regions

    Side = Mapping[int, Mapping[Cell, Sample]]

FEWEST = 2
MOST = 500  # whose averages by pairs, a pseudo-median and a posterior, take seconds
_NAMED = 5  # data sets in a message


def measure(situation: CountedSides, question: Question) -> Answer | None:
    """Compare one metric over data sets; None where it was measured on one only."""
    count, metric = situation.count, question.metric
    sides = (
        samples_of(count.baseline.repeats, metric),
        samples_of(count.candidate.repeats, metric),
    )
    names = [_names(side) for side in sides]
    if max(map(len, names)) < FEWEST or not all(names) or not situation.evaluation.same:
        return None
    if max(map(len, names)) > MOST:
        found = max(map(len, names))
        return Answer(None, f"{metric} has {found} data sets, and at most {MOST} are compared")
    if names[0] != names[1]:
        lone = sorted(names[0] ^ names[1])
        shown = ", ".join(lone[:_NAMED]) + (", ..." if len(lone) > _NAMED else "")
        why = "the two sides were measured on different data sets, one side alone on"
        return Answer(None, f"{why}: {shown}")
    left, right, lacking = _joined(situation, metric, sides)
    if names[0] != _names(left):
        gone = ", ".join(sorted(names[0] - _names(left))[:_NAMED])
        return Answer(None, f"{metric} has no repeat with all data sets on both sides: {gone}")
    units = tuple(
        Part(None, None, None, None, None, name, _mean_of(left, name), _mean_of(right, name))
        for name in sorted(names[0])
    )
    notes = lacking_note(lacking, "folds and data sets")
    return _tested(question, units, Values(means_of(left), means_of(right), notes))


def by_dataset(side: Side) -> dict[str, float]:
    """Return one value a data set: the mean over the repeats and folds of one side."""
    return {name: _mean_of(side, name) for name in sorted(_names(side))}


def _tested(question: Question, units: tuple[Part, ...], values: Values) -> Answer:
    old, new = [unit.baseline for unit in units], [unit.candidate for unit in units]
    if max(map(abs, (*old, *new))) > LARGEST:
        return Answer(None, f"{question.metric} has values beyond {LARGEST:g}")
    design = question.design(Unit.DATASET, len(old))
    planned = plan_test(design)
    found = datasets.shift(old, new, confidence=question.confidence)
    zeros, ties = datasets.zeros_and_ties(design, old, new)
    sizes = effects.effect_sizes(old, new, paired=True, confidence=question.confidence)
    intervals = found.interval, found.relative
    full = over_parts(question, units, values, intervals, sizes).noted(
        f"{len(units)} data sets, each value the mean of its repeats and folds",
        f"signed ranks: {zeros} zero differences dropped, {ties} differences tied",
        f"pseudo-median of the differences {found.difference:+.6g}",
    )
    try:
        full = replace(
            full,
            result=datasets.run_on_datasets(planned, design, old, new),
            beside=datasets.beside_datasets(planned, design, old, new),
        )
    except DesignError as error:
        refused = error.brief
        return Answer(full.noted(refused), refused)
    if question.role is Role.PRIMARY:

        def regions(rope: float) -> Regions:
            return datasets.dataset_posterior(old, new, rope=rope)

        full = with_posterior(question, full, "Bayesian signed-rank", regions)
    return Answer(question.judged(full))


def _joined(
    situation: CountedSides, metric: str, sides: tuple[Side, Side]
) -> tuple[Side, Side, tuple[int, ...]]:
    """Return the cells that are compared: those of common seeds, where there are any."""
    if not situation.paired:
        return (*sides, ())
    parts, lacking = parts_of(situation.count, metric)
    seeds = {part.seed for part in parts}
    left, right = ({s: cells for s, cells in side.items() if s in seeds} for side in sides)
    return left, right, lacking


def _names(side: Side) -> frozenset[str]:
    return frozenset(dataset for cells in side.values() for _, _, dataset in cells)


def _mean_of(side: Side, name: str) -> float:
    """Return the mean over repeats of the mean over folds of one data set."""
    return mean(
        [
            mean([sample.value for (_, _, dataset), sample in cells.items() if dataset == name])
            for cells in side.values()
            if any(dataset == name for _, _, dataset in cells)
        ]
    )
