"""`migrate`."""

import typer

from app.cli.terminal import migrated
from app.settings import Settings


def migrate() -> None:
    """Bring the database to the newest revision."""
    settings = Settings()
    migrated(settings).dispose()
    typer.echo("The database is at the newest revision.")
