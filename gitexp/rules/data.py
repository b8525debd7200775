"""R5 and R10: data belong to DVC and to its remote, and what is large does not belong to Git.

Which paths DVC tracks, a tree's own files say; only folders above a path are looked at.
"""

from __future__ import annotations

import contextlib
import posixpath
import shlex
from typing import TYPE_CHECKING, Final

from gitexp.dvc import dvcpipeline
from gitexp.dvc.dvcfiles import DvcFiles, bound
from gitexp.dvc.dvcpipeline import declared_outs
from gitexp.errors import GitexpError
from gitexp.git.transaction.layout import CONCLUSIONS, CONFIG, ENVIRONMENTS, PLANS, RUNS, WITNESSES
from gitexp.git.tree import FILE_MODES
from gitexp.model import replace
from gitexp.model.ids import BlobId, CommitHash
from gitexp.model.rules import Policy
from gitexp.rules.facts import Facts, Finding, Rule, settings
from gitexp.rules.recorded import readable_runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


_OUTPUTS = "outputs: in .gitexp/config.yaml"
LOCK = "dvc.lock"
PIPELINE = "dvc.yaml"


class Tracked:
    """Answers for the paths of one commit; each of DVC's files is read once."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._outputs: dict[str, str] = {}  # by DVC's own files
        self._named = {
            posixpath.join(facts.config.project, output) for output in facts.config.outputs
        }
        self._git_has: set[str] = set()  # by DVC's own files, too, whatever the settings name
        self._read_folders: set[str] = set()
        self._held = 0  # bytes
        self._files = DvcFiles(self._read, starts=lambda _: None)

    def by(self, path: str) -> str | None:
        """Return which file says that DVC tracks a path, or a folder above it; None if none."""
        above = [path]
        while above[-1]:
            above.append(above[-1].rpartition("/")[0])
        for folder in above[1:]:
            self._declare(folder)
        file = next((self._outputs[part] for part in above if part in self._outputs), None)
        nearest = next((part for part in above if part in self._named | self._git_has), None)
        return file or (None if nearest is None or nearest in self._git_has else _OUTPUTS)

    def declared(self, folders: Iterable[str]) -> frozenset[str]:
        """Return every path that the settings, or the files in these folders, declare."""
        for folder in folders:
            self._declare(folder)
        return frozenset(self._outputs.keys() | self._named - self._git_has)

    def _declare(self, folder: str) -> None:
        if folder in self._read_folders:
            return
        self._read_folders.add(folder)
        names = self._facts.tree.folder(folder)
        for name, entry in names.items():
            if name.endswith(".dvc") and name != ".dvc" and entry.mode in FILE_MODES:
                file = posixpath.join(folder, name)
                with contextlib.suppress(GitexpError):  # R6 says what cannot be read
                    outs = self._files.outs(file)
                    self._outputs.update(dict.fromkeys((out.path for _, out in outs), file))
        if PIPELINE in names or LOCK in names:
            self._outputs.update(self._pipeline(folder))

    def _pipeline(self, folder: str) -> dict[str, str]:
        """Return what a pipeline declares; of a templated one what its lock recorded."""
        file = posixpath.join(folder, PIPELINE)
        not_cached = {
            posixpath.join(self._facts.config.project, name)
            for name in (*self._facts.config.metrics, *self._facts.config.curves)
        }
        try:
            pipeline = self._files.pipeline(file)
            if pipeline is None:
                return {}
            # Made by a run, and Git's unless a stage says otherwise.
            top = {*pipeline.metrics, *pipeline.plots, *pipeline.artifacts}
            self._git_has |= top
            not_cached.update(top)
            if not pipeline.needs_dvc:
                outs = [out for stage in pipeline.stages for out in stage.outs]
                self._git_has.update(out.path for out in outs if not out.cache)
                return dict.fromkeys((out.path for out in outs if out.cache), file)
            lock = posixpath.join(folder, LOCK)
            data = self._files.data(file) or b""
            declared = declared_outs(data, file, folder)
            paths: set[str] = set()
            for name, out in self._files.outs(lock):
                mine = declared.get(name.partition("@")[0])
                if mine is not None:
                    cached = not any(not kept and each.may_be(out.path) for each, kept in mine)
                    (paths if cached else self._git_has).add(out.path)
        except GitexpError:
            return {}  # R6 says what cannot be read
        return dict.fromkeys(paths - not_cached, lock)

    def _read(self, path: str) -> bytes | None:
        data = self._facts.tree.read(path, dvcpipeline.LIMIT)
        self._held += len(data or b"")
        bound(self._held, path)
        return data


_MIB = 1 << 20
_RECORDED: Final = frozenset(("environment.json", "run.json", "samples.csv"))


def _committed(facts: Facts) -> Iterator[Finding]:
    """Look at every file that a commit adds or changes; records of gitexp have own limits.

    What DVC tracks, the last commit of a range says, and what that has no more is mended: a branch
    with runs is not written anew. The bytes of a large file are still sent with it.
    """
    limit = facts.config.git_file_limit_bytes
    last = facts.last or facts.tree
    then = ", and commit it" if facts.made else ""
    tracked = Tracked(replace(facts, tree=last, config=settings(last)) if facts.last else facts)
    for change in facts.changes:
        if not change.is_file or change.new is None or _is_record(change.path):
            continue
        quoted = shlex.quote(change.path)
        step = f"git rm --cached {quoted}"
        there = last.entry(change.path) == change.new
        by = tracked.by(change.path) if there else None
        if by is not None:
            what = f"DVC tracks {change.path} ({by}), and it is committed to Git"
            yield Finding(what, step + then, change.path)
            continue
        size = facts.objects.size(BlobId(change.new.id))
        if size > limit:
            most = f"{limit / _MIB:.3g} MiB"
            what = f"{change.path} has {size / _MIB:.1f} MiB; Git takes files of {most} here"
            if there:
                yield Finding(what, f"{step} && dvc add {quoted}" + then, change.path)
            else:
                what += "; it is gone, and its bytes are in the history"
                step = "nothing, or a rebase while nobody has it"
                yield Finding(what, step, change.path, at_most=Policy.WARN)


def _is_record(path: str) -> bool:
    if path.startswith((f"{RUNS}/", f"{ENVIRONMENTS}/")):
        return posixpath.basename(path) in _RECORDED
    told = path.startswith((f"{PLANS}/", f"{CONCLUSIONS}/", f"{WITNESSES}/"))
    return path == CONFIG or (told and path.endswith((".yaml", ".json", ".tsr")))


R5: Final = Rule(
    "R5",
    "what DVC tracks, or is larger than limits.git_file, is not committed to Git",
    Policy.WARN,
    _committed,
)


def _sent(facts: Facts) -> Iterator[Finding]:
    """Ask about a commit that names data otherwise than its parents; one to be is not pushed."""
    changed = (change.path for change in facts.changes if change.new is not None)
    if not facts.commit or not any(map(_names_data, changed)):
        return
    repeats = (repeat for _, run in readable_runs(facts) for repeat in run.repeats)
    made = [output for repeat in repeats for output in repeat.outputs]
    if lacking := facts.outside.unsent(CommitHash(facts.commit), made):
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        what = f"{lacking[0]}{more} of this commit is not on the DVC remote"
        yield Finding(what, "gitexp push", lacking[0])


def _names_data(path: str) -> bool:
    name = posixpath.basename(path)
    return name == LOCK or name.endswith(".dvc") or path.startswith(f"{RUNS}/")


R10: Final = Rule("R10", "data that pushed commits name are on the DVC remote", Policy.WARN, _sent)
