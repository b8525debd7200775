"""Put the hooks in place beside what is there, take them away again, and say how things stand.

What was there before is kept byte for byte and goes first. Nothing sets core.hooksPath.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gitexp.enforcement.hooks import hook_places, shims
from gitexp.errors import ExistsError, PreconditionError
from gitexp.git import command
from gitexp.git.faults import translating
from gitexp.model.rules import HooksReport

if TYPE_CHECKING:
    from gitexp.enforcement.hooks.hook_places import Place
    from gitexp.enforcement.hooks.managers import Manager
    from gitexp.model.workspace import Workspace

_FSCK: Final = "receive.fsckObjects"


def install(
    workspace: Workspace, *, python: str = sys.executable, anywhere: bool = False
) -> HooksReport:
    """Put the hooks where Git looks for them; where a manager is in charge, say what it needs.

    In a bare repository that is the server's gate, and Git is told to look at what is pushed as
    `git fsck` does, where nobody told it anything. Doing it twice changes nothing.

    `python`: the interpreter that the hooks start. `anywhere`: whether a folder that
    core.hooksPath names outside the Git directory may be written to.

    Raises `PreconditionError` if Git looks into such a folder, and nobody said that it may be;
    `ExistsError` if a hook that was set aside is still there, and another is in its place.
    """
    place = hook_places.find(workspace)
    if place.manager is not None and place.top is not None:
        return _managed(place, place.manager, place.top)
    if not place.own and not anywhere:
        raise PreconditionError(
            "core.hooksPath names a folder outside of the repository's Git directory",
            found=str(place.folder),
            expected="a folder of this clone alone: that one is tracked, or others use it too",
            next_step="gitexp hooks install --hooks-path, to write there all the same",
        )
    texts = _texts(place, python)
    for name in place.names:
        _check_free(place.folder / name)
    done = [line for name in place.names if (line := _install(place.folder / name, texts[name]))]
    if place.top is None and command.attempt(workspace, ["config", "--get", _FSCK])[0]:
        command.run(workspace, ["config", _FSCK, "true"])
        done.append(f"{_FSCK} is true: Git refuses broken objects")
    return HooksReport(
        verb="install",
        folder=str(place.folder),
        manager="",
        hooks=hook_places.look(place),
        done=tuple(done),
        next_step="" if place.top is None else "gitexp hooks status",
    )


def uninstall(workspace: Workspace) -> HooksReport:
    """Remove what is ours and unchanged, and give back the place to what was there before.

    Raises `ReadOnlyError` if the folder cannot be written to.
    """
    place = hook_places.find(workspace)
    done: list[str] = []
    for name in place.names:
        for path in hook_places.candidates(place, name):
            done += _uninstall(path, name)
        done += _orphan(place.folder / name)
    return HooksReport(
        verb="uninstall",
        folder=str(place.folder),
        manager="" if place.manager is None else place.manager.name,
        hooks=hook_places.look(place),
        done=tuple(done),
    )


def status(workspace: Workspace) -> HooksReport:
    """Return how each hook stands."""
    place = hook_places.find(workspace)
    hooks = hook_places.look(place)
    manager = place.manager
    complete = all(hook.runs for hook in hooks)
    return HooksReport(
        verb="status",
        folder=str(place.folder),
        manager="" if manager is None else manager.name,
        hooks=hooks,
        next_step="" if complete else "gitexp hooks install",
    )


# --- inside -------------------------------------------------------------------------------------


def _managed(place: Place, manager: Manager, top: Path) -> HooksReport:
    hooks = hook_places.look(place)
    complete = all(hook.runs for hook in hooks)
    return HooksReport(
        verb="install",
        folder=str(place.folder),
        manager=manager.name,
        hooks=hooks,
        entry="" if complete else manager.entry(top),
        next_step="" if complete else f"{manager.activate}, then gitexp hooks status",
    )


def _texts(place: Place, python: str) -> dict[str, bytes]:
    settings = {"python": Path(python).as_posix(), "flags": _flags(python)}
    return {name: shims.rendered(name, settings) for name in place.names}


def _flags(python: str) -> str:
    """Return how Python is kept from importing what a branch has at its top.

    -I also leaves out what ``pip install --user`` installed; then it is -P.
    """
    try:
        done = subprocess.run(
            [python, "-I", "-c", "import gitexp.cli.main"], capture_output=True, check=False
        )
    except OSError as error:
        raise PreconditionError(
            "the interpreter of the hooks cannot be started", found=str(error), where=python
        ) from error
    return "-P" if done.returncode else "-I"


def _check_free(path: Path) -> None:
    data, aside = shims.read(path), path.with_name(path.name + shims.BEFORE)
    if data is None or shims.is_ours(data) or shims.read(aside) is None:
        return
    raise ExistsError(
        f"two hooks {path.name} of others are there: one in use, one that was set aside",
        found=str(aside),
        where=str(path.parent),
        next_step=f"remove {aside.name}, or put it back in place of {path.name}",
    )


def _install(path: Path, text: bytes) -> str:
    data = shims.read(path)
    if data == text and shims.is_executable(path):
        return ""
    if data is None:
        shims.put(path, text)
        return f"wrote {path}"
    if shims.is_ours(data):
        if not shims.is_unchanged(data, path.name):
            return f"left {path}: it was edited; remove it to have it anew"
        shims.put(path, text)
        return f"brought up to date {path}"
    aside = shims.set_aside(path)
    shims.put(path, text)
    return f"wrote {path}; what was there is {aside.name} and goes first"


def _uninstall(path: Path, name: str) -> list[str]:
    data = shims.read(path)
    if data is None or not shims.is_ours(data):
        return []
    if not shims.is_unchanged(data, name):
        return [f"left {path}: it was edited"]
    aside = path.with_name(name + shims.BEFORE)
    with translating("a hook cannot be removed", str(path)):
        if shims.read(aside) is None:
            path.unlink()
            return [f"removed {path}"]
        aside.replace(path)
    return [f"removed {path}; what was there before is back"]


def _orphan(path: Path) -> list[str]:
    """Give back the place to what ours was put before, where somebody else removed ours."""
    aside = path.with_name(path.name + shims.BEFORE)
    data = shims.read(path)
    if shims.read(aside) is None or (data is not None and shims.is_ours(data)):
        return []
    if data is not None:
        return [f"left {aside}: another hook has its place"]
    with translating("a hook cannot be put back", str(path)):
        aside.replace(path)
    return [f"put back {path}, which was there before"]
