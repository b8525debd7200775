"""Real repositories in temporary folders: fixed identity, fixed dates, nothing of the user's."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.git.transaction.locks import FileLock
from gitexp.model.workspace import Workspace
from tests.lab import inprocess, warm
from tests.lab.inprocess import Who

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EPOCH = 1_704_067_200  # 2024-01-01T00:00:00Z; `at=1` is one minute later
NAME = "Ada Lovelace"
EMAIL = "ada@example.org"

SETTINGS = f"""\
[user]
	name = {NAME}
	email = {EMAIL}
[gc]
	auto = 0
[commit]
	gpgsign = false
[maintenance]
	auto = false
"""

Content = str | bytes | None  # None deletes


def git_environment(at: int = 0, name: str = NAME, email: str = EMAIL) -> dict[str, str]:
    """Return the environment of a Git that knows nothing of the machine it runs on."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    when = f"{EPOCH + 60 * at} +0000"
    return env | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_AUTHOR_DATE": when,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
        "GIT_COMMITTER_DATE": when,
        "LC_ALL": "C.UTF-8",
    }


@dataclass(frozen=True)
class BuiltRepo:
    """A repository on disk with the few verbs that tests need."""

    path: Path
    by: tuple[str, str] = (NAME, EMAIL)  # who works here
    hooks: bool = True  # whether `commit` goes by them, where there are some

    def git(self, *args: str, data: bytes | None = None, at: int = 0, check: bool = True) -> str:
        """Run git here and return its standard output without the final newline."""
        return (
            self.git_bytes(*args, data=data, at=at, check=check)
            .decode("utf-8", "surrogateescape")
            .removesuffix("\n")
        )

    def git_bytes(
        self, *args: str, data: bytes | None = None, at: int = 0, check: bool = True
    ) -> bytes:
        """Run git here and return the bytes of its standard output."""
        done = subprocess.run(
            ["git", *args],
            cwd=self.path,
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            env=git_environment(at, *self.by),
            check=False,
        )
        if check and done.returncode:
            message = f"git {' '.join(args)}: {done.returncode}\n{done.stderr.decode()}"
            raise AssertionError(message)
        return done.stdout

    def write(self, files: Mapping[str, Content]) -> None:
        """Write files into the work tree; None deletes."""
        for name, content in files.items():
            path = self.path / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(
        self, files: Mapping[str, Content] | None = None, *, at: int = 1, message: str = ""
    ) -> str:
        """Write `files`, stage exactly them and commit; return the commit's hash."""
        files = files or {}
        message = message or f"change {at}"
        self.write(files)
        who = Who(*self.by, EPOCH + 60 * at)
        if made := inprocess.commit(self.path, files, message, who, hooks=self.hooks):
            return made
        if files:
            self.git("add", "--force", "--all", "--", *files)
        off = () if self.hooks else ("-c", f"core.hooksPath={os.devnull}")
        self.git(*off, "commit", "--quiet", "--allow-empty", "-m", message, at=at)
        return self.hash()

    def write_object(self, kind: str, data: bytes) -> str:
        """Write an object of any contents, as `git hash-object --literally` would."""
        whole = b"%s %d\0%s" % (kind.encode(), len(data), data)
        name = hashlib.sha1(whole).hexdigest()  # noqa: S324  Git's
        path = self.workspace.common_dir / "objects" / name[:2] / name[2:]
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(zlib.compress(whole, 1))
        return name

    def branch(self, name: str, start: str = "HEAD") -> None:
        """Make a branch without switching to it."""
        self.git("branch", name, start)

    def switch(self, name: str, *, create: bool = False) -> None:
        """Switch to a branch."""
        if create and inprocess.begin(self.path, name, Who(*self.by, EPOCH), hooks=self.hooks):
            return
        self.git("switch", "--quiet", *(["--create"] if create else []), name)

    def hash(self, revision: str = "HEAD") -> str:
        """Return the hash that a revision names."""
        import pygit2  # noqa: PLC0415  once HOME is the tests' own

        with contextlib.suppress(KeyError, ValueError, pygit2.GitError):
            return str(pygit2.Repository(self.path).revparse_single(revision).id)
        return self.git("rev-parse", "--verify", revision)

    def tree(self, revision: str = "HEAD") -> str:
        """Return the hash of a revision's tree."""
        return self.hash(f"{revision}^{{tree}}")

    def show(self, path: str, revision: str = "HEAD") -> str:
        """Return a file's text as a commit holds it."""
        import pygit2  # noqa: PLC0415  once HOME is the tests' own

        with contextlib.suppress(KeyError, ValueError, pygit2.GitError):
            found = pygit2.Repository(self.path).revparse_single(f"{revision}:{path}")
            if isinstance(found, pygit2.Blob):
                return found.data.decode()
        return self.git_bytes("show", f"{revision}:{path}").decode()

    def files(self, revision: str = "HEAD") -> list[str]:
        """Return the paths in a commit."""
        return self.git(
            "-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", revision
        ).splitlines()

    def refs(self) -> dict[str, str]:
        """Return every ref with its hash."""
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def status(self) -> list[str]:
        """Return `git status --porcelain` lines, untracked files included."""
        return self.git("status", "--porcelain", "--untracked-files=all").splitlines()

    def fsck(self) -> None:
        """Fail unless the repository is sound."""
        self.git("fsck", "--full", "--strict", "--no-dangling")

    def locks(self) -> list[str]:
        """Return every lock file below the Git directory."""
        git_dir = Path(self.git("rev-parse", "--path-format=absolute", "--git-common-dir"))
        return sorted(str(path.relative_to(git_dir)) for path in git_dir.rglob("*.lock"))

    def worktree(self, path: Path, *args: str) -> BuiltRepo:
        """Add a linked worktree: ``repo.worktree(tmp_path / "w", "exp/a")``."""
        self.git("worktree", "add", "--quiet", str(path), *args)
        return BuiltRepo(path)

    @property
    def workspace(self) -> Workspace:
        """The value that the command line would pass along from the top of this work tree."""
        inside = self.path.resolve() / ".git"
        if inside.is_dir() and not inside.is_symlink():
            return Workspace(git_dir=inside, common_dir=inside, top=self.path, start=self.path)
        git_dir, common, bare = self.git(
            "rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir",
            "--is-bare-repository",
        ).splitlines()  # fmt: skip
        return Workspace(
            git_dir=Path(git_dir),
            common_dir=Path(common),
            top=None if bare == "true" else self.path,
            start=self.path,
        )


def repository(path: Path, *, bare: bool = False, options: tuple[str, ...] = ()) -> BuiltRepo:
    """Make an empty repository with the branch main and our identity in its own config."""

    def make(folder: Path) -> None:
        folder.mkdir()
        repo = BuiltRepo(folder)
        kind = ["--bare"] if bare else []
        repo.git("init", "--quiet", "--template=", "--initial-branch=main", *kind, *options)
        inside = folder if bare else folder / ".git"
        for name in ("hooks", "info"):
            (inside / name).mkdir()
        with (inside / "config").open("a") as config:
            config.write(SETTINGS)

    return copied(path, make, "repository", bare, options)


def clone(source: BuiltRepo, path: Path, *args: str) -> BuiltRepo:
    """Clone over the file protocol, with our identity."""
    path.parent.mkdir(parents=True, exist_ok=True)
    identity = ("-c", f"user.name={NAME}", "-c", f"user.email={EMAIL}")
    BuiltRepo(path.parent).git(
        "clone", "--quiet", "--template=", *identity, *args, source.path.as_uri(), str(path)
    )
    return BuiltRepo(path.resolve())


PIPELINE = """\
stages:
  prepare:
    cmd: python prepare.py
    deps:
    - prepare.py
    - raw.csv
    outs:
    - prepared.csv
  train:
    cmd: python train.py
    deps:
    - prepared.csv
    - train.py
    params:
    - lr
    - seed
    outs:
    - model.txt
    metrics:
    - metrics.json:
        cache: false
"""

PREPARE = """\
rows = open("raw.csv").read().split()
open("prepared.csv", "w").write("\\n".join(sorted(rows)) + "\\n")
"""

# Little is imported: a stage costs one bare interpreter start, which json alone would double.
TRAIN = """\
import random
lines = (line.partition(":") for line in open("params.yaml"))
params = {key: value.split()[0] for key, _, value in lines if value.strip()}
rng = random.Random(int(params["seed"]))
rows = open("prepared.csv").read().split()
score = float(params["lr"]) + rng.gauss(0, 0.01) + 0.001 * len(rows)
open("model.txt", "w").write(f"{score!r}\\n")
scores = {"f1": score, "loss": 1 - score}
open("metrics.json", "w").write(str(scores).replace("'", '"'))
"""

DVC_FILES: dict[str, str] = {
    "dvc.yaml": PIPELINE,
    "params.yaml": "# how we train\nlr: 0.5  # learning rate\nseed: 1\n",
    "prepare.py": PREPARE,
    "train.py": TRAIN,
    "raw.csv": "3\n1\n2\n",
    "README.md": "# demo\n",
}


def dvc(path: Path, *args: str, check: bool = True) -> str:
    """Run the real dvc of this environment and return its standard output."""
    done = warm.run("dvc", *args, cwd=path, env=git_environment())
    if check and done.returncode:
        message = f"dvc {' '.join(args)}: {done.returncode}\n{done.stderr.decode()}"
        raise AssertionError(message)
    return done.stdout.decode()


def session_folder(kind: str) -> Path:
    """Make a folder that stays until this process ends, where pytest has its own."""
    folder = tempfile.mkdtemp(prefix=f"gitexp-{kind}-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@cache
def _templates() -> Path:
    return session_folder("built")


def copied(path: Path, make: Callable[[Path], None], *made_of: object) -> BuiltRepo:
    """Copy a project that is built once for all that ask for one made of the same."""
    template = _templates() / hashlib.sha256(repr(made_of).encode()).hexdigest()
    if not template.exists():
        make(template)
    shutil.copytree(template, path, symlinks=True, dirs_exist_ok=True)
    return BuiltRepo(path.resolve())


@cache
def dvc_files() -> dict[str, Content]:
    """Return what `dvc init` leaves to be committed; each time it takes half a second."""
    with tempfile.TemporaryDirectory() as folder:
        repo = repository(Path(folder))
        dvc(repo.path, "init", "--quiet")
        return {name: (repo.path / name).read_bytes() for name in repo.git("ls-files").splitlines()}


def dvc_project(path: Path, template: Path) -> BuiltRepo:
    """Copy the session's DVC project: main, pipeline run once, dvc.lock committed."""
    shutil.copytree(template, path, symlinks=True)
    return BuiltRepo(path.resolve())


def dvc_template(folder: Path) -> Path:
    """Build the DVC project once, also when several test processes ask at the same time."""
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "done"
    with FileLock(folder / "lock", timeout_s=300):
        if not done.exists():
            shutil.rmtree(folder / "project", ignore_errors=True)
            repo = repository(folder / "project")
            dvc(repo.path, "init", "--quiet")
            dvc(repo.path, "config", "core.analytics", "false")
            repo.write(DVC_FILES)
            dvc(repo.path, "repro", "--quiet")
            repo.git("add", "--all")
            repo.git("commit", "--quiet", "-m", "a project with a pipeline", at=1)
            done.touch()
    return folder / "project"
