"""Lets a second processor do half of a long reading: a forked child that answers in bytes.

Only for reading and only where it is safe: a process with one thread, on a system that can fork.
Whatever goes wrong in the child costs time, never an answer: the caller does the work itself.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def can_fork() -> bool:
    """Tell whether a second processor is free to be used in this process."""
    return hasattr(os, "fork") and threading.active_count() == 1 and _processors() > 1


def beside(work: Callable[[], bytes]) -> Callable[[], bytes | None]:
    """Start a piece of work in a child.

    `work`: returns its result as bytes; must not write anything that the parent has open. The
    result: waits for the result; None where the child failed.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "wb") as stream:
                stream.write(work())
            code = 0
        finally:
            os._exit(code)  # no handler of the parent's runs twice
    os.close(writing)

    def result() -> bytes | None:
        with os.fdopen(reading, "rb") as stream:
            data = stream.read()
        _, status = os.waitpid(child, 0)
        return data if status == 0 else None

    return result


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
