"""Seeds that were drawn with a plan: which count, and what nobody gains by."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison import cautions, counting, eligible, selection
from gitexp.comparison.counting import Count, FoundRuns, count
from gitexp.comparison.designs.repeats import in_order
from gitexp.comparison.measure import values_of
from gitexp.experiments.archive import archive, restore
from gitexp.experiments.new import new
from gitexp.experiments.rename import rename
from gitexp.git.transaction import layout
from gitexp.model.ids import CommitHash, InputsDigest
from gitexp.model.plan import (
    MOST_UNSEEN,
    Amendment,
    OnFailed,
    Person,
    Plan,
    PlanSeeds,
    SeedOrigin,
    Stopping,
    StoppingRule,
    Verdict,
    _known_seeds,
)
from gitexp.model.request import NewRequest
from gitexp.model.run import Origin, PlanRef, RepeatState, Resources
from gitexp.provenance import contradicted
from gitexp.records import codec
from gitexp.records.terms import sealed
from gitexp.report import numbers, words
from gitexp.views.status import status
from tests.comparison.test_counting import (
    BASE,
    CANDIDATE,
    ENV,
    ENV2,
    OTHER,
    PLAN,
    PLAN_REF,
    in_line,
    parallel,
    reasons,
    run,
)
from tests.comparison.test_replanned import rewritten
from tests.lab.build import BuiltRepo, clone
from tests.lab.records import START, Lab, one, scores

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.comparison.eligible import Earlier
    from gitexp.model.ids import EnvironmentDigest
    from gitexp.store.lookup import FoundRun

ROOT = "0123456789abcdef" * 2
DRAWN = sealed(replace(PLAN, seeds=PlanSeeds(ROOT), repeats=4))
REF = PlanRef(DRAWN.name, DRAWN.digest)
SEEDS = tuple(itertools.islice(PlanSeeds(ROOT).sequence(), 12))
KILLED = RepeatState.CANCELLED


def judged(
    *runs: FoundRun, plan: Plan = DRAWN, beside: tuple[FoundRun, ...] = (), by: Earlier = in_line
) -> tuple[Count, str]:
    found = FoundRuns(runs, elsewhere=beside)
    result = count(found, plan, BASE, CANDIDATE, by)
    return result, selection.unjudged(found, result, plan, CANDIDATE, by)


def both(first: int, last: int, order: int = 0, plan: PlanRef = REF) -> tuple[FoundRun, FoundRun]:
    """A call that ran so many of the plan's seeds on both sides."""
    name = "abcdefghijklmnop"[2 * order : 2 * order + 2]
    seeds, call = SEEDS[first:last], f"call{order}"
    return (
        run(name[0], BASE, seeds, order=order, plan=plan, call=call),
        run(name[1], CANDIDATE, seeds, order=order, plan=plan, call=call),
    )


def lasting(item: FoundRun, begins: int = 0) -> FoundRun:
    """A run of ten minutes."""
    begin = START + timedelta(minutes=begins)
    ten = replace(item.run, started_at=begin, ended_at=begin + timedelta(minutes=10))
    return replace(item, run=ten)


def test_a_root_gives_its_seeds_for_ever() -> None:
    assert SEEDS[:3] == (1466751763, 180250092, 299068105)
    assert all(0 < seed < 1 << 31 for seed in SEEDS)
    assert len({*SEEDS}) == len(SEEDS)
    assert PlanSeeds().origin is SeedOrigin.COMMITTED
    assert DRAWN.digest != sealed(replace(DRAWN, seeds=PlanSeeds("f" * 32))).digest


def test_the_first_seeds_of_the_plan_count_on_both_sides() -> None:
    result, why = judged(*both(0, 4))
    assert (set(result.pairs), why) == ({*SEEDS[:4]}, "")


def test_other_seeds_under_the_plan_never_count() -> None:
    """Whoever runs seeds of his own choice under a plan has looked, and draws nothing."""
    mine = run("x", CANDIDATE, (1, 2, 3, 4, SEEDS[0]), order=1, plan=REF)
    result, _ = judged(run("y", BASE, (1, 2, 3, 4), order=0), mine)
    assert set(result.candidate.repeats) == {SEEDS[0]}
    assert reasons(result)[eligible.NOT_DRAWN] == (1, 2, 3, 4)
    assert not result.baseline.repeats


def test_the_committed_seed_makes_the_snapshot_and_never_counts() -> None:
    mine = run("x", CANDIDATE, (0, *SEEDS[:4]), order=1, plan=REF)
    mine = replace(mine, run=replace(mine.run, snapshot_only=0))
    result, _ = judged(both(0, 4)[0], mine)
    assert (set(result.pairs), reasons(result)) == ({*SEEDS[:4]}, {})


def test_a_failed_repeat_for_the_snapshot_keeps_nothing_from_a_verdict() -> None:
    bad = run("w", CANDIDATE, (0,), plan=REF, state=RepeatState.FAILED)
    bad = replace(bad, run=replace(bad.run, snapshot_only=0))
    result, why = judged(*both(0, 4, order=1), bad)
    assert (result.candidate.failed, why) == ((), "")
    dropping = sealed(replace(DRAWN, on_failed=OnFailed.DROP))
    assert not eligible.given_up(dropping, eligible.Eligible((bad, both(0, 4)[1])))


def test_a_repeat_for_the_snapshot_alone_spends_no_seed_of_a_plan_before_it() -> None:
    """Another plan of the same candidate executes the committed seed unasked, on a line beside."""
    seen = run("z", CANDIDATE, (2, 8), order=5, plan=replace(PLAN_REF, name="later"))
    seen = replace(seen, run=replace(seen.run, snapshot_only=2))
    mine = run("x", CANDIDATE, (1, 2, 8), plan=PLAN_REF)
    result, _ = judged(run("y", BASE, (1, 2, 8)), mine, plan=PLAN, beside=(seen,), by=parallel)
    assert reasons(result)[eligible.SPENT] == (8,)
    assert set(result.candidate.repeats) == {1, 2}
    first, _ = judged(seen, replace(mine, order=6), plan=PLAN)
    assert not first.candidate.repeats.keys() & {2, 8}


def test_a_killed_repeat_is_not_passed_over() -> None:
    """A repeat that looked bad and was killed is replaced by no later one."""
    base = run("a", BASE, SEEDS[:5], plan=REF, call="1")
    killed = run("b", CANDIDATE, SEEDS[1:2], plan=REF, call="1", state=KILLED)
    rest = run("c", CANDIDATE, (SEEDS[0], *SEEDS[2:5]), order=1, plan=REF, call="2")
    result, _ = judged(base, killed, rest)
    assert set(result.pairs) == {SEEDS[0], *SEEDS[2:4]}
    assert len(result.pairs) < DRAWN.repeats


def test_at_an_early_look_the_first_seeds_are_there_and_no_others() -> None:
    rule = Stopping(StoppingRule.POCOCK, 2)
    plan = sealed(replace(DRAWN, stopping=rule))
    ref = PlanRef(plan.name, plan.digest)
    base = run("a", BASE, SEEDS[:4], plan=ref, call="1")
    mine = run("b", CANDIDATE, (SEEDS[0], *SEEDS[2:4]), plan=ref, call="1")
    assert judged(base, mine, plan=plan)[0].pairs == (SEEDS[0],)
    whole = run("b", CANDIDATE, SEEDS[:4], plan=ref, call="1")
    assert set(judged(base, whole, plan=plan)[0].pairs) == {*SEEDS[:4]}


@pytest.mark.parametrize("paired", [True, False])
def test_the_looks_take_the_repeats_in_the_order_in_which_their_seeds_were_drawn(
    paired: bool,  # noqa: FBT001
) -> None:
    """Who kills a repeat and runs it again after the first look moves it to no later one."""
    rule = Stopping(StoppingRule.ALWAYS_VALID)
    plan = sealed(replace(DRAWN, stopping=rule))
    ref = PlanRef(plan.name, plan.digest)
    scores = {seed: float(number) for number, seed in enumerate(SEEDS[:4])}
    late = (*SEEDS[1:4], SEEDS[0])
    base = run("a", BASE, late[:3], plan=ref, call="1", values=scores)
    mine = run("b", CANDIDATE, late[:3], plan=ref, call="1", values=scores)
    rest = [
        run(letter, side, late[3:], order=1, plan=ref, call="2", values=scores)
        for letter, side in (("c", BASE), ("d", CANDIDATE))
    ]
    result, _ = judged(base, mine, *rest, plan=plan)
    values = values_of(result, "f1", paired=paired)
    assert in_order(result, values, plan.drawn, paired=paired) == ([0, 1, 2, 3], [0, 1, 2, 3])
    assert in_order(result, values, None, paired=paired)[1] == [1, 2, 3, 0]


def test_a_seed_that_a_candidate_had_before_is_replaced_whatever_its_inputs() -> None:
    """Who picks a variant by the plan's own seeds has spent them for the one he picks."""
    seen = run("z", OTHER, SEEDS[:2], order=0, plan=None)
    result, why = judged(*both(2, 6, order=1), beside=(seen,))
    assert (set(result.pairs), why) == ({*SEEDS[2:6]}, "")
    assert result.spent == {*SEEDS[:2]}


def test_a_seed_of_the_baseline_outside_the_plan_spends_nothing_and_is_known() -> None:
    seen = run("z", BASE, SEEDS[:2], order=0, plan=None)
    result, why = judged(seen, *both(0, 4, order=1))
    assert (set(result.pairs), result.spent) == ({*SEEDS[:4]}, set())
    assert reasons(result)[eligible.NOT_DRAWN] == tuple(sorted(SEEDS[:2]))
    assert why.startswith("not judged: the baseline's scores of 2 seeds of the plan were known")
    assert judged(seen, *both(2, 6, order=1), beside=(spender(0, 2, order=0),))[1] == ""


@pytest.mark.parametrize("state", RepeatState)
def test_a_baseline_that_was_begun_outside_is_known_until_the_pair_is_there(
    state: RepeatState,
) -> None:
    """Whoever kills the candidate looks in which environment the baseline is low: 65 %."""
    begun = run("f", CANDIDATE, SEEDS[:1], plan=REF, state=RepeatState.LOST, call="f")
    outside = run("k", BASE, SEEDS[:1], order=1, plan=None, state=state, environment=ENV2)
    for runs in ((begun, outside), (outside,)):
        why = judged(*runs, *both(0, 4, order=2))[1]
        assert why.startswith("not judged: the baseline's scores of 1 seed of the plan were known")
    assert judged(*both(0, 4), replace(outside, order=5))[1] == ""
    assert judged(*both(0, 4), outside, by=parallel)[1]


# Places of a repeat of the baseline, and of what of a candidate was begun by then.
FORMER = Amendment(DRAWN.digest, "why", DRAWN.author, DRAWN.created_at, {}, fresh=True)
AMENDED = sealed(replace(DRAWN, alpha=0.01, amended=(FORMER,)))
UNDER = {"plan": REF, "twin": replace(REF, name="other"), "none": None}
NOW = PlanRef(AMENDED.name, AMENDED.digest)


def spender(first: int, last: int, **more: object) -> FoundRun:
    return run("s", OTHER, SEEDS[first:last], **{"plan": None, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("place", UNDER)
@pytest.mark.parametrize("passed", [(), (1, 3), (0, 1, 2, 3, 4)])
def test_who_knew_the_baselines_scores_chooses_no_seeds(
    place: str, passed: tuple[int, ...], *, beside: bool
) -> None:
    """Whatever plan they were known under, wherever they lie, and whatever spent others of them."""
    gone = {*SEEDS[: max(passed, default=-1) + 1]}  # none before them stays, to be picked
    left = SEEDS[len(gone) :][:4]
    known = run("k", BASE, SEEDS[:6], order=1, plan=UNDER[place], call="k")
    spent = run("s", OTHER, tuple(SEEDS[number] for number in passed), order=2, plan=None)
    mine = [
        run(letter, side, left, order=3, plan=REF, call="m")
        for letter, side in (("b", BASE), ("c", CANDIDATE))
    ]
    reached, other = ((), (known, spent)) if beside else ((known, spent), ())
    result, why = judged(*reached, *mine, beside=other)
    assert (set(result.pairs), result.spent) == ({*left}, gone)
    assert why.startswith("not judged: the baseline's scores of ")
    over = f"and {len(gone)} of the plan's first {4 + len(gone)} seeds passed over"
    assert (over in why) == bool(gone)


def test_a_repeat_that_was_begun_and_never_finished_is_spent_with_all_before_it() -> None:
    """Its log may have shown the score: who takes the bad ones away keeps the lucky ones."""
    shown = run("z", OTHER, SEEDS[2:3], plan=None, state=RepeatState.FAILED)
    result, why = judged(shown, *both(3, 7, order=1))
    assert (set(result.pairs), why) == ({*SEEDS[3:7]}, "")
    assert result.spent == {*SEEDS[:3]}
    after, _ = judged(*both(0, 4), replace(shown, order=5))
    assert (set(after.pairs), after.spent) == ({*SEEDS[:4]}, frozenset())


def test_another_candidate_that_began_the_seeds_hides_no_variant_that_ran_on_them() -> None:
    """A throwaway fails on all of them under the plan; ten variants follow outside, for nothing."""
    throwaway = run("t", OTHER, SEEDS[:4], plan=REF, state=RepeatState.FAILED)
    variant = run("v", CANDIDATE, SEEDS[:4], order=1, plan=None)
    result, _ = judged(throwaway, variant, *both(0, 4, order=2))
    assert (result.pairs, result.spent) == ((), {*SEEDS[:4]})


def test_beyond_the_planned_number_no_seed_counts_whoever_asked_for_it() -> None:
    """One long call is stopped when it pleases: 17 to 23 % were supported at 5 %."""
    result, _ = judged(*both(0, 9))
    assert set(result.pairs) == {*SEEDS[:4]}
    assert reasons(result)[eligible.LATER] == tuple(sorted(SEEDS[4:9]))
    endless = sealed(replace(DRAWN, stopping=Stopping(StoppingRule.ALWAYS_VALID)))
    ref = PlanRef(endless.name, endless.digest)
    assert len(judged(*both(0, 9, plan=ref), plan=endless)[0].pairs) == 9


@pytest.mark.parametrize(("order", "call"), [(0, "f"), (1, "k")])
def test_a_baseline_that_was_scored_beside_what_failed_is_no_choice(order: int, call: str) -> None:
    """A candidate crashes, is mended and run: of the baseline nothing is run anew."""
    known = run("k", BASE, SEEDS[:4], order=1, plan=REF, call="k")
    mine = run("m", CANDIDATE, SEEDS[:4], order=3, plan=REF, call="m")
    for state in (RepeatState.FAILED, KILLED):
        begun = run("f", OTHER, SEEDS[:4], order=order, plan=REF, state=state, call=call)
        assert judged(known, begun, mine)[1] == ""
        outside = replace(begun, run=replace(begun.run, plan=None))
        assert not judged(known, outside, mine)[0].pairs  # all of them are spent
        later = replace(begun, order=2, run=replace(begun.run, call="f"))
        assert judged(known, later, mine)[1]
    assert judged(known, begun, mine, by=parallel)[1] == (
        "" if call == "k" else judged(known, mine)[1]
    )


def test_an_amended_plan_leaves_no_choice_among_seeds_that_were_known() -> None:
    """Begun by one that fails, scored by the baseline, some spent by another, and amended."""
    begun = run("f", OTHER, SEEDS[:8], plan=REF, call="k", state=RepeatState.FAILED)
    known = run("k", BASE, SEEDS[:8], plan=REF, call="k")
    high = run("h", OTHER, SEEDS[1:8:2], order=1, plan=REF, call="h")
    mine = [
        run(letter, side, SEEDS[0:8:2], order=2, plan=NOW, call="m")
        for letter, side in (("b", BASE), ("c", CANDIDATE))
    ]
    result, why = judged(known, *mine, plan=AMENDED, beside=(begun, high))
    assert (result.pairs, result.spent) == ((), {*SEEDS[:8]})
    again = run("h", OTHER, SEEDS[:4], order=1, plan=REF, call="h")  # mended, and run again
    fresh = [
        run(letter, side, SEEDS[8:12], order=2, plan=NOW, call="m")
        for letter, side in (("b", BASE), ("c", CANDIDATE))
    ]
    few = replace(known, run=replace(known.run, repeats=known.run.repeats[:4]))
    result, why = judged(few, *fresh, plan=AMENDED, beside=(begun, again))
    assert (set(result.pairs), result.spent, why) == ({*SEEDS[8:12]}, {*SEEDS[:8]}, "")


@pytest.mark.parametrize("state", [RepeatState.FINISHED, KILLED])
def test_one_that_fails_on_all_seeds_excuses_no_choice_among_them(state: RepeatState) -> None:
    """It prints nothing; the baseline's scores are seen; the high ones are spent by another one."""
    begun = run("f", OTHER, SEEDS[:4], plan=REF, call="k", state=RepeatState.FAILED)
    known = run("k", BASE, SEEDS[:4], plan=REF, call="k", state=state)
    repeats = [replace(each, log_tail="acc 0.61\n") for each in known.run.repeats]
    known = replace(known, run=replace(known.run, repeats=tuple(repeats)))
    high = run("h", OTHER, SEEDS[:2], order=1, plan=None)
    mine = run("c", CANDIDATE, SEEDS[2:6], order=2, plan=REF, call="m")
    left = SEEDS[2:6] if state is KILLED else SEEDS[4:6]
    rest = run("b", BASE, left, order=2, plan=REF, call="m")
    result, why = judged(begun, known, high, mine, rest)
    assert {*SEEDS[2:6]} == set(result.pairs)
    assert "were known before a candidate had begun them" in why


def test_for_a_plan_with_committed_seeds_no_drawn_repeat_of_the_baseline_counts() -> None:
    """They would pair with none of the candidate's, and be a second draw beside those that do."""
    theirs = run("z", BASE, SEEDS[:4], plan=replace(PLAN_REF, name="earlier"))
    theirs = replace(theirs, run=replace(theirs.run, drawn=True))
    mine = run("y", CANDIDATE, (1, 2, 8), order=1, plan=PLAN_REF)
    result, _ = judged(theirs, mine, plan=PLAN)
    assert not result.baseline.repeats
    assert reasons(result)[eligible.NOT_DRAWN] == tuple(sorted(SEEDS[:4]))


def test_a_seed_run_elsewhere_afterwards_stays() -> None:
    """Else whoever dislikes a repeat removes it by running its seed again without the plan."""
    result, why = judged(*both(0, 4), run("z", OTHER, SEEDS[:2], order=5, plan=None))
    assert (set(result.pairs), result.spent, why) == ({*SEEDS[:4]}, set(), "")


def test_a_repeat_for_the_snapshot_of_another_plan_spends_a_seed_too() -> None:
    """Its score is as well known as any, whatever it was made for."""
    seen = run("z", OTHER, SEEDS[:1], order=0, plan=replace(REF, name="throwaway"))
    seen = replace(seen, run=replace(seen.run, snapshot_only=SEEDS[0]))
    result, why = judged(*both(1, 5, order=1), beside=(seen,))
    assert (set(result.pairs), result.spent, why) == ({*SEEDS[1:5]}, {SEEDS[0]}, "")


def test_a_plan_of_many_looks_no_further_than_its_runs() -> None:
    plan = sealed(replace(DRAWN, repeats=100_000, seeds=PlanSeeds("7" * 32)))
    assert plan.drawn
    own = tuple(itertools.islice(plan.drawn.sequence(), 3))
    ref = PlanRef(plan.name, plan.digest)
    sides = [run(name, side, own, plan=ref) for name, side in (("b", BASE), ("c", CANDIDATE))]
    assert judged(*sides, plan=plan)[0].pairs == tuple(sorted(own))
    assert len(plan.likely_seeds({*own})) < 2 * MOST_UNSEEN
    known, _ = _known_seeds("", plan.drawn.root)
    assert len(known) < 2 * MOST_UNSEEN


@pytest.mark.parametrize("number", [27, 28, 60, 200])
def test_seeds_that_are_spent_push_on_those_that_are_looked_for(number: int) -> None:
    plan = replace(DRAWN, repeats=10)
    seeds = tuple(itertools.islice(PlanSeeds(ROOT).sequence(), number + 19))
    assert plan.likely_seeds({*seeds[: number + 1]}) >= {*seeds}
    assert len(plan.likely_seeds({1, 2, 3})) == 28


def test_of_parallel_lines_nothing_is_decided() -> None:
    beside = run("z", CANDIDATE, SEEDS[:1], order=5, plan=None)
    result, why = judged(*both(0, 4), beside=(beside,), by=parallel)
    assert set(result.pairs) == {*SEEDS[:4]}
    assert why.startswith("not judged: 1 seed of the plan ran outside it")


@pytest.mark.parametrize("place", [2, 4])  # below, and on top of what is of the plan
@pytest.mark.parametrize("others", [False, True])
def test_what_ran_meanwhile_is_no_later_for_being_on_top(place: int, *, others: bool) -> None:
    """A rebase moves a record, and nobody has seen any more for it."""
    mine = [lasting(each) for each in both(0, 4, order=3)]
    outside = lasting(run("z", CANDIDATE, SEEDS[:2], order=place, plan=None))
    order = contradicted.in_order(in_line, lambda commit: others and commit == outside.commit)
    result, why = judged(*mine, beside=(outside,), by=order)
    assert (set(result.pairs), result.spent) == ({*SEEDS[:4]}, set())
    assert why.startswith("not judged: 2 seeds of the plan ran outside it") is not others
    later = judged(*mine, beside=(lasting(outside, begins=10),), by=order)[1]
    assert (later == "") is (others or place > 3)


@pytest.mark.parametrize("how", ["merge", "rebase"])
def test_however_two_lines_are_joined_the_answer_is_one(repo: BuiltRepo, how: str) -> None:
    lab = Lab(repo)
    lab.init()
    first = rewritten(lab, lab.plan(effect=">0", repeats=6), seeds=PlanSeeds(ROOT))
    lab.change()
    repo.switch("there", create=True)
    lab.record("b", {"f1": scores(0.7, SEEDS[:6])}, plan=first)
    repo.switch(first.branch)
    easier = rewritten(lab, first, alpha=0.2)
    lab.record("c", {"f1": scores(0.6, SEEDS[:6])}, of="main", plan=easier, call="1")
    lab.record("d", {"f1": scores(0.7, SEEDS[:6])}, of="HEAD~1", plan=easier, call="1")
    repo.switch("there")
    repo.git(how, first.branch)
    repo.git("branch", "--force", first.branch)
    repo.switch(first.branch)
    joined = one(lab)
    assert joined.verdict is Verdict.UNDECIDABLE
    assert "6 seeds of the plan ran outside it" in str(joined)


def elsewhere(
    *runs: FoundRun, rules: int = 1, by: Earlier = in_line, metric: str = "f1", wall_s: float = 1
) -> str:
    """Why a whole set decides nothing where another own branch has these runs."""
    plan = sealed(replace(DRAWN, rules=rules, metric=metric))
    ref = PlanRef(plan.name, plan.digest)
    beside = tuple(replace(item, run=replace(item.run, plan=ref)) for item in runs)
    mine = tuple(lasting_each(item, wall_s) for item in both(0, 4, plan=ref))
    found = FoundRuns(mine, elsewhere=beside, lines=(("side", beside),))
    result = count(found, plan, BASE, CANDIDATE, by)
    return selection.unjudged(found, result, plan, CANDIDATE, by)


def lasting_each(item: FoundRun, wall_s: float) -> FoundRun:
    """A run each of whose repeats took so long."""
    used = Resources(wall_s=wall_s)
    repeats = tuple(replace(each, resources=used) for each in item.run.repeats)
    return replace(item, run=replace(item.run, repeats=repeats))


@pytest.mark.parametrize("metric", ["wall_s", "resource:wall_s"])
def test_of_a_resource_too_a_second_draw_is_one_with_other_numbers(metric: str) -> None:
    again = run("x", CANDIDATE, SEEDS[1:2], order=1)
    for wall_s, why in ((1.0, ""), (2.0, f"not judged: seed {SEEDS[1]} drawn more than once")):
        found = elsewhere(lasting_each(again, wall_s), by=parallel, metric=metric)
        assert found[: len(why) or None] == why


@pytest.mark.parametrize("rules", [1, 2])
@pytest.mark.parametrize("side", [BASE, CANDIDATE])
@pytest.mark.parametrize("environment", [ENV, ENV2])
def test_a_repeat_that_another_branch_has_with_other_numbers_decides_nothing(
    side: InputsDigest, environment: EnvironmentDigest, rules: int
) -> None:
    """The best of three draws a pair, each on a branch of its own: 85 % were supported at 5 %."""
    again = run("x", side, SEEDS[1:2], order=1, environment=environment, values={SEEDS[1]: 0.6})
    why = elsewhere(again, rules=rules, by=parallel)
    assert why.startswith(f"not judged: seed {SEEDS[1]} drawn more than once")
    assert "in side: " in why
    assert elsewhere(again, rules=rules) == ""  # it went on from what counts
    same = run("x", side, SEEDS[1:2], order=1, environment=environment)
    assert elsewhere(same, rules=rules, by=parallel) == ""
    value = same.samples[0].value
    last_bit = run(
        "x", side, SEEDS[1:2], environment=environment, values={SEEDS[1]: math.nextafter(value, 1)}
    )  # of another machine
    assert elsewhere(last_bit, rules=rules, by=parallel) == ""
    beyond = run("x", side, SEEDS[4:5], order=1, values={SEEDS[4]: 0.6})
    assert elsewhere(beyond, rules=rules, by=parallel) == ""
    killed = run("x", side, SEEDS[1:2], order=1, state=KILLED)
    assert elsewhere(killed, rules=rules, by=parallel) == ""


def test_a_second_draw_is_found_in_any_archive(shared: tuple[Lab, Plan]) -> None:
    redrawn(*shared)
    shared[0].repo.git("tag", "exp-archive/tried", "again")
    shared[0].repo.git("branch", "-D", "again")
    assert "with other numbers in exp-archive/tried: " in one(shared[0]).headline


def test_of_committed_seeds_a_second_draw_is_said_alone(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0", repeats=6)
    lab.change()
    lab.repo.git("branch", "start")
    both_sides(lab, plan, "bc", SEEDS[:6])
    redrawn(lab, plan)
    found = one(lab)
    assert found.verdict is Verdict.SUPPORTED
    said = f"seed {SEEDS[0]} drawn more than once, with other numbers in again"
    assert [text for text in found.warnings if text.startswith(said)]


def test_parallel_draws_decide_nothing_once_they_are_merged() -> None:
    """The smallest run id counts: who draws and merges until that one is good has chosen."""
    again = run("x", CANDIDATE, SEEDS[:1], order=1, plan=REF, values={SEEDS[0]: 0.6})
    assert "in this history: " in judged(*both(0, 4), again, by=parallel)[1]
    assert judged(*both(0, 4), again)[1] == ""
    other = replace(again, run=replace(again.run, repeats=tuple(
        replace(each, environment=ENV2) for each in again.run.repeats
    )))  # fmt: skip
    assert judged(*both(0, 4), other, by=parallel)[1] == ""  # no part of its set


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


@pytest.fixture
def shared(lab: Lab) -> tuple[Lab, Plan]:
    """Two clones share out six seeds, and one of them took two calls, as one was killed."""
    repo = lab.repo
    lab.init()
    plan = rewritten(lab, lab.plan(effect=">0", repeats=6), seeds=PlanSeeds(ROOT))
    lab.change()
    repo.git("branch", "start")
    both_sides(lab, plan, "bc", SEEDS[:2])
    both_sides(lab, plan, "de", SEEDS[2:3])
    repo.git("switch", "-q", "-c", "there", "start")
    both_sides(lab, plan, "fg", SEEDS[3:6])
    repo.switch(plan.branch)
    repo.git("merge", "-q", "there")
    return lab, plan


def both_sides(lab: Lab, plan: Plan, letters: str, seeds: tuple[int, ...], more: float = 0) -> None:
    low, high = scores(0.6, seeds), scores(0.7 + more, seeds, spread=0.006)
    lab.record(letters[0], {"f1": low}, of="main", plan=plan, call=letters)
    lab.record(letters[1], {"f1": high}, of="start", plan=plan, call=letters)


def test_the_answer_of_a_try_is_the_same_after_the_next_one(lab: Lab) -> None:
    lab.init()
    plan = rewritten(lab, lab.plan(effect=">0", repeats=6), seeds=PlanSeeds(ROOT))
    lab.change()
    lab.repo.git("branch", "start")
    both_sides(lab, plan, "bc", SEEDS[:6])
    before, commit = one(lab), lab.repo.git("rev-parse", "HEAD").strip()
    lab.change(9)
    said = "try 2 under this plan: p will be multiplied by 6, unless it has the numbers and files"
    assert any(note.startswith(said) for note in status(lab.repo.workspace).notes)
    lab.record("d", {"f1": scores(0.71, SEEDS[:6], spread=0.006)}, plan=plan)
    again, second = one(lab, plan.baseline.commit, commit), one(lab)
    assert (before.verdict, before.selection) == (again.verdict, again.selection)
    assert before.headline == again.headline
    assert any(text.startswith("1 more try under this plan, or ") for text in again.warnings)
    assert second.verdict is Verdict.UNDECIDABLE, "6 / 64 is above 0.05 whatever comes out"
    assert second.headline == "no outcome of 6 pairs reaches alpha = 0.05; 8 would do"  # as try 3
    assert second.next_step.startswith("gitexp amend-plan --repeats 8 ")
    looks = [fact.text for fact in words.facts(second) if fact.label == "looks"]
    assert looks == ["1 after the planned one: of other tries, which pay for those before them"]


def second_plan(lab: Lab, *, depth: int = 3, **terms: object) -> Plan:
    """The same candidate under another plan, on a branch of its own."""
    lab.repo.switch("main")
    plan = rewritten(lab, lab.plan("again", effect=">0", repeats=8), seeds=PlanSeeds("7" * 32))
    plan = rewritten(lab, plan, **terms) if terms else plan
    lab.change(depth)
    lab.repo.git("branch", "--force", "start")
    return plan


def seeds_of(plan: Plan, number: int) -> tuple[int, ...]:
    return tuple(itertools.islice(plan.drawn.sequence(), number)) if plan.drawn else ()


@pytest.fixture
def tried(lab: Lab) -> Plan:
    """A plan whose candidate ran."""
    lab.init()
    plan = rewritten(lab, lab.plan(effect=">0", repeats=6), seeds=PlanSeeds(ROOT))
    lab.change()
    lab.repo.git("branch", "start")
    both_sides(lab, plan, "bc", SEEDS[:6])
    return plan


@pytest.mark.parametrize("where", ["branch", "archive", "merged"])
def test_a_second_plan_of_one_candidate_pays_for_the_first(
    lab: Lab, tried: Plan, where: str
) -> None:
    first = one(lab)
    assert (first.verdict, first.selection) == (Verdict.SUPPORTED, None)
    if where == "archive":
        lab.repo.switch("main")
        archive(lab.repo.workspace, tried.name, abandon=True)
    plan = second_plan(lab)
    seeds = seeds_of(plan, 8)
    if where == "merged":
        lab.repo.git("merge", "-q", "--no-edit", tried.branch)
    both_sides(lab, plan, "de", seeds)
    found = one(lab)
    assert found.verdict is Verdict.SUPPORTED
    assert found.selection is not None
    assert found.selection.how == "at this candidate, after plan deep"
    assert (found.selection.configurations, found.selection.price) == (2, 6)
    assert ", times 6 as try 2, alpha" in found.headline
    if where == "branch":
        again = one(lab, tried.name)
        assert (again.verdict, again.selection) == (first.verdict, first.selection)
        assert again.headline == first.headline


@pytest.mark.parametrize("seen", [True, False])
def test_a_plan_whose_repeats_showed_a_score_and_failed_is_a_try_of_the_next_one(
    seen: bool,  # noqa: FBT001
    lab: Lab,
) -> None:
    """Attack: look at what is logged, let bad ones fail, and plan anew on other seeds."""
    lab.init()
    plan = rewritten(lab, lab.plan(effect=">0", repeats=6), seeds=PlanSeeds(ROOT))
    lab.change()
    made = lab.record("b", {}, plan=plan, failed=SEEDS[:1], commit=False)
    file = lab.repo.path / layout.run_json(made.id)
    (repeat,) = made.repeats
    lost = replace(made, repeats=(replace(repeat, seen=seen),))
    file.write_bytes(codec.dump(lost))
    lab.repo.git("add", "--force", "--", str(file))
    lab.repo.commit(at=lab.tick(), message="run b")
    again = second_plan(lab)
    both_sides(lab, again, "de", seeds_of(again, 8))
    found = one(lab).selection
    assert (found and (found.how, found.price)) == (
        ("at this candidate, after plan deep", 6) if seen else None
    )


def test_a_plan_of_a_candidate_that_was_tried_says_its_price(lab: Lab, tried: Plan) -> None:
    lab.repo.commit({"README.md": "no input\n"})
    asked = NewRequest(
        name="again",
        hypothesis="A deeper model raises F1, once more.",
        metric="f1",
        effect=">0",
        baseline="main",
        repeats=8,
    )
    said = "try 2 at this candidate, after plan deep: p will be multiplied by 6"
    assert said in new(lab.repo.workspace, replace(asked, dry_run=True)).warnings
    unchanged = replace(asked, name="third", start="main")
    assert not [text for text in new(lab.repo.workspace, unchanged).warnings if "try " in text]
    assert tried.alpha == 0.05


def test_another_candidate_is_none_of_its_tries(lab: Lab, tried: Plan) -> None:
    plan = second_plan(lab, depth=4)
    both_sides(lab, plan, "de", seeds_of(plan, 8))
    assert one(lab).selection is None
    assert one(lab, tried.name).selection is None


def test_what_was_the_baseline_of_another_plan_was_not_tried_by_it(lab: Lab, tried: Plan) -> None:
    """What was merged is taken back, and that is asked about."""
    lab.repo.git("branch", "-f", "old", "main")
    lab.repo.switch("main")
    lab.repo.git("merge", "-q", "--no-ff", "--no-edit", tried.branch)
    lab.repo.git("branch", "-D", tried.branch)
    plan = second_plan(lab, depth=2)
    assert lab.inputs() == lab.inputs("old")
    both_sides(lab, plan, "de", seeds_of(plan, 8))
    assert one(lab).selection is None


def test_a_candidate_that_its_plan_named_as_the_baseline_for_a_moment_was_tried(lab: Lab) -> None:
    lab.init()
    plan = rewritten(lab, lab.plan(effect=">0", repeats=6), seeds=PlanSeeds(ROOT))
    lab.change()
    lab.repo.git("branch", "start")
    told = named_once(plan, lab.repo.git("rev-parse", "start").strip())
    both_sides(lab, rewritten(lab, told), "bc", SEEDS[:6])
    plan = second_plan(lab)
    both_sides(lab, plan, "de", seeds_of(plan, 8))
    found = one(lab).selection
    assert found is not None
    assert found.price == 6


@pytest.mark.parametrize("checked_out", [False, True])
def test_what_others_tried_raises_nobodys_price(
    lab: Lab, tried: Plan, *, checked_out: bool
) -> None:
    repo = lab.repo
    repo.switch("main")
    theirs = clone(repo, repo.path.parent / "theirs", "--branch", "main")
    bob = Lab(BuiltRepo(theirs.path, ("Bob", "bob@example.org")), [100])
    plan = second_plan(bob, author=Person("Bob", "bob@example.org"))
    both_sides(bob, plan, "de", seeds_of(plan, 8))
    repo.switch(tried.branch)
    both_sides(lab, tried, "fg", SEEDS[:6])
    before = str(one(lab, tried.name))
    repo.git("fetch", "-q", str(theirs.path), "exp/again:refs/remotes/bob/exp/again")
    if checked_out:
        repo.git("branch", "exp/again", "refs/remotes/bob/exp/again")
    assert str(one(lab, tried.name)) == before
    assert one(lab, "exp/again" if checked_out else "bob/exp/again").selection is None


@pytest.mark.parametrize(("who", "depth", "price"), [("Bob", 5, 0), ("Ada", 5, 6), ("Bob", 4, 6)])
def test_a_merged_plan_of_others_with_the_same_root_is_a_try_of_the_same_candidate_alone(
    lab: Lab, who: str, depth: int, price: int
) -> None:
    """Whoever copied a root and had it merged raised a price; its seeds are spent all the same."""
    lab.init()
    repo, person = lab.repo, Person(who, f"{who.lower()}@example.org")
    plan = rewritten(lab, lab.plan(effect=">0", repeats=8), seeds=PlanSeeds(ROOT))
    theirs = clone(repo, repo.path.parent / "theirs", "--branch", "exp/deep")
    theirs.git("branch", "main", "origin/main")
    other = Lab(BuiltRepo(theirs.path, (person.name, person.email)), [100])
    twin = second_plan(other, depth=depth, author=person, seeds=PlanSeeds(ROOT), alpha=0.04)
    both_sides(other, twin, "de", SEEDS[:2])
    other.change(2)
    repo.git("pull", "-q", "--no-rebase", "--no-edit", str(theirs.path), "exp/again")
    lab.clock[0] = 200
    lab.change(4)
    repo.git("branch", "start")
    both_sides(lab, plan, "bc", SEEDS[2:10])
    found = one(lab)
    assert found.verdict is Verdict.SUPPORTED
    assert (found.selection.price if found.selection else 0) == price
    assert any("were passed over" in text for text in found.warnings)


def squashed(lab: Lab, plan: Plan) -> None:
    lab.repo.switch("main")
    lab.repo.git("merge", "-q", "--squash", plan.branch)
    lab.repo.git("commit", "-q", "-m", "squashed")
    lab.repo.git("branch", "-D", plan.branch)


def rebased(lab: Lab, plan: Plan) -> None:
    lab.repo.git("branch", "backup")
    lab.repo.switch("main")
    lab.repo.commit({"README.md": "more"})
    lab.repo.switch(plan.branch)
    lab.repo.git("rebase", "-q", "main")


def renamed(lab: Lab, plan: Plan) -> None:
    rename(lab.repo.workspace, plan.name, "deeper")


def archived(lab: Lab, plan: Plan) -> None:
    lab.repo.switch("main")
    archive(lab.repo.workspace, plan.name, abandon=True)
    restore(lab.repo.workspace, plan.name)
    lab.repo.switch(plan.branch)


def forked(lab: Lab, plan: Plan) -> None:
    """A colleague draws all of it again, and his branch is looked at here."""
    repo = lab.repo
    theirs = clone(repo, repo.path.parent / "theirs", "--branch", "start")
    theirs.git("branch", "main", "origin/main")
    bob = BuiltRepo(theirs.path, ("Bob", "bob@example.org"))
    both_sides(Lab(bob, [100]), plan, "xy", SEEDS[:6], 0.05)
    repo.git("fetch", "-q", str(theirs.path), "start:theirs")


def redrawn(lab: Lab, plan: Plan) -> None:
    lab.repo.git("switch", "-q", "-c", "again", "start")
    both_sides(lab, plan, "vw", SEEDS[:1], 0.05)
    lab.repo.git("switch", "-q", "-")


@pytest.mark.sweep(3, "None-named0")
@pytest.mark.parametrize(
    ("flow", "named"),
    [
        (None, ()),
        (squashed, ("deep",)),
        (rebased, ()),
        (renamed, ()),
        (archived, ()),
        (forked, ()),
    ],
)
def test_no_usual_way_of_working_is_taken_for_a_second_draw(
    shared: tuple[Lab, Plan], flow: Callable[[Lab, Plan], None] | None, named: tuple[str, ...]
) -> None:
    if flow is not None:
        flow(*shared)
    assert one(shared[0], *named).verdict is Verdict.SUPPORTED
    redrawn(*shared)
    second = one(shared[0], *named)
    assert second.verdict is Verdict.UNDECIDABLE
    assert "drawn more than once, with other numbers in again" in second.headline
    if flow is None:
        assert status(shared[0].repo.workspace).next_step == second.next_step
        assert second.next_step.startswith("gitexp new NAME --baseline main --metric")


def test_the_baseline_alone_before_there_is_a_candidate_decides_nothing() -> None:
    """Else whoever goes on only where the baseline was low has chosen by its scores."""
    base, mine = both(0, 4)
    alone = run("d", BASE, SEEDS[:4], order=0, plan=REF, call="0")
    late = run("e", CANDIDATE, SEEDS[:4], order=1, plan=REF, call="1")
    assert judged(alone, late)[1].startswith("not judged: the baseline's scores of 4 seeds")
    assert judged(base, mine)[1] == ""
    first = run("g", BASE, SEEDS[:1], order=0, plan=REF, call="0")  # of a call that was killed
    both_later = (run("h", BASE, SEEDS[1:4], order=1, plan=REF, call="1"), late)
    result, why = judged(first, *both_later)
    assert (set(result.pairs), why) == ({*SEEDS[:4]}, "")
    failed = run("f", CANDIDATE, SEEDS[:1], order=0, plan=REF, state=RepeatState.FAILED, call="0")
    assert judged(alone, failed, late)[1].startswith("not judged: the baseline's scores of 3 seeds")


def test_what_is_run_after_the_planned_number_is_no_second_chance() -> None:
    result, _ = judged(*both(0, 4), *both(4, 8, order=1))
    assert set(result.pairs) == {*SEEDS[:4]}
    assert reasons(result)[eligible.LATER] == tuple(sorted(SEEDS[4:8]))


def test_a_later_seed_waits_for_the_pairs_before_it() -> None:
    base = run("a", BASE, (*SEEDS[:3], *SEEDS[4:6]), plan=REF)
    result, _ = judged(base, run("b", CANDIDATE, SEEDS[:6], plan=REF))
    assert set(result.pairs) == {*SEEDS[:3]}


def test_an_amended_plan_goes_on_in_the_same_sequence() -> None:
    kept = Amendment(DRAWN.digest, "why", DRAWN.author, DRAWN.created_at, {}, fresh=True)
    plan = sealed(replace(DRAWN, alpha=0.01, amended=(kept,)))
    result, why = judged(
        *both(0, 4), *both(4, 8, order=1, plan=PlanRef(plan.name, plan.digest)), plan=plan
    )
    assert (set(result.pairs), result.spent, why) == ({*SEEDS[4:8]}, {*SEEDS[:4]}, "")


def test_what_is_begun_later_takes_nothing_whatever_was_begun_first() -> None:
    """Else whoever lacks one seed of the plan draws the rest again when they do not please."""
    first = run("x", OTHER, SEEDS[:1], plan=None)
    mine = both(1, 5, order=1)
    later = run("z", OTHER, SEEDS[8:9], order=2, plan=None)
    for runs in ((first, *mine), (first, *mine, later)):
        assert set(judged(*runs)[0].pairs) == {*SEEDS[1:5]}
    plans = [DRAWN, amended(DRAWN, alpha=0.04)]
    plans.append(amended(plans[1], alpha=0.03))
    runs = [
        each
        for n, plan in enumerate(plans)
        for each in both(4 * n, 4 * n + 4, order=n, plan=PlanRef(plan.name, plan.digest))
    ]
    for n, plan in enumerate(plans):
        assert set(judged(*runs, plan=plan)[0].pairs) == {*SEEDS[4 * n : 4 * n + 4]}


@pytest.mark.parametrize("on_failed", OnFailed)
def test_a_failed_repeat_is_replaced_only_where_the_plan_drops_it(on_failed: OnFailed) -> None:
    plan = sealed(replace(DRAWN, on_failed=on_failed))
    ref = PlanRef(plan.name, plan.digest)
    base = run("a", BASE, SEEDS[:5], plan=ref, call="1")
    bad = run("b", CANDIDATE, SEEDS[1:2], plan=ref, call="1", state=RepeatState.FAILED)
    rest = run("c", CANDIDATE, (SEEDS[0], *SEEDS[2:5]), order=1, plan=ref, call="1")
    pairs = set(judged(base, bad, rest, plan=plan)[0].pairs)
    dropped = {SEEDS[0], *SEEDS[2:5]}
    assert pairs == (dropped if on_failed is OnFailed.DROP else dropped - {SEEDS[4]})


def test_an_exploratory_record_changes_nothing_of_a_planned_count() -> None:
    before, _ = judged(*both(0, 4))
    more = run("z", CANDIDATE, range(20), order=5, plan=None)
    after, why = judged(*both(0, 4), more)
    assert (after.pairs, after.looks, after.variants, why) == (
        before.pairs, before.looks, before.variants, "",
    )  # fmt: skip
    assert reasons(after).keys() - reasons(before).keys() == {eligible.EXPLORATORY}
    assert counting.UNPAIRED not in reasons(after)


def made(what: str, item: FoundRun) -> FoundRun:
    """Let each repeat that does not say what it made have made this."""
    repeats = (replace(each, made=each.made or what) for each in item.run.repeats)
    return replace(item, run=replace(item.run, repeats=tuple(repeats)))


def looks(*runs: FoundRun) -> int:
    """How often somebody looked and went on; each made a file of its own."""
    found = FoundRuns(tuple(made(item.run.inputs, item) for item in runs))
    return count(found, DRAWN, BASE, CANDIDATE, in_line).looks


def picked(
    *runs: FoundRun,
    plan: Plan = DRAWN,
    past: tuple[FoundRun, ...] = (),
    attempts: tuple[FoundRun, ...] = (),
    by: Earlier = in_line,
    ancestry: Earlier = lambda *_: False,
) -> str:
    """Which try the candidate is, and what p is multiplied by; each made a file of its own."""
    runs, past = (tuple(made(item.run.inputs, item) for item in each) for each in (runs, past))
    found = FoundRuns(runs, past=past, attempts=attempts, ancestry=ancestry)
    result = count(found, plan, BASE, CANDIDATE, by)
    found = selection.of_variants(result, plan)
    return "" if found is None else f"{found.configurations}: {found.price}"


def amended(plan: Plan, **terms: object) -> Plan:
    kept = Amendment(plan.digest, "why", plan.author, plan.created_at, {}, fresh=True)
    return sealed(replace(plan, amended=(*plan.amended, kept), **terms))  # type: ignore[arg-type]


def test_each_version_of_a_plan_of_which_a_score_was_seen_is_a_try() -> None:
    """Five amendments of what had run, until one is supported: 23 % were, and now 6."""
    plans = [DRAWN]
    for number in range(1, 4):
        plans.append(amended(plans[-1], alpha=0.05 - number / 100))
    refs = [PlanRef(plan.name, plan.digest) for plan in plans]
    runs = [each for n in (0, 2) for each in both(2 * n, 2 * n + 4, order=n, plan=refs[n])]
    assert picked(*runs[:2]) == ""
    assert picked(*runs, plan=plans[2]) == "2: 6"  # one was never run
    last = both(8, 12, order=3, plan=refs[3])
    assert picked(*runs, *last, plan=plans[3]) == "3: 12"
    # Whoever goes back to an older one has its answer, as it was.
    assert picked(*runs[:2], *last, plan=DRAWN) == picked(*runs, *last, plan=DRAWN) == ""
    renamed = both(8, 12, order=3, plan=replace(refs[3], name="another"))
    assert picked(*renamed, *both(0, 4, order=4)) == "2: 6"
    told = replace(last[1], run=replace(last[1].run, origin=Origin.REPORTED))
    assert picked(told, *both(0, 4, order=4)) == ""


def test_a_try_keeps_its_place_whatever_is_run_later() -> None:
    """Of ten variants the one at which somebody stops has its answer for ever."""
    mine = both(0, 4, order=1)
    others = [
        run("rst"[n], InputsDigest(f"{n}" * 64), SEEDS[:4], order=n, plan=REF, minute=n)
        for n in (0, 2)
    ]
    assert picked(*mine) == picked(*mine, others[1]) == ""
    assert picked(*mine, others[0]) == picked(*mine, *others) == "2: 6"


def test_a_candidate_that_showed_only_what_an_earlier_one_had_is_the_same_try() -> None:
    """A comment makes other inputs, and the same numbers and files: nothing was chosen."""

    def mine(first: int, last: int, order: int = 2, **terms: object) -> FoundRun:
        letter = "mnop"[order - 2]
        return made("A", run(letter, CANDIDATE, SEEDS[first:last], order=order, plan=REF, **terms))  # type: ignore[arg-type]

    base = run("b", BASE, SEEDS[:4], plan=REF)
    earlier = made("A", run("r", OTHER, SEEDS[:4], order=1, plan=REF))
    assert (
        picked(base, earlier, mine(0, 4)) == picked(base, earlier, mine(0, 2), mine(2, 4, 3)) == ""
    )
    third = run("t", InputsDigest("9" * 64), SEEDS[:4], order=0, plan=REF)
    assert picked(base, third, earlier, mine(0, 4)) == "2: 6"
    assert (looks(base, earlier, mine(0, 4)), looks(base, third, mine(0, 4))) == (0, 1)
    assert picked(base, earlier, replace(third, order=2), mine(0, 4, 3)) == ""
    # Any number, file, place or way to end of its own is a chance of its own.
    high, bad = {SEEDS[3]: math.nextafter(0.5, 1)}, RepeatState.FAILED
    for other in (
        (mine(0, 4, values=high),),
        (made("B", run("m", CANDIDATE, SEEDS[:4], order=2, plan=REF)),),
        (mine(0, 4, environment=ENV2),),
        (mine(0, 4, evaluation=None),),
        (mine(0, 3), mine(3, 4, 3, state=bad)),
    ):
        assert picked(base, earlier, *other) == "2: 6"
    edited = replace(earlier, altered=True)
    assert picked(base, edited, mine(0, 4)) == "2: 6"
    clocked = sealed(replace(DRAWN, metric="fit_time_s"))
    ref = PlanRef(clocked.name, clocked.digest)
    runs = [replace(it, run=replace(it.run, plan=ref)) for it in (base, earlier, mine(0, 4))]
    assert picked(*runs, plan=clocked) == "2: 6"  # time is drawn anew


def test_a_try_begins_where_it_showed_what_no_single_other_one_had() -> None:
    """Else ten that are equal on one seed, and go on apart, would each be the first."""
    tries = [InputsDigest(f"{n}" * 64) for n in range(3)]
    started = [
        made("A", run("xyz"[n], tries[n], SEEDS[:1], order=n + 1, plan=REF)) for n in range(3)
    ]
    base = run("b", BASE, SEEDS[:4], plan=REF)
    mine = [
        made("A", run("m", CANDIDATE, SEEDS[:1], order=4, plan=REF)),
        run("n", CANDIDATE, SEEDS[1:4], order=7, plan=REF),
    ]
    others = [run("uvw"[n], tries[n], SEEDS[1:4], order=8 - n, plan=REF) for n in range(3)]
    assert picked(base, *started, *mine) == picked(base, *started, others[0], *mine) == "2: 6"
    assert picked(base, *started, others[2], *mine) == "3: 12"  # which had gone on before it
    # Seed by seed the better of two would be a choice.
    two = [
        made(what, run("xy"[n], tries[n], SEEDS[:4], order=n + 1, plan=REF))
        for n, what in enumerate("AB")
    ]
    mixed = [
        made(what, run("mn"[n], CANDIDATE, SEEDS[2 * n : 2 * n + 2], order=n + 4, plan=REF))
        for n, what in enumerate("AB")
    ]
    assert picked(base, *two, *mixed) == "3: 12"


def test_each_plan_of_one_candidate_is_a_try() -> None:
    """The same candidate under five plans, fresh seeds each, until one says yes: 24 % did."""
    mine = both(0, 4, order=3)
    tried = [
        run("rst"[n], CANDIDATE, (n,), order=n, plan=PlanRef(f"p{n}", f"{n}" * 64), minute=-1)
        for n in range(3)
    ]
    assert picked(*mine, attempts=(tried[0],)) == "2: 6"
    assert picked(*mine, attempts=tuple(tried)) == "4: 20"
    again = replace(tried[1], order=0, run=replace(tried[1].run, plan=tried[0].run.plan))
    assert picked(*mine, attempts=(tried[0], again)) == "2: 6"  # one plan, two calls
    other = run("v", OTHER, SEEDS[:4], order=2, plan=REF)
    assert picked(*mine, other, attempts=(tried[0],)) == "3: 12"
    assert picked(*mine, attempts=(replace(tried[0], order=9),)) == ""
    late = replace(tried[0], run=replace(tried[0].run, ended_at=START + timedelta(hours=1)))
    assert picked(*mine, attempts=(tried[0],), by=parallel) == "2: 6"
    assert picked(*mine, attempts=(late,), by=parallel) == ""


def test_on_parallel_lines_the_records_times_tell_which_try_was_first() -> None:
    """Where ancestry says otherwise, one of the two clocks was set, and each pays for the other."""
    base, mine = both(0, 4, order=1)
    other = [run("r", OTHER, SEEDS[:4], plan=REF, minute=minute) for minute in (-1, 1)]
    assert picked(base, mine, other[0], by=parallel) == "2: 6"
    assert picked(base, mine, other[1], by=parallel) == ""
    assert picked(base, mine, other[1], by=parallel, ancestry=in_line) == "2: 6"
    assert picked(base, mine, replace(other[0], order=2), by=parallel, ancestry=in_line) == "2: 6"


def test_the_baseline_before_an_amendment_is_no_candidate() -> None:
    commit = CommitHash("d" * 40)
    former = run("k", OTHER, SEEDS[:4], plan=REF, call="k")
    former = replace(
        former, run=replace(former.run, source=replace(former.run.source, commit=commit))
    )
    mine = run("l", CANDIDATE, SEEDS[:4], plan=REF, call="k")
    kept = Amendment(
        DRAWN.digest, "why", DRAWN.author, DRAWN.created_at, {"baseline": commit}, fresh=True
    )
    plan = sealed(replace(DRAWN, alpha=0.01, amended=(kept,)))
    now = both(4, 8, order=1, plan=PlanRef(plan.name, plan.digest))
    assert picked(mine, *now, plan=plan, past=(former,)) == "2: 6"


def named_once(plan: Plan, commit: str) -> Plan:
    """A plan whose baseline was a commit for a moment, and then again what it had been."""
    there = replace(plan.baseline, commit=CommitHash(commit))
    moment = sealed(replace(plan, baseline=there))
    first = Amendment(
        plan.digest, "w", plan.author, START, {"baseline": plan.baseline.commit}, fresh=True
    )
    then = replace(first, digest=moment.digest, old={"baseline": commit})
    return sealed(replace(plan, amended=(*plan.amended, first, then)))


def test_a_try_whose_commit_is_named_as_the_baseline_for_a_moment_is_paid_for() -> None:
    """Five variants, and each that lost was the baseline once: the fifth paid nothing."""
    lost, commit = run("r", OTHER, SEEDS[:4], plan=REF), CommitHash("d" * 40)
    lost = replace(lost, run=replace(lost.run, source=replace(lost.run.source, commit=commit)))
    plan, now = named_once(DRAWN, commit), both(0, 4, order=1)
    assert plan.digest == DRAWN.digest
    assert picked(lost, *now) == picked(lost, *now, plan=plan) == "2: 6"
    # What ran while it was the baseline was no candidate then.
    moment = PlanRef(plan.name, plan.amended[1].digest)
    lost = replace(lost, run=replace(lost.run, plan=moment))
    assert picked(lost, *now, plan=plan) == ""


TYPO = """\
Running stage 'train':
> python train.py --lr 0.2
Traceback (most recent call last):
  File "/srv/python3.11/train.py", line 4, in <module>
    rate = 0.2 * foo1
NameError: name 'foo1' is not defined"""


@pytest.mark.parametrize(
    ("state", "log", "price"),
    [
        (RepeatState.FAILED, TYPO, ""),
        (RepeatState.FAILED, "", ""),
        (RepeatState.CANCELLED, "> python train.py", ""),
        (RepeatState.FAILED, f"f1 0.81\n{TYPO}", "4: 20"),
        (RepeatState.CANCELLED, "epoch 1: 81 %", "4: 20"),
        (RepeatState.FAILED, "ValueError: 0.81", "4: 20"),
        (RepeatState.LOST, "", "4: 20"),
    ],
)
def test_a_variant_that_printed_a_number_and_failed_is_paid_for(
    state: RepeatState, log: str, price: str
) -> None:
    """Ten that print their score and fail, and the best run again: 25 % were supported at 5 %."""
    tries = [
        run("xyz"[n], InputsDigest(f"{n}" * 64), SEEDS[:1], plan=REF, state=state) for n in range(3)
    ]
    tries = [
        replace(item, run=replace(item.run, repeats=(replace(item.run.repeats[0], log_tail=log),)))
        for item in tries
    ]
    assert picked(*tries, *both(0, 4, order=1)) == price
    first = [replace(item, run=replace(item.run, snapshot_only=SEEDS[0])) for item in tries]
    assert picked(*first, *both(0, 4, order=1)) == ""
    other = [
        replace(item, run=replace(item.run, repeats=(replace(item.run.repeats[0], seed=3),)))
        for item in tries
    ]
    assert picked(*other, *both(0, 4, order=1)) == ""


def test_a_failed_repeat_of_a_seed_that_never_counts_keeps_nothing_open() -> None:
    for seeds in (SEEDS[4:6], (3,)):
        for side in (BASE, CANDIDATE):
            bad = run("w", side, seeds, order=1, plan=REF, state=RepeatState.FAILED)
            result, why = judged(*both(0, 4), bad)
            assert (result.baseline.failed, result.candidate.failed, why) == ((), (), "")


def said(*runs: FoundRun, plan: Plan = DRAWN, past: tuple[FoundRun, ...] = ()) -> str:
    found = FoundRuns(runs, past=past)
    return "\n".join(cautions.tries(found, count(found, plan, BASE, CANDIDATE, in_line), plan))


@pytest.mark.parametrize("side", [BASE, CANDIDATE])
@pytest.mark.parametrize("state", [RepeatState.FAILED, RepeatState.LOST])
def test_a_repeat_that_ran_until_it_finished_is_named(
    side: InputsDigest, state: RepeatState
) -> None:
    """Of what varies by more than its seed whoever fails where it is low keeps what is high."""
    first = run("x", side, SEEDS[:2], plan=REF, state=state)
    name = "baseline" if side == BASE else "candidate"
    shown = numbers.seeds(SEEDS[:2])
    assert said(first, *both(0, 4, order=1)).startswith(f"{shown} of the {name} failed or stopped")
    assert not said(*both(0, 4), replace(first, order=2))  # again, and nothing came of it


@pytest.mark.parametrize("side", [BASE, CANDIDATE])
@pytest.mark.parametrize(
    ("state", "log"),
    [(RepeatState.LOST, ""), (KILLED, "f1 0.81"), (RepeatState.FAILED, "ValueError: 0.81")],
)
def test_what_showed_a_score_and_was_killed_in_another_environment_decides_nothing(
    side: InputsDigest, state: RepeatState, log: str
) -> None:
    """Looked at in three environments, killed there, and gone on with in the best: 65 %."""
    killed = run("x", side, SEEDS[1:2], plan=REF, state=state, environment=ENV2, call="x")
    begun = run("w", CANDIDATE, SEEDS[1:2], plan=REF, state=KILLED, call="x")
    (repeat,) = killed.run.repeats

    def told(**terms: object) -> str:
        changed = replace(repeat, **{"log_tail": log, **terms})  # type: ignore[arg-type]
        item = replace(killed, run=replace(killed.run, repeats=(changed,)))
        return judged(begun, item, *both(0, 4, order=1))[1]

    said = f"not judged: seed {SEEDS[1]} had shown a score in another environment"
    assert told().startswith(said)
    assert told(environment=ENV, links="other").startswith(said)
    assert told(environment=ENV) == told(environment=None) == told(seed=3) == ""
    assert judged(*both(0, 4), replace(killed, order=5))[1] == ""  # nothing came of it
    if state is KILLED:
        assert told(log_tail="Epoch") == ""


def test_a_repeat_that_went_on_from_its_checkpoint_is_not_one_that_ran_again() -> None:
    first = run("x", CANDIDATE, SEEDS[:1], plan=REF, state=RepeatState.LOST)
    base, mine = both(0, 4, order=1)
    repeats = tuple(replace(each, resumed=1) for each in mine.run.repeats)
    shown = numbers.seeds(SEEDS[:4])
    text = said(first, base, replace(mine, run=replace(mine.run, repeats=repeats)))
    assert text.startswith(f"{shown} of the candidate went on from a checkpoint: behind it chance")
    assert "\n" not in text


def test_other_candidates_that_failed_on_seeds_that_count_are_counted() -> None:
    """What they print is a score, and none of them is a variant that p pays for."""
    bad = RepeatState.FAILED
    tries = [
        run("xyz"[n], InputsDigest(f"{n}" * 64), SEEDS[:1], plan=REF, state=bad) for n in range(3)
    ]
    text = said(*both(0, 4, order=1), past=tuple(tries))
    assert text.startswith("3 other candidates began seeds that count and finished none")
    elsewhere = [replace(each, run=replace(each.run, repeats=())) for each in tries]
    assert not said(*both(0, 4, order=1), past=tuple(elsewhere))


def test_what_was_passed_over_is_named_and_why() -> None:
    """Where the run that spent a seed is not known, only that it did not run can be."""
    spent = run("z", OTHER, SEEDS[:2], plan=None)
    shown = numbers.seeds(SEEDS[:2])
    known = said(*both(2, 6, order=1), past=(spent,))
    assert known.startswith(f"{shown} of the plan were passed over, and the next of it count:")
    assert known.endswith("began before this candidate's repeat, in run zzzzzzzz (exp/x)")
    assert said(*both(2, 6, order=1)).startswith(f"{shown} of the plan did not run, and later ones")
    single = said(*both(1, 5, order=1), past=(run("z", OTHER, SEEDS[:1], plan=None),))
    assert single.startswith(f"seed {SEEDS[0]} of the plan was passed over, and the next")
