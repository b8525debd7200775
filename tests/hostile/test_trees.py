"""Trees that Git itself refuses: nothing is written by them, and no answer rests on them.

Each has its innocent twin, which arrives: the same flow with a name that Git takes.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.dispatch import dispatch
from gitexp.git.transaction import layout
from tests.hostile.test_reading import attacked
from tests.lab.build import BuiltRepo, clone, git_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["attacked"]  # a fixture

Entry = tuple[bytes, bytes, str]  # mode, name, id
FILE, FOLDER, LINK, ODD_FOLDER = b"100644", b"40000", b"120000", b"40755"


class Odd:
    """Writes objects as they are asked for, as Git would not."""

    def __init__(self, repo: BuiltRepo) -> None:
        self.repo = repo

    def git(self, *argv: str, data: bytes = b"") -> bytes:
        return subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *argv], cwd=self.repo.path, input=data,
            env=git_environment(), capture_output=True, check=True,
        ).stdout  # fmt: skip

    def write(self, kind: str, data: bytes) -> str:
        return self.repo.write_object(kind, data)

    def tree(self, entries: Sequence[Entry]) -> str:
        data = b"".join(m + b" " + n + b"\0" + bytes.fromhex(i) for m, n, i in entries)
        return self.write("tree", data)

    def entries(self, revision: str) -> list[Entry]:
        found = []
        for line in self.git("ls-tree", "-z", revision).split(b"\0"):
            if line:
                head, _, name = line.partition(b"\t")
                mode, _, id_ = head.split()
                found.append((mode.lstrip(b"0"), name, id_.decode()))
        return found

    def commit(self, ref: str, tree: str, parent: str) -> str:
        who = "M <m@x> 1700000000 +0000"
        tip = self.git("rev-parse", parent).decode().strip()
        text = f"tree {tree}\nparent {tip}\nauthor {who}\ncommitter {who}\n\nharmless\n"
        made = self.write("commit", text.encode())
        self.git("update-ref", ref, made)
        return made


def ordered(entries: Sequence[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda e: e[1] + b"/" * (e[0] == FOLDER))


def hooks(odd: Odd, name: bytes) -> Entry:
    hook = odd.write("blob", b"#!/bin/sh\ntouch ../canary/hook\n")
    inner = odd.tree([(FOLDER, b"hooks", odd.tree([(b"100755", b"post-checkout", hook)]))])
    return FOLDER, name, inner


def below(odd: Odd, entry: Entry) -> Entry:
    return FOLDER, b"x", odd.tree([(FOLDER, b"y", odd.tree([entry]))])


def twin(odd: Odd, name: bytes) -> list[Entry]:
    """Return the root of exp/a with a second entry of a name, which holds something else."""
    root = odd.entries("exp/a")
    return [*root, next(e for e in odd.entries("main") if e[1] == name)]


KINDS: dict[str, Callable[[Odd], list[Entry]]] = {
    **{
        f"dotgit {name!r}": lambda odd, name=name: [*odd.entries("exp/a"), hooks(odd, name)]
        for name in (b".git", b".GIT", b".git ", b"git~1", b".gi\xe2\x80\x8ct", b".git::$DATA")
    },
    "below": lambda odd: [*odd.entries("exp/a"), below(odd, hooks(odd, b".git"))],
    "up": lambda odd: [*odd.entries("exp/a"), below(odd, hooks(odd, b".."))],
    "here": lambda odd: [*odd.entries("exp/a"), hooks(odd, b".")],
    "slash": lambda odd: [*odd.entries("exp/a"), (FILE, b"../canary/x", odd.write("blob", b"x"))],
    "twin folder": lambda odd: twin(odd, b".gitexp"),
    "twin file": lambda odd: twin(odd, b"params.yaml"),
    "file and folder": lambda odd: [*odd.entries("exp/a"), (FOLDER, b"params.yaml", odd.tree([]))],
    "modules": lambda odd: [*odd.entries("exp/a"), (LINK, b".gitmodules", odd.write("blob", b"x"))],
    "mode": lambda odd: [
        (ODD_FOLDER if name == b".gitexp" else mode, name, id_)
        for mode, name, id_ in odd.entries("exp/a")
    ],
}
LOOKS: tuple[tuple[str, ...], ...] = (
    ("show", "exp/odd"),
    ("diff", "main", "exp/odd"),
    ("inputs", "main", "exp/odd"),
    ("compare", "exp/odd"),
    ("run", "--at", "exp/odd", "--on", "exp/odd", "--dry-run"),
)
JUDGES = (("check", "main..exp/odd"), ("check", "exp/odd"), ("review", "main...exp/odd"))
LISTS = (("list",), ("list", "--runs"), ("list", "--json"), ("logs",), ("compare", "exp/a"))


def made(repo: BuiltRepo, kind: str, ref: str = "refs/heads/exp/odd") -> Odd:
    odd = Odd(repo)
    odd.commit(ref, odd.tree(ordered(KINDS[kind](odd))), "exp/a")
    return odd


def asked(repo: BuiltRepo, *argv: str) -> int:
    return dispatch(["-C", str(repo.path), *argv])


@pytest.mark.sweep(7)
@pytest.mark.parametrize("kind", KINDS)
def test_no_answer_rests_on_what_git_refuses(
    attacked: BuiltRepo, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {}
    for argv in LISTS:
        before[argv] = (asked(attacked, *argv), capsys.readouterr().out)
    made(attacked, kind)
    try:
        for argv in JUDGES:
            code = asked(attacked, *argv)
            said = capsys.readouterr()
            assert 0 < code <= 6, (argv, said.out, said.err)
        for argv in LOOKS:
            assert 0 <= asked(attacked, *argv) <= 6, (argv, capsys.readouterr().err)
        capsys.readouterr()
        for argv in LISTS:  # of what others made, the answer is the same
            assert asked(attacked, *argv) == before[argv][0], (argv, capsys.readouterr().err)
            assert "exp/a" in capsys.readouterr().out or "exp/a" not in before[argv][1]
    finally:
        attacked.git("update-ref", "-d", "refs/heads/exp/odd")
    assert not list((attacked.path.parent / "canary").glob("[!f]*"))


def shared(attacked: BuiltRepo, folder: Path) -> tuple[BuiltRepo, BuiltRepo]:
    """Return a bare repository, and a clone of it with exp/a checked out."""
    hub = clone(attacked, folder / "hub.git", "--bare")
    mine = clone(hub, folder / "clone", "--branch", "exp/a")
    mine.git("branch", "main", "origin/main")
    return hub, mine


@pytest.mark.sweep(10)
@pytest.mark.parametrize("verb", [("pull",), ("sync", "--no-data")], ids=lambda v: v[0])
@pytest.mark.parametrize("kind", [None, *KINDS])
def test_what_git_refuses_comes_onto_no_branch_and_into_no_work_tree(
    attacked: BuiltRepo, tmp_path: Path, kind: str | None, verb: tuple[str, ...]
) -> None:
    hub, mine = shared(attacked, tmp_path)
    known = mine.hash("HEAD")
    files = sorted(os.walk(mine.path / ".git" / "hooks"))
    if kind is None:  # the control: what is innocent arrives
        odd = Odd(hub)
        root = [*odd.entries("exp/a"), hooks(odd, b".github")]
        odd.commit("refs/heads/exp/a", odd.tree(ordered(root)), "exp/a")
        assert asked(mine, *verb) == 0
        assert (mine.path / ".github" / "hooks" / "post-checkout").is_file()
        return
    made(hub, kind, "refs/heads/exp/a")
    assert asked(mine, *verb) != 0
    assert mine.hash("HEAD") == known
    assert mine.git("status", "--porcelain") == ""
    assert sorted(os.walk(mine.path / ".git" / "hooks")) == files


@pytest.mark.sweep(3, "None")
@pytest.mark.parametrize("kind", [None, "dotgit b'.git'", "below", "twin folder", "mode"])
def test_the_gate_takes_no_such_push(attacked: BuiltRepo, tmp_path: Path, kind: str | None) -> None:
    hub, mine = shared(attacked, tmp_path)
    assert asked(hub, "hooks", "install") == 0
    assert hub.git("config", "receive.fsckObjects") == "true"
    for fsck in ("true", "false"):  # Git's own look, and without it ours
        hub.git("config", "receive.fsckObjects", fsck)
        if kind is None:
            odd = Odd(mine)
            root = [*odd.entries("exp/a"), (FILE, fsck.encode(), odd.write("blob", fsck.encode()))]
            odd.commit("refs/heads/exp/a", odd.tree(ordered(root)), "exp/a")
        else:
            made(mine, kind, "refs/heads/exp/a")
        pushed = subprocess.run(
            ["git", "push", "-q", "origin", "refs/heads/exp/a"], cwd=mine.path, check=False,
            env=git_environment(), capture_output=True, text=True,
        )  # fmt: skip
        assert (pushed.returncode == 0) is (kind is None), pushed.stderr
        if kind is not None:
            mine.git("update-ref", "refs/heads/exp/a", "origin/exp/a")


def test_the_plan_of_the_twin_is_not_the_one_that_is_shown(attacked: BuiltRepo) -> None:
    # What this file relies on: libgit2 and Git read different things there.
    odd = made(attacked, "twin folder", "refs/heads/exp/odd")
    names = [entry[1] for entry in odd.entries("exp/odd")]
    attacked.git("update-ref", "-d", "refs/heads/exp/odd")
    assert names.count(layout.CONFIG.split("/")[0].encode()) == 2
