from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from podium.dialects.dots.reading import Reader, recognises
from podium.dialects.dots.spelling import unread
from podium.engines.simulation.document import SimulationDocument
from podium.errors import DocumentRefused
from tests.dialects.dots.bodies import body, content, esdl, packed, service

READER = Reader("dots-so")
PAGE = Path(__file__).parents[3] / "docs" / "protocols" / "dots.md"
FIVE_HOUSES = Path(__file__).parents[4] / "shared" / "data" / "dots-five-houses.json"


def refusal(reader: Reader = READER, **changes: Any) -> DocumentRefused:
    with pytest.raises(DocumentRefused) as refused:
        reader.read(content(**changes))
    return refused.value


def test_a_document_becomes_a_run() -> None:
    submission = READER.read(content())
    assert re.fullmatch(r"two-services-[0-9a-f]{8}", submission.id)
    assert (submission.kind, submission.name, submission.lane) == ("dots.simulation", "Two services", None)
    plan = SimulationDocument.model_validate(submission.document["simulation"])
    assert plan.start == 1674604800
    assert (plan.step_seconds, plan.steps, plan.step_timeout, plan.settle) == (3600, 24, 600, 0.02)
    assert plan.models == ("pv-service-1", *(f"connection-service-{n}" for n in range(1, 6)))
    dots = submission.document["dots"]
    assert dots["models"]["pv-service-1"] == {"service": 0, "esdl_ids": [f"pv-{n}" for n in range(5)]}
    assert dots["models"]["connection-service-3"] == {"service": 1, "esdl_ids": ["connection-2"]}
    assert dots["body"]["calculation_services"] == body()["calculation_services"]


def test_what_may_be_left_out_has_the_field_s_default() -> None:
    bare = dict.fromkeys(("max_step_calc_time_minutes", "keep_logs_hours", "log_level"))
    kept = READER.read(content(**bare)).document["dots"]["body"]
    assert (kept["max_step_calc_time_minutes"], kept["keep_logs_hours"], kept["log_level"]) == (10, 24.0, "info")


def test_padding_may_be_missing_and_models_find_it() -> None:
    text = esdl() + "\n"
    while not packed(text).endswith("="):
        text += "\n"
    submission = READER.read(content(esdl_base64string=packed(text).rstrip("=")))
    given = submission.document["dots"]["body"]["esdl_base64string"]
    assert base64.b64decode(given, validate=True).decode() == text


def test_numbers_may_be_written_as_text() -> None:
    plan = READER.read(content(time_step_seconds="900", nr_of_time_steps="4")).document["simulation"]
    assert (plan["step_seconds"], plan["steps"]) == (900, 4)


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("A very long name of a simulation", "a-very-long-name-of-"),
        ("My_Run.2", "my-run-2"),
        ("Straße 7", "stra-e-7"),
    ],
)
def test_the_id_follows_from_the_name(name: str, id_: str) -> None:
    found = READER.read(content(name=name, calculation_services=[service(name="pv")])).id
    assert re.fullmatch(rf"{id_}-[0-9a-f]{{8}}", found)


def test_the_id_leaves_room_for_the_longest_model_in_a_pods_name() -> None:
    services = [service(name="test2_pv_installation_service")]
    submission = READER.read(content(name="test1 simulation", calculation_services=services))
    assert re.fullmatch(r"test1-simulati-[0-9a-f]{8}", submission.id)
    assert len(f"dots-so-{submission.id}-test2-pv-installation-service-1") == 63


def test_the_newer_orchestrators_duration_makes_the_steps() -> None:
    plan = READER.read(content(nr_of_time_steps=None, simulation_duration_in_seconds=86_400)).document["simulation"]
    assert (plan["step_seconds"], plan["steps"]) == (3600, 24)


def test_periods_make_the_step() -> None:
    services = [
        service(
            calculations=[{"name": "fast", "period_seconds": 900}, {"period_seconds": 43_200, "offset_seconds": 300}]
        )
    ]
    changes = {"nr_of_time_steps": None, "time_step_seconds": None, "simulation_duration_in_seconds": 86_400}
    plan = READER.read(content(calculation_services=services, **changes)).document["simulation"]
    assert (plan["step_seconds"], plan["steps"]) == (300, 288)


@pytest.mark.parametrize("given", [[{"name": "COLOUR", "value": "1"}], {"COLOUR": "1"}, {"COLOUR": 1}])
def test_a_service_may_have_variables_of_its_own(given: Any) -> None:
    submission = READER.read(content(calculation_services=[service(additional_env_variable=given)]))
    kept = submission.document["dots"]["body"]["calculation_services"][0]
    assert kept["additional_env_variable"] == [{"name": "COLOUR", "value": "1"}]


def test_null_for_a_list_is_an_empty_one() -> None:
    posted = content(calculation_services=[service(additional_env_variable=None, calculations=None)])
    kept = READER.read(posted).document["dots"]["body"]["calculation_services"][0]
    assert (kept["additional_env_variable"], kept["calculations"]) == ([], [])
    assert list(unread(json.loads(posted))) == []


@pytest.mark.parametrize("said", ["warn", "WARN"])
def test_levels_have_names_that_others_use(said: str) -> None:
    assert READER.read(content(log_level=said)).document["dots"]["body"]["log_level"] == "warning"


SERVICE = "calculation_services[0]"
FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"time_step_seconds": 0}, "time_step_seconds", "greater than 0 (not 0)"),
    ({"time_step_seconds": -60}, "time_step_seconds", "greater than 0"),
    ({"time_step_seconds": 0.5}, "time_step_seconds", "must be a whole number (not 0.5)"),
    ({"time_step_seconds": None}, "time_step_seconds", "is missing"),
    *[
        ({key: True}, key, "must be a number, not true or false")
        for key in (
            "time_step_seconds",
            "nr_of_time_steps",
            "max_step_calc_time_minutes",
            "keep_logs_hours",
            "settle_ms",
        )
    ],
    ({"calculation_services": [service(nr_of_models=True)]}, f"{SERVICE}.nr_of_models", "not true or false"),
    ({"calculation_services": [service("")]}, f"{SERVICE}.esdl_type", "must have at least 1 character"),
    ({"start_date": "2023-01-25 00:00:00.5"}, "start_date", "between two seconds"),
    ({"nr_of_time_steps": 0}, "nr_of_time_steps", "greater than 0"),
    ({"nr_of_time_steps": -3}, "nr_of_time_steps", "greater than 0"),
    ({"nr_of_time_steps": None}, "nr_of_time_steps", "is missing"),
    ({"nr_of_time_steps": 10**12}, "nr_of_time_steps", "end after 2199"),
    ({"simulation_duration_in_seconds": 7200}, "nr_of_time_steps", "makes 2 steps"),
    ({"start_date": "yesterday"}, "start_date", "is not a date; write it as 2023-01-25 00:00:00"),
    ({"start_date": "2023-02-30 00:00:00"}, "start_date", "is not a date"),
    ({"start_date": "0001-01-01 00:00:00"}, "start_date", "outside the years 1900 to 2199"),
    ({"start_date": "9999-12-31 23:59:59"}, "start_date", "outside the years"),
    ({"start_date": 5}, "start_date", "must be text"),
    ({"max_step_calc_time_minutes": 0}, "max_step_calc_time_minutes", "greater than 0"),
    ({"max_step_calc_time_minutes": 1e300}, "max_step_calc_time_minutes", "must be at most"),
    ({"keep_logs_hours": -1}, "keep_logs_hours", "must be at least 0"),
    ({"log_level": "loud"}, "log_level", "is not one of debug"),
    ({"name": ""}, "name", "at least 1 character"),
    ({"name": None}, "name", "is missing"),
    ({"name": "north/south"}, "name", "cannot carry /"),
    ({"name": "a+b"}, "name", "cannot carry +"),
    ({"name": "a#"}, "name", "cannot carry #"),
    ({"name": "bell\u0007"}, "name", "cannot carry \\x07"),
    ({"name": "line\nbreak"}, "name", "cannot carry \\n"),
    ({"name": "-- --"}, "name", "letters or digits"),
    ({"calculation_services": []}, "calculation_services", "at least 1 entries"),
    ({"calculation_services": None}, "calculation_services", "is missing"),
    ({"calculation_services": "pv"}, "calculation_services", "must be a list"),
    ({"calculation_services": [service(number=-1)]}, f"{SERVICE}.nr_of_models", "must be at least 0"),
    ({"calculation_services": [service(name="pv service")]}, f"{SERVICE}.calc_service_name", "cannot name a pod"),
    ({"calculation_services": [service(name="pv/1")]}, f"{SERVICE}.calc_service_name", "cannot name a pod"),
    ({"calculation_services": [service(name="")]}, f"{SERVICE}.calc_service_name", "cannot name a pod"),
    ({"calculation_services": [service(name="p" * 50)]}, f"{SERVICE}.calc_service_name", "too long for a pod's name"),
    ({"calculation_services": [service(service_image_url="")]}, f"{SERVICE}.service_image_url", "not the name"),
    ({"calculation_services": [service("PvInstalation")]}, f"{SERVICE}.esdl_type", "ESDL has no type"),
    ({"calculation_services": [service("WindTurbine")]}, f"{SERVICE}.esdl_type", "has no object of type WindTurbine"),
    (
        {"calculation_services": [service(), service("EConnection", "pv-service")]},
        "calculation_services[1].calc_service_name",
        "makes the same model ids as calculation_services[0]",
    ),
    (
        {"calculation_services": [service(), service(name="other")]},
        "calculation_services[1].esdl_type",
        "calculation_services[0] calculates PVInstallation already",
    ),
    (
        {"calculation_services": [service(additional_env_variable={"MQTT_HOST": "x"})]},
        f"{SERVICE}.additional_env_variable[0].name",
        "told to every model",
    ),
    ({"esdl_base64string": None}, "esdl_base64string", "is missing"),
    ({"esdl_base64string": "not base64!"}, "esdl_base64string", "not base64"),
    ({"esdl_base64string": "AAAAA"}, "esdl_base64string", "not base64: it is cut short"),
    ({"esdl_base64string": "AA=AA"}, "esdl_base64string", "not base64: there is more behind its end"),
    ({"esdl_base64string": ""}, "esdl_base64string", "not well-formed XML"),
    ({"esdl_base64string": packed("<")}, "esdl_base64string", "not well-formed XML"),
    ({"esdl_base64string": packed("<!DOCTYPE x><x/>")}, "esdl_base64string", "DOCTYPE"),
    ({"esdl_base64string": packed(esdl(replace=("pv-1", "pv-0")))}, f"{SERVICE}.esdl_type", "'pv-0' with an id that"),
    ({"esdl_base64string": packed(esdl(replace=(' id="pv-1"', "")))}, f"{SERVICE}.esdl_type", "'pv 1' without an id"),
    ({"esdl_base64string": packed(esdl(replace=("pv-1", "pv 1")))}, f"{SERVICE}.esdl_type", "broker cannot carry"),
    ({"on_model_failure": "ignore"}, "on_model_failure", "'fail' or 'continue'"),
]


@pytest.mark.parametrize(("changes", "where", "problem"), FAULTS)
def test_a_fault_is_refused_with_its_place(changes: dict[str, Any], where: str, problem: str) -> None:
    refused = refusal(**changes)
    assert refused.where == where
    assert problem in refused.problem


def test_all_faults_are_named_at_once() -> None:
    unknown = service("EConnection", "other", service_image_url="unknown:1")
    services = [service("WindTurbine"), service(name="a b"), unknown]

    def check(image: str) -> None:
        if image.startswith("unknown"):
            raise DocumentRefused(f"nothing stands for the image {image!r}", hint="Add it to the models file")

    refused = refusal(
        Reader("dots-so", check), nr_of_time_steps=0, start_date="never", calculation_services=services, name="a#b"
    )
    assert [fault.where for fault in refused.faults] == [
        "name",
        "start_date",
        "nr_of_time_steps",
        "calculation_services[0].esdl_type",
        "calculation_services[1].calc_service_name",
        "calculation_services[2].service_image_url",
    ]
    assert (refused.problem, refused.where) == ("there are 6 faults", None)
    assert refused.faults[5].hint == "Add it to the models file"


def test_a_misspelt_key_hides_nothing() -> None:
    given = body(
        name="ok",
        time_step_seconds="abc",
        calculation_services=[{"esdl_typ": "PvInstalation", **service(number=-1)}, service("EConnection", "two")],
    )
    given = {{"nr_of_time_steps": "nr_of_timesteps"}.get(key, key): value for key, value in given.items()}
    given["nr_of_timesteps"] = -10
    del given["calculation_services"][0]["esdl_type"]
    with pytest.raises(DocumentRefused) as refused:
        READER.read(json.dumps(given).encode())
    assert [str(fault).partition(" or ")[0] for fault in refused.value.faults] == [
        "time_step_seconds: must be a whole number (not 'abc')",
        "nr_of_timesteps: there is no such key. Did you mean nr_of_time_steps?",
        "nr_of_timesteps: must be greater than 0 (not -10)",
        f"{SERVICE}.esdl_typ: there is no such key. Did you mean esdl_type?",
        f"{SERVICE}.esdl_typ: ESDL has no type 'PvInstalation'. Did you mean PVInstallation",
        "calculation_services[0].nr_of_models: must be at least 0 (not -1)",
    ]


def test_places_are_told_as_they_are_spelt() -> None:
    given = body(calculation_services=[service(number=-1), service("PvInstalation", "two")])
    given["calculation_service"] = given.pop("calculation_services")
    with pytest.raises(DocumentRefused) as refused:
        READER.read(json.dumps(given).encode())
    assert [fault.where for fault in refused.value.faults] == [
        "calculation_service",
        "calculation_service[0].nr_of_models",
        "calculation_service[1].esdl_type",
    ]


def test_what_one_of_two_keys_would_say_is_missed_whatever_else_is_wrong() -> None:
    refused = refusal(name="a#b", time_step_seconds=None, nr_of_time_steps=None)
    assert [fault.where for fault in refused.faults] == ["name", "time_step_seconds", "nr_of_time_steps"]


def test_steps_that_do_not_fit_are_told_beside_another_fault() -> None:
    refused = refusal(name="a#b", simulation_duration_in_seconds=7200, calculation_services=[service(number=-1)])
    assert [fault.where for fault in refused.faults] == [
        "name",
        "nr_of_time_steps",
        f"{SERVICE}.nr_of_models",
    ]
    assert "makes 2 steps" in refused.faults[1].what


def test_a_type_that_esdl_does_not_have_is_told_without_an_energy_system() -> None:
    refused = refusal(esdl_base64string="no base64!", calculation_services=[service("PvInstalation")])
    assert [fault.where for fault in refused.faults] == [f"{SERVICE}.esdl_type", "esdl_base64string"]


def test_a_file_that_is_not_read_hides_nothing() -> None:
    def check(image: str) -> None:
        raise DocumentRefused(f"nothing stands for the image {image!r}")

    refused = refusal(Reader("dots-so", check), esdl_base64string=None, esdl_file="x", calculation_services=[service()])
    assert [fault.where for fault in refused.faults] == [f"{SERVICE}.service_image_url", "esdl_file"]


def test_keys_that_nobody_reads() -> None:
    services = [service(nr_of_modles=9, calculations=[{"period_seconds": 60, "perod": 1}])]
    given = body(calculation_services=services, nr_of_timesteps=3, foo=1)
    READER.read(json.dumps(given).encode())
    handed_on = "Podium does not read this key, and hands it on to the models"
    assert [str(fault) for fault in unread(given)] == [
        "nr_of_timesteps: Podium does not read this key. Did you mean nr_of_time_steps?",
        "foo: Podium does not read this key",
        f"{SERVICE}.nr_of_modles: {handed_on}. Did you mean nr_of_models?",
        f"{SERVICE}.calculations[0].perod: {handed_on}",
    ]
    assert not list(unread(body()))


def test_a_secret_of_a_service_is_not_in_the_message() -> None:
    services = [service(additional_env_variable=[{"name": "A", "value": ["hunter2"]}])]
    assert "hunter2" not in str(refusal(calculation_services=services))


def test_too_many_models_are_refused() -> None:
    refused = refusal(Reader("dots-so", max_models=4), calculation_services=[service(number=0)])
    assert refused.where == "calculation_services"
    assert "these are 5 models, more than 4" in refused.problem


@pytest.mark.parametrize(
    "given", [b"", b"\xff\xfe", b"{", b"[]", b"5", b'{"name": "\\ud800"}', b"{]", b"a: b: c", b"[" * 100_000]
)
def test_what_is_no_document_is_refused(given: bytes) -> None:
    with pytest.raises(DocumentRefused):
        READER.read(given)


def test_a_document_is_known_by_its_keys() -> None:
    assert recognises(content())
    assert recognises(b'{"calculation_services": []}')
    assert recognises(b'{"esdl_file": "street.esdl"}')
    assert not recognises(b"{}")
    assert not recognises(b"\xff\x00")


def test_a_file_may_name_its_esdl_file(tmp_path: Path) -> None:
    (tmp_path / "street.esdl").write_text(esdl())
    document = tmp_path / "simulation.json"
    given = json.loads(json.dumps(body()))
    given.pop("esdl_base64string")
    given |= {"esdl_file": "street.esdl", "start_date": "2023-01-25 00:00:00"}
    given["calculation_services"] = [
        {"esdl_type": "PVInstallation", "calc_service_name": "pv", "service_image_url": "pv:1"}
    ]
    document.write_text(json.dumps(given))
    submission = READER.read(document.read_bytes(), str(document))
    assert submission.document["simulation"]["start"] == 1674604800
    assert submission.document["simulation"]["models"] == ["pv-1"]
    assert submission.document["dots"]["body"]["esdl_base64string"] == packed(esdl())


@pytest.mark.parametrize(
    "named", ["../street.esdl", "/etc/hostname", "missing.esdl", "", 5, "a\0b", "circle", "directory", "pipe"]
)
def test_an_esdl_file_elsewhere_is_not_read(tmp_path: Path, named: Any) -> None:
    (tmp_path / "street.esdl").write_text(esdl())
    (tmp_path / "below").mkdir()
    path = tmp_path / "below" / "simulation.json"
    (tmp_path / "below" / "circle").symlink_to("circle")
    (tmp_path / "below" / "directory").mkdir()
    os.mkfifo(tmp_path / "below" / "pipe")
    with pytest.raises(DocumentRefused) as refused:
        READER.read(content(esdl_base64string=None, esdl_file=named), str(path))
    assert refused.value.where == "esdl_file"


def test_over_the_network_no_file_is_read() -> None:
    refused = refusal(esdl_base64string=None, esdl_file="street.esdl")
    assert refused.where == "esdl_file"
    assert "not read" in refused.problem
    assert "esdl_base64string" in str(refused.hint)
    assert "podium run" in str(refused.hint)


def test_an_esdl_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "street.esdl").write_text(esdl())
    with pytest.raises(DocumentRefused, match="given twice"):
        READER.read(content(esdl_file="street.esdl"), str(tmp_path / "simulation.json"))


def test_of_many_faults_the_first_are_told() -> None:
    refused = refusal(calculation_services=[{}] * 50)
    assert refused.problem == "there are 150 faults, of which the first 20 are told"
    assert len(refused.faults) == 20
    assert str(refused.faults[0]) == "calculation_services[0].esdl_type: is missing"


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"calculation_services": [{}] * 5000}, "calculation_services"),
        (
            {"calculation_services": [service(additional_env_variable=[{}] * 5000)]},
            f"{SERVICE}.additional_env_variable",
        ),
        ({"calculation_services": [service(calculations=[{}] * 5000)]}, f"{SERVICE}.calculations"),
    ],
)
def test_a_list_without_end_is_not_looked_through(changes: dict[str, Any], where: str) -> None:
    refused = refusal(**changes)
    assert where in [refused.where, *(fault.where for fault in refused.faults)]
    assert "must have at most 1000 entries" in str(refused)
    assert len(refused.faults) <= 3


def test_more_values_than_a_simulation_needs_are_refused() -> None:
    refused = refusal(calculation_services=[service(**{f"k{number}": number for number in range(20_000)})])
    assert refused.problem == "the document has more than 20000 values"


def test_the_example_of_the_protocol_page_is_read() -> None:
    [example] = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    given = json.loads(example)
    assert given["esdl_base64string"].endswith("...")
    submission = READER.read(json.dumps({**given, "esdl_base64string": packed(esdl())}).encode())
    assert submission.document["simulation"]["models"] == ["pv-service-1"]


@pytest.mark.skipif(not FIVE_HOUSES.exists(), reason="the field's own example is not at hand")
def test_the_fields_own_example_is_read() -> None:
    submission = READER.read(FIVE_HOUSES.read_bytes())
    assert {model: len(part["esdl_ids"]) for model, part in submission.document["dots"]["models"].items()} == {
        "test2-energy-system-service-1": 1,
        "test2-pv-installation-service-1": 15,
        "test2-econnection-service-1": 5,
    }
    assert submission.document["simulation"]["steps"] == 24


def test_a_value_that_should_not_be_read_is_kept_apart() -> None:
    variables = [{"name": "API_TOKEN", "value": "not for everybody"}, {"name": "COLOUR", "value": "green"}]
    submission = READER.read(content(calculation_services=[service(additional_env_variable=variables)]))
    (name,) = submission.secrets
    assert name.startswith(f"{submission.id}.")
    assert submission.secrets[name] == "not for everybody"
    assert "not for everybody" not in json.dumps(submission.document)
    (posted,) = submission.document["dots"]["body"]["calculation_services"]
    assert posted["additional_env_variable"] == [
        {"name": "API_TOKEN", "value": {"$secret": name}},
        {"name": "COLOUR", "value": "green"},
    ]


def test_a_key_that_is_nearly_ours_is_refused() -> None:
    with pytest.raises(DocumentRefused, match="Did you mean on_model_failure"):
        READER.read(content(on_model_failures="fail"))


def test_what_is_not_json_is_refused_at_once() -> None:
    with pytest.raises(DocumentRefused, match="not JSON"):
        READER.read(b"calculation_services: &a [x]\nesdl_base64string: *a\n")
