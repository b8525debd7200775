"""pyproject.toml and setup.cfg as they act on a job: by value, without what tools of people read.

Half of such a file is settings of linters, type checkers and test runners, groups of packages for
who works on the project, and addresses. A job gets the file without them: none of it acts unseen.
"""

from __future__ import annotations

import configparser
import json
import posixpath
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.text import params

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from gitexp.text.jsontext import Json

BY_VALUE: Final = ("pyproject.toml", "setup.cfg")
NAMING: Final = (*BY_VALUE, "setup.py")
_TOOLS: Final = frozenset(
    (
        *("autoflake", "autopep8", "bandit", "basedpyright", "black", "bumpversion"),
        *("check-manifest", "check-wheel-contents", "codespell", "commitizen", "coverage"),
        *("cruft", "deptry", "djlint", "docformatter", "doc8", "flake8", "git-cliff"),
        *("importlinter", "interrogate", "isort", "jupytext", "mutmut", "mypy", "nbqa", "nox"),
        *("pep8", "pre-commit", "pycln", "pycodestyle", "pydocstyle", "pydoclint", "pylint"),
        *("pyre", "pyrefly", "pyright", "pytest", "pytype", "pyupgrade", "refurb", "ruff"),
        *("semantic-release", "sqlfluff", "taplo", "tomlsort", "towncrier", "tox", "ty", "typos"),
        *("ufmt", "usort", "vulture", "yapf"),
    )
)
_GROUPS: Final = frozenset(
    (
        *("check", "checks", "ci", "cov", "coverage", "dev", "develop", "development", "doc"),
        *("docs", "documentation", "format", "formatting", "hatch-static-analysis", "hatch-test"),
        *("lint", "linters", "linting", "mypy", "nox", "pre-commit", "qa", "quality", "release"),
        *("style", "test", "testing", "tests", "tox", "types", "typing"),
    )
)
_URLS: Final = frozenset(("documentation", "download-url", "homepage", "repository", "urls"))
_INSTALLERS: Final = frozenset(("hatch", "pdm", "pip", "pipenv", "pixi", "poetry", "uv"))
KNOWN: Final = frozenset((*_TOOLS, *_INSTALLERS))
_WORDS: Final = re.compile(r"[\s,:]+")
_TEXTS: Final = re.compile(r"""["']([^"'\n]{1,300})["']""")  # of a setup.py, which is code
_LICENSES: Final = ("license-files", "license_files")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
# As configparser's own, which takes quadratic time for blanks; an empty name where no line has one.
_OPTION: Final = re.compile(r"(?P<option>(?:[^=:]*+(?=[=:]))?)(?P<vi>[=:]?)\s*+(?P<value>.*+)$")

_CFG_LIMIT: Final = 128 << 10  # bytes; the parser takes ten times as long as that of TOML
_LONGEST: Final = 4 << 20  # letters; of 1 MiB at most

_Path = tuple[frozenset[str], ...]


@lru_cache(maxsize=64)  # commits after commits have the same file
def reduced(data: bytes, name: str, used: frozenset[str] = frozenset()) -> bytes | None:
    """Return what of such a file acts, by value.

    None where it cannot be read, or is far longer written out: then all of it does.

    `used`: what the commands call: the table of a tool among them counts, and for who installs
    packages the groups, too.
    """
    value = _parsed(data, name)
    if value is None:
        return None
    if name == "setup.cfg":
        return _cfg(value, used).encode()
    less = toml(_without(value, _dropped(used)))
    return None if less is None else less.encode()


@lru_cache(maxsize=64)
def named(data: bytes, name: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return words that may be files (readme, licence, version), and patterns of licences."""
    if name == "setup.py":
        try:
            return frozenset(map(posixpath.normpath, _TEXTS.findall(data.decode()))), ()
        except UnicodeDecodeError:
            return frozenset(), ()
    value = _parsed(data, name) or {}
    pairs = [*_texts(_without(value, _dropped(())))]
    words = (word for _, text in pairs for word in _WORDS.split(text) if word)
    licenses = (word for key, text in pairs if key in _LICENSES for word in _WORDS.split(text))
    return frozenset(map(posixpath.normpath, words)), tuple(f"/{each}" for each in licenses if each)


@lru_cache(maxsize=2)  # what a file names, and what is written of it, are asked for in turn
def _parsed(data: bytes, name: str) -> dict[str, Json] | None:
    """Return the tables of a file; None where it cannot be read."""
    try:
        if name != "setup.cfg":
            value = params.parse(data, name)
            return value if isinstance(value, dict) else None
        if len(data) > _CFG_LIMIT:
            return None
        found = _Sections()
        found.read_string(data.decode())
        return {each: dict(found.items(each)) for each in found.sections()}
    except (GitexpError, configparser.Error, UnicodeDecodeError):
        return None


def _dropped(used: Collection[str]) -> Sequence[_Path]:
    tool, urls = frozenset(("tool",)), frozenset(("urls",))
    poetry, old = frozenset(("poetry",)), frozenset(("dev-dependencies",))
    paths: list[_Path] = [
        (tool, _TOOLS.difference(used)),
        (frozenset(("project",)), urls),
        (tool, poetry, _URLS),
    ]
    if _INSTALLERS.isdisjoint(used):
        paths += [
            (frozenset(("dependency-groups",)), _GROUPS),
            (frozenset(("project",)), frozenset(("optional-dependencies",)), _GROUPS),
            (tool, poetry, frozenset(("group", "extras")), _GROUPS),
            (tool, frozenset(("poetry", "uv", "pdm")), old),
            (tool, frozenset(("pdm",)), old, _GROUPS),
            (tool, frozenset(("hatch",)), frozenset(("envs",)), _GROUPS),
            (tool, frozenset(("pixi",)), frozenset(("feature", "environments")), _GROUPS),
        ]
    return paths


def _without(value: Json, paths: Sequence[_Path]) -> Json:
    """Return a table without what paths lead to, and without tables that this leaves empty."""
    if not isinstance(value, dict) or not paths:
        return value
    kept: dict[str, Json] = {}
    for key, item in value.items():
        below = [path[1:] for path in paths if _plain(key) in path[0]]
        if not all(below):
            continue
        left = _without(item, below)
        if left or not item:
            kept[key] = left
    return kept


def _plain(key: str) -> str:
    return key.lower().replace("_", "-")


def _texts(value: Json, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text with the nearest key above it."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, key)


class _Sections(configparser.RawConfigParser):
    """Names as they are written, in time that is linear in the text."""

    OPTCRE = _OPTION

    def __init__(self) -> None:
        # What is in the default section is in each: no line can name this one.
        super().__init__(default_section="\n")
        self.converters.clear()  # a section would be given each, which takes longer than its lines

    def optionxform(self, optionstr: str) -> str:
        if not optionstr:  # the parser would go on, and copy all its errors for each further one
            raise configparser.Error("a line without a name")
        return optionstr


def _cfg(sections: Mapping[str, Json], used: Collection[str]) -> str:
    """Write a setup.cfg by sorted names, as configparser would."""
    installs = not _INSTALLERS.isdisjoint(used)
    tools = {"testenv", *_TOOLS}.difference(used)
    out: list[str] = []
    for name, section in sorted(sections.items()):
        tool = re.split(r"[:.-]", name.removeprefix("tool:"))[0]
        if not isinstance(section, dict) or (name != "options" and _plain(tool) in tools):
            continue
        extras = name == "options.extras_require" and not installs
        kept = [
            f"{key} = {value}".replace("\n", "\n\t")
            for key, value in sorted(section.items())
            if not (extras and _plain(key) in _GROUPS)
            and not (name == "metadata" and _plain(key) in {"url", "project-urls", "download-url"})
        ]
        if kept or not section:
            out += [f"[{name}]", *kept, ""]
    return "".join(f"{line}\n" for line in out)


def toml(value: Json) -> str | None:
    """Write a table by sorted keys, so that equal values have equal bytes; None above a length.

    The names above a table stand before each: one long name above many is written as many times.
    """
    out: list[str] = []
    length = 0
    for piece in _table(value, "") if isinstance(value, dict) else ():
        length += len(piece)
        if length > _LONGEST:
            return None
        out.append(piece)
    return "".join(out).lstrip("\n")


def _table(value: dict[str, Json], path: str) -> Iterator[str]:
    below = {key: item for key, item in sorted(value.items()) if isinstance(item, dict)}
    plain = [key for key in sorted(value) if key not in below]
    if path and (plain or not below):
        yield f"\n[{path}]\n"
    yield from (f"{_key(key)} = {_inline(value[key])}\n" for key in plain)
    for key, item in below.items():
        yield from _table(item, f"{path}.{_key(key)}" if path else _key(key))


def _inline(value: Json) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    if isinstance(value, dict):
        pairs = (f"{_key(key)} = {_inline(item)}" for key, item in sorted(value.items()))
        return f"{{{', '.join(pairs)}}}"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
