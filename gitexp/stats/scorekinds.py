"""Kinds of score metrics and what projects call them: words alone, so a plan needs no numpy."""

from __future__ import annotations

import re

AREA, PRECISION = "roc_auc", "average_precision"
RANKED = frozenset({AREA, PRECISION})
ROOT = "rmse"
MEANS = frozenset({"log_loss", "brier", "mae", "mse"})
# What projects call them; an area under another curve must not be read as that of the ROC curve.
WORDS = (
    (r"(average|avg)_?prec|pr_?auc|auc_?prc?|auprc|(^|[^a-z])ap($|[^a-z])", PRECISION),
    (r"auc|auroc|area_under", AREA),
    (r"log_?loss|cross_?entropy|(^|[^a-z])(nll|bce|ce|xent)($|[^a-z])", "log_loss"),
    (r"brier", "brier"),
    (r"rmse|root_mean_sq", ROOT),
    (r"(^|[^a-z])mae($|[^a-z])|mean_abs\w*_err|abs_err", "mae"),
    (r"(^|[^a-z])mse($|[^a-z])|mean_sq\w*_err|squared_err", "mse"),
)


def kind_of(name: str) -> str | None:
    """Return the kind that a metric's name says; None for a metric of labels, or of nothing.

    Examples
    --------
    >>> kind_of("val.roc_auc"), kind_of("pr_auc"), kind_of("f1"), kind_of("error_rate")
    ('roc_auc', 'average_precision', None, None)
    """
    lowered = name.lower()
    return next((kind for pattern, kind in WORDS if re.search(pattern, lowered)), None)
