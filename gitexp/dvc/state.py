"""A state: a tree with the settings by which it is read, its files, its stages, what they make.

The digest of inputs must be the same before and after a run and must not need DVC. So a template
(``data/${item}.csv``) in ``dvc.yaml`` is taken for a pattern in which each ``${...}`` stands for
any characters, and a group of stages (``foreach``, ``matrix``) for one stage. Where that is not
exact it errs to the side that counts more paths as named by a stage and more stages as executed by
a run.
"""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from gitexp.dvc import dvcpipeline
from gitexp.dvc.dvcfiles import DvcFiles, FilesRead, base_name
from gitexp.dvc.dvcpipeline import Pattern
from gitexp.errors import GitexpError
from gitexp.git import objects
from gitexp.git.objects import Entry
from gitexp.model import dataclass, field, replace
from gitexp.model.ids import Absent, TreeId
from gitexp.text.foreign import Steps, check_path, matcher, with_parents
from gitexp.text.yamltext import yaml_loads

if TYPE_CHECKING:
    from gitexp.git.repository import Repo
    from gitexp.model.config import InputsMode, ProjectConfig
    from gitexp.text.jsontext import Json

_WORDS = re.compile(r"""[\s"'=,;|&<>()`]+""")
MOST_STEPS = 5_000_000  # seconds
MOST_MEETINGS = 20_000_000  # likewise
TEXT_LIMIT_BYTES = 1 << 20
_FILLED = ("vars", "foreach", "matrix")
_OUT_SECTIONS = ("outs", "metrics", "plots")
NO_FILES = (objects.MODE_LINK, objects.MODE_COMMIT)
_LIVE_PATH = re.compile(
    r"(.+)/(metrics\.json\b|plots(?=/(?:custom|images|metrics|sklearn)\b)).*", re.DOTALL
)
_LIVE_FILES = re.compile(
    r"(?:metrics\.json|params\.yaml|report\.\w+|dvc\.yaml|plots/.+)", re.DOTALL
)
_OF_PIPELINE = re.compile(rb"stages|vars|\$\{")


@dataclass(slots=True)
class Patterns:
    """Many patterns at once: a path is looked up, since a branch may declare 100,000 of them."""

    exact: frozenset[str]
    ordered: tuple[str, ...]  # the same: what lies in a folder follows it
    holes: tuple[Pattern, ...]
    steps: Steps

    @classmethod
    def of(cls, patterns: Iterable[Pattern]) -> Patterns:
        """Keep each pattern once."""
        found = dict.fromkeys(patterns)
        exact = frozenset(each.text for each in found if each.literal)
        holes = tuple(each for each in found if not each.literal)
        steps = Steps("the templates of dvc.yaml", "dvc.yaml", MOST_STEPS)
        return cls(exact, tuple(sorted(exact)), holes, steps)

    def touch(self, path: str) -> bool:
        """Whether one of them touches the path."""
        parts = with_parents(path)
        below = f"{path}/"
        at = bisect_left(self.ordered, below)
        if self.ordered[at : at + 1] and self.ordered[at].startswith(below):
            return True
        if not self.exact.isdisjoint(parts):
            return True
        self.steps.take(len(self.holes) * len(parts), len(self.holes))
        return any(each.touches_any(parts) for each in self.holes)


def live_folders(paths: Sequence[str]) -> Iterator[str]:
    """Yield the folders of DVCLive: those called so, and those that have its metrics and plots."""
    pairs = {match.groups() for match in map(_LIVE_PATH.fullmatch, paths) if match}
    yield from (each for each, what in pairs if what == "plots" and (each, "metrics.json") in pairs)
    for path in paths:
        if "dvclive/" in path:
            yield from (f for f in with_parents(path)[1:] if posixpath.basename(f) == "dvclive")


@dataclass(frozen=True, slots=True)
class DeclaredStage:
    """A stage or a group of stages, as written."""

    name: str  # without "@item"
    wdir: str  # relative to the project folder
    deps: tuple[Pattern, ...]
    # What fills in its templates, and its params files; what does in all stages is the first one's.
    read: tuple[Pattern, ...]
    outs: tuple[Pattern, ...]
    words: frozenset[str]  # of its commands, as paths relative to the project folder
    frozen: bool
    texts: frozenset[str] = frozenset()  # of what fills in its templates, where that stands inline


@lru_cache(maxsize=64)  # commits after commits have the same file
def declared_stages(data: bytes, where: str, folder: str) -> tuple[DeclaredStage, ...]:
    """Read the stages of a dvc.yaml in a `folder` of the project.

    Entries of unexpected shape are passed over: DVC complains about them when they are executed.
    """
    document = yaml_loads(data, where=where, allow_aliases=True)
    top = mapping(document)
    letters = Steps("the paths of dvc.yaml", where, dvcpipeline.MOST_LETTERS)
    shared = _read(top, _Folder(folder, letters)), frozenset(texts_in(top.get("vars")))
    found: list[DeclaredStage] = []
    for name, body in mapping(top.get("stages")).items():
        found.append(_stage(name, mapping(body), _Folder(folder, letters), *shared))
        shared = (), frozenset()
    return tuple(found)


def executed(declared: Sequence[DeclaredStage], targets: Sequence[str]) -> frozenset[str]:
    """Return the names of the stages that a run executes: the targets and all they stand on."""
    if not targets:
        return frozenset(stage.name for stage in declared)
    outs = sum(len(stage.outs) for stage in declared)
    if outs * sum(len(stage.deps) for stage in declared) > MOST_MEETINGS:
        return frozenset(stage.name for stage in declared)
    wanted = {base_name(target) for target in targets}
    waiting = [stage for stage in declared if stage.name in wanted]
    while waiting:
        stage = waiting.pop()
        if stage.frozen:  # DVC does not look beyond it
            continue
        for other in declared:
            if other.name not in wanted and any(
                out.meets(dep) for out in other.outs for dep in stage.deps
            ):
                wanted.add(other.name)
                waiting.append(other)
    return frozenset(wanted)


def words(command: str, folder: str) -> frozenset[str]:
    """Return what could be paths in a command, relative to the project folder."""
    return frozenset(join(folder, word) for word in _split(command))


def _split(command: str) -> list[str]:
    return [word for word in _WORDS.split(command) if word and not word.startswith("-")]


def join(folder: str, path: str) -> str:
    """Put a declared path below a folder, without ``.`` and, where possible, ``..``."""
    return posixpath.normpath(posixpath.join(folder, path))


@dataclass(frozen=True, slots=True)
class _Folder:
    """Where the paths of a stage start, which is written before each of them."""

    path: str  # relative to the project folder
    letters: Steps

    def below(self, names: Sequence[str]) -> list[str]:
        self.letters.take(len(self.path) * len(names), len(names))
        return [join(self.path, name) for name in names]

    def paths(self, names: Sequence[str]) -> list[str]:
        """Return declared paths, refusing one that no file can have."""
        for name in names:
            check_path(name, self.letters.where, self.path)
        return self.below(names)

    def patterns(self, section: Json) -> tuple[Pattern, ...]:
        names: list[str] = []
        for entry in listed(section):
            if isinstance(entry, str):
                names.append(entry)
            else:
                names.extend(mapping(entry))
        return tuple(map(Pattern.of, self.paths([name for name in names if "://" not in name])))


def _stage(
    name: str,
    body: Mapping[str, Json],
    folder: _Folder,
    shared: tuple[Pattern, ...],
    texts: frozenset[str],
) -> DeclaredStage:
    inner = mapping(body.get("do")) or body
    wdir_text = inner.get("wdir")
    wdir = join(folder.path, wdir_text) if isinstance(wdir_text, str) else folder.path
    wdir = "" if wdir == "." else wdir
    place = _Folder(wdir, folder.letters)
    commands = [text for text in listed(inner.get("cmd")) if isinstance(text, str)]
    return DeclaredStage(
        name=name,
        wdir=wdir,
        deps=place.patterns(inner.get("deps")),
        read=(*shared, *_read(inner, place)),
        outs=tuple(each for key in _OUT_SECTIONS for each in place.patterns(inner.get(key))),
        words=frozenset().union(*(place.below(_split(text)) for text in commands)),
        frozen=inner.get("frozen") is True,
        texts=texts.union(*(texts_in(each.get(key)) for each in (body, inner) for key in _FILLED)),
    )


def texts_in(value: Json) -> Iterator[str]:
    """Yield the texts in a value; a key of a mapping may be an item of a group."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from texts_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts_in(item)


def _read(section: Mapping[str, Json], place: _Folder) -> tuple[Pattern, ...]:
    """Return the files of ``vars`` and ``params``, and the params.yaml that DVC reads unasked."""
    files = (item for item in listed(section.get("vars")) if isinstance(item, str))
    of_params = (name for item in listed(section.get("params")) for name in mapping(item))
    names = [*(item.partition(":")[0] for item in files), "params.yaml", *of_params]
    return tuple(map(Pattern.of, place.paths(names)))


def mapping(value: Json) -> Mapping[str, Json]:
    """Return a mapping; for anything else an empty one."""
    return value if isinstance(value, Mapping) else {}


def listed(value: Json) -> list[Json]:
    """Return a list, or the one value that stands for a list."""
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]


@dataclass(frozen=True)
class ProjectState:
    """A tree, and the settings by which it is read; paths are relative to the project folder."""

    repo: Repo
    tree: TreeId  # of a commit
    config: ProjectConfig
    walked: Sequence[Entry] | None = None  # the whole tree, where the caller has walked it
    # files in place of the tree's: full path -> bytes, and whether executable
    over: Mapping[str, tuple[bytes, bool]] = field(default_factory=dict)
    held: FilesRead = field(default_factory=FilesRead, compare=False)

    def by_rules(self, by: tuple[int, InputsMode]) -> ProjectState:
        """Return the same as other rules of inputs read it."""
        return replace(self, config=self.config.by_rules(by))

    def files(self) -> Iterator[Entry]:
        """Yield all files of the project folder."""
        yield from self._files

    @cached_property
    def _files(self) -> tuple[Entry, ...]:
        project = self.config.project
        if self.walked is None and not self.over:
            folder = objects.tree_id(self.repo, self.tree, project)
            return () if isinstance(folder, Absent) else (*objects.walk_tree(self.repo, folder),)
        if not project:
            return (*self.entries(),)
        below = f"{project}/".encode("utf-8", "surrogateescape")
        return tuple(
            Entry(entry.mode, entry.path.removeprefix(below), entry.id)
            for entry in self.entries()
            if entry.path.startswith(below)
        )

    def entries(self) -> Iterable[Entry]:
        """Return all files of the tree."""
        there = objects.walk_tree(self.repo, self.tree) if self.walked is None else self.walked
        return self._with_laid(there) if self.over else there

    def _with_laid(self, there: Iterable[Entry]) -> Iterator[Entry]:
        new = dict.fromkeys(self.over)
        for entry in there:
            new.pop(entry.text, None)
            yield self._laid(entry.text) or entry
        yield from filter(None, map(self._laid, new))

    def entry(self, path: str) -> Entry | Absent:
        """Return what lies at a path from the tree's top."""
        return self._laid(path) or objects.entry_at(self.repo, self.tree, path)

    def _laid(self, path: str) -> Entry | None:
        if path not in self.over:
            return None
        data, executable = self.over[path]
        mode = objects.MODE_EXECUTABLE if executable else objects.MODE_BLOB
        return Entry(mode, path.encode("utf-8", "surrogateescape"), objects.blob_hash(data))

    def at(self, path: str) -> str:
        """Turn a path relative to the project folder into one relative to the tree's top."""
        return join(self.config.project, path) if self.config.project else path

    def read(self, path: str, limit: int = TEXT_LIMIT_BYTES) -> bytes | Absent:
        """Return a file of the project folder; `UnsafeInputError` if it is too large."""
        return self._read(self.at(path), limit)

    def _read(self, path: str, limit: int) -> bytes | Absent:
        """Return a file by its path from the tree's top."""
        full = posixpath.normpath(path)
        if full.startswith(("../", "/")):
            return Absent.ABSENT
        laid = self.over.get(full)
        data = objects.read_blob(self.repo, self.tree, full, limit) if laid is None else laid[0]
        if not isinstance(data, Absent) and dvcpipeline.declares(full):
            self.held.take(full, len(data))
        return data

    def dvc_files(
        self,
        starts: Callable[[str], Mapping[str, str] | None] | None = None,
        *,
        base: str = "",
        pointer_limit: int = dvcpipeline.LIMIT,
    ) -> DvcFiles:
        """Return DVC's files of the tree; see `DvcFiles`."""

        def read(path: str) -> bytes | Absent:
            return self._read(path, pointer_limit if path.endswith(".dvc") else dvcpipeline.LIMIT)

        return DvcFiles(read, self._pointers_and_locks, base=base, starts=starts)

    @cached_property
    def dvc(self) -> DvcFiles:
        """DVC's files of the project folder as the digest of inputs reads them."""
        return self.dvc_files(
            lambda path: self.wdirs if path == self.lock_path and self.stages else None,
            base=self.config.project,
            pointer_limit=TEXT_LIMIT_BYTES,
        )

    def _pointers_and_locks(self) -> Iterator[str]:
        for entry in self.files():
            path = entry.text
            if dvcpipeline.declares(path) and entry.mode not in NO_FILES:
                yield path

    @cached_property
    def stages(self) -> tuple[DeclaredStage, ...]:
        """The stages that the pipeline file declares; none where there is no such file."""
        path = self.config.pipeline
        data = Absent.ABSENT if path is None else self.read(path)
        if path is None or isinstance(data, Absent):
            return ()
        return declared_stages(data, self.at(path), posixpath.dirname(path))

    @property
    def wdirs(self) -> dict[str, str]:
        """Where the paths of each stage start in dvc.lock; not of templated folders."""
        return {stage.name: stage.wdir for stage in self.stages if "${" not in stage.wdir}

    @property
    def lock_path(self) -> str | None:
        """Where DVC locks the pipeline; None without a pipeline."""
        return None if self.config.pipeline is None else self.config.lock

    @cached_property
    def outputs(self) -> frozenset[str]:
        """The declared outputs.

        They are those of the configuration (outputs, metrics, predictions, curves) and those that
        ``dvc.yaml`` spells out. What a template in it stands for says ``dvc.lock``, which changes
        with a run: an item that joined its list is not an input of the commit that a run makes.
        """
        config = self.config
        found = {*config.outputs, *config.metrics, *config.curves}
        if config.predictions is not None:
            found.add(config.predictions.path)
        found.update(out.text for stage in self.stages for out in stage.outs if out.literal)
        return frozenset(found.union(self._filled_in(), self.logged))

    @cached_property
    def logged(self) -> frozenset[str]:
        """Files that DVCLive wrote, by rules 2: each repeat writes its own."""
        return self.logs(entry.text for entry in self.files() if entry.mode not in NO_FILES)

    def logs(self, paths: Iterable[str]) -> frozenset[str]:
        """Return those of some paths to which DVCLive writes, by rules 2.

        What a stage or the settings read is an input all the same, but for words of a command:
        they say where to write.
        """
        if self.config.inputs_rules == 1:
            return frozenset()
        paths = frozenset(paths)
        config, folders = self.config, self._live_folders(paths)
        read = (dep for stage in self.stages for dep in (*stage.deps, *stage.read))
        known = Patterns.of(dep for dep in read if dep.says_something)
        own, included = {*config.params, *config.evaluation}, matcher(config.inputs_include)

        def is_log(path: str) -> bool:
            above = folders.intersection(with_parents(path)[1:])
            lies = any(_LIVE_FILES.fullmatch(path, len(each) + 1) for each in above)
            if not (lies or path == "dvc.yaml") or path in own or known.touch(path):
                return False
            declares = path.endswith("dvc.yaml") and _OF_PIPELINE.search(self._text(path))
            return path != config.pipeline and not (declares or included(path))

        return frozenset(filter(is_log, paths) if folders else ())

    def _live_folders(self, more: Iterable[str]) -> set[str]:
        """Return the folders into which DVCLive writes: one that holds code is a package."""
        files = {*more, *(entry.text for entry in self.files())}
        found = set(live_folders([*files, *self._named_logs()]))
        return found.difference(
            folder for path in files if path.endswith(".py") for folder in with_parents(path)
        )

    def _named_logs(self) -> Iterator[str]:
        for path in {self.config.pipeline or "dvc.yaml", "dvc.yaml"}:
            for word in _split(self._text(path).decode("utf-8", "replace")):
                if _LIVE_PATH.fullmatch(word):
                    yield join(posixpath.dirname(path), word)

    def _text(self, path: str) -> bytes:
        """Return a file, nothing of one that is absent or too large."""
        try:
            return self.read(path) or b""
        except GitexpError:
            return b""

    def _filled_in(self) -> Iterator[str]:
        """Yield outputs of dvc.lock for which a template of their stage can stand.

        Another one is of an older dvc.yaml, and may be anything by now.
        """
        templates = {
            stage.name: [out for out in stage.outs if not out.literal] for stage in self.stages
        }
        if self.lock_path is None or not any(templates.values()):
            return
        wdirs = self.wdirs
        for name, locked in self.dvc.outs(self.lock_path):
            base, path = base_name(name), locked.path
            found = any(out.may_be(path) for out in templates.get(base, ()))
            if found and base in wdirs:
                yield path
            elif found:  # the lock does not say in which folder
                files = (entry.text for entry in self.files())
                yield from (file for file in files if f"/{file}".endswith(f"/{path}"))
