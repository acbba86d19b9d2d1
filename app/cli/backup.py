"""`backup` and `restore`."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.terminal import AsJson, home_settings, print_json
from app.db.session import make_engine
from app.services.backup import LeftOut, restore_backup, write_backup


def back_up(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not be there yet.")],
    as_json: AsJson = False,
) -> None:
    """Write the database and all files it refers to into FILE, while everything goes on."""
    settings = home_settings()
    # As it is: what is saved before an upgrade must not be upgraded by that.
    engine = make_engine(settings.database)
    report = write_backup(engine, settings, file)
    engine.dispose()
    if as_json:
        print_json(report)
        return
    _tell_left_out(report.left_out)
    typer.echo(f"{file} holds {_amount(report.rows, report.files, report.file_bytes)}.")


def restore(
    file: Annotated[Path, typer.Argument(help="What `backup` wrote.")],
    replace: Annotated[bool, typer.Option("--replace", help="Give up what the home holds now.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup back, after checking all of it; web and workers must not run."""
    report = restore_backup(home_settings(), file, replace=replace)
    if as_json:
        print_json(report)
        return
    _tell_left_out(report.left_out)
    typer.echo(f"{_amount(report.rows, report.files, report.file_bytes)} are back, at revision {report.revision}.")


def _amount(rows: dict[str, int], files: int, file_bytes: int) -> str:
    return f"{sum(rows.values())} rows and {files} files ({file_bytes / 1e6:.1f} MB)"


def _tell_left_out(left_out: tuple[LeftOut, ...]) -> None:
    for missed in left_out:
        typer.echo(f"Not in the backup: {missed.name}, for {missed.reason}.", err=True)
