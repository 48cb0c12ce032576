"""The command line as a user has it: exit codes, what is on stdout and stderr, signals, and no traceback ever."""

from __future__ import annotations

import asyncio
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from podium import __version__
from podium.cli import app
from podium.stack.home import Home
from tests.cli.terminal import RUN, Terminal
from tests.e2e.harness import document, models_file

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


async def test_a_run_that_succeeds(podium: Terminal) -> None:
    models_file(podium.directory)
    podium.write(document(steps=4))
    ended = await podium(*RUN, "--json")
    assert ended.code == 0, ended.err
    assert (ended.json["state"], ended.json["kind"]) == ("succeeded", "dots.simulation")
    assert ended.json["progress"]["done"] == 4
    assert "error" not in ended.json
    assert len(ended.out.splitlines()) == 1
    assert "started: 2 models, 4 steps" in ended.err
    assert "podium logs" in ended.err


async def test_a_run_that_fails(podium: Terminal) -> None:
    models_file(podium.directory, FAULT="exit:2:3", ONLY="plain-2")
    podium.write(document(steps=4))
    ended = await podium(*RUN, "--json")
    assert ended.code == 1, ended.err
    assert ended.json["state"] == "failed"
    error = ended.json["error"]
    assert (error["model"], error["exit_code"]) == ("plain-2", 3)
    assert error["last_lines"][-1] in ended.err


@pytest.mark.parametrize("command", ["run", "validate"])
async def test_a_document_that_is_refused(podium: Terminal, command: str) -> None:
    models_file(podium.directory)
    podium.write(document(nr_of_time_steps=0))
    ended = await podium(command, "simulation.json", "--models", "models.yaml")
    assert ended.code == 2
    assert "nr_of_time_steps" in ended.err
    assert [line.startswith("podium: ") for line in ended.err.splitlines()] == [True]
    assert ended.out == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "none.json"), "podium: none.json: it cannot be read: no such file"),
        (("run", "other.json"), "this is no document Podium knows"),
        (("run", "empty.json"), "the document is empty"),
        (("run", "broken.json"), "line 2, column 1: the document is not JSON: expecting"),
        (("run", "."), "is a directory"),
        (
            ("validate", "misspelt.json"),
            "calculation_service: there is no such key. Did you mean calculation_services?",
        ),
        (("validate", "other.json"), "this is no document Podium knows"),
        (("run", "other.json", "--models", "none.yaml"), "there is no file 'none.yaml'"),
        (("run", "other.json", "--models", "other.json"), "An entry is {image:"),
        (("run", "other.json", "--broker", "localhost"), "not a URL"),
        (("serve", "--backplane", "docker"), "the docker backplane does not exist yet"),
        (("serve", "--backplane", "x"), "backplane: must be 'process'"),
        (("serve", "--broker", "foo://"), "Use mqtt://, mqtts:// or nats://host:port"),
        (("serve", "--database", "bla"), "database: not a URL"),
        (("serve", "--database", "mysql://x/y", "--port", "0"), "Say sqlite:///PATH or postgresql://"),
        (("serve", "--database", "postgresql://127.0.0.1:1/x", "--port", "0"), "Look whether it runs there"),
        (("serve", "--data", "other.json", "--port", "0"), "it is a file. Choose another with --data"),
        (("serve", "--broker-advertise", "h:99999"), "broker_advertise: 'h:99999' is not host:port"),
        (("serve", "--port", "99999"), "port: must be at most 65535"),
        (("serve", "--host", "192.0.2.1", "--port", "0"), "cannot listen on 192.0.2.1"),
        (("serve", "--data", "."), "holds other things"),
        (("mso",), "Give --broker"),
        (("mso", "--broker", "mqtt://127.0.0.1:1"), "127.0.0.1:1"),
        (("status",), "nothing has run here yet"),
        (("status", "none"), "nothing has run here yet"),
        (("cancel", "none"), "nothing has run here yet"),
        (("models", "add", "pv:1", "--parameters", "{"), "--parameters"),
        (("new", "service", "Not A Name"), "Not A Name"),
        (
            ("new", "service", "mine", "--directory", "other.json"),
            "other.json/mine: it cannot be written: not a directory",
        ),
        (("nonsense",), "nonsense"),
    ],
)
async def test_calls_that_make_no_sense(podium: Terminal, words: tuple[str, ...], said: str) -> None:
    (podium.directory / "other.json").write_text('{"a": 1}')
    (podium.directory / "empty.json").touch()
    (podium.directory / "broken.json").write_text('{"name": "x",\n}')
    (podium.directory / "misspelt.json").write_text('{"name": "x", "calculation_service": [], "start_date": ""}')
    ended = await podium(*words)
    assert ended.code == 2, ended.err
    assert said in ended.err


async def test_a_port_that_is_taken(podium: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = await podium("serve", "--port", str(taken.getsockname()[1]))
    assert ended.code == 2
    assert "Address already in use. Choose another with --port" in ended.err
    assert len(ended.err.splitlines()) == 1


async def test_many_faults_have_a_line_each(podium: Terminal) -> None:
    models_file(podium.directory)
    podium.write(document(nr_of_time_steps=0, start_date="2026-02-30", log_level="loud"))
    ended = await podium("validate", "simulation.json", "--models", "models.yaml")
    assert ended.code == 2
    assert ended.err.splitlines() == [
        "podium: there are 3 faults",
        "  start_date: '2026-02-30' is not a date; write it as 2023-01-25 00:00:00",
        "  nr_of_time_steps: must be greater than 0 (not 0)",
        "  log_level: 'loud' is not one of debug, info, warning, error, critical",
    ]


async def test_keys_that_nobody_reads_are_advised_against(podium: Terminal) -> None:
    models_file(podium.directory)
    podium.write(document(steps=1, foo=1))
    for command in ("validate", "run"):
        ended = await podium(command, "simulation.json", "--models", "models.yaml")
        assert ended.code == 0, ended.err
        assert ended.err.count("could be better: foo: Podium does not read this key") == 1


async def test_without_a_models_file_its_option_is_named(podium: Terminal) -> None:
    podium.write(document(steps=1))
    ended = await podium("validate", "simulation.json")
    assert ended.code == 2
    assert "--models FILE" in ended.err


async def test_the_version(podium: Terminal) -> None:
    ended = await podium("--version")
    assert (ended.code, ended.out) == (0, f"podium {__version__}\n")


async def test_a_data_directory_that_is_mistyped_is_not_made(podium: Terminal) -> None:
    ended = await podium("cancel", "none", "--data", "typo")
    assert ended.code == 2
    assert not (podium.directory / "typo").exists()


async def test_what_has_run_can_be_looked_at_with_nothing_running(podium: Terminal) -> None:
    models_file(podium.directory)
    podium.write(document(steps=4))
    run = (await podium(*RUN, "--json")).json["id"]
    status = await podium("status")
    assert status.code == 0
    assert run in status.out
    assert (await podium("status", run, "--json")).json["state"] == "succeeded"
    events = await podium("events", run)
    assert "step 4 finished" in events.out
    assert events.out.splitlines()[-1].endswith("succeeded")
    logs = await podium("logs", run)
    assert "--- plain-1" in logs.out
    assert (await podium("logs", run, "none")).code == 2
    assert "no results" in (await podium("results", run)).err
    assert (await podium("results", run, "--csv", "out")).code == 2
    assert "a plot is drawn as PNG only. Call it x.png" in (await podium("results", run, "--plot", "x.pdf")).err
    assert (await podium("status", "none")).code == 2
    assert (await podium("events", run, "--follow")).code == 2  # nobody is there who could tell more


async def test_a_run_is_named_by_how_its_id_begins_or_as_the_newest(podium: Terminal) -> None:
    assert (await podium("models", "add", "pv:1")).code == 0
    assert "there is no run yet" in (await podium("status", "last")).err
    models_file(podium.directory)
    podium.write(document(steps=1))
    older, newer = [(await podium(*RUN, "--json")).json["id"] for _ in range(2)]
    for words, run in (((older[:-1],), older), (("last",), newer), (("-",), newer)):
        assert (await podium("status", *words, "--json")).json["id"] == run
    assert "step 1 finished" in (await podium("events", older[:-1])).out
    assert "--- plain-1" in (await podium("logs", "last", "--tail", "1")).out
    assert "no results" in (await podium("results", "-")).err
    assert (await podium("cancel", older[:-1])).out.startswith(f"{older}  succeeded")
    several = await podium("events", "e2e-" if older[4] != newer[4] else older[:5])
    assert several.code == 2
    assert older in several.err
    assert newer in several.err
    assert f"{older[1:]!r}" in (await podium("status", older[1:])).err  # it begins otherwise


async def test_a_document_is_handed_to_the_podium_that_owns_the_data_directory(podium: Terminal) -> None:
    models_file(podium.directory)
    podium.write(document(steps=4))
    serving = await podium.start("serve", "--port", "0", "--models", "models.yaml")
    assert serving.stdout
    assert (await serving.stdout.readline()).startswith(b"page  http://127.0.0.1:")
    results = await asyncio.gather(*(podium("run", "simulation.json", "--json") for _ in range(3)))
    assert [(ended.code, ended.json["state"]) for ended in results] == [(0, "succeeded")] * 3
    status = await podium("status")
    assert all(ended.json["id"] in status.out for ended in results)
    assert "page  http://127.0.0.1:" in status.err
    assert (await podium("serve", "--port", "0")).code == 2  # it has an owner
    assert (await podium("stop")).code == 0
    assert (await podium.end(serving)).code == 0


async def test_two_that_come_at_once_are_conducted_by_one_of_them(podium: Terminal) -> None:
    models_file(podium.directory)
    podium.write(document(steps=4))
    both = await asyncio.gather(*(podium(*RUN, "--json") for _ in range(2)))
    assert [ended.code for ended in both] == [0, 0], [ended.err for ended in both]
    assert len({ended.json["id"] for ended in both}) == 2


async def test_models_are_registered_without_a_server(podium: Terminal) -> None:
    assert (await podium("models", "add", "pv:1", "--parameters", '{"tilt": 30}')).code == 0
    assert (await podium("models", "add", "pv:1")).code == 2  # it means something else already
    assert (await podium("models", "show", "pv")).json["parameters"] == {"tilt": 30}
    assert (await podium("models", "deprecate", "pv:1")).code == 0
    assert "deprecated" in (await podium("models", "list")).out
    assert (await podium("models", "show", "pv")).code == 2


async def test_a_new_service_runs_as_it_is_told_to(podium: Terminal) -> None:
    ended = await podium("new", "service", "wind-turbine")
    assert ended.code == 0
    assert all((podium.directory / line).is_file() for line in ended.out.splitlines())
    line = "cd wind-turbine && podium run simulation.json --models models.yaml"
    assert ended.err.splitlines() == [f"try it: {line}"]
    assert line.partition("&& ")[2] in (podium.directory / "wind-turbine" / "README.md").read_text()
    ran = await podium.shell(line)
    assert ran.code == 0, ran.err
    assert "succeeded" in ran.err
    assert "power" in ran.out
    assert (await podium("new", "service", "wind-turbine")).code == 2


async def test_no_secret_is_written_where_it_can_be_read(podium: Terminal) -> None:
    models_file(podium.directory)
    podium.write(document(steps=2))
    ended = await podium(*RUN, PODIUM_LOG_LEVEL="debug", PODIUM_PASSWORD="hunter2hunter2")
    assert ended.code == 0
    home = podium.directory / ".podium"
    secrets = {path.read_text().strip() for path in (home / "secrets").iterdir()} | {"hunter2hunter2"}
    texts = [(home / "podium.log").read_text(), ended.out, ended.err]
    assert all(secret not in text for secret in secrets for text in texts)


def test_help_needs_nothing_heavy() -> None:
    heavy = {"fastapi", "sqlalchemy", "pydantic", "duckdb", "matplotlib", "lxml", "esdl", "httpx", "uvicorn", "rich"}
    code = f"import sys, podium.cli; print(*{heavy!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


async def test_a_run_that_asks_no_service_needs_no_client_for_one(podium: Terminal) -> None:
    (podium.directory / "steps.py").write_text("def one(): return 1\n")
    (podium.directory / "graph.json").write_text('{"jobs": {"one": {"python": {"function": "steps:one"}}}}')
    heavy = {"aiohttp", "jinja2", "matplotlib", "psycopg", "sqlalchemy.dialects.postgresql"}
    code = f"import atexit, sys; atexit.register(lambda: print(*{heavy!r} & set(sys.modules))); "
    code += "sys.argv = ['podium', 'run', 'graph.json', '--json']; from podium.cli import main; main()"
    done = await podium.shell(f"python -c {shlex.quote(code)}")
    assert (done.code, done.out.splitlines()[-1]) == (0, ""), done.err


@pytest.mark.parametrize(
    "words", [(), ("--help",), *((name, "--help") for name in ("run", "serve", "status", "models", "new", "stop"))]
)
async def test_every_command_explains_itself(podium: Terminal, words: tuple[str, ...]) -> None:
    ended = await podium(*words)
    assert "Usage" in ended.out + ended.err
    assert ended.code == (0 if words else 2)


def test_every_command_is_described() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert {name for name in commands if f"`podium {name}" not in page} == set()
    assert len(commands) > 8


def test_looking_at_runs_needs_no_server(tmp_path: Path) -> None:
    heavy = {"fastapi", "uvicorn", "duckdb", "httpx", "jinja2", "matplotlib", "lxml", "esdl", "nats", "psycopg"}
    heavy |= {"sqlalchemy.dialects.postgresql"}
    home = Home(tmp_path / "data")
    home.create()
    code = f"import atexit, sys; atexit.register(lambda: print(*{heavy!r} & set(sys.modules))); "
    code += f"sys.argv = ['podium', 'status', '--data', {str(home.path)!r}]; from podium.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == ([], "no run\n")
