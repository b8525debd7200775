"""Lists, logs and broken rules as answers: what is asked for first, what is foreign never raw."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitexp.model.ids import CommitHash
from gitexp.model.listing import (
    ExperimentList,
    ExperimentSummary,
    RunGroup,
    RunList,
    RunSummary,
    UnreadableRecord,
)
from gitexp.model.metrics import MetricSummary
from gitexp.model.plan import Guard, Verdict
from gitexp.model.rules import Policy, Violation, Where
from gitexp.model.run import LoggedValue
from gitexp.model.views import ShownExperiment
from gitexp.report import escape, sheet, views
from gitexp.report.answers import lines, listing
from gitexp.report.escape import width
from gitexp.report.sheet import Style, cell_text
from tests.lab import samples

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUN = RunSummary(
    id="abcdefghijklmnop",
    branch="exp/a",
    experiment="a",
    inputs="1" * 64,
    environment="2" * 64,
    state="finished 2/2",
    finished=2,
    repeats=2,
    author="Ada",
    started_at=NOON,
    params=(("lr", 0.1), ("layers", (1, 2))),
    metrics=(MetricSummary("f1", 2, 0.612345, 0.0102),),
    exploratory=False,
    counts=(0, 1),
)


def summaries(*names: str) -> tuple[MetricSummary, ...]:
    return tuple(MetricSummary(name, 1, 0.5, None) for name in names)


# --- which columns --------------------------------------------------------------------------------


@given(st.lists(st.sets(st.sampled_from("abcdefgh")), max_size=6), st.lists(st.sampled_from("abz")))
def test_metrics_that_were_asked_for_come_first_then_those_that_most_have(
    many: list[set[str]], asked: list[str]
) -> None:
    found = listing.common_metrics((summaries(*names) for names in many), asked)
    count = Counter(name for names in many for name in names)
    wanted = [name for name in dict.fromkeys(asked) if name in count]
    rest = sorted(set(count) - set(wanted), key=lambda name: (-count[name], name))
    assert list(found) == [*wanted, *rest]


def test_of_parameters_those_are_shown_that_differ_or_that_some_lack() -> None:
    def run(**params: object) -> RunSummary:
        return replace(RUN, params=tuple(params.items()))  # type: ignore[arg-type]

    assert listing.differing_params([]) == ()
    assert listing.differing_params([run(a=1, b=2)]) == ()
    assert listing.differing_params([run(a=1, b=2), run(a=1, b=3)]) == ("b",)
    assert listing.differing_params([run(a=1), run(a=1, b=3)]) == ("b",)
    assert listing.differing_params([run(a=1), run(a=True)]) == ("a",)  # equal, and not the same
    assert listing.differing_params([run(a=1), run(a=1.0)]) == ("a",)
    assert listing.differing_params([run(z=(1, 2), a="1"), run(z=(1, 3), a=1)]) == ("a", "z")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (True, "true"),
        (False, "false"),
        (0.1, "0.1"),
        (-0.0, "-0.0"),
        (10**20, "1" + "0" * 20),
        ("", ""),
        ((), "[]"),
        (((1,), ("a", None)), "[[1], [a, -]]"),
    ],
)
def test_a_parameter_is_shown_as_a_params_file_has_it(value: object, shown: str) -> None:
    assert listing.shown_param(value) == shown  # type: ignore[arg-type]


# --- rows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "finished", "exploratory", "shown"),
    [
        ((0, 1), 2, False, "yes"),
        ((0,), 2, False, "1 of 2"),
        ((), 2, True, "exploratory"),
        ((), 0, True, "no"),
        ((), 2, False, "no"),
    ],
)
def test_a_run_says_how_many_of_its_repeats_count(
    counts: tuple[int, ...],
    finished: int,
    exploratory: bool,  # noqa: FBT001
    shown: str,
) -> None:
    run = replace(RUN, counts=counts, finished=finished, exploratory=exploratory)
    assert listing.counts_text(run) == shown


def test_a_list_of_runs_is_a_row_each_and_csv_has_every_digit() -> None:
    other = replace(RUN, id="zzzzzzzzzzzzzzzz", params=(("lr", 0.2),), metrics=())
    found = RunList((RUN, other))
    (grid,) = listing.runs(found).grids
    assert grid.header == (
        *("run", "experiment", "state", "counts", "f1", "layers", "lr", "author", "started"),
    )
    assert grid.rows[0][4:8] == ("0.612 +- 0.010", "[1, 2]", "0.1", "Ada")
    assert grid.rows[1][4:8] == ("", "-", "0.2", "Ada")
    one, two = csv.DictReader(io.StringIO(listing.csv(found)))
    assert (one["metric.f1"], one["metric.f1.sd"], one["metric.f1.n"]) == (
        "0.612345",
        "0.0102",
        "2",
    )
    assert (one["param.layers"], one["counts"], one["state"]) == ("[1, 2]", "2", "finished")
    assert (two["metric.f1"], two["param.layers"], two["param.lr"]) == ("", "", "0.2")
    assert datetime.fromisoformat(one["started_at"]) == NOON


def test_ages_are_counted_from_now_and_moments_are_shown_without_it() -> None:
    assert listing.moment(NOON, Style()) == "2026-03-01 12:00"
    assert listing.moment(NOON, Style(now=NOON + timedelta(hours=3))) == "3 h"
    assert (
        listing.moment(NOON, Style(now=NOON - timedelta(hours=3))) == "0 s"
    )  # a clock that is off


def test_an_empty_list_says_how_to_begin_and_a_narrowed_one_how_to_see_all() -> None:
    assert listing.runs(RunList(())).next_step == "gitexp run"
    narrowed = listing.runs(RunList(()), Style(narrowed=True))
    assert (narrowed.headline, narrowed.next_step) == (
        "no run fits these conditions",
        "gitexp list --runs",
    )
    assert listing.experiments(ExperimentList(())).headline == "no experiment found"
    assert listing.groups(()).headline == "no run to group"
    for empty in (RunList(()), ExperimentList(()), ()):
        assert len(list(csv.reader(io.StringIO(listing.csv(empty))))) == 1  # the header


def test_a_list_says_what_may_be_missing_from_it() -> None:
    bad = UnreadableRecord("abcd", "exp/a", "its samples end early")
    facts = listing.runs(RunList((), (bad,), shallow=True)).facts
    assert [fact.label for fact in facts] == ["note", "unreadable"]
    assert facts[1].text == "abcd (exp/a): its samples end early"
    assert "shallow" in facts[0].text


@pytest.mark.parametrize("left", [0, 1, 3_000])
def test_what_was_fetched_is_marked_and_pushes_nothing_of_ones_own_out_of_sight(left: int) -> None:
    (mine, *_) = wide("mine")["list"].experiments  # type: ignore[attr-defined]
    mine = replace(mine, collapsed="candidate 2 of 6", qualifier="BROKEN: ms")
    theirs = [replace(mine, name=f"their{n}", remote="origin") for n in range(left)]
    bad = tuple(UnreadableRecord(f"bad{n}", "origin/x", "it is short") for n in range(left))
    view = ExperimentList((*theirs, mine), bad)
    (grid,) = (answer := listing.experiments(view)).grids
    assert [str(row[1]).endswith(", on origin") for row in grid.rows] == [True] * left + [False]
    for label in ("note", "guard-rail"):
        texts = [fact.text for fact in answer.facts if fact.label == label]
        assert texts[0].startswith("mine: ")
        assert len(texts) == (left + 1 if left < 6 else 7)
        assert left < 6 or texts[-1] == f"and {left - 5} more; -v shows them"
    whole = listing.experiments(view, Style(verbose=True)).facts
    assert len(whole) == 2 * (left + 1) + left


def test_groups_share_their_keys_and_say_that_they_are_no_test() -> None:
    group = RunGroup((("lr", 0.1), ("opt", (1, None))), 3, 9, RUN.metrics, counts=True)
    fetched = replace(
        group, key=(("lr", 0.2), ("opt", "x")), metrics=(), fetched=True, counts=False
    )
    found = listing.groups((group, fetched))
    assert found.grids[0].rows == (
        ("0.1", "[1, -]", 3, "yes", 9, "0.612 +- 0.010"),
        ("0.2", "x", 3, "no, fetched", 9, ""),
    )
    assert "not a test" in sheet.text(found)
    one, _ = csv.DictReader(io.StringIO(listing.csv((group, fetched))))
    assert (one["lr"], one["opt"], one["counts"]) == ("0.1", "[1, -]", "true")


# --- logs -----------------------------------------------------------------------------------------

anything = st.text(st.characters(), max_size=60)


@given(anything)
def test_a_log_on_a_terminal_has_its_lines_and_tabs_and_nothing_that_acts(text: str) -> None:
    shown = lines.safe(text)
    assert all(char.isprintable() or char in "\n\t" for char in shown)
    assert shown.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("a\r\nb\r\n", "a\nb\n"),
        ("10%\r20%\r", "20%"),
        ("\r\r\r", ""),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\tb", "a\tb"),
        ("\u202eevil", "\\u202eevil"),
        ("caf\u00e9 \u6e2c", "caf\u00e9 \u6e2c"),
    ],
)
def test_of_a_progress_bar_the_last_state_stays_and_colours_go(text: str, shown: str) -> None:
    assert lines.safe(text) == shown


def test_logged_values_in_short_begin_with_the_plans_metric_and_end_with_the_last_step() -> None:
    values = [LoggedValue(name, 0.5, step) for step, name in enumerate("abcdef")]
    assert lines.in_short(values, "b") == "b 0.5, f 0.5, e 0.5, step 5"
    assert lines.in_short(values) == "f 0.5, e 0.5, d 0.5, step 5"
    assert lines.in_short([LoggedValue("x" * 99, 1.0, None)]) == f"{'x' * 40} 1"
    assert lines.in_short([]) == ""


# --- broken rules ---------------------------------------------------------------------------------


def broken(rule: str, policy: Policy, **where: str) -> Violation:
    return Violation(rule, policy, f"{rule} is broken\x1b[31m", Where(**where), "gitexp fix")


def test_errors_come_before_warnings_and_nothing_of_them_is_raw() -> None:
    found = [
        broken("R1", Policy.WARN),
        broken("R2", Policy.ERROR, path="a\nb.yaml"),
        broken("R3", Policy.ERROR),
    ]
    text = lines.violations_text(found)
    heads = [line for line in text.splitlines() if not line.startswith(" ")]
    assert [head.partition(":")[0] for head in heads] == ["error[R2]", "error[R3]", "warning[R1]"]
    assert "a\\x0ab.yaml" in text
    assert "\x1b" not in text
    assert text.count("next      gitexp fix") == 3
    assert lines.violations_text([]) == ""


# --- no wider than the page -----------------------------------------------------------------------

LONG = "eval/live/metrics.json:eval/prc_dice_multi"
TWELVE = (LONG, "eval/live/metrics.json:eval/roc_auc", *(f"metric_{n}" for n in range(10)))
NAMES = (
    "a",
    "a-very-long-name-of-an-experiment-that-somebody-typed-on-a-friday",
    "\u5b9f\u9a13" * 20,
)


def wide(name: str) -> dict[str, object]:
    """Return lists, and an experiment, with twelve metrics of long names."""
    metrics = tuple(MetricSummary(one, 10, 0.612345 + n, 0.0102) for n, one in enumerate(TWELVE))
    seeds = tuple(range(10**9, 10**9 + 90, 9))
    run = replace(RUN, experiment=name, branch=name, metrics=metrics, seeds=seeds)
    params = tuple((f"train.parameter_{n}", n * 1.5) for n in range(9))
    other = replace(run, id="z" * 16, params=params)
    plan = samples.supported().plan
    assert plan is not None
    plan = replace(plan, metric=TWELVE[0], guards=(Guard("metric_7", "<=", 0.05, relative=True),))
    items = [
        ExperimentSummary(
            name=name, branch=name, commit="c" * 40, state=state, verdict=verdict, hypothesis="h",
            metric=metric, runs=2, finished=10, planned=10, primary=metrics[0], author=name,
            created_at=NOON, baseline="main", qualifier=beside, partners=10,
        )
        for state, verdict, beside in (
            ("run", None, ""), ("merged", Verdict.INCONCLUSIVE, f"BROKEN: {LONG}"),
        )
        for metric in (LONG, "f1")
    ]  # fmt: skip
    return {
        "list": ExperimentList(tuple(items)),
        "runs": RunList((run, other)),
        "groups": (RunGroup((("lr", 0.1),), 2, 20, metrics),),
        "show": ShownExperiment(
            name, CommitHash("c" * 40), plan, CommitHash("d" * 40), None, (run, other), None
        ),
    }


@pytest.mark.parametrize("name", NAMES, ids=["short", "long", "double"])
@pytest.mark.parametrize("columns", [0, 60, 80, 120, 200])
@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("kind", ["list", "runs", "groups", "show"])
def test_no_row_is_wider_than_the_page_and_none_of_its_numbers_is_cut(
    kind: str, columns: int, name: str, *, verbose: bool
) -> None:
    view = wide(name)[kind]
    style = Style(columns=columns, verbose=verbose)
    shown = views.render(view, "text", style)
    assert views.render(view, "text", replace(style, color=True)).count("\n") == shown.count("\n")
    (grid,) = views.sheet_of(view, style).grids
    begins = ("experiment ", "run ", "lr ", "+")
    blocks = [part.splitlines() for part in shown.split("\n\n") if part.startswith(begins)]
    rows = [row for block in blocks for row in block]
    assert max(map(width, rows)) <= (columns or 80), shown
    if columns > 60 and name.isascii():  # a name alone is wider, and is never cut in prose
        prose = [row for row in shown.splitlines() if not row.startswith("next: ")]
        assert max(map(width, prose)) <= columns
    whole = {cell_text(cell) for row in grid.rows for cell in row}
    said = {cell for row in rows for cell in re.split("  +", row.strip()) if cell[:1].isdigit()}
    assert said <= whole | {row.split("  ")[0] for row in rows}
    heads = [head for block in blocks for head in re.split("  +", block[0])]
    shown_metrics = [head for head in heads if head.startswith(("eval", "metric_"))]
    left = re.search(r"^\+.*?\b([0-9]+) metrics?\b", shown, re.MULTILINE)
    if verbose:
        assert ("(-v)" in shown, left) == (False, None)
    elif {item for row in blocks for item in re.split("  +", row[0])} < {*grid.header}:
        assert rows[-1].endswith("(-v)")
    if kind != "list":
        assert len(shown_metrics) + (int(left[1]) if left else 0) == len(TWELVE)
        assert (kind, columns) == ("runs", 60) or shown_metrics[0] == escape.shortened(LONG, 20)
    if kind == "show":
        assert shown_metrics[1:2] in ([], ["metric_7"])
