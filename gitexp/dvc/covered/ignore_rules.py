"""What of a project acts on no result: it is in no digest of inputs, and in no job's folder.

Rules 1, of a project that says nothing else: what the patterns of `inputs.ignore` name. Rules 2:
what people and their tools alone read, besides - tests, docs, notebooks, settings of linters. In
declared mode whatever nothing declares, too. What a stage names is never left out.
"""

from __future__ import annotations

import contextlib
import posixpath
import re
from typing import TYPE_CHECKING, Final

from gitexp.dvc.covered import packaging
from gitexp.dvc.covered.declared import UNDECLARED, DeclaredFiles
from gitexp.dvc.dvcfiles import FilesRead
from gitexp.dvc.state import NO_FILES, Patterns, ProjectState, join, words
from gitexp.errors import GitexpError
from gitexp.git.objects import blob_hash
from gitexp.model import dataclass, field, replace
from gitexp.model.ids import ABSENT
from gitexp.text import foreign, params
from gitexp.text.foreign import Steps, with_parents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Self

    from gitexp.git.objects import Entry

# At the top of the project, whatever is below.
_FOLDERS: Final = frozenset(
    (
        *(".buildkite", ".changeset", ".circleci", ".devcontainer", ".forgejo", ".gitea"),
        *(".githooks", ".github", ".gitlab", ".husky", ".idea", ".vscode", "doc", "docs"),
    )
)
_TEXTS: Final = re.compile(
    r"(?:README|CHANGELOG|LICENSE)[^/]*|(?:AUTHORS|CHANGES|CITATION|CODEOWNERS|CODE_OF_CONDUCT"
    r"|CONTRIBUTING|CONTRIBUTORS|COPYING|HISTORY|LICENCE|NEWS|NOTICE|SECURITY)"
    r"(?:\.(?:adoc|cff|rst|txt))?|(?:mkdocs|\.readthedocs|\.gitlab-ci|\.travis|\.drone|\.cirrus"
    r"|azure-pipelines|appveyor|bitbucket-pipelines|\.?codecov)\.ya?ml|Jenkinsfile"
    r"|requirements[-_./](?:dev|docs|lint|tests?)\.(?:in|txt)"
    r"|(?:dev|docs|lint|tests?)[-_]requirements\.(?:in|txt)"
)
# In any folder.
_NAMES: Final = re.compile(
    r".*\.(?:md|markdown|ipynb)|\.editorconfig|\.pre-commit-(?:config|hooks)\.ya?ml|lefthook\.ya?ml"
    r"|\.?commitlint[^/]*|\.?markdownlint[^/]*|\.yamllint[^/]*|\.prettier[^/]*|\.codespell[^/]*"
    r"|\.clang-(?:format|tidy)|\.hadolint\.ya?ml|\.git-blame-ignore-revs|\.mailmap|\.DS_Store"
)
_TESTS: Final = re.compile(r"test_[^/]*\.py|conftest\.py")
_RUNS_TESTS: Final = frozenset(("nose2", "nox", "pytest", "py.test", "tox", "unittest"))
# Of one tool, without which nobody reads it.
_OF_TOOL: Final = {
    name: tool
    for tool, names in (
        ("bandit", (".bandit",)),
        ("coverage", (".coveragerc",)),
        ("flake8", (".flake8",)),
        ("isort", (".isort.cfg",)),
        ("mypy", ("mypy.ini", ".mypy.ini")),
        ("nox", ("noxfile.py",)),
        ("pdm", ("pdm.lock",)),
        ("pipenv", ("Pipfile.lock",)),
        ("pixi", ("pixi.lock",)),
        ("poetry", ("poetry.lock",)),
        ("pylint", ("pylintrc", ".pylintrc")),
        ("pyright", ("pyrightconfig.json",)),
        ("pytest", ("pytest.ini", ".pytest.ini")),
        ("ruff", ("ruff.toml", ".ruff.toml")),
        ("tox", ("tox.ini",)),
        ("uv", ("uv.lock",)),
    )
    for name in names
}
BY_PATTERN: Final = "inputs.ignore in .gitexp/config.yaml names it"
# Of parts: no name of Python's own has a tenth as many, and each may be the end.
_MODULE: Final = re.compile(r"\w+(?:\.\w+){1,99}")
_MOST_STEPS: Final = 20_000_000  # seconds
_MOST_BYTES: Final = 4 << 20  # of a thousand packages
_FEW: Final = 256  # letters
_UP: Final = re.compile(r"(?:\.\./)*+(?:\.\.?\Z)?")


@dataclass(frozen=True, slots=True)
class _Relative:
    """Normal paths from whichever folder: by how many folders they lead up first, "" for one."""

    groups: tuple[tuple[int, frozenset[str], bool], ...]  # and whether they are few

    @classmethod
    def of(cls, paths: Iterable[str], more: Callable[[str], Iterable[str]] = lambda _: ()) -> Self:
        """Sort paths, and what more is meant by each."""
        found: dict[int, set[str]] = {}
        for path in paths:
            match = _UP.match(path)
            end = match.end() if match else 0
            found.setdefault((end + 1) // 3, set()).update((path[end:], *more(path[end:])))
        every = ((up, frozenset(group)) for up, group in sorted(found.items()))
        return cls(tuple((up, group, sum(map(len, group)) < _FEW) for up, group in every))

    def names(self) -> set[str]:
        return {posixpath.basename(path) for _, group, _ in self.groups for path in group}


@dataclass(slots=True)
class _Words:
    """Words that may be paths from many folders: kept once, as there are too many pairs."""

    whole: set[str]  # from the top
    below: dict[str, dict[frozenset[str], None]] = field(default_factory=dict)
    steps: Steps = field(default_factory=lambda: Steps("the words", "params.yaml", _MOST_STEPS))

    def start(self, folder: str, paths: _Relative) -> None:
        """Let paths start in a folder, too; none leads back from outside of the project."""
        parts = folder.split("/") if folder else []
        for up, group, few in paths.groups:
            if up > len(parts) or folder.startswith(("/", "../")) or folder == "..":
                return
            above = "/".join(parts[: len(parts) - up])
            if "" in group:
                self.whole.add(above)
            if few:
                self.whole.update(f"{above}/{path}" if above else path for path in group)
            else:
                self.below.setdefault(above, {})[group] = None

    def has(self, path: str, parts: Sequence[str]) -> bool:
        """Whether one of them is the path; `parts`: itself, and the folders that it lies in."""
        return path in self.whole or any(path[cut:] in group for cut, group in self._at(parts, 1))

    def touch(self, parts: Sequence[str]) -> bool:
        """Whether one of them is a path, or a folder that it lies in."""
        return not self.whole.isdisjoint(parts) or any(
            each[cut:] in group
            for cut, group in self._at(parts, len(parts))
            for each in parts
            if len(each) > cut
        )

    def _at(self, parts: Sequence[str], times: int) -> Iterator[tuple[int, frozenset[str]]]:
        for folder in (*parts[1:], "") if self.below else ():
            if groups := self.below.get(folder):
                self.steps.take(len(groups) * times, len(groups))
                yield from ((len(folder) + bool(folder), group) for group in groups)


@dataclass(frozen=True, slots=True)
class _Named:
    """Paths that a stage or the configuration names: no pattern can make us overlook them."""

    deps: Patterns
    words: _Words

    @classmethod
    def of(cls, state: ProjectState) -> _Named:
        found = set(state.config.evaluation).union(*(stage.words for stage in state.stages))
        if state.config.command is not None:
            found |= words(state.config.command, "")
        if state.config.pipeline is not None:
            found.add(state.config.pipeline)
        named = (dep for stage in state.stages for dep in (*stage.deps, *stage.read))
        deps = (dep for dep in named if dep.says_something)
        return cls(Patterns.of(deps), _Words(found))

    def has(self, path: str) -> bool:
        return self.words.touch(with_parents(path)) or self.deps.touch(path)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a file of packaging says, in whichever folder it lies."""

    words: _Relative
    licenses: foreign.Matcher | None
    less: bytes | None = None  # what is written in its place
    id: str = ""  # of that


@dataclass(slots=True)
class _Packaging:
    """The files of packaging of a state: each is read once, in however many folders it lies."""

    state: ProjectState
    tools: frozenset[str]
    taken: FilesRead
    said: dict[tuple[str, str], _Said | None] = field(default_factory=dict)
    steps: Steps = field(default_factory=lambda: Steps("the licences' patterns", "pyproject.toml"))

    def of(self, entry: Entry, name: str) -> _Said | None:
        """Return what a file says; None where it is too large, and counts as it is."""
        key = entry.id, name
        if key not in self.said:
            self.said[key] = self._read(entry.text, name)
        return self.said[key]

    def _read(self, path: str, name: str) -> _Said | None:
        try:
            data = self.state.read(path)
        except GitexpError:
            return None
        if data is ABSENT:
            return None
        self.taken.take(path, len(data))
        found, globs = packaging.named(data, name)
        named = _Relative.of(found)
        try:
            fits = foreign.matcher(globs, self.steps) if globs else None
        except GitexpError:
            return _Said(named, None)
        less = packaging.reduced(data, name, self.tools) if name in packaging.BY_VALUE else None
        if less is None or less == data:
            return _Said(named, fits)
        self.taken.total += len(less)
        return _Said(named, fits, less, blob_hash(less))


@dataclass(frozen=True, slots=True)
class _Built:
    """What packaging names: what is built may hold it."""

    words: _Words
    licenses: dict[str, list[foreign.Matcher]]  # by folder

    def has(self, path: str) -> bool:
        parts = with_parents(path)
        return self.words.has(path, parts) or any(
            fits(path.removeprefix(f"{folder}/"))
            for folder in (*parts[1:], "")
            for fits in self.licenses.get(folder, ())
        )


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """How one state's files are left out, or written without what acts on nothing."""

    named: _Named
    patterns: foreign.Matcher  # of `inputs.ignore`
    included: foreign.Matcher | None = None  # of `inputs.include`; None by rules 1
    declared: DeclaredFiles | None = None  # in declared mode
    used: frozenset[str] = frozenset()  # names of what the commands call
    built: _Built | None = None
    written: Mapping[str, bytes] = field(default_factory=dict)  # files that are not as committed
    ids: Mapping[str, str] = field(default_factory=dict)  # of those

    @classmethod
    def of(cls, state: ProjectState, values: Iterable[object] = ()) -> IgnoreRules:
        """Read what a state names; `values`: of its parameters, which may be paths, too."""
        patterns = _matcher(state.config.inputs_ignore)
        named = _Named.of(state)
        if state.config.inputs_rules == 1:
            return cls(named, patterns)
        included = _matcher(state.config.inputs_include)
        taken = FilesRead("files of packages and parameters", _MOST_BYTES)
        used = frozenset(_with_values(named.words, state, values, taken))
        said = _Packaging(state, used & packaging.KNOWN, taken)
        built = _Built(_Words(set()), {})
        written: dict[str, bytes] = {}
        ids: dict[str, str] = {}
        for entry in state.files():
            folder, name = posixpath.split(entry.text)
            if name not in packaging.NAMING or entry.mode in NO_FILES:
                continue
            file = said.of(entry, name)
            if file is None:
                continue
            built.words.start(folder, file.words)
            if file.licenses is not None:
                built.licenses.setdefault(folder, []).append(file.licenses)
            whole = file.less is None or named.has(entry.text) or included(entry.text)
            if file.less is not None and not whole:
                written[entry.text], ids[entry.text] = file.less, file.id
        rules = cls(named, patterns, included, None, used, built, written, ids)
        if state.config.is_declared:
            rules = replace(rules, declared=DeclaredFiles.of(state, rules.takes, rules.serves))
        return rules

    def ignores(self, path: str) -> bool:
        """Whether a file is left out of digest and folder."""
        return bool(self.why(path))

    def why(self, path: str) -> str:
        """Return what leaves a file out; "" for one that stays."""
        said = BY_PATTERN if self.patterns(path) else ""
        if self.included is not None:
            said = said or self._by_default(path)
        if self.declared is None:
            return "" if not said or self.takes(path) else said
        if not said and path not in self.declared.kept:
            said = UNDECLARED
        return "" if path in self.declared.named else said

    def serves(self, path: str) -> bool | None:
        """Whether a command calls the tool whose file or test it is; None for all others."""
        if tool := _tool(path):
            return tool in self.used
        return not self.used.isdisjoint(_RUNS_TESTS) if _is_test(path) else None

    def takes(self, path: str) -> bool:
        """Whether something names a file as it is, so that no kind of it is left out."""
        return (
            self.named.has(path)
            or (self.built is not None and self.built.has(path))
            or (self.included is not None and self.included(path))
        )

    def id(self, entry: Entry) -> str:
        """Return the id of what stands for a file in the job's folder."""
        return self.ids.get(entry.text, entry.id)

    def _by_default(self, path: str) -> str:
        """Return what kind of file it is that people and their tools alone read; "" for others."""
        folder, name = posixpath.split(path)
        top = folder.partition("/")[0]
        if self.serves(path) is False:
            return f"it is a file of {tool}" if (tool := _tool(path)) else "it is a test"
        if top in _FOLDERS or _TEXTS.fullmatch(path) or _NAMES.fullmatch(name):
            kinds = {".ipynb": "a notebook", ".md": "Markdown", ".markdown": "Markdown"}
            kind = kinds.get(posixpath.splitext(name)[1], "a file of docs, CI, hooks or an editor")
            return f"it is {kind}"
        return ""


def _tool(path: str) -> str:
    return _OF_TOOL.get(posixpath.basename(path), "")


def _is_test(path: str) -> bool:
    folder, name = posixpath.split(path)
    inside = {*folder.split("/")}
    return (
        folder.partition("/")[0] == "tests"
        or _TESTS.fullmatch(name) is not None
        or (name.endswith(".py") and not inside.isdisjoint(("test", "tests")))
    )


def _matcher(patterns: tuple[str, ...]) -> foreign.Matcher:
    return foreign.matcher(patterns) if patterns else lambda _: False


def _of_module(word: str) -> Iterable[str]:
    """Return the files of a module that ``python -m`` names, and of the packages around it."""
    folder, name = posixpath.split(word)
    if not _MODULE.fullmatch(name):
        return ()
    path = name.replace(".", "/")
    files = [path, f"{path}.py", *(f"{each}/__init__.py" for each in with_parents(path)[1:])]
    return [join(base, each) for base in (folder, join(folder, "src")) for each in files]


def _with_values(
    named: _Words, state: ProjectState, values: Iterable[object], taken: FilesRead
) -> set[str]:
    """Add words of parameters, and of what fills in a template, that may be paths; modules, too.

    Return the names that end any of them: what the commands call is among those.
    """
    texts = set(_flat(values))
    texts.update(text for stage in state.stages for text in stage.texts)
    known = {*state.config.params}
    for path in {dep.text for stage in state.stages for dep in stage.read if dep.literal} - known:
        try:
            data = state.read(path)
        except GitexpError:
            continue
        if data is not ABSENT:
            taken.take(path, len(data))
            with contextlib.suppress(GitexpError):
                texts.update(_flat(params.flat(data, path).values()))
    likely = (w for text in texts for w in text.split() if w == text or "/" in w or "." in w)
    found = _Relative.of((path for word in likely for path in words(word, "")), _of_module)
    named.whole.update(*map(_of_module, tuple(named.whole)))
    for folder in {"", *(stage.wdir for stage in state.stages)}:
        named.start(folder, found)
    return found.names().union(map(posixpath.basename, named.whole))


def _flat(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _flat(value)
