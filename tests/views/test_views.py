"""list, show, status, diff and inputs say what Git holds, and change nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.dvc import inputs as inputs_rules
from gitexp.errors import UnknownExperimentError, UnknownRunError
from gitexp.execution.state import beginning
from gitexp.experiments.conclude import conclude
from gitexp.git.objects import commit_info
from gitexp.git.repository import open_repository
from gitexp.git.transaction import layout
from gitexp.model.ids import CommitHash, TreeId
from gitexp.model.plan import Guard
from gitexp.model.run import Distribution, Environment
from gitexp.model.views import ShownExperiment, ShownRun
from gitexp.records import codec
from gitexp.report import views
from gitexp.report.answers import listing
from gitexp.store.lookup import environment_digest
from gitexp.views.diff import diff, inputs
from gitexp.views.list_runs import list_experiments, list_runs
from gitexp.views.query import ListQuery, parse_condition
from gitexp.views.show import show
from gitexp.views.status import status
from tests.lab.build import DVC_FILES, clone, repository
from tests.lab.recorded import CONFIG, a_plan, a_run, config_file, plan_file, run_files, run_id
from tests.lab.records import Lab, scores

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.plan import Plan
    from gitexp.model.workspace import Workspace
    from tests.lab.build import BuiltRepo

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
POINTER = "outs:\n- md5: {md5}\n  size: {size}\n  hash: md5\n  path: big.bin\n"


def environment(version: str) -> Environment:
    return Environment(
        "CPython", "3.11.2", "cp311", "linux", "glibc 2.36", (Distribution("numpy", version, ""),)
    )


def environment_files(found: Environment) -> dict[str, bytes]:
    folder = layout.environment_dir(environment_digest(found))
    return {f"{folder}/environment.json": codec.dump(found)}


def digest(repo: BuiltRepo, revision: str) -> str:
    opened = open_repository(repo.workspace)
    tree = commit_info(opened, CommitHash(repo.hash(revision))).tree
    return inputs_rules.compute(opened, tree, CONFIG)


@pytest.fixture
def begun(repo: BuiltRepo) -> BuiltRepo:
    """main and exp/better, whose learning rate, data and code differ; nothing was run."""
    pointer = POINTER.format(md5=MD5, size=0)
    base = repo.commit({**DVC_FILES, **config_file(), "big.bin.dvc": pointer})
    repo.switch("exp/better", create=True)
    repo.commit(plan_file(a_plan("better", base)), at=2)
    repo.commit(
        {
            "params.yaml": "lr: 0.9\nseed: 4\n",
            "train.py": "print(2)\n",
            "big.bin.dvc": POINTER.format(md5="a" * 32, size=7),
            "README.md": "other words\n",
        },
        at=3,
    )
    return repo


def plan_of(repo: BuiltRepo) -> Plan:
    return a_plan("better", repo.hash("main"))


def record(repo: BuiltRepo, number: int, values: list[float], side: str, at: int) -> None:
    """Record a run of one side on the current branch."""
    base = side == "main"
    run, samples = a_run(
        number,
        values,
        inputs=digest(repo, side),
        plan=plan_of(repo),
        branch="exp/better",
        commit=repo.hash(side),
        environment=environment_digest(environment("1" if base else "2")),
        params={"lr": 0.5 if base else 0.9},
    )
    tree = TreeId(repo.git("rev-parse", f"{side}^{{tree}}").strip())
    run = replace(run, source=replace(run.source, tree=tree))
    files = environment_files(environment("1" if base else "2"))
    repo.commit({**run_files(run, samples), **files}, at=at)


def test_status_counts_repeats_and_says_what_comes_next(begun: BuiltRepo) -> None:
    found = status(begun.workspace)
    assert (found.branch, found.planned, found.counted) == ("exp/better", 3, ())
    assert found.next_step == "gitexp run --with-baseline"
    assert not found.dirty
    record(begun, 1, [0.5, 0.6], "exp/better", 4)
    found = status(begun.workspace)
    assert (found.counted, found.baseline_counted) == ((0, 1), ())
    record(begun, 2, [0.7], "exp/better", 5)  # seed 0 again: the same key never adds to n
    assert status(begun.workspace).counted == (0, 1)
    begun.write({"train.py": "print(3)\n", "untracked.txt": "x"})
    found = status(begun.workspace)
    assert found.dirty == ("train.py",)
    assert found.next_step == 'gitexp run --commit -m "what changed"'


def test_repeats_that_were_run_again_are_the_same_samples_and_not_exploratory(
    begun: BuiltRepo,
) -> None:
    record(begun, 1, [0.5, 0.6], "exp/better", 4)
    record(begun, 2, [0.5, 0.6], "exp/better", 5)
    found = status(begun.workspace)
    assert (found.counted, found.exploratory) == ((0, 1), 0)
    assert "2 repeats were run again with the same seed" in " ".join(found.notes)


def test_runs_of_a_plan_of_another_name_do_not_count_in_show(begun: BuiltRepo) -> None:
    record(begun, 1, [0.5], "exp/better", 4)
    other = replace(plan_of(begun), name="twin")
    run, samples = a_run(2, [0.9], inputs=digest(begun, "exp/better"), plan=other)
    begun.commit(run_files(run, samples), at=5)
    found = show(begun.workspace, "better")
    assert isinstance(found, ShownExperiment)
    assert {line.experiment: line.exploratory for line in found.runs} == {
        "better": False,
        "twin": True,
    }


def test_status_sends_on_to_compare_when_both_sides_are_complete(begun: BuiltRepo) -> None:
    for number, side in enumerate(("exp/better", "main"), 1):
        run, samples = a_run(
            number, [0.5, 0.6, 0.7], inputs=digest(begun, side), plan=plan_of(begun)
        )
        begun.commit(run_files(run, samples), at=3 + number)
    found = status(begun.workspace)
    assert (found.counted, found.baseline_counted) == ((0, 1, 2), (0, 1, 2))
    assert found.next_step == "gitexp compare"


def test_status_never_sends_to_a_branch_that_may_have_moved_since_the_plan(
    begun: BuiltRepo,
) -> None:
    record(begun, 1, [0.5, 0.6, 0.7], "exp/better", 4)
    assert status(begun.workspace).next_step == "gitexp run --with-baseline"


def test_what_was_run_under_a_plan_is_not_exploratory_where_it_is_merged(begun: BuiltRepo) -> None:
    record(begun, 1, [0.5, 0.6, 0.7], "exp/better", 4)
    record(begun, 2, [0.5, 0.6], "main", 5)
    begun.switch("main")
    assert status(begun.workspace).exploratory == 0
    run, samples = a_run(3, [0.5], inputs=digest(begun, "main"))
    begun.commit(run_files(run, samples), at=6)
    assert status(begun.workspace).exploratory == 1


def test_status_without_commit_plan_or_settings_says_what_is_missing(
    repo: BuiltRepo, tmp_path: Path
) -> None:
    assert status(repo.workspace).next_step == "git add . && git commit"
    repo.commit({"train.py": "print(1)\n"})
    found = status(repo.workspace)
    assert (found.initialised, found.next_step) == (False, "gitexp init")
    repo.commit(config_file())
    assert status(repo.workspace).next_step == "gitexp new NAME"
    repo.git("switch", "-q", "--detach")
    found = status(repo.workspace)
    assert (found.branch, found.next_step) == (None, "git switch BRANCH")
    bare = clone(repo, tmp_path / "bare", "--bare")
    assert status(replace(bare.workspace)).dirty == ()
    assert status(bare.workspace).next_step.startswith("git clone")


def test_a_plan_with_conflict_markers_is_named_and_stops_nothing(begun: BuiltRepo) -> None:
    path = layout.plan_path("better")
    begun.commit({path: f"<<<<<<< ours\n{begun.show(path)}"}, at=5)
    found = status(begun.workspace)
    assert found.plan is None
    assert any("two sides of a merge" in note for note in found.notes)
    listed = list_experiments(begun.workspace)
    assert [item.what for item in listed.unreadable] == ["exp/better"]
    assert [item.state for item in listed.experiments] == ["no plan"]


def test_experiments_are_listed_with_state_and_primary_metric(begun: BuiltRepo) -> None:
    begun.git("branch", "exp/bare", "main")
    begun.git("branch", "feature", "main")
    record(begun, 1, [0.5, 0.7], "exp/better", 4)
    record(begun, 2, [0.1, 0.2, 0.3], "main", 5)
    found = {item.name: item for item in list_experiments(begun.workspace).experiments}
    assert set(found) == {"better", "bare"}
    better = found["better"]
    assert (better.state, better.runs, better.finished, better.planned) == ("run", 2, 2, 3)
    assert better.primary is not None
    assert (better.primary.n, better.primary.mean) == (2, 0.6)
    assert found["bare"].state == "no plan"


def test_a_merged_plan_does_not_make_main_an_experiment(begun: BuiltRepo) -> None:
    begun.switch("main")
    begun.git("merge", "-q", "--no-ff", "--no-edit", "exp/better")
    assert [item.branch for item in list_experiments(begun.workspace).experiments] == ["exp/better"]
    begun.commit(plan_file(a_plan("here", begun.hash(), branch="main")), at=9)
    found = list_experiments(begun.workspace, ListQuery(branches=("here",)))
    assert [(item.name, item.branch) for item in found.experiments] == [("here", "main")]


def test_archived_and_remote_experiments_are_listed_once(begun: BuiltRepo, tmp_path: Path) -> None:
    begun.git("tag", "-a", "-m", "x", "exp-archive/better")
    begun.git("branch", "exp/other", "main")
    copy = clone(begun, tmp_path / "copy", "--branch", "main")
    found = {item.branch: item.state for item in list_experiments(copy.workspace).experiments}
    # A tag may be anybody's: it archives no branch that a remote still has.
    assert found == {"origin/exp/better": "planned", "origin/exp/other": "no plan"}
    archived = list_experiments(copy.workspace, ListQuery(archived=True)).experiments
    assert [item.branch for item in archived] == ["exp-archive/better"]
    begun.switch("exp/better")
    begun.commit({"params.yaml": "lr: 1\nseed: 1\n"}, at=9)
    copy.git("fetch", "--quiet")
    assert found == {
        item.branch: item.state for item in list_experiments(copy.workspace).experiments
    }
    begun.switch("main")
    begun.git("branch", "-q", "-D", "exp/better")
    found = {item.branch: item.state for item in list_experiments(begun.workspace).experiments}
    assert found == {"exp-archive/better": "archived", "exp/other": "no plan"}


def test_a_candidate_of_which_nothing_finished_has_run(repo: BuiltRepo) -> None:
    lab = Lab(repo)
    lab.init()
    plan = lab.plan()

    def listed() -> tuple[str, int]:
        (found,) = list_experiments(repo.workspace).experiments
        return found.state, found.finished

    lab.record("b", {"f1": {0: 0.5}}, of="main", plan=plan)
    assert listed() == ("planned", 0)
    lab.change()
    lab.record("c", {}, plan=plan, failed=(0, 1))
    assert listed() == ("run", 0)


def test_runs_are_listed_once_whatever_number_of_branches_holds_them(begun: BuiltRepo) -> None:
    record(begun, 1, [0.5, 0.7], "exp/better", 4)
    begun.git("branch", "copy")
    record(begun, 2, [0.1, 0.2], "main", 5)
    (first, second) = list_runs(begun.workspace, ListQuery(sort="f1")).runs
    assert (first.id, second.id) == (run_id(2), run_id(1))
    assert second.branch == "exp/better"
    assert second.state == "finished 2/2"
    assert dict(second.params) == {"lr": 0.9}
    only = ListQuery(metrics=(parse_condition("f1>0.5"),))
    assert [item.id for item in list_runs(begun.workspace, only).runs] == [run_id(1)]


def test_a_record_that_cannot_be_read_is_listed_beside_the_others(begun: BuiltRepo) -> None:
    record(begun, 1, [0.5], "exp/better", 4)
    begun.commit({layout.run_json(run_id(2)): "{", layout.samples_csv(run_id(2)): ""}, at=5)
    found = list_runs(begun.workspace)
    assert [item.id for item in found.runs] == [run_id(1)]
    assert [(item.what, item.where) for item in found.unreadable] == [(run_id(2), "exp/better")]
    assert [item.what for item in status(begun.workspace).unreadable] == [run_id(2)]


def test_a_run_that_cannot_be_read_is_named_beside_its_experiment_every_time(
    begun: BuiltRepo,
) -> None:
    record(begun, 1, [0.5, 0.6], "exp/better", 4)
    path = layout.run_json(run_id(1))
    text = begun.git("show", f"HEAD:{path}")
    newer = text.replace("gitexp/run@1", "gitexp/run@9")
    begun.commit({path: newer}, at=5)
    for merged in (False, True):
        if merged:
            begun.git("branch", "-q", "-f", "main", "exp/better")
            begun.switch("main")
            begun.git("branch", "-q", "-D", "exp/better")
        for _ in range(2):  # the second answer comes from the index
            found = list_experiments(begun.workspace)
            assert [item.name for item in found.experiments] == ["better"]
            assert found.experiments[0].finished == 2, "the first version counts, as for compare"
            ((run, why),) = [(item.what, item.why) for item in found.unreadable]
            assert run == run_id(1)
            assert "newer" in why


def test_a_data_pointer_that_cannot_be_read_is_named_by_status_and_diff(begun: BuiltRepo) -> None:
    begun.commit({"data/a.csv.dvc": "outs: [", "data/b.csv.dvc": "outs:\n- path: b.csv\n"}, at=5)
    for _ in range(2):  # the second answer comes from the index
        (note,) = status(begun.workspace).notes
        assert note.startswith("data/a.csv.dvc: ")
    assert f"{note} (HEAD)" in diff(begun.workspace, "HEAD~", "HEAD").notes


def test_show_finds_experiments_branches_runs_and_revisions(begun: BuiltRepo) -> None:
    record(begun, 1, [0.5, 0.7], "exp/better", 4)
    for name in (None, "better", "exp/better"):
        found = show(begun.workspace, name)
        assert isinstance(found, ShownExperiment)
        assert found.plan is not None
        assert found.plan_commit == begun.hash("HEAD~2")
        assert [item.id for item in found.runs] == [run_id(1)]
    at_main = show(begun.workspace, "main~0")
    assert isinstance(at_main, ShownExperiment)
    assert (at_main.plan, at_main.runs) == (None, ())
    run = show(begun.workspace, run_id(1)[:6])
    assert isinstance(run, ShownRun)
    assert (run.commit, run.refs) == (begun.hash(), ("exp/better",))
    assert run.environment == environment("2")
    assert run.metrics[0].mean == pytest.approx(0.6)
    with pytest.raises(UnknownExperimentError):
        show(begun.workspace, "--output=x")
    with pytest.raises(UnknownExperimentError):
        show(begun.workspace, "zzzz")


def test_show_names_several_runs_that_begin_alike(begun: BuiltRepo) -> None:
    begun.commit({**run_files(*a_run(1)), **run_files(*a_run(1 + 32**10))})
    with pytest.raises(UnknownRunError, match="2 runs"):
        show(begun.workspace, run_id(1)[:5])


def test_diff_separates_code_parameters_data_environment_and_metrics(begun: BuiltRepo) -> None:
    record(begun, 1, [0.5, 0.7], "exp/better", 4)
    record(begun, 2, [0.2, 0.4], "main", 5)
    found = diff(begun.workspace, "main", "better")
    assert [(item.path, item.kind) for item in found.code] == [
        ("README.md", "modified"),
        ("train.py", "modified"),
    ]
    assert [(item.name, item.a, item.b) for item in found.params] == [("lr", 0.5, 0.9)]
    (data,) = found.data
    assert (data.path, data.declared_by) == ("big.bin", "big.bin.dvc")
    assert data.a is not None
    assert data.b is not None
    assert (data.a.md5, data.b.md5, data.a.size, data.b.size) == (MD5, "a" * 32, 0, 7)
    assert [(item.name, item.a, item.b) for item in found.environment] == [("numpy", "1", "2")]
    (metric,) = found.metrics
    assert metric.difference == pytest.approx(0.3)
    assert found.notes == ()


def test_diff_of_a_state_with_itself_is_empty(begun: BuiltRepo) -> None:
    found = diff(begun.workspace, "HEAD", "exp/better")
    assert found.same
    assert any("no run is recorded" in note for note in found.notes)


def test_diff_and_inputs_of_a_commit_older_than_init_take_the_others_settings(
    tmp_path: Path,
) -> None:
    repo = repository(tmp_path / "old")
    repo.commit(DVC_FILES)
    repo.commit(config_file(), at=2)
    found = inputs(repo.workspace, "HEAD~1", "HEAD")
    assert found.shared
    assert diff(repo.workspace, "HEAD~1", "HEAD").same


def test_inputs_names_the_reasons_and_what_does_not_count(begun: BuiltRepo) -> None:
    record(begun, 1, [0.5], "exp/better", 4)
    found = inputs(begun.workspace, "main", "better")
    assert [(item.kind, item.what) for item in found.reasons] == [
        ("params", "lr"),
        ("data", "big.bin.dvc"),
        ("code", "train.py"),
    ]
    assert found.ignored == ("README.md",)
    assert (found.runs_a, found.runs_b) == ((), (run_id(1),))
    assert not found.shared
    assert inputs(begun.workspace, "HEAD", "HEAD~1").shared


def test_nothing_is_written_but_the_index(begun: BuiltRepo) -> None:
    refs, files = begun.refs(), begun.status()
    record_of = sorted(path.name for path in (begun.path / ".git").iterdir())
    for question in (
        lambda: list_experiments(begun.workspace),
        lambda: list_runs(begun.workspace),
        lambda: show(begun.workspace),
        lambda: status(begun.workspace),
        lambda: diff(begun.workspace, "main", "HEAD"),
        lambda: inputs(begun.workspace, "main", "HEAD"),
    ):
        question()
    assert (begun.refs(), begun.status()) == (refs, files)
    now = sorted(path.name for path in (begun.path / ".git").iterdir())
    assert set(now) - set(record_of) == {"gitexp"}


def test_status_says_that_a_call_is_being_prepared_of_which_nothing_is_written(
    begun: BuiltRepo,
) -> None:
    before = status(begun.workspace)
    with beginning(begun.workspace):
        found = status(begun.workspace)
    assert found.notes[0].startswith("a call of run is being prepared by process ")
    assert (found.notes[1:], found.next_step) == (before.notes, "gitexp status")
    assert status(begun.workspace) == before


# --- what people read of a verdict ------------------------------------------------------------


@pytest.fixture
def slower(repo: BuiltRepo) -> Lab:
    """A supported experiment whose guard-rail on ms is broken, concluded."""
    lab = Lab(repo)
    lab.init()
    plan = lab.plan(guards=(Guard("ms", "<=", 0.05, relative=True),))
    lab.change()
    seeds = range(10)
    ms = scores(12.0, seeds)
    slow = {seed: value * 1.2 for seed, value in ms.items()}
    lab.record("b", {"f1": scores(0.6, seeds), "ms": ms}, of="main", plan=plan)
    lab.record("c", {"f1": scores(0.7, seeds), "ms": slow}, plan=plan)
    conclude(repo.workspace, words="It pays, and it is slower.")
    return lab


def read(workspace: Workspace) -> dict[str, str]:
    """Return what each verb says of the only experiment."""
    every = {
        "list": list_experiments(workspace),
        "show": show(workspace, "deep"),
        "status": status(workspace),
    }
    return {verb: views.render(view, "text") for verb, view in every.items()}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("where", ["here", "changed", "merged"])
def test_no_verb_says_a_verdict_without_its_broken_guard_rail(
    slower: Lab, where: str, tmp_path: Path
) -> None:
    repo = slower.repo
    (line,) = compare(repo.workspace, ["deep"])
    assert line.headline.endswith("; BROKEN: ms")
    if where == "changed":
        slower.change(7)
    if where == "merged":
        repo.git("switch", "-q", "main")
        repo.git("merge", "-q", "--no-ff", "-m", "merged", "exp/deep")
        repo = clone(repo, tmp_path / "colleague")
    found = read(repo.workspace)
    saying = {verb: text for verb, text in found.items() if "supported" in text.lower()}
    assert (
        saying.keys()
        >= {"here": {*found}, "changed": {"status"}, "merged": {"list", "show"}}[where]
    )
    assert not [verb for verb, text in saying.items() if "BROKEN: ms" not in text]
    assert read(repo.workspace) == found  # the second time from the index


def stands(workspace: Workspace) -> str:
    """Return the word that the list has for the only experiment, and no other place differs."""
    (item,) = list_experiments(workspace).experiments
    (row,) = listing.experiments(list_experiments(workspace)).grids[0].rows
    assert row[1] == item.standing
    for word in item.standing.replace(";", ",").split(", "):
        found = list_experiments(workspace, ListQuery(states=(word,)))
        assert found.experiments == (item,)
    return item.standing


def test_an_experiment_has_one_word_for_where_it_stands(repo: BuiltRepo) -> None:
    lab = Lab(repo)
    lab.init()
    plan = lab.plan(effect=">0")
    lab.change()

    def told() -> str:
        head = views.render(status(repo.workspace), "text").splitlines()[0]
        word = stands(repo.workspace)
        assert word.upper() in head if word == "supported" else head.endswith(f": {word}"), head
        return word

    assert told() == "planned"
    low, high = scores(0.6, range(10)), scores(0.7, range(10))
    lab.record("b", {"f1": {seed: low[seed] for seed in range(6)}}, of="main", plan=plan)
    assert told() == "planned"
    lab.record("c", {"f1": {seed: high[seed] for seed in range(6)}}, plan=plan)
    assert told() == "6/10"
    lab.record("d", {"f1": {seed: high[seed] for seed in range(6, 10)}}, plan=plan)
    assert told() == "10/10, baseline 6/10"
    lab.record("e", {"f1": {seed: low[seed] for seed in range(6, 10)}}, of="main", plan=plan)
    assert told() == "ready"
    conclude(repo.workspace, words="It does.")
    assert told() == "supported"
    lab.change(9)
    assert told() == "concluded, then changed"


@pytest.mark.sweep
@pytest.mark.parametrize("concluded", [True, False])
@pytest.mark.parametrize("how", ["--no-ff", "--ff-only", "--squash"])
def test_what_is_merged_is_called_merged_by_its_author_and_by_a_colleague(
    slower: Lab, how: str, tmp_path: Path, *, concluded: bool
) -> None:
    repo = slower.repo
    if not concluded:
        repo.git("reset", "-q", "--hard", "HEAD~")
    word = "supported; BROKEN" if concluded else "ready"
    assert stands(repo.workspace) == word
    repo.git("switch", "-q", "main")
    repo.git("merge", "-q", how, "exp/deep")
    if how == "--squash":
        repo.commit(at=900, message="deep (#1)")
    merged = f"{word}, merged" if concluded else "merged"
    assert stands(repo.workspace) == stands(clone(repo, tmp_path / "colleague").workspace) == merged
    repo.git("switch", "-q", "exp/deep")
    assert stands(repo.workspace) == merged
    slower.record("z", {"f1": {77: 0.6}}, of="main")  # what main does not have
    assert stands(repo.workspace) == word
