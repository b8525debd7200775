"""What the text of a project says of its seed: could anything take it up, and where is it fixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.model.config import ParamKey, ProjectConfig, SeedRule
from gitexp.ops.seeding import Code
from tests.ops.test_variation import COUNT, drawn

if TYPE_CHECKING:
    import random

PARAM = SeedRule(params=(ParamKey("params.yaml", "train.seed"),))
OPTION = SeedRule(arg="--seed {seed}")
YAML = "train:\n  seed: 1\n  lr: 0.1\n"
FOREST = "from sklearn.ensemble import RandomForestClassifier as F\nF(random_state=42)\n"
OPTIONS = f'{FOREST}p.add_argument("--seed", type=int, help="the seed of a repeat")\n'
OPEN = FOREST.replace("random_state=42", "n_estimators=5").replace(
    " as F\nF", "\nRandomForestClassifier"
)


def code(text: str, rule: SeedRule | None = None, **files: str) -> Code:
    config = ProjectConfig(command="python train.py", seed=rule or SeedRule())
    named = {name.replace("__", "."): value for name, value in files.items()}
    return Code((("train.py", text), *named.items()), config)


@pytest.mark.parametrize(
    "found",
    [
        code('import json\njson.dump({"acc": 0.9}, open("metrics.json", "w"))\n'),
        code(FOREST),
        code("seed = 42\nimport numpy as np\nnp.random.seed(seed)\nnp.random.rand()\n"),
        code("import torch\ntorch.manual_seed(0)\n"),
        code("import random\nrng = random.Random(3)\nrng.random()\n"),
        code("import model\n", model__py="import random\nrandom.seed(1)\nrandom.random()\n"),
        code(FOREST, OPTION),
        code(f"{OPTIONS}args = p.parse_args()\nprint(args.lr)\n", OPTION),
        code(f"{OPTIONS}def main(a):\n    print(a.lr)\nmain(p.parse_args())\n", OPTION),
        code(f"{OPTIONS}a = p.parse_args()\nseed = 42\nF(random_state=seed)\n", OPTION),
        code(FOREST, PARAM, params__yaml=YAML),
        code(f"{FOREST}p = yaml.safe_load(open('params.yaml'))\nlr = p['train']['lr']\n", PARAM),
        code(
            f"{FOREST}with open('params.yaml') as f:\n  p = yaml.safe_load(f)['train']\np['lr']\n",
            PARAM,
        ),
        code(
            f"{FOREST}P = Path('params.yaml')\nt = load(P.read_text()).get('train')\nt['lr']\n",
            PARAM,
        ),
        code(f"{FOREST}p = load('params.yaml')\nf(p['other'])\n", PARAM),
        code(
            FOREST,
            PARAM,
            dvc__yaml="stages: {t: {cmd: python train.py ${train.lr}, params: [train.seed]}}",
        ),
    ],
)
def test_code_that_holds_its_seed_fast_cannot_take_another(found: Code) -> None:
    assert not found.able()


@pytest.mark.parametrize(
    "found",
    [
        code('import os\nos.environ["GITEXP_SEED"]\n'),
        code(FOREST, train__sh="python train.py --seed $GITEXP_SEED"),
        code(FOREST, conf__yaml="seed: ${oc.env:GITEXP_SEED}\n"),
        code(f"{OPTIONS}train(p.parse_args())\n", OPTION),
        code(f"{OPTIONS}a = p.parse_args()\nprint(a.seed)\n", OPTION),
        code(f"{OPTIONS}a = vars(p.parse_args())\ntrain(**a)\n", OPTION),
        code(f"{OPTIONS}def main(a):\n    fit(a)\nmain(p.parse_args())\n", OPTION),
        code(f"{FOREST}import sys\nsys.argv\n", OPTION),
        code(f"{FOREST}p['train']['seed']\n", PARAM),
        code(f"{FOREST}cfg.train.seed\n", PARAM),
        code(f"{FOREST}fit(**p['train'])\n", PARAM),
        code(f"{FOREST}yaml.safe_load(open('params.yaml'))\n", PARAM),
        code(f"{FOREST}def fit(lr, seed): pass\n", PARAM),
        code(f"{FOREST}p = yaml.safe_load(open('params.yaml'))\nfit(p['train'])\n", PARAM),
        code(f"{FOREST}p = yaml.safe_load(open('params.yaml'))\nq = p\nfit(q)\n", PARAM),
        code(f"{FOREST}def load(): return yaml.safe_load(open('params.yaml'))\n", PARAM),
        code(f"{FOREST}for k in yaml.safe_load(open('params.yaml')): print(k)\n", PARAM),
        code(f"{FOREST}files = ['params.yaml']\n", PARAM),
        code(f"{FOREST}a.add_argument('--config', default='params.yaml')\n", PARAM),
        code(
            f"{FOREST}p = load(open('params.yaml'))\nname = 'se' + 'ed'\np['train'][name]\n",
            PARAM,
        ),
        code(FOREST, PARAM, dvc__yaml="stages: {t: {cmd: python train.py ${train}}}"),
    ],
)
def test_whatever_may_take_up_the_seed_is_believed_to(found: Code) -> None:
    assert found.able()


@pytest.mark.parametrize(
    "text",
    [
        OPEN,
        "import random\nrandom.random()\n",
        "from random import gauss\ngauss(0, 1)\n",
        "import numpy as np\nnp.random.default_rng().random()\n",
        "import numpy as np\nnp.random.RandomState(None)\n",
        "import torch\ntorch.rand(3)\n",
        "import os\nos.urandom(3)\n",
        "import time\nseed = int(time.time())\n",
        "import strange_library\nstrange_library.fit()\n",
        "from sklearn.model_selection import KFold\nKFold(shuffle=True)\n",
        "this is no Python",
    ],
)
def test_what_may_draw_on_chance_of_its_own_is_believed_to(text: str) -> None:
    assert code(text).able()


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        (FOREST, 'F(random_state=int(os.environ.get("GITEXP_SEED", 42)))'),
        ("x = 1\nSEED = 7\n", 'SEED = int(os.environ.get("GITEXP_SEED", 7))'),
        ("np.random.seed(3)\n", 'np.random.seed(int(os.environ.get("GITEXP_SEED", 3)))'),
        ("f(seed=1)\nseed = 2\n", 'seed = int(os.environ.get("GITEXP_SEED", 2))'),
        ('p = {"seed": 5}\n', 'p = {"seed": int(os.environ.get("GITEXP_SEED", 5))}'),
        ("ä = f('ü', seed=1)\n", "ä = f('ü', seed=int(os.environ.get(\"GITEXP_SEED\", 1)))"),
    ],
)
def test_the_line_with_the_seed_is_named_and_what_to_write_instead(text: str, instead: str) -> None:
    fixed = code(text).fixed()[0]
    assert fixed.instead == instead
    assert fixed.where.startswith("train.py, line ")


def test_the_model_comes_before_its_data_and_takes_the_parameter_where_there_is_one() -> None:
    text = f"make(random_state=1)\ntrain_test_split(x, random_state=2)\n{FOREST}"
    assert code(text, PARAM).fixed()[0].line == "F(random_state=42)"
    told = code(text, PARAM).remedy().next_step
    others = "likewise in train.py, line 1, train.py, line 2"
    wanted = f"take the parameter train.seed instead of 42 ({others}), and commit"
    assert told == f"in train.py, line 4, {wanted}"


def test_the_file_that_the_command_names_comes_first() -> None:
    found = code("seed = 3\n", aaa__py="seed = 1\n").fixed()
    assert [each.line for each in found] == ["seed = 3"]


def test_a_key_in_the_params_file_that_the_code_reads_is_advised() -> None:
    text = "yaml.safe_load(open('params.yaml'))['train']['seed']\n"
    files = (("train.py", text), ("params.yaml", YAML))
    found = Code(files, ProjectConfig(pipeline="dvc.yaml"))
    assert found.remedy().next_step == "gitexp init --seed-param train.seed"


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "(" * 5_000,
        "p = load('params.yaml')\nx = p" + "['a']" * 300,
        "seed=" * 20_000,
        "${" * 20_000,
        "def f(" * 5_000,
    ],
)
def test_a_text_that_was_made_to_be_hard_is_read_all_the_same(text: str) -> None:
    found = code(text, PARAM)
    assert found.able() in {True, False}
    assert found.fixed() == ()


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ('p.add_argument("--seed", type=int)', "--seed"),
        ('p.add_argument("-s", "--seed", default=0)', "--seed"),
        ('p.add_argument("--random-state")', "--random-state"),
        ("p.add_argument(\n    '--random_state', default=1)", "--random_state"),
        ("@click.option('-r', '--rng-seed')", "--rng-seed"),
        ('seed: int = typer.Option(42, "--seed")', "--seed"),
        ('make_option(c("-s", "--seed"), type = "integer")', "--seed"),
        ('p.add_argument("--seeds"); run(["x.py", "--seed"])', ""),
    ],
)
def test_the_option_of_a_script_that_takes_its_seed_is_found(text: str, option: str) -> None:
    step = code(f"{text}\n{OPEN}").advice()
    assert (f'--seed-arg "{option} {{seed}}"' in step) is bool(option)
    assert ("nothing takes up" in step) is bool(option)


def test_a_number_in_the_code_is_told_before_anything_runs() -> None:
    assert 'write F(random_state=int(os.environ.get("GITEXP_SEED", 42' in code(FOREST).advice()
    assert code(OPEN).advice().startswith("no seed parameter was found")


# --- one side that always reports the same: no chance in it, or one draw? -------------------------

DRAWS = (
    "import random\nr = random.Random({})\nf1 = r.gauss(0.7, 0.03)\n",
    "import random\nrandom.seed({})\nf1 = random.random()\n",
    "import numpy as np\nnp.random.seed({})\nf1 = np.random.rand()\n",
    "import numpy as np\nrng = np.random.default_rng({})\nf1 = rng.normal()\n",
    "from numpy.random import default_rng as rng\nf1 = rng({}).normal()\n",
    "from sklearn.ensemble import BaggingClassifier\nm = BaggingClassifier(random_state={})\n",
    "from sklearn.cluster import KMeans\nm = KMeans(3, n_init=5, random_state={}).fit(x)\n",
    "import torch\ntorch.manual_seed({})\nmodel = torch.nn.Linear(3, 1)\n",
    "import torch\nd = split(x, generator=torch.Generator().manual_seed({}))\n",
    "import lightning as L\nL.seed_everything({}, workers=True)\n",
    "import tensorflow as tf\ntf.random.set_seed({})\n",
    "import jax\nkey = jax.random.PRNGKey({})\n",
    "import jax\nkey = jax.random.key({})\n",
    'import lightgbm as lgb\nm = lgb.train({{"lr": 0.1, "seed": {}}}, d)\n',
    "import xgboost\nm = xgboost.XGBClassifier(subsample=0.5, random_state={})\n",
    "df = df.sample(frac=0.5, random_state={})\nuse(df)\n",
)
FIXED = ("42", "2 + 3", '"abc"', 'int("7")', "hash('x')", "len(NAMES)", "10 ** 3")
MODEL = """\
class Model:
 def __init__(self, state):
  self.state = state
 def fit(self):
{deep}Model({seed}).fit()
"""
FIELDS = """\
@dataclass
class Config:
 lr: float = 0.1
 state: int = 42
def fit(c):
{body}fit(Config(state={seed}))
"""
PATHS = (  # from a seed's value to the draw
    ("{draw}", "{seed}"),
    ("SEED = {seed}\n{draw}", "SEED"),
    ("SEED = {seed}\nSTATE = SEED\n{draw}", "STATE"),
    ("def fit(seed):\n{body}fit({seed})\n", "seed"),
    ("def fit(x, seed=None):\n{body}fit(1, seed={seed})\n", "seed"),
    (MODEL, "self.state"),
    ('CONFIG = {{"state": {seed}}}\n{draw}', 'CONFIG["state"]'),
    (FIELDS, "c.state"),
    ("def which():\n return {seed}\n{draw}", "which()"),
    ("import settings\n{draw}", "settings.CHOSEN"),
)
PARSER = "p = ArgumentParser()\np.add_argument({})\na = p.parse_args()\n"
LOADED = "import yaml\np = yaml.safe_load(open('params.yaml'))\n"
SOURCES = (  # how a script reads the seed that it is given, and what the settings say
    ("import os\n", 'int(os.environ["GITEXP_SEED"])', SeedRule()),
    ("import os\n", 'int(os.environ.get("GITEXP_SEED", 42))', SeedRule()),
    ("import os\n", 'int(os.getenv("GITEXP_SEED") or 42)', SeedRule()),
    (PARSER.format("'--seed', type=int"), "a.seed", OPTION),
    (PARSER.format("'--seed'"), 'int(vars(a)["seed"])', OPTION),
    (PARSER.format("'-r', '--seed', dest='r'"), "a.r", OPTION),
    ("import sys\n", "int(sys.argv[-1])", OPTION),
    (LOADED, 'p["train"]["seed"]', PARAM),
    (f"{LOADED}q = p['train']\n", 'q.get("seed", 1)', PARAM),
)
ACTING = ("{}", "{} + 1", "1000 * {} + 3", "[{}, 7]", "{} % 2**32", "str({})", "abs({})")
BLUNT = ("{} * 0", "min({}, 0)", "{} // 1000", "{} % 1", "5 if {} else 5", "bool({} > 100)")


def script(chance: random.Random, value: str, head: str, rule: SeedRule) -> Code:
    """Return a project whose draw has a value for its seed."""
    path, name = chance.choice(PATHS)
    draw = chance.choice(DRAWS).format(name.format(seed=value))
    body, deep = ("".join(f"{n}{line}\n" for line in draw.splitlines()) for n in (" ", "  "))
    text = head + path.format(draw=draw, body=body, deep=deep, seed=value)
    files = {"settings__py": f"{head}CHOSEN = {value}\n"} if "CHOSEN" in text else {}
    return code(text, rule, **files)


def test_a_draw_whose_seed_stands_fixed_is_found_in_each_of_a_thousand_scripts() -> None:
    other, missed = code("print(1)\n"), []
    for number in range(COUNT):
        chance = drawn(f"held {number}")
        head, source, rule = chance.choice(SOURCES)
        value = chance.choice((*FIXED, *(each.format(source) for each in BLUNT)))
        found = script(chance, value, head, rule)
        if found.held(other) is None:
            missed.append(found.texts)
    assert missed == []


def test_no_script_whose_draws_take_the_seed_is_held_to_be_one_draw() -> None:
    other, wrong = code("print(1)\n"), []
    for number in range(COUNT):
        chance = drawn(f"steered {number}")
        head, source, rule = chance.choice(SOURCES)
        found = script(chance, chance.choice(ACTING).format(source), head, rule)
        if (held := found.held(other)) is not None:
            wrong.append((found.texts, held))
    assert wrong == []
