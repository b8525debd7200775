"""What the user asks of `gitexp new`, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.model.plan import ALPHA, OnFailed

if TYPE_CHECKING:
    from gitexp.model.config import ParamKey
    from gitexp.model.ids import CommitHash, ParamValue
    from gitexp.model.plan import Claim, Direction, Guard, Plan, Stopping
    from gitexp.model.power import PowerReport, Price


@dataclass(frozen=True, slots=True)
class NewRequest:
    """One call of `gitexp new`; None means: the default.

    Attributes
    ----------
    metric : str
        Name of the primary metric.
    direction : Direction or None
        None: as the settings or the metric's well-known name say.
    effect : str
        As typed, ``">=5%"``; its meaning needs the direction.
    here : bool
        Put the plan on the current branch instead of a new one.
    checkout : bool or None
        Switch to the new branch; None: where the work tree is clean.
    params : tuple of (ParamKey, ParamValue)
        Written into the params files of the first commit.
    """

    name: str
    hypothesis: str
    metric: str
    effect: str
    objective: str = ""
    direction: Direction | None = None
    claim: Claim | None = None
    alpha: float = ALPHA
    repeats: int | None = None
    guards: tuple[Guard, ...] = ()
    baseline: str = "HEAD"
    start: str | None = None
    evaluation: tuple[str, ...] = ()
    params: tuple[tuple[ParamKey, ParamValue], ...] = ()
    here: bool = False
    checkout: bool | None = None
    dry_run: bool = False
    stopping: Stopping | None = None
    on_failed: OnFailed = OnFailed.REFUSE


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
