"""What `gitexp witness` answers: whose word was kept, and what it makes of the order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.witness import Way
from gitexp.records import codec
from gitexp.report import numbers
from gitexp.report.escape import terminal
from gitexp.report.facts import order_words
from gitexp.text.jsontext import json_dumps

if TYPE_CHECKING:
    from gitexp.model.witness import Witnessed
    from gitexp.text.jsontext import Json

_LONG = 400
_WORDS = {
    Way.PUSH: "pushed to {}",
    Way.RFC3161: "stamped by {}",
    Way.APPROVAL: "approved by {}",
}


def text(found: Witnessed) -> str:
    """Return it for a terminal."""
    receipt = found.receipt
    who = {Way.PUSH: receipt.remote, Way.RFC3161: receipt.url, Way.APPROVAL: receipt.by.name}
    what = _WORDS[receipt.way].format(who[receipt.way])
    lines = [f"{terminal(found.experiment)}: plan {receipt.plan[:9]} {terminal(what)}", ""]
    lines.append(f"order     {terminal(order_words(found.order), limit=_LONG)}")
    lines.append(f"recorded  {found.commit[:9]}, {terminal(found.path, limit=_LONG)}")
    if found.runs:
        amount = numbers.amount(found.runs, "run")
        lines.append(f"warning   {amount} came before: for them it proves nothing")
    return "\n".join([*lines, "", "next: gitexp run --with-baseline"])


def json(found: Witnessed) -> str:
    """Return it as ``gitexp/witness-report@1``."""
    value: dict[str, Json] = {
        "$schema": "gitexp/witness-report@1",
        "experiment": found.experiment,
        "receipt": codec.to_json(found.receipt),
        "path": found.path,
        "commit": found.commit,
        "order": codec.to_json(found.order),
        "runs": found.runs,
    }
    return json_dumps(value).decode().rstrip("\n")
