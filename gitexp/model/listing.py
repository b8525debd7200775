"""What `gitexp list` answers; few classes, since each costs its start a third of a millisecond."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model import dataclass

if TYPE_CHECKING:
    from datetime import datetime

    from gitexp.model.ids import ParamValue
    from gitexp.model.metrics import MetricSummary
    from gitexp.model.plan import Verdict


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A record that is there and cannot be read; shown beside the others."""

    what: str  # run id, or path of the file
    where: str  # branch or commit
    why: str


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A line of `gitexp list --runs`."""

    id: str
    branch: str
    experiment: str
    inputs: str
    environment: str
    state: str  # "finished 10/10", ...
    finished: int
    repeats: int
    author: str
    started_at: datetime
    params: tuple[tuple[str, ParamValue], ...]
    metrics: tuple[MetricSummary, ...]
    exploratory: bool  # under no plan that is there
    seeds: tuple[int, ...] = ()  # of finished repeats
    counts: tuple[int, ...] = ()  # of those that count, on either side of an experiment
    counted: tuple[MetricSummary, ...] = ()  # over these, where they are not all
    fetched: bool = False  # no branch here, and nothing archived here, has it


@dataclass(frozen=True, slots=True)
class ExperimentSummary:
    """A line of `gitexp list`."""

    name: str
    branch: str
    commit: str
    state: (
        # "planned", "running", "run", "concluded", "amended" and "changed" (that is, concluded
        # before plan, or inputs, were), "merged", "archived", "removed", "no plan"
        str
    )
    verdict: Verdict | None
    hypothesis: str
    metric: str
    runs: int
    finished: int  # repeats of the candidate that count, as `compare` counts them
    planned: int
    primary: MetricSummary | None
    author: str
    created_at: datetime | None
    baseline: str = ""  # as the plan's author typed it
    rewritten: str = ""  # whose its conclusion is as it stands, where it names another
    collapsed: str = ""  # what failed by the plan's own rule, and is in no mean
    source_lost: bool = False  # of a merged one: no ref leads to what ran (squashed, rebased)
    qualifier: str = ""  # of the verdict, as line 1 of a comparison has it
    archived: bool = False  # its branch is there, and an archive tag of this name as well


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
    repeats: int  # those that count; all finished ones where none does
    metrics: tuple[MetricSummary, ...]  # over these
    counts: bool = False
    fetched: bool = False  # others' runs, which are not part of one's own groups
