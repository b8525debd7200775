"""What a comparison says, as words and rows that every renderer shows alike.

All texts are raw: the renderer passes each through the escaper of its target.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitexp.model.comparison import EQUAL_IN_PAIRS, LATE, Change, Comparison, Side
from gitexp.model.plan import Claim, Effect, HypothesisKind, SeedOrigin, Verdict
from gitexp.model.result import (
    Interval,
    MetricComparison,
    Part,
    Role,
    SignificanceResult,
    VarianceShare,
)
from gitexp.report import caveats, numbers
from gitexp.report.escape import prose
from gitexp.report.sheet import MANY, SHORT, Fact, amendment_words, order_words
from gitexp.stats.tests import named

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


# What stands before a promise in the first line.
BEFORE = {Verdict.REFUTED: "rejected that ", Verdict.INCONCLUSIVE: "not shown that "}
KEPT = "guard-rail, kept"
# How the obstacle of a broken guard-rail ends, which alone keeps a yes from what was promised: at
BROKEN = "is broken, which no repeats mend"  # its end, since a metric may have any name
_RATIO = re.compile(r"(?<![0-9.])[0-9.]+ times")
KINDS = {  # of changes, and what one is called; another kind by its name
    "config": "setting",
    "params": "parameter",
    "code": "file",
    "data": "data file",
    "environment": "part of the environment",
}
_KEYS = ("seed", "rep", "fold")
_WHY = {"found elsewhere": "on other branches only"}  # as records have it; for readers
ORIGINS = {
    SeedOrigin.DRAWN: "drawn with the plan, the same on both sides",
    SeedOrigin.COMMITTED: "the committed ones, public before the plan",
}


def verdict_word(comparison: Comparison) -> str:
    """Return the verdict in capitals, "NO VERDICT" where there is no recorded hypothesis."""
    return "NO VERDICT" if comparison.verdict is None else comparison.verdict.value.upper()


def verdict_line(comparison: Comparison) -> str:
    """Return the first line: what ``-q`` prints."""
    return f"{verdict_word(comparison)}  {comparison.headline}"


def role_note(comparison: Comparison, metric: MetricComparison) -> str:
    """Say what the metric is to the plan, and what became of it."""
    match metric.role:
        case Role.PRIMARY:
            return "tested"
        case Role.GUARD:
            if metric.broken:
                return "guard-rail, BROKEN"
            found = metric.result
            p = None if found is None else found.p_support
            kept = found is not None and p is not None and p <= found.plan.alpha
            return KEPT if kept else "guard-rail, not shown to be kept"
        case Role.WATCHED:
            if metric.p_adjusted is None:
                return "watched, no verdict"
            adjusted = numbers.p_text(metric.p_adjusted, _alpha(comparison))
            return f"watched, no verdict; {caveats.adjusted_p(comparison.adjustment)} {adjusted}"


def counts(metric: MetricComparison) -> str:
    """Return how many values a metric has on either side, once where they are equal."""
    left, right = metric.n_baseline, metric.n_candidate
    return str(right) if left == right else f"{left}/{right}"


def confidence_title(comparison: Comparison) -> str:
    """Return "95 % interval", of the confidence of the first."""
    first = _first_confidence(comparison)
    return "interval" if first is None else f"{first * 100:.3g} % interval"


def interval(comparison: Comparison, metric: MetricComparison, decimals: int) -> str:
    """Return a metric's interval; with its confidence, where that is not in the title."""
    found = metric.interval
    shown = numbers.interval_text(found, decimals)
    return shown if found is None else f"{shown}{other_confidence(comparison, found)}"


def other_confidence(comparison: Comparison, interval: Interval) -> str:
    """Return an interval's confidence, where it is not that of the title."""
    if interval.confidence == _first_confidence(comparison):
        return ""
    return f" {interval.confidence * 100:.3g} %"


def _first_confidence(comparison: Comparison) -> float | None:
    every = (item.interval.confidence for item in comparison.metrics if item.interval is not None)
    return next(every, None)


def size_title(comparison: Comparison) -> str:
    """Return the name of the effect size in the table."""
    names = dict.fromkeys(size.name for metric in comparison.metrics for size in metric.effects[:1])
    return next(iter(names)) if len(names) == 1 else "size"


def facts(comparison: Comparison) -> list[Fact]:
    """Return everything beside verdict and numbers, most important first."""
    return [
        *([Fact("concluded", prose(comparison.words))] if comparison.words else []),
        *([Fact("holds for", comparison.scope)] if comparison.scope else []),
        *(Fact("reason", text) for text in comparison.reasons),
        *(Fact("warning", text) for text in comparison.warnings),
        *_planned(comparison),
        *_tests(comparison),
        *_design(comparison),
        *(Fact(label, text) for label, text in caveats.lines(comparison)),
        Fact("baseline", side_text(comparison.baseline, comparison.row_key)),
        Fact("candidate", side_text(comparison.candidate, comparison.row_key)),
        *(Fact("differs", text) for text in differences(comparison)),
        *unused(comparison),
        *looks(comparison),
        *_notes(comparison),
    ]


def _planned(comparison: Comparison) -> Iterator[Fact]:
    """Yield what bound in the plan before it was amended, and how sure it is that it came first."""
    for item in () if comparison.plan is None else comparison.plan.amended:
        yield Fact("amended", amendment_words(item))
    if comparison.order is not None:
        yield Fact("order", order_words(comparison.order))
    seeds = None if comparison.plan is None else comparison.plan.seeds
    if seeds is not None:
        yield Fact("seeds", ORIGINS[seeds.origin])
    if comparison.newer_rules:
        yield Fact("newer rules", comparison.newer_rules)


def primary(comparison: Comparison) -> MetricComparison | None:
    """Return the metric that the plan is about; without a plan there is none."""
    return next((item for item in comparison.metrics if item.role is Role.PRIMARY), None)


def _test_text(result: SignificanceResult) -> str:
    plan = result.plan
    parts = [plan.title]
    if plan.resamples and plan.exact:
        parts.append(f"{plan.resamples:,} relabellings")
    elif plan.resamples:
        parts.append(f"seed {plan.seed}")
    if plan.smallest_p > 0:
        parts.append(f"smallest p {numbers.p_text(plan.smallest_p)}")
    return ", ".join(parts)


def side_text(side: Side, row_key: str = "") -> str:
    """Return where a side stands: commit, name, inputs, runs, repeats, price."""
    parts = [f"{side.commit[:SHORT]} {side.name}"]
    if side.runs or not side.seeds:  # repeats that no run brought are those of a plain file
        parts.append(f"inputs {side.inputs[:SHORT]}")
    if side.environment is not None:
        parts.append(f"environment {side.environment[:SHORT]}")
    if side.seeds and not row_key:
        parts.append(numbers.seeds(side.seeds))
    elif len(side.seeds) > 1:
        parts.append(f"{len(side.seeds)} rows")
    if side.runs:
        word = "run" if len(side.runs) == 1 else "runs"
        parts.append(f"{word} {numbers.listed([run[:SHORT] for run in side.runs], MANY, ' ')}")
    if side.failed:
        parts.append(unfinished(side))
    if side.wall_s > 0:
        parts.append(numbers.duration(side.wall_s))
    if side.source_lost:
        parts.append("source lost (squashed)")
    return ", ".join(parts)


def differences(comparison: Comparison) -> list[str]:
    """Return one line a kind of change, and one that names what is the same."""
    if not comparison.baseline.runs and not comparison.candidate.runs:
        return []  # two plain files: nothing is known of what made them
    lines: list[str] = []
    changed = by_kind(comparison)
    for kind, changes in changed.items():
        shown = [change_text(kind, change) for change in changes[:MANY]]
        more = len(changes) - MANY
        if more > 0:
            shown.append(f"and {more} more")
        lines.append(f"{kind}: {', '.join(shown)}")
    same = unchanged(comparison, changed)
    if same:
        lines.append("same " + ", same ".join(same))
    return lines


def change_text(kind: str, change: Change) -> str:
    """Return one change: a value before and after, or a file."""
    if kind == "code":
        return f"{change.what}{_code_word(change.baseline, change.candidate)}"
    return f"{change.what} {change.baseline or '(none)'} -> {change.candidate or '(none)'}"


def by_kind(comparison: Comparison) -> dict[str, list[Change]]:
    """Return what differs, by its kind, in the order in which it is told."""
    found: dict[str, list[Change]] = {kind: [] for kind in KINDS}
    for change in comparison.changes:
        found.setdefault(change.kind, []).append(change)
    return {kind: changes for kind, changes in found.items() if changes}


def unchanged(comparison: Comparison, changed: Collection[str]) -> list[str]:
    """Return the kinds that are the same; code is not where settings say what of it is executed."""
    hidden = {"config", "code"} if "config" in changed else {"config"}
    if any(text.startswith(EQUAL_IN_PAIRS) for text in comparison.warnings):
        hidden.add("environment")
    return [kind for kind in KINDS if kind not in hidden and kind not in changed]


def unused(comparison: Comparison) -> list[Fact]:
    """Return what was seen and not counted, with the reason."""
    return [
        Fact("not used", f"{_WHY.get(item.why, item.why)}: run {item.run[:SHORT]} {where}")
        for item in comparison.unused
        for where in [f"({item.where}), {numbers.seeds(item.seeds)}"]
    ]


def noise_text(variance: VarianceShare) -> str:
    """Return where the noise of a difference comes from, and what would make it smaller.

    >>> from gitexp.model.result import VarianceShare
    >>> noise_text(VarianceShare(10, 500, 0.0041, 0.2, 0.7, 0.1))
    'variance: 20 % seeds, 70 % test set, 10 % neither alone; more examples would help most'
    """
    seeds, examples = variance.seeds_share, variance.examples_share
    more = "more examples" if examples > seeds else "more seeds"
    shares = ((seeds, "seeds"), (examples, "test set"), (variance.rest_share, "neither alone"))
    text = ", ".join(f"{share * 100:.0f} % {name}" for share, name in shares)
    return f"variance: {text}; {more} would help most"


def _tests(comparison: Comparison) -> Iterator[Fact]:
    """Say each test once, with the metrics that it was used for."""
    shown: dict[tuple[str, str], list[str]] = {}
    first: dict[tuple[str, str], SignificanceResult] = {}
    for metric in comparison.metrics:
        if metric.result is not None:
            key = (metric.result.plan.title, metric.result.plan.why)
            shown.setdefault(key, []).append(metric.metric)
            first.setdefault(key, metric.result)
    for key, result in first.items():
        whose = f" ({', '.join(shown[key])})" if len(first) > 1 else ""
        yield Fact("test", f"{_test_text(result)}{whose}")
        yield Fact("why", result.plan.why)
    main = primary(comparison)
    if main is None:
        return
    alpha = _alpha(comparison)
    if main.result is not None and main.result.p_support is not None:
        support = numbers.p_text(main.result.p_support, alpha)
        refute = numbers.p_text(main.result.p_refute, alpha)
        yield Fact(
            "verdict by",
            f"{_kind_of_p(comparison.effect)}: {support} for it, {refute} for its opposite",
        )
    refuted = comparison.verdict is Verdict.REFUTED
    for other in main.beside:  # the p-value of the side that decided
        asked = other.p_refute if refuted else other.p_support
        p = other.p_value if asked is None else asked
        yield Fact("beside", f"{other.plan.title}: p = {numbers.p_text(p, alpha)}, decides nothing")
    yield from (Fact("beside", text) for text in _posteriors(main))
    sizes = [
        f"{size.name} {size.estimate:+.2f} {numbers.interval_text(size.interval, 2)}".rstrip()
        for size in main.effects
    ]
    if sizes:
        yield Fact("effect", "; ".join(sizes))
    if main.variance is not None:
        yield Fact("noise", noise_text(main.variance))


def unfinished(*sides: Side) -> str:
    """Return how many repeats failed, and how many were stopped before their end."""
    stopped = sum(side.interrupted for side in sides)
    failed = sum(side.failed for side in sides) - stopped
    parts = [f"{failed} failed"] if failed or not stopped else []
    return ", ".join([*parts, *([f"{stopped} not finished"] if stopped else [])])


def _design(comparison: Comparison) -> Iterator[Fact]:
    sides = comparison.baseline, comparison.candidate
    failed = unfinished(*sides)
    finished = min(len(side.seeds) for side in sides)
    if comparison.collapsed is not None:
        lost = len(comparison.collapsed.baseline) + len(comparison.collapsed.candidate)
        failed += f", {lost} by {comparison.collapsed.rule}"
    elif finished > 1 and not any(side.failed or side.interrupted for side in sides):
        # Clopper and Pearson's upper 95 % bound of a rate of which nothing was seen.
        failed += f" (rates up to {100 * (1 - 0.05 ** (1 / finished)):.0f} % are possible)"
    if comparison.claim is Claim.MODEL:
        yield Fact(
            "claim",
            "these two trained models, on this evaluation set; "
            "what training again would give needs repeats and --claim method",
        )
    elif comparison.plan is not None:
        yield Fact(
            "claim",
            f"the method, {_over(comparison)}; which of two trained models is better "
            "needs their recorded predictions and --claim model",
        )
    if comparison.claim is Claim.MODEL:
        return
    by_row = comparison.row_key
    if comparison.pairs and by_row:
        yield Fact("pairs", f"{comparison.pairs}, joined by {by_row}")
    elif comparison.pairs:
        pairs = numbers.of_planned(comparison.pairs, comparison.planned_repeats, "by seed")
        yield Fact("pairs", f"{pairs}, {failed}")
    elif comparison.metrics:
        left, right = len(comparison.baseline.seeds), len(comparison.candidate.seeds)
        groups = f"{left} and {right} as independent groups"
        yield Fact("repeats", groups if by_row else f"{groups}, {failed}")


def _over(comparison: Comparison) -> str:
    """Return what the planned test lets vary, and what it takes as it is."""
    main = primary(comparison)
    if main is not None and main.result is not None:
        over = named(main.result.plan.test).over
        if over:
            return over
    if comparison.baseline.evaluation is not None:
        return "over its seeds, on this one evaluation set"
    several = comparison.ledger is not None and len(comparison.ledger.evaluation) > 1
    return f"over its seeds{', each with an evaluation set of its own' if several else ''}"


def looks(comparison: Comparison) -> Iterator[Fact]:
    """Yield how often others looked at results of these states."""
    if comparison.plan is not None:
        after, drawn = "", comparison.plan.drawn is not None
        if comparison.looks:
            late = any(item.why == LATE for item in comparison.unused)
            paid = (
                "their variants are paid for" if comparison.selection else "nothing pays for them"
            )
            paid = "of other tries, which pay for those before them" if drawn else paid
            after = f" after the planned one: {'they do not count' if late else paid}"
        yield Fact("looks", f"{comparison.looks}{after}")


def _notes(comparison: Comparison) -> Iterator[Fact]:
    """Yield each note once, with all metrics that it is true of; of their ratios the first."""
    said: dict[str, tuple[str, list[str]]] = {}
    for metric in comparison.metrics:
        for note in metric.notes:
            _, others = said.setdefault(_RATIO.sub("times", note), (note, []))
            others.append(metric.metric)
    for note, (first, *others) in said.values():
        more = f" (so of {', '.join(others)})" if others else ""
        yield Fact("note", f"{first}: {note}{more}")


def _kind_of_p(effect: Effect | None) -> str:
    match None if effect is None else effect.kind:
        case HypothesisKind.EQUIVALENCE:
            return "p of the two one-sided tests of the band"
        case HypothesisKind.TWO_SIDED:
            return "two-sided p of the promised effect"
        case _:
            return "one-sided p against the promised effect"


def _alpha(comparison: Comparison) -> float | None:
    return None if comparison.plan is None else comparison.plan.alpha


def _code_word(baseline: str, candidate: str) -> str:
    if not baseline:
        return " (new)"
    return " (gone)" if not candidate else ""


def _posteriors(metric: MetricComparison) -> Iterator[str]:
    """Say how probable a difference below, within and above the region of equivalence is."""
    for item in metric.posteriors:
        rope = f"{item.rope:.3g}"
        yield (
            f"{item.method}: {_share(item.above)} above +{rope}, {_share(item.within)} within, "
            f"{_share(item.below)} below -{rope}, decides nothing ({rope}: {item.rope_why})"
        )


def _share(probability: float) -> str:
    """Return a probability in per cent, never 0 or 100 where it is neither.

    >>> _share(0.93), _share(0.0001), _share(0.9999), _share(0.0)
    ('93 %', '<1 %', '>99 %', '<1 %')
    """
    percent = probability * 100
    if percent < 1:
        return "<1 %"
    return ">99 %" if percent > 99 else f"{percent:.0f} %"  # noqa: PLR2004  per cent


def units(metric: MetricComparison) -> tuple[dict[str, float], dict[str, float]]:
    """Return the values of both sides by fold or data set, else by seed, in one order."""
    if metric.parts:
        names = [part_name(part) for part in metric.parts]
        left = {name: part.baseline for name, part in zip(names, metric.parts, strict=True)}
        right = {name: part.candidate for name, part in zip(names, metric.parts, strict=True)}
        return left, right
    left = {str(seed): value for seed, value in sorted(metric.baseline_values)}
    right = {str(seed): value for seed, value in sorted(metric.candidate_values)}
    return left, right


def unit_title(metric: MetricComparison) -> str:
    """Return what the names are those of."""
    if not metric.parts:
        return "seed"
    return "data set" if all(part.seed is None for part in metric.parts) else "part"


def part_name(part: Part) -> str:
    """Return what a fold or a data set is called.

    >>> from gitexp.model.result import Part
    >>> part_name(Part(1, None, 3, 90, 10, "", 0.5, 0.6))
    'seed 1, fold 3'
    """
    counts = [(key, getattr(part, key)) for key in _KEYS]
    words = [part.dataset] if part.dataset else []
    words += [f"{key} {value}" for key, value in counts if value is not None]
    return ", ".join(words)
