"""pyproject.toml and setup.cfg as they act on a job: by value, without what tools of people read.

Half of such a file is settings of linters, type checkers and test runners, groups of packages for
who works on the project, and addresses. A job gets the file without them: none of it acts unseen.
"""

from __future__ import annotations

import configparser
import io
import json
import posixpath
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.text import params

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

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

_Path = tuple[frozenset[str], ...]


@lru_cache(maxsize=64)  # commits after commits have the same file
def reduced(data: bytes, name: str, used: frozenset[str] = frozenset()) -> bytes | None:
    """Return what of such a file acts, by value; None where it cannot be read: then all of it does.

    `used`: what the commands call: the table of a tool among them counts, and for who installs
    packages the groups, too.
    """
    try:
        if name == "setup.cfg":
            return _written(_sections(data), used)
        value = params.parse(data, name)
    except (GitexpError, configparser.Error, UnicodeDecodeError):
        return None
    return toml(_without(value, _dropped(used))).encode()


@lru_cache(maxsize=64)
def named(data: bytes, name: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return words that may be files (readme, licence, version), and patterns of licences."""
    try:
        if name == "setup.py":
            return frozenset(_TEXTS.findall(data.decode())), ()
        if name == "setup.cfg":
            sections = _sections(data)
            value: Json = {each: dict(sections[each].items()) for each in sections.sections()}
        else:
            value = params.parse(data, name)
    except (GitexpError, configparser.Error, UnicodeDecodeError):
        return frozenset(), ()
    pairs = [*_texts(_without(value, _dropped(())))]
    words = (word for _, text in pairs for word in _WORDS.split(text) if word)
    licenses = (word for key, text in pairs if key in _LICENSES for word in _WORDS.split(text))
    return frozenset(map(posixpath.normpath, words)), tuple(f"/{each}" for each in licenses if each)


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

    def optionxform(self, optionstr: str) -> str:
        if not optionstr:  # the parser would go on, and copy all its errors for each further one
            raise configparser.Error("a line without a name")
        return optionstr


def _sections(data: bytes) -> configparser.RawConfigParser:
    found = _Sections()
    found.read_string(data.decode())
    return found


def _written(sections: configparser.RawConfigParser, used: Collection[str]) -> bytes:
    kept = _Sections()
    installs = not _INSTALLERS.isdisjoint(used)
    for name in sorted(sections.sections()):
        tool = re.split(r"[:.-]", name.removeprefix("tool:"))[0]
        if name != "options" and _plain(tool) in {"testenv", *_TOOLS}.difference(used):
            continue
        extras = name == "options.extras_require" and not installs
        kept[name] = {
            key: value
            for key, value in sorted(sections[name].items())
            if not (extras and _plain(key) in _GROUPS)
            and not (name == "metadata" and _plain(key) in {"url", "project-urls", "download-url"})
        }
        if sections[name] and not kept[name]:
            kept.remove_section(name)
    out = io.StringIO()
    kept.write(out)
    return out.getvalue().encode()


def toml(value: Json) -> str:
    """Write a table by sorted keys, so that equal values have equal bytes."""
    return "".join(_table(value, "")).lstrip("\n") if isinstance(value, dict) else ""


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
