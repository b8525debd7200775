"""What the read-only commands share: which format is asked for, and how it is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from gitexp.errors import UsageError
from gitexp.report.style import Style

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from gitexp.cli.context import Context

_View = TypeVar("_View")


def add_markdown(parser: argparse.ArgumentParser) -> None:
    """Declare the option of a view that can be pasted into a pull request."""
    parser.add_argument("--md", action="store_true", help="Markdown")


def style_of(context: Context, metrics: tuple[str, ...] = ()) -> Style:
    """Return how this reader wants it."""
    printer = context.printer
    return Style(
        color=printer.color_out,
        quiet=printer.quiet,
        verbose=printer.verbose,
        now=context.now(),
        metrics=metrics,
    )


def print_view(  # noqa: PLR0913  what is shown, how, and whether it may be kept
    render: Callable[[_View, str, Style], str],
    view: _View,
    context: Context,
    style: Style,
    *,
    markdown: bool,
    complete: bool = True,
) -> None:
    """Print a view as JSON, Markdown or text.

    `complete`: nothing was unreadable or doubtful. An answer with holes is not remembered: what
    fills them - a fetch, a repaired disk - need not move a ref.

    Raises `UsageError` if two formats are asked for.
    """
    if context.json and markdown:
        raise UsageError("--json and --md contradict each other")
    name = "json" if context.json else "md" if markdown else "text"
    text = render(view, name, style).rstrip("\n")
    if text:
        context.printer.answer(text)
        if context.question is not None and complete:
            context.question.remember(text)
