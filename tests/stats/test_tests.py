"""The table of significance tests is the one place that knows what a test is."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.comparison.advice import out_of_reach
from gitexp.model.comparison import PlannedTest
from gitexp.stats import tests
from gitexp.stats.design import Design, Unit, plan_test
from gitexp.stats.planned.one_dataset import run_on_repeats
from gitexp.stats.tests import TESTS, SignificanceTest, named

if TYPE_CHECKING:
    import pytest

PACKAGE = Path(__file__).parents[2] / "gitexp"
TABLE = PACKAGE / "stats" / "tests.py"
# Names that are ordinary words too, or keys of something else; nothing may compare with these.
WORDS = {"permutation", "friedman", "dunn"}


def compared(tree: ast.AST) -> list[int]:
    """Return the lines on which the name of a test is compared, or looked up by."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others):
                sides = [left, *others]
            case ast.Dict(keys=keys):
                sides = [key for key in keys if key is not None]
            case ast.MatchValue(value=value):
                sides = [value]
            case _:
                continue
        for side in sides:
            members = side.elts if isinstance(side, (ast.Set, ast.Tuple, ast.List)) else [side]
            if any(isinstance(one, ast.Constant) and one.value in TESTS for one in members):
                found.append(node.lineno)
            text = ast.unparse(side).split(".")
            if isinstance(node, ast.Compare) and text[-2:] == ["plan", "test"]:
                found.append(node.lineno)
    return found


def test_no_code_asks_a_test_for_its_name() -> None:
    suspect = re.compile(rf"plan\.test\b|['\"]({'|'.join(map(re.escape, TESTS))})['\"]")
    places, strings = [], []
    for file in PACKAGE.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if file == TABLE or not suspect.search(text):
            continue
        tree = ast.parse(text)
        places += [f"{file.name}:{line}" for line in compared(tree)]
        strings += [
            f"{file.name}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and node.value in set(TESTS) - WORDS
        ]
    assert (places, strings) == ([], [])


def test_the_guard_sees_each_way_to_ask() -> None:
    for code in (
        'x = plan.test == "made-up"',
        "x = result.plan.test in OTHERS",
        'x = name == "mcnemar"',
        'x = name in {"delong", "other"}',
        'NOUNS = {"signed-rank": "data set"}',
        'match name:\n    case "crossed-t":\n        pass',
    ):
        assert compared(ast.parse(code)), code
    assert not compared(ast.parse('node.test == 3; kind == "accuracy"; named(plan.test).part'))


def test_every_entry_is_whole() -> None:
    assert len({test.title for test in TESTS.values()}) == len(TESTS)
    for name, test in TESTS.items():
        assert name == test.name
        assert test.titled(exact=False, metric="f1", draws=9, looks=2)
        if test.tails:
            plan = PlannedTest(name, "", "", 3, 3, True, 0.05, 0, True, 0.1)  # noqa: FBT003
            assert callable(tests.function_of(plan, test.unit))


def test_every_design_gets_a_test() -> None:
    for unit in Unit:
        plan = Design(unit, paired=True, n_baseline=5, n_candidate=5, alpha=0.05)
        assert any(test.suits(plan) for test in TESTS.values())


def test_an_unknown_name_of_a_later_version_is_shown_as_it_is() -> None:
    assert (named("from-the-future").title, named("from-the-future").part) == (
        "from-the-future",
        "",
    )


def test_a_new_test_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    new = SignificanceTest(
        "labels-of-pairs",
        "labels, whatever the seeds",
        suits=lambda design: design.paired,
        visits=lambda _: (99, False),
        tails="permutation.label_tails",
        fewest=4,
    )
    monkeypatch.setattr(tests, "TESTS", {new.name: new, **TESTS})
    design = Design(Unit.REPEAT, paired=True, n_baseline=5, n_candidate=5, alpha=0.05)
    found = run_on_repeats(plan_test(design), design, [1.0] * 5, [2.0, 3.0, 4.0, 5.0, 6.0])
    assert (found.plan.test, found.plan.title) == (new.name, new.title)
    assert 1 / 100 <= found.p_value < 0.05
    few = plan_test(replace(design, n_baseline=3, n_candidate=3))
    assert out_of_reach(few, one_sided=True).endswith("3 pairs reaches alpha = 0.05; 4 would do")
