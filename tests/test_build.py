from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import warm
from tests.lab.build import dvc
from tests.lab.shell import environment

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo


def test_a_built_commit_has_the_same_hash_everywhere(repo: BuiltRepo) -> None:
    commit = repo.commit({"params.yaml": "lr: 0.1"}, at=1)
    assert commit == "93e581af97f1c98b3ee211f0b77d83ece170fd5e"


def test_the_copied_dvc_project_is_clean_for_git_and_dvc(dvc_repo: BuiltRepo) -> None:
    assert dvc_repo.status() == []
    assert dvc(dvc_repo.path, "status", "--json").strip() == "{}"


@pytest.mark.parametrize(
    "argv", [("list", "--color", "always"), ("status",), ("show", "nope"), ("list", "--x")]
)
def test_a_forked_command_does_what_a_fresh_one_does(
    repo: BuiltRepo, argv: tuple[str, ...]
) -> None:
    repo.commit({"a": "1"})
    forked = warm.run("gitexp", *argv, cwd=repo.path, env=environment())
    fresh = warm.run("gitexp", *argv, cwd=repo.path, env=environment({"UNKNOWN": "1"}))
    assert vars(forked) == vars(fresh)
