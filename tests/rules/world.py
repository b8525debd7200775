"""One change, seen by all providers of facts: staged, in a repository, in a server's quarantine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.git.catfile import CatFile
from gitexp.git.repository import open_repository
from gitexp.git.worktree import staged
from gitexp.model.ids import CommitHash
from gitexp.rules import check, policies
from gitexp.rules.facts import TreeChange, of_commit, of_staged
from tests.lab.build import git_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.model.rules import Policy, Violation
    from tests.lab.build import BuiltRepo, Content
    from tests.lab.records import Lab

Said = tuple[str, str, str]  # rule, path, message


@dataclass(frozen=True)
class World:
    """A lab whose next commit is judged before and after it is made."""

    lab: Lab

    @property
    def repo(self) -> BuiltRepo:
        """The repository."""
        return self.lab.repo

    def judge(
        self, files: Mapping[str, Content], weights: Mapping[str, Policy] | None = None
    ) -> list[Said]:
        """Commit these files; return what every provider says of it, which has to be the same."""
        self.repo.write(files)
        self.repo.git("add", "--force", "--all", "--", *files)
        return self.judge_staged(weights)

    def judge_staged(self, weights: Mapping[str, Policy] | None = None) -> list[Said]:
        """Commit what is staged, a merge that was begun too; return what all providers say."""
        before = self.staged(weights)
        self.repo.git("commit", "--quiet", "--allow-empty", "-m", "a change", at=self.lab.tick())
        return self.agreed(before, weights)

    def agreed(self, before: list[Said], weights: Mapping[str, Policy] | None = None) -> list[Said]:
        """Return what is said of HEAD; fail where the providers do not say the same."""
        after = self.stored(weights)
        assert before == after
        assert self.quarantined(weights) == after
        return after

    def staged(self, weights: Mapping[str, Policy] | None = None) -> list[Said]:
        """Return what a hook says of what is staged."""
        place = staged.place(self.repo.path, git_environment())
        changes = [TreeChange(*each) for each in staged.staged(place)]
        with CatFile(place.folder, place.env) as objects:
            facts = of_staged(objects, place.parents, changes, branch=place.branch)
            return said(check(facts, weights or policies(facts.config)))

    def stored(self, weights: Mapping[str, Policy] | None = None) -> list[Said]:
        """Return what `check` says of HEAD."""
        objects = open_repository(self.repo.workspace)
        facts = of_commit(objects, self.head, branch=self.branch, tip=True)
        return said(check(facts, weights or policies(facts.config)))

    def quarantined(self, weights: Mapping[str, Policy] | None = None) -> list[Said]:
        """Return what a server says of HEAD, with git commands alone."""
        with CatFile(self.repo.path, git_environment()) as objects:
            facts = of_commit(objects, self.head, branch=self.branch, tip=True)
            return said(check(facts, weights or policies(facts.config)))

    @property
    def head(self) -> CommitHash:
        """HEAD."""
        return CommitHash(self.repo.hash())

    @property
    def branch(self) -> str:
        """The current branch."""
        return self.repo.git("branch", "--show-current")


def said(found: tuple[Violation, ...]) -> list[Said]:
    """Return violations without what differs between a commit and one to be."""
    return [(item.rule, item.where.path, item.message) for item in found]
