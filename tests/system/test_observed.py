"""Which of what is installed a repeat asked for, and how one knows that nothing was missed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.model.run import Observed, Parts
from gitexp.system import distributions, observed
from gitexp.system.distributions import Installed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PYTHON = f"{sys.prefix}/bin/python"
PARTS = Parts(
    modules={
        "iniconfig": ("iniconfig",),
        "lightgbm": ("lightgbm",),
        "pluggy": ("pluggy",),
        "pyyaml": ("_yaml", "yaml"),
        "quiet": ("quiet",),
        "patcher": ("*", "patcher"),
    },
    requires={"pluggy": ("quiet[];", "iniconfig[];dev")},
    loose={},
    prefix=os.path.realpath(sys.prefix),
)


def watch(
    folder: Path, *commands: str, parts: Parts = PARTS, env: Mapping[str, str] | None = None
) -> Observed:
    """Run commands as a job does, and return what was seen of them."""
    out = folder / "out"
    out.mkdir()
    given = {"PATH": f"{sys.prefix}/bin:{os.defpath}", "GITEXP_ATTEMPT": str(out), **(env or {})}
    for command in commands:
        subprocess.run(
            ["/bin/sh", "-c", command], check=True, env=observed.begin(out, given), cwd=folder
        )
    return observed.read(out, commands, parts)


def script(folder: Path, text: str, name: str = "a.py") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return f"python {name}"


def test_what_is_imported_acts_and_what_that_requires(tmp_path: Path) -> None:
    seen = watch(tmp_path, script(tmp_path, "import pluggy, os, json"))
    assert (seen.why, seen.distributions) == ("", ("patcher", "pluggy", "quiet"))
    assert "sitecustomize" in seen.asked
    assert seen.modules == {"patcher": ("*", "patcher"), "pyyaml": ("_yaml", "yaml")}


MISSED = (
    "try:\n    import nowhere\nexcept ImportError: pass",
    "import importlib.util; importlib.util.find_spec('nowhere')",
    "import importlib\ntry: importlib.import_module('nowhere.deep')\nexcept ImportError: pass",
)


@pytest.mark.parametrize("text", MISSED)
def test_what_was_asked_for_and_missed_is_known(text: str, tmp_path: Path) -> None:
    assert "nowhere" in watch(tmp_path, script(tmp_path, text)).asked


ENDS = {
    "fork": "import os\nif not os.fork():\n    import pluggy\n    os._exit(0)\nos.wait()",
    "killed": "import pluggy, os, sys\nif not os.fork(): import yaml; os.kill(os.getpid(), 9)\n"
    "os.wait()",
    "closed": "import os\nos.closerange(3, 256)\nf = open('mine', 'wb')\nimport pluggy\n"
    "f.close(); assert not open('mine').read()",
    "spawn": "import multiprocessing as m\ndef f(): import pluggy\nif __name__ == '__main__':\n"
    "    p = m.get_context('spawn').Process(target=f); p.start(); p.join()",
    "child": "import subprocess, sys\n"
    "subprocess.run([sys.executable, '-X', 'utf8', '-c', 'import pluggy'], check=True)",
    "shell": "import os\nos.system('PYTHONWARNINGS=error python -c \"import pluggy\" >x 2>&1')",
    "exec": "import os, sys\nos.execv(sys.executable, [sys.executable, '-c', 'import pluggy'])",
    "wrapped": "import subprocess\nsubprocess.run('env A=1 sh -ec \"python -m pluggy || true\"',"
    " shell=True)\nsubprocess.run(['uname'], stdout=-3)",
    "finder": "import sys\nclass F:\n    def find_spec(self, name, path=None, target=None):\n"
    "        for f in sys.meta_path[1:]:\n            if s := f.find_spec(name, path): return s\n"
    "sys.meta_path.insert(0, F())\nimport pluggy",
}


@pytest.mark.parametrize("text", ENDS.values(), ids=ENDS)
def test_no_process_is_missed_however_it_starts_and_ends(text: str, tmp_path: Path) -> None:
    seen = watch(tmp_path, script(tmp_path, text))
    assert (seen.why, "pluggy" in seen.distributions) == ("", True)


LOST = {
    "isolated": "python -I a.py",
    "without site": "python -S -c 1",
    "own path": "PYTHONPATH=. python a.py",
    "loop": "for i in 1; do python a.py; done",
    "variable": '"$PYTHON" a.py',
    "within": 'echo "$(python a.py)"',
    "script": "sh a.sh",
    "other": "perl -e 1",
    "child": "python -c \"import subprocess as s, sys; s.run([sys.executable, '-I', 'a.py'])\"",
    "other child": "python -c \"import os; os.system('./tool')\"",
    "emptied": "python -c \"import subprocess as s, sys; s.run([sys.executable, 'a.py'], env={})\"",
    "taken away": "python -c \"import os; os.unlink(os.environ['GITEXP_ATTEMPT'] + '/observed')\"",
}


@pytest.mark.parametrize("command", LOST.values(), ids=LOST)
def test_what_was_not_seen_is_said_and_never_guessed(command: str, tmp_path: Path) -> None:
    script(tmp_path, "import pluggy")
    script(tmp_path, "python a.py", "a.sh")
    script(tmp_path, "#!/bin/sh\n:\n", "tool")
    (tmp_path / "tool").chmod(0o755)
    seen = watch(tmp_path, command, env={"PYTHON": PYTHON})
    assert seen.why
    assert not seen.distributions


def test_a_python_of_another_environment_was_not_observed(tmp_path: Path) -> None:
    other = os.path.realpath(PYTHON)
    assert "another environment" in watch(tmp_path, f"{other} -c 1").why


def test_what_a_pth_file_imported_first_starts_nothing_unseen(tmp_path: Path) -> None:
    venv.create(tmp_path / "v")
    (site,) = (tmp_path / "v").glob("lib/python*/site-packages")
    (site / "early.pth").write_text("import subprocess\n")
    script(tmp_path, "import subprocess\nsubprocess.run(['perl', '-e', '1'])\n")
    parts = replace(PARTS, prefix=os.path.realpath(tmp_path / "v"))
    seen = watch(tmp_path, f"{tmp_path}/v/bin/python a.py", parts=parts)
    assert "perl" in seen.why


def test_a_command_that_cannot_be_read_is_no_loss_of_notes(tmp_path: Path) -> None:
    (tmp_path / "observed").write_text("")
    assert "cannot be read" in observed.read(tmp_path, ["echo '"], PARTS).why


def test_a_repeat_in_an_environment_without_a_loose_module_misses_it(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("")
    seen = Observed(loose={"helper": "ab"})
    there = observed.again(seen, replace(PARTS, loose={"helper": str(tmp_path / "helper.py")}))
    assert (tuple(there.loose), there.asked) == (("helper",), ())
    assert observed.again(seen, PARTS).asked == ("helper",)


@pytest.mark.parametrize(
    "command",
    [
        "python a.py 2>&1 | tee log",
        "mkdir -p x && cd . ; python a.py --lr $LR --n 3 > log",
        "  A=1 env B=2 python \\\n  a.py; true",
        "python -u a.py \"$LR\" 'a b'",
        "./a.py 1 2",
        "nohup python a.py *.none\npython -c 'import yaml'",
    ],
)
def test_plain_commands_of_the_shell_are_understood(command: str, tmp_path: Path) -> None:
    script(tmp_path, f"#!{PYTHON}\nimport pluggy")
    (tmp_path / "a.py").chmod(0o755)
    assert watch(tmp_path, command).why == ""


def test_the_users_own_sitecustomize_runs_and_the_script_sees_nothing(tmp_path: Path) -> None:
    """A planted one is heard of as what it is: a module that no distribution has."""
    mine = tmp_path / "mine"
    mine.mkdir()
    script(mine, "import pluggy\nMINE = True", "sitecustomize.py")
    command = script(
        tmp_path,
        "import sitecustomize, sys\nassert sitecustomize.MINE\n"
        "assert not any('observer' in p for p in sys.path)\n"
        "assert 'observer' not in str(list(sys.modules.values()))",
    )
    parts = observed.look((), distributions.RecordIndex(), [str(mine)], (), PARTS.prefix)
    seen = watch(tmp_path, command, parts=parts, env={"PYTHONPATH": str(mine)})
    assert set(seen.loose) == {"sitecustomize"}
    script(mine, "MINE = 2", "sitecustomize.py")
    shutil.rmtree(tmp_path / "out")
    again = watch(tmp_path, command, parts=parts, env={"PYTHONPATH": str(mine)})
    assert again.loose != seen.loose


@pytest.mark.parametrize("text", ["", "raise ValueError\n", "import nowhere\n"])
def test_a_sitecustomize_ends_as_it_would_have(text: str, tmp_path: Path) -> None:
    """None, one that fails, and one that lacks a module: what `site` prints is the same."""
    mine = tmp_path / "mine"
    mine.mkdir()
    if text:
        script(mine, text, "sitecustomize.py")
    (tmp_path / "observed").touch()
    said = []
    for attempt in ("", str(tmp_path)):
        env = {"GITEXP_ATTEMPT": attempt, "PYTHONPATH": str(mine)}
        if attempt:
            env = observed.begin(tmp_path, env)
        done = subprocess.run([PYTHON, "-c", "print(1)"], env=env, capture_output=True, check=True)
        said.append((done.stdout, done.stderr))
    assert said[0] == said[1]


def test_import_names_and_requirements_are_read_from_what_an_installer_wrote(
    tmp_path: Path,
) -> None:
    def install(name: str, record: str, metadata: str = "") -> Installed:
        info = tmp_path / f"{name}-1.dist-info"
        info.mkdir()
        (info / "RECORD").write_text(record, encoding="utf-8")
        (info / "METADATA").write_text(f"Name: {name}\n{metadata}\n\nRequires-Dist: no", "utf-8")
        return Installed(name, "1", str(tmp_path), str(info))

    for name in ("_yaml.so", "stray.py", "stray.pth", "known.py"):
        (tmp_path / name).write_text("", encoding="utf-8")
    found = (
        install("gpu", "nvidia/lib/libx.so.12,sha256=a,1\n"),
        install("known", "known.py,sha256=a,1\nknown-1.dist-info/METADATA,,\n../../bin/k,,"),
        install("pyyaml", "yaml/__init__.py,sha256=a,1\n_yaml.so,sha256=a,1\n"),
        install("stubs", "yaml-stubs/__init__.pyi,sha256=a,1\n"),
        install("zz", "zz.pth,sha256=a,1\n", 'Requires-Dist: GPU[a, b]>1; extra == "x"\n'),
    )
    index = distributions.RecordIndex()
    parts = observed.look(found, index, [str(tmp_path)], ("/repo",), "/prefix")
    assert parts.modules == {
        "gpu": ("nvidia",),
        "known": ("known",),
        "pyyaml": ("_yaml", "yaml"),
        "stubs": (),
        "zz": ("*",),
    }
    assert parts.requires == {"zz": ("gpu[a,b];x",)}
    assert set(parts.loose) == {"stray", "stray.pth"}


def test_what_a_repeat_asked_for_before_it_was_interrupted_stays(tmp_path: Path) -> None:
    (tmp_path / "observed").write_text("asked 'pluggy'\n", encoding="ascii")
    env = observed.begin(tmp_path, {"GITEXP_ATTEMPT": str(tmp_path)})
    subprocess.run([PYTHON, "-c", "1"], env=env, check=True)
    assert "pluggy" in observed.read(tmp_path, ("python -c 1",), PARTS).distributions


# --- what is read of the user's own work tree ---------------------------------------------------

READS = {
    "open": "open(top + '/data/x.csv')",
    "both": "open(top + '/data/x.csv', 'r+')",
    "pathlib": "import pathlib; pathlib.Path(top, 'data', 'x.csv').read_text()",
    "low": "import os; os.read(os.open(top + '/data/x.csv', os.O_RDONLY), 1)",
    "upwards": "open('../../../../../data/x.csv')",
    "listed": "import os; [*os.scandir(top + '/data')]",
    "found": "import glob; glob.glob(top + '/data/*')",
    "imported": "import sys; sys.path.append(top); import helper",
    "another name": "open(top.replace('/tree', '/alias') + '/data/x.csv')",
    "late": "import subprocess, sys\n"
    "subprocess.run([sys.executable, '-c', f'open({top!r} + \"/data/x.csv\")'], check=True)",
}
FREE = {
    "its own": "open('a.py'); import os; os.listdir(); [*os.scandir('.')]",
    "written": "open(top + '/data/new', 'w'); open(top + '/data/new', 'ab')",
    "absent": "try: open(top + '/data/none')\nexcept OSError: pass",
    "cache": "open(top + '/.dvc/cache/x')",
    "an environment": "open(top + '/venv/lib')",
    "elsewhere": "open(top + '-2/x')",
    "a descriptor": "import os; open(os.open('a.py', os.O_RDONLY))",
}


def reading(folder: Path, text: str) -> tuple[str, ...]:
    """Return what a script noted that runs in a folder of its own below the work tree."""
    top = folder / "tree"
    slot = top / ".git/gitexp/work/worktrees/slot"
    for name in ("data/x.csv", ".dvc/cache/x", "venv/lib", "../tree-2/x", "helper.py"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text("", encoding="utf-8")
    (folder / "alias").symlink_to(top)
    slot.mkdir(parents=True)
    out = folder / "out"
    out.mkdir()
    script(slot, f"top = {str(top)!r}\n{text}")
    given = {"PATH": f"{sys.prefix}/bin:{os.defpath}", "GITEXP_ATTEMPT": str(out)}
    free = [f"{top}/.git", f"{top}/.dvc", f"{top}/venv"]
    env = observed.begin(out, given, [f"{folder}/alias"], free)
    subprocess.run(["/bin/sh", "-c", "python a.py"], check=True, env=env, cwd=slot)
    assert observed.read(out, ["python a.py"], PARTS).why == ""
    return observed.outside(out, f"{folder}/alias")


@pytest.mark.parametrize("text", READS.values(), ids=READS)
def test_what_is_read_of_the_users_work_tree_is_noted(text: str, tmp_path: Path) -> None:
    found = reading(tmp_path, text)
    assert found in {("data/x.csv",), ("data",), ("helper.py",)}


@pytest.mark.parametrize("text", FREE.values(), ids=FREE)
def test_what_a_job_may_read_is_not_noted(text: str, tmp_path: Path) -> None:
    assert reading(tmp_path, text) == ()


def test_functions_that_are_heard_are_what_they_were(tmp_path: Path) -> None:
    text = (
        "import os, io, shutil, pickle, builtins\n"
        "class A: opened, listed = open, os.listdir\n"
        "assert A().opened('a.py').read() and A().listed('.') and io.open is builtins.open\n"
        "assert os.scandir in os.supports_fd and shutil.rmtree.avoids_symlink_attacks\n"
        "assert os.open in os.supports_dir_fd and pickle.loads(pickle.dumps(open)) is open\n"
        "assert os.listdir.__name__ == 'listdir' and 'list' in os.listdir.__doc__\n"
        "try: open()\nexcept TypeError: pass\nelse: assert False\n"
    )
    assert reading(tmp_path, text) == ()


def test_what_was_used_of_the_jobs_folder_is_noted(tmp_path: Path) -> None:
    folder, out = tmp_path / "slot", tmp_path / "out"
    for name in ("a.txt", "b c.py", "listed/x", "more/é", *(f"many/{n}" for n in range(30))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    (folder / "m.py").write_text("import os, pathlib\npathlib.Path('a.txt').read_text()\n")
    lines = "import m, os, glob\nos.listdir('listed')\nopen(os.path.abspath('more/é')).read()\n"
    lines += "open('new.txt', 'w')\ntry: open('gone.txt')\nexcept OSError: pass\n"
    lines += "for n in range(30): open(f'many/./{n}').read()\n"
    command = script(folder, lines)
    out.mkdir()
    (tmp_path / "alias").symlink_to(folder)
    given = {"PATH": f"{sys.prefix}/bin:{os.defpath}", "GITEXP_ATTEMPT": str(out)}
    env = observed.begin(out, given, [f"{tmp_path}/user"], (), f"{tmp_path}/alias")
    subprocess.run(["/bin/sh", "-c", command], check=True, env=env, cwd=folder)
    found = observed.used(out)
    assert found is not None
    assert {each for each in found if not each.startswith("many/")} == {
        "m.py", "a.txt", "listed/", "more/é"
    }  # fmt: skip
    assert len({each for each in found if each.startswith("many/")}) == 21
    assert "many/" in found, "so many stand for all"
    with (out / "used").open("ab") as file:
        file.truncate((4 << 20) + 1)
    subprocess.run(["/bin/sh", "-c", command], check=True, env=env, cwd=folder)
    assert (observed.used(out), (out / "used").stat().st_size) == (None, (4 << 20) + 1)
