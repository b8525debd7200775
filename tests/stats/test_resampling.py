"""Swaps, bootstrap samples and jackknives of score metrics, against brute force."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from scipy import stats

from gitexp.stats import ranked, sums
from gitexp.stats.examples import swap_tails as swap_labels
from gitexp.stats.examples import tabulate
from gitexp.stats.metrics import Definition
from gitexp.stats.scored import ScoreTerms, Scoring, value


def pair(kind: str, seed: int, n: int, *, digits: int = 2) -> tuple[ScoreTerms, ScoreTerms]:
    rng = np.random.default_rng(seed)
    truth = (np.arange(n) % 3 == 0).astype(float)
    scoring = Scoring(kind, "1")
    one = (truth * 0.3 + rng.uniform(size=n)).round(digits)
    two = (truth * 0.6 + rng.uniform(size=n)).round(digits)
    return ScoreTerms(scoring, truth, one), ScoreTerms(scoring, truth, two)


def of(terms: ScoreTerms, rows: np.ndarray) -> ScoreTerms:
    """Return the terms of some examples."""
    return ScoreTerms(terms.scoring, terms.truth[rows], terms.values[rows])


def brute_swaps(one: ScoreTerms, two: ScoreTerms) -> tuple[float, float, float]:
    gain = value(two) - value(one)
    gains = []
    for signs in itertools.product([False, True], repeat=len(one.values)):
        mask = np.array(signs)
        low = ScoreTerms(one.scoring, one.truth, np.where(mask, two.values, one.values))
        high = ScoreTerms(one.scoring, one.truth, np.where(mask, one.values, two.values))
        gains.append(value(high) - value(low))
    found = np.array(gains)
    return (
        float((found >= gain - 1e-12).mean()),
        float((found <= gain + 1e-12).mean()),
        float((np.abs(found) >= abs(gain) - 1e-12).mean()),
    )


@pytest.mark.parametrize("kind", ["mae", "rmse", "average_precision", "roc_auc"])
def test_random_swaps_come_near_all_swaps(kind: str) -> None:
    one, two = pair(kind, 2, 11, digits=1)
    if kind in {"mae", "rmse"}:
        tails = sums.swap_tails(sums.of_terms(one, two), sign=1.0, draws=40_000, seed=0)
    else:
        tails = ranked.swap_tails(
            ranked.ranking(one, two), (value(one), value(two)), sign=1.0, draws=40_000, seed=0
        )
    want = brute_swaps(one, two)
    assert (tails.greater, tails.less, tails.two_sided) == pytest.approx(want, abs=0.012)


def test_swaps_of_one_cluster_an_example_are_those_of_the_examples() -> None:
    rng = np.random.default_rng(4)
    truth = [str(x) for x in rng.integers(0, 2, 60)]
    sides = [[str(x) for x in rng.integers(0, 2, 60)] for _ in range(2)]
    definition = Definition("f1", "binary", "1")
    codes = [np.array(list(map(int, column))) for column in (truth, *sides)]
    one = sums.of_labels(codes[0], (codes[1], codes[2]), ("0", "1"), definition, np.arange(60))
    cells = tabulate(truth, *sides)
    want = swap_labels(cells, definition, sign=1.0, draws=20_000, seed=1)
    got = sums.swap_tails(one, sign=1.0, draws=20_000, seed=2)
    assert got.greater == pytest.approx(want.greater, abs=0.015)
    assert got.two_sided == pytest.approx(want.two_sided, abs=0.015)


def test_a_cluster_is_swapped_whole() -> None:
    one, two = pair("mae", 5, 12)
    clusters, number = sums.places([str(i // 4) for i in range(12)])
    assert number == 3
    joined = sums.of_terms(one, two, clusters)
    assert joined.both == pytest.approx((value(one), value(two)))
    tails = sums.swap_tails(joined, sign=1.0, draws=20_000, seed=0)
    assert min(tails.greater, tails.less) >= 1 / 8 - 0.01


@pytest.mark.parametrize("kind", ["mae", "rmse"])
def test_leaving_out_an_example_of_a_mean_is_computing_without_it(kind: str) -> None:
    one, two = pair(kind, 3, 15)
    got = sums.left_out(sums.of_terms(one, two))
    for side, values in zip((one, two), got, strict=True):
        want = [value(of(side, np.delete(np.arange(15), i))) for i in range(15)]
        assert values == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("digits", [1, 6])
@pytest.mark.parametrize("kind", ["average_precision", "roc_auc"])
def test_leaving_out_an_example_of_a_ranking_is_ranking_without_it(kind: str, digits: int) -> None:
    one, _ = pair(kind, 8, 40, digits=digits)
    want = [value(of(one, np.delete(np.arange(40), i))) for i in range(40)]
    assert ranked.left_out(one) == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("kind", ["average_precision", "roc_auc"])
def test_a_bootstrap_sample_of_a_ranking_is_the_metric_of_the_drawn_examples(kind: str) -> None:
    one, two = pair(kind, 8, 30, digits=1)
    ranking = ranked.ranking(one, two)
    rng = np.random.default_rng(0)
    hits, misses = next(iter(ranked.drawn_weights(ranking, 20, rng)))
    order = np.concatenate([np.flatnonzero(one.truth > 0), np.flatnonzero(one.truth == 0)])
    rows = np.hstack([hits, misses])[:, np.argsort(order)]
    got = ranked.resampled(ranking, draws=20, seed=0)
    for row, low, high in zip(rows, *got, strict=True):
        index = np.repeat(np.arange(30), row.astype(int))
        assert value(of(one, index)) == pytest.approx(low)
        assert value(of(two, index)) == pytest.approx(high)
        assert one.truth[index].sum() == one.truth.sum()


def test_large_rankings_are_counted_in_little_room() -> None:
    rng = np.random.default_rng(7)
    n = 100_000
    truth = (rng.random(n) < 0.1).astype(float)
    scoring = Scoring("average_precision", "1")
    scores = truth + rng.normal(size=n)
    one, two = (ScoreTerms(scoring, truth, scores + rng.normal(size=n) / 3) for _ in range(2))
    ranking = ranked.ranking(one, two)
    assert ranking.ranks <= 2 * truth.sum() + 1, "only where a positive example stands"
    tracemalloc.start()
    ranked.swap_tails(ranking, (value(one), value(two)), sign=1.0, draws=300, seed=0)
    ranked.resampled(ranking, draws=300, seed=0)
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


def test_bootstrap_samples_of_a_mean_spread_as_its_standard_error() -> None:
    one, two = pair("mae", 3, 400)
    low, high = sums.resampled(sums.of_terms(one, two), draws=4_000, seed=1)
    want = stats.sem(two.values - one.values)
    assert float((high - low).std()) == pytest.approx(want, rel=0.05)


def test_equal_sides_are_no_evidence() -> None:
    one, _ = pair("mae", 3, 20)
    assert sums.swap_tails(sums.of_terms(one, one), sign=1.0, draws=99, seed=0).two_sided == 1.0
    ranking = ranked.ranking(one, one)
    tails = ranked.swap_tails(ranking, (0.5, 0.5), sign=1.0, draws=99, seed=0)
    assert tails.two_sided == 1.0
