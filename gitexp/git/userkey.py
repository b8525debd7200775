"""A key of this user's, outside every repository, by which he knows again what gitexp remembered.

What lies in a Git directory may have come with somebody else's folder.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_KEY_BYTES: Final = 32


def user_key(git_dir: Path) -> bytes | None:
    """Return this user's key, which is made when it is first needed; None without a place for it.

    `git_dir`: the common Git directory: the key may not lie in its work tree, where a branch may
    put one.
    """
    home = os.environ.get("HOME") or os.environ.get("USERPROFILE") or "."
    folder = Path(os.environ.get("XDG_STATE_HOME") or f"{home}/.local/state", "gitexp")
    inside = git_dir.name == ".git" and git_dir.parent in folder.parents
    if inside or not folder.is_absolute():
        return None
    file = folder / "index-key"
    try:
        known = file.read_bytes()
        if len(known) == _KEY_BYTES:
            return known
    except FileNotFoundError:
        pass
    except OSError:
        return None
    made = os.urandom(_KEY_BYTES)
    half = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(made)
        half.replace(file)  # of two at once the later one counts
    except OSError:
        return None
    return made
