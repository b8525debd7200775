"""The snapshot: dvc.lock, metrics files and ignore lines of the repeat with the committed seed.

It is no mean. It is written only where the branch's tip has the run's inputs and no valid
snapshot yet, so that `dvc status` and `dvc checkout` speak of exactly one execution.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from gitexp.data.workspace import ignore_files
from gitexp.formats import dvcfiles, dvcwrite
from gitexp.git.refs import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gitexp.git.absent import Absent
    from gitexp.model.config import ProjectConfig
    from gitexp.model.job import Outcome, Stage, StageRecord
    from gitexp.model.run import Output

    Read = Callable[[str], bytes | Absent]


def lock_path(config: ProjectConfig) -> str:
    """Return where the pipeline's dvc.lock lies in the repository."""
    folder = posixpath.dirname(config.pipeline or "")
    return posixpath.join(config.project, folder, "dvc.lock")


def is_valid(
    read: Read, config: ProjectConfig, records: Sequence[StageRecord], stages: Sequence[Stage]
) -> bool:
    """Whether the tip's dvc.lock already describes an execution of this very state.

    Parameters
    ----------
    read : callable
        From a path of the repository to its bytes at the tip.
    config : ProjectConfig
    records : sequence of StageRecord
        Of the repeat with the committed seed, which says what commands, parameters and raw
        dependencies this state has. What one stage made for another is not compared: it may
        honestly differ from one execution to the next.
    stages : sequence of Stage
        For their working folders.
    """
    data = read(lock_path(config))
    if data is ABSENT:
        return False
    wdirs = {stage.name: stage.wdir for stage in stages}
    folder = posixpath.dirname(config.pipeline or "")
    lock = dvcfiles.load_lock(data, lock_path(config), folder, wdirs)
    made = {out.path for record in records for out in record.outs}
    for record in records:
        entry = lock.stages.get(record.name)
        if entry is None or entry.commands != record.commands or entry.params != record.params:
            return False
        have = {dep.path: dep.md5 for dep in entry.deps}
        want = {dep.path: dep.md5 for dep in record.deps}
        if have.keys() != want.keys():
            return False
        if any(have[path] != md5 for path, md5 in want.items() if path not in made):
            return False
    return True


def pipeline_files(
    read: Read,
    config: ProjectConfig,
    records: Sequence[StageRecord],
    stages: Sequence[Stage],
    kept: Mapping[str, bytes],
) -> dict[str, bytes]:
    """Return the files of a snapshot in a project with a pipeline, by repository path.

    Parameters
    ----------
    read : callable
    config : ProjectConfig
    records : sequence of StageRecord
        One for each stage, of one execution.
    stages : sequence of Stage
        As executed.
    kept : Mapping of str to bytes
        Files that Git keeps, relative to the project folder.
    """
    path = lock_path(config)
    old = read(path)
    folder = posixpath.dirname(config.pipeline or "")
    files = {path: dvcwrite.update_lock(None if old is ABSENT else old, records, folder, stages)}
    files.update(_kept(config, kept))
    cached = [out.path for stage in stages for out in stage.outs if out.cache]
    files.update(_ignored(read, config, cached))
    return files


def pointer_files(
    read: Read, config: ProjectConfig, chosen: Outcome, kept: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Return the files of a snapshot in a project without a pipeline: ``OUT.dvc`` beside OUT."""
    executable = executables(chosen.stages)
    files = {}
    for output in chosen.outputs:
        path = posixpath.join(config.project, f"{output.path}.dvc")
        old = read(path)
        folder = posixpath.dirname(output.path)
        files[path] = dvcwrite.dump_pointer(
            None if old is ABSENT else old, [output], folder, isexec=executable, where=path
        )
    files.update(_kept(config, kept))
    files.update(_ignored(read, config, [output.path for output in chosen.outputs]))
    return files


def joined_records(first: Outcome, chosen: Outcome, order: Sequence[str]) -> list[StageRecord]:
    """Return one record a stage: what ran once is the first repeat's, the rest the chosen one's."""
    records = {record.name: record for record in first.stages}
    records.update({record.name: record for record in chosen.stages})
    return [records[name] for name in order if name in records]


def joined_outputs(first: Outcome, chosen: Outcome) -> list[Output]:
    """Return one output a path, the chosen repeat's where it made one."""
    outputs = {output.path: output for output in first.outputs}
    outputs.update({output.path: output for output in chosen.outputs})
    return [outputs[path] for path in sorted(outputs)]


def executables(records: Sequence[StageRecord]) -> frozenset[str]:
    """Return the outputs that are single files with the executable bit."""
    return frozenset(out.path for record in records for out in record.outs if out.isexec)


def _kept(config: ProjectConfig, kept: Mapping[str, bytes]) -> dict[str, bytes]:
    return {posixpath.join(config.project, path): data for path, data in kept.items()}


def _ignored(read: Read, config: ProjectConfig, paths: Sequence[str]) -> dict[str, bytes]:
    """Return the .gitignore files that need a line, beside each output as DVC does it."""
    full = [posixpath.join(config.project, path) for path in paths]
    existing = {}
    for folder in {above for path in full for above in _folders(path)}:
        file = posixpath.join(folder, ".gitignore")
        data = read(file)
        if data is not ABSENT:
            existing[file] = data
    return ignore_files(existing, full)


def _folders(path: str) -> list[str]:
    """Return the folders above a path, the top as ""."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[:depth]) for depth in range(len(parts) + 1)]
