"""A process that publishes commits, for tests that kill it or let two of them race.

    python -m tests.lab.publisher REPOSITORY BRANCH PREFIX COUNT [FIFO]

Each commit adds ``.gitexp/runs/PREFIX-N/run.json`` and appends a line to ``log.txt``.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.git.discovery import discover
from gitexp.git.transaction import transaction
from gitexp.git.writing import Message
from gitexp.model.ids import ABSENT
from gitexp.model.plan import Person
from tests.lab.build import git_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.git.transaction.transaction import Published, TipView
    from gitexp.git.writing import Content

ROOT = Path(__file__).parents[2]
NOW = datetime(2024, 2, 1, 12, tzinfo=UTC)
ADA = Person("Ada Lovelace", "ada@example.org")


def add(repository: Path, branch: str, name: str, *, size: int = 0) -> Published:
    """Publish one commit that adds a file of its own and appends a line to a shared one."""

    def edit(view: TipView) -> Mapping[str, Content]:
        log = view.read("log.txt")
        before = b"" if log is ABSENT else log
        return {
            f".gitexp/runs/{name}/run.json": f'{{"id": "{name}"}}\n'.encode(),
            "log.txt": before + name.encode() + b"\n",
            **({"big.bin": os.urandom(size)} if size else {}),
        }

    return transaction.publish(
        discover(repository), branch, edit, Message(f"gitexp run: {name}", ADA, NOW)
    )


def start(*args: str | Path, failpoint: str = "", **environment: str) -> subprocess.Popen[str]:
    """Start this file as a process of its own."""
    env = git_environment() | {"PYTHONPATH": str(ROOT), "HOME": os.environ["HOME"]} | environment
    if failpoint:
        env |= {"GITEXP_TESTING": "1", "GITEXP_FAILPOINT": failpoint}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.lab.publisher", *map(str, args)],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def main() -> int:
    # a shell's background job inherits that Ctrl-C is ignored, and so would a suite started as one
    signal.signal(signal.SIGINT, signal.default_int_handler)
    repository, branch, prefix, count, *rest = sys.argv[1:]
    if rest:
        Path(rest[0]).read_bytes()  # the start barrier: until the test has opened and closed it
    if limit := os.environ.get("TEST_FILE_LIMIT"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    size = int(os.environ.get("TEST_SIZE", "0"))
    try:
        for number in range(int(count)):
            published = add(Path(repository), branch, f"{prefix}-{number}", size=size)
            sys.stdout.writelines(f"{line}\n" for line in published.cleared)
    except GitexpError as error:
        sys.stdout.write(f"{type(error).__name__}: {error} {error.lines()}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
