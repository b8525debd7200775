"""The page on scale is written by what it says it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from benchmarks.scale import COMMANDS, Axis, Size, build, draw, measure, page

if TYPE_CHECKING:
    from pathlib import Path

SIZE = Size(branches=3, runs=2, commits=2, files=3)


@pytest.mark.slow
def test_the_page_on_scale_has_every_command_and_two_plots_for_each_way_to_grow(
    tmp_path: Path,
) -> None:
    measured = measure(build(tmp_path / "r", SIZE), SIZE, 1)
    axis = Axis("runs", "runs", "runs", lambda size: size.all_runs, [measured])
    draw(axis, tmp_path)
    text = page([axis], measured, [])
    for command in COMMANDS:
        assert text.count(f"| `{command}` |") == 2, command
    pictures = re.findall(r"\(images/(scale-[a-z]+-[a-z]+\.svg)\)", text)
    assert len(pictures) == 2
    for picture in pictures:
        assert ET.parse(tmp_path / picture).getroot().tag.endswith("svg")  # noqa: S314  our own
