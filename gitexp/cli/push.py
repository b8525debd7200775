"""Send experiments to the remote: their data first, then the branches, all or none.

  gitexp push                every experiment
  gitexp push deeper         one

Data go to DVC's default remote, the files of a folder before the folder itself; then the branch
gitexp/data and the experiments in one atomic push. Nothing is forced. Where the remote has commits
that are not here, nothing is sent, and the exit code is 4: gitexp sync brings both together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.cli import sharing
from gitexp.sharing.push import push

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    sharing.add_places(parser)
    sharing.add_no_data(parser)


def execute(args: argparse.Namespace, context: Context) -> int:
    """Push."""
    return sharing.share(push, args, context, data=not args.no_data)
