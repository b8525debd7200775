"""Reports: what `gitexp new`, `amend-plan` and `run` answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.model.run import RepeatState
from gitexp.model.summary import summarise

if TYPE_CHECKING:
    from gitexp.errors import GitexpError
    from gitexp.model.ids import CommitHash, InputsDigest, ParamValue, PlanDigest
    from gitexp.model.plan import Plan
    from gitexp.model.power import PowerReport, Price
    from gitexp.model.run import Run, Sample
    from gitexp.model.summary import MetricSummary


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


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """One run of a call, with what was recorded of it."""

    side: str  # "candidate" | "baseline" | "exploratory"
    run: Run
    samples: tuple[Sample, ...]

    @property
    def metrics(self) -> tuple[MetricSummary, ...]:
        """Return each metric over the seeds, as `gitexp list` shows it."""
        return summarise(self.samples)


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
class RunReport:
    """The outcome of one `gitexp run`.

    Attributes
    ----------
    branch : str
        Where the runs were recorded.
    commit : CommitHash or None
        The recording commit; None where nothing was recorded (a dry run, nothing lacking).
    planned, recorded : tuple
    snapshot : str
        Whether dvc.lock and metrics were written, in words.
    not_updated : tuple of str
        Paths of work trees that were left as they were, each with the reason.
    exploratory : bool
        There is no plan on the branch.
    interrupted : bool
    next_step : str
    python : str
        The interpreter that the commands found first on their PATH.
    verdict : str
        Of the last look, where the run went on until the hypothesis was decided.
    stopped : GitexpError or None
        Why repeats were not begun that would have said nothing: the seed does not act.
    """

    branch: str
    commit: CommitHash | None
    planned: tuple[PlannedRun, ...]
    recorded: tuple[RecordedRun, ...]
    snapshot: str
    not_updated: tuple[str, ...]
    exploratory: bool
    interrupted: bool
    dry_run: bool
    warnings: tuple[str, ...]
    next_step: str
    python: str = ""
    verdict: str = ""
    stopped: GitexpError | None = None

    @property
    def failed(self) -> bool:
        """Whether a recorded repeat did not finish."""
        return any(
            repeat.state is not RepeatState.FINISHED
            for each in self.recorded
            for repeat in each.run.repeats
        )
