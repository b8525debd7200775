"""Attack: a stage before the evaluator leaves code in the job's folder, for that to import."""

from __future__ import annotations

import py_compile
from typing import TYPE_CHECKING

import pytest

from gitexp.execution import slots

if TYPE_CHECKING:
    from pathlib import Path

HELD = ("src/evaluate.py", "src/lib/a.py", "src/common.py", "data/x/raw.csv")
OUTS = frozenset({"model", "gen.py", "src/made"})
ALLOWED = (
    "src/notes.txt",
    "metrics.json",
    "model/code/__init__.py",
    "gen.py",
    "src/made/__init__.py",
    "mlruns/0/artifacts/code/train.py",
    ".git/hooks/a.py",
)
PLANTED = (
    "sitecustomize.py",
    "usercustomize.pyc",
    "json.so",
    "src/json.py",
    "src/sklearn/__init__.py",
    "src/lib/b.abi3.so",
    "src/lib/__init__.py",
    "src/x.pth",
    "lib/numpy.py",  # that jobs import from
    "src/common.py",
    "src/lib/a.py",
)


@pytest.fixture
def slot(tmp_path: Path) -> Path:
    for path in HELD:
        put(tmp_path / "slot" / path, "1")
    return tmp_path / "slot"


def put(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def left(slot: Path, before: dict[str, str]) -> list[str]:
    return [*slots.planted(before, slots.code(slot, OUTS), {"", "lib"})]


@pytest.mark.parametrize("path", PLANTED)
def test_code_that_nobody_declares_is_named(path: str, slot: Path) -> None:
    before = slots.code(slot, OUTS)
    put(slot / path, "2")
    assert left(slot, before) == [path]


@pytest.mark.parametrize("path", ALLOWED)
def test_outputs_and_data_are_no_code(path: str, slot: Path) -> None:
    before = slots.code(slot, OUTS)
    put(slot / path, "2")
    assert left(slot, before) == []


def test_a_package_behind_a_link_is_code_and_a_folder_of_data_is_none(slot: Path) -> None:
    before = slots.code(slot, OUTS)
    put(slot.parent / "away" / "__init__.py", "2")
    (slot / "src" / "numpy").symlink_to(slot.parent / "away")
    (slot / "src" / "data").symlink_to(slot / "data")
    assert left(slot, before) == ["src/numpy/__init__.py"]


def test_bytecode_beside_sources_is_compiled_anew(slot: Path) -> None:
    before = slots.code(slot, OUTS)
    put(slot / "src/lib/__pycache__/a.cpython-311.pyc", "2")
    made = slot / "src" / "__pycache__" / "common.cpython-311.pyc"
    py_compile.compile(str(slot / "src/common.py"), str(made))
    (slot / "__pycache__").symlink_to(slot.parent)
    assert left(slot, before) == []
    assert not [*slot.glob("**/__pycache__")]
    assert slot.parent.exists()


def test_code_that_is_gone_is_named(slot: Path) -> None:
    before = slots.code(slot, OUTS)
    (slot / "src/common.py").unlink()
    assert left(slot, before) == ["src/common.py"]
