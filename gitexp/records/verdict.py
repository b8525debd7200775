"""The verdict of a conclusion and the plan that it is on, without all else: for lists."""

from __future__ import annotations

from gitexp.model.plan import Plan
from gitexp.model.result import Verdict
from gitexp.records import codec
from gitexp.records.versions import schema_of
from gitexp.text.fields import Fields
from gitexp.text.yamltext import yaml_loads

LIMIT_BYTES = 16 << 20


def load(data: bytes, where: str) -> tuple[Verdict | None, str]:
    """Read the verdict of a conclusion, None where it gives none, and the digest of its plan.

    Raises `BadFormatError, NewerFormatError, UnsafeInputError` if it is not a conclusion, as far
    as its head says.
    """
    value = yaml_loads(data, where=where, limit=LIMIT_BYTES)
    schema_of(value, "conclusion", where)
    fields = Fields(value, where)
    fields.text("experiment")
    fields.child("author").text("name")
    fields.time("concluded_at")
    plan = fields.child("comparison").maybe_child("plan")
    digest = "" if plan is None else codec.read(Plan, plan).digest
    return fields.maybe_word("verdict", Verdict), digest
