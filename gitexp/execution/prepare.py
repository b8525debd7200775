"""Makes the worktrees and everything else that stands before the first repeat."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.comparison import frozen
from gitexp.comparison.randomness.seeding import BASELINE, CANDIDATE
from gitexp.dvc import inputs as inputs_rules
from gitexp.dvc import links as data_links
from gitexp.dvc import pipeline, pointers
from gitexp.dvc.cache_objects import CacheConfig
from gitexp.dvc.input_parts import left_out, written
from gitexp.dvc.state import ProjectState
from gitexp.errors import GitexpError, PreflightError
from gitexp.execution import once as once_stages
from gitexp.execution.jobs import (
    JobTemplate,
    kept_paths,
    later_jobs,
    lies_in,
    lone_stage,
    marks,
    mentions_seed,
    plain_stages,
    saved_paths,
    without_marks,
)
from gitexp.execution.preflight import checks, mentions
from gitexp.execution.state import State
from gitexp.execution.workdir import ATTEMPT, bring_enclosing, cache_beside, cache_of, share
from gitexp.git import command, objects
from gitexp.git.discovery import project_folder
from gitexp.git.worktree import checkouts
from gitexp.model import dataclass, replace
from gitexp.model.clocked import is_resource
from gitexp.model.ids import ABSENT
from gitexp.model.job import Job
from gitexp.model.request import RunOptions
from gitexp.model.run import Origin, PlanRef, Run, Source
from gitexp.provenance.trust_settings import refuse_visible_holdout
from gitexp.system import params
from gitexp.text import samples as samples_format

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from gitexp.comparison.frozen import Frozen
    from gitexp.execution.run_sources import RunSource
    from gitexp.execution.situation import Situation
    from gitexp.execution.workdir import WorkDir
    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import CommitHash, RunId
    from gitexp.model.job import Outcome


@dataclass(frozen=True, slots=True)
class Prepared:
    """One side, ready to be executed."""

    template: JobTemplate
    state: State
    seeds: tuple[int, ...]
    doubtful: tuple[str, ...] = ()  # files that it mentions and would not see
    unasked: tuple[str, ...] = ()  # see `pointers.DataState`

    @property
    def side(self) -> str:
        """Which side it is."""
        return self.state.side

    @property
    def run(self) -> RunId:
        """Id of its run."""
        return self.template.job.run

    @property
    def first(self) -> Job:
        """The job of the first seed, with every stage."""
        return self.template.of_seed(self.seeds[0], self._label(1))

    def rest(
        self, first: Outcome | None, workdir: WorkDir, beside: Sequence[str] = ()
    ) -> tuple[Job, ...]:
        """Return the jobs of the other seeds, given the first repeat's outcome.

        `beside`: caches of another side, of which it took what runs once.
        """
        labels = [self._label(number) for number in range(2, len(self.seeds) + 1)]
        made = (str(workdir.cache(self.run, self.seeds[0])), *beside)
        return later_jobs(self.template, self.seeds[1:], labels, first, made)

    def _label(self, number: int) -> str:
        return f"{self.side} {number}/{len(self.seeds)}"


@dataclass(frozen=True, slots=True)
class _Side:
    """What is to be executed, where, and what of it DVC says."""

    source: RunSource
    run: RunId
    slots: tuple[str, ...]
    resolved: pipeline.Resolved
    frozen: Frozen | None


@dataclass(frozen=True, slots=True)
class SharedCall:
    """What the sides of one call share."""

    id: str
    started_at: datetime
    new_id: Callable[[], RunId]
    program: str
    environ: Mapping[str, str]


def prepare(situation: Situation, call: SharedCall) -> list[Prepared]:
    """Check what can be checked and make the worktrees of all sides, for the caller to remove."""
    data_links.check_system()
    refuse_visible_holdout(situation.place.workspace)
    sides = [source for source in situation.sides if source.choice.run]
    fixed = frozen.look(situation.repo, situation.plan, situation.place.tip)
    for source in sides:
        if source.side == CANDIDATE and situation.installed is not None:
            named = {str(key): value for key, value in source.overrides.items()}
            parts = situation.installed.parts
            frozen.refuse(fixed, source.state, source.commit, named, parts)
    slots: list[tuple[RunId, tuple[str, ...]]] = []
    for source in sides:
        run = call.new_id()
        wanted = min(situation.request.jobs, len(source.choice.run))
        commit = source.checkout
        paths = [situation.workdir.slot(run, number) for number in range(wanted)]
        cache = cache_of(situation.place.workspace, situation.place.top, source.config).dir
        size = checks.tree_bytes(source)
        checks.check_space(situation.workdir.root, cache, tree_bytes=size, slots=wanted)
        for path in paths:
            empty = checkouts.add(situation.place.workspace, path, commit)
            if path == paths[0]:
                checks.check_filled(source, path, empty)
        slots.append((run, tuple(str(path) for path in paths)))
    resolved = _resolve(
        [(Path(paths[0]), source) for source, (_, paths) in zip(sides, slots, strict=True)]
    )
    pairs = list(zip(sides, resolved, strict=True))
    # The baseline first: what mends it is merged, and mends the candidate, too.
    seen = [_seen(situation, *pair) for pair in reversed(pairs)][::-1]
    return [
        _prepared(situation, call, _Side(source, *slot, stages, fixed), *told)
        for (source, stages), slot, told in zip(pairs, slots, seen, strict=True)
    ]


def foresee(situation: Situation) -> None:
    """Refuse, without a worktree, what `prepare` would: what a side's commit lacks.

    Templates are left to DVC, which reads what lies in a worktree.
    """
    for source in reversed(situation.sides):
        if source.choice.run and (resolved := plain_stages(source.state)):
            _seen(situation, source, resolved)


def unseen(repo: Repo, top: Path, commit: CommitHash, config: ProjectConfig) -> str:
    """Say what the runs of a commit would lack, and the ways to give it to them; "" for nothing."""
    state = ProjectState(repo, objects.commit_info(repo, commit).tree, config)
    nowhere = CacheConfig(top / ".dvc" / "cache")  # whether the bytes are there is not asked
    try:
        if (resolved := plain_stages(state)) is None:
            return ""
        data = pointers.data_state(
            pointers.files_in_tree(repo, state.tree), resolved, config, nowhere
        )
    except GitexpError:  # `run` says it
        return ""
    lacking, _ = mentions.unseen(state, {}, resolved.executed, data)
    if not lacking or lies_in(lacking[0], data.unasked):
        return ""
    more = f" and {len(lacking) - 1} more" if lacking[1:] else ""
    ways = mentions.ways_in(state, lacking[0])
    return f"{lacking[0]}{more}: in no commit, so no run would see it: {ways}, and commit it"


def _seen(
    situation: Situation, source: RunSource, resolved: pipeline.Resolved
) -> tuple[pointers.PointerState, tuple[str, ...]]:
    """Return the data of a side, and the files that it may miss, as `mentions.check` does."""
    cache = cache_of(situation.place.workspace, situation.place.top, source.config)
    files = pointers.files_in_tree(source.repo, source.tree, source.entries)
    data = pointers.data_state(files, resolved, source.config, cache)
    try:
        checks.check_outputs(source, resolved.executed)
        mentions.refuse_own_paths(source)
        return data, mentions.check(source, resolved.executed, data)
    except PreflightError as error:
        if source.side == BASELINE and situation.plan is not None:
            name = situation.plan.baseline.name
            error.next_step = mentions.on_baseline(name, error.next_step)
        raise


def _resolve(roots: list[tuple[Path, RunSource]]) -> list[pipeline.Resolved]:
    """Let the pipelines be taken apart, with the seed's mark where a template may read it."""
    marked = [root for root, source in roots if _mark_seed(root, source)]
    found = pipeline.look([(root, source.config) for root, source in roots])
    for root in marked:
        command.clean_slot(root)
    return [
        pipeline.Resolved((stage,)) if (stage := lone_stage(source.config)) else each
        for each, (_, source) in zip(found, roots, strict=True)
    ]


def _mark_seed(root: Path, source: RunSource) -> bool:
    config = source.config
    text = ABSENT if config.pipeline is None else source.state.read(config.pipeline)
    if text is ABSENT or b"${" not in text:  # where it is missing, the reader of pipelines says so
        return False
    params.write(project_folder(root, config.project), {**source.overrides, **marks(config.seed)})
    return True


def _prepared(
    situation: Situation,
    call: SharedCall,
    side: _Side,
    data: pointers.PointerState,
    doubtful: tuple[str, ...],
) -> Prepared:
    source, resolved = side.source, side.resolved
    config = source.config
    stages = resolved.executed
    cache = cache_of(situation.place.workspace, situation.place.top, config)
    checks.check_cache(cache.dir, source, stages)
    links = checks.links(source)
    data = pointers.with_dvc_2(data, cache)
    lacking = [md5 for one in data.missing for md5 in one.objects]
    if lacking and bring_enclosing(situation.place.top, config, cache, lacking):
        data = replace(data, missing=())
    beside = cache_beside(situation.place.workspace, config, lacking) if data.missing else None
    bring = "" if beside is None else share(beside)
    installed = None if situation.installed is None else situation.installed.environment
    ours, foreign = checks.notebook_kernels(
        source, stages, situation.python, installed, call.environ
    )
    plan = situation.plan
    checks.check_data(source, data, None if plan is None else plan.baseline, bring=bring)
    # A lone command declares no params: it is executed for every seed.
    seeds = config.seed.params if config.pipeline is not None else ()
    named = mentions_seed(stages, config.seed)
    seeded = pipeline.seeded(stages, seeds, config.once, named=named)
    metrics = () if plan is None else (plan.metric, *(guard.metric for guard in plan.guards))
    expected = tuple(name for name in metrics if not is_resource(name))
    laid = {str(key): value for key, value in source.overrides.items()}
    job = Job(
        run=side.run,
        label="",
        attempt=ATTEMPT,
        seed=source.committed_seed,
        commit=source.checkout,
        tree=source.tree,
        project=config.project,
        slots=side.slots,
        stages=stages,
        python=situation.python,
        import_paths=situation.import_paths,
        edits=source.overrides,
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
        repository=str(situation.place.top),
        timeout_s=situation.request.timeout_s or config.timeout_s,
        expect_metrics=expected,
        kernels=ours,
        left_out=left_out(
            source.state,
            [out.path for stage in (*stages, *resolved.apart) for out in stage.outs],
            laid,
        ),
        written=written(source.state, laid),
        evaluators=() if side.frozen is None else side.frozen.makers(stages),
        frozen=() if side.frozen is None else side.frozen.files,
        saved=saved_paths(stages, config.keep, situation.sides[0].config.keep),
    )
    if once_stages.is_kept(plan) and config.pipeline is not None:
        whole = once_stages.unreached(stages, seeded)
        if whole:
            found = once_stages.look(situation, source, whole)
            with contextlib.suppress(GitexpError):  # a remote of somebody else, or out of reach
                once_stages.bring(situation, found, Path(side.slots[0]), data.given, call.environ)
            job = found.told(job)
    draft = Run(
        id=side.run,
        origin=Origin.OBSERVED,
        source=Source(
            commit=source.commit,
            tree=objects.commit_info(source.repo, source.commit).tree,
            branch=situation.place.branch,
            overrides=laid,
            swaps=source.swaps,
            config=source.config_blob,
        ),
        inputs=source.inputs,
        plan=None if plan is None else PlanRef(plan.name, plan.digest),
        group=_group(situation, source),
        engine=situation.request.engine,
        author=situation.author,
        started_at=call.started_at,
        ended_at=call.started_at,
        seeds=source.choice.run,
        committed_seed=source.committed_seed,
        repeats=(),
        params=source.params,
        program=call.program,
        sample_rows=0,
        samples_sha256=hashlib.sha256(samples_format.dump(())).hexdigest(),
        command="\n".join(
            without_marks(text, config.seed) for stage in stages for text in stage.commands
        ),
        call=call.id,
        warnings=(*(f"what it names is in no repeat: {line}" for line in data.unread), *foreign),
        fixed_seeds={str(key): source.committed[key] for key in config.seed.fixed},
        drawn=plan is not None and plan.drawn is not None,
        evaluator="" if side.frozen is None else side.frozen.digest(source.state),
        snapshot_only=source.choice.for_snapshot,
    )
    metric = "" if plan is None else plan.metric
    once = tuple(stage.name for stage in stages if stage.name not in seeded)
    return Prepared(
        JobTemplate(job, source, seeded),
        State(draft, source.side, situation.place.branch, metric, once, _asked(situation)),
        source.choice.run,
        doubtful,
        data.unasked,
    )


def _group(situation: Situation, source: RunSource) -> str:
    """Return what joins the variants of one state, so that `compare` knows how many were tried."""
    if source.side == BASELINE:
        return ""
    if situation.request.group or not source.overrides:
        return situation.request.group
    return inputs_rules.digest(source.state)


def _asked(situation: Situation) -> RunOptions:
    request, main = situation.request, situation.sides[0]
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
        group=_group(situation, main),
    )
