"""Inputs: unchanged by what cannot act on a result, changed by all that can."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitexp.dvc import inputs
from gitexp.dvc.input_parts import collect, left_out
from gitexp.dvc.state import ProjectState
from gitexp.errors import BadFormatError, UnknownParamError
from gitexp.git.objects import commit_info, walk_tree
from gitexp.git.repository import open_repository
from gitexp.git.transaction.cache import Index
from gitexp.model.config import DEFAULT_INPUTS_IGNORE, ParamKey, Predictions, SeedRule
from gitexp.model.ids import CommitHash
from gitexp.model.plan import Direction
from gitexp.text.paramkeys import param_key
from tests.lab.build import DVC_FILES, repository, session_folder
from tests.lab.recorded import CONFIG, a_run, config_file, run_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import InputsDigest, TreeId
    from tests.lab.build import BuiltRepo, Content

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
POINTER = f"outs:\n- md5: {MD5}\n  size: 0\n  hash: md5\n  path: big.bin\n"
LOCK = f"""\
schema: '2.0'
stages:
  prepare:
    cmd: python prepare.py
    outs:
    - path: prepared.csv
      hash: md5
      md5: {MD5}
      size: 0
"""
BASE: dict[str, Content] = {
    **DVC_FILES,
    "big.bin.dvc": POINTER,
    "metrics.json": '{"f1": 0.5}',
    "src/a.py": "x = 1\n",
    "docs/index.md": "words\n",
    ".github/workflows/ci.yml": "on: push\n",
    "tests/test_a.py": "assert True\n",
    "dvc.lock": LOCK,
    **config_file(),
}


@functools.cache
def base() -> tuple[BuiltRepo, str]:
    """Build the project once for all examples; every state is a commit of its own."""
    repo = repository(session_folder("inputs") / "repo")
    repo.commit(BASE)
    return repo, repo.hash()


def tree_with(changes: Mapping[str, Content]) -> tuple[Repo, TreeId]:
    """Return the tree that `changes` make of the project, written by git, not by gitexp."""
    repo, start = base()
    repo.git("read-tree", start)
    for path, content in changes.items():
        if content is None:
            repo.git("update-index", "--force-remove", "--", path)
            continue
        data = content.encode() if isinstance(content, str) else content
        blob = repo.write_object("blob", data)
        repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
    tree = repo.git("write-tree")
    opened = open_repository(repo.workspace)
    return opened, commit_info(opened, CommitHash(_commit(repo, tree))).tree


def _commit(repo: BuiltRepo, tree: str) -> str:
    return repo.git("commit-tree", "-m", "state", tree)


def digest(
    changes: Mapping[str, Content], config: ProjectConfig = CONFIG, **more: object
) -> InputsDigest:
    opened, tree = tree_with(changes)
    return inputs.digest(ProjectState(opened, tree, config), **more)  # type: ignore[arg-type]


@functools.cache
def before() -> InputsDigest:
    return digest({})


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
NAME = st.text("abcdefgh", min_size=1, max_size=6)
# What a run writes, and what cannot act on a result.
HARMLESS = st.one_of(
    st.tuples(NAME.map(lambda n: f"docs/{n}.md"), TEXT),
    st.tuples(NAME.map(lambda n: f".github/workflows/{n}.yml"), TEXT),
    st.tuples(NAME.map(lambda n: f".gitexp/experiments/{n}.yaml"), TEXT),
    st.tuples(NAME.map(lambda n: f".gitexp/runs/ab/{n}/run.json"), TEXT),
    st.tuples(st.sampled_from(["README.md", "README.rst", "CHANGELOG.md", "LICENSE"]), TEXT),
    st.tuples(st.sampled_from([".gitignore", "src/.gitignore", ".dvcignore", ".dvc/config"]), TEXT),
    st.tuples(st.just("metrics.json"), TEXT),
    st.tuples(st.sampled_from(["model.txt.dvc", "prepared.csv.dvc", "model.txt"]), TEXT),
    st.tuples(st.just("dvc.lock"), st.just(LOCK.replace(MD5, "0" * 32))),
    st.tuples(
        st.just("params.yaml"),
        st.integers(0, 10**6).map(lambda s: f"lr: 0.5\n# other words\nseed: {s}\n"),
    ),
)
HARMFUL = st.one_of(
    st.tuples(NAME.map(lambda n: f"src/{n}.py"), TEXT),
    st.tuples(NAME.map(lambda n: f"tests/{n}.py"), TEXT),
    st.tuples(NAME.map(lambda n: f"sub/docs/{n}.md"), TEXT),
    st.tuples(st.just("train.py"), TEXT),
    st.tuples(st.just("raw.csv"), TEXT),
    st.tuples(
        st.just("params.yaml"),
        st.floats(0, 1).filter(lambda x: x != 0.5).map(lambda x: f"lr: {x!r}\nseed: 1\n"),
    ),
    st.tuples(st.just("params.yaml"), NAME.map(lambda n: f"lr: 0.5\nseed: 1\n{n}: 1\n")),
    st.tuples(
        st.just("big.bin.dvc"),
        st.integers(0, 2**64).map(lambda n: POINTER.replace(MD5, f"{n:032x}")),
    ),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(HARMLESS, min_size=1, max_size=6))
def test_what_cannot_act_on_a_result_leaves_the_inputs(changes: list[tuple[str, str]]) -> None:
    """inputs(before) == inputs(the commit that a run makes)."""
    assert digest(dict(changes)) == before()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(HARMFUL, st.lists(HARMLESS, max_size=3))
def test_what_can_act_on_a_result_changes_the_inputs(
    change: tuple[str, str], beside: list[tuple[str, str]]
) -> None:
    changes = dict([*(pair for pair in beside if pair[0] != change[0]), change])
    assert digest(changes) != before()


PATTERN = NAME.map(lambda name: f"/{name}/")
ACTING = st.one_of(  # what a project may say otherwise, each a change of one setting
    NAME.map(lambda name: replace(CONFIG, pipeline=None, command=f"python {name}.py")),
    NAME.map(lambda name: replace(CONFIG, seed=SeedRule(arg=f"--{name} {{seed}}"))),
    NAME.map(lambda name: replace(CONFIG, seed=SeedRule((ParamKey("params.yaml", name),)))),
    NAME.map(lambda name: replace(CONFIG, metrics=("metrics.json", f"{name}.json"))),
    NAME.map(lambda name: replace(CONFIG, targets=(name,))),
    NAME.map(lambda name: replace(CONFIG, once=(name,))),
    NAME.map(lambda name: replace(CONFIG, evaluation=(f"{name}.csv",))),
    NAME.map(lambda name: replace(CONFIG, predictions=Predictions(f"{name}.csv"))),
    NAME.map(lambda name: replace(CONFIG, curves=(f"{name}.csv",))),
    PATTERN.map(lambda path: replace(CONFIG, inputs_ignore=(*DEFAULT_INPUTS_IGNORE, path))),
    st.sampled_from(DEFAULT_INPUTS_IGNORE).map(
        lambda gone: replace(
            CONFIG, inputs_ignore=tuple(each for each in DEFAULT_INPUTS_IGNORE if each != gone)
        )
    ),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ACTING, st.lists(HARMLESS, max_size=2))
def test_settings_that_act_on_results_change_the_inputs(
    config: ProjectConfig, beside: list[tuple[str, str]]
) -> None:
    """Command, metric definition, ignore rules: each is part of what was run."""
    assert digest(dict(beside), config) != before()


@pytest.mark.parametrize(
    "config",
    [
        replace(CONFIG, python="python3"),
        replace(CONFIG, link=("data/",)),
        replace(CONFIG, timeout_s=10.0),
        replace(CONFIG, branch_prefix="try/"),
        replace(
            CONFIG, directions={"f1": Direction.MIN}
        ),  # how results are read, not what they are
    ],
)
def test_settings_of_the_work_place_leave_the_inputs(config: ProjectConfig) -> None:
    assert digest({}, config) == before()


SEEDS = ("prepare.seed", "train.seed", "conf/net.json:seed", "const.py:SEED")


def _seeded(values: Sequence[int], lr: float = 0.5) -> dict[str, Content]:
    prepare, train, net, const = values
    return {
        "params.yaml": f"lr: {lr}\nprepare: {{seed: {prepare}, k: 1}}\ntrain: {{seed: {train}}}\n",
        "conf/net.json": f'{{"seed": {net}, "width": 8}}',
        "const.py": f"SEED = {const}\nWIDTH = 8\n",
    }


_VECTORS = st.lists(st.integers(0, 99), min_size=4, max_size=4)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 4), _VECTORS, _VECTORS)
def test_no_seed_parameter_is_in_the_inputs(n: int, one: list[int], two: list[int]) -> None:
    """Varied or fixed: `inputs` leaves out all of them, and nothing beside them."""
    keys = tuple(map(param_key, SEEDS))
    config = replace(
        CONFIG,
        params=("params.yaml", "conf/net.json", "const.py"),
        seed=SeedRule(keys[:n], fixed=keys[n:]),
    )
    assert digest(_seeded(one), config) == digest(_seeded(two), config)
    assert digest(_seeded(one, 0.6), config) != digest(_seeded(one), config)


def test_the_executable_bit_counts() -> None:
    repo, start = base()
    repo.git("read-tree", start)
    repo.git("update-index", "--chmod=+x", "train.py")
    opened = open_repository(repo.workspace)
    tree = commit_info(opened, CommitHash(_commit(repo, repo.git("write-tree")))).tree
    assert inputs.compute(opened, tree, CONFIG) != before()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(NAME, st.lists(st.integers(1, 2**160 - 1), min_size=2, max_size=3, unique=True))
def test_a_submodule_counts_by_its_commit(name: str, commits: list[int]) -> None:
    repo, start = base()
    found = set()
    for commit in commits:
        repo.git("read-tree", start)
        repo.git("update-index", "--add", "--cacheinfo", f"160000,{commit:040x},{name}")
        opened = open_repository(repo.workspace)
        tree = commit_info(opened, CommitHash(_commit(repo, repo.git("write-tree")))).tree
        found.add(inputs.compute(opened, tree, CONFIG))
    assert len(found | {before()}) == len(commits) + 1


def test_an_override_gives_the_inputs_of_the_commit_with_that_value() -> None:
    written = digest({"params.yaml": "lr: 0.25\nseed: 9\n"})
    assert digest({}, overrides={"lr": 0.25}) == written
    assert digest({}, overrides={"seed": 77}) == before()
    with pytest.raises(UnknownParamError):
        digest({}, overrides={"lrr": 0.25})


def test_a_pointers_size_and_layout_do_not_count() -> None:
    assert digest({"big.bin.dvc": f"# moved\n{POINTER.replace('size: 0', 'size: 5')}"}) == before()


def test_a_path_that_a_stage_names_counts_whatever_the_patterns() -> None:
    pipeline = DVC_FILES["dvc.yaml"].replace(
        "    - raw.csv\n", "    - raw.csv\n    - docs/index.md\n"
    )
    one = digest({"dvc.yaml": pipeline})
    assert digest({"dvc.yaml": pipeline, "docs/index.md": "other\n"}) != one
    assert digest({"dvc.yaml": pipeline, "docs/more.md": "other\n"}) == one


def test_a_script_that_a_command_names_counts_whatever_the_patterns() -> None:
    config = replace(CONFIG, pipeline=None, command="python docs/build.py --quick")
    assert digest({"docs/build.py": "1"}, config) != digest({"docs/build.py": "2"}, config)


# What acts on a job, whatever the patterns of the settings: a state, what is added to it, and the
# folder of the project.
PIPELINE = DVC_FILES["dvc.yaml"]
DEEP = {f"sub/{path}": content for path, content in BASE.items() if not path.startswith(".gitexp")}
ACTS: dict[str, tuple[Mapping[str, Content], Mapping[str, Content], str]] = {
    "attributes": ({}, {".gitattributes": "*.csv text eol=crlf\n"}, ""),
    "attributes of a folder": ({}, {"docs/.gitattributes": "* ident\n"}, ""),
    "attributes of the settings": ({}, {".dvc/.gitattributes": "config ident\n"}, ""),
    "attributes above": (DEEP, {".gitattributes": "*.csv text eol=crlf\n"}, "sub"),
    "attributes that are an output": ({}, {"model/.gitattributes": "* ident\n"}, ""),
    "modules": ({}, {".gitmodules": "[submodule]\n"}, ""),
    "LFS": ({}, {".lfsconfig": "[lfs]\nfetchexclude = *\n"}, ""),
    "LFS above": (DEEP, {".lfsconfig": "[lfs]\nfetchexclude = *\n"}, "sub"),
    "the pipeline": ({}, {"dvc.yaml": PIPELINE + "# x\n"}, ""),
    "vars": ({"dvc.yaml": f"vars: [docs/v.yaml]\n{PIPELINE}"}, {"docs/v.yaml": "a: 1\n"}, ""),
    "some of a file": (
        {"dvc.yaml": f"vars: [x: 1, 'docs/v.yaml:a']\n{PIPELINE}"}, {"docs/v.yaml": "a: 1\n"}, "",
    ),
    "vars of a stage": (
        {"dvc.yaml": "stages:\n  a:\n    wdir: docs\n    vars: [v.yaml]\n    cmd: x ${a}\n"},
        {"docs/v.yaml": "a: 1\n"}, "",
    ),
    "vars of a group": (
        {"dvc.yaml": "stages:\n  a:\n    foreach: [1]\n    do:\n      vars: [docs/v.yaml]\n"
                     "      cmd: x ${a}\n"},
        {"docs/v.yaml": "a: 1\n"}, "",
    ),
    "vars beside": (
        DEEP | {"sub/dvc.yaml": f"vars: [../v.yaml]\n{PIPELINE}"}, {"v.yaml": "a: 1\n"}, "sub",
    ),
    "vars unasked": (
        {"dvc.yaml": "stages:\n  a:\n    wdir: docs\n    cmd: x\n"},
        {"docs/params.yaml": "a: 1\n"}, "",
    ),
    "params of a stage": (
        {"dvc.yaml": "stages:\n  a:\n    params: [{docs/p.json: [a]}]\n    cmd: x\n"},
        {"docs/p.json": '{"a": 1}'}, "",
    ),
    "parsing": ({}, {".dvc/config": "[parsing]\n    list = append\n"}, ""),
    "parsing above": (DEEP, {".dvc/config": "['parsing']\nbool = boolean_optional\n"}, "sub"),
}  # fmt: skip


@pytest.mark.sweep(9)
@pytest.mark.parametrize("what", ACTS)
def test_what_acts_on_a_job_counts_whatever_the_patterns(what: str) -> None:
    state, added, project = ACTS[what]
    patterns = ("/docs/", ".gitattributes", ".gitmodules", ".lfsconfig", "dvc.yaml", ".dvc")
    config = replace(
        CONFIG, project=project, inputs_ignore=patterns, outputs=("model/.gitattributes",)
    )
    assert digest({**state, **added}, config) != digest(state, config)
    # The control: what nothing reads of the same folders.
    assert digest({**state, "docs/x.yaml": "a: 1\n", ".dvc/x": "y"}, config) == digest(
        state, config
    )


# Pairs that YAML 1.2, so DVC, reads alike, and YAML 1.1, so PyYAML, does not.
SPELT = (
    ("a: 10", "a: 010"), ("a: no", "a: 'no'"), ("a: On", "a: 'On'"), ("a: 1:30", "a: '1:30'"),
    ("a: 0.001", "a: 1e-3"), ("a: 15", "a: 0o17"), ("a: {1: x}", "a: {'1': x}"),
    ("a: {yes: x}", "a: {'yes': x}"), ("a: [10, 010]", "a: [010, 10]"), ("a: 10", "a: !!int 010"),
    ("a: 010", "%YAML 1.1\n---\na: 010"), ("a: &x 010\nb: *x", "a: &x 10\nb: *x"),
)  # fmt: skip
ALIKE = (
    ("a: 0.1", "a: 0.10  # x"), ("a: x", "a: 'x'"), ("a: 1_000", "a: 1000"), ("a: ~", "a: null"),
    ("a: {b: 1}", "a:\n  b: 1"), ("a: 0x1F", "a: 31"), ("a: {x: y}", "a: {'x': 'y'}"),
)  # fmt: skip


@pytest.mark.sweep(10)
@pytest.mark.parametrize(("one", "other"), [*SPELT, *ALIKE])
def test_a_parameter_counts_by_value_where_every_yaml_reads_it_alike(one: str, other: str) -> None:
    config = replace(CONFIG, params=("p.yaml",))
    left, right = (digest({"p.yaml": f"{text}\n"}, config) for text in (one, other))
    assert (left == right) is ((one, other) in ALIKE)
    seeded = replace(config, seed=SeedRule(params=(ParamKey("p.yaml", "a"),)))
    if not set("%*").intersection(one + other):
        assert len({digest({"p.yaml": f"{text}\n"}, seeded) for text in (one, other)}) == 1


def test_the_lock_of_a_frozen_stage_is_data() -> None:
    frozen = DVC_FILES["dvc.yaml"].replace("  prepare:\n", "  prepare:\n    frozen: true\n")
    one = digest({"dvc.yaml": frozen})
    assert digest({"dvc.yaml": frozen, "dvc.lock": LOCK.replace(MD5, "0" * 32)}) != one


def test_the_lock_of_a_stage_that_no_target_needs_is_data() -> None:
    config = replace(CONFIG, targets=("train",))
    more = DVC_FILES["dvc.yaml"] + "  apart:\n    cmd: x\n    outs:\n    - apart.txt\n"
    lock = LOCK + LOCK.split("stages:\n")[1].replace("prepare", "apart")
    one = digest({"dvc.yaml": more, "dvc.lock": lock}, config)
    other = lock[: len(LOCK)] + lock[len(LOCK) :].replace(MD5, "0" * 32)
    assert digest({"dvc.yaml": more, "dvc.lock": other}, config) != one
    needed = lock[: len(LOCK)].replace(MD5, "0" * 32) + lock[len(LOCK) :]
    assert digest({"dvc.yaml": more, "dvc.lock": needed}, config) == one


def test_the_lock_of_another_pipeline_is_data() -> None:
    one = digest({"other/dvc.lock": LOCK})
    assert one != before()
    assert digest({"other/dvc.lock": LOCK.replace(MD5, "0" * 32)}) != one


def test_a_first_run_of_a_pipeline_with_templates_leaves_the_inputs() -> None:
    templated = (
        "stages:\n  each:\n    foreach: [a, b]\n    do:\n      cmd: python train.py ${item}\n"
        "      deps: [train.py]\n      outs:\n      - out/${item}.txt\n"
        "      metrics:\n      - m/${item}.json:\n          cache: false\n"
    )
    config = replace(CONFIG, outputs=(), metrics=())
    lock = (
        "schema: '2.0'\nstages:\n  each@a:\n    cmd: python train.py a\n    outs:\n"
        f"    - path: m/a.json\n      hash: md5\n      md5: {MD5}\n      size: 0\n"
    )
    fresh = {"dvc.yaml": templated, "dvc.lock": None}
    after = {"dvc.yaml": templated, "dvc.lock": lock, "m/a.json": "{}", "out/.gitignore": "/a.txt"}
    assert digest(after, config) == digest(fresh, config)
    opened, tree = tree_with({**fresh, "m/b.json": "{}"})
    made = ("m/b.json", "out/b.txt")
    assert inputs.undeclared_tracked_outputs(opened, tree, config, made) == ("m/b.json",)


def test_a_project_in_a_subfolder_counts_alone() -> None:
    config = replace(CONFIG, project="app", pipeline="dvc.yaml")
    inside = {f"app/{name}": content for name, content in DVC_FILES.items()}
    one = digest(inside, config)
    assert digest({**inside, "elsewhere/x.py": "1"}, config) == one
    assert digest({**inside, "app/x.py": "1"}, config) != one
    named = inside["app/dvc.yaml"].replace("    - raw.csv\n", "    - raw.csv\n    - ../lib/x.py\n")
    both = {**inside, "app/dvc.yaml": named}
    assert digest({**both, "lib/x.py": "1"}, config) != digest({**both, "lib/x.py": "2"}, config)


def test_data_beside_the_project_count_where_a_stage_reads_a_part_of_them() -> None:
    config = replace(CONFIG, project="apps/a", pipeline="dvc.yaml")
    deps = "    - raw.csv\n    - ../../data/raw/x.csv\n    - ../../etl/clean.csv\n"
    inside = {f"apps/a/{name}": content for name, content in DVC_FILES.items()}
    pipeline = DVC_FILES["dvc.yaml"].replace("    - raw.csv\n", deps)
    files = {
        **inside,
        "apps/a/dvc.yaml": pipeline,
        "data/raw.dvc": POINTER.replace("big.bin", "raw"),
        "data/other.dvc": POINTER.replace("big.bin", "other"),
        "etl/dvc.yaml": "stages: {prepare: {cmd: x, wdir: .., outs: [etl/clean.csv]}}\n",
        "etl/dvc.lock": LOCK.replace("prepared.csv", "etl/clean.csv"),
    }
    one = digest(files, config)
    for path in ("data/raw.dvc", "etl/dvc.lock"):
        assert digest({**files, path: files[path].replace(MD5, "0" * 32)}, config) != one
    path = "data/other.dvc"
    assert digest({**files, path: files[path].replace(MD5, "0" * 32)}, config) == one


def test_a_params_file_in_python_counts_without_its_seed() -> None:
    config = replace(CONFIG, params=("params.py",), seed=SeedRule((ParamKey("params.py", "SEED"),)))
    one = digest({"params.py": "LR = 0.1\nSEED = 1\n"}, config)
    assert digest({"params.py": "LR = 0.1\nSEED = 2\n"}, config) == one
    assert digest({"params.py": "LR = 0.2\nSEED = 1\n"}, config) != one
    assert digest({"params.py": "LR = 0.1\nSEED = 1\nimport os\n"}, config) != one


def test_params_that_cannot_be_read_are_an_error_with_file_and_line() -> None:
    with pytest.raises(BadFormatError) as caught:
        digest({"params.yaml": "lr: 1\nday: 2024-01-01\n"})
    assert "params.yaml" in caught.value.where
    assert "line 2" in caught.value.where


def test_a_name_that_is_not_utf8_counts() -> None:
    repo, start = base()
    repo.git("read-tree", start)
    blob = repo.git("hash-object", "-w", "--stdin", data=b"1")
    repo.git("update-index", "-z", "--index-info", data=f"100644 {blob}\t".encode() + b"\xff.csv\0")
    opened = open_repository(repo.workspace)
    tree = commit_info(opened, CommitHash(_commit(repo, repo.git("write-tree")))).tree
    assert inputs.compute(opened, tree, CONFIG) != before()


def test_the_reasons_name_what_differs_and_nothing_else() -> None:
    opened, one = tree_with({})
    _, other = tree_with(
        {
            "params.yaml": "lr: 0.25\nseed: 4\n",
            "src/a.py": "x = 2\n",
            "big.bin.dvc": POINTER.replace(MD5, "0" * 32),
            "README.md": "other\n",
        }
    )
    config = replace(CONFIG, once=("prepare",))
    found = inputs.explain(opened, one, CONFIG, other, config)
    assert [(item.kind, item.what) for item in found] == [
        ("config", "once"),
        ("params", "lr"),
        ("data", "big.bin.dvc"),
        ("code", "src/a.py"),
    ]
    assert (found[1].a, found[1].b) == ("0.5", "0.25")
    assert inputs.explain(opened, one, CONFIG, one, CONFIG) == ()


@pytest.mark.parametrize("renamed", [False, True])
def test_a_stage_that_one_side_alone_has_is_named_as_such(*, renamed: bool) -> None:
    """What dvc.lock still has of it is data to the digest, and no change of data to a reader."""
    more = f"{DVC_FILES['dvc.yaml']}  report: {{cmd: python r.py, outs: [r.txt]}}\n"
    lock = LOCK + LOCK.split("stages:\n")[1].replace("prepare", "report").replace("ed.csv", "")
    gone = more.replace("report", "page") if renamed else DVC_FILES["dvc.yaml"]
    opened, one = tree_with({"dvc.yaml": more, "dvc.lock": lock})
    _, other = tree_with({"dvc.yaml": gone, "dvc.lock": lock})
    for left, right, ends in ((one, other, ("declared", "")), (other, one, ("", "declared"))):
        found = inputs.explain(opened, left, CONFIG, right, CONFIG)
        names = ["stage page", "stage report"] if renamed else ["stage report"]
        assert [item.what for item in found] == ["dvc.yaml", *names]
        assert (found[-1].a, found[-1].b) == ends


def test_the_records_of_a_run_leave_the_inputs() -> None:
    assert digest(run_files(*a_run(1))) == before()


def test_a_remembered_digest_is_the_computed_one() -> None:
    opened, tree = tree_with({})
    index = Index(None)
    first = inputs.compute(opened, tree, CONFIG, index=index)
    assert first == inputs.compute(opened, tree, CONFIG, index=index) == before()
    other = inputs.compute(opened, tree, replace(CONFIG, once=("train",)), index=index)
    assert other != first


def test_the_rules_are_pinned(repo: BuiltRepo) -> None:
    """A digest that changes here orphans every recorded run: it needs a new name of the rules."""
    stage = "stages:\n  train:\n    cmd: python train.py\n    outs: [model.txt]\n"
    commit = repo.commit(
        {
            "dvc.yaml": stage,
            "params.yaml": "lr: 0.5\nseed: 1\n",
            "train.py": "print(1)\n",
            "big.bin.dvc": POINTER,
            "other/dvc.lock": LOCK,
            "docs/x.md": "words\n",
        }
    )
    opened = open_repository(repo.workspace)
    tree = commit_info(opened, CommitHash(commit)).tree
    assert inputs.compute(opened, tree, CONFIG) == (
        "2500c2f758446a04d76614a69476b5e1d9ee9d5871545dc4e4c2ba44b2eb3a31"
    )


@pytest.mark.parametrize("project", ["", "app"])
def test_a_tree_that_was_walked_already_has_the_same_inputs(project: str) -> None:
    moved = {f"app/{path}": content for path, content in BASE.items()}
    outside = {"app/dvc.yaml": moved["app/dvc.yaml"].replace("- raw.csv", "- ../raw.csv")}  # type: ignore[union-attr,arg-type]
    repo, tree = tree_with({**moved, **outside})
    config = replace(CONFIG, project=project, pipeline="dvc.yaml")
    walked = tuple(walk_tree(repo, tree))
    assert inputs.digest(ProjectState(repo, tree, config, walked)) == inputs.compute(
        repo, tree, config
    )


@pytest.mark.sweep
@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("mode", ["100644", "100755", "120000", "160000"])
@pytest.mark.parametrize("path", ["params.yaml", "json.py", "conf/more.yaml", "more.json"])
def test_a_params_file_of_any_kind_counts_or_is_in_no_job(
    path: str, mode: str, *, ignored: bool
) -> None:
    """A link has no values, but Python imports what it leads to: seen, it has to count."""
    repo, start = base()
    opened = open_repository(repo.workspace)
    config = replace(
        CONFIG,
        params=(*CONFIG.params, path),
        inputs_ignore=(*CONFIG.inputs_ignore, path) if ignored else CONFIG.inputs_ignore,
    )
    seen = set()
    for rate in (0.1, 0.2):
        text = f'{{"lr": {rate}}}' if path.endswith("json") else f"lr = {rate}\n"
        content = (text.replace("=", ":") if path.endswith("yaml") else text).encode()
        if mode == "160000":
            entry = repo.git("commit-tree", "-m", content.decode(), f"{start}^{{tree}}")
        else:
            entry = repo.write_object("blob", content)
        repo.git("read-tree", start)
        repo.git("update-index", "--add", "--cacheinfo", f"{mode},{entry},{path}")
        tree = commit_info(opened, CommitHash(_commit(repo, repo.git("write-tree")))).tree
        state = ProjectState(opened, tree, config)
        gone = not {path, path.partition("/")[0]}.isdisjoint(left_out(state, ()))
        assert gone != any(each.path == path.encode() for each in collect(state, {}))
        seen.add(inputs.digest(state))
    assert len(seen) == 1 + (not gone)
