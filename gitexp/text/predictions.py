"""Per-example predictions: what single models are compared by, and what tells evaluations apart.

CSV with a header, JSON as a list of objects, or JSON Lines. Columns beside id, truth, prediction
and scores are the project's own (a user, a segment); those that are asked for are read as texts.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError
from gitexp.model import dataclass, field, replace
from gitexp.model.ids import EvaluationDigest
from gitexp.text.jsontext import RECORDS, Json, is_json, json_dumps_compact, json_file
from gitexp.text.plainfile import is_id
from gitexp.text.samples import LIMIT, check_separator, check_width, csv_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.model.config import Predictions

# Of each role the columns that win over all others, then those of which there may be one.
NAMES = {
    "id": (("id",), ("example_id", "row_id", "index", "idx", "key")),
    "y_true": (
        ("y_true",),
        ("label", "target", "truth", "true_label", "ground_truth", "gold", "actual"),
    ),
    "y_pred": (
        ("y_pred",),
        ("prediction", "predicted", "pred", "predicted_label", "pred_label", "y_hat"),
    ),
}
_SHOWN = 10
_MOST_CLASSES = 1_000  # with more labels they are texts or numbers
_BOOLEANS = {"true": 1.0, "false": 0.0}


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

    `data`: the file, at most 64 MiB; CSV if the ending of `spec.path` is none of JSON's. `columns`:
    further columns that are read where the file has them.
    """
    if is_json(spec.path):
        first, lines = f"{where}, row 1", _from_json(data, spec.path, where)
    else:
        first, lines = f"{where}, line 1", _from_csv(data, where)
    header = next(lines, None)
    if header is None:
        raise _empty(where)
    times = Counter(map(str, header))
    wanted = (spec.id, spec.y_true, spec.y_pred)
    for name in wanted:
        if times[name] != 1:
            raise BadFormatError(
                f"predictions need one column {name}",
                found=", ".join(map(str, header))[:120] or "no header",
                where=first,
                expected=", ".join(wanted),
                next_step="name the columns in .gitexp/config.yaml under predictions",
            )
    names = [name for name in times if name == "score" or name.startswith("score_")]
    twice = next((name for name in names if times[name] > 1), None)
    if twice is not None:
        raise BadFormatError("a column is there twice", found=twice[:60], where=where)
    scored, own = {*names}, [name for name in columns if times[name] == 1]
    kept = [*wanted, *names, *own]
    places = {name: at for at, name in enumerate(header)}  # those that are kept are there once
    at = [places[name] for name in kept]
    rows = [[line[index] for index in at] for line in lines]  # no other cell stays in memory
    if not rows:
        raise _empty(where)
    cells = dict(zip(kept, zip(*rows, strict=True), strict=True))

    def labels(name: str) -> tuple[str, ...]:
        """Return texts that are equal as one object: labels repeat a million times."""
        seen: dict[str, str] = {}
        texts = (_label(cell, name, f"{where}, row {n}") for n, cell in enumerate(cells[name], 1))
        return tuple(seen.setdefault(text, text) for text in texts)

    truth = labels(spec.y_true)
    table = PredictionTable(
        ids=labels(spec.id),
        y_true=truth,
        y_pred=spelled(labels(spec.y_pred), truth),
        scores={
            name: tuple(_score(cell, name, f"{where}, row {n}") for n, cell in enumerate(found, 1))
            for name, found in cells.items()
            if name in scored
        },
        columns={name: labels(name) for name in own},
        header=tuple(map(str, header)),
    )
    if "" in table.ids:
        row = table.ids.index("") + 1
        raise BadFormatError("an example has no id", where=f"{where}, row {row}")
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


def spelled(labels: Sequence[str], truth: Sequence[str]) -> tuple[str, ...]:
    """Return labels as the true ones are written: ``1.0`` and ``True`` are ``1``, ``a `` is ``a``.

    >>> spelled(("1.0", "False", " b", "2"), ("0", "1", "b"))
    ('1', '0', 'b', '2')
    """
    known = {*truth}
    unknown = {*labels} - known
    if not unknown or len(known) > _MOST_CLASSES:
        return tuple(labels)
    written: dict[float | str, list[str]] = {}
    for label in known:
        written.setdefault(_meant(label), []).append(label)
    found = {label: written.get(_meant(label), []) for label in unknown}
    same = {label: names[0] for label, names in found.items() if len(names) == 1}
    return tuple(same.get(label, label) for label in labels)


def _meant(label: str) -> float | str:
    text = label.strip()
    try:
        return _BOOLEANS[text.lower()] if text.lower() in _BOOLEANS else float(text)
    except ValueError:
        return text


def columns_of(data: bytes, where: str) -> tuple[str, ...]:
    """Return the header of a file as `load` reads it; the first line, but of JSON, is enough."""
    rows = _from_json(data, where, where) if is_json(where) else _from_csv(data, where)
    return tuple(map(str, next(rows, ())))


def fitting(header: Sequence[str], is_key: Callable[[str], bool] = is_id) -> dict[str, list[str]]:
    """Return the columns that may be id, truth and prediction; the plainest names alone, if any."""
    plain = [(name.strip(), name) for name in header]
    fits = {}
    for role, names in NAMES.items():
        usual = [[name for short, name in plain if short.lower() in some] for some in names]
        fits[role] = next(filter(None, usual), [])
    fits["id"] = fits["id"] or [name for short, name in plain if is_key(short)]
    return fits


def single(spec: Predictions, fits: Mapping[str, Sequence[str]]) -> Predictions | None:
    """Return predictions with the columns that fit; None where none or several fit a role."""
    if any(len(names) != 1 for names in fits.values()):
        return None
    return replace(spec, **{role: names[0] for role, names in fits.items()})


def unclear(fits: Mapping[str, Sequence[str]]) -> str:
    """Say which columns fit each role that has none, or several."""
    return "; ".join(
        f"{' or '.join(map(repr, names[:_SHOWN])) if names else 'none'} for {role}"
        for role, names in fits.items()
        if len(names) != 1
    )


def renamed(spec: Predictions) -> str:
    """Return the columns that are called otherwise than usual, by their roles."""
    columns = {role: getattr(spec, role) for role in NAMES}
    return ", ".join(f"{role}: {name}" for role, name in columns.items() if name != role)


def evaluation_digest(table: PredictionTable) -> EvaluationDigest:
    """Compute the identity of the evaluation data: the digest of the sorted (id, y_true)."""
    rows: Json = sorted([i, truth] for i, truth in zip(table.ids, table.y_true, strict=True))
    return EvaluationDigest(hashlib.sha256(json_dumps_compact(rows)).hexdigest())


def declared_digest(content: Iterable[tuple[str, str]]) -> EvaluationDigest:
    """Compute the identity of declared evaluation data, whose hashes are given by path."""
    rows: Json = [[path, digest] for path, digest in sorted(content)]
    return EvaluationDigest(hashlib.sha256(json_dumps_compact(rows)).hexdigest())


def _from_csv(data: bytes, where: str) -> Iterator[Sequence[Json]]:
    """Yield the header, and the rows."""
    lines = csv_rows(data, where)
    _, header = next(lines, ("", []))
    check_separator(header, where)
    yield header
    for here, row in lines:
        if row:
            check_width(row, header, here)
            yield row


def _from_json(data: bytes, path: str, where: str) -> Iterator[Sequence[Json]]:
    """Yield the keys of the first object, and the values that each has of them."""
    value = json_file(data, path, where=where, limit=LIMIT)
    if not isinstance(value, list):
        raise BadFormatError(
            "these are not predictions",
            where=where,
            expected="a list of objects",
            next_step=RECORDS,
        )
    header: list[str] = []
    for n, row in enumerate(value, 1):
        if not isinstance(row, Mapping):
            raise BadFormatError(
                "these are not predictions", where=f"{where}, row {n}", expected="an object"
            )
        if n == 1:
            header = list(row)
            yield header
        yield [row.get(name) for name in header]


def _empty(where: str) -> BadFormatError:
    return BadFormatError("there are no predictions", where=where, expected="one row or more")


def _label(value: Json, name: str, where: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return json_dumps_compact(value).decode()
    raise BadFormatError(f"{name} cannot be read", where=where, expected="a text or a number")


def _score(value: Json, name: str, where: str) -> float:
    try:
        score = float(value) if isinstance(value, (str, int, float)) else math.nan
    except (ValueError, OverflowError):
        score = math.nan
    if not math.isfinite(score) or isinstance(value, bool):
        raise BadFormatError(
            f"{name} is no finite number",
            found=str(value)[:60],
            where=where,
            expected="a number",
        )
    return score
