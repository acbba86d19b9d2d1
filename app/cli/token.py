"""`peft-atlas token`: what programs come in with."""

from typing import Annotated

import typer
from pydantic import ValidationError
from sqlalchemy import Engine

from app.cli.refusals import wrong_field
from app.cli.terminal import AsJson, home_settings, migrated, print_json, stop
from app.schemas import NewToken, TokenEntry, TokenView
from app.services.accounts import tokens
from app.services.accounts.acting import acting_as, in_team, in_team_of_token
from app.services.accounts.teams import list_teams

commands = typer.Typer(help="API tokens, with which programs come in.", no_args_is_help=True)


@commands.command("create")
def create_token(
    user: Annotated[str, typer.Option(help="For whom it acts, never with more than their role.")],
    name: Annotated[str, typer.Option(help="What it is for.")],
    team: Annotated[str, typer.Option(help="In which team.")] = "local",
    scope: Annotated[tokens.Scope, typer.Option(help="read, write or admin.")] = "read",
    days: Annotated[int, typer.Option(min=0, max=3_650, help="How long it lasts; 0: until it is revoked.")] = 90,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, this once."""
    try:
        entry = TokenEntry(name=name, scope=scope, days=days or None)
    except ValidationError as error:
        stop(wrong_field(error))
    engine = migrated(home_settings())
    caller = acting_as(engine, user, team)
    token_id, secret = tokens.create_token(engine, caller, entry.name, entry.scope, entry.days)
    made = next(view for view in _tokens(engine, team) if view.id == token_id)
    if as_json:
        print_json(NewToken(token=made, secret=secret))
        return
    typer.echo(secret)
    until = "until it is revoked" if made.expires_at is None else f"until {made.expires_at:%Y-%m-%d}"
    typer.echo(
        f"Token {token_id} acts for {made.user} in {team} ({made.scope}) {until}. It is not shown again.", err=True
    )


@commands.command("list")
def list_tokens(
    team: Annotated[str | None, typer.Option(help="Of this team alone.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the tokens, without what programs send."""
    engine = migrated(home_settings())
    slugs = [team] if team is not None else [found.slug for found in list_teams(engine)]
    listed = [(slug, view) for slug in slugs for view in _tokens(engine, slug)]
    if as_json:
        print_json([{"team": slug, **view.model_dump()} for slug, view in listed])
        return
    for slug, view in listed:
        until = f"  until {view.expires_at:%Y-%m-%d}" if view.expires_at else ""
        typer.echo(f"{view.id}  {view.user}  {slug}  {view.scope}  {view.name}  {view.state}{until}")


@commands.command("revoke")
def revoke_token(
    token: Annotated[int, typer.Argument(help="Its number, as `list` tells it.")],
    as_json: AsJson = False,
) -> None:
    """Make a token useless, at once."""
    engine = migrated(home_settings())
    tokens.revoke_token(engine, in_team_of_token(engine, token), token)
    if as_json:
        print_json({"revoked": token})
    else:
        typer.echo(f"Token {token} is revoked.")


def _tokens(engine: Engine, team: str) -> list[TokenView]:
    """Those of a team, the newest first."""
    return [tokens.token_view(token, user) for token, user in tokens.list_tokens(engine, in_team(engine, team))]
