"""The hooks in Git's folder: put in place beside what is there, taken away again, described.

What was there before is kept byte for byte and goes first. Nothing sets core.hooksPath.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gitexp.enforcement.hooks import managers, shims
from gitexp.errors import ExistsError, PreconditionError
from gitexp.git import command
from gitexp.git.command import translating
from gitexp.model import dataclass, replace
from gitexp.model.rules import CLIENT_HOOKS, SERVER_HOOKS, Hook, HooksReport, HookState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.enforcement.hooks.managers import Manager
    from gitexp.model.workspace import Workspace


# Everywhere else `command.SAFE` turns hooks off, and with them this answer.
_SETTINGS: Final = ("-c", "core.fsmonitor=false")


# How managers rename what they find; only the first is then called by them.
RENAMED: Final = (".legacy", ".old")


@dataclass(frozen=True, slots=True)
class HookFolder:
    """Where the hooks of a repository are."""

    folder: Path  # in which Git looks for them
    # whether that is in the repository's own Git directory: what core.hooksPath names may be
    # tracked, or shared with other repositories
    own: bool
    unused: Path | None  # the repository's own folder, where Git does not look into it
    top: Path | None  # of the work tree; None in a bare repository
    manager: Manager | None

    @property
    def names(self) -> tuple[str, ...]:
        """The hooks that belong here: a server has others."""
        return SERVER_HOOKS if self.top is None else CLIENT_HOOKS


def hook_folder(workspace: Workspace) -> HookFolder:
    """Return where the hooks of a repository are, and who is in charge of them."""
    path = _searched(workspace)
    mine = workspace.common_dir / "hooks"
    top = workspace.top
    return HookFolder(
        folder=path,
        own=path.resolve().is_relative_to(workspace.common_dir.resolve()),
        unused=None if path.resolve() == mine.resolve() else mine,
        top=top,
        manager=None if top is None else managers.detect(top, path),
    )


def _searched(workspace: Workspace) -> Path:
    arguments = ["rev-parse", "--path-format=absolute", "--git-path", "hooks"]
    code, out, err = command.attempt(workspace, arguments, settings=_SETTINGS)
    if b"empty string" in err:  # core.hooksPath without a value: Git comes to no hook
        return Path(os.devnull)
    if code:
        raise command.failure(arguments, code, err)
    return Path(out.decode("utf-8", "surrogateescape").rstrip("\n"))


def candidates(place: HookFolder, name: str) -> tuple[Path, ...]:
    """Return every path at which one of our hooks may lie."""
    folders = (place.folder, *([place.unused] if place.unused else []))
    return tuple(folder / f"{name}{suffix}" for folder in folders for suffix in ("", *RENAMED))


def _hook(place: HookFolder, name: str) -> Hook:
    path = place.folder / name
    data = shims.read(path)
    if data is not None and shims.is_ours(data):
        return _own_hook(path, data, name)
    managed = _by_manager(place, place.manager, path) if place.manager is not None else None
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


def _by_manager(place: HookFolder, manager: Manager, path: Path) -> Hook | None:
    name = path.name
    told = place.top is not None and managers.calls(manager, place.top, name)
    if not managers.runs(manager, place.folder, name):
        why = f"{manager.activate}{NOT_CALLED}"
        return Hook(name, HookState.DEAD, why) if told else None
    if told:
        return Hook(name, HookState.MANAGED, f"by {manager.name}")
    below = path.with_name(name + RENAMED[0])
    if manager.keeps and _is_ours(below):
        return Hook(name, HookState.INSTALLED, f"{manager.name} runs it as {below.name}")
    return Hook(name, HookState.ABSENT, f"{manager.name} is not told to call it")


def _own_hook(path: Path, data: bytes, name: str) -> Hook:
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


NOT_CALLED: Final = " has not been called for it"  # behind the command of a manager
_FSCK: Final = "receive.fsckObjects"


def install(
    workspace: Workspace, *, python: str = sys.executable, anywhere: bool = False
) -> HooksReport:
    """Put the hooks where Git looks for them, or say what a manager in charge needs.

    In a bare repository that is the server's gate, and Git is told to look at what is pushed as
    `git fsck` does. `anywhere`: a folder of core.hooksPath outside the Git directory may be written
    to.
    """
    place = hook_folder(workspace)
    if place.manager is not None and place.top is not None:
        return _managed(place, place.manager, place.top)
    if not place.own and not anywhere:
        raise PreconditionError(
            "core.hooksPath names a folder outside of the repository's Git directory",
            found=str(place.folder),
            expected="a folder of this clone alone: that one is tracked, or others use it too",
            next_step="gitexp hooks install --hooks-path, to write there all the same",
        )
    settings = {"python": Path(python).as_posix(), "flags": _flags(python)}
    texts = {name: shims.rendered(name, settings) for name in place.names}
    for name in place.names:
        _check_free(place.folder / name)
    done = [line for name in place.names if (line := _install(place.folder / name, texts[name]))]
    if place.top is None and command.attempt(workspace, ["config", "--get", _FSCK])[0]:
        command.run(workspace, ["config", _FSCK, "true"])
        done.append(f"{_FSCK} is true: Git refuses broken objects")
    return replace(
        _report(place, "install", done),
        next_step="" if place.top is None else "gitexp hooks status",
    )


def uninstall(workspace: Workspace) -> HooksReport:
    """Remove what is ours and unchanged, and give back the place to what was there before."""
    place = hook_folder(workspace)
    done: list[str] = []
    for name in place.names:
        for path in candidates(place, name):
            done += _uninstall(path, name)
        done += _orphan(place.folder / name)
    return _report(place, "uninstall", done)


def status(workspace: Workspace) -> HooksReport:
    """Return how each hook stands."""
    found = _report(hook_folder(workspace), "status")
    complete = all(hook.runs for hook in found.hooks)
    return found if complete else replace(found, next_step="gitexp hooks install")


def _report(place: HookFolder, verb: str, done: Sequence[str] = ()) -> HooksReport:
    return HooksReport(
        verb=verb,
        folder=str(place.folder),
        manager="" if place.manager is None else place.manager.name,
        hooks=tuple(_hook(place, name) for name in place.names),
        done=tuple(done),
    )


def _managed(place: HookFolder, manager: Manager, top: Path) -> HooksReport:
    found = _report(place, "install")
    if all(hook.runs for hook in found.hooks):
        return found
    step = f"{manager.activate}, then gitexp hooks status"
    return replace(found, entry=manager.entry(top), next_step=step)


def _flags(python: str) -> str:
    """Return how Python is kept from importing what a branch has at its top: -I, or -P."""
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
