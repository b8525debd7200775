"""What `run --commit` refuses, it refuses before anything is committed or written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.errors import GitexpError
from gitexp.execution.run import run
from gitexp.execution.until import until_decided
from gitexp.model import replace
from gitexp.model.config import ParamKey
from gitexp.model.request import RunRequest
from tests.execution.test_evaluator import FILES, project

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitexp.model.ids import ParamValue
    from tests.lab.build import BuiltRepo

TRAIN = {"src/train.py": FILES["src/train.py"] + "# more\n"}
HOOK = ".git/hooks/pre-commit"


def param(name: str, value: ParamValue) -> tuple[tuple[ParamKey, ParamValue], ...]:
    return ((ParamKey("params.yaml", name), value),)


def standing(repo: BuiltRepo) -> tuple[str, ...]:
    asked = (("rev-parse", "HEAD"), ("ls-files", "--stage"), ("diff",), ("diff", "--cached"))
    return tuple(repo.git(*each) for each in asked)


REFUSED: dict[str, tuple[str, Mapping[str, str], RunRequest]] = {
    "no plan": ("main", TRAIN, RunRequest(with_baseline=True)),
    "unknown param": ("exp/x", TRAIN, RunRequest(params=(*param("lr", 2), *param("rl", 2)))),
    "unknown engine": ("exp/x", TRAIN, RunRequest(engine="slurm")),
    "another state": ("exp/x", TRAIN, RunRequest(at="main")),
    "seeds and repeats": ("exp/x", TRAIN, RunRequest(seeds=(3,), repeats=3)),
    "the evaluator": ("exp/x", {"src/evaluate.py": FILES["src/evaluate.py"] + "#\n"}, RunRequest()),
    "a parameter of it": ("exp/x", TRAIN, RunRequest(params=param("eval.scale", 2))),
    "no change of an input": ("exp/x", {"README.md": "more\n"}, RunRequest()),
    "no such metric": (
        "exp/x",
        {"dvc.yaml": FILES["dvc.yaml"].replace("metrics.json", "numbers.json")},
        RunRequest(with_baseline=True),
    ),
    "no pipeline": ("exp/x", {".gitexp/config.yaml": "schema: 1\n"}, RunRequest()),
    "a seed that is none": ("exp/x", TRAIN, RunRequest(params=param("seed", "abc"))),
    "a text for a number": ("exp/x", TRAIN, RunRequest(params=param("lr", "abc"))),
    "a hook": ("exp/x", {HOOK: "#!/bin/sh\nexit 1\n"}, RunRequest(params=param("lr", 2))),
}


@pytest.mark.sweep(7)
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_leaves_head_index_and_work_tree(case: str, tmp_path: Path) -> None:
    branch, files, request = REFUSED[case]
    repo = project(tmp_path / "p", {"README.md": "text\n"})
    repo.switch(branch)
    repo.write(files)
    if case == "a hook":
        (repo.path / HOOK).chmod(0o755)
    if case != "no change of an input":  # part of it is in the index already
        repo.write({"raw.csv": "2\n"})
        repo.git("add", "raw.csv")
    before = standing(repo)
    with pytest.raises(GitexpError):
        run(repo.workspace, replace(request, commit_message="more"))
    assert standing(repo) == before


def test_looks_that_no_rule_allows_are_refused_before_the_commit(tmp_path: Path) -> None:
    repo = project(tmp_path / "p")
    repo.write(TRAIN)
    before = standing(repo)
    for request in (RunRequest(), RunRequest(seeds=(1,)), RunRequest(params=param("lr", 2))):
        with pytest.raises(GitexpError):
            until_decided(repo.workspace, replace(request, commit_message="more"))
        assert standing(repo) == before
