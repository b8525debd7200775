"""The Bayesian companions of a metric, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.comparison import MetricComparison


def posterior_texts(metric: MetricComparison) -> Iterator[str]:
    """Say how probable a difference below, within and above the region of equivalence is."""
    for item in metric.posteriors:
        rope = f"{item.rope:.3g}"
        yield (
            f"{item.method}: {_share(item.above)} above +{rope}, {_share(item.within)} within, "
            f"{_share(item.below)} below -{rope}, decides nothing ({rope}: {item.rope_why})"
        )


def _share(probability: float) -> str:
    """Return a probability in per cent, never 0 or 100 where it is neither.

    Examples
    --------
    >>> _share(0.93), _share(0.0001), _share(0.9999), _share(0.0)
    ('93 %', '<1 %', '>99 %', '<1 %')
    """
    percent = probability * 100
    if percent < 1:
        return "<1 %"
    return ">99 %" if percent > 99 else f"{percent:.0f} %"  # noqa: PLR2004  per cent
