"""What a quick command may load: looked at in a fresh process, in ``sys.modules``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.commands import COMMANDS
from gitexp.cli.hook import PLACES
from tests.lab.records import Lab, experiment
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

ROOT = Path(__file__).parents[1]
HEAVY = frozenset({"numpy", "scipy", "pandas", "sklearn", "dvc", "git"})
HEAVY_FOR_A_WORKER = HEAVY | {
    "pygit2",
    "ruamel",
    "importlib.metadata",
    "asyncio",
    "logging",
    "tomllib",
}

PROBE = """\
import json, sys
before = set(sys.modules)
from gitexp.cli.main import main
try:
    code = main(sys.argv[2:])
except OSError:  # a worker has no net below it: what it cannot read ends it
    code = 1
except SystemExit as leaving:  # how argparse ends after --help
    code = leaving.code or 0
with open(sys.argv[1], "w") as report:
    json.dump({"code": code, "modules": sorted(set(sys.modules) - before)}, report)
"""


def loaded(folder: Path, report: Path, *argv: str) -> tuple[int, frozenset[str]]:
    """Run one command in a fresh process; return its exit code and what it imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(report), *argv],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(report.read_text())
    return found["code"], frozenset(found["modules"])


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_asking_who_it_is_loads_no_git_and_no_yaml(tmp_path: Path, option: str) -> None:
    code, modules = loaded(tmp_path, tmp_path / "report", option)
    assert code == 0
    assert not modules & (HEAVY | {"pygit2", "yaml"})


@pytest.mark.parametrize("command", [each.name for each in COMMANDS if each.group == "look"])
def test_asking_a_looking_command_for_help_loads_nothing_heavy(
    tmp_path: Path, command: str
) -> None:
    code, modules = loaded(tmp_path, tmp_path / "report", command, "--help")
    assert code == 0
    assert not modules & HEAVY


def test_status_and_list_load_nothing_heavy(dvc_repo: BuiltRepo, tmp_path: Path) -> None:
    report = tmp_path / "report"
    assert loaded(dvc_repo.path, report, "init")[0] == 0
    new = ("new", "idea", "--baseline", "main", "--metric", "f1:max", "--effect", ">0.01")
    assert loaded(dvc_repo.path, report, *new, "--hypothesis", "a larger lr helps f1")[0] == 0
    for command in ("status", "list"):
        code, modules = loaded(dvc_repo.path, report, command)
        assert code == 0, command
        assert not modules & HEAVY, command


def test_a_run_loads_no_numerics(dvc_repo: BuiltRepo, tmp_path: Path) -> None:
    report = tmp_path / "report"
    assert loaded(dvc_repo.path, report, "init")[0] == 0
    code, modules = loaded(dvc_repo.path, report, "run", "--seeds", "1")
    assert code == 0
    assert not modules & {"numpy", "scipy", "pandas", "sklearn"}


def test_a_review_that_is_read_loads_no_numerics(repo: BuiltRepo, tmp_path: Path) -> None:
    experiment(Lab(repo), n=2, repeats=2)
    asked = ("review", "main...exp/deep", "--fail-on", "never", "--format")
    assert gitexp(repo, *asked, "json", "-o", "review.json").code == 0
    for name in ("summary", "html", "annotations"):
        asked = ("review", "--from", "review.json", "--fail-on", "no", "--format", name)
        code, modules = loaded(repo.path, tmp_path / "report", *asked)
        assert code in {0, 1}
        assert not modules & HEAVY


@pytest.mark.sweep(3, "pre-commit")
@pytest.mark.parametrize("hook", PLACES)
def test_a_hook_loads_nothing_heavy(dvc_repo: BuiltRepo, tmp_path: Path, hook: str) -> None:
    report = tmp_path / "report"
    assert loaded(dvc_repo.path, report, "init")[0] == 0
    dvc_repo.switch("exp/idea", create=True)
    dvc_repo.write({"MESSAGE": "a message"})
    first = dvc_repo.hash("HEAD^") if hook == "post-checkout" else "MESSAGE"
    code, modules = loaded(dvc_repo.path, report, "hook", hook, first)
    assert code == (1 if hook in {"pre-commit", "pre-merge-commit"} else 0)
    assert not modules & (HEAVY | {"argparse"})
    if hook not in {"pre-push", "post-checkout", "post-merge"}:
        assert "pygit2" not in modules
        assert "gitexp.model.comparison" not in modules
    if hook in {"pre-commit", "pre-merge-commit", "prepare-commit-msg", "commit-msg"}:
        assert "tempfile" not in modules  # compression and random numbers: a tenth of a hook


def test_a_worker_starts_without_anything_that_takes_time(tmp_path: Path) -> None:
    code, modules = loaded(tmp_path, tmp_path / "report", "worker", "JOB.json", "OUT")
    assert code != 0  # there is no such job; its imports are what is looked at
    assert not modules & HEAVY_FOR_A_WORKER


def test_importing_the_package_loads_nothing_but_itself(tmp_path: Path) -> None:
    probe = (
        "import sys; before = set(sys.modules); import gitexp; print(*set(sys.modules) - before)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", probe],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not set(done.stdout.split()) & (HEAVY | {"pygit2", "yaml", "argparse"})
