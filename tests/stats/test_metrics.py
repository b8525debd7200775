"""Metrics from counts agree with scikit-learn, and a reported number names its own definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from gitexp.errors import DesignError
from gitexp.stats.metrics import (
    Counts,
    Definition,
    MeasuredMetric,
    classes,
    count,
    evaluate,
    match_metric,
    value,
)

FUNCTIONS = {
    "accuracy": sklearn.accuracy_score,
    "matthews_corrcoef": sklearn.matthews_corrcoef,
    "cohen_kappa": sklearn.cohen_kappa_score,
    "f1": sklearn.f1_score,
    "precision": sklearn.precision_score,
    "recall": sklearn.recall_score,
    "jaccard": sklearn.jaccard_score,
}
labels_of = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2, max_size=40
).filter(lambda pairs: len({x for pair in pairs for x in pair}) > 1)


@pytest.mark.filterwarnings("ignore")
@given(labels_of, st.sampled_from(["accuracy", "matthews_corrcoef", "cohen_kappa"]))
def test_whole_table_metrics_are_scikit_learns(pairs: list[tuple[str, str]], kind: str) -> None:
    y_true, y_pred = map(list, zip(*pairs, strict=True))
    expected = np.nan_to_num(FUNCTIONS[kind](y_true, y_pred))
    assert value(Definition(kind), y_true, y_pred) == pytest.approx(expected, abs=1e-12)


@pytest.mark.filterwarnings("ignore")
@given(
    labels_of,
    st.sampled_from(["f1", "precision", "recall", "jaccard"]),
    st.sampled_from(["macro", "micro", "weighted"]),
)
def test_averages_are_scikit_learns(pairs: list[tuple[str, str]], kind: str, average: str) -> None:
    y_true, y_pred = map(list, zip(*pairs, strict=True))
    expected = FUNCTIONS[kind](y_true, y_pred, average=average, zero_division=0)
    assert value(Definition(kind, average), y_true, y_pred) == pytest.approx(expected, abs=1e-12)


@given(
    st.lists(st.tuples(st.sampled_from("01"), st.sampled_from("01")), min_size=1),
    st.sampled_from(["f1", "precision", "recall", "jaccard"]),
)
def test_binary_metrics_are_scikit_learns(pairs: list[tuple[str, str]], kind: str) -> None:
    y_true, y_pred = (np.array(side, dtype=int) for side in zip(*pairs, strict=True))
    expected = FUNCTIONS[kind](y_true, y_pred, zero_division=0)
    columns = tuple(map(str, y_true)), tuple(map(str, y_pred))
    assert value(Definition(kind, "binary", "1"), *columns) == pytest.approx(expected, abs=1e-12)


def test_specificity_is_the_recall_of_the_other_class() -> None:
    y_true, y_pred = tuple("0001101101"), tuple("0101001111")
    specificity = value(Definition("specificity", "binary", "1"), y_true, y_pred)
    assert specificity == value(Definition("recall", "binary", "0"), y_true, y_pred)


def test_balanced_accuracy_is_scikit_learns() -> None:
    y_true, y_pred = tuple("0001101101"), tuple("0101001111")
    expected = sklearn.balanced_accuracy_score(y_true, y_pred)
    assert value(Definition("balanced_accuracy"), y_true, y_pred) == pytest.approx(expected)


def test_many_resamples_are_evaluated_at_once() -> None:
    labels = ("no", "yes")
    one = count(("no", "yes", "yes"), ("yes", "yes", "no"), labels)
    two = count(("no", "yes", "yes"), ("no", "yes", "yes"), labels)
    both = Counts(
        *(
            np.stack(pair)
            for pair in zip(*((c.right, c.predicted, c.actual) for c in (one, two)), strict=True)
        )
    )
    assert list(evaluate(Definition("f1", "binary", "yes"), both, labels)) == [0.5, 1.0]


TRUE, OLD, NEW = tuple("111000100000"), tuple("110001100000"), tuple("111000000001")


def measured(definition: Definition) -> list[MeasuredMetric]:
    return [MeasuredMetric(value(definition, TRUE, side), TRUE, side) for side in (OLD, NEW)]


@pytest.mark.parametrize(
    ("name", "definition"),
    [
        ("f1", Definition("f1", "binary", "1")),
        ("test.f1_score", Definition("f1", "binary", "1")),
        ("F1", Definition("f1", "binary", "0")),
        ("f1_macro", Definition("f1", "macro")),
        ("eval/weighted_f1", Definition("f1", "weighted")),
        ("val_acc", Definition("accuracy")),
        ("balanced_accuracy", Definition("balanced_accuracy")),
        ("precision", Definition("precision", "binary", "1")),
        ("sensitivity", Definition("recall", "binary", "1")),
        ("specificity", Definition("specificity", "binary", "1")),
        ("mcc", Definition("matthews_corrcoef")),
        ("error", Definition("error_rate")),
    ],
)
def test_a_reported_number_names_its_definition(name: str, definition: Definition) -> None:
    assert match_metric(name, measured(definition)) == definition


def test_the_declared_positive_label_is_the_only_one_tried() -> None:
    sides = measured(Definition("f1", "binary", "0"))
    assert match_metric("f1", sides, positive="0").positive == "0"
    with pytest.raises(DesignError, match="cannot be computed"):
        match_metric("f1", sides, positive="1")


@pytest.mark.parametrize("name", ["roc_auc", "log_loss", "f1", "accuracy"])
def test_a_number_that_no_definition_gives_is_refused(name: str) -> None:
    with pytest.raises(DesignError, match="cannot be computed") as caught:
        match_metric(name, [MeasuredMetric(0.123456, TRUE, OLD)])
    assert "0.123456" in caught.value.found


def test_both_sides_have_to_agree_on_the_definition() -> None:
    good, _ = measured(Definition("f1", "binary", "1"))
    off = MeasuredMetric(0.5, TRUE, NEW)
    with pytest.raises(DesignError):
        match_metric("f1", [good, off])


def test_rounding_to_four_digits_is_another_number() -> None:
    pred = tuple("110000100000")
    exact = value(Definition("f1", "binary", "1"), TRUE, pred)
    assert match_metric("f1", [MeasuredMetric(exact, TRUE, pred)]).positive == "1"
    with pytest.raises(DesignError):
        match_metric("f1", [MeasuredMetric(round(exact, 4), TRUE, pred)])


def test_labels_are_sorted_and_complete() -> None:
    assert classes(("b", "a"), ("c",)) == ("a", "b", "c")


def test_the_side_that_does_not_fit_is_named() -> None:
    truth = ("1", "0", "1", "0")
    sides = [MeasuredMetric(0.75, truth, ("1", "0", "1", "1")), MeasuredMetric(0.9, truth, truth)]
    with pytest.raises(DesignError) as caught:
        match_metric("accuracy", sides)
    assert caught.value.found == "0.9 reported; accuracy 1"
