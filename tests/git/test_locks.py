from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import LockedError
from gitexp.git.transaction import failpoints, owners
from gitexp.git.transaction.failpoints import FailPoint
from gitexp.git.transaction.locks import FileLock, Owner, is_dead, this_process
from tests.lab.publisher import add

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

HOLD = """\
import pathlib, sys
from gitexp.git.transaction.locks import FileLock
lock = FileLock(pathlib.Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_has_one_holder_and_goes_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "a/lock"
    process = holder(path)
    lock = FileLock(path, timeout_s=0.05)
    assert not lock.try_acquire()
    with pytest.raises(LockedError) as caught:
        lock.acquire()
    assert caught.value.found.startswith(f"process {process.pid} on ")
    process.kill()
    process.communicate()
    with lock:
        assert lock.holder().startswith(f"process {os.getpid()} on ")
    assert path.exists()
    assert FileLock(path).try_acquire()


def test_a_lock_does_not_follow_a_planted_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "lock").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic link"):
        FileLock(tmp_path / "lock").try_acquire()
    assert (tmp_path / "target").read_text() == "precious"


def test_a_process_is_dead_when_it_ended_or_its_number_was_given_away(tmp_path: Path) -> None:
    me = this_process()
    assert Owner.parse(str(me)) == me
    assert not is_dead(me)
    assert is_dead(replace(me, started=f"{me.started}0"))
    assert not is_dead(replace(me, started="-"))
    assert not is_dead(replace(me, host="elsewhere", started="other-1"))  # nobody can say
    process = holder(tmp_path / "lock")
    owner = Owner(me.host, process.pid, "-")
    assert not is_dead(owner)
    process.kill()
    while not is_dead(owner):  # a zombie counts as dead: its parent has not asked yet
        os.sched_yield()
    process.communicate()
    assert is_dead(owner)


ELSEWHERE = """\
import sys
from dataclasses import replace
from gitexp.git.transaction.locks import Owner, is_dead, this_process
me, other = this_process(), Owner.parse(sys.argv[1])
gone = replace(me, started=me.started + "0")
print(me, is_dead(me), is_dead(other), is_dead(gone), is_dead(replace(me, started="00000000-1")))
sys.stdout.flush()
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces of pids are Linux's")
def test_nobody_is_dead_who_is_in_another_namespace_or_on_another_machine() -> None:
    gone = replace(this_process(), started=f"{this_process().started}0")
    name, namespace, machine = gone.host.split("/")
    assert is_dead(gone)
    assert is_dead(replace(gone, host=name))  # as an older gitexp wrote it
    assert is_dead(replace(gone, started="00000000-1")) == (machine != "-")  # before a boot
    for host in (f"{name}/1/{machine}", f"{name}/{namespace}/other", f"{name}/1/-"):
        for started in (gone.started, "00000000-1", "-"):
            assert not is_dead(Owner(host, 4194305, started))


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces of pids are Linux's")
@pytest.mark.parametrize("proc", ["--mount-proc", "--mount"])  # its own pids, and its parent's
def test_two_namespaces_do_not_take_each_other_for_dead(proc: str) -> None:
    apart = ["unshare", "--pid", "--fork", "--kill-child", proc]
    if shutil.which("unshare") is None or subprocess.run([*apart, "true"], check=False).returncode:
        pytest.skip("unshare --pid is not there, or not allowed here")
    python = shlex.join([sys.executable, "-c", ELSEWHERE, str(this_process())])
    child = subprocess.Popen(
        [*apart, "sh", "-c", f"mount --bind /dev/null /etc/machine-id; {python}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    host, pid, started, *told = child.stdout.readline().split()
    there = Owner(host, int(pid), started)
    assert there.host_name == this_process().host_name
    assert not is_dead(there)
    own = proc == "--mount-proc"  # no start is told by another namespace's /proc
    assert told == ["False", "False", str(own), "False"]
    child.communicate()


@pytest.mark.parametrize("text", ["", "a b", "host x 1", "host 1", "a 1 b c"])
def test_a_line_that_names_no_process_is_none(text: str) -> None:
    assert Owner.parse(text) is None


def test_a_failpoint_is_dead_wood_outside_of_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITEXP_FAILPOINT", "publish.set:raise=ENOSPC")
    failpoints.reach(FailPoint.SET)
    monkeypatch.setenv("GITEXP_TESTING", "1")
    failpoints.reach(FailPoint.BLOBS)
    with pytest.raises(OSError, match="No space left"):
        failpoints.reach(FailPoint.SET)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"id": "../../x"}', b"null", b"\xff"])
def test_a_damaged_owner_file_is_neither_believed_nor_an_error(
    repo: BuiltRepo, text: bytes
) -> None:
    repo.commit({"log.txt": ""})
    folder = repo.path / ".git/gitexp/locks"
    folder.mkdir(parents=True)
    (folder / "publish-00.json").write_bytes(text)
    assert owners.stale(repo.workspace) == ()
    assert add(repo.path, "main", "a").cleared == ()
