"""`gitexp init`: finds what is there, writes it once, and says no before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.build import DVC_FILES, repository
from tests.cli.shell import gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.build import BuiltRepo

CONFIG = ".gitexp/config.yaml"
ATTRIBUTES = ".gitexp/.gitattributes"
TRAIN = 'import json\njson.dump({"acc": 0.5}, open("metrics.json", "w"))\n'


def test_it_finds_the_pipeline_and_commits_its_settings(dvc_repo: BuiltRepo) -> None:
    before = dvc_repo.files()
    done = gitexp(dvc_repo, "init", "--json")
    assert done.code == 0, done.err
    assert done.json["files"] == [CONFIG, ATTRIBUTES]
    found = done.json["found"]
    assert isinstance(found, dict)
    assert found["seed"] == "seed"
    assert found["outputs"] == "model.txt, prepared.csv"
    assert set(dvc_repo.files()) - set(before) == {CONFIG, ATTRIBUTES}
    assert dvc_repo.status() == []


def test_a_second_call_changes_nothing(project: BuiltRepo) -> None:
    before = project.refs()
    done = gitexp(project, "init")
    assert done.code == 0
    assert done.out.startswith("this is a gitexp project already; nothing was changed")
    assert "not committed" not in done.out
    assert (project.refs(), project.status()) == (before, [])


def test_no_commit_prints_the_command_and_a_second_call_says_it_again(dvc_repo: BuiltRepo) -> None:
    before = dvc_repo.hash()
    done = gitexp(dvc_repo, "init", "--no-commit")
    command = f"to commit it: git add -- {CONFIG} {ATTRIBUTES} && git commit -m 'gitexp init'"
    assert command in done.out
    assert dvc_repo.hash() == before
    assert dvc_repo.status() == [f"?? {ATTRIBUTES}", f"?? {CONFIG}"]
    again = gitexp(dvc_repo, "init")
    assert command in again.out
    assert "the settings are not committed" in again.out
    dvc_repo.git("add", CONFIG, ATTRIBUTES)
    dvc_repo.commit()
    assert "not committed" not in gitexp(dvc_repo, "init").out


def test_a_dry_run_writes_nothing(dvc_repo: BuiltRepo) -> None:
    done = gitexp(dvc_repo, "init", "--dry-run")
    assert done.code == 0
    assert done.out.startswith(f"would write {CONFIG}")
    assert not (dvc_repo.path / ".gitexp").exists()


def test_a_pipeline_in_a_sub_folder_is_found(dvc_repo: BuiltRepo) -> None:
    (dvc_repo.path / "ml").mkdir()
    for path in ("dvc.yaml", "dvc.lock", "params.yaml", "prepare.py", "train.py", "raw.csv"):
        dvc_repo.git("mv", path, f"ml/{path}")
    dvc_repo.git("rm", "--quiet", "--cached", "metrics.json")
    dvc_repo.git("commit", "--quiet", "-m", "move", at=2)
    done = gitexp(dvc_repo, "init")
    assert done.code == 0, done.err
    assert "project: ml" in dvc_repo.show(CONFIG)
    assert "ml/dvc.yaml, 2 stages" in done.out
    asked = gitexp(dvc_repo, "init", "--project", "nowhere")
    assert asked.code == 0  # it is a project already


def test_several_pipelines_have_to_be_chosen_from(dvc_repo: BuiltRepo) -> None:
    dvc_repo.git("rm", "--quiet", "dvc.yaml")
    stage = "stages:\n  a:\n    cmd: python a.py\n    metrics: [{m.json: {cache: false}}]\n"
    dvc_repo.commit({"one/dvc.yaml": stage, "two/dvc.yaml": stage})
    done = gitexp(dvc_repo, "init")
    assert done.code == 2
    assert done.says("several pipelines", "one, two", "gitexp init --project one")
    assert gitexp(dvc_repo, "init", "--project", "two").code == 0
    assert "project: two" in dvc_repo.show(CONFIG)
    assert gitexp(dvc_repo, "init", "--project", "three").code == 0


def test_an_output_that_git_holds_is_refused(dvc_repo: BuiltRepo) -> None:
    dvc_repo.git("add", "--force", "model.txt")
    dvc_repo.commit({"note": "oops"})
    done = gitexp(dvc_repo, "init")
    assert done.code == 3
    assert done.says("error[preflight]", "model.txt", "git rm --cached model.txt")
    assert not (dvc_repo.path / ".gitexp").exists()


def test_a_project_that_is_one_command(tmp_path: Path) -> None:
    repo = repository(tmp_path / "plain")
    repo.commit({"train.py": TRAIN, "params.yaml": "train:\n  random_state: 3\n"})
    asked = gitexp(
        repo, "init", "--command", "python train.py", "--metrics", "metrics.json", "--outs", "m.pkl"
    )
    assert asked.code == 2
    assert asked.says("error[needs-yes]", "next      the same with --dvc-init")
    assert repo.status() == []
    done = gitexp(repo, "init", "--command", "python train.py", "--metrics", "metrics.json")
    assert done.code == 0, done.err
    text = repo.show(CONFIG)
    assert "command: python train.py" in text
    assert "train.random_state" in text
    assert "dvc.yaml" not in repo.files()


def test_outputs_are_ignored_on_every_branch_from_the_settings_on(tmp_path: Path) -> None:
    repo = repository(tmp_path / "plain")
    repo.commit({"train.py": TRAIN, ".gitignore": "*.pyc\n"})
    command = ("--command", "python train.py", "--outs", "model.joblib,out/log.txt")
    planned = gitexp(repo, "init", "--dvc-init", *command, "--dry-run")
    assert ".gitignore, out/.gitignore" in planned.out
    assert repo.status() == []
    done = gitexp(repo, "init", "--dvc-init", *command)
    assert done.code == 0, done.err
    assert repo.show(".gitignore") == "*.pyc\n/model.joblib\n"
    assert repo.show("out/.gitignore") == "/log.txt\n"
    repo.write({"model.joblib": "bytes", "out/log.txt": "lines"})
    assert repo.status() == []


def test_outputs_of_a_pipeline_that_dvc_has_not_run_are_ignored_too(dvc_repo: BuiltRepo) -> None:
    dvc_repo.git("rm", "--quiet", ".gitignore")
    dvc_repo.commit({"note": "as before the first dvc repro"})
    assert "?? model.txt" in dvc_repo.status()
    done = gitexp(dvc_repo, "init")
    assert done.code == 0, done.err
    assert "/model.txt" in dvc_repo.show(".gitignore")
    assert "metrics.json" not in dvc_repo.show(".gitignore")
    assert dvc_repo.status() == []


def test_an_edited_gitignore_gets_the_lines_and_stays_the_users_to_commit(tmp_path: Path) -> None:
    repo = repository(tmp_path / "plain")
    repo.commit({"train.py": TRAIN})
    repo.write({".gitignore": "mine\n"})
    done = gitexp(repo, "init", "--dvc-init", "--command", "python train.py", "--outs", "m.pkl")
    assert done.code == 0, done.err
    assert ".gitignore has changes of yours" in done.out
    assert ".gitignore" not in repo.files()
    assert (repo.path / ".gitignore").read_text() == "mine\n/m.pkl\n"


def test_options_of_a_second_call_are_noted_where_the_settings_say_otherwise(
    tmp_path: Path,
) -> None:
    repo = repository(tmp_path / "plain")
    repo.commit({"ml/train.py": TRAIN})
    first = gitexp(repo, "init", "--project", "ml", "--command", "python train.py")
    assert first.code == 0, first.err
    again = gitexp(repo, "init", "--project", "ml/", "--command", "python train.py")
    assert "not used" not in again.out
    other = gitexp(repo, "init", "--project", "ml", "--command", "python other.py")
    assert "--command not used" in other.out
    assert "--project not used" not in other.out


def test_a_folder_that_is_not_there_is_called_that(dvc_repo: BuiltRepo) -> None:
    done = gitexp(dvc_repo, "init", "--project", "nowhere")
    assert done.code == 2
    assert done.says("the project's folder is not there")


def test_without_an_identity_nothing_is_left_behind(tmp_path: Path) -> None:
    repo = repository(tmp_path / "plain")
    repo.commit({"train.py": TRAIN})
    nobody = {"GIT_AUTHOR_NAME": "", "GIT_COMMITTER_NAME": ""}
    done = gitexp(repo, "init", "--command", "python train.py", env=nobody)
    assert done.code == 3
    assert done.says("Git does not know who you are", "git config")
    assert repo.status() == []


def test_what_is_given_has_to_be_there(tmp_path: Path) -> None:
    repo = repository(tmp_path / "plain")
    repo.commit({"train.py": TRAIN, "params.yaml": "lr: 1\n"})
    command = ("init", "--command", "python train.py")
    for options, said in (
        (["--params", "nope.yaml"], "nope.yaml"),
        (["--seed-param", "nope"], "there is no parameter nope"),
        (["--seed-arg=--seed"], "a place for the seed"),
        (["--seed-arg", "{seed}", "--seed-param", "lr"], "not both"),
        (["--project", "nowhere"], "the project's folder is not there"),
    ):
        done = gitexp(repo, *command, *options)
        assert done.code == 2, options
        assert done.says(said)
    assert repo.status() == []


def test_a_one_stage_pipeline_is_written_only_if_asked_for(tmp_path: Path) -> None:
    repo = repository(tmp_path / "plain")
    repo.commit({"train.py": TRAIN, "params.yaml": "lr: 1\n"})
    assert gitexp(repo, "init", "--write-pipeline").code == 2
    done = gitexp(repo, "init", "--command", "python train.py", "--write-pipeline")
    assert done.code == 0, done.err
    assert "cmd: python train.py" in repo.show("dvc.yaml")
    assert repo.status() == []


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    repo = repository(tmp_path / "plain")
    repo.commit({"train.py": TRAIN, "params.yaml": DVC_FILES["params.yaml"]})
    repo.write({".gitexp": "a file where a folder has to be\n"})
    done = gitexp(repo, "init", "--command", "python train.py")
    assert done.code == 3
    assert done.says("the settings cannot be written", ".gitexp")


@pytest.mark.parametrize(
    ("branch", "origin", "protected"),
    [
        ("main", "", "[main, master]"),
        ("trunk", "", "[trunk]"),
        ("topic", "trunk", "[trunk]"),
        ("topic", "main", "[main, master]"),
        ("träger", "", "[main, master]"),  # no pattern can name it
    ],
)
def test_the_main_branch_is_protected_whatever_its_name(
    tmp_path: Path, branch: str, origin: str, protected: str
) -> None:
    repo = repository(tmp_path / "repo")
    repo.commit({"train.py": TRAIN})
    repo.git("branch", "-m", branch)
    if origin:
        repo.git("update-ref", f"refs/remotes/origin/{origin}", "HEAD")
        repo.git("symbolic-ref", "refs/remotes/origin/HEAD", f"refs/remotes/origin/{origin}")
    done = gitexp(repo, "init", "--command", "python train.py", "--metrics", "metrics.json")
    assert done.code == 0, done.err
    assert f"  protected: {protected}\n" in repo.show(CONFIG)
    assert ("taken for the branch to merge into" in done.out) is ("trunk" in protected)


def test_records_are_marked_as_made_by_a_program(project: BuiltRepo) -> None:
    """What GitHub and GitLab fold away in a pull request; no input of a run."""
    run = ".gitexp/runs/ab/abcd/run.json"
    marked = project.git("check-attr", "linguist-generated", run, CONFIG).splitlines()
    assert [line.rpartition(": ")[2] for line in marked] == ["set", "unspecified"]
    assert project.status() == []


def test_a_second_call_marks_the_records_of_an_older_project(project: BuiltRepo) -> None:
    project.git("rm", "--quiet", ATTRIBUTES)
    project.commit(at=9)
    done = gitexp(project, "init")
    assert "already; wrote .gitexp/.gitattributes" in done.out
    assert "git add -- .gitexp/.gitattributes && git commit" in done.out
    project.git("add", "--", ATTRIBUTES)
    project.commit(at=10)
    assert gitexp(project, "inputs", "HEAD~1", "HEAD").code == 0
    assert "nothing was changed" in gitexp(project, "init").out
