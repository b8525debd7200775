"""What a state is known to report and to cost, from its own files and its records."""

from __future__ import annotations

import contextlib
import json
import posixpath
import re
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from gitexp.dvc import inputs
from gitexp.dvc.cache import has, object_path, open_cache, read_manifest
from gitexp.dvc.declared_data import Needed, Reader, declared_metrics, pointed
from gitexp.dvc.dvcpipeline import Pattern
from gitexp.dvc.state import NO_FILES, Patterns, ProjectState
from gitexp.errors import (
    AmbiguousMetricError,
    BadFormatError,
    BadMetricError,
    GitexpError,
    UnknownMetricError,
    UnsafeInputError,
    UsageError,
)
from gitexp.git import objects
from gitexp.git.discovery import bytes_inside, project_folder
from gitexp.git.worktree import status
from gitexp.model import dataclass, field, replace
from gitexp.model.clocked import is_resource
from gitexp.model.design import Price
from gitexp.model.ids import ABSENT, Absent, CommitHash
from gitexp.model.metrics import (
    IN_FOLDS,
    NO_RULE,
    OWN_METRIC,
    bare,
    by_file,
    in_folds,
    plain,
    recorded,
    several,
)
from gitexp.model.plan import Direction
from gitexp.model.run import RepeatState, Run
from gitexp.records.terms import parse_metric
from gitexp.store import lookup
from gitexp.system import curves
from gitexp.system import metrics as staged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.run import Sample
    from gitexp.model.workspace import Workspace
    from gitexp.store.lookup import FoundRun

PRICE = "gitexp.pricePerHour"
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
LIMIT_BYTES = 64 << 20  # of a metrics file
_LARGEST = 1e18  # number of a file with others that are none
_FEW = 5
_MOST_TEXT = 1 << 18  # bytes of all files of pipelines that are looked at for them
_MOST_BYTES = 2 << 20  # of the metrics files of a commit that are read without a run
_MOST_FILES = 50  # that are looked for where no settings name them
_USUAL_FILE = re.compile(r"(?:.*/)?metrics\.(?:json|ya?ml|toml)")
# A call in a script or, with its quotes escaped, in a notebook.
_CALL = "[A-Za-z0-9_.]*log_metric.{0,220}"
_NAMED = re.compile(r"""\(\s*(?:name\s*=\s*)?[rRuU]?\\?(["'])((?:(?!\\?\1).)+)\\?\1""")
_SCRIPTS = ("*.py", "*.ipynb")
_HIGHER = ("accuracy", "acc", "auc", "f1", "precision", "recall", "r2", "score", "map", "bleu")
_SHARES = ("accuracy", "acc", "auc", "f1", "precision", "recall")  # between 0 and 1, mostly
_LOWER = ("loss", "error", "mse", "rmse", "mae", "mape", "brier", "latency", "perplexity", "wer")


@dataclass(frozen=True, slots=True)
class Duration:
    """Mean wall time of the finished repeats of a run."""

    run: str
    seconds: float


def metric_named(
    name: str, direction: Direction | None, known: frozenset[str] = frozenset()
) -> tuple[str, Direction | None]:
    """Return a metric's name and direction; ``acc:max`` is read as on a command line."""
    if name in known:  # a second file's metric may be called file:max
        return name, direction
    bare, said = parse_metric(name)
    if said is not None and direction not in {None, said}:
        raise UsageError(
            "the metric has two directions",
            found=f"{name[:60]} and {direction.value if direction else ''}",
            expected=f"{bare[:60]}:max or {bare[:60]}:min",
        )
    return bare, said or direction


@dataclass(frozen=True, slots=True)
class KnownMetrics:
    """The names of metrics that a state reports; none where nothing tells them."""

    names: frozenset[str]
    # the metrics files, by which names are told apart that several of them give
    files: tuple[str, ...]
    # those that the state does not have yet, and of which no record tells
    unread: tuple[str, ...] = ()
    told: frozenset[str] = frozenset()  # what the others give, with their file
    given: frozenset[str] = frozenset()  # the same; empty once a record may have it without
    # those that are reported in folds of one data set alone, and whether the sizes are recorded
    folds: Mapping[str, bool] = field(default_factory=dict)

    def is_sized(self, name: str) -> bool | None:
        """Whether the folds in which a metric is reported have sizes; None where it has none."""
        found = recorded(name, self.folds, self.files)
        return None if found is None else self.folds[found]

    def unseen(self, metric: str, start: CommitHash) -> list[str]:
        """Say that a metric's name could not be checked, where that is so."""
        if is_resource(metric):
            return []
        twice = plain(metric, self.files) == metric and len(self.files) > 1
        if not self.names:
            said = (
                f"no metrics file and no run of {start[:9]} tells which metrics there are, so "
                f"{metric} is taken at its word: the first repeat shows whether it is reported"
            )
        elif plain(metric, self.unread) != metric:
            said = f"{metric} is taken at its word: {start[:9]} does not have that file yet"
        elif self.unread and twice and not curves.is_curve(metric):
            said = f"{start[:9]} does not have {', '.join(self.unread)} yet"
        else:
            return []
        if twice:
            one = by_file(metric, self.files[-1])
            said += f"; where several of the metrics files give {metric}, name one of them: {one}"
        return [said]

    def refuse_rule(self, step: str, *names: str, splits: str) -> None:
        """Refuse a stopping rule for metrics in folds, or for `splits` of one table."""
        by_folds = (IN_FOLDS.format(name) for name in names if self.is_sized(name) is not None)
        if found := next(by_folds, splits):
            raise UsageError(NO_RULE, found=found, expected=OWN_METRIC, next_step=step)

    def refuse_unclear(self, *names: str) -> None:
        """Refuse a name that several files give, and one of a file that is none of them."""
        for name in names:
            called = several(name, self.names, self.files)
            if called:
                raise AmbiguousMetricError.of(name, called)
            own = bare(name)
            if own != name and plain(name, self.files) == name and name not in self.names:
                raise UnknownMetricError(
                    f"{name[: -len(own) - 1]} is none of the metrics files",
                    found=name,
                    where="metrics: in .gitexp/config.yaml",
                    expected=", ".join(by_file(own, file) for file in self.files) or own,
                    next_step=f"the same with {own}"
                    if len(self.files) < 2  # noqa: PLR2004  nothing to tell apart
                    else "the same with one of these",
                )


def known_metrics(repo: Repo, commit: CommitHash, config: ProjectConfig) -> KnownMetrics:
    """Return the names of metrics that a state reports: by its files, else by its records."""
    samples = [one for each in recorded_runs(repo, commit, config) for one in each.samples]
    names = {sample.metric for sample in samples}
    readable: dict[str, bytes] = {}
    given: set[str] = set()
    for file, data in _present(repo, commit, config):
        with contextlib.suppress(BadMetricError, BadFormatError):  # no run could have made it
            given |= {by_file(item.metric, file) for item in staged.parse({file: data}, seed=0)}
            readable[file] = data
    here = staged.parse(readable, seed=0)
    present = {item.metric for item in here}
    told = {plain(name, config.metrics) for name in present}
    earlier = {name for name in names if plain(name, config.metrics) not in told}
    unread = () if names else tuple(f for f in config.metrics if f not in readable)
    return KnownMetrics(
        frozenset(present | earlier),
        config.metrics,
        unread,
        frozenset(given),
        frozenset() if names else frozenset(given),
        in_folds(samples or here),
    )


def committed_metrics(
    repo: Repo, commit: CommitHash, config: ProjectConfig, *, cached: bool
) -> tuple[dict[str, list[Sample]], list[str]]:
    """Return what each of the metrics files that `config` names says, and what cannot be read.

    `cached`: those in DVC's cache, too. A number that is none costs that number alone, as nothing
    is decided by the others.
    """
    found: dict[str, list[Sample]] = {}
    said, left = list[str](), _MOST_BYTES
    every = dict(_present(repo, commit, config, here=False, cached=cached))
    lacking = [file for file in config.metrics if file not in every]
    if lacking:
        state = ProjectState(repo, objects.commit_info(repo, commit).tree, config)
        tracked = pointed(state).data
        lacking = [file for file in lacking if file in tracked]
    if lacking:
        way = "not in the cache: dvc fetch brings them" if cached else "a review reads Git alone"
        said.append(f"DVC has {', '.join(lacking[:_FEW])}, and {way}")
    for file, data in every.items():
        left -= len(data)
        if left < 0:
            said.append(f"{file} and those behind it: more than {_MOST_BYTES >> 20} MiB in all")
            break
        try:
            found[file] = [*staged.parse({file: data}, seed=0)]
        except (GitexpError, OSError) as error:
            said.append(error.located if isinstance(error, GitexpError) else f"{file}: {error}")
            with contextlib.suppress(GitexpError, OSError):
                found[file] = [*staged.parse({file: _finite(data)}, seed=0)]
    return found, said


def _finite(data: bytes) -> bytes:
    """Return the finite numbers of JSON where they lie; an empty mapping for other text."""
    try:
        return json.dumps(_numbers(json.loads(data))).encode()
    except (ValueError, RecursionError):
        return b"{}"


def _numbers(value: object) -> object:
    if isinstance(value, dict):
        kept = {key: _numbers(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None}
    if isinstance(value, list):
        return [each for each in map(_numbers, value) if each is not None]
    if isinstance(value, (int, float)) and abs(value) < _LARGEST:  # never of NaN
        return value
    return None


def metrics_files(repo: Repo, commit: CommitHash, config: ProjectConfig) -> tuple[str, ...]:
    """Return the metrics files of the settings; of a commit without any those of its own.

    That is, those that a dvc.yaml declares, else files that are called so.
    """
    if config.metrics:
        return config.metrics
    state = ProjectState(repo, objects.commit_info(repo, commit).tree, config)
    paths = [entry.text for entry in state.files() if entry.mode not in NO_FILES]
    patterns, left = list[Pattern](), _MOST_TEXT
    for path in [each for each in paths if posixpath.basename(each) == "dvc.yaml"][:_MOST_FILES]:
        with contextlib.suppress(GitexpError):  # other answers say what is wrong with it
            data, folder = state.read(path), posixpath.dirname(path)
            left -= 0 if data is ABSENT else len(data)
            if data is not ABSENT and left > 0:
                patterns += declared_metrics(data, path, folder)
    paths += pointed(state).data if patterns else ()
    named = Patterns.of(patterns)
    found = {path for path in paths if named.touch(path)}
    return tuple(sorted(found or filter(_USUAL_FILE.fullmatch, paths))[:_MOST_FILES])


def _present(
    repo: Repo,
    commit: CommitHash,
    config: ProjectConfig,
    *,
    here: bool = True,
    cached: bool = True,
) -> Iterator[tuple[str, bytes]]:
    """Yield the metrics files of a state: from Git, from DVC's cache, else as they lie here."""
    paths = {
        file: posixpath.normpath(posixpath.join(config.project, file)) for file in config.metrics
    }
    held: dict[str, bytes | Absent] = dict.fromkeys(paths.values(), b"")
    for path in held:  # a file of any size costs itself alone, where nothing is decided
        with contextlib.suppress(*(() if here else (UnsafeInputError,))):
            held[path] = objects.read_blob(repo, commit, path)
    absent = [path for path, data in held.items() if data is ABSENT]
    kept = cached_files(repo, commit, absent) if cached else {}
    for file, path in paths.items():
        if file.startswith(("/", "../")):
            continue
        data, top = held[path], repo.workspace.top
        found = kept.get(path) if data is ABSENT else data
        if found is None and here and top is not None:
            found = bytes_inside(top, path, LIMIT_BYTES + 1)
        if found is not None:
            yield file, found


def cached_files(repo: Repo, commit: CommitHash, paths: Sequence[str]) -> dict[str, bytes]:
    """Return what DVC's cache has of a state's files; the paths are relative to the repository."""
    outs = {out.path: out for out in Reader(repo).of(commit).outs} if paths else {}
    places = {path: _place(repo.workspace, path, outs) for path in paths}
    read = {path: _bytes(place) for path, place in places.items() if place is not None}
    return {path: data for path, data in read.items() if data is not None}


def _bytes(place: Path) -> bytes | None:
    if not place.is_file():  # a pipe would be waited for
        return None
    try:
        with place.open("rb") as stream:
            return stream.read(LIMIT_BYTES + 1)
    except OSError:
        return None


def _place(workspace: Workspace, path: str, cached: Mapping[str, Needed]) -> Path | None:
    """Return where the cache has the bytes of a file."""
    if workspace.top is None:
        return None
    try:
        for above in (path, *map(str, PurePosixPath(path).parents)):
            out = cached.get(above)
            if out is not None:
                folder = project_folder(workspace.top, posixpath.dirname(out.declared))
                cache = open_cache(folder)
                inner = path.removeprefix(above).lstrip("/")
                members = (
                    {each.path: each.md5 for each in read_manifest(cache, out.md5)} if inner else {}
                )
                md5 = members.get(inner) if inner else out.md5
                if md5 is not None and has(cache, md5):
                    return object_path(cache.dir, md5)
    except GitexpError:  # a damaged cache: what lies here still tells names
        pass
    return None


def logs_metrics(folder: Path) -> bool:
    """Tell whether scripts in or below a folder of a work tree call `gitexp.log_metric`."""
    return bool(status.files(folder, "gitexp", "log_metric", names=_SCRIPTS))


def logged_metrics(repo: Repo, commit: CommitHash) -> tuple[frozenset[str], bool]:
    """Return the names that scripts of a state log, and whether there may be others."""
    return _logged(repo.workspace, commit)


@lru_cache(maxsize=64)  # of a commit, for ever
def _logged(where: Workspace, commit: CommitHash) -> tuple[frozenset[str], bool]:
    scripts = status.files(where, "gitexp", "log_metric", names=_SCRIPTS, at=commit)
    names, others = set[str](), False
    calls, whole = status.matches(where, _CALL, scripts, commit) if scripts else ((), True)
    for text in calls:
        owner, _, rest = text.partition("log_metric")
        if owner.startswith("mlflow."):
            continue
        found = _NAMED.match(rest)
        if found is not None:
            names.add(found[2])
        elif rest.startswith("(") or owner or rest.lstrip().startswith("as "):
            others = True
    return frozenset(names), others or not whole or bool(scripts and not names)


def recorded_runs(repo: Repo, commit: CommitHash, config: ProjectConfig) -> tuple[FoundRun, ...]:
    """Return the runs that a commit reaches, then those of its inputs, recorded anywhere.

    No holdout's: what it scores is not a metric that a repeat reports.
    """
    reached = tuple(each for each in lookup.runs_at(repo, commit) if not each.run.is_holdout)
    try:
        digest = inputs.compute(repo, objects.commit_info(repo, commit).tree, config)
    except GitexpError:  # what cannot be digested was not run
        return reached
    known = {each.run.id for each in reached}
    everywhere = (each for each in lookup.runs_by_inputs(repo, digest) if not each.run.is_holdout)
    return (*reached, *(each for each in everywhere if each.run.id not in known))


def last_duration(repo: Repo, config: ProjectConfig, *commits: CommitHash) -> Duration | None:
    """Return how long a repeat took in the latest run that these commits reach, else of theirs."""
    reached = (each.run for commit in commits for each in lookup.runs_at(repo, commit))
    elsewhere = (each.run for commit in commits for each in recorded_runs(repo, commit, config))
    return duration_of(reached) or duration_of(elsewhere)


def duration_of(runs: Iterable[Run]) -> Duration | None:
    """Return how long a repeat took in the latest of some runs."""
    for run in sorted(runs, key=lambda run: run.started_at, reverse=True):
        walls = [
            repeat.resources.wall_s
            for repeat in run.repeats
            if repeat.state is RepeatState.FINISHED and repeat.resources.wall_s is not None
        ]
        if walls:
            return Duration(run.id, sum(walls) / len(walls))
    return None


def priced(repo: Repo | None, repeats: int, one: Duration | None) -> Price:
    """Return what so many repeats on both sides cost: hours, and money where Git's settings say.

    Raises `UsageError` where the settings name a price that is none.
    """
    if one is None:
        return Price(2 * repeats, None, "no run of the baseline is recorded yet")
    seconds = 2 * repeats * one.seconds
    found = Price(2 * repeats, seconds, f"run {one.run[:8]}")
    text = "" if repo is None else repo.settings.get(PRICE.lower(), "").strip()
    if not text:
        return found
    if not _AMOUNT.fullmatch(text):
        raise UsageError(
            f"{PRICE} is no price",
            found=text[:60],
            where="Git's settings",
            expected="a number: what an hour of one repeat costs",
            next_step="git config gitexp.pricePerHour 2.50",
        )
    return replace(found, money=seconds / 3600 * float(text))


def is_share(metric: str) -> bool:
    """Return whether a metric is, by its well-known name, one between 0 and 1."""
    return not set(re.split(r"[^a-z0-9]+", metric.lower())).isdisjoint(_SHARES)


def direction_of(metric: str, config: ProjectConfig) -> Direction | None:
    """Return which way a metric is better: by the settings, else by its well-known name."""
    name = plain(metric, config.metrics)
    for given in (metric, name):
        if given in config.directions:
            return config.directions[given]
    return usual_direction(name)


def usual_direction(metric: str) -> Direction | None:
    """Return which way a metric is better by its well-known name alone, None for any other."""
    words = set(re.split(r"[^a-z0-9]+", metric.lower()))
    lower, higher = words & set(_LOWER), words & set(_HIGHER)
    if bool(lower) == bool(higher):
        return None
    return Direction.MIN if lower else Direction.MAX
