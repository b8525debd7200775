"""Projects that the tests of the command line begin with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.model.config import ParamKey
from gitexp.model.plan import SeedOrigin
from gitexp.model.request import NewRequest
from tests.lab.build import EPOCH, copied, dvc_project
from tests.lab.shell import HYPOTHESIS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

NOW = datetime.fromtimestamp(EPOCH + 600, UTC)


REQUEST = NewRequest(
    name="faster",
    hypothesis=HYPOTHESIS,
    metric="f1",
    effect=">0.01",
    repeats=6,
    baseline="main",
    params=((ParamKey("params.yaml", "lr"), 0.7),),
    seeds=SeedOrigin.COMMITTED,
)


@pytest.fixture
def project(tmp_path: Path, dvc_project_template: Path) -> BuiltRepo:
    """The DVC project with its settings committed, on main."""

    def make(folder: Path) -> None:
        init(dvc_project(folder, dvc_project_template).workspace, now=NOW)

    return copied(tmp_path / "project", make, "DVC, initialised", NOW)


@pytest.fixture
def experiment(tmp_path: Path, dvc_project_template: Path) -> BuiltRepo:
    """The project on exp/faster, which raises the learning rate; nothing was run."""

    def make(folder: Path) -> None:
        repo = dvc_project(folder, dvc_project_template)
        init(repo.workspace, now=NOW)
        new(repo.workspace, REQUEST, now=NOW)

    return copied(tmp_path / "project", make, "DVC, initialised", NOW, REQUEST)
