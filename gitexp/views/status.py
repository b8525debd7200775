"""Say where the current branch stands and what to type next; reads only."""

from __future__ import annotations

import contextlib
import os
import posixpath
import shlex
from functools import partial
from typing import TYPE_CHECKING

from gitexp.comparison import exclusions, failures, frozen
from gitexp.comparison.counting import REPEATED, UNPAIRED
from gitexp.comparison.eligible import finished_seeds, is_under
from gitexp.comparison.gather import RunPool, edited
from gitexp.comparison.randomness import seeding
from gitexp.comparison.selection import next_try
from gitexp.comparison.sides import Named, plan_back, planned
from gitexp.comparison.tally import settle, sources
from gitexp.dvc import branch_code
from gitexp.dvc import inputs as inputs_rules
from gitexp.dvc.cache import has, open_cache
from gitexp.dvc.declared_data import pointed
from gitexp.dvc.state import ProjectState
from gitexp.errors import GitexpError, NotInitialisedError, PreflightError
from gitexp.execution.preflight.drift import AMEND, drifted, refuse_unmade
from gitexp.execution.state import live_runs, of_settled, resumption
from gitexp.git import objects, refs, repository
from gitexp.git.discovery import project_folder
from gitexp.git.transaction.cache import open_index
from gitexp.git.worktree import status as git_status
from gitexp.model import dataclass, field, replace
from gitexp.model.ids import ABSENT, Absent, Md5
from gitexp.model.listing import UnreadableRecord
from gitexp.model.request import RunRequest
from gitexp.model.views import StatusView
from gitexp.rules.ranges import rewritten, way_out
from gitexp.store import lookup, plans
from gitexp.store.conclusions import conclusion_named, ended_on, is_changed
from gitexp.store.plan_files import whole_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gitexp.comparison.failures import Failure
    from gitexp.comparison.tally import Settled
    from gitexp.execution.state import LiveRuns
    from gitexp.git.refs import Head
    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.ids import CommitHash, InputsDigest, RunId
    from gitexp.model.plan import Plan
    from gitexp.model.views import LiveRun
    from gitexp.model.workspace import Workspace
    from gitexp.store.lookup import Unreadable


_SAME = frozenset((REPEATED, UNPAIRED))
_BARE = "git clone it: work is done in a clone; gitexp list shows what is in here"


@dataclass(slots=True)
class _Facts:
    """What is known of the branch's tip; filled step by step, as far as it can be read."""

    head: Head
    dirty: tuple[str, ...] = ()
    initialised: bool = True
    settings_step: str = ""  # where another branch has the settings
    plan: Plan | None = None
    inputs: InputsDigest | None = None
    counted: tuple[int, ...] = ()
    baseline_counted: tuple[int, ...] = ()
    settled: Settled | None = None  # unknown where something cannot be read
    exploratory: int = 0
    not_counted: tuple[str, ...] = ()
    failed: tuple[Failure, ...] = ()
    idle: bool = False  # further repeats would be copies, and `run` refuses them
    mend: str = ""  # what to do first where `run` refuses
    renaming: str = ""  # what has the plan follow its branch, which Git renamed
    verdict: str | None = None
    qualifier: str = ""
    changed: bool = False  # of other inputs than these
    shallow: bool = False
    helped: Callable[[str], str] = str  # what has to be done before a step where pairs wait
    notes: list[str] = field(default_factory=list)
    unreadable: list[UnreadableRecord] = field(default_factory=list)


def status(workspace: Workspace) -> StatusView:
    """Return the state of the current branch's experiment.

    A record that cannot be read is named in the answer and stops nothing. A bare repository has no
    uncommitted changes and no running runs.
    """
    repo = repository.open_repository(workspace)
    live = live_runs(workspace)
    dirty = git_status.dirty_tracked(workspace, looking=True) if workspace.top is not None else ()
    facts = _facts(repo, dirty, live.unreadable)
    head = facts.head
    killed = (*live.unpublished, *(run for run in live.begun if run.branch == head.branch))
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
        qualifier=facts.qualifier,
        dirty=dirty,
        running=live.running,
        unpublished=killed,
        unreadable=tuple(facts.unreadable),
        shallow=facts.shallow,
        notes=(*filter(None, [live.preparing]), *facts.notes),
        next_step=_BARE if workspace.top is None else _next_step(repo, facts, live),
        not_counted=facts.not_counted,
        failed=tuple(item.text for item in facts.failed),
        changed=facts.changed,
    )


def standing_failures(workspace: Workspace) -> tuple[Failure, ...]:
    """Return what failed on this branch and was not made up for, the candidate's first."""
    repo = repository.open_repository(workspace)
    return _facts(repo).failed


def resumptions(workspace: Workspace, folder: str = "") -> dict[RunId, str]:
    """Return what goes on with each call that died in a work tree, as `status` says it.

    `folder`: the work tree, where the command is typed in another one.
    """
    waiting = live_runs(workspace).unpublished
    if not waiting:
        return {}
    repo = repository.open_repository(workspace)
    dirty = git_status.dirty_tracked(workspace, looking=True)
    return _resumptions(repo, _facts(repo, dirty), waiting, folder)


def _facts(
    repo: Repo, dirty: tuple[str, ...] = (), unreadable: Sequence[UnreadableRecord] = ()
) -> _Facts:
    head = refs.head(repo)
    facts = _Facts(head, dirty, unreadable=list(unreadable))
    if head.commit is not ABSENT:
        if dirty and not git_status.unmerged(repo.workspace):
            facts.dirty = plans.acting(repo, head.commit, dirty)
        with open_index(repo.workspace) as index:
            _look(repo, index, head.branch or "", head.commit, facts)
    return facts


def _look(repo: Repo, index: Index, branch: str, commit: CommitHash, facts: _Facts) -> None:
    added: CommitHash | None = None
    main: CommitHash | None = None
    try:
        plan = _plan(repo, branch, commit, facts)
        if plan is not ABSENT:
            facts.plan = whole_plan(repo, plan, commit)
            wrong = rewritten(repo, plan, commit)
            facts.notes += [] if wrong is None else [wrong.message]
            facts.mend = "" if wrong is None else wrong.next_step
            added = plans.plan_commit(repo, plan, commit)
            main = ended_on(repo, branch, commit)
            changed = None if main else partial(is_changed, repo, index, commit)
            _conclusion(repo, plan, main or commit, facts, changed)
            if main is not None:
                facts.notes.append(f"{repo.main} has all of {branch}, and its conclusion")
    except GitexpError as error:
        facts.notes.append(error.located)
    try:
        config, _ = plans.config_of(repo, commit, added)
        tree = objects.commit_info(repo, commit).tree
        state = ProjectState(repo, tree, config)
        facts.notes += inputs_rules.unreadable_files(state, index)
        facts.notes += _absent(repo, state)
        facts.inputs = inputs_rules.compute(repo, tree, config, index=index)
        facts.notes += drifted(repo, commit, config, facts.plan)
    except NotInitialisedError as error:
        facts.initialised = False
        if error.found:
            facts.settings_step = error.next_step
            facts.notes.append(f"{branch or 'HEAD'} has no settings: {error.found}")
        return
    except GitexpError as error:
        facts.notes.append(error.located)
        facts.mend = error.next_step
        return
    try:
        if facts.plan is not None:
            refuse_unmade(repo, commit, config, {}, facts.plan, other=AMEND)
    except GitexpError as error:
        facts.notes.append(error.located)
        facts.mend = error.next_step.replace("\n", "; ")
    here = Named(branch or "HEAD", commit, branch, facts.plan, facts.inputs)
    if main is not None:
        here = planned(repo, index, here)
    _count(repo, index, here, added, facts)
    _measured_by(state, commit, facts)


def _measured_by(state: ProjectState, commit: CommitHash, facts: _Facts) -> None:
    """Note at which evaluator `run` would stop, but where records by older rules stand."""
    plan, settled = facts.plan, facts.settled
    try:
        known = frozen.look(state.repo, plan, commit)
        if known is not None and plan is not None and settled is not None:
            known = replace(known, recorded=frozen.recorded_in(settled.judged, plan))
        frozen.refuse(known, state, commit, {})
    except GitexpError as error:
        facts.notes.append(error.located)
        facts.mend = error.next_step.replace("\n", "; ")


def _plan(repo: Repo, branch: str, commit: CommitHash, facts: _Facts) -> Plan | Absent:
    """Return the branch's plan, also where Git renamed the branch alone."""
    plan = plans.plan_of_branch(repo, branch, commit)
    if plan is ABSENT and (plan := plans.renamed(repo, branch, commit)) is not ABSENT:
        facts.renaming = plans.renaming(plan, branch)
        facts.notes.append(f"Git renamed {plan.branch} to {branch}, and its plan is to follow")
    return plan


def _absent(repo: Repo, state: ProjectState) -> Iterator[str]:
    """Say which outputs a switch has left out, and DVC brings from the cache."""
    workspace, folder = repo.workspace, state.config.project
    if workspace.top is None:
        return
    try:
        project = project_folder(workspace.top, folder)
        there = pointed(state)
        held = (each for each in there.data.values() if each.cache)
        gone = [each for each in held if not os.path.lexists(project / each.path)]
        cache = open_cache(project) if gone else None
        outs = ((posixpath.join(folder, o.path), Md5(o.md5 or "")) for o in gone)
        refused = branch_code.refused(repo, workspace.top, outs, cache)
    except GitexpError:  # DVC is not set up, or says itself what is wrong
        return
    for each in gone:
        if why := refused.get(posixpath.join(folder, each.path)):
            yield f"{each.path} is left out, and dvc checkout would write it: {why}"
            return
    here = [o.path for o in gone if cache is not None and o.md5 and has(cache, Md5(o.md5))]
    if here and not there.unreadable:  # of a hash that is none DVC would make a path
        more = f" and {len(here) - 1} more" if here[1:] else ""
        lies, it = ("lie", "them") if more else ("lies", "it")
        yield f"{here[0]}{more} {lies} in the cache, not in the work tree: dvc checkout brings {it}"


def _conclusion(
    repo: Repo,
    plan: Plan,
    commit: CommitHash,
    facts: _Facts,
    changed: Callable[[InputsDigest], bool] | None,
) -> None:
    found = conclusion_named(repo, plan.name, commit)
    if found is ABSENT:
        return
    about = found.comparison.candidate.inputs
    facts.changed = found.stands(plan) and changed is not None and changed(about)
    if facts.changed:
        facts.notes.append(f"concluded {found.told(plan, changed=True)}")
    elif found.stands(plan):
        facts.qualifier = found.qualifier
        facts.verdict = "" if found.verdict is None else str(found.verdict.value)
    else:
        facts.notes.append(f"concluded {found.told(plan)}")


def _count(repo: Repo, index: Index, here: Named, added: CommitHash | None, facts: _Facts) -> None:
    """Count as `compare` does: by the same rule, over the same records."""
    plan = here.plan
    if plan is None:
        wanted = filter(None, [here.inputs])
        anywhere = lookup.runs_by_inputs(repo, *wanted, index=index, also=[here.commit])
        facts.exploratory = sum(
            len(finished_seeds(item)) for item in anywhere if item.run.plan is None
        )
        facts.shallow = anywhere.shallow
        facts.unreadable += (_unreadable(item) for item in anywhere.unreadable)
        return
    baseline, candidate, unknown = sources(repo, index, plan, here, added)
    facts.notes += filter(None, [unknown])
    settled = settle(RunPool(repo, index), baseline, candidate, plan)
    gathered = settled.gathered
    facts.shallow = gathered.shallow
    facts.unreadable += map(_unreadable, gathered.unreadable)
    facts.counted, facts.baseline_counted = settled.candidate, settled.baseline
    facts.settled = settled
    mine = {item.run.id for item in gathered.found if item.run.inputs == candidate.inputs}
    aside = [item for item in settled.count.unused if item.run in mine]
    facts.exploratory = sum(len(item.seeds) for item in aside if item.why not in _SAME)
    facts.not_counted = exclusions.uncounted(repo, settled)
    facts.failed = failures.standing(repo, settled)
    if again := sum(len(item.seeds) for item in aside if item.why == REPEATED):
        repeats = "1 repeat was" if again == 1 else f"{again} repeats were"
        facts.notes.append(f"{repeats} run again with the same seed: the same sample, counted once")
    _still(repo, settled, plan, facts)
    there = len(facts.counted) + len(facts.baseline_counted)
    facts.notes += filter(None, [exclusions.overtaken(repo, index, plan, here.holder, there)[0]])
    facts.notes += [*settled.count.warnings, *edited(gathered.found)]
    facts.notes += filter(None, [next_try(settled.count, plan)])
    if settled.count.confounded:
        facts.notes.append(f"confounded: {settled.count.confounded}")
    if not (facts.counted and facts.baseline_counted) or _may_wait(settled, plan):
        _look_as_run(repo, facts, _next_look(settled, plan))


def _may_wait(settled: Settled, plan: Plan) -> bool:
    """Whether a repeat without a partner may bind its seed to the environment that it had."""
    count, found = settled.everything, settled.gathered.found
    if not count.in_pairs or len(count.pairs) >= count.left_of(plan.repeats):
        return False
    own = (r for item in found if is_under(item, plan) for r in item.run.own_repeats)
    return any(each.shown and each.seed not in count.pairs for each in own)


def _next_look(settled: Settled, plan: Plan) -> int:
    """Return at how many pairs there will be something to look at."""
    looks = () if plan.stopping is None else plan.stopping.at(plan.repeats)
    return next((n for n in looks if n > len(settled.count.pairs)), plan.repeats)


def _look_as_run(repo: Repo, facts: _Facts, repeats: int) -> None:
    """Note which pairs wait for another environment, and what a side lacks that never ran.

    `run` itself says what else it refuses.
    """
    from gitexp.execution import answer, place, prepare, situation  # noqa: PLC0415  it is much

    request = RunRequest(dry_run=True, repeats=repeats)
    with contextlib.suppress(GitexpError):
        seen = situation.look(place.find_place(repo.workspace, request), request, os.environ)
        facts.notes += answer.again(seen)
        facts.helped = partial(answer.helped, seen)
        try:
            prepare.foresee(seen)
        except PreflightError as error:
            facts.notes.append(error.located)
            facts.mend = facts.mend or error.next_step


def _still(repo: Repo, settled: Settled, plan: Plan, facts: _Facts) -> None:
    """Note sides that always report the same, and what to do where no verdict can come of them."""
    count, runs = settled.count, settled.gathered.found
    same, held = seeding.copying(repo, settled.sides, count, runs, plan)
    both = len(same) > 1
    if both:
        facts.notes.append("no variation: all repeats of either side report the same numbers")
    for name in () if both else same:
        why = f": {held[name].why}" if name in held else ""
        facts.notes.append(f"all repeats of the {name} report the same numbers{why}")
    sides = (count.baseline, count.candidate)
    if held and not all(side.repeats for side in sides):  # `compare` has nothing to say it of
        facts.mend = seeding.step(held, plan)
    facts.idle = both or bool(held)


def _unreadable(item: Unreadable) -> UnreadableRecord:
    return UnreadableRecord(item.id, item.commit[:9], item.why)


def _next_step(repo: Repo, facts: _Facts, live: LiveRuns) -> str:
    """Return what to type next: the first that fits, the most pressing first."""
    plan, head = facts.plan, facts.head
    if head.commit is ABSENT:
        return refs.beginning(repo)
    watched = "".join(f"gitexp logs {run.id[:7]} --follow" for run in live.running[:1])
    waiting = [run for run in live.unpublished if not run.left]
    waiting += [] if facts.dirty else [run for run in live.begun if _goes_on(run, facts)]
    waiting.sort(key=lambda run: run.branch != head.branch)
    killed = next(iter(_resumptions(repo, facts, waiting).values()), "")
    lost = ""
    if plan is None and head.branch:
        lost = plan_back(repo, head.branch, head.commit)
    # To commit all that is changed would take the marks of a conflict for its solution.
    stopped = facts.dirty or head.branch is None
    merging = way_out(repo, experiment=plan is not None) if stopped else ""
    situations = (
        (bool(merging), merging),
        (bool(watched), watched),
        (bool(live.preparing), "gitexp status"),
        (bool(killed), killed),
        (not facts.initialised, facts.settings_step or "gitexp init"),
        (head.branch is None, "git switch BRANCH"),
        (plan is None, lost or "gitexp new NAME"),
        (bool(facts.renaming), facts.renaming),
        (bool(facts.dirty), plans.committing(repo, head.commit, facts.dirty)),
    )
    step = next((step for fits, step in situations if fits), "")
    return step or ("gitexp new NAME" if plan is None else _next_of_plan(repo, plan, facts))


def _goes_on(run: LiveRun, facts: _Facts) -> bool:
    """Whether a call of which nothing has finished is begun anew by no other step."""
    asked, head = run.asked, facts.head
    here = run.branch == head.branch and (run.commit == head.commit or asked.at is not None)
    return here and bool(facts.plan is None or asked.overrides or asked.at or asked.seeds)


def _resumptions(
    repo: Repo, facts: _Facts, waiting: Sequence[LiveRun], folder: str = ""
) -> dict[RunId, str]:
    """Return what records and finishes killed calls: the same `run`, where nothing has changed."""
    mine = [run for run in waiting if run.branch == facts.head.branch and not run.left]
    plan = facts.plan and facts.plan.digest
    same = all(run.plan == plan and run.asked.is_same((), facts.inputs) for run in mine)
    where = f" -C {shlex.quote(folder)}" if folder else ""
    # With changes in the work tree nothing is executed: it is recorded alone.
    asked = " --with-baseline" if any(run.asked.with_baseline for run in mine) else ""
    if facts.plan is not None and facts.plan.stopping is not None:
        asked = " --until-decided"
    step = f"gitexp run{asked}{where}" if same else f"gitexp run --resume{where}"
    step = "gitexp doctor --fix" if facts.dirty else step
    return {
        run.id: step
        if run in mine
        else resumption(
            run, there=refs.read_ref(repo, refs.local(run.branch)) is not ABSENT, folder=folder
        )
        for run in waiting
    }


def _next_of_plan(repo: Repo, plan: Plan, facts: _Facts) -> str:
    if facts.verdict is not None:
        return f"gitexp show {shlex.quote(plan.name)}"
    step = exclusions.running(plan)
    if facts.settled is not None:
        step = of_settled(repo, facts.settled, plan, facts.head.branch or plan.branch)
    if step.startswith(exclusions.CHANGE):
        return step
    if facts.mend and "gitexp run" in step:
        return facts.mend
    return exclusions.COMPARE if facts.idle else facts.helped(step)  # it says what to change
