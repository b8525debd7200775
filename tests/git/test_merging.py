"""Two histories joined in memory, held against git merge-tree; changed paths against git diff."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitexp.errors import RefusedTreeError
from gitexp.git import merging, objects, writing
from gitexp.git.objects import Entry
from gitexp.git.repository import Repo, open_repository
from gitexp.model.ids import ABSENT, CommitHash, TreeId
from tests.lab.build import git_environment, repository
from tests.lab.publisher import ADA, NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gitexp.git.merging import Conflict, Joined
    from tests.lab.build import BuiltRepo

MESSAGE = writing.Message("step", ADA, NOW)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    return repository(tmp_path_factory.mktemp("merging") / "repo")


@pytest.fixture(scope="module")
def repo(built: BuiltRepo) -> Repo:
    return open_repository(built.workspace)


def commit(repo: Repo, files: Mapping[str, writing.Content], *parents: CommitHash) -> CommitHash:
    tree = writing.build_tree(repo, ABSENT, files)
    return writing.write_commit(repo, tree, parents, MESSAGE)


def nobody(_: Conflict) -> None:
    """Leave every conflict to a person."""


def content(repo: Repo, joined: Joined) -> dict[str, bytes]:
    assert joined.tree is not None
    walk = objects.walk_tree(repo, joined.tree)
    return {each.text: repo.git[each.id].data for each in walk}  # type: ignore[attr-defined]


def merge_tree(built: BuiltRepo, ours: str, theirs: str) -> tuple[str | None, set[str]]:
    """Return the tree that git merges to, or None and the paths in conflict."""
    done = subprocess.run(
        ["git", "-c", "merge.renames=false", "merge-tree", "--write-tree", "--name-only", "-z",
         "--no-messages", ours, theirs],
        cwd=built.path, env=git_environment(), capture_output=True, check=False,
    )  # fmt: skip
    tree, *paths = done.stdout.decode().rstrip("\0").split("\0")
    return (None, set(paths)) if done.returncode else (tree, set())


def text(path: str, version: int) -> bytes:
    """Return one of a file's texts; no two files share a line, so nothing looks renamed."""
    lines = [f"{path} line {number}" for number in range(12)]
    for bit, line in ((1, 1), (2, 9), (4, 5)):
        if version & bit:
            lines[line] += f" changed by {version if bit == 4 else bit}"
    return ("\n".join(lines) + "\n").encode()


NAMES = ("a", "b c", "d/e", "d/f/g", "ä")
VERSIONS = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 7), max_size=5)


@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(VERSIONS, VERSIONS, VERSIONS)
def test_two_sides_join_as_git_joins_them_or_part_at_the_same_paths(
    built: BuiltRepo,
    repo: Repo,
    base: dict[str, int],
    left: dict[str, int],
    right: dict[str, int],
) -> None:
    first, *sides = (
        {path: text(path, version) for path, version in files.items()}
        for files in (base, left, right)
    )
    start = commit(repo, first)
    ours, theirs = (commit(repo, side, start) for side in sides)
    written: list[str] = []
    joined = merging.join(repo, ours, theirs, nobody, written)
    tree, conflicts = merge_tree(built, ours, theirs)
    assert joined.tree == tree
    assert set(joined.conflicts) == conflicts
    assert list(joined.conflicts) == sorted(joined.conflicts)
    if tree is not None:
        assert tree in written  # whoever publishes it holds it against gc
        swapped = merging.join(repo, theirs, ours, nobody, [])
        assert swapped.tree == tree


BASE: dict[str, writing.Content] = {"f": b"1\n2\n3\n", "g": b"g\n"}
CONFLICTS: dict[str, tuple[dict[str, writing.Content], dict[str, writing.Content]]] = {
    "both changed": ({"f": b"1\nx\n3\n", "g": b"g\n"}, {"f": b"1\ny\n3\n", "g": b"g\n"}),
    "ours deleted": ({"g": b"g\n"}, {"f": b"1\ny\n3\n", "g": b"g\n"}),
    "theirs deleted": ({"f": b"1\nx\n3\n", "g": b"g\n"}, {"g": b"g\n"}),
    "both added": ({**BASE, "f2": b"x\n"}, {**BASE, "f2": b"y\n"}),
    "binary": ({**BASE, "f": b"\0x"}, {**BASE, "f": b"\0y"}),
}


@pytest.fixture(params=CONFLICTS)
def parted(request: pytest.FixtureRequest, repo: Repo) -> tuple[CommitHash, CommitHash, str]:
    """Two commits in conflict at one path."""
    start = commit(repo, BASE)
    ours, theirs = (commit(repo, side, start) for side in CONFLICTS[request.param])
    return ours, theirs, "f2" if request.param == "both added" else "f"


def test_a_conflict_is_told_with_its_two_sides(
    repo: Repo, parted: tuple[CommitHash, CommitHash, str]
) -> None:
    ours, theirs, path = parted
    asked: list[Conflict] = []
    joined = merging.join(repo, ours, theirs, asked.append, [])
    assert joined == merging.Joined(None, (path,))
    (conflict,) = asked
    assert conflict.path == path
    for side, at in ((conflict.ours, ours), (conflict.theirs, theirs)):
        found = objects.entry_at(repo, at, path)
        assert side == found
        data = objects.read_blob(repo, at, path)
        assert merging.small(repo, side) == (b"" if data is ABSENT else data)


def test_a_conflict_that_is_settled_leaves_what_was_chosen(
    repo: Repo, parted: tuple[CommitHash, CommitHash, str]
) -> None:
    ours, theirs, path = parted
    chosen: tuple[Callable[[Conflict], merging.Side | bytes], ...] = (
        lambda conflict: conflict.ours,
        lambda conflict: conflict.theirs,
        lambda _: b"settled\n",
        lambda _: ABSENT,
    )
    for choose, at in zip(chosen, (ours, theirs, None, None), strict=True):
        written: list[str] = []
        found = content(repo, merging.join(repo, ours, theirs, choose, written))
        if at is not None:
            data = objects.read_blob(repo, at, path)
            assert found.pop(path, ABSENT) == data
        elif choose is chosen[2]:
            assert found.pop(path) == b"settled\n"
        assert path not in found
        assert found["g"] == b"g\n"
        assert all(id_ in repo.git for id_ in written)


def test_a_conflict_at_a_name_that_is_no_text_is_settled_as_any_other(repo: Repo) -> None:
    path = b"\xff/.gitignore".decode("utf-8", "surrogateescape")
    start, ours, theirs = (commit(repo, {path: b"%d\n" % n}) for n in range(3))
    ours, theirs = (
        writing.write_commit(repo, objects.commit_info(repo, side).tree, [start], MESSAGE)
        for side in (ours, theirs)
    )
    assert merging.join(repo, ours, theirs, nobody, []).conflicts == (path,)
    for answer, found in ((b"both\n", b"both\n"), (ABSENT, ABSENT)):
        joined = merging.join(repo, ours, theirs, lambda _, answer=answer: answer, [])
        assert joined.tree is not None
        assert objects.read_blob(repo, joined.tree, path) == found


def test_one_conflict_that_stays_open_leaves_nothing_joined(repo: Repo) -> None:
    start = commit(repo, {"a": b"0\n", "b": b"0\n"})
    ours = commit(repo, {"a": b"1\n", "b": b"1\n"}, start)
    theirs = commit(repo, {"a": b"2\n", "b": b"2\n"}, start)
    settle = {"a": b"3\n"}.get
    joined = merging.join(repo, ours, theirs, lambda each: settle(each.path), [])
    assert joined == merging.Joined(None, ("b",))


def test_a_mode_and_a_text_changed_on_either_side_are_both_kept(repo: Repo) -> None:
    start = commit(repo, {"run.sh": b"echo\n"})
    ours = commit(repo, {"run.sh": (b"echo\n", True)}, start)
    theirs = commit(repo, {"run.sh": b"echo 2\n"}, start)
    joined = merging.join(repo, ours, theirs, nobody, [])
    assert joined.tree is not None
    (entry,) = objects.walk_tree(repo, joined.tree)
    assert (entry.mode, content(repo, joined)) == (0o100755, {"run.sh": b"echo 2\n"})


def test_histories_without_a_common_commit_join_by_what_they_have(repo: Repo) -> None:
    ours, theirs = commit(repo, {"a": b"1\n"}), commit(repo, {"b": b"1\n"})
    assert objects.merge_base(repo, ours, theirs) is ABSENT
    assert content(repo, merging.join(repo, ours, theirs, nobody, [])) == {
        "a": b"1\n", "b": b"1\n",
    }  # fmt: skip


def test_a_criss_cross_joins_as_git_joins_it(built: BuiltRepo, repo: Repo) -> None:
    """Two lines merged each other once: git has two bases, and merges these first."""
    start = commit(repo, {"f": text("f", 0)})
    one, two = commit(repo, {"f": text("f", 1)}, start), commit(repo, {"f": text("f", 2)}, start)
    merged = {"f": text("f", 3)}
    ours = commit(repo, {**merged, "o": b"o\n"}, one, two)
    theirs = commit(repo, {**merged, "t": b"t\n"}, two, one)
    assert set(repo.forks(ours, theirs)) == {one, two}
    joined = merging.join(repo, ours, theirs, nobody, [])
    assert joined.tree == merge_tree(built, ours, theirs)[0]
    assert content(repo, joined).keys() == {"f", "o", "t"}


def test_a_side_that_is_the_others_past_changes_nothing(repo: Repo) -> None:
    start = commit(repo, {"a": b"1\n"})
    later = commit(repo, {"a": b"2\n"}, start)
    for ours, theirs in ((start, later), (later, start), (later, later)):
        tree = objects.commit_info(repo, later).tree
        assert merging.join(repo, ours, theirs, nobody, []).tree == tree


def test_what_git_refuses_is_not_merged(built: BuiltRepo, repo: Repo) -> None:
    ours = commit(repo, {"a": b"1\n"})
    blob = built.git("hash-object", "-w", "--stdin", data=b"x")
    evil = built.write_object("tree", b"100644 .GIT\0" + bytes.fromhex(blob))
    tip = CommitHash(built.git("commit-tree", evil, "-p", ours, "-m", "evil"))
    with pytest.raises(RefusedTreeError) as caught:
        merging.join(repo, ours, tip, nobody, [])
    assert caught.value.found == "hasDotgit"
    assert caught.value.where == f"tree {evil}"


def test_a_message_is_told_byte_for_byte(built: BuiltRepo, repo: Repo) -> None:
    raw = "first\n\nb\u00f6dy\n".encode() + b"\xff\n"
    head = built.git("cat-file", "commit", commit(repo, {})).partition("\n\n")[0].encode()
    id_ = built.write_object("commit", head + b"\n\n" + raw)  # commit-tree would mend it
    assert merging.message_of(repo, CommitHash(id_)) == raw.decode("utf-8", "surrogateescape")


def test_a_side_that_is_too_large_is_not_read(repo: Repo) -> None:
    for size, known in ((1 << 20, True), ((1 << 20) + 1, False)):
        side = Entry(0o100644, b"x", str(repo.git.create_blob(b"x" * size)))
        assert (merging.small(repo, side) is not None) is known
    assert merging.small(repo, ABSENT) == b""


def test_objects_written_together_are_there_and_each_later_one_is_synced_again(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    monkeypatch.setattr("os.sync", lambda: synced.append(True))
    with merging.synced_once():
        made = commit(repo, {"together": b"x\n"})
        assert synced == []
    assert synced == [True]
    assert objects.exists(Repo(repo.workspace), made)


# --- what differs --------------------------------------------------------------------------------


def numstat(built: BuiltRepo, one: str, other: str) -> dict[str, tuple[int | None, int | None]]:
    out = built.git_bytes("diff-tree", "-r", "-z", "--no-renames", "--numstat", one, other)
    found = {}
    for record in out.decode().split("\0")[:-1]:
        added, removed, path = record.split("\t")
        found[path] = tuple(None if count == "-" else int(count) for count in (added, removed))
    return found  # type: ignore[return-value]


BODIES = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\r\n", b"\n"]), max_size=6).map(b"".join)
LOOSE = st.one_of(BODIES, BODIES.map(lambda data: data + b"no newline"), st.just(b"\0\1"))


@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(*[st.dictionaries(st.sampled_from(NAMES), LOOSE, max_size=4)] * 2)
def test_lines_are_counted_as_git_counts_them(
    built: BuiltRepo, repo: Repo, old: dict[str, bytes], new: dict[str, bytes]
) -> None:
    one, other = (writing.build_tree(repo, ABSENT, files) for files in (old, new))
    changes = merging.changed_paths(repo, one, other)
    found = {change.path: (change.added, change.removed) for change in changes}
    assert found == numstat(built, one, other)
    for change in changes:
        kind = "modified" if change.path in old else "added"
        assert change.kind == (kind if change.path in new else "deleted")
    assert [change.path for change in changes] == sorted(found)
    back = {change.path: change for change in merging.changed_paths(repo, other, one)}
    assert {path: (each.removed, each.added) for path, each in back.items()} == found


def tree_of(built: BuiltRepo, *lines: str) -> TreeId:
    """Return a tree of lines as ``git ls-tree`` has them."""
    data = "".join(f"{line}\n" for line in lines).encode()
    return TreeId(built.git("mktree", "--missing", data=data))


def test_links_submodules_and_modes_are_changes_too(built: BuiltRepo, repo: Repo) -> None:
    one, two = (built.git("hash-object", "-w", "--stdin", data=data) for data in (b"x\n", b"y\n"))
    sub = "1" * 40
    before = tree_of(
        built, f"100644 blob {one}\tfile", f"160000 commit {sub}\tsub",
        f"100644 blob {one}\ttolink", f"100644 blob {one}\ttorun", f"160000 commit {sub}\tz",
    )  # fmt: skip
    after = tree_of(
        built, f"100644 blob {two}\tfile", f"160000 commit {'2' * 40}\tsub",
        f"120000 blob {one}\ttolink", f"100755 blob {one}\ttorun",
        f"160000 commit {sub}\tnew",
    )  # fmt: skip
    found = {
        c.path: (c.kind, c.added, c.removed) for c in merging.changed_paths(repo, before, after)
    }
    assert found == {
        "file": ("modified", 1, 1),
        "new": ("added", 1, 0),
        "sub": ("modified", 1, 1),
        "tolink": ("type changed", 0, 0),
        "torun": ("modified", 0, 0),
        "z": ("deleted", 0, 1),
    }


def test_a_name_that_is_no_text_is_a_path_with_surrogates(repo: Repo) -> None:
    raw = b"\xff\n.csv"
    entry = b"100644 " + raw + b"\0" + bytes.fromhex(str(repo.git.create_blob(b"1\n")))
    tree = TreeId(str(repo.git.write(2, entry)))
    (change,) = merging.changed_paths(repo, ABSENT, tree)
    assert change.path == raw.decode("utf-8", "surrogateescape")
    assert merging.changed_paths(repo, tree, tree) == ()
