"""What a pull request does to records of others, to its own words, and to receipts."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.dispatch import dispatch
from gitexp.enforcement.check import RemoteFacts, check
from gitexp.enforcement.hooks.install import install
from gitexp.enforcement.review import exit_code, review
from gitexp.experiments.conclude import conclude
from gitexp.git.transaction import layout
from gitexp.model.plan import Person
from gitexp.model.review import FailOn
from gitexp.model.witness import Receipt, Way
from gitexp.records import codec
from gitexp.records import plan as plan_format
from gitexp.views.list_runs import list_experiments
from tests.enforcement.hooks.world import call
from tests.experiments.test_witness import setting, settings
from tests.lab.build import clone
from tests.lab.records import ADA, CONFIG, START, Lab, experiment, one

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitexp.model.plan import Plan
    from tests.lab.build import BuiltRepo, Content

__all__ = ["settings"]  # a fixture
PLAN, CONCLUSION = layout.plan_path("deep"), layout.conclusion_path("deep")
OFF = ("-c", "core.hooksPath=/dev/null")


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    """main has a finished experiment of Ada's, with a conclusion and a receipt."""
    found = Lab(repo)
    plan = experiment(found)
    receipt = Receipt(Way.PUSH, plan.digest, plan.baseline.commit, ADA, remote="origin")
    path = f"{layout.witness_dir(plan.digest)}/1-push.json"
    repo.commit({path: codec.dump(receipt)}, at=found.tick())
    conclude(repo.workspace, "deep", words="It pays.", now=START)
    repo.switch("main")
    repo.git("merge", "-q", "--no-ff", "--no-edit", "exp/deep", at=found.tick())
    return found


def mine(lab: Lab) -> Plan:
    return plan_format.load(lab.repo.show(PLAN).encode(), PLAN)


def text(lab: Lab, old: str, new: str, path: str = PLAN) -> dict[str, Content]:
    there = lab.repo.show(path)
    assert old in there
    return {path: there.replace(old, new)}


def receipt_of(lab: Lab) -> str:
    return next(path for path in lab.repo.files() if path.startswith(layout.WITNESSES))


CHANGES: dict[str, Callable[[Lab], dict[str, Content]]] = {
    "plan gone": lambda _: {PLAN: None},
    "plan and conclusion gone": lambda _: {PLAN: None, CONCLUSION: None},
    "plan unreadable": lambda _: {PLAN: "{"},
    "hypothesis": lambda lab: text(lab, "A deeper model raises", "A wider model raises"),
    "author": lambda lab: {
        PLAN: codec.dump(replace(mine(lab), author=Person("M", "m@example.org")))
    },
    "date": lambda lab: {
        PLAN: codec.dump(replace(mine(lab), created_at=datetime(2001, 1, 1, tzinfo=UTC)))
    },
    "conclusion gone": lambda _: {CONCLUSION: None},
    "words": lambda lab: text(lab, "It pays.", "It does not.", CONCLUSION),
    "receipt gone": lambda lab: {receipt_of(lab): None},
    "receipt": lambda lab: text(lab, "origin", "elsewhere", receipt_of(lab)),
}


def said(lab: Lab, branch: str, into: str | None = None) -> list[str]:
    found = review(lab.repo.workspace, "main...HEAD", branch=branch, into=into, now=START)
    broken = [item.message for item in found.violations if item.rule == "R3"]
    assert exit_code(found, FailOn.RULES) == int(bool(broken))
    return broken


@pytest.mark.sweep
@pytest.mark.parametrize("branch", ["patch-1", "exp/other", "", "main"])
@pytest.mark.parametrize("what", CHANGES)
def test_nobody_changes_what_others_recorded(lab: Lab, what: str, branch: str) -> None:
    lab.repo.git("switch", "-q", "-c", "patch")
    lab.repo.commit(CHANGES[what](lab), at=lab.tick())
    found = said(lab, branch, into="main")
    assert found
    assert all("deep" in text or "witness" in text for text in found)


@pytest.mark.parametrize("branch", ["patch-1", "exp/other", "", "main"])
def test_nobody_concludes_an_experiment_of_others(lab: Lab, branch: str) -> None:
    words = lab.repo.show(CONCLUSION)
    lab.repo.switch("main")
    lab.repo.commit({CONCLUSION: None}, at=lab.tick())
    lab.repo.git("switch", "-q", "-c", "patch")
    lab.repo.commit({CONCLUSION: words.replace("It pays.", "It does not.")}, at=lab.tick())
    (found,) = said(lab, branch, into="main")
    assert found == "a conclusion of another experiment, deep on exp/deep, was added"
    assert said(lab, "exp/deep", into="main") == []  # the control: its own branch may
    step = f"restore --source=main --staged --worktree -- {CONCLUSION}"
    lab.repo.git(*step.split())
    lab.repo.git(*OFF, "commit", "-q", "-m", "as it was", at=lab.tick())
    assert said(lab, "patch", into="main") == []


def test_what_was_taken_away_of_others_may_be_put_back(lab: Lab) -> None:
    words = lab.repo.show(CONCLUSION)
    lab.repo.git("switch", "-q", "-c", "patch")
    lab.repo.commit({CONCLUSION: None}, at=lab.tick())
    assert said(lab, "patch", into="main")
    lab.repo.commit({CONCLUSION: words}, at=lab.tick())
    assert said(lab, "patch", into="main") == []


@pytest.mark.parametrize("what", ["author", "date", "receipt", "receipt gone"])
def test_nobody_changes_who_made_a_plan_and_when_nor_what_a_witness_said(
    lab: Lab, what: str
) -> None:
    lab.repo.git("switch", "-q", "exp/deep")
    lab.repo.commit(CHANGES[what](lab), at=lab.tick())
    assert said(lab, "exp/deep")


def test_an_author_mends_his_own_words_and_it_is_said(lab: Lab) -> None:
    lab.repo.git("switch", "-q", "exp/deep")
    lab.repo.commit(CHANGES["hypothesis"](lab), at=lab.tick())
    lab.repo.commit(CHANGES["words"](lab), at=lab.tick())
    assert said(lab, "exp/deep") == []
    (warning,) = [text for text in one(lab).warnings if "reworded" in text]
    assert warning.endswith("it was: A deeper model raises F1 by at least 5 %.")


def test_records_of_ones_own_may_be_brought_mended_and_merged(lab: Lab) -> None:
    """On a branch of any name; and with what main did meanwhile."""
    lab.repo.switch("main")
    plan = lab.plan("wide")
    lab.repo.switch("main")
    lab.repo.commit(CHANGES["words"](lab), at=lab.tick())
    lab.repo.git("switch", "-q", "-c", "patch", "exp/wide")
    lab.repo.git("merge", "-q", "--no-edit", "main")
    other = codec.dump(replace(plan, hypothesis="A wider model raises F1 by 5 %."))
    lab.repo.commit({layout.plan_path("wide"): other}, at=lab.tick())
    lab.repo.commit({layout.plan_path("wide"): None}, at=lab.tick())
    assert said(lab, "patch-1") == []


def test_a_date_and_a_name_that_only_a_file_gives_are_said(repo: BuiltRepo) -> None:
    lab = Lab(repo)
    lab.init()
    plan = lab.plan()
    old = replace(
        plan, created_at=datetime(2001, 1, 1, tzinfo=UTC), author=Person("Bob", "b@example.org")
    )
    repo.write({PLAN: codec.dump(old)})
    repo.git("commit", "-q", "-a", "--amend", "--no-edit", at=lab.tick())
    found = review(repo.workspace, "main...exp/deep", now=START)
    (reviewed,) = found.experiments
    assert reviewed.plan.order.why.endswith(
        "the plan says 2001-01-01, its commit 2024-01-01; "
        "the plan says Bob, its commit Ada Lovelace"
    )
    (line,) = list_experiments(repo.workspace).experiments
    assert line.created_at is not None
    assert line.created_at.year == 2024, "no older than its baseline"


@pytest.mark.parametrize("name", ["evil", "exp/deep"])
def test_what_a_fetched_branch_makes_of_records_changes_no_answer_about_them(
    lab: Lab, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    verbs = (
        ("compare", "exp/deep", "--json"), ("show", "deep", "--json"), ("show", "deep"),
        ("check", "exp/deep"), ("review", "main~1...exp/deep"), ("status",), ("logs",),
    )  # fmt: skip

    def answers() -> list[tuple[int, str]]:
        found = []
        for verb in verbs:
            code = dispatch(["-C", str(lab.repo.path), *verb])
            said = re.sub(r'"(compared|reviewed)_at": "[^"]*"', "", capsys.readouterr().out)
            found.append((code, said))
        return found

    lab.repo.switch("exp/deep")
    before = answers()
    lab.repo.git("switch", "-q", "-c", "evil")
    runs = [path for path in lab.repo.files() if "/runs/" in path]
    forged = text(lab, "0.6", "0.9", next(path for path in runs if path.endswith("samples.csv")))
    forged |= {next(path for path in runs if "cccc" in path and path.endswith("run.json")): None}
    forged |= CHANGES["hypothesis"](lab) | {CONCLUSION: None, receipt_of(lab): None}
    lab.repo.commit(forged, at=lab.tick())
    lab.repo.switch("exp/deep")
    lab.repo.git("update-ref", f"refs/remotes/mallory/{name}", "evil")
    lab.repo.git("branch", "-D", "evil")
    assert answers() == before


# --- receipts -----------------------------------------------------------------------------------


def required(repo: BuiltRepo) -> tuple[Lab, str, str]:
    """Return a project that asks for a witness, with a run whose receipt was written by hand."""
    lab = Lab(repo)
    lab.init(replace(CONFIG, witness_required=True))
    plan = lab.plan()
    commit = repo.hash()
    receipt = Receipt(Way.PUSH, plan.digest, commit, ADA, remote="origin")
    path = f"{layout.witness_dir(plan.digest)}/1-push.json"
    repo.commit({path: codec.dump(receipt)}, at=lab.tick())
    lab.change()
    lab.record("c", {"f1": {0: 0.6}}, plan=plan)
    return lab, path, commit


def unproved(lab: Lab) -> list[bool]:
    looked = review(lab.repo.workspace, "main...exp/deep", now=START).violations
    checked = check(lab.repo.workspace, outside=RemoteFacts(lab.repo.workspace)).violations
    return [
        any(item.rule == "R2" and "unproved" in item.message for item in found)
        for found in (looked, checked)
    ]


def test_a_receipt_that_was_written_by_hand_is_unproved(
    repo: BuiltRepo, settings: Path, tmp_path: Path
) -> None:
    lab, _, commit = required(repo)
    assert unproved(lab) == [True, True]
    log = tmp_path / "receipts.log"
    setting(settings, "gitexp.witnessLog", log)
    log.write_text(f"2026-01-01T00:00:00Z refs/heads/main {repo.hash('main')}\n")
    assert unproved(lab) == [True, True]
    log.write_text(f"2026-01-01T00:00:00Z refs/heads/exp/deep {commit}\n")
    assert unproved(lab) == [False, False]


def test_neither_a_run_nor_a_hook_takes_a_receipt_that_was_written_by_hand(
    repo: BuiltRepo, tmp_path: Path
) -> None:
    required(repo)
    install(repo.workspace)
    clone(repo, tmp_path / "hub.git", "--bare", "--single-branch", "--branch", "main")
    repo.git("remote", "add", "origin", str(tmp_path / "hub.git"))
    repo.git("fetch", "-q", "origin")

    def waits() -> tuple[bool, ...]:
        ran = dispatch(["-C", str(repo.path), "run", "--dry-run"])
        repo.git(*OFF, "reset", "-q", "--soft", "HEAD^")
        said = call(repo, "commit", "-qm", "the run once more")
        if said.code:
            repo.git(*OFF, "commit", "-qm", "the run once more")
        pushed = call(repo, "push", "-q", "--dry-run", "origin", "exp/deep")
        return ran == 3, "unproved" in said.err, "unproved" in pushed.err

    assert waits() == (True, True, True)
    repo.git(*OFF, "push", "-q", "origin", "HEAD~2:refs/heads/exp/deep")  # the control: it has it
    assert waits() == (False, False, False)


def test_a_server_looks_into_its_own_log(repo: BuiltRepo, settings: Path, tmp_path: Path) -> None:
    lab, _, commit = required(repo)
    repo.switch("main")
    server = clone(repo, tmp_path / "server.git", "--bare", "--single-branch")
    install(server.workspace)
    env = {"GIT_CONFIG_GLOBAL": str(settings)}
    push = (*OFF, "push", "-q", str(server.path), "exp/deep")
    refused = call(repo, *push, env=env)
    assert refused.code == 1
    assert "unproved" in refused.err
    log = tmp_path / "receipts.log"
    log.write_text(f"2026-01-01T00:00:00Z refs/heads/exp/deep {commit}\n")
    setting(settings, "gitexp.witnessLog", log)
    assert call(repo, *push, env=env).code == 0
    del lab
