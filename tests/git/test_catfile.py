"""Objects through git cat-file, held against git itself and against libgit2's reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.errors import DamagedDataError, GitFailedError, RefusedTreeError, UnsafeInputError
from gitexp.git.catfile import EMPTY_TREE, HASH, CatFile, forks, parsed_commit
from gitexp.git.repository import open_repository
from gitexp.model.ids import BlobId, CommitHash, TreeId
from gitexp.model.rules import TreeEntry
from tests.lab.build import clone, repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.build import BuiltRepo


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    repo = repository(tmp_path_factory.mktemp("catfile") / "repo")
    repo.write({"a": "1\n", "run.sh": "x\n", "sub/c": "3\n", "ä/ü": "\n", "empty": ""})
    (repo.path / "run.sh").chmod(0o755)
    (repo.path / "link").symlink_to("a")
    (repo.path / "\udcff.csv").write_text("bytes\n")
    repo.git("add", "--all")
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},lib")
    repo.git("commit", "--quiet", "-m", "first\n\ntree of life\nparent of all", at=1)
    for name in ("one", "two", "three"):
        repo.git("switch", "-q", "-c", name, "main")
        repo.commit({name: "x\n"}, at=2)
    repo.switch("main")
    repo.git("merge", "-q", "--no-edit", "one", "two", "three", at=3)
    return repo


@pytest.fixture
def objects(built: BuiltRepo) -> Iterator[CatFile]:
    with CatFile(built.path, {}) as reader:
        yield reader


def test_every_object_reads_as_git_and_libgit2_read_it(built: BuiltRepo, objects: CatFile) -> None:
    stored = open_repository(built.workspace)
    listing = built.git("cat-file", "--batch-all-objects", "--batch-check").splitlines()
    for id_, kind, size in (line.split() for line in listing):
        match kind:
            case "commit":
                assert objects.commit(CommitHash(id_)) == stored.commit(CommitHash(id_))
            case "tree":
                lines = built.git("ls-tree", "-z", id_).split("\0")[:-1]
                theirs = {name: head.split() for head, name in (line.split("\t") for line in lines)}
                found = objects.entries(TreeId(id_))
                assert found == stored.entries(TreeId(id_))
                assert {name: [f"{e.mode:06o}", e.id] for name, e in found.items()} == {
                    name: [mode, entry] for name, (mode, _, entry) in theirs.items()
                }
            case _:
                blob = BlobId(id_)
                assert objects.size(blob) == stored.size(blob) == int(size)
                data = built.git_bytes("cat-file", "blob", id_)
                assert objects.read(blob, int(size)) == stored.read(blob, int(size)) == data


def test_an_entry_is_found_by_its_name_alone(built: BuiltRepo, objects: CatFile) -> None:
    root = TreeId(built.tree())
    assert objects.entry(root, "run.sh") == TreeEntry(0o100755, built.hash("HEAD:run.sh"))
    assert objects.entry(root, "\udcff.csv") is not None
    assert objects.entry(root, "lib") == TreeEntry(0o160000, "1" * 40)
    for name in ("", "sub/c", "A", "none", "."):
        assert objects.entry(root, name) is None


def test_an_octopus_has_its_parents_in_order(built: BuiltRepo, objects: CatFile) -> None:
    merge = objects.commit(CommitHash(built.hash()))
    assert merge.parents == tuple(built.git("show", "-s", "--format=%P").split())
    assert len(merge.parents) == 3
    assert merge.tree == built.tree()


def test_the_empty_tree_is_known_though_no_object_holds_it(
    built: BuiltRepo, objects: CatFile
) -> None:
    assert EMPTY_TREE not in built.git("cat-file", "--batch-all-objects", "--batch-check")
    assert objects.entries(TreeId(EMPTY_TREE)) == {}


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("missing", "missing"), ("another", "a tree instead of a blob"),
        ("a revision", "no name of an object"),
        ("two lines", "no name of an object"), ("too short", "no name of an object"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_and_the_next_is_still_read(
    built: BuiltRepo, objects: CatFile, kind: str, found: str
) -> None:
    good = BlobId(built.hash("HEAD:a"))
    bad = {
        "missing": "0" * 39 + "1", "another": built.tree(), "a revision": "HEAD:a",
        "two lines": f"{good}\n{good}", "too short": good[:39],
    }[kind]  # fmt: skip
    for ask in (lambda: objects.read(BlobId(bad), 99), lambda: objects.size(BlobId(bad))):
        with pytest.raises(DamagedDataError, match="cannot be read") as caught:
            ask()
        assert (caught.value.found, caught.value.where) == (found, ascii(bad)[1:-1])
        assert caught.value.next_step == "git fsck"
    assert objects.read(good, 99) == b"1\n"


def test_a_blob_is_read_up_to_its_limit_and_named_as_the_caller_calls_it(
    built: BuiltRepo, objects: CatFile
) -> None:
    blob = BlobId(built.hash("HEAD:sub/c"))
    assert objects.read(blob, 2) == b"3\n"
    assert objects.read(BlobId(built.hash("HEAD:empty")), 0) == b""
    for where, shown in (("dvc.lock", "dvc.lock"), ("", blob)):
        with pytest.raises(UnsafeInputError, match="too large") as caught:
            objects.read(blob, 1, where=where)
        assert (caught.value.found, caught.value.where) == ("2 bytes", shown)
        assert caught.value.expected == "at most 1 bytes"


def test_a_tree_that_git_refuses_is_refused(built: BuiltRepo, objects: CatFile) -> None:
    evil = built.write_object("tree", b"100644 ..\0" + bytes.fromhex(built.hash("HEAD:a")))
    with pytest.raises(RefusedTreeError) as caught:
        objects.entries(TreeId(evil))
    assert caught.value.found == "hasDotdot"


def test_a_reader_that_was_closed_reads_again(built: BuiltRepo, objects: CatFile) -> None:
    blob = BlobId(built.hash("HEAD:a"))
    assert objects.read(blob, 9) == b"1\n"
    objects.close()
    objects.close()
    assert objects.read(blob, 9) == b"1\n"


def test_without_git_it_says_that_it_cannot_be_started(
    built: BuiltRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = BlobId(built.hash("HEAD:a"))
    monkeypatch.setenv("PATH", str(built.path))
    with CatFile(built.path, {}) as reader, pytest.raises(GitFailedError, match="cannot start git"):
        reader.size(blob)


def test_what_a_partial_clone_lacks_is_brought_once(built: BuiltRepo, tmp_path: Path) -> None:
    built.git("config", "uploadpack.allowFilter", "true")
    partial = clone(built, tmp_path / "partial", "--filter=blob:none", "--no-checkout")
    with CatFile(partial.path, {}) as reader:
        for path, data in (("a", b"1\n"), ("sub/c", b"3\n")):
            assert reader.read(BlobId(built.hash(f"HEAD:{path}")), 9) == data
        assert reader.main == "main"
        with pytest.raises(DamagedDataError):
            reader.size(BlobId("0" * 39 + "1"))


def test_a_shallow_clones_commit_names_the_parents_that_it_lacks(
    built: BuiltRepo, tmp_path: Path
) -> None:
    shallow = clone(built, tmp_path / "shallow", "--depth=1")
    tip = CommitHash(shallow.hash())
    with CatFile(shallow.path, {}) as reader:
        assert reader.commit(tip).parents == open_repository(built.workspace).commit(tip).parents
        with pytest.raises(DamagedDataError):
            reader.commit(reader.commit(tip).parents[0])


def test_all_best_common_ancestors_of_a_criss_cross_are_forks(tmp_path: Path) -> None:
    repo = repository(tmp_path / "cross")
    start = CommitHash(repo.commit({"a": "1\n"}))
    tree = repo.tree()

    def commit(text: str, *parents: str) -> CommitHash:
        given = [part for parent in parents for part in ("-p", parent)]
        return CommitHash(repo.git("commit-tree", tree, *given, "-m", text))

    one, two = commit("one", start), commit("two", start)
    left, right = commit("left", one, two), commit("right", two, one)
    lone = commit("lone")
    with CatFile(repo.path, {}) as reader:
        assert set(reader.forks(left, right)) == {one, two}
        assert reader.forks(one, two) == (start,)
        assert reader.forks(one, left) == (one,)
        assert reader.forks(lone, one) == ()
    assert forks(repo.path, {}, left, CommitHash("0" * 40)) == ()
    stored = open_repository(repo.workspace)
    assert set(stored.forks(left, right)) == {one, two}


@pytest.mark.parametrize(
    ("data", "tree", "parents"),
    [
        (b"tree a\n\nparent b", "a", ()),
        (b"tree a\nparent b\nparent c\nauthor x\n\n", "a", ("b", "c")),
        (b"tree a\ngpgsig x\n parent y\n tree z\n\nm", "a", ()), (b"tree a\nparent b", "a", ("b",)),
        (b"tree a\ntree b\n\n", "a", ()),
    ],
)  # fmt: skip
def test_a_commit_is_its_head_and_not_its_message(
    data: bytes, tree: str, parents: tuple[str, ...]
) -> None:
    found = parsed_commit(data, "x")
    assert (found.tree, found.parents) == (tree, parents)


def test_a_commit_without_a_tree_is_damaged() -> None:
    for data in (b"", b"\n\ntree a", b"parent b\n\n"):
        with pytest.raises(DamagedDataError, match="without a tree") as caught:
            parsed_commit(data, "abc")
        assert (caught.value.where, caught.value.next_step) == ("abc", "git fsck")


def test_a_name_of_an_object_is_40_or_64_lower_case_hex_digits() -> None:
    for name in ("a" * 40, "0" * 64):
        assert HASH.fullmatch(name)
    for name in (
        "",
        "a" * 39,
        "a" * 41,
        "a" * 63,
        "A" * 40,
        "g" * 40,
        "a" * 40 + "\n",
        "\u0661" * 40,
    ):
        assert not HASH.fullmatch(name)
