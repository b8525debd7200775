"""What dvc.yaml of a state declares, what the settings lag behind, and which parameters are seeds.

Templates are filled in by DVC, in a process of its own; what it says is remembered by the content
of all files that it reads.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import posixpath
import re
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.comparison.known_metrics import known_metrics, logged_metrics
from gitexp.dvc import pipeline
from gitexp.dvc.dvcpipeline import touches
from gitexp.dvc.state import ProjectState
from gitexp.errors import (
    BadFormatError,
    GitexpError,
    SeveralSeedsError,
    UnknownMetricError,
    UsageError,
)
from gitexp.execution.jobs import marks
from gitexp.execution.run_sources import params_of
from gitexp.git import command, objects
from gitexp.git.transaction import layout
from gitexp.git.transaction.cache import Kind, open_index
from gitexp.model import asdict, dataclass
from gitexp.model.clocked import is_resource
from gitexp.model.config import ParamKey, SeedRule
from gitexp.model.ids import ABSENT, CommitHash
from gitexp.model.job import OutKind
from gitexp.model.metrics import by_file, plain
from gitexp.system import curves
from gitexp.text import params as params_format
from gitexp.text.fields import near
from gitexp.text.paramedit import edit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import ParamValue
    from gitexp.model.job import Stage
    from gitexp.model.plan import Plan
    from gitexp.model.request import InitRequest

    Edits = Mapping[ParamKey, ParamValue]

AMEND = "gitexp amend-plan --metric {} --why TEXT"
_LATE = " (before repeats are run here: with other settings it is another candidate)"
_WITHOUT = "the same without {}"
_SEED_NAME = re.compile(r"(^|[._])(seed|random_state)$", re.IGNORECASE)  # noise_seed, too
_PARAMS_LIMIT = 1 << 20
_UNKNOWN = SeedRule()
_KEYS = ("metrics", "params", "outs", "seed")


@dataclass(frozen=True, slots=True)
class Declared:
    """What stages and the lists beside them declare; paths are relative to the project folder."""

    metrics: tuple[str, ...]
    params: tuple[str, ...]
    outs: tuple[str, ...]
    seed: tuple[str, ...]  # the seed parameters of the settings that a stage reads
    stages: tuple[str, ...]


def declared(repo: Repo, commit: CommitHash, config: ProjectConfig) -> Declared | None:
    """Return what a commit declares; None where that is not known: `run` says why."""
    try:
        return _declared(repo, commit, config, {})
    except GitexpError:
        return None


def _declared(
    repo: Repo, commit: CommitHash, config: ProjectConfig, edits: Edits
) -> Declared | None:
    """Return what a commit declares with parameters laid over it; None without a pipeline."""
    state = ProjectState(repo, objects.commit_info(repo, commit).tree, config)
    files = _files(state, edits)
    if not files:
        return None
    names = (config.project, config.pipeline, config.targets, list(map(str, config.seed.params)))
    known = hashlib.sha256(repr(names).encode("utf-8", "surrogateescape"))
    for path, data in sorted(files.items()):
        known.update(f"\0{path}\0{len(data)}\0".encode("utf-8", "surrogateescape") + data)
    key = known.hexdigest()
    with open_index(repo.workspace) as index:
        if rows := index.get(Kind.DECLARED, [key]):
            return Declared(**{name: tuple(v) for name, v in json.loads(rows[key]).items()})
        found = _filled_in(state, files)
        index.put(Kind.DECLARED, {key: json.dumps(asdict(found)).encode()})
    return found


def _files(state: ProjectState, edits: Edits) -> dict[str, bytes]:
    """Return the pipeline and what may fill in its templates, from the repository's top."""
    path = state.config.pipeline
    data = ABSENT if path is None else state.read(path)
    if path is None or data is ABSENT:
        return {}
    read = [each for stage in state.stages for each in stage.read] if b"${" in data else []
    names = {each.text for each in read if each.literal}
    holes = [each for each in read if not each.literal]
    if holes:
        every = (entry.text for entry in state.files())
        names.update(name for name in every if any(hole.matches(name) for hole in holes))
    found = {path: data}
    for name in names:
        if (text := state.read(name)) is not ABSENT:
            own = {key.key: value for key, value in edits.items() if key.file == name}
            found[name] = edit(text, name, own) if own else text
    return {state.at(name): text for name, text in found.items()}


def _filled_in(state: ProjectState, files: Mapping[str, bytes]) -> Declared:
    config = state.config
    with tempfile.TemporaryDirectory(prefix="gitexp-") as folder:
        for path, data in files.items():
            for key, mark in marks(config.seed).items():
                if state.at(key.file) == path:
                    with contextlib.suppress(GitexpError):  # it went: no stage has it
                        data = edit(data, key.file, {key.key: mark})  # noqa: PLW2901
            place = Path(folder, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        (found,) = pipeline.look([(Path(folder), config)])
    stages = (*found.executed, *found.apart)
    outs = [out for stage in stages for out in stage.outs]
    made = tuple(out.path for out in outs)
    params = (*(each.file for stage in stages for each in stage.params), *found.top.params)
    return Declared(
        metrics=(*(out.path for out in outs if out.kind is OutKind.METRIC), *found.top.metrics),
        params=tuple(dict.fromkeys(f for f in params if not any(touches(f, out) for out in made))),
        outs=made,
        seed=tuple(
            str(key)
            for key, mark in marks(config.seed).items()
            if any(
                pipeline.depends_on(stage, key) or any(str(mark) in c for c in stage.commands)
                for stage in stages
            )
        ),
        stages=tuple(stage.name for stage in stages),
    )


def drifted(
    repo: Repo, commit: CommitHash, config: ProjectConfig, plan: Plan | None = None
) -> Iterator[str]:
    """Say what dvc.yaml gained or lost since the settings were written, and they do not follow.

    `plan`: of the branch, whose repeats count for the settings that they were run with.

    A choice that was made with them (one metrics file of two) is no matter, nor are outputs that
    dvc.yaml alone names, or params files that it no longer does.
    """
    late = "" if plan is None else _LATE
    for how, step in _drift(repo, commit, config):
        yield f"dvc.yaml {how}, and the settings do not follow: {step}{late}"


def _drift(repo: Repo, commit: CommitHash, config: ProjectConfig) -> Iterator[tuple[str, str]]:
    """Yield how dvc.yaml differs, if it does, with the call by which the settings follow."""
    now = declared(repo, commit, config)
    if now is None:
        return
    seeds = tuple(map(str, config.seed.params))
    mine = dict(zip(_KEYS, (config.metrics, config.params, config.outputs, seeds), strict=True))
    more = {k: [path for path in getattr(now, k) if path not in mine[k]] for k in _KEYS[:2]}
    less = {k: [path for path in mine[k] if path not in getattr(now, k)] for k in _KEYS}
    less["params"] = []
    if not any((*more.values(), *less.values())):
        return
    then = _of_settings(repo, commit, config)
    if then is None:
        return
    how, call, by_hand = [], "", ""
    for key, own in mine.items():
        before = getattr(then, key)
        new = [path for path in more.get(key, ()) if path not in before]
        gone = [path for path in less[key] if path in before]
        if not (new or gone):
            continue
        how += [f"declares {', '.join(new)} ({key})"] * bool(new)
        verb = "reads" if key == "seed" else "declares"
        how += [f"no longer {verb} {', '.join(gone)} ({key})"] * bool(gone)
        if key == "outs":
            new = [p for p in now.outs if p not in (*own, *before, *now.metrics)]
        kept = [*(path for path in own if path not in gone), *new]
        option = f"--{key}"
        if key == "seed":
            kept = [*kept, *_new_seeds(repo, commit, config)] or ["KEY"]
            option = "--seed-param"
        call += "".join(f" {option} {shlex.quote(path)}" for path in kept)
        by_hand += "" if kept else f"; empty {key} in {layout.CONFIG}"
    if how:  # one call: the next one would take what is there then for a choice
        step = (f"gitexp init{call}" if call else "") + by_hand
        yield ", ".join(how), step.strip("; ")


def refuse_unmade(  # noqa: PLR0913  a state as it would be, and what a plan wants of it
    repo: Repo,
    commit: CommitHash,
    config: ProjectConfig,
    edits: Edits,
    plan: Plan,
    *,
    other: str,
) -> None:
    """Refuse a state, or parameters, with which no stage makes a metric of the plan any longer.

    `other`: how another metric is taken.

    Raises `UnknownMetricError`, or why the pipeline cannot be read.
    """
    if edits:  # else they would be blamed for what the state lacks
        refuse_unmade(repo, commit, config, {}, plan, other=other)
    now = _with(repo, commit, config, edits)
    if now is None:
        return
    commits = (commit, plan.baseline.commit)
    metrics = (plan.metric, *(guard.metric for guard in plan.guards))
    came = [declared(repo, each, config) for each in commits]
    before = [each for each in (*came, _of_settings(repo, commit, config)) if each is not None]
    files = {file for file in config.metrics if any(_makes(each, file) for each in before)}
    files -= {file for file in files if _makes(now, file)}
    stages = {name for each in before for name in each.stages} - {*now.stages}
    for metric in metrics if files or stages else ():
        givers = _givers(repo, commits, config, metric)
        logger = metric.rpartition(":")[0]
        if logger in stages:
            what = f"there is no stage {logger}"
        elif givers and files.issuperset(givers):
            what = f"no stage makes {', '.join(givers)}"
        else:
            continue
        left = [by_file(plain(metric, config.metrics), file) for file in config.metrics]
        left = [name for name, file in zip(left, config.metrics, strict=True) if file not in files]
        steps = [_WITHOUT.format(" ".join(f"--param {key}" for key in edits))] * bool(edits)
        steps += [other.format(shlex.quote(each)) for each in left[:1]]
        steps = steps or [step for _, step in _drift(repo, commit, config)]
        raise UnknownMetricError(
            f"nothing would report {metric}, which the plan names",
            found=what,
            where=_where(config, commit, edits),
            expected="a stage that makes it, or a metric of those that are left",
            next_step="; or ".join(steps) or "bring that stage back, and commit",
        )


def _with(repo: Repo, commit: CommitHash, config: ProjectConfig, edits: Edits) -> Declared | None:
    """Return what is declared, with parameters that no pipeline may be broken by."""
    try:
        return _declared(repo, commit, config, edits)
    except GitexpError as error:
        if edits or isinstance(error, BadFormatError):
            error.where = _where(config, commit, edits)
        if edits:
            error.next_step = _WITHOUT.format(" ".join(f"--param {key}" for key in edits))
        raise


def _where(config: ProjectConfig, commit: CommitHash, edits: Edits) -> str:
    given = "".join(f" --param {key}={json.dumps(value)}" for key, value in edits.items())
    path = posixpath.join(config.project, config.pipeline or "")
    return f"{path} at {commit[:9]}" + (f" with{given}" if given else "")


def _givers(
    repo: Repo, commits: Sequence[CommitHash], config: ProjectConfig, metric: str
) -> tuple[str, ...]:
    """Return the metrics files of which one has to be there for a metric; none where others do."""
    own = tuple(file for file in config.metrics if metric.startswith(f"{file}:"))
    if own or is_resource(metric) or curves.is_curve(metric) or config.predictions is not None:
        return own
    for commit in commits:
        with contextlib.suppress(GitexpError):  # beyond the edge of a shallow clone
            told = known_metrics(repo, commit, config).told
            if named := tuple(file for file in config.metrics if by_file(metric, file) in told):
                return named
    names, others = logged_metrics(repo, commits[0])
    return () if names or others else config.metrics


def _new_seeds(repo: Repo, commit: CommitHash, config: ProjectConfig) -> list[str]:
    """Return what looks like a seed, and is none by the settings."""
    with contextlib.suppress(GitexpError):
        found = params_of(repo, commit, config).items()
        return [str(k) for k, v in found if k not in config.seed.every and is_seed(k, v)]
    return []


def _makes(by: Declared, file: str) -> bool:
    return any(touches(file, out) for out in by.outs)


def _of_settings(repo: Repo, commit: CommitHash, config: ProjectConfig) -> Declared | None:
    """Return what was declared where the settings were written."""
    asked = ["log", "-1", "--format=%H", commit, "--", layout.CONFIG]
    since = command.attempt(repo.workspace, asked)[1].decode("ascii").strip()
    return declared(repo, CommitHash(since), config) if since else None


def seed_rule(
    request: InitRequest,
    folder: Path,
    params: Sequence[str],
    stages: Sequence[Stage],
    before: SeedRule = _UNKNOWN,
) -> SeedRule:
    """Return how a repeat learns its seed; the parameters of `before` are known to be seeds."""
    if request.seed_arg is not None:
        return SeedRule(arg=request.seed_arg, fixed=before.fixed)
    values = {
        ParamKey(file, key): value
        for file in params
        for key, value in _flat(folder / file, file).items()
    }
    for wanted in request.seed_params:
        if wanted not in values:
            names = [str(key) for key in values]
            likely = near(str(wanted), names)
            raise UsageError(
                f"there is no parameter {wanted}",
                where=", ".join(params),
                expected=", ".join(names[:20]) or "a params file",
                next_step=f"the same with --seed-param {likely[0]}" if likely else "",
            )
        if type(values[wanted]) is not int:
            raise UsageError(
                f"{wanted} is no seed",
                found=repr(values[wanted]),
                where=wanted.file,
                expected="a parameter with a whole number",
                next_step=f"the same, once {wanted.file} has a number there and is committed",
            )
    named = [key for key, value in values.items() if is_seed(key, value)]
    listed = [key for key in named if any(pipeline.depends_on(stage, key) for stage in stages)]
    choice = listed or named
    if request.seed_params:
        known = dict.fromkeys([key for key in before.every if key in values] + choice)
        fixed = tuple(key for key in known if key not in request.seed_params)
        return SeedRule(request.seed_params, fixed=fixed)
    if len(choice) > 1:
        raise SeveralSeedsError(
            "several parameters look like seeds",
            found=", ".join(str(key) for key in choice),
            where=", ".join(dict.fromkeys(key.file for key in choice)),
            expected="which of them take a repeat's seed; the others keep their committed value",
            next_step=f"the same with {_options(choice)}, for all of them; or with "
            + " or ".join(_options([key]) for key in choice),
        )
    return SeedRule(tuple(choice))


def fixed_seeds(request: InitRequest, rule: SeedRule) -> list[str]:
    """Return a note on what is taken for a seed without being named; none where nothing is."""
    if not (request.seed_params and rule.fixed):
        return []
    kept = ", ".join(map(str, rule.fixed))
    return [f"{kept} is taken for a seed that keeps its committed value"]


def has_seed(folder: Path, file: str) -> bool:
    """Whether a file of settings is in a project's folder and has a seed."""
    if ".." in file.split("/"):
        return False
    with contextlib.suppress(GitexpError, OSError):
        values = _flat(folder / file, file).items()
        return any(is_seed(ParamKey(file, key), value) for key, value in values)
    return False


def is_seed(key: ParamKey, value: ParamValue) -> bool:
    """Whether a parameter looks like a seed."""
    return bool(_SEED_NAME.search(key.key)) and type(value) is int


def _options(keys: Iterable[ParamKey]) -> str:
    return " ".join(f"--seed-param {key}" for key in keys)


def _flat(path: Path, file: str) -> dict[str, ParamValue]:
    try:
        with path.open("rb") as stream:
            data = stream.read(_PARAMS_LIMIT + 1)
    except FileNotFoundError:
        return {}
    return dict(params_format.flat(data, file))
