"""Managers of hooks: which is in charge of a repository, and how it is told to call gitexp.

Where one is there, no hook is written. Each has its own way of treating what it finds - keeping it
under another name, forgetting it, or making a circle of it - and its next ``install`` would do so.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from gitexp.enforcement.hooks import shims
from gitexp.model import dataclass
from gitexp.model.rules import CLIENT_HOOKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_STAGE_ARGUMENTS: Final = ("prepare-commit-msg", "commit-msg")  # to which a file name is given

_PREK_FILE: Final = "prek.toml"
_FRAMEWORK_FILE: Final = ".pre-commit-config.yaml"

# lefthook passes over a command of these hooks where no file is committed, or where HEAD has none
# to push, whatever branch is pushed - but not over one that asks for files which it names itself.
# One of these two is a file; in a linked worktree or a submodule that is the first.
_OF_FILES: Final = ("pre-commit", "pre-push")
_A_FILE: Final = "echo .git; echo .git/HEAD"


@dataclass(frozen=True, slots=True)
class Manager:
    """One of them."""

    name: str
    # paths from the top of the work tree; the first that is there holds its settings
    configs: tuple[str, ...]
    mark: bytes  # stands in the hooks that it writes
    # returns what to write into its settings so that it calls all our hooks, given the top of the
    # work tree
    entry: Callable[[Path], str]
    activate: str  # the command that makes Git run it
    key: str = ""  # in package.json, where it may keep its settings; "" for none
    n_own: int | None = None  # how many of `configs` are nobody else's; None for all
    keeps: bool = False  # whether it goes on running a hook that it found, as NAME.legacy


def detect(top: Path, folder: Path) -> Manager | None:
    """Return the manager in charge: the one whose hooks Git runs, else one that has settings."""
    if folder.parent.name == ".husky" or folder.name == ".husky":
        return HUSKY
    for manager in MANAGERS:
        if any(runs(manager, folder, name) for name in CLIENT_HOOKS):
            return manager
    return next((manager for manager in MANAGERS if _is_set_up(manager, top)), None)


def runs(manager: Manager, folder: Path, name: str) -> bool:
    """Return whether Git comes to the manager for a hook."""
    path = folder / name
    data = shims.read(path)
    return data is not None and manager.mark in data and shims.is_executable(path)


def settings(manager: Manager, top: Path) -> str:
    """Return the text of the manager's settings, without comments; "" where there are none."""
    parts = [_text(top / name) for name in manager.configs]
    package = _text(top / "package.json")
    if manager.key and f'"{manager.key}"' in package:
        parts.append(package)
    return "\n".join(part for part in parts if part)


def calls(manager: Manager, top: Path, name: str) -> bool:
    """Return whether the manager's settings call one of our hooks."""
    text = _text(top / ".husky" / name) if manager is HUSKY else settings(manager, top)
    lines = "\n".join(line for line in text.split("\n") if not line.lstrip().startswith("#"))
    wanted = re.compile(rf"gitexp hook {name}(?![\w-])|id *[:=] *[\"']?gitexp-{name}(?![\w-])")
    return wanted.search(lines) is not None


def _is_set_up(manager: Manager, top: Path) -> bool:
    if manager.key and f'"{manager.key}"' in _text(top / "package.json"):
        return True
    return any((top / name).is_file() for name in manager.configs[: manager.n_own])


def _text(path: Path) -> str:
    data = shims.read(path) if path.is_file() else None
    return "" if data is None else data.decode("utf-8", "replace")


def _prek(top: Path) -> str:
    if not (top / _PREK_FILE).is_file():
        return _framework(top)
    lines = [f"default_install_hook_types = {json.dumps(CLIENT_HOOKS)}", "[[repos]]"]
    lines += ['repo = "local"', "hooks = ["]
    for name in CLIENT_HOOKS:
        given = "" if name in _STAGE_ARGUMENTS else "pass_filenames = false, verbose = true, "
        lines.append(
            f'  {{id = "gitexp-{name}", name = "gitexp {name}", entry = "gitexp hook {name}", '
            f'language = "system", always_run = true, {given}stages = ["{name}"]}},'
        )
    return "\n".join([*lines, "]"])


def _framework(_top: Path) -> str:
    lines = [f"default_install_hook_types: [{', '.join(CLIENT_HOOKS)}]", "repos:", "- repo: local"]
    lines.append("  hooks:")
    for name in CLIENT_HOOKS:
        # What a hook that passes has to say is shown by verbose alone.
        given = "" if name in _STAGE_ARGUMENTS else "pass_filenames: false, verbose: true, "
        lines.append(
            f"  - {{id: gitexp-{name}, name: gitexp {name}, entry: gitexp hook {name},\n"
            f"     language: system, always_run: true, {given}stages: [{name}]}}"
        )
    return "\n".join(lines)


def _lefthook(_top: Path) -> str:
    lines = []
    for name in CLIENT_HOOKS:
        run = f"gitexp hook {name} {{0}}"  # every argument there is
        rest = ""
        if name in _OF_FILES:
            run, rest = f"{run} {{files}}", f', files: "{_A_FILE}"'
        if name == "pre-push":
            rest += ", use_stdin: true"
        lines.append(f'{name}: {{commands: {{gitexp: {{run: "{run}"{rest}}}}}}}')
    return "\n".join(lines)


def _husky(_top: Path) -> str:
    return "\n".join(f'.husky/{name}:  gitexp hook {name} "$@"' for name in CLIENT_HOOKS)


def _simple(_top: Path) -> str:
    entries = [f'  "{name}": "gitexp hook {name} \\"$@\\""' for name in CLIENT_HOOKS]
    return '"simple-git-hooks": {\n' + ",\n".join(entries) + "\n}"


_LEFTHOOK_FILES: Final = tuple(
    f"{prefix}lefthook.{suffix}"
    for prefix in ("", ".", ".config/")
    for suffix in ("yml", "yaml", "toml", "json", "jsonc")
)
_SIMPLE_FILES: Final = tuple(
    f"{prefix}simple-git-hooks.{suffix}"
    for prefix in ("", ".")
    for suffix in ("json", "js", "cjs", "mjs", "ts")
)

HUSKY: Final = Manager("husky", (), b'"$(dirname "$0")/h"', _husky, "npx husky", key="husky")
MANAGERS: Final = (
    Manager("lefthook", _LEFTHOOK_FILES, b"call_lefthook", _lefthook, "lefthook install"),
    Manager(
        "simple-git-hooks",
        _SIMPLE_FILES,
        b"SKIP_SIMPLE_GIT_HOOKS",
        _simple,
        "npx simple-git-hooks",
        key="simple-git-hooks",
    ),
    Manager(
        "prek",
        (_PREK_FILE, _FRAMEWORK_FILE),
        b"File generated by prek",
        _prek,
        "prek install",
        n_own=1,
        keeps=True,
    ),
    Manager(
        "pre-commit",
        (_FRAMEWORK_FILE,),
        b"File generated by pre-commit",
        _framework,
        "pre-commit install",
        keeps=True,
    ),
    HUSKY,
)
