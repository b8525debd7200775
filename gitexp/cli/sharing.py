"""What `push`, `pull` and `sync` share: whom they are asked about, and how they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from gitexp.errors import ForeignRemoteError
from gitexp.report.answers import sharing

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from gitexp.cli.context import Context
    from gitexp.model.sharing import TogetherReport
    from gitexp.model.workspace import Workspace

EXIT_PARTED: Final = 4  # both sides have new commits


class Verb(Protocol):
    """One of `ops.push`, `ops.pull` and `ops.sync`."""

    def __call__(  # noqa: PLR0913  as all three are called
        self,
        workspace: Workspace,
        names: Sequence[str],
        *,
        remote_name: str | None,
        data: bool,
        trust: bool,
        now: datetime | None,
        environ: Mapping[str, str],
    ) -> TogetherReport:
        """Share."""


def add_places(parser: argparse.ArgumentParser) -> None:
    """Declare what is shared, and with whom."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: every experiment here")
    parser.add_argument(
        "--remote", metavar="NAME", help="Git remote; default: the branch's, origin"
    )
    parser.add_argument(
        "--trust", action="store_true", help="DVC's remote may be one that only this branch names"
    )


def add_no_data(parser: argparse.ArgumentParser) -> None:
    """Declare the option that leaves data where they are."""
    parser.add_argument("--no-data", action="store_true", help="share only what Git holds")


def share(verb: Verb, args: argparse.Namespace, context: Context, *, data: bool) -> int:
    """Do it, print what came of it, return the exit code."""

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
        if not context.ask("Use it for once?"):
            return error.exit_code
        report = once(trust=True)
    context.printer.answer(
        sharing.json(report) if context.json else context.printer.headed(sharing.text(report))
    )
    return EXIT_PARTED if report.open else 0
