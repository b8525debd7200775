"""The bytes that Git does not hold: to the DVC remote before a branch speaks of them, and back."""

from __future__ import annotations

import contextlib
import itertools
import os
import posixpath
import shlex
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from gitexp.dvc import branch_code, dvc_config, exchange, placement
from gitexp.dvc.cache import has, open_cache
from gitexp.dvc.declared_data import BY_DVC_2, Reader
from gitexp.dvc.placement import refresh
from gitexp.errors import DvcFailedError, GitexpError, PreconditionError
from gitexp.git import objects, refs, remote
from gitexp.git.discovery import project_folder
from gitexp.git.transaction import layout
from gitexp.git.upstream import followed
from gitexp.git.worktree import checkouts
from gitexp.model import dataclass
from gitexp.model.ids import ABSENT, CommitHash
from gitexp.model.sharing import BranchOutcome, DataMoved
from gitexp.sharing.places import check_lfs, new_commits
from gitexp.store import lookup, plans

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from gitexp.dvc.declared_data import Needed, Needs
    from gitexp.dvc.exchange import DataRemote
    from gitexp.errors import DamagedDataError
    from gitexp.model.ids import Absent, Md5
    from gitexp.model.sharing import BranchMove
    from gitexp.sharing.places import Shared

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Depot:
    """Where DVC works, and the remote it shares through."""

    project: Path  # A folder in which DVC finds its repository
    remote: DataRemote | None
    trust: bool = False


def depot_of(shared: Shared, tips: Iterable[CommitHash]) -> Depot | None:
    """Return where data come from and go to; None where the project has no DVC at all."""
    top = shared.workspace.top
    folders = [""]
    for tip in tips:
        try:
            folders.insert(0, plans.config_of(shared.repo, tip)[0].project)
            break
        except GitexpError:
            continue
    for folder in folders:
        if top is not None and dvc_config.has_dvc(project := project_folder(top, folder)):
            if shared.trust and shared.data:
                dvc_config.agree(dvc_config.find_dvc_dir(project), shared.environ)
            trust = shared.trust or not shared.data
            remote = exchange.remote_of(project, shared.environ, trust=trust)
            return Depot(project, remote, trust)
    return None


def depot_to_send(shared: Shared, tips: Collection[CommitHash]) -> Depot | None:
    """Return the same, but refuse to share branches whose data have nowhere to go."""
    check_lfs(shared)
    depot = depot_of(shared, tips)
    if shared.data:
        check_depot(shared, depot, tips)
    return depot


def check_depot(shared: Shared, depot: Depot | None, tips: Collection[CommitHash]) -> None:
    """Refuse to share branches whose data have nowhere to go."""
    if depot is None:
        _check_no_dvc(shared, tips)
    if depot is None or depot.remote is not None:
        return
    found = _needs(shared, tips, shared.ours(layout.DATA_BRANCH))
    outs = [out for out in found.outs if out.push]
    if outs or found.delegated:
        raise PreconditionError(
            "there is no DVC remote that data could go to",
            found=f"{len(outs)} outputs in DVC's cache, {outs[0].path} for one" if outs else "",
            where=str(dvc_config.find_dvc_dir(depot.project) / "config"),
            next_step="dvc remote add --default NAME URL, or give --no-data to share only what "
            "Git holds",
        )


def unknown_remote(shared: Shared, depot: Depot | None, tips: Iterable[CommitHash]) -> str:
    """Return a warning where nobody who pulls would learn of the DVC remote; "" else."""
    top = shared.workspace.top
    if not shared.data or depot is None or depot.remote is None or top is None:
        return ""
    file = dvc_config.find_dvc_dir(depot.project) / "config"
    name = depot.remote.name
    here = _names(dvc_config.parse(dvc_config.content(file)), name)
    if not any(here):
        return ""
    path = file.relative_to(top).as_posix()
    head = refs.head(shared.repo).commit
    for tip in (*(() if head is ABSENT else (head,)), *tips):
        held = objects.read_blob(shared.repo, tip, path)
        if held is not ABSENT:
            there = _names(dvc_config.parse(dvc_config.decoded(held)), name)
            if all(theirs == ours for ours, theirs in zip(here, there, strict=True) if ours):
                return ""
    return (
        f"the DVC remote {name} stands in {path} of this work tree and in no commit: who pulls "
        f"does not learn where the data are; git commit -m 'DVC remote' -- {shlex.quote(path)}, "
        "and push"
    )


def _names(sections: dvc_config.Sections, name: str) -> tuple[str, str]:
    """Return what one file says of a remote: that it is the default one, and its address."""
    default = sections.get("core", {}).get("remote", "").lower() == name
    return name if default else "", sections.get(f'remote "{name}"', {}).get("url", "")


def send(
    shared: Shared, depot: Depot | None, tips: Collection[CommitHash], data: CommitHash | Absent
) -> DataMoved:
    """Bring all that the shared branches and gitexp/data newly speak of to the DVC remote."""
    check_depot(shared, depot, tips)
    if depot is None or depot.remote is None:
        return DataMoved(said="there are no data outside Git")
    found = _needs(shared, tips, data)
    wanted = [out for out in found.outs if out.push]
    new = [tip for tip in tips if tip not in shared.known()]  # others' stand where they are
    if new and any(out.remote for out in wanted):
        _check_remotes(depot, _needs(shared, new, ABSENT).outs, shared.environ)
    name, folder = depot.remote.name, depot.remote.folder
    if folder is None or found.delegated:
        revs, count = _revs(shared, tips, data), 0
        lacking: tuple[str, ...] = ()
        if revs and (found.outs or found.delegated):
            own = _elsewhere(shared, depot)
            done = exchange.sent_by_dvc(depot.project, revs, own, trust=depot.trust)
            ends = new if data in shared.known() else (*new, data)
            count, lacking = done.objects, _unsent(done, wanted, ends)
        return DataMoved(by="dvc", remote=name, objects=count, lacking=lacking)
    cache = open_cache(depot.project)
    moved = exchange.send(cache, exchange.folder_cache(folder), [out.md5 for out in wanted])
    return DataMoved(
        by="gitexp", remote=name, objects=moved.objects, size=moved.size,
        lacking=(*_named(wanted, moved.lacking), *_few((*found.odd, *moved.odd))),
    )  # fmt: skip


def _check_remotes(depot: Depot, outs: Iterable[Needed], environ: Mapping[str, str]) -> None:
    """Refuse outputs of a remote that no settings name: DVC passes over the whole commit."""
    settings = dvc_config.read_settings(dvc_config.find_dvc_dir(depot.project), environ)
    for out in outs:
        if out.push and out.remote and f'remote "{out.remote.lower()}"' not in settings:
            raise PreconditionError(
                "an output has a DVC remote that no settings name",
                found=f"{out.path}, remote {out.remote}",
                where=out.declared,
                next_step=f"dvc remote add {shlex.quote(out.remote)} URL, or give --no-data to "
                "share only what Git holds",
            )


def _elsewhere(shared: Shared, depot: Depot) -> frozenset[tuple[str, Md5]] | None:
    """Return what may go to a remote of its own: what main sends there; None for all.

    A pointer of anybody may name any bytes of the cache, and a remote that others read.
    """
    if depot.trust or not dvc_config.is_shared(depot.project):
        return None
    main = [CommitHash(each) for each in dvc_config.protected(depot.project)]
    outs = Reader(shared.repo).needs(main).outs
    return frozenset((out.remote, out.md5) for out in outs if out.remote)


def _unsent(
    done: exchange.MovedByDvc, outs: Sequence[Needed], ends: Iterable[CommitHash | Absent]
) -> tuple[str, ...]:
    """Return what DVC's push has not looked at, or found nowhere; of what is shared it is refused.

    A commit in the history that DVC cannot read stays there, and must not stop all that follows.
    """
    for end in ends:
        if end is not ABSENT and end in done.left:
            raise DvcFailedError(
                "DVC cannot read all data of a commit, and does not send them",
                found=done.left[end],
                where=end[:9],
                next_step="mend it and commit, or give --no-data to share only what Git holds",
            )
    known = {out.md5 for out in outs}
    more = (f"object {md5}" for md5 in done.missing if md5 not in known)
    return (*_named(outs, done.missing), *more, *_unread(done), *_few(done.odd))


def _unread(done: exchange.MovedByDvc) -> Iterator[str]:
    return (f"data of {rev[:9]} ({why})" for rev, why in done.left.items())


def bring(shared: Shared, depot: Depot | None, tips: Mapping[CommitHash, str]) -> DataMoved:
    """Bring what these commits need, and the by-products of their runs, to the cache.

    `tips`: with the name of what each is the tip of.
    """
    if depot is None:
        _check_no_dvc(shared, tips)
        return DataMoved(said="there are no data outside Git")
    if depot.remote is None:
        raise PreconditionError(
            "there is no DVC remote that data could come from",
            where=str(dvc_config.find_dvc_dir(depot.project) / "config"),
            next_step="dvc remote add --default NAME URL",
        )
    found = Reader(shared.repo).needs(tips)
    products = dict(_products(shared, tips))
    cache = open_cache(depot.project)
    name, folder = depot.remote.name, depot.remote.folder
    if folder is None or any(each.endswith(BY_DVC_2) for each in found.delegated):
        runs = set(products.values())
        revs = [*tips, *(at for run, at in (_pointers(shared) if runs else ()) if run in runs)]
        done = exchange.by_dvc(depot.project, revs, trust=depot.trust)
        here = {each.declared for each in found.outs if each.imported and has(cache, each.md5)}
        left = tuple(path for path in done.imports if path not in here)
        own = [out for out in found.outs if not out.imported]
        gone = _named(own, [out.md5 for out in own if not has(cache, out.md5)])
        return DataMoved(
            by="dvc", remote=name, objects=done.objects, imported=left,
            lacking=(*left, *gone, *_unread(done), *_few(done.odd)),
        )  # fmt: skip
    wanted: list[Md5] = [*(out.md5 for out in found.outs), *products]
    moved = exchange.send(exchange.folder_cache(folder), cache, wanted, strict=False)
    lacking = [md5 for md5 in moved.lacking if md5 not in moved.damaged]
    return DataMoved(
        by="gitexp", remote=name, objects=moved.objects, size=moved.size,
        lacking=(*_named(found.outs, lacking), *_few((*found.odd, *moved.odd))),
        damaged=_few(list(_spoilt(shared, tips, products, moved.damaged))),
        step=next((error.next_step for error in moved.damaged.values()), ""),
        imported=_named((out for out in found.outs if out.imported), moved.lacking),
    )  # fmt: skip


def _spoilt(
    shared: Shared,
    tips: Mapping[CommitHash, str],
    products: Mapping[Md5, str],
    damaged: Mapping[Md5, DamagedDataError],
) -> Iterator[str]:
    """Yield what is damaged on the remote, with the branch or the run that wants it."""
    if not damaged:
        return
    reader = Reader(shared.repo)
    wanted = [
        (out.md5, f"{out.path} of {tips[tip]}") for tip in tips for out in reader.of(tip).outs
    ]
    wanted += [(md5, f"a by-product of run {run[:8]}") for md5, run in products.items()]
    for md5, what in wanted:
        if md5 in damaged:
            yield f"{what} ({damaged[md5].summary}: {damaged[md5].where})"


def keep_products(shared: Shared, tips: Collection[CommitHash]) -> tuple[str, ...]:
    """Bring gitexp/data of other remotes, where none here names by-products; return warnings.

    Records come along with any branch, and ``dvc gc -A`` keeps only what a branch names: it would
    delete what a pull has brought.
    """
    runs: dict[Md5, set[str]] = {}
    for md5, run in _products(shared, tips):
        runs.setdefault(md5, set()).add(run)
    others = [name for name in remote.names(shared.repo) if name != shared.remote]
    for other in ("", *others):
        with contextlib.suppress(GitexpError):  # it cannot be reached, or has no such branch
            if other:
                remote.fetch(shared.workspace, other, layout.DATA_BRANCH)
        named = {run for run, _ in _pointers(shared)} if runs else set()
        runs = {md5: each for md5, each in runs.items() if each.isdisjoint(named)}
        if not runs:
            return ()
    why = f"{len(runs)} by-products that records list are named by no {layout.DATA_BRANCH}"
    return (f"{why} here: dvc gc -A deletes them, until it is pushed from where they were run",)


def import_step(
    shared: Shared, depot: Depot | None, moves: Sequence[BranchMove], data: DataMoved
) -> str:
    """Return the command that brings an import: the branch names its place; "" for none."""
    top, start = shared.workspace.top, shared.workspace.start
    if depot is None or top is None or not data.imported:
        return ""
    path = data.imported[0]
    reader = Reader(shared.repo)
    names = [
        move.branch
        for move in moves
        if (tip := move.after)
        and (
            path in _by_path(reader, tip) or objects.read_blob(shared.repo, tip, path) is not ABSENT
        )
    ]
    if not names:
        return ""
    first = (
        ""
        if refs.head(shared.repo).branch in names
        else f"git switch {shlex.quote(names[0])}, then "
    )
    root = dvc_config.find_dvc_dir(depot.project).parent
    folder = "" if start == root else f"--cd {shlex.quote(os.path.relpath(root, start))} "
    return f"{first}dvc {folder}pull {shlex.quote(os.path.relpath(top / path, root))}"


def follow(
    shared: Shared, depot: Depot | None, moves: Sequence[BranchMove], *, everything: bool = False
) -> tuple[str, ...]:
    """Bring outputs in work trees to what their branch says now; return what was left, and why.

    Only outputs whose hash changed, with `everything` all of them. What a person changed stays.
    Without data nothing is fetched. Nothing is an error here: the branches have moved.
    """
    if depot is None:
        return ()
    left: list[str] = []
    for move in moves:
        if move.after is None or (move.way is BranchOutcome.SAME and not everything):
            continue
        for place in checkouts.on_branch(shared.workspace, move.branch):
            left += _follow(shared, depot, move, place.top, everything=everything)
    return tuple(left)


def _check_no_dvc(shared: Shared, tips: Iterable[CommitHash]) -> None:
    """Refuse to call data absent that only this work tree has no DVC for."""
    for tip in tips:
        folder = ""
        with contextlib.suppress(GitexpError):
            folder = plans.config_of(shared.repo, tip)[0].project
        for place in {posixpath.join(folder, ".dvc"), ".dvc"}:
            if objects.tree_id(shared.repo, tip, place) is not ABSENT:
                raise PreconditionError(
                    "DVC's folder is not in this work tree",
                    found=f"{place} in {tip[:9]}",
                    where=str(shared.workspace.top),
                    expected="a work tree that has it, or --no-data to share only what Git holds",
                    next_step=f"git sparse-checkout add {shlex.quote(place)}, or switch to a "
                    "branch that has it",
                )


def _follow(
    shared: Shared, depot: Depot, move: BranchMove, top: Path, *, everything: bool
) -> Iterator[str]:
    assert move.after is not None  # noqa: S101 - see `follow`
    assert shared.workspace.top is not None  # noqa: S101 - see `places.opened`
    reader = Reader(shared.repo)
    old = {} if move.before is None else _by_path(reader, move.before)
    wanted = [
        out
        for path, out in _by_path(reader, move.after).items()
        if everything
        or (
            (path not in old or old[path].md5 != out.md5) and (shared.data or (top / path).exists())
        )
    ]
    if not wanted:
        return
    shown = "" if top == shared.workspace.top else f"{top}/"
    try:
        folder = depot.project.relative_to(shared.workspace.top).as_posix()
        project = project_folder(top, folder)
        cache = open_cache(project)
        remote = depot.remote
        if shared.data and remote is not None:
            if remote.folder is not None:
                source = exchange.folder_cache(remote.folder)
                exchange.send(source, cache, [out.md5 for out in wanted], strict=False)
            else:
                exchange.by_dvc(project, [move.after], trust=depot.trust)
        no = branch_code.refused(shared.repo, top, ((o.path, o.md5) for o in wanted), cache)
        with placement.main_lock(project):
            result = refresh(top, wanted, cache, no)
    except GitexpError as error:  # DVC is at work there, or the remote cannot be reached
        yield from (f"{shown}{out.path} ({error.summary})" for out in wanted)
    else:
        yield from (f"{shown}{each.path} ({each.why})" for each in result.left)


def _by_path(reader: Reader, commit: CommitHash) -> dict[str, Needed]:
    return {out.path: out for out in reader.of(commit).outs}


def _needs(shared: Shared, tips: Collection[CommitHash], data: CommitHash | Absent) -> Needs:
    return Reader(shared.repo).needs(_revs(shared, tips, data))


def _revs(
    shared: Shared, tips: Collection[CommitHash], data: CommitHash | Absent
) -> list[CommitHash]:
    """Return the tips and what in their history, and on gitexp/data, the remote has not."""
    ends = [*tips] if data is ABSENT else [*tips, data]
    return list(dict.fromkeys([*ends, *new_commits(shared, ends)]))


def _products(shared: Shared, tips: Collection[CommitHash]) -> Iterator[tuple[Md5, str]]:
    for tip in tips:
        for found in lookup.runs_at(shared.repo, tip):
            for repeat in found.run.repeats:
                for output in repeat.outputs:
                    yield output.md5, found.run.id


def _pointers(shared: Shared) -> Iterator[tuple[str, CommitHash]]:
    """Yield the runs that gitexp/data names, here or as any remote has it, with the commit."""
    every = refs.branches(shared.repo, layout.DATA_BRANCH)
    ours = refs.local(layout.DATA_BRANCH)
    tips = [tip for ref, tip in every if ref == ours or followed(ref) == layout.DATA_BRANCH]
    for info in objects.history(shared.repo, tips):
        for name, _ in Reader(shared.repo).files(info.tree):
            yield PurePosixPath(name).stem, info.hash


def _named(outs: Iterable[Needed], lacking: Collection[str]) -> tuple[str, ...]:
    return _few(dict.fromkeys(out.path for out in outs if out.md5 in lacking))


def _few(names: Collection[str]) -> tuple[str, ...]:
    more = len(names) - SHOWN
    return (*itertools.islice(names, SHOWN), *((f"and {more} more",) if more > 0 else ()))
