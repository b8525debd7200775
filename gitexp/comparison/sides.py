"""What the names on a comparison's command line stand for: commits, settings, inputs, plans.

A name is a branch (with or without the experiments' prefix), else an archive tag, else an
experiment whose records were merged somewhere, each here before what a fetch brought, else any
revision that git understands. Only hashes go on from here.
"""

from __future__ import annotations

import contextlib
import shlex
from typing import TYPE_CHECKING

from gitexp.comparison.eligible import is_under
from gitexp.dvc import inputs
from gitexp.dvc.composed import laid_over
from gitexp.dvc.state import ProjectState
from gitexp.errors import GitexpError, NoPlanError, UnknownExperimentError, UnknownRevisionError
from gitexp.git import command, objects, refs, upstream
from gitexp.git.transaction import layout
from gitexp.model import dataclass, field, replace
from gitexp.model.ids import ABSENT, CommitHash, InputsDigest
from gitexp.model.sharing import Tombstone
from gitexp.records import codec
from gitexp.rules.facts import restoring
from gitexp.store import lookup, merged_experiments, plans
from gitexp.store.conclusions import ended_on
from gitexp.store.plan_files import settings, whole_plan
from gitexp.store.plans import Tip, own_tips, tips

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.config import ProjectConfig
    from gitexp.model.plan import Plan
    from gitexp.store.merged_experiments import Merged

_MOST = 8  # names that an error lists


@dataclass(frozen=True, slots=True)
class Named:
    """What a name stands for."""

    name: str  # as typed
    commit: CommitHash  # whose tree shows it
    branch: str = ""  # short name, where the name is that of a branch or its archive
    plan: Plan | None = None
    inputs: InputsDigest | None = None  # given by records where its own commit may be gone
    recorded: CommitHash | None = None  # its own commit, as the records name it
    records: CommitHash | None = None  # whose history has the records, if not that of `commit`
    where: str = ""  # the branch that has them, where its own is gone
    lost: bool = False  # no ref leads to its own commit
    exact: bool = True  # the tree of `commit` has just these inputs
    removed: str = ""  # who removed it and when; only records are left
    # what a plan's baseline takes of the candidate's evaluator, and from which commit
    borrows: tuple[tuple[str, ...], CommitHash] | None = None

    @property
    def holder(self) -> CommitHash:
        """The commit whose history has its records."""
        return self.records or self.commit


@dataclass(frozen=True, slots=True)
class ResolvedSide:
    """One side before anything is known of its samples."""

    name: str
    commit: CommitHash  # whose tree shows it
    # whose history is searched; of a merged side the commit that has its records now
    records: CommitHash
    recorded: CommitHash  # the side's own commit, also where it is gone
    config: ProjectConfig
    inputs: InputsDigest
    lost: bool = False  # no ref leads to its own commit; its inputs come from a record
    exact: bool = True  # the tree of `commit` has just these inputs, so that code can be compared
    # what lies over that tree: of a baseline its candidate's evaluator; see `ProjectState`
    over: Mapping[str, tuple[bytes, bool]] = field(default_factory=dict)

    def state(self, repo: Repo) -> ProjectState:
        """Return its tree as its settings read it."""
        tree = objects.commit_info(repo, self.commit).tree
        return ProjectState(repo, tree, self.config, over=self.over)


def current(repo: Repo, index: Index) -> Named:
    """Return the experiment of the branch that is checked out.

    Raises `UnbornBranchError`.
    """
    return planned(repo, index, checked_out(repo))


def checked_out(repo: Repo) -> Named:
    """Return what is checked out; as in `tip`, a branch's plan is not read.

    Raises `UnbornBranchError`.
    """
    head = refs.head(repo)
    if head.commit is ABSENT:
        raise refs.unborn(repo, head)
    if head.branch:
        return Named(head.branch, head.commit, head.branch)
    plan = _plan_around(repo, head.commit)
    return Named("HEAD", head.commit, "" if plan is None else plan.branch, plan)


def no_plan(repo: Repo, named: Named) -> NoPlanError:
    """Return the error that says that one name alone is not enough."""
    return NoPlanError(
        "there is no hypothesis to judge here",
        found=f"no plan of {named.name}",
        where=named.commit[:9],
        expected="an experiment's branch, or two revisions",
        next_step=plan_back(repo, named.branch, named.commit)
        or "gitexp compare REV REV, or gitexp new NAME",
    )


def plan_back(repo: Repo, branch: str, tip: CommitHash) -> str:
    """Return what brings back the plan that an experiment's branch had; "" where it had none.

    Where Git renamed the branch, that is what has the plan follow.
    """
    prefix = plans.branch_prefix(repo)
    name = branch.removeprefix(prefix)
    if name == branch:
        return ""
    there = plans.renamed(repo, branch, tip)
    if there is not ABSENT:
        return plans.renaming(there, branch)
    path = layout.plan_path(name)
    arguments = ["log", "-1", "--diff-filter=D", "--no-renames", "--format=%P", tip, "--", path]
    for parent in command.attempt(repo.workspace, arguments)[1].decode("ascii").split():
        with contextlib.suppress(GitexpError):
            plan = plans.plan_named(repo, name, CommitHash(parent))
            if plan is not ABSENT and plan.branch == branch:
                return restoring(CommitHash(parent), path)
    return ""


def find(repo: Repo, index: Index, name: str) -> Named:
    """Return what a name stands for: branch, archive tag, merged experiment, any revision.

    Raises `UnknownExperimentError` if it is none of these; `BadFormatError, NewerFormatError,
    UnsafeInputError` if its plan cannot be read.
    """
    found = tip(repo, index, name)
    # Of an archive, and of merged records, the plan was looked for already.
    is_kept = found.removed or found.where or found.plan is not None
    return found if is_kept else planned(repo, index, found)


def planned(repo: Repo, index: Index, named: Named) -> Named:
    """Return a branch with its plan, or what main has of it, where that goes on from it."""
    main = ended_on(repo, named.branch, named.commit) if named.branch else None
    plan = ABSENT if main is None else plans.plan_of_branch(repo, named.branch, main)
    if main is None or plan is ABSENT:
        return _planned(repo, named)
    plan = whole_plan(repo, plan, main)
    found = merged_experiments.held(repo, index, plan, repo.main, main)
    return of_records(named.name, found)


def tip(repo: Repo, index: Index, name: str) -> Named:
    """Return the same without reading a branch's plan, which may be what is wrong with it.

    Raises `UnknownExperimentError`.
    """
    return _own(repo, index, name) or _theirs(repo, index, name) or _revision(repo, name)


def of_tip(repo: Repo, found: Tip) -> Named:
    """Return the experiment of a branch here or of a remote, or of an archive tag."""
    if found.archived:
        return _archived(repo, found.name, found.name.partition("/")[2], found.commit)
    return _planned(repo, Named(found.name, found.commit, found.branch))


def settled(repo: Repo, *sides: Named) -> CommitHash:
    """Return the commit whose settings say how these sides are read: rules of inputs, and costs.

    They serve a side without settings of its own, too, which `run` reads by the plan's. It is the
    first side's commit, or the next one's that has any, or, where these may have been changed
    since, the one that added the plan, which fixed them.
    """
    named = min(sides, key=lambda each: each.plan is None)
    plan, at = named.plan, sides[0].commit
    if plan is not None:
        with contextlib.suppress(GitexpError):
            commits = (*(side.commit for side in sides), named.commit, plan.baseline.commit)
            each = [_fixed(repo, commit) for commit in commits]
            if len({*each}) > 1:
                added = plans.fixed_at(repo, plan, named.commit)
                at = at if None not in each and _fixed(repo, added) == each[0] else added
    with contextlib.suppress(GitexpError):
        if _fixed(repo, at) is None:  # a branch older than `gitexp init`
            at = next((each.commit for each in sides if _fixed(repo, each.commit)), at)
    return at


def _fixed(repo: Repo, commit: CommitHash) -> tuple[object, ...] | None:
    found = settings(repo.tree(commit)) if objects.exists(repo, commit) else None
    if found is None:
        return None
    return found.inputs_by, found.cost


def source(repo: Repo, named: Named, fallback: CommitHash, index: Index) -> ResolvedSide:
    """Read the settings of a side and digest its inputs.

    `fallback`: whose settings serve a commit that is older than ``gitexp init``.

    Raises `NotInitialisedError, BadFormatError, UnsafeInputError`.
    """
    config, _ = plans.config_of(repo, named.commit, fallback)
    digest, over = named.inputs, dict[str, tuple[bytes, bool]]()
    if digest is None:
        state = ProjectState(repo, objects.commit_info(repo, named.commit).tree, config)
        if named.borrows is not None:
            names, lender = named.borrows
            over = laid_over(state, plans.state_of(repo, lender, fallback), names)
        digest = inputs.digest(replace(state, over=over), index=index)
    return ResolvedSide(
        name=named.name,
        commit=named.commit,
        records=named.holder,
        recorded=named.recorded or named.commit,
        config=config,
        inputs=digest,
        lost=named.lost,
        exact=named.exact,
        over=over,
    )


def run_there(repo: Repo, pair: tuple[ResolvedSide, ResolvedSide], step: str) -> str:
    """Let a step run a candidate where it is, by settings that its branch may have to get."""
    other, side = pair
    if step != "gitexp run" or refs.read_ref(repo, refs.local(side.name)) is ABSENT:
        return step
    if settings(repo.tree(side.commit)) is None:
        step = f"git merge {shlex.quote(other.name)} && {step}"
    away = refs.head(repo).branch != side.name
    return f"git switch {shlex.quote(side.name)} && {step}" if away else step


def of_records(name: str, found: Merged) -> Named:
    """Return the candidate of an experiment as records say it that some commit holds."""
    return Named(
        name,
        found.state,
        found.plan.branch,
        found.plan,
        found.inputs,
        found.source,
        records=found.records,
        where=found.where,
        lost=found.lost,
        exact=found.exact,
    )


def planned_baseline(repo: Repo, plan: Plan, named: Named, index: Index) -> Named:
    """Return the baseline that a plan names for a candidate, also when its commit is gone.

    Raises `UnknownRevisionError` if the commit is gone and no run of it is recorded.
    """
    ref, candidate = plan.baseline, named.holder
    try:
        commit = objects.resolve(repo, ref.commit)
        if not plan.lent or named.exact:
            lent = (plan.lent, named.commit) if plan.lent else None
            return Named(ref.name, commit, borrows=lent)
        raise UnknownRevisionError("the candidate's evaluator is gone")  # noqa: TRY301
    except UnknownRevisionError:
        for found in lookup.runs_at(repo, candidate, index):
            source = found.run.source
            if plan.lent and not (source.swaps and is_under(found, plan)):
                continue
            if source.commit == ref.commit and not source.overrides:
                return Named(
                    ref.name,
                    candidate,
                    inputs=found.run.inputs,
                    recorded=ref.commit,
                    lost=not repo.git.is_shallow,  # beyond its edge nobody knows
                    exact=False,
                )
    shallow = repo.git.is_shallow
    raise UnknownRevisionError(
        f"the baseline of the plan is not in this {'shallow ' if shallow else ''}clone",
        found=f"{ref.commit[:9]} {ref.name}",
        expected="its commit, or a run of it that the candidate has",
        next_step=repo.whole if shallow else f"git fetch origin {ref.commit}",
    )


def _planned(repo: Repo, named: Named) -> Named:
    if named.plan is not None:
        return named
    if not named.branch:
        return replace(named, plan=_plan_around(repo, named.commit))
    plan = plans.plan_of_branch(repo, named.branch, named.commit)
    if plan is ABSENT and refs.read_ref(repo, refs.local(named.branch)) == named.commit:
        plan = plans.renamed(repo, named.branch, named.commit)
    plan = plans.whole(repo, plan, named.commit)
    return replace(named, plan=None if plan is ABSENT else plan)


def _own(repo: Repo, index: Index, name: str) -> Named | None:
    """Return what a name stands for here: a branch, what was archived here, or merged."""
    prefix = plans.branch_prefix(repo)
    for branch in (name, f"{prefix}{name}"):
        commit = refs.read_ref(repo, refs.local(branch))
        if commit is not ABSENT:
            return Named(name, _looked(repo, branch, commit), branch)
    bare = _bare(name, prefix)
    for tip in own_tips(repo):
        if tip.ref == layout.archive_tag(bare):
            return _archived(repo, name, bare, _looked(repo, tip.name, tip.commit))
    found = plans.renamed_tip(repo, bare)
    if found is not None:
        return Named(name, _looked(repo, found.branch, found.commit), found.branch)
    return _merged(repo, index, name, bare, prefix)


def _theirs(repo: Repo, index: Index, name: str) -> Named | None:
    """Return what it stands for elsewhere: a branch of a remote, an archive, merged records."""
    prefix = plans.branch_prefix(repo)
    wanted, bare = (name, f"{prefix}{name}"), _bare(name, prefix)
    every = refs.branches(repo)
    for ref, commit in every:
        short = upstream.followed(ref)
        if short and (short in wanted or ref == f"refs/remotes/{name}"):
            return Named(name, _looked(repo, ref.split("/", 2)[2], commit), short)
    for ref, commit in every:
        if ref == layout.archive_tag(bare):
            return _archived(repo, name, bare, _looked(repo, ref.split("/", 2)[2], commit))
    return _merged(repo, index, name, bare)


def _bare(name: str, prefix: str) -> str:
    """Return an experiment's name of what stands for it: a branch, or the tag of its archive."""
    tag = layout.archive_tag("").removeprefix("refs/tags/")
    return name.removeprefix(tag) if name.startswith(tag) else name.removeprefix(prefix)


def _looked(repo: Repo, where: str, commit: CommitHash) -> CommitHash:
    """Return what a branch or a tag leads to, where its records can be looked at."""
    try:
        objects.look_at(repo, commit, layout.FOLDERS)
    except GitexpError as error:
        error.where = f"{where}: {error.where}"
        raise
    return commit


def _plan_around(repo: Repo, commit: CommitHash) -> Plan | None:
    """Return the newest plan in a commit's tree on whose branch the commit lies.

    A branch of the user's own: a stranger puts one by any name on top of main.
    """
    mine = []
    held = upstream.known(repo.workspace)
    tags = {tip.ref: tip.commit for tip in own_tips(repo) if tip.archived}
    for plan in plans.plans(repo, commit):
        tag = tags.get(layout.archive_tag(plan.name))
        there = [*held(plan.branch), *(() if tag is None else (tag,))]
        if any(objects.is_ancestor(repo, commit, tip) for tip in there):
            mine.append(plan)
    return max(mine, key=lambda plan: (plan.created_at, plan.name), default=None)


def _archived(repo: Repo, name: str, bare: str, commit: CommitHash) -> Named:
    found = plans.whole(repo, plans.plan_named(repo, bare, commit), commit)
    plan = None if found is ABSENT else found
    branch = "" if plan is None else plan.branch
    path = layout.tombstone_path(bare)
    data = objects.read_blob(repo, commit, path)
    if data is ABSENT:
        return Named(name, commit, branch, plan)
    stone = codec.load(Tombstone, data, f"{commit[:9]}:{path}")
    return Named(
        name,
        commit,
        branch or stone.branch,
        plan,
        stone.inputs,
        stone.source,
        lost=True,
        exact=False,
        removed=f"by {stone.author.name} on {stone.removed_at:%Y-%m-%d}: {stone.words or '-'}",
    )


def _merged(repo: Repo, index: Index, name: str, bare: str, own: str | None = None) -> Named | None:
    """Return an experiment whose branch is gone, by the records that another branch has."""
    if not bare or "/" in bare or bare.startswith("."):
        return None
    found = merged_experiments.find(repo, index, bare, own)
    return None if found is None else of_records(name, found)


def _existing(repo: Repo, name: str) -> str:
    """Return experiments, else branches, that a name may have been meant for."""
    prefix = plans.branch_prefix(repo)
    names = sorted({tip.name.removeprefix(prefix) for tip in tips(repo) if tip.local})
    names = [each for each in names if each != layout.DATA_BRANCH]
    close = plans.near_experiments(repo, name)
    return " or ".join(close) or ", ".join(names[:_MOST]) + (", ..." if names[_MOST:] else "")


def _branching(repo: Repo, name: str) -> str:
    """Return what makes a branch of an experiment that DVC keeps by a name; "" for no such one."""
    asked = ["for-each-ref", "--format=%(refname)", "refs/exps/"]
    found = command.attempt(repo.workspace, asked)[1].decode("utf-8", "replace").split("\n")
    if "/" in name or not any(ref.endswith(f"/{name}") for ref in found):
        return ""
    branch = shlex.quote(f"{name}-branch")
    return f"dvc exp branch {shlex.quote(name)} {branch}, then the same with {branch}"


def _revision(repo: Repo, name: str) -> Named:
    try:
        commit = objects.resolve(repo, name)
    except UnknownRevisionError as error:
        raise UnknownExperimentError(
            "this names no branch, archive, conclusion or revision",
            found=ascii(name[:100])[1:-1],
            where=error.where or ("this shallow clone" if repo.git.is_shallow else ""),
            expected=_existing(repo, name),
            next_step=_branching(repo, name) or error.next_step,
        ) from error
    head = refs.head(repo)
    branch = head.branch if head.branch is not None and head.commit == commit else ""
    return Named(name, _looked(repo, name, commit), branch)
