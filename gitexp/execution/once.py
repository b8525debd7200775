"""Stages that no seed reaches: they are executed once, over all calls, machines and both sides.

Such a stage has no seed parameter, is not downstream of one, and runs without GITEXP_SEED. What it
made under a plan first, the plan's other repeats rest on, too: they take the bytes from the cache
or the remote. Else the source's own dvc.lock says what it made, and no record of another plan. A
stage is the same where its command, dependencies and parameters are, with the code that it uses and
does not declare. Here is found what may stand for an execution; the worker, which has all files in
their place, says whether it does. See docs/decisions/0042.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from typing import TYPE_CHECKING

from gitexp.comparison.eligible import is_under, was_under
from gitexp.comparison.randomness import seeding
from gitexp.comparison.randomness.project_text import CODE
from gitexp.comparison.randomness.variation import made_by
from gitexp.dvc import cache as objects
from gitexp.dvc import exchange, pipeline
from gitexp.dvc.acting import NamedFiles, modules
from gitexp.dvc.cache_objects import CacheConfig
from gitexp.dvc.dvcfiles import DvcFiles
from gitexp.dvc.dvcpipeline import touches
from gitexp.dvc.stage_records import declared_params, hash_path, recipe
from gitexp.errors import DamagedDataError, GitexpError
from gitexp.execution import adoption
from gitexp.execution.workdir import cache_beside, cache_of
from gitexp.git import command
from gitexp.git.discovery import project_folder
from gitexp.git.objects import MODE_COMMIT
from gitexp.git.transaction.cache import open_index
from gitexp.model import dataclass, replace
from gitexp.model.ids import BlobId, Md5
from gitexp.model.run import FileHash, OnceRecord, Origin, StageOrigin
from gitexp.provenance.contradicted import Sources
from gitexp.system import params
from gitexp.text.jsontext import Json, json_dumps_compact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from gitexp.execution.run_sources import RunSource
    from gitexp.execution.situation import Situation
    from gitexp.model.job import Given, Job, Stage
    from gitexp.model.plan import Plan
    from gitexp.store.lookup import FoundRun

    Key = tuple[str, str]  # stage and recipe


@dataclass(frozen=True, slots=True)
class OnceStages:
    """What of a side's pipeline is executed once, and what may stand for that."""

    source: RunSource
    stages: tuple[Stage, ...]
    beside: Mapping[str, str]  # by stage: digest of code that it uses and does not declare
    known: Mapping[Key, OnceRecord]
    bound: Mapping[Key, OnceRecord]  # the plan's

    def told(self, job: Job) -> Job:
        """Return a job that knows all this."""
        return replace(
            job,
            once=self.beside,
            once_edits=self.source.overrides,
            known=tuple(self.known.values()),
            bound=tuple(self.bound.values()),
        )


def is_kept(plan: Plan | None) -> bool:
    """Whether what such stages made is kept for later calls; without a plan it decides nothing."""
    return plan is None or plan.rules > 1


def unreached(stages: Sequence[Stage], seeded: frozenset[str]) -> tuple[Stage, ...]:
    """Return the stages that need nothing of a seed, frozen ones aside."""
    reached = pipeline.downstream(pipeline.stage_needs(stages), seeded)
    return tuple(each for each in stages if not (each.frozen or each.name in reached))


def look(seen: Situation, source: RunSource, stages: Sequence[Stage]) -> OnceStages:
    """Find what was made of these stages."""
    code = UndeclaredCode(source)
    beside = {stage.name: code.digest(stage) for stage in stages}
    runs = tuple(r for r in seen.reached if r.run.origin is Origin.OBSERVED and not r.altered)
    known, bound = _recorded(seen.plan, stages, _own(seen, runs))
    for each in _locked(source, stages, beside, _Behind(seen.plan, runs)):
        known.setdefault((each.stage, each.recipe), each)
    if seen.request.again:  # what no run has made is made now, and held against it
        known = {key: each for key, each in known.items() if each.origin is StageOrigin.ADOPTED}
    return OnceStages(source, tuple(stages), beside, known, bound)


def _own(seen: Situation, runs: Iterable[FoundRun]) -> list[FoundRun]:
    """Return the runs whose word is taken: under the plan, or of a dead call of this clone.

    Anybody may have written the others, and had them merged.
    """
    mine = [r for r in runs if r.run.once and was_under(r, seen.plan)]
    if mine:
        with open_index(seen.repo.workspace) as index:
            sources = Sources(seen.repo, index)
            mine = [
                r for r in mine if not sources.contradiction(r.run, r.samples, r.commit, seen.plan)
            ]
    return [*mine, *(r for r in runs if seen.plan is None and r.run.id in seen.recovered)]


def _recorded(
    plan: Plan | None, stages: Sequence[Stage], runs: Sequence[FoundRun]
) -> tuple[dict[Key, OnceRecord], dict[Key, OnceRecord]]:
    """Return what runs made of these stages, and of that what the plan's repeats rest on.

    What no run has made, but dvc.lock said, stands for an execution under its own plan alone.
    """
    by_runs = made_by(found.run for found in runs)
    known: dict[Key, OnceRecord] = {}
    bound: dict[Key, OnceRecord] = {}
    names = {stage.name for stage in stages}
    for found, made in ((item, made) for item in runs for made in item.run.once):
        sure, key = by_runs(made), (made.stage, made.recipe)
        if made.stage not in names or not (sure or is_under(found, plan)):
            continue
        origin = StageOrigin.ADOPTED if sure else StageOrigin.OUTSIDE
        known.setdefault(key, replace(made, origin=origin))
        if plan is not None:  # as it was recorded: two executions are held against each other
            executed = made.origin is StageOrigin.EXECUTED
            bound.setdefault(key, made if executed else known[key])
    return known, bound


def bring(
    seen: Situation,
    found: OnceStages,
    slot: Path,
    given: Sequence[Given],
    environ: Mapping[str, str],
) -> None:
    """Bring what a side is about to take over and its cache has not, as `dvc pull` would.

    What is not there is executed, and what that makes is held against it.
    """
    source = found.source
    cache = cache_of(seen.place.workspace, seen.place.top, source.config)
    gone = {key: lacks for key, made in found.known.items() if (lacks := _lacking(cache, made))}
    if not gone:
        return
    params.write(project_folder(slot, source.config.project), source.overrides)
    try:
        wanted = {(made.stage, made.recipe) for made in _foreseen(found, slot, given)}
    finally:
        command.clean_slot(slot)
    lacking = [md5 for key, lacks in gone.items() if key in wanted for md5 in lacks]
    if not lacking:
        return
    if (beside := cache_beside(seen.place.workspace, source.config, lacking)) is not None:
        exchange.send(CacheConfig(beside), cache, lacking)
        return
    exchange.bring(source.home, cache, lacking, environ)


def _lacking(cache: CacheConfig, made: OnceRecord) -> list[Md5]:
    found: list[Md5] = []
    for out in made.outs:
        try:
            found += objects.missing(cache, out.md5)
        except DamagedDataError:  # set aside by now
            found.append(out.md5)
    return found


def _foreseen(found: OnceStages, slot: Path, given: Sequence[Given]) -> Iterator[OnceRecord]:
    """Yield what most likely stands for these stages; the worker alone has all of their files."""
    project = project_folder(slot, found.source.config.project)
    there: dict[str, Md5 | None] = {each.path: each.md5 for each in given}
    for stage in found.stages:
        hashed: list[FileHash] = []
        for path in stage.deps:
            if md5 := there.get(path):
                hashed.append(FileHash(path, md5, 0))
            elif (project / path).exists() and not any(touches(path, other) for other in there):
                hashed.append(hash_path(project, path))
        made = None
        if len(hashed) == len(stage.deps):
            parsed = params.sections(project, [each.file for each in stage.params])
            values = declared_params(stage, parsed)
            key = stage.name, recipe(stage, hashed, values, found.beside[stage.name])
            made = found.known.get(key)
        there |= dict.fromkeys((out.path for out in stage.outs), None)
        if made is not None:
            there |= made.hashes
            yield made


class _Behind:
    """What records say of an entry of dvc.lock; under a plan it is taken at its own word."""

    def __init__(self, plan: Plan | None, runs: Iterable[FoundRun]) -> None:
        every = [found.run for found in runs]
        self._planned = plan is not None
        self._by_runs = made_by(every)
        # A lock does not hold what a stage logged: such a one is executed, and logs it again.
        self._logged = {(m.stage, m.recipe) for run in every for m in run.once if m.logged}

    def taken(self, made: OnceRecord) -> OnceRecord | None:
        """Return an entry as it stands for an execution, if it does."""
        if (made.stage, made.recipe) in self._logged:
            return None
        if self._planned:
            return made
        return replace(made, origin=StageOrigin.ADOPTED) if self._by_runs(made) else None


def _locked(
    source: RunSource, stages: Sequence[Stage], beside: Mapping[str, str], behind: _Behind
) -> Iterator[OnceRecord]:
    """Yield what dvc.lock says of stages whose command, dependencies and parameters it names."""
    config = source.config
    own = {stage.name: stage.wdir for stage in stages}
    try:
        files = DvcFiles(source.state.read, base="", starts=lambda _: own)
        lock = files.lock(config.lock)
    except GitexpError:  # spoiled by a merge
        return
    for stage in stages:
        held = None if lock is None else lock.get(stage.name)
        record = None if held is None else held.record()
        changing = stage.always_changed or not (stage.deps or stage.params)
        if record is None or changing or record.commands != stage.commands:
            continue
        digest = recipe(stage, record.deps, record.params, beside[stage.name])
        made = behind.taken(adoption.record_of(record, digest, StageOrigin.OUTSIDE))
        if made is not None:
            yield made


_LARGEST = 1 << 20  # bytes of a file of code
_QUOTED = re.compile(r"[\"']([\w./-]+\.\w+)[\"']|^[ \t]*%run\s+(\S+)", re.MULTILINE)


class UndeclaredCode:
    """The code of a source, as far as stages may use it."""

    def __init__(self, source: RunSource) -> None:
        settings = {posixpath.join(source.config.project, file) for file in source.config.params}
        self._source = source
        self._ids = {each.text: each.id for each in source.entries}
        self._submodules = {each.text for each in source.entries if each.mode == MODE_COMMIT}
        self._files = [path for path in self._ids if CODE.search(path) and path not in settings]
        self._named = NamedFiles(self._files)

    def digest(self, stage: Stage) -> str:
        """Return a digest of the code that a stage uses and does not declare; "" for none."""
        covered: dict[str, Json] = {**self.of(stage)}
        return hashlib.sha256(json_dumps_compact(covered)).hexdigest() if covered else ""

    def of(self, stage: Stage) -> dict[str, str]:
        """Return such files of a stage with their hashes; submodules are code of every stage."""
        project = self._source.config.project
        deps = [posixpath.normpath(posixpath.join(project, path)) for path in stage.deps]
        declared = {path for path in self._files if any(touches(path, dep) for dep in deps)}
        found: set[str] = set()
        rest = [*declared, *self._named.named("\n".join(stage.commands))]
        while rest:
            path = rest.pop()
            if path not in found:
                found.add(path)
                rest += self._used(path)
        return {path: self._ids[path] for path in sorted(found - declared | self._submodules)}

    def _used(self, path: str) -> Iterator[str]:
        """Yield the files that a file names or imports."""
        try:
            data = self._source.repo.read(BlobId(self._ids[path]), _LARGEST, where=path)
            text = data.decode("utf-8", "replace")
            if path.endswith(".ipynb"):
                text = "\n".join(seeding.code_cells(text, path))
        except GitexpError:  # no code is so large
            return
        if path.endswith((".py", ".ipynb")):
            quoted = (name for pair in _QUOTED.findall(text) for name in pair if name)
            yield from self._named.called(posixpath.basename(name) for name in quoted)
            yield from self._named.imported(modules(text))
        else:
            yield from self._named.named(text)
