"""The work tree beside the commit, held against what git status and the files themselves say."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import BareRepositoryError, ForeignProgramError, GitFailedError
from gitexp.git.repository import open_repository
from gitexp.git.worktree import restore, status
from gitexp.git.worktree.restore import Conversion
from gitexp.model.ids import CommitHash
from tests.lab.build import repository

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

FILES = {
    "params.yaml": "lr: 0.1\n", "src/train.py": "import lib\nSEED = 1\n", "src/a b.py": "pass\n",
    "ünï.txt": "x\n", "data/raw.csv": "1\n", ".gitignore": "*.log\n/out/\n!keep.log\n",
}  # fmt: skip


@pytest.fixture
def project(repo: BuiltRepo) -> BuiltRepo:
    repo.commit(FILES)
    return repo


# --- what has changed ----------------------------------------------------------------------------


def test_each_way_to_change_a_tracked_file_is_dirt(project: BuiltRepo) -> None:
    project.write({"params.yaml": "lr: 0.2\n", "src/train.py": None})
    (project.path / "src/a b.py").chmod(0o755)
    (project.path / "ünï.txt").unlink()
    (project.path / "ünï.txt").symlink_to("params.yaml")
    project.git("rm", "-q", "--cached", "data/raw.csv")
    dirty = ("data/raw.csv", "params.yaml", "src/a b.py", "src/train.py", "ünï.txt")
    assert status.dirty_tracked(project.workspace) == dirty
    assert status.dirty_tracked(project.workspace, looking=True) == dirty
    project.git("reset", "-q", "--hard")
    assert status.dirty_tracked(project.workspace) == ()


def test_a_file_that_was_touched_and_not_changed_is_not_dirt(project: BuiltRepo) -> None:
    os.utime(project.path / "params.yaml", (1, 1))
    before = (project.path / ".git/index").read_bytes()
    assert status.dirty_tracked(project.workspace) == ()
    assert (project.path / ".git/index").read_bytes() == before  # reading writes nothing


def test_a_conflict_and_a_staged_deletion_put_back_are_dirt(project: BuiltRepo) -> None:
    project.branch("side")
    project.commit({"params.yaml": "lr: 1\n"}, at=2)
    project.switch("side")
    project.commit({"params.yaml": "lr: 2\n"}, at=3)
    project.git("merge", "main", check=False)
    assert status.dirty_tracked(project.workspace) == ("params.yaml",)


def test_untracked_and_ignored_files_are_told_apart(project: BuiltRepo) -> None:
    project.write({"new/x.txt": "", "new/y.log": "", "keep.log": "", "out/z": "", "a\nb": ""})
    assert status.untracked(project.workspace) == ("a\nb", "keep.log", "new/x.txt")
    assert status.left_in(project.path) == ("a\nb", "keep.log", "new/")
    assert status.left_in(project.path, "new") == ("new/x.txt",)
    assert status.left_in(project.path, "out") == ()
    assert status.dirty_tracked(project.workspace) == ()


def test_what_ignores_a_path_is_told_with_its_file(project: BuiltRepo) -> None:
    project.write({"src/.gitignore": "tmp*\n"})
    (project.path / ".git/info/exclude").write_text("*.local\n")
    asked = ["a.log", "keep.log", "out/x", "out", "src/tmp1", "x.local", "params.yaml", "a b.log",
             "-x.log"]  # fmt: skip
    assert status.ignoring(project.workspace, asked) == {
        "a.log": ("*.log", ".gitignore"), "out/x": ("/out/", ".gitignore"),
        "src/tmp1": ("tmp*", "src/.gitignore"), "x.local": ("*.local", ".git/info/exclude"),
        "a b.log": ("*.log", ".gitignore"), "-x.log": ("*.log", ".gitignore"),
    }  # fmt: skip
    assert status.is_ignored(project.path, asked) == {
        "a.log", "out/x", "src/tmp1", "x.local", "a b.log", "-x.log",
    }  # fmt: skip
    assert status.ignoring(project.workspace, []) == {}
    project.git("add", "-f", "src/.gitignore")
    project.write({"b.log": "x"})
    project.git("add", "-f", "b.log")
    assert status.is_ignored(project.workspace, ["b.log"]) == frozenset()  # a tracked one is not


def test_a_path_outside_of_the_work_tree_is_an_error_and_not_an_answer(project: BuiltRepo) -> None:
    with pytest.raises(GitFailedError, match="git check-ignore failed") as caught:
        status.is_ignored(project.workspace, ["../x"])
    assert "outside repository" in caught.value.found


def test_tracked_files_are_those_below_what_was_asked_for_and_no_pattern(
    project: BuiltRepo,
) -> None:
    assert status.tracked(project.workspace, ["src", "ünï.txt"]) == {
        "src/train.py", "src/a b.py", "ünï.txt",
    }  # fmt: skip
    for asked in ((), ("*",), ("src/*.py",), (":(top)src",), ("sr",), ("-x",)):
        assert status.tracked(project.workspace, asked) == frozenset()


def test_files_of_one_name_are_found_wherever_they_lie(project: BuiltRepo) -> None:
    project.write({"sub/params.yaml": "", "out/params.yaml": "", "x/my-params.yaml": ""})
    assert status.listed(project.workspace, "params.yaml") == ("params.yaml", "sub/params.yaml")
    assert status.listed(project.workspace, "none") == ()


def test_files_of_a_worktree_that_have_other_bytes_are_told(project: BuiltRepo) -> None:
    project.write({"params.yaml": "x", "src/train.py": None, "new": "x"})
    assert status.rewritten_in(project.path) == ("params.yaml",)  # one that is gone has none


def test_without_a_work_tree_nothing_is_dirty_and_the_error_says_how_to_get_one(
    tmp_path: Path,
) -> None:
    bare = repository(tmp_path / "bare.git", bare=True)
    for ask in (
        lambda: status.dirty_tracked(bare.workspace), lambda: status.untracked(bare.workspace),
        lambda: status.tracked(bare.workspace, ["x"]), lambda: status.listed(bare.workspace, "x"),
        lambda: status.is_ignored(bare.workspace, ["x"]),
    ):  # fmt: skip
        with pytest.raises(BareRepositoryError, match="no work tree") as caught:
            ask()
        assert caught.value.where == str(bare.workspace.git_dir)
        assert caught.value.next_step.startswith("git worktree add DIR BRANCH")


# --- filters of the folder -----------------------------------------------------------------------


@pytest.fixture
def filtered(project: BuiltRepo, tmp_path: Path) -> tuple[BuiltRepo, Path]:
    """A repository whose own settings name a filter, and the file that shows that it was run."""
    canary, script = tmp_path / "canary", tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {canary}\ncat\n")
    script.chmod(0o755)
    project.commit({".gitattributes": "*.csv filter=x\n"}, at=2)
    project.git("config", "filter.x.clean", str(script))
    return project, canary


def test_to_look_starts_no_filter_of_the_folder_and_calls_nothing_changed_by_guess(
    filtered: tuple[BuiltRepo, Path],
) -> None:
    project, canary = filtered
    assert status.dirty_tracked(project.workspace, looking=True) == ()
    project.write({"params.yaml": "lr: 9\n"})
    assert status.dirty_tracked(project.workspace, looking=True) == ("params.yaml",)
    project.write({"data/raw.csv": "2\n"})
    with pytest.raises(ForeignProgramError, match="only a program can tell") as caught:
        status.dirty_tracked(project.workspace, looking=True)
    assert caught.value.where == "data/raw.csv"
    assert caught.value.found.startswith("filter.x.clean = ")
    assert not canary.exists()
    assert "data/raw.csv" in status.dirty_tracked(project.workspace)  # a run asks git itself
    assert canary.exists()


@pytest.mark.parametrize("name", ["x", "a=b", "it's", "$(id).y", "-z"])
def test_the_next_step_makes_a_filter_ones_own(
    filtered: tuple[BuiltRepo, Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    project, canary = filtered
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(canary.with_name("mine")))
    program = project.git("config", "filter.x.clean")
    project.git("config", "--remove-section", "filter.x")
    for kind, said in (("clean", program), ("smudge", "cat"), ("required", "true")):
        project.git("config", f"filter.{name}.{kind}", said)
    attributes = project.path / ".git" / "info" / "attributes"
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_text(f"*.csv filter={name}\n")
    project.write({"data/raw.csv": "2\n"})
    with pytest.raises(ForeignProgramError) as caught:
        status.dirty_tracked(project.workspace, looking=True)
    assert not canary.exists()
    assert program in caught.value.found
    assert "smudge = cat" in caught.value.found
    subprocess.run(["sh", "-c", caught.value.next_step], cwd=project.path, check=True)
    assert "data/raw.csv" in status.dirty_tracked(project.workspace, looking=True)
    assert canary.exists()
    project.git("config", f"filter.{name}.clean", f"{program} more")  # another one is nobody's
    with pytest.raises(ForeignProgramError):
        status.dirty_tracked(project.workspace, looking=True)


def test_a_filter_that_nobody_could_type_is_left_to_a_clone(
    filtered: tuple[BuiltRepo, Path],
) -> None:
    project, canary = filtered
    for program in ("-x", "cat\n", "cat \u202e"):
        project.git("config", "filter.x.clean", program)
        project.write({"data/raw.csv": "2\n"})
        with pytest.raises(ForeignProgramError) as caught:
            status.dirty_tracked(project.workspace, looking=True)
        assert not caught.value.next_step.startswith("git config")
    assert not canary.exists()


def test_a_filter_of_ones_own_settings_is_run(
    filtered: tuple[BuiltRepo, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, canary = filtered
    script = project.git("config", "filter.x.clean")
    project.git("config", "--unset", "filter.x.clean")
    mine = canary.with_name("mine")
    mine.write_text(f'[filter "x"]\n\tclean = {script}\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(mine))
    project.write({"data/raw.csv": "2\n"})
    assert status.dirty_tracked(project.workspace, looking=True) == ("data/raw.csv",)
    assert canary.exists()


LFS = {"clean": "git-lfs clean -- %f", "smudge": "git-lfs smudge -- %f",
       "process": "git-lfs filter-process"}  # fmt: skip


def test_lfs_as_it_installs_itself_is_trusted_and_with_programs_of_the_folders_is_not(
    project: BuiltRepo,
) -> None:
    for kind, value in LFS.items():
        project.git("config", f"filter.lfs.{kind}", value)
    project.git("config", "filter.lfs.required", "true")
    assert status.dirty_tracked(project.workspace, looking=True) == ()
    assert status._foreign_filters(project.path) == {}  # noqa: SLF001
    project.git("config", "lfs.customtransfer.x.path", "/opt/x")
    named = status._foreign_filters(project.path)  # noqa: SLF001
    assert named == {"lfs": {"lfs.customtransfer.x.path": "/opt/x"}}
    project.git("config", "--unset", "lfs.customtransfer.x.path")
    project.git("config", "filter.lfs.clean", "git-lfs clean -- %f; id")
    named = status._foreign_filters(project.path)  # noqa: SLF001
    assert named == {"lfs": {"filter.lfs.clean": "git-lfs clean -- %f; id"}}


# --- words in files ------------------------------------------------------------------------------


def test_files_with_all_the_words_are_found_by_name_and_at_a_commit(project: BuiltRepo) -> None:
    old = CommitHash(project.hash())
    project.commit(
        {"src/train.py": "import lib\n", "sub/x.py": "lib\n\nSEED\n", "bin.py": b"\0lib SEED"}, at=2
    )
    project.write({"new.py": "lib SEED\n", "x.log": "lib SEED\n"})
    both = ("lib", "SEED")
    assert status.files(project.workspace, *both) == ("new.py", "sub/x.py")
    assert status.files(project.workspace, *both, names=("*.log",)) == ()
    assert status.files(project.workspace, "lib", names=("src/*", "*.yaml")) == ("src/train.py",)
    assert status.files(project.path / "sub", "lib") == ("x.py",)
    assert status.files(project.workspace, *both, at=old) == ("src/train.py",)
    assert status.files(project.workspace, "l.b") == ()  # words, not patterns
    assert status.files(project.workspace, "--all", "-x") == ()


def test_what_a_pattern_matches_is_told_of_the_commits_files_alone(project: BuiltRepo) -> None:
    old = CommitHash(project.hash())
    project.write({"src/train.py": "SEED = 99\n"})
    for pattern, path, found in (
        ("SEED = [0-9]+", "src/train.py", ("SEED = 1",)), ("S|i", "src/train.py", ("i", "i", "S")),
        ("SEED", "src/*", ()), ("none", "src/train.py", ()), ("-e", "src/train.py", ()),
    ):  # fmt: skip
        assert status.matches(project.workspace, pattern, (path,), old) == (found, True)


def test_all_changes_of_tracked_files_are_committed_with_the_message_as_it_is(
    project: BuiltRepo,
) -> None:
    project.write({"params.yaml": "lr: 3\n", "src/train.py": None, "new": "x"})
    status.commit_tracked(project.workspace, "# a heading\n\n-m and a body\n\n\n")
    assert project.git("show", "-s", "--format=%B").rstrip("\n") == "# a heading\n\n-m and a body"
    assert project.show("params.yaml") == "lr: 3\n"
    assert "src/train.py" not in project.files()
    assert project.status() == ["?? new"]
    with pytest.raises(GitFailedError, match="git commit failed") as caught:
        status.commit_tracked(project.workspace, "nothing")
    assert "nothing added to commit" in caught.value.found
    assert caught.value.next_step == "commit yourself, then gitexp run"


# --- what lies between a blob and its file -------------------------------------------------------

ATTRIBUTES = """\
*.lfs filter=lfs diff=lfs merge=lfs -text
*.txt text
*.bat eol=crlf
*.id ident
*.bin -text -filter
*.utf working-tree-encoding=UTF-16
*.both text filter=x
*.auto text=auto
*.off !text
"""


def test_what_converts_a_file_follows_from_its_attributes(project: BuiltRepo) -> None:
    project.write({".gitattributes": ATTRIBUTES})
    expected = {
        "a.lfs": Conversion.FOREIGN, "a.txt": Conversion.BUILT_IN, "a.bat": Conversion.BUILT_IN,
        "a.id": Conversion.BUILT_IN, "a.bin": Conversion.NONE, "a.utf": Conversion.FOREIGN,
        "a.both": Conversion.FOREIGN, "a.auto": Conversion.BUILT_IN, "a.off": Conversion.NONE,
        "plain": Conversion.NONE, "sub/a b.txt": Conversion.BUILT_IN,
        "\udcff.txt": Conversion.BUILT_IN,
    }  # fmt: skip
    repo = open_repository(project.workspace)
    assert restore.conversions(repo, project.path, list(expected)) == expected
    assert restore.conversions(repo, project.path, []) == {}
    for value, common in (("input", Conversion.BUILT_IN), ("NO", Conversion.NONE)):
        project.git("config", "core.autocrlf", value)
        repo = open_repository(project.workspace)
        found = restore.conversions(repo, project.path, ["plain", "a.lfs"])
        assert found == {"plain": common, "a.lfs": Conversion.FOREIGN}


def test_a_file_is_a_version_by_bytes_and_mode(project: BuiltRepo) -> None:
    repo = open_repository(project.workspace)
    blob = project.hash("HEAD:params.yaml")
    plain, executable = (0o100644, blob), (0o100755, blob)
    assert restore.holds(repo, "params.yaml", plain, Conversion.NONE)
    assert not restore.holds(repo, "params.yaml", executable, Conversion.NONE)
    assert not restore.holds(repo, "src", plain, Conversion.NONE)
    (project.path / "link").symlink_to("params.yaml")
    assert not restore.holds(repo, "link", plain, Conversion.NONE)
    (project.path / "params.yaml").write_bytes(b"lr: 0.1\r\n")
    project.write({".gitattributes": "params.yaml text\n"})
    assert not restore.holds(repo, "params.yaml", plain, Conversion.NONE)
    repo = open_repository(project.workspace)
    assert restore.holds(repo, "params.yaml", plain, Conversion.BUILT_IN)
    project.git("config", "core.filemode", "false")
    (project.path / "src/a b.py").chmod(0o755)
    version = (0o100644, project.hash("HEAD:src/a b.py"))
    repo = open_repository(project.workspace)
    assert restore.holds(repo, "src/a b.py", version, Conversion.NONE)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12\n".format("0" * 64)


def test_a_pointer_that_lfs_has_not_filled_is_named(project: BuiltRepo) -> None:
    for kind in LFS:
        project.git("config", f"filter.lfs.{kind}", "cat" if kind != "process" else "")
    assert status.unfilled(project.path) == ()
    project.commit(
        {
            ".gitattributes": "*.bin filter=lfs\n", "a.bin": POINTER, "sub/b c.bin": POINTER,
            "full.bin": "bytes", "long.bin": POINTER + "x" * 1000, "note.txt": POINTER,
            "old.bin": "version http://git-media.io/v/2\n", "gone.bin": POINTER,
            "hawser.bin": "version https://hawser.github.com/spec/v1\n",
        },
        at=2,
    )  # fmt: skip
    (project.path / "gone.bin").unlink()
    (project.path / "loose.bin").write_text(POINTER)  # not Git's
    assert status.unfilled(project.path) == ("a.bin", "hawser.bin", "old.bin", "sub/b c.bin")


def test_no_submodule_is_looked_into_whatever_the_user_set(
    repo: BuiltRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings lie in .git/modules, and could name a program that brings what it lacks."""
    inner = repository(tmp_path / "inner")
    inner.commit({"theirs.py": "import gitexp\n"}, at=1)
    repo.commit({"mine.py": "import gitexp\n"}, at=2)
    repo.git(
        "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.path), "lib"
    )
    repo.commit({}, at=3)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "submodule.recurse")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    grep = ("-c", "submodule.recurse=true", "grep", "-l", "gitexp", "HEAD")
    assert "HEAD:lib/theirs.py" in repo.git(*grep)  # as git does it by itself
    here = status.files(repo.workspace, "gitexp", names=("*.py",), at=CommitHash(repo.hash()))
    assert here == ("mine.py",)


def test_of_millions_of_matches_no_more_are_asked_for_than_anybody_writes(
    project: BuiltRepo,
) -> None:
    commit = CommitHash(project.commit({"many.py": "log_metric('acc', 1)\n" * 200_000}, at=5))
    found, whole = status.matches(project.workspace, "log_metric.*", ("many.py",), commit)
    assert not whole
    assert 10_000 < len(found) < 100_000
    assert set(found) == {"log_metric('acc', 1)"}
