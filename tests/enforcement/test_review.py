"""`review`: what a pull request would bring, whatever its shape; nothing is executed for it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.dispatch import dispatch
from gitexp.cli.review import render
from gitexp.enforcement.review import review
from gitexp.errors import UsageError
from gitexp.experiments.amend_plan import amend_plan
from gitexp.experiments.conclude import conclude
from gitexp.git.transaction import layout
from gitexp.model.config import Predictions
from gitexp.model.plan import Claim, Person, Terms, Verdict
from gitexp.model.review import Behind, FailOn, Review
from gitexp.model.rules import Policy
from gitexp.model.witness import Grade
from gitexp.records import codec
from gitexp.records import config as config_format
from tests.comparison.test_predicted import predictions
from tests.lab.build import clone
from tests.lab.records import CONFIG, START, Lab, experiment, scores

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.review import ReviewedExperiment
    from tests.lab.build import BuiltRepo


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def looked(lab: Lab, revisions: str = "main...exp/deep", branch: str | None = None) -> Review:
    return review(lab.repo.workspace, revisions, branch=branch, now=START)


def only(found: Review) -> ReviewedExperiment:
    (item,) = found.experiments
    return item


def rules(found: Review, policy: Policy) -> set[str]:
    return {item.rule for item in found.broken(policy)}


def test_a_branch_is_held_against_the_rules_and_its_experiment_against_its_baseline(
    lab: Lab,
) -> None:
    experiment(lab)
    found = looked(lab)
    item = only(found)
    assert (found.branch, found.commits, found.word) == ("exp/deep", 4, "supported")
    assert (item.name, item.verdict, item.problem) == ("deep", Verdict.SUPPORTED, "")
    assert item.plan.order.grade is Grade.HISTORY
    assert item.behind == Behind(0, other_inputs=False)
    assert [(one.who, one.seeds) for one in item.recorded_by] == [
        ("Ada Lovelace", tuple(range(10)))
    ]
    assert rules(found, Policy.ERROR) == set()
    assert "R7" in rules(found, Policy.WARN)  # it has no conclusion yet


@pytest.mark.parametrize("button", ["merge", "squash", "rebase", "ff"])
def test_whatever_merge_button_was_pressed_the_experiment_is_judged_by_its_records(
    lab: Lab, button: str
) -> None:
    experiment(lab)
    lab.repo.switch("main")
    lab.repo.commit({"README.md": "more\n"}, at=50)
    before = lab.repo.hash()
    match button:
        case "merge":
            lab.repo.git("merge", "-q", "--no-ff", "-m", "merge", "exp/deep", at=60)
        case "squash":
            lab.repo.git("merge", "-q", "--squash", "exp/deep")
            lab.repo.commit(at=60, message="squash")
        case "rebase":
            lab.repo.git("cherry-pick", "main..exp/deep", at=60)
        case _:
            lab.repo.git("reset", "-q", "--hard", "exp/deep")
            before = lab.repo.hash("exp/deep~4")
    lab.repo.git("branch", "-D", "exp/deep")
    found = looked(lab, f"{before}...main")
    item = only(found)
    assert item.verdict is Verdict.SUPPORTED
    assert item.comparison is not None
    assert item.comparison.candidate.name == "exp/deep"
    # A squash puts plan and runs into one commit; only the branch, or its tag, had the order.
    assert (item.plan.order.grade is Grade.NONE) == (button == "squash")


def test_a_fork_may_call_its_branch_what_it_likes(lab: Lab) -> None:
    experiment(lab)
    lab.repo.git("branch", "-m", "exp/deep", "patch-1")
    lab.repo.switch("main")
    found = looked(lab, f"main...{lab.repo.hash('patch-1')}", branch="patch-1")
    assert only(found).verdict is Verdict.SUPPORTED
    assert rules(found, Policy.ERROR) == set()


def test_code_that_was_changed_after_the_runs_is_not_judged_by_them(lab: Lab) -> None:
    experiment(lab)
    lab.change(depth=9)
    item = only(looked(lab))
    assert item.comparison is None
    assert "sample" in item.problem
    assert "gitexp run" in item.next_step


def test_a_refuted_hypothesis_is_a_result_and_fails_only_who_asks_for_it(lab: Lab) -> None:
    experiment(lab, gain=-0.05)
    found = looked(lab)
    assert only(found).verdict is Verdict.REFUTED
    assert [found.exit_code(word) for word in FailOn] == [0, 0, 1, 1]
    (lab.repo.path / "x").mkdir()
    empty = replace(found, experiments=(replace(only(found), comparison=None, problem="x"),))
    assert [empty.exit_code(word) for word in FailOn] == [0, 0, 0, 1]


def test_a_broken_rule_fails_whatever_the_verdict(lab: Lab) -> None:
    experiment(lab)
    run = layout.samples_csv(lab_run(lab))
    text = lab.repo.show(run).replace("0.6", "0.7", 1)
    lab.repo.commit({run: text}, at=70, message="better")
    found = looked(lab)
    assert "R3" in rules(found, Policy.ERROR)
    assert found.word == "rules broken"
    assert [found.exit_code(word) for word in FailOn] == [0, 1, 1, 1]


def lab_run(lab: Lab) -> str:
    return next(p for p in lab.repo.files() if p.endswith("run.json")).split("/")[-2]


def test_the_settings_of_the_base_decide_what_is_enforced(lab: Lab) -> None:
    experiment(lab)
    run = layout.samples_csv(lab_run(lab))
    config = config_format.dump_template(replace(CONFIG, rules={"R3": Policy.OFF}))
    text = lab.repo.show(run).replace("0.6", "0.7", 1)
    lab.repo.commit({run: text, layout.CONFIG: config}, at=70, message="better")
    assert "R3" in rules(looked(lab), Policy.ERROR)


def test_a_conclusion_is_shown_and_asked_for_before_a_merge(lab: Lab) -> None:
    experiment(lab)
    conclude(lab.repo.workspace, "deep", words="Depth helps.", now=START)
    found = looked(lab)
    assert only(found).concluded == "Depth helps."
    assert "R7" not in rules(found, Policy.WARN)


def test_it_says_when_the_base_has_gone_on_with_other_inputs(lab: Lab) -> None:
    experiment(lab)
    lab.repo.switch("main")
    lab.repo.commit({"README.md": "words\n"}, at=80)
    assert only(looked(lab)).behind == Behind(1, other_inputs=False)
    lab.repo.commit({"train.py": "print('other')\n"}, at=81)
    assert only(looked(lab)).behind == Behind(2, other_inputs=True)


def test_a_baseline_that_main_does_not_have_is_said_in_the_first_line(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.init()
    lab.repo.switch("weak", create=True)
    lab.repo.commit({"train.py": "print('weak')\n"}, at=20)
    plan = lab.plan(baseline="weak")
    lab.repo.commit({"train.py": lab.repo.show("train.py", "main")}, at=30)  # as main has it
    low = scores(0.6, range(10))
    lab.record("b", {"f1": low}, of="weak", plan=plan)
    lab.record(
        "c", {"f1": {seed: low[seed] + 0.05 + 0.001 * (seed % 3) for seed in low}}, plan=plan
    )
    said = []
    for argv in (
        ("review", "main...exp/deep"),
        ("review", "main...exp/deep", "--format", "md"),
        ("compare",),
    ):
        dispatch(["-C", str(lab.repo.path), *argv])
        said.append(next(line for line in capsys.readouterr().out.splitlines() if "SUPP" in line))
    assert "SUPPORTED deep (the base never stood on its baseline): f1 +8" in said[0]
    assert "(the base never stood on its baseline)" in said[1]
    assert "SUPPORTED  the baseline is not of main: " in said[2]
    # What another commit of the same branch takes back main never had.
    lab.repo.switch("weak")
    lab.repo.git("revert", "--no-edit", "HEAD")
    lab.repo.switch("main")
    lab.repo.git("merge", "-q", "--no-ff", "-m", "tidy", "weak")
    lab.repo.git("branch", "-f", "weak", "weak^")
    dispatch(["-C", str(lab.repo.path), "compare", "exp/deep"])
    assert "the baseline is not of main: " in capsys.readouterr().out
    dispatch(["-C", str(lab.repo.path), "review", "main...exp/deep"])
    assert "the base never stood on its baseline" in capsys.readouterr().out
    lab.repo.git("reset", "-q", "--hard", "HEAD^")  # the controls
    lab.repo.git("merge", "-q", "--no-ff", "-m", "weaken", "weak")
    for tip in ("main", "weak"):
        lab.repo.git("reset", "-q", "--hard", tip)
        dispatch(["-C", str(lab.repo.path), "compare", "exp/deep"])
        assert "not of main" not in capsys.readouterr().out


def test_a_baseline_that_is_not_in_the_clone_is_named(lab: Lab) -> None:
    lab.init()
    lab.repo.switch("side", create=True)
    lab.repo.commit({"train.py": "print('side')\n"}, at=20)
    plan = lab.plan(baseline="side")
    gone = lab.repo.hash("side")
    lab.repo.git("reset", "-q", "--hard", "main")
    lab.repo.commit({layout.plan_path("deep"): codec.dump(plan)}, at=30, message="plan")
    lab.repo.git("branch", "-D", "side")
    lab.repo.git("reflog", "expire", "--expire=now", "--all")
    lab.repo.git("gc", "-q", "--prune=now")
    item = only(looked(lab))
    assert item.problem == f"the baseline of the plan is not in this clone: {gone[:9]} side"
    assert item.next_step == f"git fetch origin {gone}"


def test_it_says_who_else_recorded_the_candidate(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = experiment(lab, n=7)
    monkeypatch.setattr("tests.lab.records.ADA", Person("Bob", "bob@example.org"))
    lab.record("d", {"f1": scores(0.65, range(7, 10))}, plan=plan, of="HEAD")
    lab.repo.git("commit", "-q", "--amend", "--no-edit", "--author=Bob <bob@example.org>")
    who = [(item.who, item.runs) for item in only(looked(lab)).recorded_by]
    assert who == [("Ada Lovelace", 1), ("Bob", 1)]


def test_predictions_that_are_not_here_make_no_red_build(lab: Lab) -> None:
    config = replace(CONFIG, predictions=Predictions("pred.csv", positive="1"))
    lab.init(config, {".dvc/config": ""})
    plan = lab.plan(claim=Claim.MODEL, repeats=1, metric="accuracy", effect=">0")
    lab.change()
    (worse, low), (better, high) = predictions(lab, 150), predictions(lab, 180)
    lab.record("b", {"accuracy": {0: low}}, of="main", plan=plan, outputs={0: (worse,)})
    lab.record("c", {"accuracy": {0: high}}, plan=plan, outputs={0: (better,)})
    assert only(looked(lab)).verdict is Verdict.SUPPORTED
    for path in (lab.repo.path / ".dvc" / "cache").rglob(f"*{better.md5[2:]}"):
        path.unlink()
    found = looked(lab)
    assert only(found).comparison is None
    assert "predictions" in only(found).problem
    assert only(found).next_step == "gitexp pull exp/deep --data"
    assert "in the action: pull-data: true" in render(found, "md")
    assert "pull-data" not in render(found, "text")
    assert found.exit_code(FailOn.NO) == 0


@pytest.mark.parametrize(
    ("right", "then", "said", "codes"),
    [
        (120, "", Verdict.REFUTED, (1, 1)),
        (180, "", Verdict.SUPPORTED, (0, 1)),  # never a yes on its author's word
        (120, "changed", None, (0, 1)),
        (120, "amended", None, (0, 1)),
    ],
)
def test_without_data_a_no_that_its_author_concluded_counts_and_a_yes_stays_open(
    lab: Lab, right: int, then: str, said: Verdict | None, codes: tuple[int, int]
) -> None:
    """Also a claim about the method is tested on predictions, where they are in the settings."""
    lab.init(replace(CONFIG, predictions=Predictions("pred.csv")), {".dvc/config": ""})
    plan = lab.plan(repeats=4, metric="accuracy", effect=">0")
    lab.change()
    for side, of, most in (("b", "main", 150), ("c", "HEAD", right)):
        made = {seed: predictions(lab, most + seed) for seed in range(4)}
        values = {seed: value for seed, (_, value) in made.items()}
        files = {seed: (file,) for seed, (file, _) in made.items()}
        lab.record(side, {"accuracy": values}, of=of, plan=plan, outputs=files)
    conclude(lab.repo.workspace, "deep", words="So it is.", now=START)
    control = looked(lab)
    if then == "changed":
        lab.change(depth=9)
    elif then == "amended":
        amend_plan(lab.repo.workspace, "deep", Terms(repeats=5), why="more of it", now=START)
    shutil.rmtree(lab.repo.path / ".dvc" / "cache")
    found = looked(lab)
    item = only(found)
    assert item.comparison is None
    assert (found.exit_code(FailOn.NO), found.exit_code(FailOn.OPEN)) == codes
    assert item.lacking is None or item.lacking.concluded is said
    again = codec.load(Review, codec.dump(found), "review.json")
    assert (again, again.exit_code(FailOn.NO)) == (found, codes[0])
    line = next(line for line in render(found, "text").splitlines() if line.startswith("NO VERD"))
    assert ("its author concluded" in line) is (said is not None)
    if said is not None:
        assert only(control).verdict is said
        assert f"concluded {said.value.upper()}, which is not recomputed here" in line


def test_a_shallow_checkout_is_said_and_a_fetch_mends_it(lab: Lab, tmp_path: Path) -> None:
    experiment(lab)
    there = clone(lab.repo, tmp_path / "shallow", "--depth", "1", "--no-single-branch")
    found = review(there.workspace, "origin/main...origin/exp/deep", now=START)
    assert any("shallow" in note for note in found.notes)
    there.git("fetch", "-q", "--unshallow")
    found = review(there.workspace, "origin/main...origin/exp/deep", now=START)
    assert only(found).verdict is Verdict.SUPPORTED
    assert found.notes == ()


def test_another_place_of_the_data_is_said_and_not_followed(lab: Lab) -> None:
    experiment(lab)
    lab.repo.commit({".dvc/config": "[core]\n    remote = theirs\n"}, at=90)
    assert any(".dvc/config" in note for note in looked(lab).notes)


def test_only_the_asked_experiments_are_judged(lab: Lab) -> None:
    experiment(lab)
    lab.plan(name="other", repeats=2)
    both = looked(lab, "main...exp/other")
    assert [item.name for item in both.experiments] == ["deep", "other"]
    one = review(lab.repo.workspace, "main...exp/other", experiments=["deep"], now=START)
    assert [item.name for item in one.experiments] == ["deep"]
    with pytest.raises(UsageError, match="no such experiment"):
        review(lab.repo.workspace, "main...exp/other", experiments=["x"], now=START)


@pytest.mark.parametrize("text", ["main", "main..", "...main", "a...b...c", "a..b..c", "..", "-x"])
def test_what_is_no_range_is_refused(lab: Lab, text: str) -> None:
    lab.init()
    with pytest.raises(UsageError):
        looked(lab, text)


def test_commits_without_an_experiment_are_held_against_the_rules_alone(lab: Lab) -> None:
    experiment(lab)
    lab.repo.switch("main")
    lab.repo.switch("fix", create=True)
    lab.repo.commit({"README.md": "x\n"}, at=95)
    found = looked(lab, "main...fix")
    assert (found.experiments, found.word, found.commits) == ((), "no experiment", 1)


def test_what_was_reviewed_there_is_shown_here(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment(lab)
    file = tmp_path / "review.json"
    argv = ["-C", str(lab.repo.path), "review"]
    assert dispatch([*argv, "main...exp/deep", "--json", "-o", str(file)]) == 0
    assert codec.load(Review, file.read_bytes(), "x").word == "supported"
    for name in ("text", "md", "summary", "annotations", "html"):
        assert dispatch([*argv, "--from", str(file), "--format", name]) == 0
        assert "deep" in capsys.readouterr().out or name == "annotations"
    assert dispatch([*argv, "--from", str(file), "-q"]) == 0
    assert capsys.readouterr().out == "supported\n"
    value = json.loads(file.read_text())
    for spoilt in (
        {**value, "extra": 1},
        {**value, "violations": [{"rule": "<b>"}]},
        {**value, "commits": "::error::x"},
        {**value, "head": {"name": "x", "commit": "-x"}},
        {},
    ):
        file.write_text(json.dumps(spoilt))
        assert dispatch([*argv, "--from", str(file)]) == 3
    assert dispatch([*argv, "main...main", "--from", str(file)]) == 2


def test_a_plan_that_says_that_it_is_of_main_is_asked_for_its_conclusion(lab: Lab) -> None:
    plan = experiment(lab)
    path = layout.plan_path("deep")
    lab.repo.commit({path: codec.dump(replace(plan, branch="main"))}, at=99)
    for revisions in ("main...exp/deep", f"main...{lab.repo.hash()}"):
        found = review(lab.repo.workspace, revisions, branch="topic", into="main")
        assert "deep is merged into main without a conclusion" in [
            item.message for item in found.violations
        ]


def test_a_conclusion_that_its_records_do_not_give_is_found(lab: Lab) -> None:
    experiment(lab, gain=-0.05)
    conclude(lab.repo.workspace, "deep", words="Depth does not help.", now=START)
    path = layout.conclusion_path("deep")
    text = lab.repo.show(path, "exp/deep").replace("verdict: refuted", "verdict: supported")
    lab.repo.switch("exp/deep")
    lab.repo.git("reset", "-q", "--hard")
    lab.repo.commit({path: text}, at=99, message="better so")
    said = [item.message for item in looked(lab).violations if item.rule == "R7"]
    assert said == [
        "the conclusion of deep is not what its records give: supported then, refuted now"
    ]


def test_what_could_execute_a_branch_is_not_even_loaded() -> None:
    script = "import sys, gitexp.cli.review; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    forbidden = (
        "gitexp.execution.engines",
        "gitexp.execution.run",
        "gitexp.execution.worker",
        "dvc",
        "joblib",
    )
    assert [name for name in loaded if name.startswith(forbidden)] == []
