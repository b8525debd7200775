"""Records as a commit holds them: a run, by all checks that its own digests allow; receipts."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final, TypeVar, cast

from gitexp.errors import (
    BadFormatError,
    DamagedDataError,
    GitexpError,
    MissingObjectError,
    UnsafeInputError,
)
from gitexp.git.absent import ABSENT, Absent
from gitexp.git.objects import blob_id, commit_info, list_dir, origins, read_blob
from gitexp.git.transaction.layout import run_dir, witness_dir
from gitexp.model.run import Run
from gitexp.model.witness import Receipt, Stored, Way
from gitexp.records import codec
from gitexp.text import samples as samples_format

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash, PlanDigest, RunId, TreeId
    from gitexp.model.run import Sample

RUN_LIMIT_BYTES = 8 << 20
_ROW_BYTES = 1_024  # more than any row of ours has
_TABLES_KEPT = 8
_USUAL_BYTES = 1 << 15  # a longer record is parsed each time anew

_T = TypeVar("_T")


def read_run(repo: Repo, tree: TreeId, run: RunId) -> tuple[Run, tuple[Sample, ...]]:
    """Read one record from the tree of its folder.

    Raises `BadFormatError, NewerFormatError, DamagedDataError, UnsafeInputError` if it cannot be
    read, or is not the record of the run that its folder names.
    """
    where = run_dir(run)
    data = read_blob(repo, tree, "run.json", RUN_LIMIT_BYTES)
    if data is ABSENT:
        raise DamagedDataError("the run has no run.json", where=where)
    load = _remembered if len(data) < _USUAL_BYTES else _load
    record = load(data, f"{where}/run.json")
    if record.id != run:
        raise DamagedDataError(
            "the record is another run's",
            found=record.id,
            where=f"{where}/run.json",
            expected=run,
        )
    samples = table(
        repo,
        tree,
        record.sample_rows,
        lambda data: samples_format.load(
            data, f"{where}/samples.csv", rows=record.sample_rows, sha256=record.samples_sha256
        ),
        record.samples_sha256,
    )
    if samples is ABSENT:
        raise DamagedDataError("the run has no samples.csv", where=where)
    return record, samples


_load = partial(codec.load, Run)
# A call asks for the same records again and again: what counts, does the seed act, what is next.
_remembered = lru_cache(maxsize=1024)(_load)


def table(
    repo: Repo, tree: TreeId, rows: int, read: Callable[[bytes], _T], *how: str
) -> _T | Absent:
    """Return what `read` makes of a run's samples; a file that many runs share is read once.

    `rows`: how many run.json says that there are.

    Raises `UnsafeInputError` if these are more rows than we read, or the file is larger than they
    can be.
    """
    found = blob_id(repo, tree, "samples.csv")
    if found is ABSENT:
        return ABSENT
    key = (found, str(rows), *how)
    if key not in repo.tables:
        if rows > samples_format.MOST_ROWS:
            raise samples_format.too_many(f"{rows} rows", "samples.csv")
        limit = min(samples_format.LIMIT, (rows + 1) * _ROW_BYTES)
        value: object
        try:
            value = read(repo.read(found, limit, where="samples.csv"))
        except (GitexpError, ValueError) as error:  # nor is what cannot be read tried again
            value = error
        while len(repo.tables) >= _TABLES_KEPT:
            del repo.tables[next(iter(repo.tables))]
        repo.tables[key] = value
    known = repo.tables[key]
    if isinstance(known, Exception):
        raise known
    return cast("_T", known)


def is_lasting(error: GitexpError) -> bool:
    """Return whether a record can never be read: no fetch, and no newer gitexp, changes it."""
    kinds = (BadFormatError, DamagedDataError, UnsafeInputError)
    return isinstance(error, kinds) and not isinstance(error, MissingObjectError)


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
    return tuple(_receipt(repo, commit, f"{folder}/{name}", plan) for name in chosen)


def next_receipt_path(repo: Repo, commit: CommitHash, plan: PlanDigest, way: Way) -> str:
    """Return where the next receipt goes."""
    names = list_dir(repo, commit, witness_dir(plan))
    number = 1 + sum(entry.path.endswith(_SUFFIX.encode()) for entry in names)
    return f"{witness_dir(plan)}/{number}-{way.value}{_SUFFIX}"


def token_path(path: str) -> str:
    """Return where the token of a receipt lies."""
    return path.removesuffix(_SUFFIX) + ".tsr"


def was_before(repo: Repo, path: str, commit: CommitHash) -> bool:
    """Return whether a file was there before a commit was made: in a parent, as it is now."""
    now = blob_id(repo, commit, path)
    return now is not ABSENT and any(
        blob_id(repo, parent, path) == now for parent in commit_info(repo, commit).parents
    )


def adding_commit(repo: Repo, path: str, tip: CommitHash) -> CommitHash | None:
    """Return the commit in a history that brought a file as the tip has it."""
    now = blob_id(repo, tip, path)
    if now is ABSENT:
        return None
    return min(origins(repo, tip, lambda commit: blob_id(repo, commit, path) == now))


def _receipt(repo: Repo, commit: CommitHash, path: str, plan: PlanDigest) -> Stored:
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
