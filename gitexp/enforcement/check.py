"""Commits held against the rules after the fact: what a hook let pass, or never saw.

A hook can be switched off, and a rebase, a cherry-pick or a fast-forward runs hardly any. This
looks at the commits themselves, and executes nothing of what is in them. Conclusions are computed
again from what is recorded here; remotes are asked only where that was wanted, since it takes the
network and the user's credentials.
"""

from __future__ import annotations

import math
import os
import shlex
from typing import TYPE_CHECKING, Final

from gitexp.comparison import sides
from gitexp.errors import GitexpError, NoSamplesError, UnknownExperimentError, UsageError
from gitexp.git import objects, repository, writing
from gitexp.git import remote as remote_git
from gitexp.git.transaction import layout
from gitexp.git.transaction.cache import open_index
from gitexp.git.tree import Tree
from gitexp.git.upstream import known, own
from gitexp.model import replace
from gitexp.model.config import ProjectConfig
from gitexp.model.ids import ABSENT, CommitHash
from gitexp.model.review import CheckedPlan, CheckReport
from gitexp.model.rules import NOBODY, Policy
from gitexp.provenance import order_evidence, trust_settings
from gitexp.provenance.contradicted import Sources
from gitexp.rules.branches import governing, is_protected
from gitexp.rules.facts import settings_in
from gitexp.rules.ranges import Gained, check_range
from gitexp.sharing.unsent import SeenRemote
from gitexp.store import plans
from gitexp.store.plan_files import whole_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.comparison import Comparison, Conclusion, MetricComparison
    from gitexp.model.plan import Plan
    from gitexp.model.rules import Outside
    from gitexp.model.run import FileHash, Run
    from gitexp.model.workspace import Workspace


_TOLERANCE = 1e-9  # of a number that other versions of NumPy add up in another order


class RemoteFacts(trust_settings.Believing):
    """Answers for one repository; with `remote` Git's remote and DVC's are asked, too."""

    def __init__(
        self, workspace: Workspace, *, remote: bool = False, environ: Mapping[str, str] = os.environ
    ) -> None:
        super().__init__(lambda: workspace)
        self._workspace = workspace
        self._remote = remote
        self._data = SeenRemote(workspace, environ)
        self._unknown: list[str] = []
        self._index: Index | None = None
        self._sources: Sources | None = None

    def recomputed(self, conclusion: Conclusion) -> str | None:
        """Return how a conclusion differs from what its records give; "" where it does not."""
        # With it come all statistics, and most ranges have no conclusion: half the time of a check.
        from gitexp.comparison.compare import compare

        try:
            (now,) = compare(self._workspace, [conclusion.experiment])
        except (NoSamplesError, UnknownExperimentError) as error:
            return error.brief
        except GitexpError as error:  # predictions that are not here, for one
            what = f"the conclusion of {conclusion.experiment} was not computed again"
            self._unknown.append(f"{what}: {error.brief}")
            return None
        return difference(conclusion.comparison, now)

    def ordered(self, plan: Plan, commit: CommitHash, protected: Collection[str]) -> bool | None:
        """Return whether a plan is seen to be older than the runs that a commit has of it."""
        repo = repository.open_repository(self._workspace)
        return order_evidence.is_ordered(repo, plan, commit, protected)

    def contradicted(self, run: Run, commit: CommitHash) -> str | None:
        """Return how a record that a commit adds differs from its source; "" where it does not."""
        if self._sources is None:  # one index for all runs of a range: it is written at its end
            self._index = open_index(self._workspace)
            self._sources = Sources(repository.open_repository(self._workspace), self._index)
        return self._sources.contradiction(run, (), commit, None)

    def present(self, plan: Plan) -> Plan:
        """Return a plan as the user's own branches have it, where it was renamed."""
        repo = repository.open_repository(self._workspace)
        every = (each for tip in plans.own_tips(repo) for each in plans.plans(repo, tip.commit))
        found = (each for each in every if plan.name in each.formerly)
        there = next((each for each in found if each.created_at == plan.created_at), None)
        moved = plans.renamed_tip(repo, plan.name) if there is None else None
        return there or (plan if moved is None else replace(plan, branch=moved.branch))

    def archived(self, plan: Plan, keeps: Callable[[CommitHash], bool]) -> str | None:
        """Return why its archive tag is not on the remote; "" where it is."""
        if not self._remote:
            return None
        tag = layout.archive_tag(plan.name)
        try:
            repo = repository.open_repository(self._workspace)
            remote = remote_git.choose(repo, None)
            there = remote_git.remote_refs(self._workspace, remote, [tag])
        except GitexpError as error:
            self._unknown.append(
                f"the archive tag of {plan.name} was not looked for: {error.brief}"
            )
            return None
        short = tag.removeprefix("refs/tags/")
        if tag not in there:
            return f"its archive tag {short} is not on {remote}"
        known = writing.object_of(repo, f"{there[tag]}^{{commit}}")
        if known is ABSENT or keeps(CommitHash(known)):
            return ""
        return f"{short} on {remote} has another plan or conclusion, or not its runs"

    def unsent(self, commit: CommitHash, recorded: Sequence[FileHash]) -> tuple[str, ...] | None:
        """Return what a commit has of data that the remote lacks; None if only DVC can tell."""
        return self._data.unsent(commit, recorded) if self._remote else None

    def unanswered(self) -> tuple[str, ...]:
        """Return what was asked and could not be told, with the reason."""
        if self._index is not None:
            self._index.close()
            self._index = self._sources = None
        return (*self._unknown, *self._data.unanswered())


def difference(then: Comparison, now: Comparison) -> str:
    """Return how a comparison differs from one made of the same records; "" where it does not."""
    if then.verdict != now.verdict:
        was = then.verdict.value if then.verdict else "no verdict"
        return f"{was} then, {now.verdict.value if now.verdict else 'no verdict'} now"
    there = {metric.metric: metric for metric in now.metrics}
    for old in then.metrics:
        new = there.get(old.metric)
        if new is None:
            return f"{old.metric} then, and nothing of it now"
        for (what, one), other in zip(_numbers(old).items(), _numbers(new).values(), strict=True):
            if not _same(one, other):
                return f"{what} of {old.metric} {_text(one)} then, {_text(other)} now"
    return ""


def _numbers(metric: MetricComparison) -> dict[str, float | None]:
    """Return what a reader of a conclusion goes by, in words."""
    interval, result = metric.interval, metric.result
    return {
        "samples of the baseline": metric.n_baseline,
        "samples of the candidate": metric.n_candidate,
        "baseline's mean": metric.mean_baseline,
        "candidate's mean": metric.mean_candidate,
        "difference": metric.difference,
        "relative difference": metric.relative,
        "lower limit": None if interval is None else interval.low,
        "upper limit": None if interval is None else interval.high,
        "p": None if result is None else result.p_value,
        "p of the promise": None if result is None else result.p_support,
        "p against the promise": None if result is None else result.p_refute,
        "alpha": None if result is None else result.plan.alpha,
    }


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


def _text(number: float | None) -> str:
    return "unknown" if number is None else f"{number:.6g}"


_NO_BRANCH: Final = (
    "these commits are on no branch that is known here, so what holds for branches, R1 and R7, was"
    " not looked at; gitexp check --branch NAME"
)


def check(
    workspace: Workspace,
    revisions: str | None = None,
    *,
    branch: str | None = None,
    outside: Outside = NOBODY,
) -> CheckReport:
    """Return what is broken in a range of commits, and how sure the order of its plans is.

    Parameters
    ----------
    revisions : str, optional
        ``BASE..TIP``; or a branch, experiment or revision, which is held against the protected
        branches. That of HEAD by default.
    branch : str, optional
        On which branch the commits are, where their name does not tell.
    outside : Outside, optional
        Answers what the commits do not say; without it nothing is asked.

    Raises
    ------
    UnknownRevisionError, UnknownExperimentError, UnbornBranchError
        If a revision does not name a commit.
    """
    repo = repository.open_repository(workspace)
    with open_index(workspace) as index:
        found = find(repo, index, revisions, branch)
        violations, notes = check_range(repo, found, outside)
        return CheckReport(
            branch=found.branch,
            base=found.base,
            tip=found.tip,
            commits=len(found.commits),
            violations=violations,
            plans=tuple(_plans(repo, index, found)),
            notes=notes if found.branch or branch is not None else (*notes, _NO_BRANCH),
        )


def find(
    repo: Repo, index: Index, revisions: str | None = None, branch: str | None = None
) -> Gained:
    """Return the commits that a person means."""
    text = revisions or ""
    left, dots, right = text.partition("..")
    if dots and right.startswith("."):
        raise UsageError(
            "a range has two dots here: what the second has and the first has not",
            found=text,
            next_step=f"gitexp check {shlex.quote(f'{left}..{right[1:]}')}",
        )
    name = right if dots else text
    named = sides.tip(repo, index, name) if name else sides.checked_out(repo)
    tip = named.holder
    where = branch if branch is not None else named.branch
    start = objects.resolve(repo, left or "HEAD") if dots else None
    config = _settings(repo, where, start, tip)
    upstream = tuple(_protected(repo, config, where, tip))
    base = start if dots else _base(repo, tip, upstream)
    hidden = (base,) if dots and base is not None else upstream
    commits = [item.hash for item in objects.history(repo, [tip], hide=hidden)]
    gained = {item.hash for item in objects.history(repo, [tip], hide=(*hidden, *upstream))}
    others = frozenset(commits) - gained if tip in gained else frozenset()
    by_base = bool(dots) or (base is not None and is_protected(config, where))
    governs = None if by_base else config
    merged = any(objects.is_ancestor(repo, base, each) for each in upstream) if base else False
    later = Policy.WARN if merged else Policy.OFF
    later = later if is_own(repo, where, tip) else Policy.ERROR
    tips = known(repo.workspace)
    return Gained(tuple(reversed(commits)), tip, where, base, others, governs, later, tips)


def is_own(repo: Repo, branch: str, tip: CommitHash) -> bool:
    """Return whether a branch of the user's own has a commit: a stranger's may be called so."""
    every = own(repo, [branch]) if branch else []
    return any(name == branch and objects.is_ancestor(repo, tip, at) for name, at, _ in every)


def _settings(repo: Repo, branch: str, base: CommitHash | None, tip: CommitHash) -> ProjectConfig:
    """Return the settings that count: those of the base, where it has any, else as for a hook."""
    if base is not None:
        there = settings_in(Tree(repo, objects.commit_info(repo, base).tree))
        if there is not None:
            return there
    found = governing(repo, repo, branch, tip)
    return found.config or ProjectConfig()


def _protected(repo: Repo, config: ProjectConfig, branch: str, tip: CommitHash) -> list[CommitHash]:
    """Return the tips of other protected branches; what an upstream has is not gained."""
    found = [
        commit
        for name, commit, ref in own(repo, config.protected)
        if is_protected(config, name) and ref != f"refs/heads/{branch}"
    ]
    return [] if tip in found and not is_protected(config, branch) else found


def _base(repo: Repo, tip: CommitHash, upstream: tuple[CommitHash, ...]) -> CommitHash | None:
    best: CommitHash | None = None
    for common in (objects.merge_base(repo, commit, tip) for commit in upstream):
        if common is not ABSENT and (best is None or objects.is_ancestor(repo, best, common)):
            best = common
    return best


def _plans(repo: Repo, index: Index, found: Gained) -> list[CheckedPlan]:
    """Return the plans that these commits brought or changed, and that of the branch."""
    before = {plan.digest for plan in plans.plans(repo, found.base)} if found.base else set()
    every = plans.plans(repo, found.tip)
    new = [each for each in every if each.digest not in before or each.branch == found.branch]
    return [checked_plan(repo, index, plan, found.tip) for plan in new]


def checked_plan(repo: Repo, index: Index, plan: Plan, tip: CommitHash) -> CheckedPlan:
    """Return what is said of a plan in the history of a commit."""
    order, runs = order_evidence.grade(repo, index, plan, tip)
    amended = len(whole_plan(repo, plan, tip).amended)
    return CheckedPlan(plan.name, plan.digest, amended, runs, order)
