"""The branches that rules speak of, and those whose settings say what the rules are.

The settings are those of a protected branch, never of the one judged: a branch that could loosen
its own rules would pass the hooks of its author and be refused by a server, or worse. So hooks and
`check` go by main as its upstream has it, as a server goes by its own; what another remote calls
main has no word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.git.tree import tree_of
from gitexp.git.upstream import USUAL, Own, Where, own, single
from gitexp.model import dataclass
from gitexp.rules.facts import settings_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import CommitHash
    from gitexp.model.rules import Objects


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


@dataclass(frozen=True, slots=True)
class Governing:
    """The settings that count."""

    config: ProjectConfig | None  # None where nobody but the commit itself says anything
    # where sh looks for which branches are experiments': a commit, "HEAD", or "" for the index
    source: str
    plain: bool = True  # whether `config` is what `source` has


def governing(
    objects: Objects,
    where: Where,
    branch: str,
    before: CommitHash | None,
    env: Mapping[str, str] | None = None,
) -> Governing:
    """Return the settings by which commits of a branch are judged.

    On a protected branch those that it had before; elsewhere those of the protected branch, as its
    upstream, origin or this clone has it; where none has any, those that the branch had before.
    """
    held = None if before is None else settings_in(tree_of(objects, before))
    main = _first(objects, own(where, USUAL, env), USUAL)
    source = main[0].commit if main else "HEAD" if held else ""
    named = main[1] if main else held
    if named is None:
        return Governing(None, source)
    if held is not None and is_protected(named, branch):
        return Governing(held, source, plain=held == named)
    if main is not None and named.protected == (main[0].name,):
        return Governing(named, source)
    found = _first(objects, own(where, named.protected, env), named.protected)
    config = found[1] if found else named
    return Governing(config, source, plain=config == named)


def _first(
    objects: Objects, tips: Iterable[Own], patterns: Collection[str]
) -> tuple[Own, ProjectConfig] | None:
    patterns = single(patterns, objects.main)
    for each in tips:
        if any(matches(pattern, each.name) for pattern in patterns):
            found = settings_in(tree_of(objects, each.commit))
            if found is not None:
                return each, found
    return None
