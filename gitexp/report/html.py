"""A comparison as one self-contained HTML page: objective, hypothesis, method, results, conclusion.

The page loads nothing, runs nothing and says so in its content security policy. Every string
that is not ours passes `escape.html`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.formats import effects
from gitexp.model.comparison import Role, Verdict
from gitexp.report import numbers, svg, words
from gitexp.report.escape import PROSE_LIMIT, html, prose
from gitexp.report.look import CSS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.comparison import Comparison, MetricComparison
    from gitexp.report.style import Style
    from gitexp.report.words import Fact

_TEXT_LIMIT = 1_000  # characters of a line of facts
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_MARKS = {True: ("good", "\u2713"), False: ("bad", "\u2717"), None: ("open", "?")}
_MEANINGS = {
    Verdict.SUPPORTED: "The data reject that the effect is smaller than promised.",
    Verdict.REFUTED: "The data reject that the effect is as large as promised.",
    Verdict.INCONCLUSIVE: "The data reject neither that the effect is as promised nor that it is "
    "smaller. That is no evidence of no effect.",
    Verdict.EQUIVALENT: "The data reject that the two sides differ by the margin or more.",
    Verdict.UNDECIDABLE: "No outcome of this design could have reached the promised error rate.",
    Verdict.NOT_COMPARABLE: "The two sides were not measured on the same ground.",
}


def render(comparisons: tuple[Comparison, ...], style: Style) -> str:
    """Return the whole page."""
    del style
    several = len(comparisons) > 1
    names = ", ".join(item.candidate.name for item in comparisons)
    title = f"{names} against {comparisons[0].baseline.name}" if comparisons else "nothing"
    body: list[str] = []
    if several:
        body += _overview(comparisons)
    for index, item in enumerate(comparisons):
        body += _article(item, key=f"c{index}", several=several)
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{html(title)}</title>",
            f"<style>{CSS}</style>",
            "</head>",
            "<body>",
            "<main>",
            *body,
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _overview(comparisons: tuple[Comparison, ...]) -> Iterator[str]:
    yield "<header>"
    yield '<p class="kind">comparison</p>'
    yield f"<h1>{len(comparisons)} candidates against {html(comparisons[0].baseline.name)}</h1>"
    yield "</header>"
    yield '<div class="scroll"><table><thead><tr><th scope="col">candidate</th>'
    yield '<th scope="col" class="word">verdict</th><th scope="col" class="word">why</th></tr>'
    yield "</thead><tbody>"
    for index, item in enumerate(comparisons):
        yield (
            f'<tr><th scope="row" class="name"><a href="#c{index}">{html(item.candidate.name)}</a>'
            f'</th><td class="word">{words.verdict_word(item)}</td>'
            f'<td class="word">{html(item.headline, limit=_TEXT_LIMIT)}</td></tr>'
        )
    yield "</tbody></table></div>"


def _article(comparison: Comparison, *, key: str, several: bool) -> Iterator[str]:
    level = 2 if several else 1
    css, mark = _MARKS[words.is_good(comparison.verdict)]
    yield f'<article id="{key}">'
    yield "<header>"
    yield f'<p class="kind">against {html(comparison.baseline.name)}</p>'
    yield f"<h{level}>{html(comparison.candidate.name)}</h{level}>"
    yield (
        f'<p class="verdict {css}"><strong><span aria-hidden="true">{mark}</span> '
        f"{words.verdict_word(comparison)}</strong>"
        f"<span>{html(comparison.headline, limit=_TEXT_LIMIT)}</span></p>"
    )
    yield "</header>"
    for title, section in (
        ("Objective", _objective(comparison)),
        ("Hypothesis", _hypothesis(comparison)),
        ("Method", _method(comparison)),
        ("Results", _results(comparison, key)),
        ("Conclusion", _conclusion(comparison)),
    ):
        name = f"{key}-{title.lower()}"
        yield f'<section aria-labelledby="{name}">'
        yield f'<h{level + 1} id="{name}">{title}</h{level + 1}>'
        yield from section
        yield "</section>"
    when = comparison.compared_at.strftime("%Y-%m-%d %H:%M UTC")
    yield f"<footer>Compared {when} by {html(comparison.program)}.</footer>"
    yield "</article>"


def _objective(comparison: Comparison) -> Iterator[str]:
    plan = comparison.plan
    text = "" if plan is None else prose(plan.objective)
    yield (
        f'<p class="lead">{html(text, limit=PROSE_LIMIT)}</p>'
        if text
        else '<p class="none">None was recorded.</p>'
    )


def _hypothesis(comparison: Comparison) -> Iterator[str]:
    plan = comparison.plan
    if plan is None:
        yield (
            '<p class="none">None was recorded before the runs: what follows is exploratory '
            "and gives no verdict.</p>"
        )
        return
    yield f'<p class="lead">{html(prose(plan.hypothesis), limit=PROSE_LIMIT)}</p>'
    promise = effects.format_effect(plan.effect, plan.metric, plan.direction)
    guards = "; ".join(effects.guard_text(guard) for guard in plan.guards)
    yield "<dl>"
    yield from _terms(
        ("promised", promise),
        ("error rate", f"{plan.alpha:g} (alpha)"),
        ("planned", f"{plan.repeats} repeats a side"),
        ("guard-rails", guards),
        ("recorded", f"{plan.created_at:%Y-%m-%d} by {plan.author.name}"),
        ("plan", plan.digest[: words.SHORT]),
    )
    yield "</dl>"


def _method(comparison: Comparison) -> Iterator[str]:
    wanted = (
        "test",
        "why",
        "verdict by",
        "beside",
        "claim",
        "pairs",
        "repeats",
        "baseline",
        "candidate",
        "looks",
    )
    yield "<dl>"
    yield from _terms(
        *((fact.label, fact.text) for fact in words.facts(comparison) if fact.label in wanted)
    )
    yield "</dl>"


def _results(comparison: Comparison, key: str) -> Iterator[str]:
    main = words.primary(comparison) or next(iter(comparison.metrics), None)
    if main is None:
        yield '<p class="none">There are no samples on which the two sides can be compared.</p>'
    else:
        yield from _figure(comparison, main, f"{key}-m0")
        yield from _table(comparison)
        others = [metric for metric in comparison.metrics if metric is not main]
        if others:
            which = "other metric" if len(others) == 1 else f"other {len(others)} metrics"
            yield f"<details><summary>Plots of the {which}</summary>"
            for index, metric in enumerate(others, 1):
                yield from _figure(comparison, metric, f"{key}-m{index}")
            yield "</details>"
        yield from _samples(comparison, main)
    facts = words.facts(comparison)
    yield from _list("What else differs", facts, "differs")
    yield from _list("Seen and not counted", facts, "not used")
    yield from _list("Notes", facts, "note")


def _conclusion(comparison: Comparison) -> Iterator[str]:
    yield (
        f"<p><strong>{words.verdict_word(comparison).capitalize()}:</strong> "
        f"{html(comparison.headline, limit=_TEXT_LIMIT)}.</p>"
    )
    if comparison.verdict is not None:
        yield f"<p>{html(_MEANINGS[comparison.verdict])}</p>"
    broken = [metric.metric for metric in comparison.metrics if metric.broken]
    if broken:
        yield f"<p><strong>Broken guard-rail:</strong> {html(', '.join(broken))}</p>"
    remarks = (*comparison.reasons, *comparison.warnings)
    if remarks:
        yield '<ul class="notes">'
        for text in remarks:
            yield f"<li>{html(text, limit=_TEXT_LIMIT)}</li>"
        yield "</ul>"
    if comparison.next_step:
        yield "<p>Next:</p>"
        yield f'<code class="cmd">{html(comparison.next_step, limit=_TEXT_LIMIT)}</code>'


def _figure(comparison: Comparison, metric: MetricComparison, key: str) -> Iterator[str]:
    drawing = svg.figure(comparison, metric, key=key)
    if not drawing:
        return
    gap = svg.gap_of(comparison, metric)
    confidence = "" if gap.interval is None else f" with its {gap.interval.confidence * 100:g} %"
    below = f"Below: the difference{confidence} interval" if confidence else "Below: the difference"
    unit = " in per cent of the baseline" if gap.share else ""
    promised = "; shaded: what was promised" if gap.promised else ""
    yield "<figure>"
    yield drawing
    yield (
        f"<figcaption>{html(metric.metric)}. Above: every sample that counts, bars at the means. "
        f"{below}{unit}{promised}.</figcaption>"
    )
    yield "</figure>"


def _table(comparison: Comparison) -> Iterator[str]:
    titles = (
        "n",
        html(comparison.baseline.name),
        html(comparison.candidate.name),
        f"effect, {words.confidence_title(comparison)}",
        "relative",
        html(words.size_title(comparison)),
        "p",
    )
    yield '<div class="scroll" role="region" aria-label="All metrics" tabindex="0">'
    yield '<table class="metrics">'
    yield "<caption>All metrics; p against no difference, two-sided</caption><thead><tr>"
    yield '<th scope="col">metric</th>'
    yield "".join(f'<th scope="col" class="name">{title}</th>' for title in titles)
    yield "</tr></thead><tbody>"
    for metric in comparison.metrics:
        row = words.metric_row(comparison, metric)
        css = ' class="primary"' if metric.role is Role.PRIMARY else ""
        cells = (
            row.n,
            row.baseline,
            row.candidate,
            f"{row.effect}<small>{row.interval}</small>",
            row.relative,
            row.size,
            row.p,
        )
        role = ' class="broken"' if metric.broken else ""
        yield f'<tr{css}><th scope="row" class="name">{html(row.metric)}'
        yield f"<small{role}>{html(row.note)}</small></th>"
        for title, cell in zip(titles, cells, strict=True):
            yield f'<td data-label="{title}">{cell}</td>'
        yield "</tr>"
    yield "</tbody></table></div>"


def _samples(comparison: Comparison, metric: MetricComparison) -> Iterator[str]:
    left, right = dict(metric.baseline_values), dict(metric.candidate_values)
    if not left and not right:
        return
    digits = min(9, numbers.decimals_for(metric) + 1)
    yield f"<details><summary>All samples of {html(metric.metric)}</summary>"
    yield '<div class="scroll" role="region" aria-label="All samples" tabindex="0"><table>'
    yield (
        '<thead><tr><th scope="col">seed</th>'
        f'<th scope="col">{html(comparison.baseline.name)}</th>'
        f'<th scope="col">{html(comparison.candidate.name)}</th>'
        '<th scope="col">difference</th></tr></thead><tbody>'
    )
    for seed in sorted(left.keys() | right.keys()):
        both = seed in left and seed in right
        cells = (
            numbers.number(left[seed], digits) if seed in left else "",
            numbers.number(right[seed], digits) if seed in right else "",
            numbers.number(right[seed] - left[seed], digits, signed=True) if both else "",
        )
        yield f'<tr><th scope="row">{seed}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
    yield "</tbody></table></div></details>"


def _list(title: str, facts: list[Fact], label: str) -> Iterator[str]:
    texts = [fact.text for fact in facts if fact.label == label]
    if not texts:
        return
    yield f"<p><strong>{title}</strong></p>"
    yield "<ul>"
    for text in texts:
        yield f'<li class="mono">{html(text, limit=_TEXT_LIMIT)}</li>'
    yield "</ul>"


def _terms(*terms: tuple[str, str]) -> Iterator[str]:
    for label, text in terms:
        if text:
            yield f"<dt>{html(label)}</dt><dd>{html(text, limit=_TEXT_LIMIT)}</dd>"
