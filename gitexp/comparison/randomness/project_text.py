"""The text of a project: what it executes, what that may read, and which seeds stand in it."""

from __future__ import annotations

import ast
import posixpath
import re
from functools import cached_property
from typing import TYPE_CHECKING

from gitexp.comparison.randomness.draws import Draw, Scripts
from gitexp.comparison.randomness.syntax import (
    SEED_CALL,
    SEED_NAME,
    SETTINGS,
    STEADY,
    VARIABLE,
    CopiesReason,
    Fixed,
    is_of_data,
    spelled,
)
from gitexp.dvc import pipeline
from gitexp.dvc.acting import NamedFiles, modules
from gitexp.dvc.dvcpipeline import written_stages
from gitexp.errors import GitexpError
from gitexp.model import dataclass, replace
from gitexp.model.config import ParamKey, ProjectConfig
from gitexp.text import params
from gitexp.text.fields import near
from gitexp.text.foreign import MAX_PATH, with_parents

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from gitexp.model.job import Stage

_MOST_TOLD = 60  # files
_UNNAMED = {"__init__.py", "__main__.py"}  # called by their folder
_OTHER_LANGUAGES = re.compile(
    r"\.(r|rmd|jl|m|js|ts|c|cc|cpp|cu|rs|go|java|scala|lua|pl|rb)$", re.IGNORECASE
)
CODE = re.compile(r"\.(py|ipynb|sh|bash)$|" + _OTHER_LANGUAGES.pattern, re.IGNORECASE)
# --seed ${train.seed}; other words are taken whole, so that none is read from each of its letters.
_HANDED_ON = re.compile(r"([\w-]*+)[ =]?[\"']?\$\{?\s*([\w.]+)|[\w-]+")
NUMBERED = re.compile(r"(?:seed|random[_-]state)\W{0,3}\d", re.IGNORECASE)
_GIVEN = re.compile(  # on a command line
    r"(?<![\w.-])([\w.-]*(?:seed|random[_-]state))[ =]+[\"']?(\d+)\b", re.IGNORECASE
)
_DIVIDES = re.compile(r"split|fold", re.IGNORECASE)
_DATA_LINE = re.compile(r"\s*+(?:(?=\w*data)\w++\s*+=|[xXyY]\w*+\s*+[,=])")
_RESULTS = re.compile(
    r"(?<!\w)(?=\w+\.\w+$)\w*?(metric|result|score|summary|report|history)", re.IGNORECASE
)
_ENTRY = re.compile(r"^[^\S\n]*[\"']?([\w.-]+)[\"']?\s*[:=]\s*[\"']?(\d+)", re.MULTILINE)
_OPTION = re.compile(  # argparse, click, typer, optparse of R: its short name may come first
    r"(?:add_argument|[oO]ption)\((?:c\(|[^\"'()\n]{0,40},)?\s*(?:[\"']-\w[\"']\s*,\s*)?"
    r"[\"'](--?[\w-]*(?:seed|random[-_]state))[\"']"
)
_ANY_OPTION = re.compile(r"[\"'](--[A-Za-z][\w-]*)[\"']")
_FOREIGN = re.compile("LightningCLI|HfArgumentParser")  # options that no text of a project has
# Options that are handed on without being named.
ALL_ARGUMENTS = re.compile(
    r"sys\.argv|parse_known_args|\bfire\b|hydra|typer|tyro|LightningCLI|jsonargparse|omegaconf"
    r"|\$@|\$\*|\$\{?\d|commandArgs|(?-i:\bARGS\b)|process\.argv",
    re.IGNORECASE,
)
_DECLARING = re.compile(r"add_argument|[oO]ption\(")
_OUTSIDE = re.compile(r"[/~]|\.\.|\w+:")  # of the folder of a job
_ENTROPY = re.compile(
    r"urandom|SystemRandom|\bsecrets\b|uuid[14]|\$RANDOM|seed(?:(?!seed)\w)*\s*[=(][^\n]{0,200}time"
)

# What comes before the program of a command, and programs that neither train nor hand on a seed.
_AHEAD = re.compile(r"\s*(?:(?:\w+=\S*|exec|time|(?:uv|poetry|pdm|pipenv|rye) run)\s+)*")
_BESIDE = re.compile(r"(?:cd|cp|echo|export|ls|mkdir|mv|rm|set|tee|test|touch|true)\b|$")
_BY_PYTHON = re.compile(
    r"(?:\S*/)?python[\d.]*(?:\s+-[BEIOSsu]+)*\s+(-m\s+)?([\w./-]+)|(\S+\.py)\b"
)


@dataclass(frozen=True)  # without slots: what is cached needs a place
class ProjectText:
    """The text of a project: what it executes, and what that may read."""

    texts: tuple[tuple[str, str], ...]  # path and text; of a notebook its code cells
    config: ProjectConfig
    whole: bool = True  # whether nothing was left out that could be code
    files: frozenset[str] = frozenset()  # paths of all that the commit holds

    def able(self) -> bool:
        """Whether something could take up the seed, or draw on chance without one."""
        rule = self.config.seed
        code = {path: text for path, text in self.texts if not self._is_params(path)}
        texts = [self.config.command or "", *code.values()]
        scripts = self._scripts(code)
        others = {path: text for path, text in code.items() if path not in scripts.trees}
        keys = [(key.file.rpartition("/")[2], key.key.split(".")) for key in rule.params]
        keys += [("", [_option_name(rule.arg)])] if rule.arg is not None else []
        return (
            not self.whole
            or any("GITEXP_" in text or _ENTROPY.search(text) for text in texts)
            or (rule.arg is not None and any(map(ALL_ARGUMENTS.search, code.values())))
            or any(self._is_templated(key, texts) for key in rule.params)
            # What is no Python holds its seed fast by a number; a script that cannot be parsed may.
            or any(
                path.endswith((".py", ".ipynb")) or not NUMBERED.search(text)
                for path, text in others.items()
                if CODE.search(path)
            )
            or any(scripts.hands_on(*each) for each in keys)
            or scripts.reads_seed()
            or scripts.draws_anew()
        )

    @staticmethod
    def _is_templated(key: ParamKey, texts: Sequence[str]) -> bool:
        """Whether a command, or a stage's template, takes a parameter or the file that has it."""
        named = [name for text in texts for name in re.findall(r"\$\{\s*([\w.]+)", text)]
        return key.file in texts[0] or any(_is_of(key, each) for each in named)

    @cached_property
    def _skipped(self) -> CopiesReason | None:
        """Return what is wrong where no stage lists a seed parameter: DVC runs each only once."""
        rule, path, stages = self.config.seed, self._pipeline, self._stages
        if not (rule.params and stages):
            return None
        text = dict(self.texts)[path]
        named = VARIABLE in text or any(self._is_templated(e, ["", text]) for e in rule.params)
        listed = any(pipeline.depends_on(stage, key) for stage in stages for key in rule.params)
        if named or listed or any("${" in k for s in stages for e in s.params for k in e.keys):
            return None
        key = rule.params[0]
        reading = [stage for stage in stages if self._reads(stage.commands, key)]
        file = posixpath.relpath(key.file, (reading or stages)[0].wdir or ".")
        entry = key.key if file == "params.yaml" else f"{file}: [{key.key}]"
        names = ", ".join(stage.name for stage in reading)
        return CopiesReason(
            f"no stage of {path} lists {key} under params:, so DVC skips them after the first seed",
            f"in {path}, add {entry} to params: of {names or 'each stage that reads it'}, "
            "and commit",
            path if names else "",
        )

    def _reads(self, commands: Sequence[str], key: ParamKey) -> bool:
        """Whether what some commands execute reads a parameter, as far as its text shows."""
        config = replace(self.config, pipeline=None, command="\n".join(commands))
        stage: ProjectText = replace(self, config=config)
        return stage._executed.hands_on(key.file.rpartition("/")[2], key.key.split("."))

    @property
    def is_small(self) -> bool:
        """Whether it may be read for a mere remark, which is not worth seconds."""
        return len(self._reached) <= _MOST_TOLD

    @cached_property
    def is_direct(self) -> bool:
        """Whether the commands themselves execute scripts of the project, by Python.

        make, papermill, a shell script, a launcher may hand on a seed in ways that no text shows.
        """
        parts = re.split(r"&&|\|\||[;|\n]|&(?!\d)", self._commands)
        return len(parts) <= _MOST_TOLD and all(map(self._is_own, parts))

    @property
    def _commands(self) -> str:
        found = [each for stage in self._stages for each in stage.commands]
        return "\n".join(found or [self.config.command or ""])

    def _is_own(self, command: str) -> bool:
        ahead = _AHEAD.match(command)
        program = command[ahead.end() :] if ahead else command
        if _BESIDE.match(program):
            return True
        found = _BY_PYTHON.match(program)
        if found is None:
            return False
        module, word, script = found.groups()
        path = posixpath.normpath(word.replace(".", "/") if module else script or word)
        path = path.replace("../", "")
        ends = (f"/{path}.py", f"/{path}/__main__.py") if module else (f"/{path}",)
        return any(f"/{each}".endswith(ends) for each, _ in self.texts)

    def takes(self) -> bool:
        """Whether something draws on the seed of a repeat."""
        return self._executed.takes_seed()

    @cached_property
    def _executed(self) -> Scripts:
        return self._scripts(self._reached)

    def _scripts(self, reached: Mapping[str, str]) -> Scripts:
        """Return what is executed of Python, with the names of the seed in it."""
        trees = {
            path: tree
            for path, text in reached.items()
            if path.endswith((".py", ".ipynb")) and (tree := _parsed(text)) is not None
        }
        rule = self.config.seed
        words = {key.key.rpartition(".")[2] for key in rule.params}
        words |= {"argv", _option_name(rule.arg)} if rule.arg is not None else set()
        texts = [self.config.command or "", *reached.values()]
        files = {path.rpartition("/")[2] for path in self._settings()}
        if self.config.pipeline:
            texts += [text for path, text in self.texts if path == self._pipeline]
        for option, name in (found for text in texts for found in _HANDED_ON.findall(text)):
            if name == VARIABLE or any(_is_of(key, name) for key in rule.params):
                words |= {"argv", _option_name(option)}
        commands = [text for text in texts if not _DECLARING.search(text)]
        scripts = Scripts(trees, words, files, "\n".join(commands), self._is_absent)
        try:
            scripts.settle()
        except RecursionError:  # a thousand lookups in a row: nobody's own code
            scripts = Scripts({}, words, files, is_lost=True)
        return scripts

    def _is_absent(self, path: str) -> bool:
        """Whether no job has a file of this name, in whatever folder, when it starts."""
        if _OUTSIDE.match(path) or not self.whole or len(path) > MAX_PATH:
            return False
        path = posixpath.normpath(path).replace("../", "")
        ends = tuple(f"/{each}" for each in with_parents(path))
        there = (each.endswith(ends) or f"/{path}/" in each for each in self._present)
        return path not in {".", ".."} and not any(there)

    @cached_property
    def _present(self) -> frozenset[str]:
        """What may lie in the folder of a job when it starts: all but what it is there to make."""
        config, stages = self.config, self._stages
        made = {out.path for stage in stages for out in stage.outs if not out.persist}
        if config.pipeline is None:
            made = {*config.outputs, *config.metrics}
        brought = {*config.link, *(path for stage in stages for path in stage.deps)}
        paths = {self._inside(path.removesuffix(".dvc")) for path in self.files}
        left = {path for path in paths if made.isdisjoint(with_parents(path))}
        return frozenset(f"/{path}" for path in left | brought)

    @cached_property
    def _stages(self) -> tuple[Stage, ...]:
        """The stages of the pipeline as they are written; none where they cannot be read."""
        text = dict(self.texts).get(self._pipeline) if self.config.pipeline else None
        try:
            folder = posixpath.dirname(self.config.pipeline or "")
            return () if text is None else written_stages(text.encode(), self._pipeline, folder)
        except GitexpError:
            return ()

    def _settings(self) -> dict[str, str]:
        """Return the files of settings that executed text names, itself or by folder or stem."""
        every = {
            path: text
            for path, text in self.texts
            if SETTINGS.search(path)
            and not _RESULTS.search(path)
            and (self._is_params(path) or path not in self._foreign)
        }
        found = {path: text for path, text in every.items() if self._is_params(path)}
        known = {part for path in self._reached for part in path.split("/")[:-1]}
        known.update(self.config.project.split("/"))
        words: set[str] = set()
        files: tuple[str, ...] = ()
        rest = [self.config.command or "", *self._reached.values(), *found.values()]
        rest += [text for path, text in self.texts if path == self._pipeline]
        while rest:
            tokens = set(re.findall(r"[\w./-]+", " ".join(rest)))
            named = set(filter(SETTINGS.search, tokens))
            files += tuple(f"/{each.lstrip('./')}" for each in named)
            others = " ".join(each for each in tokens - named if not CODE.search(each))
            words.update(re.findall(r"\w+", others))
            new = {
                path: text
                for path, text in every.items()
                if path not in found
                and not path.startswith(".")
                and self._inside(path) not in self.config.metrics
                and (f"/{path}".endswith(files) or _is_named(path, words, known))
            }
            found |= new
            rest = list(new.values())
        return found

    def _given(self, path: str, text: str) -> dict[Fixed, bool]:
        """Return the seeds that a command line has as numbers."""
        words = {_option_name(self.config.seed.arg)} if self.config.seed.arg is not None else set()
        return {
            Fixed(path, f"{name} {number}", "", number): is_of_data(spelled(name))
            for name, number in _GIVEN.findall(text)
            if spelled(name) not in words
        }

    def _numbers(self) -> dict[Fixed, bool]:
        """Return the seeds in files of settings that no repeat changes, and if they are of data."""
        rule, found = self.config.seed, self._given("the command", self.config.command or "")
        for path, text in self._reached.items():
            found |= self._given(path, text) if path.endswith((".sh", ".bash")) else {}
        for path, text in self._settings().items():
            try:
                parsed = params.flat(text.encode(), path)
                values = {key: str(value) for key, value in parsed.items()}
            except GitexpError:
                values = dict(_ENTRY.findall(text))
            for name, value in values.items():
                key = ParamKey(self._inside(path), name)
                found |= self._given(path, value)
                if key in rule.params or not value.lstrip("-").isdigit():
                    continue
                if SEED_NAME.search(name):
                    kept = key in rule.fixed or is_of_data(name.replace(".", "_"), path)
                    found[Fixed(path, f"{name}: {value}", "", value, name)] = kept
        return found

    @cached_property
    def _reached(self) -> Mapping[str, str]:
        """Return the files that a command names, those that they name or import, and so on.

        All code, where the command names none.
        """
        rest = [self.config.command or ""]
        files = {
            path: text
            for path, text in self.texts
            if not (self._is_params(path) or path in self._foreign)
        }
        if self.config.pipeline:
            rest += [text for path, text in files.items() if path == self._pipeline]
        if re.search(r"\bmake\b", rest[0]):
            rest += [text for path, text in files.items() if path.endswith("akefile")]
        named, found = NamedFiles(files), dict[str, str]()
        while rest:
            text = rest.pop()
            for path in {*named.named(text), *named.imported(modules(text))} - found.keys():
                found[path] = files[path]
                rest.append(files[path])
        code = {path: text for path, text in files.items() if CODE.search(path)}
        return {path: text for path, text in code.items() if path in found} or code

    @cached_property
    def _foreign(self) -> frozenset[str]:
        """Files beside the project's folder whose name one in it has, too: of another project."""
        away = {path for path, _ in self.texts if self._inside(path).startswith("../")}
        own = {path.rpartition("/")[2] for path, _ in self.texts if path not in away} - _UNNAMED
        return frozenset(path for path in away if path.rpartition("/")[2] in own)

    def _ranked(self, scripts: Scripts) -> list[Draw]:
        """Return what draws on a fixed seed, what most likely makes copies before the rest."""
        return sorted(dict.fromkeys(scripts.draws), key=self._rank)

    def _rank(self, draw: Draw) -> int:
        """Return how far down the list of what may make copies something is that draws.

        Models, then generators, then what divides the data, then what hardly draws, then the data.
        """
        line = dict(self.texts)[draw.path].split("\n")[draw.line - 1]
        ranks = (
            bool(_DIVIDES.search(draw.name)),
            bool(STEADY.search(draw.name)),
            draw.is_of_data or bool(_DATA_LINE.match(line)),
            bool(SEED_CALL.search(draw.name)),
            not draw.name[:1].isupper(),
        )
        return (3, 4, 5, 2, 1)[ranks.index(True)] if any(ranks) else 0

    @property
    def _pipeline(self) -> str:
        """The file of the stages, from the repository's top as all texts."""
        return posixpath.join(self.config.project, self.config.pipeline or "")

    def _inside(self, path: str) -> str:
        """Return a path as the settings have it."""
        return posixpath.relpath(f"/{path}", f"/{self.config.project}")

    def _is_params(self, path: str) -> bool:
        return self._inside(path) in self.config.params

    @cached_property
    def unheard(self) -> str:
        """Return the option of the seed, where no text speaks of it; "" where it may be taken."""
        asked = (self.config.seed.arg or "").partition("{seed}")[0].rstrip("= ").split(" ")[-1]
        name = re.escape(asked.lstrip("-").rpartition(".")[2]).replace(r"\-", "-")
        texts = [*self._reached.values(), *self._settings().values()]
        known = name and self.whole and self._reached and self.is_direct
        if not known or any(map(_FOREIGN.search, texts)):
            return ""
        spelt = f"{name}|{name.replace('-', '_')}"
        word = rf"(?<!\w)(?:{spelt})(?!\w)|[\"']--(?:{spelt})[\w-]*[\"']"
        return "" if any(re.search(word, each) for each in texts) else asked

    def _option(self) -> str:
        """Return the option by which a script takes a seed that nobody gives it, "" for none."""
        rule, texts = self.config.seed, self._reached.values()
        if rule.params or (rule.arg is not None and not self.unheard):
            return ""
        declared = (each for text in texts for each in _ANY_OPTION.findall(text))
        meant = near(self.unheard, declared) if self.unheard else ()
        seeds = (m[1] for text in texts if (m := _OPTION.search(text)))
        return next(iter((*meant, *seeds)), "")


def _is_named(path: str, words: Collection[str], known: Collection[str]) -> bool:
    """Whether words name a file by its stem or folder, and the other folders are known, too."""
    *above, name = path.split("/")
    stem = re.findall(r"\w+", name.rpartition(".")[0])
    return {*above} <= {*words, *known} and not {*above[-1:], *stem}.isdisjoint(words)


def _is_of(key: ParamKey, name: str) -> bool:
    """Return whether a name of a template stands for a parameter, or for a section with it."""
    last = key.key.rpartition(".")[2]
    return f"{key.key}.".startswith(f"{name}.") or name == f"item.{last}"


def _option_name(text: str) -> str:
    """Return the name under which a script finds an option: ``--rng-seed {seed}``, rng_seed."""
    word = text.partition("{seed}")[0].rstrip("= \t\n").lstrip().split(" ")[-1]
    return spelled(word)


def _parsed(text: str) -> ast.AST | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
