"""Folds of a cross-validation: which test they get, and that its numbers are right."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from gitexp.comparison.compare import compare, exit_code
from gitexp.comparison.designs.folds import AVERAGED, COPIES
from gitexp.model.comparison import Comparison, Role
from gitexp.model.metrics import NO_RULE
from gitexp.model.plan import Guard, PlanSeeds, Stopping, StoppingRule, Verdict
from gitexp.model.run import Sample
from gitexp.records import codec
from tests.comparison.test_replanned import rewritten
from tests.lab.records import START, Lab, one

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.model.plan import Plan
    from tests.lab.build import BuiltRepo

ROOT = "0123456789abcdef" * 2
LOW = (0.71, 0.74, 0.69, 0.73, 0.75, 0.70, 0.72, 0.76, 0.68, 0.74)
POCOCK = Stopping(StoppingRule.POCOCK, 2)
HIGH = (0.78, 0.79, 0.77, 0.80, 0.83, 0.76, 0.78, 0.84, 0.77, 0.79)


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def folds(
    values: Iterable[float],
    *,
    seed: int = 0,
    rep: int | None = None,
    sizes: tuple[int | None, int | None] = (450, 50),
    metric: str = "f1",
) -> tuple[Sample, ...]:
    return tuple(
        Sample(metric, seed, value, rep=rep, fold=fold, n_train=sizes[0], n_test=sizes[1])
        for fold, value in enumerate(values)
    )


def begin(lab: Lab, effect: str = ">0", repeats: int = 1) -> Plan:
    lab.init()
    plan = lab.plan(effect=effect, repeats=repeats)
    lab.change()
    return plan


def record(lab: Lab, plan: Plan, low: tuple[Sample, ...], high: tuple[Sample, ...]) -> None:
    lab.record("b", {}, of="main", plan=plan, samples=low)
    lab.record("c", {}, plan=plan, samples=high)


@pytest.mark.parametrize("seeds", [range(1), range(6)])
def test_folds_of_three_commits_are_compared_one_by_one(lab: Lab, seeds: range) -> None:
    lab.init()
    for letter, name, gain in (("b", "main", 0.0), ("c", "one", 0.05), ("d", "two", 0.06)):
        lab.repo.switch("main")
        if name != "main":
            lab.repo.switch(name, create=True)
            lab.change(ord(letter))
        values = [
            [x + 0.001 * seed + gain * (1 + 0.1 * (i * 7 % 5)) for i, x in enumerate(LOW)]
            for seed in seeds
        ]
        pairs = zip(seeds, values, strict=True)
        parts = tuple(part for seed, row in pairs for part in folds(row, seed=seed))
        lab.record(letter, {}, samples=parts)
    found = compare(lab.repo.workspace, ["main", "one", "two"], now=START)
    together = found[0].across
    assert together is not None
    (metric,) = together.metrics
    assert metric.omnibus == ()
    (said,) = metric.notes
    assert said.startswith("not tested together: folds share their training data, however often")
    tests = [item.metrics[0].result for item in found]
    assert [test.plan.test for test in tests if test] == ["corrected-resampled-t"] * 2


def corrected(d: np.ndarray, ratio: float) -> tuple[float, float, float]:
    """Return t, one-sided p and the error by the formula of Nadeau and Bengio."""
    n = len(d)
    error = math.sqrt((1 / n + ratio) * d.var(ddof=1))
    return d.mean() / error, float(stats.t.sf(d.mean() / error, n - 1)), error


def test_ten_folds_of_one_run_get_the_corrected_resampled_t(lab: Lab) -> None:
    plan = begin(lab)
    record(lab, plan, folds(LOW), folds(HIGH))
    result = one(lab)
    (metric,) = result.metrics
    assert metric.result is not None
    assert metric.result.plan.test == "corrected-resampled-t"
    assert (metric.n_baseline, metric.n_candidate) == (10, 10)
    d = np.array(HIGH) - np.array(LOW)
    t, p, error = corrected(d, 1 / 9)
    assert metric.result.statistic == pytest.approx(t)
    assert metric.result.p_support == pytest.approx(p)
    assert metric.result.p_refute == pytest.approx(1 - p)
    assert metric.result.p_value == pytest.approx(2 * p)
    assert metric.interval is not None
    reach = float(stats.t.isf(0.025, 9)) * error
    assert metric.interval.low == pytest.approx(d.mean() - reach)
    assert metric.interval.high == pytest.approx(d.mean() + reach)
    assert result.verdict is Verdict.SUPPORTED
    assert exit_code([result]) == 0
    assert len(metric.parts) == 10
    assert (metric.parts[3].fold, metric.parts[3].n_test) == (3, 50)
    assert codec.load(Comparison, codec.dump(result), "c.json") == result


def test_a_share_of_the_baseline_is_tested_fold_by_fold(lab: Lab) -> None:
    plan = begin(lab, effect=">=5%")
    record(lab, plan, folds(LOW), folds(HIGH))
    (metric,) = one(lab).metrics
    assert metric.result is not None
    _, p, _ = corrected(np.array(HIGH) - 1.05 * np.array(LOW), 1 / 9)
    assert metric.result.p_support == pytest.approx(p)
    (region,) = metric.posteriors
    assert region.rope == pytest.approx(0.05 * np.mean(LOW))
    assert region.rope_why == "the margin of the hypothesis"
    d = np.array(HIGH) - np.array(LOW)
    _, _, error = corrected(d, 1 / 9)
    above = float(stats.t.sf((region.rope - d.mean()) / error, 9))
    assert region.above == pytest.approx(above)
    assert region.below + region.within + region.above == pytest.approx(1)


def test_every_seed_is_a_repetition_and_all_share_the_same_data(lab: Lab) -> None:
    plan = begin(lab, repeats=3)
    low = [sample for s in range(3) for sample in folds(np.roll(LOW, s).tolist(), seed=s)]
    high = [sample for s in range(3) for sample in folds(np.roll(HIGH, 2 * s).tolist(), seed=s)]
    record(lab, plan, tuple(low), tuple(high))
    result = one(lab)
    (metric,) = result.metrics
    assert metric.result is not None
    assert metric.result.plan.why.startswith("10 folds, 3 times, n_train 450 and n_test 50")
    d = np.array([h.value - b.value for h, b in zip(high, low, strict=True)])
    assert metric.result.p_support == pytest.approx(corrected(d, 1 / 9)[1])
    assert [seed for seed, _ in metric.baseline_values] == [0, 1, 2]
    assert result.verdict is Verdict.SUPPORTED


def test_fewer_repeats_than_planned_are_inconclusive_however_many_folds(lab: Lab) -> None:
    plan = begin(lab, repeats=3)
    record(lab, plan, folds(LOW), folds(HIGH))
    result = one(lab)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.headline.startswith("1 of 3 planned pairs; not yet judged")
    assert "1 of 3 planned pairs is there" in result.reasons


def five_by_two(seed_shift: float) -> tuple[Sample, ...]:
    spread = ((0.01, -0.004), (0.0, 0.006), (-0.007, 0.003), (0.002, 0.008), (-0.001, 0.005))
    return tuple(
        Sample("f1", 0, 0.7 + seed_shift * (1 + 20 * gap), rep, fold, n_train=250, n_test=250)
        for rep, row in enumerate(spread)
        for fold, gap in enumerate(row)
    )


def test_five_times_two_folds_get_alpaydins_f_with_half_its_p_on_the_side_of_the_mean(
    lab: Lab,
) -> None:
    plan = begin(lab)
    low, high = five_by_two(0.0), five_by_two(0.04)
    record(lab, plan, low, high)
    (metric,) = one(lab).metrics
    assert metric.result is not None
    assert metric.result.plan.test == "combined-5x2cv-f"
    d = np.array([h.value - b.value for h, b in zip(high, low, strict=True)]).reshape(5, 2)
    s2 = ((d - d.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    f = float((d**2).sum() / (2 * s2.sum()))
    p = float(stats.f.sf(f, 10, 5))
    assert metric.result.statistic == pytest.approx(f)
    assert metric.result.p_value == pytest.approx(p)
    assert metric.result.p_support == pytest.approx(p / 2)
    assert metric.result.p_refute == pytest.approx(1 - p / 2)
    (dietterich,) = metric.beside
    t = float(d[0, 0] / math.sqrt(s2.mean()))
    assert dietterich.plan.title == "5 x 2 cv t (Dietterich)"
    assert dietterich.p_value == pytest.approx(2 * stats.t.sf(abs(t), 5))
    assert dietterich.p_support == pytest.approx(stats.t.sf(t, 5))


def test_two_random_halves_of_five_seeds_are_no_five_times_two_folds(lab: Lab) -> None:
    plan = begin(lab, repeats=5)

    def halves(shift: float) -> tuple[Sample, ...]:
        return tuple(
            replace(sample, seed=sample.rep or 0, rep=sample.fold, fold=None)
            for sample in five_by_two(shift)
        )

    record(lab, plan, halves(0.0), halves(0.04))
    (metric,) = one(lab).metrics
    assert metric.result is not None
    assert metric.result.plan.test == "corrected-resampled-t"
    assert metric.result.plan.why.startswith("10 splits, n_train 250 and n_test 250")
    d = np.array([h.value - b.value for h, b in zip(halves(0.04), halves(0.0), strict=True)])
    assert metric.result.p_support == pytest.approx(corrected(d, 1.0)[1])


def test_swapped_sides_mirror_the_combined_f(lab: Lab) -> None:
    plan = begin(lab)
    record(lab, plan, five_by_two(0.04), five_by_two(0.0))
    (metric,) = one(lab).metrics
    assert metric.result is not None
    assert metric.result.p_support == pytest.approx(1 - metric.result.p_value / 2)


def test_the_naive_test_is_named_as_refused_and_unstable_learners_are_warned_of(lab: Lab) -> None:
    plan = begin(lab)
    record(lab, plan, folds(LOW), folds(HIGH))
    result = one(lab)
    assert any("naive paired t test is refused" in note for note in result.metrics[0].notes)
    assert sum("unstable learners" in text for text in result.warnings) == 1


def test_folds_of_unknown_size_in_one_repeat_are_not_comparable_and_the_reason_says_how(
    lab: Lab,
) -> None:
    plan = begin(lab)
    record(lab, plan, folds(LOW, sizes=(None, None)), folds(HIGH, sizes=(None, None)))
    result = one(lab)
    assert result.verdict is Verdict.NOT_COMPARABLE
    assert "record n_train and n_test beside each fold" in result.headline
    assert exit_code([result]) == 6


def test_folds_of_unknown_size_in_several_repeats_are_averaged_by_repeat(lab: Lab) -> None:
    plan = begin(lab, repeats=5)
    low = tuple(s for seed in range(5) for s in folds(LOW, seed=seed, sizes=(None, None)))
    high = tuple(
        s
        for seed in range(5)
        for s in folds([v + seed / 1000 for v in HIGH], seed=seed, sizes=(None, None))
    )
    record(lab, plan, low, high)
    (metric,) = one(lab).metrics
    assert metric.result is not None
    assert metric.result.plan.test == "paired-permutation"
    assert metric.n_baseline == 5
    assert any("mean of 10 folds" in note for note in metric.notes)


def test_other_sizes_on_the_other_side_are_no_common_folds(lab: Lab) -> None:
    plan = begin(lab)
    record(lab, plan, folds(LOW), folds(HIGH, sizes=(400, 100)))
    assert one(lab).verdict is Verdict.NOT_COMPARABLE


def test_a_missing_fold_leaves_nothing_to_compare(lab: Lab) -> None:
    plan = begin(lab)
    record(lab, plan, folds(LOW), folds(HIGH[:9]))
    result = one(lab)
    assert result.verdict is Verdict.NOT_COMPARABLE
    assert "same folds" in result.headline


def test_the_same_scores_on_both_sides_are_evidence_of_nothing(lab: Lab) -> None:
    plan = begin(lab, effect=">=5%")
    record(lab, plan, folds(LOW), folds(LOW))
    result = one(lab)
    (metric,) = result.metrics
    assert metric.result is not None
    assert metric.result.p_value == 1
    assert result.verdict is Verdict.REFUTED


def test_a_summary_of_the_repeat_stands_above_its_folds(lab: Lab) -> None:
    plan = begin(lab)
    low, high = Sample("f1", 0, 0.7), Sample("f1", 0, 0.8)
    record(lab, plan, (*folds(LOW), low), (*folds(HIGH), high))
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE
    assert result.headline == "no outcome of 1 pair reaches alpha = 0.05; 5 would do"


def test_watched_metrics_get_their_own_design(lab: Lab) -> None:
    plan = begin(lab)
    record(
        lab,
        plan,
        (*folds(LOW), Sample("latency", 0, 3.0)),
        (*folds(HIGH), Sample("latency", 0, 3.5)),
    )
    first, second = one(lab).metrics
    assert first.result is not None
    assert second.role is Role.WATCHED
    assert second.result is not None
    assert second.result.plan.test == "paired-permutation"


def test_more_folds_are_no_way_to_more_power(lab: Lab) -> None:
    plan = begin(lab, effect=">=0.05")
    record(lab, plan, folds(LOW), folds(HIGH))
    found = one(lab).detectable
    assert found is not None
    assert found.unit == "folds"
    assert found.needed is None


def cross_validated(  # noqa: PLR0913  what may differ
    lab: Lab,
    *,
    drawn: bool = True,
    stopping: Stopping | None = POCOCK,
    sizes: tuple[int | None, int | None] = (160, 40),
    guards: tuple[Guard, ...] = (),
    fixed: bool = False,
) -> Plan:
    """Record 10 seeds of 5 folds on both sides, all candidates a little better."""
    lab.init()
    plan = lab.plan(effect=">0", repeats=10, stopping=stopping, guards=guards)
    if drawn:
        plan = rewritten(lab, plan, seeds=PlanSeeds(ROOT))
    lab.change()
    seeds = list(itertools.islice(PlanSeeds(ROOT).sequence(), 10)) if drawn else range(10)
    noise = np.random.default_rng(5).normal(size=(10, 5))
    of_fold = np.array([0.012, -0.003, 0.015, 0.004, 0.010]) if fixed else np.full(5, 0.03)
    gains = of_fold + (0.0004 if fixed else 0.004) * noise
    low = [
        part
        for n, seed in enumerate(seeds)
        for metric in ("f1", "recall")
        for part in folds(0.7 + noise[n] / 100, seed=seed, sizes=sizes, metric=metric)
    ]
    both = np.concatenate([gains, gains], axis=1).flat
    high = [replace(part, value=part.value + gain) for part, gain in zip(low, both, strict=True)]
    lab.record("b", {}, of="main", plan=plan, samples=tuple(low), call="bc")
    lab.record("c", {}, plan=plan, samples=tuple(high), call="bc")
    return plan


@pytest.mark.parametrize("sizes", [(160, 40), (None, None)])
@pytest.mark.parametrize("rule", [POCOCK, Stopping(StoppingRule.ALWAYS_VALID)])
def test_a_stopping_rule_decides_nothing_by_folds_of_one_data_set(
    lab: Lab, rule: Stopping, sizes: tuple[int | None, int | None]
) -> None:
    cross_validated(lab, stopping=rule, sizes=sizes)
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE
    assert result.headline == NO_RULE
    assert result.metrics[0].result is None
    assert result.metrics[0].interval is None
    assert result.next_step.startswith("gitexp amend-plan deep --stopping none --why ")
    assert any("folds of one data set do not show" in text for text in result.warnings)


def test_an_older_plan_keeps_its_verdict_by_folds_and_is_warned(lab: Lab) -> None:
    cross_validated(lab, drawn=False)
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    assert sum(text.startswith(NO_RULE) for text in result.warnings) == 1


def test_no_guard_rail_is_kept_by_a_rule_over_folds(lab: Lab) -> None:
    cross_validated(lab, guards=(Guard("recall", ">=", -0.1, relative=False),))
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE
    assert any("the guard-rail on recall cannot be judged" in text for text in result.warnings)


def test_folds_of_unknown_size_carry_the_caution_of_folds(lab: Lab) -> None:
    cross_validated(lab, stopping=None, sizes=(None, None))
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    assert any("folds of one data set do not show" in text for text in result.warnings)
    assert any("n_train and n_test the test is another" in text for text in result.warnings)


@pytest.mark.parametrize(
    ("names", "called"),
    [
        ([f"fold_{i}.f1" for i in range(5)], "fold_*.f1"),
        ([f"f1_fold{i}" for i in range(5)], "f1_fold*"),
        ([f"cv.split-{i}.f1" for i in range(5)], "cv.split-*.f1"),
        (["cv.f1"] * 5, "cv.f1"),
        (["class.f1"] + [f"part{i}.f1" for i in range(4)], ""),  # no folds by their names
        ([f"fold_{i}.loss" for i in range(5)], ""),  # whose mean is another
    ],
)
def test_the_mean_of_folds_that_stand_beside_it_is_told_what_it_is(
    lab: Lab, names: list[str], called: str
) -> None:
    plan = begin(lab, repeats=5)

    def side(gain: float) -> tuple[Sample, ...]:
        rows = list[Sample]()
        for seed in range(5):
            scores = [0.7 + gain + 0.01 * ((seed * 3 + i) % 5) + seed / 997 for i in range(5)]
            rows.append(Sample("f1", seed, sum(scores) / 5))
            shift = 0.1 if "loss" in names[0] else 0.0
            is_list = len(set(names)) == 1
            rows += [
                Sample(name, seed, score + shift, fold=i if is_list else None)
                for i, (name, score) in enumerate(zip(names, scores, strict=True))
            ]
        return tuple(rows)

    record(lab, plan, side(0.0), side(0.05))
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    said = [text for text in result.warnings if "re-splits for independent" in text]
    assert [text.split(" in each repeat")[0] for text in said] == (
        [f"f1 is the mean of {called}"] if called else []
    )


def test_folds_that_are_the_same_for_every_seed_are_one_repetition(lab: Lab) -> None:
    cross_validated(lab, stopping=None, fixed=True)
    result = one(lab)
    metric = next(each for each in result.metrics if each.role is Role.PRIMARY)
    assert metric.result is not None
    assert (metric.n_baseline, len(metric.parts)) == (5, 50)
    assert AVERAGED.format("seed") in metric.notes
    assert "look the same" in AVERAGED  # a test at 0.1 says so, and it may err
    d = np.array([part.candidate - part.baseline for part in metric.parts]).reshape(10, 5)
    assert metric.result.p_support == pytest.approx(corrected(d.mean(axis=0), 1 / 4)[1])
    assert result.verdict is Verdict.INCONCLUSIVE


def test_fresh_folds_of_every_seed_all_count(lab: Lab) -> None:
    cross_validated(lab, stopping=None)
    metric = next(each for each in one(lab).metrics if each.role is Role.PRIMARY)
    assert metric.n_baseline == 50
    assert AVERAGED.format("seed") not in metric.notes


def test_an_older_plan_keeps_its_test_and_is_warned_of_folds_that_are_the_same(lab: Lab) -> None:
    cross_validated(lab, stopping=None, fixed=True, drawn=False)
    result = one(lab)
    assert result.metrics[0].n_baseline == 50
    assert COPIES.format("seed") in result.warnings
