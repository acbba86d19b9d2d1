"""`devices`."""

import json

import typer

from app.cli.terminal import AsJson, migrated
from app.services import workers
from app.services.callers import COMMAND
from app.settings import Settings


def list_devices(as_json: AsJson = False) -> None:
    """List the workers seen today."""
    found = workers.list_workers(migrated(Settings()), COMMAND)
    if as_json:
        typer.echo(json.dumps([view.model_dump(mode="json") for view in found]))
        return
    for view in found:
        typer.echo(f"{view.name}  {view.device}  {'alive' if view.alive else 'gone'}")
