"""Say whether commits should be merged: the rules over them, their experiments against the base.

  gitexp review origin/main...HEAD --branch exp/deeper
  gitexp review main...exp/deeper --json -o review.json
  gitexp review --from review.json --format md

It executes nothing of what is in the commits, and needs no work tree. It exits 1 where a rule that
weighs "error" is broken; --fail-on says what else counts. A refuted hypothesis is a result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp import __version__
from gitexp.enforcement.review import exit_code, review
from gitexp.errors import BadFormatError, UsageError
from gitexp.model.review import FailOn, Review
from gitexp.records import codec
from gitexp.report import brief, github, reviewpage
from gitexp.report.jsonescape import escaped

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from gitexp.cli.context import Context

FORMATS = ("text", "json", "md", "summary", "annotations", "html")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "range", metavar="BASE...HEAD", nargs="?", help="what HEAD has and BASE not"
    )
    parser.add_argument("--branch", metavar="NAME", help="on which branch the commits are")
    parser.add_argument("--into", metavar="NAME", help="which branch they are to be merged into")
    parser.add_argument(
        "--experiment", action="append", default=[], metavar="NAME", help="only this one"
    )
    parser.add_argument(
        "--fail-on",
        choices=[word.value for word in FailOn],
        default=FailOn.RULES.value,
        help="what makes it exit 1 (rules)",
    )
    parser.add_argument("--format", choices=FORMATS, help="default: text")
    parser.add_argument("-o", "--output", metavar="FILE", help="write there instead of stdout")
    parser.add_argument("--from", dest="file", metavar="FILE", help="show a review made elsewhere")


def execute(args: argparse.Namespace, context: Context) -> int:
    """Review, render, and say by the exit code whether it may pass."""
    name = _format(args, context)
    if (args.file is None) == (args.range is None):
        raise UsageError("review takes a range, or --from FILE")
    found = (
        review(
            context.workspace(),
            args.range,
            branch=args.branch,
            into=args.into,
            experiments=args.experiment,
            now=context.now(),
            program=f"gitexp {__version__}",
        )
        if args.file is None
        else read(context.start / args.file)
    )
    rendered = found.word if context.printer.quiet else render(found, name)
    _put(rendered, args.output, context)
    return exit_code(found, FailOn(args.fail_on))


def read(path: Path) -> Review:
    """Read a review that was made elsewhere, with every field checked.

    Raises `BadFormatError, UnsafeInputError`.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(codec.limit(Review) + 1)
    except OSError as error:
        raise BadFormatError(
            "the review cannot be read", found=error.strerror or "", where=str(path)
        ) from error
    return codec.load(Review, data, path.name)


def render(found: Review, name: str) -> str:
    """Return a review in one of `FORMATS`."""
    match name:
        case "json":
            return escaped(codec.dump(found).decode())
        case "md":
            return github.markdown(found)
        case "summary":
            return github.markdown(found, limit=github.SUMMARY_BYTES)
        case "annotations":
            return github.workflow_commands(found)
        case "html":
            return reviewpage.render(found)
        case _:
            return brief.text(found)


def _format(args: argparse.Namespace, context: Context) -> str:
    if context.json:
        if args.format not in {None, "json"}:
            raise UsageError("--json and --format contradict each other", found=args.format)
        return "json"
    return args.format or "text"


def _put(rendered: str, output: str | None, context: Context) -> None:
    if output is None:
        if rendered.rstrip("\n"):
            context.printer.answer(rendered.rstrip("\n"))
        return
    path = context.start / output
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rendered, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            "the review cannot be written", found=error.strerror or "", where=str(path)
        ) from error
