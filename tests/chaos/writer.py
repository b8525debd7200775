"""Another person at the same branch: ``python -m tests.chaos.writer REPOSITORY BRANCH NAME``."""

from __future__ import annotations

import sys
from pathlib import Path

from gitexp.git.discovery import discover
from gitexp.store import transaction
from tests.store.publisher import ADA, NOW


def main() -> None:
    """Add one file outside of what counts, in a commit of its own."""
    repository, branch, name = sys.argv[1:]
    transaction.publish(
        discover(Path(repository)),
        branch,
        lambda _: {path_of(name): name.encode()},
        message=f"note {name}",
        author=ADA,
        now=NOW,
    )


def path_of(name: str) -> str:
    """Return the path that the writer adds."""
    return f".gitexp/notes/{name}"


if __name__ == "__main__":
    main()
