"""`peft-atlas`: the commands of the product."""

import errno
import ipaddress
import json
import os
import socket
import sys
import time
import webbrowser
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar, get_args

import typer
from pydantic import ValidationError
from sqlalchemy import Engine

from app.db.migrate import migrate as migrate_database
from app.db.session import make_engine
from app.errors import AtlasError, TooLarge
from app.schemas import LARGEST_ARCHIVE_BYTES, StudyDocument, StudyView
from app.services import cost_errors, exports, results, studies, workers
from app.services.callers import LOCAL
from app.services.imports import study_archive
from app.services.imports.hf_files import files_of_folder
from app.services.imports.hf_peft import import_results
from app.settings import Settings
from peft_core.errors import PeftCoreError
from peft_core.hub import Kind
from peft_core.hub import find as find_on_hub
from peft_core.hub_download import download
from peft_core.spec import Event, Log, Progress

app = typer.Typer(help="Compare PEFT methods by measuring them.", no_args_is_help=True, add_completion=False)
study_commands = typer.Typer(help="Studies from files.", no_args_is_help=True)
app.add_typer(study_commands, name="study")
import_commands = typer.Typer(help="Results that were taken elsewhere.", no_args_is_help=True)
app.add_typer(import_commands, name="import")

Host = Annotated[str, typer.Option(help="A loopback address.")]
Port = Annotated[int, typer.Option(min=1, max=65535)]
T = TypeVar("T")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def up(
    host: Host = "127.0.0.1",
    port: Port = 8050,
    browser: bool = True,
    quickstart: Annotated[bool, typer.Option(help="Queue the quickstart study on the first start.")] = True,
) -> None:
    """Start web and worker, and the quickstart study on the first start."""
    from app.supervisor import Supervisor

    _refuse_unless_free(host, port)
    settings = Settings()
    engine = _migrated(settings)
    queued = _told(lambda: studies.queue_quickstart_once(engine, settings, LOCAL)) if quickstart else None
    engine.dispose()

    def ready(url: str) -> None:
        typer.echo(f"PEFT Atlas is at {url} (data in {settings.home_folder}). Ctrl-C stops it.")
        if queued is not None:
            typer.echo(f"The quickstart study is running: {url}/studies/{queued}")
        if browser and _has_screen():
            webbrowser.open(url)

    raise typer.Exit(Supervisor(host, port).run(ready))


@app.command()
def serve(host: Host = "127.0.0.1", port: Port = 8050) -> None:
    """Start the web process alone."""
    _refuse_unless_free(host, port)
    os.execv(sys.executable, [sys.executable, "-m", "app.web", "--host", host, "--port", str(port)])


@app.command()
def worker(device: str = "cpu") -> None:
    """Start a worker alone."""
    os.execv(sys.executable, [sys.executable, "-m", "app.worker", "--device", device])


@app.command()
def migrate() -> None:
    """Bring the database to the newest revision."""
    settings = Settings()
    _migrated(settings).dispose()
    typer.echo("The database is at the newest revision.")


@app.command()
def quickstart(as_json: AsJson = False) -> None:
    """Queue the quickstart study (again)."""
    _launch(studies.quickstart_document(), as_json)


@app.command()
def devices(as_json: AsJson = False) -> None:
    """List the workers seen today."""
    found = workers.list_workers(_migrated(Settings()))
    if as_json:
        typer.echo(json.dumps([view.model_dump(mode="json") for view in found]))
        return
    for view in found:
        typer.echo(f"{view.name}  {view.device}  {'alive' if view.alive else 'gone'}")


@app.command()
def fetch(
    kind: Annotated[Kind, typer.Argument(help="What it is.")],
    name: Annotated[str, typer.Argument(help="org/name, or org/name@revision.")],
    folder: Annotated[str | None, typer.Option(help="Which folder of a dataset that has several.")] = None,
) -> None:
    """Download a base model or dataset of the model hub into the cache that studies read from."""
    # Whoever types this wants the hub to be asked, whatever studies may do.
    hub = replace(Settings().hub, offline=False)
    snapshot = _told(lambda: find_on_hub(hub, kind, name, folder))
    _told(lambda: download(hub, snapshot, _tell_download))
    typer.echo(f"{snapshot.source} is in {snapshot.folder}.")


def _tell_download(event: Event) -> None:
    if isinstance(event, Log):
        typer.echo(event.message)
    elif isinstance(event, Progress) and sys.stderr.isatty():
        end = event.step == event.total_steps
        typer.echo(f"\r{event.step / 1e6:,.1f} of {event.total_steps / 1e6:,.1f} MB", nl=end, err=True)


@app.command("export")
def export_study(
    study: int,
    format: Annotated[str, typer.Option(help="json, yaml, csv, md or html.")] = "json",
    output: Annotated[Path | None, typer.Option(help="The file to write; without it, the text is printed.")] = None,
) -> None:
    """Write a study down: with all it measured (json), its document (yaml), its cells (csv, md) or a report (html)."""
    kind = next((known for known in get_args(exports.Format) if known == format), None)
    if kind is None:
        _stop(f"There is no format {format!r}. Choose among {', '.join(exports.FORMATS)}.")
    engine = _migrated(Settings())
    text = _told(lambda: exports.export_study(engine, LOCAL, study, kind))
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        _stop(f"{output} cannot be written: {error.strerror}.")
    typer.echo(f"Study {study} is in {output}.")


@import_commands.command("study")
def import_study(file: Path, as_json: AsJson = False) -> None:
    """Take over the study that `export` wrote to FILE as json, with its results; a second time changes nothing."""
    try:
        found = study_archive.import_study(_migrated(Settings()), LOCAL, _read_archive(file))
    except AtlasError as error:
        if as_json:
            _print_imports(refused=[{"file": str(file), "reason": str(error)}])
            raise typer.Exit(1) from None
        _stop(f"{file}: {error}")
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
        _stop(f"{file} cannot be read: {error.strerror}.")


@import_commands.command("hf-peft")
def import_hf_peft(
    folder: Annotated[Path, typer.Argument(help="method_comparison, one of its suites, or a suite's results.")],
    as_json: AsJson = False,
) -> None:
    """Import results of Hugging Face's method comparison; exit code 1 where no file could be taken."""
    files = _told(lambda: files_of_folder(folder))
    engine = _migrated(Settings())
    report = _told(lambda: import_results(engine, LOCAL, files))
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


@study_commands.command("run")
def run_study(file: Path, wait: bool = False, as_json: AsJson = False) -> None:
    """Queue the study that FILE describes (YAML or JSON); with --wait, exit code 1 unless it succeeds."""
    try:
        document = StudyDocument.model_validate(_read_yaml(file))
    except ValidationError as error:
        first = error.errors()[0]
        _stop(f"{file}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}.")
    view = _launch(document, as_json=False, quiet=as_json)
    engine = make_engine(Settings().database)
    while wait and view.status in ("queued", "running"):
        time.sleep(1)
        view = results.study_view(engine, LOCAL, view.id)
    if as_json:
        typer.echo(view.model_dump_json())
    if wait and view.status != "succeeded":
        raise typer.Exit(1)


@study_commands.command("costs")
def study_costs(study: int) -> None:
    """Print what the cost model predicts beside what a study's finished runs measured."""
    from peft_core.analysis.cost_model.measured import table

    engine = _migrated(Settings())
    typer.echo(table(_told(lambda: cost_errors.cost_errors(engine, LOCAL, study))))


def _read_yaml(file: Path) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        # YAML 1.2, in which 1e-3 is a number.
        return YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        _stop(f"There is no file {file}.")
    except (YAMLError, UnicodeDecodeError) as error:
        _stop(f"{file} is not YAML: {str(error).splitlines()[0]}.")


def _launch(document: StudyDocument, as_json: bool, quiet: bool = False) -> StudyView:
    settings = Settings()
    engine = _migrated(settings)
    study_id = _told(lambda: studies.create_study(engine, settings, LOCAL, document))
    view = results.study_view(engine, LOCAL, study_id)
    if as_json:
        typer.echo(view.model_dump_json())
    elif not quiet:
        typer.echo(f"Study {view.id} is queued: {sum(view.counts.model_dump().values())} runs.")
    return view


def _migrated(settings: Settings) -> Engine:
    migrate_database(settings.database)
    return make_engine(settings.database)


def _refuse_unless_free(host: str, port: int) -> None:
    """One sentence where the address is not loopback, or the port is taken."""
    if not _is_loopback(host):
        _stop(f"{host} is not a loopback address. PEFT Atlas has no accounts yet, so it answers on this machine only.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            _stop(f"Port {port} on {host} {reason}. Stop what uses it, or choose another: make run PORT=8051.")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _has_screen() -> bool:
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _told(do: Callable[[], T]) -> T:
    """The result, or the error's own sentence and exit code 1."""
    try:
        return do()
    except (AtlasError, PeftCoreError) as error:
        _stop(str(error))


def _stop(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
