"""One line about a recorded run, worked out once and remembered by the id of its folder's tree.

A line carries what `gitexp list` shows, filters and groups by, so that a thousand runs are read in
one query instead of three thousand Git objects.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.model.comparison import MetricSummary
from gitexp.model.ids import TreeId
from gitexp.store.index import Kind
from gitexp.store.lean import lean_line
from gitexp.store.lines import RunLine, line_of, reason, unreadable
from gitexp.store.records import read_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.formats.text import Json
    from gitexp.git.repository import Repo
    from gitexp.model.ids import ParamValue, RunId
    from gitexp.store.index import Index

    # A JSON array; its checksum was right, so it is what `_encode` wrote.
    _Row = tuple[
        str, str, str, str, bool, str, str, str, str, Sequence[int], int, str, str,
        Sequence[tuple[str, Json]], Sequence[tuple[str, int, float, float | None]],
    ]  # fmt: skip


_COMPACT: Final = json.JSONEncoder(separators=(",", ":")).encode


def run_lines(repo: Repo, index: Index, runs: Mapping[TreeId, RunId]) -> dict[TreeId, RunLine]:
    """Return the line of each run.

    Parameters
    ----------
    repo : Repo
    index : Index
    runs : mapping of TreeId to RunId
        By the tree of the run's folder.
    """
    found = _remembered(index, runs)
    fresh: dict[str, bytes] = {}
    for tree, run in runs.items():
        if tree not in found:
            line = found[tree] = run_line(repo, tree, run)
            if not line.bad:  # a newer gitexp, or a fetch, may be able to read it
                fresh[tree] = _encode(line)
    if fresh:
        index.put(Kind.RUN, fresh)
    return found


def run_line(repo: Repo, tree: TreeId, run: RunId, metric: str = "") -> RunLine:
    """Return the line of one run, read from Git; with just one metric, if one is named."""
    try:
        return lean_line(repo, tree, run, metric) or line_of(*read_run(repo, tree, run))
    except GitexpError as error:
        return unreadable(run, reason(error))


def _encode(line: RunLine) -> bytes:
    row: Json = [
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
        line.started_at.isoformat(),
        line.params,
        [(item.metric, item.n, item.mean, item.sd) for item in line.metrics],
    ]
    return _COMPACT(row).encode("ascii")


def _remembered(index: Index, runs: Mapping[TreeId, RunId]) -> dict[TreeId, RunLine]:
    rows = index.get(Kind.RUN, runs)
    try:  # one call of the decoder for all rows is several times as fast as one for each
        values: list[_Row] = json.loads(b"[" + b",".join(rows.values()) + b"]")
        return {TreeId(tree): _decode(row) for tree, row in zip(rows, values, strict=True)}
    except (ValueError, TypeError):
        return {}


def _decode(row: _Row) -> RunLine:
    (
        run, inputs, plan, digest, reported, commit, branch, environment,
        state, seeds, repeats, author, started_at, params, metrics,
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
        datetime.fromisoformat(started_at),
        tuple([(key, _param(value)) for key, value in params]),
        tuple([MetricSummary(*item) for item in metrics]),
    )


def _param(value: Json) -> ParamValue:
    if isinstance(value, list):
        return tuple(_param(item) for item in value)
    return value if isinstance(value, (str, int, float)) else None
