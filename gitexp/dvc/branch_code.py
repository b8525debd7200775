"""Outputs of a branch that would be taken for code from where they lie, with nobody naming them.

Git ignores outputs, so they stay where they are after a switch: main's own program would import, or
load, what a branch has put beside it, and tools would go by it. Names decide, as they do for
Python, node and the tools; data are told from code by nothing else. What the protected branch of
the user's upstream has as an output, too, is the project's own.
"""

from __future__ import annotations

import posixpath
import shlex
from contextlib import suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from gitexp.dvc import cache as objects
from gitexp.dvc.cache_objects import object_file
from gitexp.dvc.declared_data import Reader
from gitexp.dvc.dvc_config import is_shared, protected
from gitexp.dvc.hashing import BLOCK
from gitexp.dvc.placement import ENVIRONMENTS, misplaced
from gitexp.errors import GitexpError
from gitexp.git.objects import tree_id
from gitexp.model.ids import ABSENT, CommitHash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from gitexp.dvc.cache_objects import CacheConfig
    from gitexp.git.repository import Repo
    from gitexp.model.ids import Md5

# Program text, and what is loaded. A folder is a package to Python without `__init__.py`, too, and
# pytest may be told to import whatever is Python. Not `.pth`: outside of environments it is
# weights. Nor what ends corpora of a language, as `.pl` and `.cs` do, and nothing takes unasked.
_PROGRAMS: Final = frozenset(
    """
    .bash .bat .bzl .c .cabal .cc .cjs .class .clj .cmake .cmd .code-workspace .coffee .cpp .csh
    .csproj .cts .cu .cxx .dart .desktop .dll .dvc .dylib .egg .egg-link .erl .ex .exe .exs .f90
    .fish .fsproj .gemspec .go .gradle .groovy .gyp .gypi .h .hcl .hh .hpp .hta .ipynb .jar .java
    .jl .js .jsx .ksh .kt .kts .lnk .lua .m .mak .mex .mjs .mlx .msi .mts .nf .nimble .ninja .nix
    .node .php .ps1 .psd1 .psm1 .py .pyc .pyd .pyi .pyo .pyw .pyx .pyz .qmd .r .rake .rb .rmd
    .rprofile .rs .scala .scr .service .sh .sln .smk .so .svelte .swift .tcl .tf .tfvars .tofu .ts
    .tsx .tup .vbs .vcxproj .vue .war .wasm .wsf .zsh
    """.split()  # noqa: SIM905  a list is three times as long
)
_FOLDERS: Final = ENVIRONMENTS | frozenset(
    {"__pycache__", "__pypackages__", "dist-packages", "node_modules", "site-packages"}
)
_METADATA: Final = (".dist-info", ".egg-info", ".egg")  # folders; their entry points are loaded
# Of tools, which start programs by them: whole names, without a dot before them, and `.yml` as
# `.yaml`.
_SETTINGS: Final = frozenset(
    """
    _metadata.yaml airflow.cfg alembic.ini ansible.cfg azure-pipelines.yaml babel.config.json
    book.toml bower.json build.bazel build.boot build.sbt build.xml buildout.cfg bun.lock bun.lockb
    bunfig.toml cabal.project cargo.lock cargo.toml cliff.toml cloudbuild.yaml cog.toml
    compose.override.yaml compose.yaml composer.json composer.lock conanfile.txt configure
    dagger.json dagster.yaml dbt_project.yaml debian/rules deno.json deno.jsonc devbox.json
    devspace.yaml directory.build.props directory.build.targets doit.cfg dune-project dvc.lock
    dvc.yaml environment.yaml esy.json fabric.json fabric.yaml flake.lock fly.toml garden.yaml
    go.mod go.sum go.work gradle.properties hatch.toml helmfile.yaml invoke.json invoke.yaml
    juliamanifest.toml juliaproject.toml kustomization.yaml lefthook-local.yaml lefthook.json
    lefthook.toml lefthook.yaml lerna.json luigi.cfg maskfile.md melos.yaml meltano.yaml meson.build
    meson.options meson_options.txt mise.local.toml mise.toml mise/config.toml mix.lock mkdocs.yaml
    module.bazel mprocs.yaml mypy.ini myst.yaml netlify.toml nextflow.config nx.json
    package-lock.json package.json pants.toml pdm.lock pdm.toml phpunit.xml pixi.lock pixi.toml
    pnpm-lock.yaml pnpm-workspace.yaml poetry.lock poetry.toml pom.xml pre-commit-config.yaml
    prefect.yaml process-compose.yaml pubspec.yaml pyproject.toml pyrefly.toml pyrightconfig.json
    pytest.ini pytest.toml rebar.config renv.lock ruff.toml serverless.yaml setup.cfg shard.yaml
    skaffold.yaml stack.yaml supervisord.conf tox.ini tox.toml tsconfig.json turbo.json ty.toml
    unittest.cfg uv.lock uv.toml vcpkg-configuration.json vcpkg.json vercel.json wandb/settings
    werf.yaml workspace.bazel workspace.yaml wrangler.toml yarn.lock
    """.split()  # noqa: SIM905  a list is three times as long
)
# The same, whatever follows the first dot of the name (`Dockerfile.gpu`, `bin/python3.11`).
_TOOLS: Final = frozenset(
    """
    _quarto babelrc bin/activate bin/python bin/python3 brewfile bsdmakefile cmakelists cmakepresets
    cmakeuserpresets containerfile coveragerc docker-bake docker-compose dockerfile earthfile envrc
    eslintrc fastfile flake8 gemfile gnumakefile gradlew gruntfile guardfile gulpfile ipython_config
    jakefile jenkinsfile jupyter_config jupyter_lab_config jupyter_nbconvert_config
    jupyter_notebook_config jupyter_server_config justfile kbuild lintstagedrc makefile matplotlibrc
    mlproject mocharc mvnw npmrc pipfile podfile prettierrc procfile pylintrc rakefile rprofile
    rust-toolchain sconscript sconstruct scripts/activate scripts/python snakefile stylelintrc
    taskfile tiltfile tupfile vagrantfile wscript yarnrc
    """.split()  # noqa: SIM905  a list is three times as long
)
_PROMPT: Final = b">>>"


def refused(
    repo: Repo, top: Path, outs: Iterable[tuple[str, Md5]], cache: CacheConfig | None
) -> dict[str, str]:
    """Return by path why outputs of a branch are not brought into a work tree.

    `outs`: paths from its top, with hashes, "" where none is known. Where nothing came from
    anybody else, only a place of programs is a reason.
    """
    every = dict(outs)
    why = {path: no for path in every if (no := misplaced(top, path))}
    found = {path: md5 for path, md5 in every.items() if _code(path, md5, cache, beside=True)}
    commits = [CommitHash(commit) for commit in protected(top)] if found.keys() - why else []
    if not (commits or (found and is_shared(top))):
        return why
    reader = Reader(repo)
    own = {out.path for commit in commits for out in reader.of(commit).outs}
    for path in [each for each in found if each not in {*why, *own}]:
        beside = any(tree_id(repo, commit, path) is not ABSENT for commit in commits)
        if code := _code(path, found[path], cache, beside=beside):
            why[path] = (
                f"{'it' if code == path else code} would run as code from there, and main has no "
                f"such output; dvc checkout {shlex.quote(path)} if you trust the branch"
            )
    return why


def code_among(outs: Iterable[tuple[str, Md5]], cache: CacheConfig) -> str:
    """Return the first file of outputs that would be taken for code from its place; "" for none."""
    found = (_code(path, md5, cache, beside=False) for path, md5 in outs)
    return next(filter(None, found), "")


def _code(path: str, md5: Md5, cache: CacheConfig | None, *, beside: bool) -> str:
    """Return the first file of an output that is taken for code, or itself; "" where none is.

    `beside`: whether main has files of Git's there; else a folder is one of data, where any name
    may begin with a dot.
    """
    for file, each in _files(path, md5, cache):
        if _is_code(file, file if beside else path) or _is_doctest(file, each, cache):
            return file.rstrip("/")
    return ""


def _files(path: str, md5: Md5, cache: CacheConfig | None) -> Iterator[tuple[str, Md5]]:
    """Yield the output itself, or a folder (nothing loads one by its suffix) and its files."""
    if not md5.endswith(".dir"):
        yield path, md5
        return
    yield f"{path}/", md5
    if cache is not None:
        with suppress(GitexpError):  # it is not here, or damaged, and is not brought
            entries = objects.read_manifest(cache, md5)
            yield from ((f"{path}/{entry.path}", entry.md5) for entry in entries)


def _is_code(path: str, within: str) -> bool:
    """Whether a file, or what a folder of this name holds, is taken from its place.

    `within`: how much of the path has no name with a dot before it, but of code.
    """
    folder, _, last = path.rpartition("/")
    above = objects.plain(posixpath.basename(folder)).lstrip(".")
    last = objects.plain(last)
    name = last.lstrip(".")
    if name.endswith(".yml"):
        name = f"{name[:-4]}.yaml"
    stem = name.partition(".")[0]
    return (
        posixpath.splitext(last)[1] in _PROGRAMS
        or ".so." in last
        or not _SETTINGS.isdisjoint((name, f"{above}/{name}"))
        or not _TOOLS.isdisjoint((stem, f"{above}/{stem}"))
        or last in _FOLDERS
        or last.endswith((*_METADATA, ".tf.json", ".tofu.json", ".tfvars.json"))
        or _is_place(folder)
        or _is_dotted(within)
    )


@lru_cache(maxsize=1 << 12)  # one is asked of for each of its files
def _is_place(folder: str) -> bool:
    parts = map(objects.plain, folder.split("/"))
    return any(part in _FOLDERS or part.endswith(_METADATA) for part in parts)


@lru_cache(maxsize=1 << 12)
def _is_dotted(path: str) -> bool:
    return any(objects.plain(part).startswith(".") for part in path.split("/"))


def _is_doctest(path: str, md5: Md5, cache: CacheConfig | None) -> bool:
    """Whether pytest, asked for nothing more, runs what a text holds: it does after a prompt.

    One anywhere is enough: what begins a line, and which blanks may be before it, is Python's.
    """
    name = objects.plain(posixpath.basename(path))
    if cache is None or not (md5 and name.startswith("test") and name.endswith(".txt")):
        return False
    try:
        with open(object_file(cache, md5), "rb") as file:  # noqa: PTH123  text
            seen = b""
            for piece in iter(partial(file.read, BLOCK), b""):
                seen = seen[1 - len(_PROMPT) :] + piece  # a border may part a prompt
                if _PROMPT in seen:
                    return True
    except OSError:  # it is not here, or is a folder, and nothing of it is brought
        pass
    return False
