"""The verdict of a conclusion, without the comparison that it rests on: for lists."""

from __future__ import annotations

from gitexp.formats.fields import Fields
from gitexp.formats.versions import schema_of
from gitexp.formats.yamltext import yaml_loads
from gitexp.model.verdict import Verdict

LIMIT_BYTES = 16 << 20


def load(data: bytes, where: str) -> Verdict | None:
    """Read the verdict of a conclusion; None where it gives none.

    Raises
    ------
    BadFormatError, NewerFormatError, UnsafeInputError
        If it is not a conclusion, as far as its head says.
    """
    value = yaml_loads(data, where=where, limit=LIMIT_BYTES)
    schema_of(value, "conclusion", where)
    fields = Fields(value, where)
    fields.text("experiment")
    fields.child("author").text("name")
    fields.time("concluded_at")
    fields.child("comparison")
    return fields.maybe_word("verdict", Verdict)
