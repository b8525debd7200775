"""What two-sided questions (`diff`, `inputs`) and `show` have to know of a named state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.comparison import sides
from gitexp.dvc import inputs as inputs_rules
from gitexp.errors import GitexpError, NotInitialisedError
from gitexp.git import objects
from gitexp.model.config import ProjectConfig
from gitexp.model.views import StateName
from gitexp.store import plans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitexp.comparison.sides import Named
    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.ids import CommitHash, EnvironmentDigest, InputsDigest, TreeId
    from gitexp.model.run import Sample
    from gitexp.store.lookup import FoundRun


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


def two_states(repo: Repo, index: Index, a: str, b: str) -> tuple[NamedState, NamedState]:
    """Return two states by the names that a person typed.

    A commit without settings of its own takes those of the other side, as a baseline takes the
    plan's.

    Raises `UnknownExperimentError` if a name stands for nothing.
    """
    left, right = sides.find(repo, index, a), sides.find(repo, index, b)
    return (
        state_of(repo, index, left, fallback=right.commit),
        state_of(repo, index, right, fallback=left.commit),
    )


def state_of(repo: Repo, index: Index, named: Named, *, fallback: CommitHash | None) -> NamedState:
    """Read the settings of a state and digest its inputs, as far as that can be done."""
    name, commit = named.name, named.commit
    tree = objects.commit_info(repo, commit).tree
    notes = list(_whereabouts(named))
    try:
        config, _ = plans.config_of(repo, commit, fallback)
    except NotInitialisedError:
        config = ProjectConfig(pipeline="dvc.yaml")
        notes.append(f"{name} has no .gitexp/config.yaml; read as a plain DVC project")
    except GitexpError as error:
        config = ProjectConfig(pipeline="dvc.yaml")
        notes.append(f"settings of {name}: {error.located}")
    digest = named.inputs
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
    count: dict[EnvironmentDigest, int] = {}
    for found in runs:
        for repeat in found.run.repeats:
            if repeat.environment is not None:
                count[repeat.environment] = count.get(repeat.environment, 0) + 1
    return tuple(sorted(count, key=lambda digest: (-count[digest], digest)))


def first_samples(runs: Iterable[FoundRun]) -> tuple[Sample, ...]:
    """Return the samples of runs of the same inputs; of a key measured twice the first."""
    found: dict[tuple[object, ...], Sample] = {}
    for item in runs:
        for sample in item.samples:
            key = (sample.metric, sample.seed, sample.rep, sample.fold, sample.dataset)
            found.setdefault(key, sample)
    return tuple(found.values())


def _whereabouts(named: Named) -> Iterator[str]:
    """Say what became of an experiment whose branch is gone."""
    if named.removed:
        yield f"{named.name} was removed {named.removed}; only its records are left"
        return
    if named.where:
        yield f"{named.branch} is gone; its records are on {named.where}"
    if named.lost:
        source = named.recorded[:9] if named.recorded is not None else "unknown"
        yield f"{named.name}: source lost (squashed): no ref leads to {source}"
    if not named.exact:
        yield (
            f"{named.name}: code, parameters and data are those of {named.commit[:9]}, which has "
            "its records; what ran differed"
        )
