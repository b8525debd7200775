"""A review as GitHub shows it: a comment or job summary in Markdown, and annotations.

What decides stands in the first lines. What does not fit is left out section by section and named;
nothing is ever cut in two. Everything that a branch controls is a code span or lies in a fence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gitexp.model import dataclass, replace
from gitexp.model.rules import Policy, Violation
from gitexp.report import brief, caveats, words
from gitexp.report import comparisons as table
from gitexp.report import sheet as sheets
from gitexp.report.brief import Line, joined
from gitexp.report.drawing import figures
from gitexp.report.escape import markdown as span
from gitexp.report.escape import visible
from gitexp.report.sheet import grid_markdown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gitexp.model.comparison import Comparison
    from gitexp.model.review import Review, ReviewedExperiment

COMMENT_BYTES: Final = 60_000  # GitHub refuses more than 65,536 characters
SUMMARY_BYTES: Final = 1_000_000  # more than 1 MiB is thrown away whole
MOST_ANNOTATIONS: Final = 10  # of a kind and step; GitHub drops the others in silence
_MOST_VIOLATIONS = 50
_MOST_CHANGES = 40  # of a kind
_MOST_METRICS = 40
_POINTER_BYTES = 2_000
_LONG = 1_000
_LEGEND = (
    "Made by `gitexp review`. A refuted hypothesis is a result, not a failure: only a broken rule "
    "fails the check, unless `fail-on` asks for more."
)
_FROM_FORK = (
    "**These numbers were worked out by a job that the fork could change; only their shape was "
    "checked here. The required check decides.**"
)


@dataclass(frozen=True, slots=True)
class Section:
    """A part that is shown whole or not at all; a lower rank goes last."""

    title: str
    body: str
    rank: int
    # which experiment it is about: without the first of these sections, which has the heading,
    # none of the others is shown. -1: about none
    of: int = -1


def markdown(
    review: Review, *, limit: int = COMMENT_BYTES, marker: str = "", untrusted: bool = False
) -> str:
    """Return the review as Markdown of at most `limit` bytes; by `marker` it is found again."""
    head = "\n".join([*([marker] if marker else []), *_head(review, limit // 2), ""])
    tail = "\n".join(["", "---", *([_FROM_FORK, ""] if untrusted else []), _LEGEND, ""])
    rules, experiments = list(_rules(review)), list(_experiments(review.experiments))
    first = [*rules, *experiments] if review.broken(Policy.ERROR) else [*experiments, *rules]
    changed = brief.changed(review)
    if changed is not None:
        tables = sheets.markdown(replace(changed, headline="")).rstrip("\n")
        body = ["", "## What differs", "", changed.headline, "", tables]
        first.append(_section("what differs", body, rank=1))
    notes = ["", "## Notes", "", *(f"- {span(note, limit=_LONG)}" for note in review.notes)]
    sections = [*first, *([_section("notes", notes, rank=1)] if review.notes else [])]
    room = limit - len(head.encode()) - len(tail.encode())
    kept, dropped = _fitting(sections, room)
    pointer = _pointer(dropped) if dropped else ""
    return head + "".join(section.body for section in kept) + pointer + tail


def workflow_commands(review: Review) -> str:
    """Return the violations as workflow commands, at most `MOST_ANNOTATIONS` of a kind.

    A text cannot end its line, nor a property its value::

        ::error title=gitexp R1,file=a%2Cb.yaml::100%25 sure
    """
    lines: list[str] = []
    for policy, kind in ((Policy.ERROR, "error"), (Policy.WARN, "warning")):
        found = review.broken(policy)
        many = len(found) > MOST_ANNOTATIONS
        shown = found[: MOST_ANNOTATIONS - 1] if many else found
        lines += [_annotation(kind, item) for item in shown]
        if many:
            more = len(found) - len(shown)
            lines.append(f"::{kind} title=gitexp::and {more} more; the job summary has all")
    return "".join(f"{line}\n" for line in lines)


def _annotation(kind: str, item: Violation) -> str:
    path = f",file={_property(item.where.path)}" if item.where.path else ""
    where = f" ({item.where.commit[:9]})" if item.where.commit else ""
    message = f"{item.message}{where}; {item.next_step}"
    return f"::{kind} title=gitexp {_property(item.rule)}{path}::{_message(message)}"


def _message(text: str) -> str:
    shown = visible(text, limit=_LONG)
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def _line(line: Line) -> str:
    return joined(line, lambda part: span(part.text, limit=part.limit))


def _head(review: Review, room: int) -> Iterator[str]:
    """Yield three lines for each experiment, above them what is broken; in bold what decides."""
    heading = [_line(line) for line in brief.heading(review)]
    broken = bool(review.broken(Policy.ERROR))
    if broken or not review.experiments:
        yield from (f"**{text}**" if broken else text for text in heading)
        yield ""
    for index, item in enumerate(review.experiments):
        verdict, price, beside = (_line(line) for line in brief.three(item, on_github=True))
        word = brief.word_of(item)
        block = f"**{word}**{verdict.removeprefix(word)}  \n{price}  \n{beside}\n"
        room -= len(block.encode())
        if room < 0 and index:
            yield f"and {len(review.experiments) - index} more; the report in the artifact has them"
            yield ""
            break
        yield block
    if not broken and review.experiments:
        yield from heading


def _rules(review: Review) -> Iterator[Section]:
    if not review.violations:
        return
    ordered = (*review.broken(Policy.ERROR), *review.broken(Policy.WARN))
    lines = ["", "## Rules", "", "| rule | weight | what | where | next |", "|---|---|---|---|---|"]
    for item in ordered[:_MOST_VIOLATIONS]:
        where = str(item.where)
        cells = (
            span(item.rule, cell=True),
            item.policy.value,
            span(item.message, limit=400, cell=True),
            span(where, cell=True) if where else "",
            span(item.next_step, limit=400, cell=True),
        )
        lines.append(f"| {' | '.join(cells)} |")
    left = len(ordered) - _MOST_VIOLATIONS
    if left > 0:
        lines += ["", f"and {left} more; `gitexp check` shows them"]
    yield _section("the broken rules", lines, rank=0)


def _experiments(items: Sequence[ReviewedExperiment]) -> Iterator[Section]:
    for index, item in enumerate(items):
        yield from (replace(section, of=index) for section in _experiment(item))


def _experiment(item: ReviewedExperiment) -> Iterator[Section]:
    name = span(item.name)
    lines = ["", f"## {name}", "", _line(brief.hypothesis(item))]
    if item.concluded:
        lines += ["", f"Concluded: {span(item.concluded, limit=2_000)}"]
    yield _section(f"hypothesis of {name}", lines, rank=1)
    comparison = item.comparison
    if comparison is None:
        return
    if comparison.metrics:
        lines = ["", "### Metrics", "", *_metrics(comparison)]
        yield _section(f"metrics of {name}", lines, rank=1)
    yield from _plot(comparison, name)
    yield from _changes(comparison, name)
    yield from _ledger(comparison, name)
    yield _section(f"who recorded {name}", ["", _line(brief.recorded(item))], rank=3)
    yield _facts(comparison, name)


def _metrics(comparison: Comparison) -> Iterator[str]:
    """Yield the table that fits the width of a comment; `_facts` has what decides nothing."""
    grid = table.grid(comparison, table.COMMENT, most=_MOST_METRICS)
    yield from grid_markdown(grid)
    if grid.left_out:
        yield ""
        yield f"and {grid.left_out} more, none of them with a verdict"


def _plot(comparison: Comparison, name: str) -> Iterator[Section]:
    main = words.primary(comparison)
    drawn = [] if main is None else figures.lines(comparison, main)
    if drawn:
        yield _section(f"plot of {name}", ["", "```text", *drawn, "```"], rank=4)


def _changes(comparison: Comparison, name: str) -> Iterator[Section]:
    if not comparison.changes:
        return
    lines = ["", "### Settings, parameters, code, data, environment", ""]
    lines += ["| kind | what | baseline | candidate |", "|---|---|---|---|"]
    counts: dict[str, int] = {}
    for change in comparison.changes:
        counts[change.kind] = counts.get(change.kind, 0) + 1
        if counts[change.kind] > _MOST_CHANGES:
            continue
        values = (change.baseline, change.candidate)
        cells = (
            span(change.kind, cell=True),
            span(change.what, cell=True),
            *(span(value, cell=True) if value else "" for value in values),
        )
        lines.append(f"| {' | '.join(cells)} |")
    more = [
        f"{n - _MOST_CHANGES} more of {span(kind)}"
        for kind, n in counts.items()
        if n > _MOST_CHANGES
    ]
    lines += ["", f"and {', '.join(more)}"] if more else []
    yield _section(f"changes of {name}", lines, rank=2)


def _ledger(comparison: Comparison, name: str) -> Iterator[Section]:
    lines = [f"- {label}: {span(text, limit=_LONG)}" for label, text in caveats.lines(comparison)]
    if lines:
        yield _section(f"ledger of {name}", ["", "### Ledger", "", *lines], rank=3)


def _facts(comparison: Comparison, name: str) -> Section:
    told = {label for label, _ in caveats.lines(comparison)} | {"differs"}
    lines = [
        f"- {fact.label}: {span(fact.text, limit=_LONG)}"
        for fact in words.facts(comparison)
        if fact.label not in told
    ]
    if comparison.metrics:
        lines += ["", *grid_markdown(table.grid(comparison, most=_MOST_METRICS))]
    body = ["", "<details><summary>How it was tested</summary>", "", *lines, "", "</details>"]
    return _section(f"details of {name}", body, rank=5)


def _section(title: str, lines: Iterable[str], *, rank: int) -> Section:
    return Section(title, "\n".join([*lines, ""]), rank)


def _fitting(sections: Sequence[Section], room: int) -> tuple[list[Section], list[Section]]:
    """Return what fits into so many bytes, the important first, in the order of the text."""
    if sum(len(section.body.encode()) for section in sections) <= room:
        return list(sections), []
    left = room - _POINTER_BYTES
    kept: set[int] = set()
    headed: dict[int, bool] = {-1: True}
    for index, section in sorted(enumerate(sections), key=lambda pair: (pair[1].rank, pair[0])):
        size = len(section.body.encode())
        fits = size <= left and headed.get(section.of, True)
        headed.setdefault(section.of, fits)  # by the first, which has the heading
        if fits:
            left -= size
            kept.add(index)
    return (
        [section for index, section in enumerate(sections) if index in kept],
        [section for index, section in enumerate(sections) if index not in kept],
    )


def _pointer(dropped: Sequence[Section]) -> str:
    """Name what was left out; the names are short, or not all of them are told."""
    said = "\nLeft out, for the size: "
    where = ". The artifact gitexp-review has all of it.\n"
    room = _POINTER_BYTES - len(said.encode()) - len(where.encode()) - 40
    told: list[str] = []
    for section in dropped:
        size = len(section.title.encode()) + 2
        if size > room:
            told.append(f"and {len(dropped) - len(told)} more")
            break
        room -= size
        told.append(section.title)
    return said + ", ".join(told) + where
