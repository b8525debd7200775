"""Metrics of scores and of numbers: areas, losses and errors, and what each example adds to them.

`match` finds which definition a project's own number follows, by computing it again from the
recorded predictions; testing another quantity under the same name would be a lie.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gitexp.errors import DesignError
from gitexp.model import dataclass
from gitexp.stats.design import AREA, MEAN, PRECISION, RANKED, ROOT, kind_of
from gitexp.stats.metrics import MeasuredMetric, classes
from gitexp.stats.ranks import midranks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.stats.values import Values

SAME = 1e-7  # relative; scores are written with fewer digits than labels
SMALLEST = float(np.finfo(np.float64).eps)  # a probability of 0 is read as this, as elsewhere


@dataclass(frozen=True, slots=True)
class Scoring:
    """A metric's exact definition."""

    kind: str  # one of `RANKED` or `MEANS`, or "rmse"
    positive: str = ""  # label of the positive class, where there is one
    half: bool = False  # Brier score of several classes, halved

    def __str__(self) -> str:
        """Return the definition as a reader would write it."""
        kind = f"half the {self.kind}" if self.half else self.kind
        return f"{kind} of {self.positive!r}" if self.positive else kind


@dataclass(frozen=True, slots=True)
class ScoreTerms:
    """What a metric is computed from; columns have the shape (n_examples,)."""

    scoring: Scoring
    truth: Values  # 1 for the positive class, else 0; only a ranked metric looks at it
    values: Values  # the scores of a ranked metric; the losses of the others (RMSE: squared errors)


def match(name: str, measured: Sequence[MeasuredMetric], *, positive: str | None = None) -> Scoring:
    """Find the definition that a project's metric follows, by computing it again.

    `positive`: label of the positive class; None tries each label of a two-class problem. An error
    of the design if columns that it needs are missing, or no definition gives the reported numbers.
    """
    tried = candidates(name, measured, positive)
    computed: list[str] = []
    for scoring in tried:
        try:
            got = [value(terms(scoring, one)) for one in measured]
        except DesignError as error:
            computed.append(f"{scoring}: {error.summary}")
            continue
        pairs = zip((one.value for one in measured), got, strict=True)
        if all(math.isclose(*pair, rel_tol=SAME, abs_tol=1e-15) for pair in pairs):
            return scoring
        computed.append(f"{scoring} {got[0]:.9g}")
    raise DesignError(
        f"{name} cannot be computed from the recorded predictions",
        found=f"{measured[0].value:.9g} reported; {', '.join(computed) or 'nothing to try'}",
        expected=f"the same number within {SAME:g}, from the columns score or score_<class>",
        next_step="record repeats with several seeds, or correct the predictions file",
    )


def terms(scoring: Scoring, one: MeasuredMetric) -> ScoreTerms:
    """Return what a metric needs of each example; a missing column is a `DesignError`."""
    if scoring.kind == MEAN:
        given = _numbers(one.y_pred, "scores")
        return ScoreTerms(scoring, np.zeros_like(given), given)
    if scoring.kind in {"mae", "mse", ROOT}:
        errors = _numbers(one.y_true, "true values") - _numbers(one.y_pred, "predictions")
        losses = np.abs(errors) if scoring.kind == "mae" else errors**2
        return ScoreTerms(scoring, np.zeros_like(losses), losses)
    if not scoring.positive:
        return _multiclass(scoring, one)
    truth = np.array([label == scoring.positive for label in one.y_true], dtype=np.float64)
    scores = _scores(one, scoring.positive)
    if scoring.kind in RANKED:
        if not 0 < truth.sum() < len(truth):
            raise DesignError("an area needs examples of both classes")
        return ScoreTerms(scoring, truth, scores)
    _check_probabilities(scores)
    if scoring.kind == "brier":
        return ScoreTerms(scoring, truth, (scores - truth) ** 2)
    hit = np.where(truth > 0, scores, 1 - scores)
    return ScoreTerms(scoring, truth, -np.log(np.clip(hit, SMALLEST, 1.0)))


def value(one: ScoreTerms) -> float:
    """Compute the metric.

    >>> truth, scores = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.4, 0.35, 0.8])
    >>> value(ScoreTerms(Scoring("roc_auc", "1"), truth, scores))
    0.75
    """
    kind = one.scoring.kind
    if kind == AREA:
        m = one.truth.sum()
        ranks = midranks(one.values)[one.truth > 0].sum()
        return float((ranks - m * (m + 1) / 2) / (m * (len(one.truth) - m)))
    if kind == PRECISION:
        return average_precision(one.truth, one.values)
    mean = math.fsum(one.values) / len(one.values)
    return math.sqrt(mean) if kind == ROOT else mean


def average_precision(truth: Values, scores: Values) -> float:
    """Return the sum of precisions at each threshold, weighted by the recall it adds."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits = np.cumsum(truth[order])[last]
    gained = np.diff(hits, prepend=0.0)
    return float((gained * hits / (last + 1)).sum() / hits[-1])


def candidates(
    name: str, measured: Sequence[MeasuredMetric], positive: str | None
) -> tuple[Scoring, ...]:
    """Return the definitions that a metric's name may mean, the likeliest first.

    An area over several classes, none of them the positive one, is a `DesignError`.
    """
    kind = kind_of(name)
    if kind is None:
        return ()
    if kind in {"mae", "mse", ROOT}:
        return (Scoring(kind),)
    labels = classes(*(one.y_true for one in measured))
    two_classes = len(labels) <= 2  # noqa: PLR2004 - a binary problem has two
    if positive is not None:
        positives: tuple[str, ...] = (positive,)
    else:
        positives = tuple(reversed(labels)) if two_classes else ()  # "1", "True", "yes" sort last
    binary = tuple(Scoring(kind, label) for label in positives)
    if kind in RANKED and not binary:
        raise DesignError(
            f"{name} over several classes is not tested",  # its averages have many definitions
            found=f"{len(labels)} classes",
            expected="a positive class, for its area against all others: positive: LABEL below "
            "predictions: in .gitexp/config.yaml, --positive of files; or log_loss, macro_f1",
            next_step="record repeats with several seeds: they are tested whatever the metric is",
        )
    if kind in RANKED:
        return binary
    several = (Scoring(kind),) if kind == "log_loss" else (Scoring(kind), Scoring(kind, half=True))
    return (*binary, *several) if two_classes else (*several, *binary)


def _multiclass(scoring: Scoring, one: MeasuredMetric) -> ScoreTerms:
    labels = classes(one.y_true)
    columns = {label: _column(one, f"score_{label}") for label in labels}
    total = np.zeros(len(one.y_true))
    hit = np.zeros(len(one.y_true))
    for label, scores in columns.items():
        _check_probabilities(scores)
        truth = np.array([seen == label for seen in one.y_true], dtype=np.float64)
        hit += truth * scores
        total += (scores - truth) ** 2
    for name, more in one.scores.items():  # classes that no example has cost, too
        if name.startswith("score_") and name.removeprefix("score_") not in columns:
            total += np.asarray(more) ** 2
    if scoring.kind == "log_loss":
        return ScoreTerms(scoring, np.zeros_like(hit), -np.log(np.clip(hit, SMALLEST, 1.0)))
    return ScoreTerms(scoring, np.zeros_like(total), total / 2 if scoring.half else total)


def _scores(one: MeasuredMetric, positive: str) -> Values:
    name = f"score_{positive}"
    return _column(one, name if name in one.scores else "score")


def _column(one: MeasuredMetric, name: str) -> Values:
    if name not in one.scores:
        raise DesignError(
            f"the predictions have no column {name}",
            found=", ".join(one.scores) or "no scores",
            expected="score, or score_<class> for every class",
        )
    return np.asarray(one.scores[name], dtype=np.float64)


def _check_probabilities(scores: Values) -> None:
    if scores.min() < 0 or scores.max() > 1:
        raise DesignError(
            "a loss of probabilities needs scores between 0 and 1",
            found=f"{scores.min():g} to {scores.max():g}",
        )


def _numbers(column: Sequence[str], what: str) -> Values:
    try:
        numbers = np.array([float(text) for text in column])
    except ValueError as error:
        raise DesignError(f"the {what} are no numbers", found=str(error)) from error
    if not np.isfinite(numbers).all():
        raise DesignError(f"the {what} are not all finite")
    return numbers
