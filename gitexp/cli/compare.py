"""Test the recorded hypothesis and give the verdict.

  gitexp compare                    this branch's experiment against its baseline
  gitexp compare NAME               that experiment
  gitexp compare REV REV...         the first is the baseline of the others

Exit code: 0 supported, 1 refuted, a guard-rail broken, 6 inconclusive, undecidable or not
comparable.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gitexp import __version__
from gitexp.errors import UsageError
from gitexp.ops.compare import CompareOptions, compare, exit_code
from gitexp.report import RENDERERS, renderer
from gitexp.report.style import Style

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("names", nargs="*", metavar="NAME|REV", help="what to compare")
    parser.add_argument("--format", choices=list(RENDERERS), help="default: by FILE, else text")
    parser.add_argument("-o", "--output", metavar="FILE", help="write there instead of stdout")
    parser.add_argument(
        "--pool", action="append", default=[], metavar="REF", help="use samples found there too"
    )
    parser.add_argument(
        "--allow-different-evaluation",
        action="store_true",
        help="compare although the evaluation data differ; said on line 1",
    )


def execute(args: argparse.Namespace, context: Context) -> int:
    """Compare and render."""
    if context.json and args.format not in {None, "json"}:
        raise UsageError("--json and --format contradict each other", found=args.format)
    name = "json" if context.json else args.format or _by_ending(args.output)
    comparisons = compare(
        context.workspace(),
        args.names,
        CompareOptions(
            pool=tuple(args.pool), allow_different_evaluation=args.allow_different_evaluation
        ),
        now=context.now(),
        program=f"gitexp {__version__}",
    )
    printer = context.printer
    colour = printer.color_out and args.output is None
    style = Style(color=colour, quiet=printer.quiet, verbose=printer.verbose)
    text = renderer(name).render(comparisons, style)
    if args.output is None:
        printer.answer(text.rstrip("\n"))
    else:
        path = context.start / args.output
        _write(path, text)
        printer.say(f"wrote {path}")
    return exit_code(comparisons)


def _by_ending(output: str | None) -> str:
    """Return the format that the ending of a file's name says, else text."""
    ending = Path(output or "").suffix.lower().removeprefix(".")
    name = {"tex": "latex"}.get(ending, ending)
    return name if name in RENDERERS else "text"


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            "the report cannot be written", found=error.strerror or "", where=str(path)
        ) from error
