"""Trees of DVC projects drawn from a seed: plain, templated, odd and broken ones.

The same number gives the same tree for ever: what was digested of it once is held against today.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Protocol, TypeVar

import pygit2

from gitexp.model.config import (
    DEFAULT_INPUTS_IGNORE,
    ParamKey,
    Predictions,
    ProjectConfig,
    SeedRule,
)
from gitexp.model.ids import TreeId

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.git.repository import Repo

    class _Put(Protocol):
        def __call__(self, path: str, data: str | bytes, mode: int = ..., /) -> None: ...


_T = TypeVar("_T")

FILE, EXECUTABLE, LINK, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o160000
FOLDERS = ("", "", "", "data", "src", "data/raw", "models", "other")
STAGES = ("prepare", "train", "evaluate", "each", "apart")
DATA = (
    "data/a.csv", "data/raw", "data/raw/b.csv", "prepared.csv", "model.pkl", "out/x", "out",
    "models/m.bin", "metrics.json", "plots/roc.csv", "data/ü x.csv", "deep/er/file",
)  # fmt: skip
CODE = ("train.py", "src/a.py", "src/b.py", "lib/util.py", "docs/a.md", "README.md", "tests/t.py")
ODD = (
    b"", b"[]\n", b"outs: 3\n", b"outs: [\n", b"stages: {a: {outs: [../../../x]}}\n", b"\xff\xfe",
    b"a: 1\na: 2\n", b"outs:\n- {}\n", b"outs:\n- path: ../../../../x\n  md5: " + b"0" * 32 + b"\n",
    b"stages: []\n", b"outs:\n- &a {path: x.bin, md5: " + b"1" * 32 + b"}\n- *a\n",
    b"<<<<<<< ours\nouts:\n=======\n>>>>>>> theirs\n", b"stages: {train: null}\n",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DrawnTree:
    """A tree as files, with the settings by which it is read."""

    files: Mapping[str, tuple[int, bytes]]
    config: ProjectConfig
    overrides: Mapping[str, float]

    def write(self, repo: Repo) -> TreeId:
        """Write the tree by libgit2 alone."""
        index = pygit2.Index()
        for path, (mode, data) in self.files.items():
            id_ = "1" * 40 if mode == SUBMODULE else str(repo.git.create_blob(data))
            index.add(pygit2.IndexEntry(path, pygit2.Oid(hex=id_), pygit2.enums.FileMode(mode)))
        return TreeId(str(index.write_tree(repo.git)))


class _Dice:
    """Draws that no release of Python makes otherwise: `random()` is the one that is promised."""

    def __init__(self, number: int) -> None:
        self._random = Random(number)  # noqa: S311  nothing secret

    def below(self, count: int) -> int:
        return int(self._random.random() * count)

    def one(self, items: Sequence[_T]) -> _T:
        return items[self.below(len(items))]

    def some(self, items: Sequence[_T], most: int) -> list[_T]:
        return list(dict.fromkeys(self.one(items) for _ in range(self.below(most + 1))))

    def chance(self, percent: int) -> bool:
        return self.below(100) < percent

    def md5(self) -> str:
        return hashlib.md5(str(self.below(50)).encode(), usedforsecurity=False).hexdigest()


def drawn(number: int) -> DrawnTree:  # noqa: C901  the order of the draws is frozen
    """Draw a tree; `number` is its seed."""
    dice = _Dice(number)
    project = dice.one(("", "", "", "proj", "sub/proj"))
    pipeline = dice.one(("dvc.yaml", "dvc.yaml", "dvc.yaml", "pipe/dvc.yaml", None))
    files: dict[str, tuple[int, bytes]] = {}

    def put(path: str, data: str | bytes, mode: int = FILE) -> None:
        files[f"{project}/{path}" if project else path] = (mode, _bytes(data))

    for path in dice.some(CODE, 6):
        put(path, f"{path} {dice.below(3)}\n", dice.one((FILE, FILE, FILE, EXECUTABLE, LINK)))
    for path in dice.some(DATA, 3):  # data that Git holds
        put(path, f"x,{dice.below(3)}\n", dice.one((FILE, FILE, FILE, SUBMODULE)))
    _params(dice, put)
    for folder in dice.some(FOLDERS, 4):
        name = dice.one(("a.csv", "raw", "big.bin", "model.pkl", "prepared.csv", "x y", "out"))
        put(_join(folder, f"{name}.dvc"), _pointer(dice, name), dice.one((FILE, FILE, FILE, LINK)))
    pipes = [pipeline] if pipeline and not dice.chance(5) else []
    pipes += (
        dice.some(("other/dvc.yaml", "data/dvc.yaml", "dvc.yaml"), 2) if dice.chance(40) else []
    )
    for pipe in dict.fromkeys(pipes):
        stages = dice.some(STAGES, 5)
        put(pipe, _pipeline(dice, stages))
        if dice.chance(75):
            put(_join(pipe.rpartition("/")[0], "dvc.lock"), _lock(dice, stages))
    if project and dice.chance(70):  # what lies beside the project's folder
        for folder in dice.some(("", "shared", "data", "data/raw"), 3):
            files[_join(folder, "raw.dvc")] = (FILE, _bytes(_pointer(dice, "raw")))
            files[_join(folder, "a.csv")] = (dice.one((FILE, LINK)), b"beside\n")
        if dice.chance(40):
            files["shared/dvc.yaml"] = (FILE, _bytes(_pipeline(dice, STAGES[:3])))
            files["shared/dvc.lock"] = (FILE, _bytes(_lock(dice, STAGES[:3])))
    put(
        dice.one((".dvc/config", "src/.dvc/tmp/x", ".gitignore", ".gitexp/x", "a/.dvcignore")),
        "x\n",
    )
    for _ in range(dice.below(2)):
        put(_join(dice.one(FOLDERS), dice.one(("odd.dvc", "dvc.lock", "dvc.yaml"))), dice.one(ODD))
    return DrawnTree(_apart(files), _config(dice, project, pipeline), _overrides(dice))


_PARTS = ("a", "src", "tests", "docs", "lib", "x.y")
_NAMES = (
    "README.md",
    "LICENSE",
    "NOTES.md",
    "test_a.py",
    "mod.py",
    "a.ipynb",
    "uv.lock",
    "mypy.ini",
)


def packaged(number: int) -> DrawnTree:
    """Draw a tree in which packages, parameters and stages name files that nobody else reads."""
    dice = _Dice(number)

    def path() -> str:
        return "/".join((*(dice.one(_PARTS) for _ in range(dice.below(4))), dice.one(_NAMES)))

    def word() -> str:
        odd = (
            ".",
            "..",
            "../..",
            "x.y.mod",
            "a/x.y",
            "LIC*",
            "src/../NOTES.md",
            "../lib/tox",
            "-v",
        )
        up = "../" * dice.below(4)
        return dice.one(
            (path(), up + path(), up + dice.one(_NAMES), dice.one(_PARTS), dice.one(odd))
        )

    def words() -> str:
        return json.dumps([word() for _ in range(dice.below(5) * dice.one((1, 1, 9)))])

    def package(name: str) -> str:
        if name == "setup.py":
            return f"setup({words()})\n"
        if name == "setup.cfg":
            return (
                f"[metadata]\nname = x\nlicense_files =\n    LIC*\n    {word()}\n"
                f"[mypy]\na = {word()}\n"
                f"[options]\ntext = file: {word()}, {word()}\n[options.extras_require]\ndev = a\n"
            )
        return (
            f"[project]\nreadme = {json.dumps(word())}\nlicense-files = {words()}\n"
            f"[tool.ruff]\na = 1\n[tool.q.'b c']\nd = {{e = {words()}, f = {{g = 1}}}}\n"
        )

    files = {path(): f"{dice.below(3)}\n" for _ in range(6 + dice.below(20))}
    texts: dict[str, str] = {}
    for _ in range(dice.below(6)):
        name = dice.one(("pyproject.toml", "pyproject.toml", "setup.cfg", "setup.py"))
        text = texts.setdefault(name, package(name)) if dice.chance(50) else package(name)
        files[_join("/".join(dice.one(_PARTS) for _ in range(dice.below(3))), name)] = text
    files["params.yaml"] = f"lr: 1\nt: {words()}\nu: {word()}\n"
    files["more.yaml"] = f"v: {words()}\n"
    top = f"vars: [{{q: {words()}}}, more.yaml]\n" if dice.chance(50) else ""
    files["dvc.yaml"] = f"{top}stages:\n  last: {{cmd: x}}\n" + "".join(
        f"  s{n}:\n    cmd: python {word()}\n"
        f"    wdir: {dice.one(('.', 'a', 'a/src', 'lib', '../o'))}\n"
        f"    deps: {words()}\n    params: [{{more.yaml: [v]}}]\n    vars: [{{w: {words()}}}]\n"
        for n in range(dice.below(4))
    )
    config = ProjectConfig(
        inputs_ignore=dice.one((DEFAULT_INPUTS_IGNORE, ("lib/", "*.lock"))),
        inputs_rules=2,
        pipeline="dvc.yaml",
        params=("params.yaml",),
        seed=SeedRule(),
    )
    return DrawnTree(_apart({at: (FILE, _bytes(text)) for at, text in files.items()}), config, {})


def _config(dice: _Dice, project: str, pipeline: str | None) -> ProjectConfig:
    seed = dice.one(
        (
            SeedRule(),
            SeedRule((ParamKey("params.yaml", "seed"),)),
            SeedRule((ParamKey("params.yaml", "train.seed"),), fixed=(ParamKey("more.json", "n"),)),
            SeedRule((ParamKey("const.py", "SEED"),)),
        )
    )
    return ProjectConfig(
        project=project,
        pipeline=pipeline,
        command=None if pipeline else "python train.py --data data/a.csv ./docs/a.md",
        targets=tuple(dice.some(("train", "each@a", "dvc.yaml:evaluate", "prepare"), 2)),
        params=tuple(dict.fromkeys(("params.yaml", *dice.some(("more.json", "const.py"), 2)))),
        metrics=("metrics.json",) if dice.chance(60) else (),
        outputs=tuple(dice.some(("prepared.csv", "model.pkl", "out", "models", "data/raw"), 3)),
        curves=("plots/roc.csv",) if dice.chance(20) else (),
        predictions=Predictions("out/pred.csv") if dice.chance(20) else None,
        evaluation=tuple(dice.some(("data/a.csv", "docs", "../data/raw"), 1)),
        seed=seed,
        inputs_ignore=dice.one(
            (
                DEFAULT_INPUTS_IGNORE,
                DEFAULT_INPUTS_IGNORE,
                ("*.md", "/src/*", "!/src/a.py", "/data/"),
            )
        ),
    )


def _overrides(dice: _Dice) -> dict[str, float]:
    return {"lr": float(dice.below(3))} if dice.chance(25) else {}


def _params(dice: _Dice, put: _Put) -> None:
    if dice.chance(90):
        put(
            "params.yaml",
            f"lr: 0.{dice.below(9)}\nseed: {dice.below(4)}  # s\ntrain: {{seed: 1, n: [1, 2]}}\n",
        )
    if dice.chance(60):
        put("more.json", f'{{"n": {dice.below(3)}, "k": {{"d": true}}}}\n')
    if dice.chance(60):
        put("const.py", f"SEED = {dice.below(3)}\nRATE = 0.5\n")


def _pointer(dice: _Dice, name: str) -> str | bytes:
    if dice.chance(8):
        return dice.one(ODD)
    lines = ["outs:"]
    for path in dict.fromkeys((name, *dice.some(("more.txt", "sub/x"), 1))):
        lines.append(f"- path: {path}")
        lines += [] if dice.chance(8) else [f"  md5: {dice.md5()}{dice.one(('', '', '.dir', 'x'))}"]
        lines += ["  hash: md5"] if dice.chance(80) else []
        lines += dice.some(
            ("  size: 12", "  nfiles: 2", "  isexec: true", "  cache: false", "  push: false",
             "  remote: other", "  desc: words", "  files: []", "  version_id: 7"), 3,
        )  # fmt: skip
    lines += dice.some(("wdir: .", "wdir: sub", "wdir: ..", "frozen: true", "meta: {a: 1}"), 1)
    if dice.chance(8):
        lines += ["deps:", f"- path: {dice.one(('s3://bucket/x', 'other.csv'))}"]
    return "\n".join(lines) + "\n"


def _pipeline(dice: _Dice, stages: Sequence[str]) -> str | bytes:  # noqa: C901  likewise
    if dice.chance(4):
        return dice.one(ODD)
    lines = ["vars: [{item: a}]"] if dice.chance(10) else []
    lines.append("stages:" if stages else "stages: {}")
    for name in stages:
        lines.append(f"  {name}:")
        pad = "    "
        hole = ""
        if name == "each" and dice.chance(70):
            kind = dice.one(("foreach: [a, b]", "matrix: {m: [a, b]}"))
            lines.append(pad + kind)
            hole = "${item}"
            if kind.startswith("foreach"):
                lines.append(pad + "do:")
                pad += "  "
        elif dice.chance(8):
            hole = "${item}"
        lines.append(f"{pad}cmd: python {dice.one(CODE)} {hole} --in=docs/a.md")
        lines += [
            pad + one
            for one in dice.some(
                ("wdir: src", "wdir: ..", "wdir: .", "frozen: true", "always_changed: true"), 1
            )
        ]
        for section, most in (("deps", 4), ("outs", 3), ("metrics", 1), ("plots", 1)):
            paths = dice.some(
                (*DATA, *CODE[:4], "../data/raw", "../shared/a.csv", "../other/raw",
                 "../../data/raw/a.csv", "s3://b/x", "pipe/../lib"), most,
            )  # fmt: skip
            if section != "deps":
                paths = [path for path in paths if not path.startswith("..") or dice.chance(5)]
            if paths:
                lines.append(f"{pad}{section}:")
            for path in paths:
                written = f"{path}{hole}" if dice.chance(50) else path
                if section != "deps" and dice.chance(30):
                    flag = dice.one(("cache: false", "push: false", "persist: true", "remote: r"))
                    lines += [f"{pad}- {written}:", f"{pad}    {flag}"]
                else:
                    lines.append(f"{pad}- {written}")
        if dice.chance(30):
            lines += [f"{pad}params: [lr, more.json: [n]]"]
    lines += dice.some(
        ("metrics: [metrics.json]", "plots: [plots/roc.csv]", "params: [params.yaml]"), 2
    )
    return "\n".join(lines) + "\n"


def _lock(dice: _Dice, stages: Sequence[str]) -> str | bytes:
    if dice.chance(4):
        return dice.one(ODD)
    lines = ["schema: '2.0'", "stages:"] if dice.chance(92) else ["stages:"]
    for name in dict.fromkeys((*stages, *dice.some(STAGES, 1))):
        for item in ("@a", "@b") if name == "each" else ("",):
            lines += [f"  {name}{item}:", f"    cmd: python {dice.one(CODE)}"]
            for section, most in (("deps", 2), ("outs", 3)):
                paths = dice.some((*DATA, "../raw/x", "../../x"), most)
                if section == "outs" and not dice.chance(5):
                    paths = [path for path in paths if not path.startswith("..")]
                lines += [f"    {section}:"] if paths else []
                for path in paths:
                    lines += [
                        f"    - path: {path}",
                        f"      hash: {dice.one(('md5', 'md5', 'md5-dos2unix'))}",
                    ]
                    lines += (
                        [f"      md5: {dice.md5()}", f"      size: {dice.below(99)}"]
                        if dice.chance(95)
                        else []
                    )
            lines += ["    params: {params.yaml: {lr: 0.5}}"] if dice.chance(30) else []
    return ("\n".join(lines) + "\n") if len(lines) > 2 else "schema: '2.0'\n"


def _apart(files: Mapping[str, tuple[int, bytes]]) -> dict[str, tuple[int, bytes]]:
    """Leave out what would be a file and a folder at once."""
    folders = {path.rsplit("/", n)[0] for path in files for n in range(1, path.count("/") + 1)}
    return {path: entry for path, entry in sorted(files.items()) if path not in folders}


def _bytes(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
