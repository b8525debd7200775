"""Per-example predictions: what single models are compared by, and what tells evaluations apart.

CSV with a header, or JSON as a list of objects. Columns beside id, truth, prediction and scores
are the project's own (a user, a segment); those that are asked for are read as texts.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError
from gitexp.model import dataclass, field
from gitexp.model.ids import EvaluationDigest
from gitexp.text.jsontext import MIB, Json, decode, json_dumps_compact, json_loads

if TYPE_CHECKING:
    from gitexp.model.config import Predictions

LIMIT = 64 * MIB


@dataclass(frozen=True, slots=True)
class PredictionTable:
    """Predictions in the file's order; labels are texts, scores finite numbers."""

    ids: tuple[str, ...]
    y_true: tuple[str, ...]
    y_pred: tuple[str, ...]
    scores: Mapping[str, tuple[float, ...]]  # column "score" or "score_<class>" -> values
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # asked for, and there
    header: tuple[str, ...] = field(default=(), compare=False)  # every column there is


def load(
    data: bytes, spec: Predictions, where: str, columns: Sequence[str] = ()
) -> PredictionTable:
    """Read predictions.

    `data`: the file, at most 64 MiB; JSON if `spec.path` ends in ``.json``, else CSV. `columns`:
    further columns that are read where the file has them.
    """
    if spec.path.lower().endswith(".json"):
        table = _from_json(data, spec, where, columns)
    else:
        table = _from_csv(data, spec, where, columns)
    if not table.ids:
        raise BadFormatError("there are no predictions", where=where, expected="one row or more")
    if len(set(table.ids)) != len(table.ids):
        seen: set[str] = set()
        twice = next(i for i in table.ids if i in seen or seen.add(i))  # type: ignore[func-returns-value]
        raise BadFormatError(
            "an id is there twice",
            found=f"{spec.id} {twice[:60]}",
            where=where,
            expected="one row for each example",
        )
    return table


def evaluation_digest(table: PredictionTable) -> EvaluationDigest:
    """Compute the identity of the evaluation data: the digest of the sorted (id, y_true)."""
    rows: Json = sorted([i, truth] for i, truth in zip(table.ids, table.y_true, strict=True))
    return EvaluationDigest(hashlib.sha256(json_dumps_compact(rows)).hexdigest())


def _from_csv(
    data: bytes, spec: Predictions, where: str, columns: Sequence[str]
) -> PredictionTable:
    text = decode(data, where=where, limit=LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        header = next(reader, [])
        at = _columns(header, spec, f"{where}, line 1")
        times = Counter(header)
        names = [name for name in times if _is_score(name)]
        twice = next((name for name in names if times[name] > 1), None)
        if twice is not None:
            raise BadFormatError("a column is there twice", found=twice[:60], where=where)
        own = [name for name in columns if times[name] == 1]
        place = {name: index for index, name in enumerate(header)}
        kept = [*at, *(place[name] for name in (*names, *own))]  # no other cell stays in memory
        rows: list[Sequence[str]] = []
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise BadFormatError(
                    "a row is cut short",
                    found=f"{len(row)} cells",
                    where=f"{where}, line {reader.line_num}",
                    expected=f"{len(header)} cells",
                )
            rows.append([row[index] for index in kept])
    except csv.Error as error:
        raise BadFormatError(
            "this is not CSV", found=str(error), where=f"{where}, line {reader.line_num}"
        ) from error
    first_own = len(at) + len(names)
    return PredictionTable(
        ids=tuple(_id(row[0], n, where) for n, row in enumerate(rows, 1)),
        y_true=_shared(row[1] for row in rows),
        y_pred=_shared(row[2] for row in rows),
        scores={
            name: tuple(_score(row[column], name, n, where) for n, row in enumerate(rows, 1))
            for column, name in enumerate(names, len(at))
        },
        columns={
            name: _shared(row[column] for row in rows) for column, name in enumerate(own, first_own)
        },
        header=tuple(header),
    )


def _from_json(
    data: bytes, spec: Predictions, where: str, columns: Sequence[str]
) -> PredictionTable:
    value = json_loads(data, where=where, limit=LIMIT)
    if not isinstance(value, list):
        raise BadFormatError("these are not predictions", where=where, expected="a list of objects")
    rows: list[Mapping[str, Json]] = []
    for n, row in enumerate(value, 1):
        if not isinstance(row, Mapping):
            raise BadFormatError(
                "these are not predictions", where=f"{where}, row {n}", expected="an object"
            )
        rows.append(row)
    if rows:
        _columns(list(rows[0]), spec, f"{where}, row 1")
    names = [name for name in rows[0] if _is_score(name)] if rows else []
    return PredictionTable(
        ids=tuple(_id(_label(row, spec.id, n, where), n, where) for n, row in enumerate(rows, 1)),
        y_true=_shared(_label(row, spec.y_true, n, where) for n, row in enumerate(rows, 1)),
        y_pred=_shared(_label(row, spec.y_pred, n, where) for n, row in enumerate(rows, 1)),
        scores={
            name: tuple(_score(row.get(name), name, n, where) for n, row in enumerate(rows, 1))
            for name in names
        },
        columns={
            name: _shared(_label(row, name, n, where) for n, row in enumerate(rows, 1))
            for name in columns
            if rows and name in rows[0]
        },
        header=tuple(rows[0]) if rows else (),
    )


def _columns(header: Sequence[str], spec: Predictions, where: str) -> tuple[int, int, int]:
    wanted = (spec.id, spec.y_true, spec.y_pred)
    for name in wanted:
        if header.count(name) != 1:
            raise BadFormatError(
                f"predictions need one column {name}",
                found=", ".join(header)[:120] or "no header",
                where=where,
                expected=", ".join(wanted),
                next_step="name the columns in .gitexp/config.yaml under predictions",
            )
    return header.index(spec.id), header.index(spec.y_true), header.index(spec.y_pred)


def _is_score(name: str) -> bool:
    return name == "score" or name.startswith("score_")


def _shared(texts: Iterable[str]) -> tuple[str, ...]:
    """Return texts that are equal as one object: labels repeat a million times."""
    seen: dict[str, str] = {}
    return tuple(seen.setdefault(text, text) for text in texts)


def _id(text: str, row: int, where: str) -> str:
    if not text:
        raise BadFormatError("an example has no id", where=f"{where}, row {row}")
    return text


def _label(row: Mapping[str, Json], name: str, number: int, where: str) -> str:
    value = row.get(name)
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return json_dumps_compact(value).decode()
    raise BadFormatError(
        f"{name} cannot be read", where=f"{where}, row {number}", expected="a text or a number"
    )


def _score(value: Json, name: str, row: int, where: str) -> float:
    try:
        score = float(value) if isinstance(value, (str, int, float)) else math.nan
    except (ValueError, OverflowError):
        score = math.nan
    if not math.isfinite(score) or isinstance(value, bool):
        raise BadFormatError(
            f"{name} is no finite number",
            found=str(value)[:60],
            where=f"{where}, row {row}",
            expected="a number",
        )
    return score
