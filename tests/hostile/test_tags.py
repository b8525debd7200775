"""A tag that a fetch brought stands in place of no branch and no commit, in whatever verb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from gitexp.comparison import sides
from gitexp.errors import UnknownRevisionError
from gitexp.git import objects, repository
from gitexp.git.transaction.cache import Index

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

SUFFIXES: Final = ("", "~1", "^", "^{commit}", "@{0}")
NAMES: Final = ("main", "exp/a", "feature", "origin/main", "origin/exp/a", "HEAD", "heads/main")


@pytest.fixture
def tagged(repo: BuiltRepo) -> BuiltRepo:
    """Hold each branch's name, and each commit's, as tags of another commit."""
    for number in range(3):
        repo.commit({"x": str(number)}, at=number + 1)
    for name in ("exp/a", "feature"):
        repo.git("branch", name)
    for name in ("main", "exp/a"):
        repo.git("update-ref", f"refs/remotes/origin/{name}", "main~1")
    repo.git("switch", "-q", "--orphan", "evil")
    repo.commit({"x": "evil"}, at=5)
    evil = repo.commit({"x": "worse"}, at=6)
    repo.git("switch", "-q", "main")
    own = repo.hash("main")
    names = (*NAMES, own, own[:9], own[:4], "v1")
    repo.git("branch", "-q", "-D", "evil")
    for name in names:
        repo.git("update-ref", f"refs/tags/{name}", evil)
    return repo


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_branch_and_a_commit_come_before_a_tag(tagged: BuiltRepo, suffix: str) -> None:
    found = repository.open_repository(tagged.workspace)
    main = tagged.hash("refs/heads/main")
    evil = tagged.hash("refs/tags/v1")
    mine = set(tagged.git("rev-list", "refs/heads/main").split())
    for name in (*NAMES, main, main[:9]):
        if suffix == "@{0}" and name not in {"main", "HEAD", "heads/main"}:
            continue  # has no log of its own
        assert objects.resolve(found, f"{name}{suffix}") in mine, name
        assert sides.find(found, Index(None), f"{name}{suffix}").commit in mine, name
    assert objects.resolve(found, "v1") == evil  # the control


def test_a_tag_stands_for_no_branch_that_is_not_here(tagged: BuiltRepo) -> None:
    found = repository.open_repository(tagged.workspace)
    theirs = tagged.hash("refs/remotes/origin/main")
    tagged.git("switch", "-q", "--detach", "main")
    tagged.git("branch", "-q", "-D", "main", "exp/a")
    for name in ("main", "exp/a"):
        assert objects.resolve(found, name) == theirs
        tagged.git("update-ref", "-d", f"refs/remotes/origin/{name}")
    with pytest.raises(UnknownRevisionError):
        objects.resolve(found, "main~1")
