"""What a clone keeps beside its history: locks and leftovers, the index and caches, hooks."""

from __future__ import annotations

import re
import shlex
from functools import partial
from typing import TYPE_CHECKING, Final

from gitexp.dvc import inputs
from gitexp.dvc.cache import open_cache, unfinished
from gitexp.dvc.dvc_config import has_dvc
from gitexp.enforcement.hooks.install import NOT_CALLED, status
from gitexp.errors import GitexpError
from gitexp.git import refs
from gitexp.git.discovery import project_folder
from gitexp.git.objects import commit_info
from gitexp.git.transaction import layout, locks, owners
from gitexp.git.transaction.cache import Index, Kind, forget, open_index
from gitexp.git.worktree import checkouts
from gitexp.git.worktree import status as git_status
from gitexp.model.ids import ABSENT
from gitexp.model.report import Level
from gitexp.model.rules import HookState
from gitexp.sharing import merge_driver
from gitexp.store import plans
from gitexp.store.experiments import experiment_lines
from gitexp.store.merged_experiments import merged_lines
from gitexp.store.records import run_lines
from gitexp.upkeep.doctor.place import Curable, removable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitexp.git.worktree.checkouts import Checkout
    from gitexp.model.workspace import Workspace
    from gitexp.upkeep.doctor.place import CheckedRepository


OLD_S = 60.0  # a git command that is under way has usually ended by then
_OURS = re.compile(r"[0-9a-f]{16}")
_COMMON = ("packed-refs.lock", "config.lock", "shallow.lock")


def locks_in_the_way(place: CheckedRepository) -> Iterator[Curable]:
    """Yield locks whose owner is dead or unknown."""
    seen = [
        (each, checkouts.owner_of(each))
        for each in checkouts.listing(place.workspace)
        if not each.missing
    ]
    known = owners.ids(place.workspace)  # asked after the locks were seen
    for owned in owners.stale(place.workspace):
        yield Curable(
            f"process {owned.pid} died while it published on {_short(owned.ref)}",
            owners.path_of(place.workspace, owned.id),
            "finish what is visible, forget the rest, release its locks",
            lambda: "; ".join(owners.clear_stale(place.repo)),
            done="cleared already",
        )
    for path in owners.unreadable(place.workspace):
        if place.age_s(path) > OLD_S:
            yield Curable(
                "a note of who holds locks is half written, so nobody can be asked",
                path,
                f"rm {shlex.quote(str(path))}, if no gitexp process works on this repository",
            )
    for checkout, owner in seen:
        lock = checkouts.path_of(checkout)
        if _OURS.fullmatch(owner) and owner not in known:
            what = "the index is locked by a transaction that has ended"
            clear = partial(_clear_orphan, place, checkout, owner)
            yield Curable(what, lock, "remove the lock", clear, done="removed the lock")
        elif not _OURS.fullmatch(owner):
            yield from _foreign(place, lock, "the index")
            yield from _foreign(place, checkout.git_dir / "HEAD.lock", "HEAD")
    for name in _COMMON:
        path = place.workspace.common_dir / name
        yield from _foreign(place, path, name.removesuffix(".lock"))
    dead = {f"{owned.ref}.lock" for owned in owners.stale(place.workspace)}
    for path in sorted((place.workspace.common_dir / "refs").rglob("*.lock")):
        name = path.relative_to(place.workspace.common_dir).as_posix()
        if name not in dead and not name.startswith("refs/gitexp/tmp/"):
            yield from _foreign(place, path, _short(name.removesuffix(".lock")))


def _foreign(place: CheckedRepository, path: Path, what: str) -> Iterator[Curable]:
    """Yield a lock of git's own that is there for long; it does not say whose it is."""
    if place.age_s(path) > OLD_S:
        yield Curable(
            f"a git command has locked {what} for {place.age_s(path) / 60:.0f} min, "
            "or was killed and left the lock",
            path,
            f"rm {shlex.quote(str(path))}, if no git command is under way here",
        )


def _clear_orphan(place: CheckedRepository, checkout: Checkout, owner: str) -> None:
    with owners.critical(place.workspace):
        if checkouts.owner_of(checkout) == owner and owner not in owners.ids(place.workspace):
            checkouts.path_of(checkout).unlink(missing_ok=True)


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/")


_INDEX = re.compile(r"index\.gitexp-([0-9a-f]{16})(\.lock)?")
_FOLDER = re.compile(r"publish-([0-9a-f]{16})")


def leftovers(place: CheckedRepository) -> Iterator[Curable]:
    """Yield temporary things that belong to no transaction, dead or alive."""
    names = sorted(refs.temporary(place.repo, layout.TEMPORARY_REFS))
    paths = tuple(_paths(place))
    known = owners.ids(place.workspace)  # asked after all of them were seen
    known |= {owned.id for owned in owners.stale(place.workspace)}
    for name in names:
        id_ = name.removeprefix(layout.TEMPORARY_REFS)
        if id_ not in known:
            what = "a temporary ref whose transaction has ended"
            clear = partial(refs.drop, place.repo, name)
            yield Curable(what, name, "delete it", clear, done="deleted the ref")
    for id_, path in paths:
        if id_ not in known:
            yield removable("a temporary file whose transaction has ended", path)


def _paths(place: CheckedRepository) -> Iterator[tuple[str, Path]]:
    """Yield temporary indexes, and folders of files that were to be put into a work tree."""
    for checkout in checkouts.listing(place.workspace):
        if checkout.missing:
            continue
        for path in sorted(checkout.git_dir.glob("index.gitexp-*")):
            if match := _INDEX.fullmatch(path.name):
                yield match[1], path
        folder = checkout.top / layout.TMP
        if not (folder.is_symlink() or folder.parent.is_symlink()):  # as a branch may track one
            for path in sorted(folder.glob("publish-*")):
                if match := _FOLDER.fullmatch(path.name):
                    yield match[1], path


def index(place: CheckedRepository) -> Iterator[Curable]:
    """Work everything out anew, without the cache, and compare what it remembers."""
    if not layout.index_file(place.workspace).exists():
        return
    fresh = _fresh(place)
    wrong = 0
    with open_index(place.workspace) as remembered:
        for kind in Kind:
            rows = fresh.all(kind)
            kept = remembered.get(kind, rows)
            wrong += sum(1 for key, value in kept.items() if value != rows[key])
    if wrong:
        what = f"the index cache disagrees with Git in {wrong} rows"
        step = "remove the cache; it is filled again when it is needed"
        clear, file = partial(forget, place.workspace), layout.index_file(place.workspace)
        yield Curable(what, file, step, clear, done="removed the cache")


def _fresh(place: CheckedRepository) -> Index:
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


QUIET_S = 3600.0  # a shared cache is written from other hosts, too, and they touch what they write
_TEMPORARY = re.compile(r"\.gitexp-(\d+)-[0-9a-f]{8,12}(-old)?")


def data_cache(place: CheckedRepository) -> Iterator[Curable]:
    """Yield files that no living process here made and nobody has written to for an hour."""
    caches: set[Path] = set()
    for workspace in place.work_places:
        for path in _in_cache(place, workspace, caches):
            yield removable("an object that a killed process had begun to write", path)
        yield from _beside_outputs(place, workspace)


def _in_cache(place: CheckedRepository, workspace: Workspace, caches: set[Path]) -> Iterator[Path]:
    if workspace.top is None:
        return
    try:
        head = refs.head(place.repo).commit
        project = "" if head is ABSENT else plans.config_of(place.repo, head)[0].project
    except GitexpError:
        project = ""
    try:
        folder = project_folder(workspace.top, project)
        if not folder.is_dir() or not has_dvc(folder):
            return
        cache = open_cache(folder, place.environ)
    except GitexpError:  # a place of somebody else's branch: nothing there is ours to clear
        return
    if cache.dir in caches:
        return
    caches.add(cache.dir)
    for path in unfinished(cache, older_than_s=QUIET_S, now=place.now_s):
        if _dead(path.name):
            yield path


def _beside_outputs(place: CheckedRepository, workspace: Workspace) -> Iterator[Curable]:
    if workspace.top is None:
        return
    tops = {workspace.top / _upto(path) for path in git_status.untracked(workspace)
            if "/.gitexp-" in f"/{path}"}  # fmt: skip
    for path in sorted(tops):
        match = _TEMPORARY.fullmatch(path.name)
        if match is None or not _dead(path.name) or place.age_s(path) <= QUIET_S:
            continue
        if match[2]:
            what = "the earlier bytes of an output, set aside by a process that was killed"
            yield Curable(what, path, f"dvc checkout, then rm -r {shlex.quote(str(path))}")
        else:
            yield removable("the copy of an output that a killed process had begun to make", path)


def _upto(path: str) -> str:
    parts = path.split("/")
    for number, part in enumerate(parts):
        if _TEMPORARY.fullmatch(part):
            return "/".join(parts[: number + 1])
    return path


def _dead(name: str) -> bool:
    """Whether no process of that number lives here; on other hosts its silence has to do."""
    match = _TEMPORARY.fullmatch(name)
    return match is not None and locks.has_ended(int(match[1]))


_SAID: Final = {
    HookState.ABSENT: "a hook is not installed, and others of gitexp are",
    HookState.FOREIGN: "a hook of gitexp was replaced by another",
    HookState.CHANGED: "a hook of gitexp was edited: it is not brought up to date",
    HookState.DEAD: "a hook of gitexp is there, and nothing runs it",
}


def hooks(place: CheckedRepository) -> Iterator[Curable]:
    """Yield hooks that do not run; nothing where there was never one of ours."""
    if merge_driver.is_outdated(place.workspace):
        what = "the merge driver imports what the branch in the work tree holds"
        setting = "git config merge.gitexp.driver"
        yield Curable(
            what, setting, "set it up anew", lambda: "; ".join(merge_driver.set_up(place.workspace))
        )
    report = status(place.workspace)
    if all(hook.state in {HookState.ABSENT, HookState.FOREIGN} for hook in report.hooks):
        return
    found: dict[tuple[str, str, Level], list[str]] = {}
    for hook in report.hooks:
        what = _SAID.get(hook.state, "a hook of gitexp may not do what it should")
        if hook.runs and not hook.note.startswith(("its Python", "of another")):
            continue
        what += f": {hook.note}" if hook.note else ""
        first = "remove it, then " if hook.state is HookState.CHANGED else ""
        step = f"{first}gitexp hooks install"
        level = Level.PROBLEM if hook.state is HookState.DEAD else Level.NOTE
        if hook.note.endswith(NOT_CALLED):  # whoever cloned the project has asked for none yet
            step, level = hook.note.removesuffix(NOT_CALLED).rpartition("; ")[2], Level.NOTE
        found.setdefault((what, step, level), []).append(hook.name)
    for (what, step, level), names in found.items():
        yield Curable(what, ", ".join(names), step, level=level)
