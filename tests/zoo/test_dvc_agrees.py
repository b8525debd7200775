"""What DVC says of a project is the same before and after every verb, in every layout."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.commands import COMMANDS
from tests.lab.build import dvc
from tests.lab.shell import environment, gitexp
from tests.zoo.worlds import GET_STARTED, TEMPLATES, WORLDS, ask

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo
    from tests.zoo.worlds import World

GIT = "git"
ITEM = re.compile(r"@[\w-]+")  # of a stage; a list may get others
WHY = ("--hypothesis", "a higher value of it is better", "--effect", ">0", "--repeats", "2")
# A verb that ends in 0 whatever the layout; the others may have nothing to do.
SURE = {"init", "new", "run", "archive", "restore", "rename", "rm", "push", "sync"}
INDIRECT = {"worker": "run starts it", "hook": "Git calls it once hooks are installed"}
Group = tuple[tuple[str, ...], ...]
# DVC is asked after each group: what writes is a group of its own.
ALL: tuple[Group, ...] = (
    (("init",),),
    (("new",),),
    (("hooks", "install"), ("run", "--with-baseline")),
    (
        ("compare",),
        ("status",),
        ("list",),
        ("show", "x"),
        ("diff", "main", "exp/x"),
        ("inputs", "main", "exp/x"),
        ("logs",),
        ("power", "--sd", "0.01"),
        ("test", "OUTSIDE/a.json", "OUTSIDE/b.json", "--metric", "acc:max"),
        ("check",),
        ("review", "main...exp/x"),
        ("doctor",),
        ("maintenance",),
        ("witness", "x"),
        ("comment",),
        ("completion", "bash"),
        ("merge-driver", "OUTSIDE/base", "OUTSIDE/ours", "OUTSIDE/theirs", "params.yaml"),
    ),
    (("amend-plan", "--alpha", "0.04", "--why", "a stricter test"), ("run", "--with-baseline")),
    (("push",), ("pull",), ("sync",)),
    (("conclude", "-m", "it helps"),),
    ((GIT, "switch", "-q", "main"),),
    ((GIT, "switch", "-q", "exp/x"),),
    (("rename", "x", "y"),),
    ((GIT, "switch", "-q", "main"), (GIT, "merge", "-q", "--no-edit", "exp/y")),
    (("archive", "y"),),
    (("restore", "y"),),
    (("rm", "y", "--yes"),),
)
SHORT: tuple[Group, ...] = (
    (("init",), ("new",), ("hooks", "install"), ("run", "--with-baseline")),
    (("conclude", "-m", "it helps"), (GIT, "switch", "-q", "main")),
    ((GIT, "merge", "-q", "--no-edit", "exp/x"), ("archive", "x"), ("rm", "x", "--yes")),
)


def test_every_verb_of_the_table_is_driven() -> None:
    driven = {step[0] for group in ALL for step in group} - {GIT}
    assert driven | INDIRECT.keys() == {command.name for command in COMMANDS}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "world" not in metafunc.fixturenames:
        return
    cases = [pytest.param(GET_STARTED, SHORT, id="get-started-in-short")]
    if metafunc.config.getoption("--all"):
        cases = [pytest.param(each, ALL, id=each.name) for each in WORLDS]
    metafunc.parametrize(("world", "groups"), cases)


@pytest.mark.slow
def test_dvc_says_the_same_before_and_after(
    world: World, groups: tuple[Group, ...], tmp_path: Path
) -> None:
    repo = world.build(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("a.json", "b.json"):
        (outside / name).write_text('{"acc": [0.5, 0.6, 0.7]}')
    for name in ("base", "ours", "theirs"):
        (outside / name).write_text("lr: 0.1\n")
    clean = before = answers(world, repo)
    dvc(repo.path, "install")
    for group in groups:
        for step in group:
            said = drive(world, repo, [word.replace("OUTSIDE", str(outside)) for word in step])
            if step[:2] == (GIT, "merge"):  # DVC has no hook there: the hint is true
                ask(repo.path / world.folder, ["checkout"])
            else:
                assert "other outputs" not in said, step
        verbs = {step[0] for step in group}
        said_now = answers(world, repo)
        if "run" in verbs:
            before = clean
        elif "new" in verbs:  # the parameter that it changed, which nobody has run yet
            before = said_now
            assert (before["push"], before["gc"]) == (clean["push"], clean["gc"])
        assert said_now == before, group
        assert repo.status() == [], group
    if world.pipeline:
        copy = tmp_path / "copy"
        shutil.copytree(repo.path, copy, symlinks=True)
        (code, said), *_ = ask(copy / world.folder, ["exp", "run"])
        assert code == 0
        assert "Running stage" not in said


@pytest.mark.slow
@pytest.mark.sweep(0)
def test_a_second_call_executes_only_what_the_seed_reaches(tmp_path: Path) -> None:
    repo = TEMPLATES.build(tmp_path)
    (repo.path / "dvc.lock").unlink()
    repo.git("commit", "-qam", "nothing has run")
    for step in (["init"], ["run"], ["run", "--seeds", "4,5"]):
        drive(TEMPLATES, repo, step)
    logs = sorted(
        repo.path.glob(".git/gitexp/work/runs/*/jobs/*/attempt-1/log*"),
        key=lambda p: p.stat().st_mtime,
    )
    ran = [
        set(re.findall(r"^Running stage '([\w-]+)", log.read_text(), re.MULTILINE)) for log in logs
    ]
    assert ran == [{"fit", "grid"}, {"fit"}, {"fit"}]
    before = answers(TEMPLATES, repo)
    drive(TEMPLATES, repo, ["run", "--seeds", "6"])
    assert answers(TEMPLATES, repo) == before


def drive(world: World, repo: BuiltRepo, step: list[str]) -> str:
    """Take one step, as the layout has it; return what stood on standard error."""
    verb, *rest = step
    if verb == GIT:
        done = subprocess.run(
            [GIT, *rest],
            cwd=repo.path,
            env=environment(),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr.decode()
    more = {
        "init": world.init,
        "new": ("x", "--metric", f"{world.metric}:max", *WHY),
    }.get(verb, ())
    if verb == "new" and world.param:
        more = (*more, "--param", world.param)
    done = gitexp(repo, verb, *rest, *more)
    assert done.code == 0 or (verb not in SURE and done.code < 70), (step, done.out, done.err)
    if verb == "new" and world.change:
        repo.commit(dict(world.change))
    return done.err


def answers(world: World, repo: BuiltRepo) -> dict[str, object]:
    """Return what DVC says; what a run made is sent first, so that nothing is left to send."""
    inside = repo.path / world.folder
    dry = [["repro", "--dry"]] if world.pipeline else []
    questions = [["push"], ["push"], ["status"], ["data", "status"], *dry]
    found = ask(inside, *questions, ["gc", "-A", "--dry", "-f"])
    assert found[0][0] == 0
    gc = found.pop()
    said = [(code, ITEM.sub("@", text)) for code, text in found[1:]]
    rest = zip(map(" ".join, questions[1:]), said, strict=True)
    return {**dict(rest), "gc": (gc[0], sorted(gc[1].splitlines()))}
