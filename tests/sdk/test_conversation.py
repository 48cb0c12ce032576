"""A service in conversation with an orchestrator over a real broker, byte by byte."""

from __future__ import annotations

import signal
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.parts.mosquitto import Mosquitto
from tests.sdk.orchestrator import SECONDS, SIMULATION, Orchestrator, data, foreign_data, model, number, text

NET1, NET2 = (f"/data/connection/model/{SIMULATION}/{name}/net" for name in ("ec1", "ec2"))


@pytest.fixture
async def so(mosquitto: Mosquitto) -> AsyncIterator[Orchestrator]:
    await mosquitto.start()
    with Orchestrator(mosquitto, "connection-1") as orchestrator:
        yield orchestrator


def parameterize(so: Orchestrator, *, versions: list[int] | None = None) -> bytes:
    assert so.hear() == (so.ready, b"")
    so.say(so.to_model("ModelParameters"), so.parameters(["ec1", "ec2"], versions=versions))
    topic, answer = so.hear()
    assert topic == so.from_model("Parameterized")
    return answer


def unit(measurement: str, field: str, symbol: str) -> bytes:
    body = text(1, measurement) + text(2, field) + text(3, symbol)
    return b"\x1a" + bytes([len(body)]) + body


async def test_version_1_from_ready_to_done(so: Orchestrator) -> None:
    with model(so, "connection") as process:
        assert parameterize(so) == b""
        so.say(so.to_model("NewStep"), so.step(1))
        so.panel("pv1", foreign_data("pv1", 5.0))
        assert so.hear() == (NET1, data("ec1", 1011.0))
        so.panel("pv2", data("pv2", 7.0))
        assert so.hear() == (NET2, data("ec2", 1015.0))
        assert so.hear() == (so.from_model("CalculationsDone"), b"")
        so.say(so.to_model("SimulationDone"))
        assert process.wait(SECONDS) == 0


async def test_version_2_from_ready_to_done(so: Orchestrator) -> None:
    with model(so, "connection", MQTT_QOS="1") as process:
        calculation, watt = text(1, "net") + number(2, 900), unit("econnection", "net", "W")
        told = number(1, 2) + b"\x12" + bytes([len(calculation)]) + calculation + watt
        assert parameterize(so, versions=[1, 2]) == told
        so.say(so.step_for_all, so.step(1))
        so.panel("pv1", data("pv1", 5.0, 1))
        assert so.hear() == (NET1, data("ec1", 1011.0, 1))
        so.panel("pv2", data("pv2", 7.0, 1))
        assert so.hear() == (NET2, data("ec2", 1015.0, 1))
        assert so.hear() == (so.from_model("CalculationsDone"), number(1, 1))
        so.say(so.to_model("SimulationDone"))
        assert process.wait(SECONDS) == 0


async def test_a_version_1_model_does_not_listen_to_the_step_for_all(so: Orchestrator) -> None:
    with model(so, "connection"):
        parameterize(so)
        so.panel("pv1", data("pv1", 1.0))
        so.panel("pv2", data("pv2", 1.0))
        so.say(so.step_for_all, so.step(1))
        so.hears_nothing_before(so.health("model/mso", "Pong"))


async def test_data_before_their_step_are_kept_and_never_mixed(so: Orchestrator) -> None:
    with model(so, "connection"):
        parameterize(so, versions=[1, 2])
        for step in (2, 1):
            so.panel("pv1", data("pv1", 10.0 * step, step))
            so.panel("pv2", data("pv2", 100.0 * step, step))
        so.say(so.step_for_all, so.step(1))
        assert [so.hear() for _ in range(3)] == [
            (NET1, data("ec1", 1021.0, 1)),
            (NET2, data("ec2", 1201.0, 1)),
            (so.from_model("CalculationsDone"), number(1, 1)),
        ]
        so.panel("pv1", data("pv1", 9999.0, 1))
        so.say(so.step_for_all, so.step(2))
        assert [so.hear() for _ in range(3)] == [
            (NET1, data("ec1", 2 * 20.0 + 1021.0 + 2000, 2)),
            (NET2, data("ec2", 2 * 200.0 + 1201.0 + 2000, 2)),
            (so.from_model("CalculationsDone"), number(1, 2)),
        ]


async def test_data_without_a_number_are_counted(so: Orchestrator) -> None:
    with model(so, "connection"):
        parameterize(so)
        for value in (1.0, 2.0):
            so.panel("pv1", data("pv1", value))
            so.panel("pv2", data("pv2", value))
            so.say(so.to_model("NewStep"), so.step(int(value)))
            net = so.hear(NET1)[1]
            so.hear(so.from_model("CalculationsDone"))
        assert net == data("ec1", 2 * 2.0 + (2 * 1.0 + 1 + 1000) + 2000)


async def test_a_repeated_step_is_answered_again_and_not_calculated_again(so: Orchestrator) -> None:
    with model(so, "connection"):
        parameterize(so, versions=[1, 2])
        so.panel("pv1", data("pv1", 5.0, 1))
        so.panel("pv2", data("pv2", 7.0, 1))
        said = []
        for _ in range(2):
            so.say(so.step_for_all, so.step(1))
            said.append([so.hear() for _ in range(3)])
        assert said[0] == said[1]
        assert said[1][2] == (so.from_model("CalculationsDone"), number(1, 1))


async def test_a_repeated_step_that_waits_goes_on_without_what_is_lost(so: Orchestrator) -> None:
    with model(so, "connection"):
        parameterize(so, versions=[1, 2])
        so.panel("pv1", data("pv1", 5.0, 1))
        so.say(so.step_for_all, so.step(1))
        assert so.hear() == (NET1, data("ec1", 1011.0, 1))
        so.say(so.step_for_all, so.step(1, lost_esdl_ids=["pv2"]))
        assert so.hear() == (NET1, data("ec1", 1011.0, 1)), "what was sent is sent again"
        assert so.hear() == (NET2, data("ec2", 1001.0, 1))
        assert so.hear() == (so.from_model("CalculationsDone"), number(1, 1))


async def test_who_waits_says_so_and_takes_it_back_when_it_calculates(so: Orchestrator, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    with model(so, "connection", PARAMETER_HOLD=str(hold)):
        parameterize(so, versions=[1, 2])
        so.say(so.step_for_all, so.step(1))
        waiting = so.from_model("StillWaiting")
        for_both = (waiting, number(1, 1) + text(2, "panels-1") + text(2, "panels-2"))
        for_one, for_none = (waiting, number(1, 1) + text(2, "panels-2")), (waiting, number(1, 1))
        assert so.hear_news() == for_both
        so.panel("pv1", data("pv1", 5.0, 1))
        assert so.hear_news(for_both) == for_none, "it calculates now, however long"
        hold.unlink()
        assert so.hear_news() == (NET1, data("ec1", 1011.0, 1))
        assert so.hear_news() == for_one
        so.panel("pv2", data("pv2", 7.0, 1))
        assert so.hear_news(for_one) == for_none
        assert so.hear_news() == (NET2, data("ec2", 1015.0, 1))
        assert so.hear_news() == (so.from_model("CalculationsDone"), number(1, 1))


async def test_who_waits_says_so_whatever_else_comes(so: Orchestrator) -> None:
    heard = threading.Event()

    def drip() -> None:
        while not heard.wait(0.2):
            so.panel("pv1", data("pv1", 5.0, 1))

    with model(so, "connection"), ThreadPoolExecutor(1) as drops:
        parameterize(so, versions=[1, 2])
        so.panel("pv1", data("pv1", 5.0, 1))
        so.say(so.step_for_all, so.step(1))
        dripping = drops.submit(drip)
        try:
            assert so.hear(so.from_model("StillWaiting"))[1] == number(1, 1) + text(2, "panels-2")
        finally:
            heard.set()
        dripping.result()


async def test_values_of_models_that_are_not_due_hold(so: Orchestrator) -> None:
    with model(so, "connection"):
        parameterize(so, versions=[1, 2])
        so.panel("pv1", data("pv1", 5.0, 1))
        so.panel("pv2", data("pv2", 7.0, 1))
        so.say(so.step_for_all, so.step(1, due=["connection-1", "panels-1", "panels-2"]))
        so.hear(so.from_model("CalculationsDone"))
        so.say(so.step_for_all, so.step(2, due=["connection-1", "panels-2"]))
        assert so.hear() == (NET1, data("ec1", 2 * 5.0 + 1011.0 + 2000, 2))
        so.panel("pv2", data("pv2", 8.0, 2))
        assert so.hear() == (NET2, data("ec2", 2 * 8.0 + 1015.0 + 2000, 2))
        so.hear(so.from_model("CalculationsDone"))
        so.say(so.step_for_all, so.step(3, due=["panels-1"]))
        so.hears_nothing_before(so.health("model/mso", "Pong"))


async def test_a_model_with_several_periods_announces_them_and_repeats_what_holds(so: Orchestrator) -> None:
    so.model = "slow-1"
    price, load, peaks = (f"/data/slow/model/{SIMULATION}/tr/{name}" for name in ("price", "load", "peaks"))
    with model(so, "slow"):
        so.hear(so.ready)
        so.say(so.to_model("ModelParameters"), so.parameters(["tr"], versions=[1, 2]))
        tariff = text(1, "tariff") + number(2, 1800) + number(3, 900)
        loading = text(1, "loading") + number(2, 900)
        expected = number(1, 2) + b"".join(b"\x12" + bytes([len(each)]) + each for each in (tariff, loading))
        units = unit("transformer", "price", "EUR/Wh") + unit("transformer", "load", "W")  # a list is no result
        assert so.hear() == (so.from_model("Parameterized"), expected + units)
        for nr, held in ((1, text(1, "tr") + number(4, 1)), (2, data("tr", 2.0, 2)), (3, data("tr", 2.0, 3))):
            so.say(so.step_for_all, so.step(nr))
            assert so.hear() == (price, held)
            so.say(NET1, data("ec1", 10.0, nr))
            so.say(NET2, data("ec2", 20.0, nr))
            assert so.hear() == (load, data("tr", 30.0, nr))
            assert so.hear(peaks)[1].startswith(text(1, "tr") + b"\x1a\x10")
            assert so.hear() == (so.from_model("CalculationsDone"), number(1, nr))


async def test_parameters_that_come_again_are_answered_again(so: Orchestrator) -> None:
    with model(so, "connection"):
        first = parameterize(so, versions=[1, 2])
        so.say(so.to_model("ModelParameters"), so.parameters(["ec1", "ec2"], versions=[1, 2]))
        assert so.hear() == (so.from_model("Parameterized"), first)


async def test_nonsense_is_ignored(so: Orchestrator) -> None:
    with model(so, "connection") as process:
        so.hear(so.ready)
        so.say(so.to_model("NewStep"), so.step(1))
        so.say(so.to_model("ModelParameters"), b"\xff\xff")
        so.say(so.to_model("ModelParameters"), so.parameters(["ec1"], versions=[1, 2]))
        assert so.hear()[0] == so.from_model("Parameterized")
        so.say(so.step_for_all, b"\xff")
        so.say(so.step_for_all, text(1, "[]"))
        so.say(so.step_for_all, text(1, '{"time_step_nr": "zero"}'))
        so.panel("pv1", b"\xff")
        so.panel("pv1", data("pv2", 3.0, 1))
        so.say(so.health("mso/model", "Ping"), b"\xff")
        so.panel("pv1", data("pv1", 5.0, 1))
        so.say(so.step_for_all, so.step(1))
        assert so.hear() == (NET1, data("ec1", 1011.0, 1))
        assert so.hear()[0] == so.from_model("CalculationsDone")
        so.say(so.to_model("SimulationDone"))
        assert process.wait(SECONDS) == 0
        assert process.stderr is not None
        assert process.stderr.read().count("ignored") == 8


async def test_an_exception_ends_the_model_with_its_reason(so: Orchestrator) -> None:
    with model(so, "connection", PARAMETER_FAIL_AT="1") as process:
        parameterize(so)
        so.panel("pv1", data("pv1", 5.0))
        so.say(so.to_model("NewStep"), so.step(1))
        reason = so.hear(so.from_model("ErrorOccurred"))[1].decode(errors="replace")
        expected = (
            "calculation 'net' of EConnection 'Connection 1' (ec1) failed in step 1: ValueError: the meter is broken"
        )
        assert expected in reason
        assert "(connection.py, line " in reason
        assert process.wait(SECONDS) == 1
        assert process.stderr is not None
        written = process.stderr.read()
        assert "Traceback (most recent call last)" in written
        assert "model.py" not in written, "of the traceback only what the author of the service wrote"


@pytest.mark.parametrize(
    ("model_id", "ids"), [("panels-1", ["pv1", "pv2"]), ("panels-1", ["ec1"]), ("an-id-of-its-own", ["pv1"])]
)
async def test_a_program_started_for_another_service_says_so(so: Orchestrator, model_id: str, ids: list[str]) -> None:
    so.model = model_id
    with model(so, "connection") as process:
        so.hear(so.ready)
        so.say(so.to_model("ModelParameters"), so.parameters(ids))
        reason = so.hear(so.from_model("ErrorOccurred"))[1].decode(errors="replace")
        assert "wanted the service 'panels' for PVInstallation here" in reason
        assert "this program is 'connection' for EConnection" in reason
        assert process.wait(SECONDS) == 1


async def test_parameters_that_do_not_fit_are_an_error_that_says_why(so: Orchestrator) -> None:
    with model(so, "connection") as process:
        so.hear(so.ready)
        services = [{"esdl_type": "EConnection", "calc_service_name": "connection", "nr_of_models": 1}]
        so.say(so.to_model("ModelParameters"), so.parameters(["ec1"], calculation_services=services))
        reason = so.hear(so.from_model("ErrorOccurred"))[1].decode(errors="replace")
        assert "input 'panels' of calculation 'net' comes from 'panels', which is neither a service nor" in reason
        assert process.wait(SECONDS) == 1


async def test_a_broker_killed_and_restarted_loses_nothing(so: Orchestrator, mosquitto: Mosquitto) -> None:
    with model(so, "connection"):
        parameterize(so, versions=[1, 2])
        so.panel("pv1", data("pv1", 5.0, 1))
        so.panel("pv2", data("pv2", 7.0, 1))
        so.say(so.step_for_all, so.step(1))
        done = [so.hear() for _ in range(3)]
        mosquitto.kill()
        await mosquitto.start()
        so.connected_again()
        so.say(so.step_for_all, so.step(1))  # as an orchestrator does that does not know what was heard
        again = []
        while again[-3:] != done:  # before, of what the model says by itself, as much as we are back for
            again.append(so.hear())
        so.say(so.step_for_all, so.step(2))
        so.panel("pv1", data("pv1", 5.0, 2))
        so.panel("pv2", data("pv2", 7.0, 2))
        while so.hear(so.from_model("CalculationsDone"))[1] != number(1, 2):
            pass


async def test_a_heavy_calculation_stalls_neither_ping_nor_sigterm(so: Orchestrator, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    with model(so, "connection", PARAMETER_HOLD=str(hold)) as process:
        parameterize(so)
        so.panel("pv1", data("pv1", 5.0))
        so.say(so.to_model("NewStep"), so.step(1))
        so.hears_nothing_before(so.health("model/mso", "Pong"))
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(SECONDS) == 143
    assert "ended by SIGTERM in step 1, at connection.py, line" in said


@pytest.mark.parametrize("attempt", range(5))
async def test_sigterm_in_the_midst_of_a_log_line_ends_it(so: Orchestrator, attempt: int) -> None:
    with model(so, "chatty") as process:
        parameterize(so)
        so.say(so.to_model("NewStep"), so.step(1))
        so.hear(so.log)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(SECONDS) == 143
        assert "ended by SIGTERM" in said


async def test_sigterm_while_waiting_is_an_orderly_end(so: Orchestrator) -> None:
    with model(so, "connection") as process:
        parameterize(so)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 143
        assert process.stderr is not None
        assert "ended by SIGTERM" in process.stderr.read()


async def test_sigterm_while_the_broker_is_away_is_heard(so: Orchestrator, mosquitto: Mosquitto) -> None:
    mosquitto.kill()
    with model(so, "connection") as process:
        assert process.stderr is not None
        assert "does not answer" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 143


async def test_logs_go_to_the_orchestrator(so: Orchestrator) -> None:
    with model(so, "connection"):
        so.hear(so.ready)
        so.say(so.to_model("NewStep"), so.step(1))
        line = so.hear(f"/log/model/dots-so/{SIMULATION}/connection-1")[1]
        assert line == b"WARNING podium.sdk: ignored NewStep 1: there were no parameters before"


async def test_a_wrong_password_ends_the_model_at_once(so: Orchestrator) -> None:
    with model(so, "connection", MQTT_PASSWORD="wrong") as process:
        assert process.wait(SECONDS) == 1
        assert process.stderr is not None
        said = process.stderr.read()
        assert "refuses the connection" in said
        assert "wrong" not in said


async def test_an_environment_that_is_no_simulations_is_named(so: Orchestrator) -> None:
    with model(so, "connection", MODEL_ID="", MQTT_PORT="") as process:
        assert process.wait(SECONDS) == 2
        assert process.stderr is not None
        assert "the environment lacks MQTT_PORT, MODEL_ID" in process.stderr.read()
