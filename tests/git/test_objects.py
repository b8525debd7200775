from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitexp.errors import (
    DamagedDataError,
    GitexpError,
    RefusedTreeError,
    UnknownRevisionError,
    UnsafeInputError,
)
from gitexp.git import merging, objects, writing
from gitexp.git.repository import open_repository
from gitexp.git.tree import MODE_TREE
from gitexp.git.writing import DELETE
from gitexp.model.ids import ABSENT, BlobId, CommitHash, TreeId
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
    assert caught.value.next_step == shallow.whole


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--depth=1",), 5),
        (("--depth=1", "--no-single-branch"), 3),
        (("--single-branch",), 4),
    ],
)
def test_what_a_clone_was_made_without_is_brought_by_the_next_step(
    options: tuple[str, ...], parts: int, repo: BuiltRepo, tmp_path: Path
) -> None:
    repo.commit(FILES)
    repo.switch("exp/a", create=True)
    wanted = repo.commit({"z": "1\n"}, at=2)
    repo.commit({"z": "2\n"}, at=3)
    repo.switch("main")
    there = clone(repo, tmp_path / "there", *options)
    with pytest.raises(UnknownRevisionError) as caught:
        objects.resolve(open_repository(there.workspace), "origin/exp/a~1")
    step = shlex.split(caught.value.next_step or "")
    assert len(step) == parts, step
    there.git(*step[1:])
    assert objects.resolve(open_repository(there.workspace), "origin/exp/a~1") == wanted


def test_a_clock_that_went_wrong_makes_no_commit_new(repo: BuiltRepo, opened: Repo) -> None:
    """Parents decide, never a clock: libgit2, as Git, stops a walk by the dates of commits."""
    first = CommitHash(repo.hash())
    second = CommitHash(repo.commit({"z": "2"}, at=2))
    repo.branch("own")
    for number in range(12):  # a machine whose battery is dead
        repo.commit({"y": f"{number}"}, at=number - 1_000_000)
    main = CommitHash(repo.hash())
    assert list(objects.history(opened, [second], hide=[main])) == []
    repo.switch("own")
    own = CommitHash(repo.commit({"x": "1"}, at=3))
    assert [info.hash for info in objects.history(opened, [own], hide=[main])] == [own]
    alone = [info.hash for info in objects.history(opened, [main], hide=[own])]
    assert len(alone) == 12
    assert not {first, second} & set(alone)


def test_a_tree_is_read_where_a_commit_is(repo: BuiltRepo, opened: Repo) -> None:
    tree = TreeId(repo.tree())
    assert objects.read_blob(opened, tree, "z") == b"z\n"
    assert objects.tree_id(opened, tree) == tree


def test_an_empty_tree_needs_no_object(repo: BuiltRepo) -> None:
    repo.git("commit", "--allow-empty", "--message", "nothing")
    opened = open_repository(repo.workspace)
    assert opened.entries(TreeId("4b825dc642cb6eb9a060e54bf8d69288fbee4904")) == {}


# --- histories of every shape --------------------------------------------------------------------


def grown(repo: BuiltRepo, text: str, *parents: str, tree: str = "") -> CommitHash:
    """Return a commit that no ref leads to."""
    given = [part for parent in parents for part in ("-p", parent)]
    return CommitHash(repo.git("commit-tree", tree or repo.tree(), *given, "-m", text))


def test_history_is_what_git_lists_whatever_hides_and_wherever_it_starts(
    repo: BuiltRepo, opened: Repo
) -> None:
    base = repo.hash()
    one, two, three = (grown(repo, text, base) for text in ("one", "two", "three"))
    octopus = grown(repo, "octopus", one, two, three)
    cross, crossed = grown(repo, "x", one, two), grown(repo, "y", two, one)
    lone = grown(repo, "lone")
    tip = grown(repo, "tip", octopus, cross, lone)
    for tips, hide in (
        ([tip], []), ([tip, crossed], []), ([tip], [one]), ([tip], [tip]),
        ([cross, crossed], [two, lone]), ([], []),
    ):  # fmt: skip
        ours = [info.hash for info in objects.history(opened, tips, hide=hide)]
        lines = "".join([*(f"{x}\n" for x in tips), *(f"^{x}\n" for x in hide)])
        theirs = repo.git("rev-list", "--stdin", data=lines.encode()).split()
        assert set(ours) == set(theirs)
        assert len(ours) == len(set(ours))
        seen: set[str] = set()
        for info in objects.history(opened, tips, hide=hide):
            assert not seen & set(info.parents)  # children before parents
            seen.add(info.hash)
    assert objects.merge_base(opened, cross, crossed) in {one, two}
    assert objects.merge_base(opened, lone, one) is ABSENT
    for ancestor, commit, expected in (
        (one, tip, True), (lone, tip, True), (tip, one, False), (tip, tip, True),
        (lone, crossed, False),
        (CommitHash("1" * 40), tip, False), (one, CommitHash("1" * 40), False),
        (CommitHash(repo.tree()), tip, False),
    ):  # fmt: skip
        assert objects.is_ancestor(opened, ancestor, commit) is expected


def test_what_came_in_by_parallel_lines_has_several_origins(repo: BuiltRepo, opened: Repo) -> None:
    base = repo.hash()
    left, right = grown(repo, "left", base), grown(repo, "right", base)
    merged = grown(repo, "merged", left, right)
    tip = grown(repo, "tip", merged)
    assert objects.origins(opened, tip, {tip}.__contains__) == [tip]
    assert objects.origins(opened, tip, {tip, merged, left}.__contains__) == [left]
    both = objects.origins(opened, tip, {tip, merged, left, right}.__contains__)
    assert set(both) == {left, right}
    assert objects.origins(opened, tip, lambda _: True) == [base]
    assert objects.origins(opened, merged, {tip, merged, base}.__contains__) == [merged]


def test_a_missing_part_of_a_history_is_named(repo: BuiltRepo, opened: Repo) -> None:
    who = "A <a> 0 +0000"
    text = f"tree {repo.tree()}\nparent {'1' * 40}\nauthor {who}\ncommitter {who}\n\nx\n"
    tip = CommitHash(repo.write_object("commit", text.encode()))
    with pytest.raises(DamagedDataError, match="cannot be read"):
        list(objects.history(opened, [tip]))
    with pytest.raises(DamagedDataError, match="cannot be read"):
        objects.merge_base(opened, tip, CommitHash(repo.hash()))
    assert objects.exists(opened, tip)
    assert not objects.exists(opened, "1" * 40)
    assert not objects.exists(opened, repo.tree())
    assert not objects.exists(opened, "nonsense")


FORGED = {
    "an early date": (b"A <a> -1 +0000", "1969"), "no date": (b"A <a> x +0000", "1970"),
    "a date beyond all": (b"A <a> 99999999999999999 +0000", "1970"),
    "an offset beyond all": (
        b"A <a> 1704067200 +9999", ""), "no name": (b" <a> 1704067200 +0000", "2024",
    ),
    "a name that is no text": (b"\xff <a\xff> 1704067200 -0330", "2023"),
}  # fmt: skip


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_author_is_told_as_well_as_can_be(
    repo: BuiltRepo, opened: Repo, case: str
) -> None:
    who, year = FORGED[case]
    head = b"tree %b\nauthor %b\ncommitter A <a> 0 +0000" % (repo.tree().encode(), who)
    commit = CommitHash(repo.write_object("commit", head + b"\n\n  \n\xfcber\r\n"))
    try:
        info = objects.commit_info(opened, commit)
    except GitexpError as error:
        assert error.where == commit  # noqa: PT017
        return
    assert info.subject == "\\xfcber"
    assert info.author.name.isprintable()
    assert info.time.tzinfo is not None
    assert info.time.isoformat().startswith(year)


def test_a_signature_is_there_whoever_made_it(repo: BuiltRepo, opened: Repo) -> None:
    assert not objects.is_signed(opened, CommitHash(repo.hash()))
    head, _, body = repo.git("cat-file", "commit", "HEAD").partition("\n\n")
    signed = f"{head}\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n nonsense\n\n{body}\n"
    assert objects.is_signed(opened, CommitHash(repo.write_object("commit", signed.encode())))
    spoken = f"{head}\n\ngpgsig -----BEGIN PGP SIGNATURE-----\n"
    assert not objects.is_signed(opened, CommitHash(repo.write_object("commit", spoken.encode())))


# --- revisions that could mean several -----------------------------------------------------------


def test_a_branch_comes_before_a_tag_and_a_commit_before_both(
    repo: BuiltRepo, opened: Repo
) -> None:
    first = repo.hash()
    second = repo.commit({"z": "2\n"}, at=2)
    repo.branch("twice", first)
    repo.git("tag", "twice", second)
    repo.git("tag", first[:8], second)
    repo.git("tag", second, first)
    repo.git("update-ref", "refs/remotes/origin/far", first)
    repo.git("update-ref", "refs/tags/origin/far", second)
    for text, commit in (
        ("twice", first), ("twice^0", first), ("refs/tags/twice", second), ("tags/twice", second),
        ("heads/twice", first),
        (first[:8], first), (second, second), ("origin/far", first), ("main~1", first),
        ("main^{commit}", second),
        ("HEAD@{0}", second), ("@~", first),
    ):  # fmt: skip
        assert objects.resolve(opened, text) == commit, text


def test_a_revision_that_is_none_is_shown_in_ascii_with_what_was_expected(opened: Repo) -> None:
    with pytest.raises(UnknownRevisionError, match="no such revision") as caught:
        objects.resolve(opened, "\u202emain\x1b[2J")
    assert caught.value.found == "\\u202emain\\x1b[2J"
    assert caught.value.expected == "main"
    with pytest.raises(UnknownRevisionError) as far:
        objects.resolve(opened, "experiment")
    assert far.value.expected == "a branch, tag, or commit"


# --- paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("params.yaml", "file"), ("./params.yaml", "file"), ("src//a.py", "file"),
        ("src/./deep/b.py", "file"),
        ("src", "folder"), ("src/", "none"), ("src/deep", "folder"), ("", "none"), (".", "none"),
        ("none", "none"),
        ("src/../params.yaml", "none"), ("PARAMS.yaml", "none"), ("params.yaml/", "none"),
    ],
)  # fmt: skip
def test_a_path_is_found_as_joined_paths_are_written(opened: Repo, path: str, kind: str) -> None:
    commit = objects.resolve(opened, "HEAD")
    entry = objects.entry_at(opened, commit, path)
    found = "none" if entry is ABSENT else "folder" if entry.mode == MODE_TREE else "file"
    assert found == kind
    assert (objects.blob_id(opened, commit, path) is not ABSENT) == (kind == "file")
    assert (objects.read_blob(opened, commit, path) is not ABSENT) == (kind == "file")


def test_names_at_the_top_that_differ_are_told_whatever_lies_below(
    repo: BuiltRepo, opened: Repo
) -> None:
    first = CommitHash(repo.hash())
    second = CommitHash(repo.commit({"src/deep/b.py": "new\n", "z": None, "y": "z\n"}, at=2))
    (repo.path / "params.yaml").chmod(0o755)
    repo.git("add", "params.yaml")
    third = CommitHash(repo.commit(at=3))
    assert objects.changed_names(opened, first, second) == {b"src", b"z", b"y"}
    assert objects.changed_names(opened, second, third) == {b"params.yaml"}
    assert objects.changed_names(opened, first, first) == frozenset()


def test_to_look_at_a_commit_says_what_cannot_be_looked_at(repo: BuiltRepo, opened: Repo) -> None:
    tip = CommitHash(repo.hash())
    objects.look_at(opened, tip, ["src", "none", "params.yaml/x"])
    with pytest.raises(RefusedTreeError, match="not what it should be") as caught:
        objects.look_at(opened, CommitHash(repo.tree()), [])
    assert (caught.value.found, caught.value.expected) == ("a tree", "a commit")
    blob = repo.hash("HEAD:z")
    evil = repo.write_object("tree", b"100644 .git\0" + bytes.fromhex(blob))
    tree = repo.write_object("tree", b"40000 sub\0" + bytes.fromhex(evil))
    commit = grown(repo, "evil", tree=tree)
    objects.look_at(opened, commit, [])
    assert objects.read_blob(opened, commit, "sub/.git") is ABSENT  # leads nowhere
    assert objects.list_dir(opened, commit, "sub") == ()
    with pytest.raises(RefusedTreeError) as folder:
        objects.look_at(opened, commit, ["sub"])
    assert folder.value.where == f"tree {evil}"
    false = repo.write_object("tree", b"40000 sub\0" + bytes.fromhex(blob))
    with pytest.raises(RefusedTreeError, match="not what it should be"):
        objects.look_at(opened, grown(repo, "false", tree=false), ["sub"])
    with pytest.raises(DamagedDataError, match="missing"):
        objects.look_at(opened, CommitHash("1" * 40), [])


def test_a_repository_says_its_settings_as_git_reads_them(
    repo: BuiltRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.git("config", "a.b", "1")
    repo.git("config", "--add", "a.B", "two\nlines")
    for name, value in (("on", "Yes"), ("off", "off"), ("odd", "2"), ("one", "1")):
        repo.git("config", f"x.{name}", value)
    with (repo.path / ".git/config").open("a") as config:
        config.write("[x]\n\tbare\n")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "x.given")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    opened = open_repository(repo.workspace)
    assert opened.settings["a.b"] == "two\nlines"
    true = {name for name in ("on", "off", "odd", "one", "bare", "given", "none")
            if opened.setting_is_true(f"x.{name}")}  # fmt: skip
    assert true == {"on", "one", "bare", "given"}
    assert not opened.partial
    assert not opened.reftable


def test_the_size_of_a_blob_needs_no_content(repo: BuiltRepo, opened: Repo) -> None:
    assert opened.size(BlobId(repo.hash("HEAD:z"))) == 2
    with pytest.raises(DamagedDataError, match="missing") as caught:
        opened.size(BlobId("1" * 40))
    assert (caught.value.where, caught.value.next_step) == ("1" * 40, "git fetch, then git fsck")


def test_what_brought_a_commit_to_a_branch_is_itself_or_a_merge(repo: BuiltRepo) -> None:
    first = CommitHash(repo.commit({"a": "1"}))
    repo.switch("side", create=True)
    inner, last = (CommitHash(repo.commit({"b": f"{at}"}, at=at)) for at in (1, 2))
    repo.switch("main")
    second = CommitHash(repo.commit({"a": "2"}, at=3))
    repo.git("merge", "-q", "--no-ff", "-m", "m", "side")
    merge, tip = CommitHash(repo.hash()), CommitHash(repo.commit({"a": "3"}, at=5))
    opened = open_repository(repo.workspace)
    own = (first, second, merge, tip)
    assert [objects.brought_by(opened, each, tip) for each in own] == list(own)
    assert {objects.brought_by(opened, each, tip) for each in (inner, last)} == {merge}
    assert objects.brought_by(opened, tip, merge) is ABSENT
