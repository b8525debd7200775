"""A review as GitHub shows it: small enough, what decides first, and nothing of a branch acts."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from markdown_it import MarkdownIt

from gitexp.model.comparison import Change, Comparison
from gitexp.model.ids import CommitHash, PlanDigest
from gitexp.model.review import Behind, CheckedPlan, End, RecordedBy, Review, ReviewedExperiment
from gitexp.model.rules import Policy, Violation, Where
from gitexp.model.witness import ALONE, Grade, OrderGrade
from gitexp.records import codec
from gitexp.report import brief, github
from tests.records import strategies
from tests.records.test_docs import example
from tests.report.test_renderers import HOSTILE

if TYPE_CHECKING:
    from pathlib import Path

COMPARISON = codec.load(Comparison, example("comparison"), "comparison")
HASH = CommitHash("b81e640" + "0" * 33)
GFM = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])


def violation(text: str = "x", policy: Policy = Policy.ERROR) -> Violation:
    return Violation("R5", policy, text, Where(HASH, text, text), text)


def made(text: str = "deeper", *, violations: int = 2, changes: int = 2, items: int = 1) -> Review:
    comparison = replace(
        COMPARISON, changes=(Change("params", text, text, text),) * changes, headline=text
    )
    item = ReviewedExperiment(
        CheckedPlan(text, PlanDigest("a" * 64), 1, 2, OrderGrade(Grade.HISTORY, text)),
        text,
        comparison,
        behind=Behind(3, other_inputs=True),
        recorded_by=(RecordedBy(text, 1, (1, 2)), RecordedBy("Bob", 1, (3,))),
        concluded=text,
    )
    lost = replace(item, comparison=None, problem=text, next_step=text, behind=None)
    return Review(
        End(text, HASH),
        End(text, HASH),
        text,
        7,
        (violation(text),) * violations,
        (item, lost) * items,
        (text,),
        datetime(2026, 1, 1, tzinfo=UTC),
        "gitexp",
    )


def test_the_first_three_lines_decide() -> None:
    first, second, third = github.markdown(made(violations=0)).split("\n")[:3]
    assert first.startswith("**SUPPORTED** `deeper`: `auc` +0.0")
    assert "promised `>=0.005`" in first
    assert "order: history (`deeper`)" in first
    assert second.startswith("Price: 8 and 8 repeats")
    assert third.startswith("Changed: 2 parameters (`deeper`, `deeper`)")
    assert third.endswith("3 commits behind the base, WHICH HAS OTHER INPUTS")


def test_our_own_words_are_no_code() -> None:
    review = made(violations=0)
    plan = review.experiments[0].plan
    sure = replace(plan, order=OrderGrade(Grade.HISTORY, ALONE))
    page = github.markdown(
        replace(review, experiments=(replace(review.experiments[0], plan=sure),))
    )
    assert page.split("\n")[0].count(f"order: history ({ALONE})") == 1


def test_the_metric_table_fits_a_comment_and_the_whole_of_it_is_folded() -> None:
    page = github.markdown(made(items=1))
    short, whole = (line for line in page.split("\n") if line.startswith("| metric |"))
    assert short.count("|") == 7
    assert whole.count("|") == 11
    assert page.index(short) < page.index("<details>") < page.index(whole)


def test_a_broken_rule_stands_above_the_verdict() -> None:
    page = github.markdown(made())
    assert page.startswith("**RULES BROKEN: 2 errors in 7 commits of `deeper`")
    assert "| `R5` | error | `deeper` |" in page


def test_the_marker_comes_first_and_a_stranger_s_numbers_are_called_so() -> None:
    page = github.markdown(made(), marker="<!-- m -->", untrusted=True)
    assert page.startswith("<!-- m -->\n**RULES BROKEN")
    assert "a job that the fork could change" in page
    assert "a job that the fork could change" not in github.markdown(made())


@pytest.mark.sweep
@pytest.mark.parametrize("limit", [github.COMMENT_BYTES, 30_000])
@pytest.mark.parametrize("text", ["deeper", "\u202e" * 2_000, "`|" * 1_000])
def test_whole_sections_go_when_there_is_no_room_and_are_named(limit: int, text: str) -> None:
    big = made(text, violations=60, changes=200, items=30)
    page = github.markdown(big, limit=limit)
    assert len(page.encode()) <= limit
    assert "Left out, for the size: " in page
    assert page.count("```text") == page.count("\n```\n")
    assert page.count("<details>") == page.count("</details>")
    whole = github.markdown(big, limit=10**9)
    assert "Left out" not in whole
    cut = [block for block in page.split("\n\n") if block.strip() not in whole]
    assert all(block.lstrip().startswith(("and ", "Left out")) for block in cut), cut


def test_no_section_is_shown_below_the_heading_of_another_experiment() -> None:
    long, short = made("x" * 1_500), made("short")
    items = (*short.experiments[:1], *long.experiments[:1] * 8, *short.experiments[:1])
    review = replace(short, violations=(), notes=(), experiments=items)
    sections = list(github._experiments(review.experiments))  # noqa: SLF001
    for room in range(2_500, 30_000, 250):
        kept, dropped = github._fitting(sections, room)  # noqa: SLF001
        for index in range(len(items)):
            mine = [section for section in sections if section.of == index]
            assert mine[0] in kept or not [one for one in mine if one in kept], room
        assert len(kept) + len(dropped) == len(sections)


@pytest.mark.parametrize("text", [text for text in HOSTILE if text])
def test_a_foreign_string_is_code_and_nothing_else(text: str) -> None:
    def shape(page: str) -> list[str]:
        tokens = GFM.parse(page)
        inline = [child.type for token in tokens for child in token.children or ()]
        kinds = [token.type for token in tokens] + inline
        return [kind for kind in kinds if kind not in {"code_inline", "text"}]

    page = github.markdown(made(text))
    assert shape(page) == shape(github.markdown(made("plain")))
    outside = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", page.replace("```", ""))
    for sign in ("<img", "<script", "[click", "![", "@", "http", "&"):
        assert sign not in outside, sign
    assert all(char.isprintable() or char == "\n" for char in page)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no browser")
def test_in_a_browser_it_is_text_in_tables_that_fit(tmp_path: Path) -> None:
    body = "".join(GFM.render(github.markdown(made(text))) for text in HOSTILE if text)
    page = tmp_path / "comment.html"
    page.write_text(_PAGE.format(body=body), encoding="utf-8", errors="replace")
    done = subprocess.run(
        [
            "chromium",
            *("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/b"),
            *("--window-size=900,2000", "--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    seen = dict(re.findall(r"([a-z]+)=(\d+)", done.stdout.split("<title>")[1].split("</title>")[0]))
    n_pages = sum(1 for text in HOSTILE if text)
    assert seen == {"acts": "0", "tables": str(4 * n_pages), "folded": str(n_pages), "wide": "0"}


_PAGE = """<!doctype html><meta charset=utf-8><title></title>
<style>body {{ width: 800px }} table {{ display: block; overflow: auto }}
p, li, h2 {{ overflow-wrap: break-word }}</style>
<main>{body}</main>
<script>
  const n = (query) => document.querySelectorAll(`main ${{query}}`).length;
  document.title = `acts=${{n(":is(img, a, script, iframe, form, svg, style)")}} ` +
    `tables=${{n("table")}} folded=${{n("details")}} ` +
    `wide=${{Number(document.documentElement.scrollWidth > 900)}}`;
</script>"""


@pytest.mark.parametrize("text", [*HOSTILE, "a\nb", "a\r::error::x", "100%", "a,b:c"])
def test_an_annotation_stays_on_its_line(text: str) -> None:
    lines = github.workflow_commands(made(text, violations=1)).splitlines()
    assert len(lines) == 1
    match = re.fullmatch(r"::error title=([^,:]*)(?:,file=([^,:]*))?::(.*)", lines[0])
    assert match is not None
    assert match[1] == "gitexp R5"


def test_no_more_annotations_than_github_shows() -> None:
    review = replace(made(), violations=(violation(),) * 25 + (violation(policy=Policy.WARN),) * 3)
    lines = github.workflow_commands(review).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error"] * 10 + ["::warning"] * 3
    assert lines[9] == "::error title=gitexp::and 16 more; the job summary has all"


def test_anything_that_can_be_read_can_be_shown() -> None:
    @settings(
        max_examples=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate],  # to make such a value smaller takes minutes
    )
    @given(strategies.reviews)
    def check(review: Review) -> None:
        assert len(github.markdown(review).encode()) <= github.COMMENT_BYTES
        github.workflow_commands(review)
        assert all(char.isprintable() or char == "\n" for char in brief.text(review))

    check()
