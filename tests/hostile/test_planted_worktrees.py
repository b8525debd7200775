"""What ``.git/worktrees/NAME/gitdir`` of a folder names: nothing is done to what is there."""

from __future__ import annotations

import json
import os
import re
import shutil
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.git.repository import open_repository
from gitexp.git.transaction import layout, owners
from gitexp.store import calls
from gitexp.upkeep.doctor import doctor
from tests.hostile.test_planted import seen
from tests.lab.build import BuiltRepo, clone

if TYPE_CHECKING:
    from pathlib import Path

ID: Final = "0123456789abcdef"
SLOTS: Final = ".git/gitexp/work/worktrees"
# What stands in gitdir, seen from .git/worktrees/x or the root; {0}: the project lies in it.
PATHS: Final = {
    "out of the slots": f"sub/../{SLOTS}/../../../../../Documents/.git",
    "out of the slots, from the root": f"{{0}}/r/{SLOTS}/../../../../../Documents/.git",
    "a folder": "{0}/Documents/.git",
    "a folder by a slot's name": "{0}/Documents/" + SLOTS + "/begun-1/.git",
    "a run's name in dots": f"{{0}}/r/{SLOTS}/begun-1/../../../../../../Documents/.git",
    "another clone": "{0}/clone/.git",
    "a slot of another clone": "{0}/clone/" + SLOTS + "/begun-0/.git",
    "a call that this clone did not begin": f"{{0}}/r/{SLOTS}/other-0/.git",
    "a folder of this work tree": "{0}/r/sub/.git",
}


@pytest.fixture
def given(tmp_path: Path) -> BuiltRepo:
    """A repository beside a folder, and a clone, of the user; each has what doctor clears away."""
    repo = BuiltRepo(tmp_path / "r")
    repo.path.mkdir()
    repo.git("init", "-q")
    repo.commit({"a.txt": "a", "sub/b.txt": "b"})
    calls.begun(calls.proofs(repo.workspace), "begun")
    clone(repo, tmp_path / "clone")
    for top in (tmp_path / "Documents", tmp_path / "clone", repo.path / "sub"):
        for below in ("", f"{SLOTS}/begun-0", f"{SLOTS}/begun-1", f"{layout.TMP}/publish-{ID}"):
            (top / below).mkdir(parents=True, exist_ok=True)
            (top / below / "thesis.txt").write_text("precious")
    (repo.path / SLOTS).mkdir(parents=True)
    (repo.path / SLOTS / "other-0").mkdir()
    (repo.path / SLOTS / "other-0" / "thesis.txt").write_text("precious")
    return repo


def plant(repo: BuiltRepo, path: str) -> None:
    entry = repo.path / ".git" / "worktrees" / "x"
    entry.mkdir(parents=True)
    (entry / "gitdir").write_text(path.format(repo.path.parent) + "\n")
    (entry / "commondir").write_text("../..\n")
    (entry / "HEAD").write_text(repo.hash() + "\n")
    (entry / "index.lock").write_text(ID)


def dead_transaction(repo: BuiltRepo) -> None:
    tip = repo.hash()
    owner = {"id": ID, "host": os.uname().nodename, "pid": 4194305, "started": "0-0",
             "ref": "refs/heads/main", "before": tip, "after": tip}  # fmt: skip
    path = owners.path_of(repo.workspace, ID)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(owner))


def theirs(repo: BuiltRepo) -> dict[str, bytes]:
    found = seen(repo.path.parent)
    ours = re.compile(r"r/\.git/(?!gitexp/work)")
    return {path: data for path, data in found.items() if not ours.match(path)}


@pytest.mark.sweep
@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("killed", [False, True])
def test_doctor_removes_no_folder_that_an_entry_names(
    given: BuiltRepo, kind: str, monkeypatch: pytest.MonkeyPatch, *, killed: bool
) -> None:
    monkeypatch.chdir(given.path)
    plant(given, PATHS[kind])
    if killed:
        dead_transaction(given)
    before = theirs(given)
    doctor(given.workspace, fix=True)
    if killed:
        owners.clear_stale(open_repository(given.workspace))
    assert theirs(given) == before


def test_what_this_clone_made_is_cleared_away(given: BuiltRepo) -> None:
    """The control: a worktree of the user's is swept, a job's that is gone is forgotten."""
    for path in ("../linked", f"{SLOTS}/begun-2"):
        given.git("worktree", "add", "-q", "--detach", path)
    shutil.rmtree(given.path / SLOTS / "begun-2")
    swept = given.path.parent / "linked" / layout.TMP / f"publish-{ID}"
    swept.mkdir(parents=True)
    dead_transaction(given)
    before = theirs(given)
    doctor(given.workspace, fix=True)
    assert not swept.exists()
    assert sorted(path.name for path in (given.path / ".git/worktrees").iterdir()) == ["linked"]
    assert {path for path in before if path not in theirs(given)} == {
        str(swept.relative_to(given.path.parent))
    }
