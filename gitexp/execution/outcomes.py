"""Outcomes of a side: what its repeats came to, and how the message of a commit says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.model.metrics import summarise
from gitexp.model.run import RepeatState
from gitexp.report.escape import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.execution.record import Record
    from gitexp.execution.state import State
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import CommitHash
    from gitexp.model.job import Job, Outcome


@dataclass(frozen=True, slots=True)
class Ended:
    """One side of a call, executed."""

    state: State
    config: ProjectConfig  # the settings the side was executed with
    first: Job  # the job with every stage
    outcomes: Mapping[int, Outcome | None]  # by seed, in the order of execution

    def finished(self) -> list[Outcome]:
        """Return the outcomes of the repeats that finished."""
        return [
            outcome
            for outcome in self.outcomes.values()
            if outcome is not None and outcome.state is RepeatState.FINISHED
        ]


@dataclass(frozen=True, slots=True)
class PublishedCall:
    """What is in the repository now."""

    commit: CommitHash
    records: tuple[tuple[State, Record], ...]
    snapshot: str
    not_updated: tuple[str, ...]
    cleared: tuple[str, ...]  # stale locks of dead processes, in words


def _message(built: Sequence[tuple[Ended, Record]]) -> str:
    lines = []
    for ended, made in built:
        states = [repeat.state for repeat in made.run.repeats]
        good = states.count(RepeatState.FINISHED)
        name = ended.state.draft.plan.name if ended.state.draft.plan else "no plan"
        text = f"{ended.state.side} {good}/{len(states)} repeats"
        summary = _summary(made, ended.state.plan_metric)
        lines.append(visible(f"{text} ({name}){': ' + summary if summary else ''}"))
    head = f"gitexp run: {lines[0]}"
    ids = "\n".join(f"Gitexp-Run: {made.run.id}" for _, made in built)
    return "\n\n".join([head, *lines[1:], ids]) + "\n"


def _summary(made: Record, metric: str) -> str:
    """Return mean and standard deviation of one metric, for people; "" where there is none."""
    for found in summarise(made.samples):
        if found.metric == metric:
            spread = "" if found.sd is None else f" +- {found.sd:.2g}"
            return f"{metric} {found.mean:.4g}{spread}"
    return ""
