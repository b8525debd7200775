"""Re-splits: each seed divides one table anew, and what repeats learn from, or test on, overlaps.

Repeats of one table are not independent: over ten of them the permutation of their differences
supports 16 % to 24 % of true nulls at alpha = 0.05, Nadeau's and Bengio's corrected t 5 % to 7 %.
The ids of recorded predictions tell such repeats from those with data of their own.
"""

from __future__ import annotations

import itertools
import math
import re
import string
from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.comparison.designs import folds, prediction_pairs, repeats
from gitexp.comparison.designs.crossed import LARGEST_BYTES, counted
from gitexp.comparison.designs.prediction_pairs import recorded_by
from gitexp.comparison.eligible import ROW_IDS, predicted_others
from gitexp.comparison.measure import LARGEST, Answer, CountedSides, Question, values_of
from gitexp.errors import DesignError, GitexpError
from gitexp.model.plan import Claim
from gitexp.model.result import Part
from gitexp.stats.design import Splits

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from gitexp.comparison.eligible import Counted
    from gitexp.comparison.sides import ResolvedSide

    _Shown = tuple[tuple[Counted, ResolvedSide], ...]

FEWEST = 2
FEW = "two splits of one table are the fewest that are tested"
RENUMBERED = f"the ids of predictions name other rows for other seeds (id {{name}}), {ROW_IDS}"
NUMBERED = f"the ids of predictions are numbered anew for each seed (id {{name}}), {ROW_IDS}"
APART = "no two seeds share an example, by their ids: each repeat is taken for data of its own"
_LONG = 4  # digits, which no id has by chance
NAIVE = (
    "repeats of one table share examples: the permutation of their differences, which takes them "
    "for independent, is refused"
)
SHARED = (
    "each seed divides one table anew, about {train:.0f} examples to {test:.0f}: what the repeats "
    "share is paid for, and more of them bring the standard error to no less than {floor:.2g} of "
    "their spread; more data do"
)


def is_resplit(situation: CountedSides) -> bool:
    """Whether each seed was evaluated on other examples, by the records alone.

    Plans of the first rules keep the test that they had.
    """
    plan, pairs = situation.plan, counted(situation) if situation.paired else []
    if plan is None or plan.rules == 1 or situation.claim is not Claim.METHOD:
        return False
    return predicted_others(item.repeat for pair in pairs for item in pair)


def read(situation: CountedSides) -> Splits | str | None:
    """Return how the table of both sides was divided; see `divided`."""
    sides = situation.candidate, situation.baseline
    joined = ((new, old) for old, new in counted(situation))
    shown = (tuple(zip(pair, sides, strict=True)) for pair in joined)
    return divided(_examples(situation.top, shown))


def of_side(top: Path | None, side: ResolvedSide, used: Sequence[Counted]) -> Splits | str | None:
    """Return how one side's seeds divide a table; None also where no record shows it."""
    if not predicted_others(item.repeat for item in used):
        return None
    return divided(_examples(top, (((item, side),) for item in used)))


def foretold(splits: Splits | str | None) -> str:
    """Say, before there are pairs, what is known or assumed of what they share."""
    if isinstance(splits, Splits):
        return (
            "each seed divides one table anew: the standard error stays above "
            f"{math.sqrt(splits.ratio):.2g} of the spread, however many pairs; more data lessen it"
        )
    return "repeats are independent (no re-splits of one table)" + (f"; {splits}" if splits else "")


def divided(repeats: Iterable[tuple[int, Mapping[str, str]]]) -> Splits | str | None:
    """Return how a table was divided, or why nobody knows; None where no two seeds share rows.

    `repeats`: seeds, each with the ids of its examples and their true labels.

    Training parts are what a seed does not test on, of all examples that any seed has shown: that
    is less than the table, which errs on the safe side.
    """
    truth: dict[str, str] = {}
    ids: list[tuple[int, Collection[str]]] = []
    try:
        for seed, examples in repeats:
            ids.append((seed, examples.keys()))
            for name, label in examples.items():
                if truth.setdefault(name, label) != label:
                    return RENUMBERED.format(name=name[:40])
    except DesignError as error:
        return error.brief
    total = sum(len(names) for _, names in ids)
    if len(truth) == total:
        again = all(_names(seed, names) for seed, names in ids)
        again = again or len(set().union(*(_bare(names) for _, names in ids))) < total
        return NUMBERED.format(name=min(truth)[:40]) if again else None
    n_test = total / len(ids)
    return Splits(len(ids), 0, n_train=len(truth) - n_test, n_test=n_test)


def _names(seed: int, ids: Collection[str]) -> bool:
    """Return whether each id has the seed in it."""
    plain = str(seed)
    number = re.compile(plain if len(plain) >= _LONG else rf"(?<!\d)0*{plain}(?!\d)")
    return all(map(number.search, ids))


def _bare(ids: Collection[str]) -> set[str]:
    """Return ids without what all of them begin, and end, with: numbers stay whole."""
    if len(ids) < FEWEST:
        return {*ids}
    start = _common(ids)
    rest = [name[start:] for name in ids]
    end = _common([name[::-1] for name in rest])
    return {name[: len(name) - end] for name in rest}


def _common(names: Collection[str]) -> int:
    """Return how many characters all names begin with, digits at the end of these left out."""
    first, last = min(names), max(names)
    pairs = zip(first, last, strict=False)
    same = "".join(one for one, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    return len(same.rstrip(string.digits))


def _examples(
    top: Path | None, repeats: Iterable[_Shown]
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield each seed and its examples, with true labels, from whichever side has them here.

    `repeats`: for each seed those that show its examples.
    """
    size = 0
    for sides in repeats:
        out = next(filter(None, (recorded_by(*each) for each in sides)), None)
        size += 0 if out is None else out.size
        if size > LARGEST_BYTES:
            raise DesignError(f"the predictions have more than {LARGEST_BYTES >> 20} MiB")
        failed: list[GitexpError] = []
        for item, source in sides:
            try:
                table = prediction_pairs.read(top, item, source)
            except GitexpError as error:
                failed.append(error)
            else:
                yield item.repeat.seed, dict(zip(table.ids, table.y_true, strict=True))
                break
        else:
            raise failed[0]


def measure(situation: CountedSides, question: Question, overlap: Splits | str) -> Answer:
    """Compare one metric over repeats whose examples overlap; without a test where none holds."""
    values = values_of(situation.count, question.metric, paired=True)
    if isinstance(overlap, str) or len(values.baseline) < FEWEST:
        plain = repeats.compare(question, values, paired=True, decides=False)
        return folds.without_test(question, plain, overlap if isinstance(overlap, str) else FEW)
    if max(map(abs, (*values.left, *values.right))) > LARGEST:
        return Answer(None, f"{question.metric} has values beyond {LARGEST:g}")
    scores = tuple(
        Part(seed, None, None, None, None, "", left, right)
        for (seed, left), (_, right) in zip(values.baseline, values.candidate, strict=True)
    )
    floor = math.sqrt(overlap.ratio)
    said = SHARED.format(train=overlap.n_train, test=overlap.n_test, floor=floor)
    splits = replace(overlap, repetitions=len(scores))
    answer = folds.over_splits(question, scores, values, splits, (NAIVE, said))
    if answer.comparison is None:
        return answer
    return replace(answer, comparison=replace(answer.comparison, parts=()))
