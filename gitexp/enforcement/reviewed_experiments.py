"""The experiments that a range of commits touches, each against its planned baseline.

An experiment that cannot be judged is a finding, not an error: the reason stands in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.comparison import compare, sides
from gitexp.comparison.eligible import finished_seeds
from gitexp.dvc import inputs
from gitexp.enforcement import remote_facts
from gitexp.errors import DataMissingError, GitexpError, NoSamplesError, UsageError
from gitexp.git import objects
from gitexp.git.absent import ABSENT
from gitexp.git.transaction import layout
from gitexp.model.review import Behind, CheckedPlan, RecordedBy, ReviewedExperiment
from gitexp.provenance import order_evidence, trust_settings
from gitexp.provenance.contradicted import Sources
from gitexp.rules.facts import differences
from gitexp.store import conclusions, lookup, merged_experiments, plans

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from gitexp.comparison.sides import Named
    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.comparison import Comparison, Conclusion
    from gitexp.model.ids import CommitHash, PlanDigest
    from gitexp.model.plan import Plan
    from gitexp.model.review import CheckReport
    from gitexp.model.run import Run

Compared = tuple["Comparison | None", str, str]  # or why there is none, and what to do about it


class Asked(trust_settings.Believing):
    """A review in the making: what every part of it needs to know.

    What cannot be compared stands in its place in the review, so nothing is `unanswered`.
    """

    __slots__ = (
        "_known", "_sources", "at", "base", "branch", "head", "index", "program", "repo",
        "unrecorded",
    )  # fmt: skip

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
        super().__init__(lambda: repo.workspace)
        self.repo = repo
        self.index = index
        self.base = base
        self.head = head
        self.branch = branch
        self.at = at
        self.program = program
        self.unrecorded: set[str] = set()  # experiments that rest on no record that is here
        self._known: dict[tuple[str, PlanDigest], Compared] = {}
        self._sources = Sources(repo, index)

    def compared(self, plan: Plan) -> Compared:
        """Return the comparison of a plan's candidate with its baseline, worked out once."""
        key = (plan.name, plan.digest)
        if key not in self._known:
            self._known[key] = _compared(self, plan)
        return self._known[key]

    # What a rule may ask. No remote is asked for a review.

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
        return remote_facts.difference(conclusion.comparison, comparison)

    def contradicted(self, run: Run, commit: CommitHash) -> str | None:
        """Return how a record that a commit adds differs from its source; "" where it does not."""
        return self._sources.contradiction(run, (), commit, None)

    def ordered(self, plan: Plan, commit: CommitHash, protected: Collection[str]) -> bool | None:
        """Return whether a plan is seen to be older than the runs that a commit has of it."""
        return order_evidence.is_ordered(self.repo, plan, commit, protected)


def experiments(
    asked: Asked, checked: CheckReport, names: Sequence[str]
) -> Iterator[ReviewedExperiment]:
    """Yield the experiments of a range, by name.

    Raises `UsageError` if an asked one has no plan in the head.
    """
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
            order, runs = order_evidence.grade(asked.repo, asked.index, plan, asked.head)
            judged = CheckedPlan(name, plan.digest, len(plan.amended), runs, order)
        yield _experiment(asked, plan, judged)


def _touched(asked: Asked, held: dict[str, Plan]) -> set[str]:
    """Return the experiments of which the range brings a conclusion, or runs."""
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


def _experiment(asked: Asked, plan: Plan, checked: CheckedPlan) -> ReviewedExperiment:
    comparison, problem, next_step = asked.compared(plan)
    concluded: str | None = None
    try:
        conclusion = conclusions.conclusion_named(asked.repo, plan.name, asked.head)
        concluded = None if conclusion is ABSENT else conclusion.told(plan, conclusion.words)
    except GitexpError as error:
        problem = problem or f"the conclusion cannot be read: {error}"
    return ReviewedExperiment(
        plan=checked,
        hypothesis=plan.hypothesis,
        comparison=comparison,
        problem=problem,
        next_step=next_step,
        behind=_behind(asked, plan, comparison),
        recorded_by=() if comparison is None else _recorded_by(asked, comparison),
        concluded=concluded,
    )


def _compared(asked: Asked, plan: Plan) -> Compared:
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
        if isinstance(error, NoSamplesError) and not repo.git.is_shallow:
            asked.unrecorded.add(plan.name)
        return None, error.summary + (f": {error.found}" if error.found else ""), error.next_step
    return found, "", ""


def _candidate(asked: Asked, plan: Plan) -> Named:
    """Return the candidate: the head of its own branch, else what the records say was run."""
    if plan.branch == asked.branch:
        return sides.Named(plan.branch, asked.head, plan.branch, plan)
    found = merged_experiments.held(asked.repo, asked.index, plan, asked.branch, asked.head)
    return sides.of_records(plan.branch, found)


def _behind(asked: Asked, plan: Plan, comparison: Comparison | None) -> Behind | None:
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


def _recorded_by(asked: Asked, comparison: Comparison) -> tuple[RecordedBy, ...]:
    """Return who recorded the candidate's repeats that count, in the order of the runs."""
    found: dict[str, tuple[int, set[int]]] = {}
    side = comparison.candidate
    for item in lookup.runs_at(asked.repo, asked.head, asked.index, inputs={side.inputs}):
        run = item.run
        if run.id not in side.runs:
            continue
        seeds = set(finished_seeds(item)).intersection(side.seeds)
        if seeds:
            runs, known = found.get(run.author.name, (0, set()))
            found[run.author.name] = (runs + 1, known | set(seeds))
    return tuple(
        RecordedBy(who, runs, tuple(sorted(seeds))) for who, (runs, seeds) in found.items()
    )
