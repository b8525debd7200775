"""One line about a recorded run, worked out once and remembered by the id of its folder's tree.

A line carries what `gitexp list` shows, filters and groups by, so that a thousand runs are read in
one query instead of three thousand Git objects. Reading a record in full costs a millisecond, and a
line needs a dozen values: `lean_line` checks those, and the digest of the samples; anything unusual
- another version, a quoted cell, a value of another kind - is left to the full reader. What counts
in a comparison is always read in full.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypedDict

from gitexp.errors import GitexpError
from gitexp.git.absent import ABSENT
from gitexp.git.objects import read_blob
from gitexp.git.transaction.cache import Kind
from gitexp.model.ids import TreeId
from gitexp.model.metrics import MetricSummary, summarise_rows
from gitexp.model.run import Origin, RepeatState
from gitexp.records.shapes import schema
from gitexp.store.list_lines import FINISHED, RunLine, is_plain, line_of, state_word, unreadable
from gitexp.store.records import RUN_LIMIT_BYTES, is_lasting, read_run, table
from gitexp.text.samples import COLUMNS, MOST_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.ids import ParamValue, RunId
    from gitexp.text.jsontext import Json

    _Row = tuple[
        str, str, str, str, str, bool, str, str, str, str, Sequence[int], int, str,
        str, Sequence[tuple[str, Json]], Sequence[tuple[str, int, float, float | None]], bool,
    ]  # fmt: skip

_SCHEMA = schema("run")
_ORIGINS = frozenset(item.value for item in Origin)
_STATES = frozenset(item.value for item in RepeatState)
_SHA256 = re.compile(r"[0-9a-f]{64}")
# A whole table as we write it: integers without needless digits, numbers without spaces. A cell
# begins and ends at a comma, so that nothing is tried twice.
_INTEGER = r"(?:0|-?[1-9][0-9]{0,18})"
_MAYBE = f"{_INTEGER}?,"
_ROW = rf"[^,\n]+,{_INTEGER},{_MAYBE}{_MAYBE}[^,\n]*,{_MAYBE}{_MAYBE}-?[0-9][0-9.e+-]{{0,24}}\n"
_TABLE = re.compile(f"{re.escape(','.join(COLUMNS))}\n(?:{_ROW})*+")


class _Plan(TypedDict):
    name: str
    digest: str


class _Person(TypedDict):
    name: str


class _Source(TypedDict):
    commit: str
    branch: str
    overrides: dict[str, Json]
    swaps: dict[str, Json]


class _Samples(TypedDict):
    rows: int
    sha256: str


class _Repeat(TypedDict):
    seed: int
    state: str
    environment: str | None
    links: str
    seeds: dict[str, int]


_Record = TypedDict(  # what `json.loads` is believed to give only as far as `_checked` looked
    "_Record",
    {
        "$schema": str,
        "id": str,
        "inputs": str,
        "origin": str,
        "plan": _Plan | None,
        "source": _Source,
        "repeats": list[_Repeat],
        "author": _Person,
        "group": str,
        "started_at": str,
        "params": dict[str, "Json"],
        "samples": _Samples,
        "fixed_seeds": dict[str, int],
    },
)


def lean_line(repo: Repo, tree: TreeId, run: RunId, metric: str = "") -> RunLine | None:
    """Return the line of a run; None where the full reader has to look.

    `metric`: the one that is asked for, which may leave out others; by default all are read.

    Raises `UnsafeInputError` if a file is too large.
    """
    data = read_blob(repo, tree, "run.json", RUN_LIMIT_BYTES)
    if data is ABSENT:
        return None
    try:
        record: _Record = _DECODE(data.decode("utf-8"))
        if type(record["samples"]["rows"]) is not int:
            return None
        begin = metric.partition("[")[0]
        measured = table(
            repo, tree, record["samples"]["rows"], lambda data: _measured(data, begin), "", begin
        )
        return None if measured is ABSENT else _line_of_record(record, measured, run)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return None  # not a record as we write it: the full reader says what is wrong


@dataclass(frozen=True, slots=True)
class _Measured:
    """What a table says, by itself."""

    sha256: str
    rows: int
    metrics: tuple[MetricSummary, ...]


def _measured(table: bytes, begin: str) -> _Measured:
    """Read a table's metrics that begin like this; ValueError where it is not as we write it."""
    if table.count(b"\n") > MOST_ROWS + 1:
        raise ValueError
    text = table.decode("utf-8")
    if _TABLE.fullmatch(text) is None or b'"' in table or b"\r" in table:
        raise ValueError
    rows = text.split("\n")[1:-1]
    digest = hashlib.sha256(table).hexdigest()
    return _Measured(digest, len(rows), summarise_rows(_table_rows(rows, begin)))


def _line_of_record(record: _Record, measured: _Measured, run: RunId) -> RunLine | None:
    samples, plan, source = record["samples"], record["plan"], record["source"]
    repeats = record["repeats"]
    texts = (
        *(record["inputs"], record["author"]["name"], source["commit"], source["branch"]),
        record["group"],
        *((plan["name"], plan["digest"]) if plan is not None else ()),
    )
    usual = (
        record["$schema"] == _SCHEMA
        and record["id"] == run
        and record["origin"] in _ORIGINS
        and all(type(text) is str for text in texts)
        and _SHA256.fullmatch(record["inputs"]) is not None
        and (plan is None or _SHA256.fullmatch(plan["digest"]) is not None)
        and type(repeats) is list
        and type(record["params"]) is dict
        and all(type(item["seed"]) is int and item["state"] in _STATES for item in repeats)
        and (measured.sha256, measured.rows) == (samples["sha256"], samples["rows"])
    )
    started_at = datetime.fromisoformat(record["started_at"])
    if not usual or not started_at.tzinfo:
        return None
    environments = (item["environment"] for item in repeats)
    return RunLine(
        id=run,
        inputs=record["inputs"],
        plan_name="" if plan is None else plan["name"],
        plan_digest="" if plan is None else plan["digest"],
        reported=record["origin"] == Origin.REPORTED.value,
        commit=source["commit"],
        branch=source["branch"],
        environment=next((str(item) for item in environments if item is not None), ""),
        state=state_word([item["state"] for item in repeats]),
        seeds=tuple([item["seed"] for item in repeats if item["state"] == FINISHED]),
        repeats=len(repeats),
        author=record["author"]["name"],
        group=record["group"],
        started_at=started_at.astimezone(UTC),
        params=tuple(
            [(key, _recorded_param(record["params"][key])) for key in sorted(record["params"])]
        ),
        metrics=measured.metrics,
        plain=not (source.get("overrides") or source.get("swaps") or record.get("fixed_seeds"))
        and not any(item.get("seeds") for item in repeats)
        and is_plain(
            (item["environment"], item.get("links"))
            for item in repeats
            if item["state"] == FINISHED
        ),
    )


def _table_rows(lines: Sequence[str], begin: str) -> Iterator[tuple[str, int, bool, float]]:
    """Read rows that begin with a metric's name; ValueError where one is there twice."""
    seen: set[str] = set()
    for line in lines:
        if not line.startswith(begin):
            continue
        key, _, _, cell = line.rsplit(",", 3)
        metric, seed, rep, fold, dataset = key.split(",")
        value = float(cell)
        if key in seen or not math.isfinite(value):
            raise ValueError
        seen.add(key)
        yield f"{metric}[{dataset}]" if dataset else metric, int(seed), not rep and not fold, value


def _recorded_param(value: Json) -> ParamValue:
    if isinstance(value, list):
        return tuple([_recorded_param(item) for item in value])
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError


def _refuse(name: str) -> float:
    raise ValueError(name)


_DECODE: Final = json.JSONDecoder(parse_constant=_refuse).decode


_MANY: Final = 50  # words to look for in each row
_COMPACT: Final = json.JSONEncoder(separators=(",", ":")).encode


def run_lines(repo: Repo, index: Index, runs: Mapping[TreeId, RunId]) -> dict[TreeId, RunLine]:
    """Return the line of each run."""
    rows, read = _rows(repo, index, runs)
    return read | _decoded(repo, runs, rows)


def newest_lines(
    repo: Repo, index: Index, runs: Mapping[TreeId, RunId], n: int
) -> dict[TreeId, RunLine]:
    """Return the lines of the `n` runs that started last, and of all that cannot be read.

    There may be others among them, which the index did not know yet.
    """
    rows, read = _rows(repo, index, runs)
    newest = heapq.nlargest(n, rows, key=rows.__getitem__)  # a row begins with the time and the id
    return read | _decoded(repo, runs, {tree: rows[tree] for tree in newest})


def lines_naming(
    repo: Repo, index: Index, runs: Mapping[TreeId, RunId], words: Iterable[str]
) -> dict[TreeId, RunLine]:
    """Return at least the lines that have one of these words, and those that cannot be read."""
    rows, read = _rows(repo, index, runs)
    marks = [word.encode() for word in words]
    if len(marks) > _MANY:  # then reading them all is the quicker way
        return read | _decoded(repo, runs, rows)
    named = {tree: row for tree, row in rows.items() if any(mark in row for mark in marks)}
    return read | _decoded(repo, runs, named)


def run_line(repo: Repo, tree: TreeId, run: RunId, metric: str = "") -> RunLine:
    """Return the line of one run, read from Git; with just one metric, if one is named."""
    try:
        return lean_line(repo, tree, run, metric) or line_of(*read_run(repo, tree, run))
    except GitexpError as error:
        return unreadable(run, error.brief, lasting=is_lasting(error))


def _rows(
    repo: Repo, index: Index, runs: Mapping[TreeId, RunId]
) -> tuple[dict[TreeId, bytes], dict[TreeId, RunLine]]:
    """Return what the index remembers, and the lines of the others; they are remembered now."""
    rows = {TreeId(tree): row for tree, row in index.get(Kind.RUN, runs).items()}
    read: dict[TreeId, RunLine] = {}
    unknown = [tree for tree in runs if tree not in rows]
    bad = index.get(Kind.UNREADABLE, unknown)
    for tree in unknown:  # one by one: what was read is kept, whatever comes after it
        if tree in bad:
            read[tree] = unreadable(runs[tree], bad[tree].decode(), lasting=True)
            continue
        line = read[tree] = run_line(repo, tree, runs[tree])
        if not line.bad:
            index.put(Kind.RUN, {tree: _encode(line)})
        elif line.lasting:
            index.put(Kind.UNREADABLE, {tree: line.bad.encode("utf-8", "backslashreplace")})
    return rows, read


def _encode(line: RunLine) -> bytes:
    row: Json = [
        line.started_at.isoformat(),
        line.id,
        line.inputs,
        line.plan_name,
        line.plan_digest,
        line.reported,
        line.commit,
        line.branch,
        line.environment,
        line.state,
        line.seeds,
        line.repeats,
        line.author,
        line.group,
        line.params,
        [(item.metric, item.n, item.mean, item.sd) for item in line.metrics],
        line.plain,
    ]
    return _COMPACT(row).encode("ascii")


def _decoded(
    repo: Repo, runs: Mapping[TreeId, RunId], rows: Mapping[TreeId, bytes]
) -> dict[TreeId, RunLine]:
    try:  # one call of the decoder for all rows is several times as fast as one for each
        values: list[_Row] = json.loads(b"[" + b",".join(rows.values()) + b"]")
        return {tree: _decode(row) for tree, row in zip(rows, values, strict=True)}
    except (ValueError, TypeError):
        return {tree: run_line(repo, tree, runs[tree]) for tree in rows}


def _decode(row: _Row) -> RunLine:
    (
        started_at, run, inputs, plan, digest, reported, commit, branch, environment,
        state, seeds, repeats, author, group, params, metrics, plain,
    ) = row  # fmt: skip
    return RunLine(
        run,
        inputs,
        plan,
        digest,
        reported,
        commit,
        branch,
        environment,
        state,
        tuple(seeds),
        repeats,
        author,
        group,
        datetime.fromisoformat(started_at),
        tuple([(key, _param(value)) for key, value in params]),
        tuple([MetricSummary(*item) for item in metrics]),
        plain,
    )


def _param(value: Json) -> ParamValue:
    if isinstance(value, list):
        return tuple(_param(item) for item in value)
    return value if isinstance(value, (str, int, float)) else None
