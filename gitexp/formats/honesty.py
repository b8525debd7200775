"""What stands around a comparison's test as JSON: power, failures, selection, the ledger.

Each is a key of its own that is absent where there is nothing to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.honesty import Detectable, Ledger, Missing, Selection
from gitexp.model.ids import EvaluationDigest
from gitexp.model.plan import OnFailed

if TYPE_CHECKING:
    from gitexp.formats.fields import Fields
    from gitexp.formats.jsontext import Json
    from gitexp.model.comparison import Comparison


def read_detectable(fields: Fields | None) -> Detectable | None:
    """Read the smallest detectable effect."""
    if fields is None:
        return None
    return Detectable(
        distance=fields.number("distance"),
        relative=fields.maybe_number("relative"),
        power=fields.number("power"),
        units=fields.integer("units", least=0),
        unit=fields.text("unit"),
        spread=fields.number("spread"),
        promised=fields.maybe_number("promised"),
        needed=fields.maybe_integer("needed"),
    )


def read_missing(fields: Fields | None) -> Missing | None:
    """Read what failed repeats could do."""
    if fields is None:
        return None
    return Missing(
        policy=fields.word("policy", OnFailed),
        baseline=fields.integers("baseline"),
        candidate=fields.integers("candidate"),
        best=fields.text("best"),
        worst=fields.text("worst"),
        best_p=fields.maybe_number("best_p"),
        worst_p=fields.maybe_number("worst_p"),
    )


def read_selection(fields: Fields | None) -> Selection | None:
    """Read how many configurations there were to pick from."""
    if fields is None:
        return None
    return Selection(
        configurations=fields.integer("configurations", least=1),
        how=fields.text("how"),
        fresh=fields.flag("fresh"),
        inflation=fields.number("inflation"),
    )


def read_ledger(fields: Fields | None) -> Ledger | None:
    """Read how often the evaluation data were used."""
    if fields is None:
        return None
    found = fields.texts("evaluation")
    return Ledger(
        evaluation=tuple(EvaluationDigest(text) for text in found),
        experiments=fields.texts("experiments"),
        budget=fields.maybe_integer("budget"),
    )


def to_json(comparison: Comparison) -> dict[str, Json]:
    """Return the keys that a comparison has."""
    value: dict[str, Json] = {}
    if comparison.adjustment != "holm":
        value["adjustment"] = comparison.adjustment
    if (power := comparison.detectable) is not None:
        value["detectable"] = {
            "distance": float(power.distance),
            "relative": None if power.relative is None else float(power.relative),
            "power": float(power.power),
            "units": power.units,
            "unit": power.unit,
            "spread": float(power.spread),
            "promised": None if power.promised is None else float(power.promised),
            "needed": power.needed,
        }
    if (lost := comparison.missing) is not None:
        value["missing"] = {
            "policy": lost.policy.value,
            "baseline": list(lost.baseline),
            "candidate": list(lost.candidate),
            "best": lost.best,
            "worst": lost.worst,
            "best_p": lost.best_p,
            "worst_p": lost.worst_p,
        }
    if (picked := comparison.selection) is not None:
        value["selection"] = {
            "configurations": picked.configurations,
            "how": picked.how,
            "fresh": picked.fresh,
            "inflation": float(picked.inflation),
        }
    if (ledger := comparison.ledger) is not None:
        value["ledger"] = {
            "evaluation": list(ledger.evaluation),
            "experiments": list(ledger.experiments),
            "budget": ledger.budget,
        }
    return value
