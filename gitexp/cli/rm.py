"""Remove an experiment's branch, code and hold on data; keep what it recorded.

  gitexp rm deeper                     one that was archived
  gitexp rm deeper --yes -m "misread"  one that was not

The tag exp-archive/NAME leads to one commit afterwards: plan, runs, conclusion and a tombstone. So
a refuted hypothesis stays on the list, and seeds that were seen stay seen. dvc gc frees the data.
A plan of which nothing was run, concluded or archived goes without a trace: its name is free again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.experiments.remove import remove
from gitexp.report.answers import lifecycle

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("name", metavar="NAME", help="an experiment with a branch or archive here")
    parser.add_argument("-m", dest="message", default="", metavar="TEXT", help="why")
    parser.add_argument("-y", "--yes", action="store_true", help="also one that is not archived")
    parser.add_argument("--push", action="store_true", help="on the remote as well")
    parser.add_argument("--remote", metavar="NAME", help="Git remote; default: the branch's")


def execute(args: argparse.Namespace, context: Context) -> int:
    """Remove."""
    report = remove(
        context.workspace(),
        args.name,
        words=args.message,
        yes=args.yes,
        push=args.push or args.remote is not None,
        remote_name=args.remote,
        now=context.now(),
    )
    context.printer.answer(lifecycle.json(report) if context.json else lifecycle.text(report))
    return 0
