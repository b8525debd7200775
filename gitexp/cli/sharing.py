"""Verbs that share experiments: push, pull, sync."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import gitexp
from gitexp.cli.printing import show
from gitexp.errors import DamagedDataError, ForeignRemoteError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from gitexp.cli.context import Context
    from gitexp.model.sharing import TogetherReport

EXIT_PARTED: Final = 4  # both sides have new commits


def add_push(parser: argparse.ArgumentParser) -> None:
    _add_places(parser)
    _add_no_data(parser)


def push(args: argparse.Namespace, context: Context) -> int:
    """Send experiments to the remote: their data first, then the branches, all or none.

      gitexp push                every experiment
      gitexp push deeper         one

    Data go to DVC's default remote, the files of a folder before the folder itself; then the branch
    gitexp/data and the experiments in one atomic push. Nothing is forced. Where the remote has
    commits that are not here, nothing is sent, and the exit code is 4: gitexp sync brings both
    together.
    """
    return _share(gitexp.push, args, context, data=not args.no_data)


def add_pull(parser: argparse.ArgumentParser) -> None:
    _add_places(parser)
    parser.add_argument("--data", action="store_true", help="fetch data, and put outputs in place")


def pull(args: argparse.Namespace, context: Context) -> int:
    """Take what others shared: branches go forward, archive tags appear, data come with --data.

      gitexp pull                let every local experiment follow
      gitexp pull deeper --data  one, also only there or archived, with its data

    Work trees on a branch follow it; files that you edited stay, and are named. A branch that has
    commits of its own is left as it is, and the exit code is 4: gitexp sync brings both together.
    Data that are damaged on the DVC remote stop no others; they are named, and the exit code is 3.
    """
    return _share(gitexp.pull, args, context, data=args.data)


def add_sync(parser: argparse.ArgumentParser) -> None:
    _add_places(parser)
    _add_no_data(parser)


def sync(args: argparse.Namespace, context: Context) -> int:
    """Share both ways: fetch, put our records on top of theirs, push; again if others are faster.

      gitexp sync

    Records that two machines made of one experiment end up on one line, each once. Where your own
    commits are among them, both lines are merged. Of two snapshots (dvc.lock, metrics) the first
    recorded one stays, and outputs in the work tree follow it. What cannot be merged is named, and
    the exit code is 4. A call that was killed is finished by the next one.
    """
    return _share(gitexp.sync, args, context, data=not args.no_data)


def _add_places(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="default: every experiment here")
    add("--remote", metavar="NAME", help="Git remote; default: the branch's, origin")
    add(
        "--trust",
        action="store_true",
        help="DVC's remote may be one that only this branch names; kept, until it changes",
    )


def _add_no_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-data", action="store_true", help="share only what Git holds")


def _share(
    verb: Callable[..., TogetherReport], args: argparse.Namespace, context: Context, *, data: bool
) -> int:

    def once(*, trust: bool) -> TogetherReport:
        return verb(
            context.workspace(),
            args.names,
            remote_name=args.remote,
            data=data,
            trust=trust,
            now=context.now(),
            environ=context.environ,
        )

    try:
        report = once(trust=args.trust)
    except ForeignRemoteError as error:
        if not context.interactive:
            raise
        context.printer.error(error)
        if not context.ask("Use it, from now on?"):
            return error.exit_code
        report = once(trust=True)
    show(report, context)
    if report.data.damaged:
        return DamagedDataError.exit_code
    return EXIT_PARTED if report.open else 0
