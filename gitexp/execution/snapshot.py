"""The snapshot: dvc.lock, metrics files and ignore lines of the repeat with the committed seed.

It is not a mean. It is written only where the branch's tip has the run's inputs and no valid
snapshot yet, so that `dvc status` and `dvc checkout` speak of exactly one execution.
"""

from __future__ import annotations

import contextlib
import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.dvc import dvcwrite
from gitexp.dvc.cache import EMPTY
from gitexp.dvc.dvcfiles import DvcFiles
from gitexp.dvc.dvcpipeline import touches
from gitexp.dvc.gitignore import folders_above, ignore_files
from gitexp.dvc.stage_records import declared_params, hash_path
from gitexp.errors import DataMissingError, GitexpError
from gitexp.execution.jobs import lies_in
from gitexp.git import command, objects
from gitexp.git.refs import ABSENT
from gitexp.git.transaction import layout
from gitexp.git.worktree import checkouts
from gitexp.git.worktree.conversion import Conversion, conversions
from gitexp.model.job import LOGGED, FileHash, StageRecord
from gitexp.text.fields import param_tree
from gitexp.text.params import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from gitexp.git.absent import Absent
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import InputsDigest, Md5, ParamTree
    from gitexp.model.job import Given, Outcome, Stage
    from gitexp.model.run import Key, Output, Run

    Read = Callable[[str], bytes | Absent]

    from gitexp.git.repository import Repo
    from gitexp.git.transaction.transaction import Published
    from gitexp.model.ids import RunId


def is_valid(
    read: Read, config: ProjectConfig, records: Sequence[StageRecord], stages: Sequence[Stage]
) -> bool:
    """Whether the tip's dvc.lock already describes an execution of this very state.

    Of the repeat with the committed seed `records` say the commands, parameters and raw
    dependencies. What one stage made for another is not compared: it may honestly differ.
    """
    wdirs = {stage.name: stage.wdir for stage in stages}
    lock = DvcFiles(read, base=config.project, starts=lambda _: wdirs).lock(config.lock)
    if lock is None:
        return False
    made = {out.path for record in records for out in record.outs}
    made |= {out.path for stage in stages for out in stage.outs}
    for record in records:
        entry = lock.stages.get(record.name)
        if entry is None or entry.commands != record.commands or entry.params != record.params:
            return False
        have = {dep.path: dep.md5 for dep in entry.deps}
        want = {dep.path: dep.md5 for dep in record.deps}
        if have.keys() != want.keys():
            return False
        if any(have[path] != md5 for path, md5 in want.items() if not _is_made(path, made)):
            return False
    return True


def is_written(
    read: Read,
    config: ProjectConfig,
    runs: Iterable[Run],
    state: tuple[InputsDigest, Key],
    *,
    unchanged: bool = False,
) -> bool:
    """Whether the tip holds the snapshot of a recorded repeat of this state.

    It does where the last snapshot on the branch is one of this state and committed seed, and the
    tip still points to the outputs of that repeat: a merge may have taken another line's. A lock
    that somebody else wrote, `dvc repro` say, is not known by this; see `is_valid`.

    `runs`: those that the tip reaches, in their order. `state`: its inputs, and the key of the
    repeat with the committed seeds. `unchanged`: whether the tip has the lock with which the last
    snapshot was recorded: the answer where nothing is cached, since such a record does not say what
    the lock should hold.
    """
    written = [(run.inputs, repeat) for run in runs for repeat in run.repeats if repeat.snapshot]
    if not written:
        return False
    last, repeat = written[-1]
    if (last, repeat.key) != state:
        return False
    if config.pipeline is None:
        wanted = {out.path: out.md5 for out in repeat.outputs if out.path in config.outputs}
        return all(_pointed(read, config, path) == md5 for path, md5 in wanted.items())
    made = {out.md5 for out in repeat.outputs if out.path != LOGGED}
    return made <= _locked(read, config) if made else unchanged


def expected(
    project: Path,
    stages: Sequence[Stage],
    params: Mapping[str, Mapping[str, ParamTree]],
    given: Sequence[Given],
) -> list[StageRecord] | None:
    """Return what dvc.lock would say of a state's commands, params and raw dependencies.

    Nothing has been executed in the project's folder, and `given` are data that are not there yet.
    The result: without outputs; None where a dependency is not all there before an execution.
    """
    made = {out.path for stage in stages for out in stage.outs}
    data = {each.path: each.md5 for each in given}
    found = []
    for stage in stages:
        deps = []
        for path in stage.deps:
            if _is_made(path, made):
                deps.append(FileHash(path, EMPTY, 0))
            elif path in data:
                deps.append(FileHash(path, data[path], 0))
            elif _is_made(path, data) or not (project / path).exists():
                return None
            else:
                deps.append(hash_path(project, path))
        try:
            values = declared_params(stage, params)
        except DataMissingError:  # one that another stage writes
            return None
        found.append(StageRecord(stage.name, stage.commands, tuple(deps), values, ()))
    return found


def pipeline_files(
    read: Read,
    config: ProjectConfig,
    records: Sequence[StageRecord],
    stages: Sequence[Stage],
    kept: Mapping[str, bytes],
) -> dict[str, bytes]:
    """Return the files of a snapshot in a project with a pipeline, by repository path."""
    path = posixpath.join(config.project, config.lock)
    old = read(path)
    folder = posixpath.dirname(config.pipeline or "")
    declared = {stage.name: stage for stage in stages}
    records = [_in_order(read, config, item, declared.get(item.name)) for item in records]
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


def _in_order(
    read: Read, config: ProjectConfig, record: StageRecord, stage: Stage | None
) -> StageRecord:
    """Return a record with its params in the order of their files, as DVC writes them.

    A job answers in JSON, whose keys are sorted. What a stage writes is not in the tree, and stays.
    """
    parsed = {}
    for file in record.params:
        data = read(posixpath.join(config.project, file))
        content = None if data is ABSENT else param_tree(parse(data, file))
        if isinstance(content, dict):
            parsed[file] = content
    if stage is None or parsed.keys() != record.params.keys():
        return record
    values = declared_params(stage, parsed)
    return replace(record, params=values) if values == record.params else record


def _kept(config: ProjectConfig, kept: Mapping[str, bytes]) -> dict[str, bytes]:
    return {posixpath.join(config.project, path): data for path, data in kept.items()}


def _ignored(read: Read, config: ProjectConfig, paths: Sequence[str]) -> dict[str, bytes]:
    """Return the .gitignore files that need a line, beside each output as DVC does it."""
    full = [posixpath.join(config.project, path) for path in paths]
    existing = {}
    for folder in {above for path in full for above in folders_above(path)}:
        file = posixpath.join(folder, ".gitignore")
        data = read(file)
        if data is not ABSENT:
            existing[file] = data
    return ignore_files(existing, full)


def _is_made(path: str, made: Collection[str]) -> bool:
    """Tell whether a path is one of these, holds one, or lies in one."""
    return any(touches(path, other) for other in made)


def _pointed(read: Read, config: ProjectConfig, path: str) -> Md5 | None:
    """Return the hash that ``OUT.dvc`` beside an output gives; None where it gives none."""
    pointer = DvcFiles(read).pointer(posixpath.join(config.project, f"{path}.dvc"))
    return pointer.outs[0].md5 if pointer is not None and len(pointer.outs) == 1 else None


def _locked(read: Read, config: ProjectConfig) -> frozenset[Md5]:
    pipeline = config.pipeline or ""
    there = DvcFiles(read, base=config.project)
    files = there.starting(lambda _: there.wdirs(pipeline))
    lock = None if there.data(pipeline) is None else files.lock(config.lock)
    stages = {} if lock is None else lock.stages
    return frozenset(
        out.md5 for stage in stages.values() for out in stage.outs if out.md5 is not None
    )


def put_aside(
    repo: Repo, branch: str, published: Published, made: Sequence[str], run: RunId
) -> dict[str, str]:
    """Put such files of the branch's work trees into the Git directory, and the new ones there.

    The result: by path, as `Published.not_updated` has it, what to say. Everything is published:
    from here on nothing is an error.
    """
    said: dict[str, str] = {}
    for place in checkouts.on_branch(repo.workspace, branch) if published.not_updated else ():
        for shown in published.not_updated:
            file = (repo.workspace.top or place.top) / shown
            if not file.is_relative_to(place.top):
                continue  # of another work tree
            path = file.relative_to(place.top).as_posix()
            with contextlib.suppress(OSError, GitexpError):
                kept = layout.state(repo.workspace.common_dir, "replaced", run, path)
                if lies_in(path, made) and _is_new(repo, published, place.top, path):
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    if kept.exists():
                        continue
                    file.rename(kept)
                    command.attempt(place.top, ["checkout-index", "-u", "--", path])
                    said[shown] = (
                        f"{shown} was in no commit: the run's is there now, the former {kept}"
                    )
    return said


def _is_new(repo: Repo, published: Published, top: Path, path: str) -> bool:
    """Tell whether a plain file came into Git just now, and is written without a program."""
    before = published.tip_before
    return (
        before is not ABSENT
        and objects.entry_at(repo, before, path) is ABSENT
        and objects.entry_at(repo, published.commit, path) is not ABSENT
        and (top / path).is_file()
        and (top / path).resolve() == top.resolve() / path
        and conversions(repo, top, [path])[path] is not Conversion.FOREIGN
    )
