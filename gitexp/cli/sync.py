"""Share both ways: fetch, put our records on top of theirs, push; again while others are faster.

  gitexp sync

Records that two machines made of one experiment end up on one line, each once. Where your own
commits are among them, both lines are merged. Of two snapshots (dvc.lock, metrics) the first valid
one stays, and outputs in the work tree follow it. What cannot be merged is named, and the exit code
is 4. A call that was killed is finished by the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.ops.sync import sync
from gitexp.report import together

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context

EXIT_PARTED = 4


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: every experiment here")
    parser.add_argument(
        "--remote", metavar="NAME", help="Git remote; default: the branch's, origin"
    )
    parser.add_argument("--no-data", action="store_true", help="share only what Git holds")


def execute(args: argparse.Namespace, context: Context) -> int:
    """Do it."""
    report = sync(
        context.workspace(),
        args.names,
        remote_name=args.remote,
        data=not args.no_data,
        now=context.now(),
        environ=context.environ,
    )
    context.printer.answer(together.json(report) if context.json else together.text(report))
    return EXIT_PARTED if report.open else 0
