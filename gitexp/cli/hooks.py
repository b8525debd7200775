"""Put Git's hooks in place, take them away, or say how they stand.

The hooks hold each commit of an experiment, and each push, against the rules of the project;
docs/enforcement.md has them. What was there before is kept and goes first; uninstall gives it back.
Where a manager of hooks is in charge (pre-commit, prek, husky, lefthook, simple-git-hooks) nothing
is written: its entry is printed. In a bare repository it is the server's pre-receive.

Exit code 0: all of them run (uninstall: none of ours is left); 1: some do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.enforcement.hooks.install import install, status, uninstall
from gitexp.model.rules import HookState
from gitexp.report.answers.hooks import hooks_json, hooks_text

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("verb", choices=("install", "uninstall", "status"), metavar="VERB",
                        help="install, uninstall or status")  # fmt: skip
    parser.add_argument(
        "--hooks-path",
        action="store_true",
        help="install into the folder that core.hooksPath names, though Git tracks it or other "
        "repositories use it",
    )


def execute(args: argparse.Namespace, context: Context) -> int:
    """Do it and print how things stand."""
    workspace = context.workspace()
    if args.verb == "install":
        report = install(workspace, anywhere=args.hooks_path)
    elif args.verb == "uninstall":
        report = uninstall(workspace)
    else:
        report = status(workspace)
    context.printer.answer(hooks_json(report) if context.json else hooks_text(report))
    if args.verb == "uninstall":
        return 1 if any(hook.state is HookState.CHANGED for hook in report.hooks) else 0
    return 0 if all(hook.runs for hook in report.hooks) else 1
