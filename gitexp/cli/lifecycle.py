"""Verbs that end an experiment: conclude, archive, restore, rename, rm."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import gitexp
from gitexp import __version__
from gitexp.cli import editor
from gitexp.cli.printing import show
from gitexp.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from gitexp.cli.context import Context

WORDS_LIMIT_BYTES = 64 << 10
_TEMPLATE = """
# What was learned? Lines that begin with # are left out; an empty text concludes nothing.
"""


def add_conclude(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="default: this branch's")
    parser.add_argument("-m", dest="message", metavar="TEXT", help="what was learned")
    parser.add_argument("-F", dest="file", metavar="FILE", help="take the words from a file")
    parser.add_argument("--edit", action="store_true", help="write it in your editor")
    parser.add_argument("--amend", action="store_true", help="replace an earlier conclusion")
    parser.add_argument("--archive", action="store_true", help="keep it by a tag, too")
    parser.add_argument("--push", action="store_true", help="--archive, and the tag on the remote")
    parser.add_argument("--dry-run", action="store_true", help="say what would be written")


def conclude(args: argparse.Namespace, context: Context) -> int:
    """Write down what was learned: the verdict, the comparison it rests on, your words.

      gitexp conclude -m "engineered features help recall, not F1; dropped"

    The exit code is that of the verdict, as with compare.
    """
    if args.message is not None and args.file is not None:
        raise UsageError("-m and -F contradict each other")
    if args.message is not None:
        return _conclude(args, args.message, context)
    if args.file is not None:
        return _conclude(args, _without_comments(_read(context.start / args.file)), context)
    again = f"gitexp conclude {shlex.quote(args.name)}" if args.name else "gitexp conclude"
    if not (args.edit or context.interactive):
        amend = " --amend" if args.amend else ""
        step = f'{again}{amend} -m "what was learned"'
        raise UsageError("a conclusion needs your words", next_step=step)
    workspace = context.workspace()
    with editor.kept(workspace, "CONCLUSION.md", f"{again} -F") as path:
        text = editor.edit_text(path, _TEMPLATE, context, workspace)
        return _conclude(args, _without_comments(text), context)


def _conclude(args: argparse.Namespace, words: str, context: Context) -> int:
    report = gitexp.conclude(
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
    show(report, context)
    from gitexp.comparison.compare import exit_code

    return exit_code([report.conclusion.comparison])


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not line.startswith("#"))


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > WORDS_LIMIT_BYTES:
            raise UsageError("the file is too large", where=str(path), expected="64 KiB")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "the file cannot be read", found=str(error)[:200], where=str(path)
        ) from error


def add_archive(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="an experiment with a branch here")
    parser.add_argument("--abandon", action="store_true", help="although main lacks its records")
    parser.add_argument("--push", action="store_true", help="on the remote as well")
    parser.add_argument("--remote", metavar="NAME", help="Git remote; default: the branch's")


def archive(args: argparse.Namespace, context: Context) -> int:
    """Keep an experiment by an annotated tag, exp-archive/NAME, and remove its branch.

      gitexp archive deeper            the tag; the branch goes if main has its records
      gitexp archive deeper --push     the same on the remote
      gitexp archive deeper --abandon  the branch goes, merged or not; the tag keeps it

    The tag keeps plan and runs in their order when a code host squashes, and the data from dvc gc.
    Whether main has the records does not depend on how they came there: merged, squashed or
    rebased. Nothing is archived while finished repeats are not recorded, nor before anything was
    run or concluded, unless with --abandon; and no branch is removed that a worktree is on.
    """
    report = gitexp.archive(
        context.workspace(),
        args.name,
        abandon=args.abandon,
        push=args.push or args.remote is not None,
        remote_name=args.remote,
        now=context.now(),
    )
    return show(report, context)


def add_restore(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="an archived experiment")


def restore(args: argparse.Namespace, context: Context) -> int:
    """Bring an archived experiment back: its branch, where the tag says it was. The tag stays.

      gitexp list --archived
      gitexp restore deeper

    One that was removed does not come back: its code is gone. Of a tag that a fetch brought it is
    said whose it is; where main says something else of the experiment, nothing comes back.
    """
    return show(gitexp.restore(context.workspace(), args.name, now=context.now()), context)


def add_rename(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="OLD", help="an experiment with a branch or archive here")
    parser.add_argument("new", metavar="NEW", help="the name that it shall have")


def rename(args: argparse.Namespace, context: Context) -> int:
    """Give an experiment another name: branch, plan, conclusion and archive tag, all or none.

      gitexp rename deeper deeper-trees

    The plan remembers the old name, so the runs that carry it go on counting. Worktrees on the
    branch follow; where `git branch -m` renamed it, plan and conclusion do. What a remote has is
    renamed by the git command that is printed.
    """
    return show(gitexp.rename(context.workspace(), args.old, args.new, now=context.now()), context)


def add_rm(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="an experiment with a branch or archive here")
    parser.add_argument("-m", dest="message", default="", metavar="TEXT", help="why")
    parser.add_argument("-y", "--yes", action="store_true", help="also one that is not archived")
    parser.add_argument("--push", action="store_true", help="on the remote as well")
    parser.add_argument("--remote", metavar="NAME", help="Git remote; default: the branch's")


def rm(args: argparse.Namespace, context: Context) -> int:
    """Remove an experiment's branch, code and hold on data; keep what it recorded.

      gitexp rm deeper                     one that was archived
      gitexp rm deeper --yes -m "misread"  one that was not

    The tag exp-archive/NAME leads to one commit afterwards: plan, runs, conclusion and a tombstone.
    So a refuted hypothesis stays on the list, and seeds that were seen stay seen. dvc gc frees the
    data. A plan of which nothing was run, concluded or archived goes without a trace: its name is
    free again.
    """
    report = gitexp.remove(
        context.workspace(),
        args.name,
        words=args.message,
        yes=args.yes,
        push=args.push or args.remote is not None,
        remote_name=args.remote,
        now=context.now(),
    )
    return show(report, context)
