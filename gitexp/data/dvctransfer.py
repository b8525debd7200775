"""DVC's own push and fetch, of given commits, in a process of its own.

Started as a file (``python -I dvctransfer.py``), so that it needs nothing of gitexp. DVC's talk
goes to stderr.

Stdin: ``{"verb": "push"|"fetch", "root": ABSOLUTE PATH, "revs": [HASH, ...]}``. Stdout, last line:
``{"count": NUMBER}`` or ``{"error": TEXT}``.
"""

from __future__ import annotations

import contextlib
import json
import sys

from dvc.exceptions import DvcException
from dvc.repo import Repo


def transfer(verb: str, root: str, revs: list[str]) -> dict[str, object]:
    """Move what the commits need, nothing of the work tree, to or from its remote of today.

    DVC goes by the settings that each commit holds; one from before the remote was set would have
    nowhere to send to, and DVC says nothing of that.
    """
    try:
        with Repo(root) as here:
            today = {
                "core": {"remote": here.config["core"].get("remote")},
                "remote": dict(here.config["remote"]),
            }
        with Repo(root, config=today) as repo:
            move = repo.push if verb == "push" else repo.fetch
            return {"count": int(move(revs=revs, workspace=False))}
    except (DvcException, OSError) as error:
        causes = [str(error)]
        cause = error.__cause__
        while cause is not None:
            causes.append(str(cause))
            cause = cause.__cause__
        return {"error": " ".join(": ".join(filter(None, causes)).split())}


def main() -> int:
    """Answer one question."""
    asked = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        answer = transfer(asked["verb"], asked["root"], asked["revs"])
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
