"""What `gitexp list` answers; few classes, since each costs its start a third of a millisecond."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitexp.model.comparison import ExperimentSummary, MetricSummary, RunSummary
    from gitexp.model.ids import ParamValue


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A record that is there and cannot be read; shown beside the others."""

    what: str  # run id, or path of the file
    where: str  # branch or commit
    why: str


@dataclass(frozen=True, slots=True)
class ExperimentList:
    """The answer of `gitexp list`."""

    experiments: tuple[ExperimentSummary, ...]
    unreadable: tuple[UnreadableRecord, ...] = ()
    shallow: bool = False  # older history is not in this clone


@dataclass(frozen=True, slots=True)
class RunList:
    """The answer of `gitexp list --runs`."""

    runs: tuple[RunSummary, ...]
    unreadable: tuple[UnreadableRecord, ...] = ()
    shallow: bool = False  # older history is not in this clone


@dataclass(frozen=True, slots=True)
class RunGroup:
    """Runs that share a value of what `--group-by` names."""

    key: tuple[tuple[str, ParamValue], ...]  # (name, value) of each thing grouped by
    runs: int
    repeats: int  # finished ones
    metrics: tuple[MetricSummary, ...]  # over the repeats of all these runs
