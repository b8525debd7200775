"""What something costs, counted: no machine is too slow for it, and no test depends on a clock."""

from __future__ import annotations

import sys
import tracemalloc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def cost(work: Callable[[], object]) -> tuple[int, int]:
    """Return how many calls something takes, and how many bytes at once."""
    count = 0

    def seen(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    tracemalloc.start()
    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(None)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return count, peak
