"""From argv to exit code: finds the command, turns errors into words and numbers.

Nothing heavy is imported before it is known which command was called; ``--version`` and
``worker`` leave before even a parser exists.
"""

from __future__ import annotations

import gc
import os
import sys

from gitexp import __version__

TYPE_CHECKING = False  # as type checkers read it; importing typing would double --version
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

_WORKER_ARGUMENTS = 3


def entry() -> NoReturn:
    """Run the command line of this process and leave with its exit code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # started with the stream closed
            null = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  no pathlib: it costs as much as --version may; and open as long as the process
            setattr(sys, name, null)
    _speak_utf8()
    # Values of a list are many and have no cycles: looking for some took a fifth of the time.
    gc.set_threshold(100_000, 50, 100)
    code = main(sys.argv[1:])
    gc.freeze()  # nor does Python need to look for them when it ends
    sys.exit(code)


def _speak_utf8() -> None:
    """Start anew in UTF-8 mode where Python would read Git's file names otherwise."""
    if sys.getfilesystemencoding() != "utf-8" and os.name == "posix":
        if encoding := getattr(sys.stdout, "encoding", None):
            os.environ.setdefault("PYTHONIOENCODING", encoding)
        os.environ["PYTHONUTF8"] = "1"  # for the processes below, too
        arguments = [sys.executable, "-X", "utf8", *sys.orig_argv[1:]]
        os.execv(sys.executable, arguments)  # noqa: S606  the same program, the same arguments


def main(argv: Sequence[str]) -> int:
    """Run one command line, without the program's name, and return its exit code."""
    if list(argv) in (["--version"], ["-V"]):
        sys.stdout.write(f"gitexp {__version__}\n")
        return 0
    serves = list(argv) == ["worker"] and not sys.stdin.isatty()
    if serves or (len(argv) == _WORKER_ARGUMENTS and argv[0] == "worker"):
        from gitexp.cli import worker

        return worker.serve() if serves else worker.fast(list(argv[1:]))
    if len(argv) > 1 and argv[0] == "hook" and not argv[1].startswith("-"):
        from gitexp.cli import hook

        return hook.fast(argv[1:])
    return _dispatch(argv)


def _dispatch(argv: Sequence[str]) -> int:
    from gitexp.cli import answers

    question = answers.ask(argv)
    known = None if question is None else question.recall()
    if known is not None and _said(known):
        return 0
    from gitexp.cli import dispatch

    return dispatch.dispatch(argv, question)


def _said(answer: str) -> bool:
    """Print an answer; where that fails, the command itself is left to say how."""
    try:
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
    except (OSError, AttributeError, ValueError):
        return False
    return True
