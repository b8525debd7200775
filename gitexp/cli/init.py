"""`gitexp init`: the settings of a project."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

import gitexp
from gitexp.cli.context import filled
from gitexp.cli.printing import show
from gitexp.errors import ConfirmationError, SeveralSeedsError
from gitexp.model.request import InitRequest
from gitexp.text.paramkeys import param_key

if TYPE_CHECKING:
    from gitexp.cli.context import Context
    from gitexp.errors import GitexpError
    from gitexp.model.request import InitReport


def add_init(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `gitexp init`."""
    parser.add_argument("--project", metavar="DIR", help="folder of the pipeline")
    plain = parser.add_argument_group("a project without a pipeline")
    plain.add_argument("--command", metavar="CMD", help="what a run executes")
    plain.add_argument("--write-pipeline", action="store_true", help="make a dvc.yaml of it")
    files = parser.add_argument_group("instead of what would be found")
    files.add_argument("--metrics", action="append", default=[], metavar="FILE")
    files.add_argument("--params", action="append", default=[], metavar="FILE")
    files.add_argument("--outs", action="append", default=[], metavar="PATH")
    files.add_argument("--predictions", metavar="FILE", help="per-example predictions")
    files.add_argument(
        "--seed-param",
        action="append",
        default=[],
        metavar="KEY",
        help="train.seed, or conf.yaml:seed; again for each that takes a repeat's seed",
    )
    files.add_argument("--seed-arg", metavar="TEXT", help='appended: "--seed {seed}"')
    files.add_argument("--python", metavar="PATH", help="interpreter of the project")
    how = parser.add_argument_group("how")
    how.add_argument("--dvc-init", action=argparse.BooleanOptionalAction, default=None)
    how.add_argument(
        "--merge-driver", action="store_true", help="Git here joins dvc.lock by whole stages"
    )
    how.add_argument("--no-commit", action="store_true", help="write, print the git command")
    how.add_argument("--dry-run", action="store_true", help="say what would be written")


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
