"""One of several writers on one branch: ``python writer.py REPOSITORY NAME N`` records N times."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from gitexp.git.discovery import discover
from gitexp.git.transaction.transaction import TipView, publish
from gitexp.git.writing import Message
from gitexp.model.plan import Person

WRITER = Person("bench", "bench@example.invalid")


def main(repository: str, name: str, n_recordings: int) -> None:
    """Publish `n_recordings` commits, each with a file of its own, on main."""
    workspace = discover(Path(repository))
    for index in range(n_recordings):
        path = f"recorded/{name}-{index:03d}.json"

        def edit(_tip: TipView, path: str = path) -> dict[str, bytes]:
            return {path: b"{}\n"}

        publish(workspace, "main", edit, Message(f"record {path}", WRITER, datetime.now(UTC)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
