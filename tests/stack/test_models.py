"""What is left of models where nobody looks after them."""

from __future__ import annotations

from pathlib import Path

import pytest

from podium.backplane.folder import ModelFolder
from podium.backplane.port import ModelSpec
from podium.stack import models
from podium.stack.home import Home
from podium.stack.logbook import LogBook


@pytest.mark.parametrize(("tail", "expected"), [(None, "1\n2\n3\n"), (0, ""), (2, "2\n3\n"), (9, "1\n2\n3\n")])
async def test_the_last_lines_of_a_log(tmp_path: Path, tail: int | None, expected: str) -> None:
    home = Home(tmp_path)
    folder = ModelFolder(tmp_path / models.MODELS / "pv-1")
    folder.path.mkdir(parents=True)
    folder.fill(ModelSpec("pv-1", "pv:1", labels={models.OF_RUN: "a", models.OF_MODEL: "pv"}), 0.0)
    (folder.path / "output-000.log").write_text("1\n2\n3\n")
    book = LogBook(tmp_path / "logs")
    assert await models.logs_left(home, book, "a", tail) == {"pv": expected}
    assert await models.logs_left(home, book, "other", tail) == {}
    book.close()
