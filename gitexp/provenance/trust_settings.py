"""Whom the reader believes: by settings of user and system, never by what came with a branch.

``gitexp.witnessCa``: certificates of time-stamping authorities, PEM. ``gitexp.witnessLog``: what a
server took and when, lines of ``TIME REF COMMIT`` as its hook pre-receive writes them.
``gitexp.holdout``: a command that scores what was recorded; no job runs where it is set.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import shlex
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError, LockedError, PreflightError
from gitexp.git import command, identity
from gitexp.git.transaction.layout import locks_dir
from gitexp.git.transaction.locks import FileLock
from gitexp.model.ids import Sha256
from gitexp.model.rules import Outside
from gitexp.model.run import Holdout
from gitexp.model.witness import Trust, Way, statement_of
from gitexp.system import timestamps
from gitexp.text.foreign import lines
from gitexp.text.jsontext import json_dumps_compact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan
    from gitexp.model.run import Run, Sample
    from gitexp.model.witness import Receipt
    from gitexp.model.workspace import Workspace
    from gitexp.text.jsontext import Json

LOG_LIMIT: Final = 64 << 20  # bytes
HOLDOUT: Final = "gitexp.holdout"
_LINE = re.compile(
    r"(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z) \S+ (?P<commit>[0-9a-f]{40})"
)


def trust(workspace: Workspace) -> Trust:
    """Return what the settings of user and system say; a file that is not there counts as none."""
    found = identity.settings(workspace, "gitexp.")
    authorities = Path(found.get("gitexp.witnessca", "")).expanduser()
    log = Path(found.get("gitexp.witnesslog", "")).expanduser()
    return Trust(
        authorities=authorities.absolute() if authorities.is_file() else None,
        log=_log(log) if log.is_file() else (),
    )


def refuse_visible_holdout(workspace: Workspace) -> None:
    """Refuse to begin jobs where they could read which command scores them: `PreflightError`.

    Wherever it is set: a job reads its user's files, and the variables of whoever began it.
    """
    if (lock := holdout_lock(workspace)).is_held():
        raise LockedError(
            "a holdout is being scored, and a job could read its command",
            found=lock.holder(),
            next_step="the same when it has ended",
        )
    for scope, key, _ in command.settings_of(workspace):
        if key == HOLDOUT:
            unset = f"git config --{shlex.quote(scope)} --unset-all gitexp.holdout"
            raise PreflightError(
                "gitexp.holdout is set, and a job could read it",
                found="for this call" if scope == "command" else f"in Git's settings ({scope})",
                expected="a setting of the call that scores alone, which begins no job",
                next_step="take it out of this call's variables, then the same again"
                if scope == "command"
                else f"{unset}, then the same again",
            )


def holdout_lock(workspace: Workspace) -> FileLock:
    """Return what a call holds that scores; whoever begins a job holds `states.beginning`."""
    return FileLock(locks_dir(workspace) / "holdout", timeout_s=0.0)


def holdout(workspace: Workspace) -> str:
    """Return the command that user, system or call set, never a repository; "" where none did."""
    return identity.settings(workspace, HOLDOUT).get(HOLDOUT, "")


def sealed(command: str, run: Run, samples: Sequence[Sample]) -> Holdout:
    """Return what says that a command scored what a run names, as `samples` say."""
    outputs = {each.seed: {out.path: out.md5 for out in each.outputs} for each in run.repeats}
    rows: list[Json] = [
        [each.seed, dict(each.seeds), dict(outputs[each.seed])] for each in run.repeats
    ]
    rows += [[*row] for row in sorted((each.metric, each.seed, each.value) for each in samples)]
    plan = "" if run.plan is None else run.plan.digest
    told = json_dumps_compact(["gitexp/holdout@1", run.inputs, plan, rows])
    key = command.encode("utf-8", "surrogateescape")
    seal = hmac.new(key, told, hashlib.sha256).hexdigest()
    return Holdout(Sha256(hashlib.sha256(key).hexdigest()), Sha256(seal))


class Believing(Outside):
    """Answers whether somebody who is believed here stands behind a receipt.

    With `here` it is enough that this clone saw the remote take what a receipt of a push names: for
    the author, who runs or commits now, and may have no log. It proves no time to others.
    """

    __slots__ = ("_here", "_trust", "_where")

    def __init__(self, where: Callable[[], Workspace], *, here: bool = False) -> None:
        self._where = where
        self._here = here
        self._trust: Trust | None = None

    def witnessed(self, receipt: Receipt, token: bytes) -> bool:
        """Return whether a receipt verifies; that its commit has the plan is another question."""
        if self._trust is None:
            self._trust = trust(self._where())
        if vouched(receipt, token, self._trust)[0] is not None:
            return True
        return self._here and receipt.way is Way.PUSH and _took(self._where(), receipt)

    def renamed(self, branch: str, commit: CommitHash) -> Plan | None:
        """Return the plan that a commit has of an experiment whose branch Git renamed to this."""
        # A hook opens no repository but where it refuses.
        from gitexp.git.repository import open_repository  # noqa: PLC0415
        from gitexp.store import plans  # noqa: PLC0415

        with contextlib.suppress(GitexpError):
            return plans.renamed(open_repository(self._where()), branch, commit) or None
        return None


def vouched(receipt: Receipt, token: bytes, trust: Trust) -> tuple[datetime | None, str]:
    """Return the time that a receipt proves, and its worth; whose plan is not asked."""
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


def _took(workspace: Workspace, receipt: Receipt) -> bool:
    remote = f"refs/remotes/{receipt.remote}/"
    asked = ["for-each-ref", "--count=1", f"--contains={receipt.commit}", "--", remote]
    code, out, _ = command.attempt(workspace, asked)
    return bool(receipt.remote) and not code and bool(out)


def _log(path: Path) -> tuple[tuple[str, datetime], ...]:
    with path.open("rb") as file:
        text = file.read(LOG_LIMIT).decode("utf-8", "replace")
    first: dict[str, datetime] = {}
    for line in lines(text):
        said = _LINE.search(line)
        if said is None:
            continue
        try:
            when = datetime.fromisoformat(said["time"])
        except ValueError:
            continue
        first[said["commit"]] = min(when, first.get(said["commit"], when))
    return tuple(first.items())
