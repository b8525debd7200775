"""Seeds that were drawn with a plan: which count, and which can no more.

Pure. See docs/decisions/0039.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.comparison import eligible
from gitexp.model import dataclass
from gitexp.model.clocked import is_clocked
from gitexp.model.plan import MOST_UNSEEN, Plan, StoppingRule
from gitexp.model.run import Key, Origin, RepeatState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gitexp.comparison.eligible import Earlier
    from gitexp.model.ids import InputsDigest, RunId
    from gitexp.store.lookup import FoundRun


@dataclass(frozen=True, slots=True)
class Tries:
    """What somebody could stop at: under one plan, and with one candidate under others."""

    number: int
    place: int = 0  # of the try that is asked about: later ones never change it
    after: tuple[str, ...] = ()  # other plans of this candidate that came before it
    told: frozenset[RunId] = frozenset()  # runs that showed only what another try had shown


def in_time(earlier: Earlier, ancestry: Earlier) -> Earlier:
    """Return which of two runs was surely recorded first.

    On parallel lines the records' own times say it: nothing that is run later may take from a try
    that has its answer. Where ancestry says otherwise than the times, nobody can tell.
    """

    def first(one: FoundRun, other: FoundRun) -> bool:
        if earlier(one, other) or earlier(other, one) or ancestry(other, one):
            return earlier(one, other)
        return (one.run.ended_at, one.run.id) < (other.run.ended_at, other.run.id)

    return first


@dataclass(frozen=True, slots=True)
class DrawnSeeds:
    """Which of the seeds that were drawn with a plan count, and which can no more."""

    plan: Plan
    counting: frozenset[int]
    spent: frozenset[int]  # passed over: seen outside the plan before they were started under it
    doubtful: tuple[int, ...]  # of the counting ones: only clocks could tell which was first
    later: frozenset[int] = frozenset()  # of the plan, too, beyond what counts
    ended: frozenset[int] = frozenset()  # of the counting ones: dropped, and nothing for them

    def only(self, side: eligible.Eligible) -> eligible.Eligible:
        """Return a side of which nothing else counts."""
        out: dict[str, frozenset[Key]] = {}
        unused = list(side.unused)
        ended = self.ended & eligible.given_up(self.plan, side)
        counting = self.counting - ended
        for item in side.runs:
            others = [key for key in eligible.finished_keys(item) if key[0] not in counting]
            if others:
                out[item.run.id] = frozenset(others)
            for seed in eligible.finished_seeds(item):
                if seed not in counting:
                    why = eligible.LATER if seed in self.later else eligible.NOT_DRAWN
                    why = eligible.ENDED if seed in ended else why
                    why = eligible.SPENT if seed in self.spent else why
                    unused.append(eligible.left_aside(why, item, (seed,)))
        return eligible.Eligible(side.runs, out, tuple(unused), judged=self.counting)

    def tries(
        self,
        runs: Iterable[FoundRun],
        baseline: InputsDigest,
        mine: Iterable[FoundRun],
        attempts: Iterable[FoundRun],
        first: Earlier,
    ) -> Tries:
        """Count the tries: candidates, each under each version of the plan.

        Of which a score was seen: a repeat finished, or one of these seeds did not and printed a
        number. An amendment on another branch makes a version as well, and so does each other plan
        of this candidate. What was the baseline of the version under which it ran is none, and one
        that showed nothing but what an earlier one had is no other.

        `mine`: runs of the try that is asked about. `attempts`: those of this candidate, under
        other plans, of which a score was seen. `first`: whether the one run surely came before
        the other; a try of which that is not known came before.
        """
        plan, own = self.plan, self.counting | self.spent | self.later
        found: dict[_Try, list[FoundRun]] = {}
        every: dict[_Try, list[FoundRun]] = {}
        for item in eligible.unique(runs):
            run, ref = item.run, item.run.plan
            if (
                ref is None
                or run.origin is not Origin.OBSERVED
                or not eligible.is_tried(item, baseline)
            ):
                continue
            if not run.source.overrides and plan.was_baseline(run.source.commit, ref.digest):
                continue
            # Whatever name it has on another branch: no other plan of this author has these seeds.
            seen = any(each.shown and each.seed in own for each in run.own_repeats)
            tried_as = run.inputs, run.fixed, ref.digest
            every.setdefault(tried_as, []).append(item)
            if seen or (eligible.was_under(item, plan) and eligible.finished_seeds(item)):
                found.setdefault(tried_as, []).append(item)
        # equal numbers and outputs are an equal answer, where none of time is looked at
        timed = any(map(is_clocked, (plan.metric, *(guard.metric for guard in plan.guards))))
        same, told = ({}, frozenset()) if timed else _told(found, every, first)
        others: dict[object, str] = {}
        for item in attempts:
            run, ref = item.run, item.run.plan
            key = run.inputs, run.fixed, "" if ref is None else ref.digest
            if ref is not None and (key in others or key not in found):
                others.setdefault(key, ref.name)
                found.setdefault(key, []).append(item)
        asked = ((item.run.inputs, item.run.fixed, plan.digest) for item in mine)
        keys = {same.get(key, key) for key in asked}
        began = [item for key in keys for item in found.get(key, ())]
        before = [
            key
            for key, runs_ in found.items()
            if key not in keys and not any(all(first(one, it) for it in runs_) for one in began)
        ]
        after = dict.fromkeys(others[key] for key in before if key in others)
        return Tries(len(found), len(before) + 1, tuple(after), told)


_Try = tuple[object, ...]  # inputs, seeds that keep their value, version of the plan


def _told(
    found: dict[_Try, list[FoundRun]],
    every: Mapping[_Try, Sequence[FoundRun]],
    first: Earlier,
) -> tuple[dict[_Try, _Try], frozenset[RunId]]:
    """Take from tries the first runs that showed only what one other try had shown before.

    A try of which nothing is left is that other one, and returned with it: its answer has the same
    numbers. So are the runs. One try has to tell all of it: who could mix two, seed by seed, would
    choose. What goes on beyond it began there: else ten that are equal on one seed would all have
    the first's place.
    """
    same: dict[_Try, _Try] = {}
    gone: set[RunId] = set()
    if len(found) <= 1:
        return same, frozenset()
    results = {it.run.id: dict(_results(it)) for key in found for it in every[key]}

    def known(theirs: Iterable[FoundRun], item: FoundRun) -> bool:
        before = [results[it.run.id] for it in theirs if not it.altered and first(it, item)]
        for key, result in results[item.run.id].items():
            had = [each[key] for each in before if key in each]
            if result is None or not had or any(each != result for each in had):
                return False
        return True

    for key, runs in list(found.items()):
        mine = sorted(every[key], key=lambda item: item.order)
        number, teller = 0, key
        for other in found.keys() - same.keys() - {key}:
            if other[-1] == key[-1]:  # another version of the plan asks something else
                told = [known(every[other], item) for item in mine]
                number, teller = max((number, teller), ([*told, False].index(False), other))
        gone.update(item.run.id for item in mine[:number])
        if number == len(mine):
            same[key] = teller
        else:
            found[key] = [item for item in runs if item.run.id not in gone] or runs
    for key, teller in reversed(same.items()):
        same[key] = same.get(teller, teller)
        del found[key]
    return same, frozenset(gone)


def _results(item: FoundRun) -> Iterator[tuple[Key, object]]:
    """Yield what each repeat of a run came to: numbers to the last bit, what it made, and where.

    None where that is not known, or may have acted: what failed may be dropped. One that was
    stopped, and printed no number, shows nothing.
    """
    for each in item.run.own_repeats:
        if each.state is RepeatState.FINISHED:
            numbers = {
                (row.metric, row.rep, row.fold, row.dataset): row.value
                for row in item.samples
                if row.seed == each.seed and not is_clocked(row.metric)
            }
            yield each.key, (numbers, each.made, each.place, each.measured_on)
        elif each.shown or not each.interrupted:
            yield each.key, None


def drawn_seeds(
    everywhere: Iterable[FoundRun],
    plan: Plan | None,
    baseline: InputsDigest,
    sides: tuple[eligible.Eligible, eligible.Eligible],
    earlier: Earlier,
) -> DrawnSeeds | None:
    """Return which seeds of a plan's own count; None where the plan drew none.

    They are the first of its sequence, on both sides. Passed over are those that any candidate had
    begun outside the plan, or under it as it was, before this candidate began them, with all before
    them that it had not begun: that a prefix goes leaves nobody the choice which (a candidate that
    takes the bad ones away from another one: 61 % are supported at 5 %). How it ended is no matter:
    its score may have been seen. On parallel lines a seed stays, and nothing is decided. Beyond the
    first look a seed counts once all before it are done; beyond the planned number none does, but
    where p-values are always valid. What comes after a long gap, which nobody but by hand leaves,
    waits until that is filled: a plan may ask for 100,000 of them.
    """
    if plan is None or plan.drawn is None:
        return None
    mine: dict[int, list[FoundRun]] = {}
    others: dict[int, list[FoundRun]] = {}
    tried = {item.run.inputs for item in sides[1].runs}
    for item in eligible.unique(everywhere):
        under = eligible.is_under(item, plan)
        if item.run.inputs in tried if under else eligible.is_tried(item, baseline):
            repeats = item.run.own_repeats if under else item.run.repeats
            for seed in {each.seed for each in repeats}:
                (mine if under else others).setdefault(seed, []).append(item)
    open_ = {
        seed: kept
        for seed, every in others.items()
        if (kept := [it for it in every if not any(earlier(one, it) for one in mine.get(seed, ()))])
    }
    taken = {
        seed
        for seed, every in open_.items()
        if all(any(earlier(it, one) for it in every) for one in mine.get(seed, ()))
    }
    finished = [{repeat.seed for _, repeat in side.repeats()} for side in sides]
    dropped = eligible.given_up(plan, *sides)
    done = (finished[0] & finished[1] | dropped) - sides[0].unlike
    seen = {*mine, *others, *finished[0], *finished[1]}
    always = plan.stopping is not None and plan.stopping.rule is StoppingRule.ALWAYS_VALID
    order = plan.drawn.until(seen)
    passed = order[: max((n + 1 for n, seed in enumerate(order) if seed in taken), default=0)]
    spent = _spent(passed, open_, mine, earlier)
    counting: list[int] = []
    pending, gap = False, 0
    for seed in plan.drawn.sequence():
        most = plan.repeats + (0 if plan.ends_seeds else len(dropped.intersection(counting)))
        gap = 0 if seed in seen else gap + 1
        if pending and (len(counting) >= plan.fewest or gap > MOST_UNSEEN):
            break
        if len(counting) >= most and not always:
            break
        if seed not in spent:
            counting.append(seed)
            pending = pending or seed not in done
    doubtful = tuple(seed for seed in counting if seed in open_)
    later = {*order}.difference(counting, spent)
    return DrawnSeeds(
        plan,
        frozenset(counting),
        frozenset(spent),
        doubtful,
        frozenset(later),
        dropped.intersection(counting) if plan.ends_seeds else frozenset(),
    )


def _spent(
    passed: Sequence[int],
    takers: Mapping[int, Sequence[FoundRun]],
    mine: Mapping[int, Sequence[FoundRun]],
    earlier: Earlier,
) -> set[int]:
    """Return those of a prefix that were not begun before what took them, or one behind them."""
    spent: set[int] = set()
    behind: list[FoundRun] = []
    for seed in reversed(passed):
        behind += takers.get(seed, ())
        begun = (all(earlier(one, it) for it in behind) for one in mine.get(seed, ()))
        if seed in takers or not any(begun):
            spent.add(seed)
    return spent
