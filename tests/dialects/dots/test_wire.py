"""The bytes below were written by hand from the protocol page, so that no version of ours moves away from it unseen."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from podium.dialects.dots import wire
from podium.sdk import lifecycle_pb2 as pb

SERVICE = {
    "esdl_type": "PVInstallation",
    "calc_service_name": "pv_service",
    "service_image_url": "pv:1",
    "nr_of_models": 1,
}


def parameters(esdl: str = "PGU+") -> bytes:
    make = wire.model_parameters(
        name="s", start=1674604800, step_seconds=3600, steps=24, services=[SERVICE], esdl_base64=esdl
    )
    return make(["a", "b"])


def test_deploy_models() -> None:
    assert wire.deploy_models("dots-so", [("m-1", "img:1", {"MODEL_ID": "m-1"})], 24.0) == bytes.fromhex(
        "0a07 646f74732d736f"  # simulatorId
        "121d 0a036d2d31 1205696d673a31"  # modelConfigurations: modelID, imageUrl,
        "1a0f 0a084d4f44454c5f4944 12036d2d31"  # environmentVariables: name, value
        "19 0000000000003840"  # keepLogsHours
    )


def test_new_step() -> None:
    text = '{"time_step_nr": "5", "start_time_stamp": 1674619200}'
    assert wire.new_step(5, 1674619200).hex() == "0a35" + text.encode().hex()


def test_new_step_for_all_when_all_are_due() -> None:
    assert wire.new_step(5, 1674619200, due=None) == wire.new_step(5, 1674619200)


def test_new_step_for_all() -> None:
    text = '{"time_step_nr": "5", "start_time_stamp": 1674619200, "due": ["m-1"], "lost_esdl_ids": ["x"]}'
    assert wire.new_step(5, 1674619200, due=["m-1"], lost_esdl_ids=["x"]).hex() == "0a5d" + text.encode().hex()


def test_model_parameters() -> None:
    text = (
        '{"simulation_name": "s", "start_timestamp": 1674604800, "time_step_seconds": 3600, "nr_of_time_steps": 24, '
        '"calculation_services": [{"esdl_type": "PVInstallation", "calc_service_name": "pv_service", '
        '"service_image_url": "pv:1", "nr_of_models": 1}], "esdl_base64string": "PGU+", "esdl_ids": ["a", "b"], '
        '"protocol_versions": [1, 2]}'
    )
    assert parameters().hex() == "0aca02" + text.encode().hex()
    assert json.loads(text)["calculation_services"] == [SERVICE]


def test_what_has_no_body() -> None:
    assert wire.simulation_done() == b""
    assert wire.remove_models() == b""


@pytest.mark.parametrize(
    ("golden", "message"),
    [
        ("", pb.ReadyForProcessing()),
        ("", pb.ModelsReady()),
        ("", pb.Parameterized()),
        ("", pb.CalculationsDone()),
        ("", pb.AllModelsHaveTerminated()),
        ("0802", pb.Parameterized(protocol_version=2)),
        ("0805", pb.CalculationsDone(time_step_nr=5)),
        ("0a066e6f2073756e", pb.ErrorOccurred(error_message="no sun")),
        ("", pb.ModelHasTerminated(status=pb.SUCCESSFULL, exitCode=0)),
        ("08011003", pb.ModelHasTerminated(status=pb.FAILED, exitCode=3)),
        ("080110f7ffffffffffffffff01", pb.ModelHasTerminated(status=pb.FAILED, exitCode=-9)),
        ("080112026e6f1a0173", pb.PingHealthSOToMSO(healthy=pb.UNHEALTHY, reasons=["no"], activeSimulations=["s"])),
        ("", pb.PongHealthMSOToSO(healthy=pb.HEALTHY)),
        ("12026e6f", pb.PingHealthMSOToModel(reasons=["no"])),
        ("18022003", pb.PongHealthModelToMSO(numberOfBids=2, numberOfAllocations=3)),
        ("", pb.UnhealthyModel(status=pb.NOPROGRESS)),
    ],
)
def test_what_others_send(golden: str, message: pb.CalculationsDone) -> None:
    assert message.SerializeToString().hex() == golden
    assert type(message).FromString(bytes.fromhex(golden)) == message


def test_a_step_we_have_sent_tells_its_number() -> None:
    assert wire.step_number(wire.new_step(17, 0)) == 17
    for payload in (b"", b"\x0a\x02{}", b"\x0a\x01[", b"\x0a\x02[]", b'\x0a\x17{"time_step_nr": "one"}'):
        with pytest.raises(ValueError):
            wire.step_number(payload)


def test_parameters_for_many_models_are_not_held_at_once() -> None:
    esdl = "A" * 1_000_000
    make = wire.model_parameters(name="s", start=0, step_seconds=1, steps=1, services=[SERVICE], esdl_base64=esdl)
    tracemalloc.start()
    try:
        for _ in range(100):
            assert len(make(["a"])) > 1_000_000
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
