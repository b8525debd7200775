"""The snapshot: dvc.lock, metrics files and ignore lines of the repeat with the committed seed.

It is not a mean. It is written only where the branch's tip has the run's inputs and no recorded
snapshot yet, so that `dvc status` and `dvc checkout` speak of exactly one execution.
"""

from __future__ import annotations

import contextlib
import posixpath
from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from gitexp.dvc import dvcwrite
from gitexp.dvc.dvcfiles import DvcFiles, LockedStage
from gitexp.dvc.dvcpipeline import outermost
from gitexp.dvc.gitignore import ignore_files, ignore_places
from gitexp.dvc.stage_records import declared_params
from gitexp.errors import GitexpError
from gitexp.execution.jobs import lies_in
from gitexp.git import command, objects
from gitexp.git.transaction import layout
from gitexp.git.worktree import checkouts
from gitexp.git.worktree.restore import Conversion, conversions
from gitexp.model.ids import ABSENT, Absent, CommitHash, InputsDigest, Md5, RunId
from gitexp.text.fields import param_tree
from gitexp.text.params import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from gitexp.git.repository import Repo
    from gitexp.git.transaction.transaction import Published
    from gitexp.model.config import ProjectConfig
    from gitexp.model.job import Outcome, Stage, StageRecord
    from gitexp.model.run import FileHash, Key
    from gitexp.store.lookup import FoundRun

    Read = Callable[[str], bytes | Absent]


def is_written(
    repo: Repo,
    read: Read,
    config: ProjectConfig,
    found: Iterable[FoundRun],
    state: tuple[InputsDigest, Key],
) -> bool:
    """Whether the tip holds the snapshot of a recorded repeat of this state.

    With a pipeline it does where dvc.lock says of its stages what it said when that repeat was
    recorded. A lock that was made by other means is none, whatever it says: of `dvc commit --force`
    nothing tells it from that of an execution; see docs/decisions/0036.

    Without one it does where the last snapshot on the branch is one of this state and committed
    seed, and the tip still points to the outputs of that repeat: a merge may have taken another
    line's.

    `read`: a file of the tip. `found`: the runs that it reaches, in their order. `state`: its
    inputs, and the key of the repeat with the committed seeds.
    """
    written = [(each, repeat) for each in found for repeat in each.run.repeats if repeat.snapshot]
    states: defaultdict[CommitHash, set[tuple[InputsDigest, Key]]] = defaultdict(set)
    for each, repeat in written:
        states[each.commit].add((each.run.inputs, repeat.key))
    if config.pipeline is None:
        if not written or (written[-1][0].run.inputs, written[-1][1].key) != state:
            return False
        made = {out.path: out.md5 for out in written[-1][1].outputs}
        wanted = [posixpath.normpath(path) for path in outermost(config.outputs)]
        return all(_pointed(read, config, out) == made.get(out, "") for out in wanted)
    # Of several states that were squashed into one commit its lock is that of any.
    commits = [commit for commit, held in states.items() if held == {state}]
    here = _locked(read, config) if commits else None
    for commit in commits if here is not None else ():
        with contextlib.suppress(GitexpError):  # of a lock that a merge spoiled
            if _locked(partial(objects.read_blob, repo, commit), config) == here:
                return True
    return False


def pipeline_files(
    read: Read,
    config: ProjectConfig,
    records: Sequence[StageRecord],
    stages: Sequence[Stage],
    kept: Mapping[str, bytes],
) -> dict[str, bytes]:
    """Return the files of a snapshot in a project with a pipeline, by repository path."""
    path = posixpath.join(config.project, config.lock)
    folder = posixpath.dirname(config.pipeline or "")
    declared = {stage.name: stage for stage in stages}
    records = [_in_order(read, config, item, declared.get(item.name)) for item in records]
    files = {path: dvcwrite.update_lock(read(path), records, folder, stages)}
    files.update(_kept(config, kept))
    cached = [out.path for stage in stages for out in stage.outs if out.cache]
    files.update(_ignored(read, config, cached))
    return files


def pointer_files(
    read: Read, config: ProjectConfig, outputs: Sequence[FileHash], kept: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Return the files of a snapshot in a project without a pipeline: ``OUT.dvc`` beside OUT."""
    files = {}
    for output in outputs:
        path = posixpath.join(config.project, f"{output.path}.dvc")
        folder = posixpath.dirname(output.path)
        files[path] = dvcwrite.dump_pointer(read(path), [output], folder, where=path)
    files.update(_kept(config, kept))
    files.update(_ignored(read, config, [output.path for output in outputs]))
    return files


def joined_records(first: Outcome, chosen: Outcome, order: Sequence[str]) -> list[StageRecord]:
    """Return one record a stage: what ran once is the first repeat's, the rest the chosen one's."""
    records = {record.name: record for record in first.stages}
    records.update({record.name: record for record in chosen.stages})
    return [records[name] for name in order if name in records]


def joined_outputs(first: Outcome, chosen: Outcome) -> list[FileHash]:
    """Return one output a path, the chosen repeat's where it made one."""
    outputs = {output.path: output for output in first.outputs}
    outputs.update({output.path: output for output in chosen.outputs})
    return [outputs[path] for path in sorted(outputs)]


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
    for file in ignore_places(full):
        data = read(file)
        if data is not ABSENT:
            existing[file] = data
    return ignore_files(existing, full)


def _pointed(read: Read, config: ProjectConfig, path: str) -> Md5 | None:
    """Return the hash that ``OUT.dvc`` beside an output gives; None where it gives none."""
    pointer = DvcFiles(read).pointer(posixpath.join(config.project, f"{path}.dvc"))
    return pointer.outs[0].md5 if pointer is not None and len(pointer.outs) == 1 else None


def _locked(read: Read, config: ProjectConfig) -> dict[str, LockedStage] | None:
    """Return what dvc.lock says of the stages that dvc.yaml declares; None where there is none."""
    there = DvcFiles(read, base=config.project)
    declared = there.wdirs(config.pipeline or "")
    lock = there.starting(lambda _: declared).lock(config.lock)
    if lock is None:
        return None
    return {
        name: stage
        for name, stage in lock.items()
        if name in declared or name.partition("@")[0] in declared
    }


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
