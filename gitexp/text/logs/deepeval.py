"""Test runs of DeepEval, ``test_run_TIME.json`` in the folder of DEEPEVAL_RESULTS_FOLDER.

Fixtures are written by deepeval 4.3.1 with metrics that ask no model. A test case is known by its
input and expected output, as the tool numbers unnamed cases anew in each run. Conversations are not
read: their turns have no one input.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError
from gitexp.text.jsontext import json_dumps_compact

if TYPE_CHECKING:
    from gitexp.text.jsontext import Json

_READ, _DIGITS = 30, 12  # letters of an id that people know, and of the digest behind them


def fits(value: Json) -> bool:
    """Whether this is a test run of DeepEval."""
    return isinstance(value, dict) and value.keys() >= {"testCases", "metricsScores"}


def rows(value: Json, where: str) -> list[dict[str, Json]]:
    """Return a row for each test case: whether it passed, and the score of each metric."""
    cases = value.get("testCases") if isinstance(value, dict) else None
    found = []
    for case in cases if isinstance(cases, list) else []:
        if not isinstance(case, dict) or not isinstance(case.get("input"), str):
            raise BadFormatError("a test case has no input", where=where)
        told = json_dumps_compact([case["input"], case.get("expectedOutput")])
        digest = hashlib.sha256(told).hexdigest()[:_DIGITS]
        row: dict[str, Json] = {"id": f"{case['input'][:_READ]} {digest}".strip()}
        row["success"] = case.get("success")
        metrics = case.get("metricsData")
        for metric in metrics if isinstance(metrics, list) else ():
            if isinstance(metric, dict) and isinstance(metric.get("name"), str):
                row[str(metric["name"])] = metric.get("score")
        found.append(row)
    return found
