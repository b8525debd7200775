"""Change what binds in a plan; what bound before stays in it, with the reason.

  gitexp amend-plan --effect ">=3%" --why "5 % of the old test set is 3 % of the new one"

Runs made before are shown and do not count: they belong to the plan as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.cli import terms as options
from gitexp.errors import UsageError
from gitexp.experiments.amend_plan import amend_plan
from gitexp.model.amendment import Terms
from gitexp.model.plan import Claim, OnFailed
from gitexp.records.plan import parse_guard, parse_metric
from gitexp.report.answers import amendment

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context
    from gitexp.model.plan import Guard

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
    metric, direction = parse_metric(args.metric) if args.metric else (None, None)
    terms = Terms(
        claim=None if args.claim is None else Claim(args.claim),
        metric=metric,
        direction=direction,
        effect=args.effect,
        alpha=args.alpha,
        repeats=args.repeats,
        baseline=args.baseline,
        guards=_guards(args.guard),
        stopping=options.stopping(args),
        on_failed=None if args.on_failed is None else OnFailed(args.on_failed),
    )
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


def _guards(texts: list[str]) -> tuple[Guard, ...] | None:
    """Return all guard-rails that the plan shall have; None where none was named."""
    if not texts:
        return None
    return () if texts == [NO_GUARDS] else tuple(parse_guard(text) for text in texts)
