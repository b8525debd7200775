"""Fault F3, a power cut: what a ref speaks of is on the disk before the ref is.

The system calls of a publisher are recorded. A file system may lose everything that was not
synchronised, in any order; so before the branch is renamed into its place, each of its objects
must have been synchronised and named.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from gitexp.git.repository import open_repository
from gitexp.git.writing import build_tree
from gitexp.model.ids import ABSENT
from tests.lab import publisher
from tests.lab.build import git_environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

CALLS = "fsync,fdatasync,sync,rename,renameat,renameat2,link,linkat"
_SYNC = re.compile(r"f(?:data)?sync\(\d+<([^>]+)>")
_NAME = re.compile(
    r'(?:rename|link)\w*\((?:AT_FDCWD[^,]*, )?"([^"]+)", (?:AT_FDCWD[^,]*, )?"([^"]+)"'
)


@dataclass(frozen=True)
class Call:
    """A file that was synchronised (no target), or got its name."""

    path: str
    target: str = ""


def traced(folder: Path, *argv: str) -> list[Call]:
    """Return what a command synchronised and renamed, in its order, children included."""
    if shutil.which("strace") is None:
        pytest.skip("there is no strace here")
    log = folder / "calls"
    command = ["strace", "-f", "-y", "-s", "4096", "-e", f"trace={CALLS}", "-o", os.fspath(log)]
    done = subprocess.run(
        [*command, *argv],
        cwd=publisher.ROOT,
        env=git_environment() | {"PYTHONPATH": str(publisher.ROOT), "HOME": os.environ["HOME"]},
        capture_output=True,
        check=False,
    )
    if b"ptrace" in done.stderr:
        pytest.skip(f"processes may not be traced here: {done.stderr.decode().strip()[:100]}")
    assert done.returncode == 0, done.stderr.decode()
    found = []
    for line in log.read_text().splitlines():
        if match := _SYNC.search(line):
            found.append(Call(match[1]))
        elif (match := _NAME.search(line)) and "= 0" in line:
            found.append(Call(match[1], match[2]))
    return found


def test_objects_are_on_the_disk_before_the_branch_is(repo: BuiltRepo, tmp_path: Path) -> None:
    before = repo.commit({"log.txt": ""})
    calls = traced(
        tmp_path, sys.executable, "-m", "tests.lab.publisher", str(repo.path), "main", "a", "1"
    )
    new = repo.git("rev-list", "--objects", f"{before}..main").splitlines()
    names = {f"/objects/{line[:2]}/{line[2:40]}" for line in new}
    assert len(names) >= 5
    (moved,) = [n for n, call in enumerate(calls) if call.target.endswith("refs/heads/main")]
    synced: set[str] = set()
    safe = set()
    for call in calls[:moved]:
        if not call.target:
            synced.add(call.path)
        elif any(path.endswith(call.path.removeprefix("./")) for path in synced):
            safe |= {name for name in names if call.target.endswith(name)}
    assert safe == names
    assert any(path.endswith("refs/heads/main.lock") for path in synced)


def test_an_owner_file_is_on_the_disk_before_its_locks(repo: BuiltRepo, tmp_path: Path) -> None:
    repo.commit({"log.txt": ""})
    calls = traced(
        tmp_path, sys.executable, "-m", "tests.lab.publisher", str(repo.path), "main", "a", "1"
    )
    paths = [call.path for call in calls]
    (owner,) = [n for n, path in enumerate(paths) if path.endswith(".tmp") and calls[n].target]
    assert paths[owner] in paths[:owner]


def test_an_object_that_a_power_cut_emptied_is_written_again(repo: BuiltRepo) -> None:
    repo.commit({"log.txt": ""})
    lost = build_tree(open_repository(repo.workspace), ABSENT, {"a/b": b"bytes"})
    objects = repo.git("rev-list", "--objects", "--no-object-names", lost).split()
    assert len(objects) == 3
    for id_ in objects:
        path = repo.path / ".git/objects" / id_[:2] / id_[2:]
        path.chmod(0o644)
        path.write_bytes(b"")
    assert build_tree(open_repository(repo.workspace), ABSENT, {"a/b": b"bytes"}) == lost
    assert repo.git("show", f"{lost}:a/b") == "bytes"
    repo.fsck()
