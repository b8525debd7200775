"""What no verb uses is no part of the product: it belongs into tests/stats/reference, or away."""

from __future__ import annotations

import ast
from pathlib import Path

from gitexp.stats.tests import TESTS

PACKAGE = Path(__file__).parents[2] / "gitexp"


def names_used(tree: ast.AST) -> set[str]:
    nodes = list(ast.walk(tree))
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    used |= {node.name for node in nodes if isinstance(node, ast.alias) and node.asname}
    used |= {test.tails.rpartition(".")[2] for test in TESTS.values()}
    used |= {test.interval for test in TESTS.values()}
    return used | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def test_every_statistic_is_used_by_the_product() -> None:
    defined: dict[str, set[str]] = {}  # by name: what its own definition uses
    used: set[str] = set()
    for file in PACKAGE.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if "gitexp.stats" not in text and file.parent.name != "stats":
            continue
        tree = ast.parse(text)
        for node in tree.body:
            is_one = isinstance(node, (ast.FunctionDef, ast.ClassDef))
            if file.parent.name == "stats" and is_one:
                defined.setdefault(node.name, set()).update(names_used(node))
            else:
                used |= names_used(node)
    left = set(defined)
    while reached := left & used:
        left -= reached
        used = used.union(*(defined[name] for name in reached))
    assert left == set()
