"""List experiments and runs: from Git objects, through the deletable index, without a checkout."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError, UsageError
from gitexp.git import objects, refs, repository
from gitexp.git.transaction.cache import open_index
from gitexp.git.transaction.layout import (
    ARCHIVE_TAGS,
    CONCLUSIONS,
    PLANS,
    plan_path,
    tombstone_path,
)
from gitexp.model.ids import ABSENT, RunId
from gitexp.model.listing import (
    ExperimentList,
    ExperimentSummary,
    RunGroup,
    RunList,
    RunSummary,
    UnreadableRecord,
)
from gitexp.model.metrics import pooled, summarise
from gitexp.model.plan import Verdict
from gitexp.report.answers.listing import differing_params
from gitexp.store import calls
from gitexp.store.ancestry import listings, shallow_commits
from gitexp.store.conclusions import ended_on, has_records, true_places
from gitexp.store.experiments import passed_over
from gitexp.store.list_lines import shown
from gitexp.store.merged_experiments import merged_lines
from gitexp.store.plans import branch_prefix, plan_named, tips
from gitexp.store.records import newest_lines, read_run, run_lines
from gitexp.views.counted_experiments import CountedExperiments, nearest_tips
from gitexp.views.query import ListQuery, run_value, select_experiments, select_runs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.ids import CommitHash, ParamValue, TreeId
    from gitexp.model.metrics import MetricSummary
    from gitexp.model.workspace import Workspace
    from gitexp.store.list_lines import ExperimentLine, RunLine
    from gitexp.store.merged_experiments import MergedLine
    from gitexp.store.plans import Tip

_EVERYTHING = ListQuery()


def list_experiments(workspace: Workspace, query: ListQuery = _EVERYTHING) -> ExperimentList:
    """List the experiments of all branches, remote-tracking branches and archive tags.

    A branch of this repository hides those of the same name elsewhere, and so does what was
    archived or merged here. A branch that has the experiments' prefix and no plan is listed as
    ``no plan``; any other branch only if a plan lives on it. What has neither branch nor tag is
    listed as ``merged`` where HEAD, or a branch that is not an experiment's, has its records.

    Returns
    -------
    ExperimentList
        With what could not be read beside it.

    Raises
    ------
    UsageError
        If the query sorts by a column that does not exist.
    """
    repo = repository.open_repository(workspace)
    prefix = branch_prefix(repo)
    running = calls.busy_branches(workspace)
    with open_index(workspace) as index:
        there, over = _read_tips(repo, index)
        chosen = _chosen(repo, there, query)
        counted = CountedExperiments(repo, index, there, chosen)
        lines = counted.lines
        held = _leave_out_ended(repo, lines, running) if chosen is None else set()
        merged = _all_merged(repo, index, there, prefix, counted) if chosen is None else ()
        for tip in _merged_here(repo, index, lines, merged):
            del lines[tip]
    every = [(line.name or tip.branch, tip.name, line) for tip, line in lines.items()]
    every += [(item.line.name, item.where, item.line) for item in merged]
    bad = [*over, *(UnreadableRecord(name, at, line.bad) for name, at, line in every if line.bad)]
    runs = {run: (tip.name, why) for tip, line in lines.items() for run, why in line.unread}
    bad += [UnreadableRecord(run, where, why) for run, (where, why) in runs.items()]
    summaries = [
        replace(
            _summary(
                line,
                line.name or tip.branch.removeprefix(prefix),
                tip.name,
                tip.commit,
                "running" if tip.local and tip.branch in running else _state(repo, tip, line),
            ),
            merged=tip.name in held,
            remote="" if tip.own or tip.archived else tip.name.removesuffix(f"/{tip.branch}"),
        )
        for tip, line in lines.items()
        if line.name or tip.archived or tip.branch.startswith(prefix)
    ]
    summaries += [
        replace(
            _summary(item.line, item.line.name, item.where, item.commit, "merged"),
            source_lost=item.lost,
        )
        for item in merged
        if not item.line.bad
    ]
    return ExperimentList(
        select_experiments(summaries, query),
        tuple(dict.fromkeys(bad)),  # main and what is merged into it may name the same
        bool(shallow_commits(repo)),
    )


def _read_tips(repo: Repo, index: Index) -> tuple[tuple[Tip, ...], list[UnreadableRecord]]:
    """Return the tips that are read, and what is said of those that hold too much."""
    every = tips(repo)
    over = passed_over(repo, index, every)
    bad = [UnreadableRecord(tip.branch, tip.name, why) for tip, why in over.items()]
    return tuple(tip for tip in every if tip not in over), bad


def _leave_out_ended(
    repo: Repo, lines: dict[Tip, ExperimentLine], running: Collection[str] = ()
) -> set[str]:
    """Leave branches out that main goes on from: it has their conclusion.

    Return those that stay of which main has all records: to others they are merged.
    """
    main = refs.read_ref(repo, refs.local(repo.main)) if repo.main else ABSENT
    tree = None if main is ABSENT else repo.tree(main)
    said, planned = ({} if tree is None else tree.folder(path) for path in (CONCLUSIONS, PLANS))
    held: set[str] = set()
    for tip, line in tuple(lines.items()):
        file = f"{line.name}.yaml"
        if main is ABSENT or not tip.local or tip.branch in running or file not in planned:
            continue
        if file in said and ended_on(repo, tip.branch, tip.commit):
            del lines[tip]
        elif line.runs and has_records(repo, main, tip.commit, line.name):
            held.add(tip.name)
    return held


def _all_merged(
    repo: Repo, index: Index, there: tuple[Tip, ...], prefix: str, counted: CountedExperiments
) -> tuple[MergedLine, ...]:
    lines = counted.lines
    names: dict[str, bool] = {}
    for tip, line in lines.items():
        name = line.name or tip.branch.removeprefix(prefix)
        names[name] = names.get(name, False) or tip.own
    # The same plan under the name that it had when it was merged, not another one of it.
    before = {
        (name, line.created_at, own)
        for tip, line in lines.items()
        for name in line.formerly
        for own in ({True, False} if tip.own else {False})
    }
    found = merged_lines(repo, index, there, names, prefix)
    return counted.merged(
        item for item in found if (item.line.name, item.line.created_at, item.own) not in before
    )


def _merged_here(
    repo: Repo, index: Index, lines: Mapping[Tip, ExperimentLine], merged: Iterable[MergedLine]
) -> tuple[Tip, ...]:
    """Return what others still have of experiments of which an own place has it all.

    Their archive tag is among it whatever it leads to: what it says of the experiment is not asked.
    """
    where = {item.line.name: item for item in merged if item.own}
    tags = {f"{ARCHIVE_TAGS}{name}" for name in where}
    where = {name: item for item in where.values() for name in item.line.formerly} | where
    theirs = {
        tip: where[line.name] for tip, line in lines.items() if line.name in where and not tip.own
    }
    commits = {item.commit for item in theirs.values()}
    inside = {commit: refs.merged(repo, commit) for commit in commits}
    held = listings(repo, index, [*commits, *(tip.commit for tip in theirs)])
    gone = {
        tip
        for tip, item in theirs.items()
        if tip.ref in inside[item.commit]
        or (
            held[tip.commit].items() <= held[item.commit].items()
            and _is_copied(repo, tip, lines[tip], item)
        )
    }
    return tuple(tip for tip in lines if tip in gone or (tip.ref in tags and not tip.own))


def _is_copied(repo: Repo, tip: Tip, line: ExperimentLine, item: MergedLine) -> bool:
    """Return whether a squash or a rebase took a branch's plan and conclusion to where they are.

    A plan that was amended there since is the same; a branch that went on from there is another's.
    """
    if (line.concluded, line.verdict) not in {("", ""), (item.line.concluded, item.line.verdict)}:
        return False
    try:
        theirs = plan_named(repo, line.name, tip.commit)
        ours = plan_named(repo, item.line.name, item.commit)
        base = objects.merge_base(repo, tip.commit, item.commit)
    except GitexpError:
        return False
    if theirs is ABSENT or ours is ABSENT:
        return False
    if base is not ABSENT and objects.blob_id(repo, base, plan_path(line.name)) is not ABSENT:
        return False
    had, has = ([*(each.digest for each in p.amended), p.digest] for p in (theirs, ours))
    author = theirs.author, theirs.created_at
    return author == (ours.author, ours.created_at) and has[: len(had)] == had


def list_runs(workspace: Workspace, query: ListQuery = _EVERYTHING) -> RunList:
    """List the runs that the tips of all branches and archive tags hold, each once.

    Returns
    -------
    RunList
        With the records that could not be read beside it.

    Raises
    ------
    UsageError
        If no run has what the query sorts by.
    """
    repo = repository.open_repository(workspace)
    with open_index(workspace) as index:
        there, over = _read_tips(repo, index)
        every = tuple(sorted(there, key=lambda tip: not tip.own))
        held = listings(repo, index, dict.fromkeys(tip.commit for tip in every))
        trees: dict[TreeId, RunId] = {}
        holders: dict[TreeId, list[str]] = {}
        by_run: dict[RunId, TreeId] = {}
        for tip in every:
            for run, tree in held[tip.commit].items():
                first = by_run.setdefault(run, tree)  # an edited copy elsewhere is not another run
                trees[first] = run
                holders.setdefault(first, []).append(tip.name)
        if query.limit is not None and replace(query, limit=None) == _EVERYTHING:
            lines = newest_lines(repo, index, trees, query.limit)
        else:
            lines = run_lines(repo, index, trees)
        counted = CountedExperiments(repo, index, every, None, lines)
        _leave_out_ended(repo, counted.lines)
        merged = _all_merged(repo, index, every, branch_prefix(repo), counted)
        good = {line.id: line for line in lines.values() if not line.bad}
        own = frozenset(run for tip in every if tip.own for run in held[tip.commit])
        counts = counted.by_run(tuple(good.values()), held, own)
    plans: defaultdict[bool, set[tuple[str, str]]] = defaultdict(set)
    told: list[tuple[Tip | MergedLine, ExperimentLine]] = [*counted.lines.items()]
    told += [(item, item.line) for item in merged]
    for who, line in told:
        marks = {(name, line.digest) for name in (line.name, *line.formerly) if line.name}
        plans[False] |= marks  # by whether it is for an own run
        plans[True] |= marks if who.own else set()
    bad = (
        *over,
        *(
            UnreadableRecord(line.id, holders[tree][0], line.bad)
            for tree, line in lines.items()
            if line.bad
        ),
    )
    summaries = [
        replace(
            shown(line, line.branch if line.branch in holders[tree] else holders[tree][0]),
            counts=counts.get(line.id, ()),
            counted=_counted(repo, tree, line, counts.get(line.id, ())),
            exploratory=line.reported
            or (
                line.id not in counts
                and (line.plan_name, line.plan_digest) not in plans[line.id in own]
            ),
            fetched=line.id not in own,
        )
        for tree, line in lines.items()
        if not line.bad
    ]
    return RunList(select_runs(summaries, query), bad, bool(shallow_commits(repo)))


def group_runs(runs: Iterable[RunSummary], by: Sequence[str]) -> tuple[RunGroup, ...]:
    """Put runs together that share a value, with n, mean and standard deviation over repeats.

    Over those that count for an experiment, as `tally` has it; a group without any is described
    whole, each repeat once: a run whose seeds were all or partly run before for the same inputs
    adds nothing. What was fetched is grouped apart, after one's own.

    Parameters
    ----------
    runs : iterable of RunSummary
    by : sequence of str
        ``params`` for all parameters that differ between these runs, or columns and parameters.

    Returns
    -------
    tuple of RunGroup
        In the order of their first run.

    Raises
    ------
    UsageError
        If no run has one of the columns or parameters.
    """
    all_runs = sorted(runs, key=lambda run: run.fetched)
    names = _names([run for run in all_runs if not run.fetched] or all_runs, by)
    groups: defaultdict[tuple[object, ...], list[RunSummary]] = defaultdict(list)
    for run in all_runs:
        groups[run.fetched, *(run_value(run, name) for name in names)].append(run)
    return tuple(
        _group(tuple((name, run_value(members[0], name)) for name in names), members)
        for members in groups.values()
    )


def _chosen(repo: Repo, there: tuple[Tip, ...], query: ListQuery) -> tuple[Tip, ...] | None:
    """Keep what a question about archives, or about stale branches, is about; None: all."""
    if query.archived:  # what has a branch here is where that branch is: it stayed, or is back
        held = true_places(repo, there)
        here = {tip.branch for tip in there if tip.local and not tip.archived}
        return tuple(
            tip
            for tip in there
            if tip.archived
            and tip.branch not in here
            and (tip.own or all(objects.is_ancestor(repo, tip.commit, at) for at in held(tip)))
        )
    if query.stale_before is None:
        return None
    seen = refs.touched(repo)
    every = nearest_tips(there)
    return tuple(tip for tip in every if tip.ref in seen and seen[tip.ref] < query.stale_before)


def _summary(
    line: ExperimentLine, name: str, branch: str, commit: CommitHash, state: str
) -> ExperimentSummary:
    return ExperimentSummary(
        name=name,
        branch=branch,
        commit=commit,
        state=state,
        verdict=Verdict(line.verdict) if line.verdict else None,
        qualifier=line.qualifier,
        hypothesis=line.hypothesis,
        metric=line.metric,
        runs=line.runs,
        finished=line.finished,
        partners=line.partners,
        planned=line.planned,
        primary=line.primary,
        author=line.author,
        rewritten=line.rewritten,
        collapsed=line.collapsed,
        created_at=line.created_at,
        baseline=line.baseline,
    )


def _state(repo: Repo, tip: Tip, line: ExperimentLine) -> str:
    name = line.name  # of one that cannot be looked at there is none
    if tip.archived:
        stone = objects.blob_id(repo, tip.commit, tombstone_path(name)) if name else ABSENT
        return "archived" if stone is ABSENT else "removed"
    if not name:
        return "no plan"
    return line.concluded or ("run" if line.inputs[1] else "planned")


def _counted(
    repo: Repo, tree: TreeId, line: RunLine, seeds: Sequence[int]
) -> tuple[MetricSummary, ...]:
    """Return the metrics of a run of which some repeats count; a line has those of all."""
    if not seeds or len(seeds) == len(line.seeds):
        return ()
    try:
        _, samples = read_run(repo, tree, RunId(line.id))
    except GitexpError:  # pragma: no cover  its line was read from just these files
        return ()
    return summarise([sample for sample in samples if sample.seed in seeds])


def _names(runs: Sequence[RunSummary], by: Sequence[str]) -> tuple[str, ...]:
    names: list[str] = []
    for name in by:
        if name == "params":
            every = sorted({key for run in runs for key, _ in run.params})
            names += differing_params(runs) or every
        elif runs and all(run_value(run, name) is None for run in runs):
            raise UsageError(
                f"no run has a column or parameter {name[:60]}",
                expected="params, a parameter, branch, experiment, state, author or inputs",
            )
        else:
            names.append(name)
    return tuple(dict.fromkeys(names))


def _group(key: tuple[tuple[str, ParamValue], ...], members: Sequence[RunSummary]) -> RunGroup:
    seen: set[tuple[str, int]] = set()
    parts: defaultdict[str, list[MetricSummary]] = defaultdict(list)
    repeats = 0
    counts = any(run.counts for run in members)
    for run in sorted(members, key=lambda run: (run.started_at, run.id)):
        seeds = run.counts if counts else run.seeds
        keys = {(run.inputs, seed) for seed in seeds}
        if keys & seen:
            continue
        seen |= keys
        repeats += len(keys)
        for metric in run.metrics if set(seeds) == set(run.seeds) else run.counted:
            parts[metric.metric].append(metric)
    return RunGroup(
        key=key,
        runs=len(members),
        repeats=repeats,
        metrics=tuple(pooled(parts[name]) for name in sorted(parts)),
        counts=counts,
        fetched=members[0].fetched,
    )
