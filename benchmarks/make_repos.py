"""Make big repositories of experiments quickly: one ``git fast-import`` stream, real records.

``python make_repos.py FOLDER BRANCHES RUNS`` makes a repository with BRANCHES experiments of RUNS
runs each (10 repeats a run, one commit for the plan, one for every 100 runs).
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.formats import config as config_format
from gitexp.formats import plan as plan_format
from gitexp.formats import run as run_format
from gitexp.formats import samples as samples_format
from gitexp.model.config import ParamKey, ProjectConfig, SeedRule
from gitexp.model.ids import CommitHash, EnvironmentDigest, InputsDigest, RunId, TreeId
from gitexp.model.plan import (
    BaselineRef,
    Claim,
    Direction,
    Effect,
    HypothesisKind,
    Person,
    Plan,
)
from gitexp.model.run import (
    Origin,
    Output,
    PlanRef,
    Repeat,
    RepeatState,
    Resources,
    Run,
    Sample,
    Source,
)
from gitexp.store import layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitexp.model.ids import Md5

ADA = Person("Ada Lovelace", "ada@example.org")
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
REPEATS = 10
RUNS_A_COMMIT = 100
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
PIPELINE = """\
stages:
  train:
    cmd: python train.py
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


def make(folder: Path, branches: int, runs: int, *, files: int = 0) -> None:
    """Make a repository in an empty or new folder.

    Parameters
    ----------
    folder : Path
    branches : int
        Experiments, ``exp/e0`` and so on.
    runs : int
        Runs on each.
    files : int
        Further files in the project.
    """
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    base = _project(files)
    stream = b"".join(_commits(base, branches, runs))
    subprocess.run(["git", "-C", str(folder), "fast-import", "--quiet"], input=stream, check=True)
    subprocess.run(["git", "-C", str(folder), "reset", "-q", "--hard", "main"], check=True)
    for key, value in (("user.name", ADA.name), ("user.email", ADA.email)):
        subprocess.run(["git", "-C", str(folder), "config", key, value], check=True)


def _project(files: int) -> dict[str, bytes]:
    config = ProjectConfig(
        pipeline="dvc.yaml",
        metrics=("metrics.json",),
        outputs=("model.bin",),
        seed=SeedRule(param=ParamKey("params.yaml", "seed")),
    )
    found = {
        layout.CONFIG: config_format.dump_template(config),
        "dvc.yaml": PIPELINE.encode(),
        "params.yaml": b"lr: 0.1\nseed: 0\n",
        "train.py": b"print(1)\n",
    }
    return found | {f"lib/m{n // 100}/f{n}.py": f"x = {n}\n".encode() for n in range(files)}


def _commits(base: Mapping[str, bytes], branches: int, runs: int) -> Iterator[bytes]:
    start = "0" * 40
    yield _commit("main", "", base, 0)
    for number in range(branches):
        plan = _plan(number, start)
        branch = plan.branch
        files = {layout.plan_path(plan.name): plan_format.dump(plan)}
        yield _commit(branch, "main", files, number)
        for first in range(0, runs, RUNS_A_COMMIT):
            files = {}
            for index in range(first, min(runs, first + RUNS_A_COMMIT)):
                files |= _record(plan, number * runs + index)
            yield _commit(branch, "", files, number + 1 + first)


def _commit(branch: str, start: str, files: Mapping[str, bytes], minute: int) -> bytes:
    when = int((BEGIN + timedelta(minutes=minute)).timestamp())
    lines = [f"commit refs/heads/{branch}\ncommitter {ADA.name} <{ADA.email}> {when} +0000\n"]
    lines.append("data 4\nstep\n")
    if start:
        lines.append(f"from refs/heads/{start}\n")
    out = "".join(lines).encode()
    for path, data in files.items():
        out += f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n"
    return out


def _plan(number: int, baseline: str) -> Plan:
    name = f"e{number}"
    return plan_format.make(
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
    )


def _record(plan: Plan, number: int) -> dict[str, bytes]:
    samples = tuple(
        Sample(metric, seed, round(0.5 + ((number * 7 + seed * 3) % 100) / 1000, 4))
        for metric in ("f1", "roc_auc", "precision", "recall", "log_loss")
        for seed in range(REPEATS)
    )
    table = samples_format.dump(samples)
    begin = BEGIN + timedelta(minutes=number)
    run = Run(
        id=_run_id(number),
        origin=Origin.OBSERVED,
        source=Source(CommitHash("1" * 40), TreeId("2" * 40), plan.branch),
        inputs=InputsDigest(hashlib.sha256(str(number).encode()).hexdigest()),
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
        sample_rows=len(samples),
        samples_sha256=hashlib.sha256(table).hexdigest(),
    )
    return {layout.run_json(run.id): run_format.dump(run), layout.samples_csv(run.id): table}


def _repeat(seed: int, begin: datetime) -> Repeat:
    return Repeat(
        seed,
        RepeatState.FINISHED,
        started_at=begin,
        ended_at=begin + timedelta(seconds=30),
        environment=EnvironmentDigest("e" * 64),
        snapshot=seed == 0,
        resources=Resources("host", "a processor", 2, wall_s=30.0, cpu_s=29.5),
        outputs=(Output("model.bin", _md5(seed), 1000),),
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
