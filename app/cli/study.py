"""`study run`, `study costs` and `quickstart`."""

import time
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError

from app.cli.terminal import AsJson, migrated, stop, told
from app.db.session import make_engine
from app.schemas import StudyDocument, StudyView
from app.services import cost_errors, results, studies
from app.services.callers import LOCAL
from app.settings import Settings

commands = typer.Typer(help="Studies from files.", no_args_is_help=True)


def quickstart(as_json: AsJson = False) -> None:
    """Queue the quickstart study (again)."""
    _launch(studies.quickstart_document(), as_json)


@commands.command("run")
def run_study(file: Path, wait: bool = False, as_json: AsJson = False) -> None:
    """Queue the study that FILE describes (YAML or JSON); with --wait, exit code 1 unless it succeeds."""
    try:
        document = StudyDocument.model_validate(_read_yaml(file))
    except ValidationError as error:
        first = error.errors()[0]
        stop(f"{file}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}.")
    view = _launch(document, as_json=False, quiet=as_json)
    engine = make_engine(Settings().database)
    while wait and view.status in ("queued", "running"):
        time.sleep(1)
        view = results.study_view(engine, LOCAL, view.id)
    if as_json:
        typer.echo(view.model_dump_json())
    if wait and view.status != "succeeded":
        raise typer.Exit(1)


@commands.command("costs")
def study_costs(study: int) -> None:
    """Print what the cost model predicts beside what a study's finished runs measured."""
    from peft_core.analysis.cost_model.measured import table

    engine = migrated(Settings())
    typer.echo(table(told(lambda: cost_errors.cost_errors(engine, LOCAL, study))))


def _read_yaml(file: Path) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        # YAML 1.2, in which 1e-3 is a number.
        return YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        stop(f"There is no file {file}.")
    except (YAMLError, UnicodeDecodeError) as error:
        stop(f"{file} is not YAML: {str(error).splitlines()[0]}.")


def _launch(document: StudyDocument, as_json: bool, quiet: bool = False) -> StudyView:
    settings = Settings()
    engine = migrated(settings)
    study_id = told(lambda: studies.create_study(engine, settings, LOCAL, document))
    view = results.study_view(engine, LOCAL, study_id)
    if as_json:
        typer.echo(view.model_dump_json())
    elif not quiet:
        typer.echo(f"Study {view.id} is queued: {sum(view.counts.model_dump().values())} runs.")
    return view
