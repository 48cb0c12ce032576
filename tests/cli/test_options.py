"""What commands take for given."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podium.cli import options


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").mkdir()
    path = tmp_path / "examples" / "playbook.json"
    path.write_text("{}")
    return path


@pytest.fixture
def models(document: Path) -> Path:
    path = document.with_name("models.yaml")
    path.write_text("models: []")
    return path


def test_a_models_file_beside_the_document_is_taken(document, models):
    assert options.settings(document).models == models
    assert options.settings(Path("examples/playbook.json")).models == models
    assert options.settings().models is None


def test_there_need_not_be_one(document):
    assert options.settings(document).models is None


def test_one_that_is_named_goes_first(document, models, tmp_path, monkeypatch):
    other = tmp_path / "other.yaml"
    other.write_text("models: []")
    assert options.settings(document, models=other).models == other
    monkeypatch.setenv("PODIUM_MODELS", str(other))
    assert options.settings(document).models == other


def test_one_that_everybody_can_write_is_not(document, models, capsys):
    models.chmod(0o666)
    assert options.settings(document).models is None
    assert "Name it with --models" in capsys.readouterr().err.replace("\n", " ")


def test_one_of_another_user_is_not(document, models, capsys, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: models.stat().st_uid + 1)
    assert options.settings(document).models is None
    assert "is not used" in capsys.readouterr().err.replace("\n", " ")
