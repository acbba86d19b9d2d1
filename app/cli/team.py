"""`peft-atlas team`: what studies, models and data belong to."""

from typing import Annotated

import typer

from app.cli.terminal import AsJson, home_settings, migrated, print_json
from app.services import audit
from app.services.accounts import teams
from app.services.accounts.acting import in_team
from app.services.callers import COMMAND

commands = typer.Typer(help="Teams of users.", no_args_is_help=True)


@commands.command("add")
def add_team(
    name: Annotated[str, typer.Argument(help="Letters a-z, digits and -.")],
    as_json: AsJson = False,
) -> None:
    """Make a team, in which nobody is yet."""
    engine = migrated(home_settings())
    team = teams.create_team(engine, COMMAND, name)
    audit.record(engine, in_team(engine, team.slug), "create_team", team.slug)
    if as_json:
        print_json(team)
    else:
        typer.echo(f"Team {team.slug} is made. Bring users in: `peft-atlas user role NAME {team.slug} admin`.")


@commands.command("list")
def list_teams(as_json: AsJson = False) -> None:
    """List the teams with how many belong to each."""
    found = teams.list_teams(migrated(home_settings()))
    if as_json:
        print_json(found)
        return
    for team in found:
        typer.echo(f"{team.slug}  {team.members} members, {team.admins} of them administrators")
