"""Labels permuted by F, and Dunn's comparison of mean ranks."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from gitexp.errors import DesignError
from gitexp.stats import groups as omnibus
from gitexp.stats.groups import dunn_test, permutation_f_test

GROUPS = {"a": [3.1, 2.9, 3.4], "b": [3.9, 4.1, 3.6], "c": [3.0, 3.3, 3.5]}


def test_the_exact_p_counts_every_relabelling() -> None:
    values = np.concatenate(list(GROUPS.values()))
    observed = stats.f_oneway(*GROUPS.values()).statistic
    reached = total = 0
    for first in itertools.combinations(range(9), 3):
        rest = [i for i in range(9) if i not in first]
        for second in itertools.combinations(rest, 3):
            third = [i for i in rest if i not in second]
            f = stats.f_oneway(values[list(first)], values[list(second)], values[third]).statistic
            reached += f >= observed - 1e-9
            total += 1
    found = permutation_f_test(GROUPS)
    assert (found.relabellings, found.exact) == (total, True)
    assert found.p_value == reached / total
    assert found.statistic == pytest.approx(observed)


def test_drawn_relabellings_agree_with_the_exact_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = permutation_f_test(GROUPS)
    monkeypatch.setattr(omnibus, "MAX_ASSIGNMENTS", 10)
    drawn = permutation_f_test(GROUPS)
    assert not drawn.exact
    assert drawn.p_value == pytest.approx(exact.p_value, abs=0.01)


def test_shift_and_scale_leave_p_and_equal_values_show_nothing() -> None:
    moved = {name: [1e6 + 7 * value for value in group] for name, group in GROUPS.items()}
    assert permutation_f_test(moved).p_value == permutation_f_test(GROUPS).p_value
    assert permutation_f_test({"a": [0.1 + 0.2] * 3, "b": [0.3] * 3}).p_value == 1


def test_groups_without_spread_have_a_finite_statistic() -> None:
    found = permutation_f_test({"a": [1.0] * 3, "b": [2.0] * 3})
    assert math.isfinite(found.statistic)
    assert found.p_value == 2 / 20


def test_dunn_with_ties_is_the_formula_of_the_paper() -> None:
    groups = {"a": [1.0, 2.0, 2.0, 5.0], "b": [2.0, 6.0, 7.0], "c": [8.0, 8.0, 9.0]}
    ranks = stats.rankdata(np.concatenate(list(groups.values())))
    parts = np.split(ranks, [4, 7])
    n = 10
    ties = sum(t**3 - t for t in (3, 2))
    variance = n * (n + 1) / 12 - ties / (12 * (n - 1))
    z = (parts[0].mean() - parts[2].mean()) / math.sqrt(variance * (1 / 4 + 1 / 3))
    difference, p = dunn_test(groups)["a", "c"]
    assert difference == pytest.approx(parts[0].mean() - parts[2].mean())
    assert p == pytest.approx(min(1, 3 * 2 * stats.norm.sf(abs(z))))


def test_two_groups_at_least() -> None:
    with pytest.raises(DesignError):
        permutation_f_test({"a": [1.0, 2.0]})
