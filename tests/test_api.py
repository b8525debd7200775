"""`import gitexp`: quick, light, complete, and as its documentation says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import gitexp
import gitexp.errors
from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.model.config import ParamKey
from gitexp.model.plan import SeedOrigin
from tests.lab.build import copied, dvc_project
from tests.lab.shell import HYPOTHESIS, environment

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

PAGE = Path(__file__).parents[1] / "docs" / "api.md"


def python(code: str | Path, folder: Path) -> str:
    """Run a script in a fresh process and return what it printed."""
    done = subprocess.run(
        [sys.executable, *([str(code)] if isinstance(code, Path) else ["-c", code])],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def finished(tmp_path: Path, dvc_project_template: Path) -> BuiltRepo:
    """An experiment with two repeats on either side."""

    def make(folder: Path) -> None:
        made = dvc_project(folder, dvc_project_template)
        init(made.workspace)
        request = gitexp.NewRequest(
            name="faster",
            hypothesis=HYPOTHESIS,
            metric="f1",
            effect=">0.01",
            repeats=2,
            baseline="main",
            params=((ParamKey("params.yaml", "lr"), 0.7),),
            seeds=SeedOrigin.COMMITTED,
        )
        new(made.workspace, request)
        wanted = gitexp.RunRequest(with_baseline=True, jobs=2)
        gitexp.run(made.workspace, wanted, environ=environment())

    return copied(tmp_path / "project", make, "two repeats on either side")


def test_importing_loads_nothing_else(tmp_path: Path) -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "import gitexp\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    assert set(python(code, tmp_path).split()) <= {"__future__", "gitexp"}


@pytest.mark.parametrize("name", gitexp.__all__)
def test_each_name_is_there(name: str) -> None:
    assert getattr(gitexp, name) is not None
    assert name in dir(gitexp)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'compair'"):
        _ = gitexp.compair  # type: ignore[attr-defined]


def test_looking_loads_no_pandas(finished: BuiltRepo) -> None:
    code = (
        "import sys, gitexp\n"
        "here = gitexp.open('.')\n"
        "gitexp.list_runs(here), gitexp.list_experiments(here), gitexp.status(here)\n"
        "print(*({'pandas', 'numpy', 'scipy', 'dvc', 'git'} & set(sys.modules)))"
    )
    assert python(code, finished.path).strip() == ""


def test_lists_become_data_frames(finished: BuiltRepo) -> None:
    here = gitexp.open(finished.path)
    runs = gitexp.list_runs(here)
    table = gitexp.frame.runs(runs)
    assert len(table) == 2
    by_rate = table.set_index("param.lr")
    assert by_rate.loc[0.7, "metric.f1"] - by_rate.loc[0.5, "metric.f1"] == pytest.approx(0.2)
    assert by_rate.loc[0.7, "metric.f1.n"] == 2
    assert str(table["started_at"].dt.tz) == "UTC"
    experiments = gitexp.frame.experiments(gitexp.list_experiments(here))
    assert experiments.loc[0, ["name", "baseline"]].tolist() == ["faster", "main"]
    groups = gitexp.frame.groups(gitexp.group_runs(runs.runs, ["params"]))
    assert sorted(groups["lr"]) == [0.5, 0.7]
    comparisons = gitexp.compare(here, [])
    assert "f1" in set(gitexp.frame.comparisons(comparisons)["metric"])
    assert len(gitexp.frame.samples(comparisons)) == 8  # two metrics, two sides, two seeds


def test_a_comparison_is_a_line_and_in_a_notebook_the_report(finished: BuiltRepo) -> None:
    found = gitexp.compare(gitexp.open(finished.path), ["faster"])
    (result,) = found
    assert repr(result).startswith("<Comparison of faster against main: ")
    assert len(repr(found)) < 400
    page = found._repr_html_()
    assert page.startswith('<iframe srcdoc="&lt;!DOCTYPE html&gt;')
    assert "<script" not in page
    assert page.count('"') == 8, "nothing of the page leaves the attribute"


def test_the_readme_s_code_runs(finished: BuiltRepo) -> None:
    readme = (PAGE.parents[1] / "README.md").read_text(encoding="utf-8")
    looking = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)[0]
    code = looking.replace("exp/engineered-features", "exp/faster")
    assert "Verdict.UNDECIDABLE" in python(code, finished.path)


def test_an_empty_list_is_an_empty_data_frame(repo: BuiltRepo) -> None:
    repo.commit({"a": "b"})
    here = gitexp.open(repo.path)
    assert gitexp.frame.runs(gitexp.list_runs(here)).empty
    assert gitexp.frame.experiments(gitexp.list_experiments(here)).empty
    assert gitexp.frame.groups(()).empty


def test_an_error_says_all_of_it_in_a_traceback(repo: BuiltRepo) -> None:
    repo.commit({"a": "b"})
    with pytest.raises(gitexp.errors.UnknownExperimentError) as caught:
        gitexp.show(gitexp.open(repo.path), "nope")
    assert str(caught.value).startswith("nothing has this name; found: nope; expected: ")


def test_the_documented_code_runs(finished: BuiltRepo) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    before = finished.refs()
    code = "\n".join([*blocks, "print(best.runs[0].metrics[0].mean)"])
    script = finished.path / ".gitexp" / "tmp" / "example.py"  # a place that Git ignores
    script.write_text(code, encoding="utf-8")
    out = python(script, finished.path)
    assert "faster run 2 of 2" in out
    assert "f1 rises by more than 0.01" in out
    assert (finished.refs(), finished.status()) == (before, [])


def test_the_documented_names_are_the_names_there_are() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"gitexp\.([a-z_]+)\(", text))
    assert named <= {*gitexp.__all__}
    functions = {name for name in gitexp.__all__ if name.islower()} - {"__version__", "frame"}
    assert functions - named - {"parse_condition"} == set()
