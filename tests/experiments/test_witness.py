"""How sure an order is: ancestry, signatures, and witnesses with clocks of their own."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.enforcement.check import check
from gitexp.errors import PreconditionError, UsageError, WitnessError
from gitexp.experiments.witness import witness
from gitexp.git.transaction import layout
from gitexp.model.ids import PlanDigest
from gitexp.model.witness import Grade, Receipt, Way
from gitexp.records import codec
from gitexp.records import config as config_format
from gitexp.records import plan as plan_format
from tests.lab import authority
from tests.lab.build import repository
from tests.lab.records import ADA, CONFIG, Lab
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from gitexp.model.plan import Plan
    from gitexp.model.witness import OrderGrade
    from tests.lab.build import BuiltRepo

pytestmark = pytest.mark.network
ROOT = Path(__file__).parents[2]
SCORES = {"f1": {0: 0.6, 1: 0.61}}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own settings of Git."""
    file = tmp_path / "gitconfig"
    file.touch()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(file))
    return file


def setting(file: Path, key: str, value: object) -> None:
    subprocess.run(["git", "config", "--file", str(file), key, str(value)], check=True)


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    found = Lab(repo)
    found.init()
    found.plan()
    return found


def order(lab: Lab) -> OrderGrade:
    (plan,) = check(lab.repo.workspace).plans
    return plan.order


def plan_of(lab: Lab) -> Plan:
    return plan_format.load(lab.repo.show(layout.plan_path("deep")).encode(), "plan")


def test_a_time_stamp_before_the_run_is_a_witness_with_the_authoritys_time(
    lab: Lab, tmp_path: Path, settings: Path
) -> None:
    root = authority.make(tmp_path / "tsa")
    before = datetime.now(UTC).replace(microsecond=0)
    with authority.served(tmp_path / "tsa") as url:
        setting(settings, "gitexp.witnessUrl", url)
        found = witness(lab.repo.workspace, None, Way.RFC3161)
    assert found.order.grade is Grade.HISTORY  # nobody is believed yet
    assert "names nobody to believe" in found.order.why
    setting(settings, "gitexp.witnessCa", root)
    lab.record("c", SCORES, plan=plan_of(lab))
    said = order(lab)
    assert said.grade is Grade.WITNESSED
    assert said.time is not None
    assert before <= said.time <= datetime.now(UTC)
    assert lab.repo.status() == []


def test_an_authority_that_the_reader_does_not_know_proves_nothing(
    lab: Lab, tmp_path: Path, settings: Path
) -> None:
    authority.make(tmp_path / "tsa")
    other = authority.make(tmp_path / "other", "another authority")
    with authority.served(tmp_path / "tsa") as url:
        setting(settings, "gitexp.witnessUrl", url)
        witness(lab.repo.workspace, None, Way.RFC3161)
    setting(settings, "gitexp.witnessCa", other)
    assert order(lab).grade is Grade.HISTORY
    assert "not to be believed" in order(lab).why


def test_a_branch_cannot_name_whom_to_believe(lab: Lab, tmp_path: Path, settings: Path) -> None:
    root = authority.make(tmp_path / "tsa")
    with authority.served(tmp_path / "tsa") as url:
        setting(settings, "gitexp.witnessUrl", url)
        witness(lab.repo.workspace, None, Way.RFC3161)
    lab.repo.git("config", "gitexp.witnessCa", str(root))  # the repository's own folder
    assert order(lab).grade is Grade.HISTORY


def test_a_stamp_of_another_plan_and_one_that_comes_too_late_prove_nothing(
    lab: Lab, tmp_path: Path, settings: Path
) -> None:
    root = authority.make(tmp_path / "tsa")
    setting(settings, "gitexp.witnessCa", root)
    plan = plan_of(lab)
    lab.record("c", SCORES, plan=plan)
    with authority.served(tmp_path / "tsa") as url:
        setting(settings, "gitexp.witnessUrl", url)
        late = witness(lab.repo.workspace, None, Way.RFC3161)
    assert late.runs == 1
    assert late.order.grade is Grade.HISTORY
    assert "recorded before that" in late.order.why
    receipt = replace(late.receipt, commit=plan.baseline.commit)
    lab.repo.commit({late.path: codec.dump(receipt)}, at=80)
    assert "not to be believed" in order(lab).why


@pytest.mark.parametrize(("answer", "status"), [(b"no", 200), (b"", 500), (b"", 302)])
def test_an_authority_that_does_not_answer_leaves_nothing(
    lab: Lab, tmp_path: Path, settings: Path, answer: bytes, status: int
) -> None:
    before = lab.repo.hash()
    with authority.served(tmp_path, answer, status) as url:
        setting(settings, "gitexp.witnessUrl", url)
        with pytest.raises(WitnessError):
            witness(lab.repo.workspace, None, Way.RFC3161)
    setting(settings, "gitexp.witnessUrl", "file:///etc/passwd")
    with pytest.raises(WitnessError):
        witness(lab.repo.workspace, None, Way.RFC3161)
    assert lab.repo.hash() == before


def test_without_an_address_it_says_which_setting_is_missing(lab: Lab, settings: Path) -> None:
    del settings
    with pytest.raises(UsageError) as caught:
        witness(lab.repo.workspace, None, Way.RFC3161)
    assert "gitexp.witnessUrl" in caught.value.next_step


def test_a_push_is_a_witness_where_the_servers_log_says_so(
    lab: Lab, tmp_path: Path, settings: Path
) -> None:
    host = repository(tmp_path / "host.git", bare=True)
    lab.repo.git("remote", "add", "origin", host.path.as_uri())
    seen = lab.repo.hash()
    found = witness(lab.repo.workspace, "deep", Way.PUSH)
    assert found.receipt.commit == seen
    assert host.hash("refs/heads/exp/deep") == seen
    lab.record("c", SCORES, plan=plan_of(lab))
    assert order(lab).grade is Grade.HISTORY
    assert "only its log can tell" in order(lab).why
    log = tmp_path / "receipts.log"
    log.write_text(f"2026-01-02T03:04:05Z refs/heads/exp/deep {seen}\nnonsense\n")
    setting(settings, "gitexp.witnessLog", log)
    assert order(lab).grade is Grade.WITNESSED
    assert order(lab).time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_the_servers_hook_keeps_the_log_and_tells_the_client(
    lab: Lab, tmp_path: Path, settings: Path
) -> None:
    host = repository(tmp_path / "host.git", bare=True)
    shutil.copy(ROOT / "examples/server/receipts", host.path / "hooks/post-receive")
    lab.repo.git("remote", "add", "origin", host.path.as_uri())
    before = datetime.now(UTC).replace(microsecond=0)
    found = witness(lab.repo.workspace, "deep", Way.PUSH)
    assert found.receipt.said.startswith("gitexp-receipt 20")
    assert found.receipt.commit in found.receipt.said
    setting(settings, "gitexp.witnessLog", host.path / "gitexp-receipts.log")
    assert order(lab).grade is Grade.WITNESSED
    assert order(lab).time >= before  # type: ignore[operator]


def test_credentials_of_a_remote_are_not_recorded(lab: Lab, tmp_path: Path) -> None:
    host = repository(tmp_path / "host.git", bare=True)
    lab.repo.git("remote", "add", "origin", "https://me:hunter2hunter@example.org/x.git")
    lab.repo.git(
        "config",
        f"url.{host.path.as_uri()}.pushInsteadOf",
        "https://me:hunter2hunter@example.org/x.git",
    )
    lab.repo.git(
        "config",
        f"url.{host.path.as_uri()}.insteadOf",
        "https://me:hunter2hunter@example.org/x.git",
    )
    found = witness(lab.repo.workspace, "deep", Way.PUSH)
    assert "hunter2" not in lab.repo.show(found.path)


def test_a_receipt_that_cannot_be_read_is_said(lab: Lab) -> None:
    plan = plan_of(lab)
    path = f"{layout.witness_dir(plan.digest)}/1-push.json"
    lab.repo.commit({path: "{"}, at=70)
    assert order(lab).grade is Grade.HISTORY
    assert "cannot be read" in order(lab).why


def test_a_forged_receipt_is_worth_nothing(lab: Lab) -> None:
    plan = plan_of(lab)
    forged = Receipt(Way.RFC3161, plan.digest, plan.baseline.commit, ADA, url="https://tsa")
    path = f"{layout.witness_dir(plan.digest)}/1-rfc3161.json"
    token = path.replace(".json", ".tsr")
    lab.repo.commit({path: codec.dump(forged), token: b"\x30\x03abc"}, at=70)
    assert order(lab).grade is Grade.HISTORY


# --- signatures ---------------------------------------------------------------------------------


def key(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(file)], check=True
    )
    return file


def sign_as(repo: BuiltRepo, file: Path, email: str) -> None:
    for name, value in {
        "gpg.format": "ssh",
        "user.signingKey": str(file),
        "commit.gpgsign": "true",
        "user.email": email,
        "user.name": email.partition("@")[0],
    }.items():
        repo.git("config", name, value)


def test_signed_commits_name_who_stands_in_for_them(
    repo: BuiltRepo, tmp_path: Path, settings: Path
) -> None:
    mine = key(tmp_path / "keys", "ada")
    sign_as(repo, mine, "ada@example.org")
    lab = Lab(repo)
    lab.init()
    plan = lab.plan()
    lab.record("c", SCORES, plan=plan)
    assert order(lab).grade is Grade.HISTORY  # no key is known
    allowed = tmp_path / "allowed"
    allowed.write_text(f"ada@example.org {mine.with_suffix('.pub').read_text()}")
    repo.git("config", "gpg.ssh.allowedSignersFile", str(allowed))
    assert order(lab).grade is Grade.HISTORY  # the repository's folder vouches for nobody
    setting(settings, "gpg.ssh.allowedSignersFile", allowed)
    assert order(lab).grade is Grade.SIGNED
    assert "ada@example.org" in order(lab).why
    repo.git("config", "commit.gpgsign", "false")
    lab.record("d", SCORES, plan=plan)
    assert order(lab).grade is Grade.HISTORY


def test_verifying_starts_no_program_that_a_repositorys_folder_names(
    repo: BuiltRepo, tmp_path: Path, settings: Path
) -> None:
    del settings
    sign_as(repo, key(tmp_path / "keys", "ada"), "ada@example.org")
    lab = Lab(repo)
    lab.init()
    lab.plan()
    canary = tmp_path / "canary"
    script = tmp_path / "evil"
    script.write_text(f"#!/bin/sh\ntouch {canary}\n")
    script.chmod(0o755)
    repo.git("config", "gpg.ssh.program", str(script))
    repo.git("config", "gpg.program", str(script))
    order(lab)
    assert not canary.exists()


def test_a_second_person_signs_an_approval(lab: Lab, tmp_path: Path, settings: Path) -> None:
    with pytest.raises(WitnessError):  # the author approves his own plan
        witness(lab.repo.workspace, None, Way.APPROVAL)
    lab.repo.git("config", "user.email", "bob@example.org")
    lab.repo.git("config", "user.name", "Bob")
    with pytest.raises(PreconditionError) as caught:
        witness(lab.repo.workspace, None, Way.APPROVAL)
    assert "gpgsign" in caught.value.found
    theirs = key(tmp_path / "keys", "bob")
    sign_as(lab.repo, theirs, "bob@example.org")
    allowed = tmp_path / "allowed"
    allowed.write_text(f"bob@example.org {theirs.with_suffix('.pub').read_text()}")
    setting(settings, "gpg.ssh.allowedSignersFile", allowed)
    witness(lab.repo.workspace, None, Way.APPROVAL, words="A fair test.")
    assert order(lab).grade is Grade.HISTORY  # an approval has no clock of its own
    assert "approved by bob@example.org, signed" in order(lab).why


# --- where a witness is asked for ---------------------------------------------------------------


def test_a_run_waits_for_its_witness_where_the_project_says_so(lab: Lab, tmp_path: Path) -> None:
    config = replace(CONFIG, witness_required=True)
    lab.repo.commit({layout.CONFIG: config_format.dump_template(config)}, at=60)
    done = gitexp(lab.repo, "run", "--dry-run")
    assert done.code == 3
    assert done.says("not-witnessed", "gitexp witness --push")
    host = repository(tmp_path / "host.git", bare=True)
    lab.repo.git("remote", "add", "origin", host.path.as_uri())
    assert gitexp(lab.repo, "witness", "--push", "--json").json["runs"] == 0
    assert gitexp(lab.repo, "run", "--dry-run").code == 0


@pytest.mark.parametrize("receipt", ["", "approval", "other plan", "nonsense", "push"])
def test_check_finds_a_run_that_did_not_wait(lab: Lab, receipt: str) -> None:
    config = replace(CONFIG, witness_required=True)
    lab.repo.switch("main")
    lab.repo.commit({layout.CONFIG: config_format.dump_template(config)}, at=60)
    lab.repo.switch("exp/deep")
    lab.repo.git("merge", "-q", "--no-edit", "main")
    plan = plan_of(lab)
    said = {
        "approval": Receipt(Way.APPROVAL, plan.digest, plan.baseline.commit, ADA),
        "other plan": Receipt(Way.PUSH, PlanDigest("0" * 64), plan.baseline.commit, ADA),
        "push": Receipt(Way.PUSH, plan.digest, plan.baseline.commit, ADA),
    }
    if receipt:
        data = codec.dump(said[receipt]) if receipt in said else b"{"
        lab.repo.commit({f"{layout.witness_dir(plan.digest)}/1-push.json": data}, at=61)
    waits = gitexp(lab.repo, "run", "--dry-run").code == 3
    lab.record("c", SCORES, plan=plan)
    found = " ".join(item.message for item in check(lab.repo.workspace).violations)
    # One that was written by hand is unproved.
    assert ("unproved" if receipt == "push" else "before anybody else saw") in found
    assert waits


def test_new_asks_the_witness_at_once(lab: Lab, tmp_path: Path) -> None:
    host = repository(tmp_path / "host.git", bare=True)
    lab.repo.git("remote", "add", "origin", host.path.as_uri())
    plan = ("--metric", "f1:max", "--effect", ">0.01", "--hypothesis", "a wider net raises f1")
    done = gitexp(lab.repo, "new", "wide", *plan, "--witness", "push", "--json")
    assert done.code == 0, done.err
    assert done.json["plan"]
    assert "pushed to origin" in done.err
    assert lab.repo.git("log", "-1", "--format=%s", "exp/wide") == "gitexp witness: wide by push"
    failed = gitexp(lab.repo, "new", "wider", *plan, "--witness", "rfc3161")
    assert failed.code == 2
    assert failed.says("the plan is made; gitexp witness wider --rfc3161")
