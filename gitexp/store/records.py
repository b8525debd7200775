"""Read one run from the tree of its folder, with all checks that its own digests allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.errors import DamagedDataError
from gitexp.formats import run as run_format
from gitexp.formats import samples as samples_format
from gitexp.git.absent import ABSENT
from gitexp.git.objects import read_blob
from gitexp.store.layout import run_dir

if TYPE_CHECKING:
    from gitexp.git.repository import Repo
    from gitexp.model.ids import RunId, TreeId
    from gitexp.model.run import Run, Sample

RUN_LIMIT_BYTES = 8 << 20
SAMPLES_LIMIT_BYTES = 64 << 20


def read_run(repo: Repo, tree: TreeId, run: RunId) -> tuple[Run, tuple[Sample, ...]]:
    """Read one record from the tree of its folder.

    Raises
    ------
    BadFormatError, NewerFormatError, DamagedDataError, UnsafeInputError
        If it cannot be read, or is not the record of the run that its folder names.
    """
    where = run_dir(run)
    data = read_blob(repo, tree, "run.json", RUN_LIMIT_BYTES)
    if data is ABSENT:
        raise DamagedDataError("the run has no run.json", where=where)
    record = run_format.load(data, f"{where}/run.json")
    if record.id != run:
        raise DamagedDataError(
            "the record is another run's",
            found=record.id,
            where=f"{where}/run.json",
            expected=run,
        )
    table = read_blob(repo, tree, "samples.csv", SAMPLES_LIMIT_BYTES)
    if table is ABSENT:
        raise DamagedDataError("the run has no samples.csv", where=where)
    samples = samples_format.load(
        table, f"{where}/samples.csv", rows=record.sample_rows, sha256=record.samples_sha256
    )
    return record, samples
