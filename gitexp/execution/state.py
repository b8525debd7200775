"""Notes of the coordinator: a killed run is published by them, a live one is shown."""

from __future__ import annotations

import contextlib
import os
import shlex
from typing import TYPE_CHECKING

from gitexp.comparison import exclusions, tally
from gitexp.comparison.sides import Named
from gitexp.errors import BadFormatError, GitexpError
from gitexp.execution import engines
from gitexp.execution.workdir import loaded
from gitexp.git import objects, refs
from gitexp.git.discovery import plain_bytes
from gitexp.git.transaction import layout, locks
from gitexp.git.transaction.cache import open_index
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT, CommitHash, PlanDigest, RunId
from gitexp.model.job import (
    CHECKPOINT,
    FEW_BYTES,
    NOTES,
    OUTCOME,
    PID,
    POINTS,
    Job,
    JobState,
    Outcome,
)
from gitexp.model.listing import UnreadableRecord
from gitexp.model.request import RunOptions
from gitexp.model.run import LoggedValue, RepeatState, Run
from gitexp.model.views import LiveRun
from gitexp.records import codec
from gitexp.store import calls
from gitexp.system import logged_metrics
from gitexp.text.fields import Fields
from gitexp.text.jsontext import Json, json_dumps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gitexp.comparison.tally import Settled
    from gitexp.execution.workdir import WorkDir
    from gitexp.git.repository import Repo
    from gitexp.model.plan import Plan
    from gitexp.model.workspace import Workspace
    from gitexp.store.calls import Call


SCHEMA = "gitexp/state@1"


@dataclass(frozen=True, slots=True)
class State:
    """One side of one call."""

    draft: Run  # everything that was known before the first repeat; `repeats` is empty
    side: str
    branch: str  # where it will be recorded
    plan_metric: str  # primary metric, "" without a plan
    once: tuple[str, ...]  # names of the stages that run once
    asked: RunOptions  # what ``--resume`` goes on with
    published: bool = False
    # the coordinator died and somebody else has recorded what it had finished, but not all was
    open: bool = False
    left: bool = False  # the coordinator died, and the user has chosen not to go on with its call

    @property
    def plan(self) -> PlanDigest | None:
        """Digest of the plan under which it was made."""
        return None if self.draft.plan is None else self.draft.plan.digest

    @property
    def commit(self) -> CommitHash:
        """What it ran."""
        return self.draft.source.commit


def write(workdir: WorkDir, state: State) -> None:
    """Put a state into its place, by rename."""
    path = workdir.state(state.draft.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    owner = locks.this_process()
    value: dict[str, Json] = {
        "$schema": SCHEMA,
        **codec.to_json(state),
        "owner": {"host": owner.host, "pid": owner.pid, "started": owner.started},
        "secret": calls.begun(workdir.proofs, state.draft.id),
    }
    _put(path, value)


def note(workdir: WorkDir, run: RunId, **marks: bool) -> None:
    """Set marks (``published``, ``open``, ``left``) in a state; it stays whose it is."""
    call = _own(workdir, workdir.run(run))
    if call is not None:
        _put(call.path, {**call.value, **marks})


def recorded(workdir: WorkDir, run: RunId, *, open_: bool = False) -> None:
    """Note that a run is recorded, or may be gone on with; outputs nobody names go."""
    note(workdir, run, published=True, open=open_)
    workdir.drop_caches(run)


def _put(path: Path, value: Mapping[str, Json]) -> None:
    layout.put(path, json_dumps(value), "state.tmp")


def claim(workdir: WorkDir, run: RunId) -> None:
    """Say whose a run is before anything of it is there, its worktrees above all."""
    calls.begun(workdir.proofs, run)
    folder = workdir.run(run)
    folder.mkdir(parents=True, exist_ok=True)
    layout.put(folder / "owner", f"{locks.this_process()}\n".encode("ascii"), "owner.tmp")


def renounce(workdir: WorkDir, run: RunId) -> None:
    """Take a claim back if nothing came of it."""
    folder = workdir.run(run)
    if not workdir.state(run).exists():
        with contextlib.suppress(OSError):
            for name in ("owner", "owner.tmp", "state.tmp"):
                (folder / name).unlink(missing_ok=True)
            folder.rmdir()
            calls.ended(workdir.proofs, run)


def living(workdir: WorkDir) -> frozenset[str]:
    """Return the runs whose coordinator is alive, or of which nobody can tell.

    That asks for no proof: who lives is seen, also in a repository that was moved.
    """
    found = set()
    for folder in calls.within(workdir.runs):
        try:
            call = calls.noted(folder / "state.json")
            over = call.published or not call.alive
        except (GitexpError, OSError):
            over = _is_abandoned(folder)
        if not over:
            found.add(folder.name)
    return frozenset(found)


def going(workdir: WorkDir, branch: str) -> Iterator[State]:
    """Yield the runs that other processes make for a branch; our own knows what it does."""
    for call in _calls(workdir):
        theirs = call.branch == branch and call.owner != locks.this_process()
        if theirs and call.alive and not call.published:
            yield from _states(call)


def abandoned(workdir: WorkDir) -> tuple[RunId, ...]:
    """Return the runs whose coordinator died before it had written down what it would do."""
    return tuple(
        RunId(folder.name)
        for folder in calls.within(workdir.runs, "owner")
        if calls.secret(workdir.proofs, folder.name) and _is_abandoned(folder)
    )


def published(workdir: WorkDir) -> frozenset[str]:
    """Return the runs that are recorded, as their coordinator noted."""
    return frozenset(call.path.parent.name for call in _calls(workdir) if call.published)


def _is_abandoned(folder: Path) -> bool:
    """Whether nothing but a dead process's claim is there; nobody can tell about other things."""
    if (folder / "state.json").exists():
        return False
    try:
        told = plain_bytes(folder / "owner", FEW_BYTES)
        owner = locks.Owner.parse(told.decode("ascii", "replace"))
    except OSError:
        return False
    # Looked at again: the state may have been written since.
    dead = owner is not None and locks.is_dead(owner)
    return dead and not (folder / "state.json").exists()


def unpublished(workdir: WorkDir, *, opened: bool = False) -> Iterator[State]:
    """Yield the runs never recorded whose coordinator is dead; also `opened` calls."""
    for call in _calls(workdir):
        # Whoever recorded what may be gone on with may live, or not.
        if (opened and call.value.get("open")) or not (call.published or call.alive):
            yield from _states(call)


def kept_linked(workdir: WorkDir) -> Iterator[RunId]:
    """Yield the dead runs that keep linked files which no worker uses any more."""
    for call in _calls(workdir):
        run = RunId(call.path.parent.name)
        if not call.alive and os.path.lexists(workdir.linked(run)):
            for state in _states(call):
                if not any(is_at_work(workdir, state, seed) for seed in state.draft.seeds):
                    yield run


def newest(workdir: WorkDir, branch: str) -> State | None:
    """Return the last run that was begun here for a branch, be it recorded or not."""
    mine = [call for call in _calls(workdir) if call.branch == branch]
    mine.sort(key=lambda call: call.path.stat().st_mtime_ns, reverse=True)
    return next((state for call in mine for state in _states(call)), None)


def _calls(workdir: WorkDir) -> Iterator[Call]:
    found = (_own(workdir, folder) for folder in calls.within(workdir.runs, "state.json"))
    return (call for call in found if call is not None)


def _own(workdir: WorkDir, folder: Path) -> Call | None:
    """Return the call of a folder; None if a power cut left half of it, or it is not ours.

    Ours has the secret of a call that this clone began; the notes of an older gitexp have none.
    One such file must not keep the repeats of all other calls from being published;
    ``gitexp status`` and ``gitexp logs`` name it.
    """
    with contextlib.suppress(GitexpError, OSError):
        call = calls.noted(folder / "state.json")
        calls.check_own(call, workdir.proofs)
        return call if call.value.get("$schema") == SCHEMA else None
    return None


def _draft(call: Call) -> Run:
    return codec.load(Run, json_dumps(call.value.get("draft")), str(call.path))


def _states(call: Call) -> Iterator[State]:
    """Yield the state of a call, if it can be read."""
    with contextlib.suppress(BadFormatError):
        state = codec.read(State, Fields(call.value, str(call.path)))
        yield replace(state, asked=_asked(call, state.draft))


_INTERRUPTED = frozenset({RepeatState.CANCELLED, RepeatState.LOST})


_BEGIN_S = 600.0  # more than another call takes to make its worktrees


def beginning(workspace: Workspace) -> locks.FileLock:
    """Return the lock of a call until all that it runs is written down."""
    return locks.FileLock(layout.locks_dir(workspace) / "begin", timeout_s=_BEGIN_S)


@dataclass(frozen=True, slots=True)
class LiveRuns:
    """All unrecorded runs of a work tree."""

    running: tuple[LiveRun, ...]
    unpublished: tuple[LiveRun, ...]  # the coordinator is dead, a finished repeat is there
    begun: tuple[LiveRun, ...]  # it is dead, nothing has finished, and nobody went on or gave up
    unreadable: tuple[UnreadableRecord, ...]
    preparing: str = ""  # who begins a call that has not written down what it runs


def live_runs(workspace: Workspace) -> LiveRuns:
    """Look at what is going on, or was left, in a work tree."""
    found: list[LiveRun] = []
    bad: list[UnreadableRecord] = []
    begins = beginning(workspace)
    preparing = f"a call of run is being prepared by {begins.holder()}" if begins.is_held() else ""
    for folder in calls.folders(workspace):
        try:
            run = _look(workspace, folder)
        except (GitexpError, OSError) as error:
            bad.append(UnreadableRecord(folder.name, str(folder), str(error)))
            continue
        if run is not None:
            found.append(run)
    return LiveRuns(
        running=tuple(run for run in found if run.alive),
        unpublished=tuple(run for run in found if not run.alive and run.finished),
        begun=tuple(run for run in found if not (run.alive or run.finished or run.left)),
        unreadable=tuple(bad),
        preparing=preparing,
    )


def resumption(call: State | LiveRun, *, there: bool, folder: str = "") -> str:
    """Return what records, and finishes, what a call has finished, wherever that is typed.

    Where the branch is not `there` it is made anew at the commit that the call ran.
    """
    name, on_it = shlex.quote(call.branch), call.side != "baseline" and call.asked.at is None
    anew = (
        f"git branch {name} {call.commit} && " if on_it else f"bring back the branch {name}, then "
    )
    where = f" -C {shlex.quote(folder)}" if folder else ""
    return f"{'' if there else anew}gitexp run --resume{where} --on {name}"


def _look(workspace: Workspace, folder: Path) -> LiveRun | None:
    """Return what is going on in one folder; None where it is all recorded."""
    call = calls.read(workspace, folder)
    if call is None:
        return None
    run = _draft(call)
    ended = dict(_ended(folder, run))
    return LiveRun(
        id=run.id,
        branch=call.branch,
        side=call.side,
        seeds=run.seeds,
        finished=tuple(s for s, state in ended.items() if state is RepeatState.FINISHED),
        ended=tuple(s for s, state in ended.items() if state is not RepeatState.FINISHED),
        alive=call.alive,
        started_at=run.started_at,
        host=call.owner.host_name,
        interrupted=tuple(s for s, state in ended.items() if state in _INTERRUPTED),
        plan=None if run.plan is None else run.plan.digest,
        commit=run.source.commit,
        asked=_asked(call, run),
        left=call.left,
        logged=tuple(_logged(folder, run, ended)) if call.alive else (),
    )


def _logged(
    folder: Path, run: Run, ended: Mapping[int, RepeatState]
) -> Iterator[tuple[int, tuple[LoggedValue, ...]]]:
    for seed in run.seeds:
        for path in sorted((folder / "jobs" / str(seed)).glob(f"attempt-*/{POINTS}"))[-1:]:
            if seed not in ended and (found := logged_metrics.latest(path)):
                yield seed, found


def _ended(folder: Path, run: Run) -> Iterator[tuple[int, RepeatState]]:
    for seed in run.seeds:
        for path in sorted((folder / "jobs" / str(seed)).glob(f"attempt-*/{OUTCOME}")):
            if path.lstat().st_size <= codec.limit(Outcome):
                yield seed, loaded(Outcome, path).state
        for path in (folder / "jobs" / str(seed)).glob(f"attempt-*/{PID}"):
            if engines.state_of(run.engine, path.parent) is JobState.LOST:
                yield seed, RepeatState.LOST


def next_command(repo: Repo, branch: str, plan: Plan, now: Settled | None = None) -> str:
    """Return what runs the repeats that the plan of a branch lacks, or judges them.

    `now`: what counts on it, where that is known.
    """
    return of_settled(repo, now or settled_on(repo, branch, plan), plan, branch)


def settled_on(repo: Repo, branch: str, plan: Plan) -> Settled:
    """Return what counts on a branch by now."""
    named = Named(branch, objects.resolve(repo, refs.local(branch)), branch, plan)
    with open_index(repo.workspace) as index:
        return tally.of_plan(repo, index, plan, named)


def of_settled(repo: Repo, settled: Settled, plan: Plan, branch: str) -> str:
    """Return the same of what was counted; where a stopping rule has decided, what concludes it."""
    step = exclusions.of_settled(repo, settled, plan, refs.head(repo).branch)
    if plan.stopping is not None and step.endswith(exclusions.running(plan)) and settled.candidate:
        from gitexp.comparison.compare import decided  # noqa: PLC0415  loads numerics

        found = decided(repo.workspace, plan, branch)
        return step if found is None else found.next_step
    return step


def going_on(workdir: WorkDir, state: State, job: Job) -> Job:
    """Give a job the checkpoint, and what was logged, of its own repeat that was interrupted."""
    run, out = state.draft, workdir.attempt(job.run, job.seed)
    left = {
        call.path.parent / "jobs" / str(job.seed) / out.name / CHECKPOINT: call
        for call in _calls(workdir)
        if call.published or not call.alive
    }
    there = [place for place in left if place.is_dir() and not place.is_symlink()]
    for place in sorted(there, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        call = left[place]
        if not any(place.glob("files/*")):
            continue
        old = _draft(call)
        path = workdir.job_file(old.id, job.seed)
        try:
            before = loaded(Job, path)
        except (GitexpError, OSError):  # a power cut left half of it
            continue
        if (old.plan, old.inputs, before.seeds) == (run.plan, run.inputs, job.seeds):
            out.mkdir(parents=True, exist_ok=True)
            place.rename(out / CHECKPOINT)
            for name in (POINTS, NOTES):
                with contextlib.suppress(FileNotFoundError):
                    (place.parent / name).rename(out / name)
            return replace(job, resumed=before.resumed + 1)
    return job


def is_at_work(workdir: WorkDir, state: State, seed: int) -> bool:
    """Whether a repeat of a call, be that alive or not, is under way."""
    attempt = workdir.attempt(state.draft.id, seed)
    return engines.state_of(state.draft.engine, attempt) is JobState.RUNNING


def finished(workdir: WorkDir, state: State) -> tuple[int, ...]:
    """Return the seeds that a call has finished; half an outcome, after a power cut, is none."""
    return tuple(
        seed
        for seed in state.draft.seeds
        if (outcome := _outcome(workdir, state, seed)) is not None
        and outcome.state is RepeatState.FINISHED
    )


def _outcome(workdir: WorkDir, state: State, seed: int) -> Outcome | None:
    try:
        return workdir.outcome(state.draft.id, seed)
    except (GitexpError, OSError):
        return None


def is_recorded(repo: Repo, state: State) -> bool:
    """Whether the branch holds the record of this run already."""
    tip = refs.read_ref(repo, refs.local(state.branch))
    if tip is ABSENT:
        return False
    return objects.blob_id(repo, tip, layout.run_json(state.draft.id)) is not ABSENT


def _asked(call: Call, draft: Run) -> RunOptions:
    """Return what a call was asked for, with what its own side executed as far as it is known."""
    found = codec.read(RunOptions, Fields(call.value.get("asked"), str(call.path)))
    if found.commit or (call.side == "baseline" and found.with_baseline):
        return found
    ran, inputs = draft.source, draft.inputs
    found = replace(found, commit=ran.commit, inputs=inputs, overrides=ran.overrides)
    return replace(found, group=draft.group)
