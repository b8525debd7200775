"""A colleague concludes, merges and archives; what a clone says that still has the branch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.lab.build import BuiltRepo, clone, repository
from tests.lab.records import Lab, scores
from tests.lab.sharing import gitexp

if TYPE_CHECKING:
    from pathlib import Path

ADA, MALLORY = ("Ada Lovelace", "ada@example.org"), ("Mallory", "m@example.org")
BRANCH, TAG = "exp/deep", "exp-archive/deep"


def said(repo: BuiltRepo, *argv: str, code: int = 0) -> str:
    done = gitexp(repo, *argv)
    assert done.returncode == code, (argv, done.stdout, done.stderr)
    return done.stdout + done.stderr


@pytest.fixture
def pair(tmp_path: Path) -> tuple[BuiltRepo, BuiltRepo]:
    """Ada, who has the finished experiment, and Bob, who pulled it."""
    hub = repository(tmp_path / "hub", bare=True)
    made = repository(tmp_path / "made")
    Lab(made).init()
    made.git("push", "-q", hub.path.as_uri(), "main")
    ada = BuiltRepo(clone(hub, tmp_path / "ada").path, by=ADA)
    lab = Lab(ada)
    plan = lab.plan(repeats=6)
    lab.change()
    low = scores(0.6, range(6))
    lab.record("b", {"f1": low}, of="main", plan=plan)
    lab.record("c", {"f1": {seed: value + 0.05 for seed, value in low.items()}}, plan=plan)
    said(ada, "push", "--no-data")
    bob = clone(hub, tmp_path / "bob")
    said(bob, "pull", "deep")
    return ada, bob


def merged(repo: BuiltRepo, way: str, branch: str = BRANCH) -> None:
    repo.switch("main")
    repo.git(
        "merge", "-q", *(["--squash"] if way == "squash" else ["--no-ff", "--no-edit"]), branch
    )
    if way == "squash":
        repo.git("commit", "-q", "-m", "deeper (#1)")
    repo.git("push", "-q", "origin", "main")


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("way", ["merge", "squash"])
def test_what_main_says_counts_and_the_branch_stays_archived(
    pair: tuple[BuiltRepo, BuiltRepo], way: str
) -> None:
    ada, bob = pair
    said(ada, "conclude", "-m", "deeper is better")
    merged(ada, way)
    said(ada, "archive", "deep", "--push")
    before = bob.hash(BRANCH)
    pulled = said(bob, "pull")
    assert f"{BRANCH}: archived" in pulled
    assert f"origin has {TAG} in its place; gitexp pull deep brings it" in pulled
    assert "NO CONCLUSION" in said(bob, "show", "deep")  # main here has not heard of it
    bob.git("merge", "-q", "--ff-only", "origin/main")
    (listed,) = json.loads(said(bob, "list", "--json"))["experiments"]
    assert (listed["state"], listed["verdict"], listed["branch"]) == ("merged", "supported", "main")
    assert "deeper is better" in said(bob, "compare", "deep", "--json")
    assert said(bob, "show", "deep").startswith("SUPPORTED")
    assert TAG not in said(bob, "doctor")
    bob.switch(BRANCH)
    assert said(bob, "status").startswith("SUPPORTED")
    assert said(bob, "show").startswith("SUPPORTED")
    assert "main has all of exp/deep" in said(bob, "conclude", "-m", "again", code=3)
    for verb in ("push", "sync"):
        assert f"{BRANCH}: archived" in said(bob, verb, "--no-data")
        assert f"origin has no {BRANCH} any more" in said(bob, verb, "deep", code=3)
    assert BRANCH not in bob.git("ls-remote", "--heads", "origin")
    assert bob.hash(BRANCH) == before
    assert "fast-forwarded" in said(bob, "pull", "deep")
    assert bob.hash(BRANCH) == bob.hash(f"{TAG}^{{commit}}")
    said(ada, "restore", "deep")
    said(ada, "push", "deep", "--no-data")  # whoever asks for it has it back
    assert BRANCH in bob.git("ls-remote", "--heads", "origin")


def test_a_renamed_experiment_does_not_come_back_under_its_old_name(
    pair: tuple[BuiltRepo, BuiltRepo],
) -> None:
    """What a colleague has made meanwhile goes on under the new one, by the steps that are told."""
    ada, bob = pair
    renamed = said(ada, "rename", "deep", "deeper")
    ada.git(*renamed.rpartition("next: git ")[2].split())
    assert f"{BRANCH}: renamed" in said(bob, "sync", "--no-data")
    assert "in its place, its new name: gitexp pull deeper\n" in said(bob, "push", "--no-data")
    bob.switch(BRANCH)
    bob.commit({"README.md": "meanwhile"}, at=90)
    own = bob.hash()
    told = said(bob, "sync", "--no-data")
    assert f"git switch exp/deeper && git merge {BRANCH} && git branch -d {BRANCH} && git" in told
    said(bob, "sync", "deep", "--no-data", code=3)
    said(bob, "pull", "deeper")
    bob.switch("exp/deeper")
    bob.git("merge", "--no-edit", BRANCH)
    bob.git("branch", "-d", BRANCH)
    said(bob, "sync", "--no-data")
    there = bob.git("ls-remote", "--heads", "origin")
    assert "refs/heads/exp/deeper" in there
    assert BRANCH not in there.split("refs/heads/")[1:]
    assert own in bob.git("rev-list", "origin/exp/deeper")
    assert said(bob, "compare", "deeper").startswith("SUPPORTED")
    assert "error" not in said(bob, "check")


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("way", ["merge", "squash"])
def test_a_stranger_who_is_merged_concludes_nothing_that_is_alive(
    pair: tuple[BuiltRepo, BuiltRepo], way: str
) -> None:
    ada, bob = pair
    theirs = BuiltRepo(bob.path, by=MALLORY)
    theirs.switch(BRANCH)
    said(theirs, "conclude", "-m", "it is noise")
    theirs.git("commit", "-q", "--amend", "--no-edit", "--reset-author")
    theirs.git("switch", "-q", "-c", "exp/sly")
    theirs.git("branch", "-q", "-D", BRANCH)
    theirs.git("push", "-q", "origin", "exp/sly")
    ada.git("fetch", "-q", "origin")
    (listed,) = (
        each
        for each in json.loads(said(ada, "list", "--json"))["experiments"]
        if each["name"] == "deep"
    )
    if way == "merge":
        merged(ada, way, "origin/exp/sly")
    else:
        theirs.git("fetch", "-q", "origin")
        theirs.git("switch", "-q", "-c", "squashed", "origin/main")
        theirs.git("merge", "-q", "--squash", "exp/sly")
        theirs.git("commit", "-q", "-m", "a tidy-up")
        theirs.git("push", "-q", "origin", "squashed")
        ada.git("fetch", "-q", "origin")
        merged(ada, "merge", "origin/squashed")
    assert "NO CONCLUSION" in said(ada, "show", "deep")
    assert listed in json.loads(said(ada, "list", "--json"))["experiments"]
    said(ada, "conclude", "deep", "-m", "deeper is better")
