"""Numbers in a file that gitexp did not write: CSV with a header, JSON, or JSON Lines, as samples.

One row is one measurement. `seed`, `rep`, `fold`, `dataset`, `n_train` and `n_test` say of what;
every other column of numbers is a metric, unless the columns `metric` and `value` name them; so is
one of `true` and `false` alone, as 1 and 0.
Rows of two files without seeds are joined by a column of ids (`question`, `example_id`), else by
their order.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError, DesignError
from gitexp.model import dataclass
from gitexp.model.run import MAX_SEED, Sample
from gitexp.text.jsontext import RECORDS, Json, is_json, json_file
from gitexp.text.samples import LIMIT, check_separator, check_width, csv_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MOST_NUMBERS = 250_000  # rows times columns of numbers
MOST_CELLS = 2_000_000  # with those of text: they are all in memory
_COUNTS = ("rep", "fold", "n_train", "n_test")
_CONTEXT = frozenset((*_COUNTS, "seed", "dataset"))
_PARTS = frozenset(("rep", "fold", "dataset"))
_LONG = frozenset(("metric", "value"))
_BOOLEANS = {"true": "1", "false": "0"}
_SIGNS = re.compile(  # of JSON, and its texts, the last without an end, too
    rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[,\[{]', re.DOTALL
)
_INTEGER = re.compile(r"[0-9]{1,19}")
_ONE_METRIC = "value"  # of a file that is one column of numbers
_SHOWN = 60  # characters of a cell in a message
ORDER, UNNAMED = "order of rows", "row names"  # of a data frame that was written with its index
_ITEMS = (
    "id|uid|uuid|guid|key|idx|index|question|example|item|sample|case|task|prompt|query|document|"
    "doc|subject|participant|patient|user|instance|problem|trial|pair|row|run|name|image|file|"
    "filename|path|url|hash"
)
_ID = re.compile(
    rf"({_ITEMS})([ _.-]?(index|number|num|no|nr))?|.+[ _.-](id|uid|uuid|guid|key|idx|name|hash)"
)
_CASES = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")  # exampleId
_INDEX = frozenset(("", "Unnamed: 0"))  # as pandas writes, and reads, the index of a data frame


@dataclass(frozen=True, slots=True)
class Table:
    """Cells of a file as texts."""

    where: str
    header: Mapping[str, int]  # name of a column -> its place
    rows: tuple[tuple[str, ...], ...]
    key: str = ""  # column that says of which example a row is, where the file's kind has one

    def labels(self, name: str) -> tuple[tuple[str, str], ...]:
        """Return the cells of a column; in the long form each with its metric."""
        at = self.header[name]
        metric = self.header["metric"] if self.header.keys() >= _LONG else None
        return tuple(("" if metric is None else row[metric], row[at].strip()) for row in self.rows)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in the long form the metrics."""
        return self.metrics() if self.header.keys() >= _LONG else tuple(self.header)

    def column(self, name: str) -> tuple[str, ...]:
        """Return the cells of a column."""
        at = self.header[name]
        return tuple(row[at].strip() for row in self.rows)

    def of(self, metric: str) -> Table:
        """Return the rows of one metric, in the long form with its values below its name."""
        if not self.header.keys() >= _LONG:
            return self
        at = self.header["metric"]
        rows = tuple(row for row in self.rows if row[at] == metric)
        names = {metric if name == "value" else name: place for name, place in self.header.items()}
        header = {name: place for name, place in names.items() if place != at}
        return Table(self.where, header, rows, self.key)

    def numbers(self, name: str) -> tuple[float, ...]:
        """Return the values of a column, of which each has to be a number."""
        cells = enumerate(self.column(name), 1)
        return tuple(_number(cell, name, f"{self.where}, row {row}") for row, cell in cells)

    def metrics(self) -> tuple[str, ...]:
        """Return the columns of numbers, in the long form the metrics."""
        if self.header.keys() >= _LONG:
            return tuple(dict.fromkeys(self.column("metric")))
        return tuple(name for name in self.header if self.rows and _are_numbers(self, name))


@dataclass(frozen=True, slots=True)
class RowKey:
    """What rows of two files are joined by."""

    by: str = ""  # a column, or `ORDER`; "": seeds, folds or data sets
    name: str = ""  # of the column in the header
    ids: tuple[str, ...] = ()  # of both files, sorted
    cautions: tuple[str, ...] = ()


def load(data: bytes, where: str) -> tuple[Sample, ...]:
    """Read the samples of one file, as `read` and `samples` do."""
    return samples(read(data, where), RowKey())


def read(data: bytes, where: str) -> Table:
    """Read a file of at most 64 MiB, by the ending of `where`; CSV if that is none of JSON's."""
    if is_json(where):
        header, rows = _from_json(data, where)
    else:
        header, rows = _from_csv(data, where)
    if len(set(header)) < len(header):
        twice = Counter(header).most_common(1)[0][0]
        raise BadFormatError("a column is there twice", found=twice[:_SHOWN], where=where)
    _check_number(len(rows), 1, where)
    columns = [_booleans(cells) for cells in zip(*rows, strict=True)]
    places = {name: at for at, name in enumerate(header)}
    return Table(where, places, tuple(zip(*columns, strict=True)))


def samples(table: Table, joined: RowKey) -> tuple[Sample, ...]:
    """Return samples in the order of the rows.

    Each row is a repeat of its own, numbered by its id, else from 0; by its seed, if it has one.
    Rows that name a rep, a fold or a data set are parts of one repeat.
    """
    where, header, rows = table.where, table.header, table.rows
    metrics = None if header.keys() >= _LONG else _metrics(header, rows, where)
    if metrics is not None and joined.ids:
        metrics = tuple(name for name in metrics if name != joined.name)
    numbers = {each: number for number, each in enumerate(joined.ids)}
    _check_number(len(rows), 1 if metrics is None else len(metrics), where)
    alone = metrics is not None and _PARTS.isdisjoint(header)
    found: dict[tuple[object, ...], Sample] = {}
    for number, row in enumerate(rows):
        here = f"{where}, row {number + 1}"
        cells = dict(zip(header, row, strict=True))
        names = (cells["metric"],) if metrics is None else metrics
        seed = _count(cells.get("seed", ""), "seed", here)
        seed = (number if alone else 0) if seed is None else seed
        if joined.ids:
            seed = numbers[cells[joined.name].strip()]
        parts = {key: _count(cells.get(key, ""), key, here) for key in _COUNTS}
        for name in names:
            value = _number(cells["value" if metrics is None else name], name, here)
            sample = Sample(name, seed, value, dataset=cells.get("dataset", ""), **parts)
            key = (name, sample.seed, sample.rep, sample.fold, sample.dataset)
            if key in found:
                raise BadFormatError(
                    "a measurement is there twice",
                    found=f"{name} of seed {sample.seed}"[:_SHOWN],
                    where=here,
                    expected="a seed, rep, fold or dataset that tells the rows apart",
                )
            found[key] = sample
    if not found:
        raise BadFormatError(
            "there are no numbers", where=where, expected="a column of numbers with its name above"
        )
    return tuple(found.values())


def join(left: Table, right: Table, metric: str | None, *, paired: bool) -> RowKey:
    """Find what rows belong together by: nothing that is measured, and no place where ids are.

    `paired`: whether it is an error if ids contradict what else would join the rows.
    """
    both = frozenset(left.header) & frozenset(right.header)
    either = frozenset((*left.header, *right.header))
    if "seed" in both or not _PARTS.isdisjoint(either):
        return RowKey()
    of_numbers = [name for name in left.header if name in both and _are_numbers(left, name)]
    asked = metric or (of_numbers[0] if len(of_numbers) == 1 else None)
    measured = both - _CONTEXT - _LONG - {asked}
    others = [name for name in left.header if name in measured]
    ranks = {name: rank for name in others if (rank := _rank(left, right, name)) is not None}
    least = min(ranks.values(), default=None)
    best = [name for name in ranks if ranks[name] == least]
    if paired:
        _check_ways(left, right, best)
    if best:
        ids = {label for table in (left, right) for _, label in table.labels(best[0])}
        by = UNNAMED if best[0] in _INDEX else best[0][:_SHOWN]
        return RowKey(by, best[0], tuple(sorted(ids, key=lambda each: (len(each), each))))
    if paired and "seed" in either:
        raise DesignError(
            "paired rows have no partner",
            found="a column seed in one file only",
            where=f"{left.where} and {right.where}",
            expected="the same seeds in both files, or none",
        )
    named = tuple(filter(is_id, others))
    for name in named:
        if not paired or len(left.rows) != len(right.rows):
            _refuse_repeated(left, right, name)
    said = (text for name in named if paired for text in _doubts(left, right, name))
    return RowKey(ORDER, cautions=tuple(said))


def _rank(left: Table, right: Table, name: str) -> int | None:
    """Return how much a column says of what rows are of, 0 the most; None: nothing, or not of each.

    A text of which both files have the same ones is an id whatever its name.
    """
    one, two = left.labels(name), right.labels(name)
    first, second = set(one), set(two)
    labels = [label for _, label in (*one, *two)]
    if "" in labels or (len(first), len(second)) != (len(one), len(two)):
        return None
    text = not all(map(_is_number, labels))
    if not text and not all(map(_INTEGER.fullmatch, labels)):
        return None
    if name in _INDEX:
        return 2 if first & second else None
    if first != second and not (is_id(name) and first & second):
        return None
    return 0 if text else 1 if is_id(name) else None


def _check_ways(left: Table, right: Table, names: Sequence[str]) -> None:
    """Refuse columns that say as much and join rows otherwise."""
    ways: dict[str, dict[int, int]] = {}
    for name in names:
        rows = {label: at for at, label in enumerate(right.labels(name))}
        ours = enumerate(left.labels(name))
        ways[name] = {at: rows[label] for at, label in ours if label in rows}
        first = ways[names[0]]
        if any(ways[name][at] != first[at] for at in ways[name].keys() & first.keys()):
            raise DesignError(
                f"{names[0][:_SHOWN]} and {name[:_SHOWN]} join the rows in different ways",
                where=f"{left.where} and {right.where}",
                expected="one column of ids that is right",
                next_step="leave the other one out of both files",
            )


def _refuse_repeated(left: Table, right: Table, name: str) -> None:
    """Refuse several rows of one id, which depend on each other, where each counts as its own."""
    sides = [(table, Counter(table.labels(name))) for table in (left, right)]
    if all(len(found) == 1 for _, found in sides):  # the same in every row: who answered
        return
    for table, found in sides:
        ((_, label), number), *_ = found.most_common(1)
        if number > 1:
            raise DesignError(
                f"rows of one {name[:_SHOWN]} depend on each other, and each would count",
                found=f"{label[:_SHOWN]} in {number} rows",
                where=table.where,
                expected=f"one row for each {name[:_SHOWN]}: the mean of its rows, say",
                next_step="the same with --design paired, with one row for each in both files",
            )


def _doubts(left: Table, right: Table, name: str) -> Iterable[str]:
    """Yield what a column of ids that joins nothing says of pairs by place."""
    one, two = ([label for _, label in table.labels(name)] for table in (left, right))
    if len(one) != len(two) or (len(set(one)) == 1 == len(set(two)) and len(one) > 1):
        return
    shown = name[:_SHOWN]
    apart = [at for at, pair in enumerate(zip(one, two, strict=True)) if pair[0] != pair[1]]
    if apart and set(one) & set(two):
        at = apart[0]
        raise DesignError(
            f"rows that their order joins are not of the same {shown}",
            found=f"{one[at][:_SHOWN]} and {two[at][:_SHOWN]} in row {at + 1}",
            where=f"{left.where} and {right.where}",
            expected=f"one row for each {shown}, or the same order in both files",
            next_step="sort both files by it, or give one row for each: the mean of its rows, say",
        )
    if apart:
        yield f"order joins the rows, and {shown} differs in {len(apart)} of {len(one)} pairs"


def is_id(name: str) -> bool:
    """Tell whether a column is called as one of ids is."""
    return _ID.fullmatch(_CASES.sub("_", name).lower()) is not None


def _are_numbers(table: Table, name: str) -> bool:
    return name not in _CONTEXT and all(_is_number(label) for _, label in table.labels(name))


def _metrics(header: Iterable[str], rows: Sequence[Sequence[str]], where: str) -> tuple[str, ...]:
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
        found = f"{rows} rows, {columns} columns of numbers"
        raise _too_many("numbers", found, MOST_NUMBERS, where)


def _too_many(what: str, found: str, most: int, where: str) -> BadFormatError:
    return BadFormatError(
        f"there are too many {what} in the file",
        found=found,
        where=where,
        expected=f"at most {most} {what}",
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
    lines: list[list[str]] = []
    cells = 0
    for _, row in csv_rows(data, where, strict=True):
        if row:
            lines.append(row)
            cells += len(row)
        if len(lines) > MOST_NUMBERS + 1:
            raise _too_many("numbers", f"more than {MOST_NUMBERS} rows", MOST_NUMBERS, where)
        if cells > MOST_CELLS:
            raise _too_many("cells", f"more than {MOST_CELLS}", MOST_CELLS, where)
    if not lines:
        return [], []
    header = [name.strip() for name in lines[0]]
    check_separator(header, where)
    if len(header) == 1 and _is_number(header[0]):
        header, lines = [_ONE_METRIC], [[], *lines]
    for number, row in enumerate(lines[1:], 1):
        check_width(row, header, f"{where}, row {number}")
    return header, lines[1:]


def _from_json(data: bytes, where: str) -> tuple[list[str], list[list[str]]]:
    # Each value comes after one of these; within a text they are none.
    if sum(map(data.count, (b",", b"[", b"{"))) > MOST_CELLS:
        signs = (found for found in _SIGNS.finditer(data) if found[0][:1] != b'"')
        if next(islice(signs, MOST_CELLS, None), None) is not None:
            raise _too_many("cells", f"more than {MOST_CELLS}", MOST_CELLS, where)
    value = json_file(data, where, where=where, limit=LIMIT)
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
            next_step=RECORDS,
        )
    table = [
        [_cell(value, name, f"{where}, row {n}") for n, value in enumerate(cells, 1)]
        for name, cells in columns.items()
    ]
    return list(columns), [list(row) for row in zip(*table, strict=True)]


def _booleans(cells: Sequence[str]) -> Sequence[str]:
    """Return a column of booleans alone as one of numbers: what passed, what was right."""
    words = [cell.strip().lower() for cell in cells]
    return [_BOOLEANS[word] for word in words] if _BOOLEANS.keys() >= set(words) else cells


def _cell(value: Json, name: str, where: str) -> str:
    if isinstance(value, (dict, list)):
        raise BadFormatError(
            "a cell is a list or an object", found=name[:_SHOWN], where=where, expected="a number"
        )
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)
