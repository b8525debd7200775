"""Tests that may be looked at whenever data arrive: confidence sequences and e-processes.

They hold at all sample sizes at once; what holds for looks fixed beforehand is in `boundaries`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaln, log_ndtr, xlog1py, xlogy

from gitexp.errors import DesignError
from gitexp.stats.roots import bracket, crossing
from gitexp.stats.values import Values, finite, number, rate

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Boundary:
    """A curved boundary at one intrinsic time."""

    rho: float
    boundary: float


@dataclass(frozen=True, slots=True)
class MixtureSequence:
    """A confidence sequence of a mean with its e-values, after each value."""

    rho: float
    ci_low: tuple[float, ...]
    ci_high: tuple[float, ...]
    e_values: tuple[float, ...]
    always_valid_p_values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ProportionSequence:
    """A confidence sequence of a proportion at one sample size."""

    estimate: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True, slots=True)
class EProcess:
    """Evidence against a null hypothesis after each value."""

    e_values: tuple[float, ...]
    always_valid_p_values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a p-value can be worth at best."""

    bayes_factor_bound: float
    posterior_bound: float
    max_e_value: float


def normal_mixture_boundary(
    intrinsic_time: float,
    *,
    alpha: float,
    v_opt: float,
    alpha_opt: float,
    two_sided: bool = True,
) -> Boundary:
    """Return the boundary that a sum stays within at all times with probability 1 - alpha.

    Parameters
    ----------
    intrinsic_time : float
        Variance of the sum so far.
    alpha : float
        Error of both sides together if two-sided.
    v_opt, alpha_opt : float
        Intrinsic time and error for which the boundary is tightest.
    two_sided : bool
        If not, only the sum's upper side is bounded, by a mixture over positive means.

    Raises
    ------
    DesignError
        If the time to be best at is not positive, or alpha is no rate.

    References
    ----------
    .. [1] Howard, S. R., Ramdas, A., McAuliffe, J. and Sekhon, J. (2021). Time-uniform,
       nonparametric, nonasymptotic confidence sequences. Ann. Stat. 49, 1055-1080.
       :doi:`10.1214/20-AOS1991`

    Examples
    --------
    >>> round(normal_mixture_boundary(100, alpha=0.05, v_opt=100, alpha_opt=0.05).boundary, 4)
    30.3521
    """
    rate(alpha)
    number(intrinsic_time, "the intrinsic time", least=0)
    if two_sided:
        rho = _rho(v_opt, alpha_opt)
        time = intrinsic_time + rho
        return Boundary(rho, math.sqrt(time * math.log(time / (rho * alpha**2))))
    rho = _rho(v_opt, 2 * alpha_opt)
    time = intrinsic_time + rho

    def evidence(z: float) -> float:
        mixture = math.log(4 * rho / time) / 2 + z * z / 2 + float(log_ndtr(z))
        return mixture + math.log(alpha)

    return Boundary(rho, math.sqrt(time) * crossing(evidence, *bracket(evidence, 0.0, 1.0)))


def normal_mixture_confidence_sequence(
    values: Sequence[float], *, mu0: float, sigma: float, alpha: float, v_opt: float
) -> MixtureSequence:
    """Return a confidence sequence of the mean of values with a known standard deviation.

    Parameters
    ----------
    values : sequence of float, shape (n,)
        In the order of arrival.
    mu0 : float
        The mean under the null hypothesis.
    sigma : float
        Standard deviation (or sub-Gaussian scale) of one value.
    alpha, v_opt : float
        See `normal_mixture_boundary`.

    Raises
    ------
    DesignError
        If sigma or the time to be best at is not positive, a value is not finite, or alpha is no
        rate.

    References
    ----------
    .. [1] Howard et al. (2021), see `normal_mixture_boundary`.
    .. [2] Johari, R., Koomen, P., Pekelis, L. and Walsh, D. (2022). Always valid inference:
       continuous monitoring of A/B tests. Oper. Res. 70, 1806-1821.
       :doi:`10.1287/opre.2021.2135` (the p-values)
    """
    rate(alpha)
    if not sigma > 0:
        raise DesignError("the standard deviation has to be positive", found=str(sigma))
    x = finite(values)
    number(mu0, "the mean under the null")
    time = np.arange(1, len(x) + 1, dtype=np.float64)
    rho = _rho(v_opt, alpha)
    boundary = np.sqrt((time + rho) * np.log((time + rho) / (rho * alpha**2)))
    means, reach = np.cumsum(x) / time, sigma * boundary / time
    sums: Values = np.cumsum(x - mu0) / sigma
    exponent: Values = np.minimum(
        sums**2 / (2 * (time + rho)), 700.0
    )  # beyond it floats are infinite
    e_values = np.sqrt(rho / (time + rho)) * np.exp(exponent)
    return MixtureSequence(
        rho, _tuple(means - reach), _tuple(means + reach), _tuple(e_values), _always_valid(e_values)
    )


def bernoulli_confidence_sequence(
    successes: int, n: int, *, alpha: float, t_opt: float, alpha_opt: float
) -> ProportionSequence:
    """Return the proportions whose beta-binomial mixture martingale stays below 1 / alpha.

    Parameters
    ----------
    successes, n : int
    alpha : float
    t_opt, alpha_opt : float
        Sample size and error for which the sequence is tightest.

    Raises
    ------
    DesignError
        If there are not 0 to n successes of at least one, a time to be best at is not positive, or
        a rate is none.

    References
    ----------
    .. [1] Howard et al. (2021), see `normal_mixture_boundary`, proposition 7.
    """
    rate(alpha)
    if not 0 <= successes <= n or n < 1:
        raise DesignError("no proportion", found=f"{successes} of {n}")

    def evidence(p: float) -> float:
        variance = p * (1 - p)
        r = max(_rho(variance * t_opt, alpha_opt) - variance, 0.001 * variance)
        a, b = r / (1 - p), r / p
        mixture = betaln(a + successes, b + n - successes) - betaln(a, b)
        likelihood = xlogy(successes, p) + xlog1py(n - successes, -p)
        return float(mixture - likelihood) + math.log(alpha)

    share = successes / n
    edge = 1e-12
    inner = min(max(share, 1e-9), 1 - 1e-9)
    # a success or a failure or two may leave no proportion on their side to be ruled out
    low = 0.0 if evidence(edge) <= 0 else crossing(evidence, edge, inner)
    high = 1.0 if evidence(1 - edge) <= 0 else crossing(evidence, inner, 1 - edge)
    return ProportionSequence(share, low, high)


def betting_e_process(values: Sequence[float], *, mu0: float, bet: float) -> EProcess:
    """Return the wealth of betting a constant share on a mean above `mu0`.

    Parameters
    ----------
    values : sequence of float, shape (n,)
        In [0, 1], in the order of arrival.
    mu0 : float
        In [0, 1].
    bet : float
        In [-1 / (1 - mu0), 1 / mu0], so that wealth stays positive.

    Raises
    ------
    DesignError
        If a value lies outside [0, 1], or the bet can lose more than everything.

    References
    ----------
    .. [1] Waudby-Smith, I. and Ramdas, A. (2024). Estimating means of bounded random variables by
       betting. J. R. Stat. Soc. B 86, 1-27. :doi:`10.1093/jrsssb/qkad009`
    """
    x = finite(values)
    number(bet, "the bet")
    if ((x < 0) | (x > 1)).any() or not 0 <= mu0 <= 1:
        raise DesignError("a value lies outside [0, 1]", found=f"{x.min():g} to {x.max():g}")
    factors = 1 + bet * (x - mu0)
    if 1 - bet * mu0 < 0 or 1 + bet * (1 - mu0) < 0:
        raise DesignError(
            "the bet can lose more than everything",
            found=str(bet),
            expected=f"between -1 / {1 - mu0:g} and 1 / {mu0:g}",
        )
    e_values = np.cumprod(factors, dtype=np.float64)
    return EProcess(_tuple(e_values), _always_valid(e_values))


def sellke_bayarri_berger_calibration(p_value: float) -> Calibration:
    """Return the smallest Bayes factor of the null that a p-value can stand for.

    Parameters
    ----------
    p_value : float
        In (0, 1]; above 1/e the bound is 1.

    Raises
    ------
    DesignError
        If it is no p-value above 0 and at most 1.

    References
    ----------
    .. [1] Sellke, T., Bayarri, M. J. and Berger, J. O. (2001). Calibration of p values for testing
       precise null hypotheses. Am. Stat. 55, 62-71. :doi:`10.1198/000313001300339950`

    Examples
    --------
    >>> round(sellke_bayarri_berger_calibration(0.05).posterior_bound, 3)
    0.289
    """
    if not 0 < p_value <= 1:
        raise DesignError("not a p-value", found=str(p_value), expected="0 < p <= 1")
    bound = -math.e * p_value * math.log(p_value) if p_value < 1 / math.e else 1.0
    return Calibration(bound, bound / (1 + bound), 1 / bound)


def _rho(v_opt: float, alpha_opt: float) -> float:
    rate(alpha_opt, "alpha_opt")
    if not v_opt > 0:
        raise DesignError("the time to be best at has to be positive", found=str(v_opt))
    spent = 2 * math.log(1 / alpha_opt)
    return v_opt / (spent + math.log(1 + spent))


def _always_valid(e_values: Values) -> tuple[float, ...]:
    return _tuple(np.minimum(1.0, 1 / np.maximum(np.maximum.accumulate(e_values), 1e-300)))


def _tuple(values: Values) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
