"""Lines of ``.gitignore`` and ``.dvcignore`` about outputs, written and read as DVC does it.

The lines matter beyond Git: DVC hashes a ``.gitignore`` that lies in a folder on which a stage
depends, so in a job's worktree they have to be there when DVC would have written them.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import shlex
from typing import TYPE_CHECKING

from gitexp.dvc import dvc_config, hashing, links
from gitexp.errors import BadFormatError, DataMissingError, PreflightError, UnsafeInputError
from gitexp.git.worktree import status
from gitexp.text import foreign, points
from gitexp.text.foreign import lines, with_parents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from gitexp.dvc.hashing import Ignored
    from gitexp.model.workspace import Workspace

NAME = ".gitignore"
_SHOWN = 10  # files that an error names
SPECIAL = frozenset("[]!*#?")


def ignore_line(name: str) -> str:
    r"""Return the line for a name in the folder of the ``.gitignore``.

    >>> print(ignore_line("a[1]*?!# b.txt"))
    /a\[1\]\*\?\!\# b.txt
    """
    return "/" + "".join(f"\\{one}" if one in SPECIAL else one for one in name)


def _git_lines(data: bytes) -> list[str]:
    """Return the lines of a file as Git ends them: at newlines alone."""
    text = data.decode("utf-8", "surrogateescape")
    return [line.removesuffix("\r") for line in text.split("\n")]


def ignore_lines(existing: bytes, names: Iterable[str]) -> bytes:
    r"""Return a ``.gitignore`` with a line for each name that has none; a missing newline first.

    >>> ignore_lines(b"*.pyc", ["model", "model"])
    b'*.pyc\n/model\n'
    """
    return with_lines(existing, map(ignore_line, names))


def joined(old: bytes, new: bytes) -> bytes:
    r"""Return an ignore file with the lines of another one that it lacks.

    >>> joined(b"/a\n/b", b"/b\n/c\n")
    b'/a\n/b\n/c\n'
    """
    return with_lines(old, filter(None, _git_lines(new)))


def with_lines(existing: bytes, wanted: Iterable[str]) -> bytes:
    """Return an ignore file with each of these lines, a missing newline before the first."""
    lines = set(_git_lines(existing))
    content = existing
    for line in wanted:
        if line in lines:
            continue
        lines.add(line)
        if content and not content.endswith(b"\n"):
            content += b"\n"
        content += line.encode("utf-8", "surrogateescape") + b"\n"
    return content


def ignore_files(existing: Mapping[str, bytes], paths: Iterable[str]) -> dict[str, bytes]:
    """Return the ``.gitignore`` files, by path, that have to change so that no path is tracked.

    None is new in the folder of `gitexp.log_metric`, which ignores itself: another one in a commit
    would be edited wherever a script has logged.
    """
    patterns = [
        moved(line, posixpath.dirname(file))
        for file in sorted(existing, key=lambda one: one.count("/"))
        for line in _git_lines(existing[file])
        if line.strip() and not line.startswith("#")
    ]
    ignored = foreign.matcher(patterns)
    names: dict[str, list[str]] = {}
    for path in paths:
        folder, name = posixpath.split(path)
        itself = _ignoring_itself(path)
        if not (ignored(path) or ignored(f"{path}/")) and (not itself or itself in existing):
            names.setdefault(posixpath.join(folder, NAME), []).append(name)
    changed = {file: ignore_lines(existing.get(file, b""), new) for file, new in names.items()}
    return {file: new for file, new in changed.items() if new != existing.get(file, b"")}


def _ignoring_itself(path: str) -> str:
    """Return the ``.gitignore`` of the folder of `gitexp.log_metric` above a path; "" without."""
    above = with_parents(path)[1:]
    name = posixpath.dirname(points.FOLDER)
    return next((f"{at}/{NAME}" for at in above if posixpath.basename(at) == name), "")


def hide(project: Path, path: str) -> None:
    """Let such a folder ignore itself, unless it has lines of its own."""
    file = _ignoring_itself(path)
    if file and not os.path.lexists(project / file):
        write(project, file, b"*\n")


def protect(project: Path, paths: Iterable[str]) -> None:
    """Write the missing lines for existing outputs into a worktree's ``.gitignore`` files."""
    top = dvc_config.top_of(project)
    if not (top / ".git").exists():
        return
    below = project.relative_to(top).as_posix()
    full = [posixpath.normpath(posixpath.join(below, path)) for path in paths]
    for file, content in missing(top, full).items():
        with contextlib.suppress(UnsafeInputError):  # behind a link it is not the worktree's
            write(top, file, content)


def missing(top: Path, paths: Iterable[str]) -> dict[str, bytes]:
    """Return the ``.gitignore`` files of a work tree that lack a line, as they should be."""
    full = list(paths)
    existing: dict[str, bytes] = {}
    for file in ignore_places(full):
        try:
            existing[file] = (top / file).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
    return ignore_files(existing, full)


def write(top: Path, file: str, content: bytes) -> None:
    """Replace a ``.gitignore`` of a work tree at one stroke."""
    above, _, name = file.rpartition("/")
    folder = links.open_folder(str(top), above, create=False)
    temporary = f".gitexp-{os.getpid()}-ignore"
    try:
        descriptor = os.open(temporary, links.CREATE, 0o666, dir_fd=folder)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.close(folder)


def ignore_places(paths: Iterable[str]) -> set[str]:
    """Return where a ``.gitignore`` may lie that acts on some paths."""
    return {posixpath.join(at, NAME) for path in paths for at in ("", *with_parents(path)[1:])}


def refuse_tracked(workspace: Workspace, project: str, outputs: Iterable[str]) -> None:
    """Refuse outputs that Git holds; raises `PreflightError`."""
    paths = [posixpath.join(project, path) for path in outputs]
    tracked = sorted(status.tracked(workspace, paths))
    if tracked:
        more = f" and {len(tracked) - _SHOWN} more" if len(tracked) > _SHOWN else ""
        raise PreflightError(
            "Git holds files that a run makes",
            found=", ".join(tracked[:_SHOWN]) + more,
            expected="outputs in the DVC cache, not in Git",
            next_step=f"git rm --cached {shlex.join(tracked[:_SHOWN])}"
            + more
            + ", commit, then gitexp init; or name other outputs, if that is no output",
        )


def refuse_ignored_pointers(workspace: Workspace, project: str, outputs: Iterable[str]) -> None:
    """Refuse outputs whose ``.dvc`` file Git would ignore: DVC does not see such a file."""
    pointers = {posixpath.join(project, f"{path}.dvc"): path for path in outputs}
    ignored = status.ignoring(workspace, pointers)
    for pointer, (pattern, file) in sorted(ignored.items()):
        alone = pointer.removesuffix(".dvc").removeprefix(f"{posixpath.dirname(file)}/")
        raise PreflightError(
            "the pointers to outputs would be ignored by Git, and so by DVC",
            found=f"{', '.join(sorted(ignored)[:10])}: {pattern} in {file}",
            expected=f"an ignore pattern for {pointers[pointer]} itself, not for its folder",
            next_step=f"write /{alone} instead of {pattern} in {file}; DVC adds its own",
        )


DVCIGNORE = ".dvcignore"
LIMIT_BYTES = 1 << 20


def load_dvcignore(folder: Path) -> Ignored | None:
    """Return what ``.dvcignore`` files above `folder` hide below it; None: nothing."""
    above: list[Path] = []
    for place in folder.absolute().parents:
        above.append(place)
        if (place / ".dvc").is_dir() or (place / ".git").exists():
            break
    top = above[-1]
    patterns: list[str] = []
    for place in reversed(above):
        lines = _lines(place / DVCIGNORE)
        prefix = place.relative_to(top).as_posix()
        patterns += [moved(line, "" if prefix == "." else prefix) for line in lines]
    if not patterns:
        return None
    hides = foreign.matcher(patterns)
    start = len(str(top).rstrip("/")) + 1

    def ignored(path: str, is_folder: bool) -> bool:  # noqa: FBT001 - the walk's callback
        return hides(path[start:] + ("/" if is_folder else ""))

    return ignored


def moved(pattern: str, folder: str) -> str:
    """Return a pattern that means at the top what `pattern` means in `folder`.

    >>> moved("*.tmp", "data"), moved("!raw/x", "data"), moved("/a", "")
    ('/data/**/*.tmp', '!/data/raw/x', '/a')
    """
    if not folder:
        return pattern
    sign = "!" if pattern.startswith("!") else ""
    body = pattern[len(sign) :]
    anchored = "/" in body.rstrip("/")
    return f"{sign}/{folder}/{'' if anchored else '**/'}{body.lstrip('/')}"


def _lines(file: Path) -> list[str]:
    try:
        data = hashing.read_regular(file, LIMIT_BYTES + 1)
    except DataMissingError:
        return []
    if len(data) > LIMIT_BYTES:
        raise BadFormatError("a .dvcignore is too large", where=str(file))
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise BadFormatError("a .dvcignore is not UTF-8", where=str(file)) from error
    stripped = (line.strip() for line in lines(text))
    return [line for line in stripped if line and not line.startswith("#")]
