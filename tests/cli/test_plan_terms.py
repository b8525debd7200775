"""What it takes to add a term to plans: three edits, and every reader and writer knows it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jsonschema import Draft202012Validator

import gitexp
from gitexp.git.transaction import layout
from gitexp.text.yamltext import yaml_loads
from tests.lab.records import Lab, experiment
from tests.lab.shell import environment

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

# In `PlanTerms` and in `Terms`, among the options, and in the schema.
EDITS = [
    (
        "model/plan.py",
        "    on_failed: OnFailed = OnFailed.REFUSE\n",
        "    blind: bool = False\n",
    ),
    (
        "model/plan.py",
        "    on_failed: OnFailed | None = None\n",
        "    blind: bool | None = None\n",
    ),
    (
        "cli/plan.py",
        "    plan = parser.add_argument_group(title).add_argument\n",
        '    plan("--blind", action="store_true", default=None)\n',
    ),
    ("records/schemas/plan.json", '  "properties": {\n', '    "blind": {"type": "boolean"},\n'),
]


def test_a_new_term_of_a_plan_takes_three_edits(repo: BuiltRepo, tmp_path: Path) -> None:
    experiment(Lab(repo), n=1, repeats=4)
    package = tmp_path / "gitexp"
    shutil.copytree(
        Path(gitexp.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    for name, before, added in EDITS:
        text = (package / name).read_text()
        assert before in text
        (package / name).write_text(text.replace(before, before + added, 1))
    assert len({name for name, *_ in EDITS}) == 3

    amend = ["amend-plan", "--blind", "--why", "nobody looks", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "gitexp", *amend],
        cwd=repo.path,
        env=environment({"PYTHONPATH": str(tmp_path)}),
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    assert answer["terms"] == [{"name": "blind", "old": False, "new": True}]
    assert answer["digest"] != answer["before"]
    plan = yaml_loads(repo.show(layout.plan_path("deep")).encode(), where="the plan")
    assert isinstance(plan, dict)
    assert plan["blind"] is True
    schema = json.loads((package / "records/schemas/plan.json").read_text())
    Draft202012Validator(schema).validate(plan)
