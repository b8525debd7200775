"""Receipts of witnesses as a commit holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git.absent import ABSENT
from gitexp.git.objects import blob_id, commit_info, list_dir, origins, read_blob
from gitexp.git.transaction.layout import witness_dir
from gitexp.model.witness import Receipt, Stored, Way
from gitexp.records import codec

if TYPE_CHECKING:
    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash, PlanDigest

TOKEN_LIMIT: Final = 64 << 10
_MOST: Final = 100  # of one plan that are read: each may cost a process
_SUFFIX: Final = ".json"


def receipts(repo: Repo, commit: CommitHash, plan: PlanDigest) -> tuple[Stored, ...]:
    """Return what witnesses said of a plan, by name; what cannot be read is among it."""
    folder = witness_dir(plan)
    names = sorted(
        entry.path.decode("utf-8", "surrogateescape") for entry in list_dir(repo, commit, folder)
    )
    chosen = [name for name in names if name.endswith(_SUFFIX)][:_MOST]
    return tuple(_read(repo, commit, f"{folder}/{name}", plan) for name in chosen)


def next_path(repo: Repo, commit: CommitHash, plan: PlanDigest, way: Way) -> str:
    """Return where the next receipt goes."""
    names = list_dir(repo, commit, witness_dir(plan))
    number = 1 + sum(entry.path.endswith(_SUFFIX.encode()) for entry in names)
    return f"{witness_dir(plan)}/{number}-{way.value}{_SUFFIX}"


def token_path(path: str) -> str:
    """Return where the token of a receipt lies."""
    return path.removesuffix(_SUFFIX) + ".tsr"


def before(repo: Repo, path: str, commit: CommitHash) -> bool:
    """Return whether a file was there before a commit was made: in a parent, as it is now."""
    now = blob_id(repo, commit, path)
    return now is not ABSENT and any(
        blob_id(repo, parent, path) == now for parent in commit_info(repo, commit).parents
    )


def added(repo: Repo, path: str, tip: CommitHash) -> CommitHash | None:
    """Return the commit in a history that brought a file as the tip has it."""
    now = blob_id(repo, tip, path)
    if now is ABSENT:
        return None
    return min(origins(repo, tip, lambda commit: blob_id(repo, commit, path) == now))


def _read(repo: Repo, commit: CommitHash, path: str, plan: PlanDigest) -> Stored:
    try:
        data = read_blob(repo, commit, path)
        if data is ABSENT:
            return Stored(path, None, why="it is no regular file")
        receipt = codec.load(Receipt, data, path)
        if receipt.plan != plan:
            return Stored(path, None, why="it is one of another plan")
        token: bytes = b""
        if receipt.way is Way.RFC3161:
            found = read_blob(repo, commit, token_path(path), TOKEN_LIMIT)
            token = b"" if found is ABSENT else found
    except GitexpError as error:
        return Stored(path, None, why=str(error))
    return Stored(path, receipt, token)
