"""A project's metric, computed again from its predictions: which one it is, and its parts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitexp.errors import DesignError
from gitexp.stats import metrics, pseudo, scored
from gitexp.stats.design import kind_of
from gitexp.stats.metrics import Definition, classes
from gitexp.stats.scored import Scoring
from gitexp.system.curves import is_curve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.comparison.designs.pairs import Pair
    from gitexp.stats.values import Values

Computed = Definition | Scoring


def is_known(metric: str) -> bool:
    """Whether a metric's name is that of one which predictions can give."""
    if is_curve(metric):
        return False
    words = (pattern for pattern, _ in metrics.WORDS)
    lowered = metric.lower()
    return kind_of(metric) is not None or any(re.search(one, lowered) for one in words)


def identify(
    metric: str, pairs: Sequence[Pair], reported: Sequence[tuple[float, float]]
) -> Computed:
    """Find the definition that gives every reported number.

    `reported`: of baseline and candidate, for each pair.

    Raises `DesignError` if no definition of that name gives them.
    """
    measured = [
        one
        for pair, numbers in zip(pairs, reported, strict=True)
        for one in pair.measured(*numbers)
    ]
    positive = pairs[0].positive
    if kind_of(metric) is not None:
        return scored.match(metric, measured, positive=positive)
    return metrics.match_metric(metric, measured, positive=positive)


def named(metric: str, pair: Pair) -> Computed:
    """Return what a metric's name means where no number was reported: the likeliest that exists.

    Raises `DesignError` if the name is not known, or nothing of that name can be computed.
    """
    sides = pair.measured(0.0, 0.0)
    labels = classes(pair.y_true, *(side.y_pred for side in sides))
    found: tuple[Computed, ...] = scored.candidates(metric, sides, pair.positive)
    for definition in found or metrics.candidates(metric, labels, pair.positive):
        try:
            both(definition, pair)
        except DesignError:
            continue
        return definition
    raise DesignError(
        f"{metric} cannot be computed from these predictions",
        expected="accuracy, f1, roc_auc, log_loss, rmse, ... and the columns that it needs",
    )


def both(computed: Computed, pair: Pair) -> tuple[float, float]:
    """Compute the metric of both sides.

    Raises `DesignError` if it is not defined on these examples (an area of one class).
    """
    sides = pair.measured(0.0, 0.0)
    if isinstance(computed, Scoring):
        left, right = (scored.value(scored.terms(computed, side)) for side in sides)
    else:
        left, right = (metrics.value(computed, side.y_true, side.y_pred) for side in sides)
    return left, right


def added(computed: Computed, pair: Pair) -> tuple[Values, Values]:
    """Return what each example, or cluster, adds to the metric of both sides.

    The result: their means are the metric.
    """
    sides = pair.measured(0.0, 0.0)
    if isinstance(computed, Scoring):
        found = [pseudo.of_terms(scored.terms(computed, side)) for side in sides]
    else:
        labels = classes(pair.y_true, *(side.y_pred for side in sides), _positive(computed))
        found = [pseudo.of_labels(computed, side.y_true, side.y_pred, labels) for side in sides]
    clusters = pair.clusters()
    if clusters is not None:
        found = [pseudo.by_cluster(part, clusters) for part in found]
    return found[0], found[1]


def _positive(definition: Definition) -> tuple[str, ...]:
    return (definition.positive,) if definition.positive else ()
