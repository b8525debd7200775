"""Runs the steps of a composite action as they stand: a small part of GitHub's runner.

Expressions, conditions, `env`, `working-directory`, outputs and the default shell are as there.
Of the actions that a step may use, those are known that ours uses.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.text.yamltext import yaml_loads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.text.jsontext import Json

ROOT = Path(__file__).parents[2]
_TOKEN = re.compile(r"\s*(\|\||&&|==|!=|!|\(|\)|,|'(?:[^']|'')*'|[A-Za-z_][\w.-]*)")


@dataclass
class Job:
    """What a job knows, and what its steps left.

    Attributes
    ----------
    contexts : dict
        ``github``, ``inputs``, ``runner``, ``steps``.
    """

    workspace: Path
    temp: Path
    contexts: dict[str, Json]
    environ: dict[str, str]
    log: str = ""
    summary: str = ""
    failed: bool = False
    artifacts: dict[str, Path] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    cached: Path | None = None  # what an earlier job has saved

    def run(self, action: Path, given: Mapping[str, str]) -> dict[str, str]:
        """Run every step of an action; return its outputs."""
        document = _mapping(yaml_loads(action.read_bytes(), where=action.name))
        inputs = {
            name: self.text(str(_mapping(value).get("default") or ""))
            for name, value in _mapping(document["inputs"]).items()
        }
        self.contexts["inputs"] = {**inputs, **given}
        self.contexts["steps"] = {}
        runs = _mapping(document["runs"])
        for step in _list(runs["steps"]):
            self.step(_mapping(step))
        outputs = _mapping(document["outputs"])
        return {name: self.text(str(_mapping(item)["value"])) for name, item in outputs.items()}

    def step(self, step: Mapping[str, Json]) -> None:
        """Run a step, unless its condition or an earlier failure says no."""
        condition = str(step.get("if") or "success()")
        if self.failed or not self.evaluate(condition):
            return
        self.ran.append(str(step.get("name") or step.get("uses")))
        if "uses" in step:
            self.use(str(step["uses"]).partition("@")[0], step)
            return
        output = self.temp / "output"
        summary = self.temp / "summary"
        for file in (output, summary):
            file.write_text("")
        env = {
            name: self.text(str(value)) for name, value in _mapping(step.get("env") or {}).items()
        }
        where = Path(self.text(str(step.get("working-directory") or self.workspace)))
        script = self.temp / "script.sh"
        script.write_text(self.text(str(step["run"])))
        assert step["shell"] == "bash"
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=where,
            env={
                **self.environ,
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
                **env,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        self.log += done.stdout.decode() + done.stderr.decode()
        self.summary += summary.read_text()
        self.failed = done.returncode != 0
        if "id" in step:
            lines = [line.partition("=") for line in output.read_text().splitlines()]
            self.outputs(str(step["id"]), {name: value for name, _, value in lines})

    def use(self, name: str, step: Mapping[str, Json]) -> None:
        """Do what an action of others would do, as far as ours needs it."""
        given = {
            key: self.text(str(value)) for key, value in _mapping(step.get("with") or {}).items()
        }
        match name:
            case "actions/setup-python":
                self.outputs(str(step["id"]), {"python-path": sys.executable})
            case "actions/upload-artifact":
                folder = self.temp / "artifacts" / given["name"]
                folder.mkdir(parents=True)
                for path in given["path"].split():
                    shutil.copy(path, folder)
                self.artifacts[given["name"]] = folder
            case "actions/cache":  # unpacks as tar does, through links of the work tree
                place = self.workspace / given["path"]
                if self.cached is not None:
                    shutil.copytree(self.cached, place, dirs_exist_ok=True, symlinks=True)
            case _:
                message = f"the runner does not know {name}"
                raise AssertionError(message)

    def outputs(self, step: str, values: Mapping[str, str]) -> None:
        """Remember the outputs of a step."""
        steps = _mapping(self.contexts["steps"])
        self.contexts["steps"] = {**steps, step: {"outputs": dict(values)}}

    # --- expressions ----------------------------------------------------------------------------

    def text(self, text: str) -> str:
        """Return a text with its expressions worked out."""
        return re.sub(r"\$\{\{(.*?)\}\}", lambda match: _shown(self.evaluate(match[1])), text)

    def evaluate(self, text: str) -> Json:
        """Return the value of an expression."""
        found = re.fullmatch(r"\s*\$\{\{(.*)\}\}\s*", text, re.DOTALL)
        text = found[1] if found else text
        tokens, place = [], 0
        while text[place:].strip():
            match = _TOKEN.match(text, place)
            assert match, text[place:]
            tokens.append(match[1])
            place = match.end()
        value = self.either(tokens)
        assert not tokens, text
        return value

    def either(self, tokens: list[str]) -> Json:
        """Evaluate ``a || b``."""
        value = self.both(tokens)
        while tokens[:1] == ["||"]:
            tokens.pop(0)
            other = self.both(tokens)
            value = value or other
        return value

    def both(self, tokens: list[str]) -> Json:
        """Evaluate ``a && b``."""
        value = self.compared(tokens)
        while tokens[:1] == ["&&"]:
            tokens.pop(0)
            other = self.compared(tokens)
            value = other if value else value
        return value

    def compared(self, tokens: list[str]) -> Json:
        """Evaluate ``a == b``."""
        value = self.single(tokens)
        while tokens[:1] in (["=="], ["!="]):
            same = tokens.pop(0) == "=="
            value = (_shown(value).lower() == _shown(self.single(tokens)).lower()) is same
        return value

    def single(self, tokens: list[str]) -> Json:
        """Evaluate a text, a name, a call, or what is in parentheses."""
        word = tokens.pop(0)
        if word == "!":
            return not self.single(tokens)
        if word == "(":
            value = self.either(tokens)
            assert tokens.pop(0) == ")"
            return value
        if word.startswith("'"):
            return word[1:-1].replace("''", "'")
        if tokens[:1] == ["("]:
            tokens.pop(0)
            while tokens.pop(0) != ")":
                pass
            return {"success": not self.failed, "always": True, "hashFiles": "0"}[word]
        value = self.contexts
        for part in word.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value


def environment(home: Path, site: Path) -> dict[str, str]:
    """Return what a fresh job has: nothing of ours but the packages that it could install."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "PYTHONPATH": str(site),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as the option's value: no isolation
        "PIP_CACHE_DIR": str(home / "pip"),
    }


def _shown(value: Json) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def _mapping(value: Json) -> dict[str, Json]:
    assert isinstance(value, dict)
    return value


def _list(value: Json) -> list[Json]:
    assert isinstance(value, (list, tuple))
    return list(value)
