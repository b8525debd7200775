"""Recorded experiments without running anything: plans and runs written as the formats say."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gitexp.comparison.compare import compare
from gitexp.dvc import inputs
from gitexp.git import objects, repository
from gitexp.git.transaction import layout
from gitexp.model.config import ProjectConfig
from gitexp.model.ids import CommitHash, EvaluationDigest, InputsDigest, RunId
from gitexp.model.plan import BaselineRef, Claim, Direction, Guard, OnFailed, Person, Plan
from gitexp.model.run import (
    Environment,
    FileHash,
    Origin,
    PlanRef,
    Repeat,
    RepeatState,
    Resources,
    Run,
    Sample,
    Source,
)
from gitexp.records import codec, terms
from gitexp.records import config as config_format
from gitexp.store import plans
from gitexp.store.lookup import environment_digest
from gitexp.text import samples as samples_format
from tests.lab import build

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gitexp.comparison.draft import CompareOptions
    from gitexp.model.comparison import Comparison
    from gitexp.model.plan import Stopping
    from tests.lab.build import BuiltRepo

START = datetime(2026, 1, 1, tzinfo=UTC)
ADA = Person("Ada Lovelace", "ada@example.org")
ENVIRONMENT = Environment("cpython", "3.11.9", "cp311", "linux_x86_64", "glibc 2.41", ())
EVALUATION = EvaluationDigest("e" * 64)
CONFIG = ProjectConfig(command="python train.py", metrics=("metrics.json",))


@dataclass(frozen=True)
class Lab:
    """A repository whose experiments are written by hand."""

    repo: BuiltRepo
    clock: list[int] = field(default_factory=lambda: [0])
    ended: tuple[RepeatState, str] = (RepeatState.FAILED, "exit code 1")  # what did not finish
    basis: str = "predictions"  # what tells evaluation data apart

    def tick(self) -> int:
        """Return the next minute."""
        self.clock[0] += 1
        return self.clock[0]

    def init(self, config: ProjectConfig = CONFIG, files: Mapping[str, str] | None = None) -> None:
        """Commit a project on main."""
        self.repo.commit(
            {
                layout.CONFIG: config_format.dump_template(config),
                "params.yaml": "depth: 2\n",
                "train.py": "print('train')\n",
                **(files or {}),
            },
            at=self.tick(),
            message="a project",
        )

    def plan(  # noqa: PLR0913  the fields of a plan
        self,
        name: str = "deep",
        *,
        effect: str = ">=5%",
        metric: str = "f1",
        direction: Direction = Direction.MAX,
        repeats: int = 10,
        claim: Claim = Claim.METHOD,
        guards: tuple[Guard, ...] = (),
        alpha: float = 0.05,
        baseline: str = "main",
        hypothesis: str = "A deeper model raises F1 by at least 5 %.",
        prefix: str = "exp/",
        stopping: Stopping | None = None,
        on_failed: OnFailed = OnFailed.REFUSE,
        failure: str = "",
        rules: int = 1,
        guards_shown: bool = False,
    ) -> Plan:
        """Begin an experiment on a branch of its own, from the current commit."""
        branch = f"{prefix}{name}"
        self.repo.switch(branch, create=True)
        plan = terms.sealed(
            Plan(
                name=name,
                branch=branch,
                objective="Find more leavers.",
                hypothesis=hypothesis,
                claim=claim,
                metric=metric,
                direction=direction,
                effect=terms.parse_effect(effect, direction),
                alpha=alpha,
                repeats=repeats,
                baseline=BaselineRef(baseline, CommitHash(self.repo.hash(baseline))),
                author=ADA,
                created_at=START,
                guards=guards,
                stopping=stopping,
                on_failed=on_failed,
                failure=failure,
                evaluation=(),
                rules=rules,
                guards_shown=guards_shown,
            )
        )
        self.repo.commit({layout.plan_path(name): codec.dump(plan)}, at=self.tick(), message="plan")
        return plan

    def change(self, depth: int = 3) -> None:
        """Change the candidate."""
        self.repo.commit({"params.yaml": f"depth: {depth}\n"}, at=self.tick())

    def inputs(self, revision: str = "HEAD") -> InputsDigest:
        """Return the inputs of a revision."""
        repo = repository.open_repository(self.repo.workspace)
        commit = CommitHash(self.repo.hash(revision))
        config, _ = plans.config_of(repo, commit, commit)
        return inputs.compute(repo, objects.commit_info(repo, commit).tree, config)

    def record(  # noqa: PLR0913  what a run may differ in
        self,
        letter: str,
        values: Mapping[str, Mapping[int, float]],
        *,
        of: str = "HEAD",
        plan: Plan | None = None,
        environment: Environment = ENVIRONMENT,
        evaluation: Mapping[int, str] | str = EVALUATION,
        origin: Origin = Origin.OBSERVED,
        failed: Sequence[int] = (),
        links: str = "",
        call: str = "",
        outputs: Mapping[int, tuple[FileHash, ...]] | None = None,
        samples: tuple[Sample, ...] = (),
        commit: bool = True,
        resources: Mapping[int, Resources] | None = None,
        made: Mapping[int, str] | None = None,
    ) -> Run:
        """Record a run of some revision's inputs on the current branch."""
        run, files = self.run_files(
            letter,
            values,
            of=of,
            plan=plan,
            environment=environment,
            evaluation=evaluation,
            origin=origin,
            failed=failed,
            links=links,
            call=call,
            outputs=outputs,
            samples=samples,
            resources=resources,
            made=made,
        )
        if commit:
            self.repo.commit(files, at=self.tick(), message=f"run {letter}")
        else:
            self.repo.write(files)
            self.repo.git("add", "--force", "--all", "--", *files)
        return run

    def run_files(  # noqa: PLR0913  as above
        self,
        letter: str,
        values: Mapping[str, Mapping[int, float]],
        *,
        of: str,
        plan: Plan | None,
        environment: Environment,
        evaluation: Mapping[int, str] | str,
        origin: Origin,
        failed: Sequence[int],
        links: str,
        call: str,
        outputs: Mapping[int, tuple[FileHash, ...]] | None,
        samples: tuple[Sample, ...],
        resources: Mapping[int, Resources] | None = None,
        made: Mapping[int, str] | None = None,
    ) -> tuple[Run, dict[str, bytes]]:
        """Return a run and its files."""
        digest = environment_digest(environment)
        rows = samples or tuple(
            Sample(metric, seed, value)
            for metric, by_seed in values.items()
            for seed, value in by_seed.items()
        )
        table = samples_format.dump(rows)
        started = START + timedelta(minutes=self.tick())
        seeds = sorted({row.seed for row in rows})
        repeats = [
            Repeat(
                seed=seed,
                state=RepeatState.FINISHED,
                started_at=started,
                ended_at=started,
                environment=digest,
                links=links,
                evaluation=EvaluationDigest(
                    evaluation if isinstance(evaluation, str) else evaluation[seed]
                )
                or None,
                evaluation_basis=self.basis if evaluation else "",
                resources=(resources or {}).get(seed, Resources(wall_s=3.0)),
                outputs=(outputs or {}).get(seed, ()),
                made=(made or {}).get(seed, ""),
            )
            for seed in seeds
        ]
        repeats += [
            Repeat(seed, self.ended[0], reason=self.ended[1], stage="train") for seed in failed
        ]
        commit = CommitHash(self.repo.hash(of))
        run = Run(
            id=RunId((letter * 16)[:16]),
            origin=origin,
            source=Source(commit, self.repo.tree(of), ""),  # type: ignore[arg-type]
            inputs=self.inputs(of),
            plan=None if plan is None else PlanRef(plan.name, plan.digest),
            group="",
            engine="local",
            author=ADA,
            started_at=started,
            ended_at=started,
            seeds=(*seeds, *failed),
            committed_seed=0,
            repeats=tuple(repeats),
            params={},
            program="gitexp 0.1.0",
            sample_rows=len(rows),
            samples_sha256=hashlib.sha256(table).hexdigest(),
            call=call,
            drawn=plan is not None and plan.drawn is not None,
        )
        return run, {
            layout.run_json(run.id): codec.dump(run),
            layout.samples_csv(run.id): table,
            f"{layout.environment_dir(digest)}/environment.json": codec.dump(environment),
        }


def scores(base: float, seeds: Sequence[int], *, spread: float = 0.004) -> dict[int, float]:
    """Return one value a seed that differs from seed to seed and never twice the same."""
    return {seed: base + spread * (((seed * 7919) % 11) / 11 - 0.5) for seed in seeds}


def experiment(
    lab: Lab, *, gain: float = 0.05, n: int = 10, effect: str = ">=5%", repeats: int = 10
) -> Plan:
    """Make a whole experiment: n paired repeats, candidate = baseline + gain + a little."""
    if (lab.repo.path / ".git/index").exists():
        return _experiment(lab, gain, n, effect, repeats)

    def make(folder: Path) -> None:
        fresh = Lab(build.repository(folder))
        _EXPERIMENTS[made_of] = _experiment(fresh, *made_of), fresh.clock[0]

    made_of = (gain, n, effect, repeats)
    build.copied(lab.repo.path, make, "experiment", *made_of)
    plan, lab.clock[0] = _EXPERIMENTS[made_of]
    return plan


_EXPERIMENTS: dict[tuple[float, int, str, int], tuple[Plan, int]] = {}


def _experiment(lab: Lab, gain: float, n: int, effect: str, repeats: int) -> Plan:
    lab.init()
    plan = lab.plan(effect=effect, repeats=repeats)
    lab.change()
    seeds = range(n)
    low = scores(0.6, seeds)
    high = {seed: low[seed] + gain + 0.001 * (seed % 3) for seed in seeds}
    lab.record("b", {"f1": low}, of="main", plan=plan)
    lab.record("c", {"f1": high}, plan=plan)
    return plan


def one(lab: Lab, *names: str, options: CompareOptions | None = None) -> Comparison:
    """Compare one candidate."""
    (comparison,) = compare(lab.repo.workspace, names, options, now=START)
    return comparison
