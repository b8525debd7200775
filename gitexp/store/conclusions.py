"""Conclusions as a commit holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.git.absent import ABSENT, Absent
from gitexp.git.objects import read_blob
from gitexp.git.transaction.layout import conclusion_path
from gitexp.model.comparison import Conclusion
from gitexp.records import codec

if TYPE_CHECKING:
    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan


def conclusion_named(repo: Repo, name: str, commit: CommitHash) -> Conclusion | Absent:
    """Return the conclusion of an experiment in a commit's tree.

    Raises `BadFormatError, NewerFormatError, UnsafeInputError` if its file cannot be read.
    """
    path = conclusion_path(name)
    data = read_blob(repo, commit, path, codec.limit(Conclusion))
    return ABSENT if data is ABSENT else codec.load(Conclusion, data, f"{commit[:9]}:{path}")


def is_concluded(repo: Repo, plan: Plan, commit: CommitHash) -> bool:
    """Return whether a plan as it is has its conclusion; what cannot be read is taken for one."""
    try:
        found = conclusion_named(repo, plan.name, commit)
    except GitexpError:
        return True
    return found is not ABSENT and found.stands(plan)
