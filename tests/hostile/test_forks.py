"""The main of a fork that was only fetched: it gives no rules, and nothing counts as merged by it.

Each case has its control: the same main, where it is that of the user's own upstream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from gitexp.cli.dispatch import dispatch
from gitexp.enforcement.check import check
from gitexp.enforcement.review import review
from gitexp.experiments import lifecycle
from gitexp.git import refs, repository
from gitexp.git.transaction import layout
from gitexp.git.upstream import own
from gitexp.rules import RULES
from tests.enforcement.hooks.world import PLAN, call, copied, template
from tests.lab.records import Lab

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.lab.build import BuiltRepo

LATE: Final = 30_000_000  # minutes: newer than whatever the victim has
OFF: Final = "rules:\n" + "".join(f"  {rule}: off\n" for rule in RULES)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    return template(tmp_path_factory.mktemp("forks") / "repo")


@pytest.fixture
def repo(made: BuiltRepo, tmp_path: Path) -> BuiltRepo:
    return copied(made, tmp_path / "repo")


@pytest.fixture
def fork(made: BuiltRepo, tmp_path: Path) -> BuiltRepo:
    """Somebody else's copy, whose main switches every rule off, half a century on."""
    theirs = copied(made, tmp_path / "fork")
    theirs.switch("main")
    config = theirs.show(layout.CONFIG)
    head, _, tail = config.partition("rules:\n")
    theirs.commit({layout.CONFIG: head + OFF + tail}, at=LATE)
    return theirs


def fetched(repo: BuiltRepo, theirs: BuiltRepo, name: str) -> None:
    repo.git("remote", "add", name, str(theirs.path))
    repo.git("fetch", "-q", name)


def checked(repo: BuiltRepo) -> bool:
    repo.git("cherry-pick", "side")
    return dispatch(["-C", str(repo.path), "check", "exp/deep"]) == 0


def committed(repo: BuiltRepo) -> bool:
    repo.git("rm", "-q", "--cached", PLAN)
    return call(repo, "commit", "-qm", "bad").code == 0


def merged(repo: BuiltRepo) -> bool:
    return call(repo, "merge", "-q", "--no-edit", "side").code == 0


def pushed(repo: BuiltRepo) -> bool:
    repo.git("init", "-q", "--bare", "../hub.git")
    repo.git("cherry-pick", "side")
    return call(repo, "push", "-q", "../hub.git", "exp/deep").code == 0


JUDGES: Final[dict[str, Callable[[BuiltRepo], bool]]] = {
    "check": checked,
    "pre-commit": committed,
    "pre-merge-commit": merged,
    "pre-push": pushed,
}

# Main, what is pushed beside it, whether the user has a branch of it and no HEAD of origin's.
MAINS: Final = [
    ("main", "master", True),
    ("main", "master", False),
    ("master", "main", True),
    ("master", "main", False),
    ("trunk", "main", False),
]


@pytest.mark.sweep(8)
@pytest.mark.parametrize("name", ["mallory", "main", "aaa", "origin"])
@pytest.mark.parametrize("judge", JUDGES)
def test_rules_are_those_of_the_upstream(
    repo: BuiltRepo, fork: BuiltRepo, judge: str, name: str
) -> None:
    fetched(repo, fork, name)
    assert JUDGES[judge](repo) is (name == "origin")


@pytest.mark.parametrize("judge", ["check", "pre-commit"])
def test_the_upstream_of_main_may_have_any_name(
    repo: BuiltRepo, fork: BuiltRepo, judge: str
) -> None:
    fetched(repo, fork, "hub")
    repo.git("branch", "-q", "-u", "hub/main", "main")
    assert JUDGES[judge](repo)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("case", MAINS)
def test_one_branch_is_main_whatever_else_is_pushed_beside_it(
    repo: BuiltRepo, fork: BuiltRepo, judge: str, case: tuple[str, str, bool]
) -> None:
    """Whoever may not push to main may push to master, or the other way round."""
    main, beside, local = case
    fork.git("push", "-q", str(repo.path), f"main:refs/remotes/origin/{beside}")
    repo.git("update-ref", f"refs/remotes/origin/{main}", "main")
    repo.git("branch", "-q", "-m", "main", main)
    if not local:
        repo.git("symbolic-ref", "refs/remotes/origin/HEAD", f"refs/remotes/origin/{main}")
        repo.git("branch", "-q", "-D", main)
    assert not JUDGES[judge](repo)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("case", MAINS)
def test_the_branch_that_origins_head_names_is_main(
    repo: BuiltRepo, fork: BuiltRepo, judge: str, case: tuple[str, str, bool]
) -> None:
    """The control of the above."""
    main, beside, _ = case
    fork.git("push", "-q", str(repo.path), f"main:refs/remotes/origin/{main}")
    repo.git("update-ref", f"refs/remotes/origin/{beside}", "main")
    repo.git("symbolic-ref", "refs/remotes/origin/HEAD", f"refs/remotes/origin/{main}")
    repo.git("branch", "-q", "-m", "main", beside)
    assert JUDGES[judge](repo)


def test_a_master_beside_main_hides_nothing_and_is_asked_like_any_other(repo: BuiltRepo) -> None:
    repo.git("update-ref", "refs/remotes/origin/main", "main")
    repo.switch("exp/deep")
    repo.git("cherry-pick", "side")
    tip = repo.git("commit-tree", "-p", "exp/deep", "-m", "x", "exp/deep^{tree}").strip()
    repo.git("update-ref", "refs/remotes/origin/master", tip)
    assert check(repo.workspace, "exp/deep").commits
    repo.git("update-ref", "refs/remotes/origin/main", tip)  # the control
    assert not check(repo.workspace, "exp/deep").commits
    repo.git("switch", "-q", "-c", "master", "exp/deep^")
    repo.git("rm", "-q", PLAN)
    repo.git("commit", "-q", "-m", "tidy")
    for branch in ("topic", "master"):  # a protected branch may take away what others planned
        asked = review(repo.workspace, "exp/deep^...master", branch=branch, into="main")
        assert "R3" in {each.rule for each in asked.violations}, branch


@pytest.mark.parametrize("name", ["mallory", "origin"])
def test_what_a_forks_main_has_is_not_merged(
    repo: BuiltRepo, fork: BuiltRepo, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fork.switch("exp/deep")
    fork.git("cherry-pick", "side")
    fork.git("switch", "-q", "-C", "main")
    fork.commit({"more.py": ""}, at=LATE)
    fetched(repo, fork, name)
    repo.switch("main")
    code = dispatch(["-C", str(repo.path), "check", f"{name}/exp/deep"])
    hidden = "in 0 commits" in capsys.readouterr().out
    assert (code == 0, hidden) == ((True, True) if name == "origin" else (False, False))


@pytest.mark.parametrize("name", ["mallory", "origin"])
def test_a_merge_of_a_forks_main_is_asked_for_conclusions(
    repo: BuiltRepo, fork: BuiltRepo, name: str
) -> None:
    lab = Lab(fork)
    fork.git("reset", "-q", "--hard", "HEAD^")
    fork.switch("elsewhere", create=True)
    lab.plan("sly")
    plan = fork.show(layout.plan_path("sly")).replace("exp/sly", "main")
    fork.switch("main")
    fork.commit({layout.plan_path("sly"): plan, "other.py": ""}, at=LATE)
    repo.switch("main")
    repo.commit({"mine.py": ""}, at=9)
    fetched(repo, fork, name)
    done = call(repo, "merge", "-q", "--no-edit", f"{name}/main")
    assert ("R7" in done.err) is (name != "origin"), done.err


def test_a_pull_request_from_a_forks_own_main_is_asked_like_any_other(
    repo: BuiltRepo, fork: BuiltRepo
) -> None:
    fork.git("reset", "-q", "--hard", "HEAD^")
    plan = fork.show(PLAN, "exp/deep").replace("exp/deep", "main")
    fork.commit({PLAN: plan}, at=LATE)
    fetched(repo, fork, "mallory")
    for branch, into in (("main", "main"), ("topic", "main"), (None, "main"), (None, None)):
        found = review(repo.workspace, "main...mallory/main", branch=branch, into=into)
        assert "R7" in {each.rule for each in found.violations}, (branch, into)
    # The control: main itself, which moved on, is no merge.
    repo.git("update-ref", "refs/remotes/origin/main", repo.hash("main"))
    repo.switch("main")
    repo.git("merge", "-q", "--ff-only", "mallory/main")
    found = review(repo.workspace, "origin/main...main")
    assert "R7" not in {each.rule for each in found.violations}


@pytest.mark.parametrize("name", ["mallory", "origin", "origin/master"])
def test_a_branch_goes_only_once_its_own_base_has_its_records(
    repo: BuiltRepo, fork: BuiltRepo, name: str
) -> None:
    fork.git("merge", "-q", "exp/deep")
    fork.git("branch", "-q", "-m", name.partition("/")[2] or "main")
    fetched(repo, fork, name.partition("/")[0])
    opened = repository.open_repository(repo.workspace)
    base = lifecycle.base_of(opened, lifecycle.find(opened, "deep"))
    assert base == ("origin/main" if name == "origin" else "")


def test_a_name_that_several_remotes_have_means_origins(repo: BuiltRepo, fork: BuiltRepo) -> None:
    fetched(repo, fork, "aaa")
    repo.git("update-ref", "refs/remotes/origin/main", "main")
    opened = repository.open_repository(repo.workspace)
    names = [ref for ref, _ in refs.branches(opened, "main")]
    assert names == ["refs/heads/main", "refs/remotes/origin/main", "refs/remotes/aaa/main"]
    assert [each.ref for each in own(repo.workspace, ["main"])] == [
        "refs/remotes/origin/main",
        "refs/heads/main",
    ]
