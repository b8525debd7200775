"""A review as a page: all that the comment may have left out, and nothing of a branch acts."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from gitexp.report import html
from tests.report.test_github import made, violation
from tests.report.test_renderers import HOSTILE


def test_rules_notes_and_what_has_no_verdict_are_on_it() -> None:
    page = html.review(made(violations=60))
    assert "RULES BROKEN: 60 errors in 7 commits of deeper" in page
    assert page.count("R5 error: deeper") == 60
    assert page.count("NO VERDICT") == 1
    assert "<h2>Notes</h2>" in page
    assert page.count("<article") == 2


def test_commits_without_an_experiment_make_no_empty_page() -> None:
    page = html.review(replace(made(violations=0), experiments=(), notes=()))
    assert "No rule is broken in 7 commits of deeper" in page


def test_what_no_page_could_hold_is_counted() -> None:
    page = html.review(replace(made(), violations=(violation(),) * 1_003))
    assert "and 3 more; the JSON has them" in page


@pytest.mark.parametrize("text", [text for text in HOSTILE if text])
def test_a_foreign_string_opens_no_tag(text: str) -> None:
    def tags(page: str) -> list[str]:
        return re.findall(r"<[^>]*?[ >]", page.partition("<article")[2].partition("</article>")[0])

    assert tags(html.review(made(text))) == tags(html.review(made("plain")))
