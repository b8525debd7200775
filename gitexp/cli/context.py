"""The one place that asks the process where it is: folder, environment, clock, terminal."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.cli.output import Printer
from gitexp.git import discovery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.cli.answers import RememberedQuestion
    from gitexp.model.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Context:
    """What a command is given beside its arguments."""

    start: Path
    environ: Mapping[str, str]
    printer: Printer
    json: bool
    interactive: bool  # somebody is there to answer a question
    question: RememberedQuestion | None = None  # whose answer is kept for the next time

    def workspace(self) -> Workspace:
        """Find the repository around the folder in which the command works."""
        asked = self.question
        return discovery.discover(self.start) if asked is None else asked.workspace

    def ask(self, question: str) -> bool:
        """Ask a yes-or-no question on stderr; an empty answer is yes."""
        self.printer.err.write(f"{question} [Y/n] ")
        self.printer.err.flush()
        return sys.stdin.readline().strip().lower() in {"", "y", "yes"}

    def now(self) -> datetime:
        """Return the present time in UTC, to whole seconds."""
        return datetime.fromtimestamp(int(time.time()), UTC)


def make(  # noqa: PLR0913  the options that every command has
    *,
    folder: str | None,
    json: bool,
    quiet: bool,
    verbose: bool,
    color: str,
    question: RememberedQuestion | None = None,
) -> Context:
    """Read the process's surroundings once.

    `folder`: folder given by ``-C``, relative to the current one. `question`: keeps the answer for
    the next time.
    """
    start = Path.cwd() if folder is None else Path.cwd() / folder  # noqa: TID251  the one place
    environ = dict(os.environ)
    return Context(
        start=start,
        environ=environ,
        printer=Printer.make(environ, quiet=quiet, verbose=verbose, color=color),
        json=json,
        interactive=sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty(),
        question=question,
    )
