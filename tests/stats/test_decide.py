"""One table over all combinations of what a verdict may rest on."""

from __future__ import annotations

import inspect
import itertools

import pytest

from gitexp.model.comparison import PlannedTest, SignificanceResult
from gitexp.model.plan import HypothesisKind, Verdict
from gitexp.stats.decide import decide

ALPHA = 0.05
BELOW, AT, ABOVE = 0.01, 0.05, 0.06


def evidence(  # noqa: PLR0913 - one argument a column of the table
    *,
    comparable: bool,
    tested: bool,
    smallest: float,
    units: int,
    planned: int | None,
    support: float,
    refute: float | None,
    kind: HypothesisKind,
) -> dict[str, object]:
    plan = PlannedTest(
        test="paired-permutation",
        title="",
        why="",
        n_baseline=units,
        n_candidate=units,
        paired=True,
        alpha=ALPHA,
        resamples=0,
        exact=True,
        smallest_p=smallest,
    )
    result = SignificanceResult(plan, 0.5, support, refute) if tested else None
    return {"kind": kind, "result": result, "comparable": comparable, "planned": planned}


def expected(  # noqa: PLR0913 - the table, spelled out a second time on purpose
    *,
    comparable: bool,
    tested: bool,
    smallest: float,
    units: int,
    planned: int | None,
    support: float,
    refute: float | None,
    kind: HypothesisKind,
) -> Verdict:
    if not comparable:
        return Verdict.NOT_COMPARABLE
    if not tested or smallest > ALPHA or units < 2:
        return Verdict.UNDECIDABLE
    if planned is not None and units < planned:
        return Verdict.INCONCLUSIVE
    if support in {BELOW, AT}:
        equivalence = kind is HypothesisKind.EQUIVALENCE
        return Verdict.EQUIVALENT if equivalence else Verdict.SUPPORTED
    if refute in {BELOW, AT}:
        return Verdict.REFUTED
    return Verdict.INCONCLUSIVE


COLUMNS = {
    "comparable": (True, False),
    "tested": (True, False),
    "smallest": (BELOW, AT, ABOVE),
    "units": (1, 2, 9, 10, 11),
    "planned": (None, 10),
    "support": (BELOW, AT, ABOVE),
    "refute": (BELOW, AT, ABOVE, None),
    "kind": tuple(HypothesisKind),
}


def test_every_combination_gets_the_verdict_of_the_table() -> None:
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in itertools.product(*COLUMNS.values())]
    assert len(rows) == 2 * 2 * 3 * 5 * 2 * 3 * 4 * 3
    wrong = [row for row in rows if decide(**evidence(**row)) is not expected(**row)]
    assert not wrong
    assert {expected(**row) for row in rows} == set(Verdict)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, Verdict.SUPPORTED),
        ({"kind": HypothesisKind.EQUIVALENCE}, Verdict.EQUIVALENT),
        ({"support": ABOVE}, Verdict.REFUTED),
        ({"support": ABOVE, "refute": ABOVE}, Verdict.INCONCLUSIVE),
        ({"units": 9}, Verdict.INCONCLUSIVE),
        ({"units": 9, "smallest": ABOVE}, Verdict.UNDECIDABLE),
        ({"units": 1, "planned": None}, Verdict.UNDECIDABLE),
        ({"comparable": False, "tested": False}, Verdict.NOT_COMPARABLE),
    ],
)
def test_precedence_as_it_is_promised(change: dict[str, object], verdict: Verdict) -> None:
    row = {
        "comparable": True,
        "tested": True,
        "smallest": BELOW,
        "units": 10,
        "planned": 10,
        "support": BELOW,
        "refute": BELOW,
        "kind": HypothesisKind.SUPERIORITY,
    }
    assert decide(**evidence(**{**row, **change})) is verdict


def test_repeats_are_planned_and_not_the_folds_that_each_of_them_has() -> None:
    row = {"comparable": True, "tested": True, "smallest": BELOW, "units": 10, "planned": 3}
    made = evidence(**row, support=BELOW, refute=ABOVE, kind=HypothesisKind.SUPERIORITY)
    assert decide(**made, repeats=2) is Verdict.INCONCLUSIVE
    assert decide(**made, repeats=3) is Verdict.SUPPORTED


def test_a_metric_without_a_hypothesis_has_no_verdict_to_support() -> None:
    row = {"comparable": True, "tested": True, "smallest": BELOW, "units": 10, "planned": None}
    made = evidence(**row, support=None, refute=None, kind=HypothesisKind.SUPERIORITY)
    assert decide(**made) is Verdict.UNDECIDABLE


def test_neither_interval_nor_effect_size_can_decide() -> None:
    names = set(inspect.signature(decide).parameters)
    assert names == {"kind", "result", "comparable", "planned", "repeats"}
    assert "Interval" not in inspect.getsource(decide)
