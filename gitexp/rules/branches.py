"""Which branches the rules speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitexp.model.config import ProjectConfig


def is_experiment(config: ProjectConfig, branch: str) -> bool:
    """Return whether a branch, by its short name, is one on which experiments live."""
    return bool(branch) and matches(config.experiment_branches, branch)


def is_protected(config: ProjectConfig, branch: str) -> bool:
    """Return whether only concluded experiments are merged into a branch."""
    return bool(branch) and any(matches(pattern, branch) for pattern in config.protected)


def matches(pattern: str, name: str) -> bool:
    """Return whether a name is what a pattern says; ``*`` stands for any text, as in sh's `case`.

    It takes time in proportion to the length of the name, whatever the pattern: either may be a
    stranger's.

    Examples
    --------
    >>> [matches("exp/*", name) for name in ("exp/a", "exp/a/b", "exp/", "main")]
    [True, True, True, False]
    >>> matches("*/try-*", "ada/try-1"), matches("main", "main2")
    (True, False)
    """
    first, *others = pattern.split("*")
    if not others:
        return name == pattern
    *middle, last = others
    if not name.startswith(first):
        return False
    at = len(first)
    for part in middle:  # the leftmost place of each leaves most room for the next
        found = name.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(name) - at >= len(last) and name.endswith(last)
