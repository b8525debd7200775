"""post-checkout and post-merge: the outputs of DVC, which Git does not bring along.

The commit is checked out already: nothing here can refuse it, and nothing is an error.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from gitexp.dvc import branch_code, placement
from gitexp.dvc.cache import open_cache
from gitexp.dvc.declared_data import Reader
from gitexp.dvc.dvc_config import has_dvc
from gitexp.dvc.placement import refresh
from gitexp.dvc.stage_records import hash_inside
from gitexp.errors import GitexpError
from gitexp.git.catfile import CatFile
from gitexp.git.discovery import discover, project_folder
from gitexp.git.repository import open_repository
from gitexp.git.tree import tree_of
from gitexp.git.worktree import staged
from gitexp.model.rules import HookAnswer
from gitexp.report.numbers import listed
from gitexp.rules.branches import governing
from gitexp.rules.facts import settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitexp.dvc.cache_objects import CacheConfig
    from gitexp.dvc.declared_data import Needed
    from gitexp.git.worktree.staged import HookPlace
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import CommitHash
    from gitexp.model.rules import HookCall

SHOWN: Final = 5  # outputs that are named
_AUTOMATIC: Final = "`hooks.auto_checkout: true` on main does it"
_CHECKOUT_ARGS: Final = 3  # old, new, whether it was a branch


def answer(call: HookCall) -> HookAnswer:
    """Say which outputs are another commit's, or bring safe ones from the cache."""
    place = staged.place(call.folder, call.environ)
    if place.head is None or place.rebasing or not has_dvc(call.folder):
        return HookAnswer()
    before = _before(place, call)
    differing = _differing(place, before)
    if not differing:
        return HookAnswer()
    with CatFile(place.folder, place.env) as objects:
        # No branch's own: who fetched one has not agreed that a switch to it writes files.
        rules = governing(objects, place.folder, "", before, place.env).config
        config = settings(tree_of(objects, place.head))
    if rules is not None and rules.auto_checkout:
        return HookAnswer(said=tuple(_brought(place, config, differing)))
    names = listed([out.path for out in differing], SHOWN)
    return HookAnswer(
        said=(
            f"gitexp: this commit has other outputs: {names}",
            _step(
                place,
                config,
                differing,
                "dvc checkout; `hooks.auto_checkout: true` on main does it",
            ),
        )
    )


def _before(place: HookPlace, call: HookCall) -> CommitHash | None:
    """Return what was checked out before; None for a new work tree."""
    if call.name == "post-merge":
        return staged.commit_of(place, staged.ref(place, "ORIG_HEAD"))
    told = call.args[0] if len(call.args) == _CHECKOUT_ARGS else ""
    return staged.commit_of(place, told or call.environ.get("PRE_COMMIT_FROM_REF", ""))


def _differing(place: HookPlace, before: CommitHash | None) -> list[Needed]:
    reader = Reader(open_repository(discover(place.folder)))
    old = {} if before is None else {out.path: out.md5 for out in reader.of(before).outs}
    now = () if place.head is None else reader.of(place.head).outs
    other = [out for out in now if old.get(out.path) != out.md5]
    return [out for out in other if not _lies_here(place, out)]


def _lies_here(place: HookPlace, out: Needed) -> bool:
    """Tell whether the work tree has an output already: DVC's own hook may have brought it."""
    here = place.folder / out.path
    try:
        if here.is_file() and here.stat().st_size != out.size:
            return False
        return hash_inside(place.folder, out.path).md5 == out.md5
    except (OSError, GitexpError):
        return False


def _brought(place: HookPlace, config: ProjectConfig, outs: Sequence[Needed]) -> Iterator[str]:
    project = project_folder(place.folder, config.project)
    cache = open_cache(project)  # refuses what a branch tracks in .dvc/, before it is written to
    with placement.main_lock(project):
        found = refresh(place.folder, outs, cache, _refused(place, outs, cache))
    if found.refreshed:
        yield f"gitexp: brought along: {listed(found.refreshed, SHOWN)}"
    for left in found.left:
        yield f"gitexp: left as it is: {left.path} ({left.why})"
    if found.left:
        yield _step(place, config, outs, "gitexp pull --data, or dvc checkout")


def _refused(place: HookPlace, outs: Sequence[Needed], cache: CacheConfig | None) -> dict[str, str]:
    repo = open_repository(discover(place.folder))
    return branch_code.refused(repo, place.folder, ((o.path, o.md5) for o in outs), cache)


def _step(place: HookPlace, config: ProjectConfig, outs: Sequence[Needed], usual: str) -> str:
    """Return the line of the next step, which is no `dvc checkout` where DVC would write amiss."""
    cache = None
    with suppress(GitexpError):
        cache = open_cache(project_folder(place.folder, config.project))
    for path, why in _refused(place, outs, cache).items():
        return f"  next      no dvc checkout, which writes {path}: {why}"
    if place.head and (odd := Reader(open_repository(discover(place.folder))).of(place.head).odd):
        return f"  next      no dvc checkout, which goes where it leads: {odd[0]}"
    return f"  next      {usual}"
