"""`gitexp review`: what a range of commits would bring, for somebody who has to say yes or no.

The rules over the range, then every experiment that it touches against its planned baseline. It
reads objects and nothing else: no work tree, pipeline, hook, filter or setting of the branch under
review is asked or obeyed. An experiment that cannot be judged is a finding, not an error.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, assert_never

from gitexp.comparison import compare, sides
from gitexp.enforcement.check import check
from gitexp.enforcement.reviewed_experiments import Asked
from gitexp.enforcement.reviewed_experiments import experiments as reviewed_experiments
from gitexp.errors import DamagedDataError, UsageError
from gitexp.git import objects, repository
from gitexp.git.absent import ABSENT
from gitexp.git.transaction.cache import open_index
from gitexp.git.tree import Tree
from gitexp.git.upstream import own
from gitexp.model.result import Verdict
from gitexp.model.review import End, FailOn, Review
from gitexp.model.rules import Policy
from gitexp.rules import check as check_facts
from gitexp.rules import policies
from gitexp.rules.facts import of_commit, settings_in
from gitexp.store.plan_files import plan_paths

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash
    from gitexp.model.review import ReviewedExperiment
    from gitexp.model.rules import Violation
    from gitexp.model.workspace import Workspace

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
        target = sides.tip(repo, index, left)
        named = sides.tip(repo, index, right)
        base, head = target.holder, named.holder
    where = named.branch if branch is None else branch
    merged_into = target.branch if into is None else into
    with open_index(workspace) as index:
        asked = Asked(repo, index, base, head, where, at, program)
        # A range of one branch that moved on is no merge; a fork's may have the same name.
        moved_on = into is None and where == target.branch and _is_own(repo, where, head)
        gained = where if moved_on or where != merged_into else ""  # it is not that branch itself
        checked = check(workspace, f"{base}..{head}", branch=gained, outside=asked)
        merging = () if moved_on or not merged_into else _merge(asked, merged_into)
        reviewed = tuple(reviewed_experiments(asked, checked, experiments))
    return Review(
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


def _is_own(repo: Repo, branch: str, tip: CommitHash) -> bool:
    return any((name, at) == (branch, tip) for name, at, _ in own(repo.workspace, [branch]))


def _merge(asked: Asked, into: str) -> tuple[Violation, ...]:
    """Return what a merge would break that no commit of the range does."""
    stored = asked.repo
    before = Tree(stored, objects.commit_info(asked.repo, asked.base).tree)
    config = settings_in(before)
    try:
        facts = of_commit(stored, asked.head, branch=into, tip=True, config=config, outside=asked)
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
