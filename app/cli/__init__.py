"""`peft-atlas`: the commands of the product, one file for each group."""

import typer

from app.cli import imports, study, team, token, user
from app.cli.backup import back_up, restore
from app.cli.database import migrate
from app.cli.devices import list_devices
from app.cli.doctor import check_machine
from app.cli.export import export_study
from app.cli.hub import fetch
from app.cli.processes import serve, up, worker
from app.cli.refusals import Commands

app = typer.Typer(
    cls=Commands, help="Compare PEFT methods by measuring them.", no_args_is_help=True, add_completion=False
)
app.command()(up)
app.command()(serve)
app.command()(worker)
app.command()(migrate)
app.command("doctor")(check_machine)
app.command("backup")(back_up)
app.command()(restore)
app.command()(study.quickstart)
app.command("devices")(list_devices)
app.command()(fetch)
app.command("export")(export_study)
app.add_typer(study.commands, name="study")
app.add_typer(imports.commands, name="import")
app.add_typer(user.commands, name="user")
app.add_typer(team.commands, name="team")
app.add_typer(token.commands, name="token")
