"""Sheets: what verbs answer, as labelled lines and tables, and text and Markdown made of them.

Texts in a sheet are raw; each target passes them through its own escaper.
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from gitexp.model import dataclass, replace
from gitexp.model.plan import Amendment, Verdict
from gitexp.report import escape
from gitexp.report.escape import html, table, wrapped
from gitexp.text.fields import param_json, time_text
from gitexp.text.jsontext import json_dumps_compact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from gitexp.model.ids import ParamValue
    from gitexp.model.witness import OrderGrade

Cell = str | int | float | bool | None
_CELL_LIMIT = 60  # characters of a cell on a terminal
_LINE_LIMIT = 1_000
_DIGITS = 6  # significant ones of a number in a table; JSON has all
WIDTH = 80  # columns of a page without a terminal
_LABEL = 8  # columns that a label below an item takes at least
_PLAIN = re.compile(  # what Markdown takes as it stands: words, numbers, an interval
    r"(?:[A-Za-z0-9 /+%,;-]|(?<=[0-9])\.(?=[0-9]))+"
    r"|\[[-+.0-9einf]+, [-+.0-9einf]+\](?: %)?"
)
SHORT = 7  # characters of a hash that people read
MANY = 6  # changed paths, parameters, ... of one kind that are named
_COLORS = {True: "32", False: "31", None: "33"}


@dataclass(frozen=True, slots=True)
class Style:
    """What the command line knows about the reader."""

    color: bool = False  # the stream takes ANSI colours; only the text renderers look
    columns: int = 0  # of the terminal; 0: none is there, and nothing is cut or wrapped
    unicode: bool = False  # it shows what is not ASCII
    quiet: bool = False  # the verdict line, or the names, alone
    verbose: bool = False  # every run that was left aside, every reason, every row
    now: datetime | None = None  # ages are counted from it; without it moments are shown
    metrics: tuple[str, ...] = ()  # metrics that were asked for and so come first in a list
    # a list was asked for a part; that nothing fits does not say that there is nothing
    narrowed: bool = False


PLAIN = Style()


@dataclass(frozen=True, slots=True)
class Fact:
    """A labelled line."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A table; numbers are set flush right, and so are the columns named in `right`."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    right: frozenset[int] = frozenset()
    left_out: int = 0  # rows that only a verbose reader wants
    below: Mapping[int, int] | None = None  # columns that a narrow page sets below another one
    breaks: Mapping[int, str] | None = None  # lines of ours above rows, by number
    # columns that a narrow terminal does without, the first first, and what one is called where
    # they are counted ("": by its title); None: however wide it is
    spare: Mapping[int, str] | None = None
    names: frozenset[int] = frozenset()  # columns that may lose the middle of their cells


@dataclass(frozen=True, slots=True)
class Item:
    """A line that stands for itself, with what belongs to it: a broken rule and its place."""

    text: str
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """Headline, tables, parts, lines, labelled lines, next command; each may be empty."""

    headline: str = ""
    # `word`, `good`: what is decided, in capitals before the headline, and whether that is good
    # news
    word: str = ""
    good: bool | None = None
    below: str = ""  # a second line, on a terminal
    # `title`, `lead`: how a document of it begins; whoever sits at a terminal has just asked
    title: str = ""
    lead: tuple[Fact, ...] = ()
    # what a quiet reader gets; None: the headline, else that of each part
    names: tuple[str, ...] | None = None
    grids: tuple[Grid, ...] = ()
    # of several things, or what belongs to the tables. On a terminal the last alone says what to
    # type next
    parts: tuple[Sheet, ...] = ()
    items: tuple[Item, ...] = ()
    facts: tuple[Fact, ...] = ()
    next_step: str = ""


def text(sheet: Sheet, style: Style = PLAIN) -> str:
    """Return the sheet for a terminal."""
    if style.quiet:
        return _lines(_quiet(sheet, lambda part: _head_text(part, style), _line))
    return _lines(_text(sheet, style), "\n\n")


def markdown(sheet: Sheet, style: Style = PLAIN) -> str:
    """Return the sheet as GitHub-flavoured Markdown."""
    if style.quiet:
        return _lines(_quiet(sheet, _head_markdown, lambda name: f"- {escape.markdown(name)}"))
    return _lines(_markdown(sheet), "\n\n")


def _lines(blocks: Iterable[str], between: str = "\n") -> str:
    whole = between.join(blocks)
    return f"{whole}\n" if whole else ""


def _quiet(sheet: Sheet, head: Callable[[Sheet], str], name: Callable[[str], str]) -> Iterator[str]:
    """Yield the lines for who wants the answer alone."""
    if sheet.names is not None:
        yield from map(name, sheet.names)
    elif first := head(sheet):
        yield first
    else:
        yield from (name(item.text) for item in sheet.items)
        for part in sheet.parts:
            yield from _quiet(part, head, name)


def _items(
    items: Iterable[Item], line: Callable[[str], str], below: Callable[[Fact], str]
) -> Iterator[str]:
    """Yield lines without anything below them as one block, each other as a block of its own."""
    alone: list[str] = []
    for item in items:
        if item.facts and alone:
            yield "\n".join(alone)
            alone = []
        if item.facts:
            yield "\n".join([line(item.text), *map(below, item.facts)])
        else:
            alone.append(line(item.text))
    if alone:
        yield "\n".join(alone)


def _line(raw: str) -> str:
    return escape.visible(raw, limit=_LINE_LIMIT)


def _head_text(sheet: Sheet, style: Style) -> str:
    word = paint(sheet.word, sheet.good, style)
    return "  ".join(part for part in (word, _line(sheet.headline)) if part)


def _text(sheet: Sheet, style: Style) -> Iterator[str]:
    if head := _head_text(sheet, style):
        below = [_line(sheet.below)] if sheet.below else []
        yield "\n".join(wrapped(line, style.columns) for line in (head, *below))
    for grid in sheet.grids:
        titled = bool(grid.title) and len(sheet.grids) > 1
        title = [_line(grid.title)] if titled else []
        yield "\n".join([*title, *_grid_text(grid, style), *_left_out(grid)])
    for part in sheet.parts:
        last = part is sheet.parts[-1] and not sheet.next_step
        yield from _text(part if last else replace(part, next_step=""), style)
    yield from _items(
        sheet.items, _line, lambda fact: f"  {fact.label:<{_LABEL}}  {_line(fact.text)}"
    )
    facts = [*_facts_text(sheet.facts, style.columns)] if sheet.facts else []
    step = [f"next: {_line(sheet.next_step)}"] if sheet.next_step else []
    blocks = ([*facts, *step],) if sheet.below else (facts, step)
    yield from ("\n".join(block) for block in blocks if block)


def _long_span(raw: str) -> str:
    return escape.markdown(raw, limit=_LINE_LIMIT)


def _head_markdown(sheet: Sheet) -> str:
    headline = _long_span(sheet.headline) if sheet.headline else ""
    return " ".join(part for part in (f"**{sheet.word}**" if sheet.word else "", headline) if part)


def _markdown(sheet: Sheet) -> Iterator[str]:
    if sheet.title:
        yield f"## {_long_span(sheet.title)}"
    if head := _head_markdown(sheet):
        yield head
    for fact in sheet.lead:
        yield f"{fact.label.capitalize()}: {escape.markdown(fact.text, limit=escape.PROSE_LIMIT)}"
    for grid in sheet.grids:
        if grid.title.strip() and len(sheet.grids) > 1:  # blanks in bold are a line across
            yield f"**{_span(grid.title)}**"
        yield "\n".join(grid_markdown(grid))
        yield from _left_out(grid)
    for part in sheet.parts:
        yield from _markdown(part)
    yield from _items(
        sheet.items,
        lambda line: f"- {_long_span(line)}",
        lambda fact: f"  - {fact.label}: {_long_span(fact.text)}",
    )
    if sheet.facts:
        yield "\n".join(f"- {fact.label}: {_long_span(fact.text)}" for fact in sheet.facts)
    if sheet.next_step:
        yield f"Next: {_long_span(sheet.next_step)}"


def cell_text(cell: Cell) -> str:
    """Return a cell as people read it.

    >>> cell_text(0.123456789), cell_text(None), cell_text(True)
    ('0.123457', '', 'yes')
    """
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case float():
            return f"{cell:.{_DIGITS}g}"
        case int():
            return str(cell)
        case str():
            return cell


def csv_rows(header: Sequence[str], lines: Iterable[Sequence[Cell]]) -> str:
    """Return CSV text (RFC 4180 quoting, LF) of these cells."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([escape.csv(name) for name in header])
    for line in lines:
        writer.writerow([_cell_csv(cell) for cell in line])
    return buffer.getvalue()


def numeric(grid: Grid) -> frozenset[int]:
    """Return the columns that are set flush right."""

    def is_numeric(index: int) -> bool:
        cells = [row[index] for row in grid.rows if row[index] is not None]
        return bool(cells) and all(isinstance(cell, int | float) for cell in cells)

    return grid.right | {index for index in range(len(grid.header)) if is_numeric(index)}


def _left_out(grid: Grid) -> list[str]:
    return [f"and {grid.left_out} more; -v shows them"] if grid.left_out else []


def _grid_text(grid: Grid, style: Style) -> list[str]:
    limit = _CELL_LIMIT if grid.spare is None else escape.LIMIT
    rows = [
        [
            escape.visible(cell if isinstance(cell, str) else cell_text(cell), limit=limit)
            for cell in row
        ]
        for row in (grid.header, *grid.rows)
    ]
    if grid.spare is not None:
        return [*_narrow(grid, rows, [*range(len(grid.header))], style)]
    lines = table(rows, right=numeric(grid))
    for number, said in sorted((grid.breaks or {}).items(), reverse=True):
        lines.insert(number + 1, _line(said))
    return lines


def _narrow(
    grid: Grid, rows: Sequence[Sequence[str]], columns: list[int], style: Style
) -> Iterator[str]:
    """Yield the lines of a table that fits; with all of it, the rest as tables below."""
    spare, right = grid.spare or {}, numeric(grid)
    names = frozenset(at for at, column in enumerate(columns) if column in grid.names)
    here = [columns.index(at) for at in spare if at in columns[1:]]
    room = style.columns or WIDTH
    shown, kept = escape.fitted([[row[at] for at in columns] for row in rows], names, here, room)
    yield from table(shown, frozenset(at for at, i in enumerate(kept) if columns[i] in right))
    gone = [column for at, column in enumerate(columns) if at not in kept]
    if gone and style.verbose:
        yield ""
        yield from _narrow(grid, rows, [columns[0], *gone], style)
    elif gone:
        said = [_line(grid.header[at]).removeprefix("+- ") for at in gone if not spare.get(at)]
        for noun in dict.fromkeys(spare[at] for at in gone if spare.get(at)):
            number = sum(spare.get(at) == noun for at in gone)
            said.insert(0, f"{number} {noun}{'s' if number > 1 else ''}")
        yield wrapped(f"+{', '.join(said)} (-v)", room)


def grid_markdown(grid: Grid) -> Iterator[str]:
    """Yield the lines of a table; what is not a plain word or number is a code span."""
    right = numeric(grid)
    yield f"| {' | '.join(_span(name) for name in grid.header)} |"
    yield f"|{'|'.join('---:' if i in right else '---' for i in range(len(grid.header)))}|"
    for row in grid.rows:
        cells = (_span(cell) if isinstance(cell, str) else cell_text(cell) for cell in row)
        yield f"| {' | '.join(cells)} |"


def _span(text: str) -> str:
    """Return a cell's text: a plain word or number stands as it is, else a code span."""
    if len(text) <= _CELL_LIMIT and (not text or _PLAIN.fullmatch(text)):
        return text
    return escape.markdown(text, cell=True)


def _facts_text(facts: tuple[Fact, ...], columns: int) -> Iterator[str]:
    widest = max(len(fact.label) for fact in facts)
    before = ""
    for fact in facts:
        label = "" if fact.label == before else fact.label
        before = fact.label
        yield wrapped(f"{label:<{widest}}  {_line(fact.text)}", columns, widest + 2)


def _cell_csv(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, str):
        return escape.csv(cell)
    return repr(cell)


def is_good(verdict: Verdict | None) -> bool | None:
    """Return how a verdict is coloured: True yes, False no, None neither."""
    if verdict in {Verdict.SUPPORTED, Verdict.EQUIVALENT}:
        return True
    return False if verdict is Verdict.REFUTED else None


def shortened(items: list[Fact]) -> list[Fact]:
    """Keep at most `MANY` facts of one label, and say how many are left out."""
    kept: list[Fact] = []
    counts: dict[str, int] = {}
    for item in items:
        counts[item.label] = counts.get(item.label, 0) + 1
        if counts[item.label] <= MANY:
            kept.append(item)
    for label, number in counts.items():
        if number > MANY:
            place = max(index for index, item in enumerate(kept) if item.label == label)
            kept.insert(place + 1, Fact(label, f"and {number - MANY} more; -v shows them"))
    return kept


def order_words(order: OrderGrade) -> str:
    """Return how sure an order is, in a line: grade, time, and what it rests on."""
    when = f" at {time_text(order.time)}" if order.time is not None else ""
    return f"{order.grade.value}{when}: {order.why}"


def amendment_words(item: Amendment) -> str:
    """Return one amendment in a line: what bound before, and why it was changed."""
    old = ", ".join(f"{key} was {value_text(value)}" for key, value in item.old.items())
    return f"{item.at:%Y-%m-%d}: {old}; {item.why} ({item.by.name})"


def value_text(value: ParamValue) -> str:
    """Return a term as people read it."""
    return value if isinstance(value, str) else json_dumps_compact(param_json(value)).decode()


def paint(word: str, good: bool | None, style: Style) -> str:  # noqa: FBT001  a third value is none
    """Return a verdict's word in its colour, where there is colour; the word says it too."""
    return f"\x1b[1;{_COLORS[good]}m{word}\x1b[0m" if style.color and word else word


def tables(sheet: Sheet, _: Style = PLAIN) -> str:
    """Return the tables of the sheet as CSV, one below the other."""
    return "\n".join(csv_rows(grid.header, grid.rows) for grid in _every_grid(sheet)) or "\n"


def _every_grid(sheet: Sheet) -> Iterator[Grid]:
    yield from sheet.grids
    for part in sheet.parts:
        yield from _every_grid(part)


def page_table(grid: Grid) -> Iterator[str]:
    """Return the lines of a table; its first column names the rows."""
    yield '<div class="scroll"><table>'
    yield f"<caption>{html(grid.title)}</caption><thead><tr>"
    yield "".join(f'<th scope="col">{html(name)}</th>' for name in grid.header)
    yield "</tr></thead><tbody>"
    for row in grid.rows:
        first, *others = (html(cell_text(cell)) for cell in row)
        cells = "".join(f"<td>{cell}</td>" for cell in others)
        yield f'<tr><th scope="row" class="name">{first}</th>{cells}</tr>'
    yield "</tbody></table></div>"
    if grid.left_out:
        yield f"<p>and {grid.left_out} more</p>"


def page_sheet(sheet: Sheet) -> Iterator[str]:
    """Yield the lines of a whole sheet: headline, tables, parts, lines, facts, next command."""
    if sheet.word or sheet.headline:
        word = f"<strong>{html(sheet.word)}</strong> " if sheet.word else ""
        yield f'<p class="lead">{word}{html(sheet.headline, limit=_LINE_LIMIT)}</p>'
    for grid in sheet.grids:
        yield from page_table(grid)
    for part in sheet.parts:
        yield from page_sheet(part)
    for item in sheet.items:
        yield f"<p>{html(item.text, limit=_LINE_LIMIT)}</p>"
        yield from page_facts(item.facts)
    yield from page_facts(sheet.facts)
    if sheet.next_step:
        yield f'<code class="cmd">{html(sheet.next_step, limit=_LINE_LIMIT)}</code>'


def page_facts(facts: Iterable[Fact]) -> Iterator[str]:
    """Yield a line for each fact."""
    for fact in facts:
        yield f"<p>{html(fact.label)}: {html(fact.text, limit=_LINE_LIMIT)}</p>"


FORMATS: dict[str, Callable[[Sheet, Style], str]] = {"text": text, "md": markdown, "csv": tables}
