"""Waiting for what another process does: for the condition, with a limit that only a hang meets.

No other test reads a clock or sleeps: what takes how long depends on who else uses the machine.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_S = 300.0
PAUSE_S = 0.005

Found = TypeVar("Found")


def until(condition: Callable[[], Found], what: str = "what another process was to do") -> Found:
    """Return the first value of `condition` that is true."""
    end = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(PAUSE_S)
    return found
