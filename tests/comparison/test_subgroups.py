"""`compare` on scores, clusters, subgroups and categories of recorded predictions."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn import metrics as reference

from gitexp.comparison.compare import CompareOptions
from gitexp.comparison.designs import slices
from gitexp.errors import DataMissingError, DesignError
from gitexp.model.comparison import Comparison
from gitexp.model.config import Predictions
from gitexp.model.ids import Md5
from gitexp.model.plan import Claim, Direction, Stopping, StoppingRule, Verdict
from gitexp.model.run import FileHash
from gitexp.records import codec
from gitexp.report.comparisons import text as render
from gitexp.report.sheet import Style
from tests.lab.records import CONFIG, Lab, one

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.lab.build import BuiltRepo

N = 240
REGIONS = ("north", "south", "tiny 0", "tiny 1")
FUNCTIONS = {
    "roc_auc": (reference.roc_auc_score, True),
    "average_precision": (reference.average_precision_score, True),
    "log_loss": (reference.log_loss, True),
    "brier": (reference.brier_score_loss, True),
    "f1": (reference.f1_score, False),
    "accuracy": (reference.accuracy_score, False),
}


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    lab = Lab(repo)
    config = replace(CONFIG, predictions=Predictions("pred.csv", positive="1"))
    lab.init(config, {".dvc/config": ""})
    return lab


def truth(n: int = N) -> np.ndarray:
    return (np.arange(n) % 5 < 2).astype(int)


def region(index: int) -> str:
    return f"tiny {index % 2}" if index < 10 else ("north", "south")[index % 2]


def scores(skill: float, seed: int, n: int = N) -> np.ndarray:
    """Return probabilities whose noise is shared by all models on an example, and some not."""
    shared = np.random.default_rng(99).normal(size=n)
    own = np.random.default_rng(seed).normal(size=n)
    return 1 / (1 + np.exp(-(skill * (2 * truth(n) - 1) + shared + 0.5 * own)))


def predictions(lab: Lab, chances: np.ndarray) -> tuple[FileHash, dict[str, float]]:
    """Put predictions into the cache and return their record and their metrics."""
    y = truth(len(chances))
    guess = (chances > 0.5).astype(int)
    lines = ["id,y_true,y_pred,score,region,user"]
    lines += [
        f"{i},{y[i]},{guess[i]},{float(chances[i])!r},{region(i)},u{i // 4}"
        for i in range(len(chances))
    ]
    data = ("\n".join(lines) + "\n").encode()
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    place = lab.repo.path / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    found = {
        name: float(function(y, chances if scored else guess))
        for name, (function, scored) in FUNCTIONS.items()
    }
    return FileHash("pred.csv", Md5(md5), len(data)), found


def record(
    lab: Lab, letter: str, skills: Mapping[int, float], *, shift: int, **options: object
) -> None:
    """Record a run whose repeats have these skills."""
    outputs: dict[int, tuple[FileHash, ...]] = {}
    values: dict[str, dict[int, float]] = {}
    for seed, skill in skills.items():
        output, found = predictions(lab, scores(skill, 1000 * shift + seed))
        outputs[seed] = (output,)
        for name, number in found.items():
            values.setdefault(name, {})[seed] = number
    lab.record(letter, values, outputs=outputs, **options)  # type: ignore[arg-type]


def models(
    lab: Lab, metric: str, *, low: float = 0.4, high: float = 1.2, effect: str = ">0"
) -> None:
    """Make an experiment that claims one model to be better than the other."""
    direction = Direction.MIN if metric in {"log_loss", "brier"} else Direction.MAX
    plan = lab.plan(claim=Claim.MODEL, repeats=1, metric=metric, effect=effect, direction=direction)
    lab.change()
    record(lab, "b", {0: low}, shift=1, of="main", plan=plan)
    record(lab, "c", {0: high}, shift=2, plan=plan)


def method(lab: Lab, metric: str, *, seeds: int = 4, gain: float = 0.6) -> None:
    """Make an experiment about the recipe whose repeats all predict the same examples."""
    plan = lab.plan(repeats=seeds, metric=metric, effect=">0")
    lab.change()
    rng = np.random.default_rng(5)
    record(
        lab,
        "b",
        {seed: 0.4 + 0.05 * rng.normal() for seed in range(seeds)},
        shift=1,
        of="main",
        plan=plan,
    )
    record(
        lab,
        "c",
        {seed: 0.4 + gain + 0.05 * rng.normal() for seed in range(seeds)},
        shift=2,
        plan=plan,
    )


@pytest.mark.parametrize(
    ("metric", "test"),
    [
        ("roc_auc", "delong"),
        ("average_precision", "paired-randomization"),
        ("log_loss", "paired-randomization"),
        ("brier", "paired-randomization"),
    ],
)
def test_a_metric_of_scores_of_two_models_gets_its_test(lab: Lab, metric: str, test: str) -> None:
    models(lab, metric)
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED, result.reasons
    item = result.metrics[0]
    assert item.result is not None
    assert item.result.plan.test == test
    assert item.n_baseline == N
    assert item.interval is not None
    assert item.relative_interval is not None


def test_clusters_are_the_units_and_a_late_choice_of_them_is_said(lab: Lab) -> None:
    models(lab, "f1")
    result = one(lab, options=CompareOptions(cluster="user"))
    item = result.metrics[0]
    assert item.result is not None
    assert item.result.plan.n_baseline == N // 4
    assert "in 60 clusters" in item.result.plan.why
    assert any("joined by user" in text for text in result.warnings)
    without = one(lab, options=CompareOptions(cluster="shop"))
    assert without.verdict is Verdict.NOT_COMPARABLE
    assert "no column shop" in without.headline


def test_subgroups_are_compared_with_holm_and_small_ones_are_hidden(lab: Lab) -> None:
    models(lab, "f1")
    found = one(lab, options=CompareOptions(by="region")).slices
    assert found is not None
    assert (found.hidden, found.least, found.family) == (2, 10, 2)
    assert [item.value for item in found.slices] == ["north", "south"]
    for item in found.slices:
        assert item.comparison is not None
        assert item.comparison.result is not None
        p = item.comparison.result.p_support
        assert p is not None
        assert item.p_adjusted is not None
        assert item.p_adjusted >= p
        rows = [i for i in range(N) if region(i) == item.value]
        want = reference.f1_score(truth()[rows], (scores(0.4, 1000) > 0.5)[rows].astype(int))
        assert item.comparison.mean_baseline == pytest.approx(want)
    assert sum(item.examples for item in found.slices) == N - 10


@pytest.mark.parametrize(
    ("sizes", "shown"),
    [
        ({"a": 10, "b": 12}, ["a", "b"]),
        ({"a": 9, "b": 12, "c": 40}, ["c"]),  # a would be the whole without b and c
        ({"a": 9, "b": 1, "c": 40}, ["c"]),
        ({"a": 4, "b": 5, "c": 40, "d": 41}, ["d"]),  # both together would be 9
        ({"a": 0, "b": 0, "c": 12, "d": 13}, ["d"]),
        ({"a": 3, "b": 40}, []),
        ({"a": 3}, []),
        ({}, []),
    ],
)
def test_what_is_hidden_does_not_follow_from_what_is_shown(
    sizes: dict[str, int], shown: list[str]
) -> None:
    assert slices.visible(sizes, 10) == shown


def test_a_column_of_ids_makes_no_subgroups_and_a_missing_one_is_named(lab: Lab) -> None:
    models(lab, "f1")
    with pytest.raises(DesignError, match="no column plan"):
        one(lab, options=CompareOptions(by="plan"))
    models_metric = one(lab, options=CompareOptions(by="user")).slices
    assert models_metric is not None
    assert models_metric.hidden == 60
    assert models_metric.slices == ()


def test_repeats_on_one_test_set_are_crossed_with_its_examples(lab: Lab) -> None:
    method(lab, "f1")
    result = one(lab)
    item = result.metrics[0]
    assert item.result is not None
    assert item.result.plan.test == "crossed-t"
    assert f"{N} examples" in item.result.plan.why
    assert result.verdict is Verdict.SUPPORTED, result.reasons
    assert [beside.plan.test for beside in item.beside] == [
        *("paired-permutation", "paired-t", "signed-rank")
    ]
    variance = item.variance
    assert variance is not None
    assert (variance.repeats, variance.examples) == (4, N)
    total = variance.seeds_share + variance.examples_share + variance.rest_share
    assert total == pytest.approx(1)
    by_region = one(lab, options=CompareOptions(by="region")).slices
    assert by_region is not None
    for slice_ in by_region.slices:
        assert slice_.comparison is not None
        assert slice_.comparison.result is not None
        assert slice_.comparison.result.plan.test == "crossed-t"


def test_what_a_crossed_design_finds_has_the_noise_of_the_test_set_in_it(lab: Lab) -> None:
    method(lab, "f1")
    result = one(lab)
    variance, found = result.metrics[0].variance, result.detectable
    assert variance is not None
    assert found is not None
    assert found.unit == f"pairs on the same {N} examples"
    z = 1.645 + 0.842  # what a normal statistic needs; t with few degrees of freedom needs more
    assert found.distance > z * variance.standard_error
    assert found.distance < 2 * z * variance.standard_error
    said = render((result,), Style(verbose=True))
    assert f"4 pairs on the same {N} examples, standard error {variance.standard_error:.2g}" in said
    assert "the method, over its seeds and over examples like these; which of two" in said


def test_a_stopping_rule_says_that_it_leaves_the_noise_of_the_test_set_out(lab: Lab) -> None:
    plan = lab.plan(
        repeats=6, metric="f1", effect=">0", stopping=Stopping(StoppingRule.ALWAYS_VALID)
    )
    lab.change()
    record(lab, "b", dict.fromkeys(range(6), 0.4), shift=1, of="main", plan=plan)
    record(lab, "c", dict.fromkeys(range(6), 1.0), shift=2, plan=plan)
    result = one(lab)
    assert any("the noise of the one test set left out" in said for said in result.warnings)
    said = render((result,), Style(verbose=True))
    assert "the method, over its seeds, on this one evaluation set; which of two" in said


def test_repeats_on_their_own_splits_keep_their_permutation_and_have_subgroups(lab: Lab) -> None:
    plan = lab.plan(repeats=6, metric="f1", effect=">0")
    lab.change()
    splits = {seed: f"{seed:x}" * 64 for seed in range(6)}
    record(lab, "b", dict.fromkeys(range(6), 0.4), shift=1, of="main", plan=plan, evaluation=splits)
    record(lab, "c", dict.fromkeys(range(6), 1.0), shift=2, plan=plan, evaluation=splits)
    result = one(lab, options=CompareOptions(by="region"))
    assert result.metrics[0].result is not None
    assert result.metrics[0].result.plan.test == "paired-permutation"
    assert result.slices is not None
    for item in result.slices.slices:
        assert item.comparison is not None
        assert item.comparison.result is not None
        assert item.comparison.result.plan.test == "paired-permutation"
        assert len(item.comparison.baseline_values) == 6
    joined = one(lab, options=CompareOptions(cluster="user"))
    assert any("--cluster has no effect" in text for text in joined.warnings)


def test_two_pairs_on_one_test_set_decide_nothing_and_three_would(lab: Lab) -> None:
    method(lab, "f1", seeds=2)
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE
    assert "need 3 pairs, 2 are there" in result.headline
    assert any("3 pairs would do" in text for text in result.reasons), result.reasons


def test_lost_predictions_of_a_crossed_design_are_fetched_and_no_other_test_is_taken(
    lab: Lab,
) -> None:
    method(lab, "f1", seeds=3)
    for folder in (lab.repo.path / ".dvc" / "cache" / "files" / "md5").iterdir():
        for file in folder.iterdir():
            file.unlink()
    with pytest.raises(DataMissingError) as caught:
        one(lab)
    assert caught.value.next_step == "gitexp pull exp/deep --data"


@pytest.mark.parametrize("name", ["f1", "quality"])
def test_a_metric_that_predictions_do_not_give_keeps_the_repeats_test_and_says_so(
    lab: Lab, name: str
) -> None:
    plan = lab.plan(repeats=6, metric=name, effect=">0")
    lab.change()
    for letter, skill, shift, of in (("b", 0.4, 1, "main"), ("c", 0.9, 2, "HEAD")):
        outputs = {
            seed: (predictions(lab, scores(skill, 1000 * shift + seed))[0],) for seed in range(6)
        }
        names = (name, "recall", "calibration", "fit_time_s")
        values = {each: {seed: skill + 0.01 * seed for seed in range(6)} for each in names}
        lab.record(letter, values, of=of, plan=plan, outputs=outputs)
    item, *watched = one(lab).metrics
    assert item.result is not None
    assert item.result.plan.test == "paired-permutation"
    said = {each.metric: each.notes for each in (item, *watched) if each.notes}
    assert said.keys() == {name, "recall", "calibration"}
    ((note,),) = set(said.values())
    assert "noise of the test set left out: it cannot be" in note


@pytest.mark.parametrize("column", ["y_pred", "errors"])
def test_categories_of_both_sides_are_counted_and_tested(lab: Lab, column: str) -> None:
    models(lab, "f1", low=0.1, high=2.0)
    result = one(lab, options=CompareOptions(categories=column, by="region"))
    found = result.categories
    assert found is not None
    assert sum(item.baseline for item in found.categories) == N
    assert sum(item.candidate for item in found.categories) == N
    assert found.result is not None
    assert found.result.plan.test == "category-swaps"
    assert [item.plan.test for item in found.beside] == [
        "stuart-maxwell",
        "chi-squared",
        "cochran-mantel-haenszel",
    ]
    if column == "errors":
        assert found.result.p_value < 0.01
        assert found.categories[0].name == "right"
    again = codec.load(Comparison, codec.dump(result), "here")
    assert again == result
