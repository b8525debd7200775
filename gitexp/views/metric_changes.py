"""Metrics of two states beside each other, as runs or as committed files have them; no test."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from gitexp.comparison.known_metrics import committed_metrics, direction_of, metrics_files
from gitexp.errors import GitexpError
from gitexp.model import replace
from gitexp.model.metrics import by_file, summarise
from gitexp.model.plan import Direction
from gitexp.model.views import MetricChange

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import CommitHash
    from gitexp.model.metrics import MetricSummary
    from gitexp.model.run import Sample


def files_of(repo: Repo, sides: Iterable[tuple[CommitHash, ProjectConfig]]) -> dict[str, None]:
    """Return the metrics files of either of two commits."""
    files: dict[str, None] = {}
    for commit, config in sides:
        with contextlib.suppress(GitexpError):  # then it has no metrics of its own
            files.update(dict.fromkeys(metrics_files(repo, commit, config)))
    return files


def committed(
    repo: Repo,
    sides: Sequence[tuple[CommitHash, ProjectConfig]],
    files: Iterable[str],
    *,
    cached: bool = True,
) -> tuple[tuple[MetricChange, ...], list[str]]:
    """Compare what metrics files say at two commits, and tell what cannot be read.

    `files`: of either, read of both; the first side says which way is better: what is to be merged
    may not choose how it looks. `cached`: those in DVC's cache, too.
    """
    read: list[dict[str, list[Sample]]] = []
    notes: list[str] = []
    wanted = tuple(files)
    for commit, config in sides:
        here = replace(config, metrics=wanted)
        try:
            samples, said = committed_metrics(repo, commit, here, cached=cached)
        except GitexpError as error:
            samples, said = {}, [error.brief]
        read.append(samples)
        notes += [f"metrics of {commit[:9]}: {text}" for text in said]
    having: dict[str, set[str]] = {}
    for file, sample in ((f, each) for side in read for f, some in side.items() for each in some):
        having.setdefault(sample.metric, set()).add(file)
    found = [
        summarise(
            each if len(having[each.metric]) == 1 else replace(each, metric=by_file(each.metric, f))
            for f, some in side.items()
            for each in some
        )
        for side in read
    ]
    return metric_changes(sides[0][1], *found), notes


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
