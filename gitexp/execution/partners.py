"""Which repeats of another environment there are, and which a baseline lacks beside a candidate's.

By the first rules what ran in another environment than now is run again. By the second the first
repeat of a seed counts for ever: its partner is run where the environment equals that one, and
where it does not, nothing is run that could not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.comparison.eligible import seeding
from gitexp.comparison.environments import Environments, differing, seen
from gitexp.errors import OtherEnvironmentError
from gitexp.execution.preflight import checks
from gitexp.model import dataclass
from gitexp.report.numbers import listed
from gitexp.system import observed, params

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gitexp.comparison.counting import Count
    from gitexp.comparison.eligible import Earlier, Eligible
    from gitexp.execution.run_sources import RunSource
    from gitexp.git.repository import Repo
    from gitexp.model.ids import EnvironmentDigest
    from gitexp.model.plan import Plan
    from gitexp.model.run import Key, Repeat
    from gitexp.store.lookup import FoundRun
    from gitexp.system.environment import Captured

_FEW = 3


@dataclass(frozen=True, slots=True)
class Again:
    """Repeats that would count, were they not of another environment, or other linked data."""

    side: str
    found: FoundRun  # the newest with one
    environment: EnvironmentDigest | None
    n: int
    how: str  # they differ
    complete: bool = False  # all that the plan judges: what is run now replaces none of them
    waits: bool = False  # for the partner, which nothing that runs here now could be


@dataclass(frozen=True, slots=True)
class Here:
    """The environment in which a call runs."""

    repo: Repo
    environment: EnvironmentDigest | None
    captured: Captured | None  # None: it was not looked at
    links: str  # fingerprint of linked data

    def differs(self, found: FoundRun, repeat: Repeat) -> tuple[str, ...]:
        """Return what of it could act on a repeat like that one, and is otherwise."""
        other = ("linked data",) if repeat.links != self.links else ()
        if self.captured is None:  # a dry run takes it to be as it was
            return other
        there = Environments(self.repo).of(found, repeat)
        if there is None:
            same = repeat.environment == self.environment
            return other if same else (*other, "the environment")
        asked = seen(found, repeat)
        like = observed.again(asked, self.captured.parts)
        return (*other, *differing(there, asked, self.captured.environment, like))


def where(
    plan: Plan | None, environment: EnvironmentDigest | None, source: RunSource
) -> tuple[EnvironmentDigest | None, str] | None:
    """Return the one environment, and the linked data, in which repeats count; None for any."""
    return None if plan is not None and plan.rules > 1 else (environment, links(source))


def paired(
    source: RunSource,
    side: Eligible,
    place: tuple[EnvironmentDigest | None, str] | None,
    partners: Mapping[int, frozenset[Key]],
) -> frozenset[int]:
    """Return the seeds of which a baseline has a repeat that pairs with the candidate's."""
    return frozenset(
        seed
        for seed, keys in side.keys(place, source.seeding).items()
        if keys & partners.get(seed, {source.key(seed)})
    )


def again(
    source: RunSource,
    side: Eligible,
    environment: EnvironmentDigest | None,
    plan: Plan | None = None,
) -> tuple[Again, ...]:
    """Return what is to be run again, as it ran in another environment; `plan`: a candidate's."""
    data, run = links(source), source.choice.run
    others = [
        (found, repeat)
        for found, repeat in side.repeats()
        if repeat.place != (environment, data) and repeat.seed in run
    ]
    if not others:
        return ()
    newest, last = max(others, key=lambda pair: pair[0].order)
    seeds = {repeat.seed for _, repeat in others}
    whole = plan is not None and side.is_whole(plan)
    how = ["in another environment"] * (last.environment != environment)
    how += ["with other linked data"] * (last.links != data)
    return (Again(source.side, newest, last.environment, len(seeds), " and ".join(how), whole),)


def links(source: RunSource) -> str:
    """Return the fingerprint of linked data as they are."""
    return params.linked_fingerprint(checks.links(source))


@dataclass(frozen=True, slots=True)
class Partners:
    """What a call finds of a baseline by the second rules."""

    source: RunSource
    side: Eligible  # of the baseline
    count: Count  # as `compare` counts now
    plan: Plan
    here: Here
    earlier: Earlier

    def had(self, seed: int, keys: frozenset[Key]) -> list[tuple[FoundRun, Repeat]]:
        """Return the baseline's repeats of a seed."""
        return [
            (found, repeat)
            for found, repeat in self.side.repeats()
            if repeat.seed == seed
            and repeat.key in keys
            and seeding(found, repeat) == self.source.seeding
        ]

    def refuse_unlike(
        self, run: tuple[int, ...], key: Callable[[int], Key], candidate: Eligible
    ) -> None:
        """Refuse to run a candidate whose seed either side had before, in another environment.

        The baseline a finished repeat, the candidate one that showed a score and did not finish.
        """
        if self.plan.drawn is None:
            return
        began = [(item, repeat) for item in candidate.runs for repeat in item.run.own_repeats]
        for item, repeat in began:
            seen_there = repeat.is_unfinished_score and repeat.seed in run
            if seen_there and (differ := self.here.differs(item, repeat)):
                raise OtherEnvironmentError(
                    f"the candidate's repeat of seed {repeat.seed} showed a score in another "
                    "environment, and did not finish",
                    found=listed(differ, _FEW),
                    where=f"run {item.run.id[:8]}",
                    expected="that environment: whoever saw the score could choose between both",
                )
        for seed in run:
            there = self.had(seed, frozenset({key(seed)}))
            if not there or seed in self.count.candidate.repeats:
                continue
            item, repeat = min(there, key=lambda pair: pair[0].order)
            if differ := self.here.differs(item, repeat):
                raise OtherEnvironmentError(
                    f"the baseline's repeat of seed {seed} ran in another environment",
                    found=listed(differ, _FEW),
                    where=f"run {item.run.id[:8]}",
                    expected="a pair in one environment: another repeat of the baseline would be a "
                    "second draw",
                )

    def settled(
        self, partners: Mapping[int, frozenset[Key]]
    ) -> tuple[frozenset[int], tuple[Again, ...]]:
        """Return the seeds of which nothing is to be run, and those of them that are not done."""
        done = set(self.count.pairs)
        waiting: list[tuple[FoundRun, Repeat, tuple[str, ...]]] = []
        for seed, keys in partners.items():
            there, mine = self.had(seed, keys), self.count.candidate.repeats.get(seed)
            if seed in done:
                continue
            if mine is None:  # of drawn seeds `refuse_unlike` has looked
                like = (not self.here.differs(*each) for each in there)
                if there and (self.plan.drawn or any(like)):
                    done.add(seed)
                continue
            done.add(seed)
            before = any(self.earlier(found, mine.found) for found, _ in there)
            differ = self.here.differs(mine.found, mine.repeat)
            if differ or (before and self.plan.drawn):
                waiting.append((mine.found, mine.repeat, differ))
            else:
                done.remove(seed)
        if not waiting:
            return frozenset(done), ()
        found, repeat, differ = waiting[-1]
        how = listed(differ, _FEW)
        lone = Again("baseline", found, repeat.environment, len(waiting), how, waits=True)
        return frozenset(done), (lone,)
