"""Artifacts in an S3: Amazon's, MinIO, SeaweedFS, Ceph.

Through aiobotocore and not through the file systems that are built on it: those think in files, so that they cannot
say that a key ends with `/`, and remember listings that others have changed since.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import structlog
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from aiohttp import ClientError as Broken
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from podium.errors import NotFound, SettingsError, Unavailable
from podium.stores.artifacts import PIECE, folder, named, place

log = structlog.get_logger()

CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 5.0, 30.0, 3
_HINT = "Is it running, and is `artifacts` (PODIUM_ARTIFACTS) its address?"
_ABSENT = {"NoSuchKey", "NoSuchBucket", "404"}
_LATER = {408, 409, 429}  # trying again may help
_OURS = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


class S3Artifacts:
    """An `Artifacts` behind `endpoint`, such as `https://host:port`.

    Args:
        user, password: its access key and secret key; None: those that Amazon's own tools would find.
        region: where buckets are made, and what requests are signed for.
        connect_seconds, read_seconds: how long it may be silent, in each of `ATTEMPTS`.
    """

    def __init__(
        self,
        endpoint: str,
        user: str | None,
        password: str | None,
        *,
        region: str | None = None,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self.url = f"s3://{urlsplit(endpoint).netloc}"
        self._arguments = {
            "endpoint_url": endpoint,
            "aws_access_key_id": user,
            "aws_secret_access_key": password,
            "region_name": region,
            "config": AioConfig(
                connect_timeout=connect_seconds,
                read_timeout=read_seconds,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                s3={"addressing_style": "path"},
            ),
        }
        self._made_in = {"LocationConstraint": region} if region and region != "us-east-1" else None
        self._opening = asyncio.Lock()
        self._opened = AsyncExitStack()
        self._client: Any = None

    async def make_folder(self, path: str) -> None:
        bucket, key = folder(path)
        async with self._s3(path) as s3:
            if key:
                await self._put(s3, bucket, f"{key}/", b"")
            else:
                await self._make_bucket(s3, bucket)

    async def list(self, path: str) -> list[str]:
        return list(await self.sizes(path))

    async def sizes(self, path: str) -> dict[str, int]:
        bucket, key = folder(path)
        found: dict[str, int] = {}
        async with self._s3(path) as s3:
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{key}/" if key else "")
            try:
                async for page in pages:
                    found |= {f"{bucket}/{entry['Key']}": entry["Size"] for entry in page.get("Contents", ())}
            except ClientError as error:
                if _code(error) not in _ABSENT:
                    raise
        return named(((object_, size) for object_, size in found.items() if not object_.endswith("/")), path)

    async def remove(self, path: str) -> None:
        bucket, key = place(path)
        async with self._s3(path) as s3:
            try:
                await s3.delete_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if _code(error) not in _ABSENT:
                    raise

    async def read(self, path: str) -> AsyncIterator[bytes]:
        bucket, key = place(path)
        async with self._s3(path) as s3:
            try:
                answer = await s3.get_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if _code(error) not in _ABSENT:
                    raise
                raise NotFound("there is no such artifact", where=path) from None
            async with answer["Body"] as body:
                async for piece in body.iter_chunks(PIECE):
                    yield piece

    async def write(self, path: str, content: bytes) -> None:
        bucket, key = place(path)
        async with self._s3(path) as s3:
            await self._put(s3, bucket, key, content)

    async def close(self) -> None:
        await self._opened.aclose()
        self._client = None

    async def _put(self, s3: Any, bucket: str, key: str, content: bytes) -> None:
        try:
            await s3.put_object(Bucket=bucket, Key=key, Body=content)
        except ClientError as error:
            if _code(error) not in _ABSENT:
                raise
            await self._make_bucket(s3, bucket)
            await s3.put_object(Bucket=bucket, Key=key, Body=content)

    async def _make_bucket(self, s3: Any, bucket: str) -> None:
        """Asks first: who may use a bucket need not be allowed to make one."""
        try:
            await s3.head_bucket(Bucket=bucket)
        except ClientError as error:
            if _code(error) not in _ABSENT:
                raise
        else:
            return
        where = {"CreateBucketConfiguration": self._made_in} if self._made_in else {}
        try:
            await s3.create_bucket(Bucket=bucket, **where)
        except ClientError as error:
            if _code(error) not in _OURS:  # else somebody was faster
                raise
        log.info("artifacts.bucket_made", bucket=bucket, store=self.url)

    @asynccontextmanager
    async def _s3(self, path: str) -> AsyncIterator[Any]:
        """The client, with its errors in our words."""
        try:
            async with self._opening:
                if self._client is None:
                    client = get_session().create_client("s3", **self._arguments)
                    self._client = await self._opened.enter_async_context(client)
            yield self._client
        except ClientError as error:
            raise self._worded(error, path) from error
        except NoCredentialsError:
            hint = "Set artifacts_username and artifacts_password"
            raise SettingsError(f"nothing to sign in with at {self.url}", where="artifacts", hint=hint) from None
        except (BotoCoreError, Broken, OSError) as error:
            problem = f"the artifact store {self.url} cannot be reached: {type(error).__name__}"
            raise Unavailable(problem, where=path, hint=_HINT) from error

    def _worded(self, error: ClientError, path: str) -> SettingsError | Unavailable:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        said = f"the artifact store {self.url} answers {_code(error)}"
        if status >= 500 or status in _LATER:
            return Unavailable(said, where=path)
        hint = "Are artifacts_username, artifacts_password and the region right, and may they do this?"
        return SettingsError(said, where=path, hint=hint)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
