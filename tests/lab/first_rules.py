"""Plans of a time before there were second rules: judged by the first ones for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.git.transaction import layout

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo


def of_one(repo: BuiltRepo, name: str = "x") -> None:
    """Take ``rules: 2`` out of the plan that `new` has just made on this branch, in its commit."""
    path = layout.plan_path(name)
    text = (repo.path / path).read_text("utf-8")
    (repo.path / path).write_text(text.replace("rules: 2\n", ""), "utf-8")
    repo.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "--amend", "--no-edit", path)
