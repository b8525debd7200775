"""Run sources: a commit's project, its settings, and the parameters laid over it."""

from __future__ import annotations

import contextlib
import os
import shlex
from functools import partial
from operator import itemgetter
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from gitexp.comparison.randomness.seeding import BASELINE
from gitexp.dvc import inputs as inputs_rules
from gitexp.dvc.composed import laid_over
from gitexp.dvc.state import ProjectState
from gitexp.errors import GitexpError, PreflightError, UnknownParamError, UsageError
from gitexp.git import objects
from gitexp.git.discovery import project_folder
from gitexp.git.writing import build_tree, write_bare_commit
from gitexp.model import dataclass, field, replace
from gitexp.model.config import ParamKey, ProjectConfig
from gitexp.model.ids import ABSENT, Absent, BlobId, CommitHash, InputsDigest, ParamValue, TreeId
from gitexp.model.run import MAX_SEED, Key, lone
from gitexp.store import plans
from gitexp.system import secrets
from gitexp.text import params as params_format
from gitexp.text.fields import near
from gitexp.text.paramedit import edit
from gitexp.text.paramkeys import param_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from gitexp.git.objects import Entry
    from gitexp.git.repository import Repo
    from gitexp.model.plan import Plan

    Undeclared = Callable[[ParamKey, ParamValue], str]  # `undeclared` of a commit


@dataclass(frozen=True, slots=True)
class SeedChoice:
    """The seeds of one side."""

    run: tuple[int, ...]  # to execute now, in this order
    counting: tuple[int, ...]  # count already
    spent: tuple[int, ...]  # skipped, or executed for the snapshot only
    # the one of `run` that adds no sample: it counts already, or is spent
    for_snapshot: int | None = None

    @property
    def together(self) -> tuple[int, ...]:
        """All seeds that will count when the chosen ones have finished, those first that do."""
        fresh = (seed for seed in self.run if seed not in {*self.spent, self.for_snapshot})
        return tuple(dict.fromkeys([*self.counting, *fresh]))


@dataclass(frozen=True, slots=True)
class RunSource:
    """A side of a call: a commit's project with parameters laid over it, looked at once."""

    repo: Repo = field(repr=False)
    side: str  # "candidate", "baseline" or "exploratory"
    commit: CommitHash
    tree: TreeId
    config: ProjectConfig
    # of the plan commit's config.yaml, where the source's own tree has none
    config_blob: BlobId | None
    overrides: Mapping[ParamKey, ParamValue]  # by parameter; empty for a plain commit
    inputs: InputsDigest
    # what each seed parameter is in the commit, those that vary first; for one that keeps its value
    # what an override says
    committed: Mapping[ParamKey, int]
    params: Mapping[str, ParamValue]  # flat parameters of the composed tree, without seeds
    entries: tuple[Entry, ...] = field(repr=False)  # all files of the tree
    # of a baseline what it takes of its candidate's evaluator, by name; then `tree` is composed
    swaps: Mapping[str, CommitHash] = field(default_factory=dict)
    # the varied seeds of those repeats of the candidate, by number, that a baseline has to pair
    # with and whose seeds may be others than the number
    first: Mapping[int, Mapping[ParamKey, int]] = field(default_factory=dict)
    choice: SeedChoice = SeedChoice((), (), ())

    @property
    def state(self) -> ProjectState:
        """The tree as it is read by these settings."""
        return ProjectState(self.repo, self.tree, self.config, self.entries)

    @property
    def checkout(self) -> CommitHash:
        """The commit whose files jobs get: one that no ref leads to, where the tree is composed."""
        if not self.swaps:
            return self.commit
        names = f"{self.commit[:9]} with its candidate's {', '.join(self.swaps)}"
        return write_bare_commit(self.repo, self.tree, self.commit, names)

    @property
    def top(self) -> Path:
        """The user's work tree, which is not the one that jobs see."""
        top = self.repo.workspace.top
        assert top is not None  # noqa: S101 - a run needs one, says `find_place`
        return top

    @property
    def home(self) -> Path:
        """The project's folder in it."""
        return project_folder(self.top, self.config.project)

    @property
    def where(self) -> str:
        """What a message calls it."""
        return f"{self.side} at {self.commit[:9]}"

    @property
    def committed_seed(self) -> int:
        """The number of the repeat that executes the commit as it is; 0 without a parameter."""
        varied = self.config.seed.params
        return self.committed[varied[0]] if varied else 0

    @property
    def shared(self) -> frozenset[int]:
        """Numbers of which a repeat would have a seed in common with the first one."""
        varied = self.config.seed.params
        return frozenset(self.committed[key] for key in varied[1:]) - {self.committed_seed}

    @property
    def seeding(self) -> tuple[str, ...]:
        """What `eligible.seeding` says of its repeats."""
        rule = self.config.seed
        named = {str(key): f"{key}={self.committed[key]}" for key in rule.fixed}
        named |= {str(key): str(key) for key in rule.params}
        return tuple(named[name] for name in sorted(named)) if rule.is_vector else ()

    def seeds(self, seed: int) -> Mapping[ParamKey, int]:
        """Return what every seed parameter is in one repeat: as committed in the first.

        It makes the snapshot, and params.yaml is what DVC compares that with.
        """
        mine = (self.first or {self.committed_seed: self.committed}).get(seed, {})
        return {**self.committed, **{key: mine.get(key, seed) for key in self.config.seed.params}}

    def key(self, seed: int) -> Key:
        """Return what `Repeat.key` of such a repeat will be."""
        if not self.config.seed.is_vector:
            return lone(seed)
        return seed, tuple(sorted((str(key), value) for key, value in self.seeds(seed).items()))


def look(  # noqa: PLR0913  a side, where it is, what is laid over it
    repo: Repo,
    side: str,
    commit: CommitHash,
    *,
    overrides: Mapping[ParamKey, ParamValue],
    fallback: CommitHash | None,
    borrows: tuple[tuple[str, ...], CommitHash] | None = None,
) -> RunSource:
    """Read all about a source that its records will say; `fallback`: a later plan's commit.

    `borrows`: what it takes of another commit's evaluator, and of which.
    """
    config, blob = plans.config_of(repo, commit, fallback)
    tree = objects.tree_id(repo, commit)
    if tree is ABSENT:
        raise PreflightError("the commit has no tree", found=commit)
    names, lender = borrows or ((), commit)
    if names:
        own, lending = ProjectState(repo, tree, config), plans.state_of(repo, lender, commit)
        with_each = {n: replace(own, over=laid_over(own, lending, [n])) for n in names}
        names = tuple(
            name
            for name, state in with_each.items()
            if any(state.entry(path) != own.entry(path) for path in state.over)
        )
        tree = build_tree(repo, tree, laid_over(own, lending, names))
    values = params_of(repo, tree, config)
    secrets.refuse(overrides, config.not_secret, os.environ)
    for key, value in overrides.items():
        _check_override(key, value, values, commit, partial(undeclared, repo, commit, config))
    for key in config.seed.params:
        if key in overrides:
            raise UsageError(
                f"{key} is a seed, which every repeat has another one of",
                found=f"--param {key}={overrides[key]}",
                expected="parameters that all repeats share",
                next_step=f"the same with --seeds {overrides[key]} instead",
            )
    entries = tuple(objects.walk_tree(repo, tree))
    composed = {**values, **overrides}
    committed = {key: _committed_seed(key, composed, commit) for key in config.seed.every}
    return RunSource(
        repo=repo,
        side=side,
        commit=commit,
        tree=tree,
        config=config,
        config_blob=blob,
        overrides=overrides,
        inputs=inputs_rules.digest(
            ProjectState(repo, tree, config, entries), {str(k): v for k, v in overrides.items()}
        ),
        committed=committed,
        params={str(key): value for key, value in composed.items() if key not in committed},
        entries=entries,
        swaps=dict.fromkeys(names, lender),
    )


def baseline(
    repo: Repo, plan: Plan, candidate: CommitHash, fallback: CommitHash | None
) -> RunSource:
    """Read all about a plan's baseline, with what it takes of its candidate's evaluator."""
    at, borrows = plan.baseline.commit, lent(plan, candidate)
    return look(repo, BASELINE, at, overrides={}, fallback=fallback, borrows=borrows)


def lent(plan: Plan | None, candidate: CommitHash) -> tuple[tuple[str, ...], CommitHash] | None:
    """Return what a plan lets its baseline take of a candidate's evaluator."""
    return (plan.lent, candidate) if plan is not None and plan.lent else None


def vectors(partners: Mapping[int, frozenset[Key]]) -> dict[int, dict[ParamKey, int]]:
    """Return what the seeds of a baseline's repeats have to be; of several keys `counting`'s."""
    return {
        seed: {param_key(name): value for name, value in min(keys)[1]}
        for seed, keys in partners.items()
    }


def params_of(
    repo: Repo, commit: CommitHash | TreeId, config: ProjectConfig
) -> dict[ParamKey, ParamValue]:
    """Return the parameters of a commit, those of all params files."""
    values: dict[ParamKey, ParamValue] = {}
    for file in config.params:
        path = f"{config.project}/{file}" if config.project else file
        data = objects.read_blob(repo, commit, path, limit=1 << 20)
        if data is ABSENT:
            continue
        parsed = params_format.flat(data, f"{commit[:9]}:{path}")
        values.update({ParamKey(file, key): value for key, value in parsed.items()})
    return values


def in_files(
    repo: Repo, commit: CommitHash, params: tuple[tuple[ParamKey, ParamValue], ...]
) -> tuple[tuple[ParamKey, ParamValue], ...]:
    """Return parameters of the only params file that has each, where there is no params.yaml."""
    known: Iterable[ParamKey] = ()
    with contextlib.suppress(GitexpError):  # told by whoever reads them next
        known = params_of(repo, commit, plans.config_of(repo, commit)[0]) if params else ()
    if any(each.file == "params.yaml" for each in known):
        return params
    found = {key: [each for each in known if str(key) == each.key] or [key] for key, _ in params}
    for key, value in params:
        if found[key][1:]:
            raise UnknownParamError(
                f"several params files have {key}",
                expected=" or ".join(map(str, found[key])),
                next_step=f"the same with --param {found[key][0]}={value}",
            )
    return tuple((found[key][0], value) for key, value in params)


def undeclared(
    repo: Repo, commit: CommitHash, config: ProjectConfig, key: ParamKey, value: ParamValue
) -> str:
    """Return the calls that make a parameter known which stands in a file that no settings name."""
    top = f"{config.project}/" if config.project else ""
    others = {*config.params, *config.metrics, *config.outputs, config.pipeline}
    found: list[tuple[int, ParamKey]] = []
    for entry in objects.walk_tree(repo, commit):
        path = entry.text
        file = path.removeprefix(top)
        if not path.startswith(top) or file in others or file.startswith("."):
            continue
        meant = key.file == file or str(key) == key.key  # without a file: in any
        if not meant or {".yaml", ".yml", ".json", ".toml"}.isdisjoint(PurePath(file).suffixes):
            continue
        with contextlib.suppress(GitexpError):
            data = objects.read_blob(repo, commit, path, limit=1 << 20)
            there = {} if data is ABSENT else params_format.flat(data, file)
            laid_over_all = data is not ABSENT and b"@package _global_" in data  # read if chosen
            found += [
                (laid_over_all, ParamKey(file, name))
                for name in _spellings(file, key.key)
                if name in there
            ]
    if not found:
        return ""
    files = dict.fromkeys(each for _, each in sorted(found, key=itemgetter(0)))
    first, *rest = files
    named = " ".join(f"--params {shlex.quote(each)}" for each in (*config.params, first.file))
    step = f"gitexp init {named}, then the same with --param {shlex.quote(f'{first}={value}')}"
    return step + (f"; or {rest[0].file}, where the command reads that" if rest else "")


def _spellings(file: str, key: str) -> Iterator[str]:
    """Yield how a file may spell a key: for Hydra conf/model/mlp.yaml has all below ``model``."""
    yield key
    groups = PurePath(file).parts[:-1]
    for n in range(1, len(groups) + 1):
        group = ".".join(groups[-n:]) + "."
        if key.startswith(group):
            yield key.removeprefix(group)


def _check_override(
    key: ParamKey,
    value: ParamValue,
    values: Mapping[ParamKey, ParamValue],
    commit: CommitHash,
    undeclared: Undeclared,
) -> None:
    """Refuse an override that nothing reads, or that is a text where a number stands."""
    names = sorted(str(each) for each in values)
    if key not in values:
        likely = _likely(key, names)
        raise UnknownParamError(
            f"there is no parameter {key}",
            where=f"{key.file} at {commit[:9]}",
            expected=", ".join(likely or names[:20]) or "a params file",
            next_step=_instead(key, value, likely, undeclared),
        )
    _refuse_text(key, value, values[key], f"{key.file} at {commit[:9]}")


def _refuse_text(key: ParamKey, value: ParamValue, old: ParamValue | Absent, where: str) -> None:
    if isinstance(old, int | float) and not isinstance(old, bool) and isinstance(value, str):
        raise UsageError(
            f"the parameter {key} is a number, and this is none",
            found=value,
            where=where,
            expected=f"a number, such as {old}",
            next_step=f"the same with --param {key}={old}; a text is written into {key.file}",
        )


def _committed_seed(
    key: ParamKey, values: Mapping[ParamKey, ParamValue], commit: CommitHash
) -> int:
    if key not in values:
        raise PreflightError(
            f"the seed parameter {key} does not exist",
            where=f"{key.file} at {commit[:9]}",
            expected=", ".join(sorted(str(k) for k in values if "seed" in k.key.lower()))
            or "a parameter with a whole number",
            next_step="correct seed: in .gitexp/config.yaml and commit it",
        )
    seed = values[key]
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
        raise PreflightError(
            f"the seed parameter {key} is not a whole number",
            found=repr(seed),
            where=f"{key.file} at {commit[:9]}",
            expected=f"a whole number from 0 to {MAX_SEED}",
        )
    return seed


def _likely(key: ParamKey, names: Iterable[str]) -> tuple[str, ...]:
    """Return the parameters that may be meant: of other files those of the very name first."""
    every = tuple(names)
    return tuple(each for each in every if _is_same(each, str(key))) or near(str(key), every)


def _is_same(name: str, key: str) -> bool:
    there = param_key(name)
    return there.key in _spellings(there.file, key)


def _instead(
    key: ParamKey, value: ParamValue, likely: Sequence[str], undeclared: Undeclared
) -> str:
    # Without a file, one that is declared and has the very key comes before all that are not.
    has_it = [each for each in likely if str(key) == key.key and _is_same(each, key.key)]
    first = next(iter(has_it or likely), "")
    near_one = f"the same with --param {first}={value}" if first else ""
    return near_one if has_it else undeclared(key, value) or near_one


def assigned(
    params: Iterable[tuple[ParamKey, ParamValue]],
    config: ProjectConfig,
    read: Callable[[str], bytes | Absent],
    where: str,
    undeclared: Undeclared,
) -> Mapping[str, bytes]:
    """Return the new content of each params file that is named, with its comments and layout."""
    files: dict[str, bytes] = {}
    declared, params = config.params, tuple(params)
    secrets.refuse(dict(params), config.not_secret, os.environ)
    for key, value in params:
        try:
            data = files[key.file] if key.file in files else read(key.file)
            if data is ABSENT:
                raise UnknownParamError(  # noqa: TRY301  told with what is near it, as any
                    f"there is no params file {key.file}", expected=", ".join(declared)
                )
            old = params_format.flat(data, key.file).get(key.key, ABSENT)
            _refuse_text(key, value, old, f"{key.file} of {where}")
            files[key.file] = edit(data, key.file, {key.key: value})
        except UnknownParamError as error:
            likely = _likely(key, _names(declared, read))
            meant = str(key) != key.key or key.file in declared  # else no file was said
            raise UnknownParamError(
                error.summary if meant else f"there is no parameter {key}",
                found=error.found,
                where=error.where
                or " of ".join(filter(None, [key.file if meant else ", ".join(declared), where])),
                expected=" or ".join(likely) or error.expected,
                next_step=_instead(key, value, likely, undeclared),
            ) from error
    return files


def _names(declared: Sequence[str], read: Callable[[str], bytes | Absent]) -> Iterator[str]:
    for file in declared:
        data = read(file)
        if data is not ABSENT:
            for key in params_format.flat(data, file):
                yield str(ParamKey(file, key))
