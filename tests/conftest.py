"""Every test runs on its own island: no user's Git, DVC or home is read or written."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests import warm
from tests.build import BuiltRepo, dvc_project, dvc_template, repository

if TYPE_CHECKING:
    from collections.abc import Iterator

# How long an example takes says how busy the machine is, no more.
settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite golden files instead of comparing"
    )
    parser.addoption(
        "--zoo", action="store_true", help="tests/zoo: every layout and verb, for minutes"
    )
    parser.addoption(
        "--corpus",
        metavar="DIR",
        # read here, since pytest_configure clears GITEXP_*
        default=os.environ.get("GITEXP_STATS_CORPUS"),
        help="folder of statistics reference cases (default: tests/stats/corpus)",
    )


def pytest_configure() -> None:
    # Before the first import of pygit2, which reads HOME only once.
    for key in [key for key in os.environ if key.startswith(("GIT_", "DVC_", "GITEXP_"))]:
        del os.environ[key]
    os.environ["GIT_CONFIG_GLOBAL"] = os.devnull
    os.environ["GIT_CONFIG_SYSTEM"] = os.devnull
    os.environ["GIT_CONFIG_NOSYSTEM"] = "1"
    os.environ["DVC_NO_ANALYTICS"] = "true"
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


@pytest.fixture(scope="session", autouse=True)
def _island(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        for variable in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
            patch.delenv(variable, raising=False)
        patch.setenv("DVC_GLOBAL_CONFIG_DIR", str(home / "dvc-global"))
        patch.setenv("DVC_SYSTEM_CONFIG_DIR", str(home / "dvc-system"))
        patch.setenv("DVC_SITE_CACHE_DIR", str(home / "dvc-site"))
        warm.environment()  # asked before any test changes it
        yield


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture
def repo(tmp_path: Path) -> BuiltRepo:
    """An empty repository on the unborn branch main."""
    return repository(tmp_path / "repo")


@pytest.fixture(scope="session")
def dvc_project_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the DVC project that is built once and copied."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    return dvc_template(shared / "dvc-template")


@pytest.fixture
def dvc_repo(tmp_path: Path, dvc_project_template: Path) -> BuiltRepo:
    """A copy of the DVC project: branch main, pipeline run once, dvc.lock committed."""
    return dvc_project(tmp_path / "project", dvc_project_template)
