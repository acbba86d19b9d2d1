"""`migrate`."""

import typer

from app.cli.terminal import AsJson, home_settings, migrated, print_json
from app.db.migrate import present_revision


def migrate(as_json: AsJson = False) -> None:
    """Bring the database to the newest revision."""
    engine = migrated(home_settings())
    if as_json:
        print_json({"revision": present_revision(engine)[0]})
    else:
        typer.echo("The database is at the newest revision.")
    engine.dispose()
