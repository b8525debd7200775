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
        # before plan, or inputs, were), "merged", "archived", "removed", "no plan"; `standing` has
        # the words for people
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
    partners: int = 0  # repeats of the baseline that count
    merged: bool = False  # main has all records of its branch
    remote: str = ""  # that it was fetched from, where neither a branch nor main here has it

    @property
    def standing(self) -> str:
        """Where it stands, in words."""
        verdict = "" if self.verdict is None else self.verdict.value
        answer = "; ".join(filter(None, (verdict, self.qualifier.partition(": ")[0])))
        is_merged = self.merged and self.state in {"run", "concluded"}
        state = "merged" if is_merged else self.state
        word = standing(state, answer, (self.finished, self.partners), self.planned)
        return f"{word}, on {self.remote}" if self.remote else word


def standing(state: str, answer: str, counts: tuple[int, int], planned: int) -> str:
    """Return where an experiment stands, as every answer says it.

    `answer`: the verdict of its conclusion, "" without one. `counts`: repeats of candidate and
    baseline.

    >>> standing("run", "", (6, 10), 10), standing("run", "", (10, 10), 10)
    ('6/10', 'ready')
    >>> standing("run", "", (10, 4), 10)
    '10/10, baseline 4/10'
    >>> standing("concluded", "refuted", (10, 10), 10), standing("merged", "refuted", (0, 0), 10)
    ('refuted', 'refuted, merged')
    """
    finished, partners = counts
    match state:
        case "run" if finished < planned:
            return f"{finished}/{planned}"
        case "run" if partners < planned:
            beside = f", baseline {partners}/{planned}" if partners else ""
            return f"{finished}/{planned}{beside}"
        case "run":
            return "ready"
        case "concluded":
            return answer or state
        case "changed" | "amended":
            return f"concluded, then {state}"
        case _:
            return f"{answer}, {state}" if answer else state


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
