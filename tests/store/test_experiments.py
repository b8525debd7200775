"""Half of a long reading may be done by a child; the answer is the same."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from benchmarks.make_repos import make
from gitexp.git import discovery, repository
from gitexp.git.transaction.cache import Index, can_fork, in_child
from gitexp.store.experiments import experiment_lines
from gitexp.store.plans import tips

if TYPE_CHECKING:
    from pathlib import Path

N_BRANCHES = 320  # above the number from which a child is worth it

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def test_many_branches_read_together_or_one_by_one_give_the_same_lines(tmp_path: Path) -> None:
    make(tmp_path / "r", N_BRANCHES, 1)
    repo = repository.open_repository(discovery.discover(tmp_path / "r"))
    every = [tip for tip in tips(repo) if tip.branch.startswith("exp/")]
    assert len(every) == N_BRANCHES
    together = experiment_lines(repo, Index(None), every)
    single = {tip: experiment_lines(repo, Index(None), [tip])[tip] for tip in every[::40]}
    assert len(together) == N_BRANCHES
    assert {tip: together[tip] for tip in single} == single
    assert all(line.primary is not None for line in together.values())


@needs_fork
def test_a_child_that_fails_gives_nothing() -> None:
    def fails() -> bytes:
        raise ValueError

    assert in_child(fails)() is None
    assert in_child(lambda: os._exit(0))() == b""  # type: ignore[arg-type,return-value]
    assert in_child(lambda: b"x" * 100_000)() == b"x" * 100_000
    assert isinstance(can_fork(), bool)
