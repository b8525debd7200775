from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import GitexpError, LockedError, MovedRefError, UnknownRevisionError
from gitexp.git import command, refs
from gitexp.git.repository import open_repository
from gitexp.git.writing import Message
from gitexp.model.ids import ABSENT, CommitHash
from gitexp.model.plan import Person
from tests.lab.build import clone, repository
from tests.lab.publisher import ADA, NOW

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitexp.git.repository import Repo
    from tests.lab.build import BuiltRepo


@pytest.fixture(params=["files", "reftable"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> BuiltRepo:
    built = repository(tmp_path / "repo", options=(f"--ref-format={request.param}",))
    built.commit({"a": "1\n"})
    built.commit({"a": "2\n"}, at=2)
    return built


def move(repo: Repo, moves: Mapping[str, tuple[refs.Target, refs.Target]]) -> None:
    with refs.held(repo, moves, Message("gitexp test", ADA, NOW)) as set_all:
        set_all()


def test_refs_are_made_moved_and_deleted_all_or_none(project: BuiltRepo) -> None:
    repo = open_repository(project.workspace)
    old, new = CommitHash(project.hash("HEAD~1")), CommitHash(project.hash())
    move(repo, {"refs/heads/exp/a": (ABSENT, old), "refs/heads/exp/b": (ABSENT, old)})
    move(repo, {"refs/heads/exp/a": (old, new)})
    before = project.refs()
    for moves in (
        {"refs/heads/exp/a": (old, new), "refs/heads/exp/b": (old, new)},  # a is at new
        {"refs/heads/exp/a": (ABSENT, new), "refs/heads/exp/b": (old, new)},
        {"refs/heads/exp/none": (old, new), "refs/heads/exp/b": (old, new)},
        {"refs/heads/exp/none": (old, ABSENT), "refs/heads/exp/b": (old, new)},
    ):
        with pytest.raises(MovedRefError):
            move(repo, moves)
        assert project.refs() == before
    move(repo, {"refs/heads/exp/a": (new, ABSENT)})
    assert refs.read_ref(repo, "refs/heads/exp/a") is ABSENT
    assert refs.read_ref(repo, "refs/heads/exp/b") == old


def test_a_name_that_git_forbids_or_that_is_a_folder_is_refused(project: BuiltRepo) -> None:
    repo = open_repository(project.workspace)
    tip = CommitHash(project.hash())
    move(repo, {"refs/heads/exp/a": (ABSENT, tip)})
    for name in ("refs/heads/a b", "refs/heads/a..b", "refs/heads/x.lock", "refs/heads/\n"):
        with pytest.raises(UnknownRevisionError):
            move(repo, {name: (ABSENT, tip)})
    with pytest.raises(GitexpError, match="cannot move refs"):
        move(repo, {"refs/heads/exp/a/b": (ABSENT, tip)})


def test_while_refs_are_held_nobody_else_moves_them(project: BuiltRepo) -> None:
    repo = open_repository(project.workspace)
    old, new = CommitHash(project.hash("HEAD~1")), CommitHash(project.hash())
    project.branch("exp/a", old)
    moves: Mapping[str, tuple[refs.Target, refs.Target]] = {"refs/heads/exp/a": (old, new)}
    with refs.held(repo, moves, Message("m", ADA, NOW)):
        with pytest.raises(GitexpError) as caught:
            move(repo, moves)
        assert isinstance(caught.value, LockedError)
    assert project.hash("exp/a") == old  # not moved: let go
    assert project.locks() == []
    move(repo, moves)


def test_branches_are_found_wherever_they_are(repo: BuiltRepo, tmp_path: Path) -> None:
    tip = repo.commit({"a": "1\n"})
    for name in ("exp/a", "exp/b", "other"):
        repo.branch(name)
    cloned = clone(repo, tmp_path / "clone")
    cloned.branch("exp/a", "origin/exp/a")
    cloned.git("tag", "-a", "-m", "end", "exp-archive/z", tip)
    cloned.git("tag", "v1")
    opened = open_repository(cloned.workspace)
    for pack in (False, True):
        if pack:
            cloned.git("pack-refs", "--all")
        assert refs.branches(opened, "exp/") == (
            ("refs/heads/exp/a", tip),
            ("refs/remotes/origin/exp/a", tip),
            ("refs/remotes/origin/exp/b", tip),
            ("refs/tags/exp-archive/z", tip),
        )


@pytest.mark.parametrize(
    "name", ["$(id)", "a`b`", "<img>", "a&b|c", "%0a", "\u202etxt", "-x", "\udcff"], ids=ascii
)
def test_a_hostile_branch_name_is_a_name_like_any_other(repo: BuiltRepo, name: str) -> None:
    tip = repo.commit({"a": "1\n"})
    ref = f"refs/heads/exp/{name}"
    repo.git_bytes(
        "update-ref", "--stdin", data=f"create {ref} {tip}\n".encode("utf-8", "surrogateescape")
    )
    opened = open_repository(repo.workspace)
    assert refs.branches(opened, "exp/") == ((ref, tip),)
    assert refs.read_ref(opened, ref) == tip


# What may stand in .git/refs or packed-refs; T stands for a commit.
ODD = {
    "heads/zero": "0" * 40 + "\n",
    "heads/nobody": "1" * 40 + "\n",
    "heads/empty": "",
    "heads/half": "12345\n",
    "heads/words": "nonsense\n",
    "heads/trailing": "T trailing\n",
    "heads/spaces": "T  \n",
    "heads/returned": "T\r\n",
    "heads/unended": "T",
    "heads/upper": "UPPER\n",
    "heads/a.lock": "T\n",
    "heads/a b": "T\n",
    "heads/a..b": "T\n",
    "heads/.hidden": "T\n",
    "heads/x~1": "T\n",
    "heads/end.": "T\n",
    "heads/HEAD": "T\n",
    "heads/alias": "ref: refs/heads/main\n",
    "heads/alias2": "ref:refs/heads/alias\n",
    "heads/out": "ref: refs/tags/t\n",
    "heads/dangling": "ref: refs/heads/none\n",
    "heads/loop": "ref: refs/heads/loop\n",
    "heads/loop1": "ref: refs/heads/loop2\n",
    "heads/loop2": "ref: refs/heads/loop1\n",
    "heads/upwards": "ref: ../../config\n",
    "heads/to-head": "ref: HEAD\n",
    "remotes/origin/HEAD": "ref: refs/remotes/origin/main\n",
    "remotes/origin/main": "T\n",
    "remotes/lone": "T\n",
    "remotes/fork/HEAD": "ref: refs/remotes/fork/gone\n",
    "tags/t": "T\n",
    "tags/exp-archive": "T\n",
    "tags/exp-archived": "T\n",
    "exp-archive/x": "T\n",
    "heads2/x": "T\n",
}


@pytest.mark.parametrize(
    ("name", "packed"),
    [*((name, False) for name in ODD), *((name, True) for name in ODD if "ref:" not in ODD[name])],
)
def test_of_odd_refs_those_are_read_that_git_reads(
    repo: BuiltRepo, name: str, *, packed: bool
) -> None:
    tip = repo.commit({"a": "1\n"})
    text = ODD[name].replace("T", tip).replace("UPPER", tip.upper())
    if packed:
        repo.git("pack-refs", "--all")
        file = repo.path / ".git/packed-refs"
        first, *others = file.read_text().splitlines()
        others = sorted(
            [*others, f"{text.split(' ')[0].strip()} refs/{name}"],
            key=lambda line: line.partition(" ")[2],
        )
        file.write_text("\n".join([first, *others, ""]))
    else:
        path = repo.path / ".git/refs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, newline="")
    opened = open_repository(repo.workspace)
    if packed and len(text.split(" ")[0].strip()) != len(tip):  # git may stop, or miss others
        with pytest.raises(GitexpError):
            refs.branches(opened)
        return
    asked = ["for-each-ref", "--format=%(refname) %(objectname)", *refs._LISTED]  # noqa: SLF001
    listed = repo.git(*asked)
    expected = [tuple(line.split(" ")) for line in listed.splitlines() if "0" * 40 not in line]
    assert sorted(refs._listed(opened)) == expected  # noqa: SLF001


def test_a_ref_that_is_a_link_a_folder_or_gone_is_read_as_by_git(repo: BuiltRepo) -> None:
    tip = repo.commit({"a": "1\n"})
    heads = repo.path / ".git/refs/heads"
    (heads / "link").symlink_to("main")
    (heads / "away").symlink_to("/etc/hostname")
    (heads / "folder").mkdir()
    (heads / "into").symlink_to("folder")
    assert refs.branches(open_repository(repo.workspace)) == tuple(
        (ref, tip) for ref in sorted(repo.refs())
    )


def test_a_broken_or_symbolic_ref_is_no_surprise(repo: BuiltRepo) -> None:
    tip = repo.commit({"a": "1\n"})
    repo.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
    (repo.path / ".git/refs/heads/broken").write_text("nonsense\n")
    opened = open_repository(repo.workspace)
    assert refs.read_ref(opened, "refs/heads/alias") == tip
    assert refs.read_ref(opened, "refs/heads/broken") is ABSENT
    assert refs.read_ref(opened, "refs/heads/none") is ABSENT


# --- one by one ----------------------------------------------------------------------------------


def test_head_is_a_branch_unborn_or_none(project: BuiltRepo) -> None:
    tip = CommitHash(project.hash())
    assert refs.head(open_repository(project.workspace)) == refs.Head("main", tip)
    project.git("checkout", "-q", "--detach")
    assert refs.head(open_repository(project.workspace)) == refs.Head(None, tip)
    project.git("checkout", "-q", "--orphan", "exp/ü")
    assert refs.head(open_repository(project.workspace)) == refs.Head("exp/ü", ABSENT)


def test_a_linked_worktree_has_a_head_of_its_own(project: BuiltRepo, tmp_path: Path) -> None:
    linked = project.worktree(tmp_path / "w", "-b", "exp/x", "HEAD~1")
    head = refs.head(open_repository(linked.workspace))
    assert head == refs.Head("exp/x", CommitHash(project.hash("HEAD~1")))


@pytest.mark.parametrize(
    ("ref", "valid"),
    [
        ("refs/heads/a", True), ("HEAD", True), ("refs/heads/\udcff", True), ("refs/heads/ü", True),
        ("refs/heads/", False), ("refs/heads/.a", False), ("refs/heads/a.lock", False),
        ("a", False),
        ("refs/heads/a..b", False), ("refs/heads/a@{b", False), ("refs/heads/a~", False),
        ("", False),
        ("refs/heads/a b", False), ("refs/heads/a\x7f", False), ("refs//heads/a", False),
        ("refs/heads/@", True),
    ],
    ids=ascii,
)  # fmt: skip
def test_a_ref_is_valid_where_git_says_so(repo: BuiltRepo, ref: str, *, valid: bool) -> None:
    assert refs.is_valid(ref) is valid
    if ref and "\udcff" not in ref:
        level = ["--allow-onelevel"] if ref == "HEAD" else []
        assert (command.attempt(repo.path, ["check-ref-format", *level, ref])[0] == 0) is valid


def test_a_ref_is_read_as_it_is_on_the_disk_now(project: BuiltRepo) -> None:
    repo = open_repository(project.workspace)
    old, new = project.hash("HEAD~1"), project.hash()
    assert refs.read_ref(repo, "refs/heads/main") == new
    project.git("update-ref", "refs/heads/main", old)
    assert refs.read_ref(repo, "refs/heads/main") == old
    project.git("tag", "-a", "-m", "v1", "v1", new)
    project.git("tag", "-a", "-m", "of a tag", "v2", "v1")
    assert refs.read_ref(repo, "refs/tags/v2") == new
    project.git("tag", "tree", f"{new}^{{tree}}")
    for name in (
        "refs/tags/tree",
        "refs/heads/none",
        "refs/heads/a b",
        "main",
        "refs/heads/../main",
    ):
        assert refs.read_ref(repo, name) is ABSENT


# --- many ----------------------------------------------------------------------------------------


def test_a_name_that_several_remotes_have_is_origins_first(project: BuiltRepo) -> None:
    tip = project.hash()
    names = [
        "refs/remotes/zz/exp/a", "refs/remotes/origin/exp/a", "refs/remotes/aa/exp/a",
        "refs/heads/exp/b", "refs/heads/expo", "refs/remotes/origin/other",
        "refs/tags/exp-archive/z", "refs/tags/exp-archives",
    ]  # fmt: skip
    for name in names:
        project.git("update-ref", name, tip)
    project.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/exp/a")
    repo = open_repository(project.workspace)
    assert [ref for ref, _ in refs.branches(repo, "exp/")] == [
        "refs/heads/exp/b", "refs/remotes/origin/exp/a", "refs/remotes/aa/exp/a",
        "refs/remotes/zz/exp/a", "refs/tags/exp-archive/z",
    ]  # fmt: skip
    every = [ref for ref, _ in refs.branches(repo)]
    assert "refs/remotes/origin/HEAD" not in every
    assert {"refs/heads/main", "refs/heads/expo", "refs/remotes/origin/other"} <= set(every)
    assert "refs/tags/exp-archives" not in every


def test_an_archive_tag_leads_to_what_it_is_of_however_many_tags_lie_between(
    project: BuiltRepo,
) -> None:
    tip, archive = project.hash(), "exp-archive"
    project.git("tag", "-a", "-m", "x", f"{archive}/one", tip)
    project.git("tag", "-a", "-m", "x", f"{archive}/two", f"{archive}/one")
    project.git("tag", f"{archive}/light", tip)
    project.git("tag", f"{archive}/tree", f"{tip}^{{tree}}")
    gone = f"object {'1' * 40}\ntype commit\ntag gone\ntagger A <a> 1 +0000\n\nx\n"
    lost = project.write_object("tag", gone.encode())
    project.git("update-ref", f"refs/tags/{archive}/gone", lost)
    found = dict(refs.branches(open_repository(project.workspace), "none"))
    assert found == {
        f"refs/tags/{archive}/one": tip, f"refs/tags/{archive}/two": tip,
        f"refs/tags/{archive}/light": tip,
        f"refs/tags/{archive}/tree": project.tree(), f"refs/tags/{archive}/gone": lost,
    }  # fmt: skip


def test_whose_tag_it_is_is_told_by_its_log(project: BuiltRepo, tmp_path: Path) -> None:
    tag = "refs/tags/exp-archive/a"
    repo = open_repository(project.workspace)
    assert not refs.made_here(repo, tag)
    move(repo, {tag: (ABSENT, project.hash())})
    assert refs.made_here(repo, tag)
    project.git("update-ref", "-m", "fetch origin", "--create-reflog", tag, project.hash("HEAD~1"))
    assert not refs.made_here(repo, tag)
    project.git("tag", "exp-archive/b")
    assert not refs.made_here(repo, "refs/tags/exp-archive/b")
    move(repo, {"refs/tags/exp-archive/c": (ABSENT, project.hash())})
    cloned = clone(project, tmp_path / "clone")
    assert not refs.made_here(open_repository(cloned.workspace), "refs/tags/exp-archive/c")


# --- temporary refs ------------------------------------------------------------------------------

TMP = "refs/gitexp/tmp/"


def test_a_temporary_ref_keeps_a_commit_and_goes_whole_half_or_packed(project: BuiltRepo) -> None:
    repo, tip = open_repository(project.workspace), project.hash()
    refs.drop(repo, f"{TMP}none")
    for name in ("a", "b"):
        refs.keep(repo, f"{TMP}{name}", tip)
    assert project.refs()[f"{TMP}a"] == tip
    project.git("pack-refs", "--all")
    folder = project.path / ".git" / TMP
    folder.mkdir(parents=True, exist_ok=True)
    if not repo.reftable:
        (folder / "half.lock").touch()
    half = set() if repo.reftable else {f"{TMP}half"}
    assert refs.temporary(repo, TMP) == {f"{TMP}a", f"{TMP}b"} | half
    for name in refs.temporary(repo, TMP):
        refs.drop(repo, name)
    assert refs.temporary(repo, TMP) == frozenset()
    assert not [ref for ref in project.refs() if ref.startswith(TMP)]
    assert refs.read_ref(repo, "refs/heads/main") == tip


def test_two_cannot_keep_by_one_name(repo: BuiltRepo) -> None:
    tip = repo.commit({"a": "1"})
    opened = open_repository(repo.workspace)
    half = repo.path / ".git" / f"{TMP}a.lock"
    half.parent.mkdir(parents=True)
    half.touch()
    with pytest.raises(GitexpError, match="cannot keep the new commit") as caught:
        refs.keep(opened, f"{TMP}a", tip)
    assert caught.value.where == f"{TMP}a"
    (repo.path / ".git/refs/gitexp").rename(repo.path / "elsewhere")
    (repo.path / ".git/refs/gitexp").touch()
    with pytest.raises(GitexpError, match="cannot keep the new commit"):
        refs.keep(opened, f"{TMP}a", tip)


# --- what leads where ----------------------------------------------------------------------------


def test_a_commit_that_nothing_leads_to_is_unreachable_collected_or_not(
    project: BuiltRepo, tmp_path: Path
) -> None:
    first, tip = (CommitHash(project.hash(name)) for name in ("HEAD~1", "HEAD"))

    def lone(text: str) -> CommitHash:
        return CommitHash(project.git("commit-tree", project.tree(), "-p", tip, "-m", text))

    loose, tagged, fetched, stashed = map(lone, ("loose", "tagged", "fetched", "stashed"))
    gone = CommitHash("1" * 40)
    project.git("tag", "-a", "-m", "x", "v1", tagged)
    project.git("update-ref", "refs/remotes/origin/x", fetched)
    project.git("update-ref", "refs/stash", stashed)
    repo = open_repository(project.workspace)
    asked = [first, tip, loose, tagged, fetched, stashed, gone, loose]
    assert refs.unreachable(repo, asked) == {loose, stashed, gone}
    assert refs.unreachable(repo, []) == frozenset()
    project.git("checkout", "-q", "--detach", loose)
    assert refs.unreachable(repo, asked) == {stashed, gone}
    shallow = open_repository(
        clone(project, tmp_path / "s", "--depth=1", "--branch=main").workspace
    )
    assert refs.unreachable(shallow, [tip, first, gone]) == frozenset()  # unknown, not gone


def test_before_the_first_commit_nothing_is_reachable(repo: BuiltRepo) -> None:
    tree = repo.git("hash-object", "-t", "tree", "-w", "--stdin", data=b"")
    lone = CommitHash(repo.git("commit-tree", tree, "-m", "x"))
    assert refs.unreachable(open_repository(repo.workspace), [lone]) == {lone}


def test_a_branch_is_merged_where_its_whole_history_is(project: BuiltRepo) -> None:
    old, tip = CommitHash(project.hash("HEAD~1")), CommitHash(project.hash())
    project.git("update-ref", "refs/remotes/origin/exp/a", old)
    project.git("tag", "-a", "-m", "x", "v1", old)
    project.git("update-ref", "refs/other/x", old)
    project.git("update-ref", "refs/heads/exp/\x85a\u2028", tip)  # no end of a line for git
    repo = open_repository(project.workspace)
    assert refs.merged(repo, old) == {"refs/remotes/origin/exp/a", "refs/tags/v1"}
    assert refs.merged(repo, tip) == {
        "refs/heads/main", "refs/remotes/origin/exp/a", "refs/tags/v1",
        "refs/heads/exp/\x85a\u2028",
    }  # fmt: skip


def test_when_a_branch_was_last_touched_is_its_committers_date(project: BuiltRepo) -> None:
    tree = project.tree()
    far = f"tree {tree}\nauthor A <a> 0 +0000\ncommitter A <a> {1 << 40} +0000\n\nx\n"
    odd = f"tree {tree}\nauthor A <a> 0 +0000\ncommitter A <a> never +0000\n\nx\n"
    project.git("update-ref", "refs/heads/far", project.write_object("commit", far.encode()))
    project.git("update-ref", "refs/heads/odd", project.write_object("commit", odd.encode()))
    found = refs.touched(open_repository(project.workspace))
    assert found["refs/heads/main"] == datetime(2024, 1, 1, 0, 2, tzinfo=UTC)
    assert found["refs/heads/far"].year > 3000
    assert found.get("refs/heads/odd", datetime.fromtimestamp(0, UTC)).year == 1970


def test_a_move_says_in_the_log_who_made_it(project: BuiltRepo) -> None:
    repo, old, new = open_repository(project.workspace), project.hash("HEAD~1"), project.hash()
    message = Message(
        "gitexp run: x\n\nbody", ADA, NOW, committer=Person("Bob <x>", "bob@example.org")
    )
    with refs.held(repo, {"refs/heads/exp/a": (ABSENT, old)}, message) as set_all:
        assert refs.read_ref(repo, "refs/heads/exp/a") is ABSENT  # locked, not moved
        set_all()
    move(repo, {"refs/heads/exp/a": (old, new)})
    log = project.git("log", "-g", "--format=%gs|%gn|%ge", "exp/a").splitlines()
    assert log == [
        "gitexp test|Ada Lovelace|ada@example.org",
        "gitexp run: x|Bob x|bob@example.org",
    ]


def test_a_block_that_fails_moves_nothing(project: BuiltRepo) -> None:
    repo, old = open_repository(project.workspace), project.hash("HEAD~1")
    moves: Mapping[str, tuple[refs.Target, refs.Target]] = {"refs/heads/exp/a": (ABSENT, old)}
    with pytest.raises(KeyError), refs.held(repo, moves, Message("m", ADA, NOW)):
        raise KeyError
    assert refs.read_ref(repo, "refs/heads/exp/a") is ABSENT
    assert project.locks() == []


def test_an_object_that_is_no_commit_cannot_be_a_branch(project: BuiltRepo) -> None:
    repo = open_repository(project.workspace)
    for target in (project.tree(), "1" * 40):
        with pytest.raises(GitexpError, match="cannot move refs") as caught:
            move(repo, {"refs/heads/exp/a": (ABSENT, target)})
        assert caught.value.found
    assert refs.read_ref(repo, "refs/heads/exp/a") is ABSENT
