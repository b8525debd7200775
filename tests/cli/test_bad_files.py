"""Files that cannot be read as what they should be: the file, the line, nothing lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.git.transaction import layout
from tests.lab.build import repository
from tests.lab.shell import PLAN, gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo


def test_without_a_pipeline_or_a_command_there_is_nothing_to_run(tmp_path: Path) -> None:
    repo = repository(tmp_path / "plain")
    repo.commit({"train.py": "print(1)\n"})
    done = gitexp(repo, "init")
    assert done.code == 3
    assert done.says("error[no-pipeline]", "no dvc.yaml", "--command")
    assert repo.status() == []


@pytest.mark.sweep(5)
@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("dvc.yaml", "stages:\n  a:\n    cmd: x\n   b: [\n", ("not YAML", "dvc.yaml, line 4")),
        ("dvc.yaml", "stages: {}\nstages: {}\n", ("a key occurs twice", "dvc.yaml, line 2")),
        ("params.yaml", "lr: [1\nseed: 1\n", ("not YAML", "params.yaml, line 2")),
        ("params.yaml", "lr: 1\nseed: 1\nlr: 2\n", ("a key occurs twice", "params.yaml, line 3")),
        (
            "params.yaml",
            "seed: 1\nlr: 0.1\nday: 2024-01-31\n",
            ("a bare date", "params.yaml, line 3", 'in quotes: "2024-01-31"'),
        ),
        ("dvc.lock", "<<<<<<< ours\n", ("error[bad-format]", "dvc.lock")),
        ("dvc.lock", "schema: '2.0'\nstages: [a]\n", ("error[bad-format]", "dvc.lock")),
        (".gitexp/config.yaml", "$schema: gitexp/config@1\na: [\n", ("not YAML", "config.yaml")),
        (".gitexp/config.yaml", "hello\n", ("error[bad-format]", "config.yaml")),
        (
            ".gitexp/config.yaml",
            "$schema: gitexp/config@99\n",
            ("error[newer-format]", "config@99", "pip install --upgrade gitexp"),
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(
    experiment: BuiltRepo, path: str, text: str, said: tuple[str, ...]
) -> None:
    experiment.commit({path: text})
    before = experiment.refs()
    done = gitexp(experiment, "run")
    assert done.code == 3, (done.out, done.err)
    assert done.says(*said, "  next  ")
    shown = gitexp(experiment, "status")  # what can be said is said
    assert shown.code == 0
    assert "note" in shown.out
    step = done.err.rpartition("  next  ")[2].strip()
    assert shown.out.endswith(f"next: {step}\n"), "not the call that fails"
    assert experiment.refs() == before
    assert experiment.status() == []


def test_init_names_the_line_of_a_pipeline_that_cannot_be_read(dvc_repo: BuiltRepo) -> None:
    dvc_repo.commit({"dvc.yaml": "stages:\n  a: {cmd: x, cmd: y}\n"})
    done = gitexp(dvc_repo, "init")
    assert done.code == 3
    assert done.says("a key occurs twice", "dvc.yaml, line 2")
    assert not (dvc_repo.path / ".gitexp").exists()


def test_a_broken_plan_is_shown_beside_the_others(experiment: BuiltRepo) -> None:
    path = layout.plan_path("faster")
    good = experiment.show(path)
    experiment.git("branch", "exp/good", "main")
    experiment.commit({path: good.replace("@1", "@7", 1)})
    listed = gitexp(experiment, "list")
    assert listed.code == 0
    assert "good" in listed.out
    assert "unreadable" in listed.out
    assert "plan@7" in listed.out
    assert gitexp(experiment, "list", "--csv").says("cannot be read")
    run = gitexp(experiment, "run")
    assert run.code == 3
    assert run.says("error[newer-format]")


def test_a_plan_file_that_cannot_be_read_begins_nothing(project: BuiltRepo) -> None:
    for text, said in (
        ("hypothesis: [\n", "plan.yaml"),
        ("hypothesis: a b c\nhypothesi: d\n", "hypothesi"),
        ("metric: 3\n", "metric"),
        ("<<<<<<< ours\n", "merge conflict"),
    ):
        project.write({"plan.yaml": text})
        done = gitexp(project, "new", "x", "--from", "plan.yaml", *PLAN[:4])
        assert done.code == 3, done.err
        assert done.says(said)
    missing = gitexp(project, "new", "x", "--from", "nothing.yaml")
    assert missing.code == 2
    assert missing.says("cannot be read", "nothing.yaml")
    assert "refs/heads/exp/x" not in project.refs()
