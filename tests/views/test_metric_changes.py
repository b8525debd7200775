"""Metrics of commits that no run recorded: of a repository with DVC, or with a file alone."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.review import render
from gitexp.enforcement.review import review
from gitexp.experiments.init import init
from gitexp.model.request import InitRequest
from gitexp.model.review import Review
from gitexp.records import codec
from gitexp.report import views
from gitexp.views.diff import diff, inputs
from tests.lab import build
from tests.lab.build import dvc

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.lab.build import BuiltRepo, Content

TRAIN = """\
stages:
  train:
    cmd: python train.py
    params: [lr]
    outs: [model.bin]
    metrics:
    - eval/{file}:
        cache: {cache}
"""
OLD, NEW = {"acc": 0.8, "val": {"loss": 0.5}, "n": 7}, {"acc": 0.82, "val": {"loss": 0.6}, "n": 7}
EXPECTED = [("acc", 0.8, 0.82, True), ("n", 7.0, 7.0, None), ("val.loss", 0.5, 0.6, False)]


def two(repo: BuiltRepo, metrics: str, files: Mapping[str, Content], *, lock: bool = False) -> None:
    """Commit a state on main, and one with other metrics and parameters on a branch."""
    for branch, values, lr in (("main", OLD, 0.1), ("lower", NEW, 0.9)):
        if branch != "main":
            repo.switch(branch, create=True)
        ignored = {".gitignore": "/model.bin\n/eval/cached.json\n"}
        repo.write({metrics: json.dumps(values), "model.bin": branch})
        repo.write({**files, **ignored, "params.yaml": f"lr: {lr}\n", "train.py": ""})
        if lock:
            dvc(repo.path, "commit", "--force", "--quiet")
        repo.git("add", "--all")
        repo.commit(message=branch)


@pytest.fixture
def repo(tmp_path: Path) -> BuiltRepo:
    return build.repository(tmp_path / "r")


def changes(repo: BuiltRepo) -> list[tuple[object, ...]]:
    found = diff(repo.workspace, "main", "lower")
    assert found.committed
    return [(m.metric, m.a and m.a.mean, m.b and m.b.mean, m.better) for m in found.metrics]


PLACES = {
    "of a stage": ("eval/m.json", {"dvc.yaml": TRAIN.format(file="m.json", cache="false")}),
    "of a template": (
        "eval/a.json",
        {
            "dvc.yaml": "stages:\n  s:\n    foreach: [a]\n    do:\n      cmd: x\n"
            "      metrics:\n      - eval/${item}.json: {cache: false}\n"
        },
    ),
    "of no stage": ("eval/m.json", {"dvc.yaml": "metrics: [eval/m.json]\n"}),
    "of no stage, by a template": ("eval/m.json", {"dvc.yaml": "metrics: ['${dir}/m.json']\n"}),
    "of a folder below": ("sub/live/m.json", {"sub/live/dvc.yaml": "metrics: [m.json]\n"}),
    "without DVC": ("out/metrics.json", {}),
}


@pytest.mark.parametrize(("file", "files"), PLACES.values(), ids=PLACES)
def test_metrics_of_a_repository_that_is_not_initialised_are_shown(
    repo: BuiltRepo, file: str, files: Mapping[str, Content]
) -> None:
    two(repo, file, files)
    assert changes(repo) == EXPECTED
    text = views.render(diff(repo.workspace, "main", "lower"), "text")
    assert "one run each, no plan: a difference, not evidence" in text
    assert "+0.02 (+2.5 %)  better" in text
    assert "worse" in text
    step = 'gitexp new NAME --baseline main --metric acc --effect ">0"'
    assert f"next: {step}" in text
    found = review(repo.workspace, "main...lower")
    assert found.testing == step
    shown = [(each.what, each.before, each.after, each.by) for each in found.changes]
    assert shown[:3] == [
        ("acc", "0.8000", "0.8200", "+0.02 (+2.5 %) better"),
        ("val.loss", "0.5000", "0.6000", "+0.1 (+20.0 %) worse"),
        ("n", "7.000", "7.000", "0"),
    ]
    assert ("lr", "0.1", "0.9", "") in shown
    assert codec.load(Review, codec.dump(found), "a review") == found
    for name in ("text", "md", "html"):
        assert "a difference, not evidence" in render(found, name)
        assert "0.8200" in render(found, name)


def test_what_dvc_caches_is_read_for_oneself_and_never_for_a_review(repo: BuiltRepo) -> None:
    """A branch may name any object of the cache, and a review is posted."""
    dvc(repo.path, "init", "--quiet")
    pipeline = {"dvc.yaml": TRAIN.format(file="cached.json", cache="true")}
    two(repo, "eval/cached.json", pipeline, lock=True)
    assert changes(repo) == EXPECTED
    found = review(repo.workspace, "main...lower")
    assert {each.kind for each in found.changes} == {"params", "data"}
    assert "model.bin" in {each.what for each in found.changes}
    assert "0.82" not in render(found, "text")
    assert any("eval/cached.json, and a review reads Git alone" in note for note in found.notes)
    shutil.rmtree(repo.path / ".dvc" / "cache")
    left = diff(repo.workspace, "main", "lower")
    notes = left.notes
    assert not left.metrics
    assert "next: gitexp new NAME --baseline main --metric METRIC" in views.render(left, "text")
    assert any("eval/cached.json, and not in the cache: dvc fetch" in note for note in notes)


def test_commits_that_change_no_number_and_such_as_cannot_be_read_show_none(
    repo: BuiltRepo,
) -> None:
    two(repo, "metrics.json", {})
    repo.switch("docs", create=True)
    repo.commit({"README.md": "more\n"}, message="docs")
    assert review(repo.workspace, "lower...docs").changes == ()
    repo.switch("broken", create=True)
    repo.commit({"metrics.json": "{", "dvc.yaml": "stages: 3\n"}, message="broken")
    assert changes(repo) == EXPECTED
    found = review(repo.workspace, "lower...broken")
    assert [(each.what, each.after) for each in found.changes][:1] == [("acc", "(none)")]


NO_NUMBERS = {
    "NaN": '{"acc": 0.82, "loss": NaN}',
    "Infinity": '{"acc": 0.82, "loss": [0.1, -Infinity]}',
    "a text": '{"acc": 0.82, "loss": "nan"}',
    "too large": '{"acc": 0.82, "loss": 1e999}',
}


@pytest.mark.parametrize("text", NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_what_is_no_number_is_named_and_hides_no_other(repo: BuiltRepo, text: str) -> None:
    repo.commit({"metrics.json": '{"acc": 0.8, "loss": 0.5}'}, message="main")
    repo.switch("lower", create=True)
    repo.commit({"metrics.json": text}, message="lower")
    assert ("acc", 0.8, 0.82, True) in changes(repo)
    for notes in (
        diff(repo.workspace, "main", "lower").notes,
        review(repo.workspace, "main...lower").notes,
    ):
        assert any("loss" in note and "metrics.json" in note for note in notes), notes


@pytest.mark.parametrize("ready", [False, True])
def test_a_parameter_that_looks_like_a_secret_is_masked(repo: BuiltRepo, *, ready: bool) -> None:
    key = "sk-live-1234567890abcdefQ9"
    repo.commit({"metrics.json": '{"acc": 0.8}', "params.yaml": "lr: 1\napi_key: none\n"})
    if ready:
        init(repo.workspace, InitRequest(command="python t.py", metrics=("metrics.json",)))
    repo.switch("lower", create=True)
    repo.commit({"params.yaml": f"lr: 1\napi_key: {key}\n"}, message="lower")
    found = review(repo.workspace, "main...lower")
    assert "api_key" in {each.what for each in found.changes}
    shown = [views.render(diff(repo.workspace, "main", "lower"), name) for name in ("text", "json")]
    shown += [render(found, name) for name in ("text", "md", "html", "json", "annotations")]
    shown += [views.render(inputs(repo.workspace, "main", "lower"), "text")] if ready else []
    assert [each for each in shown if key in each] == []


def test_main_that_went_on_is_no_part_of_a_pull_request(repo: BuiltRepo) -> None:
    two(repo, "metrics.json", {})
    repo.switch("main")
    repo.commit({"metrics.json": '{"acc": 0.99}'}, message="main goes on")
    found = review(repo.workspace, "main...lower")
    assert [each.before for each in found.changes if each.what == "acc"] == ["0.8000"]


def test_the_plan_that_is_proposed_is_not_about_a_spread(repo: BuiltRepo) -> None:
    for branch, value in (("main", 0.8), ("lower", 0.7)):
        if branch != "main":
            repo.switch(branch, create=True)
        repo.commit({"metrics.json": json.dumps({"acc": {"avg_std": value / 9, "mean": value}})})
    assert "--metric acc.mean " in review(repo.workspace, "main...lower").testing


HIDING = {
    "new names": (
        {"metrics.json": json.dumps({**{f"a{n:03}": n for n in range(300)}, "acc": 0.4})}
    ),
    "another file": ({"a/metrics.json": '{"acc": 0.99}'}),
    "a nested file": ({"a/metrics.json": "[" * 100_000}),
    "a large file": ({"a/metrics.json": " " * (2 << 20)}),
    "other settings": ({".gitexp/config.yaml": None}),
    "another dvc.yaml": ({"dvc.yaml": "metrics: [m.json]\n", "m.json": '{"acc": 0.99}'}),
}


@pytest.mark.parametrize("files", HIDING.values(), ids=HIDING)
def test_no_pull_request_hides_what_got_worse(
    repo: BuiltRepo, files: dict[str, Content | None]
) -> None:
    repo.commit({"metrics.json": '{"acc": 0.8}', "params.yaml": "lr: 1\n", "t.py": ""}, message="0")
    if None in files.values():
        init(repo.workspace, InitRequest(command="python t.py", metrics=("metrics.json",)))
        settings = (repo.path / ".gitexp/config.yaml").read_text()
        files = {
            ".gitexp/config.yaml": settings.replace("directions: {}", "directions: {acc: min}")
        }
        assert settings not in files.values()
    repo.switch("lower", create=True)
    repo.commit({"metrics.json": '{"acc": 0.4}', **files}, message="worse")
    found = review(repo.workspace, "main...lower")
    shown = render(found, "md")
    assert any("acc" in line and "-0.4 (-50.0 %) worse" in line for line in shown.splitlines())
