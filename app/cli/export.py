"""`export`."""

from pathlib import Path
from typing import Annotated, get_args

import typer

from app.cli.installation import installation
from app.cli.terminal import AsJson, print_json, stop
from app.services import exports


def export_study(
    study: Annotated[int, typer.Argument(help="Its number.")],
    format: Annotated[str, typer.Option(help="json, yaml, csv, md or html.")] = "json",
    output: Annotated[Path | None, typer.Option(help="The file to write; without it, the text is printed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a study down: with all it measured (json), its document (yaml), its cells (csv, md) or a report (html)."""
    kind = next((known for known in get_args(exports.Format) if known == format), None)
    if kind is None:
        stop(f"There is no format {format!r}. Choose among {', '.join(exports.FORMATS)}.")
    text = installation().export_study(study, kind)
    if output is not None:
        _write(output, text)
    if as_json:
        print_json({"study": study, "format": kind} | ({"file": str(output)} if output else {"text": text}))
    elif output is None:
        typer.echo(text, nl=False)
    else:
        typer.echo(f"Study {study} is in {output}.")


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        stop(f"{file} cannot be written: {error.strerror}.")
