"""Strategies that make any value of the model, for the property tests of the formats."""

from __future__ import annotations

import string
from datetime import UTC, datetime
from typing import TypeVar

from hypothesis import strategies as st

from gitexp.formats import plan as plan_format
from gitexp.formats.enforcement import RULE_IDS
from gitexp.model import across as a
from gitexp.model import comparison as c
from gitexp.model import honesty as h
from gitexp.model import job as j
from gitexp.model import review as v
from gitexp.model import run as r
from gitexp.model import slices as g
from gitexp.model.checked import CheckedPlan
from gitexp.model.config import ParamKey, Predictions, ProjectConfig, SeedRule
from gitexp.model.endings import Tombstone
from gitexp.model.ids import (
    BlobId,
    CommitHash,
    EnvironmentDigest,
    EvaluationDigest,
    InputsDigest,
    Md5,
    PlanDigest,
    RunId,
    TreeId,
)
from gitexp.model.order import Grade, OrderGrade
from gitexp.model.parts import Part
from gitexp.model.plan import (
    Amendment,
    BaselineRef,
    Claim,
    Direction,
    Effect,
    Guard,
    HypothesisKind,
    OnFailed,
    Person,
    Stopping,
    StoppingRule,
)
from gitexp.model.posterior import Posterior
from gitexp.model.rules import Identity, Policy, Violation, Where
from gitexp.model.variance import VarianceShare
from gitexp.model.verdict import Verdict
from gitexp.model.witness import Receipt, Way

T = TypeVar("T")

HEX = "0123456789abcdef"
BASE32 = "abcdefghijklmnopqrstuvwxyz234567"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
words = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=10)
floats = st.floats(allow_nan=False, allow_infinity=False)
integers = st.integers(-(2**62), 2**62)
sizes = st.integers(0, 2**50)
small = st.integers(0, 50)
# A dict with repeated texts is no mapping of texts, so texts are keys through `words`.
scalars = st.none() | st.booleans() | integers | floats | texts
params = st.recursive(scalars, lambda leaf: st.lists(leaf, max_size=3).map(tuple), max_leaves=4)
param_trees = st.recursive(
    scalars,
    lambda leaf: st.lists(leaf, max_size=3).map(tuple) | st.dictionaries(words, leaf, max_size=3),
    max_leaves=6,
)
flat_params = st.dictionaries(words, params, max_size=3)
times = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds


def hexes(length: int) -> st.SearchStrategy[str]:
    return st.text(HEX, min_size=length, max_size=length)


def tuples(values: st.SearchStrategy[T], most: int = 3) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(values, max_size=most).map(tuple)


def maybe(values: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    return st.none() | values


commits = hexes(40).map(CommitHash)
sha256s = hexes(64)
environments_digests = maybe(sha256s.map(EnvironmentDigest))
evaluations = maybe(sha256s.map(EvaluationDigest))
md5s = st.builds(lambda name, end: Md5(name + end), hexes(32), st.sampled_from(["", ".dir"]))
run_ids = st.text(BASE32, min_size=16, max_size=16).map(RunId)
persons = st.builds(Person, name=texts, email=texts)
text_maps = st.dictionaries(words, texts, max_size=3)

samples = st.builds(
    r.Sample,
    metric=texts.filter(bool),
    seed=st.integers(-(10**9), 10**18),
    value=floats,
    rep=maybe(small),
    fold=maybe(small),
    dataset=texts,
    n_train=maybe(sizes),
    n_test=maybe(sizes),
)
sample_lists = st.lists(
    samples, max_size=8, unique_by=lambda s: (s.metric, s.seed, s.rep, s.fold, s.dataset)
)
outputs = st.builds(r.Output, path=texts, md5=md5s, size=sizes, nfiles=maybe(sizes))
resources = st.builds(
    r.Resources,
    host=texts,
    cpu_model=texts,
    cpu_count=maybe(small),
    gpu=texts,
    threads=maybe(small),
    wall_s=maybe(floats),
    cpu_s=maybe(floats),
    peak_memory_bytes=maybe(sizes),
    variables=text_maps,
)
seed_maps = st.dictionaries(words, integers, max_size=2)
repeats = st.builds(
    r.Repeat,
    seed=integers,
    state=st.sampled_from(r.RepeatState),
    reason=texts,
    stage=texts,
    exit_code=maybe(small),
    log_tail=texts,
    attempt=st.integers(1, 9),
    started_at=maybe(times),
    ended_at=maybe(times),
    environment=environments_digests,
    links=texts,
    evaluation=evaluations,
    evaluation_basis=texts,
    snapshot=st.booleans(),
    resources=resources,
    outputs=tuples(outputs),
    warnings=tuples(texts),
    made=st.one_of(st.just(""), sha256s),
    seeds=seed_maps,
)
runs = st.builds(
    r.Run,
    id=run_ids,
    origin=st.sampled_from(r.Origin),
    source=st.builds(
        r.Source,
        commit=commits,
        tree=hexes(40).map(TreeId),
        branch=texts,
        overrides=flat_params,
        swaps=st.dictionaries(st.sampled_from(["params", "data", "code"]), commits),
        config=maybe(hexes(40).map(BlobId)),
    ),
    inputs=sha256s.map(InputsDigest),
    plan=maybe(st.builds(r.PlanRef, name=texts, digest=sha256s.map(PlanDigest))),
    group=texts,
    engine=texts,
    author=persons,
    started_at=times,
    ended_at=times,
    seeds=tuples(integers),
    committed_seed=integers,
    repeats=tuples(repeats, 2),
    params=flat_params,
    program=texts,
    sample_rows=small,
    samples_sha256=sha256s,
    command=texts,
    call=texts,
    warnings=tuples(texts),
    fixed_seeds=seed_maps,
)
environments = st.builds(
    r.Environment,
    implementation=texts,
    python=texts,
    abi=texts,
    platform=texts,
    libc=texts,
    distributions=tuples(
        st.builds(r.Distribution, name=texts, version=texts, fingerprint=texts, path=texts)
    ),
)
paths = st.lists(words, min_size=1, max_size=3).map("/".join)
predictions = st.builds(
    Predictions,
    path=paths,
    id=words,
    y_true=words,
    y_pred=words,
    positive=maybe(texts),
    cluster=maybe(texts),
)
stages = st.builds(
    j.Stage,
    name=texts,
    commands=tuples(texts),
    wdir=texts,
    deps=tuples(texts),
    params=tuples(st.builds(j.StageParams, file=texts, keys=tuples(texts))),
    outs=tuples(
        st.builds(
            j.StageOut,
            path=texts,
            kind=st.sampled_from(j.OutKind),
            cache=st.booleans(),
            persist=st.booleans(),
            push=st.booleans(),
            remote=texts,
        )
    ),
    frozen=st.booleans(),
    always_changed=st.booleans(),
    spelled=text_maps,
    listed=st.booleans(),
)
param_keys = st.builds(ParamKey, file=st.just("params.yaml") | paths, key=words)
jobs = st.builds(
    j.Job,
    run=run_ids,
    label=texts,
    attempt=st.integers(1, 9),
    seed=integers,
    commit=commits,
    tree=hexes(40).map(TreeId),
    project=texts,
    slots=tuples(texts),
    stages=tuples(stages, 2),
    python=texts,
    import_paths=tuples(texts),
    edits=st.dictionaries(param_keys, params, max_size=2),
    seed_arg=maybe(texts),
    given=tuples(st.builds(j.Given, path=texts, md5=md5s, expect=texts, isexec=st.booleans())),
    links=tuples(st.builds(j.LinkedPath, path=texts, target=texts)),
    metrics=tuples(texts),
    predictions=maybe(predictions),
    curves=tuples(texts),
    evaluation=tuples(texts),
    data_pointers=tuples(texts),
    keep=tuples(texts),
    cache_dir=texts,
    cache_types=tuples(texts),
    repository=texts,
    timeout_s=maybe(floats),
    variables=text_maps,
    expect_metrics=tuples(texts),
)
file_hashes = st.builds(
    j.FileHash, path=texts, md5=md5s, size=sizes, nfiles=maybe(sizes), isexec=st.booleans()
)
records = st.builds(
    j.StageRecord,
    name=texts,
    commands=tuples(texts),
    deps=tuples(file_hashes),
    params=st.dictionaries(words, st.dictionaries(words, param_trees, max_size=2), max_size=2),
    outs=tuples(file_hashes),
)
outcomes = st.builds(
    j.Outcome,
    run=run_ids,
    attempt=st.integers(1, 9),
    seed=integers,
    state=st.sampled_from(r.RepeatState),
    reason=texts,
    stage=texts,
    exit_code=maybe(small),
    log_tail=texts,
    started_at=times,
    ended_at=times,
    environment=maybe(environments),
    resources=resources,
    links=texts,
    evaluation=evaluations,
    evaluation_basis=texts,
    samples=tuples(samples),
    outputs=tuples(outputs),
    stages=tuples(records, 2),
    kept=tuples(st.builds(j.KeptFile, path=texts, file=texts, executable=st.booleans())),
    warnings=tuples(texts),
    patched=tuples(texts),
)

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
plans = st.builds(
    plan_format.make,
    name=words,
    branch=texts,
    objective=texts,
    hypothesis=texts,
    claim=st.sampled_from(Claim),
    metric=texts,
    direction=st.sampled_from(Direction),
    effect=effects,
    alpha=st.floats(0.001, 0.5, exclude_max=True),
    repeats=st.integers(1, 99),
    guards=tuples(guards),
    baseline=st.builds(BaselineRef, name=texts, commit=commits),
    evaluation=tuples(texts),
    author=persons,
    created_at=times,
    formerly=tuples(words),
    stopping=st.none() | st.builds(Stopping, rule=st.just(StoppingRule.ALWAYS_VALID)),
    on_failed=st.sampled_from(OnFailed),
    amended=tuples(
        st.builds(
            Amendment,
            digest=sha256s.map(PlanDigest),
            why=texts.filter(str.strip),
            by=persons,
            at=times,
            old=st.dictionaries(words, params, max_size=2),
        )
    ),
)

tombstones = st.builds(
    Tombstone,
    experiment=words,
    branch=texts,
    words=texts,
    tip=commits,
    tree=hexes(40).map(TreeId),
    inputs=st.none() | sha256s.map(InputsDigest),
    source=st.none() | commits,
    author=persons,
    removed_at=times,
)

receipts = st.builds(
    Receipt,
    way=st.sampled_from(Way),
    plan=sha256s.map(PlanDigest),
    commit=commits,
    by=persons,
    remote=texts,
    url=texts,
    ref=texts,
    said=texts,
)

rates = st.floats(1e-300, 1.0)
intervals = st.builds(
    c.Interval,
    low=maybe(floats),
    high=maybe(floats),
    confidence=st.floats(0.5, 0.999),
    method=texts,
)
results = st.builds(
    c.SignificanceResult,
    plan=st.builds(
        c.PlannedTest,
        test=texts,
        title=texts,
        why=texts,
        n_baseline=small,
        n_candidate=small,
        paired=st.booleans(),
        alpha=rates,
        resamples=sizes,
        exact=st.booleans(),
        smallest_p=rates,
        seed=sizes,
    ),
    p_value=rates,
    p_support=maybe(rates),
    p_refute=maybe(rates),
    statistic=maybe(floats),
)
values = tuples(st.tuples(integers, floats))
metrics = st.builds(
    c.MetricComparison,
    metric=texts,
    direction=maybe(st.sampled_from(Direction)),
    role=st.sampled_from(c.Role),
    n_baseline=small,
    n_candidate=small,
    mean_baseline=floats,
    mean_candidate=floats,
    sd_baseline=maybe(floats),
    sd_candidate=maybe(floats),
    difference=floats,
    relative=maybe(floats),
    interval=maybe(intervals),
    relative_interval=maybe(intervals),
    effects=tuples(
        st.builds(c.EffectSize, name=texts, estimate=floats, interval=maybe(intervals)), 1
    ),
    result=maybe(results),
    beside=tuples(results, 1),
    p_adjusted=maybe(rates),
    baseline_values=values,
    candidate_values=values,
    broken=st.booleans(),
    notes=tuples(texts),
    posteriors=tuples(
        st.builds(
            Posterior,
            method=texts,
            rope=floats,
            rope_why=texts,
            below=floats,
            within=floats,
            above=floats,
        ),
        1,
    ),
    parts=tuples(
        st.builds(
            Part,
            seed=maybe(integers),
            rep=maybe(integers),
            fold=maybe(integers),
            dataset=texts,
            n_train=maybe(integers),
            n_test=maybe(integers),
            baseline=floats,
            candidate=floats,
        ),
        1,
    ),
    variance=maybe(
        st.builds(
            VarianceShare,
            repeats=st.integers(1, 99),
            examples=st.integers(1, 99),
            standard_error=floats,
            seeds_share=floats,
            examples_share=floats,
            rest_share=floats,
        )
    ),
)
sides = st.builds(
    c.Side,
    name=texts,
    commit=commits,
    inputs=sha256s.map(InputsDigest),
    environment=environments_digests,
    evaluation=evaluations,
    runs=tuples(run_ids),
    seeds=tuples(integers),
    failed=small,
    wall_s=floats,
    source_lost=st.booleans(),
)
across = st.builds(
    a.Across,
    names=tuples(texts),
    metrics=tuples(
        st.builds(
            a.AcrossMetric,
            metric=texts,
            direction=maybe(st.sampled_from(Direction)),
            design=texts,
            alpha=floats,
            groups=tuples(
                st.builds(a.Group, name=texts, n=small, mean=floats, rank=maybe(floats)), 1
            ),
            omnibus=tuples(
                st.builds(
                    a.Omnibus,
                    test=texts,
                    title=texts,
                    statistic=floats,
                    p_value=rates,
                    df1=maybe(floats),
                    df2=maybe(floats),
                    planned=st.booleans(),
                ),
                1,
            ),
            families=tuples(
                st.builds(
                    a.Family,
                    test=texts,
                    title=texts,
                    among=texts,
                    pairs=tuples(
                        st.builds(
                            a.Pairwise,
                            first=texts,
                            second=texts,
                            difference=floats,
                            interval=maybe(intervals),
                            p_value=rates,
                        ),
                        1,
                    ),
                ),
                1,
            ),
            sizes=tuples(
                st.builds(c.EffectSize, name=texts, estimate=floats, interval=maybe(intervals)), 1
            ),
            critical_difference=maybe(floats),
            notes=tuples(texts),
        ),
        1,
    ),
    reason=texts,
)
comparisons = st.builds(
    c.Comparison,
    baseline=sides,
    candidate=sides,
    plan=maybe(plans),
    claim=st.sampled_from(Claim),
    effect=maybe(effects),
    verdict=maybe(st.sampled_from(Verdict)),
    headline=texts,
    reasons=tuples(texts),
    metrics=tuples(metrics, 2),
    changes=tuples(st.builds(c.Change, kind=texts, what=texts, baseline=texts, candidate=texts)),
    unused=tuples(st.builds(c.Unused, why=texts, run=texts, where=texts, seeds=tuples(integers))),
    warnings=tuples(texts),
    looks=small,
    planned_repeats=maybe(small),
    pairs=small,
    next_step=texts,
    compared_at=times,
    program=texts,
    adjustment=texts,
    order=maybe(
        st.builds(OrderGrade, grade=st.sampled_from(Grade), why=texts, time=st.none() | times)
    ),
    detectable=maybe(
        st.builds(
            h.Detectable,
            distance=floats,
            relative=maybe(floats),
            power=rates,
            units=small,
            unit=texts,
            spread=floats,
            promised=maybe(floats),
            needed=maybe(small),
        )
    ),
    missing=maybe(
        st.builds(
            h.Missing,
            policy=st.sampled_from(OnFailed),
            baseline=tuples(integers),
            candidate=tuples(integers),
            best=texts,
            worst=texts,
            best_p=maybe(rates),
            worst_p=maybe(rates),
        )
    ),
    selection=maybe(
        st.builds(
            h.Selection,
            configurations=st.integers(1, 99),
            how=texts,
            fresh=st.booleans(),
            inflation=rates,
        )
    ),
    ledger=maybe(
        st.builds(
            h.Ledger,
            evaluation=tuples(sha256s.map(EvaluationDigest)),
            experiments=tuples(texts),
            budget=maybe(small),
        )
    ),
    across=maybe(across),
    slices=maybe(
        st.builds(
            g.SliceComparison,
            column=texts,
            metrics=tuples(texts),
            slices=tuples(
                st.builds(
                    g.Slice,
                    value=texts,
                    examples=small,
                    metric=texts,
                    comparison=maybe(metrics),
                    p_adjusted=maybe(rates),
                    p_refute_adjusted=maybe(rates),
                    note=texts,
                ),
                1,
            ),
            family=small,
            hidden=small,
            least=small,
        )
    ),
    categories=maybe(
        st.builds(
            g.CategoryComparison,
            column=texts,
            seeds=st.tuples(integers, integers),
            categories=tuples(
                st.builds(g.Category, name=texts, baseline=small, candidate=small), 1
            ),
            result=maybe(results),
            beside=tuples(results, 1),
            cramers_v=maybe(floats),
            note=texts,
        )
    ),
)
conclusions = st.builds(
    c.Conclusion,
    experiment=texts,
    verdict=maybe(st.sampled_from(Verdict)),
    words=texts,
    comparison=comparisons,
    author_name=texts,
    author_email=texts,
    concluded_at=times,
)
ends = st.builds(v.End, name=texts, commit=commits)
places = st.builds(Where, commit=st.just("") | commits, path=texts, branch=texts)
reviews = st.builds(
    v.Review,
    base=ends,
    head=ends,
    branch=texts,
    commits=small,
    violations=tuples(
        st.builds(
            Violation,
            rule=st.sampled_from(RULE_IDS),
            policy=st.sampled_from([Policy.ERROR, Policy.WARN]),
            message=texts,
            where=places,
            next_step=texts,
        )
    ),
    experiments=tuples(
        st.builds(
            v.ReviewedExperiment,
            plan=st.builds(
                CheckedPlan,
                name=texts,
                digest=sha256s.map(PlanDigest),
                amended=small,
                runs=small,
                order=st.builds(
                    OrderGrade, grade=st.sampled_from(Grade), why=texts, time=maybe(times)
                ),
            ),
            hypothesis=texts,
            comparison=maybe(comparisons),
            problem=texts,
            next_step=texts,
            behind=maybe(st.builds(v.Behind, commits=small, other_inputs=maybe(st.booleans()))),
            recorded_by=tuples(
                st.builds(v.RecordedBy, who=texts, runs=st.integers(1, 9), seeds=tuples(integers))
            ),
            concluded=maybe(texts),
        ),
        1,
    ),
    notes=tuples(texts),
    reviewed_at=times,
    program=texts,
)
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
