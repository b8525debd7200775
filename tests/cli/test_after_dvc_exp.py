"""What `dvc exp run` and `dvc repro` leave in the work tree: each printed step works as pasted."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.lab.build import BuiltRepo, dvc, dvc_files, repository
from tests.lab.shell import environment, gitexp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRAIN = """\
import json, random, re
text = open("params.yaml").read()
seed, lr = (float(re.search(rf"{name}: ([0-9.]+)", text)[1]) for name in ("seed", "lr"))
json.dump({"f1": lr / 10 + random.Random(seed).random() / 100}, open("metrics.json", "w"))
open("model.txt", "w").write(text)
"""
STAGES = """\
stages:
  train:
    cmd: python train.py
    deps: [train.py]
    params: [lr, seed]
    outs: [model.txt]
    metrics:
    - metrics.json:
        cache: false
"""
NEW = (
    *("new", "lr5", "--metric", "f1:max", "--effect", ">0", "--repeats", "5"),
    *("--hypothesis", "a higher rate raises f1"),
)


@pytest.fixture
def repo(tmp_path: Path) -> BuiltRepo:
    repo = repository(tmp_path / "p")
    files = {"train.py": TRAIN, "dvc.yaml": STAGES, "params.yaml": "seed: 1\nlr: 1\n"}
    repo.commit({**files, **dvc_files()})
    dvc(repo.path, "repro", "-q")
    repo.git("add", "-A")
    repo.commit({}, message="reproduced")
    assert gitexp(repo, "init", "-q").code == 0
    return repo


def pasted(repo: BuiltRepo, text: str) -> None:
    """Paste what the last line, or an error's, says to type."""
    found = re.findall(r"^ *next:? +(.*)$", text, re.MULTILINE)[-1]
    env = environment({"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b"})
    where = repo.path / "src" if (repo.path / "src").exists() else repo.path
    subprocess.run(["bash", "-ec", found], cwd=where, env=env, check=True, capture_output=True)


def experimented(repo: BuiltRepo) -> None:
    dvc(repo.path, "exp", "run", "-q", "-S", "lr=5")


def reproduced(repo: BuiltRepo) -> None:
    repo.write({"params.yaml": "seed: 1\nlr: 5\n"})
    dvc(repo.path, "repro", "-q")


def applied(repo: BuiltRepo) -> None:
    dvc(repo.path, "exp", "run", "-q", "-n", "mine", "-S", "lr=5")
    repo.git("stash", "-q")
    repo.git("stash", "drop", "-q")
    dvc(repo.path, "exp", "apply", "mine")


def below(repo: BuiltRepo) -> None:
    repo.commit({"src/a.py": "\n"})
    experimented(repo)


def unchanged(repo: BuiltRepo) -> None:
    """The same state by hand, with other numbers: of another machine, say."""
    repo.write({"metrics.json": '{"f1": 0.5}'})
    dvc(repo.path, "commit", "-q", "-f")


WAYS = (experimented, reproduced, applied, below, unchanged)


@pytest.mark.slow
@pytest.mark.sweep(2)
@pytest.mark.parametrize("more", [(), ("--param", "lr=5"), ("--param", "lr=4")], ids=" ".join)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_what_dvc_left_goes_on_to_a_run_and_nothing_is_lost(
    repo: BuiltRepo, way: Callable[[BuiltRepo], None], more: tuple[str, ...]
) -> None:
    way(repo)
    left = {path: repo.path.joinpath(path).read_bytes() for path in ("params.yaml", "metrics.json")}
    made = gitexp(repo, *NEW, *more)
    assert made.code == 0, made.err
    pasted(repo, made.out)
    assert repo.git("branch", "--show-current") == "exp/lr5"
    if way is unchanged and not more:  # else both sides are the same
        repo.commit({"train.py": f"{TRAIN}# another\n"})
    refused = gitexp(repo, "run")
    if refused.code:
        refused.says("dirty-tree")
        assert gitexp(repo, "status").out.splitlines()[-1].endswith(steps(refused.err))
        pasted(repo, refused.err)
    assert repo.status() == []
    view = gitexp(repo, "status").out
    assert "5 of 5 count" in view or "0 of 5" not in view, view
    every = repo.git("rev-list", "--all", "--reflog").split()
    for path, data in left.items():
        there = (repo.git_bytes("show", f"{rev}:{path}", check=False) for rev in every)
        assert data in there, f"{path} is in a commit or in the stash"


def steps(text: str) -> str:
    return re.findall(r"^ *next +(.*)$", text, re.MULTILINE)[-1]
