"""Every renderer shows the same value: golden files, and a corpus that tries to break out."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.model.comparison import (
    Change,
    Comparison,
    Ledger,
    Role,
    Selection,
    SignificanceResult,
    Unused,
)
from gitexp.model.plan import Verdict
from gitexp.model.result import Part, Posterior
from gitexp.records import codec
from gitexp.report import RENDERERS, frame
from gitexp.report import render_comparisons as render
from gitexp.report.comparisons import Comparisons
from gitexp.report.sheet import Style
from tests.lab import samples

if TYPE_CHECKING:
    from gitexp.model.comparison import CategoryComparison, SliceComparison
    from gitexp.model.result import OmnibusComparison

GOLDEN = Path(__file__).parent / "golden"
SUFFIX = {"text": "txt", "latex": "tex"}

RESULT = SignificanceResult(samples.planned(), 0.001, 0.001, 1.0)

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title><svg onload=alert(1)>",
    "x' onmouseover='alert(1)",
    "javascript:alert(1)",
    "[click](http://evil.example/)",
    "![p](http://evil.example/p.png)",
    "a | b \\| c \\",
    "```\n# heading\n```",
    "`` ` ``",
    "@octocat fixes #1 and https://evil.example",
    "line\nbreak\r\nand\ttab",
    "\x1b]52;c;ZXZpbA==\x07\x1b[31mred\x9b2J",
    "\u202etxt.exe\u200b\u2066hidden\ufeff",
    "=cmd|'/c calc'!A1",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\udcff\udc80",
    "$(id) `id` ; rm -rf /",
    "&lt;b&gt; &amp;",
    "-->",
    "]]>",
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e\u0349al",
    "x" * 100_000,
    "",
)


def poisoned(text: str) -> Comparison:
    """Return a comparison in which every foreign string is `text`."""
    base = samples.supported()
    assert base.plan is not None
    plan = replace(
        base.plan,
        metric=text,
        objective=text,
        hypothesis=text,
        author=replace(base.plan.author, name=text),
        guards=tuple(replace(guard, metric=text) for guard in base.plan.guards),
    )
    return replace(
        base,
        plan=plan,
        baseline=replace(base.baseline, name=text),
        candidate=replace(base.candidate, name=text),
        headline=f"{text} rises",
        reasons=(text,),
        metrics=tuple(
            replace(item, metric=text, notes=(text,), parts=parts_of(text)) for item in base.metrics
        ),
        changes=tuple(
            Change(kind, text, text, text) for kind in ("code", "params", "data", "environment")
        ),
        unused=(Unused(text, "abcdefg", text, (1,)),),
        warnings=(text,),
        next_step=text,
        program=text,
        across=across_of(text),
        slices=slices_of(text),
        categories=categories_of(text),
    )


def slices_of(text: str) -> SliceComparison:
    """Return subgroups of which every name is `text`."""
    base = samples.crossed().slices
    assert base is not None
    return replace(
        base,
        column=text,
        metrics=(text,),
        slices=tuple(replace(item, value=text, metric=text, note=text) for item in base.slices),
    )


def categories_of(text: str) -> CategoryComparison:
    """Return categories of which every name is `text`."""
    base = samples.crossed().categories
    assert base is not None
    named = tuple(replace(item, name=text) for item in base.categories)
    return replace(base, column=text, categories=named, note=text)


def parts_of(text: str) -> tuple[Part, ...]:
    """Return two data sets, one of a name that somebody else chose."""
    return (
        Part(None, None, None, None, None, text, 0.5, 0.6),
        Part(None, None, None, None, None, "iris", 0.7, 0.8),
    )


def across_of(text: str) -> OmnibusComparison:
    """Return what is said about all commits, with `text` for every name."""
    base = samples.across()
    (metric,) = base.metrics
    return replace(
        base,
        names=(text,) * 3,
        reason=text,
        metrics=(
            replace(
                metric,
                metric=text,
                groups=tuple(replace(group, name=text) for group in metric.groups),
                families=tuple(
                    replace(
                        family,
                        pairs=tuple(replace(p, first=text, second=text) for p in family.pairs),
                    )
                    for family in metric.families
                ),
            ),
        ),
    )


@pytest.mark.parametrize("name", sorted(RENDERERS))
@pytest.mark.parametrize("case", sorted(samples.ALL))
def test_output_is_as_it_was_looked_at(name: str, case: str, *, update_golden: bool) -> None:
    text = render(name, samples.ALL[case], Style())
    if name == "text":
        text += "\n" + render(
            name, samples.ALL[case], Style(verbose=True, unicode=True, columns=100)
        )
    path = GOLDEN / f"{case}.{SUFFIX.get(name, name)}"
    if update_golden:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


@pytest.mark.parametrize("name", ["html", "md", "text"])
def test_what_qualifies_a_verdict_is_in_every_report_that_is_read(name: str) -> None:
    """Also what was added last: a page that is passed on must not say less than the terminal."""
    (base, *_) = samples.ALL["supported"]
    item = replace(
        base,
        ledger=Ledger((), ("one-before",), None),
        selection=Selection(3, how="under this plan", fresh=False, inflation=0.14),
    )
    said = render(name, (item,), Style(verbose=name == "text"))
    assert "one-before" in said
    assert "3 configurations were run under this plan" in said


@pytest.mark.parametrize("name", sorted(RENDERERS))
def test_every_renderer_takes_nothing_and_ends_in_a_newline(name: str) -> None:
    assert render(name, samples.ALL["several"], Style()).endswith("\n")
    assert isinstance(render(name, (), Style()), str)


def test_quiet_leaves_the_verdict_line() -> None:
    text = render("text", samples.ALL["several"], Style(quiet=True))
    assert [line.split()[0] for line in text.splitlines()] == ["SUPPORTED", "REFUTED"]


def test_colour_is_never_the_only_carrier() -> None:
    plain = render("text", samples.ALL["refuted"], Style())
    colored = render("text", samples.ALL["refuted"], Style(color=True))
    assert colored != plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


def test_verbose_shows_every_run_that_was_left_aside() -> None:
    many = tuple(Unused("found elsewhere", f"run{i}", "x", (i,)) for i in range(20))
    value = (replace(samples.supported(), unused=many),)
    assert "and 14 more; -v shows them" in render("text", value, Style())
    assert render("text", value, Style(verbose=True)).count("on other branches only") == 20


@pytest.mark.parametrize("text", HOSTILE)
def test_no_renderer_lets_an_invisible_character_through(text: str) -> None:
    for name in ("text", "md", "html"):
        out = render(name, (poisoned(text),), Style(verbose=True))
        bad = {char for char in out if not char.isprintable()} - {"\n"}
        assert not bad, (name, bad)
        out.encode("utf-8")
        assert len(out) < 200_000, name


class Tags(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.titles = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value) for name, value in attrs if name != "data-label"]


def parsed(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    tags.close()
    return tags


@pytest.mark.parametrize("text", HOSTILE)
def test_a_foreign_string_makes_no_tag_and_no_attribute_in_html(text: str) -> None:
    clean = parsed(render("html", (poisoned("plain"),), Style()))
    page = parsed(render("html", (poisoned(text),), Style()))
    allowed = set(clean.tags)
    assert set(page.tags) <= allowed
    assert {name for name, _ in page.attributes} <= {name for name, _ in clean.attributes}
    assert not {name for name, _ in page.attributes if name.startswith("on")}
    assert not {value for name, value in page.attributes if name in {"src", "style"}}


@pytest.mark.parametrize("text", [text for text in HOSTILE if text])
def test_a_foreign_string_stays_in_its_code_span_and_cell_in_markdown(text: str) -> None:
    def rows(page: str) -> list[int]:
        lines = [line for line in page.splitlines() if line.startswith("|")]
        return [len(re.findall(r"(?<!\\)\|", line)) for line in lines]

    page = render("md", (poisoned(text),), Style(verbose=True))
    clean = render("md", (poisoned("plain"),), Style(verbose=True))
    assert rows(page) == rows(clean)
    assert len(page.splitlines()) == len(clean.splitlines())
    outside = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", page)
    for sign in ("`", "<", "[click", "![", "@", "#1", "http", "&"):
        assert sign not in outside.replace("## ", ""), sign


@pytest.mark.parametrize("text", HOSTILE)
def test_no_csv_cell_begins_a_formula(text: str) -> None:
    page = render("csv", (poisoned(text),), Style())
    for row in list(csv.reader(io.StringIO(page)))[1:]:
        for cell in row:
            if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}:
                float(cell)  # a number of ours


@pytest.mark.parametrize("text", [text for text in HOSTILE if text and "\udcff" not in text])
def test_json_gives_the_value_back_unchanged(text: str) -> None:
    value = poisoned(text)
    assert value.plan is not None
    value = replace(value, plan=replace(value.plan, guards=()))  # not every text can be in a guard
    page = render("json", (value,), Style())
    loaded = codec.load(Comparison, page.encode(), "here")
    assert loaded.plan is not None
    assert value.plan is not None
    plan = replace(loaded.plan, digest=value.plan.digest)  # computed again when read
    assert replace(loaded, plan=plan) == value
    assert page.replace("\n", "").isprintable()


def test_several_comparisons_are_a_json_array() -> None:
    page = json.loads(render("json", samples.ALL["several"], Style()))
    assert [item["verdict"] for item in page] == ["supported", "refuted"]


@pytest.mark.parametrize("case", sorted(samples.ALL))
def test_the_page_has_five_headings_loads_nothing_and_runs_nothing(case: str) -> None:
    page = render("html", samples.ALL[case], Style())
    level = 3 if len(samples.ALL[case]) > 1 else 2
    headings = re.findall(rf"<h{level}[^>]*>([^<]*)</h{level}>", page)
    assert headings[:5] == ["Objective", "Hypothesis", "Method", "Results", "Conclusion"]
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert f'content="{policy}"' in page
    assert "http:" not in page
    assert "https:" not in page
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(parsed(page).tags)
    assert "url(" not in page
    assert "@import" not in page
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        assert "<title" in svg
        assert "<desc" in svg


def test_extreme_values_are_drawn_or_left_out_but_never_crash() -> None:
    for low, high in ((0.0, 0.0), (1e-300, 2e-300), (-1e300, 1e300), (1e150, 1e150), (5.0, 5.0)):
        item = samples.metric(baseline=(low, low), candidate=(high, high), half=0.0)
        value = (replace(samples.supported(), metrics=(item,)),)
        for name in RENDERERS:
            assert "nan" not in render(name, value, Style()).lower().replace("nance", "")


def test_frames_hold_the_same_numbers() -> None:
    table = frame.comparisons(samples.ALL["several"])
    assert list(table["verdict"].unique()) == ["supported", "refuted"]
    assert len(frame.samples(samples.ALL["supported"])) == 2 * (10 + 5 + 5)
    several = Comparisons(samples.ALL["several"])
    assert several.to_frame().equals(table)
    assert several.samples_to_frame().equals(frame.samples(samples.ALL["several"]))


def test_the_frame_of_samples_has_a_row_for_each_fold_and_data_set() -> None:
    base = samples.supported()
    folds = tuple(Part(4, 0, fold, 90, 10, "", 0.5, 0.5 + fold) for fold in range(3))
    one, two, *rest = base.metrics
    value = replace(
        base, metrics=(replace(one, parts=folds), replace(two, parts=parts_of("wine")), *rest)
    )
    table = frame.samples((value,))
    mine = table[table["metric"] == one.metric]
    assert len(mine) == 2 * 3
    row = mine[mine["side"] == "candidate"].iloc[2]
    assert (row["seed"], row["rep"], row["fold"], row["n_test"], row["value"]) == (4, 0, 2, 10, 2.5)
    sets = table[table["metric"] == two.metric]
    assert list(sets["dataset"]) == ["wine", "iris"] * 2
    assert sets["seed"].isna().all()
    assert table["seed"].dtype == "Int64"


def test_a_page_stays_small_whatever_was_measured() -> None:
    values = tuple(0.5 + index / 7919 % 0.1 for index in range(2_000))
    many = tuple(samples.metric(f"metric_{index}", role=Role.WATCHED) for index in range(200))
    primary = samples.metric(baseline=values, candidate=values[::-1], result=RESULT)
    base = replace(samples.supported(), metrics=(primary, *many))
    page = render("html", (base, base), Style())
    assert len(page.encode()) <= 300_000
    assert page.count("<figure>") > 20
    assert "And 141 more" in page


def test_a_page_of_many_candidates_stays_small_and_names_all_of_them() -> None:
    many = tuple(samples.metric(f"metric_{index}", role=Role.WATCHED) for index in range(100))
    rich = replace(samples.supported(), metrics=many, slices=slices_of("x"))
    every = tuple(
        replace(rich, candidate=replace(rich.candidate, name=f"exp/number-{index}"))
        for index in range(30)
    )
    page = render("html", every, Style())
    assert len(page.encode()) <= 300_000
    shown = page.count("<article")
    named = [f"exp/number-{index}{'</a>' if index < shown else ''}</th>" for index in range(30)]
    assert all(name in page for name in named)
    assert shown > 5
    assert f"{30 - shown} candidates more have no room here" in page


def test_a_page_shows_pairs_and_metrics_as_pictures() -> None:
    page = render("html", (samples.supported(),), Style())
    assert "f1, pair by pair: it rises in 10 of 10" in page
    assert "log_loss: +2.78 [+2.10, +3.45] %" in page  # less is better: mirrored
    assert "worse" in page


def test_repeats_that_share_no_seed_get_no_slopes() -> None:
    page = render("html", (samples.exploratory(),), Style())
    assert "pair by pair" not in page


@pytest.mark.parametrize("text", HOSTILE)
def test_a_foreign_string_runs_no_command_of_latex(text: str) -> None:
    page = render("latex", (poisoned(text),), Style(verbose=True))
    clean = render("latex", (poisoned("plain"),), Style(verbose=True))
    if text:  # what has no text has no line in the comments either
        assert len(page.splitlines()) == len(clean.splitlines())
    body = [line for line in page.splitlines() if not line.startswith("% ")]
    commands = {name for line in body for name in re.findall(r"\\([a-zA-Z]+)", line)}
    assert commands <= {
        *("begin", "end", "centering", "caption", "toprule", "midrule", "bottomrule"),
        *("footnotesize", "setlength", "tabcolsep"),
        *("textbackslash", "textasciitilde", "ensuremath"),
    }
    columns = 0
    for line in body:
        if begun := re.fullmatch(r"\\begin\{tabular\}\{([lr]+)\}", line):
            columns = len(begun[1])
        if (ends := len(re.findall(r"(?<!\\)&", line))) or line.endswith("\\\\"):
            assert ends == columns - 1
        assert not re.search(r"(?<!\\)[#%_]", line)
        assert len(re.findall(r"(?<!\\)\{", line)) == len(re.findall(r"(?<!\\)\}", line))


def test_latex_has_the_verdict_as_caption_and_the_tables_that_text_has() -> None:
    page = render("latex", samples.ALL["together"], Style())
    assert (
        "\\caption{exp/engineered-features against main. Supported: f1 rises by at least 5 \\%:"
        in (page)
    )
    assert page.count("\\begin{table}") == page.count("\\end{table}") == 6
    assert "\\caption{f1, is there any difference}" in page
    base = replace(samples.supported(), slices=slices_of("f_1"), categories=categories_of("f_1"))
    page = render("latex", (base,), Style())
    assert "\\caption{by f\\_1}" in page
    assert "\\caption{categories of f\\_1}" in page
    quiet = render("latex", (base,), Style(quiet=True))
    assert quiet.startswith("% SUPPORTED  f1 rises")
    assert quiet.count("\n") == 1


def test_a_metric_in_brackets_is_no_option_of_the_line_before() -> None:
    value = replace(samples.supported(), metrics=(samples.metric("[1cm] x"), samples.metric("*y")))
    page = render("latex", (value,), Style())
    assert "\n{} [1cm] x" in page
    assert "\n{} *y" in page


@pytest.mark.parametrize(("verdict", "p"), [(Verdict.SUPPORTED, "0.001"), (Verdict.REFUTED, "0.4")])
def test_what_stands_beside_has_the_p_value_of_the_side_that_decided(
    verdict: Verdict, p: str
) -> None:
    base = samples.supported()
    other = replace(RESULT, p_support=0.001, p_refute=0.4)
    one = replace(base.metrics[0], beside=(other,))
    value = (replace(base, verdict=verdict, metrics=(one, *base.metrics[1:])),)
    said = render("text", value, Style(verbose=True))
    (line,) = [each for each in said.split("\n") if "beside" in each]
    assert f"p = {p}" in line


def test_folds_and_data_sets_are_shown_by_their_names_and_a_posterior_in_per_cent() -> None:
    base = samples.supported()
    regions = Posterior("Bayesian signed-rank", 0.01, "the margin", 0.0, 0.0712, 0.9288)
    one = replace(base.metrics[0], parts=parts_of("wine"), posteriors=(regions,))
    value = (replace(base, metrics=(one, *base.metrics[1:])),)
    page = render("html", value, Style())
    assert '<th scope="row">wine</th><td>0.50000</td><td>0.60000</td><td>+0.10000</td>' in page
    assert '<th scope="col">data set</th>' in page
    assert "it rises in 2 of 2" in page
    said = "Bayesian signed-rank: 93 % above +0.01, 7 % within, <1 % below -0.01, decides nothing"
    assert said in render("text", value, Style(verbose=True))
