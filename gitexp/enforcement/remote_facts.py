"""What the rules ask of the world: the records behind a conclusion, and what remotes have.

Conclusions are computed again from what is recorded here. Remotes are asked only where that was
wanted, since it takes the network and the user's credentials.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from gitexp.comparison.compare import compare
from gitexp.errors import GitexpError, NoSamplesError, UnknownExperimentError
from gitexp.git import remote as remote_git
from gitexp.git import repository
from gitexp.git.transaction import layout
from gitexp.git.transaction.cache import open_index
from gitexp.provenance import order_evidence, trust_settings
from gitexp.provenance.contradicted import Sources
from gitexp.sharing.unsent import DataRemote

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from gitexp.git.transaction.cache import Index
    from gitexp.model.comparison import Comparison, Conclusion, MetricComparison
    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan
    from gitexp.model.run import Output, Run
    from gitexp.model.workspace import Workspace

_TOLERANCE = 1e-9  # of a number that other versions of NumPy add up in another order


class World(trust_settings.Believing):
    """Answers for one repository; see `Outside`.

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
        super().__init__(lambda: workspace)
        self._workspace = workspace
        self._remote = remote
        self._data = DataRemote(workspace, environ)
        self._unknown: list[str] = []
        self._index: Index | None = None
        self._sources: Sources | None = None

    def recomputed(self, conclusion: Conclusion) -> str | None:
        """Return how a conclusion differs from what its records give; "" where it does not."""
        try:
            (now,) = compare(self._workspace, [conclusion.experiment])
        except (NoSamplesError, UnknownExperimentError) as error:
            return error.brief
        except GitexpError as error:  # predictions that are not here, for one
            what = f"the conclusion of {conclusion.experiment} was not computed again"
            self._unknown.append(f"{what}: {error.brief}")
            return None
        return difference(conclusion.comparison, now)

    def ordered(self, plan: Plan, commit: CommitHash, protected: Collection[str]) -> bool | None:
        """Return whether a plan is seen to be older than the runs that a commit has of it."""
        repo = repository.open_repository(self._workspace)
        return order_evidence.is_ordered(repo, plan, commit, protected)

    def contradicted(self, run: Run, commit: CommitHash) -> str | None:
        """Return how a record that a commit adds differs from its source; "" where it does not."""
        if self._sources is None:  # one index for all runs of a range: it is written at its end
            self._index = open_index(self._workspace)
            self._sources = Sources(repository.open_repository(self._workspace), self._index)
        return self._sources.contradiction(run, (), commit, None)

    def archived(self, experiment: str) -> str | None:
        """Return why its archive tag is not on the remote; "" where it is."""
        if not self._remote:
            return None
        tag = layout.archive_tag(experiment)
        try:
            repo = repository.open_repository(self._workspace)
            remote = remote_git.choose(repo, None)
            there = remote_git.remote_refs(self._workspace, remote, [tag])
        except GitexpError as error:
            self._unknown.append(
                f"the archive tag of {experiment} was not looked for: {error.brief}"
            )
            return None
        short = tag.removeprefix("refs/tags/")
        return "" if tag in there else f"its archive tag {short} is not on {remote}"

    def unsent(self, commit: CommitHash, recorded: Sequence[Output]) -> tuple[str, ...] | None:
        """Return what a commit names of data that is not on the DVC remote, as paths.

        None where only DVC could tell: a remote that is no plain folder.
        """
        return self._data.unsent(commit, recorded) if self._remote else None

    def unanswered(self) -> tuple[str, ...]:
        """Return what was asked and could not be told, with the reason."""
        if self._index is not None:
            self._index.close()
            self._index = self._sources = None
        return (*self._unknown, *self._data.unanswered())


def difference(then: Comparison, now: Comparison) -> str:
    """Return how a comparison differs from one made of the same records; "" where it does not."""
    if then.verdict != now.verdict:
        was = then.verdict.value if then.verdict else "no verdict"
        return f"{was} then, {now.verdict.value if now.verdict else 'no verdict'} now"
    there = {metric.metric: metric for metric in now.metrics}
    for old in then.metrics:
        new = there.get(old.metric)
        if new is None:
            return f"{old.metric} then, and nothing of it now"
        for (what, one), other in zip(_numbers(old).items(), _numbers(new).values(), strict=True):
            if not _same(one, other):
                return f"{what} of {old.metric} {_text(one)} then, {_text(other)} now"
    return ""


def _numbers(metric: MetricComparison) -> dict[str, float | None]:
    """Return what a reader of a conclusion goes by, in words."""
    interval, result = metric.interval, metric.result
    return {
        "samples of the baseline": metric.n_baseline,
        "samples of the candidate": metric.n_candidate,
        "baseline's mean": metric.mean_baseline,
        "candidate's mean": metric.mean_candidate,
        "difference": metric.difference,
        "relative difference": metric.relative,
        "lower limit": None if interval is None else interval.low,
        "upper limit": None if interval is None else interval.high,
        "p": None if result is None else result.p_value,
        "p of the promise": None if result is None else result.p_support,
        "p against the promise": None if result is None else result.p_refute,
        "alpha": None if result is None else result.plan.alpha,
    }


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


def _text(number: float | None) -> str:
    return "unknown" if number is None else f"{number:.6g}"
