"""`gitexp new`: a plan before there is a result, or a clear no and nothing lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.git.transaction import layout
from tests.lab.records import Lab, experiment
from tests.lab.shell import HYPOTHESIS, PLAN, gitexp

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo


def editor(folder: Path, script: str) -> dict[str, str]:
    """Return an environment whose editor is a shell script that gets the file as ``$1``."""
    path = folder / "editor.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"GIT_EDITOR": str(path)}


def test_it_begins_a_branch_with_one_commit_and_switches_to_it(project: BuiltRepo) -> None:
    main = project.hash("main")
    done = gitexp(project, "new", "idea", *PLAN, "--objective", "find out", "--repeats", "7")
    assert done.code == 0, done.err
    assert done.out.startswith("began exp/idea: f1 rises by more than 0.01\n")
    assert "14 repeats on both sides" in done.out
    assert done.out.splitlines()[-1].startswith("next: ")
    assert project.git("branch", "--show-current") == "exp/idea"
    assert project.hash("exp/idea^") == main
    plan = project.show(layout.plan_path("idea"))
    assert f'commit: "{main}"' in plan or f"commit: {main}" in plan  # YAML quotes 1e5
    assert "repeats: 7" in plan
    assert project.status() == []
    project.fsck()


def test_a_metric_that_nothing_ever_reported_is_taken_at_its_word_and_that_is_said(
    project: BuiltRepo,
) -> None:
    assert "taken at its word" not in gitexp(project, "new", "idea", *PLAN, "--dry-run").out
    project.git("rm", "--quiet", "metrics.json")
    project.git("commit", "--quiet", "-m", "no metrics yet")
    done = gitexp(project, "new", "idea", *PLAN, "--metric", "acc:max", "--dry-run")
    assert done.code == 0, done.err
    assert "acc is taken at its word" in done.out + done.err


def test_a_short_name_stands_for_the_metric_that_begins_so(project: BuiltRepo) -> None:
    project.commit({"metrics.json": '{"accuracy": 0.9, "auc": 0.8, "test": {"recall": 0.7}}'})
    for typed, meant in (("acc", "accuracy"), ("rec", "test.recall"), ("aucc", "auc")):
        done = gitexp(project, "new", "idea", *PLAN, "--metric", f"{typed}:max", "--dry-run")
        assert done.says("unknown-metric", f"the same with {meant} for ")


SPREAD = {"f1": {"mean": 0.9, "std": 0.1}, "auc_se": 0.1, "acc_stderr": 0.1, "std": {"loss": 0.1}}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        *(("cv.f1", "cv.f1.mean"), ("f1", "cv.f1.mean"), ("f1_mean", "cv.f1.mean")),
        *(("auc", "one of these"), ("acc", "one of these"), ("loss", "one of these")),
        *(("std", "cv.f1.std"), ("cv.f1.sd", "cv.f1.std"), ("acc_stder", "one of these")),
    ],
)
def test_no_spread_is_proposed_for_a_name_that_is_none(
    project: BuiltRepo, typed: str, meant: str
) -> None:
    project.commit({"metrics.json": json.dumps({"cv": SPREAD})})
    done = gitexp(project, "new", "idea", *PLAN, "--metric", f"{typed}:max", "--dry-run")
    assert done.says("unknown-metric", f"the same with {meant} for {typed}\n")


def test_what_a_baseline_reports_and_costs_is_known_from_its_runs_on_any_branch(
    repo: BuiltRepo,
) -> None:
    """They mostly lie on the branch of the experiment that they were made for."""
    lab = Lab(repo)
    experiment(lab, n=4, repeats=4)
    repo.switch("main")
    done = gitexp(repo, "new", "idea", *PLAN, "--metric", "f1x:max", "--dry-run")
    assert done.says("unknown-metric", "no metric is called f1x", "the same with f1 for f1x"), (
        done.out
    )
    done = gitexp(repo, "new", "idea", *PLAN, "--metric", "f1:max", "--dry-run")
    assert done.code == 0, done.err
    assert "hours unknown" not in done.out
    assert "taken at its word" not in done.out


@pytest.mark.sweep(12)
@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--hypothesis", ""], 2, ["error[bad-hypothesis]"]),
        (["--hypothesis", "  \n "], 2, ["error[bad-hypothesis]"]),
        (["--hypothesis", "CHANGE raises METRIC by at least SIZE"], 2, ["says nothing yet"]),
        (["--hypothesis", "lr helps"], 2, ["found     'lr helps'", "of 3 words or more"]),
        (["--hypothesis", "todo"], 2, ["error[bad-hypothesis]", "a result can contradict"]),
        (["--metric", "f2:max"], 2, ["error[unknown-metric]", "f1, loss"]),
        (["--metric", "los"], 2, ["error[unknown-metric]", "the same with loss for los"]),
        (["--guard", "f3<=+5%"], 2, ["error[unknown-metric]", "f3"]),
        (["--metric", "curve:val.max:max"], 2, ["luckiest of all steps", "curve:val.final"]),
        (["--metric", "curve:val.final:max"], 2, ["no learning curve is declared or logged"]),
        (["--guard", "nonsense"], 2, ["nonsense"]),
        (["--effect", "big"], 2, ["error[bad-effect]", "big", ">=5%"]),
        (["--effect", "<=-5%"], 2, ["error[bad-effect]"]),
        (["--alpha", "0"], 2, ["alpha"]),
        (["--alpha", "nan"], 2, ["alpha"]),
        (["--alpha", "x"], 2, ["--alpha"]),
        (["--repeats", "0"], 2, ["at least one repeat"]),
        (["--repeats", "99999999999"], 2, ["at most 100000"]),
        (["--stopping", "peeking"], 2, ["--stopping"]),
        (["--looks", "3"], 2, ["--looks belongs to a stopping rule", "--stopping"]),
        (["--stopping", "pocock", "--looks", "1"], 2, ["2 to 10 looks"]),
        (["--stopping", "pocock", "--claim", "model"], 2, ["a claim about two models has none"]),
        (["--on-failed", "ignore"], 2, ["--on-failed"]),
        (["--param", "lrr=1"], 2, ["error[unknown-param]", "lr"]),
        (["--param", "lr"], 2, ["KEY=VALUE"]),
        (["--param", "other.yaml:lr=1"], 2, ["error[unknown-param]", "other.yaml"]),
        (["--baseline", "nope"], 3, ["error[unknown-revision]", "nope"]),
        (["--here", "--start", "main"], 2, ["contradict"]),
    ],
)
def test_a_plan_that_makes_no_sense_begins_nothing(
    project: BuiltRepo, options: list[str], code: int, said: list[str]
) -> None:
    before = project.refs()
    done = gitexp(project, "new", "idea", *PLAN, *options)
    assert done.code == code, (done.out, done.err)
    assert done.says(*said, "next")
    assert project.refs() == before
    assert project.status() == []


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no file without an end")
def test_a_plan_file_without_an_end_is_not_read_whole(project: BuiltRepo) -> None:
    done = gitexp(project, "new", "idea", "--from", "/dev/zero")
    assert done.code == 3
    assert done.says("error[bad-format]", "too large", "/dev/zero")


def test_what_a_plan_lacks_is_named(project: BuiltRepo) -> None:
    bare = gitexp(project, "new", "faster")
    assert bare.says("gitexp new faster --edit")
    done = gitexp(project, "new", "idea", "--hypothesis", HYPOTHESIS)
    assert done.code == 2
    assert done.says("--metric and --effect", "gitexp new idea --edit")
    assert gitexp(project, "new", "idea", *PLAN[:4]).says("needs a hypothesis")


def test_a_name_that_cannot_be_is_answered_with_one_that_can(project: BuiltRepo) -> None:
    for name, near in (
        ("Focal Loss (v2)", "focal-loss-v2"),
        ("Größe", "groe"),
        ("a..b", "a.b"),
        ("x.lock", "x"),
        ("../../etc", "etc"),
    ):
        done = gitexp(project, "new", name, *PLAN)
        assert done.code == 2, name
        assert done.says("error[bad-name]", f"next      gitexp new {near}\n")
    assert gitexp(project, "new", "??", *PLAN).says("choose another name")


def test_a_branch_that_is_there_stays_as_it_is(project: BuiltRepo) -> None:
    for branch in ("exp/idea", "exp/Twin", "exp/dir/sub"):
        project.branch(branch)
    before = project.refs()
    for name, said in (
        ("idea", "the branch exp/idea exists"),
        ("twin", "differs from exp/twin in letter case only"),
        ("dir", "stands where exp/dir would"),
    ):
        done = gitexp(project, "new", name, *PLAN)
        assert done.code == 3
        assert done.says("error[exists]", said, "next")
    assert project.refs() == before


def test_a_dirty_tree_is_left_where_it_is(project: BuiltRepo) -> None:
    project.write({"train.py": "edited\n"})
    done = gitexp(project, "new", "idea", *PLAN)
    assert done.code == 0
    assert done.out.endswith("next: git switch exp/idea\n")
    assert "not committed: train.py; so exp/idea is not checked out" in done.out
    assert project.git("branch", "--show-current") == "main"
    assert project.status() == [" M train.py"]
    refused = gitexp(project, "new", "other", *PLAN, "--no-checkout", "--json")
    assert refused.json["checked_out"] is False


def test_here_puts_the_plan_on_this_branch_once(project: BuiltRepo) -> None:
    project.write({"train.py": "edited\n"})
    assert gitexp(project, "new", "idea", *PLAN, "--here").code == 0
    assert project.git("branch", "--list").split() == ["*", "main"]
    assert project.status() == [" M train.py"]
    assert gitexp(project, "list", "-q").out == "idea\n"
    again = gitexp(project, "new", "more", *PLAN, "--here")
    assert again.code == 3
    assert again.says("has a plan already")


@pytest.mark.sweep(3)
@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (
            "test.rmse:max",
            "better when smaller, and the plan says larger; else --metric test.rmse:",
        ),
        (
            "accuracy:min",
            "better when larger, and the plan says smaller; else --metric accuracy:max",
        ),
        ("test.rmse:min", ""),
        ("accuracy:max", ""),
        ("gain:min", ""),
    ],
)
def test_a_direction_that_its_well_known_name_does_not_have_is_said(
    dvc_repo: BuiltRepo, metric: str, said: str
) -> None:
    repo = dvc_repo
    assert gitexp(repo, "init").code == 0
    repo.commit({"metrics.json": '{"test": {"rmse": 1}, "accuracy": 1, "gain": 1}'}, at=9)
    hypothesis = ("--hypothesis", "it is better by at least 1 per cent", "--effect", ">0")
    done = gitexp(repo, "new", "way", "--metric", metric, *hypothesis)
    assert done.code == 0, done.err
    text = done.out + done.err
    assert ("has a name that is better when" in text) == bool(said)
    assert said in text


@pytest.mark.parametrize("verb", ["new", "run"])
def test_a_name_of_one_other_params_file_is_named_with_that_file(
    dvc_repo: BuiltRepo, verb: str
) -> None:
    repo = dvc_repo
    assert gitexp(repo, "init").code == 0
    repo.commit({"config.json": '{"depth": 1}'}, at=9)
    assert gitexp(repo, "init", "--params", "params.yaml", "--params", "config.json").code == 0
    begin = ("new", "idea", *PLAN) if verb == "new" else ("run", "--repeats", "2", "--dry-run")
    done = gitexp(repo, *begin, "--param", "depth=2")
    assert done.says("config.json:depth", "the same with --param config.json:depth=2")


def test_a_parameter_is_set_in_the_first_commit_and_its_comment_stays(project: BuiltRepo) -> None:
    done = gitexp(project, "new", "idea", *PLAN, "--param", "lr=0.25")
    assert done.code == 0, done.err
    assert project.show("params.yaml") == "# how we train\nlr: 0.25  # learning rate\nseed: 1\n"
    assert (project.path / "params.yaml").read_text() == project.show("params.yaml")
    assert project.status() == []


def test_a_file_gives_the_plan_and_options_win(project: BuiltRepo) -> None:
    project.write(
        {
            "plan.yaml": "hypothesis: loss falls with a larger rate\nmetric: loss:min\n"
            'effect: ">=5%"\nrepeats: 4\nguards: ["f1>=-1%"]\nbaseline: main\n'
        }
    )
    done = gitexp(project, "new", "idea", "--from", "plan.yaml", "--repeats", "9", "--json")
    assert done.code == 0, done.err
    plan = json.loads(done.out)["plan"]
    assert (plan["metric"], plan["direction"], plan["repeats"]) == ("loss", "min", 9)
    assert plan["guards"] == ["f1>=-1%"]
    assert json.loads(done.out)["promise"] == "loss falls by at least 5 %"


def test_the_editor_gives_the_plan(project: BuiltRepo, tmp_path: Path) -> None:
    script = "sed -i -e 's/^hypothesis:.*/hypothesis: f1 rises with it/' \"$1\""
    done = gitexp(project, "new", "idea", "--edit", env=editor(tmp_path, script))
    assert done.code == 0, done.err
    assert "hypothesis: f1 rises with it" in project.show(layout.plan_path("idea"))
    assert not (project.path / ".git" / "gitexp" / "idea.yaml").exists()


def test_a_template_that_comes_back_unchanged_begins_nothing(
    project: BuiltRepo, tmp_path: Path
) -> None:
    untouched = gitexp(project, "new", "idea", "--edit", env={"GIT_EDITOR": "true"})
    assert untouched.code == 2
    assert untouched.says("still the template's", "--edit")
    assert gitexp(project, "new", "idea", "--edit", env=editor(tmp_path, "exit 3")).code == 2
    nobody = gitexp(project, "new", "idea", "--edit")
    assert nobody.code == 2
    assert nobody.says("error[needs-yes]", "no terminal")
    assert "refs/heads/exp/idea" not in project.refs()


def test_what_was_typed_outlives_an_error(project: BuiltRepo, tmp_path: Path) -> None:
    wrong = "sed -i -e 's/^hypothesis:.*/hypothesis: f9 will rise/' -e 's/f1:max/f9:max/' \"$1\""
    done = gitexp(project, "new", "idea", "--edit", env=editor(tmp_path, wrong))
    assert done.code == 2
    assert done.says("error[unknown-metric]", "gitexp new idea --from")
    kept = done.err.rstrip().rpartition("--from ")[2]
    text = (project.path / ".git" / "gitexp" / "idea.yaml").read_text()
    assert "hypothesis: f9 will rise" in text
    again = gitexp(project, "new", "idea", "--from", kept, "--metric", "f1:max")
    assert again.code == 0, again.err


def test_a_dry_run_makes_nothing(project: BuiltRepo) -> None:
    before = project.refs()
    done = gitexp(project, "new", "idea", *PLAN, "--dry-run", "--param", "lr=1")
    assert done.code == 0
    assert done.out.startswith("would begin exp/idea")
    assert gitexp(project, "new", "idea", *PLAN, "--dry-run", "--param", "x=1").code == 2
    assert project.refs() == before


def test_a_plan_can_say_how_it_may_be_looked_at_and_what_failed_repeats_do(
    project: BuiltRepo,
) -> None:
    rules = ("--stopping", "obrien-fleming", "--looks", "5", "--on-failed", "drop")
    done = gitexp(project, "new", "idea", *PLAN, *rules)
    assert done.code == 0, done.err
    assert "looks       at 2, 4, 6, 8, 10 repeats, by the boundary of O'Brien-Fleming" in done.out
    plan = project.show(layout.plan_path("idea"))
    assert "stopping:\n  rule: obrien-fleming\n  looks: 5\n" in plan
    assert "on_failed: drop" in plan
    onward = "next: change code or parameters, commit, then gitexp run --until-decided"
    assert onward in done.out
    assert onward in gitexp(project, "status").out
    shown = gitexp(project, "show", "idea")
    assert "by the boundary of O'Brien-Fleming" in shown.out


def test_a_recorded_resource_can_be_guarded(project: BuiltRepo) -> None:
    done = gitexp(project, "new", "idea", *PLAN, "--guard", "wall_s<=+10%")
    assert done.code == 0, done.err
    assert "wall_s <= +10 %" in done.out


def test_a_fixed_seed_that_the_branch_will_have_too_is_mended_on_both(repo: BuiltRepo) -> None:
    lab = Lab(repo)
    lab.init(files={"train.py": "import random\nrandom.seed(42)\nprint(random.random())\n"})
    said = gitexp(repo, "new", "idea", *PLAN)
    assert (
        "the same on the branch: git merge main (in a conflict keep your lines"
        in said.out + said.err
    )


@pytest.mark.parametrize("asked", ["split.size=0.3", "conf/split.yaml:split.size=0.3"])
@pytest.mark.parametrize("verb", ["new", "run"])
def test_a_parameter_of_a_file_that_no_settings_name_is_found_with_the_call_that_declares_it(
    project: BuiltRepo, verb: str, asked: str
) -> None:
    project.commit({"conf/split.yaml": "split: {size: 0.2, seed: 3}\n"}, at=9)
    begin = ("new", "idea", *PLAN) if verb == "new" else ("run", "--repeats", "2", "--dry-run")
    done = gitexp(project, *begin, "--param", asked)
    if done.code == 0:
        assert verb == "new", "which writes into any file that is named"
        return
    first, _, option = done.err.partition("next")[2].strip().partition(", then the same with ")
    assert first == "gitexp init --params params.yaml --params conf/split.yaml"
    assert gitexp(project, *first.split()[1:]).code == 0
    assert gitexp(project, *begin, *option.split()).code == 0


HYDRA = {
    "conf/train.yaml": "defaults:\n- model: mlp\n- experiment: null\n",
    "conf/experiment/wide.yaml": "# @package _global_\nmodel: {net: {width: 64}}\n",
    "conf/model/mlp.yaml": "net: {width: 16}\n",
}


@pytest.mark.sweep
@pytest.mark.parametrize("declared", [False, True])
@pytest.mark.parametrize("verb", ["new", "run"])
def test_a_parameter_as_hydra_composes_it_is_found_in_the_file_of_its_group(
    project: BuiltRepo, verb: str, *, declared: bool
) -> None:
    """Not in a file that overrides it where somebody chooses that: it changes nothing."""
    project.commit(HYDRA, at=9)
    if declared:
        init = ("init", "--params", "params.yaml", "--params", "conf/model/mlp.yaml")
        assert gitexp(project, *init).code == 0
    begin = ("new", "idea", *PLAN) if verb == "new" else ("run", "--repeats", "2", "--dry-run")
    done = gitexp(project, *begin, "--param", "model.net.width=128")
    step = done.err.partition("next")[2].strip()
    if not declared:
        first, _, step = step.partition(", then ")
        assert first == "gitexp init --params params.yaml --params conf/model/mlp.yaml"
        assert gitexp(project, *first.split()[1:]).code == 0
        assert step.endswith("; or conf/experiment/wide.yaml, where the command reads that")
    option = step.partition("the same with ")[2].partition(";")[0].split()
    assert option == ["--param", "conf/model/mlp.yaml:net.width=128"]
    assert gitexp(project, *begin, *option).code == 0


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--repeats", "15"), True),
        (("--repeats", "14"), False),
        (("--repeats", "15", "--stopping", "obrien-fleming"), False),
        (("--repeats", "15", "--claim", "model"), False),
    ],
)
def test_a_plan_of_many_pairs_names_its_test(
    project: BuiltRepo, options: tuple[str, ...], *, named: bool
) -> None:
    assert gitexp(project, "new", "many", *PLAN, *options).code == 0
    text = project.show(layout.plan_path("many"))
    assert ("test: sign-flip@2" in text) is named
    if named:
        done = gitexp(project, "amend-plan", "--repeats", "10", "--why", "ten will do, it is dear")
        assert done.code == 0, done.err
        assert "sign-flip@2" not in project.show(layout.plan_path("many")).partition("amended")[0]
