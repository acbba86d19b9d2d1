"""`peft-atlas user`: who may log in."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine

from app.cli.terminal import AsJson, home_settings, migrated, print_json, stop
from app.schemas import UserView
from app.services import audit
from app.services.accounts import teams, users
from app.services.accounts.acting import in_team
from app.services.callers import COMMAND, Role

commands = typer.Typer(help="Who may log in.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="What they log in with.")]
PasswordFile = Annotated[
    Path | None, typer.Option(help="A file that holds the password; - reads it from the standard input.")
]


@commands.command("add")
def add_user(
    name: Name,
    operator: Annotated[
        bool, typer.Option("--operator", help="Runs the installation: users, teams, workers, storage.")
    ] = False,
    team: Annotated[str, typer.Option(help="The team they belong to.")] = "local",
    role: Annotated[Role | None, typer.Option(help="viewer, member or admin; an operator is admin.")] = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a user. The first one switches accounts on: from then on nobody comes in without one."""
    engine = migrated(home_settings())
    first = not users.accounts_exist(engine)
    if first and not operator:
        stop("The first user runs the installation. Add --operator.")
    chosen: Role = role or ("admin" if operator else "member")
    password = _password(password_file)
    users.add_user(engine, name, password, operator=operator, team=team, role=chosen)
    audit.record(engine, COMMAND, "add_user", name)
    _tell(engine, name, as_json, f"User {name} is made." + (" From now on everybody logs in." if first else ""))


@commands.command("list")
def list_users(as_json: AsJson = False) -> None:
    """List the users with their teams and roles."""
    found = users.list_users(migrated(home_settings()))
    if as_json:
        print_json(found)
        return
    for user in found:
        marks = [mark for mark, holds in (("operator", user.operator), ("disabled", user.disabled)) if holds]
        typer.echo("  ".join([user.name, *(f"{team.name}:{team.role}" for team in user.teams), *marks]))


@commands.command("password")
def set_password(name: Name, password_file: PasswordFile = None, as_json: AsJson = False) -> None:
    """Give a user another password; whoever is logged in as them is logged out."""
    engine = migrated(home_settings())
    users.set_password(engine, name, _password(password_file))
    audit.record(engine, COMMAND, "set_password", name)
    _tell(engine, name, as_json, f"User {name} has another password.")


@commands.command("disable")
def disable_user(name: Name, as_json: AsJson = False) -> None:
    """Keep a user out: sessions end, tokens are revoked. Users are never deleted: what they made carries their name."""
    engine = migrated(home_settings())
    users.disable_user(engine, name)
    audit.record(engine, COMMAND, "disable_user", name)
    _tell(engine, name, as_json, f"User {name} cannot log in any more.")


@commands.command("enable")
def enable_user(name: Name, as_json: AsJson = False) -> None:
    """Let a user in again, without the sessions and tokens they had."""
    engine = migrated(home_settings())
    users.enable_user(engine, name)
    audit.record(engine, COMMAND, "enable_user", name)
    _tell(engine, name, as_json, f"User {name} can log in again.")


@commands.command("operator")
def set_operator(
    name: Name,
    revoke: Annotated[bool, typer.Option("--revoke", help="No longer.")] = False,
    as_json: AsJson = False,
) -> None:
    """Have a user run the installation, or no longer; one operator always stays."""
    engine = migrated(home_settings())
    users.set_operator(engine, name, operator=not revoke)
    audit.record(engine, COMMAND, "set_operator", name, {"operator": not revoke})
    _tell(engine, name, as_json, f"User {name} {'no longer runs' if revoke else 'runs'} the installation.")


@commands.command("role")
def set_role(
    name: Name,
    team: Annotated[str, typer.Argument(help="A team.")],
    role: Annotated[Role, typer.Argument(help="viewer, member or admin.")],
    as_json: AsJson = False,
) -> None:
    """Bring a user into a team, or give them another role there."""
    engine = migrated(home_settings())
    caller = in_team(engine, team)
    member = teams.add_member(engine, caller, team, name, role)
    audit.record(engine, caller, "add_member", member.user, {"role": role})
    _tell(engine, name, as_json, f"User {member.user} is {role} in the team {caller.team}.")


def _tell(engine: Engine, name: str, as_json: bool, sentence: str) -> None:
    if as_json:
        print_json(_user(engine, name))
    else:
        typer.echo(sentence)


def _user(engine: Engine, name: str) -> UserView:
    wanted = users.checked_name(name)
    return next(user for user in users.list_users(engine) if user.name == wanted)


def _password(file: Path | None) -> str:
    """Asked for on the terminal, twice; never taken from the command line, which others of the machine can read."""
    if file is None:
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except OSError as error:
        stop(f"{file} cannot be read: {error.strerror}.")
    return text.removesuffix("\n").removesuffix("\r")
