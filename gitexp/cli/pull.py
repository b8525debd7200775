"""Take what others shared: branches go forward, archive tags appear, data come with --data.

  gitexp pull                let every local experiment follow
  gitexp pull deeper --data  one, also such as is only there, with its data

Work trees on a branch follow it; files that you edited stay, and are named. A branch that has
commits of its own is left as it is, and the exit code is 4: gitexp sync brings both together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.ops.pull import pull
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
    parser.add_argument("--data", action="store_true", help="fetch data, and put outputs in place")


def execute(args: argparse.Namespace, context: Context) -> int:
    """Do it."""
    report = pull(
        context.workspace(),
        args.names,
        remote_name=args.remote,
        data=args.data,
        now=context.now(),
        environ=context.environ,
    )
    context.printer.answer(together.json(report) if context.json else together.text(report))
    return EXIT_PARTED if report.open else 0
