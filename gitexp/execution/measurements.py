"""Reads what the stages of a repeat left: metrics, predictions, curves, files for Git."""

from __future__ import annotations

import hashlib
import os
import posixpath
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.dvc import stage_records
from gitexp.dvc.cache import put
from gitexp.errors import BadMetricError, UnsafeInputError
from gitexp.execution.jobs import lies_in
from gitexp.execution.workdir import root_of
from gitexp.git.worktree import status
from gitexp.model import dataclass, replace
from gitexp.model.config import DEFAULT_METRICS
from gitexp.model.ids import EvaluationDigest
from gitexp.model.job import COMMAND_STAGE, FILES, LOG, LOGGED, POINTS, KeptFile, OutKind
from gitexp.model.run import FileHash, has_number
from gitexp.system import curves, metrics
from gitexp.system import logged_metrics as logged
from gitexp.text import points
from gitexp.text import predictions as predictions_format
from gitexp.text.jsontext import json_dumps_compact
from gitexp.text.samples import LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitexp.dvc.cache_objects import CacheConfig
    from gitexp.dvc.hashing import Memo
    from gitexp.model.config import Predictions
    from gitexp.model.job import Job, Stage
    from gitexp.model.run import FileHash, Sample
    from gitexp.system.logged_metrics import Logged

    Stamp = tuple[int, ...]

_LIVE = ("dvclive", points.FOLDER)  # where values go while a training works
_LONG_LOG = 64 << 20  # bytes; nobody asks what a longer one has
_LONG_LINE = 64 << 10


@dataclass(frozen=True, slots=True)
class Measurements:
    """What one repeat came to."""

    samples: tuple[Sample, ...]
    evaluation: EvaluationDigest | None
    evaluation_basis: str
    by_products: tuple[FileHash, ...]
    kept: tuple[KeptFile, ...]
    warnings: tuple[str, ...]
    logged: FileHash | None  # the by-product of what was logged


def standing(job: Job, project: Path) -> dict[str, Stamp]:
    """Return what of measurements lies there before the stages run, but what ran once."""
    once = [given.path for given in job.given if given.of_run]
    read = [*job.metrics, *job.curves, *((job.predictions.path,) if job.predictions else ())]
    found = {path: _stamp(project / path) for path in read if not lies_in(path, once)}
    return {path: stamp for path, stamp in found.items() if stamp is not None}


def written(job: Job, project: Path, before: Mapping[str, Stamp]) -> tuple[Job, tuple[str, ...]]:
    """Return the job without files that no stage of this repeat wrote, and warnings.

    What a frozen stage, data or the commit hold is not a measurement of it; nor does a repeat fail
    for a metrics file whose stage has left the pipeline, unless the plan asks for what is in it.
    """
    old = {path for path, stamp in before.items() if stamp == _stamp(project / path)}
    if COMMAND_STAGE not in {stage.name for stage in job.stages}:
        made = [out.path for stage in job.stages for out in stage.outs]
        gone = (path for path in job.metrics if not (project / path).exists())
        old.update(path for path in gone if not lies_in(path, made))
    predictions = job.predictions
    job = replace(
        job,
        metrics=tuple(path for path in job.metrics if path not in old),
        curves=tuple(path for path in job.curves if path not in old),
        predictions=None if predictions and predictions.path in old else predictions,
    )
    return job, tuple(f"{path} is not read: the stages did not write it" for path in sorted(old))


@dataclass(frozen=True, slots=True)
class Scores:
    """Where a repeat may show a score before it has finished, and what was there at first."""

    job: Job
    project: Path
    out_dir: Path
    before: Mapping[str, Stamp | None]
    sizes: tuple[int, int]  # of what is logged and printed: what ran once comes before it

    @classmethod
    def of(cls, job: Job, project: Path, out_dir: Path) -> Scores:
        """Look before the first stage of a seed begins."""
        stages = [stage for stage in job.stages if stage.name not in job.once]
        told = {*job.metrics, *job.curves, *((job.predictions.path,) if job.predictions else ())}
        told |= {posixpath.join(each.wdir, name) for each in stages for name in _LIVE}
        told |= {
            out.path
            for stage in stages
            for out in stage.outs
            if out.kind is not OutKind.OUT or stage.name in job.evaluators
        }
        before = {path: _stamp(project / path) for path in told}
        sizes = _size(out_dir / POINTS), _size(out_dir / LOG)
        return cls(job, project, out_dir, before, sizes)

    def seen(self, commands: Iterable[str]) -> bool:
        """Tell whether anything is there now that was not, or a number was printed."""
        logged, printed = self.sizes
        if _size(self.out_dir / POINTS) > logged:
            return True
        for path, stamp in self.before.items():
            if (now := _stamp(self.project / path)) is not None and now != stamp:
                return True
        log = self.out_dir / LOG
        if not printed < _size(log) <= printed + _LONG_LOG:
            return _size(log) > printed
        own = {line.strip() for each in commands for line in f"> {each}".split("\n")}
        own |= {f"Running stage '{stage.name}':" for stage in self.job.stages}
        with log.open("rb") as stream:
            stream.seek(printed)
            pieces = iter(lambda: stream.readline(_LONG_LINE), b"")
            return has_number((each.decode("utf-8", "replace") for each in pieces), own)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _stamp(file: Path) -> Stamp | None:
    """Return what any writing changes, also of the same bytes; None where there is no file."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def read(job: Job, project: Path, out_dir: Path, cache: CacheConfig, memo: Memo) -> Measurements:
    """Read everything that a job declares."""
    asked = [name for metric in job.expect_metrics for name in curves.named(metric)]
    seen = logged.read(
        out_dir / POINTS,
        wanted=asked,
        # The other side's, too, may be among them.
        before=[Path(at).parent / POINTS for at in job.made if job.run in Path(at).parts],
        own={stage.name for stage in job.stages},
    )
    samples, unclear = _samples(job, project, out_dir, seen)
    evaluation, basis = _evaluation(job, project, memo)
    wanted = [*((job.predictions.path,) if job.predictions else ()), *job.curves]
    own = {out.path for stage in job.stages for out in stage.outs if out.cache}
    given = [each.path for each in job.given]
    by_products = []
    for path in dict.fromkeys(wanted):
        if not (project / path).is_file():
            raise BadMetricError(
                "a declared file is missing", found="the stages did not write it", where=path
            )
        # Of a folder that holds it one repeat alone keeps the bytes.
        if path not in own and not lies_in(path, given):
            by_products.append(replace(put(cache, project, path, memo=memo), isexec=False))
    kept, warnings = _keep(job, project, out_dir)
    return Measurements(
        samples,
        evaluation,
        basis,
        tuple(by_products),
        kept,
        (*seen.warnings, *unclear, *warnings),
        _put_logged(job, seen, out_dir, cache),
    )


def without_supposed(job: Job, stage: Stage, project: Path, out_dir: Path) -> Stage:
    """Return a stage without the metrics file that `init` supposed, where it logs instead."""
    if not _only_supposed(job, project, out_dir):
        return stage
    return replace(stage, outs=tuple(out for out in stage.outs if out.path not in job.metrics))


def _only_supposed(job: Job, project: Path, out_dir: Path) -> bool:
    """Tell whether the metrics file is one that nobody named, is not there, and others log."""
    return (
        job.metrics == (DEFAULT_METRICS,)
        and [stage.name for stage in job.stages] == [COMMAND_STAGE]
        and not (project / DEFAULT_METRICS).exists()
        and (out_dir / POINTS).exists()
    )


def _put_logged(job: Job, seen: Logged, out_dir: Path, cache: CacheConfig) -> FileHash | None:
    """Keep the curves that a repeat logged, as DVC keeps those of declared files."""
    root = root_of(out_dir)
    if not seen.curves or (root is not None and Path(job.cache_dir).is_relative_to(root)):
        return None  # without DVC nothing is kept but numbers
    data = curves.dump(
        curves.CurvePoint(name, step, value)
        for name, curve in seen.curves.items()
        for step, value in curve.items()
    )
    (out_dir / LOGGED).write_bytes(data)
    return replace(put(cache, out_dir, LOGGED), isexec=False)


def _samples(
    job: Job, project: Path, out_dir: Path, seen: Logged
) -> tuple[tuple[Sample, ...], tuple[str, ...]]:
    """Return what was reported and logged, what the curves come to, and warnings."""
    plain = [name for name in job.expect_metrics if not curves.is_curve(name)]
    files = () if _only_supposed(job, project, out_dir) else job.metrics
    reported = metrics.read(project, files, seed=job.seed, expect=plain, logged=seen.values)
    names = {sample.metric for sample in reported}
    asked = [name for name in job.expect_metrics if curves.is_curve(name) and name not in names]
    found = curves.read(project, job.curves, seed=job.seed, expect=asked, logged=seen.curves)
    more = tuple(sample for sample in found.samples if sample.metric not in names)
    unclear = found.warnings
    if not reported:  # under a plan its metric is missed before
        where = f" in {', '.join(job.metrics)}" if job.metrics else ", and none was logged"
        unclear = (f"no number was found{where}", *unclear)
    return (*reported, *more), unclear


def _evaluation(job: Job, project: Path, memo: Memo) -> tuple[EvaluationDigest | None, str]:
    """Identify the data that the metrics were computed on, for one seed."""
    if job.predictions is not None:
        data = _bytes(project, job.predictions)
        table = predictions_format.load(data, job.predictions, job.predictions.path)
        return predictions_format.evaluation_digest(table), "predictions"
    if job.evaluation:
        there = (
            (path, stage_records.hash_path(project, path.rstrip("/"), memo=memo).md5)
            for path in job.evaluation
        )
        return predictions_format.declared_digest(there), "evaluation"
    if job.data_pointers:
        data = json_dumps_compact(sorted(job.data_pointers))
        return EvaluationDigest(hashlib.sha256(data).hexdigest()), "data"
    return None, "undeclared"


def _bytes(project: Path, spec: Predictions) -> bytes:
    try:
        with (project / spec.path).open("rb") as stream:
            return stream.read(LIMIT + 1)
    except OSError as error:
        raise BadMetricError(
            "the declared predictions are missing",
            found=error.strerror or "",
            where=spec.path,
            expected="a file that the pipeline writes in every repeat",
        ) from error


def _keep(job: Job, project: Path, out_dir: Path) -> tuple[tuple[KeptFile, ...], tuple[str, ...]]:
    """Copy the files that Git will hold beside the outcome, but for what Git ignores here."""
    kept: list[KeptFile] = []
    found = {path: _files(project, path) for path in job.keep}
    warnings = [f"{path} was declared and is not there" for path in found if not found[path]]
    ignored = status.is_ignored(project, [file for files in found.values() for file in files])
    for files in found.values():
        for file in files:
            if file in ignored:
                continue
            source = project / file
            target = out_dir / FILES / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            executable = os.access(source, os.X_OK)
            kept.append(KeptFile(file, f"{FILES}/{file}", executable))
    return tuple(kept), tuple(warnings)


def _files(project: Path, path: str) -> Sequence[str]:
    full = project / path
    if not full.exists() and not full.is_symlink():
        return ()
    if full.is_symlink() or not full.resolve().is_relative_to(project.resolve()):
        raise UnsafeInputError(
            "a file that Git is to hold is a link", found=os.path.realpath(full), where=path
        )
    if full.is_file():
        return (path,)
    found = sorted(
        Path(folder, name).relative_to(project).as_posix()
        for folder, _, names in os.walk(full)
        for name in names
    )
    for name in found:
        if (project / name).is_symlink():
            raise UnsafeInputError("a file that Git is to hold is a link", where=name)
    return found
