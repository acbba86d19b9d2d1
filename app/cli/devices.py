"""`devices`."""

import typer

from app.cli.installation import installation
from app.cli.terminal import AsJson, print_json


def list_devices(as_json: AsJson = False) -> None:
    """List the workers seen today."""
    found = installation().workers()
    if as_json:
        print_json(found)
        return
    for view in found:
        typer.echo(f"{view.name}  {view.device}  {'alive' if view.alive else 'gone'}")
