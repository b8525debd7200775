"""What a record contradicts by itself: pure, and light enough for a hook."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan
    from gitexp.model.run import Run

CLOCKS: Final = timedelta(hours=1)  # by which those of honest machines differ


def by_itself(run: Run, plan: Plan | None, holds: Callable[[CommitHash, str], bool]) -> str:
    """Return what a record contradicts without a look at anything else.

    `holds`: whether a commit has the plan of that name: asked where the times alone would say no.
    """
    times = [(run.started_at, run.ended_at), *((r.started_at, r.ended_at) for r in run.repeats)]
    if any(begun and ended and ended < begun for begun, ended in times):
        return "it ended before it began"
    if not {item.seed for item in run.repeats} <= set(run.seeds):
        return "it has repeats of seeds that nobody asked for"
    if plan is None or run.plan is None or not plan.covers(run.plan.name, run.plan.digest):
        return ""
    made = plan.amended[-1].at if plan.amended else plan.created_at
    if run.started_at < made:
        # Two machines have two clocks, and the graph has none: what began from a commit with the
        # plan began after it. So did the baseline's, as far as anybody can tell.
        source = run.source.commit
        late = made - run.started_at <= CLOCKS
        if late and (source == plan.baseline.commit or holds(source, run.plan.name)):
            return ""
        return f"it began {run.started_at:%Y-%m-%d %H:%M:%S}, before its plan was there"
    return ""
