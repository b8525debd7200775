"""What a terminal shows of a comparison: fourteen lines, a plot whose axis means one thing."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.model.plan import Direction, Effect, HypothesisKind, Verdict
from gitexp.model.result import Role, SignificanceResult
from gitexp.records.terms import denied_effect
from gitexp.report import render_comparisons as render
from gitexp.report.escape import width
from gitexp.report.sheet import Style
from tests.lab import samples

if TYPE_CHECKING:
    from gitexp.model.comparison import Comparison
    from gitexp.model.result import MetricComparison

LOW = SignificanceResult(samples.planned(), 0.002, 0.001, 0.999)


def of(*metrics: MetricComparison, verdict: Verdict = Verdict.SUPPORTED) -> Comparison:
    """Return a comparison of these metrics that nothing weakens."""
    base = samples.supported()
    said = {Verdict.SUPPORTED: "", Verdict.REFUTED: "rejected that "}[verdict]
    return replace(
        base,
        verdict=verdict,
        headline=f"{said}f1 rises by at least 5 %: +7 %, p = 0.001, alpha = 0.05",
        metrics=metrics,
        unused=(),
        warnings=(),
    )


def secondary(name: str, sign: int, direction: Direction | None, p: float) -> MetricComparison:
    moved = tuple(value * (1 + 0.04 * sign) for value in samples.BASELINE)
    return samples.metric(
        name, role=Role.WATCHED, direction=direction, candidate=moved, p_adjusted=p, result=LOW
    )


def lines(comparison: Comparison, style: Style = Style()) -> list[str]:  # noqa: B008  frozen
    return render("text", (comparison,), style).rstrip("\n").split("\n")


SIX = (
    samples.metric(result=LOW),
    secondary("precision", 1, Direction.MAX, 0.01),
    secondary("recall", -1, Direction.MAX, 0.01),
    secondary("log_loss", -1, Direction.MIN, 0.01),
    secondary("brier", 1, Direction.MIN, 0.01),
    secondary("roc_auc", 1, Direction.MAX, 0.3),
)


@pytest.mark.parametrize("unicode", [False, True])
@pytest.mark.parametrize("verdict", [Verdict.SUPPORTED, Verdict.REFUTED])
def test_what_nothing_weakens_takes_fourteen_lines_of_78_columns(
    verdict: Verdict, *, unicode: bool
) -> None:
    for columns in (78, 100):
        shown = lines(of(*SIX, verdict=verdict), Style(unicode=unicode, columns=columns))
        assert len(shown) <= 14
        assert max(map(width, shown[:-1])) <= columns
    assert shown[-1].startswith("next: gitexp ")


def test_better_and_worse_are_said_by_sign_and_word_and_both_ways_of_a_metric() -> None:
    shown = "\n".join(lines(of(*SIX), Style(unicode=True, columns=100)))
    words = {name: re.search(rf"^{name} .*?([▲▼] \w+)?$", shown, re.MULTILINE) for name in
             ("precision", "recall", "log_loss", "brier", "roc_auc")}  # fmt: skip
    found = {name: match and match[1] for name, match in words.items()}
    assert found == {
        "precision": "▲ better", "recall": "▼ worse", "log_loss": "▲ better", "brier": "▼ worse",
        "roc_auc": None,
    }  # fmt: skip
    assert "✓ met" in shown


def test_the_axis_is_of_better_and_worse_and_else_of_more_and_less() -> None:
    odd = secondary("odd", -1, None, 0.01)
    shown = lines(of(*SIX, odd), Style(unicode=True, columns=110))
    assert {each.metric: at(each, shown) for each in SIX[1:4]} == {
        "precision": True, "recall": False, "log_loss": True,
    }  # fmt: skip
    (row,) = [line for line in shown if line.startswith("odd ")]
    assert "●" not in row
    assert row.endswith("▼ lower")
    blind = [secondary(each.metric, 1 if each.difference > 0 else -1, None, 1) for each in SIX[1:4]]
    shown = lines(of(*blind), Style(unicode=True, columns=110))
    assert [at(each, shown) for each in blind] == [True, False, False]
    assert re.search(r"less +0 +more", "\n".join(shown))


def at(metric: MetricComparison, shown: list[str]) -> bool:
    """Return whether a metric's dot lies to the right of zero."""
    header = next(line for line in shown if "interval" in line)
    zero = re.search(r"(?<= )0(?= )", header)
    row = next(line for line in shown if line.startswith(f"{metric.metric} "))
    assert zero is not None
    return row.index("●") > zero.start()


def test_a_guard_rail_has_a_tick_where_it_is_shown_to_be_kept() -> None:
    open_ = samples.metric("latency", role=Role.GUARD, direction=Direction.MIN, result=LOW)
    kept = replace(open_, metric="size", result=replace(LOW, p_support=0.001))
    open_ = replace(open_, result=replace(LOW, p_support=0.4))
    broken = replace(open_, metric="memory", broken=True)
    base = of(SIX[0], open_, kept, broken)
    base = replace(base, headline=f"{base.headline}; BROKEN: memory")
    shown = lines(base, Style(unicode=True, columns=110))
    assert shown[0].endswith("; BROKEN: memory")
    ends = {line.split(" ")[0]: line for line in shown[4:8]}
    assert ends["latency"].endswith("? guard-rail, not shown to be kept")
    assert ends["size"].endswith("✓ guard-rail, kept")
    assert ends["memory"].endswith("✗ guard-rail, BROKEN")


def test_each_interval_has_its_level_and_each_metric_its_whole_name() -> None:
    assert SIX[1].interval is not None
    other = replace(
        SIX[1],
        metric="eval/forest_large.json:avg_precision",
        interval=replace(SIX[1].interval, confidence=0.9),
    )
    near = replace(SIX[2], metric="eval/forest_small.json:avg_precision")
    shown = "\n".join(lines(of(SIX[0], other, near), Style(columns=80)))
    assert "95 % interval" in shown
    assert re.search(rf"{other.metric} .*\] 90 %", shown)
    assert re.search(rf"{near.metric} .*\](?! [0-9])", shown)


@pytest.mark.parametrize("verbose", [False, True])
def test_each_thing_that_weakens_an_answer_is_shown(*, verbose: bool) -> None:
    base = of(*SIX)
    weak = replace(base, warnings=("one", "two"), reasons=("three",), looks=3)
    shown = "\n".join(lines(weak, Style(verbose=verbose)))
    for text in ("one", "two", "three", "looks"):
        assert text in shown
    assert shown.count("one\n") == 1


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("kind", HypothesisKind)
@pytest.mark.parametrize("margin", [-0.02, 0.0, 0.05])
@pytest.mark.parametrize("strict", [False, True])
def test_what_was_refuted_is_denied_in_plain_words(
    direction: Direction, kind: HypothesisKind, margin: float, *, strict: bool
) -> None:
    effect = Effect(kind, margin, relative=True, strict=strict)
    said = denied_effect(effect, "loss", direction)
    assert re.fullmatch(
        r"loss (did not (rise|fall|change)|rose|fell|got worse|changed)( by .*)?", said
    )
    if kind is HypothesisKind.SUPERIORITY and margin < 0:
        assert ("fell" in said) is (direction is Direction.MAX)
