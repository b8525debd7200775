"""Turn customers into features; ``features.engineered`` adds what we believe helps.

Every feature is computed from the customer's own row. What has to be learned from many rows
(scales, categories) is learned in train.py, from the training part alone.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml

PREPARED = Path("data/prepared/customers.csv")
FEATURES = Path("data/features/features.csv")

ADD_ONS = (
    "online_security",
    "online_backup",
    "device_protection",
    "tech_support",
    "streaming_tv",
    "streaming_movies",
)
TENURE_EDGES_MONTHS = (-1, 3, 6, 12, 24, 48, 1_000)
TENURE_BANDS = ("0-3", "4-6", "7-12", "13-24", "25-48", "49+")


def engineered(customers: pd.DataFrame) -> pd.DataFrame:
    """Return new columns, one row a customer.

    A linear model cannot bend or combine its inputs, so these are the bends and combinations
    that are known to matter for subscriptions: how new a customer is, how many services bind
    them, what a service costs, how the bill has moved, and the riskiest mixes.
    """
    months = customers["tenure"].clip(lower=1)
    add_ons = (customers[list(ADD_ONS)] == "Yes").sum(axis=1)
    monthly = customers["contract"] == "Month-to-month"
    fiber = customers["internet_service"] == "Fiber optic"
    alone = (customers["partner"] == 0) & (customers["dependents"] == 0)
    return pd.DataFrame(
        {
            "tenure_band": pd.cut(
                customers["tenure"], list(TENURE_EDGES_MONTHS), labels=list(TENURE_BANDS)
            ),
            "root_tenure": customers["tenure"] ** 0.5,
            "n_add_ons": add_ons,
            "charge_per_service": customers["monthly_charges"] / (1 + add_ons),
            "bill_change": customers["monthly_charges"] - customers["total_charges"] / months,
            "pays_by_hand": (~customers["payment_method"].str.contains("automatic")).astype(int),
            "fiber_by_month": (fiber & monthly).astype(int),
            "fiber_without_support": (fiber & (customers["tech_support"] == "No")).astype(int),
            "alone_by_month": (alone & monthly).astype(int),
        }
    )


if __name__ == "__main__":
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["features"]
    features = pd.read_csv(PREPARED)
    if params["engineered"]:
        features = features.join(engineered(features))
    FEATURES.parent.mkdir(parents=True, exist_ok=True)
    features.to_csv(FEATURES, index=False)
