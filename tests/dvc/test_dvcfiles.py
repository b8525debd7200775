"""DVC's files: read like DVC reads them, written like DVC writes them, trusted by nobody."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitexp.dvc import dvcfiles, dvcpipeline, dvcwrite
from gitexp.dvc.declared_data import Reader
from gitexp.dvc.state import declared_stages
from gitexp.errors import BadFormatError, DvcFailedError, PreconditionError, UnsafeInputError
from gitexp.git.repository import open_repository
from gitexp.model.ids import CommitHash, Md5, RunId
from gitexp.model.job import OutKind, StageOut, StageParams, StageRecord
from gitexp.model.run import FileHash
from tests.lab.build import dvc, repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.lab.build import BuiltRepo

A = Md5("a" * 32)
DIGITS = Md5("12345678901234567890123456789012")
EXPONENT = Md5("1234567890123456789012345678e123")
DIR = Md5("b" * 32 + ".dir")

PIPELINE = """\
stages:
  prep:
    cmd: mkdir -p out/d && echo hi > out/d/x && echo {} > out/m.json
    deps: [./raw.csv, lib]
    params:
    - lr
    - train
    - other.yaml:
    - conf/x.toml: [k, a]
    outs:
    - out/d:
        persist: true
    metrics:
    - out/m.json: {cache: false}
  sub:
    wdir: src
    cmd:
    - echo 1 > ./o.txt && chmod +x o.txt && echo a very long command line that DVC folds
    - "true"
    deps: [../out/d]
    params: [../params.yaml: [seed]]
    outs: [./o.txt]
    frozen: false
  one:
    cmd: [echo 3 > three]
    outs: [three: {push: false}]
    always_changed: true
metrics: [out/m.json]
plots: [{curve: {x: a}}, out/m.json]
"""
PROJECT = {
    "dvc.yaml": PIPELINE,
    "params.yaml": 'lr: 1e-3\nseed: 1\ntrain: {b: 2, a: [1, {z: "1e5"}], d: ~, t: "0777"}\n',
    "other.yaml": "z: 1\nb: [1, 2]\n",
    "conf/x.toml": "k = 1.0\na = 'x'\n",
    "raw.csv": "1\n",
    "src/a.py": "",
    "lib/b.py": "",
    "data/in.csv": "1,2\n",
}


LOADERS: dict[str, Callable[[bytes, str], object]] = {
    "pointer": dvcfiles.load_pointer,
    "lock": dvcfiles.load_lock,
    "pipeline": dvcpipeline.load_pipeline,
}


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that real dvc has run, with a file and a folder under dvc add."""
    repo: BuiltRepo = repository(tmp_path_factory.mktemp("dvc") / "repo")
    dvc(repo.path, "init", "--quiet")
    repo.write(PROJECT)
    dvc(repo.path, "repro")
    dvc(repo.path, "add", "--quiet", "data/in.csv", "src/a.py")
    return repo.path


def test_the_lock_that_dvc_wrote_is_written_again_to_the_byte(project: Path) -> None:
    pipeline = dvcpipeline.load_pipeline((project / "dvc.yaml").read_bytes(), "dvc.yaml")
    data = (project / "dvc.lock").read_bytes()
    wdirs = {stage.name: stage.wdir for stage in pipeline.stages}
    lock = dvcfiles.load_lock(data, "dvc.lock", wdirs=wdirs)
    records = [record for stage in lock.values() if (record := stage.record())]
    assert [record.name for record in records] == ["prep", "sub", "one"]
    assert dvcwrite.update_lock(None, records, stages=pipeline.stages) == data
    assert dvcwrite.update_lock(data, records, stages=pipeline.stages) == data


@pytest.mark.slow
def test_a_lock_that_we_changed_is_one_that_dvc_leaves_alone(project: Path, tmp_path: Path) -> None:
    """Other values, and hashes that read as numbers; then real dvc rewrites the same file."""
    pipeline = dvcpipeline.load_pipeline((project / "dvc.yaml").read_bytes(), "dvc.yaml")
    data = (project / "dvc.lock").read_bytes()
    lock = dvcfiles.load_lock(data, "dvc.lock", wdirs={"sub": "src"})
    prep = lock["prep"].record()
    assert prep is not None
    changed = replace(
        prep,
        deps=tuple(replace(dep, md5=EXPONENT) for dep in prep.deps),
        outs=(replace(prep.outs[0], md5=DIR, size=7, nfiles=1), replace(prep.outs[1], md5=DIGITS)),
        params={**prep.params, "params.yaml": {"lr": 1e-07, "train": {"x": "1:30", "y": ()}}},
    )
    ours = dvcwrite.update_lock(data, [changed], stages=pipeline.stages)
    script = (
        "import json,sys\n"
        "from dvc.utils.serialize import modify_yaml\n"
        "with modify_yaml(sys.argv[1]) as data:\n"
        "    data['stages'].update(json.loads(sys.argv[2]))\n"
    )
    entry = {
        "cmd": prep.commands[0],
        "deps": [
            {"path": path, "hash": "md5", "md5": EXPONENT, "size": dep.size}
            | ({"nfiles": dep.nfiles} if dep.nfiles is not None else {})
            for path, dep in sorted(
                (pipeline.stages[0].spelled.get(dep.path, dep.path), dep) for dep in prep.deps
            )
        ],
        "params": {
            "params.yaml": {"lr": 1e-07, "train": {"x": "1:30", "y": []}},
            "conf/x.toml": {"a": "x", "k": 1.0},
            "other.yaml": {"b": [1, 2], "z": 1},
        },
        "outs": [
            {"path": "out/d", "hash": "md5", "md5": DIR, "size": 7, "nfiles": 1},
            {"path": "out/m.json", "hash": "md5", "md5": DIGITS, "size": prep.outs[1].size},
        ],
    }
    theirs = tmp_path / "dvc.lock"
    theirs.write_bytes(data)
    run_python(tmp_path, script, str(theirs), json.dumps({"prep": entry}))
    assert ours.decode() == theirs.read_text(encoding="utf-8")


def run_python(cwd: Path, script: str, *args: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script, *args], cwd=cwd, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def test_a_stage_keeps_the_spelling_of_dvc_yaml(project: Path) -> None:
    pipeline = dvcpipeline.load_pipeline((project / "dvc.yaml").read_bytes(), "dvc.yaml")
    prep, sub, one = pipeline.stages
    assert not pipeline.needs_dvc
    assert prep.deps == ("raw.csv", "lib")
    assert prep.spelled == {"raw.csv": "./raw.csv"}
    assert prep.params == (
        StageParams("params.yaml", ("lr", "train")),
        StageParams("other.yaml", ()),
        StageParams("conf/x.toml", ("k", "a")),
    )
    assert [(out.path, out.kind, out.cache, out.persist) for out in prep.outs] == [
        ("out/d", OutKind.OUT, True, True),
        ("out/m.json", OutKind.METRIC, False, False),
    ]
    assert sub.wdir == "src"
    assert sub.deps == ("out/d",)
    assert sub.outs[0].path == "src/o.txt"
    assert (sub.listed, one.listed, prep.listed) == (True, True, False)
    assert one.always_changed
    assert not one.outs[0].push
    assert pipeline.metrics == ("out/m.json",)
    assert pipeline.plots == ("curve", "out/m.json")


def test_a_pointer_that_dvc_wrote_is_written_again_to_the_byte(project: Path) -> None:
    for file, folder in (("data/in.csv.dvc", "data"), ("src/a.py.dvc", "src")):
        data = (project / file).read_bytes()
        pointer = dvcfiles.load_pointer(data, file, folder)
        (out,) = pointer.outs
        assert not pointer.needs_dvc
        assert out.md5 is not None
        assert out.size is not None
        output = FileHash(out.path, out.md5, out.size, out.nfiles)
        assert dvcwrite.dump_pointer(None, [output], folder) == data
        assert dvcwrite.dump_pointer(data, [output], folder) == data


POINTER = """\
# who made this
desc: raw data   # of 2024
wdir: ..
outs:
- path: data/in.csv   # the file
  md5: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
  size: 3
  cache: true
  isexec: true
  desc: 'quoted'
meta: {owner: me}
"""


def test_a_pointer_keeps_comments_order_and_other_keys() -> None:
    found = dvcwrite.dump_pointer(
        POINTER.encode(), [FileHash("data/in.csv", Md5("c" * 32), 9)], "data"
    ).decode()
    assert found.splitlines() == [
        "# who made this",
        "desc: raw data   # of 2024",
        "wdir: ..",
        "outs:",
        "- path: data/in.csv   # the file",
        "  md5: cccccccccccccccccccccccccccccccc",
        "  size: 9",
        "  desc: quoted",
        "  hash: md5",
        "meta: {owner: me}",
    ]


@pytest.mark.slow
def test_a_commented_pointer_is_rewritten_as_dvc_rewrites_it(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    dvc(repo.path, "init", "--quiet")
    repo.write({"data/in.csv": "1,2\n", "data/in.csv.dvc": POINTER})
    dvc(repo.path, "commit", "--force", "--quiet", "data/in.csv.dvc")
    theirs = (repo.path / "data/in.csv.dvc").read_bytes()
    (out,) = dvcfiles.load_pointer(theirs, "data/in.csv.dvc", "data").outs
    assert out.md5 is not None
    ours = dvcwrite.dump_pointer(POINTER.encode(), [FileHash("data/in.csv", out.md5, 4)], "data")
    assert ours == theirs


def test_what_dvc_alone_writes_is_left_to_dvc() -> None:
    output = FileHash("x", A, 1)
    for text in (
        "outs:\n- path: x\n  files: []\n",
        "outs:\n- path: x\n  cloud: {}\n",
        "deps:\n- path: y\nouts:\n- path: x\n  md5: aa\n",
    ):
        with pytest.raises(DvcFailedError):
            dvcwrite.dump_pointer(text.encode(), [output])
    with pytest.raises(BadFormatError):
        dvcwrite.update_lock(b"a:\n  cmd: x\n", [StageRecord("a", ("x",), (), {}, ())])
    with pytest.raises(BadFormatError):
        dvcwrite.update_lock(b"schema: 2.0\n", [StageRecord("a", ("x",), (), {}, ())])


@pytest.mark.slow
def test_byproducts_are_a_file_that_dvc_accepts(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    dvc(repo.path, "init", "--quiet")
    run = RunId("abcdefghijklmnop")
    outputs = [
        (10, FileHash("p.csv", A, 3)),
        (2, FileHash("p.csv", DIGITS, 3)),
        (2, FileHash("d", DIR, 3, nfiles=1)),
    ]
    data = dvcwrite.dump_byproducts(run, outputs)
    repo.write({f"{run}.dvc": data.decode()})
    assert dvc(repo.path, "status", "--json").startswith("{")
    pointer = dvcfiles.load_pointer(data, f"{run}.dvc")
    assert [(out.path, out.md5, out.nfiles) for out in pointer.outs] == [
        (f"{run}/2/d", DIR, 1),
        (f"{run}/2/p.csv", DIGITS, None),
        (f"{run}/10/p.csv", A, None),
    ]
    with pytest.raises(BadFormatError):
        dvcwrite.dump_byproducts(run, [])
    dvc(repo.path, "remote", "add", "--quiet", "safe", str(tmp_path / "safe"))
    dvc(repo.path, "remote", "add", "--quiet", "--default", "open", str(tmp_path / "open"))
    repo.write({"p": "secret", "q": "mine"})
    dvc(repo.path, "add", "--quiet", "p", "q")
    loaded = {
        name: dvcfiles.load_pointer((repo.path / f"{name}.dvc").read_bytes(), name).outs[0]
        for name in "pq"
    }
    kept = [(1, FileHash(name, out.md5, 6)) for name, out in loaded.items() if out.md5]
    declared = [StageOut("p", push=False), StageOut("q", remote="safe")]
    repo.write({f"{run}.dvc": dvcwrite.dump_byproducts(run, kept, declared).decode()})
    dvc(repo.path, "push", "--quiet", f"{run}.dvc")
    assert not (tmp_path / "open").exists()
    assert sum(path.is_file() for path in (tmp_path / "safe").rglob("*")) == 1


LEGACY = "outs:\n- md5: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n  path: x\n"
IMPORT = """\
md5: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
frozen: true
deps:
- path: data
  repo: {url: https://example.org/r, rev_lock: abc}
outs:
- md5: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
  path: x
"""


@pytest.mark.parametrize(
    ("text", "needs_dvc", "method", "md5"),
    [
        (LEGACY, False, "md5-dos2unix", A),
        (LEGACY + "  hash: md5\n", False, "md5", A),
        (IMPORT, True, "md5-dos2unix", A),
        (LEGACY + "  later: 1\n", True, "md5-dos2unix", A),
        (LEGACY + "later: 1\n", True, "md5-dos2unix", A),
        (LEGACY.replace("a" * 32, "A" * 32), True, "md5-dos2unix", None),
        ("outs:\n- hash: md5\n  path: x\n", False, "md5", None),
        ("outs:\n- path: x\n  files: [{relpath: y, md5: z}]\n", True, "md5-dos2unix", None),
        ("outs:\n- {md5: 12345678901234567890123456789012, path: x}\n", True, "md5-dos2unix", None),
        (
            "outs:\n- {md5: '12345678901234567890123456789012', path: x}\n",
            False,
            "md5-dos2unix",
            DIGITS,
        ),
    ],
)
def test_what_is_strange_is_marked_and_the_rest_is_read(
    text: str,
    needs_dvc: bool,  # noqa: FBT001 - a column of the table
    method: str,
    md5: Md5 | None,
) -> None:
    pointer = dvcfiles.load_pointer(text.encode(), "x.dvc")
    assert pointer.needs_dvc is needs_dvc
    (out,) = pointer.outs
    assert (out.path, out.hash, out.md5) == ("x", method, md5)


@pytest.mark.parametrize(
    "path",
    ["../x", "/etc/x", "a/../../x", ".git/x", "a/.GIT/x", ".dvc/x", "C:\\x", "a\\b", "", "."],
)
@pytest.mark.parametrize("kind", ["pointer", "lock", "pipeline"])
def test_an_output_that_leaves_the_project_is_refused(path: str, kind: str) -> None:
    quoted = json.dumps(path)
    text = {
        "pointer": f"outs:\n- path: {quoted}\n",
        "lock": f"schema: '2.0'\nstages: {{a: {{cmd: x, outs: [{{path: {quoted}}}]}}}}\n",
        "pipeline": f"stages: {{a: {{cmd: x, outs: [{quoted}]}}}}\n",
    }[kind]
    with pytest.raises(UnsafeInputError):
        LOADERS[kind](text.encode(), "the file")


def test_a_path_may_climb_within_the_project() -> None:
    pointer = dvcfiles.load_pointer(b"wdir: ../..\nouts:\n- path: out/x\n", "x.dvc", "a/b")
    assert pointer.outs[0].path == "out/x"
    with pytest.raises(UnsafeInputError):
        dvcfiles.load_pointer(b"wdir: ../../..\nouts:\n- path: out/x\n", "x.dvc", "a/b")


@pytest.mark.parametrize(
    ("stage", "word"),
    [
        ("cmd: echo ${lr}", "${"),
        ("cmd: echo \\${lr}", "${"),
        ("{foreach: [1], do: {cmd: x}}", "do"),
        ("{cmd: x, matrix: {a: [1]}}", "matrix"),
        ("{cmd: x, vars: [{a: 1}]}", "vars"),
        ("{cmd: x, deps: ['s3://b/x']}", "URL"),
        ("{cmd: x, outs: ['${o}': {cache: false}]}", "${"),
        ("{cmd: x, later: 1}", "later"),
    ],
)
def test_what_has_to_be_resolved_is_left_to_dvc(stage: str, word: str) -> None:
    text = f"stages:\n  a:\n    {stage}\n"
    pipeline = dvcpipeline.load_pipeline(text.encode(), "dvc.yaml")
    assert pipeline.needs_dvc
    assert pipeline.stages == ()
    assert word in pipeline.why


def test_a_description_may_say_anything() -> None:
    text = b"stages: {a: {cmd: x, desc: 'uses ${lr}', meta: {u: 's3://x'}}}\n"
    assert not dvcpipeline.load_pipeline(text, "dvc.yaml").needs_dvc


@pytest.mark.parametrize(
    "text",
    [
        "- 1\n",
        "stages: [1]\n",
        "stages: {a: 1}\n",
        "stages: {a: {deps: [x]}}\n",
        "stages: {a: {cmd: 3}}\n",
        "stages: {a: {cmd: x, deps: x}}\n",
        "stages: {a: {cmd: x, outs: [1]}}\n",
        "stages: {a: {cmd: x, params: [1]}}\n",
        "stages: {a: {cmd: x, params: [{f: [1]}]}}\n",
        "stages: {a: {cmd: x, outs: [{o: 1}]}}\n",
        "stages:\n  a: {cmd: x}\n  a: {cmd: y}\n",
    ],
)
def test_a_bad_dvc_yaml_is_refused_with_its_file(text: str) -> None:
    with pytest.raises(BadFormatError) as caught:
        dvcpipeline.load_pipeline(text.encode(), "dvc.yaml")
    assert caught.value.where.startswith("dvc.yaml")


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["x", "../x", "${a}", "s3://b", ""]),
    lambda leaf: (
        st.lists(leaf, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "stages",
                    "a",
                    "cmd",
                    "deps",
                    "outs",
                    "params",
                    "path",
                    "md5",
                    "wdir",
                    "schema",
                    "hash",
                ]
            ),
            leaf,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(ODD)
def test_any_value_is_read_or_refused_by_an_error_of_ours(value: object) -> None:
    data = json.dumps(value).encode()
    for load in LOADERS.values():
        with contextlib.suppress(PreconditionError):
            load(data, "the file")


def test_a_record_without_hash_is_no_record() -> None:
    text = b"schema: '2.0'\nstages: {a: {cmd: x, outs: [{path: y}]}, b: {cmd: x}}\n"
    lock = dvcfiles.load_lock(text, "dvc.lock")
    assert lock["a"].record() is None
    assert lock["b"].record() == StageRecord("b", ("x",), (), {}, ())


def test_stages_that_were_not_run_stay_as_they_are() -> None:
    old = b"""\
schema: '2.0'
stages:
  gone:   # kept
    cmd: x
  a:
    cmd: old
    deps:
    - path: q
      md5: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      size: 1
"""
    record = StageRecord("a", ("new",), (FileHash("d", A, 1),), {}, (FileHash("o", A, 1),))
    found = dvcwrite.update_lock(old, [record, replace(record, name="z")]).decode()
    assert found.startswith(
        "schema: '2.0'\nstages:\n  gone:   # kept\n    cmd: x\n  a:\n    cmd: new\n"
    )
    assert list(dvcfiles.load_lock(found.encode(), "dvc.lock")) == ["gone", "a", "z"]


def test_a_group_has_the_wdir_of_its_stages_and_what_dvc_yaml_has_no_more_is_passed_over() -> None:
    text = (
        "schema: '2.0'\nstages:\n"
        "  each@a: {cmd: x, outs: [{path: ../out/a, md5: d41d8cd98f00b204e9800998ecf8427e}]}\n"
        "  gone: {cmd: x, outs: [{path: ../../b, md5: d41d8cd98f00b204e9800998ecf8427e}]}\n"
    )
    lock = dvcfiles.load_lock(text.encode(), "dvc.lock", wdirs={"each": "src"})
    assert [(name, stage.outs[0].path) for name, stage in lock.items()] == [("each@a", "out/a")]


def test_each_file_of_a_tree_is_read_once_and_what_makes_no_sense_is_named_beside_the_rest() -> (
    None
):
    md5 = "d41d8cd98f00b204e9800998ecf8427e"
    tree = {
        "p/a.dvc": f"outs: [{{path: a, md5: {md5}, push: false}}]\n",
        "p/broken.dvc": "outs: [\n",
        "p/q/dvc.yaml": "stages: {train: {cmd: x, wdir: .., outs: [m]}}\n",
        "p/q/dvc.lock": f"schema: '2.0'\nstages: {{train: {{outs: [{{path: m, md5: {md5}}}]}}}}\n",
    }
    asked: list[str] = []

    def read(path: str) -> bytes | None:
        asked.append(path)
        return tree[path].encode() if path in tree else None

    files = dvcfiles.DvcFiles(read, lambda: ["a.dvc", "broken.dvc", "q/dvc.lock"], base="p")
    assert not asked
    for _ in range(2):
        found = [(file, stage, out.path, out.push) for file, stage, out in files.outputs]
        assert found == [("a.dvc", "", "a", False), ("q/dvc.lock", "train", "m", True)]
    assert sorted(asked) == sorted(tree)
    assert list(files.unreadable) == ["broken.dvc"]
    with pytest.raises(BadFormatError, match=r"p/broken\.dvc"):
        files.outs("broken.dvc")
    assert files.starting(lambda _: {"train": "q"}).outs("q/dvc.lock")[0][1].path == "q/m"
    assert files.outs("none.dvc") == ()


def test_a_lock_needs_nothing_of_stages_and_flags_that_a_templated_pipeline_has_no_more(
    tmp_path: Path,
) -> None:
    """DVC keeps entries of stages that are gone, and never says in the lock what is Git's."""
    locked = "".join(
        f"  {stage}:\n    cmd: x\n    outs: [{{path: {path}, hash: md5, md5: {A}, size: 1}}]\n"
        for stage, path in (("fit@a", "out/a"), ("fit@b", "m_b.json"), ("gone", "g.txt"))
    )
    repo = repository(tmp_path / "repo")
    repo.commit(
        {
            "dvc.yaml": "stages:\n  fit:\n    foreach: ${names}\n    do:\n      cmd: x ${item}\n"
            '      outs: ["out/${item}"]\n      metrics: ["m_${item}.json": {cache: false}]\n',
            "dvc.lock": f"schema: '2.0'\nstages:\n{locked}",
        }
    )
    found = Reader(open_repository(repo.workspace)).of(CommitHash(repo.hash()))
    assert [out.path for out in found.outs] == ["out/a"]


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (dvcfiles.load_pointer, "outs: [{path: PATH}]"),
        (dvcfiles.load_pointer, "wdir: PATH\nouts: [{path: b}]"),
        (dvcfiles.load_lock, "schema: '2.0'\nstages: {a: {cmd: x, outs: [{path: PATH}]}}"),
        (dvcfiles.load_lock, "schema: '2.0'\nstages: {a: {cmd: x, deps: [{path: s3://PATH}]}}"),
        (dvcfiles.load_lock, "schema: '2.0'\nstages: {a: {cmd: x, deps: [{path: /PATH}]}}"),
        (dvcpipeline.load_pipeline, "stages: {a: {cmd: x, deps: [PATH]}}"),
        (dvcpipeline.load_pipeline, "stages: {a: {cmd: x, outs: [{? PATH : {cache: false}}]}}"),
        (dvcpipeline.load_pipeline, "stages: {a: {cmd: x, wdir: PATH, outs: [b]}}"),
        (dvcpipeline.load_pipeline, "plots: [PATH]"),
        (dvcpipeline.declared_outs, "stages: {a: {cmd: x, outs: [PATH]}}"),
        (dvcpipeline.declared_outs, "stages: {a: {do: {cmd: x, wdir: PATH, outs: [b]}}}"),
        (declared_stages, "stages: {a: {cmd: x, outs: [PATH]}}"),
        (declared_stages, "stages: {a: {do: {cmd: x, wdir: PATH, deps: [b]}}}"),
    ],
)
def test_a_path_is_no_longer_than_that_of_any_file(
    read: Callable[[bytes, str, str], object], text: str
) -> None:
    for path in ("a" * 4_080, "a/" * 250 + "b"):
        assert read(text.replace("PATH", path).encode(), "f", "")
    for path in ("a" * 4_097, "a/" * 255 + "b"):
        with pytest.raises(UnsafeInputError, match="longer than any file's"):
            read(text.replace("PATH", path).encode(), "f", "")
