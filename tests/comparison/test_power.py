"""`power`: how many repeats a promise needs, from the baseline's spread and the plan."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from gitexp.comparison.compare import compare
from gitexp.comparison.power import power
from gitexp.errors import BadEffectError, NoRepositoryError, UsageError
from gitexp.experiments.new import new
from gitexp.model.config import Predictions
from gitexp.model.design import PowerDesign, PowerRequest
from gitexp.model.ids import Md5
from gitexp.model.plan import Direction, SeedOrigin, Stopping, StoppingRule, Verdict
from gitexp.model.request import NewRequest
from gitexp.model.run import FileHash, Resources, Sample
from gitexp.report import views
from gitexp.text.predictions import evaluation_digest, load
from tests.lab.records import CONFIG, START, Lab

if TYPE_CHECKING:
    from gitexp.model.design import Support
    from gitexp.model.workspace import Workspace
    from gitexp.stats.values import Values
    from tests.lab.build import BuiltRepo

NOISE = (0.02, -0.02, 0.01, -0.01, 0.0, 0.015, -0.015, 0.005, -0.005, 0.0)


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    """A project whose baseline was run ten times: mean 0.6, standard deviation about 0.013."""
    lab = Lab(repo)
    lab.init()
    lab.record("a", {"f1": {seed: 0.6 + noise for seed, noise in enumerate(NOISE)}})
    return lab


def ask(lab: Lab, **more: object) -> PowerRequest:
    del lab
    return PowerRequest(metric="f1", direction=Direction.MAX, **more)  # type: ignore[arg-type]


def test_a_promise_needs_the_repeats_that_tell_it_from_nothing(lab: Lab) -> None:
    found = power(lab.repo.workspace, ask(lab, effect=">=5%"))
    assert found.distance == pytest.approx(0.03)
    assert found.spread == pytest.approx(0.0130 * math.hypot(1, 1.05), rel=0.02)
    assert found.needed == 6
    assert found.reached is not None
    assert found.reached > 0.99
    text = views.render(found, "text")
    assert text.startswith(
        "SUPPORTED with a chance of 80 % by 10 pairs, if the true gain is 0.046 (+7.7 %) or more; "
        "at just the promise at most 5 %\n"
    )
    said = (
        "6 pairs refute the promise that f1 rises by at least 5 %, if in truth nothing changes, "
        "with 80 %; 10 with more than 99 %"
    )
    assert said in text
    assert "20 repeats on both sides, about 60 s one after another" in text
    assert "the spread of 10 baseline repeats" in text


def test_a_promise_of_any_gain_asks_for_its_size_and_says_what_ten_repeats_find(lab: Lab) -> None:
    found = power(lab.repo.workspace, ask(lab, effect=">0"))
    assert (found.distance, found.needed, found.units) == (None, None, 10)
    assert found.detectable == pytest.approx(0.854 * 0.0130 * 2**0.5, rel=0.03)
    first = (
        "SUPPORTED with a chance of 80 % by 10 pairs, if the true gain is 0.016 (+2.6 %) or more"
    )
    assert views.render(found, "text").startswith(first)
    assert "--expect" in found.next_step
    sized = power(lab.repo.workspace, ask(lab, effect=">0", expect="0.02"))
    assert sized.support.needed is not None
    assert 5 <= sized.support.needed <= 9


def test_the_spread_of_a_resource_is_that_of_the_repeats(lab: Lab) -> None:
    used = {seed: Resources(wall_s=60 + 100 * noise) for seed, noise in enumerate(NOISE)}
    lab.change()
    lab.record("b", {"f1": dict.fromkeys(used, 0.6)}, resources=used)
    asked = PowerRequest(metric="wall_s", direction=Direction.MIN, effect=">=5%")
    assert power(lab.repo.workspace, asked).spread == pytest.approx(
        1.3 * math.hypot(1, 0.95), rel=0.02
    )


def test_that_the_noise_of_one_test_set_is_left_out_is_said(lab: Lab) -> None:
    said = "the noise of the one test set that all of them predicted is left out"
    assert any(said in text for text in power(lab.repo.workspace, ask(lab)).assumed)
    lab.record("b", {"f1": {10: 0.61}}, evaluation="f" * 64)
    assert not any(said in text for text in power(lab.repo.workspace, ask(lab)).assumed)


def test_a_spread_can_be_given_and_seeds_need_not_be_common(lab: Lab) -> None:
    given = ask(lab, effect=">0", expect="0.5", sd=1.0, design=PowerDesign.INDEPENDENT)
    found = power(lab.repo.workspace, given)
    assert found.support.needed in {50, 51}, "Cohen 1988, table 2.4.1"
    assert found.unit == "repeats a side"


def test_without_a_spread_it_says_what_would_give_one(repo: BuiltRepo) -> None:
    lab = Lab(repo)
    lab.init()
    with pytest.raises(UsageError) as caught:
        power(repo.workspace, ask(lab, effect=">0"))
    assert "--sd" in caught.value.next_step
    with pytest.raises(UsageError):
        power(repo.workspace, PowerRequest())


def test_repeats_that_only_rounding_sets_apart_have_no_spread(lab: Lab) -> None:
    lab.change()
    lab.record("d", {"f1": {seed: 0.6 * (1 + 1e-12 * (seed % 3)) for seed in range(10)}})
    with pytest.raises(UsageError, match="the spread of the baseline is not known") as caught:
        power(lab.repo.workspace, ask(lab, effect=">=5%"))
    assert caught.value.expected == "3 repeats with some variation, or --sd"


@pytest.mark.parametrize(
    ("design", "option", "acts"),
    [
        (PowerDesign.PAIRED, {"sd": 0.02}, True),
        (PowerDesign.PAIRED, {"correlation": 0.8}, False),
        (PowerDesign.PAIRED, {"share": 0.1}, False),
        (PowerDesign.PAIRED, {"discordant": 0.5}, False),
        (PowerDesign.INDEPENDENT, {"sd": 0.02}, True),
        (PowerDesign.INDEPENDENT, {"discordant": 0.5}, False),
        (PowerDesign.ACCURACY, {"discordant": 0.5}, True),
        (PowerDesign.ACCURACY, {"sd": 5.0}, False),
        (PowerDesign.ACCURACY, {"correlation": 0.5}, False),
        (PowerDesign.AREA, {"correlation": 0.8}, True),
        (PowerDesign.AREA, {"discordant": 0.5}, False),
    ],
)
def test_what_changes_no_number_of_a_design_is_refused(
    design: PowerDesign, option: dict[str, float], *, acts: bool
) -> None:
    examples = design in {PowerDesign.ACCURACY, PowerDesign.AREA}
    usual: dict[str, float] = {"area": 0.8} if examples else {"sd": 0.03}
    usual |= {"share": 0.3} if design is PowerDesign.AREA else {}
    base = PowerRequest(effect=">0", expect="0.02", design=design)
    asked = replace(base, **{**usual, **option})
    if acts:
        assert power(None, asked) != power(None, replace(base, **usual))
        return
    with pytest.raises(UsageError, match="has no effect here") as caught:
        power(None, asked)
    assert "--design" in caught.value.expected


def test_equivalence_and_non_inferiority_have_their_size_in_the_promise(lab: Lab) -> None:
    band = power(lab.repo.workspace, ask(lab, effect="+-2%"))
    worse = power(lab.repo.workspace, ask(lab, effect=">=-2%"))
    assert band.needed is not None
    assert worse.needed is not None
    assert band.needed > worse.needed
    assert "if in truth nothing changes" in band.question


def test_examples_for_accuracy_and_for_an_area(lab: Lab) -> None:
    half = ask(
        lab, effect=">0", expect="0.05", design=PowerDesign.ACCURACY, discordant=0.2, area=0.8
    )
    assert power(lab.repo.workspace, half).support.needed == 493
    independent = ask(lab, effect=">0", expect="0.05", design=PowerDesign.ACCURACY, area=0.8)
    more = power(lab.repo.workspace, independent).support.needed
    assert more is not None
    assert more > 493
    area = ask(lab, effect=">0", expect="0.05", design=PowerDesign.AREA, area=0.8, share=0.3)
    found = power(lab.repo.workspace, area)
    assert found.support.needed is not None
    assert 500 < found.support.needed < 1_500
    with pytest.raises(UsageError, match="positive"):
        power(
            lab.repo.workspace,
            ask(lab, effect=">0", expect="0.05", design=PowerDesign.AREA, area=0.8),
        )


def test_the_plan_of_the_branch_is_asked_about_by_default(lab: Lab) -> None:
    lab.plan(effect=">=5%", repeats=4)
    found = power(lab.repo.workspace)
    assert (found.units, found.needed, found.detectable) == (4, 6, None)
    assert "no outcome of 4 pairs reaches alpha" in views.render(found, "text")
    named = power(lab.repo.workspace, PowerRequest(name="deep"))
    assert replace(named, next_step=found.next_step) == found


def test_a_new_plan_says_what_its_repeats_find(lab: Lab) -> None:
    request = NewRequest(
        name="deeper",
        hypothesis="a deeper model raises f1",
        metric="f1",
        effect=">=5%",
        direction=Direction.MAX,
        repeats=10,
        seeds=SeedOrigin.COMMITTED,
    )
    report = new(lab.repo.workspace, request, now=START)
    assert report.power is not None
    assert report.power.needed == 6
    text = views.render(report, "text")
    assert "power       SUPPORTED with a chance of 80 % by 10 pairs, if the true gain is" in text
    assert "no change   6 pairs refute the promise that f1" in text


def test_a_baseline_that_was_run_on_another_branch_has_a_price(lab: Lab) -> None:
    lab.repo.git("reset", "--quiet", "--hard", "HEAD~1", "--")
    lab.repo.git("branch", "elsewhere", "ORIG_HEAD")
    found = power(lab.repo.workspace, ask(lab, effect=">=5%"))
    assert found.price is not None
    assert found.price.seconds is not None
    wanted = NewRequest(
        name="idea", hypothesis="it does more", metric="f1", effect=">=5%", baseline="main",
        dry_run=True, seeds=SeedOrigin.COMMITTED
    )  # fmt: skip
    assert new(lab.repo.workspace, wanted).price.seconds == found.price.seconds


def test_a_stopping_rule_of_the_plan_has_its_price(lab: Lab) -> None:
    lab.plan(effect=">=2%", repeats=10)
    single = power(lab.repo.workspace)
    lab.repo.switch("main")
    lab.plan("early", effect=">=2%", repeats=10, stopping=Stopping(StoppingRule.ALWAYS_VALID))
    early = power(lab.repo.workspace)
    assert single.needed is not None
    assert early.needed is not None
    assert early.needed > 1.3 * single.needed
    assert single.reached is not None
    assert early.reached is not None
    assert early.reached < single.reached
    assert "the price of looking early, by the rule always-valid" in views.render(early, "text")


@pytest.mark.parametrize("alpha", [0.0, 0.5, 2.0, float("nan")])
def test_an_alpha_that_is_no_rate_is_refused(lab: Lab, alpha: float) -> None:
    with pytest.raises(UsageError, match="alpha is no rate of false positives"):
        power(lab.repo.workspace, ask(lab, effect=">=5%", alpha=alpha))


def test_what_the_request_says_itself_is_not_looked_up(repo: BuiltRepo) -> None:
    request = PowerRequest(effect=">=5%", sd=0.02, area=0.72)
    found = power(None, request)
    assert found.distance == pytest.approx(0.036)
    assert found == power(repo.workspace, request)
    with pytest.raises(UsageError) as caught:
        power(None, PowerRequest(effect=">=5%", sd=0.02))
    assert "--baseline-value" in caught.value.next_step
    with pytest.raises(NoRepositoryError):
        power(None, PowerRequest(effect=">=5%"))


def test_the_mean_that_is_given_goes_before_the_recorded_one(lab: Lab) -> None:
    found = power(lab.repo.workspace, ask(lab, effect=">=5%", area=1.2))
    assert found.distance == pytest.approx(0.06)


def test_the_next_step_repeats_the_promise_as_it_was_typed(lab: Lab) -> None:
    found = power(lab.repo.workspace, ask(lab, effect=">=5%", expect="9%"))
    asked = (
        f"--repeats {found.support.needed} --metric f1:max --effect '>=5%' --expect 9% "
        "--hypothesis ..."
    )
    assert found.next_step == f"gitexp new NAME {asked}"
    lab.init()
    with pytest.raises(UsageError) as caught:
        power(lab.repo.workspace, PowerRequest(metric="loss", effect="<=-5%"))
    typed = "gitexp power --metric loss --effect '<=-5%' --sd 0.01 --baseline-value 0.8"
    assert caught.value.next_step == typed


SPEC = Predictions("pred.csv")


def labels(right: Values) -> bytes:
    """Write predictions of examples of which some are right."""
    rows = (f"r{row},1,{int(good)}" for row, good in enumerate(right))
    return "\n".join(["id,y_true,y_pred", *rows, ""]).encode()


def predicted(lab: Lab, data: bytes) -> tuple[FileHash, str]:
    """Put predictions into the cache; also return what identifies their examples."""
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    place = lab.repo.path / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return FileHash("pred.csv", Md5(md5), len(data)), evaluation_digest(load(data, SPEC, "pred"))


def yes(workspace: Workspace | None, **more: object) -> Support:
    asked = {"metric": "f1", "direction": Direction.MAX, "sd": 0.02, "area": 0.6, "n": 10, **more}
    return power(workspace, PowerRequest(**asked)).support  # type: ignore[arg-type]


def test_a_yes_is_as_likely_as_alpha_where_the_promise_is_just_true() -> None:
    just = yes(None, effect=">=5%", expect="5%")
    assert just.chance == pytest.approx(0.05, abs=0.002)
    assert just.needed is None
    least = yes(None, effect=">=5%").least
    assert least is not None
    likely = yes(None, effect=">=5%", expect=f"{least}")
    assert likely.chance == pytest.approx(0.8, abs=0.01)
    worse = yes(None, effect=">=5%", expect="-2%").chance
    assert worse is not None
    assert worse < 0.001


@pytest.mark.parametrize(
    ("way", "said", "truth"),
    [
        ("max", "8%", "f1 rises by 8 %"),
        ("max", "-8%", "f1 falls by 8 %"),
        ("min", "8%", "f1 falls by 8 %"),
        ("min", "-8%", "f1 falls by 8 %"),
        ("min", "+0.02", "f1 rises by 0.02"),
        ("min", "0", "nothing changes"),
    ],
)
def test_a_sign_is_the_change_of_the_metric_and_none_a_gain(
    way: str, said: str, truth: str
) -> None:
    assert yes(None, direction=Direction(way), effect=">0", expect=said).truth == truth


@pytest.mark.parametrize("said", ["much", "8 percent", "1e999", "", ">=8%"])
def test_an_expectation_that_is_no_size_is_refused(said: str) -> None:
    with pytest.raises(BadEffectError, match="no size of a true effect"):
        yes(None, effect=">=5%", expect=said)


def agrees(chance: float | None, found: list[bool]) -> None:
    """Hold a chance against the share of yeses among simulations, within 3 standard errors."""
    assert chance is not None
    assert 0.2 < chance < 0.98
    error = math.sqrt(chance * (1 - chance) / len(found))
    # the power itself is simulated where a test has few levels, with an error of 0.01
    assert np.mean(found) == pytest.approx(chance, abs=3 * error + 0.01)


def test_the_chance_of_a_yes_is_that_of_flipping_the_signs_of_pairs() -> None:
    # each sum of relabelled differences beside the true one; promise and truth are relative
    dice, n = np.random.default_rng(1), 8
    signs = np.array(np.meshgrid(*[[1, -1]] * n)).reshape(n, -1)
    found = []
    for _ in range(2_000):
        old, new = dice.normal(0.6, 0.02, n), dice.normal(0.6 * 1.09, 0.02, n)
        d = new - 1.05 * old
        found.append(bool(((d @ signs) >= d.sum() - 1e-12).mean() <= 0.05))
    agrees(yes(None, effect=">=5%", expect="9%", n=n).chance, found)


def test_the_chance_of_a_yes_is_that_of_relabelling_repeats_that_do_not_pair() -> None:
    dice, n = np.random.default_rng(2), 5
    dealt = np.zeros((math.comb(2 * n, n), 2 * n))
    for row, chosen in enumerate(itertools.combinations(range(2 * n), n)):
        dealt[row, list(chosen)] = 1
    found = []
    for _ in range(2_000):
        both = np.concatenate([dice.normal(0.03, 0.02, n), dice.normal(0, 0.02, n)])
        found.append(bool((dealt @ both >= both[:n].sum() - 1e-12).mean() <= 0.05))
    made = PowerDesign.INDEPENDENT
    agrees(yes(None, effect=">0", expect="0.03", n=n, design=made).chance, found)


def test_the_chance_to_show_equivalence_knows_the_true_difference() -> None:
    dice, n, band = np.random.default_rng(3), 20, 0.02
    d = 0.005 + dice.normal(0, 0.02 * 2**0.5, (4_000, n))
    error, limit = d.std(axis=1, ddof=1) / n**0.5, 1.7291  # of t with 19 degrees of freedom
    mid = d.mean(axis=1)
    found = (mid + band > limit * error) & (band - mid > limit * error)
    told = yes(None, effect="+-0.02", expect="0.005", n=n)
    assert told.verdict is Verdict.EQUIVALENT
    agrees(told.chance, found.tolist())


def over_one_set(
    dice: np.random.Generator,
    gain: float,
    parts: tuple[float, float, float],
    shape: tuple[int, int],
) -> list[bool]:
    """Simulate the crossed test; `parts`: standard deviations of seeds, examples and the rest."""
    n, rows = shape
    found = []
    for _ in range(2_000):
        cells = gain + dice.normal(0, parts[0], (n, 1)) + dice.normal(0, parts[1], rows)
        cells = cells + dice.normal(0, parts[2], (n, rows))
        by_seed, by_row, mid = cells.mean(axis=1), cells.mean(axis=0), cells.mean()
        left = cells - by_seed[:, None] - by_row + mid
        seeds, examples = rows * by_seed.var(ddof=1), n * by_row.var(ddof=1)
        all_of_it = seeds + max(examples - (left**2).sum() / ((n - 1) * (rows - 1)), 0)
        df = all_of_it**2 / (seeds**2 / (n - 1) + examples**2 / (rows - 1))
        t = mid / math.sqrt(max(all_of_it, examples) / (n * rows))
        found.append(bool(stats.t.sf(t, df) <= 0.05))
    return found


def test_pairs_that_are_there_tell_the_noise_of_their_test_set(repo: BuiltRepo) -> None:
    """What both sides have in common is known then, and what no number of repeats takes away."""
    lab, n, rows, gain = Lab(repo), 6, 200, 0.06
    lab.init(replace(CONFIG, predictions=SPEC), {".dvc/config": ""})
    plan = lab.plan("deep", metric="accuracy", effect=">0", repeats=n)
    dice = np.random.default_rng(4)
    hard = dice.beta(2, 1, rows)
    tables = []
    for letter, of in (("a", "main"), ("b", "HEAD")):
        if letter == "b":
            lab.change()
            hard = np.clip(hard + dice.normal(0.05, 0.3, rows), 0, 1)  # of the candidate's own
        right = dice.random((n, rows)) < hard
        made = {seed: predicted(lab, labels(part)) for seed, part in enumerate(right)}
        lab.record(
            letter,
            {"accuracy": {seed: float(part.mean()) for seed, part in enumerate(right)}},
            of=of,
            plan=plan,
            evaluation=next(digest for _, digest in made.values()),
            outputs={seed: (output,) for seed, (output, _) in made.items()},
        )
        tables.append(right.astype(float))
    told = power(lab.repo.workspace, PowerRequest("deep", expect=str(gain)))
    gains = tables[1] - tables[0]
    by_seed, by_row, mid = gains.mean(axis=1), gains.mean(axis=0), gains.mean()
    rest = math.sqrt(((gains - by_seed[:, None] - by_row + mid) ** 2).sum() / (n - 1) / (rows - 1))
    parts = (
        math.sqrt(max(by_seed.var(ddof=1) - rest**2 / rows, 0)),
        math.sqrt(by_row.var(ddof=1) - rest**2 / n),
        rest,
    )
    assert (told.support.up_to, told.support.needed_from) == (None, None)
    agrees(told.support.chance, over_one_set(dice, gain, parts, (n, rows)))
    (seen,) = compare(lab.repo.workspace, ["deep"])
    assert seen.detectable is not None
    assert told.detectable == pytest.approx(seen.detectable.distance, rel=0.1)
    little = power(lab.repo.workspace, PowerRequest("deep", expect="0.02"))
    assert little.support.needed is None
    assert "examples" in little.next_step
    assert "own predictions" in views.render(little, "text")


def test_the_chance_over_one_test_set_is_that_of_the_crossed_test(repo: BuiltRepo) -> None:
    lab, n, rows, gain = Lab(repo), 6, 200, 0.08
    lab.init(replace(CONFIG, predictions=SPEC), {".dvc/config": ""})
    dice = np.random.default_rng(4)
    hard = dice.beta(2, 1, rows)  # how likely each example is right, whatever the seed
    right = dice.random((10, rows)) < hard
    made = {seed: predicted(lab, labels(part)) for seed, part in enumerate(right)}
    lab.record(
        "a",
        {"accuracy": {seed: float(part.mean()) for seed, part in enumerate(right)}},
        evaluation=next(digest for _, digest in made.values()),
        outputs={seed: (output,) for seed, (output, _) in made.items()},
    )
    asked = {"metric": "accuracy", "sd": None, "area": None, "effect": ">0", "n": n}
    told = yes(lab.repo.workspace, **asked, expect=str(gain))
    assert told.up_to is not None
    assert told.up_to > (told.chance or 1)
    # components of the differences, of sides with nothing in common, from the table itself
    shown = right[:3].astype(float)
    rest = shown - shown.mean(axis=0) - shown.mean(axis=1, keepdims=True) + shown.mean()
    rest_sd = math.sqrt(2 * (rest**2).sum() / (2 * (rows - 1)))
    example_sd = math.sqrt(2 * shown.mean(axis=0).var(ddof=1) - rest_sd**2 / 3)
    seed_sd = math.sqrt(max(2 * right.mean(axis=1).var(ddof=1) - rest_sd**2 / rows, 0))
    found = over_one_set(dice, gain, (seed_sd, example_sd, rest_sd), (n, rows))
    agrees(told.chance, found)
    close = yes(lab.repo.workspace, **asked, expect=str(gain), discordant=0.38)
    assert (close.up_to, close.needed_from) == (None, None)
    assert told.chance is not None
    assert close.chance is not None
    assert told.chance < close.chance < told.up_to
    shutil.rmtree(lab.repo.path / ".dvc" / "cache")
    blind = yes(lab.repo.workspace, **asked, expect=str(gain))
    assert (blind.chance, blind.up_to, blind.needed) == (None, told.up_to, None)
    assert blind.needed_from is not None
    assert blind.needed_from < blind.planned(10) == 10, "a lower bound is no plan"
    text = views.render(
        power(
            lab.repo.workspace,
            PowerRequest(
                metric="accuracy", direction=Direction.MAX, effect=">0", expect=str(gain), n=n
            ),
        ),
        "text",
    )
    assert text.startswith("SUPPORTED with a chance of at most ")


@pytest.mark.parametrize("way", ["fresh folds", "the same folds", "no sizes", "a summary, too"])
def test_the_chance_over_folds_is_that_of_the_corrected_t(repo: BuiltRepo, way: str) -> None:
    lab, dice, seeds, folds = Lab(repo), np.random.default_rng(5), 6, 5
    lab.init()
    table = dice.normal(0.6, 0.02, (seeds, folds))
    if way == "the same folds":
        table += np.linspace(-0.1, 0.1, folds)
    sizes = (None, None) if way == "no sizes" else (400, 100)
    cells = [(seed, fold) for seed in range(seeds) for fold in range(folds)]
    rows = [Sample("f1", s, float(table[s, k]), None, k, "", *sizes) for s, k in cells]
    if way == "a summary, too":
        rows += [Sample("f1", s, float(table[s].mean())) for s in range(seeds)]
    lab.record("a", {}, evaluation="", samples=tuple(rows))
    asked = ask(lab, effect=">0", expect="0.02", n=4)
    report = power(repo.workspace, asked)
    found = report.support
    if way in {"no sizes", "a summary, too"}:  # as compare tests means of repeats
        assert (found.chance, found.up_to) == (0.0, None), "signs of four pairs decide nothing"
        return
    values = table.ravel() if way == "fresh folds" else table.mean(axis=0)
    units = folds * (4 if way == "fresh folds" else 1)
    size = 0.02 / (values.std(ddof=1) * 2**0.5) / math.sqrt(1 / units + 0.25)
    limit = stats.t.isf(0.05, units - 1)
    assert found.chance == pytest.approx(stats.nct.sf(limit, units - 1, size), abs=1e-6)
    assert found.up_to == 1.0, "common folds may leave no noise at all"
    text = views.render(report, "text")
    assert "to more than 99 % by 4 pairs" in text
    assert "reaches alpha" not in text
    assert "--repeats 4" in report.next_step
    none = power(repo.workspace, replace(asked, expect="0"))
    assert none.support.up_to == pytest.approx(0.05)


@pytest.mark.parametrize("sets", [4, 6])
def test_data_sets_decide_however_few_the_repeats(repo: BuiltRepo, sets: int) -> None:
    lab = Lab(repo)
    lab.init()
    cells = [(seed, k) for seed in range(3) for k in range(sets)]
    rows = tuple(Sample("f1", s, 0.6 + 0.01 * (s + k), None, None, f"d{k}") for s, k in cells)
    lab.record("a", {}, evaluation="", samples=rows)
    for n in (2, 20):
        report = power(repo.workspace, ask(lab, effect=">0", expect="0.02", n=n))
        assert (report.support.chance, report.support.up_to) == (None, float(sets > 4))
        bare = power(repo.workspace, ask(lab, effect=">0", n=n))
        assert (bare.support.least is None) is (sets == 4), "1 / 16 is above alpha"


def test_the_spread_of_the_plans_own_pairs_is_taken_once_there_are_five(lab: Lab) -> None:
    plan = lab.plan(effect=">=1%", repeats=10)
    lab.change()
    low = {seed: 0.6 + noise for seed, noise in enumerate(NOISE[:5])}
    high = {seed: value * 1.01 + 0.001 * (-1) ** seed for seed, value in low.items()}
    before = power(lab.repo.workspace, PowerRequest(expect="2%"))
    lab.record("b", {"f1": low}, of="main", plan=plan)
    lab.record("c", {"f1": dict(list(high.items())[:4])}, plan=plan)
    assert power(lab.repo.workspace, PowerRequest(expect="2%")).spread == before.spread
    lab.record("d", {"f1": {4: high[4]}}, plan=plan)
    found = power(lab.repo.workspace, PowerRequest(expect="2%"))
    assert found.spread == pytest.approx(np.std([0.001, -0.001] * 2 + [0.001], ddof=1))
    assert any("the spread of the plan's 5 pairs" in each for each in found.assumed)
    assert (found.support.chance or 0) > (before.support.chance or 1)


def test_hours_have_a_price_where_the_settings_of_git_say_one(lab: Lab) -> None:
    lab.repo.git("config", "gitexp.pricePerHour", "3600")
    found = power(lab.repo.workspace, ask(lab, effect=">=5%"))
    assert found.price is not None
    assert found.price.money == found.price.seconds
    assert ", 60.00 by gitexp.pricePerHour" in views.render(found, "text")
    lab.repo.git("config", "gitexp.pricePerHour", "cheap")
    with pytest.raises(UsageError, match=r"gitexp\.pricePerHour is no price"):
        power(lab.repo.workspace, ask(lab, effect=">=5%"))


def test_what_is_expected_binds_nothing_and_is_in_no_plan(lab: Lab) -> None:
    wanted = NewRequest(
        name="idea", hypothesis="it does more", metric="f1", effect=">=5%", dry_run=True,
        seeds=SeedOrigin.COMMITTED,
    )  # fmt: skip
    plain, hoped = (
        new(lab.repo.workspace, replace(wanted, expect=said), now=START) for said in (None, "9%")
    )
    assert hoped.plan == plain.plan
    assert hoped.power is not None
    assert hoped.power.support.truth == "f1 rises by 9 %"
    text = views.render(hoped, "text")
    assert re.search("power +SUPPORTED with a chance of [0-9]+ % by 10 pairs, if in truth f1", text)
    with pytest.raises(BadEffectError):
        new(lab.repo.workspace, replace(wanted, expect="much"), now=START)
    lab.repo.commit({"train.py": "print('another')\n"}, at=lab.tick(), message="moved on")
    unknown = new(lab.repo.workspace, replace(wanted, expect="9%"), now=START)
    assert any("cannot be said before the baseline's spread" in each for each in unknown.warnings)
