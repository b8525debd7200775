"""Verbs that set a repository up and keep it in order: init, hooks, doctor, maintenance."""

from __future__ import annotations

import argparse
import importlib
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import gitexp
from gitexp.cli.commands import COMMANDS
from gitexp.cli.context import filled
from gitexp.cli.printing import show
from gitexp.errors import ConfirmationError, SeveralSeedsError
from gitexp.model.config import InputsMode
from gitexp.model.report import KEEP
from gitexp.model.request import InitRequest
from gitexp.model.rules import HookState
from gitexp.report.escape import PROSE_LIMIT, visible
from gitexp.text.paramkeys import param_key

if TYPE_CHECKING:
    from gitexp.cli.context import Context
    from gitexp.errors import GitexpError
    from gitexp.model.request import InitReport


def add_init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", metavar="DIR", help="folder of the pipeline")
    plain = parser.add_argument_group("a project without a pipeline").add_argument
    plain("--command", metavar="CMD", help="what a run executes")
    plain("--write-pipeline", action="store_true", help="make a dvc.yaml of it")
    files = parser.add_argument_group("instead of what would be found").add_argument
    files("--metrics", action="append", default=[], metavar="FILE")
    files("--params", action="append", default=[], metavar="FILE")
    files("--outs", action="append", default=[], metavar="PATH")
    files("--predictions", metavar="FILE", help="per-example predictions")
    files(
        "--seed-param",
        action="append",
        default=[],
        metavar="KEY",
        help="train.seed, or conf.yaml:seed; again for each that takes a repeat's seed",
    )
    files("--seed-arg", metavar="TEXT", help='appended: "--seed {seed}"')
    files("--python", metavar="PATH", help="interpreter of the project")
    files(
        "--add-inputs",
        action="append",
        default=[],
        metavar="PATH",
        help="a test, notebook or text that repeats read",
    )
    files(
        "--inputs",
        type=InputsMode,
        choices=[*InputsMode],
        metavar="{tree,declared}",
        help="declared: what nothing declares, and the last run did not read, is none",
    )
    how = parser.add_argument_group("how").add_argument
    how("--dvc-init", action=argparse.BooleanOptionalAction, default=None)
    how("--merge-driver", action="store_true", help="Git here joins dvc.lock by whole stages")
    how("--no-commit", action="store_true", help="write, print the git command")
    how("--dry-run", action="store_true", help="say what would be written")


def init(args: argparse.Namespace, context: Context) -> int:
    """Make this repository a gitexp project: write and commit .gitexp/config.yaml.

    Finds the DVC pipeline, its outputs, metrics, params files and the seed parameter. Without a
    pipeline give the command:

      gitexp init --command "python train.py" --metrics metrics.json
      gitexp init --command "python train.py" --metrics metrics.json --outs model.joblib --dvc-init

    Another call changes what its options say and nothing else; without options it says what is
    there.
    """
    request = filled(
        InitRequest,
        args,
        metrics=_paths(args.metrics),
        params=_paths(args.params),
        outputs=_paths(args.outs),
        add_inputs=_paths(args.add_inputs),
        seed_params=tuple(map(param_key, _paths(args.seed_param))),
        commit=not args.no_commit,
    )
    report = _init(request, context)
    return show(report, context)


def _init(request: InitRequest, context: Context) -> InitReport:
    workspace = context.workspace()
    while True:
        try:
            return gitexp.init(workspace, request, now=context.now())
        except (ConfirmationError, SeveralSeedsError) as error:
            if not context.interactive:
                raise
            request = _answered(request, error, context)


def _answered(request: InitRequest, error: GitexpError, context: Context) -> InitRequest:
    if not isinstance(error, SeveralSeedsError):
        answer = context.ask("There is no DVC repository here, and outputs need one. Make it?")
        return replace(request, dvc_init=answer)
    if not context.ask(f"{error.found} look like seeds. Do all of them take a repeat's seed?"):
        raise error
    return replace(request, seed_params=tuple(map(param_key, error.found.split(", "))))


def _paths(values: list[str]) -> tuple[str, ...]:
    """Take options that are repeated, or hold several paths with commas."""
    parts = [part.strip() for value in values for part in value.split(",")]
    return tuple(dict.fromkeys(part for part in parts if part))


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
_REVISION = {"bash": "_gitexp_revisions", "zsh": "_gitexp_revisions", "fish": "(_gitexp_revisions)"}
_EXPERIMENTS = {"NAME", "OLD"}
_REVISIONS_TOO = {"A", "B", "BASE", "BRANCH", "NAME|REV", "NAME|RUN|REV", "REF", "REV"}
_FILES = {"FILE", "PATH", "BASELINE", "CANDIDATE"}


def add_hooks(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("verb", choices=("install", "uninstall", "status"), metavar="VERB",
                        help="install, uninstall or status")  # fmt: skip
    add(
        "--hooks-path",
        action="store_true",
        help="install into the folder that core.hooksPath names, though Git tracks it or other "
        "repositories use it",
    )


def hooks(args: argparse.Namespace, context: Context) -> int:
    """Put Git's hooks in place, take them away, or say how they stand.

    The hooks hold each commit of an experiment, and each push, against the rules of the project;
    docs/enforcement.md has them. What was there before is kept and goes first; uninstall gives it
    back. Where a manager of hooks is in charge (pre-commit, prek, husky, lefthook,
    simple-git-hooks) nothing is written: its entry is printed. In a bare repository it is the
    server's pre-receive.

    Exit code 0: all of them run (uninstall: none of ours is left); 1: some do not.
    """
    from gitexp.enforcement.hooks import install as hooks_of

    workspace = context.workspace()
    if args.verb == "install":
        report = hooks_of.install(workspace, anywhere=args.hooks_path)
    else:
        look = hooks_of.uninstall if args.verb == "uninstall" else hooks_of.status
        report = look(workspace)
    show(report, context)
    if args.verb == "uninstall":
        return int(any(hook.state is HookState.CHANGED for hook in report.hooks))
    return int(not all(hook.runs for hook in report.hooks))


def add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fix", action="store_true", help="clear what is proved redundant")


def doctor(args: argparse.Namespace, context: Context) -> int:
    """Find what crashes and accidents leave behind, explain it, and clear it with --fix.

    It looks at locks whose owner is dead, temporary refs and files, worktrees of jobs, repeats that
    finished and were never recorded, damaged records, lone by-products, branches without a plan,
    the index cache, unfinished files in the DVC cache, and hooks that nothing runs. --fix records
    what had finished, and clears only what is proved redundant; everything else is named with the
    command that mends it. Notes are harmless.

    Exit code 0: nothing found, or all of it cleared; 1: problems are left.
    """
    diagnosis = gitexp.doctor(context.workspace(), fix=args.fix, environ=context.environ)
    show(diagnosis, context)
    return 1 if diagnosis.left else 0


def add_maintenance(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--keep", type=int, default=KEEP, metavar="N",
        help=f"leave the job folders of the N newest recorded runs; default {KEEP}"
    )  # fmt: skip
    add("-n", "--dry-run", action="store_true", help="only measure")


def maintenance(args: argparse.Namespace, context: Context) -> int:
    """Pack what Git should pack, and forget old job folders; sizes before and after.

    Refs and loose objects are packed and the commit-graph is written, all by git itself; nothing
    that is unreachable is deleted. Of runs that are recorded, the job folders with their logs go,
    but for the newest.
    """
    return show(
        gitexp.maintenance(context.workspace(), keep=args.keep, dry_run=args.dry_run), context
    )


def add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=" or ".join(SHELLS))


def completion(args: argparse.Namespace, context: Context) -> int:
    """Print a script by which a shell completes commands, options and names of experiments.

      gitexp completion bash    into ~/.local/share/bash-completion/completions/gitexp
      gitexp completion zsh     into _gitexp, in a folder of $fpath
      gitexp completion fish    into ~/.config/fish/completions/gitexp.fish

    It holds this version's options: write it again after an upgrade.
    """
    from gitexp.cli.dispatch import parser_of

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
    kinds = {**dict.fromkeys(_FILES, files), **dict.fromkeys(_REVISIONS_TOO, _REVISION)}
    if not (action.option_strings or new):
        kinds |= dict.fromkeys(_EXPERIMENTS, _NAME)
    if given := (kinds | {"DIR": folders}).get(str(action.metavar)):
        action.complete = given  # type: ignore[attr-defined]


def add_merge_driver(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("base", metavar="BASE", help="the common ancestor's version")
    parser.add_argument("ours", metavar="OURS", help="our version; the result replaces it")
    parser.add_argument("theirs", metavar="THEIRS", help="their version")
    parser.add_argument("path", metavar="PATH", help="of the file in the tree")


def merge_driver(args: argparse.Namespace, context: Context) -> int:
    """Join two versions of a file: what Git starts after ``gitexp init --merge-driver``."""
    base, ours, theirs = (context.start / name for name in (args.base, args.ours, args.theirs))
    from gitexp.sharing.merge_driver import merge_driver as merged

    why = merged(base, ours, theirs, args.path)
    if not why:
        return 0
    keep = f"git checkout --ours -- {shlex.quote(args.path)}"
    said = f"{args.path}: {why}; keep one side whole: {keep}"
    context.printer.say(visible(said, limit=PROSE_LIMIT))
    return 1
