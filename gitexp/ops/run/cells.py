"""What one side of a run executes: a commit's project, its settings, parameters laid over it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitexp.errors import PreflightError, UnknownParamError, UsageError
from gitexp.formats import params as params_format
from gitexp.formats.near import near
from gitexp.git import objects
from gitexp.git.refs import ABSENT
from gitexp.model.config import ParamKey
from gitexp.model.run import MAX_SEED
from gitexp.store import inputs as inputs_rules
from gitexp.store import plans

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.git.objects import Entry
    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import BlobId, CommitHash, InputsDigest, ParamValue, TreeId


@dataclass(frozen=True, slots=True)
class Cell:
    """One composed source, looked at once.

    Attributes
    ----------
    side : str
        "candidate", "baseline" or "exploratory".
    config_blob : BlobId or None
        Of the plan commit's config.yaml, where the source's own tree has none.
    overrides : Mapping
        By parameter; empty for a plain commit.
    committed_seed : int
        Value of the seed parameter in the commit; 0 without one.
    params : Mapping of str to ParamValue
        Flat parameters of the composed tree, without the seed.
    entries : tuple of Entry
        All files of the tree.
    """

    side: str
    commit: CommitHash
    tree: TreeId
    config: ProjectConfig
    config_blob: BlobId | None
    overrides: Mapping[ParamKey, ParamValue]
    inputs: InputsDigest
    committed_seed: int
    params: Mapping[str, ParamValue]
    entries: tuple[Entry, ...] = field(repr=False)


def look(
    repo: Repo,
    side: str,
    commit: CommitHash,
    *,
    overrides: Mapping[ParamKey, ParamValue],
    fallback: CommitHash | None,
) -> Cell:
    """Read everything about a source that its records will say.

    Parameters
    ----------
    repo : Repo
    side : str
    commit : CommitHash
    overrides : Mapping of ParamKey to ParamValue
    fallback : CommitHash or None
        The plan's commit, whose settings serve a tree that is older than `gitexp init`.

    Raises
    ------
    NotInitialisedError
        If neither has settings.
    UnknownParamError
        If an override names a parameter that the commit does not have.
    PreflightError
        If the seed parameter is missing, or is not a whole number.
    """
    config, blob = plans.config_of(repo, commit, fallback)
    tree = objects.tree_id(repo, commit)
    if tree is ABSENT:
        raise PreflightError("the commit has no tree", found=commit)
    values = _params(repo, commit, config)
    for key, value in overrides.items():
        _check_override(key, value, values, commit)
    seed = _committed_seed(config, values, commit)
    entries = tuple(objects.walk_tree(repo, tree))
    composed = {**values, **overrides}
    if config.seed.param is not None:
        composed.pop(config.seed.param, None)
    return Cell(
        side=side,
        commit=commit,
        tree=tree,
        config=config,
        config_blob=blob,
        overrides=overrides,
        inputs=inputs_rules.compute(
            repo,
            tree,
            config,
            overrides={str(k): v for k, v in overrides.items()},
            walked=entries,
        ),
        committed_seed=seed,
        params={str(key): value for key, value in composed.items()},
        entries=entries,
    )


def _params(repo: Repo, commit: CommitHash, config: ProjectConfig) -> dict[ParamKey, ParamValue]:
    values: dict[ParamKey, ParamValue] = {}
    for file in config.params:
        path = f"{config.project}/{file}" if config.project else file
        data = objects.read_blob(repo, commit, path, limit=1 << 20)
        if data is ABSENT:
            continue
        parsed = params_format.flatten(params_format.parse(data, f"{commit[:9]}:{path}"))
        values.update({ParamKey(file, key): value for key, value in parsed.items()})
    return values


def _check_override(
    key: ParamKey, value: ParamValue, values: Mapping[ParamKey, ParamValue], commit: CommitHash
) -> None:
    """Refuse an override that nothing reads, or that is a text where a number stands."""
    names = sorted(str(each) for each in values)
    if key not in values:
        likely = near(str(key), names)
        raise UnknownParamError(
            f"there is no parameter {key}",
            where=f"{key.file} at {commit[:9]}",
            expected=", ".join(likely or names[:20]) or "a params file",
            next_step=f"the same with --param {likely[0]}={value}" if likely else "",
        )
    old = values[key]
    if isinstance(old, int | float) and not isinstance(old, bool) and isinstance(value, str):
        raise UsageError(
            f"the parameter {key} is a number, and this is none",
            found=value,
            where=f"{key.file} at {commit[:9]}",
            expected=f"a number, such as {old}",
            next_step=f"the same with --param {key}={old}; a text is written into {key.file}",
        )


def _committed_seed(
    config: ProjectConfig, values: Mapping[ParamKey, ParamValue], commit: CommitHash
) -> int:
    key = config.seed.param
    if key is None:
        return 0
    if key not in values:
        raise PreflightError(
            f"the seed parameter {key} does not exist",
            where=f"{key.file} at {commit[:9]}",
            expected=", ".join(sorted(str(k) for k in values if "seed" in k.key.lower()))
            or "a parameter with a whole number",
            next_step="correct seed.param in .gitexp/config.yaml and commit it",
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
