"""Folds of a cross-validation: one value a split, training sets that overlap.

A metric that a repeat recorded by fold only is tested over all folds of all repeats, if it is
known how large the parts were; each seed, or each `rep` of a seed, is one repetition of the
division. Whether the folds are the same on both sides decides, their values do not.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.comparison.designs import still
from gitexp.comparison.measure import (
    LARGEST,
    Answer,
    CountedSides,
    Question,
    Values,
    build,
    lacking_note,
    over_parts,
    parts_of,
    values_of,
    with_posterior,
)
from gitexp.errors import DesignError
from gitexp.model.comparison import EffectSize, Role
from gitexp.model.metrics import in_folds, mean
from gitexp.stats import effects
from gitexp.stats.design import Splits, Unit, plan_test
from gitexp.stats.planned import datasets

if TYPE_CHECKING:
    from gitexp.model.result import Part
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
NO_RULE = "a stopping rule has no test for folds of one data set"
IGNORED = (
    f"{NO_RULE}: it takes the means of repeats for independent, and 43 % of true nulls were "
    "supported (measured, 10 seeds of 5 folds; the corrected t without a rule: 3 %)"
)
UNSIZED = (
    "the sizes of the folds are not recorded, so the means of repeats are tested as if each had "
    f"data of its own; with n_train and n_test the test is another: {HOW}"
)
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
    return _tested(question, scores, replace(values, notes=notes), splits)


def is_by_folds(situation: CountedSides, metric: str) -> bool:
    """Whether the repeats that count report a metric in folds of one data set, and no summary."""
    return in_folds(_samples(situation, metric)).keys() == {metric}


def without_rule(question: Question, answer: Answer) -> Answer:
    """Return an answer without the test that a stopping rule would have to replace."""
    if question.effect is None:
        return answer
    bare = still.untested(answer, NO_RULE)
    if question.role is Role.PRIMARY:
        return bare
    return replace(bare, refused=NO_RULE, still="")  # no guard-rail is kept by its mean


def cautioned(situation: CountedSides, question: Question, answer: Answer) -> Answer:
    """Return an answer over repeats with what it leaves out, where each is a mean of folds."""
    sized = in_folds(_samples(situation, question.metric)).get(question.metric)
    if sized is None or UNSTABLE in answer.warnings:
        return answer
    said = (UNSTABLE,) if sized else (UNSTABLE, UNSIZED)
    return replace(answer, warnings=(*answer.warnings, *said))


def _samples(situation: CountedSides, metric: str) -> list[Sample]:
    """Return what both sides recorded of a metric; nothing where it has several data sets."""
    found = [
        sample
        for side in (situation.count.baseline, situation.count.candidate)
        for item in side.repeats.values()
        for sample in item.samples.values()
        if sample.metric == metric
    ]
    return found if len({sample.dataset for sample in found}) == 1 else []


def _tested(question: Question, scores: tuple[Part, ...], values: Values, splits: Splits) -> Answer:
    left, right = [part.baseline for part in scores], [part.candidate for part in scores]
    intervals = datasets.fold_intervals(splits, left, right, confidence=1 - question.alpha)
    full = over_parts(question, scores, values, intervals, _sizes(left, right)).noted(NAIVE)

    def regions(rope: float) -> Regions | None:
        return datasets.fold_posterior(splits, left, right, rope=rope)

    full = with_posterior(question, full, "correlated Bayesian t", regions)
    design = replace(question.design(Unit.FOLD, len(left)), splits=splits)
    planned = plan_test(design)
    try:
        result = datasets.run_on_folds(planned, design, left, right)
    except DesignError as error:
        refused = error.brief
        return Answer(full.noted(refused), refused, (UNSTABLE,))
    full = replace(full, result=result, beside=datasets.beside_folds(planned, design, left, right))
    return Answer(question.judged(full), warnings=(UNSTABLE,))


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
