"""The default path of compare loads neither scipy.stats nor an optimiser."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STATS = Path(__file__).parents[2] / "gitexp" / "stats"
DEFAULT_PATH = (
    *("hypotheses", "decide", "design", "effects", "intervals"),
    "planned.one_dataset",
)


def loaded(modules: tuple[str, ...]) -> set[str]:
    imports = "; ".join(f"import gitexp.stats.{module}" for module in modules)
    code = f"import sys; {imports}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_default_path_stays_light() -> None:
    heavy = {"scipy.stats", "scipy.optimize", "scipy.integrate", "pandas", "sklearn", "dvc", "git"}
    assert not heavy & loaded(DEFAULT_PATH)


def test_no_statistics_module_needs_scipy_stats() -> None:
    files = (file.relative_to(STATS).with_suffix("") for file in STATS.rglob("[!_]*.py"))
    every = tuple(".".join(file.parts) for file in files)
    assert len(every) > 25
    assert not {"scipy.stats", "scipy.optimize"} & loaded(every)


def test_planning_and_deciding_need_no_numpy() -> None:
    assert not {"numpy", "scipy"} & loaded(("design", "decide"))
