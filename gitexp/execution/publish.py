"""Writes what a call found out: by-products first, then everything else in one transaction."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

from gitexp.dvc import dvcwrite, placement
from gitexp.dvc import inputs as inputs_rules
from gitexp.dvc.cache import open_cache
from gitexp.dvc.cache_objects import CacheConfig, flush
from gitexp.dvc.dvc_config import find_dvc_dir, has_dvc
from gitexp.dvc.exchange import take
from gitexp.dvc.placement import refresh
from gitexp.errors import GitexpError, MovedRefError, UnsafeInputError
from gitexp.execution import record as records
from gitexp.execution import snapshot
from gitexp.execution.adoption import noted
from gitexp.execution.jobs import lies_in
from gitexp.execution.record import Ended, PublishedCall, Record, _message
from gitexp.execution.state import State, resumption
from gitexp.execution.workdir import WorkDir, share
from gitexp.git import objects, refs
from gitexp.git.command import translating
from gitexp.git.discovery import plain_bytes, project_folder
from gitexp.git.refs import local, read_ref
from gitexp.git.transaction import layout, transaction
from gitexp.git.transaction.failpoints import FailPoint
from gitexp.git.transaction.failpoints import reach as reach_point
from gitexp.git.worktree import checkouts
from gitexp.git.writing import DELETE, Content, Message
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT, InputsDigest, TreeId
from gitexp.model.job import FILES, Outcome
from gitexp.model.run import FileHash, StageOrigin
from gitexp.provenance import private
from gitexp.records import plan as plan_format
from gitexp.store import lookup
from gitexp.system import environment
from gitexp.text import params as params_format

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from gitexp.git.repository import Repo
    from gitexp.git.transaction.transaction import TipView
    from gitexp.model.config import ProjectConfig
    from gitexp.model.workspace import Workspace

NOT_RUN: Final = "no repeat used"  # how the word on a snapshot begins where it was nobody's seed


def publish(
    workspace: Workspace, repo: Repo, workdir: WorkDir, sides: Sequence[Ended], now: datetime
) -> PublishedCall:
    """Record all sides of a call in one commit on their branch.

    `sides`: at least one; all name the same branch.
    """
    sides = [
        replace(ended, outcomes=records.that_fit(_outcomes(workdir, ended))) for ended in sides
    ]
    people, homes = environment.machine_account(os.environ)
    places = [str(workdir.root), "" if workspace.top is None else str(workspace.top), *homes]
    # What was executed once lies with the first repeat, be it that of the other side.
    once = tuple(workdir.cache(each.first.run, each.first.seed) for each in sides)
    once += tuple(Path(place) for each in sides for place in each.first.made)
    built = [
        (ended, _keep(ended, workdir, _record(repo, ended, now, places, people), once))
        for ended in sides
    ]
    reach_point(FailPoint.KEPT)
    flush()  # data bytes reach the disk before any ref speaks of them
    for ended, made in built:
        _publish_by_products(workspace, ended, made, now)
    edit = _Edit(repo, workdir, built)
    branch = sides[0].state.branch
    try:
        published = transaction.publish(
            workspace, branch, edit, Message(_message(built), sides[0].state.draft.author, now)
        )
    except MovedRefError as error:
        if read_ref(repo, local(branch)) is not ABSENT:
            raise
        raise MovedRefError(
            f"{branch} was deleted while the run went on",
            found="no such branch",
            expected="the branch to record on; the finished repeats are kept",
            next_step=resumption(sides[0].state, there=False),
        ) from error
    own = [ended for ended, _ in built if ended.state.side == edit.side]
    in_git = [posixpath.join(each.config.project, out) for each in own for out in each.first.keep]
    aside = snapshot.put_aside(repo, branch, published, in_git, sides[0].state.draft.id)
    left = [
        f"{path}: edited in the work tree" for path in published.not_updated if path not in aside
    ]
    for ended in own:
        left += [*_refresh(workspace, branch, ended), *_held_by_nobody(ended)]
    done = tuple((ended.state, edit.marked(ended, made)) for ended, made in built)
    return PublishedCall(
        published.commit, done, edit.said, tuple(left), (*published.cleared, *aside.values())
    )


def _outcomes(workdir: WorkDir, ended: Ended) -> dict[int, Outcome | None]:
    """Return what repeats came to; of one that was lost in what it ran, as far as that is known."""
    run = ended.state.draft.id
    return {seed: each or workdir.lost(run, seed) for seed, each in ended.outcomes.items()}


def record_of(ended: Ended, now: datetime) -> Record:
    """Return what one side comes to, with all that `run.json` may not say in the end."""
    config, finished = ended.config, ended.finished()
    committed, seeds = ended.state.draft.committed_seed, [outcome.seed for outcome in finished]
    whole = committed if committed in seeds else seeds[0] if seeds else None
    wanted = {*config.curves, *([config.predictions.path] if config.predictions else [])}
    saved = {*ended.first.saved}

    def kept(outcome: Outcome) -> tuple[FileHash, ...]:
        """Of every repeat predictions, curves and what the settings name; of one all cached."""
        if outcome.seed != whole:
            own = [output for output in outcome.outputs if output.path in wanted | saved]
            lacking = saved - {output.path for output in own}
            shared = snapshot.joined_outputs(finished[0], outcome) if lacking else ()
            return (*own, *(output for output in shared if output.path in lacking))
        if len(finished) == 1:
            return outcome.outputs
        # What ran once has its outputs in the first repeat only.
        return tuple(snapshot.joined_outputs(finished[0], outcome))

    made = {o.seed: records.made(o, ended.state.once, config.metrics) for o in finished}
    return records.build(ended.state.draft, ended.outcomes, kept=kept, made=made, ended_at=now)


def _record(
    repo: Repo, ended: Ended, now: datetime, places: Sequence[str], people: Sequence[str]
) -> Record:
    made = records.with_examples(repo, ended, record_of(ended, now))
    way = private.held(repo, ended.config)[0].identity
    return replace(made, run=private.run(made.run, way, places, people))


def _keep(ended: Ended, workdir: WorkDir, made: Record, once: tuple[Path, ...]) -> Record:
    """Bring the outputs that a record names from the repeats' own caches into that of DVC.

    Those whose bytes are gone are left out, each with a warning: samples are worth more.
    """
    run, job = made.run, ended.first
    # Where its worker was killed, after hours perhaps, what it had made by then.
    ran = run.once or noted(workdir.attempt(job.run, job.seed))
    if not (ran or any(repeat.outputs for repeat in run.repeats)):
        return made
    project = project_folder(Path(job.repository), job.project)
    shared = has_dvc(project) and open_cache(project).shared
    cache = CacheConfig(Path(job.cache_dir), shared=shared)
    of_first = CacheConfig(once[0], under=once[1:])
    lacking = {out.md5 for each in ran for out in each.outs if not take(of_first, cache, out.md5)}
    if not ended.finished():  # nothing rests on it yet
        ran = tuple(each for each in ran if lacking.isdisjoint(each.hashes.values()))
    repeats = []
    for repeat in run.repeats:
        own = CacheConfig(workdir.cache(run.id, repeat.seed), under=once)
        gone = [out for out in repeat.outputs if not take(own, cache, out.md5)]
        said = [f"{out.path} is not recorded: its bytes are gone, or damaged" for out in gone]
        outputs = tuple(out for out in repeat.outputs if out not in gone)
        repeats.append(replace(repeat, outputs=outputs, warnings=(*repeat.warnings, *said)))
    return replace(made, run=replace(run, repeats=tuple(repeats), once=ran))


def _publish_by_products(workspace: Workspace, ended: Ended, made: Record, now: datetime) -> None:
    listed = [(repeat.seed, output) for repeat in made.run.repeats for output in repeat.outputs]
    # Small files that DVC does not cache: others, who need not execute it, have them from here.
    held = {output.path for _, output in listed}
    folder = project_folder(Path(ended.first.repository), ended.first.project)
    listed += [
        (ended.first.seed, replace(out, isexec=False))
        for each in made.run.once
        if each.origin is StageOrigin.EXECUTED and has_dvc(folder)
        for out in each.outs
        if out.path not in held
    ]
    if not listed:
        return
    run, outs = made.run, [out for stage in ended.first.stages for out in stage.outs]
    text = f"gitexp data: by-products of run {run.id}"
    transaction.publish_data(
        workspace,
        layout.data_pointer(run.id, _dvc_folder(workspace, ended.config)),
        dvcwrite.dump_byproducts(run.id, listed, outs),
        run.source.commit,
        Message(text, ended.state.draft.author, now),  # Git's to name
    )


def _dvc_folder(workspace: Workspace, config: ProjectConfig) -> str:
    """Return the folder that holds ``.dvc/``, from the repository's top; "" for the top."""
    if workspace.top is None:
        return ""
    folder = project_folder(workspace.top, config.project)
    found = find_dvc_dir(folder).parent.relative_to(workspace.top)
    return "" if found == PurePath() else found.as_posix()


def _check_plan(view: TipView, state: State) -> None:
    """Refuse a tip that no longer has the plan under which the run was made."""
    ref = state.draft.plan
    if ref is None:
        return
    path = layout.plan_path(ref.name)
    data = view.read(path)
    if data is not ABSENT:
        plan = plan_format.load(data, path)
        # What ran before an amendment is recorded as that: it keeps the plan that it names.
        if ref.digest in {plan.digest, *(each.digest for each in plan.amended)}:
            return
    raise MovedRefError(
        f"{state.branch} was rewritten while the run went on, and has another plan now",
        where=path,
        expected=f"the plan with digest {ref.digest[:12]}",
        next_step=f"put that plan back on {state.branch}, then " + resumption(state, there=True),
    )


def _with_source(repo: Repo, view: TipView, ended: Ended, made: Record) -> Record:
    """Name a source that other clones find, too.

    While the run went on, `sync` may have put the record that it started from onto another tip.
    Where both lines parted the inputs are the same, as only records were moved.
    """
    source = made.run.source
    if objects.is_ancestor(repo, source.commit, view.commit) or not refs.unreachable(
        repo, [source.commit]
    ):
        return made
    base = objects.merge_base(repo, source.commit, view.commit)
    if base is ABSENT:
        return made
    tree = objects.commit_info(repo, base).tree
    if _inputs(repo, tree, ended) != _inputs(repo, source.tree, ended):
        return made  # a person rewrote the branch
    moved = replace(source, commit=base, tree=tree)
    return replace(made, run=replace(made.run, source=moved))


@dataclass(slots=True)
class _Edit:
    """What a call writes onto the tip of its branch, and what was decided when that was done last.

    At most one side writes the snapshot.
    """

    repo: Repo
    workdir: WorkDir
    built: Sequence[tuple[Ended, Record]]
    said: str = ""  # of the snapshot
    side: str = ""  # whose it is
    seed: int | None = None

    def __call__(self, view: TipView) -> Mapping[str, Content]:
        self.said, self.side, self.seed = "", "", None
        files: dict[str, Content] = {}
        for ended, made in self.built:
            if view.read(layout.run_json(made.run.id)) is not ABSENT:
                continue  # another --resume was faster, and a record is never written twice
            _check_plan(view, ended.state)
            files.update(self._snapshot(view, ended, made))
            files.update(self.marked(ended, _with_source(self.repo, view, ended, made)).files())
        return files

    def marked(self, ended: Ended, made: Record) -> Record:
        """Return a record that says which of its repeats the snapshot is of."""
        if self.seed is None or self.side != ended.state.side:
            return made
        own = (replace(each, snapshot=each.seed == self.seed) for each in made.run.repeats)
        return replace(made, run=replace(made.run, repeats=tuple(own)))

    def _snapshot(self, view: TipView, ended: Ended, made: Record) -> dict[str, Content]:
        """Return the snapshot's files where this side may write them; note what was decided."""
        draft = ended.state.draft
        committed = draft.committed_seed
        chosen = next((o for o in ended.finished() if o.seed == committed), None)
        if self.seed is not None:
            return {}
        named_seed = f"{'the committed ' if ended.config.seed.params else ''}seed {committed}"
        stays = "dvc.lock stays as it is"
        if ended.config.pipeline is None:
            stays = "outputs and metrics files stay as they are"
        named = {out.md5 for r in made.run.repeats if r.seed == committed for out in r.outputs}
        whole = chosen is None or named.issuperset(
            out.md5 for out in snapshot.joined_outputs(ended.finished()[0], chosen)
        )
        if chosen is None or not whole:
            why = f"{NOT_RUN} {named_seed}"
            if committed in ended.outcomes:
                what = "did not finish" if whole else "lost outputs"
                why = f"the repeat with {named_seed} {what}"
            self.said = self.said or f"{why}, so {stays}"
            return {}
        if draft.source.overrides or not (
            _same_inputs(self.repo, view, ended) and _same_seeds(view, ended.config, chosen)
        ):
            self.said = self.said or f"the branch is at another state than the run, so {stays}"
            return {}
        kept = dict(_kept_files(ended, chosen, self.workdir.attempt(draft.id, committed)))
        first = ended.finished()[0]
        found = lookup.runs_at(self.repo, view.commit)
        state = draft.inputs, (committed, tuple(sorted(chosen.seeds.items())))
        if snapshot.is_written(self.repo, view.read, ended.config, found, state):
            self.said = "the branch has a snapshot of this state already"
            return {}
        if ended.config.pipeline is None:
            files: dict[str, Content] = {
                **snapshot.pointer_files(view.read, ended.config, _own_outputs(ended, chosen), kept)
            }
        else:
            order = [stage.name for stage in ended.first.stages]
            joined = snapshot.joined_records(first, chosen, order)
            stages = ended.first.stages
            files = {
                **snapshot.pipeline_files(view.read, ended.config, joined, stages, kept),
                **_no_longer_made(self.repo, view, ended, kept),
            }
        self.side = ended.state.side
        self.seed = committed
        # Where only numbers are kept the state has its snapshot, too: nobody makes it again.
        self.said = f"written, with {named_seed}" if files else ""
        return files


def _own_outputs(ended: Ended, chosen: Outcome) -> list[FileHash]:
    """Leave to a snapshot what DVC holds of the project.

    Predictions and curves that are not outputs are by-products: a pointer to them beside a file in
    Git would give it to both, and the file in the work tree would be a change that nobody made.
    """
    held = {out.path for stage in ended.first.stages for out in stage.outs if out.cache}
    first = ended.finished()[0]
    made = {out.path: out for stage in (*first.stages, *chosen.stages) for out in stage.outs}
    return [
        replace(out, isexec=out.path in made and made[out.path].isexec)
        for out in snapshot.joined_outputs(first, chosen)
        if out.path in held
    ]


def _kept_files(ended: Ended, chosen: Outcome, attempt: Path) -> Iterator[tuple[str, bytes]]:
    """Yield what a repeat made of the files that Git holds: those of its job, and no other file."""
    for each in chosen.kept:
        path = attempt / FILES / each.path
        own = each.file == f"{FILES}/{each.path}" and lies_in(each.path, ended.first.keep)
        if not own or path.resolve() != attempt.resolve() / FILES / each.path:
            raise UnsafeInputError(
                "a repeat's outcome names a file that its job does not keep",
                found=f"{ascii(each.path)[1:-1]} in {ascii(each.file)[1:-1]}",
                where=str(attempt),
                expected=", ".join(ended.first.keep),
            )
        with translating("cannot read what a repeat made", str(attempt)):
            data = plain_bytes(path)
        yield each.path, data


def _no_longer_made(
    repo: Repo, view: TipView, ended: Ended, kept: Collection[str]
) -> dict[str, Content]:
    """Delete what Git holds of an output folder and this execution did not write into it.

    dvc.lock has the hash of the whole folder: with a file too many `dvc status` finds it modified.
    """
    gone: dict[str, Content] = {}
    for path in ended.first.keep:
        folder = posixpath.join(ended.config.project, path)
        there = objects.tree_id(repo, view.tree, folder)
        if there is not ABSENT and any(lies_in(file, (path,)) for file in kept):
            for entry in objects.walk_tree(repo, there):
                below = os.fsdecode(entry.path)
                if posixpath.join(path, below) not in kept:
                    gone[posixpath.join(folder, below)] = DELETE
    return gone


def _same_inputs(repo: Repo, view: TipView, ended: Ended) -> bool:
    draft = ended.state.draft  # without overrides
    return view.tree == draft.source.tree or _inputs(repo, view.tree, ended) == draft.inputs


def _same_seeds(view: TipView, config: ProjectConfig, chosen: Outcome) -> bool:
    """Tell whether the tip's seeds, which no inputs cover, are those of the repeat."""
    for key in config.seed.every:
        data = view.read(posixpath.join(config.project, key.file))
        if data is ABSENT:
            return False
        held = params_format.flat(data, key.file).get(key.key)
        if held != chosen.seeds.get(str(key), chosen.seed):
            return False
    return True


def _inputs(repo: Repo, tree: TreeId, ended: Ended) -> InputsDigest:
    return inputs_rules.compute(repo, tree, ended.config)


def _refresh(workspace: Workspace, branch: str, ended: Ended) -> list[str]:
    """Bring the outputs in the branch's work trees to the snapshot; return what was left.

    The run is recorded: from here on nothing is an error.
    """
    committed = ended.state.draft.committed_seed
    wanted = _own_outputs(ended, next(o for o in ended.finished() if o.seed == committed))
    left: list[str] = []
    for place in checkouts.on_branch(workspace, branch) if wanted else ():
        shown = "" if place.top == workspace.top else f"{place.top}/"
        there, how = "", "dvc checkout"
        try:
            project = project_folder(place.top, ended.config.project)
            cache = open_cache(project)
            if cache.dir != (used := Path(ended.first.cache_dir)):
                there, how = "there: ", share(used)
            with placement.main_lock(project):
                result = refresh(project, wanted, cache)
        except GitexpError as error:  # DVC is at work there, or the disk is full
            left += [f"{shown}{out.path}: {error.summary}; {there}{how}" for out in wanted]
        else:
            left += [
                f"{shown}{each.path}: {each.why}; {there}{each.aside}{how}" for each in result.left
            ]
    return left


def _held_by_nobody(ended: Ended) -> list[str]:
    """Name outputs of the pipeline that the lock describes and neither Git nor a cache holds."""
    committed = ended.state.draft.committed_seed
    kept = [each.path for o in ended.finished() if o.seed == committed for each in o.kept]
    return [
        f"{out.path}: Git ignores it and DVC does not cache it, so no commit holds it; dvc repro"
        for stage in ended.first.stages
        for out in stage.outs
        if ended.config.pipeline is not None
        and not (out.cache or any(lies_in(file, (out.path,)) for file in kept))
    ]


def snapshot_of(said: Sequence[str]) -> str:
    """Return what became of the snapshot, by what each part of a call says: one part writes it."""
    # A part that has not run the committed seed says nothing of the call.
    told = [text for text in said if not text.startswith(NOT_RUN)] or said
    return next((text for text in told if text.startswith("written")), told[-1] if told else "")
