"""What an evaluation reads of stages that train nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.dvc.evaluator import examples_read
from gitexp.model import replace
from gitexp.model.config import SeedRule
from tests.dvc.test_evaluator import CONFIG, at

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

NO_SEED = replace(CONFIG, seed=SeedRule())
EVALUATE = "evaluate <- {} -> metrics.json"
SPLIT = "split <- raw.csv -> train.csv test.csv"


def pipeline(*stages: str) -> str:
    """Write ``name seed? <- deps -> outs`` as stages."""
    text = "stages:\n"
    for stage in stages:
        head, outs = stage.split(" -> ")
        name, deps = head.split(" <- ")
        name, *seed = name.split()
        text += f"  {name}:\n    cmd: python {name}.py\n    deps: [{', '.join(deps.split())}]\n"
        text += "    params: [seed]\n" * len(seed)
        kind = "metrics" if outs == "metrics.json" else "outs"
        text += f"    {kind}: [{', '.join(outs.split())}]\n"
    return text


@pytest.mark.parametrize(
    ("stages", "made"),
    [
        pytest.param(
            (SPLIT, "train seed <- train.csv -> out.bin", EVALUATE.format("out.bin test.csv")),
            "test.csv",
            id="a split before a seeded training",
        ),
        pytest.param(
            (
                "split seed <- raw.csv -> train.csv test.csv",
                "train <- train.csv -> out.bin",
                EVALUATE.format("out.bin test.csv"),
            ),
            "test.csv",
            id="only the split is seeded",
        ),
        pytest.param(
            (
                "prepare seed <- raw.csv -> data/prepared",
                "featurize <- data/prepared -> data/features",
                "train seed <- data/features -> model.pkl",
                EVALUATE.format("model.pkl data/features"),
            ),
            "data/features",
            id="features in a folder",
        ),
        pytest.param(
            (
                SPLIT,
                "train seed <- train.csv -> model.pkl",
                "predict <- model.pkl test.csv -> preds.csv",
                EVALUATE.format("preds.csv"),
            ),
            "test.csv",
            id="through predictions",
        ),
        pytest.param(
            (
                SPLIT,
                "train seed <- train.csv -> model.pkl",
                "predict <- model.pkl test.csv -> preds.csv",
                EVALUATE.format("model.pkl preds.csv test.csv"),
            ),
            "test.csv",
            id="model and predictions",
        ),
        pytest.param(
            (
                SPLIT,
                "train <- train.csv -> model.pkl",
                "test-features <- test.csv -> features.csv",
                EVALUATE.format("model.pkl features.csv"),
            ),
            "features.csv",
            id="two branches, a model by its name",
        ),
        pytest.param(
            ("prepare <- raw.csv -> rows.csv", "train seed <- rows.csv -> metrics.json"),
            "rows.csv",
            id="training evaluates",
        ),
        pytest.param(
            ("train seed <- raw.csv -> model.pkl", EVALUATE.format("model.pkl")),
            "",
            id="a model alone",
        ),
        pytest.param(
            ("train seed <- raw.csv -> preds.csv", EVALUATE.format("preds.csv")),
            "",
            id="predictions of the training",
        ),
    ],
)
def test_the_examples_are_told_from_the_model(
    repo: BuiltRepo, stages: tuple[str, ...], made: str
) -> None:
    repo.commit({"dvc.yaml": pipeline(*stages), "params.yaml": "seed: 7\n"})
    for config in (CONFIG, NO_SEED):
        found = examples_read(at(repo, config), ("metrics.json",))
        if config is CONFIG or "model.pkl" in "".join(stages):
            assert found.made == tuple(made.split())


def test_data_that_the_evaluation_alone_reads_are_its_examples(repo: BuiltRepo) -> None:
    text = pipeline(
        "train seed <- raw.csv -> model.pkl", EVALUATE.format("model.pkl raw.csv test.csv")
    )
    pointers = {f"{name}.csv.dvc": f"outs:\n- path: {name}.csv\n" for name in ("raw", "test")}
    repo.commit({"dvc.yaml": text, "params.yaml": "seed: 7\n", **pointers})
    assert examples_read(at(repo), ("metrics.json",)).raw == ("test.csv",)


def test_a_templated_output_is_not_looked_up(repo: BuiltRepo) -> None:
    split = "split <- raw.csv -> train.csv '${name}.csv'"
    stages = split, "train seed <- train.csv -> m.pt", EVALUATE.format("m.pt '${name}.csv'")
    repo.commit({"dvc.yaml": pipeline(*stages), "params.yaml": "seed: 7\n"})
    assert not examples_read(at(repo), ("metrics.json",)).made
    repo.commit({"params.yaml": "seed: 7\nname: rows\n"}, at=2)
    assert examples_read(at(repo), ("metrics.json",)).made == ("rows.csv",)
