"""Records and plans that somebody slips past the rules: by merges, odd folders, odd entries."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.git.repository import open_repository
from gitexp.git.transaction import layout
from gitexp.model.ids import CommitHash
from gitexp.model.plan import PlanSeeds
from gitexp.model.run import Origin
from gitexp.records import codec, terms
from gitexp.rules import recorded
from gitexp.store.lookup import runs_at
from tests.lab.records import CONFIG, ENVIRONMENT, EVALUATION, Lab
from tests.rules.world import World

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

LOW = {"f1": {0: 0.6, 1: 0.61}}
HIGH = {"f1": {0: 0.9, 1: 0.91}}


@pytest.fixture
def world(repo: BuiltRepo) -> World:
    lab = Lab(repo)
    lab.init(replace(CONFIG, params=()))
    return World(lab)


def merge(world: World, other: str, *, theirs: bool) -> None:
    """Begin a merge that takes every file as one side has it."""
    world.repo.git("merge", "--quiet", "--no-commit", "-s", "ours", other)
    if theirs:
        world.repo.git("read-tree", "-m", "-u", other)


def broken(found: list[tuple[str, str, str]], *words: str) -> bool:
    return any(all(word in " ".join(item) for word in words) for item in found)


def test_a_merge_that_drops_the_runs_of_its_own_branch_is_said(world: World) -> None:
    plan = world.lab.plan()
    world.repo.switch("other", create=True)
    world.repo.commit({"README.md": "x"}, at=world.lab.tick())
    world.repo.switch("exp/deep")
    run = world.lab.record("c", LOW, plan=plan)
    merge(world, "other", theirs=True)
    found = world.judge_staged()
    assert broken(found, "R3", "leaves out", run.id[:8])


@pytest.mark.parametrize("theirs", [True, False])
def test_a_merge_of_two_records_with_one_name_is_said(world: World, *, theirs: bool) -> None:
    plan = world.lab.plan()
    world.repo.branch("other")
    run = world.lab.record("c", LOW, plan=plan)
    world.repo.switch("other")
    world.lab.record("c", HIGH, plan=plan)
    world.repo.switch("exp/deep")
    merge(world, "other", theirs=theirs)
    found = world.judge_staged()
    assert broken(found, "R3", run.id[:8])


@pytest.mark.parametrize("theirs", [True, False])
def test_a_merge_that_takes_another_plan_than_that_of_its_runs_is_said(
    world: World, *, theirs: bool
) -> None:
    plan = world.lab.plan()
    world.repo.branch("other")
    world.lab.record("c", LOW, plan=plan)
    world.repo.switch("other")
    easier = terms.sealed(replace(plan, alpha=0.2))
    world.repo.commit({layout.plan_path("deep"): codec.dump(easier)}, at=world.lab.tick())
    world.lab.record("d", HIGH, plan=easier)
    if theirs:
        world.repo.switch("exp/deep")
        world.repo.git("merge", "--quiet", "--no-commit", "other")
    else:
        world.repo.git("merge", "--quiet", "--no-commit", "-X", "ours", "exp/deep")
    found = world.judge_staged()
    assert broken(found, "R2", "changed after its first run")


@pytest.mark.parametrize("root", ["", "ab" * 16])
def test_a_record_says_of_its_seeds_what_its_plan_does(world: World, root: str) -> None:
    """Whether they were drawn, and which of them is for the snapshot alone."""
    seeds = PlanSeeds(root) if root else None
    plan = terms.sealed(replace(world.lab.plan(), seeds=seeds))
    run = world.lab.record("c", LOW, plan=plan)
    for changed, why in (
        (run, ""),
        (replace(run, snapshot_only=run.committed_seed), ""),
        (replace(run, snapshot_only=1), "not of the committed seed"),
        (replace(run, drawn=not run.drawn), "drew its seeds"),
        (replace(run, drawn=True, plan=None), "drew its seeds"),
        (replace(run, drawn=False, origin=Origin.REPORTED), ""),
    ):
        found = recorded.by_itself(changed, plan, lambda *_: True)
        assert why in found
        assert bool(why) is bool(found)


def test_a_record_in_the_folder_of_another_prefix_is_no_record(world: World) -> None:
    plan = world.lab.plan()
    run = world.lab.record("c", HIGH, plan=plan, commit=False)
    folder = layout.run_dir(run.id)
    elsewhere = f"{layout.RUNS}/zz"
    (world.repo.path / elsewhere).mkdir()
    world.repo.git("mv", folder, elsewhere)
    world.repo.commit(at=world.lab.tick())
    repo = open_repository(world.repo.workspace)
    assert len(runs_at(repo, CommitHash(world.repo.hash()))) == 0


def test_a_second_copy_of_a_record_replaces_it_nowhere(world: World) -> None:
    plan = world.lab.plan()
    run = world.lab.record("c", LOW, plan=plan)
    folder = layout.run_dir(run.id)
    _, files = world.lab.run_files(
        "c", HIGH, of="HEAD", plan=plan, environment=ENVIRONMENT, evaluation=EVALUATION,
        origin=run.origin, failed=(), links="", call="", outputs=None, samples=(),
    )  # fmt: skip
    copies = {
        path.replace(folder, f"{layout.RUNS}/zz/{run.id}"): content
        for path, content in files.items()
        if path.startswith(folder)
    }
    world.repo.commit(copies, at=world.lab.tick())
    repo = open_repository(world.repo.workspace)
    (found,) = runs_at(repo, CommitHash(world.repo.hash()))
    assert [sample.value for sample in found.samples] == [0.6, 0.61]
