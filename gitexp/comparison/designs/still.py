"""What does not vary is not tested, whatever the design.

A test counts its units as if each could have come out differently. Where all repeats of both sides
report the same, they are one measurement, copied; so are the repetitions of a cross-validation
whose division is always the same. One side without variation may be a method without chance: its
partner's variation is what the test is about.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gitexp.comparison.measure import samples_of
from gitexp.comparison.randomness import variation
from gitexp.model.clocked import is_clocked
from gitexp.model.comparison import MetricComparison, Role
from gitexp.model.plan import Claim, Direction, Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gitexp.comparison.eligible import Counted
    from gitexp.comparison.measure import Answer, Cell, CountedSides, Question
    from gitexp.model.run import Sample
    from gitexp.store.lookup import FoundRun

IDLE: Final = "no variation: the seed does not act"
SEEN: Final = "no variation on the"  # where the seed is seen to act elsewhere
COARSE: Final = " on what is recorded, though it is drawn on"
FINER: Final = (
    "a finer metric (a loss, an area), a larger test set, or the predictions "
    "(gitexp init --predictions FILE): they show whether the seed acts"
)
NO_CHANCE: Final = (
    "the text of the {side} fixes no draw that the other side leaves to chance; if something else "
    "does, its value is one draw of many, and differences are found where there are none"
)
_FEWEST = 2


def why(situation: CountedSides) -> str:
    """Return why the repeats of both sides decide nothing, whatever the metric; "" if they do."""
    if situation.claim is Claim.MODEL:
        return ""
    if is_idle(situation):
        plan = situation.plan
        if plan and all(at_best(situation, plan.metric, plan.direction).values()):
            return f"no variation: all repeats of either side report {_best(plan)}"
        every = "all repeats of either side report the same numbers"
        return f"{IDLE}{COARSE if situation.coarse else ''}: {every}"
    for side, units in _copied(situation):
        said = (
            "and a copy is no sample" if variation.follow_seeds(units) else situation.held.get(side)
        )
        if said:
            return f"the seed acts in part on the {side}: {_counted(units)}, {said}"
    return situation.apart


def at_best(situation: CountedSides, metric: str, direction: Direction | None) -> dict[str, bool]:
    """Return of each side whether no repeat could have a better value: 1, or 0 to be lowered."""
    best = {Direction.MAX: 1.0, Direction.MIN: 0.0, None: math.nan}[direction]
    found = {}
    for name, side in _sides(situation).items():
        cells = samples_of(side, metric).values()
        values = [sample.value for each in cells for sample in each.values()]
        found[name] = len(values) >= _FEWEST and all(value == best for value in values)
    return found


def _best(asked: Plan | Question) -> str:
    value = 1 if asked.direction is Direction.MAX else 0
    return f"{value}, the best that {asked.metric} can be"


def is_idle(situation: CountedSides) -> bool:
    """Whether all repeats of either side report the same numbers, whatever their seed."""
    sides = [variation.traces(side) for side in _sides(situation).values()]
    least = min(map(len, sides))
    return least >= _FEWEST and all(variation.agree(side) and side[0].numbers for side in sides)


def few(situation: CountedSides) -> Iterator[str]:
    """Yield what to say of a method with few outcomes, whose repeats agree now and then."""
    for side, units in _copied(situation):
        if not (variation.follow_seeds(units) or side in situation.held):
            yield (
                f"the {side}: {_counted(units)}: right where a method has few outcomes, wrong "
                "where the seed acts in part"
            )


def _counted(units: Sequence[variation.Trace]) -> str:
    return f"of {len(units)} repeats only {variation.distinct(units)} differ"


def _copied(situation: CountedSides) -> Iterator[tuple[str, list[variation.Trace]]]:
    """Yield each side that varies though some of its repeats are copies, paired or not."""
    if situation.claim is Claim.MODEL:
        return
    for side, found in _sides(situation).items():
        units = [unit for item in variation.traces(found) for unit in _repetitions(item)]
        if variation.distinct(units) < len(units) and not variation.agree(units):
            yield side, units


def doubtful(situation: CountedSides, metrics: Iterable[str]) -> frozenset[str]:
    """Return the sides whose text must say whether their seed acts: still ones, and copies."""
    if situation.claim is Claim.MODEL:
        return frozenset()
    return frozenset(side for side, _ in _copied(situation)) | frozenset(
        name
        for metric in metrics
        if not is_clocked(metric)
        for name, still in _still(situation, metric).items()
        if still and not all(_still(situation, metric).values())
    )


def seen_to_act(situation: CountedSides, runs: Iterable[FoundRun]) -> frozenset[str]:
    """Return the sides whose repeats agree by chance: something recorded of their inputs differs.

    Not those that are copies in part, of which that is known.
    """
    both = {"baseline": situation.baseline, "candidate": situation.candidate}
    copied = {side for side, _ in _copied(situation)}
    runs = list(runs)
    return frozenset(
        side
        for side, source in both.items()
        if side not in copied and variation.are_seen_to_act(runs, source.inputs)
    )


def checked(situation: CountedSides, question: Question, answer: Answer) -> Answer:
    """Take the test from a metric that is the same in all repeats of both sides, or of a held one.

    One draw of a side whose seed is held fast is not a value of its method: tested as one, 31 % of
    true nulls are supported.
    """
    comparison = answer.comparison
    if situation.claim is Claim.MODEL or comparison is None:
        return answer
    still = _still(situation, question.metric)
    if all(still.values()):
        every = "all repeats of either side report the same"
        full = all(at_best(situation, question.metric, question.direction).values())
        why = f"no variation: {every} {_best(question) if full else question.metric}"
        return untested(replace(answer, comparison=comparison.noted(why)), why)
    if not any(still.values()) or is_clocked(question.metric):
        return answer
    side = "baseline" if still["baseline"] else "candidate"
    said = f"all its repeats report the same {question.metric}"
    if side in situation.held:
        why = f"{IDLE} on the {side}: {situation.held[side]}"
        if not situation.held[side]:
            why = f"{SEEN} {side}: {said}, though something else of it differs: {variation.CHANCE}"
        if at_best(situation, question.metric, question.direction)[side]:
            why = f"{SEEN} {side}: all its repeats report {_best(question)}"
        return untested(replace(answer, comparison=comparison.noted(why)), why)
    if question.role is not Role.PRIMARY:
        return answer
    whole = variation.agree(variation.traces(_sides(situation)[side]))
    said = f"the {side}{' is deterministic here' if whole else ''}: {said}"
    return replace(answer, warnings=(*answer.warnings, said, NO_CHANCE.format(side=side)))


def untested(answer: Answer, why: str) -> Answer:
    """Return a metric's numbers without its test, its intervals and a judgement on a guard-rail."""
    comparison = answer.comparison
    if comparison is None:
        return answer
    bare = replace(
        comparison,
        result=None,
        beside=(),
        interval=None,
        relative_interval=None,
        effects=(),
        posteriors=(),
        broken=False,
        notes=tuple(note for note in comparison.notes if note != answer.still),
    )
    return replace(answer, comparison=bare, refused="", still=why)


def is_kept(question: Question, comparison: MetricComparison) -> bool:
    """Whether two numbers without chance keep a guard-rail: no test is needed to see that."""
    effect, change = question.effect, comparison.difference
    if effect is None:
        return False
    if effect.relative:
        if comparison.relative is None:
            return False
        change = comparison.relative
    return (-change if question.direction is Direction.MIN else change) >= effect.margin


def is_still(side: Mapping[int, Mapping[Cell, Sample]]) -> bool:
    """Whether a metric has several repeats, or repetitions of a division, and all are the same."""
    values: defaultdict[tuple[int | None, str], list[float]] = defaultdict(list)
    units = set()
    for seed, cells in side.items():
        for (rep, fold, dataset), sample in cells.items():
            values[fold, dataset].append(sample.value)
            units.add((seed, rep))
    return len(units) >= _FEWEST and all(map(variation.equal, values.values()))


def _still(situation: CountedSides, metric: str) -> dict[str, bool]:
    """Return of each side whether a metric is the same in all its repeats."""
    sides = _sides(situation).items()
    return {name: is_still(samples_of(side, metric)) for name, side in sides}


def _sides(situation: CountedSides) -> dict[str, Mapping[int, Counted]]:
    """Return the repeats of both sides that are compared; all that count where no pairs are."""
    count = situation.count
    every = {"baseline": count.baseline.repeats, "candidate": count.candidate.repeats}
    if not situation.paired or len(count.pairs) < _FEWEST:
        return every
    return {name: {seed: side[seed] for seed in count.pairs} for name, side in every.items()}


def _repetitions(item: variation.Trace) -> Sequence[variation.Trace]:
    """Return the repetitions of a cross-validation within one repeat; itself where it has none."""
    reps = {rep for _, rep, _, _ in item.numbers if rep is not None}
    if len(reps) < _FEWEST:
        return (item,)
    return [
        variation.Trace(
            item.seed,
            {
                (metric, None, fold, dataset): value
                for (metric, rep, fold, dataset), value in item.numbers.items()
                if rep == each
            },
        )
        for each in sorted(reps)
    ]
