"""The project's code comes from the job's worktree, whatever the environment says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import ImportPathError
from gitexp.model.job import OutKind, Stage, StageOut
from gitexp.model.run import RepeatState
from gitexp.system import distributions, environment, imports
from tests.lab.build import BuiltRepo, git_environment
from tests.lab.jobs import Bench, bench

if TYPE_CHECKING:
    from collections.abc import Mapping

METRICS = StageOut("metrics.json", OutKind.METRIC, cache=False)
SETUPTOOLS = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "churn-lib"
version = "0.1"
"""
HATCHLING = SETUPTOOLS.replace("setuptools.build_meta", "hatchling.build").replace(
    '["setuptools"]', '["hatchling"]'
)
FLAT = '[tool.setuptools]\npackages = ["churn"]\n'
SRC = '[tool.setuptools.packages.find]\nwhere = ["src"]\n'
SCRIPT = """\
import json
import churn
from churn.deep import LEVEL
json.dump({"value": churn.VALUE, "level": LEVEL}, open("metrics.json", "w"))
"""
UV = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


def package(folder: str, value: int) -> dict[str, str]:
    return {
        f"{folder}churn/__init__.py": f"VALUE = {value}\n",
        f"{folder}churn/deep.py": f"LEVEL = {value * 10}\n",
    }


def virtual_environment(repo: BuiltRepo, *where: str) -> Path:
    """Make a virtual environment that can build packages without any index."""
    target = repo.path.joinpath(*where)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(target)], check=True)
    site = next(target.glob("lib/python*/site-packages"))
    here = Path(next(path for path in sys.path if path.endswith("site-packages")))
    for name in (
        "setuptools",
        "pkg_resources",
        "_distutils_hack",
        "hatchling",
        "editables",
        "pathspec",
        "packaging",
        "pluggy",
        "trove_classifiers",
        "pip",
    ):
        for found in (here / name, *here.glob(f"{name}-*.dist-info")):
            if found.is_dir():
                (site / found.name).symlink_to(found)
    return target / "bin" / "python"


def install(python: Path, repo: BuiltRepo, *options: str) -> None:
    done = subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps",
         "--no-index", "--disable-pip-version-check", *options],
        cwd=repo.path, capture_output=True, check=False, env=git_environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()


def values(place: Bench, python: Path, command: str, env: Mapping[str, str] | None = None) -> dict:
    facts = imports.ask(str(python), git_environment() | dict(env or {}))
    plan = imports.plan_imports(facts, place.repo.path)
    job = place.job(
        Stage("train", (command,), outs=(METRICS,)),
        python=str(python),
        import_paths=plan.paths,
    )
    outcome = place.run(job, env=env)
    assert outcome.state is RepeatState.FINISHED, f"{outcome.reason}\n{outcome.log_tail}"
    assert outcome.environment is not None
    seen = environment.EnvironmentSource(
        str(python), place.repo.path, place.repo.path, plan.paths, "", None
    )
    before = environment.capture(seen, git_environment() | dict(env or {})).environment
    assert before == outcome.environment  # the coordinator's view, from the user's work tree
    (own,) = [each for each in outcome.environment.distributions if each.name == "churn-lib"]
    assert (own.version, own.fingerprint, own.path) == ("", "", ".")
    return {sample.metric: sample.value for sample in outcome.samples}


def two_commits(repo: BuiltRepo, folder: str, project: str) -> None:
    """HEAD~1 says 1, HEAD and the user's work tree say 2."""
    files = {
        "pyproject.toml": project,
        "scripts/train.py": SCRIPT,
        ".gitignore": "/.venv\n*.egg-info\n",
    }
    repo.commit(files | package(folder, 1), at=1)
    repo.commit(package(folder, 2), at=2)


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize(
    ("folder", "project", "options"),
    [
        ("src/", SETUPTOOLS + SRC, ("-e", ".")),
        ("", SETUPTOOLS + FLAT, ("-e", ".")),  # setuptools' finder
        ("src/", HATCHLING + '[tool.hatch.build.targets.wheel]\npackages = ["src/churn"]\n',
         ("-e", ".")),
        ("src/", SETUPTOOLS + SRC, (".",)),  # copied, not editable
    ],
    ids=["setuptools-src", "setuptools-flat", "hatchling", "copy"],
)  # fmt: skip
def test_an_older_commit_runs_its_own_code_although_the_project_is_installed(
    repo: BuiltRepo, tmp_path: Path, folder: str, project: str, options: tuple[str, ...]
) -> None:
    two_commits(repo, folder, project)
    python = virtual_environment(repo, ".venv")
    install(python, repo, *options)
    place = bench(repo, tmp_path, "HEAD~1")
    assert values(place, python, "python scripts/train.py") == {"value": 1, "level": 10}


@pytest.mark.slow
@pytest.mark.skipif(UV is None, reason="needs uv")
def test_uv_run_neither_syncs_nor_leaves_the_worktree(repo: BuiltRepo, tmp_path: Path) -> None:
    two_commits(repo, "src/", SETUPTOOLS + SRC)
    python = virtual_environment(repo, ".venv")
    install(python, repo, "-e", ".")
    record = next((repo.path / ".venv").rglob("churn_lib-*.dist-info/RECORD"))
    before = record.stat().st_mtime_ns, record.read_bytes()
    place = bench(repo, tmp_path, "HEAD~1")
    command = f"{UV} run --offline --no-project python scripts/train.py"
    with_project = f"{UV} run --offline python scripts/train.py"
    env = {"UV_CACHE_DIR": str(tmp_path / "uv")}
    assert values(place, python, command, env) == {"value": 1, "level": 10}
    (place.out() / "pid").unlink()
    assert values(place, python, with_project, env) == {"value": 1, "level": 10}
    assert (record.stat().st_mtime_ns, record.read_bytes()) == before
    assert not (place.slot / ".venv").exists()


@pytest.mark.slow
def test_a_commit_without_the_installed_folder_is_refused(repo: BuiltRepo, tmp_path: Path) -> None:
    repo.commit({"train.py": "import churn\n"} | package("", 1), at=1)
    repo.git("rm", "-q", "-r", "churn")
    two_commits(repo, "src/", SETUPTOOLS + SRC)
    python = virtual_environment(repo, ".venv")
    install(python, repo, "-e", ".")
    place = bench(repo, tmp_path, "HEAD~2")
    job = place.job(python=str(python), import_paths=("src",))
    outcome = place.run(job)
    assert outcome.state is RepeatState.FAILED
    assert "imported from your work tree" in outcome.reason
    assert "churn-lib" not in (place.out() / "log").read_text()


@pytest.mark.slow
def test_an_editable_install_that_came_after_the_start_is_noticed(
    repo: BuiltRepo, tmp_path: Path
) -> None:
    two_commits(repo, "src/", SETUPTOOLS + SRC)
    python = virtual_environment(repo, ".venv")
    place = bench(repo, tmp_path)
    job = place.job(python=str(python))
    assert place.run(job).state is RepeatState.FINISHED
    install(python, repo, "-e", ".")
    outcome = place.run(job, "attempt-2")
    assert outcome.state is RepeatState.FAILED
    assert "imports from src" in outcome.reason


def test_a_hook_that_cannot_be_redirected_is_refused(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    info = site / "odd-1.0.dist-info"
    info.mkdir(parents=True)
    repository = tmp_path / "repo"
    repository.mkdir()
    (info / "direct_url.json").write_text(
        f'{{"url": "{repository.as_uri()}", "dir_info": {{"editable": true}}}}'
    )
    (site / "odd.pth").write_text("import _odd_loader\n")
    (info / "RECORD").write_text("odd.pth,,\nodd-1.0.dist-info/RECORD,,\n")
    facts = imports.InterpreterFacts("cpython", "3.11.7", "", "", "", "/usr", (str(site),), {})
    with pytest.raises(ImportPathError, match="odd is installed in a way"):
        imports.from_facts(facts, distributions.scan(facts.path), str(repository))


def test_a_finder_that_renames_a_package_is_refused(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    info = site / "odd-1.0.dist-info"
    info.mkdir(parents=True)
    repository = tmp_path / "repo"
    repository.mkdir()
    (info / "direct_url.json").write_text(
        f'{{"url": "{repository.as_uri()}", "dir_info": {{"editable": true}}}}'
    )
    (info / "RECORD").write_text("__editable___odd_1_0_finder.py,,\n")
    finder = site / "__editable___odd_1_0_finder.py"
    facts = imports.InterpreterFacts("cpython", "3.11.7", "", "", "", "/usr", (str(site),), {})
    finder.write_text(f"MAPPING: dict[str, str] = {{'odd': '{repository}/lib/python'}}\n")
    with pytest.raises(ImportPathError):
        imports.from_facts(facts, distributions.scan(facts.path), str(repository))
    finder.write_text(
        f"MAPPING = {{'ns.odd': '{repository}/lib/ns/odd', 'one': '{repository}/mods/one'}}\n"
        f"NAMESPACES = {{'ns': ['{repository}/lib/ns']}}\n"
        "class Finder:\n    def find_spec(self):\n        return None\n"
    )
    plan = imports.from_facts(facts, distributions.scan(facts.path), str(repository))
    assert plan.paths == ("lib", "mods")
    assert plan.editables == ("odd",)
    finder.write_text("MAPPING = compute()\n")
    with pytest.raises(ImportPathError, match="MAPPING"):
        imports.from_facts(facts, distributions.scan(facts.path), str(repository))


def test_a_python_path_into_the_repository_leads_to_the_worktree(
    repo: BuiltRepo, tmp_path: Path
) -> None:
    files = {"scripts/train.py": SCRIPT.replace("import churn\n", "import churn\n")}
    repo.commit(files | package("lib/", 1), at=1)
    place = bench(repo, tmp_path)
    repo.write(package("lib/", 2))  # not committed
    env = git_environment() | {"PYTHONPATH": str(repo.path / "lib")}
    plan = imports.plan_imports(imports.ask(sys.executable, env), repo.path)
    assert plan.paths == ("lib",)
    job = place.job(
        Stage("train", ("python scripts/train.py",), outs=(METRICS,)), import_paths=plan.paths
    )
    outcome = place.run(job, env=env)
    assert {s.metric: s.value for s in outcome.samples} == {"value": 1, "level": 10}
