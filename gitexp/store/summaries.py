"""One line about a recorded run, worked out once and remembered by the id of its folder's tree.

A line carries what `gitexp list` shows, filters and groups by, so that a thousand runs are read in
one query instead of three thousand Git objects.
"""

from __future__ import annotations

import heapq
import json
from datetime import datetime
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git.transaction.cache import Kind
from gitexp.model.ids import TreeId
from gitexp.model.metrics import MetricSummary
from gitexp.store.fast_scan import lean_line
from gitexp.store.records import is_lasting, read_run
from gitexp.store.run_lines import RunLine, line_of, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.ids import ParamValue, RunId
    from gitexp.text.jsontext import Json

    # A JSON array; its seal was right, so it is what `_encode` wrote.
    _Row = tuple[
        str, str, str, str, str, bool, str, str, str, str, Sequence[int], int, str,
        str, Sequence[tuple[str, Json]], Sequence[tuple[str, int, float, float | None]], bool,
    ]  # fmt: skip


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
