"""`run` against jobs, branches and leftovers that mean no good: no bug, nothing outside or lost."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.run import exit_code
from gitexp.errors import ReadOnlyError, UnsafeInputError, UsageError
from gitexp.execution.run import run
from gitexp.experiments.init import init
from gitexp.git.command import translating
from gitexp.git.repository import open_repository
from gitexp.model.ids import CommitHash
from gitexp.model.report import ProgressEvent, ProgressKind
from gitexp.model.request import InitRequest, RunRequest
from gitexp.model.run import MAX_SEED, RepeatState
from gitexp.store import lookup
from tests.execution.test_run import PLAIN_TRAIN, plain, states
from tests.lab.build import BuiltRepo
from tests.lab.build import repository as build_repository
from tests.lab.jobs import ABOVE
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from pathlib import Path

DEAD = f'{{"host": "{os.uname().nodename}", "pid": 4194305, "started": "0-0"}}'


@pytest.fixture
def script(tmp_path: Path) -> BuiltRepo:
    """A project that is one quick command."""
    return plain(tmp_path / "p")


WORK = ".git/gitexp/work"


@pytest.mark.parametrize("path", [".git/gitexp", WORK, f"{WORK}/runs", f"{WORK}/worktrees"])
def test_a_link_in_a_given_folder_is_not_written_through(
    script: BuiltRepo, path: str, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    place = script.path / path
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(place, ignore_errors=True)
    place.symlink_to(outside)
    with pytest.raises(UnsafeInputError) as caught:
        run(script.workspace)
    assert path in caught.value.where
    assert list(outside.iterdir()) == []


def test_a_file_in_place_of_the_work_folder_is_named(script: BuiltRepo) -> None:
    script.write({WORK: "x"})
    with pytest.raises(UnsafeInputError):
        run(script.workspace)


@pytest.mark.parametrize("link", [".gitexp", ".gitexp/config.yaml", ".dvcignore"])
def test_init_writes_through_no_link(tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    repo = build_repository(tmp_path / "p")
    repo.commit({"train.py": PLAIN_TRAIN, "params.yaml": "lr: 0.1\nseed: 7\n"})
    place = repo.path / link
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(outside)
    if link == ".gitexp":
        outside.mkdir()
    asked = InitRequest(
        command="python train.py",
        metrics=("metrics.json",),
        outputs=("model.txt",),
        dvc_init=True,
    )
    with pytest.raises(UnsafeInputError):
        init(repo.workspace, asked)
    assert not outside.is_file()
    assert not outside.is_dir() or list(outside.iterdir()) == []


def test_seeds_and_repeats_that_no_record_can_hold_are_refused(script: BuiltRepo) -> None:
    for request in (
        RunRequest(seeds=(MAX_SEED + 1,)),
        RunRequest(seeds=(-1,)),
        RunRequest(repeats=10**9),
        RunRequest(repeats=10**23),
        RunRequest(repeats=0),
    ):
        with pytest.raises(UsageError):
            run(script.workspace, request)
    report = run(script.workspace, RunRequest(seeds=(MAX_SEED,)))
    found = lookup.runs_at(open_repository(script.workspace), CommitHash(script.hash()))
    assert states(report) == [RepeatState.FINISHED]
    assert found.unreadable == ()


def test_nothing_is_recorded_on_the_branch_of_the_by_products(script: BuiltRepo) -> None:
    run(script.workspace)
    before = script.hash("gitexp/data")
    with pytest.raises(UsageError):
        run(script.workspace, RunRequest(on="gitexp/data"))
    assert script.hash("gitexp/data") == before


@pytest.mark.sweep(2)
@pytest.mark.parametrize(
    "damage",
    [
        'open(os.path.join(A, "stage"), "wb").write(b"\\xff\\x1b[31m")',
        'os.unlink(os.path.join(A, "stage")); os.mkdir(os.path.join(A, "stage"))',
        'open(os.path.join(A, "pid"), "wb").write(b"\\xff\\xff")',
        'os.makedirs(os.path.join(A, "outcome.json", "x"))',
    ],
    ids=["stage", "stage-folder", "pid", "outcome-folder"],
)
def test_a_job_that_spoils_its_own_notes_is_no_bug(tmp_path: Path, damage: str) -> None:
    code = (
        f'{PLAIN_TRAIN}A = os.environ["GITEXP_ATTEMPT"]\n{damage}\nimport time; time.sleep(0.1)\n'
    )
    script = plain(tmp_path / "p", code)
    report = run(script.workspace)
    assert len(states(report)) == 1
    assert states(report)[0] in {RepeatState.FINISHED, RepeatState.LOST}
    script.fsck()
    assert script.status() == []


def test_a_job_that_removes_its_worktree_leaves_nothing_behind(tmp_path: Path) -> None:
    code = f"{PLAIN_TRAIN}import shutil; shutil.rmtree(os.getcwd())\n"
    script = plain(tmp_path / "p", code)
    report = run(script.workspace)
    assert states(report) == [RepeatState.FAILED]
    assert len(script.git("worktree", "list").splitlines()) == 1
    assert list((script.path / ".git/gitexp/work/worktrees").iterdir()) == []


@pytest.mark.sweep(3)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"$schema": "gitexp/state@1", "published": false}',
        '{"$schema": "gitexp/state@1", "owner": {"host": "x", "pid": "y", "started": "z"}}',
        f'{{"$schema": "gitexp/state@1", "published": false, "owner": {DEAD}}}',
    ],
)
def test_notes_that_a_power_cut_left_stop_nobody(script: BuiltRepo, text: str) -> None:
    script.write({".git/gitexp/work/runs/aaaaaaaaaaaaaaaa/state.json": text})
    report = run(script.workspace, RunRequest(resume=True, repeats=1))
    assert states(report) == [RepeatState.FINISHED]


KILLS_ITS_COORDINATOR = f"""\
import pathlib, signal
mark = pathlib.Path("MARK")
if seed == 9 and not mark.exists():
    mark.touch()
    exec({ABOVE!r})
    os.kill(coordinator, signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="finds its coordinator in /proc")
def test_what_never_began_is_not_recorded_as_lost(tmp_path: Path) -> None:
    kills = KILLS_ITS_COORDINATOR.replace("MARK", str(tmp_path / "killed"))
    script = plain(tmp_path / "p", PLAIN_TRAIN + kills)
    done = gitexp(script, "run", "--seeds", "7-11", env={"FRESH": "1"})
    assert done.code == -signal.SIGKILL
    report = run(script.workspace, RunRequest(resume=True))
    ended = [(r.seed, r.state) for each in report.recorded for r in each.run.repeats]
    good = [(seed, RepeatState.FINISHED) for seed in range(7, 12)]
    assert {seed for seed, _ in set(ended) - set(good)} <= {9}
    assert sorted(seed for seed, state in ended if state is RepeatState.FINISHED) == [*range(7, 12)]
    assert exit_code(report) == 0  # what was lost is made good


def test_what_had_not_begun_when_the_user_stopped_is_not_recorded(tmp_path: Path) -> None:
    script = plain(tmp_path / "p", f"{PLAIN_TRAIN}import time; time.sleep(60 if seed > 8 else 0)\n")
    done: list[int] = []
    report = run(
        script.workspace,
        RunRequest(seeds=(7, 8, 9, 10, 11)),
        tell=lambda event: done.append(event.done),
        interrupts=lambda: int(2 in done),
    )
    assert report.interrupted
    ended = {repeat.seed: repeat.state for each in report.recorded for repeat in each.run.repeats}
    assert {7, 8} <= ended.keys() <= {7, 8, 9}
    assert ended[7] is ended[8] is RepeatState.FINISHED
    assert ended.get(9) is not RepeatState.FINISHED
    assert report.next_step == "gitexp run --seeds 9-11"


def test_a_run_that_is_stopped_at_once_records_nothing(script: BuiltRepo) -> None:
    slow = f"{PLAIN_TRAIN}import time; time.sleep(60)\n"
    script.commit({"train.py": slow})
    before = script.hash()
    report = run(script.workspace, RunRequest(seeds=(7, 8)), interrupts=lambda: 2)
    assert report.interrupted
    assert {repeat.seed for each in report.recorded for repeat in each.run.repeats} <= {7}
    assert report.recorded or script.hash() == before
    assert len(script.git("worktree", "list").splitlines()) == 1


def test_errors_of_the_system_leave_as_errors_of_ours() -> None:
    with pytest.raises(ReadOnlyError), translating("cannot", "here"):
        raise OSError(30, "Read-only file system")


# Processes that go before the coordinator would end the rest.
KILLS_ALL = f"{ABOVE}\nfor each in (coordinator, worker, os.getpid()): os.kill(each, 9)"
CHANGES = {
    "writes": "open('data/sub/raw.csv', 'w').write('mine')",
    "appends": "open('data/sub/raw.csv', 'a').write('mine')",
    "truncates": "os.truncate('data/sub/raw.csv', 0)",
    "as many bytes": "open('data/sub/raw.csv', 'r+').write('7')",
    "replaces": "open('data/new', 'w').write('x'); os.replace('data/new', 'data/sub/raw.csv')",
    "deletes": "os.unlink('data/sub/raw.csv')",
    "deletes the folder": "import shutil; shutil.rmtree('data/sub')",
    "puts a folder there": "os.unlink('data/sub/raw.csv'); os.makedirs('data/sub/raw.csv/x')",
    "writes to a file": "open('one.csv', 'w').write('mine')",
    "by a shell": "import subprocess; subprocess.run('echo x > one.csv', shell=True)",
    "touches": "os.utime('one.csv')",
    "then fails": "open('one.csv', 'w').write('mine'); sys.exit(3)",
    "then its worker is killed": "open('one.csv', 'w').write('mine'); "
    f"\nexec({ABOVE!r})\nos.kill(worker, 9)",
    "with another name": "open('more.csv', 'w').write('mine')",
}


def linked(tmp_path: Path, script: str) -> tuple[BuiltRepo, dict[str, tuple[bytes, int]]]:
    """Return a project with linked data of each kind, and what they are."""
    repo = plain(tmp_path / "r", f"import os, sys\n{PLAIN_TRAIN}{script}\n")
    settings = (repo.path / ".gitexp/config.yaml").read_text()
    settings = settings.replace("link: []", "link: [data, one.csv, more.csv, away]")
    ignored = "/data\n/one.csv\n/more.csv\n/away\n/model.txt\n"
    repo.commit({".gitexp/config.yaml": settings, ".gitignore": ignored}, at=3)
    rows = "1,2,3\n" * 40
    repo.write({"data/sub/raw.csv": rows, "one.csv": rows, "more.csv": rows})
    (repo.path / "named.csv").hardlink_to(repo.path / "more.csv")
    repo.git("config", "core.excludesFile", str(tmp_path / "excludes"))
    (tmp_path / "excludes").write_text("named.csv\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "far.csv").write_text(rows)
    (repo.path / "away").symlink_to(elsewhere)
    for path in repo.path.rglob("*.csv"):
        os.utime(path, ns=(10**18, 10**18))
    return repo, linked_now(repo)


def linked_now(repo: BuiltRepo) -> dict[str, tuple[bytes, int]]:
    names = ("data/sub/raw.csv", "one.csv", "more.csv", "named.csv", "away/far.csv")
    files = {name: repo.path / name for name in names}
    return {name: (f.read_bytes(), f.stat().st_mtime_ns) for name, f in files.items()}


@pytest.mark.sweep(6)
@pytest.mark.parametrize("how", [*CHANGES, "behind a link"])
def test_linked_data_survive_a_repeat_that_changes_them(tmp_path: Path, how: str) -> None:
    change = CHANGES.get(how, "open('away/far.csv', 'w').write('mine')")
    repo, before = linked(tmp_path, change)
    report = run(repo.workspace)
    after = linked_now(repo)
    assert {name: data for name, (data, _) in after.items()} == {
        name: data for name, (data, _) in before.items()
    }
    if how != "with another name":  # it was written in place, for the other name's sake
        assert after == before
    assert states(report) != [RepeatState.FINISHED]
    assert not list((repo.path / ".git/gitexp/linked").glob("*"))
    if how == "writes":
        (said,) = [text for text in report.warnings if "as before the run" in text]
        kept = repo.path / said.partition("what stood there: ")[2]
        assert kept.read_text() == "mine"


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_repeat_sees_what_one_before_it_wrote_into_linked_data(
    tmp_path: Path, jobs: int
) -> None:
    script = "assert open('one.csv').read(2) == '1,'\nopen('one.csv', 'w').write('mine')"
    repo, before = linked(tmp_path, script)
    report = run(repo.workspace, RunRequest(repeats=3, keep_going=True, jobs=jobs))
    assert linked_now(repo) == before
    (recorded,) = report.recorded
    assert len(recorded.run.repeats) == 3
    if jobs == 1:
        assert all(each.reason.startswith("the repeat changed") for each in recorded.run.repeats)


@pytest.mark.parametrize("how", ["replaces", "deletes"])
def test_what_is_too_large_to_be_copied_survives_all_but_a_write_in_place(
    tmp_path: Path, how: str
) -> None:
    repo, before = linked(tmp_path, CHANGES[how])
    with (repo.path / "data/sub/raw.csv").open("ab") as file:
        file.truncate((1 << 30) + 1)
    run(repo.workspace)
    file_ = repo.path / "data/sub/raw.csv"
    assert file_.stat().st_size == (1 << 30) + 1
    with file_.open("rb") as stream:
        assert stream.read(10) == before["data/sub/raw.csv"][0][:10]


@pytest.mark.parametrize("way", ["run", "doctor"])
def test_what_a_killed_call_left_of_linked_data_is_put_back(tmp_path: Path, way: str) -> None:
    write = "open('one.csv', 'w').write('mine')"
    script = f"if not os.path.exists('away/on'):\n    {write}\n    exec({KILLS_ALL!r})"
    repo, before = linked(tmp_path, script)
    assert gitexp(repo, "run").code == -signal.SIGKILL
    assert (repo.path / "one.csv").read_text() == "mine"
    (tmp_path / "elsewhere/on").touch()
    if way == "doctor":
        assert "linked files as they were before run" in gitexp(repo, "doctor").out
        assert "is again as before the run" in gitexp(repo, "doctor", "--fix").out
    else:
        assert "is again as before the run" in gitexp(repo, "run").out
    assert linked_now(repo) == before
    assert not list((repo.path / ".git/gitexp/linked").glob("*"))


def test_the_users_own_change_between_repeats_stays(tmp_path: Path) -> None:
    repo, _ = linked(tmp_path, "")
    settings = (repo.path / ".gitexp/config.yaml").read_text()
    repo.commit({".gitexp/config.yaml": settings.replace("link: [", "link: [train.py, ")}, at=4)
    kept: list[str] = []

    def change(event: ProgressEvent) -> None:
        if event.kind is ProgressKind.FINISHED and not kept:
            kept.extend(path.name for path in repo.path.glob(".git/gitexp/linked/*/files/*"))
            repo.write({"one.csv": "my own\n" * 40})

    run(repo.workspace, RunRequest(repeats=2), tell=change)
    assert (repo.path / "one.csv").read_text() == "my own\n" * 40
    assert {*kept} == {"data", "one.csv", "more.csv", "away"}  # a commit's file is not linked
