"""Whether two repeats ran in equal environments, by what of them could act on either.

Relevant to a repeat are the distributions that it imported, what these require, and whatever has an
import name that it asked for and missed; to one that was not observed all that is installed. Two
repeats are alike if each relevant distribution of either is the same in both, or in neither. This
is said of two repeats, never of a whole set: alike to a third they need not be alike.
"""

from __future__ import annotations

import re
import shlex
from itertools import combinations
from typing import TYPE_CHECKING

from gitexp.comparison.eligible import Counted
from gitexp.comparison.pairs import UNLIKE
from gitexp.errors import GitexpError
from gitexp.model.clocked import is_cost
from gitexp.model.comparison import EQUAL_IN_PAIRS, Change
from gitexp.model.run import Environment, Observed, Repeat
from gitexp.report import numbers
from gitexp.store import lookup

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from gitexp.comparison.counting import Count, FoundRuns
    from gitexp.comparison.eligible import Earlier
    from gitexp.comparison.measure import CountedSides
    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash, EnvironmentDigest, InputsDigest
    from gitexp.store.lookup import FoundRun

_UNKNOWN = Observed(why="recorded before it was observed")
_MOST = 4  # distributions that a line names
SHOWN_APART = (
    "had shown a score in another environment, or on other linked data, and did not finish there: "
    "whoever saw it could have chosen; a new plan draws others"
)
_PLAIN = re.compile(r"[\w.!+-]*")  # a version that pip installs; "" for none
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # by PEP 508; a record may have any other
_SYSTEM = ("implementation", "python", "abi", "platform", "libc")


def seen(found: FoundRun, repeat: Repeat) -> Observed:
    """Return what a repeat asked for."""
    number, every = repeat.observed, found.run.observed
    return every[number] if number is not None and number < len(every) else _UNKNOWN


def differing(
    one: Environment, first: Observed, other: Environment, second: Observed
) -> tuple[str, ...]:
    """Return what differs of that which acts on either of two repeats: names, sorted."""
    found = {name for name in _SYSTEM if getattr(one, name) != getattr(other, name)}
    left, right = ({each.name: each for each in env.distributions} for env in (one, other))
    acts = _acting(first, left, right, second) | _acting(second, right, left, first)
    found |= {name for name in acts if left.get(name) != right.get(name)}
    return tuple(sorted(found | _loose(first, second)))


def _acting(
    mine: Observed, here: Collection[str], there: Collection[str], other: Observed
) -> set[str]:
    if mine.why:
        return {*here}
    asked = frozenset(mine.asked)
    met = {name for name in there if not asked.isdisjoint(other.names_of(name))}
    return met.union(mine.distributions)


def _loose(one: Observed, other: Observed) -> set[str]:
    """Return modules of no distribution that are others, or that only one of the two found."""
    found: set[str] = set()
    if _UNKNOWN in (one, other):
        return found
    for mine, its in ((one, other), (other, one)):
        everywhere = {name for name in mine.loose if name.endswith(".pth")}
        missed = mine.loose.keys() & its.asked | (everywhere - its.loose.keys())
        both = mine.loose.keys() & its.loose.keys()
        found |= missed | {name for name in both if mine.loose[name] != its.loose[name]}
    return found


class Environments:
    """The environments that a repository has recorded, each read when it is asked about."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._read: dict[EnvironmentDigest, Environment | None] = {}

    def of(self, found: FoundRun, repeat: Repeat) -> Environment | None:
        """Return that of a repeat; None where none can be read."""
        return self.read(found.commit, repeat.environment)

    def read(self, commit: CommitHash, digest: EnvironmentDigest | None) -> Environment | None:
        """Return one that a commit records; None where it cannot be read."""
        if digest is None:
            return None
        if digest not in self._read:
            try:
                self._read[digest] = lookup.environment(self._repo, commit, digest)
            except GitexpError:
                self._read[digest] = None
        return self._read[digest]

    def alike(self, one: FoundRun, first: Repeat, other: FoundRun, second: Repeat) -> bool:
        """Return whether two repeats ran in equal environments, on the same linked data."""
        if first.links != second.links or None in {first.environment, second.environment}:
            return first.links == second.links and first.environment == second.environment
        if first.environment == second.environment:  # 25 ms to read
            return not _loose(seen(one, first), seen(other, second))
        here, there = self.of(one, first), self.of(other, second)
        if here is None or there is None:
            return False
        return not differing(here, seen(one, first), there, seen(other, second))

    def of_pairs(self, count: Count) -> str:
        """Say which pairs ran in which of several environments; "" where all are alike."""
        right, pairs = count.candidate.repeats, count.pairs if count.in_pairs else ()
        order = sorted(
            pairs,
            key=lambda seed: (right[seed].found.order, right[seed].found.run.seeds.index(seed)),
        )
        sets: list[tuple[int, list[int]]] = []  # the first pair of each, and the numbers of all
        names: set[str] = set()
        for number, seed in enumerate(order, 1):
            item = right[seed]
            for first, numbers_ in sets:
                kept = right[first]
                if self.alike(kept.found, kept.repeat, item.found, item.repeat):
                    numbers_.append(number)
                    break
                names |= self._apart(kept, item)
            else:
                sets.append((seed, [number]))
        if len(sets) <= 1:
            return ""
        said = (self._of_set(right[first], of, sorted(names)) for first, of in sets)
        return f"{EQUAL_IN_PAIRS}: {', '.join(said)}"

    def without_partner(
        self, found: Iterable[FoundRun], count: Count, inputs: InputsDigest
    ) -> Iterator[str]:
        """Say in what the environment differs of baseline repeats that pair with no candidate's.

        `inputs`: the baseline's.
        """
        seeds = {seed for seed, why in count.baseline.failed if why == UNLIKE}
        for item in found:
            for repeat in item.run.own_repeats if item.run.inputs == inputs else ():
                mine = count.candidate.repeats.get(repeat.seed)
                if repeat.seed in seeds and mine is not None and repeat.environment is not None:
                    here = Counted(item, repeat, {})
                    differ = numbers.listed(sorted(self._apart(here, mine)), _MOST)
                    told = f": {differ}" if differ else ""
                    yield f"{numbers.amount(len(seeds), 'repeat')} of the baseline {UNLIKE}{told}"
                    return

    def _apart(self, one: Counted, other: Counted) -> set[str]:
        here, there = (self.of(each.found, each.repeat) for each in (one, other))
        if here is None or there is None:
            return set()
        firsts, seconds = (seen(each.found, each.repeat) for each in (one, other))
        return {*differing(here, firsts, there, seconds)}

    def _of_set(self, item: Counted, pairs: Sequence[int], names: Sequence[str]) -> str:
        environment = self.of(item.found, item.repeat)
        known = {} if environment is None else {d.name: d for d in environment.distributions}
        told = []
        for name in names[:_MOST]:
            if name in _SYSTEM:
                told.append(f"{name} {getattr(environment, name)}")
            else:
                told.append(f"{name} {known[name].version}" if name in known else f"no {name}")
        which = f"{'pair' if len(pairs) == 1 else 'pairs'} {numbers.ranges(pairs)}"
        return f"{which} {' '.join(told) or (item.repeat.environment or '')[:7]}"


def shown_apart(found: FoundRuns, count: Count, earlier: Earlier) -> Iterator[int]:
    """Yield seeds that count, of which a repeat showed a score elsewhere and did not finish.

    Whoever kills it in three environments and goes on in the best is supported in 65 %. Once the
    candidate's repeat is there its environment binds the baseline's.
    """
    every = [
        (item, repeat)
        for item in found
        for repeat in item.run.repeats
        if repeat.is_unfinished_score
    ]
    for side in (count.baseline, count.candidate):
        for item, repeat in every:
            mine = side.repeats.get(repeat.seed)
            if mine is None or mine.found.run.inputs != item.run.inputs:
                continue
            binding = filter(None, (mine, count.candidate.repeats.get(repeat.seed)))
            later = any(earlier(each.found, item) for each in binding)
            if not (later or found.alike(item, repeat, mine.found, mine.repeat)):
                yield repeat.seed


def on_equal_hardware(situation: CountedSides, metric: str) -> tuple[tuple[int, ...], str]:
    """Return the pairs of which a metric is compared, and what to say of others; "" for none.

    A cost says nothing of two repeats on unlike hardware. Where repeats do not pair, all of them
    have to have the same.
    """
    plan, count = situation.plan, situation.count
    if plan is None or plan.rules == 1 or not is_cost(metric, situation.candidate.config.cost):
        return count.pairs, ""
    left, right = (
        {seed: item.repeat.resources.hardware for seed, item in side.repeats.items()}
        for side in (count.baseline, count.candidate)
    )
    if not situation.paired:
        unlike = combinations(dict.fromkeys((*left.values(), *right.values())), 2)
        told = next(filter(None, (_unlike(*both) for both in unlike)), "")
        return (), told and f"{metric}: repeats ran on other hardware: {told}"
    apart = {s: told for s in count.pairs if (told := _unlike(left[s], right[s]))}
    if not apart:
        return count.pairs, ""
    kept = tuple(seed for seed in count.pairs if seed not in apart)
    some = f"{len(apart)} of {len(count.pairs)} pairs ran on other hardware"
    which = some if kept else "no pair ran on the same hardware"
    told = "; ".join([*dict.fromkeys(apart.values())][:_MOST])
    return kept, f"{metric}: {which}: {told}"


def _unlike(one: Sequence[str], other: Sequence[str]) -> str:
    """Name in what the hardware of two repeats differs, as far as that of both is known."""
    both = [(a, b) for a, b in zip(one, other, strict=True) if a and b and a != b]
    return " / ".join(map(", ".join, zip(*both, strict=True)))


def versions(
    there: Environment, here: Environment, names: Iterable[str], where: str
) -> tuple[str, ...]:
    """Say of names that differ which version was there, and which is here (`where`)."""
    changes = {change.what: change for change in environment_changes(there, here)}
    told = []
    for name in names:
        known = changes.get(name)
        old, new = (None, None) if known is None else (known.baseline, known.candidate)
        what = f"{name} {old}" if old else f"no {name}"
        told.append(name if known is None else f"{what} ({where} {new or 'none'})")
    return tuple(told)


def restoring(there: Environment, here: Environment, names: Iterable[str], python: str) -> str:
    """Return what brings back all of these as they were there; "" where pip cannot."""
    changes = {change.what: change for change in environment_changes(there, here)}
    told: dict[str, list[str]] = {}
    for name in names:
        change = changes.get(name)
        if change is None or name in _SYSTEM or not _PLAIN.fullmatch(change.baseline):
            return ""
        if not _NAME.fullmatch(name):
            return ""
        if change.baseline:
            told.setdefault("install", []).append(f"{name}=={change.baseline}")
        else:
            told.setdefault("uninstall", []).append(name)
    pip = f"{shlex.quote(python)} -m pip"
    return " && ".join(f"{pip} {verb} {' '.join(what)}" for verb, what in told.items())


def environment_changes(one: Environment, two: Environment) -> Iterator[Change]:
    """Yield what of the system and which distributions differ."""
    for name in _SYSTEM:
        if getattr(one, name) != getattr(two, name):
            yield Change("environment", name, getattr(one, name), getattr(two, name))
    left = {item.name: item for item in one.distributions}
    right = {item.name: item for item in two.distributions}
    for name in sorted(left.keys() | right.keys()):
        a, b = left.get(name), right.get(name)
        if a == b:
            continue
        shown = ["" if item is None else item.version for item in (a, b)]
        if a is not None and b is not None and a.version == b.version:
            shown = [f"{item.version} ({item.fingerprint[:7] or item.path})" for item in (a, b)]
        yield Change("environment", name, shown[0], shown[1])
