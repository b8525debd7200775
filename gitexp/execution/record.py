"""From outcomes to the files of a record. Pure, but for the reading of kept files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitexp.git.transaction import layout
from gitexp.model.run import Output, Repeat, RepeatState
from gitexp.records import codec
from gitexp.records import environment as environment_format
from gitexp.text import samples as samples_format
from gitexp.text.jsontext import json_dumps_compact

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from gitexp.model.ids import EnvironmentDigest
    from gitexp.model.job import Outcome
    from gitexp.model.run import Environment, Run, Sample

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
            files[f"{folder}/requirements.txt"] = environment_format.requirements(environment)
        return files


def that_fit(outcomes: Mapping[int, Outcome | None]) -> dict[int, Outcome | None]:
    """Return the outcomes, those as failed whose numbers find no room in the run's table.

    The others are kept: a table of all could not be read again. What failed here makes no
    snapshot, so this comes before anything else is decided.
    """
    rows = 0
    found: dict[int, Outcome | None] = {}
    for seed, outcome in outcomes.items():
        found[seed] = outcome
        if outcome is None or outcome.state is not RepeatState.FINISHED:
            continue
        if rows + len(outcome.samples) > samples_format.MOST_ROWS:
            found[seed] = replace(outcome, state=RepeatState.FAILED, reason=TOO_MANY)
        else:
            rows += len(outcome.samples)
    return found


def build(  # noqa: PLR0913  what was decided of the repeats together
    draft: Run,
    outcomes: Mapping[int, Outcome | None],
    *,
    by_products: frozenset[str],
    whole_seed: int | None,
    made: Mapping[int, str],
    ended_at: datetime,
) -> Record:
    """Join what was known before with what came out.

    `outcomes`: by seed, in the order of execution, as `that_fit` gives them; None where a started
    repeat left nothing. `by_products`: paths of which every repeat's bytes are kept: predictions
    and curves. `whole_seed`: seed of which all cached outputs are listed. `made`: by seed, what
    `made` says of its outcome.
    """
    repeats: list[Repeat] = []
    samples: list[Sample] = []
    environments: dict[EnvironmentDigest, Environment] = {}
    for seed, outcome in outcomes.items():
        if outcome is None:
            repeats.append(Repeat(seed, RepeatState.LOST, LOST_REASON))
            continue
        digest = None
        if outcome.environment is not None:
            digest = environment_format.digest(outcome.environment)
            environments[digest] = outcome.environment
        kept = outcome.outputs if seed == whole_seed else _only(outcome.outputs, by_products)
        kept += () if outcome.logged is None else (outcome.logged,)
        repeats.append(replace(_repeat(outcome, digest, kept), made=made.get(seed, "")))
        if outcome.state is RepeatState.FINISHED:
            samples.extend(outcome.samples)
    text = samples_format.dump(tuple(samples))
    run = replace(
        draft,
        ended_at=ended_at,
        repeats=tuple(repeats),
        sample_rows=len(samples),
        samples_sha256=hashlib.sha256(text).hexdigest(),
    )
    return Record(run, tuple(samples), environments)


def made(outcome: Outcome, once: Collection[str], metrics: Collection[str]) -> str:
    """Return a digest over what a repeat made that its seed could change; "" where that is nothing.

    `outcome`: of a finished repeat, before anything is joined to it. `once`: names of the stages
    that were executed for one seed only. `metrics`: paths of metrics files, whose numbers are
    compared, not their bytes: times are among them. A folder that holds one is left out with it.
    """
    apart = {path[:end] for path in metrics for end in _ends(path)}
    ran_once = {out.path for stage in outcome.stages if stage.name in once for out in stage.outs}
    found = {out.path: out.md5 for stage in outcome.stages for out in stage.outs}
    found |= {out.path: out.md5 for out in outcome.outputs}
    rows = sorted([path, md5] for path, md5 in found.items() if path not in ran_once | apart)
    return hashlib.sha256(json_dumps_compact(rows)).hexdigest() if rows else ""


def _ends(path: str) -> list[int]:
    """Return where a path and the folders above it end."""
    return [*(end for end, letter in enumerate(path) if letter == "/"), len(path)]


def mark_snapshot(record: Record, seed: int) -> Record:
    """Say in the record that one repeat's outputs are those of dvc.lock."""
    repeats = tuple(
        replace(repeat, snapshot=True) if repeat.seed == seed else repeat
        for repeat in record.run.repeats
    )
    return replace(record, run=replace(record.run, repeats=repeats))


def _only(outputs: Sequence[Output], wanted: frozenset[str]) -> tuple[Output, ...]:
    return tuple(output for output in outputs if output.path in wanted)


def _repeat(
    outcome: Outcome, environment: EnvironmentDigest | None, outputs: tuple[Output, ...]
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
    )
