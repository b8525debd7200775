"""``.gitexp/tombstones/<name>.yaml``: that an experiment was removed, by whom, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.formats.fields import Fields, time_text
from gitexp.formats.versions import schema, schema_of
from gitexp.formats.yamltext import yaml_loads
from gitexp.formats.yamlwrite import yaml_dumps
from gitexp.model.endings import Tombstone
from gitexp.model.ids import InputsDigest
from gitexp.model.plan import Person

if TYPE_CHECKING:
    from gitexp.formats.jsontext import Json


def load(data: bytes, where: str) -> Tombstone:
    """Read a tombstone.

    Raises
    ------
    BadFormatError, NewerFormatError, UnsafeInputError
        If it is none.
    """
    value = yaml_loads(data, where=where)
    schema_of(value, "tombstone", where)
    fields = Fields(value, where)
    author = fields.child("author")
    inputs = fields.maybe_sha256("inputs")
    return Tombstone(
        experiment=fields.text("experiment"),
        branch=fields.text("branch"),
        words=fields.text("words", ""),
        tip=fields.commit("tip"),
        tree=fields.tree("tree"),
        inputs=None if inputs is None else InputsDigest(inputs),
        source=fields.commit("source") if fields.raw("source") is not None else None,
        author=Person(author.text("name"), author.text("email")),
        removed_at=fields.time("removed_at"),
    )


def dump(tombstone: Tombstone) -> bytes:
    """Write a tombstone."""
    return yaml_dumps(to_json(tombstone))


def to_json(tombstone: Tombstone) -> dict[str, Json]:
    """Turn a tombstone into JSON."""
    return {
        "$schema": schema("tombstone"),
        "experiment": tombstone.experiment,
        "branch": tombstone.branch,
        "words": tombstone.words,
        "author": {"name": tombstone.author.name, "email": tombstone.author.email},
        "removed_at": time_text(tombstone.removed_at),
        "tip": tombstone.tip,
        "tree": tombstone.tree,
        "inputs": tombstone.inputs,
        "source": tombstone.source,
    }
