"""Say where this branch's experiment stands, what runs, and what to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.cli.looking import add_markdown, print_view, style_of
from gitexp.report.answers import views
from gitexp.views.status import status

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_markdown(parser)


def execute(args: argparse.Namespace, context: Context) -> int:
    """Say it."""
    view = status(context.workspace())
    complete = not view.unreadable and not view.notes
    print_view(views.render, view, context, style_of(context), markdown=args.md, complete=complete)
    return 0
