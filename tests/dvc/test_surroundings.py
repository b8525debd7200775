"""What differs beside the project's folder, and whether its code may reach it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.dvc import surroundings
from gitexp.git import objects, repository
from gitexp.model.config import ProjectConfig

if TYPE_CHECKING:
    from gitexp.model.ids import TreeId
    from tests.lab.build import BuiltRepo

SHARED, LIBRARY = "shared/pre.py", "libs/src/pre/core.py"
OWN = {"ml/t.py": "x = 1\n"}


def reached(
    repo: BuiltRepo, files: dict[str, str], changed: str, command: str, editable: str = ""
) -> tuple[str, ...]:
    files = {**OWN, **files}
    repo.commit({**files, changed: "1\n"}, at=1)
    first = repo.hash()
    repo.commit({changed: "2\n"}, at=2)
    opened = repository.open_repository(repo.workspace)
    trees: list[TreeId] = [
        objects.commit_info(opened, objects.resolve(opened, each)).tree
        for each in (first, repo.hash())
    ]
    pipeline = "dvc.yaml" if "ml/dvc.yaml" in files else None
    config = ProjectConfig(
        command=None if pipeline else command, pipeline=pipeline, project="ml", params=()
    )
    return surroundings.reached(opened, config, trees[1:], trees, [editable] if editable else [])


@pytest.mark.parametrize(
    ("files", "changed", "command", "editable"),
    [
        ({"ml/t.py": "import sys\nfrom shared.pre import x\n"}, SHARED, "python t.py", ""),
        ({"ml/t.py": "import sys\nsys.path.append('../shared')\n"}, SHARED, "python t.py", ""),
        ({"ml/t.py": "from pathlib import Path\nx = Path('..') / 'shared'\n"}, SHARED, "", ""),
        ({"ml/a/t.py": "import pre.core\n"}, LIBRARY, "python a/t.py", ""),
        ({}, SHARED, "cd .. && python shared/pre.py", ""),
        ({}, SHARED, "python ../shared/pre.py", ""),
        ({}, SHARED, "PYTHONPATH=.. python -m shared.pre", ""),
        ({"ml/pre.py": ""}, SHARED, "python ../shared/pre.py", ""),
        ({"ml/go.sh": "python ../shared/pre.py\n"}, SHARED, "sh go.sh", ""),
        ({"ml/params.yaml": "data: ../raw/x.csv\n"}, "raw/x.csv", "python t.py", ""),
        ({"ml/dvc.yaml": "stages: {a: {cmd: python ../shared/pre.py}}\n"}, SHARED, "", ""),
        ({"ml/n.ipynb": '{"cells": [\n  "import shared.pre\\n"]}'}, SHARED, "jupyter n", ""),
        ({}, LIBRARY, "python t.py", "libs"),
    ],
)
def test_what_the_code_may_reach_is_named(
    repo: BuiltRepo, files: dict[str, str], changed: str, command: str, editable: str
) -> None:
    assert reached(repo, files, changed, command, editable) == (changed,)


@pytest.mark.parametrize(
    ("files", "changed", "editable"),
    [
        ({}, "api/server.py", ""),
        ({"ml/t.py": "p = {'model': 1, 'api': 2}\n# taken from api\n"}, "api/model.py", ""),
        ({"ml/t.py": "import json\nurl = 'https://x.org/api/v1'\n"}, "api/json.py", ""),
        ({"ml/t.py": "from utils import x\n", "ml/utils.py": ""}, "api/utils.py", ""),
        ({"ml/t.py": "from shared.pre import x\n"}, "shared/README.md", ""),
        ({"ml/t.py": "from shared.pre import x\n"}, "ml/x.py", ""),
        ({}, "libs2/core.py", "libs"),
        ({}, "api/server.py", "."),
        (  # an input, as its stage names it
            {"ml/dvc.yaml": f"stages: {{a: {{cmd: python t.py, deps: [../{SHARED}]}}}}\n"},
            SHARED,
            "",
        ),
    ],
)
def test_what_is_unrelated_or_an_input_is_not(
    repo: BuiltRepo, files: dict[str, str], changed: str, editable: str
) -> None:
    assert reached(repo, files, changed, "python t.py", editable) == ()
