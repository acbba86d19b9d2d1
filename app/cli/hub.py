"""`fetch`: what studies may read without asking the model hub."""

import sys
from dataclasses import replace
from functools import partial
from typing import Annotated

import typer

from app.cli.terminal import AsJson, print_json
from app.settings import Settings
from peft_core.hub import Kind
from peft_core.hub import find as find_on_hub
from peft_core.hub_download import download
from peft_core.spec import Event, Log, Progress


def fetch(
    kind: Annotated[Kind, typer.Argument(help="What it is.")],
    name: Annotated[str, typer.Argument(help="org/name, or org/name@revision.")],
    folder: Annotated[str | None, typer.Option(help="Which folder of a dataset that has several.")] = None,
    as_json: AsJson = False,
) -> None:
    """Download a base model or dataset of the model hub into the cache that studies read from."""
    # Whoever types this wants the hub to be asked, whatever studies may do.
    hub = replace(Settings().hub, offline=False)
    snapshot = find_on_hub(hub, kind, name, folder)
    download(hub, snapshot, partial(_tell_download, as_json))
    if as_json:
        print_json({"source": str(snapshot.source), "folder": str(snapshot.folder)})
    else:
        typer.echo(f"{snapshot.source} is in {snapshot.folder}.")


def _tell_download(as_json: bool, event: Event) -> None:
    if isinstance(event, Log):
        typer.echo(event.message, err=as_json)
    elif isinstance(event, Progress) and sys.stderr.isatty():
        end = event.step == event.total_steps
        typer.echo(f"\r{event.step / 1e6:,.1f} of {event.total_steps / 1e6:,.1f} MB", nl=end, err=True)
