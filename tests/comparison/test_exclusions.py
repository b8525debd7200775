"""`status`, `compare` and `logs` say why repeats do not count, and what failed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.cli import main
from gitexp.comparison.compare import compare
from gitexp.errors import NoSamplesError
from gitexp.experiments.amend_plan import amend_plan
from gitexp.model.plan import Terms
from gitexp.model.run import Distribution, RepeatState
from gitexp.report import views
from gitexp.views.logs import logs
from gitexp.views.status import status
from tests.lab.records import ENVIRONMENT, START, Lab, experiment, one, scores

if TYPE_CHECKING:
    from gitexp.model.plan import Plan
    from tests.lab.build import BuiltRepo

OTHER = replace(ENVIRONMENT, distributions=(Distribution("pexpect", "4.9.0", "a" * 64),))


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def planned(lab: Lab) -> Plan:
    plan = status(lab.repo.workspace).plan
    assert plan is not None
    return plan


def refused(lab: Lab) -> NoSamplesError:
    with pytest.raises(NoSamplesError) as caught:
        compare(lab.repo.workspace, now=START)
    return caught.value


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"tests/test_a.py": "x = 1\n"}, "tests/test_a.py is new"),
        ({"train.py": "print(2)\n"}, "train.py changed"),
        ({"params.yaml": "depth: 5\n"}, "depth 3 -> 5"),
        ({"train.py": None, "a.py": "", "b.py": "", "c.py": ""},
         "a.py is new, b.py is new, c.py is new and 1 more"),
    ],
)  # fmt: skip
def test_what_changed_since_the_repeats_were_run_is_named(
    lab: Lab, files: dict[str, str | None], said: str
) -> None:
    experiment(lab)
    source = lab.repo.hash("HEAD~1")  # of run c
    lab.repo.commit(files, at=lab.tick())
    text = f"10 repeats are of other inputs: {said}; gitexp inputs {source[:7]} "
    view = status(lab.repo.workspace)
    assert (view.counted, view.failed) == ((), ())
    (why,) = view.not_counted
    assert why == f"{text}{lab.repo.hash()[:7]}"
    assert text in refused(lab).found
    assert view.next_step == "gitexp run"


def test_where_enough_counts_older_inputs_are_nobodys_question(lab: Lab) -> None:
    plan = experiment(lab)
    lab.change(7)
    lab.record("d", {"f1": scores(0.7, range(10))}, plan=plan)
    assert status(lab.repo.workspace).not_counted == ()


def test_what_was_installed_meanwhile_is_named(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0")
    lab.change()
    lab.record("b", {"f1": scores(0.6, range(10))}, of="main", plan=plan)
    lab.record("c", {"f1": scores(0.7, range(10))}, plan=plan, environment=OTHER)
    view = status(lab.repo.workspace)
    told = "the two sides ran in different environments: pexpect 4.9.0 added"
    assert view.not_counted == (told,)
    lab.record("d", {"f1": scores(0.6, range(10))}, of="main", plan=plan, environment=OTHER)
    told = "10 repeats of the baseline ran in another environment: pexpect 4.9.0 added"
    assert status(lab.repo.workspace).not_counted == (told,)


def test_a_failure_is_named_with_its_log_and_the_next_step_is_not_the_same_call(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0")
    lab.change()
    lab.record("b", {"f1": scores(0.6, range(10))}, of="main", plan=plan)
    lab.record("c", {"f1": scores(0.7, range(8))}, plan=plan, failed=(8,))
    view = status(lab.repo.workspace)
    assert view.failed == ("1 failed in train: exit code 1; gitexp logs cccccccc",)
    assert view.next_step == "gitexp logs cccccccc; mend it, then gitexp run"
    (found,) = compare(lab.repo.workspace, now=START)
    assert found.next_step == view.next_step
    shown = logs(lab.repo.workspace)
    assert shown.run == "c" * 16
    assert shown.notes[-1] == "run cccccccc of the candidate failed; gitexp logs RUN shows another"
    lab.record("d", {"f1": scores(0.7, (8,))}, plan=plan)
    view = status(lab.repo.workspace)
    assert (view.failed, view.next_step) == ((), "gitexp run")


def test_what_was_cancelled_is_run_again_and_not_mended(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0")
    lab.change()
    lab.record("b", {"f1": scores(0.6, range(10))}, of="main", plan=plan)
    lab.record("c", {"f1": scores(0.7, range(8))}, plan=plan, failed=(8,), commit=False)
    (path,) = lab.repo.path.glob(".gitexp/runs/cc/*/run.json")
    text = path.read_text("utf-8").replace('"failed"', '"cancelled"')
    path.write_text(text.replace('"exit code 1"', '"cancelled"'), "utf-8")
    lab.repo.git("add", "--force", str(path))
    lab.repo.commit(at=lab.tick())
    view = status(lab.repo.workspace)
    assert view.failed == ("1 cancelled in train; gitexp logs cccccccc",)
    assert view.next_step == "gitexp run"
    said = views.render(view, "text")
    assert "unfinished  1 cancelled in train" in said
    assert "failed" not in said


def test_what_failed_is_counted_without_what_was_stopped_beside_it(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0")
    lab.change()
    replace(lab, ended=(RepeatState.CANCELLED, "cancelled")).record("b", {}, plan=plan, failed=(7,))
    lab.record("c", {"f1": scores(0.7, range(7))}, plan=plan, failed=(8,))
    said = "1 failed in train: exit code 1, 1 more stopped; gitexp logs cccccccc"
    assert status(lab.repo.workspace).failed == (said,)


def test_a_failure_that_new_inputs_have_left_behind_is_none(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0")
    lab.change()
    lab.record("c", {"f1": {}}, plan=plan, failed=(0, 1))
    error = refused(lab)
    assert "2 failed in train: exit code 1; gitexp logs cccccccc" in error.found
    assert error.next_step == "gitexp logs cccccccc; mend it, then gitexp run --with-baseline"
    lab.change(5)
    view = status(lab.repo.workspace)
    assert (view.failed, view.next_step) == ((), "gitexp run --with-baseline")


def test_an_amendment_says_that_seeds_are_spent_only_where_they_are(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0")
    lab.change()
    lab.record("b", {"f1": scores(0.6, range(10))}, of="main", plan=plan)
    lab.record("c", {"f1": {}}, plan=plan, failed=(0, 1))
    terms, where = Terms(repeats=6), lab.repo.workspace
    report = amend_plan(where, None, terms, why="fewer will do", now=START, dry_run=True)
    assert report.spent == ()
    assert "spent" not in views.render(report, "text")
    lab.record("d", {"f1": scores(0.7, (1, 2))}, plan=plan)
    report = amend_plan(where, None, terms, why="fewer will do", now=START)
    assert report.spent == (1, 2)
    assert views.render(report, "text").count("; spent: seeds 1, 2\n") == 1
    assert status(where).not_counted == (
        "2 repeats ran under the plan as it was before",
        "10 repeats of the baseline: seen beside a candidate before the plan was amended",
    )


AHEAD = "main is 1 commit ahead of the baseline and has other inputs"


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("main", AHEAD),
        ("origin/main", f"origin/{AHEAD}"),
        ("words", ""),
        ("merged", ""),
        ("amended", ""),
    ],
)
def test_each_verb_says_that_main_has_gone_on_with_other_inputs(
    lab: Lab, where: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It weakens the answer and is no part of line 1; the remedy, once pasted, takes it away."""
    experiment(lab)
    first = one(lab).headline
    lab.repo.switch("main")
    lab.repo.commit({"README.md" if where == "words" else "train.py": "print(7)\n"}, at=80)
    if where == "origin/main":
        lab.repo.git("update-ref", "refs/remotes/origin/main", "main")
        lab.repo.git("reset", "-q", "--hard", "main~1")
    if where == "merged":
        lab.repo.git("merge", "-q", "--no-edit", "exp/deep")
    lab.repo.switch("exp/deep")
    step = f"git merge {where} && gitexp amend-plan --baseline {where} --why TEXT"
    if where == "amended":
        assert one(lab).warnings[-1].startswith(AHEAD)
        lab.repo.git("merge", "-q", "--no-edit", "main")
        amend_plan(lab.repo.workspace, None, Terms(baseline="main"), why="it is better", now=START)
    else:
        found = one(lab)
        assert found.headline == first
        told = [text for text in found.warnings if "ahead of the baseline" in text]
        assert len(told) == bool(said)
        costs = "(20 finished repeats will not count, and p pays for another try)"
        assert all(
            text.startswith(said) and text.endswith(f"{step} asks it {costs}") for text in told
        )
    at = ["-C", str(lab.repo.path)]
    assert main.main([*at, "status"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert (said in out) if said else ("ahead of the baseline" not in out)
    if where not in {"merged", "amended"}:
        assert main.main([*at, "conclude", "-m", "so", "--dry-run"]) == 0
        out = " ".join(capsys.readouterr().out.split())
        assert (f"to ask it of main as it is: {step}" in out) is bool(said)
        assert ("ahead of the baseline" in out) is bool(said)
