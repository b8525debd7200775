"""Named tests at the edges of what they take: empty margins, single successes, other words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from gitexp.errors import DesignError
from tests.stats import reference


@pytest.mark.parametrize(
    ("table", "alternative", "p_value", "ratio"),
    [  # R 4.5.0, fisher.test
        ([[5, 0], [2, 6]], "two-sided", 0.02097902, math.inf),
        ([[5, 0], [2, 6]], "less", 1.0, math.inf),
        ([[0, 4], [3, 1]], "two-sided", 0.1428571, 0.0),
        ([[2, 0], [1, 0]], "greater", 1.0, 0.0),
        ([[2, 0], [1, 0]], "two-sided", 1.0, 0.0),
        ([[0, 0], [3, 1]], "less", 1.0, 0.0),
    ],
)
def test_a_table_with_empty_cells_has_an_odds_ratio_at_the_edge(
    table: list[list[int]], alternative: str, p_value: float, ratio: float
) -> None:
    found = reference.run("fisher_exact", {"table": table, "alternative": alternative})
    assert found["p_value"] == pytest.approx(p_value, rel=1e-6)
    assert found["conditional_odds_ratio"] == ratio


def test_strata_that_point_one_way_only_are_tested_without_an_interval() -> None:
    tables = [[[0, 2], [1, 1]], [[2, 0], [2, 0]]]
    for turned, ratio in ((False, 0.0), (True, math.inf)):
        strata = [[row[::-1] for row in table] if turned else table for table in tables]
        found = reference.run(
            "cochran_mantel_haenszel", {"tables": strata, "continuity_correction": False}
        )
        # R 4.5.0, mantelhaen.test
        assert found["p_value"] == pytest.approx(0.3173105, rel=1e-6)
        assert found["common_odds_ratio"] == ratio
        assert "ci_low" not in found


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"), [(1, 50, 0.0, 0.134892), (49, 50, 0.865108, 1.0)]
)
def test_a_single_success_rules_no_small_proportion_out(
    successes: int, n: int, low: float, high: float
) -> None:
    options = {"alpha": 0.05, "t_opt": 50, "alpha_opt": 0.05}
    case = {"successes": successes, "n": n, **options}
    found = reference.run("bernoulli_confidence_sequence", case)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((low, high), abs=1e-6)
    for few in (0, 1):  # one value says nothing
        lone = reference.run("bernoulli_confidence_sequence", {"successes": few, "n": 1, **options})
        assert (lone["ci_low"], lone["ci_high"]) == (0.0, 1.0)


def test_the_power_of_equivalence_with_few_pairs_is_exact_in_spite_of_its_kink() -> None:
    x = np.random.default_rng(0).normal(0.3, 1.0, size=(400_000, 3))
    reach = stats.t.ppf(0.95, 2) * x.std(axis=1, ddof=1) / math.sqrt(3)
    share = (np.abs(x.mean(axis=1)) + reach < 0.8).mean()
    case = {"n_pairs": 3, "true_difference": 0.3, "sd_of_differences": 1.0, "margin": 0.8}
    assert reference.run("power_tost_paired", case)["power"] == pytest.approx(share, abs=0.0015)
    # two pairs: t has one degree of freedom; scipy's quad up to the kink
    case = {"n_pairs": 2, "true_difference": 0.0, "sd_of_differences": 1.0, "margin": 0.8}
    assert reference.run("power_tost_paired", case)["power"] == pytest.approx(0.0582726, abs=1e-7)


def test_a_size_below_two_is_told_as_it_is() -> None:
    case = {"effect_size": 2.5, "power": 0.5, "alpha": 0.05, "alternative": "greater"}
    found = reference.run("sample_size_two_sample_t_test", case)
    # R 4.5.0, power.t.test
    assert (found["n_exact"], found["n"]) == (pytest.approx(1.993483, rel=1e-6), 2)


@pytest.mark.parametrize(
    ("metric", "same_as"),
    [
        ("mcc", "matthews_corrcoef"),
        ("matthews_correlation", "matthews_corrcoef"),
        ("kappa", "cohen_kappa"),
        ("f1_score", "f1"),
        ("f1_macro", "macro_f1"),
        ("sensitivity", "recall"),
    ],
)
def test_a_metric_of_labels_answers_to_its_other_names(metric: str, same_as: str) -> None:
    labels = {
        "truth": [0, 1, 1, 1, 0, 1, 0, 0],
        "predictions_a": [0, 1, 1, 1, 0, 0, 0, 0],
        "predictions_b": [0, 1, 0, 1, 1, 0, 1, 0],
    }
    for test in ("approximate_randomization_test", "paired_bootstrap_metric_difference"):
        found, wanted = (
            reference.run(test, {**labels, "metric": name}) for name in (metric, same_as)
        )
        assert found == wanted


def test_a_table_without_counts_is_an_error_of_the_design() -> None:
    for table in ([[0, 0], [0, 0]], [[2, 0], [1, 0]], [[1, 2]]):
        with pytest.raises(DesignError, match="empty or a single"):
            reference.run("chi_square_independence", {"table": table})
