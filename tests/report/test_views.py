"""The answers of the read-only commands in every format, hostile texts included."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from importlib import import_module

import pytest

from gitexp.model.comparison import Conclusion
from gitexp.model.ids import CommitHash, InputsDigest, RunId, TreeId
from gitexp.model.listing import (
    ExperimentList,
    ExperimentSummary,
    RunGroup,
    RunList,
    RunSummary,
    UnreadableRecord,
)
from gitexp.model.metrics import MetricSummary
from gitexp.model.plan import Person, Verdict
from gitexp.model.request import RunOptions
from gitexp.model.run import Origin, Repeat, RepeatState, Resources, Run, Source
from gitexp.model.views import (
    DataChange,
    DataState,
    DiffView,
    InputsReason,
    InputsView,
    LiveRun,
    LogSource,
    LogView,
    MetricChange,
    PathChange,
    RepeatLog,
    ShownExperiment,
    ShownRun,
    StateName,
    StatusView,
    ValueChange,
)
from gitexp.records.answers import ANSWERS
from gitexp.report import views
from gitexp.report.answers import details, listing
from gitexp.report.answers.lines import log_lines
from gitexp.report.sheet import Style
from tests.lab import samples
from tests.records import answers
from tests.report.test_renderers import GOLDEN, HOSTILE, SUFFIX, parsed

COMMIT = CommitHash("3fa9c1e" + "0" * 33)
RUN = RunId("abcdefghijklmnop")


def made(text: str) -> dict[str, object]:
    """Return one value of each view in which every foreign string is `text`."""
    metric = MetricSummary(text, 10, 0.61711, 0.0042)
    plan = samples.supported().plan
    summary = RunSummary(
        id=RUN,
        branch=text,
        experiment=text,
        inputs=samples.INPUTS_A,
        environment="5eedfab",
        state="finished 10/10",
        finished=10,
        repeats=10,
        author=text,
        started_at=samples.NOW,
        params=((text, text),),
        metrics=(metric,),
        exploratory=False,
        seeds=(0, 1, 2),
    )
    experiment = ExperimentSummary(
        name=text,
        branch=text,
        commit=COMMIT,
        state="run",
        verdict=Verdict.SUPPORTED,
        hypothesis=text,
        metric=text,
        runs=2,
        finished=10,
        planned=10,
        primary=metric,
        author=text,
        created_at=samples.NOW,
    )
    bad = UnreadableRecord(text, text, text)
    record = Run(
        id=RUN,
        origin=Origin.OBSERVED,
        source=Source(COMMIT, TreeId("0" * 40), text, {text: text}),
        inputs=samples.INPUTS_A,
        plan=None,
        group="",
        engine="local",
        author=Person(text, text),
        started_at=samples.NOW,
        ended_at=samples.NOW,
        seeds=(0, 1),
        committed_seed=0,
        repeats=(
            Repeat(0, RepeatState.FINISHED, resources=Resources(wall_s=12.34)),
            Repeat(1, RepeatState.FAILED, reason=text),
        ),
        params={text: (1, text, True)},
        program="gitexp 0.1.0",
        sample_rows=1,
        samples_sha256="0" * 64,
        warnings=(text,),
    )
    a, b = StateName(text, COMMIT, samples.INPUTS_A), StateName(text, COMMIT, None)
    conclusion = Conclusion(
        text, Verdict.SUPPORTED, text, text, text, samples.NOW, samples.supported()
    )
    return {
        "list": ExperimentList((experiment,), (bad,)),
        "runs": RunList((summary,), (bad,)),
        "groups": (RunGroup(((text, text),), 2, 20, (metric,)),),
        "experiment": ShownExperiment(
            text,
            COMMIT,
            plan,
            COMMIT,
            InputsDigest("e" * 64),
            (summary,),
            conclusion,
            (bad,),
            notes=(text,),
        ),
        "run": ShownRun(record, (), (metric,), COMMIT, (text,), None, notes=(text,)),
        "status": StatusView(
            branch=text,
            commit=COMMIT,
            initialised=True,
            plan=plan,
            inputs=samples.INPUTS_A,
            planned=10,
            counted=(0, 1, 2),
            baseline_counted=(),
            exploratory=1,
            verdict=None,
            dirty=(text,),
            running=(),
            unpublished=(),
            unreadable=(bad,),
            shallow=True,
            notes=(text,),
            next_step="gitexp run --with-baseline",
        ),
        "diff": DiffView(
            a,
            b,
            (PathChange(text, "modified", 3, None),),
            (ValueChange(text, 0.1, text), ValueChange(text, 1, None, in_b=False)),
            (DataChange(text, text, DataState("abc", 1_000_000, 3), None),),
            (ValueChange(text, "1.0", "2.0"),),
            (MetricChange(text, metric, None, None),),
            (text,),
        ),
        "inputs": InputsView(
            a, b, (InputsReason("params", text, text, text),), (text,), (RUN,), (), (text,)
        ),
    }


def test_what_was_stopped_is_not_called_failed() -> None:
    asked = RunOptions(repeats=None, seeds=(), jobs=1, with_baseline=False, at=None)
    live = LiveRun(
        RUN, "exp/x", "candidate", (0, 1, 2, 3), (0,), (1, 2, 3), alive=False,
        started_at=samples.NOW, commit=COMMIT, plan=None, asked=asked, interrupted=(2, 3),
    )  # fmt: skip
    view = replace(made("exp/x")["status"], unpublished=(live,))  # type: ignore[type-var]
    text = views.render(view, "text")
    assert "1 of 4 finished, 1 failed, 2 interrupted, its coordinator is gone" in text


LISTS = ("groups", "list", "runs")


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_as_csv_is_as_it_was_looked_at(kind: str, *, update_golden: bool) -> None:
    view = made("exp/focal loss")[kind]
    assert isinstance(view, ExperimentList | RunList | tuple)
    text = listing.csv(view)
    path = GOLDEN / f"view-{kind}.csv"
    if update_golden:
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


def test_ages_are_counted_from_now_and_quiet_leaves_names() -> None:
    later = Style(now=samples.NOW + timedelta(hours=30))
    view = made("exp/focal loss")["runs"]
    assert views.render(view, "text", later).splitlines()[1].endswith(" 1 d")
    assert views.render(view, "text", Style(quiet=True)) == f"{RUN}\n"


@pytest.mark.parametrize("name", views.FORMATS)
@pytest.mark.parametrize("kind", sorted(made("x")))
def test_a_view_is_as_it_was_looked_at(name: str, kind: str, *, update_golden: bool) -> None:
    text = views.render(made("exp/focal loss")[kind], name)
    path = GOLDEN / f"view-{kind}.{SUFFIX.get(name, name)}"
    if update_golden:
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_view_lets_a_foreign_string_act(text: str) -> None:
    clean = made("plain")
    for kind, view in made(text).items():
        for name in ("text", "md"):
            page = views.render(view, name)
            bad = {char for char in page if not char.isprintable()} - {"\n"}
            assert not bad, (kind, name, bad)
        if text:
            # a list of objects has no place for two fields of one name, so rows tell
            lines = views.render(view, "md").count("\n")
            assert lines == views.render(clean[kind], "md").count("\n"), kind
        if isinstance(view, ExperimentList | RunList | tuple):
            for row in csv.reader(io.StringIO(listing.csv(view))):
                for cell in row:
                    if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}:
                        float(cell)


@pytest.mark.parametrize("kind", sorted(made("x")))
def test_json_names_its_schema_and_keeps_every_text(kind: str) -> None:
    page = views.render(made("\x9bred\u202e")[kind], "json")
    assert json.loads(page)["$schema"].startswith("gitexp/")
    assert page.replace("\n", "").isprintable()
    assert "\\u009bred\\u202e" in page


def test_an_empty_list_says_so_and_what_to_do() -> None:
    assert (
        views.render(ExperimentList(()), "text") == "no experiment found\n\nnext: gitexp new NAME\n"
    )


def test_a_log_keeps_its_lines_and_loses_its_escapes() -> None:
    log = RepeatLog(RUN, 3, 1, LogSource.JOB, "a\n\x1b[2Jb" + "c" * 500, RepeatState.FAILED)
    lines = list(log_lines(LogView(RUN, (log,)), raw=False, headings=True))
    assert lines == ["==> seed 3, failed", "a\n\\x1b[2Jb" + "c" * 500]
    value = json.loads(views.json(LogView(RUN, (log,))))
    answers.check(value)
    assert value["repeats"][0]["seed"] == 3


def test_a_log_says_how_much_is_left_out_and_ends_with_why_it_failed() -> None:
    log = RepeatLog(
        *(RUN, 3, 1, LogSource.JOB, "a\n", RepeatState.FAILED), truncated=True, left_out=3 << 20
    )
    log = replace(log, reason="stage train ended with exit code 1")
    other = replace(log, seed=4, state=RepeatState.FINISHED, reason="", left_out=0)
    every = LogView(RUN, (log, other, replace(log, seed=5)))
    lines = list(log_lines(every, raw=True, headings=True))
    assert lines[1:3] == ["[the first 3.0 MiB are left out; --all shows them]", "a"]
    assert lines[4] == "[only this end was recorded]"
    assert lines[-1] == "[seed 3 failed: stage train ended with exit code 1] (1 more failed)"
    assert "failed" not in "".join(log_lines(every, raw=True, headings=False))
    value = json.loads(views.json(every))
    answers.check(value)
    assert [each.get("left_out") for each in value["repeats"]] == [3 << 20, None, 3 << 20]


def test_the_views_load_nothing_heavy() -> None:
    code = (
        "import sys, gitexp.report.views;"
        "print([m for m in ('numpy','scipy','pandas','dvc','git','html') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", sorted(made("x")))
def test_json_is_what_its_schema_says(kind: str) -> None:
    answers.check(json.loads(views.render(made("x")[kind], "json")))


@pytest.mark.parametrize(
    ("exploratory", "finished", "counts", "said"),
    [
        (True, 3, (), "exploratory"),
        (True, 3, (0, 1, 2), "yes"),  # as the baseline's, which may be older than the plan
        (False, 3, (0, 1, 2), "yes"),
        (False, 3, (1, 2), "2 of 3"),
        (False, 3, (), "no"),
        (True, 0, (), "no"),
    ],
)
def test_whether_a_run_counts_is_said_either_way(
    *, exploratory: bool, finished: int, counts: tuple[int, ...], said: str
) -> None:
    view = made("deep")["runs"]
    assert isinstance(view, RunList)
    run = replace(view.runs[0], exploratory=exploratory, finished=finished, counts=counts)
    (grid,) = listing.runs(replace(view, runs=(run,))).grids
    assert grid.rows[0][grid.header.index("counts")] == said


@pytest.mark.parametrize("planned", [True, False])
def test_exploratory_repeats_never_count_for_a_candidate_and_may_for_a_baseline(
    *, planned: bool
) -> None:
    view = made("deep")["status"]
    assert isinstance(view, StatusView)
    view = replace(view, exploratory=3, plan=view.plan if planned else None)
    said = next(fact.text for fact in details.status(view).facts if fact.label == "exploratory")
    assert said.startswith("3 repeats, never counted for a candidate")
    assert said.endswith("may count them for its baseline") is not planned


@pytest.mark.parametrize("kind", sorted(views.VIEWS))
def test_every_answer_has_a_sheet_and_a_schema(kind: str) -> None:
    module, function = views.VIEWS[kind]
    assert callable(getattr(import_module(f"gitexp.report.answers.{module}"), function))
    assert kind == "tuple" or ANSWERS[kind].kind in answers.schemas()


@pytest.mark.parametrize("name", sorted(views.DOCUMENTS))
@pytest.mark.parametrize("text", HOSTILE)
def test_no_document_lets_a_foreign_string_act(text: str, name: str) -> None:
    clean = made("plain")
    for kind, view in made(text).items():
        page, other = views.render(view, name), views.render(clean[kind], name)
        assert not {char for char in page if not char.isprintable()} - {"\n"}, kind
        assert page.endswith("\n")
        if name == "html":
            assert parsed(page).tags == parsed(other).tags or not text, kind
        elif name == "csv":
            for row in csv.reader(io.StringIO(page)):
                for cell in row:
                    if cell[:1] in {"=", "@", "\t", "\r"}:
                        float(cell)
