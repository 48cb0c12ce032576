"""The registry of model configurations over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from podium.runs.events import Json
from podium.server.parts import Parts
from podium.stores.registry import ModelConfiguration, split


class NewModel(BaseModel):
    """A version of a type of model; what it says never changes."""

    model_config = ConfigDict(extra="forbid")

    image: Annotated[str, Field(min_length=1, description="What is run.")]
    name: Annotated[str | None, Field(description="The type of model; else the image's name without its tag.")] = None
    version: Annotated[str | None, Field(description="Else the image's tag.")] = None
    pull_secret: Annotated[str | None, Field(description="The name of a secret, never its value.")] = None
    parameters: Annotated[dict[str, Any], Field(description="What models of this version are given.")] = {}
    description: str = ""


def routes(parts: Parts) -> APIRouter:
    router = APIRouter(prefix="/models", tags=["models"])
    registry = parts.registry

    @router.get("", summary="All registered versions of models")
    async def listing() -> dict[str, Json]:
        return {"models": [_shown(entry) for entry in await registry.list()]}

    @router.post("", status_code=201, summary="Register a version of a model")
    async def add(new: NewModel) -> dict[str, Json]:
        name, version = split(new.image)
        entry = ModelConfiguration(
            name=new.name or name,
            version=new.version or version or "latest",
            image=new.image,
            pull_secret=new.pull_secret,
            parameters=new.parameters,
            description=new.description,
        )
        return _shown(await registry.add(entry))

    @router.get("/{identifier:path}", summary="A version of a model, or its newest")
    async def one(identifier: str) -> dict[str, Json]:
        return _shown(await registry.lookup(identifier))

    @router.post("/{identifier:path}/deprecate", summary="Have new runs use another version")
    async def deprecate(identifier: str) -> dict[str, Json]:
        return _shown(await registry.deprecate(identifier))

    return router


def _shown(entry: ModelConfiguration) -> dict[str, Json]:
    return {
        "identifier": entry.identifier,
        "name": entry.name,
        "version": entry.version,
        "image": entry.image,
        "pull_secret": entry.pull_secret,
        "parameters": dict(entry.parameters),
        "description": entry.description,
        "added": entry.added,
        "deprecated": entry.deprecated,
    }
