"""Every seam has a table, and every example of the page is an entry that its table takes."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/extending.md").read_text("utf-8")
TABLES = re.findall(r"`([A-Z]+)`, `gitexp/([\w/]+)\.py`", PAGE)
SECTION = re.compile(r"^## (.+?)\n.*?```python\n(.*?)```", re.MULTILINE | re.DOTALL)
EXAMPLES = dict(SECTION.findall(PAGE))
# What is printed once the file of the example is there, and by what.
SHOWN = {
    "A format of a comparison": ("exp/a SUPPORTED", """\
from types import SimpleNamespace as N
from gitexp import report
report.RENDERERS["verdicts"] = "verdicts.render"
one = N(candidate=N(name="exp/a"), verdict=N(value="SUPPORTED"))
print(report.render_comparisons("verdicts", (one,), None))
"""),
    "A log of evaluations": ("('q1', '0.5')", """\
from gitexp.text import logs
from gitexp.text.logs import graded
logs.READERS["Graded"] = logs.LogReader(graded.fits, graded.rows)
print(logs.read(b'{"grades": {"q1": 0.5}}', "a.json").rows[0])
"""),
    "A rule": ("a.ipynb changed", """\
from types import SimpleNamespace as N
from gitexp.rules import notebooks
print(*notebooks.RULE.find(N(changes=[N(path="a.ipynb")])))
"""),
    "A check of `doctor`": ("[]", """\
from types import SimpleNamespace as N
from gitexp.upkeep.doctor import CHECKS, empty
CHECKS["empty"] = empty.look
print(list(CHECKS["empty"](N(tips=()))))
"""),
    "A significance test": ("sign test of the median", """\
from gitexp.stats import tests
tests.TESTS[MEDIAN.name] = MEDIAN
print(tests.named("paired-median").titled())
"""),
    "An engine": ("patient {}", """\
from gitexp.execution.engines import ENGINES
from gitexp.execution.engines.patient import PatientEngine
made = {**ENGINES, "patient": PatientEngine}["patient"](2)
print(made.name, made.poll(()))
"""),
    "An answer of a verb": ("hello Ada", """\
from gitexp.report import views
views.VIEWS["Greeting"] = ("greetings", "greeting")
Greeting = type("Greeting", (str,), {})
print(views.render(Greeting("Ada"), "text"))
"""),
    "A command": ("Say hello to somebody.", """\
from gitexp.cli import commands
print(commands.Command("greet", "greet", "say hello", "look").load()[1].__doc__)
"""),
}  # fmt: skip


@pytest.mark.parametrize(("table", "module"), TABLES)
def test_every_table_of_the_page_is_where_it_says(table: str, module: str) -> None:
    found = importlib.import_module("gitexp." + module.removesuffix("/__init__").replace("/", "."))
    assert len(getattr(found, table)) > 1


def test_every_seam_has_an_example() -> None:
    assert set(EXAMPLES) == set(SHOWN)
    assert len(EXAMPLES) == len(TABLES)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, to which files can be added."""
    top = tmp_path_factory.mktemp("extended")
    copytree(ROOT / "gitexp", top / "gitexp", ignore=ignore_patterns("__pycache__"))
    return top


@pytest.mark.parametrize("title", SHOWN)
def test_an_example_is_taken_by_its_table(title: str, package: Path) -> None:
    expected, script = SHOWN[title]
    code = EXAMPLES[title]
    file = re.match(r"# (gitexp/[\w/]+\.py), and in ", code)
    if file:
        (package / file[1]).write_text(code)
    else:
        script = f"{code}\n{script}"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=package, capture_output=True, text=True, check=False
    )
    assert expected in done.stdout, done.stderr
