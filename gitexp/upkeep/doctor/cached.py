"""The index cache, where it says something else than Git does."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gitexp.dvc import inputs
from gitexp.errors import GitexpError
from gitexp.git.objects import commit_info
from gitexp.git.transaction.cache import Index, Kind, forget, open_index
from gitexp.git.transaction.layout import index_file
from gitexp.store import plans
from gitexp.store.experiments import experiment_lines
from gitexp.store.merged_lines import merged_lines
from gitexp.store.records import run_lines
from gitexp.upkeep.doctor.place import Curable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.upkeep.doctor.place import CheckedRepository

NAME = "index"


def look(place: CheckedRepository) -> Iterator[Curable]:
    """Work everything out anew, without the cache, and compare what it remembers."""
    if not index_file(place.workspace).exists():
        return
    fresh = _fresh(place)
    wrong = 0
    with open_index(place.workspace) as remembered:
        for kind in Kind:
            rows = fresh.all(kind)
            kept = remembered.get(kind, rows)
            wrong += sum(1 for key, value in kept.items() if value != rows[key])
    if wrong:
        yield Curable(
            f"the index cache disagrees with Git in {wrong} rows",
            index_file(place.workspace),
            "remove the cache; it is filled again when it is needed",
            partial(forget, place.workspace),
            done="removed the cache",
        )


def _fresh(place: CheckedRepository) -> Index:
    """Return an index in memory with the rows that a list of everything would use."""
    graph, listed = place.graph, place.listed
    trees = {tree: run for runs in listed.values() for run, tree in runs.items()}
    trees |= {item.tree: item.run for item in graph.additions()}
    run_lines(place.repo, place.memory, trees)
    experiment_lines(place.repo, place.memory, place.tips)
    merged_lines(place.repo, place.memory, place.tips, {}, plans.branch_prefix(place.repo))
    for tip in place.tips:
        try:
            config, _ = plans.config_of(place.repo, tip.commit)
            tree = commit_info(place.repo, tip.commit).tree
            inputs.compute(place.repo, tree, config, index=place.memory)
        except GitexpError:  # no project of ours, or one that cannot be digested
            continue
    return place.memory
