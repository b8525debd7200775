"""What several tests of the action need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import actionjob
from tests.lab.fakegithub import FakeGitHub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def fake() -> Iterator[FakeGitHub]:
    yield from FakeGitHub("").serve()


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return actionjob.install(tmp_path_factory.mktemp("installed"))
