"""`sync`: what two machines recorded of one experiment comes together, each record once."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from gitexp.execution.run import run
from gitexp.git import repository
from gitexp.git.transaction.failpoints import PUBLISH_POINTS, FailPoint
from gitexp.model.ids import ABSENT
from gitexp.model.report import ProgressKind
from gitexp.model.request import RunRequest
from gitexp.model.sharing import BranchOutcome
from gitexp.sharing.push_pull import sync
from gitexp.store import lookup, replay
from tests.lab.sharing import (
    BRANCH,
    NOISE,
    Team,
    clean,
    commit_of,
    copy,
    gitexp,
    make,
    record,
    start,
)

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.report import ProgressEvent

SYNC_POINTS = (FailPoint.FETCHED, FailPoint.JOINED, FailPoint.PUSHED)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clones of an experiment in which nothing ran yet; outputs differ at each execution."""
    folder = tmp_path_factory.mktemp("fresh") / "team"
    make(folder, train=NOISE)
    return folder


@pytest.fixture(scope="module")
def both_ran(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, after both ran the same seeds and one has pushed."""
    folder = tmp_path_factory.mktemp("both") / "team"
    team = copy(fresh, folder)
    for repo in (team.a, team.b):
        done = gitexp(repo, "run", "--repeats", "2", "--jobs", "2")
        assert done.returncode == 0, done.stderr
    assert gitexp(team.a, "push").returncode == 0
    return folder


@pytest.fixture
def team(fresh: Path, tmp_path: Path) -> Team:
    return copy(fresh, tmp_path / "team")


@pytest.fixture
def parted(both_ran: Path, tmp_path: Path) -> Team:
    return copy(both_ran, tmp_path / "team")


def test_the_same_seeds_on_two_machines_are_both_recorded_and_the_first_snapshot_stays(
    parted: Team,
) -> None:
    lock = parted.a.show("model.txt.dvc", BRANCH)
    mine = {path: parted.b.show(path) for path in parted.records(parted.b)}
    assert parted.b.show("model.txt.dvc") != lock
    report = sync(parted.b.workspace)
    (move,) = report.branches
    assert (move.way, move.records, move.pushed) == (BranchOutcome.REPLAYED, 1, True)
    assert "snapshot was first" in move.kept
    assert report.not_updated == ()
    assert gitexp(parted.a, "pull", "--data").returncode == 0
    assert parted.tip() == parted.tip(parted.a) == parted.tip(parted.b)
    for repo in (parted.a, parted.b):
        clean(repo)
        repo.fsck()
        assert len(parted.records(repo)) == 2
        assert repo.show("model.txt.dvc") == lock
    assert parted.b.git("rev-list", "--merges", "HEAD") == ""
    runs = {path: json.loads(parted.b.show(path)) for path in parted.records(parted.b)}
    marked = {path: [r["snapshot"] for r in run["repeats"]] for path, run in runs.items()}
    assert {path: any(flags) for path, flags in marked.items() if path in mine} == dict.fromkeys(
        mine, False
    )
    assert sum(sum(flags) for flags in marked.values()) == 1


def test_what_both_machines_made_is_in_the_data_remote_and_on_one_line_of_by_products(
    parted: Team,
) -> None:
    assert gitexp(parted.b, "sync").returncode == 0
    line = parted.origin.git("log", "--format=%s", "gitexp/data").splitlines()
    ids = sorted(path.split("/")[3] for path in parted.records(parted.b))
    assert sorted(subject.split()[-1] for subject in line) == ids
    runs = [json.loads(parted.b.show(path)) for path in parted.records(parted.b)]
    made = {out["md5"] for run in runs for rep in run["repeats"] for out in rep["outputs"]}
    assert len(made) == 2
    assert made <= parted.objects()


def test_a_second_sync_has_nothing_to_do(parted: Team) -> None:
    sync(parted.b.workspace)
    tip = parted.tip()
    again = sync(parted.b.workspace)
    assert [move.way for move in again.branches] == [BranchOutcome.SAME]
    assert (again.data.objects, again.attempts, parted.tip()) == (0, 1, tip)


@pytest.mark.slow
@pytest.mark.parametrize("first", ["with a snapshot", "without"])
def test_different_seeds_on_two_machines_end_with_every_record_once_and_dvc_clean(
    team: Team, first: str
) -> None:
    seeds = {"with a snapshot": ("7-8", "20-21"), "without": ("20-21", "7-8")}[first]
    for repo, some in zip((team.a, team.b), seeds, strict=True):
        assert gitexp(repo, "run", "--seeds", some, "--jobs", "2").returncode == 0
    for repo in (team.a, team.b, team.a):
        done = gitexp(repo, "sync")
        assert done.returncode == 0, done.stderr
    assert team.tip() == team.tip(team.a) == team.tip(team.b)
    for repo in (team.a, team.b):
        clean(repo)
        runs = [json.loads(repo.show(path)) for path in team.records(repo)]
        assert sorted(seed for run in runs for seed in run["seeds"]) == [7, 8, 20, 21]
        assert (repo.path / "model.txt").read_text().startswith("lr: 0.1\nseed: 7")
    assert team.origin.git("rev-list", "--merges", BRANCH) == ""


@pytest.mark.slow
def test_a_snapshot_goes_onto_a_tip_that_has_none(team: Team) -> None:
    assert gitexp(team.a, "run", "--seeds", "20").returncode == 0
    assert gitexp(team.a, "sync").returncode == 0
    assert gitexp(team.b, "run", "--seeds", "7").returncode == 0
    pointer = team.b.show("model.txt.dvc")
    (move,) = sync(team.b.workspace).branches
    assert (move.way, move.kept) == (BranchOutcome.REPLAYED, "")
    assert team.b.show("model.txt.dvc") == pointer
    assert gitexp(team.a, "pull", "--data").returncode == 0
    assert (team.a.path / "model.txt").read_bytes() == (team.b.path / "model.txt").read_bytes()
    for repo in (team.a, team.b):
        clean(repo)
        runs = [json.loads(repo.show(path)) for path in team.records(repo)]
        assert sorted(run["seeds"][0] for run in runs) == [7, 20]


def test_an_output_that_a_person_changed_stays_and_is_named(parted: Team) -> None:
    (parted.b.path / "model.txt").write_text("my own\n")
    report = sync(parted.b.workspace)
    assert any("model.txt" in path for path in report.not_updated)
    assert (parted.b.path / "model.txt").read_text() == "my own\n"


def test_a_file_that_a_person_edits_stays(parted: Team) -> None:
    parted.b.write({"train.py": "# under way\n", "metrics.json": '{"acc": 0}'})
    sync(parted.b.workspace)
    assert parted.b.status() == [" M metrics.json", " M train.py"] or parted.b.status() == [
        " M train.py", " M metrics.json",
    ]  # fmt: skip
    assert (parted.b.path / "train.py").read_text() == "# under way\n"


def test_replaying_keeps_author_message_and_the_order_of_records(team: Team) -> None:
    record(team.a, 1)
    assert gitexp(team.a, "push").returncode == 0
    for number in (2, 3, 4):
        record(team.b, number, author="Bob <bob@example.org>")
    theirs = team.tip()
    before = team.b.git("log", "--format=%an %ae %ad %s%n%b", "HEAD~3..HEAD")
    (move,) = sync(team.b.workspace).branches
    assert (move.way, move.records) == (BranchOutcome.REPLAYED, 3)
    assert team.b.git("log", "--format=%an %ae %ad %s%n%b", "HEAD~3..HEAD") == before
    assert team.b.hash("HEAD~3") == theirs
    repo = repository.open_repository(team.b.workspace)
    found = lookup.runs_at(repo, commit_of(team.b, "HEAD"))
    assert [item.run.id[0] for item in found] == ["b", "c", "d", "e"]
    assert not any(item.altered for item in found)


def test_a_run_at_a_replayed_commit_names_a_source_that_every_clone_has(team: Team) -> None:
    base = team.tip(team.b)
    record(team.a, 1)
    assert gitexp(team.a, "push").returncode == 0
    record(team.b, 2)
    record(team.b, 3, source=team.b.hash())
    lost = team.b.hash("HEAD~1")
    sync(team.b.workspace)
    (path,) = (path for path in team.records(team.b) if "/da/" in path)
    source = json.loads(team.b.show(path))["source"]
    assert source["commit"] == base != lost
    assert source["tree"] == team.b.tree(base)


def test_where_a_persons_commits_are_among_ours_both_lines_stay(team: Team) -> None:
    record(team.a, 1)
    assert gitexp(team.a, "push").returncode == 0
    record(team.b, 2)
    mine = team.b.commit({"notes.md": "a thought\n"}, at=9)
    theirs = team.tip()
    report = sync(team.b.workspace)
    assert [move.way for move in report.branches] == [BranchOutcome.MERGED]
    assert team.b.git("log", "-1", "--format=%P") == f"{theirs} {mine}"
    assert len(team.records(team.b)) == 2
    assert team.tip() == team.b.hash()
    assert team.b.status() == []


def test_lines_that_both_changed_are_named_and_nothing_is_written(team: Team) -> None:
    for repo, rate in ((team.a, "0.3"), (team.b, "0.4")):
        repo.commit({"params.yaml": f"lr: {rate}\nseed: 7\n"}, at=9)
    assert gitexp(team.a, "push").returncode == 0
    record(team.b, 2)
    before = (team.b.hash(), team.b.status(), team.origin.refs())
    done = gitexp(team.b, "sync", "--json")
    assert done.returncode == 4
    (branch,) = json.loads(done.stdout)["branches"]
    assert branch["way"] == "failed"
    assert "params.yaml" in branch["why"]
    assert "git merge origin/exp/idea" in branch["why"]
    assert (team.b.hash(), team.b.status(), team.origin.refs()) == before


def test_other_branches_are_shared_although_one_has_to_be_merged_by_hand(team: Team) -> None:
    for repo in (team.a, team.b):
        repo.commit({"params.yaml": f"lr: {repo.path.name}\nseed: 7\n"}, at=9)
    assert gitexp(team.a, "push").returncode == 0
    team.b.branch("exp/other", "main")
    report = sync(team.b.workspace)
    assert {move.branch: move.way for move in report.branches} == {
        BRANCH: BranchOutcome.FAILED, "exp/other": BranchOutcome.NEW,
    }  # fmt: skip
    assert team.origin.hash("exp/other") == team.b.hash("main")


@pytest.mark.parametrize(
    ("files", "whose"),
    [({"README.md": "a thought\n"}, "origin's"), ({"params.yaml": "lr: 0.2\nseed: 7\n"}, "ours")],
)
def test_a_merge_takes_one_whole_snapshot_that_of_the_merged_state(
    parted: Team, files: dict[str, str], whose: str
) -> None:
    locks = {"origin's": parted.a.show("model.txt.dvc"), "ours": parted.b.show("model.txt.dvc")}
    parted.b.commit(files, at=9)
    (move,) = sync(parted.b.workspace).branches
    assert (move.way, move.kept) == (BranchOutcome.MERGED, f"dvc.lock and metrics are {whose}")
    assert parted.b.show("model.txt.dvc") == locks[whose]
    assert len(parted.records(parted.b)) == 2
    clean(parted.b)


def test_who_loses_the_race_joins_again_and_wins_the_next(team: Team, tmp_path: Path) -> None:
    record(team.a, 1)
    record(team.b, 2)
    fifo = tmp_path / "barrier"
    os.mkfifo(fifo)
    waiting = start(team.b, "sync", "--json", failpoint=f"sync.joined:pause={fifo}")
    with fifo.open("wb"):  # opens when the other has read what the remote has, and joined it
        fifo.unlink()
        assert gitexp(team.a, "sync").returncode == 0
    out, err = waiting.communicate()
    assert waiting.returncode == 0, err
    report = json.loads(out)
    assert report["attempts"] == 2
    assert [branch["way"] for branch in report["branches"]] == ["replayed"]
    assert len(team.records(team.origin)) == 2
    assert team.origin.git("rev-list", "--merges", BRANCH) == ""


@pytest.mark.slow
def test_four_machines_at_once_lose_nothing(fresh: Path, tmp_path: Path) -> None:
    teams = [copy(fresh, tmp_path / "0")]
    repos = [teams[0].a, teams[0].b]
    for number in (1, 2):
        other = copy(fresh, tmp_path / str(number)).a
        other.git("remote", "set-url", "origin", teams[0].origin.path.as_uri())
        repos.append(other)
    for number, repo in enumerate(repos):
        for again in range(3):
            record(repo, 4 * again + number)
    syncs = [start(repo, "sync") for repo in repos]
    for process in syncs:
        _, err = process.communicate()
        assert process.returncode == 0, err
    assert len(teams[0].records(teams[0].origin)) == 12
    assert teams[0].origin.git("rev-list", "--merges", BRANCH) == ""
    teams[0].origin.fsck()


@pytest.mark.slow
@pytest.mark.sweep(5)
@pytest.mark.parametrize(
    "point", [*SYNC_POINTS, *PUBLISH_POINTS], ids=lambda point: str(point.value)
)
def test_killed_at_any_point_the_next_sync_succeeds(
    both_ran: Path, tmp_path: Path, point: FailPoint
) -> None:
    team = copy(both_ran, tmp_path / "team")
    killed = gitexp(team.b, "sync", failpoint=f"{point.value}:kill")
    assert killed.returncode == -9, killed.stderr
    team.b.fsck()
    team.origin.fsck()
    assert len(team.records(team.origin)) in {1, 2}
    done = gitexp(team.b, "sync")
    assert done.returncode == 0, done.stderr
    assert len(team.records(team.origin)) == len(team.records(team.b)) == 2
    assert team.tip() == team.tip(team.b)
    assert team.b.status() == []
    assert team.b.locks() == []
    assert not [ref for ref in team.b.refs() if ref.startswith("refs/gitexp/")]


def test_a_hundred_runs_are_put_onto_a_moved_tip(team: Team) -> None:
    record(team.a, 1)
    assert gitexp(team.a, "push").returncode == 0
    for number in range(2, 102):
        record(team.b, number, source=team.b.hash())
    (move,) = sync(team.b.workspace).branches
    assert (move.way, move.records) == (BranchOutcome.REPLAYED, 100)
    assert len(team.records(team.origin)) == 101
    assert team.origin.git("rev-list", "--count", "--merges", BRANCH) == "0"


def test_without_a_data_remote_it_says_so_before_anything_moves(team: Team) -> None:
    assert gitexp(team.b, "run", "--seeds", "7").returncode == 0
    for name in ("config", "config.local"):
        (team.b.path / ".dvc" / name).unlink()
    (team.b.path / ".dvc" / "config").touch()
    before = (team.b.refs(), team.origin.refs())
    done = gitexp(team.b, "sync")
    assert done.returncode == 3
    assert "no DVC remote" in done.stderr
    assert "--no-data" in done.stderr
    assert (team.b.refs(), team.origin.refs()) == before
    assert gitexp(team.b, "sync", "--no-data").returncode == 0
    assert team.tip() == team.b.hash()
    assert team.objects() == set()


def test_an_archived_experiment_does_not_come_back_by_accident(team: Team) -> None:
    team.b.git("tag", "-a", "-m", "done", "exp-archive/idea", BRANCH)
    team.origin.git("update-ref", "-d", f"refs/heads/{BRANCH}")
    team.b.git("fetch", "--quiet", "--prune", "origin")
    assert sync(team.b.workspace).branches == ()
    assert f"refs/heads/{BRANCH}" not in team.origin.refs()
    record(team.b, 1)  # it goes on after all
    assert sync(team.b.workspace).branches[0].pushed


def test_from_a_linked_work_tree_all_is_the_same(team: Team, tmp_path: Path) -> None:
    record(team.a, 1)
    assert gitexp(team.a, "push").returncode == 0
    record(team.b, 2)
    team.b.switch("main")
    other = team.b.worktree(tmp_path / "other", BRANCH)
    done = gitexp(other, "sync")
    assert done.returncode == 0, done.stderr
    assert (other.hash(), other.status()) == (team.tip(), [])
    assert len(team.records(other)) == 2


def test_two_plans_of_one_name_are_for_a_person(team: Team) -> None:
    for repo in (team.a, team.b):
        repo.switch("main")
        done = gitexp(
            repo, "new", "twice", "--metric", "acc:max", "--effect", ">0", "--repeats", "2",
            "--hypothesis", f"what {repo.path.name} expects of it",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert gitexp(team.a, "push", "twice").returncode == 0
    (move,) = sync(team.b.workspace, ["twice"]).branches
    assert move.way is BranchOutcome.FAILED
    assert ".gitexp/experiments/twice.yaml" in move.why


def test_unrelated_lines_are_not_taken_for_records(team: Team) -> None:
    team.a.git("checkout", "--quiet", "--orphan", "exp/alien")
    team.a.commit({"x": "1"}, at=3)
    repo = repository.open_repository(team.a.workspace)
    plan = replay.route(repo, commit_of(team.a, "exp/alien"), commit_of(team.a, BRANCH))
    assert (plan.relation, plan.base) == (replay.Relation.MERGE, ABSENT)


@pytest.mark.slow
def test_a_run_that_goes_on_while_its_start_is_moved_names_a_source_that_every_clone_has(
    team: Team,
) -> None:
    base = team.tip(team.b)
    record(team.a, 1)
    assert gitexp(team.a, "push").returncode == 0
    record(team.b, 2)
    lost = team.b.hash()

    def tell(event: ProgressEvent) -> None:
        if event.kind is ProgressKind.FINISHED:
            sync(team.b.workspace, data=False)

    run(team.b.workspace, RunRequest(seeds=(50,)), tell=tell)
    (path,) = (p for p in team.records(team.b) if json.loads(team.b.show(p))["seeds"] == [50])
    source = json.loads(team.b.show(path))["source"]
    assert source["commit"] == base != lost
    assert source["tree"] == team.b.tree(base)
    clean(team.b)
