"""Rank tests beside: those of scipy, against the hypothesis's margin, with ties and zeros said."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gitexp.model.plan import Direction, Effect, HypothesisKind
from gitexp.stats.design import Design, Unit, plan_test
from gitexp.stats.planned import one_dataset

OLD = np.array([0.50, 0.51, 0.52, 0.53, 0.49, 0.47])
NEW = np.array([0.52, 0.51, 0.54, 0.57, 0.55, 0.50])


def beside(*, paired: bool, margin: float = 0.0) -> dict[str, object]:
    effect = Effect(HypothesisKind.SUPERIORITY, margin, relative=False)
    design = Design(
        unit=Unit.REPEAT,
        paired=paired,
        n_baseline=6,
        n_candidate=6,
        alpha=0.05,
        effect=effect,
        direction=Direction.MAX,
    )
    return {
        item.plan.test: item for item in one_dataset.by_ranks(plan_test(design), design, OLD, NEW)
    }


def test_zeros_and_ties_are_stated() -> None:
    (found,) = beside(paired=True).values()
    assert found.plan.title == "Wilcoxon signed-rank, exact, 1 zero dropped, 2 tied"


@pytest.mark.parametrize("margin", [0.0, 0.011])
def test_mann_whitney_and_brunner_munzel_are_scipys(margin: float) -> None:
    found = beside(paired=False, margin=margin)
    wanted = stats.brunnermunzel(OLD + margin, NEW, alternative="less")
    assert found["brunner-munzel"].p_support == pytest.approx(wanted.pvalue)
    if margin:  # no ties
        exact = stats.mannwhitneyu(NEW, OLD + margin, alternative="greater", method="exact")
        assert found["mann-whitney"].p_support == pytest.approx(exact.pvalue)


def test_sides_that_do_not_overlap_have_no_brunner_munzel() -> None:
    assert one_dataset.brunner_munzel(OLD, OLD + 1) is None
    assert one_dataset.brunner_munzel(OLD[:1], OLD) is None


def test_swapping_the_sides_swaps_the_tails() -> None:
    one, two = one_dataset.brunner_munzel(OLD, NEW), one_dataset.brunner_munzel(NEW, OLD)
    assert one is not None
    assert two is not None
    assert one.greater == pytest.approx(two.less)
    assert one.two_sided == pytest.approx(two.two_sided)
