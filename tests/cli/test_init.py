"""`gitexp init`: finds what is there, writes it once, and says no before anything is written."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.lab.build import DVC_FILES, dvc_files, repository
from tests.lab.shell import PLAN, environment, gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

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


def test_on_the_branch_of_an_experiment_no_other_is_begun_next(project: BuiltRepo) -> None:
    assert gitexp(project, "new", "idea", *PLAN).code == 0
    for options in ((), ("--command", "python train.py")):
        done = gitexp(project, "init", *options)
        assert done.out.endswith("next: gitexp status\n"), done


def test_a_seed_in_another_params_file_brings_its_file_along(project: BuiltRepo) -> None:
    project.commit({"conf/split.yaml": "split: {seed: 3}\n"}, at=9)
    done = gitexp(project, "init", "--seed-param", "conf/split.yaml:split.seed", "--json")
    assert done.code == 0, done.err
    assert done.json["found"]["params"] == "params.yaml, conf/split.yaml"  # type: ignore[index, call-overload]


def test_what_dvc_yaml_gains_or_loses_later_is_said_with_the_call_that_follows(
    project: BuiltRepo,
) -> None:
    stages = DVC_FILES["dvc.yaml"]
    begun = "and the settings do not follow: "
    assert begun not in gitexp(project, "status").out
    more = stages.replace("metrics:", "metrics:\n    - more.json: {cache: false}", 1)
    assert more != stages
    project.commit({"dvc.yaml": more.replace("model.txt", "m.txt")}, at=9)
    for verb in (("status",), ("run", "--repeats", "2", "--dry-run")):
        done = gitexp(project, *verb)
        assert f"declares more.json (metrics), no longer declares model.txt (outs), {begun}" in (
            " ".join(done.out.split())
        )
    step = (
        " ".join(gitexp(project, "status").out.split()).partition(begun)[2].partition(" next:")[0]
    )
    assert gitexp(project, *step.split()[1:]).code == 0
    assert begun not in gitexp(project, "status").out
    chosen = gitexp(project, "init", "--metrics", "more.json")
    assert chosen.code == 0
    assert begun not in gitexp(project, "status").out, "one of two was chosen"


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
    assert asked.code == 2  # asked for, and not passed over


def test_several_pipelines_have_to_be_chosen_from(dvc_repo: BuiltRepo) -> None:
    dvc_repo.git("rm", "--quiet", "dvc.yaml")
    stage = "stages:\n  a:\n    cmd: python a.py\n    metrics: [{m.json: {cache: false}}]\n"
    dvc_repo.commit({"one/dvc.yaml": stage, "two/dvc.yaml": stage})
    done = gitexp(dvc_repo, "init")
    assert done.code == 2
    assert done.says("several pipelines", "one, two", "gitexp init --project one")
    assert gitexp(dvc_repo, "init", "--project", "two").code == 0
    assert "project: two" in dvc_repo.show(CONFIG)
    assert gitexp(dvc_repo, "init", "--project", "two").out.startswith("this is a gitexp project")
    assert gitexp(dvc_repo, "init", "--project", "three").says("folder is not there")
    other = gitexp(dvc_repo, "init", "--project", "one")
    assert other.code == 0
    assert "pipeline was two/dvc.yaml" in other.out
    assert "project: one" in dvc_repo.show(CONFIG)


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


PARAMS = "# ours\nprepare: {seed: 3}\ntrain: {seed: 5, seed_alpha: 6, lr: 0.1}\n"
AGAIN = {  # each option: given once more it changes nothing, otherwise what it says
    "--command": ("python train.py", "python other.py", "command: python other.py"),
    "--metrics": ("m.json", "m.json,n.json", "files: [m.json, n.json]"),
    "--params": ("params.yaml", "params.yaml,more.yaml", "params: [params.yaml, more.yaml]"),
    "--outs": ("model.bin", "net.bin", "outputs: [net.bin]"),
    "--predictions": ("p.csv", "q.csv", '{"path": q.csv'),
    "--seed-param": ("train.seed", "prepare.seed,train.seed",
                     'seed: {"param": [prepare.seed, train.seed]}'),
    "--seed-arg": ("--s {seed}", "--t {seed}", 'seed: {"arg": "--t {seed}"}'),
    "--python": ("python3", "python", "python: python"),
}  # fmt: skip


@pytest.mark.sweep(4)
@pytest.mark.parametrize("option", AGAIN)
def test_another_call_changes_what_its_option_says_and_nothing_else(
    option: str, tmp_path: Path
) -> None:
    repo = repository(tmp_path / "plain")
    repo.commit({"train.py": TRAIN, "params.yaml": PARAMS, "more.yaml": "x: 1\n"})
    before, after, line = AGAIN[option]
    usual = {"--command": "python train.py", "--seed-param": "train.seed", option: before}
    if option == "--seed-arg":
        del usual["--seed-param"]
    first = gitexp(repo, "init", "--no-dvc-init", *(f"{k}={v}" for k, v in usual.items()))
    assert first.code == 0, first.err
    text = repo.show(CONFIG) + "# a word of ours\n"
    repo.commit({CONFIG: text})
    head = repo.hash()
    again = gitexp(repo, "init", f"{option}={before}")
    assert (again.code, repo.hash()) == (0, head)
    assert "nothing was changed" in again.out
    dry = gitexp(repo, "init", "--no-dvc-init", f"{option}={after}", "--dry-run")
    assert (dry.code, repo.hash(), repo.status()) == (0, head, [])
    assert dry.out.startswith(f"would change {CONFIG}")
    other = gitexp(repo, "init", "--no-dvc-init", f"{option}={after}")
    assert other.code == 0, other.err
    assert other.out.startswith(f"changed {CONFIG}")
    assert f"{option.strip('-').replace('outs', 'outputs').split('-')[0]} was " in other.out
    assert repo.show(CONFIG) == (repo.path / CONFIG).read_text()
    assert line in repo.show(CONFIG)
    assert repo.show(CONFIG).endswith("# a word of ours\n")
    lines = [new for new in repo.show(CONFIG).splitlines() if new not in text.splitlines()]
    assert len(lines) == (2 if option == "--predictions" else 1)
    assert repo.status() == []


PREDICTED = "id,y_true,y_pred,score\n1,0,1,0.7\n"
STEP = "gitexp init --predictions p.csv"


def test_predictions_that_a_command_writes_are_told_until_they_are_named(tmp_path: Path) -> None:
    repo = repository(tmp_path / "plain")
    repo.commit({"train.py": TRAIN, "data.csv": PREDICTED, ".gitignore": "/p.csv\n"})
    asked = ("init", "--dvc-init", "--command", "python train.py")
    assert "no per-example predictions were found" in gitexp(repo, *asked, "--dry-run").out
    assert gitexp(repo, *asked).code == 0
    assert "predictions" not in gitexp(repo, "init").out
    (repo.path / "p.csv").write_text(PREDICTED)
    again = gitexp(repo, "init")
    assert "nothing was changed" in again.out
    assert STEP in again.out
    assert STEP in gitexp(repo, "init", "--metrics", "n.json").out
    named = gitexp(repo, "init", "--dvc-init", "--predictions", "p.csv")
    assert (named.code, STEP in named.out) == (0, False), named.err
    assert STEP not in gitexp(repo, "init").out


def test_predictions_that_a_stage_writes_since_are_told(dvc_repo: BuiltRepo) -> None:
    assert gitexp(dvc_repo, "init").code == 0
    text = (dvc_repo.path / "dvc.yaml").read_text()
    (dvc_repo.path / "p.csv").write_text(PREDICTED)
    assert STEP not in gitexp(dvc_repo, "init").out  # no stage writes it
    dvc_repo.write({"dvc.yaml": text.replace("outs:\n", "outs:\n    - p.csv\n", 1)})
    assert STEP in gitexp(dvc_repo, "init").out
    (dvc_repo.path / "dvc.yaml").write_text("stages: 3\n")
    assert gitexp(dvc_repo, "init").code == 0


def test_settings_with_changes_of_ours_are_changed_and_not_committed(tmp_path: Path) -> None:
    repo = repository(tmp_path / "plain")
    repo.commit({"train.py": TRAIN})
    gitexp(repo, "init", "--command", "python train.py")
    text = repo.show(CONFIG).replace("timeout_s: null", "timeout_s: 60")
    (repo.path / CONFIG).write_text(text)
    head = repo.hash()
    done = gitexp(repo, "init", "--metrics", "n.json")
    assert done.code == 0
    assert "the settings have changes that are not committed" in done.out
    assert f"git add -- {CONFIG}" in done.out
    assert repo.hash() == head
    here = (repo.path / CONFIG).read_text()
    assert here == text.replace("[metrics.json]", "[n.json]") != text


def test_the_seed_in_a_file_of_settings_that_the_command_names_is_found(tmp_path: Path) -> None:
    repo = repository(tmp_path / "plain")
    settings = {"conf/a.yaml": "model: {seed: 3}\n", "data.json": '{"rows": [1]}'}
    repo.commit({"train.py": TRAIN, **settings})
    command = "python train.py --config=./conf/a.yaml data.json absent.yaml"
    done = gitexp(repo, "init", "--command", command)
    assert done.code == 0, done.err
    assert "params: [conf/a.yaml]" in repo.show(CONFIG)
    assert "conf/a.yaml:model.seed" in repo.show(CONFIG)


def test_no_option_of_another_call_is_passed_over(dvc_repo: BuiltRepo) -> None:
    assert gitexp(dvc_repo, "init").code == 0
    both = gitexp(dvc_repo, "init", "--command", "python train.py", "--write-pipeline")
    assert both.code == 2
    assert both.says("there is a pipeline already", "dvc.yaml")
    assert gitexp(dvc_repo, "init", "--seed-param", "lr").says("lr is no seed", "0.5")
    swapped = gitexp(dvc_repo, "init", "--command", "python train.py")
    assert swapped.code == 0, swapped.err
    assert "pipeline: null" in dvc_repo.show(CONFIG)
    assert "command: python train.py" in dvc_repo.show(CONFIG)


def test_several_seeds_are_asked_for_before_anything_is_written(tmp_path: Path) -> None:
    repo = repository(tmp_path / "plain")
    repo.commit({"train.py": TRAIN, "params.yaml": PARAMS})
    head = repo.hash()
    done = gitexp(repo, "init", "--command", "python train.py")
    assert done.code == 2
    assert done.says(
        "error[several-seeds]",
        "prepare.seed, train.seed",
        "the same with --seed-param prepare.seed --seed-param train.seed",
    )
    assert (repo.hash(), repo.status()) == (head, [])
    assert on_a_terminal(repo, "n\n", "init", "--command", "python train.py") == 2
    assert (repo.hash(), repo.status()) == (head, [])
    one = gitexp(repo, "init", "--command", "python train.py", "--seed-param", "train.seed")
    assert "prepare.seed is taken for a seed that keeps its committed value" in one.out
    assert 'seed: {"param": train.seed, "fixed": [prepare.seed]}' in repo.show(CONFIG)


def test_what_a_seed_is_for_may_stand_in_its_name(tmp_path: Path) -> None:
    repo = repository(tmp_path / "plain")
    repo.commit({"train.py": TRAIN, "params.yaml": "noise_seed: 4\nseed_alpha: 5\n"})
    done = gitexp(repo, "init", "--command", "python train.py")
    assert done.code == 0, done.err
    assert 'seed: {"param": noise_seed}' in repo.show(CONFIG)


def test_what_a_logger_writes_is_no_pipeline_and_names_the_metrics(tmp_path: Path) -> None:
    repo = repository(tmp_path / "plain")
    live = "params:\n- live/params.yaml\nmetrics:\n- live/metrics.json\nplots:\n- live/plots\n"
    repo.commit({"train.py": TRAIN, "dvc.yaml": live, "live/metrics.json": '{"acc": 1}'})
    bare = gitexp(repo, "init")
    assert bare.code == 3
    assert bare.says("no-pipeline", "dvc.yaml has no stages", "gitexp init --command")
    done = gitexp(repo, "init", "--command", "python train.py")
    assert done.code == 0, done.err
    assert "files: [live/metrics.json]" in repo.show(CONFIG)


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
        ("main", "", "[main]"),
        ("master", "", "[master]"),
        ("trunk", "", "[trunk]"),
        ("topic", "trunk", "[trunk]"),
        ("topic", "main", "[main]"),
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


def test_the_pattern_that_ignores_the_pointer_of_an_output_is_named(tmp_path: Path) -> None:
    repo = repository(tmp_path / "plain")
    repo.commit({"train.py": TRAIN, "sub/.gitignore": "/models/\n!/other/\n"})
    asked = ("init", "--project", "sub", "--command", "python ../train.py", "--dvc-init")
    said = gitexp(repo, *asked, "--outs", "models/x")
    assert said.says("sub/models/x.dvc: /models/ in sub/.gitignore")
    assert said.says("write /models/x instead of /models/ in sub/.gitignore")
    repo.commit({"sub/.gitignore": "/models/x\n!/other/\n"})
    assert gitexp(repo, *asked, "--outs", "models/x", "--outs", "other").code == 0


def test_on_a_terminal_a_yes_lets_all_seeds_vary(tmp_path: Path) -> None:
    repo = repository(tmp_path / "plain")
    repo.commit({"train.py": TRAIN, "params.yaml": PARAMS})
    assert on_a_terminal(repo, "y\n", "init", "--command", "python train.py") == 0
    assert 'seed: {"param": [prepare.seed, train.seed]}' in repo.show(CONFIG)


def on_a_terminal(repo: BuiltRepo, answer: str, *argv: str) -> int:
    """Run a command on a terminal at which somebody types; return its exit code."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "gitexp", *argv],
        cwd=repo.path,
        env=environment(),
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, answer.encode())
    try:
        while os.read(ours, 65536):
            pass
    except OSError:  # how Linux says that the other side has closed
        pass
    os.close(ours)
    return child.wait()


@pytest.mark.parametrize(
    ("place", "options", "project"),
    [
        ("sub", [], "sub"),
        ("sub", ["--project", "."], "sub"),
        ("sub", ["--project", "sub"], "sub"),
        ("sub/src", ["--project", ".."], "sub"),
        (".", ["--project", "./sub/"], "sub"),
        (".", [], ""),
        ("sub/src", [], ""),
    ],
)
def test_a_project_in_a_subfolder_is_found_from_where_one_stands(
    repo: BuiltRepo, place: str, options: list[str], project: str
) -> None:
    repo.commit({"sub/src/train.py": "print(1)\n", "sub/conf/a.yaml": "seed: 1\n"})
    command = ["--command", "python src/train.py conf/a.yaml", "--metrics", "m.json"]
    named = ["-C", place, "init", *command, "--params", "conf/a.yaml", *options, "--dry-run"]
    if project:
        done = gitexp(repo, *named, "--json")
        assert done.json["found"].get("project", "") == project  # type: ignore[attr-defined]
    else:
        done = gitexp(repo, *named)
        assert done.says("conf/a.yaml is not there", "the same with --project sub")
        plain = gitexp(repo, "-C", place, "init", *command, "--dry-run")
        assert "src/train.py, which is not there; it is with --project sub" in plain.out + plain.err
    assert gitexp(repo, "-C", "sub", "init").says("gitexp init --project sub --command")


def test_a_pipeline_in_the_folder_where_one_stands_comes_first(repo: BuiltRepo) -> None:
    stages = "stages: {a: {cmd: echo 1, metrics: [m.json: {cache: false}]}}\n"
    repo.commit({"dvc.yaml": stages, "sub/dvc.yaml": stages})
    for place, project in ((".", ""), ("sub", "sub")):
        done = gitexp(repo, "-C", place, "init", "--dry-run", "--json")
        assert done.json["found"].get("project", "") == project  # type: ignore[attr-defined]


def test_a_metrics_file_that_nobody_will_keep_is_told_at_once(tmp_path: Path) -> None:
    repo = repository(tmp_path / "r")
    stage = "{cmd: x, metrics: [reports/m.json: {cache: false}]}"
    repo.commit({"dvc.yaml": f"stages: {{a: {stage}}}\n", ".gitignore": "reports/*\n"})
    done = gitexp(repo, "init")
    assert "reports/m.json: Git ignores it" in done.out
    assert "take it out of .gitignore" in done.out


def test_of_two_projects_in_a_repository_one_is_gitexps(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    for name, key in (("one", "train.seed"), ("two", "model.random_state")):
        section, _, seed = key.partition(".")
        stage = f"{{cmd: python t.py, deps: [t.py], params: [{section}], outs: [{name}.txt]}}"
        files = {
            "dvc.yaml": f"stages: {{train: {stage}}}\n",
            "params.yaml": f"{section}: {{{seed}: 7}}\n",
            "t.py": "import random, yaml\ns = yaml.safe_load(open('params.yaml'))\n"
            f"random.seed(s['{section}']['{seed}'])\nopen('{name}.txt', 'w').write('1')\n",
        }
        repo.commit({**dvc_files(), **{f"{name}/{file}": text for file, text in files.items()}})
    done = gitexp(repo.path / "one", "init")
    assert (done.code, "two/" in done.out) == (0, False), done
    before = repo.refs()
    refused = gitexp(repo, "init", "--project", "two")
    assert refused.says("error[usage]", "a repository holds one gitexp project")
    assert repo.refs() == before
    whole = ("--project", "two", "--outs", "two.txt", "--seed-param", "model.random_state")
    assert gitexp(repo, "init", *whole, "--dry-run").code == 0
    gone, _, again = refused.err.partition("next  ")[2].partition(", then ")
    assert gone.strip().startswith("git rm .gitexp/config.yaml && git commit -m")
    repo.git("rm", "-q", ".gitexp/config.yaml")
    repo.git("commit", "-qm", "another project")
    done = gitexp(repo, *again.partition(",")[0].split()[1:])
    assert done.code == 0
    assert "two.txt" in done.out
    assert "model.random_state" in done.out
    repo.git("mv", "two", "three")
    repo.git("commit", "-qm", "moved")
    moved = gitexp(repo, "init", "--project", "three")
    assert (moved.code, "project was two" in moved.out) == (0, True), moved
