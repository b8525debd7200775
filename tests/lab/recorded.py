"""Records as files to commit: a plan, a run, settings. Only for tests."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gitexp.git.transaction import layout
from gitexp.model.config import ParamKey, ProjectConfig, SeedRule
from gitexp.model.ids import CommitHash, EnvironmentDigest, InputsDigest, RunId, TreeId
from gitexp.model.plan import BaselineRef, Claim, Direction, Effect, HypothesisKind, Person, Plan
from gitexp.model.run import Origin, PlanRef, Repeat, RepeatState, Run, Sample, Source
from gitexp.records import codec, terms
from gitexp.records import config as config_format
from gitexp.text import samples as samples_format

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.model.ids import ParamValue
    from tests.lab.build import BuiltRepo

ADA = Person("Ada Lovelace", "ada@example.org")
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
CONFIG = ProjectConfig(
    pipeline="dvc.yaml",
    metrics=("metrics.json",),
    outputs=("prepared.csv", "model.txt"),
    seed=SeedRule((ParamKey("params.yaml", "seed"),)),
)


def run_id(number: int) -> RunId:
    """Return a run id; different numbers differ in the first two characters."""
    digits = []
    for _ in range(16):
        number, digit = divmod(number, 32)
        digits.append(ALPHABET[digit])
    return RunId("".join(digits))


def config_file(config: ProjectConfig = CONFIG) -> dict[str, bytes]:
    return {layout.CONFIG: config_format.dump_template(config)}


def a_plan(name: str, baseline: str, *, branch: str = "", repeats: int = 3) -> Plan:
    return terms.sealed(
        Plan(
            name=name,
            branch=branch or f"exp/{name}",
            objective="find out",
            hypothesis="it rises by 5 %",
            claim=Claim.METHOD,
            metric="f1",
            direction=Direction.MAX,
            effect=Effect(HypothesisKind.SUPERIORITY, 0.05, relative=True),
            alpha=0.05,
            repeats=repeats,
            baseline=BaselineRef("main", CommitHash(baseline)),
            author=ADA,
            created_at=NOON,
            guards=(),
            evaluation=(),
        )
    )


def plan_file(plan: Plan) -> dict[str, bytes]:
    return {layout.plan_path(plan.name): codec.dump(plan)}


def a_run(  # noqa: PLR0913
    number: int,
    values: Sequence[float] = (0.5,),
    *,
    seeds: Sequence[int] = (),
    inputs: str = "1" * 64,
    plan: Plan | None = None,
    commit: str = "0" * 40,
    branch: str = "",
    params: Mapping[str, ParamValue] | None = None,
    failed: Sequence[int] = (),
    environment: str = "e" * 64,
    started_at: datetime | None = None,
) -> tuple[Run, tuple[Sample, ...]]:
    """Return a run with one f1 sample a seed; the seeds of `failed` have none."""
    numbered = tuple(seeds) or tuple(range(len(values)))
    samples = tuple(Sample("f1", s, v) for s, v in zip(numbered, values, strict=True))
    begin = started_at or NOON + timedelta(minutes=number % 10_000)
    data = samples_format.dump(samples)
    run = Run(
        id=run_id(number),
        origin=Origin.OBSERVED,
        source=Source(CommitHash(commit), TreeId("0" * 40), branch),
        inputs=InputsDigest(inputs),
        plan=None if plan is None else PlanRef(plan.name, plan.digest),
        group="",
        engine="local",
        author=ADA,
        started_at=begin,
        ended_at=begin + timedelta(seconds=30),
        seeds=(*numbered, *failed),
        committed_seed=0,
        repeats=(
            *(
                Repeat(s, RepeatState.FINISHED, environment=EnvironmentDigest(environment))
                for s in numbered
            ),
            *(Repeat(s, RepeatState.FAILED, reason="exit code 1", log_tail="oh\n") for s in failed),
        ),
        params=params or {},
        program="gitexp 0.1.0",
        sample_rows=len(samples),
        samples_sha256=hashlib.sha256(data).hexdigest(),
    )
    return run, samples


def run_files(run: Run, samples: Sequence[Sample]) -> dict[str, bytes]:
    return {
        layout.run_json(run.id): codec.dump(run),
        layout.samples_csv(run.id): samples_format.dump(samples),
    }


def one_experiment(repo: BuiltRepo) -> None:
    """Commit settings, and on a branch of its own an experiment with a run of two repeats."""
    base = repo.commit(config_file())
    repo.switch("exp/one", create=True)
    plan = a_plan("one", base)
    repo.commit(plan_file(plan), at=2)
    run = a_run(1, [0.5, 0.6], plan=plan, branch="exp/one", commit=repo.hash())
    repo.commit(run_files(*run), at=3)
