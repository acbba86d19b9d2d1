"""Inserting rows that may be there already."""

from functools import lru_cache
from typing import Any

from sqlalchemy import Executable
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session


def upsert(session: Session, table: Any, rows: list[dict[str, Any]]) -> None:
    """Insert, or replace what has the same key: what is sent again changes nothing."""
    if rows:
        session.execute(_statement(table, session.get_bind().dialect.name, tuple(rows[0])), rows)


@lru_cache
def _statement(table: Any, dialect: str, columns: tuple[str, ...]) -> Executable:
    statement = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    keys = [column.name for column in table.__table__.primary_key]
    replaced = {name: statement.excluded[name] for name in columns if name not in keys}
    found: Executable = statement.on_conflict_do_update(index_elements=keys, set_=replaced)
    return found
