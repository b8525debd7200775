from __future__ import annotations

import base64
import hashlib
import os
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import PreflightError
from gitexp.model.job import LinkedPath
from gitexp.system import distributions, environment, imports, params, secrets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gitexp.model.run import Distribution
    from tests.lab.build import BuiltRepo


def described(found: distributions.Installed) -> Distribution:
    return distributions.describe(found, "/none", distributions.RecordIndex())


def patched(
    found: Sequence[distributions.Installed], file: distributions.SealedFile | None
) -> tuple[str, ...]:
    index = distributions.RecordIndex(file)
    seen = distributions.patched_files(found, index)
    index.save()
    return seen


def install(site: Path, name: str, body: str, version: str = "1.0", script: str = "") -> None:
    """Lay out an installed wheel as an installer does, RECORD last."""
    info = f"{name}-{version}.dist-info"
    (site / info).mkdir(parents=True)
    (site / "../../../bin").resolve().mkdir(exist_ok=True)
    rows = [f"__pycache__/{name}.cpython-311.pyc,,", f"{info}/RECORD,,"]
    for path, text in {
        f"{name}.py": body,
        f"../../../bin/{name}{script}": f"#!{site}\n",
        f"{info}/INSTALLER": "pip\n" if script else "uv\n",
    }.items():
        (site / path).resolve().write_text(text)
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        rows.append(f"{path},sha256={digest.decode()},{len(text)}")
    (site / info / "RECORD").write_text("\n".join(rows if not script else rows[::-1]) + "\n")


def test_a_fingerprint_does_not_depend_on_who_installed_where(tmp_path: Path) -> None:
    install(tmp_path / "a/x/y", "lib", "x = 1\n")
    install(tmp_path / "b/x/y", "lib", "x = 1\n", script="other")
    install(tmp_path / "c/x/y", "lib", "x = 2\n")
    a, b, c = (described(distributions.scan([str(tmp_path / name / "x/y")])[0]) for name in "abc")
    assert a == b
    assert a.fingerprint != c.fingerprint


def test_code_that_is_installed_from_outside_is_known_by_what_it_is(
    tmp_path: Path, repo: BuiltRepo
) -> None:
    """Of an editable install the version alone would stand for any code."""
    site = tmp_path / "site"
    install(site, "lib", "")
    url = f'{{"url": "{repo.path.as_uri()}", "dir_info": {{"editable": true}}}}'
    (site / "lib-1.0.dist-info/direct_url.json").write_text(url)
    (found,) = distributions.scan([str(site)])
    seen = set()
    repo.commit({"a.py": "x = 0\n", ".gitignore": "/ignored\n"})
    for change in ({}, {"a.py": "x = 1\n"}, {"new.py": ""}):
        repo.write(change)
        seen.add(described(found).fingerprint)
    repo.commit({"new.py": "", "a.py": "x = 1\n"})
    seen.add(described(found).fingerprint)
    assert len(seen) == 4
    repo.write({"ignored": "1"})
    repo.git("commit", "--quiet", "--amend", "--message", "other words")
    assert described(found).fingerprint in seen
    (repo.path / ".git").rename(tmp_path / "gone")
    plain = described(found).fingerprint
    repo.write({"a.py": "x = 9\n"})
    assert described(found).fingerprint not in {plain, ""}


def test_the_first_folder_on_the_path_wins(tmp_path: Path) -> None:
    install(tmp_path / "v/x/a", "My_Lib", "", "1.0")
    install(tmp_path / "v/x/b", "my.lib", "", "2.0")
    (found,) = distributions.scan([str(tmp_path / "v/x/a"), str(tmp_path / "v/x/b")])
    assert (found.name, found.version) == ("my-lib", "1.0")


def test_scanning_agrees_with_the_standard_library() -> None:
    from importlib.metadata import distributions as all_of_them  # noqa: PLC0415  slow, the peer

    expected = {
        distributions.normalise(each.metadata["Name"]): each.version for each in all_of_them()
    }
    assert {each.name: each.version for each in distributions.scan(sys.path)} == expected


def test_an_edit_in_an_installed_file_is_found_by_its_size(tmp_path: Path) -> None:
    site = tmp_path / "venv/lib/site"
    install(site, "lib", "x = 1\n")
    index = distributions.SealedFile(tmp_path / "index.json", b"key")
    found = distributions.scan([str(site)])
    assert patched(found, index) == ()
    file = site / "lib.py"
    file.write_text("x = 1000\n")
    assert patched(found, index) == ("lib: lib.py",)
    file.write_text("x = 1\n")
    file.unlink()
    assert patched(found, index) == ("lib: lib.py is missing",)


def test_a_script_with_another_first_line_is_no_edit(tmp_path: Path) -> None:
    site = tmp_path / "venv/lib/python3/site"
    install(site, "lib", "x = 1\n")
    index = distributions.SealedFile(tmp_path / "index.json", b"key")
    found = distributions.scan([str(site)])
    scripts = [*(tmp_path / "venv/bin").iterdir()]
    assert scripts
    for script in scripts:
        script.write_text("#!/where/the/environment/lies/now/bin/python\n")
    assert patched(found, index) == ()
    (site / "lib.py").write_text("x = 1000\n")
    assert patched(found, index) == ("lib: lib.py",)


def test_what_is_kept_of_a_record_is_true_as_long_as_it_is_as_it_was(tmp_path: Path) -> None:
    site = tmp_path / "venv/lib/site"
    install(site, "lib", "x = 1\n")
    record, file = site / "lib-1.0.dist-info/RECORD", site / "lib.py"
    index = distributions.SealedFile(tmp_path / "index.json", b"key")
    (found,) = distributions.scan([str(site)])
    assert patched([found], index) == ()
    kept = index.read()
    assert patched([found], index) == ()
    assert index.read() == kept
    stamp = record.stat()
    record.write_text(record.read_text().replace("lib.py,", "bil.py,"))
    os.utime(record, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # of the same size and date
    assert patched([found], index) == ("lib: bil.py is missing",)
    file.rename(site / "bil.py")
    assert patched([found], index) == ()
    seen = distributions.RecordIndex(index).contents(found)
    assert seen.modules == ("bil",)
    assert seen.fingerprint == described(found).fingerprint


def test_what_pip_puts_elsewhere_with_target_was_not_patched(tmp_path: Path) -> None:
    """RECORD names scripts as in an environment; pip moves them into the target, or leaves them."""
    site = tmp_path / "a/b/target"
    install(site, "lib", "x = 1\n")
    written = tmp_path / "bin/lib"
    found = distributions.scan([str(site)])
    (site / "bin").mkdir()
    moved = written.rename(site / "bin/lib")
    assert patched(found, None) == ()
    written.write_text("of another environment\n")
    assert patched(found, None) == ()
    moved.write_text("patched\n")
    assert patched(found, None) == ("lib: bin/lib",)
    moved.unlink()
    written.unlink()
    assert patched(found, None) == ()
    (site / "lib.py").unlink()
    assert patched(found, None) == ("lib: lib.py is missing",)


def test_a_file_that_changed_after_installing_is_hashed_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "venv/lib/site"
    install(site, "lib", "x = 1\n")
    monkeypatch.setattr(distributions, "INSTALLING_NS", -1 << 62)  # everything changed later
    index = distributions.SealedFile(tmp_path / "index.json", b"key")
    found = distributions.scan([str(site)])
    assert patched(found, index) == ()
    assert b'"sound":{"' in index.read()
    (site / "lib.py").write_text("x = 2\n")
    assert patched(found, index) == ("lib: lib.py",)
    index.path.write_text("broken")
    assert patched(found, index) == ("lib: lib.py",)


def place(tmp_path: Path) -> environment.EnvironmentSource:
    cache = tmp_path / "cache"
    cache.mkdir(exist_ok=True)
    return environment.EnvironmentSource(
        sys.executable, tmp_path / "repo", tmp_path / "wt", (), "run", cache
    )


def test_an_environment_is_kept_until_something_is_installed(tmp_path: Path) -> None:
    site = tmp_path / "venv/lib/site"
    install(site, "lib", "x = 1\n")
    env = dict(os.environ) | {"PYTHONPATH": str(site)}
    first = environment.capture(place(tmp_path), env).environment
    assert "lib" in {each.name for each in first.distributions}
    (file,) = (tmp_path / "cache").glob("environment-*.json")
    before = file.stat().st_mtime_ns
    assert environment.capture(place(tmp_path), env).environment == first
    assert file.stat().st_mtime_ns == before
    install(site, "more", "y = 1\n")
    second = environment.capture(place(tmp_path), env).environment
    assert "more" in {each.name for each in second.distributions}
    file.write_text("{")
    assert environment.capture(place(tmp_path), env).environment == second
    # Planted, as a branch may that tracks the cache: what it names was found once, elsewhere.
    seal, _, data = file.read_bytes().partition(b"\n")
    file.write_bytes(seal + b"\n" + data.replace(b"more", b"none"))
    assert environment.capture(place(tmp_path), env).environment == second


def test_an_interpreter_is_asked_again_only_where_its_answer_could_be_another(
    tmp_path: Path,
) -> None:
    site, starts, python = tmp_path / "venv/lib/site", tmp_path / "starts", tmp_path / "python"
    install(site, "lib", "x = 1\n")
    python.write_text(f'#!/bin/sh\necho >> {starts}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    env = dict(os.environ) | {"PYTHONPATH": str(site)}
    mine = replace(place(tmp_path), python=str(python))

    def ask(token: str, **more: str) -> tuple[int, imports.InterpreterFacts]:
        facts = environment.interpreter(replace(mine, token=token), env | more)
        return len(starts.read_text().splitlines()), facts

    first = ask("run")
    assert [ask("run"), ask("another run")] == [first, first]
    install(site, "more", "y = 1\n")
    assert ask("run")[0] == ask("run")[0] == 2
    assert ask("run", VIRTUAL_ENV=str(tmp_path))[0] == 3
    assert ask("run", PYTHONPATH="")[0] == 4
    with python.open("a") as file:
        file.write("# changed\n")
    assert ask("run")[0] == ask("run")[0] == 5
    for kept in (tmp_path / "cache").glob("interpreter-*.json"):  # planted, as above
        kept.write_bytes(kept.read_bytes().replace(b"site", b"evil"))
    assert ask("run") == (6, first[1])
    assert environment.interpreter(replace(mine, cache=None), env) == first[1]
    assert len(starts.read_text().splitlines()) == 7


@pytest.mark.parametrize(("paths", "n_looks"), [((), 1), (("src",), 2)])
def test_worktrees_of_a_run_share_what_is_installed_unless_it_imports_from_them(
    tmp_path: Path, paths: tuple[str, ...], n_looks: int
) -> None:
    site, slots = tmp_path / "venv/lib/site", [tmp_path / "wt0", tmp_path / "wt1"]
    install(site, "lib", "x = 1\n")
    for slot in slots:
        (slot / "src").mkdir(parents=True)
    first = replace(place(tmp_path), import_paths=paths)
    env = dict(os.environ) | {"PYTHONPATH": str(site)}
    found = [environment.capture(replace(first, worktree=slot), env) for slot in slots]
    assert found[0] == found[1]
    assert len([*(tmp_path / "cache").glob("environment-*.json")]) == n_looks
    # Where a variable names a worktree, it is that worktree's.
    for slot in slots:
        environment.capture(replace(first, worktree=slot), env | {"PYTHONPATH": str(slot)})
    assert len([*(tmp_path / "cache").glob("environment-*.json")]) == n_looks + 2


def test_a_relative_entry_of_a_path_is_no_folder_of_the_environment(tmp_path: Path) -> None:
    env = dict(os.environ) | {"PYTHONPATH": f".:{tmp_path}:lib"}
    assert imports.ask(sys.executable, env).path[0] == str(tmp_path)
    assert "/" not in imports.ask(sys.executable, env).path  # it was looked through


def test_an_interpreter_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PreflightError):
        imports.ask(str(tmp_path / "none"), {})
    with pytest.raises(PreflightError):
        imports.ask("/bin/false", {})


def test_only_allowed_variables_are_recorded() -> None:
    found = environment.machine_variables(
        {
            "OMP_NUM_THREADS": "2",
            "OMP_SECRET": "x",
            "LD_PRELOAD": "/home/me/lib.so",
            "XLA_FLAGS": "x" * 300,
            "TZ": "https://x",
            "MYSTERY": "1",
        }
    )
    assert found == {"LD_PRELOAD": "lib.so", "OMP_NUM_THREADS": "2"}


@pytest.mark.parametrize(
    "text",
    [
        "--token abcdefgh",
        "--api-key=abcdefgh",
        'password: "abcdefgh"',
        '{"client_secret": "abcdefgh"}',
        "https://me:abcdefgh@host/x",
        "AWS_SECRET_ACCESS_KEY=abcdefgh",
    ],
)
def test_a_secret_is_masked_and_named(text: str) -> None:
    masked, found = secrets.mask(text, {})
    assert "abcdefgh" not in masked
    assert found


def test_ordinary_text_is_left_alone() -> None:
    text = "tokens: 12345 per second; tokenizer=bert; keyboard: qwerty; https://host/a@b"
    assert secrets.mask(text, {}) == (text, ())


@pytest.mark.sweep(5)
@pytest.mark.parametrize(
    "unit",
    [
        *("token", "a-", "a://", "token=a", "eyJaaaaaaaaaa.", " --", " -a"),
        *"a@?",
        "a:",
        "@h:",
        "a@b:c",
    ],
)
def test_masking_takes_linear_time(unit: str) -> None:
    def seconds(size: int) -> float:
        before = time.process_time()
        secrets.mask("https://" + unit * (size // len(unit)), {})
        return time.process_time() - before

    short, long = (min(seconds(size) for _ in range(3)) for size in (20_000, 160_000))
    assert long / short < 30  # linear is 8, quadratic 64


def test_a_tail_reads_the_end_of_a_huge_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.truncate(1 << 40)
        file.seek(0, 2)
        file.write(b"\nprogress 10%\rprogress 100%\n\x1b[31mred\x1b[0m \xff\n")
    assert secrets.log_tail(log, {})[0].splitlines()[-2:] == ["progress 100%", "red \\xff"]
    assert secrets.log_tail(tmp_path / "none", {}) == ("", ())


def test_secrets_and_environments_have_no_fingerprint(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TOKEN=1")
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv/pyvenv.cfg").write_text("")
    links = (
        LinkedPath(".env", str(tmp_path / ".env")),
        LinkedPath(".venv", str(tmp_path / "venv")),
    )
    assert params.linked_fingerprint(links) == ""
    assert list(params.linked_states(links)) == [".env"]
    with pytest.raises(PreflightError):
        params.linked_states((LinkedPath("data", str(tmp_path / "none")),))
