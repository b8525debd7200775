"""The folder in which Git looks for hooks, and what is in it: ours, others', and managed ones."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gitexp.enforcement.hooks import managers, shims
from gitexp.git import command
from gitexp.model.rules import CLIENT_HOOKS, SERVER_HOOKS, Hook, HookState

if TYPE_CHECKING:
    from gitexp.enforcement.hooks.managers import Manager
    from gitexp.model.workspace import Workspace


# Everywhere else `command.SAFE` turns hooks off, and with them this answer.
_SETTINGS: Final = ("-c", "core.fsmonitor=false")


@dataclass(frozen=True, slots=True)
class HooksDir:
    """The folder of a repository's hooks.

    Attributes
    ----------
    path : Path
    own : bool
        Whether it lies in the repository's Git directory: what core.hooksPath names may be tracked,
        or shared with other repositories.
    """

    path: Path
    own: bool


def hooks_dir(workspace: Workspace) -> HooksDir:
    """Return the folder, by core.hooksPath of whatever scope; linked worktrees share it.

    Raises `GitFailedError`.
    """
    arguments = ["rev-parse", "--path-format=absolute", "--git-path", "hooks"]
    code, out, err = command.attempt(workspace, arguments, settings=_SETTINGS)
    if b"empty string" in err:  # core.hooksPath without a value: Git comes to no hook
        return HooksDir(Path(os.devnull), own=False)
    if code:
        raise command.failure(arguments, code, err)
    path = Path(out.decode("utf-8", "surrogateescape").rstrip("\n"))
    return HooksDir(path, own=path.resolve().is_relative_to(workspace.common_dir.resolve()))


# How managers rename what they find; only the first is then called by them.
RENAMED: Final = (".legacy", ".old")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the hooks of a repository are.

    Attributes
    ----------
    folder : Path
        In which Git looks for them.
    own : bool
        Whether that is in the repository's own Git directory.
    unused : Path or None
        The repository's own folder, where Git does not look into it.
    top : Path or None
        Of the work tree; None in a bare repository.
    manager : Manager or None
    """

    folder: Path
    own: bool
    unused: Path | None
    top: Path | None
    manager: Manager | None

    @property
    def names(self) -> tuple[str, ...]:
        """The hooks that belong here: a server has others."""
        return SERVER_HOOKS if self.top is None else CLIENT_HOOKS


def find(workspace: Workspace) -> Place:
    """Return where the hooks of a repository are, and who is in charge of them.

    Raises `GitFailedError, ReadOnlyError`.
    """
    there = hooks_dir(workspace)
    mine = workspace.common_dir / "hooks"
    top = workspace.top
    return Place(
        folder=there.path,
        own=there.own,
        unused=None if there.path.resolve() == mine.resolve() else mine,
        top=top,
        manager=None if top is None else managers.detect(top, there.path),
    )


def look(place: Place) -> tuple[Hook, ...]:
    """Return each hook as it is."""
    return tuple(_look(place, name) for name in place.names)


def candidates(place: Place, name: str) -> tuple[Path, ...]:
    """Return every path at which one of our hooks may lie."""
    folders = (place.folder, *([place.unused] if place.unused else []))
    return tuple(folder / f"{name}{suffix}" for folder in folders for suffix in ("", *RENAMED))


def _look(place: Place, name: str) -> Hook:
    path = place.folder / name
    data = shims.read(path)
    if data is not None and shims.is_ours(data):
        return _ours(path, data, name)
    managed = _managed(place, place.manager, path) if place.manager is not None else None
    if managed is not None and managed.state is not HookState.ABSENT:
        return managed
    lost = next((other for other in candidates(place, name)[1:] if _is_ours(other)), None)
    if lost is not None:
        why = f"; {managed.note}" if managed is not None else ""
        return Hook(name, HookState.DEAD, f"nothing runs {lost}{why}")
    if managed is not None:
        return managed
    if data is not None:
        return Hook(name, HookState.FOREIGN, "another hook has its place")
    return Hook(name, HookState.ABSENT)


def _managed(place: Place, manager: Manager, path: Path) -> Hook | None:
    name = path.name
    told = place.top is not None and managers.calls(manager, place.top, name)
    if not managers.runs(manager, place.folder, name):
        why = f"{manager.activate} has not been called for it"
        return Hook(name, HookState.DEAD, why) if told else None
    if told:
        return Hook(name, HookState.MANAGED, f"by {manager.name}")
    below = path.with_name(name + RENAMED[0])
    if manager.keeps and _is_ours(below):
        return Hook(name, HookState.INSTALLED, f"{manager.name} runs it as {below.name}")
    return Hook(name, HookState.ABSENT, f"{manager.name} is not told to call it")


def _ours(path: Path, data: bytes, name: str) -> Hook:
    if not shims.is_executable(path):
        return Hook(name, HookState.DEAD, "it is not executable, so Git passes it over")
    if not shims.is_unchanged(data, name):
        return Hook(name, HookState.CHANGED, "edited since it was installed")
    notes = []
    settings = shims.settings_of(data)
    python = settings.get("python", "")
    if python and not shims.is_executable(path.parent / python):
        notes.append(f"its Python is gone: {python}")
    if data not in {shims.source(name), shims.rendered(name, settings)}:
        notes.append("of another version of gitexp")
    return Hook(name, HookState.INSTALLED, "; ".join(notes))


def _is_ours(path: Path) -> bool:
    data = shims.read(path)
    return data is not None and shims.is_ours(data)
