"""Many data sets, one value each: which test they get, and that its numbers are right."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from gitexp.model.comparison import Comparison
from gitexp.model.plan import Verdict
from gitexp.model.run import Sample
from gitexp.records import codec
from tests.lab.records import Lab, one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.model.plan import Plan
    from tests.lab.build import BuiltRepo

# Demsar (2006), table 2: AUC of C4.5 and C4.5+m on 14 data sets
LOW = (
    0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661,
    0.583, 0.775, 1.000, 0.940, 0.619, 0.972, 0.957,
)  # fmt: skip
HIGH = (
    0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668,
    0.583, 0.838, 1.000, 0.962, 0.666, 0.981, 0.978,
)  # fmt: skip


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def on_datasets(values: Sequence[float], seed: int = 0) -> tuple[Sample, ...]:
    return tuple(
        Sample("f1", seed, value, dataset=f"set-{index:02}") for index, value in enumerate(values)
    )


def begin(lab: Lab, effect: str = ">0", repeats: int = 1) -> Plan:
    lab.init()
    plan = lab.plan(effect=effect, repeats=repeats)
    lab.change()
    return plan


def record(lab: Lab, plan: Plan, low: tuple[Sample, ...], high: tuple[Sample, ...]) -> None:
    lab.record("b", {}, of="main", plan=plan, samples=low)
    lab.record("c", {}, plan=plan, samples=high)


def test_two_commits_on_many_data_sets_get_the_signed_rank_test(lab: Lab) -> None:
    plan = begin(lab)
    record(lab, plan, on_datasets(LOW), on_datasets(HIGH))
    result = one(lab)
    (metric,) = result.metrics
    assert metric.result is not None
    assert metric.result.plan.test == "signed-rank"
    assert (metric.n_baseline, metric.n_candidate) == (14, 14)
    d = np.round(np.array(HIGH) - np.array(LOW), 9)
    d = d[d != 0]
    ranks = stats.rankdata(np.abs(d))
    sums = np.array([0.0])
    for rank in ranks:
        sums = np.concatenate([sums, sums + rank])
    plus = ranks[d > 0].sum()
    assert metric.result.statistic == plus
    assert metric.result.p_support == pytest.approx((sums >= plus).mean())
    assert metric.result.p_refute == pytest.approx((sums <= plus).mean())
    assert "signed ranks: 2 zero differences dropped, 2 differences tied" in metric.notes
    assert result.verdict is Verdict.SUPPORTED
    assert metric.beside[0].plan.test == "paired-permutation"
    assert [part.dataset for part in metric.parts][:2] == ["set-00", "set-01"]
    assert codec.load(Comparison, codec.dump(result), "c.json") == result


def test_the_interval_holds_the_shifts_that_the_test_does_not_reject(lab: Lab) -> None:
    plan = begin(lab)
    low = np.array(LOW[:9]) + np.arange(9) * 1e-4
    high = np.array(HIGH[:9]) + (np.arange(9) * 3e-5) ** 1.5
    record(lab, plan, on_datasets(low.tolist()), on_datasets(high.tolist()))
    (metric,) = one(lab).metrics
    assert metric.interval is not None
    assert metric.relative_interval is not None

    def p(shifted: np.ndarray) -> float:
        return float(stats.wilcoxon(shifted, method="exact").pvalue)

    eps = 1e-7
    for low_side, limit in ((True, metric.interval.low), (False, metric.interval.high)):
        assert limit is not None
        outside = limit - eps if low_side else limit + eps
        inside = limit + eps if low_side else limit - eps
        assert p(high - low - outside) <= 0.05 < p(high - low - inside)
    for low_side, share in (
        (True, metric.relative_interval.low),
        (False, metric.relative_interval.high),
    ):
        assert share is not None
        outside = share - eps if low_side else share + eps
        inside = share + eps if low_side else share - eps
        assert p(high - (1 + outside) * low) <= 0.05 < p(high - (1 + inside) * low)


def test_a_data_set_counts_once_however_often_it_was_run(lab: Lab) -> None:
    plan = begin(lab, repeats=2)
    low = (*on_datasets(LOW), *on_datasets([v + 0.01 for v in LOW], seed=1))
    high = (*on_datasets(HIGH), *on_datasets([v + 0.03 for v in HIGH], seed=1))
    record(lab, plan, low, high)
    result = one(lab)
    (metric,) = result.metrics
    assert metric.n_candidate == 14
    assert metric.parts[0].candidate == pytest.approx(HIGH[0] + 0.015)
    assert [seed for seed, _ in metric.candidate_values] == [0, 1]
    assert result.verdict is Verdict.SUPPORTED


def test_folds_within_a_data_set_are_averaged_first(lab: Lab) -> None:
    plan = begin(lab)

    def folded(values: Sequence[float]) -> tuple[Sample, ...]:
        return tuple(
            replace(sample, fold=fold, value=sample.value + 0.01 * fold, n_train=90, n_test=10)
            for sample in on_datasets(values)
            for fold in range(3)
        )

    record(lab, plan, folded(LOW), folded(HIGH))
    (metric,) = one(lab).metrics
    assert metric.result is not None
    assert metric.result.plan.test == "signed-rank"
    assert metric.parts[3].baseline == pytest.approx(LOW[3] + 0.01)


def test_four_data_sets_can_decide_nothing(lab: Lab) -> None:
    plan = begin(lab)
    record(lab, plan, on_datasets(LOW[:4]), on_datasets([v + 0.1 for v in LOW[:4]]))
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE
    assert result.headline == "no outcome of 4 data sets reaches alpha = 0.05; 5 would do"
    assert "5 data sets would do to reach alpha = 0.05, 4 are there" in result.reasons


def test_other_data_sets_are_not_comparable_and_are_named(lab: Lab) -> None:
    plan = begin(lab)
    record(lab, plan, on_datasets(LOW[:13]), on_datasets(HIGH))
    result = one(lab)
    assert result.verdict is Verdict.NOT_COMPARABLE
    assert result.headline.endswith("one side alone on: set-13")


def test_the_bayesian_companion_agrees_with_a_bootstrap_of_dirichlet_weights(lab: Lab) -> None:
    plan = begin(lab, effect=">=0.01")
    record(lab, plan, on_datasets(LOW), on_datasets(HIGH))
    (metric,) = one(lab).metrics
    (found,) = metric.posteriors
    assert (found.method, found.rope) == ("Bayesian signed-rank", 0.01)
    d = np.concatenate([[0.0], np.array(HIGH) - np.array(LOW)])
    walsh = (d[:, None] + d[None, :]) / 2
    rng = np.random.default_rng(5)
    weights = rng.dirichlet([0.5] + [1.0] * 14, size=20_000)
    above = np.einsum("si,ij,sj->s", weights, walsh > 0.01 + 1e-12, weights)
    below = np.einsum("si,ij,sj->s", weights, walsh < -0.01 - 1e-12, weights)
    wins = (above > below) & (above > 1 - above - below)
    assert found.above == pytest.approx(wins.mean(), abs=0.02)
