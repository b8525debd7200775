"""docs/statistics.md says what the code does: limits, numbers of draws, numbers of tests."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from gitexp.comparison import draft, measure, plain_files
from gitexp.comparison.designs import datasets, predictions
from gitexp.stats import contingency, design, scored, tests
from gitexp.stats import groups as omnibus
from gitexp.stats.design import Design, Splits, Unit, plan_test
from gitexp.stats.planned import several
from gitexp.text import samples
from tests.stats import reference

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")


def folds(splits: Splits) -> Design:
    return Design(Unit.FOLD, paired=True, n_baseline=10, n_candidate=10, alpha=0.05, splits=splits)


@pytest.mark.parametrize(
    "words",
    [
        f"exact to 2^{round(math.log2(tests.MAX_SIGN_FLIPS))} patterns",
        f"then {tests.FLIP_DRAWS:,} random ones",
        f"exact to {tests.MAX_ASSIGNMENTS:,} assignments, then {tests.LABEL_DRAWS:,} random",
        f"{tests.SWAP_DRAWS:,} random swaps",
        f"{tests.BOOTSTRAP_DRAWS:,} resamples, from {tests.MIN_BOOTSTRAP_EXAMPLES} examples on",
        (
            f"DeLong, from {tests.MIN_CLASS} examples of either class "
            f"(and {tests.MIN_CLUSTERS} clusters) on"
        ),
        plan_test(folds(Splits(1, 10, 90.0, 10.0))).title,
        plan_test(folds(Splits(5, 2, 50.0, 50.0, balanced=True))).title,
        f"Wilcoxon signed-rank, exact to {tests.MAX_RANKED} data sets",
        f"(exact to {tests.MAX_ASSIGNMENTS:,} assignments, then {omnibus.LABEL_DRAWS:,} random",
        f"A run records {samples.MOST_ROWS:,} numbers at most",
        f"{plain_files.MOST_VALUES:,} values of a metric, `--design datasets` and `compare`",
        f"`compare` {datasets.MOST} data sets",
        f"is tested with {predictions.MOST_CLASSES:,} classes",
        f"`compare` tests {draft.MOST_METRICS} watched metrics",
        f"within {measure.ROPE_SHARE * 100:g} % of the baseline's mean",
        f"crossed random factors, from {tests.MIN_REPEATS} pairs on",
        f"swaps of a ranking to {design.SWAPPED_WORK:.0e} / n".replace("+0", ""),
        f"samples to {design.DRAWN_WORK:.0e} / n".replace("+0", ""),
        f"equal the reported number within {scored.SAME:.0e}".replace("e-0", "e-"),
        f"an expected count below {contingency.SMALL:g}: {tests.SWAP_DRAWS:,} random tables",
        f"below {design.pairs_needed(0.05)} pairs nothing is decided at\n0.05",
        f"the table of the {len(reference.TESTS)} named tests",
    ],
)
def test_the_page_states_the_limits_of_the_code(words: str) -> None:
    assert words in PAGE


def test_the_page_names_every_test_of_several_commits_in_the_order_of_the_code() -> None:
    rng = np.random.default_rng(1)
    names = ["main", "b", "c"]
    table = rng.normal(size=(8, 3))
    groups = {name: column.tolist() for name, column in zip(names, table.T, strict=True)}
    truth = ["0", "1"] * 10
    right = [(rng.permutation(truth) == truth).astype(float).tolist() for _ in names]
    tables = {name: rng.normal(size=(4, 20)) for name in names}
    rows = {
        "the same, predictions of one evaluation set": several.crossed_with_examples(
            tables, alpha=0.05
        ),
        "repeats of common seeds": several.blocked_by_seed(
            table, names, alpha=0.05, higher_is_better=True
        ),
        "repeats without common seeds": several.independent_groups(groups, alpha=0.05),
        "several data sets": several.over_datasets(table, names, alpha=0.05, higher_is_better=True),
        "claim `model`, predictions of one evaluation set": several.over_examples(names, right),
    }
    section = PAGE.split("More than two commits")[1]
    for start, found in rows.items():
        (row,) = [line for line in section.splitlines() if line.startswith(f"| {start} | ")]
        _, _, planned, beside, then, _ = (cell.strip() for cell in row.split("|"))
        assert [test.title for test in found.omnibus if test.planned] == [planned]
        for test in found.omnibus:
            if not test.planned:
                assert test.title.split(",")[0] in beside, (start, test.title)
        for family in found.families:
            assert family.title.split(",")[0].lower() in then.lower(), (start, family.title)


def test_the_page_has_each_source_that_the_code_names() -> None:
    listed = " ".join(PAGE.split("## References")[1].split())
    cited = re.compile(r"([A-Z][\w-]+)(?: et al\.)?,?\s+\(?((?:19|20)\d\d)\b")
    files = sorted((ROOT / "gitexp" / "stats").rglob("*.py"))
    found = {pair for file in files for pair in cited.findall(file.read_text(encoding="utf-8"))}
    assert len(found) > 60
    assert {who for who in found if not re.search(rf"{who[0]}[^.]* \({who[1]}\)", listed)} == set()
