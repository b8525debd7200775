"""``.gitexp/witness/<plan digest>/<n>-<way>.json``: what somebody else says of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.formats.fields import Fields, maybe_time_text
from gitexp.formats.jsontext import Json, json_dumps, json_loads
from gitexp.formats.versions import schema, schema_of
from gitexp.model.ids import PlanDigest
from gitexp.model.order import Grade, OrderGrade
from gitexp.model.plan import Person
from gitexp.model.witness import Receipt, Way

if TYPE_CHECKING:
    from gitexp.model.ids import CommitHash


def load(data: bytes, where: str) -> Receipt:
    """Read a receipt.

    Raises
    ------
    BadFormatError, NewerFormatError, UnsafeInputError
        If it is none.
    """
    value = json_loads(data, where=where)
    schema_of(value, "witness", where)
    fields = Fields(value, where)
    by = fields.child("by")
    return Receipt(
        way=fields.word("way", Way),
        plan=PlanDigest(fields.sha256("plan")),
        commit=fields.commit("commit"),
        by=Person(by.text("name"), by.text("email")),
        remote=fields.text("remote", ""),
        url=fields.text("url", ""),
        ref=fields.text("ref", ""),
        said=fields.text("said", ""),
    )


def dump(receipt: Receipt) -> bytes:
    """Write a receipt."""
    return json_dumps(to_json(receipt))


def to_json(receipt: Receipt) -> dict[str, Json]:
    """Turn a receipt into JSON."""
    return {
        "$schema": schema("witness"),
        "way": receipt.way.value,
        "plan": receipt.plan,
        "commit": receipt.commit,
        "by": {"name": receipt.by.name, "email": receipt.by.email},
        "remote": receipt.remote,
        "url": receipt.url,
        "ref": receipt.ref,
        "said": receipt.said,
    }


def statement(plan: PlanDigest, commit: CommitHash) -> bytes:
    """Return the text of which a time-stamping authority signs the sha256.

    Examples
    --------
    >>> statement("ab" * 32, "cd" * 20).decode().splitlines()[0]
    'gitexp witness 1'
    """
    return f"gitexp witness 1\nplan {plan}\ncommit {commit}\n".encode("ascii")


def read_order(fields: Fields | None) -> OrderGrade | None:
    """Read how sure an order is; None where nothing says it."""
    if fields is None:
        return None
    time = fields.maybe_time("time")
    return OrderGrade(fields.word("grade", Grade), fields.text("why"), time)


def order_json(order: OrderGrade) -> Json:
    """Turn how sure an order is into JSON."""
    return {
        "grade": order.grade.value,
        "why": order.why,
        "time": maybe_time_text(order.time),
    }
