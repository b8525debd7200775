"""Metrics of scores equal scikit-learn's, whatever their names and columns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn import metrics as reference

from gitexp.errors import DesignError
from gitexp.stats.metrics import MeasuredMetric
from gitexp.stats.scored import Scoring, kind_of, match, terms, value

if TYPE_CHECKING:
    from collections.abc import Callable


def binary(seed: int, n: int = 200, *, digits: int = 2) -> MeasuredMetric:
    """Return predictions of two classes; few digits make ties."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    scores = np.clip(0.3 + 0.4 * truth + rng.normal(0, 0.3, n), 0, 1).round(digits)
    return MeasuredMetric(
        0.0,
        tuple(map(str, truth)),
        tuple("1" if score > 0.5 else "0" for score in scores),
        {"score": tuple(map(float, scores))},
    )


@pytest.mark.parametrize("digits", [1, 2, 15])
@pytest.mark.parametrize(
    ("kind", "function"),
    [
        ("roc_auc", reference.roc_auc_score),
        ("average_precision", reference.average_precision_score),
        ("log_loss", reference.log_loss),
        ("brier", reference.brier_score_loss),
    ],
)
def test_a_metric_of_scores_is_that_of_scikit_learn(
    kind: str, function: Callable[..., float], digits: int
) -> None:
    one = binary(3, digits=digits)
    want = function([int(label) for label in one.y_true], one.scores["score"])
    assert value(terms(Scoring(kind, "1"), one)) == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        ("mae", reference.mean_absolute_error),
        ("mse", reference.mean_squared_error),
        ("rmse", reference.root_mean_squared_error),
    ],
)
def test_an_error_of_numbers_is_that_of_scikit_learn(
    kind: str, function: Callable[..., float]
) -> None:
    rng = np.random.default_rng(1)
    truth, guess = rng.normal(size=50), rng.normal(size=50)
    one = MeasuredMetric(
        0.0, tuple(map(repr, map(float, truth))), tuple(map(repr, map(float, guess)))
    )
    assert value(terms(Scoring(kind), one)) == pytest.approx(function(truth, guess), rel=1e-12)


def test_losses_of_several_classes_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 3, 80)
    shares = rng.dirichlet([1, 1, 1], 80)
    scores = {f"score_{k}": tuple(map(float, shares[:, k])) for k in range(3)}
    labels = tuple(map(str, truth))
    one = MeasuredMetric(float(reference.log_loss(truth, shares)), labels, labels, scores)
    assert match("val.log_loss", [one]) == Scoring("log_loss")
    full = float(((shares - np.eye(3)[truth]) ** 2).sum(axis=1).mean())
    for reported, half in ((full, False), (full / 2, True)):
        one = MeasuredMetric(reported, labels, labels, scores)
        assert match("brier_score", [one]) == Scoring("brier", half=half)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("test.ROC_AUC", "roc_auc"),
        ("auroc", "roc_auc"),
        ("pr_auc", "average_precision"),
        ("AP", "average_precision"),
        ("average_precision_score", "average_precision"),
        ("precision", None),
        ("map_size", None),
        ("cross_entropy", "log_loss"),
        ("mean_squared_error", "mse"),
        ("root_mean_squared_error", "rmse"),
        ("mean_absolute_error", "mae"),
        ("error_rate", None),
        ("f1", None),
    ],
)
def test_a_name_says_the_kind(name: str, kind: str | None) -> None:
    assert kind_of(name) == kind


def test_a_number_of_another_definition_is_refused_with_what_was_computed() -> None:
    one = binary(3)
    with pytest.raises(DesignError, match="cannot be computed") as caught:
        match("roc_auc", [MeasuredMetric(0.5, one.y_true, one.y_pred, one.scores)])
    assert "roc_auc of '1'" in caught.value.found


def test_the_class_of_the_score_is_found_by_the_number() -> None:
    one = binary(4)
    area = reference.roc_auc_score([int(label) for label in one.y_true], one.scores["score"])
    flipped = {"score_0": tuple(1 - score for score in one.scores["score"])}
    assert match(
        "auc", [MeasuredMetric(float(area), one.y_true, one.y_pred, one.scores)]
    ) == Scoring("roc_auc", "1")
    assert match("auc", [MeasuredMetric(float(area), one.y_true, one.y_pred, flipped)]) == Scoring(
        "roc_auc", "0"
    )


def test_missing_columns_and_no_numbers_are_named() -> None:
    labels = MeasuredMetric(0.5, ("0", "1"), ("0", "1"))
    with pytest.raises(DesignError) as caught:
        match("roc_auc", [labels])
    assert "no column score" in caught.value.found
    with pytest.raises(DesignError) as caught:
        match("mae", [MeasuredMetric(0.5, ("a", "1"), ("0", "1"))])
    assert "no numbers" in caught.value.found


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_an_area_of_several_classes_needs_a_positive_one(name: str) -> None:
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 3, 90)
    scores = np.clip(rng.uniform(size=90) + (truth == 2) / 3, 0, 2)
    one = MeasuredMetric(0.0, tuple(map(str, truth)), ("0",) * 90, {"score_2": tuple(scores)})
    with pytest.raises(DesignError, match="over several classes is not tested") as raised:
        match(name, [one])
    assert "positive: LABEL" in raised.value.expected
    function = reference.roc_auc_score if name == "roc_auc" else reference.average_precision_score
    of_two = replace(one, value=float(function(truth == 2, scores)))
    assert match(name, [of_two], positive="2") == Scoring(name, "2")
