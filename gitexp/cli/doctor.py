"""Find what crashes and accidents leave behind, explain it, and clear it with --fix.

It looks at locks whose owner is dead, temporary refs and files, worktrees of jobs, repeats that
finished and were never recorded, damaged records, lone by-products, branches without a plan, the
index cache, unfinished files in the DVC cache, and hooks that nothing runs. --fix records what had
finished, and clears only what is proved redundant; everything else is named with the command that
mends it. Notes are harmless.

Exit code 0: nothing found, or all of it cleared; 1: problems are left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.report.answers import upkeep
from gitexp.upkeep.doctor import doctor

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--fix", action="store_true", help="clear what is proved redundant")


def execute(args: argparse.Namespace, context: Context) -> int:
    """Examine, and clear if asked."""
    diagnosis = doctor(context.workspace(), fix=args.fix, environ=context.environ)
    text = upkeep.doctor_json(diagnosis) if context.json else upkeep.doctor_text(diagnosis)
    context.printer.answer(text)
    return 1 if diagnosis.left else 0
