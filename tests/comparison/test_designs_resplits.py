"""Each seed divides one table anew: what repeats share is paid for, by the plans that say so."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from gitexp.comparison.designs import ONE_TEST_SET
from gitexp.comparison.designs.resplits import APART, _names
from gitexp.comparison.power import power
from gitexp.errors import DataMissingError
from gitexp.model.comparison import Verdict
from gitexp.model.config import Predictions
from gitexp.model.design import PowerRequest
from gitexp.model.ids import Md5
from gitexp.model.plan import Stopping, StoppingRule
from gitexp.model.run import FileHash
from gitexp.text.predictions import evaluation_digest, load
from tests.lab.records import CONFIG, Lab, one, scores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.lab.build import BuiltRepo

SPEC = Predictions("pred.csv")
ROWS, TEST, SEEDS = 40, 8, range(10)


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def fifth(seed: int) -> dict[str, str]:
    """Return a fifth of one table, drawn by the seed: ids with their labels."""
    drawn = np.random.default_rng(seed).choice(ROWS, TEST, replace=False)
    return {f"r{row}": str(row % 2) for row in sorted(drawn)}


def fresh(seed: int) -> dict[str, str]:
    """Return examples that no other seed has."""
    return {f"r{seed * TEST + row}": str(row % 2) for row in range(TEST)}


NUMBERED: tuple[Callable[[int, str], str], ...] = (
    lambda seed, row: f"{seed}-{row}",
    lambda seed, row: f"{row}/{seed:03}",
    lambda seed, row: f"{hashlib.sha256(b'%d' % seed).hexdigest()}-{row}",
    lambda seed, row: f"{row}.split{chr(97 + seed)}",
)


def numbered(seed: int) -> dict[str, str]:
    """Return a fifth of one table whose ids are but places in it."""
    return {str(place): label for place, label in enumerate(fifth(seed).values())}


def predicted(lab: Lab, examples: Mapping[str, str], side: str) -> tuple[FileHash, str]:
    """Put predictions into the cache; also return what identifies their examples."""
    lines = ["id,y_true,y_pred,side", *(f"{key},{y},{y},{side}" for key, y in examples.items())]
    data = ("\n".join(lines) + "\n").encode()
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    place = lab.repo.path / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return FileHash("pred.csv", Md5(md5), len(data)), evaluation_digest(load(data, SPEC, "pred"))


def experiment(
    lab: Lab, part: Callable[[int], Mapping[str, str]], *, rules: int = 2, rule: bool = False
) -> tuple[list[float], list[float]]:
    """Record both sides of a plan whose seeds hold `part` out; return what they report."""
    lab.init(replace(CONFIG, predictions=SPEC), {".dvc/config": ""})
    stopping = Stopping(StoppingRule.ALWAYS_VALID) if rule else None
    plan = lab.plan(effect=">=0", rules=rules, stopping=stopping)
    lab.change()
    dice = np.random.default_rng(9)
    low = 0.6 + dice.normal(0, 0.02, len(SEEDS))
    high = low + 0.01 + dice.normal(0, 0.012, len(SEEDS))
    for letter, side, values in (("b", "main", low), ("c", "HEAD", high)):
        made = {seed: predicted(lab, part(seed), side) for seed in SEEDS}
        lab.record(
            letter,
            {"f1": {seed: float(values[seed]) for seed in SEEDS}},
            of=side,
            plan=plan,
            evaluation={seed: digest for seed, (_, digest) in made.items()},
            outputs={seed: (output,) for seed, (output, _) in made.items()},
        )
    return low.tolist(), high.tolist()


def corrected(low: list[float], high: list[float], ratio: float) -> float:
    """Return the one-sided p-value of Nadeau and Bengio, by their formula."""
    d = np.subtract(high, low)
    t = d.mean() / np.sqrt((1 / len(d) + ratio) * d.var(ddof=1))
    return float(stats.t.sf(t, len(d) - 1))


def test_what_repeats_of_one_table_share_is_paid_for(lab: Lab) -> None:
    low, high = experiment(lab, fifth)
    found = one(lab, "main", "exp/deep")
    seen = len(set().union(*map(fifth, SEEDS)))
    (metric,) = found.metrics
    assert metric.result is not None
    assert metric.result.plan.test == "corrected-resampled-t"
    assert metric.result.p_support == pytest.approx(corrected(low, high, TEST / (seen - TEST)))
    assert metric.result.p_support > 0.05 > stats.ttest_rel(high, low, alternative="greater").pvalue
    assert found.verdict is Verdict.INCONCLUSIVE
    assert [value for _, value in metric.candidate_values] == high
    assert metric.parts == ()
    assert found.detectable is not None
    assert (found.detectable.units, found.detectable.unit) == (len(SEEDS), "splits")
    (said,) = [text for text in found.warnings if "divides one table anew" in text]
    assert f"about {seen - TEST} examples to {TEST}" in said
    assert "more data do" in said
    assert found.scope == "data like these: each seed divides one table anew"


def test_seeds_with_examples_of_their_own_are_independent(lab: Lab) -> None:
    experiment(lab, fresh)
    found = one(lab, "main", "exp/deep")
    assert found.metrics[0].result is not None
    assert found.metrics[0].result.plan.test == "paired-permutation"
    assert found.verdict is Verdict.SUPPORTED
    assert ONE_TEST_SET not in found.warnings
    assert found.warnings.count(APART) == 1
    assert found.scope == "other seeds, each with a test set of its own"


@pytest.mark.parametrize("way", NUMBERED)
def test_ids_that_are_numbered_anew_for_each_seed_decide_nothing(
    lab: Lab, way: Callable[[int, str], str]
) -> None:
    experiment(lab, lambda seed: {way(seed, row): y for row, y in fifth(seed).items()})
    found = one(lab, "main", "exp/deep")
    assert found.metrics[0].result is None
    assert found.verdict is Verdict.UNDECIDABLE
    assert "are numbered anew for each seed" in found.headline


def test_a_drawn_seed_in_an_id_needs_no_mark_around_it() -> None:
    assert _names(28613489, ["286134890", "x2861348917"])
    assert not _names(3, ["r31", "r32"])


@pytest.mark.parametrize(("rules", "said"), [(2, True), (1, False)])
@pytest.mark.parametrize("basis", ["data", "evaluation", "predictions"])
def test_one_test_set_whose_noise_is_left_out_is_said(
    lab: Lab, basis: str, rules: int, *, said: bool
) -> None:
    lab = replace(lab, basis=basis)
    lab.init()
    plan = lab.plan(effect=">=0", rules=rules)
    lab.change()
    lab.record("b", {"f1": scores(0.6, SEEDS)}, of="main", plan=plan)
    lab.record("c", {"f1": scores(0.7, SEEDS, spread=0.009)}, plan=plan)
    found = one(lab, "main", "exp/deep")
    assert (ONE_TEST_SET in found.warnings) == said
    known = (
        "on this test set alone" if basis != "data" else "whether on one test set, no record says"
    )
    assert known in found.scope


def test_plans_of_the_first_rules_keep_their_test(lab: Lab) -> None:
    experiment(lab, fifth, rules=1)
    found = one(lab, "main", "exp/deep")
    assert found.metrics[0].result is not None
    assert found.metrics[0].result.plan.test == "paired-permutation"


def test_ids_that_are_places_in_a_split_decide_nothing(lab: Lab) -> None:
    experiment(lab, numbered)
    found = one(lab, "main", "exp/deep")
    assert found.metrics[0].result is None
    assert found.verdict is Verdict.UNDECIDABLE
    assert "the ids of predictions name other rows for other seeds" in found.headline


def test_a_stopping_rule_has_no_test_for_them(lab: Lab) -> None:
    experiment(lab, fifth, rule=True)
    found = one(lab, "main", "exp/deep")
    assert found.verdict is Verdict.UNDECIDABLE
    assert "a stopping rule has no test for splits of one data set" in found.headline


def test_either_side_tells_the_examples_of_a_seed(lab: Lab) -> None:
    experiment(lab, fifth)
    whole = one(lab, "main", "exp/deep")
    cache = lab.repo.path / ".dvc" / "cache" / "files" / "md5"
    for place in cache.glob("*/*"):
        if place.read_text("utf-8").endswith(",HEAD\n"):
            place.unlink()
    assert one(lab, "main", "exp/deep") == whole
    shutil.rmtree(cache)
    with pytest.raises(DataMissingError, match="not in the local cache") as failed:
        one(lab, "main", "exp/deep")
    assert failed.value.next_step == "gitexp pull exp/deep --data"


def test_power_pays_for_what_re_splits_share(lab: Lab) -> None:
    experiment(lab, fifth)
    asked = PowerRequest(metric="f1", effect=">0", expect="0.02", sd=0.01)
    found = power(lab.repo.workspace, asked)
    ratio = TEST / (len(set().union(*map(fifth, SEEDS))) - TEST)
    error = 0.01 * 2**0.5 * (1 / 10 + ratio) ** 0.5
    reached = stats.nct.sf(stats.t.ppf(0.95, 9), 9, 0.02 / error)
    assert found.support.chance == pytest.approx(reached)
    assert any(f"stays above {ratio**0.5:.2g} of the spread" in text for text in found.assumed)
    least = replace(asked, expect=str(found.detectable))
    assert power(lab.repo.workspace, least).support.chance == pytest.approx(0.8, abs=0.01)
    small = power(lab.repo.workspace, replace(asked, expect="0.01"))
    assert (small.support.needed, small.next_step.split(":")[0]) == (
        None,
        "a smaller promise, less noise or more data",
    )


def test_one_word_of_spread_has_one_meaning(lab: Lab) -> None:
    """That splits share examples is in what they find, and not in what one of them varies by."""
    low, high = experiment(lab, fifth)
    found, asked = one(lab).detectable, power(lab.repo.workspace)
    assert found is not None
    alone = float(np.std(np.subtract(high, low), ddof=1))
    assert (found.spread, asked.spread) == (pytest.approx(alone), pytest.approx(alone))
    assert found.distance == pytest.approx(asked.detectable, rel=0.05)


def test_what_power_does_not_know_of_splits_it_assumes() -> None:
    asked = PowerRequest(metric="f1", effect=">0", expect="0.01", sd=0.01)
    assert "repeats are independent (no re-splits of one table)" in power(None, asked).assumed
