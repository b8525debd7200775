"""What is shipped: the wheel holds the code, its types and its schemas, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from pathlib import Path
from typing import cast

import jsonschema
import pytest

ROOT = Path(__file__).parents[1]
SCHEMAS = sorted((ROOT / "gitexp" / "records" / "schemas").rglob("*.json"))
KINDS = {
    "comparison",
    "conclusion",
    "config",
    "curves",
    "environment",
    "job",
    "outcome",
    "plan",
    "points",
    "predictions",
    "run",
    "samples",
}


def test_every_record_has_a_schema() -> None:
    assert {path.stem for path in SCHEMAS} >= KINDS


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_a_schema_is_a_schema(path: Path) -> None:
    schema = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validators.validator_for(schema).check_schema(schema)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    package = ROOT / "gitexp"
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix in {".py", ".json", ".typed", ".css", ".js", ".html"}
    }
    assert {"gitexp/py.typed", "gitexp/records/schemas/run.json"} <= expected
    assert expected <= set(wheel.namelist())


def test_the_wheel_holds_nothing_beside_the_package(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"gitexp"}
    assert not [name for name in wheel.namelist() if "__pycache__" in name]


def test_the_wheel_installs_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    (entry,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert b"gitexp = gitexp.cli.main:entry" in wheel.read(entry)
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_every_dependency_has_a_floor() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    dependencies = cast("list[str]", project["dependencies"])
    assert [name for name in dependencies if ">=" not in name] == []


def test_a_file_is_read_at_one_sitting_and_a_folder_at_a_glance() -> None:
    """450 lines, 25 files."""
    files = sorted((ROOT / "gitexp").rglob("*.py"))
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {str(path): n for path, n in lines.items() if n > 450} == {}
    folders = Counter(path.parent for path in files if path.name != "__init__.py")
    assert {str(folder): n for folder, n in folders.items() if n > 25} == {}
