"""A draw on a fixed seed that both sides make alike is no reason why one of them never varies."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from gitexp.model.plan import Verdict
from tests.comparison.test_seeding import code
from tests.lab.records import Lab, one, scores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.lab.build import BuiltRepo

HEAD = "import os, random\nfrom random import Random\nimport numpy as np\n"
LIVE = 'm = SGDClassifier(random_state=int(os.environ["GITEXP_SEED"])).fit(rows)\n'
STILL = {
    "a rule": "score = sum(row > 3 for row in rows)\n",
    "least squares": "m = LinearRegression().fit(rows)\n",
    "several": "def fit(rows):\n    return np.linalg.lstsq(rows, rows)\nfit(rows)\n",
}
LOAD = "def load():\n    rng = random.Random(42)\n    return rng.sample(range(99), 50)\n"
MAIN = 'def main():\n    rows = load()\nif __name__ == "__main__":\n    main()\n'
# What both sides have, in a script or in a file that it imports.
SHARED = {
    "a sample": "rows = random.Random(42).sample(rows, 500)\n",
    "by name": "rng = random.Random(42)\nrows = rng.sample(rows, 500)\n",
    "an order": "SEED = 42\nrng = np.random.default_rng(SEED)\nrng.shuffle(rows)\n",
    "made": "rng = np.random.RandomState(42)\nX = rng.normal(size=9)\ny = X + rng.normal(size=9)\n",
    "one by one": "rng = random.Random(42)\nrows = [rng.gauss(0, 1) for _ in range(99)]\n",
    "row by row": (
        "rng = random.Random(42)\nrows = []\nfor _ in range(99):\n    x = rng.gauss(0, 1)\n"
        "    rows.append((x, x + rng.gauss(0, 1) > 0))\n"
    ),
    "in pairs": (
        "rng = random.Random(42)\n"
        "rows = [(x := rng.gauss(0, 1), x + rng.gauss(0, 1) > 0) for _ in range(99)]\n"
    ),
    "in a function": f"{LOAD}rows = load()\n",
    "in functions": LOAD + MAIN,
    "of all, unused": "random.seed(42)\n",
    "of all": "random.seed(42)\nrandom.shuffle(rows)\nrows = random.sample(rows, 500)\n",
}


@pytest.mark.parametrize("still", STILL)
@pytest.mark.parametrize("shape", SHARED)
def test_what_both_sides_draw_alike_is_not_why_one_side_never_varies(
    shape: str, still: str
) -> None:
    shared = SHARED[shape]
    mine, theirs = code(HEAD + shared + STILL[still]), code(HEAD + shared + LIVE)
    assert mine.held(theirs) is None
    apart = f"{HEAD}import {{}}\n"
    files = {"sampling__py": HEAD + shared}
    mine = code(apart.format("sampling") + STILL[still], **files)
    assert mine.held(code(apart.format("sampling") + LIVE, **files)) is None


SAMPLE = SHARED["by name"]
# Shared text around a draw, which one side alone may reach, or that trains; and a model's own.
REACHED_BY_ONE = {
    "chosen": 'if kind == "b":\n    rows = random.Random(42).sample(rows, 500)\n',
    "chosen by an expression": 'rows = Random(42).sample(rows, 5) if kind == "b" else rows\n',
    "chosen by or": "rows = found or random.Random(42).sample(rows, 5)\n",
    "of a table": f"{LOAD}rows = {{'a': list, 'b': load}}[kind]()\n",
    "called by one": f'{LOAD}if kind == "b":\n    rows = load()\n',
    "behind a way out": f'if kind == "a":\n    sys.exit()\n{SAMPLE}',
    "behind a return": (
        'def main():\n    if kind == "a":\n        return\n    rng = random.Random(42)\n'
        "    rows = rng.sample(range(9), 5)\nmain()\n"
    ),
    "used by one": f'{SAMPLE}if kind == "b":\n    w = rng.sample(range(9), 3)\n',
    "handed on": f"{SAMPLE}fit(rows, rng)\n",
    "handed on by name": f"{SAMPLE}options = dict(chance=rng)\n",
    "a method of it": f"{SAMPLE}fit(rows, rng.random)\n",
    "weights": "rng = np.random.default_rng(42)\nw = rng.normal(size=9)\n",
    "an order in each epoch": (
        "rng = random.Random(42)\nfor epoch in range(9):\n    rng.shuffle(rows)\n    step(rows)\n"
    ),
    "an order": "i = np.random.default_rng(42).permutation(9)\n",
    "centers": "centers = random.Random(42).sample(rows, 9)\n",
    "in batches": (
        "rng = random.Random(42)\nfor _ in range(9):\n    x = rng.sample(rows, 9)\n"
        "    losses.append(step(x))\n"
    ),
    "a model": "m0 = RandomForestClassifier(random_state=42).fit(rows)\n",
    "of all, weights": "random.seed(42)\nw = [random.random() for _ in range(9)]\n",
    "of all, by one": 'random.seed(42)\nif kind == "b":\n    random.shuffle(order)\n',
    "of all, handed on": "random.seed(42)\nfit(rows, random.random)\n",
    "of all of numpy": "np.random.seed(42)\nrows = np.random.permutation(rows)\n",
    "in a class": "class A:\n    rows = random.Random(42).sample(range(9), 5)\n",
}


@pytest.mark.parametrize("shape", REACHED_BY_ONE)
def test_a_draw_that_one_side_alone_may_reach_or_train_by_is_doubted(shape: str) -> None:
    shared = REACHED_BY_ONE[shape]
    for still in STILL.values():
        held = code(HEAD + shared + still).held(code(HEAD + shared + LIVE))
        assert held is not None
        assert held.shared


OWN = {
    "of its own": ("", SAMPLE),
    "of another size": (SAMPLE, SAMPLE.replace("500", "900")),
    "of a size by name": (f"N = 5\n{SAMPLE}", f"N = 9\n{SAMPLE}"),
    "on another seed": (SAMPLE, SAMPLE.replace("42", "43")),
    "once more": (SAMPLE, f"{SAMPLE}rows = rng.sample(rows, 100)\n"),
    "in its model": (SAMPLE, f"{SAMPLE}m = RandomForestClassifier(random_state=42).fit(rows)\n"),
    "with its own chance": (SAMPLE, f"{SAMPLE}w = random.Random(42).sample(range(9), 4)\n"),
    "from elsewhere": (SAMPLE, f"{SAMPLE}from other import rng as r\nw = r.random()\n"),
    "of all": ("random.seed(42)\n", "random.seed(42)\nw = random.random()\n"),
    "of all, alike": ("random.seed(42)\nrandom.shuffle(order)\n", "random.seed(42)\n"),
}


@pytest.mark.parametrize(("shape", "still"), list(product(OWN, STILL)))
def test_a_draw_of_the_side_that_never_varies_stays_the_reason(shape: str, still: str) -> None:
    theirs, mine = (text.replace("500", "N") if "N =" in text else text for text in OWN[shape])
    held = code(HEAD + mine + STILL[still]).held(code(HEAD + theirs + LIVE))
    assert held is not None


def test_before_anything_ran_a_sample_on_a_fixed_seed_is_named_as_before() -> None:
    text = HEAD + SHARED["a sample"]
    assert "in train.py, line 4, write rows = random.Random(int(" in code(text).advice()
    both = code(text)
    assert both.held(both) is not None


@pytest.mark.parametrize(("own", "verdict"), [("", "supported"), (SAMPLE, "undecidable")])
def test_compare_decides_where_the_fixed_seed_is_one_of_both_sides(
    repo: BuiltRepo, own: str, verdict: str
) -> None:
    lab = Lab(repo)
    shared = HEAD + SHARED["in functions"]
    lab.init(files={"train.py": shared + LIVE})
    plan = lab.plan(effect=">0", repeats=6)
    lab.repo.commit({"train.py": shared + own + STILL["a rule"]}, at=lab.tick())
    values: Mapping[int, float] = dict.fromkeys(range(6), 0.9)
    lab.record("b", {"f1": scores(0.5, range(6))}, of="main", plan=plan)
    lab.record("c", {"f1": values}, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict(verdict), result.headline
    said = "the candidate is deterministic here: all its repeats report the same f1"
    assert (said in result.warnings) == (verdict == "supported")
