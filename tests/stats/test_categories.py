"""Tests of categories against scipy, statsmodels' numbers and enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gitexp.stats import contingency
from gitexp.stats.examples import mcnemar_tails
from tests.stats import reference

# Stuart (1955): grades of the unaided distance vision of 7477 women, right eye and left eye
VISION = [[1520, 266, 124, 66], [234, 1512, 432, 78], [117, 362, 1772, 205], [36, 82, 179, 492]]


def test_marginal_homogeneity_is_stuarts_published_number() -> None:
    found = contingency.stuart_maxwell(VISION)
    assert found.statistic == pytest.approx(11.96, abs=0.005)
    assert found.df == 3
    drawn = contingency.swapped_categories(VISION, draws=9_999, seed=0)
    assert drawn.p_value == pytest.approx(found.p_value, abs=0.004)


def test_two_categories_swapped_are_mcnemars_exact_test() -> None:
    drawn = contingency.swapped_categories([[30, 12], [3, 20]], draws=50_000, seed=1)
    want = mcnemar_tails(3, 12).two_sided
    assert drawn.p_value == pytest.approx(want, abs=0.004)


def test_dealing_anew_is_fishers_exact_test_by_chi_squared() -> None:
    first, second = [8, 2, 1], [3, 5, 4]
    drawn = contingency.dealt_categories(first, second, draws=20_000, seed=0)
    want = stats.chi2_contingency([first, second])
    assert drawn.statistic == pytest.approx(want.statistic)
    assert drawn.p_value == pytest.approx(0.118, abs=0.03)
    assert contingency.smallest_expected(first, second) == pytest.approx(want.expected_freq.min())


def test_strata_of_two_categories_give_the_two_by_two_statistic() -> None:
    tables = [[[10, 5], [4, 9]], [[7, 8], [3, 12]]]
    case = {"tables": tables, "continuity_correction": False}
    want = reference.run("cochran_mantel_haenszel", case)
    found = contingency.mantel_haenszel_categories(tables)
    assert found.statistic == pytest.approx(want["statistic"])
    assert found.df == 1


def test_a_stratum_an_example_is_stuart_maxwell() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 3, 40), rng.integers(0, 3, 40)
    joint = np.zeros((3, 3), dtype=int)
    np.add.at(joint, (left, right), 1)
    strata = [
        [list(np.eye(3, dtype=int)[a]), list(np.eye(3, dtype=int)[b])]
        for a, b in zip(left, right, strict=True)
    ]
    found = contingency.mantel_haenszel_categories(strata)
    want = contingency.stuart_maxwell(joint)
    assert found.statistic == pytest.approx(want.statistic)
    assert found.df == want.df


def test_equal_sides_are_no_evidence() -> None:
    assert contingency.stuart_maxwell([[3, 0], [0, 4]]).p_value == 1.0
    assert contingency.swapped_categories([[3, 0], [0, 4]], draws=9, seed=0).p_value == 1.0
