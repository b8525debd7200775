"""Drawn histories, with forks, octopus and criss-cross merges: what Git itself says of them.

The oracle is `git rev-list`, `git ls-tree` and `git merge-base`, and the sentence of the module's
docstring read as slowly as it stands there.
"""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import pytest

from gitexp.errors import DamagedDataError
from gitexp.git.repository import Repo, open_repository
from gitexp.git.transaction import layout
from gitexp.git.transaction.cache import Index, Kind
from gitexp.model.ids import CommitHash, InputsDigest, RunId
from gitexp.store import lookup, merged_experiments, replay
from gitexp.store.ancestry import Graph, listing, listings, shallow_commits
from gitexp.store.replay import Relation
from tests.lab.build import clone, repository
from tests.lab.recorded import a_run, run_files, run_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.lab.build import BuiltRepo

COMMITS = 36
DIGESTS = tuple(InputsDigest(digit * 64) for digit in "123")


class Drawn(NamedTuple):
    """A history in a repository, and the marks of its commits."""

    repo: BuiltRepo
    opened: Repo
    commits: tuple[CommitHash, ...]
    trees: Mapping[CommitHash, frozenset[str]]  # runs in its tree, by `git ls-tree`
    tip: CommitHash  # an octopus of all that nothing else follows


def digest_of(number: int) -> InputsDigest:
    return DIGESTS[number % 3]


def drawn(path_of_repo: BuiltRepo, seed: int) -> Drawn:
    """Write a history through `git fast-import`: each commit adds, edits or takes out a run."""
    chance = random.Random(seed)  # noqa: S311  no secret
    script: list[bytes] = []
    ids = list(range(1, 4 * COMMITS))
    chance.shuffle(ids)
    parents: list[list[int]] = []
    held: list[dict[int, int]] = []  # run -> version, as the script builds the tree
    for number in range(COMMITS):
        known = list(range(max(0, number - 6), number))
        count = min(len(known), chance.choice((0, 1, 1, 1, 2, 2, 3)) or (number > 2))
        mine = chance.sample(known, count)
        parents.append(mine)
        files: dict[int, int] = dict(held[mine[0]]) if mine else {}
        for parent in mine[1:]:
            files = held[parent] | files  # a merge has the runs of all
        match chance.choice(("add", "add", "two", "edit", "drop", "nothing")):
            case "add":
                files[ids.pop()] = 0
            case "two":
                files |= {ids.pop(): 0, ids.pop(): 0}
            case "edit" if files:
                files[chance.choice(sorted(files))] += 1
            case "drop" if files:
                del files[chance.choice(sorted(files))]
        held.append(files)
        script.append(commit_of(number, mine, files))
    led = {parent for mine in parents for parent in mine}
    ends = [number for number in range(COMMITS) if number not in led]
    whole: dict[int, int] = {}
    for end in ends:
        whole |= held[end]
    script.append(commit_of(COMMITS, ends, whole))
    script += [b"reset refs/heads/b%d\nfrom :%d\n\n" % (end, end + 1) for end in ends]
    marks = path_of_repo.path / "marks"
    path_of_repo.git(
        "fast-import", "--quiet", "--force", f"--export-marks={marks}", data=b"".join(script)
    )
    named = dict(line.split() for line in marks.read_text().splitlines())
    commits = tuple(CommitHash(named[f":{number + 1}"]) for number in range(COMMITS + 1))
    trees = {commit: runs_by_git(path_of_repo, commit) for commit in commits}
    return Drawn(path_of_repo, open_repository(path_of_repo.workspace), commits, trees, commits[-1])


def commit_of(number: int, parents: list[int], files: Mapping[int, int]) -> bytes:
    """Return a commit for `git fast-import`; the clock runs backwards, as it decides nothing."""
    lines = [
        b"commit refs/heads/main\nmark :%d\n" % (number + 1),
        b"committer Ada <ada@example.org> %d +0000\n" % (1_700_000_000 - 60 * number),
        b"data 1\nx\n",
    ]
    for at, parent in enumerate(parents):
        lines.append(b"%s :%d\n" % (b"merge" if at else b"from", parent + 1))
    if not parents:  # or it would follow what the branch had
        lines.insert(0, b"reset refs/heads/main\n\n")
    lines.append(b"deleteall\n")
    for run, version in sorted(files.items()):
        record = a_run(run, [0.5 + version / 100], inputs=digest_of(run))
        for name, data in run_files(*record).items():
            lines.append(b"M 100644 inline %s\ndata %d\n%s\n" % (name.encode(), len(data), data))
    conclusion = b"number: %d\n" % (number if number % 9 == 0 else 0)
    lines.append(
        b"M 100644 inline .gitexp/conclusions/a.yaml\ndata %d\n%s\n" % (len(conclusion), conclusion)
    )
    return b"".join(lines) + b"\n"


def runs_by_git(repo: BuiltRepo, commit: str) -> frozenset[str]:
    return frozenset(
        name.split("/")[3] for name in repo.files(commit) if name.startswith(f"{layout.RUNS}/")
    )


def reached(repo: BuiltRepo, *tips: str) -> list[str]:
    return repo.git("rev-list", *tips).splitlines()


@cache
def _parents(repo: BuiltRepo) -> dict[str, list[str]]:
    lines = repo.git("rev-list", "--parents", "--all", "main").splitlines()
    return {line.split()[0]: line.split()[1:] for line in lines}


@pytest.fixture(scope="module", params=[1, 2])
def history(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    repo = repository(tmp_path_factory.mktemp("drawn") / "repo")
    return drawn(repo, request.param)


def graph_of(history: Drawn, *tips: CommitHash, index: Index | None = None) -> Graph:
    return Graph(history.opened, index or Index(None), tips or [history.tip])


# --- what the graph holds -------------------------------------------------------------------------


def test_the_graph_has_the_commits_and_the_parents_that_git_has(history: Drawn) -> None:
    graph = graph_of(history)
    assert set(graph.nodes) == set(reached(history.repo, history.tip))
    assert {commit: list(node.parents) for commit, node in graph.nodes.items()} == {
        commit: _parents(history.repo)[commit] for commit in graph.nodes
    }
    assert any(len(node.parents) > 2 for node in graph.nodes.values())
    assert not graph.broken


def test_a_commit_adds_the_runs_that_no_parent_has(history: Drawn) -> None:
    for commit, node in graph_of(history).nodes.items():
        before = frozenset[str]().union(*(history.trees[parent] for parent in node.parents))
        assert {run for run, _ in node.added} == history.trees[commit] - before
        assert list(node.added) == sorted(node.added)


def test_the_runs_of_a_history_are_all_that_a_tree_of_it_ever_had(history: Drawn) -> None:
    graph = graph_of(history)
    for tip in history.commits[::3]:
        ever = frozenset[str]().union(*(history.trees[c] for c in reached(history.repo, tip)))
        found = graph.additions([tip])
        assert {item.run for item in found} == ever
        assert len(found) == len(ever)


def test_of_two_runs_the_one_whose_commit_is_an_ancestor_comes_first(history: Drawn) -> None:
    graph = graph_of(history)
    found = graph.additions()
    for at, later in enumerate(found):
        for earlier in found[:at]:
            assert not graph.is_before(later.commit, earlier.commit)


def test_the_order_is_that_of_taking_the_smallest_of_what_is_free(history: Drawn) -> None:
    """The sentence of the docstring, as slowly as it stands there."""
    graph = graph_of(history)
    left, order = set(graph.nodes), []
    while left:
        free = [c for c in left if not left.intersection(graph.nodes[c].parents)]
        silent = [c for c in free if not graph.nodes[c].added]
        chosen = silent[0] if silent else min(free, key=lambda c: graph.nodes[c].added[0][0])
        left.remove(chosen)
        order += [(run, chosen) for run, _ in graph.nodes[chosen].added]
    assert [(item.run, item.commit) for item in graph.every()] == order


def test_the_order_of_a_history_is_the_same_in_every_larger_one(history: Drawn) -> None:
    whole = graph_of(history)
    for tip in history.commits[::4]:
        alone = [(item.run, item.tree, item.commit) for item in graph_of(history, tip).additions()]
        within = [(item.run, item.tree, item.commit) for item in whole.additions([tip])]
        assert alone == within


def test_before_and_led_to_are_git_s_own(history: Drawn) -> None:
    graph = graph_of(history)
    for other in history.commits[::5]:
        older = set(reached(history.repo, other))
        assert graph.led_to([other]) == older
        for one in history.commits:
            assert graph.is_before(one, other) == (one in older and one != other)
    assert graph.led_to(history.commits[:2]) == set(reached(history.repo, *history.commits[:2]))
    assert graph.led_to([]) == frozenset()
    assert graph.led_to([CommitHash("0" * 40)]) == frozenset()


def test_every_version_of_a_conclusion_is_there_once(history: Drawn) -> None:
    blobs = {
        line.split()[2]
        for commit in reached(history.repo, history.tip)
        for line in history.repo.git("ls-tree", "-r", commit, "--", layout.CONCLUSIONS).splitlines()
    }
    found = graph_of(history).conclusions()
    assert set(found) == blobs
    assert all(added for added in found.values())


def test_a_graph_from_the_index_is_the_graph_from_git(history: Drawn) -> None:
    index = Index(None)
    first = graph_of(history, index=index)
    assert set(index.all(Kind.GRAPH)) == set(first.nodes)
    again = graph_of(history, index=index)
    assert again.nodes == first.nodes
    assert again.every() == first.every()
    part = graph_of(history, history.commits[COMMITS // 2], index=index)
    assert set(part.nodes) == set(reached(history.repo, history.commits[COMMITS // 2]))


def test_no_tips_are_no_history_and_one_named_twice_is_one(history: Drawn) -> None:
    none = Graph(history.opened, Index(None), [])
    assert (none.nodes, none.additions(), none.conclusions()) == ({}, (), {})
    twice = graph_of(history, history.tip, history.tip)
    assert twice.tips == (history.tip,)
    assert twice.additions() == graph_of(history).additions()


# --- trees of runs --------------------------------------------------------------------------------


def test_the_runs_of_a_tree_are_the_folders_that_git_lists(history: Drawn) -> None:
    index = Index(None)
    for _ in range(2):  # from Git, then from the index
        found = listings(history.opened, index, history.commits)
        assert {commit: frozenset(runs) for commit, runs in found.items()} == dict(history.trees)
    for run, tree in found[history.tip].items():
        assert history.repo.hash(f"{history.tip}:{layout.run_dir(run)}") == tree


def test_a_folder_that_is_no_run_or_lies_elsewhere_is_not_listed(repo: BuiltRepo) -> None:
    run = run_id(7)
    repo.commit(
        {
            f"{layout.RUNS}/{run[:2]}/{run}/run.json": "{}",
            f"{layout.RUNS}/zz/{run}/run.json": "{}",  # not where a run of its name lies
            f"{layout.RUNS}/{run[:2]}/{run.upper()}/run.json": "{}",
            f"{layout.RUNS}/{run[:2]}/{run}x/run.json": "{}",
            f"{layout.RUNS}/{run[:2]}/file": "x",
            f"{layout.RUNS}/README": "x",
            f"{layout.RUNS}/{run[:2]}/\u00e9/run.json": "{}",
        }
    )
    opened = open_repository(repo.workspace)
    tree = repo.hash(f"HEAD:{layout.RUNS}")
    assert set(listing(opened, tree)) == {run}  # type: ignore[arg-type]
    graph = Graph(opened, Index(None), [CommitHash(repo.hash())])
    assert [item.run for item in graph.additions()] == [run]


# --- what cannot be read --------------------------------------------------------------------------


def test_a_commit_that_is_not_there_ends_its_own_history_alone(history: Drawn) -> None:
    gone = CommitHash("1" * 40)
    graph = graph_of(history, gone, history.tip)
    assert set(graph.broken) == {gone}
    assert graph.additions() == graph_of(history).additions()  # a question about all goes on
    assert graph.additions([history.tip]) == graph_of(history).additions()
    with pytest.raises(DamagedDataError, match="1111111"):
        graph.additions([gone])
    with pytest.raises(DamagedDataError):
        graph_of(history, gone).additions()
    assert listings(history.opened, Index(None), [gone]) == {gone: {}}


def test_a_shallow_clone_says_so_and_remembers_nothing_of_its_edge(
    history: Drawn, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("shallow") / "copy"
    copy = clone(history.repo, folder, "--depth", "2", "--branch", "main")
    opened = open_repository(copy.workspace)
    edge = shallow_commits(opened)
    assert edge == frozenset((folder / ".git" / "shallow").read_text().split())
    index = Index(None)
    graph = Graph(opened, index, [history.tip])
    assert graph.is_shallow(opened)
    assert set(graph.nodes) == set(reached(copy, history.tip))
    assert not edge & set(index.all(Kind.GRAPH))
    copy.git("fetch", "--quiet", "--unshallow")
    opened = open_repository(copy.workspace)
    whole = Graph(opened, index, [history.tip])
    assert not whole.is_shallow(opened)
    assert whole.nodes == graph_of(history).nodes
    assert shallow_commits(history.opened) == frozenset()


# --- lookups --------------------------------------------------------------------------------------


def test_runs_at_a_commit_are_read_and_flagged_as_its_tree_has_them(history: Drawn) -> None:
    index = Index(None)
    for tip in (history.tip, *history.commits[::9]):
        found = lookup.runs_at(history.opened, tip, index)
        assert not found.unreadable
        assert {item.run.id for item in found if not item.deleted} == history.trees[tip]
        order = [item.order for item in found]
        assert order == sorted(set(order))
        for item in found:
            path = layout.samples_csv(item.run.id)
            if item.deleted:
                continue
            value = history.repo.show(path, tip).splitlines()[1]
            assert str(item.samples[0].value) in value
            then = history.repo.hash(f"{item.commit}:{layout.run_dir(item.run.id)}")
            now = history.repo.hash(f"{tip}:{layout.run_dir(item.run.id)}")
            assert item.altered == (then != now)


@pytest.mark.parametrize("digest", DIGESTS)
def test_runs_of_some_inputs_are_those_of_all_that_have_them(
    history: Drawn, digest: InputsDigest
) -> None:
    every = lookup.runs_at(history.opened, history.tip, Index(None))
    some = lookup.runs_at(history.opened, history.tip, Index(None), inputs=[digest])
    assert some.runs == tuple(item for item in every if item.run.inputs == digest)
    assert lookup.runs_at(history.opened, history.tip, Index(None), inputs=[]).runs == ()


def test_lines_are_the_runs_without_their_samples(history: Drawn) -> None:
    index = Index(None)
    for _ in range(2):  # from Git, then from the index
        graph = Graph(history.opened, index, [history.tip])
        lines = [line for _, line in lookup.lines_by_addition(history.opened, graph, index)]
        runs = lookup.runs_at(history.opened, history.tip, index)
        assert [line.id for line in lines] == [item.run.id for item in runs]
        assert [line.inputs for line in lines] == [item.run.inputs for item in runs]
        assert [line.seeds for line in lines] == [item.run.seeds for item in runs]


def test_runs_by_inputs_are_what_own_branches_ever_held(history: Drawn) -> None:
    found = lookup.runs_by_inputs(history.opened, DIGESTS[0], index=Index(None))
    tips = {
        name.removeprefix("refs/heads/"): commit
        for name, commit in history.repo.refs().items()
        if name.startswith("refs/heads/")
    }
    ever = frozenset[str]().union(*(history.trees[c] for c in reached(history.repo, "--branches")))  # type: ignore[index]
    numbers = {run_id(number): number for number in range(4 * COMMITS)}
    wanted = {run for run in ever if digest_of(numbers[RunId(run)]) == DIGESTS[0]}
    assert {item.run.id for item in found} == wanted
    for item in found:
        held = {name for name, tip in tips.items() if item.run.id in history.trees[CommitHash(tip)]}
        assert set(item.refs) == held
        assert item.deleted == (not held)


def test_versions_has_each_version_that_a_commit_added(history: Drawn) -> None:
    index = Index(None)
    graph = graph_of(history, index=index)
    found = lookup.versions(history.opened, index, graph, DIGESTS)
    assert set(found) == {(item.run, item.tree) for item in graph.every()}
    assert lookup.versions(history.opened, index, graph, []) == {}


def test_a_run_is_found_by_any_beginning_that_is_its_alone(history: Drawn) -> None:
    index = Index(None)
    every = sorted(item.run for item in graph_of(history).additions())
    for run in every[::7]:
        for length in (2, 5, 16):
            same = [other for other in every if other.startswith(run[:length])]
            if len(same) == 1:
                assert lookup.find_run(history.opened, run[:length], index).run.id == run


# --- how two tips lie -----------------------------------------------------------------------------


def test_a_tip_is_ahead_or_behind_as_git_merge_base_says(history: Drawn) -> None:
    for ours in history.commits[::6]:
        for theirs in history.commits[::4]:
            found = replay.route(history.opened, ours, theirs).relation
            if ours == theirs:
                assert found is Relation.SAME
            elif ours in reached(history.repo, theirs):
                assert found is Relation.BEHIND
            elif theirs in reached(history.repo, ours):
                assert found is Relation.AHEAD
            else:
                assert found in {Relation.REPLAY, Relation.MERGE}


def test_only_a_line_of_commits_that_add_records_is_replayed(history: Drawn) -> None:
    parents = _parents(history.repo)
    graph = graph_of(history)
    seen = set()
    for ours in history.commits[:-1]:
        for theirs in history.commits[1:-1:3]:
            plan = replay.route(history.opened, ours, theirs)
            seen.add(plan.relation)
            mine = graph.led_to([ours]) - graph.led_to([theirs])
            if plan.relation is not Relation.REPLAY:
                assert plan.own == ()
                continue
            assert [own.commit for own in plan.own] == sorted(
                mine, key=lambda commit: len(graph.led_to([commit]))
            )
            assert all(len(parents[commit]) == 1 for commit in mine)
            assert plan.base == parents[plan.own[0].commit][0]
            added = {run.id for own in plan.own for run in own.runs.values()}
            assert added <= history.trees[ours]
    assert seen >= {Relation.REPLAY, Relation.MERGE}


def test_an_experiment_of_a_name_that_nobody_has_is_nowhere(history: Drawn) -> None:
    assert merged_experiments.find(history.opened, Index(None), "no-such") is None
