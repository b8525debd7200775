"""`gitexp run --holdout`: a command that no job could read scores what repeats have kept.

It begins no job. Each repeat's outputs are copied into a folder of random name, outside of the
repository, in an order of chance; the command runs there and prints one number. All repeats get
one, or nothing is recorded. See docs/decisions/0049.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
import shutil
import tempfile
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gitexp.comparison import tally
from gitexp.comparison.randomness.seeding import BASELINE, CANDIDATE
from gitexp.dvc import cache as objects
from gitexp.dvc import links, placement
from gitexp.dvc.branch_code import code_among
from gitexp.dvc.cache_objects import object_file
from gitexp.errors import (
    CommandFailedError,
    DataMissingError,
    ExistsError,
    GitexpError,
    LockedError,
    MovedRefError,
    NoPlanError,
    NoSamplesError,
    NoSpaceError,
    PreflightError,
    UnsafeInputError,
    UsageError,
)
from gitexp.execution import state as states
from gitexp.execution.engines import process
from gitexp.execution.place import find_place, plan_of
from gitexp.execution.preflight.checks import SPACE_RESERVE_BYTES
from gitexp.execution.record import Record
from gitexp.execution.workdir import WorkDir, cache_of
from gitexp.git import identity
from gitexp.git.transaction import transaction
from gitexp.git.writing import Message
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT, CommitHash
from gitexp.model.metrics import SCORED
from gitexp.model.report import ProgressEvent, ProgressKind, RecordedRun, RunReport
from gitexp.model.request import RunRequest
from gitexp.model.run import Origin, PlanRef, Repeat, RepeatState, Run, Sample
from gitexp.provenance import private, trust_settings
from gitexp.report import numbers
from gitexp.store import lookup, plans
from gitexp.text import samples as samples_format
from gitexp.text.jsontext import json_loads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gitexp.comparison.eligible import Counted
    from gitexp.comparison.tally import Settled
    from gitexp.dvc.cache_objects import CacheConfig
    from gitexp.execution.place import RunPlace
    from gitexp.execution.prepare import SharedCall
    from gitexp.git.transaction.transaction import TipView
    from gitexp.git.writing import Content
    from gitexp.model.plan import Plan
    from gitexp.model.run import FileHash
    from gitexp.model.workspace import Workspace

LIMIT_S: Final = 600.0  # of one repeat
MOST_PRINTED: Final = 16 << 20  # bytes
_LAST: Final = 4096  # bytes that the last line may have
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}")
_OURS: Final = ("GITEXP_", "GIT_", "DVC_")  # variables that say whose outputs these are
_KEPT: Final = "run.keep: [PATH] in .gitexp/config.yaml, before the first repeat of a plan"


@dataclass(frozen=True, slots=True)
class Scored:
    """One repeat, what it has kept, and its score."""

    side: str
    item: Counted
    outputs: tuple[FileHash, ...]
    metric: str = ""
    value: float = 0.0


def score(
    workspace: Workspace,
    request: RunRequest,
    call: SharedCall,
    tell: Callable[[ProgressEvent], None],
    interrupts: Callable[[], int],
) -> RunReport:
    """Score the planned repeats of both sides, and record that in one commit.

    Raises
    ------
    PreflightError, NoPlanError, NoSamplesError, DataMissingError, ExistsError
        Nothing was scored.
    CommandFailedError
        A repeat got no score, so nothing is recorded.
    """
    _check(request)
    links.check_system()
    command = trust_settings.holdout(workspace)
    if not command:
        raise PreflightError(
            "no command is set that would score",
            found="no gitexp.holdout in the settings of this call, the user or the system",
            expected="a command; what a repository's own settings name does not count",
            next_step="GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=gitexp.holdout "
            "GIT_CONFIG_VALUE_0=COMMAND gitexp run --holdout",
        )
    with _alone(workspace):
        place = find_place(workspace, request)
        plan = plan_of(place, request)
        if plan is None:
            raise NoPlanError("a holdout scores the repeats of a plan", where=place.branch)
        settled = states.settled_on(place.repo, place.branch, plan)
        _check_whole(workspace, settled, plan)
        cache = cache_of(workspace, place.top, settled.sides[1].config)
        todo = _to_score(settled, command, cache)
        limit_s = request.timeout_s or LIMIT_S
        said = f"{numbers.amount(len(todo), 'repeat')}, at most {limit_s:g} s each"
        if request.dry_run:
            step = "the same without --dry-run"
            return replace(_report(place, (), step), verdict=f"would score {said}", dry_run=True)
        tell(ProgressEvent(ProgressKind.STEP, f"scoring {said}"))
        with _outside(workspace) as folder:
            done = _Scoring(command, call.environ, limit_s, cache, folder).every(
                todo, tell, interrupts
            )
        if done is None:
            return replace(_report(place, (), "the same again"), interrupted=True)
        return _publish(place, plan, command, done, call)


@contextlib.contextmanager
def _alone(workspace: Workspace) -> Iterator[None]:
    """Keep jobs of this repository apart: one could read the command in what this process has."""
    lock = trust_settings.holdout_lock(workspace)
    with states.beginning(workspace):
        lock.acquire()
    try:
        going = sorted(run for at in WorkDir.everywhere(workspace) for run in states.living(at))
        if going:
            raise LockedError(
                "jobs go on, and one could read the command that scores",
                found=", ".join(f"run {run[:8]}" for run in going),
                next_step="the same when they have ended",
            )
        yield
    finally:
        lock.release()


def _check(request: RunRequest) -> None:
    own = RunRequest(
        holdout=True, on=request.on, timeout_s=request.timeout_s, dry_run=request.dry_run
    )
    if request != own:
        raise UsageError(
            "--holdout begins no job: it scores what the planned repeats have kept",
            expected="--on, --timeout or --dry-run beside it, and nothing else",
            next_step="gitexp run --holdout",
        )


def _counting(settled: Settled) -> dict[str, list[Counted]]:
    """Return the repeats of either side that the comparison is about."""
    count = settled.count
    return {
        name: [side.repeats[seed] for seed in (count.pairs if settled.paired else side.repeats)]
        for name, side in ((BASELINE, count.baseline), (CANDIDATE, count.candidate))
    }


def _check_whole(workspace: Workspace, settled: Settled, plan: Plan) -> None:
    """Refuse while repeats are to follow: the planned ones, or those up to a decision."""
    have = {name: len(repeats) for name, repeats in _counting(settled).items()}
    planned = settled.count.left_of(plan.repeats)
    over = min(have.values()) >= planned
    if not over and all(have.values()) and plan.stopping is not None:
        from gitexp.comparison.compare import decided  # noqa: PLC0415  loads numerics

        over = decided(workspace, plan, plan.branch) is not None
    if not over:
        raise NoSamplesError(
            "a holdout is scored once, when the planned repeats are there",
            found=", ".join(f"{name} {number}" for name, number in have.items()),
            where=plan.branch,
            expected=f"{planned} that count on each side",
            next_step="gitexp run, where gitexp.holdout is not set",
        )


def _to_score(settled: Settled, command: str, cache: CacheConfig) -> list[Scored]:
    """Return the repeats that have no score by this command yet, with what they have kept."""
    every = [(side, item) for side, them in _counting(settled).items() for item in them]
    paths = _paths([item for _, item in every], settled.sides[1].config.keep)
    known = [run for run in settled.gathered.holdouts if tally.is_sealed(command, run)]
    found = [
        Scored(side, item, tuple(out for out in item.repeat.outputs if out.path in paths))
        for side, item in every
        if not any(tally.has_scored(run, item) for run in known)
    ]
    if not found:
        raise ExistsError(
            "this command has scored these repeats",
            found=", ".join(f"run {run.run.id[:8]}" for run in known),
            expected="one score of each: of several somebody could choose",
            next_step="gitexp compare",
        )
    for each in found:
        outs = [(out.path, out.md5) for out in each.outputs]
        if lacking := [path for path, md5 in outs if objects.missing(cache, md5)]:
            raise DataMissingError(
                "what a repeat has kept is not here",
                found=", ".join(lacking),
                where=f"run {each.item.found.run.id[:8]}, seed {each.item.repeat.seed}",
                next_step="gitexp pull --data, then the same again",
            )
        if code := code_among(outs, cache):
            raise UnsafeInputError(
                "an output would be taken for code in the folder where the command runs",
                found=code,
                expected="data, which the command reads by name",
                next_step="keep another output: run.keep in .gitexp/config.yaml",
            )
    return found


def _paths(repeats: Sequence[Counted], named: Sequence[str]) -> frozenset[str]:
    """Return the outputs that each repeat has kept, and the settings name where they name any."""
    kept = [frozenset(out.path for out in item.repeat.outputs) for item in repeats]
    shared = frozenset[str].intersection(*kept)
    lacking = {*named} - shared
    if lacking or not shared:
        some = next(it for it, has in zip(repeats, kept, strict=True) if not has or lacking - has)
        raise NoSamplesError(
            "not every repeat has kept what is to be scored",
            found=f"run {some.found.run.id[:8]}, seed {some.repeat.seed}, without "
            f"{', '.join(sorted(lacking)) or 'any output that all have'}",
            expected=_KEPT,
            next_step="set that, then a plan of fresh repeats: none that counts is made again",
        )
    return frozenset(named) or shared


@contextlib.contextmanager
def _outside(workspace: Workspace) -> Iterator[Path]:
    """Give a folder that no path of the repository leads to; it goes in the end."""
    folder = Path(tempfile.mkdtemp()).resolve()
    try:
        places = (workspace.top, workspace.common_dir)
        if any(folder.is_relative_to(place.resolve()) for place in places if place is not None):
            raise PreflightError(
                "temporary files lie in the repository, where a command sees whose they are",
                found=str(folder.parent),
                expected="TMPDIR to be outside of it",
            )
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Scoring:
    """How each repeat is scored."""

    command: str
    environ: Mapping[str, str]
    limit_s: float
    cache: CacheConfig
    folder: Path

    def every(
        self,
        todo: Sequence[Scored],
        tell: Callable[[ProgressEvent], None],
        interrupts: Callable[[], int],
    ) -> list[Scored] | None:
        """Return all with their scores; None where the user interrupted that."""
        order, found = [*todo], list[Scored]()
        random.SystemRandom().shuffle(order)
        cache = replace(self.cache, types=("reflink", "copy"))  # a link would lead to the cache
        for number, each in enumerate(order, 1):
            folder = self.folder / os.urandom(8).hex()
            self._check_space(each.outputs)
            folder.mkdir()
            for out in each.outputs:
                placement.materialise(cache, out, folder, out.path)
            said, printed = self._run(folder, interrupts)
            shutil.rmtree(folder, ignore_errors=True)
            if interrupts():
                return None
            name, value = ("", 0.0) if said else _number(printed)
            said = said or ("" if name else "its last line is no score")
            if found and f"{SCORED}{name}" != found[0].metric:
                said = said or "another NAME than before"
            if said:
                raise CommandFailedError(
                    "the holdout's command did not score a repeat, so nothing is recorded",
                    found=f"{said}; repeat {number} of {len(order)}, in an order of chance",
                    expected='{"NAME": number} as the last line that it prints, finite, and one '
                    "NAME for all",
                    next_step="put it right, then the same again: what it prints is shown nowhere",
                )
            found.append(replace(each, metric=f"{SCORED}{name}", value=value))
            tell(ProgressEvent(ProgressKind.FINISHED, "", "scored", "", number, len(order)))
        return found

    def _check_space(self, outputs: Sequence[FileHash]) -> None:
        """Go by what lies in the cache, not by what a record says of it."""
        needed = SPACE_RESERVE_BYTES
        for out in outputs:
            folder = out.md5.endswith(".dir")
            entries = objects.read_manifest(self.cache, out.md5) if folder else ()
            for md5 in [entry.md5 for entry in entries] if folder else [out.md5]:
                needed += Path(object_file(self.cache, md5)).stat().st_size
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise NoSpaceError(
                "there is not enough space for a copy of what a repeat has kept",
                found=f"{free / 1e6:.0f} MB free",
                where=str(self.folder.parent),
                expected=f"{needed / 1e6:.0f} MB",
                next_step="TMPDIR=FOLDER gitexp run --holdout",
            )

    def _run(self, folder: Path, interrupts: Callable[[], int]) -> tuple[str, bytes]:
        """Return why the command gave nothing, and the end of what it printed."""
        env = {key: text for key, text in self.environ.items() if not key.startswith(_OURS)}
        env = {**env, "PWD": str(folder), "OLDPWD": str(folder)}
        with tempfile.TemporaryFile(dir=self.folder) as out:
            asked = process.Bounded(self.command, self.limit_s, MOST_PRINTED)
            why = process.run_bounded(asked, folder, env, out.fileno(), interrupts)
            size = os.fstat(out.fileno()).st_size
            return why, os.pread(out.fileno(), _LAST, max(0, size - _LAST))


def _number(printed: bytes) -> tuple[str, float]:
    """Read the last line; ("", 0) where it is not a score, which is shown nowhere."""
    last = printed.rstrip().rpartition(b"\n")[2]
    with contextlib.suppress(GitexpError, OverflowError):
        value = json_loads(last, where="its last line", limit=_LAST)
        for name, number in value.items() if isinstance(value, dict) and len(value) == 1 else ():
            if (
                _NAME.fullmatch(name)
                and isinstance(number, (int, float))
                and not isinstance(number, bool)
            ):
                return name, float(number)
    return "", 0.0


def _publish(
    place: RunPlace, plan: Plan, command: str, done: Sequence[Scored], call: SharedCall
) -> RunReport:
    """Record all that was scored, a run a side, in one commit."""
    author = identity.author(place.repo)
    took_s = max(0.0, time.time() - call.started_at.timestamp())
    draft = partial(
        replace,
        origin=Origin.REPORTED,
        plan=PlanRef(plan.name, plan.digest),
        drawn=plan.drawn is not None,
        author=author,
        started_at=call.started_at,
        ended_at=call.started_at + timedelta(seconds=took_s),
        program=call.program,
        call=call.id,
        # what the repeats' own run did, and this one did not
        engine="holdout",
        **dict.fromkeys(("group", "command", "evaluator"), ""),
        **dict.fromkeys(("warnings", "once", "observed"), ()),
        snapshot_only=None,
    )
    way = private.held(place.repo, plans.config_of(place.repo, place.tip)[0])[0].identity
    made: list[RecordedRun] = []
    for side in (CANDIDATE, BASELINE):
        mine = [each for each in done if each.side == side]
        mine.sort(key=lambda each: each.item.repeat.seed)
        rows = tuple(Sample(each.metric, each.item.repeat.seed, each.value) for each in mine)
        repeats = tuple(
            Repeat(own.seed, RepeatState.FINISHED, seeds=own.seeds, outputs=each.outputs)
            for each in mine
            for own in [each.item.repeat]
        )
        for last in [each.item.found.run for each in mine][-1:]:
            run: Run = draft(
                last,
                id=call.new_id(),
                seeds=tuple(row.seed for row in rows),
                repeats=repeats,
                sample_rows=len(rows),
                samples_sha256=hashlib.sha256(samples_format.dump(rows)).hexdigest(),
            )
            run = replace(run, holdout=trust_settings.sealed(command, run, rows))
            made.append(RecordedRun(side, private.run(run, way), rows))
    told = _holdouts(place, place.tip)

    def edit(view: TipView) -> dict[str, Content]:
        there = plans.plan_of_branch(place.repo, place.branch, view.commit)
        if there is ABSENT or there.digest != plan.digest:
            raise MovedRefError(
                f"{place.branch} has another plan now", expected=f"the plan {plan.digest[:12]}"
            )
        if _holdouts(place, view.commit) - told:
            raise ExistsError("another call has scored meanwhile", next_step="gitexp compare")
        files: dict[str, Content] = {}
        for each in made:
            files.update(Record(each.run, each.samples, {}).files())
        return files

    text = f"gitexp run: holdout of {numbers.amount(len(done), 'repeat')} ({plan.name})\n\n"
    text += "".join(f"Gitexp-Run: {each.run.id}\n" for each in made)
    message = Message(text, author, call.started_at)
    published = transaction.publish(place.workspace, place.branch, edit, message)
    return replace(
        _report(place, tuple(made), "gitexp compare"),
        commit=published.commit,
        not_updated=tuple(f"{path}: edited in the work tree" for path in published.not_updated),
        warnings=published.cleared,
    )


def _holdouts(place: RunPlace, commit: CommitHash) -> set[str]:
    return {found.run.id for found in lookup.runs_at(place.repo, commit) if found.run.is_holdout}


def _report(place: RunPlace, recorded: tuple[RecordedRun, ...], step: str) -> RunReport:
    return RunReport(
        place.branch, None, (), recorded, snapshot="", not_updated=(), warnings=(), next_step=step,
        exploratory=False, interrupted=False, dry_run=False,
    )  # fmt: skip
