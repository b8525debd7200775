"""`gitexp check` from the command line: what it says, and when it exits 1."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.lab.records import CONFIG, Lab
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    """A project on main."""
    found = Lab(repo)
    found.init(replace(CONFIG, params=(), git_file_limit_bytes=10))
    return found


def test_a_broken_rule_is_named_with_what_to_type_next_and_exits_1(lab: Lab) -> None:
    lab.repo.switch("exp/wild", create=True)
    lab.repo.commit({"\x1b[31m.bin": "more than ten bytes"}, at=5)
    done = gitexp(lab.repo, "check")
    assert done.code == 1
    assert done.out.startswith("1 error and 1 warning in 1 commit on exp/wild\n")
    assert "error[R1]: exp/wild has no plan" in done.out
    assert "gitexp new wild --here" in done.out
    assert "\x1b" not in done.out
    assert gitexp(lab.repo, "check", "--fail-on", "never").code == 0
    value = gitexp(lab.repo, "check", "--json").json
    assert [item["rule"] for item in value["violations"]] == ["R1", "R5"]  # type: ignore[attr-defined, index]


def test_a_warning_exits_1_only_where_that_was_asked_for(lab: Lab) -> None:
    lab.plan()
    lab.repo.commit({"a.bin": "more than ten bytes"}, at=5)
    assert gitexp(lab.repo, "check").code == 0
    assert gitexp(lab.repo, "check", "--fail-on", "warn").code == 1
    assert gitexp(lab.repo, "check", "HEAD~1", "--fail-on", "warn").code == 0


def test_where_all_is_well_it_says_how_sure_the_order_is(lab: Lab) -> None:
    plan = lab.plan()
    lab.record("c", {"f1": {0: 0.5}}, plan=plan)
    done = gitexp(lab.repo, "check")
    assert done.code == 0
    assert done.out.startswith("nothing is broken in 2 commits on exp/deep\n")
    assert "order history: by ancestry alone" in done.out
