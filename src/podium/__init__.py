"""Podium runs models together: it deploys them, wires them to a message bus and conducts them."""

__version__ = "0.1.0"
