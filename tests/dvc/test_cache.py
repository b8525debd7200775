"""The cache against DVC's own, and against what a branch or a crash can put into it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.meta import Meta
from dvc_data.hashfile.tree import Tree
from hypothesis import given
from hypothesis import strategies as st

from gitexp.dvc import cache as objects
from gitexp.dvc import placement
from gitexp.dvc.cache_objects import CacheConfig
from gitexp.dvc.hashing import (
    FileDigest,
    Member,
    Memo,
    hash_file,
    list_files,
    manifest,
    manifest_md5,
    stat_key,
)
from gitexp.errors import (
    BadFormatError,
    ChangingFileError,
    DamagedDataError,
    DataMissingError,
    ExistsError,
    UnsafeInputError,
)
from gitexp.model.ids import Md5
from gitexp.model.run import FileHash
from tests.lab.build import dvc, repository

HELLO = Md5("5d41402abc4b2a76b9719d911017c592")


@pytest.fixture
def cache(tmp_path: Path) -> CacheConfig:
    return CacheConfig(tmp_path / "cache")


def materialise(
    cache: CacheConfig, md5: Md5, root: Path, path: str, *, over: bool = False
) -> frozenset[str]:
    out = FileHash(path, md5, 0)
    return placement.materialise(cache, out, root, path, (lambda _: True) if over else None)


def listing(cache_dir: Path) -> dict[str, tuple[int, int]]:
    """Object -> (permission bits, size)."""
    top = cache_dir / "files" / "md5"
    return {
        path.relative_to(top).as_posix(): (stat.S_IMODE(path.stat().st_mode), path.stat().st_size)
        for path in top.rglob("*")
        if path.is_file()
    }


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def crafted(cache: CacheConfig, rows: object) -> Md5:
    """Put a manifest with the right hash of its own into the cache."""
    content = json.dumps(rows).encode()
    md5 = Md5(hashlib.md5(content, usedforsecurity=False).hexdigest() + ".dir")
    path = objects.object_path(cache.dir, md5)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return md5


def test_objects_manifests_and_checkouts_are_those_of_dvc(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    dvc(repo.path, "init", "--quiet")
    files: dict[str, str | bytes | None] = {
        "ds/a.b": "1",
        "ds/a/b": "2",
        "ds/a-b": "3",
        "ds/ü #!*[x] 'q\".txt": "",
        "ds/deep/er/big.bin": os.urandom(600_000),
        "ds/keep.tmp": "hidden",
        "one.txt": "x\r\n",
        "empty/.keep": "",
    }
    repo.write(files)
    (repo.path / "empty/.keep").unlink()
    (repo.path / "one.txt").chmod(0o755)
    (repo.path / ".dvcignore").write_text("*.tmp\n")
    dvc(repo.path, "add", "--quiet", "ds", "one.txt", "empty")
    theirs = objects.open_cache(repo.path)
    ours = CacheConfig(tmp_path / "ours")

    hashes = {path: objects.put(ours, repo.path, path) for path in ("ds", "one.txt", "empty")}

    assert theirs.dir == repo.path / ".dvc/cache"
    assert listing(ours.dir) == listing(theirs.dir)
    assert {mode for mode, _ in listing(ours.dir).values()} == {0o444}
    for path, found in hashes.items():
        pointer = (repo.path / f"{path}.dvc").read_text()
        assert f"md5: {found.md5}\n" in pointer
        assert f"size: {found.size}\n" in pointer
        assert ("isexec: true" in pointer) is found.isexec
        assert (f"nfiles: {found.nfiles}\n" in pointer) is (found.nfiles is not None)

    before = tree(repo.path / "ds")
    del before["keep.tmp"]
    for path in ("ds", "one.txt", "empty"):
        placement.materialise(ours, hashes[path], repo.path, path, lambda _: True)
    assert tree(repo.path / "ds") == before
    assert "up to date" in dvc(repo.path, "status")
    assert dvc(repo.path, "checkout") == ""
    assert objects.verify(theirs, hashes["ds"].md5) == ()


@pytest.mark.parametrize(
    ("types", "linked", "mode"),
    [
        (("reflink", "copy"), False, 0o644),
        (("hardlink",), True, 0o444),
        (("symlink",), True, 0o444),
        (("reflink", "hardlink", "copy"), True, 0o444),
    ],
)
def test_files_are_linked_only_where_the_settings_say_so(
    cache: CacheConfig, tmp_path: Path, types: tuple[str, ...], *, linked: bool, mode: int
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/full").write_text("hello")
    (tmp_path / "src/empty").write_text("")
    md5 = objects.put(cache, tmp_path, "src").md5

    placed = materialise(replace(cache, types=types), md5, tmp_path, "out")

    if "reflink" in placed:
        pytest.skip("this file system has reflinks")
    assert bool(placed & placement.LINKS) is linked
    assert tree(tmp_path / "out") == {"full": b"hello", "empty": b""}
    assert stat.S_IMODE((tmp_path / "out/full").stat().st_mode) == mode
    assert not (tmp_path / "out/empty").is_symlink()
    assert (tmp_path / "out/empty").stat().st_nlink == 1


def test_an_unknown_cache_type_is_refused(cache: CacheConfig, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("hello")
    md5 = objects.put(cache, tmp_path, "a").md5
    with pytest.raises(BadFormatError):
        materialise(replace(cache, types=("teleport",)), md5, tmp_path, "b")


@pytest.mark.parametrize(
    "path",
    [
        "../evil",
        "/etc/evil",
        "a//b",
        "a/./b",
        "a/..",
        "",
        "a\0b",
        "a\\..\\b",
        "C:evil",
        ".git/hooks/x",
        "a/.GIT/x",
        "a/.git. /x",
        "a/.g\u200cit/x",
        "git~1/x",
        ".dvc/config",
        "a\nb",
        "a\ud800b",
    ],
)
def test_an_unsafe_manifest_is_refused_before_anything_is_written(
    cache: CacheConfig, tmp_path: Path, path: str
) -> None:
    (tmp_path / "hello").write_text("hello")
    assert objects.put(cache, tmp_path, "hello").md5 == HELLO
    md5 = crafted(cache, [{"md5": HELLO, "relpath": "fine"}, {"md5": HELLO, "relpath": path}])
    (tmp_path / "w").mkdir()

    with pytest.raises(UnsafeInputError):
        materialise(cache, md5, tmp_path / "w", "sub/out")
    with pytest.raises(UnsafeInputError):
        materialise(cache, HELLO, tmp_path / "w", path)

    assert list((tmp_path / "w").iterdir()) == []


@pytest.mark.parametrize(
    "names",
    [["a", "a/b"], ["a", "a"], ["Data/x", "data/y"], ["A", "a"], ["\u00e9", "e\u0301"]],
)
def test_a_manifest_whose_names_clash_is_refused(
    cache: CacheConfig, tmp_path: Path, names: list[str]
) -> None:
    md5 = crafted(cache, [{"md5": HELLO, "relpath": name} for name in names])
    with pytest.raises(UnsafeInputError, match="contradicts itself"):
        materialise(cache, md5, tmp_path, "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("rows", [{}, [1], [{"relpath": "a"}], [{"md5": 1, "relpath": "a"}], None])
def test_a_manifest_of_another_shape_is_no_manifest(
    cache: CacheConfig, tmp_path: Path, rows: object
) -> None:
    with pytest.raises(BadFormatError):
        materialise(cache, crafted(cache, rows), tmp_path, "out")


@pytest.mark.parametrize("md5", ["../../x", "5D41402ABC4B2A76B9719D911017C592", "", "x" * 32])
def test_a_hash_that_is_none_never_becomes_a_path(
    cache: CacheConfig, tmp_path: Path, md5: str
) -> None:
    with pytest.raises(UnsafeInputError):
        materialise(cache, Md5(md5), tmp_path, "out")
    with pytest.raises(UnsafeInputError):
        materialise(cache, crafted(cache, [{"md5": md5, "relpath": "a"}]), tmp_path, "out")


def test_a_symbolic_link_above_an_output_is_not_followed(
    cache: CacheConfig, tmp_path: Path
) -> None:
    (tmp_path / "hello").write_text("hello")
    md5 = objects.put(cache, tmp_path, "hello").md5
    (tmp_path / "outside").mkdir()
    (tmp_path / "w").mkdir()
    (tmp_path / "w/data").symlink_to(tmp_path / "outside")
    for path in ("data/x", "data/y/x"):
        with pytest.raises(UnsafeInputError, match="symbolic link"):
            materialise(cache, md5, tmp_path / "w", path)
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_link_at_the_output_itself_is_replaced_and_not_written_through(
    cache: CacheConfig, tmp_path: Path
) -> None:
    (tmp_path / "hello").write_text("hello")
    md5 = objects.put(cache, tmp_path, "hello").md5
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "out").symlink_to("precious")
    with pytest.raises(ExistsError):
        materialise(cache, md5, tmp_path, "out")
    materialise(cache, md5, tmp_path, "out", over=True)
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "out").read_text() == "hello"
    assert not (tmp_path / "out").is_symlink()


def test_all_missing_objects_are_named_and_nothing_is_written(
    cache: CacheConfig, tmp_path: Path
) -> None:
    (tmp_path / "src").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "src" / name).write_text(name)
    found = objects.put(cache, tmp_path, "src")
    gone = [hash_file(str(tmp_path / "src" / name)).md5 for name in ("a", "c")]
    for md5 in gone:
        objects.object_path(cache.dir, md5).unlink()

    assert objects.missing(cache, found.md5) == tuple(gone)
    with pytest.raises(DataMissingError) as caught:
        materialise(cache, found.md5, tmp_path, "new/out")
    assert all(md5 in caught.value.found for md5 in gone)
    assert not (tmp_path / "new").exists()
    assert objects.missing(cache, HELLO) == (HELLO,)


def test_an_empty_object_left_by_a_power_cut_counts_as_missing_and_is_written_again(
    cache: CacheConfig, tmp_path: Path
) -> None:
    (tmp_path / "hello").write_text("hello")
    path = objects.object_path(cache.dir, HELLO)
    path.parent.mkdir(parents=True)
    path.touch()
    assert not objects.has(cache, HELLO)
    objects.put(cache, tmp_path, "hello")
    assert path.read_text() == "hello"
    (tmp_path / "nothing").touch()
    assert objects.has(cache, objects.put(cache, tmp_path, "nothing").md5)


@pytest.mark.parametrize("types", [("copy",), ("hardlink",), ("symlink",)])
def test_damaged_bytes_never_reach_a_worktree_and_are_set_aside(
    cache: CacheConfig, tmp_path: Path, types: tuple[str, ...]
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a").write_text("aaaa")
    (tmp_path / "src/b").write_text("bbbb")
    md5 = objects.put(cache, tmp_path, "src").md5
    bad = hash_file(str(tmp_path / "src/b")).md5
    path = objects.object_path(cache.dir, bad)
    path.chmod(0o644)
    path.write_text("bbbX")
    path.chmod(0o444)
    (tmp_path / "w").mkdir()

    with pytest.raises(DamagedDataError) as caught:
        materialise(replace(cache, types=types), md5, tmp_path / "w", "out")

    assert bad in caught.value.found
    assert hashlib.md5(b"bbbX", usedforsecurity=False).hexdigest() in caught.value.found
    assert list((tmp_path / "w").iterdir()) == []
    assert not path.exists()
    assert [one.read_text() for one in (cache.dir / "gitexp-damaged").iterdir()] == ["bbbX"]
    objects.put(cache, tmp_path, "src")
    assert objects.verify(cache, md5) == ()


def test_verify_names_every_bad_member_and_believes_no_mode(
    cache: CacheConfig, tmp_path: Path
) -> None:
    (tmp_path / "src").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "src" / name).write_text(name * 4)
    md5 = objects.put(cache, tmp_path, "src").md5
    hashes = {name: hash_file(str(tmp_path / "src" / name)).md5 for name in ("a", "b", "c")}
    objects.object_path(cache.dir, hashes["a"]).unlink()
    flipped = objects.object_path(cache.dir, hashes["b"])
    flipped.chmod(0o644)
    flipped.write_text("bbbc")

    damage = objects.verify(cache, md5)

    assert [(one.path, one.have == "") for one in damage] == [("a", True), ("b", False)]
    assert not flipped.exists()
    manifest = objects.object_path(cache.dir, md5)
    manifest.chmod(0o644)
    manifest.write_bytes(manifest.read_bytes()[:-10])
    assert [one.md5 for one in objects.verify(cache, md5)] == [md5]
    assert objects.missing(cache, md5) == (md5,)


@pytest.mark.parametrize("kind", ["link", "dangling", "folder link", "pipe", "dvcignore", "name"])
def test_what_dvc_would_change_drop_or_hang_on_is_refused_by_name(
    cache: CacheConfig, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "a").write_text("a")
    match kind:
        case "link":
            (folder / "odd").symlink_to("a")
        case "dangling":
            (folder / "odd").symlink_to("nowhere")
        case "folder link":
            (folder / "odd").symlink_to(tmp_path)
        case "pipe":
            os.mkfifo(folder / "odd")
        case "dvcignore":
            (folder / ".dvcignore").write_text("odd")
        case _:
            Path(os.fsdecode(os.fsencode(folder) + b"/odd\xff")).touch()
    with pytest.raises(UnsafeInputError, match="cannot be stored") as caught:
        objects.put(cache, tmp_path, "src")
    assert re.search(r"odd|\.dvcignore", caught.value.found)
    assert not cache.dir.exists()


def test_a_pipe_as_output_is_refused_at_once(cache: CacheConfig, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out")
    with pytest.raises(UnsafeInputError, match="regular files"):
        objects.put(cache, tmp_path, "out")


def test_folders_that_dvc_hides_are_not_stored(tmp_path: Path) -> None:
    for name in (".git/config", ".dvc/config", "nested/.dvc/config", "nested/x", "a"):
        (tmp_path / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / name).touch()
    assert list_files(str(tmp_path / "src")) == ["a"]


def test_a_file_that_keeps_growing_gets_no_hash(cache: CacheConfig, tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(bytes(64 << 20))
    stop = threading.Event()

    def grow() -> None:
        with file.open("ab", buffering=0) as stream:
            while not stop.is_set():
                stream.write(b"more")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        with pytest.raises(ChangingFileError):
            objects.put(cache, tmp_path, "log")
        with pytest.raises(ChangingFileError):
            hash_file(str(file))
    finally:
        stop.set()
        writer.join()
    assert listing(cache.dir) == {}
    found = objects.put(cache, tmp_path, "log")
    assert objects.object_path(cache.dir, found.md5).stat().st_size == file.stat().st_size


def test_a_memo_is_not_believed_after_an_edit_that_keeps_size_and_mtime(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("aaaa")
    seen = file.stat()
    memo = Memo()
    memo.keep(seen, hash_file(str(file)), started_ns=seen.st_ctime_ns + 10**9)
    assert hash_file(str(file), memo) == hash_file(str(file))
    while stat_key(file.stat()) == stat_key(seen):  # until the clock of the file system ticks
        file.write_text("bbbb")
        os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert hash_file(str(file), memo).md5 == hash_file(str(file)).md5


def test_a_file_that_has_just_been_written_is_not_remembered(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("aaaa")
    memo = Memo()
    hash_file(str(file), memo)
    assert memo.known == {}


def test_unfinished_objects_are_found_by_age(cache: CacheConfig, tmp_path: Path) -> None:
    (tmp_path / "hello").write_text("hello")
    objects.put(cache, tmp_path, "hello")
    for place in ("files/md5/.gitexp-1-a", "files/md5/5d/.gitexp-1-b"):
        (cache.dir / place).write_text("half")
    now = (cache.dir / "files/md5/.gitexp-1-a").stat().st_mtime
    assert objects.unfinished(cache, older_than_s=60, now=now) == ()
    assert len(objects.unfinished(cache, older_than_s=60, now=now + 61)) == 2


def test_a_shared_cache_is_writable_for_the_group(tmp_path: Path) -> None:
    (tmp_path / "hello").write_text("hello")
    cache = CacheConfig(tmp_path / "cache", shared=True)
    objects.put(cache, tmp_path, "hello")
    folder = objects.object_path(cache.dir, HELLO).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o2775
    assert listing(cache.dir)[f"{HELLO[:2]}/{HELLO[2:]}"] == (0o444, 5)


def test_settings_are_read_as_dvc_writes_and_merges_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = repository(tmp_path / "repo")
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "global"))
    dvc(repo.path, "init", "--quiet")
    dvc(repo.path, "config", "--global", "cache.type", "symlink")
    dvc(repo.path, "config", "cache.dir", str(tmp_path / "else where #1"))
    dvc(repo.path, "config", "cache.shared", "group")
    first = objects.open_cache(repo.path)
    dvc(repo.path, "config", "--local", "cache.type", "hardlink,copy")
    (repo.path / "sub").mkdir()

    assert first == CacheConfig(tmp_path / "else where #1", ("symlink",), shared=True)
    assert objects.open_cache(repo.path / "sub").types == ("hardlink", "copy")
    for place, expected in (("../far", repo.path / "far"), ("~/c", Path(os.environ["HOME"], "c"))):
        (repo.path / ".dvc/config.local").write_text(f"[cache]\n    dir = {place}\n")
        assert objects.open_cache(repo.path).dir == expected
        assert Path(dvc(repo.path, "cache", "dir").strip()) == expected


@given(
    st.dictionaries(
        st.lists(
            st.text(
                st.characters(codec="utf-8", exclude_characters="/\\\0"), min_size=1, max_size=6
            ),
            min_size=1,
            max_size=3,
        ).map("/".join),
        st.binary(max_size=4).map(
            lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest()
        ),
        max_size=8,
    )
)
def test_a_manifest_is_that_of_dvcs_own_tree(files: dict[str, str]) -> None:
    theirs = Tree()
    for path, md5 in files.items():
        theirs.add(tuple(path.split("/")), Meta(), HashInfo("md5", md5))
    theirs.digest()
    members = tuple(
        Member(path, FileDigest(Md5(files[path]), 0, executable=False)) for path in sorted(files)
    )
    assert manifest(members) == theirs.as_bytes()
    assert manifest_md5(manifest(members)) == theirs.oid


def test_processes_that_store_the_same_tree_at_once_leave_one_whole_cache(
    cache: CacheConfig, tmp_path: Path
) -> None:
    for number in range(50):
        (tmp_path / "src" / str(number)).mkdir(parents=True)
        (tmp_path / "src" / str(number) / "x").write_bytes(os.urandom(300_000 * (number % 7 == 0)))
    code = (
        "import sys; from pathlib import Path; from gitexp.dvc.cache import *;"
        "sys.stdin.read(1);"
        "print(put(CacheConfig(Path(sys.argv[1])), Path(sys.argv[2]), 'src').md5)"
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(cache.dir), str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(objects.__file__).parents[2],
        )
        for _ in range(3)
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"x")
        writer.stdin.flush()
    found = {Md5(writer.communicate()[0].decode().strip()) for writer in writers}
    (md5,) = found
    assert objects.verify(cache, md5) == ()
    assert not [path for path in cache.dir.rglob("*") if ".gitexp-" in path.name]


def test_what_the_worker_imports_stays_light() -> None:
    code = (
        "import sys, gitexp.dvc.stage_records, gitexp.dvc.cache;"
        "heavy = {'yaml', 'ruamel', 'dvc', 'pygit2', 'numpy', 'shutil', 'tempfile', 'logging',"
        " 'configparser'};"  # not subprocess, without which a worker could start nothing
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(objects.__file__).parents[2],
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().strip() == "[]"
