"""`compare` on real repositories: the verdict, the exit code and the words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import CompareOptions, compare, exit_code
from gitexp.comparison.exclusions import planning
from gitexp.errors import NoSamplesError, UnknownExperimentError
from gitexp.git.transaction import layout
from gitexp.model.comparison import Role
from gitexp.model.design import SKEW_FLIPS
from gitexp.model.plan import Direction, Guard, Verdict
from gitexp.model.run import Sample
from gitexp.records import codec
from gitexp.records.terms import sealed
from gitexp.report import render_comparisons, views
from gitexp.report.sheet import Style
from gitexp.views.status import status
from tests.comparison.test_replanned import rewritten
from tests.lab.records import ENVIRONMENT, START, Lab, experiment, one, scores

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def test_a_gain_beyond_the_promise_supports_it(lab: Lab) -> None:
    experiment(lab)
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    assert result.headline.startswith("f1 rises by at least 5 %: +")
    assert result.headline.endswith(" %, p = 0.00098, alpha = 0.05")
    assert exit_code([result]) == 0
    assert result.pairs == 10
    assert (result.baseline.name, result.candidate.name) == ("main", "exp/deep")
    assert result.next_step == 'gitexp conclude -m "what was learned"'
    (metric,) = result.metrics
    assert metric.role is Role.PRIMARY
    assert metric.result is not None
    assert metric.result.plan.title == "exact paired permutation of the mean"
    assert metric.beside[0].plan.title == "paired t"
    assert metric.interval is not None
    assert metric.relative_interval is not None
    assert [(change.kind, change.what) for change in result.changes] == [("params", "depth")]


def test_a_real_gain_below_the_promise_refutes_it(lab: Lab) -> None:
    experiment(lab, gain=0.015)
    result = one(lab)
    assert result.verdict is Verdict.REFUTED
    assert result.headline.startswith("rejected that f1 rises by at least 5 %: +")
    assert ", p = 0.00098" in result.headline
    assert result.metrics[0].result is not None
    assert result.metrics[0].result.p_value < 0.05, "the gain itself is beyond doubt"
    assert exit_code([result]) == 1


def test_noise_around_the_promise_is_inconclusive(lab: Lab) -> None:
    lab.init()
    plan = lab.plan()
    lab.change()
    low = scores(0.6, range(10))
    lab.record("b", {"f1": low}, of="main", plan=plan)
    high = {seed: value * (1.08 if seed % 2 else 1.02) for seed, value in low.items()}
    lab.record("c", {"f1": high}, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.headline.startswith("not shown that f1 rises by at least 5 %: +")
    assert exit_code([result]) == 6


def test_two_revisions_give_the_verdict_if_the_first_is_the_planned_baseline(lab: Lab) -> None:
    experiment(lab)
    assert one(lab, "main", "exp/deep").verdict is Verdict.SUPPORTED
    lab.repo.switch("main")
    lab.repo.commit({"README.md": "prose\n"}, at=50)
    assert one(lab, "main", "exp/deep").verdict is Verdict.SUPPORTED, "the same inputs"


def test_another_baseline_than_the_planned_one_is_exploratory(lab: Lab) -> None:
    experiment(lab)
    lab.repo.switch("other", create=True)
    lab.change(7)
    lab.record("d", {"f1": scores(0.5, range(10))})
    result = one(lab, "other", "exp/deep")
    assert result.verdict is None
    assert result.headline == "no recorded hypothesis: exploratory"
    assert any("not the baseline of the plan deep" in text for text in result.warnings)
    assert exit_code([result]) == 0


def test_two_revisions_without_a_plan_are_shown_two_sided(lab: Lab) -> None:
    lab.init()
    lab.record("b", {"f1": scores(0.6, range(8)), "loss": scores(0.3, range(8))})
    lab.repo.switch("idea", create=True)
    lab.change()
    lab.record("c", {"f1": scores(0.7, range(8)), "loss": scores(0.3, range(8))})
    result = one(lab, "main", "idea")
    assert result.verdict is None
    assert [item.role for item in result.metrics] == [Role.WATCHED, Role.WATCHED]
    assert result.metrics[0].p_adjusted == pytest.approx(2 * 2 / 256)
    assert result.metrics[0].result is not None
    assert result.metrics[0].result.p_support is None


def test_without_samples_it_says_what_to_run(lab: Lab) -> None:
    lab.init()
    plan = lab.plan()
    lab.change()
    with pytest.raises(NoSamplesError) as none:
        compare(lab.repo.workspace)
    assert none.value.next_step == "gitexp run --with-baseline"
    lab.record("c", {"f1": scores(0.6, range(10))}, plan=plan)
    with pytest.raises(NoSamplesError) as half:
        compare(lab.repo.workspace)
    assert half.value.next_step == "gitexp run --with-baseline"
    assert half.value.expected == "seeds 0-9, as exp/deep has"


def test_too_few_pairs_are_undecidable_and_the_cheapest_way_on_is_named(lab: Lab) -> None:
    lab.init()
    plan = lab.plan()
    lab.change()
    lab.record("b", {"f1": scores(0.6, range(3))}, of="main", plan=plan)
    lab.record("c", {"f1": scores(0.7, range(10))}, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE
    assert result.headline == "no outcome of 3 pairs reaches alpha = 0.05; 5 would do"
    assert exit_code([result]) == 6
    assert result.next_step == "gitexp run --with-baseline"
    assert "missing: 7 of the baseline, 0 of the candidate, about 21 s" in result.reasons


def test_repeats_that_the_baseline_has_already_are_not_called_missing(lab: Lab) -> None:
    lab.init()
    plan = lab.plan()
    lab.change()
    lab.record("b", {"f1": scores(0.6, range(10))}, of="main", plan=plan)
    lab.record("c", {"f1": scores(0.7, range(3))}, plan=plan)
    assert "missing: 0 of the baseline, 7 of the candidate, about 21 s" in one(lab).reasons


def test_a_name_that_is_nothing_speaks_of_a_shallow_clone_only_in_one(lab: Lab) -> None:
    lab.init()
    with pytest.raises(UnknownExperimentError) as caught:
        compare(lab.repo.workspace, ["main", "nobody"])
    assert caught.value.where == ""
    assert caught.value.expected == "main"


def test_fewer_pairs_than_planned_are_inconclusive_however_good(lab: Lab) -> None:
    experiment(lab, n=8)
    result = one(lab)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.headline.startswith("8 of 10 planned pairs")
    assert result.next_step == "gitexp run --with-baseline"


def test_repeats_without_a_common_seed_are_independent_groups(lab: Lab) -> None:
    lab.init()
    plan = lab.plan()
    lab.change()
    lab.record("b", {"f1": scores(0.6, range(10))}, of="main", plan=plan)
    lab.record("c", {"f1": scores(0.7, range(20, 30))}, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    (metric,) = result.metrics
    assert metric.result is not None
    assert not metric.result.plan.paired
    assert metric.result.plan.test == "permutation"
    assert metric.beside[0].plan.title == "Welch's t"


def test_different_evaluation_data_are_not_comparable_unless_allowed_on_line_one(lab: Lab) -> None:
    lab.init()
    plan = lab.plan()
    lab.change()
    lab.record("b", {"f1": scores(0.6, range(10))}, of="main", plan=plan)
    lab.record("c", {"f1": scores(0.7, range(12))}, plan=plan, evaluation="f" * 64)
    result = one(lab)
    assert result.verdict is Verdict.NOT_COMPARABLE
    assert result.headline.startswith("the evaluation data differ (seeds 0-9)")
    assert exit_code([result]) == 6
    allowed = one(lab, options=CompareOptions(allow_different_evaluation=True))
    assert allowed.headline.startswith("on different evaluation data, as you allowed; f1 rises")
    assert allowed.metrics[0].result is not None
    assert not allowed.metrics[0].result.plan.paired, "paired tests need the same data"
    assert [n for n, _ in allowed.metrics[0].candidate_values] == list(range(12))
    assert not allowed.unused, "each repeat is in one of the two groups"


def test_more_pairs_than_planned_are_not_told_as_a_share_of_them(lab: Lab) -> None:
    experiment(lab, n=8, repeats=6)
    result = one(lab)
    assert (result.pairs, result.planned_repeats) == (8, 6)
    assert "8 by seed, 6 planned" in render_comparisons("text", (result,), Style(verbose=True))
    assert "8 count, 6 planned" in views.render(status(lab.repo.workspace), "text")


def test_a_side_that_never_ran_in_the_others_environment_is_said_on_line_one(lab: Lab) -> None:
    lab.init()
    plan = lab.plan()
    lab.change()
    lab.record("b", {"f1": scores(0.6, range(10))}, of="main", plan=plan)
    newer = replace(ENVIRONMENT, python="3.12.1")
    lab.record("c", {"f1": scores(0.7, range(10))}, plan=plan, environment=newer)
    result = one(lab)
    assert result.headline.startswith("confounded: environment; f1 rises")
    assert ("environment", "python", "3.11.9", "3.12.1") in [
        (item.kind, item.what, item.baseline, item.candidate) for item in result.changes
    ]


def test_sides_that_ran_on_other_linked_data_are_not_judged_and_a_way_out_is_named(
    lab: Lab,
) -> None:
    """The first set of the candidate counts: a fresh pair on other data is another draw."""
    lab.init()
    plan = lab.plan(effect=">0")
    lab.change()
    low, high = scores(0.6, range(10)), scores(0.7, range(10))
    lab.record("c", {"f1": high}, plan=plan, links="old")
    for letter, of, values in (("b", "main", low), ("d", "HEAD", high)):
        lab.record(letter, {"f1": values}, of=of, plan=plan, links="new")
    result = one(lab)
    assert result.headline == (
        "confounded: data; not judged: the two sides ran on different linked data"
    )
    assert exit_code([result]) == 6
    again = "gitexp run --with-baseline, with the linked data as run cccccccc had them"
    assert result.next_step.startswith(f"{again}; or gitexp new NAME")
    assert ("other linked data", "d" * 16) in [(item.why, item.run) for item in result.unused]
    lab.record("e", {"f1": low}, of="main", plan=plan, links="old")
    assert one(lab).verdict is Verdict.SUPPORTED


def test_equal_inputs_are_not_comparable(lab: Lab) -> None:
    lab.init()
    plan = lab.plan()
    lab.record("c", {"f1": scores(0.7, range(10))}, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.NOT_COMPARABLE
    assert "same inputs" in result.headline


def test_a_relative_promise_on_a_baseline_of_zero_is_not_comparable(lab: Lab) -> None:
    lab.init()
    plan = lab.plan()
    lab.change()
    lab.record("b", {"f1": {seed: float(seed) for seed in range(10)}}, of="main", plan=plan)
    lab.record("c", {"f1": scores(0.7, range(10))}, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.NOT_COMPARABLE
    assert "positive baseline" in result.headline


def test_a_broken_guard_rail_is_a_no_although_the_promise_holds(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(guards=(Guard("ms", "<=", 0.05, relative=True),))
    lab.change()
    seeds = range(10)
    ms = scores(12.0, seeds)
    lab.record("b", {"f1": scores(0.6, seeds), "ms": ms}, of="main", plan=plan)
    slow = {seed: value * 1.2 for seed, value in ms.items()}
    lab.record("c", {"f1": scores(0.7, seeds), "ms": slow}, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    assert result.headline.endswith("BROKEN: ms")
    assert exit_code([result]) == 1


def test_a_guard_rail_that_no_outcome_could_break_leaves_no_yes(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0", guards=(Guard("ms", "<=", 0.05, relative=True),))
    lab.change()
    low = scores(0.6, range(10))
    lab.record("b", {"f1": low, "ms": scores(10.0, range(4))}, of="main", plan=plan)
    high = {seed: value + 0.05 for seed, value in low.items()}
    lab.record("c", {"f1": high, "ms": scores(20.0, range(4))}, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.headline == (
        "the guard-rail on ms cannot be judged: no outcome of 4 pairs reaches alpha = 0.05"
    )


@pytest.mark.parametrize(
    ("drift", "verdict", "said", "end"),
    [
        (0.0, "supported", "f1 rises: ", "✓ guard-rail, kept"),
        (
            *(0.6, "inconclusive", "the guard-rail on ms is not shown to be kept, p = "),
            "? guard-rail, not shown to be kept",
        ),
        (
            *(3.0, "inconclusive"),
            "f1 rises, but the guard-rail on ms is broken, which no repeats mend; BROKEN: ms",
            "✗ guard-rail, BROKEN",
        ),
    ],
)
def test_a_plan_may_ask_that_its_guard_rails_are_shown_to_be_kept(
    lab: Lab, drift: float, verdict: str, said: str, end: str
) -> None:
    """Five per cent more are allowed; up to a fifth more than ten milliseconds show nothing.

    What is broken stays so, however many repeats: the promise is met, and nothing is left to run.
    """
    lab.init()
    plan = lab.plan(effect=">0", guards=(Guard("ms", "<=", 0.05, relative=True),))
    plan = rewritten(lab, plan, guards_shown=True)
    lab.change()
    low, ms = scores(0.6, range(10)), scores(10.0, range(10))
    lab.record("b", {"f1": low, "ms": ms}, of="main", plan=plan)
    high = {seed: value + 0.05 for seed, value in low.items()}
    slow = {seed: value + drift * (seed % 3 + (drift > 1)) for seed, value in ms.items()}
    lab.record("c", {"f1": high, "ms": slow}, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict(verdict)
    assert result.headline.startswith(said)
    shown = render_comparisons("text", (result,), Style(unicode=True))
    assert end in shown
    broken = "BROKEN" in end
    assert ("✓ met" in shown) is (broken or verdict == "supported")
    assert ("not shown" in shown, "? open" in shown) == (drift == 0.6,) * 2
    assert ("to go on" in result.next_step) is (drift == 0.6)
    assert result.next_step.startswith("gitexp conclude")
    assert result.exit_code == (1 if broken else 6 if drift else 0)
    assert not any("would" in text for text in result.reasons)


def test_a_kept_guard_rail_leaves_the_yes_and_a_missing_one_does_not(lab: Lab) -> None:
    lab.init()
    guards = (Guard("ms", "<=", 0.05, relative=True), Guard("recall", ">=", -0.01, relative=False))
    plan = lab.plan(guards=guards)
    lab.change()
    seeds = range(10)
    both = {"f1": scores(0.6, seeds), "ms": scores(12.0, seeds)}
    lab.record("b", both, of="main", plan=plan)
    lab.record("c", {**both, "f1": scores(0.7, seeds)}, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "guard-rail on recall cannot be judged" in result.headline
    assert not result.metrics[1].broken
    assert result.metrics[1].result is not None
    assert result.metrics[1].result.p_support is not None
    assert result.metrics[1].result.p_support <= 0.05


def test_alpha_is_held_over_several_candidates(lab: Lab) -> None:
    lab.init()
    lab.record("b", {"f1": scores(0.6, range(6))})
    for name, letter in (("one", "c"), ("two", "d"), ("three", "e"), ("four", "f")):
        lab.repo.switch("main")
        plan = lab.plan(name, repeats=6, effect=">0")
        lab.change(10 + ord(letter))
        lab.record(letter, {"f1": scores(0.7, range(6))}, plan=plan)
    names = ["main", "exp/one", "exp/two", "exp/three", "exp/four"]
    results = compare(lab.repo.workspace, names, now=START)
    assert one(lab, "main", "exp/one").verdict is Verdict.SUPPORTED
    assert [item.metrics[0].p_adjusted for item in results] == [4 / 64] * 4
    assert {item.verdict for item in results} == {Verdict.UNDECIDABLE}
    pair = compare(lab.repo.workspace, names[:3], now=START)
    assert {item.verdict for item in pair} == {Verdict.SUPPORTED}
    assert "adjusted for 2 candidates" in pair[0].headline


def test_exploratory_and_spent_seeds_are_shown_and_do_not_count(lab: Lab) -> None:
    lab.init()
    lab.repo.switch("scratch", create=True)
    lab.change()
    lab.record("e", {"f1": scores(0.9, range(4))})
    lab.repo.switch("main")
    plan = lab.plan()
    lab.change()
    lab.record("b", {"f1": scores(0.6, range(14))}, of="main", plan=plan)
    lab.record("c", {"f1": scores(0.7, range(14))}, plan=plan)
    result = one(lab)
    assert result.candidate.seeds == tuple(range(4, 14))
    assert result.pairs == 10
    whys = {item.why: item for item in result.unused}
    assert whys["found elsewhere"].where == "scratch"
    assert whys["spent seed: seen before it was run under the plan"].seeds == (0, 1, 2, 3)


def test_folds_are_no_repeats(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(repeats=5)
    lab.change()

    def rows(base: float) -> tuple[Sample, ...]:
        return tuple(
            Sample("f1", seed, base + 0.01 * fold + 0.001 * seed, fold=fold)
            for seed in range(5)
            for fold in range(4)
        )

    lab.record("b", {}, of="main", plan=plan, samples=rows(0.5))
    lab.record("c", {}, plan=plan, samples=rows(0.6))
    (metric,) = one(lab).metrics
    assert metric.n_baseline == 5
    assert metric.mean_baseline == pytest.approx(0.517)
    assert any("mean of 4 folds" in note for note in metric.notes)


def test_equivalence_is_a_verdict_of_its_own(lab: Lab) -> None:
    experiment(lab, gain=0.0, effect="+-2%")
    result = one(lab)
    assert result.verdict is Verdict.EQUIVALENT
    assert exit_code([result]) == 0


def test_a_smaller_loss_is_a_gain(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(metric="loss", direction=Direction.MIN, effect=">=5%")
    assert "--metric loss:min --effect '>=5%'" in planning(plan, 8)
    lab.change()
    seeds = range(10)
    lab.record("b", {"loss": scores(0.6, seeds)}, of="main", plan=plan)
    lab.record("c", {"loss": scores(0.5, seeds)}, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    assert result.headline.startswith("loss falls by at least 5 %")


@pytest.mark.parametrize(
    ("named", "pairs", "title"),
    [
        (True, 15, "exact paired sign flips of Hall's t"),
        (True, 17, "paired sign flips of Hall's t, 19,999 random ones"),
        (True, 14, "exact paired permutation of the mean"),
        (False, 17, "exact paired permutation of the mean"),
    ],
)
def test_a_plan_s_own_test_decides_where_there_are_pairs_enough(
    lab: Lab, pairs: int, title: str, *, named: bool
) -> None:
    lab.init()
    plan = lab.plan(repeats=pairs, rules=2)
    if named:
        plan = sealed(replace(plan, test=SKEW_FLIPS))
        lab.repo.commit({layout.plan_path(plan.name): codec.dump(plan)}, at=lab.tick())
    lab.change()
    low = scores(0.6, range(pairs))
    lab.record("b", {"f1": low}, of="main", plan=plan)
    lab.record("c", {"f1": {s: v + 0.05 + 0.01 * (s % 3) for s, v in low.items()}}, plan=plan)
    result = one(lab)
    primary = result.metrics[0]
    assert primary.result is not None
    assert primary.result.plan.title == title
    assert primary.interval is not None
    assert ("Hall" in primary.interval.method) is ("Hall" in title)
    assert result.verdict is Verdict.SUPPORTED
