"""What `run` takes for done is what `compare` counts: one rule, whatever the records are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from gitexp.comparison import eligible
from gitexp.comparison.counting import FoundRuns, count
from gitexp.execution.run_sources import RunSource
from gitexp.execution.situation import Situation, choose_candidate, with_snapshot
from gitexp.model.config import ParamKey, ProjectConfig, SeedRule
from gitexp.model.ids import PlanDigest
from gitexp.model.plan import Amendment
from gitexp.model.request import RunRequest
from gitexp.model.run import Origin, RepeatState
from tests.comparison.test_counting import BASE, CANDIDATE, ENV, ENV2, PLAN, PLAN_REF, in_line, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.store.lookup import FoundRun

LETTERS = "abcdefgh"
TWIN = replace(PLAN_REF, name="another")


@st.composite
def histories(draw: st.DrawFn) -> list[FoundRun]:
    """Some runs on one line of history, of either side, under the plan or not."""
    found = []
    for order, letter in enumerate(LETTERS[: draw(st.integers(0, len(LETTERS)))]):
        found.append(
            run(
                letter,
                draw(st.sampled_from([CANDIDATE, CANDIDATE, BASE])),
                sorted(draw(st.sets(st.integers(0, 5), max_size=4))),
                order=order,
                plan=draw(st.sampled_from([PLAN_REF, PLAN_REF, None, TWIN])),
                environment=draw(st.sampled_from([ENV, ENV2])),
                origin=draw(st.sampled_from([Origin.OBSERVED] * 3 + [Origin.REPORTED])),
                state=draw(st.sampled_from([RepeatState.FINISHED] * 3 + [RepeatState.FAILED])),
            )
        )
    return found


def candidate(runs: Sequence[FoundRun]) -> eligible.Eligible:
    return eligible.of_candidate(runs, runs, PLAN, CANDIDATE, in_line)


@settings(deadline=None)
@given(histories())
def test_each_sample_that_counts_is_of_a_seed_that_run_takes_for_done(
    runs: list[FoundRun],
) -> None:
    counted = count(FoundRuns(tuple(runs)), PLAN, BASE, CANDIDATE, in_line)
    baseline = eligible.of_baseline(runs, PLAN, BASE)
    for side, rule in ((counted.candidate, candidate(runs)), (counted.baseline, baseline)):
        if side.environment is not None:
            assert rule.keys((side.environment, "")).keys() == set(side.repeats)
        else:
            assert not set(rule.repeats())


@settings(deadline=None)
@given(histories())
def test_a_seed_counts_if_and_only_if_the_design_says_so(runs: list[FoundRun]) -> None:
    """Observed, finished, under this plan, and by nobody seen outside it before."""
    mine = [item for item in runs if item.run.inputs == CANDIDATE]
    outside = [i for i in mine if i.run.plan != PLAN_REF or i.run.origin is Origin.REPORTED]
    for environment in (ENV, ENV2):
        expected = {
            repeat.seed
            for item in mine
            if item not in outside
            for repeat in item.run.repeats
            if repeat.state is RepeatState.FINISHED and repeat.environment == environment
            if not any(
                other.order < item.order
                and any(
                    r.seed == repeat.seed and r.state is repeat.state for r in other.run.repeats
                )
                for other in outside
            )
        }
        assert candidate(runs).keys((environment, "")).keys() == expected


@settings(deadline=None)
@given(
    runs=histories(),
    wanted=st.integers(1, 4),
    committed=st.integers(0, 3),
    again=st.booleans(),
    lacks=st.booleans(),
)
def test_what_run_chooses_counts_once_it_has_finished(
    runs: list[FoundRun], wanted: int, committed: int, *, again: bool, lacks: bool
) -> None:
    before = candidate(runs).keys((ENV, "")).keys()
    key = ParamKey("params.yaml", "seed")
    source = RunSource(
        repo=None,
        side="candidate",
        commit="",
        tree="",
        config=ProjectConfig(seed=SeedRule(params=(key,))),
        config_blob=None,
        overrides={},
        inputs=CANDIDATE,
        committed={key: committed},
        params={},
        entries=(),
    )
    request = RunRequest(repeats=wanted, again=again)
    seen = Situation(None, request, None, None, None, "python", None, ENV)
    spent = eligible.seen_outside(runs, PLAN, CANDIDATE)
    choice = choose_candidate(seen, source, before, spent, ())
    choice = with_snapshot(seen, source, choice, spent) if lacks else choice
    after = [*runs, run("z", CANDIDATE, choice.run, order=len(runs))]
    assert candidate(after).keys((ENV, "")).keys() == set(choice.together)
    assert len(choice.together) >= wanted
    if not again:
        assert len(choice.together) == max(wanted, len(before))
    if choice.for_snapshot is not None:
        assert lacks
        assert choice.run[0] == choice.for_snapshot == committed
        assert candidate(after).keys((ENV, "")).keys() >= before


def test_changed_linked_data_count_for_themselves() -> None:
    runs = [run("c", CANDIDATE, [0, 1], links="x"), run("d", CANDIDATE, [1], links="y", order=1)]
    assert candidate(runs).keys((ENV, "x")).keys() == {0, 1}
    assert candidate(runs).keys((ENV, "y")).keys() == {1}


def test_a_seed_run_once_more_and_one_spent_before_are_no_looks() -> None:
    seen = run("a", CANDIDATE, [0], plan=None)
    first = run("b", CANDIDATE, range(11), order=1)  # ten count
    again = run("c", CANDIDATE, [0, 1], order=2)
    assert eligible.count_looks([seen, first, again], PLAN, BASE, in_line) == (0, 1)
    more = run("d", CANDIDATE, [11], order=3)
    assert eligible.count_looks([seen, first, again, more], PLAN, BASE, in_line) == (1, 1)


def test_a_spent_seed_does_not_reach_the_planned_repeats() -> None:
    seen = run("a", CANDIDATE, [0], plan=None)
    first = run("b", CANDIDATE, range(10), order=1)  # nine count
    tenth = run("c", CANDIDATE, [10], order=2)
    assert eligible.count_looks([seen, first, tenth], PLAN, BASE, in_line) == (0, 1)


def test_what_is_seen_outside_the_plan_later_takes_no_look_back() -> None:
    runs = [
        run("a", CANDIDATE, range(10)),
        run("b", CANDIDATE, [10], order=1),
        run("c", CANDIDATE, [10], plan=None, order=2),
    ]
    assert eligible.count_looks(runs, PLAN, BASE, in_line) == (1, 1)


@settings(deadline=None)
@given(histories(), st.booleans())
def test_an_amended_plan_judges_no_baseline_that_was_seen_beside_a_candidate(
    runs: list[FoundRun],
    amended: bool,  # noqa: FBT001
) -> None:
    """Else who amends because it nearly worked keeps the baseline that was low by luck."""
    earlier = Amendment(
        PLAN_REF.digest, "it nearly worked", PLAN.author, PLAN.created_at, {}, fresh=True
    )
    plan = replace(PLAN, digest=PlanDigest("f" * 64), amended=(earlier,) if amended else ())
    new = replace(PLAN_REF, digest=plan.digest)
    runs += [run("x", BASE, [7], order=8, plan=new), run("y", BASE, [8], order=9, plan=None)]
    seen = amended and any(
        item.run.inputs == CANDIDATE
        and item.run.plan == PLAN_REF
        and any(repeat.state is RepeatState.FINISHED for repeat in item.run.repeats)
        for item in runs
    )
    counts = {item.run.id for item in eligible.of_baseline(runs, plan, BASE).runs}
    everyone = {
        item.run.id
        for item in runs
        if item.run.inputs == BASE and item.run.origin is Origin.OBSERVED
    }
    assert counts == ({item.run.id for item in runs if item.run.plan == new} if seen else everyone)
