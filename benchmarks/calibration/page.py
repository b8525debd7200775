"""The results as a file and as the tables of docs/statistics.md; both say their standard errors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.calibration.rates import Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RESULTS = Path(__file__).with_name("results.json")
PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"


def load() -> dict[str, list[Row]]:
    """Read the results that are there."""
    if not RESULTS.exists():
        return {}
    stored = json.loads(RESULTS.read_text("utf-8"))
    return {
        title: [
            Row(item["name"], item["simulations"], {k: v["rate"] for k, v in item["rates"].items()})
            for item in rows
        ]
        for title, rows in stored.items()
    }


def save(tables: Mapping[str, Sequence[Row]]) -> None:
    """Write results and page."""
    value = {
        title: [
            {
                "name": row.name,
                "simulations": row.simulations,
                "rates": {
                    column: {"rate": rate, "standard_error": round(row.error(column), 5)}
                    for column, rate in row.shares.items()
                },
            }
            for row in rows
        ]
        for title, rows in tables.items()
    }
    RESULTS.write_text(json.dumps(value, indent=1) + "\n", "utf-8")
    text = PAGE.read_text("utf-8")
    PAGE.write_text(
        re.sub(f"{BEGIN}.*{END}", lambda _: BEGIN + markdown(tables) + END, text, flags=re.DOTALL),
        "utf-8",
    )


def markdown(tables: Mapping[str, Sequence[Row]]) -> str:
    """Return the tables, each cell a rate with its standard error."""
    lines: list[str] = []
    for title, rows in tables.items():
        columns = list(dict.fromkeys(column for row in rows for column in row.shares))
        lines += ["", f"### {title}", "", f"| case | {' | '.join(columns)} |"]
        lines.append("|---|" + "---|" * len(columns))
        for row in rows:
            cells = [
                f"{row.shares[column]:.3f} \u00b1 {row.error(column):.3f}"
                if column in row.shares
                else "-"
                for column in columns
            ]
            lines.append(f"| {row.name} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", ""])
