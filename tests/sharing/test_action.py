"""The GitHub Action, from the pull request to the comment, with everything but GitHub itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.lab.actionjob import TOKEN, checked_out, job, project, pull_request, without_install
from tests.lab.build import repository
from tests.lab.fakegithub import REPOSITORY
from tests.lab.runner import ROOT, environment

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.text.jsontext import Json
    from tests.lab.fakegithub import FakeGitHub


@pytest.mark.slow
@pytest.mark.network
def test_a_pull_request_gets_check_summary_artifact_and_one_comment(
    tmp_path: Path, installed: Path, fake: FakeGitHub
) -> None:
    lab = project(tmp_path / "github")
    fake.head = lab.repo.hash("exp/deep")
    there = checked_out(lab, tmp_path)
    action = without_install(tmp_path)
    run = job(tmp_path, there, installed, fake, pull_request(lab))
    outputs = run.run(action, {})
    assert not run.failed, run.log
    assert outputs["verdict"] == "supported"
    (comment,) = fake.comments
    body = str(comment["body"])
    assert body.split("\n", maxsplit=1)[0] == "<!-- gitexp:review key=gitexp-review -->"
    assert body.split("\n")[1].startswith("**SUPPORTED** `deep`: `f1` +8.")
    assert "**SUPPORTED** `deep`" in run.summary
    assert "::warning title=gitexp R7" in run.log
    assert TOKEN not in run.log + run.summary + body
    assert {path.name for path in run.artifacts["gitexp-review"].iterdir()} == {
        "review.json",
        "report.html",
    }
    assert not (tmp_path / "canary").exists()
    assert "Fetch data" not in run.ran


@pytest.mark.slow
@pytest.mark.network
def test_a_fork_s_job_may_not_comment_and_the_trusted_one_shows_what_it_left(
    tmp_path: Path, installed: Path, fake: FakeGitHub
) -> None:
    lab = project(tmp_path / "github", gain=-0.05)
    fake.head, fake.label = lab.repo.hash("exp/deep"), "mallory:exp/deep"
    there = checked_out(lab, tmp_path)
    action = without_install(tmp_path)
    first = job(tmp_path / "a", there, installed, fake, pull_request(lab, source="mallory/lab"))
    assert first.run(action, {"comment": "false"})["verdict"] == "refuted"
    assert not first.failed, first.log  # a result, not a failure
    assert fake.requests == []
    event = {
        "repository": {"full_name": REPOSITORY},
        "workflow_run": {
            "event": "pull_request",
            "head_sha": fake.head,
            "head_branch": "exp/deep",
            "head_repository": {"full_name": "mallory/lab", "owner": {"login": "mallory"}},
            "pull_requests": [],
        },
    }
    empty = repository(tmp_path / "empty")
    github = {"event": event, "event_name": "workflow_run", "workflow": "gitexp comment"}
    left = first.artifacts["gitexp-review"] / "review.json"
    given = {"from": str(left), "fail-on": "never", "token": TOKEN}
    second = job(tmp_path / "b", empty, installed, fake, github)
    second.run(action, given)
    assert not second.failed, second.log
    assert not {"Fetch history", "Review", "Upload"} & set(second.ran)
    assert str(fake.comments[0]["body"]).split("\n")[1].startswith("**REFUTED** `deep`")
    assert "a job that the fork could change" in str(fake.comments[0]["body"])
    left.write_text(left.read_text().replace('"refuted"', '"##[error]no"'))
    third = job(tmp_path / "c", empty, installed, fake, github)
    third.run(action, given)
    assert third.failed
    assert len(fake.comments) == 1
    # What was refused is quoted while the runner takes no commands.
    assert third.log.partition("##[error]no")[0].count("::stop-commands::") == 1
    assert third.log.count("\n::") == 0


@pytest.mark.slow
@pytest.mark.network
def test_a_broken_rule_fails_the_job_after_it_has_said_so(
    tmp_path: Path, installed: Path, fake: FakeGitHub
) -> None:
    lab = project(tmp_path / "github")
    lab.repo.switch("exp/deep")
    samples = next(path for path in lab.repo.files() if path.endswith("samples.csv"))
    lab.repo.commit({samples: lab.repo.show(samples).replace("0.6", "0.7", 1)}, at=99)
    lab.repo.switch("main")
    fake.head = lab.repo.hash("exp/deep")
    there = checked_out(lab, tmp_path)
    run = job(tmp_path, there, installed, fake, pull_request(lab))
    assert run.run(without_install(tmp_path), {})["verdict"] == "rules broken"
    assert run.failed
    assert run.ran[-1] == "Decide"
    assert "::error title=gitexp R3" in run.log
    assert "RULES BROKEN" in str(fake.comments[0]["body"])


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.network
@pytest.mark.parametrize("button", ["squash", "queue"])
def test_what_is_merged_is_reviewed_without_a_pull_request(
    tmp_path: Path, installed: Path, fake: FakeGitHub, button: str
) -> None:
    lab = project(tmp_path / "github")
    before = lab.repo.hash("main")
    if button == "squash":
        lab.repo.git("merge", "-q", "--squash", "exp/deep")
        lab.repo.commit(at=60, message="squash")
    else:
        lab.repo.git("merge", "-q", "--no-ff", "-m", "merge", "exp/deep", at=60)
    lab.repo.git("branch", "-D", "exp/deep")
    after = lab.repo.hash("main")
    there = checked_out(lab, tmp_path, "main")
    event: dict[str, Json] = {"repository": {"full_name": REPOSITORY, "default_branch": "main"}}
    if button == "queue":
        event["merge_group"] = {
            "base_sha": before,
            "base_ref": "refs/heads/main",
            "head_sha": after,
        }
    else:
        event |= {"before": before, "after": after}
    github: dict[str, Json] = {
        "event": event,
        "event_name": "merge_group" if button == "queue" else "push",
        "sha": after,
        "ref_name": "gh-readonly-queue/main/pr-7" if button == "queue" else "main",
        "server_url": "https://github.com",
        "workflow": "w",
        "token": TOKEN,
    }
    run = job(tmp_path, there, installed, fake, github)
    assert run.run(without_install(tmp_path), {})["verdict"] == "supported"
    assert not run.failed, run.log
    assert "deep is merged into main without a conclusion" in run.log
    assert "no pull request, no comment" in run.log
    assert fake.requests == []


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("source", [REPOSITORY, "mallory/lab"])
def test_data_are_fetched_for_our_own_alone_and_a_restored_cache_is_looked_at(
    tmp_path: Path, installed: Path, fake: FakeGitHub, source: str
) -> None:
    lab = project(tmp_path / "github")
    lab.repo.commit({".dvc/config": "[core]\n    remote = ours\n"}, at=70)
    lab.repo.switch("exp/deep")
    lab.repo.commit({".dvc/config": "[core]\n    remote = theirs\n"}, at=71)
    lab.repo.switch("main")
    there = checked_out(lab, tmp_path)
    saved = tmp_path / "saved" / "files" / "md5"
    for folder in (saved / "90", saved / "ff"):
        folder.mkdir(parents=True)
        (folder / "0150983cd24fb0d6963f7d28e17f72").write_text("abc")
    (saved / "90" / "0150983cd24fb0d6963f7d28e17f73").symlink_to("0150983cd24fb0d6963f7d28e17f72")
    (saved / "ff" / "two\nlines").write_text("abc")
    run = job(tmp_path, there, installed, fake, pull_request(lab, source=source))
    run.cached = tmp_path / "saved"
    run.run(without_install(tmp_path), {"pull-data": "true", "comment": "false"})
    assert not run.failed, run.log
    config = (there.path / ".dvc" / "config").read_text()
    ours = source == REPOSITORY
    assert {"Restore the data cache", "Fetch data"} & {*run.ran} == (
        {"Restore the data cache", "Fetch data"} if ours else set()
    )
    assert "remote = ours" in config if ours else "remote = theirs" in config
    kept = [path.parent.name for path in run.temp.glob("gitexp-data/files/md5/*/*")]
    assert kept == ["90"] * ours
    assert not (there.path / ".dvc" / "cache").exists()


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.network
@pytest.mark.parametrize("link", [".dvc", ".dvc/cache"])
def test_a_saved_cache_is_unpacked_through_no_link_of_a_branch(
    tmp_path: Path, installed: Path, fake: FakeGitHub, link: str
) -> None:
    lab = project(tmp_path / "github")
    there = checked_out(lab, tmp_path)
    run = job(tmp_path, there, installed, fake, pull_request(lab))
    run.cached, target = tmp_path / "saved", run.temp / "package"
    run.cached.mkdir()
    (run.cached / "__init__.py").write_text("raise SystemExit\n")
    target.mkdir()
    (there.path / link).parent.mkdir(exist_ok=True)
    (there.path / link).symlink_to(target)
    run.run(without_install(tmp_path), {"pull-data": "true", "comment": "false"})
    assert not run.failed, run.log
    assert "Restore the data cache" in run.ran
    assert (run.temp / "gitexp-data" / "__init__.py").exists(), "it was restored"
    assert list(target.iterdir()) == []


def test_the_server_example_leaves_a_review_of_what_was_pushed(tmp_path: Path) -> None:
    lab = project(tmp_path / "work")
    bare = repository(tmp_path / "lab.git", bare=True)
    shutil.copy(ROOT / "examples" / "server" / "post-receive", bare.path / "hooks")
    gitexp = tmp_path / "gitexp"
    gitexp.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gitexp "$@"\n')
    gitexp.chmod(0o755)
    shutil.copy(ROOT / "examples" / "server" / "receipts", bare.path / "hooks")
    lab.repo.git("push", "-q", str(bare.path), "main")
    done = subprocess.run(
        ["git", "push", "-q", str(bare.path), "exp/deep"],
        cwd=lab.repo.path,
        env={"PATH": environment(tmp_path, ROOT)["PATH"], "GITEXP": str(gitexp)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = bare.path / "reviews" / f"{lab.repo.hash('exp/deep')}.html"
    assert "SUPPORTED" in report.read_text()
    log = (bare.path / "gitexp-receipts.log").read_text()
    assert [line.split()[1] for line in log.splitlines()] == [
        "refs/heads/main",
        "refs/heads/exp/deep",
    ]
    assert "gitexp-receipt" in done.stderr
