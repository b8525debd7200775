"""What `check` answers: what is broken, and how sure the order of each plan is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.model.order import Grade

if TYPE_CHECKING:
    from gitexp.model.ids import CommitHash, PlanDigest
    from gitexp.model.order import OrderGrade
    from gitexp.model.rules import Policy, Violation


@dataclass(frozen=True, slots=True)
class CheckedPlan:
    """A plan among the commits, and how sure it is that it came first."""

    name: str
    digest: PlanDigest
    amended: int  # how often what binds was changed after a run
    runs: int  # under this plan
    order: OrderGrade

    @property
    def first(self) -> bool:
        """Whether the plan came before its runs, by whatever evidence."""
        return self.order.grade is not Grade.NONE


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What is broken in a range of commits.

    Attributes
    ----------
    branch : str
        "" where none is known: rules about branches were not asked.
    base : CommitHash or None
        What the range is held against; None for all of its history.
    notes : tuple of str
        What could not be looked at, and why.
    """

    branch: str
    base: CommitHash | None
    tip: CommitHash
    commits: int
    violations: tuple[Violation, ...]
    plans: tuple[CheckedPlan, ...]
    notes: tuple[str, ...]

    def broken(self, policy: Policy) -> tuple[Violation, ...]:
        """Return the violations of one weight."""
        return tuple(item for item in self.violations if item.policy is policy)
