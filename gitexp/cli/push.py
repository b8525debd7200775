"""Send experiments to the remote: their data first, then the branches, all or none.

  gitexp push                every experiment
  gitexp push deeper         one

Data go to DVC's default remote, the files of a folder before the folder itself; then the branch
gitexp/data and the experiments in one atomic push. Nothing is forced. Where the remote has commits
that are not here, nothing is sent, and the exit code is 4: gitexp sync brings both together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.ops.push import push
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
    report = push(
        context.workspace(),
        args.names,
        remote_name=args.remote,
        data=not args.no_data,
        now=context.now(),
        environ=context.environ,
    )
    context.printer.answer(together.json(report) if context.json else together.text(report))
    return EXIT_PARTED if report.open else 0
