"""``.gitexp/conclusions/<name>.yaml``: the verdict, its author's words, and the comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.formats import comparison as comparisons
from gitexp.formats.fields import Fields, time_text
from gitexp.formats.versions import schema, schema_of
from gitexp.formats.yamltext import yaml_loads
from gitexp.formats.yamlwrite import yaml_dumps
from gitexp.model.comparison import Conclusion
from gitexp.model.verdict import Verdict

if TYPE_CHECKING:
    from gitexp.formats.jsontext import Json

LIMIT_BYTES = 16 << 20


def load(data: bytes, where: str) -> Conclusion:
    """Read a conclusion.

    Raises
    ------
    BadFormatError, NewerFormatError, UnsafeInputError
        If it is not a conclusion.
    """
    value = yaml_loads(data, where=where, limit=LIMIT_BYTES)
    schema_of(value, "conclusion", where)
    fields = Fields(value, where)
    author = fields.child("author")
    return Conclusion(
        experiment=fields.text("experiment"),
        verdict=fields.maybe_word("verdict", Verdict),
        words=fields.text("words", ""),
        comparison=comparisons.read(fields.child("comparison")),
        author_name=author.text("name"),
        author_email=author.text("email"),
        concluded_at=fields.time("concluded_at"),
    )


def dump(conclusion: Conclusion) -> bytes:
    """Write a conclusion, the verdict and the words first."""
    return yaml_dumps(to_json(conclusion))


def to_json(conclusion: Conclusion) -> dict[str, Json]:
    """Turn a conclusion into JSON."""
    return {
        "$schema": schema("conclusion"),
        "experiment": conclusion.experiment,
        "verdict": conclusion.verdict.value if conclusion.verdict else None,
        "words": conclusion.words,
        "author": {"name": conclusion.author_name, "email": conclusion.author_email},
        "concluded_at": time_text(conclusion.concluded_at),
        "comparison": comparisons.to_json(conclusion.comparison),
    }
