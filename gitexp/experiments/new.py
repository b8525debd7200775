"""Begins an experiment: one commit with its plan, on a branch of its own."""

from __future__ import annotations

import contextlib
import difflib
import posixpath
import secrets
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from gitexp.comparison import collapse, exclusions, frozen, power, selection, siblings, tally
from gitexp.comparison.detectable import mute_looks
from gitexp.comparison.eligible import finished_seeds
from gitexp.comparison.gather import RunPool
from gitexp.comparison.known_metrics import (
    direction_of,
    is_share,
    known_metrics,
    last_duration,
    logged_metrics,
    metric_named,
    priced,
    recorded_runs,
    usual_direction,
)
from gitexp.comparison.randomness import seeding
from gitexp.comparison.sides import Named
from gitexp.errors import (
    BadFormatError,
    BareRepositoryError,
    DetachedHeadError,
    ExistsError,
    GitexpError,
    UnknownMetricError,
    UsageError,
)
from gitexp.execution.preflight.drift import drifted, refuse_unmade
from gitexp.execution.run_sources import assigned, in_files, undeclared
from gitexp.experiments.lifecycle import check_branch, check_name
from gitexp.git import command, identity, objects, refs, repository
from gitexp.git.transaction import layout, transaction
from gitexp.git.transaction.cache import open_index
from gitexp.git.transaction.transaction import NewBranch
from gitexp.git.worktree import status
from gitexp.git.writing import Message
from gitexp.model.clocked import is_resource, is_spread
from gitexp.model.ids import ABSENT
from gitexp.model.metrics import by_file, plain, recorded
from gitexp.model.plan import (
    ALPHA,
    LATER_TERMS,
    REPEATS,
    RULES,
    BaselineRef,
    Claim,
    Direction,
    Plan,
    PlanSeeds,
    SeedOrigin,
    with_terms,
)
from gitexp.model.report import NewReport
from gitexp.provenance import private
from gitexp.records import codec
from gitexp.records.plan import check_hypothesis
from gitexp.records.terms import (
    check_looks,
    format_effect,
    parse_effect,
    parse_expected,
    parse_failure,
    sealed,
    with_test,
)
from gitexp.report.numbers import listed
from gitexp.rules.ranges import way_out
from gitexp.store import plans
from gitexp.system import curves

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.comparison.known_metrics import KnownMetrics
    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.design import PowerReport, Price
    from gitexp.model.ids import Absent, CommitHash
    from gitexp.model.request import NewRequest
    from gitexp.model.workspace import Workspace

_SIZES = {Direction.MAX: "larger", Direction.MIN: "smaller"}
_ROOT_BYTES = 16
_NO_CHANCE = (
    "how likely a yes is cannot be said before the baseline's spread is known: gitexp run at the "
    "baseline first, or gitexp power {} --expect {} --sd SD"
)


def new(workspace: Workspace, request: NewRequest, *, now: datetime | None = None) -> NewReport:
    """Record a plan before there is a result.

    Parameters
    ----------
    now : datetime, optional
        Time of the plan, UTC.

    Raises
    ------
    BadNameError, BadHypothesisError, BadEffectError, UnknownMetricError, UnknownParamError
        The request makes no sense; nothing was written.
    ExistsError
        The branch, its twin in other letters, or the plan exists.
    MovedRefError
        The branch appeared meanwhile.
    NotInitialisedError
        The start has no settings.
    UnbornBranchError, BareRepositoryError
        There is nothing to start from, or no work tree for ``--here``.
    """
    check_name(request.name)
    check_hypothesis(request.hypothesis)
    if workspace.top is None and request.here:
        raise BareRepositoryError("--here needs a work tree", where=str(workspace.git_dir))
    repo = repository.open_repository(workspace)
    head = refs.head(repo)
    if head.commit is ABSENT and request.start is None:
        raise refs.unborn(repo, head)
    start = objects.resolve(repo, request.start or "HEAD")
    config, _ = plans.config_of(repo, start)
    request = replace(request, params=in_files(repo, start, request.params))
    plan, unseen = _plan(repo, request, start, config, now or datetime.now(UTC))
    branch = plan.branch
    found = _power(repo, plan, start, request.expect)
    warnings = [] if found is not None else unseen
    if found is None and request.expect is not None:
        warnings.append(_NO_CHANCE.format(plan.name, shlex.quote(request.expect)))
    warnings += filter(None, [mute_looks(plan)])
    warnings += [*drifted(repo, start, config), *_warnings(repo, plan, start)]
    warnings += filter(None, _paid_for(repo, plan, start))
    report = NewReport(
        plan=plan,
        commit=None,
        price=_price(repo, plan, start, config),
        checked_out=False,
        dry_run=request.dry_run,
        promise=format_effect(plan.effect, plan.metric, plan.direction),
        warnings=tuple(warnings),
        next_step=f"the same without --dry-run makes {branch}",
        power=found,
        evaluator=frozen.summary(repo, plan, start),
    )
    files = _param_files(repo, request, start, config)
    params = dict(request.params)
    refuse_unmade(repo, start, config, params, plan, other="the same with --metric {}")
    if request.dry_run:
        return report
    text = f"gitexp new: {plan.name}\n\n{plan.hypothesis}\n"
    said = Message(text, identity.author(repo), plan.created_at)
    files = {layout.plan_path(plan.name): codec.dump(plan), **files}
    base = start if request.here else NewBranch(start)
    published = transaction.publish(workspace, branch, lambda _: files, said, expected=base)
    dirty = () if request.here or workspace.top is None else status.dirty_tracked(workspace)
    if start == head.commit:  # a switch takes along what is equal on both
        dirty = plans.acting(repo, start, dirty)
    apart = plans.apart(repo, head.commit, published.commit, dirty)
    asked = False if request.here or apart else request.checkout
    switched = _switch(workspace, branch, dirty, checkout=asked)
    on_it = switched or request.here
    left = [f"{path} was left as it is in the work tree" for path in published.not_updated]
    if dirty and not switched and request.checkout is not False:
        those = "rest" if apart else "changes"
        left.append(
            f"not committed: {listed(dirty, 3)}; so {branch} is not checked out, and git switch "
            f"takes the {those} along"
        )
    return replace(
        report,
        commit=published.commit,
        checked_out=on_it,
        warnings=(*warnings, *left),
        next_step=_on_branch(request, plan) if on_it else _to(workspace, branch, apart),
    )


def _to(workspace: Workspace, branch: str, apart: Sequence[str]) -> str:
    step = f"git switch {shlex.quote(branch)}"
    if workspace.top is None:
        return f"git fetch in a clone, then {step} there"
    return f"{plans.stashing(apart)} && {step}" if apart else step


def _on_branch(request: NewRequest, plan: Plan) -> str:
    run = exclusions.running(plan)
    more = f"{run}, or change more and commit it first"
    return more if request.params else exclusions.CHANGE + run


def _branch(repo: Repo, request: NewRequest, config: ProjectConfig) -> str:
    if request.here:
        current = refs.head(repo).branch
        if current is None:
            raise DetachedHeadError(
                "--here needs a branch, and HEAD is on none",
                next_step=way_out(repo, experiment=False) or "git switch BRANCH",
            )
        if request.start is not None:
            raise UsageError("--here and --start contradict each other")
        return current
    branch = config.branch_prefix + request.name
    check_branch(repo, branch)
    for name, commit in refs.branches(repo):
        if name == layout.archive_tag(request.name):
            raise ExistsError(
                "an experiment of this name was archived, or removed",
                found=f"exp-archive/{request.name} at {commit[:9]}",
                next_step=f"gitexp show {shlex.quote(request.name)}; then choose another name",
            )
    return branch


def _plan(
    repo: Repo, request: NewRequest, start: CommitHash, config: ProjectConfig, now: datetime
) -> tuple[Plan, list[str]]:
    """Return the plan, and what could not be checked in it."""
    branch = _branch(repo, request, config)
    logged, others = logged_metrics(repo, start)
    known = known_metrics(repo, start, config)
    every = replace(known, names=known.names | logged)
    if known.names or not known.unread:  # else a file that no run has made may give any name
        known = every
    metric, direction = metric_named(request.metric, request.direction, known.names)
    rule = [parse_failure(request.failure).metric] if request.failure else []
    for name in (metric, *(guard.metric for guard in request.guards or ()), *rule):
        _check_metric(name, known, config, logged, others=others)
    direction = direction or direction_of(metric, config)
    if direction is None:
        raise UsageError(
            f"it is not known which way {metric} is better",
            next_step=f"--metric {metric}:max, or :min",
        )
    claim = request.claim or Claim.METHOD
    repeats = request.repeats or (1 if claim is Claim.MODEL else REPEATS)
    predicted = () if config.predictions is None else (config.predictions.path,)
    declared = request.evaluation or config.evaluation or predicted
    if plans.plan_named(repo, request.name, start) is not ABSENT:
        raise ExistsError(
            f"{branch if request.here else 'the start'} has a plan named {request.name} already",
            where=layout.plan_path(request.name),
            next_step="choose another name",
        )
    if request.here and plans.plan_of_branch(repo, branch, start) is not ABSENT:
        raise ExistsError(
            f"{branch} has a plan already", next_step="gitexp new NAME, without --here"
        )
    _check_stopping(request, claim, repeats)
    plan = Plan(
        name=request.name,
        branch=branch,
        objective=" ".join((request.objective or "").split()),
        hypothesis=" ".join(request.hypothesis.split()),
        claim=claim,
        metric=metric,
        direction=direction,
        effect=parse_effect(request.effect, direction),
        alpha=ALPHA if request.alpha is None else request.alpha,
        repeats=repeats,
        baseline=_baseline(repo, request.baseline or "HEAD"),
        author=private.person(identity.author(repo), private.held(repo, config)[0].identity),
        created_at=now.replace(microsecond=0),
        guards=request.guards or (),
        evaluation=declared,
        seeds=_seeds(request, claim, config),
        rules=RULES,
    )
    frozen.refuse_unknown(plans.state_of(repo, start, start), request.frozen or ())
    later = {name: term for name, term in request.given().items() if name in LATER_TERMS}
    plan = sealed(with_test(with_terms(plan, later)))
    refuse_rule(repo, plan, start, known, "the same without --stopping")
    collapse.refuse_usual(repo, plan, config, "the same without --failure")
    told = metric in logged or curves.is_curve(metric)
    return plan, (every if told else known).unseen(metric, start)


def _seeds(request: NewRequest, claim: Claim, config: ProjectConfig) -> PlanSeeds | None:
    """Draw the seeds of a plan; a claim about two models is about those that there are."""
    if claim is Claim.MODEL:
        return None
    committed = (request.seeds or config.seeds) is SeedOrigin.COMMITTED
    return PlanSeeds("" if committed else secrets.token_hex(_ROOT_BYTES))


def refuse_rule(repo: Repo, plan: Plan, tip: CommitHash, known: KnownMetrics, step: str) -> None:
    """Refuse a stopping rule where what is recorded shows that no test of it holds."""
    if plan.stopping is None:
        return
    splits = ""
    with contextlib.suppress(GitexpError), open_index(repo.workspace) as index:
        splits = power.splits_of(repo, index, plan, tip)
    known.refuse_rule(step, plan.metric, *(each.metric for each in plan.guards), splits=splits)


def _check_stopping(request: NewRequest, claim: Claim, repeats: int) -> None:
    if request.stopping is None:
        return
    if claim is Claim.MODEL:
        raise UsageError(
            "a stopping rule is for repeats, and a claim about two models has none",
            next_step="the same with --claim method, or without --stopping",
        )
    try:
        check_looks(request.stopping, repeats)
    except BadFormatError as error:
        raise UsageError(error.summary, found=error.found, expected=error.expected) from error


def _baseline(repo: Repo, text: str) -> BaselineRef:
    """Resolve the baseline; HEAD is recorded by the name of its branch."""
    commit = objects.resolve(repo, text)
    name = refs.head(repo).branch if text == "HEAD" else text
    return BaselineRef(name or commit[:9], commit)


def _check_metric(
    name: str, known: KnownMetrics, config: ProjectConfig, logged: frozenset[str], *, others: bool
) -> None:
    known.refuse_unclear(name)
    names = known.names
    if curves.is_curve(name) and name not in names:
        curves.check_name(name)
        if not config.curves and not logged and not others:
            raise UnknownMetricError(
                "no learning curve is declared or logged",
                found=name,
                where=".gitexp/config.yaml",
                expected="curves: with the CSV files that have them, or log_metric with step=",
            )
        return
    if not names or others or is_resource(name):
        return
    if name in known.given or plain(name, known.unread) != name:
        return
    bare = plain(name, known.files)
    if recorded(name, names, known.files) is not None:
        return
    if name.partition(":")[2] in logged:  # STAGE:NAME where several log it; log_metric:NAME
        return
    offered = [each for each in sorted(names) if is_spread(name) or not is_spread(each)]
    parts = {each: each.replace(":", ".").split(".") for each in offered}
    nested = [each for each, held in parts.items() if name in held]
    longer = [each for each, held in parts.items() if held[-1].startswith(name)]
    near = nested or longer or difflib.get_close_matches(name, offered, n=1)
    near = [bare] if bare in names else near
    near = near or [by_file(name, file) for file in known.unread]
    raise UnknownMetricError(
        f"no metric is called {name}",
        found=name,
        expected=", ".join(sorted(names)[:20]),
        next_step=f"the same with {near[0] if near else 'one of these'} for {name}",
    )


def _param_files(
    repo: Repo, request: NewRequest, start: CommitHash, config: ProjectConfig
) -> Mapping[str, bytes]:
    def read(file: str) -> bytes | Absent:
        return objects.read_blob(repo, start, posixpath.join(config.project, file))

    step = partial(undeclared, repo, start, config)
    files = assigned(request.params, config, read, start[:9], step)
    return {posixpath.join(config.project, file): data for file, data in files.items()}


def _price(repo: Repo, plan: Plan, start: CommitHash, config: ProjectConfig) -> Price:
    duration = last_duration(repo, config, start, plan.baseline.commit)
    found = priced(repo, plan.repeats, duration)
    there: set[int] = set()
    if plan.drawn and duration is not None:
        base = recorded_runs(repo, plan.baseline.commit, config)
        there = {seed for it in base if not it.run.drawn for seed in finished_seeds(it)}
    reusing = found.repeats - min(len(there), plan.repeats) if there else None
    return replace(found, reusing=reusing)


def _power(repo: Repo, plan: Plan, start: CommitHash, expect: str | None) -> PowerReport | None:
    """Return what the planned repeats find, where the baseline was run before."""
    if expect is not None:
        parse_expected(expect, plan.direction)
    with contextlib.suppress(GitexpError), open_index(repo.workspace) as index:
        return power.of_plan(repo, index, plan, start, expect)
    return None  # a baseline without settings, a share of nothing: the plan is none the worse


def _warnings(repo: Repo, plan: Plan, start: CommitHash) -> list[str]:
    said = []
    if not plan.evaluation and plan.claim is Claim.MODEL:
        said.append(
            "claim model needs per-example predictions; name their file in .gitexp/config.yaml"
        )
    usual = usual_direction(plan.metric)
    if usual is not None and usual is not plan.direction:
        said.append(
            f"{plan.metric} has a name that is better when {_SIZES[usual]}, and the plan says "
            f"{_SIZES[plan.direction]}; else --metric {plan.metric}:{usual.value}"
        )
    size = abs(plan.effect.margin)
    if size >= 1 and not plan.effect.relative and is_share(plan.metric):
        said.append(
            f"the promise is {size:g} in the unit of {plan.metric}, which no share between 0 and "
            f"1 can keep; {size:g} per cent of the baseline are {size:g}%, {size:g} points "
            f"{size / 100:g}"
        )
    if not objects.is_ancestor(repo, plan.baseline.commit, start):
        said.append("the baseline is no ancestor of the start; compare will list what else differs")
    if plan.claim is Claim.METHOD and plan.repeats > 1:
        with contextlib.suppress(GitexpError):  # a baseline without settings: `run` says it
            config, _ = plans.config_of(repo, plan.baseline.commit, start)
            held = seeding.read(repo, plan.baseline.commit, config).fast()
            if held is not None:
                shared = seeding.read(repo, start, config).fast() is not None
                step = seeding.step({seeding.BASELINE: replace(held, shared=shared)}, plan)
                said.append(f"the baseline's repeats will all be the same: {held.why}; {step}")
    return said


def _paid_for(repo: Repo, plan: Plan, start: CommitHash) -> tuple[str, str]:
    """Say what p is multiplied by where other plans had this candidate, and who shares alpha."""
    said, names, price, fewest = "", tuple[str, ...](), 1, 0
    with contextlib.suppress(GitexpError), open_index(repo.workspace) as index:
        named, world = Named(plan.branch, start), RunPool(repo, index)
        baseline, candidate, _ = tally.sources(repo, index, plan, named, start)
        names = siblings.sharing(world, baseline, replace(named, plan=plan))
        settled = tally.settle(world, baseline, candidate, plan)
        fewest = settled.fewest
        if plan.drawn and baseline.inputs != candidate.inputs and settled.count.after:
            said, price = selection.next_try(settled.count, plan), settled.chances
    return siblings.shared(plan, names, price, by_signs=not fewest), said


def _switch(
    workspace: Workspace, branch: str, dirty: Sequence[str], *, checkout: bool | None
) -> bool:
    """Switch to the branch where asked to, or where nothing can be lost by it."""
    if workspace.top is None or checkout is False or (checkout is None and dirty):
        return False
    command.run(workspace, ["switch", "--quiet", "--no-guess", branch])
    return True
