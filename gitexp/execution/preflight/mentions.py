"""Looks for files that a run mentions and its jobs would not see; the rest of the preflight beside.

A command is not taken apart as a shell would: words that may be paths are looked at, and what the
words around one say of reading or writing is believed.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
import shlex
from typing import TYPE_CHECKING

from gitexp.comparison.randomness.seeding import code_cells
from gitexp.dvc import inputs as inputs_rules
from gitexp.dvc.dvcpipeline import touches
from gitexp.errors import GitexpError, PreflightError, UnsafeInputError
from gitexp.execution.jobs import lies_in
from gitexp.git import objects
from gitexp.git.discovery import project_folder
from gitexp.git.worktree import status
from gitexp.model.ids import ABSENT
from gitexp.text.foreign import Lines, lines

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from gitexp.dvc.pointers import PointerState
    from gitexp.dvc.state import ProjectState
    from gitexp.execution.run_sources import RunSource
    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import CommitHash, ParamValue, TreeId
    from gitexp.model.job import Stage


_WORDS = re.compile(r"[\w./+@~-]+")  # linear; a path in a command is one word
# Options, parameters and folders with such a word in their name are there to be written to.
_WRITTEN = frozenset(
    (
        *("artifact", "artifacts", "cache", "checkpoint", "checkpoints", "ckpt", "dest", "export"),
        *("exports", "log", "logs", "mlruns", "o", "out", "output", "outputs", "report", "reports"),
        *("result", "results", "run", "runs", "save", "saved", "temp", "tensorboard", "tmp"),
        *("tracking", "wandb"),
    )
)
# What such an option or parameter names is read, wherever it lies.
_READ = frozenset(
    (
        *("corpus", "data", "dataset", "datasets", "features", "from", "init", "input", "inputs"),
        *("load", "pretrained", "read", "source", "src", "vocab", "vocabulary"),
    )
)
_WRITERS = frozenset(("mkdir", "rm", "tee", "touch"))  # to each path that follows
_COPIERS = frozenset(("cp", "mv"))  # to the last one
_CONVERTERS = frozenset(("jupytext", "nbconvert"))  # to one beside, with the same stem
_CONVERTED = (".ipynb", ".nbconvert.ipynb", ".py", ".html", ".md")
_ENDS = re.compile(r"[;\n]|&&|(?<!>)\|\|?|(?<![<>&])&(?![>&])")  # of a simple command
_LETTERS = re.compile(r"[a-z]+")
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
# Of a Makefile: targets, and what they need or that commands follow.
_RULE = re.compile(r"^([^\s#:=][^#:=\n]{0,9999}):(?!=)([^\n]*(?:\n\t)?)", re.MULTILINE)
_VARIABLE = re.compile(r"^(\w+)[ \t]*[:?]?=[ \t]*([^\n#]{0,999})", re.MULTILINE)
_USE = re.compile(r"\$[({](\w+)[)}]")
_EXPANDED = 1 << 18  # characters of all targets of a Makefile
_READ_HERE = "; where it reads it, "
_SHOWN = 10
_NO_FILE = re.compile(
    r"No such file or directory: '(?:[^']{0,999}/gitexp/work/worktrees/[^/']+/)?"
    r"([^/'][^']{0,300})'"
)


def check(source: RunSource, stages: Sequence[Stage], data: PointerState) -> tuple[str, ...]:
    """Refuse files that the run mentions, that lie in the work tree, and that a job would lack.

    The result: files that a job would lack and that the run may read, or write.
    """
    lacking, doubtful = unseen(source.state, source.params, stages, data)
    if lacking:
        tracked = [path for path in lacking if lies_in(path, data.unasked)]
        if tracked:
            raise PreflightError(
                "the run mentions files that DVC tracks and no stage depends on, so its jobs would"
                " not see them",
                found=", ".join(tracked[:_SHOWN]),
                where=source.where,
                expected="every file that a stage reads under its `deps:`",
                next_step=_depend(source, tracked[0], _users(stages, tracked[0]))
                + ", and commit it",
            )
        raise PreflightError(
            "the run mentions files that are in no commit, so its jobs would not see them",
            found=", ".join(lacking[:_SHOWN]),
            where=source.where,
            expected="committed, tracked by DVC, or named under run.link",
            next_step=_moved(lacking[0]) + f"{ways_in(source.state, lacking[0])}, and commit it",
        )
    return tuple(path for path in doubtful if (source.home / path).is_file())


def unseen(
    state: ProjectState,
    params: Mapping[str, ParamValue],
    stages: Sequence[Stage],
    data: PointerState,
) -> tuple[list[str], list[str]]:
    """Return what a job of a tree would lack and surely reads, and what it may read, or write.

    A job sees a commit, data pointers and links; an ignored ``.env`` or an untracked ``extra.csv``
    is in none of them, and a run that fails after hours, or silently does without, is worse.
    What the mention says to be written (``--log-dir logs``, ``> train.log``) is no such file. What
    lies in a folder named like an output (``results/features.csv``) may be either.
    """
    repo, config = state.repo, state.config
    top = repo.workspace.top
    if top is None:
        return [], []
    project = project_folder(top, config.project)
    outputs = {out.path for stage in stages for out in stage.outs} | set(config.outputs)
    provided = {path.rstrip("/") for path in config.link}
    provided |= {each.path for each in data.given} | {each.path for each in data.delegated}
    covered = outputs | set(config.metrics) | provided
    mentioned, is_made = _mentioned(config, params, stages), _made_by_make(state, stages)
    lacking: list[str] = []
    doubtful: list[str] = []
    for word in sorted(mentioned):
        path = word.strip("/")
        if not path or path.startswith(("..", "-")) or word.startswith("/"):
            continue
        path = os.path.normpath(path)
        if any(touches(path, other) for other in covered) or is_made(path):
            continue
        if path == "." or path.startswith("../") or not (project / path).exists():
            continue
        if not _in_commit(repo, state.tree, posixpath.join(config.project, path)):
            (lacking if mentioned[word] else doubtful).append(path)
    return lacking, doubtful


def on_baseline(name: str, step: str) -> str:
    """Say where a step is typed that mends a baseline: a commit, which no change mends here."""
    name = shlex.quote(name)
    # What lies in the work tree alone is mended there, without a merge.
    here, mark, step = step.rpartition(_READ_HERE)
    return (
        f"{here}{mark}on {name}: " + step + f"; then on the branch git merge {name} && "
        f'gitexp amend-plan --baseline {name} --why "it could not run"'
    )


def refuse_own_paths(source: RunSource) -> None:
    """Refuse code and settings that lead out of a job's folder, into the user's work tree."""
    found = own_paths(source.repo, source.top, source.commit, source.config)
    lines = [f"{file}, {said}" for file, said in found.items()]
    if lines:
        raise PreflightError(
            "the code names this work tree by its absolute path, so a run would use the files"
            " that are checked out here, whichever side it is of",
            found=Lines.of(lines[:_SHOWN]),
            where=source.where,
            expected="paths relative to the project folder, or to __file__",
            next_step="make them relative, and commit it; inputs.ignore in .gitexp/config.yaml"
            " leaves out a file that no result depends on",
        )


def missed(
    source: RunSource,
    lines: Collection[tuple[str, Stage | None]],
    doubtful: Collection[str],
    unasked: Collection[str],
) -> list[str]:
    """Say, once repeats have failed, how a run gets files that lie in the work tree alone.

    `lines`: what commands printed last, and the stage that they are of. `doubtful`: as `check`
    found them.
    """
    home, top = source.home, source.top
    held = {entry.path for entry in source.entries}
    named: dict[str, list[str]] = {}
    said = {}
    is_made = _made_by_make(source.state, [stage for _, stage in lines if stage])
    for line, stage in lines:
        if found := _NO_FILE.search(line):
            own = os.path.normpath(os.path.join(stage.wdir, found[1])) if stage else found[1]  # noqa: PTH118
            path = own if lies_in(own, unasked) else found[1]
            named.setdefault(path, []).extend([stage.name] if stage else [])
    for path in doubtful:
        if lies_in(path, unasked):
            named.setdefault(path, [])
    for name, users in named.items():
        if lies_in(name, unasked):
            said[name] = (
                f"{name} is tracked by DVC and no stage depends on it, so the run did not see it: "
                + _depend(source, name, users)
                + "; commit it, on the baseline, too, and begin a new plan there"
            )
            continue
        file, first = home / name, name.partition("/")[0]
        alone = file.exists() and os.fsencode(file.relative_to(top)) not in held
        made = any(touches(name, out) for out in source.config.outputs) or is_made(name)
        if (alone and ".." not in file.parts and not made) or name in doubtful:
            what = f"{first}/" if first != name else name
            path = posixpath.join(source.config.project, name)
            ignored = bool(status.is_ignored(top, [path]))
            add, why = ("git add -f", ", since Git ignores it") if ignored else ("git add", "")
            one, all_ = shlex.quote(name), shlex.quote(first)
            said[what] = (
                f"{name} is in no commit{why}, so the run did not see it: dvc add {all_}, {add} "
                f"{one}, or link: [{what}] below run: in .gitexp/config.yaml; commit it "
                "on the baseline, too, and begin a new plan there"
            )
    rest = [path for path in dict.fromkeys(doubtful) if path not in named]
    if rest:
        way = shlex.quote(rest[0])
        said[""] = (
            f"the run mentions {', '.join(rest[:_SHOWN])}, which no commit holds, so its jobs did "
            f"not see it; if it is read: git add -f {way}, dvc add {way}, or run.link in "
            ".gitexp/config.yaml"
        )
    return list(said.values())


def _users(stages: Sequence[Stage], path: str) -> list[str]:
    """Name the stages whose commands mention a path."""
    return [
        stage.name
        for stage in stages
        if any(
            os.path.normpath(word) == path
            for text in stage.commands
            for part in words(text, stage)
            for word, read in part
            if read is not None
        )
    ]


def _depend(source: RunSource, path: str, users: Sequence[str]) -> str:
    """Say where data go that DVC tracks: neither Git nor DVC takes them a second time."""
    stage = f"stage {users[0]}" if users else "the stage that reads it"
    return f"list {path} under deps: of {stage} in {source.config.pipeline}"


def ways_in(state: ProjectState, path: str) -> str:
    """Return how a job gets to see a file; DVC adds none whose pointer Git ignores."""
    name, full = shlex.quote(path), posixpath.join(state.config.project, path)
    link = f"add {name} to run.link in .gitexp/config.yaml"
    ignored = status.is_ignored(state.repo.workspace, [full, f"{full}.dvc"])
    if full in ignored:
        first = [] if f"{full}.dvc" in ignored else [f"dvc add {name}"]
        return ", ".join([*first, link, f"or git add -f {name}"])
    return f"git add {name}, dvc add {name}, or {link}"


def _moved(path: str) -> str:
    """Say first what to do where the run makes a file, which then is none of what it is given."""
    name = shlex.quote(path)
    moved = shlex.quote(f"{path}.old")
    return f"where the run makes it, mv {name} {moved} and the same again{_READ_HERE}"


def _made_by_make(state: ProjectState, stages: Iterable[Stage]) -> Callable[[str], bool]:
    """Return what tells whether the rules of a Makefile make a path, where a command runs it."""
    folders = {
        stage.wdir
        for stage in stages
        if any("make" in _WORDS.findall(text) for text in stage.commands)
    }
    ends = set[tuple[str, str]]()
    for folder in folders:
        every = (state.read(posixpath.join(folder, name)) for name in _MAKEFILES)
        data = next((found for found in every if found is not ABSENT), b"")
        ends.update(_targets(data.decode("utf-8", "replace"), folder))
    return lambda path: any(
        touches(path, first) if not last else path.startswith(first) and path.endswith(last)
        for first, last in ends
    )


def _targets(makefile: str, folder: str) -> Iterator[tuple[str, str]]:
    """Yield what rules make: what is before and behind the `%` of a path.

    Nothing of the rules behind those that expand to more than anybody writes.
    """
    left = _EXPANDED
    text = makefile.replace("\r", "").replace("\\\n", " ")
    values = dict(_VARIABLE.findall(text))
    for told, needs in _RULE.findall(text):
        left -= len(told) + sum(len(values.get(name, "")) for name in _USE.findall(told))
        if left < 0:
            return
        said = _USE.sub(lambda use: values.get(use[1], ""), told)
        for target in said.rstrip("& ").split() if needs.strip(" ") else ():
            path = os.path.normpath(posixpath.join(folder, target))
            first, _, last = path.partition("%")
            yield first, last


def _in_commit(repo: Repo, tree: TreeId, path: str) -> bool:
    """Tell whether a commit has a path; what lies behind a link or in a submodule is believed."""
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        entry = objects.entry_at(repo, tree, "/".join(parts[:depth]))
        if entry is ABSENT:
            return False
        if entry.mode in {objects.MODE_COMMIT, objects.MODE_LINK}:
            return True
    return True


def _mentioned(
    config: ProjectConfig, params: Mapping[str, ParamValue], stages: Sequence[Stage]
) -> dict[str, bool]:
    """Return the words that may be paths, and whether the run surely reads them.

    What a command wrote, a later one reads from the job's own folder.
    """
    evaluation = config.evaluation
    pairs: list[tuple[str, bool]] = []
    made: set[str] = set()
    for part in (p for stage in stages for text in stage.commands for p in words(text, stage)):
        pairs += [(word, read) for word, read in part if read is not None and word not in made]
        made |= {word for word, read in part if read is None}
    for key, value in params.items():
        name = key.rpartition(".")[2]
        if isinstance(value, str) and not _is_written(name):
            read = _is_read(name)
            pairs += [(w, read or not _is_written(_folder(w))) for w in _WORDS.findall(value)]
    pairs += [(path, True) for path in (*(d for s in stages for d in s.deps), *evaluation)]
    found: dict[str, bool] = {}
    for word, read in pairs:
        if "." in word or "/" in word or word in evaluation:
            found[word] = read or found.get(word, False)
    return found


def words(text: str, stage: Stage) -> Iterator[list[tuple[str, bool | None]]]:
    """Yield, of each simple command, its words from the project and whether it reads them.

    None: it surely writes to them.
    """
    for part in _ENDS.split(text):
        found: list[tuple[str, bool | None]] = []
        before, programs, notebooks = "", set[str](), 0
        hits = list(_WORDS.finditer(part))
        plain = [hit for hit in hits if not part[: hit.start()].rstrip().endswith(">")]
        for hit in hits:
            word, behind = hit.group(), part[: hit.start()].rstrip()
            option = before if before.startswith("-") else ""
            named = word if word.startswith(("/", "~")) else os.path.join(stage.wdir, word)  # noqa: PTH118
            notebooks += (is_book := word.endswith(".ipynb"))
            target = not programs.isdisjoint(_WRITERS)
            target |= plain[-1:] == [hit] and not programs.isdisjoint(_COPIERS)
            target |= is_book and notebooks > 1 and "papermill" in programs
            read = behind.endswith("<") or _is_read(option)
            if behind.endswith(">") or _is_written(option) or (target and not read):
                found.append((named, None))
            else:
                found.append((named, read or not _is_written(_folder(word))))
                if not programs.isdisjoint(_CONVERTERS):
                    stem = os.path.splitext(named)[0]  # noqa: PTH122 - a word, no place
                    found += [(f"{stem}{kind}", None) for kind in _CONVERTED]
            programs.add(word.rpartition("/")[2])
            before = word
        yield found


def _folder(word: str) -> str:
    """Return a word's first part where it can be a folder, "" where it looks like a file."""
    path = os.path.normpath(word)
    name = os.path.basename(path)  # noqa: PTH119 - a word, no place
    return path.split("/")[0] if "/" in path or "." not in name.lstrip(".") else ""


def _is_written(name: str) -> bool:
    """Tell whether a name is one of what is made, not of what is read."""
    return not _WRITTEN.isdisjoint(_LETTERS.findall(name.lower()))


def _is_read(name: str) -> bool:
    return not _READ.isdisjoint(_LETTERS.findall(name.lower())) and not _is_written(name)


# Code and settings; a text or a picture may name any path, and nothing follows from it.
_CODE = tuple(
    f"*.{kind}"
    for kind in ("py", "ipynb", "sh", "R", "jl", "yaml", "yml", "json", "toml", "cfg", "ini")
)


def own_paths(repo: Repo, top: Path, commit: CommitHash, config: ProjectConfig) -> dict[str, str]:
    """Find where code or settings that a job sees name the user's work tree by its absolute path.

    Such a path leads out of a job's folder: both sides would read the files that happen to be
    checked out. Comments are passed over, what a notebook shows of its last execution, and the
    interpreter of a virtual environment. The result: by file, where it stands first and what.
    """
    tops = dict.fromkeys((str(top), os.path.realpath(top)))
    named = re.compile(f"(?:{'|'.join(map(re.escape, tops))})(?:/([^\"'\\s]*)|(?=[\"'\\s]|$))")
    found: dict[str, str] = {}
    for file in sorted(
        {f for text in tops for f in status.files(top, text, names=_CODE, at=commit)}
    ):
        try:
            data = objects.read_blob(repo, commit, file)
        except UnsafeInputError:
            continue  # no code is as large as that
        text = "" if data is ABSENT else data.decode("utf-8", "replace")
        for place, line in _code_lines(text, file):
            for hit in named.finditer(line):
                first = (hit[1] or "").partition("/")[0]
                if not (first and (top / first / "pyvenv.cfg").exists()):
                    found.setdefault(file, f"{place}: {hit[0]}")
    with contextlib.suppress(GitexpError):  # whoever digests the commit says what is wrong with it
        tree = objects.commit_info(repo, commit).tree
        counted = inputs_rules.counted_files(repo, tree, config) if found else frozenset()
        params = {posixpath.join(config.project, name) for name in config.params}
        return {file: said for file, said in found.items() if file in counted | params}
    return found


def _code_lines(text: str, file: str) -> Iterator[tuple[str, str]]:
    """Yield where a line stands and the line; of a notebook those of its cells of code."""
    what, parts = "line", lines(text)
    if file.endswith(".ipynb"):
        try:
            what, parts = "code cell", code_cells(text, file)
        except GitexpError:
            return
    for number, part in enumerate(parts, start=1):
        for line in lines(part):
            if not line.lstrip().startswith("#"):
                yield f"{what} {number}", line
