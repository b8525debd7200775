"""`power`: how many repeats a promise needs, from the baseline's spread and the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.power import power
from gitexp.errors import NoRepositoryError, UsageError
from gitexp.experiments.new import new
from gitexp.model.design import PowerDesign, PowerRequest
from gitexp.model.plan import Direction, SeedOrigin, Stopping, StoppingRule
from gitexp.model.request import NewRequest
from gitexp.model.run import Resources
from gitexp.report import views
from tests.lab.records import START, Lab

if TYPE_CHECKING:
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
    assert found.spread == pytest.approx(0.0130 * 2**0.5, rel=0.02)
    assert found.needed == 6
    assert found.reached is not None
    assert found.reached > 0.99
    text = views.render(found, "text")
    assert text.startswith(
        "6 pairs refute the promise that f1 rises by at least 5 %, if in truth nothing changes, "
        "with 80 % power\n"
    )
    assert "12 repeats on both sides, about 36 s one after another" in text
    assert "the spread of 10 baseline repeats" in text


def test_a_promise_of_any_gain_asks_for_its_size_and_says_what_ten_repeats_find(lab: Lab) -> None:
    found = power(lab.repo.workspace, ask(lab, effect=">0"))
    assert (found.distance, found.needed, found.units) == (None, None, 10)
    assert found.detectable == pytest.approx(0.854 * 0.0130 * 2**0.5, rel=0.03)
    assert views.render(found, "text").startswith("10 pairs show that f1 rises by 0.016 or more")
    assert "--gain" in found.next_step
    sized = power(lab.repo.workspace, ask(lab, effect=">0", gain="0.02"))
    assert sized.needed is not None
    assert 5 <= sized.needed <= 9


def test_the_spread_of_a_resource_is_that_of_the_repeats(lab: Lab) -> None:
    used = {seed: Resources(wall_s=60 + 100 * noise) for seed, noise in enumerate(NOISE)}
    lab.change()
    lab.record("b", {"f1": dict.fromkeys(used, 0.6)}, resources=used)
    asked = PowerRequest(metric="wall_s", direction=Direction.MIN, effect=">=5%")
    assert power(lab.repo.workspace, asked).spread == pytest.approx(1.3 * 2**0.5, rel=0.02)


def test_that_the_noise_of_one_test_set_is_left_out_is_said(lab: Lab) -> None:
    said = "the noise of the one test set that all of them predicted is left out"
    assert any(said in text for text in power(lab.repo.workspace, ask(lab)).assumed)
    lab.record("b", {"f1": {10: 0.61}}, evaluation="f" * 64)
    assert not any(said in text for text in power(lab.repo.workspace, ask(lab)).assumed)


def test_a_spread_can_be_given_and_seeds_need_not_be_common(lab: Lab) -> None:
    given = ask(lab, effect=">0", gain="0.5", sd=1.0, design=PowerDesign.INDEPENDENT)
    found = power(lab.repo.workspace, given)
    assert found.needed in {50, 51}, "Cohen 1988, table 2.4.1"
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


def test_equivalence_and_non_inferiority_have_their_size_in_the_promise(lab: Lab) -> None:
    band = power(lab.repo.workspace, ask(lab, effect="+-2%"))
    worse = power(lab.repo.workspace, ask(lab, effect=">=-2%"))
    assert band.needed is not None
    assert worse.needed is not None
    assert band.needed > worse.needed
    assert "if in truth nothing changes" in band.question


def test_examples_for_accuracy_and_for_an_area(lab: Lab) -> None:
    half = ask(lab, effect=">0", gain="0.05", design=PowerDesign.ACCURACY, discordant=0.2, area=0.8)
    assert power(lab.repo.workspace, half).needed == 493
    independent = ask(lab, effect=">0", gain="0.05", design=PowerDesign.ACCURACY, area=0.8)
    more = power(lab.repo.workspace, independent).needed
    assert more is not None
    assert more > 493
    area = ask(lab, effect=">0", gain="0.05", design=PowerDesign.AREA, area=0.8, share=0.3)
    found = power(lab.repo.workspace, area)
    assert found.needed is not None
    assert 500 < found.needed < 1_500
    with pytest.raises(UsageError, match="positive"):
        power(
            lab.repo.workspace,
            ask(lab, effect=">0", gain="0.05", design=PowerDesign.AREA, area=0.8),
        )


def test_the_plan_of_the_branch_is_asked_about_by_default(lab: Lab) -> None:
    lab.plan(effect=">=5%", repeats=4)
    found = power(lab.repo.workspace)
    assert (found.units, found.needed, found.detectable) == (4, 6, None)
    assert "no outcome of 4 pairs reaches alpha" in views.render(found, "text")
    assert power(lab.repo.workspace, PowerRequest(name="deep")) == found


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
    assert "power       6 pairs refute the promise that f1" in views.render(report, "text")


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
    assert new(lab.repo.workspace, wanted).price.seconds == found.price.seconds / 12 * 20


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
    found = power(lab.repo.workspace, ask(lab, effect=">=5%"))
    asked = "--repeats 6 --metric f1:max --effect '>=5%' --hypothesis ..."
    assert found.next_step == f"gitexp new NAME {asked}"
    lab.init()
    with pytest.raises(UsageError) as caught:
        power(lab.repo.workspace, PowerRequest(metric="loss", effect="<=-5%"))
    typed = "gitexp power --metric loss --effect '<=-5%' --sd 0.01 --baseline-value 0.8"
    assert caught.value.next_step == typed
