"""Which samples count: each test is a sentence of the design."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from gitexp.comparison import cautions, counting, eligible
from gitexp.comparison.counting import Count, FoundRuns, count, evaluation_of
from gitexp.model.ids import (
    CommitHash,
    EnvironmentDigest,
    EvaluationDigest,
    InputsDigest,
    RunId,
    TreeId,
)
from gitexp.model.run import Origin, PlanRef, Repeat, RepeatState, Run, Sample, Source
from gitexp.store.lookup import FoundRun
from tests.lab.records import ADA, START
from tests.lab.samples import plan as make_plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BASE, CANDIDATE, OTHER = (InputsDigest(letter * 64) for letter in "abc")
ENV, ENV2 = (EnvironmentDigest(letter * 64) for letter in "12")
PLAN = make_plan()
PLAN_REF = PlanRef(PLAN.name, PLAN.digest)
EVAL = EvaluationDigest("e" * 64)


def run(  # noqa: PLR0913  what a run may differ in
    letter: str,
    inputs: InputsDigest,
    seeds: Sequence[int],
    *,
    order: int = 0,
    plan: PlanRef | None = PLAN_REF,
    environment: EnvironmentDigest = ENV,
    origin: Origin = Origin.OBSERVED,
    values: Mapping[int, float] | None = None,
    links: str = "",
    state: RepeatState = RepeatState.FINISHED,
    evaluation: EvaluationDigest | None = EVAL,
    call: str = "",
    minute: int = 0,
) -> FoundRun:
    started = START + timedelta(minutes=minute)
    repeats = tuple(
        Repeat(
            seed,
            state,
            environment=environment,
            links=links,
            evaluation=evaluation,
            evaluation_basis="predictions",
        )
        for seed in seeds
    )
    record = Run(
        id=RunId((letter * 16)[:16]),
        origin=origin,
        source=Source(CommitHash("0" * 40), TreeId("0" * 40), ""),
        inputs=inputs,
        plan=plan,
        group="",
        engine="local",
        author=ADA,
        started_at=started,
        ended_at=started,
        seeds=tuple(seeds),
        committed_seed=0,
        repeats=repeats,
        params={},
        program="gitexp",
        sample_rows=len(seeds),
        samples_sha256="",
        call=call,
    )
    samples = tuple(Sample("f1", seed, (values or {}).get(seed, 0.5)) for seed in seeds)
    return FoundRun(record, samples, CommitHash(f"{order:040x}"), order, refs=("exp/x",))


def in_line(one: FoundRun, other: FoundRun) -> bool:
    """One line of history: what has the smaller order came before."""
    return one.order < other.order


def parallel(_one: FoundRun, _other: FoundRun) -> bool:
    """No run's commit is an ancestor of another's."""
    return False


def counted(
    *candidate: FoundRun,
    baseline: Sequence[FoundRun] = (),
    elsewhere: Sequence[FoundRun] = (),
    pooled: Sequence[FoundRun] = (),
    earlier: eligible.Earlier = in_line,
    planned: bool = True,
) -> Count:
    found = FoundRuns(tuple(candidate), tuple(baseline), tuple(elsewhere), tuple(pooled))
    return count(found, PLAN if planned else None, BASE, CANDIDATE, earlier)


def reasons(result: Count) -> dict[str, tuple[int, ...]]:
    return {item.why: item.seeds for item in result.unused}


def test_runs_under_the_plan_count_and_are_paired_by_seed() -> None:
    result = counted(run("b", BASE, range(5)), run("c", CANDIDATE, range(2, 7), order=1))
    assert result.pairs == (2, 3, 4)
    assert sorted(result.candidate.repeats) == [2, 3, 4, 5, 6]
    assert reasons(result) == {counting.UNPAIRED: (5, 6)} | reasons(result)
    assert {(item.run[0], item.seeds) for item in result.unused} == {("b", (0, 1)), ("c", (5, 6))}


def seeded(item: FoundRun, *, fixed: Mapping[str, int] | None = None, **first: int) -> FoundRun:
    """Give a run the seeds of two parameters that vary, a and b, and some that do not.

    `first` is what the first repeat had, where that was not one number.
    """
    fixed = fixed or {}
    repeats = tuple(
        replace(each, seeds={"a": each.seed, "b": each.seed, **fixed, **(first if n == 0 else {})})
        for n, each in enumerate(item.run.repeats)
    )
    return replace(item, run=replace(item.run, repeats=repeats, fixed_seeds=fixed))


def test_sides_pair_on_equal_seed_vectors_only() -> None:
    """The first repeat has what was committed: where that is another vector it has no partner."""
    base, mine = run("b", BASE, (1, 2, 3)), run("c", CANDIDATE, (1, 2, 3), order=1)
    assert counted(seeded(base, a=1, b=5), seeded(mine, a=1, b=5)).pairs == (1, 2, 3)
    result = counted(seeded(base, a=1, b=5), seeded(mine, a=1, b=6))
    assert (result.pairs, result.confounded) == ((2, 3), "")
    assert reasons(result)[counting.UNPAIRED] == (1,)
    again = seeded(run("d", BASE, (1,), order=2), a=1, b=6)
    result = counted(seeded(base, a=1, b=5), seeded(mine, a=1, b=6), again)
    assert result.pairs == (1, 2, 3)
    assert result.baseline.repeats[1].found.run.id[0] == "d"
    assert [item.run[0] for item in result.unused if item.why == counting.UNPAIRED] == ["b"]


def test_the_same_seed_beside_another_fixed_seed_is_another_sample() -> None:
    base = seeded(run("b", BASE, (1, 2, 3)), fixed={"split": 1})
    one = seeded(run("c", CANDIDATE, (1, 2), order=1), fixed={"split": 1})
    two = seeded(
        run("d", CANDIDATE, (1, 2, 3), order=2, values={1: 0.9}, call="d"), fixed={"split": 2}
    )
    result = counted(base, one, two)
    assert (result.pairs, result.confounded, result.variants) == ((1, 2), "", 2)
    assert reasons(result)[counting.OTHER_SEEDS] == (1, 2, 3)
    assert not result.warnings  # no "not deterministic": these are other samples
    apart = counted(base, two)
    assert (apart.pairs, apart.confounded) == ((), "seeds")
    said = cautions.warnings(apart, evaluation_of(apart))
    assert "a, b, split=1 at the baseline, a, b, split=2 at the candidate" in said[0]


def test_a_seed_is_spent_with_its_whole_vector() -> None:
    seen = seeded(run("e", CANDIDATE, (1, 2), plan=None), fixed={"split": 1})
    mine = seeded(run("c", CANDIDATE, (2, 3), order=1), fixed={"split": 1})
    other = seeded(run("d", CANDIDATE, (2, 3), order=1), fixed={"split": 2})
    assert reasons(counted(seen, mine))[eligible.SPENT] == (2,)
    assert eligible.SPENT not in reasons(counted(seen, other))


def test_a_run_without_the_plan_is_exploratory_and_spends_its_seeds() -> None:
    before = run("e", CANDIDATE, [0, 1], plan=None, order=0)
    under = run("c", CANDIDATE, range(4), order=1)
    result = counted(before, under)
    assert sorted(result.candidate.repeats) == [2, 3]
    assert reasons(result)[eligible.EXPLORATORY] == (0, 1)
    assert reasons(result)[eligible.SPENT] == (0, 1)


def test_a_run_under_an_earlier_version_of_the_plan_is_exploratory_too() -> None:
    old = run("e", CANDIDATE, [0], plan=PlanRef(PLAN.name, "f" * 64), order=0)  # type: ignore[arg-type]
    assert sorted(counted(old, run("c", CANDIDATE, [0, 1], order=1)).candidate.repeats) == [1]


def test_a_reported_run_never_counts_and_spends_its_seeds() -> None:
    told = run("r", CANDIDATE, [0], origin=Origin.REPORTED, order=0)
    result = counted(told, run("c", CANDIDATE, [0, 1], order=1))
    assert sorted(result.candidate.repeats) == [1]
    assert reasons(result)[eligible.REPORTED] == (0,)


def test_a_seed_is_spent_in_whatever_environment_and_wherever_it_was_seen() -> None:
    seen = run("e", CANDIDATE, [0], plan=None, environment=ENV2, order=0)
    result = counted(run("c", CANDIDATE, [0, 1], order=1), elsewhere=[seen])
    assert sorted(result.candidate.repeats) == [1]
    assert reasons(result)[counting.ELSEWHERE] == (0,)


def test_a_seed_seen_with_other_inputs_is_not_spent() -> None:
    """DESIGN: a seed is spent by samples of the candidate's inputs; mended stages are others."""
    seen = run("e", OTHER, [0], plan=None, order=0)
    result = counted(seen, run("c", CANDIDATE, [0, 1], order=1), elsewhere=[seen])
    assert sorted(result.candidate.repeats) == [0, 1]


def test_a_later_exploratory_run_takes_no_sample_away() -> None:
    later = run("e", CANDIDATE, [0], plan=None, order=2)
    assert sorted(counted(run("c", CANDIDATE, [0, 1], order=1), later).candidate.repeats) == [0, 1]


def test_on_a_parallel_line_an_exploratory_run_spends_whatever_the_clocks_say() -> None:
    under = run("c", CANDIDATE, [0, 1], minute=5)
    for minute in (4, 5, 6):
        other = run("e", CANDIDATE, [0], plan=None, minute=minute)
        result = counted(under, elsewhere=[other], earlier=parallel)
        assert sorted(result.candidate.repeats) == [1], minute


def test_the_seeds_of_the_baseline_are_not_spent() -> None:
    old = run("b", BASE, [0, 1], plan=None)
    assert counted(old, run("c", CANDIDATE, [0, 1], order=1)).pairs == (0, 1)


def test_baseline_samples_come_from_either_history_and_may_be_older() -> None:
    mine = run("b", BASE, [0], plan=None, order=0)
    its = run("d", BASE, [1], plan=None, order=1)
    result = counted(mine, run("c", CANDIDATE, [0, 1], order=2), baseline=[its])
    assert result.pairs == (0, 1)


def test_candidate_samples_that_only_the_baseline_reaches_do_not_count() -> None:
    result = counted(run("b", BASE, [0]), baseline=[run("c", CANDIDATE, [0], order=1)])
    assert not result.candidate.repeats


def test_the_same_key_never_adds_n_and_the_first_in_ancestry_counts() -> None:
    first = run("z", CANDIDATE, [0], values={0: 0.1}, order=1)
    again = run("a", CANDIDATE, [0], values={0: 0.9}, order=2)
    result = counted(again, first)
    assert result.candidate.repeats[0].found is first
    assert reasons(result)[counting.REPEATED] == (0,)
    assert any("not deterministic: f1 of the candidate" in text for text in result.warnings)


def test_the_same_value_again_is_no_warning() -> None:
    result = counted(run("c", CANDIDATE, [0], order=1), run("d", CANDIDATE, [0], order=2))
    assert result.warnings == ()


def test_on_parallel_lines_the_smallest_run_id_counts() -> None:
    runs = [run(letter, CANDIDATE, [0]) for letter in "zma"]
    assert counted(*runs, earlier=parallel).candidate.repeats[0].found.run.id[0] == "a"


def test_a_descendant_with_a_smaller_id_does_not_beat_its_ancestor() -> None:
    ancestor, descendant, beside = (run(letter, CANDIDATE, [0]) for letter in "mab")

    def earlier(one: FoundRun, other: FoundRun) -> bool:
        return one is ancestor and other is descendant

    for runs in ((ancestor, descendant, beside), (descendant, beside, ancestor)):
        assert counted(*runs, earlier=earlier).candidate.repeats[0].found is beside


def test_each_side_uses_the_largest_environment_that_both_share() -> None:
    result = counted(
        run("b", BASE, range(3)),
        run("d", BASE, range(8), environment=ENV2, order=1),
        run("c", CANDIDATE, range(3), order=2),
        run("e", CANDIDATE, range(2), environment=ENV2, order=3),
    )
    assert (result.baseline.environment, result.candidate.environment) == (ENV, ENV)
    assert result.pairs == (0, 1, 2)
    assert result.confounded == ""
    assert counting.OTHER_ENVIRONMENT in reasons(result)


def test_without_a_shared_environment_the_comparison_is_confounded() -> None:
    result = counted(
        run("b", BASE, range(3)), run("c", CANDIDATE, range(3), environment=ENV2, order=1)
    )
    assert result.confounded == "environment"
    assert result.pairs == (0, 1, 2)


def test_other_linked_data_in_a_shared_environment_confound_too() -> None:
    result = counted(
        run("b", BASE, range(3), links="x"), run("c", CANDIDATE, range(3), links="y", order=1)
    )
    assert result.confounded == "data"


def test_failed_repeats_are_counted_as_failed_until_one_finishes() -> None:
    lost = run("c", CANDIDATE, [0, 1], state=RepeatState.FAILED, order=1)
    result = counted(lost, run("d", CANDIDATE, [1], order=2))
    assert result.candidate.failed == ((0, "failed"),)


def test_what_is_found_elsewhere_is_shown_and_not_used_unless_pooled() -> None:
    far = run("d", BASE, [0, 1])
    here = run("c", CANDIDATE, [0, 1], order=1)
    assert reasons(counted(here, elsewhere=[far]))[counting.ELSEWHERE] == (0, 1)
    assert counted(here, elsewhere=[far]).pairs == ()
    pooled = counted(here, elsewhere=[far], pooled=[far])
    assert pooled.pairs == (0, 1)
    assert any("pooled" in text for text in pooled.warnings)


def test_pooling_does_not_let_in_runs_without_the_plan() -> None:
    far = run("d", CANDIDATE, [0], plan=None)
    assert not counted(elsewhere=[far], pooled=[far]).candidate.repeats


def test_without_a_plan_every_reachable_run_counts() -> None:
    result = counted(run("c", CANDIDATE, [0, 1], plan=None), planned=False)
    assert sorted(result.candidate.repeats) == [0, 1]


def test_evaluation_identity_is_compared_seed_by_seed() -> None:
    other = EvaluationDigest("d" * 64)
    base = run("b", BASE, [0, 1])
    mixed = run("c", CANDIDATE, [1], order=1, evaluation=other)
    result = evaluation_of(counted(base, run("d", CANDIDATE, [0], order=2), mixed))
    assert result.differing == (1,)
    assert evaluation_of(counted(base, run("c", CANDIDATE, [0, 1], order=1))).same


def test_undeclared_evaluation_data_are_said_to_be() -> None:
    runs = [run("b", BASE, [0], evaluation=None), run("c", CANDIDATE, [0], evaluation=None)]
    result = evaluation_of(counted(*runs))
    assert result.same
    assert result.undeclared


def looks(*runs: FoundRun) -> tuple[int, int]:
    return eligible.count_looks(runs, PLAN, BASE, in_line)


def test_the_call_that_reaches_the_planned_repeats_is_no_look_and_each_later_one_is() -> None:
    first = run("c", CANDIDATE, range(10), order=1)
    assert looks(first) == (0, 1)
    assert looks(first, run("d", CANDIDATE, range(10, 15), order=2)) == (1, 1)


def test_a_call_and_its_resume_are_one_look() -> None:
    parts = [
        run("c", CANDIDATE, range(10), order=1, call="x"),
        run("d", CANDIDATE, [10], order=2, call="y"),
        run("e", CANDIDATE, [11], order=3, call="y"),
    ]
    assert looks(*parts) == (1, 1)


def test_calls_after_changed_inputs_are_looks_of_whatever_inputs() -> None:
    runs = [
        run("c", OTHER, range(3), order=1),
        run("d", CANDIDATE, range(3), order=2),
        run("e", CANDIDATE, range(3, 10), order=3),
        run("f", OTHER, range(3, 6), order=4),
    ]
    assert looks(*runs) == (2, 2)


def test_runs_of_the_baseline_are_no_looks() -> None:
    runs = [run("c", CANDIDATE, range(10), order=1), run("b", BASE, range(10), order=2)]
    assert looks(*runs) == (0, 1)


def test_a_twin_plan_with_the_same_terms_adds_no_looks() -> None:
    twin = replace(PLAN_REF, name="another")
    runs = [run("c", CANDIDATE, range(10), order=1), run("d", OTHER, [0], plan=twin, order=2)]
    assert looks(*runs) == (0, 1)
