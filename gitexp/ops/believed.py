"""Whom the reader believes: by settings of user and system, never by what came with a branch.

``gitexp.witnessCa``: certificates of time-stamping authorities, PEM. ``gitexp.witnessLog``: what a
server took and when, lines of ``TIME REF COMMIT`` as its hook pre-receive writes them.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gitexp.git import signatures
from gitexp.model.witness import Trust

if TYPE_CHECKING:
    from gitexp.git.repository import Repo

LOG_LIMIT: Final = 64 << 20  # bytes
_LINE = re.compile(
    r"(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z) \S+ (?P<commit>[0-9a-f]{40})"
)


def trust(repo: Repo) -> Trust:
    """Return what the settings of user and system say; a file that is not there counts as none."""
    found = signatures.settings(repo.workspace, "gitexp.")
    authorities = Path(found.get("gitexp.witnessca", "")).expanduser()
    log = Path(found.get("gitexp.witnesslog", "")).expanduser()
    return Trust(
        authorities=authorities.absolute() if authorities.is_file() else None,
        log=_log(log) if log.is_file() else (),
    )


def _log(path: Path) -> tuple[tuple[str, datetime], ...]:
    """Return when each commit was first taken."""
    with path.open("rb") as file:
        text = file.read(LOG_LIMIT).decode("utf-8", "replace")
    first: dict[str, datetime] = {}
    for line in text.splitlines():
        said = _LINE.search(line)
        if said is None:
            continue
        try:
            when = datetime.fromisoformat(said["time"])
        except ValueError:
            continue
        first[said["commit"]] = min(when, first.get(said["commit"], when))
    return tuple(first.items())
