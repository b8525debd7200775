"""`gitexp merge-driver BASE OURS THEIRS PATH`: what Git starts after ``init --merge-driver``."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from gitexp.report.escape import PROSE_LIMIT, visible
from gitexp.sharing.merge_driver import merge_driver

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("base", metavar="BASE", help="the common ancestor's version")
    parser.add_argument("ours", metavar="OURS", help="our version; the result replaces it")
    parser.add_argument("theirs", metavar="THEIRS", help="their version")
    parser.add_argument("path", metavar="PATH", help="of the file in the tree")


def execute(args: argparse.Namespace, context: Context) -> int:
    """Join, or leave our version whole and say why it is a conflict."""
    base, ours, theirs = (context.start / name for name in (args.base, args.ours, args.theirs))
    why = merge_driver(base, ours, theirs, args.path)
    if not why:
        return 0
    keep = f"git checkout --ours -- {shlex.quote(args.path)}"
    said = f"{args.path}: {why}; keep one side whole: {keep}"
    context.printer.say(visible(said, limit=PROSE_LIMIT))
    return 1
