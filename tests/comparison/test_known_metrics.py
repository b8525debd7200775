"""Which metrics a state is known to report, where a file of them is none to be read."""

from __future__ import annotations

import os
from threading import Thread
from typing import TYPE_CHECKING

from gitexp.comparison.known_metrics import known_metrics
from gitexp.git import repository
from gitexp.model.config import ProjectConfig

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo


def test_a_pipe_in_the_place_of_a_metrics_file_is_not_waited_for(repo: BuiltRepo) -> None:
    commit = repo.commit({"train.py": "pass", ".gitignore": "*.json"})
    config = ProjectConfig(command="python train.py", metrics=("a.json", "m.json"))
    repo.write({"a.json": '{"auc": 1}'})
    pipe = repo.path / "m.json"
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_text, args=('{"f1": 1}',), daemon=True)
    writer.start()  # it waits for whoever reads: without it, a reader would wait for ever
    found = known_metrics(repository.open_repository(repo.workspace), commit, config)
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # lets it go
    writer.join()
    os.close(end)
    assert found.names == {"auc"}
    assert found.unread == ("m.json",)


def test_a_link_that_leads_outside_tells_no_names(repo: BuiltRepo, tmp_path: Path) -> None:
    config = ProjectConfig(command="python train.py", metrics=("m.json", "n.json"))
    (tmp_path / "m.json").write_text('{"secret": 1}', encoding="utf-8")
    repo.write({"inside.json": '{"auc": 1}'})
    (repo.path / "m.json").symlink_to(tmp_path / "m.json")
    (repo.path / "n.json").symlink_to("inside.json")
    repo.git("add", "--all")
    commit = repo.commit(message="links")
    found = known_metrics(repository.open_repository(repo.workspace), commit, config)
    assert found.names == {"auc"}
