"""Debian's Chromium, driven through its debugging pipe: no driver and no port."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from tests.parts import executable

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--remote-debugging-pipe",
    "--window-size=1200,1000",
)


class Browser:
    """One browser with one page."""

    def __init__(self, reader: asyncio.StreamReader, to: int) -> None:
        self._reader = reader
        self._to = to
        self._ids = count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._session: str | None = None
        self.complaints: list[str] = []
        self._reading = asyncio.create_task(self._read())

    async def open_page(self) -> None:
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            await self.call(f"{domain}.enable")

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        message: dict[str, Any] = {"id": next(self._ids), "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        answer = self._answers[message["id"]] = asyncio.get_running_loop().create_future()
        os.write(self._to, json.dumps(message).encode() + b"\0")
        return await answer

    async def go(self, url: str) -> None:
        await self.call("Page.navigate", url=url)

    async def script(self, expression: str) -> Any:
        answer = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, condition: str) -> None:
        """Wait in the page until an expression is true; a reload of the page in between does no harm."""
        waiting = (
            "new Promise(done => { const look = () => (document.readyState === 'complete' && (%s))"
            " ? done(true) : requestAnimationFrame(look); look(); })"
        )
        while True:
            try:
                await self.script(waiting % condition)
            except NavigatedAway:
                continue
            return

    async def close(self) -> None:
        self._session = None
        await self.call("Browser.close")
        await self._reading

    async def _read(self) -> None:
        while chunk := await _until_nul(self._reader):
            message = json.loads(chunk)
            if "id" in message:
                answer = self._answers.pop(message["id"])
                if "error" in message:
                    answer.set_exception(NavigatedAway(message["error"]["message"]))
                else:
                    answer.set_result(message["result"])
            elif message["method"] == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.complaints.append(message["params"]["entry"]["text"])
            elif message["method"] == "Runtime.exceptionThrown":
                self.complaints.append(str(message["params"]["exceptionDetails"]))


class NavigatedAway(Exception):
    """What was asked of a page that is there no more."""


@asynccontextmanager
async def browsing(directory: Path) -> AsyncIterator[Browser]:
    """Raises: Skipped, where there is no Chromium."""
    program = executable("browser", "chromium")
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()

    def place() -> None:  # Chromium reads from 3 and writes to 4
        high = os.dup(theirs_in), os.dup(theirs_out)
        os.dup2(high[0], 3)
        os.dup2(high[1], 4)

    log = (directory / "chromium.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        program,
        *FLAGS,
        f"--user-data-dir={directory / 'chromium'}",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        close_fds=False,
        preexec_fn=place,
    )
    log.close()
    os.close(theirs_in)
    os.close(theirs_out)
    reader = asyncio.StreamReader(limit=2**26)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours_in, "rb")
    )
    browser = Browser(reader, ours_out)
    try:
        await browser.open_page()
        yield browser
        await browser.close()
    finally:
        if process.returncode is None:
            try:
                async with asyncio.timeout(10):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        transport.close()
        os.close(ours_out)


async def _until_nul(reader: asyncio.StreamReader) -> bytes:
    try:
        return (await reader.readuntil(b"\0"))[:-1]
    except asyncio.IncompleteReadError:
        return b""
