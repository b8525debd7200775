"""Whether the seed acts: what repeats with different seeds have in common, and what that is worth.

Equal repeats are one measurement, however many there are, and a test that counts them as so many
finds differences that are not there. What agrees is seen in the numbers and in what each repeat
made; *that* it agrees is worth something only where it could not agree by chance: the share of
twenty examples that are right is the same for many seeds.

`run` and `compare` ask the same questions here. Pure.
"""

from __future__ import annotations

import enum
import itertools
import math
import shlex
import struct
from collections import defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from gitexp.comparison.eligible import was_under
from gitexp.model import dataclass
from gitexp.model.clocked import is_clocked
from gitexp.model.run import OnceRecord, Origin, RepeatState, Run, Sample, StageOrigin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from gitexp.comparison.counting import Count, FoundRuns
    from gitexp.comparison.eligible import Counted
    from gitexp.model.ids import EnvironmentDigest, InputsDigest
    from gitexp.model.plan import Plan
    from gitexp.model.report import RecordedRun
    from gitexp.store.lookup import FoundRun

    Key = tuple[str, int | None, int | None, str]  # metric, rep, fold, dataset
    Conditions = tuple[EnvironmentDigest | None, str]  # environment and linked data

ROUNDING: Final = 1e-10  # relative; sums in another order differ by less
_ROUNDING_SINGLE = 5e-7  # the same where every number is one of single precision: four last places
ENOUGH: Final = 3  # repeats that agree in their numbers; 2 where what they made agrees as well
_MOST_PARTS = 10**6  # a fraction with a smaller denominator may be a count among examples
_LOOKED_AT = 500  # numbers of a repeat, of which one fine one is enough
_CLOSE = 1e-15  # relative error of a fraction as a float, with its square
CHANCE: Final = "coarse numbers agree by chance"
_FEW_DIGITS = 9  # a number with so many digits at most was rounded


class Acts(enum.Enum):
    """What some repeats say of the seed."""

    YES = "yes"  # they differ
    UNTOLD = "untold"  # they agree; that may be chance, or there are too few of them
    NO = "no"


@dataclass(frozen=True, slots=True)
class Trace:
    """What a seed could have changed in one repeat."""

    seed: int
    # by metric, repetition, fold and data set; times, speeds and memory left out
    numbers: Mapping[Key, float]
    # a digest over its outputs and predictions; "" where there are none, or it is not known
    made: str = ""


def trace(seed: int, samples: Iterable[Sample], made: str = "") -> Trace:
    """Return what one repeat left."""
    numbers = {
        (item.metric, item.rep, item.fold, item.dataset): item.value
        for item in samples
        if not is_clocked(item.metric)
    }
    return Trace(seed, numbers, made)


def traces(repeats: Mapping[int, Counted]) -> list[Trace]:
    """Return what the repeats of one side left."""
    return [
        trace(item.repeat.seed, item.samples.values(), item.repeat.made)
        for item in repeats.values()
    ]


def recorded(found: FoundRun | RecordedRun) -> Iterator[tuple[Conditions, Trace]]:
    """Yield what the finished repeats of a run left."""
    for repeat in found.run.repeats:
        if repeat.state is RepeatState.FINISHED:
            rows = [row for row in found.samples if row.seed == repeat.seed]
            yield (repeat.environment, repeat.links), trace(repeat.seed, rows, repeat.made)


def unmoved(baseline: Iterable[Trace], candidate: Iterable[Trace]) -> list[str]:
    """Say that a change reaches no number: with each seed both sides report and make the same."""
    left, right = ({item.seed: item for item in side} for side in (baseline, candidate))
    pairs = [(left[seed], right[seed]) for seed in left.keys() & right.keys()]
    if len(pairs) < ENOUGH or agree(list(left.values())):  # an idle seed is told of elsewhere
        return []
    if not all(one.numbers and agree((one, two)) for one, two in pairs):
        return []
    said = (
        f"with each of {len(pairs)} seeds both sides report identical values, in every metric, so "
        "the change does not reach the numbers: either nothing reads what `differs` lists, or "
        "something overrides it, as arguments of the command (command: in .gitexp/config.yaml) do"
    )
    return [said]


def are_seen_to_act(
    runs: Iterable[FoundRun],
    inputs: InputsDigest,
    more: Iterable[tuple[Conditions, Trace]] = (),
) -> bool:
    """Whether any repeats of the same inputs differ, `more` and those that do not count too."""
    groups: dict[Conditions, list[Trace]] = {}
    every = (item for found in runs if found.run.inputs == inputs for item in recorded(found))
    for conditions, item in (*more, *every):
        groups.setdefault(conditions, []).append(item)
    return any(acts(each, able=True) is Acts.YES for each in groups.values())


def equal(values: Sequence[float]) -> bool:
    """Whether values differ by no more than rounding does."""
    if not values:
        return True
    spread, largest = max(values) - min(values), max(map(abs, values))
    if spread <= ROUNDING * largest:
        return True
    return spread <= _ROUNDING_SINGLE * largest and all(map(_is_single, values))


def acts(traces: Sequence[Trace], *, able: bool) -> Acts:
    """Tell from repeats with different seeds whether the seed acts.

    `able`: whether anything in the project could take up the seed, as far as its text shows. The
    result: `NO` where the repeats agree in everything and there are enough of them: where the seed
    may be taken up, one of the numbers has to be of so many digits that no two seeds share it.
    """
    seeds = len({item.seed for item in traces})
    if seeds < 2:  # noqa: PLR2004  one says nothing
        return Acts.UNTOLD
    if not agree(traces):
        return Acts.YES
    needed = 2 if all(item.made for item in traces) else ENOUGH
    has_numbers = bool(_numbers(traces)[0])
    if seeds >= needed and has_numbers and (not able or _has_fine(traces[0].numbers)):
        return Acts.NO
    return Acts.UNTOLD


def agree(traces: Sequence[Trace]) -> bool:
    """Whether repeats have the same numbers, and made the same where that is known of both."""
    sides = _numbers(traces)
    if any(side.keys() != sides[0].keys() for side in sides):
        return False
    if len({item.made for item in traces if item.made}) > 1:
        return False
    return all(equal([side[key] for side in sides]) for key in sides[0])


def is_fine(value: float) -> bool:
    """Whether a number is neither rounded nor a count among some examples, nor the root of one.

    A number that single precision holds is taken for coarse: of a count it shows too little.

    >>> [is_fine(value) for value in (0.9, 17 / 20, 0.873451, (2 / 3) ** 0.5, 1.0, 12345.0)]
    [False, False, False, False, False, False]
    >>> is_fine(0.6931471805599453)
    True
    """
    if not value or float(f"{value:.{_FEW_DIGITS}g}") == value or abs(value) > 1 / ROUNDING:
        return False
    if _is_single(value):
        return False
    return not any(_is_fraction(number) for number in (value, value * value))


def distinct(traces: Sequence[Trace]) -> int:
    """Return how many different repeats there are; those alike by chance are different."""
    return len(set(_kinds(traces)))


def follow_seeds(traces: Sequence[Trace]) -> bool:
    """Whether it is a rule of the seed which of some repeats are the same.

    A method may have few outcomes: the optimum that k-means ends in, the best point of a small
    grid. Drawn at random, each of them is a sample. Copies of a seed that acts in part follow what
    is left of a division by a number (``seed % 2``), or are steps (``min(seed, 3)``).
    """
    labels = _kinds(traces)
    return len(set(labels)) < len(labels) and (
        _is_by_rule([item.seed for item in traces], labels)
        or _is_by_rule(range(len(labels)), labels)
    )


def _kinds(traces: Sequence[Trace]) -> list[int]:
    """Return one number for each repeat, the same for those that are the same."""
    found: dict[object, int] = {}
    labels = []
    for index, (item, numbers) in enumerate(zip(traces, _numbers(traces), strict=True)):
        same = frozenset((key, f"{value:.10g}") for key, value in numbers.items())
        what = (item.made, same) if _has_fine(numbers) else index
        labels.append(found.setdefault(what, len(found)))
    return labels


def _is_by_rule(numbers: Sequence[int], labels: Sequence[int]) -> bool:
    """Whether labels are steps, or depend on what is left of a division by a small number."""
    n, count = len(labels), len(set(labels))
    if len(set(numbers)) < n:
        return False
    ordered = [label for _, label in sorted(zip(numbers, labels, strict=True))]
    steps = sum(one != two for one, two in itertools.pairwise(ordered))
    if steps == count - 1 and 2 * count <= n:
        return True
    for by in range(2, n):
        pairs = {(number % by, label) for number, label in zip(numbers, labels, strict=True)}
        rests = len({rest for rest, _ in pairs})
        if len(pairs) == rests and (2 * by <= n or rests == count):
            return True
    return False


def _numbers(traces: Sequence[Trace]) -> list[dict[Key, float]]:
    """Return the numbers of repeats, without those in which each only repeats its own seed."""
    every = [dict(item.numbers) for item in traces]
    for key in list(every[0]) if every else ():
        if (
            all(side.get(key) == item.seed for side, item in zip(every, traces, strict=True))
            and len({item.seed for item in traces}) > 1
        ):
            for side in every:
                del side[key]
    return every


def _has_fine(numbers: Mapping[Key, float]) -> bool:
    """Whether some number of a repeat is so fine that two seeds do not share it by chance."""
    return any(map(is_fine, itertools.islice(numbers.values(), _LOOKED_AT)))


def _is_single(value: float) -> bool:
    try:
        return bool(struct.unpack("f", struct.pack("f", value))[0] == value)
    except OverflowError:  # beyond its range
        return False


def _is_fraction(value: float) -> bool:
    near = Fraction(value).limit_denominator(_MOST_PARTS)
    return math.isclose(float(near), value, rel_tol=_CLOSE)


def made_by(runs: Iterable[Run]) -> Callable[[OnceRecord], bool]:
    """Return what tells whether one of some runs has executed a stage, and made just this."""
    executed: defaultdict[tuple[str, str], dict[OnceRecord, None]] = defaultdict(dict)
    for made in (made for run in runs for made in run.once):
        if made.origin is StageOrigin.EXECUTED:
            executed[made.stage, made.recipe][made] = None
    return lambda made: any(
        not made.other(each) for each in executed.get((made.stage, made.recipe), ())
    )


def made_outside(
    counted: Count, found: FoundRuns, plan: Plan | None = None
) -> tuple[str, list[str]]:
    """Say what no run has made and yet every number stands on; for line 1, and as warnings.

    It was in dvc.lock, which anybody may write, under the command, dependencies and parameters of a
    stage that no seed reaches. One run under the plan that executes just this and makes the same
    lifts it: another command copies what was planted, and what others merged says what they like.
    """
    repeats = {**counted.baseline.repeats, **counted.candidate.repeats}
    both = (*counted.baseline.repeats.values(), *counted.candidate.repeats.values())
    used = {
        (m.stage, m.recipe, m.origin is StageOrigin.EXECUTED, *m.hashes.items()): m
        for r in both
        for m in r.found.run.once
    }
    reached = (*found.candidate, *found.baseline)
    known = made_by(
        each.run
        for each in reached
        if each.run.id not in found.contradicted
        and (plan is None or (each.run.origin is Origin.OBSERVED and was_under(each, plan)))
    )
    open_ = [m for m in used.values() if m.origin is not StageOrigin.EXECUTED and not known(m)]
    mine = {
        (m.stage, m.recipe) for r in counted.candidate.repeats.values() for m in r.found.run.once
    }
    sides = {m.stage: " --with-baseline" for m in open_ if (m.stage, m.recipe) not in mine}
    said = [
        f"{stage} was executed by no run{' of the baseline' if stage in sides else ''}: what it "
        f"makes was taken from dvc.lock; gitexp run --again --seeds {min(repeats)}"
        f"{sides.get(stage, '')} executes it, and holds it against that"
        for stage in dict.fromkeys(made.stage for made in open_)
    ]
    first: dict[tuple[str, str], OnceRecord] = {}
    unlike = (m.stage for m in used.values() if m.other(first.setdefault((m.stage, m.recipe), m)))
    said += [
        f"{stage} made other outputs in some of these runs than in others, of the same command, "
        "dependencies and parameters: they differ by more than the seed"
        for stage in dict.fromkeys(unlike)
    ]
    paths = dict.fromkeys(shlex.quote(path) for made in open_ for path in made.hashes)
    return f"conditional on {', '.join(paths)}, made outside; " if paths else "", said
