"""What the text of a project says of its seed: could anything take it up, and where is it fixed."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.randomness.seeding import Code, step, unlike
from gitexp.model.config import ParamKey, ProjectConfig, SeedRule
from tests.comparison.test_variation import COUNT, drawn

if TYPE_CHECKING:
    import random

    from gitexp.comparison.randomness.syntax import Fixed

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


def test_a_bracket_that_another_line_opens_is_not_shown() -> None:
    text = FOREST.replace("F(random_state=42)", "F(\n  random_state=42); a()")
    (place, *_) = code(text, PARAM).fixed()
    assert place.line == "random_state=42"
    assert place.instead.endswith('", 0))')


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
        (FOREST, 'F(random_state=int(os.environ.get("GITEXP_SEED", 0)))'),
        ("x = 1\nSEED = 7\n", 'SEED = int(os.environ.get("GITEXP_SEED", 0))'),
        ("np.random.seed(3)\n", 'np.random.seed(int(os.environ.get("GITEXP_SEED", 0)))'),
        ("f(seed=1)\nseed = 2\n", 'seed = int(os.environ.get("GITEXP_SEED", 0))'),
        ('p = {"seed": 5}\n', 'p = {"seed": int(os.environ.get("GITEXP_SEED", 0))}'),
        ("ä = f('ü', seed=1)\n", "ä = f('ü', seed=int(os.environ.get(\"GITEXP_SEED\", 0)))"),
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
    others = "likewise in train.py, line 1: make; train.py, line 2: train_test_split"
    wanted = f"take the parameter train.seed instead of 42 ({others}), and commit"
    assert told == f"in train.py, line 4, {wanted}"


SPLIT = "from sklearn.model_selection import train_test_split as cut, KFold\n"
MAIN = "RandomForestClassifier(random_state={}).fit(X)\n"
LOGISTIC = "LogisticRegression(random_state={}).fit(X)\n"
TORCH = (
    "import random, torch\nimport numpy as np\ndef set_seed(seed={}):\n random.seed(seed)\n"
    " np.random.seed(seed)\n torch.manual_seed(seed)\nset_seed()\n"
    "g = torch.Generator().manual_seed({})\nrandom_split(X, [8, 2], generator=g)\n"
)
PLACES = {  # what holds the seed fast, the most likely cause first, and what takes it there
    "model, split": (f"{SPLIT}cut(X, random_state={{}})\n{MAIN}", {}, ["3", "2: train_test_split"]),
    "model, folds": (
        f"{SPLIT}v = KFold(shuffle=True, random_state={{}})\n{MAIN}",
        {},
        ["3", "2: KFold"],
    ),
    "hardly a model, split": (
        f"{SPLIT}cut(X, random_state={{}})\n{LOGISTIC}",
        {},
        ["2", "3: LogisticRegression"],
    ),
    "split alone": (f"{SPLIT}a, b = cut(X, random_state={{}})\nmake_pipeline(SVC())\n", {}, ["2"]),
    "torch": (TORCH, {}, ["3", "8: manual_seed"]),
    "generator": ("rng = np.random.default_rng({})\nrng.permutation(9)\n", {}, ["1"]),
    "constants": (
        f"import config\n{SPLIT}from config import S\ncut(X, random_state=S)\n"
        + MAIN.format("config.R"),
        {"config__py": "S = {}\nR = {}\n"},
        ["config.py, line 2", "config.py, line 1: train_test_split"],
    ),
    "file of settings": (
        f"{SPLIT}c = yaml.safe_load(open('c.yaml'))\ncut(X, random_state=c['data']['seed'])\n"
        + MAIN.format("c['model']['seed']"),
        {"c__yaml": "data:\n  seed: 1\nmodel:\n  seed: 2\n"},
        ["c.yaml", "c.yaml: data.seed"],
    ),
    "a file in place of training": (
        "m = joblib.load('m') if os.path.exists('m') else SVC().fit(X)\n",
        {"m": "x"},
        ["1"],
    ),
}


@pytest.mark.parametrize("shape", PLACES)
def test_every_place_is_named_the_most_likely_cause_first_and_mended_the_seed_acts(
    shape: str,
) -> None:
    text, files, places = PLACES[shape]
    wanted = [each if "." in each else f"train.py, line {each}" for each in places]
    texts = {name: each.replace("{}", "7") for name, each in files.items()}
    found = replace(code(text.replace("{}", "7"), **texts), files=frozenset(files))
    told = [f"{each.where}: {each.name}" for each in found.fixed()]
    assert [
        each for each, want in zip(told, wanted, strict=True) if not each.startswith(want)
    ] == []
    error = found.remedy()
    assert error.where == wanted[0]
    step = error.next_step or ""
    if "c.yaml" in wanted:
        assert step == "gitexp init --seed-param c.yaml:model.seed --seed-param c.yaml:data.seed"
        return
    assert step.startswith(f"in {wanted[0]}, ")
    assert (f"(likewise in {'; '.join(wanted[1:])})" in step) == bool(wanted[1:])
    if "{}" in text + "".join(files.values()):
        texts = {name: each.replace("{}", GIVEN) for name, each in files.items()}
        mended = code(text.replace("{}", GIVEN), **texts)
        assert mended.takes()
        assert mended.fixed() == ()


def test_a_split_that_both_sides_hold_fast_is_named_where_their_model_is() -> None:
    both = code(f"{SPLIT}cut(X, random_state=1)\n{FOREST}")
    held = both.held(both)
    assert held is not None
    assert held.shared
    assert "(likewise in train.py, line 2: train_test_split)" in held.how
    other = code(f"{LIVE}{SPLIT}cut(X, random_state=1)\nF(random_state=seed)\n").held
    assert "likewise" not in getattr(
        both.held(replace(both, texts=other.__self__.texts)), "how", ""
    )


def test_a_seed_that_dvc_skips_is_not_drawn_on() -> None:
    """Whatever draws on it is executed for the first seed alone."""
    text = "import random\nrandom.seed(load('params.yaml')['train']['seed'])\nrandom.random()\n"
    for listed, live in (("train.seed", True), ("train.lr", False)):
        dvc = f"stages:\n  t:\n    cmd: python train.py\n    params: [{listed}]\n"
        files = (("train.py", text), ("params.yaml", YAML), ("dvc.yaml", dvc))
        found = Code(files, ProjectConfig(pipeline="dvc.yaml", seed=PARAM))
        assert found.is_live() is live


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
    assert 'write F(random_state=int(os.environ.get("GITEXP_SEED", 0' in code(FOREST).advice()
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
GIVEN = 'int(os.environ.get("GITEXP_SEED", 42))'
OPTIONAL = PARSER.format("'--seed'")
DEFAULTED = PARSER.format("'--seed', default=3")
SOURCES += (  # idioms of scripts that take either
    ("import os\n" + PARSER.format(f"'--seed', type=int, default={GIVEN}"), "a.seed", SeedRule()),
    (f"import os\nS = {GIVEN}\n" + PARSER.format("'--seed', default=S"), "a.seed", SeedRule()),
    (
        f"import os\n{OPTIONAL}s = a.seed if a.seed is not None else {GIVEN}\n",
        "s",
        SeedRule(),
    ),
    (f"import os\n{OPTIONAL}s = a.seed or {GIVEN}\n", "s", SeedRule()),
    (
        f"import os\n{OPTIONAL}if a.seed is None:\n a.seed = {GIVEN}\n",
        "a.seed",
        SeedRule(),
    ),
    ("import os\n", f'({GIVEN} if "GITEXP_SEED" in os.environ else 42)', SeedRule()),
    ("import os\n", f'({GIVEN} if os.getenv("GITEXP_SEED") else 42)', SeedRule()),
    (
        'import os\ntry:\n s = int(os.environ["GITEXP_SEED"])\nexcept KeyError:\n s = 42\n',
        "s",
        SeedRule(),
    ),
    (
        f'import os\nif "GITEXP_SEED" in os.environ:\n s = {GIVEN}\nelse:\n s = 42\n',
        "s",
        SeedRule(),
    ),
    ("import sys\n", "(int(sys.argv[1]) if len(sys.argv) > 1 else 42)", OPTION),
)
STAGED = (  # command lines of a stage, or of the settings, that hand the seed on
    ("python train.py ${train.seed}", "sys.argv[1]"),
    ("python train.py --lr ${train.lr} ${train.seed}", "sys.argv[-1]"),
    ('python train.py "$GITEXP_SEED"', "sys.argv[1]"),
    ("python train.py --rng ${train.seed}", "a.rng"),
    ("python train.py --rng=$GITEXP_SEED", "a.rng"),
    ("MINE=${train.seed} python train.py", 'os.environ["MINE"]'),
)
BY_HAND = (  # a seed that is parsed out of a file, or comes from elsewhere
    'int(open("params.yaml").read().split(":")[1])',
    'int(re.search(r"seed: (\\d+)", open("params.yaml").read())[1])',
    'int(open("params.yaml").readlines()[1].split()[1])',
    "int(input())",
    'int(subprocess.check_output(["./seed.sh"]))',
    "chosen()",
    "int(np.loadtxt('seed.txt'))",
)
OVERWRITTEN = """\
s = 0
for line in open("params.yaml"):
 if "seed" in line:
  s = int(line.split(":")[1])
"""
UNFOLLOWED = (  # ways in that no keyword of a draw shows
    "P = {{'n': 3}}\nP['random_state'] = {}\nm = F(**P)\n",
    "P = dict(n=3)\nP.update(random_state={})\nm = F(**P)\n",
    "P = {{'n': 3}}\nP.update({{'seed': {}}})\nm = F(**P)\n",
    "P = {{'n': 3}} | {{'seed': {}}}\nm = F(**P)\n",
    "m = F()\nm.random_state = {}\n",
    "m = F()\nsetattr(m, 'random_state', {})\n",
    "m = F()\nm.set_params(random_state={})\n",
    "m = F()\nm.set_params(**{{'random_state': {}}})\n",
    "class G(F):\n def __init__(self):\n  super().__init__(random_state={})\nm = G()\n",
    "class G(F):\n def __init__(self):\n  F.__init__(self, random_state={})\nm = G()\n",
    "class G(F):\n random_state = {}\nm = G()\n",
    "def make(**kw):\n return F(**kw)\nm = make(random_state={})\n",
    "from types import SimpleNamespace as N\nc = N(random_state={})\nm = F(**vars(c))\n",
    "import numpy as np\ngetattr(np.random, 'seed')({})\n",
    "from functools import partial\nmake = partial(F, random_state={})\nm = make()\n",
    "p = A()\np.add_argument('--random-state', default={})\nm = F(**vars(p.parse_args()))\n",
    "p = ArgumentParser()\np.set_defaults(random_state={})\nm = F(**vars(p.parse_args()))\n",
    "import random\nrandom.setstate({})\n",
)
HEADED = "from sklearn.ensemble import RandomForestClassifier as F\n"
PATHS += tuple((HEADED + each.replace("{}", "{seed}"), "{seed}") for each in UNFOLLOWED)
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


@pytest.mark.parametrize("staged", [False, True])
def test_a_seed_that_a_command_hands_on_is_taken(staged: bool) -> None:  # noqa: FBT001
    other, wrong = code("print(1)\n"), []
    for number in range(COUNT // 10):
        chance = drawn(f"command {number}")
        command, source = chance.choice(STAGED)
        head = "import os, sys\n" + PARSER.format("'--rng', default=3")
        value = chance.choice(ACTING).format(f"int({source})")
        found = script(chance, value, head, PARAM)
        config = replace(found.config, command=command)
        if staged:
            stage = ("dvc.yaml", f"stages:\n  t:\n    cmd: {command}\n")
            found = replace(found, texts=(*found.texts, stage))
            config = replace(found.config, command=None, pipeline="dvc.yaml")
        found = replace(found, config=config)
        if found.held(other) or found.advice():
            wrong.append((command, found.texts, found.held(other), found.advice()))
    assert wrong == []


def test_before_anything_ran_a_value_from_outside_is_not_called_fixed() -> None:
    wrong = []
    for number in range(COUNT // 5):
        chance = drawn(f"outside {number}")
        by_hand = chance.choice((*BY_HAND, "s"))
        head = "import re, subprocess\nimport numpy as np\n" + OVERWRITTEN
        found = script(chance, chance.choice(ACTING).format(by_hand), head, PARAM)
        if said := found.advice():
            wrong.append((found.texts, said))
    assert wrong == []
    proven = [script(drawn(f"proven {n}"), "42", "", PARAM) for n in range(COUNT // 20)]
    models = [each for each in proven if "df.sample" not in str(each.texts)]
    assert [each.texts for each in models if "holds its seed fast" not in each.advice()] == []


@pytest.mark.parametrize("by_hand", BY_HAND)
def test_another_model_with_a_seed_from_outside_is_not_said_to_hold_it(by_hand: str) -> None:
    one, other = (code(f"{HEADED}{name}(random_state={by_hand})\n", PARAM) for name in "FG")
    assert unlike({"baseline": one, "candidate": other}) == ({}, [])


def beside(number: int, live: str, *values: str) -> dict[str, Code]:
    """Return two sides that have one draw with these values for its seed, and one that is live."""
    chance = drawn(f"beside {number}")
    head, source, rule = chance.choice(SOURCES)
    state = chance.getstate()
    found = []
    for value in values:
        chance.setstate(state)
        one = script(chance, value.format(source), head, rule)
        (path, text), *others = one.texts
        text += f"from sklearn.linear_model import Perceptron\nPerceptron(random_state={source})\n"
        found.append(replace(one, texts=((path, text + live), *others)))
    return dict(zip(("baseline", "candidate"), found, strict=True))


def test_a_draw_that_one_side_alone_holds_fast_is_found_whatever_else_takes_the_seed() -> None:
    missed = []
    for number in range(COUNT):
        chance = drawn(f"apart {number}")
        fixed, other = chance.sample(FIXED, 2)
        values = [fixed, chance.choice((other, *ACTING))]
        chance.shuffle(values)
        both = beside(number, "", *values)
        side = ("baseline", "candidate")[values.index(fixed)]
        missed += [both[side].texts] if side not in unlike(both)[0] else []
    assert missed == []


def test_sides_that_hold_the_same_fast_or_nothing_are_comparable_without_a_word() -> None:
    wrong = []
    for number in range(COUNT):
        chance = drawn(f"alike {number}")
        fixed = chance.choice(FIXED)
        values = chance.choice(((fixed, fixed), tuple(chance.sample(ACTING, 2))))
        both = beside(number, "# deeper\n" * (number % 2), *values)
        wrong += [(both, found)] if (found := unlike(both)) != ({}, []) else []
    assert wrong == []


@pytest.mark.parametrize(
    ("base", "mine", "held"),
    [
        # another division, whatever makes it
        ("s(X, random_state=5)", "KFold(5, shuffle=True, random_state=seed)", True),
        ("s(X, random_state=5)", "np.random.default_rng(seed).permutation(9)", True),
        ("s(X, random_state=5)", "s(X)", True),
        ("KFold(5, shuffle=True, random_state=5)", "KFold(9, shuffle=True, random_state=5)", True),
        ("s(X, random_state=5)", "s(X, random_state=5, stratify=y)", True),
        ("s(X, test_size=.2, random_state=5)", "s(X, test_size=.3, random_state=5)", True),
        ("np.random.permutation(9)", "s(X, random_state=5)", True),
        ("S = 5\ns(X, random_state=S)", "S = 7\ns(X, random_state=S)", True),
        ("s(X, random_state=5)", "S = 5\ns(Z, random_state=S)", False),
        # another model
        ("F(random_state=5)", "F(random_state=seed)", True),
        ("F(random_state=5)", "F(random_state=7)", True),
        ("F(random_state=5)", "F()", True),
        ("F(random_state=5)", "F(n=9, random_state=5)", False),
        ("F(random_state=5)", "Perceptron(random_state=5)", False),
        ("F(random_state=5)", "default_rng(seed).normal()", True),
        ("SGDClassifier(random_state=5)", "SGDClassifier(random_state=seed)", True),
        ("SGDClassifier(random_state=5)", "RandomForestClassifier(random_state=seed)", False),
        ("SGDClassifier(random_state=5)", "np.random.default_rng(seed).normal()", True),
        ("F(random_state=seed)", "KMeans(random_state=0)\nPerceptron(random_state=seed)", False),
        ("F(random_state=seed)", "KMeans(random_state=0)\nF(random_state=seed)", False),
    ],
)
def test_what_differs_by_one_draw_is_told_from_what_has_a_part_of_its_own(
    base: str, mine: str, *, held: bool
) -> None:
    head = f"{LIVE}from sklearn.model_selection import train_test_split as s, KFold\n"
    both = [code(f"{head}{each}\n") for each in (base, mine)]
    for one, two in (both, both[::-1]):
        found, _ = unlike({"baseline": one, "candidate": two})
        assert bool(found) == held


BY_ONE = "import numpy as np, random\nn = 90\n"
DIVIDED = (
    "i = np.random.RandomState(0).permutation(len(y))\nX[i[:n]], X[i[n:]]",
    "i = np.random.default_rng(0).permutation(len(y)); te, tr = i[:90], i[90:]",
    "random.Random(0).shuffle(i); te, tr = i[:-9], i[-9:]",
    "def split(rows):\n random.Random(0).shuffle(rows)\n return rows[:n], rows[n:]",
    "g = np.random.RandomState(0)\ni = g.permutation(n)\nte, tr = i[:len(i) // 2], i[len(i) // 2:]",
)
METHODS = (
    "g = random.Random(0)\nfor e in range(9):\n g.shuffle(i)\n i[:n], i[n:]",
    "i = np.random.RandomState(0).permutation(n)\nfor k in i[:90]: step(k)",
    "i = np.random.RandomState(0).permutation(n)\nte, tr = i[:9], i[9:]\nfor k in i: step(k)",
    "i = np.random.RandomState(0).permutation(n)\nfor k in range(9): step(i[k:k + 9])",
    "g = np.random.default_rng(0)\ni = g.permutation(n)\nte, tr = i[:9], i[9:]\nw = g.normal(n)",
    "g = random.Random(0)\ndef f(i):\n g.shuffle(i)\n return i[:9], i[9:]\nf(i), f(i)",
    "i = np.random.RandomState(0).permutation(n)\nte, tr = i[:9], i[8:]",
)


def test_a_division_by_hand_that_both_sides_have_is_a_condition_of_both() -> None:
    live = "w = np.random.default_rng(int(os.environ['GITEXP_SEED'])).normal(size=9)\n"
    for text in DIVIDED:
        alone = code(f"{BY_ONE}{text}\n")
        beside_live = code(f"import os\n{BY_ONE}{text}\n{live}")
        assert alone.held(beside_live) is None, text
        moved = BY_ONE + text.replace("-9", "-8").replace("// 2", "// 3")
        moved = moved.replace("90", "80")
        assert alone.held(code(f"import os\n{moved}\n{live}")) is not None, moved
    for text in METHODS:  # whose chance it may be
        alone = code(f"{BY_ONE}{text}\n")
        assert alone.held(code(f"import os\n{BY_ONE}{text}\n{live}")) is not None, text


SPLIT_SEED = SeedRule((ParamKey("c.yaml", "split.seed"),))


@pytest.mark.parametrize(
    ("base", "mine", "rule", "held"),
    [
        ("split: {seed: 5}", "split: {seed: 7}", None, True),
        ("split: {seed: 5}", "split: {seed: 5}\nlr: 0.1", None, False),
        ("split: {seed: 5}", "split: {seed: 5}\npca: {seed: 0}", None, False),
        (
            "split: {seed: 5}",
            "split: {seed: 5}",
            SeedRule((ParamKey("c.yaml", "split.seed"),)),
            True,
        ),
    ],
)
def test_a_seed_in_a_file_of_settings_is_compared_as_well(
    base: str, mine: str, rule: SeedRule | None, *, held: bool
) -> None:
    text = f"{LIVE}c = yaml.safe_load(open('c.yaml'))\ns(X, random_state=c['split']['seed'])\n"
    both = {"baseline": code(text, c__yaml=base), "candidate": code(text, rule, c__yaml=mine)}
    assert bool(unlike(both)[0]) == held


RF = "from sklearn.ensemble import RandomForestClassifier as F\nimport json, yaml\n"
LIVE = f"import os, numpy as np\nseed = {GIVEN}\nnp.random.seed(seed)\n{RF}"
CONFIG = "c = yaml.safe_load(open('rf.yaml'))\n"
FOREST_YAML = "model:\n  n: 3\n  random_state: 42\n"


@pytest.mark.parametrize("text", [RF, LIVE], ids=["alone", "beside the seed of a repeat"])
@pytest.mark.parametrize(
    ("use", "files"),
    [
        (f"{CONFIG}m = F(**c['model'])\n", {"rf__yaml": FOREST_YAML}),
        (f"{CONFIG}m = F()\nm.set_params(**c['model'])\n", {"rf__yaml": FOREST_YAML}),
        (f"{CONFIG}m = F(**{{'n': 1, **c['model']}})\n", {"rf__yaml": FOREST_YAML}),
        (f"{CONFIG}P = {{}}\nP.update(c['model'])\nm = F(**P)\n", {"rf__yaml": FOREST_YAML}),
        (f"{CONFIG}m = F(**{{'random_state': 0, **c}})\n", {}),
        (f"{CONFIG}m = F(**c['model'])\n", {}),
        ("m = F(**json.load(open('rf.json')))\n", {"rf__json": '{"a": [{"seed": "4"}]}'}),
        ("c.read('rf.ini')\nm = F(**c['rf'])\n", {"rf__ini": "[rf]\nrandom_state = 5\n"}),
        ("m = F(**tomllib.load(open('rf.toml', 'rb')))\n", {"rf__toml": "[rf]\nseed = 5\n"}),
        ("instantiate(cfg.model)\n", {"rf__yaml": f"{FOREST_YAML}  _target_: x.F\n"}),
        ("@hydra.main(config_name='rf')\ndef main(c): F(**c.model)\n", {"rf__yaml": FOREST_YAML}),
        ("m = F(**P)\n", {}),
        ("k = 'random_' + 'state'\nP = {}\nP[k] = 3\nm = F(**P)\n", {}),
        ("k = 'random_' + 'state'\nsetattr(F, k, 3)\n", {}),
        ("k = 'seed'\nimport numpy as np\ngetattr(np.random, k)(0)\n", {}),
        ("f = F.__init__\nm = eval('F(random_state=5)')\n", {}),
        ("exec(open('other.txt').read())\n", {}),
        ("import numpy as np\ns = np.random.seed\ns(0)\n", {}),
        ("import random\nlist(map(random.seed, [0]))\n", {}),
        ("@dataclass\nclass C:\n random_state: int = 5\nm = F(**vars(C()))\n", {}),
        ("def f(**kw):\n kw.setdefault('random_state', 3)\n return F(**kw)\nf()\n", {}),
        ("from copy import copy\nm = F(**copy(P))\n", {}),
        ("s = GridSearchCV(F(), G)\nm = F(**s.best_params_)\n", {}),
        ("s = GridSearchCV(F(), {'random_state': [3]})\nm = F(**s.best_params_)\n", {}),
        ("P = dict(zip(['random_state'], [3]))\nm = F(**P)\n", {}),
        ("import importlib\nimportlib.import_module('other').make()\n", {}),
        (
            "import importlib\nimportlib.import_module('other').make()\n",
            {"other__py": "def make(): return F(random_state=5)\n"},
        ),
        (f"{DEFAULTED}m = F(random_state=a.seed)\n", {}),
        (f"{CONFIG}m = F(random_state=c['seed'])\n", {}),
        (f"{CONFIG}m = F(random_state=int(c['rf']['seed']))\n", {}),
        (f"{CONFIG}m = F(random_state=c.get('seed', 0))\n", {}),
        ("c = ConfigParser()\nm = F(random_state=c.getint('rf', 'seed'))\n", {}),
        ("c = Config()\nm = F(random_state=c.seed)\n", {}),
    ],
)
def test_a_seed_that_comes_in_where_no_keyword_shows_it_is_found_or_doubted(
    text: str, use: str, files: dict[str, str]
) -> None:
    assert code(text + use, **files).held(code("print(1)\n")) is not None


@pytest.mark.parametrize(
    ("use", "files", "rule"),
    [
        (f"{CONFIG}m = Ridge(**c['model'])\n", {"rf__yaml": "model:\n  alpha: 3\n"}, None),
        (
            f"{CONFIG}m = F(random_state=seed, **c['model'])\n",
            {"rf__yaml": "model: {n: 3}\n"},
            None,
        ),
        (
            "c = yaml.safe_load(open('params.yaml'))\nm = F(**c['train'])\n",
            {"params__yaml": YAML},
            PARAM,
        ),
        (f"{DEFAULTED}m = F(**vars(a))\n", {}, OPTION),
        ("def main(a): F(random_state=a.seed)\np = A()\nmain(p.parse_args())\n", {}, OPTION),
        (
            "json.dump({'f1': 1}, open('metrics.json', 'w'))\n",
            {"metrics__json": '{"seed": 3}'},
            None,
        ),
        ("import tqdm\nbar = tqdm.tqdm()\nbar.update(len([]))\n", {}, None),
        ("print(*[1], **{'sep': ' '})\n", {}, None),
        ("for p in [{'n': 3}, {'n': 4}]:\n m = F(**p)\n", {}, None),
        ("for p in ParameterGrid(G):\n m = F(random_state=seed, **p)\n", {}, None),
        ("model.eval()\ndf.eval('a + b')\n", {}, None),
        ("s = GridSearchCV(F(), {'n': [3]}).fit(X, y)\nm = F(**s.best_params_)\n", {}, None),
    ],
)
def test_what_is_handed_on_in_sight_is_no_doubt(
    use: str, files: dict[str, str], rule: SeedRule | None
) -> None:
    assert code(LIVE + use, rule, **files).held(code("print(1)\n")) is None


LOADS = (
    "import joblib\n{m} = joblib.load('est.joblib')\n",
    "from joblib import load as get\n{m} = get('est.joblib')\n",
    "import pickle\nwith open('est.pkl', 'rb') as f:\n {m} = pickle.load(f)\n",
    "import pickle\nfrom pathlib import Path\n{m} = pickle.loads(Path('e.pkl').read_bytes())\n",
    "import cloudpickle, pickle\n{m} = pickle.Unpickler(open('e', 'rb')).load()\n",
    "import torch\n{m} = torch.load('net.pt', weights_only=False)\n",
    "import numpy as np\n{m} = np.load('e.npy', allow_pickle=True).item()\n",
    "import joblib\nd = joblib.load('bundle.pkl')\n{m} = d['model']\n",
    "import joblib\n{m}, columns = joblib.load('bundle.pkl')\n",
    "import joblib\ndef start(): return joblib.load('e.pkl')\n{m} = start()\n",
    "import joblib\nmodels = [joblib.load(p) for p in ('a', 'b')]\n{m} = models[0]\n",
)
TRAINED = (
    "{m}.fit(X, y)\n",
    "f1 = {m}.set_params(n=3).fit(X, y).score(X, y)\n",
    "def run(e):\n e.fit(X, y)\nrun({m})\n",
    (
        "class T:\n def __init__(self, e):\n  self.e = e\n"
        " def go(self):\n  self.e.fit(X)\nT({m}).go()\n"
    ),
    "from sklearn.base import clone\nclone({m}).fit(X, y)\n",
    "from sklearn.model_selection import cross_val_score\ncross_val_score({m}, X, y)\n",
    "p = Pipeline([('scale', S()), ('m', {m})])\np.fit(X, y)\n",
    "p = make_pipeline(S(), {m})\np.fit(X, y)\n",
    "p = OneVsRest(estimator={m})\np.fit(X, y)\n",
    "import torch\no = torch.optim.SGD({m}.parameters(), lr=0.1)\no.step()\n",
    "{m}.train()\n",
    "x = {m}.normal(size=3)\n",
)
UNTRAINED = (  # only asked, or data; or made to take the seed
    "f1 = ({m}.predict(X) == y).mean()\n",
    "Z = {m}.transform(X)\nr = Ridge()\nr.fit(Z, y)\n",
    "X, y = {m}\nr = Ridge().fit(X, y)\nf1 = r.score(X, y)\n",
    "{m}.eval()\nf1 = {m}(X).mean()\n",
    "from sklearn.model_selection import cross_val_score\ncross_val_score(Ridge(), {m}, y)\n",
    "{m}.set_params(random_state=seed)\n{m}.fit(X, y)\n",
    "{m}.random_state = seed\n{m}.fit(X, y)\n",
)
SETTINGS = (
    "p = yaml.safe_load(open('params.yaml'))['train']\n",
    "def get():\n with open('params.yaml') as f:\n  return yaml.safe_load(f)\np = get()['train']\n",
    "from ruamel.yaml import YAML\np = YAML(typ='safe').load(Path('params.yaml'))['train']\n",
    "yaml = ruamel.yaml.YAML()\np = yaml.load(open('params.yaml'))['train']\n",
    "from omegaconf import OmegaConf\np = OmegaConf.load('params.yaml').train\n",
    "from json import loads\np = loads(Path('params.json').read_text())['train']\n",
    "import tomllib\np = tomllib.load(open('params.toml', 'rb'))['train']\n",
    "import dvc.api\np = dvc.api.params_show()['train']\n",
    "import anyconfig\np = anyconfig.load('params.yaml')['train']\n",
)
LIVELY = (  # numbers of a file stand wherever an object could
    "F(n_estimators=p['n'], max_depth=1, {s}).fit(X, y)\n",
    "GradientBoostingClassifier(n_estimators=p['n'], {s}).fit(X, y)\n",
    "m = AdaBoostClassifier(Tree(max_depth=p['n']), n_estimators=p['n'], {s})\nm.fit(X, y)\n",
    "m = BaggingClassifier(Tree(p['n']), n_estimators=p['n'], {s})\nm.fit(X, y)\n",
    "m = Pipeline([('s', PCA(p['n'], {s})), ('m', SGD(alpha=p['n'], {s}))])\nm.fit(X, y)\n",
    "m = make_pipeline(S(), SGD(alpha=p['n'], {s}))\nm.fit(X, y)\n",
    "m = VotingClassifier(estimators=[('a', F(n=p['n'], {s}))])\nm.fit(X, y)\n",
    "m = StackingClassifier([('a', F(n=p['n'], {s}))], final_estimator=L(C=p['n']))\nm.fit(X)\n",
    "cross_val_score(F(n=p['n'], {s}), X, y, cv=p['n'])\n",
    "s = RandomizedSearchCV(SGD(alpha=p['n'], {s}), {{'alpha': p['n']}}, {s})\ns.fit(X, y)\n",
    "m = {{'rf': F, 'sgd': SGD}}[p['kind']]({s})\nm.fit(X, y)\n",
    "import joblib\nb = joblib.load('best.pkl')\nBaggingClassifier(Tree(d=b['d']), {s}).fit(X)\n",
    "import joblib\nX = joblib.load('x.pkl')\nF(n=p['n'], {s}).fit(X['a'], X['b'])\n",
    "import tensorflow as tf\nd = tf.data.Dataset.load('d')\nd = d.shuffle(9, {s})\n",
)
RNG = "rng = np.random.default_rng(seed)\n"
DREW = ("rng.normal(size=3)", "F(random_state=seed).fit(X, y)", "made()", "np.random.rand(3)")
PASSED = (
    "if os.path.exists('w'):\n w = np.load('w')\nelse:\n w = {}\n",
    "if not Path('w').exists():\n np.save('w', {})\nw = np.load('w')\n",
    "there = Path('w').is_file()\nif there:\n w = np.load('w')\nelse:\n w = {}\n",
    "try:\n w = np.load('w')\nexcept OSError:\n w = {}\n",
    "w = np.load('w') if os.path.isfile('w') else {}\n",
    "def get():\n if os.path.exists('w'):\n  return np.load('w')\n return {}\nw = get()\n",
    "def get():\n try:\n  return np.load('w')\n except OSError:\n  pass\n return {}\nw = get()\n",
    "def old():\n return np.load('w') if have else None\nw = old()\nif w is None:\n w = {}\n",
    "def old():\n return np.load('w') if have else None\nw = old() or {}\n",
    "if WARM:\n w = joblib.load(WARM)\nelse:\n w = {}\n",
)
OPEN_WAYS = (  # nothing is drawn in a file's place
    "if os.path.exists('c.csv'):\n X = read_csv('c')\nelse:\n X = read_csv(URL)\nw = {}\n",
    "if not os.path.exists('d'):\n raise SystemExit('no data')\nw = {}\n",
    "os.path.exists('out') or os.makedirs('out')\nw = {}\n",
    "try:\n w = {}\nexcept ValueError:\n raise\n",
    "if seed > 3:\n w = {}\nelse:\n w = 0\n",
)


COMMITTED = frozenset(("est.joblib", "est.pkl", "e.pkl", "e", "net.pt", "e.npy", "bundle.pkl", "a"))


def test_a_fixed_draw_out_of_a_file_is_doubted_where_no_repeat_differs() -> None:
    other, wrong = code("print(1)\n"), []
    for uses, doubted in ((TRAINED, True), (UNTRAINED, False)):
        for load, use in ((load, use) for load in LOADS for use in uses):
            for name in ("m", "self.m"):
                text = LIVE + (load + use).format(m=name)
                there = replace(code(text), files=COMMITTED)
                wrong += [text] if bool(there.held(other)) != doubted else []
    assert wrong == []


def test_numbers_of_a_file_of_settings_are_no_object_that_trains() -> None:
    other, wrong = code("print(1)\n"), []
    for load, given in ((load, use) for load in SETTINGS for use in LIVELY):
        use = given.format(s="random_state=p['seed']")
        text = f"{RF}from pathlib import Path\n{load}{use}"
        found = code(text, PARAM, params__yaml=YAML).held(other)
        wrong += [] if found is None else [(found.why, text)]
    assert wrong == []


def test_a_draw_that_a_file_takes_the_place_of_is_doubted_where_no_repeat_differs() -> None:
    other, wrong = code("print(1)\n"), []
    for ways, doubted in ((PASSED, True), (OPEN_WAYS, False)):
        for way, draw in ((way, draw) for way in ways for draw in DREW):
            text = f"{LIVE}{RNG}def made():\n return rng.normal()\n{way.format(draw)}"
            there = replace(code(text), files=frozenset("w"))
            wrong += [text] if bool(there.held(other)) != doubted else []
    assert wrong == []


NAMED = (  # what a script may call a file, with the file
    ("", "'w'", "w"),
    ("W = 'w'\n", "W", "w"),
    ("from settings import W\n", "W", "w"),
    ("import settings\n", "settings.W", "w"),
    ("C = {'file': {'at': 'w'}}\n", "C['file']['at']", "w"),
    ("D = 'out'\n", "os.path.join(D, 'w')", "out/w"),
    ("D = 'out'\n", "f'{D}/w'", "out/w"),
    ("W = Path('out') / 'w'\n", "str(W)", "out/w"),
    ("from pathlib import Path\nW = Path(__file__).resolve().parents[1]\n", "W / 'w'", "w"),
    ("D = os.path.dirname(os.path.abspath(__file__))\n", "os.path.join(D, '..', 'w')", "w"),
    ("p.add_argument('--w', default='w')\na = p.parse_args()\n", "a.w", "w"),
    ("class T:\n W = 'w'\n", "T.W", "w"),
)


@pytest.mark.sweep(5)
@pytest.mark.parametrize(("head", "name", "file"), NAMED)
def test_a_file_is_the_reason_only_where_a_job_has_it_when_it_starts(
    head: str, name: str, file: str, pytestconfig: pytest.Config
) -> None:
    other, wrong = code("print(1)\n"), []
    ways = [(way, draw) for way in PASSED if "'w'" in way for draw in DREW]
    if not pytestconfig.getoption("--all"):  # each way and each draw, of all pairs those
        ways = ways[:: len(DREW) + 1] + ways[len(DREW) - 1 :: len(DREW) * 2]
    settings: list[tuple[set[str], dict[str, object], bool]] = [
        (set(), {}, False),
        ({"another", f"{file}/x"}, {}, True),
        ({"another", f"v/x{file}"}, {}, False),
        (set(), {"link": (file,)}, True),
        (set(), {"command": f"python train.py --w {file}"}, name == "a.w"),
        *(({each}, {}, True) for each in (file, f"{file}.dvc")),
        *(({each}, {"outputs": (file,)}, False) for each in (file, f"{file}.dvc")),
    ]
    for way, draw in ways:
        body = way.format(draw).replace("'w'", name).replace("have", f"os.path.exists({name})")
        text = f"{LIVE}{RNG}def made():\n return rng.normal()\n{head}{body}"
        found = code(text, settings__py="W = 'w'\n")
        for files, changes, doubted in settings:
            config = replace(found.config, **changes)  # type: ignore[arg-type]
            at = replace(found, files=frozenset(files), config=config)
            wrong += [(text, files, changes)] if bool(at.held(other)) != doubted else []
    assert wrong == []


@pytest.mark.parametrize("name", ["sys.argv[1]", "Path.home() / 'w'", "'/data/w'", "'../w'", "W"])
def test_a_file_beside_the_folder_of_a_job_is_doubted(name: str) -> None:
    for way in PASSED:
        text = f"{LIVE}{RNG}{way.format(DREW[0])}".replace("'w'", name)
        assert code(text).held(code("print(1)\n")) is not None, text


@pytest.mark.parametrize(("head", "source", "rule"), [e for e in SOURCES if e[2] == SeedRule()])
def test_a_script_that_takes_the_seed_of_a_repeat_is_not_told_that_nothing_does(
    head: str, source: str, rule: SeedRule
) -> None:
    found = code(f"{head}import random\nrandom.seed({source})\n", rule)
    assert found.advice().startswith("no seed parameter was found")


DATA = "import numpy as np\ndata = np.random.RandomState(0)\nX = data.normal(size=(9, 2))\n"
SGD = f"import os\nm = SGD(random_state={GIVEN})\n"


def test_a_line_that_both_sides_have_is_mended_on_both() -> None:
    assert code(f"{DATA}lstsq(X)\n").held(code(DATA + SGD)) is None  # the same data on both
    weights = DATA.replace("X =", "w =")
    held = code(f"{weights}lstsq(w)\n").held(code(weights + SGD))
    assert held is not None
    assert held.shared
    plan = SimpleNamespace(baseline=SimpleNamespace(name="main"))
    assert step({"baseline": held}, plan) == (  # type: ignore[arg-type]
        f"on main: {held.how}; the same on the branch: git merge main (in a "
        "conflict keep your lines, with this change in them); then gitexp amend-plan "
        '--baseline main --why "its seed was held fast" and gitexp run --with-baseline'
    )
    alone = code(f"{DATA}lstsq(X)\n").held(code(SGD))
    assert alone is not None
    assert "git merge" not in step({"baseline": alone}, plan)  # type: ignore[arg-type]


def test_the_seed_of_the_model_is_named_before_that_of_the_data() -> None:
    for model in ("m = SGD(random_state=1)\n", "rng = np.random.RandomState(1)\n"):
        assert code(DATA + model).fixed()[0].line == model.strip()
        assert "line 4" in code(DATA + model).advice().partition("likewise")[0]


SEEDED = "t:\n  random_state: 42\n"
LOAD = (
    "import sys, random, yaml\np = yaml.safe_load(open({}))\nrandom.seed(p['t']['random_state'])\n"
)


def seeds(found: Code) -> tuple[set[str], dict[str, Fixed]]:
    """Return where a text draws, and the numbers that stand in files of settings."""
    places = {each.where: each for each in found.unlike(code("print(1)\n"))}
    drawn = {where for where in places if ", line" in where}
    return drawn, {where: each for where, each in places.items() if where not in drawn}


@pytest.mark.parametrize("project", ["", "sub"])
@pytest.mark.parametrize(
    ("command", "path", "named"),
    [
        ("python src/train.py conf/all.yaml", "sys.argv[1]", {"conf/all.yaml"}),
        ("python src/train.py ./conf/all.yaml", "sys.argv[1]", {"conf/all.yaml"}),
        ("python src/train.py", "'../conf/all.yaml'", {"conf/all.yaml"}),
        ("python src/train.py", "os.path.join('conf', f'{a}')", {"conf/all.yaml", "conf/b.yaml"}),
        ("python src/train.py", "f'conf/{a}.yaml'", {"conf/all.yaml", "conf/b.yaml"}),
        ("python src/train.py --config all", "f'conf/{a}'", {"conf/all.yaml", "conf/b.yaml"}),
        ("python src/train.py b", "'conf/all.yaml'", {"conf/all.yaml"}),
        ("python src/train.py", "'guild.yml'", {"guild.yml"}),
    ],
)
def test_files_of_settings_that_nothing_executed_names_hold_no_seed(
    command: str, path: str, named: set[str], project: str
) -> None:
    places = ("conf/all.yaml", "conf/b.yaml", "guild.yml", "src/other.yaml", "tests/guild/g.yml")
    files = dict.fromkeys(places, SEEDED)
    files |= {"src/train.py": LOAD.format(path), "tests/g.py": OPTIONS}
    above = f"{project}/" if project else ""
    texts = tuple((above + place, text) for place, text in files.items())
    texts += (("another/train.py", FOREST),) if project else ()
    found = Code(texts, ProjectConfig(command=command, project=project))
    draws, numbers = seeds(found)
    assert draws == {f"{above}src/train.py, line 3"}
    assert numbers.keys() == {above + place for place in named}
    held = found.held(code("print(1)\n"))
    assert held is not None
    assert "--seed-arg" not in held.how
    key = ParamKey(min(named), "t.random_state")
    assert f"gitexp init --seed-param {key}" in found.how([numbers[min(numbers)]])
    config = replace(found.config, params=(key.file,), seed=SeedRule((key,)))
    assert seeds(replace(found, config=config))[1].keys() == numbers.keys() - {above + key.file}


@pytest.mark.parametrize("said", ["python train.py --seed 42", "python train.py model.seed=42"])
def test_a_number_on_the_command_line_is_a_seed_that_stands_fixed(said: str) -> None:
    text = (("train.py", LIVE), ("go.sh", said))
    found = Code(text, ProjectConfig(command="sh go.sh"))
    held = found.held(code("print(1)\n"))
    assert held is not None
    assert "go.sh holds its seed fast" in held.why


READS = "import yaml\np = yaml.safe_load(open('params.yaml'))\nF(random_state=p['train']['seed'])\n"
STAGES = (
    "stages:\n  a:\n    cmd: python prep.py\n  b:\n    cmd: python train.py{}\n    params: [{}]\n"
)


@pytest.mark.parametrize(
    ("dvc_yaml", "reads", "said"),
    [
        (STAGES.format("", "train.lr"), READS, "in dvc.yaml, add train.seed to params: of b, and"),
        (STAGES.format("", "m.json: [x]"), READS, "add train.seed to params: of b, and commit"),
        (STAGES.format(" ${train.lr}", "train.lr"), READS, "params: of b, and commit"),
        (STAGES.format("", "x") + "    wdir: src\n", READS, "add ../params.yaml: [train.seed] to"),
        (STAGES.format("", "train.lr"), "print(1)\n", "params: of each stage that reads it"),
        (STAGES.format("", "train.seed"), READS, ""),
        (STAGES.format("", "train"), READS, ""),
        (STAGES.format("", "params.yaml: "), READS, ""),
        (STAGES.format("", "x") + "    deps: [params.yaml]\n", READS, ""),
        (STAGES.format(" --seed ${train.seed}", "x"), READS, ""),
        (STAGES.format("", '"${key}"'), READS, ""),
    ],
)
def test_a_seed_that_no_stage_lists_is_told_with_the_stages_that_read_it(
    dvc_yaml: str, reads: str, said: str
) -> None:
    found = code(reads, PARAM, params__yaml=YAML, prep__py="print(1)\n", dvc__yaml=dvc_yaml)
    found = replace(found, config=replace(found.config, command=None, pipeline="dvc.yaml"))
    of_stage = bool(said) and reads is READS
    assert (said in found.advice()) if said else (found.advice() == "")
    assert ("no stage of dvc.yaml lists train.seed" in found.remedy().found) == bool(said)
    assert (found.remedy().next_step or "").startswith("in dvc.yaml, add ") == bool(said)
    assert (found.held(code("print(1)\n")) is not None) == of_stage
    assert (found.fast() is not None) == of_stage


FLAGS = {
    "argparse": ("p.add_argument('--rng-seed', type=int)\n", "--rng-seed {seed}"),
    "argparse, shortened": ("p.add_argument('--rng-seed', type=int)\n", "--rng {seed}"),
    "argparse, one letter": ("p.add_argument('-s', type=int)\n", "-s {seed}"),
    "click": ("@click.option('--rng-seed')\ndef main(rng_seed): ...\n", "--rng-seed={seed}"),
    "typer": ("def main(rng_seed: int = 0): ...\ntyper.run(main)\n", "--rng-seed {seed}"),
    "absl": ("flags.DEFINE_integer('rng_seed', 0, '')\n", "--rng_seed={seed}"),
    "fire": ("def main(rng_seed=0): ...\nfire.Fire(main)\n", "--rng_seed {seed}"),
    "sys.argv": ("seed = int(sys.argv[sys.argv.index('--rng-seed') + 1])\n", "--rng-seed {seed}"),
    "hydra": ("@hydra.main(config_name='conf')\ndef main(c): use(c.rng_seed)\n", "rng_seed={seed}"),
    "what is imported": ("from options import parse\nparse()\n", "--rng-seed {seed}"),
    "a place": ("seed = int(sys.argv[1])\n", "{seed}"),
}
MISTYPED = {"--rng-seed": "--rng-sed", "-s": "-x", "rng_seed": "rng_sed", "--rng": "--rgn"}


@pytest.mark.parametrize("name", FLAGS)
def test_an_option_that_no_text_speaks_of_is_named_with_the_one_that_was_meant(name: str) -> None:
    script, arg = FLAGS[name]
    declares = "def parse(): p.add_argument('--rng-seed', type=int)\n"
    files = {"options.py": declares} if "options" in script else {}
    assert code(script, SeedRule(arg=arg), **files).unheard == ""
    flag = arg.replace("{seed}", "").strip(" =")
    wrong = MISTYPED.get(flag, flag.replace("rng", "rgn"))
    mistyped = code(script, SeedRule(arg=arg.replace(flag, wrong) if flag else arg), **files)
    assert mistyped.unheard == (wrong if flag else "")
    if "'--rng-seed'" in script or files:
        meant = 'gitexp init --seed-arg "--rng-seed {seed}"'
        assert f"{wrong}, which is to hand on the seed, occurs nowhere in " in mistyped.advice()
        assert mistyped.advice().endswith(meant)
        assert mistyped.remedy().next_step == meant


HANDED_ON = {
    "make": ("make train", "SEED={seed}", "SEED ?= 1\ntrain:\n\tpython train.py --seed $(SEED)\n"),
    "make, a place": ("make train", "SEED={seed}", "train:\n\tpython train.py $(SEED)\n"),
    "make, by name": ("make train", None, "train:\n\tpython train.py --seed $(GITEXP_SEED)\n"),
    "papermill": ("papermill train.ipynb out.ipynb", "-p seed {seed}", ""),
    "nbconvert": ("jupyter nbconvert --execute train.ipynb", None, ""),
    "sh": ("sh run.sh", "{seed}", "python train.py --seed $1\n"),
    "sh, by name": ("cd . && sh run.sh", None, "S=$GITEXP_SEED\npython train.py --seed $S\n"),
    "snakemake": ("snakemake -j1", "--config seed={seed}", "shell: 'train.py {config[seed]}'"),
    "just": ("just train", "{seed}", "train n:\n  python train.py --seed {{n}}\n"),
    "tox": ("tox -e train", "-- --seed {seed}", "commands = python train.py {posargs}\n"),
    "module": ("python -m launcher train.py", "-- {seed}", ""),
    "other": ("time accelerate launch train.py", "--rng {seed}", ""),
}
OPTIONAL = "p.add_argument('--seed', type=int, default=42)\nF(random_state=p.parse_args().seed)\n"


@pytest.mark.parametrize("name", HANDED_ON)
def test_before_anything_ran_nothing_is_said_of_a_seed_that_others_hand_on(name: str) -> None:
    command, arg, text = HANDED_ON[name]
    files = {"Makefile": text, "run.sh": text, "Snakefile": text, "justfile": text, "tox.ini": text}
    for script in (OPTIONAL, FOREST, "seed = 42\nF(random_state=seed)\n"):
        texts = {"train.py": script, "train.ipynb": script, **files}
        config = ProjectConfig(command=command, seed=SeedRule(arg=arg))
        found = Code(tuple(texts.items()), config)
        assert found.fast() is None
        assert found.advice() == "" or found.advice().startswith("no seed parameter was found")
        staged = f"stages:\n  t:\n    cmd: {command}\n"
        config = ProjectConfig(pipeline="dvc.yaml", seed=SeedRule(arg=arg))
        assert Code((*texts.items(), ("dvc.yaml", staged)), config).fast() is None


@pytest.mark.parametrize(
    "command",
    [
        "python train.py",
        "mkdir -p out && uv run python3.12 -u ./train.py 2>&1 | tee out/log",
        "OMP_NUM_THREADS=1 python -m train",
        "./train.py",
    ],
)
def test_what_the_command_itself_executes_is_told_before_anything_ran(command: str) -> None:
    found = Code((("train.py", FOREST),), ProjectConfig(command=command))
    assert found.fast() is not None


def test_options_of_other_packages_are_not_looked_for() -> None:
    script = "from lightning.pytorch.cli import LightningCLI\nLightningCLI()\n"
    assert code(script, SeedRule(arg="--seed_everything {seed}")).unheard == ""


NAMES = [f"v{i}" for i in range(40)]
EACH_OTHER = "".join(f"    {a} = {b}\n" for a in NAMES for b in NAMES if a != b)
TWICE = "".join(f"v{i} = {{0}}\nv{i} = {{0}}\n".format(f"v{i + 1}") for i in range(40))
JOINED = "".join(f"v{i} = os.path.join(v{i + 1}, v{i + 1})\n" for i in range(40))
CALLED = "".join(f"def f{i}():\n    return f{(i + 1) % 40}()\n" for i in range(40))


@pytest.mark.parametrize(
    "end", ["v0.fit(r)", "F(**v0)", "F(random_state=v0)", "open(v0) or v0.fit()"]
)
@pytest.mark.parametrize(
    "names",
    [f"if r:\n{EACH_OTHER}", TWICE, f"{TWICE}v40 = 7\n", f"{JOINED}v40 = 'a'\nv40 = 'b'\n"],
)
def test_names_that_stand_for_each_other_in_many_ways_are_read_to_an_end(
    names: str, end: str
) -> None:
    found = code(f"import os\n{FOREST}{names}{end}\n")
    assert found.held(code("print(1)\n"))


def test_functions_that_call_each_other_are_read_to_an_end() -> None:
    assert code(f"{FOREST}{CALLED}F(**f0())\n").fast() is not None


def test_what_a_file_holds_is_found_through_names_that_stand_for_each_other() -> None:
    loaded = f"import joblib\nif r:\n{EACH_OTHER}    v39 = joblib.load(path)\n    v0.fit(r)\n"
    assert "what a file holds" in str(code(loaded).held(code("print(1)\n")))
