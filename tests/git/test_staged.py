"""A hook sees what will be committed, whatever the index is called; objects come from git alone."""

from __future__ import annotations

import json
import shlex
import shutil
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
    from collections.abc import Callable

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


# --- asked outside of a hook ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def woven(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    """A history with a side line, a merge, tags of several kinds and a lone commit."""
    repo = repository(tmp_path_factory.mktemp("staged") / "r")
    repo.commit({"a": "1", "d/x.py": "1"}, at=1)
    repo.switch("exp/x", create=True)
    repo.commit({"b": "1"}, at=2)
    repo.switch("main")
    repo.commit({"c": "1", "a": None}, at=3)
    repo.git("merge", "-q", "--no-edit", "exp/x", at=4)
    repo.commit({"a": "2"}, at=5)
    repo.git("tag", "light")
    repo.git("tag", "-a", "-m", "x", "v1")
    repo.git("tag", "-a", "-m", "x", "v2", "v1")
    repo.git("tag", "tree", "HEAD^{tree}")
    return repo


@pytest.fixture
def here(woven: BuiltRepo) -> staged.HookPlace:
    return staged.place(woven.path, {})


def test_commits_come_parents_first_without_what_is_hidden(
    woven: BuiltRepo, here: staged.HookPlace
) -> None:
    tip, side = CommitHash(woven.hash()), woven.hash("exp/x")
    base = woven.hash("exp/x~1")
    every = staged.commits(here, tip, [])
    assert set(every) == set(woven.git("rev-list", "HEAD").split())
    order = {commit: at for at, commit in enumerate(every)}
    for commit in every:
        parents = woven.git("show", "-s", "--format=%P", commit).split()
        assert all(order[CommitHash(parent)] < order[commit] for parent in parents)
    hidden = set(every) - {base, side}
    assert set(staged.commits(here, tip, [side])) == hidden
    for lacking in ("0" * 39 + "1", "main", "--all", ""):  # need not be here, nor be a hash
        assert set(staged.commits(here, tip, [side, lacking])) == hidden
    assert staged.commits(here, tip, [tip]) == ()


def test_refs_lead_to_commits_through_a_tag_and_to_nothing_else(
    woven: BuiltRepo, here: staged.HookPlace
) -> None:
    tip = woven.hash()
    tags = staged.refs(here, "refs/tags/")
    assert tags.pop("refs/tags/v2", tip) == tip  # an older git follows a tag of a tag no further
    assert tags == {"refs/tags/light": tip, "refs/tags/v1": tip}
    assert staged.refs(here, "refs/heads/exp/") == {"refs/heads/exp/x": woven.hash("exp/x")}
    assert staged.refs(here, "refs/none/") == {}
    assert staged.ref(here, "HEAD") == tip
    assert staged.ref(here, "refs/tags/v1") != tip  # what the ref itself holds
    for name in ("ORIG_HEAD_", "refs/heads/none", "-x", "a b", ""):
        assert staged.ref(here, name) == ""


def test_a_full_hash_leads_to_its_commit_and_nothing_else_does(
    woven: BuiltRepo, here: staged.HookPlace
) -> None:
    tip = woven.hash()
    tag = woven.git("rev-parse", "v2")
    assert staged.commit_of(here, tip) == staged.commit_of(here, tag) == tip
    for id_ in (woven.tree(), "0" * 40, tip[:12], "HEAD", f"{tip}~1", "", f"{tip}\n"):
        assert staged.commit_of(here, id_) is None


def test_a_commit_is_its_own_ancestor_and_that_of_what_came_of_it(
    woven: BuiltRepo, here: staged.HookPlace
) -> None:
    tip, side, main = (woven.hash(name) for name in ("HEAD", "exp/x", "HEAD~2"))
    for ancestor, commit, expected in (
        (tip, tip, True), (side, tip, True), (main, tip, True), (tip, side, False),
        (side, main, False), ("HEAD", tip, False), (side, "--all", False), ("0" * 40, tip, False),
    ):  # fmt: skip
        assert staged.is_ancestor(here, ancestor, commit) is expected


def test_the_commit_that_first_added_a_file_is_found_through_deletion_and_merge(
    woven: BuiltRepo, here: staged.HookPlace
) -> None:
    tip = CommitHash(woven.hash())
    root = woven.git("rev-list", "--max-parents=0", "HEAD")
    assert staged.added(woven.workspace, {}, "a", tip) == root
    assert staged.added(woven.path, here.env, "b", tip) == woven.hash("exp/x")
    for path in ("*", "none", "", ":(top)a", "a/"):
        assert staged.added(woven.path, {}, path, tip) is None
    assert staged.added(woven.path, {}, "a", CommitHash("0" * 40)) is None


def test_staged_files_are_found_by_gits_patterns(here: staged.HookPlace) -> None:
    assert staged.files(here, ["*.py"]) == ["d/x.py"]
    assert staged.files(here, [":(glob)*.py"]) == []
    assert staged.files(here, ["a", "d"]) == ["a", "d/x.py"]
    assert staged.files(here, ["none"]) == []


def test_what_is_staged_may_be_written_as_a_tree_unless_it_is_in_conflict(repo: BuiltRepo) -> None:
    repo.commit({"a": "1"})
    repo.branch("side")
    repo.commit({"a": "2"}, at=2)
    repo.write({"a": "staged"})
    repo.git("add", "a")
    place = staged.place(repo.path, {})
    tree = staged.write_tree(place)
    assert tree is not None
    assert repo.git("cat-file", "blob", f"{tree}:a") == "staged"
    repo.git("commit", "-qm", "m", at=3)
    repo.switch("side")
    repo.commit({"a": "4"}, at=4)
    repo.git("merge", "-q", "main", check=False)
    place = staged.place(repo.path, {})
    assert staged.write_tree(place) is None
    assert place.merged == (repo.hash("main"),)


def relinked(repo: BuiltRepo) -> None:
    (repo.path / "a").unlink()
    (repo.path / "a").symlink_to("b")


@pytest.mark.parametrize(
    ("change", "old", "new"),
    [
        (lambda repo: repo.write({"a": "2"}), 0o100644, 0o100644),
        (lambda repo: (repo.path / "a").chmod(0o755), 0o100644, 0o100755),
        (lambda repo: (repo.path / "a").unlink(), 0o100644, None),
        (relinked, 0o100644, 0o120000),
    ],
    ids=["edit", "mode", "delete", "link"],
)  # fmt: skip
def test_a_staged_change_has_both_sides(
    repo: BuiltRepo, change: Callable[[BuiltRepo], object], old: int, new: int | None
) -> None:
    repo.commit({"a": "1", "b": "1"})
    change(repo)
    repo.git("add", "--all")
    ((path, before, after),) = staged.staged(staged.place(repo.path, {}))
    assert path == "a"
    assert before is not None
    assert before.mode == old
    assert (None if after is None else after.mode) == new
    repo.git("mv", "b", "c")  # a rename is one gone and one come
    changes = {path: (old, new) for path, old, new in staged.staged(staged.place(repo.path, {}))}
    assert changes["b"][1] is None
    assert changes["c"][0] is None


def test_the_branch_of_a_rebase_is_in_a_file_and_that_of_a_merge_in_a_variable(
    repo: BuiltRepo,
) -> None:
    tip = repo.commit({"a": "1"})
    place = staged.place(repo.path, {})
    assert (place.branch, place.rebasing) == ("main", False)
    repo.git("checkout", "-q", "--detach")
    assert staged.place(repo.path, {}).branch == ""
    for folder in ("rebase-apply", "rebase-merge"):
        (repo.path / ".git" / folder).mkdir()
        (repo.path / ".git" / folder / "head-name").write_text("refs/heads/exp/ü\n", "utf-8")
        assert staged.place(repo.path, {}).branch == "exp/ü"
        assert staged.place(repo.path, {}).rebasing
        (repo.path / ".git" / folder / "head-name").write_text("detached HEAD\n")
        assert staged.place(repo.path, {}).branch == ""
        shutil.rmtree(repo.path / ".git" / folder)
    env = {f"GITHEAD_{'a' * 40}": "exp/x", f"GITHEAD_{'b' * 40}": "exp/y", "GITHEAD_x": "z"}
    assert staged.place(repo.path, env, merging=True).merged == ("a" * 40, "b" * 40)
    assert staged.place(repo.path, env).merged == ()
    (repo.path / ".git/MERGE_HEAD").write_text(f"{tip}\nnonsense\n")
    place = staged.place(repo.path, env, merging=True)
    assert place.merged == (tip,)
    assert place.parents == (tip, tip)


def test_the_variables_of_a_hook_lead_to_its_index_and_how_programs_ask_does_not(
    repo: BuiltRepo, tmp_path: Path
) -> None:
    repo.commit({"a": "1"})
    index = tmp_path / "index"
    index.write_bytes((repo.path / ".git/index").read_bytes())
    repo.write({"new": "1"})
    repo.git("add", "new")
    mine = {"GIT_INDEX_FILE": str(index)}
    place = staged.place(repo.path, {**mine, "GIT_GLOB_PATHSPECS": "1", "PATH": "/none"})
    assert place.env == mine
    assert staged.staged(place) == ()
    assert [path for path, _, _ in staged.staged(staged.place(repo.path, {}))] == ["new"]
