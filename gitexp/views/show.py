"""Show one experiment or one run, with everything that is recorded of it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.comparison import exclusions, failures, sides
from gitexp.comparison.gather import RunPool
from gitexp.comparison.sides import Named
from gitexp.comparison.tally import settle, sources
from gitexp.errors import GitexpError, UnknownExperimentError, UnknownRevisionError, UnknownRunError
from gitexp.execution.state import of_settled
from gitexp.git import refs, repository
from gitexp.git.transaction.cache import open_index
from gitexp.git.transaction.layout import plan_path
from gitexp.model.ids import ABSENT
from gitexp.model.listing import UnreadableRecord
from gitexp.model.metrics import summarise
from gitexp.model.views import ShownExperiment, ShownRun
from gitexp.store import lookup, plans
from gitexp.store.ancestry import Graph
from gitexp.store.conclusions import conclusion_named, ended_on, is_changed, rewritten, written_by
from gitexp.store.list_lines import shown
from gitexp.store.plan_files import whole_plan
from gitexp.store.plans import own_tips, tips
from gitexp.views.diff import state_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.comparison.tally import Settled
    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.comparison import Conclusion
    from gitexp.model.ids import CommitHash
    from gitexp.model.listing import RunSummary
    from gitexp.model.plan import Plan
    from gitexp.model.workspace import Workspace
    from gitexp.store.list_lines import RunLine
    from gitexp.store.lookup import FoundRun

_RUN_PREFIX = re.compile(r"[a-z2-7]{4,16}")


def show(workspace: Workspace, what: str | None = None) -> ShownExperiment | ShownRun:
    """Return an experiment, or a run.

    Parameters
    ----------
    what : str, optional
        A branch, an experiment's name, an archive tag, the beginning of a run's id (four
        characters or more), or any revision - the first that fits. By default the current branch.

    Raises
    ------
    UnbornBranchError
        If there is no commit yet.
    UnknownExperimentError, UnknownRunError
        If it names nothing, or several runs begin so.
    BadFormatError, NewerFormatError, DamagedDataError, UnsafeInputError
        If the run asked for cannot be read.
    """
    repo = repository.open_repository(workspace)
    with open_index(workspace) as index:
        if what is None:
            head = refs.head(repo)
            if head.commit is ABSENT:
                raise refs.unborn(repo, head)
            here = Named(head.branch or "HEAD", head.commit, head.branch or "")
            if ended_on(repo, here.branch, here.commit):
                here = sides.planned(repo, index, here)
            return _experiment(repo, index, here)
        run = _run_named(repo, index, what) if _RUN_PREFIX.fullmatch(what) else None
        if run is not None:
            return _run(repo, run)
        try:
            named = sides.find(repo, index, what)
        except (UnknownExperimentError, UnknownRevisionError) as error:
            close = (*plans.near_experiments(repo, what), *lookup.near_runs(repo, index, what))
            raise UnknownExperimentError(
                "nothing has this name",
                found=ascii(what[:80])[1:-1],
                expected=" or ".join(close) or "an experiment, a branch, a run's id or a revision",
                next_step=error.next_step,
            ) from error
        return _experiment(repo, index, named)


def _run_named(repo: Repo, index: Index, name: str) -> FoundRun | None:
    """Return the run whose id begins so, where no branch is called so: a stranger's come last."""
    wanted = {name, f"{plans.branch_prefix(repo)}{name}"}
    for every in (own_tips(repo), tips(repo)):
        if any(tip.branch in wanted for tip in every):
            break
        try:
            return lookup.find_run(repo, name, index, every)
        except UnknownRunError as error:
            if error.expected:  # several runs
                raise
    return None


def _experiment(repo: Repo, index: Index, named: Named) -> ShownExperiment:
    name, branch, commit = named.name, named.branch, named.holder
    notes: list[str] = []
    plan: Plan | None = None
    added: CommitHash | None = None
    conclusion: Conclusion | None = None
    changed = False
    try:
        found = plans.plan_of_branch(repo, branch, commit) if branch else ABSENT
        if found is ABSENT:
            # An archive, or a branch that was renamed: the plan of this name is meant.
            found = plans.plan_named(repo, name.rpartition("/")[2], commit)
            found = found or plans.renamed(repo, branch, commit)
        if found is not ABSENT:
            plan = whole_plan(repo, found, commit)
            added = plans.plan_commit(repo, plan, commit)
            written = conclusion_named(repo, plan.name, commit)
            conclusion = None if written is ABSENT else written
            if conclusion is not None and not conclusion.stands(plan):
                notes.append(f"concluded {conclusion.told(plan)}")
            elif conclusion is not None and not (named.where or named.lost or named.removed):
                changed = is_changed(repo, index, commit, conclusion.comparison.candidate.inputs)
                notes += [f"concluded {conclusion.told(plan, changed=True)}"] if changed else []
            if conclusion is not None:
                notes += filter(None, [rewritten(repo, plan.name, conclusion.author, commit)])
            by = written_by(repo, plan_path(plan.name), plan.author, commit)
            notes += [f"the plan names {plan.author.name}, and {by} committed it"] if by else []
    except GitexpError as error:
        notes.append(error.located)
    state = state_of(repo, index, named, fallback=added)
    graph = Graph(repo, index, [commit])
    reached = lookup.lines_by_addition(repo, graph, index)
    # A branch that others were merged into has their runs as well.
    lines = [
        line
        for _, line in reached
        if not line.bad
        and (not named.where or plan is None or plan.covers(line.plan_name, line.plan_digest))
    ]
    settled = _settled(repo, index, named, plan, added)
    counts = {} if settled is None else settled.by_run
    failed = () if settled is None else failures.standing(repo, settled)
    step = ""
    if plan is not None and settled is not None and failed:
        step = of_settled(repo, settled, plan, plan.branch)
    return ShownExperiment(
        branch=branch or name,
        commit=commit,
        plan=plan,
        plan_commit=added,
        inputs=state.inputs,
        runs=tuple(_shown(line, plan, line.branch or branch or name, counts) for line in lines),
        conclusion=conclusion,
        unreadable=tuple(
            UnreadableRecord(item.run, item.commit[:9], line.bad)
            for item, line in reached
            if line.bad
        ),
        shallow=graph.is_shallow(repo),
        notes=(*notes, *state.notes),
        source_lost=named.lost,
        failed=tuple(item.text for item in failed),
        next_step="" if step == exclusions.COMPARE else step,
        changed=changed,
    )


def _settled(
    repo: Repo, index: Index, named: Named, plan: Plan | None, added: CommitHash | None
) -> Settled | None:
    if plan is None:
        return None
    try:
        baseline, candidate, _ = sources(repo, index, plan, named, added)
        return settle(RunPool(repo, index), baseline, candidate, plan)
    except GitexpError:  # said by the state's notes, or by `compare`
        return None


def _shown(
    line: RunLine, plan: Plan | None, branch: str, counts: Mapping[str, tuple[int, ...]]
) -> RunSummary:
    found = replace(shown(line, branch), counts=counts.get(line.id, ()))
    covered = plan is None or plan.covers(line.plan_name, line.plan_digest)
    if covered and line.id not in counts:
        return found
    return replace(found, exploratory=line.id not in counts)  # a baseline's is of any plan, or none


def _run(repo: Repo, found: FoundRun) -> ShownRun:
    notes: list[str] = []
    digests = [item.environment for item in found.run.repeats if item.environment is not None]
    environment = None
    if digests:
        try:
            environment = lookup.environment(repo, found.commit, digests[0])
        except GitexpError as error:
            notes.append(f"environment {digests[0][:9]}: {error.summary}")
    if len(set(digests)) > 1:
        notes.append(f"its repeats ran in {len(set(digests))} environments; the first is shown")
    if found.deleted:
        notes.append("a later commit took this record out of the tree")
    if found.altered:
        notes.append("this record was edited after it had been added")
    return ShownRun(
        run=found.run,
        samples=found.samples,
        metrics=summarise(found.run.own(found.samples)),
        commit=found.commit,
        refs=found.refs,
        environment=environment,
        deleted=found.deleted,
        altered=found.altered,
        notes=tuple(notes),
    )
