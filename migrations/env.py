"""Alembic's entry: runs the revisions against the URL it is given."""

from alembic import context
from sqlalchemy import Connection, text

from app.db.identity import Base
from app.db.session import make_engine


class BrokenReferences(RuntimeError):
    """A revision left rows that refer to rows that are not there; it was rolled back."""


def run() -> None:
    """Run the revisions in one transaction; SQLite alters tables by copying them."""
    url = context.config.get_main_option("sqlalchemy.url")
    assert url is not None
    engine = make_engine(url)
    with engine.connect() as connection:
        on_sqlite = connection.dialect.name == "sqlite"
        if on_sqlite:
            # A table that is altered is dropped and made again: whatever refers to its rows would be deleted with them.
            connection.connection.driver_connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]
        context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
        with context.begin_transaction():
            before = context.get_context().get_current_heads()
            context.run_migrations()
            # Of a large database it takes seconds, which a start that changes nothing need not.
            if on_sqlite and context.get_context().get_current_heads() != before:
                _check_references(connection)
    engine.dispose()


def _check_references(connection: Connection) -> None:
    broken = connection.execute(text("PRAGMA foreign_key_check")).all()
    if broken:
        raise BrokenReferences(f"{len(broken)} rows refer to rows that are not there, the first in {broken[0][0]}.")


run()
