"""Lines of a list: what it says of a run and of an experiment, and either as a row of the index.

Pure values; nothing is read.
"""

from __future__ import annotations

import json
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Final, TypeVar

from gitexp.model import dataclass
from gitexp.model.listing import RunSummary
from gitexp.model.metrics import MetricSummary, summarise
from gitexp.model.run import Origin, RepeatState, Run, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gitexp.model.ids import ParamValue

FINISHED = str(RepeatState.FINISHED.value)
# What a list keeps of what somebody else may have made as long as a file can be: it is read anew at
# each call, and `gitexp show` has all of it.
_MOST_LETTERS: Final = 1_000  # of a text, or of one parameter's value
_MOST_OF_PARAMS: Final = 1 << 16  # letters
MOST_BYTES: Final = 1 << 20  # of a line
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class RunLine:
    """What a list needs to know of a run. With `bad` set nothing but `id` is known."""

    started_at: datetime = _EPOCH  # first, and then the id: rows sort by them
    id: str = ""
    inputs: str = ""
    plan_name: str = ""  # "" where the run is exploratory
    plan_digest: str = ""
    reported: bool = False
    commit: str = ""  # of its source
    branch: str = ""  # from which it was started
    environment: str = ""  # of its first repeat that has one
    state: str = ""  # "finished" | "partial" | "failed" | "cancelled" | "lost"
    seeds: tuple[int, ...] = ()  # of finished repeats
    repeats: int = 0
    author: str = ""
    group: str = ""  # of a sweep, "" where alone
    params: tuple[tuple[str, ParamValue], ...] = ()
    others: tuple[int, ...] = ()  # seeds of repeats that did not finish, or of the snapshot's alone
    plain: bool = False  # of a commit as it is, one environment and seed, without linked data
    metrics: tuple[MetricSummary, ...] = ()  # over seeds: folds of one seed are averaged first
    bad: str = ""
    lasting: bool = True  # with `bad`: no fetch changes that

    @property
    def begun(self) -> tuple[int, ...]:
        """The seeds of which a score may be known: of all repeats, however they ended."""
        return (*self.seeds, *self.others)


@dataclass(frozen=True, slots=True)
class ExperimentLine:
    """What `gitexp list` shows of a branch, beside its name and commit."""

    primary: MetricSummary | None = None  # over the `finished`
    created_at: datetime | None = None  # without a plan: of the tip's commit
    name: str = ""  # of the plan; "" where the branch has none
    hypothesis: str = ""
    metric: str = ""
    planned: int = 0
    runs: int = 0  # in the tip's tree, under the plan; without a plan: started on this branch
    finished: int = 0  # candidate's seeds with a finished repeat, of the newest inputs
    partners: int = 0  # the baseline's
    # "concluded"; "amended" or "changed" where plan or inputs were, since; "" where it is none.
    concluded: str = ""
    verdict: str = ""  # "" where there is no conclusion of this plan, or it gives none
    qualifier: str = ""  # of the verdict, as line 1 of a comparison has it
    author: str = ""
    about: str = ""  # inputs of a conclusion of this plan
    rewritten: str = ""  # whose the conclusion is as it stands, where it names another
    baseline: str = ""  # as the plan's author typed it
    formerly: tuple[str, ...] = ()  # names it had before
    digest: str = ""  # of the plan
    inputs: tuple[str, str] = ("", "")  # of baseline and candidate, where a run tells them
    plain: bool = True  # all of these repeats count, unless others had seen them
    collapsed: str = ""  # what of them failed by the plan's own rule, and is in no mean
    seen: str = ""  # inputs and plan (see `sight`) of what was run beyond the baseline's tree
    bad: str = ""  # the plan, or the conclusion, cannot be read
    unread: tuple[tuple[str, str], ...] = ()  # runs in the tip's tree that cannot be read, and why
    lasting: bool = True  # no fetch changes what is bad or unread


def line_of(run: Run, samples: Sequence[Sample]) -> RunLine:
    """Work out the line of a run."""
    own = run.own_repeats
    done = tuple(item.seed for item in own if item.state is RepeatState.FINISHED)
    finished = [item for item in run.repeats if item.state is RepeatState.FINISHED]
    environments = [item.environment for item in run.repeats if item.environment is not None]
    return RunLine(
        id=run.id,
        inputs=run.inputs,
        plan_name=run.plan.name if run.plan is not None else "",
        plan_digest=run.plan.digest if run.plan is not None else "",
        reported=run.origin is Origin.REPORTED,
        commit=run.source.commit,
        branch=run.source.branch,
        environment=environments[0] if environments else "",
        state=state_word([str(item.state.value) for item in run.repeats]),
        seeds=done,
        repeats=len(own),
        author=cut(run.author.name),
        group=run.group,
        started_at=run.started_at,
        params=listed_params(run.params),
        metrics=summarise(run.own(samples)),
        others=tuple(item.seed for item in run.repeats if item.seed not in done),
        plain=not (run.source.overrides or run.source.swaps or run.fixed_seeds)
        and not any(item.seeds for item in run.repeats)
        and is_plain((item.environment, item.links) for item in finished),
    )


def listed_params(params: Mapping[str, ParamValue]) -> tuple[tuple[str, ParamValue], ...]:
    """Return parameters by name: a long value cut, and the rest counted where they are too many."""
    found: list[tuple[str, ParamValue]] = []
    size = 0
    for key in sorted(params):
        value = params[key]
        if isinstance(value, (str, tuple)):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            value = value if len(text) <= _MOST_LETTERS else cut(text)
            size += min(len(text), _MOST_LETTERS)
        size += len(key) + 8
        if size > _MOST_OF_PARAMS:
            return (*found, ("…", f"{len(params) - len(found)} more"))
        found.append((key, value))
    return tuple(found)


def cut(text: str) -> str:
    """Return the beginning of a long text."""
    return text if len(text) <= _MOST_LETTERS else text[:_MOST_LETTERS] + "…"


def is_plain(ran: Iterable[tuple[object, object]]) -> bool:
    """Return whether repeats ran in one environment (environment, links), without linked data."""
    kinds = set(ran)
    return len(kinds) <= 1 and not any(links for _, links in kinds)


def shown(line: RunLine, branch: str) -> RunSummary:
    """Return what `gitexp list --runs` says of a run, as found on a branch."""
    return RunSummary(
        id=line.id,
        branch=branch,
        experiment=line.plan_name,
        inputs=line.inputs,
        environment=line.environment,
        state=f"{line.state} {len(line.seeds)}/{line.repeats}",
        finished=len(line.seeds),
        repeats=line.repeats,
        author=line.author,
        started_at=line.started_at,
        params=line.params,
        metrics=line.metrics,
        exploratory=line.reported or not line.plan_digest,
        seeds=line.seeds,
    )


def state_word(states: Sequence[str]) -> str:
    """Return one word for the states of all repeats: the worst, or "partial" beside a finished."""
    kinds = set(states)
    if kinds == {FINISHED}:
        return FINISHED
    if FINISHED in kinds:
        return "partial"
    worst = (str(RepeatState.FAILED.value), str(RepeatState.CANCELLED.value))
    return next((state for state in worst if state in kinds), str(RepeatState.LOST.value))


# --- rows of the index --------------------------------------------------------------------------

_RUN: Final = attrgetter(*RunLine.__slots__[:-2])  # of one that is bad there is no row
_EXPERIMENT: Final = attrgetter(*ExperimentLine.__slots__[:-1])  # nor of one that may yet change
_SUMMARY: Final = attrgetter(*MetricSummary.__slots__)
_Key = TypeVar("_Key", bound=str)
_Line = TypeVar("_Line")


def encode_run(line: RunLine) -> bytes:
    """Return the row of a run."""
    begin, *rest, metrics = _RUN(line)
    return _packed((begin.isoformat(), *rest, [*map(_SUMMARY, metrics)]))


def encode_experiment(line: ExperimentLine) -> bytes:
    """Return the row of an experiment."""
    primary, at, *rest = _EXPERIMENT(line)
    return _packed((primary and _SUMMARY(primary), at and at.isoformat(), *rest))


def _packed(row: tuple[object, ...]) -> bytes:
    import orjson  # a warm list writes no row

    try:
        return orjson.dumps(row)
    except TypeError:  # a byte that is no UTF-8, an integer of more than 64 bits
        return json.dumps(row, separators=(",", ":")).encode("ascii")


def decoded_runs(rows: Mapping[_Key, bytes]) -> dict[_Key, RunLine]:
    """Read rows of runs; one that is broken is not there."""
    return _decoded(rows, _run)


def decoded_experiments(rows: Mapping[str, bytes]) -> dict[str, ExperimentLine]:
    """Read rows of experiments; one that is broken is not there."""
    return _decoded(rows, _experiment)


def _decoded(rows: Mapping[_Key, bytes], read: Callable[..., _Line]) -> dict[_Key, _Line]:
    try:  # one call of the decoder for all rows is several times as fast as one for each
        values: list[list[object]] = json.loads(b"[" + b",".join(rows.values()) + b"]")
        return {key: read(*row) for key, row in zip(rows, values, strict=True)}
    except (ValueError, TypeError, RecursionError):
        if len(rows) <= 1:
            return {}
        every = (_decoded({key: row}, read) for key, row in rows.items())
        return {key: line for one in every for key, line in one.items()}


def _run(started_at: str, *row: Sequence[Sequence[object]]) -> RunLine:
    make: Callable[..., RunLine] = RunLine
    *rest, metrics = row
    found = tuple([_summary(item) for item in metrics])
    return make(datetime.fromisoformat(started_at), *_tuples(rest), found)


def _experiment(primary: Sequence[object] | None, at: str | None, *rest: object) -> ExperimentLine:
    make: Callable[..., ExperimentLine] = ExperimentLine
    created_at = None if at is None else datetime.fromisoformat(at)
    return make(None if primary is None else _summary(primary), created_at, *_tuples(rest))


def _summary(row: Sequence[object]) -> MetricSummary:
    make: Callable[..., MetricSummary] = MetricSummary
    return make(*row)


def _tuples(values: Iterable[object]) -> tuple[object, ...]:
    return tuple([_tuples(value) if type(value) is list else value for value in values])
