"""Metrics of two states beside each other, as runs or as committed files have them; no test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.comparison.known_metrics import committed_metrics, direction_of
from gitexp.errors import GitexpError
from gitexp.model.metrics import summarise
from gitexp.model.plan import Direction
from gitexp.model.views import MetricChange

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import CommitHash
    from gitexp.model.metrics import MetricSummary


def committed(
    repo: Repo, sides: Sequence[tuple[CommitHash, ProjectConfig]], *, cached: bool = True
) -> tuple[tuple[MetricChange, ...], list[str]]:
    """Compare what the metrics files of two commits say, and tell what cannot be read.

    `cached`: those in DVC's cache, too.
    """
    found, notes = [], list[str]()
    for commit, config in sides:
        try:
            samples, said = committed_metrics(repo, commit, config, cached=cached)
        except GitexpError as error:
            samples, said = (), [error.brief]
        found.append(summarise(samples))
        notes += [f"metrics of {commit[:9]}: {text}" for text in said]
    return metric_changes(sides[1][1], *found), notes


def metric_changes(
    config: ProjectConfig, one: Sequence[MetricSummary], other: Sequence[MetricSummary]
) -> tuple[MetricChange, ...]:
    """Return each metric of either side; `config` says which way is better, else a usual name."""
    left = {item.metric: item for item in one}
    right = {item.metric: item for item in other}
    changes = []
    for name in sorted(left.keys() | right.keys()):
        a, b = left.get(name), right.get(name)
        difference = None if a is None or b is None else b.mean - a.mean
        way, better = direction_of(name, config), None
        if way is not None and difference:
            better = (difference > 0) is (way is Direction.MAX)
        changes.append(MetricChange(name, a, b, difference, better))
    return tuple(changes)
