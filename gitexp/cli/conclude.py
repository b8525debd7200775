"""Write down what was learned: the verdict, the comparison it rests on, your words.

  gitexp conclude -m "engineered features help recall, not F1; dropped"

The exit code is that of the verdict, as with compare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp import __version__
from gitexp.cli import editor
from gitexp.comparison.compare import exit_code
from gitexp.errors import UsageError
from gitexp.experiments.conclude import conclude
from gitexp.report.answers import actions

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from gitexp.cli.context import Context

WORDS_LIMIT_BYTES = 64 << 10
_TEMPLATE = """
# What was learned? Lines that begin with # are left out; an empty text concludes nothing.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="default: this branch's")
    parser.add_argument("-m", dest="message", metavar="TEXT", help="what was learned")
    parser.add_argument("-F", dest="file", metavar="FILE", help="take the words from a file")
    parser.add_argument("--edit", action="store_true", help="write it in your editor")
    parser.add_argument("--amend", action="store_true", help="replace an earlier conclusion")
    parser.add_argument("--archive", action="store_true", help="keep it by a tag, too")
    parser.add_argument("--push", action="store_true", help="--archive, and the tag on the remote")
    parser.add_argument("--dry-run", action="store_true", help="say what would be written")


def execute(args: argparse.Namespace, context: Context) -> int:
    """Write the conclusion."""
    if args.message is not None and args.file is not None:
        raise UsageError("-m and -F contradict each other")
    if args.message is not None:
        return _conclude(args, args.message, context)
    if args.file is not None:
        return _conclude(args, _without_comments(_read(context.start / args.file)), context)
    if not (args.edit or context.interactive):
        words = ["gitexp conclude", *([args.name] if args.name else [])]
        words += [*(["--amend"] if args.amend else []), '-m "what was learned"']
        raise UsageError("a conclusion needs your words", next_step=" ".join(words))
    workspace = context.workspace()
    again = " ".join(["gitexp conclude", *([args.name] if args.name else []), "-F {path}"])
    with editor.kept(workspace, "CONCLUSION.md", again) as path:
        text = editor.edit_text(path, _TEMPLATE, context, workspace)
        return _conclude(args, _without_comments(text), context)


def _conclude(args: argparse.Namespace, words: str, context: Context) -> int:
    report = conclude(
        context.workspace(),
        args.name,
        words=words,
        amend=args.amend,
        archived=args.archive or args.push,
        push=args.push,
        dry_run=args.dry_run,
        now=context.now(),
        program=f"gitexp {__version__}",
    )
    context.printer.answer(
        actions.conclude_json(report.conclusion, report.commit, report.archived)
        if context.json
        else context.printer.headed(
            actions.conclude_text(
                report.conclusion, report.branch, report.commit, report.not_updated, report.archived
            )
        )
    )
    return exit_code([report.conclusion.comparison])


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > WORDS_LIMIT_BYTES:
            raise UsageError("the file is too large", where=str(path), expected="64 KiB")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "the file cannot be read", found=str(error)[:200], where=str(path)
        ) from error
