"""Hooks, a server, `check` and `review` say the same of a branch that loosens its own rules."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.enforcement.check import check
from gitexp.enforcement.hooks.install import install
from gitexp.enforcement.review import review
from gitexp.git.transaction import layout
from gitexp.model.rules import Policy
from gitexp.records import codec
from gitexp.records import config as config_format
from gitexp.records import plan as plan_format
from tests.enforcement.hooks.world import PLAN, call
from tests.lab.build import clone, repository
from tests.lab.records import CONFIG, Lab

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.config import ProjectConfig
    from tests.lab.build import BuiltRepo

OFF = ("-c", "core.hooksPath=/dev/null")
STRICT = replace(CONFIG, rules={"R5": Policy.ERROR})
LOOSE = {
    "weights": replace(CONFIG, rules={"R1": Policy.OFF, "R5": Policy.OFF}),
    "branches": replace(STRICT, rule_branches="try/*"),
    "prefix": replace(STRICT, branch_prefix="e/"),
    "limit": replace(STRICT, git_file_limit_bytes=1 << 30),
    "protected": replace(STRICT, protected=("exp/deep",), rules={}),
}
BROKEN = {"weights": "R1", "branches": "R1", "prefix": "R1", "limit": "R5", "protected": "R5"}


def text(config: ProjectConfig) -> bytes:
    return config_format.dump_template(config)


@pytest.fixture
def repo(tmp_path: Path) -> BuiltRepo:
    """A clone with hooks of a server with its gate; ``exp/deep`` has its plan and is not there."""
    made = repository(tmp_path / "made")
    Lab(made).init(STRICT)
    server = repository(tmp_path / "server.git", bare=True)
    made.git("push", "-q", str(server.path), "main")
    repo = clone(server, tmp_path / "clone")
    Lab(repo, [5]).plan()
    install(repo.workspace)
    install(server.workspace)
    return repo


@pytest.mark.sweep(3)
@pytest.mark.parametrize("how", ["together", "before", "before, and pushed"])
@pytest.mark.parametrize("loose", LOOSE)
def test_no_branch_loosens_its_own_rules_for_anybody(repo: BuiltRepo, loose: str, how: str) -> None:
    repo.write({layout.CONFIG: text(LOOSE[loose])})
    repo.git("add", layout.CONFIG)
    if how != "together":
        said = call(repo, "commit", "-qm", "looser")
        assert said.code == 0
        assert "it counts once main has it" in said.err
    if how == "before, and pushed":
        assert call(repo, "push", "-q", "origin", "exp/deep").code == 0
    if BROKEN[loose] == "R1":
        repo.git("rm", "-q", PLAN)
    else:
        repo.write({"train.py": "#" * (6 << 20)})
        repo.git("add", "train.py")
    wanted = f"error[{BROKEN[loose]}]"
    assert wanted in call(repo, "commit", "-qm", "bad").err
    repo.git(*OFF, "commit", "-qm", "bad")
    assert wanted in call(repo, "push", "-q", "origin", "exp/deep").err
    assert f"remote: {wanted}" in call(repo, *OFF, "push", "-q", "origin", "exp/deep").err
    found = check(repo.workspace).violations, review(repo.workspace, "main...HEAD").violations
    for violations in found:
        assert (BROKEN[loose], Policy.ERROR) in {(item.rule, item.policy) for item in violations}


def test_what_main_says_counts_at_once_and_for_all(repo: BuiltRepo) -> None:
    """Also for a branch that is older, and for what pre-commit had found in order before."""
    repo.git(*OFF, "switch", "-q", "main")
    assert call(repo, "commit", "-q", "--allow-empty", "-m", "a").code == 0
    repo.write({layout.CONFIG: text(replace(STRICT, git_file_limit_bytes=1 << 30))})
    repo.git("add", layout.CONFIG)
    assert call(repo, "commit", "-qm", "looser", at=60).err == ""
    assert call(repo, "push", "-q", "origin", "main").code == 0
    repo.git(*OFF, "switch", "-q", "exp/deep")
    repo.write({"train.py": "#" * (6 << 20)})
    assert call(repo, "commit", "-qam", "large", at=61).code == 0
    assert call(repo, "commit", "-q", "--allow-empty", "-m", "a", at=62).code == 0
    assert call(repo, "push", "-q", "origin", "exp/deep").code == 0
    assert {item.rule for item in check(repo.workspace).violations} <= {"R4"}
    repo.git("branch", "-q", "-f", "main", "main^")
    repo.git("update-ref", "refs/remotes/origin/main", "main")
    repo.write({"train.py": "#" * (7 << 20)})
    assert "error[R5]" in call(repo, "commit", "-qam", "larger", at=63).err


def test_where_develop_is_protected_its_settings_count(repo: BuiltRepo) -> None:
    config = replace(STRICT, protected=("develop", "main"))
    repo.git(*OFF, "switch", "-q", "main")
    repo.write({layout.CONFIG: text(config)})
    repo.git(*OFF, "commit", "-qam", "two of them", at=50)
    repo.git(*OFF, "push", "-q", "origin", "main")
    repo.switch("develop", create=True)
    repo.write({layout.CONFIG: text(replace(config, rules={}))})
    repo.git(*OFF, "commit", "-qam", "R5 warns", at=60)
    repo.git(*OFF, "switch", "-q", "exp/deep")
    repo.write({"train.py": "#" * (6 << 20)})
    for name in ("a", "b"):  # nothing is let pass in sh that it cannot know
        said = call(repo, "commit", "-q", "--allow-empty", "-am", name, at=61)
        assert (said.code, "warning[R5]" in said.err) == (0, name == "a")
    assert "R5" in {item.rule for item in check(repo.workspace).violations}
    assert not any(item.policy is Policy.ERROR for item in check(repo.workspace).violations)


def test_a_pull_merges_no_experiment_into_main_that_lives_there(repo: BuiltRepo) -> None:
    plan = plan_format.load(repo.show(PLAN).encode(), PLAN)
    repo.git(*OFF, "switch", "-q", "main")
    here = {PLAN: codec.dump(replace(plan, branch="main"))}
    repo.git(*OFF, "switch", "-q", "-c", "ada")
    repo.commit(here, at=50)
    repo.git(*OFF, "push", "-q", "origin", "ada:main")
    repo.git(*OFF, "switch", "-q", "main")
    repo.commit({"more.py": "1\n"}, at=51)
    repo.git("fetch", "-q")
    assert call(repo, "merge", "-q", "--no-edit", "origin/main").err == ""
    assert "R7" not in {item.rule for item in check(repo.workspace).violations}
    assert call(repo, "push", "-q", "origin", "main").err == ""
    repo.git("reset", "-q", "--hard", "HEAD^1")
    repo.git("branch", "-q", "-f", "topic", "ada")
    repo.git("update-ref", "refs/remotes/origin/main", "main")
    assert "warning[R7]" in call(repo, "merge", "-q", "--no-edit", "topic").err


def test_settings_that_nobody_can_read_are_broken_for_all_and_go_through_no_gate(
    repo: BuiltRepo,
) -> None:
    """Else the defaults would count once main has them, whatever it said before."""
    words = "cannot be read, so the defaults count"
    repo.git(*OFF, "switch", "-q", "main")
    repo.write({layout.CONFIG: text(STRICT) + b"rules:\n  R5: error\n"})
    repo.git("commit", "-qam", "pasted below")
    for found in (
        check(repo.workspace).violations,
        review(repo.workspace, "origin/main...HEAD", branch="topic", into="main").violations,
    ):
        assert [item.rule for item in found if words in item.message] == ["R0"]
    for more in ((), OFF):  # pre-push, and the server's gate
        said = call(repo, *more, "push", "-q", "origin", "main")
        assert said.code == 1
        assert "error[R0]" in said.err
        assert words in said.err
    repo.git(*OFF, "switch", "-q", "exp/deep")
    repo.write({layout.CONFIG: "a: [\n"})
    staged = call(repo, "commit", "-qam", "unreadable")
    assert (staged.code, words in staged.err) == (1, True)
    repo.git(*OFF, "checkout", "-q", "-f", "main")
    repo.write({layout.CONFIG: text(STRICT)})
    repo.git("commit", "-qam", "as it was")
    assert call(repo, "push", "-q", "origin", "main").code == 0


def test_a_main_branch_of_another_name_counts_as_main_does(repo: BuiltRepo) -> None:
    config = replace(STRICT, protected=("trunk",))
    repo.git(*OFF, "switch", "-q", "-c", "trunk", "main")
    repo.write({layout.CONFIG: text(config)})
    repo.git(*OFF, "commit", "-qam", "another name")
    repo.git("branch", "-q", "-D", "main")
    repo.git("update-ref", "-d", "refs/remotes/origin/main")
    repo.git(*OFF, "switch", "-q", "exp/deep")
    repo.write({layout.CONFIG: text(replace(config, rules={})), "train.py": "#" * (6 << 20)})
    assert "error[R5]" in call(repo, "commit", "-qam", "large").err  # HEAD's own names main alone
    repo.git(*OFF, "commit", "-qam", "large")
    assert "error[R5]" in call(repo, "push", "-q", "origin", "exp/deep").err
    assert ("R5", Policy.ERROR) in {
        (item.rule, item.policy) for item in check(repo.workspace).violations
    }
