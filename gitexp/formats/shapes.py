"""What the type hints of a record do not say about its file, as data.

A shape is named by its class, so that looking one up loads neither the class nor what it is made
of. A list of names is one text: ``"reason stage"``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gitexp.formats.fields import Fields
from gitexp.formats.jsontext import MIB
from gitexp.formats.safepath import relative_path
from gitexp.formats.versions import schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gitexp.formats.jsontext import Json

    Read = Callable[[Fields, str], object]
    Write = Callable[[object], Json]


@dataclass(frozen=True, slots=True)
class Shape:
    """How the file of a class differs from its hints.

    By default a field is a key of its name; a key may be absent or null where the class has a
    default or the hint has None, and is written all the same.
    """

    kind: str = ""  # of the format, where the value says under $schema what it is
    limit: int = MIB  # bytes of a file
    yaml: bool = False
    closed: bool = False  # unknown keys are refused
    keys: Mapping[str, str] = field(default_factory=dict)  # field -> key; "a.b" lies within a
    fixed: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)  # a -> besides a's b
    sparse: str = ""  # written only where they say something: by default they are empty or None
    lacking: str = ""  # may be absent, though the class has no default: they are empty then
    needed: str = ""  # may not be absent, though the class has a default
    blank: str = ""  # texts that are null in the file where they are empty
    as_is: str = ""  # numbers that are written as they are: an integer stays one
    flat: str = ""  # values whose keys are among those of the record
    least: Mapping[str, int] = field(default_factory=dict)
    reads: Mapping[str, Read] = field(default_factory=dict)
    writes: Mapping[str, Write] = field(default_factory=dict)
    check: Callable[[Fields], None] | None = None  # of what was read without complaint


def _counts(names: str, least: int = 0) -> dict[str, int]:
    return dict.fromkeys(names.split(), least)


def _path(fields: Fields, key: str) -> str:
    return relative_path(fields.text(key), where="predictions.path")


SHAPES: Final[Mapping[str, Shape]] = {
    # --- run.json, environment.json
    "Run": Shape(
        kind="run",
        limit=8 * MIB,  # a thousand repeats with the tails of their logs
        keys={"sample_rows": "samples.rows", "samples_sha256": "samples.sha256"},
        fixed={"samples": {"$schema": schema("samples")}},
        sparse="fixed_seeds",
        lacking="group",
        least={"sample_rows": 0},
        reads={"samples_sha256": Fields.sha256},
    ),
    "Source": Shape(lacking="branch"),
    "Repeat": Shape(sparse="made seeds", reads={"made": Fields.sha256}),
    "Resources": Shape(as_is="wall_s cpu_s"),
    "Output": Shape(sparse="nfiles", least={"size": 0}),
    "Environment": Shape(kind="environment", limit=4 * MIB, closed=True),
    "Distribution": Shape(closed=True, sparse="fingerprint path", lacking="version fingerprint"),
    # --- JOB.json, outcome.json
    "Job": Shape(
        kind="job",
        limit=16 * MIB,
        closed=True,
        sparse="seeds made whole left_out",
        as_is="timeout_s",
        least={"attempt": 1},
    ),
    "StageOut": Shape(sparse="remote"),
    "StageParams": Shape(lacking="keys"),
    "Given": Shape(sparse="isexec"),
    "Predictions": Shape(closed=True, sparse="positive cluster", reads={"path": _path}),
    "Outcome": Shape(kind="outcome", limit=64 * MIB, sparse="seeds logged", least={"attempt": 1}),
    "FileHash": Shape(sparse="nfiles isexec", least={"size": 0}),
    "Sample": Shape(sparse="rep fold n_train n_test dataset"),
}
PLAIN: Final = Shape()  # of a class whose hints say it all
