"""`run` among DVC's less plain features: afterwards DVC finds nothing to do."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from typing import TYPE_CHECKING

import pytest

from gitexp.dvc.placement import main_lock
from gitexp.errors import DataMissingError
from gitexp.execution.run import run
from gitexp.experiments.amend_plan import amend_plan
from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.model.plan import SeedOrigin, Terms
from gitexp.model.request import InitRequest, NewRequest, RunRequest
from gitexp.model.run import RepeatState
from gitexp.views.diff import inputs
from tests.lab.build import DVC_FILES, BuiltRepo, clone, dvc, repository
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.report import RunReport

GIVEN = """\
stages:
  given:
    cmd: cp raw.txt given.txt
    deps: [raw.txt]
    outs: [given.txt]
    frozen: FROZEN
"""
PIPELINE = (
    GIVEN
    + """\
  tool:
    cmd: printf '#!/bin/sh\\ncat given.txt\\n' > tool && chmod +x tool
    deps: [given.txt]
    outs: [tool]
  train:
    foreach: [a, b]
    do:
      cmd: mkdir -p out && ./tool > out/${item} && echo ${seed} >> out/${item}
      deps: [tool, given.txt]
      params: [seed]
      outs: ["out/${item}"]
  evaluate:
    wdir: src
    cmd: python evaluate.py
    deps: [evaluate.py, ../out]
    params:
    - ../params.yaml:
    - ../conf/m.json: [net]
    metrics:
    - ../report/metrics.json: {cache: false}
"""
)
EVALUATE = """\
import json, os
os.makedirs("../report", exist_ok=True)
json.dump({"n": sum(len(open(f"../out/{n}").read()) for n in "ab")},
          open("../report/metrics.json", "w"))
"""


def states(report: RunReport) -> list[RepeatState]:
    return [repeat.state for each in report.recorded for repeat in each.run.repeats]


def tracked(path: Path, *options: str) -> BuiltRepo:
    """Return a project whose raw.csv DVC tracks, with its settings."""
    repo = repository(path)
    repo.write(DVC_FILES)
    dvc(repo.path, "init", "-q")
    dvc(repo.path, "add", "-q", *options, "raw.csv")
    repo.git("add", "--all")
    repo.commit(at=2)
    init(repo.workspace)
    return repo


def assert_untouched(repo: BuiltRepo) -> None:
    assert json.loads(dvc(repo.path, "status", "--json")) == {}
    dvc(repo.path, "checkout")
    dvc(repo.path, "repro")
    dvc(repo.path, "commit", "--force")
    assert repo.status() == []


@pytest.mark.slow
def test_frozen_stages_templates_wdir_and_executables_compose(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    dvc(repo.path, "init", "--quiet")
    params = "seed: 7\nz: {lr: 0.1, b: [{name: x, id: 1}], a: {d: 1, c: null}}\n"  # in no order
    more = {"conf/m.json": '{"net": {"width": 3, "depth": {"max": 2, "less": 1}}, "b.c": 1}'}
    files = {"raw.txt": "x\n", "params.yaml": params, "src/evaluate.py": EVALUATE, **more}
    repo.write({**files, "dvc.yaml": PIPELINE.replace("FROZEN", "false")})
    dvc(repo.path, "repro", "--quiet", "given")
    repo.write({"dvc.yaml": PIPELINE.replace("FROZEN", "true")})
    repo.git("add", "--all")
    repo.commit(at=1)
    init(repo.workspace)
    first = run(repo.workspace, RunRequest(seeds=(7, 8)))
    assert states(first) == [RepeatState.FINISHED] * 2
    assert first.snapshot.startswith("written")
    assert not first.not_updated
    assert os.access(repo.path / "tool", os.X_OK)
    assert_untouched(repo)
    assert inputs(repo.workspace, "HEAD~1", "HEAD").reasons == ()
    again = run(repo.workspace, RunRequest(seeds=(7,)))
    assert states(again) == [RepeatState.FINISHED]
    assert "already" in again.snapshot


def test_outputs_follow_in_every_work_tree_on_the_branch_or_are_named(
    dvc_repo: BuiltRepo, tmp_path: Path
) -> None:
    init(dvc_repo.workspace)
    dvc_repo.branch("exp/x")
    other = dvc_repo.worktree(tmp_path / "other", "exp/x")
    dvc(other.path, "cache", "dir", "--local", str(dvc_repo.path / ".dvc" / "cache"))
    dvc(other.path, "checkout")
    other.commit({"params.yaml": "lr: 0.7\nseed: 1\n"}, at=2)
    report = run(dvc_repo.workspace, RunRequest(on="exp/x", at="exp/x"))
    assert (report.snapshot[:7], report.not_updated) == ("written", ())
    assert json.loads(dvc(other.path, "status", "--json")) == {}
    other.commit({"params.yaml": "lr: 0.8\nseed: 1\n"}, at=3)
    with main_lock(other.path):
        report = run(other.workspace)
    assert report.snapshot.startswith("written")
    assert sorted(text.split(":")[0] for text in report.not_updated) == [
        "model.txt",
        "prepared.csv",
    ]


def test_a_linked_worktree_is_told_how_to_share_the_cache_that_has_the_data(
    tmp_path: Path,
) -> None:
    repo = tracked(tmp_path / "main")
    linked = repo.worktree(tmp_path / "linked tree", "-b", "exp/x")
    with pytest.raises(DataMissingError) as refused:
        run(linked.workspace)
    cache = repo.path / ".dvc" / "cache"
    assert refused.value.next_step == f"dvc cache dir --local {cache}, then dvc checkout"
    # What is recorded from elsewhere names the outputs that it cannot bring, and how to.
    report = run(repo.workspace, RunRequest(on="exp/x", at="exp/x", seeds=(1,)))
    assert report.snapshot.startswith("written")
    ending = f"there: {refused.value.next_step}"
    assert report.not_updated
    assert all(text.endswith(ending) for text in report.not_updated)
    command, _, then = refused.value.next_step.partition(", then ")
    for typed in (command, then):
        dvc(linked.path, *shlex.split(typed)[1:])
    assert json.loads(dvc(linked.path, "status", "--json")) == {}
    linked.commit({"params.yaml": "lr: 0.8\nseed: 1\n"}, at=3)
    report = run(linked.workspace)
    assert (report.snapshot[:7], report.not_updated) == ("written", ())
    assert not (linked.path / ".dvc" / "cache").exists()
    assert json.loads(dvc(linked.path, "status", "--json")) == {}


@pytest.mark.slow
def test_folders_of_links_into_the_cache_are_read_and_brought_to_the_new_state(
    tmp_path: Path,
) -> None:
    repo = repository(tmp_path / "repo")
    dvc(repo.path, "init", "--quiet")
    dvc(repo.path, "config", "cache.type", "symlink")
    repo.commit(
        {
            "prep.py": "import os\nos.makedirs('data')\nopen('data/x', 'w').write('x')\n",
            "train.py": "import json, os\nos.makedirs('eval')\n"
            "n = len(open('data/x').read()) + len(open('params.yaml').read())\n"
            "json.dump({'n': n}, open('eval/metrics.json', 'w'))\n",
            "params.yaml": "seed: 7\n",
            "dvc.yaml": "stages:\n"
            "  prep: {cmd: python prep.py, outs: [data]}\n"
            "  train: {cmd: python train.py, deps: [data], params: [seed], outs: [eval]}\n"
            "metrics: [eval/metrics.json]\n",
        },
        at=1,
    )
    dvc(repo.path, "repro", "--quiet")
    repo.git("add", "--all")
    repo.git("commit", "--quiet", "--message", "reproduced")
    init(repo.workspace)
    repo.commit({"params.yaml": "seed: 8\nmore: 1\n"}, at=3)
    report = run(repo.workspace, RunRequest(seeds=(8, 90)))
    assert states(report) == [RepeatState.FINISHED] * 2, report
    assert report.not_updated == ()
    assert (repo.path / "eval/metrics.json").is_symlink()
    assert_untouched(repo)


@pytest.mark.slow
def test_each_side_names_a_step_that_brings_its_data(tmp_path: Path) -> None:
    """The baseline's come also where its commit is older than the remote."""
    repo = tracked(tmp_path / "a")
    base = repo.hash()
    wanted = NewRequest(
        name="x",
        hypothesis="more rows raise f1 by 1%",
        metric="f1",
        effect=">=1%",
        repeats=1,
        baseline="main",
        seeds=SeedOrigin.COMMITTED,
    )
    new(repo.workspace, wanted)
    dvc(repo.path, "remote", "add", "-q", "-d", "r", str(tmp_path / "remote"))
    dvc(repo.path, "push", "-q")
    repo.write({"raw.csv": "3\n4\n5\n6\n"})
    dvc(repo.path, "add", "-q", "raw.csv")
    repo.git("add", "--all")
    repo.commit(at=3)
    dvc(repo.path, "push", "-q")
    there = clone(repo, tmp_path / "b")
    with pytest.raises(DataMissingError) as own:
        run(there.workspace, RunRequest(with_baseline=True))
    assert (own.value.where[:9], own.value.next_step) == ("candidate", "dvc pull raw.csv")
    dvc(there.path, "pull", "-q", "raw.csv")
    with pytest.raises(DataMissingError) as refused:
        run(there.workspace, RunRequest(with_baseline=True))
    assert refused.value.where == f"baseline at {base[:9]}"
    first, last, lost = refused.value.next_step.split("; ")
    restore, _, fetch = first.partition(" && ")
    there.git(*shlex.split(restore)[1:])
    dvc(there.path, *shlex.split(fetch)[1:])
    there.git(*shlex.split(last)[1:])
    assert there.status() == []
    assert "amend-plan --baseline" in lost
    report = run(there.workspace, RunRequest(with_baseline=True))
    assert [each.side for each in report.recorded] == ["candidate", "baseline"]
    # In another clone, without the remote, the baseline's data are nowhere.
    gone = clone(repo, tmp_path / "c")
    dvc(gone.path, "pull", "-q", "raw.csv")
    dvc(gone.path, "remote", "remove", "r")
    gone.write({"params.yaml": "lr: 0.7\nseed: 1\n"})
    gone.git("commit", "-q", "--all", "-m", "a larger step, and no remote")
    with pytest.raises(DataMissingError) as refused:
        run(gone.workspace, RunRequest(with_baseline=True))
    _, _, steps = refused.value.next_step.partition(", where nobody has them any more, ")
    for program, *argv in map(shlex.split, steps.split(" && ")):
        done = gitexp(gone, *argv) if program == "gitexp" else None
        assert done is None or done.code == 0, done
        if program == "git":
            gone.git(*argv)
    report = run(gone.workspace, RunRequest(with_baseline=True))
    assert [each.side for each in report.recorded] == ["candidate", "baseline"]


@pytest.mark.slow
def test_data_that_lie_here_in_another_version_are_not_told_to_be_pulled(tmp_path: Path) -> None:
    repo = tracked(tmp_path / "a", "--no-commit")
    repo.write({"raw.csv": "mine\n"})
    with pytest.raises(DataMissingError) as refused:
        run(repo.workspace)
    assert refused.value.next_step.startswith("no remote is set: ")
    _, _, typed = refused.value.next_step.rpartition("; or, to take what lies here for it, ")
    keep, _, commit = typed.partition(", then ")
    assert "pull" not in refused.value.next_step
    dvc(repo.path, *shlex.split(keep)[1:])
    repo.git(*shlex.split(commit)[1:], "-m", "mine")
    assert (repo.path / "raw.csv").read_text() == "mine\n"
    assert states(run(repo.workspace, RunRequest(repeats=1))) == [RepeatState.FINISHED]


@pytest.mark.slow
def test_a_seed_that_no_stage_lists_is_told_and_acts_once_it_is_listed(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    dvc(repo.path, "init", "--quiet")
    get = "random.seed(json.load(open('params.yaml'))['base']['random_state'])\n"
    get = f"import json, random\n{get}open('data.txt', 'w').write(str(random.random()))\n"
    train = "open('m.json', 'w').write('{\"acc\": ' + open('data.txt').read() + '}')\n"
    stages = (
        "stages:\n  get:\n    cmd: python get.py\n    deps: [get.py]\n    outs: [data.txt]\n"
        "  train:\n    cmd: python train.py\n    deps: [train.py, data.txt]\n"
        "    metrics:\n    - m.json: {cache: false}\n"
    )
    files = {"get.py": get, "train.py": train, "params.yaml": '{"base": {"random_state": 1}}\n'}
    repo.commit({**files, "dvc.yaml": stages})
    noted = init(repo.workspace).notes
    step = "in dvc.yaml, add base.random_state to params: of get, and commit"
    assert any(note.endswith(step) for note in noted)
    report = run(repo.workspace, RunRequest(repeats=6))
    assert report.stopped is not None
    assert report.stopped.next_step == step
    assert "no stage of dvc.yaml lists base.random_state" in (report.stopped.found or "")
    listed = stages.replace("    outs:", "    params: [base.random_state]\n    outs:")
    repo.commit({"dvc.yaml": listed})
    report = run(repo.workspace, RunRequest(repeats=3))
    assert report.stopped is None
    assert len({sample.value for sample in report.recorded[0].samples}) == 3


NESTED = """\
stages:
  count:
    cmd: python -c "import json; json.dump({'n':len(open('../raw.csv').read())},open('m.json','w'))"
    deps: [../raw.csv]
    metrics:
    - m.json: {cache: false}
"""


@pytest.mark.slow
def test_a_nested_project_gets_what_the_outer_one_keeps(tmp_path: Path) -> None:
    repo = repository(tmp_path / "nested")
    dvc(repo.path, "init", "-q")
    (repo.path / "sub").mkdir()
    dvc(repo.path / "sub", "init", "-q", "--subdir")
    repo.write({"raw.csv": "1\n2\n", "sub/dvc.yaml": NESTED, "sub/params.yaml": "seed: 1\n"})
    dvc(repo.path, "add", "-q", "raw.csv")
    repo.git("add", "--all")
    repo.commit(at=2)
    init(repo.workspace, InitRequest(project="sub"))
    report = run(repo.workspace, RunRequest())
    assert states(report) == [RepeatState.FINISHED]
    assert json.loads(dvc(repo.path, "status", "--json")) == {}
    assert json.loads(dvc(repo.path / "sub", "status", "--json")) == {}


OLD = (
    GIVEN
    + """\
  train:
    cmd: cat given.txt more/*.txt more/in/* > all && python -c
      "import json; json.dump({'n':len(open('all','rb').read())},open('m.json','w'))"
    deps: [given.txt, more]
    outs: [all]
    metrics:
    - m.json: {cache: false}
"""
)


def by_dvc_2(path: Path, ends: str) -> BuiltRepo:
    """Return a project as DVC 2 left it: objects below two digits, hashes without their kind."""
    repo = repository(path)
    dvc(repo.path, "init", "-q")
    repo.write(
        {"dvc.yaml": OLD.replace("FROZEN", "false"), "raw.txt": "1\n", "params.yaml": "seed: 1\n"}
    )
    repo.write({"more/a.txt": f"2{ends}3{ends}", "more/in/b.txt": "4\n"})
    dvc(repo.path, "add", "-q", "more")
    dvc(repo.path, "repro", "-q")
    repo.write({"dvc.yaml": OLD.replace("FROZEN", "true")})
    cache = repo.path / ".dvc" / "cache"
    written = [repo.path / "more.dvc", repo.path / "dvc.lock"]
    for file in sorted((cache / "files/md5").glob("*/*"), key=lambda file: file.suffix):
        text = file.read_bytes().replace(b"\r\n", b"\n")
        name = hashlib.md5(text, usedforsecurity=False).hexdigest() + file.suffix
        (cache / name[:2]).mkdir(exist_ok=True)
        for place in (*written, *(cache / "files/md5").glob("*/*.dir")):
            place.chmod(0o644)
            place.write_text(place.read_text().replace(file.parent.name + file.name, name))
        file.rename(cache / name[:2] / name[2:])
    for file in written:
        file.write_text(re.sub(r"\n *hash: md5", "", file.read_text()))
    repo.git("add", "--all")
    repo.commit(at=2)
    init(repo.workspace)
    wanted = NewRequest(
        name="x",
        hypothesis="n falls a bit",
        metric="n:min",
        effect=">0",
        repeats=1,
        seeds=SeedOrigin.COMMITTED,
    )
    new(repo.workspace, wanted)
    repo.commit({"params.yaml": "seed: 1\nmore: 1\n"}, at=3)
    return repo


@pytest.mark.slow
def test_data_that_dvc_2_added_are_run_with_and_stay_as_they_are(tmp_path: Path) -> None:
    repo = by_dvc_2(tmp_path / "repo", "\n")
    pointer = (repo.path / "more.dvc").read_bytes()
    assert json.loads(dvc(repo.path, "status", "--json")) == {}
    report = run(repo.workspace, RunRequest(with_baseline=True))
    assert states(report) == [RepeatState.FINISHED] * 2
    assert report.recorded[0].samples[0].value == 8
    assert (repo.path / "more.dvc").read_bytes() == pointer
    assert json.loads(dvc(repo.path, "status", "--json")) == {}


@pytest.mark.slow
def test_a_hash_of_dvc_2_that_may_name_other_bytes_is_refused_on_every_side(tmp_path: Path) -> None:
    repo = by_dvc_2(tmp_path / "repo", "\r\n")
    base = repo.hash("main")
    with pytest.raises(DataMissingError) as refused:
        run(repo.workspace, RunRequest())
    assert refused.value.where == f"candidate at {repo.hash()[:9]}, baseline at {base[:9]}"
    migrate, _, rest = refused.value.next_step.partition(", then commit what it changed; ")
    assert rest.startswith("then on the branch git merge main && gitexp amend-plan --baseline main")
    repo.git("switch", "-q", "main")
    for call in migrate.removeprefix("on main: ").split(" && "):
        dvc(repo.path, *shlex.split(call)[1:])
    repo.git("commit", "-qam", "present hashes")
    repo.git("switch", "-q", "exp/x")
    repo.git("merge", "-q", "main")
    amend_plan(repo.workspace, None, Terms(baseline="main"), why="DVC 2")
    report = run(repo.workspace, RunRequest(with_baseline=True))
    assert states(report) == [RepeatState.FINISHED] * 2
    assert report.recorded[0].samples[0].value == 10
