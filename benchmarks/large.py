"""Statistics on large inputs, each in a process of its own: ``python benchmarks/large.py NAME``.

Prints the seconds of the computation alone and the peak memory of the process, made-up data in it.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np

from gitexp.model.plan import Claim, Direction, Effect, HypothesisKind
from gitexp.stats import examples
from gitexp.stats.design import Design, Unit, plan_examples, plan_test
from gitexp.stats.metrics import Definition
from gitexp.stats.permutation import sign_flip_tails
from gitexp.stats.planned.one_dataset import run_on_predictions, run_on_repeats
from gitexp.stats.planned.scoretests import of_terms, run_on_scores
from gitexp.stats.scored import ScoreTerms, Scoring

BETTER = Effect(HypothesisKind.SUPERIORITY, 0.0, relative=False)
F1 = Definition("f1", "binary", "1")
DRAWS = 10_000
MAXRSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


def permutation() -> float:
    """Test 20 pairs, all 2^20 sign patterns, by the design's way."""
    rng = np.random.default_rng(0)
    design = Design(
        unit=Unit.REPEAT,
        paired=True,
        n_baseline=20,
        n_candidate=20,
        alpha=0.05,
        effect=BETTER,
        direction=Direction.MAX,
    )
    old, new = rng.normal(size=(2, 20))
    sign_flip_tails(np.array([2.0, 4.0]), np.array([1.0, 2.0]))  # imports are not what is measured
    start = time.perf_counter()
    run_on_repeats(plan_test(design), design, old, new)
    return time.perf_counter() - start


def delong() -> float:
    """Test two areas under the ROC curve of a million examples."""
    n = 1_000_000
    rng = np.random.default_rng(0)
    truth = (rng.uniform(size=n) < 0.3).astype(np.float64)  # noqa: PLR2004  a third is positive
    old, new = (truth + rng.normal(size=(2, n))).round(3)
    positives = int(truth.sum())
    design = _examples(n, "roc_auc")
    plan = plan_examples(design, classes=(positives, n - positives))
    start = time.perf_counter()
    sides = of_terms(*(ScoreTerms(Scoring("roc_auc", "1"), truth, side) for side in (old, new)))
    run_on_scores(plan, design, sides)
    return time.perf_counter() - start


def bootstrap() -> float:
    """Draw 10,000 resamples of F1 over 100,000 examples."""
    cells = _cells()
    start = time.perf_counter()
    examples.resampled_scores(cells, F1, draws=DRAWS, seed=0)
    return time.perf_counter() - start


def randomization() -> float:
    """Swap 100,000 predictions 10,000 times, and compute F1 each time."""
    cells = _cells()
    start = time.perf_counter()
    examples.swap_tails(cells, F1, sign=1.0, draws=DRAWS, seed=0)
    return time.perf_counter() - start


def accuracy() -> float:
    """Test two accuracies of a million examples, from labels on."""
    truth, old, new = _labels(1_000_000)
    design = _examples(1_000_000, "accuracy")
    start = time.perf_counter()
    cells = examples.tabulate(truth, old, new)
    run_on_predictions(plan_test(design), design, cells, Definition("accuracy"))
    return time.perf_counter() - start


def _examples(n: int, metric: str) -> Design:
    return Design(
        unit=Unit.EXAMPLE,
        paired=True,
        n_baseline=n,
        n_candidate=n,
        alpha=0.05,
        claim=Claim.MODEL,
        metric=metric,
        effect=BETTER,
        direction=Direction.MAX,
    )


def _labels(n: int) -> tuple[tuple[str, ...], ...]:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, size=n)
    sides = [np.where(rng.uniform(size=n) < right, truth, 1 - truth) for right in (0.80, 0.81)]
    return tuple(tuple(column.astype(str).tolist()) for column in (truth, *sides))


def _cells() -> examples.Cells:
    return examples.tabulate(*_labels(100_000))


TASKS = {task.__name__: task for task in (permutation, delong, bootstrap, randomization, accuracy)}


if __name__ == "__main__":
    taken = TASKS[sys.argv[1]]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT_BYTES
    print(json.dumps({"seconds": taken, "peak_bytes": peak}))
