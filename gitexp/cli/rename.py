"""Give an experiment another name: branch, plan, conclusion and archive tag, all or none.

  gitexp rename deeper deeper-trees

The plan remembers the old name, so the runs that carry it go on counting. Worktrees on the branch
follow. What a remote has is renamed by the git command that is printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.experiments.rename import rename
from gitexp.report.answers import lifecycle

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("old", metavar="OLD", help="an experiment with a branch or archive here")
    parser.add_argument("new", metavar="NEW", help="the name that it shall have")


def execute(args: argparse.Namespace, context: Context) -> int:
    """Rename."""
    report = rename(context.workspace(), args.old, args.new, now=context.now())
    context.printer.answer(lifecycle.json(report) if context.json else lifecycle.text(report))
    return 0
