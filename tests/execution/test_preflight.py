"""What a commit lacks for a run: said of the side that lacks it, by every verb alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.build import repository
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from pathlib import Path

TRAIN = "import json\njson.dump({'acc': 1}, open('metrics.json', 'w'))\nopen('m.txt', 'w')\n"
PIPELINE = """\
stages:
  train:
    cmd: python train.py
    deps: [train.py, data/raw]
    outs: [m.txt: {cache: false}]
    metrics: [metrics.json: {cache: false}]
"""
BEGIN = ("new", "a", "--metric", "acc:max", "--effect", ">0", "--hypothesis", "more lr raises acc")


@pytest.mark.slow
@pytest.mark.sweep(2)
@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize("kind", ["ignored", "linked", "absolute"])
def test_what_the_baseline_lacks_is_to_be_mended_on_its_branch(
    tmp_path: Path, kind: str, *, piped: bool
) -> None:
    """On the experiment's branch alone it mends nothing: the baseline is a commit."""
    repo = repository(tmp_path / "r")
    params, own = "lr: 0.1\nseed: 7\n", f"HERE = {str(repo.path)!r}\n"
    files = {"train.py": TRAIN, "params.yaml": params, ".gitignore": "data/\n"}
    lacking = kind in {"ignored", "linked"}
    repo.commit({**files, **({"dvc.yaml": PIPELINE} if piped else {})})
    if lacking:
        repo.write({"data/raw/a.txt": "1\n"})
    else:
        repo.commit({"paths.py": own if kind == "absolute" else "", "data/raw/a": "1"}, at=1)
    asked = () if piped else ("--command", "python train.py data/raw", "--outs", "m.txt")
    noted = gitexp(repo, "init", "--dvc-init", *asked)
    assert noted.code == 0, noted.err
    assert (
        "data/raw: in no commit, so no run would see it: add data/raw to" in noted.out
    ) is lacking
    settings = repo.show(".gitexp/config.yaml")
    assert gitexp(repo, *BEGIN, "--param", "lr=0.2").code == 0
    dry, run = (gitexp(repo, "run", *more) for more in (("--dry-run",), ()))
    if kind == "ignored":  # what the run makes is moved in the work tree: nothing is to be merged
        assert run.says("next      where the run makes it, mv data/raw data/raw.old and the same")
    assert run.says("where     baseline at ", "on main: ", "; then on the branch git merge main")
    assert dry.err == run.err
    step = run.err.partition("next      ")[2].strip()
    assert gitexp(repo, "status").out.endswith(f"next: {step}\n")

    repo.switch("main")
    if kind == "ignored":
        repo.git("add", "--force", "data/raw")
    linked = settings.replace("link: []", "link: [data/raw]")
    repo.commit(
        {
            "ignored": {},
            "linked": {".gitexp/config.yaml": linked},
            "absolute": {"paths.py": ""},
        }[kind],
        at=70,
    )
    repo.switch("exp/a")
    repo.git("merge", "--quiet", "--no-edit", "main")
    amend = step.partition("git merge main && gitexp ")[2].partition(" --why")[0]
    assert gitexp(repo, *amend.split(), "--why", "it could not run").code == 0
    done = gitexp(repo, "run", "--dry-run")
    assert done.code == 0, done.err
    assert "next: gitexp run" in gitexp(repo, "status").out
