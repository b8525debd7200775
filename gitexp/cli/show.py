"""Show one experiment, or one run, with everything that is recorded of it.

  gitexp show               the experiment of this branch
  gitexp show NAME          an experiment, a branch, an archive tag or a revision
  gitexp show RUN           a run, by the first four characters of its id or more

The first line is the verdict of the conclusion, where there is one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.cli.looking import add_markdown, print_view, style_of
from gitexp.model.views import ShownExperiment
from gitexp.report.answers import views
from gitexp.views.show import show

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("what", nargs="?", metavar="NAME|RUN|REV", help="default: this branch")
    add_markdown(parser)


def execute(args: argparse.Namespace, context: Context) -> int:
    """Show it."""
    value = show(context.workspace(), args.what)
    style = replace(style_of(context), now=None)  # times, not ages: an answer stays true
    complete = not value.notes and not (isinstance(value, ShownExperiment) and value.unreadable)
    print_view(views.render, value, context, style, markdown=args.md, complete=complete)
    return 0
