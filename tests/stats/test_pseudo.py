"""Pseudo-values are what leaving an example out says, and their mean is the metric."""

from __future__ import annotations

import numpy as np
import pytest

from gitexp.stats import ranked, scored, sums
from gitexp.stats.metrics import Definition, classes, value

RNG = np.random.default_rng(7)
TRUTH = tuple(str(x) for x in RNG.integers(0, 3, 40))
GUESS = tuple(x if RNG.uniform() < 0.6 else str(RNG.integers(0, 3)) for x in TRUTH)


@pytest.mark.parametrize(
    "definition",
    [
        Definition("accuracy"),
        Definition("f1", "binary", "1"),
        Definition("f1", "macro"),
        Definition("precision", "weighted"),
        Definition("matthews_corrcoef"),
    ],
    ids=str,
)
def test_a_pseudo_value_of_labels_is_the_jackknife_s(definition: Definition) -> None:
    labels = classes(TRUTH, GUESS)
    got = sums.pseudo_of_labels(definition, TRUTH, GUESS, labels)
    whole = value(definition, TRUTH, GUESS)
    n = len(TRUTH)
    raw = np.array(
        [
            n * whole
            - (n - 1) * value(definition, TRUTH[:i] + TRUTH[i + 1 :], GUESS[:i] + GUESS[i + 1 :])
            for i in range(n)
        ]
    )
    assert got.mean() == pytest.approx(whole)
    assert got == pytest.approx(raw - raw.mean() + whole)


def test_pseudo_values_of_accuracy_are_right_and_wrong() -> None:
    got = sums.pseudo_of_labels(Definition("accuracy"), TRUTH, GUESS, classes(TRUTH, GUESS))
    assert got == pytest.approx([float(a == b) for a, b in zip(TRUTH, GUESS, strict=True)])


@pytest.mark.parametrize("kind", ["rmse", "roc_auc", "average_precision"])
def test_pseudo_values_of_scores_have_the_metric_as_mean(kind: str) -> None:
    truth = (np.arange(60) % 2).astype(float)
    terms = scored.ScoreTerms(scored.Scoring(kind, "1"), truth, np.abs(RNG.normal(truth, 1.0)))
    assert sums.pseudo_of_terms(terms).mean() == pytest.approx(scored.value(terms))


def test_the_error_of_an_area_by_pseudo_values_is_nearly_delongs() -> None:
    truth = (np.arange(300) % 2).astype(float)
    scores = RNG.normal(truth, 1.0)
    got = sums.pseudo_of_terms(scored.ScoreTerms(scored.Scoring("roc_auc", "1"), truth, scores))
    want = np.sqrt(ranked.paired_areas(truth, scores, scores).var_candidate)
    assert got.std(ddof=1) / np.sqrt(300) == pytest.approx(want, rel=0.02)


def test_clusters_keep_the_mean_and_add_up_their_members() -> None:
    values = RNG.normal(3, 1, 12)
    clusters = np.arange(12) // 3
    got = sums.by_cluster(values, clusters)
    assert got.mean() == pytest.approx(values.mean())
    assert got == pytest.approx(values.reshape(4, 3).mean(axis=1))
