"""One attacked installation for all tests that leave it as they found it, and a real application in an empty home."""

from collections.abc import Iterator

import pytest

from tests.app.conftest import anyio_backend, api, web
from tests.security.installation import Installation, installation

__all__ = ["anyio_backend", "api", "installed", "web"]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Two teams on one server. Change nothing here that another test could miss: `installation(home)` makes another."""
    with installation(tmp_path_factory.mktemp("installed")) as running:
        yield running
