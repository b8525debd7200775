"""Take what others shared: branches go forward, archive tags appear, data come with --data.

  gitexp pull                let every local experiment follow
  gitexp pull deeper --data  one, also only there or archived, with its data

Work trees on a branch follow it; files that you edited stay, and are named. A branch that has
commits of its own is left as it is, and the exit code is 4: gitexp sync brings both together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.cli import sharing
from gitexp.sharing.pull import pull

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    sharing.add_places(parser)
    parser.add_argument("--data", action="store_true", help="fetch data, and put outputs in place")


def execute(args: argparse.Namespace, context: Context) -> int:
    """Pull."""
    return sharing.share(pull, args, context, data=args.data)
