"""A record held against itself: what it says of its source, its plan and its repeats has to agree.

Numbers can be made up; these contradictions are free to find. What cannot be looked at - a source
that a rebase or a squash has lost, the far side of a shallow clone - contradicts nothing.

And whose a record is: of who committed it. What others run beside an experiment takes nothing from
it: else whoever may push could spend its seeds. See docs/decisions/0037, and 0044 on what was
replayed.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from gitexp.dvc import inputs
from gitexp.dvc.composed import laid_over
from gitexp.dvc.filled import FilledPipeline
from gitexp.dvc.input_parts import params_values, with_params
from gitexp.dvc.state import ProjectState
from gitexp.errors import GitexpError, UnsafeInputError
from gitexp.git import objects, refs
from gitexp.git.transaction.layout import CONFIG, plan_path
from gitexp.model import replace
from gitexp.model.ids import ABSENT
from gitexp.model.run import Origin, RepeatState
from gitexp.rules.recorded import by_itself
from gitexp.store import plans
from gitexp.store.plan_files import parse_settings, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import CommitHash, InputsDigest, ParamValue
    from gitexp.model.plan import Plan
    from gitexp.model.run import Run, Sample
    from gitexp.store.lookup import FoundRun

    Earlier = Callable[[FoundRun, FoundRun], bool]
    Strange = Callable[[CommitHash], bool]


_NEVER: Final = frozenset({"params", "data", "code"})  # what no run takes of another commit
_OF_ANOTHER: Final = "it has the parameters, data or code of another commit than its source"


class Sources:
    """What the sources of runs really are, each worked out once."""

    def __init__(self, repo: Repo, index: Index) -> None:
        self._repo, self._index = repo, index
        self._params: dict[InputsDigest, Mapping[str, ParamValue]] = {}
        self._pipelines: dict[InputsDigest, FilledPipeline] = {}

    def contradiction(
        self, run: Run, samples: Iterable[Sample], added: CommitHash, plan: Plan | None
    ) -> str:
        """Return what in a record of a known or unknown plan cannot be; else ""."""
        if run.origin is Origin.REPORTED:
            return ""
        finished = {item.seed for item in run.repeats if item.state is RepeatState.FINISHED}
        if not {item.seed for item in samples} <= finished:
            return "it has samples of repeats that did not finish"
        if not (run.evaluator or _NEVER.isdisjoint(run.source.swaps)):
            return _OF_ANOTHER
        return by_itself(run, plan, self._holds) or self._by_source(run, added)

    def _holds(self, commit: CommitHash, name: str) -> bool:
        path = plan_path(name)
        there = objects.exists(self._repo, commit)
        return there and objects.blob_id(self._repo, commit, path) is not ABSENT

    def _by_source(self, run: Run, added: CommitHash) -> str:
        repo, source = self._repo, run.source
        if not objects.exists(repo, source.commit):
            return ""
        short = source.commit[:9]
        if objects.commit_info(repo, source.commit).tree != source.tree:
            return f"its source {short} has another tree"
        try:
            config = self._config(run, added)
            state = ProjectState(repo, source.tree, config)
            for name, lent in source.swaps.items():
                lender = plans.state_of(repo, lent, added)
                state = replace(state, over={**state.over, **laid_over(state, lender, [name])})
            digest = run.inputs
            read = (config, self._planned(config, added))
            if not any(
                inputs.is_of(replace(state, config=each), digest, source.overrides, self._index)
                for each in read[: 1 + (read[1] != config)]
            ):
                return f"its source {short} has other inputs"
            if digest not in self._params:  # which are part of it
                self._params[digest] = params_values(state, source.overrides)
            odd = self._undeclared(run, state)
        except GitexpError as error:  # settings or an evaluator that is gone, or of another version
            unfit = isinstance(error, UnsafeInputError) and not _NEVER.isdisjoint(source.swaps)
            return _OF_ANOTHER if unfit else ""
        params = self._params[digest]
        wrong = [name for name in sorted(params) if run.params.get(name) != params[name]]
        wrong += [name for name in sorted(run.params) if name not in params]
        if wrong and run.params:  # of one that says none R4 speaks
            return f"its source {short} has another {wrong[0][:80]}"
        return f"its source {short} has no stage {odd[:80]} with these outputs" if odd else ""

    def _undeclared(self, run: Run, state: ProjectState) -> str:
        """Return a stage that ran once of which a record has other outputs than are declared."""
        if run.once and run.inputs not in self._pipelines:
            there = FilledPipeline(with_params(state, run.source.overrides))
            self._pipelines[run.inputs] = there
        odd = (
            made.stage
            for made in run.once
            if not self._pipelines[run.inputs].declares(made.stage, made.hashes)
        )
        return next(odd, "")

    def _planned(self, own: ProjectConfig, added: CommitHash) -> ProjectConfig:
        """Return settings as a plan read them."""
        theirs = settings(self._repo.tree(added)) if objects.exists(self._repo, added) else None
        return own if theirs is None else own.as_planned(theirs)

    def _config(self, run: Run, added: CommitHash) -> ProjectConfig:
        """Return the settings by which it ran: its own tree's, or those that served it."""
        commit = run.source.commit
        own = run.source.config or objects.blob_id(self._repo, commit, CONFIG)
        if own is ABSENT:
            return plans.config_of(self._repo, commit, added)[0]
        return parse_settings(self._repo.read(own), own)


def strange_to(repo: Repo, plan: Plan | None, recorded: Iterable[FoundRun]) -> Strange:
    """Return what tells commits of others from those of a plan's author and of who ran it.

    Whose runs were made in this clone has made all that was, whatever name it has.

    `recorded`: runs under the plan, in the history that is asked about.
    """
    if plan is None:
        return lambda _: False
    mine = {item.commit for item in recorded}
    people = {*plan.author.marks}.union(*(_marks(repo, commit) for commit in mine))

    @cache
    def own() -> frozenset[CommitHash]:
        made = refs.committed_here(repo)
        return frozenset() if made.isdisjoint(mine) else made

    @cache
    def is_strange(commit: CommitHash) -> bool:
        marks = _marks(repo, commit)
        return bool(marks) and people.isdisjoint(marks) and commit not in own()

    return is_strange


def in_order(earlier: Earlier, strange: Strange) -> Earlier:
    """Return the order in which runs could be known: others' parallel ones come after one's own.

    Parallel is also what lies on another one and began before that ended: `sync` put it there.
    """

    def before(one: FoundRun, other: FoundRun) -> bool:
        together = bool(one.run.call) and one.run.call == other.run.call
        began = together or one.run.ended_at <= other.run.started_at
        return began and earlier(one, other)  # which may cost a walk over the history

    def is_earlier(one: FoundRun, other: FoundRun) -> bool:
        beside = strange(other.commit) and not strange(one.commit) and not before(other, one)
        return beside or before(one, other)

    return is_earlier


def _marks(repo: Repo, commit: CommitHash) -> set[str]:
    """Return what a commit's author is called; nothing where it cannot be read."""
    try:
        who = objects.commit_info(repo, commit).author
    except GitexpError:
        return set()
    return {*who.marks}
