"""`gitexp review`: what a range of commits would bring, for somebody who has to say yes or no.

The rules over the range, then every experiment that it touches against its planned baseline. It
reads objects and nothing else: no work tree, pipeline, hook, filter or setting of the branch under
review is asked or obeyed. An experiment that cannot be judged is a finding, not an error.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, assert_never

from gitexp.errors import DamagedDataError, DataMissingError, GitexpError, UsageError
from gitexp.git import diff, objects, repository
from gitexp.git.absent import ABSENT
from gitexp.git.stored import StoredObjects
from gitexp.model.checked import CheckedPlan
from gitexp.model.review import Behind, End, FailOn, RecordedBy, Review, ReviewedExperiment
from gitexp.model.rules import Policy
from gitexp.model.verdict import Verdict
from gitexp.ops import compare, grade, sides
from gitexp.ops.check import check
from gitexp.ops.eligible import finished_seeds
from gitexp.ops.rules import check as check_facts
from gitexp.ops.rules import policies
from gitexp.ops.rules.facts import Tree, of_commit, settings
from gitexp.store import conclusions, inputs, layout, lookup, merged, plans
from gitexp.store.index import open_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitexp.git.repository import Repo
    from gitexp.model.checked import CheckReport
    from gitexp.model.comparison import Comparison
    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan
    from gitexp.model.rules import Violation
    from gitexp.model.workspace import Workspace
    from gitexp.ops.sides import Named
    from gitexp.store.index import Index

_MERGING = "R7"
_DVC_CONFIG = ".dvc/config"


def review(  # noqa: PLR0913  the range, what is known of it, and when
    workspace: Workspace,
    revisions: str,
    *,
    branch: str | None = None,
    into: str | None = None,
    experiments: Sequence[str] = (),
    now: datetime | None = None,
    program: str = compare.PROGRAM,
) -> Review:
    """Hold commits against the rules and their experiments against their baselines.

    Parameters
    ----------
    workspace : Workspace
    revisions : str
        ``BASE...HEAD``: what HEAD has and BASE has not; two dots mean the same here.
    branch : str, optional
        On which branch the commits are, where HEAD's name does not tell; any name will do.
    into : str, optional
        The branch that they are to be merged into, where BASE's name does not tell.
    experiments : sequence of str
        Only these; all that the commits touch by default.
    now : datetime, optional
    program : str
        Name and version, for the record.

    Returns
    -------
    Review

    Raises
    ------
    UsageError
        If it is no range, or an asked experiment has no plan in HEAD.
    UnknownRevisionError, UnknownExperimentError
        If an end of it names no commit here.
    """
    at = now or datetime.now(UTC)
    left, right = _ends(revisions)
    repo = repository.open_repository(workspace)
    with open_index(workspace) as index:
        target = sides.find(repo, index, left)
        named = sides.find(repo, index, right)
        base, head = target.holder, named.holder
    where = named.branch if branch is None else branch
    merged_into = target.branch if into is None else into
    checked = check(workspace, f"{base}..{head}", branch=where)
    with open_index(workspace) as index:
        asked = _Asked(repo, index, base, head, where, at, program)
        reviewed = tuple(_experiments(asked, checked, experiments))
    return Review(
        base=End(left, base),
        head=End(right, head),
        branch=where,
        commits=checked.commits,
        violations=(*checked.violations, *_merge(repo, base, head, where, merged_into)),
        experiments=reviewed,
        notes=(*checked.notes, *_notes(repo, base, head)),
        reviewed_at=at,
        program=program,
    )


def exit_code(found: Review, fail_on: FailOn) -> int:
    """Return 1 where something is as it should not be, by the measure that was asked for, else 0.

    By default only a broken rule is: a refuted hypothesis is a result like any other.
    """
    broken = bool(found.broken(Policy.ERROR))
    no = any(_is_no(item) for item in found.experiments)
    open_ = any(item.verdict in _OPEN for item in found.experiments)
    match fail_on:
        case FailOn.NEVER:
            return 0
        case FailOn.RULES:
            return int(broken)
        case FailOn.NO:
            return int(broken or no)
        case FailOn.OPEN:
            return int(broken or no or open_)
    assert_never(fail_on)


_OPEN = (None, Verdict.INCONCLUSIVE, Verdict.UNDECIDABLE, Verdict.NOT_COMPARABLE)


def _is_no(item: ReviewedExperiment) -> bool:
    return item.comparison is not None and compare.exit_code((item.comparison,)) == 1


class _Asked:
    """A review in the making: what every part of it needs to know."""

    __slots__ = ("at", "base", "branch", "head", "index", "program", "repo")

    def __init__(  # noqa: PLR0913, PLR0917  what it knows
        self,
        repo: Repo,
        index: Index,
        base: CommitHash,
        head: CommitHash,
        branch: str,
        at: datetime,
        program: str,
    ) -> None:
        self.repo = repo
        self.index = index
        self.base = base
        self.head = head
        self.branch = branch
        self.at = at
        self.program = program


def _ends(revisions: str) -> tuple[str, str]:
    left, dots, right = revisions.partition("...")
    if not dots:
        left, dots, right = revisions.partition("..")
    if not left or not dots or not right or ".." in right:
        raise UsageError(
            "this is no range of commits",
            found=ascii(revisions[:100])[1:-1],
            expected="BASE...HEAD, like origin/main...exp/deeper",
        )
    return left, right


def _merge(
    repo: Repo, base: CommitHash, head: CommitHash, branch: str, into: str
) -> tuple[Violation, ...]:
    """Return what a merge would break that no commit of the range does."""
    if not into or into == branch:
        return ()
    stored = StoredObjects(repo)
    before = Tree(stored, objects.commit_info(repo, base).tree)
    config = settings(before) if before.entry(layout.CONFIG) is not None else None
    try:
        facts = of_commit(stored, head, branch=into, tip=True, config=config)
    except DamagedDataError:  # a parent is beyond the edge of a shallow clone: said already
        return ()
    weights = policies(facts.config)
    only = {name: weights[name] if name == _MERGING else Policy.OFF for name in weights}
    return check_facts(replace(facts, base=before), only)


def _experiments(
    asked: _Asked, checked: CheckReport, names: Sequence[str]
) -> Iterator[ReviewedExperiment]:
    known = {plan.name: plan for plan in checked.plans}
    held = {plan.name: plan for plan in plans.plans(asked.repo, asked.head).plans}
    unknown = [name for name in names if name not in held]
    if unknown:
        raise UsageError(
            "no such experiment in these commits",
            found=ascii(unknown[0][:100])[1:-1],
            where=asked.head[:9],
            expected=", ".join(sorted(held)) or "a plan",
        )
    touched = _touched(asked, held)
    for name, plan in held.items():
        wanted = name in names if names else name in known or name in touched
        if not wanted:
            continue
        judged = known.get(name)
        if judged is None:
            order, runs = grade.grade(asked.repo, asked.index, plan, asked.head)
            judged = CheckedPlan(name, plan.digest, len(plan.amended), runs, order)
        yield _experiment(asked, plan, judged)


def _touched(asked: _Asked, held: dict[str, Plan]) -> set[str]:
    """Return the experiments of which the range brings a conclusion, or runs."""
    found: set[str] = set()
    common = objects.merge_base(asked.repo, asked.base, asked.head)
    before = asked.base if common is ABSENT else common
    changed = {change.path for change in diff.changed_paths(asked.repo, before, asked.head)}
    found |= {name for name in held if layout.conclusion_path(name) in changed}
    runs = [path for path in changed if path.startswith(f"{layout.RUNS}/")]
    if not runs:
        return found
    fresh = {path.split("/")[3] for path in runs if path.count("/") > 3}  # noqa: PLR2004  runs/ab/ID/file
    for item in lookup.runs_at(asked.repo, asked.head, asked.index):
        under = item.run.plan
        if under is None or item.run.id not in fresh:
            continue
        found |= {name for name, plan in held.items() if plan.covers(under.name, under.digest)}
    return found


def _experiment(asked: _Asked, plan: Plan, checked: CheckedPlan) -> ReviewedExperiment:
    comparison, problem, next_step = _compared(asked, plan)
    concluded: str | None = None
    try:
        conclusion = conclusions.conclusion_named(asked.repo, plan.name, asked.head)
        concluded = None if conclusion is ABSENT else conclusion.words
    except GitexpError as error:
        problem = problem or f"the conclusion cannot be read: {error}"
    return ReviewedExperiment(
        plan=checked,
        hypothesis=plan.hypothesis,
        comparison=comparison,
        problem=problem,
        next_step=next_step,
        behind=_behind(asked, plan, comparison),
        recorded_by=() if comparison is None else _recorded_by(asked, plan, comparison),
        concluded=concluded,
    )


def _compared(asked: _Asked, plan: Plan) -> tuple[Comparison | None, str, str]:
    """Return the comparison, or why there is none and what to do about it."""
    repo, index = asked.repo, asked.index
    try:
        candidate = _candidate(asked, plan)
        baseline = sides.planned_baseline(repo, plan, candidate.holder, index)
        (found,) = compare.judge(
            repo,
            index,
            [(baseline, candidate)],
            compare.CompareOptions(),
            now=asked.at,
            program=asked.program,
        )
    except DataMissingError as error:
        return None, f"it is judged by recorded predictions, and {error}", "pull-data: true"
    except GitexpError as error:
        return None, error.summary + (f": {error.found}" if error.found else ""), error.next_step
    return found, "", ""


def _candidate(asked: _Asked, plan: Plan) -> Named:
    """Return the candidate: the head of its own branch, else what the records say was run."""
    if plan.branch == asked.branch:
        return sides.Named(plan.branch, asked.head, plan.branch, plan)
    found = merged.held(asked.repo, asked.index, plan, asked.branch, asked.head)
    return sides.of_records(plan.branch, found)


def _behind(asked: _Asked, plan: Plan, comparison: Comparison | None) -> Behind | None:
    commit = plan.baseline.commit
    if not objects.exists(asked.repo, commit):
        return None
    if not objects.is_ancestor(asked.repo, commit, asked.base):
        return None
    newer = sum(1 for _ in objects.history(asked.repo, [asked.base], hide=[commit]))
    other: bool | None = None
    if comparison is not None:
        try:
            config, _ = plans.config_of(asked.repo, asked.base, asked.head)
            tree = objects.commit_info(asked.repo, asked.base).tree
            digest = inputs.compute(asked.repo, tree, config, index=asked.index)
            other = digest != comparison.baseline.inputs
        except GitexpError:  # what the base holds cannot be digested: nobody knows
            other = None
    return Behind(newer, other)


def _recorded_by(asked: _Asked, plan: Plan, comparison: Comparison) -> tuple[RecordedBy, ...]:
    """Return who recorded repeats of the candidate under its plan, in the order of the runs."""
    found: dict[str, tuple[int, set[int]]] = {}
    wanted = comparison.candidate.inputs
    for item in lookup.runs_at(asked.repo, asked.head, asked.index, inputs={wanted}):
        run = item.run
        if run.plan is None or not plan.covers(run.plan.name, run.plan.digest):
            continue
        seeds = finished_seeds(item)
        if seeds:
            runs, known = found.get(run.author.name, (0, set()))
            found[run.author.name] = (runs + 1, known | set(seeds))
    return tuple(
        RecordedBy(who, runs, tuple(sorted(seeds))) for who, (runs, seeds) in found.items()
    )


def _notes(repo: Repo, base: CommitHash, head: CommitHash) -> Iterator[str]:
    if repo.git.is_shallow:
        yield (
            "this clone is shallow: runs beyond its edge are not known here; "
            "git fetch --unshallow brings them"
        )
    common = objects.merge_base(repo, base, head)
    if common is ABSENT:
        yield "base and head have no commit in common here"
        return
    before = objects.entry_at(repo, common, _DVC_CONFIG)
    after = objects.entry_at(repo, head, _DVC_CONFIG)
    if before != after:
        yield f"these commits change {_DVC_CONFIG}, so where data come from; it was not followed"
