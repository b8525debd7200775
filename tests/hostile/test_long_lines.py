"""What somebody else made as long, or as deep, as a record can be: a list keeps little of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.cli.dispatch import dispatch
from gitexp.git.transaction import cache, layout
from gitexp.git.transaction.cache import Index, Kind, open_index
from gitexp.store import list_lines
from gitexp.text.jsontext import MAX_DEPTH
from gitexp.views.list_runs import list_experiments, list_runs
from tests.lab.recorded import a_plan, a_run, one_experiment, plan_file, run_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.lab.build import BuiltRepo

    Record = dict[str, object]

MIB: Final = 1 << 20


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


# How a record may be long or deep: each of it is sound, but for those in BAD.
LONG: Final[dict[str, Callable[[Record], Record]]] = {
    "usual": lambda record: record,  # the control
    "text": lambda record: record | {"params": {"x": "a" * MIB, "lr": 0.1}},
    "list": lambda record: record | {"params": {"x": [0.1] * (MIB // 8), "lr": 0.1}},
    "many": lambda record: record | {"params": {f"{n:06}": n for n in range(60_000)}},
    "keys": lambda record: record | {"params": {f"{n}" * 1000: n for n in range(1_000)}},
    "author": lambda record: record | {"author": {"name": "a" * MIB, "email": "m@x"}},
    "group": lambda record: record | {"group": "a" * 2 * MIB},
    "deep": lambda record: record | {"params": {"x": nested(MAX_DEPTH - 2)}},
    "deeper": lambda record: record | {"params": {"x": nested(MAX_DEPTH - 1)}},
    "deepest": lambda record: record | {"params": {"x": nested(430)}},
}
BAD: Final = {"group", "deeper", "deepest"}


@pytest.fixture
def two(repo: BuiltRepo) -> BuiltRepo:
    """A repository with an experiment, and a place for another's."""
    one_experiment(repo)
    return repo


def odd(repo: BuiltRepo, how: Callable[[Record], Record]) -> str:
    """Commit a run beside the other."""
    run, samples = a_run(7, [0.7], branch="exp/one", commit=repo.hash(), params={"lr": 0.1})
    files = run_files(run, samples)
    path = layout.run_json(run.id)
    files[path] = json.dumps(how(json.loads(files[path])))
    repo.commit(files, at=4)
    return run.id


@pytest.mark.sweep(5, "usual")
@pytest.mark.parametrize("name", LONG)
def test_a_list_keeps_little_of_a_long_or_deep_record_and_names_it_or_shows_it(
    two: BuiltRepo, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = odd(two, LONG[name])
    for way in (("list",), ("list", "--runs"), ("list", "--runs", "--json"), ("list", "--csv")):
        cold = dispatch(["-C", str(two.path), *way]), capsys.readouterr().out
        assert cold[0] == 0, way
        warm = dispatch(["-C", str(two.path), *way]), capsys.readouterr().out
        assert warm == cold
    found = list_runs(two.workspace)
    assert {item.id: item.params for item in found.runs}.keys() >= {a_run(1, [0.5])[0].id}
    assert (run in {item.id for item in found.runs}) is (name not in BAD)
    assert any(run in item.what for item in found.unreadable) is (name in BAD)
    with open_index(two.workspace) as index:
        rows = [len(row) for kind in Kind for row in index.all(kind).values()]
    assert max(rows) < MIB // 8
    for item in found.runs:
        if item.id == run and name in {"many", "keys"}:
            key, value = item.params[-1]
            more, _, word = str(value).partition(" ")
            assert (key, word) == ("…", "more")
            assert len(item.params) - 1 + int(more) == (60_000 if name == "many" else 1_000)


def test_the_quick_reader_and_the_full_one_keep_the_same(two: BuiltRepo) -> None:
    params = {"a": "x" * 5_000, "b": tuple(range(9_000)), **{f"c{n}": n for n in range(9_000)}}
    run, samples = a_run(7, [0.7], branch="exp/one", commit=two.hash(), params=params)
    two.commit(run_files(run, samples), at=4)
    (quick,) = [item for item in list_runs(two.workspace).runs if item.id == run.id]
    assert quick.params == list_lines.line_of(run, samples).params
    assert len(repr(quick.params)) < MIB // 4


def test_a_long_hypothesis_is_cut_in_a_list(two: BuiltRepo) -> None:
    plan = replace(a_plan("two", two.hash("main")), hypothesis="a is better than b " * 20_000)
    two.switch("main")
    two.switch("exp/two", create=True)
    two.commit(plan_file(plan), at=5)
    for _ in range(2):
        said = {item.name: item.hypothesis for item in list_experiments(two.workspace).experiments}
        assert said["one"] == a_plan("one", two.hash("main")).hypothesis
        assert 100 < len(said["two"]) < 2_000


def test_one_broken_row_sends_no_other_the_slow_way() -> None:
    runs = {name: list_lines.line_of(*a_run(at, [0.5])) for at, name in enumerate("abc")}
    rows = {name: list_lines.encode_run(line) for name, line in runs.items()}
    assert list_lines.decoded_runs(rows) == runs
    deep = json.loads(rows["b"])
    for broken in (b"[", b"[]", json.dumps([*deep[:-1], nested(900)]).encode()):
        found = list_lines.decoded_runs(rows | {"b": broken})
        assert found == {name: runs[name] for name in "ac"}


def test_where_much_is_kept_large_rows_make_way_for_small_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    path = tmp_path / ".git/gitexp/index.sqlite"
    monkeypatch.setattr(cache, "SIZE_LIMIT_BYTES", 4 * MIB)
    for number in range(30):
        with Index(path) as index:
            index.put(Kind.RUN, {f"large{number}": bytes(MIB // 2), f"small{number}": b"1"})
    with Index(path) as index:
        kept = index.all(Kind.RUN)
    assert sum(key.startswith("small") for key in kept) == 30
    assert 2 < sum(key.startswith("large") for key in kept) < 8
