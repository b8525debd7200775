"""Which data of a commit are not on the DVC remote, as far as that can be seen without DVC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.dvc import cache, dvc_config, exchange
from gitexp.dvc.declared_data import Reader
from gitexp.errors import GitexpError, NotInitialisedError
from gitexp.git import repository
from gitexp.git.discovery import project_folder
from gitexp.store import plans

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.dvc.cache_objects import CacheConfig
    from gitexp.dvc.declared_data import Needs
    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash, Md5
    from gitexp.model.run import FileHash
    from gitexp.model.workspace import Workspace

_NO_REMOTE = "no DVC remote is set, which could have the data"


class SeenRemote:
    """Answers for one repository; of a remote that is a plain folder."""

    def __init__(self, workspace: Workspace, environ: Mapping[str, str]) -> None:
        self._workspace = workspace
        self._environ = environ
        self._opened: tuple[Repo, Reader] | None = None
        self._unknown: dict[str, list[CommitHash]] = {}  # reason -> of which commits

    def unsent(
        self, commit: CommitHash, recorded: Sequence[FileHash] = ()
    ) -> tuple[str, ...] | None:
        """Return what a commit has of data that the remote lacks; None if only DVC can tell."""
        try:
            repo, needs = self._needs(commit)
            wanted = [(out.path, out.md5) for out in needs.outs if out.push and not out.remote]
            wanted += [(out.path, out.md5) for out in recorded]
            if needs.delegated:
                self._unknown.setdefault(needs.delegated[0], []).append(commit)
            if not wanted:
                return None if needs.delegated else ()
            found = self._remote(repo, commit)
        except GitexpError as error:
            self._unknown.setdefault(error.brief, []).append(commit)
            return None
        if found is None or found.folder is None:
            why = f"the DVC remote {found.name} is no plain folder" if found else _NO_REMOTE
            self._unknown.setdefault(why, []).append(commit)
            return None
        there = exchange.folder_cache(found.folder)
        return tuple(dict.fromkeys(path for path, md5 in wanted if not _is_there(there, md5)))

    def unanswered(self) -> tuple[str, ...]:
        """Return why it could not be told of some commits, one line a reason."""
        return tuple(
            f"whether the DVC remote has the data of {commits[0][:9]}"
            + (f" and {len(commits) - 1} more" if len(commits) > 1 else "")
            + f" was not looked at: {why}; gitexp push sends what it lacks"
            for why, commits in self._unknown.items()
        )

    def _needs(self, commit: CommitHash) -> tuple[Repo, Needs]:
        if self._opened is None:
            repo = repository.open_repository(self._workspace)
            self._opened = repo, Reader(repo)
        repo, reader = self._opened
        return repo, reader.of(commit)

    def _remote(self, repo: Repo, commit: CommitHash) -> exchange.DataRemote | None:
        """Return DVC's remote as the project's folder sees it; None where there is none."""
        top = self._workspace.top
        try:
            project = plans.config_of(repo, commit)[0].project
        except NotInitialisedError:
            project = ""
        for folder in dict.fromkeys((project, "")):
            if top is not None and dvc_config.has_dvc(here := project_folder(top, folder)):
                return exchange.remote_of(here, self._environ)
        return None


def _is_there(there: CacheConfig, md5: Md5) -> bool:
    """Return whether an object is on the remote, of a folder all members as well."""
    try:
        return not cache.missing(there, md5)
    except GitexpError:
        return False
