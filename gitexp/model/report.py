"""Reports of `new`, `amend-plan`, `run`, `conclude`, `doctor`, `maintenance`, and progress."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from gitexp.model import dataclass
from gitexp.model.metrics import MetricSummary, summarise
from gitexp.model.run import RepeatState, Run, Sample

if TYPE_CHECKING:
    from gitexp.errors import GitexpError
    from gitexp.model.comparison import Conclusion
    from gitexp.model.design import PowerReport, Price
    from gitexp.model.ids import CommitHash, InputsDigest, ParamValue, PlanDigest
    from gitexp.model.plan import Plan
    from gitexp.model.sharing import EndReport

KEEP: Final = 20  # recorded runs, the newest, whose job folders `maintenance` leaves


@dataclass(frozen=True, slots=True)
class NewReport:
    """What `gitexp new` made, or would make."""

    plan: Plan
    commit: CommitHash | None  # None for a dry run
    price: Price
    checked_out: bool
    dry_run: bool
    promise: str  # the effect as a sentence
    warnings: tuple[str, ...]
    next_step: str
    power: PowerReport | None = None  # None: no spread is known, or the claim is about two models
    evaluator: str = ""  # what of it is frozen, or why it is not; "" of a plan that freezes nothing


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that bound otherwise before."""

    name: str
    old: ParamValue
    new: ParamValue


@dataclass(frozen=True, slots=True)
class AmendReport:
    """What `gitexp amend-plan` wrote, or would write."""

    plan: Plan
    before: PlanDigest
    terms: tuple[Term, ...]
    runs: int  # under the plan before
    commit: CommitHash | None  # None for a dry run
    dry_run: bool
    not_updated: tuple[str, ...]
    spent: tuple[int, ...] = ()  # seeds that the candidate as it is had finished before
    warnings: tuple[str, ...] = ()
    enough: int = 0  # repeats that could decide, where those that are planned cannot

    @property
    def next_step(self) -> str:
        """What to type next."""
        if self.enough:
            again = "the same with" if self.dry_run else "gitexp amend-plan"
            return f"{again} --repeats {self.enough}{'' if self.dry_run else ' --why TEXT'}"
        then = "gitexp run --with-baseline" if self.terms else "gitexp status"
        return "the same without --dry-run" if self.dry_run else then


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """One run of a call, with what was recorded of it."""

    side: str  # "candidate" | "baseline" | "exploratory"
    run: Run
    samples: tuple[Sample, ...]

    @property
    def metrics(self) -> tuple[MetricSummary, ...]:
        """Return each metric over the seeds, as `gitexp list` shows it."""
        return summarise(self.run.own(self.samples))


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """What would be, or was to be, executed for one side."""

    side: str
    commit: CommitHash
    inputs: InputsDigest
    seeds: tuple[int, ...]  # to run now
    counting: tuple[int, ...]  # seeds that count already
    spent: tuple[int, ...]  # seeds that cannot count any more
    once: tuple[str, ...]  # stages run once
    repeated: tuple[str, ...]  # stages run for each seed
    for_snapshot: int | None = None  # the one of `seeds` that adds no sample


@dataclass(frozen=True, slots=True)
class SideSoFar:
    """What counts of a side after a call, of whichever call it is."""

    side: str
    repeats: int
    planned: int
    primary: MetricSummary | None


@dataclass(frozen=True, slots=True)
class RunReport:
    """The outcome of one `gitexp run`."""

    branch: str  # where the runs were recorded
    # The recording commit; None where nothing was recorded (a dry run, nothing lacking).
    commit: CommitHash | None
    planned: tuple[PlannedRun, ...]
    recorded: tuple[RecordedRun, ...]
    snapshot: str  # whether dvc.lock and metrics were written, in words
    # Paths of work trees that were left as they were, each with the reason.
    not_updated: tuple[str, ...]
    exploratory: bool  # there is no plan on the branch
    interrupted: bool
    dry_run: bool
    warnings: tuple[str, ...]
    next_step: str
    python: str = ""  # the interpreter that the commands found first on their PATH
    verdict: str = ""  # of the last look, where the run went on until the hypothesis was decided
    # Why repeats were not begun: the seed does not act, or another environment binds theirs.
    stopped: GitexpError | None = None
    waiting: bool = False  # whether a pair waits for another environment
    exit_code: int = 0  # of `verdict`, as `compare` has it
    sides: tuple[SideSoFar, ...] = ()  # under a plan

    @property
    def failed(self) -> bool:
        """Whether a recorded repeat neither finished nor was made good.

        What a killed call was interrupted in, and this one had no need to run, is made good.
        """
        asked = {(each.side, seed) for each in self.planned for seed in each.seeds}
        ended = [
            ((each.side, item.seed), item) for each in self.recorded for item in each.run.repeats
        ]
        good = {key for key, item in ended if item.state is RepeatState.FINISHED}
        return any(
            key not in good and (key in asked or not item.interrupted) for key, item in ended
        )


class ProgressKind(enum.Enum):
    """What just happened."""

    STEP = "step"  # a step of ours began: `message`
    STARTED = "started"  # a repeat was started
    STAGE = "stage"  # a running repeat entered another stage
    LOGGED = "logged"  # a running repeat logged metrics: `value`
    FINISHED = "finished"  # a repeat finished
    FAILED = "failed"  # a repeat failed, was cancelled or lost
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One piece of news."""

    kind: ProgressKind
    message: str = ""
    label: str = ""  # which repeat, for people: "candidate seed 42"
    stage: str = ""
    done: int = 0  # repeats over all sides
    total: int = 0
    # Value of the primary metric, "f1 0.6123", or ""; of `LOGGED` the latest values.
    value: str = ""
    eta_s: float | None = None  # seconds that are probably left; None while that is not known


class Level(enum.Enum):
    """How much a finding matters."""

    PROBLEM = "problem"  # something stands in the way, is damaged, or waits to be recorded
    NOTE = "note"  # harmless; good to know


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is not as it should be."""

    check: str  # name of the check that found it
    what: str  # one line: what it is, and how it came about where that is known
    where: str  # file, ref or commit
    remedy: str  # what to type, or what ``--fix`` does
    fixable: bool = False  # whether ``--fix`` may: it is proved that nothing is lost by it
    level: Level = Level.PROBLEM
    cleared: bool = False  # ``--fix`` has
    said: str = ""  # what clearing it came to, or why it failed
    step: str = ""  # what to type, where that does more than ``--fix``


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The answer of `gitexp doctor`."""

    checks: tuple[str, ...]  # names, in the order in which they were made
    findings: tuple[Trouble, ...]

    @property
    def left(self) -> int:
        """Number of problems that are still there."""
        return sum(1 for f in self.findings if f.level is Level.PROBLEM and not f.cleared)


@dataclass(frozen=True, slots=True)
class RepositorySize:
    """How much of what a repository holds; bytes on the disk."""

    loose_objects: int
    loose_bytes: int
    packs: int
    pack_bytes: int
    loose_refs: int
    job_folders: int
    job_bytes: int


@dataclass(frozen=True, slots=True)
class MaintenanceReport:
    """The answer of `gitexp maintenance`."""

    before: RepositorySize
    after: RepositorySize
    done: tuple[str, ...]  # one line a step, in its order
    removed: tuple[str, ...]  # job folders, by run
    dry_run: bool


@dataclass(frozen=True, slots=True)
class ConcludeReport:
    """What `gitexp conclude` wrote, or would write."""

    conclusion: Conclusion
    branch: str
    commit: CommitHash | None  # None for a dry run
    replaced: bool  # an earlier conclusion; it stays in the history
    dry_run: bool
    not_updated: tuple[str, ...]
    archived: EndReport | None = None  # where that was asked for
    # that main has other inputs by now than the baseline, and what asks it of main
    moved: tuple[str, str] = ("", "")
    abandon: str = ""  # what to type where the verdict speaks against its code
