"""Whose settings say what the rules are: those of a protected branch, never of the one judged.

A branch that could loosen its own rules would pass the hooks of its author and be refused by a
server, or worse. So hooks and `check` go by main as its upstream has it, as a server goes by its
own; what another remote calls main has no word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gitexp.git.tree import Tree
from gitexp.model.config import ProjectConfig
from gitexp.rules.branches import is_protected, matches
from gitexp.rules.facts import settings_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gitexp.git.upstream import Own
    from gitexp.model.ids import CommitHash
    from gitexp.model.rules import Objects

    Tips = Callable[[Iterable[str]], Sequence[Own]]

_USUAL: Final = ProjectConfig().protected


@dataclass(frozen=True, slots=True)
class Governing:
    """The settings that count.

    Attributes
    ----------
    config : ProjectConfig or None
        None where nobody but the commit itself says anything.
    source : str
        Where sh looks for which branches are experiments': a commit, "HEAD", or "" for the index.
    plain : bool
        Whether `config` is what `source` has.
    """

    config: ProjectConfig | None
    source: str
    plain: bool = True


def governing(objects: Objects, tips: Tips, branch: str, before: CommitHash | None) -> Governing:
    """Return the settings by which commits of a branch are judged.

    On a protected branch those that it had before; elsewhere those of the protected branch, as its
    upstream, origin or this clone has it; where none has any, those that the branch had before.

    `tips`: returns the branches that patterns may mean, those first that count first. `before`:
    what it held before: HEAD for a commit to be.
    """
    own = None if before is None else _of(objects, before)
    main = _first(objects, tips, _USUAL)
    source = main[0] if main else "HEAD" if own else ""
    named = main[1] if main else own
    if named is None:
        return Governing(None, source)
    if own is not None and is_protected(named, branch):
        return Governing(own, source, plain=own == named)
    if named.protected == _USUAL:
        return Governing(named, source)
    found = _first(objects, tips, named.protected)
    config = found[1] if found else named
    return Governing(config, source, plain=config == named)


def _first(
    objects: Objects, tips: Tips, patterns: Iterable[str]
) -> tuple[CommitHash, ProjectConfig] | None:
    for name, commit, _ in tips(patterns):
        if any(matches(pattern, name) for pattern in patterns):
            found = _of(objects, commit)
            if found is not None:
                return commit, found
    return None


def _of(objects: Objects, commit: CommitHash) -> ProjectConfig | None:
    return settings_in(Tree(objects, objects.commit(commit).tree))
