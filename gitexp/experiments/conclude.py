"""Ends an experiment: the verdict, the comparison it rests on, and its author's words."""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from gitexp.comparison import exclusions, sides
from gitexp.comparison.compare import compare
from gitexp.errors import (
    DetachedHeadError,
    ExistsError,
    GitexpError,
    NoPlanError,
    UnsafeInputError,
    UsageError,
)
from gitexp.experiments import lifecycle
from gitexp.experiments.archive import abandoning, archive
from gitexp.git import identity, objects, refs, repository
from gitexp.git.transaction import layout, transaction
from gitexp.git.transaction.cache import open_index
from gitexp.git.writing import Message
from gitexp.model.comparison import Conclusion
from gitexp.model.ids import ABSENT
from gitexp.model.report import ConcludeReport
from gitexp.provenance import private
from gitexp.records import codec
from gitexp.report.escape import visible
from gitexp.store import plans
from gitexp.store.conclusions import conclusion_named, ended_on, is_changed, is_concluded
from gitexp.store.plan_files import whole_plan

if TYPE_CHECKING:
    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan
    from gitexp.model.workspace import Workspace


def conclude(  # noqa: PLR0913  what is concluded, how, and when
    workspace: Workspace,
    name: str | None = None,
    *,
    words: str,
    amend: bool = False,
    archived: bool = False,
    push: bool = False,
    dry_run: bool = False,
    now: datetime | None = None,
    program: str = "gitexp",
) -> ConcludeReport:
    """Write the conclusion of an experiment as a commit on its branch.

    Parameters
    ----------
    name : str, optional
        The experiment; that of the current branch by default.
    words : str
        What the author makes of it; not empty.
    amend : bool
        Replace an earlier conclusion, which stays in the history.
    archived : bool
        Archive the experiment, too; its branch goes once another one has its records.
    push : bool
        Archive it on the remote as well.

    Raises
    ------
    NoPlanError, UnknownExperimentError
    ExistsError
        If there is a conclusion, and it was not asked to replace it; where it is the very one, and
        the experiment shall be archived, that is gone on with: a call may have died between.
    UsageError
        If there are no words.
    UnsafeInputError
        If it would be larger than anybody reads: thousands of repeats, or a book of words.
    NoSamplesError
        If nothing was measured yet.
    PreconditionError
        If finished repeats are not recorded, or a run goes on.
    MovedRefError
        If the branch moved meanwhile; nothing was written.
    """
    if not words.strip():
        raise UsageError(
            "a conclusion needs its author's words",
            next_step='gitexp conclude -m "what was learned", or --edit',
        )
    repo = repository.open_repository(workspace)
    branch, tip, plan = experiment_of(repo, name)
    if ended_on(repo, branch, tip):
        raise ExistsError(
            f"{repo.main} has all of {branch}, and its conclusion",
            where=f"{layout.conclusion_path(plan.name)} on {repo.main}",
            next_step=f"gitexp show {shlex.quote(plan.name)}; to go on from it: "
            f"git switch {shlex.quote(branch)} && git merge {shlex.quote(repo.main)}",
        )
    if not dry_run:
        lifecycle.check_published(workspace, branch)
    path = layout.conclusion_path(plan.name)
    replaced = objects.blob_id(repo, tip, path) is not ABSENT
    with open_index(workspace) as index:
        changed = partial(is_changed, repo, index, tip)
        stands = replaced and not amend and is_concluded(repo, plan, tip, changed)
    when = (now or datetime.now(UTC)).replace(microsecond=0)
    ending = partial(archive, workspace, plan.name, push=push, now=when)
    if stands:
        left = _left(repo, plan, tip, words.strip()) if archived else None
        if left is None:
            only = f"gitexp archive {shlex.quote(plan.name)}" + " --push" * push + "; or "
            raise ExistsError(
                f"{plan.name} has a conclusion already",
                where=f"{path} on {branch}",
                next_step=only * archived
                + 'gitexp conclude --amend -m "...", which keeps the old one in the history',
            )
        commit, ended = (None, None) if dry_run else (tip, ending())
        return ConcludeReport(
            left, branch, commit, replaced=False, dry_run=dry_run, not_updated=(), archived=ended
        )
    found = compare(workspace, [branch], now=when, program=program)[0]
    comparison = replace(found, words="")  # those of an earlier conclusion
    named = private.author(repo, tip)
    conclusion = Conclusion(
        experiment=plan.name,
        verdict=comparison.verdict,
        words=words.strip(),
        comparison=comparison,
        author_name=named.name,
        author_email=named.email,
        concluded_at=when,
    )
    data = codec.dump(conclusion)
    _check_size(data, path)
    with open_index(workspace) as index:
        repeats = len(found.baseline.seeds) + len(found.candidate.seeds)
        moved = exclusions.overtaken(repo, index, plan, tip, repeats)
    against = abandoning(repo, plan.name, branch) if comparison.is_against else ""
    report = ConcludeReport(
        conclusion, branch, None, replaced, dry_run=dry_run, not_updated=(), moved=moved,
        abandon=against,
    )  # fmt: skip
    if dry_run:
        return report

    verdict = comparison.verdict.value if comparison.verdict else "no verdict"
    text = f"gitexp conclude: {visible(plan.name)}: {verdict}\n\n{words.strip()}\n"
    said = Message(text, identity.author(repo), when)
    published = transaction.publish(workspace, branch, lambda _: {path: data}, said, expected=tip)
    return replace(
        report,
        commit=published.commit,
        not_updated=published.not_updated,
        archived=ending() if archived else None,
    )


def _left(repo: Repo, plan: Plan, tip: CommitHash, words: str) -> Conclusion | None:
    """Return the conclusion that the same call has written, if it died before the archive."""
    with contextlib.suppress(GitexpError):  # what cannot be read is somebody's
        found, named = conclusion_named(repo, plan.name, tip), private.author(repo, tip)
        if found is not ABSENT and (found.words, found.author) == (words, named):
            return found
    return None


def _check_size(data: bytes, path: str) -> None:
    """Refuse, before it is written, what nobody could read again."""
    try:
        codec.load(Conclusion, data, path)
    except UnsafeInputError as error:
        raise UnsafeInputError(
            "this conclusion would be too large to be read again",
            found=error.found,
            where=path,
            expected=error.expected,
            next_step="gitexp conclude with fewer words, or for a plan with fewer repeats",
        ) from error


def experiment_of(
    repo: Repo, name: str | None, verb: str = "conclude"
) -> tuple[str, CommitHash, Plan]:
    """Return branch, tip and plan of an experiment; only a branch here can be written to."""
    if name is None:
        head = refs.head(repo)
        if head.branch is None or head.commit is ABSENT:
            raise DetachedHeadError(
                "HEAD is on no branch; name the experiment", next_step=f"gitexp {verb} NAME"
            )
        plan = plans.plan_of_branch(repo, head.branch, head.commit)
        if plan is ABSENT:
            raise NoPlanError(
                f"{head.branch} has no plan, so there is nothing to {verb.partition('-')[0]}",
                next_step=sides.plan_back(repo, head.branch, head.commit)
                or f"gitexp {verb} NAME, with the name of an experiment; or gitexp new NAME",
            )
        return head.branch, head.commit, whole_plan(repo, plan, head.commit)
    for branch in (name, f"{plans.branch_prefix(repo)}{name}"):
        ref = refs.local(branch)
        tip = refs.read_ref(repo, ref) if refs.is_valid(ref) else ABSENT
        if tip is ABSENT:
            continue
        plan = plans.plan_of_branch(repo, branch, tip)
        if plan is not ABSENT:
            return branch, tip, whole_plan(repo, plan, tip)
    lifecycle.check_renamed(repo, name)
    raise plans.no_branch(repo, name, "a branch here that holds an experiment of this name")
