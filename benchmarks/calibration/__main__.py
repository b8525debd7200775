"""Simulate how far the tests can be trusted: ``python -m benchmarks.calibration [WORD ...]``.

Writes ``results.json`` beside this file and the tables of ``docs/statistics.md``; with words only
the tables whose title contains one of them. Seeds are fixed, so that the same code gives
the same numbers; all tables take about ten minutes.
"""

from __future__ import annotations

import sys
import time

from benchmarks.calibration import page
from benchmarks.calibration.crossed import crossed_rows
from benchmarks.calibration.groups import candidates_rows, dataset_rows, omnibus_rows
from benchmarks.calibration.intervals import coverage_rows
from benchmarks.calibration.looks import looks_rows
from benchmarks.calibration.predictions import label_rows, score_rows
from benchmarks.calibration.repeats import independent_rows, paired_rows, power_rows
from benchmarks.calibration.splits import fold_rows

TABLES = {
    "Repeats paired by seed": paired_rows,
    "Independent repeats": independent_rows,
    "Class predictions of one evaluation set": label_rows,
    "Scores of one evaluation set": score_rows,
    "Repeats and examples crossed, and clusters": crossed_rows,
    "Folds of a cross-validation": fold_rows,
    "Data sets": dataset_rows,
    "More than two commits": omnibus_rows,
    "Several candidates of one call": candidates_rows,
    "Looking early": looks_rows,
    "Coverage of 95 % intervals": coverage_rows,
    "Power": power_rows,
}


def main(words: list[str]) -> None:
    """Simulate, say how long it took, write."""
    tables = page.load()
    for title, rows in TABLES.items():
        if words and not any(word.lower() in title.lower() for word in words):
            continue
        start = time.process_time()
        tables[title] = list(rows())
        print(f"{time.process_time() - start:6.1f} s  {title}", flush=True)
        page.save({name: tables[name] for name in TABLES if name in tables})


if __name__ == "__main__":
    main(sys.argv[1:])
