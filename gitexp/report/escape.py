"""One escaper per target, for every string that is not ours.

Metric names, branches, paths, parameters, reasons and prose come from whatever branch somebody
pushed. Each renderer passes each of them through exactly one function of this file; nothing that
comes out can end a cell, open a tag, colour a terminal, mention a person or start a formula.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT = 200  # characters of a name, path or value
PROSE_LIMIT = 2_000  # characters of a hypothesis or a conclusion
CELL_LIMIT = 30_000  # characters of a CSV cell; spreadsheets take 32,767

# Printable by Unicode's categories, and yet nothing is seen.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(code) for code in (*range(0xFE00, 0xFE10), *range(0x180B, 0x1810), *range(0xE0100, 0xE01F0))
}
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
# By hand: the standard library's `html` brings a table of 2,000 entities along.
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
_LATEX = str.maketrans(
    {char: f"\\{char}" for char in "&%$#_{}"}
    | {char: f"\\ensuremath{{{char}}}" for char in "<>|"}
    | {"^": "\\^{}", "~": "\\textasciitilde{}", "\\": "\\textbackslash{}"}
)
_SPACE = re.compile(r"[ \t\r\n\f\v]+")
_BMP = 0xFFFF  # what a JSON escape of four digits holds
_MARKS = 3  # combining marks kept on one letter; more of them paint over other lines


def visible(text: str, *, limit: int = LIMIT) -> str:
    r"""Return `text` for a terminal: what cannot be seen is written out; cut at `limit` characters.

    Controls, bidirectional and zero-width characters, odd spaces and undecodable bytes become
    ``\x1b``, ``\u202e`` and so on.

    >>> visible("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    cut = text if len(text) <= limit else text[: limit - 3] + "..."
    if cut.isascii() and cut.isprintable():
        return cut
    parts: list[str] = []
    marks = 0
    for char in cut:
        marks = marks + 1 if unicodedata.combining(char) else 0
        hidden = not char.isprintable() or char in _BLANK or marks > _MARKS
        parts.append(_written_out(char) if hidden else char)
    return "".join(parts)


def prose(text: str) -> str:
    """Return a person's sentence as one visible line: any run of white space is one space."""
    return visible(_SPACE.sub(" ", text).strip(), limit=PROSE_LIMIT)


def html(text: str, *, limit: int = LIMIT) -> str:
    """Return `text` for an HTML or SVG text node or a quoted attribute."""
    return visible(text, limit=limit).translate(_ENTITIES)


def markdown(text: str, *, limit: int = LIMIT, cell: bool = False) -> str:
    r"""Return `text` as a Markdown code span that nothing in it can end.

    `cell`: the span stands in a table, where a pipe ends the cell even within a span.

    >>> markdown("f`1")
    '``f`1``'
    >>> markdown("a|b", cell=True)
    '`a\\|b`'
    """
    shown = visible(text, limit=limit).strip() or "(empty)"
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    if cell:
        # A backslash before a pipe would be taken for its escape: write it as a lookalike free
        # escape instead, so that the cell cannot be ended by "\|".
        shown = shown.replace("\\|", "\\x5c|").replace("|", "\\|")
        if shown.endswith("\\"):
            pad = " "
    return f"{fence}{pad}{shown}{pad}{fence}"


def latex(text: str, *, limit: int = LIMIT) -> str:
    r"""Return `text` for LaTeX outside mathematics.

    >>> latex(r"5 % of f_1 \input{x}")
    '5 \\% of f\\_1 \\textbackslash{}input\\{x\\}'
    """
    return visible(text, limit=limit).translate(_LATEX)


def csv(text: str) -> str:
    """Return `text` for a CSV cell that no spreadsheet takes for a formula (OWASP).

    Nor for cells with one, where a spreadsheet ends them at semicolons.

    >>> csv("=1;x;-2")
    "'=1;x;'-2"
    """
    cells = text.split(";")
    safe = (f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell for cell in cells)
    return visible(";".join(safe), limit=CELL_LIMIT)


def escaped(text: str) -> str:
    """Write what cannot be seen as JSON's own escapes: the value is the same, a terminal is safe.

    Such characters occur within strings only; outside them JSON has none but line feeds.
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(char if char == "\n" or char.isprintable() else _units(char) for char in text)


def width(text: str) -> int:
    """Return the columns that `text` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _written_out(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004  a byte that surrogateescape carried
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:  # noqa: PLR2004  Latin-1
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004  the BMP


def _units(char: str) -> str:
    code = ord(char)
    if code <= _BMP:
        return f"\\u{code:04x}"
    code -= _BMP + 1
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


# Columns of a title, of a name while others fall away, and of a name at the least.
_HEAD, _LEAST, _SHORTEST = 20, 24, 8
_KEPT = re.compile(r"(?<=[0-9\]]) (?=%)|(?<=,) (?=[-+][0-9.]+\])")


def wrapped(line: str, columns: int, indent: int = 0) -> str:
    """Return a line broken at blanks where it is wider than `columns`, 0 for no limit."""
    if not columns or width(line) <= columns:
        return line
    kept = _KEPT.sub("\u00a0", line)  # a blank within a number, which no text of ours has
    return textwrap.fill(
        kept.lstrip(),
        max(columns, indent + 20),
        initial_indent=" " * (len(kept) - len(kept.lstrip())),
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=False,
    ).replace("\u00a0", " ")


def shortened(text: str, room: int) -> str:
    """Return a name without its middle, where it is wider than `room`.

    >>> shortened("eval/live/metrics.json:eval/prc_dice_multi", 20)
    'eval/live...ce_multi'
    """
    if width(text) <= room:
        return text
    half = (room - 3) // 2
    end = len(text) - half
    while width(text[end:]) > half:
        end += 1
    begin = room - 3 - half
    while width(text[:begin]) > room - 3 - half:
        begin -= 1
    return f"{text[:begin]}...{text[end:]}"


def fitted(
    rows: Sequence[Sequence[str]], names: frozenset[int], spare: Sequence[int], room: int
) -> tuple[list[list[str]], list[int]]:
    """Return rows no wider than `room`, and which columns they have.

    Those of `spare` fall away, the first first, until `names` keep `_LEAST` columns; then these
    lose their middle. The first column stays, with one other; what else is in a row is never cut.
    """
    heads = [shortened(name, _HEAD) for name in rows[0]]
    every = [heads if len({*heads}) == len({*rows[0]}) else rows[0], *rows[1:]]
    widest = [max(width(row[at]) for row in every) for at in range(len(heads))]
    least = [min(wide, _LEAST) if at in names else wide for at, wide in enumerate(widest)]
    kept = [*range(len(heads))]
    for at in spare:
        if sum(least[each] + 2 for each in kept) - 2 > room and len(kept) > 2:  # noqa: PLR2004  a name and a value
            kept.remove(at)
    over = sum(widest[each] + 2 for each in kept) - 2 - room
    shrinking = [at for at in kept if at in names]
    while over > 0 and shrinking:
        longest = max(shrinking, key=lambda at: widest[at])
        if widest[longest] <= max(_SHORTEST, width(every[0][longest])):
            shrinking.remove(longest)
            continue
        widest[longest] -= 1
        over -= 1
    while over > 0 and len(kept) > 2:  # noqa: PLR2004  as above
        over -= widest[kept.pop()] + 2
    return [
        [shortened(row[at], widest[at]) if at in names else row[at] for at in kept] for row in every
    ], kept


def table(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """Return aligned lines, two spaces between columns, no trailing space.

    `rows`: the first is the header. Texts are escaped already.

    >>> table([["metric", "n"], ["f1", "10"]], right=frozenset({1}))
    ['metric   n', 'f1      10']
    """
    if not rows:
        return []
    columns = max(len(row) for row in rows)
    full = [[*row, *[""] * (columns - len(row))] for row in rows]
    set_columns = [
        _column([row[index] for row in full], flush_right=index in right)
        for index in range(columns)
    ]
    return ["  ".join(cells).rstrip() for cells in zip(*set_columns, strict=True)]


def _column(cells: Sequence[str], *, flush_right: bool) -> list[str]:
    taken = [width(cell) for cell in cells]
    widest = max(taken)
    if flush_right:
        return [" " * (widest - used) + cell for cell, used in zip(cells, taken, strict=True)]
    return [cell + " " * (widest - used) for cell, used in zip(cells, taken, strict=True)]
