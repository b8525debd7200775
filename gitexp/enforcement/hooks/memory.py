"""What pre-commit found in order, so that its sh part can let pass what no rule speaks of.

Most commits of an experiment change code, and starting Python for them takes longer than Git does
for the commit. The note holds for one tree, which the next commit has to start from; whatever else
happened meanwhile makes it worthless, and deleting it costs time, never truth.
"""

from __future__ import annotations

import os
import posixpath
import re
from typing import TYPE_CHECKING, Final

from gitexp.git.transaction.layout import FOLDER
from gitexp.git.worktree import staged
from gitexp.rules.tracked import LOCK, PIPELINE, Tracked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.git.worktree.staged import HookPlace
    from gitexp.rules.facts import Facts

FILE: Final = "gitexp/judged"  # in the Git directory of the work tree; hooks/pre-commit reads it
ALWAYS: Final = (FOLDER, "*.dvc", f"*{LOCK}", f"*{PIPELINE}", ".dvc", "*.gitignore")
_MANY: Final = 200  # paths; more are not worth a command line
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")  # a word of sh, and no magic of Git's


def remember(place: HookPlace, facts: Facts, source: str) -> None:
    """Note that what is staged is in order by the settings of `source`, and which paths count.

    Where a path is no plain word, or there are too many, nothing is noted.
    """
    paths = _spoken_of(place, facts)
    params = sorted(_of_project(facts, facts.config.params) - paths)
    every = (*sorted(paths), *params)
    tree = staged.write_tree(place)
    if tree is None or len(every) > _MANY or not all(_PLAIN.fullmatch(path) for path in every):
        return
    limit = facts.config.git_file_limit_bytes
    spoken = " ".join((*ALWAYS, *sorted(paths)))
    text = f"refs/heads/{place.branch}:{tree}:{source} {limit}\n{spoken}\n{' '.join(params)}\n"
    file = place.git_dir / FILE
    half = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(exist_ok=True)
        half.write_bytes(text.encode("utf-8", "surrogateescape"))
        half.replace(file)
    except OSError:  # a note less
        return


def _spoken_of(place: HookPlace, facts: Facts) -> set[str]:
    """Return the paths of metrics and outputs; other rules speak of kinds of files.

    Of params files only R8 speaks, and only of their texts.
    """
    config = facts.config
    files = staged.files(place, ("*.dvc", f"*{LOCK}", f"*{PIPELINE}"))
    tracked = Tracked(facts).declared({posixpath.dirname(file) for file in files})
    return _of_project(facts, (*config.metrics, *config.curves)) | tracked


def _of_project(facts: Facts, paths: Iterable[str]) -> set[str]:
    return {posixpath.join(facts.config.project, path) for path in paths}
