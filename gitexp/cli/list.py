"""List experiments, or runs, of all branches, remotes and archive tags; nothing is checked out.

  gitexp list                              experiments, the newest first
  gitexp list --runs -n 50                 the 50 newest runs
  gitexp list --runs --metric 'f1>0.6'     runs whose mean f1 is above 0.6
  gitexp list --group-by params            mean and sd of runs with the same parameters
  gitexp list --stale 90d                  branches that nobody touched for 90 days

Conditions of different kinds must all hold; --state and --author take several.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.cli.looking import print_view, style_of
from gitexp.errors import UsageError
from gitexp.model.views import RunList
from gitexp.report.answers import listing
from gitexp.views.list_runs import group_runs, list_experiments, list_runs
from gitexp.views.query import ListQuery, parse_condition, parse_since

if TYPE_CHECKING:
    from gitexp.cli.context import Context
    from gitexp.report.answers.listing import Listed


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these branches, experiments")
    what = parser.add_argument_group("what to list")
    what.add_argument("--runs", action="store_true", help="runs instead of experiments")
    what.add_argument("--metric", action="append", default=[], metavar="RULE", help="'f1>0.6'")
    what.add_argument(
        "--state", action="append", default=[], metavar="WORD", help="planned, run, concluded, ..."
    )
    what.add_argument("--author", action="append", default=[], metavar="TEXT", help="part of it")
    what.add_argument("--since", metavar="TIME", help="2026-01-31, 36h, 7d, 2w")
    what.add_argument("--archived", action="store_true", help="archived and removed experiments")
    what.add_argument("--stale", metavar="TIME", help="branches that nobody touched since: 90d")
    how = parser.add_argument_group("how")
    how.add_argument(
        "--sort", default="", metavar="NAME", help="column, metric or parameter; -NAME"
    )
    how.add_argument(
        "-n", "--limit", type=_count, metavar="N", help="no more than the first N of them"
    )
    how.add_argument(
        "--group-by", metavar="NAME,...", help="runs: params, or columns and parameters"
    )
    form = how.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="every field, numbers in full")
    form.add_argument("--md", action="store_true", help="a Markdown table")


def execute(args: argparse.Namespace, context: Context) -> int:
    """List."""
    if context.json and (args.csv or args.md):
        raise UsageError("--json contradicts --csv and --md")
    if (args.archived or args.stale is not None) and (args.runs or args.group_by is not None):
        raise UsageError("--archived and --stale ask for experiments, not for runs")
    if args.archived and args.stale is not None:
        raise UsageError("--archived and --stale contradict each other")
    conditions = tuple(parse_condition(text) for text in args.metric)
    query = ListQuery(
        metrics=conditions,
        states=tuple(args.state),
        authors=tuple(args.author),
        since=None if args.since is None else parse_since(args.since, context.now()),
        branches=tuple(args.names),
        archived=args.archived,
        stale_before=None if args.stale is None else parse_since(args.stale, context.now()),
        sort=args.sort,
        limit=args.limit,
    )
    value = _look(args, context, query)
    if args.csv:
        context.printer.answer(listing.csv(value).rstrip("\n"))
        _say_unreadable(value, context)
        return 0
    style = replace(
        style_of(context, tuple(item.metric for item in conditions)),
        narrowed=replace(query, sort="", limit=None) != ListQuery(),
    )
    print_view(listing.render, value, context, style, markdown=args.md)
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) < 1 << 31:
        raise argparse.ArgumentTypeError("a whole number from 1 on")
    return int(text)


def _look(args: argparse.Namespace, context: Context, query: ListQuery) -> Listed:
    workspace = context.workspace()
    if args.group_by is not None:
        found = list_runs(workspace, replace(query, limit=None))
        _say_unreadable(found, context)
        by = [name.strip() for name in args.group_by.split(",") if name.strip()]
        return group_runs(found.runs, by)[: query.limit]
    return list_runs(workspace, query) if args.runs else list_experiments(workspace, query)


def _say_unreadable(value: Listed, context: Context) -> None:
    """Say on stderr what a table of values has no place for."""
    bad = () if isinstance(value, tuple) else value.unreadable
    if bad:
        kind = "--runs " if isinstance(value, RunList) else ""
        context.printer.say(
            f"warning: {len(bad)} records cannot be read; gitexp list {kind}names them"
        )
