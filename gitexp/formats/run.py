"""``run.json``: what ran, who started it, where, and how every repeat ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.formats.fields import (
    Fields,
    maybe_time_text,
    params_json,
    time_text,
)
from gitexp.formats.jsontext import Json, json_dumps, json_loads
from gitexp.formats.versions import schema, schema_of
from gitexp.model.ids import EnvironmentDigest, EvaluationDigest, InputsDigest, PlanDigest
from gitexp.model.plan import Person
from gitexp.model.run import (
    Origin,
    Output,
    PlanRef,
    Repeat,
    RepeatState,
    Resources,
    Run,
    Source,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIMIT = 8 << 20  # a thousand repeats with the tails of their logs


def load(data: bytes, where: str) -> Run:
    """Read a run.

    Keys that this version does not know are passed over: a record is never rewritten, so nothing
    can be lost by it.

    Raises
    ------
    BadFormatError, NewerFormatError, UnsafeInputError
        If it is not a run.
    """
    value = json_loads(data, where=where, limit=_LIMIT)
    schema_of(value, "run", where)
    fields = Fields(value, where)
    author, samples = fields.child("author"), fields.child("samples")
    plan = fields.maybe_child("plan")
    return Run(
        id=fields.run_id("id"),
        origin=fields.word("origin", Origin),
        source=_source(fields.child("source")),
        inputs=InputsDigest(fields.sha256("inputs")),
        plan=PlanRef(plan.text("name"), PlanDigest(plan.sha256("digest"))) if plan else None,
        group=fields.text("group", ""),
        engine=fields.text("engine"),
        author=Person(name=author.text("name"), email=author.text("email")),
        started_at=fields.time("started_at"),
        ended_at=fields.time("ended_at"),
        seeds=fields.integers("seeds"),
        committed_seed=fields.integer("committed_seed"),
        repeats=tuple(_repeat(item) for item in fields.children("repeats")),
        params=fields.params("params"),
        program=fields.text("program"),
        sample_rows=samples.integer("rows", least=0),
        samples_sha256=samples.sha256("sha256"),
        command=fields.text("command", ""),
        call=fields.text("call", ""),
        warnings=fields.texts("warnings", ()),
        fixed_seeds=fields.integer_map("fixed_seeds"),
    )


def dump(run: Run) -> bytes:
    """Write a run."""
    return json_dumps(to_json(run))


def to_json(run: Run) -> dict[str, Json]:
    """Turn a run into JSON."""
    return {
        "$schema": schema("run"),
        "id": run.id,
        "origin": run.origin.value,
        "source": _source_json(run.source),
        "inputs": run.inputs,
        "plan": {"name": run.plan.name, "digest": run.plan.digest} if run.plan else None,
        "group": run.group,
        "engine": run.engine,
        "author": {"name": run.author.name, "email": run.author.email},
        "started_at": time_text(run.started_at),
        "ended_at": time_text(run.ended_at),
        "seeds": list(run.seeds),
        "committed_seed": run.committed_seed,
        "repeats": [_repeat_json(repeat) for repeat in run.repeats],
        "params": params_json(run.params),
        "program": run.program,
        "samples": {
            "$schema": schema("samples"),
            "rows": run.sample_rows,
            "sha256": run.samples_sha256,
        },
        "command": run.command,
        "call": run.call,
        "warnings": list(run.warnings),
        **seeds_json("fixed_seeds", run.fixed_seeds),
    }


def read_output(fields: Fields) -> Output:
    """Read an output with its hash."""
    return Output(
        path=fields.text("path"),
        md5=fields.md5("md5"),
        size=fields.integer("size", least=0),
        nfiles=fields.maybe_integer("nfiles"),
    )


def output_json(output: Output) -> Json:
    """Turn an output into JSON."""
    value: dict[str, Json] = {"path": output.path, "md5": output.md5, "size": output.size}
    return value if output.nfiles is None else {**value, "nfiles": output.nfiles}


def read_resources(fields: Fields) -> Resources:
    """Read what a repeat used."""
    return Resources(
        host=fields.text("host", ""),
        cpu_model=fields.text("cpu_model", ""),
        cpu_count=fields.maybe_integer("cpu_count"),
        gpu=fields.text("gpu", ""),
        threads=fields.maybe_integer("threads"),
        wall_s=fields.maybe_number("wall_s"),
        cpu_s=fields.maybe_number("cpu_s"),
        peak_memory_bytes=fields.maybe_integer("peak_memory_bytes"),
        variables=fields.text_map("variables"),
    )


def resources_json(used: Resources) -> Json:
    """Turn what a repeat used into JSON."""
    return {
        "host": used.host,
        "cpu_model": used.cpu_model,
        "cpu_count": used.cpu_count,
        "gpu": used.gpu,
        "threads": used.threads,
        "wall_s": used.wall_s,
        "cpu_s": used.cpu_s,
        "peak_memory_bytes": used.peak_memory_bytes,
        "variables": dict(used.variables),
    }


def seeds_json(name: str, seeds: Mapping[str, int]) -> dict[str, Json]:
    """Turn the seeds of several parameters into JSON; of a lone one nothing is written."""
    return {name: dict(seeds)} if seeds else {}


def _source(fields: Fields) -> Source:
    swaps = fields.maybe_child("swaps")
    return Source(
        commit=fields.commit("commit"),
        tree=fields.tree("tree"),
        branch=fields.text("branch", ""),
        overrides=fields.params("overrides"),
        swaps={part: swaps.commit(part) for part in swaps.names()} if swaps else {},
        config=fields.maybe_blob("config"),
    )


def _source_json(source: Source) -> Json:
    return {
        "commit": source.commit,
        "tree": source.tree,
        "branch": source.branch,
        "overrides": params_json(source.overrides),
        "swaps": dict(source.swaps),
        "config": source.config,
    }


def _repeat(fields: Fields) -> Repeat:
    environment, evaluation = fields.maybe_sha256("environment"), fields.maybe_sha256("evaluation")
    resources = fields.maybe_child("resources")
    return Repeat(
        seed=fields.integer("seed"),
        state=fields.word("state", RepeatState),
        reason=fields.text("reason", ""),
        stage=fields.text("stage", ""),
        exit_code=fields.maybe_integer("exit_code"),
        log_tail=fields.text("log_tail", ""),
        attempt=fields.integer("attempt", 1),
        started_at=fields.maybe_time("started_at"),
        ended_at=fields.maybe_time("ended_at"),
        environment=EnvironmentDigest(environment) if environment else None,
        links=fields.text("links", ""),
        evaluation=EvaluationDigest(evaluation) if evaluation else None,
        evaluation_basis=fields.text("evaluation_basis", ""),
        snapshot=fields.flag("snapshot", default=False),
        resources=read_resources(resources) if resources else Resources(),
        outputs=tuple(read_output(item) for item in fields.children("outputs", required=False)),
        warnings=fields.texts("warnings", ()),
        made=fields.maybe_sha256("made") or "",
        seeds=fields.integer_map("seeds"),
    )


def _repeat_json(repeat: Repeat) -> Json:
    value: dict[str, Json] = {
        "seed": repeat.seed,
        "state": repeat.state.value,
        "reason": repeat.reason,
        "stage": repeat.stage,
        "exit_code": repeat.exit_code,
        "log_tail": repeat.log_tail,
        "attempt": repeat.attempt,
        "started_at": maybe_time_text(repeat.started_at),
        "ended_at": maybe_time_text(repeat.ended_at),
        "environment": repeat.environment,
        "links": repeat.links,
        "evaluation": repeat.evaluation,
        "evaluation_basis": repeat.evaluation_basis,
        "snapshot": repeat.snapshot,
        "resources": resources_json(repeat.resources),
        "outputs": [output_json(output) for output in repeat.outputs],
        "warnings": list(repeat.warnings),
        **seeds_json("seeds", repeat.seeds),
    }
    return {**value, "made": repeat.made} if repeat.made else value
