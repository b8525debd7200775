"""Two trained models by their predictions of the same examples: one repeat a side is enough.

The claim is about these two artefacts on this evaluation set; nothing is said about training
again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.comparison.designs import computed, scores
from gitexp.comparison.designs.pairs import has_recorded, read_pair
from gitexp.comparison.measure import Answer, Values, build, values_of
from gitexp.errors import DesignError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.comparison.counting import Count, Counted
    from gitexp.comparison.designs.pairs import Pair
    from gitexp.comparison.designs.situation import CountedSides
    from gitexp.comparison.measure import Question
    from gitexp.comparison.sides import ResolvedSide


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


def has_predictions(count: Count, source: ResolvedSide) -> bool:
    """Whether the chosen repeats of both sides recorded the declared predictions."""
    pair = chosen(count)
    return pair is not None and all(has_recorded(item, source) for item in pair)


def load(situation: CountedSides, columns: Sequence[str] = ()) -> Pair:
    """Read the predictions of the chosen repeat of both sides; see `pairs.read_pair`.

    Raises `DesignError` if a side has no repeat, besides the reasons of `pairs.read_pair`.
    """
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
        definition = computed.identify(question.metric, [pair], [reported])
    except DesignError as error:
        why = error.brief
        plain = build(question, values, reported, interval=None, relative_interval=None, sizes=())
        return Answer(plain.noted(f"not tested: {why}"), why)
    return scores.compare(question, values, reported, pair, definition)


def of_pair(count: Count, metric: str, pair: Pair) -> Values:
    """Return the value of the chosen repeat of each side."""
    every = values_of(count, metric, paired=False)
    return Values(
        tuple(item for item in every.baseline if item[0] == pair.seed_baseline),
        tuple(item for item in every.candidate if item[0] == pair.seed_candidate),
        paired=True,
    )
