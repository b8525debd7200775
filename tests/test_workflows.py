"""Workflows and the action are looked at by those who know GitHub, without asking GitHub.

In this order: what has the wrong shape is not audited.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORKFLOWS = Path(".github") / "workflows"
FAULTY = """\
name: faulty
on: pull_request_target
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: echo "${{ github.event.pull_request.title }}"
      - run: echo "${{ steps.nowhere.outputs.x }}"
"""


def looked_at(folder: Path, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a tool of the development environment in a folder."""
    program = Path(sys.executable).parent / tool
    return subprocess.run(
        [str(program), *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "NO_COLOR": "1", "LANG": "C.UTF-8"},
        check=False,
    )


@pytest.fixture(params=["own", "examples"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Lay the files where GitHub would find them."""
    own = request.param == "own"
    shutil.copytree(ROOT / WORKFLOWS if own else ROOT / "examples" / "github", tmp_path / WORKFLOWS)
    if own:
        shutil.copy(ROOT / "action.yml", tmp_path)
    (tmp_path / ".git").mkdir()
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in (folder / WORKFLOWS).glob("*.yml"))


def test_workflows_and_action_have_the_shape_that_github_reads(folder: Path) -> None:
    for schema, files in (
        ("vendor.github-workflows", names(folder)),
        ("vendor.github-actions", ["action.yml"] if (folder / "action.yml").exists() else []),
    ):
        if files:
            done = looked_at(folder, "check-jsonschema", "--builtin-schema", schema, *files)
            assert done.returncode == 0, done.stdout + done.stderr


def test_they_give_a_stranger_nothing(folder: Path) -> None:
    done = looked_at(folder, "zizmor", "--offline", "--no-progress", ".")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("completed") == len(names(folder)) + (folder / "action.yml").exists()


def test_what_they_name_is_there(folder: Path) -> None:
    files = [*names(folder), *(["action.yml"] if (folder / "action.yml").exists() else [])]
    done = looked_at(folder, "jactionlint", "--shellcheck=", *files)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tools_find_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / WORKFLOWS).mkdir(parents=True)
    file = tmp_path / WORKFLOWS / "faulty.yml"
    file.write_text(FAULTY)
    audited = looked_at(tmp_path, "zizmor", "--offline", "--no-progress", ".")
    assert audited.returncode == 14
    assert "dangerous-triggers" in audited.stdout
    assert "template-injection" in audited.stdout
    linted = looked_at(tmp_path, "jactionlint", "--shellcheck=", str(file))
    assert linted.returncode
    assert "nowhere" in linted.stdout
    action = (ROOT / "action.yml").read_text(encoding="utf-8")
    for right, wrong in (("steps.show.", "steps.shows."), ("inputs.from ", "inputs.form ")):
        (tmp_path / "action.yml").write_text(action.replace(right, wrong), encoding="utf-8")
        linted = looked_at(tmp_path, "jactionlint", "--shellcheck=", "action.yml")
        assert linted.returncode
        assert wrong.partition(".")[2].strip(" .") in linted.stdout
    file.write_text(FAULTY.replace("runs-on", "runs-om"))
    schema = ("--builtin-schema", "vendor.github-workflows")
    assert looked_at(tmp_path, "check-jsonschema", *schema, str(file)).returncode == 1


def test_the_example_of_gitlab_has_the_shape_that_gitlab_reads() -> None:
    path = ROOT / "examples" / "gitlab" / ".gitlab-ci.yml"
    done = looked_at(ROOT, "check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "path",
    [
        path.relative_to(ROOT).as_posix()
        for path in (
            ROOT / "action.yml",
            *(ROOT / WORKFLOWS).glob("*.yml"),
            *(ROOT / "examples" / "github").glob("*.yml"),
        )
    ],
)
def test_actions_of_others_are_named_by_their_hash(path: str) -> None:
    for line in (ROOT / path).read_text(encoding="utf-8").splitlines():
        _, uses, name = line.partition("uses: ")
        if uses and not name.startswith(("./", "OWNER/gitexp@")):
            version = name.partition("@")[2]
            assert len(version.split()[0]) == 40, line
            assert "  # v" in version, line
