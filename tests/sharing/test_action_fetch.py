"""What the action fetches, from a private repository that answers as GitHub does."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.git.transaction import layout
from gitexp.model.config import Predictions
from gitexp.model.plan import Claim
from gitexp.records import codec
from tests.comparison.test_predicted import predictions
from tests.lab import githttp
from tests.lab.actionjob import TOKEN, job, pull_request, without_install
from tests.lab.build import BuiltRepo, repository
from tests.lab.fakegithub import REPOSITORY
from tests.lab.records import CONFIG, Lab, experiment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitexp.text.jsontext import Json
    from tests.lab.fakegithub import FakeGitHub
    from tests.lab.runner import Job

pytestmark = [pytest.mark.slow, pytest.mark.network]


@dataclass(frozen=True)
class Hub:
    """A private repository at GitHub, and what a job there finds."""

    lab: Lab
    url: str
    folder: Path
    installed: Path
    fake: FakeGitHub

    def checked_out(self, ref: str = "exp/deep") -> BuiltRepo:
        """Check out one commit as actions/checkout does; neither token nor identity stays."""
        there = repository(self.folder / "checkout")
        there.git("config", "--remove-section", "user")
        there.git("remote", "add", "origin", f"{self.url}/{REPOSITORY}")
        there.git("fetch", "-q", "--depth", "1", str(self.lab.repo.path), ref)
        there.git("checkout", "-q", "--detach", "FETCH_HEAD")
        return there

    def reviewed(
        self, there: BuiltRepo, event: Mapping[str, Json] | None = None, **given: str
    ) -> tuple[Job, dict[str, str]]:
        """Do a job; by default for a pull request."""
        self.fake.head = self.lab.repo.hash("exp/deep")
        github = pull_request(self.lab)
        assert isinstance(github, dict)
        github |= {"server_url": self.url, **(event or {})}
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        run = job(folder, there, self.installed, self.fake, github)
        return run, run.run(without_install(folder), given)


@pytest.fixture
def hub(tmp_path: Path, installed: Path, fake: FakeGitHub) -> Iterator[Hub]:
    lab = Lab(repository(tmp_path / "hub" / REPOSITORY))
    lab.repo.git("config", "uploadpack.allowAnySHA1InWant", "true")
    for url in githttp.serve(tmp_path / "hub", TOKEN):
        yield Hub(lab, url, tmp_path, installed, fake)


def with_experiment(hub: Hub) -> BuiltRepo:
    """Give it an experiment, and a branch that has nothing to do with it; check that out."""
    experiment(hub.lab)
    hub.lab.repo.switch("main")
    hub.lab.repo.git("tag", "-a", "v1", "-m", "one")
    hub.lab.repo.switch("big", create=True)
    hub.lab.repo.commit({"big.txt": "x\n"}, at=80)
    hub.lab.repo.switch("main")
    return hub.checked_out()


def test_a_shallow_checkout_of_a_private_repository_is_made_whole_and_no_more(hub: Hub) -> None:
    there = with_experiment(hub)
    run, outputs = hub.reviewed(there)
    assert not run.failed, run.log
    assert outputs["verdict"] == "supported"
    assert there.git("rev-parse", "--is-shallow-repository").strip() == "false"
    assert hub.lab.repo.hash("big") not in there.git("rev-list", "--all")
    assert TOKEN not in run.log
    files = [path for path in (*run.temp.rglob("*"), *there.path.rglob("*")) if path.is_file()]
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []


@pytest.mark.sweep(1)
@pytest.mark.parametrize(
    "given",
    [{"base": "main"}, {"base": "v1", "head": "exp/deep"}, {"base": "main", "head": "HEAD"}],
)
def test_the_ends_may_be_named_as_people_name_them(hub: Hub, given: dict[str, str]) -> None:
    run, outputs = hub.reviewed(with_experiment(hub), **given)
    assert not run.failed, run.log
    assert outputs["verdict"] == "supported"


def test_commits_of_the_base_that_the_head_has_merged_are_not_reviewed_again(hub: Hub) -> None:
    there = with_experiment(hub)
    repo, event = hub.lab.repo, pull_request(hub.lab)  # names the base as it is now
    assert isinstance(event, dict)
    repo.commit({"README.md": "more\n"}, at=81)
    repo.switch("exp/deep")
    repo.git("merge", "-q", "--no-ff", "-m", "up to date", "main", at=82)
    head = repo.hash()
    event["event"]["pull_request"]["head"]["sha"] = event["sha"] = head  # type: ignore[index,call-overload]
    run, _ = hub.reviewed(there, {**event, "server_url": hub.url})
    assert not run.failed, run.log
    assert "in 5 commits of `exp/deep`" in str(hub.fake.comments[0]["body"])
    repo.git("branch", "-f", "main", head)  # merged meanwhile
    run, outputs = hub.reviewed(there, {**event, "server_url": hub.url})
    assert outputs["verdict"] == "supported"


def test_a_base_that_is_gone_is_what_it_goes_into_but_a_wrong_one_is_an_error(hub: Hub) -> None:
    there = with_experiment(hub)
    repo: Json = {"full_name": REPOSITORY, "default_branch": "main"}
    push: dict[str, Json] = {
        "event_name": "push",
        "event": {"before": "1" * 40, "repository": repo},
        "ref_name": "exp/deep",
        "head_ref": "",
        "base_ref": "",
    }
    run, outputs = hub.reviewed(there, push)
    assert not run.failed, run.log
    assert outputs["verdict"] == "supported"
    run, _ = hub.reviewed(there, push, base="nowhere")
    assert run.failed
    assert "::error title=gitexp::there is no such base" in run.log
    assert "nowhere" in run.log


def test_a_baseline_on_a_branch_of_its_own_is_fetched(hub: Hub) -> None:
    lab = hub.lab
    lab.init()
    lab.repo.switch("side", create=True)
    lab.repo.commit({"train.py": "print('side')\n"}, at=20)
    plan = lab.plan(baseline="side", repeats=2)
    side = lab.repo.hash("side")
    lab.repo.git("reset", "-q", "--hard", "main")
    # More hashes than are fetched, all before it, of what is there.
    blobs = {
        hashlib.sha1(f"blob {len(s)}\0{s}".encode(), usedforsecurity=False).hexdigest(): s
        for s in map(str, range(9999))
    }
    known = sorted(each for each in blobs if each < side)[:60]
    assert len(known) == 60
    lab.repo.commit(
        {
            layout.plan_path("deep"): codec.dump(plan),
            f"{layout.PLANS}/known.txt": "\n".join(known),
            **{f"data/{each}": blobs[each] for each in known},
        },
        at=30,
        message="plan",
    )
    there = hub.checked_out()
    run, outputs = hub.reviewed(there)
    assert not run.failed, run.log
    assert outputs["verdict"] == "no verdict"
    assert there.git("cat-file", "-t", side).strip() == "commit"
    body = str(hub.fake.comments[0]["body"])
    assert "0 samples" in body
    assert "not in this clone" not in body


def test_data_of_a_claim_about_two_models_are_fetched_and_judged(hub: Hub) -> None:
    lab, store = hub.lab, hub.folder / "store"
    remote = f"[core]\n    remote = store\n['remote \"store\"']\n    url = {store}\n"
    config = replace(CONFIG, predictions=Predictions("pred.csv", positive="1"))
    lab.init(config, {".dvc/config": remote, ".dvc/.gitignore": "/cache\n/tmp\n/config.local\n"})
    plan = lab.plan(claim=Claim.MODEL, repeats=1, metric="accuracy", effect=">0")
    lab.change()
    (worse, low), (better, high) = predictions(lab, 150), predictions(lab, 180)
    lab.record("b", {"accuracy": {0: low}}, of="main", plan=plan, outputs={0: (worse,)})
    lab.record("c", {"accuracy": {0: high}}, plan=plan, outputs={0: (better,)})
    # What the branch says of the place of the data is not followed.
    lab.repo.write({".dvc/config.local": remote.replace(str(store), str(hub.folder / "theirs"))})
    lab.repo.git("add", "-f", ".dvc/config.local")
    lab.repo.git("commit", "-q", "-m", "elsewhere", at=90)
    shutil.move(lab.repo.path / ".dvc" / "cache", store)
    there = hub.checked_out()
    run, outputs = hub.reviewed(there)
    assert outputs["verdict"] == "no verdict", run.log
    assert "pull-data: true" in str(hub.fake.comments[0]["body"])
    run, outputs = hub.reviewed(there, **{"pull-data": "true"})
    assert not run.failed, run.log
    assert outputs["verdict"] == "supported", run.log
    assert "could not be fetched" not in run.log
    assert len([*run.temp.glob("gitexp-data/files/md5/*/*")]) == 2, "where they are kept for later"
