"""What of a project acts on no result: it is in no digest of inputs, and in no job's folder.

Rules 1, of a project that says nothing else: what the patterns of `inputs.ignore` name. Rules 2:
what people and their tools alone read, besides - tests, docs, notebooks, settings of linters. What
a stage names is never left out, whatever the rules.
"""

from __future__ import annotations

import contextlib
import posixpath
import re
from typing import TYPE_CHECKING, Final

from gitexp.dvc.covered import packaging
from gitexp.dvc.state import NO_FILES, Patterns, ProjectState, join, words
from gitexp.errors import GitexpError
from gitexp.git.objects import blob_hash
from gitexp.model import dataclass, field
from gitexp.model.ids import ABSENT
from gitexp.text import foreign, params
from gitexp.text.foreign import with_parents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

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
_MODULE: Final = re.compile(r"\w+(?:\.\w+)+")


@dataclass(frozen=True, slots=True)
class _Named:
    """Paths that a stage or the configuration names: no pattern can make us overlook them."""

    deps: Patterns
    words: frozenset[str]

    @classmethod
    def of(cls, state: ProjectState, more: Iterable[str] = ()) -> _Named:
        found = set(state.config.evaluation).union(*(stage.words for stage in state.stages), more)
        if state.config.command is not None:
            found |= words(state.config.command, "")
        if state.config.pipeline is not None:
            found.add(state.config.pipeline)
        named = (dep for stage in state.stages for dep in (*stage.deps, *stage.read))
        deps = (dep for dep in named if dep.says_something)
        return cls(Patterns.of(deps), frozenset(found))

    def has(self, path: str) -> bool:
        return not self.words.isdisjoint(with_parents(path)) or self.deps.touch(path)


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """How one state's files are left out, or written without what acts on nothing."""

    named: _Named
    patterns: foreign.Matcher  # of `inputs.ignore`
    included: foreign.Matcher | None = None  # of `inputs.include`; None by rules 1
    used: frozenset[str] = frozenset()  # names of what the commands call
    built: Callable[[str], bool] = field(default=lambda _: False)  # whether packaging names a path
    written: Mapping[str, bytes] = field(default_factory=dict)  # files that are not as committed

    @classmethod
    def of(cls, state: ProjectState, values: Iterable[object] = ()) -> IgnoreRules:
        """Read what a state names; `values`: of its parameters, which may be paths, too."""
        patterns = _matcher(state.config.inputs_ignore)
        if state.config.inputs_rules == 1:
            return cls(_Named.of(state), patterns)
        included = _matcher(state.config.inputs_include)
        named = _Named.of(state, _by_value(state, values))
        named = _Named(named.deps, named.words.union(*map(_of_module, named.words)))
        used = frozenset(posixpath.basename(word) for word in named.words)
        tools = used & packaging.KNOWN
        written: dict[str, bytes] = {}
        words_: set[str] = set()
        licenses: list[tuple[str, foreign.Matcher]] = []
        for entry in state.files():
            folder, name = posixpath.split(entry.text)
            if name not in packaging.NAMING or entry.mode in NO_FILES:
                continue
            with contextlib.suppress(GitexpError):  # too large: it counts as it is
                data = state.read(entry.text)
                if data is ABSENT:
                    continue
                found, globs = packaging.named(data, name)
                words_.update(join(folder, word) for word in found)
                licenses += [(f"{folder}/" if folder else "", foreign.matcher(globs))] * bool(globs)
                whole = named.has(entry.text) or included(entry.text)
                less = None if whole else packaging.reduced(data, name, tools)
                if less is not None and name in packaging.BY_VALUE and less != data:
                    written[entry.text] = less

        def built(path: str) -> bool:
            return path in words_ or any(
                path.startswith(folder) and fits(path.removeprefix(folder))
                for folder, fits in licenses
            )

        return cls(named, patterns, included, used, built, written)

    def ignores(self, path: str) -> bool:
        """Whether a file is left out of digest and folder."""
        return bool(self.why(path))

    def why(self, path: str) -> str:
        """Return what leaves a file out; "" for one that stays."""
        said = BY_PATTERN if self.patterns(path) else ""
        if self.included is not None:
            said = said or self._by_default(path)
        if not said or self.named.has(path) or self.built(path):
            return ""
        return "" if self.included is not None and self.included(path) else said

    def id(self, entry: Entry) -> str:
        """Return the id of what stands for a file in the job's folder."""
        less = self.written.get(entry.text)
        return entry.id if less is None else blob_hash(less)

    def _by_default(self, path: str) -> str:
        """Return what kind of file it is that people and their tools alone read; "" for others."""
        folder, name = posixpath.split(path)
        top = folder.partition("/")[0]
        if name in _OF_TOOL and _OF_TOOL[name] not in self.used:
            return f"it is a file of {_OF_TOOL[name]}"
        if self.used.isdisjoint(_RUNS_TESTS) and (
            top == "tests"
            or _TESTS.fullmatch(name)
            or (name.endswith(".py") and not {"test", "tests"}.isdisjoint(folder.split("/")))
        ):
            return "it is a test"
        if top in _FOLDERS or _TEXTS.fullmatch(path) or _NAMES.fullmatch(name):
            kinds = {".ipynb": "a notebook", ".md": "Markdown", ".markdown": "Markdown"}
            kind = kinds.get(posixpath.splitext(name)[1], "a file of docs, CI, hooks or an editor")
            return f"it is {kind}"
        return ""


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


def _by_value(state: ProjectState, values: Iterable[object]) -> Iterable[str]:
    """Return the words of parameters, and of what fills in a template, that may be paths."""
    texts = set(_flat(values))
    texts.update(text for stage in state.stages for text in stage.texts)
    known = {*state.config.params}
    for path in {dep.text for stage in state.stages for dep in stage.read if dep.literal} - known:
        with contextlib.suppress(GitexpError):
            data = state.read(path)
            held = {} if data is ABSENT else params.flat(data, path)
            texts.update(_flat(held.values()))
    folders = {"", *(stage.wdir for stage in state.stages)}
    likely = [w for text in texts for w in text.split() if w == text or "/" in w or "." in w]
    return {path for word in likely for folder in folders for path in words(word, folder)}


def _flat(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _flat(value)
