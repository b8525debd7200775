"""A hook sees what will be committed, whatever the index is called; objects come from git alone."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import DamagedDataError, NoRepositoryError, UnsafeInputError
from gitexp.git.catfile import CatFile
from gitexp.git.repository import open_repository
from gitexp.git.worktree import staged
from gitexp.model.ids import BlobId, CommitHash, TreeId
from tests.lab.build import repository

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

ROOT = Path(__file__).parents[2]
PROBE = f"""\
import json, os, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from gitexp.git.worktree import staged
from gitexp.git.catfile import CatFile
place = staged.place(Path("."), os.environ, merging="pre-merge-commit" in sys.argv[1])
found = {{"branch": place.branch, "parents": place.parents, "files": {{}}}}
with CatFile(place.folder, place.env) as objects:
    for path, old, new in staged.staged(place):
        text = None if new is None else objects.read(new.id, 1 << 20).decode()
        found["files"][path] = text
Path(sys.argv[2]).write_text(json.dumps(found))
"""


@pytest.fixture
def seen(repo: BuiltRepo, tmp_path: Path) -> Path:
    """The file into which a hook writes what it sees; it passes everything."""
    report, probe = tmp_path / "seen.json", tmp_path / "probe.py"
    probe.write_text(PROBE)
    for name in ("pre-commit", "pre-merge-commit"):
        line = shlex.join([sys.executable, str(probe), name, str(report)])
        path = repo.path / ".git" / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\nexec {line}\n")
        path.chmod(0o755)
    return report


def files(report: Path) -> dict[str, str | None]:
    """Return what the hook saw, and forget it."""
    found: dict[str, str | None] = json.loads(report.read_text())["files"]
    report.unlink()
    return found


def test_a_first_commit_is_seen_whole(repo: BuiltRepo, seen: Path) -> None:
    repo.commit({"a b.txt": "1", "päth.txt": "2", "sub/c": "3"})
    told = json.loads(seen.read_text())
    assert told["parents"] == []
    assert told["branch"] == "main"
    assert files(seen) == {"a b.txt": "1", "päth.txt": "2", "sub/c": "3"}


def test_the_staged_content_counts_and_not_the_work_tree(repo: BuiltRepo, seen: Path) -> None:
    repo.commit({"a": "1", "b": "1"})
    repo.write({"a": "staged"})
    repo.git("add", "a")
    repo.write({"a": "work tree", "b": "work tree"})
    repo.git("commit", "-qm", "m")
    assert files(seen) == {"a": "staged"}


def test_what_is_only_intended_to_be_added_is_not_there(repo: BuiltRepo, seen: Path) -> None:
    repo.commit({"a": "1", "b": "1"})
    repo.git("rm", "-q", "--cached", "a")
    repo.write({"new": "1"})
    repo.git("add", "--intent-to-add", "a", "new")
    repo.git("commit", "-qm", "m")
    assert repo.files() == ["b"]
    assert files(seen) == {"a": None}


def test_a_sparse_index_is_seen_file_by_file(repo: BuiltRepo, seen: Path) -> None:
    repo.commit({"far/deep/a": "1", "far/b": "1", "near/c": "1"})
    repo.git("sparse-checkout", "set", "--cone", "--sparse-index", "near")
    repo.git("rm", "-q", "--cached", "--sparse", "far/deep/a")
    repo.git("commit", "-qm", "m")
    assert files(seen) == {"far/deep/a": None}


def test_commit_all_and_commit_file_are_seen_as_they_will_be(repo: BuiltRepo, seen: Path) -> None:
    repo.commit({"a": "1", "b": "1"})
    repo.write({"a": "2", "b": "2"})
    repo.git("commit", "-aqm", "m")
    assert files(seen) == {"a": "2", "b": "2"}
    repo.write({"a": "3", "b": "3"})
    repo.git("add", "b")
    repo.git("commit", "-qm", "m", "a")
    assert files(seen) == {"a": "3"}


def test_an_amended_commit_and_a_removed_file_are_seen(repo: BuiltRepo, seen: Path) -> None:
    repo.commit({"a": "1", "b": "1"})
    repo.git("rm", "-q", "b")
    repo.git("commit", "-q", "--amend", "-m", "m")
    assert files(seen) == {"b": None}


def test_a_linked_worktree_is_seen_by_its_own_index(
    repo: BuiltRepo, seen: Path, tmp_path: Path
) -> None:
    repo.commit({"a": "1"})
    there = repo.worktree(tmp_path / "w", "-b", "exp/x")
    there.write({"a": "there"})
    there.git("commit", "-aqm", "m")
    told = json.loads(seen.read_text())
    assert told["branch"] == "exp/x"
    assert files(seen) == {"a": "there"}


def test_a_merge_names_both_parents_before_and_after_a_conflict(
    repo: BuiltRepo, seen: Path
) -> None:
    base = repo.commit({"a": "1"})
    repo.git("switch", "-qc", "exp/x")
    theirs = repo.commit({"b": "1"})
    repo.switch("main")
    ours = repo.commit({"c": "1"})
    repo.git("merge", "-q", "--no-edit", "exp/x")
    told = json.loads(seen.read_text())
    assert told["parents"] == [ours, theirs]
    assert files(seen) == {"b": "1"}
    repo.git("reset", "-q", "--hard", base)
    ours = repo.commit({"b": "2"})
    repo.git("merge", "-q", "exp/x", check=False)
    repo.write({"b": "both"})
    repo.git("commit", "-aqm", "m")
    told = json.loads(seen.read_text())
    assert told["parents"] == [ours, theirs]
    assert files(seen) == {"b": "both"}


def test_during_a_rebase_the_branch_is_the_one_that_is_rebased(repo: BuiltRepo, seen: Path) -> None:
    repo.commit({"a": "1"})
    repo.git("switch", "-qc", "exp/x")
    repo.commit({"a": "2"})
    repo.switch("main")
    repo.commit({"a": "3"})
    repo.switch("exp/x")
    repo.git("rebase", "-q", "main", check=False)
    repo.write({"a": "4"})
    repo.git("add", "a")
    repo.git("commit", "-qm", "m")
    assert json.loads(seen.read_text())["branch"] == "exp/x"


def test_a_name_that_is_no_text_is_kept(repo: BuiltRepo, seen: Path) -> None:
    name = b"\xff.csv".decode("utf-8", "surrogateescape")
    (repo.path / name).write_text("1")
    repo.git("add", "--all")
    repo.git("commit", "-qm", "m")
    assert files(seen) == {name: "1"}


def test_git_commands_and_libgit2_read_the_same(repo: BuiltRepo) -> None:
    repo.write({"a": "1", "run.sh": "#!/bin/sh\n", "sub/deep/c": "3"})
    (repo.path / "run.sh").chmod(0o755)
    (repo.path / "link").symlink_to("a")
    repo.git("add", "--all")
    repo.git("commit", "-qm", "first\n\nwith a body")
    repo.commit({"a": "2"})
    stored = open_repository(repo.workspace)
    head, root = CommitHash(repo.hash()), TreeId(repo.tree())
    with CatFile(repo.path, {}) as objects:
        assert objects.commit(head) == stored.commit(head)
        assert objects.entries(root) == stored.entries(root)
        for name, entry in objects.entries(root).items():
            if name != "sub":
                blob = BlobId(entry.id)
                assert objects.size(blob) == stored.size(blob)
                assert objects.read(blob, 100) == stored.read(blob, 100)


def test_what_is_too_large_or_missing_is_refused_and_the_next_object_still_read(
    repo: BuiltRepo,
) -> None:
    repo.commit({"a": "x" * 1000, "b": "1"})
    large, small = (BlobId(repo.hash(f"HEAD:{name}")) for name in "ab")
    with CatFile(repo.path, {}) as objects:
        with pytest.raises(UnsafeInputError):
            objects.read(large, 999)
        with pytest.raises(DamagedDataError):
            objects.read(BlobId("0" * 40), 999)
        with pytest.raises(DamagedDataError):
            objects.read(BlobId("HEAD:b"), 999)
        with pytest.raises(DamagedDataError):
            objects.read(BlobId(repo.tree()), 999)
        with pytest.raises(DamagedDataError):
            objects.commit(CommitHash(small))
        assert objects.read(small, 999) == b"1"


def test_a_replaced_object_is_read_as_it_was_committed(repo: BuiltRepo) -> None:
    repo.commit({"a": "true", "b": "false"})
    real, fake = repo.hash("HEAD:a"), repo.hash("HEAD:b")
    repo.git("replace", real, fake)
    with CatFile(repo.path, {}) as objects:
        assert objects.read(BlobId(real), 100) == b"true"


def test_outside_of_a_repository_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoRepositoryError):
        staged.place(tmp_path, {})


def test_an_empty_repository_has_nothing_staged(tmp_path: Path) -> None:
    repo = repository(tmp_path / "r")
    place = staged.place(repo.path, {})
    assert (place.head, place.branch, place.parents) == (None, "main", ())
    assert staged.staged(place) == ()
