"""A comparison at a glance: a sentence, a table that is also a plot, and what weakens the answer.

What documents the answer is there for who asks (``-v``), in four groups.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from gitexp.model import dataclass
from gitexp.model.plan import ALPHA, Claim, Direction, HypothesisKind, Plan, SeedOrigin, Verdict
from gitexp.model.result import Interval, MetricComparison, Role
from gitexp.model.witness import Grade
from gitexp.records.terms import denied_effect, format_effect
from gitexp.report import caveats, numbers, supplements, words
from gitexp.report.escape import prose, visible, width
from gitexp.report.sheet import (
    Fact,
    Grid,
    Sheet,
    Style,
    amendment_words,
    is_good,
    order_words,
    shortened,
)
from gitexp.stats.design import counted
from gitexp.stats.tests import named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitexp.model.comparison import Comparison

WIDTH: Final = 78  # columns where no terminal says how many it has
_PLOT = range(13, 31)  # columns of the plot; with less room there is none
_FEW, _LIST = 2, 30  # changes of a kind that are named, and the columns they take at most
_WIDER = 2  # as wide as the primary metric's part of the axis others may stretch it, either way
_GROUPS: Final = {
    "decision": ("verdict", "test", "why", "verdict by", "beside", "claim", "family"),
    "precision": ("power", "effect", "noise", "note", "pairs", "repeats"),
    "plan": ("order", "seeds", "newer rules", "looks", "ledger"),
    "provenance": ("baseline", "candidate", "differs", "isolation"),
}


def sheet_of(comparison: Comparison, style: Style, whole: Grid | None = None) -> Sheet:
    """Return what a terminal shows of one candidate; `whole`: the table in full, for ``-v``."""
    # A line alone says all that the recorded one does.
    sentence, rest = (comparison.headline, "") if style.quiet else said(comparison)
    groups = supplements.groups_sheet(comparison, style)
    facts = [*_facts(comparison)]
    details = "" if style.verbose else _hidden(comparison)
    shown = _grid(comparison, style, details)
    hint = bool(details) and (shown is None or not shown.breaks)
    kept = facts if style.verbose else shortened(facts)
    return Sheet(
        headline=sentence,
        word=words.verdict_word(comparison),
        good=is_good(comparison.verdict),
        below=_setting(comparison, rest),
        grids=() if shown is None else (shown,),
        parts=(
            *(() if groups is None else (groups,)),
            *(() if whole is None else (Sheet(grids=(whole,)),)),
            *(_grouped(comparison, facts) if style.verbose else ()),
        ),
        facts=(*kept, *((Fact("-v", details),) if hint else ())),
        next_step=comparison.next_step,
    )


def said(comparison: Comparison) -> tuple[str, str]:
    """Return the verdict as a sentence, and the p and alpha that stand below it."""
    plan, main, verdict = comparison.plan, words.primary(comparison), comparison.verdict
    headline = comparison.headline
    if plan is None or main is None or verdict is None:
        return headline, ""
    promise = format_effect(plan.effect, plan.metric, plan.direction)
    claim = f"{words.BEFORE.get(verdict, '')}{promise}"
    before, found, after = headline.partition(claim)
    _, is_decided, rest = after.partition("p = ")
    if not found or not is_decided:
        return headline, ""
    if verdict is Verdict.REFUTED:
        claim = denied_effect(plan.effect, plan.metric, plan.direction)
    rest, broken, which = rest.partition("; BROKEN: ")
    return f"{before}{claim}: {_measured(plan, main)}{broken}{which}", f"p = {rest}"


def _measured(plan: Plan, main: MetricComparison) -> str:
    share = plan.effect.relative and main.relative is not None
    size, interval = _change(main, share=share), _limits(main, share=share)
    if not interval or (found := main.interval) is None:
        return size
    return f"{size}, {found.confidence * 100:.3g} % CI {interval}"


def _change(metric: MetricComparison, *, share: bool) -> str:
    if share:
        places = numbers.percent_decimals(metric.relative_interval)
        return numbers.percent(metric.relative, decimals=places)
    return numbers.number(metric.difference, numbers.decimals_for(metric), signed=True)


def _limits(metric: MetricComparison, *, share: bool) -> str:
    """Return an interval in words: from one limit to the other."""
    low, high, unit = _both(metric, share=share)
    if not low:
        return ""
    if low == "-inf":
        return f"up to {high}{unit}"
    return f"{low}{unit} or more" if high == "+inf" else f"{low} to {high}{unit}"


def _both(metric: MetricComparison, *, share: bool) -> tuple[str, str, str]:
    interval = metric.relative_interval if share else metric.interval
    digits = numbers.percent_decimals(interval) if share else numbers.decimals_for(metric)
    inner, _, unit = numbers.interval_text(interval, digits, share=share)[1:].partition("]")
    low, _, high = inner.partition(", ")
    return low, high, unit


def _setting(comparison: Comparison, rest: str) -> str:
    """Return what was compared with what, over how many, and how sure the sentence is."""
    parts = [f"{comparison.candidate.name} against {comparison.baseline.name}"]
    main = words.primary(comparison) or next(iter(comparison.metrics), None)
    if comparison.claim is Claim.MODEL and main is not None:
        parts.append(f"two trained models, {numbers.amount(main.n_candidate, 'example')}")
    elif part := _part(comparison, main):
        parts.append(part)
    elif comparison.pairs:
        planned = comparison.planned_repeats
        of = f"{comparison.pairs} of {planned} pairs"
        fewer = planned is not None and comparison.pairs < planned
        parts.append(of if fewer else numbers.amount(comparison.pairs, "pair"))
    elif main is not None:
        parts.append(f"{main.n_baseline} and {main.n_candidate} repeats")
    return "; ".join([", ".join(parts), *([rest] if rest else [])])


def _part(comparison: Comparison, main: MetricComparison | None) -> str:
    """Return the folds or data sets of two plain files, which are not repeats; "" elsewhere."""
    result = None if main is None else main.result
    if main is None or result is None or comparison.candidate.runs:
        return ""
    part = named(result.plan.test).part
    return counted(main.n_candidate, part) if part else ""


def _facts(comparison: Comparison) -> Iterator[Fact]:
    """Yield what changed, and each thing that weakens the answer."""
    if comparison.words:
        yield Fact("concluded", prose(comparison.words))
    if comparison.baseline.runs or comparison.candidate.runs:
        yield Fact("changed", _changed(comparison))
    else:  # two plain files: which test is what was asked
        yield from (each for each in words.facts(comparison) if each.label in {"test", "why"})
    if comparison.scope and comparison.verdict is not None:
        yield Fact("holds for", comparison.scope)
    yield from (Fact("reason", text) for text in comparison.reasons)
    yield from (Fact("warning", text) for text in comparison.warnings)
    if comparison.plan is not None:
        yield from (Fact("amended", amendment_words(each)) for each in comparison.plan.amended)
    if comparison.order is not None and comparison.order.grade is Grade.NONE:
        yield Fact("order", order_words(comparison.order))
    seeds = None if comparison.plan is None else comparison.plan.seeds
    if seeds is not None and seeds.origin is SeedOrigin.COMMITTED:
        yield Fact("seeds", words.ORIGINS[seeds.origin])
    if comparison.looks:
        yield from words.looks(comparison)
    sides = comparison.baseline, comparison.candidate
    if comparison.missing is None and any(side.failed for side in sides):
        yield Fact("repeats", words.unfinished(*sides))
    weak = ["failed", "unfinished", "selection", "siblings", "evaluator"]
    weak += ["ledger"] if comparison.ledger is not None and comparison.ledger.experiments else []
    yield from (Fact(name, text) for name, text in caveats.lines(comparison) if name in weak)
    yield from words.unused(comparison)


def _changed(comparison: Comparison) -> str:
    """Return what differs, a few of each kind; ``-v`` has all."""
    found = []
    for kind, changes in words.by_kind(comparison).items():
        shown = [words.change_text(kind, each) for each in changes]
        of = words.KINDS.get(kind, kind)
        many = len(shown) > _FEW or (len(shown) > 1 and len(", ".join(shown)) > _LIST)
        found.append(f"{kind}: {numbers.amount(len(shown), of) if many else ', '.join(shown)}")
    return "; ".join(found) or f"nothing: {', '.join(words.differences(comparison))}"


def _hidden(comparison: Comparison) -> str:
    """Return what ``-v`` has."""
    notes = sum(len(metric.notes) for metric in comparison.metrics)
    counted = [numbers.amount(notes, "note")] if notes else []
    return ", ".join(["tests", "power", "plan", "provenance", *counted])


def _grouped(comparison: Comparison, shown: Sequence[Fact]) -> Iterator[Sheet]:
    """Yield all that is known and not shown anyway, in four groups."""
    facts = [Fact("verdict", comparison.headline)]
    facts += [each for each in words.facts(comparison) if each not in shown]
    for name, labels in _GROUPS.items():
        mine = [each for label in labels for each in facts if each.label == label]
        if mine:
            yield Sheet(headline=name, facts=tuple(mine))


# --- the table ----------------------------------------------------------------------------------


def _grid(comparison: Comparison, style: Style, details: str) -> Grid | None:
    if not comparison.metrics:
        return None
    metrics = sorted(comparison.metrics, key=lambda each: each.role is Role.WATCHED)
    counts = {(each.n_baseline, each.n_candidate) for each in metrics}
    header = ["", *_names(comparison), "change", words.confidence_title(comparison), ""]
    rows = [_row(comparison, metric, style) for metric in metrics]
    if len(counts) > 1:
        header.insert(1, "n")
        for row, metric in zip(rows, metrics, strict=True):
            row.insert(1, words.counts(metric))
    room = (style.columns or WIDTH) - _taken([header, *rows])
    axis = _axis(comparison, metrics)
    if axis is not None and room - 2 >= _PLOT[0]:
        plot = _Plot(axis, min(room - 2, _PLOT[-1]), style.unicode)
        header.insert(-1, plot.header())
        for row, metric in zip(rows, metrics, strict=True):
            row.insert(-1, plot.row(metric))
    flush = range(1, header.index("change") + 2)
    first = next((at for at, each in enumerate(metrics) if each.role is Role.WATCHED), 0)
    said = "secondary metrics, no verdict" + (f" (-v: {details})" if details else "")
    return Grid(
        "",
        tuple(header),
        tuple(map(tuple, rows)),
        right=frozenset(flush),
        breaks={first: said} if first else {},
    )


def _names(comparison: Comparison) -> tuple[str, str]:
    most = 12  # columns
    sides = (comparison.baseline.name, "old"), (comparison.candidate.name, "new")
    left, right = (name if width(visible(name)) <= most else short for name, short in sides)
    return left, right


def _row(comparison: Comparison, metric: MetricComparison, style: Style) -> list[str]:
    digits, share = numbers.decimals_for(metric), metric.relative is not None
    low, high, _ = _both(metric, share=share)
    level = "" if metric.interval is None else words.other_confidence(comparison, metric.interval)
    return [
        metric.metric,
        numbers.number(metric.mean_baseline, digits),
        numbers.number(metric.mean_candidate, digits),
        _change(metric, share=share),
        f"[{low}, {high}]{level}" if low else "",
        _judgement(comparison, metric, style),
    ]


def _judgement(comparison: Comparison, metric: MetricComparison, style: Style) -> str:
    """Say what became of a metric, by a sign and a word."""
    yes, no, open_ = ("✓", "✗", "?") if style.unicode else ("+", "x", "?")
    match metric.role:
        case Role.PRIMARY:
            if _is_met(comparison):
                return f"{yes} met"
            return f"{no} missed" if comparison.verdict is Verdict.REFUTED else f"{open_} open"
        case Role.GUARD:
            word = words.role_note(comparison, metric)
            return f"{no if metric.broken else yes if word == words.KEPT else open_} {word}"
        case Role.WATCHED:
            return _secondary(comparison, metric, style)


def _is_met(comparison: Comparison) -> bool:
    """Return whether what was promised was shown, also where a broken guard-rail forbids a yes."""
    yes = comparison.verdict in {Verdict.SUPPORTED, Verdict.EQUIVALENT}
    return yes or any(reason.endswith(words.BROKEN) for reason in comparison.reasons)


def _secondary(comparison: Comparison, metric: MetricComparison, style: Style) -> str:
    alpha = ALPHA if comparison.plan is None else comparison.plan.alpha
    p = metric.p_adjusted
    if p is None and metric.result is not None:
        p = metric.result.p_value
    if p is None or p > alpha or not metric.difference:
        return ""
    up, down = ("▲", "▼") if style.unicode else ("+", "-")
    gained = _gain(metric, metric.difference) > 0
    good, bad = ("higher", "lower") if metric.direction is None else ("better", "worse")
    return f"{up} {good}" if gained else f"{down} {bad}"


def _taken(rows: Sequence[Sequence[str]]) -> int:
    """Return how many columns a table takes."""
    widest = [max(width(visible(row[at])) for row in rows) for at in range(len(rows[0]))]
    return sum(widest) + 2 * (len(widest) - 1)


# --- the plot -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Axis:
    """What the plot spans, as shares of the baseline.

    Better is to the right; what is better of no metric more is, and of some metric alone it has no
    place.
    """

    low: float
    high: float
    target: float | None
    oriented: bool

    def span(self, metric: MetricComparison) -> tuple[float, float, float] | None:
        """Return a change between its limits; None where no axis has room for them."""
        return _span(metric, oriented=self.oriented)


def _gain(metric: MetricComparison, value: float) -> float:
    return -value if metric.direction is Direction.MIN else value


def _span(metric: MetricComparison, *, oriented: bool) -> tuple[float, float, float] | None:
    found: Interval | None = metric.relative_interval
    if metric.relative is None or found is None or found.low is None or found.high is None:
        return None
    every = (found.low, metric.relative, found.high)
    if oriented and metric.direction is None:
        return None
    if oriented and metric.direction is Direction.MIN:
        every = (-found.high, -metric.relative, -found.low)
    return every if all(map(math.isfinite, every)) else None


def _axis(comparison: Comparison, metrics: Sequence[MetricComparison]) -> _Axis | None:
    main, target = words.primary(comparison), None
    known = [each.direction is not None for each in metrics]
    oriented = any(known) if main is None else main.direction is not None
    every = ((each.metric, _span(each, oriented=oriented)) for each in metrics)
    spans = {name: span for name, span in every if span is not None}
    if main is not None and main.metric in spans and comparison.effect is not None:
        effect = comparison.effect
        if effect.kind is HypothesisKind.SUPERIORITY and (
            effect.relative or main.mean_baseline > 0
        ):
            target = effect.margin if effect.relative else effect.margin / main.mean_baseline
            target = target if oriented else _gain(main, target)
    own = [spans[main.metric]] if main is not None and main.metric in spans else [*spans.values()]
    if not own:
        return None
    inner = [0.0, *(value for span in own for value in span), *([] if target is None else [target])]
    low, high = min(inner), max(inner)
    if high <= low:
        return None
    far = (high - low) * _WIDER
    ends = [min(max(value, low - far), high + far) for span in spans.values() for value in span]
    return _Axis(min(low, *ends), max(high, *ends), target, oriented)


@dataclass(frozen=True, slots=True)
class _Plot:
    """Intervals of all metrics on one axis, drawn in characters."""

    axis: _Axis
    columns: int
    unicode: bool

    def _at(self, value: float) -> int:
        place = (value - self.axis.low) / (self.axis.high - self.axis.low) * (self.columns - 1)
        return min(max(round(place), 0), self.columns - 1)

    def header(self) -> str:
        """Return the line above: which way is better, zero, and the target."""
        zero, target = self._at(0.0), self.axis.target
        wanted = [("0", [zero])]
        if target:  # zero is marked already
            text = numbers.percent(target, decimals=0 if round(target * 100, 6) % 1 == 0 else 1)
            wanted.append((text, [self._at(target) - len(text) // 2]))
        left, right = ("worse", "better") if self.axis.oriented else ("less", "more")
        wanted.append((right, [*range(self.columns - len(right), zero, -1)]))
        wanted.append((left, [*range(zero - len(left))]))
        line = " " * self.columns
        for text, places in wanted:
            for place in places:
                at = min(max(place, 0), self.columns - len(text))
                if not line[max(at - 1, 0) : at + len(text) + 1].strip():
                    line = f"{line[:at]}{text}{line[at + len(text) :]}"
                    break
        return line

    def row(self, metric: MetricComparison) -> str:
        """Return one interval with its estimate, over the marks of zero and the target."""
        dash, left, right, dot, zero, mark, shade = (
            ("─", "├", "┤", "●", "│", "┊", "░")
            if self.unicode
            else ("-", "[", "]", "o", "|", ":", ".")
        )
        line = [" "] * self.columns
        target = self.axis.target
        if target is not None and metric.role is Role.PRIMARY:
            at, down = self._at(target), metric.direction is Direction.MIN
            met = slice(at + 1) if down and not self.axis.oriented else slice(at, None)
            line[met] = shade * len(line[met])
        line[self._at(0.0)] = zero
        if target:
            line[self._at(target)] = mark
        span = self.axis.span(metric)
        if span is not None:
            low, middle, high = map(self._at, span)
            line[low : high + 1] = dash * (high + 1 - low)
            if high - low > 1:
                line[low], line[high] = left, right
            line[middle] = dot
            if span[0] < self.axis.low:
                line[0] = "<"
            if span[2] > self.axis.high:
                line[-1] = ">"
        return "".join(line)
