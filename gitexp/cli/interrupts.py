"""Counts how often the user pressed Ctrl-C: once asks to stop, twice to kill."""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


@dataclass(slots=True)
class _Counter:
    times: int = 0

    def __call__(self) -> int:
        return self.times


@contextlib.contextmanager
def counted(said: Callable[[str], None]) -> Iterator[Callable[[], int]]:
    """Count SIGINT and SIGTERM instead of being ended by them.

    The result: returns how often it happened; a third time ends the process as usual.
    """
    counter = _Counter()
    before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def count(number: int, frame: FrameType | None) -> None:
        del frame
        counter.times += 1
        match counter.times:
            case 1:
                said("stopping: finished repeats are kept; press Ctrl-C again to kill")
            case 2:
                said("killing what still runs")
            case _:
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)

    for each in (signal.SIGINT, signal.SIGTERM):
        before[each] = signal.signal(each, count)
    try:
        yield counter
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
