"""Numbers in a file that gitexp did not write: CSV with a header, or JSON, as samples.

One row is one measurement. `seed`, `rep`, `fold`, `dataset`, `n_train` and `n_test` say of what;
every other column of numbers is a metric, unless the columns `metric` and `value` name them.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError
from gitexp.model.run import MAX_SEED, Sample
from gitexp.text.jsontext import Json, json_loads
from gitexp.text.samples import LIMIT, check_width, csv_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_NUMBERS = 250_000  # rows times columns of numbers
_COUNTS = ("rep", "fold", "n_train", "n_test")
_CONTEXT = frozenset((*_COUNTS, "seed", "dataset"))
_PARTS = frozenset(("rep", "fold", "dataset"))
_LONG = frozenset(("metric", "value"))
_INTEGER = re.compile(r"[0-9]{1,19}")
_ONE_METRIC = "value"  # of a file that is one column of numbers
_SHOWN = 60  # characters of a cell in a message


def load(data: bytes, where: str) -> tuple[Sample, ...]:
    """Read samples.

    `data`: at most 64 MiB; JSON if `where` ends in ``.json``, else CSV. The result: in the order
    of the rows. Without a seed each row is a repeat of its own, numbered from 0; rows that name a
    rep, a fold or a data set are parts of one repeat.
    """
    if where.lower().endswith(".json"):
        header, rows = _from_json(data, where)
    else:
        header, rows = _from_csv(data, where)
    if len(set(header)) < len(header):
        twice = Counter(header).most_common(1)[0][0]
        raise BadFormatError("a column is there twice", found=twice[:_SHOWN], where=where)
    _check_number(len(rows), 1, where)
    metrics = None if set(header) >= _LONG else _metrics(header, rows, where)
    _check_number(len(rows), 1 if metrics is None else len(metrics), where)
    alone = metrics is not None and _PARTS.isdisjoint(header)
    samples: dict[tuple[object, ...], Sample] = {}
    for number, row in enumerate(rows):
        here = f"{where}, row {number + 1}"
        cells = dict(zip(header, row, strict=True))
        names = (cells["metric"],) if metrics is None else metrics
        seed = _count(cells.get("seed", ""), "seed", here)
        seed = (number if alone else 0) if seed is None else seed
        parts = {key: _count(cells.get(key, ""), key, here) for key in _COUNTS}
        for name in names:
            value = _number(cells["value" if metrics is None else name], name, here)
            sample = Sample(name, seed, value, dataset=cells.get("dataset", ""), **parts)
            key = (name, sample.seed, sample.rep, sample.fold, sample.dataset)
            if key in samples:
                raise BadFormatError(
                    "a measurement is there twice",
                    found=f"{name} of seed {sample.seed}"[:_SHOWN],
                    where=here,
                    expected="a seed, rep, fold or dataset that tells the rows apart",
                )
            samples[key] = sample
    if not samples:
        raise BadFormatError(
            "there are no numbers", where=where, expected="a column of numbers with its name above"
        )
    return tuple(samples.values())


def _metrics(header: Sequence[str], rows: Sequence[Sequence[str]], where: str) -> tuple[str, ...]:
    """Return the columns of numbers; those of text alone are somebody's remarks."""
    found = []
    for index, name in enumerate(header):
        if name in _CONTEXT or not name:
            continue
        which = [_is_number(row[index]) for row in rows]
        if any(which):
            if not all(which):
                number = which.index(False)
                raise _no_number(rows[number][index], name, f"{where}, row {number + 1}")
            found.append(name)
    return tuple(found)


def _check_number(rows: int, columns: int, where: str) -> None:
    if rows * columns > MOST_NUMBERS:
        raise BadFormatError(
            "there are too many numbers in the file",
            found=f"{rows} rows, {columns} columns of numbers",
            where=where,
            expected=f"at most {MOST_NUMBERS} numbers",
            next_step="leave out the columns and rows that the question is not about",
        )


def _count(text: str, name: str, where: str) -> int | None:
    if not text.strip():
        return None
    if not _INTEGER.fullmatch(text.strip()) or int(text) > MAX_SEED:
        raise BadFormatError(
            f"{name} is no whole number", found=text[:_SHOWN], where=where, expected="0, 1, 2, ..."
        )
    return int(text)


def _number(text: str, name: str, where: str) -> float:
    if not _is_number(text):
        raise _no_number(text, name, where)
    value = float(text)
    if not math.isfinite(value):
        raise BadFormatError(
            f"{name} is not finite",
            found=text[:_SHOWN],
            where=where,
            expected="a finite number, or no row for what was not measured",
        )
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def _no_number(text: str, name: str, where: str) -> BadFormatError:
    return BadFormatError(
        f"{name[:_SHOWN]} is not a number",
        found=text[:_SHOWN] or "nothing",
        where=where,
        expected="a number in every row, or in none",
    )


def _from_csv(data: bytes, where: str) -> tuple[list[str], list[list[str]]]:
    lines = [row for _, row in csv_rows(data, where, strict=True) if row]
    if not lines:
        return [], []
    header = [name.strip() for name in lines[0]]
    if len(header) == 1 and _is_number(header[0]):
        header, lines = [_ONE_METRIC], [[], *lines]
    for number, row in enumerate(lines[1:], 1):
        check_width(row, header, f"{where}, row {number}")
    return header, lines[1:]


def _from_json(data: bytes, where: str) -> tuple[list[str], list[list[str]]]:
    value = json_loads(data, where=where, limit=LIMIT)
    columns: dict[str, list[Json]] = {}
    if isinstance(value, list) and all(isinstance(row, dict) for row in value):
        rows = [row for row in value if isinstance(row, dict)]
        names = list(dict.fromkeys(name for row in rows for name in row))
        columns = {name: [row.get(name) for row in rows] for name in names}
    elif isinstance(value, dict):
        columns = {name: cells for name, cells in value.items() if isinstance(cells, list)}
    lengths = {len(cells) for cells in columns.values()}
    if not columns or len(lengths) > 1 or (isinstance(value, dict) and len(columns) < len(value)):
        raise BadFormatError(
            "these are not measurements",
            where=where,
            expected="a list of objects, or an object of lists that are equally long",
        )
    table = [[_cell(cell, name, where) for cell in cells] for name, cells in columns.items()]
    return list(columns), [list(row) for row in zip(*table, strict=True)]


def _cell(value: Json, name: str, where: str) -> str:
    if isinstance(value, (dict, list)):
        raise BadFormatError(
            "a cell is a list or an object", found=name[:_SHOWN], where=where, expected="a number"
        )
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)
