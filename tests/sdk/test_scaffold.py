"""`podium new service`: what is made works as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from podium.sdk.scaffold import ScaffoldRefused, create


@pytest.mark.parametrize("name", ["pv", "my-panels_2"])
def test_a_new_service_passes_its_own_test(tmp_path: Path, name: str) -> None:
    made = create("service", name, tmp_path)
    module = name.replace("-", "_")
    expected = {
        f"{module}.py",
        f"test_{module}.py",
        "models.yaml",
        "simulation.json",
        "energy_system.esdl",
        "README.md",
    }
    assert {path.relative_to(tmp_path / name).as_posix() for path in made} == expected
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."],
        cwd=tmp_path / name,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert "2 passed" in run.stdout
    (entry,) = yaml.safe_load((tmp_path / name / "models.yaml").read_text())["models"]
    assert (tmp_path / name / entry["command"][1]).is_file()


@pytest.mark.parametrize("name", ["", "PV", "1st", "a b", "../up", "a/b", "class", "json", "podium", "a-", "x" * 41])
def test_names_that_cannot_work_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ScaffoldRefused):
        create("service", name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "pv" / "pv.py"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(ScaffoldRefused, match="exists already"):
        create("service", "pv", tmp_path)
    assert [path.name for path in mine.parent.iterdir()] == ["pv.py"]
    assert mine.read_text() == "mine"


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScaffoldRefused, match="there are: service"):
        create("brick", "pv", tmp_path)
