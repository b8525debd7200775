"""After a checkout or merge: which outputs are those of another commit, or they come along."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from gitexp.dvc.cache import open_cache, put
from gitexp.enforcement.hooks.install import install
from gitexp.git.transaction import layout
from gitexp.model.config import ProjectConfig
from gitexp.records import config as config_format
from tests.enforcement.hooks.world import call
from tests.lab.build import copied, dvc, dvc_project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

CONFIG = ProjectConfig(pipeline="dvc.yaml", metrics=("metrics.json",))


@pytest.fixture
def repo(tmp_path: Path, dvc_project_template: Path) -> BuiltRepo:
    """``main`` and ``other`` with different outputs, both in the cache; ``main`` is checked out."""

    def make(folder: Path) -> None:
        made = dvc_project(folder, dvc_project_template)
        made.commit({layout.CONFIG: config_format.dump_template(CONFIG)})
        made.switch("other", create=True)
        made.write({"raw.csv": "9\n8\n"})
        dvc(made.path, "repro", "--quiet")
        made.git("commit", "-qam", "other data")
        made.switch("main")
        dvc(made.path, "checkout", "--quiet")
        install(made.workspace)

    return copied(tmp_path / "project", make, "main and other outputs")


def auto(repo: BuiltRepo, *branches: str) -> None:
    """Let hooks bring the outputs along, on both branches or as these have it."""
    for branch in branches or ("other", "main"):
        repo.git("-c", "core.hooksPath=/dev/null", "switch", "-q", branch)
        path = repo.path / layout.CONFIG
        text = path.read_text().replace("auto_checkout: false", "auto_checkout: true")
        repo.commit({layout.CONFIG: text})


def test_a_checkout_says_which_outputs_are_of_another_commit(repo: BuiltRepo) -> None:
    said = call(repo, "switch", "-q", "other")
    assert said.code == 0
    assert "this commit has other outputs: prepared.csv, model.txt" in said.err
    assert "dvc checkout" in said.err
    assert (repo.path / "prepared.csv").read_text() == "1\n2\n3\n"


def test_a_checkout_without_other_outputs_says_nothing(repo: BuiltRepo) -> None:
    repo.branch("same")
    for args in (("switch", "-q", "same"), ("checkout", "-q", "--", "params.yaml")):
        assert call(repo, *args).err == ""


def test_outputs_that_lie_here_already_are_not_those_of_another_commit(repo: BuiltRepo) -> None:
    assert "other outputs" in call(repo, "switch", "-q", "other").err
    assert call(repo, "switch", "-q", "main").err == ""  # nobody brought the other's meanwhile
    (repo.path / "prepared.csv").write_text("1\n2\n4\n")  # of the same size
    call(repo, "switch", "-q", "other")
    assert "prepared.csv" in call(repo, "switch", "-q", "main").err


def test_a_merge_and_a_new_worktree_say_it_too(repo: BuiltRepo, tmp_path: Path) -> None:
    said = call(repo, "worktree", "add", "-q", str(tmp_path / "w"), "other")
    assert said.code == 0
    assert "model.txt" in said.err
    said = call(repo, "merge", "-q", "--ff-only", "other")
    assert said.code == 0
    assert "this commit has other outputs: prepared.csv, model.txt" in said.err


def test_outputs_come_along_where_the_settings_say_so(repo: BuiltRepo) -> None:
    auto(repo)
    said = call(repo, "switch", "-q", "other")
    assert said.code == 0
    assert "brought along: prepared.csv, model.txt" in said.err
    assert (repo.path / "prepared.csv").read_text() == "8\n9\n"
    call(repo, "switch", "-q", "main")
    assert (repo.path / "prepared.csv").read_text() == "1\n2\n3\n"


def test_a_branch_does_not_say_itself_that_its_outputs_come_along(repo: BuiltRepo) -> None:
    auto(repo, "other")
    repo.git("-c", "core.hooksPath=/dev/null", "switch", "-q", "main")
    said = call(repo, "switch", "-q", "other")
    assert said.code == 0
    assert "`hooks.auto_checkout: true` on main does it" in said.err
    assert (repo.path / "prepared.csv").read_text() == "1\n2\n3\n"


@pytest.mark.parametrize("automatic", [True, False])
def test_no_output_comes_along_into_an_environment(repo: BuiltRepo, *, automatic: bool) -> None:
    if automatic:
        auto(repo)
    repo.git("-c", "core.hooksPath=/dev/null", "switch", "-q", "other")
    out = put(open_cache(repo.path), repo.path, "raw.csv")
    pointer = f"outs: [{{md5: {out.md5}, size: {out.size}, hash: md5, path: .venv/zz.pth}}]\n"
    repo.commit({"zz.dvc": pointer})
    repo.git("-c", "core.hooksPath=/dev/null", "switch", "-q", "main")
    said = call(repo, "switch", "-q", "other")
    assert "  next      no dvc checkout, which writes .venv/zz.pth" in said.err
    assert not (repo.path / ".venv").exists()
    assert ("brought along: prepared.csv" in said.err) is automatic  # the control


@pytest.mark.parametrize("link", [".dvc/tmp", ".dvc/tmp/lock"])
def test_a_link_that_a_branch_has_for_dvcs_lock_empties_no_file(
    repo: BuiltRepo, tmp_path: Path, link: str
) -> None:
    auto(repo)
    (tmp_path / "lock").write_text("precious\n")
    repo.git("-c", "core.hooksPath=/dev/null", "switch", "-q", "other")
    shutil.rmtree(repo.path / ".dvc/tmp")
    (repo.path / link).parent.mkdir(exist_ok=True)
    (repo.path / link).symlink_to(tmp_path / "lock" if link.endswith("lock") else tmp_path)
    repo.git("add", "-f", link)
    repo.git("commit", "-q", "--no-verify", "-m", "a link")
    repo.git("-c", "core.hooksPath=/dev/null", "switch", "-q", "main")
    said = call(repo, "switch", "-q", "other")
    assert said.code == 0
    assert "Git tracks what is for your own settings" in said.err
    assert (tmp_path / "lock").read_text() == "precious\n"


def test_what_is_nowhere_else_is_left_and_named(repo: BuiltRepo) -> None:
    auto(repo)
    (repo.path / "prepared.csv").unlink()
    (repo.path / "prepared.csv").write_text("hours of work\n")
    said = call(repo, "switch", "-q", "other")
    assert said.code == 0
    assert "left as it is: prepared.csv" in said.err
    assert (repo.path / "prepared.csv").read_text() == "hours of work\n"


def test_whatever_is_wrong_the_checkout_succeeds(repo: BuiltRepo) -> None:
    auto(repo)
    (repo.path / ".dvc" / "config").write_text("[core]\n    hardlink_lock = true\n")
    said = call(repo, "switch", "-q", "--merge", "other")
    assert said.code == 0
    assert "error[locked]" in said.err


def test_a_rebase_is_not_talked_into(repo: BuiltRepo) -> None:
    repo.commit({"README.md": "# other\n"})
    said = call(repo, "rebase", "-q", "other")
    assert (said.code, said.err) == (0, "")
