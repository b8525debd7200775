"""Code that a stage uses and dvc.yaml does not declare."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.execution import run_sources
from gitexp.execution.once import UndeclaredCode
from gitexp.experiments.init import init
from gitexp.git import objects
from gitexp.git.repository import open_repository
from gitexp.model.job import Stage
from gitexp.model.request import InitRequest
from tests.lab.build import repository

if TYPE_CHECKING:
    from collections.abc import Collection

FILES = {
    "prepare.py": '"""Rows; see train, from train import."""\nimport helper, json as metrics\n',
    "helper.py": "from pkg.sub import (  # two\n    deep,\n    other as train,\n)\n",
    "pkg/__init__.py": "",
    "pkg/sub/__init__.py": "from . import near\n",
    "pkg/sub/deep.py": "import importlib; importlib.import_module('late')\n",
    "pkg/sub/near.py": "from sklearn import metrics\nimport numpy.random\n",
    "late.py": "import subprocess\nsubprocess.run(['python', 'tools/clean.py'])\n",
    "tools/clean.py": "",
    "metrics.py": "",
    "train.py": "import helper\n",
    "random.py": "",
    "run.sh": "python -m pkg.tool --split train\n",
    "pkg/tool.py": "",
    "book.ipynb": '{"cells": [{"cell_type": "code", "source": ["import late\\n"]}]}',
    "params.py": "x = 1\n",
    "metrics.json": "{}",
}
PACKAGE = ("pkg/__init__.py", "pkg/sub/__init__.py", "pkg/sub/near.py")
LATE = ("late.py", "tools/clean.py")
HELPER = ("helper.py", "pkg/sub/deep.py", *PACKAGE, *LATE)


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> UndeclaredCode:
    repo = repository(tmp_path_factory.mktemp("code") / "r")
    repo.commit(FILES)
    init(repo.workspace, InitRequest(command="python train.py"))
    repo.git("add", "--all")
    repo.commit(at=2)
    opened = open_repository(repo.workspace)
    commit = objects.resolve(opened, "HEAD")
    return UndeclaredCode(
        run_sources.look(opened, "exploratory", commit, overrides={}, fallback=None)
    )


@pytest.mark.parametrize(
    ("command", "deps", "found"),
    [
        ("python prepare.py", (), ("prepare.py", *HELPER)),
        ("python prepare.py", ("prepare.py",), HELPER),
        ("python prepare.py", ("prepare.py", "helper.py", "pkg"), LATE),
        ("python -m pkg.tool train metrics", (), ("pkg/__init__.py", "pkg/tool.py")),
        ("sh run.sh", ("data",), ("run.sh", "pkg/__init__.py", "pkg/tool.py")),
        ("papermill book.ipynb out.ipynb", (), ("book.ipynb", *LATE)),
        ("cat metrics.json --from train", (), ()),
    ],
)
def test_it_is_what_the_command_names_or_imports_and_so_on(
    code: UndeclaredCode, command: str, deps: tuple[str, ...], found: Collection[str]
) -> None:
    stage = Stage("prepare", (command,), deps=deps)
    assert code.of(stage).keys() == {*found}
    assert code.of(replace(stage, commands=(f"true && {command}",))).keys() == {*found}
