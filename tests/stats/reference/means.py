"""Named tests of means, by the product's estimates, p-values and limits of t."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from gitexp.errors import DesignError
from gitexp.stats import ttests
from gitexp.stats.ttests import corrected_difference, correlated_posterior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.stats.ttests import Alternative, Mean

Numbers = dict[str, object]
DIFFERENCES = {
    "paired": ttests.paired_difference,
    "independent_welch": ttests.welch_difference,
    "independent_student": ttests.pooled_difference,
}
ALTERNATIVES = ("two-sided", "greater", "less")


def known(option: str, options: Sequence[str], what: str) -> None:
    """Raise `DesignError` if an option is none of those that there are."""
    if option not in options:
        raise DesignError(f"unknown {what}", found=str(option), expected=", ".join(options))


def t_test(  # noqa: PLR0913 - the test has this many options
    a: Sequence[float],
    b: Sequence[float],
    *,
    design: str,
    mu0: float = 0.0,
    alternative: Alternative = "two-sided",
    alpha: float = 0.05,
) -> Numbers:
    mean = DIFFERENCES[design](a, b)
    return {"mean_difference": mean.estimate, **_against(mean, mu0, alternative, alpha)}


def one_sample_t_test(
    values: Sequence[float],
    *,
    mu0: float = 0.0,
    alternative: Alternative = "two-sided",
    alpha: float = 0.05,
) -> Numbers:
    mean = ttests.paired_difference(values, [0.0] * len(values))
    sd = mean.error * math.sqrt(len(values))
    return {"mean": mean.estimate, "sd": sd, **_against(mean, mu0, alternative, alpha)}


def corrected_resampled_t_test(
    a: Sequence[float],
    b: Sequence[float],
    *,
    test_train_ratio: float,
    alternative: Alternative = "two-sided",
    alpha: float = 0.05,
) -> Numbers:
    mean = corrected_difference(a, b, test_train_ratio)
    return {"mean_difference": mean.estimate, **_against(mean, 0.0, alternative, alpha)}


def bayesian_correlated_t_test(
    a: Sequence[float], b: Sequence[float], *, n_folds: int, n_repeats: int, rope: float
) -> Numbers:
    """The correlation is 1 / k, a ratio of 1 / (k - 1): Corani and Benavoli (2015)."""
    if len(a) != n_folds * n_repeats:
        raise DesignError("the scores are not those of the folds", found=f"{len(a)} scores")
    mean = corrected_difference(a, b, 1 / (n_folds - 1))
    posterior = {"posterior_mean": mean.estimate, "posterior_scale": mean.error}
    return {**asdict(correlated_posterior(mean, rope)), **posterior, "posterior_df": mean.df}


def five_by_two_cv_t_test(**case: Sequence[Sequence[float]]) -> Numbers:
    tails = ttests.five_by_two_cv_t_test(**case)
    return {"statistic": tails.statistic, "df": 5, "p_value": tails.two_sided}


def by_margin(  # noqa: PLR0913 - the test has this many options
    a: Sequence[float],
    b: Sequence[float],
    *,
    margin: float,
    design: str,
    word: str,
    higher_is_better: bool = True,
    alpha: float = 0.05,
) -> Numbers:
    """Test superiority by a margin, or non-inferiority, where the margin changes its sign."""
    gain = margin if word == "superior" else -margin
    mu0, alternative = (gain, "greater") if higher_is_better else (-gain, "less")
    found = t_test(a, b, design=design, mu0=mu0, alternative=alternative, alpha=alpha)
    return {**found, word: found["p_value"] <= alpha}


def tost(  # noqa: PLR0913 - the test has this many options
    a: Sequence[float],
    b: Sequence[float],
    *,
    margin_low: float,
    margin_high: float,
    alpha: float = 0.05,
    design: str = "",
    equal_variances: bool = False,
) -> Numbers:
    """Test equivalence by two one-sided tests: Schuirmann (1987)."""
    design = design or ("independent_student" if equal_variances else "independent_welch")
    mean = DIFFERENCES[design](a, b)
    lower = _against(mean, margin_low, "greater", alpha)
    upper = _against(mean, margin_high, "less", alpha)
    p_value = max(lower["p_value"], upper["p_value"])
    return {
        "mean_difference": mean.estimate,
        "t_lower": lower["statistic"],
        "p_lower": lower["p_value"],
        "t_upper": upper["statistic"],
        "p_upper": upper["p_value"],
        "p_value": p_value,
        "df": mean.df,
        "ci_low": lower["ci_low"],
        "ci_high": upper["ci_high"],
        "equivalent": p_value <= alpha,
    }


def _against(mean: Mean, mu0: float, alternative: Alternative, alpha: float) -> Numbers:
    known(alternative, ALTERNATIVES, "alternative")
    statistic = (mean.estimate - mu0) / mean.error
    low, high = ttests.limits(mean, alpha if alternative == "two-sided" else 2 * alpha)
    p_value = ttests.p_of_t(statistic, mean.df, alternative)
    return {
        "statistic": statistic,
        "df": mean.df,
        "p_value": p_value,
        "ci_low": None if alternative == "less" else low,
        "ci_high": None if alternative == "greater" else high,
    }
