"""Put a review on its pull request, as one comment that is kept up to date.

  gitexp comment --from review.json

For jobs of GitHub Actions: GITHUB_EVENT_PATH says which pull request it is, GITHUB_REPOSITORY and
GITHUB_API_URL where, GITHUB_TOKEN who writes. The review is read with every field checked and shown
anew, so that a job that is trusted may show what one that is not has made.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.cli.review import read
from gitexp.errors import UsageError
from gitexp.sharing.comment import BOT, GitHub, comment, pull_request
from gitexp.text.jsontext import json_loads

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context
    from gitexp.text.jsontext import Json

_EVENT_BYTES = 16 << 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--from", dest="file", metavar="FILE", required=True, help="what review --json wrote"
    )
    parser.add_argument("--key", default="review", help="tells several workflows' comments apart")
    parser.add_argument("--author", default=BOT, metavar="LOGIN", help=f"whose it is ({BOT})")


def execute(args: argparse.Namespace, context: Context) -> int:
    """Comment; nothing where the event is about no pull request."""
    environ = context.environ
    given = {name: environ.get(name, "") for name in _NEEDED}
    lacking = [name for name, value in given.items() if not value]
    if lacking:
        raise UsageError("this is no job of GitHub Actions", found=f"no {lacking[0]}")
    target = pull_request(_event(Path(given["GITHUB_EVENT_PATH"])), "the event")
    if target is None:
        context.printer.say("no pull request, no comment")
        return 0
    url = environ.get("GITHUB_API_URL") or "https://api.github.com"
    posted = comment(
        GitHub(url, given["GITHUB_TOKEN"]),
        given["GITHUB_REPOSITORY"],
        target,
        read(context.start / args.file),
        key=args.key,
        author=args.author,
    )
    context.printer.say(f"{'wrote' if posted.created else 'updated'} {posted.url}")
    return 0


_NEEDED = ("GITHUB_EVENT_PATH", "GITHUB_REPOSITORY", "GITHUB_TOKEN")


def _event(path: Path) -> Json:
    try:
        with path.open("rb") as stream:
            return json_loads(
                stream.read(_EVENT_BYTES + 1), where="GITHUB_EVENT_PATH", limit=_EVENT_BYTES
            )
    except OSError as error:
        raise UsageError(
            "the event cannot be read", found=error.strerror or "", where=str(path)
        ) from error
