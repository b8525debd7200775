"""What a job's commands see and which shell runs them; what is recorded of the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from gitexp.errors import ImportPathError, PreflightError
from gitexp.git.command import LOCAL_VARIABLES
from gitexp.model.ids import CommitHash, TreeId
from gitexp.model.job import Job, Stage
from gitexp.system import distributions, environment, imports, secrets
from gitexp.system.imports import ImportPlan, InterpreterFacts
from tests.lab.jobs import RUN

if TYPE_CHECKING:
    from collections.abc import Mapping

JOB = Job(
    run=RUN, label="candidate 1/1", attempt=1, seed=7, commit=CommitHash("0" * 40),
    tree=TreeId("0" * 40), project="", slots=(), stages=(), python="/opt/env/bin/python",
    import_paths=(), edits={}, seed_arg=None, given=(), links=(), metrics=(), predictions=None,
    curves=(), evaluation=(), data_pointers=(), keep=(), cache_dir="", cache_types=(),
    repository="/home/me/project",
)  # fmt: skip


# --- variables of a job --------------------------------------------------------------------------


def variables(
    inherited: Mapping[str, str], own: Mapping[str, str] | None = None, **fields: object
) -> dict[str, str]:
    job = replace(JOB, **fields)  # type: ignore[arg-type]
    return environment.job_variables(job, Path("/slot"), own or {}, inherited)


def test_a_job_knows_itself_and_its_interpreter_comes_first() -> None:
    env = variables({"PATH": "/usr/bin", "HOME": "/home/me"}, project="sub")
    assert env["PATH"] == f"/opt/env/bin{os.pathsep}/usr/bin"
    assert env["HOME"] == "/home/me"
    assert (env["GITEXP_RUN"], env["GITEXP_SEED"], env["PYTHONHASHSEED"]) == (RUN, "7", "0")
    assert env["DVC_ROOT"] == env["GITEXP_PROJECT"] == "/slot/sub"
    assert env["UV_NO_SYNC"] == "1"
    assert "PYTHONPATH" not in env
    assert variables({}, python="python3")["PATH"] == os.defpath  # a lone name has no folder


def test_what_would_lead_git_elsewhere_is_taken_away_and_settings_of_the_person_stay() -> None:
    inherited = dict.fromkeys(LOCAL_VARIABLES, "x") | {
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
    }  # fmt: skip
    env = variables(inherited)
    assert not LOCAL_VARIABLES & env.keys()
    assert env["GIT_CONFIG_COUNT"] == "2"
    assert (env["GIT_CONFIG_KEY_0"], env["GIT_CONFIG_VALUE_0"]) == ("safe.directory", "*")
    assert (env["GIT_CONFIG_KEY_1"], env["GIT_CONFIG_VALUE_1"]) == ("core.hooksPath", os.devnull)
    for odd in ("", "x", "-1", "\u00b2"):
        env = variables({"GIT_CONFIG_COUNT": odd})
        assert (env["GIT_CONFIG_COUNT"], env["GIT_CONFIG_KEY_0"]) == ("1", "core.hooksPath")


def test_variables_of_the_job_go_before_ours_and_these_before_what_was_inherited() -> None:
    env = variables(
        {"A": "inherited", "B": "inherited", "C": "inherited"}, {"A": "own", "B": "own"},
        variables={"A": "job", "GITEXP_SEED": "8"},
    )  # fmt: skip
    assert (env["A"], env["B"], env["C"], env["GITEXP_SEED"]) == ("job", "own", "inherited", "8")


def test_an_environment_is_that_of_the_interpreter(tmp_path: Path) -> None:
    (tmp_path / "env/bin").mkdir(parents=True)
    (tmp_path / "env/pyvenv.cfg").touch()
    python = str(tmp_path / "env/bin/python")
    env = variables({"VIRTUAL_ENV": "/other", "UV_PROJECT_ENVIRONMENT": "rel"}, python=python)
    assert env["VIRTUAL_ENV"] == env["UV_PROJECT_ENVIRONMENT"] == str(tmp_path / "env")
    env = variables({"VIRTUAL_ENV": "/other", "UV_PROJECT_ENVIRONMENT": "../venvs/x"})
    assert env["VIRTUAL_ENV"] == "/other"
    assert env["UV_PROJECT_ENVIRONMENT"] == "/home/me/venvs/x"


def test_the_projects_folders_are_imported_from_the_worktree(tmp_path: Path) -> None:
    (tmp_path / "slot/lib").mkdir(parents=True)
    repository = "/home/me/project"
    lib, venv = f"{repository}/lib", f"{repository}/venv"
    inherited = os.pathsep.join([lib, venv, "/opt/x", "", "rel", lib])
    found = imports.python_path(("src", "."), tmp_path / "slot", repository, inherited)
    slot = tmp_path / "slot"
    assert found.split(os.pathsep) == [
        f"{slot}/src", str(slot), f"{slot}/lib", f"{repository}/venv", "/opt/x", "rel",
    ]  # fmt: skip
    assert imports.python_path((), slot, repository, "") == ""
    beside = "/home/me/project-2/x"
    assert imports.python_path((), slot, repository, beside) == beside


# --- commands ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "argv"),
    [
        ("/bin/bash", ["/bin/bash", "--noprofile", "--norc", "-c", "x"]),
        ("/opt/ZSH", ["/opt/ZSH", "--no-rcs", "-c", "x"]),
        ("/usr/bin/fish", ["/usr/bin/fish", "-c", "x"]),
        ("", ["/bin/sh", "-c", "x"]), (None, ["/bin/sh", "-c", "x"]), ("dash", ["dash", "-c", "x"]),
    ],
)  # fmt: skip
def test_the_shell_is_the_users_without_its_startup_files(
    shell: str | None, argv: list[str]
) -> None:
    assert environment.shell("x", {} if shell is None else {"SHELL": shell}) == argv


def test_the_startup_files_of_the_shell_are_not_read(tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_text("echo rc\n")
    (tmp_path / ".bash_profile").write_text("echo profile\n")
    env = {"SHELL": "/bin/bash", "HOME": str(tmp_path), "BASH_ENV": ""}
    done = subprocess.run(
        environment.shell("echo x", env), env=env, capture_output=True, check=True
    )
    assert done.stdout == b"x\n"


@pytest.mark.parametrize(
    ("stage", "seed_arg", "found"),
    [
        (Stage("s", ("a\n\n  b \nc",)), None, ("a", "  b ", "c")),
        (Stage("s", ("a\nb", "", "c"), listed=True), None, ("a\nb", "c")),
        (Stage("s", ("a\nb ",)), "--seed {seed}", ("a", "b --seed 7")),
        (Stage("s", ("a", "b\nc "), listed=True), "-s{seed} {seed}", ("a", "b\nc -s7 7")),
        (Stage("s", ("",)), "--seed {seed}", ()), (Stage("s", ()), "--seed {seed}", ()),
    ],
)  # fmt: skip
def test_commands_are_those_of_dvc_and_the_last_gets_the_seed(
    stage: Stage, seed_arg: str | None, found: tuple[str, ...]
) -> None:
    assert environment.commands(stage, replace(JOB, seed_arg=seed_arg)) == found


# --- what is recorded of the machine -------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "recorded"),
    [
        ("OMP_NUM_THREADS", "4", "4"), ("OMP_PLACES", "{0:4}, {4:4}", "{0:4}, {4:4}"),
        ("LANG", "de_DE.UTF-8", "de_DE.UTF-8"),
        ("XLA_FLAGS", "--xla_x=/tmp/y", "--xla_x=/tmp/y"),
        ("LD_PRELOAD", "/home/me/lib/a.so:/b.so", "a.so:b.so"),
        ("OMP_PLACES", "$(id)", None), ("OMP_TOKEN", "x", None),
        ("OMP_NUM_THREADS", "4" * 257, None),
        ("TZ", "me@host", None), ("XLA_FLAGS", "https://x", None), ("HOME", "/home/me", None),
        ("omp_num_threads", "4", None),
    ],
)  # fmt: skip
def test_a_variable_is_recorded_by_its_name_and_its_form(
    name: str, value: str, recorded: str | None
) -> None:
    expected = {} if recorded is None else {name: recorded}
    assert environment.machine_variables({name: value}) == expected


def test_the_machine_is_described_as_the_system_describes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = tmp_path / "cpuinfo"
    cpu.write_text("processor\t: 0\nmodel name\t: Fast: 5 GHz \nmodel name : other\n")
    for number, model in enumerate(("A100", "H100")):
        (tmp_path / f"gpus/{number}").mkdir(parents=True)
        (tmp_path / f"gpus/{number}/information").write_text(f"Model: \t {model}\nIRQ: 1\n")
    monkeypatch.setattr(environment, "_CPU_INFO", cpu)
    monkeypatch.setattr(environment, "GPUS", tmp_path / "gpus")
    found = environment.resources({"OMP_NUM_THREADS": "3"})
    assert (found.cpu_model, found.gpu, found.threads) == ("Fast: 5 GHz", "A100, H100", 3)
    assert (found.host, found.cpu_count) == (os.uname().nodename, os.cpu_count())
    cpu.unlink()
    monkeypatch.setattr(environment, "GPUS", tmp_path / "none")
    for threads in ("", "x", "-1", "\u00b2", "1,2"):
        found = environment.resources({"OMP_NUM_THREADS": threads})
        assert (found.cpu_model, found.gpu, found.threads) == ("", "", None)


# --- the interpreter -----------------------------------------------------------------------------

FACTS = InterpreterFacts("cpython", "3.12.1", "abi", "linux", "glibc", "/opt/env", (), {})


def test_an_interpreter_says_of_itself_what_it_is_asked_and_imports_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit('imported')\n")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/__init__.py").write_text("raise SystemExit('imported')\n")
    (tmp_path / "space").mkdir()
    names = ["mine", "pack", "space", "none", "sys", "a.b", "json"]
    facts = imports.ask(sys.executable, {"PYTHONPATH": str(tmp_path)}, names)
    assert facts.modules["mine"] == str(tmp_path / "mine.py")
    assert facts.modules["pack"] == str(tmp_path / "pack/__init__.py")
    assert facts.modules["space"] == str(tmp_path / "space")
    assert facts.modules["none"] == facts.modules["sys"] == facts.modules["a.b"] == ""
    assert facts.modules["json"] == json.__file__
    assert facts.path[0] == str(tmp_path)
    assert "" not in facts.path
    assert facts.prefix == os.path.realpath(sys.prefix)
    assert facts.python == ".".join(map(str, sys.version_info[:3]))
    assert facts.implementation == sys.implementation.name


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("exit 3", ""), ("echo oops >&2; exit 1", "oops"), ("exit 0", "this is not JSON"),
        ("echo; printf hello", "this is not JSON"), ("printf '[]'", "cannot be read: []"),
        ("printf '{}'", "implementation cannot be read"),
    ],
)  # fmt: skip
def test_a_program_that_is_no_interpreter_is_refused(tmp_path: Path, body: str, found: str) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    with pytest.raises(PreflightError, match="interpreter cannot be used") as caught:
        imports.ask(str(program), {})
    assert found in caught.value.found
    assert str(program) in caught.value.where
    assert "`python:`" in caught.value.next_step


def test_an_interpreter_that_is_nowhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(PreflightError) as caught:
        imports.ask(str(tmp_path / "none"), {})
    assert "No such file" in caught.value.found


def test_modules_of_a_worktree_are_what_can_be_imported_from_it(tmp_path: Path) -> None:
    files = "a.py b.cpython-312-x86_64.so no-name.py x.y.py data.csv __init__.py"
    for name in files.split():
        (tmp_path / name).touch()
    for name in ("pack", "plain", "dotted.d"):
        (tmp_path / name).mkdir()
    (tmp_path / "pack/__init__.py").touch()
    (tmp_path / "src").mkdir()
    (tmp_path / "src/inner.py").touch()
    assert imports.modules_of((".", "src", "none"), tmp_path) == ("__init__", "a", "inner", "pack")
    assert imports.modules_of((), tmp_path) == ()


def test_what_an_environment_imports_from_the_repository_is_planned(tmp_path: Path) -> None:
    repository, env = tmp_path / "repo", tmp_path / "repo/.venv"
    site = env / "lib/python3.12/site-packages"
    site.mkdir(parents=True)
    for name in ("src", "tools", ".git/gitexp/work/worktrees/x"):
        (repository / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(repository / "tools")
    path = [
        repository / "src", site, env, tmp_path / "link",
        repository / ".git/gitexp/work/worktrees/x",
        repository, tmp_path / "elsewhere", repository / "src",
    ]  # fmt: skip
    facts = replace(FACTS, prefix=str(env), path=tuple(map(str, path)))
    assert imports.from_facts(facts, [], str(repository)) == ImportPlan(("src", "tools", "."))
    assert imports.from_facts(facts, [], str(tmp_path / "other")) == ImportPlan(())


def test_a_module_from_elsewhere_stops_a_repeat(tmp_path: Path) -> None:
    slot = tmp_path / "slot"
    (slot / "src").mkdir(parents=True)
    plan = ImportPlan(("src",), ("mine",))
    good = replace(FACTS, modules={"a": str(slot / "src/a.py"), "gone": ""})
    imports.verify(good, plan, ("src",), slot)
    for facts, wanted, paths, found in (
        (good, plan, (), "imports from src"),
        (good, ImportPlan(("lib",), ("mine",)), ("lib",), "no folder lib"),
        (replace(FACTS, modules={"a": "/home/me/a.py"}), plan, ("src",), "import a takes /home"),
        (replace(FACTS, modules={"a": f"{slot}-2/a.py"}), plan, ("src",), "import a takes"),
    ):  # fmt: skip
        with pytest.raises(ImportPathError) as caught:
            imports.verify(facts, wanted, paths, slot)
        assert found in caught.value.found
        assert caught.value.where == "mine"


# --- what is installed ---------------------------------------------------------------------------


def dist(site: Path, name: str, rows: str, **files: str) -> None:
    info = site / f"{name}.dist-info"
    info.mkdir(parents=True)
    (info / "RECORD").write_text(rows)
    for file, text in files.items():
        (info / f"{file}.json").write_text(text)


@pytest.mark.parametrize(
    ("line", "path", "digest", "size"),
    [
        ("a.py,sha256=x,12", "/s/a.py", "sha256=x", 12), ("a.py,,", "/s/a.py", "", None),
        ('"a,b.py",sha256=x,1', "/s/a,b.py", "sha256=x", 1), ('"a""b.py",,', '/s/a"b.py', "", None),
        ("../../bin/x,sha256=x,1", "/bin/x", "sha256=x", 1),
        ("a.py,sha256=x,\u00b2", "/s/a.py", "sha256=x", None),
        ("a.py,sha256=x,-1", "/s/a.py", "sha256=x", None),
    ],
)  # fmt: skip
def test_a_row_of_record_is_read(line: str, path: str, digest: str, size: int | None) -> None:
    assert distributions.parse_row(line, "/s") == distributions.DistributionRow(path, digest, size)


def test_a_row_that_is_none_is_passed_over() -> None:
    for line in ("", "a.py", "a.py,x"):
        assert distributions.parse_row(line, "/s") is None


def test_an_order_a_cache_and_an_installer_change_no_fingerprint() -> None:
    rows = ["a.py,sha256=1,1", "b.py,sha256=2,2"]
    first = distributions.fingerprint(rows)
    noise = [
        "a.pyc,,", "x.dist-info/INSTALLER,sha256=3,1", "x.dist-info/RECORD,,", "",
        "../../../bin/x,sha256=4,1", "x.dist-info/direct_url.json,sha256=5,1",
        "x.dist-info/REQUESTED,,", "../Scripts/x.exe,sha256=6,1",
    ]  # fmt: skip
    assert distributions.fingerprint([*noise, *reversed(rows)]) == first
    assert distributions.fingerprint([rows[0]]) != first
    assert distributions.fingerprint([rows[0], "b.py,sha256=9,2"]) != first
    assert distributions.fingerprint(noise) == distributions.fingerprint([]) == ""


@pytest.mark.parametrize(
    ("url", "source", "editable"),
    [
        ('{"url": "file:///me/pr%C3%B6j%20x", "dir_info": {"editable": true}}', "/me/pröj x", True),
        ('{"url": "file:///home/me/p", "dir_info": {}}', "/home/me/p", False),
        ('{"url": "https://x/y.whl", "archive_info": {}}', "", False),
        ('{"dir_info": {"editable": 1}}', "", False),
        ('{"url": "https://x", "dir_info": {"editable": true}}', "", True), ("[]", "", False),
    ],
)  # fmt: skip
def test_where_a_distribution_was_installed_from_is_told(
    tmp_path: Path, url: str, source: str, *, editable: bool
) -> None:
    dist(tmp_path, "My_Lib-1.0", "a.py,sha256=1,1\n", direct_url=url)
    (found,) = distributions.scan([str(tmp_path), str(tmp_path / "none")])
    assert (found.name, found.version) == ("my-lib", "1.0")
    assert (found.source, found.editable) == (source, editable)


def test_a_distribution_of_the_repository_is_covered_by_its_inputs(tmp_path: Path) -> None:
    site, repository = tmp_path / "site", tmp_path / "repo"
    (repository / "lib").mkdir(parents=True)
    (repository / "own.egg-info").mkdir()
    for name, folder in (("inside", "repo/lib"), ("outside", "other")):
        url = json.dumps({"url": f"file://{tmp_path}/{folder}", "dir_info": {"editable": True}})
        dist(site, f"{name}-1.0", "a.py,sha256=1,1\n", direct_url=url)
    dist(site, "plain-2.0", "a.py,sha256=1,1\n")
    scanned = distributions.scan([str(site), str(repository)])
    top = os.path.realpath(repository)
    index = distributions.RecordIndex()
    found = {each.name: distributions.describe(each, top, index) for each in scanned}
    inside = found["inside"]
    assert (inside.version, inside.fingerprint, inside.path) == ("", "", "lib")
    assert (found["outside"].version, found["outside"].fingerprint) == ("1.0", "")
    assert len(found["plain"].fingerprint) == 64
    assert found["own"].path == "."


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", None),
        ("{}", "."),
        ("{}/a/b", "a/b"),
        ("{}-2", None),
        ("{}/../x", None),
        ("{}/a/..", "."),
    ],
)
def test_a_path_below_the_repository_is_told_from_one_beside_it(
    tmp_path: Path, path: str, found: str | None
) -> None:
    top = os.path.realpath(tmp_path)
    assert distributions.relative(path.format(top), top) == found


@given(st.text("aB-_.", min_size=1, max_size=10))
def test_a_name_is_compared_as_packaging_compares_it(name: str) -> None:
    assert distributions.normalise(name) == canonicalize_name(name)


# --- secrets in what is recorded -----------------------------------------------------------------


@given(st.text(max_size=60))
def test_what_was_masked_stays_as_it_is(text: str) -> None:
    env = {"API_TOKEN": "hunter2-secret"}
    once, _ = secrets.mask(text + " --token abcdefgh " + "hunter2-secret", env)
    assert "hunter2-secret" not in once
    assert secrets.mask(once, env)[0] == once


@given(st.text(max_size=60))
def test_what_is_printed_obeys_nobody(text: str) -> None:
    shown = secrets.printable(text)
    assert shown.isprintable()
    assert secrets.printable(shown) == shown


@pytest.mark.parametrize(
    ("data", "tail"),
    [
        (b"", ""), (b"one\n\n\n", "one"), (b"a\r\nb\r\n", "a\nb"), (b"10%\r20%\r30%", "30%"),
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\xff\xfe", "\\xff\\xfe"), (b"a\x07b", "a\\x07b"), (b"x\n" * 50, "\n".join("x" * 40)),
        (b"\t|", "    |"),
        (b"y" * 5000, "y" * 4000), ("\u202eabc".encode(), "\\u202eabc"),
    ],
    ids=lambda value: repr(value)[:16],
)  # fmt: skip
def test_the_tail_of_a_log_is_what_a_person_would_have_seen(
    tmp_path: Path, data: bytes, tail: str
) -> None:
    log = tmp_path / "log"
    log.write_bytes(data)
    assert secrets.log_tail(log, {}) == (tail, ())
