"""What a transaction leaves that was killed: locks, refs, indexes, folders; and Git's own locks."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from gitexp.git import refs
from gitexp.git.transaction import layout, owners
from gitexp.git.worktree import checkouts
from gitexp.store import calls
from gitexp.upkeep.doctor.place import Curable, removable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitexp.git.worktree.checkouts import Checkout
    from gitexp.upkeep.doctor.place import CheckedRepository


OLD_S = 60.0  # a git command that is under way has usually ended by then
_OURS = re.compile(r"[0-9a-f]{16}")
_COMMON = ("packed-refs.lock", "config.lock", "shallow.lock")


def locks_in_the_way(place: CheckedRepository) -> Iterator[Curable]:
    """Yield locks whose owner is dead or unknown."""
    seen = [(each, checkouts.owner_of(each)) for each in place.worktrees() if not each.missing]
    known = place.owner_ids()  # asked after the locks were seen
    for owned in owners.stale(place.workspace):
        yield Curable(
            f"process {owned.pid} died while it published on {_short(owned.ref)}",
            owners.path_of(place.workspace, owned.id),
            "finish what is visible, forget the rest, release its locks",
            lambda: "; ".join(owners.clear_stale(place.repo)),
            done="cleared already",
        )
    for path in owners.unreadable(place.workspace):
        if place.age_s(path) > OLD_S:
            yield Curable(
                "a note of who holds locks is half written, so nobody can be asked",
                path,
                f"rm {shlex.quote(str(path))}, if no gitexp process works on this repository",
            )
    for checkout, owner in seen:
        if _OURS.fullmatch(owner) and owner not in known:
            yield _orphan(place, checkout, owner)
        elif not _OURS.fullmatch(owner):
            yield from _foreign(place, checkouts.path_of(checkout), "the index")
            yield from _foreign(place, checkout.git_dir / "HEAD.lock", "HEAD")
    for name in _COMMON:
        path = place.workspace.common_dir / name
        yield from _foreign(place, path, name.removesuffix(".lock"))
    dead = {f"{owned.ref}.lock" for owned in owners.stale(place.workspace)}
    for path in sorted((place.workspace.common_dir / "refs").rglob("*.lock")):
        name = path.relative_to(place.workspace.common_dir).as_posix()
        if name not in dead and not name.startswith("refs/gitexp/tmp/"):
            yield from _foreign(place, path, _short(name.removesuffix(".lock")))


def _orphan(place: CheckedRepository, checkout: Checkout, owner: str) -> Curable:
    path = checkouts.path_of(checkout)
    return Curable(
        "the index is locked by a transaction that has ended",
        path,
        "remove the lock",
        partial(_clear_orphan, place, checkout, owner),
        done="removed the lock",
    )


def _foreign(place: CheckedRepository, path: Path, what: str) -> Iterator[Curable]:
    """Yield a lock of git's own that is there for long; it does not say whose it is."""
    if place.age_s(path) > OLD_S:
        yield Curable(
            f"a git command has locked {what} for {place.age_s(path) / 60:.0f} min, "
            "or was killed and left the lock",
            path,
            f"rm {shlex.quote(str(path))}, if no git command is under way here",
        )


def _clear_orphan(place: CheckedRepository, checkout: Checkout, owner: str) -> None:
    with owners.critical(place.workspace):
        if checkouts.owner_of(checkout) == owner and owner not in place.owner_ids():
            checkouts.path_of(checkout).unlink(missing_ok=True)


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/")


_INDEX = re.compile(r"index\.gitexp-([0-9a-f]{16})(\.lock)?")
_FOLDER = re.compile(r"publish-([0-9a-f]{16})")


def leftovers(place: CheckedRepository) -> Iterator[Curable]:
    """Yield temporary things that belong to no transaction, dead or alive."""
    names = sorted(refs.temporary(place.repo, layout.TEMPORARY_REFS))
    paths = tuple(_paths(place))
    known = place.owner_ids()  # asked after all of them were seen
    known |= {owned.id for owned in owners.stale(place.workspace)}
    for name in names:
        id_ = name.removeprefix(layout.TEMPORARY_REFS)
        if id_ not in known:
            yield Curable(
                "a temporary ref whose transaction has ended",
                name,
                "delete it",
                partial(refs.drop, place.repo, name),
                done="deleted the ref",
            )
    for id_, path in paths:
        if id_ not in known:
            yield removable("a temporary file whose transaction has ended", path)


def _paths(place: CheckedRepository) -> Iterator[tuple[str, Path]]:
    """Yield temporary indexes, and folders of files that were to be put into a work tree."""
    for checkout in place.worktrees():
        if checkout.missing:
            continue
        for path in sorted(checkout.git_dir.glob("index.gitexp-*")):
            if match := _INDEX.fullmatch(path.name):
                yield match[1], path
        workspace = replace(place.workspace, git_dir=checkout.git_dir, top=checkout.top)
        folder = calls.folder(workspace)
        if folder is not None:
            for path in sorted(folder.glob("publish-*")):
                if match := _FOLDER.fullmatch(path.name):
                    yield match[1], path
