"""Views: what `list`, `show`, `status`, `diff`, `inputs` and `logs` answer."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Literal

from gitexp.model import dataclass, field

if TYPE_CHECKING:
    from datetime import datetime

    from gitexp.model.comparison import Conclusion
    from gitexp.model.ids import (
        CommitHash,
        EnvironmentDigest,
        InputsDigest,
        ParamValue,
        PlanDigest,
        RunId,
    )
    from gitexp.model.listing import RunSummary, UnreadableRecord
    from gitexp.model.metrics import MetricSummary
    from gitexp.model.plan import Plan
    from gitexp.model.request import RunOptions
    from gitexp.model.run import Environment, LoggedValue, RepeatState, Run, Sample


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A run with all that is recorded of it."""

    run: Run
    samples: tuple[Sample, ...]
    metrics: tuple[MetricSummary, ...]
    commit: CommitHash  # that added it
    refs: tuple[str, ...]  # branches and tags that hold it
    environment: Environment | None  # None: not recorded, or unreadable
    deleted: bool = False  # from the tree, by a later commit
    altered: bool = False  # after it was recorded
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownExperiment:
    """An experiment: plan, runs, conclusion."""

    branch: str
    commit: CommitHash
    plan: Plan | None
    plan_commit: CommitHash | None
    inputs: InputsDigest | None  # None: no settings, or they cannot be read
    runs: tuple[RunSummary, ...]  # reachable from the tip, in the order in which they were added
    conclusion: Conclusion | None
    unreadable: tuple[UnreadableRecord, ...] = ()
    shallow: bool = False  # older history is not in this clone
    notes: tuple[str, ...] = ()
    source_lost: bool = False  # no ref leads to the commit that ran: squashed or rebased
    failed: tuple[str, ...] = ()  # as `StatusView` has it
    next_step: str = ""  # where something failed, and repeats lack
    changed: bool = False  # its branch has other inputs than the conclusion is about


@dataclass(frozen=True, slots=True)
class LiveRun:
    """A run that is not recorded yet: its coordinator works, or died."""

    id: RunId
    branch: str  # on which it will be recorded
    side: str  # "candidate" | "baseline" | "exploratory"
    seeds: tuple[int, ...]
    finished: tuple[int, ...]  # seeds with a finished repeat
    ended: tuple[int, ...]  # seeds whose repeat failed, or was cancelled or lost
    alive: bool  # the coordinator
    started_at: datetime
    commit: CommitHash  # that it executes
    plan: PlanDigest | None
    asked: RunOptions
    host: str = ""
    interrupted: tuple[int, ...] = ()  # those of `ended` that were stopped or killed: no failure
    left: bool = False  # it died, and the user has chosen not to go on with it
    # seed -> what the repeat that goes on logged of late, the newest last
    logged: tuple[tuple[int, tuple[LoggedValue, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class StatusView:
    """The answer of `gitexp status`."""

    branch: str | None  # None: detached HEAD
    commit: CommitHash | None  # None: no commit yet
    initialised: bool
    plan: Plan | None
    inputs: InputsDigest | None
    planned: int  # repeats, 0 without a plan
    counted: tuple[int, ...]  # seeds of the candidate that count
    baseline_counted: tuple[int, ...]  # seeds of the baseline that count
    exploratory: int  # finished repeats of these inputs that do not count
    verdict: str | None  # of this plan's conclusion, if it has one ("" where that gives none)
    dirty: tuple[str, ...]  # tracked paths with uncommitted changes
    running: tuple[LiveRun, ...]
    unpublished: tuple[LiveRun, ...]  # of calls that were killed, with or without finished repeats
    unreadable: tuple[UnreadableRecord, ...]
    shallow: bool
    notes: tuple[str, ...]
    next_step: str
    not_counted: tuple[str, ...] = ()  # why finished repeats of this experiment do not count
    failed: tuple[str, ...] = ()  # what failed of these inputs and was not made up for
    changed: bool = False  # it was concluded, with other inputs than these
    qualifier: str = ""  # of the verdict, as line 1 of a comparison has it


@dataclass(frozen=True, slots=True)
class PathChange:
    """A file that differs; lines are None for binary or large files."""

    path: str  # undecodable bytes as surrogates
    kind: str  # "added" | "deleted" | "modified" | "type changed"
    added: int | None
    removed: int | None


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A parameter, or a distribution's version, that differs; None: not there."""

    name: str
    a: ParamValue
    b: ParamValue
    in_a: bool = True
    in_b: bool = True


@dataclass(frozen=True, slots=True)
class DataState:
    """What a data pointer says; None where it does not say."""

    md5: str | None
    size: int | None  # bytes
    nfiles: int | None  # folders only


@dataclass(frozen=True, slots=True)
class DataChange:
    """Data that differ, by their path in the project; a side is None where it has none."""

    path: str
    declared_by: str  # the .dvc file, or dvc.lock with the stage
    a: DataState | None
    b: DataState | None


@dataclass(frozen=True, slots=True)
class MetricChange:
    """A metric over the recorded samples of both sides; descriptive, no test."""

    metric: str
    a: MetricSummary | None
    b: MetricSummary | None
    difference: float | None  # b minus a
    better: bool | None = None  # whether b is; None where no setting and no usual name tells


@dataclass(frozen=True, slots=True)
class StateName:
    """One side of a question about two states."""

    name: str  # as typed
    commit: CommitHash
    inputs: InputsDigest | None  # None where it cannot be worked out; a note says why
    environments: tuple[EnvironmentDigest, ...] = ()  # of its recorded samples


@dataclass(frozen=True, slots=True)
class DiffView:
    """The answer of `gitexp diff A B`."""

    a: StateName
    b: StateName
    code: tuple[PathChange, ...]
    params: tuple[ValueChange, ...]
    data: tuple[DataChange, ...]
    environment: tuple[ValueChange, ...]
    metrics: tuple[MetricChange, ...]
    notes: tuple[str, ...] = ()
    config: tuple[InputsReason, ...] = ()  # settings, whether they act on results or not
    committed: bool = False  # the metrics are those of files: one run each, and no plan

    @property
    def same(self) -> bool:
        """Whether nothing but measured values differs."""
        return not (self.config or self.code or self.params or self.data or self.environment)


@dataclass(frozen=True, slots=True)
class InputsReason:
    """One thing that keeps two states from sharing samples; "" where a side has none."""

    kind: str  # "config" | "params" | "data" | "code"
    what: str
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class InputsView:
    """The answer of `gitexp inputs A B`."""

    a: StateName
    b: StateName
    reasons: tuple[InputsReason, ...]
    ignored: tuple[str, ...]  # paths that differ and do not count
    runs_a: tuple[RunId, ...]  # recorded for these inputs, anywhere
    runs_b: tuple[RunId, ...]
    notes: tuple[str, ...] = ()

    @property
    def shared(self) -> bool:
        """Whether the two states share samples."""
        return not self.reasons


class LogSource(enum.Enum):
    """Where a log was read."""

    JOB = "job"  # its folder, complete
    RECORD = "record"  # run.json: the tail, of a repeat that did not finish


@dataclass(frozen=True, slots=True)
class RepeatLog:
    """What the commands of one repeat printed."""

    run: RunId
    seed: int
    attempt: int
    source: LogSource
    text: str  # undecodable bytes escaped; control characters are left to who prints it
    state: RepeatState | Literal["running", "queued"]
    path: str = ""  # absolute, of a job's log
    truncated: bool = False  # there is more before it
    reason: str = ""
    logged: tuple[LoggedValue, ...] = ()  # of late, the newest last
    seeds: str = ""  # "train.seed = 5": seed parameters that vary and have another value
    left_out: int = 0  # bytes before `text`, where that is known


@dataclass(frozen=True, slots=True)
class LogView:
    """The answer of `gitexp logs`."""

    run: RunId
    repeats: tuple[RepeatLog, ...]
    live: bool = False  # the run is still going
    notes: tuple[str, ...] = field(default_factory=tuple)
