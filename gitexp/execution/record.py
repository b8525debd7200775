"""From outcomes to the files of a record. Pure, but for the reading of kept files and Git."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from gitexp.dvc.evaluator import examples_read
from gitexp.dvc.state import ProjectState
from gitexp.git.transaction import layout
from gitexp.model import dataclass, replace
from gitexp.model.metrics import summarise
from gitexp.model.run import FileHash, Observed, Repeat, RepeatState
from gitexp.records import codec
from gitexp.report.escape import visible
from gitexp.store.lookup import environment_digest
from gitexp.text import samples as samples_format
from gitexp.text.foreign import with_parents
from gitexp.text.jsontext import json_dumps_compact

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from gitexp.execution.state import State
    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import CommitHash, EnvironmentDigest
    from gitexp.model.job import Job, Outcome
    from gitexp.model.run import Environment, OnceRecord, Run, Sample

LOST_REASON = "the worker was killed, or its machine went away, without a word"
TOO_MANY = (
    f"the repeats of one call report more than {samples_format.MOST_ROWS} numbers: "
    "fewer repeats in one call, or declare what belongs to steps as a curve"
)


@dataclass(frozen=True, slots=True)
class Record:
    """A run with its samples and environments, ready to be written."""

    run: Run
    samples: tuple[Sample, ...]
    environments: Mapping[EnvironmentDigest, Environment]

    def files(self) -> dict[str, bytes]:
        """Return the record's files by their path in the repository."""
        files = {
            layout.run_json(self.run.id): codec.dump(self.run),
            layout.samples_csv(self.run.id): samples_format.dump(self.samples),
        }
        for digest, environment in self.environments.items():
            folder = layout.environment_dir(digest)
            files[f"{folder}/environment.json"] = codec.dump(environment)
            files[f"{folder}/requirements.txt"] = requirements(environment)
        return files


def requirements(environment: Environment) -> bytes:
    """Write ``name==version`` for each distribution; one inside the repository as a comment.

    >>> from gitexp.model.run import Distribution, Environment
    >>> env = Environment("cpython", "3.12.1", "cp312", "linux_x86_64", "glibc 2.36", (
    ...     Distribution("churn", "0.1", "", "src"), Distribution("numpy", "2.1.0", "ab")))
    >>> print(requirements(env).decode(), end="")
    # cpython 3.12.1 on linux_x86_64, written by gitexp
    # churn 0.1 lies in this repository: src
    numpy==2.1.0
    """
    system = f"{environment.implementation} {environment.python} on {environment.platform}"
    lines = [f"# {system}, written by gitexp"]
    for item in environment.distributions:
        if item.path:
            lines.append(f"# {item.name} {item.version} lies in this repository: {item.path}")
        else:
            lines.append(f"{item.name}=={item.version}")
    return "".join(f"{' '.join(line.split())}\n" for line in lines).encode()


def that_fit(outcomes: Mapping[int, Outcome | None]) -> dict[int, Outcome | None]:
    """Return the outcomes, those as failed whose numbers find no room in the run's table."""
    rows = 0
    found: dict[int, Outcome | None] = {}
    for seed, outcome in outcomes.items():
        found[seed] = outcome
        if outcome is None or outcome.state is not RepeatState.FINISHED:
            continue
        if rows + len(outcome.samples) > samples_format.MOST_ROWS:
            found[seed] = replace(outcome, state=RepeatState.FAILED, reason=TOO_MANY, seen=True)
        else:
            rows += len(outcome.samples)
    return found


def build(
    draft: Run,
    outcomes: Mapping[int, Outcome | None],
    *,
    kept: Callable[[Outcome], tuple[FileHash, ...]],
    made: Mapping[int, str],
    ended_at: datetime,
) -> Record:
    """Join what was known before with what came out.

    `outcomes`: by seed, in the order of execution; None where a started repeat left nothing.
    `kept`: the outputs of which a record keeps the bytes.
    """
    repeats: list[Repeat] = []
    samples: list[Sample] = []
    environments: dict[EnvironmentDigest, Environment] = {}
    every = [o for o in outcomes.values() if o is not None and o.observed is not None]
    whole = max(every, key=lambda outcome: len(outcome.stages), default=None)
    seen: list[Observed] = []
    once: dict[str, OnceRecord] = {}  # of one run it is the same in every repeat
    for seed, outcome in outcomes.items():
        if outcome is None:
            repeats.append(Repeat(seed, RepeatState.LOST, LOST_REASON))
            continue
        for each in outcome.once:
            once.setdefault(each.stage, each)
        digest = None
        if outcome.environment is not None:
            digest = environment_digest(outcome.environment)
            environments[digest] = outcome.environment
        outputs = (*kept(outcome), *filter(None, (outcome.logged,)))
        number = None
        if outcome.observed is not None and whole is not None:
            mine = _with_shared(outcome.observed, len(outcome.stages), whole)
            seen += [] if mine in seen else [mine]
            number = seen.index(mine)
        repeat = _repeat(outcome, digest, outputs)
        if outcome.state is RepeatState.LOST:
            repeat = replace(repeat, reason=LOST_REASON)
        repeats.append(replace(repeat, made=made.get(seed, ""), observed=number))
        if outcome.state is RepeatState.FINISHED:
            samples.extend(outcome.samples)
    text = samples_format.dump(tuple(samples))
    run = replace(
        draft,
        ended_at=max(draft.started_at, ended_at),  # a clock may be set back meanwhile
        repeats=tuple(repeats),
        once=tuple(once.values()),
        sample_rows=len(samples),
        samples_sha256=hashlib.sha256(text).hexdigest(),
        observed=tuple(seen),
    )
    return Record(run, tuple(samples), environments)


def _with_shared(mine: Observed, stages: int, whole: Outcome) -> Observed:
    """Return what a repeat asked for, joined to that of the stages which another one executed."""
    other = whole.observed
    if other is None or stages >= len(whole.stages):
        return mine
    return Observed(
        distributions=tuple(sorted({*mine.distributions, *other.distributions})),
        asked=tuple(sorted({*mine.asked, *other.asked})),
        loose={**other.loose, **mine.loose},
        modules=mine.modules,
        why=mine.why or other.why,
    )


def made(outcome: Outcome, once: Collection[str], metrics: Collection[str]) -> str:
    """Return a digest over what a repeat made that its seed could change; "" where that is nothing.

    `outcome`: of a finished repeat, before anything is joined to it. `once`: names of the stages
    that were executed for one seed only. `metrics`: paths of metrics files, whose numbers are
    compared, not their bytes: times are among them. A folder that holds one is left out with it.
    """
    apart = {folder for path in metrics for folder in with_parents(path)}
    ran_once = {out.path for stage in outcome.stages if stage.name in once for out in stage.outs}
    found = {out.path: out.md5 for stage in outcome.stages for out in stage.outs}
    found |= {out.path: out.md5 for out in outcome.outputs}
    mine = {path: md5 for path, md5 in found.items() if path not in apart}
    covers = ran_once | mine.keys()  # a folder says what is in it
    rows = sorted(
        [path, md5]
        for path, md5 in mine.items()
        if path not in ran_once and covers.isdisjoint(with_parents(path)[1:])
    )
    return hashlib.sha256(json_dumps_compact(rows)).hexdigest() if rows else ""


def _repeat(
    outcome: Outcome, environment: EnvironmentDigest | None, outputs: tuple[FileHash, ...]
) -> Repeat:
    finished = outcome.state is RepeatState.FINISHED
    patched = tuple(f"patched after installation: {path}" for path in outcome.patched)
    return Repeat(
        seed=outcome.seed,
        state=outcome.state,
        reason=outcome.reason,
        stage="" if finished else outcome.stage,
        exit_code=outcome.exit_code,
        log_tail="" if finished else outcome.log_tail,
        attempt=outcome.attempt,
        started_at=outcome.started_at,
        ended_at=outcome.ended_at,
        environment=environment,
        links=outcome.links,
        evaluation=outcome.evaluation,
        evaluation_basis=outcome.evaluation_basis,
        resources=outcome.resources,
        outputs=outputs if finished else (),
        warnings=(*outcome.warnings, *patched),
        seeds=outcome.seeds,
        resumed=outcome.resumed,
        seen=outcome.seen and not finished,
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """One side of a call, executed."""

    state: State
    config: ProjectConfig  # the settings the side was executed with
    first: Job  # the job with every stage
    outcomes: Mapping[int, Outcome | None]  # by seed, in the order of execution

    def finished(self) -> list[Outcome]:
        """Return the outcomes of the repeats that finished."""
        return [
            outcome
            for outcome in self.outcomes.values()
            if outcome is not None and outcome.state is RepeatState.FINISHED
        ]


def with_examples(repo: Repo, ended: Ended, record: Record) -> Record:
    """Add the hashes of what each seed's own stages made of raw data to test on."""
    if not any(repeat.evaluation_basis == "data" for repeat in record.run.repeats):
        return record
    state = ProjectState(repo, ended.first.tree, ended.config)
    read = {*examples_read(state, ended.config.metrics).made}
    once = ended.state.once
    found = {
        outcome.seed: {
            out.path: out.md5
            for stage in outcome.stages
            for out in stage.outs
            if stage.name not in once and out.path in read
        }
        for outcome in ended.finished()
    }
    repeats = tuple(replace(each, examples=found.get(each.seed, {})) for each in record.run.repeats)
    return replace(record, run=replace(record.run, repeats=repeats))


@dataclass(frozen=True, slots=True)
class PublishedCall:
    """What is in the repository now."""

    commit: CommitHash
    records: tuple[tuple[State, Record], ...]
    snapshot: str
    not_updated: tuple[str, ...]
    cleared: tuple[str, ...]  # stale locks of dead processes, in words


def _message(built: Sequence[tuple[Ended, Record]]) -> str:
    lines = []
    for ended, made in built:
        states = [repeat.state for repeat in made.run.own_repeats or made.run.repeats]
        good = states.count(RepeatState.FINISHED)
        name = ended.state.draft.plan.name if ended.state.draft.plan else "no plan"
        text = f"{ended.state.side} {good}/{len(states)} repeats"
        summary = _summary(made, ended.state.plan_metric)
        lines.append(visible(f"{text} ({name}){': ' + summary if summary else ''}"))
    head = f"gitexp run: {lines[0]}"
    ids = "\n".join(f"Gitexp-Run: {made.run.id}" for _, made in built)
    return "\n\n".join([head, *lines[1:], ids]) + "\n"


def _summary(made: Record, metric: str) -> str:
    """Return mean and standard deviation of one metric, for people; "" where there is none."""
    for found in summarise(made.run.own(made.samples)):
        if found.metric == metric:
            spread = "" if found.sd is None else f" +- {found.sd:.2g}"
            return f"{metric} {found.mean:.4g}{spread}"
    return ""
