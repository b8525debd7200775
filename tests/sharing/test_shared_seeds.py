"""``--seeds committed`` on two machines: whoever ran a seed, it is one sample, and one pair."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.experiments.init import init
from gitexp.model.request import InitRequest
from gitexp.views.status import status
from tests.lab.build import BuiltRepo, clone, dvc_files, repository
from tests.lab.sharing import BRANCH, gitexp

if TYPE_CHECKING:
    from pathlib import Path

TRAIN = """\
import random
import mylib
text = open("params.yaml").read()
seed, lr = int(text.split("seed:")[1].split()[0]), float(text.split("lr:")[1].split()[0])
acc = lr + random.Random(seed).random() / 50 + mylib.VERSION / 1e5
open("metrics.json", "w").write('{"acc": %r}' % acc)
"""
PLAN = (
    *("new", "idea", "--seeds", "committed", "--metric", "acc:max", "--effect", ">0"),
    *("--repeats", "6", "--hypothesis", "a larger rate raises acc", "--param", "lr=0.2"),
)
BOTH = "--with-baseline"
SHARES: dict[str, tuple[list[tuple[str, ...]], list[tuple[str, ...]]]] = {
    "apart": ([("1-3", BOTH)], [("4-6", BOTH)]),
    "each all": ([("1-6", BOTH)], [("1-6", BOTH)]),
    "some twice": ([("1-4", BOTH)], [("3-6", BOTH)]),
    "some before": ([("1-2", BOTH)], [("1-2", BOTH), ("3-6", BOTH)]),
    "not the first": ([("2-4", BOTH)], [("5-7", BOTH)]),
    "a side each": ([("1-6",)], [("1-6", "--at", "main")]),
}


def environment(folder: Path, version: int) -> str:
    """Make an environment with a package of some version, which the training imports."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "mylib.py").write_text(f"VERSION = {version}\n")
    about = site / f"mylib-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mylib\nVersion: {version}\n")
    (about / "RECORD").write_text("mylib.py,,\n")
    return str(folder)


def machines(folder: Path) -> tuple[BuiltRepo, BuiltRepo]:
    """Two clones of a project with a plan of six committed seeds."""
    a = repository(folder / "a")
    a.commit({"train.py": TRAIN, "params.yaml": "lr: 0.1\nseed: 1\n", **dvc_files()})
    init(a.workspace, InitRequest(command="python train.py", metrics=("metrics.json",)))
    origin = repository(folder / "origin.git", bare=True)
    a.git("remote", "add", "origin", origin.path.as_uri())
    done = gitexp(a, *PLAN)
    assert done.returncode == 0, done.stderr
    a.git("push", "--quiet", "origin", "main", BRANCH)
    b = clone(origin, folder / "b")
    b.switch(BRANCH)
    return a, b


@pytest.mark.slow
@pytest.mark.sweep(2)
@pytest.mark.parametrize("merged", [False, True], ids=["replayed", "merged"])
@pytest.mark.parametrize("alike", [True, False], ids=["equal", "other packages"])
@pytest.mark.parametrize("shares", SHARES)
def test_a_seed_is_one_sample_and_one_pair_whoever_ran_it(
    tmp_path: Path, shares: str, *, alike: bool, merged: bool
) -> None:
    a, b = machines(tmp_path)
    one = environment(tmp_path / "one", 1)
    other = one if alike else environment(tmp_path / "other", 2)
    for repo, calls, where in zip((a, b), SHARES[shares], (one, other), strict=True):
        for seeds, *more in calls:
            done = gitexp(repo, "run", "--seeds", seeds, *more, VIRTUAL_ENV=where)
            assert done.returncode == 0, done.stderr
        if merged:
            repo.commit({f"docs/{repo.path.name}.md": "words\n"})
    for repo in (b, a, b):
        assert gitexp(repo, "sync").returncode == 0
    six = tuple(range(2, 8) if shares == "not the first" else range(1, 7))
    if shares == "a side each" and not alike:  # a pair is of one environment
        assert status(a.workspace).baseline_counted == ()
        assert gitexp(a, "run", VIRTUAL_ENV=one).returncode == 0
    for repo in (a, b) if a.hash(BRANCH) == b.hash(BRANCH) else (a,):
        (found,) = compare(repo.workspace)
        assert (found.pairs, found.looks) == (6, 0)
        assert [(row.n_baseline, row.n_candidate) for row in found.metrics] == [(6, 6)]
        view = status(repo.workspace)
        assert (view.counted, view.baseline_counted) == (six, six)
    again = gitexp(a, "run", "--dry-run", VIRTUAL_ENV=one)
    assert again.stdout.count("nothing to run") == 2, again.stdout
