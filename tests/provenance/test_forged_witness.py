"""Receipts, tokens and signatures that somebody made up: what he controls raises no grade."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import WitnessError
from gitexp.experiments.witness import witness
from gitexp.git.transaction import layout
from gitexp.model.config import Identity
from gitexp.model.witness import Grade, Receipt, Way
from gitexp.records import codec
from gitexp.records import plan as plan_format
from tests.experiments.test_witness import SCORES, key, order, setting, settings, sign_as
from tests.lab import authority
from tests.lab.records import ADA, CONFIG, Lab
from tests.lab.shell import PLAN, gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

pytestmark = pytest.mark.network
__all__ = ["settings"]  # a fixture


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    found = Lab(repo)
    found.init()
    return found


def stamped(lab: Lab, tmp_path: Path, settings: Path) -> bytes:
    """Have the plan of the current branch stamped by an authority that the reader believes."""
    setting(settings, "gitexp.witnessCa", authority.make(tmp_path / "tsa"))
    with authority.served(tmp_path / "tsa") as url:
        setting(settings, "gitexp.witnessUrl", url)
        found = witness(lab.repo.workspace, None, Way.RFC3161)
    return lab.repo.git_bytes("show", f"HEAD:{found.path.removesuffix('.json')}.tsr")


def test_a_stamp_of_another_plan_does_not_witness_this_one(
    lab: Lab, tmp_path: Path, settings: Path
) -> None:
    other = lab.plan("old")
    token = stamped(lab, tmp_path, settings)
    receipt = lab.repo.show(f"{layout.witness_dir(other.digest)}/1-rfc3161.json")
    lab.repo.switch("main")
    plan = lab.plan("deep", effect=">=1%")
    path = f"{layout.witness_dir(plan.digest)}/1-rfc3161"
    lab.repo.commit({f"{path}.json": receipt, f"{path}.tsr": token}, at=lab.tick())
    lab.record("c", SCORES, plan=plan)
    assert order(lab).grade is Grade.HISTORY
    assert "another plan" in order(lab).why


def test_the_push_of_a_commit_without_the_plan_does_not_witness_it(
    lab: Lab, tmp_path: Path, settings: Path
) -> None:
    old = lab.repo.hash()  # the server took it long ago
    plan = lab.plan()
    log = tmp_path / "receipts.log"
    log.write_text(f"2020-01-02T03:04:05Z refs/heads/main {old}\n")
    setting(settings, "gitexp.witnessLog", log)
    for number, commit in enumerate((old, "f" * 40), start=1):
        forged = Receipt(Way.PUSH, plan.digest, commit, ADA, remote="origin")  # type: ignore[arg-type]
        path = f"{layout.witness_dir(plan.digest)}/{number}-push.json"
        lab.repo.commit({path: codec.dump(forged)}, at=lab.tick())
    lab.record("c", SCORES, plan=plan)
    assert order(lab).grade is Grade.HISTORY
    assert "does not hold this plan" in order(lab).why


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def saying(token: bytes, text: str) -> bytes:
    """Return an answer with a text beside its status, which no signature covers."""
    header = 2 if token[1] < 0x80 else 2 + (token[1] & 0x7F)
    status = token[header : header + 5]
    assert status == bytes.fromhex("3003020100")  # granted
    said = der(0x30, status[2:] + der(0x30, der(0x0C, text.encode())))
    return der(0x30, said + token[header + 5 :])


def test_the_time_is_the_signed_one_whatever_an_answer_says_beside_it(
    lab: Lab, tmp_path: Path, settings: Path
) -> None:
    plan = lab.plan()
    before = datetime.now(UTC).replace(microsecond=0)
    token = stamped(lab, tmp_path, settings)
    later = datetime.now(UTC).replace(microsecond=0).strftime("%b %d")
    text = f"fine\nTime stamp: {later} 23:59:59 2026 GMT\nTime stamp: Jan  1 00:00:00 2020 GMT"
    path = f"{layout.witness_dir(plan.digest)}/1-rfc3161.tsr"
    for said in (text, "Time stamp: Jan  1 00:00:00 2020 GMT", text.partition("\n")[2]):
        lab.repo.commit({path: saying(token, f"x\n{said}")}, at=lab.tick())
        found = order(lab)
        assert found.grade is Grade.WITNESSED
        assert found.time is not None
        assert before <= found.time <= datetime.now(UTC)


def known_key(repo: BuiltRepo, tmp_path: Path, settings: Path, who: str) -> None:
    """Sign as somebody whose key the reader knows."""
    mine = key(tmp_path / "keys", who)
    sign_as(repo, mine, f"{who}@example.org")
    allowed = tmp_path / "allowed"
    with allowed.open("a") as file:
        file.write(f"{who}@example.org {mine.with_suffix('.pub').read_text()}")
    setting(settings, "gpg.ssh.allowedSignersFile", allowed)


def test_a_replaced_commit_lends_its_signature_to_no_other(
    repo: BuiltRepo, tmp_path: Path, settings: Path
) -> None:
    known_key(repo, tmp_path, settings, "ada")
    lab = Lab(repo)
    lab.init()
    signed = repo.hash()
    repo.git("config", "commit.gpgsign", "false")
    plan = lab.plan()
    lab.record("c", SCORES, plan=plan)
    tree, parent = repo.tree(), repo.hash("main")
    for revision in ("HEAD~1", "HEAD"):
        tree = repo.tree(revision)
        text = (
            f"tree {tree}\nparent {parent}\nauthor A <a@b> 1704067200 +0000\n"
            "committer A <a@b> 1704067200 +0000\ngpgsig nothing\n\nforged\n"
        )
        parent = repo.git("hash-object", "-t", "commit", "-w", "--stdin", data=text.encode())
        repo.git("replace", parent, signed)
    repo.git("update-ref", "refs/heads/exp/deep", parent)
    assert order(lab).grade is Grade.HISTORY


def test_nobody_approves_his_own_plan_under_another_name(
    repo: BuiltRepo, tmp_path: Path, settings: Path
) -> None:
    known_key(repo, tmp_path, settings, "bob")
    lab = Lab(repo)
    lab.init()
    lab.plan()  # says that Ada wrote it; Bob signed its commit
    witness(lab.repo.workspace, None, Way.APPROVAL, words="A fair test.")
    assert "approved by" not in order(lab).why


def test_a_signature_of_no_kind_takes_none_from_the_others(
    repo: BuiltRepo, tmp_path: Path, settings: Path
) -> None:
    known_key(repo, tmp_path, settings, "ada")
    lab = Lab(repo)
    lab.init()
    plan = lab.plan()
    lab.record("c", SCORES, plan=plan)
    assert order(lab).grade is Grade.SIGNED
    path = f"{layout.witness_dir(plan.digest)}/1-approval.json"
    approval = Receipt(Way.APPROVAL, plan.digest, plan.baseline.commit, ADA)
    lab.repo.commit({path: codec.dump(approval)}, at=lab.tick())
    text = repo.git("cat-file", "commit", "HEAD")
    head, _, rest = text.partition("gpgsig ")
    kept = rest.partition("-----END SSH SIGNATURE-----\n")[2]
    forged = f"{head}gpgsig nothing\n{kept}\n".encode()
    commit = repo.git("hash-object", "-t", "commit", "-w", "--stdin", data=forged)
    repo.git("update-ref", "refs/heads/exp/deep", commit)
    assert order(lab).grade is Grade.SIGNED
    assert "approval is not signed" in order(lab).why


def approved(repo: BuiltRepo, key_file: Path, email: str) -> str:
    """Approve as somebody; return what is said of the order."""
    sign_as(repo, key_file, email)
    witness(repo.workspace, None, Way.APPROVAL, words="A fair test.")
    return order(Lab(repo)).why


def test_an_approval_by_the_authors_key_or_by_anybody_is_none(
    lab: Lab, tmp_path: Path, settings: Path
) -> None:
    ada, bob, any_ = (key(tmp_path / "keys", name) for name in ("ada", "bob", "any"))
    allowed = tmp_path / "allowed"
    known = {"ada@example.org": ada, "bob@example.org": bob, "*@example.org": any_}
    # The key of the plan's author stands here under a second name that comes first.
    lines = [("carol@example.org", ada), *known.items()]
    allowed.write_text(
        "".join(f"{name} {file.with_suffix('.pub').read_text()}" for name, file in lines)
    )
    setting(settings, "gpg.ssh.allowedSignersFile", allowed)
    sign_as(lab.repo, ada, "ada@example.org")
    lab.plan()
    assert "carol@example.org, who may be the plan's author" in approved(
        lab.repo, ada, "carol@example.org"
    )
    assert "*@example.org, who may be" in approved(lab.repo, any_, "dave@example.org")
    why = approved(lab.repo, bob, "bob@example.org")
    assert why.count("approved by") == 1
    assert approved(lab.repo, bob, "bob@example.org").count("approved by bob@example.org") == 1


def test_an_approver_whose_name_has_the_authors_in_it_is_another(
    lab: Lab, tmp_path: Path, settings: Path
) -> None:
    lab.repo.git("config", "user.name", "Bo")
    plan = replace(lab.plan(), author=replace(ADA, name="Bo", email="bo@example.org"))
    path = layout.plan_path(plan.name)
    lab.repo.commit({path: codec.dump(plan)}, at=lab.tick())
    known_key(lab.repo, tmp_path, settings, "bonnie")
    witness(lab.repo.workspace, None, Way.APPROVAL)
    assert "approved by bonnie@example.org, signed" in order(lab).why


def test_an_author_whom_the_record_does_not_name_is_known_by_his_commit(
    repo: BuiltRepo, tmp_path: Path, settings: Path
) -> None:
    lab = Lab(repo)
    lab.init(replace(CONFIG, identity=Identity.DROP))
    assert gitexp(repo, "new", "deep", *PLAN).code == 0
    path = layout.plan_path("deep")
    assert "withheld" in repo.show(path)
    known_key(repo, tmp_path, settings, "ada")
    with pytest.raises(WitnessError):
        witness(repo.workspace, None, Way.APPROVAL)
    plan = plan_format.load(repo.show(path).encode(), path)
    approval = Receipt(Way.APPROVAL, plan.digest, plan.baseline.commit, ADA)
    receipt = f"{layout.witness_dir(plan.digest)}/1-approval.json"
    lab.repo.commit({receipt: codec.dump(approval)}, at=lab.tick())
    assert "ada@example.org, who may be the plan's author" in order(lab).why
