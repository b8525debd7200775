"""How an answer leaves the program: in which format, and for whom."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from gitexp.errors import PreconditionError, UnsafeInputError, UsageError
from gitexp.git import command
from gitexp.report import RENDERERS, render_comparisons
from gitexp.report.sheet import Style
from gitexp.report.views import render

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context
    from gitexp.model.comparison import Comparison

_ENDINGS = {"tex": "latex", "txt": "text"}


def add_markdown(parser: argparse.ArgumentParser) -> None:
    """Declare the option of a view that can be pasted into a pull request."""
    parser.add_argument("--md", action="store_true", help="Markdown")


def style_of(context: Context, metrics: tuple[str, ...] = ()) -> Style:
    """Return how this reader wants it."""
    printer = context.printer
    return Style(
        color=printer.color_out,
        columns=printer.columns,
        quiet=printer.quiet,
        verbose=printer.verbose,
        now=context.now(),
        metrics=metrics,
    )


def show(
    view: object,
    context: Context,
    style: Style | None = None,
    *,
    markdown: bool = False,
    complete: bool = True,
) -> int:
    """Print an answer as JSON, Markdown or text; return the exit code of a command that has one.

    `complete`: nothing was unreadable or doubtful. An answer with holes is not remembered: what
    fills them - a fetch, a repaired disk - need not move a ref.
    """
    if context.json and markdown:
        raise UsageError("--json and --md contradict each other")
    name = "json" if context.json else "md" if markdown else "text"
    text = render(view, name, style_of(context) if style is None else style).rstrip("\n")
    if text:
        context.printer.answer(text)
        if context.question is not None and complete:
            context.question.remember(text)
    return 0


def add_output(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the output."""
    parser.add_argument("--format", choices=list(RENDERERS), help="default: by FILE, else text")
    parser.add_argument("-o", "--output", metavar="FILE", help="write there instead of stdout")


def show_comparisons(
    comparisons: tuple[Comparison, ...], args: argparse.Namespace, context: Context
) -> None:
    """Render as asked, and print or write."""
    printer = context.printer
    here = args.output is None
    style = Style(
        color=printer.color_out and here,
        columns=printer.columns if here else 0,
        unicode=printer.unicode or not here,
        quiet=printer.quiet,
        verbose=printer.verbose,
    )
    text = render_comparisons(format_of(args, context), comparisons, style)
    if path := deliver(text, args, context, "the report cannot be written"):
        printer.say(f"wrote {path}")


def named_format(args: argparse.Namespace, context: Context) -> str | None:
    """Return the format that an option names."""
    if context.json and args.format not in {None, "json"}:
        raise UsageError("--json and --format contradict each other", found=args.format)
    return "json" if context.json else args.format


def format_of(args: argparse.Namespace, context: Context) -> str:
    """Return the name of the format, which may be asked for before anything is computed."""
    named = named_format(args, context)
    if named is not None:
        return named
    ending = Path(args.output or "").suffix.lower().removeprefix(".")
    name = _ENDINGS.get(ending, ending or "text")
    if name not in RENDERERS:
        known = [f".{each}" for each in (*RENDERERS, *_ENDINGS) if each not in _ENDINGS.values()]
        raise UsageError(
            "no format is known by the file's ending",
            found=f".{ending}",
            expected=f"{', '.join(known)}; or --format",
        )
    return name


def deliver(text: str, args: argparse.Namespace, context: Context, problem: str) -> Path | None:
    """Print a rendered answer, or write it into the file that was asked for and return its path."""
    if args.output is None:
        if text := text.rstrip("\n"):
            context.printer.answer(text)
        return None
    path: Path = context.start / args.output
    for link in (each for each in (path, *path.parents) if each.is_symlink()):
        # One's own links are followed. What a branch brought leads to a place that it chose.
        asked = ["ls-files", "--stage", "--", link.name]
        if command.attempt(link.parent, asked)[1].startswith(b"120000"):
            raise UnsafeInputError(
                problem,
                found="a symbolic link that Git tracks",
                where=str(link),
                next_step="name another file",
            )
    try:
        path.write_text(text, encoding="utf-8")
    except FileNotFoundError as error:
        raise PreconditionError(
            problem,
            found="no such folder",
            where=str(path.parent),
            next_step=f"mkdir -p {quote(str(path.parent))}",
        ) from error
    except OSError as error:
        raise UsageError(problem, found=error.strerror or "", where=str(path)) from error
    return path
