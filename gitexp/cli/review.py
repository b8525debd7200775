"""Verbs that hold commits against the rules: check, review, comment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import gitexp
from gitexp import __version__
from gitexp.cli.context import read_named
from gitexp.cli.printing import deliver, named_format, show
from gitexp.errors import BadFormatError, UsageError
from gitexp.model.review import BOT, FailOn, Review
from gitexp.model.rules import Policy
from gitexp.records import codec
from gitexp.report.escape import escaped
from gitexp.text.jsontext import json_loads

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context

EXIT_BROKEN = 1
FORMATS = ("text", "json", "md", "summary", "annotations", "html")
_EVENT_BYTES = 16 << 20
_NEEDED = ("GITHUB_EVENT_PATH", "GITHUB_REPOSITORY", "GITHUB_TOKEN")


def add_check(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("range", metavar="RANGE", nargs="?", help="BASE..TIP, or one name (default: HEAD)")
    add("--branch", metavar="NAME", help="on which branch the commits are")
    add("--remote", action="store_true", help="also ask the remotes for archive tags and data")
    add(
        "--fail-on",
        choices=["error", "warn", "never"],
        default="error",
        help="what makes it exit 1 (error)",
    )


def check(args: argparse.Namespace, context: Context) -> int:
    """Hold commits against the rules: what hooks let pass, or never saw.

      gitexp check                     what this branch has and main has not
      gitexp check exp/deeper          another branch, experiment or archive tag
      gitexp check origin/main..HEAD   a range

    The rules are in docs/enforcement.md; .gitexp/config.yaml says what each weighs. It exits 1
    where one that weighs "error" is broken. It executes nothing of what is in the commits.
    """
    from gitexp.enforcement.check import RemoteFacts

    workspace = context.workspace()
    world = RemoteFacts(workspace, remote=args.remote, environ=context.environ)
    report = gitexp.check(workspace, args.range, branch=args.branch, outside=world)
    show(report, context)
    broken = report.broken(Policy.ERROR) and args.fail_on != "never"
    broken = broken or (report.broken(Policy.WARN) and args.fail_on == "warn")
    return EXIT_BROKEN if broken else 0


def add_review(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("range", metavar="BASE...HEAD", nargs="?", help="what HEAD has and BASE not")
    add("--branch", metavar="NAME", help="on which branch the commits are")
    add("--into", metavar="NAME", help="which branch they are to be merged into")
    add("--experiment", action="append", default=[], metavar="NAME", help="only this one")
    add(
        "--fail-on",
        choices=[word.value for word in FailOn],
        default=FailOn.RULES.value,
        help="what makes it exit 1 (rules)",
    )
    add("--format", choices=FORMATS, help="default: text")
    add("-o", "--output", metavar="FILE", help="write there instead of stdout")
    add("--from", dest="file", metavar="FILE", help="show a review made elsewhere")


def review(args: argparse.Namespace, context: Context) -> int:
    """Say whether commits should be merged: rules over them, their experiments against the base.

      gitexp review origin/main...HEAD --branch exp/deeper
      gitexp review main...exp/deeper --json -o review.json
      gitexp review --from review.json --format md

    It executes nothing of what is in the commits, and needs no work tree. It exits 1 where a rule
    that weighs "error" is broken; --fail-on says what else counts. A refuted hypothesis is a
    result.
    """
    name = named_format(args, context) or "text"
    if (args.file is None) == (args.range is None):
        raise UsageError("review takes a range, or --from FILE")
    found = (
        gitexp.review(
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
    deliver(rendered, args, context, "the review cannot be written")
    return found.exit_code(FailOn(args.fail_on))


def read(path: Path) -> Review:
    """Read a review that was made elsewhere, with every field checked."""
    problem = "the review cannot be read"
    return codec.load(
        Review, read_named(path, codec.limit(Review), problem, BadFormatError), path.name
    )


def render(found: Review, name: str) -> str:
    """Return a review in one of `FORMATS`."""
    from gitexp.report import brief, github, html

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
            return html.review(found)
        case _:
            return brief.text(found)


def add_comment(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--from", dest="file", metavar="FILE", required=True, help="what review --json wrote")
    add("--key", default="review", help="tells several workflows' comments apart")
    add("--author", default=BOT, metavar="LOGIN", help=f"whose it is ({BOT})")


def comment(args: argparse.Namespace, context: Context) -> int:
    """Put a review on its pull request, as one comment that is kept up to date.

      gitexp comment --from review.json

    For jobs of GitHub Actions: GITHUB_EVENT_PATH says which pull request it is, GITHUB_REPOSITORY
    and GITHUB_API_URL where, GITHUB_TOKEN who writes. The review is read with every field checked
    and shown anew, so that a job that is trusted may show what one that is not has made.
    """
    from gitexp.sharing.comment import GitHub, Thread, pull_request
    from gitexp.sharing.comment import comment as post

    environ = context.environ
    given = {name: environ.get(name, "") for name in _NEEDED}
    lacking = [name for name, value in given.items() if not value]
    if lacking:
        raise UsageError("this is no job of GitHub Actions", found=f"no {lacking[0]}")
    data = read_named(Path(given["GITHUB_EVENT_PATH"]), _EVENT_BYTES, "the event cannot be read")
    event = json_loads(data, where="GITHUB_EVENT_PATH", limit=_EVENT_BYTES)
    target = pull_request(event, "the event")
    if target is None:
        context.printer.say("no pull request, no comment")
        return 0
    url = environ.get("GITHUB_API_URL") or "https://api.github.com"
    api = GitHub(url, given["GITHUB_TOKEN"])
    thread = Thread(api, given["GITHUB_REPOSITORY"], args.key, args.author)
    posted = post(thread, target, read(context.start / args.file))
    context.printer.say(f"{'wrote' if posted.created else 'updated'} {posted.url}")
    return 0
