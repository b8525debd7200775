"""Folds of a cross-validation: one value a split, training sets that overlap.

A metric that a repeat recorded by fold only is tested over all folds of all repeats, if it is
known how large the parts were; each seed, or each `rep` of a seed, is one repetition of the
division. Whether the folds are the same on both sides decides, their values do not; but that the
folds are the same for every seed, whose repetitions then add no data, is only seen in the values.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.comparison.designs import still
from gitexp.comparison.measure import (
    LARGEST,
    MOST_KEPT,
    WHOLE,
    Answer,
    CountedSides,
    Question,
    Values,
    build,
    lacking_note,
    over_parts,
    parts_of,
    samples_of,
    values_of,
    with_posterior,
)
from gitexp.errors import DesignError
from gitexp.model.comparison import EffectSize, Role
from gitexp.model.design import KnownFolds
from gitexp.model.metrics import NO_RULE, in_folds, mean, spread
from gitexp.model.plan import ALPHA
from gitexp.model.result import Part
from gitexp.stats import effects, ttests
from gitexp.stats.design import Splits, Unit, plan_test
from gitexp.stats.planned import datasets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitexp.comparison.eligible import Counted
    from gitexp.model.run import Sample
    from gitexp.stats.ttests import Regions

HOW = (
    'record n_train and n_test beside each fold, as {"fold": 0, "n_train": 400, "n_test": 100, '
    '"f1": 0.8}, or the columns of a CSV metrics file'
)
NAIVE = (
    "the naive paired t test is refused: folds share training data, and it rejected 6 % (10 "
    "folds, stable learners) to 66 % (10 x 10 folds) of true nulls at alpha = 0.05"
)
UNSTABLE = (
    "folds of one data set do not show how results vary with other data: for unstable learners "
    "with little data every fold-based test exceeds alpha = 0.05 (measured: up to 0.12 for the "
    "corrected t, 0.24 for the 5 x 2 F)"
)
IGNORED = (
    f"{NO_RULE}: it takes the means of repeats for independent, and 43 % of true nulls were "
    "supported (measured, 10 seeds of 5 folds; the corrected t without a rule: 3 %)"
)
UNSIZED = (
    "the sizes of the folds are not recorded, so the means of repeats are tested as if each had "
    f"data of its own; with n_train and n_test the test is another: {HOW}"
)
SUMMARY = (
    "{0} is the mean of {1} in each repeat: folds of one data set share training "
    "data, sign flips over seeds take re-splits for independent, and 43 % of true nulls were "
    "supported (measured, 10 seeds of 5 folds); a list of the scores beside n_train and n_test, "
    'planned by its name, gets the corrected t: {{"cv": {{"f1": [0.8, 0.7], "n_train": 400, '
    '"n_test": 100}}}} is cv.f1'
)
_NUMBERED = re.compile(r"(?<![a-z])((?:fold|split|cv|kfold)[ _-]?)[0-9]+")
_SAME_MEAN = 1e-6  # scores are rounded on their way into a file
ALIKE = 0.1  # above: folds may be fresh for every seed; generous, as more copies are no more data
AVERAGED = "the folds look the same for every {0}: averaged over {0}s within each fold"
COPIES = "the folds look the same for every {}, and each counts: more copies may make a verdict"
_FEWEST = 2


def measure(situation: CountedSides, question: Question) -> Answer | None:
    """Compare one metric over the folds; None without folds, or where their sizes are unknown."""
    if not situation.paired:
        return None
    scores, lacking = parts_of(situation.count, question.metric)
    if len(scores) < _FEWEST or any(part.rep is None and part.fold is None for part in scores):
        return None
    seeds = {part.seed for part in scores}
    splits = _splits(scores)
    if splits is None and len(seeds) > 1:
        return None
    values = values_of(situation.count, question.metric, paired=True)
    notes = lacking_note(lacking, "folds")
    if splits is None:
        why = (
            f"{len(scores)} folds of one repeat, whose sizes are not recorded or differ between "
            f"the sides: {HOW}"
        )
        means = mean(values.left), mean(values.right)
        return Answer(build(question, replace(values, notes=(*notes, why)), means), why)
    if max(max(abs(part.baseline), abs(part.candidate)) for part in scores) > LARGEST:
        return Answer(None, f"{question.metric} has values beyond {LARGEST:g}")
    plan, units, said = situation.plan, units_of(scores, question.alpha), tuple[str, ...]()
    if len(units) < len(scores):
        times = "seed" if len(seeds) > 1 else "repetition"
        if plan is not None and plan.drawn:
            splits, notes = _splits(units) or splits, (*notes, AVERAGED.format(times))
        else:  # older plans keep the verdict that they had
            units, said = scores, (COPIES.format(times),)
    answer = over_splits(question, units, replace(values, notes=notes), splits)
    if answer.comparison is not None:
        kept = scores if len(scores) <= MOST_KEPT else ()
        answer = replace(answer, comparison=replace(answer.comparison, parts=kept))
    return replace(answer, warnings=(*answer.warnings, *said))


def known(used: Iterable[Counted], metric: str) -> KnownFolds | None:
    """Return the folds of one side's repeats; None where none has any, or nothing tells the sizes.

    That they are the same for every seed is seen in the values of a side as in differences.
    """
    by_seed = samples_of({item.repeat.seed: item for item in used}, metric)
    scores = tuple(
        Part(seed, rep, fold, one.n_train, one.n_test, dataset, one.value, 0.0)
        for seed, cells in sorted(by_seed.items())
        for (rep, fold, dataset), one in cells.items()
    )
    if len(scores) < _FEWEST or any(part.rep is None and part.fold is None for part in scores):
        return None
    if (splits := _splits(scores)) is None:
        return None
    units = units_of(scores, ALPHA)
    sd, same = spread([part.baseline for part in units]), len(units) < len(scores)
    number = len(units) if same else len(scores) // len(by_seed)
    each = replace(splits, repetitions=splits.repetitions // len(by_seed))
    return KnownFolds(number, each, sd or 0.0, same)


def units_of(scores: tuple[Part, ...], alpha: float) -> tuple[Part, ...]:
    """Return what is tested: all parts, or one for each fold where seeds divide alike.

    Of both what has the wider interval: that F takes fresh folds for fixed ones now and then adds
    nothing to the error of the test.
    """
    return max((scores, _distinct(scores)), key=lambda parts: _width(parts, alpha))


def _width(parts: tuple[Part, ...], alpha: float) -> float:
    """Return the width of the interval that belongs to a one-sided test."""
    splits = _splits(parts)
    if splits is None:
        return 0.0
    left, right = [part.baseline for part in parts], [part.candidate for part in parts]
    between, _ = datasets.fold_intervals(splits, left, right, confidence=1 - 2 * alpha)
    if between is None or between.low is None or between.high is None:
        return 0.0
    return between.high - between.low


def _distinct(scores: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return one part for each fold that differs: the mean over the seeds which divide alike.

    First of the seeds, each with all its repetitions, then of the repetitions that are left.
    """
    for place in (lambda part: (part.rep, part.fold), lambda part: (None, part.fold)):
        by_place: dict[tuple[int | None, int | None], list[Part]] = {}
        for part in scores:
            by_place.setdefault(place(part), []).append(part)
        table = [[part.candidate - part.baseline for part in each] for each in by_place.values()]
        repetitions = {len(each) for each in table}
        complete = len(repetitions) == 1 and min(len(table), *repetitions) >= _FEWEST
        if complete and ttests.same_folds_p(list(zip(*table, strict=True))) <= ALIKE:
            scores = tuple(map(_averaged, by_place.values()))
    return scores


def _averaged(parts: Sequence[Part]) -> Part:
    return replace(
        parts[0],
        baseline=mean([part.baseline for part in parts]),
        candidate=mean([part.candidate for part in parts]),
    )


def is_by_folds(situation: CountedSides, metric: str) -> bool:
    """Whether the repeats that count report a metric in folds of one data set, and no summary."""
    return in_folds(_samples(situation, metric)).keys() == {metric}


def without_test(question: Question, answer: Answer, why: str) -> Answer:
    """Return an answer without the test of a promise, which nothing that is recorded would hold."""
    if question.effect is None:
        return answer
    bare = still.untested(answer, why)
    if question.role is Role.PRIMARY:
        return bare
    return replace(bare, refused=why, still="")  # no guard-rail is kept by its mean


def cautioned(situation: CountedSides, question: Question, answer: Answer) -> Answer:
    """Return an answer over repeats with what it leaves out, where each is a mean of folds."""
    sized = in_folds(_samples(situation, question.metric)).get(question.metric)
    if sized is None and question.effect is not None:
        metric = question.metric
        told = (SUMMARY.format(metric, each) for each in _summarised(situation, metric)[:1])
        return replace(answer, warnings=(*answer.warnings, *told))
    if sized is None or UNSTABLE in answer.warnings:
        return answer
    said = (UNSTABLE,) if sized else (UNSTABLE, UNSIZED)
    return replace(answer, warnings=(*answer.warnings, *said))


def _summarised(situation: CountedSides, metric: str) -> list[str]:
    """Return the scores by fold whose mean a metric is in every repeat; fold_0.f1 is fold_*.f1."""
    common: set[str] | None = None
    for side in (situation.count.baseline, situation.count.candidate):
        for item in side.repeats.values():
            scores: dict[str, list[float]] = {}
            for (name, _, fold, _), sample in item.samples.items():
                family = _NUMBERED.sub(r"\1*", name)
                if fold is not None or family != name:
                    scores.setdefault(family, []).append(sample.value)
            whole = item.samples.get((metric, *WHOLE))
            found = {
                family
                for family, values in scores.items()
                if whole is not None
                and len(values) >= _FEWEST
                and math.isclose(mean(values), whole.value, rel_tol=_SAME_MEAN)
            }
            common = found if common is None else common & found
    return sorted(common or ())


def _samples(situation: CountedSides, metric: str) -> list[Sample]:
    """Return what both sides recorded of a metric."""
    return [
        sample
        for side in (situation.count.baseline, situation.count.candidate)
        for item in side.repeats.values()
        for sample in item.samples.values()
        if sample.metric == metric
    ]


def over_splits(
    question: Question,
    scores: tuple[Part, ...],
    values: Values,
    splits: Splits,
    said: tuple[str, str] = (NAIVE, UNSTABLE),
) -> Answer:
    """Compare scores of splits; `said`: what is noted of the metric, what warned of the design."""
    note, caution = said
    left, right = [part.baseline for part in scores], [part.candidate for part in scores]
    intervals = datasets.fold_intervals(splits, left, right, confidence=question.confidence)
    full = over_parts(question, scores, values, intervals, _sizes(left, right)).noted(note)

    def regions(rope: float) -> Regions | None:
        return datasets.fold_posterior(splits, left, right, rope=rope)

    full = with_posterior(question, full, "correlated Bayesian t", regions)
    design = replace(question.design(Unit.FOLD, len(left)), splits=splits)
    planned = plan_test(design)
    try:
        result = datasets.run_on_folds(planned, design, left, right)
    except DesignError as error:
        refused = error.brief
        return Answer(full.noted(refused), refused, (caution,))
    full = replace(full, result=result, beside=datasets.beside_folds(planned, design, left, right))
    return Answer(question.judged(full), warnings=(caution,))


def _splits(scores: tuple[Part, ...]) -> Splits | None:
    """Return how the data were divided; None where the sizes are not known or not equal."""
    sizes = [(part.n_train or 0, part.n_test or 0) for part in scores]
    if any(min(pair) < 1 for pair in sizes):
        return None
    by_repetition = Counter(
        (part.seed, part.rep if part.fold is not None else None) for part in scores
    )
    numbers = set(by_repetition.values())
    random = any(part.fold is None for part in scores)  # two random halves may overlap
    return Splits(
        repetitions=len(by_repetition),
        folds=numbers.pop() if len(numbers) == 1 and not random else 0,
        n_train=sum(train for train, _ in sizes) / len(sizes),
        n_test=sum(test for _, test in sizes) / len(sizes),
        balanced=all(abs(train - test) <= 1 for train, test in sizes),
    )


def _sizes(left: list[float], right: list[float]) -> tuple[EffectSize, ...]:
    """Return Cohen's dz of one split; its interval would have to know how splits overlap."""
    try:
        return (EffectSize("Cohen's dz", effects.cohens_dz(right, left).estimate, None),)
    except DesignError:
        return ()
