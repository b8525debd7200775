r"""Begin an experiment: a branch with a plan that says what is expected before there is a result.

  gitexp new engineered-features --baseline main --metric f1:max \
      --hypothesis "engineered features raise F1 by at least 5%" --effect ">=5%"

The plan can also come from a file (--from) or from your editor (--edit).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.cli import editor, terms
from gitexp.cli.commands import find
from gitexp.errors import BadFormatError, BadHypothesisError, GitexpError, UsageError
from gitexp.experiments.lifecycle import check_name
from gitexp.experiments.new import new
from gitexp.model.plan import ALPHA, MAX_REPEATS, PlanDraft, with_terms
from gitexp.model.request import NewRequest
from gitexp.records import plan as plan_format
from gitexp.records.plan import TEMPLATE_HYPOTHESIS
from gitexp.records.terms import check_alpha, parse_metric
from gitexp.report.answers import actions
from gitexp.text.params import parse_assignment

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.cli.context import Context
    from gitexp.model.report import NewReport

DRAFT_LIMIT_BYTES = 1 << 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("name", metavar="NAME", help="a-z, 0-9, dot, underscore, hyphen")
    terms.configure(parser, "the plan", prose=True)
    source = parser.add_argument_group("where the plan comes from")
    source.add_argument("--from", dest="file", metavar="FILE", help="a YAML file with these fields")
    source.add_argument("--edit", action="store_true", help="write it in your editor")
    where = parser.add_argument_group("where it begins")
    where.add_argument("--start", metavar="REV", help="first commit stands on this (HEAD)")
    where.add_argument("--here", action="store_true", help="put the plan on the current branch")
    where.add_argument("--checkout", action=argparse.BooleanOptionalAction, default=None)
    where.add_argument(
        "--param", action="append", default=[], metavar="KEY=VALUE", help="set in the first commit"
    )
    where.add_argument("--dry-run", action="store_true", help="say what would be made")
    seen = parser.add_argument_group("who else sees it")
    seen.add_argument("--witness", choices=["push", "rfc3161"], help="as gitexp witness does")
    seen.add_argument("--remote", metavar="NAME", help="with --witness push: Git remote")


def execute(args: argparse.Namespace, context: Context) -> int:
    """Record the plan."""
    check_name(args.name)  # before an editor opens for nothing
    workspace = context.workspace()
    draft = _draft(args, context)
    if args.edit:
        again = f"gitexp new {args.name} --from {{path}}"
        with editor.kept(workspace, f"{args.name}.yaml", again) as path:
            edited = editor.edit_draft(path, args.name, draft, context, workspace)
            report = _new(args, edited, context)
    else:
        report = _new(args, draft, context)
    if args.witness and not args.dry_run:
        _witness(args, context)
    if context.json:
        context.printer.answer(actions.new_json(report))
    else:
        context.printer.answer(context.printer.headed(actions.new_text(report)))
    return 0


def _witness(args: argparse.Namespace, context: Context) -> None:
    """Call `gitexp witness` through the table: what pushes takes long to load."""
    command = find("witness")
    if command is None:  # pragma: no cover  a table without it
        return
    asked = argparse.Namespace(name=args.name, way=args.witness, remote=args.remote, message="")
    aside = replace(context.printer, out=context.printer.err)
    quiet = replace(context, json=False, printer=aside)
    try:
        command.load().execute(asked, quiet)
    except GitexpError as error:
        again = f"gitexp witness {args.name} --{args.witness}"
        error.next_step = f"the plan is made; {again}"
        raise


def _new(args: argparse.Namespace, draft: PlanDraft, context: Context) -> NewReport:
    return new(context.workspace(), _request(args, draft), now=context.now())


def _draft(args: argparse.Namespace, context: Context) -> PlanDraft:
    """Join a plan file with the options, which win."""
    draft = PlanDraft()
    if args.file is not None:
        path = context.start / args.file
        draft = plan_format.load_draft(_read(path), str(args.file))
    if args.metric:
        draft = replace(draft, metric=None, direction=None)
    elif draft.metric and draft.direction is None:
        metric, direction = parse_metric(draft.metric)
        draft = replace(draft, metric=metric, direction=direction)
    prose = {"objective": args.objective, "hypothesis": args.hypothesis}
    said = {name: text for name, text in prose.items() if text is not None}
    return with_terms(draft, {**said, **terms.given(args).given()})


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(DRAFT_LIMIT_BYTES + 1)
    except OSError as error:
        raise UsageError(
            "the plan file cannot be read", found=error.strerror or "", where=str(path)
        ) from error
    if len(data) > DRAFT_LIMIT_BYTES:
        raise BadFormatError("the plan file is too large", where=str(path), expected="1 MiB")
    return data


def _request(args: argparse.Namespace, draft: PlanDraft) -> NewRequest:
    if not draft.hypothesis:
        raise BadHypothesisError(
            "an experiment needs a hypothesis",
            expected=f"a sentence such as: {TEMPLATE_HYPOTHESIS}",
            next_step=f"gitexp new {args.name} --edit, or the same with --hypothesis TEXT",
        )
    if not draft.metric or not draft.effect:
        lacking = " and ".join(
            option
            for option, value in (("--metric", draft.metric), ("--effect", draft.effect))
            if not value
        )
        raise UsageError(
            f"the plan lacks {lacking}",
            expected='the primary metric and the promised gain: --metric f1:max --effect ">=5%"',
            next_step=f"gitexp new {args.name} --edit",
        )
    check_alpha(ALPHA if draft.alpha is None else draft.alpha)
    if draft.repeats is not None and not 1 <= draft.repeats <= MAX_REPEATS:
        raise UsageError(
            f"a plan has at least one repeat, and at most {MAX_REPEATS}", found=str(draft.repeats)
        )
    request = NewRequest(
        name=args.name,
        hypothesis=draft.hypothesis,
        metric=draft.metric,
        effect=draft.effect,
        objective=draft.objective,
        evaluation=draft.evaluation,
        start=args.start,
        params=tuple(parse_assignment(text) for text in args.param),
        here=args.here,
        checkout=args.checkout,
        dry_run=args.dry_run,
    )
    baseline = draft.baseline or args.start or "HEAD"
    return with_terms(request, {**draft.given(), "baseline": baseline})
