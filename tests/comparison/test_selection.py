"""More than one chance to look good: variants under one plan, repeats added after a look."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.git.transaction import layout
from gitexp.model.comparison import LATE
from gitexp.model.plan import Verdict
from gitexp.model.run import Origin
from gitexp.records import codec
from gitexp.report import words
from gitexp.report.comparisons import text as render
from gitexp.report.sheet import PLAIN
from tests.lab.records import ENVIRONMENT, EVALUATION, Lab, experiment, one, scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.build import BuiltRepo


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def gained(seeds: Sequence[int], gain: float) -> dict[int, float]:
    low = scores(0.6, seeds)
    return {seed: low[seed] + gain + 0.003 * ((seed * 5) % 7 - 3) for seed in seeds}


def test_variants_under_one_plan_are_paid_for(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0", repeats=6)
    lab.record("b", {"f1": scores(0.6, range(6))}, of="main", plan=plan)
    for depth, letter in ((3, "c"), (4, "d"), (5, "e"), (6, "f")):
        lab.change(depth)
        lab.record(letter, {"f1": gained(range(6), 0.05)}, plan=plan)
    result = one(lab)
    assert result.selection is not None
    assert (result.selection.configurations, result.selection.fresh) == (4, False)
    assert result.selection.inflation == pytest.approx(1 - 0.95**4)
    (metric,) = result.metrics
    assert metric.result is not None
    assert metric.result.p_support == 1 / 64
    assert metric.p_adjusted == 4 / 64
    assert result.verdict is Verdict.UNDECIDABLE, "4 / 64 is above 0.05 whatever comes out"
    assert result.headline == "no outcome of 6 pairs reaches alpha = 0.05; 7 would do"
    assert result.next_step.startswith("gitexp amend-plan --repeats 7 "), "a seventh would be late"
    assert not any(text.startswith("missing") for text in result.reasons)
    said = render((result,), PLAIN)
    assert "4 configurations were run under this plan" in said
    assert "in up to 19 % instead of 5 %" in said


def test_a_large_gain_survives_the_price_of_two_variants(lab: Lab) -> None:
    plan = experiment(lab, effect=">0")
    lab.change(7)
    lab.record("d", {"f1": gained(range(10), 0.05)}, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    assert result.headline.endswith(", p = 0.002, times 2 configurations, alpha = 0.05")


def test_repeats_added_after_a_look_do_not_count(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0", repeats=6)
    lab.change()
    lab.record("b", {"f1": scores(0.6, range(30))}, of="main", plan=plan)
    first = {seed: value - 0.001 * (seed % 2) for seed, value in scores(0.6, range(6)).items()}
    lab.record("c", {"f1": first}, plan=plan)
    before = one(lab)
    assert before.verdict is not Verdict.SUPPORTED
    lab.record("d", {"f1": gained(range(6, 20), 0.05)}, plan=plan)
    lab.record("e", {"f1": gained(range(20, 30), 0.05)}, plan=plan)
    result = one(lab)
    assert result.verdict is before.verdict
    assert result.pairs == 6
    assert result.looks == 2
    (grown,) = [said for said in result.warnings if said.startswith("3 looks, alpha is no longer")]
    assert grown.startswith("3 looks, alpha is no longer 5 % but up to ")
    assert (
        "24 repeats came after the planned 6 were there and do not count; with them p = " in grown
    )
    late = [item for item in result.unused if item.why == LATE]
    assert [len(item.seeds) for item in late] == [14, 10]


def test_repeats_after_a_look_without_a_partner_do_not_count_either(lab: Lab) -> None:
    plan = experiment(lab)
    lab.record("d", {"f1": gained((10, 11), 0.05)}, plan=plan)
    result = one(lab)
    assert result.candidate.seeds == tuple(range(10))
    assert [(item.why, item.seeds) for item in result.unused] == [(LATE, (10, 11))]
    (said,) = [text for text in result.warnings if "look" in text]
    assert said.endswith("2 repeats came after the planned 10 were there and do not count")
    (looks,) = [fact.text for fact in words.facts(result) if fact.label == "looks"]
    assert looks == "1 after the planned one: they do not count"


def test_more_than_planned_in_one_call_are_no_second_look(lab: Lab) -> None:
    experiment(lab, n=12, repeats=6)
    result = one(lab)
    assert result.pairs == 12
    assert result.verdict is Verdict.SUPPORTED


def test_a_call_that_fills_what_is_lacking_is_no_second_look(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0", repeats=10)
    lab.change()
    lab.record("b", {"f1": scores(0.6, range(10))}, of="main", plan=plan)
    lab.record("c", {"f1": gained(range(4), 0.05)}, plan=plan)
    lab.record("d", {"f1": gained(range(4, 10), 0.05)}, plan=plan)
    result = one(lab)
    assert (result.pairs, result.verdict) == (10, Verdict.SUPPORTED)


def test_the_best_of_a_sweep_is_fresh_under_a_plan_of_its_own(lab: Lab) -> None:
    lab.init()
    lab.repo.switch("sweep", create=True)
    for depth, letter in ((3, "c"), (4, "d"), (5, "e")):
        lab.change(depth)
        run, files = lab.run_files(
            letter,
            {"f1": gained(range(3), 0.01 * depth)},
            of="HEAD",
            plan=None,
            environment=ENVIRONMENT,
            evaluation=EVALUATION,
            origin=Origin.OBSERVED,
            failed=(),
            links="",
            call="",
            outputs=None,
            samples=(),
        )
        files[layout.run_json(run.id)] = codec.dump(replace(run, group="sweep42"))
        lab.repo.write(files)
        lab.repo.git("add", "--force", "--all", "--", *files)
        lab.repo.commit(at=lab.tick(), message="a sweep's run")
    plan = lab.plan(effect=">0", repeats=6)
    fresh = range(10, 16)
    lab.record("b", {"f1": scores(0.6, fresh)}, of="main", plan=plan)
    lab.record("f", {"f1": gained(fresh, 0.05)}, plan=plan)
    result = one(lab)
    assert result.selection is not None
    assert (result.selection.configurations, result.selection.fresh) == (3, True)
    assert result.verdict is Verdict.SUPPORTED
    assert "what counts here is fresh" in render((result,), PLAIN)
