"""docs/statistics.md says what the code does: limits, numbers of draws, numbers of tests."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from gitexp.stats import categories, design, exampleplans, reference, scored

PAGE = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "words",
    [
        f"exact to 2^{round(math.log2(design.MAX_SIGN_FLIPS))} patterns",
        f"then {design.FLIP_DRAWS:,} random ones",
        f"exact to {design.MAX_ASSIGNMENTS:,} assignments, then {design.LABEL_DRAWS:,} random",
        f"{design.SWAP_DRAWS:,} random swaps",
        f"{design.BOOTSTRAP_DRAWS:,} resamples, from {design.MIN_BOOTSTRAP_EXAMPLES} examples on",
        f"DeLong, from {exampleplans.MIN_CLASS} examples of either class on",
        f"crossed random factors, from {exampleplans.MIN_REPEATS} pairs on",
        f"at most {exampleplans.RANKED_WORK:.0e} / n".replace("+0", ""),
        f"equal the reported number within {scored.SAME:.0e}".replace("e-0", "e-"),
        f"an expected count below {categories.SMALL:g}: {design.SWAP_DRAWS:,} random tables",
        f"below {design.pairs_needed(0.05)} pairs nothing is decided at\n0.05",
        f"the table of the {len(reference.TESTS)} named tests",
    ],
)
def test_the_page_states_the_limits_of_the_code(words: str) -> None:
    assert words in PAGE
