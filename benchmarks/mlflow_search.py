"""Fill an MLflow store, or time one search in it; run by rows.py where MLflow is installed.

``python mlflow_search.py fill DATABASE N_EXPERIMENTS N_RUNS`` and ``... search DATABASE``.
"""

from __future__ import annotations

import sys
import time

import mlflow
from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient


def fill(client: MlflowClient, n_experiments: int, n_runs: int) -> None:
    """Log runs with two metrics and two parameters each, as the recorded runs have."""
    for e in range(n_experiments):
        experiment = client.create_experiment(f"exp-{e}")
        for r in range(n_runs):
            run = client.create_run(experiment).info.run_id
            metrics = [Metric(name, r / n_runs, r, 0) for name in ("f1", "loss")]
            params = [Param("lr", str(e)), Param("seed", str(r))]
            client.log_batch(run, metrics=metrics, params=params)


def search(client: MlflowClient) -> int:
    """Return how many runs a search over all experiments finds."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found, token = 0, None
    while True:
        page = client.search_runs(experiments, max_results=10_000, page_token=token)
        found += len(page)
        token = page.token
        if not token:
            return found


if __name__ == "__main__":
    action, database = sys.argv[1:3]
    mlflow.set_tracking_uri(f"sqlite:///{database}")
    if action == "fill":
        fill(MlflowClient(), int(sys.argv[3]), int(sys.argv[4]))
    else:
        start = time.perf_counter()
        n_found = search(MlflowClient())
        print(f"{n_found} runs, {time.perf_counter() - start:.2f} s in the process itself")
