"""What the type hints of a record do not say about its file, as data.

A shape is named by its class, so that looking one up loads neither the class nor what it is made
of. A list of names is one text: ``"reason stage"``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar, cast

from gitexp.errors import BadEffectError, BadFormatError, NewerFormatError
from gitexp.model import dataclass, field
from gitexp.model import plan as plans
from gitexp.model.design import SKEW_FLIPS
from gitexp.model.plan import Direction, Effect, Guard, Person, Plan, PlanSeeds, SeedOrigin
from gitexp.text.fields import Fields, time_text
from gitexp.text.foreign import relative_path
from gitexp.text.jsontext import MIB, Json

if TYPE_CHECKING:
    from gitexp.model.witness import OrderGrade

    Read = Callable[[Fields, str], object]
    Write = Callable[[object], Json]

_T = TypeVar("_T")
_FORMATS = (
    "comparison conclusion config curves environment job outcome plan points predictions review run"
    " samples tombstone witness"
)
NEWEST: Mapping[str, int] = dict.fromkeys(_FORMATS.split(), 1)
_SCHEMA = re.compile(r"gitexp/([a-z]{1,40})@([1-9][0-9]{0,5})")


def schema(kind: str) -> str:
    """Return the text that stands under ``$schema`` in a file of the newest version.

    Answers of commands, which no file holds, have one version.

    >>> schema("run")
    'gitexp/run@1'
    """
    return f"gitexp/{kind}@{NEWEST.get(kind, 1)}"


def schema_of(value: Json, kind: str, where: str) -> int:
    """Return the version of a file that has to be of one kind."""
    found = value.get("$schema") if isinstance(value, Mapping) else None
    match = _SCHEMA.fullmatch(found) if isinstance(found, str) else None
    if match is None or match[1] != kind:
        raise BadFormatError(
            f"this is not a {kind} of gitexp",
            found=f"$schema: {str(found)[:60]}" if found is not None else "no $schema",
            where=where,
            expected=f"$schema: {schema(kind)}",
        )
    version = int(match[2])
    if version > NEWEST[kind]:
        raise NewerFormatError(
            f"this {kind} was written by a newer gitexp",
            found=f"$schema: {found}",
            where=where,
            expected=f"{schema(kind)} or older",
            next_step=f"install the gitexp that writes {found}: pip install --upgrade gitexp",
        )
    return version


_ROOT = re.compile(r"[0-9a-f]{32}")
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
    passed: str = ""  # keys of other records that are passed over all the same
    omitted: str = ""  # fields that the file does not have
    order: str = ""  # of fields in the file, where it is another one; the rest follows
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
    # Key -> written from all fields; "a.b" where a is.
    wholes: Mapping[str, Write] = field(default_factory=dict)
    check: Callable[[Fields], None] | None = None  # of what was read without complaint
    made: Callable[[object, Fields], object] | None = None  # of the value: it may give another


def _counts(names: str, least: int = 0) -> dict[str, int]:
    return dict.fromkeys(names.split(), least)


def _path(fields: Fields, key: str) -> str:
    return relative_path(fields.text(key), where="predictions.path")


def _sealed(plan: object, fields: Fields) -> Plan:
    from gitexp.records.terms import sealed

    try:
        return sealed(cast("Plan", plan))
    except BadFormatError as error:
        error.where = error.where or fields.where
        raise


def _promise_text(plan: object) -> str:
    from gitexp.records.terms import effect_text

    return effect_text(cast("Plan", plan).effect, cast("Plan", plan).direction)


def _plan_name(fields: Fields, key: str) -> str:
    name = fields.text(key)
    if not name or not name.isprintable():  # it goes into messages of commits
        raise fields.bad(key, "a name")
    return name


def _alpha(fields: Fields, key: str) -> float:
    alpha = fields.number(key)
    if not 0 < alpha < plans.ALPHA_BELOW:
        raise fields.bad(key, plans.ALPHAS)
    return alpha


def _plan_seeds(fields: Fields, key: str) -> PlanSeeds:
    if isinstance(fields.raw(key), str):
        if fields.text(key) != SeedOrigin.COMMITTED.value:
            raise fields.bad(key, "committed, or root: with 32 hexadecimal digits")
        return PlanSeeds()
    child = fields.child(key)
    root = child.text("root")
    if not _ROOT.fullmatch(root):
        raise child.bad("root", "32 hexadecimal digits")
    child.only_known()
    return PlanSeeds(root)


def _plan_seeds_json(value: object) -> Json:
    seeds = cast("PlanSeeds", value)
    return {"root": seeds.root} if seeds.root else seeds.origin.value


def _promise(fields: Fields, key: str) -> Effect:
    """Read a plan's effect, whose meaning needs the direction."""
    from gitexp.records.terms import parse_effect

    direction, text = fields.word("direction", Direction), fields.text(key)
    return _parsed(fields, key, lambda: parse_effect(text, direction))


def _guards(fields: Fields, key: str) -> tuple[Guard, ...]:
    from gitexp.records.terms import parse_guard

    return _parsed(fields, key, lambda: tuple(map(parse_guard, fields.texts(key, ()))))


def _failure(fields: Fields, key: str) -> str:
    from gitexp.records.terms import failure_text, parse_failure

    return _parsed(fields, key, lambda: failure_text(parse_failure(fields.text(key))))


def _plan_test(fields: Fields, key: str) -> str:
    if fields.text(key) != SKEW_FLIPS:
        raise fields.bad(key, f"{SKEW_FLIPS}, or no test")
    return SKEW_FLIPS


def _guards_json(value: object) -> Json:
    from gitexp.records.terms import guard_text

    return [guard_text(guard) for guard in cast("tuple[Guard, ...]", value)]


def _revision(fields: Fields, key: str) -> str:
    """Read a draft's baseline: a revision, or what a recorded plan says of its own."""
    if isinstance(value := fields.raw(key), str):
        return value
    return fields.child(key).maybe_text("commit") or fields.child(key).text("name")


def _person(fields: Fields, key: str) -> Person:
    child = fields.child(key)
    found = Person(child.text("name"), child.text("email"))
    child.only_known()
    return found


def _reason(fields: Fields) -> None:
    if not fields.text("why").strip():
        raise fields.bad("why", "the reason")


def _few_amendments(fields: Fields) -> None:
    value = fields.raw("amended")
    if isinstance(value, list) and len(value) > plans.MOST_AMENDMENTS:
        raise BadFormatError(
            "the plan was amended more often than is read",
            found=f"{len(value)} amendments",
            where=f"{fields.where}: amended",
            expected=f"at most {plans.MOST_AMENDMENTS}",
        )


def _effect(fields: Fields, key: str) -> Effect | None:
    from gitexp.records.terms import parse_effect

    text = fields.text(key)
    # Written as a gain, so it is read as that of a metric to be raised.
    return _parsed(fields, key, lambda: parse_effect(text, Direction.MAX)) if text else None


def _parsed(fields: Fields, key: str, parse: Callable[[], _T]) -> _T:
    try:
        return parse()
    except BadEffectError as error:
        raise fields.bad(key, error.expected) from error


def _effect_text(value: object) -> str:
    from gitexp.records.terms import effect_text

    return effect_text(cast("Effect", value), Direction.MAX)


def _values(fields: Fields, key: str) -> tuple[tuple[int, float], ...]:
    return tuple([(item.integer("seed"), item.number("value")) for item in fields.children(key)])


def _values_json(value: object) -> Json:
    return [{"seed": s, "value": float(v)} for s, v in cast("tuple[tuple[int, float], ...]", value)]


def _two(fields: Fields, key: str) -> tuple[int, ...]:
    found = fields.integers(key)
    if len(found) != 2:  # noqa: PLR2004 - one a side
        raise fields.bad(key, "two numbers")
    return found


def _order(fields: Fields, _: str) -> OrderGrade:
    from gitexp.model.witness import Grade, OrderGrade

    grade, why = fields.word("order", Grade), fields.text("why")
    return OrderGrade(grade, why, fields.maybe("time", fields.time))


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
        sparse="drawn evaluator fixed_seeds holdout observed once snapshot_only",
        lacking="group",
        least=_counts("sample_rows"),
        reads={"evaluator": Fields.sha256, "samples_sha256": Fields.sha256},
    ),
    "Source": Shape(lacking="branch"),
    "OnceRecord": Shape(sparse="origin logged unread", reads={"recipe": Fields.sha256}),
    "Repeat": Shape(
        sparse="examples made seeds observed resumed seen",
        least=_counts("observed"),
        reads={"made": Fields.sha256},
    ),
    "Observed": Shape(sparse="distributions asked loose modules why"),
    "Resources": Shape(
        as_is="wall_s cpu_s cgroup_cpus",
        sparse="cpu_flags affinity cgroup_cpus gpu_driver",
        reads=dict.fromkeys(("wall_s", "cpu_s", "cgroup_cpus"), partial(Fields.number, most=1e12)),
    ),
    "FileHash": Shape(sparse="nfiles isexec", least=_counts("size")),
    "Environment": Shape(kind="environment", limit=4 * MIB, closed=True),
    "Distribution": Shape(closed=True, sparse="fingerprint path", lacking="version fingerprint"),
    # --- JOB.json, outcome.json
    "Job": Shape(
        kind="job",
        limit=16 * MIB,
        closed=True,
        sparse="seeds made whole kernels left_out written once once_edits known bound evaluators "
        "frozen resumed saved",
        as_is="timeout_s",
        least=_counts("attempt", 1),
    ),
    "StageOut": Shape(sparse="remote"),
    "StageParams": Shape(lacking="keys"),
    "Given": Shape(sparse="isexec"),
    "Predictions": Shape(closed=True, sparse="positive cluster", reads={"path": _path}),
    "Outcome": Shape(
        kind="outcome",
        limit=64 * MIB,
        sparse="seeds logged observed once resumed seen",
        least=_counts("attempt", 1),
    ),
    "Sample": Shape(sparse="rep fold n_train n_test dataset"),
    "RunOptions": Shape(as_is="timeout_s"),
    # --- a comparison, within a conclusion or a review, too
    "Comparison": Shape(
        kind="comparison",
        limit=16 * MIB,
        sparse="words order across adjustment detectable missing collapsed selection ledger"
        " siblings slices categories evaluator row_key scope isolation newer_rules",
        least=_counts("looks pairs"),
        reads={"effect": _effect},
        writes={"effect": _effect_text},
    ),
    "Collapsed": Shape(least=_counts("of_baseline of_candidate")),
    "Ledger": Shape(sparse="raw"),
    "Siblings": Shape(sparse="newer missed"),
    "SharedEvaluator": Shape(sparse="differing lent lacking"),
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
    "Selection": Shape(least=_counts("configurations", 1) | _counts("price"), sparse="price"),
    "SliceComparison": Shape(least=_counts("family hidden least")),
    "Slice": Shape(needed="note", least=_counts("examples")),
    "CategoryComparison": Shape(needed="note", reads={"seeds": _two}),
    "Category": Shape(least=_counts("baseline candidate")),
    "OmnibusComparison": Shape(needed="reason"),
    "AcrossMetric": Shape(needed="sizes notes"),
    "Group": Shape(least=_counts("n")),
    "Omnibus": Shape(needed="planned"),
    # --- plans, and what a person writes of one
    "Plan": Shape(
        kind="plan",
        yaml=True,
        closed=True,
        omitted="digest",
        order="name branch objective hypothesis claim metric direction effect alpha repeats guards "
        "baseline evaluation author created_at",
        sparse=f"{' '.join(plans.LATER_TERMS)} formerly amended",
        lacking="objective guards evaluation",
        reads={
            "name": _plan_name,
            "effect": _promise,
            "alpha": _alpha,
            "repeats": partial(Fields.integer, least=1, most=plans.MAX_REPEATS),
            "guards": _guards,
            "failure": _failure,
            "author": _person,
            "seeds": _plan_seeds,
            "rules": partial(Fields.integer, least=1, most=plans.RULES),
            "test": _plan_test,
        },
        writes={"guards": _guards_json, "seeds": _plan_seeds_json},
        wholes={"effect": _promise_text},
        check=_few_amendments,
        made=_sealed,
    ),
    "BaselineRef": Shape(closed=True),
    "Stopping": Shape(
        closed=True, reads={"looks": partial(Fields.integer, least=0, most=plans.MAX_LOOKS)}
    ),
    "Amendment": Shape(closed=True, sparse="fresh", check=_reason, reads={"by": _person}),
    "PlanDraft": Shape(
        closed=True,
        passed="name branch author created_at formerly amended seeds rules test",
        reads={"guards": _guards, "failure": _failure, "baseline": _revision},
    ),
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
        sparse="changes testing",
        least=_counts("commits"),
    ),
    "End": Shape(closed=True),
    "Difference": Shape(closed=True, sparse="by"),
    "Violation": Shape(closed=True, keys={"next_step": "next"}, flat="where", check=_violation),
    "Where": Shape(blank="commit path branch", reads={"commit": Fields.git_id}),
    "ReviewedExperiment": Shape(
        closed=True,
        keys={"next_step": "next"},
        flat="plan",
        needed="problem next_step recorded_by",
        sparse="lacking",
    ),
    "LackingData": Shape(closed=True),
    "CheckedPlan": Shape(
        keys={"name": "experiment", "digest": "plan"},
        flat="order",
        least=_counts("amended runs"),
        reads={"order": _order},
        writes={"order": _order_json},
    ),
    "Behind": Shape(closed=True, least=_counts("commits")),
    "RecordedBy": Shape(closed=True, sparse="recorded_as", least=_counts("runs", 1)),
}
PLAIN: Final = Shape()  # of a class whose hints say it all
