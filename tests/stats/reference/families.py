"""Named tests of several groups or blocks and of their pairs, under the names that cases give."""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from gitexp.errors import DesignError
from gitexp.stats import groups
from gitexp.stats.distributions import range_isf
from gitexp.stats.hypotheses import family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Numbers = dict[str, object]
Groups = dict[str, list[float]]
Table = list[list[float]]


def omega_squared(**case: Groups) -> Numbers:
    return {"estimate": groups.omega_squared(**case)}


def tukey_hsd(groups: Mapping[str, Sequence[float]], *, alpha: float = 0.05) -> Numbers:
    found = stats.tukey_hsd(*groups.values())
    limits = found.confidence_interval(1 - alpha)
    return {
        "comparisons": {
            f"{a} - {b}": {
                "difference": found.statistic[i, j],
                "ci_low": limits.low[i, j],
                "ci_high": limits.high[i, j],
                "p_value": found.pvalue[i, j],
            }
            for (i, a), (j, b) in itertools.combinations(enumerate(groups), 2)
        }
    }


def games_howell(**case: object) -> Numbers:
    pairs = groups.games_howell(**case)
    return {"comparisons": {f"{a} - {b}": asdict(each) for (a, b), each in pairs.items()}}


def dunnett_test(*, alternative: str = "two-sided", **case: object) -> Numbers:
    assert alternative == "two-sided"
    found = groups.dunnett_test(**case)
    return {"comparisons": {name: asdict(each) for name, each in found.items()}}


def iman_davenport_test(
    table: Table,
    treatments: list[str],
    *,
    higher_is_better: bool = True,
    tie_correction: bool = True,
) -> Numbers:
    """Papers often print the chi-squared without the correction for ties."""
    found = groups.friedman_test(table, treatments, higher_is_better=higher_is_better)
    n, k = len(table), len(treatments)
    chi_squared = found.statistic
    if not tie_correction:
        spread = ((n * np.array(found.mean_ranks) - n * (k + 1) / 2) ** 2).sum()
        chi_squared = 12 * spread / (n * k * (k + 1))
    return {"chi_squared": chi_squared, **asdict(groups.davenport(chi_squared, n, k))}


def nemenyi_critical_difference(
    n_treatments: int, n_blocks: int, *, alpha: float = 0.05
) -> Numbers:
    difference = groups.nemenyi_critical_difference(n_treatments, n_blocks, alpha=alpha)
    q = range_isf(alpha, n_treatments, math.inf) / math.sqrt(2)
    return {"q_alpha": q, "critical_difference": difference}


def nemenyi_test(table: Table, treatments: list[str], *, higher_is_better: bool = True) -> Numbers:
    ranks = groups.friedman_test(table, treatments, higher_is_better=higher_is_better).mean_ranks
    names = [f"{a} vs {b}" for a, b in itertools.combinations(treatments, 2)]
    p_values = dict(zip(names, groups.nemenyi_test(ranks, len(table)), strict=True))
    return {"p_values": p_values, "mean_ranks": ranks}


def friedman_vs_control(
    table: Table, treatments: list[str], *, control: str, higher_is_better: bool = True
) -> Numbers:
    if control not in treatments:
        raise DesignError("the control is not among the treatments", found=control)
    found = groups.friedman_test(table, treatments, higher_is_better=higher_is_better)
    ranks = dict(zip(treatments, found.mean_ranks, strict=True))
    others = [name for name in treatments if name != control]
    z = groups.z_against_control([ranks[name] for name in (control, *others)], len(table))
    p_values = (2 * stats.norm.sf(np.abs(z))).tolist()
    columns = {"z": z, "p_values": p_values, "holm_adjusted_p_values": family(p_values, "holm")}
    return {key: dict(zip(others, column, strict=True)) for key, column in columns.items()}
