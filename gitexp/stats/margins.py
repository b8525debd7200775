"""Tests of means against a margin: superiority, non-inferiority, equivalence, by Student's t."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from scipy.special import stdtrit

from gitexp.errors import DesignError
from gitexp.stats.ttests import paired_difference, pooled_difference, t_test, welch_difference

if TYPE_CHECKING:
    from gitexp.stats.ttests import Alternative, Mean
    from gitexp.stats.values import Floats

DesignName = Literal["paired", "independent_welch"]


@dataclass(frozen=True, slots=True)
class SuperiorityTest:
    """A t test of superiority by a margin."""

    mean_difference: float
    statistic: float
    df: float
    p_value: float
    ci_low: float | None
    ci_high: float | None
    superior: bool


@dataclass(frozen=True, slots=True)
class NonInferiorityTest:
    """A t test of non-inferiority."""

    mean_difference: float
    statistic: float
    df: float
    p_value: float
    ci_low: float | None
    ci_high: float | None
    non_inferior: bool


@dataclass(frozen=True, slots=True)
class EquivalenceTest:
    """Two one-sided t tests; the interval has confidence 1 - 2 alpha."""

    mean_difference: float
    t_lower: float
    p_lower: float
    t_upper: float
    p_upper: float
    p_value: float
    df: float
    ci_low: float
    ci_high: float
    equivalent: bool


def superiority_by_margin_t_test(  # noqa: PLR0913 - the test has this many options
    a: Floats,
    b: Floats,
    *,
    margin: float,
    design: DesignName,
    higher_is_better: bool = True,
    alpha: float = 0.05,
) -> SuperiorityTest:
    """Test whether candidate `a` is better than reference `b` by more than a margin.

    Parameters
    ----------
    a, b : sequence of float
        Candidate and reference.
    margin : float
        In the unit of the metric, at least 0.
    design : {"paired", "independent_welch"}
    higher_is_better : bool
        If not, the difference has to lie below -margin.
    alpha : float
        Of the one-sided test and its one-sided limit.

    Raises
    ------
    DesignError
        As `ttests.t_test` and the estimate that is tested.
    """
    alternative: Alternative = "greater" if higher_is_better else "less"
    mu0 = margin if higher_is_better else -margin
    test = t_test(_difference(a, b, design), mu0, alternative=alternative, alpha=alpha)
    return SuperiorityTest(
        test.mean_difference,
        test.statistic,
        test.df,
        test.p_value,
        test.ci_low,
        test.ci_high,
        test.p_value <= alpha,
    )


def non_inferiority_t_test(  # noqa: PLR0913 - the test has this many options
    a: Floats,
    b: Floats,
    *,
    margin: float,
    design: DesignName,
    higher_is_better: bool = True,
    alpha: float = 0.05,
) -> NonInferiorityTest:
    """Test whether candidate `a` is worse than reference `b` by less than a margin.

    See `superiority_by_margin_t_test`; the margin's sign is turned.
    """
    test = superiority_by_margin_t_test(
        a, b, margin=-margin, design=design, higher_is_better=higher_is_better, alpha=alpha
    )
    return NonInferiorityTest(
        test.mean_difference,
        test.statistic,
        test.df,
        test.p_value,
        test.ci_low,
        test.ci_high,
        test.superior,
    )


def tost_paired(
    a: Floats,
    b: Floats,
    *,
    margin_low: float,
    margin_high: float,
    alpha: float = 0.05,
) -> EquivalenceTest:
    """Test whether mean(a - b) over pairs lies between two margins.

    References
    ----------
    .. [1] Schuirmann, D. J. (1987). A comparison of the two one-sided tests procedure and the
       power approach. J. Pharmacokinet. Biopharm. 15, 657-680. :doi:`10.1007/BF01068419`
    """
    return _tost(paired_difference(a, b), (margin_low, margin_high), alpha)


def tost_two_sample(  # noqa: PLR0913 - the test has this many options
    a: Floats,
    b: Floats,
    *,
    margin_low: float,
    margin_high: float,
    alpha: float = 0.05,
    equal_variances: bool = False,
) -> EquivalenceTest:
    """Test whether mean(a) - mean(b) of independent values lies between two margins."""
    mean = pooled_difference(a, b) if equal_variances else welch_difference(a, b)
    return _tost(mean, (margin_low, margin_high), alpha)


def _tost(mean: Mean, margins: tuple[float, float], alpha: float) -> EquivalenceTest:
    if margins[0] >= margins[1]:
        raise DesignError("the margins leave no room", found=str(margins), expected="low < high")
    lower = t_test(mean, margins[0], alternative="greater", alpha=alpha)
    upper = t_test(mean, margins[1], alternative="less", alpha=alpha)
    p_value = max(lower.p_value, upper.p_value)
    reach = float(stdtrit(mean.df, 1 - alpha)) * mean.error
    return EquivalenceTest(
        mean_difference=mean.estimate,
        t_lower=lower.statistic,
        p_lower=lower.p_value,
        t_upper=upper.statistic,
        p_upper=upper.p_value,
        p_value=p_value,
        df=mean.df,
        ci_low=mean.estimate - reach,
        ci_high=mean.estimate + reach,
        equivalent=p_value <= alpha,
    )


def _difference(a: Floats, b: Floats, design: DesignName) -> Mean:
    if design not in {"paired", "independent_welch"}:
        raise DesignError(
            "unknown design", found=str(design), expected="paired or independent_welch"
        )
    return paired_difference(a, b) if design == "paired" else welch_difference(a, b)
