"""Each rule with what breaks it and what does not; every provider of facts says the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.formats import config as config_format
from gitexp.formats import plan as plan_format
from gitexp.model.config import ProjectConfig
from gitexp.model.ids import RunId
from gitexp.model.plan import Amendment
from gitexp.model.rules import Policy
from gitexp.ops.rules import RULES
from gitexp.store import layout
from tests.ops.records import ADA, CONFIG, START, Lab
from tests.ops.rules.world import World

if TYPE_CHECKING:
    from gitexp.model.plan import Plan
    from tests.build import BuiltRepo

SCORES = {"f1": {0: 0.6, 1: 0.61}}


@pytest.fixture
def world(repo: BuiltRepo) -> World:
    """A project on main."""
    lab = Lab(repo)
    lab.init(replace(CONFIG, params=()))
    return World(lab)


def run_of(world: World, plan: Plan | None, letter: str = "c") -> str:
    """Stage a run; return the folder of its record."""
    run = world.lab.record(letter, SCORES, plan=plan, commit=False)
    return layout.run_dir(run.id)


def rules(found: list[tuple[str, str, str]]) -> list[str]:
    return [rule for rule, _, _ in found]


# --- R1 -----------------------------------------------------------------------------------------


def test_a_commit_on_an_experiments_branch_without_a_plan_is_refused(world: World) -> None:
    world.repo.switch("exp/wild", create=True)
    ((rule, _, message),) = world.judge({"train.py": "print(2)\n"})
    assert rule == "R1"
    assert "no plan" in message


def test_a_commit_on_its_plan_is_fine_and_so_is_one_on_another_branch(world: World) -> None:
    assert world.judge({"train.py": "print(2)\n"}) == []
    world.lab.plan()
    assert world.judge({"train.py": "print(3)\n"}) == []


def test_the_pattern_of_branches_is_the_projects(world: World) -> None:
    config = replace(CONFIG, params=(), rule_branches="*/try-*")
    world.repo.commit({layout.CONFIG: config_format.dump_template(config)})
    world.repo.switch("exp/free", create=True)
    assert world.judge({"train.py": "print(2)\n"}) == []
    world.repo.switch("ada/try-1", create=True)
    assert rules(world.judge({"train.py": "print(3)\n"})) == ["R1"]


@pytest.mark.parametrize("hypothesis", ["TODO", "CHANGE raises METRIC by at least SIZE", "better"])
def test_a_plan_whose_hypothesis_says_nothing_is_none(world: World, hypothesis: str) -> None:
    world.repo.switch("exp/deep", create=True)
    world.lab.plan("deep2", hypothesis="A deeper model raises F1.")
    plan = plan_format.load(world.repo.show(layout.plan_path("deep2")).encode(), "plan")
    path = layout.plan_path("deep2")
    ((rule, where, message),) = world.judge(
        {path: plan_format.dump(replace(plan, hypothesis=hypothesis))}
    )
    assert (rule, where) == ("R1", path)
    assert "says nothing" in message


def test_a_plan_that_cannot_be_read_or_is_taken_away_is_said(world: World) -> None:
    world.lab.plan()
    path = layout.plan_path("deep")
    assert rules(world.judge({path: "$schema: gitexp/plan@1\nname: [\n"})) == ["R1"]
    world.repo.git("reset", "-q", "--hard", "HEAD~1")
    ((rule, _, message),) = world.judge({path: None})
    assert rule == "R1"
    assert "taken away" in message


# --- R2 -----------------------------------------------------------------------------------------


def test_a_run_after_its_plan_is_fine(world: World) -> None:
    plan = world.lab.plan()
    run_of(world, plan)
    assert world.judge_staged() == []


def test_a_run_without_a_plan_is_exploratory_and_fine(world: World) -> None:
    run_of(world, None)
    assert world.judge_staged() == []


def test_a_plan_and_its_run_in_one_commit_are_not_in_order(world: World) -> None:
    plan = world.lab.plan()
    world.repo.git("reset", "-q", "--soft", "HEAD~1")
    run_of(world, plan)
    ((rule, _, message),) = world.judge_staged()
    assert rule == "R2"
    assert "in the same commit" in message


def test_a_run_that_names_a_plan_nobody_has_is_refused(world: World) -> None:
    plan = world.lab.plan()
    run_of(world, replace(plan, digest=plan_format.digest(replace(plan, alpha=0.2))))
    assert rules(world.judge_staged()) == ["R2"]


def changed(plan: Plan, **changes: float) -> dict[str, bytes]:
    after = replace(plan, **changes)  # type: ignore[arg-type]
    return {layout.plan_path(plan.name): plan_format.dump(after)}


def test_what_binds_may_change_before_the_first_run_and_not_after(world: World) -> None:
    plan = world.lab.plan()
    assert world.judge(changed(plan, alpha=0.1)) == []
    plan = replace(plan, alpha=0.1)
    plan = replace(plan, digest=plan_format.digest(plan))
    run_of(world, plan)
    assert world.judge_staged() == []
    ((rule, _, message),) = world.judge(changed(plan, alpha=0.2))
    assert rule == "R2"
    assert "changed after its first run" in message


def test_prose_may_be_mended_after_a_run(world: World) -> None:
    plan = world.lab.plan()
    run_of(world, plan)
    assert world.judge_staged() == []
    path = layout.plan_path(plan.name)
    mended = replace(plan, objective="Find more leavers, sooner.")
    assert world.judge({path: plan_format.dump(mended)}) == []


def amended(plan: Plan, alpha: float, *before: Amendment) -> Plan:
    old = Amendment(plan.digest, "the first was too strict", ADA, START, {"alpha": plan.alpha})
    after = replace(plan, alpha=alpha, amended=(*before, old))
    return replace(after, digest=plan_format.digest(after))


def test_an_amendment_that_says_what_it_replaces_is_let_through(world: World) -> None:
    plan = world.lab.plan()
    run_of(world, plan)
    assert world.judge_staged() == []
    path = layout.plan_path(plan.name)
    after = amended(plan, 0.1)
    assert world.judge({path: plan_format.dump(after)}) == []
    rewritten = replace(after, amended=())
    ((rule, _, message),) = world.judge({path: plan_format.dump(rewritten)})
    assert rule == "R2"
    assert "history" in message


# --- R3 -----------------------------------------------------------------------------------------


def recorded(world: World) -> str:
    """Record a run on its plan; return the folder."""
    plan = world.lab.plan()
    folder = run_of(world, plan)
    assert world.judge_staged() == []
    return folder


def test_a_record_is_never_changed_added_to_or_taken_away(world: World) -> None:
    folder = recorded(world)
    samples = world.repo.show(f"{folder}/samples.csv")
    found = world.judge({f"{folder}/samples.csv": samples.replace("0.6", "0.7")})
    assert rules(found) == ["R3"]
    assert "was changed" in found[0][2]
    assert "got a file" in world.judge({f"{folder}/notes.txt": "mine\n"})[0][2]
    gone = world.judge({f"{folder}/samples.csv": None, f"{folder}/run.json": None})
    assert rules(gone) == ["R3"]
    assert "taken away" in gone[0][2]


def test_a_new_record_has_to_be_what_it_vouches_for(world: World) -> None:
    plan = world.lab.plan()
    folder = run_of(world, plan)
    table = f"{folder}/samples.csv"
    forged = (world.repo.path / table).read_text().replace("0.6", "0.9")
    ((rule, path, message),) = world.judge({table: forged})
    assert (rule, path) == ("R3", table)
    assert "vouches" in message


@pytest.mark.parametrize("text", ["{", '{"$schema": "gitexp/run@1"}', "[" * 99])
def test_a_record_that_cannot_be_read_is_said(world: World, text: str) -> None:
    world.lab.plan()
    path = layout.run_json(RunId("c" * 16))
    assert rules(world.judge({path: text})) == ["R3"]


def test_a_record_is_no_link(world: World) -> None:
    world.lab.plan()
    path = world.repo.path / layout.run_json(RunId("c" * 16))
    path.parent.mkdir(parents=True)
    path.symlink_to("/etc/passwd")
    world.repo.git("add", "--force", "--all")
    assert rules(world.judge_staged()) == ["R3"]


def test_a_merge_that_leaves_a_record_out_is_said(world: World) -> None:
    folder = recorded(world)
    world.repo.switch("main")
    world.repo.commit({"other.py": "1\n"}, at=50)
    world.repo.git("merge", "--quiet", "--no-commit", "-s", "ours", "exp/deep")
    found = world.judge_staged({**dict.fromkeys(RULES, Policy.OFF), "R3": Policy.ERROR})
    assert [path for _, path, _ in found] == [f"{folder}/run.json"]
    assert "leaves out" in found[0][2]


def test_a_merge_that_takes_all_records_is_fine_and_one_that_edits_them_is_not(
    world: World,
) -> None:
    folder = recorded(world)
    world.repo.switch("main")
    world.repo.commit({"other.py": "1\n"}, at=50)
    only = {**dict.fromkeys(RULES, Policy.OFF), "R2": Policy.ERROR, "R3": Policy.ERROR}
    world.repo.git("merge", "--quiet", "--no-commit", "exp/deep")
    assert world.staged(only) == []
    samples = world.repo.show(f"{folder}/samples.csv", "exp/deep")
    found = world.judge({f"{folder}/samples.csv": samples.replace("0.6", "0.7")}, only)
    assert rules(found) == ["R3"]


def test_a_recorded_environment_stays_what_its_name_says(world: World) -> None:
    recorded(world)
    (path,) = [path for path in world.repo.files() if path.endswith("environment.json")]
    text = world.repo.show(path)
    assert rules(world.judge({path: text.replace("3.11.9", "3.12.1")})) == ["R3"]
    assert rules(world.judge({path: None})) == ["R3"]


# --- R4 -----------------------------------------------------------------------------------------


def test_a_result_comes_with_its_environment(world: World) -> None:
    plan = world.lab.plan()
    run_of(world, plan)
    (path,) = [path for path in world.repo.git("diff", "--cached", "--name-only").splitlines()
               if path.endswith("environment.json")]  # fmt: skip
    found = world.judge({path: None})
    assert rules(found) == ["R4"]
    assert "environment" in found[0][2]


def test_a_result_comes_with_its_parameters(world: World) -> None:
    world.repo.commit({layout.CONFIG: config_format.dump_template(CONFIG)})
    plan = world.lab.plan()
    run_of(world, plan)
    found = world.judge_staged()
    assert rules(found) == ["R4"]
    assert "parameters" in found[0][2]


def test_a_metrics_file_that_changes_without_a_run_is_said(world: World) -> None:
    world.lab.plan()
    assert rules(world.judge({"metrics.json": '{"f1": 0.9}\n'})) == ["R4"]


# --- R5 -----------------------------------------------------------------------------------------

POINTER = "outs:\n- md5: 0123456789abcdef0123456789abcdef\n  size: 3\n  path: {}\n"


def test_a_large_file_belongs_to_dvc(world: World) -> None:
    config = replace(CONFIG, params=(), git_file_limit_bytes=1000)
    world.repo.commit({layout.CONFIG: config_format.dump_template(config)})
    assert world.judge({"small.bin": b"x" * 1000}) == []
    found = world.judge({"dir/large file.bin": b"x" * 1001})
    assert rules(found) == ["R5"]
    assert world.judge({"dir/large file.bin": None}) == []


def test_data_that_a_pointer_names_is_not_committed_wherever_it_lies(world: World) -> None:
    world.repo.commit({"data/raw.csv.dvc": POINTER.format("raw.csv")})
    world.repo.commit({"data/images.dvc": POINTER.format("images")})
    found = world.judge({"data/raw.csv": "1\n", "data/images/a/b.png": "x", "data/raw.csv2": "2"})
    assert [path for _, path, _ in found] == ["data/images/a/b.png", "data/raw.csv"]
    assert rules(found) == ["R5", "R5"]


def test_outputs_of_a_pipeline_belong_to_dvc_and_metrics_to_git(world: World) -> None:
    pipeline = (
        "stages:\n  train:\n    cmd: x\n    outs:\n    - model.bin\n"
        "    metrics:\n    - scores.json:\n        cache: false\n"
    )
    world.repo.commit({"dvc.yaml": pipeline})
    found = world.judge({"model.bin": "1", "scores.json": "{}"})
    assert [path for _, path, _ in found] == ["model.bin"]


def test_declared_outputs_belong_to_dvc(world: World) -> None:
    config = ProjectConfig(command="x", project="sub", outputs=("model",))
    world.repo.commit({layout.CONFIG: config_format.dump_template(config)})
    found = world.judge({"sub/model/weights.bin": "1", "model/weights.bin": "1"})
    assert [path for _, path, _ in found] == ["sub/model/weights.bin"]


# --- all ----------------------------------------------------------------------------------------


def test_a_rule_that_is_off_says_nothing(world: World) -> None:
    world.repo.switch("exp/wild", create=True)
    assert world.judge({"a": "b"}, dict.fromkeys(RULES, Policy.OFF)) == []


def test_names_that_are_no_text_are_judged_as_others(world: World) -> None:
    world.repo.commit({"data.dvc": POINTER.format("data")})
    folder = world.repo.path / "data"
    folder.mkdir()
    (folder / "caf\udce9\n.csv").write_bytes(b"1")
    world.repo.git("add", "--force", "--all")
    ((rule, path, _),) = world.judge_staged()
    assert (rule, path) == ("R5", "data/caf\udce9\n.csv")
