"""What an engine carries to a worker, and what comes back: JOB.json and outcome.json."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from gitexp.model import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from gitexp.model.config import ParamKey, Predictions
    from gitexp.model.ids import (
        CommitHash,
        EvaluationDigest,
        Md5,
        ParamTree,
        ParamValue,
        RunId,
        TreeId,
    )
    from gitexp.model.run import (
        Environment,
        FileHash,
        Observed,
        OnceRecord,
        RepeatState,
        Resources,
        Sample,
    )

COMMAND_STAGE = "command"  # the one stage of a project without a pipeline
# In OUT/:
OUTCOME = "outcome.json"
BEGUN = "begun.json"  # an outcome, too: what a record has of a repeat that was lost
LOG = "log"
PID = "pid"  # who works on it: there once a worker has taken the job on
STAGE = "stage"  # which one runs
CACHE = "cache"  # outputs, laid out as DVC's cache is
FILES = "files"  # a folder
FEW_BYTES = 1 << 12  # more than an owner, a PID or the name of a stage has
LINKED = "linked"  # in the Git directory: linked files as they were before a run's first repeat
WRITTEN = "written"  # folder of a run: what stood in their place when they were put back
POINTS = "points.jsonl"  # what gitexp.log_metric writes
NOTES = "observed"  # what processes asked for; `system.observer` has its name, too
USED = "used"  # what they read of the job's folder, likewise
CHECKPOINT = "checkpoint"  # what a repeat goes on from if it is interrupted
CHANGED_LINKS = "the repeat changed linked data"  # how the reason of such a failure begins
LOGGED = "gitexp-points.csv"  # by-product of a repeat: the curves that it logged


class OutKind(enum.Enum):
    """What a stage's output is to DVC."""

    OUT = "outs"
    METRIC = "metrics"
    PLOT = "plots"


@dataclass(frozen=True, slots=True)
class StageOut:
    """A declared output of a stage; `path` is relative to the project folder."""

    path: str
    kind: OutKind = OutKind.OUT
    cache: bool = True
    persist: bool = False
    push: bool = True
    remote: str = ""  # DVC's remote for this output alone


@dataclass(frozen=True, slots=True)
class StageParams:
    """Parameters that a stage depends on; `keys` empty means the whole file."""

    file: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage, resolved; all paths relative to the project folder."""

    name: str  # as in dvc.lock, e.g. "train" or "each@a"
    commands: tuple[str, ...]
    wdir: str = ""
    deps: tuple[str, ...] = ()
    params: tuple[StageParams, ...] = ()
    outs: tuple[StageOut, ...] = ()
    frozen: bool = False
    always_changed: bool = False
    # path -> as dvc.yaml spells it, where that is not the plain path from wdir ("./x", "a/../x")
    spelled: Mapping[str, str] = field(default_factory=dict)
    listed: bool = False  # dvc.yaml gives the command as a list, so dvc.lock has to


@dataclass(frozen=True, slots=True)
class StageRecord:
    """A dvc.lock entry, as values."""

    name: str
    commands: tuple[str, ...]
    deps: tuple[FileHash, ...]
    params: Mapping[str, Mapping[str, ParamTree]]  # file -> key as declared -> parsed value
    outs: tuple[FileHash, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """Bytes that a job finds in the cache and puts into its worktree before it starts."""

    path: str
    md5: Md5
    expect: str = ""  # who declares it: the .dvc file, "dvc.lock: STAGE", or a stage of the run
    isexec: bool = False

    @property
    def of_run(self) -> bool:
        """Whether the run's first repeat made it."""
        return not self.expect.endswith(".dvc") and ": " not in self.expect


@dataclass(frozen=True, slots=True)
class LinkedPath:
    """An ignored path that a job sees through a symbolic link."""

    path: str  # relative to the project folder
    target: str  # absolute, on the machine of the job


@dataclass(frozen=True, slots=True)
class Job:
    """One repeat, ready to be executed anywhere; the content of JOB.json."""

    run: RunId
    label: str  # "candidate 3/10", for people
    attempt: int
    seed: int
    commit: CommitHash
    tree: TreeId
    project: str  # project folder below the worktree's top
    slots: tuple[str, ...]  # absolute worktrees of `commit`; the worker takes a free one
    stages: tuple[Stage, ...]  # in the order of execution
    python: str  # interpreter of the project
    import_paths: tuple[str, ...]  # relative to the worktree, put first on PYTHONPATH
    edits: Mapping[ParamKey, ParamValue]  # written into the params files: seed and overrides
    seed_arg: str | None
    given: tuple[Given, ...]
    links: tuple[LinkedPath, ...]
    metrics: tuple[str, ...]
    predictions: Predictions | None
    curves: tuple[str, ...]
    evaluation: tuple[str, ...]
    data_pointers: tuple[str, ...]  # "path:md5" of raw data pointers, the last resort of evaluation
    keep: tuple[str, ...]  # files that Git will hold (metrics and other cache: false outputs)
    cache_dir: str
    cache_types: tuple[str, ...]
    repository: str  # absolute top of the user's repository, for paths made relative
    timeout_s: float | None = None
    variables: Mapping[str, str] = field(default_factory=dict)  # set for the stage commands
    expect_metrics: tuple[str, ...] = ()  # names that must be among the samples
    seeds: Mapping[str, int] = field(default_factory=dict)  # as `Repeat.seeds`
    made: tuple[str, ...] = ()  # caches of other repeats, which hold what ran once
    whole: bool = True  # all outputs may be kept; else by-products, and of the rest the hashes
    kernels: tuple[str, ...] = ()  # names that Jupyter shall take for `python`
    left_out: tuple[str, ...] = ()  # from the worktree's top: what no input covers, no job sees
    written: Mapping[str, str] = field(default_factory=dict)  # files that it sees otherwise: text
    # Stages that no seed reaches, with a digest of the code that they use and do not declare. They
    # go first, without GITEXP_SEED and as the params files have the seeds.
    once: Mapping[str, str] = field(default_factory=dict)
    once_edits: Mapping[ParamKey, ParamValue] = field(default_factory=dict)  # for them: no seed
    known: tuple[OnceRecord, ...] = ()  # what may stand for an execution of theirs
    bound: tuple[OnceRecord, ...] = ()  # what an execution of theirs has to make: the plan's
    evaluators: tuple[str, ...] = ()  # stages whose outputs no other one may touch
    frozen: tuple[str, ...] = ()  # files that no stage before these may touch
    resumed: int = 0  # times that this repeat was interrupted, and left a checkpoint
    saved: tuple[str, ...] = ()  # outputs of which every repeat keeps the bytes


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file copied beside outcome.json: `path` in the project, `file` below OUT/."""

    path: str
    file: str
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt came to; the content of outcome.json."""

    run: RunId
    attempt: int
    seed: int
    state: RepeatState
    reason: str
    stage: str
    exit_code: int | None
    log_tail: str
    started_at: datetime
    ended_at: datetime
    environment: Environment | None
    resources: Resources
    links: str
    evaluation: EvaluationDigest | None
    evaluation_basis: str
    samples: tuple[Sample, ...]
    outputs: tuple[FileHash, ...]  # everything declared and cached
    stages: tuple[StageRecord, ...]  # of the stages that were executed
    kept: tuple[KeptFile, ...]
    warnings: tuple[str, ...] = ()
    patched: tuple[str, ...] = ()  # installed files that differ from their RECORD
    seeds: Mapping[str, int] = field(default_factory=dict)  # as `Repeat.seeds`
    logged: FileHash | None = None  # by-product of the curves that the repeat logged
    once: tuple[OnceRecord, ...] = ()  # of the stages that no seed reaches
    observed: Observed | None = None  # of a repeat that was not lost
    resumed: int = 0  # as `Repeat.resumed`
    seen: bool = False  # as `Repeat.seen`


class JobState(enum.Enum):
    """What an engine knows of a job; never a verdict."""

    QUEUED = "queued"
    RUNNING = "running"
    ENDED = "ended"
    LOST = "lost"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What an engine is given: a job file and the attempt's folder."""

    job_file: str  # absolute path of JOB.json
    out_dir: str  # absolute path of OUT/attempt-N


@dataclass(frozen=True, slots=True)
class JobRef:
    """Enough to find a submitted job again after a crash of the coordinator."""

    engine: str
    id: str
    out_dir: str
