"""What the commands share: the database of the home, how they print, and how they end."""

from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from pydantic import BaseModel
from pydantic_core import to_json
from sqlalchemy import Engine

from app.db.migrate import migrate as migrate_database
from app.db.session import make_engine
from app.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

REFUSED = 1
"""The command was refused or has failed; 2, wrong usage, is Typer's."""
UNREACHABLE = 3
"""The server of PEFT_ATLAS_URL did not answer."""
NOT_ALLOWED = 4
"""That server does not let this token do it."""


def home_settings() -> Settings:
    """For a command that works on the home alone; it ends where PEFT_ATLAS_URL names a server, which is then meant."""
    settings = Settings()
    if settings.url is not None:
        stop("This command works on the machine that holds the data. Type it there, without PEFT_ATLAS_URL.")
    return settings


def migrated(settings: Settings) -> Engine:
    """The home's database, brought to the newest revision."""
    migrate_database(settings.database)
    return make_engine(settings.database)


def print_json(told: BaseModel | dict[str, Any] | Sequence[BaseModel | dict[str, Any]]) -> None:
    """One JSON document on one line."""
    typer.echo(to_json(told, inf_nan_mode="null").decode())


def stop(message: str, code: int = REFUSED) -> NoReturn:
    """End with a sentence on standard error."""
    typer.echo(message, err=True)
    raise typer.Exit(code)
