"""Where data and passwords go is said by the user's own settings, or by main: never by a branch.

Nor does a branch say that they come to lie where programs are started from.

The control is the same branch with --trust, or with the same words in the user's own settings.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import shutil
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
from dvc.config import Config
from hypothesis import given, settings, strategies

from gitexp.cli.commands import COMMANDS
from gitexp.cli.dispatch import dispatch
from gitexp.dvc import branch_code, cache_objects, dvc_config, exchange, placement
from gitexp.dvc.cache import open_cache, put
from gitexp.dvc.cache_objects import CacheConfig
from gitexp.dvc.exchange import folder_cache
from gitexp.dvc.hashing import BLOCK, manifest_md5
from gitexp.errors import ForeignRemoteError, UnsafeInputError
from gitexp.git.repository import open_repository
from gitexp.model.ids import CommitHash, Md5
from gitexp.text.dvcini import as_dvc
from tests.lab.build import BuiltRepo, repository
from tests.lab.sharing import BRANCH, Team, gitexp, make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EVIL: Final = "exp/evil"
# Every command, as somebody types it who has a stranger's branch checked out.
VERBS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "push": (("push",), ("push", "idea"), ("push", "evil")),
    "sync": (("sync",), ("sync", "idea")),
    "pull": (("pull", "--data"), ("pull", "idea", "--data"), ("pull",)),
    "run": (("run", "--repeats", "1", "--again"), ("run", "--dry-run"), ("run", "--resume")),
    "doctor": (("doctor",), ("doctor", "--fix")),
    "check": (("check",), ("check", "--remote")),
    "review": (("review", "main...exp/evil"),),
    "status": (("status",),),
    "list": (("list",),),
    "show": (("show",), ("show", "idea")),
    "diff": (("diff", "main", "exp/idea"),),
    "inputs": (("inputs", "main", "exp/idea"),),
    "logs": (("logs",),),
    "compare": (("compare", "idea"),),
    "power": (("power", "idea"),),
    "new": (("new", "x", "--metric", "acc:max", "--effect", ">0", "--hypothesis", "it is better"),),
    "amend-plan": (("amend-plan", "idea", "--repeats", "3", "--why", "more"),),
    "conclude": (("conclude", "idea", "-m", "x"),),
    "rename": (("rename", "idea", "thought"), ("rename", "thought", "idea")),
    "archive": (("archive", "idea", "--push"),),
    "restore": (("restore", "idea"),),
    "rm": (("rm", "idea", "--yes"),),
    "maintenance": (("maintenance",),),
    "hooks": (("hooks", "install"),),
    "hook": (("hook", "post-checkout", "main", "HEAD", "1"),),
    "witness": (("witness", "idea", "--push"),),
    "init": (("init",),),
    "completion": (("completion", "bash"),),
    "test": (),  # two plain files
    "worker": (),  # told by `run`
    "comment": (),  # a code host
    "merge-driver": (),  # Git
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A team of which one has a run that is not shared; main names the store."""
    folder = tmp_path_factory.mktemp("places") / "team"
    team = make(folder)
    assert gitexp(team.a, "run", "--repeats", "1").returncode == 0
    return folder


@pytest.fixture
def team(ran: Path, tmp_path: Path) -> Team:
    shutil.copytree(ran, tmp_path / "team", symlinks=True)
    folder = tmp_path / "team"
    made = Team(
        BuiltRepo(folder / "origin.git"), folder / "store", BuiltRepo(folder / "a"),
        BuiltRepo(folder / "b"),
    )  # fmt: skip
    made.a.git("remote", "set-url", "origin", made.origin.path.as_uri())
    made.a.switch("main")  # whose store is that of this copy
    config = made.a.show(".dvc/config")
    made.a.commit({".dvc/config": config.replace(str(ran), str(folder))}, at=20)
    made.a.git("push", "-q", "origin", "main")
    (folder / "evil").mkdir()
    return made


def evil(team: Team, change: Callable[[str], str]) -> None:
    """Check out a stranger's branch, with other settings of DVC."""
    team.a.git("switch", "-q", "-C", EVIL, "main")
    team.a.commit({".dvc/config": change(team.a.show(".dvc/config"))}, at=30)


def taken(team: Team) -> list[Path]:
    return [path for path in (team.store.parent / "evil").rglob("*") if path.is_file()]


def to_evil(team: Team) -> Callable[[str], str]:
    return lambda text: text.replace(str(team.store), str(team.store.parent / "evil"))


def cache_in_evil(team: Team) -> Callable[[str], str]:
    return lambda text: f"{text}[cache]\n    dir = {team.store.parent}/evil\n"


def asked(team: Team, *argv: str) -> int:
    return dispatch(["-C", str(team.a.path), *argv])


def test_every_verb_is_in_the_table() -> None:
    assert VERBS.keys() == {command.name for command in COMMANDS}


def by_remote(team: Team) -> None:
    evil(team, to_evil(team))


def by_cache(team: Team) -> None:
    evil(team, cache_in_evil(team))


def by_repository(team: Team) -> None:
    """Let a folder of the branch pass for a repository, in which nothing came from anybody."""
    evil(team, str)
    text = to_evil(team)(team.a.show(".dvc/config")) + "[cache]\n    dir = ../../.dvc/cache\n"
    planted = {"HEAD": "ref: refs/heads/none\n", "objects/x": "", "refs/x": ""}
    planted |= {"config": "[core]\n\tbare = false\n\tworktree = ..\n", ".dvc/config": text}
    below(team, {f"sub/{path}": content for path, content in planted.items()})


def by_link(team: Team) -> None:
    """Lead to another repository of the user's, whose settings are his own."""
    evil(team, str)
    other = repository(team.a.path.parent / "other")
    text = to_evil(team)(team.a.show(".dvc/config"))
    other.commit({".dvc/config": f"{text}[cache]\n    dir = {team.a.path}/.dvc/cache\n"})
    (team.a.path / "sub").symlink_to(other.path)
    below(team, {})
    assert exchange.remote_of(other.path) is not None  # the control


def below(team: Team, files: dict[str, str]) -> None:
    """Name `sub` as the project's folder on the stranger's branch."""
    settings = team.a.show(".gitexp/config.yaml").replace("project: ", "project: sub #")
    team.a.write({".gitexp/config.yaml": settings, **files})
    team.a.git("add", "--all", "--force")
    team.a.commit(at=31)
    team.a.git("push", "-q", "origin", "HEAD")


@pytest.mark.slow
@pytest.mark.sweep(2, "by_remote")
@pytest.mark.parametrize("way", [by_remote, by_cache, by_repository, by_link])
def test_no_verb_sends_data_where_a_branch_says(
    team: Team, way: Callable[[Team], None], capsys: pytest.CaptureFixture[str]
) -> None:
    way(team)
    for ways in VERBS.values():
        for argv in ways:
            team.a.git("switch", "-q", "-f", EVIL)
            code = asked(team, *argv)
            said = capsys.readouterr()
            assert code in range(7), (argv, said.err)
            assert taken(team) == [], argv
    assert "foreign-remote" not in said.err


def test_push_shows_the_address_and_the_command_and_sends_to_it_only_then(
    team: Team, capsys: pytest.CaptureFixture[str]
) -> None:
    evil(team, to_evil(team))
    before = team.origin.refs()
    for verb in ("push", "sync"):
        assert asked(team, verb) == 2
        said = capsys.readouterr().err
        assert f"url = {team.store.parent}/evil" in said
        assert "--trust" in said
    assert asked(team, "pull", "--data") == 2
    assert team.origin.refs() == before
    assert taken(team) == []
    assert asked(team, "push", "idea", "--no-data", "--trust") == 0  # no data, so no yes
    assert asked(team, "push", "idea") == 2
    assert asked(team, "push", "idea", "--trust") == 0  # the control
    assert taken(team) != []
    assert not (team.store / "files").exists()
    assert asked(team, "push", "idea") == 0  # which is kept
    team.a.switch("main")
    assert asked(team, "push", "idea") == 0
    assert asked(team, "pull", "idea", "--data") == 0


def test_a_cache_of_the_branchs_takes_nothing_unless_it_is_ones_own(
    team: Team, capsys: pytest.CaptureFixture[str]
) -> None:
    evil(team, cache_in_evil(team))
    assert asked(team, "run", "--repeats", "1") == 2
    assert f"dir = {team.store.parent}/evil" in capsys.readouterr().err
    assert taken(team) == []
    own = f"[cache]\n    dir = {team.store.parent}/evil\n"
    (team.a.path / ".dvc/config.local").write_text(own)
    assert asked(team, "run", "--repeats", "1") == 0  # the control
    assert taken(team) != []


# --- where outputs are written -------------------------------------------------------------------

MISPLACED: Final = {
    ".venv/lib/python3.11/site-packages/zz.pth": "",
    "tools/.VENV/x": "",
    "env/lib/zz.pth": "env/pyvenv.cfg",
    "tools/env": "tools/env/pyvenv.cfg",
    "base/lib/x": "base/conda-meta/history",
    "python/lib/x": "",  # which VIRTUAL_ENV names
    "lib/zz.pth": "pyvenv.cfg",
    "new/pyvenv.cfg": "",
    "sub/x": "sub/.git",
}
PLACED: Final = {"data/x": "pyvenv.cfg", "lib/x": "", "environment/x": "env/pyvenv.cfg",
                 "models/x": ".gitignore", "venv.csv": ""}  # fmt: skip


@pytest.mark.parametrize("held", ["", "old"])
@pytest.mark.parametrize("path", [*MISPLACED, *PLACED])
def test_no_output_is_placed_among_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, held: str
) -> None:
    repo = repository(tmp_path / "r")
    monkeypatch.setenv("VIRTUAL_ENV", str(repo.path / "python"))
    other = (MISPLACED | PLACED)[path]
    beside = {other: "models\n" if other == ".gitignore" else "x"} if other else {}
    repo.write({".dvc/config": "", "new": "evil\n", **beside})
    cache = open_cache(repo.path)
    out = replace(put(cache, repo.path, "new"), path=path)
    (repo.path / "new").unlink()
    place = repo.path / path
    if held and not place.is_dir():
        repo.write({path: held})
        put(cache, repo.path, path)  # nothing would be lost
    found = placement.refresh(repo.path, [out], cache)
    assert (found.refreshed == ()) is (path in MISPLACED)
    if path in MISPLACED:
        assert "it would lie in" in found.left[0].why
        assert not place.is_file() or place.read_text() == held


# Names of program text, of what is loaded and of tools' settings, wherever they lie, and of data.
CODE: Final = (
    "helper.py",
    "json.PY",
    "2.py",
    "helper.cpython-311-x86_64-linux-gnu.so",
    "helper.SO",
    "x.so.1",
    "model-v1.so",
    "helper.pyc",
    "helper.pyd",
    "helper.dll",
    "helper.dylib",
    "index.js",
    "a.mjs",
    "a.cjs",
    "a.ts",
    "a.tsx",
    "a.wasm",
    "addon.node",
    "a.R",
    "a.jl",
    "a.sh",
    "a.bat",
    "a.ps1",
    "a.ipynb",
    "a.jar",
    "x.egg-link",
    "conftest.py",
    "x.py.",
    "x.py ",
    "x.\u200dpy",
    "plan.dvc",
    "dvc.yaml",
    "DVC.yml",
    "dvc.lock",
    "pytest.ini",
    "pytest.toml",
    ".pytest.ini",
    "mypy.ini",
    ".mypy.ini",
    "pylintrc",
    "ruff.toml",
    "noxfile.py",
    "SConstruct",
    "Justfile",
    ".justfile",
    "Taskfile.yml",
    "Rakefile",
    "Gemfile.lock",
    "CMakeLists.txt",
    "build.gradle",
    "Dockerfile.gpu",
    "docker-compose.override.yml",
    "compose.yaml",
    "package.json",
    "package-lock.json",
    "setup.cfg",
    "GNUmakefile",
    "Makefile.am",
    ".eslintrc.json",
    ".npmrc",
    ".Rprofile",
    "pyproject.toml",
    "jupyter_server_config.json",
    "matplotlibrc",
    "wandb/settings",
    "invoke.yaml",
    "invoke.yml",
    "fabric.json",
    "build.ninja",
    "Tupfile",
    "Gruntfile",
    "dune-project",
    "debian/rules",
    "__pycache__/x",
    "__PyCache__/x",
    "x.dist-info/entry_points.txt",
    "X.Egg-Info/entry_points.txt",
    "a.egg/x",
    "node_modules/left-pad/x",
    "lib/site-packages/zz.pth",
    "test_it.txt",
    "compose.override.yaml",
    "docker-bake.override.hcl",
    "docker-bake.json",
    "gradlew",
    "mvnw",
    "ansible.cfg",
    ".mise.local.toml",
    ".mise/config.toml",
    "_quarto.yml",
    "_quarto.yml.local",
    "a.Rmd",
    "a.qmd",
    "main.tf",
    "x_override.tf.json",
    "x.auto.tfvars",
    "myst.yml",
    "book.toml",
    "workspace.yaml",
    "jupyter_nbconvert_config.json",
    "env/bin/activate",
    "env/bin/python3.11",
    "Scripts/python",
)
# What makes an environment of a folder: where it is an output's own path, main vouches for nothing.
PLACES: Final = (
    "pyvenv.cfg", "PyVenv.cfg.", "venv/x", "Venv /x", ".venv/x", "conda-meta/history",
)  # fmt: skip
DATA: Final = (
    "model.pth", "x.csv", "x.parquet", "x.json", "x.yaml", "x.npy", "x.pkl", "x.pt", "x.onnx",
    "x.txt", "x.png", "report.html", "report.md", "report.svg", "prune_modules", "py", "x.py.csv",
    "train.en-pl.pl", "package.csv", "settings", "python", "test.txt", "config.json", "dvc.csv",
    "config.yaml", "config/config.yaml", "workspace.csv", "compose.csv", "bin/1.npy", "lib/x.csv",
    "env/x.csv", "scripts/notes.txt", "activate", "venv.csv", "train.py.json", "refs/heads.txt",
)  # fmt: skip
DOTTED: Final = (".env", ".DS_Store", ".hydra/config.yaml")  # data in a folder of data alone
# Where a name lies: an output, or a file of an output that is a folder.
DEPTHS: Final = ("NAME", "subN/NAME", "outN:NAME", "dirN:a/b-c/NAME", "heldN:NAME", "N.tf:NAME")


def test_no_output_of_a_branch_is_placed_as_code(repo: BuiltRepo) -> None:
    cache = CacheConfig(repo.path.parent / "cache")
    repo.write({"data": "one\nx > y >> z\n", "prompt": "one\n >>> open('evil', 'w')\n"})
    plain, prompt = (put(cache, repo.path, name).md5 for name in ("data", "prompt"))
    names = [(number, name, way) for number, name in enumerate((*CODE, *PLACES, *DATA, *DOTTED))
             for way in DEPTHS]  # fmt: skip
    outs: dict[tuple[str, str], tuple[str, Md5]] = {}
    for number, name, way in names:
        path, _, inside = way.replace("N", f"{number}").replace(f"{number}AME", name).partition(":")
        md5 = prompt if "test_" in name else plain
        if inside:
            listed = json.dumps([{"md5": md5, "relpath": inside}]).encode()
            md5 = manifest_md5(listed)
            cache_objects.write(cache, md5, listed)
        outs[name, way] = path, md5
    own = {
        path: {"hash": "md5", "md5": md5, "size": 1, "path": f"own/{path}"}
        for path, md5 in outs.values()
    }
    repo.commit(
        {f"held{number}/a.py": "" for number, _, _ in names}
        | {"own.dvc": json.dumps({"outs": [*own.values()]})}
    )
    repo.switch("exp/evil", create=True)
    repo.git("rm", "-rqf", ".")
    repo.commit(at=2)

    def refused(above: str = "") -> dict[str, str]:
        every = [(f"{above}{path}", md5) for path, md5 in outs.values()]
        return branch_code.refused(open_repository(repo.workspace), repo.path, every, cache)

    def misplaced(above: str = "") -> set[str]:
        named = (name for name in outs if name[0] in PLACES and ":" not in name[1])
        return {f"{above}{outs[name][0]}" for name in named}

    assert refused().keys() == misplaced(), "nothing else came from anybody else"
    repo.git("update-ref", "refs/remotes/origin/main", "main")
    assert refused("own/").keys() == misplaced("own/"), "main has the same outputs"
    why = refused()
    for (name, way), (path, _) in outs.items():
        dotted = name in DOTTED and way[:3] not in {"out", "dir", "N.t"}
        assert (path in why) is (name in {*CODE, *PLACES} or dotted), (name, way)
    code = [said for path, said in why.items() if path not in misplaced()]
    assert all("would run as code" in said and "dvc checkout" in said for said in code)


@pytest.mark.parametrize("before", [*range(-4, 2), BLOCK - 4, BLOCK])
@pytest.mark.parametrize(
    "text", [" >>> evil\n", "\r>>> evil", "\u2028>>> evil", "a >>> b", "a >> b"]
)
def test_a_prompt_is_found_wherever_it_lies_in_a_text(
    repo: BuiltRepo, before: int, text: str
) -> None:
    cache = CacheConfig(repo.path.parent / "cache")
    (repo.path / "new").write_text(" " * (BLOCK + before) + text)
    repo.commit()
    repo.git("update-ref", "refs/remotes/origin/main", "HEAD")
    outs = [("test_notes.txt", put(cache, repo.path, "new").md5)]
    why = branch_code.refused(open_repository(repo.workspace), repo.path, outs, cache)
    assert bool(why) is (">>>" in text)


@pytest.mark.slow
@pytest.mark.sweep(2)
@pytest.mark.parametrize(
    "way", [".venv/zz.pth", "__pycache__/train.cpython-311.pyc", "utils:metrics.py", "x:test_x.txt"]
)
def test_no_verb_writes_a_branchs_output_where_programs_are(
    team: Team, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    evil(team, str)
    way, _, inside = way.partition(":")
    store, at = folder_cache(team.store), team.a.path
    team.a.write({"new": ">>> evil\n", f"evil/{inside or 'x'}": ">>> evil\n", "data/x": "evil\n"})
    made = {way: "evil" if inside else "new", "ok.csv": "new", "ok": "data"}  # the last: controls
    outs = [
        {"path": path, "hash": "md5", "md5": put(store, at, name).md5}
        for path, name in made.items()
    ]
    for name in set(made.values()):
        shutil.rmtree(at / name) if (at / name).is_dir() else (at / name).unlink()
    team.a.commit({f"{n}.dvc": json.dumps({"outs": [each]}) for n, each in enumerate(outs)}, at=31)
    team.a.git("push", "-q", "origin", "HEAD")
    for argv in (("pull", "--data"), ("sync",), ("status",), ("hook", "post-checkout", *3 * "0")):
        asked(team, *argv)
        said = capsys.readouterr()
        assert "dvc checkout brings" not in said.out
        assert "next      dvc checkout" not in said.err
        assert not (at / way).exists(), argv
        assert (at / "ok.csv").read_text() == ">>> evil\n"
        assert (at / "ok/x").read_text() == "evil\n"


# --- whose settings they are ----------------------------------------------------------------------

ADDED: Final = {
    "another address": lambda text: text.replace("/store", "/other"),
    "an endpoint": lambda text: f"{text}    endpointurl = https://evil.invalid\n",
    "a key file": lambda text: f"{text}    keyfile = /home/ada/.ssh/id\n",
    "a second remote": lambda text: f"{text}['remote \"x\"']\n    url = /x\n",
    "another default": lambda text: text.replace("remote = store", "remote = public"),
    "a key less": lambda text: text.replace("    jobs = 2\n", ""),
    "a folder of DVC's": lambda text: f"{text}[core]\n    site_cache_dir = /home/ada\n",
    "a state": lambda text: f"{text}[state]\n    dir = /home/ada\n",
    "a text over lines": lambda text: f"x = '''\n{text}'''\n[core]\nremote = evil\n",
    "an interpolation": lambda text: f"{text}[x]\n    y = %(z)s\n",
    "a name without its blank": lambda text: f"{text}['remote\"store\"']\n    url = /x\n",
    "a name with more of them": lambda text: f"{text}[' remote  \"store\" ']\n    url = /x\n",
    "a quote in quotes": lambda text: text.replace("/store", '"/store"@evil/"'),
    "a section in another": lambda text: f"{text}[remote]\n[[store]]\nurl = /x\n",
    "another section of the name": lambda text: f'{text}[Remote "store"]\n    url = /x\n',
    "a list": lambda text: text.replace("/store", "/store,"),
    "a line that takes DVC's reader an hour": lambda text: text + "[x]\ny = " + '"",' * 40 + '"a\n',
    "another of DVC's remotes less": lambda text: text.replace(
        "    url = /public\n", "    y = 1\n"
    ),
}


@pytest.fixture
def placed(repo: BuiltRepo) -> BuiltRepo:
    """A project whose main names two remotes, and that knows a remote of Git's."""
    text = "[core]\n    remote = store\n['remote \"public\"']\n    url = /public\n"
    text += "['remote \"store\"']\n    url = /store\n    jobs = 2\n"
    repo.commit({".dvc/config": text, ".dvc/.gitignore": "/config.local\n/cache\n/tmp\n"})
    repo.git("update-ref", "refs/remotes/origin/main", "main")
    repo.git("update-ref", "refs/remotes/mallory/main", "main")
    repo.switch("exp/evil", create=True)
    return repo


def refuse(repo: BuiltRepo) -> None:
    dvc_config.refuse_foreign(dvc_config.find_dvc_dir(repo.path), {"HOME": str(repo.path.parent)})


@pytest.mark.sweep(10)
@pytest.mark.parametrize("kind", ADDED)
def test_whatever_a_branch_says_of_places_is_refused(placed: BuiltRepo, kind: str) -> None:
    refuse(placed)  # the control: as main has it
    text = placed.show(".dvc/config")
    placed.commit({".dvc/config": ADDED[kind](text)}, at=2)
    with pytest.raises(ForeignRemoteError):
        refuse(placed)
    placed.git("update-ref", "refs/remotes/mallory/main", "HEAD")  # a fork's main changes nothing
    placed.git("update-ref", "refs/remotes/origin/master", "HEAD")  # nor a second name of main
    with pytest.raises(ForeignRemoteError):
        refuse(placed)
    placed.git("update-ref", "refs/remotes/origin/main", "HEAD")
    refuse(placed)  # the upstream has taken it


def test_a_section_of_which_the_user_has_a_part_is_not_taken_away(placed: BuiltRepo) -> None:
    text = placed.show(".dvc/config")
    local = placed.path / ".dvc/config.local"
    local.write_text("['remote \"store\"']\n    url = /store\n    password = hunter2\n")
    refuse(placed)  # the control
    placed.commit({".dvc/config": text.partition("['remote \"store")[0]}, at=2)
    with pytest.raises(ForeignRemoteError, match=r"jobs = \(taken out\)"):
        refuse(placed)
    local.write_text(f"{local.read_text()}    jobs = 2\n")
    refuse(placed)


# Lines, and what may stand in the middle of one.
WORDS: Final = (
    "[core]\n", "['remote \"a\"']\n", '["remote"b""]\n', "[remote]\n", "[[a]]\n", "REMOTE = a\n",
    "url = /a\n", "dir = /b # c\n", "x = '", 'x = "', "key = ", "[", "]", "'", '"', "'" * 3, "#",
    ",", " ", "\n", "\r\n", "\ufeff", "%(url)s", "/a",
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(text=strategies.lists(strategies.sampled_from(WORDS), max_size=12).map("".join))
def test_what_is_compared_is_what_dvc_reads(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    read = as_dvc(text)
    if read is None:
        return  # refused, unless main says it
    file = tmp_path_factory.getbasetemp() / "config"
    file.write_text(text, newline="")
    found: dict[str, dict[str, object]] = Config.load_file(str(file))
    for kind in ("remote", "machine", "db"):
        for name, values in found.pop(kind).items():
            assert isinstance(values, dict)
            found[f'{kind} "{name}"'] = values
    assert read == {
        part: {key: each if isinstance(each, str) else repr(each) for key, each in values.items()}
        for part, values in found.items()
    }


def agree(repo: BuiltRepo) -> None:
    dvc_config.agree(dvc_config.find_dvc_dir(repo.path), {"HOME": str(repo.path.parent)})


def test_what_a_person_commits_is_asked_about_once(
    placed: BuiltRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = placed.show(".dvc/config")
    placed.commit({".dvc/config": text.replace("/store", "/mine")}, at=2)
    with pytest.raises(ForeignRemoteError, match=r"url = /mine; .*jobs = 2") as caught:
        refuse(placed)
    assert "--trust" in caught.value.next_step
    agree(placed)
    refuse(placed)
    placed.git("worktree", "add", "-q", "--force", "../other", "exp/evil")
    refuse(BuiltRepo(placed.path.parent / "other"))
    for kind in ("an endpoint", "a key file", "a second remote", "another default", "a key less"):
        placed.write({".dvc/config": ADDED[kind](text.replace("/store", "/mine"))})
        with pytest.raises(ForeignRemoteError):
            refuse(placed)  # bound to all that is said of a remote
    placed.git("checkout", "-q", ".")
    refuse(placed)
    monkeypatch.setenv("XDG_STATE_HOME", str(placed.path.parent / "bob"))
    with pytest.raises(ForeignRemoteError):
        refuse(placed)  # in a folder that was given away


def test_a_password_beside_an_address_is_not_shown(placed: BuiltRepo) -> None:
    text = placed.show(".dvc/config").replace("/store", "/mine")
    placed.commit({".dvc/config": f"{text}    password = hunter2\n"}, at=2)
    with pytest.raises(ForeignRemoteError, match=r"url = /mine; .*password = \*\*\*") as caught:
        refuse(placed)
    assert "hunter2" not in str(caught.value)


def test_a_yes_to_more_than_is_shown_is_for_once(placed: BuiltRepo) -> None:
    more = "".join(f"['remote \"x{at}\"']\n    url = /x{at}\n" for at in range(30))
    placed.commit({".dvc/config": placed.show(".dvc/config") + more}, at=2)
    agree(placed)
    with pytest.raises(ForeignRemoteError, match="10 more"):
        refuse(placed)


def test_a_yes_to_a_file_of_the_branch_is_to_its_bytes(placed: BuiltRepo) -> None:
    text = placed.show(".dvc/config") + "    configpath = ../aws.ini\n"
    placed.commit({".dvc/config": text, "aws.ini": "[profile x]\n"}, at=2)
    agree(placed)
    refuse(placed)  # the control
    placed.commit({"aws.ini": "[profile x]\ncredential_process = evil\n"}, at=3)
    with pytest.raises(ForeignRemoteError, match=r"aws\.ini"):
        refuse(placed)
    placed.git("mv", "aws.ini", "b.ini")
    (placed.path / "aws.ini").symlink_to("b.ini")
    placed.git("add", "-A")
    agree(placed)
    with pytest.raises(ForeignRemoteError):
        refuse(placed)  # of a link nobody knows what it will lead to


def test_a_global_setting_does_not_hide_what_goes_before_it(placed: BuiltRepo) -> None:
    (placed.path.parent / ".config/dvc").mkdir(parents=True)
    (placed.path.parent / ".config/dvc/config").write_text("['remote \"store\"']\n    url = /a\n")
    placed.commit({".dvc/config": placed.show(".dvc/config").replace("/store", "/b")}, at=2)
    with pytest.raises(ForeignRemoteError):
        refuse(placed)
    placed.commit({".dvc/config": placed.show(".dvc/config").replace("/b", "/a")}, at=3)
    refuse(placed)


def test_an_older_main_from_which_a_branch_began_does_not_count(placed: BuiltRepo) -> None:
    text = placed.show(".dvc/config")
    placed.commit({".dvc/config": text.replace("/store", "/evil")}, at=2)
    began = placed.hash()
    placed.commit({".dvc/config": text}, at=3)  # what is merged differs in nothing
    for how in (("--no-ff", "-m", "tidy"), ("--ff-only",)):
        placed.switch("main")
        placed.git("merge", "-q", *how, "exp/evil")
        placed.git("update-ref", "refs/remotes/origin/main", "main")
        refuse(placed)  # the control
        placed.git("switch", "-q", "-C", "exp/next", began)
        with pytest.raises(ForeignRemoteError):
            refuse(placed)
        agree(placed)
        refuse(placed)
        placed.git("branch", "-f", "main", "exp/evil~2")
        shutil.rmtree(placed.path / ".git/gitexp/agreed")


def test_where_nothing_came_from_others_all_is_ones_own(placed: BuiltRepo) -> None:
    placed.commit({".dvc/config": placed.show(".dvc/config").replace("/store", "/b")}, at=2)
    placed.git("branch", "-q", "-D", "main")
    placed.git("update-ref", "-d", "refs/remotes/origin/main")
    with pytest.raises(ForeignRemoteError):  # mallory's is here
        refuse(placed)
    placed.git("update-ref", "-d", "refs/remotes/mallory/main")
    refuse(placed)
    placed.git("remote", "add", "mallory", ".")
    with pytest.raises(ForeignRemoteError):
        refuse(placed)
    placed.git("remote", "remove", "mallory")
    refuse(placed)
    placed.git("fetch", "-q", ".", "HEAD")
    with pytest.raises(ForeignRemoteError):
        refuse(placed)


@pytest.mark.parametrize("name", ["config.local", "cache", "tmp", "config", "."])
def test_neither_links_nor_what_is_private_may_be_tracked(placed: BuiltRepo, name: str) -> None:
    path = placed.path / ".dvc" / name
    elsewhere = placed.path / "elsewhere"
    if name in {".", "config"}:
        path.rename(elsewhere)
    else:
        elsewhere.mkdir()
    path.symlink_to(elsewhere)
    if name not in {".", "config"}:
        refuse(placed) if name != "config.local" else None  # the control: not tracked
    placed.git("add", "-A", "-f")
    placed.git("commit", "-q", "-m", "tidy")
    with pytest.raises(UnsafeInputError):
        refuse(placed)
    if name == "cache":  # a link into nothing, which a cache would fill
        elsewhere.rmdir()
        with pytest.raises(UnsafeInputError):
            refuse(placed)


def written_by_git(repo: BuiltRepo) -> None:
    """Let Git write the settings anew, as the attributes of the moment say."""
    (repo.path / ".dvc/config").unlink()
    repo.git("checkout", "-q", "--", ".dvc/config")


def encoded(repo: BuiltRepo, attributes: str) -> str:
    """Commit a comment that becomes settings where it is written in another encoding."""
    text = b'#\0\n[core]\nremote = store\n[remote "store"]\nurl = /evil\n'
    text += b"\n" * (len(text) % 2)
    wanted = {".dvc/config": text.decode("utf-16-le").encode(), ".gitattributes": attributes}
    for path, content in wanted.items():
        data = content if isinstance(content, bytes) else content.encode()
        place = repo.path.parent / "blob"
        place.write_bytes(data)
        blob = repo.git("hash-object", "-w", "--no-filters", str(place)).strip()
        repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
    repo.git("commit", "-q", "-m", "tidy")
    (repo.path / ".dvc/config").unlink()
    repo.git("checkout", "-q", "-f", "HEAD")
    repo.git("checkout-index", "-f", ".gitattributes")
    return (repo.path / ".dvc/config").read_text()


ENCODED: Final = "/.dvc/config working-tree-encoding=UTF-16LE\n"


def _converted(repo: BuiltRepo) -> None:
    assert "/evil" in encoded(repo, ENCODED)


def _hidden(repo: BuiltRepo) -> None:
    rest = "/.gitattributes working-tree-encoding=UTF-16\n"
    assert "/evil" in encoded(repo, rest + ENCODED)
    # As a checkout into an empty folder writes it: nothing there says how it is encoded.
    (repo.path / ".gitattributes").write_bytes((rest + ENCODED).encode("utf-16"))
    assert "UTF" not in repo.git("check-attr", "-a", "--", ".dvc/config")


def _deleted(repo: BuiltRepo) -> None:
    assert "/evil" in encoded(repo, ENCODED)
    repo.git("rm", "-q", "-f", ".gitattributes")
    repo.git("commit", "-q", "-m", "no attributes")


def _attribute(words: str) -> Callable[[BuiltRepo], None]:
    def way(repo: BuiltRepo) -> None:
        text = repo.show(".dvc/config").replace("/store", "/evil/$Id$")
        repo.commit({".dvc/config": text}, at=2)
        repo.commit({".gitattributes": f"{words}\n"}, at=3)
        written_by_git(repo)

    return way


def _bit(option: str) -> Callable[[BuiltRepo], None]:
    def way(repo: BuiltRepo) -> None:
        text = repo.show(".dvc/config").replace("/store", "/evil")
        repo.git("update-index", option, ".dvc/config")
        repo.write({".dvc/config": text})
        assert repo.status() == []

    return way


def _squashed(repo: BuiltRepo, branch: str = EVIL) -> None:
    """Make a commit of one's own of a stranger's, which has no name here since."""
    repo.git("switch", "-q", "-c", "hers", "main")
    repo.commit({".dvc/config": repo.show(".dvc/config").replace("/store", "/evil")}, at=2)
    repo.git("switch", "-q", branch)
    repo.git("merge", "-q", "--squash", "hers")
    repo.git("commit", "-q", "-m", "a better idea")
    repo.git("branch", "-q", "-D", "hers")


def _into_main(repo: BuiltRepo) -> None:
    _squashed(repo, "main")


def _amended(repo: BuiltRepo) -> None:
    _squashed(repo)
    repo.git("commit", "-q", "--amend", "-m", "a better message")


def _long(repo: BuiltRepo) -> None:
    text = repo.show(".dvc/config") + "#\n" * dvc_config.LIMIT_BYTES + "[cache]\n    dir = /evil\n"
    repo.commit({".dvc/config": text}, at=2)


def _submodule(repo: BuiltRepo) -> None:
    other = repository(repo.path.parent / "other")
    other.commit({"config": repo.show(".dvc/config"), "config.local": "[core]\n    remote = x\n"})
    repo.git("rm", "-rq", ".dvc")
    shutil.rmtree(repo.path / ".dvc", ignore_errors=True)
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.path),
             ".dvc")  # fmt: skip
    repo.git("commit", "-q", "-m", "tidy")


def _profile(repo: BuiltRepo) -> None:
    """Change the file that main's own settings name."""
    repo.switch("main")
    text = repo.show(".dvc/config") + "    configpath = ../aws.ini\n"
    repo.commit({".dvc/config": text, "aws.ini": "[profile x]\n"}, at=2)
    repo.git("update-ref", "refs/remotes/origin/main", "main")
    repo.git("switch", "-q", "-C", EVIL)
    refuse(repo)  # the control: as main has it
    repo.commit({"aws.ini": "[profile x]\ncredential_process = evil\n"}, at=3)


def _link_to_store(repo: BuiltRepo) -> None:
    """Put a link where main's own settings name a folder of the work tree."""
    repo.switch("main")
    text = repo.show(".dvc/config").replace("/store", "../deep/store")
    repo.commit({".dvc/config": text}, at=2)
    repo.git("update-ref", "refs/remotes/origin/main", "main")
    repo.git("switch", "-q", "-C", EVIL)
    (repo.path / "deep/store").mkdir(parents=True)
    refuse(repo)  # the control: a folder of the user's own
    shutil.rmtree(repo.path / "deep")
    (repo.path.parent / "evil/store").mkdir(parents=True)
    (repo.path / "deep").symlink_to("../evil")
    repo.git("add", "-A")
    repo.git("commit", "-q", "-m", "tidy")


WAYS: Final[dict[str, Callable[[BuiltRepo], None]]] = {
    "another encoding": _converted,
    "attributes that are encoded themselves": _hidden,
    "attributes that are deleted since": _deleted,
    "ident": _attribute("* ident"),
    "filter": _attribute("* filter=x"),
    "eol": _attribute("* text eol=crlf"),
    "skip-worktree": _bit("--skip-worktree"),
    "assume-unchanged": _bit("--assume-unchanged"),
    "a squashed branch": _squashed,
    "an amended commit": _amended,
    "a branch that the local main took": _into_main,
    "more than is read": _long,
    "a submodule": _submodule,
    "a file that main's settings name": _profile,
    "a link on the way that main's settings name": _link_to_store,
}


@pytest.mark.parametrize("way", WAYS)
def test_no_way_makes_a_strangers_settings_the_users_own(placed: BuiltRepo, way: str) -> None:
    refuse(placed)  # the control
    WAYS[way](placed)
    with pytest.raises((ForeignRemoteError, UnsafeInputError)):
        refuse(placed)


def test_what_is_written_in_another_encoding_goes_there_only_by_trust(placed: BuiltRepo) -> None:
    _hidden(placed)
    environ = {"HOME": str(placed.path.parent)}
    with pytest.raises(ForeignRemoteError, match="url = /evil"):
        exchange.remote_of(placed.path, environ)
    remote = exchange.remote_of(placed.path, environ, trust=True)
    assert remote is not None
    assert str(remote.folder) == "/evil"
    own = "['remote \"store\"']\n    url = /mine\n    jobs = 2\n"
    (placed.path / ".dvc/config.local").write_text(own)
    remote = exchange.remote_of(placed.path, environ)  # one's own goes before it
    assert remote is not None
    assert str(remote.folder) == "/mine"


def test_a_submodules_own_main_vouches_for_nothing(placed: BuiltRepo) -> None:
    outer = repository(placed.path.parent / "outer")
    outer.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "-b", "main",
              str(placed.path), "project")  # fmt: skip
    inner = BuiltRepo(outer.path / "project")
    with pytest.raises(ForeignRemoteError):
        refuse(inner)
    text = inner.show(".dvc/config")
    (inner.path / ".dvc/config.local").write_text(text)
    refuse(inner)  # the control


# --- DVC itself -----------------------------------------------------------------------------------


class Store(http.server.BaseHTTPRequestHandler):
    """Takes whatever comes, and notes with which password; gives what it took."""

    seen: Final[list[tuple[str, str]]] = []
    asked: Final[list[str]] = []
    held: Final[dict[str, bytes]] = {}

    def do_PUT(self) -> None:
        self.held[self.path] = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen.append((self.path, self.headers.get("Authorization", "")))
        self.close_connection = True
        self.send_response(200)
        self.end_headers()

    def do_HEAD(self) -> None:
        self.asked.append(self.path)
        content = self.held.get(self.path, b"")
        self.send_response(200 if content else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_GET = do_HEAD  # noqa: N815  as the library calls them
    do_POST = do_PUT  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
    for noted in (Store.seen, Store.asked, Store.held):
        noted.clear()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{made.server_address[1]}"
    made.shutdown()
    made.server_close()
    thread.join()


IMPORTS: Final = {
    "http": "deps: [{path: SERVER/evil, hash: md5}]",
    "whole": f"deps: [{{path: SERVER/evil, version_id: x, hash: md5, md5: {'ab' * 16}}}]",
    "settings": "deps: [{path: SERVER/evil, hash: md5, fs_config: {user: ada, password: x}}]",
    "program": "deps: [{path: 'webdav://evil', hash: md5, fs_config: {bearer_token_command: x}}]",
    "local": "deps: [{path: SECRET, hash: md5}]",
    "registry": "deps: [{path: x, repo: {url: SERVER/evil.git, rev_lock: abcdef0}}]",
    "database": "deps: [{db: {connection: SERVER/evil, query: x}}]",
}
ELSEWHERE: Final = {
    "out.dvc": "outs: [{path: 'SERVER/evil', hash: md5}]\n",
    "program.out.dvc": "outs: [{path: 'webdav:x', fs_config: {bearer_token_command: x}}]\n",
    "dvc.yaml": """stages:
  none: {cmd: '', deps: [SERVER/evil], outs: [a]}
  copy: {cmd: '', deps: [SECRET], outs: [b]}
  data: {cmd: x, deps: ['ds://x', 'webdav://evil'], outs: ['SERVER/evil/c']}
datasets: [{name: x, type: url, url: SERVER/evil}]
""",
}


@pytest.mark.network
def test_dvc_asks_no_place_that_a_commit_names(repo: BuiltRepo, server: str) -> None:
    secret = repo.path.parent / "secret"
    secret.write_text("mine alone\n")
    text = f"[core]\n    remote = store\n['remote \"store\"']\n    url = {server}/mine\n"
    files = ELSEWHERE | {
        f"{name}.dvc": f"{deps}\nouts: [{{path: {name}, hash: md5}}]\n"
        for name, deps in IMPORTS.items()
    }
    files["whole.dvc"] = f"{IMPORTS['whole']}\nouts: [{{path: x, hash: md5, md5: {'cd' * 16}}}]\n"
    plain = {"own": "", "had": "deps: [{path: SERVER/evil, etag: xyz}]\n"}
    for name, deps in plain.items():  # the control: both are in main's remote
        md5 = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
        Store.held[f"/mine/files/md5/{md5[:2]}/{md5[2:]}"] = name.encode()
        files[f"{name}.dvc"] = f"{deps}outs: [{{path: {name}, hash: md5, md5: {md5}, size: 3}}]\n"
    for path, each in files.items():
        files[path] = each.replace("SERVER", server).replace("SECRET", str(secret))
    commit = CommitHash(repo.commit({".dvc/config": text, **files}, at=2))
    count, imports, *_ = exchange.by_dvc(repo.path, [commit])
    assert count == len(plain)
    assert sorted(imports) == sorted(f"{name}.dvc" for name in IMPORTS)
    assert [path for path in Store.asked if not path.startswith("/mine")] == []
    assert [at for at in (repo.path / ".dvc").rglob("*")
            if at.is_file() and b"mine alone" in at.read_bytes()] == []  # fmt: skip


@pytest.mark.slow
@pytest.mark.network
def test_dvc_goes_by_no_address_of_a_branch_that_is_sent_along(team: Team, server: str) -> None:
    mine = f"{server}/mine"
    text = "[core]\n    remote = store\n['remote \"store\"']\n    url = {}\n    method = PUT\n"
    team.a.commit({".dvc/config": text.format(mine)}, at=25)
    team.a.git("push", "-q", "origin", "main")
    local = "['remote \"store\"']\n    auth = basic\n    user = ada\n    password = hunter2\n"
    (team.a.path / ".dvc/config.local").write_text(local)
    team.a.git("switch", "-q", BRANCH)
    team.a.git("merge", "-q", "-X", "theirs", "-m", "m", "main")
    pointer = team.a.files()
    assert any(path.endswith(".dvc") for path in pointer)
    other = text.format(f"{server}/evil") + "['remote \"x\"']\n    url = /x\n"
    team.a.commit({".dvc/config": other}, at=30)  # a commit in what is sent, not its tip
    team.a.commit({".dvc/config": text.format(mine)}, at=31)
    assert asked(team, "push", "idea") == 0
    assert Store.seen
    assert all(path.startswith("/mine/") for path, _ in Store.seen)
    assert any(password.startswith("Basic ") for _, password in Store.seen)  # the control
    Store.seen.clear()
    evil(team, lambda _: text.format(f"{server}/evil"))
    for verb in ("push", "sync"):
        assert asked(team, verb) == 2
    assert asked(team, "pull", "--data") == 2
    assert Store.seen == []


# --- remotes of outputs ---------------------------------------------------------------------------

POINTER: Final = "outs: [{{path: {0}, hash: md5, md5: {1}, size: 1, remote: public}}]\n"


@pytest.mark.slow
@pytest.mark.sweep(2)
@pytest.mark.parametrize("place", ["branch", "other branch", "main of a fork"])
@pytest.mark.parametrize("verb", ["push", "sync"])
def test_no_pointer_sends_what_is_private_to_a_remote_that_main_does_not_name_for_it(
    team: Team, place: str, verb: str
) -> None:
    public = team.store.parent / "public"
    local = team.a.path / ".dvc/config.local"
    local.write_text(f"['remote \"public\"']\n    url = {public}\n")
    secret, open_ = (_put(team, name) for name in ("s", "o"))
    team.a.switch("main")
    team.a.commit({"s.dvc": POINTER.format("s", secret).replace(", remote: public", "")}, at=40)
    team.a.commit({"o.dvc": POINTER.format("o", open_)}, at=41)
    team.a.git("push", "-q", "--no-verify", "origin", "main")
    team.a.git("switch", "-q", "-c", EVIL, "main")
    files = {"x.dvc": POINTER.format("x", secret)}
    if place != "branch":  # one that only came by, on the way of one's own
        files["o.dvc"] = POINTER.format("o", secret)
    team.a.commit(files, at=42)
    if place == "main of a fork":
        team.a.git("update-ref", "refs/remotes/mallory/main", EVIL)
    if place != "branch":
        team.a.git("switch", "-q", "-c", "exp/next", EVIL)
        team.a.commit({"x.dvc": POINTER.format("x", open_)}, at=43)
    done = gitexp(team.a, verb)
    assert done.returncode == 0, done.stderr
    sent = {path.read_text() for path in public.rglob("*") if path.is_file()}
    assert sent <= {"o"}
    assert place == "branch" or sent == {"o"}  # the control: main's own, and what is the same
    if place == "branch":
        assert "as main does not say" in done.stdout
    gitexp(team.a, verb, "--trust")
    sent = {path.read_text() for path in public.rglob("*") if path.is_file()}
    assert "s" in sent or place != "branch"  # the control: whoever says yes


def _put(team: Team, name: str) -> Md5:
    team.a.write({name: name})
    md5 = put(open_cache(team.a.path), team.a.path, name).md5
    (team.a.path / name).unlink()
    return md5


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["push", "sync"])
def test_files_of_git_lfs_go_where_a_branch_says_only_after_a_yes(team: Team, verb: str) -> None:
    team.a.switch("main")
    team.a.commit({".lfsconfig": "[lfs]\n\turl = /main\n"}, at=40)
    team.a.git("push", "-q", "--no-verify", "origin", "main")
    team.a.git("switch", "-q", "-c", EVIL, "main")
    assert gitexp(team.a, verb).returncode == 0  # the control: as main has it
    team.a.commit({".lfsconfig": "[lfs]\n\turl = http://evil\n"}, at=41)
    assert gitexp(team.a, verb).returncode == 0  # another: Git LFS is not set up here
    team.a.git("config", "filter.lfs.process", "git-lfs filter-process")
    for hidden in (False, True):
        if hidden:  # it reads what Git holds where there is no file
            (team.a.path / ".lfsconfig").unlink()
        done = gitexp(team.a, verb)
        assert done.returncode == 2
        assert "foreign-remote" in done.stderr
        assert "http://evil" in done.stderr
    assert gitexp(team.a, verb, "--trust").returncode == 0
    team.a.git("config", "lfs.url", "/mine")
    assert gitexp(team.a, verb).returncode == 0
