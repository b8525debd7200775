"""Measurements of a repeat as samples, from metrics files read as DVC reads them.

A number is a sample; its name is the path of keys, dotted. A list of numbers is one sample a fold,
of the `n_train` and `n_test` examples that stand beside it, or of each in a list as long; a list of
objects (or CSV) one row a measurement, with `fold`, `rep`, `dataset`, `n_train` and `n_test` as
columns. Text, booleans and nulls are not measurements and are passed over, but a NaN is never
dropped: it is an error, and so is an expected metric that is not a number.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from gitexp.errors import AmbiguousMetricError, BadFormatError, BadMetricError, UnsafeInputError
from gitexp.model import dataclass, field, replace
from gitexp.model.metrics import SCORED, by_file, plain
from gitexp.model.run import Sample
from gitexp.text.jsontext import Json, decode, json_loads, too_large
from gitexp.text.params import toml
from gitexp.text.yamltext import yaml_loads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


LOGGED = "log_metric"  # stands for a file where a name has to say which it means
MAX_SAMPLES = 100_000  # of one repeat
_TEXT_LIMIT = 1 << 20  # bytes of JSON, YAML, TOML
_CSV_LIMIT = 64 << 20
_NAME_LIMIT = 200  # characters
_COUNTS = ("rep", "fold", "n_train", "n_test")
_CONTEXT = frozenset((*_COUNTS, "dataset"))
_SIZES = ("n_train", "n_test")
_NOT_FINITE = frozenset(("nan", "inf", "infinity", "1e999"))


@dataclass(frozen=True, slots=True)
class _Where:
    """To which fold, data set and so on a value belongs."""

    rep: int | None = None
    fold: int | None = None
    dataset: str = ""
    n_train: int | None = None
    n_test: int | None = None


@dataclass(slots=True)
class _Found:
    """What has been read so far, of all files."""

    seed: int
    samples: dict[tuple[str, _Where, str], Sample] = field(default_factory=dict)
    givers: dict[tuple[str, _Where], str] = field(default_factory=dict)  # the first file
    shared: set[str] = field(default_factory=set)  # names that several files give
    others: dict[str, str] = field(default_factory=dict)  # name -> what it is instead of a number

    def add(self, name: str, value: float, where: _Where, file: str) -> None:
        """Take one number."""
        if not name or len(name) > _NAME_LIMIT or not name.isprintable():
            raise _unnamed(name, file)
        if name.startswith(SCORED):
            raise BadMetricError(
                f"{name} is what a hidden holdout scores, and no repeat",
                where=file,
                expected=f"a metric whose name does not begin with {SCORED}",
            )
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise _bad(name, f"{value}"[:40], file)
        if (name, where, file) in self.samples:
            raise BadMetricError(
                f"metric {name} is given twice for the same measurement",
                found=", ".join(f"{part}" for part in (where.dataset, where.fold) if part),
                where=file,
                expected="a fold, rep or dataset that tells them apart",
            )
        if self.givers.setdefault((name, where), file) != file:
            self.shared.add(name)
        if len(self.samples) >= MAX_SAMPLES:
            raise UnsafeInputError(
                "a repeat reports more numbers than can be recorded",
                found=f"more than {MAX_SAMPLES}",
                where=file,
                next_step="declare what belongs to steps as a curve",
            )
        sample = Sample(
            name, self.seed, number, where.rep, where.fold, where.dataset, where.n_train,
            where.n_test,
        )  # fmt: skip
        self.samples[name, where, file] = sample

    def named(self) -> Iterator[Sample]:
        """Yield the samples; those of names that several files give with their file."""
        for (name, _, file), sample in self.samples.items():
            called = by_file(name, file) if name in self.shared else name
            if len(called) > _NAME_LIMIT:
                raise _unnamed(called, file)
            yield replace(sample, metric=called)


def read(
    project: Path,
    files: Sequence[str],
    *,
    seed: int,
    expect: Sequence[str] = (),
    logged: Mapping[str, float] | None = None,
) -> tuple[Sample, ...]:
    """Read the metrics files of one repeat, and what it logged, in the order of the files.

    A name that two files give becomes ``file:name`` in both, and one that is expected so in its
    own. Where a file has the very same value as was `logged` it is one sample.
    """
    found = _Found(seed)
    for file in files:
        _parse(_bytes(project, file), file, found)
    for name, number in (logged or {}).items():
        first_file = found.givers.get((name, _Where()))
        if first_file is None or found.samples[name, _Where(), first_file].value != number:
            found.add(name, number, _Where(), LOGGED)
    given = {by_file(name, file): name for name, _, file in found.samples}
    found.shared |= {given[name] for name in expect if name in given}
    samples = tuple(found.named())
    names = {sample.metric for sample in samples}
    for name in expect:
        called = [each for each in sorted(logged or ()) if each.endswith(f":{name}")]  # by stages
        if name in found.shared:
            called = [each for each in names if plain(each, (*files, LOGGED)) == name != each]
        if name not in names and len(called) > 1:
            raise AmbiguousMetricError.of(name, called)
        if name not in names:
            listed = ", ".join(sorted(names)[:20]) or "no numbers at all"
            raise BadMetricError(
                f"metric {name} was not reported",
                found=f"{name} is {found.others[name]}" if name in found.others else listed,
                where=", ".join(files),
                expected=f"a finite number named {name}",
            )
    return samples


def parse(files: Mapping[str, bytes], *, seed: int) -> tuple[Sample, ...]:
    """Return what metrics files say together, as `read` has it of a repeat that wrote them."""
    found = _Found(seed)
    for file, data in files.items():
        _parse(data, file, found)
    return tuple(found.named())


def _suffix(file: str) -> str:
    return PurePosixPath(file).suffix.lower()


def _limit(file: str) -> int:
    return _CSV_LIMIT if _suffix(file) in {".csv", ".tsv"} else _TEXT_LIMIT


def _bytes(project: Path, file: str) -> bytes:
    try:
        with (project / file).open("rb") as stream:
            return stream.read(_limit(file) + 1)
    except OSError as error:
        gone = isinstance(error, (FileNotFoundError, IsADirectoryError, NotADirectoryError))
        raise BadMetricError(
            "a metrics file is missing",
            found="the stages did not write it" if gone else error.strerror or str(error),
            where=file,
            expected="a file that the pipeline writes in every repeat",
        ) from error


def _parse(data: bytes, file: str, found: _Found) -> None:
    suffix, limit = _suffix(file), _limit(file)
    if len(data) > limit:
        raise too_large("", file, f"at most {limit} bytes")
    match suffix:
        case ".csv" | ".tsv":
            _rows(_csv(data, file, "\t" if suffix == ".tsv" else ","), "", file, found)
        case ".json":
            _walk(json_loads(data, where=file, limit=limit), "", _Where(), file, found)
        case ".toml":
            _walk(toml(decode(data, where=file, limit=limit), file), "", _Where(), file, found)
        case _:
            value = yaml_loads(data, where=file, limit=limit, allow_aliases=True)
            _walk(value, "", _Where(), file, found)


def _walk(value: Json, name: str, where: _Where, file: str, found: _Found) -> None:
    if isinstance(value, bool) or value is None:
        found.others[name] = "null" if value is None else f"{value}".lower()
    elif isinstance(value, (int, float)):
        found.add(name or "value", value, where, file)
    elif isinstance(value, str):
        if value.strip().lower().lstrip("+-.") in _NOT_FINITE:
            raise _bad(name, value[:40], file)
        found.others[name] = f"text, {value[:40]!r}"
    elif isinstance(value, dict):
        sizes = _sizes(value)
        for key, child in value.items():
            called = f"{name}.{key}" if name else key
            if key not in sizes and isinstance(child, list):
                _list(child, called, _folds(where, sizes, len(child)), file, found)
            elif key not in sizes:
                _walk(child, called, where, file, found)
    elif isinstance(value, list):
        _list(value, name, _folds(where, {}, len(value)), file, found)


def _sizes(values: Mapping[str, Json]) -> dict[str, list[int]]:
    """Return the sizes that stand beside lists of folds, by key: of all of them, or one of each."""
    lists = [each for key, each in values.items() if isinstance(each, list) and key not in _SIZES]
    folds = {len(each) for each in lists if isinstance((*each, "")[0], (int, float))}
    sizes: dict[str, list[int]] = {}
    for key in _SIZES if folds else ():
        value = values.get(key)
        cells = value if isinstance(value, list) else [value]
        each = [n for n in cells if isinstance(n, int) and n is not True and n > 0]
        if len(each) == len(cells) and (len(cells) in folds or not isinstance(value, list)):
            sizes[key] = each
    return sizes


def _folds(where: _Where, sizes: Mapping[str, list[int]], number: int) -> Iterator[_Where]:
    """Yield to which fold each number of a list belongs, with the sizes of its parts."""
    known = {key: each for key, each in sizes.items() if len(each) in {1, number}}
    for fold in range(number):
        parts = {key: each[fold if len(each) == number else 0] for key, each in known.items()}
        yield replace(where, fold=fold, n_train=parts.get("n_train"), n_test=parts.get("n_test"))


def _list(
    values: list[Json], name: str, places: Iterator[_Where], file: str, found: _Found
) -> None:
    if values and all(isinstance(value, dict) for value in values):
        _rows([value for value in values if isinstance(value, dict)], name, file, found)
        return
    numbers = [isinstance(v, (int, float)) and not isinstance(v, bool) for v in values]
    if not any(numbers):
        found.others[name] = "a list without numbers"
        return
    for value, is_number, where in zip(values, numbers, places, strict=True):
        if not is_number:
            raise _bad(f"{name}[{where.fold}]", f"{value}"[:40], file)
        _walk(value, name, where, file, found)


def _rows(rows: Sequence[Mapping[str, Json]], prefix: str, file: str, found: _Found) -> None:
    """Read ``metric, value`` rows, or a column a metric; rows alike in all else are folds."""
    pairs = all({"metric", "value"} == row.keys() - _CONTEXT for row in rows)
    bare = not pairs and len(rows) > 1 and not any(_CONTEXT & row.keys() for row in rows)
    for number, row in enumerate(rows):
        counts = {name: _count(row, name, file) for name in _COUNTS}
        if bare:
            counts["fold"] = number
        where = _Where(dataset=str(row.get("dataset") or ""), **counts)
        values = {key: value for key, value in row.items() if key not in _CONTEXT}
        if pairs:
            values = {str(values["metric"]): values["value"]}
        for key, value in values.items():
            _walk(value, f"{prefix}.{key}" if prefix else key, where, file, found)


def _count(row: Mapping[str, Json], name: str, file: str) -> int | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadMetricError(
            f"column {name} holds something else than a count",
            found=f"{value}"[:40],
            where=file,
            expected="a whole number, 0 or more",
        )
    return value


def _csv(data: bytes, file: str, delimiter: str) -> list[dict[str, Json]]:
    try:
        text = data.decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text), delimiter=delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadFormatError("this is not CSV", found=str(error), where=file) from error
    if any(None in row or None in row.values() for row in rows):
        raise BadFormatError("a row has another number of fields than the header", where=file)
    return [{key: _cell(text) for key, text in row.items()} for row in rows]


def _cell(text: str) -> Json:
    stripped = text.strip()
    with contextlib.suppress(ValueError):
        return int(stripped)
    try:
        number = float(stripped)
    except ValueError:
        return stripped
    return number if math.isfinite(number) else stripped


def _unnamed(name: str, file: str) -> BadMetricError:
    return BadMetricError(
        "a metric has a name that cannot be recorded",
        found=ascii(name[:_NAME_LIMIT]),
        where=file,
        expected=f"1 to {_NAME_LIMIT} printable characters",
    )


def _bad(name: str, found: str, file: str) -> BadMetricError:
    return BadMetricError(
        f"metric {name} is not a finite number", found=found, where=file, expected="a finite number"
    )
