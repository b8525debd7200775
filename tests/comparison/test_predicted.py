"""`compare` on two models by their predictions of the same examples."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import CompareOptions, compare
from gitexp.errors import DataMissingError, DesignError
from gitexp.git.transaction import layout
from gitexp.model.config import Predictions
from gitexp.model.ids import Md5
from gitexp.model.plan import Claim, Guard, Verdict
from gitexp.model.run import FileHash
from tests.lab.records import CONFIG, Lab, one, scores

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def cached(lab: Lab, truth: list[int], guesses: list[int]) -> FileHash:
    """Put predictions into the cache and return their record."""
    pairs = zip(truth, guesses, strict=True)
    lines = ["id,y_true,y_pred", *(f"{i},{y},{guess}" for i, (y, guess) in enumerate(pairs))]
    data = ("\n".join(lines) + "\n").encode()
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    place = lab.repo.path / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return FileHash("pred.csv", Md5(md5), len(data))


def predictions(lab: Lab, right: int, total: int = 200) -> tuple[FileHash, float]:
    """Put predictions into the cache and return their record and their accuracy."""
    truth = [i % 2 for i in range(total)]
    guesses = [y if i < right else 1 - y for i, y in enumerate(truth)]
    return cached(lab, truth, guesses), right / total


@pytest.mark.parametrize("metric", ["accuracy", "f1"])
def test_one_run_a_side_is_enough_for_a_claim_about_two_models(lab: Lab, metric: str) -> None:
    config = replace(CONFIG, predictions=Predictions("pred.csv", positive="1"))
    lab.init(config, {".dvc/config": ""})
    plan = lab.plan(claim=Claim.MODEL, repeats=1, metric=metric, effect=">0")
    lab.change()
    worse, low = predictions(lab, 150)
    better, high = predictions(lab, 180)
    lab.record("b", {metric: {0: low}}, of="main", plan=plan, outputs={0: (worse,)})
    lab.record("c", {metric: {0: high}}, plan=plan, outputs={0: (better,)})
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED, result.reasons
    (item,) = result.metrics
    assert item.n_baseline == 200
    assert item.result is not None
    assert item.result.plan.test == {"accuracy": "mcnemar", "f1": "paired-randomization"}[metric]
    assert item.interval is not None
    assert result.claim is Claim.MODEL
    assert result.scope == "these two trained models, on examples like these"


def test_where_examples_are_lacking_no_number_of_repeats_is_named(lab: Lab) -> None:
    lab.init(replace(CONFIG, predictions=Predictions("pred.csv")), {".dvc/config": ""})
    plan = lab.plan(claim=Claim.MODEL, repeats=1, metric="accuracy", effect=">0")
    lab.change()
    (worse, low), (better, high) = predictions(lab, 0, 3), predictions(lab, 3, 3)
    lab.record("b", {"accuracy": {0: low}}, of="main", plan=plan, outputs={0: (worse,)})
    lab.record("c", {"accuracy": {0: high}}, plan=plan, outputs={0: (better,)})
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE
    assert result.next_step == 'gitexp conclude -m "what was learned"'


def test_a_guard_rail_with_too_few_examples_for_its_margin_leaves_no_yes(lab: Lab) -> None:
    config = replace(CONFIG, predictions=Predictions("pred.csv", positive="1"))
    lab.init(config, {".dvc/config": ""})
    guard = Guard("error_rate", "<=", 0.01, relative=False)
    plan = lab.plan(claim=Claim.MODEL, repeats=1, metric="accuracy", effect=">0", guards=(guard,))
    lab.change()
    for letter, right, of in (("b", 80, "main"), ("c", 100, "HEAD")):
        output, share = predictions(lab, right, total=120)
        both = {"accuracy": {0: share}, "error_rate": {0: 1 - share}}
        lab.record(letter, both, of=of, plan=plan, outputs={0: (output,)})
    result = one(lab)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "a bootstrap needs 200 examples, 120 are there" in result.headline


@pytest.mark.parametrize(("positives", "verdict"), [(8, "undecidable"), (20, "supported")])
def test_a_margin_of_a_class_metric_needs_examples_of_that_class(
    lab: Lab, positives: int, verdict: str
) -> None:
    config = replace(CONFIG, predictions=Predictions("pred.csv", positive="1"))
    lab.init(config, {".dvc/config": ""})
    plan = lab.plan(claim=Claim.MODEL, repeats=1, metric="recall", effect=">=-0.3")
    lab.change()
    truth = [int(i < positives) for i in range(400)]
    for letter, of, hits in (("b", "main", positives - 3), ("c", "HEAD", positives - 2)):
        guesses = [int(i < hits) for i in range(400)]
        output = cached(lab, truth, guesses)
        value = {"recall": {0: hits / positives}}
        lab.record(letter, value, of=of, plan=plan, outputs={0: (output,)})
    result = one(lab)
    assert result.verdict is Verdict(verdict), result.headline
    needs = "a bootstrap against a margin needs 20 examples of the positive class"
    assert (needs in result.headline) == (positives < 20)


def test_a_repeat_without_the_declared_predictions_is_named(lab: Lab) -> None:
    lab.init(replace(CONFIG, predictions=Predictions("pred.csv")), {".dvc/config": ""})
    plan = lab.plan(repeats=3, metric="accuracy", effect=">0")
    lab.change()
    (output, _), low, high = predictions(lab, 150), {1: 0.7, 2: 0.72, 3: 0.71}, {1: 1, 2: 0.9, 3: 1}
    every = dict.fromkeys(low, (output,))
    lab.record("b", {"accuracy": low}, of="main", plan=plan, outputs=every)
    lab.record("c", {"accuracy": high}, plan=plan, outputs={1: (output,)})
    said = " ".join(one(lab).warnings)
    assert "predictions are not compared: seeds 2, 3 of the candidate recorded none" in said
    with pytest.raises(DesignError, match="subgroups") as refused:
        compare(lab.repo.workspace, (), CompareOptions(by="y_true"))
    assert "seeds 2, 3 of the candidate recorded none" in refused.value.found


def test_clusters_of_whole_repeats_are_said_to_have_no_effect_and_nothing_else(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0", repeats=6)
    lab.change()
    for letter, of, base in (("b", "main", 0.6), ("c", "HEAD", 0.7)):
        lab.record(letter, {"f1": scores(base, range(6))}, of=of, plan=plan)
    said = [t for t in one(lab, options=CompareOptions(cluster="kind")).warnings if "kind" in t]
    assert said == ["--cluster has no effect on whole repeats: kind is a property of examples"]


def test_lost_predictions_stop_a_verdict_and_not_a_look(lab: Lab) -> None:
    config = replace(CONFIG, predictions=Predictions("pred.csv", positive="1"))
    lab.init(config, {".dvc/config": ""})
    plan = lab.plan(claim=Claim.MODEL, repeats=1, metric="accuracy", effect=">0")
    lab.change()
    gone = (FileHash("pred.csv", Md5("a" * 32), 10),)
    lab.record("b", {"accuracy": {0: 0.5}}, of="main", plan=plan, outputs={0: gone})
    lab.record("c", {"accuracy": {0: 0.6}}, plan=plan, outputs={0: gone})
    with pytest.raises(DataMissingError):
        compare(lab.repo.workspace)
    lab.repo.git("rm", "-q", "--cached", layout.plan_path("deep"))
    lab.repo.commit(at=60, message="no plan")
    result = one(lab, "main", "exp/deep")
    assert result.verdict is None
    assert any("predictions are not compared" in text for text in result.warnings)


def test_predictions_of_other_examples_are_not_comparable(lab: Lab) -> None:
    config = replace(CONFIG, predictions=Predictions("pred.csv", positive="1"))
    lab.init(config, {".dvc/config": ""})
    plan = lab.plan(claim=Claim.MODEL, repeats=1, metric="accuracy", effect=">0")
    lab.change()
    few, low = predictions(lab, 90, 100)
    many, high = predictions(lab, 190, 200)
    lab.record("b", {"accuracy": {0: low}}, of="main", plan=plan, outputs={0: (few,)})
    lab.record("c", {"accuracy": {0: high}}, plan=plan, outputs={0: (many,)})
    result = one(lab, options=CompareOptions(allow_different_evaluation=True))
    assert result.verdict is Verdict.NOT_COMPARABLE
    assert "same examples" in result.headline
