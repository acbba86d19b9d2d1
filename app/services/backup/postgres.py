"""PostgreSQL's part of a backup: a part for each table, as COPY writes it; no program of the server's is needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import sql
from sqlalchemy import Connection, Engine, MetaData, func, inspect, select, text

from app.db.migrate import VERSION_TABLE, migrate
from app.db.session import make_engine
from app.errors import Conflict, Invalid
from app.services.backup.archive import Archive, ArchiveWriter, Table
from app.services.backup.not_kept import NOT_KEPT

OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
"""
"""The product's own connections: the server's helpers have no user."""


@contextmanager
def moment(engine: Engine) -> Iterator[Connection]:
    """A connection that sees the database as it is at its first statement."""
    with engine.connect() as connection:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        yield connection


def write_tables(connection: Connection, archive: ArchiveWriter) -> tuple[Table, ...]:
    """Every table but the one that says the revision, each with its rows."""
    return tuple(_write_table(connection, archive, name) for name in sorted(_names(connection)))


def _names(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - {VERSION_TABLE}


def _write_table(connection: Connection, archive: ArchiveWriter, name: str) -> Table:
    columns = tuple(column["name"] for column in inspect(connection).get_columns(name))
    copied = 0
    if name not in NOT_KEPT:
        with _cursor(connection) as cursor:
            with cursor.copy(_copy(name, columns, "TO STDOUT")) as copy:
                archive.add(_part(name), copy, compress=True)
            copied = cursor.rowcount
    return Table(name=name, columns=columns, rows=copied)


def _part(table: str) -> str:
    return f"database/{table}.copy"


def _copy(table: str, columns: tuple[str, ...], way: str) -> sql.Composed:
    listed = sql.SQL(", ").join(sql.Identifier(column) for column in columns)
    return sql.SQL("COPY {} ({}) ").format(sql.Identifier(table), listed) + sql.SQL(way)


def _cursor(connection: Connection) -> Any:
    """The driver's, in the transaction of this connection."""
    return connection.connection.cursor()


def check_unused(engine: Engine) -> None:
    """Raises Conflict where others are connected."""
    with engine.connect() as connection:
        count = connection.scalar(text(OTHERS)) or 0
    if count:
        raise Conflict(f"{count} others are connected to the database. Stop the web process and every worker first.")


def read_tables(archive: Archive, url: str) -> None:
    """Empty the database, fill it as it was at the backup's revision, and bring it to the present one."""
    engine = make_engine(url)
    try:
        check_unused(engine)
        _drop_everything(engine)
        engine.dispose()
        migrate(url, archive.manifest.revision)
        with engine.begin() as connection:
            _fill(connection, archive)
    finally:
        engine.dispose()
    migrate(url)


def _drop_everything(engine: Engine) -> None:
    there = MetaData()
    with engine.begin() as connection:
        there.reflect(connection)
        there.drop_all(connection)


def _fill(connection: Connection, archive: Archive) -> None:
    schema = MetaData()
    schema.reflect(connection)
    kept = {table.name: table for table in archive.manifest.tables}
    parts = {part.name: part for part in archive.manifest.parts_in("database")}
    if kept.keys() != schema.tables.keys() - {VERSION_TABLE}:
        raise Invalid("The backup's tables are not those of its revision. Use another copy of it.")
    # Migrating puts rows of its own into some.
    for found in reversed(schema.sorted_tables):
        if found.name != VERSION_TABLE:
            connection.execute(found.delete())
    for found in schema.sorted_tables:
        if (part := parts.get(_part(found.name))) is not None:
            table = kept[found.name]
            if not set(table.columns) <= set(found.columns.keys()):
                raise Invalid(f"The backup's table {table.name} has columns that its revision has not.")
            with _cursor(connection) as cursor, cursor.copy(_copy(table.name, table.columns, "FROM STDIN")) as copy:
                for piece in archive.pieces(part):
                    copy.write(piece)
            _check_count(connection, table, found)
    _count_on(connection, schema)


def _check_count(connection: Connection, table: Table, found: Any) -> None:
    if connection.scalar(select(func.count()).select_from(found)) != table.rows:
        raise Invalid(f"The backup's table {table.name} does not hold the {table.rows} rows that its manifest says.")


def _count_on(connection: Connection, schema: MetaData) -> None:
    """Rows that came with their ids have not moved the sequences that new ids are taken from."""
    for found in schema.tables.values():
        if "id" in found.c and connection.scalar(select(func.pg_get_serial_sequence(found.name, "id"))):
            last = select(func.coalesce(func.max(found.c.id), 1)).scalar_subquery()
            connection.execute(select(func.setval(func.pg_get_serial_sequence(found.name, "id"), last)))
