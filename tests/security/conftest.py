"""One attacked installation for all tests that leave it as they found it; the others make their own."""

from collections.abc import Iterator

import pytest

from tests.security.installation import Installation, installation


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Two teams on one server. Change nothing here that another test could miss: `installation(home)` makes another."""
    with installation(tmp_path_factory.mktemp("installed")) as running:
        yield running
