"""What the dialect of analyses is given: its services, its stores, and what its analytics component is told of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from podium.dialects.diastema.desk import Desk
from podium.dialects.diastema.dialect import DiastemaDialect, Stores
from podium.dialects.diastema.models import Access
from podium.dialects.diastema.places import Which
from podium.locations import Location
from podium.settings import DiastemaSettings, Settings
from podium.stores.documents import Documents
from podium.stores.documents_sql import SqlDocuments

if TYPE_CHECKING:
    from podium.stack.dialects import House

_PORTS: Mapping[str, int] = {"http": 80, "https": 443}
_MONGO_PORT = 27017


def diastema(house: House) -> DiastemaDialect:
    settings = house.settings.diastema
    ours = SqlDocuments(house.database)
    mongo = settings.mongo
    desk = Desk(
        submit=house.submit,
        run=house.journal.run,
        runs=house.journal.runs,
        document=house.journal.document,
        events=house.journal.events,
    )
    stores = Stores(
        artifacts=house.jobs.artifacts,
        documents=_mongo(mongo) if mongo else ours,
        ours=ours,
        access=_access(house.settings),
    )
    return DiastemaDialect(
        desk,
        stores,
        key=settings.key,
        services=_given(settings),
        run_service=house.jobs.services.url,
        check_image=house.check_image,
        front_end=settings.frontend.full if settings.frontend else None,
        pause=settings.poll_seconds,
        output_seconds=settings.output_seconds,
        job_timeout=settings.job_timeout_seconds,
        limits=_limits(settings),
        resolve=house.resolve,
        note=house.note,
        redact=house.redact,
    )


def _mongo(where: Location) -> Documents:
    from podium.stores.documents_mongo import MongoDocuments  # its driver takes a tenth of a second

    return MongoDocuments(where.full, where.url)


def _given(settings: DiastemaSettings) -> dict[Which, str]:
    places: dict[Which, Location | None] = {
        "services": settings.services,
        "functions": settings.functions,
        "automl": settings.automl,
        "analytics": settings.analytics,
    }
    return {which: where.full for which, where in places.items() if where is not None}


def _limits(settings: DiastemaSettings) -> dict[str, int]:
    limits = {
        "services": settings.services_limit,
        "functions": settings.functions_limit,
        "analytics": settings.analytics_limit,
    }
    return {which: limit for which, limit in limits.items() if limit is not None}


def _access(settings: Settings) -> Access:
    cluster, mongo, place = urlsplit(settings.diastema.master.url), settings.diastema.mongo, settings.artifacts_place
    documents = urlsplit(mongo.url.partition(",")[0]) if mongo else None  # the first of a replica set
    objects = urlsplit(place.url) if isinstance(place, Location) else None
    return Access(
        master_host=cluster.hostname or "",
        master_port=str(cluster.port or _PORTS[cluster.scheme]),
        minio_host=objects.hostname or "" if objects else "",
        minio_port=str(objects.port or _PORTS[objects.scheme]) if objects else "",
        minio_user=place.username or "" if isinstance(place, Location) else "",
        minio_pass=place.password.get_secret_value() if isinstance(place, Location) and place.password else "",
        mongo_host=documents.hostname or "" if documents else "",
        mongo_port=str(documents.port or _MONGO_PORT) if documents else "",
        artifacts=place.absolute().as_uri() if isinstance(place, Path) else None,
        parameters=mongo is None,
    )
