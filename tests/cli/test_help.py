"""What `gitexp help COMMAND` shows as examples: each is run, in a place that fits it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from gitexp.cli.commands import COMMANDS
from gitexp.cli.dispatch import help_of
from gitexp.cli.main import main
from tests.lab.build import BuiltRepo, git_environment, repository
from tests.lab.records import Lab, scores
from tests.lab.shell import gitexp

LOGS = Path(__file__).parents[1] / "text" / "logs"
TRAIN = 'import json; json.dump({"f1": 0.7}, open("metrics.json", "w")); print("trained")\n'
# What an example asks of the world that no test here has, and who tests it instead.
ELSEWHERE = {
    "gitexp comment --from review.json": "GitHub: tests/sharing/test_comment.py",
    "gitexp compare --by contract": "a column of predictions: tests/comparison/test_subgroups.py",
    "gitexp witness --rfc3161": "an authority: tests/experiments/test_witness.py",
    "gitexp witness deeper --approve": "a signing key: tests/experiments/test_witness.py",
}
WORDS = {"NAME": "deeper", "RUN": "cccc", "REV REV...": "main exp/deeper", "--seed 3": "--seed 30"}
AWAY = ("git switch -q main",)
GONE = (*AWAY, "gitexp archive deeper --abandon")
# What is typed before, so that the example makes sense: by its first words, the longest that fit.
BEFORE = {
    "gitexp archive deeper": (*AWAY, "git merge -q exp/deeper"),
    "gitexp archive deeper --abandon": AWAY,
    "gitexp init": (*AWAY, "git rm -q .gitexp/config.yaml", "git commit -q -m bare"),
    "gitexp new": AWAY,
    "gitexp pull": ("gitexp push",),
    "gitexp restore deeper": GONE,
    "gitexp review --from": ("gitexp review main...exp/deeper --json -o review.json",),
    "gitexp rm deeper": GONE,
    "gitexp rm deeper --yes": AWAY,
}


def examples(text: str) -> list[str]:
    """Return the command lines that a help text shows, without what stands beside them."""
    shown = re.sub(r" *\\\n *", " ", text).partition("\n\n")[2].splitlines()
    return [line.strip().split("  ", 1)[0] for line in shown if line.startswith("  gitexp ")]


def cases() -> list[str]:
    found = [line for command in COMMANDS for line in examples(help_of(command))]
    return [line for line in found if line not in ELSEWHERE]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment with ten pairs that support it, one real run, a remote, another branch."""
    folder = tmp_path_factory.mktemp("world")
    lab = Lab(repository(folder / "work"))
    seeds = range(10)
    tables = {
        f"{name}.csv": "seed,f1\n" + "".join(f"{seed},{value}\n" for seed, value in rows.items())
        for name, rows in (("a", scores(0.6, seeds)), ("b", scores(0.7, seeds, spread=0.005)))
    }
    judged = {
        f"{name}.jsonl": "".join(f'{{"id": "q{n}", "judge": {at + n % 7}}}\n' for n in range(20))
        for name, at in (("a", 1), ("b", 2))
    }
    logs = {f"{name}.eval": (LOGS / f"inspect_{name}.eval").read_bytes() for name in "ab"}
    lab.init(files={"train.py": TRAIN, ".gitignore": "metrics.json\n", **tables, **judged})
    for name, data in logs.items():
        (lab.repo.path / name).write_bytes(data)
    repository(folder / "origin.git", bare=True)
    lab.repo.git("remote", "add", "origin", str(folder / "origin.git"))
    lab.repo.git("push", "--quiet", "origin", "main")
    plan = lab.plan("deeper")
    lab.change()
    low = scores(0.6, seeds)
    lab.record("b", {"f1": low}, of="main", plan=plan)
    high = {seed: value + 0.05 + 0.001 * (seed % 3) for seed, value in low.items()}
    lab.record("c", {"f1": high}, plan=plan)
    ran = gitexp(lab.repo, "run", "--seeds", "30")
    assert ran.code == 0, ran.err
    lab.repo.git("branch", "exp/focal-loss", "main")
    return folder


def typed(line: str, folder: Path) -> int:
    """Type a line and return its exit code."""
    words = shlex.split(line)
    if words[0] == "gitexp":
        return main(["-C", str(folder), *words[1:]])
    return subprocess.run(words, cwd=folder, env=git_environment(), check=False).returncode


@pytest.mark.sweep(20)
@pytest.mark.parametrize("line", cases())
def test_each_example_of_the_help_does_what_it_says(
    line: str, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(world, tmp_path / "world", symlinks=True)
    repo = BuiltRepo(tmp_path / "world" / "work")
    repo.git("remote", "set-url", "origin", str(tmp_path / "world" / "origin.git"))
    fitting = [start for start in BEFORE if line.startswith(start)]
    for before in BEFORE[max(fitting, key=len)] if fitting else ():
        assert typed(before, repo.path) == 0, (before, capsys.readouterr())
    capsys.readouterr()
    wanted = line
    for word, meant in WORDS.items():
        wanted = wanted.replace(word, meant)
    assert typed(wanted, repo.path) == 0, capsys.readouterr()


@pytest.mark.parametrize("line", [line for line in cases() if line.startswith("gitexp power --e")])
def test_arithmetic_needs_neither_a_plan_nor_a_repository(line: str, tmp_path: Path) -> None:
    assert typed(line, tmp_path) == 0
    repo = repository(tmp_path / "empty")
    assert typed(line, repo.path) == 0
    repo.commit({"a": "b"})
    assert typed(line, repo.path) == 0


def test_what_is_tested_elsewhere_is_still_shown() -> None:
    shown = {line for command in COMMANDS for line in examples(help_of(command))}
    assert ELSEWHERE.keys() <= shown
