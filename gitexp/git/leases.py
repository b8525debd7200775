"""Set and delete refs of a remote only where they are as we have just seen them.

`remote.push` never forces anything. The end of an experiment must: its branch goes, and a tag may
take the place of an older one. So each ref is sent with a lease: what the remote has now, or
nothing happens to any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitFailedError, MovedRefError
from gitexp.git import remote as remote_git

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.model.workspace import Workspace

_RACE: Final = ("stale info", "failed to update ref", "cannot lock ref", "failed to lock",
                "incorrect old value", "already exists", "does not exist")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lease:
    """One ref of a remote: the object it has now, and the one it shall have; "" for none."""

    ref: str  # full name
    old: str
    new: str


def seen(workspace: Workspace, remote: str, refs: Sequence[str]) -> Mapping[str, str]:
    """Ask a remote what these refs lead to; a ref that it does not have is not in the answer.

    Raises `GitFailedError` if the remote cannot be reached.
    """
    arguments = ["ls-remote", "--refs", "--", remote, *refs]
    code, out, said = remote_git.execute(workspace, arguments)
    if code:
        raise remote_git.failed(arguments, code, said)
    found: dict[str, str] = {}
    for line in out.split("\n"):
        id_, _, ref = line.partition("\t")
        if ref in refs:  # a pattern may match more
            found[ref] = id_
    return found


def carry_out(workspace: Workspace, remote: str, leases: Sequence[Lease]) -> None:
    """Set the refs of a remote, all or none.

    Raises `MovedRefError` if one of them is not as it was seen; nothing was changed there;
    `GitFailedError` if the remote cannot be reached, cannot do it at once, or does not want it.
    """
    wanted = [lease for lease in leases if lease.old != lease.new]
    if not wanted:
        return
    arguments = ["push", "--porcelain", "--no-follow-tags", "--atomic"]
    arguments += [f"--force-with-lease={lease.ref}:{lease.old}" for lease in wanted]
    arguments += ["--", remote, *(f"{lease.new}:{lease.ref}" for lease in wanted)]
    code, out, said = remote_git.execute(workspace, arguments)
    if code == 0:
        return
    refused = [line.split("\t")[-1] for line in out.split("\n") if line.startswith("!")]
    if refused and any(sign in why for why in refused for sign in _RACE):
        raise MovedRefError(
            "the remote has changed meanwhile",
            found="; ".join(refused)[:2000],
            where=remote,
            next_step="gitexp pull, then the same command again",
        )
    if refused:
        raise GitFailedError(
            "the remote does not take the push",
            found="; ".join(refused)[:2000],
            where=remote,
            next_step="git push, which shows all that the server says",
        )
    raise remote_git.failed(arguments, code, said)
