"""The one place that asks the process where it is: folder, environment, clock, terminal."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gitexp.cli.output import Printer
from gitexp.errors import UsageError
from gitexp.git import discovery
from gitexp.model import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from _typeshed import DataclassInstance

    from gitexp.cli.answers import RememberedQuestion
    from gitexp.errors import GitexpError
    from gitexp.model.workspace import Workspace

_MOST = 10**9  # of what one can count
RequestT = TypeVar("RequestT", bound="DataclassInstance")


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


def filled(kind: type[RequestT], args: argparse.Namespace, **given: object) -> RequestT:
    """Return a request of what was typed: each option of a field's name, and what is given."""
    names = kind.__dataclass_fields__
    typed = {name: value for name, value in vars(args).items() if name in names}
    return kind(**{**typed, **given})


def read_named(
    path: Path, limit: int, problem: str, error: type[GitexpError] = UsageError
) -> bytes:
    """Return the bytes of a file that was named, but not more than one beyond a limit."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as fault:
        raise error(problem, found=fault.strerror or "", where=str(path)) from fault


def whole_number(text: str) -> int:
    """Read an option's whole number."""
    if not text.isdecimal() or not 1 <= int(text) <= _MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def between(low: float, high: float, kind: str) -> Callable[[str], float]:
    """Return what reads an option's number that lies between two others."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low < value < high:
            raise argparse.ArgumentTypeError(f"{text!r} is no {kind}")
        return value

    return read


def _here() -> Path:
    """Return the working directory; where it was deleted, the path that the shell has of it."""
    try:
        return Path.cwd()  # noqa: TID251  the one place
    except FileNotFoundError:
        return Path(os.environ.get("PWD") or "its path is not known")


def make(args: argparse.Namespace, question: RememberedQuestion | None = None) -> Context:
    """Read the process's surroundings once; `question` keeps the answer for the next time."""
    environ = dict(os.environ)
    return Context(
        start=_here() / (args.folder or ""),
        environ=environ,
        printer=Printer.make(environ, quiet=args.quiet, verbose=args.verbose, color=args.color),
        json=args.json,
        interactive=sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty(),
        question=question,
    )
