"""`import study` and `import hf-peft`: results that were taken elsewhere."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.terminal import AsJson, migrated, stop, told
from app.errors import AtlasError, TooLarge
from app.schemas import LARGEST_ARCHIVE_BYTES
from app.services import results
from app.services.callers import LOCAL
from app.services.imports import study_archive
from app.services.imports.hf_files import files_of_folder
from app.services.imports.hf_peft import import_results
from app.settings import Settings

commands = typer.Typer(help="Results that were taken elsewhere.", no_args_is_help=True)


@commands.command("study")
def import_study(file: Path, as_json: AsJson = False) -> None:
    """Take over the study that `export` wrote to FILE as json, with its results; a second time changes nothing."""
    try:
        found = study_archive.import_study(migrated(Settings()), LOCAL, _read_archive(file))
    except AtlasError as error:
        if as_json:
            _print_imports(refused=[{"file": str(file), "reason": str(error)}])
            raise typer.Exit(1) from None
        stop(f"{file}: {error}")
    if as_json:
        _print_imports(imported=int(found.new), unchanged=int(not found.new), study_ids=[found.study_id])
    elif found.new:
        typer.echo(f"Study {found.study_id} is imported.")
    else:
        typer.echo(f"Nothing is changed: study {found.study_id} was imported from this file before.")


def _print_imports(**told: Any) -> None:
    typer.echo(json.dumps({"imported": 0, "unchanged": 0, "refused": [], "study_ids": []} | told))


def _read_archive(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > LARGEST_ARCHIVE_BYTES:
            raise TooLarge(f"An exported study has at most {LARGEST_ARCHIVE_BYTES} bytes; this file has {size}.")
        return file.read_bytes()
    except OSError as error:
        stop(f"{file} cannot be read: {error.strerror}.")


@commands.command("hf-peft")
def import_hf_peft(
    folder: Annotated[Path, typer.Argument(help="method_comparison, one of its suites, or a suite's results.")],
    as_json: AsJson = False,
) -> None:
    """Import results of Hugging Face's method comparison; exit code 1 where no file could be taken."""
    files = told(lambda: files_of_folder(folder))
    engine = migrated(Settings())
    report = told(lambda: import_results(engine, LOCAL, files))
    if as_json:
        typer.echo(report.model_dump_json())
    else:
        for refused in report.refused:
            typer.echo(f"{refused.file}: {refused.reason}", err=True)
        typer.echo(f"{report.imported} imported, {report.unchanged} unchanged, {len(report.refused)} refused.")
        for study_id in report.study_ids:
            typer.echo(f"Study {study_id}: {results.study_view(engine, LOCAL, study_id).name}")
    if not report.imported + report.unchanged:
        raise typer.Exit(1)
