"""Strategies that make any value of the model, for the property tests of the formats.

A value is built from the same hints that the codec reads it by; the tables below hold what a field
may be beyond its type, by its name or by the name of its class.
"""

from __future__ import annotations

import dataclasses
import enum
import string
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar, cast, get_args, get_origin

from hypothesis import strategies as st

from gitexp.model import ids
from gitexp.model.comparison import Comparison, Conclusion
from gitexp.model.config import Identity, InputsMode, ParamKey, Predictions, ProjectConfig, SeedRule
from gitexp.model.design import SKEW_FLIPS
from gitexp.model.job import Job, Outcome
from gitexp.model.plan import (
    RULES,
    Direction,
    Effect,
    Guard,
    HypothesisKind,
    Plan,
    Stopping,
    StoppingRule,
)
from gitexp.model.review import Review
from gitexp.model.rules import Policy
from gitexp.model.run import Environment, Run, Sample
from gitexp.model.sharing import Tombstone
from gitexp.model.witness import Receipt
from gitexp.records import codec, terms
from gitexp.records.config import RULE_IDS

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
Values = st.SearchStrategy[object]

HEX = "0123456789abcdef"
BASE32 = "abcdefghijklmnopqrstuvwxyz234567"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
words = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=10)
floats = st.floats(allow_nan=False, allow_infinity=False)
integers = st.integers(-(2**62), 2**62)
small = st.integers(0, 50)
# A dict with repeated texts is no mapping of texts, so texts are keys through `words`.
scalars = st.none() | st.booleans() | integers | floats | texts
params = st.recursive(scalars, lambda leaf: st.lists(leaf, max_size=3).map(tuple), max_leaves=4)
param_trees = st.recursive(
    scalars,
    lambda leaf: st.lists(leaf, max_size=3).map(tuple) | st.dictionaries(words, leaf, max_size=3),
    max_leaves=6,
)
times = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds


def hexes(length: int) -> st.SearchStrategy[str]:
    return st.text(HEX, min_size=length, max_size=length)


def tuples(values: st.SearchStrategy[T], most: int = 3) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(values, max_size=most).map(tuple)


def maybe(values: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    return st.none() | values


commits = hexes(40).map(ids.CommitHash)
sha256s = hexes(64)
paths = st.lists(words, min_size=1, max_size=3).map("/".join)
param_keys = st.builds(ParamKey, file=st.just("params.yaml") | paths, key=words)
rates = st.floats(1e-300, 1.0)
margins = st.floats(-1e6, 1e6).map(lambda x: x + 0.0)
effects = st.one_of(
    st.builds(
        Effect,
        kind=st.just(HypothesisKind.SUPERIORITY),
        margin=margins,
        relative=st.booleans(),
        strict=st.booleans(),
    ),
    st.builds(
        Effect,
        kind=st.just(HypothesisKind.EQUIVALENCE),
        margin=st.floats(1e-6, 1e6),
        relative=st.booleans(),
    ),
    st.just(Effect(HypothesisKind.TWO_SIDED, 0.0, relative=False)),
)
guards = st.builds(
    Guard,
    metric=words,
    op=st.sampled_from(["<=", ">="]),
    margin=margins,
    relative=st.booleans(),
)

# What a type may be.
TYPES: dict[object, Values] = {
    str: texts,
    int: integers,
    float: floats,
    bool: st.booleans(),
    datetime: times,
    ids.CommitHash: commits,
    ids.TreeId: hexes(40),
    ids.BlobId: hexes(40),
    ids.Md5: st.builds(str.__add__, hexes(32), st.sampled_from(["", ".dir"])),
    ids.RunId: st.text(BASE32, min_size=16, max_size=16),
    ids.InputsDigest: sha256s,
    ids.EnvironmentDigest: sha256s,
    ids.PlanDigest: sha256s,
    ids.EvaluationDigest: sha256s,
    ids.Sha256: sha256s,
    ids.ParamValue: params,
    ids.ParamTree: param_trees,
    ParamKey: param_keys,
    Effect: effects,
    Guard: guards,
}
# What a field may be beyond its type, by "Class.field", or by "field" in every class.
FIELDS: dict[str, Values] = {
    **dict.fromkeys(("exit_code", "cpu_count", "threads", "planned_repeats", "needed"), small),
    **dict.fromkeys(("budget", "rep", "fold", "n_train", "n_test", "nfiles"), small),
    **dict.fromkeys(("p_value", "p_support", "p_refute", "p_adjusted", "smallest_p"), rates),
    **dict.fromkeys(("p_refute_adjusted", "best_p", "worst_p", "power", "inflation"), rates),
    "attempt": st.integers(1, 9),
    "resumed": st.integers(0, 9),
    "peak_memory_bytes": st.integers(0, 2**50),
    **dict.fromkeys(("cpu_s", "cgroup_cpus", "Resources.wall_s"), st.floats(0, 1e12)),
    "confidence": st.floats(0.5, 0.999),
    "samples_sha256": sha256s,
    "PlanSeeds.root": st.just("") | st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    "Plan.rules": st.integers(1, RULES),
    "Repeat.made": st.just("") | sha256s,
    "Run.evaluator": st.just("") | sha256s,
    "OnceRecord.recipe": sha256s,
    "Source.swaps": st.dictionaries(st.sampled_from(["params", "code", "src/a.py"]), commits),
    "Side.runs": tuples(st.text(BASE32, min_size=16, max_size=16)),
    "Tombstone.experiment": words,
    "Sample.metric": texts.filter(bool),
    "Sample.seed": st.integers(-(10**9), 10**18),
    "Predictions.path": paths,
    "PlannedTest.alpha": rates,
    "PlannedTest.seed": st.integers(0, 2**50),
    "Where.commit": st.just("") | commits,
    "Violation.rule": st.sampled_from(RULE_IDS),
    "Violation.policy": st.sampled_from([Policy.ERROR, Policy.WARN]),
    "Plan.name": words,
    "Plan.formerly": tuples(words),
    "Plan.alpha": st.floats(0.001, 0.5, exclude_max=True),
    "Plan.repeats": st.integers(1, 99),
    "Plan.failure": st.sampled_from(("", "f1<0.3", "loss>=10")),
    "Plan.test": st.sampled_from(("", SKEW_FLIPS)),
    "Plan.stopping": maybe(st.builds(Stopping, rule=st.just(StoppingRule.ALWAYS_VALID))),
    "Amendment.why": texts.filter(str.strip),
}
# How a class is made, where not by its own name; fields that are left out are None here.
MAKERS: dict[type, Callable[..., object]] = {Plan: lambda **fields: terms.sealed(Plan(**fields))}
LEFT_OUT = {"Plan.digest"}


def of(kind: type[T]) -> st.SearchStrategy[T]:
    """Return what makes values of a class."""
    if kind not in TYPES:
        given = {
            field.name: _field(kind, field.name)
            for field in dataclasses.fields(cast("type", kind))
            if f"{kind.__name__}.{field.name}" not in LEFT_OUT
        }
        TYPES[kind] = st.builds(MAKERS.get(kind, kind), **given)
    return cast("st.SearchStrategy[T]", TYPES[kind])


def _field(kind: type, name: str) -> Values:
    hint = codec.hints(kind)[name]
    optional = type(None) in get_args(hint) and hint not in TYPES
    found = FIELDS.get(f"{kind.__name__}.{name}", FIELDS.get(name))
    least = codec.shape_of(kind).least.get(name)
    if found is None:
        found = _hint(hint) if least is None else st.integers(least, least + 50)
    return maybe(found) if optional else found


def _hint(hint: object) -> Values:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in TYPES:
        return TYPES[hint]
    if type(None) in arguments:
        (some,) = (item for item in arguments if item is not type(None))
        return _hint(some)
    if origin is Mapping:
        names = words if arguments[0] is str else _hint(arguments[0])
        return st.dictionaries(names, _hint(arguments[1]), max_size=2)
    if origin is tuple and arguments[-1] is not ...:
        return st.tuples(*map(_hint, arguments))
    if origin is tuple:
        return tuples(_hint(arguments[0]), 2 if dataclasses.is_dataclass(arguments[0]) else 3)
    assert isinstance(hint, type)
    return st.sampled_from(hint) if issubclass(hint, enum.Enum) else of(hint)


samples = of(Sample)
sample_lists = st.lists(
    samples, max_size=8, unique_by=lambda s: (s.metric, s.seed, s.rep, s.fold, s.dataset)
)
predictions = of(Predictions)
runs = of(Run)
environments = of(Environment)
jobs = of(Job)
outcomes = of(Outcome)
plans = of(Plan)
tombstones = of(Tombstone)
receipts = of(Receipt)
comparisons = of(Comparison)
conclusions = of(Conclusion)
reviews = of(Review)
configs = st.builds(
    lambda config, pipeline, command: (
        ProjectConfig(**{**config, "pipeline": None, "targets": (), "command": command})
        if command is not None
        else ProjectConfig(
            **{**config, "pipeline": pipeline, "targets": config["targets"] if pipeline else ()}
        )
    ),
    st.fixed_dictionaries(
        {
            "project": st.just("") | paths,
            "targets": tuples(texts),
            "params": tuples(paths),
            "metrics": tuples(paths),
            "directions": st.dictionaries(words, st.sampled_from(Direction), max_size=3),
            "cost": tuples(texts),
            "inputs_rules": st.just(2),
            "inputs_mode": st.sampled_from(InputsMode),
            "outputs": tuples(paths),
            "predictions": maybe(predictions),
            "curves": tuples(paths),
            "evaluation": tuples(paths),
            "seed": st.lists(param_keys, max_size=3, unique=True).flatmap(
                lambda keys: st.integers(0, len(keys)).map(
                    lambda n: SeedRule(tuple(keys[:n]), fixed=tuple(keys[n:]))
                )
            )
            | st.builds(SeedRule, arg=texts.map(lambda text: text + "{seed}")),
            "python": maybe(texts),
            "link": tuples(paths),
            "once": tuples(texts),
            "keep": tuples(paths),
            "timeout_s": maybe(st.floats(0.001, 1e9)),
            "inputs_ignore": tuples(texts),
            "branch_prefix": words.filter(str.isalnum).map(lambda word: f"{word}/"),
            "min_slice": st.integers(1, 1000),
            "git_file_limit_bytes": st.integers(0, 10**15 - 1),  # what a person may write
            "rules": st.dictionaries(st.sampled_from(RULE_IDS), st.sampled_from(Policy)),
            "rule_branches": st.sampled_from(("", "exp/*", "*/try-*")),
            "protected": st.sampled_from(((), ("main",), ("main", "release/*"))),
            "not_secret": tuples(texts),
            "auto_checkout": st.booleans(),
            "witness_required": st.booleans(),
            "identity": st.sampled_from(Identity),
        }
    ),
    maybe(paths),
    maybe(texts),
)
