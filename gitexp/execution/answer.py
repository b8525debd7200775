"""What a call of `run` answers: what was recorded, what was left alone, what to type next."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from gitexp.comparison import exclusions, failures, selection
from gitexp.comparison.advice import cannot_decide, is_fixed, seed_ranges
from gitexp.comparison.environments import Environments
from gitexp.comparison.gather import RunPool
from gitexp.comparison.known_metrics import known_metrics
from gitexp.comparison.randomness import variation
from gitexp.comparison.randomness.seeding import BASELINE, CANDIDATE
from gitexp.errors import GitexpError, IdleSeedError
from gitexp.execution import state, usage
from gitexp.execution.partners import helping
from gitexp.execution.publish import snapshot_of
from gitexp.git.transaction.cache import open_index
from gitexp.model import dataclass
from gitexp.model.metrics import IN_FOLDS, NO_RULE, ONE_TABLE, OWN_METRIC, in_folds
from gitexp.model.plan import Claim, Plan
from gitexp.model.report import PlannedRun, RecordedRun, RunReport, SideSoFar
from gitexp.model.run import Repeat, RepeatState
from gitexp.report import numbers
from gitexp.rules.branches import is_protected
from gitexp.stats.design import smallest_p
from gitexp.store.plans import plans

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gitexp.comparison.tally import Settled
    from gitexp.execution.partners import Again
    from gitexp.execution.prepare import Prepared
    from gitexp.execution.record import PublishedCall
    from gitexp.execution.resume import Resumed
    from gitexp.execution.situation import Situation

_NO_RULE = f"{NO_RULE}, and {{}}: gitexp amend-plan --stopping none --why TEXT; or {OWN_METRIC}"


@dataclass(frozen=True, slots=True)
class Performed:
    """What came of a call."""

    published: tuple[PublishedCall, ...] = ()
    interrupted: bool = False
    warnings: tuple[str, ...] = ()
    stopped: IdleSeedError | None = None  # why repeats were not begun that would say nothing


def planned(seen: Situation, prepared: Sequence[Prepared] = ()) -> tuple[PlannedRun, ...]:
    """Return what is to be executed; the stages are known of what is prepared."""
    ready = {each.side: each for each in prepared}
    return tuple(
        PlannedRun(
            side=source.side,
            commit=source.commit,
            inputs=source.inputs,
            seeds=source.choice.run,
            counting=source.choice.counting,
            spent=source.choice.spent,
            once=each.state.once if each else (),
            repeated=tuple(sorted(each.template.seeded)) if each else (),
            for_snapshot=source.choice.for_snapshot,
        )
        for source in seen.sides
        for each in [ready.get(source.side)]
    )


def unplanned(seen: Situation) -> str:
    """Say, before hours are spent, that a run on a protected branch is under no plan."""
    branch = seen.place.branch
    said = f"{branch} has no plan: this run is exploratory and counts for none"
    said += "; gitexp new NAME begins a planned one"
    planned = seen.plan is not None or not is_protected(seen.sides[0].config, branch)
    return "" if planned else said


def too_few(seen: Situation, *, ran: bool = False) -> tuple[str, str]:
    """Say, before hours are spent, that no outcome can decide, and what amends the plan.

    `ran`: they are recorded by now, and whoever amends the plan makes the next try of it.
    """
    plan = seen.plan
    if plan is None or plan.claim is Claim.MODEL or seen.request.seeds:
        return "", ""
    wanted, chances = seen.wanted, seen.chances
    if is_fixed(plan):
        wanted = min(wanted, plan.repeats)
        wanted -= 0 if seen.settled is None else len(seen.settled.count.ended)
    if plan.stopping is not None and plan.drawn and _have_sizes(seen, plan) is not None:
        return _NO_RULE.format(IN_FOLDS.format(plan.metric)), ""
    settled = seen.settled
    if settled is None or not any(s.side == CANDIDATE and s.choice.run for s in seen.sides):
        return "", ""
    unless = selection.unless(settled.count)
    alone = _least(plan, wanted)
    shares = _shares(seen, plan, settled, min(1.0, chances * alone))
    least = min(1.0, chances * shares * alone)
    if fewest := settled.fewest:
        least = float(wanted < fewest)
    # Once it ran, `compare` knows whether it is a try of its own; else the test is one over folds.
    known = (ran and unless) or (plan.stopping is None and _have_sizes(seen, plan))
    if least <= plan.alpha or known:
        return "", ""
    count = settled.count
    of = " over all looks" if plan.stopping else ""
    tries = f" as try {count.place}{unless}" if count.place else " candidates under this plan"
    of += f", times {chances}{tries}" if chances > 1 else ""
    of += f", times {shares} experiments with results on this data" if shares > 1 else ""
    then, amend = f"{plan.repeats} {'is' if plan.repeats == 1 else 'are'} planned", ""
    needed = settled.deciding(plan, chances * shares)
    if plan.stopping is None and needed <= plan.repeats:
        then += f", --repeats {needed} would do"
    elif plan.stopping is None:
        # Of drawn seeds p pays for the versions of a plan, too.
        again = settled.amended(ran=ran) if plan.drawn else chances
        needed = failures.with_failures(plan, count, settled.deciding(plan, again * shares))
        amend = f"gitexp amend-plan --repeats {needed} --why TEXT"
        then += f"; {amend} plans what would do"
        amend += exclusions.or_again(count, "the same without --dry-run")
    at = of.partition(",")
    return cannot_decide(plan, wanted, f"{least:.2g}{at[0]} at best{at[1]}{at[2]}", then), amend


def _least(plan: Plan, n: int) -> float:
    """Return the smallest p of so many pairs, over all looks where a plan has several."""
    if plan.stopping is None:
        return smallest_p(n, n, paired=True, one_sided=plan.effect.one_sided)
    from gitexp.stats.stopping import least_p  # noqa: PLC0415  loads numerics

    return least_p(plan.stopping, plan.repeats, n, one_sided=plan.effect.one_sided)


def _shares(seen: Situation, plan: Plan, settled: Settled, least: float) -> int:
    """Return among how many experiments a plan shares alpha, where that can leave it no yes.

    `least`: the smallest p of the plan alone.
    """
    if settled.fewest:
        return 1
    with contextlib.suppress(GitexpError), open_index(seen.repo.workspace) as index:
        tips = RunPool(seen.repo, index).tips
        most = len(tips) + sum(len(plans(seen.repo, tip.commit)) for tip in tips)
        if least * most <= plan.alpha:
            return 1
    return exclusions.sharing(seen.repo, settled)


def _have_sizes(seen: Situation, plan: Plan) -> bool | None:
    """Whether the folds in which a plan's metric is reported have sizes; None: not in folds."""
    source = seen.sides[0]
    for commit in dict.fromkeys((source.commit, plan.baseline.commit)):
        with contextlib.suppress(GitexpError):  # beyond the edge of a shallow clone
            known = known_metrics(seen.repo, commit, source.config)
            if (sized := known.is_sized(plan.metric)) is not None:
                return sized
    return None


def taken_over(planned: Sequence[PlannedRun], resumed: Resumed) -> str:
    """Say what was recorded of killed calls with which this one goes on; "" without any."""
    good = sum(
        repeat.state is RepeatState.FINISHED
        for call in resumed.recovered
        for _, record in call.records
        for repeat in record.run.repeats
    )
    left = sum(len(each.seeds) for each in planned)
    once = dict.fromkeys(name for each in resumed.calls for name in each.once) if left else ()
    then = f"; first {', '.join(once)}, once in each call" if once else ""
    if good:
        noun = "repeat" if good == 1 else "repeats"
        return f"{good} {noun} of a killed call recorded, {left} to go{then}"
    return f"a killed call goes on: {left} to go{then}" if resumed.calls and left else ""


def report(seen: Situation, planned: tuple[PlannedRun, ...], done: Performed) -> RunReport:
    """Return the answer of a call."""
    recorded = tuple(
        RecordedRun(state.side, record.run, record.samples)
        for each in done.published
        for state, record in each.records
    )
    heard = [text for each in recorded for text in each.run.warnings]
    heard += [text for each in recorded for repeat in each.run.repeats for text in repeat.warnings]
    stopped, few = done.stopped, too_few(seen, ran=bool(done.published))[0]
    now, sides = _so_far(seen) if done.published else (None, ())
    if stopped is None:
        step = _next_step(seen, planned, recorded, now, interrupted=done.interrupted)
    else:
        step = stopped.next_step or ""
    return RunReport(
        branch=seen.place.branch,
        commit=done.published[-1].commit if done.published else None,
        planned=planned,
        recorded=recorded,
        snapshot=snapshot_of([each.snapshot for each in done.published]),
        not_updated=tuple(path for each in done.published for path in each.not_updated),
        exploratory=seen.plan is None,
        interrupted=done.interrupted,
        dry_run=seen.request.dry_run,
        warnings=(
            *filter(None, (few,)),
            *done.warnings,
            *(text for each in done.published for text in each.cleared),
            *filter(None, (_unasked(seen), _beyond(seen), _next_try(seen))),
            *again(seen, ran=bool(done.published)),
            *_mixed(seen, recorded),
            *_unmoved(recorded),
            *(t for t in _without_test(seen, recorded, step) if t not in (few, *done.warnings)),
            *(() if done.interrupted else _not_started(planned, recorded)),
            *usage.missing_modules(seen, recorded),
            *usage.left_out(seen, recorded),
            *usage.unlike_tree(seen, recorded),
            *dict.fromkeys(heard),
        ),
        next_step=step,
        python=seen.python,
        stopped=stopped,
        waiting=any(each.waiting for each in seen.again),
        sides=sides,
    )


def _unasked(seen: Situation) -> str:
    """Say what a dry run takes for granted, where its answer rests on it."""
    if seen.environment is not None or not any(each.choice.counting for each in seen.sides):
        return ""
    return (
        f"{seen.python} was not started, so its packages are taken to be those of the last "
        "recorded repeat"
    )


def _beyond(seen: Situation) -> str:
    """Say which repeats of this call `compare` will not count, as they come after a last look."""
    plan = seen.plan
    if plan is None or plan.claim is Claim.MODEL:
        return ""
    for source in seen.sides:
        choice = source.choice
        have = len(choice.counting)
        asked = max(len(choice.together), seen.request.repeats or 0)
        more = asked - max(have, plan.repeats)
        if source.side != CANDIDATE or more <= 0:
            continue
        if plan.stopping is not None:
            return (
                f"{more} of these repeats will not count: the last look of the plan's stopping "
                f"rule is at {plan.repeats} repeats"
            )
        there = have >= plan.repeats
        if there or plan.drawn:
            own = {*choice.run} - {choice.for_snapshot}
            which = "of these repeats will not count" if own else "more would not count"
            why = "were there, and may have been looked at" if there else "alone do"
            amend = f"gitexp amend-plan --repeats {asked} --why TEXT plans them"
            fresh = ", with fresh seeds" if there else ""
            return f"{more} {which}: the planned {plan.repeats} {why}; {amend}" + fresh
    return ""


def again(seen: Situation, *, ran: bool = False) -> list[str]:
    """Say which repeats were there already, and what was installed or removed since."""
    said = []
    for item in seen.again:
        if item.waiting:
            said.append(_waiting(seen, item, ran=ran))
            continue
        before = Environments(seen.repo).read(item.found.commit, item.environment)
        told = exclusions.environments(
            before, None if seen.installed is None else seen.installed.environment
        )
        repeats = "1 repeat" if item.n == 1 else f"{item.n} repeats"
        what = f"{repeats} of the {item.side}, recorded {item.how}"
        verb = "run again" if ran else "to be run again"
        told = f": {told}" if told else ""
        if item.complete:
            told += "; the first set of the planned repeats counts, and none replaces it"
        said.append(f"{what}, {verb}{told}")
    return said


def waiting(seen: Situation, done: Collection[tuple[str, int]] = ()) -> tuple[Again, ...]:
    """Return the pairs that wait for another environment, where nothing else is left to be run.

    `done`: sides and seeds that have finished since.
    """
    found = tuple(each for each in seen.again if each.waiting)
    for each in seen.sides if found else ():
        own = {*each.choice.run} - {each.choice.for_snapshot}
        if any((each.side, seed) not in done for seed in own):
            return ()
    return found


def helped(seen: Situation, step: str, done: Collection[tuple[str, int]] = ()) -> str:
    """Return a step, with what has to be done before it where all that it would run waits."""
    left = waiting(seen, done)
    if seen.plan is None or seen.settled is None or not left:
        return step
    amend = exclusions.amending(seen.repo, seen.settled, seen.plan, ran=bool(done))
    return helping(step, left, amend)


def _waiting(seen: Situation, item: Again, *, ran: bool) -> str:
    """Say which pairs nothing that runs here now would complete."""
    amend = ""
    if seen.plan is not None and seen.settled is not None:
        amend = (
            exclusions.amending(seen.repo, seen.settled, seen.plan, ran=ran)
            + " goes on with other seeds"
        )
    pairs = "1 pair waits" if item.n == 1 else f"{item.n} pairs wait"
    pairs = f"{pairs} ({numbers.seeds(item.waiting)})"
    if not item.how:
        return (
            f"{pairs} for a partner that nothing can be any more: the baseline's first repeat ran "
            f"in another environment, before; {amend}"
        )
    return (
        f"{pairs} for {item.how}, as the {item.side}'s repeat had, run {item.found.run.id[:8]}: "
        f"where it is so, gitexp run completes them; else {amend}"
    )


def _mixed(seen: Situation, recorded: Sequence[RecordedRun]) -> list[str]:
    """Say where an installation changed while the repeats went on."""
    in_pairs = seen.plan is not None and seen.plan.rules > 1
    rule = "each pair needs equal ones" if in_pairs else "a comparison uses one"
    return [
        f"the environment changed during run {each.run.id[:8]}: its repeats ran in "
        f"{len(found)} of them, and {rule}"
        for each in recorded
        if len(found := {r.environment for r in each.run.repeats if r.environment}) > 1
    ]


def _unmoved(recorded: Sequence[RecordedRun]) -> list[str]:
    """Say that both sides report the same with each seed, before it costs more repeats."""
    left, right = (
        [trace for each in recorded if each.side == side for _, trace in variation.recorded(each)]
        for side in (BASELINE, CANDIDATE)
    )
    return variation.unmoved(left, right)


def _without_test(seen: Situation, recorded: Sequence[RecordedRun], step: str) -> list[str]:
    """Say where the plan has no test for what was recorded; `step` is the next."""
    plan = seen.plan
    if plan is None or plan.stopping is None:
        return [failures.RENUMBERED] if plan is not None and step == failures.row_ids(plan) else []
    if plan.drawn and any(plan.metric in in_folds(each.samples) for each in recorded):
        return [_NO_RULE.format(IN_FOLDS.format(plan.metric))]
    return [_NO_RULE.format(ONE_TABLE)] if step == exclusions.without_rule(plan) else []


def _not_started(planned: Sequence[PlannedRun], recorded: Sequence[RecordedRun]) -> list[str]:
    """Say which seeds a failed repeat has kept from being run."""
    if not any(_unfinished(each) for each in recorded):
        return []
    ended = {(each.side, repeat.seed) for each in recorded for repeat in each.run.repeats}
    left = {
        each.side: [seed for seed in each.seeds if (each.side, seed) not in ended]
        for each in planned
    }
    return [
        f"{side}: {numbers.seeds(seeds)} not begun after a repeat had failed; --keep-going begins "
        "all the same"
        for side, seeds in left.items()
        if seeds
    ]


def _unfinished(each: RecordedRun) -> list[Repeat]:
    return [r for r in each.run.repeats if r.state is not RepeatState.FINISHED]


def _next_try(seen: Situation) -> str:
    """Say what p will be multiplied by, where a call is only thought of."""
    if seen.settled is None or not seen.request.dry_run:
        return ""
    return selection.next_try(seen.settled.count, seen.plan)


def _finished(recorded: Sequence[RecordedRun]) -> set[tuple[str, int]]:
    """Return side and seed of the repeats that finished."""
    return {(e.side, r.seed) for e in recorded for r in e.run.repeats if r not in _unfinished(e)}


def _next_step(
    seen: Situation,
    planned: Sequence[PlannedRun],
    recorded: Sequence[RecordedRun],
    now: Settled | None,
    *,
    interrupted: bool,
) -> str:
    request, good = seen.request, _finished(recorded)
    if request.dry_run and any(each.seeds for each in planned) and not waiting(seen):
        return too_few(seen)[1] or "the same without --dry-run"
    if interrupted:
        return _go_on(seen, planned, recorded)
    failed = [
        each.run.id[:8]
        for each in recorded
        if any((each.side, repeat.seed) not in good for repeat in _unfinished(each))
    ]
    ended = [repeat for each in recorded for repeat in _unfinished(each)] if failed else []
    ways = {failures.remedy(repeat.reason, seen.plan) for repeat in ended}
    way = ways.pop() if len(ways) == 1 else ""
    if failed and (seen.plan is None or request.params or request.at is not None):
        return way or f"gitexp logs {failed[-1]}"
    if seen.plan is None:
        return "gitexp new NAME, to record a hypothesis that runs can count for"
    if request.params:
        return "the same with --commit -m MESSAGE, to bring the branch to this state"
    step = state.next_command(seen.repo, seen.place.branch, seen.plan, now)
    return helped(seen, step, good)


def _so_far(seen: Situation) -> tuple[Settled | None, tuple[SideSoFar, ...]]:
    """Return what counts of both sides by now, but after a call of another state."""
    plan, request = seen.plan, seen.request
    if plan is None or request.params or request.at is not None:
        return None, ()
    with contextlib.suppress(GitexpError):  # `compare` says what is wrong
        now = state.settled_on(seen.repo, seen.place.branch, plan)
        mine, theirs = now.summary(plan.metric), now.summary(plan.metric, baseline=True)
        return now, (
            SideSoFar("candidate", len(now.candidate), plan.repeats, mine),
            SideSoFar("baseline", len(now.baseline), plan.repeats, theirs),
        )
    return None, ()


def _go_on(seen: Situation, planned: Sequence[PlannedRun], recorded: Sequence[RecordedRun]) -> str:
    """Return what runs the repeats that an interrupted call has left."""
    request = seen.request
    if request.at is not None or request.params or (seen.plan is not None and request.seeds):
        return "the same again"
    if seen.plan is not None:
        return state.next_command(seen.repo, seen.place.branch, seen.plan)
    done = {seed for _, seed in _finished(recorded)}
    left = [seed for each in planned for seed in each.seeds if seed not in done]
    return f"gitexp run --seeds {seed_ranges(dict.fromkeys(left))}"
