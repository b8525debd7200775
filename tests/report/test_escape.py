"""The escapers, by property: whatever comes in, nothing that acts comes out."""

from __future__ import annotations

import html as html_module
import re

from hypothesis import given
from hypothesis import strategies as st

from gitexp.report import escape

anything = st.text(st.characters(), max_size=60)


@given(st.text(st.characters(), max_size=20))  # written out, still shorter than what is cut
def test_what_is_shown_can_be_seen(text: str) -> None:
    shown = escape.visible(text)
    assert shown.isprintable()
    assert escape.visible(shown) == shown


@given(anything)
def test_html_gives_the_visible_text_back_and_holds_no_markup(text: str) -> None:
    out = escape.html(text)
    assert not set("<>\"'") & set(out)
    assert html_module.unescape(out) == escape.visible(text)


@given(st.text("`|\\ a", max_size=20))
def test_a_code_span_ends_only_at_its_own_fence(text: str) -> None:
    for cell in (False, True):
        out = escape.markdown(text, cell=cell)
        fence = re.match(r"`+", out)
        assert fence is not None
        runs = re.findall(r"`+", out)
        assert runs[0] == runs[-1] == fence[0]
        assert fence[0] not in runs[1:-1]
        if cell:
            assert not re.search(r"(?<!\\)\|", out)
            assert "\\\\|" not in out


@given(anything)
def test_a_csv_text_never_begins_a_formula(text: str) -> None:
    for cell in escape.csv(text).split(";"):  # where a semicolon ends one
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_wide_letters_count_double_and_marks_not_at_all() -> None:
    assert escape.width("f1") == 2
    assert escape.width("\u6e2c\u5b9a") == 4
    assert escape.width("e\u0301") == 1
