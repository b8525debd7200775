from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitexp.errors import DamagedDataError, UnknownRevisionError, UnsafeInputError
from gitexp.git import merging, objects, writing
from gitexp.git.absent import ABSENT
from gitexp.git.repository import open_repository
from gitexp.git.writing import DELETE
from gitexp.model.ids import BlobId, CommitHash, TreeId
from tests.lab.build import clone

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.git.repository import Repo
    from tests.lab.build import BuiltRepo

FILES = {"params.yaml": "lr: 0.1\n", "src/a.py": "a\n", "src/deep/b.py": "b\n", "z": "z\n"}


@pytest.fixture
def opened(repo: BuiltRepo) -> Repo:
    repo.commit(FILES, message="first\n\nbody")
    return open_repository(repo.workspace)


def test_a_revision_is_any_that_git_knows_and_becomes_a_hash(repo: BuiltRepo, opened: Repo) -> None:
    second = repo.commit({"z": "y\n"}, at=2)
    repo.git("tag", "-a", "v1", "-m", "v1")
    repo.branch("exp/a-b.c")
    for text in ("main", "HEAD", "@", "v1", "exp/a-b.c", second, second[:8], "main@{0}"):
        assert objects.resolve(opened, text) == second
    assert objects.resolve(opened, "HEAD~1") == repo.hash("HEAD~1")


HOSTILE = (
    "", "-1", "--all", "--output=f", "HEAD\n--all", "HEAD\0", ":/first", ":params.yaml",
    "HEAD:params.yaml", "--", "nope", "HEAD..main", "^HEAD", "a b", "$(id)", "'", "0" * 40,
    "\u202eHEAD", "main --output=f", "refs/heads/*", "HEAD^{tree}", "é\udcff",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_is_no_commit_is_refused_and_nothing_is_written(
    repo: BuiltRepo, opened: Repo, text: str
) -> None:
    with pytest.raises(UnknownRevisionError):
        objects.resolve(opened, text)
    assert repo.status() == []


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=30))
def test_no_text_writes_a_file_or_gives_anything_but_a_commit(
    repo: BuiltRepo, opened: Repo, text: str
) -> None:
    before = sorted(path.name for path in repo.path.iterdir())
    try:
        found = objects.resolve(opened, text)
    except UnknownRevisionError:
        pass
    else:
        assert objects.commit_info(opened, found).hash == found
    assert sorted(path.name for path in repo.path.iterdir()) == before


def test_a_commit_says_who_when_and_what(repo: BuiltRepo, opened: Repo) -> None:
    info = objects.commit_info(opened, CommitHash(repo.hash()))
    assert (info.author.name, info.subject, info.parents) == ("Ada Lovelace", "first", ())
    assert info.tree == repo.tree()
    assert info.time.isoformat() == "2024-01-01T00:01:00+00:00"


def test_reading_gives_bytes_or_absent_and_never_follows_a_link(
    repo: BuiltRepo, opened: Repo
) -> None:
    (repo.path / "link").symlink_to("params.yaml")
    (repo.path / "folder").symlink_to("src")
    commit = CommitHash(repo.commit({}, at=2))
    repo.git("add", "link", "folder")
    commit = CommitHash(repo.commit({}, at=3))
    assert objects.read_blob(opened, commit, "params.yaml") == b"lr: 0.1\n"
    assert objects.read_blob(opened, commit, "src/deep/b.py") == b"b\n"
    for path in ("link", "folder/a.py", "src", "none", "src/none", "params.yaml/x", "", "src/.."):
        assert objects.read_blob(opened, commit, path) is ABSENT
    assert objects.tree_id(opened, commit, "src") == repo.hash("HEAD:src")
    assert objects.tree_id(opened, commit, "params.yaml") is ABSENT
    assert [entry.path for entry in objects.list_dir(opened, commit, "src")] == [b"a.py", b"deep"]
    assert objects.list_dir(opened, commit, "none") == ()


def test_a_large_file_is_refused_by_its_header(repo: BuiltRepo, opened: Repo) -> None:
    commit = CommitHash(repo.commit({"big": b"x" * 2000}, at=2))
    with pytest.raises(UnsafeInputError, match="too large") as caught:
        objects.read_blob(opened, commit, "big", limit=1999)
    assert caught.value.found == "2000 bytes"
    assert objects.read_blob(opened, commit, "big", limit=2000) == b"x" * 2000


def test_a_walk_gives_every_path_as_bytes(repo: BuiltRepo, opened: Repo) -> None:
    repo.git_bytes(
        "update-index", "--add", "-z", "--index-info",
        data=b"100644 " + repo.hash("HEAD:z").encode() + b"\t\xff\xfe.csv\0",
    )  # fmt: skip
    commit = CommitHash(repo.commit({}, at=2))
    listed = repo.git_bytes("ls-tree", "-r", "-z", commit).split(b"\0")[:-1]
    walked = sorted(objects.walk_tree(opened, commit), key=lambda entry: entry.path)
    assert [
        f"{entry.mode:06o} blob {entry.id}\t".encode() + entry.path for entry in walked
    ] == sorted(listed, key=lambda line: line.split(b"\t")[1])


def test_history_goes_from_children_to_parents(repo: BuiltRepo, opened: Repo) -> None:
    first = repo.hash()
    repo.switch("side", create=True)
    side = repo.commit({"s": "s"}, at=2)
    repo.switch("main")
    main = repo.commit({"m": "m"}, at=3)
    repo.git("merge", "--quiet", "--no-edit", "side", at=4)
    tip = CommitHash(repo.hash())
    order = [info.hash for info in objects.history(opened, [tip])]
    assert set(order) == {tip, main, side, first}
    assert (order[0], order[-1]) == (tip, first)
    hidden = [info.hash for info in objects.history(opened, [tip], hide=[CommitHash(main)])]
    assert hidden == [tip, side]
    assert objects.is_ancestor(opened, CommitHash(side), tip)
    assert not objects.is_ancestor(opened, tip, CommitHash(side))
    assert objects.merge_base(opened, CommitHash(side), CommitHash(main)) == first


@pytest.mark.parametrize(
    "changes",
    [
        {"z": b"new\n"},
        {"src/deep/c.py": b"c\n", "new/er/x": b"x\n"},
        {"src/deep/b.py": DELETE},
        {"src/a.py": DELETE, "src/deep/b.py": DELETE, "none/at/all": DELETE},
        dict.fromkeys(FILES, DELETE),
        {"run.sh": (b"x\n", True)},
    ],
    ids=["edit", "add", "delete", "delete folder", "delete all", "executable"],
)
def test_an_edited_tree_is_the_one_that_git_makes(
    repo: BuiltRepo, opened: Repo, changes: dict[str, writing.Content]
) -> None:
    made = writing.build_tree(opened, CommitHash(repo.hash()), changes)
    for path, content in changes.items():
        if content is DELETE:
            repo.git("rm", "-q", "--ignore-unmatch", "--", path)
            continue
        data, executable = content if isinstance(content, tuple) else (content, False)
        assert isinstance(data, bytes)
        repo.write({path: data})
        repo.git("add", "--", path)
        repo.git("update-index", f"--chmod={'+' if executable else '-'}x", "--", path)
    assert made == repo.git("write-tree")


def test_a_plain_write_keeps_the_executable_bit(repo: BuiltRepo, opened: Repo) -> None:
    repo.git("update-index", "--chmod=+x", "z")
    commit = CommitHash(repo.commit({}, at=2))
    made = writing.build_tree(opened, commit, {"z": b"new\n"})
    assert repo.git("ls-tree", made, "z").startswith("100755")


def test_the_difference_of_two_trees_counts_lines(repo: BuiltRepo, opened: Repo) -> None:
    first = CommitHash(repo.hash())
    second = CommitHash(
        repo.commit({"z": "z\ny\n", "src/a.py": None, "bin": b"\0\1", "new": "a\nb\n"}, at=2)
    )
    assert [
        (change.path, change.kind, change.added, change.removed)
        for change in merging.changed_paths(opened, first, second)
    ] == [
        ("bin", "added", None, None),
        ("new", "added", 2, 0),
        ("src/a.py", "deleted", 0, 1),
        ("z", "modified", 1, 0),
    ]
    assert len(merging.changed_paths(opened, ABSENT, first)) == len(FILES)


def test_lines_of_a_large_file_are_not_counted(repo: BuiltRepo, opened: Repo) -> None:
    first = CommitHash(repo.hash())
    large = "x\n" * (merging.LINES_LIMIT // 2 + 1)
    second = CommitHash(repo.commit({"large.csv": large}, at=2))
    (change,) = merging.changed_paths(opened, first, second)
    assert (change.path, change.kind, change.added) == ("large.csv", "added", None)
    third = CommitHash(repo.commit({"large.csv": "x\n"}, at=3))
    (change,) = merging.changed_paths(opened, second, third)
    assert (change.kind, change.removed) == ("modified", None)


def test_a_missing_object_is_named(opened: Repo) -> None:
    with pytest.raises(DamagedDataError, match="missing"):
        objects.commit_info(opened, CommitHash("0" * 39 + "1"))
    with pytest.raises(DamagedDataError, match="not what it should be"):
        opened.read(BlobId(str(opened.git.head.target)))


def test_a_partial_clone_fetches_what_was_promised(repo: BuiltRepo, tmp_path: Path) -> None:
    repo.commit(FILES)
    repo.git("config", "uploadpack.allowFilter", "true")
    partial = clone(repo, tmp_path / "partial", "--filter=blob:none", "--no-checkout")
    opened = open_repository(partial.workspace)
    tip = CommitHash(partial.hash("origin/main"))
    assert objects.read_blob(opened, tip, "params.yaml") == b"lr: 0.1\n"


@pytest.mark.parametrize("missing", ["blob:none", "tree:0"])
def test_whole_trees_are_compared_and_merged_in_a_partial_clone(
    repo: BuiltRepo, tmp_path: Path, missing: str
) -> None:
    repo.commit(FILES)
    repo.branch("other")
    ours = CommitHash(repo.commit({"src/a.py": "x = 2\n", "z": None}, at=2))
    repo.switch("other")
    theirs = CommitHash(repo.commit({"src/b.py": "y = 1\n"}, at=3))
    repo.git("config", "uploadpack.allowFilter", "true")
    partial = clone(repo, tmp_path / "partial", f"--filter={missing}", "--no-checkout")
    opened = open_repository(partial.workspace)
    assert {change.path for change in merging.changed_paths(opened, ours, theirs)} == {
        "src/a.py", "src/b.py", "z",
    }  # fmt: skip
    joined = merging.join(opened, ours, theirs, lambda _: None, [])
    assert joined.tree is not None
    paths = [entry.path for entry in objects.walk_tree(opened, joined.tree)]
    assert b"src/b.py" in paths
    assert b"z" not in paths


def test_a_shallow_clone_says_so(repo: BuiltRepo, tmp_path: Path) -> None:
    repo.commit(FILES)
    repo.commit({"z": "2\n"}, at=2)
    shallow = open_repository(clone(repo, tmp_path / "shallow", "--depth=1").workspace)
    assert len(list(objects.history(shallow, [objects.resolve(shallow, "HEAD")]))) == 1
    with pytest.raises(UnknownRevisionError, match="shallow") as caught:
        objects.resolve(shallow, "HEAD~1")
    assert caught.value.next_step == "git fetch --unshallow"


def test_a_tree_is_read_where_a_commit_is(repo: BuiltRepo, opened: Repo) -> None:
    tree = TreeId(repo.tree())
    assert objects.read_blob(opened, tree, "z") == b"z\n"
    assert objects.tree_id(opened, tree) == tree


def test_an_empty_tree_needs_no_object(repo: BuiltRepo) -> None:
    repo.git("commit", "--allow-empty", "--message", "nothing")
    opened = open_repository(repo.workspace)
    assert opened.entries(TreeId("4b825dc642cb6eb9a060e54bf8d69288fbee4904")) == {}
