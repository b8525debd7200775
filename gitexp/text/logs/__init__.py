"""Logs of evaluations as their tools write them, each row an answer with its scores.

A reader is one file of this folder and one line of `READERS`: how its log is known, and what its
answers are. Logs are a stranger's bytes: size, depth and what an archive unpacks to are bounded
before anything is built.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from gitexp.errors import BadFormatError
from gitexp.text import plainfile
from gitexp.text.jsontext import JSON_LINES, Json, json_file, json_loads, too_large
from gitexp.text.logs import deepeval, inspect_eval, lm_eval, promptfoo
from gitexp.text.samples import LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Cells = Mapping[str, Json]

KEY = "id"  # of the example that a row is an answer to
PROPERTIES = ("metadata.", "doc.", "vars.")  # how columns of examples begin, beside scores
MOST_ROWS = 100_000
_MOST_COLUMNS = 200
_NAME = 200  # letters of a column's name
_SHOWN = 60


class LogReader(NamedTuple):
    """How one tool's log is known and read."""

    fits: Callable[[Json], bool]
    rows: Callable[[Json, str], list[dict[str, Json]]]  # each with `KEY`


READERS = {
    "Inspect": LogReader(inspect_eval.fits, inspect_eval.rows),
    "lm-eval": LogReader(lm_eval.fits, lm_eval.rows),
    "promptfoo": LogReader(promptfoo.fits, promptfoo.rows),
    "DeepEval": LogReader(deepeval.fits, deepeval.rows),
}


def read(data: bytes, where: str) -> plainfile.Table:
    """Read a log, else a table of numbers; both are files that somebody else wrote."""
    log = read_log(data, where)
    return plainfile.read(data, where) if log is None else log


def read_log(data: bytes, where: str) -> plainfile.Table | None:
    """Return the answers of a log; None for a file that is none of these tools'."""
    value = _value(data, where)
    for reader in READERS.values():
        if reader.fits(value):
            return _table(reader.rows(value, where), where)
    return None


def _value(data: bytes, where: str) -> Json:
    """Return what a file holds; None where it cannot be a log."""
    if inspect_eval.is_archive(data):
        if len(data) > LIMIT:
            raise too_large(f"more than {LIMIT} bytes", where, f"at most {LIMIT} bytes")
        return inspect_eval.unpacked(data, where)
    if where.lower().endswith(".eval"):
        raise BadFormatError(
            "this is not a log of Inspect", where=where, expected="an archive, as Inspect writes it"
        )
    start = data[:4096].lstrip()
    if not start.startswith(b"{"):
        return None
    if not where.lower().endswith(JSON_LINES):
        if not where.lower().endswith(".json"):
            return None
        return json_file(data, where, where=where, limit=LIMIT)
    line = data.lstrip().partition(b"\n")[0]
    first = json_loads(line, where=f"{where}, line 1", limit=LIMIT)
    if not any(reader.fits([first]) for reader in READERS.values()):
        return None
    return json_file(data, where, where=where, limit=LIMIT)


def _table(rows: list[dict[str, Json]], where: str) -> plainfile.Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not rows or len(names) == 1:
        raise BadFormatError("the log has no scores", where=where, expected="answers with scores")
    if len(rows) > MOST_ROWS or len(names) > _MOST_COLUMNS or max(map(len, names)) > _NAME:
        raise too_large(
            f"{len(rows)} answers, {len(names)} scores and properties",
            where,
            f"at most {MOST_ROWS} answers with {_MOST_COLUMNS} scores and properties, whose names "
            f"have {_NAME} letters",
        )
    cells = tuple(tuple(_cell(row.get(name)) for name in names) for row in rows)
    return plainfile.Table(where, {name: at for at, name in enumerate(names)}, cells, KEY)


def _cell(value: Json) -> str:
    """Return a cell as text: numbers, booleans as 1 and 0; what is missing is empty."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (int, float)):
        return repr(value) if math.isfinite(value) else ""
    return value if isinstance(value, str) else ""
