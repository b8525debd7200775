"""How a comparison leaves the program: in which format, on stdout or into a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.errors import UsageError
from gitexp.report import RENDERERS, renderer
from gitexp.report.style import Style

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context
    from gitexp.model.comparison import Comparison

_ENDINGS = {"tex": "latex", "txt": "text"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the output."""
    parser.add_argument("--format", choices=list(RENDERERS), help="default: by FILE, else text")
    parser.add_argument("-o", "--output", metavar="FILE", help="write there instead of stdout")


def show(comparisons: tuple[Comparison, ...], args: argparse.Namespace, context: Context) -> None:
    """Render as asked, and print or write.

    Raises `UsageError` if the file cannot be written.
    """
    printer = context.printer
    colour = printer.color_out and args.output is None
    style = Style(color=colour, quiet=printer.quiet, verbose=printer.verbose)
    text = renderer(format_of(args, context)).render(comparisons, style)
    if args.output is None:
        printer.answer(text.rstrip("\n"))
        return
    path = context.start / args.output
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            "the report cannot be written", found=error.strerror or "", where=str(path)
        ) from error
    printer.say(f"wrote {path}")


def format_of(args: argparse.Namespace, context: Context) -> str:
    """Return the name of the format, which may be asked for before anything is computed.

    Raises `UsageError` if two formats are asked for.
    """
    if context.json:
        if args.format not in {None, "json"}:
            raise UsageError("--json and --format contradict each other", found=args.format)
        return "json"
    if args.format is not None:
        return str(args.format)
    ending = Path(args.output or "").suffix.lower().removeprefix(".")
    name = _ENDINGS.get(ending, ending)
    return name if name in RENDERERS else "text"
