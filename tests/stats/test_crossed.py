"""Repeats times examples: mean squares by hand, error rates by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gitexp.errors import DesignError
from gitexp.model.plan import Direction, Effect, HypothesisKind
from gitexp.stats import crossed
from gitexp.stats.design import Design, Unit, plan_crossed


def design(repeats: int, *, margin: float = 0.0, relative: bool = False) -> Design:
    return Design(
        Unit.REPEAT,
        paired=True,
        n_baseline=repeats,
        n_candidate=repeats,
        alpha=0.05,
        effect=Effect(HypothesisKind.SUPERIORITY, margin, relative),
        direction=Direction.MAX,
    )


def tables(  # noqa: PLR0913  what a table may differ in
    repeats: int, examples: int, *, seeds: float, test: float, gain: float = 0.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    baseline = rng.normal(2.0, 1.0, (repeats, examples))
    rows = seeds * rng.normal(size=(repeats, 1))
    columns = test * rng.normal(size=(1, examples))
    noise = rng.normal(size=(repeats, examples))
    return baseline, baseline + gain + rows + columns + noise


def run(baseline: np.ndarray, candidate: np.ndarray, **options: float) -> float:
    ours = design(len(baseline), **options)  # type: ignore[arg-type]
    plan = plan_crossed(ours, baseline.shape[1])
    found = crossed.run_on_crossed(plan, ours, baseline, candidate).p_support
    assert found is not None
    return found


def test_mean_squares_are_those_of_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(3)
    table = rng.normal(size=(4, 7)) + rng.normal(size=(4, 1))
    found = crossed.squares(table)
    fit = table.mean(1)[:, None] + table.mean(0) - table.mean()
    assert found.rest == pytest.approx(((table - fit) ** 2).sum() / 18)
    assert found.repeats == pytest.approx(7 * table.mean(1).var(ddof=1))
    assert found.examples == pytest.approx(4 * table.mean(0).var(ddof=1))
    whole = found.repeats * 3 + found.examples * 6 + found.rest * 18
    assert whole == pytest.approx(((table - table.mean()) ** 2).sum())


def test_where_seeds_alone_vary_it_is_nearly_the_paired_t() -> None:
    baseline, candidate = tables(5, 400, seeds=3.0, test=0.0, gain=1.0)
    want = stats.ttest_rel(candidate.mean(1), baseline.mean(1), alternative="greater").pvalue
    assert run(baseline, candidate) == pytest.approx(want, rel=0.1)


def test_where_the_test_set_alone_varies_it_is_nearly_t_over_examples() -> None:
    baseline, candidate = tables(5, 400, seeds=0.0, test=3.0, gain=0.3)
    want = stats.ttest_rel(candidate.mean(0), baseline.mean(0), alternative="greater").pvalue
    assert run(baseline, candidate) == pytest.approx(want, rel=0.2)


def test_swapped_sides_mirror_and_margins_shift() -> None:
    baseline, candidate = tables(4, 100, seeds=0.3, test=0.3, gain=0.2)
    gain = float(candidate.mean() - baseline.mean())
    assert run(baseline, candidate) == pytest.approx(1 - run(candidate, baseline))
    assert run(baseline, candidate, margin=gain) == pytest.approx(0.5)
    share = gain / float(baseline.mean())
    assert run(baseline, candidate, margin=share, relative=True) == pytest.approx(0.5)


def test_an_interval_is_what_the_test_does_not_reject() -> None:
    baseline, candidate = tables(4, 100, seeds=0.3, test=0.3, gain=0.2)
    between, share = crossed.intervals(baseline, candidate, confidence=0.9)
    assert between is not None
    assert share is not None
    assert between.low is not None
    assert share.low is not None
    assert share.high is not None
    assert run(baseline, candidate, margin=between.low) == pytest.approx(0.05, rel=1e-6)
    assert run(baseline, candidate, margin=share.low, relative=True) == pytest.approx(0.05, 1e-6)
    assert run(baseline, candidate, margin=share.high, relative=True) == pytest.approx(0.95, 1e-6)


def test_the_shares_of_the_variance_sum_to_one_and_name_the_larger_source() -> None:
    for seeds, test in ((0.5, 0.0), (0.0, 2.0)):
        baseline, candidate = tables(10, 200, seeds=seeds, test=test)
        found = crossed.variance_share(baseline, candidate)
        assert found is not None
        assert found.seeds_share + found.examples_share + found.rest_share == pytest.approx(1)
        assert (found.seeds_share > found.examples_share) == (seeds > test)
        assert found.standard_error == pytest.approx(crossed.squares(candidate - baseline).error)


def test_equal_tables_are_no_evidence_and_a_constant_gain_cannot_be_judged() -> None:
    baseline, _ = tables(4, 30, seeds=0, test=0)
    assert run(baseline, baseline) == 1.0
    assert crossed.variance_share(baseline, baseline) is None
    with pytest.raises(DesignError, match="neither"):
        run(baseline, baseline + 1)


def test_two_repeats_decide_nothing() -> None:
    assert plan_crossed(design(2), 100).smallest_p == 1.0
    assert plan_crossed(design(3), 100).smallest_p == 0.0


@pytest.mark.parametrize(("seeds", "test"), [(0.2, 0.0), (0.0, 0.7), (0.1, 0.7), (0.0, 0.0)])
def test_a_true_null_is_rejected_about_as_often_as_promised(seeds: float, test: float) -> None:
    hits = [run(*tables(3, 50, seeds=seeds, test=test, seed=i)) <= 0.05 for i in range(600)]
    assert np.mean(hits) <= 0.05 + 3 * 0.0089
