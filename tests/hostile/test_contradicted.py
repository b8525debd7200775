"""Records with each field changed by one: a rule says it, or nothing rests on the record.

A field that is added to run.json has to be put into one of the tables.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.cli.dispatch import dispatch
from gitexp.enforcement.review import review
from gitexp.git.transaction import layout
from gitexp.model.plan import Verdict
from gitexp.model.review import FailOn
from gitexp.model.run import OnceRecord, Origin, Repeat, Run
from gitexp.records import codec
from gitexp.views.list_runs import list_experiments
from tests.lab.build import clone
from tests.lab.records import CONFIG, ENVIRONMENT, EVALUATION, START, Lab, one, scores

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitexp.model.review import Review
    from gitexp.text.jsontext import Json
    from tests.lab.build import BuiltRepo

    Record = dict[str, Json]

PIPELINE: Final = replace(CONFIG, command=None, pipeline="dvc.yaml")
STAGES: Final = {
    "dvc.yaml": "stages: {prepare: {cmd: python prepare.py, outs: [prep.csv]},\n"
    "  train: {cmd: python train.py, deps: [prep.csv, train.py], params: [depth]}}\n"
}
SEEDS: Final = range(11)  # the first for the snapshot alone
# What its change to another value breaks: a rule by name, or the candidate's repeats that count;
# or how line 1 begins.
SAID: Final[dict[str, tuple[str, Json]]] = {
    "$schema": ("R3", "gitexp/run@9"),
    "id": ("R3", "z" * 16),
    "origin": ("uncounted", "reported"),
    "source.commit": ("R3", "MAIN"),
    "source.tree": ("R3", "1" * 40),
    "source.overrides": ("R3", {"depth": 9}),
    "source.swaps": ("R3", {"params": "MAIN"}),
    "inputs": ("R3", "1" * 64),
    "plan": ("uncounted", None),
    "plan.name": ("R2", "other"),
    "plan.digest": ("R2", "1" * 64),
    "started_at": ("R3", "2025-12-31T22:59:59Z"),
    "ended_at": ("R3", "2025-12-31T23:59:59Z"),
    "seeds": ("R3", [0]),
    "repeats": ("uncounted", []),
    "repeats.seed": ("R3", 77),
    "repeats.state": ("uncounted", "failed"),
    "repeats.ended_at": ("R3", "2025-12-31T23:59:59Z"),
    "repeats.environment": ("confounded: environment", "1" * 64),
    "repeats.evaluation": ("uncounted", "1" * 64),
    "repeats.links": ("confounded: data", "1" * 64),
    "params": ("R3", {"depth": 12345}),
    "samples.rows": ("uncounted", 9),
    "samples.sha256": ("R3", "1" * 64),
    "drawn": ("R3", True),
    "fixed_seeds": ("confounded: seeds", {"x.seed": 4}),
    "snapshot_only": ("R3", 3),
    "once.stage": ("R3", "made by every run; train"),
    "once.outs": ("R3", [{"path": "prep.csv; SUPPORTED", "md5": "1" * 32, "size": 1}]),
    "once.origin": ("conditional on prep.csv, made outside", "outside"),
    "repeats.seeds": ("confounded: seeds", {"y.seed": 3}),
}
# What an author says of his own repeats, as he says their numbers: why it makes nothing count.
OWN: Final = {
    "once.logged": "replayed by runs of its plan alone: test_once_records.py",
    "once.recipe": "what no other record or lock has stands for nobody's execution",
    "once.unread": "believed of no table, nor of one record alone: test_once_records.py",
    "evaluator": "held against what the plan froze, and the other side's",
    "holdout": "believed of a reported run, which counts nowhere: execution/test_holdout.py",
    "observed": "what of its environment acts: of one that differs, under the second rules",
    "repeats.observed": "the same",
    "repeats.examples": "held against the other side's, by seed",
    "repeats.made": "tells copies apart, whose numbers are held against each other, too",
    "repeats.resumed": "is shown alone",
    "repeats.seen": "of a repeat that did not finish",
}
# No number rests on them; who made a record is said by its commit, and a lost source is named.
FREE: Final = OWN.keys() | {
    "author.email", "author.name", "call", "command", "committed_seed", "engine", "group",
    "program", "source.branch", "source.config", "warnings", "repeats.attempt",
    "repeats.evaluation_basis", "repeats.exit_code", "repeats.log_tail", "repeats.outputs",
    "repeats.reason", "repeats.resources", "repeats.snapshot", "repeats.stage",
    "repeats.started_at", "repeats.warnings", "samples.$schema",
}  # fmt: skip


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def recorded(lab: Lab, change: Callable[[Record], object] = len) -> None:
    """Record an experiment that is supported, with a change of the candidate's record."""
    lab.init(PIPELINE, STAGES)
    plan = lab.plan()
    lab.change()
    low = scores(0.6, SEEDS)
    high = {seed: low[seed] + 0.05 + 0.001 * (seed % 3) for seed in SEEDS}
    for letter, values, of, depth in (("b", low, "main", 2), ("c", high, "HEAD", 3)):
        run, files = lab.run_files(
            letter, {"f1": values}, of=of, plan=plan, environment=ENVIRONMENT,
            evaluation=EVALUATION, origin=Origin.OBSERVED, failed=(), links="", call="",
            outputs=None, samples=(),
        )  # fmt: skip
        record = whole(json.loads(codec.dump(run))) | {"params": {"depth": depth}}
        if letter == "c":
            change(record)
        files[layout.run_json(run.id)] = json.dumps(record).encode()
        lab.repo.commit(files, at=lab.tick())


def whole(record: Record) -> Record:
    """Return a record with each field that it may leave out."""
    repeats = record["repeats"]
    assert isinstance(repeats, list)
    for each in repeats:
        assert isinstance(each, dict)
        each.update(examples={"test.csv": "1" * 32}, made=f"{each['seed']:064x}", observed=0)
        each.update(seeds={"x.seed": each["seed"]}, resumed=1, seen=True)
    once = {
        "stage": "prepare",
        "recipe": "1" * 64,
        "outs": [{"path": "prep.csv", "md5": "1" * 32, "size": 3}],
        "origin": "executed" if record["id"] == "c" * 16 else "adopted",
        "logged": [{"name": "rows", "value": 3, "step": None}],
        "unread": ["prep.csv"],
    }
    return record | {
        "drawn": False,
        "evaluator": "1" * 64,
        "fixed_seeds": {"x.seed": 3},
        "holdout": {"command": "1" * 64, "seal": "1" * 64},
        "observed": [{}],
        "once": [once],
        "snapshot_only": 0,
    }


def fields(record: Record) -> set[str]:
    found = set()
    for name, value in record.items():
        inner = value[0] if name in {"repeats", "once"} and isinstance(value, list) else value
        parts = {"source", "plan", "author", "samples", "repeats", "once"}
        if name in parts and isinstance(inner, dict):
            found |= {f"{name}.{each}" for each in inner}
        else:
            found.add(name)
    return found


def changed(lab: Lab, path: str, value: Json) -> Callable[[Record], None]:
    def change(record: Record) -> None:
        text = json.dumps(value).replace("MAIN", lab.repo.hash("main"))
        name, _, inner = path.partition(".")
        place = record[name]
        if not inner:
            record[name] = json.loads(text)
        elif isinstance(place, list):
            for item in place:
                assert isinstance(item, dict)
                item[inner] = json.loads(text)
        else:
            assert isinstance(place, dict)
            place[inner] = json.loads(text)

    return change


def looked(lab: Lab) -> Review:
    return review(lab.repo.workspace, "main...exp/deep", now=START)


def test_every_field_is_in_one_of_the_tables(lab: Lab) -> None:
    seen: Record = {}
    recorded(lab, seen.update)
    (path,) = [each for each in lab.repo.files() if each.endswith(layout.run_json("c" * 16)[-25:])]
    tops = {"plan", "repeats"}
    record = json.loads(lab.repo.show(path))
    assert fields(record) == (SAID.keys() | FREE) - tops
    (repeat, *_), (once,) = record["repeats"], record["once"]
    for kind, there in ((Run, record), (Repeat, repeat), (OnceRecord, once)):
        keys = codec.shape_of(kind).keys
        names = (each.name for each in dataclasses.fields(kind))
        every = {keys.get(name, name).partition(".")[0] for name in names}
        assert there.keys() >= every, "the fixture writes all that a record may leave out"


def test_a_record_that_agrees_with_itself_breaks_nothing(lab: Lab) -> None:
    recorded(lab)
    found = looked(lab)
    assert [item.message for item in found.violations if item.rule in {"R2", "R3"}] == []
    assert one(lab).verdict is Verdict.SUPPORTED


@pytest.mark.sweep(16)
@pytest.mark.parametrize("path", SAID)
def test_a_field_that_is_changed_by_one_is_said_or_counts_no_more(lab: Lab, path: str) -> None:
    what, value = SAID[path]
    recorded(lab, changed(lab, path, value))
    found = looked(lab)
    (experiment,) = found.experiments
    counted = 0 if experiment.comparison is None else len(experiment.comparison.candidate.seeds)
    if what.startswith("R"):
        assert what in {item.rule for item in found.violations}
        if what == "R3":
            assert found.exit_code(FailOn.RULES) == 1
    if not what.startswith(("confounded", "conditional")):
        verdict = None if experiment.comparison is None else experiment.comparison.verdict
        assert counted == 0 or verdict is not Verdict.SUPPORTED
    else:
        assert experiment.comparison is not None
        assert experiment.comparison.headline.startswith(what)


def test_runs_from_before_a_plan_are_not_its_runs_under_another_id(lab: Lab) -> None:
    def change(record: Record) -> None:
        record["started_at"] = "2025-12-01T00:00:00Z"
        record["params"] = {"depth": 12345}
        changed(lab, "source.commit", "1" * 40)(record)

    recorded(lab, change)
    messages = [item.message for item in looked(lab).violations if item.rule == "R3"]
    assert messages == [
        "run cccccccc is not what it says: it began 2025-12-01 00:00:00, before its plan was there"
    ]


@pytest.mark.parametrize(
    ("source", "minutes", "doubted"),
    [("HEAD", 10, []), ("1" * 40, 10, ["R3"]), ("HEAD", 61, ["R3"])],
)
def test_a_clock_that_is_behind_makes_no_record_doubtful(
    lab: Lab, source: str, minutes: int, doubted: list[str]
) -> None:
    def change(record: Record) -> None:
        record["started_at"] = f"{START - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"
        if source != "HEAD":
            changed(lab, "source.commit", source)(record)

    recorded(lab, change)
    said = [item.rule for item in looked(lab).violations if "before its plan" in item.message]
    assert said == doubted
    (line,) = list_experiments(lab.repo.workspace).experiments
    assert bool(line.finished) is not bool(doubted)


def test_a_list_counts_no_run_from_before_the_plan(lab: Lab) -> None:
    recorded(lab, changed(lab, "started_at", "2025-12-01T00:00:00Z"))
    (line,) = list_experiments(lab.repo.workspace).experiments
    assert line.finished == 0


def test_a_source_that_is_nowhere_is_said_to_be_lost(lab: Lab) -> None:
    recorded(lab, changed(lab, "source.commit", "1" * 40))
    assert one(lab).candidate.source_lost


@pytest.mark.sweep(3)
@pytest.mark.parametrize("how", ["rebase", "cherry-pick", "squash", "shallow", "merge"])
def test_whoever_moves_honest_records_is_asked_nothing(lab: Lab, how: str, tmp_path: Path) -> None:
    recorded(lab)
    before = one(lab).headline
    repo = lab.repo
    if how == "shallow":
        repo = clone(repo, tmp_path / "shallow", "--depth", "2", "--no-single-branch")
        repo.git("switch", "-q", "exp/deep")
    else:
        repo.switch("main")
        repo.commit({"README.md": "words\n"}, at=lab.tick())
        repo.switch("exp/deep")
    if how == "rebase":
        repo.git("rebase", "-q", "main")
    elif how == "merge":
        repo.git("merge", "-q", "--no-edit", "main")
    elif how in {"cherry-pick", "squash"}:
        own = repo.git("rev-list", "--reverse", "main..exp/deep").split()
        repo.git("switch", "-q", "--detach", "main")
        if how == "squash":
            repo.git("merge", "-q", "--squash", "exp/deep")
            repo.git("commit", "-q", "-m", "all")
        else:
            repo.git("cherry-pick", *own)
        repo.git("branch", "-f", "exp/deep", "HEAD")
        repo.switch("exp/deep")
    if how in {"rebase", "cherry-pick"}:  # the old commits go as on a server
        repo.git("reflog", "expire", "--expire=now", "--all")
        repo.git("gc", "-q", "--prune=now")
    base = "exp/deep~1" if how == "shallow" else "main"
    found = review(repo.workspace, f"{base}...exp/deep", now=START)
    assert [item.message for item in found.violations if item.rule == "R3"] == []
    assert one(Lab(repo)).headline == before
    assert dispatch(["-C", str(repo.path), "compare"]) in {0, 1}
