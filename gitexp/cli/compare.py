"""Verbs that test a hypothesis or say what a test needs: compare, test, power."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import gitexp
from gitexp import __version__
from gitexp.cli import printing
from gitexp.cli.context import between, filled, whole_number
from gitexp.cli.printing import show
from gitexp.comparison.compare import exit_code
from gitexp.comparison.draft import CompareOptions
from gitexp.comparison.plain_files import FileDesign, FileQuestion, compare_files, proposed
from gitexp.errors import NoRepositoryError, UsageError
from gitexp.model.config import Predictions
from gitexp.model.design import PowerDesign, PowerRequest
from gitexp.model.plan import ALPHA
from gitexp.records.terms import parse_effect, parse_metric
from gitexp.text.foreign import Lines

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from gitexp.cli.context import Context
    from gitexp.model.workspace import Workspace

_rate = between(0, 1, "number between 0 and 1")
_size = between(0, math.inf, "number above 0")
DESIGNS = {
    FileDesign.PAIRED: "the same seeds or ids, or rows in the same order, on both sides",
    FileDesign.INDEPENDENT: "repeats of both sides that have nothing to do with each other",
    FileDesign.FOLDS: "folds of one cross-validation: columns fold, n_train, n_test",
    FileDesign.DATASETS: "one value for each of several data sets: column dataset",
    FileDesign.EXAMPLES: "of one evaluation set, by id: predictions (y_true, y_pred) or scores",
}


def add_compare(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME|REV", help="what to compare")
    printing.add_output(parser)
    add("--pool", action="append", default=[], metavar="REF", help="use samples found there too")
    add(
        "--allow-different-evaluation",
        action="store_true",
        help="compare although the evaluation data differ; said on line 1",
    )
    add(
        "--adjust",
        choices=["holm", "bonferroni", "hochberg", "bh", "by", "none"],
        default="holm",
        help="families of p-values: watched metrics, subgroups, candidates",
    )
    add("--by", default="", metavar="COLUMN", help="also in each subgroup")
    add("--cluster", default="", metavar="COLUMN", help="examples that go together, as one user's")
    add(
        "--categories",
        default="",
        metavar="COLUMN",
        help="compare counts of y_pred, of errors, or of a column",
    )


def compare(args: argparse.Namespace, context: Context) -> int:
    """Test the recorded hypothesis and give the verdict.

      gitexp compare                    this branch's experiment against its baseline
      gitexp compare NAME               that experiment
      gitexp compare REV REV...         the first is the baseline of the others
      gitexp compare --by contract      also in the subgroups of a column of the predictions

    Exit code: 0 supported, 1 refuted, a guard-rail broken, 6 inconclusive, undecidable or not
    comparable.
    """
    printing.format_of(args, context)
    comparisons = gitexp.compare(
        context.workspace(),
        args.names,
        filled(CompareOptions, args, pool=tuple(args.pool)),
        now=context.now(),
        program=f"gitexp {__version__}",
    )
    printing.show_comparisons(comparisons, args, context)
    return exit_code(comparisons)


def add_test(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("baseline", metavar="BASELINE", help="CSV, JSON, JSON Lines, or a log of evaluations")
    add("candidate", metavar="CANDIDATE", help="the same")
    add(
        "--design",
        choices=[design.value for design in FileDesign],
        help="what a row is, and how those of both files belong together",
    )
    add("--metric", metavar="NAME[:max|:min]", help="which column, and its better")
    add("--effect", metavar="EFFECT", help="the hypothesis: '>=5%%', '>0', '+-1%%'")
    add("--positive", metavar="LABEL", help="positive class of the examples")
    add("--cluster", metavar="COLUMN", help="of examples that go together, as one user's")
    add("--alpha", type=float, default=ALPHA, help=f"default: {ALPHA}")
    printing.add_output(parser)


def test(args: argparse.Namespace, context: Context) -> int:
    """Test two plain files of numbers, without a repository: the baseline first.

      gitexp test a.jsonl b.jsonl --metric judge:max --effect '>0'  scores of the same questions
      gitexp test a.eval b.eval --metric accuracy:max --effect '>0'    logs of an evaluation
      gitexp test a.csv b.csv --design paired --metric f1:max --effect '>=5%'      by seed

    A row is a measurement; the columns seed, rep, fold, dataset, n_train and n_test say of what,
    and every other column of numbers (or of true and false) is a metric. Designs: paired
    (by seed, else by a column of ids as question or example_id, else by the order of rows),
    independent, folds (of one cross-validation; needs n_train and n_test), datasets, examples:
    taken where a column of ids says of which example a row is. Its metric is a column of scores
    (judge, passed, latency), of which the mean is compared, rows of one id averaged first (or, as
    passed@5, whether one of five is right); or one of predictions: id, y_true, y_pred, and score.
    --cluster names the column of what several examples come from, which is then drawn whole. Logs
    of Inspect, lm-eval (--log_samples), promptfoo and DeepEval are read as their tools write them.

    Exit code: 0 supported or no hypothesis, 1 refuted, 6 inconclusive, undecidable or not
    comparable.
    """
    printing.format_of(args, context)
    metric, direction = parse_metric(args.metric) if args.metric else (None, None)
    effect = None
    if args.effect is not None:
        if direction is None:
            raise UsageError(
                "which way is better has to be said with an effect",
                expected=f"--metric {metric or 'NAME'}:max or :min",
            )
        effect = parse_effect(args.effect, direction)
    files = context.start / args.baseline, context.start / args.candidate
    found = compare_files(
        *files,
        FileQuestion(
            design=FileDesign(args.design) if args.design else _design(*files, metric),
            metric=metric,
            direction=direction,
            effect=effect,
            alpha=args.alpha,
            columns=Predictions("", positive=args.positive, cluster=args.cluster or None),
        ),
        now=context.now(),
        program=f"gitexp {__version__}",
    )
    printing.show_comparisons((found,), args, context)
    return exit_code((found,))


def _design(baseline: Path, candidate: Path, metric: str | None) -> FileDesign:
    """Return the design where none is named: examples, if the columns say so."""
    design = proposed(baseline, candidate, metric)
    if design is FileDesign.EXAMPLES:
        return design
    fits = "and one of these" if design is None else f"{design.value}, as the columns have it"
    raise UsageError(
        "--design is missing: how the rows belong together decides the test",
        expected=Lines.of(f"{each.value:<11}  {said}" for each, said in DESIGNS.items()),
        next_step=f"the same with --design {fits}",
    )


def add_power(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME|REV", help="experiment, or a baseline")
    what = parser.add_argument_group("what is to be found").add_argument
    what("--metric", metavar="NAME:max", help="default: the plan's")
    what("--effect", metavar="EFFECT", help='the promise, ">=5%%" (the plan\'s)')
    what("--expect", metavar="SIZE", help="the true gain, 8%% or 0.01; +/-: the change")
    what("--power", type=_rate, default=0.8, metavar="P", help="0.8")
    what("--alpha", type=float, metavar="P", help="the plan's, else 0.05")
    what("--n", type=whole_number, metavar="N", help="repeats or examples to judge")
    how = parser.add_argument_group("by which design").add_argument
    how("--design", choices=[each.value for each in PowerDesign], help="paired")
    how("--sd", type=_size, metavar="SD", help="of one side from seed to seed")
    how("--baseline-value", type=_size, metavar="X", help="accuracy, AUC, or mean of the metric")
    how("--discordant", type=_rate, metavar="P", help="share right in one only")
    how("--positives", type=_rate, metavar="P", help="share of positive examples")
    how(
        "--correlation",
        type=between(-1, 1, "correlation"),
        metavar="R",
        help="of both AUCs (0.5)",
    )


def power(args: argparse.Namespace, context: Context) -> int:
    r"""Say how many repeats a promise needs, before anybody runs them.

      gitexp power                                   the plan of this branch
      gitexp power --metric f1:max --effect ">=5%"   without a plan, from the baseline's repeats
      gitexp power --effect ">0" --expect 0.01 --sd 0.02       from numbers alone, anywhere
      gitexp power --effect ">=5%" --expect 8% --baseline-value 0.72 --sd 0.02
      gitexp power --design accuracy --effect ">0" --expect 0.02 --baseline-value 0.9
      gitexp power --design auc --effect ">0" --expect 0.02 --baseline-value 0.8 --positives 0.3

    First how likely the promise is supported, if --expect is the truth; without it, which truth is
    supported with 80 %. Then the repeats that tell the promise from no change, and what all costs.
    The answers follow from promise and spread; a measured effect has no part in them.
    """
    metric, direction = parse_metric(args.metric) if args.metric else (None, None)
    request = filled(
        PowerRequest,
        args,
        metric=metric,
        direction=direction,
        design=None if args.design is None else PowerDesign(args.design),
        area=args.baseline_value,
        share=args.positives,
    )
    return show(gitexp.power(_workspace(context, request), request), context)


def _workspace(context: Context, request: PowerRequest) -> Workspace | None:
    try:
        return context.workspace()
    except NoRepositoryError:
        if not request.is_complete:
            raise
        return None
