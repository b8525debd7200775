"""`gitexp review`: what a range of commits would bring, for somebody who has to say yes or no.

The rules over the range, then every experiment that it touches against its planned baseline. It
reads objects and nothing else: no work tree, pipeline, hook, filter or setting of the branch under
review is asked or obeyed. An experiment that cannot be judged is a finding, not an error.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gitexp.comparison import compare, sides
from gitexp.comparison.eligible import finished_seeds
from gitexp.comparison.gather import RunPool
from gitexp.enforcement.check import RemoteFacts, check, checked_plan, difference, is_own
from gitexp.errors import (
    DamagedDataError,
    DataMissingError,
    GitexpError,
    NoSamplesError,
    UsageError,
)
from gitexp.git import objects, repository
from gitexp.git.transaction import layout
from gitexp.git.transaction.cache import open_index
from gitexp.git.tree import Tree
from gitexp.git.upstream import USUAL
from gitexp.model import dataclass, field, replace
from gitexp.model.config import Identity
from gitexp.model.ids import ABSENT
from gitexp.model.review import (
    CheckedPlan,
    End,
    LackingData,
    RecordedBy,
    Review,
    ReviewedExperiment,
)
from gitexp.model.rules import Policy
from gitexp.provenance import private
from gitexp.report.answers import diffs
from gitexp.rules import check as check_facts
from gitexp.rules import policies
from gitexp.rules.branches import is_protected
from gitexp.rules.facts import differences, of_commit, settings, settings_in
from gitexp.store import conclusions, lookup, merged_experiments, plans
from gitexp.store.plan_files import plan_paths
from gitexp.views.diff import of_range

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitexp.comparison.sides import Named
    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.comparison import Comparison, Conclusion
    from gitexp.model.ids import CommitHash, PlanDigest
    from gitexp.model.plan import Plan
    from gitexp.model.review import CheckReport
    from gitexp.model.rules import Violation
    from gitexp.model.workspace import Workspace


Compared = tuple["Comparison | None", str, str]  # or why there is none, and what to do about it


@dataclass(kw_only=True, eq=False)
class ReviewContext(RemoteFacts):
    """What every part of a review knows; what cannot be compared stands in it as such."""

    repo: Repo
    index: Index
    base: CommitHash
    head: CommitHash
    branch: str
    at: datetime
    program: str
    # experiments that rest on no record that is here
    unrecorded: set[str] = field(default_factory=set)
    # those that lack nothing but data
    without_data: set[str] = field(default_factory=set)
    _known: dict[tuple[str, PlanDigest], Compared] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take over what is believed here; no remote is asked for a review."""
        super().__init__(self.repo.workspace)

    def compared(self, plan: Plan) -> Compared:
        """Return the comparison of a plan's candidate with its baseline, worked out once."""
        key = (plan.name, plan.digest)
        if key not in self._known:
            self._known[key] = _compared(self, plan)
        return self._known[key]

    def recomputed(self, conclusion: Conclusion) -> str | None:
        """Return how a conclusion differs from what its records give; "" where it does not."""
        try:
            plan = plans.plan_named(self.repo, conclusion.experiment, self.head)
        except GitexpError:  # a rule about plans says it
            return None
        if plan is ABSENT:
            return None
        comparison, problem, _ = self.compared(plan)
        if comparison is None:
            return problem if plan.name in self.unrecorded else None
        return difference(conclusion.comparison, comparison)


def _experiments(
    asked: ReviewContext, checked: CheckReport, names: Sequence[str]
) -> Iterator[ReviewedExperiment]:
    known = {plan.name: plan for plan in checked.plans}
    held = {plan.name: plan for plan in plans.plans(asked.repo, asked.head)}
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
            judged = checked_plan(asked.repo, asked.index, plan, asked.head)
        yield _experiment(asked, plan, judged)


def _touched(asked: ReviewContext, held: dict[str, Plan]) -> set[str]:
    found: set[str] = set()
    common = objects.merge_base(asked.repo, asked.base, asked.head)
    before = asked.base if common is ABSENT else common
    trees = (objects.commit_info(asked.repo, commit).tree for commit in (before, asked.head))
    changed = {change.path for change in differences(asked.repo, *trees)}
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


def _experiment(asked: ReviewContext, plan: Plan, checked: CheckedPlan) -> ReviewedExperiment:
    comparison, problem, next_step = asked.compared(plan)
    concluded: str | None = None
    lacking = LackingData() if plan.name in asked.without_data else None
    try:
        conclusion = conclusions.conclusion_named(asked.repo, plan.name, asked.head)
        if conclusion is not ABSENT:
            about = conclusion.comparison.candidate.inputs
            now = comparison.candidate if comparison is not None else None
            side = now if lacking is None else _candidate(asked, plan)
            changed = side is not None and conclusions.is_of_others(
                asked.repo, asked.index, side, about
            )
            if lacking is not None and conclusion.stands(plan) and not changed:
                no = conclusion.comparison.exit_code == 1
                lacking = LackingData(conclusion.comparison.verdict, no)
            concluded = conclusions.told(asked.repo, conclusion, plan, asked.head, changed=changed)
    except GitexpError as error:
        problem = problem or f"the conclusion cannot be read: {error}"
    return ReviewedExperiment(
        plan=checked,
        hypothesis=plan.hypothesis,
        comparison=comparison,
        problem=problem,
        next_step=next_step,
        behind=plans.behind(asked.repo, asked.index, plan, asked.base, asked.head),
        recorded_by=() if comparison is None else _recorded_by(asked, comparison),
        concluded=concluded,
        lacking=lacking,
    )


def _compared(asked: ReviewContext, plan: Plan) -> Compared:
    repo, index = asked.repo, asked.index
    try:
        candidate = _candidate(asked, plan)
        baseline = sides.planned_baseline(repo, plan, candidate, index)
        (found,) = compare.judge(
            RunPool(repo, index),
            [(baseline, candidate)],
            compare.CompareOptions(),
            now=asked.at,
            program=asked.program,
        )
    except DataMissingError as error:
        asked.without_data.add(plan.name)
        problem = f"it is judged by recorded predictions, and {error.located}"
        return None, problem, error.next_step
    except GitexpError as error:
        if isinstance(error, NoSamplesError) and not repo.git.is_shallow:
            asked.unrecorded.add(plan.name)
        return None, error.brief, error.next_step.replace("\n", "; ")
    return found, "", ""


def _candidate(asked: ReviewContext, plan: Plan) -> Named:
    """Return the candidate: the head of its own branch, else what the records say was run."""
    if plan.branch == asked.branch:
        return sides.Named(plan.branch, asked.head, plan.branch, plan)
    found = merged_experiments.held(asked.repo, asked.index, plan, asked.branch, asked.head)
    return sides.of_records(plan.branch, found)


def _recorded_by(asked: ReviewContext, comparison: Comparison) -> tuple[RecordedBy, ...]:
    """Return who committed the repeats that count, each person once, in order."""
    found: list[tuple[set[str], RecordedBy]] = []
    side = comparison.candidate
    config = plans.config_of(asked.repo, asked.head, asked.base)[0]
    way = private.held(asked.repo, config)[0].identity
    for item in lookup.runs_at(asked.repo, asked.head, asked.index, inputs={side.inputs}):
        seeds = set(finished_seeds(item)).intersection(side.seeds)
        if item.run.id not in side.runs or not seeds:
            continue
        author = objects.commit_info(asked.repo, item.commit).author
        names = {private.person(author, each).name for each in Identity}
        other = () if item.run.author.name in names else (item.run.author.name,)
        marks = {author.name.casefold(), author.email.casefold()}
        known = next((at for at, (theirs, _) in enumerate(found) if theirs & marks), len(found))
        if known == len(found):
            found.append((set(), RecordedBy(private.person(author, way).name, 0, ())))
        theirs, one = found[known]
        found[known] = (
            theirs | marks,
            RecordedBy(
                one.who,
                one.runs + 1,
                tuple(sorted(seeds.union(one.seeds))),
                tuple(dict.fromkeys(one.recorded_as + other)),
            ),
        )
    return tuple(one for _, one in found)


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
    revisions : str
        ``BASE...HEAD``: what HEAD has and BASE has not; two dots mean the same here.
    branch : str, optional
        On which branch the commits are, where HEAD's name does not tell; any name will do.
    into : str, optional
        The branch that they are to be merged into, where BASE's name does not tell.
    experiments : sequence of str
        Only these; all that the commits touch by default.
    program : str
        Name and version, for the record.

    Raises
    ------
    UsageError
        If it is not a range, or an asked experiment has no plan in HEAD.
    UnknownRevisionError, UnknownExperimentError
        If an end of it does not name a commit here.
    """
    at = now or datetime.now(UTC)
    left, right = _ends(revisions)
    repo = repository.open_repository(workspace)
    with open_index(workspace) as index:
        target = sides.tip(repo, index, left)
        named = sides.tip(repo, index, right)
        base, head = target.holder, named.holder
    where = named.branch if branch is None else branch
    merged_into = target.branch if into is None else into
    with open_index(workspace) as index:
        asked = ReviewContext(
            repo=repo, index=index, base=base, head=head, branch=where, at=at, program=program
        )
        # A range of one branch that moved on is not a merge; a fork's may have the same name.
        moved_on = into is None and where == target.branch and is_own(repo, where, head)
        # A branch that is to be merged and is called like a protected one has but its name.
        known = settings(Tree(repo, objects.commit_info(repo, base).tree))
        protected = where in USUAL or is_protected(known, where)
        elsewhere = where != merged_into and not (merged_into and protected)
        gained = where if moved_on or elsewhere else ""
        checked = check(workspace, f"{base}..{head}", branch=gained, outside=asked)
        merging = () if moved_on or not merged_into else _merge(asked, merged_into)
        reviewed = tuple(_experiments(asked, checked, experiments))
    found = Review(
        base=End(left, base),
        head=End(right, head),
        branch=where,
        commits=checked.commits,
        violations=tuple(dict.fromkeys((*checked.violations, *merging))),
        experiments=reviewed,
        notes=(*checked.notes, *_notes(repo, base, head)),
        reviewed_at=at,
        program=program,
    )
    return found if reviewed else _plain(found, repo, merged_into or left)


def _plain(found: Review, repo: Repo, into: str) -> Review:
    """Return a review with what an ordinary pull request is shown for: metrics, parameters, data.

    `into`: what it is to be merged into, by name.
    """
    base, head = found.base.commit, found.head.commit
    common = objects.merge_base(repo, base, head)
    try:
        view = of_range(repo, base if common is ABSENT else common, head)
    except GitexpError:  # a note, or a broken rule, says what cannot be read
        return found
    differs = view.params or view.data or any(m.difference != 0 for m in view.metrics)
    return replace(
        found,
        notes=(*found.notes, *view.notes),
        changes=diffs.differences(view) if differs else (),
        testing=diffs.tests(view, into) if differs else "",
    )


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


def _merge(asked: ReviewContext, into: str) -> tuple[Violation, ...]:
    """Return what a merge would break that no commit of the range does."""
    repo = asked.repo
    before = Tree(repo, objects.commit_info(repo, asked.base).tree)
    config = settings_in(before)
    try:
        facts = of_commit(repo, asked.head, branch=into, tip=True, outside=asked).governed(config)
    except DamagedDataError:  # a parent is beyond the edge of a shallow clone: said already
        return ()
    weights = policies(facts.config)
    only = {name: weights[name] if name == _MERGING else Policy.OFF for name in weights}
    arrived = frozenset(plan_paths(facts.tree))  # whatever branch they say they are of
    return check_facts(replace(facts, base=before, arrived=arrived), only)


def _notes(repo: Repo, base: CommitHash, head: CommitHash) -> Iterator[str]:
    if repo.git.is_shallow:
        yield (
            "this clone is shallow: runs beyond its edge are not known here; "
            f"{repo.whole} brings them"
        )
    common = objects.merge_base(repo, base, head)
    if common is ABSENT:
        yield "base and head have no commit in common here"
        return
    before = objects.entry_at(repo, common, _DVC_CONFIG)
    after = objects.entry_at(repo, head, _DVC_CONFIG)
    if before != after:
        yield f"these commits change {_DVC_CONFIG}, so where data come from; it was not followed"
