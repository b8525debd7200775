"""What a comparison says about its power: from numbers, spread and the plan alone."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gitexp.comparison.designs.foretold import Spread
from gitexp.comparison.detectable import detectable
from gitexp.comparison.measure import share_of
from gitexp.comparison.power import power
from gitexp.model.design import PowerRequest
from gitexp.model.plan import PlanSeeds, Stopping, StoppingRule, Verdict
from gitexp.report.comparisons import text as render
from gitexp.report.sheet import Style
from tests.comparison.test_drawn import seeds_of
from tests.comparison.test_power import SPEC, agrees, labels, over_one_set, predicted
from tests.comparison.test_replanned import rewritten
from tests.lab.records import CONFIG, Lab, experiment, one, scores

if TYPE_CHECKING:
    from gitexp.model.comparison import Detectable, MetricComparison
    from gitexp.model.plan import Plan
    from gitexp.stats.values import Values
    from tests.lab.build import BuiltRepo


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def noisy(lab: Lab, *, effect: str = ">=5%", gain: float = 0.05, n: int = 10) -> None:
    """Record an experiment whose paired differences have a standard deviation of about 0.02."""
    lab.init()
    plan = lab.plan(effect=effect, repeats=n)
    lab.change()
    low = scores(0.6, range(n))
    high = {seed: value * (1 + gain) + (0.02 if seed % 2 else -0.02) for seed, value in low.items()}
    lab.record("b", {"f1": low}, of="main", plan=plan)
    lab.record("c", {"f1": high}, plan=plan)


def of(metric: MetricComparison, plan: Plan) -> Detectable | None:
    """Return what is found by the pairs of a metric alone."""
    share = share_of(plan.effect, plan.direction)
    pairs = zip(metric.baseline_values, metric.candidate_values, strict=True)
    gains = [new - share * old for (_, old), (_, new) in pairs]
    known = Spread(
        len(gains), metric.mean_baseline, None, pairs=(len(gains), float(np.std(gains, ddof=1)))
    )
    return detectable(metric, plan, known, paired=True)


def test_it_prints_the_smallest_effect_that_it_finds(lab: Lab) -> None:
    noisy(lab)
    result = one(lab)
    found = result.detectable
    assert found is not None
    assert (found.units, found.unit, found.power) == (10, "pairs", 0.8)
    assert found.spread == pytest.approx(0.021, abs=0.002)
    assert found.distance == pytest.approx(0.85 * found.spread, rel=0.03), "Cohen's dz at n = 10"
    assert "with 80 % power" in render((result,), Style(verbose=True))


def test_what_it_finds_does_not_depend_on_what_came_out(lab: Lab) -> None:
    plan = experiment(lab)
    (metric,) = one(lab).metrics
    better = replace(
        metric,
        candidate_values=tuple((seed, value + 0.2) for seed, value in metric.candidate_values),
    )
    before, after = (of(item, plan) for item in (metric, better))
    assert before is not None
    assert after is not None
    assert after.distance == pytest.approx(before.distance)


def test_a_promise_of_any_gain_needs_no_number(lab: Lab) -> None:
    noisy(lab, effect=">0", gain=0.0)
    result = one(lab)
    assert result.detectable is not None
    assert (result.detectable.promised, result.detectable.needed) == (None, None)


def test_an_inconclusive_answer_says_how_many_repeats_the_promise_needs(lab: Lab) -> None:
    noisy(lab, effect=">=1%", gain=0.005)
    result = one(lab)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.detectable is not None
    assert result.detectable.promised == pytest.approx(0.006, abs=1e-4), "1 % of 0.6"
    needed = result.detectable.needed
    assert needed is not None
    assert 60 < needed < 100
    assert any(
        reason.startswith(f"{needed} pairs would refute the promise that f1")
        for reason in result.reasons
    )


def test_equivalence_is_about_the_band(lab: Lab) -> None:
    noisy(lab, effect="+-1%", gain=0.0)
    result = one(lab)
    assert result.detectable is not None
    assert result.detectable.needed is not None
    assert result.detectable.needed > 60
    assert "show equivalence within" in render((result,), Style(verbose=True))


@pytest.mark.parametrize("rule", [StoppingRule.POCOCK, StoppingRule.ALWAYS_VALID])
def test_a_stopping_rule_finds_less_than_a_single_look_would(lab: Lab, rule: StoppingRule) -> None:
    sizes = []
    looks = 0 if rule is StoppingRule.ALWAYS_VALID else 2
    noisy(lab, effect=">=1%", gain=0.005)
    result = one(lab)
    assert result.plan is not None
    for stopping in (None, Stopping(rule, looks)):
        plan = replace(result.plan, stopping=stopping)
        found = of(result.metrics[0], plan)
        assert found is not None
        assert found.needed is not None
        sizes.append((found.distance, found.needed))
    (single, few), (ruled, more) = sizes
    assert ruled > 1.05 * single
    assert more > few


def test_before_the_first_look_of_a_rule_nothing_is_found(lab: Lab) -> None:
    noisy(lab, effect=">=1%", n=6)
    result = one(lab)
    assert result.plan is not None
    plan = replace(result.plan, repeats=20, stopping=Stopping(StoppingRule.POCOCK, 2))
    assert of(result.metrics[0], plan) is None


def test_without_any_spread_nothing_is_said(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0")
    lab.change()
    lab.record("b", {"f1": dict.fromkeys(range(10), 0.5)}, of="main", plan=plan)
    lab.record("c", {"f1": dict.fromkeys(range(10), 0.5)}, plan=plan)
    assert one(lab).detectable is None


PARTS = {  # standard deviations of what a seed, and an example, adds to either side
    "seeds": (0.05, 0.03),
    "tried": (0.05, 0.03),
    "both": (0.02, 0.5),
}


def over_examples(lab: Lab, design: str, sides: dict[str, int]) -> list[Values]:
    """Record both sides' predictions of one test set; return who was right.

    "tried": with seeds of the plan, so that another plan is another try.
    """
    dice, rows, tables, size = np.random.default_rng(8), 400, [], sides["HEAD"]
    parts, drawn = PARTS[design], design == "tried"
    plan = lab.plan(metric="accuracy", effect=">5%", repeats=size, rules=2)
    plan = rewritten(lab, plan, seeds=PlanSeeds(f"{9:032x}")) if drawn else plan
    seeds = seeds_of(plan, size) if drawn else range(100)
    lab.change()
    hard = dice.beta(3, 1, rows)
    for letter, (of, number) in zip("bc", sides.items(), strict=True):
        shift = dice.normal(0, parts[0], (number, 1)) + dice.normal(0, parts[1], rows)
        right = dice.random((number, rows)) < np.clip(hard + shift, 0, 1)
        by_seed = dict(zip(seeds, right, strict=False))
        made = {seed: predicted(lab, labels(part)) for seed, part in by_seed.items()}
        lab.record(
            letter,
            {"accuracy": {seed: float(part.mean()) for seed, part in by_seed.items()}},
            of=of,
            plan=plan,
            call="both",
            evaluation=next(digest for _, digest in made.values()),
            outputs={seed: (output,) for seed, (output, _) in made.items()},
        )
        tables.append(right.astype(float))
    return tables


def of_numbers(lab: Lab, sides: dict[str, int], effect: str, size: int, first: int = 0) -> None:
    """Record both sides' numbers; the candidate's seeds begin at `first`."""
    dice = np.random.default_rng(3)
    plan = lab.plan(effect=effect, repeats=size, rules=2)
    lab.change()
    for letter, (of, number) in zip("bc", sides.items(), strict=True):
        start, sd = (first, 0.05) if of == "HEAD" else (0, 0.01)
        values = {start + seed: float(dice.normal(0.6, sd)) for seed in range(number)}
        lab.record(letter, {"f1": values}, of=of, plan=plan)


@pytest.mark.parametrize(
    ("design", "base", "n"),
    [
        ("numbers", 8, 8),
        ("band", 8, 8),
        ("unpaired", 8, 8),
        ("unpaired", 4, 4),
        ("seeds", 8, 8),
        ("tried", 8, 8),
        ("both", 8, 8),
        ("seeds", 4, 4),
        ("seeds", 6, 4),
    ],
)
def test_compare_and_power_name_one_number_of_repeats(
    lab: Lab, design: str, base: int, n: int
) -> None:
    lab.init(replace(CONFIG, predictions=SPEC), {".dvc/config": ""})
    sides = {"main": base, "HEAD": n}
    if design in PARTS:
        over_examples(lab, design, sides)
    else:
        effect = "+-1%" if design == "band" else ">1%"
        of_numbers(lab, sides, effect, n, 20 if design == "unpaired" else 0)
    found, asked = one(lab), power(lab.repo.workspace)
    assert found.verdict in {Verdict.INCONCLUSIVE, Verdict.UNDECIDABLE}
    assert found.detectable is not None
    assert found.detectable.unit.startswith(asked.unit), "of one thing"
    assert (found.detectable.spread, found.detectable.distance, found.detectable.needed) == (
        *(pytest.approx(asked.spread), pytest.approx(asked.detectable), asked.needed),
    )
    assert (asked.needed is None) is (design == "both"), "no number of repeats is enough"
    if asked.needed and found.verdict is Verdict.INCONCLUSIVE:
        said = f"{asked.needed:,} {found.detectable.unit} would "
        assert any(reason.startswith(said) for reason in found.reasons)
        assert f"--repeats {asked.needed} " in found.next_step


def test_of_so_many_repeats_on_one_test_set_four_fifths_decide(lab: Lab) -> None:
    lab.init(replace(CONFIG, predictions=SPEC), {".dvc/config": ""})
    left, right = over_examples(lab, "seeds", {"main": 8, "HEAD": 8})
    found = one(lab).detectable
    assert found is not None
    assert found.needed is not None
    assert found.promised is not None
    gains = right - 1.05 * left
    n, rows = gains.shape
    by_seed, by_row = gains.mean(axis=1), gains.mean(axis=0)
    rest = math.sqrt(
        ((gains - by_seed[:, None] - by_row + gains.mean()) ** 2).sum() / (n - 1) / (rows - 1)
    )
    parts = (
        math.sqrt(max(by_seed.var(ddof=1) - rest**2 / rows, 0)),
        math.sqrt(max(by_row.var(ddof=1) - rest**2 / n, 0)),
        rest,
    )
    dice = np.random.default_rng(5)
    less, enough = (
        power(lab.repo.workspace, PowerRequest(n=n)).reached or 0
        for n in (found.needed - 1, found.needed)
    )
    assert less < 0.8 <= enough
    agrees(enough, over_one_set(dice, found.promised, parts, (found.needed, rows)))
