"""Test the recorded hypothesis and give the verdict.

  gitexp compare                    this branch's experiment against its baseline
  gitexp compare NAME               that experiment
  gitexp compare REV REV...         the first is the baseline of the others
  gitexp compare --by contract      also in the subgroups of a column of the predictions

Exit code: 0 supported, 1 refuted, a guard-rail broken, 6 inconclusive, undecidable or not
comparable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp import __version__
from gitexp.cli import reports
from gitexp.comparison.compare import CompareOptions, compare, exit_code

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("names", nargs="*", metavar="NAME|REV", help="what to compare")
    reports.configure(parser)
    parser.add_argument(
        "--pool", action="append", default=[], metavar="REF", help="use samples found there too"
    )
    parser.add_argument(
        "--allow-different-evaluation",
        action="store_true",
        help="compare although the evaluation data differ; said on line 1",
    )
    parser.add_argument(
        "--adjust",
        choices=["holm", "bonferroni", "hochberg", "bh", "by", "none"],
        default="holm",
        help="families of p-values: watched metrics, subgroups, candidates",
    )
    parser.add_argument("--by", default="", metavar="COLUMN", help="also in each subgroup")
    parser.add_argument(
        "--cluster", default="", metavar="COLUMN", help="examples that go together, as one user's"
    )
    parser.add_argument(
        "--categories",
        default="",
        metavar="COLUMN",
        help="compare counts of y_pred, of errors, or of a column",
    )


def execute(args: argparse.Namespace, context: Context) -> int:
    """Compare and render."""
    reports.format_of(args, context)
    comparisons = compare(
        context.workspace(),
        args.names,
        CompareOptions(
            pool=tuple(args.pool),
            allow_different_evaluation=args.allow_different_evaluation,
            by=args.by,
            cluster=args.cluster,
            categories=args.categories,
            adjust=args.adjust,
        ),
        now=context.now(),
        program=f"gitexp {__version__}",
    )
    reports.show(comparisons, args, context)
    return exit_code(comparisons)
