"""Five small projects of our own in the layouts that DVC's users have; each a second to build."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.build import BuiltRepo, git_environment, repository

if TYPE_CHECKING:
    from collections.abc import Mapping
SCORE = """\
import json, os, random, sys
def write(path, value):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w") as file:
        file.write(value if isinstance(value, str) else json.dumps(value))
def number(key, file="params.yaml"):
    for line in open(file):
        if line.strip().startswith(key + ":"):
            return float(line.split(":")[1])
"""


def ask(folder: Path, *questions: list[str]) -> list[tuple[int, str]]:
    """Return exit code and output of each ``dvc ARGV``; all in one process, which is cheap."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("asked.py"))],
        cwd=folder,
        input=json.dumps(questions).encode(),
        env=git_environment(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return [(code, text) for code, text in json.loads(done.stdout)]


@dataclass(frozen=True)
class World:
    """A layout.

    Attributes
    ----------
    init : tuple of str
        What `gitexp init` is told.
    metric : str
    param : str
        What the candidate changes; "" where it is the code.
    tracked : tuple of str
        What `dvc add` takes.
    """

    name: str
    files: Mapping[str, str]
    metric: str
    init: tuple[str, ...] = ()
    param: str = ""
    change: Mapping[str, str | None] = field(default_factory=dict)
    tracked: tuple[str, ...] = ()
    folder: str = ""
    pipeline: bool = True

    def build(self, place: Path) -> BuiltRepo:
        """Make the project, with its pipeline run and pushed, and a remote for Git and DVC."""
        repo = repository(place / "work")
        subprocess.run(
            ["git", "init", "-q", "--bare", str(place / "git-remote")],
            check=True,
            env=git_environment(),
        )
        repo.git("remote", "add", "origin", str(place / "git-remote"))
        config = [["config", "core.analytics", "false"]]
        config += [["remote", "add", "--quiet", "--default", "near", str(place / "dvc-remote")]]
        inside = repo.path / self.folder
        repo.write({os.path.join(self.folder, path): text for path, text in self.files.items()})  # noqa: PTH118
        work = [["add", "--quiet", path] for path in self.tracked]
        work += [["repro", "--quiet"]] if self.pipeline else []
        for folder, asked in ((repo.path, [["init", "--quiet"], *config]), (inside, work)):
            assert all(code == 0 for code, _ in ask(folder, *asked))
        repo.git("add", "--all")
        repo.commit(at=1, message="a project")
        repo.git("push", "-q", "-u", "origin", "main")
        return repo


GET_STARTED = World(
    "get-started",
    {
        "params.yaml": "prepare:\n  split: 0.2\n  seed: 7\ntrain:\n  depth: 2\n  seed: 7\n",
        "data/data.xml": "<row/>\n",
        "src/prepare.py": f"{SCORE}write('data/prepared/train.tsv', str(number('split')))\n",
        "src/train.py": f"{SCORE}write('model.pkl', str(number('depth')))\n",
        "src/evaluate.py": f"""{SCORE}
random.seed(number('seed'))
ap = number('depth') / 10 + random.random() / 100
write('eval/metrics.json', {{'avg_prec': {{'train': 0.9, 'test': ap}}}})
write('eval/plots/roc/train.json', [{{'fpr': 0, 'tpr': ap}}])
write('eval/plots/roc/test.json', [{{'fpr': 0, 'tpr': ap}}])
""",
        "dvc.yaml": """\
artifacts:
  dataset: {path: data/data.xml, type: dataset}
  text-classification: {path: model.pkl, type: model}
stages:
  prepare:
    cmd: python src/prepare.py data/data.xml
    deps: [data/data.xml, src/prepare.py]
    params: [prepare.seed, prepare.split]
    outs: [data/prepared]
  train:
    cmd: python src/train.py
    deps: [data/prepared, src/train.py]
    params: [train.seed, train.depth]
    outs: [model.pkl]
  evaluate:
    cmd: python src/evaluate.py
    deps: [model.pkl, src/evaluate.py]
    outs: [eval]
metrics:
- eval/metrics.json
plots:
- ROC:
    x: fpr
    y: {eval/plots/roc/train.json: tpr, eval/plots/roc/test.json: tpr}
""",
    },
    metric="avg_prec.test",
    init=("--seed-param", "prepare.seed", "--seed-param", "train.seed"),
    param="train.depth=3",
    tracked=("data/data.xml",),
)
EXPERIMENTS = World(
    "experiments",
    {
        "params.yaml": "base:\n  random_seed: 42\ntrain:\n  lr: 0.1\n",
        "data/pool_data/a.txt": "1\n",
        "data/pool_data/b.txt": "2\n",
        "src/train.py": f"""{SCORE}
random.seed(number('random_seed'))
dice = number('lr') + random.random() / 100
write('models/model.pkl', str(dice))
write('results/train/metrics.json', {{'dice_multi': 0.9, 'step': 3}})
write('results/train/params.yaml', f"lr: {{number('lr')}}\\n")
write('results/train/plots/metrics/dice.tsv', f'step\\tdice\\n0\\t{{dice}}\\n')
""",
        "src/evaluate.py": f"""{SCORE}
write('results/evaluate/metrics.json', {{'dice_multi': float(open('models/model.pkl').read())}})
write('results/evaluate/plots/images/a.txt', 'x')
""",
        "dvc.yaml": """\
params: [results/train/params.yaml]
metrics: [results/train/metrics.json, results/evaluate/metrics.json]
plots:
- results/train/plots/metrics: {x: step}
- results/evaluate/plots/images
artifacts:
  pool: {path: models/model.pkl, type: model}
stages:
  train:
    cmd: python src/train.py
    deps: [data/pool_data, src/train.py]
    params: [base, train]
    outs: [models/model.pkl, results/train]
  evaluate:
    cmd: python src/evaluate.py
    deps: [models/model.pkl, src/evaluate.py]
    outs: [results/evaluate]
""",
    },
    metric="results/evaluate/metrics.json:dice_multi",
    param="train.lr=0.3",
    tracked=("data/pool_data",),
)
COOKIECUTTER = World(
    "cookiecutter",
    {
        "Makefile": "train:\n\t@python -m src.train\n",
        ".gitignore": "/models/\n!/models/*.dvc\n*.log\n",
        "src/__init__.py": "",
        "src/train.py": f"""{SCORE}
random.seed(os.environ.get('GITEXP_SEED', '0'))
rows = len(open('data/raw/rows.csv').readlines()) + len(os.listdir('data/interim'))
write("outputs/model.txt", str(rows))
write('reports/metrics.json', {{'acc': number('lr') + random.random() / 100}})
write('train.log', 'done')
""",
        "params.yaml": "lr: 0.1\n",
        "data/raw/rows.csv": "1\n2\n",
        "data/interim/a.csv": "1\n",
        "data/processed/b.csv": "1\n",
    },
    metric="acc",
    init=(
        *("--command", "make train", "--metrics", "reports/metrics.json"),
        *("--outs", "outputs/model.txt"),
    ),
    change={"params.yaml": "lr: 0.3\n"},
    tracked=("data/raw", "data/interim", "data/processed"),
    pipeline=False,
)
TEMPLATES = World(
    "templates",
    {
        "params.yaml": "seed: 3\nlr: 0.1\nmodels: [a, b]\n",
        "vars.yaml": "place: out\n",
        "out/.gitignore": "/*\n!/.gitignore\n",  # main does not know what joins elsewhere
        "one.py": f"""{SCORE}
item = sys.argv[1]
random.seed(number('seed'))
write(f'out/{{item}}/model.txt', item)
write(f'm_{{item}}.json', {{'acc': (number('lr') if item == 'b' else .9) + random.random() / 100}})
""",
        "grid.py": f"{SCORE}write(f'out/grid-{{sys.argv[1]}}-{{sys.argv[2]}}.txt', 'x')\n",
        "dvc.yaml": """\
vars: [vars.yaml]
stages:
  fit:
    foreach: ${models}
    do:
      cmd: python one.py ${item}
      deps: [one.py]
      params: [seed, lr]
      outs: ["${place}/${item}"]
      metrics: ["m_${item}.json": {cache: false}]
  grid:
    matrix: {model: "${models}", size: [1, 2]}
    cmd: python grid.py ${item.model} ${item.size}
    deps: [grid.py]
    outs: ["${place}/grid-${item.model}-${item.size}.txt"]
""",
    },
    metric="m_b.json:acc",
    # One leaves, with its file: DVC's checkout would remove what no stage makes; one joins.
    change={"params.yaml": "seed: 3\nlr: 0.3\nmodels: [b, c]\n", "m_a.json": None},
)
MONOREPO = World(
    "monorepo",
    {
        "params.yaml": "seed: 3\nlr: 0.1\n",
        "train.py": f"""{SCORE}
random.seed(number('seed'))
write('live/metrics.json', {{'acc': number('lr') + random.random() / 100}})
write('live/plots/loss.tsv', 'step\\tloss\\n0\\t1\\n')
""",
        "dvc.yaml": """\
stages:
  train: {cmd: python train.py, deps: [train.py], params: [seed, lr], outs: [live]}
metrics: [live/metrics.json]
plots: [live/plots]
""",
        "../web/index.html": "<p>another team</p>\n",
    },
    metric="acc",
    init=("--project", "services/model"),
    param="lr=0.3",
    folder="services/model",
)
WORLDS = (GET_STARTED, EXPERIMENTS, COOKIECUTTER, TEMPLATES, MONOREPO)
