"""Pack what Git should pack, and forget old job folders; sizes before and after.

Refs and loose objects are packed and the commit-graph is written, all by git itself; nothing that
is unreachable is deleted. Of runs that are recorded, the job folders with their logs go, but for
the newest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.report.answers import upkeep
from gitexp.upkeep.maintenance import KEEP, maintenance

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--keep", type=int, default=KEEP, metavar="N",
        help=f"leave the job folders of the N newest recorded runs; default {KEEP}",
    )  # fmt: skip
    parser.add_argument("-n", "--dry-run", action="store_true", help="only measure")


def execute(args: argparse.Namespace, context: Context) -> int:
    """Do it."""
    report = maintenance(context.workspace(), keep=args.keep, dry_run=args.dry_run)
    text = upkeep.maintenance_json(report) if context.json else upkeep.maintenance_text(report)
    context.printer.answer(text)
    return 0
