"""Differences between two states: code, parameters, data, environment, metrics, inputs."""

from __future__ import annotations

import contextlib
import posixpath
from collections import Counter
from typing import TYPE_CHECKING

from gitexp.comparison import sides
from gitexp.dvc import inputs as inputs_rules
from gitexp.dvc.declared_data import pointed
from gitexp.dvc.input_parts import params_values
from gitexp.dvc.state import ProjectState
from gitexp.errors import GitexpError, NotInitialisedError
from gitexp.git import merging as git_diff
from gitexp.git import objects, refs, repository
from gitexp.git.transaction.cache import open_index
from gitexp.git.transaction.layout import FOLDER
from gitexp.model import dataclass, fields
from gitexp.model.config import ProjectConfig
from gitexp.model.ids import ABSENT
from gitexp.model.metrics import summarise
from gitexp.model.views import (
    DataChange,
    DataState,
    DiffView,
    InputsReason,
    InputsView,
    PathChange,
    StateName,
    ValueChange,
)
from gitexp.report.numbers import listed
from gitexp.store import lookup, plans
from gitexp.system.secrets import to_show
from gitexp.views.metric_changes import committed, files_of, metric_changes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from gitexp.comparison.sides import Named
    from gitexp.dvc.declared_data import Pointed
    from gitexp.dvc.inputs import InputsDifference
    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.config import InputsMode
    from gitexp.model.ids import CommitHash, EnvironmentDigest, InputsDigest, ParamValue, TreeId
    from gitexp.model.run import Sample
    from gitexp.model.views import MetricChange
    from gitexp.model.workspace import Workspace
    from gitexp.store.lookup import FoundRun

_FEW = 3
_NO_SETTINGS = ProjectConfig(pipeline="dvc.yaml")  # of a commit that has none
_OF_DVC = frozenset((".gitignore", ".dvcignore", "dvc.lock"))


def diff(workspace: Workspace, a: str, b: str) -> DiffView:
    """Compare two states, from Git objects alone; nothing is checked out, nothing is tested.

    Parameters
    ----------
    a, b : str
        Experiments, branches or revisions.

    Returns
    -------
    DiffView
        Environment and metrics are those of the runs recorded for the inputs of each side; a side
        without any is noted.

    Raises
    ------
    UnknownExperimentError
        If a name stands for nothing.
    """
    repo = repository.open_repository(workspace)
    left, right, found = _both(repo, a, b)
    one, other = _runs_of(found, left), _runs_of(found, right)
    notes = [*left.notes, *right.notes]
    bare = left.removed or right.removed
    metrics = metric_changes(right.config, *map(summarise, map(first_samples, (one, other))))
    of_files: tuple[MetricChange, ...] = ()
    if not ((one and other) or bare):
        both = _states(left, right)
        of_files, said = committed(repo, both, files_of(repo, both))
        notes += said
    notes += [
        f"no run is recorded for the inputs of {state.name}"
        for state, runs in ((left, one), (right, other))
        if not runs
    ]
    notes += [f"run {item.id} cannot be read: {item.why}" for item in found.unreadable]
    return DiffView(
        a=left.shown(one),
        b=right.shown(other),
        config=() if bare else _config(repo, left, right),
        code=() if bare else _code(repo, left, right),
        params=() if bare else _params(repo, left, right, notes),
        data=() if bare else _data(repo, left, right, notes),
        environment=_environment(repo, one, other, notes),
        metrics=of_files or metrics,
        notes=tuple(notes),
        committed=bool(of_files) or left.config == right.config == _NO_SETTINGS,
    )


def of_range(repo: Repo, base: CommitHash, head: CommitHash) -> DiffView:
    """Return metrics, parameters and data of commits that touch no experiment, for a review.

    Metrics as Git has them: DVC's cache may hold what those who read a review must not see.
    """
    sides = []
    for commit in (base, head):
        try:
            config, _ = plans.config_of(repo, commit, base)
        except GitexpError:
            config = _NO_SETTINGS
        tree = objects.commit_info(repo, commit).tree
        sides.append(NamedState(commit[:9], commit, tree, config, None))
    left, right = sides
    files = files_of(repo, _states(left, right))
    metrics, notes = committed(repo, _states(left, right), files, cached=False)
    data = _data(repo, left, right, [])
    return DiffView(
        a=left.shown(),
        b=right.shown(),
        code=(),
        params=_params(repo, left, right, []),
        data=tuple(item for item in data if item.path not in files),  # metrics have a table
        environment=(),
        metrics=metrics,
        notes=tuple(notes),
        committed=True,
    )


def _states(*sides: NamedState) -> list[tuple[CommitHash, ProjectConfig]]:
    return [(side.commit, side.config) for side in sides]


def _config(repo: Repo, left: NamedState, right: NamedState) -> tuple[InputsReason, ...]:
    """Return all settings that differ, and what else of the configuration acts on results."""
    names = [each.name for each in fields(ProjectConfig)]
    found = inputs_rules.settings_differences(left.config, right.config, names)
    with contextlib.suppress(GitexpError):  # noted with the inputs
        reasons = inputs_rules.explain(repo, left.tree, left.config, right.tree, right.config)
        found += [item for item in reasons if item.kind == "config" and item.what not in names]
    return tuple(InputsReason(item.kind, item.what, item.a, item.b) for item in found)


def _code(repo: Repo, left: NamedState, right: NamedState) -> tuple[PathChange, ...]:
    """Return changed files that are neither parameters nor records, pointers or outputs."""
    outputs: set[str] = set()
    for state in (left, right):
        try:
            outputs |= ProjectState(repo, state.tree, state.config).outputs
        except GitexpError:  # a pipeline file that cannot be read: noted with the inputs
            continue
    project = left.config.project
    params = {*left.config.params, *right.config.params}
    hidden = {posixpath.join(project, path) for path in (*outputs, *params)}
    below = tuple(f"{path}/" for path in hidden)
    return tuple(
        change
        for change in git_diff.changed_paths(repo, left.tree, right.tree)
        if change.path not in hidden
        and not change.path.startswith((f"{FOLDER}/", *below))
        and not _is_of_dvc(change.path)
    )


def _is_of_dvc(path: str) -> bool:
    *folders, name = path.split("/")
    return name in _OF_DVC or name.endswith(".dvc") or ".dvc" in folders


def _params(
    repo: Repo, left: NamedState, right: NamedState, notes: list[str]
) -> tuple[ValueChange, ...]:
    values: list[Mapping[str, ParamValue]] = []
    for state in (left, right):
        try:
            values.append(params_values(ProjectState(repo, state.tree, state.config), {}))
        except GitexpError as error:
            notes.append(f"parameters of {state.name}: {error.summary} ({error.where})")
            return ()
    one, other = values
    return _value_changes(one, other, (*left.config.not_secret, *right.config.not_secret))


def _value_changes(
    one: Mapping[str, ParamValue], other: Mapping[str, ParamValue], fine: Collection[str] = ()
) -> tuple[ValueChange, ...]:
    return tuple(
        ValueChange(
            key,
            to_show(key, one.get(key), fine),
            to_show(key, other.get(key), fine),
            in_a=key in one,
            in_b=key in other,
        )
        for key in sorted(one.keys() | other.keys())
        if (key in one, repr(one.get(key))) != (key in other, repr(other.get(key)))
    )


def _data(
    repo: Repo, left: NamedState, right: NamedState, notes: list[str]
) -> tuple[DataChange, ...]:
    sides: list[Mapping[str, Pointed]] = []
    for state in (left, right):
        found = pointed(ProjectState(repo, state.tree, state.config))
        notes.extend(f"{line} ({state.name})" for line in found.unreadable)
        sides.append(found.data)
    one, other = sides
    changes = []
    for path in sorted(one.keys() | other.keys()):
        a, b = one.get(path), other.get(path)
        if a != b and (a is None or b is None or a.md5 != b.md5 or a.md5 is None):
            by = (b or a or one[path]).by
            changes.append(DataChange(path, by, _data_state(a), _data_state(b)))
    return tuple(changes)


def _data_state(item: Pointed | None) -> DataState | None:
    return None if item is None else DataState(item.md5, item.size, item.nfiles)


def _environment(
    repo: Repo, one: Sequence[FoundRun], other: Sequence[FoundRun], notes: list[str]
) -> tuple[ValueChange, ...]:
    """Compare the environments with the most repeats; one that both sides have is not a change."""
    left, right = environments_of(one), environments_of(other)
    if not left or not right or left[0] == right[0]:
        return ()
    if set(left) & set(right):
        notes.append("the sides also share an environment, in which fewer repeats were run")
    described: list[Mapping[str, ParamValue]] = []
    for runs, digest in ((one, left[0]), (other, right[0])):
        holding = (x for x in runs if any(r.environment == digest for r in x.run.repeats))
        holder = next(holding)
        try:
            found = lookup.environment(repo, holder.commit, digest)
        except GitexpError as error:
            notes.append(f"environment {digest[:9]}: {error.summary}")
            return (ValueChange("environment", left[0][:12], right[0][:12]),)
        words: dict[str, ParamValue] = {
            "(python)": f"{found.implementation} {found.python}",
            "(platform)": f"{found.platform} {found.abi} {found.libc}",
        }
        for item in found.distributions:
            mark = f" ({item.fingerprint[:9]})" if item.fingerprint else ""
            words[item.name] = f"{item.version}{mark}"
        described.append(words)
    return _value_changes(*described)


def inputs(workspace: Workspace, a: str, b: str) -> InputsView:
    """Compare the inputs of two states.

    Parameters
    ----------
    a, b : str
        Experiments, branches or revisions.

    Returns
    -------
    InputsView
        `reasons` is empty if, and only if, the two share samples.

    Raises
    ------
    UnknownExperimentError
        If a name stands for nothing.
    BadFormatError, UnsafeInputError
        If a pipeline file, a params file or dvc.lock of a side cannot be read.
    """
    repo = repository.open_repository(workspace)
    left, right, found = _both(repo, a, b)
    one, other = _runs_of(found, left), _runs_of(found, right)
    reasons = inputs_rules.explain(repo, left.tree, left.config, right.tree, right.config)
    counted = {item.what.partition(":")[0] for item in reasons}
    if any(item.kind == "params" for item in reasons):  # reasons name keys, not files
        counted.update(left.config.params)
    project = f"{left.config.project}/" if left.config.project else ""
    changes = git_diff.changed_paths(repo, left.tree, right.tree)
    ignored = [
        change.path
        for change in changes
        if not change.path.startswith(f"{FOLDER}/")
        and change.path.removeprefix(project) not in counted
    ]
    notes = [*left.notes, *right.notes]
    notes += _by_other_rules(repo, left, right, reasons)
    notes += [f"run {item.id} cannot be read: {item.why}" for item in found.unreadable]
    if found.shallow:
        notes.append("this clone is shallow: older runs are not in it")
    return InputsView(
        a=left.shown(one),
        b=right.shown(other),
        reasons=tuple(InputsReason(item.kind, item.what, item.a, item.b) for item in reasons),
        ignored=tuple(ignored),
        runs_a=tuple(item.run.id for item in one),
        runs_b=tuple(item.run.id for item in other),
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class NamedState:
    """A commit with the settings by which it is read."""

    name: str
    commit: CommitHash
    tree: TreeId
    config: ProjectConfig
    inputs: InputsDigest | None  # None: they cannot be worked out; `notes` says why
    notes: tuple[str, ...] = ()
    removed: bool = False  # code, parameters and data are gone
    records: frozenset[CommitHash] = frozenset()  # whose history has its runs

    def shown(self, runs: Iterable[FoundRun] = ()) -> StateName:
        """Return what a view says of it."""
        return StateName(self.name, self.commit, self.inputs, environments_of(runs))


def _both(repo: Repo, a: str, b: str) -> tuple[NamedState, NamedState, lookup.Lookup]:
    """Return two states by the names that a person typed, and the runs of their inputs.

    A commit without settings of its own takes those of the other side, as a baseline takes the
    plan's.
    """
    with open_index(repo.workspace) as index:
        one, other = sides.find(repo, index, a), sides.find(repo, index, b)
        planned = sorted((other, one), key=lambda each: each.plan is None)
        at = None if planned[0].plan is None else sides.settled(repo, *planned)
        rules = _rules(repo, other, one) if at is None else None
        left = state_of(repo, index, one, fallback=at or other.commit, rules=rules)
        right = state_of(repo, index, other, fallback=at or one.commit, rules=rules)
        wanted = {state.inputs for state in (left, right) if state.inputs is not None}
        also = left.records | right.records
        return left, right, lookup.runs_by_inputs(repo, *wanted, index=index, also=also)


def _rules(repo: Repo, *states: Named) -> tuple[int, InputsMode]:
    """Return the rules of inputs by which all are read, where no plan says it."""
    for named in states:
        with contextlib.suppress(GitexpError):
            return plans.config_of(repo, named.commit)[0].inputs_by
    return ProjectConfig().inputs_by


def _by_other_rules(
    repo: Repo, left: NamedState, right: NamedState, reasons: Sequence[InputsDifference]
) -> list[str]:
    """Say where the other rules of inputs answer otherwise."""
    state = ProjectState(repo, right.tree, right.config)
    declared = inputs_rules.told_of_declared(state, reasons)
    mine, (first, *_) = right.config.inputs_by, inputs_rules.RULES_KNOWN
    said = "{rules: 2, mode: declared}" if right.config.is_declared else "{rules: 2}"
    by = inputs_rules.RULES_KNOWN[inputs_rules.RULES_KNOWN.index(mine) - 1 if mine != first else 1]
    one, other = (ProjectState(repo, each.tree, each.config.by_rules(by)) for each in (left, right))
    try:
        found = inputs_rules.differences(one, other)
    except GitexpError:
        return []
    if bool(found) is bool(reasons):
        return [f"{reasons[0].what}: {declared}"] if declared else []
    if not found:
        return [f"with inputs: {said} in .gitexp/config.yaml they would share samples"]
    names = listed([item.what for item in found], _FEW)
    return [f"without inputs: {said} in .gitexp/config.yaml they would differ: {names}"]


def _runs_of(found: Iterable[FoundRun], state: NamedState) -> tuple[FoundRun, ...]:
    return tuple(item for item in found if item.run.inputs == state.inputs)


def state_of(
    repo: Repo,
    index: Index,
    named: Named,
    *,
    fallback: CommitHash | None,
    rules: tuple[int, InputsMode] | None = None,
) -> NamedState:
    """Read the settings of a state and digest its inputs, as far as that can be done."""
    name, commit = named.name, named.commit
    tree = objects.commit_info(repo, commit).tree
    notes = list(_whereabouts(repo, named))
    try:
        config, _ = plans.config_of(repo, commit, fallback)
    except NotInitialisedError:
        config = _NO_SETTINGS
        notes.append(f"{name} has no .gitexp/config.yaml; read as a plain DVC project")
    except GitexpError as error:
        config = _NO_SETTINGS
        notes.append(f"settings of {name}: {error.located}")
    digest = named.inputs
    config = config if rules is None else config.by_rules(rules)
    try:
        if digest is None:
            digest = inputs_rules.compute(repo, tree, config, index=index)
    except GitexpError as error:
        notes.append(f"inputs of {name}: {error.located}")
    removed = bool(named.removed)
    held = frozenset({commit, named.holder})
    return NamedState(
        name, commit, tree, config, digest, tuple(notes), removed=removed, records=held
    )


def environments_of(runs: Iterable[FoundRun]) -> tuple[EnvironmentDigest, ...]:
    """Return the environments of finished repeats, the one with the most repeats first."""
    repeats = (repeat for found in runs for repeat in found.run.repeats)
    count = Counter(each.environment for each in repeats if each.environment is not None)
    return tuple(sorted(count, key=lambda digest: (-count[digest], digest)))


def first_samples(runs: Iterable[FoundRun]) -> tuple[Sample, ...]:
    """Return the samples of runs of the same inputs; of a key measured twice the first."""
    found: dict[tuple[object, ...], Sample] = {}
    for item in runs:
        for sample in item.run.own(item.samples):
            key = (sample.metric, sample.seed, sample.rep, sample.fold, sample.dataset)
            found.setdefault(key, sample)
    return tuple(found.values())


def _whereabouts(repo: Repo, named: Named) -> Iterator[str]:
    if named.removed:
        yield f"{named.name} was removed {named.removed}; only its records are left"
        return
    if named.where:
        here = refs.read_ref(repo, refs.local(named.branch)) is not ABSENT
        gone = "goes on on" if here else "is gone; its records are on"
        yield f"{named.branch} {gone} {named.where}"
    if named.lost:
        source = named.recorded[:9] if named.recorded is not None else "unknown"
        yield f"{named.name}: source lost (squashed): no ref leads to {source}"
    if not named.exact:
        yield (
            f"{named.name}: code, parameters and data are those of {named.commit[:9]}, which has "
            "its records; what ran differed"
        )
