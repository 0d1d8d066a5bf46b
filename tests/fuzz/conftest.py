"""Pytest: all services composed, as the integration tests have them."""

from tests.integration.conftest import start

__all__ = ["start"]
