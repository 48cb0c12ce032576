"""Graphs of jobs, and what befalls Podium and the services they call."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
import yaml

from podium.runs.failpoints import VARIABLE
from tests.cli.terminal import Terminal
from tests.e2e.harness import serving

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SUM = """
import json, os
inputs = json.load(open(os.environ["PODIUM_INPUTS"]))["inputs"]
json.dump(sum(inputs["rows"]["rows"]), open(os.environ["PODIUM_RESULT"], "w"))
"""


def models(directory: Path) -> Path:
    """A models file with one that writes rows, and one that adds up those of the job before it."""
    rows = "import json, os; json.dump({'rows': [1, 2, 4]}, open(os.environ['PODIUM_RESULT'], 'w'))"
    entries = [
        {"image": image, "command": [sys.executable, "-c", code]} for image, code in (("rows:1", rows), ("sum:1", SUM))
    ]
    path = directory / "models.yaml"
    path.write_text(yaml.safe_dump({"models": entries}))
    return path


@pytest.mark.parametrize("place", ["container.before_inputs", "container.after_inputs"])
async def test_a_container_has_its_inputs_though_podium_was_killed_while_it_wrote_them(
    tmp_path: Path, place: str
) -> None:
    jobs = {"rows": {"container": {"image": "rows:1"}}, "sum": {"after": "rows", "container": {"image": "sum:1"}}}
    async with serving(tmp_path, models(tmp_path), **{VARIABLE: f"{place}=kill@2"}) as podium:
        submitted = await podium.http.post("/api/v1/runs", json={"jobs": jobs})
        assert submitted.status_code == 201, submitted.text
        run = submitted.json()["id"]
        assert await podium.ending() == -signal.SIGKILL
        del podium.env[VARIABLE]
        await podium.start()
        ended = await podium.ended(run)
        assert ended["state"] == "succeeded", ended
        job = (await podium.http.get(f"/api/v1/runs/{run}/jobs/sum")).json()
        assert job["result"] == 7


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A package with a kind of job that raises when it is imported."""
    site = tmp_path / "site"
    about = site / "strange_kinds-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-kinds\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[podium.jobs]\nstrange = strange_kinds:Kind\n")
    (site / "strange_kinds.py").write_text("raise RuntimeError('no licence')\n")
    return site


async def test_a_kind_of_another_package_that_is_broken_stops_nothing_else(tmp_path: Path, site: Path) -> None:
    why = "the kind 'strange' of the package strange-kinds cannot be loaded: RuntimeError: no licence"
    terminal = Terminal(tmp_path)
    (tmp_path / "graph.yaml").write_text("jobs: {a: {strange: {}}}")
    refused = await terminal("validate", "graph.yaml", PYTHONPATH=str(site))
    assert refused.code == 2
    assert f"jobs.a.strange: {why}" in refused.err
    async with serving(tmp_path, None, PYTHONPATH=str(site)) as podium:
        await podium.logged("jobs.kind_broken")
        answer = await podium.http.post("/api/v1/runs", json={"jobs": {"a": {"strange": {}}}})
        assert answer.status_code == 422
        assert why in answer.text
        good = {"jobs": {"a": {"message": {"publish": {"topic": "done"}}}}}
        submitted = await podium.http.post("/api/v1/runs", json=good)
        assert (await podium.ended(submitted.json()["id"]))["state"] == "succeeded"
