"""`peft-atlas user`: who may log in."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli.terminal import migrated, stop
from app.services import audit
from app.services.accounts import users
from app.services.callers import COMMAND, Role
from app.settings import Settings

commands = typer.Typer(help="Who may log in.", no_args_is_help=True)
PasswordFile = Annotated[
    Path | None, typer.Option(help="A file that holds the password; - reads it from the standard input.")
]


@commands.command("add")
def add_user(
    name: str,
    operator: Annotated[bool, typer.Option(help="Runs the installation: users, teams, workers, storage.")] = False,
    team: str = "local",
    role: Annotated[Role | None, typer.Option(help="viewer, member or admin; an operator is admin.")] = None,
    password_file: PasswordFile = None,
) -> None:
    """Make a user. The first one switches accounts on: from then on nobody comes in without one."""
    engine = migrated(Settings())
    first = not users.accounts_exist(engine)
    if first and not operator:
        stop("The first user runs the installation. Add --operator.")
    chosen: Role = role or ("admin" if operator else "member")
    password = _password(password_file)
    users.add_user(engine, name, password, operator=operator, team=team, role=chosen)
    audit.record(engine, COMMAND, "add_user", name)
    typer.echo(f"User {name} is made." + (" From now on everybody logs in." if first else ""))


def _password(file: Path | None) -> str:
    """Asked for on the terminal, twice; never taken from the command line, which others of the machine can read."""
    if file is None:
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except OSError as error:
        stop(f"{file} cannot be read: {error.strerror}.")
    return text.removesuffix("\n").removesuffix("\r")
