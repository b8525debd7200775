"""Verbs of a plan: new, amend-plan, witness, with the options that say what binds."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

import gitexp
from gitexp.cli import editor
from gitexp.cli.context import read_named
from gitexp.cli.printing import show
from gitexp.errors import BadFormatError, BadHypothesisError, GitexpError, UsageError
from gitexp.experiments.lifecycle import check_name
from gitexp.model.plan import (
    ALPHA,
    ASKED,
    MAX_REPEATS,
    Claim,
    OnFailed,
    PlanDraft,
    SeedOrigin,
    Stopping,
    StoppingRule,
    Terms,
    with_terms,
)
from gitexp.model.request import NewRequest
from gitexp.model.witness import Way
from gitexp.records import plan as plan_format
from gitexp.records.plan import TEMPLATE_HYPOTHESIS
from gitexp.records.terms import check_alpha, parse_guard, parse_metric
from gitexp.text.params import parse_assignment

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.cli.context import Context
    from gitexp.model.report import NewReport

DRAFT_LIMIT_BYTES = 1 << 20
NO_TERM = "none"
DEFAULT_LOOKS = 4


def add_new(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a-z, 0-9, dot, underscore, hyphen")
    _add_terms(parser, "the plan", prose=True)
    source = parser.add_argument_group("where the plan comes from").add_argument
    source("--from", dest="file", metavar="FILE", help="a YAML file with these fields")
    source("--edit", action="store_true", help="write it in your editor")
    where = parser.add_argument_group("where it begins").add_argument
    where("--start", metavar="REV", help="first commit stands on this (HEAD)")
    where("--here", action="store_true", help="put the plan on the current branch")
    where("--checkout", action=argparse.BooleanOptionalAction, default=None)
    where(
        "--param", action="append", default=[], metavar="KEY=VALUE", help="set in the first commit"
    )
    where("--dry-run", action="store_true", help="say what would be made")
    where("--expect", metavar="SIZE", help="true effect, 8%% or 0.02: how likely is a yes")
    where(
        "--seeds",
        choices=[origin.value for origin in SeedOrigin],
        help="drawn with the plan, or the committed ones, which are public (settings: drawn)",
    )
    seen = parser.add_argument_group("who else sees it").add_argument
    seen("--witness", choices=["push", "rfc3161"], help="as gitexp witness does")
    seen("--remote", metavar="NAME", help="with --witness push: Git remote")


def new(args: argparse.Namespace, context: Context) -> int:
    r"""Begin an experiment: a branch with a plan that says what is expected before any result.

      gitexp new engineered-features --baseline main --metric f1:max \
          --hypothesis "engineered features raise F1 by at least 5%" --effect ">=5%"

    The plan can also come from a file (--from) or from your editor (--edit).
    """
    check_name(args.name)  # before an editor opens for nothing
    workspace = context.workspace()
    draft = _draft(args, context)
    if args.edit:
        again = f"gitexp new {args.name} --from"
        with editor.kept(workspace, f"{args.name}.yaml", again) as path:
            edited = editor.edit_draft(path, args.name, draft, context, workspace)
            report = _new(args, edited, context)
    else:
        report = _new(args, draft, context)
    if args.witness and not args.dry_run:
        _witness(args, context)
    return show(report, context)


def _witness(args: argparse.Namespace, context: Context) -> None:
    """Let it be witnessed as `gitexp witness` does, and say so on stderr."""
    asked = argparse.Namespace(name=args.name, way=args.witness, remote=args.remote, message="")
    aside = replace(context.printer, out=context.printer.err)
    quiet = replace(context, json=False, printer=aside)
    try:
        witness(asked, quiet)
    except GitexpError as error:
        again = f"gitexp witness {args.name} --{args.witness}"
        error.next_step = f"the plan is made; {again}"
        raise


def _new(args: argparse.Namespace, draft: PlanDraft, context: Context) -> NewReport:
    return gitexp.new(context.workspace(), _request(args, draft), now=context.now())


def _draft(args: argparse.Namespace, context: Context) -> PlanDraft:
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
    return with_terms(draft, {**said, **_given(args).given()})


def _read(path: Path) -> bytes:
    data = read_named(path, DRAFT_LIMIT_BYTES, "the plan file cannot be read")
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
        seeds=SeedOrigin(args.seeds) if args.seeds else None,
        expect=args.expect,
        dry_run=args.dry_run,
    )
    baseline = draft.baseline or args.start or "HEAD"
    return with_terms(request, {**draft.given(), "baseline": baseline})


def add_amend_plan(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME", nargs="?", help="default: the current branch's")
    add("--why", metavar="TEXT", help="the reason; it stays in the plan")
    _add_terms(parser, "the terms", prose=False)
    add(
        "--unfreeze",
        dest="unfrozen",
        action="append",
        metavar="PATH",
        help="both sides take this of the evaluator from the candidate",
    )
    add("--dry-run", action="store_true", help="say what would be changed")


def amend_plan(args: argparse.Namespace, context: Context) -> int:
    """Change what binds in a plan; what bound before stays in it, with the reason.

      gitexp amend-plan --effect ">=3%" --why "5 % of the old test set is 3 % of the new one"

    Runs made before are shown and do not count: they belong to the plan as it was.
    """
    if not args.why:
        raise UsageError("an amendment needs its reason", next_step="the same with --why TEXT")
    bare = args.guard == [NO_TERM]
    args.guard = [] if bare else args.guard
    terms = _given(args)
    terms = replace(terms, guards=()) if bare else terms
    report = gitexp.amend_plan(
        context.workspace(), args.name, terms, why=args.why, dry_run=args.dry_run, now=context.now()
    )
    return show(report, context)


def add_witness(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="default: the current branch's")
    way = parser.add_mutually_exclusive_group(required=True)
    for option, one, what in (
        ("--push", Way.PUSH, "to the Git remote"),
        ("--rfc3161", Way.RFC3161, "by a time-stamping authority"),
        ("--approve", Way.APPROVAL, "sign it as a second person"),
    ):
        way.add_argument(option, dest="way", action="store_const", const=one.value, help=what)
    parser.add_argument("--remote", metavar="NAME", help="Git remote; default: the branch's")
    parser.add_argument("-m", "--message", metavar="TEXT", default="", help="with --approve")


def witness(args: argparse.Namespace, context: Context) -> int:
    """Let somebody else see a plan before its first run, and keep what he says of it.

      gitexp witness --push            a server: its log has the time
      gitexp witness --rfc3161         a time-stamping authority (git config gitexp.witnessUrl URL)
      gitexp witness deeper --approve  a second person, who signs his commits

    What each of them proves, and what it does not, is in docs/enforcement.md.
    """
    found = gitexp.witness(
        context.workspace(),
        args.name,
        Way(args.way),
        remote_name=args.remote,
        words=args.message,
        now=context.now(),
    )
    return show(found, context)


def _add_terms(parser: argparse.ArgumentParser, title: str, *, prose: bool) -> None:
    """Declare them; with `prose` also those of a plan's words, which do not bind."""
    plan = parser.add_argument_group(title).add_argument
    if prose:
        plan("--hypothesis", metavar="TEXT", help="a sentence a result can contradict")
        plan("--objective", metavar="TEXT", help="what it is good for")
    plan("--metric", metavar="NAME:max", help="primary metric with its direction")
    plan("--effect", metavar="EFFECT", help='promised gain: ">=5%%", ">0", ">=-2%%"')
    plan("--claim", choices=[claim.value for claim in Claim], help="default: method")
    plan("--baseline", metavar="REV", help="held against this (default: the start)")
    plan("--alpha", type=float, metavar="P", help="rate of false positives (0.05)")
    plan("--repeats", type=int, metavar="N", help="planned repeats (10)")
    plan("--guard", action="append", default=[], metavar="RULE", help="latency_ms<=+5%%")
    plan(
        "--guards-shown",
        action=argparse.BooleanOptionalAction,
        help="a yes needs each guard-rail shown to be kept",
    )
    plan(
        "--stopping",
        choices=[*(rule.value for rule in StoppingRule), *([] if prose else [NO_TERM])],
        help="how it may be looked at before all repeats are there",
    )
    plan("--looks", type=int, metavar="N", help="with --stopping: how often (4)")
    plan("--frozen", action="append", metavar="PATH", help="what no candidate may change; or none")
    plan("--failure", metavar="RULE", help="finished runs with f1<0.3 failed")
    plan("--on-failed", choices=[way.value for way in OnFailed], help="failed repeats (refuse)")


def _given(args: argparse.Namespace) -> Terms:
    """Return the terms that were asked for; an option of a term's name is one of them."""
    metric, direction = parse_metric(args.metric) if args.metric else (None, None)
    return with_terms(
        Terms(),
        {
            **{name: value for name, value in vars(args).items() if name in ASKED},
            "metric": metric,
            "direction": direction,
            "claim": None if args.claim is None else Claim(args.claim),
            "guards": tuple(map(parse_guard, args.guard)) or None,
            "stopping": _stopping(args),
            "frozen": None if args.frozen is None else tuple(args.frozen),
            "unfrozen": tuple(getattr(args, "unfrozen", None) or ()) or None,
            "failure": "" if args.failure == NO_TERM else args.failure,
            "on_failed": None if args.on_failed is None else OnFailed(args.on_failed),
        },
    )


def _stopping(args: argparse.Namespace) -> Stopping | None:
    if args.stopping is None:
        if args.looks is not None:
            raise UsageError(
                "--looks belongs to a stopping rule",
                next_step=f"the same with --stopping {StoppingRule.OBRIEN_FLEMING.value}",
            )
        return None
    if args.stopping == NO_TERM:
        return Stopping(StoppingRule.POCOCK, 1)
    rule = StoppingRule(args.stopping)
    if rule is StoppingRule.ALWAYS_VALID:
        return Stopping(rule, args.looks or 0)
    return Stopping(rule, DEFAULT_LOOKS if args.looks is None else args.looks)
