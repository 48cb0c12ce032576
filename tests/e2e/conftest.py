"""Fixtures that the tests of whole Podiums share."""

from __future__ import annotations

from tests.e2e.brokers import broker

__all__ = ["broker"]
