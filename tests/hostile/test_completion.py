"""What a key press makes of names that somebody else pushed: nothing is executed, nor offered."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.main import main
from gitexp.cli.upkeep import SHELLS
from tests.lab.build import git_environment

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

# A word of a shell that does more than name itself, each in a place that Git allows in a name.
TOUCH = "touch${{IFS}}{0}"
ODD = (
    *(f"$({TOUCH})", f"`{TOUCH}`", f"a;{TOUCH}", f"a|{TOUCH}", f"a=$({TOUCH})"),
    *("a&b", "a>b", "a'b", 'a"b', "$HOME", "{{a,b}}", "a#b", "(a)", "!a", "%a", "=ls"),
    *("-x", "--force", "a\x9bb", "a\u202eb"),
)
ENDS = ("-x", "--force", "=ls")  # only odd where a word begins
ORIGIN = [f"origin/exp/{name}" for name in ENDS]
READ = {
    "bash": 'eval "$SCRIPT"\n',
    "zsh": 'compdef() {}; eval "$SCRIPT"\n',
    "fish": 'eval "$SCRIPT"\n',
}
PRESS = {
    "bash": 'COMP_WORDS=(gitexp {0} "") COMP_CWORD=2; _shtab_gitexp gitexp "" {0}\n'
    'printf "%s\\n" "${{COMPREPLY[@]}}"',
    "zsh": 'compadd() {{ shift; print -rl -- "$@"; }}\n_gitexp_{1}',
    "fish": 'complete -C "gitexp {0} " ',
}


@pytest.mark.parametrize("shell", SHELLS)
def test_no_name_of_a_branch_is_executed_or_offered_unless_it_is_a_plain_word(
    shell: str, repo: BuiltRepo, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    canary = repo.path / "PWNED"
    tip = repo.commit({"a.txt": "a"})
    names = [odd.format(canary.name) for odd in ODD]
    lines = [f"create refs/remotes/origin/{name} {tip}\n" for name in names if name not in ENDS]
    lines += [f"create refs/remotes/origin/exp/{name} {tip}\n" for name in names]
    lines += [f"create refs/heads/{name} {tip}\n" for name in names if not name.startswith("-")]
    lines += [f"create refs/tags/exp-archive/{name} {tip}\n" for name in names]
    subprocess.run(
        ["git", "update-ref", "--stdin"],
        input="".join([*lines, f"create refs/heads/exp/wide.r_1-x {tip}\n"]),
        cwd=repo.path,
        env=git_environment(),
        check=True,
        text=True,
    )
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for verb, kind, expected in (
        ("archive", "names", {"wide.r_1-x"}),
        ("compare", "revisions", {"wide.r_1-x", "exp/wide.r_1-x", "main", *ORIGIN}),
    ):
        done = subprocess.run(
            [shell, "-c", READ[shell] + PRESS[shell].format(verb, kind)],
            capture_output=True,
            text=True,
            cwd=repo.path,
            env={**git_environment(), "SCRIPT": script},
            check=False,
        )
        assert done.stderr == ""
        assert {line.partition("\t")[0] for line in done.stdout.split("\n")} - {""} == expected
        assert not canary.exists()
