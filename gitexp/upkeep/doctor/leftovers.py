"""What a transaction makes for a moment and a killed one leaves: refs, indexes, folders."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from gitexp.git import refs
from gitexp.git.transaction import layout, owners
from gitexp.store import calls
from gitexp.upkeep.doctor.place import Curable, remove

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitexp.upkeep.doctor.place import CheckedRepository

NAME = "leftovers"
_INDEX = re.compile(r"index\.gitexp-([0-9a-f]{16})(\.lock)?")
_FOLDER = re.compile(r"publish-([0-9a-f]{16})")


def look(place: CheckedRepository) -> Iterator[Curable]:
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
            yield Curable(
                "a temporary file whose transaction has ended",
                path,
                "remove it",
                partial(remove, path),
            )


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
