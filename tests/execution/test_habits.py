"""The habits that break naive tools: `compare` says "supported" in alpha of true nulls at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.habits import ALPHA, HABITS, rate

if TYPE_CHECKING:
    from pathlib import Path

SIMULATIONS = 20  # the benchmark has 400; this catches what breaks


@pytest.mark.slow
@pytest.mark.sweep(2)
@pytest.mark.parametrize("habit", HABITS)
def test_a_habit_does_not_make_nothing_look_like_something(habit: str, tmp_path: Path) -> None:
    found = rate(habit, tmp_path, simulations=SIMULATIONS)
    assert found.tool <= ALPHA + 3 * found.error
