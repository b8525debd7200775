"""Change what binds in a plan; what bound before stays in it, with the reason.

  gitexp amend-plan --effect ">=3%" --why "5 % of the old test set is 3 % of the new one"

Runs made before are shown and do not count: they belong to the plan as it was.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.cli import terms as options
from gitexp.errors import UsageError
from gitexp.experiments.amend_plan import amend_plan
from gitexp.report.answers import amendment

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context

NO_GUARDS = "none"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="default: the current branch's")
    parser.add_argument("--why", metavar="TEXT", help="the reason; it stays in the plan")
    options.configure(parser, "the terms", prose=False)
    parser.add_argument("--dry-run", action="store_true", help="say what would be changed")


def execute(args: argparse.Namespace, context: Context) -> int:
    """Amend."""
    if not args.why:
        raise UsageError("an amendment needs its reason", next_step="the same with --why TEXT")
    bare = args.guard == [NO_GUARDS]
    args.guard = [] if bare else args.guard
    terms = options.given(args)
    terms = replace(terms, guards=()) if bare else terms
    report = amend_plan(
        context.workspace(),
        args.name,
        terms,
        why=args.why,
        dry_run=args.dry_run,
        now=context.now(),
    )
    context.printer.answer(amendment.json(report) if context.json else amendment.text(report))
    return 0
