"""The project's folder, which a branch names, is one of this repository, as all who ask Git see it.

Git, libgit2 and GitPython take a folder with HEAD and objects for a repository before they come to
the work tree's own. The control is what they say of the same folder.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

import git as gitpython
import pygit2
import pytest

from gitexp.dvc import dvc_config, exchange
from gitexp.dvc.cache import open_cache
from gitexp.errors import ForeignRemoteError, GitexpError, UnsafeInputError
from gitexp.git import command
from gitexp.git.discovery import discover, project_folder
from tests.lab.build import BuiltRepo, clone, git_environment, repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEADS: Final = ("", "ref: refs/heads/none\n", "link")
PARTS: Final = ("objects/x", "refs/x", "commondir", "config")
TEXTS: Final = {
    "commondir": "../.git\n",
    "config": "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = ..\n",
}


def shaped(sub: Path, head: str, parts: tuple[str, ...]) -> None:
    """Lay out a folder with some of what a repository has."""
    sub.mkdir()
    (sub / "train.py").touch()
    if head == "link":
        (sub / "HEAD").symlink_to("refs/heads/none")
    elif head:
        (sub / "HEAD").write_text(head)
    for part in parts:
        (sub / part).parent.mkdir(exist_ok=True)
        (sub / part).write_text(TEXTS.get(part, ""))


def takers(sub: Path) -> set[str]:
    """Return who takes a folder for a repository: Git, libgit2, GitPython."""
    found = set()
    done = subprocess.run(
        ["git", "rev-parse", "--absolute-git-dir"], cwd=sub, env=git_environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.stdout.strip() != str(sub.parent / ".git"):
        found.add("git")
    if pygit2.discover_repository(str(sub)) != f"{sub.parent}/.git/":
        found.add("libgit2")
    try:
        if gitpython.Repo(sub, search_parent_directories=True).git_dir != f"{sub.parent}/.git":
            found.add("GitPython")
    except gitpython.InvalidGitRepositoryError:
        found.add("GitPython")
    return found


def refusals(sub: Path) -> set[str]:
    """Return which doors refuse to work in a folder."""
    doors: dict[str, Callable[[], object]] = {
        "git": lambda: command.attempt(sub, ["rev-parse", "--git-dir"]),
        "start": lambda: discover(sub),
        "project": lambda: project_folder(sub.parent, sub.name),
        "dvc": lambda: dvc_config.has_dvc(sub),
    }
    refused = set()
    for name, door in doors.items():
        try:
            door()
        except UnsafeInputError:
            refused.add(name)
    assert refused in (set(), doors.keys())
    return refused


@pytest.mark.parametrize("tracked", [True, False])
def test_no_folder_that_anybody_takes_for_a_repository_is_worked_in(
    repo: BuiltRepo, *, tracked: bool
) -> None:
    """`tracked`: by Git; else data of a project of ours, which a branch chooses as well."""
    taken = set[str]()
    sub = repo.path / "sub"
    if not tracked:
        (repo.path / ".dvc").mkdir()
    for head in HEADS:
        for parts in itertools.chain.from_iterable(
            itertools.combinations(PARTS, n) for n in range(len(PARTS) + 1)
        ):
            shaped(sub, head, parts)
            if tracked:
                repo.git("add", "--all", "--force")
            who, refused = takers(sub), refusals(sub)
            assert refused or not who, (head, parts, who)
            assert not refused or (head and {"objects/x", "commondir"} & {*parts}), (head, parts)
            taken |= who
            shutil.rmtree(sub)
    assert taken == {"git", "libgit2", "GitPython"}


def test_a_folder_below_one_is_not_worked_in_either(repo: BuiltRepo) -> None:
    shaped(repo.path / "sub", HEADS[1], ("objects/x", "refs/x"))
    inner = repo.path / "sub" / "project"
    inner.mkdir()
    repo.git("add", "--all", "--force")
    with pytest.raises(UnsafeInputError, match="HEAD and objects in sub"):
        project_folder(repo.path, "sub/project")
    with pytest.raises(UnsafeInputError):
        discover(inner)
    repo.git("rm", "-rq", "--cached", "sub")
    discover(inner)  # the control: nobody's but the user's, as a server's may be
    (repo.path / ".gitexp").mkdir()
    with pytest.raises(UnsafeInputError):
        discover(inner)


# --- another repository's folder ------------------------------------------------------------------


def _link(repo: BuiltRepo, other: BuiltRepo) -> None:
    (repo.path / "sub").symlink_to(other.path)


def _link_above(repo: BuiltRepo, other: BuiltRepo) -> None:
    (other.path / "deep").mkdir()
    (repo.path / "sub").symlink_to(other.path)


def _link_inside(repo: BuiltRepo, _: BuiltRepo) -> None:
    (repo.path / "own").mkdir()
    (repo.path / "sub").symlink_to("own")


def _clone(repo: BuiltRepo, other: BuiltRepo) -> None:
    clone(other, repo.path / "sub")


def _submodule(repo: BuiltRepo, other: BuiltRepo) -> None:
    allow = ("-c", "protocol.file.allow=always")
    repo.git(*allow, "submodule", "--quiet", "add", str(other.path), "sub")


PLACES: Final[dict[str, Callable[[BuiltRepo, BuiltRepo], None]]] = {
    "sub": _link,
    "sub/deep": _link_above,
    "./sub": _link_inside,
    "sub/": _clone,
    "sub/.": _submodule,
}


@pytest.mark.parametrize("project", PLACES)
def test_no_project_lies_in_another_repository(
    repo: BuiltRepo, tmp_path: Path, project: str
) -> None:
    other = repository(tmp_path / "other")
    text = "[core]\n    remote = s\n['remote \"s\"']\n    url = /public\n"
    other.commit({"train.py": "", ".dvc/config": text})
    PLACES[project](repo, other)
    if project != "./sub":  # the control: DVC there would go by the other's settings
        found = exchange.remote_of(repo.path / project, {}, trust=project == "sub/.")
        assert found is not None
        assert str(found.folder) == "/public"
    with pytest.raises(UnsafeInputError, match="not one of this repository"):
        project_folder(repo.path, project)


def test_a_folder_of_this_one_is_a_project(repo: BuiltRepo) -> None:
    (repo.path / "a/b").mkdir(parents=True)
    assert project_folder(repo.path, "a/b") == repo.path / "a/b"
    assert project_folder(repo.path, "") == project_folder(repo.path, ".") == repo.path
    for name in ("..", "a/../.."):
        with pytest.raises(UnsafeInputError):
            project_folder(repo.path, name)


# --- real repositories ----------------------------------------------------------------------------


def _server(repo: BuiltRepo) -> Path:
    repo.git("clone", "-q", "--bare", ".", "../server.git")
    return repo.path.parent / "server.git"


def _server_in_a_home(repo: BuiltRepo) -> Path:
    """A bare repository in a work tree that has nothing to do with it: a home under Git."""
    repo.git("clone", "-q", "--bare", ".", "srv/server.git")
    return repo.path / "srv/server.git"


def _below_bare(repo: BuiltRepo) -> Path:
    """The Git directory is `.bare`, to which a file `.git` beside it leads."""
    home = repo.path.parent / "home"
    home.mkdir()
    repo.git("clone", "-q", "--bare", ".", str(home / ".bare"))
    (home / ".git").write_text("gitdir: ./.bare\n")
    (home / ".gitexp").mkdir()
    return home


def _worktree_of_bare(repo: BuiltRepo) -> Path:
    home = _below_bare(repo)
    repo.git("-C", str(home), "worktree", "add", "-q", "../home/main", "main")
    return home / "main"


def _worktree(repo: BuiltRepo) -> Path:
    repo.git("worktree", "add", "-q", "-b", "more", "../more")
    return repo.path.parent / "more"


def _inside_git(repo: BuiltRepo) -> Path:
    (repo.path / ".gitexp").mkdir()
    return repo.path / ".git" / "refs"


def _in_submodule(repo: BuiltRepo) -> Path:
    _submodule(repo, clone(repo, repo.path.parent / "other"))
    (repo.path / "sub" / "deep").mkdir()
    return repo.path / "sub" / "deep"


def _by_link(repo: BuiltRepo) -> Path:
    (repo.path.parent / "link").symlink_to(repo.path)
    return repo.path.parent / "link"


REAL: Final = [_server, _server_in_a_home, _below_bare, _worktree_of_bare, _worktree, _inside_git,
               _in_submodule, _by_link]  # fmt: skip


@pytest.mark.parametrize("way", REAL)
def test_a_repository_of_the_users_is_worked_in(
    repo: BuiltRepo, way: Callable[[BuiltRepo], Path]
) -> None:
    repo.commit({"train.py": ""})
    start = way(repo)
    workspace = discover(start)
    tip = command.run(workspace, ["rev-parse", "HEAD"])
    assert tip == command.run(start, ["rev-parse", "HEAD"]) == f"{repo.hash('HEAD')}\n".encode()


def test_a_password_goes_by_no_repository_of_the_branchs(repo: BuiltRepo) -> None:
    """A project below the top; the branch changes its address, and brings who vouches for it."""
    text = "[core]\n    remote = s\n['remote \"s\"']\n    url = /store\n"
    repo.commit({"sub/.dvc/config": text})
    repo.git("update-ref", "refs/remotes/origin/main", "main")
    repo.git("switch", "-qc", "exp/evil")
    repo.commit({"sub/.dvc/config": text.replace("store", "evil")}, at=2)
    with pytest.raises(ForeignRemoteError):
        exchange.remote_of(repo.path / "sub", {})  # the control
    repo.commit({"sub/HEAD": HEADS[1], "sub/objects/x": "", "sub/refs/x": ""}, at=3)
    doors: list[Callable[[Path], object]] = [
        lambda sub: exchange.remote_of(sub, {}),
        lambda sub: exchange.remote_of(sub, {}, trust=True),
        lambda sub: exchange.sent_by_dvc(sub, [], None, trust=True),
        lambda sub: open_cache(sub, {}),
    ]
    for door in doors:
        with pytest.raises(GitexpError) as caught:
            door(repo.path / "sub")
        assert isinstance(caught.value, UnsafeInputError)
