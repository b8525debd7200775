"""A sheet in each format: read back with somebody else's reader, whatever the texts in it are."""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
import unicodedata
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from gitexp.model.plan import Verdict
from gitexp.report import escape, html, latex, sheet
from gitexp.report.sheet import Fact, Grid, Item, Sheet, Style, table

if TYPE_CHECKING:
    from collections.abc import Callable

anything = st.text(st.characters(), max_size=30)
acting = st.text("|`\\&<>_%$#{}^~[]*+-=@'\"a1 \n\té\u6e2c\u202e", max_size=12)
names = anything | acting
cells = names | st.integers() | st.floats() | st.booleans() | st.none()


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Return tables of up to four columns and rows, of whatever cells."""
    columns = draw(st.integers(1, 4))
    row = st.tuples(*[cells] * columns)
    return Grid(
        draw(names),
        draw(st.tuples(*[names] * columns)),
        tuple(draw(st.lists(row, max_size=4))),
        right=frozenset(draw(st.sets(st.integers(0, columns - 1)))),
        left_out=draw(st.sampled_from([0, 0, 3])),
    )


facts = st.builds(Fact, st.sampled_from(["note", "baseline", "w"]), names)
sheets = st.builds(
    Sheet,
    headline=names,
    word=st.sampled_from(["", "SUPPORTED"]),
    title=names,
    grids=st.lists(grids(), max_size=2).map(tuple),
    items=st.lists(st.builds(Item, names, st.lists(facts, max_size=2).map(tuple)), max_size=2).map(
        tuple
    ),
    facts=st.lists(facts, max_size=3).map(tuple),
    next_step=names,
)


# --- cells ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (-7, "-7"),
        (10**25, "1" + "0" * 25),  # an integer is never told in powers of ten
        (0.1 + 0.2, "0.3"),
        (1234567.0, "1.23457e+06"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        ("", ""),
        ("0.123456789", "0.123456789"),  # a text is not a number
    ],
)
def test_a_cell_is_shown_with_six_digits_and_words_as_they_are(
    cell: sheet.Cell, shown: str
) -> None:
    assert sheet.cell_text(cell) == shown


@given(st.lists(st.lists(cells, min_size=2, max_size=2), max_size=5), st.lists(names, min_size=2))
def test_csv_is_read_back_by_a_csv_reader_row_for_row(
    rows: list[list[sheet.Cell]], header: list[str]
) -> None:
    page = sheet.csv_rows(header[:2], rows)
    first, *others = csv.reader(io.StringIO(page, newline=""), strict=True)
    assert first == [escape.csv(name) for name in header[:2]]
    assert len(others) == len(rows)
    for shown, row in zip(others, rows, strict=True):
        for text, cell in zip(shown, row, strict=True):
            match cell:
                case None:
                    assert text == ""
                case bool():
                    assert text == ("true" if cell else "false")
                case float():
                    assert math.isnan(cell) or float(text) == cell
                case int():
                    assert int(text) == cell
                case str():
                    assert text.removeprefix("'") == escape.visible(cell, limit=30_000) or text == (
                        escape.visible(cell, limit=30_000)
                    )


def test_csv_keeps_every_digit_of_a_number_and_the_sign_of_zero() -> None:
    page = sheet.csv_rows(["x"], [[0.1 + 0.2], [-0.0], [5e-324], [1.7976931348623157e308], [-3]])
    assert page.splitlines() == [
        "x",
        "0.30000000000000004",
        "-0.0",
        "5e-324",
        "1.7976931348623157e+308",
        "-3",
    ]


def test_csv_ends_lines_by_a_line_feed_and_quotes_what_has_a_comma_or_a_quote() -> None:
    page = sheet.csv_rows(["a", "b"], [["x,y", 'say "hi"'], [None, ""]])
    assert page == 'a,b\n"x,y","say ""hi"""\n,\n'


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "  -", "\uff1d"])
def test_a_text_that_a_spreadsheet_would_work_out_is_a_text_in_csv(start: str) -> None:
    ((shown,),) = csv.reader(io.StringIO(sheet.csv_rows([f"{start}1+1"], []), newline=""))
    assert shown.startswith("'")


# --- tables on a terminal ------------------------------------------------------------------------


def columns_of(line: str) -> int:
    """Return how wide a terminal shows it, by Unicode's own table."""
    return sum(
        0
        if unicodedata.combining(char)
        else 2
        if unicodedata.east_asian_width(char) in {"W", "F"}
        else 1
        for char in line
    )


words = st.text(st.characters(categories=["L", "N"], max_codepoint=0x9FFF), min_size=1, max_size=8)


@given(st.lists(st.tuples(words, words, words), min_size=1, max_size=5))
def test_every_column_of_a_table_begins_at_one_place(rows: list[tuple[str, str, str]]) -> None:
    lines = table(rows)
    widest = [max(columns_of(row[at]) for row in rows) for at in range(3)]
    starts = [0, widest[0] + 2, widest[0] + widest[1] + 4]
    for line, row in zip(lines, rows, strict=True):
        assert line == line.rstrip()
        at = 0
        for start, cell in zip(starts, row, strict=True):
            place = line.index(cell, at)
            assert columns_of(line[:place]) == start
            at = place + len(cell)


@given(st.lists(st.tuples(words, words), min_size=1, max_size=5))
def test_a_column_that_is_set_flush_right_ends_at_one_place(rows: list[tuple[str, str]]) -> None:
    lines = table(rows, right=frozenset({1}))
    assert len({columns_of(line) for line in lines}) == 1


def test_a_table_of_nothing_has_no_line_and_a_short_row_is_filled() -> None:
    assert table([]) == []
    assert table([["a", "b"], ["c"]]) == ["a  b", "c"]
    assert table([[""], ["x"]]) == ["", "x"]


def test_columns_of_numbers_alone_are_set_flush_right() -> None:
    grid = Grid("t", ("a", "b", "c", "d"), ((1, "x", None, "y"), (2.5, 3, None, None)))
    assert sheet.numeric(grid) == {0}  # a text beside numbers, or nothing at all, is no number
    assert sheet.numeric(Grid("t", ("a",), ((None,), (3,)))) == {0}
    assert sheet.numeric(Grid("t", ("a",), (), right=frozenset({0}))) == {0}


def test_the_cell_of_a_terminal_is_cut_and_the_one_of_csv_is_not() -> None:
    shown = Sheet(grids=(Grid("t", ("name",), (("x" * 100,),)),))
    assert sheet.text(shown).splitlines()[1] == "x" * 57 + "..."
    assert sheet.tables(shown).splitlines()[1] == "x" * 100


# --- the order of what is said --------------------------------------------------------------------


def test_a_sheet_says_the_headline_first_and_the_next_command_last() -> None:
    shown = Sheet(
        headline="f1 rises",
        word="SUPPORTED",
        grids=(Grid("metrics", ("metric", "p"), (("f1", 0.01),), left_out=2),),
        items=(Item("alone"), Item("with", (Fact("where", "a.py"),)), Item("last")),
        facts=(Fact("test", "t"), Fact("note", "one"), Fact("note", "two")),
        next_step="gitexp show a",
    )
    assert sheet.text(shown) == (
        "SUPPORTED  f1 rises\n\n"
        "metric     p\nf1      0.01\nand 2 more; -v shows them\n\n"
        "alone\n\n"
        "with\n  where     a.py\n\n"
        "last\n\n"
        "test  t\nnote  one\n      two\n\n"
        "next: gitexp show a\n"
    )


def test_the_title_of_a_table_is_told_where_there_are_several() -> None:
    one, two = (Grid(name, ("a",), ((1,),)) for name in ("first", "second"))
    assert "first" not in sheet.text(Sheet(grids=(one,)))
    assert sheet.text(Sheet(grids=(one, two))).split() == ["first", "a", "1", "second", "a", "1"]
    assert "**first**" in sheet.markdown(Sheet(grids=(one, two)))


def test_of_several_parts_the_last_alone_says_on_a_terminal_what_to_type_next() -> None:
    parts = tuple(Sheet(headline=name, next_step=f"do {name}") for name in "ab")
    assert sheet.text(Sheet(parts=parts)) == "a\n\nb\n\nnext: do b\n"
    assert sheet.text(Sheet(parts=parts, next_step="do all")) == "a\n\nb\n\nnext: do all\n"
    assert sheet.markdown(Sheet(parts=parts)).count("Next:") == 2  # a document is read by parts


def test_nothing_to_say_is_no_line() -> None:
    assert sheet.text(Sheet()) == sheet.markdown(Sheet()) == ""
    assert sheet.text(Sheet(), Style(quiet=True)) == ""


def test_a_quiet_reader_gets_names_else_headlines_else_lines() -> None:
    quiet = Style(quiet=True)
    grid = Grid("t", ("a",), ((1,),))
    named = Sheet(headline="two found", names=("a", "b\x1b"), grids=(grid,))
    assert sheet.text(named, quiet) == "a\nb\\x1b\n"
    assert sheet.markdown(named, quiet) == "- `a`\n- `b\\x1b`\n"
    assert sheet.text(Sheet(headline="none found", names=()), quiet) == ""
    assert sheet.text(Sheet(headline="x", word="SAME", grids=(grid,)), quiet) == "SAME  x\n"
    parts = Sheet(parts=(Sheet(headline="a"), Sheet(items=(Item("b", (Fact("w", "c"),)),))))
    assert sheet.text(parts, quiet) == "a\nb\n"


@pytest.mark.parametrize(
    ("good", "code"), [(True, "32"), (False, "31"), (None, "33")], ids=["yes", "no", "open"]
)
def test_a_verdict_is_coloured_for_who_wants_colours(good: bool | None, code: str) -> None:  # noqa: FBT001
    shown = Sheet(headline="h", word="WORD", good=good)
    assert sheet.text(shown, Style(color=True)) == f"\x1b[1;{code}mWORD\x1b[0m  h\n"
    assert sheet.text(shown) == "WORD  h\n"
    assert sheet.paint("", good, Style(color=True)) == ""
    assert "\x1b" not in sheet.markdown(shown, Style(color=True))


@pytest.mark.parametrize("verdict", [*Verdict, None])
def test_only_what_answers_the_hypothesis_is_good_or_bad_news(verdict: Verdict | None) -> None:
    expected = {Verdict.SUPPORTED: True, Verdict.EQUIVALENT: True, Verdict.REFUTED: False}
    assert sheet.is_good(verdict) is (expected.get(verdict) if verdict else None)


# --- facts that are left out ----------------------------------------------------------------------


@given(st.lists(st.sampled_from("abc"), max_size=40))
def test_of_each_label_so_many_are_kept_in_their_order_and_the_rest_is_counted(
    labels: list[str],
) -> None:
    given_ = [Fact(label, str(at)) for at, label in enumerate(labels)]
    shown = sheet.shortened(given_)
    kept = [fact for fact in shown if fact.text.isdigit()]
    assert kept == [
        fact for at, fact in enumerate(given_) if labels[:at].count(fact.label) < sheet.MANY
    ]
    for label in "abc":
        mine = [fact.text for fact in shown if fact.label == label]
        more = labels.count(label) - sheet.MANY
        assert (mine[-1:] == [f"and {more} more; -v shows them"]) == (more > 0)


# --- Markdown, HTML, LaTeX, whatever is in it -----------------------------------------------------


def spans_out(page: str) -> str:
    """Return Markdown without its code spans, as CommonMark 6.1 finds them."""
    out, at = [], 0
    while found := re.compile(r"`+").search(page, at):
        out.append(page[at : found.start()])
        close = re.compile(rf"(?<!`){found[0]}(?!`)").search(page, found.end())
        assert close is not None, "a fence that nothing ends"
        at = close.end()
    return "".join([*out, page[at:]])


def row_cells(line: str) -> int:
    """Return the cells of a row of GitHub's tables: a pipe ends one but after a backslash."""
    return len(re.findall(r"(?<!\\)\|", line)) - 1


@settings(max_examples=80)
@given(sheets)
@example(Sheet(headline="`", next_step="``a", grids=(Grid("t", ("\\",), (("\\|",),)),)))
def test_a_sheet_in_markdown_keeps_its_rows_and_nothing_acts_outside_a_span(shown: Sheet) -> None:
    page = sheet.markdown(shown)
    for line in page.splitlines():
        assert not set("<>&@[]") & set(
            re.sub(r"\[[-+.0-9einf]+, [-+.0-9einf]+\]", "", spans_out(line))
        )
    rows = [line for line in page.splitlines() if line.startswith("|")]
    expected = [len(grid.header) for grid in shown.grids for _ in range(2 + len(grid.rows))]
    assert [row_cells(line) for line in rows] == expected
    assert all(char.isprintable() or char == "\n" for char in page)


READER = MarkdownIt("commonmark", {"html": True}).enable("table")


@settings(max_examples=60)
@given(sheets)
@example(Sheet(grids=(Grid("t", ("a",), ((" ",), ("`\\|",), ("~~~",))),), headline="# x"))
@example(Sheet(grids=(Grid("", ("",), ()), Grid(" ", ("",), ()))))
def test_a_reader_of_markdown_finds_our_tables_and_no_link_image_or_tag(shown: Sheet) -> None:
    tokens = READER.parse(sheet.markdown(shown))
    inline = [child for token in tokens for child in token.children or ()]
    kinds = {token.type for token in (*tokens, *inline)}
    assert not {kind for kind in kinds if "html" in kind or "link" in kind or "image" in kind}
    assert not kinds & {"fence", "code_block", "blockquote_open", "hr"}
    tables_ = sum(token.type == "table_open" for token in tokens)
    assert tables_ == len(shown.grids)
    found = sum(token.type in {"td_open", "th_open"} for token in tokens)
    assert found == sum(len(grid.header) * (1 + len(grid.rows)) for grid in shown.grids)


@pytest.mark.parametrize(
    "plain", ["f1", "+0.5", "[-0.10, +0.20]", "[+1, +inf] %", "5 of 6", "a/b", "12 %", "1.5"]
)
def test_a_plain_word_or_number_stands_in_a_cell_as_it_is(plain: str) -> None:
    assert list(sheet.grid_markdown(Grid("t", ("a",), ((plain,),))))[2] == f"| {plain} |"


@pytest.mark.parametrize("text", ["www.evil.example", "a_b", "*x*", "[a](b)", "x" * 61, "a.b"])
def test_what_markdown_might_take_for_more_is_a_code_span(text: str) -> None:
    assert list(sheet.grid_markdown(Grid("t", ("a",), ((text,),))))[2] == f"| `{text}` |"


def test_the_rule_below_a_header_says_which_columns_are_numbers() -> None:
    grid = Grid("t", ("name", "n"), (("a", 1),))
    assert list(sheet.grid_markdown(grid)) == ["| name | n |", "|---|---:|", "| a | 1 |"]


class Outline(HTMLParser):
    """What a browser builds: tags in their order, and the text of each cell."""

    VOID = frozenset({"meta", "br", "link", "img"})

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not any(name.startswith("on") or name in {"src", "href"} for name, _ in attrs)
        self.tags.add(tag)
        if tag in self.VOID:
            return
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"th", "td"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, "a tag that is not closed in its order"

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] in {"th", "td"}:
            self.rows[-1][-1] += data


@settings(max_examples=60)
@given(sheets)
def test_a_sheet_as_a_page_is_well_formed_and_its_cells_are_the_texts(shown: Sheet) -> None:
    found = Outline(html.document(shown))
    assert not found.open
    assert found.tags <= {
        *("html", "head", "meta", "title", "style", "body", "main", "p", "strong", "div"),
        *("table", "caption", "thead", "tbody", "tr", "th", "td", "code"),
    }
    expected = [
        [escape.visible(sheet.cell_text(cell)) for cell in row]
        for grid in shown.grids
        for row in (grid.header, *grid.rows)
    ]
    assert found.rows == expected


# Commands that a document may hold; all else came from a text.
LATEX = {
    *("begin", "end", "centering", "footnotesize", "setlength", "tabcolsep", "caption", "toprule"),
    *("midrule", "bottomrule", "ensuremath", "textbackslash", "textasciitilde"),
}


def latex_rows(page: str) -> list[int]:
    """Read LaTeX as TeX's mouth does; return the cells of each row.

    Fails for a command that is not ours, for braces that do not match, and for mathematics that is
    not a sign alone.
    """
    rows: list[int] = []
    for line in page.splitlines():
        depth, ands, at, math_mode = 0, 0, 0, False
        while at < len(line):
            char = line[at]
            if char == "%":
                break
            if char == "\\":
                name = re.compile(r"[A-Za-z]+|.").match(line, at + 1)
                assert name is not None
                assert name[0] in LATEX or name[0] in set("&%$#_{}^~\\<>"), name[0]
                if name[0] == "\\":
                    assert line[at:].strip() == "\\\\"
                    rows.append(ands + 1)
                at = name.end()
                continue
            depth += {"{": 1, "}": -1}.get(char, 0)
            assert depth >= 0
            math_mode ^= char == "$"
            assert not math_mode or re.match(r"\$[+-]\$|[+-]\$", line[at:])
            assert char not in "#^~_"
            ands += char == "&"
            at += 1
        assert depth == 0
        assert not math_mode
    return rows


@settings(max_examples=60)
@given(sheets)
def test_a_sheet_in_latex_has_our_commands_alone_and_whole_rows(shown: Sheet) -> None:
    page = latex.document(shown)
    expected = [len(grid.header) for grid in shown.grids for _ in range(1 + len(grid.rows))]
    assert latex_rows(page) == expected
    assert page.count("\\begin{") == page.count("\\end{") == 2 * len(shown.grids)


@pytest.mark.parametrize("name", ["[1pt]", "*", "[", "*x"])
def test_a_name_is_not_taken_for_an_option_of_the_line_before(name: str) -> None:
    page = latex.document(Sheet(grids=(Grid("t", (name, "b"), ((name, 1), (name, 2))),)))
    lines = page.splitlines()
    for before, line in itertools.pairwise(lines):
        if before.endswith(("\\\\", "rule")):
            assert not line.lstrip().startswith(("[", "*"))


def test_signs_of_numbers_are_set_as_signs_and_hyphens_of_names_are_not() -> None:
    row = ("lr-1", "+0.5", "[-0.1, +0.2]", "exp-2")
    page = latex.document(Sheet(grids=(Grid("t", ("a", "b", "c", "d"), (row,)),)))
    line = next(line for line in page.splitlines() if line.lstrip().startswith("lr"))
    assert "lr-1" in line
    assert "$+$0.5" in line
    assert "[$-$0.1, $+$0.2]" in line
    assert "exp-2" in line


# --- one sheet, every format ----------------------------------------------------------------------


def nested() -> Sheet:
    def grid(name: str) -> Grid:
        return Grid(name, (f"{name}-column",), ((f"{name}-cell",),))

    inner = Sheet(headline="inner", grids=(grid("inner"),))
    middle = Sheet(headline="middle", grids=(grid("middle"),), parts=(inner,))
    return Sheet(headline="outer", grids=(grid("outer"),), parts=(middle,))


@pytest.mark.parametrize(
    "render",
    [sheet.text, sheet.markdown, sheet.tables, html.document, latex.document],
    ids=["text", "md", "csv", "html", "latex"],
)
def test_a_table_of_a_part_of_a_part_is_in_every_format(render: Callable[[Sheet], str]) -> None:
    page = render(nested())
    places = [page.index(f"{name}-cell") for name in ("outer", "middle", "inner")]
    assert places == sorted(places)


def test_tables_in_csv_stand_one_below_the_other_and_none_is_an_empty_line() -> None:
    two = Sheet(grids=(Grid("t", ("a",), ((1,),)), Grid("u", ("b",), ())))
    assert sheet.tables(two) == "a\n1\n\nb\n"
    assert sheet.tables(Sheet(headline="nothing")) == "\n"


def test_a_line_is_broken_at_blanks_that_are_in_no_number() -> None:
    line = "reason  f1 rose by 7.7 %, 95 % CI [+7.1, +8.3] %: " + "word " * 30
    for columns in range(40, 110):
        broken = escape.wrapped(line, columns, 8).split("\n")
        assert max(map(len, broken)) <= columns
        assert " ".join(each.strip() for each in broken) == line.strip()
        assert not [each for each in broken if each.strip().startswith(("%", "+8.3"))]
    assert escape.wrapped(line, 0) == line
