"""A tree with what is staged over it reads as the tree that Git would write of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitexp.git import objects, writing
from gitexp.git.merging import changed_paths
from gitexp.git.repository import open_repository
from gitexp.git.tree import MODE_TREE, Tree
from gitexp.git.worktree.restore import steps
from gitexp.git.writing import DELETE
from gitexp.model.ids import ABSENT, BlobId, TreeId
from gitexp.model.rules import TreeEntry
from tests.lab.publisher import ADA, NOW

if TYPE_CHECKING:
    from gitexp.git.repository import Repo
    from tests.lab.build import BuiltRepo

NAMES = st.sampled_from(["a", "b", "a.b", "c d"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
MESSAGE = writing.Message("step", ADA, NOW)
FILES = st.dictionaries(PATHS, st.sampled_from([b"1\n", b"2\n", b""]), max_size=6)


@pytest.fixture
def opened(repo: BuiltRepo) -> Repo:
    return open_repository(repo.workspace)


def possible(files: dict[str, bytes]) -> dict[str, bytes]:
    """Leave out files that would have to be folders, too."""
    return {
        path: data
        for path, data in files.items()
        if not any(other.startswith(f"{path}/") for other in files)
    }


def written(repo: Repo, files: dict[str, bytes]) -> TreeId:
    return writing.build_tree(repo, ABSENT, files)


def staged(repo: Repo, old: dict[str, bytes], new: dict[str, bytes]) -> Tree:
    """Return the old tree with what the index has otherwise, as a hook is told it."""
    over: dict[str, TreeEntry | None] = {path: None for path in old if path not in new}
    for path, data in new.items():
        if old.get(path) != data:
            over[path] = TreeEntry(objects.MODE_BLOB, str(repo.git.create_blob(data)))
    return Tree(repo, written(repo, old), over)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(FILES.map(possible), FILES.map(possible))
def test_what_is_staged_reads_as_the_tree_that_it_becomes(
    opened: Repo, old: dict[str, bytes], new: dict[str, bytes]
) -> None:
    found, wanted = staged(opened, old, new), opened.tree(written(opened, new))
    assert dict(found.files()) == dict(wanted.files())
    paths = {*old, *new, "missing/file"}
    folders = {"", *(path.rpartition("/")[0] for path in paths)}
    for folder in folders:
        names = {name: entry.mode for name, entry in found.folder(folder).items()}
        assert names == {name: entry.mode for name, entry in wanted.folder(folder).items()}
    for path in paths:
        mine, theirs = found.entry(path), wanted.entry(path)
        if theirs is None or theirs.mode != MODE_TREE:  # a staged folder has no id yet
            assert mine == theirs
        assert found.read(path) == wanted.read(path) == new.get(path)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(FILES.map(possible), FILES.map(possible))
def test_an_edited_tree_and_the_way_to_it_follow_from_the_files(
    opened: Repo, old: dict[str, bytes], new: dict[str, bytes]
) -> None:
    one, other = written(opened, old), written(opened, new)
    gone = {path: DELETE for path in old if path not in new}
    cleared = writing.build_tree(opened, one, gone)
    assert writing.build_tree(opened, cleared, new) == other
    walked = {entry.path.decode(): entry.id for entry in objects.walk_tree(opened, other)}
    assert {path: opened.read(BlobId(id_)) for path, id_ in walked.items()} == new
    differs = {path for path in {*old, *new} if old.get(path) != new.get(path)}
    assert {change.path for change in changed_paths(opened, one, other)} == differs
    commits = [writing.write_commit(opened, tree, [], MESSAGE) for tree in (one, other)]
    found = {step.path: step for step in steps(opened, *commits)}
    assert found.keys() == differs
    for path, step in found.items():
        sides = ((step.old, old), (step.new, new))
        for version, files in sides:
            data = None if version is ABSENT else opened.read(BlobId(version[1]))
            assert data == files.get(path)
