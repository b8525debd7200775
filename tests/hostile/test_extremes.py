"""Numbers of others' records at the ends of what a file can say: each verb has an answer."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, get_args, get_origin

import pytest

from gitexp.cli.dispatch import dispatch
from gitexp.errors import BadFormatError
from gitexp.git.transaction import layout
from gitexp.model.ids import RunId
from gitexp.model.run import Origin, Run, Sample
from gitexp.records import codec
from gitexp.text.fields import LARGEST
from tests.lab.records import CONFIG, ENVIRONMENT, EVALUATION, Lab, scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gitexp.text.jsontext import Json
    from tests.lab.build import BuiltRepo

    Place = tuple[str, ...]

VERBS: Final[tuple[tuple[str, ...], ...]] = (
    *(("compare",), ("compare", "--json"), ("compare", "main", "HEAD", "--format", "html")),
    *(("review", "main...exp/deep"), ("list",), ("list", "--runs"), ("list", "--json")),
    *(("show", "deep"), ("show", "cccccccc"), ("status",), ("power",), ("logs",)),
    *(("conclude", "-m", "x", "--dry-run"), ("diff", "main", "HEAD"), ("inputs", "main", "HEAD")),
    *(("check", "main..HEAD"), ("doctor",), ("run", "--dry-run")),
)
HUGE: Final = 10**400
ENDS: Final[tuple[Json, ...]] = (1.7e308, -1.7e308, 5e-324, 1e13, HUGE, -HUGE, 2**64, -1, 0)
MANY: Final = 10_000  # more values are never added up
ANSWERED: Final = {0, 1, 2, 3, 6}  # 2: power has no spread to go by
ANY: Final = 10_000  # more values are never added up
SEEDS: Final = range(11)  # the first for the snapshot alone
FLOATS: Final = {"value", "wall_s", "cpu_s", "cgroup_cpus"}
PIPELINE: Final = dataclasses.replace(CONFIG, command=None, pipeline="dvc.yaml")
STAGES: Final = {
    "dvc.yaml": "stages: {a: {cmd: x, outs: [m.bin]}, b: {cmd: y, params: [depth]}}\n",
}
ANY: Final = {("once", "*", "logged", "*", "value")}  # a metric's: whatever the project says


def numbers(kind: type, *above: str) -> Iterator[Place]:
    """Yield where a record has numbers; * is each item of a list or mapping."""
    shape = codec.shape_of(kind)
    for item in dataclasses.fields(kind):
        key = shape.keys.get(item.name, item.name).split(".")
        yield from _of(codec.hints(kind)[item.name], *above, *key)


def _of(hint: object, *at: str) -> Iterator[Place]:
    arguments = [each for each in get_args(hint) if each not in (type(None), ...)]
    if get_origin(hint) in (tuple, Mapping):
        yield from _of(arguments[-1], *at, "*")
    elif arguments:
        yield from _of(arguments[0], *at)
    elif hint in (int, float):
        yield at
    elif isinstance(hint, type) and dataclasses.is_dataclass(hint):
        yield from numbers(hint, *at)


NUMBERS: Final = sorted(set(numbers(Run)))


def put(value: Json, at: Place, number: Json) -> Json:
    if not at:
        return number
    if isinstance(value, list):
        return [put(each, at[1:], number) for each in value]
    assert isinstance(value, dict)
    names = list(value) if at[0] == "*" else [at[0]]
    assert names
    return value | {name: put(value[name], at[1:], number) for name in names}


def whole(record: dict[str, Json]) -> Json:
    """Return a record with each number that it may have."""
    out = {"path": "m.bin", "md5": "1" * 32 + ".dir", "size": 3, "nfiles": 2}
    logged = {"name": "loss", "value": 0.5, "step": 3}
    once = {"stage": "a", "recipe": "1" * 64, "outs": [out], "origin": "executed"}
    used = {"cpu_count": 2, "threads": 1, "cpu_s": 2.0, "peak_memory_bytes": 1, "cgroup_cpus": 1.0}
    repeats = record["repeats"]
    assert isinstance(repeats, list)
    for each in repeats:
        each |= {"exit_code": 0, "observed": 0, "resumed": 1, "outputs": [out]}
        each["seeds"] = {"x.seed": each["seed"]}
        each["resources"] |= used
    return record | {
        "observed": [{}],
        "once": [{**once, "logged": [logged]}],
        "fixed_seeds": {"x.seed": 3},
        "snapshot_only": 0,
    }


def recorded(lab: Lab, change: Callable[[Json], Json] = lambda record: record) -> None:
    """Record an experiment that is supported, with a change of the candidate's record."""
    lab.init(PIPELINE, STAGES)
    plan = lab.plan()
    lab.change()
    low = scores(0.6, SEEDS)
    high = {seed: low[seed] + 0.05 + 0.001 * (seed % 3) for seed in SEEDS}
    for letter, values, of in (("b", low, "main"), ("c", high, "HEAD")):
        run, files = lab.run_files(
            letter, {"f1": values}, of=of, plan=plan, environment=ENVIRONMENT,
            evaluation=EVALUATION, origin=Origin.OBSERVED, failed=(), links="", call="",
            outputs=None, samples=(),
        )  # fmt: skip
        record = whole(json.loads(codec.dump(run)))
        record = change(record) if letter == "c" else record
        files[layout.run_json(run.id)] = json.dumps(record).encode()
        lab.repo.commit(files, at=lab.tick())


def check_answers(repo: BuiltRepo, capsys: pytest.CaptureFixture[str]) -> list[int]:
    codes = []
    for argv in VERBS:
        codes.append(dispatch(["-C", str(repo.path), *argv]))
        said = capsys.readouterr()
        assert codes[-1] in ANSWERED, (argv, said.out, said.err)
        assert "Traceback" not in said.err
    return codes


def test_the_control_is_supported(repo: BuiltRepo, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(Lab(repo))
    assert check_answers(repo, capsys)[:3] == [0, 0, 0]


@pytest.mark.sweep(12)
@pytest.mark.parametrize("at", NUMBERS, ids=".".join)
def test_a_number_is_read_only_where_many_of_it_have_a_sum(repo: BuiltRepo, at: Place) -> None:
    lab = Lab(repo)
    recorded(lab)
    record = json.loads(repo.show(layout.run_json(RunId("c" * 16))))
    for end in ENDS:
        try:
            codec.load(Run, json.dumps(put(record, at, end)).encode(), "run.json")
        except BadFormatError:
            assert end != 0 or at[-1] in {"attempt", "resumed"}
        else:
            assert isinstance(end, (int, float))
            assert at in ANY or abs(end) <= sys.float_info.max / MANY
            assert at[-1] in FLOATS or abs(end) <= LARGEST


@pytest.mark.sweep(2)
@pytest.mark.parametrize("end", ENDS, ids=lambda end: str(end)[:9])
@pytest.mark.parametrize("at", NUMBERS, ids=".".join)
def test_a_number_of_a_record_at_its_end_stops_no_verb(
    repo: BuiltRepo, capsys: pytest.CaptureFixture[str], at: Place, end: Json
) -> None:
    recorded(Lab(repo), lambda record: put(record, at, end))
    check_answers(repo, capsys)


@pytest.mark.sweep(2)
@pytest.mark.parametrize(
    ("at", "end"),
    [
        (("repeats", "*", "resources", "wall_s"), 1e308),
        (("repeats", "*", "resources", "wall_s"), 1e12),
        (("repeats", "*", "resources", "peak_memory_bytes"), HUGE),
    ],
)
def test_what_was_once_added_up_stops_no_verb(
    repo: BuiltRepo, capsys: pytest.CaptureFixture[str], at: Place, end: Json
) -> None:
    recorded(Lab(repo), lambda record: put(record, at, end))
    check_answers(repo, capsys)


VALUES: Final[dict[str, Callable[[int], float]]] = {
    "largest": lambda _: 1.79e308,
    "lowest": lambda _: -1.79e308,
    "both": lambda n: (-1) ** n * 1.7e308,
    "one": lambda n: 0.6 + n / 100 if n > 1 else 1.7e308,
    "least": lambda n: 5e-324 * n,
    "near": lambda n: 1.7e308 - n * 1e300,
    "third": lambda n: (-1.7e308, 0.5, 1.7e308)[n % 3],
    "square": lambda n: 1e155 * (n + 1),
}


@pytest.mark.sweep(4)
@pytest.mark.parametrize("folds", [0, 3])
@pytest.mark.parametrize("candidate", VALUES)
@pytest.mark.parametrize("baseline", VALUES)
def test_a_value_of_a_metric_at_its_end_stops_no_verb(
    repo: BuiltRepo, capsys: pytest.CaptureFixture[str], baseline: str, candidate: str, folds: int
) -> None:
    lab = Lab(repo)
    lab.init()
    plan = lab.plan(effect=">0" if folds else ">=5%")
    lab.change()
    for letter, of, name in (("b", "main", baseline), ("c", "HEAD", candidate)):
        rows = [
            Sample("f1", seed, VALUES[name](seed + (fold or 0)), None, fold, "", *sizes)
            for seed in SEEDS[1:]
            for fold, *sizes in (
                [(fold, 2**62, 2**63 - 1) for fold in range(folds)] or [(None, None, None)]
            )
        ]
        lab.record(letter, {}, samples=tuple(rows), of=of, plan=plan)
    check_answers(repo, capsys)


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("key", ["size", "nfiles"])
@pytest.mark.parametrize("file", ["m.bin.dvc", "dvc.lock"])
def test_a_number_of_a_pointer_or_a_lock_at_its_end_stops_no_verb(
    repo: BuiltRepo, capsys: pytest.CaptureFixture[str], file: str, key: str
) -> None:
    recorded(Lab(repo))
    for end in (3, HUGE, -HUGE, 2**64):
        out = {"path": "m.bin", "md5": "1" * 32 + ".dir", "hash": "md5", "size": 3, "nfiles": 1}
        outs = {"outs": [out | {key: end}]}
        lock = {"schema": "2.0", "stages": {"a": {"cmd": "true", **outs}}}
        stage = {"stages": {"a": {"cmd": "true", "outs": ["m.bin"]}}}
        files = {file: json.dumps(outs if file.endswith(".dvc") else lock)}
        repo.commit(files | ({} if file.endswith(".dvc") else {"dvc.yaml": json.dumps(stage)}))
        check_answers(repo, capsys)
