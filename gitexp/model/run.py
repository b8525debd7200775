"""A run and what it measured, as recorded in Git."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Final

from gitexp.model import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from gitexp.model.ids import (
        BlobId,
        CommitHash,
        EnvironmentDigest,
        EvaluationDigest,
        InputsDigest,
        Md5,
        ParamValue,
        PlanDigest,
        RunId,
        Sha256,
        TreeId,
    )
    from gitexp.model.plan import Person

Key = tuple[int, tuple[tuple[str, int], ...]]  # of a repeat: its seed, each seed parameter's value
_NUMBER: Final = re.compile(r"(?<![\w.])\d")
_NOT_PRINTED: Final = ("> ", "    ", "  File ")  # commands, and a traceback's lines
_TRACEBACK: Final = ("Traceback (most recent call last):", '  File "')
MAX_SEED: Final = 2**62  # whatever counts on from it still fits into 64 bits


def lone(seed: int) -> Key:
    """Return `Repeat.key` where a project has one seed parameter, or none."""
    return seed, ()


class RepeatState(enum.Enum):
    """How a repeat ended."""

    FINISHED = "finished"
    FAILED = "failed"  # the command, a metric or a check of ours; `reason` says which
    CANCELLED = "cancelled"  # interrupted by a person or a limit
    LOST = "lost"  # killed without a word


class Origin(enum.Enum):
    """Who saw the run."""

    OBSERVED = "observed"  # gitexp ran it
    REPORTED = "reported"  # recorded from outside


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement. Where a field does not apply it is None (`dataset`: "")."""

    metric: str
    seed: int
    value: float  # finite
    rep: int | None = None  # repetition of a cross-validation
    fold: int | None = None
    dataset: str = ""
    n_train: int | None = None
    n_test: int | None = None


@dataclass(frozen=True, slots=True)
class LoggedValue:
    """The latest value that a repeat logged of a metric."""

    name: str
    value: float | None  # None: not finite
    step: int | None


@dataclass(frozen=True, slots=True)
class FileHash:
    """A file or folder that a stage read, or a repeat made, by its hash in the DVC cache."""

    path: str  # relative to the project folder
    md5: Md5
    size: int  # bytes
    nfiles: int | None = None  # folders only
    isexec: bool = False  # may be executed; a record says it of `OnceRecord.outs` alone


class StageOrigin(enum.Enum):
    """Where a run has the outputs of a stage from that its seeds do not reach."""

    EXECUTED = "executed"  # by its first repeat
    ADOPTED = "adopted"  # of the other side, or of an earlier run; one has executed it
    OUTSIDE = "outside"  # of dvc.lock, and no run under the plan has made these bytes


def is_report(path: str) -> bool:
    """Whether a file, by its ending, may hold the time of the execution that wrote it."""
    return path.lower().endswith((".ipynb", ".html", ".pdf", ".png", ".svg", ".log"))


@dataclass(frozen=True, slots=True)
class OnceRecord:
    """What a stage made that is executed once, whatever the seed."""

    stage: str
    recipe: str  # sha256 over its command, deps, params and code: see `stage_records.recipe`
    outs: tuple[FileHash, ...]
    origin: StageOrigin = StageOrigin.EXECUTED
    logged: tuple[LoggedValue, ...] = ()  # by `gitexp.log_metric`; of a curve the end
    unread: tuple[str, ...] = ()  # outputs that tell of an execution, and no stage reads

    @property
    def hashes(self) -> Mapping[str, Md5]:
        """Its outputs by path."""
        return {out.path: out.md5 for out in self.outs}

    def other(self, made: OnceRecord) -> str:
        """Return an output that is another in `made`; "" where all agree that any stage reads.

        No record is believed that nobody reads a table: the ending has to be a report's. Where both
        were executed, also a metric that one alone logged; a value may be a time.
        """
        differ = {path for path, _ in self.hashes.items() ^ made.hashes.items()}
        both = {*self.unread}.intersection(made.unread)
        other = min(differ - {path for path in both if is_report(path)}, default="")
        if other or {self.origin, made.origin} != {StageOrigin.EXECUTED}:
            return other
        return min({x.name for x in self.logged} ^ {x.name for x in made.logged}, default="")


@dataclass(frozen=True, slots=True)
class Resources:
    """What a repeat used and where; None where the system does not tell."""

    host: str = ""
    cpu_model: str = ""
    cpu_count: int | None = None
    gpu: str = ""
    threads: int | None = None  # OMP_NUM_THREADS, where set
    wall_s: float | None = None
    cpu_s: float | None = None
    peak_memory_bytes: int | None = None
    cpu_flags: str = ""  # those that numerical libraries choose their code by
    affinity: str = ""  # processors that it may use, where not all: "0-3,8"
    cgroup_cpus: float | None = None  # the limit of its control group
    gpu_driver: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)  # allow-listed

    @property
    def hardware(self) -> tuple[str, ...]:
        """What time and memory depend on, part by part; "" where it is not known.

        Nothing may mean all of it, or none: but in a record of a time before it was looked at.
        """
        limit, looked_at = self.cgroup_cpus, bool(self.cpu_flags)
        return (
            self.cpu_model,
            f"{self.cpu_count} processors" if self.cpu_count else "",
            f"processors {self.affinity}" if self.affinity else "all processors" * looked_at,
            "no limit of processors" * looked_at
            if limit is None
            else f"limit of {limit:g} processors",
            self.gpu or "no GPU" * bool(self.cpu_model),
            f"driver {self.gpu_driver}" if self.gpu_driver else "no driver" * looked_at,
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """What an environment is made of, for the question which part of it acts on a repeat."""

    modules: Mapping[str, tuple[str, ...]]  # the import names of each distribution
    requires: Mapping[str, tuple[str, ...]]  # of each ``name[extras];extra``, where installed
    loose: Mapping[str, str]  # paths of what can be imported and no distribution has
    prefix: str  # real path of the environment


@dataclass(frozen=True, slots=True)
class Observed:
    """What the Python processes of a repeat asked for, which says what of an environment acts."""

    distributions: tuple[str, ...] = ()  # that they imported, and what these require; sorted
    asked: tuple[str, ...] = ()  # import names that none of these has: missed, or the project's
    loose: Mapping[str, str] = field(default_factory=dict)  # what no distribution has: sha256
    # of each distribution of the environment, where that is not just its own name
    modules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    why: str = ""  # it was not observed: then whatever is installed may act on it

    def names_of(self, distribution: str) -> tuple[str, ...]:
        """Return the import names of a distribution of its environment."""
        return self.modules.get(distribution, usual_names(distribution))


def usual_names(distribution: str) -> tuple[str, ...]:
    """Return the import names of a distribution of which nothing else is said."""
    return (distribution.replace("-", "_"),)


@dataclass(frozen=True, slots=True)
class Repeat:
    """One execution with one seed."""

    seed: int
    state: RepeatState
    reason: str = ""  # one line, for every state but finished
    stage: str = ""  # where it ended, if not finished
    exit_code: int | None = None
    log_tail: str = ""  # masked; empty for finished repeats
    attempt: int = 1
    started_at: datetime | None = None
    ended_at: datetime | None = None
    environment: EnvironmentDigest | None = None
    links: str = ""  # fingerprint of linked data, "" where nothing was linked
    evaluation: EvaluationDigest | None = None
    evaluation_basis: str = ""  # "predictions" | "evaluation" | "data" | "undeclared"
    snapshot: bool = False  # its outputs are those of dvc.lock in the recording commit
    resources: Resources = field(default_factory=Resources)
    outputs: tuple[FileHash, ...] = ()
    warnings: tuple[str, ...] = ()
    made: str = ""  # sha256 over what it made beside its metrics; "" where that is nothing
    # of each seed parameter, by the text of its ParamKey; empty where `seed` says it all
    seeds: Mapping[str, int] = field(default_factory=dict)
    observed: int | None = None  # which of the run's `observed`; None: of a time before it was
    resumed: int = 0  # times that it went on from its own checkpoint, after it was interrupted
    # what its own stages made of raw data to test on, where those alone identify the evaluation
    examples: Mapping[str, Md5] = field(default_factory=dict)
    seen: bool = False  # it did not finish, and a score of it may have been seen

    @property
    def key(self) -> Key:
        """What makes it another repeat of a state: its number and all its seeds."""
        return self.seed, tuple(sorted(self.seeds.items()))

    @property
    def place(self) -> tuple[EnvironmentDigest | None, str]:
        """Where it ran: its environment, and its linked data."""
        return self.environment, self.links

    @property
    def measured_on(self) -> tuple[EvaluationDigest | None, str]:
        """The evaluation data, and what tells them; equal where both are."""
        return self.evaluation, "" if self.evaluation is None else self.evaluation_basis

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped or killed: there is nothing to mend."""
        return self.state is RepeatState.LOST or self.reason == RepeatState.CANCELLED.value

    @property
    def shown(self) -> bool:
        """Whether a score of it may have been seen: a number in what it printed is enough.

        A traceback's lines have numbers of their own. Of one that was lost nobody knows, and one
        that failed behind its commands has made its metrics. Of a time before `seen` was recorded
        there is the end of the log alone.
        """
        if self.seen:
            return True
        ended = self.state is RepeatState.FINISHED or (not self.stage and self.exit_code == 0)
        if ended or self.state is RepeatState.LOST:
            return True
        lines = (line for line in self.log_tail.split("\n") if not line.startswith(_NOT_PRINTED))
        return any(map(_NUMBER.search, lines))

    @property
    def is_unfinished_score(self) -> bool:
        """Whether it may have shown a score in an environment in which it did not finish.

        Where none is known no command had begun.
        """
        return (
            self.state is not RepeatState.FINISHED and self.environment is not None and self.shown
        )

    @property
    def last_line(self) -> str:
        """The last that a command printed before it failed; "" where nothing did."""
        return last_line(self.log_tail) if self.exit_code else ""


def has_number(lines: Iterable[str], own: Collection[str]) -> bool:
    """Tell whether commands printed a number outside a traceback.

    `own`: lines that are not of the commands.

    >>> has_number(["> a.py 3", "Traceback (most recent call last):", "  a[3]"], ["> a.py 3"])
    False
    >>> has_number(["  0.93"], []), has_number(["> 0.93"], [])
    (True, True)
    """
    within = False
    for line in lines:
        within = line.startswith(_TRACEBACK) or (within and line[:1].isspace())
        if not within and line.strip() not in own and _NUMBER.search(line):
            return True
    return False


def other_seeds(seed: int, seeds: Mapping[str, int], fixed: Collection[str] = ()) -> str:
    """Return the seed parameters that differ from a repeat's number, but for those that are fixed.

    >>> other_seeds(3, {"prepare.seed": 3, "train.seed": 5})
    'train.seed = 5'
    >>> other_seeds(4, {"prepare.seed": 4, "train.seed": 4})
    ''
    """
    return ", ".join(f"{k} = {v}" for k, v in seeds.items() if v != seed and k not in fixed)


def last_line(log_tail: str) -> str:
    r"""Return the last line that a command printed, not what the worker wrote around it.

    >>> last_line("Running stage 'a':\n> python a.py\nTraceback:\nKeyError: 'x'\n")
    "KeyError: 'x'"
    >>> last_line("Running stage 'a':\n> false\n")
    ''
    """
    for line in reversed(log_tail.split("\n")):
        if line.startswith("> "):
            return ""
        if line.strip():
            return line.strip()
    return ""


@dataclass(frozen=True, slots=True)
class Source:
    """What was executed: a commit's project tree, perhaps composed with other parts."""

    commit: CommitHash
    tree: TreeId  # of the commit
    branch: str  # short name from which the run was started, "" where none
    overrides: Mapping[str, ParamValue] = field(default_factory=dict)  # ParamKey text -> value
    swaps: Mapping[str, CommitHash] = field(default_factory=dict)  # see `dvc.composed`
    config: BlobId | None = None  # of the plan commit's config.yaml, where the tree has none


@dataclass(frozen=True, slots=True)
class PlanRef:
    """The plan under which a run was made."""

    name: str
    digest: PlanDigest


@dataclass(frozen=True, slots=True)
class Holdout:
    """By what the samples of a reported run were scored, after the fact: where no job could see."""

    command: Sha256  # of it
    # HMAC-SHA256 by the command over what it scored, and how: who has it can check that
    seal: Sha256


@dataclass(frozen=True, slots=True)
class Run:
    """The content of run.json."""

    id: RunId
    origin: Origin
    source: Source
    inputs: InputsDigest
    plan: PlanRef | None  # None: exploratory
    group: str  # joins the runs of one sweep, "" where alone
    engine: str
    author: Person
    started_at: datetime
    ended_at: datetime
    seeds: tuple[int, ...]  # as asked for, in order
    committed_seed: int
    repeats: tuple[Repeat, ...]
    params: Mapping[str, ParamValue]  # of the composed tree, flat, seed left out
    program: str  # "gitexp 0.1.0"
    sample_rows: int
    samples_sha256: str
    command: str = ""  # "call": the run call (and its --resume) this belongs to is `call`
    call: str = ""  # id shared by the runs of one `gitexp run`
    warnings: tuple[str, ...] = ()
    fixed_seeds: Mapping[str, int] = field(default_factory=dict)  # those of no repeat's choice
    drawn: bool = False  # on seeds that its plan drew: they pair with no others
    evaluator: str = ""  # digest of what its plan freezes, as it was executed
    once: tuple[OnceRecord, ...] = ()  # of the stages that its seeds do not reach
    snapshot_only: int | None = None  # seed of a repeat for the snapshot alone, which never counts
    observed: tuple[Observed, ...] = ()  # what repeats asked for, each set of it once
    holdout: Holdout | None = None  # of a reported run whose samples score what others have kept

    @property
    def is_holdout(self) -> bool:
        """Whether it scores repeats of other runs."""
        return self.holdout is not None and self.origin is Origin.REPORTED

    @property
    def own_repeats(self) -> tuple[Repeat, ...]:
        """All repeats but one for the snapshot alone."""
        return tuple(each for each in self.repeats if each.seed != self.snapshot_only)

    def own(self, samples: Iterable[Sample]) -> tuple[Sample, ...]:
        """Return the samples of these."""
        return tuple(each for each in samples if each.seed != self.snapshot_only)

    @property
    def fixed(self) -> tuple[tuple[str, int], ...]:
        """The seeds that keep their value, in an order of their own."""
        return tuple(sorted(self.fixed_seeds.items()))


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed Python distribution."""

    name: str  # PEP 503
    version: str
    fingerprint: str  # sha256 over the stable RECORD rows; "" where there is none
    path: str = ""  # relative to the repository, for one that lies inside it


@dataclass(frozen=True, slots=True)
class Environment:
    """What the environment digest covers, and nothing else."""

    implementation: str
    python: str
    abi: str
    platform: str
    libc: str
    distributions: tuple[Distribution, ...]  # sorted by name
