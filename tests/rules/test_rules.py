"""Each rule with what breaks it and what does not; every provider of facts says the same."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from gitexp.execution.record import requirements
from gitexp.experiments.conclude import conclude
from gitexp.git.repository import open_repository
from gitexp.git.transaction import layout
from gitexp.model.config import ParamKey, ProjectConfig, SeedRule
from gitexp.model.ids import PlanDigest, RunId
from gitexp.model.plan import Amendment, PlanSeeds
from gitexp.model.rules import Outside, Policy
from gitexp.model.run import Distribution, Environment, Run
from gitexp.records import codec
from gitexp.records import config as config_format
from gitexp.records import plan as plan_format
from gitexp.records.terms import digest as plan_digest
from gitexp.records.terms import sealed
from gitexp.rules import RULES, check
from gitexp.rules.facts import of_commit
from tests.lab.records import ADA, CONFIG, START, Lab, experiment
from tests.rules.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.model.comparison import Conclusion
    from gitexp.model.plan import Plan
    from gitexp.model.run import FileHash
    from tests.lab.build import BuiltRepo

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
        {path: codec.dump(replace(plan, hypothesis=hypothesis))}
    )
    assert (rule, where) == ("R1", path)
    assert "says nothing" in message


@pytest.mark.parametrize("how", ["copied", "drawn", "renamed", "public"])
def test_a_plan_with_the_root_of_another_is_said(world: World, how: str) -> None:
    """What the one runs spends seeds of the other, and twins of one author may hide tries."""
    plan = world.lab.plan()
    seeds = None if how == "public" else PlanSeeds("1" * 32)
    plan = sealed(replace(plan, seeds=seeds))
    twin = replace(plan, name="twin", branch="exp/twin")
    if how == "drawn":
        twin = sealed(replace(twin, seeds=PlanSeeds("2" * 32)))
    elif how == "renamed":
        twin = replace(twin, formerly=(plan.name,))
    world.repo.commit({layout.plan_path(plan.name): codec.dump(plan)}, at=world.lab.tick())
    path = layout.plan_path("twin")
    words = "the plan twin has the root of deep: each spends the other's seeds"
    said = [("R1", path, words)] if how == "copied" else []
    assert world.judge({path: codec.dump(twin)}) == said


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
    run_of(world, replace(plan, digest=plan_digest(replace(plan, alpha=0.2))))
    assert rules(world.judge_staged()) == ["R2"]


def changed(plan: Plan, **changes: float) -> dict[str, bytes]:
    after = replace(plan, **changes)  # type: ignore[arg-type]
    return {layout.plan_path(plan.name): codec.dump(after)}


def test_what_binds_may_change_before_the_first_run_and_not_after(world: World) -> None:
    plan = world.lab.plan()
    assert world.judge(changed(plan, alpha=0.1)) == []
    plan = replace(plan, alpha=0.1)
    plan = replace(plan, digest=plan_digest(plan))
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
    assert world.judge({path: codec.dump(mended)}) == []


def amended(plan: Plan, alpha: float, *before: Amendment) -> Plan:
    old = Amendment(plan.digest, "the first was too strict", ADA, START, {"alpha": plan.alpha})
    after = replace(plan, alpha=alpha, amended=(*before, old))
    return replace(after, digest=plan_digest(after))


def test_an_amendment_that_says_what_it_replaces_is_let_through(world: World) -> None:
    plan = world.lab.plan()
    run_of(world, plan)
    assert world.judge_staged() == []
    path = layout.plan_path(plan.name)
    after = amended(plan, 0.1)
    assert world.judge({path: codec.dump(after)}) == []
    rewritten = replace(after, amended=())
    ((rule, _, message),) = world.judge({path: codec.dump(rewritten)})
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
    (environment,) = (p for p in world.repo.files("exp/deep") if p.endswith("environment.json"))
    assert [path for _, path, _ in found] == [f"{folder}/run.json", environment]
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


def test_a_recorded_environment_is_no_link_and_keeps_what_is_beside_it(world: World) -> None:
    recorded(world)
    (path,) = [path for path in world.repo.files() if path.endswith("environment.json")]
    lock = path.replace("environment.json", "requirements.txt")
    assert world.judge({lock: "numpy==2.0\n"}) == []
    ((rule, where, _),) = world.judge({lock: "numpy==2.1\n"})
    assert (rule, where) == ("R3", lock)
    (world.repo.path / path).unlink()
    (world.repo.path / path).symlink_to("/etc/hostname")
    world.repo.git("add", "--force", "--all")
    ((rule, where, message),) = world.judge_staged()
    assert (rule, where) == ("R3", path)
    assert "no regular file" in message


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


def test_a_result_without_parameters_lacks_none_where_there_are_but_seeds(world: World) -> None:
    config = replace(CONFIG, seed=SeedRule((ParamKey("params.yaml", "seed"),)))
    files = {layout.CONFIG: config_format.dump_template(config), "params.yaml": "seed: 1\n"}
    world.repo.commit(files)
    run_of(world, world.lab.plan())
    assert rules(world.judge_staged()) == []


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


# --- R6 -----------------------------------------------------------------------------------------

MD5 = hashlib.md5(b"print('train')\n", usedforsecurity=False).hexdigest()
PIPELINE = """\
stages:
  train:
    cmd: python train.py
    deps:
    - train.py
    params:
    - depth
    outs:
    - model.bin
"""
LOCK = f"""\
schema: '2.0'
stages:
  train:
    cmd: python train.py
    deps:
    - path: train.py
      hash: md5
      md5: {MD5}
      size: 15
    params:
      params.yaml:
        depth: 2
    outs:
    - path: model.bin
      hash: md5
      md5: 0123456789abcdef0123456789abcdef
      size: 3
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", ""),
        ("depth: 2", "depth: 3", "depth of params.yaml"),
        (MD5, "f" * 32, "train.py was otherwise"),
        ("cmd: python train.py", "cmd: python other.py", "another command"),
        (
            "      md5: 0123456789abcdef0123456789abcdef\n      size: 3\n",
            "",
            "no hash of model.bin",
        ),
        ("0123456789abcdef0123456789abcdef", "0123456789abcdef", "that is none"),
        (LOCK[LOCK.index("    outs:") :], "", "its end may be missing"),
        (
            "    cmd: python train.py\n",
            "<<<<<<< HEAD\n    cmd: python train.py\n=======\n    cmd: x\n>>>>>>> exp/a\n",
            "two sides of a merge",
        ),
        (LOCK[LOCK.index("0123") :], '"012', "cannot be read"),
    ],
)
def test_a_lock_is_whole_and_true_of_its_commit(
    world: World, old: str, new: str, said: str
) -> None:
    world.repo.commit({"dvc.yaml": PIPELINE})
    found = world.judge({"dvc.lock": LOCK.replace(old, new)})
    assert rules(found) == (["R6"] if said else [])
    assert not said or said in found[0][2]


def test_code_that_is_committed_before_it_is_run_makes_no_lock_untrue(world: World) -> None:
    world.repo.commit({"dvc.yaml": PIPELINE, "dvc.lock": LOCK})
    assert world.judge({"train.py": "print('better')\n", "params.yaml": "depth: 9\n"}) == []


def test_a_dependency_with_windows_line_ends_is_the_same(world: World) -> None:
    crlf = hashlib.md5(b"print('train')\r\n", usedforsecurity=False).hexdigest()
    assert world.judge({"dvc.yaml": PIPELINE, "dvc.lock": LOCK.replace(MD5, crlf)}) == []


def test_a_pointer_is_whole(world: World) -> None:
    assert world.judge({"a.dvc": POINTER.format("a")}) == []
    assert rules(world.judge({"b.dvc": "outs:\n"})) == ["R6"]
    assert rules(world.judge({"c.dvc": "outs:\n- path: ../../c\n"})) == ["R6"]
    assert rules(world.judge({"d.dvc": "outs:\n- path: d\n"})) == ["R6"]


# --- R7 -----------------------------------------------------------------------------------------


def concluded(world: World) -> Plan:
    """Make an experiment with a conclusion; HEAD is main, where it is not merged yet."""
    plan = experiment(world.lab, repeats=4, n=4)
    conclude(world.repo.workspace, words="Deeper is better.", now=START)
    world.repo.switch("main")
    world.repo.commit({"other.py": "1\n"}, at=500)
    return plan


ONLY_R7 = {**dict.fromkeys(RULES, Policy.OFF), "R7": Policy.WARN}


@pytest.mark.parametrize("how", ["--no-commit", "--squash"])
def test_what_is_merged_was_concluded(world: World, how: str) -> None:
    concluded(world)
    world.repo.git("merge", "--quiet", how, "exp/deep")
    assert world.judge_staged(ONLY_R7) == []
    world.repo.git("reset", "-q", "--hard", "HEAD~1")
    world.repo.git("merge", "--quiet", how, "exp/deep~1")
    ((rule, path, message),) = world.judge_staged(ONLY_R7)
    assert (rule, path) == ("R7", layout.conclusion_path("deep"))
    assert "without a conclusion" in message


@pytest.mark.parametrize("how", ["--no-commit", "--squash"])
def test_a_plan_that_says_that_it_is_of_main_is_merged_by_a_merge_all_the_same(
    world: World, how: str
) -> None:
    plan = concluded(world)
    path = layout.plan_path("other")
    theirs = replace(plan, name="other", branch="main")
    world.repo.commit({path: codec.dump(theirs)}, at=501, message="gitexp new --here")
    assert world.agreed(world.stored(ONLY_R7), ONLY_R7) == []  # it lives here
    world.repo.git("reset", "-q", "--hard", "HEAD~1")
    world.repo.switch("topic", create=True)
    world.repo.commit({path: codec.dump(theirs)}, at=502)
    world.repo.switch("main")
    world.repo.commit({"more.py": "1\n"}, at=503)
    world.repo.git("merge", "--quiet", how, "topic")
    found = world.judge_staged(ONLY_R7)
    assert [message for _, _, message in found] == (
        ["other is merged into main without a conclusion"] if how == "--no-commit" else []
    )


def test_a_conclusion_is_about_the_plan_that_is_merged(world: World) -> None:
    plan = concluded(world)
    world.repo.switch("exp/deep")
    path = layout.plan_path("deep")
    after = amended(plan, 0.1)
    world.repo.commit({path: codec.dump(after)}, at=501)
    world.repo.switch("main")
    world.repo.git("merge", "--quiet", "--no-commit", "exp/deep")
    ((_, _, message),) = world.judge_staged(ONLY_R7)
    assert "another plan" in message


def test_a_verdict_that_was_written_over_is_said(world: World) -> None:
    concluded(world)
    world.repo.git("merge", "--quiet", "--no-commit", "exp/deep")
    path = layout.conclusion_path("deep")
    text = (world.repo.path / path).read_text()
    verdict = re.search("^verdict: (.*)$", text, re.MULTILINE)
    assert verdict is not None
    other = "refuted" if verdict[1] == "supported" else "supported"
    forged = text.replace(verdict[0], f"verdict: {other}", 1)
    ((_, _, message),) = world.judge({path: forged}, ONLY_R7)
    assert "not that of the comparison" in message


@dataclass(frozen=True)
class Known(Outside):
    """Answers as a world would."""

    differs: str | None = None
    archive: str | None = None
    lacking: tuple[str, ...] | None = None

    def recomputed(self, conclusion: Conclusion) -> str | None:
        assert conclusion.experiment == "deep"
        return self.differs

    def archived(self, plan: Plan, keeps: object) -> str | None:
        del keeps
        assert plan.name == "deep"
        return self.archive

    def unsent(self, commit: str, recorded: Sequence[FileHash]) -> tuple[str, ...] | None:
        del commit, recorded
        return self.lacking


def asked(world: World, known: Known, weights: dict[str, Policy]) -> list[str]:
    objects = open_repository(world.repo.workspace)
    facts = of_commit(objects, world.head, branch=world.branch, tip=True, outside=known)
    return [item.message for item in check(facts, weights)]


def test_the_world_is_asked_about_conclusion_and_archive(world: World) -> None:
    concluded(world)
    world.repo.git("merge", "--quiet", "--no-edit", "exp/deep")
    assert asked(world, Known(), ONLY_R7) == []
    assert asked(world, Known("", ""), ONLY_R7) == []
    (message,) = asked(world, Known("p = 0.3 instead of 0.01", ""), ONLY_R7)
    assert "0.3 instead" in message
    (message,) = asked(world, Known("", "its archive tag is not on origin"), ONLY_R7)
    assert "origin" in message


# --- R8 -----------------------------------------------------------------------------------------

TOKEN = "ghp_" + "a1B2" * 9
RANDOM = "q9Zr4TxW8mKe2VbN6pLs1YdF3hJc7GaU"


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        (f"key: {TOKEN}", True),
        (f"x: {RANDOM}", True),
        ("db: postgres://me:pw12@host/x", True),
        ("api: {password: hunter2hunter}", True),
        ("max_tokens: 512", False),
        ("tokenizer: bert-base-uncased-2024", False),
        ("password: null", False),
        (f"commit: {'3fa9c1e3' * 5}", False),
        ("data: data/raw/customers-2025-01.parquet", False),
        ("uuid: 123e4567-e89b-12d3-a456-426614174000", False),
    ],
)
def test_a_parameter_that_looks_like_a_secret_is_named_not_shown(
    world: World,
    line: str,
    secret: bool,  # noqa: FBT001
) -> None:
    world.repo.commit({layout.CONFIG: config_format.dump_template(CONFIG)})
    found = world.judge({"params.yaml": f"depth: 2\n{line}\n"})
    assert rules(found) == (["R8"] if secret else [])
    assert not any(part in str(found) for part in (TOKEN, RANDOM, "pw12", "hunter2"))


def test_what_only_looks_like_a_secret_can_be_named(world: World) -> None:
    config = replace(CONFIG, not_secret=("x",))
    world.repo.commit({layout.CONFIG: config_format.dump_template(config)})
    assert world.judge({"params.yaml": f"x: {RANDOM}\n"}) == []


def test_a_secret_in_a_record_is_found(world: World) -> None:
    plan = world.lab.plan()
    folder = run_of(world, plan)
    path = world.repo.path / folder / "run.json"
    run = codec.load(Run, path.read_bytes(), "run.json")
    repeat = replace(run.repeats[0], log_tail=f"login --token {TOKEN}")
    dirty = replace(run, params={"net.key": TOKEN}, repeats=(repeat, *run.repeats[1:]))
    found = world.judge({f"{folder}/run.json": codec.dump(dirty)})
    assert rules(found) == ["R8", "R8"]
    assert TOKEN not in str(found)


def test_a_secret_beside_a_recorded_environment_is_found(world: World) -> None:
    recorded(world)
    (path,) = [path for path in world.repo.files() if path.endswith("environment.json")]
    lock = path.replace("environment.json", "requirements.txt")
    found = world.judge({lock: "--index-url https://me:hunter2hunter@pypi.example.org/simple\n"})
    assert [(rule, where) for rule, where, _ in found] == [("R8", lock)]
    assert "hunter2" not in str(found)


def test_a_password_in_the_address_of_a_receipt_is_found(world: World) -> None:
    receipt = layout.witness_dir(PlanDigest("a" * 64)) + "/1-push.json"
    address = f"HTTPS://ada:{'hunter2h' * 40}@git.example.org/x"
    found = world.judge({receipt: json.dumps({"url": address})})
    assert ("R8", receipt) in [(rule, where) for rule, where, _ in found]
    assert "hunter2" not in str(found)


def test_the_packages_of_a_recorded_environment_are_no_secrets(world: World) -> None:
    recorded(world)
    (path,) = [path for path in world.repo.files() if path.endswith("environment.json")]
    environment = codec.load(Environment, (world.repo.path / path).read_bytes(), path)
    packages = tuple(
        Distribution(name, version, "", within)
        for name in ("cookiecutter", "google-auth", "my_secret", "pyjwt")
        for version, within in (("2.6.0", ""), ("2024", ""), ("0.1.dev3", "src"))
    )
    text = requirements(replace(environment, distributions=packages))
    lock = path.replace("environment.json", "requirements.txt")
    assert world.judge({lock: text}) == []
    line = b"cookiecutter @ git+https://me:hunter2hunter@example.org/cookiecutter@2.6.0\n"
    found = world.judge({lock: text + line})
    assert ("R8", lock) in [(rule, where) for rule, where, _ in found]


# --- R10 ----------------------------------------------------------------------------------------


def test_data_that_a_pushed_commit_names_are_asked_for(world: World) -> None:
    only = {**dict.fromkeys(RULES, Policy.OFF), "R10": Policy.WARN}
    world.repo.commit({"a.dvc": POINTER.format("a")})
    assert asked(world, Known(), only) == []
    assert asked(world, Known(lacking=()), only) == []
    (message,) = asked(world, Known(lacking=("a", "b")), only)
    assert "a and 1 more" in message
    world.repo.commit({"code.py": "1\n"})
    assert asked(world, Known(lacking=("a",)), only) == []


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


def test_deep_paths_and_many_files_are_no_trouble(world: World) -> None:
    deep = "/".join("d" * 900)
    pointers = {f"x{number}.dvc": POINTER.format(f"x{number}") for number in range(50)}
    world.repo.commit(pointers)
    blob = world.repo.git("hash-object", "-w", "--stdin", data=b"1")
    names = [f"{deep}/{number}" for number in range(3)] + [f"many/{n}.csv" for n in range(2000)]
    lines = [f"100644 {blob}\t{name}" for name in names]
    world.repo.git("update-index", "--add", "--index-info", data="\n".join(lines).encode())
    assert world.judge_staged() == []
