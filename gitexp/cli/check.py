"""Hold commits against the rules: what hooks let pass, or never saw.

  gitexp check                     what this branch has and main has not
  gitexp check exp/deeper          another branch, experiment or archive tag
  gitexp check origin/main..HEAD   a range

The rules are in docs/enforcement.md; .gitexp/config.yaml says what each weighs. It exits 1 where
one that weighs "error" is broken. It executes nothing of what is in the commits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.enforcement.check import World, check
from gitexp.model.rules import Policy
from gitexp.report.answers import checks

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context

EXIT_BROKEN = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "range", metavar="RANGE", nargs="?", help="BASE..TIP, or one name (default: HEAD)"
    )
    parser.add_argument("--branch", metavar="NAME", help="on which branch the commits are")
    parser.add_argument(
        "--remote", action="store_true", help="also ask the remotes for archive tags and data"
    )
    parser.add_argument(
        "--fail-on",
        choices=["error", "warn", "never"],
        default="error",
        help="what makes it exit 1 (error)",
    )


def execute(args: argparse.Namespace, context: Context) -> int:
    """Check."""
    workspace = context.workspace()
    world = World(workspace, remote=args.remote, environ=context.environ)
    report = check(workspace, args.range, branch=args.branch, outside=world)
    context.printer.answer(checks.json(report) if context.json else checks.text(report))
    broken = report.broken(Policy.ERROR) and args.fail_on != "never"
    broken = broken or (report.broken(Policy.WARN) and args.fail_on == "warn")
    return EXIT_BROKEN if broken else 0
