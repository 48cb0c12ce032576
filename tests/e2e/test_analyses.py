"""Analyses on the whole of Podium: the field's routes of `podium serve`, and the words of the terminal."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from podium.stores.artifacts_directory import DirectoryArtifacts
from tests.cli.terminal import Terminal
from tests.dialects.diastema.house import into
from tests.dialects.diastema.playbooks import KEY, job, playbook
from tests.parts.diastema_services import Platform, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest_asyncio.fixture
async def podium(tmp_path: Path) -> AsyncIterator[Terminal]:
    terminal = Terminal(tmp_path)
    with running(into(tmp_path / ".podium" / "artifacts")) as platform:
        terminal.env |= {
            "PODIUM_DIASTEMA_KEY": KEY,
            "PODIUM_DIASTEMA_SERVICES": platform.url,
            "PODIUM_DIASTEMA_ANALYTICS": platform.analytics_url,
            "PODIUM_DIASTEMA_FRONTEND": platform.url,
        }
        terminal.platform = platform  # type: ignore[attr-defined]
        yield terminal
        await terminal("stop", "--all")


def cleaned(title: str) -> dict[str, object]:
    ends = [job(3, title, 2, [4], params={"depth": 2}), job(4, "data-sink", 3)]
    return playbook(job(1, "dataset", 0, [2]), job(2, "cleaning", 1, [3]), *ends)


async def test_a_playbook_comes_over_http_and_its_records_are_read(podium: Terminal) -> None:
    platform: Platform = podium.platform  # type: ignore[attr-defined]
    serving = await podium.start("serve", "--port", "0", PODIUM_PASSWORD="secret")
    assert serving.stdout is not None
    page = (await serving.stdout.readline()).decode().split()[1].partition("#")[0]
    async with httpx.AsyncClient(base_url=page, timeout=60) as http:
        refused = await http.post("/analysis", json={**cleaned("clustering"), "diastema-token": "guess"})
        assert (refused.status_code, refused.json()["detail"]) == (401, "the token is wrong")
        accepted = await http.post("/analysis", json=cleaned("clustering"))
        assert accepted.status_code == 202, accepted.text
        form = {"username": "DotsUser", "password": "secret"}
        token = (await http.post("/api/v1/simulation/token", data=form)).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        run = accepted.json()["id"]
        async with http.stream("GET", f"/api/v1/runs/{run}/events") as events:
            async for _ in events.aiter_lines():
                pass  # until the run has ended
        status = (await http.get("/analysis/a1f")).json()
        assert (status["id"], status["state"]) == (run, "succeeded")
        records = (await http.get("/diastema/documents/metis/analysis_a1f")).json()
    assert [one.get("minio-path") for one in records[:2]] == [
        "metis/analysis-a1f/cleaned-2",
        "metis/analysis-a1f/clustered-3",
    ]
    [message] = platform.bodies("analytics")
    assert message["params"] == {"depth": 2}  # there is no MongoDB that it could read them from
    assert message["artifacts"] == (podium.directory / ".podium" / "artifacts").as_uri()
    assert message["minio-host"] == message["mongo-host"] == ""
    assert (await podium("stop")).code == 0
    await podium.end(serving)


async def test_a_playbook_is_run_and_looked_at_from_the_terminal(podium: Terminal) -> None:
    (podium.directory / "playbook.json").write_text(json.dumps(cleaned("regression")))
    ended = await podium("run", "playbook.json", "--json")
    assert ended.code == 0, ended.err
    assert (ended.json["state"], ended.json["kind"]) == ("succeeded", "diastema.analysis")
    found = await DirectoryArtifacts(podium.directory / ".podium" / "artifacts").list("metis")
    assert [path.rpartition("/")[0] for path in found] == [
        "metis/analysis-a1f/cleaned-2",
        "metis/analysis-a1f/regressed-3",
    ]
    assert "job 2 cleaning succeeded" in ended.err
    assert " .podium/artifacts/metis/analysis-a1f\n" in ended.err
    assert f"podium results {ended.json['id']} --artifacts DIRECTORY" in ended.err
    listed = await podium("results", "last")
    assert "2 cleaning     cleaned-data     metis/analysis-a1f/cleaned-2/" in listed.out
    saved = await podium("results", "last", "--artifacts", "mine")
    assert saved.code == 0, saved.err
    assert sorted(path.parent.name for path in (podium.directory / "mine" / "metis").rglob("*.*")) == [
        "cleaned-2",
        "regressed-3",
    ]
    assert (podium.directory / "mine/metis/analysis-a1f/regressed-3/part-0.csv").read_bytes() == b"id,prediction\n1,1\n"
    looked = await podium("validate", "playbook.json")
    assert looked.code == 0, looked.err
    assert "could be better: jobs[0] (step 1).label: nothing is known of this dataset" in looked.err + looked.out
    uncleaned = playbook(job(1, "dataset", 0, [2]), job(2, "visualization", 1))
    (podium.directory / "playbook.json").write_text(json.dumps(uncleaned))
    looked = await podium("validate", "playbook.json")
    assert looked.code == 2
    assert "jobs[1] (step 2).from: a visualization wants cleaned input, and step 1 gives none" in looked.err


async def test_a_file_with_a_name_that_nothing_can_name_spoils_nothing(podium: Terminal) -> None:
    """A service writes it into the directory by itself."""
    platform: Platform = podium.platform  # type: ignore[attr-defined]
    write = platform.write

    def writes(path: str, content: bytes) -> None:
        write(path, content)
        write(f"{path}\udcff", b"")

    platform.write = writes
    (podium.directory / "playbook.json").write_text(json.dumps(cleaned("regression")))
    ended = await podium("run", "playbook.json", "--json")
    assert (ended.code, ended.json["state"]) == (0, "succeeded"), ended.err
    saved = await podium("results", "last", "--artifacts", "mine")
    assert saved.code == 0, saved.err
    names = {path.name for path in (podium.directory / "mine").rglob("*") if path.is_file()}
    assert names == {"part-0.csv", "plot.html"}


SERVICE = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Takes(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Takes).serve_forever()
"""


async def test_a_run_is_made_again_with_the_models_file_beside_its_document(podium: Terminal) -> None:
    for name in ("SERVICES", "ANALYTICS"):
        del podium.env[f"PODIUM_DIASTEMA_{name}"]
    there = podium.directory / "there"
    there.mkdir()
    (there / "playbook.json").write_text(json.dumps(playbook(job(1, "dataset", 0, [2]), job(2, "data-sink", 1))))
    (there / "service.py").write_text(SERVICE)
    (there / "models.yaml").write_text("models: [{image: diastema/services, command: [python, service.py], cwd: .}]\n")
    ended = await podium("run", "there/playbook.json", "--json")
    assert ended.code == 0, ended.err
    again = await podium("restart", "last", "--from", "2", "--json")
    assert again.code == 0, again.err
    assert again.json["progress"]["counts"]["reused"] == 1
    thrice = await podium("restart", again.json["id"], "--from", "2", "--json")
    assert thrice.code == 0, thrice.err
    (there / "models.yaml").unlink()
    refused = await podium("restart", "last", "--from", "2")
    assert refused.code == 2
    assert "jobs[1] (step 2).title: nothing stands for the image 'diastema/services'" in refused.err


async def test_edits_that_make_no_playbook_are_refused_on_the_terminal(podium: Terminal) -> None:
    (podium.directory / "playbook.json").write_text(json.dumps(cleaned("regression")))
    await podium("run", "playbook.json")
    refused = await podium("restart", "last", "--edit", "3.title=nonsense", "--edit", '1.label=".."')
    assert refused.code == 2
    assert "jobs[2] (step 3).title: stays as it is when a playbook is run again" in refused.err
    refused = await podium("restart", "last", "--edit", '1.label=".."')
    assert (refused.code, "jobs[0] (step 1).label: '..' cannot be part of a path" in refused.err) == (2, True)
    listed = json.loads((await podium("status", "--json")).out)
    assert len(listed["runs"]) == 1
