"""More than two commits at once: whether they differ at all, and which of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitexp.model.plan import Direction
    from gitexp.model.result import EffectSize, Interval


@dataclass(frozen=True, slots=True)
class Group:
    """One commit: its name as typed, how many values it has and their mean.

    Attributes
    ----------
    rank : float or None
        Mean rank over the blocks, 1 is best; None without blocks.
    """

    name: str
    n: int
    mean: float
    rank: float | None = None


@dataclass(frozen=True, slots=True)
class Omnibus:
    """One test of the null that all commits are alike.

    Attributes
    ----------
    df1, df2 : float or None
        Degrees of freedom, where the statistic has any.
    planned : bool
        Whether the design chose this one; others stand beside it.
    """

    test: str  # "welch-anova", "friedman", ...
    title: str
    statistic: float
    p_value: float
    df1: float | None = None
    df2: float | None = None
    planned: bool = False


@dataclass(frozen=True, slots=True)
class Pairwise:
    """One commit against another within a family of comparisons.

    Attributes
    ----------
    first, second : str
        Names of commits; the difference is that of `first` minus `second`.
    difference : float
        Of means, or of mean ranks (rank 1 is the best).
    interval : Interval or None
        Simultaneous over the family, where the procedure has one.
    p_value : float
        Two-sided, adjusted for the family.
    """

    first: str
    second: str
    difference: float
    interval: Interval | None
    p_value: float


@dataclass(frozen=True, slots=True)
class Family:
    """A set of comparisons whose error rate is held together."""

    test: str  # "dunnett", "games-howell", "nemenyi", ...
    title: str
    among: str  # "each against the baseline", "all pairs"
    pairs: tuple[Pairwise, ...]


@dataclass(frozen=True, slots=True)
class AcrossMetric:
    """One metric of all commits.

    Attributes
    ----------
    design : str
        "repeats as independent groups", "repeats blocked by seed", "repeats crossed with
        examples", "data sets", "examples"
    groups : tuple of Group
        The baseline first.
    sizes : tuple of EffectSize
        Share of the variation that lies between commits.
    critical_difference : float or None
        By which mean ranks have to differ, among all pairs.
    """

    metric: str
    direction: Direction | None
    design: str
    alpha: float
    groups: tuple[Group, ...]
    omnibus: tuple[Omnibus, ...]
    families: tuple[Family, ...]
    sizes: tuple[EffectSize, ...] = ()
    critical_difference: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Across:
    """What one call says about all its commits together; it decides no verdict.

    Attributes
    ----------
    names : tuple of str
        As typed, the baseline first.
    reason : str
        Why nothing could be tested together; "" if something was.
    """

    names: tuple[str, ...]
    metrics: tuple[AcrossMetric, ...]
    reason: str = ""
