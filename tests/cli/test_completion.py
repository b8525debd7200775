"""`gitexp completion`: a shell that reads the script completes commands, options and names."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.commands import COMMANDS
from gitexp.cli.main import main
from gitexp.cli.upkeep import SHELLS
from tests.lab.build import git_environment

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

# What bash does when the tab key is pressed after the words of a line, the last of them begun.
PRESS = """
while read -r line; do
  read -ra COMP_WORDS <<< "gitexp $line"
  [[ $line == *. ]] && COMP_WORDS[-1]=
  COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )) COMPREPLY=()
  _shtab_gitexp gitexp "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
  echo "${COMPREPLY[@]}"
done
"""


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


def test_bash_completes_commands_options_choices_and_experiments(
    repo: BuiltRepo, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.commit({"a.txt": "a"})
    for name in ("exp/deeper", "exp/wider", "other"):
        repo.git("branch", name)
    repo.git("tag", "exp-archive/dropout")
    visible = " ".join(command.name for command in COMMANDS if not command.hidden)
    expected = {
        ".": f"{visible} help",  # a dot: nothing is typed yet
        "conc": "conclude",
        "run --with": "--with-baseline",
        "-C sub sta": "status",
        "compare --format .": "text md json html csv latex",
        "show de": "deeper",
        "archive .": "deeper dropout wider",
        "compare .": "deeper dropout wider exp/deeper exp/wider main other",
        "run --at o": "other",
        "new .": "",
        "list --sort .": "",
        "help amend": "amend-plan",
        "test a": "a.txt",
    }
    done = subprocess.run(
        ["bash", "--norc", "-c", script("bash", capsys) + PRESS],
        input="".join(f"{line}\n" for line in expected),
        capture_output=True,
        text=True,
        cwd=repo.path,
        env=git_environment(),
        check=True,
    )
    assert done.stderr == ""
    assert dict(zip(expected, done.stdout.splitlines(), strict=True)) == expected


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_reads_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = script(shell, capsys)
    assert all(f"--{name}" in text or f"-l {name}" in text for name in ("with-baseline", "effect"))
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    done = subprocess.run([shell, "-n"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
