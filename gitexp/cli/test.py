"""Test two plain files of numbers, without a repository: the baseline first.

  gitexp test a.csv b.csv --design paired                           p against no difference
  gitexp test a.csv b.csv --design paired --metric f1:max --effect '>=5%'

A row is a measurement; the columns seed, rep, fold, dataset, n_train and n_test say of what, and
every other column of numbers is a metric. Designs: paired (by seed, else by the order of rows),
independent, folds (of one cross-validation; needs n_train and n_test), datasets. With the design
examples the files are predictions of one evaluation set: id, y_true, y_pred, and score; --cluster
names the column of what several examples come from, which is then drawn whole.

Exit code: 0 supported or no hypothesis, 1 refuted, 6 inconclusive, undecidable or not comparable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp import __version__
from gitexp.cli import reports
from gitexp.comparison.compare import exit_code
from gitexp.comparison.plain_files import FileDesign, FileQuestion, compare_files
from gitexp.errors import UsageError
from gitexp.model.config import Predictions
from gitexp.model.plan import ALPHA
from gitexp.records.terms import parse_effect, parse_metric

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


DESIGNS = {
    FileDesign.PAIRED: "the same seeds, or rows in the same order, on both sides",
    FileDesign.INDEPENDENT: "repeats of both sides that have nothing to do with each other",
    FileDesign.FOLDS: "folds of one cross-validation: columns fold, n_train, n_test",
    FileDesign.DATASETS: "one value for each of several data sets: column dataset",
    FileDesign.EXAMPLES: "predictions of one evaluation set: columns id, y_true, y_pred",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("baseline", metavar="BASELINE", help="CSV or JSON file")
    parser.add_argument("candidate", metavar="CANDIDATE", help="CSV or JSON file")
    parser.add_argument(
        "--design",
        choices=[design.value for design in FileDesign],
        help="what a row is, and how those of both files belong together",
    )
    parser.add_argument("--metric", metavar="NAME[:max|:min]", help="which column, and its better")
    parser.add_argument("--effect", metavar="EFFECT", help="the hypothesis: '>=5%%', '>0', '+-1%%'")
    parser.add_argument("--positive", metavar="LABEL", help="positive class of the examples")
    parser.add_argument(
        "--cluster", metavar="COLUMN", help="of examples that go together, as one user's"
    )
    parser.add_argument("--alpha", type=float, default=ALPHA, help=f"default: {ALPHA}")
    reports.configure(parser)


def execute(args: argparse.Namespace, context: Context) -> int:
    """Test and render."""
    reports.format_of(args, context)
    if args.design is None:
        raise UsageError(
            "--design is missing: how the rows belong together decides the test",
            expected="\n".join(f"{each.value:<11}  {said}" for each, said in DESIGNS.items()),
            next_step="the same with --design and one of these",
        )
    metric, direction = parse_metric(args.metric) if args.metric else (None, None)
    effect = None
    if args.effect is not None:
        if direction is None:
            raise UsageError(
                "which way is better has to be said with an effect",
                expected=f"--metric {metric or 'NAME'}:max or :min",
            )
        effect = parse_effect(args.effect, direction)
    found = compare_files(
        context.start / args.baseline,
        context.start / args.candidate,
        FileQuestion(
            design=FileDesign(args.design),
            metric=metric,
            direction=direction,
            effect=effect,
            alpha=args.alpha,
            columns=Predictions("", positive=args.positive, cluster=args.cluster or None),
        ),
        now=context.now(),
        program=f"gitexp {__version__}",
    )
    reports.show((found,), args, context)
    return exit_code((found,))
