"""Make big repositories of experiments quickly: one ``git fast-import`` stream, real records.

``python make_repos.py FOLDER BRANCHES RUNS`` makes a repository with BRANCHES experiments of RUNS
runs each (10 repeats a run, one commit for the plan, one for every 100 runs).
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.dvc import inputs
from gitexp.git import objects, repository
from gitexp.git.discovery import discover
from gitexp.git.transaction import layout
from gitexp.model.config import ParamKey, ProjectConfig, SeedRule
from gitexp.model.ids import CommitHash, EnvironmentDigest, InputsDigest, RunId, TreeId
from gitexp.model.plan import BaselineRef, Claim, Direction, Effect, HypothesisKind, Person, Plan
from gitexp.model.run import (
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
from gitexp.text import samples as samples_format

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gitexp.model.ids import Md5

ADA = Person("Ada Lovelace", "ada@example.org")
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
REPEATS = 10
RUNS_A_COMMIT = 100
METRICS = ("f1", "roc_auc", "precision", "recall", "log_loss")
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
PIPELINE = """\
stages:
  train:
    cmd: python -I -S train.py
    deps:
    - train.py
    params:
    - lr
    - seed
    outs:
    - model.bin
    metrics:
    - metrics.json:
        cache: false
"""

# Costs a bare interpreter: what is measured is what stands around it.
TRAIN = """\
import json
values = dict(line.split(": ") for line in open("params.yaml").read().split("\\n") if line)
noise = int(values["seed"]) * 7919 % 100 / 10000
json.dump({"f1": float(values["lr"]) + noise}, open("metrics.json", "w"))
open("model.bin", "w").write(str(values))
"""


def make(folder: Path, branches: int, runs: int, *, files: int = 0, commits: int = 0) -> None:
    """Make a repository in an empty or new folder, whose pipeline can be run.

    Parameters
    ----------
    folder : Path
    branches : int
        Experiments, ``exp/e0`` and so on.
    runs : int
        Runs on each.
    files : int
        Further files in the project.
    commits : int
        Commits on main before the experiments begin.
    """
    folder.mkdir(parents=True, exist_ok=True)
    git = ("git", "-C", str(folder))
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    for key, value in (("user.name", ADA.name), ("user.email", ADA.email), ("gc.auto", "0")):
        subprocess.run([*git, "config", key, value], check=True)
    _import(git, _history(_project(files), commits))
    start = subprocess.run([*git, "rev-parse", "main"], check=True, capture_output=True, text=True)
    _import(git, _plans(start.stdout.strip(), branches))
    _import(git, _runs(folder, start.stdout.strip(), branches, runs))
    subprocess.run([*git, "reset", "-q", "--hard", "main"], check=True)


def append(folder: Path, first: int, runs: int) -> None:
    """Add runs to the first experiment, each in a commit of its own; the work tree stays."""
    git = ("git", "-C", str(folder))
    argv = [*git, "merge-base", "origin/main", "exp/e0"]
    start = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
    plan = _plan(0, start)
    commits = (
        _commit(
            plan.branch,
            "" if number else f"refs/heads/{plan.branch}^0",
            _record(plan, first + number),
            number,
        )
        for number in range(runs)
    )
    _import(git, commits)


def _import(git: Sequence[str], stream: Iterable[bytes]) -> None:
    argv = [*git, "-c", "fastimport.unpackLimit=0", "fast-import", "--quiet"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None  # noqa: S101  opened with PIPE above
        process.stdin.writelines(stream)
        process.stdin.close()
        if process.wait():
            message = "git fast-import failed"
            raise RuntimeError(message)


def _project(files: int) -> dict[str, bytes]:
    config = ProjectConfig(
        pipeline="dvc.yaml",
        metrics=("metrics.json",),
        outputs=("model.bin",),
        seed=SeedRule((ParamKey("params.yaml", "seed"),)),
    )
    found = {
        layout.CONFIG: config_format.dump_template(config),
        ".dvc/config": b"",
        ".dvc/.gitignore": b"/config.local\n/tmp\n/cache\n",
        ".gitignore": b"/model.bin\n",
        "dvc.yaml": PIPELINE.encode(),
        "params.yaml": b"lr: 0.1\nseed: 0\n",
        "train.py": TRAIN.encode(),
    }
    return found | {f"lib/m{n // 100}/f{n}.py": f"x = {n}\n".encode() for n in range(files)}


def _history(base: Mapping[str, bytes], commits: int) -> Iterator[bytes]:
    yield _commit("main", "", base, 0)
    for number in range(commits):
        yield _commit("main", "", {"docs/log.txt": f"entry {number}\n".encode()}, number)


def _plans(start: str, branches: int) -> Iterator[bytes]:
    for number in range(branches):
        plan = _plan(number, start)
        files = {
            layout.plan_path(plan.name): codec.dump(plan),
            "params.yaml": f"lr: 0.{200_000 + number}\nseed: 0\n".encode(),
        }
        yield _commit(plan.branch, start, files, number)


def _runs(folder: Path, start: str, branches: int, runs: int) -> Iterator[bytes]:
    """Record runs; the last one of each experiment is of the state that its branch has."""
    repo = repository.open_repository(discover(folder))
    for number in range(branches):
        plan = _plan(number, start)
        commit = objects.resolve(repo, plan.branch)
        config, _ = plans.config_of(repo, commit)
        tree = objects.commit_info(repo, commit).tree
        last = Source(commit, tree, plan.branch), inputs.compute(repo, tree, config)
        for first in range(0, runs, RUNS_A_COMMIT):
            files = {}
            for index in range(first, min(runs, first + RUNS_A_COMMIT)):
                of = last if index == runs - 1 else None
                files |= _record(plan, number * runs + index, of)
            begin = "" if first else f"refs/heads/{plan.branch}^0"
            yield _commit(plan.branch, begin, files, number + 1 + first)


def _commit(branch: str, start: str, files: Mapping[str, bytes], minute: int) -> bytes:
    when = int((BEGIN + timedelta(minutes=minute)).timestamp())
    lines = [f"commit refs/heads/{branch}\ncommitter {ADA.name} <{ADA.email}> {when} +0000\n"]
    lines.append("data 4\nstep\n")
    if start:
        lines.append(f"from {start}\n")
    out = "".join(lines).encode()
    for path, data in files.items():
        out += f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n"
    return out


def _plan(number: int, baseline: str) -> Plan:
    name = f"e{number}"
    return terms.sealed(
        Plan(
            name=name,
            branch=f"exp/{name}",
            objective="see whether it can be done with less",
            hypothesis=f"variant {number} raises F1 by at least 5 %",
            claim=Claim.METHOD,
            metric="f1",
            direction=Direction.MAX,
            effect=Effect(HypothesisKind.SUPERIORITY, 0.05, relative=True),
            alpha=0.05,
            repeats=REPEATS,
            baseline=BaselineRef("main", CommitHash(baseline)),
            author=ADA,
            created_at=BEGIN + timedelta(minutes=number),
            guards=(),
            evaluation=(),
        )
    )


def _record(
    plan: Plan, number: int, of: tuple[Source, InputsDigest] | None = None
) -> dict[str, bytes]:
    table = _table(number % 100)
    begin = BEGIN + timedelta(minutes=number)
    source, digest = of or (
        Source(CommitHash("1" * 40), TreeId("2" * 40), plan.branch),
        InputsDigest(hashlib.sha256(str(number).encode()).hexdigest()),
    )
    run = Run(
        id=_run_id(number),
        origin=Origin.OBSERVED,
        source=source,
        inputs=digest,
        plan=PlanRef(plan.name, plan.digest),
        group="",
        engine="local",
        author=ADA,
        started_at=begin,
        ended_at=begin + timedelta(minutes=5),
        seeds=tuple(range(REPEATS)),
        committed_seed=0,
        repeats=tuple(_repeat(seed, begin) for seed in range(REPEATS)),
        params={"lr": (number % 10) / 10, "model.depth": number % 7, "features.engineered": True},
        program="gitexp 0.1.0",
        sample_rows=len(METRICS) * REPEATS,
        samples_sha256=hashlib.sha256(table).hexdigest(),
    )
    return {layout.run_json(run.id): codec.dump(run), layout.samples_csv(run.id): table}


@lru_cache
def _table(number: int) -> bytes:
    return samples_format.dump(
        tuple(
            Sample(metric, seed, round(0.5 + ((number * 7 + seed * 3) % 100) / 1000, 4))
            for metric in METRICS
            for seed in range(REPEATS)
        )
    )


def _repeat(seed: int, begin: datetime) -> Repeat:
    return Repeat(
        seed,
        RepeatState.FINISHED,
        started_at=begin,
        ended_at=begin + timedelta(seconds=30),
        environment=EnvironmentDigest("e" * 64),
        snapshot=seed == 0,
        resources=Resources("host", "a processor", 2, wall_s=30.0, cpu_s=29.5),
        outputs=(FileHash("model.bin", _md5(seed), 1000),),
    )


def _md5(seed: int) -> Md5:
    found: Md5 = hashlib.md5(str(seed).encode()).hexdigest()  # type: ignore[assignment]  # noqa: S324  DVC's
    return found


def _run_id(number: int) -> RunId:
    """Spread ids over the prefix folders, as random ones would be."""
    value = int.from_bytes(hashlib.sha256(str(number).encode()).digest()[:10], "big")
    digits = []
    for _ in range(16):
        value, digit = divmod(value, 32)
        digits.append(ALPHABET[digit])
    return RunId("".join(digits))


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
