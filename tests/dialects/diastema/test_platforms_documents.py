"""The playbook and the ingestion that the platform itself ships, where they are at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from podium.runs.events import RunState
from tests.dialects.diastema.house import House
from tests.dialects.diastema.playbooks import KEY
from tests.parts.diastema_services import FEATURES, Platform

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
ROOT = "metis/analysis-039ff178fb8a5"


def document(name: str) -> dict[str, Any]:
    if not (DATA / name).exists():
        pytest.skip(f"needs {name}: it is not beside this repository")
    given: dict[str, Any] = json.loads((DATA / name).read_text())
    return {**given, "diastema-token": KEY}


async def test_the_join_of_ships_and_boats(anywhere: tuple[House, Platform]) -> None:
    made, platform = anywhere
    run = await made.analysed(document("diastema-join.json"))
    assert run.state is RunState.SUCCEEDED, run.error
    assert sorted(one["job-id"] for one in platform.bodies("data-cleaning")) == ["1634599632387", "1634599632388"]
    assert platform.bodies("join") == [
        {
            "job-id": "1634599632348",
            "column": "id",
            "type": "inner",
            "inputs": [f"{ROOT}/cleaned-3", f"{ROOT}/cleaned-4"],
            "output": f"{ROOT}/joined-5",
            "analysis-id": "039ff178fb8a5",
        }
    ]
    [message] = platform.bodies("analytics")
    assert (message["algorithm"], message["minio-output"]) == ("logisticregression", f"{ROOT}/classified-6")
    assert platform.bodies("data-sink") == [{"key": "metis", "data": {"key": "metis", "data": "1634599633250"}}]
    folders = ["classified-6", "cleaned-3", "cleaned-4", "joined-5"]
    assert await made.artifacts.list(ROOT) == [f"{ROOT}/{folder}/part-0.csv" for folder in folders]
    records = await made.documents.find("metis", "analysis_039ff178fb8a5")
    assert sorted(one["minio-path"] for one in records if "minio-path" in one) == [f"{ROOT}/{one}" for one in folders]
    assert [one["metadata"] for one in records if "metadata" in one] == [["this", "could", "be", "JSON"]]
    assert platform.told[-1] == {"message": "update", "update": "Analysis completed with ID: 039ff178fb8a5"}


async def test_the_ingestion_of_ships(anywhere: tuple[House, Platform]) -> None:
    made, platform = anywhere
    given = document("diastema-ingestion.json")
    run = await made.ended(await made.post("/ingestion", given))
    assert run.state is RunState.SUCCEEDED, run.error
    body = {"minio-output": "metis/datasets/ships", "job-id": "a82ea98423683"}
    assert platform.bodies("data-ingesting") == [{**body, "ingestion_json": given["ingestion_json"]}]
    assert await made.artifacts.list("metis") == ["metis/datasets/ships/part-0.csv"]
    about = {"organization": "metis", "user": "panagiotis", "label": "ships"}
    assert await made.documents.find("UIDB", "datasets") == [{**about, "features": FEATURES}]
