"""Clean the raw table: one row a customer, no gaps, the target as 0 or 1.

Nothing here looks at more than one row, so nothing can leak from the held-out customers.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

RAW = Path("data/raw/telco_churn.csv")
PREPARED = Path("data/prepared/customers.csv")


def prepare(raw: pd.DataFrame) -> pd.DataFrame:
    """Return the customers with an ``id``, a 0/1 ``churn`` and no missing value.

    ``total_charges`` is empty where ``tenure`` is 0 months: nothing has been billed yet, so the
    total is 0. A gap anywhere else is not understood and stops the pipeline.
    """
    customers = raw.rename(columns={"rownames": "id"})
    customers["churn"] = (customers["churn"] == "Yes").astype(int)
    new = customers["tenure"] == 0
    customers.loc[new, "total_charges"] = customers.loc[new, "total_charges"].fillna(0.0)
    gaps = customers.columns[customers.isna().any()]
    if len(gaps):
        message = f"{RAW}: missing values in {', '.join(gaps)}"
        raise ValueError(message)
    return customers


if __name__ == "__main__":
    PREPARED.parent.mkdir(parents=True, exist_ok=True)
    prepare(pd.read_csv(RAW)).to_csv(PREPARED, index=False)
