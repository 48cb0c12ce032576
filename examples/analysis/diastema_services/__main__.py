"""`python -m diastema_services services|functions|automl|analytics`, listening at HOST and PORT."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from diastema_services.store import Store

ROLES = ("services", "functions", "automl", "analytics")


def main(role: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    host, port = os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])
    if role == "analytics":
        from diastema_services.analytics import Analytics

        store = Store.of(os.environ) if "ARTIFACTS" in os.environ else None
        asyncio.run(Analytics(store).serve(host, port))
    else:
        uvicorn.run(_app(role), host=host, port=port, log_config=None, access_log=False)


def _app(role: str) -> FastAPI:
    from diastema_services import web

    store = Store.of(os.environ)
    app = FastAPI(title=f"diastema {role}")
    if role == "services":
        shipped = Path(os.environ["DATASETS"]) if "DATASETS" in os.environ else None
        if shipped is not None:
            from diastema_services.ingesting import ship

            ship(store, shipped, os.environ["ORGANISATION"])
        app.include_router(web.services(store, shipped))
    elif role == "functions":
        app.include_router(web.functions(store))
    else:
        app.include_router(web.automl(store))
    return app


if __name__ == "__main__":
    if sys.argv[1:2] == [] or sys.argv[1] not in ROLES:
        sys.exit(f"usage: python -m diastema_services {'|'.join(ROLES)}")
    main(sys.argv[1])
