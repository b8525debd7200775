"""docs/enforcement.md has the rules as the program has them."""

from __future__ import annotations

import re
from pathlib import Path

from gitexp.model.witness import Grade
from gitexp.records.config import RULE_IDS
from gitexp.rules import RULES

PAGE = (Path(__file__).parents[2] / "docs" / "enforcement.md").read_text("utf-8")


def test_the_table_has_every_rule_with_its_weight() -> None:
    rows = re.findall(r"^\| (R[0-9]+) \|.*\| (error|warn) \|$", PAGE, re.MULTILINE)
    assert rows == [(rule.id, rule.default.value) for rule in RULES.values()]
    assert tuple(RULES) == RULE_IDS


def test_every_grade_is_explained() -> None:
    for grade in Grade:
        assert f"\n**{grade.value}** - " in PAGE
