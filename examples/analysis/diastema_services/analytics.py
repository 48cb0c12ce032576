"""The analytics component: a connection a job, and an answer when it has ended.

A message is its length in decimal, padded with spaces to 64 bytes, and then so many bytes of JSON. The job's parameters
are in the document store that it names; without one they are in the message itself, as `params`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from diastema_services.desk import AT_ONCE, wording
from diastema_services.learning import learn
from diastema_services.store import Store, s3
from diastema_services.tables import Refused

log = logging.getLogger(__name__)

HEADER = 64
MOST_BYTES = 1024 * 1024
TASKS = {"classificationjob": "classification", "regressionjob": "regression", "clusteringjob": "clustering"}


class Analytics:
    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(AT_ONCE)

    async def serve(self, host: str, port: int) -> None:
        async with await asyncio.start_server(self.answer, host, port) as server:
            log.info("running on %s:%d", host, port)
            await server.serve_forever()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = await _heard(reader)
            work = partial(self._work, asked)
            said = await asyncio.get_running_loop().run_in_executor(self._threads, work)
            log.info("job %s: %s", asked["job-id"], said)
        except asyncio.IncompleteReadError:
            said = ""  # somebody looked whether we are there
        except Exception as error:
            log.exception("a job failed")
            said = f"error: {wording(error)}"
        try:
            writer.write(said.encode())
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except ConnectionError:
            log.warning("nobody waited for the answer: %s", said)

    def _work(self, asked: Mapping[str, Any]) -> str:
        name = PurePosixPath(str(asked["path"])).stem.lower()
        if name not in TASKS:
            raise Refused(f"no job: {asked['path']!r}")
        job, target = str(asked["job-id"]), str(asked["minio-output"])
        store = self._store or _of_message(asked)
        said = learn(
            TASKS[name],
            store,
            str(asked["minio-input"]),
            target,
            job,
            str(asked["algorithm"]),
            column=str(asked.get("column") or "").lower(),
            parameters=_parameters(asked, job),
        )
        store.write(f"{target.rstrip('/')}/_SUCCESS", b"")
        return said


async def _heard(reader: asyncio.StreamReader) -> dict[str, Any]:
    length = int((await reader.readexactly(HEADER)).decode())
    if not 0 < length <= MOST_BYTES:
        raise Refused(f"a message has at most {MOST_BYTES} bytes")
    heard: dict[str, Any] = json.loads(await reader.readexactly(length))
    return heard


def _of_message(asked: Mapping[str, Any]) -> Store:
    if not asked["minio-host"]:
        return Store.of({"ARTIFACTS": str(asked["artifacts"])})
    endpoint = f"http://{asked['minio-host']}:{asked['minio-port']}"
    return Store(s3(endpoint, asked["minio-user"], asked["minio-pass"]))


def _parameters(asked: Mapping[str, Any], job: str) -> dict[str, Any]:
    if not asked.get("mongo-host"):
        return dict(asked.get("params") or {})
    from pymongo import MongoClient

    documents: MongoClient[dict[str, Any]]
    with MongoClient(asked["mongo-host"], int(asked["mongo-port"]), serverSelectionTimeoutMS=5000) as documents:
        found: Any = documents["Diastema"]["datatoolkit"].find_one({"job-id": job})
    return {name: value for name, value in (found or {}).items() if name not in ("_id", "job-id")}
