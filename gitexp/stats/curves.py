"""Learning curves: their area, and where along the steps two methods differ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gitexp.errors import DesignError
from gitexp.stats.design import MAX_SIGN_FLIPS
from gitexp.stats.values import Values, finite, finite_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.stats.ttests import Alternative

CHUNK = 1 << 14  # sign patterns at a time
SAME = 1e-9  # relative: statistics that differ by less are ties


@dataclass(frozen=True, slots=True)
class Area:
    """The area under a curve, and divided by the range of x."""

    area: float
    normalized_area: float


@dataclass(frozen=True, slots=True)
class MaxTTest:
    """A t statistic at each step, with its own p-value and that of the family of all steps."""

    t_values: tuple[float, ...]
    p_values: tuple[float, ...]
    adjusted_p_values: tuple[float, ...]
    n_permutations: int


def curve_area_trapezoid(x: Sequence[float], y: Sequence[float]) -> Area:
    """Return the area under a curve by the trapezoidal rule.

    Parameters
    ----------
    x : sequence of float, shape (n_steps,)
        Increasing, not necessarily evenly.
    y : sequence of float, shape (n_steps,)

    Raises
    ------
    DesignError
        If there are fewer than two steps or x does not increase.

    Examples
    --------
    >>> curve_area_trapezoid([0.0, 1.0, 3.0], [0.0, 2.0, 2.0])
    Area(area=5.0, normalized_area=1.6666666666666667)
    """
    steps, values = finite_pairs(x, y, least=2)
    widths = np.diff(steps)
    if (widths <= 0).any():
        raise DesignError("the steps of a curve have to increase", found=str(steps.tolist()))
    area = float((widths * (values[1:] + values[:-1]) / 2).sum())
    return Area(area, area / float(steps[-1] - steps[0]))


def curve_max_t_permutation_test(
    a: Sequence[Sequence[float]],
    b: Sequence[Sequence[float]],
    *,
    steps: Sequence[float],
    alternative: Alternative = "two-sided",
) -> MaxTTest:
    """Test paired curves at every step, by all sign flips of whole curves.

    Parameters
    ----------
    a, b : sequence, shape (n_pairs, n_steps)
        Rows are paired repeats; two at least, 20 at most.
    steps : sequence of float, length n_steps
    alternative : {"two-sided", "greater", "less"}
        Of `a` relative to `b`.

    Returns
    -------
    MaxTTest
        Adjusted p-values compare each t with the distribution of the largest one [1]_; a step
        without any difference has t = 0.

    Raises
    ------
    DesignError
        If the curves have not one finite value a step, there are more than 20 pairs, or the
        alternative is unknown.

    References
    ----------
    .. [1] Westfall, P. H. and Young, S. S. (1993). Resampling-Based Multiple Testing. Wiley.
    """
    first, second = finite_pairs(np.asarray(a), np.asarray(b), least=2)
    if first.ndim != 2 or first.shape[1] != len(steps):  # noqa: PLR2004 - repeats x steps
        raise DesignError(
            "the curves do not have one value a step",
            found=f"shape {first.shape}, {len(steps)} steps",
        )
    finite(steps, "steps")
    n = len(first)
    ways = 2**n
    if ways > MAX_SIGN_FLIPS:
        raise DesignError("too many pairs to enumerate", found=str(n), expected="at most 20")
    d = first - second
    scale = np.maximum(np.abs(first), np.abs(second)).max(axis=0)
    d[:, np.abs(d).max(axis=0) <= 16 * float(np.finfo(np.float64).eps) * scale] = 0.0
    squares = (d**2).sum(axis=0)
    observed = _t_values(d.mean(axis=0, keepdims=True), squares, n)[0]
    extreme = _one_sided(observed, alternative)
    bar = extreme - SAME * np.abs(extreme)
    own, family = np.zeros(d.shape[1]), np.zeros(d.shape[1])
    for start in range(0, ways, CHUNK):
        pattern = np.arange(start, min(start + CHUNK, ways))
        signs = 1.0 - 2.0 * ((pattern[:, None] >> np.arange(n)) & 1)
        t = _one_sided(_t_values(signs @ d / n, squares, n), alternative)
        own += (t >= bar).sum(axis=0)
        family += (t.max(axis=1, keepdims=True) >= bar).sum(axis=0)
    return MaxTTest(_tuple(observed), _tuple(own / ways), _tuple(family / ways), ways)


def _t_values(means: Values, squares: Values, n: int) -> Values:
    """Return t from means; flipping signs leaves the sums of squares as they are."""
    rest = np.maximum(squares - n * means**2, 0.0)
    rest[rest <= SAME * squares] = 0.0  # equal differences: t is infinite, not noise
    errors = np.sqrt(rest / (n - 1) / n)
    t = np.divide(
        means, errors, out=np.copysign(np.full_like(means, math.inf), means), where=rest > 0
    )
    return np.where(means == 0, 0.0, np.clip(t, -1e12, 1e12))


def _one_sided(t: Values, alternative: Alternative) -> Values:
    match alternative:
        case "two-sided":
            return np.abs(t)
        case "greater":
            return t
        case "less":
            return -t
        case _:
            raise DesignError("unknown alternative", found=str(alternative))


def _tuple(values: Values) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
