"""docs/leaving.md is true: without ``.gitexp/`` a plain DVC project and CSV files remain."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

from tests.lab import warm
from tests.lab.build import dvc, git_environment

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo


def gitexp(repo: BuiltRepo, *argv: str) -> None:
    """Run gitexp as a user does, in a process of its own."""
    done = warm.run("gitexp", *argv, cwd=repo.path, env=git_environment())
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.slow
def test_whoever_leaves_keeps_a_dvc_project_and_the_measurements(dvc_repo: BuiltRepo) -> None:
    gitexp(dvc_repo, "init")
    gitexp(
        dvc_repo,
        *("new", "idea", "--baseline", "main", "--metric", "f1:max", "--effect", ">0.01"),
        *("--hypothesis", "a larger lr raises f1", "--param", "lr=0.7", "--seeds", "committed"),
    )
    gitexp(dvc_repo, "run", "--repeats", "3")

    # As the page says: the measurements are read with git and a CSV reader alone.
    recorded = [name for name in dvc_repo.files("exp/idea") if name.startswith(".gitexp/runs/")]
    samples = [name for name in recorded if name.endswith("samples.csv")]  # of either side
    texts = (io.StringIO(dvc_repo.show(name, "exp/idea")) for name in samples)
    rows = [row for text in texts for row in csv.DictReader(text)]
    assert sorted({row["seed"] for row in rows if row["metric"] == "f1"}) == ["1", "2", "3"]

    dvc_repo.git("rm", "-r", "--quiet", ".gitexp")
    dvc_repo.git("commit", "--quiet", "-m", "no more gitexp")
    dvc_repo.git("branch", "-D", "gitexp/data", check=False)

    assert dvc_repo.status() == []
    assert dvc_repo.git("grep", "-il", "gitexp", "HEAD", check=False) == ""
    assert dvc(dvc_repo.path, "status", "--json").strip() == "{}"
    assert "didn't change, skipping" in dvc(dvc_repo.path, "repro")
    assert "f1" in dvc(dvc_repo.path, "metrics", "show")
    dvc_repo.write({"params.yaml": "lr: 0.9\nseed: 1\n"})
    dvc(dvc_repo.path, "repro", "--quiet")
    assert dvc(dvc_repo.path, "status", "--json").strip() == "{}"
