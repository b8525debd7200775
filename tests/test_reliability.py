"""docs/reliability.md names a test for every fault, and each of them is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.chaos.__main__ import chaos

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (F\d+) \|(.*)\|$", PAGE, re.MULTILINE)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@cache
def sources(file: Path) -> dict[str, str]:
    """Return the source of each test in a file."""
    source = file.read_text(encoding="utf-8")
    lines = source.splitlines()
    return {
        node.name: "\n".join(lines[node.lineno : node.end_lineno])
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_fault_has_a_row() -> None:
    assert [name for name, _ in ROWS] == [f"F{number}" for number in range(1, 23)]


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[name for name, _ in ROWS])
def test_the_tests_of_a_row_exist_and_do_not_sleep(name: str, row: str) -> None:
    named = NAMED.findall(row)
    assert named, name
    assert len(named) == row.count("::")
    for file, test in named:
        found = sources(ROOT / file)
        assert test in found, f"{file} has no {test}"
        assert "sleep(" not in found[test], test


@pytest.mark.slow
def test_a_few_rounds_of_chaos_lose_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    counts = chaos(3, 7, tmp_path, said.append)
    assert counts["finished repeats"] > 0
    assert said
