"""Reviews: the rules over a range of commits, and each experiment against its base."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, assert_never

from gitexp.model import dataclass
from gitexp.model.plan import Verdict
from gitexp.model.rules import Policy, Violation
from gitexp.model.witness import Grade, OrderGrade

if TYPE_CHECKING:
    from datetime import datetime

    from gitexp.model.comparison import Comparison
    from gitexp.model.ids import CommitHash, PlanDigest

BOT: Final = "github-actions[bot]"  # who the token of a workflow is


class FailOn(enum.Enum):
    """What makes a review exit 1; each includes what stands before it."""

    NEVER = "never"
    RULES = "rules"  # a rule that weighs "error" is broken
    NO = "no"  # or an answer is no: refuted, equivalent, a guard-rail broken; also as concluded
    OPEN = "open"  # or an answer is missing


@dataclass(frozen=True, slots=True)
class End:
    """One end of the range, as it was typed and as Git knows it."""

    name: str
    commit: CommitHash


@dataclass(frozen=True, slots=True)
class Behind:
    """How far the baseline of an experiment is behind what it would be merged into."""

    commits: int
    other_inputs: bool | None  # None: it cannot be said


@dataclass(frozen=True, slots=True)
class RecordedBy:
    """Who recorded repeats of the candidate under the plan."""

    who: str  # made the commits
    runs: int
    seeds: tuple[int, ...]
    recorded_as: tuple[str, ...] = ()  # whom else the records name


@dataclass(frozen=True, slots=True)
class LackingData:
    """What its author concluded of an experiment that cannot be computed here without data.

    A no counts, as nobody gains by it. A yes does not: it would be on its author's word alone.
    """

    concluded: Verdict | None = None  # None where no conclusion stands
    no: bool = False  # whether that is a no


@dataclass(frozen=True, slots=True)
class ReviewedExperiment:
    """An experiment that the commits touch."""

    plan: CheckedPlan  # with the grade of its order
    hypothesis: str
    comparison: Comparison | None  # with the planned baseline
    problem: str = ""  # why there is no comparison; "" where there is one
    next_step: str = ""  # what to do about it
    behind: Behind | None = None  # None where the base never stood on the baseline
    recorded_by: tuple[RecordedBy, ...] = ()
    concluded: str | None = None  # the author's words; None without a conclusion
    lacking: LackingData | None = None  # where data that are not here are all that is lacking

    @property
    def name(self) -> str:
        """Its name, as the plan says it."""
        return self.plan.name

    @property
    def verdict(self) -> Verdict | None:
        """The verdict; None where nothing was tested."""
        return None if self.comparison is None else self.comparison.verdict

    @property
    def broken_guards(self) -> tuple[str, ...]:
        """Metrics whose guard-rail is broken."""
        return () if self.comparison is None else self.comparison.broken_guards


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs between the ends of a range, as people read it."""

    kind: str  # "metrics" | "params" | "data"
    what: str  # name, key or path
    before: str
    after: str
    by: str = ""  # of metrics


@dataclass(frozen=True, slots=True)
class Review:
    """The rules over what `head` has and `base` has not, and every experiment that it touches."""

    base: End
    head: End
    branch: str  # on which the commits are; "" where none is known
    commits: int
    violations: tuple[Violation, ...]
    experiments: tuple[ReviewedExperiment, ...]
    notes: tuple[str, ...]  # what could not be looked at, and why
    reviewed_at: datetime
    program: str
    # What differs where they touch no experiment: metrics as committed, parameters, data.
    changes: tuple[Difference, ...] = ()
    testing: str = ""  # what to type to test the first of the metrics

    def broken(self, policy: Policy) -> tuple[Violation, ...]:
        """Return the violations of one weight."""
        return tuple(item for item in self.violations if item.policy is policy)

    @property
    def word(self) -> str:
        """All of it in one word: a broken rule comes first, several verdicts are counted."""
        if self.broken(Policy.ERROR):
            return "rules broken"
        words = dict.fromkeys(
            "no verdict" if item.verdict is None else item.verdict.value
            for item in self.experiments
        )
        if not words:
            return "no experiment"
        return next(iter(words)) if len(words) == 1 else "several verdicts"

    def exit_code(self, fail_on: FailOn) -> int:
        """Return 1 where something is as it should not be, by the measure that was asked for."""
        found = [item.comparison for item in self.experiments if item.comparison is not None]
        broken = bool(self.broken(Policy.ERROR))
        no = any(each.exit_code == 1 for each in found)
        no = no or any(item.lacking is not None and item.lacking.no for item in self.experiments)
        open_ = any(item.verdict in _OPEN for item in self.experiments)
        match fail_on:
            case FailOn.NEVER:
                return 0
            case FailOn.RULES:
                return int(broken)
            case FailOn.NO:
                return int(broken or no)
            case FailOn.OPEN:
                return int(broken or no or open_)
        assert_never(fail_on)


_OPEN: Final = (None, Verdict.INCONCLUSIVE, Verdict.UNDECIDABLE, Verdict.NOT_COMPARABLE)


@dataclass(frozen=True, slots=True)
class CheckedPlan:
    """A plan among the commits, and how sure it is that it came first."""

    name: str
    digest: PlanDigest
    amended: int  # how often what binds was changed, before a run or after it
    runs: int  # under this plan
    order: OrderGrade

    @property
    def first(self) -> bool:
        """Whether the plan came before its runs, by whatever evidence."""
        return self.order.grade is not Grade.NONE


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What is broken in a range of commits."""

    branch: str  # "" where none is known: rules about branches were not asked
    base: CommitHash | None  # what the range is held against; None for all of its history
    tip: CommitHash
    commits: int
    violations: tuple[Violation, ...]
    plans: tuple[CheckedPlan, ...]
    notes: tuple[str, ...]  # what could not be looked at, and why

    def broken(self, policy: Policy) -> tuple[Violation, ...]:
        """Return the violations of one weight."""
        return tuple(item for item in self.violations if item.policy is policy)
