"""Outputs of a run: what its record names is in DVC's cache, all else vanishes with the run."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.dvc.cache import object_path, put
from gitexp.dvc.cache_objects import CacheConfig
from gitexp.dvc.exchange import take
from gitexp.errors import NoSpaceError, PreflightError, ReadOnlyError
from gitexp.execution.preflight import checks
from gitexp.execution.run import run
from gitexp.experiments.init import init
from gitexp.model.request import InitRequest, RunRequest
from gitexp.model.run import RepeatState
from tests.execution.test_run import digest, dvc, plain, states
from tests.lab.build import dvc_files, repository
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

SIZE = 1 << 20
TRAIN = """\
seed = int(open("params.yaml").read().split("seed:")[1].split()[0])
open("metrics.json", "w").write('{"acc": %r}' % (0.5 + seed / 1000))
open("model.txt", "wb").write(bytes([seed % 256]) * SIZE)
open("predictions.csv", "w").write(f"id,y_true,y_pred,score\\n1,1,1,0.{seed}\\n2,0,0,0.1\\n")
""".replace("SIZE", str(SIZE))


def listing(top: Path) -> dict[str, tuple[int, int, int]]:
    """Return size, mode and time of all files below a folder."""
    found = ((path, path.stat()) for path in top.rglob("*") if path.is_file())
    return {
        path.relative_to(top).as_posix(): (seen.st_size, seen.st_mode, seen.st_mtime_ns)
        for path, seen in found
    }


def models(repo: BuiltRepo) -> list[str]:
    """Return the objects in DVC's cache that are as large as a model."""
    found = listing(repo.path / ".dvc/cache")
    return sorted(path for path, (size, _, _) in found.items() if size == SIZE)


def left(repo: BuiltRepo) -> list[Path]:
    """Return what the run has left beside its logs."""
    return list((repo.path / ".git/gitexp/work").glob("runs/*/jobs/*/*/cache"))


def test_repeats_that_keep_nothing_leave_nothing(tmp_path: Path) -> None:
    repo = plain(tmp_path / "p", TRAIN, predictions="predictions.csv")
    report = run(repo.workspace, RunRequest(seeds=(8, 7, 9)))
    assert states(report) == [RepeatState.FINISHED] * 3
    (recorded,) = report.recorded
    kept = {repeat.seed: [out.path for out in repeat.outputs] for repeat in recorded.run.repeats}
    assert kept == {
        8: ["predictions.csv"],
        7: ["model.txt", "predictions.csv"],  # the committed seed
        9: ["predictions.csv"],
    }
    named = {out.md5 for repeat in recorded.run.repeats for out in repeat.outputs}
    have = listing(repo.path / ".dvc/cache/files/md5")
    assert {path.replace("/", "") for path in have} == named
    assert {stat.S_IMODE(mode) for _, mode, _ in have.values()} == {0o444}
    assert left(repo) == []
    assert (repo.path / "model.txt").stat().st_size == SIZE


@pytest.mark.slow
def test_ten_repeats_leave_one_model_and_dvc_agrees(tmp_path: Path) -> None:
    repo = plain(tmp_path / "p", TRAIN, predictions="predictions.csv")
    dvc(repo, "remote", "add", "--default", "there", str(tmp_path / "remote"))
    repo.git("commit", "--quiet", "-am", "a remote")
    (repo.path / "own.bin").write_bytes(b"x" * 100)
    dvc(repo, "add", "own.bin")
    repo.git("add", "own.bin.dvc", ".gitignore")
    repo.git("commit", "--quiet", "-m", "data")
    before = listing(repo.path / ".dvc/cache")
    report = run(repo.workspace, RunRequest(seeds=tuple(range(7, 17)), jobs=2))
    assert states(report) == [RepeatState.FINISHED] * 10
    assert len(models(repo)) == 1
    assert before.items() <= listing(repo.path / ".dvc/cache").items()
    after = listing(repo.path / ".dvc/cache/files")
    assert dvc(repo, "status", "--json").strip() == "{}"
    dvc(repo, "gc", "-A", "--force")  # everything that is left is named by a commit
    assert listing(repo.path / ".dvc/cache/files") == after
    (repo.path / "model.txt").unlink()
    dvc(repo, "checkout")
    assert (repo.path / "model.txt").stat().st_size == SIZE
    dvc(repo, "push")
    assert left(repo) == []


def keeping(repo: BuiltRepo, *paths: str) -> None:
    """Name outputs that every repeat keeps, and commit that."""
    file = repo.path / ".gitexp/config.yaml"
    text = file.read_text("utf-8")
    file.write_text(text.replace("run:\n", f"run:\n  keep: {json.dumps(paths)}\n"), "utf-8")
    repo.git("commit", "--quiet", "--all", "--message", "what every repeat keeps")


def test_every_repeat_keeps_what_the_settings_name(tmp_path: Path) -> None:
    repo = plain(tmp_path / "p", TRAIN, outputs=("model.txt", "other.txt"))
    before = digest(repo)
    keeping(repo, "model.txt")
    assert digest(repo) == before  # whatever ran before counts all the same
    text = (repo.path / "train.py").read_text("utf-8")
    repo.commit({"train.py": f"{text}open('other.txt', 'w').write(str(seed))\n"})
    report = run(repo.workspace, RunRequest(seeds=(8, 7, 9), jobs=2))
    assert states(report) == [RepeatState.FINISHED] * 3
    (recorded,) = report.recorded
    kept = {repeat.seed: repeat.outputs for repeat in recorded.run.repeats}
    assert [out.path for out in kept[7]] == ["model.txt", "other.txt"]
    assert [out.path for seed in (8, 9) for out in kept[seed]] == ["model.txt"] * 2
    assert len({out.md5 for each in kept.values() for out in each}) == 4
    assert len(models(repo)) == 3
    after = listing(repo.path / ".dvc/cache/files")
    dvc(repo, "gc", "-A", "--force")
    assert listing(repo.path / ".dvc/cache/files") == after
    assert left(repo) == []
    assert gitexp(repo, "check", "HEAD~1..HEAD").code == 0


def test_what_runs_once_is_kept_of_every_repeat(tmp_path: Path) -> None:
    """A repeat that took it from the first one has it, too: it is scored by what it was made of."""
    repo = repository(tmp_path / "p")
    stages = """\
stages:
  prepare:
    cmd: echo rows > prep.csv
    outs: [prep.csv]
  train:
    cmd: python train.py
    deps: [train.py, prep.csv]
    params: [seed]
    outs: [model.txt]
    metrics: [metrics.json: {cache: false}]
"""
    repo.commit({"dvc.yaml": stages, "train.py": TRAIN, "params.yaml": "seed: 7\n", **dvc_files()})
    init(repo.workspace, InitRequest())
    keeping(repo, "prep.csv", "model.txt")
    report = run(repo.workspace, RunRequest(seeds=(7, 8)))
    kept = [[o.path for o in r.outputs] for e in report.recorded for r in e.run.repeats]
    assert [sorted(paths) for paths in kept] == [["model.txt", "prep.csv"]] * 2


@pytest.mark.parametrize("path", ["metrics.json", "model.text", "train.py"])
def test_what_no_stage_puts_into_the_cache_cannot_be_kept(tmp_path: Path, path: str) -> None:
    repo = plain(tmp_path / "p", TRAIN)
    keeping(repo, path)
    with pytest.raises(PreflightError, match="no stage that a run executes has this") as caught:
        run(repo.workspace, RunRequest())
    assert (caught.value.found, caught.value.expected) == (path, "model.txt")


def test_the_first_repeat_keeps_all_where_the_committed_seed_is_not_run(tmp_path: Path) -> None:
    repo = plain(tmp_path / "p", TRAIN)
    report = run(repo.workspace, RunRequest(seeds=(8, 9)))
    kept = [[out.path for out in r.outputs] for e in report.recorded for r in e.run.repeats]
    assert kept == [["model.txt"], []]
    assert len(models(repo)) == 1


@pytest.mark.slow
def test_after_a_first_repeat_that_failed_any_other_keeps_all(tmp_path: Path) -> None:
    repo = plain(tmp_path / "p", f"{TRAIN}assert seed != 7\n")
    report = run(repo.workspace, RunRequest(seeds=(7, 8, 9), keep_going=True))
    kept = [[out.path for out in r.outputs] for e in report.recorded for r in e.run.repeats]
    assert kept == [[], ["model.txt"], []]
    assert len(models(repo)) == 1
    assert left(repo) == []


def test_a_cache_that_takes_nothing_stops_the_run_before_its_first_repeat(tmp_path: Path) -> None:
    repo = plain(tmp_path / "p", TRAIN)
    cache = repo.path / ".dvc/cache/files/md5"
    cache.mkdir(parents=True, exist_ok=True)
    cache.chmod(0o555)
    if os.access(cache, os.W_OK):
        pytest.skip("nothing is read-only to root")
    with pytest.raises(ReadOnlyError) as refused:
        run(repo.workspace, RunRequest(seeds=(7,)))
    assert refused.value.where == str(cache)
    assert left(repo) == []
    cache.chmod(0o755)
    assert states(run(repo.workspace, RunRequest(seeds=(7,)))) == [RepeatState.FINISHED]


def test_what_is_not_enough_space_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoSpaceError) as refused:
        checks.check_space(tmp_path, tmp_path / "c", tree_bytes=1 << 60, slots=1)
    assert refused.value.where == str(tmp_path)
    assert "1 worktrees" in refused.value.expected


def elsewhere(tmp_path: Path) -> Path:
    """Return a folder on another file system."""
    there = Path("/dev/shm")  # noqa: S108  by nature there
    if not there.is_dir() or there.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is only one file system here")
    return there


@pytest.mark.parametrize("far", [False, True])
def test_a_folder_is_taken_members_first_wherever_the_cache_lies(
    tmp_path: Path, *, far: bool
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "small").write_text("a")
    (folder / "large").write_bytes(b"b" * SIZE)
    here = CacheConfig(tmp_path / "here")
    made = put(here, tmp_path, "data")
    base = elsewhere(tmp_path) / f"gitexp-test-{os.getpid()}" if far else tmp_path
    there = CacheConfig(base / "there", shared=True)
    try:
        assert take(here, there, made.md5)
        found = listing(there.dir / "files/md5")
        assert len(found) == 3
        assert {stat.S_IMODE(mode) for _, mode, _ in found.values()} == {0o444}
        parents = {path.parent for path in there.dir.rglob("*") if path.is_file()}
        assert {stat.S_IMODE(path.stat().st_mode) for path in parents} == {0o2775}
    finally:
        for path in sorted(there.dir.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


def test_what_is_damaged_or_gone_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a")
    here, there = CacheConfig(tmp_path / "here"), CacheConfig(tmp_path / "there")
    made = put(here, tmp_path, "file")
    path = object_path(here.dir, made.md5)
    path.chmod(0o644)
    path.write_text("b")
    assert not take(here, there, made.md5)
    path.unlink()
    assert not take(here, there, made.md5)
    path.symlink_to(tmp_path / "file")  # the right bytes, while who put it there likes
    assert not take(here, there, made.md5)
    assert listing(there.dir) == {}
    path.unlink()
    put(there, tmp_path, "file")
    assert take(here, there, made.md5)
