"""The same comparison in the subgroups that a column of the predictions makes.

Every metric is computed again in each subgroup, by the definition that gives the project's own
number for the whole; all tests that are shown are one family. Small subgroups are not shown, and
neither are those from which their numbers would follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.comparison.designs import computed, crossed, predictions, repeats, scores
from gitexp.comparison.measure import Answer, Values, values_of
from gitexp.errors import DesignError
from gitexp.model.comparison import Slice, SliceComparison
from gitexp.stats.adjust import family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.comparison.designs.computed import Computed
    from gitexp.comparison.designs.pairs import Pair
    from gitexp.comparison.designs.situation import Situation
    from gitexp.comparison.measure import Question
    from gitexp.model.comparison import MetricComparison

MOST = 100  # subgroups: a column of ids makes none


@dataclass(frozen=True, slots=True)
class _Asked:
    """A metric that can be computed, with its question."""

    question: Question
    definition: Computed


def compare(
    situation: Situation, questions: Sequence[Question], pairs: Sequence[Pair], column: str
) -> SliceComparison:
    """Compare metrics in every subgroup that is large enough.

    `questions`: what is asked; metrics that predictions do not give are left out. `pairs`: read
    with the column: the one that a claim about two models rests on, or all.

    Raises `DesignError` if the column is missing or makes too many subgroups, or no metric can be
    computed.
    """
    asked = _computable(situation, questions, pairs)
    groups = [_groups(pair.attribute(column)) for pair in pairs]
    names = sorted({name for rows in groups for name in rows})
    if len(names) > MOST:
        raise DesignError(
            f"{column} makes too many subgroups",
            found=f"{len(names)} different values",
            expected=f"at most {MOST}, such as a contract or a region",
        )
    least = situation.candidate.config.min_slice
    sizes = {name: min(len(rows.get(name, ())) for rows in groups) for name in names}
    shown = visible(sizes, least)
    crossing = len(pairs) > 1 and crossed.is_crossed(situation)
    cells: list[tuple[str, str, MetricComparison | None, str]] = []
    for name in shown:
        parts = [pair.take(rows[name]) for pair, rows in zip(pairs, groups, strict=True)]
        for one in asked:
            answer = _one(one, parts, crossing=crossing, model=len(pairs) == 1)
            cells.append((name, one.question.metric, answer.comparison, answer.refused))
    return SliceComparison(
        column=column,
        metrics=tuple(one.question.metric for one in asked),
        slices=_adjusted(cells, sizes, situation.adjust),
        family=sum(1 for *_, item, _ in cells if item is not None and item.result is not None),
        hidden=len(names) - len(shown),
        least=least,
    )


def visible(sizes: Mapping[str, int], least: int) -> list[str]:
    """Return the subgroups whose numbers are shown: none small, none that gives a small one away.

    The numbers of one small subgroup follow from those of the whole and of all others. So the next
    larger ones are left out too, until at least two are, with `least` examples together [1]_.

    References
    ----------
    .. [1] Hundepool, A. et al. (2012). Statistical Disclosure Control: secondary cell
       suppression. doi:10.1002/9781118348239
    """
    by_size = sorted(sizes, key=lambda name: (sizes[name], name))
    hidden = sum(size < least for size in sizes.values())
    while 0 < hidden < len(by_size):
        if hidden > 1 and sum(sizes[name] for name in by_size[:hidden]) >= least:
            break
        hidden += 1
    return sorted(by_size[hidden:])


def _computable(
    situation: Situation, questions: Sequence[Question], pairs: Sequence[Pair]
) -> list[_Asked]:
    found: list[_Asked] = []
    why = "none of them is computed from predictions"
    for question in questions:
        if not computed.is_known(question.metric):
            continue
        values = (
            values_of(situation.count, question.metric, paired=True)
            if len(pairs) > 1
            else predictions.of_pair(situation.count, question.metric, pairs[0])
        )
        if len(values.baseline) != len(pairs) or len(values.candidate) != len(pairs):
            continue
        reported = list(zip(values.left, values.right, strict=True))
        try:
            definition = computed.identify(question.metric, pairs, reported)
        except DesignError as error:
            why = error.brief
            continue
        found.append(_Asked(question, definition))
    if not found:
        asked = ", ".join(question.metric for question in questions)
        raise DesignError("no metric can be compared by subgroups", found=f"{asked}; {why}")
    return found


def _groups(column: Sequence[str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for row, name in enumerate(column):
        groups.setdefault(name, []).append(row)
    return groups


def _one(one: _Asked, parts: Sequence[Pair], *, crossing: bool, model: bool) -> Answer:
    """Compare one metric in one subgroup."""
    try:
        numbers = [computed.both(one.definition, part) for part in parts]
    except DesignError as error:
        return Answer(None, error.summary)
    values = Values(
        tuple((part.seed_baseline, a) for part, (a, _) in zip(parts, numbers, strict=True)),
        tuple((part.seed_candidate, b) for part, (_, b) in zip(parts, numbers, strict=True)),
        paired=True,
    )
    if model:
        return scores.compare(one.question, values, numbers[0], parts[0], one.definition)
    if crossing:
        return crossed.compare(one.question, values, parts, one.definition)
    return repeats.compare(one.question, values, paired=True)


def _adjusted(
    cells: Sequence[tuple[str, str, MetricComparison | None, str]],
    sizes: dict[str, int],
    method: str,
) -> tuple[Slice, ...]:
    """Hold alpha over all that is shown, in either direction."""
    tested = [item.result for *_, item, _ in cells if item is not None and item.result is not None]
    toward = [one.p_value if one.p_support is None else one.p_support for one in tested]
    against = [1.0 if one.p_refute is None else one.p_refute for one in tested]
    up = iter(family(toward, method))
    down = iter(family(against, method))
    slices: list[Slice] = []
    for name, metric, item, why in cells:
        has = item is not None and item.result is not None
        promised = (
            item is not None and item.result is not None and item.result.p_support is not None
        )
        first, second = (next(up), next(down)) if has else (None, None)
        slices.append(
            Slice(
                value=name,
                examples=sizes[name],
                metric=metric,
                comparison=item,
                p_adjusted=first,
                p_refute_adjusted=second if promised else None,
                note=why,
            )
        )
    return tuple(slices)
