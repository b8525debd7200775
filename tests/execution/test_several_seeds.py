"""Projects with several seed parameters, in the layout of DVC's get-started."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.dvc import inputs
from gitexp.errors import PreflightError, UsageError
from gitexp.execution.run import run
from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.git import objects
from gitexp.git.repository import open_repository
from gitexp.model.ids import CommitHash
from gitexp.model.plan import SeedOrigin
from gitexp.model.request import InitRequest, NewRequest, RunRequest
from gitexp.store import plans
from gitexp.text.paramkeys import param_key
from gitexp.views.logs import logs
from gitexp.views.status import status
from tests.lab.build import BuiltRepo, dvc
from tests.lab.first_rules import of_one

if TYPE_CHECKING:
    from gitexp.model.ids import InputsDigest
    from gitexp.model.run import Run

PREPARE = """\
import os
seed = open("params.yaml").read().split("prepare: {seed: ")[1].split("}")[0]
os.makedirs("data", exist_ok=True)
open("data/split.txt", "w").write(seed)
"""
TRAIN = """\
import json, sys, re
text = open("params.yaml").read()
lr, here = re.search(r"lr: ([\\d.]+), seed: (\\d+)", text).groups()
split = int(open("data/split.txt").read())
assert [str(split), here] == sys.argv[1:], (split, here, sys.argv)
json.dump({"f1": float(lr) + split / 100 + int(here) / 1000, "split": split, "seed": int(here)},
          open("metrics.json", "w"))
"""
PIPELINE = """\
stages:
  prepare:
    cmd: python prepare.py
    deps: [prepare.py]
    params: [prepare.seed]
    outs: [data]
  train:
    cmd: python train.py ${prepare.seed} ${train.seed}
    deps: [train.py, data]
    params: [train]
    metrics: [metrics.json: {cache: false}]
"""
BOTH = tuple(map(param_key, ("prepare.seed", "train.seed")))
LR = param_key("train.lr")


def params(prepare: int, train: int, lr: float = 0.1) -> dict[str, str]:
    return {"params.yaml": f"prepare: {{seed: {prepare}}}\ntrain: {{lr: {lr}, seed: {train}}}\n"}


@pytest.fixture
def project(dvc_repo: BuiltRepo) -> BuiltRepo:
    files = {"prepare.py": PREPARE, "train.py": TRAIN, "dvc.yaml": PIPELINE}
    dvc_repo.commit({**files, **params(3, 5)})
    return dvc_repo


def began(repo: BuiltRepo, repeats: int = 3) -> None:
    new(
        repo.workspace,
        NewRequest(
            name="faster", hypothesis="a larger rate raises f1 by at least 1%", metric="f1",
            effect=">=1%", repeats=repeats, baseline="main", params=((LR, 0.7),),
            seeds=SeedOrigin.COMMITTED,
        ),
    )  # fmt: skip


def ran(repo: BuiltRepo, told: list[str] | None = None, **asked: object) -> list[Run]:
    heard: list[str] = [] if told is None else told
    request = RunRequest(**asked)  # type: ignore[arg-type]
    report = run(
        repo.workspace, request, environ=dict(os.environ), tell=lambda e: heard.append(e.label)
    )
    for each in report.recorded:
        assert all(r.state.value == "finished" for r in each.run.repeats), each.run.repeats
    return [each.run for each in report.recorded]


def digest(repo: BuiltRepo) -> InputsDigest:
    opened = open_repository(repo.workspace)
    commit = CommitHash(repo.hash())
    config, _ = plans.config_of(opened, commit)
    return inputs.compute(opened, objects.commit_info(opened, commit).tree, config)


def vectors(record: Run) -> list[tuple[int, int, int]]:
    return [(r.seed, r.seeds["prepare.seed"], r.seeds["train.seed"]) for r in record.repeats]


def recorded_values(record: Run, repo: BuiltRepo) -> list[tuple[int, int]]:
    """Return what the stages read, as they measured it."""
    path = repo.path / ".gitexp/runs" / record.id[:2] / record.id / "samples.csv"
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    found = {(row[0], int(row[1])): int(float(row[-1])) for row in rows}
    return [(found["split", r.seed], found["seed", r.seed]) for r in record.repeats]


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize(("rules", "sides"), [(1, 2), (2, 1)])
def test_all_that_vary_take_the_seed_and_the_first_repeat_is_what_is_committed(
    project: BuiltRepo, rules: int, sides: int
) -> None:
    init(project.workspace, InitRequest(seed_params=BOTH))
    began(project)
    if rules == 1:
        of_one(project, "faster")
    before = digest(project)
    told: list[str] = []
    mine, base = ran(project, told, with_baseline=True)
    assert "candidate seed 3 (train.seed = 5)" in told
    assert not any("seed 4 (" in text for text in told)
    assert vectors(mine) == vectors(base) == [(3, 3, 5), (4, 4, 4), (6, 6, 6)]
    for record in (mine, base):
        assert recorded_values(record, project) == [v[1:] for v in vectors(record)]
    assert before == digest(project) == mine.inputs
    assert project.status() == []
    assert json.loads(dvc(project.path, "status", "--json")) == {}
    (judged,) = compare(project.workspace)
    assert judged.pairs == 3
    said = "seed 3 is the repeat of the committed seeds: train.seed = 5"
    assert judged.warnings.count(said) == 1
    assert said in status(project.workspace).notes
    seeds = {item.seed: item.seeds for item in logs(project.workspace, mine.id).repeats}
    assert (seeds[3], seeds[4]) == ("train.seed = 5", "")

    # Another committed vector: no new inputs. By the second rules the pair that is there counts,
    # and what is committed runs for the snapshot; by the first the repeat has no partner any more.
    project.commit(params(3, 6, 0.7))
    assert digest(project) == before
    again = ran(project, with_baseline=True)
    assert [vectors(each) for each in again] == [[(3, 3, 6)]] * sides
    assert json.loads(dvc(project.path, "status", "--json")) == {}
    (judged,) = compare(project.workspace)
    assert judged.pairs == 3


@pytest.mark.slow
def test_run_and_compare_count_alike_after_another_first_seed_was_committed(
    project: BuiltRepo,
) -> None:
    init(project.workspace, InitRequest(seed_params=BOTH))
    began(project, repeats=4)
    mine, base = ran(project, repeats=2)
    assert vectors(mine) == vectors(base) == [(3, 3, 5), (4, 4, 4)]
    project.commit(params(7, 5, 0.7))
    mine, base = ran(project, with_baseline=True)
    assert vectors(mine) == vectors(base) == [(7, 7, 5), (8, 8, 8)]
    (judged,) = compare(project.workspace)
    assert judged.pairs == len(judged.candidate.seeds) == 4
    assert not judged.looks
    assert ran(project, with_baseline=True) == []


@pytest.mark.slow
def test_a_fixed_seed_keeps_its_committed_value_and_sides_have_to_share_it(
    project: BuiltRepo,
) -> None:
    report = init(project.workspace, InitRequest(seed_params=BOTH[1:]))
    assert "prepare.seed is taken for a seed that keeps its committed value" in report.notes
    began(project, repeats=2)
    before = digest(project)
    mine, base = ran(project, with_baseline=True)
    assert vectors(mine) == vectors(base) == [(5, 3, 5), (6, 3, 6)]
    assert mine.fixed_seeds == {"prepare.seed": 3}
    assert "prepare.seed" not in mine.params
    assert before == digest(project) == mine.inputs
    project.commit(params(4, 5, 0.7))
    assert digest(project) == before
    for asked in ({}, {"with_baseline": True}, {"again": True}):
        with pytest.raises(PreflightError) as caught:
            ran(project, **asked)
        assert "prepare.seed=3, train.seed at the baseline, prepare.seed=4" in caught.value.found
        assert caught.value.next_step == "set prepare.seed=3 here and commit it"
    with pytest.raises(UsageError, match=r"train\.seed is a seed"):
        ran(project, params=((BOTH[1], 7),))
