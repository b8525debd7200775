"""What the user asks of `gitexp amend-plan`, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitexp.model.ids import CommitHash, ParamValue, PlanDigest
    from gitexp.model.plan import Claim, Direction, Guard, OnFailed, Plan, Stopping


@dataclass(frozen=True, slots=True)
class Terms:
    """What binds in a plan, as far as it shall change; None: as it is.

    Attributes
    ----------
    effect : str or None
        As typed, ``">=5%"``; its meaning needs the direction.
    guards : tuple of Guard or None
        All of them; empty takes them away.
    """

    claim: Claim | None = None
    metric: str | None = None
    direction: Direction | None = None
    effect: str | None = None
    alpha: float | None = None
    repeats: int | None = None
    baseline: str | None = None
    guards: tuple[Guard, ...] | None = None
    stopping: Stopping | None = None
    on_failed: OnFailed | None = None


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
