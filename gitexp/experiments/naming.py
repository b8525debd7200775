"""What an experiment and its branch may be called: what every system can hold beside the others."""

from __future__ import annotations

import re
import shlex
import unicodedata
from typing import TYPE_CHECKING

from gitexp.errors import BadNameError, ExistsError
from gitexp.git import refs

if TYPE_CHECKING:
    from gitexp.git.repository import Repo

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


def check_name(name: str) -> None:
    """Refuse a name that could not be a branch on every system.

    Raises `BadNameError`: with the nearest name that would do.
    """
    good = _NAME.fullmatch(name) and ".." not in name and not name.endswith((".lock", "."))
    if not good:
        near = suggest_name(name)
        raise BadNameError(
            "an experiment cannot have this name",
            found=repr(name),
            expected="a-z, 0-9, dot, underscore, hyphen; a letter or digit first; at most 100",
            next_step=f"gitexp new {near}" if near else "choose another name",
        )


def suggest_name(name: str) -> str:
    """Return the nearest allowed name, "" where nothing is left of it.

    Examples
    --------
    >>> suggest_name("Focal Loss (v2)")
    'focal-loss-v2'
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    joined = re.sub(r"[^a-z0-9._]+", "-", plain)
    joined = re.sub(r"\.{2,}", ".", joined).strip("-._")[:100]
    return joined.removesuffix(".lock").strip("-._")


def check_branch(repo: Repo, branch: str, *, instead_of: str = "") -> None:
    """Refuse the name of a new branch that is another's, on whatever file system.

    Raises `ExistsError`.
    """
    for name, _ in refs.branches(repo):
        short = name.removeprefix("refs/heads/")
        if short in {name, instead_of}:
            continue
        if short == branch:
            raise ExistsError(
                f"the branch {branch} exists",
                next_step=f"git switch {shlex.quote(branch)}, or choose another name",
            )
        if short.casefold() == branch.casefold():
            raise ExistsError(
                f"the branch {short} differs from {branch} in letter case only",
                expected="names that stay different on every file system",
                next_step="choose another name",
            )
        if short.startswith(f"{branch}/") or branch.startswith(f"{short}/"):
            raise ExistsError(
                f"the branch {short} stands where {branch} would", next_step="choose another name"
            )
