"""``JOB.json``: one repeat, ready to be executed by ``gitexp worker`` anywhere."""

from __future__ import annotations

from gitexp.formats.fields import Fields, params_json
from gitexp.formats.jsontext import Json, json_dumps, json_loads
from gitexp.formats.keys import param_key, predictions_json, read_predictions
from gitexp.formats.run import seeds_json
from gitexp.formats.versions import schema, schema_of
from gitexp.model.job import (
    Given,
    Job,
    LinkedPath,
    OutKind,
    Stage,
    StageOut,
    StageParams,
)

_LIMIT = 16 << 20


def load(data: bytes, where: str) -> Job:
    """Read a job.

    Raises
    ------
    BadFormatError, NewerFormatError, UnsafeInputError
        If it is not a job.
    """
    value = json_loads(data, where=where, limit=_LIMIT)
    schema_of(value, "job", where)
    fields = Fields(value, where)
    predictions = fields.maybe_child("predictions")
    job = Job(
        run=fields.run_id("run"),
        label=fields.text("label"),
        attempt=fields.integer("attempt", least=1),
        seed=fields.integer("seed"),
        commit=fields.commit("commit"),
        tree=fields.tree("tree"),
        project=fields.text("project"),
        slots=fields.texts("slots"),
        stages=tuple(_stage(item) for item in fields.children("stages")),
        python=fields.text("python"),
        import_paths=fields.texts("import_paths"),
        edits={param_key(key): value for key, value in fields.params("edits").items()},
        seed_arg=fields.maybe_text("seed_arg"),
        given=tuple(
            Given(
                item.text("path"),
                item.md5("md5"),
                item.text("expect", ""),
                isexec=item.flag("isexec", default=False),
            )
            for item in fields.children("given")
        ),
        links=tuple(
            LinkedPath(item.text("path"), item.text("target")) for item in fields.children("links")
        ),
        metrics=fields.texts("metrics"),
        predictions=read_predictions(predictions) if predictions else None,
        curves=fields.texts("curves"),
        evaluation=fields.texts("evaluation"),
        data_pointers=fields.texts("data_pointers"),
        keep=fields.texts("keep"),
        cache_dir=fields.text("cache_dir"),
        cache_types=fields.texts("cache_types"),
        repository=fields.text("repository"),
        timeout_s=fields.maybe_number("timeout_s"),
        variables=fields.text_map("variables"),
        expect_metrics=fields.texts("expect_metrics", ()),
        seeds=fields.integer_map("seeds"),
        made=fields.texts("made", ()),
        whole=fields.flag("whole", default=True),
        left_out=fields.texts("left_out", ()),
    )
    fields.only_known()
    return job


def dump(job: Job) -> bytes:
    """Write a job."""
    return json_dumps(
        {
            "$schema": schema("job"),
            "run": job.run,
            "label": job.label,
            "attempt": job.attempt,
            "seed": job.seed,
            "commit": job.commit,
            "tree": job.tree,
            "project": job.project,
            "slots": list(job.slots),
            "stages": [_stage_json(stage) for stage in job.stages],
            "python": job.python,
            "import_paths": list(job.import_paths),
            "edits": params_json({str(key): value for key, value in job.edits.items()}),
            "seed_arg": job.seed_arg,
            "given": [
                {"path": given.path, "md5": given.md5, "expect": given.expect}
                | ({"isexec": True} if given.isexec else {})
                for given in job.given
            ],
            "links": [{"path": link.path, "target": link.target} for link in job.links],
            "metrics": list(job.metrics),
            "predictions": predictions_json(job.predictions),
            "curves": list(job.curves),
            "evaluation": list(job.evaluation),
            "data_pointers": list(job.data_pointers),
            "keep": list(job.keep),
            "cache_dir": job.cache_dir,
            "cache_types": list(job.cache_types),
            "repository": job.repository,
            "timeout_s": job.timeout_s,
            "variables": dict(job.variables),
            "expect_metrics": list(job.expect_metrics),
            **seeds_json("seeds", job.seeds),
            **({"made": list(job.made)} if job.made else {}),
            **({} if job.whole else {"whole": False}),
            **({"left_out": list(job.left_out)} if job.left_out else {}),
        }
    )


def _stage(fields: Fields) -> Stage:
    return Stage(
        name=fields.text("name"),
        commands=fields.texts("commands"),
        wdir=fields.text("wdir", ""),
        deps=fields.texts("deps", ()),
        params=tuple(
            StageParams(item.text("file"), item.texts("keys", ()))
            for item in fields.children("params", required=False)
        ),
        outs=tuple(_out(item) for item in fields.children("outs", required=False)),
        frozen=fields.flag("frozen", default=False),
        always_changed=fields.flag("always_changed", default=False),
        spelled=fields.text_map("spelled"),
        listed=fields.flag("listed", default=False),
    )


def _stage_json(stage: Stage) -> Json:
    return {
        "name": stage.name,
        "commands": list(stage.commands),
        "wdir": stage.wdir,
        "deps": list(stage.deps),
        "params": [{"file": item.file, "keys": list(item.keys)} for item in stage.params],
        "outs": [
            {
                "path": out.path,
                "kind": out.kind.value,
                "cache": out.cache,
                "persist": out.persist,
                "push": out.push,
            }
            | ({"remote": out.remote} if out.remote else {})
            for out in stage.outs
        ],
        "frozen": stage.frozen,
        "always_changed": stage.always_changed,
        "spelled": dict(stage.spelled),
        "listed": stage.listed,
    }


def _out(fields: Fields) -> StageOut:
    return StageOut(
        path=fields.text("path"),
        kind=fields.word("kind", OutKind, OutKind.OUT),
        cache=fields.flag("cache", default=True),
        persist=fields.flag("persist", default=False),
        push=fields.flag("push", default=True),
        remote=fields.text("remote", ""),
    )
