"""Adjust p-values of a family of tests, so that alpha holds for the family.

An adjusted p-value is the smallest alpha at which the procedure would reject that hypothesis;
all functions keep the order of their input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gitexp.errors import DesignError
from gitexp.stats.values import Values, finite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def bonferroni(p_values: Sequence[float]) -> tuple[float, ...]:
    """Multiply by the number of tests.

    References
    ----------
    .. [1] Dunn, O. J. (1961). Multiple comparisons among means. J. Am. Stat. Assoc. 56, 52-64.
       :doi:`10.1080/01621459.1961.10482090`

    Examples
    --------
    >>> bonferroni([0.25, 0.5])
    (0.5, 1.0)
    """
    p = _checked(p_values)
    return _capped(p * len(p))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Step down from the smallest p-value; holds the familywise error under any dependence.

    References
    ----------
    .. [1] Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scand. J.
       Stat. 6, 65-70.

    Examples
    --------
    >>> holm([0.5, 0.25])
    (0.5, 0.5)
    """
    return _stepwise(p_values, lambda rank, n: n - rank + 1, down=True)


def hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """Step up from the largest p-value; for independent or positively dependent tests.

    References
    ----------
    .. [1] Hochberg, Y. (1988). A sharper Bonferroni procedure for multiple tests of
       significance. Biometrika 75, 800-802. :doi:`10.1093/biomet/75.4.800`
    """
    return _stepwise(p_values, lambda rank, n: n - rank + 1, down=False)


def hommel(p_values: Sequence[float]) -> tuple[float, ...]:
    """Close the Simes test; never less powerful than Hochberg's procedure.

    References
    ----------
    .. [1] Hommel, G. (1988). A stagewise rejective multiple test procedure based on a modified
       Bonferroni test. Biometrika 75, 383-386. :doi:`10.1093/biomet/75.2.383`
    .. [2] Wright, S. P. (1992). Adjusted p-values for simultaneous inference. Biometrics 48,
       1005-1013. :doi:`10.2307/2532694` (the algorithm)
    """
    p = _checked(p_values)
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
    return _capped(result)


def benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """Hold the false discovery rate of independent or positively dependent tests.

    References
    ----------
    .. [1] Benjamini, Y. and Hochberg, Y. (1995). Controlling the false discovery rate. J. R.
       Stat. Soc. B 57, 289-300. :doi:`10.1111/j.2517-6161.1995.tb02031.x`
    """
    return _stepwise(p_values, lambda rank, n: n / rank, down=False)


def benjamini_yekutieli(p_values: Sequence[float]) -> tuple[float, ...]:
    """Hold the false discovery rate under any dependence.

    References
    ----------
    .. [1] Benjamini, Y. and Yekutieli, D. (2001). The control of the false discovery rate in
       multiple testing under dependency. Ann. Stat. 29, 1165-1188.
       :doi:`10.1214/aos/1013699998`
    """
    harmonic = float((1 / np.arange(1, len(p_values) + 1)).sum())
    return _stepwise(p_values, lambda rank, n: harmonic * n / rank, down=False)


ADJUSTMENTS: dict[str, Callable[[Sequence[float]], tuple[float, ...]]] = {
    "holm": holm,
    "bonferroni": bonferroni,
    "hochberg": hochberg,
    "hommel": hommel,
    "benjamini-hochberg": benjamini_hochberg,
    "benjamini-yekutieli": benjamini_yekutieli,
}


SHORT_NAMES = {  # as `compare --adjust` calls them
    "holm": "holm",
    "bonferroni": "bonferroni",
    "hochberg": "hochberg",
    "bh": "benjamini-hochberg",
    "by": "benjamini-yekutieli",
    "none": "none",
}


def family(p_values: Sequence[float], method: str) -> tuple[float, ...]:
    """Adjust a family, which may be empty, by a key of `SHORT_NAMES`.

    Raises
    ------
    DesignError
        If the method is unknown or a value is no probability.

    Examples
    --------
    >>> family([0.02, 0.5], "none"), family([], "holm"), family([0.02, 0.5], "bonferroni")
    ((0.02, 0.5), (), (0.04, 1.0))
    """
    if method not in SHORT_NAMES:
        raise DesignError(
            "unknown adjustment of p-values", found=method, expected=", ".join(SHORT_NAMES)
        )
    name = SHORT_NAMES[method]
    if not p_values or name == "none":
        return tuple(p_values)
    return ADJUSTMENTS[name](p_values)


def _checked(p_values: Sequence[float]) -> Values:
    p = finite(p_values, "p-values")
    if ((p < 0) | (p > 1)).any():
        raise DesignError("a p-value is no probability", found=str(p), expected="0 <= p <= 1")
    return p


def _stepwise(
    p_values: Sequence[float], multiplier: Callable[[float, int], float], *, down: bool
) -> tuple[float, ...]:
    p = _checked(p_values)
    n = len(p)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * np.array([multiplier(rank, n) for rank in range(1, n + 1)])
    monotone = np.maximum.accumulate(scaled) if down else np.minimum.accumulate(scaled[::-1])[::-1]
    result = np.empty(n)
    result[order] = monotone
    return _capped(result)


def _capped(p: Values) -> tuple[float, ...]:
    return tuple(float(value) for value in np.minimum(p, 1.0))
