"""Whole-tool calibration: how often `compare` says "supported" where nothing is better.

``python -m benchmarks.habits [SIMULATIONS]`` prints a table. Each simulation is an experiment in a
real repository, with records as `run` writes them, whose author has one of the habits that break
naive tools. Beside the tool's rate stands that of a paired t test over all that was recorded.
"""

from __future__ import annotations

import hashlib
import math
import sys
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pygit2

from gitexp.comparison.compare import compare
from gitexp.dvc import inputs
from gitexp.errors import NoSamplesError
from gitexp.git import repository
from gitexp.git.transaction import layout
from gitexp.model.config import ProjectConfig
from gitexp.model.ids import CommitHash, EvaluationDigest, RunId, TreeId
from gitexp.model.plan import BaselineRef, Claim, Direction, Person, Plan, Verdict
from gitexp.model.run import (
    Distribution,
    Environment,
    Origin,
    PlanRef,
    Repeat,
    RepeatState,
    Resources,
    Run,
    Sample,
    Source,
)
from gitexp.model.workspace import Workspace
from gitexp.records import codec, terms
from gitexp.records import config as config_format
from gitexp.stats.ttests import p_of_t, paired_difference
from gitexp.store.lookup import environment_digest
from gitexp.text import samples as samples_format

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gitexp.model.ids import InputsDigest

ALPHA = 0.05
SIMULATIONS = 400
VARIANTS = 10
REPEATS = 10
MOST_GROWN = 40
ADA = Person("Ada Lovelace", "ada@example.org")
SIGNATURE = pygit2.Signature(ADA.name, ADA.email, 1_767_225_600, 0)
START = datetime(2026, 1, 1, tzinfo=UTC)
MACHINE = Environment("cpython", "3.11.9", "cp311", "linux_x86_64", "glibc 2.41", ())
EVALUATION = EvaluationDigest("e" * 64)
CONFIG = ProjectConfig(command="python train.py", metrics=("metrics.json",))
BRANCH = "exp/idea"

ARCHIVE, RENAMED = "refs/tags/exp-archive/idea", "refs/heads/exp/other"
DRAWS = 3

Values = dict[int, float]  # by seed


@dataclass(frozen=True, slots=True)
class Rate:
    """Shares of experiments that were called a success although nothing is better."""

    tool: float
    naive: float
    simulations: int

    @property
    def error(self) -> float:
        """Standard error of a rate that is alpha."""
        return math.sqrt(ALPHA * (1 - ALPHA) / self.simulations)


class Bench:
    """A repository in which one experiment after the other is made and forgotten.

    Parameters
    ----------
    folder : Path
        Empty.
    """

    def __init__(self, folder: Path) -> None:
        self.git = pygit2.init_repository(folder, initial_head="main")
        self.git.config["user.name"], self.git.config["user.email"] = ADA.name, ADA.email
        self.workspace = Workspace(folder / ".git", folder / ".git", folder, folder)
        self.main = self.commit(
            None,
            "main",
            {
                layout.CONFIG: config_format.dump_template(CONFIG),
                "params.yaml": b"depth: 2\n",
                "train.py": b"print('train')\n",
            },
        )
        self.number = 0

    def commit(self, parent: str | None, branch: str, files: Mapping[str, bytes]) -> str:
        """Commit files on top of a parent and move the branch there."""
        index = pygit2.Index()
        if parent is not None:
            index.read_tree(self.git[parent].tree)  # type: ignore[attr-defined]
        for path, data in files.items():
            blob = self.git.create_blob(data)
            index.add(pygit2.IndexEntry(path, blob, pygit2.enums.FileMode.BLOB))
        tree = index.write_tree(self.git)
        parents = [] if parent is None else [parent]
        made = self.git.create_commit(None, SIGNATURE, SIGNATURE, "work", tree, parents)
        self.git.references.create(f"refs/heads/{branch}", made, force=True)
        return str(made)

    @cached_property
    def inputs(self) -> dict[int, InputsDigest]:
        """Inputs of each variant by its depth; 2 is the baseline's."""
        repo = repository.open_repository(self.workspace)
        found = {}
        for depth in range(2, 3 + VARIANTS):
            made = self.commit(self.main, "probe", variant(depth))
            tree = TreeId(str(self.git[made].tree.id))  # type: ignore[attr-defined]
            found[depth] = inputs.compute(repo, tree, CONFIG)
        self.git.references.delete("refs/heads/probe")
        return found

    def plan(self) -> Plan:
        """Return the plan of every experiment here."""
        return terms.sealed(
            Plan(
                name="idea",
                branch=BRANCH,
                objective="",
                hypothesis="A deeper model raises F1.",
                claim=Claim.METHOD,
                metric="f1",
                direction=Direction.MAX,
                effect=terms.parse_effect(">0", Direction.MAX),
                alpha=ALPHA,
                repeats=REPEATS,
                baseline=BaselineRef("main", CommitHash(self.main)),
                author=ADA,
                created_at=START,
                guards=(),
                evaluation=(),
            )
        )

    def run(
        self,
        depth: int,
        values: Values,
        plan: Plan | None,
        commit: str,
        machine: Environment = MACHINE,
    ) -> dict[str, bytes]:
        """Return the files of a run."""
        self.number += 1
        id_ = RunId(_id(self.number))
        digest = environment_digest(machine)
        table = samples_format.dump(tuple(Sample("f1", s, v) for s, v in values.items()))
        begun = START + timedelta(minutes=self.number)
        record = Run(
            id=id_,
            origin=Origin.OBSERVED,
            source=Source(CommitHash(commit), TreeId(str(self.git[commit].tree.id)), BRANCH),  # type: ignore[attr-defined]
            inputs=self.inputs[depth],
            plan=None if plan is None else PlanRef(plan.name, plan.digest),
            group="",
            engine="local",
            author=ADA,
            started_at=begun,
            ended_at=begun,
            seeds=tuple(values),
            committed_seed=0,
            repeats=tuple(
                Repeat(
                    seed=seed,
                    state=RepeatState.FINISHED,
                    environment=digest,
                    evaluation=EVALUATION,
                    evaluation_basis="predictions",
                    resources=Resources(wall_s=1.0),
                )
                for seed in values
            ),
            params={},
            program="gitexp 0.1.0",
            sample_rows=len(values),
            samples_sha256=hashlib.sha256(table).hexdigest(),
        )
        return {
            layout.run_json(id_): codec.dump(record),
            layout.samples_csv(id_): table,
            f"{layout.environment_dir(digest)}/environment.json": codec.dump(machine),
        }

    def verdict(self) -> Verdict | None:
        """Compare the experiment, and forget it."""
        try:
            found = compare(self.workspace, [BRANCH], now=START)[0].verdict
        except NoSamplesError:
            found = None
        for ref in (f"refs/heads/{BRANCH}", ARCHIVE, RENAMED):
            if ref in self.git.references:
                self.git.references.delete(ref)
        return found


class World:
    """What training comes to: every variant is as good as the baseline, seed for seed."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.shared: Values = {}

    def values(self, seeds: Sequence[int]) -> Values:
        """Return the scores of one variant; a seed moves all of them alike."""
        return {
            seed: self.shared.setdefault(seed, 0.6 + 0.01 * float(self.rng.normal()))
            + 0.01 * float(self.rng.normal())
            for seed in seeds
        }


def planned_after_variants(bench: Bench, world: World) -> tuple[bool, bool]:
    """Try ten variants, keep the best, write the plan, run the same seeds and some more."""
    seeds = range(REPEATS)
    tried = {depth: world.values(seeds) for depth in range(3, 3 + VARIANTS)}
    tip = bench.main
    for depth, values in tried.items():
        tip = bench.commit(tip, BRANCH, variant(depth))
        tip = bench.commit(tip, BRANCH, bench.run(depth, values, None, tip))
    best = max(tried, key=lambda depth: sum(tried[depth].values()))
    plan = bench.plan()
    more = range(REPEATS, 2 * REPEATS)
    low = world.values([*seeds, *more])
    high = tried[best] | world.values(more)
    files = variant(best) | {layout.plan_path(plan.name): codec.dump(plan)}
    tip = bench.commit(tip, BRANCH, files)
    tip = bench.commit(tip, BRANCH, bench.run(2, low, plan, bench.main))
    bench.commit(tip, BRANCH, bench.run(best, high, plan, tip))
    return bench.verdict() is Verdict.SUPPORTED, naive([low[s] for s in seeds], tried[best])


def recorded_twice(bench: Bench, world: World) -> tuple[bool, bool]:
    """Run every seed twice and hope that twice the number is twice the evidence."""
    seeds = range(REPEATS)
    low, high = world.values(seeds), world.values(seeds)
    plan, tip = _begin(bench, 3)
    for _ in range(2):
        tip = bench.commit(tip, BRANCH, bench.run(2, low, plan, bench.main))
        tip = bench.commit(tip, BRANCH, bench.run(3, high, plan, tip))
    doubled = {**high, **{seed + REPEATS: value for seed, value in high.items()}}
    return bench.verdict() is Verdict.SUPPORTED, naive([*low.values()] * 2, doubled)


def grown_until_good(bench: Bench, world: World) -> tuple[bool, bool]:
    """Add five repeats at a time until a paired t test is pleased, or forty are there."""
    plan, tip = _begin(bench, 3)
    low: Values = {}
    high: Values = {}
    pleased = False
    while not pleased and len(low) < MOST_GROWN:
        more = range(len(low), len(low) + (5 if low else REPEATS))
        added = world.values(more), world.values(more)
        low, high = low | added[0], high | added[1]
        tip = bench.commit(tip, BRANCH, bench.run(2, added[0], plan, bench.main))
        tip = bench.commit(tip, BRANCH, bench.run(3, added[1], plan, tip))
        pleased = naive([*low.values()], high)
    return bench.verdict() is Verdict.SUPPORTED, pleased


def best_of_sweep(bench: Bench, world: World) -> tuple[bool, bool]:
    """Run ten configurations under one plan and report the best of them."""
    seeds = range(REPEATS)
    plan, tip = _begin(bench, 3)
    low = world.values(seeds)
    tip = bench.commit(tip, BRANCH, bench.run(2, low, plan, bench.main))
    tried = {depth: world.values(seeds) for depth in range(3, 3 + VARIANTS)}
    for depth, values in tried.items():
        tip = bench.commit(tip, BRANCH, variant(depth))
        tip = bench.commit(tip, BRANCH, bench.run(depth, values, plan, tip))
    best = max(tried, key=lambda depth: sum(tried[depth].values()))
    bench.commit(tip, BRANCH, variant(best))
    return bench.verdict() is Verdict.SUPPORTED, naive([*low.values()], tried[best])


def installed_until_good(bench: Bench, world: World) -> tuple[bool, bool]:
    """Install a package and run one repeat more than before, with other seeds, until it is good."""
    plan, tip = _begin(bench, 3)
    pleased = False
    for draw in range(DRAWS):
        seeds = range(100 * draw, 100 * draw + REPEATS + draw)
        low, high = world.values(seeds), world.values(seeds)
        package = Distribution("package", f"{draw}", "a" * 64)
        machine = replace(MACHINE, distributions=(package,))
        tip = bench.commit(tip, BRANCH, bench.run(2, low, plan, bench.main, machine))
        tip = bench.commit(tip, BRANCH, bench.run(3, high, plan, tip, machine))
        pleased = naive([*low.values()], high)
        if pleased:
            break
    return bench.verdict() is Verdict.SUPPORTED, pleased


def begun_anew(bench: Bench, world: World, kept: str = ARCHIVE) -> tuple[bool, bool]:
    """Archive what displeases, and begin again from the same plan with other seeds."""
    plan, planned = _begin(bench, 3)
    pleased = False
    for draw in range(DRAWS):
        seeds = range(100 * draw, 100 * draw + REPEATS)
        low, high = world.values(seeds), world.values(seeds)
        tip = bench.commit(planned, BRANCH, bench.run(2, low, plan, bench.main))
        tip = bench.commit(tip, BRANCH, bench.run(3, high, plan, tip))
        pleased = naive([*low.values()], high)
        if pleased or draw == DRAWS - 1:
            break
        bench.git.references.create(kept, tip, force=True)
    return bench.verdict() is Verdict.SUPPORTED, pleased


def renamed_and_begun_anew(bench: Bench, world: World) -> tuple[bool, bool]:
    """Do the same with a branch of another name in place of the archive."""
    return begun_anew(bench, world, RENAMED)


def seeds_by_known_scores(bench: Bench, world: World) -> tuple[bool, bool]:
    """Run the candidate on the seeds on which the baseline is known to be weak."""
    plan, tip = _begin(bench, 3)
    known = world.values(range(MOST_GROWN))
    tip = bench.commit(tip, BRANCH, bench.run(2, known, plan, bench.main))
    weak = sorted(sorted(known, key=known.__getitem__)[:REPEATS])
    high = world.values(weak)
    bench.commit(tip, BRANCH, bench.run(3, high, plan, tip))
    return bench.verdict() is Verdict.SUPPORTED, naive([known[seed] for seed in weak], high)


HABITS: Mapping[str, Callable[[Bench, World], tuple[bool, bool]]] = {
    "the plan is written after ten variants were tried": planned_after_variants,
    "every seed is recorded twice": recorded_twice,
    "repeats are added until it looks good": grown_until_good,
    "the best of ten is taken from a sweep": best_of_sweep,
    "a package is installed, and it is drawn again": installed_until_good,
    "it is archived and begun anew": begun_anew,
    "its branch is renamed, and it is begun anew": renamed_and_begun_anew,
    "seeds are taken on which the baseline is weak": seeds_by_known_scores,
}


def rate(habit: str, folder: Path, *, simulations: int = SIMULATIONS, seed: int = 1) -> Rate:
    """Simulate experiments of one habit.

    Parameters
    ----------
    habit : str
        A key of `HABITS`.
    folder : Path
        Empty.
    simulations, seed : int
    """
    bench = Bench(folder)
    rng = np.random.default_rng(seed)
    found = [HABITS[habit](bench, World(rng)) for _ in range(simulations)]
    tool, by_hand = np.mean(found, axis=0)
    return Rate(float(tool), float(by_hand), simulations)


def naive(low: Sequence[float], high: Values) -> bool:
    """Return whether a paired t test over everything is below alpha."""
    mean = paired_difference([*high.values()], low)
    return p_of_t(mean.estimate / mean.error, mean.df, "greater") <= ALPHA


def variant(depth: int) -> dict[str, bytes]:
    """Return what makes a variant."""
    return {"params.yaml": f"depth: {depth}\n".encode()}


def main(simulations: int = SIMULATIONS) -> None:
    """Print the table."""
    print("| habit | `compare` says supported | paired t on everything | simulations | s.e. |")
    print("|---|---|---|---|---|")
    for habit in HABITS:
        with tempfile.TemporaryDirectory(prefix="gitexp-habits-") as folder:
            found = rate(habit, Path(folder), simulations=simulations)
        print(
            f"| {habit} | {found.tool:.3f} | {found.naive:.3f} | {found.simulations} "
            f"| {found.error:.3f} |",
            flush=True,
        )


def _begin(bench: Bench, depth: int) -> tuple[Plan, str]:
    plan = bench.plan()
    files = variant(depth) | {layout.plan_path(plan.name): codec.dump(plan)}
    return plan, bench.commit(bench.main, BRANCH, files)


def _id(number: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    text = ""
    for _ in range(16):
        number, digit = divmod(number, 32)
        text = letters[digit] + text
    return text


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
