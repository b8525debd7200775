"""What a candidate's own settings change is said where its verdict is, and no code is called same.

Settings say what is executed and which numbers of it are the result; no rule or digest holds a
branch to those of the baseline.
"""

from __future__ import annotations

import ast
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Final, get_args

import pytest

from gitexp.comparison.environments import environment_changes
from gitexp.dvc.input_parts import PartKind
from gitexp.dvc.inputs import settings_differences
from gitexp.enforcement.review import review
from gitexp.git.transaction import layout
from gitexp.model.comparison import Change
from gitexp.model.config import Identity, InputsMode, Predictions, SeedRule
from gitexp.model.plan import Direction
from gitexp.model.rules import Policy
from gitexp.model.views import DiffView
from gitexp.records import config as config_format
from gitexp.report import brief, views, words
from gitexp.views.diff import diff
from tests.lab.records import CONFIG, ENVIRONMENT, START, Lab, scores
from tests.report.test_github import made

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

(_SYSTEM,) = environment_changes(ENVIRONMENT, replace(ENVIRONMENT, python="3.12.1"))
KINDS: Final = (*get_args(PartKind), _SYSTEM.kind, "a kind to come")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_change_is_told_and_not_called_the_same(kind: str) -> None:
    item = made().experiments[0]
    assert item.comparison is not None
    odd = Change(kind, "what-is-odd", "a", "b")
    changed = replace(item.comparison, changes=(odd,))
    first, _, third = (
        brief.joined(line, lambda part: part.text)
        for line in brief.three(replace(item, comparison=changed))
    )
    told = "; ".join(words.differences(changed))
    for text in (third, told):
        assert "what-is-odd" in text
        _, _, same = text.partition("same ")
        assert kind not in same
        assert ("code" in same) is (kind not in {"code", "config"})
    assert ("OTHER SETTINGS (what-is-odd)" in first) is (kind == "config")


def test_every_kind_of_change_has_a_table_in_a_diff() -> None:
    assert set(KINDS[:-1]) <= {field.name for field in fields(DiffView)}


# Each setting that acts on results, as a branch may have it.
OTHER: Final[dict[str, object]] = {
    "command": "python train.py --eval-on-train",
    "seed": SeedRule(arg="--seed {seed}"),
    "metrics": ("train_metrics.json",),
    "predictions": Predictions("p.csv"),
    "curves": ("curve.csv",),
    "evaluation": ("easy.csv",),
    "once": ("prepare",),
    "inputs_ignore": ("*.md", "helper.py"),
}


@pytest.mark.slow
def test_each_setting_that_acts_is_in_review_and_diff(repo: BuiltRepo) -> None:
    lab = Lab(repo)
    lab.init()
    for number, (name, value) in enumerate({**OTHER, "none": None}.items()):
        repo.switch("main")
        plan = lab.plan(name.replace("_", "-"), repeats=3)
        lab.change(3)
        if value is not None:
            settings = config_format.dump_template(replace(CONFIG, **{name: value}))  # type: ignore[arg-type]
            repo.commit({layout.CONFIG: settings}, at=lab.tick())
        low = scores(0.6, range(3))
        lab.record("abcdefghijk"[number], {"f1": low}, of="main", plan=plan)
        lab.record("lmnopqrstuv"[number], {"f1": {k: v + 0.1 for k, v in low.items()}}, plan=plan)
        (item,) = review(repo.workspace, f"main...{plan.branch}", now=START).experiments
        first, _, third = (brief.joined(e, lambda part: part.text) for e in brief.three(item))
        told = views.render(diff(repo.workspace, "main", plan.branch), "text")
        assert ("settings" in told, f"({name})" in first, f"({name})" in third) == (
            (value is not None,) * 3
        ), (name, first, third)
        assert ("same code" in third) is (value is None)


def test_the_table_has_every_setting_that_acts() -> None:
    other = {"pipeline": "dvc.yaml", "targets": ("x",)}  # of a project with a pipeline
    changed = replace(CONFIG, **(OTHER | other))  # type: ignore[arg-type]
    assert {item.what for item in settings_differences(CONFIG, changed)} == OTHER.keys() | other
    acting = config_format.results_part(CONFIG)
    assert isinstance(acting, dict)
    assert acting.keys() | {"inputs_ignore"} == OTHER.keys() | other


def test_settings_that_differ_are_told_in_the_words_of_the_file() -> None:
    other = {
        "directions": {"loss": Direction.MIN},
        "inputs_mode": InputsMode.DECLARED,
        "identity": Identity.HASH,
        "rules": {"R1": Policy.WARN},
        "predictions": Predictions("p.csv"),
    }
    changed = replace(CONFIG, **other)  # type: ignore[arg-type]
    found = settings_differences(CONFIG, changed, [field.name for field in fields(CONFIG)])
    assert {item.what for item in found} == other.keys()
    for text in (each for item in found for each in (item.a, item.b)):
        ast.literal_eval(text or "")  # no name of a class of ours
