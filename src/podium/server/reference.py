"""The reference of all routes, made here from their OpenAPI document: works offline and under our content policy."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

from podium.server.page import environment

METHODS = ("get", "post", "put", "patch", "delete")


def routes(app: FastAPI) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        return HTMLResponse(
            environment().get_template("reference.html").render(sections=sections(app.openapi()), version=app.version)
        )

    return router


def sections(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The operations by their first tag, each with its parameters, fields of its body and answers."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, operations in document["paths"].items():
        for method in METHODS:
            if method in operations:
                operation = operations[method]
                tag = operation.get("tags", ["other"])[0]
                found.setdefault(tag, []).append(_operation(document, method, path, operation))
    return found


def _operation(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    bodies = operation.get("requestBody", {}).get("content", {})
    return {
        "method": method.upper(),
        "path": path,
        "summary": operation.get("summary", ""),
        "description": operation.get("description", ""),
        "parameters": [
            {
                "name": parameter["name"],
                "where": parameter["in"],
                "required": parameter.get("required", False),
                "type": _type(document, parameter["schema"]),
                "description": parameter.get("description", ""),
            }
            for parameter in operation.get("parameters", ())
        ],
        "bodies": [
            {"media": media, "fields": _fields(document, body.get("schema", {}))} for media, body in bodies.items()
        ],
        "answers": {code: answer["description"] for code, answer in operation.get("responses", {}).items()},
    }


def _fields(document: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    resolved = _resolved(document, schema)
    required = resolved.get("required", ())
    return [
        {
            "name": name,
            "type": _type(document, field),
            "required": name in required,
            "description": field.get("description", ""),
        }
        for name, field in resolved.get("properties", {}).items()
    ]


def _type(document: dict[str, Any], schema: dict[str, Any]) -> str:
    resolved = _resolved(document, schema)
    if options := resolved.get("anyOf"):
        return " or ".join(_type(document, option) for option in options if option.get("type") != "null")
    if values := resolved.get("enum"):
        return " | ".join(map(str, values))
    if resolved.get("type") == "array":
        return f"list of {_type(document, resolved.get('items', {}))}"
    return str(resolved.get("type", resolved.get("title", "any")))


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema
