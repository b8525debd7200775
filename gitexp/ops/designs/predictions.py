"""Two trained models by their predictions of the same examples: one repeat a side is enough.

The claim is about these two artefacts on this evaluation set; nothing is said about training
again. The predictions of a repeat lie in DVC's cache under the hash that its record names.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitexp.data import cache, manifest
from gitexp.errors import (
    DamagedDataError,
    DataMissingError,
    DesignError,
    PreconditionError,
    UnsafeInputError,
)
from gitexp.formats import predictions
from gitexp.model.comparison import EffectSize
from gitexp.model.plan import Claim
from gitexp.ops.measure import Answer, Values, build, is_broken, values_of
from gitexp.stats import companions, intervals
from gitexp.stats.design import Design, Unit, plan_test
from gitexp.stats.examples import discordant, tabulate
from gitexp.stats.metrics import Measured, match_metric
from gitexp.stats.planned import run_on_predictions

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.formats.predictions import PredictionTable
    from gitexp.model.ids import Md5
    from gitexp.ops.counting import Count, Counted
    from gitexp.ops.measure import Question
    from gitexp.ops.sides import Source


@dataclass(frozen=True, slots=True)
class Pair:
    """The predictions of one repeat of each side, in the same order of examples."""

    seed_baseline: int
    seed_candidate: int
    y_true: tuple[str, ...]
    baseline: tuple[str, ...]
    candidate: tuple[str, ...]
    positive: str | None


def chosen(count: Count) -> tuple[Counted, Counted] | None:
    """Return the repeat of each side that a claim about one model is tested on.

    The committed seed, where both sides have it, else the smallest common seed, else each side's
    smallest: fixed by the records, never by what came out.
    """
    left, right = count.baseline.repeats, count.candidate.repeats
    if not left or not right:
        return None
    if count.pairs:
        committed = right[count.pairs[0]].found.run.committed_seed
        seed = committed if committed in count.pairs else count.pairs[0]
        return left[seed], right[seed]
    return left[min(left)], right[min(right)]


def has_predictions(count: Count, source: Source) -> bool:
    """Whether the chosen repeats of both sides recorded the declared predictions."""
    spec, pair = source.config.predictions, chosen(count)
    if spec is None or pair is None:
        return False
    return all(any(out.path == spec.path for out in item.repeat.outputs) for item in pair)


def load(top: Path | None, count: Count, baseline: Source, candidate: Source) -> Pair:
    """Read the predictions of both sides from the cache.

    Raises
    ------
    DesignError
        If predictions are not declared or not recorded, or not of the same examples.
    DataMissingError
        If their bytes are not in the local cache.
    DamagedDataError, UnsafeInputError, BadFormatError
        If the bytes are not what the record says, or no predictions.
    """
    pair = chosen(count)
    if pair is None:
        raise DesignError("there is no repeat on both sides")
    one = _read(top, pair[0], baseline)
    two = _read(top, pair[1], candidate)
    left = dict(zip(one.ids, one.y_pred, strict=True))
    truth = dict(zip(one.ids, one.y_true, strict=True))
    if truth != dict(zip(two.ids, two.y_true, strict=True)):
        raise DesignError(
            "the two models were not asked about the same examples",
            found=f"{len(one.ids)} and {len(two.ids)} examples",
            expected="the same ids with the same true labels",
        )
    spec = candidate.config.predictions
    return Pair(
        seed_baseline=pair[0].repeat.seed,
        seed_candidate=pair[1].repeat.seed,
        y_true=tuple(truth[key] for key in two.ids),
        baseline=tuple(left[key] for key in two.ids),
        candidate=two.y_pred,
        positive=None if spec is None else spec.positive,
    )


def measure(count: Count, question: Question, pair: Pair) -> Answer:
    """Compare one metric over the examples; one that is no metric of labels is only shown."""
    values = _values(count, question, pair)
    if not values.baseline or not values.candidate:
        return Answer(None)
    left, right = values.left[0], values.right[0]
    plain = build(question, values, (left, right), interval=None, relative_interval=None, sizes=())
    try:
        definition = match_metric(
            question.metric,
            (
                Measured(left, pair.y_true, pair.baseline),
                Measured(right, pair.y_true, pair.candidate),
            ),
            positive=pair.positive,
        )
        cells = tabulate(pair.y_true, pair.baseline, pair.candidate)
        design = Design(
            unit=Unit.EXAMPLE,
            paired=True,
            n_baseline=len(pair.y_true),
            n_candidate=len(pair.y_true),
            alpha=question.alpha,
            claim=Claim.MODEL,
            metric=definition.kind,
            effect=question.effect,
            direction=question.direction,
        )
        result = run_on_predictions(plan_test(design), design, cells, definition)
    except DesignError as error:
        why = ": ".join(part for part in (error.summary, error.found) if part)
        return Answer(replace(plain, notes=(*plain.notes, f"not tested: {why}")), why)
    between, relative = intervals.predictions_interval(
        cells, definition, confidence=1 - question.alpha
    )
    full = build(
        question,
        values,
        (left, right),
        interval=between,
        relative_interval=relative,
        sizes=_cohens_g(*discordant(cells)),
        n=len(pair.y_true),
    )
    full = replace(
        full,
        result=result,
        beside=companions.beside_predictions(result.plan, design, cells),
        notes=(*full.notes, f"computed as {definition} from {len(pair.y_true)} predictions"),
    )
    if question.guard is not None:
        full = replace(full, broken=is_broken(full))
    return Answer(full)


def _values(count: Count, question: Question, pair: Pair) -> Values:
    every = values_of(count, question.metric, paired=False)
    return Values(
        tuple(item for item in every.baseline if item[0] == pair.seed_baseline),
        tuple(item for item in every.candidate if item[0] == pair.seed_candidate),
        paired=True,
    )


def _cohens_g(only_baseline: int, only_candidate: int) -> tuple[EffectSize, ...]:
    """Return the share of examples won, among those that one side alone has right, less 1/2."""
    total = only_baseline + only_candidate
    return (EffectSize("Cohen's g", only_candidate / total - 0.5, None),) if total else ()


def _read(top: Path | None, item: Counted, source: Source) -> PredictionTable:
    spec = source.config.predictions
    if spec is None:
        raise DesignError(
            "a claim about one model needs its predictions",
            where=f".gitexp/config.yaml at {source.name}",
            expected="predictions: with the path of the file",
        )
    where = f"{spec.path} of run {item.found.run.id}, seed {item.repeat.seed}"
    output = next((out for out in item.repeat.outputs if out.path == spec.path), None)
    if output is None:
        raise DesignError("a repeat recorded no predictions", where=where)
    md5 = manifest.check_md5(output.md5, where=where)
    data = _bytes(top, source.config.project, md5, where)
    return predictions.load(data, spec, where)


def _bytes(top: Path | None, project: str, md5: Md5, where: str) -> bytes:
    missing = DataMissingError(
        "the predictions are not in the local cache",
        found=md5,
        where=where,
        next_step="dvc fetch --all-commits",
    )
    if top is None:
        raise missing
    try:
        place = cache.object_path(cache.open_cache(top / project).dir, md5)
    except PreconditionError as error:
        raise missing from error
    try:
        with place.open("rb") as stream:
            data = stream.read(predictions.LIMIT + 1)
    except OSError as error:
        raise missing from error
    if len(data) > predictions.LIMIT:
        raise UnsafeInputError("the predictions are too large to be read", where=where)
    have = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if have != md5:
        raise DamagedDataError(
            "the predictions in the cache are not those of the record",
            found=have,
            where=where,
            expected=md5,
        )
    return data
