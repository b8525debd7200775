"""`record.identity`: records that name nobody, or nobody in clear."""

from __future__ import annotations

import platform
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.formats import run as run_format
from gitexp.model.plan import Person
from gitexp.model.rules import Identity
from gitexp.model.run import Repeat, RepeatState, Resources
from gitexp.ops.run.identity import WITHHELD, applied
from tests.cli.shell import gitexp
from tests.ops.records import CONFIG, Lab

if TYPE_CHECKING:
    from gitexp.model.run import Run
    from tests.build import BuiltRepo

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
    assert applied(run, Identity.FULL, ["/srv/lab/churn"]) is run


@pytest.mark.parametrize("way", [Identity.HASH, Identity.DROP])
def test_a_private_record_names_no_user_host_or_place(run: Run, way: Identity) -> None:
    text = run_format.dump(applied(run, way, ["/srv/lab/churn"])).decode()
    for name in ("Ann", "ann@", "/ann", "\\ann", "node7", "/srv/lab"):
        assert name not in text
    assert "train.py" in text


def test_a_digest_is_the_same_for_the_same_and_a_dropped_name_is_the_same_for_all(run: Run) -> None:
    other = replace(run, author=Person("Ann again", "ann@example.org"))
    bob = replace(run, author=Person("Bob", "bob@example.org"))
    assert applied(run, Identity.HASH).author == applied(other, Identity.HASH).author
    assert applied(run, Identity.HASH).author != applied(bob, Identity.HASH).author
    assert applied(bob, Identity.DROP).author == Person(WITHHELD, "")


def test_a_private_record_is_read_again(run: Run) -> None:
    private = applied(run, Identity.HASH, ["/srv/lab/churn"])
    assert run_format.load(run_format.dump(private), "run.json") == private


def test_what_a_run_records_names_nobody(repo: BuiltRepo) -> None:
    lab = Lab(repo)
    config = replace(CONFIG, params=(), identity=Identity.DROP)
    train = 'import json; json.dump({"f1": 0.5}, open("metrics.json", "w"))\n'
    lab.init(config, {"train.py": train, ".gitignore": "__pycache__/\n"})
    done = gitexp(repo, "run", "--seeds", "0", "--json")
    assert done.code == 0, done.err
    (path,) = [path for path in repo.files() if path.endswith("run.json")]
    text = repo.show(path)
    for name in ("Ada", "ada@", platform.node(), str(repo.path)):
        assert name not in text
    assert repo.git("log", "-1", "--format=%an") == "Ada Lovelace"  # Git's to name
