"""Every way to move an experiment: which hook refuses it, and that `check` finds what none saw.

The bad change is always the same: a commit of ``exp/deep`` without its plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from gitexp.enforcement.check import check
from tests.enforcement.hooks.world import PLAN, Said, call, copied, template

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.lab.build import BuiltRepo

DROP = ("rm", "--quiet", "--cached", PLAN)
TODO = "sed -i.bak '2s/pick/{}/'"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    return template(tmp_path_factory.mktemp("hooks") / "repo")


@pytest.fixture
def repo(made: BuiltRepo, tmp_path: Path) -> BuiltRepo:
    return copied(made, tmp_path / "repo")


@dataclass(frozen=True)
class Way:
    """An operation of Git's, from an experiment as it should be to one without a plan."""

    name: str
    do: Callable[[BuiltRepo], Said]
    refused: bool  # by one of our hooks


def commands(*lines: tuple[str, ...] | str) -> Callable[[BuiltRepo], Said]:
    """Return what runs these, and the answer of the last; a text is split at its spaces."""

    def do(repo: BuiltRepo) -> Said:
        for line in lines[:-1]:
            call(repo, *(line.split() if isinstance(line, str) else line))
        last = lines[-1]
        return call(repo, *(last.split() if isinstance(last, str) else last))

    return do


def unstaged(*args: str) -> Callable[[BuiltRepo], Said]:
    """Return what removes the plan from the work tree, and then runs git."""

    def do(repo: BuiltRepo) -> Said:
        (repo.path / PLAN).unlink()
        return call(repo, *args)

    return do


def rebase(word: str, *then: str) -> Callable[[BuiltRepo], Said]:
    """Return what brings the bad commit to ``exp/deep`` and rebases it, by an edited list."""

    def do(repo: BuiltRepo) -> Said:
        call(repo, "cherry-pick", "side")
        env = {"GIT_SEQUENCE_EDITOR": TODO.format(word), "GIT_EDITOR": "true"}
        options = ("--quiet", "--interactive", "--force-rebase")
        said = call(repo, "rebase", *options, "HEAD~2", env=env)
        return call(repo, *then, env=env) if then else said

    return do


def am(repo: BuiltRepo) -> Said:
    patch = repo.git_bytes("format-patch", "--stdout", "-1", "side")
    (repo.path / ".git" / "patch").write_bytes(patch)
    return call(repo, "am", "--quiet", ".git/patch")


def by_hunks(repo: BuiltRepo) -> Said:
    (repo.path / PLAN).unlink()
    return call(repo, "commit", "-q", "--patch", "-m", "bad", given=b"y\n")


def replay(repo: BuiltRepo) -> Said:
    if b"usage" not in repo.git_bytes("replay", "-h", check=False):
        pytest.skip("this Git is older than git replay")
    moves = repo.git_bytes("replay", "--advance", "exp/deep", "side^..side")
    if moves:  # until 2.51 it said how to move the branch; since then it moves it
        repo.git("update-ref", "--stdin", data=moves)
    return call(repo, "reset", "--quiet", "--hard")


def fast_import(repo: BuiltRepo) -> Said:
    stream = (
        "commit refs/heads/exp/deep\ncommitter A <a@b.c> 1704067200 +0000\ndata 3\nbad\n"
        f"from refs/heads/exp/deep^0\nD {PLAN}\n"
    )
    repo.git("fast-import", "--quiet", data=stream.encode())
    return call(repo, "reset", "--quiet", "--hard")


WAYS = (
    Way("commit", commands(DROP, "commit -qm bad"), refused=True),
    Way("commit -a", unstaged("commit", "-qam", "bad"), refused=True),
    Way("commit FILE", unstaged("commit", "-qm", "bad", PLAN), refused=True),
    Way("commit -p", by_hunks, refused=True),
    Way("commit --amend", commands(DROP, "commit -q --amend --no-edit"), refused=True),
    Way("commit --fixup", commands(DROP, "commit -q --fixup HEAD"), refused=True),
    Way("commit --no-verify", commands(DROP, "commit -q --no-verify -m bad"), refused=False),
    Way("no hooks", commands(DROP, "-c core.hooksPath=/dev/null commit -qm bad"), refused=False),
    Way("merge", commands("merge -q --no-edit side"), refused=True),
    Way(
        "merge --no-ff",
        commands("reset -q --hard HEAD^", "merge -q --no-ff --no-edit side"),
        refused=True,
    ),
    Way("merge --no-verify", commands("merge -q --no-edit --no-verify side"), refused=False),
    Way("merge --ff", commands("reset -q --hard HEAD^", "merge -q --ff-only side"), refused=False),
    Way("merge --squash", commands("merge -q --squash side", "commit -qm bad"), refused=True),
    Way("pull --ff", commands("reset -q --hard HEAD^", "pull -q --ff-only . side"), refused=False),
    Way(
        "merge with a conflict",
        commands("merge -q clash", "checkout -q --ours train.py", "commit -qam bad"),
        refused=True,
    ),
    Way("cherry-pick", commands("cherry-pick side"), refused=False),
    Way("cherry-pick -e", commands("-c core.editor=true cherry-pick -e side"), refused=False),
    Way(
        "cherry-pick --continue",
        commands(
            "cherry-pick clash",
            "checkout -q --theirs train.py",
            "add train.py",
            "-c core.editor=true cherry-pick --continue",
        ),
        refused=True,
    ),
    Way("revert", commands("revert --no-edit HEAD^"), refused=False),
    Way("revert -e", commands("-c core.editor=true revert -e HEAD^"), refused=False),
    Way("rebase", commands("cherry-pick side", "rebase -q --force-rebase main"), refused=False),
    Way(
        "rebase --continue",
        commands(
            "rebase -q clash",
            "checkout -q --theirs train.py",
            "add train.py",
            "-c core.editor=true rebase --continue",
        ),
        refused=False,
    ),
    Way("pull --rebase", commands("pull -q --rebase . side"), refused=False),
    Way("rebase squash", rebase("squash"), refused=False),
    Way("rebase reword", rebase("reword"), refused=True),
    Way("rebase edit", rebase("edit", "commit", "-q", "--amend", "--no-edit"), refused=True),
    Way("am", am, refused=False),
    Way("branch -f", commands("switch -q main", "branch -f exp/deep side"), refused=False),
    Way("update-ref", commands("update-ref refs/heads/exp/deep side"), refused=False),
    Way("replay", replay, refused=False),
    Way("reset", commands("reset -q --hard side"), refused=False),
    Way("fast-import", fast_import, refused=False),
    Way("fetch", commands("switch -q main", "fetch -qf . side:exp/deep"), refused=False),
)


@pytest.mark.sweep(17)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_way_is_refused_or_found_by_check(repo: BuiltRepo, way: Way) -> None:
    before = repo.hash("exp/deep")
    said = way.do(repo)
    if way.refused:
        assert said.code != 0
        assert "error[R1]" in said.err
        assert PLAN in repo.files("exp/deep") or way.name.startswith("rebase")
        return
    assert said.code == 0, said.err
    assert "error[" not in said.err
    assert repo.hash("exp/deep") != before
    report = check(repo.workspace, "exp/deep")
    assert "R1" in {each.rule for each in report.violations}


def test_notes_and_a_stash_move_no_experiment(repo: BuiltRepo) -> None:
    before = repo.hash("exp/deep")
    repo.write({"train.py": "print(5)\n"})
    for args in (("notes", "add", "-m", "a note"), ("stash", "-q"), ("stash", "pop", "-q")):
        assert call(repo, *args) == Said(0, ""), args
    assert repo.hash("exp/deep") == before
    assert check(repo.workspace).violations == ()


def test_what_is_as_it_should_be_passes_every_hook(repo: BuiltRepo) -> None:
    repo.write({"train.py": "print(4)\n"})
    for args in (
        ("commit", "-qam", "a"),
        ("commit", "-q", "--amend", "-m", "b"),
        ("switch", "-q", "main"),
        ("commit", "-q", "--allow-empty", "-m", "c"),
        ("switch", "-q", "exp/deep"),
        ("merge", "-q", "--no-edit", "main"),
        ("worktree", "add", "-q", "../w", "side"),
    ):
        said = call(repo, *args)
        assert (said.code, said.err) == (0, ""), args
    assert check(repo.workspace).violations == ()
