"""Two trained models by their predictions of the same examples: one repeat a side is enough.

The claim is about these two artefacts on this evaluation set; nothing is said about training
again.
"""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gitexp.comparison.designs.prediction_pairs import Pair, read_pair
from gitexp.comparison.measure import Answer, CountedSides, Question, Values, build, values_of
from gitexp.errors import DesignError, UsageError
from gitexp.model.comparison import EffectSize, Interval, SignificanceResult
from gitexp.report import numbers
from gitexp.stats import intervals as between_labels
from gitexp.stats import metrics, scored, sums
from gitexp.stats.design import Unit, kind_of, plan_examples
from gitexp.stats.examples import discordant, relevant, tabulate
from gitexp.stats.metrics import Definition, classes, value
from gitexp.stats.planned import one_dataset, scoretests
from gitexp.stats.planned.one_dataset import run_on_predictions
from gitexp.stats.scored import Scoring
from gitexp.system.curves import is_curve
from gitexp.text.predictions import spelled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gitexp.comparison.counting import Count
    from gitexp.comparison.eligible import Counted
    from gitexp.stats.planned.scoretests import Sides
    from gitexp.stats.values import Places
    from gitexp.stats.values import Values as Table
    from gitexp.text.predictions import PredictionTable

    Found = tuple[
        SignificanceResult,
        tuple[SignificanceResult, ...],
        tuple[Interval | None, Interval | None],
        tuple[EffectSize, ...],
    ]

Computed = Definition | Scoring
MOST_CLASSES = 1_000
_MANY = 6  # labels that a message names
_SHOWN = 60  # letters of an id
_POSITIVE = frozenset(("1", "1.0", "true", "yes", "y", "t", "positive", "pos"))
_SHARE = re.compile(r"0?\.[0-9]+|0|1|[01]\.0*")
MOST_COUNTS = 4_000_000  # classes times rows: 32 MB, of which resampling holds several


def chosen(count: Count) -> tuple[Counted, Counted] | None:
    """Return the repeats that a claim about one model is tested on: the committed seed's.

    Else the smallest common seed, else each side's smallest: fixed by the records, never by what
    came out.
    """
    left, right = count.baseline.repeats, count.candidate.repeats
    if not left or not right:
        return None
    if count.pairs:
        committed = right[count.pairs[0]].found.run.committed_seed
        seed = committed if committed in count.pairs else count.pairs[0]
        return left[seed], right[seed]
    return left[min(left)], right[min(right)]


def load(situation: CountedSides, columns: Sequence[str] = ()) -> Pair:
    """Read the predictions of the chosen repeat of both sides; see `pairs.read_pair`."""
    pair = chosen(situation.count)
    if pair is None:
        raise DesignError("there is no repeat on both sides")
    return read_pair(situation, *pair, columns)


def measure(count: Count, question: Question, pair: Pair) -> Answer:
    """Compare one metric over the examples; one that predictions do not give is only shown."""
    values = of_pair(count, question.metric, pair)
    if not values.baseline or not values.candidate:
        return Answer(None)
    reported = values.left[0], values.right[0]
    try:
        definition = pair.computed or identify(question.metric, [pair], [reported])
    except DesignError as error:
        return _refused(question, values, reported, error)
    return compare(question, values, reported, pair, definition)


def _refused(
    question: Question, values: Values, reported: tuple[float, float], error: DesignError
) -> Answer:
    plain = build(question, values, reported)
    return Answer(plain.noted(f"not tested: {error.brief}"), error.brief)


def of_pair(count: Count, metric: str, pair: Pair) -> Values:
    """Return the value of the chosen repeat of each side."""
    every = values_of(count, metric, paired=False)
    return Values(
        tuple(item for item in every.baseline if item[0] == pair.seed_baseline),
        tuple(item for item in every.candidate if item[0] == pair.seed_candidate),
    )


def is_known(metric: str) -> bool:
    """Whether a metric's name is that of one which predictions can give."""
    return not is_curve(metric) and bool(kind_of(metric) or metrics.kind_of(metric))


def identify(
    metric: str, pairs: Sequence[Pair], reported: Sequence[tuple[float, float]]
) -> Computed:
    """Find the definition that gives every reported number of baseline and candidate."""
    measured = [
        one
        for pair, numbers in zip(pairs, reported, strict=True)
        for one in pair.measured(*numbers)
    ]
    positive = pairs[0].positive
    if kind_of(metric) is not None:
        return scored.match(metric, measured, positive=positive)
    return metrics.match_metric(metric, measured, positive=positive)


def definition_of(metric: str, pair: Pair) -> Computed:
    """Return the likeliest meaning of a metric's name of which no number was reported."""
    sides = pair.measured(0.0, 0.0)
    labels = classes(pair.y_true, *(side.y_pred for side in sides))
    if kind_of(metric) is None and (real := next(filter(_is_real, pair.y_true), "")):
        raise DesignError(
            f"{metric} counts equal labels, and the true values are real numbers",
            found=f"{real} among them",
            expected="rmse, mae or mse; or labels",
        )
    found: tuple[Computed, ...] = scored.candidates(metric, sides, pair.positive)
    for definition in found or metrics.candidates(metric, labels, pair.positive):
        try:
            both(definition, pair)
        except DesignError:
            continue
        return definition
    raise DesignError(
        f"{metric} cannot be computed from these predictions",
        expected="accuracy, f1, roc_auc, log_loss, rmse, ... and the columns that it needs",
    )


def _is_real(label: str) -> bool:
    """Whether a label is a number with a fraction, as scikit-learn tells a regression."""
    try:
        value = float(label)
    except ValueError:
        return False
    return math.isfinite(value) and not value.is_integer()


def positive_of(pair: Pair, given: str | None) -> str | None:
    """Return the positive class as the true labels have it."""
    if given is None:
        return None
    labels = classes(pair.y_true)
    (label,) = spelled((given,), pair.y_true)
    if label not in labels:
        raise UsageError(
            "no example is of the positive class",
            found=given,
            expected=" or ".join(labels[:_MANY]),
            next_step="the same with --positive and one of these",
        )
    return label


def check_labels(metric: str, table: PredictionTable, path: Path) -> None:
    """Refuse empty labels, and predictions of other classes than the true ones: none can be right.

    Of pandas an empty one is a value that is missing; taken for a class, it changed each average.
    """
    for name, column in (("true", table.y_true), ("predicted", table.y_pred)):
        at = next((at for at, label in enumerate(column) if not label.strip()), None)
        if at is None:
            continue
        raise DesignError(
            f"an example has no {name} label",
            found=f"nothing for {table.ids[at][:_SHOWN]}",
            where=f"{path}, row {at + 1}",
            expected="a label in every row; a word of its own (none, say) where no answer came",
            next_step="the same, once it has one, or is left out of both files",
        )
    labels, said = classes(table.y_true), classes(table.y_pred)
    few = len(table.ids) >= 2 * len(labels)  # of a text or number each example may have its own
    if not few or kind_of(metric) or not metrics.kind_of(metric) or {*labels} & {*said}:
        return
    shares = all(map(_SHARE.fullmatch, said))
    raise DesignError(
        f"no label that {path.name} predicts is a true one",
        found=numbers.listed(said, _MANY),
        where=str(path),
        expected=f"labels as in y_true: {numbers.listed(labels, _MANY)}",
        next_step="the same, once probabilities are in a column score and y_pred has labels"
        if shares
        else "the same, once both columns have the same words for a class",
    )


def check_class(metric: str, definition: Computed, pair: Pair) -> None:
    """Refuse to guess which of two classes a metric is of, but by a name that says it."""
    label = definition.positive
    scores = [name for name in pair.baseline.scores if name.startswith("score_")]
    if not label or label.lower() in _POSITIVE or scores == [f"score_{label}"]:
        return
    steps = (f"with --positive {shlex.quote(each)}" for each in classes(pair.y_true))
    raise UsageError(
        f"{metric} is of one class, and nothing says of which",
        found=" and ".join(classes(pair.y_true)),
        next_step=f"the same {', or '.join(steps)}",
    )


def both(computed: Computed, pair: Pair) -> tuple[float, float]:
    """Compute the metric of both sides; of one class there is no area."""
    sides = pair.measured(0.0, 0.0)
    if isinstance(computed, Scoring):
        left, right = (scored.value(scored.terms(computed, side)) for side in sides)
    else:
        left, right = (metrics.value(computed, side.y_true, side.y_pred) for side in sides)
    return left, right


def added(computed: Computed, pair: Pair) -> tuple[Table, Table]:
    """Return what each example, or cluster, adds to the metric of both sides: its mean."""
    sides = pair.measured(0.0, 0.0)
    if isinstance(computed, Scoring):
        found = [sums.pseudo_of_terms(scored.terms(computed, side)) for side in sides]
    else:
        labels = classes(
            pair.y_true,
            *(side.y_pred for side in sides),
            (computed.positive,) if computed.positive else (),
        )
        found = [
            sums.pseudo_of_labels(computed, side.y_true, side.y_pred, labels) for side in sides
        ]
    clusters = pair.clusters()
    if clusters is not None:
        found = [sums.by_cluster(part, clusters) for part in found]
    return found[0], found[1]


def compare(
    question: Question,
    values: Values,
    reported: tuple[float, float],
    pair: Pair,
    computed: Computed,
) -> Answer:
    """Compare one metric over examples."""
    n = len(pair.ids)
    try:
        result, beside, intervals, sizes = _found(question, pair, computed)
    except DesignError as error:
        return _refused(question, values, reported, error)
    full = build(question, values, reported, intervals, sizes)
    full = replace(full, n_baseline=n, n_candidate=n, result=result, beside=beside)
    without = () if full.interval else ("no interval: too few examples for one, or none differs",)
    how = f"computed as {computed} from {n} predictions"
    how = f"the mean of its column over {n} examples" if pair.computed else how
    full = full.noted(how, *without)
    return Answer(question.judged(full))


def _found(question: Question, pair: Pair, computed: Computed) -> Found:
    design = replace(question.design(Unit.EXAMPLE, len(pair.ids)), metric=computed.kind)
    clusters = pair.clusters()
    if isinstance(computed, Scoring) or clusters is not None:
        sides = _sides(pair, computed, clusters)
        number = 0 if clusters is None else sides.units
        held = (
            sides.classes if isinstance(computed, Scoring) else _classes(pair, computed, clusters)
        )
        plan = plan_examples(design, classes=held, clusters=number)
        result = scoretests.run_on_scores(plan, design, sides)
        beside = scoretests.beside_scores(plan, design, sides)
        return result, beside, scoretests.intervals(sides, confidence=question.confidence), ()
    cells = tabulate(pair.y_true, pair.baseline.y_pred, pair.candidate.y_pred)
    told_apart = relevant(cells, computed)
    _check_classes(computed, len(told_apart.labels), len(told_apart.number))
    plan = plan_examples(design, classes=_classes(pair, computed, None))
    result = run_on_predictions(plan, design, cells, computed)
    lost, won = discordant(cells)
    return (
        result,
        one_dataset.beside_predictions(result.plan, design, cells),
        between_labels.predictions_interval(cells, computed, confidence=question.confidence),
        # the share of examples won, among those that one side alone has right, less 1/2
        (EffectSize("Cohen's g", won / (lost + won) - 0.5, None),) if lost + won else (),
    )


def _classes(pair: Pair, definition: Definition, clusters: Places | None) -> tuple[int, int]:
    """Return what holds the class that a metric is about, and others; zeros without one."""
    if not definition.positive:
        return 0, 0
    positive = np.array([label == definition.positive for label in pair.y_true])
    return scoretests.holding(positive, clusters)


def _sides(pair: Pair, computed: Computed, clusters: Places | None) -> Sides:
    measured = pair.measured(0.0, 0.0)
    if isinstance(computed, Scoring):
        one, two = (scored.terms(computed, side) for side in measured)
        return scoretests.of_terms(one, two, clusters)
    if clusters is None:
        raise DesignError("labels are counted in cells")
    return _label_sides(pair, computed, clusters)


def _label_sides(pair: Pair, definition: Definition, clusters: Places) -> Sides:
    columns = (pair.y_true, pair.baseline.y_pred, pair.candidate.y_pred)
    labels = classes(*columns, (definition.positive,) if definition.positive else ())
    truth, base, cand = metrics.encoded(labels, *columns)
    if definition.kind in {"accuracy", "error_rate"}:  # right or wrong, whatever the classes are
        labels = ("right", "wrong")
        base, cand = ((side != truth).astype(np.intp) for side in (base, cand))
        truth = np.zeros_like(truth)
    _check_classes(definition, len(labels), int(clusters.max()) + 1)
    data = sums.of_labels(truth, (base, cand), labels, definition, clusters)
    scores = (value(definition, columns[0], columns[1]), value(definition, columns[0], columns[2]))
    return scoretests.Sides(definition.kind, scores, data, None, clusters)


def _check_classes(definition: Definition, number: int, rows: int) -> None:
    """Refuse a table of every class for each row; accuracy tells right from wrong only."""
    if number <= MOST_CLASSES and number * rows <= MOST_COUNTS:
        return
    raise DesignError(
        f"{definition} is tested with {MOST_CLASSES} classes, and {MOST_COUNTS} classes times "
        "rows that differ, at most",
        found=f"{number} classes, {rows} rows",
        next_step="test accuracy, which has no such limit, or merge rare classes",
    )
