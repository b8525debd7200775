"""What a refusal says to type leads on, at each moment, and takes nothing of the earlier history.

A moment is where the commit that breaks a rule stands: staged, in a merge, a pick or a rebase that
stopped, or made. Each ``next`` is typed as it is printed, until nothing is refused.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from gitexp.enforcement.check import check
from gitexp.enforcement.hooks.commit import answer
from gitexp.enforcement.hooks.install import install
from gitexp.errors import DirtyTreeError
from gitexp.execution.run import run
from gitexp.git.transaction import layout
from gitexp.git.worktree.status import stopped
from gitexp.model.ids import RunId
from gitexp.model.request import RunRequest
from gitexp.model.rules import HookCall, Policy
from gitexp.records import codec
from gitexp.records import plan as plan_format
from gitexp.records.terms import digest as plan_digest
from gitexp.views.status import status
from tests.enforcement.hooks.world import call
from tests.lab.build import git_environment, repository
from tests.lab.records import CONFIG, Lab, scores
from tests.lab.shell import environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitexp.model.plan import Plan
    from gitexp.model.rules import Violation

OFF = ("-c", "core.hooksPath=/dev/null")
OWN, OTHER = "exp/deep", "exp/other"
PLAN = layout.plan_path("deep")
RUN = layout.run_dir(RunId("d" * 16))
MARKS = "<<<<<<< HEAD\nschema: '2.0'\n=======\nstages: {}\n>>>>>>> exp/a\n"
SIZE = 1000
STRICT = replace(
    CONFIG,
    params=(),
    rules=dict.fromkeys(("R4", "R5", "R6", "R7"), Policy.ERROR),
    git_file_limit_bytes=SIZE,
)


@dataclass(frozen=True)
class World:
    """An experiment with a run beside another one with a run and a conclusion; HEAD is on it."""

    lab: Lab

    def git(self, *args: str) -> None:
        """Run git without hooks."""
        self.lab.repo.git(*OFF, *args, at=self.lab.tick())

    def stage(self, files: dict[str, str | bytes | None]) -> None:
        """Write files and stage them."""
        self.lab.repo.write(files)
        self.git("add", "--force", "--all", "--", *files)

    def read(self, path: str) -> str:
        """Return a file of the work tree."""
        return (self.lab.repo.path / path).read_text()

    @property
    def plan(self) -> Plan:
        """The plan in the work tree."""
        return plan_format.load(self.read(PLAN).encode(), PLAN)


def made(folder: Path) -> World:
    lab = Lab(repository(folder))
    lab.init(STRICT)
    other = lab.plan("other")
    lab.record("o", {"f1": scores(0.6, range(3))}, plan=other)
    lab.repo.switch("main")
    deep = lab.plan()
    lab.record("d", {"f1": scores(0.7, range(3))}, plan=deep)
    return World(lab)


# --- what breaks a rule, staged on what the branch has ------------------------------------------


def of_a_sibling(world: World) -> None:
    world.git("checkout", OTHER, "--", layout.RUNS)


def with_its_plan(world: World) -> None:
    world.git("checkout", "keep", "--", ".gitexp")


def plan_changed(world: World) -> None:
    after = replace(world.plan, alpha=0.2)
    world.stage({PLAN: codec.dump(replace(after, digest=plan_digest(after)))})


def plan_gone(world: World) -> None:
    world.stage({PLAN: None})


def plan_unreadable(world: World) -> None:
    world.stage({PLAN: "$schema: gitexp/plan@1\nname: [\n"})


def no_plan(world: World) -> None:
    world.stage({"more.py": "1\n"})


def record_changed(world: World) -> None:
    world.stage({f"{RUN}/samples.csv": world.read(f"{RUN}/samples.csv").replace("0.7", "0.8")})


def record_forged(world: World) -> None:
    run = world.lab.record("e", {"f1": {0: 0.6}}, plan=world.plan, commit=False)
    table = layout.samples_csv(run.id)
    world.stage({table: world.read(table).replace("0.6", "0.9")})


def stray_conclusion(world: World) -> None:
    world.stage({layout.conclusion_path("else"): "words: it helps\n"})


def without_environment(world: World) -> None:
    world.lab.record("e", {"f1": {0: 0.6}}, plan=world.plan, commit=False)
    world.git("rm", "-rqf", layout.ENVIRONMENTS)
    world.git("checkout", "HEAD", "--", layout.ENVIRONMENTS)
    path = world.lab.repo.path / layout.run_json(RunId("e" * 16))
    path.write_text(re.sub(r'("environment": ")[0-9a-f]{8}', r"\g<1>00000000", path.read_text()))
    world.git("add", "--all")


def metrics_alone(world: World) -> None:
    world.stage({"metrics.json": '{"f1": 0.9}\n'})


def large(world: World) -> None:
    world.stage({"big.bin": "x" * (SIZE + 1)})


def marks(world: World) -> None:
    world.stage({"dvc.lock": MARKS})


BROKEN = {
    "R1 plan gone": plan_gone,
    "R1 plan unreadable": plan_unreadable,
    "R1 no plan": no_plan,
    "R2 run of a sibling": of_a_sibling,
    "R2 run with its plan": with_its_plan,
    "R2 plan changed": plan_changed,
    "R3 record changed": record_changed,
    "R3 record forged": record_forged,
    "R3 stray conclusion": stray_conclusion,
    "R4 no environment": without_environment,
    "R4 metrics alone": metrics_alone,
    "R5 large": large,
    "R6 marks": marks,
}
FROM_MAIN = {"R1 no plan", "R2 run with its plan"}  # nothing of the experiment is there before


# --- where the commit stands --------------------------------------------------------------------


def staged(world: World, breaks: Callable[[World], None]) -> None:
    breaks(world)


def apart(world: World, mine: str) -> None:
    """Make a branch ``topic`` that has train.py otherwise than the experiment's."""
    world.git("switch", "-qc", "topic")
    world.lab.repo.commit({"train.py": "print('topic')\n"}, at=world.lab.tick())
    world.git("switch", "-q", OWN)
    if mine:
        world.lab.repo.commit({"train.py": mine}, at=world.lab.tick())


def settled(world: World, *args: str) -> None:
    world.lab.repo.git(*OFF, *args, at=world.lab.tick(), check=False)
    assert "train.py" in world.lab.repo.git("ls-files", "--unmerged")
    world.git("checkout", "--ours", "--", "train.py")
    world.git("add", "train.py")


def merge(world: World, breaks: Callable[[World], None]) -> None:
    apart(world, "print('mine')\n")
    settled(world, "merge", "-q", "topic")
    breaks(world)


def cherry_pick(world: World, breaks: Callable[[World], None]) -> None:
    world.git("switch", "-qc", "side")
    breaks(world)
    world.stage({"train.py": "print('side')\n"})
    world.git("commit", "-qm", "bad")
    world.git("switch", "-q", OWN)
    world.lab.repo.commit({"train.py": "print('mine')\n"}, at=world.lab.tick())
    settled(world, "cherry-pick", "side")


def rebase(world: World, breaks: Callable[[World], None]) -> None:
    apart(world, "")
    breaks(world)
    world.stage({"train.py": "print('mine')\n"})
    world.git("commit", "-qm", "bad")
    settled(world, "rebase", "-q", "topic")


def committed(world: World, breaks: Callable[[World], None]) -> None:
    breaks(world)
    world.git("commit", "-qm", "bad")


def built_on(world: World, breaks: Callable[[World], None]) -> None:
    committed(world, breaks)
    world.lab.repo.commit({"later.py": "1\n"}, at=world.lab.tick(), message="later")


MOMENTS = {one.__name__: one for one in (staged, merge, cherry_pick, rebase, committed, built_on)}


def errors(found: tuple[Violation, ...]) -> list[Violation]:
    return [each for each in found if each.policy is Policy.ERROR]


def broken(world: World) -> list[Violation]:
    """Return what the hook of a commit refuses; else make it, and return what `check` finds."""
    repo = world.lab.repo
    waiting = repo.git("diff", "--cached", "--name-only") or stopped(repo.workspace.git_dir)
    said = answer(HookCall("pre-commit", (), repo.path, git_environment())).violations
    if found := errors(said if waiting else ()):
        assert status(repo.workspace).next_step in {each.next_step for each in found}
        return found
    finished(world)
    return errors(check(repo.workspace).violations)


def typed(world: World, step: str) -> None:
    """Type a step as it is printed; what a person has to choose is chosen."""
    text = step.rpartition("drop this commit: ")[2]
    text, commit, _ = text.partition(", and commit it")
    text = re.split(r", then |; gitexp run| && dvc add|; or gitexp|; an experiment ends", text)[0]
    text = text.replace("NAME:max", "f1:max").replace("'...'", "'it helps f1, by much'")
    words = "sh -c 'echo words >\"$1\"' -"
    env = environment(git_environment(world.lab.tick())) | {"GIT_EDITOR": words}
    env["GIT_SEQUENCE_EDITOR"] = "sed -i 1s/pick/drop/"
    text += " && git commit -qm words" if commit else ""
    done = subprocess.run(
        ["sh", "-c", text], cwd=world.lab.repo.path, env=env, capture_output=True, check=False
    )
    assert done.returncode == 0, (step, text, done.stdout, done.stderr)


def finished(world: World) -> None:
    """Make the commit, with all hooks; a pick goes on."""
    repo, git_dir = world.lab.repo, world.lab.repo.path / ".git"
    on = ("-c", "core.editor=true")
    if (git_dir / "CHERRY_PICK_HEAD").exists():
        said = call(repo, *on, "cherry-pick", "--continue", at=world.lab.tick())
        assert said.code == 0 or "--skip" in said.err, said.err  # nothing is left of it
    elif (git_dir / "rebase-merge").exists():
        assert call(repo, *on, "rebase", "--continue", at=world.lab.tick()).code == 0
    elif (git_dir / "MERGE_HEAD").exists() or repo.git("diff", "--cached", "--name-only"):
        said = call(repo, "commit", "-qm", "on", at=world.lab.tick())
        assert said.code == 0, said.err


@pytest.mark.sweep
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("what", BROKEN)
def test_what_a_refusal_says_to_type_leads_on_and_loses_nothing(
    what: str, moment: str, tmp_path: Path
) -> None:
    world = made(tmp_path / "repo")
    repo = world.lab.repo
    repo.branch("keep")
    if what in FROM_MAIN:
        world.git("reset", "-q", "--hard", "main")
    MOMENTS[moment](world, BROKEN[what])
    install(repo.workspace)
    last = "HEAD^" if moment == "committed" else OWN
    anew = moment in {"rebase", "built_on"}

    def history(revision: str) -> list[str]:
        """Return the commits; what they say, where a rebase makes them anew."""
        return repo.git("log", "--format=%s" if anew else "--format=%H", revision).splitlines()

    before = set(history(last)) - {"bad"}
    states = set[tuple[str, str]]()
    assert what[:2] in {each.rule for each in broken(world)}
    while said := broken(world):
        step = said[0].next_step
        state = repo.hash(), repo.git("status", "--porcelain=v1", "--branch")
        assert state not in states, (step, states)
        states.add(state)
        if step.startswith("gitexp run,"):
            return  # a person runs
        typed(world, step)
        assert before <= {*history(OWN)}, step
    assert before <= {*history(OWN)}
    if moment == "staged" and what == "R2 run with its plan":
        assert repo.git("diff", "--name-only", "keep", "--", ".gitexp") == ""


def test_a_merge_that_lacks_a_conclusion_is_given_up_first(tmp_path: Path) -> None:
    """Git switches to no branch in its midst."""
    world = made(tmp_path / "repo")
    repo = world.lab.repo
    install(repo.workspace)
    world.git("switch", "-q", "main")
    said = call(repo, "merge", "-q", "--no-ff", "--no-edit", OWN)
    step = "git merge --abort && git switch exp/deep && gitexp conclude -m TEXT, then merge again"
    assert f"  next      {step}\n" in said.err
    assert status(repo.workspace).next_step == step
    typed(world, step.partition(" && gitexp")[0])
    assert repo.git("branch", "--show-current") == OWN


def test_a_pick_that_would_be_refused_is_given_up_before_its_conflicts_are_settled(
    tmp_path: Path,
) -> None:
    world = made(tmp_path / "repo")
    repo = world.lab.repo
    repo.commit({"metrics.json": "{}\n"}, at=90)
    world.git("switch", "-q", OTHER)
    other = plan_format.load(world.read(layout.plan_path("other")).encode(), "plan")
    world.lab.record("g", {"f1": {0: 0.6}}, plan=other, commit=False)
    world.stage({"metrics.json": '{"f1": 0.6}\n'})
    world.git("commit", "-qm", "bad")
    world.git("switch", "-q", OWN)
    repo.git(*OFF, "cherry-pick", OTHER, check=False)
    assert status(repo.workspace).next_step == "git cherry-pick --abort"
    with pytest.raises(DirtyTreeError) as refused:
        run(repo.workspace, RunRequest(), environ={})
    assert refused.value.next_step == "git cherry-pick --abort"


def test_a_plan_that_is_only_staged_is_committed_not_begun_anew(tmp_path: Path) -> None:
    world = made(tmp_path / "repo")
    world.git("reset", "-q", "--soft", "main")
    world.git("restore", "--staged", "--worktree", "--", layout.RUNS)
    assert status(world.lab.repo.workspace).next_step == "git commit"
