"""Named questions before and while values arrive: power, looks, sequences; and families of p."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import special, stats

from gitexp.errors import DesignError
from gitexp.stats.distributions import crossing_probability
from gitexp.stats.effects import bracket, crossing
from gitexp.stats.hypotheses import ADJUSTMENTS
from gitexp.stats.planned import detectable
from gitexp.stats.planned.detectable import power_paired_t_test, power_two_sample_t_test
from tests.stats.reference.means import ALTERNATIVES, known

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Numbers = dict[str, object]


def hommel(p_values: Sequence[float]) -> tuple[float, ...]:
    """Close the Simes test; never less powerful than Hochberg's procedure.

    References
    ----------
    .. [1] Hommel, G. (1988). A stagewise rejective multiple test procedure based on a modified
       Bonferroni test. Biometrika 75, 383-386. :doi:`10.1093/biomet/75.2.383`
    .. [2] Wright, S. P. (1992). Adjusted p-values for simultaneous inference. Biometrics 48,
       1005-1013. :doi:`10.2307/2532694` (the algorithm)
    """
    p = np.asarray(p_values, dtype=np.float64)
    n = len(p)
    order = np.argsort(p, kind="stable")
    ordered = p[order]
    adjusted = np.full(n, float((n * ordered / np.arange(1, n + 1)).min()))
    for m in range(n - 1, 1, -1):
        # Simes' test of m hypotheses: the m - 1 largest of all, and one of the others
        large = float((m * ordered[n - m + 1 :] / np.arange(2, m + 1)).min())
        small = np.minimum(m * ordered[: n - m + 1], large)
        bound = np.concatenate([small, np.full(m - 1, small[-1])])
        adjusted = np.maximum(adjusted, bound)
    result = np.empty(n)
    result[order] = np.maximum(adjusted, ordered)
    return tuple(float(value) for value in np.minimum(result, 1.0))


NAMES = {"benjamini-hochberg": "bh", "benjamini-yekutieli": "by"}


def adjust(p_values: Sequence[float], *, method: str, alpha: float = 0.05) -> Numbers:
    test = hommel if method == "hommel" else ADJUSTMENTS[NAMES.get(method, method)]
    adjusted = test(p_values)
    rejected = [p <= alpha for p in adjusted]
    return {"adjusted_p_values": adjusted, "rejected": rejected, "n_rejected": sum(rejected)}


def shaffer_static_correction(p_values: Mapping[str, float], n_treatments: int) -> Numbers:
    """Holm's multiplier, lowered to a number of pairs that can be equal: Shaffer (1986)."""
    pairs = n_treatments * (n_treatments - 1) // 2
    assert len(p_values) == pairs
    possible, least, adjusted = _numbers_of_true(n_treatments), 0.0, {}
    for rank, name in enumerate(sorted(p_values, key=p_values.get)):
        factor = max(number for number in possible if number <= pairs - rank)
        least = max(least, min(1.0, factor * p_values[name]))
        adjusted[name] = least
    return {"adjusted_p_values": adjusted}


def _numbers_of_true(k: int) -> set[int]:
    """Return how many of the pairs of k means can be equal, over all partitions of the means."""
    return {0} | {
        math.comb(size, 2) + rest
        for size in range(1, k + 1)
        for rest in _numbers_of_true(k - size)
    }  # fmt: skip


def noncentral_limits(interval: Callable[..., tuple[float, float]], **case: float) -> Numbers:
    return dict(zip(("ncp_low", "ncp_high"), interval(**case), strict=True))


def t_test_power(
    test: Callable[..., float],
    n: float | None = None,
    effect_size: float = 0.0,
    *,
    alpha: float = 0.05,
    alternative: str = "greater",
    **numbers: float,
) -> Numbers:
    """Two-sided: half of alpha in both tails, the wrong one too."""
    (n,) = numbers.values() or (n,)
    known(alternative, ALTERNATIVES, "alternative")
    if alternative == "less":
        return {"power": test(n, -effect_size, alpha=alpha)}
    if alternative == "greater":
        return {"power": test(n, effect_size, alpha=alpha)}
    return {"power": sum(test(n, sign * effect_size, alpha=alpha / 2) for sign in (1, -1))}


def sample_size_mcnemar(
    p_a_only: float, p_b_only: float, power: float, *, alpha: float = 0.05
) -> Numbers:
    """Return the examples at which McNemar's two-sided test has `power`, by its normal law.

    `p_a_only`, `p_b_only`: probabilities that only `a`, only `b` is right on an example (Connett,
    Smith and McHugh 1987).
    """
    discordant, difference = p_a_only + p_b_only, abs(p_a_only - p_b_only)
    if difference == 0:
        raise DesignError("no sample finds a difference of zero")
    reach = special.ndtri(1 - alpha / 2) * math.sqrt(discordant)
    reach += special.ndtri(power) * math.sqrt(discordant - difference**2)
    n = float((reach / difference) ** 2)
    return {"n_exact": n, "n": math.ceil(n)}


def power_tost_paired(**case: float) -> Numbers:
    return {"power": detectable.power_tost_paired(**case)}


def sample_size(effect_size: float, power: float, *, pairs: bool, **options: object) -> Numbers:
    """Invert the power of a t test of pairs, or of two groups."""
    test = power_paired_t_test if pairs else power_two_sample_t_test

    def gap(n: float) -> float:
        return t_test_power(test, n, effect_size, **options)["power"] - power

    start = 1.5  # half a degree of freedom: no test is smaller
    n = 2.0 if gap(start) >= 0 else crossing(gap, *bracket(gap, start, 1.0))
    return {"n_exact": n, "n": max(2, math.ceil(n - 1e-9))}


def minimum_detectable_effect_paired_t_test(
    n_pairs: int, power: float, *, alpha: float = 0.05, alternative: str = "greater"
) -> Numbers:
    sign = -1.0 if alternative == "less" else 1.0

    def gap(size: float) -> float:
        test = power_paired_t_test
        found = t_test_power(test, n_pairs, sign * size, alpha=alpha, alternative=alternative)
        return found["power"] - power

    return {"effect_size": sign * crossing(gap, *bracket(gap, 0.0, 0.25))}


def power_one_way_anova(
    n_groups: int, n_per_group: int, effect_size_f: float, *, alpha: float = 0.05
) -> Numbers:
    df1, df2 = n_groups - 1, n_groups * (n_per_group - 1)
    ncp = n_groups * n_per_group * effect_size_f**2
    return {"power": stats.ncf.sf(stats.f.isf(alpha, df1, df2), df1, df2, ncp)}


def power_mcnemar(
    n_pairs: int, p_a_only: float, p_b_only: float, *, alpha: float = 0.05, method: str = "exact"
) -> Numbers:
    """Two-sided: the normal one of Connett, Smith and McHugh (1987), or the exact test's."""
    discordant, difference = p_a_only + p_b_only, abs(p_a_only - p_b_only)
    if method == "normal":
        reach = math.sqrt(n_pairs) * difference
        reach -= stats.norm.isf(alpha / 2) * math.sqrt(discordant)
        return {"power": stats.norm.cdf(reach / math.sqrt(discordant - difference**2))}
    n = np.arange(n_pairs + 1)[:, None]
    wins = np.arange(n_pairs + 1)
    rejects = 2 * stats.binom.cdf(np.minimum(wins, n - wins), n, 0.5) <= alpha
    chances = stats.binom.pmf(n, n_pairs, discordant) * stats.binom.pmf(
        wins, n, p_a_only / discordant
    )
    return {"power": (chances * (rejects & (wins <= n))).sum()}


def group_sequential(
    n_looks: int, alpha: float, *, power: float, two_sided: bool = True
) -> Numbers:
    """The constant at which z, higher by (K / k)^power at look k of K, is crossed by chance."""
    shapes = [(n_looks / look) ** power for look in range(1, n_looks + 1)]

    def excess(constant: float) -> float:
        return crossing_probability([constant * s for s in shapes], two_sided=two_sided) - alpha

    constant = crossing(excess, stats.norm.isf(alpha) / 2, 8.0)
    critical = [constant * s for s in shapes]
    nominal = [(1 + two_sided) * stats.norm.sf(z) for z in critical]
    return {"constant": constant, "critical_values": critical, "nominal_p_values": nominal}


def normal_mixture_boundary(
    intrinsic_time: float, *, alpha: float, v_opt: float, alpha_opt: float, two_sided: bool = True
) -> Numbers:
    """Howard, Ramdas, McAuliffe and Sekhon (2021)."""
    rho = _rho(v_opt, alpha_opt if two_sided else 2 * alpha_opt)
    time = intrinsic_time + rho
    if two_sided:
        return {"rho": rho, "boundary": math.sqrt(time * math.log(time / (rho * alpha**2)))}

    def evidence(z: float) -> float:
        mixture = math.log(4 * rho / time) / 2 + z * z / 2 + special.log_ndtr(z)
        return mixture + math.log(alpha)

    return {
        "rho": rho,
        "boundary": math.sqrt(time) * crossing(evidence, *bracket(evidence, 0.0, 1.0)),
    }


def normal_mixture_confidence_sequence(
    values: Sequence[float], *, mu0: float, sigma: float, alpha: float, v_opt: float
) -> Numbers:
    """The same of a mean; its p-values are those of Johari et al. (2022)."""
    x, rho = np.array(values), _rho(v_opt, alpha)
    time = np.arange(1, len(x) + 1)
    means = np.cumsum(x) / time
    reach = sigma * np.sqrt((time + rho) * np.log((time + rho) / (rho * alpha**2))) / time
    sums = np.cumsum(x - mu0) / sigma
    e_values = np.sqrt(rho / (time + rho)) * np.exp(sums**2 / (2 * (time + rho)))
    return {
        "rho": rho,
        "ci_low": (means - reach).tolist(),
        "ci_high": (means + reach).tolist(),
        "e_values": e_values.tolist(),
        "always_valid_p_values": np.minimum(1, 1 / np.maximum.accumulate(e_values)).tolist(),
    }


def bernoulli_confidence_sequence(
    successes: int, n: int, *, alpha: float, t_opt: float, alpha_opt: float
) -> Numbers:
    """The proportions whose beta-binomial mixture stays below 1 / alpha: proposition 7 there."""

    def evidence(p: float) -> float:
        variance = p * (1 - p)
        r = max(_rho(variance * t_opt, alpha_opt) - variance, 0.001 * variance)
        a, b = r / (1 - p), r / p
        mixture = special.betaln(a + successes, b + n - successes) - special.betaln(a, b)
        likelihood = special.xlogy(successes, p) + special.xlog1py(n - successes, -p)
        return mixture - likelihood + math.log(alpha)

    share, edge = successes / n, 1e-12
    inner = min(max(share, 1e-9), 1 - 1e-9)
    # a success or a failure or two may leave no proportion on their side to be ruled out
    low = 0.0 if evidence(edge) <= 0 else crossing(evidence, edge, inner)
    high = 1.0 if evidence(1 - edge) <= 0 else crossing(evidence, inner, 1 - edge)
    return {"estimate": share, "ci_low": low, "ci_high": high}


def sellke_bayarri_berger_calibration(p_value: float) -> Numbers:
    """The smallest Bayes factor of the null that a p-value can stand for."""
    bound = -math.e * p_value * math.log(p_value) if p_value < 1 / math.e else 1.0
    return {
        "bayes_factor_bound": bound,
        "posterior_bound": bound / (1 + bound),
        "max_e_value": 1 / bound,
    }


def _rho(v_opt: float, alpha_opt: float) -> float:
    spent = 2 * math.log(1 / alpha_opt)
    return v_opt / (spent + math.log(1 + spent))


def betting_e_process(values: Sequence[float], *, mu0: float, bet: float) -> Numbers:
    """Return the wealth of betting a constant share on a mean above `mu0`.

    `values`: in [0, 1], in the order of arrival. `bet`: in [-1 / (1 - mu0), 1 / mu0], so that
    wealth stays positive (Waudby-Smith and Ramdas 2024).
    """
    x = np.asarray(values, dtype=np.float64)
    if ((x < 0) | (x > 1)).any() or not min(1 - bet * mu0, 1 + bet * (1 - mu0)) >= 0:
        raise DesignError("a value lies outside [0, 1], or the bet can lose more than everything")
    e_values = np.cumprod(1 + bet * (x - mu0))
    p_values = np.minimum(1.0, 1 / np.maximum(np.maximum.accumulate(e_values), 1e-300))
    return {"e_values": (*e_values.tolist(),), "always_valid_p_values": (*p_values.tolist(),)}
