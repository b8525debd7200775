"""The next command, typed as it stands, leads out of every state: to a verdict, or to a decision.

A world is a state that somebody got into. From there each ``next`` is carried out as it is printed;
no state may come twice.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.views.status import status
from tests.lab.build import dvc, dvc_files, git_environment, repository
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.build import BuiltRepo
    from tests.lab.shell import Done

TRAIN = """\
import json, os, random, sys
seed = int(os.environ.get("GITEXP_SEED", 1))
random.seed(seed)
LIFT, BROKEN = 0.0, ()
if seed in BROKEN: sys.exit("out of luck")
acc = sum(random.random() for _ in range(500)) / 500 + LIFT
json.dump({"acc": acc, "cost": acc + bool(LIFT)}, open("metrics.json", "w"))
"""
PLAN = ("--metric", "acc:max", "--effect", ">0", "--hypothesis", "a lift raises acc")
# What only a person can do: say what was learned, ask something else, mend a program.
DECISIONS = ("gitexp conclude", "gitexp show", "gitexp new", "change code", "gitexp logs")
STEPS = 6
BROKEN = 5  # exit code of a call in which a repeat failed


def begun(repo: BuiltRepo, *options: str, lift: float | str = 0.03, broken: str = "") -> None:
    repo.commit({"t.py": TRAIN, ".gitignore": "metrics.json\n"})
    asked = ("init", "-q", "--command", "python t.py", "--metrics", "metrics.json")
    for argv in (asked, ("new", "h", *PLAN, "-q", *(options or ("--repeats", "5")))):
        assert gitexp(repo, *argv).code == 0
    changed(repo, lift, broken)


def changed(repo: BuiltRepo, lift: float | str, broken: str = "") -> None:
    text = TRAIN.replace("LIFT, BROKEN = 0.0, ()", f"LIFT, BROKEN = {lift}, ({broken})")
    repo.commit({"t.py": text})


def ran(repo: BuiltRepo, *options: str) -> Done:
    return gitexp(repo, "run", *options)


def changed_candidate(repo: BuiltRepo) -> None:
    begun(repo)
    ran(repo, "--with-baseline")
    changed(repo, 0.5)
    ran(repo, "--with-baseline")


def changed_candidate_not_run(repo: BuiltRepo) -> None:
    begun(repo)
    ran(repo, "--with-baseline")
    changed(repo, 0.5)


def changed_candidate_and_one_more(repo: BuiltRepo) -> None:
    changed_candidate(repo)
    ran(repo, "--seeds", "5", "--with-baseline")


def fewer_than_decide(repo: BuiltRepo) -> None:
    begun(repo, "--repeats", "4")
    ran(repo, "--with-baseline")


def fewer_drawn_than_decide(repo: BuiltRepo) -> None:
    begun(repo, "--repeats", "4", "--seeds", "drawn")
    ran(repo, "--repeats", "2")


def changed_baseline(repo: BuiltRepo) -> None:
    begun(repo)
    ran(repo, "--with-baseline")
    repo.switch("main")
    changed(repo, 0.01)
    repo.switch("exp/h")
    asked = ("--baseline", "main", "--why", "main went on")
    assert gitexp(repo, "amend-plan", *asked).code == 0


def topped_up(repo: BuiltRepo) -> None:
    begun(repo, lift=0.0001)
    ran(repo, "--with-baseline")
    ran(repo, "--seeds", "5-7", "--with-baseline")


def topped_up_alone(repo: BuiltRepo) -> None:
    begun(repo)
    ran(repo)
    ran(repo, "--seeds", "5-7")


def amended(repo: BuiltRepo) -> None:
    changed_candidate(repo)
    assert gitexp(repo, "amend-plan", "--repeats", "6", "--why", "5 do not do").code == 0


def a_few(repo: BuiltRepo) -> None:
    begun(repo)
    ran(repo, "--repeats", "2", "--with-baseline")


def looked_early(repo: BuiltRepo) -> None:
    begun(repo, "--repeats", "6", "--stopping", "pocock")
    ran(repo, "--until-decided")
    changed(repo, 0.0001)
    ran(repo, "--until-decided")


def always_valid(repo: BuiltRepo) -> None:
    begun(repo, "--repeats", "6", "--stopping", "always-valid")
    ran(repo, "--until-decided")
    changed(repo, 0.0001)
    ran(repo, "--until-decided")


def unlucky(repo: BuiltRepo) -> None:
    begun(repo, "--repeats", "5", "--on-failed", "drop", broken="3,")
    ran(repo, "--with-baseline", "--keep-going")


def failed_for_the_snapshot(repo: BuiltRepo) -> None:
    begun(repo, "--repeats", "5", "--seeds", "drawn", broken="0,")
    ran(repo, "--with-baseline")


def failed_for_the_snapshot_seen_from_main(repo: BuiltRepo) -> str:
    failed_for_the_snapshot(repo)
    repo.switch("main")
    return "gitexp show h"


def failed_for_the_snapshot_amid_looks(repo: BuiltRepo) -> str:
    options = ("--repeats", "6", "--stopping", "pocock", "--seeds", "drawn")
    begun(repo, *options, broken="0,")
    ran(repo, "--until-decided")
    return "gitexp status"


def broken_candidate(repo: BuiltRepo) -> str:
    begun(repo, "--repeats", "5", "--seeds", "drawn", lift="oops")
    ran(repo)
    return "gitexp run --keep-going"


def mended_candidate(repo: BuiltRepo) -> str:
    begun(repo, "--repeats", "5", "--seeds", "drawn", lift="oops")
    ran(repo)
    changed(repo, 0.03)
    return "gitexp status"


def unlucky_each_time(repo: BuiltRepo) -> str:
    """A planned seed fails whenever it runs: other seeds are asked for."""
    begun(repo, "--repeats", "6", "--seeds", "committed", broken="3,")
    assert "on-failed" not in ran(repo, "--with-baseline", "--keep-going").out
    ran(repo)
    step = re.search("as it fails each time, (.*)", gitexp(repo, "status").out)
    assert step is not None
    return step[1].replace("TEXT", "'it diverges'")


PIPELINE = """\
stages:
  fetch: {cmd: python fetch.py, deps: [fetch.py], outs: [data.txt]}
  train:
    cmd: python t.py
    deps: [t.py, data.txt]
    params: [seed]
    metrics: [metrics.json: {cache: false}]
"""
FETCH = "open('data.txt', 'w').write('1')\n"


def staged(repo: BuiltRepo, *, fetch: str = FETCH, broken: str = "") -> str:
    """Run a candidate of two stages, of which no seed reaches the first."""
    train = re.sub(r"int\(.*\)", "int(open('params.yaml').read().split()[1])", TRAIN, count=1)
    files = {"dvc.yaml": PIPELINE, "params.yaml": "seed: 7\n", "fetch.py": FETCH}
    repo.commit({**dvc_files(), **files, "t.py": train, ".gitignore": "data.txt\nmetrics.json\n"})
    asked = ("new", "h", *PLAN, "-q", "--repeats", "5", "--seeds", "drawn")
    for argv in (("init", "-q"), asked):
        assert gitexp(repo, *argv).code == 0
    text = train.replace("LIFT, BROKEN = 0.0, ()", f"LIFT, BROKEN = 0.03, ({broken})")
    repo.commit({"t.py": text, "fetch.py": fetch})
    assert ran(repo).code == BROKEN
    return "gitexp compare"


def failed_for_the_snapshot_in_a_pipeline(repo: BuiltRepo) -> str:
    return staged(repo, broken="7,")


def broken_where_no_seed_reaches(repo: BuiltRepo) -> str:
    """No repeat goes past that: the walk ends at once, and no other call is printed."""
    step = staged(repo, fetch="import sys; sys.exit(3)\n")
    assert "--keep-going" not in next_of(gitexp(repo, "status"))
    return step


WORLDS = (
    changed_candidate, changed_candidate_not_run, changed_candidate_and_one_more,
    fewer_than_decide, fewer_drawn_than_decide, changed_baseline, topped_up, topped_up_alone,
    amended, a_few, looked_early,
    always_valid, unlucky, failed_for_the_snapshot, failed_for_the_snapshot_seen_from_main,
    failed_for_the_snapshot_amid_looks, failed_for_the_snapshot_in_a_pipeline, broken_candidate,
    mended_candidate, broken_where_no_seed_reaches, unlucky_each_time,
)  # fmt: skip


def next_of(done: Done) -> str:
    found = re.findall(r"^\s*next:? +(.+)$", done.out + done.err, re.MULTILINE)
    assert found, done
    return str(found[-1]).rpartition("; or, to go on without it, ")[2]  # nobody mends here


def commands(step: str) -> list[list[str]]:
    """Return what a line says to type; of two ways the first."""
    words = re.split(r" && |, then ", step.partition("; ")[0])
    return [shlex.split(each) for each in words]


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.__name__)
def test_each_next_command_leads_on(
    world: Callable[[BuiltRepo], str | None], tmp_path: Path
) -> None:
    repo = repository(tmp_path / "repo")
    step = world(repo) or "gitexp compare"
    seen: list[tuple[str, str]] = []
    while not step.startswith(DECISIONS):
        assert len(seen) < STEPS, seen
        for first, *argv in commands(step):
            if first == "git":
                repo.git(*argv)
                continue
            assert first == "gitexp", (step, seen)
            done = gitexp(repo, *argv)
            assert done.code in {0, 1, 3, BROKEN, 6}, (step, done)
        seen.append((repo.hash(), step))
        assert len(set(seen)) == len(seen), (seen, done)
        step = next_of(done)
    if step.startswith("gitexp conclude"):
        assert re.match(r"(SUPPORTED|REFUTED|INCONCLUSIVE)", done.out), done


@pytest.mark.slow
def test_a_try_that_could_not_decide_is_amended_before_it_runs(tmp_path: Path) -> None:
    """By each verb the same, whether nothing or a part of it ran."""
    repo = repository(tmp_path / "repo")
    begun(repo, "--repeats", "6", "--seeds", "drawn")
    plan = status(repo.workspace).plan
    assert plan is not None
    assert plan.drawn is not None
    changed(repo, 0.03, f"{next(itertools.islice(plan.drawn.sequence(), 1, None))},")
    crashed, amend = ran(repo, "--with-baseline", "--keep-going"), "gitexp amend-plan --repeats"
    for said in (crashed, gitexp(repo, "status"), gitexp(repo, "compare")):
        assert re.search(r"mend it, then gitexp run(;|$)", next_of(said)), said
        assert f"; if that changes the candidate, {amend} 7 --why TEXT first" in next_of(said)
    changed(repo, 0.03)
    same = "where it has the numbers and files of an earlier one on every seed"
    for argv, other in (
        (("status",), "gitexp run"),
        (("compare",), "gitexp run"),
        (("run", "--dry-run"), "the same without --dry-run"),
    ):
        said = next_of(gitexp(repo, *argv))
        assert said == f"{amend} 7 --why TEXT; or, {same}, {other}", argv
    assert f"or {amend} 7 --why TEXT" in next_of(gitexp(repo, "power"))
    repo.switch("main")
    there = next_of(gitexp(repo, "compare", "h"))
    assert there.startswith(f"git switch exp/h && {amend} 7 --why TEXT; or, ")
    repo.switch("exp/h")
    repo.git("branch", "part")
    step = next_of(gitexp(repo, "amend-plan", "--repeats", "7", "--why", "it is try 2"))
    assert step == "gitexp run --with-baseline"
    for argv in (("run", "--dry-run"), ("status",)):
        assert "amend" not in next_of(gitexp(repo, *argv))
    assert next_of(ran(repo, "--with-baseline")) == "gitexp compare"
    assert gitexp(repo, "compare").out.startswith("SUPPORTED")
    repo.git("reset", "-q", "--hard", "part")
    part = ran(repo, "--repeats", "3")
    for said in (part, gitexp(repo, "status"), gitexp(repo, "compare")):
        assert next_of(said).startswith(f"{amend} 8 --why ")
    told = gitexp(repo, "compare").out
    assert "8 pairs would do" in told
    assert "as the next try, at alpha / 12" in told


BY_HAND = """\
import json, os, random
seed = random.seed(int(os.environ.get("GITEXP_SEED", 1)))
os.makedirs("out", exist_ok=True)
acc = random.random() + LIFT
open("out/my m.bin", "w").write(str(acc))
json.dump({"acc": acc}, open("out/scores.json", "w"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("trained", ["by hand", "by a run", "by hand twice"])
def test_what_was_trained_by_hand_stays_where_a_merge_stops_at_its_metrics(
    trained: str, tmp_path: Path
) -> None:
    repo = repository(tmp_path / "repo")
    repo.commit({"t.py": BY_HAND.replace("LIFT", "0"), ".gitignore": "/out/my m.bin\n"})
    made = ("--command", "python t.py", "--metrics", "out/scores.json", "--outs", "out/my m.bin")
    for argv in (("init", "-q", *made, "--dvc-init"), ("new", "h", *PLAN, "-q")):
        assert gitexp(repo, *argv).code == 0
    repo.commit({"t.py": BY_HAND.replace("LIFT", "1")})
    assert ran(repo, "--with-baseline").code == 0
    repo.switch("main")
    output = repo.path / "out" / "my m.bin"
    if trained == "by a run":
        assert ran(repo).code == 0
    else:
        subprocess.run([sys.executable, "t.py"], cwd=repo.path, check=True)
        repo.git("add", "out/scores.json")
        repo.git("commit", "-qm", "trained by hand")
    if trained == "by hand twice":
        output.with_name("my m.bin.mine").write_text("an earlier one")
    before = {file.read_bytes() for file in output.parent.glob("*.bin*")}
    repo.git("merge", "exp/h", check=False)
    step = next_of(gitexp(repo, "status"))
    assert ("mv " in step) is (trained != "by a run")
    bin_ = str(Path(sys.executable).parent)
    env = {**git_environment(), "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["bash", "-ec", step], cwd=repo.path, env=env, check=True)
    assert "up to date" in dvc(repo.path, "status")
    if trained != "by a run":
        kept = {file.read_bytes() for file in output.parent.glob("*.bin*")}
        assert before <= kept, "nothing is lost"


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.parametrize(
    ("headline", "lift"),
    [
        ("REFUTED", -0.3),
        ("SUPPORTED .*; BROKEN: cost", 0.03),
        ("INCONCLUSIVE .*; BROKEN: cost", "(0.03, -0.03)[seed % 2]"),
    ],
)
@pytest.mark.parametrize("worktree", [False, True])
@pytest.mark.parametrize("after", [("conclude", "-m", "no"), ("archive", "h")])
def test_what_its_verdict_speaks_against_is_archived_and_not_merged(
    after: tuple[str, ...], headline: str, lift: float | str, tmp_path: Path, *, worktree: bool
) -> None:
    repo = repository(tmp_path / "repo")
    begun(repo, "--repeats", "5", "--guard", "cost<=+5%", lift=lift)
    ran(repo, "--with-baseline")
    said = gitexp(repo, "conclude", "-m", "no")
    assert re.match(headline, said.out), said
    if after[0] == "archive":
        said = gitexp(repo, *after)
    if worktree:
        repo.git("worktree", "add", "-q", "--detach", str(tmp_path / "there"), "main")
    step = next_of(said)
    assert "push" not in step
    assert "merge the" not in step
    for first, *argv in commands(step):
        if first == "git":
            repo.git(*argv)
        else:
            last = gitexp(repo, *argv)
            assert last.code == 0, (step, last)
    assert "refs/heads/exp/h" not in repo.git("for-each-ref")
    assert next_of(last) == "gitexp show h", "there is no remote to push to"
    assert gitexp(repo, "show", "h").code == 0


@pytest.mark.slow
def test_a_printed_call_of_new_works_once_it_is_filled_in(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    by_chance = "(0.03, -0.01, 0.02, 0.0, 0.03)[seed % 5]"
    begun(repo, "--repeats", "5", "--effect", ">=0.01", lift=by_chance)
    ran(repo, "--with-baseline")
    said = gitexp(repo, "compare")
    assert said.out.startswith("INCONCLUSIVE")
    assert "by the spread of these pairs" in said.out
    for asked in (("compare",), ("power",), ("power", "--metric", "acc", "--effect", ">=0.01"),
                  ("run", "--until-decided")):  # fmt: skip
        done = gitexp(repo, *asked)
        (call,) = re.findall(r"gitexp (new NAME .*?)(?:;|$)", done.out + done.err, re.MULTILINE)
        filled = [{"NAME": "k", "...": "a lift raises acc"}.get(w, w) for w in shlex.split(call)]
        planned = gitexp(repo, *filled, "--dry-run")
        assert planned.code == 0, (call, planned)


def test_experiments_of_dvc_and_branches_older_than_init_lead_to_a_comparison(
    tmp_path: Path,
) -> None:
    repo = repository(tmp_path / "repo")
    train = "a = open('params.yaml').read().split()[-1]\n"
    train += "open('metrics.json', 'w').write(f'{{\"acc\": {a}}}')\n"
    stages = "stages:\n  train:\n    cmd: python train.py\n    deps: [train.py]\n"
    stages += "    params: [seed, a]\n    metrics: [metrics.json: {cache: false}]\n"
    params = "seed: 0\na: 0.5\n"
    repo.commit({**dvc_files(), "train.py": train, "params.yaml": params, "dvc.yaml": stages})
    repo.git("switch", "-qc", "work")
    there = repo.commit({"params.yaml": params.replace("0.5", "0.7")})
    repo.git("switch", "-q", "main")
    repo.git("branch", "-qD", "work")
    repo.git("update-ref", f"refs/exps/{there[:2]}/{there[2:]}/a3", there)  # as `dvc exp run -n`
    assert gitexp(repo, "init", "-q").code == 0
    for argv in (("diff", "main", "a3"), ("compare", "main", "a3"), ("show", "a3")):
        step = "dvc exp branch a3 a3-branch, then the same with a3-branch"
        assert next_of(gitexp(repo, *argv)) == step, argv
    assert "dvc exp" not in gitexp(repo, "show", "a4").err
    repo.git("branch", "a3-branch", there)
    seen = []
    asked = ("compare", "main", "a3-branch")
    while "a3-branch against main" not in (done := gitexp(repo, *asked)).out:
        seen.append(next_of(done))
        assert len(set(seen)) == len(seen) < STEPS, (seen, done)
        for first, *argv in commands(seen[-1]):
            if first == "git":
                repo.git(*argv)
            else:
                ran_ = gitexp(repo, *argv)
                assert ran_.code == 0, (seen, ran_)
    assert seen[0] == "git switch a3-branch && git merge main && gitexp run"
