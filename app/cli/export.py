"""`export`."""

from pathlib import Path
from typing import Annotated, get_args

import typer

from app.cli.terminal import migrated, stop, told
from app.services import exports
from app.services.callers import LOCAL
from app.settings import Settings


def export_study(
    study: int,
    format: Annotated[str, typer.Option(help="json, yaml, csv, md or html.")] = "json",
    output: Annotated[Path | None, typer.Option(help="The file to write; without it, the text is printed.")] = None,
) -> None:
    """Write a study down: with all it measured (json), its document (yaml), its cells (csv, md) or a report (html)."""
    kind = next((known for known in get_args(exports.Format) if known == format), None)
    if kind is None:
        stop(f"There is no format {format!r}. Choose among {', '.join(exports.FORMATS)}.")
    engine = migrated(Settings())
    text = told(lambda: exports.export_study(engine, LOCAL, study, kind))
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        stop(f"{output} cannot be written: {error.strerror}.")
    typer.echo(f"Study {study} is in {output}.")
