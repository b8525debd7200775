"""Numbers as people read them: the digits follow the interval, a p-value never hides its side."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gitexp.model.metrics import is_rounding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitexp.model.metrics import MetricSummary
    from gitexp.model.result import Interval, MetricComparison

_HUGE = 1e7
_MANY_STRETCHES = 8  # of seeds, which nobody reads one by one
_FIRST = 3  # of them that are named
_MOST_TIMES = 100  # as much; what is more comes from a mean near 0
_TINY_P = 1e-4
_MOST_DECIMALS = 9
_ROUNDING = 1e-12  # of a number: no interval is as narrow, but by rounding
_SIDE = 4  # decimals more at most, where a limit would read 0 and is not


def decimals_for(metric: MetricComparison) -> int:
    """Return how many decimals the numbers of this metric deserve.

    Two significant digits of half the interval's width; without an interval as many as show
    four significant digits of the means.
    """
    interval = metric.interval
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    largest = max(abs(metric.mean_baseline), abs(metric.mean_candidate))
    return decimals(metric.difference, low, high, largest=largest)


def decimals(estimate: float, low: float | None, high: float | None, *, largest: float) -> int:
    """Return how many decimals an estimate and its interval deserve.

    `low`, `high`: of the interval; its half is the distance to the one limit that exists.
    `largest`: magnitude that four significant digits are shown of, where there is no interval.

    >>> decimals(0.0117, 0.0094, 0.0143, largest=0.85)
    4
    """
    if low is not None and high is not None:
        half = abs(high - low) / 2
    else:
        limit = low if low is not None else high
        half = 0.0 if limit is None else abs(estimate - limit)
    if half > abs(largest) * _ROUNDING and math.isfinite(half):
        return _clamp(1 - math.floor(math.log10(half)))
    if largest == 0 or not math.isfinite(largest):
        return 4
    return _clamp(3 - math.floor(math.log10(largest)))


def number(value: float, decimals: int, *, signed: bool = False) -> str:
    """Return `value` with `decimals` digits after the point; huge ones in powers of ten.

    >>> number(0.01171, 4, signed=True)
    '+0.0117'
    >>> number(-0.00001, 2)
    '0.00'
    """
    sign = "+" if signed else ""
    if not math.isfinite(value):
        return str(value)
    if abs(value) >= _HUGE or (value != 0 and decimals >= _MOST_DECIMALS and abs(value) < 1e-6):  # noqa: PLR2004  smaller than six zeros
        return f"{value:{sign}.4g}"
    text = f"{value:{sign}.{decimals}f}"
    if abs(value) < 1 and float(text) == 0:  # "-0.00" says something that is not known
        return f"{0.0:.{decimals}f}"
    return text


def amount(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> amount(1, "repeat"), amount(2_000, "data set")
    ('1 repeat', '2,000 data sets')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def of_planned(number: int, planned: int | None, how: str) -> str:
    """Return how many there are of those planned; more than planned are not told as a share.

    >>> of_planned(5, 6, "by seed"), of_planned(8, 6, "by seed")
    ('5 of 6 by seed', '8 by seed, 6 planned')
    """
    if planned is None or number <= planned:
        return f"{number}{'' if planned is None else f' of {planned}'} {how}"
    return f"{number} {how}, {planned} planned"


def percent(value: float | None, *, signed: bool = True, decimals: int = 1) -> str:
    """Return a share in per cent, or "n/a".

    >>> percent(0.0512)
    '+5.1 %'
    """
    if value is None or not math.isfinite(value):
        return "n/a"
    return f"{number(value * 100, decimals, signed=signed)} %"


def percent_decimals(interval: Interval | None) -> int:
    """Return the decimals of a per cent figure from its interval."""
    if interval is None or interval.low is None or interval.high is None:
        return 1
    half = abs(interval.high - interval.low) * 50
    if not 0 < half < math.inf:  # no width, or one that no number holds
        return 1
    return _clamp(1 - math.floor(math.log10(half)), most=4)


def interval_text(interval: Interval | None, decimals: int, *, share: bool = False) -> str:
    """Return ``[+0.0094, +0.0143]``; a missing limit is infinite.

    `share`: the limits are shares, to be shown in per cent.

    >>> from gitexp.model.result import Interval
    >>> interval_text(Interval(0.00013, 0.0334, 0.95, "t"), 3)  # a limit keeps its side of zero
    '[+0.0001, +0.033]'
    """
    if interval is None:
        return ""
    scale = 100 if share else 1

    def limit(value: float | None, infinite: str) -> str:
        if value is None:
            return infinite
        places = (at for at in range(decimals, decimals + _SIDE) if round(value * scale, at))
        return number(value * scale, next(places, decimals), signed=True)

    low, high = limit(interval.low, "-inf"), limit(interval.high, "+inf")
    return f"[{low}, {high}]{' %' if share else ''}"


def difference(value: float | None, before: MetricSummary | None) -> str:
    """Return ``+0.02 (+2.5 %)``; the share only of what is positive, "" for nothing.

    >>> from gitexp.model.metrics import MetricSummary
    >>> difference(0.02, MetricSummary("acc", 1, 0.8, None)), difference(0.0, None)
    ('+0.02 (+2.5 %)', '0')
    """
    if value is None:
        return ""
    share = value / before.mean if before and before.mean > 0 else math.inf
    said = f" ({percent(share)})" if abs(share) < _MOST_TIMES else ""
    return f"{value:+.4g}{said}" if value else "0"


def p_text(p: float | None, alpha: float | None = None) -> str:
    """Return a p-value with two significant digits, more where they would hide alpha's side.

    >>> p_text(0.00390625)
    '0.0039'
    >>> p_text(0.0504, 0.05)
    '0.0504'
    >>> p_text(0.00000012)
    '1.2e-07'
    """
    if p is None:
        return ""
    for digits in range(2, 17):
        text = f"{p:.{digits}g}"
        if p >= _TINY_P:
            places = max(0, digits - 1 - math.floor(math.log10(p)))
            text = f"{p:.{places}f}" if p < 1 else "1"
        shown = float(text)
        if alpha is None or (shown <= alpha) == (p <= alpha):
            return text
    return repr(p)


def ranges(numbers: Iterable[int]) -> str:
    """Return seeds as people write them.

    >>> ranges([0, 1, 2, 3, 7, 9])
    '0-3, 7, 9'
    """
    return ", ".join(
        str(low) if low == high else f"{low}, {high}" if high == low + 1 else f"{low}-{high}"
        for low, high in stretches(numbers)
    )


def seeds(numbers: Iterable[int]) -> str:
    """Return seeds with their noun; of many apart the first ones.

    >>> seeds([3]), seeds([3, 4, 5]), seeds(range(1, 20, 2))
    ('seed 3', 'seeds 3-5', 'seeds 1, 3, 5 and 7 more')
    """
    each = set(numbers)
    shown = each
    if len(stretches(each)) > _MANY_STRETCHES:
        shown = {low for low, _ in stretches(each)[:_FIRST]}
    more = f" and {len(each) - len(shown)} more" if shown != each else ""
    return f"{'seed' if len(each) == 1 else 'seeds'} {ranges(shown)}{more}"


def stretches(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return the first and the last of each stretch of numbers without a gap."""
    found: list[tuple[int, int]] = []
    for value in sorted(set(numbers)):
        if found and value == found[-1][1] + 1:
            found[-1] = found[-1][0], value
        else:
            found.append((value, value))
    return found


def listed(names: Sequence[str], most: int, between: str = ", ") -> str:
    """Return the first of some names, and how many more there are.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(names[:most]) + more


def duration(seconds: float) -> str:
    """Return a length of time in the unit in which people would say it.

    >>> duration(7380)
    '2.0 h'
    """
    minute, hour = 60, 3600
    if seconds < minute * 2:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"  # noqa: PLR2004  two digits
    return f"{seconds / minute:.0f} min" if seconds < 2 * hour else f"{seconds / hour:.1f} h"


def mean_sd(mean: float, sd: float | None) -> tuple[str, str]:
    """Return mean and standard deviation with the digits that the latter allows.

    >>> mean_sd(0.612345, 0.0102)
    ('0.612', '0.010')
    >>> mean_sd(0.612345, None)
    ('0.6123', '')
    >>> mean_sd(1.0, 9.791e-17)  # what rounding left, in a record of an older version
    ('1.000', '0.000')
    """
    if sd is not None and is_rounding(sd, (mean,)):
        sd = 0.0
    digits = decimals(0.0, sd, None, largest=abs(mean))
    return number(mean, digits), "" if sd is None else number(sd, digits)


def age(seconds: float) -> str:
    """Return how long ago something was, in one unit.

    >>> age(30), age(7380), age(86400 * 20), age(86400 * 800)
    ('30 s', '2 h', '20 d', '2 y')
    """
    units = (("y", 365 * 86400), ("d", 86400), ("h", 3600), ("min", 60))
    for unit, length in units:
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def size(n_bytes: int) -> str:
    """Return a size in bytes as people read it.

    >>> size(512), size(20_480), size(3 << 30)
    ('512 B', '20.0 KiB', '3.0 GiB')
    """
    value = float(n_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:  # noqa: PLR2004  binary units
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def _clamp(value: int, most: int = _MOST_DECIMALS) -> int:
    return max(0, min(most, value))
