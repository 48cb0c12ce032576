"""What the stack puts around the dialect, on a real journal and conductor, with stand-ins for the platform alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, Header
from pydantic import SecretStr

from podium.dialects.diastema.desk import Desk
from podium.dialects.diastema.dialect import DiastemaDialect, Stores
from podium.dialects.diastema.models import Access
from podium.errors import DocumentRefused, NotAllowed, Unavailable
from podium.runs.conductor import Conductor
from podium.runs.events import Run
from podium.runs.journal import Journal
from podium.runs.secrets import Secrets
from podium.server import problems
from podium.stores.artifacts import Artifacts
from podium.stores.artifacts_directory import DirectoryArtifacts
from podium.stores.documents import Documents
from podium.stores.documents_sql import SqlDocuments
from tests.dialects.diastema.playbooks import KEY
from tests.parts.diastema_services import Platform

ACCESS = Access(
    master_host="cluster",
    master_port="8443",
    minio_host="minio",
    minio_port="9000",
    minio_user="us",
    minio_pass="secret",
    mongo_host="mongo",
    mongo_port="27017",
)


async def guard(authorization: str = Header("")) -> None:
    if authorization != "Bearer a-token":
        raise NotAllowed("this needs a token")


def nothing(image: str) -> None:
    raise DocumentRefused(f"nothing stands for the image {image!r}")


def into(root: Path) -> Callable[[str, bytes], None]:
    """Writes objects into a directory that stands for the store."""

    def write(path: str, content: bytes) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)

    return write


class House:
    def __init__(
        self,
        home: Path,
        platform: Platform | None,
        *,
        artifacts: Artifacts | None = None,
        documents: Documents | None = None,
        access: Access = ACCESS,
        key: str | None = KEY,
        **settings: Any,
    ) -> None:
        url = f"sqlite:///{home / 'journal.db'}"
        self.journal = Journal(url, owner="test")
        self.ours = SqlDocuments(url)
        self.documents = documents or self.ours
        self.artifacts = artifacts or DirectoryArtifacts(home / "artifacts")
        self.lines: list[tuple[str, str, str]] = []
        self.secrets = Secrets(home / "secrets")
        if platform is not None:
            given = {"services": platform.url, "analytics": platform.analytics_url}
            settings = {"services": given, "front_end": platform.url, **settings}
        self.dialect = DiastemaDialect(
            Desk(
                submit=lambda submission: self.conductor.submit(submission),  # noqa: PLW0108  # made below
                run=self.journal.run,
                runs=self.journal.runs,
                document=self.journal.document,
                events=self.journal.events,
            ),
            Stores(self.artifacts, self.documents, self.ours, access),
            key=SecretStr(key) if key else None,
            run_service=self._run_service,
            check_image=settings.pop("check_image", nothing),
            resolve=self.secrets.resolve,
            note=lambda *line: self.lines.append(line),
            **settings,
        )
        self.conductor = Conductor(self.journal, self.dialect.kinds, secrets=self.secrets)
        self.app = FastAPI()
        problems.install(self.app)
        self.app.include_router(self.dialect.routes(guard))

    async def _run_service(self, image: str) -> str:
        raise Unavailable(f"{image} is not started in this test")

    async def open(self) -> None:
        await self.journal.open()
        await self.journal.acquire()
        await self.dialect.start()
        await self.conductor.start()

    async def close(self) -> None:
        await self.conductor.close()
        await self.dialect.close()
        await self.artifacts.close()
        await self.journal.close()

    @asynccontextmanager
    async def http(self) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(app=self.app)
        headers = {"Authorization": "Bearer a-token"}
        async with httpx.AsyncClient(transport=transport, base_url="http://podium", headers=headers) as client:
            yield client

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        async with self.http() as client:
            return await client.post(path, json=body, headers=headers)

    async def get(self, path: str) -> Any:
        async with self.http() as client:
            answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ended(self, answer: httpx.Response) -> Run:
        assert answer.status_code == 202, answer.text
        return await self.conductor.wait(answer.json()["id"])

    async def analysed(self, book: Any) -> Run:
        return await self.ended(await self.post("/analysis", book))


@asynccontextmanager
async def house(home: Path, platform: Platform | None, **settings: Any) -> AsyncIterator[House]:
    made = House(home, platform, **settings)
    await made.open()
    try:
        yield made
    finally:
        await made.close()
