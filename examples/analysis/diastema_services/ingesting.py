"""Data from elsewhere: by HTTP, or one of the files that came with the services (`shipped:<name>`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from diastema_services.store import SUFFIXES, Store
from diastema_services.tables import Refused, tables, text

MOST_BYTES = 100 * 1024 * 1024
PARQUET = b"PAR1"


def fetch(wanted: Mapping[str, Any], shipped: Path | None) -> bytes:
    """What the `ingestion_json` of a document asks for."""
    url = str(wanted["url"])
    if url.startswith("shipped:"):
        file = None if shipped is None else shipped / Path(url.removeprefix("shipped:")).name
        if file is None or not file.is_file():
            raise Refused(f"nothing of that name was shipped: {url}")
        return file.read_bytes()
    content = b""
    try:
        method, query = str(wanted.get("method", "GET")), wanted.get("query_params") or {}
        with httpx.stream(method, url, params=query, timeout=30, follow_redirects=True) as answer:
            answer.raise_for_status()
            for part in answer.iter_bytes():
                content += part
                if len(content) > MOST_BYTES:
                    raise Refused(f"{url} has more than {MOST_BYTES} bytes")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Refused(f"{url} gives nothing: {str(error) or type(error).__name__}") from error
    return content


def ingest(store: Store, wanted: Mapping[str, Any], target: str, shipped: Path | None) -> list[str]:
    """Into the folder `target`, with the first line or `labels` as names of its columns; gives these."""
    content = fetch(wanted, shipped)
    with tables(store) as data:
        separator = text(str(wanted.get("separator") or ","))
        header = bool(wanted.get("first-line-labels", True))
        suffix = ".parquet" if content.startswith(PARQUET) else ".csv"
        data.add(0, [content], suffix, f"delim = {separator}, header = {str(header).lower()}")
        labels = [str(label).lower() for label in wanted.get("labels") or ()]
        names = list(data.columns())
        if not header and labels:
            if len(labels) != len(names):
                raise Refused(f"{len(labels)} labels for {len(names)} columns")
            for number, name in enumerate(names):
                data.rename(0, name, f" {number}")  # so that no two have one name meanwhile
            for number, label in enumerate(labels):
                data.rename(0, f" {number}", label)
        data.save("FROM t0", target)
        return list(data.columns())


def ship(store: Store, shipped: Path, organisation: str) -> None:
    """What came with the services becomes datasets of `organisation`, where it has none of that label."""
    for file in sorted(shipped.iterdir()):
        folder = f"{organisation}/datasets/{file.stem}"
        if file.suffix in SUFFIXES and not store.tables(folder):
            store.write(f"{folder}/{file.name}", file.read_bytes())
