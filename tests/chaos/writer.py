"""Another person at the same branch: ``python -m tests.chaos.writer REPOSITORY BRANCH NUMBER``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.git.discovery import discover
from gitexp.git.transaction import layout, transaction
from gitexp.git.writing import Message
from tests.lab.publisher import ADA, NOW
from tests.lab.recorded import a_run, run_files, run_id

if TYPE_CHECKING:
    from gitexp.git.transaction.transaction import TipView

NOTES = 4  # each so many-th commit is a person's, which `sync` has to merge; the others are records


def main() -> None:
    """Add a record or a note, in a commit of its own."""
    repository, branch, number = sys.argv[1:]
    path = path_of(int(number))

    def edit(view: TipView) -> dict[str, bytes]:
        if int(number) % NOTES == 0:
            return {path: number.encode()}
        return run_files(*a_run(int(number), commit=view.commit))

    transaction.publish(
        discover(Path(repository)), branch, edit, Message(f"no. {number}", ADA, NOW)
    )


def path_of(number: int) -> str:
    """Return a path that the writer adds."""
    if number % NOTES == 0:
        return f".gitexp/notes/{number}"
    return layout.run_json(run_id(number))


if __name__ == "__main__":
    main()
