"""What is installed, read from the folders of ``sys.path`` alone.

`importlib.metadata` would cost 100 ms and has to run in the project's interpreter; folder names
and RECORD files say the same in a few milliseconds.

A *fingerprint* is the sha256 over those rows of RECORD that every installer writes alike, so that
pip and uv, with and without byte-compiling, in whatever folder, agree.

References
----------
.. [1] PEP 376, PEP 503, PEP 610, PEP 627.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.model.run import Distribution
from gitexp.text.jsontext import json_loads

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_UNSTABLE = frozenset(
    ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json", "uv_build.json")
)
_SCRIPTS = re.compile(r"(?:\.\./)+(?:bin|Scripts)/")  # their first line names the environment
_NAME = re.compile(r"[-_.]+")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")  # urllib.parse would cost 6 ms
_FIELDS = 3  # of a row in RECORD
_RECORD_LIMIT = 64 << 20
_FILE_URL = "file://"


@dataclass(frozen=True, slots=True)
class Row:
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

    def rows(self) -> tuple[str, ...]:
        """Return the lines of RECORD, none where there is no RECORD."""
        try:
            with open(f"{self.info}/RECORD", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123  109 of them a scan
                return tuple(file.read(_RECORD_LIMIT).splitlines())
        except OSError:
            return ()


def scan(path: Iterable[str]) -> tuple[Installed, ...]:
    """Return the distributions on ``sys.path``, sorted by name; the first of a name wins."""
    found: dict[str, Installed] = {}
    sources: dict[str, Installed] = {}  # egg-info in a project's own folder: only if not installed
    for folder in path:
        for installed in _in_folder(folder):
            loose = installed.info.endswith(".egg-info") and not installed.version
            (sources if loose else found).setdefault(installed.name, installed)
    return tuple(sorted({**sources, **found}.values(), key=lambda each: each.name))


def describe(installed: Installed, repository: str) -> Distribution:
    """Return what the environment's record says of a distribution.

    One that was installed from a folder of the repository is covered by the run's inputs: name
    and relative path are all that counts.
    """
    inside = relative(installed.source or _own_folder(installed), repository)
    if inside is not None:
        return Distribution(installed.name, "", "", inside)
    if installed.editable:  # its RECORD hashes an absolute path
        return Distribution(installed.name, installed.version, "")
    return Distribution(installed.name, installed.version, fingerprint(installed.rows()))


def fingerprint(lines: Sequence[str]) -> str:
    """Return the sha256 over the stable rows of a RECORD, "" if there are none."""
    stable = sorted(line for line in lines if _is_stable(line))
    if not stable:
        return ""
    return hashlib.sha256("\n".join(stable).encode("utf-8", "surrogateescape")).hexdigest()


def parse_row(line: str, folder: str) -> Row | None:
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
    return Row(path, digest, int(size) if size.isdigit() else None)


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


def normalise(name: str) -> str:
    """Return a distribution's name as PEP 503 compares it.

    Examples
    --------
    >>> normalise("Ruamel.Yaml__x")
    'ruamel-yaml-x'
    """
    return _NAME.sub("-", name).lower()


def _in_folder(folder: str) -> list[Installed]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                entry.name for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))
            )
    except OSError:  # a zip file, or not there
        return []
    found = []
    for entry in names:
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
    """Return the folder that a distribution was installed from, and whether it is editable."""
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


def _own_folder(installed: Installed) -> str:
    """Return the folder of an egg-info that lies in a project, "" for what is installed."""
    loose = installed.info.endswith(".egg-info") and not installed.version
    return installed.folder if loose else ""


def _is_stable(line: str) -> bool:
    name = line.partition(",")[0].strip('"')
    return not (
        not name
        or name.endswith(".pyc")
        or name.rpartition("/")[2] in _UNSTABLE
        or _SCRIPTS.match(name)
    )
