r"""Say how many repeats a promise needs, before anybody runs them.

  gitexp power                                   the plan of this branch
  gitexp power --metric f1:max --effect ">=5%"   before there is a plan, from the baseline's repeats
  gitexp power --effect ">0" --gain 0.01 --sd 0.02         from numbers alone, anywhere
  gitexp power --effect ">=5%" --baseline-value 0.72 --sd 0.02
  gitexp power --design accuracy --effect ">0" --gain 0.02 --baseline-value 0.9
  gitexp power --design auc --effect ">0" --gain 0.02 --baseline-value 0.8 --positives 0.3

The answer follows from the promise and the spread; a measured effect has no part in it.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gitexp.comparison.power import power
from gitexp.errors import NoRepositoryError
from gitexp.model.design import PowerDesign, PowerRequest
from gitexp.records.terms import parse_metric
from gitexp.report.answers import power as report

if TYPE_CHECKING:
    from gitexp.cli.context import Context
    from gitexp.model.workspace import Workspace


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("name", nargs="?", metavar="NAME|REV", help="experiment, or a baseline")
    what = parser.add_argument_group("what is to be found")
    what.add_argument("--metric", metavar="NAME:max", help="default: the plan's")
    what.add_argument("--effect", metavar="EFFECT", help='the promise, ">=5%%" (the plan\'s)')
    what.add_argument("--gain", metavar="SIZE", help="the true gain, 8%% or 0.01 (none at all)")
    what.add_argument("--power", type=_rate, default=0.8, metavar="P", help="0.8")
    what.add_argument("--alpha", type=_number, metavar="P", help="the plan's, else 0.05")
    what.add_argument("--n", type=_count, metavar="N", help="repeats or examples to judge")
    how = parser.add_argument_group("by which design")
    how.add_argument("--design", choices=[each.value for each in PowerDesign], help="paired")
    how.add_argument("--sd", type=_size, metavar="SD", help="of one side from seed to seed")
    how.add_argument(
        "--baseline-value", type=_size, metavar="X", help="accuracy, AUC, or mean of the metric"
    )
    how.add_argument("--discordant", type=_rate, metavar="P", help="share right in one only")
    how.add_argument("--positives", type=_rate, metavar="P", help="share of positive examples")
    how.add_argument(
        "--correlation", type=_correlation, default=0.5, metavar="R", help="of both AUCs (0.5)"
    )


def execute(args: argparse.Namespace, context: Context) -> int:
    """Compute and print."""
    metric, direction = parse_metric(args.metric) if args.metric else (None, None)
    request = PowerRequest(
        name=args.name,
        metric=metric,
        direction=direction,
        effect=args.effect,
        gain=args.gain,
        sd=args.sd,
        n=args.n,
        alpha=args.alpha,
        power=args.power,
        design=None if args.design is None else PowerDesign(args.design),
        discordant=args.discordant,
        area=args.baseline_value,
        share=args.positives,
        correlation=args.correlation,
    )
    found = power(_workspace(context, request), request)
    context.printer.answer(report.json(found) if context.json else report.text(found))
    return 0


def _workspace(context: Context, request: PowerRequest) -> Workspace | None:
    """Return the repository here, or None where none is needed."""
    try:
        return context.workspace()
    except NoRepositoryError:
        if not request.is_complete:
            raise
        return None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def _rate(text: str) -> float:
    value = _number(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number between 0 and 1")
    return value


def _size(text: str) -> float:
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value


def _correlation(text: str) -> float:
    value = _number(text)
    if not -1 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no correlation")
    return value


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 10**9:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)
