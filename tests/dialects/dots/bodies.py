"""Documents to submit: small by default, as large as a test needs them."""

from __future__ import annotations

import base64
import json
import random
import uuid
from typing import Any

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<esdl:EnergySystem xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xmlns:esdl="http://www.tno.nl/esdl" id="system" name="a street">\n<instance xsi:type="esdl:Instance" id="now">\n'
)


def esdl(homes: int = 5, *, replace: tuple[str, str] | None = None) -> str:
    """A street whose homes have a connection and a PV installation each; 6 objects and ids, 8 elements a home."""
    parts = [HEAD, '<area id="area">\n']  # no xsi:type: its type follows from the metamodel
    chance = random.Random(1)

    def port() -> str:
        return str(uuid.UUID(int=chance.getrandbits(128), version=4))

    for n in range(homes):
        inside, outside = port(), port()
        parts.append(
            f'<asset xsi:type="esdl:Building" id="house-{n}" name="house {n}">\n'
            '<geometry xsi:type="esdl:Point" lat="51.444378637449404" lon="5.326824188232422"/>\n'
            f'<asset xsi:type="esdl:EConnection" id="connection-{n}" name="connection {n}">\n'
            f'<port xsi:type="esdl:InPort" id="{inside}" connectedTo="{outside}"/>\n</asset>\n'
            f'<asset xsi:type="esdl:PVInstallation" id="pv-{n}" name="pv {n}" power="1000.0" panelEfficiency="0.2">\n'
            f'<port xsi:type="esdl:OutPort" id="{outside}" connectedTo="{inside}"/>\n</asset>\n</asset>\n'
        )
    parts.append("</area></instance></esdl:EnergySystem>")
    text = "".join(parts)
    return text if replace is None else text.replace(*replace)


def packed(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def service(kind: str = "PVInstallation", name: str = "pv_service", number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "esdl_type": kind,
        "calc_service_name": name,
        "service_image_url": "an-image:1.0",
        "nr_of_models": number,
        **more,
    }


def body(**changes: Any) -> dict[str, Any]:
    """A body for `/start`; a change to None leaves the key out."""
    whole = {
        "name": "Two services",
        "start_date": "2023-01-25 00:00:00",
        "time_step_seconds": 3600,
        "nr_of_time_steps": 24,
        "max_step_calc_time_minutes": 10,
        "keep_logs_hours": 1,
        "log_level": "debug",
        "calculation_services": [service(), service("EConnection", "connection_service", 0)],
        "esdl_base64string": packed(esdl()),
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def content(**changes: Any) -> bytes:
    return json.dumps(body(**changes)).encode()
