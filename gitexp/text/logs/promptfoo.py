"""Results of promptfoo, as ``promptfoo eval -o results.json`` and ``promptfoo export`` write them.

Fixtures are written by promptfoo 0.121.20 with its echo provider. A test is known by its variables
and assertions, so that repeats of it are samples. An answer that failed with an error has no score.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError
from gitexp.text.jsontext import json_dumps_compact

if TYPE_CHECKING:
    from gitexp.text.jsontext import Json

_ERROR = 2  # failureReason of an answer that never came
_LONGEST = 100  # letters of a variable; longer ones are texts to be answered
_READ, _DIGITS = 30, 12  # letters of an id that people know, and of the digest behind them
_COLUMNS = {"pass": "success", "score": "score", "latencyMs": "latencyMs", "cost": "cost"}


def fits(value: Json) -> bool:
    """Whether this is an evaluation of promptfoo."""
    results = value.get("results") if isinstance(value, dict) else None
    return isinstance(results, dict) and {"version", "results"} <= results.keys()


def rows(value: Json, where: str) -> list[dict[str, Json]]:
    """Return a row for each answer of the one provider and prompt that the log is of."""
    results = value.get("results") if isinstance(value, dict) else None
    answers = results.get("results") if isinstance(results, dict) else None
    found: list[dict[str, Json]] = []
    sides: dict[str, None] = {}
    for answer in answers if isinstance(answers, list) else []:
        test = answer.get("testCase") if isinstance(answer, dict) else None
        if not isinstance(answer, dict) or not isinstance(test, dict):
            raise BadFormatError(
                "an answer has no test", where=where, expected="testCase with vars and assert"
            )
        provider = answer.get("provider")
        name = provider.get("id") if isinstance(provider, dict) else provider
        sides[f"{name}, prompt {answer.get('promptIdx')}"] = None
        about = test.get("vars")
        told = json_dumps_compact([about, test.get("assert")])
        shown = next(iter(about.values()), "") if isinstance(about, dict) else ""
        digest = hashlib.sha256(told).hexdigest()[:_DIGITS]
        row: dict[str, Json] = {"id": f"{str(shown)[:_READ]} {digest}".strip()}
        failed = answer.get("failureReason") == _ERROR
        for column, key in _COLUMNS.items():
            row[column] = None if failed else answer.get(key)
        named = answer.get("namedScores")
        if isinstance(named, dict):
            row |= {name: score for name, score in named.items() if name not in row}
        for name, cell in about.items() if isinstance(about, dict) else ():
            if isinstance(cell, (str, int)) and len(str(cell)) <= _LONGEST:
                row[f"vars.{name}"] = cell
        found.append(row)
    if len(sides) > 1:
        raise BadFormatError(
            "the log is of several models or prompts",
            found="; ".join([*sides][:3])[:120],
            where=where,
            expected="one provider and one prompt in each file",
            next_step="promptfoo eval --filter-providers NAME -o FILE.json, once for each",
        )
    return found
