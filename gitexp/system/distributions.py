"""Installed distributions, read from the folders of ``sys.path`` alone, and files edited since.

`importlib.metadata` would cost 100 ms and has to run in the project's interpreter; folder names
and RECORD files say the same in a few milliseconds.

A *fingerprint* is the sha256 over those rows of RECORD that every installer writes alike, so that
pip and uv, with and without byte-compiling, in whatever folder, agree.

An edit in site-packages leaves RECORD as it is. (With uv's hard links it even reaches uv's cache,
and from there other environments.) So each pass compares sizes, and hashes a file whose state last
changed after it was installed (no program can set ``ctime`` back); a small index remembers it, so
that a copied environment is hashed once.

References
----------
.. [1] PEP 376, PEP 503, PEP 610, PEP 627.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.git import command
from gitexp.model import dataclass
from gitexp.model.run import Distribution
from gitexp.records import codec
from gitexp.text.fields import Fields
from gitexp.text.foreign import lines
from gitexp.text.jsontext import json_dumps_compact, json_loads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_UNSTABLE = frozenset(
    ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json", "uv_build.json")
)
_SCRIPTS = re.compile(r"(?:\.\./)+(?:bin|Scripts)/")  # their first line names the environment
_NAME = re.compile(r"[-_.]+")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")  # urllib.parse would cost 6 ms
_FIELDS = 3  # of a row in RECORD
_RECORD_LIMIT = 64 << 20
_FILE_URL = "file://"
_CODE = re.compile(r"\.(?:py|so|pyd)(?:\.[\d.]+)?$")
_PLAIN_DIFF = ("--no-ext-diff", "--no-textconv", "--no-color", "--binary", "--full-index")


@dataclass(frozen=True, slots=True)
class DistributionRow:
    """One row of RECORD; `digest` is empty for files that the installer did not hash."""

    path: str  # absolute
    digest: str  # "sha256=" and base64
    size: int | None


@dataclass(frozen=True, slots=True)
class Installed:
    """A distribution and where its metadata lie."""

    name: str  # PEP 503
    version: str
    folder: str  # the sys.path entry that holds it
    info: str  # its dist-info or egg-info
    source: str = ""  # folder it was installed from (PEP 610), "" for an archive or index
    editable: bool = False

    @property
    def loose(self) -> bool:
        """Whether it is an egg-info that lies in a project, and nothing that is installed."""
        return self.info.endswith(".egg-info") and not self.version

    def rows(self) -> tuple[str, ...]:
        """Return the lines of RECORD, none where there is no RECORD."""
        try:
            with open(f"{self.info}/RECORD", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123  109 of them a scan
                return tuple(lines(file.read(_RECORD_LIMIT)))
        except OSError:
            return ()


def scan(path: Iterable[str]) -> tuple[Installed, ...]:
    """Return the distributions on ``sys.path``, sorted by name; the first of a name wins."""
    found: dict[str, Installed] = {}
    sources: dict[str, Installed] = {}  # egg-info in a project's own folder: only if not installed
    for folder in path:
        for installed in _in_folder(folder):
            (sources if installed.loose else found).setdefault(installed.name, installed)
    return tuple(sorted({**sources, **found}.values(), key=lambda each: each.name))


def describe(installed: Installed, repository: str, index: RecordIndex) -> Distribution:
    """Return what is recorded of a distribution; of one of the repository name and path alone."""
    own = installed.folder if installed.loose else ""  # a project's, where an egg-info lies in it
    inside = relative(installed.source or own, repository)
    if inside is not None:
        return Distribution(installed.name, "", "", inside)
    if installed.editable:  # its RECORD hashes an absolute path, and its code is elsewhere
        # Of ours no more than its version: no result comes from what executes a repeat.
        its = installed.source if installed.name != "gitexp" else ""
        return Distribution(
            installed.name, installed.version, source_fingerprint(its) if its else ""
        )
    return Distribution(installed.name, installed.version, index.contents(installed).fingerprint)


def fingerprint(lines: Sequence[str]) -> str:
    """Return the sha256 over the stable rows of a RECORD, "" if there are none."""
    stable = sorted(line for line in lines if _is_stable(line))
    if not stable:
        return ""
    return hashlib.sha256("\n".join(stable).encode("utf-8", "surrogateescape")).hexdigest()


def source_fingerprint(folder: str) -> str:
    """Return a sha256 over the code that an editable install leads to.

    Where Git has it, over the folder's tree and what is changed or new since, ignored files left
    out; else over its Python files.
    """
    path, total = Path(folder), hashlib.sha256()
    if not path.is_dir():
        return ""
    try:
        total.update(command.run(path, ["rev-parse", "--verify", "--quiet", "HEAD:./"]))
        changed = command.run(path, ["status", "--porcelain", "-z", "--untracked-files=all", "."])
        if changed:
            total.update(command.run(path, ["diff", *_PLAIN_DIFF, "HEAD", "--", "."]))
            new = command.run(path, ["ls-files", "--others", "--exclude-standard", "-z", "."])
    except GitexpError:
        return code_digest(path)
    for name in filter(None, new.split(b"\0") if changed else ()):
        total.update(b"\0" + name + _content(path / os.fsdecode(name)))
    return total.hexdigest()


def code_digest(path: Path) -> str:
    """Return a sha256 over a module: a file, or the Python files of a folder."""
    if path.is_file():
        return hashlib.sha256(_content(path)).hexdigest()
    total = hashlib.sha256()
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(n for n in folders if n != "__pycache__" and not n.startswith("."))
        if "pyvenv.cfg" in names:  # another environment
            folders.clear()
            continue
        for name in sorted(filter(_CODE.search, names)):
            file = Path(folder, name)
            total.update(os.fsencode(file.relative_to(path)) + b"\0" + _content(file))
    return total.hexdigest()


def _content(file: Path) -> bytes:
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError:
        return b"?"


def parse_row(line: str, folder: str) -> DistributionRow | None:
    """Return one row of RECORD, None for a line that is none."""
    fields = line.rsplit(",", _FIELDS - 1)
    if len(fields) != _FIELDS:
        return None
    name, digest, size = fields
    if name.startswith('"'):
        name = name[1:-1].replace('""', '"')
    path = os.path.normpath(f"{folder}/{name}")
    if name.startswith("../"):  # `pip install --target` moves scripts and data into the folder
        moved = os.path.normpath(f"{folder}/{name.lstrip('./')}")
        path = moved if os.path.exists(moved) else path  # noqa: PTH110  thousands of them a pass
    return DistributionRow(path, digest, int(size) if size.isdecimal() else None)


def relative(path: str, repository: str) -> str | None:
    """Return a path's POSIX form below the repository ("." for its top), None if it is outside."""
    if not path:
        return None
    real = os.path.realpath(path)
    if real == repository:
        return "."
    if real.startswith(repository.rstrip(os.sep) + os.sep):
        return os.path.relpath(real, repository).replace(os.sep, "/")
    return None


def entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """Return what lies in a folder; nothing of a zip file, or where there is none."""
    try:
        with os.scandir(folder) as found:
            return [*found]
    except OSError:
        return []


def normalise(name: str) -> str:
    """Return a distribution's name as PEP 503 compares it.

    >>> normalise("Ruamel.Yaml__x")
    'ruamel-yaml-x'
    """
    return _NAME.sub("-", name).lower()


def _in_folder(folder: str) -> list[Installed]:
    found = []
    names = (entry.name for entry in entries(folder))
    for entry in sorted(name for name in names if name.endswith((".dist-info", ".egg-info"))):
        name, _, version = entry.rpartition(".")[0].partition("-")
        info = f"{folder}/{entry}"
        source, editable = ("", False)
        if entry.endswith(".dist-info"):
            source, editable = _direct_url(info)
        else:
            version = version.partition("-py")[0]
        found.append(Installed(normalise(name), version, folder, info, source, editable))
    return found


def _direct_url(info: str) -> tuple[str, bool]:
    try:
        with open(f"{info}/direct_url.json", "rb") as file:  # noqa: PTH123  109 of them a scan
            data = file.read(1 << 16)
    except OSError:
        return "", False
    value = json_loads(data, where=f"{info}/direct_url.json")
    if not isinstance(value, dict) or "dir_info" not in value:
        return "", False
    kind, url = value["dir_info"], value.get("url")
    editable = isinstance(kind, dict) and kind.get("editable") is True
    if not isinstance(url, str) or not url.startswith(_FILE_URL):
        return "", editable
    path = url.removeprefix(_FILE_URL).encode()
    decoded = _ESCAPE.sub(lambda hit: bytes([int(hit[1], 16)]), path)
    return os.fsdecode(decoded), editable


def _is_stable(line: str) -> bool:
    name = line.partition(",")[0].strip('"')
    own = name.endswith(".pyc") or name.rpartition("/")[2] in _UNSTABLE or _SCRIPTS.match(name)
    return bool(name) and not own


FileState = tuple[int, int, int, int]  # size, mtime_ns, ctime_ns, inode
INSTALLING_NS = 60_000_000_000  # an installer writes RECORD last, this long after the first file
_INDEX_LIMIT = 256 << 20
_SHA256 = "sha256="
_BLOCK = 1 << 20
_MOST = 50  # named in a record
_UNSIZED = -1
_MODULE = re.compile(r'^"?([A-Za-z_]\w*)(?:/[^,\n]*)?\.(?:py|so|pyd)\b', re.MULTILINE)
_PTH = re.compile(r'^"?([^/,\n"]+\.pth)\b', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a RECORD says; true for as long as that file stays as it is."""

    record: tuple[int, ...]  # its state
    empty: bool
    fingerprint: str
    modules: tuple[str, ...]  # that can be imported
    pth: tuple[str, ...]
    files: str  # paths of those that it hashes, one a line
    sizes: tuple[int, ...]

    def doubtful(self, folder: str) -> dict[str, FileState | None]:
        """Return files with another size, or changed since the installer was there, with state.

        Without what lies beside the `folder` of the distribution: scripts, which nothing imports,
        and whose first line is another one in an environment that was moved.
        """
        inside, settled = os.path.join(os.path.normpath(folder), ""), _settled(self.record)  # noqa: PTH118  text
        found: dict[str, FileState | None] = {}
        for path, size in zip(self.files.split("\n"), self.sizes, strict=False):
            if path.startswith(inside):
                try:
                    seen = os.stat(path)  # noqa: PTH116  14,000 of them a pass
                except OSError:
                    found[path] = None
                    continue
                if seen.st_size != size or seen.st_ctime_ns > settled:
                    found[path] = file_state(path)
        return found


@dataclass(frozen=True, slots=True)
class _Kept:
    records: Mapping[str, Contents]  # by folder of metadata
    sound: Mapping[str, tuple[int, ...]]  # state of a late file when its hash was last right


class RecordIndex:
    """What is known of RECORDs and of the files they name, kept in a file of the cache."""

    def __init__(self, file: SealedFile | None = None) -> None:
        self._file = file
        self._before = _read_index(file)
        self._records: dict[str, Contents] = {}
        self._sound: dict[str, tuple[int, ...]] = {}

    def contents(self, installed: Installed) -> Contents:
        """Return what a RECORD says, read afresh where it is another one."""
        info = installed.info
        if info not in self._records:
            state = file_state(f"{info}/RECORD") or ()
            known = self._before.records.get(info)
            right = known is not None and known.record == state
            self._records[info] = known if known and right else _contents(installed, state)
        return self._records[info]

    def is_sound(self, row: DistributionRow, state: FileState) -> bool:
        """Whether a file is as its row says; what was hashed once is not hashed again."""
        if self._before.sound.get(row.path) != state and not _is_sound(row, state):
            return False
        self._sound[row.path] = state
        return True

    def save(self) -> None:
        """Write what is known now, if it is something else."""
        now = _Kept(self._records, self._sound)
        if self._file is not None and now != self._before:
            self._file.write(json_dumps_compact(codec.to_json(now)))


def patched_files(installed: Iterable[Installed], index: RecordIndex) -> tuple[str, ...]:
    """Return a few files that differ from their RECORD, as ``name: file``."""
    changed: list[str] = []
    for each in installed:
        if not each.source:  # installed from a folder: the builder wrote it, RECORD may hash a path
            changed += _changed(each, index)
    changed.sort()
    rest = len(changed) - _MOST
    return tuple(changed[:_MOST]) + ((f"and {rest} more",) if rest > 0 else ())


def _changed(each: Installed, index: RecordIndex) -> Iterator[str]:
    doubtful = index.contents(each).doubtful(each.folder)
    for row in _hashed_rows(each, each.rows()) if doubtful else ():
        if row.path in doubtful:
            state, path = doubtful[row.path], os.path.relpath(row.path, each.folder)
            if state is None:
                yield f"{each.name}: {path} is missing"
            elif not index.is_sound(row, state):
                yield f"{each.name}: {path}"


def _settled(record: tuple[int, ...]) -> int:
    return record[2] + INSTALLING_NS if record else 0


def _contents(installed: Installed, state: tuple[int, ...]) -> Contents:
    rows = installed.rows()
    text, hashed = "\n".join(rows), [*_hashed_rows(installed, rows)]
    return Contents(
        state,
        not text,
        fingerprint(rows),
        tuple(sorted({*_MODULE.findall(text)} - {"__pycache__"})),
        tuple(sorted({*_PTH.findall(text)})) if ".pth" in text else (),
        "\n".join(row.path for row in hashed),
        tuple(_UNSIZED if row.size is None else row.size for row in hashed),
    )


def _hashed_rows(installed: Installed, rows: Iterable[str]) -> Iterator[DistributionRow]:
    for line in rows:
        row = parse_row(line, installed.folder) if _SHA256 in line else None
        if row is not None and row.digest.startswith(_SHA256) and not row.path.endswith(".pyc"):
            yield row


def _is_sound(row: DistributionRow, state: FileState) -> bool:
    if row.size is not None and row.size != state[0]:
        return False
    digest = hashlib.sha256()
    try:
        with open(row.path, "rb") as file:  # noqa: PTH123  10,000 of them a pass
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError:
        return False
    text = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
    return text == row.digest[len(_SHA256) :]


def file_state(path: str) -> FileState | None:
    """Return what changes when somebody writes to a file; None where it is not there."""
    try:
        seen = os.stat(path)  # noqa: PTH116  10,000 of them a pass
    except OSError:
        return None
    return seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino


def _read_index(file: SealedFile | None) -> _Kept:
    nothing = _Kept({}, {})
    if file is None:
        return nothing
    where = str(file.path)
    try:
        value = json_loads(file.read(), where=where, limit=_INDEX_LIMIT)
        return codec.read(_Kept, Fields(value, where))
    except (OSError, GitexpError):  # a cache that cannot be read is an empty one
        return nothing


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A file of a cache in the work tree, where a branch may track one: it counts by its seal."""

    path: Path
    user: bytes  # the key of whoever wrote it

    def read(self) -> bytes:
        """Return what was written; nothing where somebody else did."""
        seal, _, data = self.path.read_bytes().partition(b"\n")
        return data if hmac.compare_digest(seal, self._seal(data)) else b""

    def write(self, data: bytes) -> None:
        """Write all of it or nothing; without room the next pass is slower."""
        half = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            half.parent.mkdir(exist_ok=True)
            half.write_bytes(self._seal(data) + b"\n" + data)
            half.replace(self.path)
        except OSError:
            half.unlink(missing_ok=True)

    def _seal(self, data: bytes) -> bytes:
        named = self.path.name.encode() + b"\n" + data
        return hashlib.blake2b(named, key=self.user, digest_size=20).hexdigest().encode()
