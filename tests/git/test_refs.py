from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.errors import GitexpError, LockedError, MovedRefError, UnknownRevisionError
from gitexp.git import refs
from gitexp.git.absent import ABSENT
from gitexp.git.repository import open_repository
from gitexp.git.writing import Message
from gitexp.model.ids import CommitHash
from tests.lab.build import clone, repository
from tests.lab.publisher import ADA, NOW

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitexp.git.repository import Repo
    from tests.lab.build import BuiltRepo


@pytest.fixture(params=["files", "reftable"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> BuiltRepo:
    built = repository(tmp_path / "repo", options=(f"--ref-format={request.param}",))
    built.commit({"a": "1\n"})
    built.commit({"a": "2\n"}, at=2)
    return built


def move(repo: Repo, moves: Mapping[str, tuple[refs.Target, refs.Target]]) -> None:
    with refs.held(repo, moves, Message("gitexp test", ADA, NOW)) as held:
        held.move()


def test_refs_are_made_moved_and_deleted_all_or_none(project: BuiltRepo) -> None:
    repo = open_repository(project.workspace)
    old, new = CommitHash(project.hash("HEAD~1")), CommitHash(project.hash())
    move(repo, {"refs/heads/exp/a": (ABSENT, old), "refs/heads/exp/b": (ABSENT, old)})
    move(repo, {"refs/heads/exp/a": (old, new)})
    before = project.refs()
    for moves in (
        {"refs/heads/exp/a": (old, new), "refs/heads/exp/b": (old, new)},  # a is at new
        {"refs/heads/exp/a": (ABSENT, new), "refs/heads/exp/b": (old, new)},
        {"refs/heads/exp/none": (old, new), "refs/heads/exp/b": (old, new)},
        {"refs/heads/exp/none": (old, ABSENT), "refs/heads/exp/b": (old, new)},
    ):
        with pytest.raises(MovedRefError):
            move(repo, moves)
        assert project.refs() == before
    move(repo, {"refs/heads/exp/a": (new, ABSENT)})
    assert refs.read_ref(repo, "refs/heads/exp/a") is ABSENT
    assert refs.read_ref(repo, "refs/heads/exp/b") == old


def test_a_name_that_git_forbids_or_that_is_a_folder_is_refused(project: BuiltRepo) -> None:
    repo = open_repository(project.workspace)
    tip = CommitHash(project.hash())
    move(repo, {"refs/heads/exp/a": (ABSENT, tip)})
    for name in ("refs/heads/a b", "refs/heads/a..b", "refs/heads/x.lock", "refs/heads/\n"):
        with pytest.raises(UnknownRevisionError):
            move(repo, {name: (ABSENT, tip)})
    with pytest.raises(GitexpError, match="cannot move refs"):
        move(repo, {"refs/heads/exp/a/b": (ABSENT, tip)})


def test_while_refs_are_held_nobody_else_moves_them(project: BuiltRepo) -> None:
    repo = open_repository(project.workspace)
    old, new = CommitHash(project.hash("HEAD~1")), CommitHash(project.hash())
    project.branch("exp/a", old)
    moves: Mapping[str, tuple[refs.Target, refs.Target]] = {"refs/heads/exp/a": (old, new)}
    with refs.held(repo, moves, Message("m", ADA, NOW)):
        with pytest.raises(GitexpError) as caught:
            move(repo, moves)
        assert isinstance(caught.value, LockedError)
    assert project.hash("exp/a") == old  # not moved: let go
    assert project.locks() == []
    move(repo, moves)


def test_branches_are_found_wherever_they_are(repo: BuiltRepo, tmp_path: Path) -> None:
    tip = repo.commit({"a": "1\n"})
    for name in ("exp/a", "exp/b", "other"):
        repo.branch(name)
    cloned = clone(repo, tmp_path / "clone")
    cloned.branch("exp/a", "origin/exp/a")
    cloned.git("tag", "-a", "-m", "end", "exp-archive/z", tip)
    cloned.git("tag", "v1")
    opened = open_repository(cloned.workspace)
    for pack in (False, True):
        if pack:
            cloned.git("pack-refs", "--all")
        assert refs.branches(opened, "exp/") == (
            ("refs/heads/exp/a", tip),
            ("refs/remotes/origin/exp/a", tip),
            ("refs/remotes/origin/exp/b", tip),
            ("refs/tags/exp-archive/z", tip),
        )


@pytest.mark.parametrize(
    "name", ["$(id)", "a`b`", "<img>", "a&b|c", "%0a", "\u202etxt", "-x", "\udcff"], ids=ascii
)
def test_a_hostile_branch_name_is_a_name_like_any_other(repo: BuiltRepo, name: str) -> None:
    tip = repo.commit({"a": "1\n"})
    ref = f"refs/heads/exp/{name}"
    repo.git_bytes(
        "update-ref", "--stdin", data=f"create {ref} {tip}\n".encode("utf-8", "surrogateescape")
    )
    opened = open_repository(repo.workspace)
    assert refs.branches(opened, "exp/") == ((ref, tip),)
    assert refs.read_ref(opened, ref) == tip


def test_a_broken_or_symbolic_ref_is_no_surprise(repo: BuiltRepo) -> None:
    tip = repo.commit({"a": "1\n"})
    repo.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
    (repo.path / ".git/refs/heads/broken").write_text("nonsense\n")
    opened = open_repository(repo.workspace)
    assert refs.read_ref(opened, "refs/heads/alias") == tip
    assert refs.read_ref(opened, "refs/heads/broken") is ABSENT
    assert refs.read_ref(opened, "refs/heads/none") is ABSENT
