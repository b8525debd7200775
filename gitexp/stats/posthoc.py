"""Which groups differ: all pairs (Games-Howell) or each against a control (Dunnett)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gitexp.stats.groups import checked, one_way_anova
from gitexp.stats.studentized import many_to_one_sf, range_isf, range_sf
from gitexp.stats.ttests import welch_difference
from gitexp.stats.values import ALTERNATIVES, known, rate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Groups = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class WelchPair:
    """A difference of two groups with the pair's own degrees of freedom, p for all pairs."""

    difference: float
    df: float
    ci_low: float
    ci_high: float
    p_value: float


@dataclass(frozen=True, slots=True)
class AgainstControl:
    """A treatment minus the control, p-value for the family of all treatments."""

    difference: float
    statistic: float
    p_value: float


@dataclass(frozen=True, slots=True)
class GamesHowell:
    """Comparisons by "A - B", in the order of the groups."""

    comparisons: Mapping[str, WelchPair]


@dataclass(frozen=True, slots=True)
class Dunnett:
    """Comparisons by the treatment's name."""

    comparisons: Mapping[str, AgainstControl]


def games_howell(groups: Groups, *, alpha: float = 0.05) -> GamesHowell:
    """Compare all pairs of groups, whatever their variances.

    Parameters
    ----------
    groups : mapping of name to values
        Each with two values at least.
    alpha : float
        All intervals together have confidence 1 - alpha, approximately.

    Raises
    ------
    DesignError
        If alpha is no rate, there are fewer than two groups, one has fewer than two values or holds
        one that is not finite, or two groups both do not vary.

    References
    ----------
    .. [1] Games, P. A. and Howell, J. F. (1976). Pairwise multiple comparison procedures with
       unequal n's and/or variances. J. Educ. Stat. 1, 113-125. :doi:`10.3102/10769986001002113`
    """
    rate(alpha)
    values = dict(zip(groups, checked(groups, least=2), strict=True))
    k = len(values)
    comparisons = {}
    for (name_a, a), (name_b, b) in itertools.combinations(values.items(), 2):
        mean = welch_difference(a, b)
        reach = range_isf(alpha, k, mean.df) / math.sqrt(2) * mean.error
        comparisons[f"{name_a} - {name_b}"] = WelchPair(
            mean.estimate,
            mean.df,
            mean.estimate - reach,
            mean.estimate + reach,
            range_sf(abs(mean.estimate) / mean.error * math.sqrt(2), k, mean.df),
        )
    return GamesHowell(comparisons)


def dunnett_test(
    control: Sequence[float],
    groups: Groups,
    *,
    alternative: Literal["two-sided", "greater", "less"] = "two-sided",
) -> Dunnett:
    """Compare each treatment with one control, assuming equal variances.

    Parameters
    ----------
    control : sequence of float
    groups : mapping of name to values
        The treatments; one at least.
    alternative : {"two-sided", "greater", "less"}
        Of a treatment relative to the control.

    Raises
    ------
    DesignError
        If the alternative is unknown, besides the reasons of `groups.one_way_anova`.

    References
    ----------
    .. [1] Dunnett, C. W. (1955). A multiple comparison procedure for comparing several treatments
       with a control. J. Am. Stat. Assoc. 50, 1096-1121. :doi:`10.1080/01621459.1955.10501294`
    """
    known(alternative, ALTERNATIVES, "alternative")
    # the control's name must not collide with that of a treatment
    everything = {"": control, **{f"group {name}": group for name, group in groups.items()}}
    base, *treatments = checked(everything)
    anova = one_way_anova(everything)
    df = anova.df_within
    shares = [len(group) / (len(group) + len(base)) for group in treatments]
    comparisons = {}
    for name, group in zip(groups, treatments, strict=True):
        difference = float(group.mean() - base.mean())
        error = math.sqrt(anova.ss_within / df * (1 / len(group) + 1 / len(base)))
        statistic = difference / error
        extreme = {"two-sided": abs(statistic), "greater": statistic, "less": -statistic}
        p_value = many_to_one_sf(
            extreme[alternative], shares, df, two_sided=alternative == "two-sided"
        )
        comparisons[name] = AgainstControl(difference, statistic, p_value)
    return Dunnett(comparisons)
