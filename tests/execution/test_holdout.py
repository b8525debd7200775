"""A holdout's command: no job begins where one could read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.errors import PreflightError
from gitexp.execution.run import run
from gitexp.experiments.init import init
from gitexp.model.request import InitRequest, RunRequest
from gitexp.views.list_runs import list_runs
from tests.lab import build
from tests.lab.build import repository
from tests.lab.shell import environment, gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

# What a job of the same account can look at: Git's settings, variables of all above it, files.
SPY = """\
import json, os, pathlib, subprocess
told = [subprocess.run(["git", "config", "--list"], capture_output=True, text=True).stdout]
told += [str(dict(os.environ))]
pid = os.getpid()
while pid > 1:
    try:
        told.append(pathlib.Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "replace"))
        pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        break
json.dump({"found": int("score-hidden" in " ".join(told))}, open("metrics.json", "w"))
"""
PIPELINE = """\
stages:
  train:
    cmd: python spy.py
    deps: [spy.py]
    params: [seed]
    metrics:
    - metrics.json: {cache: false}
"""
COMMAND = "python /elsewhere/score-hidden.py"


@pytest.fixture
def repo(tmp_path: Path) -> BuiltRepo:
    files = {"spy.py": SPY, "dvc.yaml": PIPELINE, "params.yaml": "seed: 7\n"}

    def make(folder: Path) -> None:
        made = repository(folder)
        made.commit({**files, **build.dvc_files()})
        init(made.workspace, InitRequest(metrics=("metrics.json",)))

    return build.copied(tmp_path / "p", make, files)


def of_call(key: str) -> dict[str, str]:
    counted = environment().get("GIT_CONFIG_COUNT", "0")
    return {
        "GIT_CONFIG_COUNT": str(int(counted) + 1),
        f"GIT_CONFIG_KEY_{counted}": key,
        f"GIT_CONFIG_VALUE_{counted}": COMMAND,
    }


def found_by_job(repo: BuiltRepo) -> list[float]:
    return [each.mean for item in list_runs(repo.workspace).runs for each in item.metrics]


@pytest.mark.parametrize(
    ("key", "code"), [("gitexp.holdout", 3), ("gitexp.Holdout", 3), ("gitexp.other", 0)]
)
def test_a_call_that_has_the_holdout_begins_no_job(repo: BuiltRepo, key: str, code: int) -> None:
    done = gitexp(repo, "run", env=of_call(key))
    assert done.code == code, done.err
    assert ("gitexp.holdout is set" in done.err) is bool(code)
    assert COMMAND not in done.err
    shown = gitexp(repo, "list", "--runs").out
    assert ("no run found" in shown) is bool(code)
    if not code:  # what a job would have found
        assert found_by_job(repo) == [1]


@pytest.mark.parametrize("scope", ["local", "global"])
def test_nor_does_one_where_a_file_has_it(
    repo: BuiltRepo, scope: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = {"local": repo.path / ".git/config", "global": tmp_path / "gitconfig"}[scope]
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    repo.git("config", "--file", str(tmp_path / "gitconfig"), "user.name", "A")
    repo.git("config", "--file", str(tmp_path / "gitconfig"), "user.email", "a@example.org")
    repo.git("config", "--file", str(file), "gitexp.holdout", COMMAND)
    with pytest.raises(PreflightError, match=r"gitexp\.holdout is set") as caught:
        run(repo.workspace, RunRequest())
    assert f"git config --{scope} --unset-all" in caught.value.next_step
    repo.git("config", "--file", str(file), "--unset-all", "gitexp.holdout")
    run(repo.workspace, RunRequest())
    assert found_by_job(repo) == [0]
