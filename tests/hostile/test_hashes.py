"""A hash becomes a part of a path, so nothing else is one, wherever a branch or a remote says it.

The control is beside each bad hash: the same place names a good one, whose bytes come or go.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.dvc import cache, cache_objects, exchange
from gitexp.dvc.cache_objects import CacheConfig
from gitexp.dvc.declared_data import Reader
from gitexp.dvc.dvcfiles import load_lock, load_pointer
from gitexp.errors import BadFormatError, UnsafeInputError
from gitexp.git.repository import open_repository
from gitexp.model.ids import CommitHash, Md5
from tests.lab import sharing
from tests.lab.sharing import BRANCH, gitexp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.lab.build import BuiltRepo

EVIL: Final = b'[core]\n\tfsmonitor = "touch pwned; false"\n'
DATA: Final = "gitexp/data"
NO_HASHES: Final = (
    "aa../../../../../.git/config", "aa/../../x.dir", "../x", "aa", "a" * 31, "a" * 33,
    "aa/" + "a" * 30, "a" * 32 + "\n", "a" * 32 + ".dir.dir", "g" * 32, "aa\\..\\..\\x",
    "a" * 32 + ".unpacked",
)  # fmt: skip
NO_PATHS: Final = ("../x", "/x", "a/../../x", ".git/config", "a/.GIT/hooks/x", "", "a\\x", "c:x")
# What may come to lie in a cache or a remote, and what may be asked of a server.
OBJECT: Final = re.compile(r"files/md5/[0-9a-f]{2}/[0-9a-f]{30}(?:\.dir)?")
ASKED: Final = re.compile(rf"/mine(?:/files(?:/md5(?:/{OBJECT.pattern[10:]})?)?)?/?")
# What a door may change beside: Git's own bookkeeping, branches that move, outputs.
CHANGED: Final = re.compile(
    r"(?:[ab]/\.git/(?:objects|logs|refs/remotes|refs/tags|refs/gitexp|gitexp|info)/.*"
    r"|[ab]/\.git/(?:FETCH_HEAD|ORIG_HEAD|COMMIT_EDITMSG|index|packed-refs|HEAD)"
    r"|[ab]/\.git/refs/heads/(?:exp/evil|gitexp/data)|[ab]/\.dvc/tmp/.*|[ab]/\.gitexp/.*"
    r"|[ab]/\.dvc/cache/"
    + OBJECT.pattern
    + r"|store/.*|origin\.git/.*|[ab]/(?:\w+-(?:list)?good.*|model\.txt))"
)


def md5_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


# --- our own code ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", NO_HASHES)
def test_no_other_text_becomes_a_path_or_an_entry(tmp_path: Path, bad: str) -> None:
    here, there = CacheConfig(tmp_path / "here"), CacheConfig(tmp_path / "there")
    md5 = Md5(bad)
    ways: tuple[Callable[[], object], ...] = (
        lambda: cache_objects.object_file(here, md5),
        lambda: cache_objects.write(here, md5, b""),
        lambda: cache_objects.quarantine(here, md5),
        lambda: cache.has(here, md5),
        lambda: cache.missing(here, md5),
        lambda: cache.verify(here, md5),
        lambda: exchange.send(here, there, [md5]),
        lambda: exchange.take(here, there, md5),
        lambda: cache.manifest_entries(listed(bad), where="x"),
    )
    for way in ways:
        with pytest.raises((UnsafeInputError, BadFormatError)):
            way()
    assert [*tmp_path.iterdir()] == []
    out = json.dumps([{"path": "x", "hash": "md5", "md5": bad}])
    (pointed,) = load_pointer(f"outs: {out}".encode(), "x.dvc").outs
    stages = load_lock(f"schema: '2.0'\nstages: {{s: {{cmd: x, outs: {out}}}}}".encode(), "l")
    assert [(each.md5, each.odd) for each in (pointed, *stages["s"].outs)] == [(None, True)] * 2


@pytest.mark.parametrize("path", NO_PATHS)
def test_no_other_path_is_one_of_a_folder(path: str) -> None:
    with pytest.raises(UnsafeInputError):
        cache.manifest_entries(listed("a" * 32, path), where="x")
    assert cache.manifest_entries(listed("a" * 32, "a/x"), where="x")  # the control


def listed(md5: str, path: str = "x") -> bytes:
    return json.dumps([{"md5": md5, "relpath": path}]).encode()


# --- every door -----------------------------------------------------------------------------------


class Remote(http.server.BaseHTTPRequestHandler):
    """A server that has whatever it is asked for, and takes whatever comes."""

    held: Final[dict[str, bytes]] = {}
    asked: Final[list[str]] = []
    later: Final[dict[str, tuple[int, bytes]]] = {}  # what it says after so many times

    def do_GET(self) -> None:
        self.asked.append(self.path)
        content = self.held.get(self.path)
        if content is None and not ASKED.fullmatch(self.path):
            content = EVIL
        if self.path in self.later and self.command == "GET":
            left, other = self.later[self.path]
            self.later[self.path] = left - 1, other
            content = content if left > 0 else other
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content or b"")

    def do_POST(self) -> None:
        self.asked.append(self.path)
        self.held[self.path] = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815  as the library calls them

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Remote)
    for noted in (Remote.held, Remote.asked, Remote.later):
        noted.clear()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{made.server_address[1]}/mine"
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A team with a run, whose by-products gitexp/data names."""
    folder = tmp_path_factory.mktemp("hashes")
    team = sharing.make(folder)
    assert gitexp(team.a, "run", "--repeats", "2").returncode == 0
    team.a.git("push", "-q", "origin", BRANCH)
    return folder


@dataclass
class World:
    """A victim, and what a stranger has planted for him."""

    folder: Path
    victim: BuiltRepo
    bad: list[str]
    good: list[str] = field(default_factory=list)  # hashes whose bytes have to come, or go

    def outs(self, place: str) -> str:
        """Return outputs of a place: all bad ones, and a good one."""
        rows: list[dict[str, object]] = [
            {"path": f"{place}-{number}", "hash": "md5", "md5": bad}
            for number, bad in enumerate(self.bad)
        ]
        rows += [
            {"path": f"{place}-tag", "hash": "etag", "etag": self.bad[0]},
            {"path": f"{place}-sum", "hash": "checksum", "checksum": self.bad[1]},
            {"path": f"{place}-old", "md5": self.bad[0]},
        ]
        if place != "lock":
            files = [{"relpath": "x", "md5": self.bad[0], "cloud": {"r": {"version_id": "1"}}}]
            rows.append({"path": f"{place}-files", "hash": "md5", "files": files})
            files = [{"relpath": "../x", "md5": "a" * 32, "cloud": {"r": {"version_id": "1"}}}]
            rows.append({"path": f"{place}-up", "hash": "md5", "files": files})
        self.good.append(md5_of(place.encode()))
        rows.append({"path": f"{place}-good", "hash": "md5", "md5": self.good[-1]})
        return json.dumps(rows)

    def manifests(self, place: str) -> dict[str, bytes]:
        """Return manifests of folders, true to their names, by path: bad ones, and a good one."""
        member = f"{place}-list".encode()
        found = {f"{place}-m{n}": listed(bad) for n, bad in enumerate(self.bad)}
        found |= {f"{place}-p{n}": listed(md5_of(member), bad) for n, bad in enumerate(NO_PATHS)}
        found[f"{place}-listgood"] = listed(md5_of(member))
        self.good += [md5_of(member), f"{md5_of(found[f'{place}-listgood'])}.dir"]
        return found

    def seen(self) -> dict[str, bytes]:
        """Return what lies where no door may change anything."""
        paths = (
            (path, path.relative_to(self.folder).as_posix()) for path in self.folder.rglob("*")
        )
        return {
            name: path.read_bytes()
            for path, name in paths
            if path.is_file() and not CHANGED.fullmatch(name)
        }


def planted(ran: Path, folder: Path, *, pushes: bool) -> tuple[World, dict[str, bytes]]:
    """Build what a stranger leaves: on a branch, in its history, on gitexp/data, in manifests."""
    team = sharing.copy(ran, folder)
    victim = team.a if pushes else team.b
    outside = folder / "outside"
    outside.mkdir()
    (outside / "thesis.txt").write_text("precious\n")
    (outside / "read_only.txt").write_text("secret\n")  # DVC believes what is read-only
    (outside / "read_only.txt").chmod(0o444)
    targets = [outside / "thesis.txt", outside / "read_only.txt", outside / "new.txt"]
    targets += [victim.path / ".git/config", victim.path / ".git/refs/heads" / BRANCH]
    world = World(folder, victim, [f"aa{'/..' * 40}{path}" for path in targets])
    for top in (victim.path / ".dvc/cache", team.store):
        (top / "files/md5/aa").mkdir(parents=True)  # as any has that is of some size
    manifests = world.manifests("there") | (cached := world.manifests("here"))
    pointers = {
        f"{path}.dvc": json.dumps(
            {"outs": [{"path": path, "hash": "md5", "md5": f"{md5_of(content)}.dir", "nfiles": 1}]}
        )
        for path, content in manifests.items()
    }
    lock = f"schema: '2.0'\nstages: {{s: {{cmd: x, outs: {world.outs('lock')}}}}}\n"
    names = [f"lock-{number}" for number in range(len(targets))]
    declared = json.dumps([*names, "lock-tag", "lock-sum", "lock-old", "lock-good"])
    team.a.switch("exp/evil", create=True)
    team.a.commit({"inner.dvc": f"outs: {world.outs('inner')}\n"}, at=40)
    team.a.git("rm", "-q", "inner.dvc")
    if not pushes:  # nobody needs it
        world.good.pop()
    lists = {"dvc.yaml": f"stages: {{s: {{cmd: x, outs: {declared}}}}}\n", "dvc.lock": lock}
    team.a.commit({"tip.dvc": f"outs: {world.outs('tip')}\n", **lists, **pointers}, at=41)
    tree = team.a.git("ls-tree", DATA).splitlines()
    held = [line for line in tree if "blob" not in line]
    (name,) = (line.partition("\t")[2] for line in tree if line not in held)
    blob = team.a.write_object("blob", f"outs: {world.outs('data')}\n".encode())
    rows = "".join(f"{line}\n" for line in (*held, f"100644 blob {blob}\t{name}"))
    new = team.a.git("mktree", data=rows.encode()).strip()
    commit = team.a.git("commit-tree", new, "-p", DATA, "-m", "by-products").strip()
    team.a.git("update-ref", f"refs/heads/{DATA}", commit)
    if not pushes:
        team.a.git("push", "-q", "origin", "exp/evil", DATA)
        victim.git("pull", "-q", "--ff-only")
        victim.switch("exp/evil")
    for key, value in (("remote", "origin"), ("merge", "refs/heads/exp/evil")):
        victim.git("config", f"branch.exp/evil.{key}", value)  # as a push or pull would
    at = CacheConfig(victim.path / ".dvc/cache")
    for content in cached.values():
        cache_objects.write(at, Md5(f"{md5_of(content)}.dir"), content)
    bytes_of = {f"{md5_of(each)}.dir": each for each in manifests.values()}
    plain = (f"{place}{end}" for place in ("here", "there") for end in ("-list",))
    texts = (*plain, "lock", "inner", "tip", "data")
    return world, bytes_of | {md5_of(text.encode()): text.encode() for text in texts}


DOORS: Final = {
    "status": ("status",),
    "push": ("push", "evil"),
    "pull NAME": ("pull", "evil", "--data"),
    "pull": ("pull", "--data"),
    "sync": ("sync", "evil"),
    "run": ("run", "--repeats", "1", "--again"),
    "hook": ("hook", "post-checkout", "main", "HEAD", "1"),
}
SENDS: Final = {"push", "sync"}
BRINGS: Final = {"pull NAME", "pull"}


@pytest.mark.network
@pytest.mark.sweep(4)
@pytest.mark.parametrize("remote", ["plain", "verify", "http"])
@pytest.mark.parametrize("door", DOORS)
def test_no_door_goes_where_a_false_hash_leads(
    ran: Path, tmp_path: Path, server: str, door: str, remote: str
) -> None:
    world, objects = planted(ran, tmp_path / "team", pushes=door in SENDS)
    store = world.folder / "store"
    here, there = CacheConfig(world.victim.path / ".dvc/cache"), CacheConfig(store)
    for name, content in objects.items():
        if door in SENDS:
            cache_objects.write(here, Md5(name), content)
        else:
            cache_objects.write(there, Md5(name), content)
            Remote.held[f"/mine/files/md5/{name[:2]}/{name[2:]}"] = content
    url = server if remote == "http" else str(store)
    more = "    verify = true\n" if remote == "verify" else ""
    local = f"['remote \"store\"']\n    url = {url}\n{more}"
    (world.victim.path / ".dvc/config.local").write_text(local)
    before = world.seen()
    done = gitexp(world.victim, *DOORS[door])
    assert done.returncode in range(7), done.stderr
    assert world.seen() == before
    said = done.stdout + done.stderr  # a bare dvc would go there
    assert re.findall(r"(?<!no )dvc (?:checkout|fetch|pull)(?! PATH)", said) == []
    assert [path for path in Remote.asked if not ASKED.fullmatch(path)] == []
    for top in (store, here.dir):
        files = {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()}
        assert [path for path in files if not OBJECT.fullmatch(path)] == []
    if door in SENDS:
        assert done.returncode == 0, done.stderr
        sent = {path.rpartition("/md5/")[2].replace("/", "") for path in Remote.held}
        if remote != "http":
            sent = {path.parent.name + path.name for path in store.rglob("*") if path.is_file()}
        assert {*world.good} <= sent, done.stdout
    elif door in BRINGS:
        assert done.returncode == 0, done.stderr
        known = [md5 for md5 in world.good if md5 != md5_of(b"data") or remote != "plain"]
        assert [md5 for md5 in known if not cache.has(here, Md5(md5))] == [], done.stdout
    if door in SENDS | BRINGS:
        assert "a hash does not have the form of an MD5" in done.stdout


@pytest.mark.network
def test_a_manifest_that_is_another_one_later_is_neither_believed_nor_kept(
    ran: Path, tmp_path: Path, server: str
) -> None:
    team = sharing.copy(ran, tmp_path / "team")
    (team.a.path / ".dvc/config.local").write_text(f"['remote \"store\"']\n    url = {server}\n")
    outside = tmp_path / "outside.txt"
    bad = f"aa{'/..' * 40}{outside}"
    pointers = {}
    names = []
    for times in range(8):
        member = f"{times}".encode()
        good = listed(md5_of(member))
        names.append(md5_of(good) + ".dir")
        place = f"/mine/files/md5/{names[-1][:2]}/{names[-1][2:]}"
        Remote.held[place] = good
        Remote.held[f"/mine/files/md5/{md5_of(member)[:2]}/{md5_of(member)[2:]}"] = member
        if times:
            Remote.later[place] = times - 1, listed(bad)
        out = {"path": f"d{times}", "hash": "md5", "md5": names[-1], "nfiles": 1}
        pointers[f"d{times}.dvc"] = json.dumps({"outs": [out]})
    commit = CommitHash(team.a.commit(pointers, at=50))
    moved = exchange.by_dvc(team.a.path, [commit])
    assert any("object" in each and "does not have the form" in each for each in moved.odd)
    at = CacheConfig(team.a.path / ".dvc/cache")
    assert cache.missing(at, Md5(names[0])) == ()  # the control
    kept = [Md5(name) for name in names if cache.has(at, Md5(name))]
    assert all(cache.read_manifest(at, name) for name in kept)
    assert not outside.exists()


def test_what_is_no_hash_is_named_and_the_rest_is_read(ran: Path, tmp_path: Path) -> None:
    team = sharing.copy(ran, tmp_path / "team")
    outs = [{"path": "y", "hash": "md5", "md5": md5_of(b"y")}]
    cache_objects.write(CacheConfig(team.a.path / ".dvc/cache"), Md5(md5_of(b"y")), b"y")
    team.a.commit({"x.dvc": json.dumps({"outs": outs})}, at=50)
    assert "dvc checkout brings" in gitexp(team.a, "status").stdout  # the control
    outs += [{"path": "x", "hash": "md5", "md5": "aa/../x"}]
    commit = CommitHash(team.a.commit({"x.dvc": json.dumps({"outs": outs})}, at=51))
    needs = Reader(open_repository(team.a.workspace)).of(commit)
    assert "y" in {out.path for out in needs.outs}
    assert needs.odd == ("x.dvc: x (a hash does not have the form of an MD5)",)
    assert "dvc checkout brings" not in gitexp(team.a, "status").stdout
