"""Whom the reader believes: by settings of user and system, never by what came with a branch.

``gitexp.witnessCa``: certificates of time-stamping authorities, PEM. ``gitexp.witnessLog``: what a
server took and when, lines of ``TIME REF COMMIT`` as its hook pre-receive writes them.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git import signatures
from gitexp.model.witness import Trust, Way, statement_of
from gitexp.staging import timestamps

if TYPE_CHECKING:
    from gitexp.model.witness import Receipt
    from gitexp.model.workspace import Workspace

LOG_LIMIT: Final = 64 << 20  # bytes
_LINE = re.compile(
    r"(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z) \S+ (?P<commit>[0-9a-f]{40})"
)


def trust(workspace: Workspace) -> Trust:
    """Return what the settings of user and system say; a file that is not there counts as none."""
    found = signatures.settings(workspace, "gitexp.")
    authorities = Path(found.get("gitexp.witnessca", "")).expanduser()
    log = Path(found.get("gitexp.witnesslog", "")).expanduser()
    return Trust(
        authorities=authorities.absolute() if authorities.is_file() else None,
        log=_log(log) if log.is_file() else (),
    )


def vouched(receipt: Receipt, token: bytes, trust: Trust) -> tuple[datetime | None, str]:
    """Return the time that a receipt proves, and in words what it is worth.

    Whether the commit that it names holds the plan is the caller's to ask.
    """
    if receipt.way is Way.PUSH:
        when = dict(trust.log).get(receipt.commit)
        if when is None:
            return None, f"a receipt says that {receipt.remote} took it; only its log can tell"
        return when, f"the log of a server has the push to {receipt.remote}"
    if trust.authorities is None:
        return None, "there is a time stamp, and gitexp.witnessCa names nobody to believe"
    try:
        statement = statement_of(receipt.plan, receipt.commit)
        why = timestamps.refused(token, statement, trust.authorities)
        when = None if why else timestamps.stamped_at(token)
    except GitexpError as error:
        why, when = error.summary, None
    if when is None:
        return None, f"the time stamp is not to be believed: {why}"
    return when, f"a time stamp of {receipt.url or 'an authority'}"


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
