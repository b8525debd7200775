"""Where jobs run; one file an engine, one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gitexp.execution.engines.base import Engine


def _inline(slots: int) -> Engine:
    from gitexp.execution.engines.inline import InlineEngine

    del slots  # one after the other, whatever was asked
    return InlineEngine()


def _local(slots: int) -> Engine:
    from gitexp.execution.engines.local import LocalEngine

    return LocalEngine(slots)


ENGINES: Mapping[str, Callable[[int], Engine]] = {"inline": _inline, "local": _local}
"""Name -> maker of an engine that runs so many jobs at the same time."""
