"""Verbs that look: status, list, show, diff, inputs, logs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import gitexp
from gitexp.cli.context import filled, whole_number
from gitexp.cli.printing import add_markdown, style_of
from gitexp.cli.printing import show as put
from gitexp.errors import UsageError
from gitexp.model.listing import RunList
from gitexp.report.escape import visible

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context
    from gitexp.report.answers.listing import Listed
    from gitexp.views.query import ListQuery

EXIT_DIFFERENT = 1


def add_status(parser: argparse.ArgumentParser) -> None:
    add_markdown(parser)


def status(args: argparse.Namespace, context: Context) -> int:
    """Say where this branch's experiment stands, what runs, and what to type next."""
    view = gitexp.status(context.workspace())
    complete = not view.unreadable and not view.notes
    return put(view, context, markdown=args.md, complete=complete)


def add_list_(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these branches, experiments")
    what = parser.add_argument_group("what to list").add_argument
    what("--runs", action="store_true", help="runs instead of experiments")
    what("--metric", action="append", default=[], metavar="RULE", help="'f1>0.6'")
    what("--state", action="append", default=[], metavar="WORD", help="planned, ready, refuted")
    what("--author", action="append", default=[], metavar="TEXT", help="part of it")
    what("--since", metavar="TIME", help="2026-01-31, 36h, 7d, 2w")
    what("--archived", action="store_true", help="archived and removed experiments")
    what("--stale", metavar="TIME", help="branches that nobody touched since: 90d")
    how = parser.add_argument_group("how")
    how.add_argument(
        "--sort", default="", metavar="NAME", help="column, metric or parameter; -NAME"
    )
    how.add_argument(
        "-n", "--limit", type=whole_number, metavar="N", help="no more than the first N of them"
    )
    how.add_argument(
        "--group-by", metavar="NAME,...", help="runs: params, or columns and parameters"
    )
    form = how.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="every field, numbers in full")
    form.add_argument("--md", action="store_true", help="a Markdown table")


def list_(args: argparse.Namespace, context: Context) -> int:
    """List experiments, or runs, of all branches, remotes and archive tags; nothing is checked out.

      gitexp list                              experiments, the newest first
      gitexp list --runs -n 50                 the 50 newest runs
      gitexp list --runs --metric 'f1>0.6'     runs whose mean f1 is above 0.6
      gitexp list --group-by params            mean and sd of runs with the same parameters
      gitexp list --stale 90d                  branches that nobody touched for 90 days

    Conditions of different kinds must all hold; --state and --author take several.
    """
    if context.json and (args.csv or args.md):
        raise UsageError("--json contradicts --csv and --md")
    if (args.archived or args.stale is not None) and (args.runs or args.group_by is not None):
        raise UsageError("--archived and --stale ask for experiments, not for runs")
    if args.archived and args.stale is not None:
        raise UsageError("--archived and --stale contradict each other")
    from gitexp.views.query import ListQuery, parse_condition, parse_since

    conditions = tuple(parse_condition(text) for text in args.metric)
    query = filled(
        ListQuery,
        args,
        metrics=conditions,
        states=tuple(args.state),
        authors=tuple(args.author),
        since=None if args.since is None else parse_since(args.since, context.now()),
        branches=tuple(args.names),
        stale_before=None if args.stale is None else parse_since(args.stale, context.now()),
    )
    value = _look(args, context, query)
    if args.csv:
        from gitexp.report.answers import listing

        context.printer.answer(listing.csv(value).rstrip("\n"))
        _say_unreadable(value, context)
        return 0
    style = replace(
        style_of(context, tuple(item.metric for item in conditions)),
        narrowed=replace(query, sort="", limit=None) != ListQuery(),
    )
    return put(value, context, style, markdown=args.md)


def _look(args: argparse.Namespace, context: Context, query: ListQuery) -> Listed:
    workspace = context.workspace()
    if args.group_by is not None:
        found = gitexp.list_runs(workspace, replace(query, limit=None))
        _say_unreadable(found, context)
        by = [name.strip() for name in args.group_by.split(",") if name.strip()]
        return gitexp.group_runs(found.runs, by)[: query.limit]
    return (
        gitexp.list_runs(workspace, query)
        if args.runs
        else gitexp.list_experiments(workspace, query)
    )


def _say_unreadable(value: Listed, context: Context) -> None:
    """Say on stderr what a table of values has no place for."""
    bad = () if isinstance(value, tuple) else value.unreadable
    if bad:
        kind = "--runs " if isinstance(value, RunList) else ""
        context.printer.say(
            f"warning: {len(bad)} records cannot be read; gitexp list {kind}names them"
        )


def add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", metavar="NAME|RUN|REV", help="default: this branch")
    add_markdown(parser)


def show(args: argparse.Namespace, context: Context) -> int:
    """Show one experiment, or one run, with everything that is recorded of it.

      gitexp show               the experiment of this branch
      gitexp show NAME          an experiment, a branch, an archive tag or a revision
      gitexp show RUN           a run, by the first four characters of its id or more

    The first line is the verdict of the conclusion, where there is one.
    """
    from gitexp.model.views import ShownExperiment

    value = gitexp.show(context.workspace(), args.what)
    style = replace(style_of(context), now=None)  # times, not ages: an answer stays true
    complete = not value.notes and not (isinstance(value, ShownExperiment) and value.unreadable)
    return put(value, context, style, markdown=args.md, complete=complete)


def add_diff(parser: argparse.ArgumentParser) -> None:
    _add_two(parser, "exit 1 if they differ, as in git")


def diff(args: argparse.Namespace, context: Context) -> int:
    """Say what differs between two states: code, parameters, data, environment, metrics.

      gitexp diff main exp/focal-loss

    It describes and tests nothing; gitexp compare does.
    """
    value = gitexp.diff(context.workspace(), args.a, args.b)
    put(value, context, markdown=args.md)
    return EXIT_DIFFERENT if args.exit_code and not value.same else 0


def add_inputs(parser: argparse.ArgumentParser) -> None:
    _add_two(parser, "exit 1 if none is shared")


def inputs(args: argparse.Namespace, context: Context) -> int:
    """Say why two states do, or do not, share samples.

      gitexp inputs main exp/focal-loss

    What a run measures belongs to its inputs, not to its commit: two commits that differ in nothing
    that acts on results share their samples. Tests, notebooks, notes and settings of linters do
    not act where the settings say inputs: {rules: 2}, as a new project's do: no job sees them.
    """
    value = gitexp.inputs(context.workspace(), args.a, args.b)
    put(value, context, markdown=args.md)
    return EXIT_DIFFERENT if args.exit_code and not value.shared else 0


def _add_two(parser: argparse.ArgumentParser, exits: str) -> None:
    parser.add_argument("a", metavar="A", help="experiment, branch or revision")
    parser.add_argument("b", metavar="B", help="held against it")
    parser.add_argument("--exit-code", action="store_true", help=exits)
    add_markdown(parser)


def add_logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", metavar="RUN", help="beginning of its id")
    parser.add_argument("--seed", type=int, metavar="N", help="this repeat alone")
    parser.add_argument("--follow", "-f", action="store_true", help="go on until the run has ended")
    parser.add_argument("--all", action="store_true", help="whole logs, not their last 256 KiB")


def logs(args: argparse.Namespace, context: Context) -> int:
    r"""Print what the commands of a run printed.

      gitexp logs                    the run that failed, else the newest of this work tree
      gitexp logs RUN --seed 3       one repeat
      gitexp logs --follow           as it is printed, until the run has ended

    On a terminal control characters are shown instead of obeyed; a pipe or a file gets the text as
    it was, but for bytes that are no UTF-8: they become \xff and so on, and --json names the file
    that has them. Of a run whose job folders are gone, the tails of repeats that did not finish are
    recorded.
    """
    if args.follow:
        return _follow(args, context)
    value = gitexp.logs(
        context.workspace(), args.run, seed=args.seed, **({"tail_bytes": 0} if args.all else {})
    )
    if context.json:
        put(value, context)
        return 0
    from gitexp.report.answers.lines import log_lines

    printer = context.printer
    headings = not printer.quiet and args.seed is None
    raw = not printer.out.isatty()
    for line in log_lines(value, raw=raw, headings=headings):
        if raw:  # what was printed, for a file or another program
            printer.write(f"{line}\n")
        else:
            printer.answer(line)
    if not value.repeats:
        whose = "" if args.seed is None else f" of seed {args.seed}"
        printer.say(f"run {value.run[:7]} has no log{whose} here")
    for note in value.notes:
        printer.say(f"note: {visible(note)}")
    return 0


def _follow(args: argparse.Namespace, context: Context) -> int:
    if context.json:
        raise UsageError("--follow prints text; --json contradicts it")
    from gitexp.report.answers.lines import safe
    from gitexp.views.logs import follow

    printer = context.printer
    raw = not printer.out.isatty()
    before: int | None = None
    for piece in follow(context.workspace(), args.run):
        if args.seed is not None and piece.seed != args.seed:
            continue
        if piece.seed != before and args.seed is None and not printer.quiet:
            printer.answer(f"==> seed {piece.seed}")
        before = piece.seed
        printer.write(piece.text if raw else safe(piece.text))
        printer.flush()
    return 0
