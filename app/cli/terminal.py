"""What the commands share: the database of the home, and errors told in one sentence."""

from collections.abc import Callable
from typing import Annotated, NoReturn, TypeVar

import typer
from sqlalchemy import Engine

from app.db.migrate import migrate as migrate_database
from app.db.session import make_engine
from app.errors import AtlasError
from app.settings import Settings
from peft_core.errors import PeftCoreError

T = TypeVar("T")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def migrated(settings: Settings) -> Engine:
    migrate_database(settings.database)
    return make_engine(settings.database)


def told(do: Callable[[], T]) -> T:
    """The result, or the error's own sentence and exit code 1."""
    try:
        return do()
    except (AtlasError, PeftCoreError) as error:
        stop(str(error))


def stop(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
