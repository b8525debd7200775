"""What the rules ask of the world: the records behind a conclusion, and what remotes have.

Conclusions are computed again from what is recorded here. Remotes are asked only where that was
wanted, since it takes the network and the user's credentials.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.git import leases, repository
from gitexp.git import remote as remote_git
from gitexp.ops.compare import compare
from gitexp.ops.unsent import DataRemote
from gitexp.store import layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.model.comparison import Comparison, Conclusion
    from gitexp.model.ids import CommitHash
    from gitexp.model.workspace import Workspace

_TOLERANCE = 1e-9  # of a number that other versions of NumPy add up in another order


class World:
    """Answers for one repository; see `gitexp.model.rules.Outside`.

    Parameters
    ----------
    workspace : Workspace
    remote : bool
        Whether the Git remote and the DVC remote may be asked.
    environ : mapping of str to str
        For DVC's settings.
    """

    def __init__(
        self, workspace: Workspace, *, remote: bool = False, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._workspace = workspace
        self._remote = remote
        self._data = DataRemote(workspace, environ)

    def recomputed(self, conclusion: Conclusion) -> str | None:
        """Return how a conclusion differs from what its records give; "" where it does not."""
        try:
            (now,) = compare(self._workspace, [conclusion.experiment])
        except GitexpError:
            return None  # predictions that are not here, for one
        return difference(conclusion.comparison, now)

    def archived(self, experiment: str) -> str | None:
        """Return why its archive tag is not on the remote; "" where it is."""
        if not self._remote:
            return None
        tag = layout.archive_tag(experiment)
        try:
            repo = repository.open_repository(self._workspace)
            remote = remote_git.choose(repo, None)
            there = leases.seen(self._workspace, remote, [tag])
        except GitexpError:
            return None
        short = tag.removeprefix("refs/tags/")
        return "" if tag in there else f"its archive tag {short} is not on {remote}"

    def unsent(self, commit: CommitHash) -> tuple[str, ...] | None:
        """Return what a commit names of data that is not on the DVC remote, as paths.

        None where only DVC could tell: a remote that is no plain folder.
        """
        return self._data.unsent(commit) if self._remote else None


def difference(then: Comparison, now: Comparison) -> str:
    """Return how a comparison differs from one made of the same records; "" where it does not."""
    if then.verdict != now.verdict:
        was = then.verdict.value if then.verdict else "no verdict"
        return f"{was} then, {now.verdict.value if now.verdict else 'no verdict'} now"
    for old, new in zip(then.metrics[:1], now.metrics[:1], strict=False):
        pairs = [("difference", old.difference, new.difference)]
        if old.result is not None and new.result is not None:
            pairs.append(("p", old.result.p_value, new.result.p_value))
        for what, one, other in pairs:
            if not math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
                return f"{what} of {old.metric} {one:.6g} then, {other:.6g} now"
    return ""
