from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.errors import ExistsError, GitFailedError, NoRepositoryError
from gitexp.git import command
from gitexp.git.worktree import checkouts
from gitexp.model.ids import CommitHash
from tests.lab.build import BuiltRepo, repository

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "train.py": "pass\n",
    "data/a b.csv": "1\n",
    "sub/.gitexp/keep": "x\n",
    ".gitexp/config.yaml": "a: 1\n",
    ".gitexp/runs/ab/abc/run.json": "{}\n",
    ".gitignore": "*.pyc\nout/\n",
}


@pytest.fixture
def project(repo: BuiltRepo) -> BuiltRepo:
    repo.commit(FILES)
    return repo


def slot(project: BuiltRepo, name: str = "abcdefgh-candidate0") -> Path:
    return project.path / ".git/gitexp/work/worktrees" / name


def test_a_worktree_has_every_file_but_gitexps_and_is_clean(project: BuiltRepo) -> None:
    path = slot(project)
    config = (project.path / ".git/config").read_bytes()
    commit = CommitHash(project.hash())
    assert checkouts.add(project.workspace, path, commit) == ()
    there = BuiltRepo(path)
    assert sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()) == [
        ".git",
        ".gitignore",
        "data/a b.csv",
        "sub/.gitexp/keep",
        "train.py",
    ]
    assert there.status() == []
    assert there.hash() == commit
    assert there.git("branch", "--show-current") == ""
    assert project.status() == []
    assert (project.path / ".git/config").read_bytes() == config
    assert [(each.top, each.branch) for each in checkouts.listing(project.workspace)] == [
        (project.path, "main"),
        (path, None),
    ]
    with pytest.raises(ExistsError):
        checkouts.add(project.workspace, path, commit)

    checkouts.remove(project.workspace, path)
    assert not path.exists()
    assert len(checkouts.listing(project.workspace)) == 1
    project.fsck()


def test_a_half_removed_worktree_can_be_removed_and_made_again(project: BuiltRepo) -> None:
    commit = CommitHash(project.hash())
    checkouts.add(project.workspace, slot(project), commit)
    (slot(project) / ".git").unlink()
    checkouts.remove(project.workspace, slot(project))
    assert not list((project.path / ".git/worktrees").glob("*"))
    checkouts.add(project.workspace, slot(project), commit)
    for file in sorted(slot(project).rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    slot(project).rmdir()
    checkouts.add(project.workspace, slot(project), commit)
    assert (slot(project) / "train.py").exists()


def test_what_cannot_be_made_leaves_nothing(project: BuiltRepo) -> None:
    with pytest.raises(GitFailedError):
        checkouts.add(project.workspace, slot(project), CommitHash("0" * 39 + "1"))
    assert not slot(project).exists()
    assert not (project.path / ".git/worktrees").exists()


def test_hooks_do_not_run_and_filters_do(project: BuiltRepo, tmp_path: Path) -> None:
    hook = project.path / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/canary\n")
    hook.chmod(0o755)
    project.git("config", "filter.up.smudge", "tr a-z A-Z")
    project.git("config", "filter.up.clean", "tr A-Z a-z")
    commit = CommitHash(project.commit({".gitattributes": "*.up filter=up\n", "x.up": "a\n"}, at=2))
    checkouts.add(project.workspace, slot(project), commit)
    assert (slot(project) / "x.up").read_text() == "A\n"
    assert not (tmp_path / "canary").exists()


def test_a_slot_is_cleaned_of_everything_but_gitexp(project: BuiltRepo, tmp_path: Path) -> None:
    path = slot(project)
    first = CommitHash(project.hash())
    second = CommitHash(project.commit({"train.py": "second\n", ".gitexp/new": "x"}, at=2))
    checkouts.add(project.workspace, path, first)
    there = BuiltRepo(path)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    there.write({"train.py": "edited\n", "out/model.bin": "x", "a.pyc": "x", "new": "x"})
    (path / "link").symlink_to(outside)
    (path / ".gitexp/tmp").mkdir(parents=True)
    (path / "data/a b.csv").unlink()
    repository(path / "nested")
    there.git("add", "new")
    there.git("commit", "--quiet", "-m", "a job may do this")
    (project.path / ".git/worktrees" / path.name / "index.lock").touch()

    command.clean_slot(path, first)
    assert there.hash() == first
    assert there.status() == []
    assert sorted(each.name for each in path.iterdir()) == [
        ".git", ".gitexp", ".gitignore", "data", "sub", "train.py",
    ]  # fmt: skip
    assert (path / "train.py").read_text() == "pass\n"
    assert (outside / "kept").exists()

    command.clean_slot(path, second)
    assert (path / "train.py").read_text() == "second\n"
    assert not (path / ".gitexp/config.yaml").exists()


def test_the_users_own_work_tree_is_no_slot(project: BuiltRepo) -> None:
    project.write({"train.py": "edited\n"})
    with pytest.raises(NoRepositoryError):
        command.clean_slot(project.path)
    assert (project.path / "train.py").read_text() == "edited\n"


def test_submodules_are_filled_from_the_users_clone(project: BuiltRepo, tmp_path: Path) -> None:
    inner = repository(tmp_path / "inner")
    inner.commit({"deep.py": "deep\n"})
    library = repository(tmp_path / "library")
    allow = ("-c", "protocol.file.allow=always")
    library.git(*allow, "submodule", "add", "--quiet", inner.path.as_uri(), "inner")
    library.commit({"lib.py": "lib\n"}, at=2)
    project.git(*allow, "submodule", "add", "--quiet", library.path.as_uri(), "vendor/lib")
    project.git(*allow, "submodule", "add", "--quiet", inner.path.as_uri(), "vendor/inner")
    project.git(*allow, "submodule", "update", "--quiet", "--init", "--recursive")
    project.git("submodule", "deinit", "--quiet", "--force", "vendor/inner")
    (project.path / ".git/modules/vendor/inner").rename(tmp_path / "elsewhere")
    commit = CommitHash(project.commit(at=3))
    assert checkouts.add(project.workspace, slot(project), commit) == ("vendor/inner",)
    assert (slot(project) / "vendor/lib/lib.py").read_text() == "lib\n"
    assert (slot(project) / "vendor/lib/inner/deep.py").read_text() == "deep\n"
    assert BuiltRepo(slot(project)).status() == []
    (slot(project) / "vendor/lib/lib.py").write_text("edited\n")
    (slot(project) / "vendor/lib/inner/new.o").touch()
    command.clean_slot(slot(project), commit)
    checkouts.refill(slot(project), commit)
    assert (slot(project) / "vendor/lib/lib.py").read_text() == "lib\n"
    assert [each.name for each in (slot(project) / "vendor/lib/inner").iterdir()] == ["deep.py"]
    assert not list((project.path / ".git/modules").rglob("gitexp-index*"))


def test_a_submodules_name_may_not_lead_out(project: BuiltRepo, tmp_path: Path) -> None:
    inner = repository(tmp_path / "evil")
    sha = inner.commit({"x": "x\n"})
    text = '[submodule "../../../evil/.git"]\n\tpath = lib\n\turl = x\n'
    project.git("update-index", "--add", "--cacheinfo", f"160000,{sha},lib")
    commit = CommitHash(project.commit({".gitmodules": text}, at=2))
    assert checkouts.add(project.workspace, slot(project), commit) == ("lib",)
    assert not (slot(project) / "lib/x").exists()


@pytest.mark.slow
def test_ten_thousand_files_take_a_moment(repo: BuiltRepo) -> None:
    files = (f"M 644 inline d{n % 100}/f{n}.txt\ndata <<.\n{n}\n.\n" for n in range(10_000))
    head = "commit refs/heads/main\ncommitter Ada <ada@example.org> 0 +0000\ndata 0\n"
    repo.git("fast-import", "--quiet", data=(head + "".join(files)).encode())
    commit = CommitHash(repo.hash())
    checkouts.add(repo.workspace, slot(repo), commit)
    (slot(repo) / "d1/f1.txt").write_text("edited\n")
    command.clean_slot(slot(repo), commit)
    assert BuiltRepo(slot(repo)).status() == []
