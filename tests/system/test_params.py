"""Params files and linked data of a project folder: what is read, written, and told apart."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitexp.errors import (
    BadFormatError,
    GitexpError,
    PreflightError,
    UnknownParamError,
    UnsafeInputError,
)
from gitexp.model.config import ParamKey
from gitexp.model.job import LinkedPath
from gitexp.system import metrics, params

if TYPE_CHECKING:
    from pathlib import Path


# --- params files --------------------------------------------------------------------------------


def test_files_are_read_by_name_and_what_is_not_there_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "params.yaml").write_text("train: {lr: 1e-3, sizes: [8, 4]}\n")
    (tmp_path / "sub/p.json").write_text("")
    files = ["params.yaml", "none.yaml", "sub/p.json", "none/p.toml"]
    assert params.read(tmp_path, files) == {
        "params.yaml": {"train": {"lr": 0.001, "sizes": [8, 4]}}, "sub/p.json": {},
    }  # fmt: skip
    assert params.sections(tmp_path, files) == {
        "params.yaml": {"train": {"lr": 0.001, "sizes": (8, 4)}}, "sub/p.json": {},
    }  # fmt: skip


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A project with links that lead out, round and about."""
    project = tmp_path / "project"
    (project / "real").mkdir(parents=True)
    (project / "real/p.yaml").write_text("a: 1\n")
    (tmp_path / "p.yaml").write_text("a: 1\n")
    (project / "loop").symlink_to("loop")
    (project / "out").symlink_to("..")
    (project / "inside").symlink_to("real")
    (project / "link.yaml").symlink_to("real/p.yaml")
    (project / "file").write_text("a: 1\n")
    return project


@pytest.mark.parametrize(
    ("file", "kind", "found"),
    [
        ("../p.yaml", UnsafeInputError, "p.yaml"), ("out/p.yaml", UnsafeInputError, "p.yaml"),
        ("link.yaml", UnsafeInputError, "real/p.yaml"), ("loop", UnsafeInputError, "loop"),
        ("loop/p.yaml", BadFormatError, "symbolic links"), ("real", BadFormatError, "directory"),
        ("file/p.yaml", BadFormatError, "directory"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_of_the_projects_is_refused(
    odd: Path, file: str, kind: type[GitexpError], found: str
) -> None:
    for ask in (
        lambda: params.read(odd, [file]),
        lambda: params.write(odd, {ParamKey(file, "a"): 2}),
    ):
        with pytest.raises(kind) as caught:
            ask()
        assert caught.value.where == file
        assert found in caught.value.found
        assert caught.value.expected == "a regular file of the project"
    assert (odd.parent / "p.yaml").read_text() == (odd / "real/p.yaml").read_text() == "a: 1\n"


def test_a_folder_behind_a_link_inside_is_the_projects(odd: Path) -> None:
    assert params.read(odd, ["inside/p.yaml"]) == {"inside/p.yaml": {"a": 1}}


@pytest.mark.parametrize(
    ("file", "found"),
    [
        ("loop/m.json", "symbolic links"), ("loop", "symbolic links"), ("real", "did not write"),
        ("none.json", "did not write"), ("file/m.json", "did not write"),
    ],
)  # fmt: skip
def test_a_metrics_file_that_cannot_be_opened_is_missing(odd: Path, file: str, found: str) -> None:
    with pytest.raises(GitexpError, match="metrics file is missing") as caught:
        metrics.read(odd, [file], seed=0)
    assert found in caught.value.found
    assert caught.value.where == file


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    text = b"a: 1\n#"
    for size, allowed in ((params.LIMIT, True), (params.LIMIT + 1, False)):
        (tmp_path / "p.yaml").write_bytes(text + b"x" * (size - len(text)))
        if allowed:
            assert params.read(tmp_path, ["p.yaml"]) == {"p.yaml": {"a": 1}}
        else:
            with pytest.raises(UnsafeInputError, match="too large") as caught:
                params.read(tmp_path, ["p.yaml"])
            assert caught.value.where == "p.yaml"


def test_parameters_are_written_in_place_each_file_once(tmp_path: Path) -> None:
    yaml, json = tmp_path / "params.yaml", tmp_path / "p.json"
    yaml.write_text("# top\nlr: 1e-3  # tuned\nseed: 1\n")
    json.write_text('{"net": {"n": 3}}\n')
    yaml.chmod(0o640)
    inode = yaml.stat().st_ino
    params.write(
        tmp_path,
        {
            ParamKey("params.yaml", "lr"): 0.5,
            ParamKey("p.json", "net.n"): 4,
            ParamKey("params.yaml", "seed"): 2,
        },
    )  # fmt: skip
    assert yaml.read_text() == "# top\nlr: 0.5  # tuned\nseed: 2\n"
    assert json.read_text() == '{"net": {"n": 4}}\n'
    assert (yaml.stat().st_ino, yaml.stat().st_mode & 0o777) == (inode, 0o640)
    params.write(tmp_path, {ParamKey("p.json", "net.n"): 4})
    assert json.read_text() == '{"net": {"n": 4}}\n'


def test_a_parameter_that_is_nowhere_changes_no_file(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("lr: 1\n")
    with pytest.raises(UnknownParamError, match=r"no params file none\.yaml") as caught:
        params.write(tmp_path, {ParamKey("none.yaml", "a"): 1, ParamKey("none.yaml", "b"): 1})
    assert (caught.value.found, caught.value.where) == ("a, b", "none.yaml")
    with pytest.raises(UnknownParamError, match="no parameter lrr") as near:
        params.write(
            tmp_path, {ParamKey("params.yaml", "lr"): 2, ParamKey("params.yaml", "lrr"): 2}
        )
    assert near.value.expected == "lr"
    assert (tmp_path / "params.yaml").read_text() == "lr: 1\n"


# --- linked data ---------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "deep/er").mkdir(parents=True)
    (folder / "__pycache__").mkdir()
    for name, text in (
        ("a.csv", "1" * 64),
        ("deep/er/b.csv", "2" * 64),
        ("__pycache__/x.pyc", "x"),
    ):
        (folder / name).write_text(text)
    (folder / "link").symlink_to("a.csv")
    os.mkfifo(folder / "pipe")
    return folder


def test_each_linked_file_has_a_state_under_its_name_in_the_project(data: Path) -> None:
    links = [LinkedPath("data", str(data)), LinkedPath("one.csv", str(data / "a.csv"))]
    states = params.linked_states(links)
    assert sorted(states) == ["data/a.csv", "data/deep/er/b.csv", "one.csv"]
    seen = (data / "a.csv").stat()
    assert states["one.csv"] == (seen.st_size, seen.st_mtime_ns, seen.st_ino)
    assert params.linked_states([LinkedPath("pipe", str(data / "pipe"))]) == {}
    with pytest.raises(PreflightError, match="linked path is not there") as caught:
        params.linked_states([LinkedPath("gone", str(data / "gone"))])
    assert caught.value.where == str(data / "gone")
    assert "run.link" in caught.value.expected


def test_what_changed_or_went_is_named_and_what_came_is_not(data: Path) -> None:
    links = [LinkedPath("data", str(data))]
    before = params.linked_states(links)
    assert params.changed_links(before, params.linked_states(links)) == ()
    (data / "new.csv").write_text("x")
    assert params.changed_links(before, params.linked_states(links)) == ()
    (data / "deep/er/b.csv").unlink()
    os.utime(data / "a.csv", (1, 1))
    after = params.linked_states(links)
    assert params.changed_links(before, after) == ("data/a.csv", "data/deep/er/b.csv")


LONG = b"0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("path", "content", "told"),
    [
        ("data.csv", LONG, True),  # the control
        ("data.csv", LONG[:-1], False),
        ("deep/data.csv", LONG, True),
        ("password.txt", LONG, False),
        (".env.d/db", LONG, False),
        (".netrc", LONG, False),
        ("aws/credentials", LONG, False),
        ("tokenizer.json", LONG, True),
    ],
)
def test_what_can_be_guessed_has_no_fingerprint(
    tmp_path: Path,
    path: str,
    content: bytes,
    told: bool,  # noqa: FBT001
) -> None:
    file = tmp_path / "project" / path
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    top = path.split("/", maxsplit=1)[0]
    assert bool(fingerprint((path, file))) is told
    assert bool(fingerprint((top, tmp_path / "project" / top))) is told
    assert bool(fingerprint(("all", tmp_path / "project"))) is told


def fingerprint(*links: tuple[str, Path]) -> str:
    return params.linked_fingerprint([LinkedPath(path, str(target)) for path, target in links])


def test_a_fingerprint_is_of_names_and_bytes_and_of_nothing_else(
    data: Path, tmp_path: Path
) -> None:
    first = fingerprint(("data", data))
    assert len(first) == 64
    copy = tmp_path / "copy"
    (copy / "deep/er").mkdir(parents=True)
    (copy / "deep/er/b.csv").write_text("2" * 64)
    (copy / "a.csv").write_text("1" * 64)
    assert fingerprint(("data", copy)) == first  # wherever it lies, without links and caches
    assert fingerprint(("other", copy)) != first
    (copy / "a.csv").rename(copy / "c.csv")
    assert fingerprint(("data", copy)) != first
    (copy / "c.csv").rename(copy / "a.csv")
    (copy / "a.csv").write_text("3" * 64)
    assert fingerprint(("data", copy)) != first
    one, two = ("x", data / "a.csv"), ("y", data / "deep/er/b.csv")
    assert fingerprint(one, two) == fingerprint(two, one) != fingerprint(one)
    assert fingerprint() == fingerprint(("pipe", data / "pipe")) == ""


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(
    *[
        st.dictionaries(
            st.sampled_from(["a", "b", "ab"]), st.binary(max_size=3), min_size=1, max_size=3
        )
    ]
    * 2
)
def test_two_folders_have_one_fingerprint_just_where_they_hold_the_same(
    tmp_path_factory: pytest.TempPathFactory, one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    found = []
    for files in (one, other):
        folder = tmp_path_factory.mktemp("linked")
        for name, content in files.items():
            (folder / name).write_bytes(LONG + content)
        found.append(fingerprint(("d", folder)))
    assert (found[0] == found[1]) == (one == other)


def test_a_large_file_is_known_by_its_ends_and_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(params, "WHOLE_LIMIT", 64)
    monkeypatch.setattr(params, "_BLOCK", 16)
    file = tmp_path / "big"

    def of(content: bytes) -> str:
        file.write_bytes(content)
        return fingerprint(("big", file))

    first = of(b"a" * 100)
    assert of(b"a" * 40 + b"b" + b"a" * 59) == first  # the middle is not looked at
    assert of(b"b" + b"a" * 99) != first
    assert of(b"a" * 99 + b"b") != first
    assert of(b"a" * 101) != first
    assert of(b"a" * 64) != of(b"a" * 40 + b"b" + b"a" * 23)  # up to the limit it is read whole


@pytest.mark.parametrize("name", [".env", ".env.local", "server.pem", "id.KEY", "my-secrets.yaml"])
def test_a_file_of_secrets_has_no_fingerprint_wherever_it_lies(data: Path, name: str) -> None:
    before = fingerprint(("data", data))
    (data / "deep" / name).write_text("hunter2")
    assert fingerprint(("data", data)) == before
    assert fingerprint((name, data / "deep" / name)) == ""
    assert f"data/deep/{name}" in params.linked_states([LinkedPath("data", str(data))])


@pytest.mark.parametrize("mark", ["pyvenv.cfg", "conda-meta"])
def test_an_environment_is_recorded_elsewhere(data: Path, mark: str) -> None:
    (data / mark).mkdir()
    assert fingerprint(("data", data)) == ""
    assert params.linked_states([LinkedPath("data", str(data))]) == {}
