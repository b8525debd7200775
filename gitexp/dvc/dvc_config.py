"""DVC's configuration, read without DVC: system, global, the repository's, the repository's local.

Only what gitexp itself needs is looked at; remotes and credentials are left to DVC. The format is
that of ConfigObj, of which DVC writes sections, ``key = value``, quotes and comments.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.errors import PreconditionError
from gitexp.git import command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Sections = dict[str, dict[str, str]]

YES = frozenset({"true", "yes", "on", "1"})
LIMIT_BYTES = 1 << 20


def has_dvc(folder: Path) -> bool:
    """Tell whether DVC would find a repository of its own in `folder`."""
    return _nearest(folder) is not None


def find_dvc_dir(folder: Path) -> Path:
    """Return the ``.dvc`` folder that DVC would use in `folder`.

    Raises `PreconditionError` if there is none up to the top of the Git work tree, or a sparse
    checkout has left it out.
    """
    found = _nearest(folder)
    if found is not None:
        return found
    # A sparse checkout may leave one out that Git knows of: `dvc init` would make a second one.
    if any(_knows(place) for place in _above(folder)):
        raise PreconditionError(
            "DVC's folder is not in this work tree",
            found=".dvc is committed, and not checked out",
            where=str(folder),
            next_step="git sparse-checkout add .dvc, or git checkout -- .dvc",
        )
    raise PreconditionError(
        "DVC is not set up here",
        found="no .dvc folder",
        where=str(folder),
        next_step="dvc init",
    )


def _nearest(folder: Path) -> Path | None:
    return next((place / ".dvc" for place in _above(folder) if (place / ".dvc").is_dir()), None)


def _knows(folder: Path) -> bool:
    """Whether Git's index has DVC's settings there."""
    return bool(command.attempt(folder, ["ls-files", "--", ".dvc/config"])[1])


def _above(folder: Path) -> Iterator[Path]:
    """Yield a folder and those above it, up to the top of the Git work tree."""
    for place in (folder, *folder.parents):
        if place.is_dir():
            yield place
        if (place / ".git").exists():
            break


def read_settings(dvc_dir: Path, environ: Mapping[str, str]) -> Sections:
    """Return section -> key -> value; what is nearer to the repository wins.

    ``cache.dir`` and the ``url`` of a remote that is a folder are absolute, all other values are
    as written.
    """
    merged: Sections = {}
    for file in (*outside(environ), dvc_dir / "config", dvc_dir / "config.local"):
        for section, values in parse(content(file)).items():
            merged.setdefault(section, {}).update(values)
            if section == "cache" and "dir" in values:
                merged[section]["dir"] = _absolute(values["dir"], file.parent, environ)
            if section.startswith("remote ") and "://" not in values.get("url", "://"):
                merged[section]["url"] = _absolute(values["url"], file.parent, environ)
    return merged


def content(file: Path) -> str:
    """Return the text of one file; "" where it is not there."""
    try:
        with file.open("rb") as stream:
            return decoded(stream.read(LIMIT_BYTES))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return ""


def decoded(data: bytes) -> str:
    """Return the bytes of a file as text, whatever ends its lines."""
    return data[:LIMIT_BYTES].decode("utf-8", "replace").replace("\r\n", "\n")


def parse(text: str) -> Sections:
    r"""Return the sections of one file, names in lower case.

    Examples
    --------
    >>> parse("[cache]\n    type = reflink,copy  # why\n")
    {'cache': {'type': 'reflink,copy'}}
    """
    sections: Sections = {}
    current: dict[str, str] = {}
    for raw in text.lstrip("\ufeff").splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            name = line.partition("#")[0].strip().strip("[]").strip()
            current = sections.setdefault(_unquoted(name).lower(), {})
            continue
        key, sign, value = line.partition("=")
        if sign:
            current[_unquoted(key.strip()).lower()] = _value(value.strip())
    return sections


def is_on(sections: Sections, section: str, key: str) -> bool:
    """Tell whether a switch is set."""
    return sections.get(section, {}).get(key, "").lower() in YES


def outside(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files of the system's and of the user's own settings; a repository's go before."""
    system = environ.get("DVC_SYSTEM_CONFIG_DIR")
    if not system:
        first = environ.get("XDG_CONFIG_DIRS", "").split(os.pathsep)[0] or "/etc/xdg"
        system = f"{first}/dvc"
    mine = environ.get("DVC_GLOBAL_CONFIG_DIR")
    if not mine:
        base = environ.get("XDG_CONFIG_HOME") or f"{environ.get('HOME', '')}/.config"
        mine = f"{base}/dvc"
    return Path(system, "config"), Path(mine, "config")


def _absolute(path: str, folder: Path, environ: Mapping[str, str]) -> str:
    """Return a path as DVC reads it: from the folder of the file that names it."""
    if path == "~" or path.startswith("~/"):
        path = environ.get("HOME", "~") + path[1:]
    return os.path.normpath(folder / path)


def _value(text: str) -> str:
    if text[:1] in {"'", '"'}:
        end = text.find(text[0], 1)
        return text[1:end] if end > 0 else text
    return text.partition(" #")[0].strip()


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in {"'", '"'}:
        return text[1:-1]
    return text
