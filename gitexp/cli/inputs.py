"""Say why two states do, or do not, share samples.

  gitexp inputs main exp/focal-loss

What a run measures belongs to its inputs, not to its commit: two commits that differ in nothing
that acts on results share their samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.cli.looking import add_markdown, print_view, style_of
from gitexp.report.answers import views
from gitexp.views.diff import inputs

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context

EXIT_DIFFERENT = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("a", metavar="A", help="experiment, branch or revision")
    parser.add_argument("b", metavar="B", help="held against it")
    parser.add_argument("--exit-code", action="store_true", help="exit 1 if none is shared")
    add_markdown(parser)


def execute(args: argparse.Namespace, context: Context) -> int:
    """Say it."""
    value = inputs(context.workspace(), args.a, args.b)
    print_view(views.render, value, context, style_of(context), markdown=args.md)
    return EXIT_DIFFERENT if args.exit_code and not value.shared else 0
