"""Trees and differences as Git has them, whoever reads the objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitexp.git.catfile import CatFile
from gitexp.git.repository import open_repository
from gitexp.git.tree import Tree
from gitexp.git.worktree import staged
from gitexp.model.ids import CommitHash
from gitexp.rules.facts import TreeChange, of_commit, of_staged
from tests.lab.build import git_environment

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

# Files and folders of the same names on purpose.
paths = st.sampled_from(("a", "a/b", "a/b/c", "a/d", "b", "b/a", "c/d/e/f", "a.b", "c"))


def fitting(names: set[str]) -> dict[str, str]:
    """Return files that can lie in one tree."""
    kept = {name for name in names if not any(other.startswith(f"{name}/") for other in names)}
    return {name: name for name in kept}


def every(tree: Tree) -> dict[str, str]:
    found = {path: entry.id for path, entry in tree.files()}
    for path, id_ in found.items():  # level by level as well
        entry = tree.entry(path)
        assert entry is not None
        assert entry.id == id_
        folder, _, name = path.rpartition("/")
        assert name in tree.folder(folder)
    return found


@settings(
    max_examples=25,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(before=st.sets(paths), after=st.sets(paths), data=st.booleans())
def test_what_is_staged_is_the_tree_that_is_committed(
    repo: BuiltRepo, before: set[str], after: set[str], *, data: bool
) -> None:
    repo.git("read-tree", "--empty")
    blobs = {name: repo.write_object("blob", name.encode()) for name in "xy"}

    def stage(names: set[str], letter: str) -> None:
        repo.git("read-tree", "--empty")
        lines = [f"100644 {blobs[letter]}\t{name}" for name in fitting(names)]
        repo.git("update-index", "--add", "--index-info", data="\n".join(lines).encode())

    stage(before, "x")
    repo.git("commit", "-q", "--allow-empty", "-m", "before", at=1)
    stage(after, "y" if data else "x")
    place = staged.place(repo.path, git_environment())
    with CatFile(place.folder, place.env) as objects:
        changes = [TreeChange(*each) for each in staged.staged(place)]
        one = of_staged(objects, place.parents, changes, branch="")
        repo.git("commit", "-q", "--allow-empty", "-m", "after", at=2)
        stored = open_repository(repo.workspace)
        head = CommitHash(repo.hash())
        other = of_commit(stored, head, branch="")
        assert of_commit(objects, head, branch="").changes == other.changes
        assert one.changes == other.changes
        assert every(one.tree) == every(other.tree)
        assert set(every(other.tree)) == set(fitting(after))
        for folder in ("", "a", "a/b", "c", "c/d"):
            assert one.tree.folder(folder).keys() == other.tree.folder(folder).keys()


def test_a_merge_makes_only_what_no_parent_has(repo: BuiltRepo) -> None:
    repo.commit({"a": "1", "b": "1"}, at=1)
    repo.switch("side", create=True)
    repo.commit({"b": "2", "c": "2"}, at=2)
    repo.switch("main")
    repo.commit({"a": "3"}, at=3)
    repo.git("merge", "-q", "--no-commit", "side")
    repo.write({"d": "evil"})
    repo.git("add", "d")
    repo.git("commit", "-q", "-m", "merge", at=4)
    stored = open_repository(repo.workspace)
    facts = of_commit(stored, CommitHash(repo.hash()), branch="main")
    assert [change.path for change in facts.changes] == ["d"]
    assert [change.path for change in facts.taken] == ["b", "c"]


@pytest.mark.parametrize("path", ["a/b", "a", "", "nowhere/at/all"])
def test_an_empty_tree_has_nothing(repo: BuiltRepo, path: str) -> None:
    repo.commit(at=1)
    tree = Tree(open_repository(repo.workspace), None)
    assert tree.folder(path) == {}
    assert tree.read(path or "a") is None
