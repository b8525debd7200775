"""Which repository, which remote, which branches."""

from __future__ import annotations

import contextlib
import os
import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from gitexp.dvc import dvc_config
from gitexp.errors import BareRepositoryError, ForeignRemoteError, GitexpError
from gitexp.git import command, identity, objects, refs, remote, repository
from gitexp.git.discovery import plain_bytes
from gitexp.git.transaction import layout, owners
from gitexp.git.writing import Message
from gitexp.model import dataclass
from gitexp.model.config import ProjectConfig
from gitexp.model.ids import ABSENT
from gitexp.model.sharing import BranchMove, BranchOutcome
from gitexp.report.numbers import amount
from gitexp.rules.branches import is_protected
from gitexp.rules.ranges import rewritten
from gitexp.store import plans
from gitexp.store.conclusions import check_tag, ended_on

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from gitexp.git.repository import Repo
    from gitexp.model.ids import Absent, CommitHash
    from gitexp.model.plan import Person, Plan
    from gitexp.model.workspace import Workspace

TAGS: Final = "refs/tags/"
HEADS: Final = "refs/heads/"
_ARCHIVE: Final = layout.ARCHIVE_TAGS.removeprefix(TAGS)
_NAMED: Final = 3  # archived experiments of a message
_LFS, _LFS_BYTES, _LFS_SHOWN = ".lfsconfig", 1 << 20, 200


@dataclass(frozen=True, slots=True)
class SharingOptions:
    """How experiments are shared."""

    remote_name: str | None  # Git's name of the remote
    data: bool  # whether bytes go to the DVC remote, or come from it
    trust: bool  # whether the branch that is checked out may say where data go, or come from
    now: datetime | None
    environ: Mapping[str, str]  # for DVC's settings


@dataclass(frozen=True, slots=True)
class Shared:
    """A repository and the remote that it is shared through."""

    repo: Repo
    remote: str
    author: Person
    committer: Person
    now: datetime
    cleared: tuple[str, ...]  # what a dead process had left, in words
    data: bool  # whether data are shared, too
    trust: bool
    environ: Mapping[str, str]

    @property
    def workspace(self) -> Workspace:
        """Where the command works."""
        return self.repo.workspace

    def message(self, text: str) -> Message:
        """Return what a commit of ours, made now, says."""
        return Message(text, self.author, self.now, self.committer)

    @property
    def prefix(self) -> str:
        """Return what the names of experiments' branches begin with."""
        return plans.branch_prefix(self.repo)

    def protected(self) -> tuple[str, ...]:
        """Return the branches here that experiments are merged into, by the settings at HEAD."""
        head = refs.head(self.repo)
        config = ProjectConfig()
        with contextlib.suppress(GitexpError):
            if head.commit is not ABSENT:
                config = plans.config_of(self.repo, head.commit)[0]
        found = refs.branches(self.repo)
        names = [ref.removeprefix(HEADS) for ref, _ in found if ref.startswith(HEADS)]
        return tuple(name for name in names if is_protected(config, name))

    def ours(self, branch: str) -> CommitHash | Absent:
        """Return where a branch is here."""
        return refs.read_ref(self.repo, refs.local(branch))

    def theirs(self, branch: str) -> CommitHash | Absent:
        """Return where the remote had a branch when it was last asked."""
        return refs.read_ref(self.repo, remote.tracking(self.remote, branch))

    def known(self) -> frozenset[CommitHash]:
        """Return the tips of all branches that the remote is known to have."""
        prefix = remote.tracking(self.remote, "")
        found = refs.branches(self.repo)
        return frozenset(commit for ref, commit in found if ref.startswith(prefix))

    def archived(self) -> frozenset[str]:
        """Return the names of the archive tags here."""
        return frozenset(
            ref.removeprefix(TAGS) for ref, _ in refs.branches(self.repo) if ref.startswith(TAGS)
        )


def opened(workspace: Workspace, options: SharingOptions) -> Shared:
    """Open the repository and choose the remote; what dead processes left is cleared first."""
    if workspace.top is None:
        raise BareRepositoryError("sharing needs a work tree", where=str(workspace.git_dir))
    repo = repository.open_repository(workspace)
    name = remote.choose(repo, refs.head(repo).branch, options.remote_name)
    cleared = owners.clear_stale(repo)
    return Shared(
        repo=repo,
        remote=name,
        author=identity.author(repo),
        committer=identity.committer(repo),
        now=(options.now or datetime.now(UTC)).replace(microsecond=0),
        cleared=cleared,
        data=options.data,
        trust=options.trust,
        environ=options.environ,
    )


def mine(shared: Shared, names: Sequence[str]) -> tuple[str, ...]:
    """Return the local branches that are meant: the named ones, or every experiment's.

    That is each named so, and the current one where it has a plan; none that was archived and taken
    off the remote, which nobody wants to come back by accident.
    """
    if names:
        return tuple(dict.fromkeys(_local(shared, name) for name in names))
    prefix = shared.prefix
    every = refs.branches(shared.repo, prefix)
    tags = {ref.removeprefix(layout.ARCHIVE_TAGS): tip for ref, tip in every}
    found = []
    for ref, tip in every:
        branch = ref.removeprefix("refs/heads/")
        if branch == ref:
            continue
        tag = tags.get(branch.removeprefix(prefix))
        ended = tag is not None and objects.is_ancestor(shared.repo, tip, tag)
        once = shared.repo.settings.get(f"branch.{branch}.merge") == ref  # it was there before
        if not (ended and once) or shared.theirs(branch) is not ABSENT:
            found.append(branch)
    head = refs.head(shared.repo)
    if head.branch is None or head.commit is ABSENT or head.branch.startswith(prefix):
        return tuple(found)
    return (*found, head.branch) if _plan(shared, head.branch, head.commit) else tuple(found)


def either(shared: Shared, names: Sequence[str]) -> tuple[str, ...]:
    """Return the branches that are meant, where a name may also be one that the remote has."""
    if not names:
        return mine(shared, names)
    prefix = shared.prefix
    found = []
    for asked in names:
        name = asked.removeprefix(f"{shared.remote}/")
        places = [
            branch
            for branch in (f"{prefix}{name}", name)
            if shared.ours(branch) is not ABSENT or shared.theirs(branch) is not ABSENT
        ]
        found.append(_one(shared, places, name, f"here or on {shared.remote}"))
    return tuple(dict.fromkeys(found))


def archived(shared: Shared, names: Sequence[str]) -> dict[str, tuple[CommitHash, str]]:
    """Return those names that are an archive's, and no branch's here or there.

    Each with its commit, and whose it is where a fetch brought it.

    Raises `PreconditionError` where main says something else than what a fetch brought.
    """
    tags = dict(refs.branches(shared.repo))
    found = {}
    for name in names:
        bare = name.removeprefix("exp-archive/").removeprefix(shared.prefix)
        tag = layout.archive_tag(bare)
        commit = tags.get(tag)
        branches = (f"{shared.prefix}{bare}", name)
        if commit and all(shared.ours(b) is shared.theirs(b) is ABSENT for b in branches):
            found[name] = commit, check_tag(shared.repo, tag)
    return found


def ended(shared: Shared) -> dict[str, tuple[str, CommitHash]]:
    """Return branches here that the remote had, by what has them there now, and its commit.

    That is an archive tag that goes on from the branch, or main, by its word here, or the branch
    of the same plan under another name.
    """
    tags = dict(refs.branches(shared.repo))
    renamed = _renamed(shared, tags)
    asked: dict[str, Sequence[tuple[str, CommitHash]]] = {}
    for ref, tip in tags.items():
        branch = ref.removeprefix(HEADS)
        name = branch.removeprefix(shared.prefix)
        theirs = shared.theirs(branch)
        once = shared.repo.settings.get(f"branch.{branch}.merge") == ref
        if branch in {ref, name} or not (once or theirs is not ABSENT):
            continue
        tag = tags.get(layout.archive_tag(name))
        known = [tip] if theirs is ABSENT else [tip, theirs]
        if tag and all(objects.is_ancestor(shared.repo, each, tag) for each in known):
            asked[branch] = [(layout.archive_tag(name), tag)]
        elif main := ended_on(shared.repo, branch, tip):
            asked[branch] = [(refs.local(shared.repo.main), main)]
        elif name in renamed and (plan := _plan(shared, branch, tip)):
            made = plan.created_at
            asked[branch] = [at for at, when in renamed[name] if when == made]
    there = set[str]()
    if asked:
        wanted = [*map(refs.local, asked), *(ref for each in asked.values() for ref, _ in each)]
        there.update(remote.remote_refs(shared.workspace, shared.remote, wanted))
    known_there = {*there, refs.local(shared.repo.main)}
    found = {
        branch: at
        for branch, each in asked.items()
        if refs.local(branch) not in there
        and (at := next((at for at in each if at[0] in known_there), None))
    }
    for branch in found:
        if shared.theirs(branch) is not ABSENT:
            remote.forget(shared.repo, shared.remote, branch)
    return found


def _renamed(
    shared: Shared, tips: Mapping[str, CommitHash]
) -> Mapping[str, Sequence[tuple[tuple[str, CommitHash], datetime]]]:
    """Return where experiments are on the remote that had other names, by each of these."""
    found: dict[str, list[tuple[tuple[str, CommitHash], datetime]]] = {}
    prefix = remote.tracking(shared.remote, "")
    for ref, tip in tips.items():
        branch = ref.removeprefix(prefix)
        if branch == ref or not branch.startswith(shared.prefix):
            continue
        if plan := _plan(shared, branch, tip):
            for name in plan.formerly:
                found.setdefault(name, []).append(((refs.local(branch), tip), plan.created_at))
    return found


def _plan(shared: Shared, branch: str, tip: CommitHash) -> Plan | None:
    with contextlib.suppress(GitexpError):  # a plan that cannot be read makes no experiment
        plan = plans.plan_of_branch(shared.repo, branch, tip)
        return None if plan is ABSENT else plan
    return None


def new_commits(shared: Shared, tips: Collection[CommitHash]) -> tuple[CommitHash, ...]:
    """Return the commits of these tips that the remote has not."""
    return tuple(info.hash for info in objects.history(shared.repo, tips, hide=shared.known()))


def _local(shared: Shared, name: str) -> str:
    prefix = shared.prefix
    places = [branch for branch in (f"{prefix}{name}", name) if shared.ours(branch) is not ABSENT]
    return _one(shared, places, name, "here")


def _one(shared: Shared, places: Sequence[str], name: str, where: str) -> str:
    if places:
        return places[0]
    raise plans.no_branch(shared.repo, name, f"a branch {where}")


def compared(shared: Shared, branch: str) -> BranchMove:
    """Return how a branch stands against that of the remote."""
    ours, theirs = shared.ours(branch), shared.theirs(branch)
    if ours is ABSENT:
        return BranchMove(branch, BranchOutcome.FAILED, why="it was deleted meanwhile")
    if theirs is ABSENT:
        return BranchMove(branch, BranchOutcome.NEW, ours, ours)
    if ours == theirs:
        return BranchMove(branch, BranchOutcome.SAME, ours, ours)
    if objects.is_ancestor(shared.repo, theirs, ours):
        return BranchMove(branch, BranchOutcome.AHEAD, ours, ours)
    why = f"{shared.remote} has commits that are not here; gitexp sync brings both together"
    return BranchMove(branch, BranchOutcome.DIVERGED, ours, ours, why=why)


def left_here(shared: Shared, sent: Sequence[str], unlearnt: str) -> tuple[str, ...]:
    """Name what others may look for and this command does not send, with what sends it."""
    found = [unlearnt] if unlearnt else []
    for branch in sent:
        tip = shared.ours(branch)
        plan = None if tip is ABSENT else _plan(shared, branch, tip)
        wrong = plan and tip is not ABSENT and rewritten(shared.repo, plan, tip)
        if wrong:
            found.append(f"{branch}: {wrong.message}: {wrong.next_step}")
    for branch in shared.protected():
        ours, theirs = shared.ours(branch), shared.theirs(branch)
        if ours is ABSENT or branch in sent:
            continue
        step = f"git push {shlex.quote(shared.remote)} {shlex.quote(branch)}"
        if theirs is ABSENT:
            found.append(f"{shared.remote} has no {branch}: {step}")
        elif ours != theirs and (more := remote.ahead(shared.workspace, theirs, ours)):
            found.append(f"{branch} is {amount(more, 'commit')} ahead of {shared.remote}: {step}")
    tags = sorted(name for name in shared.archived() if name.startswith(_ARCHIVE))
    there = (
        remote.remote_refs(shared.workspace, shared.remote, [TAGS + t for t in tags])
        if tags
        else {}
    )
    lacking = [tag for tag in tags if TAGS + tag not in there]
    if lacking:
        names = ", ".join(lacking[:_NAMED]) + (" ..." if len(lacking) > _NAMED else "")
        told = f"tag {names} is" if len(lacking) == 1 else f"tags {names} are"
        step = f"gitexp archive {shlex.quote(lacking[0].removeprefix(_ARCHIVE))} --push"
        found.append(f"{told} only here: {step}")
    return tuple(found)


def check_lfs(shared: Shared) -> None:
    """Refuse where a branch that is checked out says where files of Git LFS go: `.lfsconfig`.

    Its pre-push hook goes by that for whatever is pushed, one's own other branches, too.
    """
    top = shared.workspace.top
    if shared.trust or top is None or not dvc_config.is_shared(top):
        return
    text = _lfs_config(top)
    main = (dvc_config.blob_of(top, commit, _LFS) for commit in dvc_config.protected(top))
    set_up, own = (
        command.attempt(top, ["config", "--get-regexp", name])[0] == 0
        for name in (r"^filter\.lfs\.", r"^lfs\.url$")  # the latter goes before the file
    )
    if not text or own or text in main or not set_up:
        return
    raise ForeignRemoteError(
        "this branch says where files of Git LFS go, and no branch that your upstream protects "
        "says so",
        found=ascii(text[:_LFS_SHOWN].decode("utf-8", "replace"))[1:-1],
        where=str(top / _LFS),
        expected="git config lfs.url of your own, or what main has there",
        next_step="git switch main, then the same; or look at it, then the same with --trust",
    )


def _lfs_config(top: Path) -> bytes:
    """Return what Git LFS reads: the file, else the index's, else HEAD's."""
    if os.path.lexists(top / _LFS):
        try:
            return plain_bytes(top / _LFS, _LFS_BYTES)
        except OSError as error:
            return f"a file that cannot be read: {error.strerror}".encode()
    return dvc_config.blob_of(top, "", _LFS) or dvc_config.blob_of(top, "HEAD", _LFS)
