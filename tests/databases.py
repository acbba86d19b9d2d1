"""Which tests are run on both databases: `pytestmark = on_both_databases` in their module."""

import pytest

on_both_databases = pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
slowly_on_postgres_too = pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])], indirect=True
)
"""For tests that are long on either and seldom differ."""
