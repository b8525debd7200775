"""Read one run from the tree of its folder, with all checks that its own digests allow."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, TypeVar, cast

from gitexp.errors import (
    BadFormatError,
    DamagedDataError,
    GitexpError,
    MissingObjectError,
    UnsafeInputError,
)
from gitexp.git.absent import ABSENT, Absent
from gitexp.git.objects import blob_id, read_blob
from gitexp.git.transaction.layout import run_dir
from gitexp.model.run import Run
from gitexp.records import codec
from gitexp.text import samples as samples_format

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.git.repository import Repo
    from gitexp.model.ids import RunId, TreeId
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
