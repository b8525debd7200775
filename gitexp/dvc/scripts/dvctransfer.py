"""DVC's own push and fetch, of given commits, in a process of its own.

Started as a file (``python -I dvctransfer.py``), so that it needs nothing of gitexp. DVC's talk
goes to stderr.

A commit names places, too: where an import came from, with settings that may be a program. None of
them is asked: what DVC would bring from there is left out, and named.

Stdin: ``{"verb": "push"|"fetch", "root": PATH, "top": PATH, "revs": [HASH, ...], "objects": [MD5,
...]}``, both paths absolute, `top` that of the Git work tree; objects are fetched instead of what
revs need. Stdout, last line: ``{"count": NUMBER, "imports": [PATH, ...]}``, paths of ``.dvc`` files
from the top of the Git repository, or ``{"error": TEXT}``.
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
from dvc.scm import SCM
from dvc.stage import loader
from dvc_data.hashfile.hash_info import HashInfo

if TYPE_CHECKING:
    from dvc.dvcfile import SingleStageFile
    from dvc.stage import Stage

_ASKED = frozenset({"repo", "db", "files", "version_id"})  # of a dependency: DVC goes there itself
_imports: dict[str, None] = {}


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
                return {"count": len(done.transferred), "imports": []}
            move = repo.push if verb == "push" else repo.fetch
            return {"count": int(move(revs=revs, workspace=False)), "imports": [*_imports]}
    except (DvcException, OSError) as error:
        causes = [str(error)]
        cause = error.__cause__
        while cause is not None:
            causes.append(str(cause))
            cause = cause.__cause__
        return {"error": " ".join(": ".join(filter(None, causes)).split())}


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
