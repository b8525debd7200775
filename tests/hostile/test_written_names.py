"""What writes goes by no tag that a fetch brought where main says otherwise, and says whose it is.

Each verb that takes the name of an experiment, by what there is of that name.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.cli.commands import COMMANDS
from gitexp.cli.dispatch import dispatch
from gitexp.experiments.archive import archive, restore
from gitexp.experiments.conclude import conclude
from gitexp.experiments.remove import remove
from gitexp.git.transaction import layout
from gitexp.model.ids import CommitHash, TreeId
from gitexp.model.plan import Person
from gitexp.model.sharing import Tombstone
from gitexp.records import codec
from gitexp.records import plan as plan_format
from tests.hostile.test_fetched import LISTS
from tests.hostile.test_fetched import VERBS as READING
from tests.lab.build import BuiltRepo, clone
from tests.lab.records import ADA, START, Lab, experiment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.lab.build import Content

PLAN, CONCLUSION = layout.plan_path("deep"), layout.conclusion_path("deep")
TAG, BRANCH = "refs/tags/exp-archive/deep", "refs/heads/exp/deep"
MALLORY: Final = "mallory@example.org"
BY_A_FETCH: Final = "came by a fetch"
NEW: Final = ("--metric", "f1:max", "--effect", ">0", "--hypothesis", "It is as good as it says.")
ENDS: Final[tuple[tuple[str, ...], ...]] = (
    *(("archive", "deep"), ("archive", "deep", "--push"), ("archive", "deep", "--abandon")),
    *(("restore", "deep"), ("rename", "deep", "other"), ("rm", "deep"), ("rm", "deep", "--yes")),
    ("rm", "deep", "--yes", "--push"),
)
VERBS: Final[tuple[tuple[str, ...], ...]] = (
    *ENDS,
    *(("conclude", "deep", "-m", "x"), ("conclude", "deep", "-m", "x", "--archive")),
    *(("amend-plan", "deep", "--why", "x", "--effect", ">=6%"), ("witness", "deep", "--push")),
    *(("push", "deep"), ("pull", "deep"), ("sync", "deep"), ("run", "--on", "exp/deep")),
    ("new", "deep", *NEW),
)
READ: Final = {argv[0] for argv in (*READING, *LISTS)}
NAMELESS: Final = {
    *("init", "hooks", "doctor", "maintenance", "completion", "merge-driver", "comment", "hook"),
    *("worker", "test"),
}


def test_the_table_has_every_verb() -> None:
    asked = {argv[0] for argv in VERBS}
    assert asked | READ | NAMELESS == {command.name for command in COMMANDS}


# --- what there is of the name --------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    """main has deep, concluded and merged; it was archived here; HEAD is on main."""
    folder = tmp_path_factory.mktemp("written")
    repo = BuiltRepo(folder / "p")
    repo.path.mkdir()
    repo.git("init", "-q", "--initial-branch=main")
    for key, value in (("user.name", "Ada Lovelace"), ("user.email", ADA.email)):
        repo.git("config", key, value)
    lab = Lab(repo)
    experiment(lab)
    conclude(repo.workspace, "deep", words="It pays.", now=START)
    repo.switch("main")
    repo.git("merge", "-q", "--no-ff", "--no-edit", "exp/deep", at=lab.tick())
    clone(repo, folder / "hub.git", "--bare", "--single-branch", "--branch", "main")
    repo.git("remote", "add", "origin", str(folder / "hub.git"))
    repo.git("fetch", "-q", "origin")
    archive(repo.workspace, "deep", now=START)
    assert BRANCH not in repo.refs()
    return repo


def fetched(repo: BuiltRepo, tip: str = TAG) -> None:
    """Put the tag where it is as a fetch does, which keeps no log of it."""
    commit = repo.hash(f"{tip}^{{commit}}")
    repo.git("update-ref", "-d", TAG)
    repo.git("update-ref", TAG, commit)


def forged(repo: BuiltRepo, files: dict[str, Content], tree: str = "exp-archive/deep") -> str:
    """Commit files in the name of Mallory on top of some state, on no branch."""
    repo.git("switch", "-q", "--detach", tree)
    repo.write(files)
    repo.git("add", "-f", "-A")
    who = f"--author=Mallory <{MALLORY}>"
    repo.git("commit", "-q", "--no-verify", "--allow-empty", "-m", "x", who)
    tip = repo.hash()
    repo.git("switch", "-q", "main")
    return tip


def own(_: BuiltRepo) -> None:
    """Leave what was archived here."""


def equal(repo: BuiltRepo) -> None:
    fetched(repo)


def code_on_top(repo: BuiltRepo) -> None:
    fetched(repo, forged(repo, {"train.py": "print('evil')\n"}))


def another_conclusion(repo: BuiltRepo) -> None:
    words = repo.show(CONCLUSION).replace("It pays.", "It does not.")
    fetched(repo, forged(repo, {CONCLUSION: words}))


def another_plan(repo: BuiltRepo) -> None:
    plan = replace(plan_of(repo), author=Person("Mallory", MALLORY))
    fetched(repo, forged(repo, {PLAN: codec.dump(plan)}))


def no_conclusion(repo: BuiltRepo) -> None:
    fetched(repo, forged(repo, {CONCLUSION: None}))


def buried(repo: BuiltRepo) -> None:
    main = CommitHash(repo.hash("main"))
    stone = Tombstone("deep", "exp/deep", "-", ADA, START, main, TreeId(main), None, None)
    fetched(repo, forged(repo, {layout.tombstone_path("deep"): codec.dump(stone)}))


def before_the_plan(repo: BuiltRepo) -> None:
    fetched(repo, "main~1")


def before_the_merge(repo: BuiltRepo) -> None:
    """The user's main is behind: only origin's has it."""
    another_conclusion(repo)
    repo.git("reset", "-q", "--hard", "main~1")


def theirs(repo: BuiltRepo) -> None:
    """An experiment of a colleague's that main has not, archived and pushed by him."""
    fetched(repo)
    repo.git("reset", "-q", "--hard", "main~1")
    repo.git("push", "-q", "-f", "origin", "main")


def names_a_branch(repo: BuiltRepo, name: str = "victim") -> None:
    """The plan in the tag names a branch of another name."""
    plan = replace(plan_of(repo), branch=name)
    fetched(repo, forged(repo, {PLAN: codec.dump(plan)}))
    tip = repo.hash(TAG)
    theirs(repo)
    repo.git("update-ref", TAG, tip)


def names_a_release(repo: BuiltRepo) -> None:
    names_a_branch(repo, "release/1")


def not_of_its_branch(repo: BuiltRepo) -> None:
    """Origin has the branch alive, and another remote one that is called like it."""
    another_conclusion(repo)
    tip = repo.hash(TAG)
    repo.git("update-ref", "refs/remotes/origin/exp/deep", "main^2")
    repo.git("update-ref", "refs/remotes/a/exp/deep", tip)
    theirs(repo)
    repo.git("update-ref", TAG, tip)


def branch_alone(repo: BuiltRepo) -> None:
    tip = repo.hash("exp-archive/deep^{commit}")
    theirs(repo)
    repo.git("update-ref", "-d", TAG)
    repo.git("update-ref", "refs/remotes/hub/exp/deep", tip)


def removed_here(repo: BuiltRepo) -> None:
    remove(repo.workspace, "deep", now=START)


def plan_of(repo: BuiltRepo) -> plan_format.Plan:
    return plan_format.load(repo.show(PLAN, "exp-archive/deep").encode(), PLAN)


MINE: Final = (own, removed_here)
SAID: Final = (equal, code_on_top, theirs)
REFUSED: Final = (
    *(
        another_conclusion,
        another_plan,
        no_conclusion,
        buried,
        before_the_merge,
        before_the_plan,
        names_a_branch,
    ),
    *(names_a_release, not_of_its_branch, branch_alone),
)


# What origin has is pulled by name; another remote's branch keeps no name from being begun here.
BY_BRANCH: Final = {not_of_its_branch: ("pull", "sync"), branch_alone: ("new",)}


@pytest.fixture
def copy(made: BuiltRepo, tmp_path: Path) -> Callable[[], BuiltRepo]:
    """Return what gives a fresh copy of it, with its remote."""
    number = iter(range(1000))

    def copied() -> BuiltRepo:
        folder = tmp_path / str(next(number))
        shutil.copytree(made.path.parent, folder, symlinks=True)
        repo = BuiltRepo(folder / "p")
        repo.git("remote", "set-url", "origin", str(folder / "hub.git"))
        return repo

    return copied


def local(repo: BuiltRepo) -> dict[str, str]:
    return {ref: to for ref, to in repo.refs().items() if not ref.startswith("refs/remotes/")}


@pytest.mark.sweep(3)
@pytest.mark.parametrize("source", [*MINE, *SAID, *REFUSED], ids=lambda each: each.__name__)
def test_no_verb_takes_what_a_fetch_brought_for_ones_own(
    copy: Callable[[], BuiltRepo],
    source: Callable[[BuiltRepo], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    repo, moved = copy(), True
    for argv in VERBS:
        if moved:
            repo = copy()
            source(repo)
            before, hub = local(repo), repo.git("ls-remote", "origin")
        code = dispatch(["-C", str(repo.path), *argv])
        out = "".join(capsys.readouterr())
        changed = {ref for ref in before | local(repo) if before.get(ref) != local(repo).get(ref)}
        moved = bool(changed) or repo.git("ls-remote", "origin") != hub
        told = " ".join(argv), source.__name__, out
        assert not [ref for ref in changed if not re.search("exp(-archive)?/(deep|other)$", ref)]
        if source in REFUSED and argv[0] not in BY_BRANCH.get(source, ()):
            assert (code, moved) == (3, False), told
        elif source in SAID:
            assert BY_A_FETCH in out or not (moved or argv in ENDS), told
            assert MALLORY in out or not (moved and source is code_on_top), told
            assert not repo.git("ls-remote", "origin", "exp*"), told  # in nobody's name
        else:
            assert BY_A_FETCH not in out, told


def test_what_is_ones_own_is_ended_and_begun_again(copy: Callable[[], BuiltRepo]) -> None:
    """The control, and a colleague's that is brought back by name."""
    for source in (own, equal, theirs):
        repo = copy()
        source(repo)
        said = restore(repo.workspace, "deep", now=START)
        assert repo.hash("exp/deep") == repo.hash(f"{TAG}^{{commit}}")
        assert bool(said.notes) is (source is not own)


@pytest.mark.parametrize("whose", ["older", "newer", "stone", "another's"])
def test_a_tag_that_a_fetch_brought_makes_no_archive_of_a_branch_here(
    copy: Callable[[], BuiltRepo], whose: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It spares no question before code goes, is renamed away with no branch, is no tombstone."""
    repo = copy()
    restore(repo.workspace, "deep", now=START)
    if whose == "stone":
        buried(repo)
    elif whose == "older":
        fetched(repo, "exp/deep~2")
    else:
        fetched(repo, forged(repo, {"x.py": "1"}, "exp/deep" if whose == "newer" else "main~1"))
    tag, tip = repo.hash(TAG), repo.hash("exp/deep")
    assert dispatch(["-C", str(repo.path), "rm", "deep"]) == 2
    assert BY_A_FETCH in "".join(capsys.readouterr())
    assert repo.hash("exp/deep") == tip
    assert dispatch(["-C", str(repo.path), "rename", "deep", "other"]) == 0
    assert BY_A_FETCH in "".join(capsys.readouterr())
    assert repo.hash("exp/other~1") == tip
    kept = repo.refs().get(TAG)
    assert (kept is None) is (whose == "older")
    assert kept in {None, tag}


def test_of_several_remotes_the_users_own_is_named(
    copy: Callable[[], BuiltRepo], capsys: pytest.CaptureFixture[str]
) -> None:
    repo = copy()
    branch_alone(repo)
    repo.git("update-ref", "refs/remotes/origin/exp/deep", "refs/remotes/hub/exp/deep")
    assert dispatch(["-C", str(repo.path), "archive", "deep"]) == 3
    assert "git branch exp/deep origin/exp/deep" in "".join(capsys.readouterr())
