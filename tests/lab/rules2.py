"""Plans that are judged by the rules of two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.git.transaction import layout

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo


def of_two(repo: BuiltRepo, name: str = "x") -> None:
    """Write ``rules: 2`` into the plan that `new` has just made on this branch, in its commit."""
    path = layout.plan_path(name)
    text = (repo.path / path).read_text("utf-8")
    assert "rules:" not in text
    (repo.path / path).write_text(f"{text}rules: 2\n", "utf-8")
    repo.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "--amend", "--no-edit", path)
