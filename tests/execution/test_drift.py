"""What dvc.yaml declares with its templates filled in, beside a plan and settings of earlier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.build import BuiltRepo, copied, dvc_files, repository
from tests.lab.shell import HYPOTHESIS, gitexp

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """\
import json, random, sys
item, seed = sys.argv[1:3]
random.seed(int(seed))
json.dump({"acc": random.random()}, open(f"m_{item}.json", "w"))
"""
STAGE = """\
    cmd: python one.py ITEM ${seed}
    deps: [one.py]
    params: [lr]
    metrics: ["m_ITEM.json": {cache: false}]
"""
IN_DO = f"    do:\n{STAGE}".replace("\n    ", "\n      ").replace("      do:", "    do:", 1)
KINDS = {
    "a list": ("foreach: ${models}\n" + IN_DO, "${item}", "models: [a, b]", "models=[b, c]"),
    "a mapping": (
        "foreach: ${models}\n" + IN_DO,
        "${item.name}",
        "models: {one: {name: a}, two: {name: b}}",
        "models.one.name=c",
    ),
    "a matrix": (
        "matrix: {model: '${models}'}\n" + STAGE,
        "${item.model}",
        "models: [a, b]",
        "models=[b, c]",
    ),
    "a template": (STAGE.strip() + "\n", "${model}", "model: a", "model=c"),
}
BEGIN = ("new", "idea", "--hypothesis", HYPOTHESIS, "--effect", ">0")
BEHIND = "and the settings do not follow: "


def made(path: Path, kind: str, *, beside: str = "params.yaml") -> BuiltRepo:
    """Return a project with a templated stage, whose items `beside` has, and settings."""
    stage, item, items, _ = KINDS[kind]
    begin = "" if beside == "params.yaml" else f"vars: [{beside}]\n"
    files = {
        "params.yaml": "seed: 3\nlr: 0.1\n",
        "one.py": SCRIPT,
        "dvc.yaml": f"{begin}stages:\n  fit:\n    {stage}".replace("ITEM", item),
    }
    files[beside] = f"{files.get(beside, '')}{items}\n"

    def make(folder: Path) -> None:
        repo = repository(folder)
        repo.commit({**dvc_files(), **files}, at=1)
        assert gitexp(repo, "init").code == 0

    return copied(path, make, files)


def told(repo: BuiltRepo, *argv: str) -> str:
    """Return the answer on one line."""
    done = gitexp(repo, *argv)
    assert done.code == 0, done
    return " ".join(done.out.split())


@pytest.mark.slow
@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["for good", "dry"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.sweep(1)
def test_a_parameter_that_takes_the_planned_metric_away_is_refused(
    tmp_path: Path, kind: str, dry: tuple[str, ...]
) -> None:
    repo = made(tmp_path / "project", kind)
    taken, before = ("--param", KINDS[kind][3]), repo.refs()
    asked = (*BEGIN, "--metric", "m_a.json:acc:max")
    name = taken[1].partition("=")[0]
    lines = (
        "nothing would report m_a.json:acc",
        "no stage makes m_a.json",
        f"without --param {name}",
    )
    assert gitexp(repo, *asked, *taken, *dry).says(*lines)
    assert repo.refs() == before
    guarded = ("--metric", "wall_s:min", "--guard", "m_a.json:acc>=-5%")
    assert gitexp(repo, *BEGIN, *guarded, *taken, *dry).says(*lines)
    for harmless in (("--param", "lr=0.3"), ("--param", "seed=4")):
        assert gitexp(repo, *asked, *harmless, "--dry-run").code == 0
    assert gitexp(repo, *asked).code == 0
    before = repo.refs()
    assert gitexp(repo, "run", *taken, *dry).says(*lines)
    assert repo.refs() == before


@pytest.mark.slow
def test_a_state_that_lost_the_planned_metric_is_not_run(tmp_path: Path) -> None:
    repo = made(tmp_path / "project", "a list")
    assert gitexp(repo, *BEGIN, "--metric", "m_a.json:acc:max").code == 0
    repo.commit({"params.yaml": "seed: 3\nlr: 0.1\nmodels: [b]\n"}, at=9)
    step = "gitexp amend-plan --metric m_b.json:acc --why TEXT"
    assert gitexp(repo, "run", "--dry-run").says("no stage makes m_a.json", step)
    assert gitexp(repo, "status").out.endswith(f"next: {step}\n")
    assert "before repeats are run here" in told(repo, "status"), "they would count no more"
    assert gitexp(repo, *["amend-plan", "--metric", "m_b.json:acc", "--why", "b"]).code == 0
    assert gitexp(repo, "run", "--dry-run").code == 0


def test_parameters_that_break_the_pipeline_are_refused(tmp_path: Path) -> None:
    repo = made(tmp_path / "project", "a mapping")
    done = gitexp(repo, *BEGIN, "--metric", "m_a.json:acc:max", "--param", "models.one.name=${x}")
    assert done.says("dvc.yaml at ", "with --param models.one.name", "the same without --param")
    assert "exp/idea" not in repo.git("branch")


@pytest.mark.slow
@pytest.mark.parametrize("beside", ["params.yaml", "conf/vars.yaml"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.sweep(1)
def test_what_templates_come_to_later_is_said_with_the_call_that_follows(
    tmp_path: Path, kind: str, beside: str
) -> None:
    repo = made(tmp_path / "project", kind, beside=beside)
    assert BEHIND not in told(repo, "status")
    text = repo.show(beside)
    repo.commit({beside: text.replace("models: [a", "models: [c").replace(": a", ": c")}, at=9)
    begin = (*BEGIN, "--metric", "wall_s:min", "--dry-run")
    for verb in (("status",), ("run", "--dry-run"), begin):
        how, _, step = told(repo, *verb).partition(BEHIND)
        assert "declares m_c.json (metrics), no longer declares m_a.json (metrics)" in how
    step = told(repo, "status").partition(BEHIND)[2].partition(" next:")[0]
    assert gitexp(repo, *step.split()[1:]).code == 0
    assert BEHIND not in told(repo, "status")


def test_a_seed_that_no_template_hands_on_any_longer_is_said(tmp_path: Path) -> None:
    repo = made(tmp_path / "project", "a list")
    repo.commit(
        {
            "dvc.yaml": repo.show("dvc.yaml").replace("${seed}", "${fit.seed}"),
            "params.yaml": repo.show("params.yaml") + "fit: {seed: 5}\n",
        },
        at=9,
    )
    step = "gitexp init --seed-param fit.seed"
    assert f"no longer reads seed (seed), {BEHIND}{step}" in told(repo, "status")
    assert gitexp(repo, *step.split()[1:]).code == 0
    assert BEHIND not in told(repo, "status")


def test_a_group_whose_stages_list_the_seed_is_not_taken_for_one_that_does_not(
    tmp_path: Path,
) -> None:
    repo = made(tmp_path / "project", "a list")
    listed = repo.show("dvc.yaml").replace(" ${seed}", "")
    said = "no stage of dvc.yaml lists seed under params:"
    for text, lacks in ((listed, True), (listed.replace("[lr]", "[lr, seed]"), False)):
        repo.commit({"dvc.yaml": text}, at=9)
        repo.git("rm", "-rq", "--ignore-unmatch", ".gitexp")
        repo.git("commit", "-qm", "without settings", at=9)
        assert (said in told(repo, "init")) == lacks


LOGGED = """\
import json, os
os.makedirs("OUT/live", exist_ok=True)
json.dump({"acc": 1}, open("OUT/live/metrics.json", "w"))
"""
FOLDER = """\
stages:
  train: {cmd: python train.py, deps: [train.py], params: [lr], outs: [OUT]}
params: [OUT/live/params.yaml]
metrics: [OUT/live/metrics.json]
"""


def test_an_output_folder_of_another_name_is_followed_by_one_call(tmp_path: Path) -> None:
    repo = repository(tmp_path / "project")
    files = {"params.yaml": "lr: 0.1\n", "train.py": LOGGED, "dvc.yaml": FOLDER}
    named = [{path: text.replace("OUT", out) for path, text in files.items()} for out in "ab"]
    repo.commit({**dvc_files(), **named[0]}, at=1)
    assert gitexp(repo, "init").code == 0
    repo.commit(named[1], at=9)
    step = "gitexp init --metrics b/live/metrics.json --outs b"
    assert f"{BEHIND}{step}" in told(repo, "status")
    asked = (*BEGIN, "--metric", "acc:max", "--param", "lr=0.3")
    done = gitexp(repo, *asked)
    assert done.says(f"next      {step}\n"), "not the parameter is to blame"
    assert gitexp(repo, *step.split()[1:]).code == 0
    assert BEHIND not in told(repo, "status")
    assert gitexp(repo, *asked, "--dry-run").code == 0
