"""The quick readers agree with the full ones, or leave the work to them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitexp.errors import GitexpError
from gitexp.git.objects import tree_id
from gitexp.git.repository import open_repository
from gitexp.git.transaction import layout
from gitexp.model.ids import CommitHash
from gitexp.model.plan import Guard, PlanSeeds
from gitexp.model.run import Run, Sample
from gitexp.records import codec
from gitexp.records import plan as plan_format
from gitexp.records.terms import digest as plan_digest
from gitexp.records.terms import sealed
from gitexp.store.list_lines import line_of
from gitexp.store.plan_files import _from_template, lean_plan
from gitexp.store.records import lean_line
from gitexp.text import samples as samples_format
from tests.lab.recorded import a_plan, a_run, run_files, run_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.model.plan import Plan
    from gitexp.store.list_lines import RunLine
    from tests.lab.build import BuiltRepo

GUARD = Guard("loss", "<=", 0.05, relative=True)
WORDS = st.text(st.sampled_from("ab1 :#-'\"\\[]{}&*!|>%@`,\t\n0.5éü\u2028~"), max_size=25)


@settings(max_examples=200, deadline=None)
@given(WORDS.filter(str.strip), WORDS, st.sampled_from([(), (GUARD,)]))
def test_a_plan_read_line_by_line_is_the_plan(
    hypothesis: str, objective: str, guards: tuple[Guard, ...]
) -> None:
    plan = replace(
        a_plan("x", "0" * 40),
        hypothesis=hypothesis,
        objective=objective,
        guards=guards,
    )
    plan = replace(plan, digest=plan_digest(plan))
    data = codec.dump(plan)
    assert lean_plan(data, "x") == plan_format.load(data, "x") == plan


LINE = st.one_of(
    st.sampled_from(
        ["name: x", "  name: y", "author:", "author: ", "- a", "- 1", "x: []", "y: null",
         'z: "a: b"', "n: 1e3", "t: 1:30", "d: 2024-01-01", "u: yes", "  k: a", "---", "# c",
         "e: a #b", "f: a#b", "g: a: b", "h: a:", "i: a ", "", "  - a", "j: .inf", "$s: 0o17"]
    ),
    st.tuples(st.sampled_from("abc"), WORDS).map(lambda pair: f"{pair[0]}: {pair[1]}"),
)  # fmt: skip


def outcome(read: Callable[[bytes, str], Plan], data: bytes) -> Plan | str:
    try:
        return read(data, "x")
    except GitexpError as error:
        return str(error)


PLAN_LINES = codec.dump(a_plan("x", "0" * 40)).decode().splitlines()


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(PLAN_LINES) - 1),
            st.sampled_from(["before", "instead", "gone"]),
            st.one_of(LINE, st.sampled_from(PLAN_LINES), st.just('created_at: "soon"')),
        ),
        min_size=1,
        max_size=3,
    )
)
@example([(8, "instead", "name: 7")])
@example([(6, "instead", "metric: {"), (6, "before", "name: b")])
@example([(1, "instead", 'metric: "a'), (2, "instead", 'name: b"')])
@example([(1, "before", "name: y")])
@example([(4, "before", "  - a")])
def test_a_plan_with_changed_lines_is_what_the_full_reader_says(
    changes: list[tuple[int, str, str]],
) -> None:
    lines = list(PLAN_LINES)
    for at, how, line in sorted(changes, reverse=True):
        lines[at : at + (how != "before")] = [] if how == "gone" else [line]
    data = ("\n".join(lines) + "\n").encode()
    assert outcome(lean_plan, data) == outcome(plan_format.load, data)


@pytest.mark.parametrize("quoted", ["%s", '"%s"', '"%s', '%s"', '""%s""', "'%s'", '"', "%s ", ""])
def test_a_root_is_quoted_on_both_sides_or_not_at_all(quoted: str) -> None:
    root = "ab" * 16
    plan = sealed(replace(a_plan("x", "0" * 40), seeds=PlanSeeds(root)))
    written = next(
        line for line in codec.dump(plan).decode().splitlines() if line.startswith("  root: ")
    )
    given = f"  root: {quoted.replace('%s', root)}"
    data = codec.dump(plan).replace(written.encode(), given.encode())
    assert outcome(lean_plan, data) == outcome(plan_format.load, data)


def test_the_usual_plan_takes_the_quick_way() -> None:
    assert _from_template(codec.dump(a_plan("x", "0" * 40)), "x") is not None


def line(repo: BuiltRepo, files: dict[str, bytes]) -> RunLine | None:
    commit = CommitHash(repo.commit(files))
    opened = open_repository(repo.workspace)
    tree = tree_id(opened, commit, layout.run_dir(run_id(1)))
    assert isinstance(tree, str)
    return lean_line(opened, tree, run_id(1))


def test_the_line_read_from_the_files_is_that_of_the_record(repo: BuiltRepo) -> None:
    run, _ = a_run(1, [0.5, 0.6], plan=a_plan("x", "0" * 40), failed=[7], branch="exp/x")
    samples = (
        Sample("f1", 0, 0.5),
        Sample("f1", 1, 0.75),
        Sample("f1", 0, 0.1, fold=0),
        Sample("acc", 0, 0.1, fold=0, rep=1),
        Sample("acc", 0, 0.3, fold=1, rep=1),
        Sample("acc", 1, 0.4, dataset="other", n_train=3, n_test=4),
    )
    files = run_files(run, samples)
    record = json.loads(files[layout.run_json(run.id)])
    record["params"] = {"a": 1, "b": [1, [2.5, "x"]], "c": None, "d": True}
    record["samples"] = {
        "rows": len(samples),
        "sha256": hashlib.sha256(samples_format.dump(samples)).hexdigest(),
    }
    files[layout.run_json(run.id)] = json.dumps(record).encode()
    full = codec.load(Run, files[layout.run_json(run.id)], "run.json")
    found = line(repo, files)
    assert found == line_of(full, samples)
    assert found is not None
    assert {item.metric: (item.n, item.mean) for item in found.metrics} == {
        "acc": (1, 0.2),
        "acc[other]": (1, 0.4),
        "f1": (2, 0.625),
    }
    assert found.state == "partial"
    assert found.begun == (0, 1, 7)
    record["snapshot_only"] = 1
    files[layout.run_json(run.id)] = json.dumps(record).encode()
    full = codec.load(Run, files[layout.run_json(run.id)], "run.json")
    found = line(repo, files)
    assert found == line_of(full, samples)
    assert (found.seeds, found.begun) == ((0,), (0, 1, 7))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("$schema", "gitexp/run@2"),
        ("id", "a" * 16),
        ("inputs", 3),
        ("origin", "dreamt"),
        ("author", None),
        ("repeats", [{"seed": "1", "state": "finished", "environment": None}]),
        ("repeats", [{"seed": 1, "state": "done", "environment": None}]),
        ("params", {"a": {"b": 1}}),
        ("params", {"a": [2**64]}),
        ("params", {"a": -(10**400)}),
        ("started_at", "yesterday"),
        ("started_at", "2026-01-01T00:00:00"),
        ("started_at", "0001-01-01T00:00:00+14:00"),
        ("started_at", "9999-12-31T23:59:59-14:00"),
        ("inputs", "g" * 64),
        ("plan", {"name": "x", "digest": "x"}),
        ("params", [1]),
        ("params", ""),
        ("repeats", {}),
        ("samples", {"rows": 9, "sha256": "0" * 64}),
        ("drawn", "x"),
        ("evaluator", 5),
        ("fixed_seeds", "x"),
        ("observed", {}),
        ("once", "x"),
        ("snapshot_only", "1"),
    ],
)
def test_a_record_with_anything_odd_is_left_to_the_full_reader(
    repo: BuiltRepo, key: str, value: object
) -> None:
    files = run_files(*a_run(1))
    name = layout.run_json(run_id(1))
    files[name] = json.dumps({**json.loads(files[name]), key: value}).encode()
    assert line(repo, files) is None


@pytest.mark.parametrize(
    "rows",
    [
        "a,0,,,,,,1\na,0,,,,,,2\n",
        "a,-0,,,,,,1\n",
        "a,01,,,,,,1\n",
        "a, 0,,,,,,1\n",
        "a,0_0,,,,,,1\n",
        "a,\u0661,,,,,,1\n",
        "a,99999999999999999999999,,,,,,1\n",
        "a,0,x,,,,,1\n",
        "a,0,,,,x,,1\n",
        "a,0,,,,,,1_0\n",
        "a,0,,,,,, 1\n",
        "a,0,,,,,,\u0661\n",
        "a,0,,,,,,1e999\n",
        "a,0,,,,,,nan\n",
        ",0,,,,,,1\n",
        "a,0,,,,,,1\n\n",
        "a,0,,,,,,1\r\n",
        "a,0,,,,,,1",
        "a,0,,,,,,\n1\n",
        "a,0,,,,,\n,1\n",
    ],
)
def test_a_table_with_anything_odd_is_left_to_the_full_reader(repo: BuiltRepo, rows: str) -> None:
    assert line(repo, table(rows)) is None


@pytest.mark.parametrize(
    "rows", ["a,0,,,,,,1\n", "a,0,0,1,b,3,4,-1.5e-07\n", "a b,-7,,,,,,1e+22\n"]
)
def test_a_table_as_we_write_it_takes_the_quick_way(repo: BuiltRepo, rows: str) -> None:
    assert line(repo, table(rows)) is not None


def table(rows: str) -> dict[str, bytes]:
    """Return the files of a run whose table has these rows, and whose record vouches for it."""
    files = run_files(*a_run(1))
    name = layout.run_json(run_id(1))
    data = (",".join(samples_format.COLUMNS) + "\n" + rows).encode()
    record = json.loads(files[name])
    record["samples"] = {"rows": rows.count("\n"), "sha256": hashlib.sha256(data).hexdigest()}
    return {**files, name: json.dumps(record).encode(), layout.samples_csv(run_id(1)): data}


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"a": NaN}', b"[" * 100_000])
def test_what_is_no_record_is_left_to_the_full_reader(repo: BuiltRepo, data: bytes) -> None:
    assert line(repo, {**run_files(*a_run(1)), layout.run_json(run_id(1)): data}) is None
