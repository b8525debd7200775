"""What a record contradicts by itself: pure, and light enough for a hook."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitexp.model.plan import Plan
    from gitexp.model.run import Run


def by_itself(run: Run, plan: Plan | None) -> str:
    """Return what a record contradicts without a look at anything else."""
    times = [(run.started_at, run.ended_at), *((r.started_at, r.ended_at) for r in run.repeats)]
    if any(begun and ended and ended < begun for begun, ended in times):
        return "it ended before it began"
    if not {item.seed for item in run.repeats} <= set(run.seeds):
        return "it has repeats of seeds that nobody asked for"
    if plan is None or run.plan is None or not plan.covers(run.plan.name, run.plan.digest):
        return ""
    made = plan.amended[-1].at if plan.amended else plan.created_at
    if run.started_at < made:
        return f"it began {run.started_at:%Y-%m-%d %H:%M:%S}, before its plan was there"
    return ""
