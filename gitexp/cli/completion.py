"""Print a script by which a shell completes commands, options and names of experiments.

  gitexp completion bash    into ~/.local/share/bash-completion/completions/gitexp
  gitexp completion zsh     into _gitexp, in a folder of $fpath
  gitexp completion fish    into ~/.config/fish/completions/gitexp.fish

It holds this version's options: write it again after an upgrade.
"""

from __future__ import annotations

import argparse
import importlib
from typing import TYPE_CHECKING, Final

from gitexp.cli.commands import COMMANDS
from gitexp.cli.dispatch import parser_of

if TYPE_CHECKING:
    from gitexp.cli.context import Context

SHELLS: Final = ("bash", "zsh", "fish")
# Git alone is asked: a Python process for each press of a key would be felt. Whoever can push names
# branches: only what every shell takes as one plain word, and no option, gets past sed.
_WORD = "([A-Za-z0-9_][A-Za-z0-9_./+@=-]*)$"
_SED = "2>/dev/null | env LC_ALL=C sed -nE"
_NAMES = f"""\
git for-each-ref --format='%(refname)' {_SED} \\
  's#^refs/(heads|remotes/[^/]+)/exp/{_WORD}#\\2#p; s#^refs/tags/exp-archive/{_WORD}#\\1#p' \\
  | sort -u"""
_REVISIONS = f"""\
git for-each-ref --format='%(refname:short)' refs/heads refs/remotes {_SED} 's#^{_WORD}#\\1#p'"""
_PREAMBLE: Final = {
    "bash": f"""
_gitexp_begun() {{  # not by compgen -W, which executes $(...) in its words
  local word
  while IFS= read -r word; do [[ $word == "$1"* ]] && printf '%s\\n' "$word"; done
}}
_gitexp_names() {{
  {_NAMES} | _gitexp_begun "$1"
}}
_gitexp_revisions() {{
  _gitexp_names "$1"
  {_REVISIONS} | _gitexp_begun "$1"
}}
""",
    "zsh": f"""
_gitexp_names() {{
  compadd -- ${{(f)"$({_NAMES})"}}
}}
_gitexp_revisions() {{
  _gitexp_names
  compadd -- ${{(f)"$({_REVISIONS})"}}
}}
""",
    "fish": f"""
function _gitexp_names
  {_NAMES}
end
function _gitexp_revisions
  _gitexp_names
  {_REVISIONS}
end
""",
}
_NAME = {"bash": "_gitexp_names", "zsh": "_gitexp_names", "fish": "(_gitexp_names)"}
_REVISION = {
    "bash": "_gitexp_revisions",
    "zsh": "_gitexp_revisions",
    "fish": "(_gitexp_revisions)",
}
_EXPERIMENTS = {"NAME", "OLD"}
_REVISIONS_TOO = {"A", "B", "BASE", "BRANCH", "NAME|REV", "NAME|RUN|REV", "REF", "REV"}
_FILES = {"FILE", "PATH", "BASELINE", "CANDIDATE"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=" or ".join(SHELLS))


def execute(args: argparse.Namespace, context: Context) -> int:
    """Print the script."""
    shtab = importlib.import_module("shtab")  # for this command alone
    whole = argparse.ArgumentParser(prog="gitexp")
    commands = whole.add_subparsers()
    visible = [command for command in COMMANDS if not command.hidden]
    for command in visible:
        own = parser_of(command)
        commands.add_parser(command.name, parents=[own], add_help=False, help=command.summary)
        for action in own._actions:  # noqa: SLF001  argparse has no other way to ask for them
            _teach(action, new=command.name == "new", files=shtab.FILE, folders=shtab.DIRECTORY)
    help_ = commands.add_parser("help", help="explain a command or a word of the output")
    help_.add_argument("word", nargs="?", choices=[command.name for command in visible])
    context.printer.answer(shtab.complete(whole, shell=args.shell, preamble=_PREAMBLE))
    return 0


def _teach(action: argparse.Action, *, new: bool, files: object, folders: object) -> None:
    """Tell what an argument may be, by the word that stands for it in the help."""
    word = action.metavar
    given: object = None
    if word in _FILES:
        given = files
    elif word == "DIR":
        given = folders
    elif word in _REVISIONS_TOO:
        given = _REVISION
    elif word in _EXPERIMENTS and not action.option_strings and not new:
        given = _NAME
    if given is not None:
        action.complete = given  # type: ignore[attr-defined]
