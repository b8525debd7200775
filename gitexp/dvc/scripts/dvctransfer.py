"""DVC's own push and fetch, of given commits, in a process of its own.

Started as a file (``python -I dvctransfer.py``), so that it needs nothing of gitexp. DVC's talk
goes to stderr.

A commit names places, too: where an import came from, with settings that may be a program. None of
them is asked: what DVC would bring from there is left out, and named.

Stdin: ``{"verb": "push"|"fetch", "root": PATH, "top": PATH, "revs": [HASH, ...], "objects": [MD5,
...]}``, both paths absolute, `top` that of the Git work tree; objects are fetched instead of what
revs need. Stdout, last line: ``{"count": NUMBER, "imports": [PATH, ...], "left": {HASH: TEXT},
"missing": [MD5, ...]}``, paths of ``.dvc`` files from the top of the Git repository; commits that
DVC passes over with a warning, and why; objects that it finds nowhere. Or ``{"error": TEXT}``.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING

from dvc import output
from dvc.config import Config
from dvc.exceptions import DvcException
from dvc.fs import LocalFileSystem
from dvc.repo import Repo
from dvc.repo import fetch as collecting
from dvc.scm import SCM
from dvc.stage import loader
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.index import fetch as fetching
from dvc_data.index import push as pushing

if TYPE_CHECKING:
    from dvc.dvcfile import SingleStageFile
    from dvc.stage import Stage
    from dvc_data.hashfile.status import CompareStatusResult
    from dvc_data.index import DataIndexEntry

_ASKED = frozenset({"repo", "db", "files", "version_id"})  # of a dependency: DVC goes there itself
_imports: dict[str, None] = {}
_left: dict[str, str] = {}
_missing: dict[str, None] = {}


def transfer(
    verb: str, root: str, top: str, revs: list[str], objects: list[str]
) -> dict[str, object]:
    """Move what the commits need, nothing of the work tree, to or from its remote of today.

    DVC would go by the settings that each commit holds: one from before the remote was set has
    nowhere to send to, and one of somebody else has an address of his. So those of the work tree
    stand in for them. Nor does DVC look for Git's repository on its way up from `root`: it would
    take a folder for one that merely has some of its names.
    """
    Config._load_config = _of_work_tree  # noqa: SLF001  there is no other way in
    output.get_cloud_fs = lambda _config, url, **_: (LocalFileSystem, {}, url)
    loader.fill_stage_dependencies = lambda _stage, **_: None
    loader.SingleStageLoader.load_stage = staticmethod(_pointer)
    collecting._collect_indexes = _collect  # noqa: SLF001  there is no other way in
    for module in (pushing, fetching):
        module._log_missing = _note_missing  # type: ignore[attr-defined]  # noqa: SLF001
    try:
        git = SCM(top, search_parent_directories=False)
        with Repo(root, scm=git) as here:
            today = {
                "core": {"remote": here.config["core"].get("remote")},
                "remote": dict(here.config["remote"]),
                "cache": dict(here.config["cache"]),
            }
        with Repo(root, config=today, scm=git) as repo:
            if objects:
                wanted = [HashInfo("md5", md5) for md5 in objects]
                done = repo.cloud.pull(wanted)
                count = len(done.transferred)
            else:
                move = repo.push if verb == "push" else repo.fetch
                count = int(move(revs=revs, workspace=False))
            return {"count": count, "imports": [*_imports], "left": _left, "missing": [*_missing]}
    except (DvcException, OSError) as error:
        return {"error": _told(error)}


def _told(error: BaseException | None) -> str:
    causes: list[str] = []
    while error is not None:
        causes.append(str(error))
        error = error.__cause__
    return " ".join(": ".join(filter(None, causes)).split())


_collect_indexes = collecting._collect_indexes  # noqa: SLF001


def _collect(*args: object, **options: object) -> object:
    def keep(rev: str, entry: DataIndexEntry | None, error: Exception) -> None:
        if entry is None:
            _left[rev] = _told(error)
        elif entry.hash_info is not None:  # a folder of which nobody has the list
            _missing[str(entry.hash_info.value)] = None

    return _collect_indexes(*args, **{**options, "onerror": keep})


def _note_missing(status: CompareStatusResult) -> None:
    _missing.update(dict.fromkeys(str(each.value) for each in status.missing))


_load = Config._load_config  # noqa: SLF001


def _of_work_tree(config: Config, level: str) -> dict[str, object]:
    """Read one file of settings, but none from a commit."""
    if level == "repo" and not isinstance(config.fs, LocalFileSystem):
        return {}
    found: dict[str, object] = _load(config, level)
    return found


_load_pointer = loader.SingleStageLoader.load_stage


def _pointer(file: SingleStageFile, found: dict[str, list[dict[str, object]]], text: str) -> Stage:
    """Load a ``.dvc`` file without its source; a hash is looked for as any is."""
    deps = found.pop("deps", None) or []
    outs = found.get("outs") or []
    if deps and not (all("md5" in out for out in outs) and all(map(_ASKED.isdisjoint, deps))):
        _imports[file.path.lstrip("/")] = None
        found["outs"] = []
    return _load_pointer(file, found, text)


def main() -> int:
    """Answer one question."""
    asked = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        answer = transfer(**asked)
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
