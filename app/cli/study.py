"""`study run`, `study costs` and `quickstart`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from app.cli.installation import installation
from app.cli.refusals import wrong_field
from app.cli.terminal import REFUSED, AsJson, home_settings, migrated, print_json, stop
from app.schemas import StudyDocument, StudyView
from app.services import cost_errors
from app.services.callers import LOCAL

commands = typer.Typer(help="Studies from files.", no_args_is_help=True)


def quickstart(as_json: AsJson = False) -> None:
    """Queue the quickstart study (again)."""
    view = installation().create_quickstart()
    if as_json:
        print_json(view)
    else:
        _tell_queued(view)


@commands.command("run")
def run_study(
    file: Annotated[Path, typer.Argument(help="The study, as YAML or JSON.")],
    wait: Annotated[bool, typer.Option("--wait", help="Return when all its runs have ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Queue the study that FILE describes; with --wait, exit code 1 unless it succeeds."""
    document = _read_document(file)
    atlas = installation()
    view = atlas.create_study(document)
    if not as_json:
        _tell_queued(view)
    if wait:
        view = atlas.finished_study(view.id)
    if as_json:
        print_json(view)
    elif wait:
        typer.echo(f"Study {view.id} {view.status}: {view.counts.succeeded} runs succeeded, {view.failures} failed.")
    if wait and view.status != "succeeded":
        raise typer.Exit(REFUSED)


@commands.command("costs")
def study_costs(
    study: Annotated[int, typer.Argument(help="Its number.")],
    as_json: AsJson = False,
) -> None:
    """Print what the cost model predicts beside what a study's finished runs measured."""
    from peft_core.analysis.cost_model.measured import table

    # It reads the study's dataset, which is where the data are.
    compared = cost_errors.cost_errors(migrated(home_settings()), LOCAL, study)
    if as_json:
        rows = [
            {"configuration": label, **vars(figure), "error": figure.error}
            for label, figures in compared.items()
            for figure in figures
        ]
        print_json({"study": study, "figures": rows})
    else:
        typer.echo(table(compared))


def _tell_queued(view: StudyView) -> None:
    typer.echo(f"Study {view.id} is queued: {sum(view.counts.model_dump().values())} runs.")


def _read_document(file: Path) -> StudyDocument:
    try:
        return StudyDocument.model_validate(_read_yaml(file))
    except ValidationError as error:
        stop(f"{file}: {wrong_field(error)}")


def _read_yaml(file: Path) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        # YAML 1.2, in which 1e-3 is a number.
        return YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        stop(f"There is no file {file}.")
    except OSError as error:
        stop(f"{file} cannot be read: {error.strerror}.")
    except (YAMLError, UnicodeDecodeError) as error:
        stop(f"{file} is not YAML: {str(error).splitlines()[0]}.")
