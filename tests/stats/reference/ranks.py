"""Named tests of ranks, permutations, areas and resamples, by what the product counts and draws."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from gitexp.errors import DesignError
from gitexp.stats import effects, examples, permutation
from gitexp.stats.intervals import bca_limits
from gitexp.stats.metrics import KINDS, WHOLE, Definition, kind_of
from gitexp.stats.ranked import paired_areas
from gitexp.stats.ranks import (
    differences,
    midranks,
    normal_p,
    rank_sum_tails,
    signed_rank_sums,
    signed_rank_tails,
    subset_sums,
)
from tests.stats.reference.means import ALTERNATIVES, known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.stats.permutation import Tails

Numbers = dict[str, object]
METHODS = ("exact", "normal_approximation")


def one_tail(tails: Tails, alternative: str) -> float:
    known(alternative, ALTERNATIVES, "alternative")
    return {"greater": tails.greater, "less": tails.less, "two-sided": tails.two_sided}[alternative]


def paired_permutation_test(
    a: Sequence[float], b: Sequence[float], *, alternative: str = "two-sided"
) -> Numbers:
    first, second = np.array(a), np.array(b)
    p_value = one_tail(permutation.sign_flip_tails(second, first), alternative)
    return {
        "statistic": (first - second).mean(),
        "p_value": p_value,
        "n_permutations": 2 ** len(first),
    }


def independent_permutation_test(
    a: Sequence[float], b: Sequence[float], *, alternative: str = "two-sided"
) -> Numbers:
    first, second = np.array(a), np.array(b)
    p_value = one_tail(permutation.label_tails(second, first), alternative)
    ways = math.comb(len(first) + len(second), len(first))
    return {
        "statistic": first.mean() - second.mean(),
        "p_value": p_value,
        "n_permutations": ways,
    }


def wilcoxon_signed_rank(  # noqa: PLR0913 - the test has this many options
    a: Sequence[float],
    b: Sequence[float],
    *,
    alternative: str = "two-sided",
    method: str = "exact",
    zero_method: str = "wilcox",
    continuity_correction: bool = False,
) -> Numbers:
    """Drop zero differences, or rank them and drop their ranks (Pratt 1959)."""
    known(method, METHODS, "method")
    known(zero_method, ("wilcox", "pratt"), "treatment of zeros")
    known(alternative, ALTERNATIVES, "alternative")
    d = differences(np.array(a), np.array(b))
    if zero_method == "wilcox":
        d = d[d != 0]
    ranks = midranks(np.abs(d)) if len(d) else d
    kept, plus, minus = ranks[d != 0], ranks[d > 0].sum(), ranks[d < 0].sum()
    found = {"statistic": plus, "w_plus": plus, "w_minus": minus, "n_nonzero": len(kept)}
    if not len(kept):
        return {**found, "p_value": 1.0}
    if method == "exact" and zero_method == "wilcox":
        return {**found, "p_value": one_tail(signed_rank_tails(d, exact=True), alternative)}
    if method == "exact":
        ways, doubled = subset_sums(kept, None), round(2 * plus)
        greater, less = ways[doubled:].sum(), ways[: doubled + 1].sum()
        tails = permutation.Tails(greater, less, 2 * min(greater, less))
        return {**found, "p_value": min(1.0, one_tail(tails, alternative))}
    # sum of squared ranks is the variance times 4 with any ties, and with Pratt's gaps too
    spread = math.sqrt((kept**2).sum() / 4)
    distance = plus - kept.sum() / 2
    p_value, z = normal_p(distance, spread, alternative, correct=continuity_correction)
    return {**found, "p_value": p_value, "z": z}


def mann_whitney_u(
    a: Sequence[float],
    b: Sequence[float],
    *,
    alternative: str = "two-sided",
    method: str = "exact",
    continuity_correction: bool = False,
) -> Numbers:
    known(method, METHODS, "method")
    sides, exact = (np.array(a), np.array(b)), method == "exact"
    tails = rank_sum_tails(*sides, exact=exact, correct=continuity_correction)
    return {"statistic": tails.statistic, "p_value": one_tail(tails, alternative)}


def cliffs_delta(a: Sequence[float], b: Sequence[float]) -> Numbers:
    return {"estimate": effects.cliffs_delta(a, b)}


def vargha_delaney_a12(a: Sequence[float], b: Sequence[float]) -> Numbers:
    return {"estimate": (effects.cliffs_delta(a, b) + 1) / 2}


def rank_biserial_paired(a: Sequence[float], b: Sequence[float]) -> Numbers:
    plus, minus = signed_rank_sums(differences(np.array(a), np.array(b)))
    return {"estimate": effects.rank_biserial_paired(a, b), "w_plus": plus, "w_minus": minus}


def delong_test(
    labels: Sequence[int],
    scores_a: Sequence[float],
    scores_b: Sequence[float],
    *,
    alternative: str = "two-sided",
    alpha: float = 0.05,
) -> Numbers:
    known(alternative, ALTERNATIVES, "alternative")
    areas = paired_areas(*(np.array(each, dtype=float) for each in (labels, scores_b, scores_a)))
    difference, error = areas.candidate - areas.baseline, areas.error()
    p_value, z = normal_p(difference, error, alternative, correct=False) if error else (1.0, 0.0)
    reach = stats.norm.isf(alpha / 2) * error
    return {
        "auc_a": areas.candidate,
        "auc_b": areas.baseline,
        "auc_difference": difference,
        "standard_error": error,
        "statistic": z,
        "p_value": p_value,
        "ci_low": difference - reach,
        "ci_high": difference + reach,
    }


def delong_auc_ci(
    labels: Sequence[int], scores: Sequence[float], *, alpha: float = 0.05
) -> Numbers:
    """The limits are clipped to [0, 1]."""
    areas = paired_areas(*(np.array(each, dtype=float) for each in (labels, scores, scores)))
    error = math.sqrt(areas.var_candidate)
    low, high = areas.candidate + stats.norm.isf(alpha / 2) * error * np.array([-1, 1])
    return {
        "auc": areas.candidate,
        "standard_error": error,
        "ci_low": max(0.0, low),
        "ci_high": min(1.0, high),
    }


def _correlation(data: np.ndarray) -> np.ndarray:
    x, y = np.moveaxis(data - data.mean(axis=-2, keepdims=True), -1, 0)
    spread = np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    return (x * y).sum(axis=-1) / np.where(spread > 0, spread, np.inf)


STATISTICS = {
    "mean": lambda data: data[..., 0].mean(axis=-1),
    "plugin_variance": lambda data: data[..., 0].var(axis=-1),
    "pearson_correlation": _correlation,
}


def bootstrap_interval(  # noqa: PLR0913 - one sample or pairs, and how
    values: Sequence[float] | None = None,
    *,
    x: Sequence[float] = (),
    y: Sequence[float] = (),
    statistic: str = "mean",
    alpha: float = 0.05,
    n_resamples: int = 9_999,
    seed: int = 0,
    corrected: bool,
) -> Numbers:
    """The quantiles, or the bias-corrected and accelerated limits by the jackknife's influence."""
    known(statistic, tuple(STATISTICS), "statistic")
    data = np.column_stack([x, y] if values is None else [values])
    function, n = STATISTICS[statistic], len(data)
    rng = np.random.default_rng(seed)
    resampled = function(data[rng.integers(0, n, size=(n_resamples, n))])
    estimate = float(function(data))
    if corrected:
        left_out = np.array([function(np.delete(data, i, axis=0)) for i in range(n)])
        low, high = bca_limits(resampled, estimate, left_out.mean() - left_out, alpha)
    else:
        low, high = np.quantile(resampled, [alpha / 2, 1 - alpha / 2])
    return {
        "estimate": estimate,
        "standard_error": resampled.std(ddof=1),
        "ci_low": low,
        "ci_high": high,
    }


def paired_bootstrap_metric_difference(  # noqa: PLR0913 - two classifiers, a metric, and how
    truth: Sequence[object],
    predictions_a: Sequence[object],
    predictions_b: Sequence[object],
    *,
    metric: str,
    positive_label: object = 1,
    alpha: float = 0.05,
    n_resamples: int = 9_999,
) -> Numbers:
    cells, definition = _classified(truth, predictions_a, predictions_b, metric, positive_label)
    b, a = examples.scores(cells, definition)
    many_b, many_a = examples.resampled_scores(cells, definition, draws=n_resamples, seed=0)
    low, high = np.quantile(many_a - many_b, [alpha / 2, 1 - alpha / 2])
    return {
        "metric_a": a,
        "metric_b": b,
        "difference": a - b,
        "standard_error": (many_a - many_b).std(ddof=1),
        "ci_low": low,
        "ci_high": high,
    }


def approximate_randomization_test(  # noqa: PLR0913 - two classifiers, a metric, and how
    truth: Sequence[object],
    predictions_a: Sequence[object],
    predictions_b: Sequence[object],
    *,
    metric: str,
    positive_label: object = 1,
    alternative: str = "two-sided",
    n_resamples: int = 19_999,
) -> Numbers:
    cells, definition = _classified(truth, predictions_a, predictions_b, metric, positive_label)
    b, a = examples.scores(cells, definition)
    tails = examples.swap_tails(cells, definition, sign=1.0, draws=n_resamples, seed=0)
    p_value = one_tail(tails, alternative)
    return {"metric_a": a, "metric_b": b, "difference": a - b, "p_value": p_value}


def _classified(
    truth: Sequence[object],
    predictions_a: Sequence[object],
    predictions_b: Sequence[object],
    metric: str,
    positive_label: object,
) -> tuple[examples.Cells, Definition]:
    """Return the cells with `b` as the baseline, and the metric's definition."""
    average = next((word for word in ("macro", "micro", "weighted") if word in metric), "")
    kind = metric.replace(average, "").strip("_") if average else metric
    if kind not in KINDS:  # "mcc", "kappa", "f1_score"
        kind = kind_of(kind)
    if kind not in KINDS or (average and kind in WHOLE):
        raise DesignError("unknown metric of labels", found=metric, expected=", ".join(KINDS))
    columns = ([str(label) for label in side] for side in (truth, predictions_b, predictions_a))
    if kind in WHOLE:
        definition = Definition(kind)
    elif average:
        definition = Definition(kind, average)
    else:
        definition = Definition(kind, "binary", str(positive_label))
    return examples.tabulate(*columns), definition


def bayesian_sign_test(
    a: Sequence[float], b: Sequence[float], *, rope: float, n_samples: int = 50_000
) -> Numbers:
    """Draw from a Dirichlet posterior over three regions, prior strength 1 inside."""
    d = differences(np.array(a), np.array(b))
    above, below = (d > rope + 1e-12).sum(), (d < -rope - 1e-12).sum()
    # Dirichlet needs positive parameters; 1e-4 keeps an empty region practically empty
    strength = np.array([below, len(d) - below - above + 1, above]) + 1e-4
    draws = np.random.default_rng(0).dirichlet(strength, size=n_samples)
    shares = np.bincount(draws.argmax(axis=1), minlength=3) / n_samples
    return dict(zip(("p_less", "p_rope", "p_greater"), shares, strict=True))


def curve_area_trapezoid(x: Sequence[float], y: Sequence[float]) -> Numbers:
    area = np.trapezoid(y, x)
    return {"area": area, "normalized_area": area / (x[-1] - x[0])}


def curve_max_t_permutation_test(
    a: Sequence[Sequence[float]],
    b: Sequence[Sequence[float]],
    *,
    steps: Sequence[float],
    alternative: str = "two-sided",
) -> Numbers:
    """Compare each step's t with the largest of all sign flips: Westfall and Young (1993)."""
    known(alternative, ALTERNATIVES, "alternative")
    d = np.array(a) - np.array(b)
    n, ways = len(d), 2 ** len(d)
    assert d.shape == (n, len(steps))
    signs = 1.0 - 2.0 * ((np.arange(ways)[:, None] >> np.arange(n)) & 1)
    means = signs @ d / n
    rest = (d**2).sum(axis=0) - n * means**2  # flipping signs leaves the sums of squares
    t = means / np.sqrt(np.maximum(rest, 1e-12 * (d**2).sum(axis=0)) / (n - 1) / n)
    extreme = {"two-sided": np.abs(t), "greater": t, "less": -t}[alternative]
    bar = extreme[0] - 1e-9 * np.abs(extreme[0])
    return {
        "t_values": t[0].tolist(),
        "p_values": (extreme >= bar).mean(axis=0).tolist(),
        "adjusted_p_values": (extreme.max(axis=1, keepdims=True) >= bar).mean(axis=0).tolist(),
        "n_permutations": ways,
    }
