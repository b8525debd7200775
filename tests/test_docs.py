"""The documentation says what the program does."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.commands import COMMANDS
from gitexp.model.plan import Verdict

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(
    path
    for folder in ("", "docs", "docs/decisions", "docs/formats", "examples/churn", "benchmarks")
    for path in (ROOT / folder).glob("*.md")
)


def generator() -> ModuleType:
    """Import docs/generate.py, which lies outside every package."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands_of(script: str) -> list[list[str]]:
    """Return the gitexp command lines in a shell text, continuation lines joined."""
    lines = script.replace("\\\n", " ").splitlines()
    found = [
        match[1] for line in lines if (match := re.match(r"\s*(?:\$ |step )?(gitexp \w.*)", line))
    ]
    return [shlex.split(line, comments=True) for line in found]


def test_generated_pages_are_as_the_program_would_write_them_now() -> None:
    for name, page in generator().PAGES.items():
        written = (ROOT / "docs" / name).read_text(encoding="utf-8")
        assert written == page(), f"docs/{name} is stale: make docs"


def test_no_two_errors_share_an_id() -> None:
    ids = [error.id for error in generator().error_classes()]
    assert sorted(ids) == sorted(set(ids))


def test_every_exit_code_of_an_error_is_in_the_table() -> None:
    page = generator()
    assert {error.exit_code for error in page.error_classes()} <= {code for code, _ in page.CODES}


def test_the_readme_names_every_command_and_no_other() -> None:
    named = {line[1] for line in commands_of(README)}
    spans = re.findall(r"`([^`\n]+)`", README)
    words = {word for span in spans for word in span.split()} | named
    visible = {command.name for command in COMMANDS if not command.hidden}
    assert visible - words == set()
    assert named <= visible


def test_the_readme_shows_what_the_demo_types() -> None:
    block = README.split("```console\n")[1].split("```")[0]
    demo = (ROOT / "scripts" / "demo.sh").read_text(encoding="utf-8")
    typed = [line for line in commands_of(demo) if "html" not in line]
    typed = [line[: line.index(">$verdict")] if ">$verdict" in line else line for line in typed]
    assert [line[:3] for line in commands_of(block)] == [line[:3] for line in typed][:4]
    assert commands_of(block)[:3] == typed[:3]


def test_the_glossary_has_every_verdict() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = set(re.findall(r"^\| \**([a-z -]+?)\** \|", glossary, re.MULTILINE))
    assert {verdict.value for verdict in Verdict} <= words


def test_the_readme_explains_the_words_that_the_glossary_marks() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    marked = set(re.findall(r"^\| \*\*([a-z]+)\*\* \|", glossary, re.MULTILINE))
    table = README.split("## Seven words")[1].split("##")[0]
    assert marked == set(re.findall(r"^\| ([a-z]+) \|", table, re.MULTILINE)) - {"word"}


def test_the_architecture_page_names_every_room() -> None:
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = {path.parent.name for path in (ROOT / "gitexp").glob("*/__init__.py")}
    drawn = set(
        re.findall(r"^    (?:verbs|judgement|ground)? +([a-z]+)(?: |$)", page, re.MULTILINE)
    )
    assert rooms - drawn == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []
