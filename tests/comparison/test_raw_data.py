"""Equal raw data: what was made of them to test on is compared by bytes, else by its makers."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.execution.run import run
from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.model import replace
from gitexp.model.config import ParamKey, ProjectConfig, SeedRule
from gitexp.model.ids import Md5
from gitexp.model.plan import PlanSeeds, SeedOrigin, Verdict
from gitexp.model.request import InitRequest, RunRequest
from gitexp.model.run import FileHash
from tests.comparison.test_replanned import rewritten
from tests.dvc.test_examples import EVALUATE, SPLIT, pipeline
from tests.execution.test_evaluator import ASKED, edited
from tests.lab import build
from tests.lab.records import CONFIG, Lab, one, scores

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.comparison import Comparison
    from gitexp.model.plan import Plan
    from tests.lab.build import BuiltRepo

PIPED = ProjectConfig(
    pipeline="dvc.yaml",
    metrics=("metrics.json",),
    seed=SeedRule((ParamKey("params.yaml", "seed"),)),
)
TRAIN = "train seed <- train.py train.csv -> model.pkl"
FILES = {
    "params.yaml": "seed: 7\nsize: 0.2\n",
    "evaluate.py": "import common\n",
    "split.py": "import common\n",
    "common.py": "",
    "dvc.yaml": pipeline(SPLIT, TRAIN, EVALUATE.format("model.pkl test.csv evaluate.py")),
}
CONDITIONAL = "conditional on the same test examples in test.csv; "
DRAWN = PlanSeeds("0123456789abcdef" * 2)
SEEDS = tuple(itertools.islice(DRAWN.sequence(), 6))


def begun(repo: BuiltRepo, config: ProjectConfig, basis: str) -> tuple[Lab, Plan]:
    lab = Lab(repo, basis=basis)
    lab.init(config, FILES)
    plan = rewritten(lab, lab.plan(effect=">0", repeats=6), seeds=DRAWN, rules=2)
    return lab, plan


def judged(lab: Lab, plan: Plan, made: str = "") -> Comparison:
    """Record both sides, with the digits of the hashes of what each one's first seed made."""
    for letter, of, score, digit in zip(
        "bc", ("main", "HEAD"), (0.6, 0.7), made or "  ", strict=True
    ):
        outputs = {SEEDS[0]: (FileHash("test.csv", Md5(digit * 32), 1),)} if made else None
        values = {"f1": scores(score, SEEDS)}
        lab.record(letter, values, of=of, plan=plan, call="bc", outputs=outputs)
    return one(lab)


@pytest.mark.sweep(4, "the same bytes")
@pytest.mark.parametrize(
    ("files", "made", "line", "said"),
    [
        pytest.param({"train.py": "# deeper"}, "", "", "", id="another training"),
        pytest.param({"train.py": "# deeper"}, "11", "", "", id="the same bytes"),
        pytest.param({"train.py": "# deeper"}, "12", CONDITIONAL, "not the same", id="other bytes"),
        pytest.param({"split.py": "# hard"}, "12", CONDITIONAL, "not the same", id="another split"),
        pytest.param({"split.py": "# a word"}, "11", "", "", id="a comment in the split"),
        pytest.param({"split.py": "# hard"}, "", CONDITIONAL, "not the same", id="nobody knows"),
        pytest.param({"common.py": "# hard"}, "", CONDITIONAL, "not the same", id="imported"),
        pytest.param(
            {"common.py": "# hard"}, "11", "", "nobody checks", id="the evaluation's code"
        ),
    ],
)
def test_the_first_line_says_on_which_examples_a_verdict_is_conditional(
    repo: BuiltRepo, files: dict[str, str], made: str, line: str, said: str
) -> None:
    lab, plan = begun(repo, PIPED, "data")
    repo.commit(files, at=lab.tick())
    found = judged(lab, plan, made)
    assert found.metrics
    assert found.headline.startswith(line or "f1")
    told = [text for text in found.warnings if "evaluation: in .gitexp/config.yaml" in text]
    assert len(told) == bool(said)
    assert said in "".join(told)


@pytest.mark.parametrize(("basis", "said"), [("data", True), ("evaluation", False)])
def test_where_one_command_trains_and_evaluates_nobody_knows_its_split(
    repo: BuiltRepo, basis: str, *, said: bool
) -> None:
    lab, plan = begun(repo, CONFIG, basis)
    lab.change()
    found = judged(lab, plan)
    assert found.metrics
    assert any("nobody checks" in warning for warning in found.warnings) is said


STAGES = """\
stages:
  split:
    cmd: python split.py
    deps: [split.py, rows.csv]
    params: [seed, size]
    outs: [train.csv, test.csv]
  train:
    cmd: python train.py
    deps: [train.py, train.csv]
    params: [seed, lr]
    outs: [model.txt]
  evaluate:
    cmd: python evaluate.py
    deps: [evaluate.py, model.txt, test.csv]
    metrics:
    - metrics.json: {cache: false}
"""
SPLIT_FILES = {
    "dvc.yaml": STAGES,
    "params.yaml": "lr: 0.1\nseed: 7\nsize: 20\n",
    "get.py": "text = open('params.yaml').read()\n"
    "def get(key): return float(text.split(key + ':')[1].split()[0])\n",
    "split.py": "from get import get\nk, s = int(get('size')), int(get('seed'))\n"
    "rows = [str((int(r) * 7919 + s) % 101) for r in open('rows.csv')]\n"
    "open('test.csv', 'w').write(' '.join(rows[:k]))\n"
    "open('train.csv', 'w').write(' '.join(rows[k:]))\n",
    "train.py": "from get import get\n"
    "open('model.txt', 'w').write(str(get('lr') + get('seed') % 9973 / 100000))\n",
    "evaluate.py": "import json\nm = float(open('model.txt').read())\n"
    "rows = open('test.csv').read().split()\n"
    "json.dump({'acc': m + len(set(rows)) / 1e4}, open('metrics.json', 'w'))\n",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "word", "line"),
    [
        ("20", "# as it was\n", ""),
        ("40", "", "conditional on the same test examples in test.csv; "),
    ],
)
def test_each_seeds_own_split_is_held_against_the_other_sides(
    tmp_path: Path, size: str, word: str, line: str
) -> None:
    repo = build.repository(tmp_path / "p")
    (repo.path / "rows.csv").write_text("\n".join(map(str, range(100))), "utf-8")
    repo.commit({**SPLIT_FILES, **build.dvc_files()})
    build.dvc(repo.path, "add", "-q", "rows.csv")
    repo.git("add", "-A")
    repo.commit(at=2)
    init(repo.workspace, InitRequest(metrics=("metrics.json",)))
    new(repo.workspace, replace(ASKED, seeds=SeedOrigin.DRAWN))
    edited(repo, "params.yaml", "lr: 0.1", "lr: 0.2")
    edited(repo, "params.yaml", "size: 20", f"size: {size}")
    repo.commit({"split.py": word + SPLIT_FILES["split.py"]}, at=6)
    run(repo.workspace, RunRequest(with_baseline=True))
    (found,) = compare(repo.workspace)
    assert found.verdict is Verdict.SUPPORTED
    assert found.headline.startswith(f"{line}acc rises")
    assert any("test.csv" in text for text in found.warnings) is bool(line)
