"""Faults F1, F2, F4, F5, F6, F8, F9, F10: nothing or everything is visible, and no lock stays."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.git.transaction import owners
from gitexp.git.transaction.failpoints import PUBLISH_POINTS, FailPoint
from tests.lab import publisher
from tests.lab.build import repository

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.build import BuiltRepo

VISIBLE_FROM = PUBLISH_POINTS.index(FailPoint.SET)


@pytest.fixture
def project(repo: BuiltRepo) -> BuiltRepo:
    repo.commit({"log.txt": "", "params.yaml": "lr: 0.1\n"})
    return repo


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        out, err = process.communicate(timeout=300)  # only a hang takes so long
    finally:
        process.kill()
    return process.returncode, out + err


@pytest.mark.sweep(4)
@pytest.mark.parametrize("point", PUBLISH_POINTS, ids=lambda point: point.value)
def test_killed_at_any_step_leaves_nothing_or_everything_and_the_next_command_succeeds(
    project: BuiltRepo, point: FailPoint
) -> None:
    before = project.hash()
    code, _ = finish(
        publisher.start(project.path, "main", "a", "1", failpoint=f"{point.value}:kill")
    )
    assert code == -signal.SIGKILL

    visible = PUBLISH_POINTS.index(point) >= VISIBLE_FROM
    tip = project.hash("main")
    assert (tip != before) == visible
    if visible:
        assert project.hash("main~1") == before
        assert project.show("log.txt", "main") == "a-0\n"
    project.fsck()

    published = publisher.add(project.path, "main", "b-0")
    assert bool(published.cleared) == (point is not FailPoint.BLOBS)
    assert project.show("log.txt") == ("a-0\nb-0\n" if visible else "b-0\n")
    assert project.status() == []
    assert project.locks() == []
    assert set(project.refs()) == {"refs/heads/main"}
    assert not list((project.path / ".git").glob("index.gitexp-*"))
    assert not list((project.path / ".gitexp/tmp").glob("publish-*"))
    project.fsck()


@pytest.mark.parametrize("point", [FailPoint.LOCKED, FailPoint.SET], ids=lambda point: point.value)
def test_an_edit_in_the_work_tree_survives_a_crash_and_its_clearing(
    project: BuiltRepo, point: FailPoint
) -> None:
    finish(publisher.start(project.path, "main", "a", "1", failpoint=f"{point.value}:kill"))
    project.write({"log.txt": "mine\n"})
    published = publisher.add(project.path, "main", "b-0")
    assert published.not_updated == ("log.txt",)
    assert (project.path / "log.txt").read_text() == "mine\n"
    assert project.status() == [" M log.txt"]


def test_the_lock_of_a_living_process_is_not_cleared(project: BuiltRepo, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = publisher.start(
        project.path, "main", "a", "1", failpoint=f"publish.locked:pause={fifo}"
    )
    with fifo.open("w"):  # opened: the process is at the point, and waits until we close
        assert owners.stale(project.workspace) == ()
        assert project.locks() == ["HEAD.lock", "index.lock", "refs/heads/main.lock"]
        # Git itself cannot commit between our steps.
        assert project.git("commit", "--allow-empty", "-m", "no", check=False) == ""
    assert finish(process)[0] == 0
    assert project.status() == []


def test_locks_of_git_are_cleared_too_where_it_was_killed_with_us(
    project: BuiltRepo, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = publisher.start(
        project.path, "main", "a", "1", failpoint=f"publish.locked:pause={fifo}"
    )
    with fifo.open("w"):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        for child in children.split():
            os.kill(int(child), signal.SIGKILL)
        process.kill()
    finish(process)
    assert project.locks() == ["HEAD.lock", "index.lock", "refs/heads/main.lock"]
    publisher.add(project.path, "main", "b-0")
    assert project.locks() == []
    assert project.status() == []
    assert project.show("log.txt") == "b-0\n"


def test_ctrl_c_waits_until_the_work_tree_is_whole(project: BuiltRepo, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = publisher.start(project.path, "main", "a", "1", failpoint=f"publish.set:pause={fifo}")
    with fifo.open("w"):
        process.send_signal(signal.SIGINT)
    code, said = finish(process)
    assert code == -signal.SIGINT
    assert "KeyboardInterrupt" in said
    assert project.show("log.txt") == "a-0\n"
    assert project.status() == []
    assert project.locks() == []
    assert set(project.refs()) == {"refs/heads/main"}
    assert owners.stale(project.workspace) == ()


def test_a_branch_deleted_meanwhile_is_exit_4_with_nothing_written(
    project: BuiltRepo, tmp_path: Path
) -> None:
    project.branch("exp/a")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = publisher.start(
        project.path, "exp/a", "a", "1", failpoint=f"publish.blobs:pause={fifo}"
    )
    with fifo.open("w"):
        project.git("branch", "-D", "exp/a")
    code, said = finish(process)
    assert code == 4
    assert "MovedRefError" in said
    assert set(project.refs()) == {"refs/heads/main"}
    assert project.locks() == []


def test_a_commit_made_meanwhile_is_kept_and_the_edit_applied_on_top(
    project: BuiltRepo, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = publisher.start(
        project.path, "main", "a", "1", failpoint=f"publish.tempref:pause={fifo}"
    )
    with fifo.open("w"):
        fifo.unlink()  # the second attempt reaches the point again
        other = project.commit({"log.txt": "theirs\n"}, at=2)
    assert finish(process)[0] == 0
    assert project.hash("main~1") == other
    assert project.show("log.txt") == "theirs\na-0\n"
    assert project.status() == []


@pytest.mark.parametrize("point", ["publish.blobs", "publish.tempref", "publish.locked"])
def test_gc_with_prune_now_at_any_moment_loses_nothing(
    project: BuiltRepo, tmp_path: Path, point: str
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = publisher.start(project.path, "main", "a", "1", failpoint=f"{point}:pause={fifo}")
    with fifo.open("w"):
        fifo.unlink()  # after publish.blobs the objects are gone: a second attempt writes them
        project.git("gc", "--quiet", "--prune=now", check=point != "publish.locked")
    code, said = finish(process)
    assert (code, said) == (0, "")
    project.fsck()
    assert project.show("log.txt") == "a-0\n"
    assert set(project.refs()) == {"refs/heads/main"}


@pytest.mark.parametrize("point", PUBLISH_POINTS[:VISIBLE_FROM], ids=lambda point: point.value)
def test_a_full_disk_before_the_branch_moved_publishes_nothing_and_leaves_no_lock(
    project: BuiltRepo, point: FailPoint
) -> None:
    before = project.hash()
    code, said = finish(
        publisher.start(project.path, "main", "a", "1", failpoint=f"{point.value}:raise=ENOSPC")
    )
    assert code == 3
    assert said.startswith("NoSpaceError")
    assert project.hash("main") == before
    assert project.locks() == []
    assert project.status() == []
    assert set(project.refs()) == {"refs/heads/main"}
    assert owners.stale(project.workspace) == ()


def test_a_full_disk_after_the_branch_moved_is_no_failure(project: BuiltRepo) -> None:
    code, said = finish(
        publisher.start(project.path, "main", "a", "1", failpoint="publish.set:raise=ENOSPC")
    )
    assert (code, said) == (0, "")
    assert project.status() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs may be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.sweep(3, "0")
@pytest.mark.parametrize("spare", [0, 4096, 16384, 32768, 65536])
def test_on_a_disk_that_is_full_nothing_is_published_or_locked(
    small_disk: Path, spare: int
) -> None:
    project = repository(small_disk / "repo")
    before = project.commit({"log.txt": "", "params.yaml": "lr: 0.1\n"})
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
        file.truncate(max(0, file.tell() - spare))
    code, said = finish(publisher.start(project.path, "main", "a", "1", TEST_SIZE="200000"))
    assert code == 3, said
    assert said.startswith("NoSpaceError")
    assert project.hash("main") == before
    assert project.locks() == []
    assert set(project.refs()) == {"refs/heads/main"}
    filler.unlink()
    project.fsck()
    assert project.status() == []
    assert finish(publisher.start(project.path, "main", "a", "1")) == (0, "")
    assert project.status() == []


def test_a_read_only_repository_is_named_and_nothing_is_written(small_disk: Path) -> None:
    project = repository(small_disk / "repo")
    before = project.commit({"log.txt": ""})
    if subprocess.run(["mount", "-o", "remount,ro", small_disk], check=False).returncode:
        pytest.skip("a tmpfs may not be remounted here")
    code, said = finish(publisher.start(project.path, "main", "a", "1"))
    assert code == 3, said
    assert said.startswith("ReadOnlyError")
    assert project.hash("main") == before


def test_a_limit_on_file_sizes_publishes_nothing(project: BuiltRepo) -> None:
    before = project.hash()
    code, said = finish(
        publisher.start(project.path, "main", "a", "1", TEST_FILE_LIMIT="8192", TEST_SIZE="200000")
    )
    assert code == 3, said
    assert said.startswith("NoSpaceError")
    assert project.hash("main") == before
    assert project.locks() == []


def test_a_limit_on_file_sizes_that_only_the_index_exceeds_publishes_nothing(
    project: BuiltRepo,
) -> None:
    before = project.commit({f"data/{number:04}.txt": "" for number in range(300)}, at=2)
    code, said = finish(publisher.start(project.path, "main", "a", "1", TEST_FILE_LIMIT="8192"))
    assert code == 3, said
    assert said.startswith("NoSpaceError")
    assert project.hash("main") == before
    assert project.locks() == []
    assert project.status() == []


def race(project: BuiltRepo, folder: Path, count: int, names: str) -> None:
    fifos = [folder / f"fifo-{name}" for name in names]
    for fifo in fifos:
        os.mkfifo(fifo)
    writers = [
        publisher.start(project.path, "main", fifo.name[-1], str(count), fifo) for fifo in fifos
    ]
    with contextlib.ExitStack() as stack:  # all have started and wait for the end
        for fifo in fifos:
            stack.enter_context(fifo.open("w"))
    for writer in writers:
        assert finish(writer) == (0, "")
    lines = project.show("log.txt").split()
    assert len(lines) == len(names) * count
    assert set(lines) == {f"{name}-{number}" for name in names for number in range(count)}
    assert project.git("rev-list", "--count", "main") == str(len(names) * count + 1)
    assert project.git("rev-list", "--merges", "main") == ""
    assert project.status() == []
    assert project.locks() == []


@pytest.mark.sweep(1)
@pytest.mark.parametrize(("names", "count"), [("ab", 12), ("abcdefgh", 4)])
def test_writers_at_once_lose_nothing(
    project: BuiltRepo, tmp_path: Path, names: str, count: int
) -> None:
    race(project, tmp_path, count, names)


@pytest.mark.slow
@pytest.mark.sweep(0)
@pytest.mark.parametrize(("names", "count"), [("ab", 100), ("abcdefgh", 50)])
def test_writers_of_many_commits_lose_nothing(
    project: BuiltRepo, tmp_path: Path, names: str, count: int
) -> None:
    race(project, tmp_path, count, names)
