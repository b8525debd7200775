"""`gitexp worker JOB.json OUT/`: one repeat, from a clean worktree to outcome.json.

Every engine starts this and nothing else. It moves no ref, takes no lock of DVC's, and writes in
two places only: its worktree and OUT/, in which outputs lie by content as in DVC's cache. It says
what happened by ``OUT/outcome.json``, put there by rename; whatever the project does wrong is a
*failed* repeat in that file, and only what leaves no file (KILL, a full disk) is not told.

It starts in every repeat, so what it imports is part of the price: no pygit2, numpy or dvc.
"""

from __future__ import annotations

import os
import posixpath
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.dvc import stage_records
from gitexp.dvc.cache import verify
from gitexp.dvc.cache_objects import CacheConfig
from gitexp.dvc.dvcpipeline import touches
from gitexp.errors import (
    CommandFailedError,
    DamagedDataError,
    DataMissingError,
    EvaluatorError,
    GitexpError,
    ImportPathError,
    OtherOutputError,
    PreflightError,
)
from gitexp.execution import adoption, measurements, slots
from gitexp.execution.attempt import Attempt, begin, claim, finish, go_on
from gitexp.execution.engines import process
from gitexp.execution.workdir import loaded, root_of
from gitexp.git.command import common_dir_of
from gitexp.git.discovery import project_folder
from gitexp.git.transaction.failpoints import FailPoint, reach
from gitexp.model import replace
from gitexp.model.job import CACHE, CHANGED_LINKS, CHECKPOINT, LOG, POINTS, STAGE, Job, StageRecord
from gitexp.model.run import RepeatState
from gitexp.system import environment, kernels, live, observed, params
from gitexp.text import points

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.model.ids import ParamTree
    from gitexp.model.job import Stage

EXIT_CANCELLED = 128 + signal.SIGTERM
_BY_PLAN = "a metric by the evaluator that the plan froze"
_LET_IT = (
    "let that stage leave it alone; or, where it is no part of the evaluation: gitexp amend-plan "
    "--frozen none --why TEXT"
)


class _TimeoutError(Exception):
    """The repeat took longer than it may."""


def worker(job_file: Path, out_dir: Path) -> int:
    """Execute one job in this process and leave its outcome in a folder that nobody used before.

    The result: 0 if the repeat finished, 5 if the project failed, 3 if a precondition did, 143 if
    it was cancelled.
    """
    started_at, started = datetime.now(UTC), time.monotonic()
    process.adopt_orphans()
    stop = process.Stop()
    job = loaded(Job, job_file)
    stop.deadline = None if job.timeout_s is None else started + job.timeout_s
    out_dir.mkdir(parents=True, exist_ok=True)
    claim(out_dir)
    attempt = Attempt(job, out_dir, dict(os.environ), started_at, started)
    state, reason, code, result = RepeatState.FINISHED, "", 0, None
    try:
        result = _execute(attempt, stop)
    except process.StopAskedError:
        state, reason, code = RepeatState.CANCELLED, "cancelled", EXIT_CANCELLED
    except _TimeoutError:
        reason = f"timeout: longer than {job.timeout_s:g} s"
        state, code = RepeatState.CANCELLED, CommandFailedError.exit_code
    except GitexpError as error:
        state, reason, code = RepeatState.FAILED, _one_line(error), error.exit_code
    except OSError as error:
        state, reason, code = RepeatState.FAILED, f"{error}", PreflightError.exit_code
    if attempt.parts is not None and attempt.observed is None:
        attempt.observed = observed.read(out_dir, attempt.ran, attempt.parts)
    finish(attempt, state, reason, result)
    return code


def _execute(attempt: Attempt, stop: process.Stop) -> measurements.Measurements:
    """Do everything between JOB.json and outcome.json."""
    job, out_dir, users = attempt.job, attempt.out_dir, Path(attempt.job.cache_dir)
    # What is not recorded in the end leaves nothing in the user's cache, which is only read here.
    under = (users, *map(Path, job.made))
    cache = CacheConfig(out_dir / CACHE, tuple(job.cache_types), under=under)
    with slots.take(job.slots, job.commit) as slot:
        reach(FailPoint.RUN_WORKTREE)
        project = project_folder(slot, job.project)
        kept = slots.linked(common_dir_of(slot), job.run)
        slots.leave_out(slot, job.left_out)
        slots.write(slot, job.written)
        for stage in job.stages:  # nor does anything read what a stage is to make later
            if not stage.frozen:
                slots.remove_outs(project, stage.outs)
        # A notebook that logs by hand and starts a run hands down where its own curves go.
        given = {
            name: text for name, text in os.environ.items() if not name.startswith(live.CURVES)
        }
        own = {
            process.MARK: str(out_dir),
            live.POINTS: str(out_dir / POINTS),
            "GITEXP_CHECKPOINT": str(out_dir / CHECKPOINT / "files"),
        }
        if job.kernels:
            own |= kernels.lead(job.kernels, job.python, out_dir / "jupyter", given)
        attempt.env = environment.job_variables(job, slot, own, given)
        first = [stage for stage in job.stages if stage.name in job.once]
        params.write(project, job.once_edits if first else job.edits)
        slots.share_cache(slot, job.project, users)
        held = slots.make_links(project, job.links)
        attempt.warnings += [f"{path} is in the commit: not linked" for path in held]
        seen = params.linked_states(job.links)
        with stop.interrupting():
            attempt.links = params.linked_fingerprint(job.links)
            attempt.shared += slots.fill(slot, job.project, job.given, cache, kept=job.keep)
        reach(FailPoint.RUN_CHECKOUT)
        place = environment.EnvironmentSource(
            job.python,
            Path(job.repository),
            slot,
            job.import_paths,
            f"{job.run} {job.commit}",
            None if (root := root_of(out_dir)) is None else root / "environments",
        )
        found = environment.capture(place, attempt.env)
        attempt.environment, attempt.patched = found.environment, found.patched
        attempt.parts = found.parts
        trees = slots.trees(job, slot)
        attempt.env = observed.begin(
            out_dir, attempt.env, trees, slots.readable(job, users, trees), str(slot)
        )
        go_on(attempt)
        begin(attempt)
        before = measurements.standing(job, project)
        try:
            _run_stages(attempt, first, slot, cache, stop)
            reach(FailPoint.RUN_PIPELINE)
            attempt.stage = ""
            with stop.interrupting():
                _check_shared(attempt, seen, cache)
                return _read(attempt, project, before, cache)
        except BaseException:
            attempt.seen = attempt.scores is not None and attempt.scores.seen(attempt.ran)
            raise
        finally:  # before another repeat begins
            attempt.warnings += slots.put_back(kept, out_dir / "../../..", seen)


def _read(
    attempt: Attempt, project: Path, before: Mapping[str, measurements.Stamp], cache: CacheConfig
) -> measurements.Measurements:
    """Return what the stages measured."""
    out_dir = attempt.out_dir
    job, unread = measurements.written(attempt.job, project, before)
    attempt.warnings += unread
    result = measurements.read(job, project, out_dir, cache, attempt.memo)
    if attempt.parts is not None:
        attempt.observed = observed.read(out_dir, attempt.ran, attempt.parts)
    reach(FailPoint.RUN_READ)
    attempt.outputs += result.by_products
    attempt.warnings += result.warnings
    return result


def _run_stages(
    attempt: Attempt, first: Sequence[Stage], slot: Path, cache: CacheConfig, stop: process.Stop
) -> None:
    """Execute all stages, those `first` that no seed reaches; none may touch the evaluator's."""
    job, project = attempt.job, project_folder(slot, attempt.job.project)
    fixed, code = _fixed(attempt, project), _code(attempt, slot)
    for stage in first:
        if stage.name in job.evaluators:
            _check_same(attempt, project, fixed, f"before {stage.name}")
        if not stage.frozen:
            _run_once(attempt, stage, slot, cache, stop)
            _note_rewritten(attempt, project, fixed, stage)
            _check_code(attempt, slot, code, stage)
    if first:
        _check_same(attempt, project, fixed, "before the stages of a seed")
        params.write(project, job.edits)
        fixed, code = _fixed(attempt, project), _code(attempt, slot)
    attempt.scores = measurements.Scores.of(job, project, attempt.out_dir)
    for stage in job.stages:
        if stage.name in job.evaluators:
            _check_same(attempt, project, fixed, f"before {stage.name}")
        if not (stage.frozen or stage in first):
            _note(attempt, stage, _execute_stage(attempt, stage, project, cache, stop))
            _note_rewritten(attempt, project, fixed, stage)
            _check_code(attempt, slot, code, stage)
    for name, outs in _measured(attempt).items():
        _check_same(attempt, project, outs, f"after {name}")


def _run_once(
    attempt: Attempt, stage: Stage, slot: Path, cache: CacheConfig, stop: process.Stop
) -> None:
    """Take over what has been made of a stage that no seed reaches, or execute it."""
    job, project = attempt.job, project_folder(slot, attempt.job.project)
    values = _begin(attempt, stage, project)
    with stop.interrupting():
        deps = tuple(stage_records.hash_path(project, p, memo=attempt.memo) for p in stage.deps)
        recipe = stage_records.recipe(stage, deps, values, job.once[stage.name])
        known = adoption.made_before(stage, recipe, job.known)
        placed = None if known is None else adoption.place(slot, job, known, cache)
    if known is not None and placed is not None:
        attempt.shared += placed
        text = f"Stage '{stage.name}' did not run: its outputs are there, made by the same\n"
        with (attempt.out_dir / LOG).open("a", encoding="utf-8") as log:
            log.write(text)
        _note(attempt, stage, StageRecord(stage.name, stage.commands, deps, values, known.outs))
        attempt.once.append(replace(known, unread=adoption.unread(stage, job.stages)))
        adoption.log_again(attempt.out_dir / POINTS, known)
    else:
        logged = adoption.logging(attempt.out_dir / POINTS)
        record = _execute_stage(attempt, stage, project, cache, stop)
        unread = adoption.unread(stage, job.stages)
        made = replace(adoption.record_of(record, recipe), logged=logged(), unread=unread)
        adoption.check(made, adoption.made_before(stage, recipe, job.bound))
        _note(attempt, stage, record)
        if adoption.is_recordable(stage, made):
            attempt.once.append(made)
    adoption.note(attempt.out_dir, attempt.once)


def _check_outside(attempt: Attempt, stage: Stage) -> None:
    """Refuse a repeat that read what is the same on both sides, whatever they ran."""
    read = observed.outside(attempt.out_dir, attempt.job.repository)
    fresh = [path for path in read if path not in attempt.outside]
    attempt.outside.update(fresh)
    if acting := slots.acting(attempt.job, fresh):
        raise ImportPathError(
            "a script read your work tree instead of the folder of its repeat",
            found=f"{', '.join(acting[:5])}, by stage {stage.name}",
            expected="paths relative to where a command starts: the work tree is one for both",
            next_step="open it by a relative path; what no commit has and DVC does not track is "
            "named by run.link in .gitexp/config.yaml",
        )
    attempt.warnings += [slots.READ.format(path) for path in fresh[:5]]


def _note(attempt: Attempt, stage: Stage, record: StageRecord) -> None:
    """Note what a stage read and wrote; of its outputs those that the cache holds are the run's."""
    attempt.stages.append(record)
    cached = {out.path for out in stage.outs if out.cache}
    attempt.outputs += [replace(out, isexec=False) for out in record.outs if out.path in cached]


def _begin(attempt: Attempt, stage: Stage, project: Path) -> dict[str, dict[str, ParamTree]]:
    """Note which stage it is, look that its dependencies are there, and return its parameters."""
    attempt.stage = stage.name
    (attempt.out_dir / STAGE).write_text(stage.name, encoding="utf-8")
    for path in stage.deps:
        if not (project / path).exists():
            raise DataMissingError(
                f"stage {stage.name} depends on a path that is not there", found=path
            )
    parsed = params.sections(project, [each.file for each in stage.params])
    return stage_records.declared_params(stage, parsed)


def _execute_stage(
    attempt: Attempt, stage: Stage, project: Path, cache: CacheConfig, stop: process.Stop
) -> StageRecord:
    """Execute one stage as `dvc repro` would."""
    values = _begin(attempt, stage, project)
    slots.remove_outs(project, stage.outs)
    job, env = attempt.job, attempt.env | {"DVC_STAGE": stage.name}
    env |= _points_too(job, stage, project)
    if stage.name in job.once:
        job = replace(job, seed_arg=None)
        del env["GITEXP_SEED"]
    log = os.open(attempt.out_dir / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(log, f"Running stage '{stage.name}':\n".encode())
        for command in environment.commands(stage, job):
            os.write(log, f"> {command}\n".encode("utf-8", "surrogateescape"))
            attempt.ran.append(command)
            ended = process.run(
                environment.shell(command, env),
                folder=project / stage.wdir,
                env=env,
                log=log,
                stop=stop,
            )
            if ended.timed_out:
                raise _TimeoutError
            if ended.code:
                attempt.exit_code = ended.code
                raise CommandFailedError(f"stage {stage.name} {_how(ended.code)}")
    finally:
        os.close(log)
    with stop.interrupting():
        _check_outside(attempt, stage)
        left = measurements.without_supposed(attempt.job, stage, project, attempt.out_dir)
        return stage_records.record(
            project, left, values, cache, memo=attempt.memo, kept=_kept(attempt.job)
        )


def _md5(attempt: Attempt, project: Path, path: str) -> str:
    there = (project / path).exists()
    return str(stage_records.hash_path(project, path, memo=attempt.memo).md5) if there else ""


def _fixed(attempt: Attempt, project: Path) -> dict[str, str]:
    return {path: _md5(attempt, project, path) for path in attempt.job.frozen}


def _measured(attempt: Attempt) -> dict[str, dict[str, str]]:
    """Return what the stages of the evaluator have made: stage -> path -> MD5."""
    ended = (each for each in attempt.stages if each.name in attempt.job.evaluators)
    return {each.name: {out.path: str(out.md5) for out in each.outs} for each in ended}


def _note_rewritten(
    attempt: Attempt, project: Path, fixed: Mapping[str, str], stage: Stage
) -> None:
    """Note what of the evaluator a stage was the first to rewrite."""
    files = dict(fixed)
    for name, outs in _measured(attempt).items():
        files |= {} if name == stage.name else outs
    for path, md5 in files.items():
        if path not in attempt.rewritten and _md5(attempt, project, path) != md5:
            attempt.rewritten[path] = stage.name


def _check_same(attempt: Attempt, project: Path, files: Mapping[str, str], when: str) -> None:
    """Refuse a repeat in which a stage had its hands in how it is measured."""
    by = {
        path: attempt.rewritten.get(path, "a stage")
        for path, md5 in files.items()
        if _md5(attempt, project, path) != md5
    }
    if by:
        raise EvaluatorError(
            "a stage rewrote what the plan's evaluator reads or made",
            found=", ".join(f"{path} by {name}" for path, name in [*by.items()][:5]) + f", {when}",
            expected=_BY_PLAN,
            next_step=_LET_IT,
        )


def _is_to_come(attempt: Attempt) -> bool:
    """Tell whether a stage of the evaluator is still to be executed."""
    return not {*attempt.job.evaluators} <= {each.name for each in attempt.stages}


def _code(attempt: Attempt, slot: Path) -> dict[str, str]:
    """Return the code in the job's folder that no stage declares, where an evaluator is to come."""
    job = attempt.job
    if not _is_to_come(attempt):
        return {}
    outs = (out.path for stage in job.stages for out in stage.outs)
    paths = (*outs, *(each.path for each in job.given), *(each.path for each in job.links))
    apart = {posixpath.normpath(posixpath.join(job.project, path)) for path in paths}
    return slots.code(slot, apart)


def _check_code(attempt: Attempt, slot: Path, before: Mapping[str, str], stage: Stage) -> None:
    """Refuse a repeat in which a stage left code that its evaluator may import."""
    folders = {"", attempt.job.project, *attempt.job.import_paths}
    found = [*slots.planted(before, _code(attempt, slot), folders)]
    if found and _is_to_come(attempt):
        raise EvaluatorError(
            "a stage changed or left code that the plan's evaluator may import",
            found=f"{', '.join(found[:5])}, by {stage.name}, whose outs do not name it",
            expected=_BY_PLAN,
            next_step=_LET_IT,
        )


def _points_too(job: Job, stage: Stage, project: Path) -> dict[str, str]:
    """Let `log_metric` write the curves too that DVC expects a stage to write."""
    folder = posixpath.join(stage.wdir, points.FOLDER)
    declared = (*(out.path for out in stage.outs), *job.curves)
    if not any(touches(path, folder) for path in declared):
        return {}
    return {live.CURVES: str(project / folder)}


def _kept(job: Job) -> frozenset[str] | None:
    """Return the outputs whose bytes a record may name; None for all."""
    by_products = (job.predictions.path,) if job.predictions else ()
    return None if job.whole else frozenset((*by_products, *job.curves, *job.saved))


def _check_shared(
    attempt: Attempt, seen: Mapping[str, params.LinkState], cache: CacheConfig
) -> None:
    """Refuse a repeat that changed bytes which are not its own."""
    changed = params.changed_links(seen, params.linked_states(attempt.job.links))
    if changed:
        raise DamagedDataError(
            CHANGED_LINKS,
            found=", ".join(changed[:5]),
            expected="linked paths stay as they are: other repeats see them, too",
        )
    for given in attempt.shared:
        damage = verify(cache, given.md5)
        if damage:
            raise DamagedDataError(
                "the repeat changed data in the cache through a link",
                found=damage[0].path or given.path,
                where=given.path,
                next_step="dvc pull, and let cache.type be reflink,copy",
            )


def _how(code: int) -> str:
    if code > 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    out_of_memory = " (out of memory?)" if -code == signal.SIGKILL else ""
    return f"was killed by {name}{out_of_memory}"


def _one_line(error: GitexpError) -> str:
    if isinstance(
        error, EvaluatorError | ImportPathError | OtherOutputError
    ):  # nobody has a way on but by what it says
        return " ".join(str(error).split())
    told = {"found", "where"}
    parts = [error.summary, *(text for label, text in error.lines() if label in told)]
    return " ".join("; ".join(parts).split())
