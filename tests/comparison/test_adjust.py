"""`compare --adjust`: which p-values are a family, and how they are held together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import CompareOptions, compare
from gitexp.errors import UsageError
from gitexp.report.comparisons import text as render
from gitexp.report.sheet import Style
from tests.lab.records import START, Lab, one, scores

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    lab = Lab(repo)
    lab.init()
    lab.record("b", {"f1": scores(0.6, range(8)), "loss": scores(0.3, range(8))})
    lab.repo.switch("idea", create=True)
    lab.change()
    lab.record("c", {"f1": scores(0.7, range(8)), "loss": scores(0.3, range(8))})
    return lab


@pytest.mark.parametrize(
    ("method", "f1", "said"),
    [
        ("holm", 4 / 256, "Holm p 0.016"),
        ("bonferroni", 4 / 256, "Bonferroni p 0.016"),
        ("bh", 4 / 256, "BH p 0.016"),
        ("by", 6 / 256, "BY p 0.023"),
        ("none", 2 / 256, "plain p 0.0078"),
    ],
)
def test_watched_metrics_are_a_family(lab: Lab, method: str, f1: float, said: str) -> None:
    result = one(lab, "main", "idea", options=CompareOptions(adjust=method))
    assert result.adjustment == method
    assert result.metrics[0].p_adjusted == pytest.approx(f1)
    shown = render((result,), Style(verbose=True))
    assert said in shown
    assert "2 watched metrics, " in shown


def test_what_is_one_number_everywhere_is_no_chance_to_pay_for(repo: BuiltRepo) -> None:
    lab = Lab(repo)
    lab.init()
    seeds = range(8)
    steps = dict.fromkeys(seeds, 9.0)
    lab.record("b", {"f1": scores(0.6, seeds), "step": steps})
    repo.switch("idea", create=True)
    lab.change()
    lab.record("c", {"f1": scores(0.7, seeds), "step": steps})
    found = {item.metric: item.p_adjusted for item in one(lab, "main", "idea").metrics}
    assert found == {"f1": pytest.approx(2 / 256), "step": None}


def test_an_unknown_way_is_refused(lab: Lab) -> None:
    with pytest.raises(UsageError) as caught:
        one(lab, "main", "idea", options=CompareOptions(adjust="fdr"))
    assert "holm" in caught.value.expected


def test_several_candidates_are_a_family_too(lab: Lab) -> None:
    lab.repo.switch("main")
    for letter, name in (("d", "one"), ("e", "two")):
        plan = lab.plan(name, effect=">0", repeats=6)
        lab.change(5 if name == "one" else 6)
        low = scores(0.6, range(6))
        lab.record(letter, {"f1": {s: v + 0.05 for s, v in low.items()}}, plan=plan)
        lab.repo.switch("main")
    for method, p in (("holm", 2 / 64), ("none", 1 / 64)):
        results = compare(
            lab.repo.workspace, ("main", "one", "two"), CompareOptions(adjust=method), now=START
        )
        assert [item.metrics[0].p_adjusted for item in results] == [p, p]
    assert "not adjusted for 2 candidates" in results[0].headline
