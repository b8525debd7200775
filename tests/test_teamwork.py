"""docs/teamwork.md does what it says: three clones type its ten commands."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.experiments.init import init
from tests.lab.build import BuiltRepo, clone, dvc, repository
from tests.lab.shell import environment

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = (Path(__file__).parents[1] / "docs" / "teamwork.md").read_text(encoding="utf-8")
BRANCH = "exp/larger-steps"


def commands() -> list[tuple[str, str]]:
    """Return who types what."""
    block = PAGE.split("```console\n")[1].split("```")[0]
    found = [re.fullmatch(r"(\w+)\$ (.*)", line) for line in block.splitlines()]
    return [(match[1], match[2]) for match in found if match]


@pytest.fixture
def team(dvc_repo: BuiltRepo, tmp_path: Path) -> dict[str, BuiltRepo]:
    """What the page asks for: a project with both remotes, and two more clones."""
    ada = dvc_repo
    init(ada.workspace)
    with (ada.path / ".dvc" / "config").open("a") as config:
        config.write(f"['remote \"lab\"']\n    url = {tmp_path / 'lab'}\n")
    text = (ada.path / ".dvc" / "config").read_text()
    (ada.path / ".dvc" / "config").write_text(text.replace("[core]", "[core]\n    remote = lab", 1))
    ada.git("add", "--all")
    ada.commit(at=2, message="data go to the lab")
    origin = repository(tmp_path / "origin.git", bare=True)
    ada.git("remote", "add", "origin", origin.path.as_uri())
    ada.git("push", "--quiet", "origin", "main")
    cluster, bob = (clone(origin, tmp_path / name) for name in ("cluster", "bob"))
    return {"ada": ada, "cluster": cluster, "bob": bob, "origin": origin}


def type_all(team: Mapping[str, BuiltRepo]) -> str:
    """Type the commands, each in its clone; return what the last one said."""
    out = ""
    for who, line in commands():
        done = subprocess.run(
            ["bash", "-c", line.replace("gitexp", "python -m gitexp", 1)],
            cwd=team[who].path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (who, line, done.stdout, done.stderr)
        out = done.stdout
    return out


@pytest.mark.slow
def test_the_ten_commands_of_the_page_end_with_one_verdict(team: dict[str, BuiltRepo]) -> None:
    assert len(commands()) == 10
    said = type_all(team)
    assert said.startswith("SUPPORTED")
    tips = {team[who].hash(BRANCH) for who in ("ada", "bob", "origin")}
    assert len(tips) == 1
    cluster = team["cluster"].hash(BRANCH)
    assert team["origin"].git("merge-base", "--is-ancestor", cluster, tips.pop()) == ""
    records = [path for path in team["bob"].files(BRANCH) if path.endswith("/run.json")]
    assert len(records) == 4
    seeds = [seed for path in records for seed in _run(team["bob"], path)]
    assert sorted(seeds) == sorted([*range(1, 7)] * 2)
    for who in ("ada", "bob"):
        repo = team[who]
        if who == "bob":
            repo.switch(BRANCH)
            dvc(repo.path, "pull")
        assert repo.status() == []
        assert json.loads(dvc(repo.path, "status", "--json")) == {}


def _run(repo: BuiltRepo, path: str) -> list[int]:
    seeds: list[int] = json.loads(repo.show(path, BRANCH))["seeds"]
    return seeds
