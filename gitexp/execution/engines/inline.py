"""One job after the other, in the foreground: `poll` runs the next one to its end.

The worker stays in the terminal's process group, so Ctrl-C reaches it and it records itself as
cancelled. For small machines, and for looking at one repeat alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.execution.engines.local import WORKER, LocalEngine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.model.job import JobRef, JobState


class InlineEngine(LocalEngine):
    """The pool of one, which is waited for."""

    name = "inline"
    _own_session = False
    _pause_s = 0.005

    def __init__(self, command: Sequence[str] = WORKER) -> None:
        super().__init__(1, command)

    def poll(self, refs: Sequence[JobRef]) -> Mapping[str, JobState]:
        """Wait for the job that runs, then return the states; the next one has begun by then."""
        current = set(self._running)
        while current & set(self._running):
            states = super().poll(refs)
            if current & set(self._running):
                self.wait()
        return super().poll(refs) if not current else states
