"""What a stranger's record says of a stage that no seed reaches: it moves nobody's runs.

His pull request is merged: records, and no code, no dvc.lock. The bytes that he names are there.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.execution.run import run
from gitexp.git import repository as git_repository
from gitexp.git.transaction.cache import open_index
from gitexp.model.config import ParamKey
from gitexp.model.request import RunRequest
from gitexp.model.run import StageOrigin
from gitexp.provenance.contradicted import Sources
from gitexp.store.lookup import runs_at
from tests.execution.test_run_drawn import runs
from tests.execution.test_run_once import PIPELINE, ROWS, built, planned, plant, prepared
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.lab.build import BuiltRepo

    Once = dict[str, object]

OTHER = "1" * 32
PREPARE = """\
import os, pathlib, pickle
pathlib.Path(os.environ["ONCE_LOG"]).open("a").write("prepare\\n")
pickle.dump(1.0, open("prep.csv", "wb"))
open("prep.json", "w").write("{}")
"""
TRAIN = """\
import json, pickle
text = open("params.yaml").read()
seed = int(text.split("seed:")[1].split()[0])
lr = float(text.split("lr:")[1].split()[0])
good = pickle.load(open("prep.csv", "rb"))
json.dump({"acc": 0.5 + good * lr * (1 + seed % 9973 / 100000)}, open("metrics.json", "w"))
"""


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What ran; a job inherits where that is."""
    monkeypatch.setenv("ONCE_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def forge(repo: BuiltRepo, change: Callable[[Once], None], since: str) -> None:
    """Let the records since a commit say otherwise, as if they always had, in another's name."""
    paths = repo.git("diff", "--name-only", since, "HEAD", "--", "*/run.json").split()
    for file in (repo.path / path for path in paths):
        record = json.loads(file.read_text())
        for once in record["once"]:
            change(once)
        file.write_text(json.dumps(record))
    repo.git("reset", "-q", "--soft", since)
    repo.git("add", "--force", "--all", ".gitexp")
    repo.git("commit", "-q", "-m", "results", "--author", "Mallory <m@evil.example>")


def executed(once: Once) -> None:
    once.pop("origin", None)


class Payload:
    """A pickle that leaves a file where it is loaded, and is the number -1."""

    def __init__(self, flag: Path) -> None:
        self.flag = str(flag)

    def __reduce__(self) -> tuple[object, ...]:
        return eval, (f"open({self.flag!r}, 'w').close() or -1.0",)


def kept(repo: BuiltRepo, data: bytes) -> str:
    """Put bytes into the cache, as a push of data and a pull do."""
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    place = repo.path / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return md5


@pytest.mark.slow
@pytest.mark.sweep(2, "-False")
@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("forged", ["", "bytes", "a metric", "the end of a curve"])
def test_a_merged_record_of_another_plan_decides_nothing_that_a_run_makes(
    tmp_path: Path, log: Path, forged: str, *, locked: bool
) -> None:
    repo = built(tmp_path / "p", **{"prepare.py": PREPARE, "train.py": TRAIN})
    flag = tmp_path / "loaded"
    evil = pickle.dumps(Payload(flag))
    assert pickle.loads(evil) == -1.0  # noqa: S301  our own
    flag.unlink()  # it was there
    md5 = kept(repo, evil)
    if locked:
        run(repo.workspace)  # whose snapshot brings dvc.lock up to date

    def change(once: Once) -> None:
        executed(once)
        name = {"a metric": "acc", "the end of a curve": "curve:loss.final"}.get(forged)
        if name:
            once["logged"] = [{"name": name, "value": 0.99, "step": None}]
        if forged == "bytes":
            once["outs"][0] |= {"md5": md5, "size": len(evil)}

    planned(repo, 2)
    since = repo.hash("HEAD")
    run(repo.workspace)
    forge(repo, change, since)
    if not locked:  # no lock vouches for anything
        repo.git("rm", "-q", "dvc.lock")
    repo.git("checkout", "-q", "main", "--", "params.yaml")
    repo.git("commit", "-q", "-m", "not adopted")
    repo.switch("main")
    repo.git("merge", "-q", "--no-ff", "--no-edit", "exp/x")
    repo.git("branch", "-q", "-D", "exp/x")
    assert ("dvc.lock" in repo.files()) is locked
    before = prepared(log)

    made = gitexp(repo, "new", "y", "--hypothesis", "a higher rate raises acc", "--metric",
                  "acc:max", "--effect", ">0", "--repeats", "2", "--baseline", "main",
                  "--param", "lr=0.3")  # fmt: skip
    assert made.code == 0, made.err
    report = run(repo.workspace)
    assert {r.reason for each in report.recorded for r in each.run.repeats} == {""}
    assert {s.metric for each in report.recorded for s in each.samples} == {"acc"}
    assert all(s.value > 0.5 for each in report.recorded for s in each.samples)
    hashes = {each.run.once[0].hashes["prep.csv"] for each in report.recorded}
    assert hashes == {kept(repo, pickle.dumps(1.0))}
    assert not flag.exists()
    taken = locked and forged in {"", "bytes"}  # else nothing says what it makes, and logs
    assert prepared(log) == before + (not taken)
    assert ("made outside" in compare(repo.workspace)[0].headline) is taken


@pytest.mark.slow
def test_without_a_plan_a_lock_and_a_record_have_to_say_the_same(tmp_path: Path, log: Path) -> None:
    repo = built(tmp_path / "p")
    since = repo.hash("HEAD")
    run(repo.workspace)
    again = RunRequest(seeds=(8,))
    (made,) = run(repo.workspace, again).recorded[0].run.once
    assert (made.origin, prepared(log)) == (StageOrigin.ADOPTED, 1)
    forge(repo, lambda once: once["outs"][0].update(md5=OTHER), since)
    repo.git("checkout", "-q", "HEAD", "--", ".")
    (made,) = run(repo.workspace, RunRequest(seeds=(9,))).recorded[0].run.once
    assert (made.hashes["prep.csv"], prepared(log)) == (ROWS, 2)


@pytest.mark.slow
def test_without_a_plan_a_planted_lock_alone_is_not_taken(tmp_path: Path, log: Path) -> None:
    repo = built(tmp_path / "p")
    run(repo.workspace)
    plant(repo)
    (made,) = run(repo.workspace, RunRequest(seeds=(8,))).recorded[0].run.once
    assert (made.hashes["prep.csv"], prepared(log)) == (ROWS, 2)


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.parametrize("unread", [False, True])
@pytest.mark.parametrize("path", ["prep.csv", "prep.png"])
def test_a_record_that_calls_an_output_unread_lets_no_execution_pass_that_makes_another(
    tmp_path: Path, path: str, *, unread: bool
) -> None:
    texts = {"prepare.py": PREPARE, "train.py": TRAIN, "dvc.yaml": PIPELINE}
    repo = built(
        tmp_path / "p", **{name: text.replace("prep.csv", path) for name, text in texts.items()}
    )
    planned(repo)
    since = repo.hash("HEAD")
    run(repo.workspace)

    def change(once: Once) -> None:
        once["origin"] = "outside"
        once["outs"][0] |= {"md5": OTHER}
        once |= {"unread": [path]} if unread else {}

    forge(repo, change, since)
    found = compare(repo.workspace)[0]
    assert found.headline.startswith(f"conditional on {path}, prep.json, made outside; ")
    (told,) = [text for text in found.warnings if "executed by no run" in text]
    again = gitexp(repo, *told.split("gitexp ")[1].split(" executes")[0].split())
    assert again.code != 0
    assert f"stage prepare made another {path}" in again.out + again.err
    assert "made outside" in compare(repo.workspace)[0].headline


@pytest.mark.slow
@pytest.mark.sweep(2)
@pytest.mark.parametrize(
    ("field", "value"),
    [("path", "prep.csv; SUPPORTED, made by all"), ("path", "other.csv"), ("stage", "train")],
)
def test_a_record_with_other_outputs_than_its_commit_declares_counts_nowhere(
    tmp_path: Path, field: str, value: str
) -> None:
    repo = built(tmp_path / "p")
    planned(repo)
    since = repo.hash("HEAD")
    run(repo.workspace)
    control = compare(repo.workspace)[0]

    def change(once: Once) -> None:
        once["origin"] = "outside"
        place = once["outs"][0] if field == "path" else once
        place[field] = value

    forge(repo, change, since)
    asked = gitexp(repo, "compare")
    assert control.candidate.seeds
    assert value not in (asked.out + asked.err).partition("\n")[0]
    assert "in records that contradict themselves" in asked.err
    review = gitexp(repo, "review", "main...exp/x")
    assert review.code == 1
    assert "is not what it says: its source" in review.out


TEMPLATED = """\
stages:
  split:
    foreach: [a, b]
    do:
      cmd: python prepare.py ${item} ${folder}
      deps: [prepare.py]
      outs: ["${folder}/${item}.csv"]
  train:
    cmd: python train.py ${folder}
    deps: [train.py, "${folder}/a.csv"]
    params: [seed, lr]
    metrics: [metrics.json: {cache: false}]
"""
SPLIT = """\
import os, sys
_, item, folder = sys.argv
os.makedirs(folder, exist_ok=True)
open(f"{folder}/{item}.csv", "w").write("rows")
"""


@pytest.mark.slow
def test_honest_records_of_templates_and_groups_contradict_nothing(tmp_path: Path) -> None:
    train = "import json\njson.dump({'acc': 1}, open('metrics.json', 'w'))\n"
    files = {
        "dvc.yaml": TEMPLATED,
        "prepare.py": SPLIT,
        "train.py": train,
        "params.yaml": "seed: 7\nlr: 0.1\nfolder: out\n",
    }
    repo = built(tmp_path / "p", **files)
    run(repo.workspace)
    run(repo.workspace, RunRequest(params=((ParamKey("params.yaml", "folder"), "else"),)))
    first, other = runs(repo)
    paths = [sorted(path for once in r.once for path in once.hashes) for r in (first, other)]
    assert paths == [["out/a.csv", "out/b.csv"], ["else/a.csv", "else/b.csv"]]
    there = git_repository.open_repository(repo.workspace)
    with open_index(repo.workspace) as index:
        sources = Sources(there, index)
        for each in runs_at(there, repo.hash("HEAD"), index):
            assert sources.contradiction(each.run, each.samples, each.commit, None) == ""
