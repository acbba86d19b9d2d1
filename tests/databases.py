"""Which tests are run on both databases: `pytestmark = on_both_databases` in their module."""

import pytest

on_both_databases = pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
