"""``.gitexp/config.yaml``: the project's settings, written for people and checked to the key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gitexp.model.config import Identity, InputsMode, ParamKey, Predictions, ProjectConfig, SeedRule
from gitexp.model.plan import Direction, SeedOrigin
from gitexp.model.rules import Policy
from gitexp.records import codec
from gitexp.records.shapes import schema_of
from gitexp.text.fields import Fields
from gitexp.text.foreign import relative_path
from gitexp.text.paramkeys import param_key
from gitexp.text.yamltext import yaml_loads
from gitexp.text.yamlwrite import inline

if TYPE_CHECKING:
    from gitexp.text.jsontext import Json

RULE_IDS: Final = ("R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R10")
_DEFAULT = ProjectConfig()
_PATTERN = re.compile(r"[A-Za-z0-9._/*-]{1,200}")
_WITNESS = {"optional": False, "required": True}
_PLAIN = (  # settings that the template has as they are
    *("project", "params", "metrics", "outputs", "curves", "evaluation", "python", "link", "once"),
    *("timeout_s", "inputs_ignore", "branch_prefix", "min_slice", "evaluation_budget"),
    *("protected", "not_secret", "auto_checkout"),
)
_UNITS = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_SIZE = re.compile(r"([0-9]{1,15})\s*([KMG]iB|B|)", re.IGNORECASE)


def load(data: bytes, where: str) -> ProjectConfig:
    """Read the settings."""
    value = yaml_loads(data, where=where)
    schema_of(value, "config", where)
    top = Fields(value, where)
    pipeline, targets, command = _pipeline(top)
    metrics, directions, cost = _metrics(top)
    named = top.maybe_child("predictions")
    names = ("hooks", "plan", "record", "inputs", "privacy", "run", "rules", "branches", "limits")
    sections = [top.section(key) for key in names]
    hooks, plan, record, inputs, privacy, run, rules, branches, limits = sections
    config = ProjectConfig(
        project=_folder(top),
        pipeline=pipeline,
        targets=targets,
        command=command,
        params=_paths(top, "params", _DEFAULT.params),
        metrics=metrics,
        directions=directions,
        cost=cost,
        outputs=_paths(top, "outputs"),
        predictions=codec.read(Predictions, named) if named else None,
        curves=_paths(top, "curves"),
        evaluation=_paths(top, "evaluation"),
        seed=_seed(top),
        seeds=top.word("seeds", SeedOrigin, _DEFAULT.seeds),
        python=top.maybe_text("python"),
        link=_paths(run, "link"),
        once=run.texts("once", ()),
        keep=_paths(run, "keep"),
        timeout_s=_timeout(run),
        inputs_rules=inputs.integer("rules", _DEFAULT.inputs_rules, least=1, most=2),
        inputs_mode=inputs.word("mode", InputsMode, _DEFAULT.inputs_mode),
        inputs_ignore=inputs.texts("ignore", _DEFAULT.inputs_ignore),
        inputs_include=inputs.texts("include", ()),
        branch_prefix=_prefix(branches),
        min_slice=privacy.integer("min_slice", _DEFAULT.min_slice, least=1),
        evaluation_budget=_budget(top),
        git_file_limit_bytes=_limit(limits),
        rules={name: rules.word(name, Policy) for name in RULE_IDS if rules.raw(name) is not None},
        rule_branches=_pattern(rules),
        protected=_protected(rules),
        not_secret=rules.texts("not_secret", ()),
        auto_checkout=hooks.flag("auto_checkout", default=False),
        witness_required=_witness(plan),
        identity=record.word("identity", Identity, Identity.FULL),
    )
    if config.inputs_include and config.inputs_rules == 1:
        raise inputs.bad("include", "rules: 2 beside it, as rules 1 leave out what ignore names")
    if config.is_declared and config.inputs_rules == 1:
        raise inputs.bad("mode", "rules: 2 beside it, as rules 1 leave out what ignore names")
    for part in (*sections, top):
        part.only_known()
    return config


def results_part(config: ProjectConfig) -> Json:
    """Return the settings that act on results, as the inputs digest covers them.

    These are the command or pipeline with its targets, the seed rule, metrics, predictions,
    curves, evaluation and the stages run once; not paths of the work place (``python``,
    ``run.link``), not what only tells gitexp where to look on or how to talk.
    """
    return {
        "command": config.command,
        "curves": sorted(config.curves),
        "evaluation": sorted(config.evaluation),
        "metrics": sorted(config.metrics),
        "once": sorted(config.once),
        "pipeline": config.pipeline,
        "predictions": codec.maybe_json(config.predictions),
        "seed": {"param": None, "arg": None, **seed_json(config.seed)},
        "targets": sorted(config.targets),
    }


def dump_template(config: ProjectConfig) -> bytes:
    """Write the settings with a comment that explains every key."""
    text = _TEMPLATE.format(
        **{
            name: inline(list(value) if isinstance(value, tuple) else value)
            for name in _PLAIN
            for value in [getattr(config, name)]
        },
        pipeline=_pipeline_text(config),
        directions=inline({name: config.directions[name].value for name in config.directions}),
        predictions=inline(codec.maybe_json(config.predictions)),
        seed=inline(seed_json(config.seed) or None),
        seeds=config.seeds.value,
        git_file=inline(_size_text(config.git_file_limit_bytes)),
        rules="".join(
            f"  {name}: {config.rules[name].value}\n" for name in RULE_IDS if name in config.rules
        ),
        branches=inline(config.rule_branches or None),
        cost=f"  cost: {inline(list(config.cost))}\n" if config.cost else "",
        keep=_keep_text(config),
        include=_include_text(config),
        witness="required" if config.witness_required else "optional",
        identity=config.identity.value,
    )
    return text.encode()


def _folder(top: Fields) -> str:
    text = top.text("project", "").rstrip("/")
    return relative_path(text, where="project") if text not in ("", ".") else ""


def _pipeline(top: Fields) -> tuple[str | None, tuple[str, ...], str | None]:
    command = top.maybe_text("command")
    raw = top.raw("pipeline")
    if raw is not None and command is not None:
        raise top.bad("command", "either pipeline or command, not both")
    if raw is None:
        return None, (), command
    if isinstance(raw, str):
        return _path(top, "pipeline"), (), None
    fields = top.child("pipeline")
    file = _path(fields, "file") if fields.has("file") else "dvc.yaml"
    targets = fields.texts("targets", ())
    fields.only_known()
    return file, targets, None


def _metrics(top: Fields) -> tuple[tuple[str, ...], dict[str, Direction], tuple[str, ...]]:
    if isinstance(top.raw("metrics"), list):
        return _paths(top, "metrics"), {}, ()
    fields = top.section("metrics")
    files, named = _paths(fields, "files"), fields.section("directions")
    cost = fields.texts("cost", ())
    fields.only_known()
    return files, {name: named.word(name, Direction) for name in named.names()}, cost


def _seed(top: Fields) -> SeedRule:
    fields = top.section("seed")
    varied, fixed = _seed_params(fields, "param"), _seed_params(fields, "fixed")
    arg = fields.maybe_text("arg")
    fields.only_known()
    if varied and arg is not None:
        raise fields.bad("arg", "either param or arg, not both")
    if arg is not None and "{seed}" not in arg:
        raise fields.bad("arg", "a text with {seed} in it")
    if len({*varied, *fixed}) != len(varied) + len(fixed):
        raise fields.bad("fixed", "each seed parameter once, under param or under fixed")
    return SeedRule(varied, arg, fixed)


def _seed_params(fields: Fields, name: str) -> tuple[ParamKey, ...]:
    """Read one parameter or a list of them."""
    raw = fields.raw(name)
    texts = (fields.text(name),) if isinstance(raw, str) else fields.texts(name, ())
    keys = [param_key(text) for text in texts]
    if not all(key.key for key in keys):
        raise fields.bad(name, "a parameter, like train.seed or conf/model.yaml:seed")
    return tuple(ParamKey(relative_path(key.file, where=f"seed.{name}"), key.key) for key in keys)


def _timeout(run: Fields) -> float | None:
    timeout_s = run.maybe("timeout_s", run.number)
    if timeout_s is not None and timeout_s <= 0:
        raise run.bad("timeout_s", "a number of seconds above 0")
    return timeout_s


def _prefix(branches: Fields) -> str:
    prefix = branches.text("prefix", _DEFAULT.branch_prefix)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}/", prefix):
        raise branches.bad("prefix", "a word with a slash at its end, like exp/")
    return prefix


def _limit(limits: Fields) -> int:
    raw = limits.raw("git_file")
    if raw is None:
        return _DEFAULT.git_file_limit_bytes
    match = _SIZE.fullmatch(str(raw)) if isinstance(raw, (str, int)) else None
    if match is None:
        raise limits.bad("git_file", "a size, like 5 MiB")
    return int(match[1]) * _UNITS[match[2].lower()]


def _pattern(rules: Fields) -> str:
    branches = rules.maybe_text("branches") or ""
    if branches and not _PATTERN.fullmatch(branches):
        raise rules.bad("branches", "a pattern of branch names, like exp/*")
    return branches


def _protected(rules: Fields) -> tuple[str, ...]:
    protected = rules.texts("protected", _DEFAULT.protected)
    if not all(_PATTERN.fullmatch(pattern) for pattern in protected):
        raise rules.bad("protected", "patterns of branch names, like main or release/*")
    return protected


def _witness(plan: Fields) -> bool:
    word = plan.text("witness", "optional")
    if word not in _WITNESS:
        raise plan.bad("witness", "optional or required")
    return _WITNESS[word]


def _budget(top: Fields) -> int | None:
    budget = top.maybe("evaluation_budget", top.integer)
    if budget is not None and budget < 1:
        raise top.bad("evaluation_budget", "a whole number above 0, or null")
    return budget


def _path(fields: Fields, key: str) -> str:
    return relative_path(fields.text(key), where=key)


def _paths(fields: Fields, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    return tuple(relative_path(path, where=key) for path in fields.texts(key, default))


def _size_text(size: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def _pipeline_text(config: ProjectConfig) -> str:
    if config.command is not None:
        return f"command: {inline(config.command)}"
    if config.pipeline is None:
        return "pipeline: null"
    where: Json = {"file": config.pipeline, "targets": list(config.targets)}
    return f"pipeline: {inline(where)}"


def _keep_text(config: ProjectConfig) -> str:
    said = "  # Outputs of which every repeat keeps the bytes.\n"
    return f"{said}  keep: {inline(list(config.keep))}\n" if config.keep else ""


def _include_text(config: ProjectConfig) -> str:
    """Return what settings say of the newer rules; those without them stay as they were."""
    if config.inputs_rules == 1:
        return ""
    mode = f"  mode: {config.inputs_mode.value}\n" if config.is_declared else ""
    return (
        "  # With rules: 2 neither can tests, docs, notebooks, and what linters and test runners\n"
        "  # read, but for what a stage names and for `include`. No repeat sees what is ignored.\n"
        f"  rules: {config.inputs_rules}\n{mode}"
        f"  include: {inline(list(config.inputs_include))}\n"
    )


def seed_json(seed: SeedRule) -> dict[str, Json]:
    """Return a seed rule as the settings hold it; a lone parameter stays a lone one."""
    varied, fixed = [str(key) for key in seed.params], [str(key) for key in seed.fixed]
    value: dict[str, Json] = {}
    if varied:
        value["param"] = varied[0] if len(varied) == 1 else list(varied)
    if fixed:
        value["fixed"] = list(fixed)
    if seed.arg is not None:
        value["arg"] = seed.arg
    return value


_TEMPLATE = """\
# Settings of gitexp for this project. Paths are relative to the project folder.
# Whatever acts on results (pipeline, seed, metrics, predictions, curves, evaluation, run.once)
# is part of a run's inputs: changing it means that old samples no longer count.
$schema: gitexp/config@1

# Folder of the project below the repository's top; "" for the top itself.
project: {project}

# What a run executes: a DVC pipeline (targets: [] means all stages), or instead of it
# command: "python train.py"
{pipeline}

# Files that hold parameters (YAML, JSON, TOML, Python).
params: {params}

# Files that hold metrics, and which way each metric is better (max or min).
metrics:
  files: {metrics}
  directions: {directions}
{cost}
# Declared outputs that Git does not hold: data, features, models. They go into the DVC cache.
outputs: {outputs}

# Predictions for each example, e.g. {{path: predictions.csv, id: id, y_true: y, y_pred: p,
# positive: "1"}}; with them two single models can be compared. cluster: user_id names a column
# whose examples depend on each other: they are resampled together.
predictions: {predictions}

# CSV files of learning curves (name,step,value).
curves: {curves}

# Files whose content is the evaluation data, where there are no predictions to tell.
evaluation: {evaluation}

# How many experiments may be decided on the same evaluation data before compare warns; null: any.
evaluation_budget: {evaluation_budget}

# How a repeat learns its seed: {{param: train.seed}} writes it into the params file,
# {{arg: "--seed {{seed}}"}} appends it to the command; GITEXP_SEED is set in every case.
# Of several, {{param: [prepare.seed, train.seed]}} all take it; {{param: train.seed,
# fixed: [prepare.seed]}}: that one keeps its committed value.
seed: {seed}

# Seeds of a new plan: drawn with it, on both sides, so that nobody has seen a result of them; or
# committed: those of the project, which are public. That reuses what the baseline has, and says so.
seeds: {seeds}

# Interpreter of the project; null: that of the active virtual environment.
python: {python}

run:
  # Ignored files and folders that repeats see through a link, e.g. [.venv, .env, data/].
  link: {link}
  # Stages that run once, whatever the seed.
  once: {once}
{keep}  # Longest duration of one repeat, in seconds; null: no limit.
  timeout_s: {timeout_s}

inputs:
  # Files that cannot act on results (.gitignore syntax).
  ignore: {inputs_ignore}
{include}
branches:
  prefix: {branch_prefix}

limits:
  # Largest file that gitexp puts into Git.
  git_file: {git_file}

privacy:
  # Smallest group for which a report shows numbers.
  min_slice: {min_slice}

# What is checked before results are believed: docs/enforcement.md has the rules. Each may be
# error, warn or off, e.g. R5: error.
rules:
  # On which branches experiments live, like exp/*; null: those with the prefix above.
  branches: {branches}
  # Branches into which only concluded experiments are merged.
  protected: {protected}
  # Parameters whose values only look like secrets.
  not_secret: {not_secret}
{rules}
hooks:
  # Whether a checkout or merge brings the outputs of DVC along.
  auto_checkout: {auto_checkout}

plan:
  # Whether a run waits until somebody else saw the plan (gitexp new --witness): optional, required.
  witness: {witness}

record:
  # How records name user, host and paths: full, hash, drop.
  identity: {identity}
"""
