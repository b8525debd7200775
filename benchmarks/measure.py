"""Time and memory of whole processes, two programs side by side in one run.

A bare number of seconds says more about the machine than about a program, so what is compared is
measured in turns: a, b, a, b, ... and the ratio is that of the medians.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

KIB = 1024
MAXRSS_UNIT_BYTES = 1 if sys.platform == "darwin" else KIB  # getrusage(2) differs there


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process cost."""

    seconds: float
    cpu_seconds: float  # on all processors, its children with it
    peak_bytes: int  # of the largest process among it and the children that it waited for


@dataclass(frozen=True, slots=True)
class Command:
    """A command line with the place where it runs."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    accepts: tuple[int, ...] = (0,)  # exit codes that are answers

    def once(self) -> Cost:
        """Run it to its end, its output thrown away.

        Raises
        ------
        RuntimeError
            If its exit code is no answer: a fast failure must not pass for a fast program.
        """
        with tempfile.TemporaryFile() as said:
            start = time.perf_counter()
            process = subprocess.Popen(
                self.argv,
                cwd=self.cwd,
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode not in self.accepts:
                said.seek(0)
                tail = said.read()[-2000:].decode(errors="replace")
                message = f"{' '.join(self.argv)}: exit code {process.returncode}\n{tail}"
                raise RuntimeError(message)
        cpu_seconds = usage.ru_utime + usage.ru_stime
        return Cost(seconds, cpu_seconds, usage.ru_maxrss * MAXRSS_UNIT_BYTES)


def median(command: Command, times: int) -> Cost:
    """Return the medians of `times` runs, after one that warms the caches up."""
    command.once()
    costs = [command.once() for _ in range(times)]
    return _median(costs)


def in_turns(ours: Command, theirs: Command, times: int) -> tuple[Cost, Cost]:
    """Return the medians of both, run alternately `times` times after one warming run each."""
    ours.once()
    theirs.once()
    pairs = [(ours.once(), theirs.once()) for _ in range(times)]
    return _median([pair[0] for pair in pairs]), _median([pair[1] for pair in pairs])


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.seconds for cost in costs),
        statistics.median(cost.cpu_seconds for cost in costs),
        int(statistics.median(cost.peak_bytes for cost in costs)),
    )
