"""Share both ways: fetch, put our records on top of theirs, push; again while others are faster.

  gitexp sync

Records that two machines made of one experiment end up on one line, each once. Where your own
commits are among them, both lines are merged. Of two snapshots (dvc.lock, metrics) the first valid
one stays, and outputs in the work tree follow it. What cannot be merged is named, and the exit code
is 4. A call that was killed is finished by the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.cli import sharing
from gitexp.sharing.sync import sync

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    sharing.add_places(parser)
    sharing.add_no_data(parser)


def execute(args: argparse.Namespace, context: Context) -> int:
    """Share."""
    return sharing.share(sync, args, context, data=not args.no_data)
