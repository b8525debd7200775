"""Progress of a run on stderr, and how often the user asked it to stop."""

from __future__ import annotations

import contextlib
import shutil
import signal
from typing import TYPE_CHECKING

from gitexp.cli.output import safe
from gitexp.model import dataclass, field
from gitexp.model.report import ProgressKind
from gitexp.report.numbers import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from gitexp.cli.output import Printer
    from gitexp.model.report import ProgressEvent

_GOING_ON = frozenset((ProgressKind.STARTED, ProgressKind.STAGE, ProgressKind.LOGGED))


@dataclass(slots=True)
class Reporter:
    """Takes events in their order."""

    printer: Printer
    live: bool
    _running: dict[str, str] = field(default_factory=dict)
    _last: str = ""

    def __call__(self, event: ProgressEvent) -> None:
        """Show one event."""
        if self.printer.quiet:
            return
        if event.kind in _GOING_ON:
            self._running[event.label] = ", ".join(filter(None, (event.stage, event.value)))
        elif event.kind in {ProgressKind.FINISHED, ProgressKind.FAILED}:
            self._running.pop(event.label, None)
            self._last = event.value or self._last
        if self.live:
            self._draw(event)
        elif event.kind not in _GOING_ON:
            self.printer.say(_line(event))

    def close(self) -> None:
        """Take the live line away."""
        if self.live and not self.printer.quiet:
            self.printer.talk("\r\x1b[K")

    def _draw(self, event: ProgressEvent) -> None:
        lasting = {ProgressKind.FAILED, ProgressKind.WARNING}
        if event.kind in lasting:
            self.printer.talk(f"\r\x1b[K{safe(_line(event))}\n")
        parts = [f"{event.done}/{event.total}"] if event.total else [event.message]
        for label, stage in self._running.items():
            parts.append(f"{label}: {stage}" if stage else label)
        if self._last:
            parts.append(self._last)
        if event.eta_s is not None and event.done < event.total:
            parts.append(f"{duration(event.eta_s)} left")
        width = shutil.get_terminal_size().columns - 1
        self.printer.talk("\r\x1b[K" + safe(" | ".join(parts))[:width])


def _line(event: ProgressEvent) -> str:
    match event.kind:
        case ProgressKind.FINISHED:
            tail = "" if event.eta_s is None else f", {duration(event.eta_s)} left"
            value = f": {event.value}" if event.value else ""
            return f"{event.done}/{event.total} {event.label}{value}{tail}"
        case ProgressKind.FAILED:
            where = f" in {event.stage}" if event.stage else ""
            return (
                f"{event.done}/{event.total} {event.label} did not finish{where}: {event.message}"
            )
        case ProgressKind.WARNING:
            return f"warning: {event.message}"
        case _:
            return event.message


@contextlib.contextmanager
def counted(said: Callable[[str], None]) -> Iterator[Callable[[], int]]:
    """Count SIGINT and SIGTERM, of which the third ends the process; give the count."""
    times = 0
    before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def count(number: int, frame: FrameType | None) -> None:
        nonlocal times
        del frame
        times += 1
        match times:
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
        yield lambda: times
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
