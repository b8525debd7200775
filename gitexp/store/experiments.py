"""One line about an experiment, a pure function of its branch's name and the commit at its tip.

So it can be remembered by these two, and a list of two thousand branches is one query.
"""

from __future__ import annotations

import json
import marshal
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.formats import verdict as verdict_format
from gitexp.git.absent import ABSENT
from gitexp.git.objects import commit_info, read_blob, tree_id
from gitexp.model.ids import RunId, TreeId
from gitexp.model.summary import MetricSummary, describe, pooled, summarise
from gitexp.store.ancestry import listings
from gitexp.store.halves import beside, can_fork
from gitexp.store.index import Index, Kind
from gitexp.store.layout import CONCLUSIONS, conclusion_path
from gitexp.store.plans import plan_named, plan_of_branch
from gitexp.store.records import read_run
from gitexp.store.summaries import run_line, run_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan
    from gitexp.store.lines import RunLine
    from gitexp.store.tips import Tip

_COMPACT: Final = json.JSONEncoder(separators=(",", ":")).encode
_FEW: Final = 8  # runs of a branch that are read for its line alone, and not remembered
_WORTH_A_CHILD: Final = 300  # branches; a child costs 20 ms


@dataclass(frozen=True, slots=True)
class ExperimentLine:
    """What `gitexp list` shows of a branch, beside its name and commit."""

    name: str  # of the plan; "" where the branch has none
    hypothesis: str
    metric: str
    planned: int
    runs: int  # in the tip's tree, under the plan; without a plan: started on this branch
    finished: int  # candidate's seeds with a finished repeat, of the newest inputs
    primary: MetricSummary | None
    concluded: bool
    verdict: str  # "" where there is no conclusion, or it gives none
    author: str
    created_at: datetime | None  # without a plan: of the tip's commit
    baseline: str = ""  # as the plan's author typed it
    formerly: tuple[str, ...] = ()  # names it had before
    bad: str = ""  # the plan, or the conclusion, cannot be read
    unread: tuple[tuple[str, str], ...] = ()  # runs in the tip's tree that cannot be read, and why


def experiment_lines(repo: Repo, index: Index, tips: Sequence[Tip]) -> dict[Tip, ExperimentLine]:
    """Return the line of each branch.

    Parameters
    ----------
    repo : Repo
    index : Index
    tips : sequence of Tip
        Branches of this repository, of remotes, and archive tags.
    """
    keys = {tip: f"{tip.commit}:{tip.branch}" for tip in tips}
    rows = index.get(Kind.EXPERIMENT, keys.values())
    remembered = decoded(rows)
    unknown = [tip for tip, key in keys.items() if key not in remembered]
    if len(unknown) >= _WORTH_A_CHILD and can_fork():
        remembered |= decoded(_halved(repo, index, unknown, keys))
        unknown = [tip for tip in unknown if keys[tip] not in remembered]
    remembered |= _read(repo, index, unknown, keys)
    return {tip: remembered[key] for tip, key in keys.items()}


def _halved(
    repo: Repo, index: Index, tips: Sequence[Tip], keys: Mapping[Tip, str]
) -> Mapping[str, bytes]:
    """Read one half here and the other in a child; return the rows of both.

    What a child could not read, or is broken, is in no row and is looked at again.
    """
    half = len(tips) // 2

    def work() -> bytes:
        own = Index(None)
        _read(repo, own, tips[half:], keys)
        return marshal.dumps({kind.value: dict(rows) for kind, rows in own.fresh()})

    result = beside(work)
    _read(repo, index, tips[:half], keys)
    data = result()
    if data is not None:
        for number, rows in marshal.loads(data).items():  # noqa: S302  from our own child
            index.put(Kind(number), rows)
    return index.get(Kind.EXPERIMENT, keys.values())


def _read(
    repo: Repo, index: Index, unknown: Sequence[Tip], keys: Mapping[Tip, str]
) -> dict[str, ExperimentLine]:
    """Work out the lines of branches and remember the good ones."""
    found: dict[str, ExperimentLine] = {}
    held = listings(repo, index, dict.fromkeys(tip.commit for tip in unknown))
    # All at once: one question to the index instead of one for each branch.
    many = {tree: run for runs in held.values() if len(runs) > _FEW for run, tree in runs.items()}
    lines = run_lines(repo, index, many)
    fresh: dict[str, bytes] = {}
    for tip in unknown:
        line = found[keys[tip]] = _work_out(repo, tip, held[tip.commit], lines)
        if not line.bad and not line.unread:  # a newer gitexp, or a fetch, may be able to
            fresh[keys[tip]] = encode(line)
    if fresh:
        index.put(Kind.EXPERIMENT, fresh)
    return found


def _work_out(
    repo: Repo, tip: Tip, held: Mapping[RunId, TreeId], known: Mapping[TreeId, RunLine]
) -> ExperimentLine:
    """Return the line of a branch, with the runs in its tree and the lines of those of many."""

    def lines(metric: str) -> dict[TreeId, RunLine]:
        return {
            tree: known[tree] if tree in known else run_line(repo, tree, run, metric)
            for run, tree in held.items()
        }

    try:
        plan = (
            plan_named(repo, tip.name.partition("/")[2], tip.commit)
            if tip.archived
            else plan_of_branch(repo, tip.branch, tip.commit)
        )
    except GitexpError as error:
        return _without_plan(repo, tip, 0, error.brief)
    if plan is ABSENT:
        mine = sum(1 for line in lines("").values() if line.branch == tip.branch)
        return _without_plan(repo, tip, mine, "")
    runs = lines(plan.metric)
    unread = tuple((run.id, run.bad) for run in runs.values() if run.bad)
    return replace(line_of_plan(repo, plan, tip.commit, runs), unread=unread)


def line_of_plan(
    repo: Repo, plan: Plan, commit: CommitHash, lines: Mapping[TreeId, RunLine]
) -> ExperimentLine:
    """Return the line of a plan, by the runs and the conclusion in a commit's tree."""
    under = [
        (tree, line)
        for tree, line in lines.items()
        if plan.covers(line.plan_name, line.plan_digest)
    ]
    seeds, primary = _candidate(repo, plan, under)
    concluded, verdict, bad = _conclusion(repo, commit, plan.name)
    return ExperimentLine(
        name=plan.name,
        hypothesis=plan.hypothesis,
        metric=plan.metric,
        planned=plan.repeats,
        runs=len(under),
        finished=len(seeds),
        primary=primary,
        concluded=concluded,
        verdict=verdict,
        author=plan.author.name,
        created_at=plan.created_at,
        baseline=plan.baseline.name,
        formerly=plan.formerly,
        bad=bad,
    )


def is_candidate(plan: Plan, line: RunLine) -> bool:
    """Return whether a run of a plan is one of its candidate, with a repeat that finished."""
    return line.commit != plan.baseline.commit and bool(line.seeds)


def newest_of(plan: Plan, under: Iterable[RunLine]) -> RunLine | None:
    """Return the newest run of the candidate among the runs under a plan."""
    mine = [line for line in under if is_candidate(plan, line)]
    return max(mine, key=lambda line: (line.started_at, line.id), default=None)


def _candidate(
    repo: Repo, plan: Plan, under: Sequence[tuple[TreeId, RunLine]]
) -> tuple[set[int], MetricSummary | None]:
    """Return seeds and primary metric of the candidate: the inputs of its newest run."""
    newest = newest_of(plan, (line for _, line in under))
    if newest is None:
        return set(), None
    mine = sorted(
        (item for item in under if is_candidate(plan, item[1]) and item[1].inputs == newest.inputs),
        key=lambda item: item[1].id,
    )
    seeds = {seed for _, line in mine for seed in line.seeds}
    parts = [part for _, line in mine for part in line.metrics if part.metric == plan.metric]
    if not parts:
        return seeds, None
    if len(seeds) == sum(len(line.seeds) for _, line in mine):
        return seeds, pooled(parts)
    values: dict[int, float] = {}  # a seed that was run twice counts once
    for tree, line in mine:
        _, samples = read_run(repo, tree, RunId(line.id))
        for seed in line.seeds:
            one = summarise(s for s in samples if s.seed == seed and s.metric == plan.metric)
            for part in one:
                if part.metric == plan.metric:
                    values.setdefault(seed, part.mean)
    return seeds, describe(plan.metric, list(values.values()))


def _conclusion(repo: Repo, commit: CommitHash, name: str) -> tuple[bool, str, str]:
    """Return whether there is a conclusion, its verdict, and why it cannot be read."""
    if tree_id(repo, commit, CONCLUSIONS) is ABSENT:
        return False, "", ""
    try:
        path = conclusion_path(name)
        data = read_blob(repo, commit, path, verdict_format.LIMIT_BYTES)
        if data is ABSENT:
            return False, "", ""
        found = verdict_format.load(data, f"{commit[:9]}:{path}")
    except GitexpError as error:
        return True, "", error.brief
    return True, "" if found is None else str(found.value), ""


def _without_plan(repo: Repo, tip: Tip, runs: int, bad: str) -> ExperimentLine:
    info = commit_info(repo, tip.commit)
    return ExperimentLine(
        name="",
        hypothesis="",
        metric="",
        planned=0,
        runs=runs,
        finished=0,
        primary=None,
        concluded=False,
        verdict="",
        author=info.author.name,
        created_at=info.time,
        bad=bad,
    )


def encode(line: ExperimentLine) -> bytes:
    """Return a row of the index."""
    primary = line.primary
    row = [
        line.name,
        line.hypothesis,
        line.metric,
        line.planned,
        line.runs,
        line.finished,
        None if primary is None else [primary.metric, primary.n, primary.mean, primary.sd],
        line.concluded,
        line.verdict,
        line.author,
        None if line.created_at is None else line.created_at.isoformat(),
        line.baseline,
        line.formerly,
    ]
    return _COMPACT(row).encode("ascii")


def decoded(rows: Mapping[str, bytes]) -> dict[str, ExperimentLine]:
    """Read rows of the index; none of them where one is broken."""
    try:
        values: list[_Row] = json.loads(b"[" + b",".join(rows.values()) + b"]")
        return {key: _decode(row) for key, row in zip(rows, values, strict=True)}
    except (ValueError, TypeError):
        return {}


_Row = tuple[
    str, str, str, int, int, int, tuple[str, int, float, float | None] | None, bool, str, str,
    str | None, str, list[str],
]  # fmt: skip


def _decode(row: _Row) -> ExperimentLine:
    name, hypothesis, metric, planned, runs, finished, primary = row[:7]
    concluded, verdict, author, at, baseline, formerly = row[7:]
    return ExperimentLine(
        name,
        hypothesis,
        metric,
        planned,
        runs,
        finished,
        None if primary is None else MetricSummary(*primary),
        concluded,
        verdict,
        author,
        None if at is None else datetime.fromisoformat(at),
        baseline,
        tuple(formerly),
    )
