"""Adjusted p-values: order, limits, and the procedures that they stand for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gitexp.errors import DesignError
from gitexp.stats.hypotheses import ADJUSTMENTS, family
from tests.stats.reference.planning import hommel

holm, bonferroni, hochberg, benjamini_hochberg, benjamini_yekutieli = (
    ADJUSTMENTS[method] for method in ("holm", "bonferroni", "hochberg", "bh", "by")
)
families = st.lists(st.floats(0, 1), min_size=1, max_size=7)


@given(families, st.sampled_from(sorted(ADJUSTMENTS.keys() - {"none"})))
def test_adjusting_never_lowers_p_and_keeps_the_order(p: list[float], method: str) -> None:
    adjusted = ADJUSTMENTS[method](p)
    assert all(one >= raw * (1 - 1e-12) for raw, one in zip(p, adjusted, strict=True))
    assert max(adjusted) <= 1
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= -1e-12).all()


@given(families)
def test_holm_is_never_stricter_than_bonferroni_nor_laxer_than_hommel(p: list[float]) -> None:
    chain = [np.array(method(p)) for method in (bonferroni, holm, hochberg, hommel)]
    for stricter, laxer in itertools.pairwise(chain):
        assert (stricter >= laxer - 1e-12).all()


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_hommel_is_the_closed_simes_test(p: list[float]) -> None:
    n = len(p)

    def simes(members: tuple[int, ...]) -> float:
        ordered = sorted(p[i] for i in members)
        return min(len(members) * value / (k + 1) for k, value in enumerate(ordered))

    closed = [
        max(
            simes(members)
            for size in range(1, n + 1)
            for members in itertools.combinations(range(n), size)
            if i in members
        )
        for i in range(n)
    ]
    assert hommel(p) == pytest.approx(closed)


@given(families)
def test_false_discovery_rates_are_scipys(p: list[float]) -> None:
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p, method="bh"))
    assert benjamini_yekutieli(p) == pytest.approx(stats.false_discovery_control(p, method="by"))


@pytest.mark.parametrize("p", [[], [-0.1], [1.1], [float("nan")]])
@pytest.mark.parametrize("method", sorted(ADJUSTMENTS.keys() - {"none"}))
def test_what_is_no_probability_is_refused(p: list[float], method: str) -> None:
    with pytest.raises(DesignError):
        ADJUSTMENTS[method](p)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(DesignError, match="unknown adjustment"):
        family([0.5], "fdr")
