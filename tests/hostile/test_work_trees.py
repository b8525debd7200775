"""Where the Git directory is not in the work tree, or of another repository's work tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.git.worktree import checkouts
from gitexp.upkeep.doctor import doctor
from tests.execution.test_run import plain
from tests.lab.build import BuiltRepo, clone
from tests.lab.shell import PLAN, gitexp

if TYPE_CHECKING:
    from pathlib import Path

ID = "0123456789abcdef"
SCRIPT = """\
import json, os, pathlib, random
found = [d / "boost.txt" for d in pathlib.Path.cwd().parents if (d / "boost.txt").is_file()]
boost = float(found[0].read_text()) if found else 0
seed = int(os.environ["GITEXP_SEED"])
json.dump({"acc": random.Random(seed).random() + boost}, open("metrics.json", "w"))
open("model.txt", "w").write(str(seed))
"""


def owned(folder: Path) -> BuiltRepo:
    repo = BuiltRepo(folder)
    repo.git("config", "user.name", "Ada Lovelace")
    repo.git("config", "user.email", "ada@example.org")
    return repo


def separate(origin: BuiltRepo, folder: Path) -> BuiltRepo:
    origin.git("clone", "-q", f"--separate-git-dir={folder}/gd", str(origin.path), f"{folder}/w")
    return owned(folder / "w")


def submodule(origin: BuiltRepo, folder: Path) -> BuiltRepo:
    above = BuiltRepo(folder / "super")
    above.path.mkdir()
    above.git("init", "-q")
    allowed = ("-c", "protocol.file.allow=always")
    above.git(*allowed, "submodule", "--quiet", "add", str(origin.path), "sub")
    return owned(folder / "super/sub")


def linked_git_dir(origin: BuiltRepo, folder: Path) -> BuiltRepo:
    made = clone(origin, folder / "w")
    (made.path / ".git").rename(folder / "gd")
    (made.path / ".git").symlink_to(folder / "gd")
    return made


def of_submodule(origin: BuiltRepo, folder: Path) -> BuiltRepo:
    submodule(origin, folder).git("worktree", "add", "-q", "-b", "side", str(folder / "w"))
    return owned(folder / "w")


def ordinary(origin: BuiltRepo, folder: Path) -> BuiltRepo:
    return clone(origin, folder / "w")


LAYOUTS = {each.__name__: each for each in (ordinary, separate, submodule, linked_git_dir)}


@pytest.fixture
def origin(tmp_path: Path) -> BuiltRepo:
    return plain(tmp_path / "origin", SCRIPT)


@pytest.mark.parametrize("layout", [*LAYOUTS, "of_submodule"])
def test_what_moves_a_branch_brings_the_work_tree_along(
    origin: BuiltRepo, tmp_path: Path, layout: str
) -> None:
    repo = (LAYOUTS | {"of_submodule": of_submodule})[layout](origin, tmp_path)
    (tree,) = [each for each in checkouts.listing(repo.workspace) if each.top == repo.path]
    assert not tree.missing
    assert tree.git_dir == repo.workspace.git_dir
    assert gitexp(repo, "run").code == 0
    assert repo.status() == []
    repo.commit({"notes.md": "mine"})
    assert any(path.endswith("run.json") for path in repo.files())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_pull_brings_the_work_tree_along_and_overwrites_nothing(
    origin: BuiltRepo, tmp_path: Path, layout: str
) -> None:
    assert gitexp(origin, "new", "deep", *PLAN, "--metric", "acc:max").code == 0
    repo = LAYOUTS[layout](origin, tmp_path)
    repo.git("switch", "-q", "exp/deep")
    origin.commit({"params.yaml": "lr: 0.2\nseed: 7\n", "more": "x"})
    (repo.path / "params.yaml").write_text("mine")
    head = repo.hash()
    assert gitexp(repo, "pull", "deep").code == 0
    assert repo.hash() != head
    assert (repo.path / "params.yaml").read_text() == "mine"
    assert (repo.path / "more").read_text() == "x"
    assert repo.status() == [" M params.yaml"]


def test_the_main_work_tree_of_a_linked_one_of_a_submodule_is_found(
    origin: BuiltRepo, tmp_path: Path
) -> None:
    repo = of_submodule(origin, tmp_path)
    tops = {each.top: each.missing for each in checkouts.listing(repo.workspace)}
    assert tops == {tmp_path / "super/sub": False, repo.path: False}


@pytest.mark.parametrize("how", ["a link", "a folder of links"])
def test_a_work_tree_of_another_repository_is_none_of_a_given_folder(
    origin: BuiltRepo, tmp_path: Path, how: str
) -> None:
    origin.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    under_way = tmp_path / f"side/.gitexp/tmp/publish-{ID}/0"
    given = clone(origin, tmp_path / "given")
    entries = given.path / ".git/worktrees"
    if how == "a link":
        entries.mkdir()
        (entries / "side").symlink_to(origin.path / ".git/worktrees/side")
    else:
        entries.symlink_to(origin.path / ".git/worktrees")
    for repo, stays in ((given, True), (origin, False)):  # the second is the control
        under_way.parent.mkdir(parents=True, exist_ok=True)
        under_way.write_text("on its way")
        doctor(repo.workspace, fix=True)
        assert under_way.exists() == stays


@pytest.mark.parametrize("where", ["main", "linked", "submodule"])
@pytest.mark.parametrize("ignored", [True, False])
def test_a_search_upwards_is_heard_in_whatever_work_tree_it_ends(
    origin: BuiltRepo, tmp_path: Path, where: str, *, ignored: bool
) -> None:
    above, repo = origin.path, origin
    if where == "linked":
        repo = BuiltRepo(tmp_path / "side")
        origin.git("worktree", "add", "-q", "-b", "side", str(repo.path))
    elif where == "submodule":
        repo = submodule(origin, tmp_path)
        above = tmp_path / "super"
    (above / "boost.txt").write_text("1")
    if ignored:
        git_dir = BuiltRepo(above).workspace.common_dir
        (git_dir / "info/exclude").write_text("boost.txt\n")
    elif where == "main":
        origin.commit({"boost.txt": "1"})
        origin.git("rm", "-q", "--cached", "boost.txt")
        origin.git("commit", "-q", "-m", "no longer an input")
    done = gitexp(repo, "run")
    assert "boost.txt" in done.out + done.err
    assert done.code == (0 if ignored else 5), done


def test_a_repository_around_all_is_no_work_tree_of_the_project(tmp_path: Path) -> None:
    """As where a home folder is under Git: what lies there is read by whatever library."""
    BuiltRepo(tmp_path).git("init", "-q")
    (tmp_path / "boost.txt").write_text("1")
    done = gitexp(plain(tmp_path / "origin", SCRIPT), "run")
    assert done.code == 0
    assert "boost.txt" not in done.out + done.err
