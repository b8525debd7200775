"""Open a repository: the only place that opens pygit2."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import pygit2

from gitexp.errors import NoRepositoryError
from gitexp.git import command
from gitexp.git.discovery import discover

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.git.fsck import Tree
    from gitexp.model.workspace import Workspace

__all__ = ["Repo", "discover", "open_repository"]

# Formats that change nothing about how objects are read; libgit2 refuses what it does not know.
# With reftable, refs go through git itself (see refs.py).
_EXTENSIONS = ["partialclone", "relativeworktrees", "refstorage"]


class Repo:
    """An open repository: a workspace and its pygit2 handle. Cheap to make, not thread-safe."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.git = _open(workspace)
        self.trees: dict[str, Tree] = {}  # by id of tree or commit; see `objects`
        self.tables: dict[tuple[str, ...], object] = {}  # of samples, by id; see `store.records`

    @cached_property
    def settings(self) -> Mapping[str, str]:
        """Git's settings as git itself reads them (libgit2 ignores GIT_CONFIG_* variables).

        Keys as git prints them (section and name in lower case); the last value wins.
        """
        out = command.run(self.workspace, ["config", "--list", "-z", "--includes"])
        found: dict[str, str] = {}
        for record in out.decode("utf-8", "surrogateescape").split("\0"):
            key, separator, value = record.partition("\n")
            if key:
                found[key] = value if separator else "true"  # a key without "=" means true
        return found

    def setting_is_true(self, key: str) -> bool:
        """Return whether a boolean setting is on; what git would not read as true is off."""
        return self.settings.get(key, "").lower() in {"true", "yes", "on", "1"}

    @cached_property
    def reftable(self) -> bool:
        """Whether refs are stored in a way that pygit2 cannot read."""
        return (self.workspace.common_dir / "reftable").is_dir()

    @cached_property
    def partial(self) -> bool:
        """Whether objects may be missing here that a remote has promised."""
        return any(key.endswith(".promisor") for key in self.settings)

    def fresh(self) -> Repo:
        """Return a second handle without any cache, to see what is really on the disk."""
        return Repo(self.workspace)


def open_repository(workspace: Workspace) -> Repo:
    """Open the repository of a workspace that `discover` returned.

    Raises `NoRepositoryError` if libgit2 cannot read this kind of repository (SHA-256 object
    names, for one).
    """
    return Repo(workspace)


def _open(workspace: Workspace) -> pygit2.Repository:
    pygit2.settings.set_extensions(_EXTENSIONS)
    # Objects and refs reach the disk before we say so: power loss must not leave an empty ref.
    pygit2.settings.enable_fsync_gitdir(True)  # noqa: FBT003 - a foreign signature
    # Git was asked by `discover` whether this repository may be used. libgit2 reads safe.directory
    # from fewer places (no GIT_CONFIG_GLOBAL, no command scope) and would refuse what Git allows.
    checked = pygit2.settings.owner_validation
    pygit2.settings.owner_validation = False
    try:
        return pygit2.Repository(str(workspace.git_dir))
    except (pygit2.GitError, KeyError) as error:
        raise NoRepositoryError(
            "libgit2 cannot open this repository",
            found=str(error),
            where=str(workspace.git_dir),
            expected="a repository with SHA-1 object names",
        ) from error
    finally:
        pygit2.settings.owner_validation = checked
