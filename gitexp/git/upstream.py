"""Names of refs, and the branches that the user made his own: local ones, upstreams, origin's.

Whoever owns a remote writes what it has, dates included. A fork that was only fetched is nobody's
upstream: its `main` neither gives rules nor says what was merged. No repository is opened here, so
a hook has the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gitexp.git import command
from gitexp.model.ids import CommitHash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from gitexp.model.workspace import Workspace


_REMOTES = "refs/remotes/"


def short(ref: str) -> str:
    """Return the name of a branch or tag; a remote's branch has the same as one of ours.

    Examples
    --------
    >>> short("refs/heads/exp/a"), short("refs/remotes/origin/exp/a"), short("refs/tags/v1")
    ('exp/a', 'exp/a', 'v1')
    """
    return followed(ref) or ref.split("/", 2)[-1]


def followed(ref: str) -> str:
    """Return the branch of a remote that a ref follows, "" for any other ref.

    Examples
    --------
    >>> followed("refs/remotes/origin/exp/a"), followed("refs/heads/exp/a")
    ('exp/a', '')
    """
    return ref.removeprefix(_REMOTES).partition("/")[2] if ref.startswith(_REMOTES) else ""


_HEADS = "refs/heads/"


class Own(NamedTuple):
    """A branch by its short name, which is that of the remote's branch, too."""

    name: str
    commit: CommitHash
    ref: str


def own(
    where: Workspace | Path, patterns: Iterable[str], env: Mapping[str, str] | None = None
) -> list[Own]:
    """Return branches that patterns may mean, in their order: no date decides.

    Of one name the upstream comes first, then origin's, then the local branch. An upstream counts
    where it has the name of its branch. hooks/pre-commit asks for main and master in the same
    order. A pattern with ``*`` is widened to what git can look up: the caller picks.
    """
    patterns = tuple(patterns)
    asked: list[str] = []
    for pattern in patterns:
        literal, star, _ = pattern.partition("*")
        folder = literal.rpartition("/")[0]
        below = f"/{folder}" if folder else ""
        asked += (
            (f"refs/heads{below}", "refs/remotes")
            if star
            else (f"{_HEADS}{literal}", f"refs/remotes/*/{literal}")
        )
    if not asked:
        return []
    arguments = ["for-each-ref", "--format=%(objectname) %(refname) %(upstream)", "--", *asked]
    code, out, err = command.attempt(where, arguments, env=env)
    if code:
        raise command.failure(arguments, code, err)
    lines = [line.split(" ") for line in command.lines(out)]
    upstreams = {up for _, ref, up in lines if followed(up) == ref.removeprefix(_HEADS)}
    found: tuple[list[Own], ...] = ([], [], [])
    for commit, ref, _ in lines:
        if ref.startswith(_HEADS):
            found[2].append(Own(ref.removeprefix(_HEADS), CommitHash(commit), ref))
        elif ref in upstreams or ref.startswith("refs/remotes/origin/"):
            place = found[0] if ref in upstreams else found[1]
            place.append(Own(followed(ref), CommitHash(commit), ref))
    order = {pattern: at for at, pattern in enumerate(patterns)}
    every = (each for place in found for each in place)
    return sorted(every, key=lambda each: order.get(each.name, len(order)))
