"""Say where the current branch stands and what to type next; reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError, NotInitialisedError
from gitexp.git import objects, refs, repository
from gitexp.git import status as git_status
from gitexp.git.absent import ABSENT
from gitexp.model.listed import UnreadableRecord
from gitexp.model.run import RepeatState
from gitexp.model.views import StatusView
from gitexp.ops import sides
from gitexp.ops.counting import Found, count
from gitexp.ops.eligible import is_under, of_candidate
from gitexp.ops.live import live_runs
from gitexp.store import inputs as inputs_rules
from gitexp.store import lookup, plans
from gitexp.store.ancestry import Graph
from gitexp.store.conclusions import conclusion_named
from gitexp.store.index import open_index
from gitexp.store.pointed import unreadable as unreadable_pointers
from gitexp.store.state import State
from gitexp.store.tips import tips

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.git.refs import Head
    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash, InputsDigest
    from gitexp.model.plan import Plan
    from gitexp.model.workspace import Workspace
    from gitexp.ops.live import LiveRuns
    from gitexp.store.index import Index
    from gitexp.store.lookup import FoundRun


_BARE = "git clone it: work is done in a clone; gitexp list shows what is in here"


@dataclass(slots=True)
class _Facts:
    """What is known of the branch's tip; filled step by step, as far as it can be read."""

    initialised: bool = True
    settings_step: str = ""  # where another branch has the settings
    plan: Plan | None = None
    inputs: InputsDigest | None = None
    counted: tuple[int, ...] = ()
    baseline_counted: tuple[int, ...] = ()
    exploratory: int = 0
    unchanged: bool = False  # the candidate has the inputs of its baseline
    verdict: str | None = None
    shallow: bool = False


def status(workspace: Workspace) -> StatusView:
    """Return the state of the current branch's experiment.

    A record that cannot be read is named in the answer and stops nothing.

    Parameters
    ----------
    workspace : Workspace
        A bare repository has no uncommitted changes and no running runs.
    """
    repo = repository.open_repository(workspace)
    head = refs.head(repo)
    live = live_runs(workspace)
    dirty = git_status.dirty_tracked(workspace) if workspace.top is not None else ()
    facts, notes = _Facts(), list[str]()
    unreadable = list(live.unreadable)
    if head.commit is not ABSENT:
        with open_index(workspace) as index:
            _look(repo, index, head.branch or "", head.commit, facts, notes, unreadable)
    return StatusView(
        branch=head.branch,
        commit=None if head.commit is ABSENT else head.commit,
        initialised=facts.initialised and head.commit is not ABSENT,
        plan=facts.plan,
        inputs=facts.inputs,
        planned=0 if facts.plan is None else facts.plan.repeats,
        counted=facts.counted,
        baseline_counted=facts.baseline_counted,
        exploratory=facts.exploratory,
        verdict=facts.verdict,
        dirty=dirty,
        running=live.running,
        unpublished=live.unpublished,
        unreadable=tuple(unreadable),
        shallow=facts.shallow,
        notes=tuple(notes),
        next_step=_next_step(head, facts, live, dirty) if workspace.top is not None else _BARE,
    )


def _look(  # noqa: PLR0913, PLR0917  one pass over a tip that fills three lists of one answer
    repo: Repo,
    index: Index,
    branch: str,
    commit: CommitHash,
    facts: _Facts,
    notes: list[str],
    unreadable: list[UnreadableRecord],
) -> None:
    """Read plan, inputs, records and conclusion of the tip."""
    added: CommitHash | None = None
    try:
        plan = plans.plan_of_branch(repo, branch, commit)
        if plan is not ABSENT:
            facts.plan = plan
            added = plans.plan_commit(repo, plan, commit)
            facts.verdict = _verdict(repo, commit, plan.name)
    except GitexpError as error:
        notes.append(_words(error))
    try:
        config, _ = plans.config_of(repo, commit, added)
        tree = objects.commit_info(repo, commit).tree
        notes += unreadable_pointers(State(repo, tree, config), index)
        facts.inputs = inputs_rules.compute(repo, tree, config, index=index)
    except NotInitialisedError as error:
        facts.initialised = False
        if error.found:
            facts.settings_step = error.next_step
            notes.append(f"{branch or 'HEAD'} has no settings: {error.found}")
        return
    except GitexpError as error:
        notes.append(_words(error))
        return
    _count(repo, index, commit, added, facts, notes, unreadable)


def _count(  # noqa: PLR0913, PLR0917  as `_look`, of which it is the second half
    repo: Repo,
    index: Index,
    commit: CommitHash,
    added: CommitHash | None,
    facts: _Facts,
    notes: list[str],
    unreadable: list[UnreadableRecord],
) -> None:
    """Count as `compare` will: by the same rule, over the same records."""
    if facts.inputs is None:
        return
    baseline = _baseline_inputs(repo, index, facts.plan, commit, added, notes)
    wanted = [facts.inputs, *([baseline] if baseline is not None else [])]
    # Runs of other inputs under the plan are looks, which `compare` counts; here they say nothing.
    anywhere = lookup.runs_by_inputs(repo, *wanted, index=index)
    facts.shallow = anywhere.shallow
    unreadable += (
        UnreadableRecord(item.id, item.commit[:9], item.why) for item in anywhere.unreadable
    )
    here = [
        (item, repeat.seed)
        for item in anywhere
        if item.run.inputs == facts.inputs
        for repeat in item.run.repeats
        if repeat.state is RepeatState.FINISHED
    ]
    if facts.plan is None:
        facts.exploratory = sum(
            1
            for item in anywhere
            if item.run.plan is None
            for repeat in item.run.repeats
            if repeat.state is RepeatState.FINISHED
        )
        return
    base = facts.plan.baseline.commit
    graph = Graph(repo, index, [*(tip.commit for tip in tips(repo)), commit])
    mine = {item.run for item in graph.additions([commit])}
    theirs = {item.run for item in graph.additions([base])} if base in graph.nodes else set()
    found = Found(
        candidate=tuple(item for item in anywhere if item.run.id in mine),
        baseline=tuple(item for item in anywhere if item.run.id in theirs - mine),
        elsewhere=tuple(item for item in anywhere if item.run.id not in mine | theirs),
    )

    def earlier(one: FoundRun, other: FoundRun) -> bool:
        return graph.is_before(one.commit, other.commit)

    if baseline is None:  # its commit is not here, and no run of it: only one side can be counted
        mine_only = of_candidate(found.candidate, anywhere, facts.plan, facts.inputs, earlier, [])
        facts.counted = tuple(sorted({repeat.seed for _, repeat in mine_only.repeats()}))
        _rest(here, facts.plan, facts, notes)
        return
    facts.unchanged = baseline == facts.inputs
    counted = count(found, facts.plan, baseline, facts.inputs, earlier)
    facts.counted = tuple(sorted(counted.candidate.repeats))
    facts.baseline_counted = tuple(sorted(counted.baseline.repeats))
    _rest(here, facts.plan, facts, notes)
    notes += counted.warnings
    if counted.confounded:
        notes.append(f"confounded: {counted.confounded}")


def _rest(
    here: Sequence[tuple[FoundRun, int]], plan: Plan, facts: _Facts, notes: list[str]
) -> None:
    """Tell repeats that are outside the plan from those that repeat one that counts."""
    counted = set(facts.counted)
    same = [seed for item, seed in here if seed in counted and is_under(item, plan)]
    again = len(same) - len(counted & set(same))
    facts.exploratory = max(0, len(here) - len(counted) - again)
    if again:
        repeats = "1 repeat was" if again == 1 else f"{again} repeats were"
        notes.append(f"{repeats} run again with the same seed: the same sample, counted once")


def _baseline_inputs(  # noqa: PLR0913, PLR0917  as `_look`
    repo: Repo,
    index: Index,
    plan: Plan | None,
    commit: CommitHash,
    added: CommitHash | None,
    notes: list[str],
) -> InputsDigest | None:
    if plan is None:
        return None
    try:
        named = sides.planned_baseline(repo, plan, commit, index)
        return sides.source(repo, named, added or commit, index).inputs
    except GitexpError as error:
        notes.append(f"baseline {plan.baseline.name}: {_words(error)}")
        return None


def _verdict(repo: Repo, commit: CommitHash, name: str) -> str | None:
    found = conclusion_named(repo, name, commit)
    if found is ABSENT:
        return None
    return "" if found.verdict is None else str(found.verdict.value)


def _next_step(head: Head, facts: _Facts, live: LiveRuns, dirty: tuple[str, ...]) -> str:
    """Return what to type next: the first that fits, the most pressing first."""
    plan = facts.plan
    watched = "".join(f"gitexp logs {run.id[:7]} --follow" for run in live.running[:1])
    situations = (
        (head.commit is ABSENT, "git add . && git commit"),
        (bool(watched), watched),
        (bool(live.unpublished), "gitexp run --resume"),
        (not facts.initialised, facts.settings_step or "gitexp init"),
        (head.branch is None, "git switch BRANCH"),
        (plan is None, "gitexp new NAME"),
        (bool(dirty), 'gitexp run --commit -m "what changed"'),
    )
    for fits, step in situations:
        if fits:
            return step
    return "gitexp new NAME" if plan is None else _next_of_plan(plan, facts)


def _next_of_plan(plan: Plan, facts: _Facts) -> str:
    if facts.verdict is not None:
        return f"gitexp show {plan.name}"
    if facts.unchanged:
        return "change code or parameters, commit, then gitexp run --with-baseline"
    lacking = len(facts.baseline_counted) < plan.repeats
    if len(facts.counted) < plan.repeats:
        return "gitexp run --with-baseline" if lacking else "gitexp run"
    # Not `--at NAME`: the branch of that name may have moved since the plan.
    return "gitexp run --with-baseline" if lacking else "gitexp compare"


def _words(error: GitexpError) -> str:
    return ", ".join(part for part in (error.summary, error.found, error.where) if part)
