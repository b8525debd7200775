r"""Print what the commands of a run printed.

  gitexp logs                    the run that failed, else the newest of this work tree
  gitexp logs RUN --seed 3       one repeat
  gitexp logs --follow           as it is printed, until the run has ended

On a terminal control characters are shown instead of obeyed; a pipe or a file gets the text as it
was, but for bytes that are no UTF-8: they become \xff and so on, and --json names the file that has
them. Of a run whose job folders are gone, the tails of repeats that did not finish are recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.errors import UsageError
from gitexp.report.answers import logtext, viewjson
from gitexp.report.escape import terminal
from gitexp.views.logs import TAIL_BYTES, follow, logs

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("run", nargs="?", metavar="RUN", help="beginning of its id")
    parser.add_argument("--seed", type=int, metavar="N", help="this repeat alone")
    parser.add_argument("--follow", "-f", action="store_true", help="go on until the run has ended")
    parser.add_argument("--all", action="store_true", help="whole logs, not their last 256 KiB")


def execute(args: argparse.Namespace, context: Context) -> int:
    """Print them."""
    if args.follow:
        return _follow(args, context)
    value = logs(
        context.workspace(), args.run, seed=args.seed, tail_bytes=0 if args.all else TAIL_BYTES
    )
    printer = context.printer
    if context.json:
        printer.answer(viewjson.logs(value).rstrip("\n"))
        return 0
    headings = not printer.quiet and args.seed is None
    raw = not printer.out.isatty()
    for line in logtext.lines(value, raw=raw, headings=headings):
        if raw:  # what was printed, for a file or another program
            printer.write(f"{line}\n")
        else:
            printer.answer(line)
    if not value.repeats:
        whose = "" if args.seed is None else f" of seed {args.seed}"
        printer.say(f"run {value.run[:7]} has no log{whose} here")
    for note in value.notes:
        printer.say(f"note: {terminal(note)}")
    return 0


def _follow(args: argparse.Namespace, context: Context) -> int:
    if context.json:
        raise UsageError("--follow prints text; --json contradicts it")
    printer = context.printer
    raw = not printer.out.isatty()
    before: int | None = None
    for piece in follow(context.workspace(), args.run):
        if args.seed is not None and piece.seed != args.seed:
            continue
        if piece.seed != before and args.seed is None and not printer.quiet:
            printer.answer(f"==> seed {piece.seed}")
        before = piece.seed
        printer.write(piece.text if raw else logtext.safe(piece.text))
        printer.flush()
    return 0
