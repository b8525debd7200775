"""Jobs that use the action, as GitHub starts them; installing is done once for all of them."""

from __future__ import annotations

import json
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.text.yamltext import yaml_loads
from tests.lab.build import BuiltRepo, clone, repository
from tests.lab.fakegithub import REPOSITORY, FakeGitHub
from tests.lab.records import Lab, experiment
from tests.lab.runner import ROOT, Job, environment

if TYPE_CHECKING:
    from gitexp.text.jsontext import Json

ACTION = ROOT / "action.yml"
TOKEN = "ghs_secret0secret"  # noqa: S105  a token of nobody
FOREIGN = "os.getenv = print\nopen('CANARY', 'w')\n"


def install(folder: Path) -> Path:
    """Do the step that installs, in a folder; return what it made."""
    job = Job(folder, folder, {}, environment(folder, Path(sysconfig.get_paths()["purelib"])))
    source = folder / "source"
    kept = ("gitexp", "hooks", "pyproject.toml", "README.md", "LICENSE")
    source.mkdir()
    for name in kept:
        ignored = shutil.ignore_patterns("__pycache__")
        whole = ROOT / name
        if whole.is_dir():
            shutil.copytree(whole, source / name, ignore=ignored)
        else:
            shutil.copy(whole, source)
    job.contexts = {
        "github": {"action_path": str(source)},
        "runner": {"temp": str(folder)},
        "inputs": {},
        "steps": {"python": {"outputs": {"python-path": sys.executable}}},
    }
    steps = [step for step in _steps() if step.get("name") == "Install gitexp"]
    job.step(steps[0])
    assert not job.failed, job.log
    return folder / "gitexp"


def _steps() -> list[dict[str, Json]]:
    document = yaml_loads(ACTION.read_bytes(), where="action.yml")
    assert isinstance(document, dict)
    runs = document["runs"]
    assert isinstance(runs, dict)
    steps = runs["steps"]
    assert isinstance(steps, (list, tuple))
    return [step for step in steps if isinstance(step, dict)]


def project(path: Path, **how: float) -> Lab:
    """Make the repository at GitHub, which hands out any commit as GitHub does."""
    lab = Lab(repository(path))
    experiment(lab, **how)  # type: ignore[arg-type]  gain, n, repeats
    lab.repo.git("config", "uploadpack.allowAnySHA1InWant", "true")
    lab.repo.git("switch", "-q", "main")
    return lab


def job(
    tmp_path: Path, checkout: BuiltRepo, installed: Path, fake: FakeGitHub, github: Json
) -> Job:
    """Return a job as GitHub starts it: event file, variables, an empty temporary folder."""
    assert isinstance(github, dict)
    temp = tmp_path / "temp"
    (temp / "gitexp").mkdir(parents=True)
    (temp / "gitexp" / "venv").symlink_to(installed / "venv")
    event = temp / "event.json"
    event.write_text(json.dumps(github["event"]))
    found = Job(
        checkout.path,
        temp,
        {"github": github, "runner": {"temp": str(temp), "os": "Linux"}},
        {
            **environment(tmp_path, Path(sysconfig.get_paths()["purelib"])),
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": fake.url,
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REPOSITORY": REPOSITORY,
            "RUNNER_TEMP": str(temp),
        },
    )
    # Installing is a step like any other; it was done above, once for all tests.
    found.ran.append("Install gitexp")
    return found


def without_install(tmp_path: Path) -> Path:
    """Return the action without the step that was done."""
    lines = ACTION.read_text().split("\n\n")
    kept = [part for part in lines if "- name: Install gitexp" not in part]
    assert len(kept) == len(lines) - 1
    path = tmp_path / "action.yml"
    path.write_text("\n\n".join(kept))
    return path


def pull_request(lab: Lab, *, branch: str = "exp/deep", source: str = REPOSITORY) -> Json:
    """Return the github context of a pull request."""
    head = lab.repo.hash(branch)
    return {
        "event_name": "pull_request",
        "event": {
            "repository": {"full_name": REPOSITORY, "default_branch": "main"},
            "pull_request": {
                "number": 7,
                "base": {"sha": lab.repo.hash("main"), "ref": "main"},
                "head": {
                    "sha": head,
                    "label": f"{source.partition('/')[0]}:{branch}",
                    "repo": {"full_name": source},
                },
            },
        },
        "repository": REPOSITORY,
        "sha": head,
        "head_ref": branch,
        "base_ref": "main",
        "ref_name": "7/merge",
        "server_url": "https://github.com",
        "workflow": "gitexp review",
        "token": TOKEN,
        "action_path": str(ROOT),
    }


def checked_out(lab: Lab, tmp_path: Path, ref: str = "exp/deep") -> BuiltRepo:
    """Check out as actions/checkout does: one commit, detached; a stranger's files among it."""
    there = clone(lab.repo, tmp_path / "checkout", "--depth", "1", "--branch", ref)
    there.git("checkout", "-q", "--detach")
    canary = tmp_path / "canary"
    for name in ("pip.py", "venv.py", "gitexp.py", "sitecustomize.py", "json.py"):
        (there.path / name).write_text(FOREIGN.replace("CANARY", str(canary)))
    return there
