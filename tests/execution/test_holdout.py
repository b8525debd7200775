"""A hidden holdout: no job reads its command, which scores what every repeat has kept, once."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.dvc.cache import object_path
from gitexp.errors import (
    CommandFailedError,
    DataMissingError,
    ExistsError,
    GitexpError,
    LockedError,
    NoSamplesError,
    NoSpaceError,
    PreflightError,
    UnsafeInputError,
    UsageError,
)
from gitexp.execution.engines import process
from gitexp.execution.record import Record
from gitexp.execution.run import run
from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.git.transaction import layout
from gitexp.model.config import ParamKey
from gitexp.model.ids import Md5
from gitexp.model.plan import Direction, SeedOrigin
from gitexp.model.request import InitRequest, NewRequest, RunRequest
from gitexp.provenance import trust_settings
from gitexp.text import samples as samples_format
from gitexp.views.list_runs import list_runs
from tests.lab import build
from tests.lab.build import BuiltRepo, repository
from tests.lab.shell import environment, gitexp
from tests.lab.waiting import until

if TYPE_CHECKING:
    from gitexp.git.writing import Content
    from gitexp.model.report import RunReport

# What a job of the same account can look at: Git's settings, variables of all above it, files.
SPY = """\
import json, os, pathlib, subprocess
told = [subprocess.run(["git", "config", "--list"], capture_output=True, text=True).stdout]
told += [str(dict(os.environ))]
pid = os.getpid()
while pid > 1:
    try:
        told.append(pathlib.Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "replace"))
        pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        break
json.dump({"found": int("score-hidden" in " ".join(told))}, open("metrics.json", "w"))
"""
PIPELINE = """\
stages:
  train:
    cmd: python spy.py
    deps: [spy.py]
    params: [seed]
    metrics:
    - metrics.json: {cache: false}
"""
COMMAND = "python /elsewhere/score-hidden.py"


@pytest.fixture
def repo(tmp_path: Path) -> BuiltRepo:
    files = {"spy.py": SPY, "dvc.yaml": PIPELINE, "params.yaml": "seed: 7\n"}

    def make(folder: Path) -> None:
        made = repository(folder)
        made.commit({**files, **build.dvc_files()})
        init(made.workspace, InitRequest(metrics=("metrics.json",)))

    return build.copied(tmp_path / "p", make, files)


def of_call(key: str, command: str = COMMAND) -> dict[str, str]:
    counted = environment().get("GIT_CONFIG_COUNT", "0")
    return {
        "GIT_CONFIG_COUNT": str(int(counted) + 1),
        f"GIT_CONFIG_KEY_{counted}": key,
        f"GIT_CONFIG_VALUE_{counted}": command,
    }


def found_by_job(repo: BuiltRepo) -> list[float]:
    return [each.mean for item in list_runs(repo.workspace).runs for each in item.metrics]


@pytest.mark.parametrize(
    ("key", "code"), [("gitexp.holdout", 3), ("gitexp.Holdout", 3), ("gitexp.other", 0)]
)
def test_a_call_that_has_the_holdout_begins_no_job(repo: BuiltRepo, key: str, code: int) -> None:
    done = gitexp(repo, "run", env=of_call(key))
    assert done.code == code, done.err
    assert ("gitexp.holdout is set" in done.err) is bool(code)
    assert COMMAND not in done.err
    shown = gitexp(repo, "list", "--runs").out
    assert ("no run found" in shown) is bool(code)
    if not code:  # what a job would have found
        assert found_by_job(repo) == [1]


@pytest.mark.parametrize("scope", ["local", "global"])
def test_nor_does_one_where_a_file_has_it(
    repo: BuiltRepo, scope: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = {"local": repo.path / ".git/config", "global": tmp_path / "gitconfig"}[scope]
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    repo.git("config", "--file", str(tmp_path / "gitconfig"), "user.name", "A")
    repo.git("config", "--file", str(tmp_path / "gitconfig"), "user.email", "a@example.org")
    repo.git("config", "--file", str(file), "gitexp.holdout", COMMAND)
    with pytest.raises(PreflightError, match=r"gitexp\.holdout is set") as caught:
        run(repo.workspace, RunRequest())
    assert f"git config --{scope} --unset-all" in caught.value.next_step
    repo.git("config", "--file", str(file), "--unset-all", "gitexp.holdout")
    run(repo.workspace, RunRequest())
    assert found_by_job(repo) == [0]


TRAIN = """\
import json
text = open("params.yaml").read()
seed = int(text.split("seed:")[1].split()[0])
lr = float(text.split("lr:")[1].split()[0])
open("model.txt", "w").write(f"{lr} {seed}")
open("other.txt", "w").write(f"{seed}")
json.dump({"acc": lr + seed % 7 / 100}, open("metrics.json", "w"))
"""
TRAINING = """\
stages:
  train:
    cmd: python train.py
    deps: [train.py]
    params: [seed, lr]
    outs: [model.txt, other.txt]
    metrics: [metrics.json: {cache: false}]
"""
SCORE = """\
import json, os, pathlib
lr, seed = map(float, open("model.txt").read().split())
log = pathlib.Path(__file__).with_name("log")
seen = {"cwd": os.getcwd(), "files": sorted(os.listdir(".")), "env": sorted(os.environ)}
with log.open("a") as file:
    file.write(json.dumps(seen | {"model": [lr, seed]}) + "\\n")
print("said to nobody")
print(json.dumps({"hidden": lr + seed % 5 / 100}))
"""


def make_planned(
    folder: Path, *, keep: str = "[model.txt]", train: str = TRAIN, repeats: int | None = None
) -> None:
    repo = repository(folder)
    stages = TRAINING.replace("model.txt", keep.strip("[]") or "model.txt")
    train = train.replace("model.txt", keep.strip("[]") or "model.txt")
    files = {"dvc.yaml": stages, "train.py": train, "params.yaml": "seed: 7\nlr: 0.1\n"}
    repo.commit({**files, **build.dvc_files()})
    init(repo.workspace, InitRequest())
    config = repo.path / ".gitexp/config.yaml"
    text = config.read_text("utf-8").replace("run:\n", f"run:\n  keep: {keep}\n")
    repo.commit({".gitexp/config.yaml": text if keep else config.read_text("utf-8")})
    request = NewRequest(
        name="gain",
        hypothesis="a higher rate raises it",
        metric="acc",
        direction=Direction.MAX,
        effect=">0",
        repeats=5,
        params=((ParamKey("params.yaml", "lr"), 0.2),),
        seeds=SeedOrigin.DRAWN,
    )
    new(repo.workspace, request)
    if repeats != 0:
        run(repo.workspace, RunRequest(repeats=repeats))


@pytest.fixture
def planned(tmp_path: Path) -> BuiltRepo:
    """An experiment whose five repeats a side are there, and keep their model."""
    return build.copied(tmp_path / "planned", make_planned, TRAIN, TRAINING)


@pytest.fixture
def hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The script of a holdout, set for this call."""
    script = tmp_path / "hidden/score.py"
    script.parent.mkdir()
    script.write_text(SCORE)
    setting(monkeypatch, f"{sys.executable} {script}")
    return script


def setting(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    for key, value in of_call("gitexp.holdout", command).items():
        monkeypatch.setenv(key, value)


def scored(repo: BuiltRepo, **more: object) -> RunReport:
    return run(repo.workspace, RunRequest(holdout=True, **more))  # type: ignore[arg-type]


def test_both_sides_are_scored_blind_and_recorded_in_one_commit(
    planned: BuiltRepo, hidden: Path
) -> None:
    before = planned.hash()
    report = scored(planned)
    assert report.commit == planned.hash()
    assert planned.git("rev-parse", "HEAD^") == before
    log = [json.loads(line) for line in hidden.with_name("log").read_text().splitlines()]
    places = [Path(each["cwd"]) for each in log]
    assert len({*places}) == len(log) == 10
    assert not any(place.exists() or place.is_relative_to(planned.path) for place in places)
    assert all(each["files"] == ["model.txt"] for each in log)
    assert not [name for each in log for name in each["env"] if name.startswith("GIT")]
    assert {each["model"][0] for each in log} == {0.1, 0.2}
    assert [each["model"][0] for each in log] != sorted(each["model"][0] for each in log)
    assert {each.side for each in report.recorded} == {"candidate", "baseline"}
    for each in report.recorded:
        lr = {"candidate": 0.2, "baseline": 0.1}[each.side]
        want = {repeat.seed: lr + repeat.seed % 5 / 100 for repeat in each.run.repeats}
        assert {row.seed: row.value for row in each.samples} == pytest.approx(want)
        assert {row.metric for row in each.samples} == {"holdout:hidden"}
        assert [out.path for repeat in each.run.repeats for out in repeat.outputs] == [
            "model.txt"
        ] * 5
    text = "".join(planned.show(path) for path in planned.files() if ".gitexp/runs" in path)
    assert "score.py" not in text
    (found,) = compare(planned.workspace)
    (own,) = [each for each in found.metrics if each.metric == "holdout:hidden"]
    assert (own.n_baseline, own.n_candidate) == (5, 5)
    assert own.difference == pytest.approx(0.1)
    assert own.role.value != "primary"


def test_what_is_scored_acts_on_no_other_answer(planned: BuiltRepo, hidden: Path) -> None:
    (before,) = compare(planned.workspace)
    checked = gitexp(planned, "check", "main..HEAD")
    tip = planned.hash()
    said = [gitexp(planned, verb, "--json").out for verb in ("list", "status")]
    scores = scored(planned)
    (after,) = compare(planned.workspace)
    same = {"verdict", "headline", "unused", "looks", "pairs", "siblings", "next_step", "warnings"}
    assert {key: getattr(after, key) for key in same} == {key: getattr(before, key) for key in same}
    now = [gitexp(planned, verb, "--json").out for verb in ("list", "status")]
    now = [text.replace(planned.hash(), tip).replace('"runs":4', '"runs":2') for text in now]
    assert now == said
    assert [each for each in after.metrics if "holdout" not in each.metric] == list(before.metrics)
    assert gitexp(planned, "check", "main..HEAD").code == checked.code == 0
    assert "holdout:hidden" in gitexp(planned, "list", "--runs").out
    shown = gitexp(planned, "show", scores.recorded[0].run.id).out
    assert "reported, by a hidden holdout" in shown
    assert "gitexp logs" not in shown
    what = ("--effect", ">0", "--hypothesis", "it is better there", "--baseline", "HEAD")
    done = gitexp(planned, "new", "next", "--metric", "hidden:max", *what)
    assert "no metric is called hidden" in done.err
    assert "holdout" not in done.err
    assert hidden.exists()


def refused(repo: BuiltRepo, kind: type[GitexpError], text: str, **more: object) -> GitexpError:
    """Return why nothing was scored; nothing was recorded either, and nothing is left."""
    before, folder = repo.refs(), repo.path.with_name(f"{repo.path.name}-temporary")
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        with pytest.raises(kind, match=text) as caught:
            scored(repo, **more)
    assert repo.refs() == before
    assert not [*folder.iterdir()]
    return caught.value


def test_a_command_of_the_repositorys_own_is_none(planned: BuiltRepo, tmp_path: Path) -> None:
    named = tmp_path / "named"
    planned.git("config", "gitexp.holdout", f"touch {named}; echo '{{\"a\": 1}}'")
    refused(planned, PreflightError, "no command is set")
    with pytest.raises(PreflightError, match=r"gitexp\.holdout is set"):
        run(planned.workspace, RunRequest(seeds=(99,)))
    planned.git("config", "--unset-all", "gitexp.holdout")
    text = (planned.path / ".gitexp/config.yaml").read_text("utf-8")
    planned.commit({".gitexp/config.yaml": text.replace("run:\n", "run:\n  holdout: touch x\n")})
    assert gitexp(planned, "run", "--holdout").code == 3
    assert not named.exists()


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("true", "its last line is no score"),
        ("echo 0.5", "its last line is no score"),
        ("echo '[0.5]'", "its last line is no score"),
        ("""echo '{"a": NaN}'""", "its last line is no score"),
        ("""echo '{"a": Infinity}'""", "its last line is no score"),
        ("""echo '{"a": 1e999}'""", "its last line is no score"),
        ("""echo '{"a": true}'""", "its last line is no score"),
        ("""echo '{"a": "0.5"}'""", "its last line is no score"),
        ("""echo '{"a": 1, "b": 2}'""", "its last line is no score"),
        ("""echo '{"a:b": 1}'""", "its last line is no score"),
        ("""echo '{"a": 1}'; echo done""", "its last line is no score"),
        ("""printf '%5000s' '{"a": 1}' | tr ' ' '0'""", "its last line is no score"),
        ("""echo "{\\"a$(cat model.txt | tr -d '. ')\\": 1}" """, "another NAME than before"),
        ("""echo '{"a": 1}'; exit 4""", "exit code 4"),
        ("""echo '{"a": 1}'; kill -9 $$""", "exit code -9"),
        ("no-such-command-as-this", "exit code 127"),
        ("yes | head -c 20000000; sleep 9", "it printed more than 16 MiB"),
    ],
)
def test_what_prints_no_score_records_nothing(
    planned: BuiltRepo, monkeypatch: pytest.MonkeyPatch, command: str, why: str
) -> None:
    setting(monkeypatch, command)
    error = refused(planned, CommandFailedError, "did not score a repeat, so nothing is recorded")
    assert error.found.startswith(why)
    assert "in an order of chance" in error.found  # neither side nor seed


def test_all_but_the_last_line_is_passed_over(
    planned: BuiltRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(
        monkeypatch, """echo '{"a": 1}' >&2; echo; echo '{"b": NaN}'; echo ' {"a": -2e-3} '; echo"""
    )
    report = scored(planned)
    assert {row.value for each in report.recorded for row in each.samples} == {-0.002}


def test_a_repeat_has_so_much_time_and_no_more(
    planned: BuiltRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(monkeypatch, "sleep 30")
    error = refused(planned, CommandFailedError, "did not score", timeout_s=0.3)
    assert error.found.startswith("it took longer than 0.3 s")
    told: list[str] = []
    request = RunRequest(holdout=True, timeout_s=0.3)
    with pytest.raises(CommandFailedError):
        run(planned.workspace, request, tell=lambda event: told.append(event.message))
    assert told[0] == "scoring 10 repeats, at most 0.3 s each"


def test_no_job_runs_while_it_is_scored(
    planned: BuiltRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever was first: a job could read the variables of the call that scores."""
    begun, go_on = tmp_path / "begun", tmp_path / "go"
    wait = (
        f"import os, time\nopen({str(begun)!r}, 'w')\nwhile not os.path.exists({str(go_on)!r}):\n"
    )
    text = (planned.path / "train.py").read_text("utf-8")
    planned.commit({"train.py": f"{wait}    time.sleep(0.05)\n{text}"})
    argv = [sys.executable, "-m", "gitexp", "run", "--seeds", "99", "--at", "HEAD"]
    with subprocess.Popen(argv, cwd=planned.path, env=environment()) as job:
        until(begun.exists)
        setting(monkeypatch, "true")
        refused(planned, LockedError, "jobs go on, and one could read the command")
        go_on.touch()
    assert job.returncode == 0
    monkeypatch.setenv("GIT_CONFIG_COUNT", "0")
    with trust_settings.holdout_lock(planned.workspace), pytest.raises(LockedError) as caught:
        run(planned.workspace, RunRequest(seeds=(98,)))
    assert caught.value.summary == "a holdout is being scored, and a job could read its command"


def test_what_a_command_leaves_behind_ends_with_it(
    planned: BuiltRepo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    setting(monkeypatch, f"""sleep 99 & echo $! >> {pids}; echo '{{"a": 1}}'""")
    scored(planned)
    found = [int(pid) for pid in pids.read_text().split()]
    assert len(found) == 10
    until(lambda: not any(process.lives(process.identity(pid)) for pid in found))


def test_killed_in_the_middle_it_is_done_whole_by_the_next_call(
    planned: BuiltRepo, tmp_path: Path
) -> None:
    count = tmp_path / "count"
    kill = (
        f"""echo x >> {count}; test $(wc -l < {count}) -ne 4 || kill -9 $PPID; echo '{{"a": 1}}'"""
    )
    before = planned.refs()
    assert gitexp(planned, "run", "--holdout", env=of_call("gitexp.holdout", kill)).code != 0
    assert planned.refs() == before
    done = gitexp(planned, "run", "--holdout", env=of_call("gitexp.holdout", kill))
    assert done.code == 0, done.err
    assert len(count.read_text().splitlines()) == 4 + 10


def test_an_interrupt_records_nothing(planned: BuiltRepo, hidden: Path) -> None:
    asked: list[int] = []

    def interrupts() -> int:
        asked.append(1)
        return int(len(asked) > 5)

    before = planned.refs()
    report = run(planned.workspace, RunRequest(holdout=True), interrupts=interrupts)
    assert (report.interrupted, report.commit, report.recorded) == (True, None, ())
    assert planned.refs() == before
    assert hidden.exists()


def test_a_score_is_not_drawn_again(
    planned: BuiltRepo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nor where its record was taken out of the branch's files."""
    count = tmp_path / "count"
    chance = f"""echo x >> {count}; echo '{{"a": '$(wc -l < {count})'}}'"""
    setting(monkeypatch, chance)
    report = scored(planned)
    error = refused(planned, ExistsError, "this command has scored these repeats")
    assert all(each.run.id[:8] in error.found for each in report.recorded)
    planned.git("rm", "-r", "--quiet", ".gitexp/runs/" + report.recorded[0].run.id[:2])
    planned.git("commit", "--quiet", "--message", "it was bad")
    refused(planned, ExistsError, "this command has scored these repeats")
    assert len(count.read_text().splitlines()) == 10
    setting(monkeypatch, f"{chance} # another one, which is shown as such")
    assert scored(planned).commit


def test_what_a_branch_says_of_a_holdout_is_held_against_its_command(
    planned: BuiltRepo, hidden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forged record neither stands for a score, nor keeps anybody from making one."""
    own = BuiltRepo(shutil.copytree(planned.path, hidden.parent / "own", symlinks=True))
    forged: dict[str, Content] = {}
    for each in scored(own).recorded:
        rows = tuple(replace(row, value=0.99) for row in each.samples)
        digest = hashlib.sha256(samples_format.dump(rows)).hexdigest()
        other = replace(each.run, samples_sha256=digest)
        forged |= Record(other, rows, {}).files()
    planned.commit(forged)
    (told,) = compare(planned.workspace)
    assert not [each for each in told.metrics if each.metric.startswith("holdout:")]
    assert sum("as it is set, did not score that" in text for text in told.warnings) == 2
    report = scored(planned)  # what is forged has not been scored
    (told,) = compare(planned.workspace)
    (shown,) = [each for each in told.metrics if each.metric.startswith("holdout:")]
    assert shown.mean_candidate < 0.3
    monkeypatch.delenv("GIT_CONFIG_COUNT")
    for key, value in of_call("gitexp.other").items():
        monkeypatch.setenv(key, value)
    (told,) = compare(planned.workspace)  # who has no command cannot tell which is right
    assert not [each for each in told.metrics if each.metric.startswith("holdout:")]
    assert "holdout:hidden is not shown: records of it disagree" in told.warnings
    assert told.verdict is not None
    assert report.commit


def test_a_score_of_other_bytes_is_none_of_this_repeats(
    planned: BuiltRepo, hidden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record of the same inputs and seeds from elsewhere, where training made another model."""
    own = BuiltRepo(shutil.copytree(planned.path, hidden.parent / "own", symlinks=True))
    made: dict[str, Content] = {}
    for each in scored(own).recorded:
        repeats = tuple(
            replace(r, outputs=tuple(replace(o, md5=Md5("0" * 32)) for o in r.outputs))
            for r in each.run.repeats
        )
        made |= Record(replace(each.run, repeats=repeats), each.samples, {}).files()
    planned.commit(made)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "0")
    (told,) = compare(planned.workspace)
    assert not [each for each in told.metrics if each.metric.startswith("holdout:")]


def test_a_record_names_its_author_as_the_project_wants_it(
    planned: BuiltRepo, hidden: Path
) -> None:
    text = (planned.path / ".gitexp/config.yaml").read_text("utf-8")
    hashed = text.replace("identity: full", "identity: hash")
    planned.commit({".gitexp/config.yaml": hashed})
    for each in scored(planned).recorded:
        assert "Ada" in planned.git("log", "-1", "--format=%an")
        assert "Ada" not in planned.show(layout.run_json(each.run.id))
    assert [each for each in compare(planned.workspace)[0].metrics if "holdout" in each.metric]
    assert hidden.exists()


def test_nothing_is_scored_before_the_planned_repeats_are_there(
    tmp_path: Path, hidden: Path
) -> None:
    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GIT_CONFIG_COUNT", "0")
            make_planned(folder, repeats=2)

    repo = build.copied(tmp_path / "p", make, TRAIN, TRAINING, "two of five")
    error = refused(repo, NoSamplesError, "when the planned repeats are there")
    assert (error.found, error.expected) == (
        "baseline 2, candidate 2",
        "5 that count on each side",
    )
    assert hidden.exists()


@pytest.mark.parametrize("keep", ["", "[helper.py]"])
def test_what_cannot_be_scored_is_said_before(tmp_path: Path, hidden: Path, keep: str) -> None:
    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GIT_CONFIG_COUNT", "0")
            make_planned(folder, keep=keep)

    repo = build.copied(tmp_path / "p", make, TRAIN, TRAINING, keep)
    if keep:
        refused(repo, UnsafeInputError, "would be taken for code")
    else:
        refused(repo, NoSamplesError, "not every repeat has kept what is to be scored")
    assert not hidden.with_name("log").exists()


def test_a_copy_that_would_fill_the_disk_is_not_made(
    planned: BuiltRepo, hidden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the size of what lies in the cache, whatever a record says of it."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    error = refused(planned, NoSpaceError, "not enough space for a copy")
    assert error.found == "1 MB free"
    assert not hidden.with_name("log").exists()


def test_bytes_that_are_gone_are_fetched_first(planned: BuiltRepo, hidden: Path) -> None:
    shutil.rmtree(planned.path / ".dvc/cache/files")
    error = refused(planned, DataMissingError, "what a repeat has kept is not here")
    assert error.next_step == "gitexp pull --data, then the same again"
    assert hidden.exists()


def test_temporary_files_in_the_repository_would_say_whose_outputs_they_are(
    planned: BuiltRepo, hidden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = planned.path / "tmp"
    inside.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(inside))
    with pytest.raises(PreflightError, match="temporary files lie in the repository"):
        scored(planned)
    assert hidden.exists()


@pytest.mark.parametrize(
    "option",
    [
        {"seeds": (7,)}, {"repeats": 9}, {"at": "main"}, {"again": True}, {"resume": True},
        {"jobs": 2}, {"with_baseline": True}, {"commit_message": "x"}, {"keep_going": True},
    ],
)  # fmt: skip
def test_what_begins_jobs_contradicts_it(
    planned: BuiltRepo, hidden: Path, option: dict[str, object]
) -> None:
    refused(planned, UsageError, "--holdout begins no job", **option)
    assert hidden.exists()


@pytest.mark.parametrize(
    "option",
    [
        ("--metric", "holdout:hidden:max"),
        ("--metric", "acc:max", "--guard", "holdout:hidden>=-1%"),
        ("--metric", "acc:max", "--failure", "holdout:hidden<0.1"),
    ],
)
def test_no_plan_rests_on_it(repo: BuiltRepo, option: tuple[str, ...]) -> None:
    """Nor one of a project of which nobody knows yet which metrics it reports."""
    what = ("--effect", ">0", "--hypothesis", "it is better there", "--repeats", "9")
    done = gitexp(repo, "new", "other", *what, *option)
    assert done.code == 3, done.err
    assert "cannot rest on what a hidden holdout scores" in done.err
    assert "refs/heads/exp/other" not in repo.refs()


def test_a_project_reports_no_metric_that_is_called_so(planned: BuiltRepo) -> None:
    text = (planned.path / "train.py").read_text("utf-8")
    own = text.replace('{"acc":', '{"holdout:hidden": 0.99, "acc":')
    planned.commit({"train.py": own})
    (each,) = run(planned.workspace, RunRequest(seeds=(1,))).recorded
    assert "holdout:hidden is" in each.run.repeats[0].reason


@pytest.mark.parametrize("make", ['os.mkfifo("model.txt")', 'os.symlink(LINK, "model.txt")'])
def test_what_a_repeat_keeps_is_a_regular_file(tmp_path: Path, make: str) -> None:
    """A pipe fails its repeat; of a link the bytes are kept that it led to where the job ran."""
    there = tmp_path / "there"
    there.write_text("other bytes")
    train = "\n".join(
        make.replace("LINK", repr(str(there))) if "model.txt" in line else line
        for line in f"import os\n{TRAIN}".splitlines()
    )
    repo = repository(tmp_path / "p")
    files = {"dvc.yaml": TRAINING, "train.py": train, "params.yaml": "seed: 7\nlr: 0.1\n"}
    repo.commit({**files, **build.dvc_files()})
    init(repo.workspace, InitRequest())
    (each,) = run(repo.workspace, RunRequest(timeout_s=20)).recorded
    (repeat,) = each.run.repeats
    found = {out.path: out.md5 for out in repeat.outputs}
    if "mkfifo" in make:
        assert repeat.state.value == "failed"
        assert not found
    else:
        assert found["model.txt"] == hashlib.md5(b"other bytes").hexdigest()  # noqa: S324  DVC's
        assert not object_path(repo.path / ".dvc/cache", found["model.txt"]).is_symlink()


def test_a_baseline_older_than_the_setting_keeps_what_its_candidate_names(
    tmp_path: Path, hidden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "0")
    repo = repository(tmp_path / "p")
    make_planned(repo.path, keep="", repeats=0)
    text = (repo.path / ".gitexp/config.yaml").read_text("utf-8")
    keep = text.replace("run:\n", "run:\n  keep: [model.txt]\n")
    repo.commit({".gitexp/config.yaml": keep})
    run(repo.workspace)
    setting(monkeypatch, f"{sys.executable} {hidden}")
    assert len(scored(repo).recorded) == 2


@pytest.mark.slow
def test_another_clone_fetches_what_every_repeat_kept_and_scores_it(
    planned: BuiltRepo, hidden: Path
) -> None:
    """As a job of CI does that alone has the command; its record goes back by a push."""
    there = hidden.parent
    build.dvc(planned.path, "remote", "add", "--default", "there", str(there / "data"))
    planned.git("commit", "--quiet", "--all", "--message", "a remote")
    repository(there / "git", bare=True)
    planned.git("remote", "add", "origin", str(there / "git"))
    planned.git("push", "--quiet", "origin", "main")
    done = gitexp(planned, "push", "--trust")
    assert done.code == 0, done.err
    other = build.clone(BuiltRepo(there / "git"), there / "other", "--branch", "exp/gain")
    refused(other, DataMissingError, "what a repeat has kept is not here")
    done = gitexp(other, "pull", "--data", "--trust")
    assert done.code == 0, done.err
    assert scored(other).commit
    (told,) = compare(other.workspace)
    assert [each.metric for each in told.metrics if each.metric.startswith("holdout:")]
