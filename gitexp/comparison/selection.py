"""What choosing does to alpha: configurations to pick from, repeats added after a look.

Whoever runs ten variants under one plan and keeps the best, or adds repeats until the answer
pleases, has had more than one chance. Variants are paid for by Bonferroni's factor, and where the
plan drew its seeds each by its place among the tries; repeats that came after the planned ones were
there are shown and do not count.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.comparison.counting import UNPAIRED, Count, FoundRuns
from gitexp.comparison.eligible import (
    Eligible,
    counted,
    finished_seeds,
    is_of_call,
    is_tried,
    is_under,
    left_aside,
    was_under,
)
from gitexp.comparison.environments import SHOWN_APART, shown_apart
from gitexp.comparison.measure import samples_of
from gitexp.comparison.randomness.variation import equal
from gitexp.model.comparison import LATE, Ledger, Selection, SignificanceResult, Unused
from gitexp.model.plan import ALPHA, Claim, Plan, StoppingRule
from gitexp.model.run import Repeat, RepeatState
from gitexp.report import numbers
from gitexp.store import lookup
from gitexp.store.conclusions import uses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gitexp.comparison.eligible import Counted, Earlier
    from gitexp.comparison.measure import Cell
    from gitexp.comparison.sides import ResolvedSide
    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.ids import InputsDigest
    from gitexp.store.lookup import FoundRun

_FEW = 5  # seeds that are named
_DIGEST = re.compile(r"[0-9a-f]{64}")  # where nobody named the sweep: inputs without overrides


def of_variants(count: Count, plan: Plan | None) -> Selection | None:
    """Return how many variants were run under the plan, on the same data; None for one.

    Of tries, of which each pays for those before it, the place of this one.
    """
    price = count.chances()
    if plan is None or price <= 1:
        return None
    if count.place > 1:
        how = "under this plan"
        if count.after:
            plans = "plans" if len(count.after) > 1 else "plan"
            how = f"at this candidate, after {plans} {numbers.listed(count.after, _FEW)}"
        found = _selection(count.place, how, plan, fresh=False)
        return replace(found, price=price)
    return _selection(price, "under this plan", plan, fresh=False)


def next_try(count: Count, plan: Plan | None) -> str:
    """Say what p will be multiplied by, before a candidate has run; "" for the first try."""
    found = of_variants(count, plan)
    if found is None or not found.price or count.candidate.repeats:
        return ""
    said = f"try {found.configurations} {found.how}: p will be multiplied by {found.price}"
    return f"{said}{unless(count)}"


def unless(count: Count) -> str:
    """Say what makes a candidate that has not run yet no further try; "" where it is one anyway."""
    if count.candidate.repeats or count.place <= len(count.after) + 1:
        return ""
    return ", unless it has the numbers and files of an earlier one on every seed"


def of_sweep(
    repo: Repo, index: Index, candidate: ResolvedSide, plan: Plan | None, found: FoundRuns
) -> Selection | None:
    """Return how many configurations a sweep had that ran the candidate outside the plan.

    It has spent its seeds: what counts under a plan was run afterwards, with others. Without a
    plan its own repeats are all there is, and nothing pays for the choice.
    """
    groups = {
        item.run.group
        for item in found
        if item.run.inputs == candidate.inputs
        and item.run.group
        and (plan is None or not is_under(item, plan))
    }
    if not groups:
        return None
    members = {
        item.run.inputs
        for item in lookup.runs_in_groups(repo, groups, index, [candidate.records])
        if finished_seeds(item)
    }
    if len(members) <= 1:
        return None
    name = min(groups)
    how = f"over the state {name[:7]}" if _DIGEST.fullmatch(name) else f"in the sweep {name}"
    return _selection(len(members), how, plan, fresh=plan is not None)


def factor(found: Selection | None) -> int:
    """Return what p-values are multiplied by, where a plan has any that decide."""
    return 1 if found is None or found.fresh else found.price or found.configurations


def corrected(result: SignificanceResult, by: int) -> SignificanceResult:
    """Return a result whose p-values hold for the best of so many (Bonferroni)."""
    if by <= 1:
        return result
    return replace(
        result,
        plan=replace(result.plan, smallest_p=min(1.0, by * result.plan.smallest_p)),
        p_support=_times(result.p_support, by),
        p_refute=_times(result.p_refute, by),
    )


def has_fixed_number(plan: Plan | None) -> bool:
    """Return whether repeats end with the planned ones: a model has none, some rules no end."""
    if plan is None or plan.claim is Claim.MODEL:
        return False
    return plan.stopping is None or plan.stopping.rule is not StoppingRule.ALWAYS_VALID


def late_seeds(count: Count, plan: Plan | None, *, paired: bool) -> tuple[int, ...]:
    """Return the candidate's seeds that were run after its planned repeats were there.

    A call that itself reaches the planned number brings all its repeats: nobody had looked. An
    always-valid rule looks on for ever, and a claim about two models has no repeats. Where repeats
    are paired the planned number is one of pairs; what comes later is late, with a partner or not.
    """
    if plan is None or not has_fixed_number(plan):
        return ()
    have, late = 0, []
    for members in _calls(count.candidate.repeats.values()):
        if have >= plan.repeats:
            late += [item.repeat.seed for item in members]
        have += sum(not paired or item.repeat.seed in count.pairs for item in members)
    return tuple(sorted(late))


def _calls(repeats: Iterable[Counted]) -> list[list[Counted]]:
    """Return the repeats of each call, in the order of history."""
    calls: dict[str, list[Counted]] = {}
    for item in sorted(repeats, key=lambda item: item.found.order):
        calls.setdefault(item.found.run.call or item.found.run.id, []).append(item)
    return list(calls.values())


def unjudged(
    found: FoundRuns, count: Count, plan: Plan | None, inputs: InputsDigest, earlier: Earlier
) -> str:
    """Return why nothing can be decided from the repeats that count; "" where something can.

    They may have been chosen by results, or be a whole set on other data than the baseline's.

    A set of the planned repeats that an own branch or the archive has, and this history has not,
    was there to be seen: a second one is another draw (of drawn seeds a single repeat is). So are
    seeds on which the baseline's scores were known, where others of these were passed over for no
    reason on record.

    `earlier`: whether the first run's recording commit is a proper ancestor of the second's.
    """
    if plan is None:
        return ""
    mine = (item for item in found.candidate if item.run.inputs == inputs and is_under(item, plan))
    own = Eligible(tuple(mine)).is_whole(plan)
    used = {item.found.run.id for item in count.candidate.repeats.values()}
    for where, runs in () if plan.drawn else found.lines:
        # Of a set that --pool takes in, where this history has none, there is but one.
        like = (item for item in runs if item.run.inputs == inputs)
        beside = tuple(item for item in like if own or item.run.id not in used)
        if Eligible(beside).is_whole(plan):
            return (
                f"not judged: {where} has the planned repeats of {plan.name}, and this history has "
                "others; nobody draws them again"
            )
    if count.confounded == "data" and len(count.candidate.repeats) >= plan.fewest:
        return "not judged: the two sides ran on different linked data"
    if plan.drawn:
        return _drawn_unjudged(found, count, plan, inputs, earlier)
    passed = _passed_over(found, count, inputs, earlier)
    if passed:
        few = numbers.ranges(passed[:_FEW]) + (", ..." if len(passed) > _FEW else "")
        seeds = numbers.amount(len(passed), "seed")
        return (
            f"not judged: the baseline's scores were known, and {seeds} of it ({few}) passed "
            "over: whoever chose the candidate's may have chosen by them"
        )
    return ""


def _drawn_unjudged(
    found: FoundRuns, count: Count, plan: Plan, inputs: InputsDigest, earlier: Earlier
) -> str:
    """Return why seeds that were drawn with the plan decide nothing, "" where they do."""
    if count.doubtful:
        seeds = numbers.amount(len(count.doubtful), "seed")
        return (
            f"not judged: {seeds} of the plan ran outside it, too, on a parallel line of history "
            "or meanwhile: nobody can tell which was first"
        )
    if twice := drawn_twice(found, count, plan, earlier):
        return f"not judged: {twice}; a new plan draws others"
    base = {item.found.run.inputs for item in count.baseline.repeats.values()}
    first = plan.drawn.until(count.candidate.repeats) if plan.drawn else []
    known, outside = (
        ((), False) if inputs in base else _known_first(found, count, plan, first, earlier)
    )
    # A single one is what a call leaves that was killed in the first repeat of the candidate.
    if len(known) <= 1 and not outside:
        apart = {*shown_apart(found, count, earlier)}
        return f"not judged: {numbers.seeds(apart)} {SHOWN_APART}" if apart else ""
    passed = len(count.spent.intersection(first))
    over = f", and {passed} of the plan's first {len(first)} seeds passed over" if passed else ""
    return (
        f"not judged: the baseline's scores of {numbers.amount(len(known), 'seed')} of the plan "
        f"were known before a candidate had begun them{over}: whoever saw them could have chosen "
        "by them; a new plan draws others"
    )


def _known_first(
    found: FoundRuns, count: Count, plan: Plan, first: Sequence[int], earlier: Earlier
) -> tuple[tuple[int, ...], bool]:
    """Return which of a plan's first seeds may have been chosen by the baseline's scores of them.

    Those that count, where the baseline had shown a score under the plan, and no candidate had
    begun it there: in the same call, or before. Outside (which the second value tells) a repeat
    that was begun is enough, since its log may have shown the score, and only the one that
    counts excuses it: else whoever kills the candidate looks in which environment the baseline
    is low (65 %). And those that were passed over, where no candidate had spent them by then:
    having begun them does not help there, since a candidate that fails on all of them, and a
    plan that is amended, would leave the choice which are spent.

    None, where the scores of none that counts were known before the repeat that counts had begun:
    these are as good as drawn anew. Another candidate excuses nothing here: one that fails on all
    of them would keep the rest from being asked about (25 %).
    """
    base = {item.found.run.inputs for item in count.baseline.repeats.values()}
    scores: defaultdict[int, list[FoundRun]] = defaultdict(list)
    begun, spent = scores.copy(), scores.copy()
    for item in (*found, *found.past):
        under, repeats = was_under(item, plan), item.run.repeats
        if not all(is_tried(item, each) for each in base):
            _add(item, scores, {each.seed for each in repeats if each.shown or not under})
            continue
        if under:
            _add(item, begun, [each.seed for each in repeats])
        if not is_under(item, plan):
            finished = (each for each in repeats if each.state is RepeatState.FINISHED)
            _add(item, spent, {each.seed for each in finished})

    def known(seed: int, by: Mapping[int, Sequence[FoundRun]]) -> bool:
        return any(
            not any(is_of_call(one, item) or earlier(one, item) for one in by.get(seed, ()))
            for item in scores.get(seed, ())
        )

    def shown(seed: int) -> bool:
        mine = count.candidate.repeats.get(seed)
        others = (item for item in scores.get(seed, ()) if not was_under(item, plan))
        return mine is not None and any(not earlier(mine.found, item) for item in others)

    counting = [seed for seed in first if seed not in count.spent]
    outside = any(map(shown, counting))
    mine = {seed: [item.found] for seed, item in count.candidate.repeats.items()}
    if not outside and not any(known(seed, mine) for seed in counting):
        return (), False
    return (
        *(seed for seed in counting if shown(seed) or known(seed, begun)),
        *(seed for seed in first if seed in count.spent and known(seed, spent)),
    ), outside


def _add(item: FoundRun, to: Mapping[int, list[FoundRun]], seeds: Iterable[int]) -> None:
    for seed in seeds:
        to[seed].append(item)


def drawn_twice(found: FoundRuns, count: Count, plan: Plan, earlier: Earlier) -> str:
    """Return which seeds that count were drawn on a parallel line, too; "" where none was."""
    again = dict(_drawn_again(found, count, plan, earlier))
    where = numbers.listed(tuple(dict.fromkeys(again.values())), _FEW)
    text = f"{numbers.seeds(again)} drawn more than once, with other numbers in {where}"
    return f"{text}: whoever saw them could have chosen" if again else ""


def _drawn_again(
    found: FoundRuns, count: Count, plan: Plan, earlier: Earlier
) -> Iterator[tuple[int, str]]:
    """Yield seeds of which a parallel line has other numbers under the plan, and where it is.

    Whether an own branch has it alone or a merge joined both, nobody can tell which came first.
    """
    here = {item.run.id: ("this history", item) for item in (*found.candidate, *found.baseline)}
    there = {item.run.id: (where, item) for where, runs in found.lines for item in runs}
    others: dict[tuple[InputsDigest, int], list[tuple[str, FoundRun, Repeat]]] = {}
    for where, item in (there | here).values():
        for repeat in item.run.own_repeats if is_under(item, plan) else ():
            if repeat.state is RepeatState.FINISHED and item.run.id not in found.contradicted:
                key = item.run.inputs, repeat.seed
                others.setdefault(key, []).append((where, item, repeat))

    for side in (count.candidate, count.baseline):
        for seed, one in side.repeats.items():
            mine = _values(one, plan)
            for where, other, repeat in others.get((one.found.run.inputs, seed), ()):
                # In one history the first rules keep environments apart.
                apart = plan.rules == 1 and repeat.place != one.repeat.place
                known = other.run.id in here and (apart or earlier(other, one.found))
                theirs = _values(counted(other, repeat), plan)
                if not (_agree(mine, theirs) or known or earlier(one.found, other)):
                    yield seed, where


def _agree(mine: Mapping[Cell, float], theirs: Mapping[Cell, float]) -> bool:
    """Tell whether two repeats have the same numbers, but for the last bits of another machine."""
    return mine.keys() == theirs.keys() and all(equal((mine[key], theirs[key])) for key in mine)


def _values(item: Counted, plan: Plan) -> Mapping[Cell, float]:
    """Return what a repeat measured of the planned metric, or used of a resource."""
    found = samples_of({item.repeat.seed: item}, plan.metric).get(item.repeat.seed, {})
    return {cell: row.value for cell, row in found.items()}


def _passed_over(
    found: FoundRuns, count: Count, inputs: InputsDigest, earlier: Earlier
) -> tuple[int, ...]:
    """Return seeds whose baseline scores were known, and which the candidate left out.

    Seeds are run in their order, so those beyond the candidate's last are nobody's choice.
    """
    right = count.candidate.repeats
    scored = {seed: [item.found] for seed, item in count.baseline.repeats.items()}
    for item in found.scores:
        for seed in finished_seeds(item):
            scored.setdefault(seed, []).append(item)

    def known(seed: int, *partners: Counted) -> bool:
        return any(
            not earlier(other.found, item) and not is_of_call(other.found, item)
            for item in scored.get(seed, ())
            for other in partners
        )

    if not any(known(seed, right[seed]) for seed in count.pairs):
        return ()
    runs = {item.run.id for item in found if item.run.inputs == inputs}
    excused = {*right, *(seed for seed, _ in count.candidate.failed)}
    excused |= {s for item in count.unused if item.run in runs for s in item.seeds}
    partners = [right[seed] for seed in count.pairs]
    asked = sorted(seed for seed in scored if seed < count.pairs[-1] and seed not in excused)
    return tuple(seed for seed in asked if known(seed, *partners))


def without(count: Count, late: tuple[int, ...]) -> Count:
    """Return what counts when these seeds of the candidate do not."""
    if not late:
        return count
    kept = {seed: item for seed, item in count.candidate.repeats.items() if seed not in late}
    gone = {seed: count.candidate.repeats[seed] for seed in late}
    by_run: dict[str, tuple[FoundRun, list[int]]] = {}
    for seed, item in gone.items():
        by_run.setdefault(item.found.run.id, (item.found, []))[1].append(seed)
    return replace(
        count,
        candidate=replace(count.candidate, repeats=kept),
        pairs=tuple(seed for seed in count.pairs if seed not in late),
        unused=(
            *_less(count.unused, late, set(by_run)),
            *(left_aside(LATE, found, tuple(seeds)) for found, seeds in by_run.values()),
        ),
    )


def sizes(count: Count, plan: Plan, *, paired: bool) -> tuple[int, ...]:
    """Return the numbers of repeats at which somebody could have looked."""
    late = late_seeds(count, plan, paired=paired)
    counting = set(count.pairs if paired else count.candidate.repeats)
    added = map(len, _calls(count.candidate.repeats[seed] for seed in late))
    return tuple(itertools.accumulate(added, initial=len(counting.difference(late))))


def _less(unused: tuple[Unused, ...], late: tuple[int, ...], runs: set[str]) -> Iterator[Unused]:
    """Yield what was left aside already, without the late seeds that have no partner."""
    for item in unused:
        if item.why != UNPAIRED or item.run not in runs:
            yield item
        elif seeds := tuple(seed for seed in item.seeds if seed not in late):
            yield replace(item, seeds=seeds)


def _selection(number: int, how: str, plan: Plan | None, *, fresh: bool) -> Selection:
    alpha = ALPHA if plan is None else plan.alpha
    return Selection(number, how, fresh=fresh, inflation=1 - (1 - alpha) ** number)


def _times(p: float | None, by: int) -> float | None:
    return None if p is None else min(1.0, by * p)


def ledger_of(
    repo: Repo, index: Index, candidate: ResolvedSide, count: Count, plan: Plan | None
) -> Ledger | None:
    """Return the other decisions on these data; None without a plan, or where no data are known."""
    if plan is None:
        return None
    every = (*count.baseline.repeats.values(), *count.candidate.repeats.values())
    repeats = [item.repeat for item in every if item.repeat.evaluation is not None]
    mine = {each.evaluation for each in repeats if each.evaluation is not None}
    if not mine:
        return None
    raw = {each.evaluation_basis for each in repeats} == {"data"}
    names = {plan.name, *plan.formerly}
    others = dict.fromkeys(
        use.experiment
        for use in uses(repo, index, candidate.records)
        if use.experiment not in names and use.evaluation & mine
    )
    return Ledger(tuple(sorted(mine)), tuple(others), candidate.config.evaluation_budget, raw)


def ledger_warnings(found: Ledger | None) -> tuple[str, ...]:
    """Say where a decision now would be one more than the settings allow."""
    if found is None or found.budget is None or not found.overdrawn:
        return ()
    spent = f"{len(found.experiments)} of {found.budget} decisions were made on the same data"
    return (f"the evaluation budget is spent: {spent} before; fresh data are needed to tell more",)
