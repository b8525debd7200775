"""`gitexp hook`: what Git, or a manager of hooks, calls."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gitexp.cli.output import rows, safe, written_down
from gitexp.errors import GitexpError, UsageError
from gitexp.model.rules import HookAnswer, HookCall, Policy
from gitexp.report.answers.lines import violations_text
from gitexp.text.foreign import one_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from gitexp.cli.context import Context

# Each is imported only when it is called: a commit waits for it.
PLACES: Final = {
    "pre-commit": ("commit", "answer"),
    "pre-merge-commit": ("commit", "answer"),
    "prepare-commit-msg": ("commit", "prepare"),
    "commit-msg": ("commit", "judge"),
    "post-checkout": ("outputs", "answer"),
    "post-merge": ("outputs", "answer"),
    "pre-push": ("push", "answer"),
    "pre-receive": ("receive", "answer"),
}
HINTS: Final = frozenset({"prepare-commit-msg", "post-checkout", "post-merge"})  # refuse nothing
_READS: Final = frozenset({"pre-push", "pre-receive"})


def add_hook(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", choices=tuple(PLACES), help="of the hook")
    parser.add_argument("args", metavar="ARGS", nargs="*", help="as Git gave them")


def hook(args: argparse.Namespace, context: Context) -> int:
    """`gitexp hook NAME [ARGS...]`: what Git, or a manager of hooks, calls.

    Exit code 0: Git may go on; 1: a rule refuses. Put in place by `gitexp hooks install`.
    """
    return _code(args.name, _answer(args.name, args.args, context.start))


def fast(argv: Sequence[str]) -> int:
    """Answer Git without building a parser."""
    name, *args = argv
    try:
        return _code(name, _answer(name, args, Path.cwd()))  # noqa: TID251  Git says where
    except GitexpError as error:
        said = error
    except KeyboardInterrupt:
        return 130
    except Exception:  # noqa: BLE001  the last net: a bug is written down, never shown raw
        said = written_down(["hook", *argv])
    _talk("\n".join(rows(said)))
    return 0 if name in HINTS else said.exit_code


def _answer(name: str, args: Sequence[str], folder: Path) -> HookAnswer:
    if name not in PLACES:
        raise UsageError("there is no such hook", found=name, expected=", ".join(PLACES))
    module, function = PLACES[name]
    answer: Callable[[HookCall], HookAnswer] = getattr(
        importlib.import_module(f"gitexp.enforcement.hooks.{module}"), function
    )
    given = b""
    if name in _READS and not sys.stdin.isatty():
        given = sys.stdin.buffer.read()
    return answer(HookCall(name, tuple(args), folder, dict(os.environ), given))


def _code(name: str, answer: HookAnswer) -> int:
    refused = answer.refused or any(each.policy is Policy.ERROR for each in answer.violations)
    text = violations_text(answer.violations)
    for part in (text, "\n".join(map(one_line, answer.said))):
        if part:
            _talk(part)
    return 1 if refused and name not in HINTS else 0


def _talk(text: str) -> None:
    sys.stderr.write(f"{safe(text)}\n")
