"""`podium serve`, `podium mso` and `podium stop`: what lives until it is told to end."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from podium.cli import options
from podium.cli.screen import out, say

if TYPE_CHECKING:
    from podium.settings import Settings
    from podium.stack.home import Home
    from podium.stack.whole import Stack

SILENT_SECONDS = 3.0  # before it is said for whom runs wait that are to end

Level = Annotated[str | None, typer.Option("--log-level", help="debug, info, warning or error.", show_default="info")]


def add_to(app: typer.Typer) -> None:
    app.command()(serve)
    app.command()(mso)
    app.command()(stop)


def serve(
    host: Annotated[str | None, typer.Option(help="Where to listen.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="0: any that is free.", show_default="8001")] = None,
    ports: Annotated[str | None, typer.Option(help="More ports, such as 5000,5888.")] = None,
    hosts: Annotated[str | None, typer.Option(help="Names this server goes by beside --host, with commas.")] = None,
    data: options.Data = None,
    broker: options.Broker = None,
    broker_advertise: Annotated[str | None, typer.Option(help="host:port of the broker, as models see it.")] = None,
    influx_advertise: Annotated[str | None, typer.Option(help="host:port for results, as models see it.")] = None,
    database: options.Database = None,
    artifacts: options.Artifacts = None,
    series: options.Series = None,
    functions: Annotated[str | None, typer.Option(help="Directories of functions for graphs, with commas.")] = None,
    backplane: Annotated[str | None, typer.Option(help="Where models run.", show_default="process")] = None,
    models: options.Models = None,
    mso: Annotated[bool | None, typer.Option("--mso/--no-mso", help="Run models, or leave that to another.")] = None,
    metrics_open: Annotated[bool | None, typer.Option("--metrics-open", help="/metrics needs no token.")] = None,
    log_level: Level = None,
) -> None:
    """Run the server until it is told to end. SIGTERM detaches: runs, models and the broker go on with the next one."""
    run_loop(_serve(options.settings(**locals())))


def mso(
    broker: options.Broker = None,
    models: options.Models = None,
    data: options.Data = None,
    log_level: Level = None,
) -> None:
    """Run models for whoever conducts simulations on a broker: the model services orchestrator alone."""
    run_loop(_mso(options.settings(**locals())))


def stop(
    everything: Annotated[bool, typer.Option("--all", help="End runs, models and the embedded broker too.")] = False,
    data: options.Data = None,
) -> None:
    """End the Podium of a data directory."""
    run_loop(_stop(options.settings(data=data), everything))


def run_loop(main: Coroutine[Any, Any, int | None]) -> None:
    """Run to the end, and exit with what it says."""
    import uvloop

    sys.exit(uvloop.run(main) or 0)


async def _serve(settings: Settings) -> int:
    from podium.cli import logs
    from podium.cli.leaving import on_signals
    from podium.stack.whole import Stack

    logs.to_terminal(settings.log_level)
    stack = Stack(settings)
    logs.redact(stack.secrets)
    on_signals(stack.stop)
    starting = asyncio.create_task(stack.start())
    stopped = asyncio.create_task(stack.stopping.wait())
    await asyncio.wait((starting, stopped), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
    try:
        await starting
    except asyncio.CancelledError:
        return 0
    _introduce(stack)
    await stopped
    await stack.close()
    return 1 if stack.lost else 0


def _introduce(stack: Stack) -> None:
    out().print(f"page  {stack.link()}", markup=False)
    out().print(f"data  {stack.home.path}", markup=False)
    if stack.settings.password is None:
        out().print(f"      the password of DotsUser is in {stack.home.path / 'secrets' / 'password'}", markup=False)
    sys.stdout.flush()


async def _mso(settings: Settings) -> None:
    from podium.cli import logs
    from podium.cli.leaving import on_signals
    from podium.stack.home import Home
    from podium.stack.roles import model_services_orchestrator

    logs.to_terminal(settings.log_level)
    home = Home(settings.data)
    home.create()
    secrets = home.secrets
    secrets.know(*settings.secrets)
    logs.redact(secrets)
    stopping = asyncio.Event()
    on_signals(stopping.set)
    async with model_services_orchestrator(settings, home, stopping.set):
        out().print("ready")
        sys.stdout.flush()
        await stopping.wait()


async def _stop(settings: Settings, everything: bool) -> None:
    from podium.stack.home import Home

    home = Home(settings.data)
    if home.has_owner():
        await _stop_owner(home, everything)
    elif not (everything and home.exists and await _end_what_was_left(settings, home)):
        say(f"nothing lives in {home.path}")


async def _stop_owner(home: Home, everything: bool) -> None:
    from podium.cli.client import Client, through
    from podium.cli.waiting import saying_waits

    async with through(home) as http:
        client = Client(http)
        process = os.pidfd_open((await client.json("/api/v1/owner"))["pid"])
        await client.post("/api/v1/owner/stop", json={"all": everything})
        async with saying_waits(client, SILENT_SECONDS) if everything else nullcontext():
            await _readable(process)


async def _end_what_was_left(settings: Settings, home: Home) -> bool:
    from podium.cli import logs
    from podium.stack.leftovers import end_all

    logs.to_file(home.path / "podium.log", settings.log_level)
    ended = await end_all(settings, home)
    if ended:
        say(f"ended what an earlier Podium left: {', '.join(ended)}")
    return bool(ended)


async def _readable(handle: int) -> None:
    """Until the process of a pidfd has ended."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(handle, ended.set)
    await ended.wait()
    loop.remove_reader(handle)
    os.close(handle)
