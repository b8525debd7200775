"""What the Python processes of a repeat asked for, by the notes that `observer` has them make.

A repeat was *observed* if each program that it started is known: a Python process that left its
own note, or one of a few programs that do not care what is installed. The commands of its stages
are read as far as they are plain lists of words; what a Python process starts, it notes itself.
Anything else (a loop of the shell, another language, ``python -I``, an interpreter of another
environment) means that it was not, and then all that is installed may act on it. Out of sight
stays what compiled code starts by itself.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.model.job import NOTES, USED
from gitexp.model.run import Observed, Parts, usual_names
from gitexp.system import distributions
from gitexp.text.foreign import lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gitexp.system.distributions import Installed

    Words = Sequence[str | None]  # None: whatever a shell makes of it

EVERYWHERE = "*"  # among the import names of a distribution: it acts in every process
_OBSERVER = str(Path(__file__).with_name("observer"))
_LIMIT = 64 << 20
_USED_LIMIT = 4 << 20
_SHORT = 40
_HEAD = 1 << 16

_KINDS = ("asked", "read", "shell", "process", "started")
_MAIN = frozenset(("__main__", "__mp_main__"))
_REQUIRES = re.compile(r"^Requires-Dist: *([\w.-]+) *(?:\[([^]\n]*)\])?([^\n]*)", re.MULTILINE)
_EXTRA = re.compile(r"\bextra\s*==\s*['\"]([^'\"]+)")

_PYTHON = re.compile(r"(?:python|pypy)[\d.]*t?")
_SHELLS = frozenset(("sh", "bash", "dash", "zsh"))
_AHEAD = frozenset(("command", "env", "exec", "nohup", "time"))
_NAMES = (
    ": [ as basename c++ cat cc cd chmod clang clang++ cmp cp cut date diff dirname du echo exit"
    " export expr false g++ gcc getconf git grep gunzip gzip head hostname id ld ldconfig ln ls"
    " lscpu md5sum mkdir mktemp mv nproc nvcc nvidia-smi objdump printf ptxas pwd readlink realpath"
    " rm rmdir sed seq set sha256sum sleep sort stat sync tail tar tee test touch tr true ulimit"
    " umask uname uniq unzip wc which whoami zip"
)
_HARMLESS = frozenset(_NAMES.split())
_MARKS = frozenset("();<>|&")
_BETWEEN = frozenset(("&&", "||", ";", "|", "|&", "&"))
_COMMON = frozenset(("docs", "examples", "scripts", "test", "tests", "tools"))  # by mistake
_INTO = frozenset((">", ">>", "<", ">&", "&>", "&>>", ">|"))
_OPEN = re.compile(r"[$*?~{}!]|\[.")
_SET = re.compile(r"[A-Za-z_]\w*=")


class _UnknownError(Exception):
    """Nobody knows what some program did."""


def begin(
    out_dir: Path,
    env: Mapping[str, str],
    trees: Sequence[str] = (),
    free: Iterable[str] = (),
    folder: str = "",
) -> dict[str, str]:
    """Open the files of notes; return the variables by which the processes of commands find them.

    `trees`: the user's work tree, and those above the job's folder, whose files are noted when
    they are read, but those in `free`.
    `folder`: the job's own, of which is noted what was used.
    """
    for name in (NOTES, USED):
        (out_dir / name).touch(mode=0o600)
    path = os.pathsep.join(filter(None, (_OBSERVER, env.get("PYTHONPATH", ""))))
    told = {"PYTHONPATH": path}
    if trees:
        told |= {"GITEXP_TREE": "\n".join({*trees, *map(os.path.realpath, trees)})}
        told |= {"GITEXP_FOLDER": "\n".join({folder, os.path.realpath(folder)} if folder else ())}
        told |= {
            "GITEXP_FREE": "\n".join(
                name for each in free for name in {each, os.path.realpath(each)}
            )
        }
    return {**env, **told}


def used(out_dir: Path) -> frozenset[str] | None:
    """Return what was opened or imported of the job's folder, relative to it; None: unknown.

    A folder of which all may have been used, as it was listed, ends in a slash.
    """
    try:
        data = (out_dir / USED).read_bytes()
        if len(data) > _USED_LIMIT:
            return None
        notes = (line.partition(" ")[2] for line in lines(data.decode("ascii")))
        return frozenset(str(ast.literal_eval(each)) for each in notes)
    except (OSError, ValueError, SyntaxError, RecursionError):
        return None


def outside(out_dir: Path, tree: str) -> tuple[str, ...]:
    """Return what was read of the user's work trees, relative to this one, in order of reading."""
    try:
        notes = _notes((out_dir / NOTES).read_bytes())
    except (OSError, ValueError, SyntaxError, RecursionError):
        return ()
    real = os.path.realpath(tree)
    read = [texts[0] for texts in notes["read"] if texts]  # a script may write notes, too
    paths = (os.path.relpath(p, tree if p.startswith(f"{tree}/") else real) for p in read)
    return tuple(dict.fromkeys(paths))


def read(out_dir: Path, commands: Iterable[str], parts: Parts) -> Observed:
    """Return what was asked for by all that these commands started; they have ended."""
    loose = {name for name in parts.loose if name.endswith(".pth")}
    try:
        notes = _notes((out_dir / NOTES).read_bytes())
        _check(notes, commands, parts.prefix)
    except _UnknownError as error:
        return Observed(why=f"{error}", loose=_digests(parts, loose))
    except (OSError, ValueError, SyntaxError, RecursionError):
        return Observed(why="the notes of its processes are gone", loose=_digests(parts, loose))
    asked = {text for (text, *_) in notes["asked"]} - _MAIN
    relevant = _relevant(asked, parts)
    theirs = {name for each in relevant for name in parts.modules[each]}
    loose |= parts.loose.keys() & (asked - theirs)
    return Observed(
        distributions=tuple(sorted(relevant)),
        asked=tuple(sorted(asked - theirs - loose)),
        loose=_digests(parts, loose),
        modules=_unusual(parts),
    )


def again(seen: Observed, parts: Parts) -> Observed:
    """Return what is known of a repeat that asks for the same in another environment."""
    loose = {name for name in parts.loose if name.endswith(".pth") or name in seen.loose}
    return Observed(
        asked=tuple(name for name in seen.loose if name not in parts.loose),  # it is gone
        modules=_unusual(parts),
        loose=_digests(parts, loose | (parts.loose.keys() & {*seen.asked})),
        why=seen.why,
    )


def _unusual(parts: Parts) -> dict[str, tuple[str, ...]]:
    return {d: names for d, names in parts.modules.items() if names != usual_names(d)}


def _notes(data: bytes) -> dict[str, list[tuple[str, ...]]]:
    if len(data) > _LIMIT:
        raise ValueError
    found: dict[str, list[tuple[str, ...]]] = {kind: [] for kind in _KINDS}
    for line in lines(data.decode("ascii")):
        kind, _, text = line.partition(" ")
        value = ast.literal_eval(text)
        if kind not in found:  # an observer that failed says so
            raise ValueError
        found[kind].append(tuple(value) if isinstance(value, list) else (str(value),))
    return found


# --- which programs ran -------------------------------------------------------------------------


def _check(
    notes: Mapping[str, Sequence[tuple[str, ...]]], commands: Iterable[str], prefix: str
) -> None:
    """Raise `_UnknownError` unless all that was started is known."""
    for there, *_ in notes["process"]:
        if os.path.realpath(there) != prefix:
            raise _UnknownError("a Python of another environment")
    texts = [*commands, *(text for (text,) in notes["shell"])]
    started: list[Words] = [(program, *given) for program, _, *given in notes["started"]]
    started += [words for text in texts for words in _words(text)]
    while started:
        program, *given = _bare(started.pop()) or ("true",)
        if program is None:
            raise _UnknownError("a program that a variable names")
        name = program.rpartition("/")[2]
        if name in _SHELLS:
            started += _words(_given_to_shell(name, given))
        elif name not in _HARMLESS and not any(
            _is(argv, name, given) for _, *argv in notes["process"]
        ):
            raise _UnknownError(f"{ascii(name[-_SHORT:])[1:-1]}, which was not observed")


def _bare(words: Words) -> Words:
    """Take away what only starts another program: variables, ``env``, ``uv run``."""
    while words:
        first = words[0]
        if first is not None and (_SET.match(first) or first in _AHEAD):
            words = words[1:]
        elif tuple(words[:2]) == ("uv", "run"):
            words = words[2:]
        else:
            break
    return words


def _given_to_shell(name: str, given: Words) -> str:
    for number, word in enumerate(given):
        if word is not None and word.startswith("-"):
            if not word.startswith("--") and word.endswith("c") and (text := given[number + 1]):
                return text
        elif given[number - 1 : number] != ["-o"]:
            break
    raise _UnknownError(f"a script of {name}")


def _is(argv: Sequence[str], name: str, given: Words) -> bool:
    """Return whether a process is what was started: an interpreter itself, or a script's."""
    known = next((n for n, word in enumerate(given) if word is None), len(given))
    if not _PYTHON.fullmatch(name):
        starts = [n for n, word in enumerate(argv) if word.rpartition("/")[2] == name]
        argv = argv[starts[0] :] if starts else ()
    rest = list(argv[1:])
    whole = known < len(given) or len(rest) == len(given)
    return bool(argv) and whole and rest[:known] == list(given[:known])


def _words(text: str) -> Iterator[Words]:
    """Yield the words of each program that a text of the shell starts."""
    lexer = shlex.shlex(
        text.replace("\\\n", " ").replace("\n", " ; "), posix=True, punctuation_chars=True
    )
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str | None] = []
    into = False
    try:
        tokens = list(lexer)
    except ValueError as error:
        raise _UnknownError("a command of the shell that cannot be read") from error
    for token in tokens:
        if {*token} <= _MARKS and token:
            into = token in _INTO
            if token in _BETWEEN:
                yield words
                words = []
            elif not into:
                raise _UnknownError("a command that is no list of words")
            elif words and (words[-1] or "").isdecimal():  # a descriptor, or a word before a blank
                words[-1] = None
        elif "`" in token or "$(" in token or token.startswith("#"):
            raise _UnknownError("a command within a command")
        elif into:
            into = False
        else:
            words.append(None if _OPEN.search(token) else token)
    yield words


# --- what is installed --------------------------------------------------------------------------


def look(
    installed: Sequence[Installed],
    index: distributions.RecordIndex,
    folders: Iterable[str],
    own: Sequence[str],
    prefix: str,
) -> Parts:
    """Return what import names, and what other distributions, belong to each distribution.

    `folders`: those of ``sys.path``. What lies in them beside all distributions is loose, but in
    the repository's `own` folders, and in the standard library's.
    """
    modules: dict[str, tuple[str, ...]] = {}
    requires: dict[str, tuple[str, ...]] = {}
    names = {each.name for each in installed}
    paths: set[str] = set()
    for each in installed:
        known = index.contents(each)
        mine, pth = {*known.modules}, {*known.pth}
        if each.editable:
            mine |= _modules_in((each.source, f"{each.source}/src")).keys()
        if (known.empty and not mine) or (pth and not each.editable):
            mine.add(EVERYWHERE)
        paths |= mine | pth
        modules[each.name] = tuple(sorted(mine))
        needs = tuple(sorted(_requirements(each, names)))
        requires |= {each.name: needs} if needs else {}
    loose: dict[str, str] = {}
    for folder in folders:
        inside = any(distributions.relative(folder, top) is not None for top in own)
        ours = inside and distributions.relative(folder, prefix) is None
        if not (ours or folder.endswith("lib-dynload") or os.path.exists(f"{folder}/os.py")):  # noqa: PTH110
            for name, path in _modules_in((folder,), pth=True).items():
                if name not in paths:
                    loose.setdefault(name, path)
    return Parts(modules, requires, loose, prefix)


def _requirements(each: Installed, names: set[str]) -> Iterator[str]:
    """Yield ``name[extras];extra`` of what one requires, where it is installed."""
    for file in ("METADATA", "PKG-INFO"):
        try:
            with open(f"{each.info}/{file}", encoding="utf-8", errors="replace") as stream:  # noqa: PTH123  as its callers
                head = stream.read(_HEAD).partition("\n\n")[0]
        except OSError:
            continue
        for name, extras, rest in _REQUIRES.findall(head):
            if (known := distributions.normalise(name)) in names:
                extra = _EXTRA.search(rest)
                with_ = ",".join(sorted(map(str.strip, extras.split(",")))) if extras else ""
                yield f"{known}[{with_}];{extra[1] if extra else ''}"


def _modules_in(folders: Iterable[str], *, pth: bool = False) -> dict[str, str]:
    """Return the paths of what can be imported from folders, by its name."""
    found: dict[str, str] = {}
    for entry in (each for folder in folders for each in distributions.entries(folder)):
        stem, dot, suffix = entry.name.partition(".")
        code = suffix.endswith(("py", "so", "pyd")) if dot else entry.is_dir()
        if code and stem.isidentifier() and stem != "__pycache__":
            found.setdefault(stem, entry.path)
        elif pth and entry.name.endswith(".pth"):
            found.setdefault(entry.name, entry.path)
    return found


def names_behind(asked: Iterable[str], parts: Parts) -> tuple[str, ...]:
    """Return the import names of what some imported names require, but those of many projects."""
    found = (name for each in _relevant({*asked}, parts) for name in parts.modules[each])
    return tuple(sorted({*found} - _COMMON))


def _relevant(asked: set[str], parts: Parts) -> set[str]:
    """Return the distributions of import names, and all that is installed of what these require.

    What an extra requires is among them where a requirement names the extra.
    """
    found: set[str] = set()
    asking = asked | {EVERYWHERE}
    left = [(name, "") for name, own in parts.modules.items() if not asking.isdisjoint(own)]
    seen = set(left)
    while left:
        name, extra = left.pop()
        found.add(name)
        for text in parts.requires.get(name, ()):
            needed, _, rest = text.partition("[")
            extras, _, under = rest.partition("];")
            if under in {"", extra}:
                more = {(needed, each) for each in ("", *filter(None, extras.split(",")))} - seen
                seen |= more
                left += more
    return found


def _digests(parts: Parts, names: Iterable[str]) -> dict[str, str]:
    return {name: distributions.code_digest(Path(parts.loose[name])) for name in sorted(names)}
