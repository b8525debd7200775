"""The project's settings: comfortable YAML, checked to the key."""

from __future__ import annotations

import pytest

from gitexp.errors import BadFormatError, UnsafeInputError
from gitexp.model.config import Identity, ParamKey, Predictions, ProjectConfig, SeedRule
from gitexp.model.plan import Direction
from gitexp.model.rules import Policy
from gitexp.records import config

HEAD = "$schema: gitexp/config@1\n"


def load(text: str) -> ProjectConfig:
    return config.load((HEAD + text).encode(), "config.yaml")


def test_an_empty_config_is_the_defaults() -> None:
    assert load("") == ProjectConfig()


def test_all_keys_are_read() -> None:
    found = load(
        """
project: models/churn
pipeline: {file: dvc.yaml, targets: [train]}
params: [params.yaml, conf/net.toml]
metrics: {files: [metrics.json], directions: {f1: max, loss: min}, cost: [energy_kwh, a.json:ms]}
outputs: [data/prepared.csv, model]
predictions: {path: p.csv, y_true: y, positive: "1"}
curves: [curves.csv]
evaluation: [data/test.csv]
seed: {param: train.seed}
python: .venv/bin/python
run: {link: [.env], once: [prepare], timeout_s: 60}
inputs: {ignore: [/notes/]}
branches: {prefix: try/}
limits: {git_file: 2 MiB}
privacy: {min_slice: 5}
rules: {branches: try/*, protected: [main, release/*], R5: error, R8: off}
hooks: {auto_checkout: true}
plan: {witness: required}
record: {identity: hash}
"""
    )
    assert found == ProjectConfig(
        project="models/churn",
        pipeline="dvc.yaml",
        targets=("train",),
        params=("params.yaml", "conf/net.toml"),
        metrics=("metrics.json",),
        directions={"f1": Direction.MAX, "loss": Direction.MIN},
        cost=("energy_kwh", "a.json:ms"),
        outputs=("data/prepared.csv", "model"),
        predictions=Predictions("p.csv", y_true="y", positive="1"),
        curves=("curves.csv",),
        evaluation=("data/test.csv",),
        seed=SeedRule((ParamKey("params.yaml", "train.seed"),)),
        python=".venv/bin/python",
        link=(".env",),
        once=("prepare",),
        timeout_s=60,
        inputs_ignore=("/notes/",),
        branch_prefix="try/",
        min_slice=5,
        git_file_limit_bytes=2 << 20,
        rules={"R5": Policy.ERROR, "R8": Policy.OFF},
        rule_branches="try/*",
        protected=("main", "release/*"),
        auto_checkout=True,
        witness_required=True,
        identity=Identity.HASH,
    )


def test_short_forms_are_read() -> None:
    assert load("pipeline: dvc.yaml\nmetrics: [m.json]\n").metrics == ("m.json",)
    assert load("command: python train.py\n").command == "python train.py"
    assert load('seed: {arg: "seed={seed}"}\n').seed.arg == "seed={seed}"
    assert load("seed: {param: conf/net.toml:train.seed}\n").seed.params == (
        ParamKey("conf/net.toml", "train.seed"),
    )
    several = load("seed: {param: [a.seed, c.yaml:b], fixed: split}\n").seed
    assert [str(key) for key in several.params] == ["a.seed", "c.yaml:b"]
    assert [str(key) for key in several.fixed] == ["split"]


@pytest.mark.parametrize(
    ("text", "json"),
    [
        ("seed: null\n", {"param": None, "arg": None}),
        ("seed: {param: train.seed}\n", {"param": "train.seed", "arg": None}),
        ("seed: {param: [train.seed]}\n", {"param": "train.seed", "arg": None}),
        ("seed: {arg: 's={seed}'}\n", {"param": None, "arg": "s={seed}"}),
    ],
)
def test_one_seed_is_digested_as_it_always_was(text: str, json: object) -> None:
    part = config.results_part(load(text))
    assert isinstance(part, dict)
    assert part["seed"] == json


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        ("metricz: [a]\n", "config.yaml", "metrics"),
        ("run: {tiemout_s: 3}\n", "config.yaml", "timeout_s"),
        ("metrics: {directions: {f1: up}}\n", "metrics.directions.f1", "one of max, min"),
        ("params: params.yaml\n", "params", "a list of texts"),
        ("pipeline: dvc.yaml\ncommand: x\n", "command", "not both"),
        ("seed: {param: a, arg: '{seed}'}\n", "seed.arg", "not both"),
        ("seed: {arg: seed}\n", "seed.arg", "{seed}"),
        ("seed: {param: [a, a]}\n", "seed.fixed", "once"),
        ("seed: {param: a, fixed: [a]}\n", "seed.fixed", "once"),
        ("seed: {param: ['']}\n", "seed.param", "train.seed"),
        ("seed: {param: 3}\n", "seed.param", "list of texts"),
        ("run: {timeout_s: 0}\n", "run.timeout_s", "above 0"),
        ("branches: {prefix: exp}\n", "branches.prefix", "exp/"),
        ("limits: {git_file: many}\n", "limits.git_file", "5 MiB"),
        ("privacy: {min_slice: 0}\n", "privacy.min_slice", "at least 1"),
        ("rules: {R5: strict}\n", "rules.R5", "error, warn, off"),
        ("rules: {R9: warn}\n", "config.yaml", "R1"),
        ("rules: {branches: 'exp/(a+)+'}\n", "rules.branches", "exp/*"),
        ("plan: {witness: maybe}\n", "plan.witness", "required"),
        ("record: {identity: nobody}\n", "record.identity", "hash"),
        ("python: 3\n", "python", "a text"),
    ],
)
def test_a_wrong_key_or_value_is_named(text: str, where: str, expected: str) -> None:
    with pytest.raises(BadFormatError) as caught:
        load(text)
    assert where in caught.value.where
    assert expected in caught.value.expected


@pytest.mark.parametrize("path", ["/etc", "../x", "a/../../x", ".git/hooks", "C:/x", "a\\\\b"])
def test_a_path_that_leaves_its_place_is_refused(path: str) -> None:
    for text in (f"outputs: ['{path}']\n", f"project: '{path}'\n", f"curves: ['{path}']\n"):
        with pytest.raises(UnsafeInputError):
            load(text)


def test_the_template_explains_every_key() -> None:
    text = config.dump_template(ProjectConfig(pipeline="dvc.yaml")).decode()
    keys = [line for line in text.splitlines() if line and not line.startswith(("#", " ", "$"))]
    for key in keys:
        above = text[: text.index(f"\n{key}")].splitlines()[-1]
        assert above.startswith("#") or key in {
            "run:",
            "inputs:",
            "branches:",
            "limits:",
            "privacy:",
            "hooks:",
            "plan:",
            "record:",
        }


def test_only_what_acts_on_results_is_in_the_results_part() -> None:
    base = ProjectConfig(pipeline="dvc.yaml")
    same = ProjectConfig(
        pipeline="dvc.yaml", python="p", link=("a",), timeout_s=3, min_slice=3, branch_prefix="t/"
    )
    assert config.results_part(base) == config.results_part(same)
    assert config.results_part(base) != config.results_part(
        ProjectConfig(pipeline="dvc.yaml", once=("prepare",))
    )


def test_an_evaluation_budget_is_a_number_of_decisions_or_none() -> None:
    text = config.dump_template(ProjectConfig(pipeline="dvc.yaml", evaluation_budget=20))
    assert config.load(text, "config.yaml").evaluation_budget == 20
    none = text.replace(b"evaluation_budget: 20", b"evaluation_budget: null")
    assert config.load(none, "config.yaml").evaluation_budget is None
    with pytest.raises(BadFormatError) as caught:
        config.load(text.replace(b"evaluation_budget: 20", b"evaluation_budget: 0"), "config.yaml")
    assert caught.value.where == "config.yaml: evaluation_budget"
