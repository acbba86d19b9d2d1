"""Inserting rows that may be there already."""

from functools import lru_cache
from typing import Any

from sqlalchemy import JSON, Executable, bindparam, cast, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session


def upsert(session: Session, table: Any, rows: list[dict[str, Any]]) -> None:
    """Insert, or replace what has the same key: what is sent again changes nothing."""
    if not rows:
        return
    columns = tuple(rows[0])
    if session.get_bind().dialect.name != "postgresql":
        session.execute(_row_by_row(table, sqlite, columns), rows)
    elif any(isinstance(table.__table__.c[name].type, JSON) for name in columns):
        session.execute(_row_by_row(table, postgresql, columns), rows)
    else:
        session.execute(_at_once(table, columns), {name: [row[name] for row in rows] for name in columns})


@lru_cache
def _row_by_row(table: Any, dialect: Any, columns: tuple[str, ...]) -> Executable:
    return _replacing(dialect.insert(table), table, columns)


@lru_cache
def _at_once(table: Any, columns: tuple[str, ...]) -> Executable:
    """Of thousands of rows PostgreSQL takes one array for each column in a fraction of what as many statements take.
    JSON goes row by row: its null and no value are not the same."""
    arrays = {name: postgresql.ARRAY(table.__table__.c[name].type) for name in columns}
    rows = select(*(func.unnest(cast(bindparam(name, type_=kind), kind)).label(name) for name, kind in arrays.items()))
    return _replacing(postgresql.insert(table.__table__).from_select(list(columns), rows), table, columns)


def _replacing(statement: Any, table: Any, columns: tuple[str, ...]) -> Executable:
    keys = [column.name for column in table.__table__.primary_key]
    replaced = {name: statement.excluded[name] for name in columns if name not in keys}
    found: Executable = statement.on_conflict_do_update(index_elements=keys, set_=replaced)
    return found
