"""Metrics of class predictions as functions of a few counts, so that resampling needs no labels.

Accuracy, F1, precision, recall and their kin depend on the labels only through three counts per
class: right, predicted, actual. A resample is a row of counts, and ten thousand of them are one
matrix product. `match_metric` finds which definition a project's own number follows, by
computing it again.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from gitexp.errors import DesignError
from gitexp.model import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gitexp.stats.values import Places, Values

SAME = 1e-9  # relative; a project may have rounded by printing, but not further than this


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of one or many sets of predictions; the last axis is the class."""

    right: Values  # examples of the class that were predicted as such
    predicted: Values  # examples predicted as the class
    actual: Values  # examples of the class


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric's exact definition."""

    kind: str  # a key of `KINDS`, e.g. "f1"
    average: str = "all"  # of the whole table; or "binary", "macro", "micro", "weighted"
    positive: str = ""  # label of the positive class, for "binary"

    def __str__(self) -> str:
        """Return the definition as a reader would write it."""
        if self.average == "all":
            return self.kind
        return (
            f"{self.kind} of {self.positive!r}" if self.positive else f"{self.average} {self.kind}"
        )


@dataclass(frozen=True, slots=True)
class MeasuredMetric:
    """A number that the project reported, and the predictions it was computed from."""

    value: float
    y_true: Sequence[str]
    y_pred: Sequence[str]
    scores: Mapping[str, Sequence[float]] = field(default_factory=dict)


def _ratio(top: Values, bottom: Values) -> Values:
    """Return top / bottom, and 0 where nothing was counted, as scikit-learn does by default."""
    return np.divide(top, bottom, out=np.zeros(np.broadcast(top, bottom).shape), where=bottom != 0)


def _specificity(counts: Counts) -> Values:
    total = counts.actual.sum(axis=-1, keepdims=True)
    wrongly = counts.predicted - counts.right
    return _ratio(total - counts.actual - wrongly, total - counts.actual)


def _accuracy(counts: Counts) -> Values:
    return _ratio(counts.right.sum(axis=-1), counts.actual.sum(axis=-1))


def _balanced_accuracy(counts: Counts) -> Values:
    present = (counts.actual > 0).sum(axis=-1, dtype=np.float64)
    return _ratio(_ratio(counts.right, counts.actual).sum(axis=-1), present)


def _agreement(counts: Counts) -> tuple[Values, Values, Values]:
    total = counts.actual.sum(axis=-1)
    return (
        total,
        counts.right.sum(axis=-1) * total,
        (counts.predicted * counts.actual).sum(axis=-1),
    )


def _kappa(counts: Counts) -> Values:
    total, agreed, expected = _agreement(counts)
    return _ratio(agreed - expected, total * total - expected)


def _matthews(counts: Counts) -> Values:
    total, agreed, expected = _agreement(counts)
    spread = (total**2 - (counts.predicted**2).sum(axis=-1)) * (
        total**2 - (counts.actual**2).sum(axis=-1)
    )
    return _ratio(agreed - expected, np.sqrt(spread))


PER_CLASS: dict[str, Callable[[Counts], Values]] = {
    "f1": lambda n: _ratio(2 * n.right, n.predicted + n.actual),
    "precision": lambda n: _ratio(n.right, n.predicted),
    "recall": lambda n: _ratio(n.right, n.actual),
    "specificity": _specificity,
    "jaccard": lambda n: _ratio(n.right, n.predicted + n.actual - n.right),
}
WHOLE: dict[str, Callable[[Counts], Values]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "error_rate": lambda n: 1.0 - _accuracy(n),
    "matthews_corrcoef": _matthews,
    "cohen_kappa": _kappa,
}
KINDS = (*WHOLE, *PER_CLASS)
# What projects call them, longest first: "balanced_acc" must not be read as "acc".
WORDS = (
    (r"bal\w*acc|bacc", "balanced_accuracy"),
    (r"matthews|mcc|phi_coef", "matthews_corrcoef"),
    (r"kappa", "cohen_kappa"),
    (r"err|misclass", "error_rate"),
    (r"f1|f_1|f_?score|f_?measure|dice", "f1"),
    (r"jaccard|iou", "jaccard"),
    (r"specificity|tnr|true_neg", "specificity"),
    (r"precision|ppv", "precision"),
    (r"recall|sensitivity|tpr|true_pos", "recall"),
    (r"acc", "accuracy"),
)


def evaluate(definition: Definition, counts: Counts, labels: Sequence[str]) -> Values:
    """Compute a metric from counts of any leading shape; ratios of nothing are 0.

    `labels`: the class of each place of the last axis.

    >>> labels = ("no", "yes")
    >>> counts = count(("no", "yes", "yes"), ("no", "no", "yes"), labels)
    >>> float(evaluate(Definition("precision", "binary", "yes"), counts, labels))
    1.0
    """
    if definition.kind in WHOLE:
        return WHOLE[definition.kind](counts)
    per_class = PER_CLASS[definition.kind]
    if definition.average == "binary":
        if definition.positive not in labels:
            raise DesignError(
                "the positive label occurs in no example",
                found=f"labels {', '.join(labels)}",
                expected=definition.positive,
            )
        return per_class(counts)[..., labels.index(definition.positive)]
    if definition.average == "micro":
        return per_class(
            Counts(
                *(
                    part.sum(axis=-1, keepdims=True)
                    for part in (counts.right, counts.predicted, counts.actual)
                )
            )
        )[..., 0]
    scores = per_class(counts)
    if definition.average == "weighted":
        return _ratio((scores * counts.actual).sum(axis=-1), counts.actual.sum(axis=-1))
    seen = (counts.actual + counts.predicted) > 0  # a class that occurs nowhere has no score
    return _ratio((scores * seen).sum(axis=-1), seen.sum(axis=-1, dtype=np.float64))


def count(y_true: Sequence[str], y_pred: Sequence[str], labels: Sequence[str]) -> Counts:
    """Count right, predicted and actual examples of each class."""
    truth, guess = encoded(labels, y_true, y_pred)
    k = len(labels)
    return Counts(
        right=np.bincount(truth[truth == guess], minlength=k).astype(np.float64),
        predicted=np.bincount(guess, minlength=k).astype(np.float64),
        actual=np.bincount(truth, minlength=k).astype(np.float64),
    )


def encoded(labels: Sequence[str], *columns: Sequence[str]) -> list[Places]:
    """Return the place of each label of some columns among all of them."""
    place = {label: index for index, label in enumerate(labels)}
    return [np.array([place[label] for label in column], dtype=np.intp) for column in columns]


def classes(*columns: Sequence[str]) -> tuple[str, ...]:
    """Return the labels that occur in any of the columns, sorted."""
    return tuple(sorted(set().union(*columns)))


def match_metric(
    name: str, measured: Sequence[MeasuredMetric], *, positive: str | None = None
) -> Definition:
    """Find the definition that a project's metric follows, by computing it again.

    `name`: as the project calls it; its words say which definitions are tried. `positive`: label
    of the positive class; None tries each label of a two-class problem. The first that gives every
    reported number within `SAME`, relative; where none does it is an error of the design: testing
    another quantity under the same name would be a lie.

    >>> sides = [MeasuredMetric(0.8, ("1", "1", "1", "0"), ("1", "1", "0", "0"))]
    >>> str(match_metric("test.f1_score", sides, positive="1"))
    "f1 of '1'"
    """
    labels = classes(*(side for one in measured for side in (one.y_true, one.y_pred)))

    def is_it(definition: Definition, one: MeasuredMetric) -> bool:
        found = value(definition, one.y_true, one.y_pred)
        return math.isclose(one.value, found, rel_tol=SAME, abs_tol=1e-15)

    tried, odd = candidates(name, labels, positive), measured[0]
    for number, definition in enumerate(tried):
        other = next((one for one in measured if not is_it(definition, one)), None)
        if other is None:
            return definition
        odd = odd if number else other  # which the likeliest one does not give
    computed = ", ".join(
        f"{definition} {value(definition, odd.y_true, odd.y_pred):.9g}" for definition in tried
    )
    raise DesignError(
        f"{name} cannot be computed from the recorded predictions",
        found=f"{odd.value:.9g} reported; {computed or 'no definition of that name'}",
        expected=f"one of {', '.join(KINDS)}, equal within {SAME:g}",
        next_step="record repeats with several seeds, or correct the predictions file",
    )


def value(definition: Definition, y_true: Sequence[str], y_pred: Sequence[str]) -> float:
    """Compute a metric from labels."""
    labels = classes(y_true, y_pred, (definition.positive,) if definition.positive else ())
    return float(evaluate(definition, count(y_true, y_pred, labels), labels))


def kind_of(name: str) -> str:
    """Return the kind that a metric's name speaks of, "" for none.

    >>> kind_of("test.mcc"), kind_of("auc")
    ('matthews_corrcoef', '')
    """
    lowered = name.lower()
    return next((kind for pattern, kind in WORDS if re.search(pattern, lowered)), "")


def candidates(name: str, labels: Sequence[str], positive: str | None) -> tuple[Definition, ...]:
    """Return the definitions that a metric's name may mean, the likeliest first."""
    lowered = name.lower()
    kind = kind_of(lowered)
    if not kind:
        return ()
    if kind in WHOLE:
        return (Definition(kind),)
    two_classes = len(labels) <= 2  # noqa: PLR2004 - a binary problem has two
    if positive is not None:
        positives: tuple[str, ...] = (positive,) if positive in labels else ()
    else:
        positives = tuple(reversed(labels)) if two_classes else ()  # "1", "True", "yes" sort last
    binary = tuple(Definition(kind, "binary", label) for label in positives)
    averages = tuple(Definition(kind, average) for average in ("macro", "weighted", "micro"))
    named = tuple(one for one in averages if one.average in lowered)
    return (*named, *binary, *(one for one in averages if one not in named))
