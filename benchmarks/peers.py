"""What the tools beside us need for the same work."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from measure import Command, median

if TYPE_CHECKING:
    from projects import Place

MLFLOW = Path(__file__).with_name("mlflow_search.py")
POLL_S = 0.1
GIVE_UP_S = 1800


def dvc_queue(place: Place, n_repeats: int, jobs: int) -> float:
    """Return the seconds that ``dvc exp run --queue`` and ``dvc queue start`` take.

    Timed until the last experiment's ref exists. Looking for refs is Git's work and is cheap;
    asking ``dvc queue status`` would slow down what is measured.
    """
    start = time.perf_counter()
    for seed in range(n_repeats):
        place.dvc("exp", "run", "--queue", "--name", f"s{seed}", "-S", f"seed={seed + 100}").once()
    place.dvc("queue", "start", "-j", str(jobs)).once()
    while True:
        refs = place.output("git", "for-each-ref", "--format=%(refname)", "refs/exps")
        done = [ref for ref in refs.splitlines() if ref.rsplit("/", 1)[-1].startswith("s")]
        seconds = time.perf_counter() - start
        if len(set(done)) >= n_repeats:
            place.dvc("queue", "stop").once()
            return seconds
        if seconds > GIVE_UP_S:
            message = f"dvc queue: {len(done)} of {n_repeats} experiments after {seconds:.0f} s"
            raise RuntimeError(message)
        time.sleep(POLL_S)


def dvc_exp_show(places: tuple[tuple[int, Place], ...], n_branches: int) -> tuple[float, str]:
    """Return the seconds of ``dvc exp show -a --json`` on `n_branches`, and how they were got.

    DVC keeps what it has worked out of a commit, as our index does, so this is its first call in
    a repository. That takes minutes on thousands of branches. Given two smaller repositories, the
    straight line through both is followed; given one, it is measured there.
    """
    costs: list[tuple[int, float]] = []
    for n, place in places:
        shutil.rmtree(place.path / ".dvc" / "tmp", ignore_errors=True)
        costs.append((n, place.dvc("exp", "show", "-a", "--json").once().seconds))
    if len(costs) == 1:
        return costs[0][1], "measured"
    (n_low, low), (n_high, high) = costs
    slope = (high - low) / (n_high - n_low)
    seconds = high + slope * (n_branches - n_high)
    return seconds, f"line through {n_low}: {low:.1f} s and {n_high}: {high:.1f} s"


def mlflow_search(place: Place, n_experiments: int, n_runs: int) -> str:
    """Return what MLflow needs to search as many runs, or why that was not measured."""
    if importlib.util.find_spec("mlflow") is None:
        return "mlflow is not installed here"
    database = str(place.path.parent / "mlflow.db")
    script = (sys.executable, str(MLFLOW))
    fill = (*script, "fill", database, str(n_experiments), str(n_runs))
    Command(fill, place.path, place.env).once()
    cost = median(Command((*script, "search", database), place.path, place.env), 3)
    return f"mlflow search {cost.seconds:.2f} s"
