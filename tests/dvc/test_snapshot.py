"""A stage executed by us and recorded by us, judged by the real dvc."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.dvc import cache as objects
from gitexp.dvc import dvcfiles, dvcwrite, gitignore, pipeline, placement, pointers, stage_records
from gitexp.dvc.hashing import Memo
from gitexp.errors import CommandFailedError, DataMissingError, LockedError, UnsafeInputError
from gitexp.git.repository import open_repository
from gitexp.model.config import ProjectConfig
from gitexp.model.job import Stage, StageOut, StageParams
from gitexp.model.run import FileHash
from gitexp.text import params
from tests.lab.build import BuiltRepo, dvc, git_environment, repository

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gitexp.dvc.cache_objects import CacheConfig
    from gitexp.model.job import StageRecord

CONFIG = ProjectConfig(pipeline="dvc.yaml")

EVERYTHING = """\
vars:
- word: hi
stages:
  use:
    cmd:
    - cat sub/made.txt raw/a.csv parts/*.txt > all.txt
    - ls src > names.txt
    deps: [sub/made.txt, raw/a.csv, parts, ./src, run.sh]
    params: [train, seed, more.yaml: null]
    outs:
    - all.txt
    - names.txt: {cache: false}
    metrics: [m.json: {cache: false}]
    plots: [curve.csv]
  make:
    cmd: echo ${word} > made.txt && echo '{"f1":0.5}' > ../m2.json
    wdir: sub
    deps: [../raw]
    outs: [made.txt]
    metrics: [../m2.json]
  part:
    foreach: [x, y]
    do:
      cmd: mkdir -p parts && echo ${item} > parts/${item}.txt
      outs: [{"parts/${item}.txt": {persist: true}}]
  tool:
    cmd: cp run.sh tool.sh && mkdir bundle && cp run.sh bundle/ && touch bundle/empty
    deps: [run.sh]
    outs: [tool.sh, bundle]
"""
EVERYTHING = EVERYTHING.replace(
    "    - ls src > names.txt\n",
    "    - ls src > names.txt\n    - echo '{\"f1\":0.5}' > m.json && echo 'x,y' > curve.csv\n",
)


def execute(project: Path, stages: Sequence[Stage], cache: CacheConfig) -> list[StageRecord]:
    """Do what a worker does: run the commands, record each stage."""
    memo = Memo()
    records = []
    for stage in stages:
        for command in stage.commands:
            subprocess.run(
                ["/bin/sh", "-c", command],
                cwd=project / stage.wdir,
                check=True,
                env=git_environment(),
            )
        parsed = {
            one.file: params.parse((project / one.file).read_bytes(), one.file)
            for one in stage.params
        }
        values = stage_records.declared_params(stage, parsed)
        records.append(stage_records.record(project, stage, values, cache, memo=memo))
    return records


def outputs(records: Sequence[StageRecord], stages: Sequence[Stage]) -> list[FileHash]:
    cached = {out.path for stage in stages for out in stage.outs if out.cache}
    return [out for record in records for out in record.outs if out.path in cached]


@pytest.mark.slow
def test_a_lock_from_our_records_is_dvcs_own_and_dvc_finds_nothing_to_do(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    dvc(repo.path, "init", "--quiet")
    repo.write(
        {
            "dvc.yaml": EVERYTHING,
            "params.yaml": "seed: 1\ntrain: {lr: 1e-3, layers: [1, 2], name: on}\n",
            "more.yaml": "z: null\na: {b: 0.1}\n",
            "raw/a.csv": "1,2\n",
            "src/a.py": "",
            "src/skip.tmp": "",
            "run.sh": "#!/bin/sh\n",
            "sub/.keep": "",
            ".dvcignore": "*.tmp\n",
        }
    )
    (repo.path / "run.sh").chmod(0o755)
    repo.git("add", "--all")
    repo.commit(at=1)
    work = repo.worktree(tmp_path / "work", "--detach")
    cache = objects.open_cache(repo.path)

    stages = pipeline.look([(work.path, CONFIG)])[0].executed
    records = execute(work.path, stages, cache)
    lock = dvcwrite.update_lock(None, records, "", stages)
    (repo.path / "dvc.lock").write_bytes(lock)
    cached = [out.path for stage in stages for out in stage.outs if out.cache]
    for file, content in gitignore.ignore_files({}, cached).items():
        repo.write({file: content})
    for name in ("m.json", "names.txt"):
        shutil.copy(work.path / name, repo.path / name)
    result = placement.refresh(repo.path, outputs(records, stages), cache)

    assert result.left == ()
    assert set(result.refreshed) == {out.path for out in outputs(records, stages)}
    assert "up to date" in dvc(repo.path, "status")
    assert json.loads(dvc(repo.path, "data", "status", "--json"))["committed"] != {}
    assert dvc(repo.path, "checkout") == ""
    assert "didn't change" in dvc(repo.path, "repro")
    assert (repo.path / "dvc.lock").read_bytes() == lock
    ignored = {path: path.read_bytes() for path in repo.path.rglob(".gitignore")}
    dvc(repo.path, "repro", "--force", "--quiet")
    assert ignored == {path: path.read_bytes() for path in repo.path.rglob(".gitignore")}
    for path in set(ignored) - {repo.path / ".dvc/.gitignore", repo.path / ".dvc/tmp/.gitignore"}:
        assert (work.path / path.relative_to(repo.path)).read_bytes() == ignored[path]
    assert (repo.path / "dvc.lock").read_bytes().decode() == lock.decode()
    assert json.loads(dvc(repo.path, "metrics", "show", "--json"))[""]["data"]["m2.json"] == {
        "data": {"f1": 0.5}
    }


def run_with_seed(repo: BuiltRepo, work: Path, seed: int) -> tuple[list[FileHash], list[FileHash]]:
    """Run the project's pipeline in a worktree; return its outputs, also as by-products."""
    cache = objects.open_cache(repo.path)
    tree = BuiltRepo(work)
    if not work.exists():
        repo.worktree(work, "--detach")
    tree.write({"params.yaml": f"lr: 0.5\nseed: {seed}\n"})
    stages = pipeline.look([(work, CONFIG)])[0].executed
    records = execute(work, stages, cache)
    files = outputs(records, stages)
    if seed == 1:
        lock = dvcwrite.update_lock((repo.path / "dvc.lock").read_bytes(), records, "", stages)
        assert lock == (repo.path / "dvc.lock").read_bytes()
    return files, [FileHash(one.path, one.md5, one.size, one.nfiles) for one in files]


@pytest.mark.slow
def test_dvc_status_checkout_push_and_gc_treat_snapshot_and_by_products_as_their_own(
    dvc_repo: BuiltRepo, tmp_path: Path
) -> None:
    cache = objects.open_cache(dvc_repo.path)
    by_products = []
    for seed in (1, 2, 3):
        _, found = run_with_seed(dvc_repo, tmp_path / "work", seed)
        by_products += [(seed, one) for one in found if one.path == "model.txt"]
    pointer = dvcwrite.dump_byproducts("abcdefghijklmnop", by_products)
    dvc_repo.git("switch", "--quiet", "--orphan", "gitexp/data")
    for name in ("model.txt", "prepared.csv"):
        (dvc_repo.path / name).unlink(missing_ok=True)
    dvc_repo.git("checkout", "main", "--", ".dvc")
    dvc_repo.commit({"abcdefghijklmnop.dvc": pointer}, at=2)
    in_branch = dvc(dvc_repo.path, "status", "--json")
    dvc_repo.switch("main")
    remote = tmp_path / "remote"
    dvc(dvc_repo.path, "remote", "add", "--default", "--local", "here", str(remote))
    stray = objects.put(cache, tmp_path / "work", "params.yaml").md5

    dvc(dvc_repo.path, "checkout", "--quiet")
    dvc(dvc_repo.path, "push", "--all-commits", "--quiet")
    dvc(dvc_repo.path, "gc", "--all-commits", "--force", "--quiet")

    assert all("deleted" in str(state) for state in json.loads(in_branch).values())
    assert "up to date" in dvc(dvc_repo.path, "status")
    assert not objects.has(cache, stray)
    for _, one in by_products:
        assert objects.has(cache, one.md5)
        assert (remote / "files/md5" / one.md5[:2] / one.md5[2:]).exists()
        assert objects.verify(cache, one.md5) == ()


def test_without_a_pipeline_pointers_beside_the_outputs_are_a_dvc_project(
    tmp_path: Path,
) -> None:
    repo = repository(tmp_path / "repo")
    dvc(repo.path, "init", "--quiet")
    names = ("model.bin", "out/deep/x [1]*?!# b", "out/data")
    repo.write({names[0]: "m", names[1]: "n", "out/data/a": "1", "out/data/b/c": "2"})
    work = tmp_path / "theirs"
    shutil.copytree(repo.path, work, symlinks=True)
    cache = objects.open_cache(repo.path)
    found = [objects.put(cache, repo.path, name) for name in names]
    for one in found:
        folder = one.path.rpartition("/")[0]
        pointer = dvcwrite.dump_pointer(
            None, [FileHash(one.path, one.md5, one.size, one.nfiles)], folder
        )
        (repo.path / f"{one.path}.dvc").write_bytes(pointer)
    for file, content in gitignore.ignore_files({}, names).items():
        (repo.path / file).write_bytes(content)

    assert "up to date" in dvc(repo.path, "status")
    dvc(work, "add", "--quiet", *names)
    for name in names:
        ours = (repo.path / f"{name}.dvc").read_bytes()
        assert ours == (work / f"{name}.dvc").read_bytes()
    for file in gitignore.ignore_files({}, names):
        assert (repo.path / file).read_bytes() == (work / file).read_bytes()
    assert repo.git("check-ignore", *names).count("\n") == 2
    assert gitignore.ignore_files({".gitignore": b"/out/\n*.bin"}, names) == {}


def test_unsaved_edits_in_a_work_tree_stay_and_are_named(
    dvc_repo: BuiltRepo, tmp_path: Path
) -> None:
    files, _ = run_with_seed(dvc_repo, tmp_path / "work", 2)
    cache = objects.open_cache(dvc_repo.path)
    model = dvc_repo.path / "model.txt"
    old = model.read_bytes()
    dvc_repo.write({"model.txt": "edited by hand\n"})

    first = placement.refresh(dvc_repo.path, files, cache)

    assert first.refreshed == ()
    assert [one.path for one in first.left] == ["model.txt"]
    assert model.read_text() == "edited by hand\n"
    model.write_bytes(old)
    second = placement.refresh(dvc_repo.path, files, cache)
    assert (second.refreshed, second.left) == (("model.txt",), ())
    assert model.read_bytes() == (tmp_path / "work/model.txt").read_bytes()
    assert placement.refresh(dvc_repo.path, files, cache) == placement.Refreshed((), ())
    assert not list(dvc_repo.path.glob(".gitexp-*"))


def test_a_folder_with_hidden_files_or_damaged_backup_is_left_alone(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    (repo.path / ".dvc").mkdir()
    repo.write({"old/a": "1", "new/a": "2", ".dvcignore": "*.tmp\n"})
    cache = objects.open_cache(repo.path)
    old, new = (objects.put(cache, repo.path, name) for name in ("old", "new"))
    wanted = [replace(new, path="old")]

    repo.write({"old/notes.tmp": "mine"})
    hidden = placement.refresh(repo.path, wanted, cache)
    (repo.path / "old/notes.tmp").unlink()
    member = objects.object_path(cache.dir, objects.read_manifest(cache, old.md5)[0].md5)
    member.chmod(0o644)
    member.write_text("X")
    damaged = placement.refresh(repo.path, wanted, cache)

    assert "notes.tmp" in hidden.left[0].why
    assert damaged.refreshed == ()
    assert (repo.path / "old/a").read_text() == "1"
    objects.put(cache, repo.path, "old")
    assert placement.refresh(repo.path, wanted, cache).refreshed == ("old",)
    assert (repo.path / "old/a").read_text() == "2"


def test_dvc_and_we_wait_for_each_others_lock(dvc_repo: BuiltRepo) -> None:
    with placement.main_lock(dvc_repo.path):
        assert (dvc_repo.path / ".dvc/tmp/lock").read_text() == f" {os.getpid()}\n"
        with pytest.raises(LockedError) as caught, placement.main_lock(dvc_repo.path, timeout_s=0):
            pass
        assert str(os.getpid()) in caught.value.found
    assert "up to date" in dvc(dvc_repo.path, "status")
    (dvc_repo.path / ".dvc/config.local").write_text("[core]\n    hardlink_lock = true\n")
    with pytest.raises(LockedError, match="cannot be taken"), placement.main_lock(dvc_repo.path):
        pass


@pytest.mark.parametrize("name", ["tmp", "tmp/lock"])
@pytest.mark.parametrize("kind", ["file", "link", "dangling", "pipe"])
def test_dvcs_lock_is_taken_through_no_link_and_is_a_regular_file(
    dvc_repo: BuiltRepo, tmp_path: Path, name: str, kind: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "lock").write_text("precious\n")
    place = dvc_repo.path / ".dvc" / name
    shutil.rmtree(dvc_repo.path / ".dvc/tmp", ignore_errors=True)
    place.parent.mkdir(exist_ok=True)
    target = outside / "lock" if name == "tmp/lock" else outside
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "file":
        place.touch() if name == "tmp" else place.mkdir()
    else:
        place.symlink_to(target if kind == "link" else outside / "new")
    with pytest.raises(UnsafeInputError), placement.main_lock(dvc_repo.path, timeout_s=0):
        pass
    assert sorted(each.name for each in outside.iterdir()) == ["lock"]
    assert (outside / "lock").read_text() == "precious\n"


@pytest.mark.slow
def test_dvc_does_nothing_while_we_hold_its_lock(dvc_repo: BuiltRepo) -> None:
    with (
        placement.main_lock(dvc_repo.path),
        pytest.raises(AssertionError, match="lock"),
    ):
        dvc(dvc_repo.path, "status")


def test_a_stage_without_its_output_or_its_dependency_is_named(tmp_path: Path) -> None:
    cache = objects.CacheConfig(tmp_path / "cache")
    (tmp_path / "w").mkdir()
    made = Stage("train", ("true",), outs=(StageOut("model"),))
    with pytest.raises(CommandFailedError) as caught:
        stage_records.record(tmp_path / "w", made, {}, cache)
    assert (caught.value.where, caught.value.expected) == ("model", "stage train writes it")
    with pytest.raises(DataMissingError):
        stage_records.record(tmp_path / "w", Stage("train", ("true",), deps=("raw",)), {}, cache)


def test_what_git_keeps_is_in_the_cache_for_later_repeats_and_ignored_by_nobody(
    tmp_path: Path,
) -> None:
    repo = repository(tmp_path / "repo")
    repo.write({"m.json": "{}", "model": "m", "else/x": ""})
    (repo.path / "linked").symlink_to(tmp_path)
    (tmp_path / "far").touch()
    outs = (StageOut("m.json", cache=False), StageOut("model"), StageOut("linked/far"))
    cache = objects.CacheConfig(tmp_path / "cache")

    found = stage_records.record(repo.path, Stage("train", ("true",), outs=outs), {}, cache)

    assert all(objects.has(cache, out.md5) for out in found.outs)
    assert (repo.path / ".gitignore").read_bytes() == b"/model\n"
    assert not (tmp_path / ".gitignore").exists()


def test_declared_params_are_picked_by_key_section_index_and_whole_file() -> None:
    stage = Stage(
        "train",
        ("true",),
        params=(
            StageParams("params.yaml", ("a.b", "list[1]", "a.list[0].x", "dotted.key")),
            StageParams("more.yaml", ()),
        ),
    )
    content = {
        "a": {"b": {"c": 1}, "list": ({"x": 2},)},
        "list": (1, 2),
        "dotted.key": 3,
        "unused": 4,
    }
    picked = stage_records.declared_params(
        stage, {"params.yaml": content, "more.yaml": {"k": None}}
    )
    assert picked == {
        "params.yaml": {"a.b": {"c": 1}, "list[1]": 2, "a.list[0].x": 2, "dotted.key": 3},
        "more.yaml": {"k": None},
    }
    for key in ("a.z", "list[2]", "list[x]", "a.b.c.d"):
        odd = replace(stage, params=(StageParams("params.yaml", (key,)),))
        with pytest.raises(DataMissingError) as caught:
            stage_records.declared_params(odd, {"params.yaml": content})
        assert key in caught.value.found


OLD = "827ccb0eea8a706c4c34a16891f84e7b"  # of "12345", as DVC 2 wrote it


def test_data_that_a_run_needs_are_listed_with_everything_that_is_missing(
    dvc_repo: BuiltRepo,
) -> None:
    dvc_repo.write({"big/a": "1", "big/b": "2", "big/c": "3", "other.csv": "4", "old.csv": "5"})
    dvc(dvc_repo.path, "add", "--quiet", "big", "other.csv")
    old = f"outs:\n- md5: {OLD}\n  path: old.csv\n"
    dvc_repo.write({"old.csv.dvc": old, "broken.dvc": "outs: [\n"})
    dvc_repo.git("add", "--all", "*.dvc")
    commit = dvc_repo.commit(at=3)
    cache = objects.open_cache(dvc_repo.path)
    with_data = Stage("train", ("x",), deps=("big/a", "prepared.csv", "old.csv"))
    files = pointers.files_in_tree(open_repository(dvc_repo.workspace), commit)  # type: ignore[arg-type]
    (found,) = pipeline.look([(dvc_repo.path, replace(CONFIG, targets=("train",)))])
    frozen = tuple(stage for stage in found.executed if stage.name == "prepare")
    ((_, out),) = files.outs("big.dvc")
    folder = out.md5
    assert folder is not None
    gone = [entry.md5 for entry in objects.read_manifest(cache, folder)][1:]
    for md5 in gone:
        objects.object_path(cache.dir, md5).unlink()

    resolved = pipeline.Resolved((with_data,), frozen)
    state = pointers.data_state(files, resolved, CONFIG, cache)
    whole = ProjectConfig(outputs=("other.csv",))
    everything = pointers.data_state(files, pipeline.Resolved(()), whole, cache)

    assert [one.path for one in state.given] == ["big", "prepared.csv", "old.csv"]
    assert [one.expect for one in state.given] == ["big.dvc", "dvc.lock: prepare", "old.csv.dvc"]
    missing = {one.path: one.objects for one in state.missing}
    assert missing == {"big": tuple(gone), "old.csv": (OLD,)}
    assert state.delegated == ()
    assert state.raw == (f"big:{folder}", f"old.csv:{OLD}")
    assert [one.partition(":")[0] for one in state.unread] == ["broken.dvc"]
    assert [one.path for one in everything.given] == ["big", "old.csv"]
    assert pointers.listed(state.missing) == (
        "big (big.dvc): 2 objects",
        "old.csv (old.csv.dvc): 1 object",
    )


def test_data_of_another_pipeline_are_given_whatever_its_stages_are_called(
    dvc_repo: BuiltRepo,
) -> None:
    md5 = "827ccb0eea8a706c4c34a16891f84e7b"
    lock = "schema: '2.0'\nstages:\n  train:\n    cmd: x\n    outs:\n    - path: etl/c.csv\n"
    files = {
        "etl/dvc.yaml": b"stages:\n  train:\n    wdir: ..\n    cmd: x\n    outs: [etl/c.csv]\n",
        "etl/dvc.lock": f"{lock}      hash: md5\n      md5: {md5}\n".encode(),
    }
    train = Stage("train", ("x",), deps=("../../etl/c.csv",))
    cache = objects.open_cache(dvc_repo.path)
    state = pointers.data_state(
        dvcfiles.DvcFiles(files.get, lambda: ["etl/dvc.lock"]),
        pipeline.Resolved((train,)),
        replace(CONFIG, project="apps/a"),
        cache,
    )
    assert [(one.path, one.md5) for one in state.given] == [("../../etl/c.csv", md5)]


@pytest.mark.parametrize(
    ("etl", "root", "made"),
    [
        ("{cmd: x, outs: [{five.txt: {cache: false}}]}", "", "make"),
        ("{wdir: .., cmd: x, outs: [{etl/five.txt: {cache: false}}]}", "", "make"),
        ("{foreach: [a], do: {cmd: x, outs: [{'${f}.txt': {cache: false}}]}}", "", "make@a"),
        ("", "{cmd: x, frozen: true, outs: [{etl/five.txt: {cache: false}}]}", "make"),
    ],
    ids=["nested", "wdir", "template", "frozen"],
)
def test_what_dvc_yaml_leaves_to_git_is_no_data_whichever_pipeline_makes_it(
    dvc_repo: BuiltRepo, etl: str, root: str, made: str
) -> None:
    path, at = "etl/five.txt" if root or ".." in etl else "five.txt", "" if root else "etl/"
    lock = f"schema: '2.0'\nstages:\n  {made}:\n    cmd: x\n    outs:\n    - path: {path}\n"
    files = {
        f"{at}dvc.yaml": f"stages:\n  make: {etl or root}\n".encode(),
        f"{at}dvc.lock": f"{lock}      hash: md5\n      md5: {OLD}\n".encode(),
    }
    apart = (Stage("make", ("x",), outs=(StageOut(path, cache=False),), frozen=True),)
    state = pointers.data_state(
        dvcfiles.DvcFiles(files.get, lambda: [f"{at}dvc.lock"]),
        pipeline.Resolved((Stage("train", ("x",), deps=("etl",)),), apart if root else ()),
        CONFIG,
        objects.open_cache(dvc_repo.path),
    )
    assert (state.given, state.missing, state.delegated, state.unasked) == ((), (), (), ())


def test_what_a_frozen_stage_never_made_is_named_before_the_run(dvc_repo: BuiltRepo) -> None:
    frozen = Stage("given", ("x",), outs=(StageOut("given.txt"),), frozen=True)
    train = Stage("train", ("x",), deps=("given.txt",))
    cache = objects.open_cache(dvc_repo.path)
    resolved = pipeline.Resolved((train,), (frozen,))
    state = pointers.data_state(dvcfiles.DvcFiles({}.get), resolved, CONFIG, cache)
    assert [(one.path, one.declared) for one in state.delegated] == [
        ("given.txt", "dvc.lock: given")
    ]
