"""A service that says much while it calculates, for as long as it is let."""

from __future__ import annotations

import logging
from itertools import count

from podium.sdk import CalculationService, Context, Output

service = CalculationService("connection", "EConnection")


@service.calculation(outputs=[Output("net")])
def talk(_: Context) -> float:
    for number in count():
        logging.getLogger("chatty").info("line %d", number)
    return 0.0


if __name__ == "__main__":
    service.run()
