"""Makes the worktrees and everything else that stands before the first repeat."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.comparison.measure import is_resource
from gitexp.dvc import inputs as inputs_rules
from gitexp.dvc import links as data_links
from gitexp.dvc import pipeline, pointers
from gitexp.dvc.input_parts import left_out
from gitexp.execution import snapshot
from gitexp.execution.jobs import (
    JobTemplate,
    command_stage,
    kept_paths,
    marks,
    mentions_seed,
    without_marks,
)
from gitexp.execution.preflight import checks, mentions
from gitexp.execution.situation import BASELINE
from gitexp.execution.state import State
from gitexp.execution.workdir import ATTEMPT, bring_enclosing, cache_beside, cache_of, share
from gitexp.git import command, objects
from gitexp.git.worktree import worktrees
from gitexp.model.job import Job
from gitexp.model.request import RunOptions
from gitexp.model.run import Origin, PlanRef, Run, Source
from gitexp.system import imports
from gitexp.system import params as params_staging
from gitexp.text import params as params_format
from gitexp.text import samples as samples_format

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from gitexp.execution.jobs import SeedChoice
    from gitexp.execution.run_sources import Cell
    from gitexp.execution.situation import Situation
    from gitexp.git.absent import Absent
    from gitexp.model.config import SeedRule
    from gitexp.model.ids import RunId
    from gitexp.model.job import Stage
    from gitexp.model.request import RunRequest


@dataclass(frozen=True, slots=True)
class Prepared:
    """One side, ready to be executed."""

    template: JobTemplate
    state: State
    seeds: tuple[int, ...]
    doubtful: tuple[str, ...] = ()  # files that it mentions and would not see
    unasked: tuple[str, ...] = ()  # see `pointers.DataState`


@dataclass(frozen=True, slots=True)
class _Side:
    """What is to be executed, where, and what of it DVC says."""

    cell: Cell
    choice: SeedChoice
    run: RunId
    slots: tuple[str, ...]
    resolved: pipeline.Resolved


@dataclass(frozen=True, slots=True)
class SharedCall:
    """What the sides of one call share."""

    id: str
    started_at: datetime
    new_id: Callable[[], RunId]
    program: str
    environ: Mapping[str, str]


def prepare(situation: Situation, request: RunRequest, call: SharedCall) -> list[Prepared]:
    """Check what can be checked and make the worktrees of all sides.

    A side that was to make the branch's snapshot alone is left out where dvc.lock turns out to
    hold one. Worktrees that were made are left for the caller to remove, also when this raises.
    """
    data_links.check_system()
    plan = imports.plan_imports(situation.python, situation.top, call.environ)
    sides = [(cell, choice) for cell, choice in situation.sides if choice.run]
    slots: list[tuple[RunId, tuple[str, ...]]] = []
    for cell, choice in sides:
        run = call.new_id()
        wanted = min(request.jobs, len(choice.run))
        paths = [situation.workdir.slot(run, number) for number in range(wanted)]
        _check_space(situation, cell, wanted)
        for path in paths:
            empty = worktrees.add(situation.workspace, path, cell.commit)
            if path == paths[0]:
                checks.check_filled(situation.repo, path, cell, empty)
        slots.append((run, tuple(str(path) for path in paths)))
    resolved = _resolve(
        [(Path(paths[0]), cell) for (cell, _), (_, paths) in zip(sides, slots, strict=True)]
    )
    found = [
        _prepared(situation, request, call, _Side(*side, *slot, stages), plan.paths)
        for side, slot, stages in zip(sides, slots, resolved, strict=True)
    ]
    return [each for each in found if each.seeds]


def _resolve(roots: list[tuple[Path, Cell]]) -> list[pipeline.Resolved]:
    """Let the pipelines be taken apart, with the seed's mark where a template may read it."""
    marked = [root for root, cell in roots if _mark_seed(root, cell)]
    found = pipeline.look([(root, cell.config) for root, cell in roots])
    for root in marked:
        command.clean_slot(root)
    return [
        pipeline.Resolved(
            (command_stage(cell.config.command, cell.config.outputs, cell.config.metrics),)
        )
        if cell.config.command is not None and cell.config.pipeline is None
        else each
        for each, (_, cell) in zip(found, roots, strict=True)
    ]


def _mark_seed(root: Path, cell: Cell) -> bool:
    config = cell.config
    if config.pipeline is None:
        return False
    project = root / config.project
    try:
        templated = b"${" in (project / config.pipeline).read_bytes()
    except FileNotFoundError:
        return False  # the reader of pipelines says so better
    if not templated:
        return False
    edits = {**cell.overrides, **marks(config.seed)}
    for file in {key.file for key in edits}:
        path = project / file
        changes = {key.key: value for key, value in edits.items() if key.file == file}
        path.write_bytes(params_format.edit(path.read_bytes(), file, changes))
    return True


def _prepared(
    situation: Situation,
    request: RunRequest,
    call: SharedCall,
    side: _Side,
    import_paths: tuple[str, ...],
) -> Prepared:
    cell, resolved = side.cell, side.resolved
    config = cell.config
    stages = resolved.executed
    checks.check_outputs(situation.repo, cell, stages)
    cache = cache_of(situation.top, config)
    checks.check_cache(cache.dir, cell, stages)
    links = checks.links(situation.top, cell)
    data = pointers.data_state(
        pointers.files_in_tree(situation.repo, cell.tree, cell.entries),
        stages,
        cache,
        project=config.project,
        apart=resolved.apart,
        also=config.evaluation,
        everything=config.pipeline is None,
        # With a pipeline its stages say what is made; the settings also name what frozen ones made.
        outputs=config.outputs if config.pipeline is None else (),
        lock=snapshot.lock_path(config),
    )
    lacking = [md5 for one in data.missing for md5 in one.objects]
    if lacking and bring_enclosing(situation.top, config, cache, lacking):
        data = replace(data, missing=())
    mentions.refuse_own_paths(situation.repo, situation.top, cell)
    doubtful = mentions.check(situation.repo, situation.top, cell, stages, data)
    beside = cache_beside(situation.workspace, config, lacking) if data.missing else None
    bring = "" if beside is None else share(beside)
    checks.check_data(situation.repo, situation.top, cell, data, bring=bring)
    # A lone command declares no params: it is executed for every seed.
    seeds = config.seed.params if config.pipeline is not None else ()
    named = mentions_seed(stages, config.seed)
    seeded = pipeline.seeded(stages, seeds, config.once, named=named)
    plan = situation.plan
    metrics = () if plan is None else (plan.metric, *(guard.metric for guard in plan.guards))
    expected = tuple(name for name in metrics if not is_resource(name))
    job = Job(
        run=side.run,
        label="",
        attempt=ATTEMPT,
        seed=cell.committed_seed,
        commit=cell.commit,
        tree=cell.tree,
        project=config.project,
        slots=side.slots,
        stages=stages,
        python=situation.python,
        import_paths=import_paths,
        edits=cell.overrides,
        seed_arg=config.seed.arg,
        given=data.given,
        links=links,
        metrics=config.metrics,
        predictions=config.predictions,
        curves=config.curves,
        evaluation=config.evaluation,
        data_pointers=data.raw,
        keep=kept_paths(stages, config.metrics, data.pointed),
        cache_dir=str(cache.dir),
        cache_types=cache.types,
        repository=str(situation.top),
        timeout_s=request.timeout_s or config.timeout_s,
        expect_metrics=expected,
        left_out=left_out(
            cell.seen(situation.repo),
            [out.path for stage in (*stages, *resolved.apart) for out in stage.outs],
        ),
    )
    template = JobTemplate(job, cell, seeded)
    wanted = _without_snapshot(situation, template, side.choice)
    draft = Run(
        id=side.run,
        origin=Origin.OBSERVED,
        source=Source(
            commit=cell.commit,
            tree=cell.tree,
            branch=situation.branch,
            overrides={str(key): value for key, value in cell.overrides.items()},
            config=cell.config_blob,
        ),
        inputs=cell.inputs,
        plan=None if plan is None else PlanRef(plan.name, plan.digest),
        group=_group(situation, request, cell),
        engine=request.engine,
        author=situation.author,
        started_at=call.started_at,
        ended_at=call.started_at,
        seeds=wanted,
        committed_seed=cell.committed_seed,
        repeats=(),
        params=cell.params,
        program=call.program,
        sample_rows=0,
        samples_sha256=hashlib.sha256(samples_format.dump(())).hexdigest(),
        command=_command_line(stages, config.seed),
        call=call.id,
        warnings=tuple(f"what it names is in no repeat: {line}" for line in data.unread),
        fixed_seeds={str(key): cell.committed[key] for key in config.seed.fixed},
    )
    metric = "" if plan is None else plan.metric
    once = tuple(stage.name for stage in stages if stage.name not in seeded)
    return Prepared(
        template,
        State(draft, cell.side, situation.branch, metric, once, _asked(situation, request)),
        wanted,
        doubtful,
        data.unasked,
    )


def _group(situation: Situation, request: RunRequest, cell: Cell) -> str:
    """Return what joins the variants of one state, so that `compare` knows how many were tried."""
    if cell.side == BASELINE:
        return ""
    if request.group or not cell.overrides:
        return request.group
    return inputs_rules.compute(situation.repo, cell.tree, cell.config, walked=cell.entries)


def _without_snapshot(
    situation: Situation, template: JobTemplate, choice: SeedChoice
) -> tuple[int, ...]:
    """Return the seeds without that for the snapshot, where dvc.lock describes this state.

    No record says so, but `dvc repro` may have written it.
    """
    seed, config = choice.for_snapshot, template.cell.config
    if seed is None or config.pipeline is None:
        return choice.run

    def read(path: str) -> bytes | Absent:
        return objects.read_blob(situation.repo, situation.tip, path)

    project = Path(template.job.slots[0]) / config.project
    stages = template.of_seed(seed, "").stages
    files = sorted({each.file for stage in stages for each in stage.params})
    records = snapshot.expected(
        project, stages, params_staging.sections(project, files), template.job.given
    )
    if records is None or not snapshot.is_valid(read, config, records, stages):
        return choice.run
    return tuple(each for each in choice.run if each != seed)


def _asked(situation: Situation, request: RunRequest) -> RunOptions:
    main = situation.sides[0][0]
    return RunOptions(
        repeats=request.repeats,
        seeds=request.seeds,
        jobs=request.jobs,
        with_baseline=request.with_baseline,
        at=request.at,
        again=request.again,
        timeout_s=request.timeout_s,
        commit=main.commit,
        inputs=main.inputs,
        overrides={str(key): value for key, value in main.overrides.items()},
        group=_group(situation, request, main),
    )


def _command_line(stages: tuple[Stage, ...], rule: SeedRule) -> str:
    return "\n".join(without_marks(text, rule) for stage in stages for text in stage.commands)


def _check_space(situation: Situation, cell: Cell, slots: int) -> None:
    cache = cache_of(situation.top, cell.config)
    checks.check_space(
        situation.workdir.root,
        cache.dir,
        tree_bytes=checks.tree_bytes(situation.repo, cell.entries),
        data_bytes=0,
        slots=slots,
    )
