"""Alembic's entry: runs the revisions against the URL it is given."""

from alembic import context

from app.db.session import make_engine
from app.db.tables import Base


def run() -> None:
    """Run the revisions in one transaction; SQLite alters tables by copying them."""
    url = context.config.get_main_option("sqlalchemy.url")
    assert url is not None
    engine = make_engine(url)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
