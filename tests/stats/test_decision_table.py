"""The decision table of docs/statistics.md names the tests that the code plans, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gitexp.model.plan import Direction, Effect, HypothesisKind, Stopping, StoppingRule
from gitexp.stats import design
from gitexp.stats.design import Splits, Unit, plan_crossed, plan_examples
from gitexp.stats.planned import one_dataset as companions
from gitexp.stats.stopping import plan_sequential
from gitexp.stats.tests import TESTS

PAGE = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text(encoding="utf-8")


def table() -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Return the tests that the page names for each design of two commits: planned, beside."""
    chapter = PAGE.split("## Which test a design gets")[1].split("More than two commits")[0]
    rows = [line.strip("|").split("|") for line in chapter.splitlines() if line.startswith("| ")]
    return {
        row[0].strip(): (names(row[1]), names(row[2])) for row in rows if row[0].strip() != "design"
    }


def names(cell: str) -> frozenset[str]:
    """Return the identifiers of tests in a cell."""
    return frozenset(re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)*)`", cell))


def of(row: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return what the one row says whose design begins so."""
    (found,) = (value for design, value in table().items() if design.startswith(row))
    return found


def planned(metric: str = "", *, margin: float = 0.0, **fields: object) -> str:
    """Return what the code plans for a design."""
    base: dict[str, object] = {
        "unit": Unit.REPEAT,
        "paired": True,
        "n_baseline": 300,
        "n_candidate": 300,
        "alpha": 0.05,
        "metric": metric,
        "effect": Effect(HypothesisKind.SUPERIORITY, margin, relative=False),
        "direction": Direction.MAX,
    }
    if metric:
        base["unit"] = Unit.EXAMPLE
        return plan_examples(design.Design(**base | fields), classes=(100, 200)).test
    return design.plan_test(design.Design(**base | fields)).test


@pytest.mark.parametrize(
    ("row", "test"),
    [
        ("repeats paired by seed", planned()),
        ("repeats without common seeds", planned(paired=False)),
        ("unequal numbers of repeats", planned(paired=False, n_candidate=10)),
        ("claim `model`, accuracy", planned("accuracy")),
        ("claim `model`, accuracy", planned("error_rate")),
        ("claim `model`, another metric", planned("f1")),
        ("claim `model`, another metric", planned("recall")),
        ("claim `model`, ROC AUC", planned("roc_auc")),
        ("claim `model`, ROC AUC", planned("roc_auc", margin=0.1)),
        ("claim `model`, log loss", planned("log_loss")),
        ("claim `model`, log loss", planned("brier")),
        ("claim `model`, log loss", planned("mae")),
        ("claim `model`, average precision", planned("average_precision")),
        ("claim `model`, average precision", planned("rmse")),
        ("claim `model`, a margin", planned("accuracy", margin=0.1)),
        ("claim `model`, a margin", planned("f1", margin=-0.1)),
        ("claim `model`, a margin", planned("log_loss", margin=0.1)),
        ("two commits, several data sets", planned(unit=Unit.DATASET)),
        ("folds of one", planned(unit=Unit.FOLD, splits=Splits(30, 10, 90.0, 10.0))),
        (
            "5 repetitions of 2 folds",
            planned(
                unit=Unit.FOLD,
                n_baseline=10,
                n_candidate=10,
                splits=Splits(5, 2, 50.0, 50.0, balanced=True),
            ),
        ),
        ("claim `method`, all repeats", plan_crossed(design.Design(Unit.REPEAT, paired=True,
            n_baseline=5, n_candidate=5, alpha=0.05), 100).test),
    ],
)  # fmt: skip
def test_the_table_names_the_test_that_the_code_plans(row: str, test: str) -> None:
    assert of(row)[0] == {test}


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("rule", list(StoppingRule))
def test_the_table_names_the_test_of_each_stopping_rule(
    rule: StoppingRule, *, paired: bool
) -> None:
    asked = design.Design(
        Unit.REPEAT, paired=paired, n_baseline=5, n_candidate=5, alpha=0.05,
        effect=Effect(HypothesisKind.SUPERIORITY, 0.0, relative=False), direction=Direction.MAX,
    )  # fmt: skip
    test = plan_sequential(asked, Stopping(rule, 2), 10).test
    always = rule is StoppingRule.ALWAYS_VALID
    row = (
        "a plan with `stopping: always-valid`"
        if always
        else "a plan with `stopping: obrien-fleming`"
        if paired
        else "the same, repeats without"
    )
    assert test in of(row)[0]


@pytest.mark.parametrize(
    ("row", "baseline", "paired"),
    [
        ("repeats paired by seed", [1.0, 2.0, 3.0, 5.0], True),
        ("repeats without common seeds", [1.0, 2.0, 3.0, 5.0], False),
        ("unequal numbers of repeats", [1.0, 2.0, 3.0], False),
    ],
)
def test_the_table_names_what_stands_beside_repeats(
    row: str, baseline: list[float], *, paired: bool
) -> None:
    n = len(baseline)
    asked = design.Design(Unit.REPEAT, paired=paired, n_baseline=n, n_candidate=4, alpha=0.05)
    plan = design.plan_test(asked)
    found = companions.beside_repeats(plan, asked, baseline, [2.0, 2.5, 4.0, 4.5])
    assert {item.plan.test for item in found} == of(row)[1]


def test_every_test_of_the_code_is_on_the_page_and_no_other() -> None:
    said = {name for cells in table().values() for cell in cells for name in cell}
    assert said - set(TESTS) == set()
    together = PAGE.split("More than two commits")[1].lower()
    for name in set(TESTS) - said:
        assert TESTS[name].title.split(",")[0].lower() in together, name
