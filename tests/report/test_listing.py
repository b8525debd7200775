"""Lists, logs and broken rules as answers: what is asked for first, what is foreign never raw."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitexp.model.listing import ExperimentList, RunGroup, RunList, RunSummary, UnreadableRecord
from gitexp.model.metrics import MetricSummary
from gitexp.model.rules import Policy, Violation, Where
from gitexp.model.run import LoggedValue
from gitexp.report import sheet
from gitexp.report.answers import lines, listing
from gitexp.report.sheet import Style

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
    found = listing.common_metrics(
        (summaries(*names) for names in many), Style(metrics=tuple(asked), verbose=True)
    )
    count = Counter(name for names in many for name in names)
    wanted = [name for name in dict.fromkeys(asked) if name in count]
    rest = sorted(set(count) - set(wanted), key=lambda name: (-count[name], name))
    assert list(found) == [*wanted, *rest]
    few = listing.common_metrics((summaries(*names) for names in many), Style())
    assert list(few) == sorted(count, key=lambda name: (-count[name], name))[:4]


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
