"""Names of refs, and the branches that the user made his own: local ones, upstreams, origin's.

Whoever owns a remote writes what it has, dates included. A fork that was only fetched is nobody's
upstream: its `main` neither gives rules nor says what was merged. No repository is opened here, so
a hook has the time; one that is open looks names up without a process.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias, runtime_checkable

from gitexp.git import command
from gitexp.model.ids import CommitHash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from gitexp.model.workspace import Workspace


_REMOTES = "refs/remotes/"


def short(ref: str) -> str:
    """Return the name of a branch or tag; a remote's branch has the same as one of ours.

    >>> short("refs/heads/exp/a"), short("refs/remotes/origin/exp/a"), short("refs/tags/v1")
    ('exp/a', 'exp/a', 'v1')
    """
    return followed(ref) or ref.split("/", 2)[-1]


def followed(ref: str) -> str:
    """Return the branch of a remote that a ref follows, "" for any other ref.

    >>> followed("refs/remotes/origin/exp/a"), followed("refs/heads/exp/a")
    ('exp/a', '')
    """
    return ref.removeprefix(_REMOTES).partition("/")[2] if ref.startswith(_REMOTES) else ""


RefsByName = dict[str, list[tuple[str, CommitHash]]]
"""Short name -> the refs that are called so, with their commits."""


def by_name(refs: Iterable[tuple[str, CommitHash]]) -> RefsByName:
    """Return refs by their short names, for those who ask many times."""
    found: RefsByName = {}
    for ref, commit in refs:
        found.setdefault(short(ref), []).append((ref, commit))
    return found


_HEADS = "refs/heads/"
_ORIGIN = "refs/remotes/origin/"
USUAL: Final = ("main", "master")
_OF_MAIN: Final = (
    f"{_ORIGIN}HEAD",
    *(f"{place}{name}" for place in (_HEADS, _ORIGIN) for name in USUAL),
)


@runtime_checkable
class OpenRepo(Protocol):
    """An open repository."""

    @property
    def workspace(self) -> Workspace:
        """Where it lies."""

    def listed(self, names: Iterable[str]) -> list[list[str]] | None:
        """Return what `_listed` does; None where git has to be asked."""


Where: TypeAlias = "Workspace | Path | OpenRepo"


class Own(NamedTuple):
    """A branch by its short name, which is that of the remote's branch, too."""

    name: str
    commit: CommitHash
    ref: str


def main_of(where: Where, env: Mapping[str, str] | None = None) -> str:
    """Return the name of the one branch that counts as main; "" where there is none.

    Whoever may push may push a branch called main or master beside the protected one, so one of the
    two counts: that of origin's HEAD, which the clone noted, and which may have any name without a
    slash (the HEAD of a colleague's repository may stand on an experiment); else that of which
    there is a local branch, else origin's. In a bare repository it is that of HEAD. The
    hooks in sh choose alike.
    """
    if _is_bare(where):
        out = command.attempt(_folder(where), ["symbolic-ref", "--quiet", "HEAD"], env=env)[1]
        return "".join(command.lines(out)).removeprefix(_HEADS)
    return _main(_listed(where, _OF_MAIN, env))


def _main(lines: Iterable[list[str]]) -> str:
    found = {ref: symref for _, ref, _, symref in lines}
    head = found.get(f"{_ORIGIN}HEAD", "").removeprefix(_ORIGIN)
    if head and "/" not in head:
        return head
    return next((ref.rpartition("/")[2] for ref in _OF_MAIN[1:] if ref in found), "")


def _listed(where: Where, asked: Iterable[str], env: Mapping[str, str] | None) -> list[list[str]]:
    """Return object, name, upstream and what it stands for of each ref that is asked for."""
    found = where.listed(asked) if isinstance(where, OpenRepo) and env is None else None
    if found is not None:
        return found
    names = "%(objectname) %(refname) %(upstream) %(symref)"
    arguments = ["for-each-ref", f"--format={names}", "--", *asked]
    return [
        line.split(" ") for line in command.lines(command.run(_folder(where), arguments, env=env))
    ]


def _folder(where: Where) -> Workspace | Path:
    return where.workspace if isinstance(where, OpenRepo) else where


def _is_bare(where: Where) -> bool:
    return getattr(_folder(where), "top", where) is None


def single(patterns: Iterable[str], main: str) -> tuple[str, ...]:
    """Return patterns in which main and master, where both are named, stand for the one `main`.

    >>> single(("main", "master", "release/*"), "master"), single(("main",), "master")
    (('master', 'release/*'), ('main',))
    """
    named = tuple(patterns)
    if not main or not set(USUAL).issubset(named):
        return named
    return tuple(main if name == USUAL[0] else name for name in named if name != USUAL[1])


def own(
    where: Where,
    patterns: Iterable[str],
    env: Mapping[str, str] | None = None,
) -> list[Own]:
    """Return branches that patterns may mean, in their order: no date decides.

    Of one name the upstream comes first, then origin's, then the local branch. An upstream counts
    where it has the name of its branch, of main and master one (`main_of`); hooks/pre-commit asks
    alike.
    """
    patterns = tuple(patterns)
    given = {*patterns}
    both = given.issuperset(USUAL)
    plain = both and "*" not in "".join(patterns) and not _is_bare(where)
    if both and not plain:
        patterns = single(patterns, main_of(where, env))
    asked: list[str] = [*_OF_MAIN] if plain else []
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
    lines = _listed(where, asked, env)
    if plain:  # which of the two is main was asked with the rest
        patterns = single(patterns, _main(lines))
        if not given.issuperset(patterns):
            return own(where, patterns, env)
        other = {"HEAD", *given}.difference(patterns)
        lines = [line for line in lines if short(line[1]) not in other]
    upstreams = {up for _, ref, up, _ in lines if followed(up) == ref.removeprefix(_HEADS)}
    found: tuple[list[Own], ...] = ([], [], [])
    for commit, ref, _, _ in lines:
        if ref.startswith(_HEADS):
            found[2].append(Own(ref.removeprefix(_HEADS), CommitHash(commit), ref))
        elif ref in upstreams or ref.startswith("refs/remotes/origin/"):
            place = found[0] if ref in upstreams else found[1]
            place.append(Own(followed(ref), CommitHash(commit), ref))
    order = {pattern: at for at, pattern in enumerate(patterns)}
    every = (each for place in found for each in place)
    return sorted(every, key=lambda each: order.get(each.name, len(order)))


def known(where: Where, env: Mapping[str, str] | None = None) -> Callable[[str], list[CommitHash]]:
    """Return what tells which commits the user's own branches of a name hold; git is asked once."""

    @cache
    def every() -> list[Own]:
        return own(where, ["*"], env)

    return lambda name: [commit for each, commit, _ in every() if each == name]
