"""Inputs, held by properties: the same before and after a run, whatever Git's settings are."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitexp.dvc import inputs
from gitexp.execution.run import run
from gitexp.experiments.init import init
from gitexp.git import objects
from gitexp.git.repository import open_repository
from gitexp.model.config import ParamKey
from gitexp.model.ids import CommitHash
from gitexp.model.request import InitRequest, RunRequest
from gitexp.model.run import RepeatState
from gitexp.store import plans
from tests.lab.build import BuiltRepo, clone, dvc, repository, session_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.model.ids import InputsDigest

TRAIN = """\
import json, pathlib, sys
text = pathlib.Path("PARAMS").read_text()
seed = int(text.split('seed')[1].strip('":= ').split()[0].strip(",}"))
json.dump({"acc": seed / 1000}, open("metrics.json", "w"))
for name in NAMES:
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{name} {seed}")
"""
PARAMS = {
    "params.yaml": "lr: 0.1\nseed: 7\n",
    "params.json": '{\n  "lr": 0.1,\n  "seed": 7\n}\n',
    "params.toml": "lr = 0.1\nseed = 7\n",
}
# Names and contents that settings of Git show, convert or skip differently.
ODD: Mapping[str, bytes] = {
    "crlf.txt": b"one\r\ntwo\r\n",
    "lf.txt": b"one\ntwo\n",
    "mixed.txt": b"one\r\ntwo\n",
    "bytes.bin": b"\0\r\n\xff",
    "na\u00efve \u03b2.txt": b"x\n",  # composed
    "nai\u0308ve.txt": b"x\n",  # decomposed
    'quo"te\ttab.txt': b"x\n",
}
SETTINGS = (
    {"core.autocrlf": "true"},
    {"core.autocrlf": "input"},
    {"core.autocrlf": "false"},
    {"core.eol": "crlf"},
    {"core.filemode": "false"},
    {"core.filemode": "true"},
    {"core.quotepath": "false"},
    {"core.quotepath": "true"},
    {"core.precomposeunicode": "true"},
    {"core.symlinks": "false"},
    {"core.ignorecase": "true"},
    {"diff.noprefix": "true", "diff.renames": "copies", "status.showUntrackedFiles": "all"},
)


@dataclass(frozen=True)
class Project:
    """What a generated project consists of."""

    params: str = "params.yaml"
    outputs: tuple[str, ...] = ()
    pipeline: bool = False
    seeds: tuple[int, ...] = ()
    extra: Mapping[str, bytes] = field(default_factory=dict)


def files(project: Project) -> dict[str, str | bytes]:
    """Return the files of a project, before ``gitexp init``."""
    train = TRAIN.replace("PARAMS", project.params).replace("NAMES", repr(project.outputs))
    found: dict[str, str | bytes] = {
        **project.extra, "train.py": train, project.params: PARAMS[project.params]
    }  # fmt: skip
    if project.pipeline:
        own = "" if project.params == "params.yaml" else f"    - {project.params}:\n"
        keys = "      - lr\n      - seed\n" if own else "    - lr\n    - seed\n"
        outs = "".join(f"    - {name}\n" for name in project.outputs)
        found["dvc.yaml"] = (
            "stages:\n  train:\n    cmd: python train.py\n    deps:\n    - train.py\n"
            f"    params:\n{own}{keys}"
            f"{'    outs:' if outs else ''}\n{outs}"
            "    metrics:\n    - metrics.json:\n        cache: false\n"
        )
    return found


@functools.cache
def dvc_folder() -> Path:
    """Return a folder in which ``dvc init`` was called, to be copied."""
    repo = repository(session_folder("dvc") / "repo")
    dvc(repo.path, "init", "--quiet")
    return repo.path


def built(project: Project, path: Path, config: Mapping[str, str] | None = None) -> BuiltRepo:
    """Build a project and ``gitexp init`` it."""
    repo = repository(path)
    for key, value in (config or {}).items():
        repo.git("config", key, value)
    shutil.copytree(dvc_folder() / ".dvc", path / ".dvc")
    shutil.copy(dvc_folder() / ".dvcignore", path)
    repo.write(files(project))
    repo.git("add", "--all")
    repo.git("update-index", "--chmod=+x", "train.py")
    repo.commit()
    init(
        repo.workspace,
        InitRequest(
            command=None if project.pipeline else "python train.py",
            params=(project.params,),
            seed_params=(ParamKey(project.params, "seed"),),
            metrics=("metrics.json",),
            outputs=project.outputs,
        ),
    )
    repo.git("checkout", "--force", "--quiet", "HEAD", "--", ".")
    return repo


def digest(repo: BuiltRepo, revision: str = "HEAD") -> InputsDigest:
    opened = open_repository(repo.workspace)
    commit = CommitHash(repo.hash(revision))
    config, _ = plans.config_of(opened, commit)
    return inputs.compute(opened, objects.commit_info(opened, commit).tree, config)


def ran(repo: BuiltRepo, seeds: tuple[int, ...]) -> InputsDigest:
    """Execute; return the inputs that were recorded."""
    (recorded,) = run(repo.workspace, RunRequest(seeds=seeds), environ=dict(os.environ)).recorded
    states = [repeat.state for repeat in recorded.run.repeats]
    assert states == [RepeatState.FINISHED] * len(seeds), recorded.run.repeats
    return recorded.run.inputs


NAME = st.text("abcxyz", min_size=1, max_size=4)
PROJECTS = st.builds(
    Project,
    params=st.sampled_from(sorted(PARAMS)),
    outputs=st.lists(
        NAME.map(lambda name: f"out/{name}.txt") | NAME.map(lambda name: f"{name}.model"),
        max_size=3,
        unique=True,
    ).map(tuple),
    pipeline=st.booleans(),
    seeds=st.lists(st.integers(0, 60), min_size=1, max_size=2, unique=True).map(tuple),
    extra=st.dictionaries(
        st.sampled_from(sorted(ODD)) | NAME.map(lambda name: f"src/{name}.py"),
        st.binary(max_size=30),
        max_size=4,
    ),
)


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(PROJECTS)
def test_a_run_leaves_the_inputs_of_its_branch(project: Project) -> None:
    """inputs(before) == inputs(the commit that the run makes), whatever the project is like."""
    with tempfile.TemporaryDirectory() as folder:
        repo = built(project, Path(folder) / "repo")
        before = digest(repo)
        seeds = (*project.seeds, *(() if 7 in project.seeds else (7,)))  # with a snapshot
        assert ran(repo, seeds) == before == digest(repo)
        assert repo.status() == []


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> tuple[BuiltRepo, InputsDigest]:
    """A project with odd names, line endings, a link and an executable."""
    project = Project(outputs=("model.txt",), extra=ODD)
    repo = built(project, tmp_path_factory.mktemp("origin") / "repo")
    (repo.path / "link").symlink_to("lf.txt")
    repo.git("add", "link")
    repo.commit(at=2)
    return repo, digest(repo)


@pytest.mark.sweep(5)
@pytest.mark.parametrize("config", SETTINGS, ids=lambda config: " ".join(config.values()))
def test_gits_settings_change_neither_inputs_nor_what_a_run_records(
    origin: tuple[BuiltRepo, InputsDigest], tmp_path: Path, config: Mapping[str, str]
) -> None:
    source, expected = origin
    options = [part for key, value in config.items() for part in ("--config", f"{key}={value}")]
    repo = clone(source, tmp_path / "clone", *options)
    assert digest(repo) == expected
    assert ran(repo, (7,)) == expected == digest(repo)
    assert repo.status() == []


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
@pytest.mark.parametrize("value", ["true", "input"])
def test_text_that_git_converts_counts_as_it_is_committed(
    tmp_path: Path, ending: str, value: str
) -> None:
    """A file typed on Windows and one typed elsewhere are the same input."""
    project = Project(extra={"src/a.py": f"x = 1{ending}y = 2{ending}".encode()})
    repo = built(project, tmp_path / "repo", {"core.autocrlf": value})
    plain = built(Project(extra={"src/a.py": b"x = 1\ny = 2\n"}), tmp_path / "plain")
    assert digest(repo) == digest(plain)


def test_pushing_data_and_files_that_git_ignores_leave_the_inputs(tmp_path: Path) -> None:
    repo = built(Project(outputs=("model.txt",)), tmp_path / "repo")
    ran(repo, (7,))
    before = (digest(repo), repo.hash())
    dvc(repo.path, "remote", "add", "--quiet", "--local", "--default", "store", str(tmp_path / "s"))
    dvc(repo.path, "push", "--quiet")
    assert list((tmp_path / "s").rglob("*"))
    repo.write({".git/info/exclude": "*.log\n", "noise.log": "x", "src/__pycache__/a.pyc": b"\0"})
    assert (digest(repo), repo.hash()) == before
    assert ran(repo, (8,)) == before[0]
