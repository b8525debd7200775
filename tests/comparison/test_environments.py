"""What is printed to be pasted of an environment that somebody else recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.environments import restoring
from gitexp.comparison.failures import remedy
from gitexp.model.run import Distribution, Environment
from tests.execution.test_run import plain
from tests.lab.recorded import a_plan
from tests.lab.records import Lab, experiment
from tests.lab.shell import PLAN, gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

NAMES = (
    "numpy$(touch here)",
    "numpy;touch here",
    "--index-url=http://127.0.0.1 numpy",
    "-r",
    "nump\u0443",
    "numpy extra",
    "numpy\n",
    "",
)


def environment(*names: str) -> Environment:
    each = tuple(Distribution(name, "1.0", "") for name in sorted(names))
    return Environment("cpython", "3.12.1", "cp312", "linux", "glibc 2.36", each)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_no_distribution_has_is_in_no_command(name: str) -> None:
    there, here = environment("numpy", name), environment("pandas")
    assert restoring(there, here, ["numpy", name], "python") == ""
    assert restoring(here, there, ["pandas", name], "python") == ""


def test_others_are_installed_and_uninstalled() -> None:
    there, here = environment("numpy", "zope.interface"), environment("zope.interface", "a_b")
    said = restoring(there, here, ["a_b", "numpy"], "/my python/bin/python")
    python = "'/my python/bin/python' -m pip"
    assert said == f"{python} uninstall a_b && {python} install numpy==1.0"


def test_the_other_names_of_a_metric_are_quoted() -> None:
    plan = a_plan("x", "1" * 40)
    reason = f"several metrics files give {plan.metric}; a.json:f1, b$(touch here).json:f1"
    assert "'b$(touch here).json:f1'" in remedy(reason, plan)


def test_the_answer_says_whether_the_repeats_were_observed(repo: BuiltRepo, tmp_path: Path) -> None:
    experiment(Lab(repo))
    assert gitexp(repo, "compare", "--json").json["isolation"] == "not observed"  # as of old
    assert "nobody knows what the repeats read" in gitexp(repo, "compare", "-v").out
    seen = plain(tmp_path / "p")
    assert gitexp(seen, "new", "deep", *PLAN, "--metric", "acc:max").code == 0
    seen.commit({"params.yaml": "lr: 0.2\nseed: 7\n"})
    assert gitexp(seen, "run", "--with-baseline").code == 0
    assert gitexp(seen, "compare", "--json").json["isolation"] == "Python"
