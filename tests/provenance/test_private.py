"""`record.identity`: records that name nobody, or nobody in clear."""

from __future__ import annotations

import platform
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.execution.run import run as execute
from gitexp.git.repository import open_repository
from gitexp.git.transaction import layout
from gitexp.model.config import Identity
from gitexp.model.ids import CommitHash
from gitexp.model.plan import WITHHELD, Person
from gitexp.model.request import RunRequest
from gitexp.model.run import Repeat, RepeatState, Resources, Run
from gitexp.provenance import private
from gitexp.records import codec
from gitexp.records import config as config_format
from gitexp.store import plans
from tests.execution.test_run import plain
from tests.lab.records import CONFIG, Lab
from tests.lab.shell import PLAN, gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

LOG = (
    "File /home/ann/churn/train.py on node7.cluster\n"
    "/srv/lab/churn/.gitexp/x C:\\Users\\ann\\y /Users/ann b.py"
)


@pytest.fixture
def run(repo: BuiltRepo) -> Run:
    lab = Lab(repo)
    lab.init()
    found = lab.record("c", {"f1": {0: 0.5}})
    used = Resources(host="node7.cluster", variables={"OMP_PROC_BIND": "/home/ann/b"})
    broken = Repeat(1, RepeatState.FAILED, reason="in /home/ann", log_tail=LOG, resources=used)
    return replace(
        found,
        author=Person("Ann", "ann@example.org"),
        command="gitexp run --link /srv/lab/churn",
        repeats=(*found.repeats, broken),
    )


def test_by_default_a_record_says_all(run: Run) -> None:
    assert private.run(run, Identity.FULL, ["/srv/lab/churn"]) is run


@pytest.mark.parametrize("way", [Identity.HASH, Identity.DROP])
def test_a_private_record_names_no_user_host_or_place(run: Run, way: Identity) -> None:
    text = codec.dump(private.run(run, way, ["/srv/lab/churn"])).decode()
    for name in ("Ann", "ann@", "/ann", "\\ann", "node7", "/srv/lab"):
        assert name not in text
    assert "train.py" in text


def test_a_digest_is_the_same_for_the_same_and_a_dropped_name_is_the_same_for_all(run: Run) -> None:
    other = replace(run, author=Person("Ann again", "ann@example.org"))
    bob = replace(run, author=Person("Bob", "bob@example.org"))
    assert private.run(run, Identity.HASH).author == private.run(other, Identity.HASH).author
    assert private.run(run, Identity.HASH).author != private.run(bob, Identity.HASH).author
    assert private.run(bob, Identity.DROP).author == Person(WITHHELD, "")


def test_a_private_record_is_read_again(run: Run) -> None:
    found = private.run(run, Identity.HASH, ["/srv/lab/churn"])
    assert codec.load(Run, codec.dump(found), "run.json") == found


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("ann@node7:~$ ls", "<withheld>@<withheld>:~$ ls"),
        ("on node7.cluster, node77", "on <withheld>, node77"),
        ("a planner of annual reports", "a planner of annual reports"),
        ("root mean square, user error", "root mean square, user error"),
        ("Ann <ann@example.org>", "<withheld> <<withheld>>"),
        ("in /mnt/nas/churn/x.csv:3", "in <withheld>/x.csv:3"),
        ("PATH=/opt/a:/data/b/c", "PATH=<withheld>/a:<withheld>/c"),
        ("file:///data/lab/x", "file://<withheld>/x"),
        (r"D:\lab\churn\a.py and \\srv\share\b", r"<withheld>\a.py and <withheld>\b"),
        ("/usr/lib/python3.11/json/__init__.py", "/usr/lib/python3.11/json/__init__.py"),
        (
            "https://example.org/a/b, 1/2/3, src/a/b.py",
            "https://example.org/a/b, 1/2/3, src/a/b.py",
        ),
    ],
)
def test_what_is_no_name_and_no_folder_stays(run: Run, text: str, left: str) -> None:
    (first, broken) = run.repeats[-2:]
    told = replace(run, repeats=(first, replace(broken, log_tail=text)))
    found = private.run(told, Identity.DROP, people=["ann", "root", "user", ""])
    assert found.repeats[-1].log_tail == left


TRAIN = """\
import json, os, socket, sys
print(os.environ["USER"], socket.gethostname(), os.getcwd(), os.path.expanduser("~"))
if os.environ["GITEXP_SEED"] == "1":
    raise SystemExit("not in " + os.getcwd())
json.dump({"f1": 0.5}, open("metrics.json", "w"))
"""


@pytest.mark.parametrize("way", [Identity.HASH, Identity.DROP])
def test_no_record_of_an_experiment_names_anybody(repo: BuiltRepo, way: Identity) -> None:
    lab = Lab(repo)
    config = replace(CONFIG, params=(), identity=way)
    lab.init(config, {"train.py": TRAIN, ".gitignore": "__pycache__/\n"})
    env = {"USER": "lovelace-a", "HOME": str(repo.path.parent / "ada")}
    assert gitexp(repo, "new", "deep", *PLAN, env=env).code == 0
    assert gitexp(repo, "run", "--seeds", "0,1", "--json", env=env).code == 5
    assert gitexp(repo, "amend-plan", "--alpha", "0.01", "--why", "stricter", env=env).code == 0
    assert gitexp(repo, "conclude", "-m", "Nothing.", env=env).code in {0, 6}
    own = [path for path in repo.files() if path.startswith(".gitexp/")]
    assert len(own) >= 5
    text = "".join(repo.show(path) for path in own)
    for name in ("Ada", "ada@", "lovelace-a", str(repo.path.parent)):
        assert name not in text
    assert not _names_host(text)
    assert repo.git("log", "--format=%an").splitlines() == ["Ada Lovelace"] * 5  # Git's to name
    assert gitexp(repo, "rm", "deep", "--yes", "-m", "gone").code == 3  # it is checked out
    repo.switch("main")
    assert gitexp(repo, "rm", "deep", "--yes", "-m", "gone").code == 0
    assert "Ada" not in repo.show(layout.tombstone_path("deep"), "exp-archive/deep")


@pytest.mark.parametrize("ref", ["refs/heads/main", "refs/remotes/origin/main"])
@pytest.mark.parametrize(
    ("of_main", "of_branch", "holds"),
    [
        ((Identity.DROP, 10), (Identity.FULL, 2), (Identity.DROP, 10)),
        ((Identity.DROP, 10), (Identity.HASH, 10), (Identity.DROP, 10)),
        ((Identity.HASH, 5), (Identity.DROP, 3), (Identity.DROP, 5)),
        ((Identity.FULL, 2), (Identity.HASH, 9), (Identity.HASH, 9)),
    ],
)
def test_a_branch_takes_nobody_the_privacy_that_main_has(
    repo: BuiltRepo,
    ref: str,
    of_main: tuple[Identity, int],
    of_branch: tuple[Identity, int],
    holds: tuple[Identity, int],
) -> None:
    def settled(identity: Identity, least: int) -> CommitHash:
        config = replace(CONFIG, identity=identity, min_slice=least)
        return CommitHash(repo.commit({layout.CONFIG: config_format.dump_template(config)}))

    protected = settled(*of_main)
    repo.switch("exp/x", create=True)
    tip = settled(*of_branch)
    if ref != "refs/heads/main":
        repo.git("branch", "--quiet", "-D", "main")
    repo.git("update-ref", ref, protected)
    opened = open_repository(repo.workspace)
    found, said = private.held(opened, plans.config_of(opened, tip)[0])
    assert (found.identity, found.min_slice) == holds
    assert len(said) == (holds[0] is not of_branch[0]) + (holds[1] != of_branch[1])
    assert all("main's" in text for text in said)
    name = private.author(opened, tip).name
    assert (name == WITHHELD) is (holds[0] is Identity.DROP)


def test_the_main_of_a_stranger_says_nothing_of_privacy(repo: BuiltRepo) -> None:
    Lab(repo).init()
    start = repo.hash()
    config = replace(CONFIG, identity=Identity.DROP)
    theirs = repo.commit({layout.CONFIG: config_format.dump_template(config)})
    repo.git("update-ref", "refs/remotes/eve/main", theirs)
    repo.git("reset", "--quiet", "--hard", start)
    assert private.held(open_repository(repo.workspace), CONFIG) == (CONFIG, ())


def test_a_plan_of_a_branch_names_nobody_whom_main_withholds(repo: BuiltRepo) -> None:
    lab = Lab(repo)
    lab.init(replace(CONFIG, identity=Identity.DROP))
    repo.switch("other", create=True)
    repo.commit({layout.CONFIG: config_format.dump_template(CONFIG)})
    assert gitexp(repo, "new", "deep", *PLAN).code == 0
    assert "withheld" in repo.show(layout.plan_path("deep"))


def test_run_says_that_main_withholds_more_than_the_branch(tmp_path: Path) -> None:
    repo = plain(tmp_path / "p")
    open_text = repo.show(layout.CONFIG)
    repo.commit({layout.CONFIG: open_text.replace("identity: full", "identity: drop")})
    assert gitexp(repo, "new", "deep", *PLAN, "--metric", "acc:max").code == 0
    repo.switch("exp/deep")
    repo.commit({layout.CONFIG: open_text, "params.yaml": "lr: 0.2\nseed: 7\n"})
    report = execute(repo.workspace, RunRequest(with_baseline=True))
    (said,) = (text for text in report.warnings if "identity" in text)
    assert said == "record.identity: drop holds, which is main's, not full"
    for path in (path for path in repo.files() if path.endswith("run.json")):
        text = repo.show(path)
        assert WITHHELD in text
        assert repo.by[0] not in text
        assert not _names_host(text)


def _names_host(text: str) -> bool:
    """Whether a record names this machine: as a word, since an id may hold the letters of "vm"."""
    return re.search(rf"(?<!\w){re.escape(platform.node())}(?!\w)", text) is not None
