"""What the type hints of a record do not say about its file, as data.

A shape is named by its class, so that looking one up loads neither the class nor what it is made
of. A list of names is one text: ``"reason stage"``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from gitexp.errors import BadEffectError
from gitexp.model.order import Grade, OrderGrade
from gitexp.model.plan import Direction
from gitexp.records.versions import schema
from gitexp.text.fields import Fields, time_text
from gitexp.text.jsontext import MIB
from gitexp.text.safepath import relative_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gitexp.model.plan import Effect, Plan
    from gitexp.text.jsontext import Json

    Read = Callable[[Fields, str], object]
    Write = Callable[[object], Json]

_RULE = re.compile(r"R[0-9]{1,2}")


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


def _plan(fields: Fields, key: str) -> Plan:
    from gitexp.records import plan

    return plan.read(fields.child(key))


def _plan_json(value: object) -> Json:
    from gitexp.records import plan

    return plan.to_json(cast("Plan", value))


def _effect(fields: Fields, key: str) -> Effect | None:
    from gitexp.records.effects import parse_effect

    text = fields.text(key)
    try:
        # Written as a gain, so it is read as that of a metric to be raised.
        return parse_effect(text, Direction.MAX) if text else None
    except BadEffectError as error:
        raise fields.bad(key, error.expected) from error


def _effect_text(value: object) -> str:
    from gitexp.records.effects import effect_text

    return effect_text(cast("Effect", value), Direction.MAX)


def _values(fields: Fields, key: str) -> tuple[tuple[int, float], ...]:
    return tuple([(item.integer("seed"), item.number("value")) for item in fields.children(key)])


def _values_json(value: object) -> Json:
    pairs = cast("tuple[tuple[int, float], ...]", value)
    return [{"seed": seed, "value": float(number)} for seed, number in pairs]


def _two(fields: Fields, key: str) -> tuple[int, ...]:
    found = fields.integers(key)
    if len(found) != 2:  # noqa: PLR2004 - one a side
        raise fields.bad(key, "two numbers")
    return found


def _order(fields: Fields, _: str) -> OrderGrade:
    return OrderGrade(fields.word("order", Grade), fields.text("why"), fields.maybe_time("time"))


def _order_json(value: object) -> Json:
    order = cast("OrderGrade", value)
    return {
        "order": order.grade.value,
        "why": order.why,
        "time": None if order.time is None else time_text(order.time),
    }


def _violation(fields: Fields) -> None:
    if not _RULE.fullmatch(fields.text("rule")):
        raise fields.bad("rule", "a rule, like R1")
    if fields.raw("policy") == "off":
        raise fields.bad("policy", "error or warn")


SHAPES: Final[Mapping[str, Shape]] = {
    # --- run.json, environment.json
    "Run": Shape(
        kind="run",
        limit=8 * MIB,  # a thousand repeats with the tails of their logs
        keys={"sample_rows": "samples.rows", "samples_sha256": "samples.sha256"},
        fixed={"samples": {"$schema": schema("samples")}},
        sparse="fixed_seeds",
        lacking="group",
        least=_counts("sample_rows"),
        reads={"samples_sha256": Fields.sha256},
    ),
    "Source": Shape(lacking="branch"),
    "Repeat": Shape(sparse="made seeds", reads={"made": Fields.sha256}),
    "Resources": Shape(as_is="wall_s cpu_s"),
    "Output": Shape(sparse="nfiles", least=_counts("size")),
    "Environment": Shape(kind="environment", limit=4 * MIB, closed=True),
    "Distribution": Shape(closed=True, sparse="fingerprint path", lacking="version fingerprint"),
    # --- JOB.json, outcome.json
    "Job": Shape(
        kind="job",
        limit=16 * MIB,
        closed=True,
        sparse="seeds made whole left_out",
        as_is="timeout_s",
        least=_counts("attempt", 1),
    ),
    "StageOut": Shape(sparse="remote"),
    "StageParams": Shape(lacking="keys"),
    "Given": Shape(sparse="isexec"),
    "Predictions": Shape(closed=True, sparse="positive cluster", reads={"path": _path}),
    "Outcome": Shape(
        kind="outcome", limit=64 * MIB, sparse="seeds logged", least=_counts("attempt", 1)
    ),
    "FileHash": Shape(sparse="nfiles isexec", least=_counts("size")),
    "Sample": Shape(sparse="rep fold n_train n_test dataset"),
    "Asked": Shape(as_is="timeout_s"),
    # --- a comparison, within a conclusion or a review, too
    "Comparison": Shape(
        kind="comparison",
        limit=16 * MIB,
        sparse="words order across adjustment detectable missing selection ledger slices"
        " categories",
        least=_counts("looks pairs"),
        reads={"plan": _plan, "effect": _effect},
        writes={"plan": _plan_json, "effect": _effect_text},
    ),
    "Side": Shape(as_is="wall_s", least=_counts("failed interrupted"), sparse="interrupted"),
    "MetricComparison": Shape(
        sparse="parts posteriors variance",
        least=_counts("n_baseline n_candidate"),
        reads=dict.fromkeys(("baseline_values", "candidate_values"), _values),
        writes=dict.fromkeys(("baseline_values", "candidate_values"), _values_json),
    ),
    "SignificanceResult": Shape(keys={"plan": "test"}),
    "PlannedTest": Shape(least=_counts("n_baseline n_candidate resamples")),
    "Part": Shape(sparse="seed rep fold n_train n_test dataset", lacking="dataset"),
    "VarianceShare": Shape(least=_counts("repeats examples", 1)),
    "Detectable": Shape(least=_counts("units")),
    "Missing": Shape(needed="best worst", as_is="best_p worst_p", sparse="interrupted"),
    "Selection": Shape(least=_counts("configurations", 1)),
    "SliceComparison": Shape(least=_counts("family hidden least")),
    "Slice": Shape(needed="note", least=_counts("examples")),
    "CategoryComparison": Shape(needed="note", reads={"seeds": _two}),
    "Category": Shape(least=_counts("baseline candidate")),
    "Across": Shape(needed="reason"),
    "AcrossMetric": Shape(needed="sizes notes"),
    "Group": Shape(least=_counts("n")),
    "Omnibus": Shape(needed="planned"),
    # --- conclusions, tombstones, witnesses
    "Conclusion": Shape(
        kind="conclusion",
        yaml=True,
        limit=16 * MIB,
        lacking="words",
        keys={"author_name": "author.name", "author_email": "author.email"},
    ),
    "Tombstone": Shape(kind="tombstone", yaml=True, lacking="words"),
    "Receipt": Shape(kind="witness"),
    # --- a review, from a job that nobody trusts
    "Review": Shape(
        kind="review",
        limit=16 * MIB,
        closed=True,
        lacking="branch",
        blank="branch",
        least=_counts("commits"),
    ),
    "End": Shape(closed=True),
    "Violation": Shape(closed=True, keys={"next_step": "next"}, flat="where", check=_violation),
    "Where": Shape(blank="commit path branch", reads={"commit": Fields.commit}),
    "ReviewedExperiment": Shape(
        closed=True,
        keys={"next_step": "next"},
        flat="plan",
        needed="problem next_step recorded_by",
    ),
    "CheckedPlan": Shape(
        keys={"name": "experiment", "digest": "plan"},
        flat="order",
        least=_counts("amended runs"),
        reads={"order": _order},
        writes={"order": _order_json},
    ),
    "Behind": Shape(closed=True, least=_counts("commits")),
    "RecordedBy": Shape(closed=True, least=_counts("runs", 1)),
}
PLAIN: Final = Shape()  # of a class whose hints say it all
