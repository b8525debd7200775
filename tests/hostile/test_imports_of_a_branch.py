"""Python that gitexp starts in the work tree imports nothing that a branch puts there."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from gitexp.sharing import merge_driver
from gitexp.upkeep.doctor import doctor
from tests.lab.build import BuiltRepo, git_environment
from tests.lab.shell import gitexp

ROOT = Path(__file__).parents[2]
LOCK = 'schema: "2.0"\nstages: {}\n'
OLD = f"{sys.executable} -m gitexp merge-driver %O %A %B %P"


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "PWNED"


def modules(canary: Path) -> dict[str, str]:
    """Return what a branch would put at its top."""
    names = ("gitexp", "dvc", "argparse", "json", "sitecustomize", "encodings/__init__")
    code = f"open({str(canary)!r}, 'w').close()\n"
    packages = {
        f"{name}/{file}.py": code for name in names[:2] for file in ("__init__", "__main__")
    }
    return {f"{name}.py": code for name in names[2:]} | packages


def merge(repo: BuiltRepo) -> str:
    """Merge two versions of dvc.lock as a user does, without a way to our source tree."""
    repo.git("switch", "-q", "side", check=False)
    done = subprocess.run(
        ["git", "merge", "-q", "-m", "joined", "main"],
        cwd=repo.path,
        env={**git_environment(), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr + done.stdout


@pytest.fixture
def merging(repo: BuiltRepo, canary: Path) -> BuiltRepo:
    """A clone whose branch has modules of its own, and a dvc.lock that main changed as well."""
    repo.commit({"dvc.lock": LOCK})
    repo.switch("side", create=True)
    repo.commit({"dvc.lock": f"# side\n{LOCK}", **modules(canary)})
    repo.switch("main")
    repo.commit({"dvc.lock": f"{LOCK}# main\n"})
    merge_driver.set_up(repo.workspace)
    return repo


def test_the_merge_driver_imports_what_is_installed(merging: BuiltRepo, canary: Path) -> None:
    said = merge(merging)
    assert "No module" not in said
    assert not canary.exists()


@pytest.mark.parametrize("mended_by", ["nobody", "doctor", "init", "init --merge-driver"])
def test_the_setting_of_an_earlier_version_is_written_anew(
    mended_by: str, merging: BuiltRepo, canary: Path
) -> None:
    new = merging.git("config", "merge.gitexp.driver")
    merging.git("config", "merge.gitexp.driver", OLD)
    if mended_by == "doctor":
        named = [each for each in doctor(merging.workspace).findings if each.check == "hooks"]
        assert [each.fixable for each in named] == [True]
        doctor(merging.workspace, fix=True)
    elif mended_by != "nobody":
        usual = ("--command", "python x.py", "--metrics", "m.json", "--no-dvc-init")
        done = gitexp(merging, *mended_by.split(), *usual)
        assert done.code == 0, done.err
    assert merging.git("config", "merge.gitexp.driver") == (OLD if mended_by == "nobody" else new)
    merge(merging)
    assert canary.exists() is (mended_by == "nobody")  # the control


def test_init_lets_the_installed_dvc_make_its_repository(repo: BuiltRepo, canary: Path) -> None:
    repo.commit({"train.py": "print(1)\n", **modules(canary)})
    subprocess.run([sys.executable, "-m", "dvc", "init"], cwd=repo.path, check=True)
    assert canary.exists()  # the control
    canary.unlink()
    usual = ("--command", "python train.py", "--metrics", "m.json", "--outs", "o.bin")
    done = gitexp(repo, "init", *usual, "--dvc-init")
    assert done.code == 0, done.err
    assert (repo.path / ".dvc").is_dir()
    assert not canary.exists()


def test_every_python_that_the_program_starts_is_isolated() -> None:
    """`sys.executable` stands before -I, or begins what the user typed, once more."""
    starts = 0
    for file in sorted((ROOT / "gitexp").rglob("*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        for node in ast.walk(tree):
            if not isinstance(node, ast.List | ast.Tuple | ast.JoinedStr):
                continue
            parts = node.values if isinstance(node, ast.JoinedStr) else node.elts
            for part, after in zip(parts, [*parts[1:], None], strict=False):
                if "sys.executable" not in ast.unparse(part) or "orig_argv" in ast.unparse(node):
                    continue
                starts += 1
                said = after.value if isinstance(after, ast.Constant) else ""
                assert str(said).split()[:1] == ["-I"], f"{file}:{node.lineno}"
    assert starts > 3
