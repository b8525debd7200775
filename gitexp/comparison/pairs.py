"""Which repeats of two sides join by the second rules: the unit is the pair, not the side.

Pure, and blind to the values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.comparison.eligible import left_aside
from gitexp.model import dataclass

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from gitexp.comparison.eligible import Alike, Counted, Earlier
    from gitexp.model.comparison import Unused
    from gitexp.model.ids import EnvironmentDigest
    from gitexp.model.run import Key

    Group = tuple[EnvironmentDigest | None, str, tuple[str, ...]]  # environment, links, seeding
    Name = tuple[Group, Key]  # of repeats that may pair, or repeat each other
    Several = Mapping[Name, Sequence[Counted]]

OTHER_ENVIRONMENT = "other environment"
UNLIKE = "ran in another environment than the candidate's repeat"


@dataclass(frozen=True, slots=True)
class JoinedSides:
    """What counts of each side, in front of what only repeats it, and what cannot."""

    baseline: Several
    candidate: Several
    unlike: tuple[Name, ...] = ()  # whose pair nothing completes
    environments: int = 0  # further ones in which candidates finished, where repeats do not pair
    unused: tuple[Unused, ...] = ()


def first(several: Iterable[Counted], earlier: Earlier) -> Counted:
    """Return the first in ancestry; among parallel lines that of the smallest run id."""
    minimal: list[Counted] = []
    for item in several:
        if any(earlier(other.found, item.found) for other in minimal):
            continue
        minimal = [other for other in minimal if not earlier(item.found, other.found)]
        minimal.append(item)
    return min(minimal, key=lambda item: item.found.run.id)


def join(
    sides: JoinedSides,
    earlier: Earlier,
    alike: Alike,
    *,
    drawn: bool,
    judged: Collection[int] | None = None,
) -> JoinedSides:
    """Find the partner of each candidate repeat that counts.

    `sides`: all repeats that may. `judged`: seeds whose evaluation data say whether the sides pair;
    None: all. `drawn`: the plan drew its seeds. Then what the baseline had
    before the candidate's repeat was seen under the plan, and of these only the first may pair:
    else whoever kills the candidate's repeat draws the baseline's until it is low enough.
    """
    left, right = sides.baseline, sides.candidate
    mine = {name: first(several, earlier) for name, several in right.items()}
    theirs: dict[Name, list[Counted]] = {}
    for name, several in left.items():
        item = mine.get(name)
        before = [] if item is None else [b for b in several if earlier(b.found, item.found)]
        among = [first(before, earlier)] if drawn and before else several
        if found := [b for b in among if item is None or _are_alike(b, item, alike)]:
            theirs[name] = _in_front(first(found, earlier), several, alike)
    pairs = [
        (theirs[name][0], item)
        for name, item in mine.items()
        if name in theirs and (judged is None or item.repeat.seed in judged)
    ]
    met = left.keys() & right.keys()
    differ = any(one.repeat.measured_on != two.repeat.measured_on for one, two in pairs)
    if left and right and (not met or differ):
        return _in_one(left, right, earlier, alike)
    candidate = {name: _in_front(item, right[name], alike) for name, item in mine.items()}
    unused = (*_aside(left, theirs), *_aside(right, candidate))
    unlike = tuple(sorted(met - theirs.keys(), key=str))
    return JoinedSides(theirs, candidate, unlike, unused=unused)


def _in_one(left: Several, right: Several, earlier: Earlier, alike: Alike) -> JoinedSides:
    """Keep what ran in the environment of the candidate's first repeat."""
    every = sorted(
        (item for several in right.values() for item in several),
        key=lambda item: (item.found.order, item.found.run.seeds.index(item.repeat.seed)),
    )
    kept = [every[0]]
    for item in every:
        if not any(_are_alike(item, one, alike) for one in kept):
            kept.append(item)

    def only(side: Several) -> dict[Name, list[Counted]]:
        found = {
            name: [item for item in several if _are_alike(item, kept[0], alike)]
            for name, several in side.items()
        }
        return {
            name: _in_front(first(several, earlier), several, alike)
            for name, several in found.items()
            if several
        }

    baseline, candidate = only(left), only(right)
    unused = (*_aside(left, baseline), *_aside(right, candidate))
    return JoinedSides(baseline, candidate, environments=len(kept) - 1, unused=unused)


def _in_front(chosen: Counted, several: Iterable[Counted], alike: Alike) -> list[Counted]:
    rest = (each for each in several if each is not chosen)
    return [chosen, *(each for each in rest if _are_alike(each, chosen, alike))]


def _aside(every: Several, kept: Several) -> Iterator[Unused]:
    for name, several in every.items():
        there = kept.get(name, ())
        for item in several:
            if not any(item is each for each in there):
                yield left_aside(OTHER_ENVIRONMENT, item.found, (item.repeat.seed,))


def _are_alike(one: Counted, other: Counted, alike: Alike) -> bool:
    return alike(one.found, one.repeat, other.found, other.repeat)
