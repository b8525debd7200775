"""R5 at its edges: the exact limit, links, pointers of other tools, and gitexp's own folder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.git.transaction import layout
from gitexp.model.ids import RunId
from gitexp.records import config as config_format
from tests.lab.records import CONFIG, Lab
from tests.rules.world import World

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

LIMIT = 1000
LARGE = b"x" * (LIMIT + 1)
SAMPLES = layout.samples_csv(RunId("c" * 16))
LFS = (
    "version https://git-lfs.github.com/spec/v1\n"
    f"oid sha256:{'0' * 64}\nsize 12345678901\n"
)  # fmt: skip


@pytest.fixture
def world(repo: BuiltRepo) -> World:
    lab = Lab(repo)
    lab.init(replace(CONFIG, params=(), git_file_limit_bytes=LIMIT))
    return World(lab)


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("a.bin", LARGE[1:], False),
        ("a.bin", LARGE, True),
        ("a.bin", LFS, False),
        (".gitexp/models/a.bin", LARGE, True),
        (SAMPLES.replace("samples.csv", "model.bin"), LARGE, True),
        (SAMPLES, LARGE, False),  # R3 and the format have a limit for it
        (layout.conclusion_path("deep"), LARGE, False),
        (layout.conclusion_path("deep").replace(".yaml", ".bin"), LARGE, True),
    ],
)
def test_a_large_file_belongs_to_dvc_unless_it_is_a_record(
    world: World, path: str, content: bytes | str, said: bool  # noqa: FBT001
) -> None:  # fmt: skip
    found = [where for rule, where, _ in world.judge({path: content}) if rule == "R5"]
    assert found == ([path] if said else [])


def test_a_link_to_a_large_file_is_small(world: World) -> None:
    target = world.repo.path.parent / "outside.bin"
    target.write_bytes(LARGE)
    (world.repo.path / "a.bin").symlink_to(target)
    world.repo.git("add", "--all")
    assert world.judge_staged() == []


def test_the_limit_is_that_of_5_mib_where_none_is_set(world: World) -> None:
    config = config_format.dump_template(replace(CONFIG, params=()))
    world.repo.commit({layout.CONFIG: config}, at=50)
    assert world.judge({"a.bin": bytes(5 << 20)}) == []
    ((rule, _, message),) = world.judge({"a.bin": bytes((5 << 20) + 1)})
    assert rule == "R5"
    assert "takes files of 5 MiB" in message


def test_what_a_template_leaves_to_git_is_not_said_to_be_tracked_by_dvc(world: World) -> None:
    out = "outs: [{hash: md5, md5: %s, path: %%s, size: 1}]" % ("0" * 32)
    names = ("m_a.json", "t_a.json", "d_a.json", "gone.json")
    outs = ", ".join(out[7:-1] % name for name in names[:3])
    lock = f"schema: '2.0'\nstages:\n  ev@a: {{cmd: x, outs: [{outs}]}}\n"
    lock += f"  old: {{cmd: x, {out % names[3]}}}\n"
    pipeline = """\
stages:
  ev:
    foreach: ${sets}
    do:
      cmd: python ev.py ${item}
      metrics: ["${d}/m_${item}.json": {cache: false}]
      outs: ["t_${item}.json": {cache: "${keep}"}, "d_${item}.json"]
"""
    world.repo.commit({"dvc.yaml": pipeline, "dvc.lock": lock}, at=50)
    found = [where for rule, where, _ in world.judge(dict.fromkeys(names, "1")) if rule == "R5"]
    assert found == ["d_a.json"]
