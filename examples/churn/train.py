"""Fit a penalised logistic regression and score the customers that it has not seen.

The seed draws which customers are held out and how the training part is folded, so repeats speak
of the recipe, not of one lucky split. Two runs with the same seed hold out the same customers,
whatever their features are, which is what pairs them.

The threshold that turns a score into a prediction is the one with the best F1 on out-of-fold
scores of the training part. The held-out part is looked at once, at the end.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import joblib
import numpy as np
import pandas as pd
import yaml
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_curve
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEATURES = Path("data/features/features.csv")
MODEL = Path("models/churn.joblib")
PREDICTIONS = Path("reports/predictions.csv")
VALIDATION = Path("reports/validation.csv")
NOT_FEATURES = ["id", "churn"]


def build(features: pd.DataFrame, penalty: float) -> Pipeline:
    """Return the untrained model: scale numbers, one-hot encode words, regress."""
    words = features.select_dtypes(exclude="number").columns
    numbers = features.select_dtypes(include="number").columns
    encode = ColumnTransformer(
        [
            ("numbers", StandardScaler(), numbers),
            ("words", OneHotEncoder(drop="first", handle_unknown="ignore"), words),
        ]
    )
    return Pipeline([("encode", encode), ("model", LogisticRegression(C=penalty, max_iter=2_000))])


def score(model: Pipeline, features: pd.DataFrame) -> NDArray[np.float64]:
    """Return the predicted probability of churn, shape (n_customers,)."""
    return np.asarray(model.predict_proba(features)[:, 1], dtype=np.float64)


def best_threshold(y_true: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Return the score at and above which predicting churn gives the largest F1."""
    precision, recall, thresholds = precision_recall_curve(y_true, scores)
    with np.errstate(invalid="ignore"):
        f1 = np.nan_to_num(2 * precision * recall / (precision + recall))
    return float(thresholds[np.argmax(f1[:-1])])


def main() -> None:
    """Read features and params, write the model, its predictions and the out-of-fold scores."""
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["train"]
    customers = pd.read_csv(FEATURES)
    training, held_out = train_test_split(
        customers,
        test_size=params["test_share"],
        stratify=customers["churn"],
        random_state=params["seed"],
    )
    x_train = training.drop(columns=NOT_FEATURES)
    y_train = training["churn"].to_numpy()
    model = build(x_train, params["penalty"])

    folds = StratifiedKFold(params["folds"], shuffle=True, random_state=params["seed"])
    fold_of, out_of_fold = np.zeros(len(training), np.int64), np.zeros(len(training))
    for fold, (fit, check) in enumerate(folds.split(x_train, y_train)):
        model.fit(x_train.iloc[fit], y_train[fit])
        fold_of[check] = fold
        out_of_fold[check] = score(model, x_train.iloc[check])
    threshold = best_threshold(y_train, out_of_fold)
    validation = pd.DataFrame(
        {
            "id": training["id"],
            "fold": fold_of,
            "y_true": y_train,
            "y_pred": (out_of_fold >= threshold).astype(int),
            "score": out_of_fold,
        }
    )

    model.fit(x_train, y_train)
    scores = score(model, held_out.drop(columns=NOT_FEATURES))
    predictions = pd.DataFrame(
        {
            "id": held_out["id"],
            "y_true": held_out["churn"],
            "y_pred": (scores >= threshold).astype(int),
            "score": scores,
        }
    )
    for path in (MODEL, PREDICTIONS):
        path.parent.mkdir(parents=True, exist_ok=True)
    joblib.dump({"model": model, "threshold": threshold}, MODEL)
    predictions.sort_values("id").to_csv(PREDICTIONS, index=False)
    validation.sort_values("id").to_csv(VALIDATION, index=False)


if __name__ == "__main__":
    main()
