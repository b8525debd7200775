"""Which branch is main, and whose branches give rules: no date and no stranger's push decides."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitexp.errors import GitFailedError
from gitexp.git import upstream
from gitexp.git.repository import Repo, open_repository
from tests.lab.build import git_environment, repository

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.build import BuiltRepo

HOOK = (Path(__file__).parents[2] / "hooks/pre-commit").read_text("utf-8")
CHOICE = HOOK.partition("unsure=\n")[2].partition("up='' origin=''")[0].partition("case $main in\n")
PARTS = st.from_regex(r"[a-z][a-z0-9.-]{0,6}[a-z0-9]", fullmatch=True)
NAMES = st.lists(PARTS, min_size=1, max_size=3).map("/".join)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[BuiltRepo, str, str]:
    """A repository and two commits, to which each test leads refs of its own."""
    repo = repository(tmp_path_factory.mktemp("upstream") / "repo")
    return repo, repo.commit({"a": "1\n"}), repo.commit({"a": "2\n"}, at=2)


def lead(project: tuple[BuiltRepo, str, str], refs: Sequence[str], head: str = "") -> BuiltRepo:
    """Have these refs and no others; `head` is where origin's HEAD stands."""
    repo, old, new = project
    lines = [f"update {ref} {new if 'new' in ref else old}\n" for ref in refs]
    lines += [f"delete {ref}\n" for ref in repo.refs() if ref not in refs]
    repo.git_bytes("update-ref", "--no-deref", "--stdin", data="".join(lines).encode())
    if head:
        repo.git("symbolic-ref", "refs/remotes/origin/HEAD", f"refs/remotes/origin/{head}")
    return repo


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ref", "name", "remote"),
    [
        ("refs/heads/main", "main", ""),
        ("refs/heads/exp/a/b", "exp/a/b", ""),
        ("refs/remotes/origin/exp/a", "exp/a", "exp/a"),
        ("refs/remotes/origin/HEAD", "HEAD", "HEAD"),
        ("refs/remotes/fork/main", "main", "main"),
        ("refs/tags/exp-archive/a", "exp-archive/a", ""),
        ("refs/heads/refs/remotes/origin/x", "refs/remotes/origin/x", ""),
        ("refs/heads/\udcff", "\udcff", ""),
        ("refs/remotes/origin", "origin", ""),  # a ref beside the remotes' folders
        ("HEAD", "HEAD", ""),
    ],
)
def test_the_short_name_of_a_ref_is_what_a_person_calls_it(
    ref: str, name: str, remote: str
) -> None:
    assert upstream.short(ref) == name
    assert upstream.followed(ref) == remote


@given(PARTS, NAMES)
def test_a_remotes_branch_has_the_short_name_of_ours(remote: str, name: str) -> None:
    assert upstream.followed(f"refs/remotes/{remote}/{name}") == name
    assert upstream.short(f"refs/remotes/{remote}/{name}") == upstream.short(f"refs/heads/{name}")
    assert upstream.followed(f"refs/heads/{name}") == ""


@pytest.mark.parametrize(
    ("patterns", "main", "found"),
    [
        (("main", "master"), "main", ("main",)),
        (("main", "master"), "master", ("master",)),
        (("master", "main", "release/*"), "trunk", ("trunk", "release/*")),
        (("release/*", "main", "x", "master"), "master", ("release/*", "master", "x")),
        (("main", "master"), "", ("main", "master")),  # nobody says which: both stay
        (("main", "develop"), "master", ("main", "develop")),  # one alone was meant as it stands
        (("master",), "main", ("master",)),
        ((), "main", ()),
    ],
)
def test_main_and_master_named_together_mean_the_one_that_counts(
    patterns: tuple[str, ...], main: str, found: tuple[str, ...]
) -> None:
    assert upstream.single(patterns, main) == found


@given(st.lists(st.sampled_from(["main", "master", "a", "b/*"])), st.sampled_from(["main", "t"]))
def test_once_chosen_main_is_chosen_for_good(patterns: list[str], main: str) -> None:
    once = upstream.single(patterns, main)
    assert upstream.single(once, main) == once


# --- which branch is main ------------------------------------------------------------------------

LOCAL, ORIGIN, FORK = "refs/heads/", "refs/remotes/origin/", "refs/remotes/fork/"
MAINS = {
    "nothing at all": ((), "", ""),
    "a local main": ((f"{LOCAL}main",), "", "main"),
    "a local master": ((f"{LOCAL}master",), "", "master"),
    "both, here": ((f"{LOCAL}main", f"{LOCAL}master"), "", "main"),
    "master here, main pushed to origin": ((f"{LOCAL}master", f"{ORIGIN}main"), "", "master"),
    "origin's alone": ((f"{ORIGIN}master", f"{LOCAL}exp/a"), "", "master"),
    "both of origin": ((f"{ORIGIN}master", f"{ORIGIN}main"), "", "main"),
    "origin says master": (
        (f"{LOCAL}main", f"{ORIGIN}main", f"{ORIGIN}master"), "master", "master",
    ),
    "origin says trunk": ((f"{LOCAL}main", f"{ORIGIN}trunk"), "trunk", "trunk"),
    "origin stands on an experiment": ((f"{LOCAL}main", f"{ORIGIN}exp/a"), "exp/a", "main"),
    "a fork's main is nobody's": ((f"{FORK}main", f"{LOCAL}topic"), "", ""),
    "a fork's main beside our master": ((f"{FORK}main", f"{LOCAL}master"), "", "master"),
    "names that only begin so": ((f"{LOCAL}main2", f"{LOCAL}mainly/x", f"{LOCAL}x/main"), "", ""),
    "a tag is not a branch": (("refs/tags/main", f"{LOCAL}master"), "", "master"),
}  # fmt: skip


@pytest.mark.parametrize("case", MAINS)
def test_one_branch_counts_as_main_for_the_hooks_too(
    project: tuple[BuiltRepo, str, str], case: str
) -> None:
    refs, head, main = MAINS[case]
    repo = lead(project, refs, head)
    assert upstream.main_of(repo.path) == open_repository(repo.workspace).main == main
    # The hook in sh chooses alike.
    script = f'{CHOICE[0]}printf %s "$main"'
    done = subprocess.run(
        ["sh", "-c", script], cwd=repo.path, env=git_environment(), capture_output=True, check=True
    )
    assert done.stdout.decode() == (main or "master")  # of which there is none, so no rule comes


def test_origins_head_of_a_branch_that_is_gone_still_says_its_name(
    project: tuple[BuiltRepo, str, str],
) -> None:
    """A server that renamed main is asked again by the next fetch; until then its word holds."""
    repo = lead(project, (f"{LOCAL}master",), "trunk")
    # git lists no ref that leads nowhere
    assert upstream.main_of(repo.path) == open_repository(repo.workspace).main == "master"


def test_a_bare_repositorys_main_is_where_its_head_stands(tmp_path: Path) -> None:
    bare = repository(tmp_path / "bare.git", bare=True)
    assert upstream.main_of(bare.workspace) == "main"  # unborn, and named all the same
    bare.git("symbolic-ref", "HEAD", "refs/heads/team/trunk")
    assert upstream.main_of(bare.workspace) == "team/trunk"
    empty = bare.git("hash-object", "-t", "tree", "-w", "--stdin", data=b"")
    bare.git("update-ref", "--no-deref", "HEAD", bare.git("commit-tree", empty, "-m", "x"))
    assert upstream.main_of(bare.workspace) == ""  # detached


def test_where_git_cannot_list_refs_it_is_an_error_and_not_a_repository_without_main(
    tmp_path: Path,
) -> None:
    with pytest.raises(GitFailedError, match="git for-each-ref failed") as caught:
        upstream.main_of(tmp_path)
    assert "not a git repository" in caught.value.found
    with pytest.raises(GitFailedError, match="git for-each-ref failed"):
        upstream.own(tmp_path, ("exp/*",))


# --- branches of one's own -----------------------------------------------------------------------


def names(repo: BuiltRepo, *patterns: str) -> list[str]:
    found = upstream.own(repo.path, patterns)
    assert upstream.own(open_repository(repo.workspace), patterns) == found  # without a process
    return [each.ref for each in found]


def test_of_one_name_the_upstream_comes_first_then_origins_then_ours(
    project: tuple[BuiltRepo, str, str],
) -> None:
    repo = lead(project, (f"{LOCAL}exp/a", f"{ORIGIN}exp/a", "refs/remotes/team/exp/a"))
    assert names(repo, "exp/a") == [f"{ORIGIN}exp/a", f"{LOCAL}exp/a"]  # team's is a fork's
    repo.git("config", "remote.team.url", "x")
    repo.git("config", "remote.team.fetch", "+refs/heads/*:refs/remotes/team/*")
    repo.git("config", "branch.exp/a.remote", "team")
    repo.git("config", "branch.exp/a.merge", "refs/heads/exp/a")
    try:
        assert names(repo, "exp/a") == [
            "refs/remotes/team/exp/a", f"{ORIGIN}exp/a", f"{LOCAL}exp/a",
        ]  # fmt: skip
        # An upstream of another name is what a branch was begun from, not the same branch.
        repo.git("config", "branch.exp/a.merge", "refs/heads/exp/other")
        assert names(repo, "exp/a") == [f"{ORIGIN}exp/a", f"{LOCAL}exp/a"]
        # So a fork from whose main something was begun does not say what our main is.
        lead(project, (f"{LOCAL}exp/a", f"{LOCAL}main", "refs/remotes/team/main"))
        repo.git("config", "branch.exp/a.merge", "refs/heads/main")
        assert names(repo, "exp/a", "main") == [f"{LOCAL}exp/a", f"{LOCAL}main"]
    finally:
        repo.git("config", "--remove-section", "branch.exp/a")
        repo.git("config", "--remove-section", "remote.team")


def test_branches_come_in_the_order_of_their_patterns_whatever_their_dates(
    project: tuple[BuiltRepo, str, str],
) -> None:
    repo = lead(project, (f"{LOCAL}new", f"{LOCAL}old", f"{LOCAL}main"))
    assert names(repo, "old", "new") == [f"{LOCAL}old", f"{LOCAL}new"]
    assert names(repo, "new", "old") == [f"{LOCAL}new", f"{LOCAL}old"]
    assert names(repo) == []
    assert names(repo, "none") == []


def test_a_star_is_widened_to_what_git_can_look_up(project: tuple[BuiltRepo, str, str]) -> None:
    refs = (f"{LOCAL}release/1", f"{LOCAL}release/2/rc", f"{LOCAL}main", f"{ORIGIN}release/9")
    repo = lead(project, refs)
    assert set(names(repo, "release/*")) >= {refs[0], refs[1], refs[3]}
    assert f"{LOCAL}main" not in names(repo, "release/*")
    assert set(names(repo, "*")) == set(refs)


def test_of_main_and_master_one_counts_here_too(project: tuple[BuiltRepo, str, str]) -> None:
    repo = lead(project, (f"{LOCAL}master", f"{ORIGIN}main", f"{ORIGIN}master"))
    assert names(repo, "main", "master") == [f"{ORIGIN}master", f"{LOCAL}master"]
    assert names(repo, "main") == [f"{ORIGIN}main"]


def test_each_own_branch_says_its_name_its_commit_and_its_ref(
    project: tuple[BuiltRepo, str, str],
) -> None:
    repo = lead(project, (f"{ORIGIN}new", f"{LOCAL}old"))
    assert upstream.own(repo.path, ("old", "new")) == [
        ("old", project[1], f"{LOCAL}old"),
        ("new", project[2], f"{ORIGIN}new"),
    ]


PLACES = (LOCAL, ORIGIN, FORK, "refs/remotes/team/")
SHORT = ("main", "master", "trunk", "exp/a", "exp/b", "new")


@settings(max_examples=30)
@given(st.data())
def test_an_open_repository_finds_by_name_what_git_lists(
    project: tuple[BuiltRepo, str, str], data: st.DataObject
) -> None:
    refs = st.builds(str.__add__, st.sampled_from(PLACES), st.sampled_from(SHORT))
    head = data.draw(st.sampled_from(["", "main", "trunk", "exp/a"]))
    repo = lead(project, data.draw(st.lists(refs, unique=True)), head)
    ups = data.draw(st.dictionaries(st.sampled_from(SHORT), st.sampled_from(["team", ".", "gone"])))
    lines = ['[remote "team"]', "url = x", "fetch = +refs/heads/*:refs/remotes/team/*"]
    for branch, remote in ups.items():
        merge = data.draw(st.sampled_from([branch, "main"]))
        lines += [f'[branch "{branch}"]', f"remote = {remote}", f"merge = refs/heads/{merge}"]
    config = repo.path / ".git" / "config"
    before = config.read_text("utf-8")
    try:
        config.write_text(before + "\n".join([*lines, ""]), "utf-8")
        for packed in (False, True):
            if packed:
                repo.git("pack-refs", "--all")
            patterns = data.draw(st.lists(st.sampled_from([*SHORT, "none"]), unique=True))
            names(repo, *patterns)
            assert upstream.main_of(repo.path) == open_repository(repo.workspace).main
    finally:
        config.write_text(before, "utf-8")
        if head:
            repo.git("symbolic-ref", "-d", "refs/remotes/origin/HEAD")


def test_a_broken_ref_is_passed_over(project: tuple[BuiltRepo, str, str]) -> None:
    repo = lead(project, (f"{LOCAL}exp/a", f"{ORIGIN}exp/b"))
    odd = {"exp/b": "no hash\n", "exp/c": f"{'0' * 40}\n", "exp/d": "ref: refs/heads/none\n"}
    for name, content in odd.items():
        (repo.path / ".git" / LOCAL / name).write_text(content)
    try:
        assert names(repo, "exp/a", *odd) == [f"{LOCAL}exp/a", f"{ORIGIN}exp/b"]
    finally:
        for name in odd:
            (repo.path / ".git" / LOCAL / name).unlink()


def test_a_repository_is_asked_once(project: tuple[BuiltRepo, str, str]) -> None:
    repo = lead(project, (f"{LOCAL}master",))
    opened = open_repository(repo.workspace)
    assert opened.main == "master"
    lead(project, (f"{LOCAL}main",))
    assert opened.main == "master"  # one command has one main
    assert Repo(opened.workspace).main == "main"


def test_the_parts_of_the_hook_that_are_run_here_are_still_there() -> None:
    assert re.search(r"^asked\(\) \{", CHOICE[0], re.MULTILINE)
    assert CHOICE[0].rstrip().endswith("esac")
