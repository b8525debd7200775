"""Bring an archived experiment back: its branch, where the tag says it was. The tag stays.

  gitexp list --archived
  gitexp restore deeper

One that was removed does not come back: its code is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.experiments.archive import restore
from gitexp.report.answers import lifecycle

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("name", metavar="NAME", help="an archived experiment")


def execute(args: argparse.Namespace, context: Context) -> int:
    """Restore."""
    report = restore(context.workspace(), args.name, now=context.now())
    context.printer.answer(lifecycle.json(report) if context.json else lifecycle.text(report))
    return 0
