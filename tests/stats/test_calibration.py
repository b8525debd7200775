"""The planned tests reject a true null no more often than alpha, up to the chance of simulation."""

from __future__ import annotations

import pytest

from benchmarks.calibration import (
    ALPHA,
    LAWS,
    POPULATIONS,
    Rate,
    independent_rows,
    paired_rows,
    predictions_rows,
    predictions_under_null,
    repeats_under_null,
    superiority,
)
from gitexp.stats.metrics import Definition

F1 = Definition("f1", "binary", "1")
# Documented exceptions: the mean is no centre of symmetry; the smaller side varies more.
LOOSE = {
    "exponential, candidate 3 x spread, 10 pairs, margin 0": 0.12,
    "normal, 4 and 10 repeats, sd 3 and 1, margin 0": 0.13,
}


def holds(found: Rate, alpha: float = ALPHA) -> bool:
    return max(found.support, found.refute) <= alpha + 4 * found.error


@pytest.mark.parametrize("margin", [superiority(0.0), superiority(0.05, relative=True)])
def test_ten_pairs_keep_alpha(margin: object) -> None:
    found = repeats_under_null(LAWS["exponential"], 10, None, margin, simulations=600)
    assert holds(found)
    assert found.support > 0.02


def test_independent_repeats_keep_alpha() -> None:
    assert holds(repeats_under_null(LAWS["normal"], 6, 6, superiority(1.0), simulations=300))


def test_swapped_predictions_keep_alpha() -> None:
    found = predictions_under_null(
        POPULATIONS["27 % positive"], F1, 200, relative=None, simulations=300
    )
    assert holds(found)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [paired_rows, independent_rows, predictions_rows])
def test_every_row_of_the_table_keeps_alpha_or_is_a_documented_exception(rows: object) -> None:
    over = {name: found for name, found in rows(1_000) if not holds(found, LOOSE.get(name, ALPHA))}
    assert not over
