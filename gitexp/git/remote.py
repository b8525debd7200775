"""Fetch from a remote and push to it, with the user's own credentials and hooks.

GitPython starts git here (it costs 0.1 s to import, so only `push`, `pull` and `sync` import this
file). Every argument vector is fixed: the remote's name is one that Git has listed, what is pushed
is a full hash, refs come from Git.
"""

from __future__ import annotations

import random
import re
import shlex
import time
from typing import TYPE_CHECKING, Final

from gitexp.errors import (
    GitexpError,
    GitFailedError,
    MovedRefError,
    PreconditionError,
    ReadOnlyError,
    UsageError,
)
from gitexp.git import command
from gitexp.model import dataclass
from gitexp.text.foreign import Lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash
    from gitexp.model.workspace import Workspace

    Refused = tuple[tuple[str, str], ...]  # short name of a ref, and why


try:  # GitPython starts git when it is imported
    import git
    from git.exc import GitCommandNotFound
except ModuleNotFoundError:
    raise
except ImportError as no_git:
    raise command.no_git(str(no_git).strip().partition("\n")[0]) from no_git


TAGS: Final = "refs/tags/exp-archive/*:refs/tags/exp-archive/*"
TRIES: Final = 5  # of a fetch that meets another one

# What git, or the server, says where somebody else was faster.
_RACE: Final = (
    "fetch first", "non-fast-forward", "needs force", "stale info", "failed to update ref",
    "cannot lock ref", "failed to lock", "incorrect old value", "reference already exists",
    "already exists",
)  # fmt: skip
_FOLLOWS: Final = ("atomic push failed", "atomic transaction failed", "transaction")
_BUSY: Final = ("cannot lock ref", "unable to update local ref", "shallow.lock", ".lock': File")
# What is said where a lease does not hold.
_STALE: Final = ("stale info", "failed to update ref", "cannot lock ref", "failed to lock",
                "incorrect old value", "already exists", "does not exist")  # fmt: skip
_CLOBBER: Final = "would clobber existing tag"
_UNABLE: Final = "(unable to update local ref)"
# One whose name cannot be had beside what is here; whoever may push can make such a name.
# git cuts the line itself off where the name is longer than any path.
_NO_PLACE: Final = re.compile(
    r"^error: cannot lock ref '(refs/\S{2000}|refs/\S+"
    r"(?=': (?:'(refs/\S+)' exists; cannot create |.*: File name too long$)))",
    re.MULTILINE,
)


def choose(repo: Repo, branch: str | None, wanted: str | None = None) -> str:
    """Return the remote to work with: the wanted one, the branch's, origin, or the only one."""
    known = names(repo)
    if wanted is not None:
        if wanted in known:
            return wanted
        raise UsageError(
            "there is no such remote", found=wanted, expected=", ".join(known) or "git remote add"
        )
    if not known:
        raise PreconditionError(
            "this repository has no remote to share with", next_step="git remote add origin URL"
        )
    asked = [repo.settings.get("remote.pushdefault", "")]
    if branch is not None:  # Git prints section and key in lower case, the branch as it is
        asked.insert(0, repo.settings.get(f"branch.{branch}.remote", ""))
    for name in (*asked, "origin"):
        if name in known:
            return name
    if len(known) == 1:
        return known[0]
    raise UsageError(
        "which remote?", found=", ".join(known), next_step=f"give --remote {shlex.quote(known[0])}"
    )


def names(repo: Repo) -> list[str]:
    """Return the remotes of a repository, but for those whose name could pass for an option."""
    found = command.lines(command.run(repo.workspace, ["remote"]))
    return [name for name in found if not name.startswith("-")]


def tracking(remote: str, branch: str) -> str:
    """Return the ref that remembers where a remote has a branch."""
    return f"refs/remotes/{remote}/{branch}"


def fetch(workspace: Workspace, remote: str, branch: str = "*") -> tuple[str, ...]:
    """Bring every branch of a remote, and its archive tags, or one branch; return warnings."""
    heads = f"+refs/heads/{branch}:refs/remotes/{remote}/{branch}"
    tags = [TAGS] if branch == "*" else []
    arguments = ["fetch", "--no-auto-gc", "--no-recurse-submodules", "--", remote, heads, *tags]
    for last in (False,) * (TRIES - 1) + (True,):
        code, _, said = execute(workspace, arguments)
        if code == 0:
            return ()
        refused = [line for line in said.split("\n") if line.startswith(" ! ")]
        clobbered = [line.split()[-7] for line in refused if _CLOBBER in line]
        blocked = _NO_PLACE.findall(said)
        unable = [line for line in refused if line.endswith(_UNABLE)]
        if refused and len(unable) == len(blocked) and len(clobbered) + len(unable) == len(refused):
            return (
                *(f"the remote has another archive tag {tag}; ours stays" for tag in clobbered),
                *(_no_place(remote, ref, there) for ref, there in blocked),
            )
        if last or not any(sign in said for sign in _BUSY):
            break
        time.sleep(random.uniform(0.02, 0.2))  # noqa: S311 - jitter, no secret
    raise failed(arguments, code, said)


def push(workspace: Workspace, remote: str, moves: Sequence[tuple[str, CommitHash]]) -> Refused:
    """Send commits to branches of a remote: all of them, or none.

    Nothing is ever forced. A remote that cannot do it at once gets them in the given order, each
    after the one before.

    `moves`: full names of the refs with what they are to lead to. The result: refs that were not
    taken since somebody else was faster, and why; fetching and trying again may help.
    """
    refused = _push(workspace, remote, moves, atomic=True)
    if refused is None:
        every = (_push(workspace, remote, [move], atomic=False) for move in moves)
        refused = next(filter(None, every), ())
    return refused


def ahead(workspace: Workspace, theirs: str, ours: str) -> int:
    """Return how many commits of ours a remote has not; 0 where it has commits of its own."""
    counts = command.run(
        workspace, ["rev-list", "--count", "--left-right", f"{theirs}...{ours}", "--"]
    )
    left, right = map(int, counts.split())
    return 0 if left else right


def forget(repo: Repo, remote: str, branch: str) -> None:
    """Forget a branch that a remote does not have any more; that it was followed stays known."""
    follow(repo, remote, branch)
    command.attempt(repo.workspace, ["update-ref", "--no-deref", "-d", tracking(remote, branch)])


def follow(repo: Repo, remote: str, branch: str) -> None:
    """Let a branch that has no upstream follow the remote's, as ``git push -u`` does."""
    key = f"branch.{branch}"
    if any(name.startswith(f"{key}.") for name in repo.settings):
        return
    for name, value in (("remote", remote), ("merge", f"refs/heads/{branch}")):
        # A lock on the settings costs the convenience only.
        command.attempt(repo.workspace, ["config", f"{key}.{name}", value])


def unfollow(repo: Repo, branch: str) -> None:
    """Let a branch follow none, as one that was never sent."""
    for name in ("remote", "merge"):
        command.attempt(repo.workspace, ["config", "--unset", f"branch.{branch}.{name}"])


@dataclass(frozen=True, slots=True)
class Lease:
    """One ref of a remote: the object it has now, and the one it shall have; "" for none."""

    ref: str  # full name
    old: str
    new: str


def remote_refs(workspace: Workspace, remote: str, refs: Sequence[str]) -> Mapping[str, str]:
    """Ask a remote what these refs lead to; a ref that it does not have is not in the answer."""
    arguments = ["ls-remote", "--refs", "--", remote, *refs]
    code, out, said = execute(workspace, arguments)
    if code:
        raise failed(arguments, code, said)
    found: dict[str, str] = {}
    for line in out.split("\n"):
        id_, _, ref = line.partition("\t")
        if ref in refs:  # a pattern may match more
            found[ref] = id_
    return found


def push_leased(workspace: Workspace, remote: str, leases: Sequence[Lease]) -> None:
    """Set the refs of a remote, all or none: each is where it was last seen."""
    wanted = [lease for lease in leases if lease.old != lease.new]
    if not wanted:
        return
    arguments = ["push", "--porcelain", "--no-follow-tags", "--atomic"]
    arguments += [f"--force-with-lease={lease.ref}:{lease.old}" for lease in wanted]
    arguments += ["--", remote, *(f"{lease.new}:{lease.ref}" for lease in wanted)]
    code, out, said = execute(workspace, arguments)
    if code == 0:
        return
    refused = [line.split("\t")[-1] for line in out.split("\n") if line.startswith("!")]
    if refused and any(sign in why for why in refused for sign in _STALE):
        raise MovedRefError(
            "the remote has changed meanwhile",
            found="; ".join(refused)[:2000],
            where=remote,
            next_step="gitexp pull, then the same command again",
        )
    if refused:
        raise _not_taken(remote, refused, said)
    raise failed(arguments, code, said)


def _no_place(remote: str, ref: str, there: str) -> str:
    """Return what is said of a ref that cannot be brought."""
    if not there:
        return f"{ref[:60]}... is not brought: its name is too long"
    prune = f"; git remote prune {shlex.quote(remote)}, if the remote has it no more"
    return f"{ref} is not brought: {there} is in its place" + (
        "" if there.startswith("refs/tags/") else prune
    )


def _push(
    workspace: Workspace, remote: str, moves: Iterable[tuple[str, CommitHash]], *, atomic: bool
) -> Refused | None:
    """Push once; None where the remote does not know ``--atomic``."""
    arguments = ["push", "--porcelain", "--no-follow-tags", *(["--atomic"] if atomic else [])]
    arguments += ["--", remote, *(f"{commit}:{ref}" for ref, commit in moves)]
    code, out, said = execute(workspace, arguments)
    if code == 0:
        return ()
    if atomic and "does not support --atomic" in said:
        return None
    refused = tuple(_refusal(line) for line in out.split("\n") if line.startswith("!"))
    reasons = [why for _, why in refused if not any(sign in why for sign in _FOLLOWS)]
    if refused and all(any(sign in why for sign in _RACE) for why in reasons):
        return refused
    if refused:
        raise _not_taken(remote, [f"{ref}: {why}" for ref, why in refused], said)
    raise failed(arguments, code, said)


def _not_taken(remote: str, refused: Iterable[str], said: str) -> GitFailedError:
    heard = [line.partition("remote:")[2].strip() for line in said.split("\n")]  # by the server
    return GitFailedError(
        "the remote does not take the push",
        found="; ".join((*refused, *filter(None, heard)))[:2000],
        where=remote,
        next_step="git push, which shows all that the server says",
    )


def _refusal(line: str) -> tuple[str, str]:
    fields = line.split("\t")
    ref = fields[1].partition(":")[2] if len(fields) > 1 else ""
    return ref.removeprefix("refs/heads/"), fields[-1]


def execute(workspace: Workspace, arguments: Sequence[str]) -> tuple[int, str, str]:
    """Run git with the user's hooks; return exit code, output and error output."""
    runner = git.Git(str(command.folder(workspace)))
    # A hook's GIT_DIR would redirect us. The user's own hooks run (git-lfs sends its files in
    # pre-push), so they see paths as they are used to.
    env = command.environment({"GIT_LITERAL_PATHSPECS": "0", "GIT_OPTIONAL_LOCKS": "1"})
    fixed = ["git", f"--git-dir={workspace.git_dir}", "-c", "core.fsmonitor=false"]
    try:
        code, out, said = runner.execute(
            [*fixed, *arguments], env=env, with_extended_output=True, with_exceptions=False
        )
    except GitCommandNotFound as error:
        raise command.no_git(str(error)) from error
    return int(code), str(out), str(said)


def failed(arguments: Sequence[str], code: int, said: str) -> GitexpError:
    """Return the error for a git that ended with `code`, after what it and the server said."""
    verb = arguments[0]
    # "Permission denied (publickey)" speaks of the server, not of our disk.
    error = command.failure(arguments, code, said.encode("utf-8", "surrogateescape"))
    if isinstance(error, ReadOnlyError) and "insufficient permission" not in said:
        error = GitFailedError(f"git {verb} failed", found=Lines(said.strip()[-2000:]))
    if isinstance(error, GitFailedError):
        error.next_step = f"git {verb}, which shows what is wrong"
    return error
