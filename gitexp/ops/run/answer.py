"""What a call of `run` answers: what was recorded, what was left alone, what to type next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.model.report import PlannedRun, RecordedRun, RunReport
from gitexp.model.run import RepeatState
from gitexp.ops.advice import seed_ranges
from gitexp.ops.run import situation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.model.request import RunRequest
    from gitexp.ops.run.prepare import Prepared
    from gitexp.ops.run.publish import PublishedCall
    from gitexp.ops.run.situation import Situation


def planned(seen: Situation) -> tuple[PlannedRun, ...]:
    """Return what would be executed, before the stages are known."""
    return tuple(
        PlannedRun(
            side=cell.side,
            commit=cell.commit,
            inputs=cell.inputs,
            seeds=choice.run,
            counting=choice.counting,
            spent=choice.spent,
            once=(),
            repeated=(),
            for_snapshot=choice.for_snapshot,
        )
        for cell, choice in seen.sides
    )


def with_stages(
    planned: Sequence[PlannedRun], prepared: Sequence[Prepared]
) -> tuple[PlannedRun, ...]:
    """Return the same with what is executed once, what for each seed, and what was left out."""
    stages = {each.state.side: each for each in prepared}
    return tuple(
        replace(
            each,
            seeds=stages[each.side].seeds,
            once=stages[each.side].state.once,
            repeated=tuple(sorted(stages[each.side].setting.seeded)),
        )
        if each.side in stages
        else replace(each, seeds=())
        for each in planned
    )


def report(  # noqa: PLR0913  the parts of the answer
    seen: Situation,
    planned: tuple[PlannedRun, ...],
    published: Sequence[PublishedCall],
    request: RunRequest,
    *,
    interrupted: bool,
    warnings: tuple[str, ...] = (),
) -> RunReport:
    """Return the answer of a call."""
    recorded = tuple(
        RecordedRun(state.side, record.run, record.samples)
        for each in published
        for state, record in each.records
    )
    heard = [text for each in recorded for repeat in each.run.repeats for text in repeat.warnings]
    return RunReport(
        branch=seen.branch,
        commit=published[-1].commit if published else None,
        planned=planned,
        recorded=recorded,
        snapshot=published[-1].snapshot if published else "",
        not_updated=tuple(path for each in published for path in each.not_updated),
        exploratory=seen.plan is None,
        interrupted=interrupted,
        dry_run=request.dry_run,
        warnings=(
            *warnings,
            *(text for each in published for text in each.cleared),
            *_mixed(recorded),
            *dict.fromkeys(heard),
        ),
        next_step=_next_step(seen, planned, request, recorded, interrupted=interrupted),
    )


def _mixed(recorded: Sequence[RecordedRun]) -> list[str]:
    """Say where an installation changed while the repeats went on."""
    return [
        f"the environment changed during run {each.run.id[:8]}: its repeats ran in "
        f"{len(found)} of them, and a comparison uses one"
        for each in recorded
        if len(found := {r.environment for r in each.run.repeats if r.environment}) > 1
    ]


def _next_step(
    seen: Situation,
    planned: Sequence[PlannedRun],
    request: RunRequest,
    recorded: Sequence[RecordedRun],
    *,
    interrupted: bool,
) -> str:
    if request.dry_run:
        return "the same without --dry-run"
    if interrupted:
        return _go_on(planned, request, recorded)
    if any(repeat.state.value != "finished" for each in recorded for repeat in each.run.repeats):
        return "gitexp logs"
    if seen.plan is None:
        return "gitexp new NAME, to record a hypothesis that runs can count for"
    sides = {each.side for each in planned} | {each.side for each in recorded}
    if request.params:
        step = "the same with --commit -m MESSAGE, to bring the branch to this state"
    elif situation.BASELINE not in sides:
        step = "gitexp run --with-baseline, or gitexp compare"
    else:
        step = "gitexp compare"
    return step


def _go_on(
    planned: Sequence[PlannedRun], request: RunRequest, recorded: Sequence[RecordedRun]
) -> str:
    """Return what runs the repeats that an interrupted call has left."""
    counts = not any(each.side == situation.EXPLORATORY for each in planned)
    if request.at is not None or request.params or (counts and request.seeds):
        return "the same again"
    if counts:
        return "gitexp run --with-baseline" if request.with_baseline else "gitexp run"
    done = {
        repeat.seed
        for each in recorded
        for repeat in each.run.repeats
        if repeat.state is RepeatState.FINISHED
    }
    left = [seed for each in planned for seed in each.seeds if seed not in done]
    return f"gitexp run --seeds {seed_ranges(dict.fromkeys(left))}"
