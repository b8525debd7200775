"""What `gitexp power` answers, as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.report import numbers
from gitexp.report.caveats import rounded
from gitexp.report.escape import terminal
from gitexp.text.jsontext import json_dumps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.design import PowerReport, Price
    from gitexp.text.jsontext import Json

_LABEL = 10


def text(report: PowerReport) -> str:
    """Return the answer first, then what it rests on."""
    lines = [headline(report), ""]
    lines += [f"{label:<{_LABEL}}  {terminal(said, limit=400)}" for label, said in facts(report)]
    lines += ["", f"next: {terminal(report.next_step, limit=400)}"]
    return "\n".join(lines)


def headline(report: PowerReport) -> str:
    """Return the answer in one line."""
    chance = f"{report.power * 100:g} % power"
    question = terminal(report.question, limit=400)
    if report.needed is not None:
        return f"{report.needed:,} {report.unit} {question}, with {chance}"
    if report.distance is not None:
        return f"no number of {report.unit} that could be run would {question} with {chance}"
    if report.detectable is not None:
        size = rounded(report.detectable)
        return f"{report.units:,} {report.unit} {question} by {size} or more, with {chance}"
    return f"no outcome of {report.units:,} {report.unit} could {question}"


def in_short(report: PowerReport) -> str:
    """Return the line that `gitexp new` prints of it."""
    if report.distance is not None:
        return headline(report)
    if report.detectable is None:
        return f"no outcome of {report.units:,} {report.unit} reaches alpha"
    size, chance = rounded(report.detectable), f"{report.power * 100:g} %"
    return f"{report.units:,} {report.unit} find a gain of {size} with {chance} power"


def facts(report: PowerReport) -> Iterator[tuple[str, str]]:
    """Return label and text of each line below the answer."""
    yield "promise", report.promise
    if report.distance is not None:
        yield "distance", f"{rounded(report.distance)}, in the unit of {report.metric}"
    if report.spread is not None:
        yield "spread", f"{rounded(report.spread)} of one of the {report.unit}"
    yield "alpha", f"{report.alpha:g}"
    if report.reached is not None:
        power = numbers.percent(report.reached, signed=False, decimals=0)
        yield "planned", f"{report.units:,} {report.unit} have a power of {power}"
    if report.detectable is not None:
        yield (
            "finds",
            f"{report.units:,} {report.unit} find a distance of {rounded(report.detectable)}",
        )
    elif report.spread is not None:
        yield "finds", f"no outcome of {report.units:,} {report.unit} reaches alpha"
    if report.price is not None:
        yield "price", price_text(report.price)
    for assumed in report.assumed:
        yield "assumed", assumed
    if report.unit == "pairs":
        yield "later", "once pairs are there, gitexp compare goes by their own spread instead"


def price_text(price: Price) -> str:
    """Say what repeats on both sides cost."""
    runs = f"{price.repeats:,} repeats on both sides"
    if price.seconds is None:
        return f"{runs}; hours unknown, {price.basis}"
    return f"{runs}, about {numbers.duration(price.seconds)} one after another ({price.basis})"


def json(report: PowerReport) -> str:
    """Return the same value as JSON."""
    return json_dumps(value(report)).decode().rstrip("\n")


def value(report: PowerReport) -> dict[str, Json]:
    """Return the report as a mapping."""
    price = report.price
    return {
        "$schema": "gitexp/power-report@1",
        "alpha": report.alpha,
        "assumed": list(report.assumed),
        "detectable": report.detectable,
        "distance": report.distance,
        "metric": report.metric,
        "needed": report.needed,
        "next": report.next_step,
        "power": report.power,
        "price": None
        if price is None
        else {"basis": price.basis, "repeats": price.repeats, "seconds": price.seconds},
        "promise": report.promise,
        "question": report.question,
        "reached": report.reached,
        "spread": report.spread,
        "unit": report.unit,
        "units": report.units,
    }
