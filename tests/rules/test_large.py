"""R5 at its edges: the exact limit, links, pointers of other tools, and gitexp's own folder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.enforcement.check import check
from gitexp.git.transaction import layout
from gitexp.model.ids import RunId
from gitexp.model.rules import Policy
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


@pytest.mark.parametrize("kind", ["outs", "metrics", "plots"])
@pytest.mark.parametrize("outputs", [("eval",), ("eval/a", "eval/b")])
@pytest.mark.parametrize("templated", [False, True])
def test_what_dvc_leaves_to_git_is_not_dvcs_whatever_the_settings_name(
    world: World, kind: str, outputs: tuple[str, ...], templated: bool  # noqa: FBT001
) -> None:  # fmt: skip
    """Of `cache: false`, that is; `init` names each output of a stage, and a run commits these."""
    config = replace(CONFIG, params=(), outputs=outputs)
    cmd = "x ${x}" if templated else "x"
    stages = f"stages: {{ev: {{cmd: '{cmd}', {kind}: [eval/a: {{cache: false}}]}}, "
    stages += "b: {cmd: x, outs: [eval/b]}}\nvars: [x: 1]\n"
    out = "{cmd: x, outs: [{hash: md5, md5: %s, path: %%s, size: 1}]}" % ("0" * 32)
    lock = f"schema: '2.0'\nstages: {{ev: {out % 'eval/a'}, b: {out % 'eval/b'}}}\n"
    settings = config_format.dump_template(config)
    world.repo.commit({layout.CONFIG: settings, "dvc.yaml": stages, "dvc.lock": lock}, at=50)
    found = world.judge({"eval/a": "1", "eval/b": "1"})
    assert [where for rule, where, _ in found if rule == "R5"] == ["eval/b"]


@pytest.mark.parametrize("how", ["by its remedy", "by dvc.yaml", "by the settings", "not"])
def test_data_in_git_are_said_until_the_last_commit_has_them_no_more(
    world: World, how: str
) -> None:
    """A branch with runs is not rewritten, so whatever it holds before has to have a way out."""
    lab, repo = world.lab, world.repo
    config = replace(CONFIG, params=(), rules={"R5": Policy.ERROR})
    template = config_format.dump_template(config)
    named = config_format.dump_template(replace(config, outputs=("b",)))
    stages = "stages: {ev: {cmd: x, outs: [a: {cache: %s}]}}"
    repo.commit({layout.CONFIG: template}, at=50)
    lab.plan()
    repo.commit({layout.CONFIG: named, "dvc.yaml": stages % "true", "a": "1", "b": "1"}, at=60)
    (_, b) = open_ = [item for item in check(repo.workspace).violations if item.rule == "R5"]
    assert {item.policy for item in open_} == {Policy.ERROR}
    assert b.next_step == "git rm --cached b, and commit it"
    if how == "by its remedy":
        repo.git("rm", "-q", "--cached", "a", "b")
    elif how == "by dvc.yaml":
        repo.write({"dvc.yaml": stages % "false"})
        repo.git("rm", "-q", "--cached", "b")
    elif how == "by the settings":
        repo.write({layout.CONFIG: template})
        repo.git("rm", "-q", "--cached", "a")
    repo.git("commit", "-q", "-a", "--allow-empty", "-m", "mended", at=70)
    left = [item for item in check(repo.workspace).violations if item.rule == "R5"]
    assert bool(left) is (how == "not")


def test_a_large_file_that_is_gone_is_in_the_history_and_refuses_nothing(world: World) -> None:
    config = replace(CONFIG, params=(), git_file_limit_bytes=LIMIT, rules={"R5": Policy.ERROR})
    world.repo.commit({layout.CONFIG: config_format.dump_template(config)}, at=50)
    world.lab.plan()
    world.repo.commit({"a.bin": LARGE}, at=60)
    (said,) = check(world.repo.workspace).violations
    assert said.policy is Policy.ERROR
    world.repo.git("rm", "-q", "--cached", "a.bin")
    world.repo.git("commit", "-q", "-m", "DVC's", at=70)
    (said,) = check(world.repo.workspace).violations
    assert (said.rule, said.policy) == ("R5", Policy.WARN)
    assert "its bytes are in the history" in said.message
