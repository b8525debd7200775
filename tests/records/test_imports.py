"""Formats are on every way through the program, so loading them stays cheap."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"ruamel", "tomlkit", "jsonschema", "numpy", "pandas", "dvc", "git", "pygit2", "logging"}
JSON_ONLY = ("records.codec", "text.points", "text.samples")
REST = (
    "records.config",
    "dvc.dvcfiles",
    "text.params",
    "records.plan",
    "text.predictions",
    "text.yamlwrite",
)


@pytest.mark.parametrize(
    ("modules", "forbidden"), [(JSON_ONLY, HEAVY | {"yaml", "tomllib"}), (REST, HEAVY)]
)
def test_a_format_loads_no_more_than_it_needs(
    modules: tuple[str, ...], forbidden: set[str]
) -> None:
    names = ", ".join(f"gitexp.{module}" for module in modules)
    script = f"import sys, {names}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert forbidden.isdisjoint(done.stdout.split())
