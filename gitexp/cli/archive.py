"""Keep an experiment by an annotated tag, exp-archive/NAME, and remove its branch.

  gitexp archive deeper            the tag; the branch goes if main has its records
  gitexp archive deeper --push     the same on the remote
  gitexp archive deeper --abandon  the branch goes, merged or not; the tag keeps it

The tag keeps plan and runs in their order when a code host squashes, and the data from dvc gc.
Whether main has the records does not depend on how they came there: merged, squashed or rebased.
Nothing is archived while finished repeats are not recorded, nor before anything was run or
concluded, unless with --abandon; and no branch is removed that a worktree is on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.experiments.archive import archive
from gitexp.report.answers import lifecycle

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("name", metavar="NAME", help="an experiment with a branch here")
    parser.add_argument("--abandon", action="store_true", help="although main lacks its records")
    parser.add_argument("--push", action="store_true", help="on the remote as well")
    parser.add_argument("--remote", metavar="NAME", help="Git remote; default: the branch's")


def execute(args: argparse.Namespace, context: Context) -> int:
    """Archive."""
    report = archive(
        context.workspace(),
        args.name,
        abandon=args.abandon,
        push=args.push or args.remote is not None,
        remote_name=args.remote,
        now=context.now(),
    )
    context.printer.answer(lifecycle.json(report) if context.json else lifecycle.text(report))
    return 0
