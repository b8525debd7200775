"""Rules 2: what people and their tools alone read counts nowhere, and what a stage names always."""

from __future__ import annotations

import configparser
import io
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitexp.dvc.covered import packaging
from gitexp.dvc.input_parts import collect, left_out, written
from gitexp.dvc.state import ProjectState
from gitexp.errors import GitexpError
from gitexp.git.objects import commit_info, resolve, walk_tree
from gitexp.git.repository import open_repository
from gitexp.model.config import InputsMode, SeedRule
from tests.dvc.test_inputs import BASE, CONFIG, DVC_FILES, digest, tree_with
from tests.lab.dvc_trees import drawn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import InputsDigest
    from tests.lab.build import BuiltRepo, Content
    from tests.lab.dvc_trees import DrawnTree

RULES_2 = replace(CONFIG, inputs_rules=2)
PROJECT = """\
[build-system]
requires = ["hatchling"]

[project]
name = "churn"
version = "1"
readme = "README.md"
dependencies = ["numpy"]

[tool.hatch.version]
path = "src/about.py"
"""
CFG = """\
[metadata]
name = churn
long_description = file: NOTES.md, LICENSE
[options]
packages = a
"""


def by_rules_2(changes: Mapping[str, Content], **more: object) -> InputsDigest:
    return digest(changes, RULES_2, **more)


# What nothing declares, in a project with these two files.
HAS = {"pyproject.toml": PROJECT, "setup.cfg": CFG}
UNDECLARED: dict[str, str] = {
    "a test": "tests/test_a.py",
    "data of a test": "tests/data/deep/x.json",
    "a test beside its code": "src/test_a.py",
    "a test in a package": "src/a/tests/cases.py",
    "fixtures": "conftest.py",
    "a notebook": "notebooks/look.ipynb",
    "a note": "notes/today.md",
    "docs": "docs/conf.py",
    "CI": ".github/workflows/ci.yml",
    "another CI": ".gitlab-ci.yml",
    "hooks": ".githooks/pre-commit",
    "settings of hooks": ".pre-commit-config.yaml",
    "an editor": ".vscode/settings.json",
    "a linter": "ruff.toml",
    "a test runner": "pytest.ini",
    "dev packages": "requirements-dev.txt",
    "locked packages": "uv.lock",
    "a licence that nobody names": "COPYING",
}


@pytest.mark.sweep(9)
@pytest.mark.parametrize("path", UNDECLARED.values(), ids=UNDECLARED)
def test_a_file_that_nothing_declares_keeps_the_inputs(path: str) -> None:
    assert by_rules_2({**HAS, path: "x = 1\n"}) == by_rules_2(HAS)
    opened, tree = tree_with({**HAS, path: "x = 1\n"})
    gone = left_out(ProjectState(opened, tree, RULES_2), ())
    assert any(f"{path}/".startswith(f"{each}/") for each in gone), "and no job sees it"


# A linter's table, a dev package, an address, a comment, another layout: all by value the same.
SAME: dict[str, tuple[str, str]] = {
    "a linter": ("pyproject.toml", f"{PROJECT}\n[tool.ruff]\nline-length = 100\n"),
    "a linter deep": ("pyproject.toml", f"{PROJECT}\n[tool.ruff.lint]\nselect = ['ALL']\n"),
    "a test runner": ("pyproject.toml", f"{PROJECT}\n[tool.pytest.ini_options]\naddopts = '-q'\n"),
    "types": ("pyproject.toml", f"{PROJECT}\n[tool.mypy]\nstrict = true\n"),
    "overrides": ("pyproject.toml", f"{PROJECT}\n[[tool.mypy.overrides]]\nmodule = 'x'\n"),
    "dev group": ("pyproject.toml", f"{PROJECT}\n[dependency-groups]\ndev = ['pexpect']\n"),
    "dev extra": (
        "pyproject.toml", f"{PROJECT}\n[project.optional-dependencies]\nTest = ['pexpect']\n",
    ),
    "old dev group": ("pyproject.toml", f"{PROJECT}\n[tool.uv]\ndev-dependencies = ['x']\n"),
    "poetry": ("pyproject.toml", f"{PROJECT}\n[tool.poetry.group.dev.dependencies]\nx = '1'\n"),
    "urls": ("pyproject.toml", f"{PROJECT}\n[project.urls]\nHomepage = 'https://x.example'\n"),
    "a comment": ("pyproject.toml", PROJECT.replace("\n[project]", "# new\n[project]  # too")),
    "quotes": ("pyproject.toml", PROJECT.replace('"', "'")),
    "order": ("pyproject.toml", PROJECT.replace(
        'version = "1"\nreadme = "README.md"\n', 'readme="README.md"\nversion="1"\n')),
    "cfg: linter": ("setup.cfg", f"{CFG}[flake8]\nmax-line-length = 100\n"),
    "cfg: types": ("setup.cfg", f"{CFG}[mypy-a.*]\nstrict = true\n"),
    "cfg: tests": ("setup.cfg", f"{CFG}[tool:pytest]\naddopts = -q\n"),
    "cfg: dev extra": ("setup.cfg", f"{CFG}[options.extras_require]\ndev = pexpect\n"),
    "cfg: url": ("setup.cfg", CFG.replace("[options]", "url = https://x.example\n[options]")),
    "cfg: comment": ("setup.cfg", f"# new\n{CFG}"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "text"), SAME.values(), ids=SAME)
def test_what_no_job_reads_of_a_packages_settings_keeps_the_inputs(path: str, text: str) -> None:
    assert by_rules_2({**HAS, path: text}) == by_rules_2(HAS)


OTHER: dict[str, tuple[str, str]] = {
    "a package": ("pyproject.toml", PROJECT.replace('"numpy"', '"numpy", "scipy"')),
    "a version": ("pyproject.toml", PROJECT.replace('version = "1"', 'version = "2"')),
    "an extra": ("pyproject.toml", f"{PROJECT}\n[project.optional-dependencies]\ngpu = ['x']\n"),
    "a table of a library": ("pyproject.toml", f"{PROJECT}\n[tool.churn]\nlr = 1\n"),
    "an empty table": ("pyproject.toml", f"{PROJECT}\n[tool.setuptools_scm]\n"),
    "no TOML": ("pyproject.toml", f"{PROJECT}\n[tool.ruff\n"),
    "cfg: a package": ("setup.cfg", CFG.replace("packages = a", "packages = b")),
    "cfg: another section": ("setup.cfg", f"{CFG}[churn]\nlr = 1\n"),
    "cfg: not one": ("setup.cfg", f"{CFG}lr\n"),
    "the readme": ("README.md", "other\n"),
    "a text": ("NOTES.md", "other\n"),
    "the licence": ("LICENSE", "other\n"),
    "the version file": ("src/about.py", "__version__ = '2'\n"),
    "code": ("src/b.py", "x = 1\n"),
    "a table": ("data/test/x.csv", "1\n"),
    "a table of tests": ("test/x.csv", "1\n"),
    "packages": ("requirements.txt", "numpy\n"),
    "a module that ends so": ("src/t_test.py", "x = 1\n"),
}


@pytest.mark.sweep(9)
@pytest.mark.parametrize(("path", "text"), OTHER.values(), ids=OTHER)
def test_what_a_job_sees_changes_the_inputs(path: str, text: str) -> None:
    there: dict[str, Content] = {**HAS, "README.md": "a\n", "NOTES.md": "b\n", "LICENSE": "c\n"}
    assert by_rules_2({**there, path: text}) != by_rules_2(there)


STAGES = DVC_FILES["dvc.yaml"]
RUN = "stages:\n  a:\n    cmd: {}\n"
NAMED: dict[str, tuple[str, Mapping[str, Content]]] = {
    "a command": ("tests/bench.py", {"dvc.yaml": RUN.format("python tests/bench.py")}),
    "a module": ("tests/bench.py", {"dvc.yaml": RUN.format("python -m tests.bench")}),
    "a package of it": ("tests/__init__.py", {"dvc.yaml": RUN.format("python -m tests.bench")}),
    "a module below src": ("src/a/tests/b.py", {"dvc.yaml": RUN.format("python -m a.tests.b")}),
    "a notebook": ("look.ipynb", {"dvc.yaml": RUN.format("papermill look.ipynb out.ipynb")}),
    "a dependency": (
        "prompts/judge.md", {"dvc.yaml": f"{RUN.format('x')}    deps: [prompts/judge.md]\n"},
    ),
    "a folder": ("prompts/judge.md", {"dvc.yaml": f"{RUN.format('x')}    deps: [prompts]\n"}),
    "a parameter": ("prompts/judge.md", {"params.yaml": "seed: 1\nprompt: prompts/judge.md\n"}),
    "a parameter of a list": ("a/b.md", {"params.yaml": "seed: 1\nprompts: [a/b.md]\n"}),
    "vars": ("tests/v.yaml", {"dvc.yaml": f"vars: [tests/v.yaml]\n{RUN.format('x')}"}),
    "a value of vars": ("p/a.md", {"dvc.yaml": f"vars: [{{p: p/a.md}}]\n{RUN.format('x ${p}')}"}),
    "an item": (
        "p/a.md",
        {"dvc.yaml": "stages:\n  a:\n    foreach: [p/a.md]\n    do:\n      cmd: x ${item}\n"},
    ),
    "params of a stage": (
        "tests/p.yaml", {"dvc.yaml": f"{RUN.format('x')}    params: [{{tests/p.yaml: [lr]}}]\n"},
    ),
    "a test runner": ("tests/test_a.py", {"dvc.yaml": RUN.format("python -m pytest -q")}),
    "its settings": ("pytest.ini", {"dvc.yaml": RUN.format("pytest")}),
    "an installer": ("uv.lock", {"dvc.yaml": RUN.format("uv run train.py")}),
    "code of a build": ("VERSION.md", {"setup.py": "v = open('VERSION.md').read()\n"}),
}  # fmt: skip


@pytest.mark.parametrize("what", NAMED)
def test_what_a_stage_names_counts_whatever_the_rules(what: str) -> None:
    path, state = NAMED[what]
    text = "lr: 1\n" if path.endswith("yaml") else "x = 1\n"
    assert by_rules_2({**state, path: text}) != by_rules_2(state)
    opened, tree = tree_with({**state, path: text})
    gone = left_out(ProjectState(opened, tree, RULES_2), ())
    assert not any(f"{path}/".startswith(f"{each}/") for each in gone), "and a job sees it"


def test_an_override_names_a_file_as_the_parameter_does() -> None:
    there: dict[str, Content] = {"params.yaml": "seed: 1\np: a.md\n", "a.md": "1", "b.md": "1"}
    other = {**there, "b.md": "2"}
    assert by_rules_2(other) == by_rules_2(there)
    with_b = {"overrides": {"p": "b.md"}}
    assert by_rules_2(other, **with_b) != by_rules_2(there, **with_b)
    opened, tree = tree_with(there)
    state = ProjectState(opened, tree, RULES_2)
    assert ("b.md" in left_out(state, ()), "b.md" in left_out(state, (), {"p": "b.md"})) == (
        True,
        False,
    )


def test_a_table_of_a_tool_that_a_command_calls_counts() -> None:
    config = replace(RULES_2, pipeline=None, command="pytest tests/bench.py")
    more = f"{PROJECT}\n[tool.pytest.ini_options]\naddopts = '-q'\n"
    assert digest({"pyproject.toml": more}, config) != digest({"pyproject.toml": PROJECT}, config)
    lint = f"{PROJECT}\n[tool.ruff]\nline-length = 9\n"
    assert digest({"pyproject.toml": lint}, config) == digest({"pyproject.toml": PROJECT}, config)
    group = f"{PROJECT}\n[dependency-groups]\ndev = ['x']\n"
    config = replace(config, command="uv run train.py")
    assert digest({"pyproject.toml": group}, config) != digest({"pyproject.toml": PROJECT}, config)


def test_include_brings_back_and_ignore_takes_away() -> None:
    config = replace(RULES_2, inputs_include=("tests/helpers.py", "/pyproject.toml"))
    there: dict[str, Content] = {"pyproject.toml": PROJECT}
    for path, text in (("tests/helpers.py", "x"), ("pyproject.toml", f"# new\n{PROJECT}")):
        assert digest({**there, path: text}, config) != digest(there, config)
    assert digest({**there, "tests/other.py": "x"}, config) == digest(there, config)
    scratch = replace(RULES_2, inputs_ignore=("/scratch/",))
    assert digest({"scratch/a.py": "x"}, scratch) == digest({}, scratch) == by_rules_2({}), (
        "by which pattern a file is left out does not matter"
    )


def test_a_project_of_which_no_file_is_left_out_has_the_inputs_that_it_had() -> None:
    """The folder is the same by both rules, so that runs are found by either."""
    assert by_rules_2({"tests/test_a.py": None}) == digest({"tests/test_a.py": None})
    assert by_rules_2({}) == digest({"tests/test_a.py": None}), "what is left out is as if gone"
    assert by_rules_2(HAS) != digest(HAS), "the job's pyproject.toml is written by value"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1999))
def test_the_folder_has_exactly_what_the_digest_covers(number: int) -> None:
    folder_is_digest(drawn(number), InputsMode.TREE)


def folder_is_digest(here: DrawnTree, mode: InputsMode) -> None:
    opened, _ = tree_with({})
    tree = here.write(opened)
    state = ProjectState(opened, tree, replace(here.config, inputs_rules=2, inputs_mode=mode))
    try:
        parts = collect(state, here.overrides)
        gone = left_out(state, (), here.overrides)
    except GitexpError:  # an odd tree has no inputs by any rules
        return
    texts = {path.removeprefix(f"{here.config.project}/") for path in written(state, {})}
    code = {part.path.decode("utf-8", "surrogateescape") for part in parts if part.kind == "code"}
    assert texts <= code
    project = f"{here.config.project}/" if here.config.project else ""
    for entry in walk_tree(opened, tree):
        path = entry.text.removeprefix(project)
        if not entry.text.startswith(project):
            continue
        out = any(f"{entry.text}/".startswith(f"{each}/") for each in gone)
        if path in code:
            assert not out, path
        elif not out:  # what gitexp, DVC and Git themselves read, and what a run writes over
            mine = {*path.split("/")}.intersection((".dvc", ".gitexp"))
            assert mine or path in here.config.params or path.endswith((".dvc", "ignore", ".lock"))


VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.text("ab. \"'é\x7f\n", max_size=4), VALUES, max_size=4))
def test_what_is_written_for_a_job_says_the_same(value: dict[str, object]) -> None:
    text = packaging.toml(value)  # type: ignore[arg-type]
    assert tomllib.loads(text) == value
    less = packaging.reduced(text.encode(), "pyproject.toml")
    assert less is None or packaging.reduced(less, "pyproject.toml") == less


@pytest.mark.parametrize(("path", "text"), [*SAME.values(), *OTHER.values()])
def test_what_is_written_is_written_once(path: str, text: str) -> None:
    if path in packaging.BY_VALUE and (less := packaging.reduced(text.encode(), path)) is not None:
        assert packaging.reduced(less, path) == less


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["[a]\n", "[b]\n", "a", "b", "=", ":", " ", "\t", "\n", "#", "1"])))
def test_setup_cfg_is_read_as_configparser_reads_it(parts: list[str]) -> None:
    text = "".join(parts)
    stock = configparser.RawConfigParser(default_section="\n")
    stock.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        stock.read_string(text)
    except configparser.Error:
        assert packaging.reduced(text.encode(), "setup.cfg") is None
        return
    out = io.StringIO()
    again = configparser.RawConfigParser(default_section="\n")
    again.optionxform = str  # type: ignore[assignment,method-assign]
    again.read_dict({name: dict(sorted(stock[name].items())) for name in sorted(stock.sections())})
    again.write(out)
    assert packaging.reduced(text.encode(), "setup.cfg") == out.getvalue().encode()


@pytest.mark.parametrize("size", [25_000, 100_000])  # the latter took minutes
def test_a_hostile_setup_cfg_is_read_or_refused_at_once(size: int) -> None:
    few = size // 16
    refused = [f"[m]\na{' ' * size}b", "[m]\n" + "a\n" * (size // 2), "[m]\n" + "=\n" * (size // 2)]
    assert [packaging.reduced(each.encode(), "setup.cfg") for each in refused] == [None] * 3
    names = "".join(f"{i}=\n" for i in range(few))
    sections = "".join(f"[{i}]\na=\n" for i in range(few))
    found = packaging.reduced(f"[\0]\n{names}{sections}".encode(), "setup.cfg")
    assert found is not None
    assert len(found) < 2 * size
    assert packaging.reduced(f"[m]\na{' ' * size}= b".encode(), "setup.cfg") == b"[m]\na = b\n\n"


def test_a_job_gets_the_file_that_was_digested(repo: BuiltRepo) -> None:
    lint = f"{PROJECT}\n[tool.ruff]\nline-length = 100\n"
    repo.commit({**BASE, "pyproject.toml": lint, "sub/setup.cfg": f"{CFG}[mypy]\nx = 1\n"})
    opened = open_repository(repo.workspace)
    state = _state(opened)
    files = written(state, {})
    assert set(files) == {"pyproject.toml", "sub/setup.cfg"}
    assert tomllib.loads(files["pyproject.toml"]) == tomllib.loads(PROJECT)
    ids = {part.path.decode(): part.id for part in collect(state, {})}
    for path, text in files.items():
        assert ids[path] == repo.git("hash-object", "--stdin", data=text.encode()).strip()


def _state(opened: Repo) -> ProjectState:
    tree = commit_info(opened, resolve(opened, "HEAD")).tree
    return ProjectState(opened, tree, replace(RULES_2, seed=SeedRule()))


# What DVCLive writes: each repeat makes its own, so what is committed of it is no input.
LIVE = {
    "its metrics": "{}/metrics.json",
    "its parameters": "{}/params.yaml",
    "a plot": "{}/plots/metrics/train/f1.tsv",
    "another plot": "{}/plots/sklearn/roc.json",
    "an image": "{}/plots/images/0.png",
    "a report": "{}/report.html",
    "its dvc.yaml": "{}/dvc.yaml",
}
MOVED = """\
params:
- logs/live/params.yaml
metrics:
- logs/live/metrics.json
plots:
- logs/live/plots/metrics:
    x: step
"""
FOLDERS: dict[str, tuple[str, dict[str, Content]]] = {
    "its own": ("dvclive", {}),
    "its own, in a folder": ("src/dvclive", {}),
    "one that dvc.yaml declares": ("logs/live", {"dvc.yaml": f"{MOVED}stages: {{}}\n"}),
    "one with its metrics and plots": (
        "runs/a b", {"runs/a b/metrics.json": "{}", "runs/a b/plots/metrics/f1.tsv": "0"},
    ),
}  # fmt: skip


@pytest.mark.sweep
@pytest.mark.parametrize(("folder", "there"), FOLDERS.values(), ids=FOLDERS)
@pytest.mark.parametrize("path", LIVE.values(), ids=LIVE)
def test_what_dvclive_wrote_keeps_the_inputs_and_no_job_sees_it(
    folder: str, there: dict[str, Content], path: str
) -> None:
    path, plain = path.format(folder), replace(RULES_2, pipeline=None, command="python train.py")
    for config in (RULES_2, plain):
        committed = {**there, path: "f1: 0.9\n"}
        assert digest(committed, config) == digest(there, config)
        opened, tree = tree_with(committed)
        gone = left_out(ProjectState(opened, tree, config), ())
        assert any(f"{path}/".startswith(f"{each}/") for each in gone)
    assert digest(committed) != digest(there), "by rules 1 it counts as ever"


def test_the_dvc_yaml_that_dvclive_writes_beside_a_command_keeps_the_inputs() -> None:
    config = replace(RULES_2, pipeline=None, command="python train.py")
    assert digest({"dvc.yaml": MOVED}, config) == digest({"dvc.yaml": None}, config)
    assert digest({"dvc.yaml": MOVED}) != digest({"dvc.yaml": None}), "but not by rules 1"


READ: dict[str, tuple[dict[str, Content], ProjectConfig]] = {
    "by a stage": ({"dvc.yaml": "stages: {a: {cmd: x, deps: [dvclive/params.yaml]}}\n"}, RULES_2),
    "as parameters of a stage": (
        {"dvc.yaml": "stages: {a: {cmd: x, params: [dvclive/params.yaml: ]}}\n"}, RULES_2,
    ),
    "as parameters": ({}, replace(RULES_2, params=("params.yaml", "dvclive/params.yaml"))),
    "as what is tested on": ({}, replace(RULES_2, evaluation=("dvclive/params.yaml",))),
    "as included": ({}, replace(RULES_2, inputs_include=("/dvclive/params.yaml",))),
    "by code in a package of its name": ({"dvclive/__init__.py": ""}, RULES_2),
    "in a folder of code": (
        {"dvclive/a.py": "", "dvclive/metrics.json": "", "dvclive/plots/metrics/a.tsv": ""}, RULES_2
    ),
}  # fmt: skip


@pytest.mark.parametrize(("there", "config"), READ.values(), ids=READ)
def test_a_file_of_dvclives_name_that_is_read_counts(
    there: dict[str, Content], config: ProjectConfig
) -> None:
    one, other = ({**there, "dvclive/params.yaml": f"a: {number}\n"} for number in (1, 2))
    assert digest(one, config) != digest(other, config)
    opened, tree = tree_with(one)
    assert "dvclive/params.yaml" not in left_out(ProjectState(opened, tree, config), ())


@pytest.mark.parametrize("path", ["metrics.json", "plots/metrics/a.tsv", "params.yaml"])
def test_the_projects_own_folder_is_none_of_dvclive(path: str) -> None:
    has: dict[str, Content] = {"metrics.json": "{}", "plots/metrics/b.tsv": "0"}
    config = replace(RULES_2, metrics=(), pipeline=None, command="x")
    assert digest({**has, path: "b: 1\n"}, config) != digest(has, config)
