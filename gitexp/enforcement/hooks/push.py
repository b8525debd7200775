"""pre-push: every commit that a push adds, so that what went past the other hooks is met here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.enforcement.hooks.receive import Gate, Update, updates
from gitexp.git.catfile import CatFile
from gitexp.git.discovery import discover
from gitexp.git.worktree import staged
from gitexp.model.rules import HookAnswer
from gitexp.rules.branches import governing
from gitexp.sharing.unsent import SeenRemote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.git.worktree.staged import HookPlace
    from gitexp.model.ids import CommitHash
    from gitexp.model.rules import HookCall, Violation
    from gitexp.model.run import FileHash


def answer(call: HookCall) -> HookAnswer:
    """Judge what a push adds to experiments and protected branches; deletions are the server's."""
    place = staged.place(call.folder, call.environ)
    remote = call.args[0] if call.args else call.environ.get("PRE_COMMIT_REMOTE_NAME", "")
    found: list[Violation] = []
    said: list[str] = []
    with CatFile(place.folder, place.env) as objects:
        world = _Remotes(place, objects, call.environ)
        there = staged.refs(place, f"refs/remotes/{remote}/") if remote else {}
        heads = {
            f"refs/heads/{ref.removeprefix(f'refs/remotes/{remote}/')}": tip
            for ref, tip in there.items()
        }
        for update in updates(call.given) or _told(call.environ):
            before = staged.commit_of(place, update.old)
            rules = governing(objects, place.folder, update.branch, before, place.env)
            broken, notes = world.judged(update, heads, rules.config)
            found += broken
            said += (f"gitexp: {note}" for note in notes)
    return HookAnswer(tuple(found), tuple(said))


class _Remotes(Gate):
    """What pre-push asks of the world; statistics and the network take too long for more."""

    def __init__(self, place: HookPlace, objects: CatFile, environ: Mapping[str, str]) -> None:
        super().__init__(place, objects, here=True)
        self._environ = environ
        self._data: SeenRemote | None = None

    def unsent(self, commit: CommitHash, recorded: Sequence[FileHash]) -> tuple[str, ...] | None:
        """Return what a commit names of data that is not on the DVC remote."""
        if self._data is None:
            self._data = SeenRemote(discover(self.place.folder), self._environ)
        return self._data.unsent(commit, recorded)

    def unanswered(self) -> tuple[str, ...]:
        """Return of which data it could not be told."""
        return () if self._data is None else self._data.unanswered()


def _told(environ: Mapping[str, str]) -> tuple[Update, ...]:
    """Return what the pre-commit framework passes on instead of standard input."""
    ref = environ.get("PRE_COMMIT_REMOTE_BRANCH", "")
    new, old = (environ.get(f"PRE_COMMIT_{end}_REF", "") for end in ("TO", "FROM"))
    return (Update(ref, old, new),) if ref and new else ()
