"""Which interpreter executes a notebook: the run's own, whatever a kernel's name stands for."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import PreflightError
from gitexp.execution.run import run
from gitexp.experiments.init import init
from gitexp.model.request import InitRequest, RunRequest
from tests.lab.build import repository as build_repository

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.report import RunReport
    from tests.lab.build import BuiltRepo

# As papermill and nbconvert find a kernel: JUPYTER_PATH comes before the user's own kernels.
PAPERMILL = f"""#!{sys.executable}
import json, os, pathlib, subprocess, sys
books = [word for word in sys.argv[1:] if word.endswith(".ipynb")]
book = json.load(open(books[0]))
named = sys.argv[sys.argv.index("-k") + 1] if "-k" in sys.argv else ""
name = named or book["metadata"].get("kernelspec", {{}}).get("name", "python3")
places = os.environ.get("JUPYTER_PATH", "").split(":")
places.append(os.environ["HOME"] + "/.local/share/jupyter")
specs = [pathlib.Path(place, "kernels", name.lower(), "kernel.json") for place in places if place]
spec = json.loads(next(spec for spec in specs if spec.exists()).read_text())
pathlib.Path("cell.py").write_text("".join(book["cells"][0]["source"]))
subprocess.run([word.format(connection_file="cell.py") for word in spec["argv"]], check=True)
pathlib.Path(books[1]).write_text(json.dumps(book))
"""
CELL = "import json, sys; json.dump({'a': 1}, open('metrics.json', 'w'))"
LAUNCHER = "import sys; exec(open(sys.argv[-1]).read())"


def notebook(**metadata: object) -> str:
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": [CELL]}]
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def asks(name: str, language: str = "python") -> str:
    return notebook(kernelspec={"name": name, "display_name": name, "language": language})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with a papermill, and kernels that are none of the run's interpreter."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/papermill").write_text(PAPERMILL)
    (tmp_path / "bin/papermill").chmod(0o755)
    for name, language, value in (("lab", "python", 9), ("ir", "R", 7), ("python3", "python", 9)):
        folder = tmp_path / f"home/.local/share/jupyter/kernels/{name}"
        folder.mkdir(parents=True)
        argv = ["sh", "-c", f"echo '{{{{\"a\": {value}}}}}' > metrics.json"]
        (folder / "kernel.json").write_text(json.dumps({"argv": argv, "language": language}))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "home"


@pytest.fixture
def ipykernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the run's interpreter have it."""
    site = tmp_path / "site"
    (site / "ipykernel-7.0.dist-info").mkdir(parents=True)
    (site / "ipykernel_launcher.py").write_text(LAUNCHER)
    monkeypatch.setenv("PYTHONPATH", str(site))


def project(path: Path, book: str, command: str) -> BuiltRepo:
    repo = build_repository(path / "r")
    repo.commit(
        {"t.ipynb": book, ".gitignore": "/ex.ipynb\n/cell.py\n", "train.sh": "papermill $@"}
    )
    init(repo.workspace, InitRequest(command=command, metrics=("metrics.json",)))
    return repo


def measured(report: RunReport) -> tuple[float, ...]:
    return tuple(row.value for each in report.recorded for row in each.samples)


@pytest.mark.sweep(3)
@pytest.mark.usefixtures("home", "ipykernel")
@pytest.mark.parametrize(
    ("book", "command"),
    [
        (asks("lab"), "papermill t.ipynb ex.ipynb"),
        (asks("Lab"), "sh train.sh t.ipynb ex.ipynb"),
        (asks("of_a_colleague"), "papermill t.ipynb ex.ipynb"),
        (notebook(), "papermill t.ipynb ex.ipynb"),
        (notebook(), "papermill -k lab t.ipynb ex.ipynb"),
        (asks("ir", "R"), "papermill -k elsewhere t.ipynb ex.ipynb"),
        (asks("lab", "R"), "papermill t.ipynb ex.ipynb"),  # the notebook is older than the kernel
    ],
)
def test_a_python_kernel_is_the_runs_interpreter_whatever_its_name_stands_for(
    tmp_path: Path, book: str, command: str
) -> None:
    report = run(project(tmp_path, book, command).workspace, RunRequest(repeats=1))
    assert measured(report) == (1,), report.recorded
    assert not [text for text in report.warnings if "kernel" in text]


@pytest.mark.usefixtures("home")
def test_a_kernel_of_another_language_stays_and_is_said_not_to_be_recorded(tmp_path: Path) -> None:
    repo = project(tmp_path, asks("ir", "R"), "papermill t.ipynb ex.ipynb")
    report = run(repo.workspace, RunRequest(repeats=1))
    assert measured(report) == (7,)
    (said,) = (text for text in report.warnings if "kernel" in text)
    assert said == "t.ipynb is executed by the kernel ir (R), whose environment is not recorded"


@pytest.mark.usefixtures("home")
def test_an_interpreter_that_cannot_execute_notebooks_is_told_before_the_run(
    tmp_path: Path,
) -> None:
    repo = project(tmp_path, asks("lab"), "papermill t.ipynb ex.ipynb")
    with pytest.raises(PreflightError) as caught:
        run(repo.workspace, RunRequest(repeats=1))
    python = f"{os.environ['VIRTUAL_ENV']}/bin/python"
    assert caught.value.where == python
    assert caught.value.found == "no ipykernel there; t.ipynb asks for the kernel lab"
    assert f"{python} -m pip install ipykernel" in caught.value.next_step


@pytest.mark.sweep(2)
@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    "command",
    ["jupyter nbconvert --to script t.ipynb || true", "cat t.ipynb", "echo papermill"],
)
def test_a_command_that_executes_no_notebook_needs_no_ipykernel(
    tmp_path: Path, command: str
) -> None:
    made = f"{command}; echo '{{\"a\": 1}}' > metrics.json"
    assert measured(run(project(tmp_path, asks("lab"), made).workspace)) == (1,)
