"""Objects written through libgit2, held against what git's own commands make of the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitexp.errors import GitFailedError, UnsafeInputError
from gitexp.git import objects, writing
from gitexp.git.repository import Repo, open_repository
from gitexp.git.writing import DELETE, Message, Subtree
from gitexp.model.ids import ABSENT, CommitHash, TreeId
from gitexp.model.plan import Person
from tests.lab.build import EMAIL, NAME, repository
from tests.lab.publisher import ADA, NOW

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

FILES = {"a": "a\n", "sub/b": "b\n", "sub/deep/c": "c\n", "run.sh": "#!/bin/sh\n"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    """A repository with files, an executable, a link and a submodule."""
    repo = repository(tmp_path_factory.mktemp("writing") / "repo")
    repo.write(FILES)
    (repo.path / "run.sh").chmod(0o755)
    (repo.path / "link").symlink_to("a")
    repo.git("add", "--all")
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},lib")
    repo.git("commit", "--quiet", "-m", "first", at=1)
    return repo


@pytest.fixture(scope="module")
def repo(built: BuiltRepo) -> Repo:
    return open_repository(built.workspace)


@pytest.fixture
def tip(built: BuiltRepo) -> CommitHash:
    return CommitHash(built.hash())


def listed(built: BuiltRepo, tree: str) -> dict[str, str]:
    """Return ``git ls-tree -r``: path to mode and id."""
    lines = built.git("ls-tree", "-r", "-z", tree).split("\0")[:-1]
    return {path: head for head, path in (line.split("\t") for line in lines)}


# --- trees ---------------------------------------------------------------------------------------


def test_a_change_leaves_everything_beside_it_as_it_was(
    built: BuiltRepo, repo: Repo, tip: CommitHash
) -> None:
    made = writing.build_tree(repo, tip, {"sub/deep/c": b"new\n", "x/y/z": b"z\n"})
    before, after = listed(built, tip), listed(built, made)
    assert after.keys() - before.keys() == {"x/y/z"}
    assert {path for path in before if before[path] != after.get(path)} == {"sub/deep/c"}
    assert writing.build_tree(repo, tip, {}) == built.tree()
    assert writing.build_tree(repo, tip, {"a": b"a\n", "none": DELETE}) == built.tree()


def test_all_that_was_written_is_named_and_is_on_the_disk(
    built: BuiltRepo, repo: Repo, tip: CommitHash
) -> None:
    written: list[str] = []
    made = writing.build_tree(repo, tip, {"n/e/w": b"w%d" % id(written)}, written=written)
    kinds = [built.git("cat-file", "-t", id_) for id_ in written]
    assert sorted(kinds) == ["blob", "tree", "tree", "tree"]
    assert written[-1] == made  # the last leads to all others
    assert writing.exist(repo, written)
    assert not writing.exist(repo, [*written, "0" * 39 + "1"])


def test_nothing_left_is_the_empty_tree_at_the_top_and_no_folder_below(
    built: BuiltRepo, repo: Repo, tip: CommitHash
) -> None:
    empty = built.git("hash-object", "-t", "tree", "/dev/null")
    assert writing.build_tree(repo, ABSENT, {}) == empty
    made = writing.build_tree(repo, tip, {"sub/b": DELETE, "sub/deep/c": DELETE})
    assert "sub" not in {entry.text for entry in objects.list_dir(repo, made)}
    assert objects.list_dir(repo, writing.build_tree(repo, ABSENT, {"a/b/c": DELETE})) == ()


def test_a_folder_may_become_a_tree_that_is_there(
    built: BuiltRepo, repo: Repo, tip: CommitHash
) -> None:
    sub = TreeId(built.hash("HEAD:sub"))
    made = writing.build_tree(repo, tip, {"copy": Subtree(sub), "sub": DELETE, "a": Subtree(sub)})
    assert objects.tree_id(repo, made, "copy") == objects.tree_id(repo, made, "a") == sub
    assert objects.tree_id(repo, made, "sub") is ABSENT


@pytest.mark.parametrize(
    ("change", "executable"),
    [(b"x", True), ((b"x", False), False), ((b"#!/bin/sh\n", True), True)],
    ids=["kept", "taken", "same"],
)
def test_the_executable_bit_stays_unless_the_change_says_otherwise(
    built: BuiltRepo, repo: Repo, tip: CommitHash, change: writing.Content, *, executable: bool
) -> None:
    made = writing.build_tree(repo, tip, {"run.sh": change})
    assert listed(built, made)["run.sh"].startswith("100755" if executable else "100644")


@pytest.mark.parametrize(
    "path",
    [
        "", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", ".git/config", "x/.GIT/y",
        "a\0b", "git~1/x", ".git.", "x\\.git", ".g\u200cit",
    ],
    ids=ascii,
)  # fmt: skip
def test_a_path_that_git_would_refuse_is_not_written(
    repo: Repo, tip: CommitHash, path: str
) -> None:
    with pytest.raises(UnsafeInputError, match="leave its place") as caught:
        writing.build_tree(repo, tip, {path: b"x"})
    assert caught.value.found == ascii(path)


@pytest.mark.parametrize(
    ("changes", "where", "advice"),
    [
        ({"a/x": b""}, "a", "git rm -- a"), ({"link/x": b""}, "link", "git rm -- link"),
        ({"lib/x": b""}, "lib", "git rm -- lib"), ({"sub/b/x/y": b""}, "sub/b", "git rm -- sub/b"),
        ({"sub": b""}, "sub", "git rm -- sub"), ({"link": b""}, "link", "git rm -- link"),
        ({"lib": b""}, "lib", "git rm -- lib"),
        ({"sub/deep": b""}, "sub/deep", "git rm -- sub/deep"),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_what_is_there_otherwise_is_not_written_over(
    repo: Repo, tip: CommitHash, changes: dict[str, writing.Content], where: str, advice: str
) -> None:
    with pytest.raises(UnsafeInputError) as caught:
        writing.build_tree(repo, tip, changes)
    assert (caught.value.where, caught.value.next_step) == (where, advice)


@pytest.mark.parametrize(
    "changes",
    [{"x": b"", "x/y": b""}, {"x/y": b"", "x": b""}, {"x/y/z": b"", "x/y": b""}],
    ids=["file first", "folder first", "deep"],
)
def test_two_changes_may_not_make_one_path_file_and_folder(
    repo: Repo, tip: CommitHash, changes: dict[str, writing.Content]
) -> None:
    with pytest.raises(UnsafeInputError, match="file and folder at once"):
        writing.build_tree(repo, tip, changes)


def test_a_name_that_is_no_text_is_written_as_its_bytes(built: BuiltRepo, repo: Repo) -> None:
    name = b"\xff\xfe".decode("utf-8", "surrogateescape")
    made = writing.build_tree(repo, ABSENT, {f"{name}/x": b"1"})
    assert built.git_bytes("ls-tree", "-z", "--name-only", made) == b"\xff\xfe\0"
    again = writing.build_tree(repo, made, {f"{name}/y": b"2", f"{name}/x": DELETE})
    assert [entry.path for entry in objects.walk_tree(repo, again)] == [b"\xff\xfe/y"]


def test_an_object_that_a_power_cut_left_empty_is_written_again(
    built: BuiltRepo, repo: Repo
) -> None:
    made = writing.build_tree(repo, ABSENT, {"cut": b"cut short\n"})
    blob = objects.blob_id(repo, made, "cut")
    for id_ in (str(blob), made):
        path = built.path / ".git/objects" / id_[:2] / id_[2:]
        path.chmod(0o644)
        path.write_bytes(b"")
    assert writing.build_tree(Repo(repo.workspace), ABSENT, {"cut": b"cut short\n"}) == made
    assert built.git("cat-file", "blob", f"{made}:cut") == "cut short"


# --- commits and tags ----------------------------------------------------------------------------

ZONES = [timezone(timedelta(minutes=minutes)) for minutes in (0, 60, -570, 345, 840, -1)]


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
    st.integers(0, 4_000_000_000),
    st.sampled_from(ZONES),
)  # fmt: skip
def test_a_commit_is_byte_for_byte_the_one_that_git_makes(
    built: BuiltRepo, repo: Repo, text: str, seconds: int, zone: timezone
) -> None:
    time = datetime.fromtimestamp(seconds, zone)
    message = Message(text, Person(NAME, EMAIL), time)
    parents = [CommitHash(built.hash())]
    made = writing.write_commit(repo, TreeId(built.tree()), parents, message)
    raw = built.git_bytes("cat-file", "commit", made)
    who = f"{NAME} <{EMAIL}> {message.date}"
    head = f"tree {built.tree()}\nparent {parents[0]}\nauthor {who}\ncommitter {who}\n\n"
    assert raw == head.encode() + text.rstrip("\n").encode() + b"\n"
    assert objects.commit_info(repo, made).time == time


def test_author_and_committer_are_told_apart_and_an_octopus_has_all_its_parents(
    built: BuiltRepo, repo: Repo, tip: CommitHash
) -> None:
    message = Message("m", ADA, NOW, committer=Person("Bob", "bob@example.org"))
    tree = TreeId(built.tree())
    texts = [replace(message, text=str(number)) for number in range(3)]
    parents = [writing.write_commit(repo, tree, [tip], each) for each in texts]
    made = writing.write_commit(repo, tree, parents, message)
    info = objects.commit_info(repo, made)
    assert info.parents == tuple(parents) == repo.commit(made).parents
    assert built.git("show", "-s", "--format=%an %ae|%cn %ce", made) == (
        "Ada Lovelace ada@example.org|Bob bob@example.org"
    )
    root = writing.write_commit(repo, tree, [], message)
    assert objects.commit_info(repo, root).parents == ()


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Ada", "Ada"), (" Ada <x> ", "Ada x"), ("A\nB\tC", "ABC"), ("<>", "unknown"),
        ("", "unknown"),
        ("\u202eabc\u0007", "abc"), ("Zoë 李", "Zoë 李"), ("a\u00a0b", "ab"),
    ],
    ids=ascii,
)  # fmt: skip
def test_a_name_loses_what_would_end_it(
    built: BuiltRepo, repo: Repo, tip: CommitHash, name: str, written: str
) -> None:
    message = Message("m", Person(name, name), NOW)
    made = writing.write_commit(repo, TreeId(built.tree()), [tip], message)
    line = built.git("cat-file", "commit", made).splitlines()[2]
    assert line == f"author {written} <{written}> {int(NOW.timestamp())} +0000"
    tag = writing.write_tag(repo, tip, "v1", message)
    assert f"tagger {written} <{written}> " in built.git("cat-file", "tag", tag)


def test_a_tag_is_byte_for_byte_the_one_that_git_makes(
    built: BuiltRepo, repo: Repo, tip: CommitHash
) -> None:
    time = datetime.fromtimestamp(1_704_067_200, UTC)
    message = Message("the end\n\n", Person(NAME, EMAIL), time)
    made = writing.write_tag(repo, tip, "exp-archive/a", message)
    built.git("tag", "-a", "-m", "the end", "exp-archive/a", tip, at=0)
    assert made == built.git("rev-parse", "exp-archive/a")
    assert writing.object_of(repo, "refs/tags/exp-archive/a") == made
    assert writing.object_of(repo, "refs/heads/main") == tip
    assert writing.object_of(repo, "refs/tags/none") is ABSENT


def test_a_tag_by_a_name_that_git_forbids_is_refused_by_git(repo: Repo, tip: CommitHash) -> None:
    with pytest.raises(GitFailedError, match="git mktag failed"):
        writing.write_tag(repo, tip, "two words\nobject x", Message("m", ADA, NOW))


def test_a_commit_of_a_tree_that_is_not_there_is_not_written(repo: Repo, tip: CommitHash) -> None:
    with pytest.raises(GitFailedError, match="cannot write objects") as caught:
        writing.write_commit(repo, TreeId("0" * 39 + "1"), [tip], Message("m", ADA, NOW))
    assert caught.value.where.endswith("objects")


def test_who_cannot_sign_gets_no_commit_where_commits_are_to_be_signed(tmp_path: Path) -> None:
    built = repository(tmp_path / "signed")
    tip = CommitHash(built.commit({"a": "1"}))
    built.git("config", "commit.gpgsign", "yes")
    built.git("config", "gpg.program", "false")
    before = built.refs()
    with pytest.raises(GitFailedError, match="git commit-tree failed") as caught:
        writing.write_commit(
            open_repository(built.workspace), TreeId(built.tree()), [tip], Message("m", ADA, NOW)
        )
    assert "sign" in caught.value.found
    assert built.refs() == before


@given(st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_a_date_as_git_reads_it_is_seconds_and_an_offset(moment: datetime, minutes: int) -> None:
    time = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    seconds, offset = Message("m", ADA, time).date.split(" ")
    assert int(seconds) == int(time.timestamp())
    sign, hours, rest = offset[0], int(offset[1:3]), int(offset[3:])
    assert (hours * 60 + rest) * (-1 if sign == "-" else 1) == minutes
    signed = writing.signature(ADA, time)
    assert (signed.time, signed.offset) == (int(seconds), minutes)
