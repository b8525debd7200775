"""``samples.csv``: one row a measurement, sorted, so that the same samples give the same bytes.

Not-a-number has no place here: a repeat whose metric is not finite is recorded as failed. A text
that begins like a spreadsheet formula is left as it is; exports take care of that.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError, DamagedDataError, UnsafeInputError
from gitexp.model.run import Sample
from gitexp.text.fields import LARGEST
from gitexp.text.jsontext import MIB, decode, too_large

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

COLUMNS = ("metric", "seed", "rep", "fold", "dataset", "n_train", "n_test", "value")
LIMIT = 64 * MIB
MOST_ROWS = 250_000  # of one run: read in seconds, and far below the bytes that are read

_MOST_SIGNS = 2_000_000  # commas of a row, which is built before anybody sees it

_INTEGER = re.compile(r"-?[0-9]{1,19}")


def load(data: bytes, where: str, *, rows: int, sha256: str) -> tuple[Sample, ...]:
    """Read the very file that run.json vouches for, by its count and hex digest."""
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise DamagedDataError(
            "the samples are not those that were recorded",
            found=f"sha256 {found}",
            where=where,
            expected=f"sha256 {sha256}",
            next_step="git log -- the file, and restore the version that run.json was added with",
        )
    samples = parse(data, where)
    if len(samples) != rows:
        raise DamagedDataError(
            "the samples are not those that were recorded",
            found=f"{len(samples)} rows",
            where=where,
            expected=f"{rows} rows",
        )
    return samples


def parse(data: bytes, where: str) -> tuple[Sample, ...]:
    """Read samples without a record that vouches for them."""
    if data.count(b"\n") > MOST_ROWS + 1 and b'"' not in data:  # before anything is built
        raise too_many(f"more than {MOST_ROWS} rows", where)
    lines = csv_rows(data, where, strict=True)
    header = tuple(next(lines, ("", []))[1])
    if header != COLUMNS:
        raise BadFormatError(
            "these are not samples",
            found=",".join(header)[:120],
            where=f"{where}, line 1",
            expected=",".join(COLUMNS),
        )
    samples: list[Sample] = []
    for here, row in lines:
        check_width(row, header, here)
        if len(samples) >= MOST_ROWS:
            raise too_many(f"more than {MOST_ROWS} rows", where)
        samples.append(_sample(row, here))
    if len({_key(sample) for sample in samples}) != len(samples):
        raise BadFormatError(
            "a sample is there twice",
            where=where,
            expected="one row for each metric, seed, rep, fold and dataset",
        )
    return tuple(samples)


def dump(samples: Iterable[Sample]) -> bytes:
    """Write samples, sorted by metric, dataset, seed, rep and fold."""
    ordered = sorted(samples, key=_key)
    if len(ordered) > MOST_ROWS:
        raise too_many(f"{len(ordered)} rows", "samples.csv")
    lines = [",".join(COLUMNS)]
    before: Sample | None = None
    for sample in ordered:
        if not math.isfinite(sample.value):
            raise BadFormatError(
                "a sample is not finite", found=str(sample.value), where=sample.metric
            )
        if before is not None and _key(before) == _key(sample):
            raise BadFormatError(
                "a sample is there twice", found=f"seed {sample.seed}", where=sample.metric
            )
        lines.append(",".join(_cells(sample)))
        before = sample
    data = ("\n".join(lines) + "\n").encode()
    if len(data) > LIMIT:
        raise too_many(f"{len(data) // MIB} MiB", "samples.csv")
    return data


def csv_rows(data: bytes, where: str, *, strict: bool = False) -> Iterator[tuple[str, list[str]]]:
    """Yield the rows of anybody's CSV, at most 64 MiB of it, each with its place."""
    text = decode(data, where=where, limit=LIMIT)
    lines: Iterator[str] = io.StringIO(text, newline="")
    signs = 0  # since the last row, which may have several lines

    def counted(lines: Iterator[str]) -> Iterator[str]:
        nonlocal signs
        for line in lines:
            signs += line.count(",")
            if signs > _MOST_SIGNS:
                raise too_large("millions of commas in a row", where, f"at most {_MOST_SIGNS}")
            yield line

    reader = csv.reader(lines if text.count(",") <= _MOST_SIGNS else counted(lines), strict=strict)
    try:
        for row in reader:
            signs = 0
            yield f"{where}, line {reader.line_num}", row
    except csv.Error as error:
        here = f"{where}, line {reader.line_num}"
        raise BadFormatError("this is not CSV", found=str(error), where=here) from error


def check_separator(header: Sequence[str], where: str) -> None:
    """Refuse a table whose cells stand between other signs than commas: it has one cell a row."""
    cell = header[0] if len(header) == 1 else ""
    for sign, name in ((";", "semicolons"), ("\t", "tabs")):
        if sign in cell:
            raise BadFormatError(
                f"cells are separated by {name}",
                found=cell[:120],
                where=f"{where}, line 1",
                expected="commas between cells, and points in numbers (0.81)",
            )


def check_width(row: Sequence[str], header: Sequence[str], where: str) -> None:
    """Refuse a row that has not as many cells as the header."""
    if len(row) != len(header):
        raise BadFormatError(
            "a row is cut short" if len(row) < len(header) else "a row is too long",
            found=f"{len(row)} cells",
            where=where,
            expected=f"{len(header)} cells",
        )


def too_many(found: str, where: str) -> UnsafeInputError:
    """Return the error for more samples than we read."""
    return UnsafeInputError(
        "a run has more samples than can be read",
        found=found,
        where=where,
        expected=f"at most {MOST_ROWS} rows and {LIMIT // MIB} MiB",
        next_step="fewer repeats in one call, or declare what belongs to steps as a curve",
    )


def _sample(row: Sequence[str], where: str) -> Sample:
    metric, seed, rep, fold, dataset, n_train, n_test, value = row
    if not metric:
        raise BadFormatError("a sample has no metric", where=where)
    return Sample(
        metric=metric,
        seed=_integer(seed, "seed", where),
        value=_number(value, where),
        rep=_maybe(rep, "rep", where),
        fold=_maybe(fold, "fold", where),
        dataset=dataset,
        n_train=_maybe(n_train, "n_train", where),
        n_test=_maybe(n_test, "n_test", where),
    )


def _maybe(cell: str, column: str, where: str) -> int | None:
    return _integer(cell, column, where) if cell else None


def _integer(cell: str, column: str, where: str) -> int:
    if _INTEGER.fullmatch(cell) and abs(found := int(cell)) <= LARGEST:
        return found
    raise BadFormatError(
        f"{column} cannot be read", found=cell[:60], where=where, expected="an integer"
    )


def _number(cell: str, where: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in cell or cell != cell.strip():
        raise BadFormatError(
            "a value is no finite number", found=cell[:60], where=where, expected="a number"
        )
    return value


def _cells(sample: Sample) -> tuple[str, ...]:
    return (
        _quoted(sample.metric),
        str(sample.seed),
        *("" if number is None else str(number) for number in (sample.rep, sample.fold)),
        _quoted(sample.dataset),
        *("" if number is None else str(number) for number in (sample.n_train, sample.n_test)),
        repr(float(sample.value)),
    )


def _quoted(cell: str) -> str:
    # Not csv.writer: it leaves a lone carriage return bare, and csv.reader then sees a new row.
    if any(char in cell for char in ',"\r\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _key(sample: Sample) -> tuple[str, str, int, int, int]:
    rep = -1 if sample.rep is None else sample.rep
    fold = -1 if sample.fold is None else sample.fold
    return (sample.metric, sample.dataset, sample.seed, rep, fold)
