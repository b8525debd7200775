"""What the user asks of `gitexp init`, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitexp.model.config import ParamKey, ProjectConfig
    from gitexp.model.ids import CommitHash


@dataclass(frozen=True, slots=True)
class InitRequest:
    """One call of `gitexp init`; None and empty mean: find out.

    Attributes
    ----------
    project : str or None
        Folder of the project below the repository's top.
    command : str or None
        Shell command of a project without a pipeline.
    dvc_init : bool or None
        Make a DVC repository where there is none; None: it was not said.
    write_pipeline : bool
        Turn the command into a dvc.yaml with one stage.
    commit : bool
    merge_driver : bool
        Let Git in this clone join dvc.lock and gitexp's files by gitexp.
    """

    project: str | None = None
    command: str | None = None
    metrics: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    predictions: str | None = None
    seed_params: tuple[ParamKey, ...] = ()
    seed_arg: str | None = None
    python: str | None = None
    dvc_init: bool | None = None
    write_pipeline: bool = False
    commit: bool = True
    merge_driver: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class InitReport:
    """What `gitexp init` wrote, or found there already.

    Attributes
    ----------
    existed : bool
        The settings were there; without `files` nothing was changed.
    files : tuple of str
        What was written, from the repository's top.
    found : tuple of (str, str)
        What was found, as (what, where) for people.
    notes : tuple of str
        What could not be found out, and what to do about it.
    commit : CommitHash or None
        None where nothing was committed.
    command : str
        The git command that commits the files, where that was left to the user.
    """

    config: ProjectConfig
    existed: bool
    files: tuple[str, ...]
    found: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    commit: CommitHash | None
    command: str
    dry_run: bool
    next_step: str
