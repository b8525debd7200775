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
from tests.lab.build import EPOCH
from tests.lab.shell import HYPOTHESIS

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

NOW = datetime.fromtimestamp(EPOCH + 600, UTC)


@pytest.fixture
def project(dvc_repo: BuiltRepo) -> BuiltRepo:
    """The DVC project with its settings committed, on main."""
    init(dvc_repo.workspace, now=NOW)
    return dvc_repo


@pytest.fixture
def experiment(project: BuiltRepo) -> BuiltRepo:
    """The project on exp/faster, which raises the learning rate; nothing was run."""
    request = NewRequest(
        name="faster",
        hypothesis=HYPOTHESIS,
        metric="f1",
        effect=">0.01",
        repeats=6,
        baseline="main",
        params=((ParamKey("params.yaml", "lr"), 0.7),),
        seeds=SeedOrigin.COMMITTED,
    )
    new(project.workspace, request, now=NOW)
    return project
