"""Names with capitals: as posted in the rows of the platform's own database, in lower case everywhere else."""

from __future__ import annotations

from typing import Any

from podium.runs.events import RunState
from tests.dialects.diastema.house import House
from tests.dialects.diastema.playbooks import ingestion, job, playbook
from tests.parts.diastema_services import FEATURES, Platform


def book(**changes: Any) -> dict[str, Any]:
    shown = job(5, "visualization", 3, label="My Plot")
    ends = [job(3, "classification", 2, [4, 5], column="Length"), job(4, "data-sink", 3), shown]
    jobs = [job(1, "dataset", 0, [2], label="Ships"), job(2, "cleaning", 1, [3]), *ends]
    return playbook(*jobs, **{"analysis-id": "A1F", "database-id": "Metis", **changes})


async def test_rows_that_other_programs_have_made_are_completed(anywhere: tuple[House, Platform]) -> None:
    made, platform = anywhere
    dataset = {"organization": "Metis", "user": "Anna", "label": "Ships"}
    pipeline = {"analysisid": "A1F"}
    await made.documents.put("UIDB", "datasets", dataset, {**dataset, "requestData": {"url": "x"}})
    await made.documents.put("UIDB", "pipelines", pipeline, {**pipeline, "label": "mine", "status": "running"})

    run = await made.ended(await made.post("/ingestion", ingestion()))
    assert run.state is RunState.SUCCEEDED, run.error
    [row] = await made.documents.find("UIDB", "datasets")
    assert row == {**dataset, "requestData": {"url": "x"}, "features": FEATURES}

    answer = await made.post("/analysis/validate", book())
    assert (answer.status_code, answer.json()["reasons"]) == (200, [])
    run = await made.analysed(book())
    assert run.state is RunState.SUCCEEDED, run.error
    [row] = await made.documents.find("UIDB", "pipelines")
    assert (row["label"], row["status"]) == ("mine", "completed")
    assert row["visualization"] == {"My Plot": ["diastemaviz/job-3/plot.html"]}

    assert platform.bodies("data-cleaning")[0]["minio-input"] == "metis/datasets/ships"
    assert platform.bodies("data-cleaning")[0]["analysis-id"] == "a1f"
    records = await made.documents.find("metis", "analysis_a1f")
    assert {one["analysis-id"] for one in records if "analysis-id" in one} == {"a1f"}
    assert len(records) == 4

    platform.errors["job-2"] = "no rows are left"
    assert (await made.analysed(book())).state is RunState.FAILED
    [row] = await made.documents.find("UIDB", "pipelines")
    assert (row["label"], row["status"], row["visualization"]) == ("mine", "failed", {})


async def test_a_dataset_is_known_by_its_name_in_lower_case_too(at_home: House) -> None:
    await at_home.ended(
        await at_home.post("/ingestion", ingestion(**{"database-id": "metis", "dataset-label": "ships"}))
    )
    assert (await at_home.post("/analysis/validate", book())).status_code == 200
    wrong = book()
    wrong["jobs"][2]["column"] = "Depth"
    answer = await at_home.post("/analysis/validate", wrong)
    assert (answer.status_code, answer.json()["reasons"][0]["where"]) == (409, "jobs[2] (step 3).column")
