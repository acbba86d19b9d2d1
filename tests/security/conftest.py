"""What attacks are made on: a real application on a real database in an empty home."""

from tests.app.conftest import anyio_backend, api, web

__all__ = ["anyio_backend", "api", "web"]
