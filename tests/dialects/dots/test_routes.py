"""The field's routes on a real journal and conductor; only models and broker are played."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Header
from structlog.testing import capture_logs

from podium.dialects.dots.desk import Desk
from podium.dialects.dots.dialect import DotsDialect
from podium.dialects.dots.performer import ModelAccess
from podium.errors import DocumentRefused, NotAllowed
from podium.runs.conductor import Conductor
from podium.runs.events import Run
from podium.runs.journal import Journal
from podium.server import problems
from tests.dialects.dots.bodies import body, service
from tests.dialects.dots.buses import Written

PREFIX = "/api/v1/simulation"
ENDED = "(a) model(s) terminated with an error, the simulation has been terminated"


async def guard(authorization: str = Header("")) -> None:
    if authorization != "Bearer a-token":
        raise NotAllowed("this needs a token")


async def login(username: str, password: str) -> str:
    if (username, password) != ("DotsUser", "secret"):
        raise NotAllowed("wrong user name or password")
    return "a-token"


class House:
    """What the stack would put around the dialect."""

    def __init__(self, journal: Journal) -> None:
        self.bus = Written()
        self.journal = journal
        self.logs: list[tuple[str, str, str]] = []
        self.results: dict[str, str] = {}
        desk = Desk(
            submit=lambda submission: self.conductor.submit(submission),  # noqa: PLW0108  # made below
            cancel=lambda run: self.conductor.cancel(run),  # noqa: PLW0108
            run=journal.run,
            runs=journal.runs,
            document=journal.document,
            events=journal.events,
            export_csv=self._export,
            logs=self._logs,
            login=login,
        )
        self.dialect = DotsDialect(
            self.bus,
            lambda run, what: self.conductor.tell(run, what),  # noqa: PLW0108
            access=ModelAccess("broker", 1883),
            desk=desk,
            log_sink=lambda *line: self.logs.append(line),
            settle=0.0,
            check_image=self._check,
        )
        self.conductor = Conductor(journal, self.dialect.kinds)
        self.app = FastAPI()
        problems.install(self.app)
        self.app.include_router(self.dialect.routes(guard))

    def _check(self, image: str) -> None:
        if image == "unknown:1":
            raise DocumentRefused(f"nothing stands for the image {image!r}", hint="Add it to the models file")

    async def _export(self, run: str, directory: Path) -> Sequence[Path]:
        paths = []
        for name, text in self.results.items():
            paths.append(directory / name)
            paths[-1].write_text(text)
        return paths

    async def _logs(self, run: str, tail: int | None) -> Mapping[str, str]:
        return {model: text for name, model, text in self.logs if name == run}

    def mso(self, run: str, message: str, payload: bytes = b"") -> None:
        self.bus.bring(f"/lifecycle/mso/dots-so/{run}/{message}", payload)

    def model(self, run: str, model: str, message: str) -> None:
        self.bus.bring(f"/lifecycle/model/dots-so/{run}/{model}/{message}")

    async def ended(self, run: str) -> Run:
        return await self.conductor.wait(run)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    journal = Journal(f"sqlite:///{tmp_path / 'journal.db'}", owner="test")
    await journal.open()
    await journal.acquire()
    house = House(journal)
    await house.dialect.start()
    await house.conductor.start()
    yield house
    await house.conductor.close()
    await house.dialect.close()
    await journal.close()


@pytest.fixture
async def http(house: House) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=house.app)
    headers = {"Authorization": "Bearer a-token"}
    async with httpx.AsyncClient(transport=transport, base_url="http://podium", headers=headers) as client:
        yield client


async def started(http: httpx.AsyncClient, how: str = "start", **changes: Any) -> dict[str, Any]:
    answer = await http.post(f"{PREFIX}/{how}", json=body(**changes))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_token_is_had_for_the_password(http: httpx.AsyncClient) -> None:
    good = await http.post(f"{PREFIX}/token", data={"username": "DotsUser", "password": "secret"})
    assert (good.status_code, good.json()) == (200, {"access_token": "a-token", "token_type": "bearer"})
    unread = await http.post(f"{PREFIX}/token", json={"username": "DotsUser", "password": "secret"})
    assert unread.status_code == 422
    assert [fault["what"] for fault in unread.json()["errors"]] == ["is missing"] * 2
    assert "application/x-www-form-urlencoded" in unread.json()["hint"]
    bad = await http.post(f"{PREFIX}/token", data={"username": "DotsUser", "password": "guess"})
    assert bad.status_code == 401
    assert bad.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "start"),
        ("POST", "queue"),
        ("GET", ""),
        ("GET", "x"),
        ("DELETE", "x"),
        ("GET", "data/x"),
        ("GET", "logs/x"),
    ],
)
async def test_all_else_needs_the_token(http: httpx.AsyncClient, method: str, path: str) -> None:
    assert (await http.request(method, f"{PREFIX}/{path}", headers={"Authorization": ""})).status_code == 401


async def test_start_answers_with_the_status(http: httpx.AsyncClient) -> None:
    status = await started(http)
    simulation = status.pop("simulation_id")
    assert simulation.startswith("two-services-")
    assert status.pop("simulation_status") == "all models registered"
    assert status.pop("calculation_start_datetime").endswith("Z")
    assert status.pop("calculation_duration").startswith("PT")
    assert status.pop("calculation_end_datetime") is None
    posted = body()
    assert {key: status[key] for key in posted} == posted


async def test_the_same_key_gives_the_same_simulation(http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "mine"}
    first, again = [await http.post(f"{PREFIX}/start", json=body(), headers=headers) for _ in range(2)]
    assert first.json()["simulation_id"] == again.json()["simulation_id"]
    other = await http.post(f"{PREFIX}/start", json=body(nr_of_time_steps=3), headers=headers)
    assert other.status_code == 409


async def test_a_status_tells_how_far_it_is(house: House, http: httpx.AsyncClient) -> None:
    services = [service()]
    status = await started(http, calculation_services=services, nr_of_time_steps=2)
    run, model = status["simulation_id"], "pv-service-1"

    async def text() -> str:
        return str((await http.get(f"{PREFIX}/{run}")).json()["simulation_status"])

    await house.bus.until("DeployModels")
    house.mso(run, "ModelsReady")
    await house.bus.until("ModelParameters")
    assert await text() == "all models deployed"
    house.model(run, model, "Parameterized")
    await house.bus.until("NewStep")
    assert await text() == "Calculating time step 1 (of 2)"
    house.model(run, model, "CalculationsDone")
    await house.bus.until("NewStep")
    assert await text() == "Calculating time step 2 (of 2)"
    house.model(run, model, "CalculationsDone")
    await house.bus.until("SimulationDone")
    assert await text() == "finished calculation step"
    house.mso(run, f"{model}/ModelHasTerminated")
    house.mso(run, "AllModelsHaveTerminated")
    await house.ended(run)
    ended = (await http.get(f"{PREFIX}/{run}")).json()
    assert ended["simulation_status"] == "the simulation terminated successfully"
    assert ended["calculation_end_datetime"] is not None
    listed = (await http.get(f"{PREFIX}/")).json()["simulations"]
    assert [(one["simulation_id"], one["esdl_base64string"]) for one in listed] == [(run, "omitted")]
    assert {**listed[0], "esdl_base64string": body()["esdl_base64string"]} == ended


async def test_a_failure_is_told_with_its_reason(house: House, http: httpx.AsyncClient) -> None:
    run = (await started(http))["simulation_id"]
    await house.bus.until("DeployModels")
    house.mso(run, "pv-service-1/ModelHasTerminated", bytes.fromhex("08011003"))
    house.mso(run, "AllModelsHaveTerminated")
    await house.ended(run)
    text = (await http.get(f"{PREFIX}/{run}")).json()["simulation_status"]
    assert text == f"{ENDED}: model pv-service-1 ended with exit code 3 before all models were ready"


async def test_delete_ends_it_and_it_can_still_be_read(house: House, http: httpx.AsyncClient) -> None:
    run = (await started(http))["simulation_id"]
    await house.bus.until("DeployModels")
    answer = await http.delete(f"{PREFIX}/{run}")
    assert (answer.status_code, answer.json()["simulation_status"]) == (200, f"{ENDED}: cancelled by the user")
    await house.bus.until("SimulationDone")
    house.mso(run, "AllModelsHaveTerminated")
    await house.ended(run)
    for answer in (await http.get(f"{PREFIX}/{run}"), await http.delete(f"{PREFIX}/{run}")):
        assert answer.status_code == 200
        assert answer.json()["simulation_status"] == f"{ENDED}: cancelled by the user"
        assert answer.json()["calculation_end_datetime"] is not None


@pytest.mark.parametrize(("method", "path"), [("GET", "x"), ("DELETE", "x"), ("GET", "data/x"), ("GET", "logs/x")])
async def test_an_unknown_simulation_is_not_found(http: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await http.request(method, f"{PREFIX}/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_list_is_whole_however_long(house: House, http: httpx.AsyncClient) -> None:
    submission = await house.dialect.read(json.dumps(body()).encode())
    ids = [f"many-{number}" for number in range(1100)]
    await asyncio.gather(*(house.journal.submit(replace(submission, id=one)) for one in ids))
    for _ in range(2):  # read, and remembered
        listed = (await http.get(f"{PREFIX}/")).json()["simulations"]
        assert {one["simulation_id"] for one in listed} == {*ids}
        assert len(listed) == len(ids)


async def test_queued_simulations_run_one_after_another(house: House, http: httpx.AsyncClient) -> None:
    first = (await started(http, "queue", name="first"))["simulation_id"]
    second = (await started(http, "queue", name="second"))["simulation_id"]
    await house.bus.until("DeployModels")
    assert [topic.split("/")[4] for topic, _, _ in house.bus.said] == [first]
    await http.delete(f"{PREFIX}/{first}")
    house.mso(first, "AllModelsHaveTerminated")
    await house.ended(first)
    await house.bus.until("DeployModels")
    assert house.bus.said[-1][0].split("/")[4] == second


async def test_a_bad_document_is_a_problem_with_its_place(http: httpx.AsyncClient) -> None:
    wrong = body(nr_of_time_steps=-1, calculation_services=[service(service_image_url="unknown:1")])
    answer = await http.post(f"{PREFIX}/start", json=wrong)
    assert answer.status_code == 422
    told = answer.json()
    assert (told["detail"], "where" in told) == ("there are 2 faults", False)
    assert told["errors"] == [
        {"where": "nr_of_time_steps", "what": "must be greater than 0 (not -1)"},
        {
            "where": "calculation_services[0].service_image_url",
            "what": "nothing stands for the image 'unknown:1'",
            "hint": "Add it to the models file",
        },
    ]
    broken = await http.post(f"{PREFIX}/queue", content=b"{")
    assert (broken.status_code, broken.json()["where"]) == (422, "line 1, column 2")
    assert (await http.get(f"{PREFIX}/")).json() == {"simulations": []}


def unzipped(answer: httpx.Response) -> dict[str, str]:
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


async def test_results_come_as_zip(house: House, http: httpx.AsyncClient) -> None:
    run = (await started(http))["simulation_id"]
    assert (await http.get(f"{PREFIX}/data/{run}")).status_code == 404
    house.results["pvinstallation.csv"] = "time,power\n"
    answer = await http.get(f"{PREFIX}/data/{run}")
    assert f"data_{run}.zip" in answer.headers["content-disposition"]
    assert unzipped(answer) == {"pvinstallation.csv": "time,power\n"}


async def test_what_models_log_is_kept_and_comes_as_zip(house: House, http: httpx.AsyncClient) -> None:
    run = (await started(http))["simulation_id"]
    await house.bus.until("DeployModels")
    assert (await http.get(f"{PREFIX}/logs/{run}")).status_code == 404
    house.bus.bring(f"/log/model/dots-so/{run}/pv-service-1", "it is dårk".encode() + b"\xff")
    for topic in (f"{run}/stranger", "other/pv-service-1", "../..", run):
        house.bus.bring(f"/log/model/dots-so/{topic}", b"x")
    assert house.dialect.dropped == {"log of no model under way": 4}
    answer = await http.get(f"{PREFIX}/logs/{run}")
    assert f"logs_{run}.zip" in answer.headers["content-disposition"]
    assert unzipped(answer) == {"pv-service-1.log": "it is dårk\ufffd"}


async def test_a_message_for_a_simulation_that_has_ended_is_no_surprise(house: House, http: httpx.AsyncClient) -> None:
    run = (await started(http))["simulation_id"]
    await house.bus.until("DeployModels")
    await http.delete(f"{PREFIX}/{run}")
    house.mso(run, "AllModelsHaveTerminated")
    await house.ended(run)
    with capture_logs() as logs:
        house.mso(run, "AllModelsHaveTerminated")
    assert house.dialect.dropped == {"simulation has ended": 1}
    assert [entry["log_level"] for entry in logs] == ["debug"]


async def test_a_message_for_an_unknown_simulation_is_dropped(house: House) -> None:
    house.model("nobody", "m-1", "CalculationsDone")
    house.mso("nobody", "ModelsReady")
    assert house.dialect.dropped == {"no such simulation under way": 2}


async def test_the_routes_are_described(house: House) -> None:
    paths = house.app.openapi()["paths"]
    schema = paths[f"{PREFIX}/start"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "$ref" not in str(schema)
    assert "calc_service_name" in schema["properties"]["calculation_services"]["items"]["properties"]
