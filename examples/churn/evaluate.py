"""Measure the predictions on held-out customers and draw what a reader wants to see.

All metrics speak of the held-out customers, except ``f1_by_fold``: F1 on each fold of the
training part. The threshold was chosen on those folds, so it is a diagnosis, not a result.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import metrics

PREDICTIONS = Path("reports/predictions.csv")
VALIDATION = Path("reports/validation.csv")
METRICS = Path("metrics.json")
ROC = Path("reports/roc.csv")
SCORES = Path("reports/scores.csv")
N_BINS = 20


def measure(held_out: pd.DataFrame, validation: pd.DataFrame) -> dict[str, float | list[float]]:
    """Return every metric by name; all are dimensionless, log_loss is in nats a customer."""
    y_true, y_pred, score = held_out["y_true"], held_out["y_pred"], held_out["score"]
    return {
        "f1": float(metrics.f1_score(y_true, y_pred)),
        "roc_auc": float(metrics.roc_auc_score(y_true, score)),
        "precision": float(metrics.precision_score(y_true, y_pred)),
        "recall": float(metrics.recall_score(y_true, y_pred)),
        "log_loss": float(metrics.log_loss(y_true, score)),
        "f1_by_fold": [
            float(metrics.f1_score(fold["y_true"], fold["y_pred"]))
            for _, fold in validation.groupby("fold")
        ],
    }


def roc(held_out: pd.DataFrame) -> pd.DataFrame:
    """Return the points of the ROC curve."""
    false_positive, true_positive, _ = metrics.roc_curve(held_out["y_true"], held_out["score"])
    return pd.DataFrame(
        {"false_positive_rate": false_positive, "true_positive_rate": true_positive}
    )


def histogram(held_out: pd.DataFrame) -> pd.DataFrame:
    """Return how many customers, by what they did, have a score in each of `N_BINS` bins."""
    edges = np.linspace(0, 1, N_BINS + 1)
    counts = {
        name: np.histogram(held_out.loc[held_out["y_true"] == label, "score"], edges)[0]
        for name, label in (("churned", 1), ("stayed", 0))
    }
    return pd.DataFrame({"score": (edges[:-1] + edges[1:]) / 2} | counts).round(3)


if __name__ == "__main__":
    table = pd.read_csv(PREDICTIONS)
    values = measure(table, pd.read_csv(VALIDATION))
    METRICS.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    roc(table).to_csv(ROC, index=False)
    histogram(table).to_csv(SCORES, index=False)
