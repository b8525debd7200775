"""Every test runs on its own island: no user's Git, DVC or home is read or written."""

from __future__ import annotations

import gc
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from gitexp.execution.engines import ENGINES
from tests.lab import warm
from tests.lab.build import BuiltRepo, dvc_project, dvc_template, repository

if TYPE_CHECKING:
    from collections.abc import Iterator

# How long an example takes says how busy the machine is, no more.
settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")


# Tests write a million small files; of a disk they would wait for every one.
_MEMORY = Path("/dev/shm")  # noqa: S108  pytest makes a folder of its own there
_ROOM = 4 << 30


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite golden files instead of comparing"
    )
    parser.addoption("--all", action="store_true", help="every case of what is a sample otherwise")
    parser.addoption(
        "--corpus",
        metavar="DIR",
        # read here, since pytest_configure clears GITEXP_*
        default=os.environ.get("GITEXP_STATS_CORPUS"),
        help="folder of statistics reference cases (default: tests/stats/corpus)",
    )


def pytest_configure() -> None:
    gc.disable()  # what is collected stays to the end: a fifth of the time that collecting takes
    # Before the first import of pygit2, which reads HOME only once.
    for key in [key for key in os.environ if key.startswith(("GIT_", "DVC_", "GITEXP_"))]:
        del os.environ[key]
    # A plugin's folder, of which tests know nothing: each would start its programs anew.
    os.environ.pop("PYTHONPATH", None)
    os.environ["GIT_CONFIG_GLOBAL"] = os.devnull
    os.environ["GIT_CONFIG_SYSTEM"] = os.devnull
    os.environ["GIT_CONFIG_NOSYSTEM"] = "1"
    os.environ["DVC_NO_ANALYTICS"] = "true"
    # Or each of some thousand processes compiles what it imports.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if (
        _MEMORY.is_dir()
        and not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC
        and _free(_MEMORY) > _ROOM
    ):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def _free(folder: Path) -> int:
    told = os.statvfs(folder)
    return told.f_bavail * told.f_frsize


@pytest.hookimpl(trylast=True)  # after -k and -m: whoever names a case gets it
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave a sample of the cases of each sweep, unless all are asked for."""
    if config.getoption("--all"):
        return
    sweeps: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("sweep"):
            sweeps.setdefault(item.nodeid.partition("[")[0], []).append(item)
    kept = {case for cases in sweeps.values() for case in _sample(cases)}
    left_out = {case for cases in sweeps.values() for case in cases} - kept
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def _sample(cases: list[pytest.Item]) -> Iterator[pytest.Item]:
    """Yield the same cases each time: until each parameter had each value, or so many."""
    count, *always = cases[0].get_closest_marker("sweep").args or (len(cases),)  # type: ignore[union-attr]
    named = {f"[{each}]" for each in always}
    left = sorted(
        cases,
        key=lambda case: (
            case.name.removeprefix(case.originalname) not in named,  # type: ignore[attr-defined]
            hashlib.sha256(case.name.encode()).digest(),
        ),
    )
    seen: set[tuple[int, str]] = set()
    for _ in range(count):
        case = max(left, key=lambda case: len(_rows(case) - seen))
        if _rows(case) <= seen:
            return
        seen |= _rows(case)
        yield case


def _rows(case: pytest.Item) -> set[tuple[int, str]]:
    """Return which row of each `parametrize` a case has."""
    return set(enumerate(case.callspec._idlist))  # type: ignore[attr-defined]  # noqa: SLF001


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
        # Projects run in an interpreter of their own: what is installed beside gitexp, thousands
        # of files, would be compared with what was installed in each new project.
        venv.create(home / "venv", symlinks=True)
        patch.setenv("VIRTUAL_ENV", str(home / "venv"))
        warm.environment()  # asked before any test changes it
        patch.setattr(subprocess, "run", warm.started)
        patch.setitem(ENGINES, "local", warm.local_engine)  # type: ignore[arg-type]
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
