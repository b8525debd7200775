"""One name in two metrics files: never silently the first one's."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from gitexp.execution.run import run
from gitexp.model.config import ProjectConfig
from gitexp.model.plan import Direction, Verdict
from gitexp.model.request import RunRequest
from tests.lab.build import repository
from tests.lab.records import Lab, one, scores
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

FILES = ("a/train.json", "b/test.json")
CALLED = ("a/train.json:acc", "b/test.json:acc")
TRAIN = """\
import json, os, random
random.seed(int(os.environ["GITEXP_SEED"]))
level = float(open("level").read())
for place, acc in (("a/train.json", 0.9), ("b/test.json", level + random.random() / 100)):
    os.makedirs(os.path.dirname(place), exist_ok=True)
    json.dump({"acc": acc, os.path.basename(place)[:-5]: random.random()}, open(place, "w"))
"""
PROSE = ("--hypothesis", "a higher level raises the accuracy", "--effect", ">0")


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    """Make a project with an experiment on the second file's metric, run on both sides."""
    repo = repository(tmp_path_factory.mktemp("ambiguous") / "repo")
    repo.commit({"train.py": TRAIN, "level": "0.5"}, at=1)
    metrics = [word for file in FILES for word in ("--metrics", file)]
    done = gitexp(repo, "init", "--command", "python train.py", *metrics)
    assert done.code == 0, done.err
    assert (
        gitexp(repo, "new", "x", "--metric", f"{CALLED[1]}:max", *PROSE, "--repeats", "5").code == 0
    )
    repo.commit({"level": "0.7"}, at=2)
    report = run(repo.workspace, RunRequest(with_baseline=True, repeats=5))
    names = {sample.metric for each in report.recorded for sample in each.samples}
    assert names == {*CALLED, "train", "test"}
    return repo


@pytest.mark.sweep(4)
@pytest.mark.parametrize(
    "words",
    [
        ("new", "y", "--metric", "acc:max", *PROSE),
        ("new", "y", "--metric", "test:max", *PROSE, "--guard", "acc>=-1%"),
        ("amend-plan", "--metric", "acc:max", "--why", "a mistake"),
        ("amend-plan", "--guard", "acc>=-1%", "--why", "a mistake"),
        ("power", "--metric", "acc", "--effect", ">=1%"),
        ("list", "--runs", "--sort", "acc"),
        ("list", "--runs", "--sort", "-acc"),
        ("list", "--runs", "--metric", "acc>0.5"),
    ],
)
def test_whoever_names_it_is_told_both(tried: BuiltRepo, words: tuple[str, ...]) -> None:
    before = tried.refs()
    done = gitexp(tried, *words)
    assert done.code == 2, (done.out, done.err)
    assert done.says("ambiguous-metric", *CALLED)
    assert tried.refs() == before


@pytest.mark.parametrize(
    "words",
    [
        ("new", "y", "--metric", "c.json:acc:max", *PROSE),
        ("new", "y", "--metric", "test:max", *PROSE, "--guard", "c.json:acc>=-1%"),
        ("amend-plan", "--metric", "c.json:acc", "--why", "a mistake"),
        ("amend-plan", "--guard", "c.json:acc>=-1%", "--why", "a mistake"),
        ("power", "--metric", "c.json:acc", "--effect", ">=1%"),
    ],
)
def test_a_file_that_is_no_metrics_file_is_refused_with_those_that_are(
    tried: BuiltRepo, words: tuple[str, ...]
) -> None:
    before = tried.refs()
    done = gitexp(tried, *words)
    assert done.code == 2, (done.out, done.err)
    assert done.says("unknown-metric", "c.json is none of the metrics files", *CALLED)
    assert tried.refs() == before


def test_the_verdict_is_on_the_file_that_the_plan_names(tried: BuiltRepo) -> None:
    done = gitexp(tried, "compare")
    assert done.out.startswith(("✓ SUPPORTED", "SUPPORTED", "+ SUPPORTED")), done.out
    assert CALLED[1] in done.out
    assert gitexp(tried, "list", "--runs", "--sort", CALLED[1]).code == 0


def test_a_name_that_only_a_run_shows_to_be_several_files_ends_at_the_first_repeat_with_the_cure(
    tmp_path: Path,
) -> None:
    repo = repository(tmp_path / "repo")
    repo.commit({"train.py": TRAIN, "level": "0.5"}, at=1)
    metrics = [word for file in FILES for word in ("--metrics", file)]
    gitexp(repo, "init", "--command", "python train.py", *metrics)
    named = gitexp(repo, "new", "y", "--metric", f"{CALLED[0]}:max", *PROSE, "--dry-run")
    assert f"{CALLED[0]} is taken at its word" in named.out
    assert gitexp(repo, "new", "y", "--metric", "c.json:acc:max", *PROSE, "--dry-run").code == 2
    guard = ("--guard", "test>=-500%", "--guard", "acc>=-5%")
    told = gitexp(repo, "new", "x", "--metric", "acc:max", *PROSE, *guard)
    assert "acc is taken at its word" in told.out
    assert f"name one of them: {CALLED[1]}" in told.out
    repo.commit({"level": "0.7"}, at=2)
    done = gitexp(repo, "run", "--repeats", "5")
    assert done.code == 5, (done.out, done.err)
    said = done.out + done.err
    assert "several metrics files give acc" in said
    assert all(name in said for name in CALLED)
    assert "0/1" in done.out  # the other four were not begun
    cure = (
        f"gitexp amend-plan --metric {CALLED[0]} --guard 'test>=-500%' "
        f"--guard '{CALLED[0]}>=-5%' --why TEXT"
    )
    for verb in ("status", "compare"):
        after = gitexp(repo, verb)
        assert f"{cure} (or {CALLED[1]}), then gitexp run --with-baseline" in after.out + after.err
    assert f"{cure} (or {CALLED[1]}), then gitexp run --with-baseline\n" in done.out
    words = shlex.split(cure.replace(*CALLED))[1:]  # as typed, with the other file
    assert gitexp(repo, *words).code == 0
    assert "next: gitexp run --with-baseline\n" in gitexp(repo, "status").out
    assert gitexp(repo, "run", "--with-baseline", "--repeats", "2").code == 0
    assert "2 of 10 count" in gitexp(repo, "status").out


def test_a_file_that_is_not_there_yet_may_be_named_and_a_plain_name_is_doubted(
    repo: BuiltRepo,
) -> None:
    repo.commit({"train.py": TRAIN, "level": "0.5", "a/train.json": '{"acc": 0.5}'}, at=1)
    metrics = [word for file in FILES for word in ("--metrics", file)]
    gitexp(repo, "init", "--command", "python train.py", *metrics)
    for name, said in (
        (CALLED[1], f"{CALLED[1]} is taken at its word"),
        ("acc", f"does not have {FILES[1]} yet"),
        (CALLED[0], ""),
    ):
        done = gitexp(repo, "new", "y", "--metric", f"{name}:max", *PROSE, "--dry-run")
        assert done.code == 0, done.err
        assert said in done.out
        assert bool(said) == ("warning" in done.out), done.out
    missed = gitexp(repo, "new", "y", "--metric", "test:max", *PROSE, "--dry-run")
    assert missed.says("unknown-metric", f"the same with {FILES[1]}:test for ")


def test_a_name_that_only_one_file_gives_may_be_called_by_it_and_plans_on_both_names_share(
    repo: BuiltRepo,
) -> None:
    repo.commit({"train.py": TRAIN, "level": "0.5"}, at=1)
    metrics = [word for file in FILES for word in ("--metrics", file)]
    gitexp(repo, "init", "--command", "python train.py", *metrics)
    named = f"{FILES[1]}:test"
    for metric, level in ((named, "0.7"), ("test", "0.8")):
        begun = ("new", f"x{level[-1]}", "--metric", f"{metric}:max", "--baseline", "main")
        assert gitexp(repo, *begun, *PROSE).code == 0
        repo.commit({"level": level}, at=2)
        done = gitexp(repo, "run", "--with-baseline", "--repeats", "5")
        assert done.code == 0, (done.out, done.err)
        (row,) = (line for line in done.out.splitlines() if line.startswith("baseline "))
        assert row.endswith("5/5") == (metric == named), done.out
        judged = gitexp(repo, "compare")
        assert "5 of 10 planned pairs are there" in judged.out, judged.out


def config(*files: str) -> ProjectConfig:
    return ProjectConfig(command="python train.py", metrics=files)


@pytest.mark.parametrize(
    ("files", "old", "asked", "verdict"),
    [
        # A plan on the first file finds what earlier versions recorded under the plain name.
        (FILES, {"acc": 0.0, CALLED[1]: 1.0}, CALLED[0], Verdict.REFUTED),
        (FILES, {"acc": 0.0, CALLED[1]: 1.0}, CALLED[1], Verdict.SUPPORTED),
        # Of three files, one without the metric, nobody knows whose the plain name was.
        (("c.json", *FILES), {"acc": 1.0, CALLED[1]: 1.0}, CALLED[0], Verdict.NOT_COMPARABLE),
        # One file alone needs no name; which of two had it alone was not recorded.
        (FILES[:1], {"acc": 1.0}, CALLED[0], Verdict.SUPPORTED),
        (FILES, {"acc": 1.0}, CALLED[0], Verdict.NOT_COMPARABLE),
        # Plans of earlier versions keep their meaning.
        (FILES, {"acc": 1.0, CALLED[1]: 0.0}, "acc", Verdict.SUPPORTED),
        # What both files give under their names is not what a plain name asks for.
        (FILES, dict.fromkeys(CALLED, 1.0), "acc", Verdict.NOT_COMPARABLE),
    ],
)
def test_what_earlier_versions_recorded_counts_where_it_is_sure_whose_it_is(
    repo: BuiltRepo,
    files: tuple[str, ...],
    old: dict[str, float],
    asked: str,
    verdict: Verdict,
) -> None:
    lab = Lab(repo)
    lab.init(config(*files))
    plan = lab.plan(metric=asked, direction=Direction.MAX, effect=">0")
    lab.change()
    base = scores(0.6, range(10))

    def moved(by: float) -> dict[int, float]:
        return {seed: value + (0.1 if by else -0.1) for seed, value in base.items()}

    lab.record("b", dict.fromkeys(old, base), of="main", plan=plan)
    lab.record("c", {name: moved(by) for name, by in old.items()}, plan=plan)
    result = one(lab)
    assert result.verdict is verdict, result.headline
    told = [text for text in result.warnings if "several metrics files give acc" in text]
    assert bool(told) == (asked == "acc"), result.warnings


def test_a_metric_that_one_side_alone_calls_by_its_file_is_named(repo: BuiltRepo) -> None:
    lab = Lab(repo)
    lab.init(config(*FILES))
    plan = lab.plan(metric=CALLED[0], direction=Direction.MAX, effect=">0")
    lab.change()
    base = scores(0.6, range(10))
    loss = ["a/train.json:loss", "b/test.json:loss"]
    lab.record("b", dict.fromkeys([*CALLED, *loss], base), of="main", plan=plan)
    lab.record("c", {CALLED[0]: scores(0.7, range(10)), "loss": base}, plan=plan)
    said = f"loss of the candidate is not compared: the baseline has {', '.join(loss)}"
    assert said in one(lab).warnings
