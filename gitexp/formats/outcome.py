"""``outcome.json``: what one attempt of one repeat came to, as the worker leaves it."""

from __future__ import annotations

from gitexp.formats import environment as environments
from gitexp.formats import samples as sample_codec
from gitexp.formats.fields import Fields, param_json, param_tree, time_text
from gitexp.formats.jsontext import Json, json_dumps, json_loads
from gitexp.formats.run import (
    output_json,
    read_output,
    read_resources,
    resources_json,
    seeds_json,
)
from gitexp.formats.versions import schema, schema_of
from gitexp.model.ids import EvaluationDigest
from gitexp.model.job import FileHash, KeptFile, Outcome, StageRecord
from gitexp.model.run import RepeatState

LIMIT_BYTES = 64 << 20


def load(data: bytes, where: str) -> Outcome:
    """Read an outcome.

    Raises
    ------
    BadFormatError, NewerFormatError, UnsafeInputError
        If it is not an outcome.
    """
    value = json_loads(data, where=where, limit=LIMIT_BYTES)
    schema_of(value, "outcome", where)
    fields = Fields(value, where)
    evaluation, environment = fields.maybe_sha256("evaluation"), fields.maybe_child("environment")
    return Outcome(
        run=fields.run_id("run"),
        attempt=fields.integer("attempt", least=1),
        seed=fields.integer("seed"),
        state=fields.word("state", RepeatState),
        reason=fields.text("reason"),
        stage=fields.text("stage"),
        exit_code=fields.maybe_integer("exit_code"),
        log_tail=fields.text("log_tail"),
        started_at=fields.time("started_at"),
        ended_at=fields.time("ended_at"),
        environment=environments.read(environment) if environment else None,
        resources=read_resources(fields.child("resources")),
        links=fields.text("links"),
        evaluation=EvaluationDigest(evaluation) if evaluation else None,
        evaluation_basis=fields.text("evaluation_basis"),
        samples=tuple(sample_codec.read(item) for item in fields.children("samples")),
        outputs=tuple(read_output(item) for item in fields.children("outputs")),
        stages=tuple(_stage(item) for item in fields.children("stages")),
        kept=tuple(_kept(item) for item in fields.children("kept")),
        warnings=fields.texts("warnings", ()),
        patched=fields.texts("patched", ()),
        seeds=fields.integer_map("seeds"),
        logged=read_output(logged) if (logged := fields.maybe_child("logged")) else None,
    )


def dump(outcome: Outcome) -> bytes:
    """Write an outcome.

    Raises
    ------
    BadFormatError
        If a sample is not finite.
    """
    environment = outcome.environment
    return json_dumps(
        {
            "$schema": schema("outcome"),
            "run": outcome.run,
            "attempt": outcome.attempt,
            "seed": outcome.seed,
            "state": outcome.state.value,
            "reason": outcome.reason,
            "stage": outcome.stage,
            "exit_code": outcome.exit_code,
            "log_tail": outcome.log_tail,
            "started_at": time_text(outcome.started_at),
            "ended_at": time_text(outcome.ended_at),
            "environment": environments.to_json(environment) if environment else None,
            "resources": resources_json(outcome.resources),
            "links": outcome.links,
            "evaluation": outcome.evaluation,
            "evaluation_basis": outcome.evaluation_basis,
            "samples": [sample_codec.to_json(sample) for sample in outcome.samples],
            "outputs": [output_json(output) for output in outcome.outputs],
            "stages": [_stage_json(stage) for stage in outcome.stages],
            "kept": [
                {"path": kept.path, "file": kept.file, "executable": kept.executable}
                for kept in outcome.kept
            ],
            "warnings": list(outcome.warnings),
            "patched": list(outcome.patched),
            **seeds_json("seeds", outcome.seeds),
            **({} if outcome.logged is None else {"logged": output_json(outcome.logged)}),
        }
    )


def _stage(fields: Fields) -> StageRecord:
    files = fields.maybe_child("params")
    sections = {file: files.child(file) for file in files.names()} if files else {}
    return StageRecord(
        name=fields.text("name"),
        commands=fields.texts("commands"),
        deps=tuple(_file(item) for item in fields.children("deps")),
        params={
            file: {key: param_tree(section.raw(key)) for key in section.names()}
            for file, section in sections.items()
        },
        outs=tuple(_file(item) for item in fields.children("outs")),
    )


def _stage_json(stage: StageRecord) -> Json:
    return {
        "name": stage.name,
        "commands": list(stage.commands),
        "deps": [_file_json(item) for item in stage.deps],
        "params": {file: param_json(values) for file, values in stage.params.items()},
        "outs": [_file_json(item) for item in stage.outs],
    }


def _file(fields: Fields) -> FileHash:
    return FileHash(
        path=fields.text("path"),
        md5=fields.md5("md5"),
        size=fields.integer("size", least=0),
        nfiles=fields.maybe_integer("nfiles"),
        isexec=fields.flag("isexec", default=False),
    )


def _file_json(item: FileHash) -> Json:
    value: dict[str, Json] = {"path": item.path, "md5": item.md5, "size": item.size}
    if item.nfiles is not None:
        value["nfiles"] = item.nfiles
    if item.isexec:
        value["isexec"] = True
    return value


def _kept(fields: Fields) -> KeptFile:
    return KeptFile(
        path=fields.text("path"),
        file=fields.text("file"),
        executable=fields.flag("executable", default=False),
    )
