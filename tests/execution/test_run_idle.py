"""`run` of scripts whose seed does not act, and of live ones that look as if: who is stopped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.run import exit_code
from gitexp.comparison.compare import compare
from gitexp.errors import IdleSeedError, NoSamplesError
from gitexp.execution.run import run
from gitexp.execution.until import until_decided
from gitexp.experiments.amend_plan import amend_plan
from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.model.config import ParamKey
from gitexp.model.plan import (
    Direction,
    SeedOrigin,
    Stopping,
    StoppingRule,
    Terms,
    Verdict,
)
from gitexp.model.request import InitRequest, NewRequest, RunRequest
from gitexp.report import views
from gitexp.views.status import status
from tests.lab.build import repository
from tests.lab.first_rules import of_one
from tests.records.answers import check

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.report import RunReport
    from tests.lab.build import BuiltRepo

WRITE = 'json.dump({"acc": acc}, open("metrics.json", "w"))\n'
SEED = 'seed = int(os.environ["GITEXP_SEED"])\n'
DEAD = f"import json\nacc = 0.900\n{WRITE}"
FIXED = f"import json, random\nrng = random.Random(42)\nacc = rng.random()\n{WRITE}"
ROUNDED = "acc = round(0.9 + random.Random(seed).random() / 1e4, 2)\n"
COARSE = f"import json, os, random\n{SEED}{ROUNDED}{WRITE}"
NOTED = f"import json, os, random\n{SEED}acc = random.Random(42).random()\n{WRITE}"
LIVE = f"import json, os, random\n{SEED}acc = random.Random(seed).random()\n{WRITE}"
UNSEEDED = f"import json, random\nacc = round(0.9 + random.random() / 1e4, 2)\n{WRITE}"
CELL = ["import json, random\n", "seed = 42\n", "acc = random.Random(seed).random()\n", WRITE]
NOTEBOOK = json.dumps({"cells": [{"cell_type": "code", "source": CELL}], "nbformat": 4})
EXECUTE = """\
import json
for cell in json.load(open("train.ipynb"))["cells"]:
    exec("".join(cell["source"]))
"""


def project(path: Path, files: dict[str, str], **asked: object) -> BuiltRepo:
    repo = repository(path)
    repo.commit(files)
    request = {"command": "python train.py", "metrics": ("metrics.json",)} | asked
    init(repo.workspace, InitRequest(**request))  # type: ignore[arg-type]
    return repo


def planned(
    repo: BuiltRepo,
    files: dict[str, str],
    stopping: Stopping | None = None,
    rules: int = 2,
    seeds: SeedOrigin = SeedOrigin.COMMITTED,
) -> BuiltRepo:
    """Begin an experiment and commit the candidate's files."""
    request = NewRequest(
        stopping=stopping,
        name="x",
        hypothesis="the change raises acc",
        metric="acc",
        effect=">0",
        direction=Direction.MAX,
        seeds=seeds,
    )
    new(repo.workspace, request)
    if rules == 1:
        of_one(repo)
    repo.commit(files)
    return repo


def finished(report: RunReport) -> dict[str, int]:
    return {each.side: len(each.run.repeats) for each in report.recorded}


def test_copies_of_both_sides_are_stopped_told_and_not_made_again(tmp_path: Path) -> None:
    repo = project(tmp_path / "r", {"train.py": DEAD})
    planned(repo, {"train.py": DEAD.replace("0.900", "0.901")})
    report = run(repo.workspace, RunRequest(with_baseline=True))
    assert finished(report) == {"candidate": 3, "baseline": 3}
    assert exit_code(report) == 3
    assert isinstance(report.stopped, IdleSeedError)
    assert "candidate: seeds 0-2 report the same; seeds 3-9 not begun" in views.render(
        report, "text"
    )
    assert report.next_step.startswith("read the seed in train.py: int(os.environ.get(")
    check(json.loads(views.json(report)))
    (result,) = compare(repo.workspace)
    assert result.verdict is Verdict.UNDECIDABLE
    assert result.headline.startswith("no variation: the seed does not act")
    assert result.next_step == report.next_step
    seen = status(repo.workspace)
    assert seen.next_step == "gitexp compare"
    assert any(note.startswith("no variation") for note in seen.notes)
    with pytest.raises(IdleSeedError, match="seeds 0-2 report the same"):
        run(repo.workspace, RunRequest(with_baseline=True))
    again = run(repo.workspace, RunRequest(repeats=4, with_baseline=True, keep_going=True))
    assert finished(again) == {"candidate": 1, "baseline": 1}
    assert again.stopped is None


SAME = "acc = 1 / 7 ** 0.5\n"  # no draw that the text could show
KEPT = 'open("model.txt", "w").write(str(acc))\n'


@pytest.mark.parametrize("draw", [FIXED.replace(WRITE, ""), "import json\n" + SAME])
def test_copies_of_what_is_made_too_are_no_variation_after_the_call_that_stopped(
    tmp_path: Path, draw: str
) -> None:
    files = {"train.py": draw + KEPT + WRITE}
    repo = project(tmp_path / "r", files, outputs=("model.txt",), dvc_init=True)
    other = {"train.py": files["train.py"].replace(KEPT, "acc += 0.01\n" + KEPT)}
    planned(repo, other, seeds=SeedOrigin.DRAWN)
    report = run(repo.workspace, RunRequest(with_baseline=True))
    assert isinstance(report.stopped, IdleSeedError)
    (result,) = compare(repo.workspace)
    assert result.headline.startswith("no variation: the seed does not act")
    assert result.next_step == report.next_step
    assert status(repo.workspace).next_step == "gitexp compare"


def test_a_candidate_that_was_mended_alone_is_not_sent_to_the_call_that_refuses(
    tmp_path: Path,
) -> None:
    repo = planned(project(tmp_path / "r", {"train.py": FIXED}), {"train.py": FIXED + "1\n"})
    run(repo.workspace, RunRequest(with_baseline=True))
    repo.commit({"train.py": LIVE})
    with pytest.raises(IdleSeedError) as refused:
        run(repo.workspace, RunRequest(with_baseline=True))
    step = refused.value.next_step or ""
    assert step.startswith("on main: in train.py, line 2")
    assert status(repo.workspace).next_step == step
    with pytest.raises(NoSamplesError) as told:
        compare(repo.workspace)
    assert told.value.next_step == step


@pytest.mark.sweep(3)
@pytest.mark.parametrize(
    ("files", "asked", "next_step"),
    [
        (
            {"train.py": FIXED},
            {},
            'in train.py, line 2, write rng = random.Random(int(os.environ.get("GITEXP_SEED", 0',
        ),
        (
            {"train.py": EXECUTE, "train.ipynb": NOTEBOOK},
            {"add_inputs": ("train.ipynb",)},
            'in train.ipynb, code cell 1, write seed = int(os.environ.get("GITEXP_SEED", 0))',
        ),
        ({"train.py": NOTED}, {}, "in train.py, line 3, write acc = random.Random(int("),
        (
            {"train.py": FIXED, "params.yaml": "seed: 1\n"},
            {"seed_params": (ParamKey("params.yaml", "seed"),)},
            "in train.py, line 2, take the parameter seed instead of 42, and commit",
        ),
        (
            {"train.py": FIXED.replace("import", "import argparse\nimport").replace("rng =", (
                'p = argparse.ArgumentParser()\np.add_argument("--my-seed")\np.parse_args()\nrng ='
            ))},
            {},
            'gitexp init --seed-arg "--my-seed {seed}"',
        ),
    ],
    ids=["script", "notebook", "named, not used", "parameter", "option"],
)  # fmt: skip
def test_a_dead_script_is_stopped_and_told_which_line_to_change(
    tmp_path: Path, files: dict[str, str], asked: dict[str, object], next_step: str
) -> None:
    repo = project(tmp_path / "r", files, **asked)
    report = run(repo.workspace, RunRequest(repeats=6, jobs=2))
    assert finished(report)["exploratory"] <= 4
    assert report.next_step.startswith(next_step)


@pytest.mark.parametrize("train", [COARSE, UNSEEDED], ids=["seeded", "unseeded"])
def test_a_live_script_with_coarse_numbers_is_not_stopped_and_it_is_said(
    tmp_path: Path, train: str
) -> None:
    report = run(project(tmp_path / "r", {"train.py": train}).workspace, RunRequest(repeats=5))
    assert finished(report) == {"exploratory": 5}
    assert exit_code(report) == 0
    assert any("all 5 repeats" in text for text in report.warnings)


# Repeats that agree in a coarse metric, and what else of them says that the seed acts.
MADE = 'open({!r}, "w").write(f"id,y_true,y_pred\\n1,1,{{random.Random(seed).random()}}\\n")\n'
SIGNS: dict[str, tuple[str, dict[str, object]]] = {
    "outputs": (MADE.format("model.bin"), {"outputs": ("model.bin",), "dvc_init": True}),
    "predictions": (MADE.format("pred.csv"), {"predictions": "pred.csv", "dvc_init": True}),
    "another metric": (
        'json.dump({"loss": random.Random(seed).random()}, open("loss.json", "w"))\n',
        {"metrics": ("metrics.json", "loss.json")},
    ),
    "earlier repeats": (
        'json.dump({"acc": 0.9 - (seed == 0) / 10}, open("metrics.json", "w"))',
        {},
    ),
    "none": ("", {}),
}


@pytest.mark.slow
@pytest.mark.sweep(3, "none-run")
@pytest.mark.parametrize("until", [False, True], ids=["run", "until decided"])
@pytest.mark.parametrize("sign", SIGNS)
def test_no_place_is_blamed_where_anything_recorded_shows_that_the_seed_acts(
    tmp_path: Path, sign: str, *, until: bool
) -> None:
    more, asked = SIGNS[sign]
    split = "labels = random.Random(5).random()\n"
    train = COARSE + split + more
    repo = project(tmp_path / "r", {"train.py": train}, **asked)
    stopping = Stopping(StoppingRule.ALWAYS_VALID) if until else None
    planned(repo, {"train.py": train.replace("/ 1e4", "/ 2e4")}, stopping)
    said = []
    for count in (1, 3):
        request = RunRequest(with_baseline=True, repeats=count)
        said.append(
            until_decided(repo.workspace, RunRequest(), most=count)
            if until
            else run(repo.workspace, request)
        )
    assert sum(finished(report)["candidate"] for report in said) == 3
    texts = [*said[1].warnings, said[1].next_step]
    for result in compare(repo.workspace):
        texts += [result.headline, result.next_step, *result.warnings]
    if sign == "none":
        assert any("amend-plan" in text for text in said[1].warnings)
    else:
        assert [text for text in texts if "line 5" in text or "amend-plan" in text] == []
    told = [text for text in said[1].warnings if "reported the same numbers" in text]
    assert len(told) == (0 if sign == "another metric" else 2)


TOOLS = """\
def train_test_split(values, random_state):
    return values[random_state % 7:], values[:random_state % 7 + 3]
class Mean:
    def fit(self, values):
        self.value = sum(values) / len(values)
"""
LOADED = """\
import json, os, pickle
from tools import Mean, train_test_split
path = "model.pkl"
train, test = train_test_split(list(range(60)), random_state=42)
if os.path.exists(path):
    model = pickle.load(open(path, "rb"))
else:
    model = Mean()
    model.fit(train)
    pickle.dump(model, open(path, "wb"))
acc = model.value / 3
"""


@pytest.mark.slow
def test_a_file_that_no_job_has_is_not_the_reason_and_the_split_of_both_sides_is(
    tmp_path: Path,
) -> None:
    files = {"train.py": LOADED + WRITE, "tools.py": TOOLS}
    repo = project(tmp_path / "r", files, outputs=("model.pkl",), dvc_init=True)
    planned(repo, {"train.py": LOADED.replace("/ 3", "/ 2") + WRITE})
    report = run(repo.workspace, RunRequest(with_baseline=True, repeats=2, keep_going=True))
    assert finished(report) == {"candidate": 2, "baseline": 2}
    told = [text for text in report.warnings if "reported the same numbers" in text]
    assert len(told) == 2
    for text in told:
        place, line = "train.py, line 4", "train, test = train_test_split("
        assert f"{place} holds its seed fast: {line}" in text
        assert f"on main: in {place}, write {line}" in text
        assert "without the file" not in text


def test_a_draw_that_one_side_alone_holds_fast_is_refused_before_anything_runs(
    tmp_path: Path,
) -> None:
    split = "acc += random.Random({}).random()\n"
    files = [LIVE.replace(WRITE, split.format(each) + WRITE) for each in ("5", "seed + 1")]
    repo = planned(project(tmp_path / "r", {"train.py": files[0]}), {"train.py": files[1]})
    for request in (RunRequest(with_baseline=True, repeats=2), RunRequest(repeats=2)):
        with pytest.raises(IdleSeedError, match="a draw stands fixed on one side alone") as told:
            run(repo.workspace, request)
        assert "train.py, line 4 holds a draw of the baseline fast" in told.value.found
        assert (told.value.next_step or "").startswith("on main: in train.py, line 4, write acc +=")
    report = run(repo.workspace, RunRequest(with_baseline=True, repeats=2, keep_going=True))
    assert finished(report) == {"candidate": 2, "baseline": 2}
    (result,) = compare(repo.workspace)
    assert result.verdict is Verdict.UNDECIDABLE
    assert result.next_step == told.value.next_step


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("frozen", ["baseline", "candidate"])
def test_one_draw_stops_the_call_and_its_next_step_leads_to_a_verdict(
    tmp_path: Path, frozen: str
) -> None:
    fixed = LIVE.replace("(seed)", "(5)").replace(SEED, "")
    other = LIVE.replace("acc =", "acc = 2 +")
    mended = LIVE if frozen == "baseline" else other
    files = (fixed, other) if frozen == "baseline" else (LIVE, fixed)
    repo = project(tmp_path / "r", {"train.py": files[0]})
    planned(repo, {"train.py": files[1]})
    report = run(repo.workspace, RunRequest(with_baseline=True, repeats=8))
    assert finished(report)[frozen] < 8
    assert isinstance(report.stopped, IdleSeedError)
    assert "train.py, line 2 holds its seed fast" in report.stopped.found
    assert exit_code(report) == 3
    (result,) = compare(repo.workspace)
    assert result.verdict is Verdict.UNDECIDABLE
    assert f"on the {frozen}: train.py, line 2" in result.headline
    assert 'int(os.environ.get("GITEXP_SEED", 0))' in result.next_step
    seen = status(repo.workspace)
    assert seen.next_step == "gitexp compare"
    assert any(f"{frozen} report the same numbers: train.py, line 2" in n for n in seen.notes)
    with pytest.raises(IdleSeedError, match="seeds 0-2 report the same"):
        run(repo.workspace, RunRequest(with_baseline=True))
    if frozen == "baseline":
        assert "act on the baseline" in report.stopped.summary
        assert report.next_step == result.next_step
        assert result.next_step.startswith("on main: in train.py, line 2, write ")
        repo.switch("main")
        repo.commit({"train.py": mended})
        repo.switch("exp/x")
        amend_plan(repo.workspace, None, Terms(baseline="main"), why="its seed was held fast")
    else:
        repo.commit({"train.py": mended})
    assert run(repo.workspace, RunRequest(with_baseline=True)).stopped is None
    assert compare(repo.workspace)[0].verdict is Verdict.SUPPORTED


@pytest.mark.sweep(1)
@pytest.mark.parametrize(
    ("rules", "further"), [(1, {"candidate": 2}), (2, {"candidate": 2, "baseline": 2})]
)
def test_a_method_without_chance_gets_a_partner_for_each_repeat_of_the_other(
    tmp_path: Path, rules: int, further: dict[str, int]
) -> None:
    repo = project(tmp_path / "r", {"train.py": LIVE})
    repo = planned(repo, {"train.py": DEAD}, rules=rules)
    report = run(repo.workspace, RunRequest(with_baseline=True, repeats=5))
    assert finished(report) == {"candidate": 5, "baseline": 5}
    assert report.stopped is None
    (result,) = compare(repo.workspace)
    assert any(text.startswith("the candidate is deterministic") for text in result.warnings)
    more = run(repo.workspace, RunRequest(repeats=7))
    assert finished(more) == further, "its partner is known to vary"
