"""The project's interpreter, asked what a job imports: its own code from its worktree, or nothing.

An editable install leads every import to the *user's* work tree, whatever commit the job stands
on: the baseline would run the candidate's code. So each folder of the repository that an
interpreter imports from is put first on PYTHONPATH, as the same folder of the worktree. Before the
first repeat the interpreter is asked where each module really comes from.

References
----------
.. [1] PEP 660, editable installs; setuptools documents its finder under "Development Mode".
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError, ImportPathError, PreflightError
from gitexp.model import dataclass
from gitexp.records import codec
from gitexp.system import distributions
from gitexp.text.fields import Fields
from gitexp.text.foreign import lines
from gitexp.text.jsontext import json_loads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitexp.system.distributions import Installed

_SITE = frozenset(("site-packages", "dist-packages"))
_MOST_MODULES = 1000
_GIT_DIR = ".git"  # our own worktrees lie there: never the user's code
_PTH_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """Which folders of the repository have to come from the worktree instead."""

    # Relative to the repository's top, POSIX, "." for the top; in the order of ``sys.path``.
    paths: tuple[str, ...]
    editables: tuple[str, ...] = ()  # names of the distributions that made this necessary


def plan_imports(facts: InterpreterFacts, repository: Path) -> ImportPlan:
    """Find out what is imported from the repository, also by PYTHONPATH."""
    return from_facts(facts, distributions.scan(facts.path), str(repository))


def from_facts(
    facts: InterpreterFacts, installed: Iterable[Installed], repository: str
) -> ImportPlan:
    """Return the plan that follows from ``sys.path`` and what is installed."""
    top = os.path.realpath(repository)
    paths: dict[str, None] = {}
    for entry in facts.path:
        inside = _inside(entry, top, facts.prefix)
        if inside is not None:
            paths[inside] = None
    names = []
    for each in installed:
        source = distributions.relative(each.source, top)
        if source is None:
            continue
        names.append(each.name)
        found = _editable(each, top) if each.editable else _copied(each, top, source)
        paths.update(dict.fromkeys(found))
    return ImportPlan(tuple(paths), tuple(names))


def python_path(
    import_paths: Sequence[str], worktree: Path, repository: str, inherited: str
) -> str:
    """Return PYTHONPATH for a job: the worktree's folders first, then the user's own entries.

    >>> python_path(("src",), Path("/"), "/repo", "/repo/tmp:/opt/x")
    '/src:/tmp:/opt/x'
    """
    entries = [os.path.normpath(worktree / path) for path in import_paths]
    for entry in filter(None, inherited.split(os.pathsep)):
        inside = os.path.relpath(entry, repository) if entry.startswith(os.sep) else ".."
        outside = inside == ".." or inside.startswith("../")
        moved = os.path.normpath(worktree / inside)
        # What only the user's folder has (an environment inside it) stays where it is.
        entries.append(entry if outside or not Path(moved).exists() else moved)
    return os.pathsep.join(dict.fromkeys(entries))


def modules_of(import_paths: Sequence[str], worktree: Path) -> tuple[str, ...]:
    """Return the top-level modules that a worktree offers, sorted."""
    names: set[str] = set()
    for entry in (each for path in import_paths for each in distributions.entries(worktree / path)):
        stem, dot, suffix = entry.name.partition(".")
        package = entry.is_dir() and not dot and Path(entry.path, "__init__.py").exists()
        if stem.isidentifier() and (package or (suffix == "py" and not entry.is_dir())):
            names.add(stem)
    return tuple(sorted(names)[:_MOST_MODULES])


def verify(
    facts: InterpreterFacts, plan: ImportPlan, import_paths: Sequence[str], worktree: Path
) -> None:
    """Check that all modules of a worktree are imported from there, by its job's variables."""
    forgotten = [path for path in plan.paths if path not in import_paths]
    if forgotten:
        raise ImportPathError(
            "the project's code would be imported from your work tree",
            found=f"the environment imports from {', '.join(forgotten)}",
            where=", ".join(plan.editables),
            expected="an environment that did not change since the run was started",
            next_step="gitexp run",
        )
    for path in plan.paths:
        if not (worktree / path).is_dir():
            raise ImportPathError(
                "the project's code would be imported from your work tree",
                found=f"no folder {path} in this commit, and the environment imports from it",
                where=", ".join(plan.editables) or "PYTHONPATH or a .pth file",
                next_step="run this commit in an environment that was installed from it, "
                "named by `python:` in .gitexp/config.yaml",
            )
    top = os.path.realpath(worktree)
    for name, origin in facts.modules.items():
        if origin and distributions.relative(origin, top) is None:
            raise ImportPathError(
                "the project's code would not be imported from the run's own worktree",
                found=f"import {name} takes {origin}",
                where=", ".join(plan.editables),
                expected=f"a file below {worktree}",
                next_step="rename the module, or install the project with `pip install -e .`",
            )


def _inside(entry: str, top: str, prefix: str) -> str | None:
    """Return a sys.path entry relative to the repository, if it is the user's own code."""
    inside = distributions.relative(entry, top)
    if inside is None or inside.split("/")[0] == _GIT_DIR:
        return None
    real = os.path.realpath(entry)
    if real == prefix or real.startswith(prefix + os.sep) or _SITE & set(Path(real).parts):
        return None  # an environment that lies in the repository
    return inside


def _editable(installed: Installed, top: str) -> list[str]:
    found: list[str] = []
    for name in _record_names(installed):
        if name.startswith("__editable___") and name.endswith("_finder.py"):
            found += _finder_paths(f"{installed.folder}/{name}", installed, top)
        elif name.endswith(".pth") and "/" not in name:
            for line in map(str.strip, lines(_text(f"{installed.folder}/{name}"))):
                if line.startswith(("import ", "import\t")):
                    if "__editable___" not in line:
                        raise _refused(installed, line)
                elif (inside := distributions.relative(line, top)) is not None:
                    found.append(inside)
    return found


def _finder_paths(file: str, installed: Installed, top: str) -> list[str]:
    """Read setuptools' finder: module -> folder; the parent folder goes on PYTHONPATH."""
    values = _literals(_text(file))
    mapping, namespaces = values.get("MAPPING"), values.get("NAMESPACES")
    if not isinstance(mapping, dict):  # silence would mean: nothing to redirect
        raise _refused(installed, f"no MAPPING can be read in {file}")
    pairs = [(str(module), str(place)) for module, place in mapping.items()]
    if isinstance(namespaces, dict):
        pairs += [(str(m), str(p)) for m, places in namespaces.items() for p in places]
    found = []
    for module, place in pairs:
        parts = module.split(".")
        path = Path(place)
        if path.name.removesuffix(".py") != parts[-1] or path.parts[-len(parts) : -1] != tuple(
            parts[:-1]
        ):
            raise _refused(installed, f"{module} lies in {place}, under another name")
        inside = distributions.relative(str(path.parents[len(parts) - 1]), top)
        if inside is not None:
            found.append(inside)
    return found


def _copied(installed: Installed, top: str, source: str) -> list[str]:
    """Return where a package's sources are that was *copied*: the worktree's go first."""
    modules = {
        first.partition(".")[0]
        for name in _record_names(installed)
        if (first := name.split("/")[0]).removesuffix(".py").isidentifier()
        and name.endswith((".py", ".so", ".pyd"))
    }
    found = []
    for module in sorted(modules):
        for folder in (os.path.normpath(f"{source}/src"), source):
            at = Path(top, folder, module)
            if at.is_dir() or at.with_suffix(".py").is_file():
                found.append(folder)
                break
        else:
            raise _refused(installed, f"a copy of {module} that is nowhere in {source}")
    return found


def _record_names(installed: Installed) -> list[str]:
    return [line.rsplit(",", 2)[0].strip('"') for line in installed.rows()]


def _text(file: str) -> str:
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as text:  # noqa: PTH123  as its callers
            return text.read(_PTH_LIMIT)
    except OSError:
        return ""


def _literals(text: str) -> dict[str, object]:
    """Return the constants that are assigned at the top of a Python text; nothing is executed."""
    found: dict[str, object] = {}
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError):
        return found
    for node in body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.expr):
            try:
                found[target.id] = ast.literal_eval(value)
            except (ValueError, TypeError, RecursionError):
                continue
    return found


def _refused(installed: Installed, found: str) -> ImportPathError:
    return ImportPathError(
        f"{installed.name} is installed in a way that cannot be led to a run's worktree",
        found=found,
        where=installed.info,
        expected="a path in a .pth file, or setuptools' finder",
        next_step=f"install {installed.name} with setuptools, hatchling, flit or uv_build, "
        "or let `python:` name an environment without it",
    )


_QUESTION = Path(__file__).with_name("interpreter_script.py")
_TIMEOUT_S = 60
_ANSWER_LIMIT = 8 << 20


@dataclass(frozen=True, slots=True)
class InterpreterFacts:
    """What an interpreter said of itself."""

    implementation: str
    python: str
    abi: str
    platform: str
    libc: str
    prefix: str  # real path of the environment
    path: tuple[str, ...]  # sys.path of a script, without the script's own folder
    modules: Mapping[str, str]  # asked name -> file it would be imported from, "" for none


def ask(python: str, env: Mapping[str, str], names: Sequence[str] = ()) -> InterpreterFacts:
    """Start an interpreter and return what it says; `names` are located, not imported.

    A relative entry of PYTHONPATH is the folder of each command: code, and no environment.
    """
    entries = filter(os.path.isabs, env.get("PYTHONPATH", "").split(os.pathsep))
    env = {**env, "PYTHONPATH": os.pathsep.join(entries)}
    try:
        done = subprocess.run(
            [python, "-c", _QUESTION.read_text("utf-8")],
            input=json.dumps(list(names)).encode(),
            capture_output=True,
            env=env,
            cwd="/",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unusable(python, str(error)) from error
    if done.returncode:
        raise _unusable(python, done.stderr.decode("utf-8", "backslashreplace")[-300:].strip())
    try:
        answer = json_loads(done.stdout.rpartition(b"\n")[2], where=python, limit=_ANSWER_LIMIT)
        return codec.read(InterpreterFacts, Fields(answer, python))
    except GitexpError as error:
        raise _unusable(python, f"its answer: {error.brief}") from error


def _unusable(python: str, found: str) -> PreflightError:
    return PreflightError(
        "the project's interpreter cannot be used",
        found=found,
        where=python,
        expected="Python 3.8 or later",
        next_step="set `python:` in .gitexp/config.yaml, or activate the environment",
    )
