"""What a plan with a stopping rule finds, held against the rule itself."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gitexp.model.plan import Direction, Effect, HypothesisKind, Stopping, StoppingRule
from gitexp.stats.design import Design, Unit
from gitexp.stats.planned.foreseen import Outlook
from gitexp.stats.stopping import run_sequential

ALWAYS = Stopping(StoppingRule.ALWAYS_VALID)
POCOCK = Stopping(StoppingRule.POCOCK, 3)
ANY = Effect(HypothesisKind.SUPERIORITY, 0.0, relative=False)


@pytest.mark.parametrize("stopping", [ALWAYS, POCOCK], ids=lambda rule: rule.rule.value)
@pytest.mark.parametrize("paired", [True, False], ids=["paired", "apart"])
def test_the_rule_finds_what_is_foreseen_as_often_as_said(
    stopping: Stopping,
    paired: bool,  # noqa: FBT001  a parameter of the case
) -> None:
    n, simulations = 12 if paired else 8, 200  # all relabellings are counted, none is drawn
    size = Outlook(stopping, n, 0.05, paired, band=False).smallest(n, 0.8)
    assert size is not None
    design = Design(Unit.REPEAT, paired, n, n, 0.05, effect=ANY, direction=Direction.MAX)
    rng = np.random.default_rng(3)
    found = 0
    for _ in range(simulations):
        old = np.zeros(n) if paired else rng.normal(size=n)
        p = run_sequential(design, stopping, n, old, size + rng.normal(size=n)).result.p_support
        found += p is not None and p <= design.alpha
    assert found / simulations > 0.8 - 4 * math.sqrt(0.16 / simulations)


def test_equivalence_needs_more_bets_than_a_gain_of_the_same_size() -> None:
    one, band = (
        Outlook(ALWAYS, 20, 0.05, paired=True, band=kind).needed(1.0, 0.8) for kind in (False, True)
    )
    assert one is not None
    assert band is not None
    assert one < band


def test_what_nobody_could_run_has_no_number() -> None:
    assert Outlook(ALWAYS, 20, 0.05, paired=True, band=False).needed(0.01, 0.8) is None
    assert Outlook(ALWAYS, 4, 0.05, paired=True, band=False).smallest(4, 0.8) is None
