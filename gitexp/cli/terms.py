"""The options that say what binds in a plan: `new` and `amend-plan` have the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.errors import UsageError
from gitexp.model.plan import ASKED, Claim, OnFailed, Stopping, StoppingRule, Terms, with_terms
from gitexp.records.terms import parse_guard, parse_metric

if TYPE_CHECKING:
    import argparse

DEFAULT_LOOKS = 4


def configure(parser: argparse.ArgumentParser, title: str, *, prose: bool) -> None:
    """Declare them; with `prose` also those of a plan's words, which do not bind."""
    plan = parser.add_argument_group(title)
    if prose:
        plan.add_argument("--hypothesis", metavar="TEXT", help="a sentence a result can contradict")
        plan.add_argument("--objective", metavar="TEXT", help="what it is good for")
    plan.add_argument("--metric", metavar="NAME:max", help="primary metric with its direction")
    plan.add_argument("--effect", metavar="EFFECT", help='promised gain: ">=5%%", ">0", ">=-2%%"')
    plan.add_argument("--claim", choices=[claim.value for claim in Claim], help="default: method")
    plan.add_argument("--baseline", metavar="REV", help="held against this (default: the start)")
    plan.add_argument("--alpha", type=float, metavar="P", help="rate of false positives (0.05)")
    plan.add_argument("--repeats", type=int, metavar="N", help="planned repeats (10)")
    plan.add_argument(
        "--guard", action="append", default=[], metavar="RULE", help="latency_ms<=+5%%"
    )
    plan.add_argument(
        "--stopping",
        choices=[rule.value for rule in StoppingRule],
        help="how it may be looked at before all repeats are there",
    )
    plan.add_argument("--looks", type=int, metavar="N", help="with --stopping: how often (4)")
    plan.add_argument(
        "--on-failed", choices=[way.value for way in OnFailed], help="failed repeats (refuse)"
    )


def given(args: argparse.Namespace) -> Terms:
    """Return the terms that were asked for; an option of a term's name is one of them."""
    metric, direction = parse_metric(args.metric) if args.metric else (None, None)
    return with_terms(
        Terms(),
        {
            **{name: value for name, value in vars(args).items() if name in ASKED},
            "metric": metric,
            "direction": direction,
            "claim": None if args.claim is None else Claim(args.claim),
            "guards": tuple(map(parse_guard, args.guard)) or None,
            "stopping": _stopping(args),
            "on_failed": None if args.on_failed is None else OnFailed(args.on_failed),
        },
    )


def _stopping(args: argparse.Namespace) -> Stopping | None:
    """Return the stopping rule that was asked for.

    Raises `UsageError` if looks are given without a rule.
    """
    if args.stopping is None:
        if args.looks is not None:
            raise UsageError(
                "--looks belongs to a stopping rule",
                next_step=f"the same with --stopping {StoppingRule.OBRIEN_FLEMING.value}",
            )
        return None
    rule = StoppingRule(args.stopping)
    if rule is StoppingRule.ALWAYS_VALID:
        return Stopping(rule, args.looks or 0)
    return Stopping(rule, DEFAULT_LOOKS if args.looks is None else args.looks)
