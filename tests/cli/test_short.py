"""What is said in one line, and what is said before hours are spent."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING

import pytest

from tests.execution.test_run import plain
from tests.lab.shell import PLAN, gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo


@pytest.mark.slow
def test_quiet_leaves_the_line_that_matters(dvc_repo: BuiltRepo) -> None:
    """init, new, run, conclude: each in its order, each one line."""
    steps = {
        ("init",): "wrote .gitexp/config.yaml",
        ("new", "faster", *PLAN, "--repeats", "2", "--param", "lr=0.7"): "began exp/faster: ",
        ("run", "--with-baseline"): "on exp/faster: candidate 2/2 (",
        ("conclude", "-m", "too few"): "UNDECIDABLE",
    }
    for argv, said in steps.items():
        done = gitexp(dvc_repo, *argv, "-q")
        assert said in done.out, (argv, done)
        assert len(done.out.splitlines()) == 1, argv


def test_too_few_repeats_are_said_to_be_too_few_before_they_run(experiment: BuiltRepo) -> None:
    done = gitexp(experiment, "run", "--repeats", "4", "--dry-run")
    assert "4 repeats a side cannot decide at alpha = 0.05" in done.out
    assert "p = 0.062 at best" in done.out
    enough = gitexp(experiment, "run", "--dry-run")
    assert "cannot decide" not in enough.out + enough.err


@pytest.mark.sweep(3)
@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("obrien-fleming --looks 2 --repeats 6", "3 repeats | the look at 6 is the first that can"),
        ("obrien-fleming --looks 5 --repeats 10", "6 repeats | the look at 8 is the first"),
        ("pocock --looks 2 --repeats 4", "4 repeats | --repeats 5 would do"),
        ("always-valid --repeats 3", "3 repeats | --repeats 5 would do"),
        ("pocock --looks 2 --repeats 20", ""),
    ],
)
def test_looks_that_can_decide_nothing_are_named_before_they_are_run(
    project: BuiltRepo, rule: str, said: str
) -> None:
    done = gitexp(project, "new", "x", *PLAN, "--stopping", *rule.split(), "--dry-run")
    n, _, then = said.partition(" | ")
    assert ("cannot decide" in done.out) is bool(said)
    assert f"{n} a side cannot decide at alpha = 0.05" * bool(said) in done.out
    assert then in done.out


def test_a_round_that_can_decide_nothing_says_so(project: BuiltRepo) -> None:
    rule = ("--stopping", "obrien-fleming", "--looks", "2", "--repeats", "6", "--param", "lr=0.7")
    said = "3 repeats a side cannot decide at alpha = 0.05: pairs of them reach p = 0.25 over all "
    assert said + "looks at best; the look at 6" in gitexp(project, "new", "x", *PLAN, *rule).out
    done = gitexp(project, "run", "--until-decided", "--dry-run")
    assert said + "looks at best; 6 are planned" in done.out
    assert "cannot decide" not in gitexp(project, "run", "--dry-run").out
    more = gitexp(project, "amend-plan", "--repeats", "8", "--why", "6 are few", "--dry-run")
    assert "4 repeats a side cannot decide" in more.out


def test_a_promise_that_no_share_can_keep_is_doubted(project: BuiltRepo) -> None:
    def warned(effect: str) -> bool:
        plan = ("--metric", "f1:max", "--effect", effect, "--hypothesis", "it is much better")
        done = gitexp(project, "new", "x", *plan, "--dry-run")
        assert done.code == 0, done.err
        return "5 per cent of the baseline are 5%, 5 points 0.05" in done.out

    assert warned(">=5")
    assert not warned(">=5%")
    assert not warned(">=0.05")


@pytest.fixture
def folded(repo: BuiltRepo) -> BuiltRepo:
    """A project whose metric is reported in five folds; nothing was run."""
    script = """
import json, random
r = random.Random(open("params.yaml").read())
f1 = [0.8 + r.gauss(0, 0.01) for _ in range(5)]
json.dump({"f1": f1, "n_train": 160, "n_test": 40}, open("metrics.json", "w"))
"""
    files = {
        "train.py": script,
        "params.yaml": "seed: 1\nlr: 1\n",
        ".gitignore": "metrics.json",
    }
    repo.commit(files, message="start")
    asked = ("--metrics", "metrics.json", "--params", "params.yaml", "--seed-param", "seed")
    assert gitexp(repo, "init", "--command", f"{sys.executable} train.py", *asked).code == 0
    return repo


FOLDED = (
    "x",
    "--seeds",
    "drawn",
    "--metric",
    "f1:max",
    "--effect",
    ">0",
    "--hypothesis",
    "a larger lr raises f1",
)
RULE = ("--stopping", "always-valid", "--repeats", "5")
NO_TEST = "a stopping rule has no test for splits of one data set"


@pytest.mark.slow
def test_a_rule_without_a_test_for_folds_is_named_after_the_first_repeat(folded: BuiltRepo) -> None:
    assert gitexp(folded, "new", *FOLDED, *RULE, "--param", "lr=2").code == 0
    done = gitexp(folded, "run", "--until-decided", "--json")
    assert any(text.startswith(NO_TEST) for text in done.json["warnings"]), done
    assert done.json["next"].startswith("gitexp amend-plan x --stopping none")
    again = gitexp(folded, "run", "--repeats", "5", "--with-baseline", "--dry-run")
    assert NO_TEST in again.out
    refused = gitexp(folded, "amend-plan", "--repeats", "6", "--why", "more")
    assert refused.code == 2
    assert NO_TEST in refused.err
    assert gitexp(folded, "amend-plan", "--stopping", "none", "--why", "by folds").code == 0
    folded.switch("main")
    refused = gitexp(folded, "new", "y", *FOLDED[1:], *RULE)
    assert refused.code == 2
    assert NO_TEST in refused.err
    few = gitexp(folded, "new", "y", *FOLDED[1:], "--repeats", "3", "--param", "lr=3")
    assert few.code == 0, few
    assert "cannot decide" not in gitexp(folded, "run", "--with-baseline", "--dry-run").out


def test_a_run_on_main_says_first_that_it_counts_for_no_plan(project: BuiltRepo) -> None:
    """What is pasted after a refused `new` runs on main."""
    assert gitexp(project, "new", "x", *PLAN, "--repeats", "0").code == 2
    would = gitexp(project, "run", "--repeats", "1", "--dry-run")
    done = gitexp(project, "run", "--repeats", "1")
    assert done.code == 0, done.err
    first = (
        "warning: main has no plan: this run is exploratory and counts for none; gitexp new NAME "
    )
    assert done.err.splitlines()[0] == f"{first}begins a planned one"
    for said in (would, done):
        assert said.out.startswith("exploratory: main has no plan, so this counts for a baseline")
    project.switch("scratch", create=True)
    assert "has no plan" not in gitexp(project, "run", "--seeds", "7").err


def test_a_run_ends_with_the_planned_metric_of_both_whole_sides(experiment: BuiltRepo) -> None:
    """A top-up had the mean of its own repeats, and twelve rows of metrics."""
    first = gitexp(experiment, "run", "--repeats", "2", "--with-baseline")
    again = gitexp(experiment, "run", "--repeats", "4", "--with-baseline")
    for done, counts in ((first, "2/6"), (again, "4/6")):
        header, candidate, baseline = done.out.splitlines()[:3]
        assert header.split() == ["side", "counts", "f1", "finished"]
        assert (candidate.split()[:2], baseline.split()[:2]) == (
            ["candidate", counts],
            ["baseline", counts],
        )
        assert all(line.endswith(" 2/2") for line in (candidate, baseline))
    (item,) = json.loads(gitexp(experiment, "list", "--json").out)["experiments"]
    assert f"  {item['primary']['mean']:.3f} +- " in again.out.splitlines()[1]


def test_a_mean_of_the_repeats_with_a_partner_says_how_many_these_are(tmp_path: Path) -> None:
    script = (
        "import json, os, random\n"
        "seed, lr = int(os.environ['GITEXP_SEED']), float(open('lr').read())\n"
        "assert lr or str(seed) != os.environ.get('BAD'), 'no convergence'\n"
        "json.dump({'acc': random.Random(seed).random() + lr}, open('metrics.json', 'w'))\n"
        "open('model.txt', 'w').write(str(seed))\n"
    )
    repo = plain(tmp_path / "p", script)
    repo.commit({"lr": "1"})
    assert gitexp(repo, "new", "x", *PLAN, "--metric", "acc:max", "--repeats", "3").code == 0
    repo.commit({"lr": "0"})
    would = gitexp(repo, "run", "--with-baseline", "--dry-run").out
    bad = re.findall(r"\d+", next(line for line in would.splitlines() if "would run" in line))
    done = gitexp(repo, "run", "--with-baseline", "--keep-going", env={"BAD": bad[-1]})
    assert done.code == 5, done
    _, candidate, baseline = done.out.splitlines()[:3]
    assert candidate.split()[1] == "2/3"
    assert "in 2 pairs" not in candidate
    assert re.search(r"3/3 +[\d.]+ \+- [\d.]+ in 2 pairs", baseline)
