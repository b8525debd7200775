"""Let somebody else see a plan before its first run, and keep what he says of it.

  gitexp witness --push            a server: its log has the time
  gitexp witness --rfc3161         a time-stamping authority (git config gitexp.witnessUrl URL)
  gitexp witness deeper --approve  a second person, who signs his commits

What each of them proves, and what it does not, is in docs/enforcement.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.experiments.witness import witness
from gitexp.model.witness import Way
from gitexp.report.answers import witnesses

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="default: the current branch's")
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument(
        "--push", dest="way", action="store_const", const=Way.PUSH.value, help="to the Git remote"
    )
    way.add_argument(
        "--rfc3161",
        dest="way",
        action="store_const",
        const=Way.RFC3161.value,
        help="by a time-stamping authority",
    )
    way.add_argument(
        "--approve",
        dest="way",
        action="store_const",
        const=Way.APPROVAL.value,
        help="sign it as a second person",
    )
    parser.add_argument("--remote", metavar="NAME", help="Git remote; default: the branch's")
    parser.add_argument("-m", "--message", metavar="TEXT", default="", help="with --approve")


def execute(args: argparse.Namespace, context: Context) -> int:
    """Ask the witness."""
    found = witness(
        context.workspace(),
        args.name,
        Way(args.way),
        remote_name=args.remote,
        words=args.message,
        now=context.now(),
    )
    context.printer.answer(witnesses.json(found) if context.json else witnesses.text(found))
    return 0
