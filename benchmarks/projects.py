"""The repositories that the benchmarks run in, made anew in a temporary folder."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from measure import Command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
GITEXP = str(BIN / "gitexp")
DVC = str(BIN / "dvc")

DVC_YAML = """\
stages:
  train:
    cmd: python -I -S train.py
    deps:
    - train.py
    params:
    - lr
    - seed
    metrics:
    - metrics.json:
        cache: false
"""
PARAMS_YAML = "lr: 0.5\nseed: 1\n"
# Costs a bare interpreter: what is measured is what stands around it.
TRAIN = """\
import json
values = dict(line.split(": ") for line in open("params.yaml").read().split("\\n") if line)
noise = int(values["seed"]) * 7919 % 100 / 10000
json.dump({"f1": float(values["lr"]) + noise}, open("metrics.json", "w"))
"""
FIVE_METRICS = """\
import json, random
values = dict(line.split(": ") for line in open("params.yaml").read().split("\\n") if line)
draw = random.Random(int(values["seed"])).random
names = ("f1", "roc_auc", "precision", "recall", "log_loss")
json.dump({name: float(values["lr"]) + draw() for name in names}, open("metrics.json", "w"))
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A repository with an environment that knows nothing of the user's."""

    path: Path
    env: Mapping[str, str]

    def run(self, *argv: str, accepts: tuple[int, ...] = (0,)) -> None:
        """Run a command here."""
        Command(argv, self.path, self.env, accepts).once()

    def output(self, *argv: str) -> str:
        """Run a command here and return what it printed."""
        done = subprocess.run(
            argv, cwd=self.path, env=dict(self.env), capture_output=True, text=True, check=True
        )
        return done.stdout

    def gitexp(self, *args: str, accepts: tuple[int, ...] = (0,)) -> Command:
        """Return the command ``gitexp ARGS`` here."""
        return Command((GITEXP, *args), self.path, self.env, accepts)

    def dvc(self, *args: str) -> Command:
        """Return the command ``dvc ARGS`` here."""
        return Command((DVC, *args), self.path, self.env)

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "-m", message)


def environment(home: Path) -> dict[str, str]:
    """Return an environment with an empty home, an identity for Git, and this Python first."""
    home.mkdir(parents=True, exist_ok=True)
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("GIT_", "DVC_", "GITEXP_", "PYTHON"))
    }
    return kept | {
        "HOME": str(home),
        "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]]),
        "VIRTUAL_ENV": sys.prefix,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "bench",
        "GIT_AUTHOR_EMAIL": "bench@example.invalid",
        "GIT_COMMITTER_NAME": "bench",
        "GIT_COMMITTER_EMAIL": "bench@example.invalid",
        "DVC_NO_ANALYTICS": "true",
        "DVC_SITE_CACHE_DIR": str(home / "site"),
        "DVC_GLOBAL_CONFIG_DIR": str(home / "global"),
        "DVC_SYSTEM_CONFIG_DIR": str(home / "system"),
    }


def example(folder: Path, env: Mapping[str, str]) -> Place:
    """Clone this repository, with the outputs of its pipeline in the cache."""
    place = Place(folder, env)
    here = Place(ROOT, env)
    here.run("git", "clone", "--quiet", "--no-tags", str(ROOT), str(folder))
    place.run("git", "checkout", "--quiet", "-B", "main")
    place.run("git", "remote", "remove", "origin")
    _identify(place)
    place.dvc("repro", "--quiet").once()
    if place.output("git", "status", "--porcelain"):
        place.commit("outputs of this machine")
    return place


def trivial(folder: Path, env: Mapping[str, str], n_files: int = 0) -> Place:
    """Make a project whose only stage costs a bare interpreter, beside `n_files` other files."""
    folder.mkdir(parents=True)
    place = Place(folder, env)
    place.run("git", "init", "--quiet", "--initial-branch=main")
    _identify(place)
    place.dvc("init", "--quiet").once()
    files: dict[str, str] = {"dvc.yaml": DVC_YAML, "params.yaml": PARAMS_YAML, "train.py": TRAIN}
    files |= {f"src/{n // 100:03d}/{n:05d}.py": f"x = {n}\n" for n in range(n_files)}
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    place.dvc("repro", "--quiet").once()
    place.commit("a pipeline")
    return place


def dvc_branches(place: Place, assignment: str, n_branches: int) -> Place:
    """Add as many branches to a project, each with its own params, lock and metrics.

    As the snapshots of so many experiments look to DVC, without any file of gitexp; `assignment`
    is the text of the parameter in which they differ, like ``lr: 0.5``.
    """
    texts = {
        name: (place.path / name).read_text(encoding="utf-8")
        for name in ("params.yaml", "metrics.json", "dvc.lock")
    }
    key = assignment.partition(":")[0]
    metrics = json.loads(texts["metrics.json"])
    old = _md5(texts["metrics.json"].encode())
    stream = b""
    for number in range(n_branches):
        value = 0.100_000 + number / 1_000_000
        result = json.dumps(metrics | {"f1": value})
        files = {
            "params.yaml": texts["params.yaml"].replace(assignment, f"{key}: {value}"),
            "metrics.json": result,
            "dvc.lock": texts["dvc.lock"]
            .replace(assignment, f"{key}: {value}")
            .replace(old, _md5(result.encode())),
        }
        stream += (
            f"commit refs/heads/exp/e{number}\n"
            f"committer bench <bench@example.invalid> {1_700_000_000 + number} +0000\n"
            "data 4\nstep\nfrom refs/heads/main\n"
        ).encode()
        for name, text in files.items():
            data = text.encode()
            stream += f"M 100644 inline {name}\ndata {len(data)}\n".encode() + data + b"\n"
    subprocess.run(
        ("git", "fast-import", "--quiet"),
        cwd=place.path,
        env=dict(place.env),
        input=stream,
        check=True,
    )
    return place


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def begin(place: Place, name: str, assignment: str, extra: Sequence[str] = ()) -> None:
    """Make the place a gitexp project with an experiment on it, checked out."""
    place.gitexp("init").once()
    place.gitexp(
        *("new", name, "--baseline", "main", "--metric", "f1:max", "--effect", ">=5%"),
        *("--hypothesis", f"{assignment} raises f1 by at least 5%", "--param", assignment, *extra),
        *("--seeds", "committed"),  # no repeat for the snapshot alone, which peers do not make
    ).once()


def _identify(place: Place) -> None:
    # Also in the repository's own config: not every program reads GIT_AUTHOR_NAME.
    place.run("git", "config", "user.name", "bench")
    place.run("git", "config", "user.email", "bench@example.invalid")
    place.run("git", "config", "gc.auto", "0")
