"""Hooks come beside what is there and go again without a trace; managers are left in charge."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from gitexp.enforcement.hooks import managers, shims
from gitexp.enforcement.hooks.install import install, status, uninstall
from gitexp.errors import ExistsError, GitexpError, PreconditionError
from gitexp.git.discovery import discover
from gitexp.model.report import Level
from gitexp.model.rules import CLIENT_HOOKS, HookState
from gitexp.upkeep.doctor import doctor
from tests.enforcement.hooks.world import PLAN, call, copied, template
from tests.lab.build import repository
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.build import BuiltRepo

HOOKS = Path(__file__).parents[3] / "hooks"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    repo = template(tmp_path_factory.mktemp("hooks") / "repo")
    shutil.rmtree(folder(repo))  # with Git's samples
    folder(repo).mkdir()
    return repo


@pytest.fixture
def repo(made: BuiltRepo, tmp_path: Path) -> BuiltRepo:
    return copied(made, tmp_path / "répo with space")


def folder(repo: BuiltRepo) -> Path:
    return repo.path / ".git" / "hooks"


def put(path: Path, text: str, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def picture(top: Path) -> dict[str, tuple[int, bytes | str]]:
    """Return every file and link below a folder: mode and content."""

    def files() -> Iterator[tuple[str, tuple[int, bytes | str]]]:
        for path in sorted(top.rglob("*")):
            if path.is_symlink():
                yield path.name, (0, str(path.readlink()))
            elif path.is_file():
                yield path.name, (path.stat().st_mode, path.read_bytes())

    return dict(files())


def states(repo: BuiltRepo) -> dict[str, HookState]:
    return {hook.name: hook.state for hook in status(repo.workspace).hooks}


# --- beside what is there -------------------------------------------------------------------------


def test_installing_twice_changes_nothing_the_second_time(repo: BuiltRepo) -> None:
    first = install(repo.workspace)
    assert len(first.done) == len(CLIENT_HOOKS)
    before = picture(folder(repo))
    assert install(repo.workspace).done == ()
    assert picture(folder(repo)) == before
    assert set(states(repo).values()) == {HookState.INSTALLED}


def test_what_was_there_before_goes_first_and_comes_back_byte_for_byte(repo: BuiltRepo) -> None:
    put(folder(repo) / "pre-commit", '#!/bin/sh\r\n: "no\0text" \xff', 0o711)
    put(folder(repo) / "commit-msg", "#!/bin/sh\nexit 0\n", 0o644)  # not executable
    put(repo.path / "tools" / "check", "#!/bin/sh\nexit 0\n")
    (folder(repo) / "pre-push").symlink_to("../../tools/check")
    before = picture(folder(repo))
    install(repo.workspace)
    assert picture(folder(repo)) != before
    uninstall(repo.workspace)
    assert picture(folder(repo)) == before


def test_the_hook_from_before_has_a_word_and_gets_the_arguments(repo: BuiltRepo) -> None:
    put(folder(repo) / "pre-commit", "#!/bin/sh\necho first >&2\nexit 7\n")
    put(folder(repo) / "commit-msg", '#!/bin/sh\necho "told: $1" >&2\n')
    install(repo.workspace)
    repo.git("rm", "-q", "--cached", PLAN)
    said = call(repo, "commit", "-qm", "a")
    assert said.code == 1
    assert "first" in said.err
    assert "R1" not in said.err
    put(folder(repo) / "pre-commit.before-gitexp", "#!/bin/sh\necho first >&2\n")
    said = call(repo, "commit", "-qm", "a")
    assert said.err.index("first") < said.err.index("error[R1]")
    repo.git("reset", "-q")
    said = call(repo, "commit", "-qm", "a", "--allow-empty")
    assert said.code == 0
    assert "told: .git/COMMIT_EDITMSG" in said.err


def test_both_pre_push_hooks_read_what_is_pushed(repo: BuiltRepo, tmp_path: Path) -> None:
    remote = repository(tmp_path / "remote", bare=True)
    put(folder(repo) / "pre-push", '#!/bin/sh\necho "to $1" >&2; cat >&2\n')
    install(repo.workspace)
    said = call(repo, "push", "-q", str(remote.path), "exp/deep")
    assert said.code == 0
    assert f"to {remote.path}" in said.err
    assert "refs/heads/exp/deep" in said.err
    call(repo, "switch", "-q", "--detach", "side")
    said = call(repo, "push", "-q", str(remote.path), "HEAD:exp/deep", "-f")
    assert "error[R1]" in said.err


def test_a_hook_that_somebody_edited_is_left_and_named(repo: BuiltRepo) -> None:
    install(repo.workspace)
    path = folder(repo) / "pre-commit"
    path.write_text(path.read_text() + "echo mine\n")
    assert states(repo)["pre-commit"] is HookState.CHANGED
    assert any("edited" in line for line in install(repo.workspace).done)
    assert any("edited" in line for line in uninstall(repo.workspace).done)
    assert path.read_text().endswith("echo mine\n")
    assert not (folder(repo) / "pre-push").exists()


def test_an_older_version_is_brought_up_to_date_and_a_copy_by_hand_too(repo: BuiltRepo) -> None:
    old = shims.rendered("pre-commit", {"python": "/usr/bin/python3"}).replace(b"echo", b"printf")
    head, mark, rest = old.split(b"\n", 2)
    mark = mark.partition(b" sha256:")[0]
    digest = shims._digest(head, mark, rest)  # noqa: SLF001  as an older gitexp wrote it
    old = b"\n".join([head, mark + b" sha256:" + digest, rest])
    (folder(repo) / "pre-commit").write_bytes(old)
    (folder(repo) / "pre-commit").chmod(0o755)
    shutil.copy(HOOKS / "pre-push", folder(repo) / "pre-push")
    found = {hook.name: hook for hook in status(repo.workspace).hooks}
    assert "another version" in found["pre-commit"].note
    assert found["pre-push"].runs
    done = install(repo.workspace).done
    assert sum("brought up to date" in line for line in done) == 2
    assert not (folder(repo) / "pre-commit.before-gitexp").exists()


def test_two_hooks_of_others_are_not_guessed_about(repo: BuiltRepo) -> None:
    put(folder(repo) / "pre-push", "#!/bin/sh\n# new\n")
    put(folder(repo) / "pre-push.before-gitexp", "#!/bin/sh\n# old\n")
    before = picture(folder(repo))
    with pytest.raises(ExistsError):
        install(repo.workspace)
    assert picture(folder(repo)) == before


def test_a_hook_that_cannot_run_is_called_dead_and_a_lost_python_is_said(repo: BuiltRepo) -> None:
    python = put(repo.path / "python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    install(repo.workspace, python=str(python))
    python.unlink()
    (folder(repo) / "pre-push").chmod(0o644)
    found = {hook.name: hook for hook in status(repo.workspace).hooks}
    assert found["pre-push"].state is HookState.DEAD
    assert str(python) in found["pre-commit"].note
    with pytest.raises(PreconditionError):
        install(repo.workspace, python=str(python))


# --- other places ---------------------------------------------------------------------------------


def test_a_linked_worktree_and_a_submodule_have_hooks_that_run(
    repo: BuiltRepo, made: BuiltRepo, tmp_path: Path
) -> None:
    there = repo.worktree(tmp_path / "w", "-b", "exp/other", "side")
    install(discover(there.path))
    assert (folder(repo) / "pre-commit").exists()
    assert "error[R1]" in call(there, "commit", "-q", "--allow-empty", "-m", "a").err
    outer = repository(tmp_path / "outer")
    outer.git(
        "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(made.path), "in ner"
    )
    inner = outer.path / "in ner"
    subprocess.run(["git", "switch", "-q", "-c", "exp/other", "origin/side"], cwd=inner, check=True)
    install(discover(inner))
    assert (outer.path / ".git" / "modules" / "in ner" / "hooks" / "pre-commit").exists()
    said = call(type(outer)(inner), "commit", "-q", "--allow-empty", "-m", "a")
    assert "error[R1]" in said.err


def test_a_folder_that_others_use_is_written_to_only_when_asked(
    repo: BuiltRepo, tmp_path: Path
) -> None:
    for place in (repo.path / ".githooks", tmp_path / "all of mine"):
        repo.git("config", "core.hooksPath", str(place))
        with pytest.raises(PreconditionError, match="hooksPath"):
            install(repo.workspace)
        assert not place.exists()
        assert all(hook.runs for hook in install(repo.workspace, anywhere=True).hooks)
        repo.git("rm", "-q", "--cached", PLAN)
        assert "error[R1]" in call(repo, "commit", "-qm", "a").err
        repo.git("reset", "-q")
        uninstall(repo.workspace)
        assert picture(place) == {}


def test_hooks_where_git_no_longer_looks_are_dead_and_are_removed_all_the_same(
    repo: BuiltRepo,
) -> None:
    install(repo.workspace)
    repo.git("config", "core.hooksPath", ".githooks")
    assert set(states(repo).values()) == {HookState.DEAD}
    uninstall(repo.workspace)
    assert picture(folder(repo)) == {}


@pytest.mark.parametrize("value", ["/dev/null", ""])
def test_where_hooks_are_switched_off_it_is_said_and_nothing_fails(
    repo: BuiltRepo, value: str
) -> None:
    install(repo.workspace)
    repo.git("config", "core.hooksPath", value)
    assert set(states(repo).values()) == {HookState.DEAD}
    assert {each.level for each in doctor(repo.workspace).findings if each.check == "hooks"} == {
        Level.PROBLEM
    }
    with pytest.raises(PreconditionError):
        install(repo.workspace)
    with pytest.raises(GitexpError):
        install(repo.workspace, anywhere=True)
    uninstall(repo.workspace)
    assert picture(folder(repo)) == {}
    assert set(states(repo).values()) == {HookState.ABSENT}


def test_a_bare_repository_gets_the_gate_of_a_server(tmp_path: Path) -> None:
    server = repository(tmp_path / "server.git", bare=True)
    report = install(server.workspace)
    assert [hook.name for hook in report.hooks] == ["pre-receive"]
    assert (server.path / "hooks" / "pre-receive").exists()


# --- managers -------------------------------------------------------------------------------------

WRITTEN = {  # the first lines of what each writes into .git/hooks
    "pre-commit": (
        "#!/usr/bin/env bash\n# File generated by pre-commit: https://pre-commit.com\n"
        "# ID: 138fd403232d2ddd5efb44317e38bf03\n"
    ),
    "prek": "#!/bin/sh\n# File generated by prek: https://github.com/j178/prek\n",
    "lefthook": '#!/bin/sh\nif [ "$LEFTHOOK" = "0" ]; then\n  exit 0\nfi\ncall_lefthook()\n{\n}\n',
    "simple-git-hooks": '#!/bin/sh\nif [ "$SKIP_SIMPLE_GIT_HOOKS" = "1" ]; then\n  exit 0\nfi\n',
}
CONFIGS = {
    "pre-commit": ".pre-commit-config.yaml",
    "prek": "prek.toml",
    "lefthook": ".config/lefthook.yml",
    "simple-git-hooks": ".simple-git-hooks.json",
}


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("by", ["config", "hook"])
def test_a_manager_stays_in_charge_and_is_told_what_to_call(
    repo: BuiltRepo, name: str, by: str
) -> None:
    if by == "config":
        put(repo.path / CONFIGS[name], "# nothing yet: gitexp hook pre-commit\n")
    else:
        put(folder(repo) / "pre-push", WRITTEN[name])
    before = picture(folder(repo))
    report = install(repo.workspace)
    assert report.manager == name
    assert picture(folder(repo)) == before
    assert not any(hook.runs for hook in report.hooks)
    # Told what it asked for, and its own hooks in place, nothing is lacking.
    put(repo.path / CONFIGS[name], report.entry)
    assert {hook.state for hook in status(repo.workspace).hooks} <= {
        HookState.DEAD,
        HookState.MANAGED,
    }
    for hook in CLIENT_HOOKS:
        put(folder(repo) / hook, WRITTEN[name])
    report = install(repo.workspace)
    assert (report.entry, report.next_step) == ("", "")
    assert {hook.state for hook in report.hooks} == {HookState.MANAGED}


def test_an_entry_is_in_the_language_of_the_settings_it_goes_into(repo: BuiltRepo) -> None:
    def entry(path: str) -> str:
        put(repo.path / path, "")
        text = install(repo.workspace).entry
        (repo.path / path).unlink()
        return text

    told = [tomllib.loads(entry("prek.toml")), yaml.safe_load(entry(".pre-commit-config.yaml"))]
    assert told[0] == told[1]
    assert {hook["stages"][0] for hook in told[0]["repos"][0]["hooks"]} == set(CLIENT_HOOKS)
    assert set(yaml.safe_load(entry("lefthook.yml"))) == set(CLIENT_HOOKS)
    simple = json.loads(f"{{{entry('.simple-git-hooks.json')}}}")["simple-git-hooks"]
    assert set(simple) == set(CLIENT_HOOKS)


def test_lefthook_finds_a_file_to_commit_or_to_push_in_whatever_is_done(
    repo: BuiltRepo, tmp_path: Path
) -> None:
    put(repo.path / "lefthook.yml", "")
    told = yaml.safe_load(install(repo.workspace).entry)
    for name in ("pre-commit", "pre-push"):  # lefthook passes over others never
        command = told[name]["commands"]["gitexp"]
        assert command["run"].endswith(" {files}")
        for top in (repo.path, repo.worktree(tmp_path / name, "--detach", "main").path):
            found = subprocess.check_output(["sh", "-c", command["files"]], cwd=top, text=True)
            assert sum((top / line).is_file() for line in found.splitlines()) == 1


def test_prek_is_told_in_toml_by_the_name_of_a_shipped_hook(repo: BuiltRepo) -> None:
    ids = "".join(f'  {{id = "gitexp-{name}"}},\n' for name in CLIENT_HOOKS)
    put(repo.path / "prek.toml", f'[[repos]]\nrepo = "https://example.org/x"\nhooks = [\n{ids}]')
    for name in CLIENT_HOOKS:
        put(folder(repo) / name, WRITTEN["prek"])
    assert {hook.state for hook in status(repo.workspace).hooks} == {HookState.MANAGED}


def test_husky_is_told_and_looked_at_by_its_own_files(repo: BuiltRepo) -> None:
    repo.git("config", "core.hooksPath", ".husky/_")
    for name in CLIENT_HOOKS:
        put(repo.path / ".husky" / "_" / name, '#!/usr/bin/env sh\n. "$(dirname "$0")/h"')
    report = install(repo.workspace)
    assert report.manager == "husky"
    for line in report.entry.splitlines():
        path, _, text = line.partition(":  ")
        put(repo.path / path, text)
    assert {hook.state for hook in status(repo.workspace).hooks} == {HookState.MANAGED}


def test_a_package_json_names_its_manager(repo: BuiltRepo) -> None:
    for name in ("simple-git-hooks", "husky"):
        put(repo.path / "package.json", json.dumps({"devDependencies": {name: "^9"}}))
        assert install(repo.workspace).manager == name


@pytest.mark.parametrize("name", ["pre-commit", "prek"])
def test_ours_below_the_framework_is_run_and_is_taken_away_from_there(
    repo: BuiltRepo, name: str
) -> None:
    put(folder(repo) / "pre-commit", "#!/bin/sh\n# mine\n")
    before = picture(folder(repo))
    install(repo.workspace)
    (folder(repo) / "pre-commit").rename(folder(repo) / "pre-commit.legacy")
    put(folder(repo) / "pre-commit", WRITTEN[name])
    found = {hook.name: hook for hook in status(repo.workspace).hooks}["pre-commit"]
    assert found.runs
    assert "pre-commit.legacy" in found.note
    uninstall(repo.workspace)
    assert (folder(repo) / "pre-commit").read_text() == WRITTEN[name]
    (folder(repo) / "pre-commit.legacy").replace(folder(repo) / "pre-commit")
    assert picture(folder(repo)) == before


def test_ours_that_lefthook_renamed_is_dead(repo: BuiltRepo) -> None:
    install(repo.workspace)
    (folder(repo) / "pre-commit").rename(folder(repo) / "pre-commit.old")
    put(folder(repo) / "pre-commit", WRITTEN["lefthook"])
    assert states(repo)["pre-commit"] is HookState.DEAD
    uninstall(repo.workspace)
    assert not (folder(repo) / "pre-commit.old").exists()


def test_ours_that_husky_made_git_pass_by_is_dead_and_doctor_says_so(repo: BuiltRepo) -> None:
    install(repo.workspace)
    repo.git("config", "core.hooksPath", ".husky/_")
    for name in CLIENT_HOOKS:
        put(repo.path / ".husky" / "_" / name, '#!/usr/bin/env sh\n. "$(dirname "$0")/h"')
    (hook, *_) = status(repo.workspace).hooks
    assert hook.state is HookState.DEAD
    assert "husky is not told to call it" in hook.note
    found = [each for each in doctor(repo.workspace).findings if each.check == "hooks"]
    assert {each.level for each in found} == {Level.PROBLEM}


def test_what_was_set_aside_for_ours_comes_back_when_another_removed_ours(repo: BuiltRepo) -> None:
    for name in ("pre-commit", "pre-push"):
        put(folder(repo) / name, "#!/bin/sh\n# mine\n", 0o750)
    before = picture(folder(repo))
    install(repo.workspace)
    for name in CLIENT_HOOKS:  # as simple-git-hooks does
        (folder(repo) / name).unlink()
    put(folder(repo) / "pre-push", "#!/bin/sh\n# somebody's\n")
    done = uninstall(repo.workspace).done
    assert any("left" in line and "pre-push.before-gitexp" in line for line in done)
    (folder(repo) / "pre-push.before-gitexp").replace(folder(repo) / "pre-push")
    assert picture(folder(repo)) == before


def test_ours_that_was_overwritten_is_said(repo: BuiltRepo) -> None:
    install(repo.workspace)
    put(folder(repo) / "pre-commit", "#!/bin/sh\n# somebody's\n")
    assert states(repo)["pre-commit"] is HookState.FOREIGN


def test_every_manager_is_found_by_what_it_writes() -> None:
    assert set(WRITTEN) | {"husky"} == {manager.name for manager in managers.MANAGERS}


# --- doctor ---------------------------------------------------------------------------------------


def test_doctor_names_what_no_longer_runs_and_nothing_where_no_hook_was_wanted(
    repo: BuiltRepo,
) -> None:
    def found() -> list[tuple[str, Level]]:
        return [
            (each.where, each.level)
            for each in doctor(repo.workspace).findings
            if each.check == "hooks"
        ]

    put(folder(repo) / "pre-push", "#!/bin/sh\n")
    assert found() == []
    install(repo.workspace)
    assert found() == []
    put(folder(repo) / "pre-push", "#!/bin/sh\n")
    (folder(repo) / "post-merge").chmod(0o644)
    assert found() == [("post-merge", Level.PROBLEM), ("pre-push", Level.NOTE)]


# --- the command ----------------------------------------------------------------------------------


def test_the_command_says_how_things_stand_by_its_exit_code(repo: BuiltRepo) -> None:
    assert gitexp(repo, "hooks", "status").code == 1
    done = gitexp(repo, "hooks", "install", "--json")
    assert done.code == 0
    assert done.json["verb"] == "install"
    assert f"python='{sys.executable}'" in (folder(repo) / "pre-push").read_text() or (
        f"python={sys.executable}" in (folder(repo) / "pre-push").read_text()
    )
    assert gitexp(repo, "hooks", "status").code == 0
    assert gitexp(repo, "hooks", "uninstall").code == 0
    assert picture(folder(repo)) == {}
