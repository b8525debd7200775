"""`gitexp run --until-decided`: run, look, and go on until the plan's stopping rule has an answer.

Looking early is paid for by the rule, which the plan fixed before there was a result; a plan
without one is refused, since alpha would not hold.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from gitexp.comparison import sides
from gitexp.comparison.advice import DECIDED
from gitexp.comparison.compare import compare
from gitexp.comparison.exclusions import planning
from gitexp.errors import NoSamplesError, NoStoppingRuleError, OtherEnvironmentError, UsageError
from gitexp.execution.publish import snapshot_of
from gitexp.execution.run import run as run_once
from gitexp.git import refs, repository
from gitexp.git.transaction.cache import open_index
from gitexp.model.metrics import NO_RULE
from gitexp.model.plan import Plan, StoppingRule, Verdict
from gitexp.model.request import RunRequest
from gitexp.report.words import verdict_line
from gitexp.stats.design import pairs_needed

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.model.comparison import Comparison
    from gitexp.model.report import RunReport
    from gitexp.model.workspace import Workspace

_OPEN = frozenset({Verdict.INCONCLUSIVE, Verdict.UNDECIDABLE})


def until_decided(
    workspace: Workspace,
    request: RunRequest | None = None,
    *,
    run: Callable[[RunRequest], RunReport] | None = None,
    most: int | None = None,
) -> RunReport:
    """Run both sides of the current branch's experiment until its hypothesis is decided.

    Parameters
    ----------
    request : RunRequest, optional
        Of each round; its repeats are set here, and the baseline is always run too.
    run : callable, optional
        Executes one request; by default `run` without progress.
    most : int, optional
        Repeats a side after which it ends undecided; by default those of the plan.

    Returns
    -------
    RunReport
        Of all rounds together, with the verdict of the last look.

    Raises
    ------
    NoStoppingRuleError
        If the plan has no stopping rule.
    UsageError
        If the request chooses seeds, a revision or parameters of its own.
    """
    request = request or RunRequest()
    run = run or partial(run_once, workspace)
    if request.seeds or request.at or request.params or request.repeats or request.again:
        raise UsageError(
            "--until-decided runs what the plan says, on both sides",
            expected="no --seeds, --repeats, --at, --param, --again beside it",
        )
    plan = _plan(workspace)
    rounds: list[RunReport] = []
    seen = _look(workspace)
    for repeats in _rounds(plan, most or plan.repeats, request.jobs):
        if _is_over(seen):
            break
        if _have(seen) >= repeats:
            continue
        try:
            found = run(replace(request, repeats=repeats, with_baseline=True))
        except OtherEnvironmentError as error:
            if not rounds:
                raise
            rounds[-1] = replace(rounds[-1], stopped=error, next_step=error.next_step)
            break
        rounds.append(found)
        request = replace(request, resume=False, commit_message=None)
        if request.dry_run or found.interrupted or found.stopped or found.failed:
            break
        seen = _look(workspace)
        if found.waiting:  # behind these no pair counts
            break
    if not rounds:  # nothing to do: say so as any run would
        over = seen is not None and seen.verdict in DECIDED  # then `run` begins none
        there = None if over else max(_have(seen), 1)
        rounds.append(run(replace(request, repeats=there, with_baseline=True)))
    return _joined(rounds, seen)


def _plan(workspace: Workspace) -> Plan:
    repo = repository.open_repository(workspace)
    with open_index(workspace) as index:
        named = sides.current(repo, index)
    if named.plan is None:
        raise sides.no_plan(repo, named)
    if named.plan.stopping is None:
        raise NoStoppingRuleError(
            "this plan does not say how it may be looked at early",
            found=f"{named.plan.name}: one look, at {named.plan.repeats} repeats",
            where=refs.head(repo).branch or "HEAD",
            expected="a stopping rule, fixed before there is a result",
            next_step=f"{planning(named.plan, named.plan.repeats)} --stopping always-valid; or "
            "gitexp run --with-baseline",
        )
    return named.plan


def _rounds(plan: Plan, most: int, jobs: int) -> list[int]:
    """Return the numbers of repeats after which to look, up to `most`."""
    stopping = plan.stopping
    if stopping is None or stopping.rule is not StoppingRule.ALWAYS_VALID:
        looks = () if stopping is None else stopping.at(plan.repeats)
        return [n for n in looks if n <= most] or [min(most, plan.repeats)]
    first = min(most, pairs_needed(plan.alpha))  # fewer can decide nothing
    return [*itertools.takewhile(lambda n: n < most, itertools.count(first, jobs)), most]


def _look(workspace: Workspace) -> Comparison | None:
    try:
        return compare(workspace)[0]
    except NoSamplesError:
        return None


def _is_over(seen: Comparison | None) -> bool:
    return seen is not None and (seen.verdict not in _OPEN or NO_RULE in seen.reasons)


def _have(seen: Comparison | None) -> int:
    if seen is None:
        return 0
    return seen.pairs or min(len(seen.baseline.seeds), len(seen.candidate.seeds))


def _joined(rounds: list[RunReport], seen: Comparison | None) -> RunReport:
    last = rounds[-1]
    commits = [each.commit for each in rounds if each.commit is not None]
    return replace(
        last,
        commit=commits[-1] if commits else None,
        snapshot=snapshot_of([each.snapshot for each in rounds if each.recorded]),
        recorded=tuple(each for found in rounds for each in found.recorded),
        warnings=tuple(dict.fromkeys(text for found in rounds for text in found.warnings)),
        not_updated=tuple(dict.fromkeys(text for found in rounds for text in found.not_updated)),
        verdict="" if seen is None or last.dry_run else verdict_line(seen),
        exit_code=0 if seen is None or last.dry_run else seen.exit_code,
        next_step=last.next_step if seen is None or not _is_over(seen) else seen.next_step,
    )
