"""Recorded predictions of both sides, read from DVC's cache and put into one order of examples.

The predictions of a repeat lie in the cache under the hash that its record names; what they say is
checked against that hash before it is believed.
"""

from __future__ import annotations

import hashlib
import shlex
from typing import TYPE_CHECKING

from gitexp import errors
from gitexp.dvc import cache, hashing
from gitexp.git.discovery import project_folder
from gitexp.model import dataclass, replace
from gitexp.stats.metrics import MeasuredMetric
from gitexp.stats.sums import places
from gitexp.text import predictions
from gitexp.text.samples import LIMIT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gitexp.comparison.eligible import Counted
    from gitexp.comparison.measure import CountedSides
    from gitexp.comparison.sides import ResolvedSide
    from gitexp.model.ids import Md5
    from gitexp.model.run import FileHash
    from gitexp.stats.metrics import Definition
    from gitexp.stats.scored import Scoring
    from gitexp.stats.values import Places
    from gitexp.text.predictions import PredictionTable

_FEW = 3  # examples that are named
_SHOWN = 40  # letters of one


@dataclass(frozen=True, slots=True)
class Guesses:
    """What one side said about each example."""

    y_pred: tuple[str, ...]
    scores: Mapping[str, tuple[float, ...]]
    columns: Mapping[str, tuple[str, ...]]
    header: tuple[str, ...] = ()  # every column of the file

    @classmethod
    def of(cls, table: PredictionTable) -> Guesses:
        """Return what a table has beside ids and true labels."""
        return cls(table.y_pred, table.scores, table.columns, table.header)

    def take(self, rows: Sequence[int]) -> Guesses:
        """Return what was said about some examples."""
        return Guesses(
            tuple(self.y_pred[row] for row in rows),
            {name: tuple(part[row] for row in rows) for name, part in self.scores.items()},
            {name: tuple(part[row] for row in rows) for name, part in self.columns.items()},
            self.header,
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """The predictions of one repeat of each side, in the same order of examples."""

    seed_baseline: int
    seed_candidate: int
    ids: tuple[str, ...]  # sorted
    y_true: tuple[str, ...]
    baseline: Guesses
    candidate: Guesses
    positive: str | None = None  # label of the positive class, where the project names one
    cluster: str = ""  # column of what examples depend on together; "" for none
    # What is computed, where a column has it and no metric's name says it.
    computed: Definition | Scoring | None = None

    def measured(self, left: float, right: float) -> tuple[MeasuredMetric, MeasuredMetric]:
        """Return both sides' reported numbers with the predictions that they came from."""
        one, two = self.baseline, self.candidate
        return (
            MeasuredMetric(left, self.y_true, one.y_pred, one.scores),
            MeasuredMetric(right, self.y_true, two.y_pred, two.scores),
        )

    def clusters(self) -> Places | None:
        """Return each example's cluster; None where examples stand for themselves."""
        return places(self.attribute(self.cluster))[0] if self.cluster else None

    def attribute(self, column: str) -> tuple[str, ...]:
        """Return what a column says about each example; both sides must say the same."""
        sides = [side.columns.get(column) for side in (self.baseline, self.candidate)]
        left, right = sides
        if left is None and right is None:
            raise errors.DesignError(
                f"the predictions have no column {column}",
                found=", ".join(self.candidate.header)[:120],
                expected="a column of the predictions file, the same on both sides",
            )
        if left is not None and right is not None and left != right:
            at = next(i for i, (a, b) in enumerate(zip(left, right, strict=True)) if a != b)
            raise errors.DesignError(
                f"{column} is not the same on both sides",
                found=f"{left[at][:40]} and {right[at][:40]} for example {self.ids[at][:40]}",
                expected="a property of the example, not of a model",
            )
        return right if right is not None else left or ()

    def take(self, rows: Sequence[int]) -> Pair:
        """Return the pair with some of its examples."""
        return replace(
            self,
            ids=tuple(self.ids[row] for row in rows),
            y_true=tuple(self.y_true[row] for row in rows),
            baseline=self.baseline.take(rows),
            candidate=self.candidate.take(rows),
        )


def read_pair(
    situation: CountedSides, left: Counted, right: Counted, columns: Sequence[str] = ()
) -> Pair:
    """Read the predictions of a repeat of each side from the cache."""
    top, cluster = situation.top, situation.cluster
    wanted = (*columns, *((cluster,) if cluster and cluster not in columns else ()))
    one = read(top, left, situation.baseline, wanted)
    two = read(top, right, situation.candidate, wanted)
    pair = joined(one, two)
    spec = situation.candidate.config.predictions
    return replace(
        pair,
        seed_baseline=left.repeat.seed,
        seed_candidate=right.repeat.seed,
        positive=None if spec is None else spec.positive,
        cluster=cluster,
    )


def read_alone(top: Path | None, item: Counted, source: ResolvedSide) -> Pair:
    """Read one repeat's predictions as a pair of it with itself; see `read_pair`."""
    spec = source.config.predictions
    cluster = "" if spec is None else spec.cluster or ""
    table = read(top, item, source, (cluster,) if cluster else ())
    positive = None if spec is None else spec.positive
    return replace(joined(table, table), positive=positive, cluster=cluster)


def joined(one: PredictionTable, two: PredictionTable) -> Pair:
    """Put two tables into one order of examples; they must be of the same examples."""
    truth, other = (dict(zip(each.ids, each.y_true, strict=True)) for each in (one, two))
    if truth != other:
        apart = _apart(truth, other)
        raise errors.DesignError(
            "the two models were not asked about the same examples",
            found=f"{len(one.ids)} and {len(two.ids)} examples; {apart}",
            expected="the same ids with the same true labels",
        )
    ids = tuple(sorted(truth))
    y_true = tuple(truth[key] for key in ids)
    return Pair(0, 0, ids, y_true, _ordered(one, ids), _ordered(two, ids))


def _apart(one: Mapping[str, str], two: Mapping[str, str]) -> str:
    """Name the first examples of two that one side lacks, and those with other labels."""
    sides = (("first", one, two), ("second", two, one))
    said = [
        f"in the {side} only: {_few([key for key in mine if key not in others])}"
        for side, mine, others in sides
        if mine.keys() - others.keys()
    ]
    other = [key for key, label in one.items() if two.get(key, label) != label]
    labels = [f"{key!r} ({one[key][:_SHOWN]!r} and {two[key][:_SHOWN]!r})" for key in other[:_FEW]]
    more = f" and {len(other) - _FEW} more" if other[_FEW:] else ""
    said += [f"other labels of {', '.join(labels)}{more}"] if other else []
    return "; ".join(said)


def _few(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _FEW} more" if ids[_FEW:] else ""
    return ", ".join(repr(key[:_SHOWN]) for key in ids[:_FEW]) + more


def recorded_by(item: Counted, source: ResolvedSide) -> FileHash | None:
    """Return what a repeat recorded of the predictions that its side declares."""
    spec = source.config.predictions
    path = None if spec is None else spec.path
    return next((out for out in item.repeat.outputs if out.path == path), None)


def _ordered(table: PredictionTable, ids: tuple[str, ...]) -> Guesses:
    row = {key: index for index, key in enumerate(table.ids)}
    return Guesses.of(table).take([row[key] for key in ids])


def read(
    top: Path | None, item: Counted, source: ResolvedSide, columns: Sequence[str] = ()
) -> PredictionTable:
    """Read one repeat's predictions from the cache."""
    spec = source.config.predictions
    if spec is None:
        raise errors.DesignError(
            "a claim about one model needs its predictions",
            where=f".gitexp/config.yaml at {source.name}",
            expected="predictions: with the path of the file",
        )
    where = f"{spec.path} of run {item.found.run.id}, seed {item.repeat.seed}"
    output = recorded_by(item, source)
    if output is None:
        raise errors.DesignError("a repeat recorded no predictions", where=where)
    md5 = hashing.check_md5(output.md5, where=where)
    # dvc fetch knows the committed seed's alone.
    bring = " ".join(("gitexp pull", *map(shlex.quote, item.found.refs[:1]), "--data"))
    data = _bytes(top, source.config.project, md5, where, bring)
    return predictions.load(data, spec, where, columns)


def _bytes(top: Path | None, project: str, md5: Md5, where: str, bring: str) -> bytes:
    missing = errors.DataMissingError(
        "the predictions are not in the local cache", found=md5, where=where, next_step=bring
    )
    if top is None:
        raise missing
    try:
        place = cache.object_path(cache.open_cache(project_folder(top, project)).dir, md5)
    except errors.PreconditionError as error:
        raise missing from error
    try:
        with place.open("rb") as stream:
            data = stream.read(LIMIT + 1)
    except OSError as error:
        raise missing from error
    if len(data) > LIMIT:
        raise errors.UnsafeInputError("the predictions are too large to be read", where=where)
    have = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if have != md5:
        raise errors.DamagedDataError(
            "the predictions in the cache are not those of the record",
            found=have,
            where=where,
            expected=md5,
        )
    return data
