"""Samples of lm-evaluation-harness, ``samples_TASK_TIME.jsonl`` of ``--log_samples``.

Fixtures are written by lm_eval 0.4.13 with its dummy model. A row of the file is a document under
one filter. Documents are told apart by number and hash, so that two tasks have none in common.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError

if TYPE_CHECKING:
    from gitexp.text.jsontext import Json

_LONGEST = 100  # letters of a property; longer ones are texts to be answered


def fits(value: Json) -> bool:
    """Whether this is the list of documents that ``--log_samples`` writes."""
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, dict) and first.keys() >= {"doc_id", "doc", "resps"}


def rows(value: Json, where: str) -> list[dict[str, Json]]:
    """Return a row for each document; with several filters their names follow the metrics'."""
    lines = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    several = len({str(line.get("filter")) for line in lines}) > 1
    found: dict[str, dict[str, Json]] = {}
    for number, line in enumerate(lines, 1):
        if not isinstance(line.get("doc_id"), (str, int)):
            raise BadFormatError("a document has no doc_id", where=f"{where}, line {number}")
        key = f"{line['doc_id']} {str(line.get('doc_hash', ''))[:8]}".strip()
        row = found.setdefault(key, {"id": key})
        for name in _metrics(line):
            column = f"{name},{line.get('filter')}" if several else name
            if column in row:
                raise BadFormatError(
                    "a document is there twice",
                    found=f"doc_id {key}"[:80],
                    where=f"{where}, line {number}",
                    expected="the samples of one run",
                )
            row[column] = line.get(name)
        doc = line.get("doc")
        for name, cell in doc.items() if isinstance(doc, dict) else ():
            if isinstance(cell, (str, int)) and len(str(cell)) <= _LONGEST:
                row[f"doc.{name}"] = cell
    return list(found.values())


def _metrics(line: dict[str, Json]) -> list[str]:
    """Return the metrics of a document that are numbers; older versions do not list them."""
    named = line.get("metrics")
    names = [str(name) for name in named] if isinstance(named, list) else [*line]
    numbers = [name for name in names if isinstance(line.get(name), (bool, int, float))]
    return [name for name in numbers if name != "doc_id"]
