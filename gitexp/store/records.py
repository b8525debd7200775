"""A run as a commit holds it, by all checks that its own digests allow; and its line in a list.

A line carries what `gitexp list` shows, filters and groups by. It is worked out once and remembered
by the id of the folder's tree, so that a thousand runs are read in one query instead of three
thousand Git objects. Reading a record in full costs a millisecond, and a line needs a dozen values:
`lean_line` checks those, and the digest of the samples; anything unusual - another version, a
quoted cell, a value of another kind - is left to the full reader. What counts in a comparison is
always read in full.
"""

from __future__ import annotations

import hashlib
import heapq
import math
import re
from datetime import UTC, datetime
from functools import lru_cache, partial
from types import NoneType
from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict, TypeVar, cast

from gitexp.errors import (
    BadFormatError,
    DamagedDataError,
    GitexpError,
    MissingObjectError,
    NewerFormatError,
    UnsafeInputError,
)
from gitexp.git.transaction.cache import Index, Kind, with_a_child
from gitexp.git.transaction.layout import run_dir
from gitexp.git.tree import FILE_MODES, Tree
from gitexp.model.ids import ABSENT, SHA256, Absent, BlobId, ParamValue, RunId, TreeId
from gitexp.model.metrics import MetricSummary, describe, summarise_rows
from gitexp.model.run import Origin, RepeatState, Run, Sample
from gitexp.records import codec
from gitexp.records.shapes import schema
from gitexp.store.list_lines import (
    FINISHED,
    MOST_BYTES,
    RunLine,
    cut,
    decoded_runs,
    encode_run,
    is_plain,
    line_of,
    listed_params,
    state_word,
)
from gitexp.text import samples as samples_format
from gitexp.text.fields import LARGEST
from gitexp.text.jsontext import MAX_DEPTH, Json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gitexp.git.repository import Repo

RUN_LIMIT_BYTES = 8 << 20
_ROW_BYTES = 1_024  # more than any row of ours has
_TABLES_KEPT = 8
_USUAL_BYTES = 1 << 15  # a longer record is parsed each time anew
_MOST_BITS: Final = 2.0**63
_MANY: Final = 50  # words to look for in each row

_T = TypeVar("_T")


def read_run(repo: Repo, tree: TreeId, run: RunId) -> tuple[Run, tuple[Sample, ...]]:
    """Read one record from the tree of its folder.

    Raises `BadFormatError, NewerFormatError, DamagedDataError, UnsafeInputError` if it cannot be
    read, or is not the record of the run that its folder names.
    """
    where = run_dir(run)
    folder = repo.tree(tree)
    data = folder.read("run.json", RUN_LIMIT_BYTES)
    if data is None:
        raise DamagedDataError("the run has no run.json", where=where)
    load = _remembered if len(data) < _USUAL_BYTES else _load
    record = load(data, f"{where}/run.json")
    if record.id != run:
        raise DamagedDataError(
            "the record is another run's", found=record.id, where=f"{where}/run.json", expected=run
        )
    samples = _table(
        repo,
        folder,
        record.sample_rows,
        lambda data: samples_format.load(
            data, f"{where}/samples.csv", rows=record.sample_rows, sha256=record.samples_sha256
        ),
        record.samples_sha256,
    )
    if samples is ABSENT:
        raise DamagedDataError("the run has no samples.csv", where=where)
    return record, samples


_load = partial(codec.load, Run)
# A call asks for the same records again and again: what counts, does the seed act, what is next.
_remembered = lru_cache(maxsize=1024)(_load)


def _table(
    repo: Repo, folder: Tree, rows: int, read: Callable[[bytes], _T], how: str = ""
) -> _T | Absent:
    """Return what `read` makes of a run's samples; a file that many runs share is read once.

    `rows`: how many run.json says that there are.
    """
    entry = folder.entry("samples.csv")
    if entry is None or entry.mode not in FILE_MODES:
        return ABSENT
    key = (entry.id, str(rows), how)
    if key not in repo.tables:
        if rows > samples_format.MOST_ROWS:
            raise samples_format.too_many(f"{rows} rows", "samples.csv")
        limit = min(samples_format.LIMIT, (rows + 1) * _ROW_BYTES)
        value: object
        try:
            value = read(repo.read(BlobId(entry.id), limit, where="samples.csv"))
        except (GitexpError, ValueError) as error:  # nor is what cannot be read tried again
            value = error
        while len(repo.tables) >= _TABLES_KEPT:
            del repo.tables[next(iter(repo.tables))]
        repo.tables[key] = value
    known = repo.tables[key]
    if isinstance(known, Exception):
        raise known
    return cast("_T", known)


def is_lasting(error: GitexpError) -> bool:
    """Return whether a record stays unreadable, whatever is fetched.

    A newer gitexp begins its index anew, so what it alone can read is remembered, too.
    """
    kinds = (BadFormatError, DamagedDataError, NewerFormatError, UnsafeInputError)
    return isinstance(error, kinds) and not isinstance(error, MissingObjectError)


# --- lines --------------------------------------------------------------------------------------


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
    if len(marks) <= _MANY:  # else reading them all is the quicker way
        rows = {tree: row for tree, row in rows.items() if any(mark in row for mark in marks)}
    return read | _decoded(repo, runs, rows)


def run_line(repo: Repo, tree: TreeId, run: RunId) -> RunLine:
    """Return the line of one run, read from Git."""
    try:
        return lean_line(repo, tree, run) or line_of(*read_run(repo, tree, run))
    except GitexpError as error:
        return RunLine(id=run, bad=error.brief, lasting=is_lasting(error))


def _rows(
    repo: Repo, index: Index, runs: Mapping[TreeId, RunId]
) -> tuple[dict[TreeId, bytes], dict[TreeId, RunLine]]:
    """Return what the index remembers, and the lines of the others; they are remembered now."""

    def known(trees: Sequence[TreeId]) -> dict[TreeId, bytes | RunLine]:
        return {TreeId(tree): row for tree, row in index.get(Kind.RUN, trees).items()}

    def read(index: Index, trees: Sequence[TreeId]) -> dict[TreeId, bytes | RunLine]:
        return _read(repo, index, {tree: runs[tree] for tree in trees})

    every = with_a_child(index, runs, known, read).items()
    rows = {tree: row for tree, row in every if isinstance(row, bytes)}
    return rows, {tree: line for tree, line in every if not isinstance(line, bytes)}


def _read(repo: Repo, index: Index, runs: Mapping[TreeId, RunId]) -> dict[TreeId, bytes | RunLine]:
    read: dict[TreeId, bytes | RunLine] = {}
    bad = index.get(Kind.UNREADABLE, runs)
    for tree, run in runs.items():  # one by one: what was read is kept, whatever comes after it
        if tree in bad:
            read[tree] = RunLine(id=run, bad=bad[tree].decode())
            continue
        line = read[tree] = run_line(repo, tree, run)
        row = b"" if line.bad else encode_run(line)
        if len(row) > MOST_BYTES:
            line = read[tree] = RunLine(id=run, bad="a list would say more of it than 1 MiB")
        if not line.bad:
            index.put(Kind.RUN, {tree: row})
        elif line.lasting:
            index.put(Kind.UNREADABLE, {tree: line.bad.encode("utf-8", "backslashreplace")})
    return read


def _decoded(
    repo: Repo, runs: Mapping[TreeId, RunId], rows: Mapping[TreeId, bytes]
) -> dict[TreeId, RunLine]:
    found = decoded_runs(rows)
    return {tree: found.get(tree) or run_line(repo, tree, runs[tree]) for tree in rows}


# --- the quick reader ---------------------------------------------------------------------------

_SCHEMA = schema("run")
_ORIGINS = frozenset(item.value for item in Origin)
_STATES = frozenset(item.value for item in RepeatState)
# A table as we write it: integers without needless digits, numbers without spaces. A cell begins
# and ends at a comma, so that nothing is tried twice. Most tables of a project have the same rows
# but for the values, so what stands before these is read once.
_INTEGER = r"(?:0|-?[1-9][0-9]{0,17})"
_TEXT = r'[^,"\r\n]'
_HEAD = rf"{_TEXT}+,{_INTEGER},{_INTEGER}?,{_INTEGER}?,{_TEXT}*,{_INTEGER}?,{_INTEGER}?"
_HEADS = re.compile(rf"(?:{_HEAD}\n)*+{_HEAD}")
_HEADER = ",".join(samples_format.COLUMNS) + "\n"
_NUMBERS = re.compile(r"[0-9.e+-]*")


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


_Record = TypedDict(  # what `json.loads` is believed to give only as far as `_line` looked
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
        "snapshot_only": int | None,
    },
)
_SPARSE = dict.fromkeys(("fixed_seeds", "holdout"), dict) | {
    **dict.fromkeys(("observed", "once"), list),
    "drawn": bool,
    "evaluator": str,
}


def lean_line(repo: Repo, tree: TreeId, run: RunId) -> RunLine | None:
    """Return the line of a run; None where the full reader has to look."""
    folder = repo.tree(tree)
    data = folder.read("run.json", RUN_LIMIT_BYTES)
    if data is None:
        return None
    import orjson  # a warm list has no use for it

    try:
        record: _Record = orjson.loads(data)
        rows = record["samples"]["rows"]
        without = record.get("snapshot_only")
        if type(rows) is not int or type(without) not in {int, NoneType}:
            return None
        measured = _table(repo, folder, rows, partial(_measured, without=without), f"{without}")
        return None if measured is ABSENT else _line(record, measured, run)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return None  # not a record as we write it: the full reader says what is wrong


class _Measured(NamedTuple):
    """What a table says, by itself."""

    sha256: str
    rows: int
    metrics: tuple[MetricSummary, ...]


def _measured(table: bytes, without: int | None) -> _Measured:
    """Read a table's metrics; ValueError where it is not as we write it, or a sample is twice.

    `without`: a seed whose rows belong to none of them.
    """
    if table.count(b"\n") > samples_format.MOST_ROWS + 1:
        raise ValueError
    text = table.decode("utf-8")
    rows = [line.rpartition(",") for line in text[len(_HEADER) : -1].split("\n")]
    values = [value for _, _, value in rows]
    if not text.startswith(_HEADER) or not text.endswith("\n"):
        raise ValueError
    if not _NUMBERS.fullmatch("".join(values)):
        raise ValueError
    if len(text) == len(_HEADER):
        return _Measured(hashlib.sha256(table).hexdigest(), 0, ())
    numbers = list(map(float, values))
    if not all(map(math.isfinite, numbers)):
        raise ValueError
    read = _layout if len(table) < _USUAL_BYTES else _layout.__wrapped__
    keys, alone = read("\n".join([head for head, _, _ in rows]))
    if alone and without is None:
        metrics = tuple([describe(name, numbers[at]) for name, at in alone])
    else:
        pairs = zip(keys, numbers, strict=True)
        metrics = summarise_rows((*key, number) for key, number in pairs if key[1] != without)
    return _Measured(hashlib.sha256(table).hexdigest(), len(rows), metrics)


@lru_cache(maxsize=64)
def _layout(heads: str) -> tuple[Sequence[tuple[str, int, bool]], Sequence[tuple[str, slice]]]:
    """Return what the rows of a table are of; where each metric's are, if they are its seeds'."""
    if _HEADS.fullmatch(heads) is None:
        raise ValueError
    cells = [tuple(head.split(",")[:5]) for head in heads.split("\n")]
    if len(set(cells)) < len(cells):
        raise ValueError
    keys = [
        (f"{name}[{data_set}]" if data_set else name, int(seed), not (rep or fold))
        for name, seed, rep, fold, data_set in cells
    ]
    names = [name for name, *_ in cells]
    if any(any(rest) for _, _, *rest in cells) or names != sorted(names):
        return keys, ()
    return keys, [
        (name, slice(names.index(name), names.index(name) + names.count(name)))
        for name in dict.fromkeys(names)
    ]


def _line(record: _Record, measured: _Measured, run: RunId) -> RunLine | None:
    samples, plan, source = record["samples"], record["plan"], record["source"]
    repeats, without = record["repeats"], record.get("snapshot_only")
    seeds = [item["seed"] for item in repeats]
    states = [item["state"] for item in repeats]
    texts = (
        *(record["inputs"], record["author"]["name"], source["commit"], source["branch"]),
        record["group"],
        *((plan["name"], plan["digest"]) if plan is not None else ()),
    )
    usual = (
        record["$schema"] == _SCHEMA
        and record["id"] == run
        and record["origin"] in _ORIGINS
        and set(map(type, texts)) == {str}
        and SHA256.fullmatch(record["inputs"]) is not None
        and (plan is None or SHA256.fullmatch(plan["digest"]) is not None)
        and type(repeats) is list
        and type(record["params"]) is dict
        and all(type(record.get(key, kind())) is kind for key, kind in _SPARSE.items())
        and set(map(type, seeds)) <= {int}
        and max(seeds, default=0) <= LARGEST
        and _STATES.issuperset(states)
        and measured[:2] == (samples["sha256"], samples["rows"])
    )
    started_at = datetime.fromisoformat(record["started_at"])
    if not usual or not started_at.tzinfo:
        return None
    own = [item for item in repeats if item["seed"] != without]
    done = [item for item in own if item["state"] == FINISHED]
    counted = tuple([item["seed"] for item in done])
    environments = [item["environment"] for item in repeats if item["environment"] is not None]
    return RunLine(
        id=run,
        inputs=record["inputs"],
        plan_name="" if plan is None else plan["name"],
        plan_digest="" if plan is None else plan["digest"],
        reported=record["origin"] == Origin.REPORTED.value,
        commit=source["commit"],
        branch=source["branch"],
        environment=str(environments[0]) if environments else "",
        state=state_word(states),
        seeds=counted,
        repeats=len(own),
        author=cut(record["author"]["name"]),
        group=record["group"],
        started_at=started_at.astimezone(UTC),
        params=listed_params({key: _param(value, 2) for key, value in record["params"].items()}),
        others=tuple([seed for seed in seeds if seed not in counted]),
        metrics=measured.metrics,
        plain=not (source.get("overrides") or source.get("swaps") or record.get("fixed_seeds"))
        and not any(item.get("seeds") for item in repeats)
        and is_plain([(item["environment"], item.get("links")) for item in done]),
    )


def _param(value: Json, depth: int) -> ParamValue:
    if isinstance(value, list) and depth < MAX_DEPTH:
        return tuple([_param(item, depth + 1) for item in value])
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float) and abs(value) < _MOST_BITS:
        return value
    raise ValueError  # too deep; or this large, it may be a whole number: orjson has no more bits
