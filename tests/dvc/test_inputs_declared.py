"""Declared mode: a file that nothing declares counts nowhere, and whatever is declared always."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitexp.dvc import inputs
from gitexp.dvc.input_parts import collect, ignore_rules, left_out, written
from gitexp.dvc.state import ProjectState
from gitexp.errors import GitexpError
from gitexp.model.config import InputsMode
from tests.dvc.test_inputs import digest, tree_with
from tests.dvc.test_inputs_rules import NAMED, PROJECT, RULES_2, UNDECLARED, folder_is_digest
from tests.lab.dvc_trees import FILE, LINK, DrawnTree, drawn, packaged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.model.config import ProjectConfig
    from tests.lab.build import Content

DECLARED = replace(RULES_2, inputs_mode=InputsMode.DECLARED)
PLAIN = replace(DECLARED, pipeline=None, command="python train.py")
RUN = "stages:\n  a:\n    cmd: {}\n"
UNUSED = {
    **UNDECLARED,
    "a script": "plot.py",
    "code in a folder": "src/b.py",
    "a package": "other/__init__.py",
    "a folder like a dependency": "data2/x.csv",
    "another package": "other/pyproject.toml",
    "a start of others": "other/sitecustomize.py",
    "an empty folder": "other/.gitkeep",
    "a pipeline of others": "other/dvc.yaml",
    "settings": "conf/a.yaml",
}


@pytest.mark.sweep
@pytest.mark.parametrize("path", UNUSED.values(), ids=UNUSED)
@pytest.mark.parametrize("config", [DECLARED, PLAIN], ids=["stages", "a command"])
def test_a_file_that_nothing_declares_keeps_the_inputs(path: str, config: ProjectConfig) -> None:
    has: dict[str, Content] = {"pyproject.toml": PROJECT, "dvc.yaml": RUN.format("python train.py")}
    text = "x: 1\n" if path.endswith("yaml") else "x = 1\n"
    assert digest({**has, path: text}, config) == digest(has, config)
    opened, tree = tree_with({**has, path: text})
    state = ProjectState(opened, tree, config)
    assert any(f"{path}/".startswith(f"{each}/") for each in left_out(state, ()))
    assert {*written(state, {})} <= {"pyproject.toml"}


A, DEPS = RUN.format("python train.py"), f"{RUN.format('x')}    deps: "
COUNTED: dict[str, tuple[str, Mapping[str, Content]]] = {
    **NAMED,
    "a script": ("train.py", {"dvc.yaml": A}),
    "a file in a folder that is a dependency": ("src/b/c.py", {"dvc.yaml": f"{DEPS}[src]\n"}),
    "all": ("plot.py", {"dvc.yaml": f"{DEPS}[.]\n"}),
    "all, by a command": ("plot.py", {"dvc.yaml": RUN.format("python -m build .")}),
    "all, from a folder": (
        "plot.py", {"dvc.yaml": f"{RUN.format('x')}    wdir: src\n    deps: [..]\n"},
    ),
    "a template": ("src/b.py", {"dvc.yaml": RUN.format("python src/${item}.py")}),
    "a dependency of a template": ("in/b.csv", {"dvc.yaml": f"{DEPS}['in/${{item}}.csv']\n"}),
    "a script that a parameter names": (
        "src/b.py", {"dvc.yaml": RUN.format("python ${script}"),
                     "params.yaml": "seed: 1\nscript: src/b.py\n"},
    ),
    "an item of a matrix": (
        "src/b.py",
        {"dvc.yaml": "stages:\n  a:\n    matrix: {s: [src/b.py]}\n    cmd: python ${item.s}\n"},
    ),
    "what a shell fills in": ("in/b.csv", {"dvc.yaml": RUN.format("cat in/*.csv")}),
    "a variable": ("in/b.csv", {"dvc.yaml": RUN.format("cat in/$FOLD.csv")}),
    "a pattern": ("b.csv", {"dvc.yaml": RUN.format("cat *.csv")}),
    "a package that is run": ("p/b.py", {"dvc.yaml": RUN.format("python -m p")}),
    "a package below src": ("src/p/b.py", {"dvc.yaml": RUN.format("python -m p --lr 1")}),
    "a module": ("b.py", {"dvc.yaml": RUN.format("python -m b")}),
    "a package around code": ("src/p/__init__.py", {"dvc.yaml": f"{DEPS}[src/p/b/c.py]\n",
                                                    "src/p/b/c.py": "x"}),
    "what starts beside code": ("src/sitecustomize.py", {"dvc.yaml": f"{DEPS}[src/a.py]\n",
                                                         "src/a.py": "x"}),
    "variables": (".env", {"dvc.yaml": A}),
    "the interpreter": (".python-version", {"dvc.yaml": A}),
    "a package": ("pyproject.toml", {"dvc.yaml": A}),
    "code of a build": ("setup.py", {"dvc.yaml": A}),
    "the folder of an output": (
        "made/.gitkeep", {"dvc.yaml": f"{RUN.format('x')}    outs: [made/b]\n"},
    ),
    "attributes": (".gitattributes", {"dvc.yaml": A}),
    "a pointer": ("raw2.csv.dvc", {"dvc.yaml": A}),
    "the pipeline": ("dvc.yaml", {}),
}  # fmt: skip


@pytest.mark.sweep(20)
@pytest.mark.parametrize("what", COUNTED)
def test_what_is_declared_counts_and_a_job_sees_it(what: str) -> None:
    path, there = COUNTED[what]
    text = "lr: 1\n" if path.endswith((".yaml", ".dvc")) else "[x]\na = 1\n"
    assert digest({**there, path: text}, DECLARED) != digest(there, DECLARED)
    opened, tree = tree_with({**there, path: text})
    gone = left_out(ProjectState(opened, tree, DECLARED), ())
    assert not any(f"{path}/".startswith(f"{each}/") for each in gone)


def test_settings_name_files_too() -> None:
    for config, path in (
        (replace(DECLARED, evaluation=("data/test",)), "data/test/a.csv"),
        (replace(DECLARED, inputs_include=("/plot.py",)), "plot.py"),
        (replace(DECLARED, inputs_include=("tests/",)), "tests/a.py"),
        (replace(DECLARED, params=("params.yaml", "conf/p.yaml")), "conf/p.yaml"),
    ):
        assert digest({path: "a: 1\n"}, config) != digest({}, config), path
        assert digest({path: "a: 1\n"}, config) != digest({path: "a: 2\n"}, config), path


def test_the_digest_is_that_of_the_folder_by_whichever_mode() -> None:
    """A project of which nothing is undeclared has the inputs of tree mode, and their runs."""
    there = {"dvc.yaml": RUN.format("python train.py")}
    opened, tree = tree_with({**there, "plot.py": "x"})
    state = ProjectState(opened, tree, DECLARED)
    kept = {part.path.decode(): None for part in collect(state, {}) if part.kind == "code"}
    every = {part.path.decode(): None for part in collect(_tree_mode(state), {})}
    gone = {path: None for path in every.keys() - kept if not path.endswith(("yaml", ".dvc"))}
    assert "plot.py" in gone
    assert digest({**there, **gone}, RULES_2) == digest({**there, "plot.py": "x"}, DECLARED)


def _tree_mode(state: ProjectState) -> ProjectState:
    return state.by_rules((2, InputsMode.TREE))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1999), st.booleans())
def test_the_folder_has_exactly_what_the_digest_covers(number: int, package: bool) -> None:  # noqa: FBT001
    folder_is_digest(packaged(number) if package else drawn(number), InputsMode.DECLARED)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1999), st.booleans(), st.integers(0, 99))
def test_a_drawn_project_keeps_its_inputs_but_for_what_is_declared(
    number: int,
    package: bool,  # noqa: FBT001
    at: int,
) -> None:
    """Without a file that is left out all is as it was; without one that counts it is not."""
    here = packaged(number) if package else drawn(number)
    config = replace(here.config, inputs_rules=2, inputs_mode=InputsMode.DECLARED)
    opened, _ = tree_with({})
    state = ProjectState(opened, here.write(opened), config)
    try:
        code = [p for p in collect(state, {}) if p.kind == "code" and not p.path.startswith(b"../")]
        rules = ignore_rules(state, {})
        before = digest_of(state)
    except GitexpError:
        return
    names = sorted(entry.text for entry in state.files())
    path = names[at % len(names)]
    full = f"{config.project}/{path}" if config.project else path
    rest = {each: entry for each, entry in here.files.items() if each != full}
    after = digest_of(replace(state, tree=replace(here, files=rest).write(opened)))
    if any(part.path.decode() == path for part in code):
        assert after != before, path
    elif rules.why(path) and not path.endswith((".dvc", ".lock", ".py", "dvc.yaml", "setup.cfg")):
        assert after in {before, ""} or path in config.params, path


def digest_of(state: ProjectState) -> str:
    try:
        return inputs.digest(state)
    except GitexpError:
        return ""


def test_a_link_that_counts_leads_to_what_counts() -> None:
    files = {"dvc.yaml": f"{DEPS}[src]\n", "lib/x/a.py": "x", "lib/y/b.py": "x"}
    mode = {path: (FILE, text.encode()) for path, text in files.items()}
    opened, _ = tree_with({})
    for target, counted in (("lib/x", {"lib/x/a.py"}), ("lib/../more", {"lib/y/b.py"})):
        there = {**mode, "src": (LINK, target.encode()), "more": (LINK, b"lib/y")}
        state = ProjectState(opened, DrawnTree(there, DECLARED, {}).write(opened), DECLARED)
        code = {part.path.decode() for part in collect(state, {}) if part.kind == "code"}
        links = {"src"} | ({"more"} if "more" in target else set())
        assert code == {"dvc.yaml", *links, *counted}
