"""Finds the command, runs it, and turns whatever it raises into an exit code."""

from __future__ import annotations

import argparse
import inspect
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from gitexp import __version__
from gitexp.cli import context as context_module
from gitexp.cli.commands import COMMANDS, Command, find
from gitexp.cli.output import silence_stdout, written_down
from gitexp.errors import GitexpError, OutputError, UsageError
from gitexp.text.fields import near
from gitexp.text.jsontext import Json, json_dumps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import SupportsWrite

    from gitexp.cli.answers import RememberedQuestion
    from gitexp.cli.context import Context

EXIT_INTERRUPTED = 130
EXIT_CLOSED_PIPE = 141
HELP_COLUMNS = 90


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are errors of ours, so that they read and exit alike."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of leaving the process."""
        raise UsageError(
            message, expected=" or ".join(self._near(message)), next_step=f"{self.prog} --help"
        )

    def _near(self, message: str) -> list[str]:
        _, unknown, words = message.partition("unrecognized arguments: --")
        if not unknown:
            return []
        names = [name for name in self._option_string_actions if name.startswith("--")]
        return list(near(f"--{words.split()[0].partition('=')[0]}", names))

    def shorten_usage(self) -> None:
        """Let the usage name what has to be given; the options are listed below it."""
        shapes = {None: "{}", "?": "[{}]", "*": "[{} ...]"}
        words = [
            shapes[action.nargs if isinstance(action.nargs, str) else None].format(action.metavar)
            for action in self._get_positional_actions()
        ]
        self.usage = " ".join([self.prog, "[OPTIONS]", *words])

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Print the help; argparse's own swallows a closed pipe and calls it success."""
        (sys.stdout if file is None else file).write(self.format_help())


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """The same text on every terminal and under every version of Python."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=HELP_COLUMNS)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """Write ``-j, --jobs N``, as Python does from 3.13 on."""
        if not action.option_strings:
            return super()._format_action_invocation(action)
        names = ", ".join(action.option_strings)
        if action.nargs == 0:
            return names
        return f"{names} {self._format_args(action, action.dest.upper())}"


def dispatch(argv: Sequence[str], question: RememberedQuestion | None = None) -> int:
    """Run one command line and return its exit code; `question` keeps the answer."""
    try:
        return _run(argv, question)
    except BrokenPipeError:
        silence_stdout()
        return EXIT_CLOSED_PIPE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _run(argv: Sequence[str], question: RememberedQuestion | None) -> int:
    fallback = context_module.make(_common_parser().parse_args([]))
    fallback = replace(fallback, json="--json" in argv)
    context, name = fallback, ""
    try:
        if not argv or argv[0] in {"-h", "--help", "help"}:
            code = _help(argv[1:], fallback)
        else:
            name, rest = _split(argv)
            command = _command(name)
            args = parser_of(command).parse_args(_joined(rest))
            context = context_module.make(args, question)
            code = command.load()[1](args, context)
        context.printer.flush()
    except SystemExit:  # argparse has printed the help that was asked for
        context.printer.flush()
        return 0
    except GitexpError as error:
        if error.next_step == UsageError.hint and find(name) is not None:
            error.next_step = f"gitexp {name} --help"
        return _report(error, context)
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception:  # noqa: BLE001  the last net: a bug is written down, never shown raw
        return _report(written_down(argv), context)
    return code


def _common_parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    group = common.add_argument_group("everywhere")
    group.add_argument("-C", dest="folder", metavar="DIR", help="work as if started in DIR")
    group.add_argument("--json", action="store_true", help="print the value as JSON")
    group.add_argument("-q", "--quiet", action="store_true", help="only the answer")
    group.add_argument("-v", "--verbose", action="store_true", help="say why")
    group.add_argument("--color", choices=("auto", "always", "never"), default="auto")
    return common


def _split(argv: Sequence[str]) -> tuple[str, list[str]]:
    takes_value = {"-C", "--color"}
    index = 0
    while index < len(argv) and argv[index].startswith("-"):
        index += 2 if argv[index] in takes_value else 1
    if index >= len(argv):
        raise UsageError("no command given", found=" ".join(argv), next_step="gitexp --help")
    return argv[index], [*argv[:index], *argv[index + 1 :]]


def _joined(argv: Sequence[str]) -> list[str]:
    """Let ``--sort -f1`` mean ``--sort=-f1``: argparse takes a hyphen for another option.

    Examples
    --------
    >>> _joined(["--runs", "--sort", "-f1"])
    ['--runs', '--sort=-f1']
    """
    found: list[str] = []
    for word in argv:
        if found and found[-1] == "--sort" and word.startswith("-"):
            found[-1] = f"--sort={word}"
        else:
            found.append(word)
    return found


def parser_of(command: Command) -> argparse.ArgumentParser:
    """Return a command's own parser, with the options that all commands have."""
    configure, execute = command.load()
    parser = Parser(
        prog=f"gitexp {command.name}",
        description=inspect.cleandoc(execute.__doc__ or ""),
        formatter_class=_Formatter,
        parents=[_common_parser()],
        allow_abbrev=False,
    )
    configure(parser)
    parser.shorten_usage()
    return parser


def _command(name: str) -> Command:
    command = find(name)
    if command is not None:
        return command
    meant = near(name, [command.name for command in COMMANDS if not command.hidden])
    raise UsageError(
        "there is no such command",
        found=name,
        expected=" or ".join(meant),
        next_step=f"gitexp {meant[0]} --help" if meant else "gitexp --help",
    )


def _help(rest: Sequence[str], context: Context) -> int:
    words = [word for word in rest if not word.startswith("-")]
    context.printer.answer(_explained(" ".join(words)) if words else overview())
    return 0


def _explained(word: str) -> str:
    """Return the help of a command, what a word of the output means, or both."""
    from gitexp.cli import glossary  # read for this alone

    command = find(word)
    if command is None:
        return glossary.help_of(word)
    said = [help_of(command)]
    if glossary.find(word) is not None:
        said.append(f"as a word of the output:\n{glossary.help_of(word)}")
    return "\n\n".join(said)


def help_of(command: Command) -> str:
    """Return what ``gitexp help COMMAND`` prints, the same on every terminal."""
    return parser_of(command).format_help().rstrip()


def overview() -> str:
    """Return the text of ``gitexp --help``, made from the command table."""
    lines = [
        f"gitexp {__version__}: a hypothesis before the result, a test between commits",
        "",
        "usage: gitexp [-C DIR] COMMAND [OPTIONS]",
    ]
    for group in ("start", "work", "look", "share", "end", "rules", "care"):
        lines += ["", f"{group}:"]
        lines += [
            f"  {command.name:<11} {command.summary}"
            for command in COMMANDS
            if command.group == group and not command.hidden
        ]
    lines += [
        "",
        "gitexp help COMMAND tells more, gitexp help WORD explains a word of the output",
        "exit codes: 0 yes, 1 no, 2 usage, 3 something is missing, 4 the branch was moved,",
        "5 the project's command failed, 6 cannot say; docs/exit-codes.md lists every error",
    ]
    return "\n".join(lines)


def _report(error: GitexpError, context: Context) -> int:
    if context.json and not isinstance(error, OutputError):
        value: dict[str, Json] = {
            "$schema": "gitexp/error@1",
            "id": error.id,
            "summary": error.summary,
            "exit_code": error.exit_code,
            **dict(error.lines()),
        }
        context.printer.answer(json_dumps(value).decode().rstrip("\n"))
    else:
        context.printer.error(error)
    return error.exit_code
