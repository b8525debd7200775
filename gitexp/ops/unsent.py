"""Which data of a commit are not on the DVC remote, as far as that can be seen without DVC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.data import cache, exchange
from gitexp.data.needed import Reader
from gitexp.errors import GitexpError
from gitexp.git import repository

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.data.cache import CacheConfig
    from gitexp.model.ids import CommitHash, Md5
    from gitexp.model.workspace import Workspace


class DataRemote:
    """Answers for one repository; of a remote that is a plain folder.

    Parameters
    ----------
    workspace : Workspace
    environ : mapping of str to str
        For DVC's settings.
    """

    def __init__(self, workspace: Workspace, environ: Mapping[str, str]) -> None:
        self._workspace = workspace
        self._environ = environ
        self._reader: Reader | None = None

    def unsent(self, commit: CommitHash) -> tuple[str, ...] | None:
        """Return what a commit names of data that is not on the DVC remote, as paths.

        None where only DVC could tell.
        """
        if self._workspace.top is None:
            return None
        try:
            found = exchange.remote_of(self._workspace.top, self._environ)
            if found is None or found.folder is None:
                return None
            there = exchange.folder_cache(found.folder)
            if self._reader is None:
                self._reader = Reader(repository.open_repository(self._workspace))
            outs = self._reader.of(commit).outs
        except GitexpError:
            return None
        return tuple(out.path for out in outs if out.push and not _is_there(there, out.md5))


def _is_there(there: CacheConfig, md5: Md5) -> bool:
    """Return whether an object is on the remote, of a folder all members as well."""
    try:
        return not cache.missing(there, md5)
    except GitexpError:
        return False
