"""Folders of calls of `run` that no commit holds yet: whose, and on which branch.

A coordinator writes its state there while we read, and one of another version may have. They lie
in the Git directory, where no branch brings a file. Of a folder that somebody else made even that
proves nothing: a call is this user's own if its state has the secret that was kept, sealed by the
user's key, when it began.
"""

from __future__ import annotations

import hmac
import os
import secrets
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from gitexp.errors import BadFormatError, GitexpError, UnsafeInputError
from gitexp.git.discovery import plain_bytes, user_key
from gitexp.git.transaction import layout, locks
from gitexp.model import dataclass
from gitexp.text.jsontext import Json, json_loads

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitexp.model.workspace import Workspace

STATE_LIMIT_BYTES = 16 << 20
_SEAL_BYTES: Final = 16
FOLDERS: Final = ("runs", "worktrees", "environments")


@dataclass(frozen=True, slots=True)
class Call:
    """What a coordinator noted of one side of a call: `value` is what its file holds."""

    value: Mapping[str, Json]
    owner: locks.Owner
    path: Path

    @property
    def branch(self) -> str:
        """On which it will be recorded."""
        return str(self.value.get("branch", ""))

    @property
    def side(self) -> str:
        """Which side it is: "candidate", "baseline" or "exploratory"."""
        return str(self.value.get("side", ""))

    @property
    def published(self) -> bool:
        """Whether it is recorded."""
        return self.value.get("published") is True

    @property
    def left(self) -> bool:
        """Whether it died, and the user has chosen not to go on with it."""
        return self.value.get("left") is True

    @property
    def alive(self) -> bool:
        """Whether its coordinator works."""
        return not locks.is_dead(self.owner)


def folder(workspace: Workspace) -> Path | None:
    """Return the folder of a work tree's calls; None where there is none, or a link leads to it.

    Links in place of the folders in it count as well: who reads there would leave it.
    """
    if workspace.top is None:
        return None
    try:
        root = layout.work(workspace.git_dir)
    except UnsafeInputError:
        return None
    return None if not root.is_dir() or link_in(root) is not None else root


def link_in(root: Path) -> Path | None:
    """Return the link, or the file, that stands in place of what is ours; None without one."""
    for path in (root, *(root / name for name in FOLDERS)):
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            return path
    return None


def folders(workspace: Workspace) -> tuple[Path, ...]:
    """Return the folders of calls in a work tree, each named by its run."""
    root = folder(workspace)
    return () if root is None else within(root / "runs", "state.json")


def within(runs: Path, name: str = "") -> tuple[Path, ...]:
    """Return the real folders of runs; nothing behind a link.

    `name`: only those that have a real file of it.
    """
    try:
        found = sorted(path for path in runs.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return ()
    if name:
        found = [p for p in found if (p / name).is_file() and not (p / name).is_symlink()]
    return tuple(found)


def proofs(workspace: Workspace) -> Path:
    """Return where the secrets of calls lie: no branch can track anything there."""
    return layout.state(workspace.common_dir, "calls")


def begun(proofs_: Path, run: str) -> str:
    """Return the secret of a call, which is made when it is first asked for.

    It lies beside a seal by this user's key: the folder may have come from somebody else. Without
    a place for a key a call that was killed proves nothing afterwards.
    """
    known = secret(proofs_, run)
    if not known:
        proofs_.mkdir(parents=True, exist_ok=True)
        known = secrets.token_hex(16)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(proofs_ / run, flags, 0o600), "w", encoding="ascii") as file:
            file.write(f"{known} {_seal(proofs_, run, known)}")
    return known


def ended(proofs_: Path, run: str) -> None:
    """Forget the secret of a call that came to nothing."""
    (proofs_ / run).unlink(missing_ok=True)


def secret(proofs_: Path, run: str) -> str:
    """Return the secret of a call; "" where this clone began none of this name."""
    try:
        known, _, seal = plain_bytes(proofs_ / run, 200).decode("ascii", "replace").partition(" ")
    except OSError:
        return ""
    return known if seal and hmac.compare_digest(seal, _seal(proofs_, run, known)) else ""


def _seal(proofs_: Path, run: str, known: str) -> str:
    """Return what proves that this user began a call here, and in no copy; "" without a key."""
    return sealed(proofs_.parents[1], f"call {run} {known}")


def sealed(common_dir: Path, text: str) -> str:
    """Return what only this user can make of a text, in a repository at this place; "": no key."""
    key = user_key(common_dir)
    data = f"{os.path.realpath(common_dir)} {text}".encode("utf-8", "surrogateescape")
    return "" if key is None else blake2b(data, key=key, digest_size=_SEAL_BYTES).hexdigest()


def is_own(proofs_: Path, run: str, told: Json) -> bool:
    """Whether what a state says is the secret of that call."""
    known = secret(proofs_, run)
    return (
        bool(known)
        and isinstance(told, str)
        and secrets.compare_digest(known.encode(), told.encode("utf-8", "replace"))
    )


def noted(path: Path) -> Call:
    """Return the call of a state; whether this clone began it is another question."""
    where = str(path)
    state = json_loads(
        plain_bytes(path, STATE_LIMIT_BYTES + 1), where=where, limit=STATE_LIMIT_BYTES
    )
    if not isinstance(state, dict):
        raise BadFormatError("this is no state of a run", where=where)
    owner = state.get("owner")
    if not isinstance(owner, dict) or not isinstance(owner.get("pid"), int):
        raise BadFormatError("this state of a run has no owner", where=where)
    host, started = str(owner.get("host", "")), str(owner.get("started", ""))
    return Call(state, locks.Owner(host, int(str(owner["pid"])), started), path)


def check_own(call: Call, proofs_: Path) -> None:
    """Refuse a call that this clone did not begin."""
    if not is_own(proofs_, call.path.parent.name, call.value.get("secret")):
        raise UnsafeInputError(
            "this clone, or this version of gitexp, did not begin that call: it is not recorded",
            where=str(call.path),
            expected="a repository that lies where the call began",
        )


def read(workspace: Workspace, run: Path) -> Call | None:
    """Return the call of one folder; None where it is all recorded."""
    call = noted(run / "state.json")
    if call.published:
        return None
    check_own(call, proofs(workspace))
    return call


def busy_branches(workspace: Workspace) -> frozenset[str]:
    """Return the branches on which a call is going on; what cannot be read is not a call."""
    found = set()
    for each in folders(workspace):
        try:
            call = read(workspace, each)
        except (GitexpError, OSError):
            continue
        if call is not None and call.alive:
            found.add(call.branch)
    return frozenset(found)
