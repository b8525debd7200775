"""What `compare` prints is true of what it computed: each test is a way in which it was not."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import CompareOptions, compare, exit_code
from gitexp.errors import NoSamplesError
from gitexp.experiments.conclude import conclude
from gitexp.model.config import Predictions
from gitexp.model.plan import Claim, Guard, Verdict
from gitexp.report import render_comparisons, words
from gitexp.report.comparisons import text as render
from gitexp.report.sheet import Style
from tests.comparison.test_predicted import predictions
from tests.lab.records import CONFIG, START, Lab, experiment, one, scores

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

OTHER_DATA = "f" * 64


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def test_runs_under_a_twin_plan_are_exploratory_and_spend_their_seeds(lab: Lab) -> None:
    lab.init()
    first = lab.plan("one")
    lab.change()
    seeds = range(10)
    lab.record("b", {"f1": scores(0.6, seeds)}, of="main", plan=first)
    lab.record("c", {"f1": scores(0.7, seeds)}, plan=first)
    twin = lab.plan("two")  # the same terms: best of the variants tried under the first
    assert twin.digest == first.digest
    with pytest.raises(NoSamplesError) as none:
        compare(lab.repo.workspace)
    assert "exploratory" in none.value.found
    lab.record("d", {"f1": scores(0.7, seeds)}, plan=twin)
    with pytest.raises(NoSamplesError) as spent:
        compare(lab.repo.workspace)
    assert "spent seed" in spent.value.found


def test_a_guard_rail_that_cannot_be_judged_is_not_broken(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(guards=(Guard("elbo", "<=", 0.05, relative=True),))
    lab.change()
    seeds = range(10)
    below = scores(-10.0, seeds)
    lab.record("b", {"f1": scores(0.6, seeds), "elbo": below}, of="main", plan=plan)
    lab.record("c", {"f1": scores(0.7, seeds), "elbo": below}, plan=plan)
    result = one(lab)
    assert "guard-rail on elbo cannot be judged" in result.headline
    assert "BROKEN" not in result.headline
    assert exit_code([result]) == 6


def test_a_few_repeats_break_no_guard_rail(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(guards=(Guard("ms", "<=", 0.0, relative=False),))
    lab.change()
    lab.record("b", {"f1": scores(0.6, [0]), "ms": {0: 12.0}}, of="main", plan=plan)
    lab.record("c", {"f1": scores(0.7, [0]), "ms": {0: 12.1}}, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE
    assert "BROKEN" not in result.headline
    assert exit_code([result]) == 6
    assert words.role_note(result, result.metrics[1]) == "guard-rail, not shown to be kept"


def test_a_guard_rail_that_was_not_measured_is_said_beside_an_open_verdict(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(guards=(Guard("recall", ">=", -0.01, relative=False),))
    lab.change()
    lab.record("b", {"f1": scores(0.6, range(10))}, of="main", plan=plan)
    lab.record("c", {"f1": scores(0.6, range(10))}, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.REFUTED
    assert any("guard-rail on recall cannot be judged" in text for text in result.warnings)


def test_nothing_is_tested_on_different_evaluation_data(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(guards=(Guard("recall", ">=", -0.01, relative=False),))
    lab.change()
    seeds = range(10)
    good = {"f1": scores(0.6, seeds), "recall": scores(0.8, seeds)}
    bad = {"f1": scores(0.7, seeds), "recall": scores(0.2, seeds)}
    lab.record("b", good, of="main", plan=plan)
    lab.record("c", bad, plan=plan, evaluation=OTHER_DATA)
    result = one(lab)
    assert result.verdict is Verdict.NOT_COMPARABLE
    assert exit_code([result]) == 6
    assert all(item.result is None and not item.beside for item in result.metrics)
    allowed = one(lab, options=CompareOptions(allow_different_evaluation=True))
    assert exit_code([allowed]) == 1, "who allows it gets the guard-rail too"
    test = allowed.metrics[0].result
    assert test is not None
    assert test.plan.why == "10 and 10 repeats, not joined by seed"


def test_seeds_that_draw_the_test_set_are_not_said_to_share_one(lab: Lab) -> None:
    lab.init()
    plan = lab.plan()
    lab.change()
    drawn = {seed: f"{seed:064x}" for seed in range(10)}
    for run, of, base in (("b", "main", 0.6), ("c", None, 0.7)):
        where = {} if of is None else {"of": of}
        lab.record(run, {"f1": scores(base, range(10))}, plan=plan, evaluation=drawn, **where)
    said = {fact.label: fact.text for fact in words.facts(one(lab))}
    assert "over its seeds, each with an evaluation set of its own" in said["claim"]


def test_two_models_on_different_data_are_not_said_to_be_allowed(lab: Lab) -> None:
    lab.init(replace(CONFIG, predictions=Predictions("pred.csv", positive="1")))
    plan = lab.plan(claim=Claim.MODEL, repeats=1, metric="accuracy", effect=">0")
    lab.change()
    lab.record("b", {"accuracy": {0: 0.5}}, of="main", plan=plan)
    lab.record("c", {"accuracy": {0: 0.6}}, plan=plan, evaluation=OTHER_DATA)
    result = one(lab, options=CompareOptions(allow_different_evaluation=True))
    assert result.headline.startswith("the evaluation data differ (seed 0)")


def test_too_few_examples_for_a_margin_are_counted_in_examples(lab: Lab) -> None:
    lab.init(
        replace(CONFIG, predictions=Predictions("pred.csv", positive="1")), {".dvc/config": ""}
    )
    plan = lab.plan(claim=Claim.MODEL, repeats=1, metric="accuracy", effect=">=5%")
    lab.change()
    worse, low = predictions(lab, 90, 120)
    better, high = predictions(lab, 115, 120)
    lab.record("b", {"accuracy": {0: low}}, of="main", plan=plan, outputs={0: (worse,)})
    lab.record("c", {"accuracy": {0: high}}, plan=plan, outputs={0: (better,)})
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE
    assert result.headline == "no outcome of 120 examples reaches alpha = 0.05; 200 would do"


def test_holm_asks_of_a_small_candidate_only_what_it_asks_of_its_p(lab: Lab) -> None:
    lab.init()
    lab.record("b", {"f1": scores(0.6, range(10))})
    for name, letter, n in (("big", "c", 10), ("small", "d", 5)):
        lab.repo.switch("main")
        plan = lab.plan(name, repeats=5, effect=">0")
        lab.change(10 + ord(letter))
        lab.record(letter, {"f1": scores(0.7, range(n))}, plan=plan)
    big, small = compare(lab.repo.workspace, ["main", "exp/big", "exp/small"], now=START)
    assert big.headline.endswith("p = 0.002, adjusted for 2 candidates, alpha = 0.05")
    assert small.metrics[0].p_adjusted == 1 / 32
    assert small.verdict is Verdict.SUPPORTED
    assert not small.reasons


def test_only_tested_candidates_are_said_to_be_adjusted_for(lab: Lab) -> None:
    experiment(lab)
    lab.repo.switch("main")
    lab.repo.switch("idea", create=True)
    lab.change(9)
    lab.record("d", {"f1": scores(0.6, range(10))})
    lab.repo.switch("exp/deep")
    judged, idea = compare(
        lab.repo.workspace,
        ["main", "exp/deep", "idea"],
        CompareOptions(pool=("exp/deep",)),
        now=START,
    )
    assert judged.headline.endswith(", p = 0.00098, alpha = 0.05")
    assert idea.verdict is None


def test_only_runs_of_either_side_are_said_to_be_pooled(lab: Lab) -> None:
    lab.init()
    plan = lab.plan()
    lab.change()
    lab.record("c", {"f1": scores(0.7, range(10))}, plan=plan)
    lab.repo.switch("main")
    lab.repo.switch("side", create=True)
    lab.record("b", {"f1": scores(0.6, range(10))}, of="main")
    lab.change(8)
    lab.record("d", {"f1": scores(0.6, range(10))}, plan=plan)  # other inputs, the same plan
    lab.repo.switch("exp/deep")
    result = one(lab, options=CompareOptions(pool=("side",)))
    assert "1 run from outside the history pooled because you asked" in result.warnings


def test_the_first_seeds_of_a_longer_baseline_are_nobodys_choice(lab: Lab) -> None:
    lab.init()
    lab.record("b", {"f1": scores(0.6, range(20))})
    plan = lab.plan()
    lab.change()
    lab.record("c", {"f1": scores(0.7, range(10))}, plan=plan)
    assert "not judged" not in one(lab).headline


@pytest.mark.parametrize(
    ("effect", "what"),
    [
        (">=5%", "one-sided p against the promised effect"),
        ("+-5%", "p of the two one-sided tests of the band"),
        ("!=0", "two-sided p of the promised effect"),
    ],
)
def test_the_p_values_of_the_verdict_are_called_what_they_are(
    lab: Lab, effect: str, what: str
) -> None:
    experiment(lab, effect=effect)
    (line,) = [fact.text for fact in words.facts(one(lab)) if fact.label == "verdict by"]
    assert line.startswith(f"{what}: ")


def test_swapped_sides_name_the_comparison_that_was_meant(lab: Lab) -> None:
    experiment(lab)
    with pytest.raises(NoSamplesError) as none:
        compare(lab.repo.workspace, ["exp/deep", "main"])
    assert none.value.next_step == "gitexp compare deep"
    assert none.value.expected == "main is the baseline of deep: the sides are swapped"
    lab.repo.switch("main")
    lab.record("e", {"f1": scores(0.6, range(10))})
    result = one(lab, "exp/deep", "main")
    assert result.verdict is None
    assert result.next_step == "gitexp compare deep"
    assert any("the sides are swapped" in text for text in result.warnings)


def test_after_the_conclusion_nobody_is_told_to_conclude(lab: Lab) -> None:
    experiment(lab)
    assert one(lab).next_step == 'gitexp conclude -m "what was learned"'
    conclude(lab.repo.workspace, words="It holds.", now=START)
    assert one(lab).next_step == "gitexp show deep"


def test_equal_inputs_are_to_be_changed_and_no_metric_is_invented(lab: Lab) -> None:
    lab.init()
    plan = lab.plan()
    lab.record("b", {"f1": scores(0.6, range(3))}, plan=plan)
    result = one(lab)
    assert result.next_step.startswith("change code or parameters, commit")
    lab.repo.git("branch", "twin", "main")
    assert one(lab, "main", "twin").next_step == "gitexp inputs main twin"


def test_one_is_singular(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(repeats=1)
    lab.change()
    lab.record("b", {"f1": {0: 0.6}}, of="main", plan=plan)
    lab.record("c", {"f1": {0: 0.7}}, plan=plan)
    result = one(lab)
    assert result.headline == "no outcome of 1 pair reaches alpha = 0.05; 5 would do"
    text = render_comparisons("text", (result,), Style())
    assert not re.search(r"\b1 (pairs|repeats|folds|data sets|seeds|examples)\b", text), text


def test_a_note_that_holds_for_several_metrics_is_said_once(lab: Lab) -> None:
    experiment(lab)
    result = one(lab)
    (metric,) = result.metrics
    others = [
        replace(metric, metric=name, notes=(f"the candidate varies {ratio} times as much",))
        for name, ratio in (("f1", 2.6), ("auc", 3.1), ("loss", 9.0))
    ]
    (note,) = [f for f in words.facts(replace(result, metrics=tuple(others))) if f.label == "note"]
    assert note.text == "f1: the candidate varies 2.6 times as much (so of auc, loss)"


def test_a_change_that_reaches_no_number_is_told(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(repeats=4)
    lab.change()
    same = scores(0.6, range(4))
    lab.record("b", {"f1": same, "auc": same}, of="main", plan=plan)
    lab.record("c", {"f1": same, "auc": same}, plan=plan)
    said = [it for it in one(lab).warnings if "does not reach the numbers" in it]
    assert len(said) == 1
    assert "with each of 4 seeds" in said[0]
    assert "command:" in said[0]


def test_watched_metrics_of_the_same_numbers_are_counted_once(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(repeats=4)
    lab.change()
    for letter, base, of in (("b", 0.6, "main"), ("c", 0.65, "HEAD")):
        loss, more = scores(base, range(4)), scores(base / 2, range(4))
        values = {"f1": scores(base, range(4)), "loss": more, "curve:loss.final": more}
        lab.record(letter, {**values, "auc": {s: v * v for s, v in loss.items()}}, of=of, plan=plan)
    found = one(lab)
    assert not [it for it in found.warnings if "does not reach" in it]
    assert "2 different of 3 watched metrics" in render((found,), Style(verbose=True))
