"""Settings changed in place: what was asked for, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitexp.errors import BadFormatError
from gitexp.model.config import ProjectConfig, SeedRule
from gitexp.records import config
from gitexp.records.configedit import update
from gitexp.text.paramkeys import param_key
from gitexp.text.yamltext import yaml_loads
from gitexp.text.yamlwrite import yaml_dumps
from tests.records import strategies

BLOCKS = b"""\
# ours
$schema: gitexp/config@1
pipeline:
  file: dvc.yaml
  targets: [train]   # not the rest
metrics:
  # which way
  directions: {f1: max}
  files:
  - a.json
  - b.json  # the second

seed:
  param: train.seed

# last
outputs:
- model.bin
"""
NEW = ProjectConfig(pipeline="dvc.yaml", targets=("train",), metrics=("a.json", "b.json"),
                    directions=config.load(BLOCKS, "c").directions, outputs=("model.bin",),
                    seed=SeedRule((param_key("train.seed"),)))  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.configs, strategies.configs, st.booleans())
def test_whatever_was_said_and_is_asked_for(
    old: ProjectConfig,
    asked: ProjectConfig,
    as_blocks: bool,  # noqa: FBT001
) -> None:
    names = ("project", "pipeline", "targets", "command", "params", "metrics", "outputs",
             "predictions", "seed", "python")  # fmt: skip
    new = replace(old, **{name: getattr(asked, name) for name in names})
    data = config.dump_template(old)
    if as_blocks:
        data = yaml_dumps(yaml_loads(data, where="c"))
    assert config.load(update(data, "c", new), "c") == new
    assert update(data, "c", old) == data


@pytest.mark.parametrize(
    ("new", "gone", "come"),
    [
        (replace(NEW, metrics=("c.json",)), "\n  - a.json\n  - b.json", " [c.json]"),
        (replace(NEW, outputs=()), "\n- model.bin", " []"),
        (
            replace(NEW, seed=SeedRule(fixed=(param_key("a"),))),
            "\n  param: train.seed", ' {"fixed": [a]}',
        ),
        (replace(NEW, python="py"), "- model.bin\n", "- model.bin\npython: py\n"),
    ],
)  # fmt: skip
def test_a_block_is_exchanged_and_its_comments_stay(
    new: ProjectConfig, gone: str, come: str
) -> None:
    text = BLOCKS.decode()
    assert text.count(gone) == 1
    assert update(BLOCKS, "c", new).decode() == text.replace(gone, come)


def test_what_cannot_be_exchanged_is_said_with_what_to_write() -> None:
    data = b"$schema: gitexp/config@1\nseed: # why\n  param: a\n"
    with pytest.raises(BadFormatError) as caught:
        update(data, "c", ProjectConfig(seed=SeedRule((param_key("b"),))))
    assert caught.value.next_step == 'change them by hand: seed: {"param": b}'
