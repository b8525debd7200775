"""Plans and settings as a commit of a repository holds them, and the branches and tags to look at.

`plan_files` reads the files.
"""

from __future__ import annotations

import contextlib
import posixpath
import shlex
from typing import TYPE_CHECKING

from gitexp.dvc import inputs
from gitexp.dvc.state import ProjectState
from gitexp.errors import GitexpError, NoPlanError, NotInitialisedError, UnknownExperimentError
from gitexp.git import objects, refs, upstream
from gitexp.git.objects import blob_id, exists, origins
from gitexp.git.transaction.layout import ARCHIVE_TAGS, CONFIG, DATA_BRANCH, archive_tag, plan_path
from gitexp.git.tree import FILE_MODES, Tree
from gitexp.git.upstream import by_name, short
from gitexp.model import dataclass
from gitexp.model.config import ProjectConfig
from gitexp.model.ids import ABSENT, Absent, BlobId, CommitHash, InputsDigest
from gitexp.model.plan import Plan
from gitexp.model.review import Behind
from gitexp.store import plan_files
from gitexp.store.plan_files import (
    UnreadablePlan,
    is_beside,
    plan_at,
    plan_history,
    plan_of,
    plans_in,
    settings,
    whole_plan,
)
from gitexp.text.foreign import with_parents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.git.upstream import RefsByName

_MOST_TIPS = 200  # looked at for settings


def acting(
    repo: Repo, commit: CommitHash, paths: Sequence[str], config: ProjectConfig | None = None
) -> tuple[str, ...]:
    """Return paths of a commit, or that have changed since, without those that DVCLive writes.

    `paths`: from the top. A dvc.yaml stays, as nobody has read a new one.
    """
    try:
        config = config or config_of(repo, commit)[0]
        state = ProjectState(repo, objects.commit_info(repo, commit).tree, config)
        inner = {path: posixpath.relpath(f"/{path}", f"/{config.project}") for path in paths}
        logs = state.logs(path for path in inner.values() if not path.endswith("dvc.yaml"))
    except GitexpError:
        return (*paths,)
    return tuple(path for path in paths if inner[path] not in logs)


def committing(repo: Repo, commit: CommitHash, dirty: Sequence[str]) -> str:
    """Return what runs the changes of the work tree, to be pasted as it is.

    What runs make and the commit holds is numbers of another state, as `dvc exp run` leaves them:
    it waits in the stash, and the run makes and commits its own.
    """
    made = _made(repo, commit, dirty)
    run = "gitexp run" if len(made) == len(dirty) else 'gitexp run --commit -m "what changed"'
    return f"{stashing(made)} && {run}" if made else run


def apart(
    repo: Repo, head: CommitHash | Absent, new: CommitHash, dirty: Sequence[str]
) -> list[str]:
    """Return changed paths over which `git switch` would stumble: they differ there."""
    if head is ABSENT:
        return []
    both = ([objects.entry_at(repo, each, path) for path in dirty] for each in (head, new))
    return [path for path, one, two in zip(dirty, *both, strict=True) if one != two]


def stashing(paths: Sequence[str]) -> str:
    """Return what puts changed paths, from the top, away in whatever folder it is typed."""
    return f"git stash push -q -- {shlex.join(f':/{path}' for path in paths)}"


def _made(repo: Repo, commit: CommitHash, dirty: Sequence[str]) -> list[str]:
    try:
        config, _ = config_of(repo, commit)
        state = ProjectState(repo, objects.commit_info(repo, commit).tree, config)
        made = [*config.metrics, *config.outputs]
        # Of stages that no run executes the lock says what they take.
        if state.lock_path and not (config.targets or any(s.frozen for s in state.stages)):
            made.append(state.lock_path)
    except GitexpError:
        return []
    full = {posixpath.join(config.project, out) for out in made}
    there = (path for path in dirty if not full.isdisjoint(with_parents(path)))
    return [path for path in there if objects.entry_at(repo, commit, path) is not ABSENT]


def config_of(
    repo: Repo, commit: CommitHash, fallback_plan_commit: CommitHash | None = None
) -> tuple[ProjectConfig, BlobId | None]:
    """Return the settings by which a commit is run and digested.

    `fallback_plan_commit`: where to look if the commit is older than `gitexp init`: a baseline
    takes the settings of the commit that added the plan; and by which rules of inputs both sides
    are read, and which metrics of both are costs. The result: with the blob's id if, and only if,
    the settings are the fallback's.

    Raises `NotInitialisedError` if neither has ``.gitexp/config.yaml``.
    """
    own = settings(repo.tree(commit))
    if own is not None:
        with contextlib.suppress(GitexpError):  # they were read once, when the plan was added
            there = None if fallback_plan_commit is None else repo.tree(fallback_plan_commit)
            if there is not None and (theirs := settings(there)) is not None:
                own = own.as_planned(theirs)
        return own, None
    if fallback_plan_commit is not None:
        tree = repo.tree(fallback_plan_commit)
        entry, found = tree.entry(CONFIG), settings(tree)
        if entry is not None and found is not None:
            return found, BlobId(entry.id)
    # A second `init` beside settings on another branch would part the two for good.
    branch = "" if refs.head(repo).commit != commit else settled_on(repo)
    raise NotInitialisedError(
        "this commit is not a gitexp project",
        found=f"the settings are on {branch}" if branch else "",
        where=commit[:9],
        expected=CONFIG if fallback_plan_commit is None else f"{CONFIG}, there or with the plan",
        next_step=settings_step(branch),
    )


def state_of(repo: Repo, commit: CommitHash, fallback: CommitHash) -> ProjectState:
    """Return a commit as it is read by its settings, or those of a later one."""
    config, _ = config_of(repo, commit, fallback)
    return ProjectState(repo, objects.commit_info(repo, commit).tree, config)


def settled_on(repo: Repo) -> str:
    """Return a branch, here, upstream or of origin, that holds settings; "" where none does.

    What another remote has is nobody's advice to merge.
    """
    known = {each.ref for each in upstream.own(repo, ["*"])}
    there = [(ref, tip) for ref, tip in refs.branches(repo) if ref in known]
    for ref, tip in there[:_MOST_TIPS]:
        with contextlib.suppress(GitexpError):
            if blob_id(repo, tip, CONFIG) is not ABSENT:
                return ref.split("/", 2)[2]
    return ""


def settings_step(branch: str) -> str:
    """Return what to type where the settings are on another branch; "" for none."""
    return f"git merge {shlex.quote(branch)}, or git switch to it" if branch else ""


def branch_prefix(repo: Repo) -> str:
    """Return what the names of experiments' branches begin with, by the settings at HEAD.

    Without settings that can be read it is the default: whoever needs more of them says what is
    wrong.
    """
    head = refs.head(repo)
    if head.commit is not ABSENT:
        with contextlib.suppress(GitexpError):
            return config_of(repo, head.commit)[0].branch_prefix
    return ProjectConfig().branch_prefix


def near_experiments(repo: Repo, name: str) -> tuple[str, ...]:
    """Return experiments, else other branches and tags, for which a mistyped name may stand."""
    prefix, close = branch_prefix(repo), objects.near_names(repo, name)
    own = (each.removeprefix(prefix).removeprefix("exp-archive/") for each in close)
    return tuple(dict.fromkeys(each for each in own if each != name))


def no_branch(repo: Repo, name: str, expected: str) -> UnknownExperimentError:
    """Return the error that an experiment has no branch: an archived one can be brought back."""
    bare = name.removeprefix(branch_prefix(repo))
    tag = archive_tag(bare)
    archived = refs.is_valid(tag) and refs.read_ref(repo, tag) is not ABSENT
    return UnknownExperimentError(
        "it is archived, and there is no such branch" if archived else "there is no such branch",
        found=ascii(name)[1:-1],
        expected=" or ".join(near_experiments(repo, name)) or expected,
        next_step=f"gitexp restore {shlex.quote(bare)}" if archived else "",
    )


def holds(repo: Repo, plan: Plan, commit: CommitHash) -> bool:
    """Return whether a commit, if it is here, has a plan as it binds now."""
    return exists(repo, commit) and any(
        plan.covers(each.name, each.digest) for each in plans(repo, commit)
    )


def plans(repo: Repo, commit: CommitHash) -> list[Plan]:
    """Return all plans in a commit's tree that can be read, whatever branch they belong to."""
    return sorted(plans_in(repo.tree(commit)), key=lambda plan: plan.name)


def plan_of_branch(repo: Repo, branch: str, commit: CommitHash) -> Plan | Absent:
    """Return the plan that lives on a branch, as `plan_of` does."""
    return _readable(plan_of(repo.tree(commit), branch))


def renamed(
    repo: Repo,
    branch: str,
    commit: CommitHash,
    known: Callable[[], RefsByName] | None = None,
) -> Plan | Absent:
    """Return the plan of the experiment whose branch Git renamed to this one.

    A remote may have the old name still, where Git's log tells of the renaming. `known`: the refs
    `by_name`, for those who ask of many branches.
    """
    if not any(is_beside(plan, branch) for plan in plans_in(repo.tree(commit))):
        return ABSENT
    old = refs.called_before(repo, branch)
    there = by_name(refs.branches(repo)) if known is None else known()
    return plan_files.renamed(repo, branch, commit, there, old) or ABSENT


def renamed_tip(repo: Repo, name: str) -> Tip | None:
    """Return the branch here to which Git renamed that of an experiment."""
    path = plan_path(name)
    for tip in tips(repo) if refs.is_valid(f"refs/heads/{name}") else ():
        if tip.local and repo.tree(tip.commit).entry(path) is not None:
            with contextlib.suppress(GitexpError):  # its own line says what is wrong
                found = renamed(repo, tip.branch, tip.commit)
                if found is not ABSENT and found.name == name:
                    return tip
    return None


def renaming(plan: Plan, branch: str) -> str:
    """Return what has a plan follow its branch, which Git renamed."""
    name = branch.removeprefix(plan.branch.removesuffix(plan.name))
    return f"gitexp rename {shlex.quote(plan.name)} {shlex.quote(name)}"


def plan_named(repo: Repo, name: str, commit: CommitHash) -> Plan | Absent:
    """Return the plan of an experiment in a commit's tree."""
    return _readable(plan_at(repo.tree(commit), plan_path(name)))


def whole(repo: Repo, plan: Plan | Absent, tip: CommitHash) -> Plan | Absent:
    """Return a plan, if there is one, with what its history alone has of amendments."""
    return plan if plan is ABSENT else whole_plan(repo, plan, tip)


def _readable(found: Plan | UnreadablePlan | None) -> Plan | Absent:
    if isinstance(found, UnreadablePlan) and found.error is not None:
        raise found.error
    return found if isinstance(found, Plan) else ABSENT


def plan_commit(repo: Repo, plan: Plan, tip: CommitHash) -> CommitHash:
    """Return the commit in a tip's history that added a plan, as what binds in it reads now.

    A plan whose binding part was changed later is another plan, added by the commit that changed
    it. One that was renamed is the same plan, under the names that it had.

    Raises `NoPlanError` if the tip does not hold the plan.
    """
    paths = [plan_path(name) for name in (plan.name, *plan.formerly)]
    verdicts: dict[str, bool] = {}  # blob id -> holds this plan

    def holds(commit: CommitHash) -> bool:
        tree = repo.tree(commit)
        return any(is_at(tree, path) for path in paths)

    def is_at(tree: Tree, path: str) -> bool:
        entry = tree.entry(path)
        if entry is None or entry.mode not in FILE_MODES:
            return False
        if entry.id not in verdicts:
            found = plan_at(tree, path)
            verdicts[entry.id] = isinstance(found, Plan) and found.digest == plan.digest
        return verdicts[entry.id]

    if not holds(tip):
        raise NoPlanError("the plan is not in this commit", found=plan.name, where=tip[:9])
    # Several only where the same plan was added on parallel lines; any order will do if it is one.
    return min(origins(repo, tip, holds))


def fixed_at(repo: Repo, plan: Plan, tip: CommitHash) -> CommitHash:
    """Return the commit in a tip's history whose settings a plan fixed, whatever was amended since.

    Raises `NoPlanError` if the tip does not hold the plan.
    """
    first = next(iter(plan_history(repo, plan, tip)), None)
    return plan_commit(repo, plan, tip) if first is None else first


@dataclass(frozen=True, slots=True)
class Tip:
    """A branch or archive tag with what it points to."""

    ref: str  # "refs/heads/exp/a"
    commit: CommitHash
    prefix: str = ""  # of experiments' branches; an archive tag does not tell it
    made: bool = False  # of an archive tag: gitexp made it here, or nobody else's branch is here

    @property
    def name(self) -> str:
        """Return the name that people use: ``exp/a``, ``origin/exp/a``, ``exp-archive/a``."""
        return self.ref.split("/", 2)[2]

    @property
    def branch(self) -> str:
        """Return the branch's name without the remote's, or that of the archived branch."""
        if self.archived:
            return self.prefix + self.ref.removeprefix(ARCHIVE_TAGS)
        return short(self.ref)

    @property
    def archived(self) -> bool:
        """Whether it is the tag that `archive` made."""
        return self.ref.startswith(ARCHIVE_TAGS)

    @property
    def local(self) -> bool:
        """Whether it is a branch of this repository."""
        return self.ref.startswith("refs/heads/")

    @property
    def own(self) -> bool:
        """Whether it is the user's word: a branch here, or what was archived here.

        What a fetch brought is that of others, whichever remote it came from.
        """
        return self.local or self.made


def tips(repo: Repo) -> tuple[Tip, ...]:
    """Return all local branches, remote-tracking branches and archive tags."""
    found = refs.branches(repo)
    archived = found and found[-1][0].startswith(ARCHIVE_TAGS)  # the last, where there are any
    prefix = branch_prefix(repo) if archived else ""
    alone = not any(ref.startswith("refs/remotes/") for ref, _ in found)
    return tuple(
        Tip(
            ref,
            commit,
            prefix,
            ref.startswith(ARCHIVE_TAGS) and (alone or refs.made_here(repo, ref)),
        )
        for ref, commit in found
    )


def inputs_of(
    repo: Repo,
    commit: CommitHash,
    fallback: CommitHash | None = None,
    index: Index | None = None,
) -> InputsDigest | None:
    """Return a commit's inputs; None where they cannot be told. `fallback`: see `config_of`."""
    try:
        config, _ = config_of(repo, commit, fallback)
        return inputs.compute(repo, objects.commit_info(repo, commit).tree, config, index)
    except GitexpError:
        return None


def stood_on(repo: Repo, main: CommitHash, commit: CommitHash) -> bool:
    """Return whether a branch ever had the inputs of a commit in its history.

    What a merge brought along, and another commit of it took back, nobody has looked at.
    """
    at = objects.brought_by(repo, commit, main)
    if at is ABSENT or at == commit:
        return at == commit
    mine = inputs_of(repo, commit)
    near = (at, *objects.commit_info(repo, at).parents)
    return mine is not None and any(inputs_of(repo, each) == mine for each in near)


def behind(
    repo: Repo, index: Index, plan: Plan, main: CommitHash, holder: CommitHash
) -> Behind | None:
    """Return how far a plan's baseline is behind a branch; None where that never stood on it.

    `holder`: has the settings where a commit has none, and the rules of inputs.
    """
    commit = plan.baseline.commit
    if not exists(repo, commit) or not stood_on(repo, main, commit):
        return None
    newer = sum(1 for _ in objects.history(repo, [main], hide=[commit]))
    there, mine = (inputs_of(repo, each, holder, index) for each in (main, commit))
    return Behind(newer, None if there is None or mine is None else there != mine)


def own_tips(repo: Repo) -> tuple[Tip, ...]:
    """Return the tips whose records are the user's own."""
    return tuple(tip for tip in tips(repo) if tip.own)


def trusted(repo: Repo) -> list[CommitHash]:
    """Return the commits of own branches and archives, and of main here, upstream and on origin."""
    mains = (each.commit for each in upstream.own(repo, upstream.USUAL))
    return list(dict.fromkeys((*(tip.commit for tip in own_tips(repo)), *mains)))


def places(repo: Repo, every: Iterable[Tip] | None = None) -> Iterator[tuple[str, CommitHash]]:
    """Yield where records may have been merged to: HEAD first, each commit once.

    `every`: what `tips` gave, where the caller has asked already.
    """
    head = refs.head(repo)
    seen: set[CommitHash] = set()
    if head.commit is not ABSENT:
        seen.add(head.commit)
        yield head.branch or "HEAD", head.commit
    for tip in tips(repo) if every is None else every:
        if tip.commit not in seen and not tip.archived and tip.branch != DATA_BRANCH:
            seen.add(tip.commit)
            yield tip.name, tip.commit


def is_experiments(where: str, prefix: str) -> bool:
    """Return whether a branch, here or of a remote, is an experiment's by its name."""
    return where.startswith(prefix) or where.partition("/")[2].startswith(prefix)
