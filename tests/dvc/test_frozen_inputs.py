"""``inputs@1`` is what it was: of every state in the fixtures, and of drawn trees.

A block of states has one digest of their digests, written by the code of the day on which it was
frozen. It does not follow the code: a change needs ``inputs@2``. Where a repair of ``inputs@1`` was
worth it, the commit that froze a block anew says which trees it changed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.dvc import inputs
from gitexp.dvc.input_parts import collect, ignore_rules, written
from gitexp.dvc.state import ProjectState
from gitexp.errors import GitexpError
from gitexp.git.objects import commit_info, walk_tree
from gitexp.git.repository import open_repository
from gitexp.model.ids import CommitHash
from gitexp.model.workspace import Workspace
from gitexp.store import plans
from tests.fixtures import write
from tests.lab.dvc_trees import drawn, packaged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitexp.git.repository import Repo
    from tests.lab.build import BuiltRepo

FROZEN = json.loads(Path(__file__).with_name("frozen_inputs.json").read_text("utf-8"))
BLOCK = 60
BUNDLES = [
    (path.parent, path.stem)
    for path in sorted(write.FIXTURES.glob("*/*.bundle"))
    if f"{path.parent.name}/{path.stem}" in FROZEN
]


def digest_of(answers: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(answers).encode("utf-8", "surrogateescape")).hexdigest()


@pytest.mark.sweep(1)
@pytest.mark.parametrize("block", [name for name in FROZEN if name.isdigit()])
def test_drawn_trees_have_the_inputs_that_they_had(block: str, repo: BuiltRepo) -> None:
    opened = open_repository(repo.workspace)
    first = int(block) * BLOCK
    answers = [answer for number in range(first, first + BLOCK) for answer in of(opened, number)]
    assert digest_of(answers) == FROZEN[block]


def test_drawn_packages_have_the_inputs_that_they_had_by_rules_2(repo: BuiltRepo) -> None:
    """They change with the files that are left out, so these are digested, too."""
    opened = open_repository(repo.workspace)
    answers = []
    for number in range(BLOCK):
        drawn_ = packaged(number)
        state = ProjectState(opened, drawn_.write(opened), drawn_.config)
        rules = ignore_rules(state, {})
        why = [f"{entry.text}: {rules.why(entry.text)}" for entry in state.files()]
        answers += [inputs.digest(state), *why, json.dumps(written(state, {}), sort_keys=True)]
    assert digest_of(answers) == FROZEN["rules 2"]


def of(repo: Repo, number: int) -> list[str]:
    """Return the digest of a drawn tree, and of it with a part of its successor."""
    here, other = drawn(number), drawn(number + 1)
    tree, swapped = here.write(repo), other.write(repo)
    kind = ("params", "data", "code")[number % 3]
    state = ProjectState(repo, tree, here.config, tuple(walk_tree(repo, tree)))
    answers = []
    for swaps in (False, True):
        try:
            parts = collect(state, here.overrides)
            if swaps:
                there = collect(
                    ProjectState(repo, swapped, here.config),
                    here.overrides if kind == "params" else {},
                )
                parts = (
                    *(part for part in parts if part.kind != kind),
                    *(part for part in there if part.kind == kind),
                )
            answers.append(inputs.digest_of(parts))
        except GitexpError as error:
            answers.append(type(error).__name__)
    return answers


@pytest.mark.parametrize(("folder", "project"), BUNDLES, ids=[name for _, name in BUNDLES])
def test_states_of_earlier_releases_have_the_inputs_that_they_had(
    folder: Path, project: str, tmp_path: Path
) -> None:
    write.unpack(folder, project, tmp_path / "r")
    assert digest_of(in_history(tmp_path / "r")) == FROZEN[f"{folder.name}/{project}"]


def in_history(top: Path) -> Iterator[str]:
    repo = open_repository(Workspace(top / ".git", top / ".git", top, top))
    for commit in sorted(write.call(top, "git", "rev-list", "--all").stdout.decode().split()):
        try:
            config, _ = plans.config_of(repo, CommitHash(commit))
            tree = commit_info(repo, CommitHash(commit)).tree
            yield f"{commit} {inputs.compute(repo, tree, config)}"
        except GitexpError as error:
            yield f"{commit} {type(error).__name__}"
