"""A branch moves to what a draft makes of its tip, or several refs move together, or none does."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import BusyBranchError, GitexpError, LockedError, MovedRefError, RefusedTreeError
from gitexp.git import objects, refs, writing
from gitexp.git.repository import open_repository
from gitexp.git.transaction import owners, transaction
from gitexp.model.ids import ABSENT, Absent, CommitHash
from tests.lab.build import EPOCH
from tests.lab.publisher import ADA, NOW

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitexp.git.repository import Repo
    from tests.lab.build import BuiltRepo

    Draft = Callable[[CommitHash | Absent, list[str]], CommitHash]

MESSAGE = writing.Message("gitexp test: a step\n\nbody", ADA, NOW)
MAIN = "refs/heads/main"


@pytest.fixture
def project(repo: BuiltRepo) -> BuiltRepo:
    repo.commit({"a": "1\n"})
    return repo


@pytest.fixture
def opened(project: BuiltRepo) -> Repo:
    return open_repository(project.workspace)


def drafted(repo: Repo, path: str, data: bytes = b"new\n") -> Draft:
    """Return a draft that adds one file to whatever the tip holds."""

    def draft(tip: CommitHash | Absent, written: list[str]) -> CommitHash:
        tree = writing.build_tree(repo, tip, {path: data}, written=written)
        return writing.write_commit(repo, tree, [] if tip is ABSENT else [tip], MESSAGE)

    return draft


def is_clean(project: BuiltRepo) -> bool:
    """Whether no lock, no temporary ref and no owner is left."""
    left = [ref for ref in project.refs() if ref.startswith("refs/gitexp")]
    return not project.locks() and not left and not owners.ids(project.workspace)


# --- one branch ----------------------------------------------------------------------------------


def test_a_branch_moves_and_its_work_tree_follows(project: BuiltRepo, opened: Repo) -> None:
    before = CommitHash(project.hash())
    moved = transaction.carry_out(opened, transaction.Task(MAIN, drafted(opened, "b"), MESSAGE))
    assert (moved.tip_before, moved.not_updated) == (before, ())
    assert project.hash() == moved.commit
    assert project.status() == []
    assert (project.path / "b").read_text() == "new\n"
    assert project.git("log", "-g", "-1", "--format=%gs", "main") == "gitexp test: a step"
    assert is_clean(project)


def test_an_edit_in_the_second_in_which_git_noted_the_file_is_still_seen(
    project: BuiltRepo, opened: Repo
) -> None:
    """Such an entry Git doubts because its index is no younger: a copied index must not be."""
    project.git("config", "core.trustctime", "false")  # as no test can set it
    path, index = project.path / "a", project.path / ".git/index"
    second = EPOCH + 1
    os.utime(path, (second, second))
    project.git("add", "a")
    project.write({"a": "2\n"})
    for touched in (path, index):
        os.utime(touched, (second, second))
    transaction.carry_out(opened, transaction.Task(MAIN, drafted(opened, "b"), MESSAGE))
    assert project.status() == [" M a"]


def test_a_draft_that_gives_the_tip_back_moves_nothing(project: BuiltRepo, opened: Repo) -> None:
    tip = CommitHash(project.hash())
    log = project.git("log", "-g", "--format=%H", "main")

    def draft(tip: CommitHash | Absent, written: list[str]) -> CommitHash:
        assert tip is not ABSENT
        assert written == []
        return tip

    moved = transaction.carry_out(opened, transaction.Task(MAIN, draft, MESSAGE))
    assert moved == transaction.Published(tip, tip)
    assert project.git("log", "-g", "--format=%H", "main") == log


def test_a_branch_that_is_not_there_is_made(project: BuiltRepo, opened: Repo) -> None:
    moved = transaction.carry_out(
        opened, transaction.Task("refs/heads/exp/a", drafted(opened, "b"), MESSAGE)
    )
    assert moved.tip_before is ABSENT
    assert objects.commit_info(opened, moved.commit).parents == ()
    assert project.refs()["refs/heads/exp/a"] == moved.commit
    assert not (project.path / "b").exists()  # nobody stands on it


def test_whoever_was_faster_is_built_upon(project: BuiltRepo, opened: Repo) -> None:
    """The draft is asked again for each tip that it did not know."""
    asked: list[CommitHash | Absent] = []
    draft = drafted(opened, "mine")

    def overtaken(tip: CommitHash | Absent, written: list[str]) -> CommitHash:
        asked.append(tip)
        made = draft(tip, written)
        if len(asked) < 3:
            tree = writing.build_tree(opened, tip, {f"theirs{len(asked)}": b"x\n"})
            other = writing.write_commit(opened, tree, [CommitHash(project.hash())], MESSAGE)
            project.git("update-ref", MAIN, other)
            project.git("reset", "-q", "--hard")
        return made

    moved = transaction.carry_out(opened, transaction.Task(MAIN, overtaken, MESSAGE))
    assert len(asked) == 3
    assert moved.tip_before == asked[2]
    assert project.files() == ["a", "mine", "theirs1", "theirs2"]
    assert project.status() == []
    assert is_clean(project)


def test_objects_that_a_gc_took_before_a_ref_held_them_are_written_again(
    project: BuiltRepo, opened: Repo
) -> None:
    tries: list[list[str]] = []
    draft = drafted(opened, "b", b"taken away once\n")

    def pruned(tip: CommitHash | Absent, written: list[str]) -> CommitHash:
        made = draft(tip, written)
        tries.append([*written])
        if len(tries) == 1:
            gone = written[0]
            (project.path / ".git/objects" / gone[:2] / gone[2:]).unlink()
        return made

    moved = transaction.carry_out(opened, transaction.Task(MAIN, pruned, MESSAGE))
    assert len(tries) == 2
    assert project.hash() == moved.commit
    project.fsck()
    assert is_clean(project)


def test_what_a_draft_raises_leaves_nothing(project: BuiltRepo, opened: Repo) -> None:
    before = project.refs()

    def failing(tip: CommitHash | Absent, written: list[str]) -> CommitHash:
        writing.build_tree(opened, tip, {"b": b"x"}, written=written)
        raise KeyError

    with pytest.raises(KeyError):
        transaction.carry_out(opened, transaction.Task(MAIN, failing, MESSAGE))
    assert project.refs() == before
    assert is_clean(project)


def test_a_tree_that_git_refuses_comes_onto_no_branch(project: BuiltRepo, opened: Repo) -> None:
    evil = project.write_object("tree", b"40000 .git\0" + bytes.fromhex(project.tree()))
    tip = project.hash()

    def draft(tip: CommitHash | Absent, _: list[str]) -> CommitHash:
        return CommitHash(project.git("commit-tree", evil, "-p", str(tip), "-m", "x"))

    with pytest.raises(RefusedTreeError):
        transaction.carry_out(opened, transaction.Task(MAIN, draft, MESSAGE))
    assert project.hash() == tip
    assert is_clean(project)


def test_a_branch_that_never_stands_still_is_given_up(
    project: BuiltRepo, opened: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "PATIENCE_S", 0.0)
    draft = drafted(opened, "b")

    def overtaken(tip: CommitHash | Absent, written: list[str]) -> CommitHash:
        made = draft(tip, written)
        project.git("commit", "-q", "--allow-empty", "-m", "faster")
        return made

    with pytest.raises(LockedError, match="moves faster") as caught:
        transaction.carry_out(opened, transaction.Task(MAIN, overtaken, MESSAGE))
    assert caught.value.where == MAIN
    assert is_clean(project)


def test_a_lock_of_git_is_waited_for_until_patience_ends(
    project: BuiltRepo, opened: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "PATIENCE_S", 0.05)
    before = project.hash()
    for name in ("index.lock", "refs/heads/main.lock"):
        lock = project.path / ".git" / name
        lock.touch()
        with pytest.raises(LockedError, match="locked by another process"):
            transaction.carry_out(opened, transaction.Task(MAIN, drafted(opened, "b"), MESSAGE))
        assert project.locks() == [name]  # nobody's but theirs
        lock.unlink()
    assert project.hash() == before
    assert is_clean(project)


def test_a_rebase_that_has_not_ended_is_named(project: BuiltRepo, opened: Repo) -> None:
    folder = project.path / ".git/rebase-merge"
    folder.mkdir()
    (folder / "head-name").write_text(f"{MAIN}\n")
    with pytest.raises(BusyBranchError, match="being rebased") as caught:
        transaction.carry_out(opened, transaction.Task(MAIN, drafted(opened, "b"), MESSAGE))
    assert caught.value.where == str(project.path / ".git")
    assert caught.value.next_step == "git rebase --continue, or --abort"
    assert is_clean(project)


def test_paths_that_stay_in_another_work_tree_are_told_whole(
    project: BuiltRepo, opened: Repo, tmp_path: Path
) -> None:
    linked = project.worktree(tmp_path / "w", "-b", "exp/x")
    linked.write({"a": "edited\n"})
    moved = transaction.carry_out(
        opened, transaction.Task("refs/heads/exp/x", drafted(opened, "a"), MESSAGE)
    )
    assert moved.not_updated == (str(tmp_path / "w/a"),)
    assert (linked.path / "a").read_text() == "edited\n"
    assert linked.status() == [" M a"]
    here = open_repository(linked.workspace)
    linked.write({"b": "mine\n"})
    moved = transaction.carry_out(
        here, transaction.Task("refs/heads/exp/x", drafted(here, "b"), MESSAGE)
    )
    assert moved.not_updated == ("b",)


# --- several refs --------------------------------------------------------------------------------


def test_several_refs_move_together_with_what_was_written_for_them(
    project: BuiltRepo, opened: Repo
) -> None:
    tip = CommitHash(project.hash())
    project.branch("exp/a")

    def build() -> transaction.Moves:
        tag = writing.write_tag(opened, tip, "exp-archive/a", MESSAGE)
        moves: dict[str, tuple[refs.Target, refs.Target]] = {
            "refs/tags/exp-archive/a": (ABSENT, tag), "refs/heads/exp/a": (tip, ABSENT),
        }  # fmt: skip
        return transaction.Moves(moves, tip, (tag,))

    seen: list[dict[str, str]] = []
    made = transaction.move_refs(opened, build, lambda: seen.append(project.refs()), MESSAGE)
    assert "refs/tags/exp-archive/a" not in seen[0]  # the guard sees them locked and not moved
    assert "refs/heads/exp/a" in seen[0]
    assert "refs/heads/exp/a" not in project.refs()
    assert project.refs()["refs/tags/exp-archive/a"] == made.written[0]
    assert refs.made_here(opened, "refs/tags/exp-archive/a")
    assert is_clean(project)


def lone(project: BuiltRepo, opened: Repo, text: str = "x") -> CommitHash:
    tip = CommitHash(project.hash())
    message = writing.Message(text, ADA, NOW)
    return writing.write_commit(opened, objects.commit_info(opened, tip).tree, [tip], message)


def test_a_guard_that_objects_or_a_ref_that_moved_moves_nothing(
    project: BuiltRepo, opened: Repo
) -> None:
    tip, new = CommitHash(project.hash()), lone(project, opened)
    before = project.refs()

    def refuse() -> None:
        raise MovedRefError("not after all")

    for moves, guard in (
        ({"refs/heads/a": (ABSENT, new), "refs/heads/b": (ABSENT, new)}, refuse),
        ({"refs/heads/a": (ABSENT, new), MAIN: (new, tip)}, lambda: None),
        ({"refs/heads/a": (ABSENT, new), MAIN: (ABSENT, new)}, lambda: None),
    ):
        with pytest.raises(GitexpError):
            transaction.move_refs(
                opened, partial(transaction.Moves, moves, new, (new,)), guard, MESSAGE
            )
        assert project.refs() == before
        assert is_clean(project)


def test_what_a_gc_takes_again_and_again_is_given_up(project: BuiltRepo, opened: Repo) -> None:
    asked = []

    def build() -> transaction.Moves:
        new = lone(project, opened, "taken")
        (project.path / ".git/objects" / new[:2] / new[2:]).unlink()
        asked.append(new)
        return transaction.Moves({"refs/heads/a": (ABSENT, new)}, new, (new,))

    with pytest.raises(LockedError, match="removes objects faster"):
        transaction.move_refs(opened, build, lambda: None, MESSAGE)
    assert len(asked) == 5
    assert "refs/heads/a" not in project.refs()
    assert is_clean(project)


def test_what_is_there_already_needs_no_ref_to_hold_it(project: BuiltRepo, opened: Repo) -> None:
    tip = CommitHash(project.hash())
    build = partial(transaction.Moves, {"refs/heads/a": (ABSENT, tip)}, tip)
    made = transaction.move_refs(opened, build, lambda: None, MESSAGE)
    assert made.written == ()
    assert project.refs()["refs/heads/a"] == tip
