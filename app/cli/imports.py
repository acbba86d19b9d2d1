"""`import study` and `import hf-peft`: results that were taken elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.installation import installation
from app.cli.refusals import exit_code
from app.cli.terminal import REFUSED, AsJson, print_json, stop
from app.client import ApiProblem
from app.errors import AtlasError, TooLarge
from app.schemas import LARGEST_ARCHIVE_BYTES, ImportReport, RefusedFile

commands = typer.Typer(help="Results that were taken elsewhere.", no_args_is_help=True)


@commands.command("study")
def import_study(
    file: Annotated[Path, typer.Argument(help="What `export` wrote as json.")],
    as_json: AsJson = False,
) -> None:
    """Take over an exported study with its results; a second time changes nothing."""
    try:
        found = installation().import_study(_read_archive(file))
    except (AtlasError, ApiProblem) as error:
        if not as_json:
            stop(f"{file}: {error}", exit_code(error))
        refused = [RefusedFile(file=str(file), reason=str(error))]
        print_json(ImportReport(imported=0, unchanged=0, refused=refused, study_ids=[]))
        raise typer.Exit(exit_code(error)) from None
    if as_json:
        imported, unchanged = int(found.new), int(not found.new)
        print_json(ImportReport(imported=imported, unchanged=unchanged, refused=[], study_ids=[found.study_id]))
    elif found.new:
        typer.echo(f"Study {found.study_id} is imported.")
    else:
        typer.echo(f"Nothing is changed: study {found.study_id} was imported from this file before.")


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
    atlas = installation()
    report = atlas.import_hf_peft(folder)
    if as_json:
        print_json(report)
    else:
        for refused in report.refused:
            typer.echo(f"{refused.file}: {refused.reason}", err=True)
        typer.echo(f"{report.imported} imported, {report.unchanged} unchanged, {len(report.refused)} refused.")
        for study_id in report.study_ids:
            typer.echo(f"Study {study_id}: {atlas.study_name(study_id)}")
    if not report.imported + report.unchanged:
        raise typer.Exit(REFUSED)
