"""The order in which a history added its runs, on generated histories without Git."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from gitexp.model.ids import CommitHash, RunId, TreeId
from gitexp.store.ancestry import Node, _decode, _encode, _sorted

if TYPE_CHECKING:
    import random


def history(chance: random.Random, size: int) -> dict[CommitHash, Node]:
    """Return commits, each after its parents; a third of them add a run or two."""
    nodes: dict[CommitHash, Node] = {}
    ids = list(range(4 * size))
    chance.shuffle(ids)
    for number in range(size):
        known = list(nodes)
        parents = chance.sample(known, min(len(known), chance.choice((0, 1, 1, 1, 2))))
        runs = sorted(f"{ids.pop():016d}" for _ in range(chance.choice((0, 0, 1, 2))))
        added = tuple((RunId(run), TreeId("0" * 40)) for run in runs)
        nodes[CommitHash(f"{number:040d}")] = Node(tuple(parents), added)
    return nodes


@settings(max_examples=40)
@given(st.randoms(use_true_random=False), st.integers(1, 25), st.integers(0, 10))
def test_parents_come_first_and_more_commits_reorder_nothing(
    chance: random.Random, size: int, more: int
) -> None:
    whole = history(chance, size + more)
    older = dict(list(whole.items())[:size])
    order = list(_sorted(older))
    assert sorted(order) == sorted(older)
    at = {commit: place for place, commit in enumerate(order)}
    assert all(at[parent] < at[commit] for commit in order for parent in older[commit].parents)

    def adding(commits: list[CommitHash]) -> list[CommitHash]:
        return [commit for commit in commits if commit in older and older[commit].added]

    shuffled = list(whole.items())
    chance.shuffle(shuffled)
    assert adding(order) == adding(list(_sorted(whole))) == adding(list(_sorted(dict(shuffled))))


@settings(max_examples=40)
@given(st.randoms(use_true_random=False))
def test_a_row_gives_back_its_commit(chance: random.Random) -> None:
    for node in history(chance, 8).values():
        assert _decode(_encode(node)) == node
