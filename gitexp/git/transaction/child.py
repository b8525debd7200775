"""A second processor does half of a long reading: a forked child that answers in rows of the index.

Only where it is safe; whatever goes wrong in it costs time, never an answer.
"""

from __future__ import annotations

import marshal
import os
import threading
from typing import TYPE_CHECKING, Final, TypeVar

from gitexp.git.transaction.cache import Index, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WORTH_A_CHILD: Final = 300  # things to read; a child costs 20 ms
_STARTED: Final = os.getpid()

_T = TypeVar("_T")
_Read = TypeVar("_Read")


def with_a_child(
    index: Index, items: Sequence[_T], read: Callable[[Index, Sequence[_T]], _Read]
) -> _Read:
    """Read things into the index, half of them by a child if they are many.

    Returns what was read here. What a child could not read, or is broken, is in no row.
    """
    if len(items) < _WORTH_A_CHILD or not can_fork():
        return read(index, items)
    half = len(items) // 2

    def work() -> bytes:
        own = Index(None)
        read(own, items[half:])
        return marshal.dumps({kind.value: dict(rows) for kind, rows in own.fresh()})

    result = in_child(work)
    found = read(index, items[:half])
    data = result()
    if data is not None:
        for number, rows in marshal.loads(data).items():  # noqa: S302  from our own child
            index.put(Kind(number), rows)
    return found


def can_fork() -> bool:
    """Tell whether a second processor is free to be used in this process."""
    return hasattr(os, "fork") and _alone() and _processor_count() > 1


def in_child(work: Callable[[], bytes]) -> Callable[[], bytes | None]:
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


def _processor_count() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _alone() -> bool:
    return threading.active_count() == 1 and os.getpid() == _STARTED
